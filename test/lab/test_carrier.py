"""The emulated carrier's services: E-Line, duplication, MTU and policing, seen from the hosts."""
import labs
from labs import Stream
from lib.until import until


def ping(lab, a, b, *options, check=True):
    return lab.run(a, "ping", "-n", "-c", "1", "-W", "3", *options, lab.address[b][0], check=check)


def test_an_e_line_sold_by_the_port_needs_no_other_mka_address(make_lab):
    """The standard's own address passes a two-port MAC relay, untagged and with its EtherType."""
    lab = make_lab(labs.backbone(2, topology="e-line", mka="destination pae-group;"))
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(500, 1000)
        assert s.lost() == []
    assert all(p["reserved"] == 0 for p in lab.ports().values())
    service = lab.carrier("status")["services"][0]
    assert service["topology"] == "e-line"
    assert "wave: e-line, up to 1600 bytes\n" in lab.myelin("status")
    lab.assert_clean()


def test_an_e_line_sold_by_vlan_consumes_the_standards_address(make_lab):
    text = labs.backbone(2, topology="e-line", port="vlan 100;", mka="destination pae-group;")
    lab = make_lab(text, wait=False)
    until("the carrier consumed MKPDUs",
          lambda: all(p["reserved"] > 0 for p in lab.ports().values()), 20)
    assert lab.show("fra1", "overlays")["overlays"][0]["state"] != "secured"


def test_frames_that_the_carrier_duplicates_arrive_once(make_lab):
    """The replay window drops the second ones: the network behind never sees them."""
    lab = make_lab(labs.backbone(2, service="emulate { duplicate 100%; jitter 3ms; }"))
    before = lab.ports()["nyc1"]["duplicated"]
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(1000, 1000)
        assert s.lost() == []
        assert s.duplicates == 0
    assert lab.ports()["nyc1"]["duplicated"] - before >= 1000
    assert lab.counter("nyc1", "InPktsLate") >= 1000
    lab.assert_clean()


def test_frames_over_the_services_mtu_are_dropped_and_counted(make_lab):
    lab = make_lab(labs.backbone(2))
    assert lab.ports()["fra1"]["oversize"] == 0
    ping(lab, "host-fra", "host-nyc", "-M", "do", "-s", "1472")
    # Larger than the interface would let a node send: from the carrier's side of it.
    lab.carrier("send", "fra1", "wan", "ffffffffffff" + "020000000009" + "88e5" + "00" * 1601)
    assert lab.ports()["fra1"]["oversize"] == 1
    assert "fra1: 1 frame larger than the service carries dropped" in lab.myelin("status")


def test_a_policer_drops_what_is_over_the_rate_and_keys_survive(make_lab):
    lab = make_lab(labs.backbone(2, service="emulate { rate 2Mbit; burst 20000; }"))
    key = lab.peers("fra1")["nyc1"]["key-id"]
    with Stream(lab, "host-fra", "host-nyc", size=1000) as s:
        s.send(2000, 1000)      # 8 Mbit/s and more in 2 Mbit/s
        lost = s.lost()
    policed = lab.ports()["fra1"]["policed"]
    assert 0 < len(lost) < 2000
    assert policed >= len(lost)
    assert lab.ports()["nyc1"]["policed"] == 0
    assert lab.peers("fra1")["nyc1"]["key-id"] == key
    assert "2 Mbit/s a port" in lab.myelin("status")
    assert f"fra1: {policed} frames above the rate dropped" in lab.myelin("status")
    lab.assert_clean()
