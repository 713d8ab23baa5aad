"""A bump in the wire: hosts of one subnet behind nodes that bridge, over an E-Line and an E-LAN."""
import hashlib
import socket
import struct
import subprocess
import threading
import time

import pytest

import labs
from labs import Stream, Witness
from lib.until import until

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
BROADCAST = b"\xff" * 6


def backbone(nodes=2, topology="e-lan", bridge="", service="", mtu=1600, rule=""):
    out = ["backbone lab;"]
    for i, (site, place) in enumerate(labs.SITES[:nodes], 1):
        out.append(f"site {site} {{ location {place}; }}")
        out.append(f"node {site}1 {{ id {i}; site {site}; "
                   "port wan { interface eth1; service wave; } "
                   "port lan { interface eth0; lan; bridge core; } }")
    out.append(f"service wave {{ type ethernet; topology {topology}; mtu {mtu}; {service} }}")
    out.append("overlay core { design macsec; keying mka; over wave; "
               "mka { key-chain core-cak; destination broadcast; hello 500ms; life 3s; } "
               f"bridge {{ {bridge} }} {rule} }}")
    return "\n".join(out) + "\n"


class Raw:
    """A host's lan as bytes: sends frames, keeps those that come in, tags put back in."""

    def __init__(self, lab, host, ifname="eth0"):
        def make():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            s.bind((ifname, ETH_P_ALL))
            s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            s.settimeout(0.1)
            return s
        self.socket = lab.ns(host).call(make)
        self.mac = self.socket.getsockname()[4]
        self.frames, self._stop = [], False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self._stop:
            try:
                b, aux, _, _ = self.socket.recvmsg(65536, 100)
            except TimeoutError:
                continue
            for _, _, data in aux:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
                if status & 0x10:       # TP_STATUS_VLAN_VALID
                    b = b[:12] + struct.pack(">HH", tpid or 0x8100, tci) + b[12:]
            self.frames.append(b)

    def send(self, frame):
        self.socket.send(frame)

    def got(self, frame, limit=5):
        """The frame as it was sent, padding behind it aside."""
        def look():
            return any(f[:len(frame)] == frame for f in list(self.frames))
        try:
            return until("the frame", look, limit, 0.02)
        except AssertionError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self.thread.join()
        self.socket.close()


def frame(dst, src, ethertype, body, tags=b""):
    return dst + src + tags + struct.pack(">H", ethertype) + body


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ping(lab, a, b, *options, check=True):
    return lab.run(a, "ping", "-n", "-c", "1", "-W", "3", *options, lab.address[b][0], check=check)


def counters(lab, node):
    return lab.show(node, "counters")["secys"][0]["counters"]


def transfer(lab, a, b, size):
    """Bytes over one TCP connection from host a to host b; what arrived, as a digest."""
    def listen():
        s = socket.socket()
        s.bind((lab.address[b][0], 9000))
        s.listen(1)
        s.settimeout(20)
        return s

    data = bytes(range(251)) * (size // 251)
    listener = lab.ns(b).call(listen)
    sender = lab.ns(a).call(socket.socket)
    sender.settimeout(20)
    sender.connect((lab.address[b][0], 9000))
    receiver, _ = listener.accept()
    receiver.settimeout(20)
    thread = threading.Thread(target=lambda: (sender.sendall(data), sender.close()))
    thread.start()
    digest, got = hashlib.sha256(), 0
    while piece := receiver.recv(1 << 16):
        digest.update(piece)
        got += len(piece)
    thread.join()
    receiver.close()
    listener.close()
    return got, digest.digest() == hashlib.sha256(data).digest()


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), backbone(2, "e-line"))
    yield lab
    lab.down()
    assert not labs.left_behind(lab.name)


@pytest.fixture(scope="module")
def lan(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), backbone(3))
    yield lab
    lab.down()
    assert not labs.left_behind(lab.name)


def test_an_e_line_is_a_cable(line):
    """Any frame goes through as it is: sizes, tags, groups, a TCP stream that a host leaves to its
    interface to cut and sum up."""
    ping(line, "host-fra", "host-nyc", "-M", "do", "-s", "1472")
    got, same = transfer(line, "host-fra", "host-nyc", 8 << 20)
    assert got > 8000000 and same
    for node, way in (("fra1", "rx"), ("nyc1", "tx")):
        assert sum(v for k, v in counters(line, node).items()
                   if k.startswith("port.") and k.endswith(f".{way}-superframes")) >= 8
    with Raw(line, "host-fra") as a, Raw(line, "host-nyc") as b:
        for n, tags in enumerate([b"", b"\x81\x00\x60\x64", b"\x88\xa8\x00\x07\x81\x00\x00\x08"]):
            for dst in (b.mac, BROADCAST, mac("01:00:5e:01:02:03")):
                f = frame(dst, a.mac, 0x9000 + n, bytes(range(46, 200)), tags)
                a.send(f)
                assert b.got(f), (n, dst.hex())
    line.assert_clean()


def test_the_carrier_sees_the_hosts_addresses_and_nothing_of_their_frames(line):
    with Raw(line, "host-fra") as a, Raw(line, "host-nyc") as b, line.capture() as wire:
        f = frame(b.mac, a.mac, 0x9000, b"\xa5" * 100)
        a.send(f)
        assert b.got(f)
        until("it crossed the wire", lambda: [w for w in wire.of("fra1", "macsec")
                                              if w.raw[:12] == b.mac + a.mac], 5)
    assert not any(b"\xa5" * 8 in w.raw for w in wire.frames)
    line.assert_clean()


@pytest.mark.parametrize("what,dst,ethertype,body,carried", [
    ("LACP", "01:80:c2:00:00:02", 0x8809, b"\x01\x01" + bytes(50), True),
    ("802.1X", "01:80:c2:00:00:03", 0x888E, b"\x03\x01\x00\x00" + bytes(50), True),
    ("LLDP", "01:80:c2:00:00:0e", 0x88CC, b"\x02\x07\x04" + bytes(50), True),
    ("STP", "01:80:c2:00:00:00", 38, b"\x42\x42\x03" + bytes(35), True),
    ("CFM", "01:80:c2:00:00:33", 0x8902, b"\x60\x01" + bytes(50), True),
    ("PAUSE", "01:80:c2:00:00:01", 0x8808, b"\x00\x01\xff\xff" + bytes(42), False),
])
def test_control_protocols_cross_an_e_line_that_consumes_their_addresses(line, what, dst, ethertype,
                                                                          body, carried):
    """The emulated carrier consumes 01:80:c2:00:00:0x as bridges do, and gets none to consume."""
    before = counters(line, "fra1").get("path.drop.l2cp", 0)
    with Raw(line, "host-fra") as a, Raw(line, "host-nyc") as b:
        marker = frame(b.mac, a.mac, 0x9001, what.encode().ljust(60))
        f = frame(mac(dst), a.mac, ethertype, body)
        a.send(f)
        a.send(marker)
        assert b.got(marker)
        assert b.got(f, 1) == carried
    assert counters(line, "fra1").get("path.drop.l2cp", 0) - before == (not carried)
    assert all(p["reserved"] == 0 for p in line.ports().values())
    line.assert_clean()


def test_frames_that_do_not_fit_are_counted(line):
    line.run("host-fra", "ip", "link", "set", "eth0", "mtu", "2000")
    try:
        before = counters(line, "fra1")
        with Raw(line, "host-fra") as a, Raw(line, "host-nyc") as b:
            fits = frame(b.mac, a.mac, 0x9000, bytes(1568))
            a.send(fits)
            assert until("it was sent", lambda: counters(line, "fra1")["OutPktsEncrypted"] >
                         before["OutPktsEncrypted"], 5)
            a.send(frame(b.mac, a.mac, 0x9000, bytes(1569)))
            until("it was dropped by name", lambda: counters(line, "fra1").get(
                "path.drop.too-long", 0) == before.get("path.drop.too-long", 0) + 1, 5)
        after = counters(line, "fra1")
        assert after["OutPktsTooLong"] == before.get("OutPktsTooLong", 0) + 1
    finally:
        line.run("host-fra", "ip", "link", "set", "eth0", "mtu", "1500")


def test_the_nodes_are_silent_on_their_lans(line):
    """The kernel of a node that bridges neither speaks nor answers on the lan: not to its own
    address, not by IPv6, and what it is told to send is dropped."""
    lan_mac = mac(line.ns("fra1").run("cat", "/sys/class/net/eth0/address").strip())
    line.run("fra1", "ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    with Raw(line, "host-fra") as a:
        arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + a.mac + bytes([192, 0, 2, 9]) + \
            bytes(6) + bytes([192, 0, 2, 1])
        a.send(frame(BROADCAST, a.mac, 0x0806, arp.ljust(46, b"\0")))
        line.run("fra1", "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "192.0.2.9", check=False)
        time.sleep(0.5)
        assert not [f.hex() for f in a.frames if f[6:12] == lan_mac]
    line.run("fra1", "ip", "address", "del", "192.0.2.1/24", "dev", "eth0")
    port = [p for p in line.show("fra1", "ports")["ports"] if p["port"] == "lan"][0]
    assert port["bridged"] and port["guard"]["egress-dropped"] > 0
    line.assert_clean()


def test_an_e_lan_learns(lan):
    for a in lan.hosts:
        for b in lan.hosts:
            if a != b:
                ping(lan, a, b)
    for node in lan.nodes:
        until(f"{node} knows three hosts",
              lambda: counters(lan, node)["bridge.addresses"] >= 3, 5)     # noqa: B023
    with Raw(lan, "host-fra") as a, Raw(lan, "host-nyc") as b, Raw(lan, "host-sin") as c:
        f = frame(b.mac, a.mac, 0x9000, b"to one".ljust(60))
        a.send(f)
        assert b.got(f)
        assert not c.got(f, 0.5)
        f = frame(BROADCAST, a.mac, 0x9000, b"to all".ljust(60))
        a.send(f)
        assert b.got(f) and c.got(f)
        assert not a.got(f, 0.3)
        # Between two addresses of one lan: nobody else's business.
        other = mac("02:00:00:00:aa:01")
        a.send(frame(BROADCAST, other, 0x9000, bytes(60)))
        before = lan.ports()["fra1"]["macsec"]
        for _ in range(20):
            a.send(frame(other, a.mac, 0x9000, bytes(60)))
        until("they were filtered", lambda: counters(lan, "fra1").get(
            "path.drop.bridge-local", 0) >= 20, 5)
        assert lan.ports()["fra1"]["macsec"] - before < 15      # hello and whatever hosts say
    lan.assert_clean()


def test_control_protocols_of_one_cable_stay_off_an_e_lan(lan):
    with Raw(lan, "host-fra") as a, Raw(lan, "host-nyc") as b:
        stp = frame(mac("01:80:c2:00:00:00"), a.mac, 38, b"\x42\x42\x03" + bytes(35))
        lacp = frame(mac("01:80:c2:00:00:02"), a.mac, 0x8809, b"\x01\x01" + bytes(50))
        a.send(lacp)
        a.send(stp)
        assert b.got(stp)
        assert not b.got(lacp, 0.3)
    c = counters(lan, "fra1")
    assert c["bridge.l2cp.lacp.discard"] >= 1 and c["bridge.l2cp.bpdu.tunnel"] >= 1


def test_a_bridge_goes_on_when_a_role_is_killed(lan):
    with Stream(lan, "host-fra", "host-nyc") as s:
        s.send_while(500, lambda: (time.sleep(0.5), lan.kill("fra1", "control"), time.sleep(2)))
        assert s.lost() == []
    with Witness() as witness, Stream(lan, "host-fra", "host-nyc") as s:
        s.send_while(500, lambda: (time.sleep(0.5), lan.kill("fra1", "forward"), time.sleep(2)))
        gap = s.longest_gap()
    assert gap < 1.0 + 5 * witness.worst, gap
    lan.assert_clean()


def test_a_reload_of_its_limits_loses_nothing(make_lab):
    lab = make_lab(backbone(2))
    conf = lab.dir / "backbone.conf"
    text = conf.read_text()
    with Stream(lab, "host-fra", "host-nyc") as s:
        def change():
            conf.write_text(text.replace("overlay core {", "overlay core { bridge flood-limit 77; "
                                         "bridge l2cp lldp tunnel;", 1))
            for n in lab.nodes:
                answer = lab.ask(n, "reload")
                assert answer["changed"] == ["core"], answer
            time.sleep(1)
        s.send_while(500, change)
        assert s.lost() == []
    with Raw(lab, "host-fra") as a, Raw(lab, "host-nyc") as b:
        f = frame(mac("01:80:c2:00:00:0e"), a.mac, 0x88CC, b"\x02\x07\x04" + bytes(50))
        a.send(f)
        assert b.got(f)
    lab.assert_clean()


def twin_backbone():
    """Two nodes on one lan at Frankfurt, one node in New York."""
    text = backbone(2).replace("node nyc1 { id 2;", "node nyc1 { id 3;")
    return text + ("node fra2 { id 2; site fra; port wan { interface eth1; service wave; } "
                   "port lan { interface eth0; lan; bridge core; } }\n")


def bridge_state(lab, node):
    return lab.show(node, "overlays")["overlays"][0]["bridge-state"]


def forwards(lab, *nodes):
    """Which of these forward; a daemon that is not there does not."""
    found = []
    for node in nodes:
        try:
            found += [node] if bridge_state(lab, node) == "forwarding" else []
        except (OSError, ValueError):
            pass
    return found


def counted(lab, source, sink, dst=BROADCAST, count=300):
    """Numbered frames; how often each arrived, and how many came back to where they are from."""
    with Raw(lab, source) as a, Raw(lab, sink) as b:
        for n in range(count):
            a.send(frame(dst, a.mac, 0x9009, struct.pack(">I", n).ljust(60, b"\x11")))
            time.sleep(0.002)
        time.sleep(0.5)
        def numbers(raw):
            return [struct.unpack(">I", f[14:18])[0] for f in raw.frames if f[12:14] == b"\x90\x09"]
        times = [numbers(b).count(n) for n in range(count)]
        return times, len(numbers(a))


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), twin_backbone())
    until("the better one forwards", lambda: forwards(lab, "fra1", "fra2", "nyc1") ==
          ["fra1", "nyc1"], 20)
    yield lab
    lab.down()
    assert not labs.left_behind(lab.name)


def test_of_two_nodes_on_one_lan_one_forwards_each_frame_once(twins):
    times, back = counted(twins, "host-nyc", "host-fra")
    assert set(times) == {1} and back == 0
    times, back = counted(twins, "host-fra", "host-nyc")
    assert set(times) == {1} and back == 0
    c = counters(twins, "fra2")
    assert c["path.drop.bridge-own-site"] >= 300 and c["path.drop.bridge-standby"] >= 300
    twins.assert_clean()


def test_the_other_takes_over_and_gives_back_without_a_duplicate(twins):
    """Each way to lose the one that forwards, under traffic both ways: the bound, no frame twice."""
    def wan_cut():
        twins.carrier("cut", "fra1", "wan")
        return lambda: twins.carrier("heal", "fra1", "wan")

    def lan_cut():
        twins.ns("host-fra").ip("link", "set", "lan0", "down")
        return lambda: twins.ns("host-fra").ip("link", "set", "lan0", "up")

    def daemon_killed():
        pid = twins.parent("fra1")
        twins.restart("fra1", 9)
        assert twins.parent("fra1") != pid
        return lambda: None

    # A silent end costs GONE + CLAIM and what hellos and ticks add; one that is told, a round trip.
    # A daemon that is back before the other has begun may be the next to forward, after LISTEN.
    for way, bound in ((lan_cut, 0.5), (wan_cut, 1.9), (daemon_killed, 2.7)):
        before = {n: counters(twins, n).get("path.drop.bridge-returned", 0)
                  for n in ("fra1", "fra2")}
        with Witness() as witness, Stream(twins, "host-fra", "host-nyc") as up, \
                Stream(twins, "host-nyc", "host-fra") as down:
            def fail():
                time.sleep(0.5)
                heal = way()    # noqa: B023
                if way is not daemon_killed:     # noqa: B023
                    until("the other forwards", lambda: forwards(twins, "fra2") == ["fra2"], 10)
                    time.sleep(1)
                heal()
                until("it has given back", lambda: forwards(twins, "fra1", "fra2") == ["fra1"], 30)
                time.sleep(0.5)
            up.send_while(300, lambda: down.send_while(300, fail))
            assert up.duplicates == 0 and down.duplicates == 0, way.__name__
            gaps = up.longest_gap(), down.longest_gap()
        assert max(gaps) < bound + 5 * witness.worst, (way.__name__, gaps, witness.worst)
        print(way.__name__, gaps, witness.worst)
        for node, value in before.items():
            assert counters(twins, node).get("path.drop.bridge-returned", 0) <= value + 5
    times, back = counted(twins, "host-nyc", "host-fra")
    assert set(times) == {1} and back == 0
    twins.assert_clean()


RULES = ("rule ptp { action protect; ethertype 0x88f7; } "
         "rule probes { action bypass; ethertype 0x9100; } "
         "rule video { action bypass; vlan 50; } "
         "rule noise { action drop; ethertype 0x9101; }")


@pytest.fixture(scope="module")
def open_line(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), backbone(2, "e-line", rule=RULES))
    yield lab
    lab.down()
    assert not labs.left_behind(lab.name)


@pytest.mark.parametrize("what,ethertype,tags,seen", [
    ("no rule is for it", 0x9000, b"", "macsec"),
    ("a bypass by EtherType", 0x9100, b"", "bypass"),
    ("a bypass by VLAN", 0x9000, b"\x81\x00\x00\x32", "bypass"),
    ("an earlier rule protects it", 0x88F7, b"\x81\x00\x00\x32", "macsec"),
    ("a drop", 0x9101, b"", None),
])
def test_rules_let_out_what_they_name_and_the_carrier_sees_it(open_line, what, ethertype, tags, seen):
    with Raw(open_line, "host-fra") as a, Raw(open_line, "host-nyc") as b, \
            open_line.capture() as wire:
        f = frame(b.mac, a.mac, ethertype, what.encode().ljust(60, b"\x5a"), tags)
        marker = frame(b.mac, a.mac, 0x9000, b"marker".ljust(60))
        a.send(f)
        a.send(marker)
        assert b.got(marker)
        assert b.got(f, 2 if seen else 0.3) == bool(seen)
        crossed = [w.cls for w in wire.of("fra1", "bypass") if w.raw == f]
        assert crossed == (["bypass"] if seen == "bypass" else [])
        assert not [w for w in wire.frames if w.cls != "bypass" and b"\x5a" * 8 in w.raw]
    open_line.assert_clean()


def test_an_opening_is_loud_and_counted(open_line):
    overlay = open_line.show("fra1", "overlays")["overlays"][0]
    assert overlay["open"] == ["bypass probes", "bypass video"]
    port = [p for p in open_line.show("fra1", "ports")["ports"] if p["port"] == "wan"][0]
    assert "bypass" in port["open"] and port["deviates"]
    assert port["guard"]["egress-bypassed"] >= 2
    c = counters(open_line, "fra1")
    assert c["path.sent-bypass"] == port["guard"]["egress-bypassed"]
    assert c["path.drop.rule"] >= 1
    assert counters(open_line, "nyc1")["path.received-bypass"] >= 2
    check = subprocess.run([labs.MYELIN, "check", open_line.file], capture_output=True, text=True)
    assert check.returncode == 0 and check.stderr.count("lets traffic out in clear") == 2


def test_nobody_but_forward_has_the_bypass(open_line):
    """The same frames, sent by the node's kernel on the wan: the guard drops them. And what comes in
    by a bypass reaches the lan and not the node."""
    def send(raw):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("eth1", 0))
        with pytest.raises(OSError, match="No buffer space"):    # what tc dropped
            s.send(raw)
        s.close()
    own = frame(BROADCAST, mac("02:6d:79:00:01:00"), 0x9100, b"the kernel's own".ljust(60))
    before = open_line.ports()["fra1"]["bypass"]
    with Raw(open_line, "host-nyc") as b:
        open_line.ns("fra1").call(lambda: send(own))
        assert not b.got(own, 0.5)
    assert open_line.ports()["fra1"]["bypass"] == before
    open_line.assert_clean()
    with Raw(open_line, "host-nyc") as b, Raw(open_line, "nyc1", "eth1") as node:
        f = frame(BROADCAST, mac("02:00:00:00:00:77"), 0x9102, b"not of a rule".ljust(60))
        open_line.carrier("inject", "nyc1", "wan", f.hex())
        g = frame(BROADCAST, mac("02:00:00:00:00:77"), 0x9100, b"of a rule".ljust(60))
        open_line.carrier("inject", "nyc1", "wan", g.hex())
        assert b.got(g)
        assert not b.got(f, 0.3)
        assert node.got(g)      # a packet socket stands before the guard; the stack does not
    port = [p for p in open_line.show("nyc1", "ports")["ports"] if p["port"] == "wan"][0]
    assert port["guard"]["ingress-dropped"] >= 2
