"""Nodes whose forward has lanes: what arrives is what was sent, in order and once, and a forward that is
killed in the middle goes on under the same key with numbers that nobody used."""
import os
import socket
import threading

import labs
from lib.until import until

MEGABYTES = 24


def lanes(lab, node):
    """Packets that each lane has done, since forward began."""
    counters = lab.show(node, "counters")["secys"][0]["counters"]
    return {k: v for k, v in counters.items() if k.startswith("path.lane-")}


class Transfer:
    """Octets by TCP from one host to the other, checked where they arrive."""

    def __init__(self, lab, here, there):
        self.sent, self.arrived = os.urandom(MEGABYTES << 20), bytearray()
        to = lab.address[there][0]
        self.listener = lab.ns(there).call(lambda: socket.create_server((to, 0)))
        self.threads = [threading.Thread(target=f) for f in (self.receive, self.send)]
        self.lab, self.here = lab, here
        for thread in self.threads:
            thread.start()

    def receive(self):
        with self.listener.accept()[0] as s:
            while piece := s.recv(1 << 20):
                self.arrived.extend(piece)

    def send(self):
        connect = lambda: socket.create_connection(self.listener.getsockname(), 20)
        with self.lab.ns(self.here).call(connect) as s:
            s.sendall(self.sent)

    def wait(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        self.listener.close()
        assert self.arrived == self.sent


def test_a_flow_of_tcp_is_shared_and_arrives_to_the_octet(make_lab):
    lab = make_lab(labs.backbone(2), "--lanes", "2")
    Transfer(lab, "host-fra", "host-nyc").wait()
    assert sum(lanes(lab, "fra1").values()) > 1000
    assert set(lanes(lab, "nyc1")) == {"path.lane-1", "path.lane-2"}
    for node in ("fra1", "nyc1"):
        for name in ("drop.late", "drop.duplicate", "drop.not-valid", "drop.seal"):
            assert f"path.{name}" not in lab.show(node, "counters")["secys"][0]["counters"]
    lab.assert_clean()


def test_forward_is_killed_while_lanes_have_bursts(make_lab):
    lab = make_lab(labs.backbone(2), "--lanes", "2")
    transfer = Transfer(lab, "host-fra", "host-nyc")
    key = lab.peers("nyc1")["fra1"]["key-id"], lab.peers("nyc1")["fra1"]["an"]
    for node in ("fra1", "nyc1", "fra1"):
        until("it is under way", lambda: len(transfer.arrived) > 1 << 18)
        before = len(transfer.arrived)
        lab.kill(node, "forward")
        until("it goes on", lambda: len(transfer.arrived) > before + (1 << 20)
              or len(transfer.arrived) == len(transfer.sent), 40)
    transfer.wait()
    assert (lab.peers("nyc1")["fra1"]["key-id"], lab.peers("nyc1")["fra1"]["an"]) == key
    for node in ("fra1", "nyc1"):       # a number used twice would be one
        assert "path.drop.duplicate" not in lab.show(node, "counters")["secys"][0]["counters"]
    lab.assert_clean()
