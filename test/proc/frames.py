"""Frames by hand: this folder's tests share no codec with the daemon."""
import itertools
import socket
import struct

OWN = bytes.fromhex("020000000001")
FAR = bytes.fromhex("020000000002")
ALL = b"\xff" * 6
PAE = bytes.fromhex("0180c2000003")
_serial = itertools.count(1)


def eth(ethertype, payload, dst=FAR, src=OWN, tags=()):
    """`tags` are (TPID, TCI), outermost first. Padded to the least length of Ethernet."""
    head = dst + src + b"".join(struct.pack("!HH", *t) for t in tags)
    return (head + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


def vlan(vid, pcp=0):
    return ((0x8100, pcp << 13 | vid),)


def qinq(outer, vid, pcp=0, tpid=0x88A8):
    """Two tags in clear: of 802.1ad, or with another TPID outside."""
    return ((tpid, pcp << 13 | outer),) + vlan(vid, pcp)


def macsec(tci=0x2C, sl=0, body=64, icv=16, tags=(), sci=True):
    """A SecTAG and something that looks like ciphertext; every one is different."""
    n = next(_serial)
    tag = struct.pack("!BBI", tci, sl, n) + (OWN + b"\0\1" if sci else b"")
    return eth(0x88E5, tag + bytes((n + i * 7) & 0xFF for i in range(body + icv)), tags=tags)


def mkpdu(dst=PAE, ethertype=0x888E, packet_type=5, tags=()):
    return eth(ethertype, struct.pack("!BBH", 3, packet_type, 48) + bytes(48), dst=dst, tags=tags)


def checksum(data):
    s = sum(struct.unpack(f"!{len(data) // 2}H", data + b"\0" * (len(data) % 2)))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def macs(kw):
    """The MAC addresses among the arguments, which share their short names with IP's."""
    return {k: kw.pop(f"{k}_mac") for k in ("src", "dst") if f"{k}_mac" in kw} | kw


def ip4(proto, payload, src="198.51.100.1", dst="198.51.100.2", frag=0, ttl=64, **kw):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, frag, ttl, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return eth(0x0800, head + payload, **macs(kw))


def ip6(nexthdr, payload, src="fe80::1", dst="fe80::2", hop=255, **kw):
    addresses = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
    if nexthdr == 58:
        pseudo = addresses + struct.pack("!II", len(payload), 58)
        payload = payload[:2] + struct.pack("!H", checksum(
            pseudo + payload[:2] + b"\0\0" + payload[4:])) + payload[4:]
    return eth(0x86DD, struct.pack("!IHBB", 6 << 28, len(payload), nexthdr, hop) + addresses
               + payload, **macs(kw))


def udp(sport, dport, data=b"in the clear"):
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def esp(spi=0x1234, body=64):
    """An ESP header and something that looks like ciphertext."""
    n = next(_serial)
    return struct.pack("!II", spi, n) + bytes((n + i * 7) & 0xFF for i in range(body))


def super_udp(size, head):
    """The virtio header of a superframe of UDP with so many octets of payload in each datagram; `head`
    octets of headers."""
    return struct.pack("<BBHHHH", 1, 5, head, size, head - 8, 6)


def ike(length=None, version=0x20, marker=b""):
    """The header of an IKE_SA_INIT request and a body."""
    body = bytes(60)
    return marker + struct.pack("!QQBBBBII", next(_serial), 0, 33, version, 34, 8, 0,
                                28 + len(body) if length is None else length) + body


def tcp(sport, dport, src="198.51.100.1", dst="198.51.100.2"):
    seg = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, 2, 1024, 0, 0)
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", 6, len(seg))
    return seg[:16] + struct.pack("!H", checksum(pseudo + seg)) + seg[18:]


def tcp4(sport, dport, src="198.51.100.1", dst="198.51.100.2", **kw):
    return ip4(6, tcp(sport, dport, src, dst), src=src, dst=dst, **kw)


def icmp4(kind, **kw):
    body = struct.pack("!BBHHH", kind, 0, 0, 1, 1) + b"in the clear"
    return ip4(1, body[:2] + struct.pack("!H", checksum(body)) + body[4:], **kw)


def quoted4(proto, payload, src="198.51.100.1", dst="198.51.100.2"):
    """What an ICMP error quotes of a packet."""
    return ip4(proto, payload, src=src, dst=dst)[14:42]


def icmp4_error(kind, code, quoted, **kw):
    body = struct.pack("!BBHHH", kind, code, 0, 0, 1400) + quoted
    return ip4(1, body[:2] + struct.pack("!H", checksum(body)) + body[4:], **kw)


def icmp6(kind, body=bytes(20), **kw):
    return ip6(58, struct.pack("!BBH", kind, 0, 0) + body, **kw)


def arp(op=1, src=OWN, sender="198.51.100.1", target="198.51.100.2", dst=ALL, **kw):
    return eth(0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + src + socket.inet_aton(sender)
               + bytes(6) + socket.inet_aton(target), dst=dst, src=src, **kw)


def lldp(**kw):
    return eth(0x88CC, b"\x02\x07\x04" + OWN + b"\0\0",
               dst=bytes.fromhex("0180c200000e"), **kw)
