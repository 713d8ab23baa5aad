"""MKA where it is more than a key: a control plane that is away with leave, frames that are held back
by the carrier, a SAK that outlives its MKPDUs, what participants tell of themselves."""
import json
import os
import signal
import time

import pytest

from labs import MYELIN, Stream, backbone
from lib.until import until


def participant(lab, node):
    return lab.show(node, "mka")["participants"][0]


def overlay(lab, node):
    return lab.show(node, "overlays")["overlays"][0]


def key_of(lab, node, peer):
    p = lab.peers(node)[peer]
    return p["key-id"], p["an"]


def suspend(lab, node, *words, check=True):
    return lab.ns(node).run(MYELIN, "suspend", *words, check=check)


class Stopped:
    """The control process of a node does not run: no MKPDU, no answer; forward goes on."""

    def __init__(self, lab, node):
        self.pid = lab.role(node, "control")

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def test_every_participant_tells_its_suites_and_version(four):
    until("announcements of all", lambda: all(
        p["suites"] for n in four.nodes for p in participant(four, n)["peers"]), 20)
    for n in four.nodes:
        mine = participant(four, n)
        assert mine["version"] == 3 and mine["peers-max"] == 80
        for p in mine["peers"]:
            assert p["suites"] == ["GCM-AES-128", "GCM-AES-256", "GCM-AES-XPN-128",
                                   "GCM-AES-XPN-256"]
            assert p["version"] == 3 and p["can-suspend"] and not p["suites-unknown"]
    text = four.ns("fra1").run(MYELIN, "show", "mka")
    assert "128 256 XPN-128 XPN-256" in text and "room for 80 peers" in text


@pytest.mark.parametrize("node", ["fra1", "nyc1"])
def test_who_has_leave_is_away_for_longer_than_life_and_nobody_notices(four, node):
    """One of the two is the key server. MKA Life Time is 3 s here."""
    other = "nyc1" if node == "fra1" else "fra1"
    before = [key_of(four, other, node), key_of(four, "sin1", other)]
    said = suspend(four, node, "core", "20")
    assert "this node may be away" in said, said
    assert participant(four, other)["suspended"] > 15
    assert "suspended" in overlay(four, other)["reason"]
    with Stream(four, f"host-{node[:3]}", f"host-{other[:3]}") as out, \
            Stream(four, f"host-{other[:3]}", f"host-{node[:3]}") as back:
        with Stopped(four, node):
            began = time.monotonic()
            while time.monotonic() < began + 9:
                out.send(50, 500)
                back.send(50, 500)
            assert len(four.peers(other)) == 3
        assert out.lost() == [] and back.lost() == []
    assert [key_of(four, other, node), key_of(four, "sin1", other)] == before
    suspend(four, node, "0")
    until("it is over everywhere", lambda: all(
        participant(four, n)["suspended"] is None for n in four.nodes), 10)
    assert [key_of(four, other, node), key_of(four, "sin1", other)] == before
    four.assert_clean()


def test_a_suspension_is_asked_for_in_words_that_fit(four):
    for words in ["", "core", "121", "core 121", "core x", "core 5 6", "-1", "5s"]:
        assert "at most 120" in four.ask("fra1", f"suspend {words}")["error"], words
    assert "nothing to suspend" in four.ask("fra1", "suspend nobody 5")["error"]
    assert participant(four, "fra1")["suspension-asked"] is None
    answer = json.loads(suspend(four, "fra1", "5", "--json"))
    assert answer["participants"][0]["suspension-granted"]
    suspend(four, "fra1", "0")


def held_back(lab, seconds):
    """The carrier swallows one packet from Frankfurt to New York and delivers it later; whether
    it arrived, and what the SecY there counts as late."""
    with lab.capture() as wire, Stream(lab, "host-fra", "host-nyc", size=700) as s:
        s.send(5, 100)
        assert s.lost() == []
        known = {f.raw for f in wire.of("fra1", "macsec") if len(f.raw) > 700}
        lab.carrier("tamper", "nyc1", "wan", "drop", 1)
        s.send(1, 100)
        raw = until("the carrier's copy", lambda: [
            f.raw for f in wire.of("fra1", "macsec") if len(f.raw) > 700
            and f.raw not in known], 5)[0]
        time.sleep(seconds)
        before = lab.counter("nyc1", "InPktsLate")
        lab.carrier("inject", "nyc1", "wan", raw.hex())
        s.send(5, 100)
        return s.lost(1.0), lab.counter("nyc1", "InPktsLate") - before


def test_without_delay_protection_a_frame_comes_however_late(two):
    assert held_back(two, 2.5) == ([], 0)


def test_with_it_what_is_two_seconds_late_is_refused_and_counted(make_lab):
    lab = make_lab(backbone(2, mka="delay-protect; hello 2s; life 6s;"))
    until("both protect", lambda: all(
        p["delay-protect"] for n in lab.nodes for p in participant(lab, n)["peers"]), 20)
    with lab.capture() as wire:       # hellos every 500 ms, whatever `hello` says
        time.sleep(5)
        assert 8 <= len(wire.of("fra1", "eapol")) <= 13
    lost, late = held_back(lab, 2.0)
    assert (len(lost), late) == (1, 1)
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(3000, 1000)
        assert s.lost() == []
    lab.assert_clean()


def test_a_kept_sak_outlives_the_peers_mkpdus_and_a_fresh_one_follows(make_lab):
    lab = make_lab(backbone(2, mka="keep-sak 60s;"))
    before = key_of(lab, "fra1", "nyc1")
    assert overlay(lab, "fra1")["open"] == ["keep-sak 60s"]
    with Stream(lab, "host-fra", "host-nyc") as s:
        with Stopped(lab, "nyc1"):
            s.send(4000, 500)       # 8 s, of a life of 3 s
            alone = participant(lab, "fra1")
            assert alone["peers"] == [] and 40 < alone["sak-kept"] <= 60
            assert "not of the standard" in overlay(lab, "fra1")["reason"]
            assert overlay(lab, "fra1")["state"] == "secured"
        s.send_while(500, lambda: until("a fresh SAK", lambda: lab.peers("fra1").get("nyc1")
                                        and key_of(lab, "fra1", "nyc1")[0] != before[0]
                                        and lab.peers("nyc1").get("fra1"), 20))
        s.send(500, 500)
        assert s.lost() == []
    assert overlay(lab, "fra1")["reason"] is None
    lab.assert_clean()


def test_without_the_line_traffic_stops_with_the_mkpdus(two):
    with Stream(two, "host-fra", "host-nyc") as s:
        with Stopped(two, "nyc1"):
            s.send(3000, 500)
            assert overlay(two, "fra1")["state"] == "closed"
        assert len(s.lost()) > 100
    two.wait_live(30)
