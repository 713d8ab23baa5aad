"""Tries to make happen what must never happen: plaintext out, strangers in, a nonce twice."""
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

import labs
from labs import Stream
from lib.dot1x import Listener
from lib.until import until

MARK = b"in-clear-this-must-not-be-seen"


def tried(send, *args):
    """A send that a guard may refuse: the kernel tells some senders (ENOBUFS), not all."""
    try:
        send(*args)
    except OSError:
        pass


def attack(lab, node):
    """Everything the kernel of a node may be made to send out of its wan interface: an address, a
    route to a protected network, neighbour discovery, router solicitations, multicast reports,
    pings, forwarded packets, and frames of a raw socket."""
    ns = lab.ns(node)
    ns.ip("address", "replace", "198.51.100.77/24", "dev", "eth1")
    ns.ip("-6", "address", "replace", "2001:db8:bad::77/64", "dev", "eth1", "nodad")
    ns.ip("route", "replace", "10.99.0.0/16", "via", "198.51.100.1", "dev", "eth1")
    ns.ip("neigh", "replace", "198.51.100.1", "lladdr", "02:00:00:00:00:01", "dev", "eth1")

    def sockets():
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for to in ("198.51.100.1", "198.51.100.255", "198.51.100.9", "10.99.0.1"):
            u.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            tried(u.sendto, MARK, (to, 9))
        m = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        index = socket.if_nametoindex("eth1")
        group = socket.inet_pton(socket.AF_INET6, "ff02::1234")
        m.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@i", index))
        tried(m.sendto, MARK, ("ff02::1", 9, 0, index))
        solicit = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        solicit.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        tried(solicit.sendto, bytes([133, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, index))
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("eth1", 0))
        head = b"\xff" * 6 + b"\x02" * 6
        for kind in (b"\x08\x00", b"\x08\x06", b"\x86\xdd", b"\x12\x34", b"\x88\xcc",
                     b"\x81\x00\x00\x07\x08\x00", b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00",
                     b"\x88\xe5\x20\x00\x00\x00\x00\x01",     # integrity only
                     b"\x88\x8e\x03\x00\x00\x04", b"\x88\x8e\x03\x01\x00\x00"):
            tried(raw.send, head + kind + MARK * 3)
        # A SecTAG without room for an ICV.
        tried(raw.send, head + b"\x88\xe5\x2c\x05\x00\x00\x00\x01" + bytes(8) + MARK[:5])
        for s in (u, m, solicit, raw):
            s.close()
    lab.ns(node).call(sockets)


def forwarded(lab, node):
    """A host's packets for a network that its node routes by the wan interface in clear."""
    host = f"host-{node[:3]}"

    def send():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(20):
            s.sendto(MARK, ("10.99.0.1", 9))
        s.close()
    lab.ns(host).call(send)


def retreat(lab, node):
    lab.ns(node).ip("route", "flush", "10.99.0.0/16", check=False)
    lab.ns(node).ip("address", "flush", "dev", "eth1", "scope", "global", check=False)


def assert_quiet(lab, wire):
    assert not [f for f in wire.frames if MARK in f.raw]
    assert {f.cls for f in wire.frames} <= {"macsec", "eapol"}, \
        [f for f in wire.frames if f.cls not in ("macsec", "eapol")][:3]
    count, kept = lab.neither()
    assert count == 0, kept


def test_nothing_leaves_in_clear_while_keys_are_in_use(four):
    with four.capture() as wire:
        for node in ("fra1", "sin1"):
            attack(four, node)
            forwarded(four, node)
            retreat(four, node)
        until("traffic goes on", lambda: "1 received" in four.run(
            "host-fra", "ping", "-n", "-c", "1", "-W", "2", four.address["host-sin"][0],
            check=False), 10)
    assert_quiet(four, wire)


def test_nothing_leaves_in_clear_before_keys(make_lab):
    """Two nodes that cannot agree: the overlay stays down, and so does everything else."""
    lab = make_lab(labs.backbone(2, mka="destination pae-group;"), wait=False)
    with lab.capture() as wire:
        until("the daemon offers its keys", lambda: wire.of("fra1", "eapol"), 20)
        for _ in range(3):
            attack(lab, "fra1")
            forwarded(lab, "fra1")
        # Must-secure: with no key the overlay has no carrier, and its routes lead nowhere.
        lab.run("host-fra", "ping", "-n", "-c", "1", "-W", "1", lab.address["host-nyc"][0],
                check=False)
        assert not lab.peers("fra1")
        link = lab.ns("fra1").ip("link", "show", "core")
        assert "NO-CARRIER" in link or "state DOWN" in link
        assert wire.of("fra1", "macsec") == []
    assert_quiet(lab, wire)
    # What the carrier's bridges do with the standard's group address is seen, and said.
    assert lab.ports()["fra1"]["reserved"] > 0


def test_nothing_leaves_in_clear_from_the_first_moment(make_lab):
    lab = make_lab(labs.backbone(2), wait=False)
    for _ in range(20):
        try:
            attack(lab, "fra1")
            forwarded(lab, "fra1")
        except (RuntimeError, OSError):
            pass        # the interface is down still
        count, kept = lab.neither()
        assert count == 0, kept
    lab.wait_live()
    lab.assert_clean()


@pytest.mark.parametrize("role", ["control", "forward"])
def test_nothing_leaves_in_clear_at_the_restart_of(four, role):
    with four.capture() as wire:
        old = four.role("nyc1", role)
        os.kill(old, signal.SIGKILL)
        for _ in range(5):
            attack(four, "nyc1")
            forwarded(four, "nyc1")
        until("it is back", lambda: four.role("nyc1", role) not in (None, old), 10)
        retreat(four, "nyc1")
        until("its peers are back", lambda: len(four.peers("nyc1")) == 3, 20)
    assert_quiet(four, wire)


def test_nothing_leaves_in_clear_during_a_rekey(make_lab):
    lab = make_lab(labs.backbone(2, mka="rekey 3s;"))
    first = lab.peers("fra1")["nyc1"]["key-id"]
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        def rekeys():
            for _ in range(3):
                key = lab.peers("fra1")["nyc1"]["key-id"]
                until("a new key", lambda: lab.peers("fra1").get("nyc1", {}).get("key-id", key)
                      != key, 20)
                attack(lab, "fra1")
                forwarded(lab, "fra1")
        s.send_while(500, rekeys)
        assert s.lost() == []
    assert lab.peers("fra1")["nyc1"]["key-id"] != first
    assert_quiet(lab, wire)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_leaves_in_clear_when_the_daemon_ends(make_lab, sig):
    lab = make_lab(labs.backbone(2))
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        roles = [lab.role("fra1", r) for r in ("control", "forward")]
        parent = lab.parent("fra1")
        s.send_while(500, lambda: (time.sleep(0.3), os.kill(parent, sig), time.sleep(0.3)))
        until("its roles went with it", lambda: not any(
            os.path.exists(f"/proc/{pid}") for pid in roles), 10)
        assert "core" not in lab.ns("fra1").ip("link", "show")
        attack(lab, "fra1")
        forwarded(lab, "fra1")
        s.send(100, 1000)
    assert_quiet(lab, wire)


def test_a_frame_of_a_stranger_reaches_neither_host_nor_lan(four):
    """Clear packets from the carrier for the node, for a host behind it, and for its services."""
    ns = four.ns("nyc1")
    mac = bytes.fromhex(ns.run("cat", "/sys/class/net/eth1/address", check=True).strip()
                        .replace(":", ""))
    ns.ip("address", "replace", "198.51.100.20/24", "dev", "eth1")
    to_host = four.address["host-nyc"][0]

    def udp(dst_ip):
        body = struct.pack(">HHHH", 4242, 4242, 8 + len(MARK), 0) + MARK
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0,
                           socket.inet_aton("198.51.100.99"), socket.inet_aton(dst_ip))
        total = sum(struct.unpack(">10H", head))
        total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xffff) + head[12:]
        return mac + b"\x02\x00\x00\x00\x00\x99\x08\x00" + head + body

    def listener(address):
        def make():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, 4242))
            s.settimeout(1.0)
            return s
        return make
    at_node, at_host = ns.call(listener("0.0.0.0")), four.ns("host-nyc").call(listener(to_host))
    arp = (b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x99\x08\x06" + bytes.fromhex("0001080006040001") +
           b"\x02\x00\x00\x00\x00\x99" + socket.inet_aton("198.51.100.99") + bytes(6) +
           socket.inet_aton("198.51.100.20"))
    try:
        for _ in range(5):
            for dst in ("198.51.100.20", to_host, "10.255.0.2", "255.255.255.255"):
                four.carrier("inject", "nyc1", "wan", udp(dst).hex())
            four.carrier("inject", "nyc1", "wan", arp.hex())
        for s in (at_node, at_host):
            with pytest.raises(TimeoutError):
                s.recv(100)
        assert "02:00:00:00:00:99" not in ns.ip("neigh", "show")
    finally:
        at_node.close()
        at_host.close()
        retreat(four, "nyc1")
    four.assert_clean()


def test_no_key_meets_a_nonce_twice_over_restarts_and_rekeys(make_lab):
    """Everything on the wire is opened by an independent implementation that is given the CAK and
    remembers each (SAK, sender, packet number)."""
    lab = make_lab(labs.backbone(3, mka="rekey 4s; ethertype 0x876f;"), wait=False)
    with lab.capture() as wire:
        lab.wait_live()
        with Stream(lab, "host-fra", "host-nyc") as a, Stream(lab, "host-nyc", "host-sin") as b:
            for role, node in (("control", "fra1"), ("forward", "fra1"), ("control", "nyc1"),
                               ("forward", "nyc1"), ("forward", "sin1"), ("control", "sin1")):
                a.send_while(300, lambda: b.send_while(300, lambda: lab.kill(node, role)))
            def one_more_key():
                key = lab.peers("fra1").get("nyc1", {}).get("key-id")
                until("another key", lambda: lab.peers("fra1").get("nyc1", {}).get(
                    "key-id", key) != key, 30)
            a.send_while(300, one_more_key)
            b.send_while(300, one_more_key)
        frames = list(wire.frames)
    assert wire.missed == 0
    listener = Listener(lab.cak)
    for f in frames:
        if f.cls in ("macsec", "eapol"):
            listener.feed(f.raw, 0x876F)
    assert [f for f in listener.faults if "twice" in f] == []
    assert len(listener.opened) > 500
    assert len({kn for _, _, kn in listener.opened}) >= 3, "too few keys were used"
    opened, sealed = len(listener.opened), sum(f.cls == "macsec" for f in frames)
    assert listener.faults == [], listener.faults[:5]
    assert opened == sealed
    lab.assert_clean()


def test_the_guards_come_back_when_they_are_taken_away(four):
    ns = four.ns("gru1")
    subprocess.run(["ip", "netns", "exec", ns.name, "tc", "qdisc", "del", "dev", "eth1", "clsact"],
                   check=True)
    until("the guard is there again",
          lambda: "clsact" in ns.run("tc", "qdisc", "show", "dev", "eth1"), 20)
    with four.capture() as wire:
        attack(four, "gru1")
        retreat(four, "gru1")
    assert not [f for f in wire.frames if MARK in f.raw]


def test_the_attack_is_seen_where_no_guard_is(make_lab):
    """What proves the tests above: with guards and daemon away, every kind of it leaves."""
    lab = make_lab(labs.backbone(2))
    os.kill(lab.parent("fra1"), signal.SIGKILL)
    until("the daemon is gone", lambda: not lab.ns("fra1").pids(), 10)
    lab.ns("fra1").run("tc", "qdisc", "del", "dev", "eth1", "clsact")
    with lab.capture() as wire:
        attack(lab, "fra1")
        forwarded(lab, "fra1")
        until("plaintext is on the wire", lambda: len([f for f in wire.frames
                                                       if MARK in f.raw]) >= 30, 10)
        until("router solicitations too", lambda: [
            f for f in wire.frames if f.raw[12:14] == b"\x86\xdd" and f.raw[54] == 133], 10)
    count, kept = lab.neither()
    assert count >= 30 and kept
