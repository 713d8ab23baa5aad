"""A reload under traffic in every kind of change: what it must not disturb loses nothing, what it
cannot but disturb comes back, and the same change with an error in it changes nothing at all.

Three nodes; the traffic goes from a host behind fra1 to one behind nyc1 over `core`, and each
change is taken up by all three, one after the other, and then taken back. What the lab's carrier
knows from the file too (VLAN, EtherType, what may be in clear) is tried on a cable:
test/proc/test_reload_cable.py."""
import pytest

import labs
from labs import Stream
from lib.until import until
from test_reload import Files


def base():
    text = labs.backbone(3).replace("port lan {", "like common; port ring { interface eth2; "
                                    "service ring; } port lan {")
    return ("template common { port dmz { interface eth3; lan; } }\n" + text
            + "service ring { type ethernet; topology e-lan; mtu 1600; }\n"
            + 'include "more.conf";\n')


def swap(old, new, count=1):
    """A change of the text: what it replaces must be there."""
    def edit(text):
        assert old in text, old
        return text.replace(old, new, count)
    return edit


def add(more):
    return lambda text: text + more


SECOND = ("overlay second { design macsec; over ring; subnet 10.254.0.0/24; preference 200; "
          "mka { key-chain second-cak; destination broadcast; hello 500ms; life 3s; } }\n")
MACSEC, MKA = "macsec {  }", "mka { key-chain core-cak;"

# What changes, the change, and an error in the same place. These lose no packet of core.
QUIET = {
    "overlay-added": (add(SECOND), add(SECOND.replace("over ring", "over rang"))),
    "replay-window": (swap(MACSEC, "macsec { replay-window 64; }"),
                      swap(MACSEC, "macsec { replay-window 2000000; }")),
    "replay-protect": (swap(MACSEC, "macsec { replay-protect false; }"),
                       swap(MACSEC, "macsec { replay-protect maybe; }")),
    "validate": (swap(MACSEC, "macsec { validate check; }"),
                 swap(MACSEC, "macsec { validate strictly; }")),
    "rekey": (swap(MKA, MKA + " rekey 3s;"), swap(MKA, MKA + " rekey soon;")),
    "hello": (swap("hello 500ms", "hello 400ms"), swap("hello 500ms", "hello 5ms")),
    "life": (swap("life 3s", "life 5s"), swap("life 3s", "life 600ms")),
    "priority": (add("overlay core member nyc1 priority 3;\n"),
                 add("overlay core member nyc1 priority 300;\n")),
    "preference": (add("overlay core preference 50;\n"), add("overlay core preference 500;\n")),
    "routes": (swap("networks 10.30.0.0/16", "networks [ 10.30.0.0/16 10.31.0.0/16 ]"),
               swap("networks 10.30.0.0/16", "networks [ 10.30.0.0/16 10.31.0.0/36 ]")),
    "lan-address": (swap("address 10.10.0.1/16;", "address [ 10.10.0.1/16 192.0.2.1/24 ];"),
                    swap("address 10.10.0.1/16;", "address [ 10.10.0.1/16 192.0.2.1/24;")),
    "member-removed": (add("overlay core members [ fra1 nyc1 ];\n"),
                       add("overlay core members [ fra1 nic1 ];\n")),
    "mtu": (swap("topology e-lan; mtu 1600;", "topology e-lan; mtu 1500;"),
            swap("topology e-lan; mtu 1600;", "topology e-lan; mtu 15000;")),
    "allow": (add("node fra1 port wan allow lldp;\n"), add("node fra1 port wan allow all;\n")),
    "port-removed": (swap("port ring { interface eth2; service ring; }", ""),
                     swap("port ring { interface eth2; service ring; }", "port ring { vlan 7; }")),
    "port-added": (add("node fra1 port spare { interface eth4; lan; address 198.51.100.1/24; }\n"),
                   add("node fra1 port spare { interface eth4; }\n")),
    "template": (swap("interface eth3; lan;", "interface eth5; lan;"),
                 swap("interface eth3; lan;", "interfaces eth5; lan;")),
    "site": (swap("location 1.29,103.85", "location 2.29,103.85"),
             swap("location 1.29,103.85", "location 1.29;103.85")),
    "comment": (add("# nothing but words\n"), add("/ nothing but words\n")),
}

# These change what both ends must agree on: nothing passes while they differ, then it does again.
LOUD = {
    "cipher-suite": (swap(MACSEC, "macsec { cipher-suite gcm-aes-256; }"),
                     swap(MACSEC, "macsec { cipher-suite gcm-aes-512; }")),
    "key-chain": (swap("key-chain core-cak", "key-chain second-cak"),
                  swap("key-chain core-cak", "key-chain Second")),
    "overlay-address": (swap("subnet 10.255.0.0/24", "subnet 10.253.0.0/24"),
                        swap("subnet 10.255.0.0/24", "subnet 10.253.0.0/34")),
}


class Three(Files):
    def back(self, node, old):
        until(lambda: "another control\n" + self.lab.logs(),
              lambda: self.lab.role(node, "control") not in (None, old))
        until("it answers", lambda: self.answers(node))

    def answers(self, node):
        try:
            return self.lab.show(node, "version")
        except (OSError, ValueError):
            return None

    def take(self, text, stream, nodes=None):
        self.write(text)
        return [stream.send_while(400, lambda n=n: self.reload(n)) for n in nodes or self.lab.nodes]


def pair_is_keyed(lab):
    return "nyc1" in lab.peers("fra1") and "fra1" in lab.peers("nyc1")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "more.conf").write_text("# what others write\n")
    # A lab makes keys for the chains that its file names.
    lab = labs.Lab(folder, base() + SECOND)
    try:
        files = Three(lab)
        files.write("# what others write\n", "more.conf")
        files.write(base())
        for node in lab.nodes:
            files.reload(node)
        yield lab
    finally:
        lab.down()
        left = labs.left_behind(lab.name)
        assert not left, left


def key(lab):
    return lab.peers("fra1")["nyc1"]["key-id"]


def bad_file_changes_nothing(lab, files, text, stream):
    files.write(text)
    roles = [lab.role(n, r) for n in lab.nodes for r in ("control", "forward")]
    before = key(lab)
    for node in lab.nodes:
        answer = stream.send_while(400, lambda n=node: lab.ask(n, "reload"))
        assert answer["valid"] is False and answer["errors"], answer
        assert all(e["line"] and e["column"] and e["text"] for e in answer["errors"])
    stream.send(40, 400)
    assert [lab.role(n, r) for n in lab.nodes for r in ("control", "forward")] == roles
    assert key(lab) == before
    assert stream.lost() == []


@pytest.mark.parametrize("kind", QUIET)
def test_a_reload_that_need_not_disturb_core_loses_none_of_its_packets(lab, kind):
    files, (edit, err) = Three(lab), QUIET[kind]
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(40, 400)
        bad_file_changes_nothing(lab, files, err(base()), s)
        answers = files.take(edit(base()), s)
        assert kind == "comment" or all(a["changes"] for a in answers), answers
        s.send_while(400, lambda: until("the pair is keyed", lambda: pair_is_keyed(lab), 20))
        s.send(200, 400)
        answers = files.take(base(), s)
        assert kind == "comment" or all(a["changes"] for a in answers), answers
        s.send_while(400, lambda: until("all are keyed", lambda: all(
            len(lab.peers(n)) == 2 for n in lab.nodes), 20))
        s.send(200, 400)
        assert s.lost() == []
        assert s.duplicates == 0
    lab.assert_clean()


@pytest.mark.parametrize("kind", LOUD)
def test_a_reload_that_parts_the_two_ends_joins_them_again(lab, kind):
    files, (edit, err) = Three(lab), LOUD[kind]
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(40, 400)
        bad_file_changes_nothing(lab, files, err(base()), s)
        for text in (edit(base()), base()):
            files.take(text, s)
            s.send_while(400, lambda: until("all are keyed", lambda: all(
                len(lab.peers(n)) == 2 for n in lab.nodes), 30))
            s.send_while(400, lambda: until("traffic", lambda: "1 received" in lab.run(
                "host-fra", "ping", "-n", "-c", "1", "-W", "1", lab.address["host-nyc"][0],
                check=False), 20))
            mark = s.sent
            s.send(200, 400)
            assert [n for n in s.lost() if n >= mark] == []
    lab.assert_clean()


def test_what_an_included_file_says_is_taken_up_too(lab):
    files = Three(lab)
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(40, 400)
        files.write("overlay core preference 5000;\n", "more.conf")
        bad_file_changes_nothing(lab, files, base(), s)
        files.write("overlay core preference 70;\n", "more.conf")
        for answer in files.take(base(), s):
            assert [c["statement"] for c in answer["changes"]] == ["overlay core preference 70"]
        files.write("# what others write\n", "more.conf")
        for answer in files.take(base(), s):
            assert [c["op"] for c in answer["changes"]] == ["-"]
        s.send(200, 400)
        assert s.lost() == []
    lab.assert_clean()
