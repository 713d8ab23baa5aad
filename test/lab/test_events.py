"""`show events`: what happened is told once, survives control, and is not flooded from outside."""
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

import labs
from lib.until import until


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), labs.backbone(2))
    try:
        yield lab
    finally:
        lab.down()
        left = labs.left_behind(lab.name)
        assert not left, left


def events(lab, node="fra1", since=0):
    return lab.show(node, f"events {since}")["events"]


def last(lab, node="fra1"):
    return lab.show(node, "events")["last"]


def kinds(lab, since=0, node="fra1"):
    return [e["event"] for e in events(lab, node, since)]


def wait_for(lab, kind, since, limit=20):
    """The first event of a kind after another."""
    until(lambda: f"{kind}; there is {kinds(lab, since)}", lambda: kind in kinds(lab, since), limit)
    return next(e for e in events(lab, since=since) if e["event"] == kind)


def test_how_an_overlay_came_up_is_told_in_order(lab):
    told = kinds(lab)
    assert told[0] == "control-started"
    for first, then in (("peer-live", "key-used"), ("key-server", "key-used"),
                        ("key-used", "overlay-secured")):
        assert told.index(first) < told.index(then), told
    for kind in ("peer-live", "key-server", "overlay-secured", "control-started"):
        assert told.count(kind) == 1, told
    live = events(lab)[told.index("peer-live")]
    assert live["overlay"] == "core" and live["severity"] == "info"
    assert live["sci"] == lab.peers("fra1")["nyc1"]["sci"]
    assert [e["seq"] for e in events(lab)] == list(range(1, len(told) + 1))
    assert all(e["time"].endswith("Z") and e["boot-ms"] > 0 for e in events(lab))


def test_a_peer_that_goes_and_comes_back(lab):
    before = last(lab)
    lab.carrier("cut", "nyc1", "wan")
    lost = wait_for(lab, "peer-lost", before)
    assert lost["severity"] == "warning" and lost["sci"].startswith("026d790002")
    wait_for(lab, "overlay-closed", before)
    lab.carrier("heal", "nyc1", "wan")
    wait_for(lab, "overlay-secured", before)
    lab.wait_live()
    told = kinds(lab, before)
    assert told.index("peer-lost") < told.index("peer-live") < told.index("overlay-secured")
    assert "key-retired" in told


def test_control_killed_keeps_what_happened_and_tells_no_old_news(lab):
    before = events(lab)
    lab.kill("fra1", "control")
    started = wait_for(lab, "control-started", before[-1]["seq"])
    assert started["text"].startswith("started again")
    until("its peers are back", lambda: "nyc1" in lab.peers("fra1"), 20)
    after = events(lab)
    assert [e["text"] for e in after[:len(before)]] == [e["text"] for e in before]
    assert kinds(lab, started["seq"]) == []


def test_forward_killed_is_told(lab):
    before = last(lab)
    lab.kill("fra1", "forward")
    wait_for(lab, "forward-linked", before)
    assert kinds(lab, before)[:2] == ["forward-lost", "forward-linked"]
    lab.wait_live()


def test_a_file_that_is_refused_and_one_that_is_taken(lab):
    path = pathlib.Path([w for w in pathlib.Path(f"/proc/{lab.parent('fra1')}/cmdline").read_bytes()
                         .decode().split("\0") if w.endswith("conf")][-1])
    good, before = path.read_text(), last(lab)
    path.write_text(good + "site x { bogus; }\n")
    os.kill(lab.parent("fra1"), signal.SIGHUP)
    refused = wait_for(lab, "config-refused", before)
    assert refused["severity"] == "error" and "1 error, the first in line" in refused["text"]
    path.write_text(good)
    subprocess.run([labs.MYELIN, "config", "set", path, "site", "fra", "location", "50.12,8.68"],
                   check=True, capture_output=True)
    os.kill(lab.parent("fra1"), signal.SIGHUP)
    assert "2 changes taken up" in wait_for(lab, "config-taken", before)["text"]
    wait_for(lab, "control-started", before)
    path.write_text(good)
    os.kill(lab.parent("fra1"), signal.SIGHUP)
    lab.wait_live()


def test_a_guard_that_was_taken_away(lab):
    until("control has seen the counters as they were",
          lambda: lab.show("fra1", "version")["uptime"] >= 3, 20)
    before = last(lab)
    lab.ns("fra1").run("tc", "qdisc", "del", "dev", "eth1", "clsact")
    assert "eth1" in wait_for(lab, "guard-restored", before, 30)["text"]


def test_forged_frames_are_summed_up_and_push_nothing_out(lab):
    """Thousands of them are an event or two, and those have a ring of their own."""
    before = last(lab)
    first = events(lab)[0]
    with lab.capture() as wire:
        until("an MKPDU and a frame", lambda: wire.of("nyc1", "eapol"), 20)
    raw = bytearray(wire.of("nyc1", "eapol")[0].raw)
    raw[-1] ^= 1                    # the ICV
    s = lab.carrier_socket()
    for _ in range(2000):
        s.send(f"inject fra1 wan {raw.hex()}".encode())
        assert s.recv(100) == b"{}"
    s.close()
    refused = wait_for(lab, "mkpdus-refused", before, 30)
    assert "dropped" in refused["text"] and "icv-wrong" in refused["text"]
    lab.carrier("tamper", "fra1", "wan", "alter", "5")
    lab.run("host-nyc", "ping", "-c", "8", "-i", "0.1", "-W", "1", lab.address["host-fra"][0],
            check=False)
    assert "with a wrong ICV" in wait_for(lab, "frames-refused", before, 30)["text"]
    assert len(kinds(lab, before)) <= 6
    assert events(lab)[0] == first | {"age": events(lab)[0]["age"]}


def test_the_client_shows_and_follows_them(lab):
    text = lab.run("fra1", "myelin", "show", "events")
    assert len(text.splitlines()) == len(events(lab))
    assert re.search(r" overlay-secured +core: traffic passes, encrypted", text)
    answer = json.loads(lab.run("fra1", "myelin", "show", "events", "--json"))
    assert [e["seq"] for e in answer["events"]] == [e["seq"] for e in events(lab)]
    follow = subprocess.Popen([labs.MYELIN, "lab", "exec", "--lab", lab.name, "fra1", "--", "myelin",
                               "show", "events", "--follow", "--json"], text=True,
                              stdout=subprocess.PIPE)
    try:
        for _ in range(len(events(lab))):
            assert json.loads(follow.stdout.readline())["seq"]
        lab.kill("fra1", "forward")
        assert json.loads(follow.stdout.readline())["event"] == "forward-lost"
    finally:
        follow.terminate()
        follow.wait()
    lab.wait_live()
