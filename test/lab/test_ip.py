"""Services of IP: the carrier's routers, the addresses it gives, translation, and what passes."""
import json
import re

import pytest

import labs
from lib.until import until


def net(service="", fra="", nyc="", sin=""):
    """Frankfurt with an address of its own, New York behind a translator, Singapore by DHCP."""
    places = dict(labs.SITES)
    return f"""backbone lab;
site fra {{ location {places['fra']}; networks 10.10.0.0/16; }}
site nyc {{ location {places['nyc']}; networks 10.20.0.0/16; }}
site sin {{ location {places['sin']}; networks 10.30.0.0/16; }}
service inet {{ type internet; {service} }}
node fra1 {{ id 1; site fra; port wan {{ interface eth1; service inet; {fra}
    address [ 198.51.100.10/29 2001:db8:1::2/64 ]; gateway 198.51.100.9; }}
    port lan {{ interface eth0; lan; address 10.10.0.1/16; }} }}
node nyc1 {{ id 2; site nyc; port wan {{ interface eth1; service inet; {nyc}
    address dhcp; behind-nat; }} port lan {{ interface eth0; lan; address 10.20.0.1/16; }} }}
node sin1 {{ id 3; site sin; port wan {{ interface eth1; service inet; {sin}
    address dhcp; }} port lan {{ interface eth0; lan; address 10.30.0.1/16; }} }}
"""


PING = {"fra": "allow ping;", "nyc": "allow ping;", "sin": "allow ping;"}
FRA = "198.51.100.10"


def wan(lab, node):
    """The node's wan port as its daemon has it; empty while that is not up."""
    try:
        ports = lab.show(node, "ports")["ports"]
    except OSError:
        return {}
    return next(p for p in ports if p["port"] == "wan")


def leased(lab, node):
    """The node's address once DHCP gave it one."""
    return until(f"an address of {node}", lambda: wan(lab, node).get("addresses"),
                 20)[0].split("/")[0]


def ping(lab, node, source, to, *more):
    """Seconds of the best of three round trips, or None."""
    out = lab.run(node, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "3", "-I", source, *more, to,
                  check=False)
    best = re.search(r"rtt min/avg/max/mdev = ([\d.]+)/", out)
    return float(best[1]) / 1000 if best else None


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), net(**PING), wait=False, scale=1.0)
    try:
        lab.nyc, lab.sin = leased(lab, "nyc1"), leased(lab, "sin1")
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def test_the_carrier_gives_addresses_and_routes_between_its_customers(three):
    way = three.carrier("status")["services"][0]["ports"][0]["delay-us"]["sin1"] / 1e6
    took = ping(three, "sin1", three.sin, FRA)
    assert took is not None and took >= 2 * way
    assert wan(three, "sin1")["dhcp"] == "BOUND"
    assert three.neither() == (0, [])


def test_a_translated_node_reaches_out_and_nobody_reaches_in(three):
    assert ping(three, "nyc1", three.nyc, FRA) is not None
    refused = three.carrier("status")["services"][0]["routers"]["nat-refused"]
    assert ping(three, "fra1", FRA, "198.19.0.1") is None
    assert three.carrier("status")["services"][0]["routers"]["nat-refused"] > refused


def test_what_is_behind_a_node_is_unknown_to_the_carrier(three):
    before = three.carrier("status")["services"][0]["routers"]["no-route"]
    assert ping(three, "fra1", FRA, "10.30.0.1") is None
    assert three.carrier("status")["services"][0]["routers"]["no-route"] > before


def test_the_way_to_the_carrier_is_for_the_nodes_own_packets_alone(three):
    """A table of the port's own, by the source address: nothing routed falls back to it."""
    assert "default" not in three.run("fra1", "ip", "route", "show")
    rules = json.loads(three.run("fra1", "ip", "-j", "rule"))
    mine = [r for r in rules if r.get("src") == FRA]
    assert len(mine) == 1
    routes = three.run("fra1", "ip", "route", "show", "table", str(mine[0]["table"]))
    assert "default via 198.51.100.9 dev eth1" in routes


@pytest.mark.parametrize("role", ["control", "forward"])
def test_a_killed_role_keeps_the_leased_address(three, role):
    three.kill("sin1", role)
    assert "198.18." in three.run("sin1", "ip", "-4", "-o", "addr", "show", "eth1")
    until("bound again", lambda: wan(three, "sin1").get("dhcp") == "BOUND", 20)
    assert leased(three, "sin1") == three.sin
    assert ping(three, "sin1", three.sin, FRA) is not None


def test_a_port_that_was_cut_resolves_its_neighbours_again(three):
    three.myelin("cut", "sin1", "wan")
    assert ping(three, "fra1", FRA, three.sin) is None
    three.myelin("heal", "sin1", "wan")
    until("an answer", lambda: ping(three, "fra1", FRA, three.sin) is not None, 30)


def test_nothing_but_dhcp_and_neighbours_passes_unless_the_file_says_so(make_lab):
    lab = make_lab(net(), wait=False)
    sin = leased(lab, "sin1")
    assert ping(lab, "sin1", sin, FRA) is None
    assert ping(lab, "fra1", FRA, sin) is None
    for port in lab.ports().values():
        assert port["ping"] == 0 and port["neither"] == 0


def test_loss_of_the_service_and_a_core_with_a_smaller_mtu(make_lab):
    lab = make_lab(net(service="emulate { path-mtu 1300; loss 20%; }", **PING), wait=False)
    sin = leased(lab, "sin1")
    assert ping(lab, "sin1", sin, FRA, "-c", "20") is not None
    lab.run("sin1", "ping", "-n", "-c", "2", "-W", "1", "-M", "do", "-s", "1280", "-I", sin, FRA,
            check=False)
    service = lab.carrier("status")["services"][0]
    assert service["routers"]["too-big"] > 0 and service["routers"]["icmp"] > 0
    assert sum(p["lost"] for p in service["ports"]) > 0
