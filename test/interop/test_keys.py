"""Key chains of ours against a wpa_supplicant, which has one CAK: a rollover to that one, and a
newer key that it does not have. Beside the CKN it knows it hears MKPDUs of ours under another."""
import datetime
import os

from bench import OUR_SCI, THEM, US, MkaSetup
from lib.dot1x import Listener
from lib.until import until

CAK = bytes(range(16))
OTHER_CKN = "0e" * 12
OTHER_KEY = f"{OTHER_CKN} {'a7' * 16}"


def stamp(seconds):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def chain_write(setup, *lines):
    path = setup.node.secrets / "cak"
    new = path.with_suffix(".new")
    new.write_text("\n".join(lines) + "\n")
    os.chmod(new, 0o600)
    new.rename(path)


def chain_read(setup):
    return (setup.node.secrets / "cak").read_text().strip()


def mka(setup):
    return ((setup.node.show("mka") or {}).get("participants") or [{}])[0]


def state_of(setup, ckn):
    return next((c["state"] for c in mka(setup).get("caks", []) if c["ckn"] == ckn), None)


def listen(setup):
    """All but the MKPDUs under the CKN that is ours alone, decoded with the common CAK."""
    listener = Listener(CAK)
    for seen in setup.wire.since(0):
        if bytes.fromhex(OTHER_CKN) not in seen.raw:
            listener.feed(seen.raw)
    return listener


def test_rollover_of_ours_to_the_cak_that_the_supplicant_has(guest, tmp_path):
    with MkaSetup(guest, tmp_path, CAK, we_serve=True) as setup:
        theirs = chain_read(setup)
        ckn = theirs.split()[0]
        chain_write(setup, f"{OTHER_KEY} end {stamp(15)}", f"{theirs} start {stamp(15)}")
        setup.node.start()
        setup.peer.start()
        until("our participant runs", lambda: state_of(setup, OTHER_CKN) == "principal")
        assert state_of(setup, ckn) == "future"
        assert not setup.peer_live(setup.peer_sci)
        setup.wait_secured()
        assert state_of(setup, ckn) == "principal"
        assert setup.ping(THEM, 10) == 10
        assert setup.peer.ping(US, 10) == 10
        listener = listen(setup)
        assert not listener.faults
        assert {m.sci for m in listener.mkpdus} == {OUR_SCI, setup.peer_sci}


def test_newer_key_that_the_supplicant_lacks_does_not_take_it_away(guest, tmp_path):
    with MkaSetup(guest, tmp_path, CAK, we_serve=True) as setup:
        theirs = chain_read(setup)
        setup.bring_up()
        chain_write(setup, f"{theirs} end {stamp(4)}", f"{OTHER_KEY} start {stamp(3)}")
        answer = setup.node.ask("reload")
        assert answer["valid"] and answer["keys"], answer
        echoes = guest.start(f"ip netns exec {setup.peer.ns} ping -q -c 800 -i 0.05 -W 2 {US}")
        assert setup.ping(THEM, 800, 0.05, 120) == 800      # 40 s: beyond the time of a rollover
        assert " 800 received" in echoes.wait(60)
        assert state_of(setup, theirs.split()[0]) == "principal"
        assert state_of(setup, OTHER_CKN) == "no-peers"
        until("overtime is told", lambda: "the time of the CAK in use is over"
              in (mka(setup).get("reason") or ""), 20)
        assert not listen(setup).faults
