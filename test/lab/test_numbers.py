"""Packet numbers near their ends, in the whole daemon. Nobody sends 2^32 frames in a test: the
number that forward keeps over its own death is moved on, and forward killed, so that its successor
goes on from there as if it had."""
import mmap
import os
import pathlib
import signal
import struct

import pytest

import labs
from labs import Stream
from lib.dot1x import Listener
from lib.until import until

JUMP = 1 << 16              # what a successor of forward leaves out
THRESHOLD = 0xC0000000      # PendingPNExhaustion of 802.1X-2020 for numbers of 32 bits
RECORD = 512                # octets of an SA's record, its number behind it (src/sa/area.h)
ALL = 2**64 - 1


def transmits(lab, node):
    """The SA that a node sends with, as `show macsec` has it."""
    sas = [s for s in lab.show(node, "macsec")["sas"] if s["direction"] == "transmit"]
    return max(sas, key=lambda s: -s["age"])


def move_number(lab, node, new, stopped=None):
    """Kills forward when the next number of the SA that it sends with has been set to `new`; the
    process `stopped` is stopped before."""
    sa, pid = transmits(lab, node), lab.role(node, "forward")
    if stopped:
        os.kill(stopped, signal.SIGSTOP)
    sci, key_id = bytes.fromhex(sa["sci"])[::-1], bytes.fromhex(sa["key-id"])
    path = next(p for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()
                if "memfd:myelin-sa" in os.readlink(p))
    os.kill(pid, signal.SIGSTOP)
    with open(path, "r+b", buffering=0) as f, mmap.mmap(f.fileno(), 0) as area:
        found, at = [], area.find(key_id)
        while at >= 0:
            slot = at // 64 * 64
            while slot > 0 and not is_number(area, slot + RECORD):
                slot -= 64
            if sci in area[slot:slot + RECORD] and slot not in found:
                found.append(slot)
            at = area.find(key_id, at + 1)
        assert len(found) == 1, found
        area[found[0] + RECORD:found[0] + RECORD + 32] = struct.pack("=4Q", *[new, new ^ ALL] * 2)
    lab.kill(node, "forward")


def is_number(area, at):
    """Twice a number with its complement behind it (src/sa/live.h), none of them 0."""
    a, na, b, nb = struct.unpack("=4Q", area[at:at + 32])
    return a and b and na == a ^ ALL and nb == b ^ ALL


def key_of(lab, node, peer):
    return lab.peers(node).get(peer, {}).get("key-id")


def open_all(lab, wire):
    """Every frame is opened by an implementation that knows the CAK and never takes a number
    twice; returns the numbers that a node used, key by key."""
    listener = Listener(lab.cak)
    for f in list(wire.frames):
        listener.feed(f.raw)
    assert wire.missed == 0 and not listener.faults, listener.faults[:3]
    return listener


@pytest.fixture
def pair(make_lab):
    return lambda suite, **kw: make_lab(labs.backbone(2, macsec=f"cipher-suite {suite};", **kw))


@pytest.mark.parametrize("node, other", [("fra1", "nyc1"), ("nyc1", "fra1")])
def test_a_number_past_the_threshold_brings_a_new_key_without_loss(pair, node, other):
    """The key server's own numbers and those of another member: one of the two is each."""
    lab = pair("gcm-aes-128", mka="destination broadcast;")
    before = key_of(lab, other, node)
    with lab.capture() as wire, Stream(lab, f"host-{node[:3]}", f"host-{other[:3]}") as s:
        until("a key from here on", lambda: wire.of(node, "eapol"))
        s.send(50, 500)
        assert s.lost() == []
        s.send_while(500, lambda: move_number(lab, node, THRESHOLD - JUMP // 2))
        mark = s.sent + 50
        s.send_while(500, lambda: until("another key", lambda: key_of(lab, other, node)
                                        not in (None, before), 10))
        s.send(500, 500)
        assert [n for n in s.lost() if n >= mark] == []
        used = [int.from_bytes(f.raw[16:20], "big") for f in wire.of(node, "macsec")]
    assert max(used) > THRESHOLD, "the old key was never near its end"
    assert used[-1] < 10000, "the new key did not begin anew"
    after = key_of(lab, node, other)
    assert after == key_of(lab, other, node) != before
    lab.assert_clean()


def test_numbers_end_where_the_suite_ends_and_a_new_key_starts_anew(pair):
    """With control unable to act the last number is used, none after it; what comes then is dropped
    by name until the kernel has noticed that the overlay has no carrier and sends nothing there. When
    control can act again, a new key carries the traffic."""
    lab = pair("gcm-aes-256", mka="destination broadcast; hello 500ms; life 12s;")
    before = key_of(lab, "nyc1", "fra1")
    control = lab.role("fra1", "control")
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        try:
            move_number(lab, "fra1", 2**32 - JUMP - 40, control)
            until("forward sends again", lambda: (s.send(5, 500), any(
                int.from_bytes(f.raw[16:20], "big") >= 2**32 - 40
                for f in wire.of("fra1", "macsec")))[1], 10)
            s.send(100, 500)
            until("the overlay has no carrier", lambda: "NO-CARRIER" in lab.ns("fra1").ip(
                "link", "show", "core"), 10)
            used = [int.from_bytes(f.raw[16:20], "big") for f in wire.of("fra1", "macsec")]
        finally:
            os.kill(control, signal.SIGCONT)
        assert max(used) == 2**32 - 1 and len(set(used)) == len(used)
        assert used == sorted(used), "a number after the last"
        until("another key", lambda: key_of(lab, "nyc1", "fra1") not in (None, before), 20)
        until("traffic", lambda: "1 received" in lab.run(
            "host-fra", "ping", "-n", "-c", "1", "-W", "1", lab.address["host-nyc"][0],
            check=False), 10)
        # What came before the kernel knew that the overlay has no carrier any more.
        assert lab.drops("fra1").get("drop.pn-exhausted", 0) >= 1
    lab.assert_clean()


@pytest.mark.parametrize("suite", ["gcm-aes-xpn-128", "gcm-aes-xpn-256"])
def test_extended_numbers_pass_two_to_the_32_under_one_key_and_lose_nothing(pair, suite):
    lab = pair(suite)
    before = key_of(lab, "nyc1", "fra1")
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(500, lambda: move_number(lab, "fra1", 2**32 - JUMP - 300))
        mark = s.sent + 50
        s.send(1000, 500)
        assert [n for n in s.lost() if n >= mark] == []
        used = [int.from_bytes(f.raw[16:20], "big") for f in wire.of("fra1", "macsec")]
    over = next(i for i, pn in enumerate(used) if pn > 2**31)
    low = [pn for pn in used[over:] if pn < 2**31]
    assert len(low) > 300 and max(used) >= 2**32 - 2, "the boundary was not passed"
    assert key_of(lab, "nyc1", "fra1") == before
    # Number 2^32 reads 0 on the wire, which the carrier takes for no number at all.
    count, kept = lab.neither()
    assert count == 1 and bytes.fromhex(kept[0][1])[16:20] == bytes(4), kept
    # Control's death behind the boundary finds the upper half again.
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(500, lambda: lab.kill("fra1", "control"))
        s.send_while(500, lambda: lab.kill("nyc1", "control"))
        s.send(200, 500)
        assert s.lost() == []
    lab.kill("nyc1", "forward")
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(200, 500)
        assert s.lost() == []
    assert key_of(lab, "nyc1", "fra1") == before
