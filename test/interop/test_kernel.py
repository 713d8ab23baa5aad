"""MACsec with keys set by hand (`keying psk`) against Linux MACsec: the suites that no MKA of
Debian's offers, replay windows, the tag in clear, and packet numbers that outlive the daemon."""
import shutil

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import OUR_MAC, OUR_SCI, PATTERN, THEM, US, Setup
from lib.dot1x import Frame, Macsec
from lib.until import until
from peers import KernelMacsec

SALT = bytes.fromhex("a0a1a2a3a4a5a6a7a8a9aaab")
AN_US, AN_THEM = 1, 2


class PskSetup(Setup):
    def __init__(self, guest, tmp_path, suite="gcm-aes-xpn-256", window=1024, vlan=None,
                 kernel_window=None, macsec="", options="encrypt on", outer=None):
        self.readable = "encrypt off" in options
        n = 32 if suite.endswith("256") else 16
        self.ours, self.theirs = bytes(range(n)), bytes(range(n))[::-1]
        self.xpn = "xpn" in suite
        self.peer_sci = int(guest.macs[0].replace(":", ""), 16) << 16 | 1
        # Suites with 64-bit packet numbers need the short SCIs and the salt said as well.
        tail = [f" ssci {i} salt {SALT.hex()}" if self.xpn else "" for i in (1, 2)]
        secret = (f"sa us {AN_US} {self.ours.hex()}{tail[0]}\n"
                  f"sa them {AN_THEM} {self.theirs.hex()} sci {self.peer_sci:016x}{tail[1]}\n")
        port = f"vlan {vlan};" if vlan else ""
        if outer:
            port += f" outer-vlan {outer[1]}; outer-tpid 0x{outer[0]:x};"
        super().__init__(guest, tmp_path, f"""
    keying psk; auth psk keys;
    macsec {{ cipher-suite {suite}; replay-window {window}; {macsec} }}
    member them {{ address {THEM}; }}""", {"keys": secret}, port)
        self.our_sci = OUR_SCI if not vlan else OUR_SCI - 1 + (
            0x8000 | (20251 * outer[1] + vlan) & 0x7FFF if outer else vlan)
        self.peer = KernelMacsec(guest, "eth0", suite, THEM + "/24", vlan, kernel_window, options,
                                 outer)
        self.peers.append(self.peer)
        self.peer.receive(self.our_sci, AN_US, self.ours, b"\x01", ssci=1, salt=SALT)
        self.peer.transmit(AN_THEM, self.theirs, b"\x02", ssci=2, salt=SALT)
        self.node.new_lease("keys")

    def bring_up(self):
        self.node.start()
        until("an answer through the overlay", lambda: self.ping(THEM, 1), 30)
        # From here on the wire carries what the test sends: no neighbour is asked for again.
        self.namespace.run("ip", "neigh", "replace", THEM, "lladdr", self.guest.macs[0],
                           "dev", "core", "nud", "permanent")
        self.guest.run(f"ip -n {self.peer.ns} neigh replace {US} lladdr {OUR_MAC} "
                       "dev ms0 nud permanent")

    def open(self, seen):
        """(Macsec, plaintext) of a frame on the wire, by the keys in the secret."""
        frame = Macsec(Frame(seen.raw))
        ours = frame.sci == self.our_sci
        assert frame.sci in (self.our_sci, self.peer_sci)
        assert frame.an == (AN_US if ours else AN_THEM) and frame.e and frame.c
        plain = frame.open(self.ours if ours else self.theirs, ssci=1 if ours else 2,
                           salt=SALT if self.xpn else None)
        return frame, plain

    def sent(self, sci, mark=0):
        """What a sender put on the wire, opened."""
        return [pair for pair in map(self.open, self.wire.since(mark)) if pair[0].sci == sci]


def secy_counts(counters):
    """Those of received frames by the standard's names; octets and ports aside."""
    return {name: value for name, value in counters.items() if name.startswith("InPkts")}


@pytest.mark.parametrize("suite", ["gcm-aes-128", "gcm-aes-256", "gcm-aes-xpn-128",
                                   "gcm-aes-xpn-256"])
def test_kernel_and_myelin_carry_traffic(guest, tmp_path, suite):
    with PskSetup(guest, tmp_path, suite) as setup:
        setup.bring_up()
        assert setup.ping(THEM, 10) == 10
        assert setup.peer.ping(US, 10) == 10
        ours, theirs = setup.sent(OUR_SCI), setup.sent(setup.peer_sci)
        assert len(ours) + len(theirs) == len(setup.wire.frames)     # nothing else was sent
        assert sum(PATTERN in plain for _, plain in ours) >= 10
        assert sum(PATTERN in plain for _, plain in theirs) >= 10
        assert not any(PATTERN in seen.raw for seen in setup.wire.frames)
        numbers = [frame.pn for frame, _ in ours]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        setup.counters_agree(lambda: [setup.open(seen)[0] for seen in setup.wire.since(0)])


@pytest.mark.parametrize("window", [0, 64])
def test_replayed_frames_are_dropped_late_by_myelin(guest, tmp_path, window):
    with PskSetup(guest, tmp_path, "gcm-aes-256", window) as setup:
        setup.bring_up()
        assert setup.peer.ping(US, 100, 0.02) == 100
        # In the window too: a number is taken once.
        replayed = [seen for seen in setup.wire.since(0) if seen.side == 1]
        before = setup.counters()
        mark = len(setup.wire.frames)
        for seen in replayed:
            setup.wire.deliver(0, seen.raw)
        want = {**before, "InPktsLate": before["InPktsLate"] + len(replayed)}
        until(lambda: f"{want}, not {setup.counters()}",
              lambda: secy_counts(setup.counters()) == secy_counts(want), 10)
        assert not setup.wire.since(mark)       # no request was answered a second time
        assert setup.peer.ping(US, 3) == 3      # and the channel goes on


def test_frames_held_back_pass_within_the_window_only(guest, tmp_path):
    with PskSetup(guest, tmp_path, "gcm-aes-256", 16) as setup:
        setup.bring_up()
        held = []

        def hold_first(side, raw):
            if side == 1 and not held:
                held.append(raw)
                return []
            return [raw]

        for count, passes in [(8, True), (32, False)]:
            held.clear()
            setup.wire.hook = hold_first
            assert setup.peer.ping(US, count, 0.02) == count - 1
            setup.wire.hook = None
            before = setup.counters()
            mark = len(setup.wire.frames)
            setup.wire.deliver(0, held[0])
            name = "InPktsOK" if passes else "InPktsLate"
            until(f"one more {name}", lambda: setup.counters()[name] == before[name] + 1, 10)
            if passes:
                until("its answer", lambda: len(setup.wire.since(mark)) == 1, 10)
            else:
                assert not setup.wire.since(mark)


def test_frames_replayed_to_the_kernel_are_late_there(guest, tmp_path):
    """The packet numbers that myelin sends are ones that a strict receiver takes, once."""
    with PskSetup(guest, tmp_path, "gcm-aes-xpn-256", kernel_window=0) as setup:
        setup.bring_up()
        assert setup.ping(THEM, 20, 0.05) == 20
        ours = [seen for seen in setup.wire.since(0) if seen.side == 0]
        late = setup.kernel_counters()["InPktsLate"]
        for seen in ours:
            setup.wire.deliver(1, seen.raw)
        until("every one of them late",
              lambda: setup.kernel_counters()["InPktsLate"] == late + len(ours), 10)


def test_altered_and_foreign_frames_are_dropped_by_name(guest, tmp_path):
    with PskSetup(guest, tmp_path, "gcm-aes-xpn-256") as setup:
        setup.bring_up()
        assert setup.peer.ping(US, 3) == 3
        frame = [seen for seen in setup.wire.since(0) if seen.side == 1][-1].raw
        pn = int.from_bytes(frame[16:20], "big") + 5
        newer = frame[:16] + pn.to_bytes(4, "big") + frame[20:]
        # The counter that moves, alone of all.
        cases = [
            ("InPktsNotValid", newer),                                         # number changed
            ("InPktsNotValid", newer[:-1] + bytes([newer[-1] ^ 1])),           # ICV changed
            ("InPktsNotUsingSA", newer[:14] + bytes([newer[14] ^ 1]) + newer[15:]),    # other AN
            ("InPktsNoSCI", newer[:20] + bytes(8) + newer[28:]),               # unknown sender
            ("InPktsBadTag", newer[:14] + bytes([newer[14] | 0x80]) + newer[15:]),     # version
            (None, frame[:12] + b"\x08\x00" + frame[14:]),     # in clear: the guard keeps it away
        ]
        for name, raw in cases:
            before = setup.counters()
            mark = len(setup.wire.frames)
            setup.wire.deliver(0, raw)
            want = secy_counts(before)
            if name:
                want[name] += 1
            until(lambda: f"{want} after {raw.hex()}, not {setup.counters()}",
                  lambda: secy_counts(setup.counters()) == want, 10)
            assert not setup.wire.since(mark)
        assert setup.peer.ping(US, 3) == 3


def test_tag_in_clear_with_the_priority_of_what_is_inside(guest, tmp_path):
    with PskSetup(guest, tmp_path, vlan=100) as setup:
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        mark = len(setup.wire.frames)
        setup.namespace.run("ping", "-c", 3, "-i", "0.2", "-Q", "0xb8", THEM)
        frames = [Frame(seen.raw) for seen in setup.wire.since(0)]
        assert {f.vlan for f in frames} == {100}
        urgent = [f for f in map(Frame, (s.raw for s in setup.wire.since(mark) if s.side == 0))]
        assert sum(f.pcp == 5 for f in urgent) >= 3      # DSCP EF: precedence 5
        assert setup.sent(setup.our_sci) and setup.sent(setup.peer_sci)


@pytest.mark.parametrize("tpid", [0x88A8, 0x8100], ids=["802.1ad", "802.1Q"])
def test_two_tags_in_clear(guest, tmp_path, tpid):
    """Linux MACsec on a VLAN in a service VLAN; the kernel takes an outer tag out of what it sends
    or leaves it in, as its drivers like, and so do we receive it."""
    with PskSetup(guest, tmp_path, vlan=100, outer=(tpid, 200)) as setup:
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        assert setup.peer.ping(US, 5) == 5
        mark = len(setup.wire.frames)
        setup.namespace.run("ping", "-c", 3, "-i", "0.2", "-Q", "0xb8", THEM)
        frames = [Frame(seen.raw) for seen in setup.wire.since(0)]
        assert {(f.vlan, f.outer[:2]) for f in frames} == {(100, (tpid, 200))}
        urgent = [Frame(s.raw) for s in setup.wire.since(mark) if s.side == 0]
        assert sum(f.pcp == f.outer[2] == 5 for f in urgent) >= 3
        assert setup.sent(setup.our_sci) and setup.sent(setup.peer_sci)
        ports = [p for p in setup.node.show("ports")["ports"] if p["side"] == "wan"]
        assert ports[0]["port-id"] == setup.our_sci & 0xFFFF


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_packet_numbers_go_on_after_a_restart(guest, tmp_path, how):
    with PskSetup(guest, tmp_path, "gcm-aes-xpn-256", kernel_window=0) as setup:
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        last = max(frame.pn for frame, _ in setup.sent(OUR_SCI))
        if how == "stop":
            setup.node.stop()
        else:
            setup.node.process.kill()
            setup.node.process.wait()
        mark = len(setup.wire.frames)
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        numbers = [frame.pn for frame, _ in setup.sent(OUR_SCI, mark)]
        assert min(numbers) > last


@pytest.mark.parametrize("how", ["lost", "damaged", "older"])
def test_lease_that_cannot_be_trusted_keeps_the_overlay_down(guest, tmp_path, how):
    with PskSetup(guest, tmp_path) as setup:
        lease = setup.node.lease("keys")
        setup.bring_up()
        copy = tmp_path / "copy"
        shutil.copy2(lease, copy)
        setup.node.stop()
        setup.bring_up()
        setup.node.stop()
        if how == "lost":
            lease.unlink()
        elif how == "damaged":
            octets = bytearray(lease.read_bytes())
            for at in range(0, len(octets), 64):
                octets[at] ^= 0xFF
            lease.write_bytes(octets)
        else:
            shutil.copy2(copy, lease)
        mark, before = len(setup.wire.frames), len(setup.node.said())
        setup.node.start()
        until("a word about the lease", lambda: "lease" in setup.node.said()[before:], 20)
        assert setup.ping(THEM, 2) == 0
        assert not [s for s in setup.wire.since(mark) if s.side == 0
                    and s.raw[6:12] == bytes.fromhex(OUR_MAC.replace(":", ""))]


def exchange(setup, frames=5):
    """Pings both ways; the MACsec frames of each side meanwhile, as (ours, theirs)."""
    mark = len(setup.wire.frames)
    assert setup.ping(THEM, frames) == frames
    assert setup.peer.ping(US, frames) == frames
    seen = [(s.side, Macsec(Frame(s.raw)), s.raw) for s in setup.wire.since(mark)]
    return [[(m, raw) for side, m, raw in seen if side == who] for who in (0, 1)]


def verified(setup, frame, raw, ours):
    """The user data of a frame that is authenticated and not encrypted."""
    key = setup.ours if ours else setup.theirs
    sci = OUR_SCI if ours else setup.peer_sci
    data = frame.sealed[:-16]
    nonce = sci.to_bytes(8, "big") + frame.pn.to_bytes(4, "big")
    AESGCM(key).decrypt(nonce, frame.sealed[-16:], frame.aad + data)
    return data


def test_integrity_only_both_ways(guest, tmp_path):
    with PskSetup(guest, tmp_path, "gcm-aes-256", macsec="confidentiality off;",
                  options="encrypt off") as setup:
        setup.bring_up()
        for who, frames in enumerate(exchange(setup)):
            assert len(frames) >= 10
            assert not any(frame.e or frame.c for frame, _ in frames)
            plain = [verified(setup, frame, raw, who == 0) for frame, raw in frames]
            assert sum(PATTERN in p for p in plain) >= 5
        ours, kernel = setup.counters(), setup.kernel_counters()
        assert ours["OutPktsProtected"] >= 10 and ours["OutPktsEncrypted"] == 0
        assert ours["InOctetsValidated"] > 0 and ours["InOctetsDecrypted"] == 0
        assert kernel["InPktsOK"] >= 10 and kernel["InPktsNotValid"] == 0


def test_a_strict_receiver_of_ours_takes_the_integrity_only_frames_of_a_peer(guest, tmp_path):
    with PskSetup(guest, tmp_path, "gcm-aes-128", options="encrypt off") as setup:
        setup.bring_up()
        ours, theirs = exchange(setup)
        assert all(frame.e and frame.c for frame, _ in ours)
        assert not any(frame.e or frame.c for frame, _ in theirs)
        before = setup.counters()
        bad = bytearray(theirs[-1][1])
        bad[16:20] = (theirs[-1][0].pn + 3).to_bytes(4, "big")
        setup.wire.deliver(0, bytes(bad))
        until("it is not valid",
              lambda: setup.counters()["InPktsNotValid"] == before["InPktsNotValid"] + 1, 10)


@pytest.mark.parametrize("options, bits, send_sci", [
    ("send_sci off end_station on", 0x40, "true"), ("send_sci off end_station on", 0x40, "false"),
    ("send_sci off", 0x00, "false")], ids=["es", "es-both", "implicit"])
def test_frames_without_sci(guest, tmp_path, options, bits, send_sci):
    """The end station's bit, or nothing at all: with one peer both name the sender."""
    with PskSetup(guest, tmp_path, "gcm-aes-256", macsec=f"send-sci {send_sci};",
                  options="encrypt on " + options) as setup:
        setup.bring_up()
        ours, theirs = exchange(setup)
        assert {frame.tci & 0xF0 for frame, _ in theirs} == {bits}
        assert {frame.tci & 0xF0 for frame, _ in ours} == {0x20 if send_sci == "true" else 0x40}
        for frame, _ in ours:
            frame.open(setup.ours, sci=OUR_SCI)
        for frame, _ in theirs:
            frame.open(setup.theirs, sci=setup.peer_sci)


def test_single_copy_broadcast_is_nobody_s_here(guest, tmp_path):
    with PskSetup(guest, tmp_path, "gcm-aes-256",
                  options="encrypt on send_sci off scb on") as setup:
        setup.node.start()
        until("the overlay is up", lambda: "LOWER_UP" in setup.namespace.run(
            "ip", "link", "show", "core", check=False), 20)
        assert setup.peer.ping(US, 2) == 0
        until("its requests were refused",
              lambda: setup.counters().get("path.drop.single-copy-broadcast", 0) >= 1, 10)
        assert setup.counters()["InPktsNoSCI"] >= 1 and setup.counters()["InPktsOK"] == 0


@pytest.mark.parametrize("validate, altered, counter", [
    ("check", True, "InPktsInvalid"), ("disabled", True, "InPktsUnchecked")])
def test_what_validate_lets_in_is_counted_as_the_standard_has_it(guest, tmp_path, validate,
                                                                  altered, counter):
    with PskSetup(guest, tmp_path, "gcm-aes-256", options="encrypt off",
                  macsec=f"confidentiality off; validate {validate};") as setup:
        setup.bring_up()
        _, theirs = exchange(setup)
        before = setup.counters()
        frame, raw = theirs[-1]
        bad = bytearray(raw)
        bad[16:20] = (frame.pn + 7).to_bytes(4, "big")
        if altered:
            bad[-1] ^= 1
        setup.wire.deliver(0, bytes(bad))
        until(f"one more {counter}",
              lambda: setup.counters()[counter] == before[counter] + 1, 10)
        assert setup.counters()["InPktsNotValid"] == before["InPktsNotValid"]
