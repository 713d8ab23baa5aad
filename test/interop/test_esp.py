"""ESP with keys set by hand against Linux XFRM: both modes, IPv4 and IPv6 inside and outside, every
algorithm, extended sequence numbers, UDP around it; judged by tshark with the same keys.

The daemon runs with a scripted control role (test/proc), which says tunnels and SAs to forward as a
keying protocol would."""
import ipaddress
import itertools
import os
import pathlib
import re
import struct
import subprocess

import pytest

from lib.until import until
from lib.wire import SocketEnd, Wire
from proc.frames import checksum
from proc.node import ARP_ND, ESP, Node

OUR_MAC, GUEST_MAC = "02:00:00:00:00:01", "52:54:00:00:01:00"
PEER_MAC = "02:00:c0:00:02:02"
OUTER = {4: ("198.51.100.1", "198.51.100.2"), 6: ("2001:db8::1", "2001:db8::2")}
INNER = {4: ("10.1.0.1", "10.2.0.2"), 6: ("fd01::1", "fd02::2")}
PATTERN = b"seen in clear?!"
SPI_US, SPI_THEM = 0x11111111, 0x22222222      # under which each receives
TUNNEL_ADD, ESP_RECEIVE, ESP_TRANSMIT = "TUNNEL_ADD", "ESP_RECEIVE", "ESP_TRANSMIT"
numbers = itertools.count(1)

GCM = "AES-GCM with 16 octet ICV [RFC4106]"

# Ours, the kernel's words, key and salt, integrity key, tshark's names.
SUITES = {
    "aes-gcm-16-128": (0, 'aead "rfc4106(gcm(aes))" {key} 128', 20, 0, GCM, "NULL"),
    "aes-gcm-16-256": (1, 'aead "rfc4106(gcm(aes))" {key} 128', 36, 0, GCM, "NULL"),
    "chacha20-poly1305": (2, 'aead "rfc7539esp(chacha20,poly1305)" {key} 128', 36, 0, None, None),
    "aes-cbc-128-sha2-256": (3, 'enc "cbc(aes)" {key} auth-trunc "hmac(sha256)" {auth} 128',
                             16, 32, "AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]"),
    "aes-cbc-256-sha2-384": (7, 'enc "cbc(aes)" {key} auth-trunc "hmac(sha384)" {auth} 192',
                             32, 48, "AES-CBC [RFC3602]", "HMAC-SHA-384-192 [RFC4868]"),
    "aes-cbc-256-sha2-512": (8, 'enc "cbc(aes)" {key} auth-trunc "hmac(sha512)" {auth} 256',
                             32, 64, "AES-CBC [RFC3602]", "HMAC-SHA-512-256 [RFC4868]"),
}


def message_types():
    """The numbers of messages, from the list that the roles share."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "src/msg/msg.h").read_text()
    body = text[text.index("enum msg_type {"):text.index("MSG_TYPE_COUNT")]
    names = re.findall(r"^\tMSG_(\w+)", body, re.M)
    return {name: number for number, name in enumerate(names, 1)}


TYPES = message_types()


def message(kind, body):
    return (struct.pack("!HHI", TYPES[kind], 0, 0) + body).hex()


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def packed(address):
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


def end(address, port):
    version = ipaddress.ip_address(address).version
    return bytes([version]) + packed(address) + struct.pack("!H", port)


def any_selectors():
    one = [struct.pack("!BBHH", v, 0, 0, 65535) + bytes(16) + (b"\xff" * n).ljust(16, b"\0")
           for v, n in ((4, 4), (6, 16))]
    return bytes([2]) + b"".join(one)


class Kernel:
    """Linux XFRM on eth0 of the guest, in a network namespace of its own there."""

    def __init__(self, guest, outer, inner, mode, words, keys, esn, udp):
        self.guest, self.ns = guest, f"xf{next(numbers)}"
        here, there = OUTER[outer][1], OUTER[outer][0]
        own, peer = (here, there) if mode == "transport" else INNER[inner][::-1]
        plen = {4: 32, 6: 128}[inner]
        try:
            self.make(guest, outer, mode, words, keys, esn, udp, here, there, own, peer, plen)
        except BaseException:
            self.remove()
            raise

    def make(self, guest, outer, mode, words, keys, esn, udp, here, there, own, peer, plen):
        flags = "flag esn" if esn else ""
        encap = "encap espinudp 4500 4500 0.0.0.0" if udp else ""
        template = f"tmpl src {{}} dst {{}} proto esp mode {mode}"
        x = f"ip -n {self.ns} xfrm"
        six = f"ip netns exec {self.ns} sysctl -qw net.ipv6.conf.{{}}.disable_ipv6=0"
        guest.run(f"""set -e
            ip netns add {self.ns}
            ip link set eth0 netns {self.ns}
            {six.format("all")}; {six.format("eth0")}; {six.format("lo")}
            ip -n {self.ns} link set lo up
            ip -n {self.ns} link set eth0 addrgenmode none
            ip -n {self.ns} link set eth0 up
            ip -n {self.ns} addr add {here}/{24 if outer == 4 else 64} dev eth0 \\
                {"nodad" if outer == 6 else ""}
            ip -n {self.ns} neigh replace {there} lladdr {OUR_MAC} dev eth0 nud permanent""")
        if mode == "tunnel":
            guest.run(f"""set -e
                ip -n {self.ns} addr add {own}/{plen} dev lo
                ip -n {self.ns} route add {peer}/{plen} dev eth0 src {own}""")
        if udp:     # the socket that hands ESP in UDP to XFRM: UDP_ENCAP is UDP_ENCAP_ESPINUDP
            socket = guest.start(f"ip netns exec {self.ns} socat -u "
                                f"UDP4-DATAGRAM:{there}:9,bind=:4500,setsockopt-int=17:100:2 "
                                "/dev/null")
            until(lambda: f"a socket on port 4500: {socket.out} {socket.err}", lambda: guest.run(
                f"ip netns exec {self.ns} grep -c :1194 /proc/net/udp || true").strip() == "1", 20)
        guest.run(f"""set -e
            {x} state add src {here} dst {there} proto esp spi {SPI_US:#x} mode {mode} \\
                replay-window 64 {flags} {words.format(**keys[1])} {encap} \\
                sel src {own}/{plen} dst {peer}/{plen}
            {x} state add src {there} dst {here} proto esp spi {SPI_THEM:#x} mode {mode} \\
                replay-window 64 {flags} {words.format(**keys[0])} {encap} \\
                sel src {peer}/{plen} dst {own}/{plen}
            {x} policy add src {own}/{plen} dst {peer}/{plen} dir out \\
                {template.format(here, there)}
            {x} policy add src {peer}/{plen} dst {own}/{plen} dir in \\
                {template.format(there, here)}""")

    def ping(self, address, count=5, size=56):
        out = self.guest.run(f"ip netns exec {self.ns} ping -q -c {count} -i 0.1 -W 2 -s {size} "
                             f"-p {PATTERN.hex()} {address} || true", timeout=60)
        return int(out.split(" received")[0].split()[-1])

    def stat(self):
        """What XFRM counted as wrong, without zeroes."""
        out = self.guest.run(f"ip netns exec {self.ns} cat /proc/net/xfrm_stat")
        return {k: int(v) for k, v in map(str.split, out.splitlines()) if int(v)}

    def remove(self):
        self.guest.run(f"""
            for p in $(ip netns pids {self.ns}); do kill -9 $p; done
            ip -n {self.ns} xfrm state flush; ip -n {self.ns} xfrm policy flush
            ip -n {self.ns} addr flush dev eth0
            ip -n {self.ns} link set eth0 netns 1
            ip netns del {self.ns}""", check=False)


class Setup:
    def __init__(self, guest, tmp_path, suite="aes-gcm-16-256", outer=4, inner=4, mode="tunnel",
                 esn=False, udp=False):
        self.outer, self.inner, self.mode, self.udp, self.esn = outer, inner, mode, udp, esn
        self.suite, self.tmp_path = SUITES[suite], tmp_path
        number, words, key_len, auth_len, *_ = self.suite
        raw = [(os.urandom(key_len), os.urandom(auth_len)) for _ in range(2)]   # we send, they send
        self.keys = [{"key": "0x" + k.hex(), "auth": "0x" + a.hex()} for k, a in raw]
        self.kernel = None
        self.node = Node(f"esp{next(numbers)}", tmp_path / "node", wan_mac=OUR_MAC)
        self.wire = Wire(self.node.cable, SocketEnd(guest.plugs[0]))
        try:
            self.start(number, raw)
            self.kernel = Kernel(guest, outer, inner, mode, words, self.keys, esn, udp)
        except BaseException:
            self.close()
            raise

    def start(self, number, raw):
        node, (us, them) = self.node, OUTER[self.outer]
        for scope in ("all", "default", "wan0"):
            node.sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 0)
            if scope != "all":      # nothing is said but what the test says
                node.sysctl(f"net/ipv6/conf/{scope}/addr_gen_mode", 1)
        node.start()
        node.want_wan(allow=ESP | ARP_ND, eapol=0)
        node.want_overlay("vpn", mtu=1400)
        node.ns.ip("addr", "add", us + ("/24" if self.outer == 4 else "/64"), "dev", "wan0",
                   *(["nodad"] if self.outer == 6 else []))
        self.routes()
        body = struct.pack("!HHHH", 7, 2, 1, 1500) + mac(GUEST_MAC) + mac(PEER_MAC)
        body += bytes([255, 0, 0]) + packed("192.0.2.1")[:4] + bytes(16) + b"them".ljust(16, b"\0")
        self.say(TUNNEL_ADD, body)
        for kind, spi, (key, auth) in ((ESP_RECEIVE, SPI_US, raw[1]),
                                       (ESP_TRANSMIT, SPI_THEM, raw[0])):
            port = 4500 if self.udp else 0
            body = struct.pack("!HBB?II", 7, number, self.mode == "transport", self.esn, spi,
                               64 if kind == ESP_RECEIVE else 0)
            body += end(us, port) + end(them, port) + any_selectors() * 2 + bytes(24)
            body += bytes([len(key)]) + key + bytes([len(auth)]) + auth
            self.say(kind, body)
        until(lambda: "both SAs are installed\n" + node.ask("seen") + node.log(),
              lambda: node.count("forward ESP_REPORT") >= 2, 20)
        assert "not installed" not in node.log(), node.log()

    def routes(self):
        """The kernel's way to the peer: the overlay, whose neighbour it is."""
        ns, (own, peer) = self.node.ns, INNER[self.inner]
        if self.mode == "transport":
            own, peer = OUTER[self.outer]
        else:
            ns.ip("addr", "add", own, "dev", "lo", *(["nodad"] if self.inner == 6 else []))
        ns.ip("route", "add", peer, "dev", "vpn", "src", own)
        self.tell("parent", "NEIGHBOUR_WANT", struct.pack("!HB", 2, self.inner if self.mode ==
                  "tunnel" else self.outer) + packed(peer) + mac(PEER_MAC))
        until("the parent sets the neighbour", lambda: PEER_MAC in ns.ip("neigh", "show", peer), 10)
        self.target = peer, own

    def say(self, kind, body):
        self.tell("forward", kind, body)

    def tell(self, whom, kind, body):
        assert self.node.ask(f"raw {whom} {message(kind, body)}") == "0\n"

    def ping(self, count=5, size=56):
        out = self.node.ns.run("ping", "-q", "-c", count, "-i", "0.1", "-W", 2, "-s", size, "-p",
                               PATTERN.hex(), self.target[0], check=False)
        return int(out.split(" received")[0].split()[-1]) if " received" in out else 0

    def esp(self, side):
        """The ESP packets of one side, from the ESP header on."""
        out = []
        for seen in self.wire.since(0):
            if seen.side != side:
                continue
            raw = seen.raw[14:]
            at, proto = (40, raw[6]) if raw[0] >> 4 == 6 else (20, raw[9])
            length = 40 + int.from_bytes(raw[4:6], "big") if at == 40 else int.from_bytes(
                raw[2:4], "big")
            if proto == 17 and 4500 in struct.unpack("!HH", raw[at:at + 4]):
                at, proto = at + 8, 50
            if proto == 50:
                out.append(raw[at:length])
        return out

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.wire.save(self.tmp_path / "wire.pcap")
            if kind:
                print(self.node.log()[-3000:], self.kernel.stat(), self.node.ns.ip("route"),
                      self.node.counters())
        finally:
            self.close()

    def close(self):
        if self.kernel:
            self.kernel.remove()
        self.wire.close()
        self.node.cable = _Closed()
        self.node.close()


class _Closed:
    def close(self):
        pass


def tshark(setup):
    """Fields of each ESP packet as tshark decrypts it with the keys, which it is told."""
    _, _, _, _, cipher, integrity = setup.suite
    family = "IPv4" if setup.outer == 4 else "IPv6"
    options = []
    for spi, keys in ((SPI_THEM, setup.keys[0]), (SPI_US, setup.keys[1])):
        sa = ",".join(f'"{v}"' for v in (family, "*", "*", f"{spi:#x}", cipher, keys["key"],
                                         integrity, keys["auth"] if integrity != "NULL" else ""))
        options += ["-o", f"uat:esp_sa:{sa}"]
    out = subprocess.run(
        ["tshark", "-n", "-r", setup.tmp_path / "wire.pcap", "-o",
         "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
         *options, "-Y", "esp", "-T", "fields", "-e", "esp.spi", "-e", "esp.icv_good",
         "-e", "esp.pad_len", "-e", "esp.protocol", "-e", "icmp.type", "-e", "icmpv6.type",
         "-e", "_ws.malformed"],
        capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return [line.split("\t") for line in out.stdout.splitlines()]


CASES = [
    *[dict(suite=s) for s in SUITES],
    *[dict(suite=s, esn=True) for s in ("aes-gcm-16-256", "chacha20-poly1305",
                                        "aes-cbc-128-sha2-256")],
    dict(outer=4, inner=6), dict(outer=6, inner=4), dict(outer=6, inner=6, esn=True),
    dict(udp=True), dict(udp=True, esn=True, suite="aes-cbc-256-sha2-512"),
    dict(mode="transport"), dict(mode="transport", outer=6, inner=6, esn=True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(
    str(v) if not isinstance(v, bool) else k for k, v in c.items()))
def test_kernel_and_myelin_carry_traffic(guest, tmp_path, case):
    with Setup(guest, tmp_path, **case) as setup:
        assert setup.ping() == 5
        assert setup.kernel.ping(setup.target[1]) == 5
        assert setup.ping(2, 1) == 2 and setup.ping(2, 1300) == 2
        assert not setup.kernel.stat()
        sent, heard = setup.esp(0), setup.esp(1)
        assert len(sent) >= 14 and len(heard) >= 14
        numbers_sent = [int.from_bytes(p[4:8], "big") for p in sent]
        assert numbers_sent == list(range(1, len(sent) + 1))
        assert not any(PATTERN in seen.raw for seen in setup.wire.since(0))
        if setup.suite[4]:
            setup.wire.save(tmp_path / "wire.pcap")
            lines = tshark(setup)
            assert len(lines) == len(sent) + len(heard)
            for spi, good, pad, proto, icmp, icmp6, malformed in lines:
                assert icmp or icmp6, (spi, good, pad, proto)
                assert not malformed
            # Debian 12's tshark decrypts extended numbers' packets, but cannot check their ICV.
            assert {line[1] for line in lines} == {"0" if setup.esn else "1"}


def cut(raw):
    """An IPv4 packet in a frame as a router with a smaller MTU would pass it on."""
    head, body = raw[14:34], raw[34:int.from_bytes(raw[16:18], "big") + 14]
    at = len(body) // 2 // 8 * 8
    out = []
    for offset, part, more in ((0, body[:at], 0x2000), (at, body[at:], 0)):
        h = head[:2] + struct.pack("!HHH", 20 + len(part), 4711, more | offset // 8) + head[8:]
        out.append(raw[:14] + h[:10] + struct.pack("!H", checksum(h[:10] + bytes(2) + h[12:]))
                   + h[12:] + part)
    return out


@pytest.mark.parametrize("udp", [False, True], ids=["esp", "udp"])
def test_packets_that_a_router_cut_arrive(guest, tmp_path, udp):
    with Setup(guest, tmp_path, esn=True, udp=udp) as setup:
        setup.wire.hook = lambda side, raw: (
            cut(raw) if raw[12:14] == b"\x08\x00" and raw[23] in (50, 17) else [raw])
        assert setup.ping(5, 700) == 5
        assert setup.kernel.ping(setup.target[1], 5, 700) == 5
        assert not setup.kernel.stat()


def test_replayed_and_altered_packets_are_dropped_by_both(guest, tmp_path):
    with Setup(guest, tmp_path, esn=True) as setup:
        assert setup.ping() == 5
        frames = setup.wire.since(0)
        ours = [s.raw for s in frames if s.side == 0 and s.raw[23] == 50]
        theirs = [s.raw for s in frames if s.side == 1 and s.raw[23] == 50]
        mark = len(setup.wire.frames)
        for raw in ours:
            setup.wire.deliver(1, raw)
        until("the kernel refuses them", lambda: setup.kernel.stat() == {
            "XfrmInStateSeqError": len(ours)}, 10)
        for raw in theirs:
            setup.wire.deliver(0, raw)
            setup.wire.deliver(0, raw[:-1] + bytes([raw[-1] ^ 1]))
        assert setup.ping() == 5        # the tunnel goes on; nothing was answered twice
        answers = [s for s in setup.wire.since(mark) if s.side == 0 and s.raw[23] == 50]
        assert len(answers) == 5


def test_a_successor_of_forward_is_no_stranger_to_the_kernel(guest, tmp_path):
    with Setup(guest, tmp_path, esn=True) as setup:
        assert setup.ping() == 5
        setup.node.kill("forward")
        until("an answer after it", lambda: setup.ping(1) == 1, 20)
        assert setup.ping() == 5 and not setup.kernel.stat()
        numbers_sent = [int.from_bytes(p[4:8], "big") for p in setup.esp(0)]
        assert len(set(numbers_sent)) == len(numbers_sent)
        assert numbers_sent[-1] > 1 << 16
