"""Another file under traffic: what does not change loses nothing, a bad file changes nothing."""
import os
import pathlib
import signal
import subprocess

import pytest

import labs
from labs import Stream
from lib.until import until

SECOND = ("overlay second { design macsec; keying mka; over ring; subnet 10.254.0.0/24; "
          "routing external; macsec { %s } mka { key-chain second-cak; destination broadcast; "
          "hello 500ms; life 3s; } }\n")


def base():
    text = labs.backbone(2)
    text = text.replace("port lan {", "port ring { interface eth2; service ring; } port lan {")
    return text + "service ring { type ethernet; topology e-lan; mtu 1600; }\n"


class Files:
    """The backbone file that the daemons of a lab read."""

    def __init__(self, lab):
        self.lab = lab
        words = pathlib.Path(f"/proc/{lab.parent('fra1')}/cmdline").read_bytes().decode()
        self.path = pathlib.Path([w for w in words.split("\0") if w.endswith("conf")][-1])

    def write(self, text, name=None):
        """All at once, as an operator's tool would."""
        path = self.path.with_name(name) if name else self.path
        new = path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o644)
        new.rename(path)

    def reload(self, node):
        """Returns the answer when the successor of control has the same peers again."""
        old = self.lab.role(node, "control")
        answer = self.lab.ask(node, "reload")
        assert answer["valid"] and "error" not in answer, answer
        if answer["changes"]:
            self.back(node, old)
        return answer

    def back(self, node, old):
        until("another control\n" + self.lab.logs(),
              lambda: self.lab.role(node, "control") not in (None, old))
        until("core is back\n" + self.lab.logs(), lambda: len(self.lab.peers(node)) == 1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), base() + SECOND % "")
    try:
        yield lab
    finally:
        lab.down()
        left = labs.left_behind(lab.name)
        assert not left, left


def keys(lab):
    return [(p["key-id"], p["an"]) for n, o in (("fra1", "nyc1"), ("nyc1", "fra1"))
            for p in [lab.peers(n)[o]]]


def member(lab, node):
    return [p["member-id"] for p in lab.show(node, "mka")["participants"]
            if p["overlay"] == "core"]


def second_works(lab):
    until("second is keyed\n" + lab.logs(), lambda: all(
        len(lab.peers(n, "second")) == 1 for n in lab.nodes), 40)
    until("second carries", lambda: "1 received" in lab.ns("fra1").run(
        "ping", "-c", "1", "-W", "1", "10.254.0.2", check=False))


def test_an_overlay_comes_changes_and_goes_beside_one_that_loses_nothing(lab):
    files = Files(lab)
    before, members = keys(lab), [member(lab, n) for n in lab.nodes]
    steps = [
        ("removed", base()),
        ("added", base() + SECOND % ""),
        ("changed", base() + SECOND % "replay-window 64;"),
        ("changed", base() + SECOND % "cipher-suite gcm-aes-256;"),
        ("removed", base()),
    ]
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        s.send(200, 500)
        for what, text in steps:
            files.write(text)
            for node in lab.nodes:
                answer = s.send_while(500, lambda n=node: files.reload(n))
                assert answer[what] == ["second"], answer
                assert answer["kept"] == ["core"], answer
            if what != "removed":
                s.send_while(500, lambda: second_works(lab))
            else:
                for node in lab.nodes:
                    assert "second" not in lab.ns(node).ip("link")
                    assert {a["overlay"] for a in lab.show(node, "macsec")["sas"]} == {"core"}
        s.send(500, 500)
        assert s.lost() == []
        sent = [int.from_bytes(f.raw[16:20], "big") for f in wire.of("fra1", "macsec")
                if f.raw[20:28] == wire.of("fra1", "macsec")[0].raw[20:28]]
    assert keys(lab) == before
    assert [member(lab, n) for n in lab.nodes] == members
    assert sent == sorted(set(sent)), "a packet number went back or came twice"
    lab.assert_clean()


def test_a_bad_file_changes_nothing_and_every_error_is_told(lab):
    files = Files(lab)
    good = base()
    control = lab.role("fra1", "control")
    files.write(good.replace("mtu 1600", "mtu 16", 1).replace("key-chain core-cak", "kay-chain x"))
    answer = files.lab.ask("fra1", "reload")
    assert answer["valid"] is False
    assert len(answer["errors"]) >= 2, answer
    assert all(e["line"] and e["text"] for e in answer["errors"])
    assert lab.role("fra1", "control") == control
    files.write(good)
    assert files.reload("fra1")["changes"] == []
    assert lab.role("fra1", "control") == control


def test_a_diff_is_what_a_reload_would_change(lab):
    files = Files(lab)
    other = files.path.with_name("other.conf")
    other.write_text(base() + SECOND % "replay-window 64;")

    def diff(*words):
        done = subprocess.run(["ip", "netns", "exec", f"{lab.name}.fra1", labs.MYELIN, "config",
                               "diff", *map(str, words)], capture_output=True, text=True,
                              timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
    assert diff(files.path) == []
    assert "+ overlay second macsec replay-window 64" in diff(other)
    assert diff(other) == diff(files.path, other)
    assert "- overlay second macsec replay-window 64" in diff(other, files.path)


def test_control_killed_after_a_reload_goes_on_with_the_new_file(lab):
    """The overlay that was there keeps its number though it comes second in the new file."""
    files = Files(lab)
    before = keys(lab)
    head, core = base().split("overlay core", 1)
    core, tail = core.split("\n", 1)
    files.write(SECOND % "", "second.conf")
    files.write(head + 'include "second.conf";\noverlay core' + core + "\n" + tail)
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(100, 500)
        for node in lab.nodes:
            old = lab.role(node, "control")
            s.send_while(500, lambda n=node: os.kill(lab.parent(n), signal.SIGHUP))
            s.send_while(500, lambda n=node, o=old: until(
                "another control", lambda: lab.role(n, "control") not in (None, o)))
            s.send_while(500, lambda n=node: lab.kill(n, "control"))
        # What an operator writes meanwhile is not taken up by a restart.
        files.write("not a backbone\n")
        files.write("nor this\n", "second.conf")
        s.send_while(500, lambda: second_works(lab))
        lab.kill("fra1", "control")
        s.send_while(500, lambda: second_works(lab))
        s.send(300, 500)
        assert s.lost() == []
    assert keys(lab) == before
    files.write(base())
    for node in lab.nodes:
        files.reload(node)
    lab.assert_clean()
