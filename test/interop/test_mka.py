"""MKA and MACsec against wpa_supplicant and Linux MACsec, judged by a decoder of our own that
knows the CAK and nothing else. Debian's wpa_supplicant distributes and takes GCM-AES-128 only."""
import hashlib
import os
import subprocess
import time

import pytest

from bench import OTHER, OUR_SCI, PATTERN, THEM, US, MkaSetup
from lib.daemon import TOP
from lib.until import until

CAKS = {128: bytes(range(16)), 256: bytes(range(32))}
IPV4 = b"\x08\x00"


def echoes(listener, sci):
    """Echo requests and replies that a sender sent, as plaintext after decryption."""
    return [plain for frame, plain, _ in listener.opened
            if frame.sci == sci and plain[:2] == IPV4 and plain[11] == 1]


@pytest.mark.parametrize("we_serve", [True, False], ids=["we-serve", "they-serve"])
@pytest.mark.parametrize("bits", CAKS)
def test_supplicant_and_myelin_agree_and_carry_traffic(guest, tmp_path, bits, we_serve):
    with MkaSetup(guest, tmp_path, CAKS[bits], we_serve) as setup:
        setup.bring_up()
        assert setup.ping(THEM, 10) == 10
        assert setup.peer.ping(US, 10) == 10

        # The wire: nothing in clear, every frame opens with the SAK that the MKPDUs carry.
        listener = setup.listen()
        assert not listener.faults
        servers = {m.sci for m in listener.mkpdus if m.distributed}
        assert servers == {OUR_SCI if we_serve else setup.peer_sci}
        assert {f.sci for f, _, _ in listener.opened} == {OUR_SCI, setup.peer_sci}
        ours, theirs = echoes(listener, OUR_SCI), echoes(listener, setup.peer_sci)
        assert len(ours) >= 20 and len(theirs) >= 20
        assert sum(PATTERN in plain for plain in ours) >= 10      # our requests
        assert sum(PATTERN in plain for plain in theirs) >= 10    # their replies to them
        assert not any(PATTERN in seen.raw for seen in setup.wire.since(0))
        numbers = [f.pn for f, _, _ in listener.opened if f.sci == OUR_SCI]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

        # The counters of both ends say what the wire says.
        setup.counters_agree(lambda: [frame for frame, _, _ in setup.listen().opened])


def test_rekey_by_myelin_under_traffic_loses_nothing(guest, tmp_path):
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True, rekey="6s") as setup:
        setup.bring_up()
        theirs = guest.start(f"ip netns exec {setup.peer.ns} ping -q -c 400 -i 0.05 -W 2 {US}")
        ours = setup.ping(THEM, 400, 0.05, 120)
        assert ours == 400
        assert " 400 received" in theirs.wait(60)
        listener = setup.listen()
        assert not listener.faults
        for sci in (OUR_SCI, setup.peer_sci):
            keys = [kn for f, _, kn in listener.opened if f.sci == sci]
            assert len(set(keys)) >= 3, keys
            assert keys == sorted(keys)


def test_rekey_by_supplicant_under_traffic_loses_nothing(guest, tmp_path):
    """It makes a new SAK when a member comes: a third participant joins, then leaves."""
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=False, third=True) as setup:
        setup.bring_up()
        began = len({kn for _, _, kn in setup.listen().opened})
        theirs = guest.start(f"ip netns exec {setup.peer.ns} ping -q -c 300 -i 0.05 -W 2 {US}")
        setup.third.start()
        ours = setup.ping(THEM, 300, 0.05, 120)
        assert ours == 300
        assert " 300 received" in theirs.wait(60)
        until("the third one's traffic",
              lambda: setup.third.ready() and setup.ping(OTHER, 1), 60)
        listener = setup.listen()
        assert not listener.faults
        assert len({kn for _, _, kn in listener.opened}) > began


@pytest.mark.parametrize("we_serve", [True, False], ids=["we-serve", "they-serve"])
def test_supplicant_killed_and_restarted_has_keys_again(guest, tmp_path, we_serve):
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve) as setup:
        setup.bring_up()
        before = len(setup.listen().mkpdus)
        setup.peer.kill()
        setup.peer.start()
        began = time.monotonic()
        new = until("a second member identifier of the peer",
                    lambda: [m for m in setup.listen().mkpdus[before:] if m.sci == setup.peer_sci
                             and m.mi != first_mi(setup)], 30)
        assert new
        # The life time (6 s) ends the old member, a hello later the new one is live.
        until("traffic under keys of the new member",
              lambda: setup.peer.ready() and setup.ping(THEM, 1), 40)
        print(f"keys again after {time.monotonic() - began:.1f} s")
        listener = setup.listen()
        assert not listener.faults


def first_mi(setup):
    return next(m.mi for m in setup.listen().mkpdus if m.sci == setup.peer_sci)


def test_tag_in_clear_is_sent_by_both(guest, tmp_path):
    """wpa_supplicant on a VLAN interface; the ICV of MKPDUs covers what is above the tag."""
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True, port="vlan 100;") as setup:
        setup.peer.on_vlan(100)
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        listener = setup.listen()
        assert not listener.faults
        assert {f.frame.vlan for f, _, _ in listener.opened} == {100}
        assert {m.frame.vlan for m in listener.mkpdus} == {100}


def test_two_tags_in_clear_are_sent_by_both(guest, tmp_path):
    """wpa_supplicant on a VLAN in a service VLAN of 802.1ad."""
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True,
                  port="vlan 100; outer-vlan 200;") as setup:
        setup.peer.on_vlan(100, (0x88A8, 200))
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        listener = setup.listen()
        assert not listener.faults
        for frame in [f.frame for f, _, _ in listener.opened] + [m.frame for m in listener.mkpdus]:
            assert (frame.vlan, frame.outer[:2]) == (100, (0x88A8, 200))


@pytest.mark.parametrize("role", ["control", "forward"])
def test_supplicant_sees_no_stranger_when_a_role_dies(guest, tmp_path, role):
    """Same member, same SAK, no packet number twice; control's death costs no packet at all."""
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True) as setup:
        setup.bring_up()
        before = setup.listen()
        old = setup.node.roles()[role]
        theirs = guest.start(f"ip netns exec {setup.peer.ns} ping -c 400 -i 0.05 -W 2 {US}")
        until("half of the answers", lambda: len(setup.listen().opened) > len(before.opened) + 400)
        setup.node.kill(role)
        until("a successor", lambda: setup.node.roles().get(role) not in (None, old), 20)
        answered = int(theirs.wait(60).split(" received")[0].split()[-1])
        assert answered >= (400 if role == "control" else 380)     # 20 are one second
        mark = len(setup.wire.frames)
        until("four MKPDUs of the successor",       # hellos, 2 s apart
              lambda: sum(s.side == 0 and s.raw[12:14] == b"\x88\x8e"
                          for s in setup.wire.since(mark)) >= 4, 30)
        assert setup.ping(THEM, 5) == 5
        after = setup.listen()
        assert not after.faults
        assert {m.mi for m in after.mkpdus if m.sci == OUR_SCI} \
            == {m.mi for m in before.mkpdus if m.sci == OUR_SCI}
        numbers = [m.mn for m in after.mkpdus if m.sci == OUR_SCI]
        assert numbers == sorted(set(numbers))
        assert {kn for _, _, kn in after.opened} == {kn for _, _, kn in before.opened}


@pytest.fixture(scope="session")
def broadcasting_supplicant():
    """wpa_supplicant of Debian's source whose MKPDUs go to ff:ff:ff:ff:ff:ff, as octets. It is kept
    under build/roots by the hash of how it is made."""
    script = TOP / "test" / "roots" / "wpa"
    name = hashlib.sha256(script.read_bytes()).hexdigest()[:16]
    made = TOP / "build" / "roots" / f"wpa-{name}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        new = made.with_suffix(f".{os.getpid()}")
        done = subprocess.run([script, new, "ff:ff:ff:ff:ff:ff"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no source of wpa_supplicant to be had: {done.stderr[-300:]}")
        new.rename(made)
    return made.read_bytes()


def test_supplicant_with_another_eapol_destination(guest, tmp_path, broadcasting_supplicant):
    """As WAN gear is set up; the ICV covers the address, so both must mean the same."""
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True,
                  mka="destination broadcast;") as setup:
        setup.peer.run_instead(broadcasting_supplicant)
        setup.bring_up()
        assert setup.ping(THEM, 5) == 5
        assert setup.peer.ping(US, 5) == 5
        listener = setup.listen()
        assert not listener.faults
        for sci in (OUR_SCI, setup.peer_sci):
            sent = {m.frame.dst.hex(":") for m in listener.mkpdus if m.sci == sci}
            assert sent == {"ff:ff:ff:ff:ff:ff"}


def test_supplicant_with_a_destination_that_is_not_ours_is_never_a_peer(guest, tmp_path):
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True,
                  mka="destination broadcast;") as setup:
        setup.node.start()
        setup.peer.start()
        until("MKPDUs of both", lambda: all(sum(s.side == side and s.raw[12:14] == b"\x88\x8e"
                                                for s in setup.wire.since(0)) >= 4
                                            for side in (0, 1)), 40)
        assert not setup.peer_live(setup.peer_sci)
        dropped = setup.node.show("mka")["participants"][0]["dropped"]
        assert sum(dropped.values()) >= 4, dropped


def test_a_number_near_its_end_at_the_supplicant_brings_a_new_key(guest, tmp_path):
    """The kernel's transmit SA is set to PendingPNExhaustion: the key server, which is ours, hears
    of it in the peer's SAK use and distributes another SAK before the numbers end."""
    with MkaSetup(guest, tmp_path, CAKS[128], we_serve=True) as setup:
        setup.bring_up()
        state = setup.peer.macsec()
        an = next(sa["an"] for sa in state["sa_list"] if sa["active"])
        theirs = guest.start(f"ip netns exec {setup.peer.ns} ping -q -c 300 -i 0.05 -W 2 {US}")
        guest.run(f"ip -n {setup.peer.ns} macsec set macsec0 tx sa {an} pn {0xC0000001} on")
        until("a second key in use at both ends", lambda: len(
            {(f.sci, kn) for f, _, kn in setup.listen().opened}) >= 4, 60)
        assert " 300 received" in theirs.wait(60)
        listener = setup.listen()
        assert not listener.faults
        first, second = sorted({kn for _, _, kn in listener.opened})
        assert max(f.pn for f, _, kn in listener.opened if kn == first) > 0xC0000000
        assert max(f.pn for f, _, kn in listener.opened if kn == second) < 10000
