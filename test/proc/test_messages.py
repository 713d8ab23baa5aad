"""Hostile messages on each link: they change nothing, and the daemon goes on."""
import random

import pytest

import frames as f
from lib.until import until
from test_roles import descriptors

(PORT_WANT, ADDRESS_WANT, ROUTE_WANT, WANT_DONE, FILE_OPEN, PORT_READY, FILE, PORT_GIVE, PORT_DROP,
 LINK, SECY_ADD, SECY_DEL, SA_RECEIVE, SA_TRANSMIT, SA_RETIRE, SYNC) = range(1, 17)


def message(kind, body=b""):
    return kind.to_bytes(2, "big") + bytes(6) + body


def name(text, size=16):
    return text.encode().ljust(size, b"\0")


def want(ifname=b"evil0".ljust(16, b"\0"), port=9, kind=1, vlan=0, over=0, allow=1):
    return message(PORT_WANT, port.to_bytes(2, "big") + bytes([kind]) + ifname
                   + vlan.to_bytes(2, "big") + bytes(2) + over.to_bytes(2, "big") + b"\x88\x8e"
                   + bytes(6) + allow.to_bytes(4, "big") + bytes(6))


HOSTILE = {
    "empty but for a type": b"\0\1",
    "type 0": message(0),
    "type 200": message(200),
    "reserved bits": b"\0\4\1\0" + bytes(4),
    "cut short": want()[:-1],
    "too long": want() + b"\0",
    "longer than any message": message(WANT_DONE) + bytes(5000),
    "port 0": want(port=0),
    "kind 7": want(kind=7),
    "a path for an interface": want(ifname=name("../../eth0")),
    "an interface name without end": want(ifname=b"x" * 16),
    "an empty interface name": want(ifname=bytes(16)),
    "VLAN 4095": want(vlan=4095),
    "unknown exceptions": want(allow=0xFFFFFFFF),
    "an overlay over nothing": want(kind=3, over=0),
    "a file above": message(FILE_OPEN, bytes(4) + b"\1" + name("../shadow", 32)),
    "a file of no kind": message(FILE_OPEN, bytes(4) + b"\x09" + name("x", 32)),
    "an address of 200 bits": message(ADDRESS_WANT, b"\0\1\6\xc8" + bytes(16)),
    "what the parent says": message(PORT_DROP, b"\0\1"),
    "what forward says": message(19),
    "a key": message(SA_RECEIVE, bytes(81)),
    "a link": message(LINK),
}


def picture(node):
    """What hostile messages must leave as it was."""
    return (node.ns.ip("-o", "link"), node.ns.ip("route", "show", "table", "all"),
            node.processes(), descriptors(node.pid("parent")), descriptors(node.pid("forward")),
            sorted(p.name for p in node.folder.iterdir()))


@pytest.fixture
def busy(node):
    node.want_wan()
    node.want_overlay()
    node.ask("done")
    return node


def test_the_parent_drops_what_is_no_message_of_control_s(busy):
    before = picture(busy)
    for what, data in HOSTILE.items():
        assert busy.ask(f"raw parent {data.hex()}").strip() == "0", what
        busy.want_wan()         # answered: the parent is past it
        assert picture(busy) == before, what
    until("it is said", lambda: "control sent something that is no message; dropped it" in busy.log())


def test_the_parent_closes_descriptors_that_nothing_asked_for(busy):
    before = picture(busy)
    for data in (want(), message(WANT_DONE), message(LINK), b"x"):
        busy.ask(f"fd parent {data.hex()}")
    busy.want_wan()
    assert picture(busy) == before


def test_forward_drops_what_is_no_message_of_control_s(busy):
    before = picture(busy)
    for what, data in HOSTILE.items():
        assert busy.ask(f"raw forward {data.hex()}").strip() == "0", what
        assert busy.ask(f"fd forward {data.hex()}").strip() == "0", what
    for kind in (PORT_GIVE, PORT_DROP, FILE, PORT_READY):
        busy.ask(f"raw forward {message(kind, bytes(2)).hex()}")
    # A change of the parent's is carried out after all that: forward still listens.
    busy.want_overlay(name="more", port=7)
    until("forward took the new port", lambda: descriptors(busy.pid("forward")).count(
        "/dev/net/tun") == 2)
    after = picture(busy)
    assert after[2] == before[2]


def test_noise_on_every_link_changes_nothing(busy):
    before = picture(busy)
    rng = random.Random(1)
    for _ in range(60):
        data = bytes([0, rng.randrange(24), 0, 0]) + rng.randbytes(rng.randrange(4, 120))
        busy.ask(f"raw {rng.choice(['parent', 'forward'])} {data.hex()}")
    busy.want_wan()
    assert picture(busy) == before


def test_no_interface_of_ours_is_made_in_the_place_of_another(busy):
    """A name that is taken is an error, not a way to another interface."""
    answer = busy.ask("want 8 3 wan0 0 1468 1 0 0")
    assert answer.split()[0] != "0" and "cannot make it" in answer
    assert f.OWN.hex(":") in busy.ns.ip("link", "show", "wan0")


def test_a_wan_is_never_made_a_lan(busy):
    answer = busy.ask("want 8 2 wan0 0 0 0 0 0")
    assert answer.split()[0] != "0" and "a lan and a wan at once" in answer
    assert busy.sysctl("net/ipv4/conf/wan0/forwarding") == "0"


def test_more_ports_than_an_interface_can_have_are_refused_and_the_others_live(busy):
    for n in range(63):
        busy.want_wan(vlan=100 + n, port=20 + n)
    answer = busy.ask("want 90 1 wan0 200 0 0 888e 1")
    assert answer.split()[0] != "0" and "more than 64 wan ports" in answer
    good = [f.macsec(), *[f.macsec(tags=f.vlan(100 + n)) for n in range(63)]]
    busy.send_raw(*good, f.macsec(tags=f.vlan(200)), f.macsec(tags=f.vlan(99)))
    assert busy.left(f.macsec()) == good
