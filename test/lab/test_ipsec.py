"""Overlays of IKEv2 and ESP: two sites over the Internet, one of them behind a translator with a
leased address, and a mesh over an IP service."""
import pathlib
import struct

import pytest

import labs
from labs import Stream, Witness
from lib.until import until

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


def udp_of(raw):
    """Ports and payload of a frame's UDP in IPv4, or None."""
    if raw[12:14] != b"\x08\x00" or raw[23] != 17:
        return None
    at = 14 + (raw[14] & 15) * 4
    return struct.unpack(">HH", raw[at:at + 4]), raw[at + 8:]


def esp_of(raw):
    """SPI, the low half of the sequence number, and the octets of the IV."""
    udp = udp_of(raw)
    body = udp[1] if udp else raw[14 + (raw[14] & 15) * 4:]
    return body[:4], body[4:8], body[8:16]


def assert_no_nonce_twice(wire):
    assert wire.missed == 0
    assert sum(f.cls == "esp" for f in wire.frames) > 1000
    for node in ("fra1", "nyc1"):
        esp = [esp_of(f.raw) for f in wire.of(node, "esp")]
        assert len({e[:2] for e in esp}) == len(esp), "a sequence number came twice"
        assert len({(e[0], e[2]) for e in esp}) == len(esp), "an IV came twice"


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


def test_a_secret_that_others_can_read_stops_no_tunnel_and_is_named(two):
    secret, reason = two.dir / "secrets" / "link", {}

    def why():
        try:
            reason.update(two.show("fra1", "overlays")["overlays"][0])
        except (OSError, ValueError):
            return None
        return reason["reason"]
    secret.chmod(0o644)
    with Stream(two, "host-fra", "host-nyc") as s:
        s.send_while(300, lambda: two.kill("fra1", "control"))
        until("the reason is shown", lambda: "mode 0600" in (why() or ""), 10)
        assert str(secret) in reason["reason"]
        s.send(300, 300)
        assert s.lost() == []
    secret.chmod(0o600)
    until("it is read again", lambda: why() is None and reason["state"] == "secured", 20)


def test_forward_killed_is_back_within_a_second_under_the_same_keys(two):
    with Witness() as witness, two.capture("inet") as wire, \
            Stream(two, "host-fra", "host-nyc") as s:
        s.send(500, 1000)
        spi = esp_of(wire.of("fra1", "esp")[-1].raw)[0]
        s.send_while(1000, lambda: two.kill("fra1", "forward"))
        s.send(1500, 1000)
        s.lost(0.5)
        gap, after = s.longest_gap(), {esp_of(f.raw)[0] for f in wire.of("fra1", "esp")}
        assert_no_nonce_twice(wire)
    print(f"gap {gap * 1000:.0f} ms, worst stall {witness.worst * 1000:.1f} ms")
    assert gap < 1.0 + 5 * witness.worst
    assert after == {spi}


# Three sites whose carrier routes IPv6 alone, IPv4 and IPv6 behind each, tunnels when they are needed.
def mesh():
    out = ["backbone lab;", "service inet { type internet; }"]
    for i, (site, place) in enumerate(labs.SITES[:3], 1):
        out.append(f"site {site} {{ location {place}; "
                   f"networks [ 10.{i}0.0.0/16 2001:db8:{i}0::/48 ]; }}")
        out.append(f"node {site}1 {{ id {i}; site {site}; port wan {{ interface eth1; service inet; "
                   f"address 2001:db8:f:{i}::2/64; gateway 2001:db8:f:{i}::1; }} "
                   f"port lan {{ interface eth0; lan; "
                   f"address [ 10.{i}0.0.1/16 2001:db8:{i}0::1/64 ]; }} }}")
    out.append("overlay link { design ipsec; over inet; auth psk link; ike { on-demand; } }")
    return "\n".join(out) + "\n"


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), mesh(), wait=False)
    try:
        until("IKEv2 waits everywhere", lambda: all(idle(lab, n) == 2 for n in lab.nodes), 20)
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def idle(lab, node):
    try:
        return sum(p["state"] == "down" and (p["reason"] or "").startswith("idle")
                   for p in lab.show(node, "peers")["peers"])
    except (OSError, ValueError):
        return 0


def test_the_first_packet_brings_a_tunnel_up_and_is_not_lost(three):
    """Every pair of hosts, in either family, each with a single packet."""
    for a, b in (("fra", "nyc"), ("nyc", "sin"), ("sin", "fra")):
        assert f"{b}1" not in peers(three, f"{a}1")
        for to in three.address[f"host-{b}"]:
            out = three.run(f"host-{a}", "ping", "-n", "-c", "1", "-W", "4", to, check=False)
            assert " 1 received" in out, f"{a} to {b}, {to}: {out}"
        assert f"{b}1" in peers(three, f"{a}1")
    for node in three.nodes:
        assert len(peers(three, node)) == 2
        assert all(":" in p["address"] for p in peers(three, node).values())


def test_the_carrier_of_the_mesh_sees_esp_and_ike_alone(three):
    assert three.neither() == (0, [])
    assert all(p["esp"] and p["ike"] for p in three.ports().values())
