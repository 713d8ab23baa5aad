"""Cut-through between overlays of two kinds: a hub has MACsec towards one site and ESP towards another,
and what they send each other goes on inside its forward, decrypted by one and encrypted by the other."""
import re

import pytest

import labs
from lib.until import until

TEXT = """
backbone mixed;
site fra { location 50.11,8.68;   networks 10.10.0.0/16; }
site nyc { location 40.71,-74.01; networks 10.20.0.0/16; }
site sin { location 1.29,103.85;  networks 10.30.0.0/16; }
service wave { type ethernet; topology e-lan; mtu 1600; }
service mpls { type ip; mtu 1500; }
node fra1 { id 1; site fra; cut-through auto;
    port wave { interface eth1; service wave; }
    port mpls { interface eth2; service mpls; address 192.0.2.2/30; gateway 192.0.2.1; }
    port lan  { interface eth0; lan; address 10.10.0.1/16; } }
node nyc1 { id 2; site nyc;
    port wave { interface eth1; service wave; }
    port lan  { interface eth0; lan; address 10.20.0.1/16; } }
node sin1 { id 3; site sin;
    port mpls { interface eth2; service mpls; address 192.0.2.10/30; gateway 192.0.2.9; }
    port lan  { interface eth0; lan; address 10.30.0.1/16; } }
overlay core { design macsec; over wave; subnet 10.255.0.0/24; routing managed;
    mka { key-chain core-cak; destination broadcast; hello 500ms; life 3s; } }
overlay vpn { design ipsec; over mpls; auth psk vpn; subnet 10.255.1.0/24; routing managed; }
"""


def transit(lab):
    return lab.show("fra1", "counters")["tunnels"][0]["counters"].get("path.transit", 0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = labs.Lab(tmp_path_factory.mktemp("lab"), TEXT)
    try:
        made.ns("nyc1").ip("route", "add", "10.30.0.0/16", "via", "10.255.0.1")
        made.ns("sin1").ip("route", "add", "10.20.0.0/16", "via", "10.255.1.1")

        def passes():
            before = transit(made)
            made.run("host-nyc", "ping", "-n", "-c", "1", "-W", "1", made.address["host-sin"][0],
                     check=False)
            return transit(made) >= before + 2          # there and back
        until(lambda: f"packets pass: {made.show('fra1', 'routes')}\n{made.logs()}", passes, 30)
        yield made
    finally:
        made.down()


@pytest.mark.parametrize("way", [("host-nyc", "host-sin"), ("host-sin", "host-nyc")],
                         ids=["macsec-to-esp", "esp-to-macsec"])
def test_packets_pass_from_one_kind_to_the_other(lab, way):
    before = transit(lab)
    marker = b"\xa5" * 64      # what the datagrams are filled with
    with lab.capture("wave") as wave, lab.capture("mpls") as mpls, labs.Stream(lab, *way) as s:
        s.send(300, 500)
        assert s.lost() == [] and s.duplicates == 0
        hub = {"macsec": len(wave.of("fra1", "macsec")), "esp": len(mpls.of("fra1", "esp"))}
        seen = b"".join(f.raw for f in [*wave.frames, *mpls.frames])
    assert transit(lab) - before >= 300
    assert hub["esp" if way[1] == "host-sin" else "macsec"] >= 300
    assert marker not in seen
    assert lab.neither() == (0, [])


def test_each_overlay_s_way_takes_one_hop(lab):
    """The TTL is counted down at the hub, as its kernel would."""
    before = transit(lab)
    said = lab.run("host-nyc", "ping", "-n", "-c", "1", "-W", "2", lab.address["host-sin"][0])
    # Three routers: nyc1, fra1, sin1.
    assert re.search(r"ttl=61\b", said), said
    assert transit(lab) >= before + 2


def test_a_packet_that_is_too_big_for_the_other_overlay_is_told_of(lab):
    """MACsec carries more than ESP does: the hub's kernel says so, and what fits then passes."""
    sin = lab.address["host-sin"][0]
    lab.ns("host-nyc").ip("route", "flush", "cache")
    said = lab.run("host-nyc", "ping", "-n", "-c", "2", "-i", "0.3", "-W", "2", "-M", "do", "-s",
                   "1472", sin, check=False)
    mtu = re.search(r"[Ff]rag(?:mentation)? needed.*mtu = (\d+)|mtu[= ](\d+)", said)
    assert mtu, said
    room = int(mtu[1] or mtu[2])
    assert 1300 < room < 1500, said
    before = transit(lab)
    assert " 2 received" in lab.run("host-nyc", "ping", "-n", "-c", "2", "-i", "0.3", "-W", "2",
                                    "-M", "do", "-s", str(room - 28), sin)
    assert transit(lab) >= before + 4
    assert lab.neither() == (0, [])
