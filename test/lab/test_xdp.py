"""AF_XDP on the wan ports: ciphertext comes and goes by it, everything else as ever, and whoever is killed
leaves neither a program that eats frames nor anything in clear."""
import os
import signal

import pytest

import labs
from lib.until import until

IP = (labs.TOP / "examples" / "four-dcs-ip.conf").read_text().replace(
    "port wan { interface eth1; service mpls; }", "port wan { interface eth1; service mpls; io af-xdp; }")
KINDS = {"macsec": labs.backbone(2, port="io af-xdp;"), "esp": IP}


@pytest.fixture(scope="module", params=list(KINDS))
def lab(request, tmp_path_factory):
    assert "io af-xdp" in KINDS[request.param]
    made = labs.Lab(tmp_path_factory.mktemp("lab"), KINDS[request.param])
    made.kind = request.param
    try:
        until(lambda: made.logs(), lambda: all(bound(made, n) for n in ("fra1", "nyc1")), 15)
        until(lambda: made.logs(), lambda: passes(made), 30)
        yield made
    finally:
        made.down()


def io_of(lab, node):
    """How the wan port's frames go, as `show ports` has it."""
    try:
        ports = lab.show(node, "ports")["ports"]
    except (OSError, ValueError):
        return None, None
    return next((p["io"], p["io-reason"]) for p in ports if p["side"] == "wan")


def bound(lab, node):
    return io_of(lab, node)[0] == "af-xdp"


def passes(lab):
    return "1 received" in lab.run("host-fra", "ping", "-n", "-c", "1", "-W", "1",
                                   lab.address["host-nyc"][0], check=False)


def counters(lab, node):
    found = {}
    for entry in lab.show(node, "counters")["secys" if lab.kind == "macsec" else "tunnels"]:
        found.update({k.removeprefix("port.eth1."): v for k, v in entry["counters"].items()
                      if k.startswith("port.eth1.")})
    return found


def moved(lab, node, name, before):
    return counters(lab, node).get(name, 0) - before.get(name, 0)


def program(lab, node):
    return "prog/xdp" in lab.ns(node).ip("link", "show", "eth1")


def test_ciphertext_comes_and_goes_by_af_xdp(lab):
    for node in ("fra1", "nyc1"):
        assert io_of(lab, node) == ("af-xdp", "1 of 1 queues, copied")
        assert "af-xdp" in lab.run(node, labs.MYELIN, "show", "ports")
    out, into = counters(lab, "fra1"), counters(lab, "nyc1")
    with labs.Stream(lab, "host-fra", "host-nyc", size=1200) as s:
        s.send(500, 1000)
        assert s.lost() == [] and s.duplicates == 0
    assert moved(lab, "fra1", "xdp-tx-frames", out) >= 500
    assert moved(lab, "nyc1", "xdp-rx-frames", into) >= 500
    assert moved(lab, "fra1", "tx-errors", out) == 0
    assert lab.neither() == (0, [])


def test_what_was_sent_is_what_the_interface_sent(lab):
    """A socket that sends into nothing would count as well."""
    def carried():
        return lab.ports()["fra1"]["macsec" if lab.kind == "macsec" else "esp"]
    ours, theirs = counters(lab, "fra1"), carried()
    with labs.Stream(lab, "host-fra", "host-nyc") as s:
        s.send(200, 1000)
        assert s.lost() == []
    assert moved(lab, "fra1", "tx-frames", ours) == carried() - theirs


def test_a_killed_forward_has_it_again(lab):
    def times():
        return (lab.dir / "fra1.log").read_text().count("AF_XDP in 1 of 1 queues")
    lives = times()
    with labs.Stream(lab, "host-fra", "host-nyc") as s:
        def act():
            lab.kill("fra1", "forward")
            until(lambda: lab.logs(), lambda: times() > lives, 15)
        s.send_while(300, act)
        begin = s.sent
        s.send(100, 500)
        assert not [n for n in s.lost() if n >= begin], "traffic goes on"
    assert counters(lab, "fra1")["xdp-tx-frames"] >= 100       # they count from its start
    assert lab.neither() == (0, [])


def test_a_killed_control_changes_nothing(lab):
    before = counters(lab, "fra1")
    with labs.Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(300, lambda: lab.kill("fra1", "control"))
        s.send(100, 500)
        assert s.lost() == []
    until(lambda: lab.logs(), lambda: bound(lab, "fra1"), 15)
    assert moved(lab, "fra1", "xdp-tx-frames", before) >= 100


def test_a_killed_parent_leaves_no_program_and_the_guards(lab):
    os.kill(lab.parent("fra1"), signal.SIGKILL)
    until(lambda: lab.logs(), lambda: not program(lab, "fra1"), 10)
    for side in ("ingress", "egress"):
        assert f"guard_{side}" in lab.ns("fra1").run("tc", "filter", "show", "dev", "eth1", side)
    lab.run("host-fra", "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1",
            lab.address["host-nyc"][0], check=False)
    assert lab.neither() == (0, [])
