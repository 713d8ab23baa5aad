"""The daemon against strangers that key Linux XFRM in the guest: strongSwan and libreswan, each
calling and being called. What they have agreed on is asked of the stranger's kernel, and tshark
opens the packets on the wire with the keys that it has there.
"""
import ipaddress
import subprocess

import pytest

from lib.daemon import Node
from lib.netns import Namespace
from lib.until import until
from lib.wire import SocketEnd, TapEnd, Wire
from proc.frames import checksum
from xfrm import (INNER, NATTED, OUR_MAC, OUR_NAME, OUTER, PPK, PPK_ID, PSK, STRANGERS, THEIR_NAME,
                  Authority, Case, Place, Pluto, pem)

BOTH = pytest.mark.parametrize("who", ["ours", "theirs"])
PATTERN = b"seen in clear?!"
KEYS = {"vpn-psk": PSK + "\n", "vpn-ppk": f"{PPK_ID}:{PPK.encode().hex()}\n"}
# The kernel's names of ciphers and hashes, and tshark's.
CIPHERS = {"rfc4106(gcm(aes))": "AES-GCM with 16 octet ICV [RFC4106]",
           "cbc(aes)": "AES-CBC [RFC3602]"}
HASHES = {"": "NULL", "hmac(sha256)": "HMAC-SHA-256-128 [RFC4868]"}


def backbone(outer, statements, called=True, auth="psk vpn-psk"):
    us, them = OUTER[outer]
    length = 30 if outer == 4 else 64
    return f"""backbone strangers;
site here {{ location 50.11,8.68; networks [ 10.70.1.0/24 fd70:1::/64 ]; }}
site there {{ location 40.71,-74.01; networks [ 10.70.2.0/24 fd70:2::/64 ]; }}
service inet {{ type internet; }}
node {OUR_NAME} {{ id 1; site here;
    port wan {{ interface wan0; service inet; address {us}/{length}; gateway {them}; }}
    port lan {{ interface lan0; lan; address [ 10.70.1.1/24 fd70:1::1/64 ]; }} }}
peer theirs {{ site there; service inet; {f'address {them};' if called else ''}
    identity fqdn:{THEIR_NAME}; }}
overlay vpn {{ design ipsec; over inet; members [ {OUR_NAME} theirs ]; auth {auth};
    {statements} }}
"""


@pytest.fixture(scope="module")
def authorities():
    return {kind: Authority(kind) for kind in ("rsa", "ecdsa256", "ecdsa384", "ed25519")}


@pytest.fixture(scope="module", params=list(STRANGERS))
def stranger(request, guest, authorities):
    place = Place(guest)
    try:
        s = STRANGERS[request.param](place, authorities)
        s.authorities = authorities
        s.start()
        yield s
    finally:
        place.remove()


class Translator:
    """A NAT44 in the cable: one end's UDP comes from another address and port, nothing but answers
    goes back to it, and ESP that is not in UDP does not pass."""

    def __init__(self, side):
        self.side, self.inside = side, ipaddress.ip_address(OUTER[4][side]).packed
        self.outside, self.dropped = ipaddress.ip_address(NATTED).packed, 0

    def __call__(self, side, raw):
        if raw[12:14] != b"\x08\x00":
            return [raw]
        head, udp = bytearray(raw[14:34]), bytearray(raw[34:])
        if head[9] != 17:
            self.dropped += 1
            return []
        ports = slice(0, 2) if side == self.side else slice(2, 4)
        address = slice(12, 16) if side == self.side else slice(16, 20)
        if head[address] != (self.inside if side == self.side else self.outside):
            return []
        head[address] = self.outside if side == self.side else self.inside
        port = int.from_bytes(udp[ports], "big")
        udp[ports] = (port + (20000 if side == self.side else -20000)).to_bytes(2, "big")
        udp[6:8] = bytes(2)
        head[10:12] = bytes(2)
        head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
        return [raw[:14] + bytes(head) + bytes(udp)]


class Pair:
    """The daemon and a stranger that knows a case."""

    def __init__(self, stranger, tmp_path, case, who, statements="", ike="", esp="", nat=None):
        tmp_path.mkdir(exist_ok=True)
        self.stranger, self.place, self.case, self.who = stranger, stranger.place, case, who
        self.ns, self.tmp_path = Namespace("ours"), tmp_path
        if case.encap:
            esp += " encapsulate;"
        if case.ppk:
            ike += " ppk vpn-ppk; ppk-required;"
        text = backbone(case.outer, f"{statements} ike {{ {ike} }} esp {{ {esp} }}",
                        called=who == "ours",
                        auth="psk vpn-psk" if case.auth == "psk" else "ca vpn-ca")
        self.wire = Wire(TapEnd(self.ns, "wan0", OUR_MAC), SocketEnd(self.place.guest.plugs[0]))
        self.wire.hook = nat
        self.ns.ip("link", "add", "lan0", "type", "veth", "peer", "name", "host0")
        for name in ("lan0", "host0"):
            self.ns.ip("link", "set", name, "up")
        self.node = Node(self.ns, OUR_NAME, text, KEYS, tmp_path)
        if case.auth != "psk":
            self.certify(stranger.authorities[case.auth])
        stranger.load(case)
        self.node.start()

    def certify(self, authority):
        """Puts our certificate where the daemon looks for it."""
        folder = self.node.secrets / "vpn-ca"
        folder.mkdir(mode=0o700)
        key, cert = authority.issue(OUR_NAME)
        for name, content in ((f"{OUR_NAME}.key", key), (f"{OUR_NAME}.pem", cert),
                              ("ca.pem", pem(authority.cert))):
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(content)

    def fragments(self, side):
        """How many fragments of IKE messages (RFC 7383) came from a side."""
        count = 0
        for seen in self.wire.since(0):
            if seen.side == side and seen.raw[12:14] == b"\x08\x00" and seen.raw[23] == 17:
                ike = seen.raw[42:]
                ike = ike[4:] if ike[:4] == bytes(4) else ike
                count += ike[17:18] == b"\x20" and ike[16] == 53
        return count

    def words(self):
        told = {w: self.node.show(w) for w in ("peers", "ike", "sa")} if self.node.process else ""
        return f"{self.node.said()[-3000:]}\n{told}\n{self.stranger.log()}"

    def peer(self):
        shown = self.node.show("peers") or {"peers": []}
        return next((p for p in shown["peers"] if p["state"] == "live"), None)

    def up(self):
        return self.peer() and len(self.place.sas()) >= 2

    def bring_up(self):
        if self.who == "theirs":
            until(self.words, lambda: (self.node.show("overlays") or {}).get("overlays"), 20)
            self.stranger.initiate()
        until(self.words, self.up, 30)
        us, them = INNER[self.case.inner]
        until(self.words, lambda: self.ping(1) == 1, 10)

    def command(self, count, interval, size=56):
        us, them = INNER[self.case.inner]
        return ["ping", "-q", "-n", "-c", count, "-i", interval, "-W", 3, "-s", size, "-p",
                PATTERN.hex(), "-I", us, them]

    def ping(self, count=5, interval=0.1, size=56):
        out = self.ns.run(*self.command(count, interval, size), check=False)
        return int(out.split(" received")[0].split()[-1]) if " received" in out else 0

    def carries(self):
        """Traffic in both directions and of several sizes; nobody has anything to complain of."""
        before = self.place.stat()
        assert self.ping() == 5 and self.ping(2, 0.1, 1) == 2 and self.ping(2, 0.1, 1350) == 2
        assert self.place.ping(self.case.inner, 3) == 3, self.words()
        assert self.place.stat() == before

    def tshark_agrees(self):
        """It opens every ESP packet with the keys of the stranger's kernel, and finds our pings."""
        pcap = self.tmp_path / "wire.pcap"
        self.wire.save(pcap)
        assert not any(PATTERN in seen.raw for seen in self.wire.since(0))
        options = []
        for sa in self.place.sas():
            fields = ("IPv4" if self.case.outer == 4 else "IPv6", sa["src"], sa["dst"],
                      f"{sa['spi']:#x}", CIPHERS[sa["cipher"]], "0x" + sa["key"],
                      HASHES[sa["hash"]], "0x" + sa["auth"] if sa["auth"] else "")
            options += ["-o", "uat:esp_sa:" + ",".join(f'"{v}"' for v in fields)]
        out = subprocess.run(
            ["tshark", "-n", "-r", pcap, "-o", "esp.enable_encryption_decode:TRUE", *options,
             "-Y", "esp", "-T", "fields", "-e", "esp.spi", "-e", "icmp.type", "-e", "icmpv6.type",
             "-e", "data.data", "-e", "_ws.malformed"],
            capture_output=True, text=True, check=True).stdout
        lines = [line.split("\t") for line in out.splitlines()]
        assert len({line[0] for line in lines}) == 2 and len(lines) >= 20
        for spi, icmp, icmp6, data, malformed in lines:
            assert (icmp or icmp6) and not malformed, (spi, icmp, icmp6, data, malformed)
        assert sum(PATTERN.hex() in line[3] for line in lines) >= 10

    def tshark_reads_ike(self):
        """It opens IKE's messages with the keys that we tell when asked to, whole or in fragments,
        and finds both identities and proofs in them."""
        config = self.tmp_path / "wireshark"
        config.mkdir()
        table = self.node.show("keys")["ikev2_decryption_table"]
        (config / "ikev2_decryption_table").write_text("\n".join(table) + "\n")
        self.wire.save(self.tmp_path / "wire.pcap")
        out = subprocess.run(
            ["tshark", "-n", "-r", self.tmp_path / "wire.pcap", "-Y", "isakmp.exchangetype == 35",
             "-T", "fields", "-e", "isakmp.typepayload", "-e", "isakmp.id.data.fqdn",
             "-e", "_ws.malformed"], capture_output=True, text=True, check=True,
            env={"PATH": "/usr/sbin:/usr/bin", "HOME": str(self.tmp_path),
                 "XDG_CONFIG_HOME": str(self.tmp_path)}).stdout
        opened = [line.split("\t") for line in out.splitlines() if "39" in line.split("\t")[0]]
        assert len(opened) >= 2, out        # AUTH, of each
        assert {name for line in opened for name in line[1].split(",")} >= {OUR_NAME, THEIR_NAME}
        assert not any(line[2] for line in opened)

    def rekeyed(self):
        engine = self.node.show("ike")["engine"]
        return engine["rekeyed"] + engine["children-rekeyed"]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind:
                self.wire.save(self.tmp_path / "wire.pcap")
                print(self.words(), self.node.show("counters"))
            self.stranger.clear()
        finally:
            self.node.stop()
            self.place.run("ip xfrm state flush; ip xfrm policy flush")
            self.wire.close()
            self.ns.delete()


CASES = [(Case(outer=o, inner=i), w) for o, i, w in
         [(4, 4, "ours"), (4, 6, "theirs"), (6, 4, "ours"), (6, 6, "theirs")]]


@pytest.mark.parametrize("case, who", CASES, ids=lambda v: v if isinstance(v, str) else
                         f"ipv{v.inner}-in-ipv{v.outer}")
def test_traffic_of_each_family_in_each(stranger, tmp_path, case, who):
    with Pair(stranger, tmp_path, case, who) as p:
        p.bring_up()
        p.carries()
        p.tshark_agrees()
        sas = p.place.sas()
        assert len(sas) == 2 and not any(s["encap"] for s in sas)
        assert p.peer()["cipher"] == "aes-gcm-16-256"


@BOTH
def test_certificates_with_every_kind_of_key_it_knows(stranger, tmp_path, who):
    for kind in sorted(set(stranger.authorities) & set(stranger.kinds)):
        with Pair(stranger, tmp_path / kind, Case(auth=kind, fragment=kind == "rsa"), who,
                  ike="debug key-log;") as p:
            p.bring_up()
            p.tshark_reads_ike()
            assert p.ping(3) == 3 and p.place.ping(4, 3) == 3
            if kind == "rsa":       # its certificates are long: both cut their messages
                assert p.fragments(0) >= 2 and p.fragments(1) >= 2


@BOTH
def test_forced_encapsulation_and_a_post_quantum_key(stranger, tmp_path, who):
    with Pair(stranger, tmp_path, Case(encap=True, ppk=True), who, ike="debug key-log;") as p:
        p.bring_up()
        p.tshark_reads_ike()
        p.carries()
        p.tshark_agrees()
        assert all(s["encap"] for s in p.place.sas())


@pytest.mark.parametrize("side", [0, 1], ids=["ours", "theirs"])
def test_one_end_is_behind_a_translator(stranger, tmp_path, side):
    nat = Translator(side)
    case = Case(remote=NATTED if side == 0 else "")
    with Pair(stranger, tmp_path, case, ("ours", "theirs")[side], nat=nat) as p:
        p.bring_up()
        p.carries()
        sas = p.place.sas()
        assert len(sas) == 2 and all(s["encap"] for s in sas)
        assert nat.dropped == 0
        assert p.peer()["address"] == (OUTER[4][1] if side == 0 else NATTED)


@BOTH
def test_an_old_box(stranger, tmp_path, who):
    old = Case(esn=False, ike=("aes256-sha256-modp2048", "aes256-sha2_256-dh14"),
               esp=("aes256-sha256", "aes256-sha2_256"))
    with Pair(stranger, tmp_path, old, who, "proposal compatible;", esp="pfs false;") as p:
        p.bring_up()
        p.carries()
        p.tshark_agrees()
        assert all(s["cipher"] == "cbc(aes)" and s["hash"] == "hmac(sha256)" for s in p.place.sas())


TURNS = [("child", None), (None, "child"), ("ike", None), (None, "ike"), ("child", "child"),
         ("ike", "ike"), ("ike", "child"), ("child", "ike")]


def test_keys_change_from_either_end_and_from_both_while_packets_pass(stranger, tmp_path):
    with Pair(stranger, tmp_path, Case(), "ours") as p:
        p.bring_up()
        spis = {s["spi"] for s in p.place.sas()}
        ping = p.ns.popen(*p.command(10000, 0.003), stdout=subprocess.PIPE, text=True)
        for ours, theirs in TURNS:
            before = p.rekeyed()
            job = stranger.rekey(theirs) if theirs else None
            if ours:
                assert "error" not in p.node.ask(f"rekey theirs {ours}")
            until(p.words, lambda: p.rekeyed() > before, 20)
            if job:
                job.wait(30, check=False)
            spis |= {s["spi"] for s in p.place.sas()}
        assert ping.poll() is None      # it all was while packets passed
        out = ping.communicate()[0]
        assert "10000 received" in out, out
        assert len(spis) >= 8
        until(p.words, lambda: p.stranger.established() == 1 and len(p.place.sas()) == 2, 30)
        p.carries()


def test_the_stranger_dies_and_comes_back(stranger, tmp_path):
    """strongSwan calls at once; libreswan stays away until dead peer detection has noticed, which
    takes a minute, and is called."""
    with Pair(stranger, tmp_path, Case(), "ours", ike="dead-peer-detection 1s;") as p:
        p.bring_up()
        stranger.kill()
        if isinstance(stranger, Pluto):
            until(p.words, lambda: not p.peer(), 90)
        stranger.start()
        stranger.load(p.case)
        if not isinstance(stranger, Pluto):
            stranger.initiate()
        until(p.words, lambda: p.ping(1) == 1, 75)
        p.carries()
        until(p.words, lambda: p.stranger.established() == 1, 30)


def test_a_killed_control_goes_on_as_it_was_and_a_killed_daemon_comes_back(stranger, tmp_path):
    with Pair(stranger, tmp_path, Case(dpd=1), "ours") as p:
        p.bring_up()
        before = {s["spi"] for s in p.place.sas()}
        p.node.kill("control")
        assert p.ping(20) == 20
        until(p.words, p.up, 20)
        assert {s["spi"] for s in p.place.sas()} == before
        p.node.process.kill()
        p.node.process.wait()
        until(p.words, lambda: not p.place.sas(), 60)       # dead peer detection is the stranger's
        p.node.start()
        until(p.words, p.up, 30)
        p.carries()
