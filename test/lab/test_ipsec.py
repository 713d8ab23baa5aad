"""Overlays of IKEv2 and ESP: two sites over the Internet, one of them behind a translator with a
leased address, and a mesh over an IP service."""
import pathlib

import pytest

import labs

TWO = labs.TOP / "examples" / "two-sites.conf"


def peers(lab, node, overlay="link"):
    """Peer's name → its entry in `show peers`, of those that are live."""
    try:
        answer = lab.show(node, "peers")
    except (OSError, ValueError):
        return {}
    return {p["peer"]: p for p in answer.get("peers", [])
            if p["overlay"] == overlay and p["state"] == "live"}


def pings(lab, who, to, count=3):
    out = lab.run(who, "ping", "-n", "-c", count, "-i", "0.2", "-W", "3", to, check=False)
    return f" {count} received" in out


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), pathlib.Path(TWO).read_text())
    try:
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def test_two_sites_come_up_over_a_translator_and_their_hosts_meet(two):
    assert pings(two, "host-fra", two.address["host-nyc"][0])
    assert pings(two, "host-nyc", two.address["host-fra"][0])
    nyc = peers(two, "fra1")["nyc1"]
    assert nyc["cipher"] == "aes-gcm-16-256"
    assert nyc["address"] == "198.19.0.1"       # the translator's
    assert nyc["packets-in"] and nyc["packets-out"]


def test_the_carrier_sees_esp_and_ike_alone(two):
    ports = two.ports()
    assert two.neither() == (0, [])
    for node in two.nodes:
        assert ports[node]["esp"] and ports[node]["ike"], ports[node]


def test_the_kernel_answers_nothing_to_esp(two):
    """It would say that it knows no such protocol, or port, had forward's packets reached it."""
    for node in two.nodes:
        guard = next(p for p in two.show(node, "ports")["ports"] if p["side"] == "wan")["guard"]
        assert guard["ingress-esp"] and guard["ingress-ike"] and guard["egress-ike"]
        icmp = [w.split()[1:] for w in two.run(node, "cat", "/proc/net/snmp").splitlines()
                if w.startswith("Icmp:")]
        assert dict(zip(*icmp))["OutDestUnreachs"] == "0"


def test_what_is_shown_of_an_overlay_of_ipsec(two):
    for node, peer in (("fra1", "nyc1"), ("nyc1", "fra1")):
        entry = next(o for o in two.show(node, "overlays")["overlays"] if o["overlay"] == "link")
        assert entry["design"] == "ipsec" and entry["keying"] == "ikev2"
        assert entry["state"] == "secured" and entry["reason"] is None
        assert entry["peers-live"] == 1 and entry["members"] == 2
        tunnel = two.show(node, "counters")["tunnels"][0]
        assert tunnel["peer"] == peer and tunnel["receive"]["not-valid"] == 0
        events = [e["text"] for e in two.show(node, "events")["events"]]
        assert any(peer in e and "up" in e for e in events), events
        for words in (["show", "overlays"], ["show", "peers"], ["show", "ports"],
                      ["show", "counters"], ["show", "sa"], ["show", "mka"]):
            two.run(node, labs.MYELIN, *words)
