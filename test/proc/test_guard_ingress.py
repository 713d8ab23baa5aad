"""The ingress guard: what the carrier sends in clear reaches neither the host nor a lan."""
import collections
import select
import socket

import pytest

import frames as f
from lib.until import until
from node import ARP_ND, BGP, CLEAR as SHOULD_SECURE, DHCP, EAPOL, ESP, LLDP, PING, SSH

HERE, THERE = "198.51.100.1", "198.51.100.2"
TO_US = {"src_mac": f.FAR, "dst_mac": f.OWN}


def from_carrier(node, *frames):
    """Puts frames on the cable and waits until the guard has judged every one of them."""
    def judged():
        return sum(ingress(node).values())
    before = judged()
    for frame in frames:
        node.cable.write(frame)
    until("the guard has seen the frames", lambda: judged() >= before + len(frames))


def address(node):
    node.ns.ip("addr", "add", f"{HERE}/24", "dev", "wan0")
    node.ns.ip("neigh", "replace", THERE, "lladdr", "02:00:00:00:00:02", "dev", "wan0")


def ingress(node):
    return {k.removeprefix("ingress-"): v for k, v in node.counters().items()
            if k.startswith("ingress") and v and not k.startswith("ingress-dropped-")}


def named(node):
    """What was dropped, by what it was."""
    return collections.Counter({k.removeprefix("ingress-dropped-"): v
                                for k, v in node.counters().items()
                                if k.startswith("ingress-dropped-")})


CLEAR = {
    "UDP to the host": f.ip4(17, f.udp(5000, 7000), src=THERE, dst=HERE, **TO_US),
    "UDP to the host in a tag": f.ip4(17, f.udp(5000, 7000), src=THERE, dst=HERE, tags=f.vlan(7),
                                      **TO_US),
    "priority-tagged UDP": f.ip4(17, f.udp(5000, 7000), src=THERE, dst=HERE, tags=f.vlan(0, 7),
                                 **TO_US),
    "broadcast UDP": f.ip4(17, f.udp(5000, 7000), src=THERE, dst="255.255.255.255",
                           src_mac=f.FAR, dst_mac=f.ALL),
    "ping": f.icmp4(8, src=THERE, dst=HERE, **TO_US),
    "SSH": f.tcp4(40000, 22, THERE, HERE, **TO_US),
    "BGP": f.tcp4(40000, 179, THERE, HERE, **TO_US),
    "ARP request": f.arp(src=f.FAR, sender=THERE, target=HERE),
    "router advertisement": f.icmp6(134, bytes(12), dst="ff02::1", src_mac=f.FAR,
                                    dst_mac=bytes.fromhex("333300000001")),
    "LLDP": f.lldp(),
    "an unknown EtherType": f.eth(0x1234, bytes(50), dst=f.OWN, src=f.FAR),
    "MACsec without encryption": f.macsec(tci=0x20),
    "MACsec in another VLAN": f.macsec(tags=f.vlan(5)),
    "ESP": f.ip4(50, f.esp(), src=THERE, dst=HERE, **TO_US),
    "ESP in UDP": f.ip4(17, f.udp(4500, 4500, f.esp()), src=THERE, dst=HERE, **TO_US),
    "IKE": f.ip4(17, f.udp(500, 500, f.ike()), src=THERE, dst=HERE, **TO_US),
    "IP in two tags": f.ip4(17, f.udp(5000, 7000), src=THERE, dst=HERE,
                            tags=f.vlan(0) + f.vlan(0), **TO_US),
}


# What each of them is dropped as.
KINDS = {
    "UDP to the host": "ipv4", "UDP to the host in a tag": "no-port",
    "priority-tagged UDP": "ipv4", "broadcast UDP": "ipv4", "ping": "ping", "SSH": "ssh",
    "BGP": "bgp", "ARP request": "arp-nd", "router advertisement": "dhcp", "LLDP": "lldp",
    "an unknown EtherType": "other", "MACsec without encryption": "integrity",
    "MACsec in another VLAN": "no-port", "ESP": "esp", "ESP in UDP": "esp", "IKE": "ike",
    "IP in two tags": "no-port",
}


def test_each_clear_frame_is_dropped_and_counted_under_its_name(node):
    node.want_wan()
    for what, frame in CLEAR.items():
        before, names = ingress(node).get("dropped", 0), named(node)
        from_carrier(node, frame)
        assert ingress(node) == {"dropped": before + 1}, what
        assert named(node) - names == {KINDS[what]: 1}, what


def test_the_host_neither_hears_nor_answers(node):
    node.want_wan()
    address(node)
    listener = node.ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    listener.bind(("0.0.0.0", 7000))
    from_carrier(node, *CLEAR.values())
    assert not select.select([listener], [], [], 0)[0]
    assert node.left(f.macsec()) == []          # no ARP reply, no echo, no reset
    listener.close()


def test_a_router_advertisement_makes_no_route(node):
    node.want_wan()
    node.sysctl("net/ipv6/conf/wan0/disable_ipv6", 0)
    before = node.ns.ip("-6", "route")
    lifetime = bytes.fromhex("40000708000000000000000003044040000151800001518000000000"
                             "20010db8000000000000000000000000")
    from_carrier(node, *[f.icmp6(134, lifetime, dst="ff02::1", src_mac=f.FAR,
                                 dst_mac=bytes.fromhex("333300000001"))] * 3)
    routes = node.ns.ip("-6", "route")
    assert "2001:db8" not in routes and "default" not in routes, before


def test_ciphertext_and_keying_end_at_our_own_sockets(node):
    """They are for forward and control, which hear them before the guard; nobody behind it does."""
    node.want_wan()
    stranger = node.ns.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                                  socket.htons(0x88E5)))
    stranger.bind(("wan0", 0x88E5))
    from_carrier(node, f.macsec(), f.mkpdu(), f.macsec())
    assert ingress(node) == {"macsec": 2, "eapol": 1}
    assert not select.select([stranger], [], [], 0)[0]
    stranger.close()


@pytest.mark.parametrize("allow, name, frame", [
    (ARP_ND, "arp-nd", CLEAR["ARP request"]),
    (DHCP, "dhcp", f.ip4(17, f.udp(67, 68), src=THERE, dst="255.255.255.255", src_mac=f.FAR,
                         dst_mac=f.ALL)),
    (BGP, "bgp", CLEAR["BGP"]),
    (LLDP, "lldp", CLEAR["LLDP"]),
    (SSH, "ssh", CLEAR["SSH"]),
    (PING, "ping", CLEAR["ping"]),
], ids=lambda v: v if isinstance(v, str) else "")
def test_an_exception_lets_its_own_class_in_alone(node, allow, name, frame):
    node.want_wan(allow=allow | EAPOL)
    address(node)
    from_carrier(node, *CLEAR.values())
    seen = ingress(node)
    from_carrier(node, frame)
    after = ingress(node)
    assert after.pop(name) == seen.pop(name, 0) + 1
    assert after == seen and set(seen) == {"dropped"}


def test_an_exception_reaches_the_host_and_no_lan_behind_it(make_node):
    node = make_node()
    node.start()
    node.ns.ip("link", "add", "lan0", "type", "veth", "peer", "name", "host0")
    node.ns.ip("link", "set", "host0", "up")
    node.want_wan(allow=SSH | PING | EAPOL)
    assert node.ask("want 4 2 lan0 0 0 0 0 0").startswith("0 ")
    address(node)
    node.ns.ip("addr", "add", "10.10.0.1/16", "dev", "lan0")
    node.ns.ip("neigh", "replace", "10.10.0.9", "lladdr", "02:00:00:00:00:09", "dev", "lan0")
    node.sysctl("net/ipv4/ip_forward", 1)       # the worst case
    host = node.ns.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    host.bind(("host0", 3))
    for frame in (f.tcp4(40000, 22, THERE, "10.10.0.9", **TO_US),
                  f.icmp4(8, src=THERE, dst="10.10.0.9", **TO_US)):
        before = ingress(node).get("dropped", 0)
        from_carrier(node, frame)
        assert ingress(node)["dropped"] == before + 1
    assert named(node) == {"transit": 2}
    before = ingress(node)
    from_carrier(node, f.tcp4(40000, 22, THERE, HERE, **TO_US), CLEAR["ping"])
    after = ingress(node)
    assert (after["ssh"], after["ping"]) == (1, 1) and after["dropped"] == before["dropped"]
    while select.select([host], [], [], 0)[0]:
        assert socket.inet_aton(THERE) not in host.recv(65536)
    host.close()


def test_a_tagged_port_takes_its_own_vlan_alone(node):
    node.want_wan(vlan=100)
    from_carrier(node, f.macsec(), f.macsec(tags=f.vlan(101)), f.mkpdu(tags=f.vlan(0)),
                 f.macsec(tags=f.vlan(100, 5)), f.mkpdu(tags=f.vlan(100, 7)),
                 f.macsec(tags=f.vlan(100) + f.vlan(100)))
    assert ingress(node) == {"macsec": 1, "eapol": 1, "dropped": 4}


def test_a_port_with_tunnels_hands_ike_to_control_and_esp_to_nobody(node):
    node.want_wan(allow=ESP)
    address(node)
    raw = node.ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 50))
    plain, marked = f.ike(), f.ike(marker=bytes(4))
    from_carrier(node, CLEAR["ESP"], CLEAR["ESP in UDP"],
                 f.ip4(17, f.udp(500, 500, plain), src=THERE, dst=HERE, **TO_US),
                 f.ip4(17, f.udp(61000, 4500, marked), src=THERE, dst=HERE, **TO_US),
                 f.ip4(17, f.udp(500, 500, f.ike()), src=THERE, dst="203.0.113.9", **TO_US))
    assert ingress(node) == {"esp": 2, "ike": 3}
    assert node.ask("udp 500").split() == [plain.hex()]
    assert node.ask("udp 4500").split() == [marked.hex()]
    assert not select.select([raw], [], [], 0)[0]
    raw.close()


def test_errors_about_tunnels_are_counted_apart_and_end_there(node):
    """Routers on the way say that a packet of ours was too big: forward hears it before the guard,
    and judges it; the host, whom anybody could tell anything that way, does not."""
    node.want_wan(allow=ESP)
    address(node)
    raw = node.ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    esp, ike = f.quoted4(50, f.esp(), HERE, THERE), f.quoted4(17, f.udp(4500, 4500, bytes(9)),
                                                              HERE, THERE)
    other = f.quoted4(17, f.udp(53, 53, bytes(9)), HERE, THERE)

    def said(kind, code, quoted):
        return f.icmp4_error(kind, code, quoted, src=THERE, dst=HERE, **TO_US)

    from_carrier(node, said(3, 4, esp), said(3, 3, ike), said(11, 0, esp))
    assert ingress(node) == {"icmp": 3}
    from_carrier(node, said(3, 4, other), said(3, 4, esp[:18]), said(5, 0, esp), said(12, 0, esp),
                 f.icmp4_error(3, 4, esp, src=THERE, dst="203.0.113.9", **TO_US))
    assert ingress(node) == {"icmp": 4, "dropped": 4}      # nothing is forwarded here
    assert not select.select([raw], [], [], 0)[0]
    before = ingress(node)
    node.want_wan(allow=PING)
    from_carrier(node, said(3, 4, esp))
    assert ingress(node).get("icmp", 0) == before["icmp"]
    raw.close()


def test_a_port_with_two_tags_takes_its_own_alone(node):
    node.want_wan(vlan=100, outer=200)
    mine = f.qinq(200, 100, 5)
    from_carrier(node, f.macsec(), f.macsec(tags=f.vlan(100)), f.macsec(tags=f.vlan(200)),
                 f.macsec(tags=f.qinq(200, 101)), f.macsec(tags=f.qinq(201, 100)),
                 f.macsec(tags=f.qinq(200, 100, tpid=0x8100)), f.macsec(tags=((0x88A8, 200),)),
                 f.mkpdu(tags=f.vlan(200)), f.macsec(tags=mine + f.vlan(1)),
                 f.macsec(tags=mine), f.mkpdu(tags=mine))
    assert ingress(node) == {"macsec": 1, "eapol": 1, "dropped": 9}


def test_in_clear_frames_reach_neither_host_nor_lan_where_an_overlay_may_take_them(node):
    """should-secure hands them to forward, whose socket stands before the guard; the host hears
    nothing, and answers nothing."""
    node.want_wan(allow=EAPOL | SHOULD_SECURE)
    address(node)
    listener = node.ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    listener.bind(("0.0.0.0", 7000))
    for what, frame in CLEAR.items():
        before = ingress(node)
        from_carrier(node, frame)
        after = ingress(node)
        mine = "MACsec" not in what and "in a tag" not in what and "two tags" not in what
        name = "clear" if mine else "dropped"
        assert after == {**before, name: before.get(name, 0) + 1}, what
    assert not select.select([listener], [], [], 0)[0]
    assert node.left(f.macsec()) == []
    listener.close()
