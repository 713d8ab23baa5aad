"""Several networks on one cable: VLANs with keys of their own, and two tags in clear (802.1ad)."""
import re

import pytest

from labs import Lab, Stream, backbone
from lib.until import until
from test_reload import Files

MKA = "hello 500ms; life 3s;"


def two_vlans(extra=""):
    """Two sites, two services in VLANs of one interface and a third without a tag, all of it keyed
    apart: other CAs, other EAPOL destinations and EtherTypes."""
    return f"""backbone lab;
site fra {{ location 50.11,8.68; networks 10.10.0.0/16; }}
site nyc {{ location 40.71,-74.01; networks 10.20.0.0/16; }}
service red {{ type ethernet; mtu 1600; }}
service blue {{ type ethernet; mtu 1600; }}
service bare {{ type ethernet; mtu 1600; }}
node fra1 {{ id 1; site fra;
    port red {{ interface eth1; vlan 100; service red; }}
    port blue {{ interface eth1; vlan 200; service blue; }}
    port bare {{ interface eth1; service bare; }}
    port lan {{ interface eth0; lan; address 10.10.0.1/16; }} }}
node nyc1 {{ id 2; site nyc;
    port red {{ interface eth1; vlan 101; service red; }}
    port blue {{ interface eth1; vlan 100; service blue; }}
    port bare {{ interface eth1; service bare; }}
    port lan {{ interface eth0; lan; address 10.20.0.1/16; }} }}
overlay core {{ design macsec; over red; subnet 10.255.0.0/24; preference 10;
    mka {{ key-chain core-cak; destination broadcast; ethertype 0x876f; {MKA} }} }}
overlay blue {{ design macsec; over blue; subnet 10.254.0.0/24; preference 20;
    mka {{ key-chain blue-cak; destination 01:80:c2:00:00:30; {MKA} }} }}
overlay bare {{ design macsec; over bare; subnet 10.253.0.0/24; preference 30;
    mka {{ key-chain bare-cak; destination broadcast; {MKA} }} }}
{extra}"""


OVERLAYS = ("core", "blue", "bare")


def live(lab, overlays=OVERLAYS):
    return all(len(lab.peers(n, o)) == len(lab.nodes) - 1 for n in lab.nodes for o in overlays)


def ports(lab, node):
    return {p["port"]: p for p in lab.show(node, "ports")["ports"] if p["side"] == "wan"}


def answers(lab, net, count=3):
    out = lab.ns("fra1").run("ping", "-c", count, "-i", "0.2", "-W", 3, f"10.{net}.0.2",
                             check=False)
    return int(re.search(r"(\d+) received", out)[1])


@pytest.fixture(scope="module")
def vlans(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("vlans"), two_vlans())
    yield lab
    lab.down()


def test_each_vlan_has_a_ca_and_an_sci_of_its_own(vlans):
    until("every overlay is keyed", lambda: live(vlans), 20)
    for node, identifiers in (("fra1", {"red": 100, "blue": 200, "bare": 1}),
                              ("nyc1", {"red": 101, "blue": 100, "bare": 1})):
        shown = ports(vlans, node)
        assert {p: shown[p]["port-id"] for p in identifiers} == identifiers
        mka = {p["overlay"]: p for p in vlans.show(node, "mka")["participants"]}
        assert {o: int(mka[o]["sci"][-4:], 16) for o in OVERLAYS} == dict(
            zip(OVERLAYS, identifiers.values()))
        assert len({p["sci"] for p in mka.values()}) == 3
        assert len({p["sci"][:12] for p in mka.values()}) == 1
        assert (mka["core"]["destination"], mka["core"]["ethertype"]) \
            == ("ff:ff:ff:ff:ff:ff", "0x876f")
        assert (mka["blue"]["destination"], mka["blue"]["ethertype"]) \
            == ("01:80:c2:00:00:30", "0x888e")
        for o in OVERLAYS:
            assert set(mka[o]["dropped"]) <= {"not-live"}, "an MKPDU of another VLAN came"


def test_all_of_them_carry_traffic_and_see_no_frame_of_another(vlans):
    assert [answers(vlans, net) for net in (255, 254, 253)] == [3, 3, 3]
    for node in vlans.nodes:
        drops = vlans.drops(node)
        assert not {"drop.wrong-vlan", "drop.foreign-tag", "drop.unknown-sci"} & set(drops), drops
    vlans.assert_clean()
    services = {s["name"]: s["ports"] for s in vlans.carrier("status")["services"]}
    for name, tagged in (("red", True), ("blue", True), ("bare", False)):
        for port in services[name]:
            assert port["tagged"] == (port["frames"] if tagged else 0)
            assert port["macsec"] > 0 and port["eapol"] > 0


def test_a_frame_of_one_vlan_is_nothing_in_another(vlans):
    """A real frame of fra1 in the red VLAN, delivered to nyc1 under the tag of the blue one, under
    none, under a foreign one and under two."""
    with vlans.capture("red") as wire:
        answers(vlans, 255, 1)
        raw = until("a frame of fra1", lambda: wire.of("fra1", "macsec"), 10)[-1].raw
    before = vlans.drops("nyc1")
    secys = [s["counters"]["InPktsOK"] for s in vlans.show("nyc1", "counters")["secys"]]
    for tags in ("81000064", "", "810000c8", "88a8000581000064"):
        frame = raw[:12].hex() + tags + raw[16:].hex()
        vlans.carrier("inject", "nyc1", "red", frame)
    until("two of them reached a SecY that does not know the sender", lambda: vlans.drops(
        "nyc1").get("drop.unknown-sci", 0) == before.get("drop.unknown-sci", 0) + 2, 10)
    after = vlans.drops("nyc1")
    assert "drop.wrong-vlan" not in after, "the kernel hands over what no port has"
    assert secys == [s["counters"]["InPktsOK"] for s in vlans.show("nyc1", "counters")["secys"]]


def test_keying_and_forwarding_may_die_under_all_of_them(vlans):
    before = {o: vlans.peers("nyc1", o)["fra1"]["key-id"] for o in OVERLAYS}
    with Stream(vlans, "host-fra", "host-nyc") as s:
        s.send_while(500, lambda: vlans.kill("nyc1", "control"))
        s.send(500, 500)
        assert s.lost() == []
    until("every overlay is keyed", lambda: live(vlans), 20)
    vlans.kill("nyc1", "forward")
    until("all carry traffic", lambda: [answers(vlans, n, 1) for n in (255, 254, 253)] == [1, 1, 1],
          20)
    assert before == {o: vlans.peers("nyc1", o)["fra1"]["key-id"] for o in OVERLAYS}
    vlans.assert_clean()


def test_another_vlan_is_added_and_taken_away_under_traffic(tmp_path):
    """The ports that stay keep socket, numbers, SCI and key; not a packet is lost."""
    extra = f"""service more {{ type ethernet; mtu 1600; }}
node fra1 port more {{ interface eth1; vlan 150; service more; }}
node nyc1 port more {{ interface eth1; vlan 150; service more; }}
overlay more {{ design macsec; over more; subnet 10.252.0.0/24; preference 40;
    mka {{ key-chain blue-cak; destination broadcast; {MKA} }} }}
"""
    lab = Lab(tmp_path, two_vlans(extra))
    files = Files(lab)

    def reload(text):
        files.write(text)
        for node in lab.nodes:
            files.reload(node)
    try:
        until("every overlay is keyed", lambda: live(lab, (*OVERLAYS, "more")), 20)
        before = {o: lab.peers("nyc1", o)["fra1"] for o in OVERLAYS}
        first = ports(lab, "nyc1")
        assert first["more"]["port-id"] == 150
        with Stream(lab, "host-fra", "host-nyc") as s:
            s.send_while(500, lambda: reload(two_vlans()))
            assert s.lost() == []
            assert "more" not in ports(lab, "nyc1")
            s.send_while(500, lambda: reload(two_vlans(extra)))
            assert s.lost() == []
        until("every overlay is keyed", lambda: live(lab, (*OVERLAYS, "more")), 20)
        last = ports(lab, "nyc1")
        for port in ("red", "blue", "bare", "more"):
            assert last[port]["port-id"] == first[port]["port-id"]
        for o in OVERLAYS:
            after = lab.peers("nyc1", o)["fra1"]
            assert (after["sci"], after["key-id"], after["an"]) == (
                before[o]["sci"], before[o]["key-id"], before[o]["an"])
        lab.assert_clean()
    finally:
        lab.down()


QINQ_PORTS = {
    "fra": "outer-vlan 2000; vlan 100;",
    "nyc": "outer-vlan 2100; outer-tpid 0x8100; vlan 100;",
    "sin": "vlan 7;",
    "gru": "",
}


@pytest.fixture(scope="module")
def qinq(tmp_path_factory):
    """An E-LAN that every site has behind tags of its own: two with either TPID, one, none. The
    carrier translates, as carriers do."""
    text = backbone(4)
    for site, tags in QINQ_PORTS.items():
        text = text.replace(f"node {site}1 {{ id {1 + list(QINQ_PORTS).index(site)}; site {site}; "
                            "port wan { interface eth1; service wave;",
                            f"node {site}1 {{ id {1 + list(QINQ_PORTS).index(site)}; site {site}; "
                            f"port wan {{ interface eth1; {tags} service wave;")
    lab = Lab(tmp_path_factory.mktemp("qinq"), text)
    yield lab
    lab.down()


def test_an_e_lan_whose_tags_differ_at_every_site_is_one_ca(qinq):
    qinq.wait_live()
    for node in qinq.nodes:
        for peer in (1, 2, 3, 4):
            if node != qinq.nodes[peer - 1]:
                assert "1 received" in qinq.ns(node).run("ping", "-c", 1, "-W", 3,
                                                         f"10.255.0.{peer}")
    ports_of = qinq.ports()
    assert {n: (p["vlan"], p.get("outer-vlan"), p.get("outer-tpid")) for n, p in ports_of.items()} \
        == {"fra1": (100, 2000, "0x88a8"), "nyc1": (100, 2100, "0x8100"), "sin1": (7, None, None),
            "gru1": (0, None, None)}
    for node, twice, once in (("fra1", 1, 1), ("nyc1", 1, 1), ("sin1", 0, 1), ("gru1", 0, 0)):
        port = ports_of[node]
        assert port["tagged-twice"] == twice * port["frames"], node
        assert port["tagged"] == once * port["frames"], node
    qinq.assert_clean()


def test_full_packets_fit_behind_two_tags(qinq):
    """The overlay's MTU is that of the service less MACsec, whatever the tags; nothing is cut."""
    for node in ("fra1", "nyc1"):
        assert "1 received" in qinq.ns(node).run(
            "ping", "-c", 1, "-W", 3, "-M", "do", "-s", 1568 - 28, "10.255.0.4")
    with Stream(qinq, "host-fra", "host-nyc", size=1450) as s:
        s.send(500, 500)
        assert s.lost() == []


def test_priority_is_in_both_tags(qinq):
    before = qinq.ports()["fra1"]
    qinq.ns("host-fra").run("ping", "-c", 5, "-i", "0.2", "-Q", "0xb8",
                            qinq.address["host-nyc"][0])
    after = qinq.ports()["fra1"]
    for which in ("pcp", "outer-pcp"):
        assert after[which][5] >= before[which][5] + 5      # DSCP EF: precedence 5
        assert after[which][7] > 0                          # keying
    assert after["pcp"] == after["outer-pcp"]


def test_tagged_ports_go_on_after_restarts(qinq):
    before = {n: p["sci"] for n, p in qinq.peers("gru1").items()}
    with Stream(qinq, "host-fra", "host-nyc") as s:
        s.send_while(500, lambda: (qinq.kill("fra1", "control"), qinq.kill("nyc1", "control")))
        s.send(500, 500)
        assert s.lost() == []
    qinq.kill("fra1", "forward")
    until("traffic again", lambda: "1 received" in qinq.ns("fra1").run(
        "ping", "-c", 1, "-W", 1, "10.255.0.2", check=False), 20)
    qinq.restart("nyc1")
    qinq.wait_live()
    assert {n: p["sci"] for n, p in qinq.peers("gru1").items()} == before
    qinq.assert_clean()


def test_frames_under_other_tags_do_not_come_in(qinq):
    with qinq.capture() as wire:
        qinq.ns("nyc1").run("ping", "-c", 1, "-W", 3, "10.255.0.1")
        mac = bytes.fromhex(ports(qinq, "fra1")["wan"]["mac"].replace(":", ""))
        frame = until("a frame of nyc1 to fra1", lambda: [
            f.raw for f in wire.of("nyc1", "macsec") if f.raw[:6] == mac], 10)[-1]
    head, raw = frame[:12].hex(), frame[20:]
    before = qinq.drops("fra1")
    for tags in ("", "81000064", "810007d0", "88a807d0", "88a807d181000064", "88a807d081000065",
                 "810007d081000064", "88a8006481000fd0", "88a807d0810000648100 0001".replace(" ", "")):
        qinq.carrier("inject", "fra1", "wan", head + tags + raw.hex())
    # Under its own tags it is what it was: a frame that was had already.
    qinq.carrier("inject", "fra1", "wan", head + "88a807d081000064" + raw.hex())
    until("the good one arrived", lambda: qinq.drops("fra1").get("drop.duplicate", 0)
          + qinq.drops("fra1").get("drop.late", 0) + qinq.drops("fra1").get("drop.not-valid", 0)
          > sum(before.get(d, 0) for d in ("drop.duplicate", "drop.late", "drop.not-valid")), 10)
    after = qinq.drops("fra1")
    for why in ("drop.wrong-vlan", "drop.foreign-tag", "drop.unknown-sci", "drop.no-sci"):
        assert after.get(why, 0) == before.get(why, 0), why
