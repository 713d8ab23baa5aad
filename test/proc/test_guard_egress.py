"""The egress guard, attacked from the kernel: nothing but ciphertext leaves a wan interface.

What left is what the cable's far end read. A marker that must pass follows every attempt, so
"nothing left" needs no waiting: all that was sent before the marker is before it.
"""
import os
import signal
import socket

import pytest

import frames as f
from lib.until import until
from node import (ARP_ND, BGP, CLEAR, DHCP, EAPOL, ESP, GUARD_MARK, INTEGRITY, LLDP, PING, PROGRAM,
                  SSH)

REFUSED = {
    "IPv4": f.ip4(17, f.udp(5000, 5001)),
    "IPv4 with a tag": f.ip4(17, f.udp(5000, 5001), tags=f.vlan(7)),
    "IPv6": f.ip6(17, f.udp(5000, 5001)),
    "ARP": f.arp(),
    "router solicitation": f.icmp6(133),
    "neighbour solicitation": f.icmp6(135),
    "multicast listener report": f.ip6(0, b"\x3a\0\5\2\0\0\1\0" + bytes(20), hop=1),
    "LLDP": f.lldp(),
    "BGP": f.tcp4(40000, 179),
    "SSH": f.tcp4(40000, 22),
    "ping": f.icmp4(8),
    "DHCP": f.ip4(17, f.udp(68, 67)),
    "an unknown EtherType": f.eth(0x1234, bytes(50)),
    "an 802.3 length": f.eth(46, bytes(46)),
    "EAPOL to another address": f.mkpdu(dst=f.FAR),
    "EAPOL of another EtherType": f.mkpdu(ethertype=0x876F),
    "EAPOL that is no MKPDU": f.mkpdu(packet_type=1),
    "EAPOL in another VLAN": f.mkpdu(tags=f.vlan(9)),
    "MACsec, integrity only (E=0, C=0)": f.macsec(tci=0x20),
    "MACsec, changed but not encrypted (C alone)": f.macsec(tci=0x24),
    "MACsec, reserved E without C": f.macsec(tci=0x28),
    "MACsec of version 1": f.macsec(tci=0xAC),
    "MACsec with SC and ES": f.macsec(tci=0x6C),
    "MACsec with SC and SCB": f.macsec(tci=0x3C),
    "MACsec, short length 48": f.macsec(sl=48, body=48),
    "MACsec, short length with reserved bits": f.macsec(sl=0x50, body=0x10),
    "MACsec, short length beyond the end": f.macsec(sl=47, body=46),
    "MACsec, short length short of the end": f.macsec(sl=30, body=46),
    "MACsec, long by its length, short by itself": f.macsec(sl=0, body=47),
    "MACsec in a VLAN not the port's": f.macsec(tags=f.vlan(7)),
    "MACsec in two tags": f.macsec(tags=f.vlan(0) + f.vlan(0)),
    "MACsec in a service tag": f.macsec(tags=((0x88A8, 0),)),
    "EAPOL in two tags": f.mkpdu(tags=f.vlan(0) + f.vlan(0)),
    "ESP": f.ip4(50, f.esp()),
    "ESP over IPv6": f.ip6(50, f.esp()),
    "ESP in UDP": f.ip4(17, f.udp(4500, 4500, f.esp())),
    "IKE": f.ip4(17, f.udp(500, 500, f.ike())),
    "IKE behind a NAT": f.ip4(17, f.udp(4500, 4500, f.ike(marker=bytes(4)))),
}

# What a port that tunnels run over does not send all the same.
NOT_ESP = {
    "a reserved SPI": f.ip4(50, f.esp(spi=255)),
    "a reserved SPI over IPv6": f.ip6(50, f.esp(spi=1)),
    "ESP that ends within its IV": f.ip4(50, f.esp(body=8)),
    "AH": f.ip4(51, f.esp()),
    "ESP in UDP of other ports": f.ip4(17, f.udp(4501, 4501, f.esp())),
    "ESP in UDP with a reserved SPI": f.ip4(17, f.udp(4500, 4500, f.esp(spi=7))),
    "text to port 500": f.ip4(17, f.udp(500, 500, b"in the clear, and not short either")),
    "text to port 4500": f.ip4(17, f.udp(4500, 4500, bytes(4) + b"in the clear" * 5)),
    "IKE of version 1": f.ip4(17, f.udp(500, 500, f.ike(version=0x10))),
    "IKE longer than it says": f.ip4(17, f.udp(500, 500, f.ike(length=60))),
    "IKE shorter than it says": f.ip4(17, f.udp(500, 500, f.ike(length=100))),
    "one octet that is no keepalive": f.ip4(17, f.udp(4500, 4500, b"\xfe")),
    "a fragment of ESP": f.ip4(50, f.esp(), frag=0x2000),
    "an error about ESP": f.icmp4_error(3, 4, f.quoted4(50, f.esp())),
    "a later fragment of ESP": f.ip4(50, f.esp(), frag=9),
    "ESP in a VLAN not the port's": f.ip4(50, f.esp(), tags=f.vlan(7)),
}

# What each of them is dropped as; the other MACsec frames are malformed.
KINDS = {
    "ipv4": ["IPv4", "AH", "ESP in UDP of other ports"],
    "no-port": ["IPv4 with a tag", "EAPOL in another VLAN", "MACsec in a VLAN not the port's",
                "MACsec in two tags", "MACsec in a service tag", "EAPOL in two tags",
                "ESP in a VLAN not the port's"],
    "ipv6": ["IPv6", "multicast listener report"],
    "arp-nd": ["ARP", "neighbour solicitation"],
    "dhcp": ["router solicitation", "DHCP"],
    "lldp": ["LLDP"],
    "bgp": ["BGP"],
    "ssh": ["SSH"],
    "ping": ["ping"],
    "other": ["an unknown EtherType", "an 802.3 length", "EAPOL of another EtherType"],
    "eapol": ["EAPOL to another address", "EAPOL that is no MKPDU"],
    "integrity": ["MACsec, integrity only (E=0, C=0)"],
    "esp": ["ESP", "ESP over IPv6", "ESP in UDP"],
    "ike": ["IKE", "IKE behind a NAT"],
    "esp-malformed": ["a reserved SPI", "a reserved SPI over IPv6", "ESP that ends within its IV",
                      "ESP in UDP with a reserved SPI"],
    "ike-malformed": ["text to port 500", "text to port 4500", "IKE of version 1",
                      "IKE longer than it says", "IKE shorter than it says",
                      "one octet that is no keepalive"],
    "fragment": ["a fragment of ESP", "a later fragment of ESP"],
    "icmp": ["an error about ESP"],
}


def dropped(what, n=1):
    """The counters that move with such frames and the marker behind them."""
    kind = next((k for k, names in KINDS.items() if what in names), "macsec-malformed")
    return {"egress-dropped": n, f"egress-dropped-{kind}": n, "egress-macsec": 1}


PASSES = {
    "macsec": [f.macsec(), f.macsec(tci=0x0C, sci=False), f.macsec(sl=47, body=47),
               f.macsec(sl=5, body=5), f.macsec(body=1400), f.macsec(tags=f.vlan(0, 5))],
    "eapol": [f.mkpdu(), f.mkpdu(tags=f.vlan(0, 3))],
}

CLASSES = {
    ARP_ND: ("arp-nd", [f.arp(), f.arp(op=2), f.icmp6(135), f.icmp6(136)]),
    DHCP: ("dhcp", [f.ip4(17, f.udp(68, 67)), f.ip6(17, f.udp(546, 547)), f.icmp6(133)]),
    BGP: ("bgp", [f.tcp4(40000, 179), f.tcp4(179, 40000)]),
    LLDP: ("lldp", [f.lldp()]),
    SSH: ("ssh", [f.tcp4(40000, 22), f.tcp4(22, 40000)]),
    PING: ("ping", [f.icmp4(8), f.icmp4(0), f.icmp6(128)]),
    INTEGRITY: ("integrity", [f.macsec(tci=0x20), f.macsec(tci=0x20, sl=47, body=47),
                              f.macsec(tci=0x40, sci=False)]),
}


def moved(before, after):
    return {k: v - before.get(k, 0) for k, v in after.items()
            if k.startswith("egress") and v != before.get(k, 0)}


def test_each_clear_or_malformed_frame_is_dropped_and_counted(node):
    node.want_wan()
    for what, frame in REFUSED.items():
        before = node.counters()
        node.send_raw(frame)
        assert node.left(f.macsec()) == [], what
        assert moved(before, node.counters()) == dropped(what), what


def test_ciphertext_and_keying_pass_unchanged(node):
    node.want_wan()
    for name, sent in PASSES.items():
        before = node.counters()
        node.send_raw(*sent)
        assert node.left(f.macsec()) == sent
        got = moved(before, node.counters())
        expected = {"egress-macsec": 1}
        expected[f"egress-{name}"] = expected.get(f"egress-{name}", 0) + len(sent)
        assert got == expected


@pytest.mark.parametrize("allow", [0, *CLASSES], ids=lambda a: f"allow-{a:x}")
def test_an_exception_opens_its_own_class_alone(node, allow):
    node.want_wan(allow=allow)
    before = node.counters()
    for bit, (_, frames) in CLASSES.items():
        node.send_raw(*frames)
        assert node.left(f.macsec()) == (frames if bit == allow else [])
    node.send_raw(f.mkpdu())
    assert node.left(f.macsec()) == []
    got = moved(before, node.counters())
    if allow:
        name, frames = CLASSES[allow]
        assert got[f"egress-{name}"] == len(frames)
    assert not {k for k in got if not k.startswith("egress-dropped-")} - {
        f"egress-{CLASSES[allow][0]}" if allow else "", "egress-macsec", "egress-dropped"}
    shut = {name: len(frames) for bit, (name, frames) in CLASSES.items() if bit != allow}
    shut["eapol"] = 1
    assert {k.removeprefix("egress-dropped-"): n for k, n in got.items()
            if k.startswith("egress-dropped-")} == shut


def test_a_port_with_tunnels_sends_esp_and_ike_alone(node):
    node.want_wan(allow=ESP)
    sent = [f.ip4(50, f.esp()), f.ip6(50, f.esp()), f.ip4(17, f.udp(4500, 4500, f.esp())),
            f.ip6(17, f.udp(4500, 61000, f.esp()))]
    keying = [f.ip4(17, f.udp(500, 500, f.ike())), f.ip6(17, f.udp(500, 500, f.ike())),
              f.ip4(17, f.udp(4500, 4500, f.ike(marker=bytes(4)))),
              f.ip4(17, f.udp(4500, 61000, b"\xff"))]
    before = node.counters()
    node.send_raw(*sent, *keying)
    assert node.left(f.macsec()) == sent + keying
    assert moved(before, node.counters()) == {"egress-esp": len(sent), "egress-ike": len(keying),
                                              "egress-macsec": 1}
    for what, frame in {**NOT_ESP, **{k: v for k, v in REFUSED.items()
                                      if "ESP" not in k and "IKE" not in k}}.items():
        before = node.counters()
        node.send_raw(frame)
        assert node.left(f.macsec()) == [], what
        assert moved(before, node.counters()) == dropped(what), what


def test_a_superframe_of_esp_in_udp_passes_whole_or_not_at_all(node):
    """The kernel cuts it behind the guard. One segment in clear, wherever it stands, and none leaves."""
    node.want_wan(allow=ESP)
    size, text = 200, b"in the clear" * 20
    zero = bytes(4) + text
    bad = {f"{name} at {at}": [f.esp(body=size - 8) if i != at else what[:size] for i in range(20)]
           for at in (0, 1, 7, 19)
           for name, what in (("IKE's marker", zero), ("a reserved SPI", b"\0\0\0\xff" + text))}
    whole = [f.esp(body=size - 8) for _ in range(20)]
    bad["a short end"] = [*whole, f.esp(body=24)]
    bad["one octet at the end"] = [*whole, b"\xff"]
    bad["segments that hold nothing"] = [f.esp(body=24) for _ in range(20)]
    for family, ip, head in (4, f.ip4, 42), (6, f.ip6, 62):
        for what, parts in bad.items():
            before = node.counters()
            frame = ip(17, f.udp(4500, 4500, b"".join(parts)))
            if not node.send_super(f.super_udp(len(parts[0]), head), frame):
                pytest.skip("no superframes of UDP in this kernel")
            assert node.left(f.macsec()) == [], (family, what)
            assert moved(before, node.counters()) == {
                "egress-dropped": 1, "egress-dropped-esp-malformed": 1, "egress-macsec": 1}, what
        before = node.counters()
        good = [*whole, f.esp(body=100)]
        node.send_super(f.super_udp(size, head), ip(17, f.udp(4500, 4500, b"".join(good))))
        assert [frame[head:] for frame in node.left(f.macsec())] == good
        assert moved(before, node.counters()) == {"egress-esp": 1, "egress-macsec": 1}


def test_what_is_no_esp_in_udp_is_in_no_superframe(node):
    """IKE's messages are judged one by one, and so is ESP; MACsec and ESP have no segments to Linux."""
    node.want_wan(allow=ESP)
    size, kinds = 100, {
        "ike": f.ip4(17, f.udp(500, 500, f.ike(length=400) + bytes(400 - 88))),
        "ports": f.ip4(17, f.udp(4501, 4501, b"".join(f.esp(body=92) for _ in range(4)))),
        "esp": f.ip4(50, f.esp(body=400)),
        "macsec": f.macsec(body=400),
        "more than there are": f.ip4(17, f.udp(4500, 4500, b"".join(
            f.esp(body=92) for _ in range(150)))),
    }
    for what, frame in kinds.items():
        node.send_super(f.super_udp(size, 42), frame)
        assert node.left(f.macsec()) == [], what


def test_fragments_do_not_pass_as_an_exception(node):
    node.want_wan(allow=SSH | BGP | DHCP | PING)
    for frag in (0x2000, 0x0001, 0x2005):
        node.send_raw(f.tcp4(40000, 22, frag=frag))
    assert node.left(f.macsec()) == []


def test_a_tagged_port_sends_in_its_own_vlan_alone(node):
    node.want_wan(vlan=100)
    good = [f.macsec(tags=f.vlan(100, 6)), f.mkpdu(tags=f.vlan(100, 7))]
    node.send_raw(f.macsec(), f.mkpdu(), f.macsec(tags=f.vlan(101)), f.macsec(tags=f.vlan(0)),
                  *good, f.macsec(tags=f.vlan(100) + f.vlan(100)))
    assert node.left(f.macsec(tags=f.vlan(100))) == good


def test_two_ports_of_one_interface_have_a_rule_each(node):
    node.want_wan(vlan=100, eapol=0x888E)
    node.want_wan(vlan=200, eapol=0x876F, port=3, allow=EAPOL | ARP_ND)
    good = [f.macsec(tags=f.vlan(100)), f.macsec(tags=f.vlan(200)), f.mkpdu(tags=f.vlan(100)),
            f.mkpdu(tags=f.vlan(200), ethertype=0x876F), f.arp(tags=f.vlan(200))]
    node.send_raw(f.mkpdu(tags=f.vlan(200)), f.mkpdu(tags=f.vlan(100), ethertype=0x876F),
                  f.arp(tags=f.vlan(100)), f.arp(), *good)
    assert node.left(f.macsec(tags=f.vlan(200))) == good


def test_a_port_with_two_tags_sends_in_them_alone(node):
    node.want_wan(vlan=100, outer=200)
    mine = f.qinq(200, 100, 6)
    good = [f.macsec(tags=mine), f.mkpdu(tags=mine), f.macsec(tags=f.qinq(200, 100)),
            f.macsec(tags=mine, sl=5, body=5)]
    foreign = {
        "no tag": (), "a priority tag": f.vlan(0), "the inner tag alone": f.vlan(100),
        "the outer VLAN as its only tag": f.vlan(200), "the outer tag alone": ((0x88A8, 200),),
        "another outer VLAN": f.qinq(201, 100), "another inner VLAN": f.qinq(200, 101),
        "the VLANs exchanged": f.qinq(100, 200), "another TPID": f.qinq(200, 100, tpid=0x8100),
        "an old TPID": f.qinq(200, 100, tpid=0x9100), "outer VLAN 0": f.qinq(0, 100),
        "inner VLAN 0": f.qinq(200, 0), "two service tags": ((0x88A8, 200), (0x88A8, 100)),
        "a third tag": f.qinq(200, 100) + f.vlan(1),
    }
    for what, tags in foreign.items():
        before = node.counters()
        node.send_raw(f.macsec(tags=tags), f.mkpdu(tags=tags))
        assert node.left(f.macsec(tags=mine)) == [], what
        assert moved(before, node.counters()) == {
            "egress-dropped": 2, "egress-dropped-no-port": 2, "egress-macsec": 1}, what
    for frame in (f.arp(tags=mine), f.lldp(tags=mine), f.ip4(17, f.udp(5000, 5001), tags=mine),
                  f.macsec(tci=0x20, tags=mine), f.mkpdu(tags=mine, ethertype=0x876F),
                  f.mkpdu(tags=mine, packet_type=1), f.mkpdu(tags=mine, dst=f.FAR)):
        node.send_raw(frame)
        assert node.left(f.macsec(tags=mine)) == [], frame.hex()
    node.send_raw(*good)
    assert node.left(f.macsec(tags=mine)) == good


def test_exceptions_of_a_port_with_two_tags_are_open_in_its_tags(node):
    node.want_wan(vlan=100, outer=200, allow=EAPOL | ARP_ND | LLDP)
    mine = f.qinq(200, 100)
    good = [f.arp(tags=mine), f.lldp(tags=mine), f.lldp()]     # LLDP is the cable's too
    node.send_raw(f.arp(), f.arp(tags=f.vlan(100)), f.arp(tags=f.qinq(200, 101)),
                  f.macsec(), f.mkpdu(), *good)
    assert node.left(f.macsec(tags=mine)) == good


def test_an_outer_tag_may_be_of_8021q(node):
    node.want_wan(vlan=100, outer=200, tpid=0x8100)
    mine = f.qinq(200, 100, tpid=0x8100)
    good = [f.macsec(tags=mine), f.mkpdu(tags=mine)]
    node.send_raw(f.macsec(tags=f.qinq(200, 100)), f.macsec(tags=f.vlan(200)), *good)
    assert node.left(f.macsec(tags=mine)) == good


def test_untagged_tagged_and_twice_tagged_ports_share_an_interface(node):
    node.want_wan()
    node.want_wan(vlan=100, port=3)
    node.want_wan(vlan=100, outer=200, port=4)
    node.want_wan(vlan=101, outer=200, port=5, eapol=0x876F)
    sets = [(), f.vlan(100), f.qinq(200, 100), f.qinq(200, 101)]
    good = [f.macsec(tags=t) for t in sets] + [f.mkpdu(tags=t) for t in sets[:3]] \
        + [f.mkpdu(tags=sets[3], ethertype=0x876F)]
    node.send_raw(f.macsec(tags=f.vlan(101)), f.macsec(tags=f.qinq(201, 100)),
                  f.mkpdu(tags=sets[3]), f.mkpdu(tags=sets[2], ethertype=0x876F), *good)
    assert node.left(f.macsec()) == good


# What forward may not send in clear either. Another overlay's EtherType is data to this one.
NEVER_CLEAR = {what for what in REFUSED if what != "EAPOL of another EtherType"
               and ("EAPOL" in what or "MACsec" in what or "tag" in what)}


def test_should_secure_opens_the_interface_to_forward_alone(node):
    """Whoever else sends does not bear forward's mark. With it too, nothing of MACsec, of keying or
    of other tags passes that is not right."""
    node.want_wan(allow=EAPOL | CLEAR)
    for what, frame in REFUSED.items():
        node.send_raw(frame)
        assert node.left(f.macsec()) == [], what
    for what, frame in REFUSED.items():
        before = node.counters()
        node.send_raw(frame, mark=GUARD_MARK)
        passes = what not in NEVER_CLEAR
        assert node.left(f.macsec()) == [frame] * passes, what
        assert moved(before, node.counters()) == (
            {"egress-clear": 1, "egress-macsec": 1} if passes else dropped(what)), what
    for mark in (1, GUARD_MARK ^ 1, GUARD_MARK >> 1):
        node.send_raw(f.ip4(17, f.udp(5000, 5001)), mark=mark)
        assert node.left(f.macsec()) == []
    node.want_wan()         # the line is gone
    node.send_raw(f.ip4(17, f.udp(5000, 5001)), f.arp(), mark=GUARD_MARK)
    assert node.left(f.macsec()) == []


def test_forwards_mark_opens_nothing_where_the_file_does_not_say_should_secure(node):
    node.want_wan(allow=EAPOL | ARP_ND)
    for what, frame in REFUSED.items():
        node.send_raw(frame, mark=GUARD_MARK)
        assert node.left(f.macsec()) == [frame] * (what in ("ARP", "neighbour solicitation")), what


def test_should_secure_is_of_one_port_of_an_interface(node):
    node.want_wan(vlan=100, outer=200, allow=EAPOL | CLEAR)
    node.want_wan(vlan=100, port=3)
    mine, udp = f.qinq(200, 100), f.udp(5000, 5001)
    good = f.ip4(17, udp, tags=mine)
    node.send_raw(f.ip4(17, udp), f.ip4(17, udp, tags=f.vlan(100)),
                  f.ip4(17, udp, tags=f.qinq(200, 101)), f.ip4(17, udp, tags=mine + f.vlan(5)),
                  f.macsec(tci=0x20, tags=mine), good, mark=GUARD_MARK)
    assert node.left(f.macsec(tags=mine)) == [good]


def test_should_secure_does_not_let_out_what_the_kernel_routes(node):
    node.want_wan(allow=EAPOL | CLEAR)
    route_around(node)
    attack(node)
    assert node.left(f.macsec()) == []


def attack(node):
    """What the kernel itself sends when it is made to, and raw sockets."""
    node.send_raw(*REFUSED.values())
    node.ns.run("ping", "-c", "2", "-i", "0.2", "-W", "1", "10.20.0.5", check=False)
    with node.ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        for _ in range(3):
            try:
                s.sendto(b"in the clear", ("10.20.0.5", 7000))
            except OSError:
                pass


def route_around(node):
    """The worst routing: the protected prefix behind the carrier, neighbours known."""
    node.ns.ip("addr", "add", "198.51.100.1/24", "dev", "wan0")
    node.ns.ip("route", "replace", "10.20.0.0/16", "via", "198.51.100.2", "dev", "wan0")
    node.ns.ip("neigh", "replace", "198.51.100.2", "lladdr", "02:00:00:00:00:02", "dev", "wan0")


def test_a_route_to_a_protected_prefix_by_the_wan_leads_nowhere(node):
    node.want_wan()
    route_around(node)
    before = node.counters()["egress-dropped"]
    attack(node)
    assert node.left(f.macsec()) == []
    assert node.counters()["egress-dropped"] >= before + len(REFUSED) + 3


def test_router_solicitations_of_the_kernel_stay_inside(node):
    node.want_wan()
    before = node.counters()["egress-dropped"]
    node.sysctl("net/ipv6/conf/wan0/disable_ipv6", 0)
    until("the kernel tried to speak IPv6", lambda: node.counters()["egress-dropped"] >= before + 2)
    assert node.left(f.macsec()) == []


def test_nothing_leaves_while_the_port_is_made(make_node):
    """The interface is down until the daemon sets it up, and the kernel would speak at once."""
    node = make_node()
    node.ns.ip("link", "set", "wan0", "down")
    node.sysctl("net/ipv6/conf/wan0/disable_ipv6", 0)
    node.start()
    node.want_wan()
    until("the kernel tried to speak", lambda: node.counters()["egress-dropped"] > 1)
    route_around(node)
    attack(node)
    assert node.left(f.macsec()) == []


def test_the_guards_stay_when_forward_is_dead(node):
    node.want_wan()
    route_around(node)
    os.kill(node.pid("parent"), signal.SIGSTOP)     # nobody starts it again
    try:
        os.kill(node.pid("forward"), signal.SIGKILL)
        attack(node)
        assert node.left(f.macsec()) == []
    finally:
        os.kill(node.pid("parent"), signal.SIGCONT)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_the_guards_stay_when_the_parent_is_gone(node, sig):
    node.want_wan()
    node.want_overlay()
    route_around(node)
    pids = node.processes()
    node.daemon.send_signal(sig)
    node.wait_gone(pids)
    attack(node)
    assert node.left(f.macsec()) == []
    links = node.ns.ip("-br", "link")
    assert "core" not in links


def test_a_new_parent_takes_the_guards_over(node):
    node.want_wan()
    node.daemon.kill()
    node.daemon.wait()
    node.start()        # at once, while the roles of the one before are still dying
    node.want_wan()
    shown = node.ns.run("tc", "filter", "show", "dev", "wan0", "egress")
    assert shown.count("name guard_egress") == 1
    before = node.counters()
    node.send_raw(f.arp())
    assert node.left(f.macsec()) == []
    assert node.counters()["egress-dropped"] > before["egress-dropped"]


def test_released_guards_are_gone(node):
    node.want_wan()
    node.daemon.terminate()
    node.daemon.wait(20)
    node.ns.run(PROGRAM, "--release-guards", "wan0")
    assert "clsact" not in node.ns.run("tc", "qdisc", "show", "dev", "wan0")
    node.ns.run(PROGRAM, "--release-guards", "wan0")     # once more does no harm


@pytest.mark.parametrize("how", [
    ("qdisc", "del", "dev", "wan0", "clsact"),
    ("filter", "del", "dev", "wan0", "egress"),
    ("filter", "del", "dev", "wan0", "ingress"),
], ids=lambda h: "-".join(h[:1] + h[-1:]))
def test_guards_taken_away_by_hand_come_back(node, how):
    node.want_wan()
    before = node.counters()
    assert before["gaps"] == before["gap-ms"] == before["missing-ms"] == 0
    node.ns.run("tc", *how)
    until("the guards are back",
          lambda: node.counters()["guard-restored"] > before["guard-restored"])
    after = node.counters()
    assert after["gaps"] == 1 and after["missing-ms"] == 0
    assert after["gap-ms"] == after["gap-last-ms"] == after["gap-longest-ms"]
    for side in ("ingress", "egress"):
        assert f"guard_{side}" in node.ns.run("tc", "filter", "show", "dev", "wan0", side)
    node.left(f.macsec())       # what went out in the gap
    node.send_raw(*REFUSED.values())
    assert node.left(f.macsec()) == []


def test_guards_that_cannot_come_back_shut_the_interface(node):
    """An `ingress` qdisc takes the place of clsact: it has no hook for what goes out, and what is
    attached there for both directions leaves the later one alone."""
    node.want_wan()
    node.daemon.send_signal(signal.SIGSTOP)
    try:
        node.ns.run("tc", "qdisc", "del", "dev", "wan0", "clsact")
        node.ns.run("tc", "qdisc", "add", "dev", "wan0", "ingress")
    finally:
        node.daemon.send_signal(signal.SIGCONT)
    until("the interface is down",
          lambda: "state DOWN" in node.ns.run("ip", "link", "show", "wan0"))
    before = node.counters()
    assert before["missing-ms"] > 0 and before["gaps"] == 0
    guarded = before["guarded-ms"]
    assert node.counters()["guarded-ms"] == guarded         # it does not count on
    node.ns.ip("link", "set", "wan0", "up")                 # nor does it let itself be set up
    until("the interface is down again", lambda: "state DOWN" in node.ns.ip("link", "show", "wan0"))
    node.ns.run("tc", "qdisc", "del", "dev", "wan0", "ingress")
    until("the guards are back",
          lambda: node.counters()["guard-restored"] > before["guard-restored"])
    until("the interface is up", lambda: "state DOWN" not in node.ns.ip("link", "show", "wan0"))
    after = node.counters()
    assert after["missing-ms"] == 0 and after["gaps"] == 1
    assert after["gap-last-ms"] >= before["missing-ms"] - 1
    for side in ("ingress", "egress"):
        assert f"guard_{side}" in node.ns.run("tc", "filter", "show", "dev", "wan0", side)


def test_a_lan_s_traffic_does_not_leave_as_an_exception_of_the_node(make_node):
    """SSH is open for the node itself; a host behind it that is routed by the wan is not meant."""
    node = make_node()
    node.start()
    node.ns.ip("link", "add", "lan0", "type", "veth", "peer", "name", "host0")
    node.want_wan(allow=SSH | EAPOL)
    answer = node.ask("want 4 2 lan0 0 0 0 0 0")
    assert answer.startswith("0 ")
    node.ns.ip("addr", "add", "10.10.0.1/16", "dev", "lan0")
    node.ns.ip("link", "set", "host0", "up")
    route_around(node)
    before = node.counters()
    host = node.ns.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
    host.bind(("host0", 0))
    lan_mac = bytes.fromhex(node.ns.ip("-br", "link", "show", "lan0").split()[2].replace(":", ""))
    host.send(f.tcp4(40000, 22, "10.10.0.9", "10.20.0.5", src_mac=f.FAR, dst_mac=lan_mac))
    until("the forwarded segment was dropped",
          lambda: node.counters()["egress-dropped"] > before["egress-dropped"])
    assert [x for x in node.left(f.macsec()) if x[12:14] == b"\x08\x00"] == []
    with node.ns.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as s:
        s.setblocking(False)
        s.connect_ex(("10.20.0.5", 22))
        until("the node's own SSH leaves",
              lambda: node.counters()["egress-ssh"] > before["egress-ssh"])
    host.close()


def test_integrity_only_opens_nothing_else_of_macsec(node):
    node.want_wan(allow=INTEGRITY)
    for what, frame in REFUSED.items():
        if what != "MACsec, integrity only (E=0, C=0)":
            node.send_raw(frame)
            assert node.left(f.macsec()) == [], what
    for frame in (f.macsec(tci=0xA0), f.macsec(tci=0x60), f.macsec(tci=0x30),
                  f.macsec(tci=0x20, sl=48, body=48), f.macsec(tci=0x20, body=47),
                  f.macsec(tci=0x20, tags=f.vlan(7))):
        node.send_raw(frame)
        assert node.left(f.macsec()) == [], frame.hex()
