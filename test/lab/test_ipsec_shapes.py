"""Overlays of design ipsec in other shapes than a mesh: a hub with spokes that are called over IPv6 or
call from behind a translator, without a subnet, on demand; and networks of both families over all."""
import platform
import re
import socket
import threading

import pytest

import labs
from lib.until import until

SHAPES = """
backbone shapes;
site fra { location 50.11,8.68;   networks [ 10.10.0.0/16 2001:db8:10::/48 ]; }
site nyc { location 40.71,-74.01; networks [ 10.20.0.0/16 2001:db8:20::/48 ]; }
site sin { location 1.29,103.85;  networks [ 10.30.0.0/16 2001:db8:30::/48 ]; }
service inet type internet;
node fra1 { id 1; site fra;
    port wan { interface eth1; service inet; address [ 198.51.100.10/24 2001:db8:f::2/64 ];
               gateway [ 198.51.100.1 2001:db8:f::1 ]; }
    port lan { interface eth0; lan; address [ 10.10.0.1/16 2001:db8:10::1/64 ]; } }
node nyc1 { id 2; site nyc;
    port wan { interface eth1; service inet; address dhcp; behind-nat; }
    port lan { interface eth0; lan; address [ 10.20.0.1/16 2001:db8:20::1/64 ]; } }
node sin1 { id 3; site sin;
    port wan { interface eth1; service inet; address 2001:db8:e::2/64; gateway 2001:db8:e::1; }
    port lan { interface eth0; lan; address [ 10.30.0.1/16 2001:db8:30::1/64 ]; } }
overlay star { design ipsec; over inet; hubs fra1; auth psk star; ike on-demand; }
"""


@pytest.fixture(scope="module")
def star(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), SHAPES, wait=False)
    try:
        for node in lab.nodes:
            until(f"the overlay of {node} is there", lambda: "LOWER_UP" in lab.ns(node).ip(
                "link", "show", "eth1"), 30)
        until("a lease is there", lambda: "100.64." in lab.ns("nyc1").ip("addr", "show", "eth1"), 30)
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def live(lab, node):
    return {p["peer"]: p for p in lab.show(node, "peers")["peers"] if p["state"] == "live"}


def pings(lab, who, to, count=3):
    out = lab.run(who, "ping", "-n", "-c", count, "-i", "0.2", "-W", "5", to, check=False)
    return f" {count} received" in out, out


def test_nothing_is_keyed_before_there_is_a_packet(star):
    assert [live(star, node) for node in star.nodes] == [{}, {}, {}]


def test_the_first_packet_brings_two_tunnels_up_and_is_not_lost(star):
    """From a spoke to the other one, through the hub: IPv4 behind the translator, IPv6 beyond it."""
    ok, out = pings(star, "host-nyc", "10.30.0.10")
    assert ok, out + star.logs()
    assert set(live(star, "fra1")) == {"nyc1", "sin1"}
    assert set(live(star, "nyc1")) == set(live(star, "sin1")) == {"fra1"}
    assert live(star, "fra1")["sin1"]["address"] == "2001:db8:e::2"
    assert live(star, "fra1")["nyc1"]["address"].startswith("198.19.")


def test_networks_of_both_families_are_reached_and_so_are_the_nodes(star):
    for who, to in (("host-sin", "2001:db8:20::a"), ("host-fra", "10.20.0.10"),
                    ("host-fra", "2001:db8:30::a"), ("nyc1", "10.30.0.1"),
                    ("sin1", "2001:db8:20::1"), ("host-nyc", "10.30.0.1")):
        ok, out = pings(star, who, to)
        assert ok, f"{who} to {to}: {out}"
    assert "via inet6 fe80::ff:fe00:1 dev star" in star.ns("nyc1").ip("route", "show", "10.30.0.0/16")


def test_a_packet_too_big_is_told_by_an_address_of_the_lan(star):
    """The overlay has none, so the node speaks from its lan's."""
    out = star.run("host-nyc", "ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1472",
                   "10.10.0.10", check=False)
    assert "From 10.20.0.1" in out and "mtu = 14" in out, out


def test_esp_in_udp_leaves_in_superframes_and_arrives_whole(star):
    """The kernel cuts them to what the carrier and the translator are used to."""
    data = bytes(range(251)) * (8 << 20 >> 8)

    def wan(node, what):
        return star.show(node, "counters")["tunnels"][0]["counters"].get(f"port.eth1.{what}", 0)
    before = wan("nyc1", "tx-superframes")
    listener = star.ns("host-fra").call(lambda: socket.create_server(("10.10.0.10", 9000)))
    sender = star.ns("host-nyc").call(socket.socket)
    listener.settimeout(20)
    sender.settimeout(20)
    sender.connect(("10.10.0.10", 9000))
    receiver, _ = listener.accept()
    receiver.settimeout(20)
    with listener, receiver:
        thread = threading.Thread(target=lambda: (sender.sendall(data), sender.close()))
        thread.start()
        got = b"".join(iter(lambda: receiver.recv(1 << 20), b""))
        thread.join()
    assert got == data
    if tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (6, 2):
        assert wan("nyc1", "tx-superframes") - before >= 8
    assert wan("nyc1", "tx-errors") == wan("fra1", "rx-errors") == 0
