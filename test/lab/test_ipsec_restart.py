"""Roles killed under the traffic of a tunnel, in every exchange that its keys may be in, with their
records and without: what is lost, and whether a nonce comes twice."""
import mmap
import os
import pathlib
import signal
import time

import pytest

import labs
from labs import Stream
from lib.until import until
from test_ipsec import assert_no_nonce_twice, peers, udp_of

SA_INIT, AUTH, CREATE_CHILD, INFORMATIONAL = 34, 35, 36, 37

SHORT = """backbone lab;
site fra { location 50.11,8.68; networks 10.10.0.0/16; }
site nyc { location 40.71,-74.01; networks 10.20.0.0/16; }
service inet type internet;
node fra1 { id 1; site fra; port wan { interface eth1; service inet; address 198.51.100.10/29;
    gateway 198.51.100.9; } port lan { interface eth0; lan; address 10.10.0.1/16; } }
node nyc1 { id 2; site nyc; port wan { interface eth1; service inet; address 198.51.100.18/29;
    gateway 198.51.100.17; } port lan { interface eth0; lan; address 10.20.0.1/16; } }
overlay link { design ipsec; over inet; auth psk link;
    ike { rekey 12s; dead-peer-detection 5s; } esp { rekey 10s; } }
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), SHORT, scale=0.5)
    try:
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def ike_of(raw):
    """Exchange type, whether it is a response, and the initiator's SPI of an IKE message."""
    ports, body = udp_of(raw)
    if 4500 in ports:
        body = body[4:]
    return body[18], bool(body[19] & 0x20), body[:8]


def exchange_seen(wire, node, wanted, at=None, limit=60):
    """Waits for a message of the node that is one of wanted: (exchange, whether a response)."""
    at = len(wire.frames) if at is None else at

    def seen():
        nonlocal at
        new = wire.frames[at:]
        at += len(new)
        return [what for f in new if f.cls == "ike" and f.port == node and len(f.raw) > 60
                and (what := ike_of(f.raw)[:2]) in wanted]
    return until(f"one of {wanted} from {node}", seen, limit, 0.002)[0]


def up(lab):
    until("the tunnel is up", lambda: peers(lab, "fra1") and peers(lab, "nyc1"), 20)


def records_spoil(lab, node):
    """Makes every record of an IKE SA invalid and kills who wrote them. Returns how many."""
    pid = lab.role(node, "control")
    peer = "nyc1" if node == "fra1" else "fra1"
    path = next(p for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()
                if "memfd:myelin-ctl" in os.readlink(p))
    os.kill(pid, signal.SIGSTOP)
    spoiled = 0
    with open(path, "r+b", buffering=0) as f, mmap.mmap(f.fileno(), 0) as area:
        name = b"\x00\x01link " + peer.encode() + b"\0"     # a record's version, its tunnel
        at = area.find(name)
        while at >= 0:
            area[at + 100] ^= 0xFF
            spoiled += 1
            at = area.find(name, at + 1)
    lab.kill(node, "control")
    return spoiled


@pytest.mark.parametrize("first", ["fra1", "nyc1"])
def test_control_killed_in_every_exchange_loses_no_packet(lab, first):
    """After a request has left, before its answer came; and after an answer has left."""
    other = "nyc1" if first == "fra1" else "fra1"
    up(lab)
    with lab.capture("inet") as wire, Stream(lab, f"host-{first[:3]}", f"host-{other[:3]}") as s, \
            Stream(lab, f"host-{other[:3]}", f"host-{first[:3]}") as back:
        def kills():
            wanted = {(e, r) for e in (CREATE_CHILD, INFORMATIONAL) for r in (False, True)}
            while wanted:
                wanted.remove(exchange_seen(wire, first, wanted))
                lab.kill(first, "control")
            for exchange in (SA_INIT, AUTH):
                for who, response in ((first, False), (other, True)):
                    at = len(wire.frames)       # whoever forgot begins anew
                    records_spoil(lab, who)
                    exchange_seen(wire, first, {(exchange, response)}, at)
                    lab.kill(first, "control")
            time.sleep(3)
        s.send_while(400, lambda: back.send_while(400, kills))
        s.send(max(1000, 10000 - s.sent), 2000)
        assert s.sent >= 10000
        assert s.lost() == [] and back.lost() == []
        assert_no_nonce_twice(wire)
    up(lab)
    assert lab.neither() == (0, [])


def test_both_controls_killed_at_once_lose_no_packet(lab):
    up(lab)
    with lab.capture("inet") as wire, Stream(lab, "host-fra", "host-nyc") as s:
        def kills():
            for i in range(12):
                time.sleep(0.7 + 0.13 * i)
                for node in ("fra1", "nyc1"):
                    os.kill(lab.role(node, "control"), signal.SIGKILL)
                until("both are back", lambda: lab.role("fra1", "control")
                      and lab.role("nyc1", "control"), 10, 0.01)
        s.send_while(500, kills)
        s.send(max(1000, 10000 - s.sent), 1000)
        assert s.lost() == []
        assert_no_nonce_twice(wire)
    up(lab)


@pytest.mark.parametrize("nodes", [["fra1"], ["nyc1"], ["fra1", "nyc1"]])
def test_records_made_invalid_cost_no_packet(lab, nodes):
    """What forward has goes on until an exchange begun at once has given it a successor."""
    up(lab)
    before = {n: next(iter(peers(lab, n).values()))["spi-out"] for n in nodes}
    with lab.capture("inet") as wire, Stream(lab, "host-fra", "host-nyc") as s, \
            Stream(lab, "host-nyc", "host-fra") as back:
        def spoil():
            for node in nodes:
                assert records_spoil(lab, node) > 0
            until("other SAs are in use", lambda: all(
                next(iter(peers(lab, n).values()), {}).get("cipher")
                and next(iter(peers(lab, n).values()))["spi-out"] != before[n] for n in nodes), 30)
            time.sleep(3)
        s.send_while(500, lambda: back.send_while(500, spoil))
        s.send(max(1000, 10000 - s.sent), 2000)
        assert s.lost() == [] and back.lost() == []
        assert_no_nonce_twice(wire)
    assert lab.neither() == (0, [])
