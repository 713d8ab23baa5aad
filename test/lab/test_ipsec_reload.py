"""Another file under traffic, of an overlay of IKEv2 and ESP: members come and go, and terms change,
while a tunnel that stays loses nothing and keeps its SAs; and two overlays between the same nodes."""
import pytest

import labs
from labs import Stream
from lib.until import until
from test_reload import Files

BASE = """
backbone tunnels;
site fra { location 50.11,8.68;   networks 10.10.0.0/16; }
site nyc { location 40.71,-74.01; networks 10.20.0.0/16; }
site sin { location 1.29,103.85;  networks 10.30.0.0/16; }
service mpls type ip;
template dc { port wan { interface eth1; service mpls; } port lan { interface eth0; lan; } }
node fra1 { id 1; site fra; like dc; port wan { address 192.0.2.2/30; gateway 192.0.2.1; }
            port lan address 10.10.0.1/16; }
node nyc1 { id 2; site nyc; like dc; port wan { address 192.0.2.6/30; gateway 192.0.2.5; }
            port lan address 10.20.0.1/16; }
node sin1 { id 3; site sin; like dc; port wan { address 192.0.2.10/30; gateway 192.0.2.9; }
            port lan address 10.30.0.1/16; }
overlay core { design ipsec; over mpls; auth psk core; %s }
overlay second { design ipsec; over mpls; members [ fra1 nyc1 ]; auth psk second; routing external; }
"""
THREE, TWO = BASE % "", BASE % "members [ fra1 nyc1 ];"
OTHER_TERMS = BASE % "ike { dead-peer-detection 20s; } esp { dscp 46; replay-window 4096; }"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), THREE)
    try:
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def live(lab, node, overlay="core"):
    try:
        answer = lab.show(node, "peers")
    except (OSError, ValueError):
        return set()
    return {p["peer"] for p in answer["peers"]
            if p["state"] == "live" and p["overlay"] == overlay}


def spis(lab):
    """Of the tunnels between fra1 and nyc1. One that is only received from is on its way out."""
    return {(s["overlay"], s["spi-in"], s["spi-out"]) for s in lab.show("fra1", "sa")["esp"]
            if s["peer"] == "nyc1" and s["spi-out"]}


def take(lab, files, text, nodes):
    """Every node takes the file; returns their answers when all have the peers they should have."""
    files.write(text)
    answers = []
    for node in lab.nodes:
        old = lab.role(node, "control")
        answers.append(lab.ask(node, "reload"))
        assert answers[-1]["valid"] and "error" not in answers[-1], answers
        until("another control\n" + lab.logs(), lambda: lab.role(node, "control") not in (None, old))
    for node in nodes:
        until(lambda: f"{node} has its peers again\n" + lab.logs(),
              lambda: live(lab, node) == set(nodes) - {node}, 40)
    return answers


def test_two_overlays_between_the_same_addresses_are_told_apart_by_their_secrets(lab):
    assert live(lab, "fra1", "second") == {"nyc1"} and live(lab, "nyc1", "second") == {"fra1"}
    assert {s[0] for s in spis(lab)} == {"core", "second"}
    far = next(w for w in lab.ns("nyc1").ip("-6", "addr", "show", "second").split()
               if w.startswith("fe80:")).split("/")[0]
    assert "1 received" in lab.run("fra1", "ping", "-c", "1", "-W", "3", f"{far}%second", check=False)


def test_members_come_and_go_beside_a_tunnel_that_loses_nothing(lab):
    files = Files(lab)
    before = spis(lab)
    assert len(before) == 2
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(200, 500)
        answers = s.send_while(500, lambda: take(lab, files, TWO, ["fra1", "nyc1"]))
        assert [(a["changed"], a["kept"]) for a in answers[:2]] == [(["core"], ["second"])] * 2
        assert answers[2]["removed"] == ["core"]
        assert "10.30." not in lab.ns("fra1").ip("route") + lab.ns("nyc1").ip("route")
        assert "core" not in lab.ns("sin1").ip("link")
        answers = s.send_while(500, lambda: take(lab, files, THREE, lab.nodes))
        assert answers[2]["added"] == ["core"]
        answers = s.send_while(500, lambda: take(lab, files, OTHER_TERMS, lab.nodes))
        assert all(a["changed"] == ["core"] for a in answers), answers
        s.send(500, 500)
        assert s.lost() == []
    assert spis(lab) == before
    assert "1 received" in lab.run("host-sin", "ping", "-c", "1", "-W", "3", "10.10.0.10",
                                   check=False)
