"""WAN MACsec: EtherType and destination of MKPDUs, the tag in clear, loss and reordering, rekeys,
faults of the carrier."""
import pytest

import labs
from labs import Stream
from lib.until import until


def ping(lab, a, b, check=True):
    return lab.run(a, "ping", "-n", "-c", "1", "-W", "3", lab.address[b][0], check=check)


@pytest.mark.parametrize("mka,service,kind,destination", [
    ("destination broadcast; ethertype 0x876f;", "", 0x876F, "ffffffffffff"),
    ("destination pae-group;", "emulate tunnel-reserved;", 0x888E, "0180c2000003"),
    ("destination bridge-group; ethertype 0x876f;", "emulate tunnel-reserved;", 0x876F,
     "0180c2000000"),
    ("destination 01:00:5e:7f:00:01; ethertype 0x9abc;", "", 0x9ABC, "01005e7f0001"),
    ("destination 02:00:00:88:88:01;", "", 0x888E, "020000888801"),
])
def test_mkpdus_go_where_and_as_the_file_says(make_lab, mka, service, kind, destination):
    lab = make_lab(labs.backbone(2, mka=mka, service=service))
    with lab.capture() as wire:
        until("MKPDUs of both", lambda: wire.of("fra1", "eapol") and wire.of("nyc1", "eapol"), 20)
    for f in wire.of("fra1", "eapol") + wire.of("nyc1", "eapol"):
        assert f.raw[:6].hex() == destination
        assert int.from_bytes(f.raw[12:14], "big") == kind
    ping(lab, "host-fra", "host-nyc")
    lab.assert_clean()


def test_the_standards_group_address_fails_visibly_and_says_what_to_change(make_lab):
    lab = make_lab(labs.backbone(2, mka="destination pae-group;"), wait=False)
    until("the carrier consumed MKPDUs",
          lambda: all(p["reserved"] > 0 for p in lab.ports().values()), 20)
    overlay = lab.show("fra1", "overlays")["overlays"][0]
    assert overlay["state"] != "secured"
    assert "01:80:c2:00:00:03" in overlay["reason"] and "broadcast" in overlay["reason"]


def test_a_tag_in_clear_is_on_every_frame_and_keeps_its_priority(make_lab):
    lab = make_lab(labs.backbone(2, port="vlan 100;"))
    with Stream(lab, "host-fra", "host-nyc", tos=46 << 2) as s:      # EF: precedence 5
        s.send(100, 1000)
        assert s.lost() == []
    lab.run("host-fra", "ping", "-n", "-c", "1", "-W", "3", "-M", "do", "-s", "1472",
            lab.address["host-nyc"][0])
    lab.assert_clean()
    for port in lab.ports().values():
        assert port["tagged"] == port["frames"] > 0
    assert lab.ports()["fra1"]["pcp"][5] >= 100
    assert lab.ports()["nyc1"]["pcp"][0] > 0
    with lab.capture() as wire:
        until("MKPDUs", lambda: wire.of("fra1", "eapol"), 20)
    assert wire.of("fra1", "eapol")[0].raw[12:14] == b"\x81\x00"
    assert int.from_bytes(wire.of("fra1", "eapol")[0].raw[14:16], "big") & 0xFFF == 100


def test_every_cipher_suite_carries_traffic(make_lab):
    for suite in ("gcm-aes-128", "gcm-aes-256", "gcm-aes-xpn-128", "gcm-aes-xpn-256"):
        lab = make_lab(labs.backbone(2, macsec=f"cipher-suite {suite};"))
        assert lab.peers("fra1")["nyc1"]["cipher"].lower() == suite
        ping(lab, "host-fra", "host-nyc")
        lab.assert_clean()
        lab.down()


def test_rekeys_under_traffic_lose_nothing(make_lab):
    lab = make_lab(labs.backbone(3, mka="rekey 3s;"))
    keys = set()

    def four_keys():
        def look():
            for n in lab.nodes:
                keys.update(p["key-id"] for p in lab.peers(n).values())
            return len(keys) >= 4
        until("four keys were in use", look, 40)
    with Stream(lab, "host-fra", "host-nyc") as a, Stream(lab, "host-sin", "host-fra") as b:
        a.send_while(800, lambda: b.send_while(800, four_keys))
        assert a.lost() == []
        assert b.lost() == []
    lab.assert_clean()


def test_a_carrier_that_loses_and_reorders_frames_keeps_the_keys(make_lab):
    lab = make_lab(labs.backbone(3, service="emulate { loss 5%; reorder 10%; jitter 2ms; }"))
    key = lab.peers("fra1")["nyc1"]["key-id"]
    # The kernel's own question for an address may be among the lost.
    until("a first packet arrives", lambda: "1 received" in
          ping(lab, "host-fra", "host-nyc", check=False), 20)
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(4000, 1000)
        lost = s.lost()
        assert 0 < len(lost) < 600, len(lost)
        assert s.duplicates == 0
    assert lab.peers("fra1")["nyc1"]["key-id"] == key
    lab.assert_clean()


def test_a_cut_port_loses_its_peers_and_heals(make_lab):
    lab = make_lab(labs.backbone(3))
    lab.carrier("cut", "sin1", "wan")
    until("sin1 is nobody's peer", lambda: "sin1" not in lab.peers("fra1") and
          not lab.peers("sin1"), 30)
    ping(lab, "host-fra", "host-nyc")
    assert "1 received" not in ping(lab, "host-fra", "host-sin", check=False)
    until("must-secure: the overlay of sin1 is down", lambda: "NO-CARRIER" in
          lab.ns("sin1").ip("link", "show", "core"), 20)
    lab.carrier("heal", "sin1", "wan")
    lab.wait_live()
    until("traffic is back", lambda: "1 received" in
          ping(lab, "host-fra", "host-sin", check=False), 20)
    lab.assert_clean()


def test_two_overlays_on_one_interface_stay_apart(make_lab):
    text = labs.backbone(2, port="vlan 100;")
    text = text.replace("port lan {", "port wan2 { interface eth1; vlan 200; service sea; } port lan {")
    text += ("service sea { type ethernet; mtu 1600; }\n"
             "overlay two { design macsec; keying mka; over sea; subnet 10.254.0.0/24; "
             "preference 200; mka { key-chain two-cak; destination broadcast; hello 500ms; life 3s; } }")
    lab = make_lab(text)
    for subnet in ("10.255.0", "10.254.0"):
        lab.run("fra1", "ping", "-n", "-c", "1", "-W", "3", f"{subnet}.2")
    lab.assert_clean()
