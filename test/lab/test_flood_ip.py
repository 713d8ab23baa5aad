"""As test_flood, of what runs over IP: garbage of ESP, plain and in UDP, and of IKE, beside a flow
of valid packets. Each is counted under its own name, nothing valid is lost, nothing is agreed upon
with strangers, and no key, number, log or memory is the worse for it.
"""
import collections
import os
import socket
import struct

import pytest

import labs
from labs import Stream
from lib.until import until
from test_flood import BATCH, EACH, dropped, grown, log_lines, memory, pour
from test_ipsec import peers, udp_of

TWO_SITES = """
backbone lab;
site fra { location 50.11,8.68;   networks 10.10.0.0/16; }
site nyc { location 40.71,-74.01; networks 10.20.0.0/16; }
service inet type internet;
node fra1 { id 1; site fra;
    port wan { interface eth1; service inet; address 198.51.100.10/24; gateway 198.51.100.1; }
    port lan { interface eth0; lan; address 10.10.0.1/16; } }
node nyc1 { id 2; site nyc;
    port wan { interface eth1; service inet; %s }
    port lan { interface eth0; lan; address 10.20.0.1/16; } }
overlay link { design ipsec; over inet; auth psk link; }
"""
PLAIN = "address 203.0.113.10/24; gateway 203.0.113.1;"
TRANSLATED = "address dhcp; behind-nat;"
FRA, MARKER = "198.51.100.10", bytes(4)
# What forward hears of keying, the kernels' own talk, and what is malformed to the guard behind
# forward's socket, too.
BESIDE = {"path ike", "guard ipv6", "guard esp-malformed"}


def outer(protocol, source, body):
    """Octets of an IPv4 packet to fra1, with a right checksum."""
    head = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 60, protocol,
                                 0, socket.inet_aton(source), socket.inet_aton(FRA)))
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head[10:12] = (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
    return bytes(head) + body


def datagram(source, ports, body):
    return outer(17, source, struct.pack(">HHHH", *ports, 8 + len(body), 0) + body)


def ike(initiator, responder, payloads, first, exchange, flags=0x08, number=0, version=0x20):
    return struct.pack(">8s8sBBBBII", initiator, responder, first, version, exchange, flags, number,
                       28 + len(payloads)) + payloads


def payload(following, body):
    return struct.pack(">BxH", following, 4 + len(body)) + body


def transform(kind, number, bits=None, last=False):
    attribute = struct.pack(">HH", 0x800E, bits) if bits else b""
    return struct.pack(">BxHBxH", 0 if last else 3, 8 + len(attribute), kind, number) + attribute


def initiation(i, cookie=b""):
    """A right first message from somebody who will not go on."""
    offers = transform(1, 20, 256) + b"".join(transform(2, n) for n in (5, 6, 7)) + transform(
        4, 31, last=True)
    proposal = struct.pack(">BxHBBBB", 0, 8 + len(offers), 1, 1, 0, 5) + offers
    body = payload(34, proposal) + payload(40, struct.pack(">Hxx", 31) + os.urandom(32)) \
        + payload(0, os.urandom(32))
    if cookie:
        body = payload(33, struct.pack(">BBH", 0, 0, 16390) + cookie) + body
    return ike(struct.pack(">Q", (1 << 60) + i), bytes(8), body, 41 if cookie else 33, 34)


Wan = collections.namedtuple("Wan", "mac source ports wrap")


def newest(wire, back=50):
    """The ESP of a packet from nyc1 that is there for long, but not so long that its number has
    left the replay window."""
    raw = wire.of("nyc1", "esp")[-back].raw
    udp = udp_of(raw)
    return udp[1] if udp else raw[14 + (raw[14] & 15) * 4:]


def esp_kinds(wan, wire, translated):
    def changed(i):
        good = newest(wire)
        ahead = int.from_bytes(good[4:8], "big") + 100000 + i
        return good[:4] + ahead.to_bytes(4, "big") + good[8:]
    kinds = [
        (lambda i: wan.wrap(newest(wire)), "path duplicate"),
        (lambda i: wan.wrap(newest(wire)[:-1] + bytes([newest(wire)[-1] ^ 1])), "path duplicate"),
        (lambda i: wan.wrap(changed(i)), "path not-valid"),
        (lambda i: wan.wrap(struct.pack(">I", 0xF0000000 + i) + newest(wire)[4:]),
         "path unknown-spi"),
        (lambda i: wan.wrap(newest(wire)[:28]), "path esp-short"),
        (lambda i: wan.wrap(newest(wire)[:-2]), "path esp-length"),
        (lambda i: wan.mac + outer(17, wan.source, struct.pack(">HHHH", 5000, 5000, 40, 0)
                                   + bytes(32)), "guard ipv4"),
    ]
    if translated:
        kinds.append((lambda i: wan.wrap(b"\xff"), "path nat-keepalive"))
    return kinds


def keying(wan, port, body, source=None):
    return wan.mac + datagram(source or wan.source, (port, port),
                              (MARKER if port == 4500 else b"") + body)


def ike_kinds(wan, sa, flags):
    """sa: SPIs of the IKE SA that there is; flags: of what the peer says in it."""
    def to(port, body, source=None):
        return keying(wan, port, body, source)
    due = 2 if flags else 0     # the number of the peer's next request
    skf = payload(0, struct.pack(">HH", 1, 2) + os.urandom(100))
    sealed = payload(0, os.urandom(100))
    return [
        (lambda i: to(500, initiation(i, os.urandom(20)), "203.0.113.77"), "ikev2 no-peer"),
        (lambda i: to(500, ike(os.urandom(8), os.urandom(8), sealed, 46, 35)), "ikev2 unknown-spi"),
        (lambda i: to(4500, ike(os.urandom(8), os.urandom(8), skf, 53, 35)), "ikev2 unknown-spi"),
        (lambda i: to(4500, ike(*sa, sealed, 46, 37, flags, due)), "ikev2 icv"),
        (lambda i: to(4500, ike(*sa, skf, 53, 37, flags, due)), "ikev2 icv"),
        (lambda i: to(4500, ike(*sa, sealed, 46, 37, flags, 1000 + i)), "ikev2 window"),
        (lambda i: to(500, ike(os.urandom(8), bytes(8), b"", 33, 34, version=0x30)),
         "guard ike-malformed"),
    ]


def agreed(lab):
    """The IKE SAs of fra1, without those that somebody has begun and nobody proved."""
    return [s for p in lab.show("fra1", "ike")["peers"] for s in p["sas"]
            if s["state"] == "established"]


def begin_and_vanish(lab, wan):
    """Right first messages from the peer's address, with a wrong cookie and without one. Eight an
    address are answered, and again when those have timed out; the others are asked for a cookie."""
    before = dropped(lab, "fra1")
    with lab.carrier_socket() as s:
        for at in range(0, EACH, BATCH):
            for i in range(at, at + BATCH):
                for cookie in (b"", os.urandom(20)):
                    raw = keying(wan, 500, initiation(i * 2 + len(cookie) // 20, cookie))
                    s.send(f"inject fra1 wan {raw.hex()}".encode())
                    assert s.recv(1000) == b"{}"
            until(lambda: f"{at + BATCH} of both are counted: {grown(lab, 'fra1', before)}",
                  lambda: sum(grown(lab, "fra1", before).get(f"ikev2 cookie-{w}", 0)
                              for w in ("asked", "wrong")) >= 2 * (at + BATCH) - 64, 20)


@pytest.mark.parametrize("translated", [False, True], ids=["esp", "esp-in-udp"])
def test_a_flood_beside_a_flow_over_ip(make_lab, translated):
    lab = make_lab(TWO_SITES % (TRANSLATED if translated else PLAIN))
    source = peers(lab, "fra1")["nyc1"]["address"]
    mac = bytes.fromhex(lab.ns("fra1").run("cat", "/sys/class/net/eth1/address").strip().replace(
        ":", "")) + bytes.fromhex("020000000001") + b"\x08\x00"
    wan = Wan(mac, source, (4500, 4500), lambda esp: mac + (
        datagram(source, (4500, 4500), esp) if translated else outer(50, source, esp)))
    [shown] = agreed(lab)
    sa = [bytes.fromhex(shown[w]) for w in ("spi-initiator", "spi-responder")]

    def digest():
        [p] = [p for p in lab.show("fra1", "peers")["peers"] if p["overlay"] == "link"]
        return (p["state"], p["address"], lab.role("fra1", "forward"), lab.role("fra1", "control"),
                [(s["spi-initiator"], s["spi-responder"]) for s in agreed(lab)])

    def taken():
        return peers(lab, "fra1")["nyc1"]["packets-in"]
    state, lines, size, moved = digest(), log_lines(lab, "fra1"), memory(lab, "fra1"), {}
    flags, packets = 8 if shown["role"] == "responder" else 0, taken()
    with lab.capture("inet") as wire, Stream(lab, "host-nyc", "host-fra") as s:
        s.send(100, 300)
        esp = esp_kinds(wan, wire, translated)
        strange = ike_kinds(wan, sa, flags)[translated:]    # such a peer may call from anywhere
        s.send_while(300, lambda: moved.update(pour(lab, "fra1", "wan", esp + strange)))
        before = dropped(lab, "fra1")
        s.send_while(300, lambda: begin_and_vanish(lab, wan))
        begun = grown(lab, "fra1", before)
        assert s.lost() == [] and s.duplicates == 0
        until("all were counted as taken", lambda: taken() - packets >= s.sent, 10)
    expected = collections.Counter()
    for _, name in esp + strange:
        expected[name] += EACH
    # A translator that is kept awake by the peer, too.
    assert moved.pop("path nat-keepalive", 0) >= expected.pop("path nat-keepalive", 0)
    assert {k: v for k, v in moved.items() if k not in BESIDE} == expected
    assert set(begun) - BESIDE <= {"ikev2 cookie-asked", "ikev2 cookie-wrong"}
    assert lab.show("fra1", "ike")["engine"]["half-open"] <= 32
    assert digest() == state
    assert taken() - packets < s.sent + 50      # of the kernels' own at most: none of the garbage
    assert log_lines(lab, "fra1") - lines < 100
    assert labs.SANITIZED or memory(lab, "fra1") - size < 2048
    assert lab.neither() == (0, [])
