"""Traffic between the hosts behind the sites, and what the carrier sees of it."""
import itertools
import os
import socket
import struct
import threading

import labs
from labs import CLASSES, Stream


def everybody_pings_everybody(lab):
    for a, b in itertools.permutations(lab.hosts, 2):
        lab.run(a, "ping", "-n", "-c", "1", "-W", "3", lab.address[b][0])
    lab.assert_clean()


def test_every_host_reaches_every_other(four):
    everybody_pings_everybody(four)


def test_every_host_reaches_every_other_over_ipv6(make_lab):
    lab = make_lab(labs.backbone(3, v6=True))
    everybody_pings_everybody(lab)
    with Stream(lab, "host-fra", "host-sin") as s:
        s.send(100, 1000)
        assert s.lost() == []


def test_full_size_packets_need_no_fragments(four):
    for size in (1472, 0, 1, 17, 512):
        four.run("host-fra", "ping", "-n", "-c", "1", "-W", "3", "-M", "do", "-s", size,
                 four.address["host-sin"][0])
    four.assert_clean()


def test_the_carrier_sees_one_ciphertext_per_packet_and_no_plaintext(four):
    marker = os.urandom(24)
    with four.capture() as wire, Stream(four, "host-nyc", "host-gru") as s:
        for i in range(200):
            s.tx.sendto(struct.pack(">Q", i) + marker, (s.to, s.port))
            s.sent += 1
        assert s.lost() == []
    assert wire.missed == 0
    assert len(wire.of("nyc1", "macsec")) >= 200
    assert not [f for f in wire.frames if marker in f.raw]
    assert {f.cls for f in wire.frames} <= {"macsec", "eapol"}
    four.assert_clean()


def test_ten_thousand_packets_arrive_once_each(four):
    with Stream(four, "host-fra", "host-nyc") as s:
        s.send(10000, 2500)
        assert s.lost() == []
        assert s.duplicates == 0
    four.assert_clean()


def superframes(lab, node, way):
    counters = lab.show(node, "counters")["secys"][0]["counters"]
    return counters.get(f"port.core.{way}-superframes", 0)


def test_a_flow_of_tcp_goes_in_superframes_and_arrives_to_the_octet(four):
    sent, arrived = os.urandom(8 << 20), bytearray()
    before = superframes(four, "fra1", "rx"), superframes(four, "sin1", "tx")
    to = four.address["host-sin"][0]
    listener = four.ns("host-sin").call(lambda: socket.create_server((to, 0)))

    def receive():
        with listener.accept()[0] as s:
            while piece := s.recv(1 << 20):
                arrived.extend(piece)
    thread = threading.Thread(target=receive)
    thread.start()
    with four.ns("host-fra").call(lambda: socket.create_connection(listener.getsockname(), 20)) as s:
        s.sendall(sent)
    thread.join(40)
    listener.close()
    assert arrived == sent
    assert superframes(four, "fra1", "rx") - before[0] >= 8
    assert superframes(four, "sin1", "tx") - before[1] >= 8
    four.assert_clean()


def test_counters_of_both_ends_agree_with_the_carrier(four):
    before = four.ports()["fra1"]["macsec"]
    peers = four.peers("nyc1")["fra1"]["packets-in"]
    out = four.counter("fra1", "OutPktsEncrypted")
    with Stream(four, "host-fra", "host-nyc") as s:
        s.send(500, 2000)
        assert s.lost() == []
    sent = four.ports()["fra1"]["macsec"] - before
    assert sent >= 500
    assert four.peers("nyc1")["fra1"]["packets-in"] - peers >= 500
    assert four.counter("fra1", "OutPktsEncrypted") - out >= 500


def test_the_carriers_classes_add_up(four):
    for port in four.ports().values():
        assert port["frames"] == sum(port[c] for c in CLASSES)
        assert port["eapol"] > 0
