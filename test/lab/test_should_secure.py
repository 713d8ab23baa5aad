"""should-secure, the field's mode for a migration: in clear until a key is agreed upon, encrypted
from then on, and nothing lost in between. What it opens is the overlay's own frames alone."""
import subprocess

import pytest

import labs
from labs import Stream
from lib.until import until
from test_never import MARK, attack, forwarded, retreat
from test_reload import Files

# MKPDUs to the standard's address end at the carrier: no key can be agreed upon.
UNHEARD = "destination pae-group;"
HEARD = "destination broadcast;"


def text(mka, line="should-secure;", **kw):
    return labs.backbone(2, macsec=line, mka=mka, **kw)


def overlay(lab, node):
    return lab.show(node, "overlays")["overlays"][0]


def wan(lab, node):
    return [p for p in lab.show(node, "ports")["ports"] if p["side"] == "wan"][0]


def clear_frames(lab):
    return sum(p["clear"] for p in lab.ports().values())


def reachable(lab):
    until("they reach each other\n" + lab.logs(), lambda: "1 received" in lab.ns("fra1").run(
        "ping", "-c", 1, "-W", 1, "10.255.0.2", check=False), 20)


def secured(lab):
    until("both have a key\n" + lab.logs(), lambda: all(
        overlay(lab, n)["state"] == "secured" for n in lab.nodes), 30)


def log(lab, node):
    return (lab.dir / f"{node}.log").read_text()


@pytest.fixture
def open_lab(make_lab):
    lab = make_lab(text(UNHEARD), wait=False)
    reachable(lab)
    return lab


def test_a_network_migrates_node_by_node_and_loses_nothing(open_lab):
    """In clear; then the keying of one node, then of the other is made to work. Not a packet is
    lost on the way, and none is in clear afterwards."""
    lab, files = open_lab, Files(open_lab)
    assert overlay(lab, "fra1")["state"] == "clear"
    assert clear_frames(lab) > 0 and lab.counter("fra1", "OutPktsUntagged") > 0
    files.write(text(HEARD))

    def reload(node):
        old = lab.role(node, "control")
        assert lab.ask(node, "reload")["valid"]
        until("another control", lambda: lab.role(node, "control") not in (None, old))

    with Stream(lab, "host-fra", "host-nyc") as s, Stream(lab, "host-nyc", "host-fra") as back:
        s.send_while(300, lambda: reload("fra1"))
        s.send(300, 300)
        assert overlay(lab, "fra1")["state"] == "clear"     # alone it agrees with nobody
        back.send_while(300, lambda: (reload("nyc1"), secured(lab)))
        s.send(300, 300)
        back.send(300, 300)
        assert s.lost() == [] and back.lost() == []
        until("nothing is taken in clear any more", lambda: all(
            lab.counter(n, "InPktsOK") > 0 for n in lab.nodes), 10)
        before = clear_frames(lab)
        s.send(1500, 300)                                   # longer than the grace
        assert s.lost() == [] and s.duplicates == 0
    assert clear_frames(lab) == before, "frames in clear with a key in use"
    assert lab.neither()[0] == 0
    for node in lab.nodes:
        assert "overlay-secured" in [e["event"] for e in lab.show(node, "events")["events"]]
    # What the carrier now puts in, in clear, stays outside.
    taken = {n: lab.counter(n, "InPktsUntagged") for n in lab.nodes}
    dropped = {n: lab.drops(n).get("drop.not-macsec", 0) for n in lab.nodes}
    for node in lab.nodes:
        lab.carrier("inject", node, "wan", wan(lab, node)["mac"].replace(":", "")
                    + "020000000009" + "080045" + "a5" * 60)
        until("it was dropped", lambda: lab.drops(node).get("drop.not-macsec", 0)
              == dropped[node] + 1, 10)
        assert lab.counter(node, "InPktsUntagged") == taken[node]


def test_it_is_shown_wherever_one_looks(open_lab, tmp_path):
    lab = open_lab
    file = tmp_path / "x.conf"
    file.write_text(text(UNHEARD))
    done = subprocess.run([labs.MYELIN, "check", file], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "sends and takes frames in clear while no key is in use" in done.stdout + done.stderr
    for node in lab.nodes:
        shown = overlay(lab, node)
        assert shown["open"] == ["should-secure"] and shown["state"] == "clear"
        assert "consume" in shown["reason"]
        port = wan(lab, node)
        assert "should-secure" in port["open"] and port["deviates"]
        assert port["guard"]["egress-clear"] > 0 and port["guard"]["ingress-clear"] > 0
        assert lab.counter(node, "OutPktsUntagged") > 0 < lab.counter(node, "InPktsUntagged")
        assert "IN CLEAR" in log(lab, node)


def test_the_opening_is_the_overlay_s_alone(open_lab):
    """In clear, and still: what the node's kernel sends by the wan interface, or routes there, does
    not leave, and what comes in clear reaches the overlay and not the host."""
    lab = open_lab
    with lab.capture() as wire:
        attack(lab, "fra1")
        forwarded(lab, "fra1")
        reachable(lab)          # after all that
        seen = [f.raw for f in list(wire.frames) if f.port == "fra1"]
    retreat(lab, "fra1")
    assert seen and not any(MARK[:5] in raw for raw in seen)
    assert not any(raw[12:14] in (b"\x12\x34", b"\x88\xcc", b"\x81\x00", b"\x88\xa8")
                   for raw in seen)
    assert lab.neither()[0] == 0


def test_it_falls_back_without_its_peer_and_comes_back(make_lab):
    """The session ends when the peers do not hear each other for a life time: in clear again, said
    in the log; and secured again when they do."""
    lab = make_lab(text(HEARD))
    secured(lab)
    lab.carrier("cut", "nyc1", "wan")
    until("fra1 is in clear", lambda: overlay(lab, "fra1")["state"] == "clear", 20)
    assert log(lab, "fra1").count("IN CLEAR") == 2      # at its start, and now
    lab.carrier("heal", "nyc1", "wan")
    secured(lab)
    reachable(lab)
    before = clear_frames(lab)
    reachable(lab)
    assert clear_frames(lab) == before and lab.neither()[0] == 0


@pytest.mark.parametrize("role", ["control", "forward"])
def test_a_role_s_death_with_a_key_in_use_lets_nothing_out_in_clear(make_lab, role):
    lab = make_lab(text(HEARD))
    secured(lab)
    reachable(lab)
    before = clear_frames(lab)
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(300, lambda: lab.kill("fra1", role))
        s.send(300, 300)
        if role == "control":
            assert s.lost() == []
    reachable(lab)
    assert clear_frames(lab) == before and lab.neither()[0] == 0


def test_taking_the_line_away_shuts_it_under_traffic(open_lab):
    """Must-secure again: without a key nothing passes, and the guards are shut."""
    lab, files = open_lab, Files(open_lab)
    files.write(text(UNHEARD, line=""))
    for node in lab.nodes:
        old = lab.role(node, "control")
        assert lab.ask(node, "reload")["valid"]
        until("another control", lambda: lab.role(node, "control") not in (None, old))
        until("it is closed", lambda: overlay(lab, node)["state"] == "closed", 10)
        assert overlay(lab, node)["open"] == [] and "should-secure" not in wan(lab, node)["open"]
    before = clear_frames(lab)
    # Unanswered, or unreachable at once where the kernel knows by then that there is no carrier.
    assert "bytes from" not in lab.ns("fra1").run("ping", "-c", 3, "-i", "0.2", "-W", 1,
                                                  "10.255.0.2", check=False)
    assert clear_frames(lab) == before
