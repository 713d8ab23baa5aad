"""Frames that a carrier, or somebody at the carrier, alters, repeats, delays or makes up: each is
dropped and counted under the standard's name, and traffic goes on."""
import pathlib

import pytest

import labs
from labs import Stream, backbone
from lib.until import until


def one_frame(lab, source, sink):
    """A MACsec frame of a data packet on its way from one host to the other, as it entered."""
    node = f"{source[5:]}1"
    with lab.capture() as wire, Stream(lab, source, sink, size=300) as s:
        s.send(1, 100)
        assert s.lost() == []
        until("the carrier's copy", lambda: [f for f in wire.of(node, "macsec")
                                             if len(f.raw) > 330])
        return next(f.raw for f in wire.of(node, "macsec") if len(f.raw) > 330)


def counted(lab, node, name, act, least=1):
    before = lab.counter(node, name)
    act()
    until(f"{name} of {node} counts", lambda: lab.counter(node, name) >= before + least, 10)


def pair_goes_on(lab):
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 1000)
        assert s.lost() == []


def test_an_altered_frame_is_not_valid(four):
    four.carrier("tamper", "nyc1", "wan", "alter", 20)

    def act():
        with Stream(four, "host-fra", "host-nyc") as s:
            s.send(40, 1000)
            assert len(s.lost(1.0)) >= 1
            assert s.duplicates == 0
    counted(four, "nyc1", "InPktsNotValid", act)
    four.carrier("tamper", "nyc1", "wan", "alter", 0)
    pair_goes_on(four)


@pytest.mark.parametrize("at", ["sci", "an", "pn", "source", "destination", "data", "icv"])
def test_a_frame_with_one_field_changed_is_refused(four, at):
    raw = bytearray(one_frame(four, "host-fra", "host-nyc"))
    where = {"source": 9, "an": 14, "pn": 18, "sci": 22, "data": 60, "icv": len(raw) - 3}
    if at == "destination":
        raw[:6] = b"\xff" * 6      # another interface's would not get to the SecY
    else:
        raw[where[at]] ^= 1
    names = {"sci": ("InPktsUnknownSCI", "InPktsNoSCI"),
             "an": ("InPktsNotUsingSA", "InPktsUnusedSA")}.get(at, ("InPktsNotValid", "InPktsLate"))
    before = sum(four.counter("nyc1", n) for n in names)
    ok = four.peers("nyc1")["fra1"]["packets-in"]
    four.carrier("inject", "nyc1", "wan", raw.hex())
    until(f"one of {names} counts",
          lambda: sum(four.counter("nyc1", n) for n in names) == before + 1, 10)
    assert four.peers("nyc1")["fra1"]["packets-in"] == ok
    pair_goes_on(four)


def test_a_replayed_frame_is_late(four):
    raw = one_frame(four, "host-fra", "host-nyc")
    counted(four, "nyc1", "InPktsLate",
            lambda: [four.carrier("inject", "nyc1", "wan", raw.hex()) for _ in range(3)], 3)
    pair_goes_on(four)


def test_a_frame_from_below_the_window_is_late(four):
    raw = one_frame(four, "host-fra", "host-nyc")
    with Stream(four, "host-fra", "host-nyc") as s:
        s.send(3000, 4000)      # the window is 1024 packets
        assert s.lost() == []
    counted(four, "nyc1", "InPktsLate", lambda: four.carrier("inject", "nyc1", "wan", raw.hex()))
    pair_goes_on(four)


def test_frames_delivered_twice_arrive_once(four):
    four.carrier("tamper", "nyc1", "wan", "duplicate", 100)

    def act():
        with Stream(four, "host-fra", "host-nyc") as s:
            s.send(150, 1000)
            assert s.lost() == []
            assert s.duplicates == 0
    counted(four, "nyc1", "InPktsLate", act, 50)
    four.carrier("tamper", "nyc1", "wan", "duplicate", 0)


def test_reordered_frames_within_the_window_all_arrive(four):
    with Stream(four, "host-fra", "host-nyc") as s:
        for _ in range(20):
            four.carrier("tamper", "nyc1", "wan", "late", 2)
            s.send(30, 1000)
        assert s.lost() == []
        order = [n for n, _ in sorted(s.arrived.items(), key=lambda i: i[1])]
        assert order != sorted(order), "nothing was reordered"
    four.carrier("tamper", "nyc1", "wan", "late", 0)


def test_a_frame_in_clear_from_the_carrier_is_counted_and_dropped(four):
    before = four.counter("nyc1", "InPktsNoTag") + four.counter("nyc1", "InPktsUntagged")
    frame = bytes.fromhex("ffffffffffff0200000000010800") + b"\x45" + bytes(60)
    for _ in range(10):
        four.carrier("inject", "nyc1", "wan", frame.hex())
    pair_goes_on(four)
    assert four.counter("nyc1", "InPktsOK") > 0
    after = four.counter("nyc1", "InPktsNoTag") + four.counter("nyc1", "InPktsUntagged")
    assert after >= before      # the guard takes them before the SecY can
    four.assert_clean()


NYC1 = bytes.fromhex("026d79000200")

# (defect, what makes it of a good frame, the one drop that counts it, the standard's counter)
DEFECTS = [
    ("version", lambda r: r[:14] + bytes([r[14] | 0x80]) + r[15:],
     "drop.sectag-version", "InPktsBadTag"),
    ("es-with-sc", lambda r: r[:14] + bytes([r[14] | 0x40]) + r[15:],
     "drop.sectag-es-and-sc", "InPktsBadTag"),
    ("scb-with-sc", lambda r: r[:14] + bytes([r[14] | 0x10]) + r[15:],
     "drop.sectag-scb-and-sc", "InPktsBadTag"),
    ("e-without-c", lambda r: r[:14] + bytes([r[14] & ~0x04]) + r[15:],
     "drop.sectag-e-without-c", "InPktsBadTag"),
    ("c-without-e", lambda r: r[:14] + bytes([r[14] & ~0x08]) + r[15:],
     "drop.sectag-c-without-e", "InPktsBadTag"),
    ("short-length-48", lambda r: r[:15] + bytes([48]) + r[16:],
     "drop.sectag-short-length", "InPktsBadTag"),
    ("short-length-of-more", lambda r: r[:15] + bytes([47]) + r[16:60],
     "drop.sectag-too-short", "InPktsBadTag"),
    ("short-length-of-less", lambda r: r[:15] + bytes([20]) + r[16:],
     "drop.sectag-excess", "InPktsBadTag"),
    ("cut-in-the-tag", lambda r: r[:20], "drop.sectag-cut", "InPktsBadTag"),
    ("no-room-for-icv", lambda r: r[:14 + 14 + 8], "drop.sectag-too-short", "InPktsBadTag"),
    ("without-sci", lambda r: r[:14] + bytes([r[14] & ~0x20]) + r[15:20] + r[28:],
     "drop.no-sci", "InPktsNoSCI"),
    ("unknown-sci", lambda r: r[:20] + b"\x02\x00\x00\x00\x00\x01\x00\x01" + r[28:],
     "drop.unknown-sci", "InPktsNoSCI"),
    ("own-sci", lambda r: r[:6] + NYC1 + r[12:20] + NYC1 + b"\x00\x01" + r[28:],
     "drop.own-sci", "InPktsNoSCI"),
    ("unused-an", lambda r: r[:14] + bytes([r[14] ^ 2]) + r[15:],
     "drop.not-using-sa", "InPktsNotUsingSA"),
    ("replayed", lambda r: r, "drop.duplicate", "InPktsLate"),
    ("altered-behind-the-window-of-nobody", lambda r: r[:16] + b"\x01" + r[17:],
     "drop.not-valid", "InPktsNotValid"),
    # The kernel hands these to nobody here: they are of networks that are not ours.
    ("foreign-tag", lambda r: r[:12] + b"\x81\x00\x00\x07" + r[12:], None, None),
    ("service-tag", lambda r: r[:12] + b"\x88\xa8\x00\x07" + r[12:], None, None),
]


@pytest.mark.parametrize("make,drop,counter", [d[1:] for d in DEFECTS], ids=[d[0] for d in DEFECTS])
def test_a_bad_frame_is_dropped_by_the_name_of_its_defect_alone(four, make, drop, counter):
    raw = make(one_frame(four, "host-fra", "host-nyc"))
    before, count = four.drops("nyc1"), four.counter("nyc1", counter) if counter else 0
    taken = four.peers("nyc1")["fra1"]["packets-in"]
    for _ in range(3):
        four.carrier("inject", "nyc1", "wan", raw.hex())
    pair_goes_on(four)      # so they have arrived
    moved = {k: v - before.get(k, 0) for k, v in four.drops("nyc1").items()
             if v != before.get(k, 0)}
    assert moved == ({drop: 3} if drop else {})
    assert not counter or four.counter("nyc1", counter) == count + 3
    # 50 of the pair, perhaps a packet of the kernel's own: none of the three.
    assert four.peers("nyc1")["fra1"]["packets-in"] - taken in range(50, 53)


def test_a_replayed_mkpdu_changes_nothing(four):
    with four.capture() as wire:
        until("MKPDUs of fra1", lambda: len(wire.of("fra1", "eapol")) >= 3, 20)
        old = [f.raw for f in wire.of("fra1", "eapol")][:3]
    before = four.peers("nyc1")["fra1"]
    for raw in old * 10:
        four.carrier("inject", "nyc1", "wan", raw.hex())
    pair_goes_on(four)
    after = four.peers("nyc1")["fra1"]
    assert (after["key-id"], after["an"]) == (before["key-id"], before["an"])


def test_an_altered_mkpdu_changes_nothing(four):
    with four.capture() as wire:
        until("an MKPDU of fra1", lambda: wire.of("fra1", "eapol"), 20)
        raw = wire.of("fra1", "eapol")[-1].raw
    before = four.peers("nyc1")["fra1"]
    for at in range(14, len(raw), 3):
        bad = bytearray(raw)
        bad[at] ^= 0x40
        four.carrier("inject", "nyc1", "wan", bad.hex())
    pair_goes_on(four)
    after = four.peers("nyc1")["fra1"]
    assert (after["key-id"], after["an"]) == (before["key-id"], before["an"])
    four.assert_clean()


def test_a_flood_of_foreign_frames_does_not_stop_traffic(four):
    foreign = bytes.fromhex("026d7900020002000000000188e52c000000000102000000000100010000")
    socket = four.carrier_socket()

    def flood():
        for i in range(4000):
            raw = foreign[:20] + i.to_bytes(4, "big") + foreign[24:] + bytes(80)
            socket.send(b"inject nyc1 wan " + raw.hex().encode())
            socket.recv(1000)
    before = four.counter("nyc1", "InPktsUnknownSCI") + four.counter("nyc1", "InPktsNoSCI")
    with Stream(four, "host-fra", "host-nyc") as s:
        s.send_while(500, flood)
        assert s.lost() == []
    socket.close()
    until("all are counted", lambda: four.counter("nyc1", "InPktsUnknownSCI")
          + four.counter("nyc1", "InPktsNoSCI") >= before + 4000, 10)
    four.assert_clean()


def test_a_flood_of_unauthenticated_mkpdus_stops_neither_keys_nor_traffic(make_lab):
    """The whole daemon under MKPDUs that anybody on the carrier can send: old ones, altered ones,
    ones of strangers and under a foreign CKN. Traffic loses nothing, keys go on changing, no peer
    is forgotten or made up, and neither log nor memory grows with them."""
    lab = make_lab(backbone(3, mka="rekey 3s;"))
    with lab.capture() as wire:
        until("MKPDUs of two nodes", lambda: all(
            len(wire.of(n, "eapol")) >= 3 for n in ("fra1", "sin1")), 20)
        real = [f.raw for n in ("fra1", "sin1") for f in wire.of(n, "eapol")[:3]]

    def forged():
        for i in range(4000):
            raw, number = bytearray(real[i % len(real)]), i.to_bytes(4, "big")
            if i % 4 == 1:
                raw[-16:-12] = number                   # another ICV
            elif i % 4 == 2:
                raw[6:12] = b"\x02\x66" + number        # another station, its SCI and member id
                raw[22:34] = b"\x02\x66" + number + b"\0\1" + number
            elif i % 4 == 3:
                raw[14 + 4 + 4 + 24:14 + 4 + 4 + 28] = number   # a member id nobody has
            yield raw.hex().encode()

    def keys(node):
        return lab.show(node, "mka")["participants"][0]

    def flood():
        with lab.carrier_socket() as s:
            for i, raw in enumerate(forged()):
                s.send(b"inject nyc1 wan " + raw)
                s.recv(1000)
                if i == 2000:
                    until("two more keys", lambda: keys("nyc1")["keys"] >= before["keys"] + 2, 30)
        until("two keys after that", lambda: keys("nyc1")["keys"] >= before["keys"] + 4, 30)

    def log_lines():
        return (lab.dir / "nyc1.log").read_text().count("\n")

    def memory():
        status = pathlib.Path(f"/proc/{lab.role('nyc1', 'control')}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    before, lines, size = keys("nyc1"), log_lines(), memory()
    roles = [lab.role("nyc1", r) for r in ("control", "forward")]
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(500, flood)
        assert s.lost() == []
    after = keys("nyc1")
    refused = sum(after["dropped"].values()) - sum(before["dropped"].values())
    assert refused >= 2000, after["dropped"]
    assert {p["sci"] for p in after["peers"] if p["state"] == "live"} \
        == {p["sci"] for p in before["peers"] if p["state"] == "live"}
    assert len(after["peers"]) == len(before["peers"]) == 2, after["peers"]
    assert {p["member-id"] for p in after["peers"]} == {p["member-id"] for p in before["peers"]}
    assert [lab.role("nyc1", r) for r in ("control", "forward")] == roles
    # What the rekeys say, some lines each; nothing for each of the frames.
    assert log_lines() - lines < 200, (lab.dir / "nyc1.log").read_text()[-3000:]
    # AddressSanitizer keeps what was freed for a while.
    assert labs.SANITIZED or memory() - size < 1024, "control grew by more than 1 MB"
    lab.assert_clean()
