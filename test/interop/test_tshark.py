"""Two myelinds against each other, with what Debian's wpa_supplicant cannot do (AES-256, XPN, the
WAN EtherType), judged by tshark and by our own decoder."""
import json

import pytest

from bench import numbers
from lib.daemon import Node
from lib.decode import complaints, mkpdus
from lib.dot1x import Listener
from lib.netns import Namespace
from lib.until import until
from lib.wire import TapEnd, Wire

CAK = bytes(range(32))
CKN = b"two of a kind"
MACS = ["02:00:5e:00:00:01", "02:00:5e:00:00:02"]
PATTERN = b"seen in clear?!"


def config(suite, destination, ethertype, more):
    nodes = "".join(f"""
site s{i} {{ location {50 + i}.0,8.0; networks 10.{i}.0.0/16; }}
node n{i} {{ id {i}; site s{i}; port wan {{ interface wan0; service wave; }} }}""" for i in (1, 2))
    return f"""
backbone pair;
service wave {{ type ethernet; topology e-line; mtu 1600; }}
{nodes}
overlay core {{
    design macsec; keying mka; over wave; subnet 192.0.2.0/24; routing external;
    macsec {{ cipher-suite {suite}; }}
    mka {{ key-chain cak; destination {destination}; ethertype {ethertype};
           hello 1s; life 3s; rekey 3s; {more} }}
}}
"""


@pytest.mark.parametrize("suite, destination, ethertype, more", [
    ("gcm-aes-xpn-256", "broadcast", "0x876f", "delay-protect;"),
    ("gcm-aes-xpn-128", "pae-group", "0x888e", "ssci-order live-peer-list; keep-sak 1m;"),
    ("gcm-aes-256", "lldp-multicast", "0x888e", ""),
])
def test_every_mkpdu_of_two_nodes_is_decoded_and_every_frame_opens(tmp_path, suite, destination,
                                                                   ethertype, more):
    number = int(ethertype, 16)
    spaces = [Namespace(f"n{i}-{next(numbers)}") for i in (1, 2)]
    nodes, wire = [], None
    try:
        wire = Wire(*(TapEnd(ns, "wan0", mac, 1600) for ns, mac in zip(spaces, MACS)))
        nodes = [Node(ns, f"n{i}", config(suite, destination, ethertype, more),
                      {"cak": f"{CKN.hex()} {CAK.hex()}\n"}, tmp_path)
                 for i, ns in zip((1, 2), spaces)]
        for node in nodes:
            node.start()

        def ping(count):
            out = spaces[0].run("ping", "-q", "-c", count, "-i", "0.05", "-W", 2, "-p",
                                PATTERN.hex(), "192.0.2.2", check=False)
            return int(out.split(" received")[0].split()[-1]) if " received" in out else 0

        until("an answer through the overlay", lambda: ping(1), 30)
        assert ping(200) == 200
        assert "error" not in nodes[1].ask("suspend core 30")
        assert ping(40) == 40
        assert "error" not in nodes[1].ask("suspend core 0")
        listener = Listener(CAK)
        listener.by_sci = "ssci-order" not in more
        frames = wire.since(0)
        for seen in frames:
            listener.feed(seen.raw, number)
        assert not listener.faults
        assert len(listener.opened) >= 400
        assert {s for known in listener.saks.values() for _, _, s, _ in known} == {suite.upper()}
        assert len({kn for _, _, kn in listener.opened}) >= 3     # it was rekeyed meanwhile
        assert sum(PATTERN in plain for _, plain, _ in listener.opened) >= 400

        pcap = tmp_path / "pair.pcap"
        wire.save(pcap, frames)
        assert not complaints(pcap, number)
        decoded = mkpdus(pcap, number)
        assert len(decoded) == len(listener.mkpdus) > 4
        for theirs, ours in zip(decoded, listener.mkpdus):
            basic = theirs["mka"]["mka.basic_param_set"]
            assert bytes.fromhex(basic["mka.actor_mi"].replace(":", "")) == ours.mi
            assert int(basic["mka.actor_mn"].replace(":", ""), 16) == ours.mn
        said = json.dumps(decoded)
        assert "mka.announcement_set" in said and "mka.tlv.cipher_suite_impl_cap" in said
        times = {int(m["mka"]["mka.xpn_set"]["mka.suspension_time"]) for m in decoded}
        assert 0 in times and 30 in times and max(times) == 30
        protects = {m["mka"].get("mka.macsec_sak_use_set", {}).get("mka.delay_protect")
                    for m in decoded} - {None}
        assert protects == {"1" if "delay-protect" in more else "0"}
    except BaseException:
        for node in nodes:
            print(node.said()[-4000:])
        raise
    finally:
        for node in nodes:
            node.stop()
        if wire:
            wire.close()
        for ns in spaces:
            ns.delete()
