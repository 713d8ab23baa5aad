"""The tools themselves, tried on strangers alone: two wpa_supplicants in the guest, our cable
between them, and the decoder listening. What it says of myelin later is worth that much."""
import pytest

from lib.decode import complaints, mkpdus
from lib.dot1x import AGILITY, Frame, Listener, Macsec, sscis
from lib.until import until
from lib.wire import SocketEnd, Wire, save_pcap
from peers import KernelMacsec, Supplicant

CKN = b"tools of the trade"[:16]


@pytest.mark.parametrize("bits", [128, 256])
def test_decoder_opens_everything_two_supplicants_say(guest, bits):
    cak = bytes(range(bits // 8))
    wire = Wire(*map(SocketEnd, guest.plugs))
    first = Supplicant(guest, "eth0", cak, CKN, 16, "192.0.2.1/24")
    second = Supplicant(guest, "eth1", cak, CKN, 20, "192.0.2.2/24")
    try:
        first.start()
        second.start()
        until(lambda: first.log()[-2000:], lambda: first.ready() and second.ready(), 60)
        assert until("answers", lambda: first.ping("192.0.2.2", 3), 30)
        listener = Listener(cak)
        for frame in wire.since(0):
            listener.feed(frame.raw)
        assert not listener.faults
        assert {m.sci for m in listener.mkpdus if m.key_server and m.live} and listener.saks
        inner = [plain for _, plain, _ in listener.opened if plain[:2] == b"\x08\x00"]
        assert len(inner) >= 2
    finally:
        first.remove()
        second.remove()
        wire.close()


KEYS = {suite: bytes(range(n)) for suite, n in [("gcm-aes-128", 16), ("gcm-aes-256", 32),
                                                ("gcm-aes-xpn-128", 16), ("gcm-aes-xpn-256", 32)]}
SALT = bytes.fromhex("a0a1a2a3a4a5a6a7a8a9aaab")


@pytest.mark.parametrize("suite, vlan", [(suite, None) for suite in KEYS]
                         + [("gcm-aes-xpn-256", 100)])
def test_decoder_opens_what_two_kernels_say_under_keys_set_by_hand(guest, suite, vlan):
    key, other = KEYS[suite], KEYS[suite][::-1]
    macs = [int(mac.replace(":", ""), 16) for mac in guest.macs]
    scis = [mac << 16 | 1 for mac in macs]
    ssci = sscis(scis)
    wire = Wire(*map(SocketEnd, guest.plugs))
    first = KernelMacsec(guest, "eth0", suite, "192.0.2.1/24", vlan=vlan)
    second = KernelMacsec(guest, "eth1", suite, "192.0.2.2/24", vlan=vlan)
    try:
        for here, there, mine, theirs, a, b in [(first, second, scis[0], scis[1], key, other),
                                                (second, first, scis[1], scis[0], other, key)]:
            here.receive(theirs, 1, b, b[:1], ssci=ssci[theirs], salt=SALT)
            here.transmit(1, a, a[:1], pn=1000, ssci=ssci[mine], salt=SALT)
        assert until("answers", lambda: first.ping("192.0.2.2", 3), 30)
        opened = 0
        for seen in wire.since(0):
            frame = Frame(seen.raw)
            assert frame.vlan == vlan and frame.ethertype == 0x88e5
            macsec = Macsec(frame)
            assert macsec.pn >= 1000 and macsec.sci == scis[seen.side]
            macsec.open((key, other)[seen.side], ssci=ssci[macsec.sci],
                        salt=SALT if "xpn" in suite else None)
            opened += 1
        assert opened >= 4
    finally:
        first.remove()
        second.remove()
        wire.close()


def test_tshark_complains_of_a_damaged_mkpdu(tmp_path):
    """So that its silence elsewhere means something."""
    basic = bytes(8) + bytes(range(12)) + bytes([0, 0, 0, 1]) + AGILITY.to_bytes(4, "big") + CKN
    body = bytes([1, 16, 0x60, len(basic)]) + basic + bytes([1, 0, 0, 16]) + bytes(16) + bytes(16)
    frame = bytes.fromhex("0180c2000003020000000001888e0305") + len(body).to_bytes(2, "big") + body
    lengths = frame[:-33] + b"\x0f" + frame[-32:]      # a peer list of 15 octets
    save_pcap(tmp_path / "good.pcap", [(1.0, frame)])
    save_pcap(tmp_path / "bad.pcap", [(1.0, lengths)])
    assert len(mkpdus(tmp_path / "good.pcap")) == 1
    assert not complaints(tmp_path / "good.pcap")
    assert complaints(tmp_path / "bad.pcap")
