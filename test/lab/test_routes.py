"""The mirror of the kernel's routes: whoever puts them there, however many, and whoever dies."""
import json

import pytest

import labs
from lib.until import until

FILE = labs.TOP / "examples" / "four-dcs-ip.conf"
COUNT = 50_000      # routes of the churn, each put there and taken away again


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = labs.Lab(tmp_path_factory.mktemp("lab"), FILE.read_text())
    try:
        yield made
    finally:
        made.down()


def routes(lab, node):
    answer = lab.show(node, "routes")
    return answer, {r["prefix"]: r for r in answer["list"]}


def mirrored(lab, node, prefix):
    return routes(lab, node)[1].get(prefix, {}).get("leads")


def live(lab, node):
    return routes(lab, node)[0]["state"] == "live"


def kernel_count(lab, node):
    """Routes of the tables that the mirror is of."""
    count = 0
    for family in "-4", "-6":
        for table in "main", "local":
            listed = lab.ns(node).ip(family, "-o", "route", "show", "table", table)
            count += sum(1 for line in listed.splitlines() if line.strip())
    return count


def same(lab, node):
    return live(lab, node) and routes(lab, node)[0]["routes"] == kernel_count(lab, node)


def batch(lab, node, lines):
    path = lab.dir / "batch"
    path.write_text("\n".join(lines) + "\n")
    lab.run(node, "ip", "-batch", str(path), timeout=120)


def test_routes_of_the_file_lead_into_the_overlay(lab):
    until(lambda: f"the mirror is there\n{routes(lab, 'fra1')}\n{lab.logs()}",
          lambda: live(lab, "fra1"), 10)
    answer, seen = routes(lab, "fra1")
    for number, net in (2, "10.20.0.0/16"), (3, "10.30.0.0/16"), (4, "10.40.0.0/16"):
        assert seen[net]["via"] == f"10.255.0.{number}" and seen[net]["overlay"] == "core"
        assert seen[net]["protocol"] == "myelin" and seen[net]["leads"] == "overlay"
    ours = [r for r in answer["list"] if r["leads"] == "overlay"]
    assert answer["sources"]["myelin"] == len(ours) >= 3
    assert answer["overlays"] == [{"overlay": "core", "routes": len(ours), "next-hops": len(ours),
                                   "forwards-ipv4": True, "forwards-ipv6": True}]
    assert same(lab, "fra1"), (routes(lab, "fra1"), kernel_count(lab, "fra1"))
    said = lab.run("fra1", labs.MYELIN, "show", "routes")
    assert "10.20.0.0/16" in said and "IPv4 and IPv6" in said, said
    told = json.loads(lab.run("fra1", labs.MYELIN, "show", "routes", "--json"))
    assert told["list"] == answer["list"]


def test_a_static_route_comes_changes_and_goes(lab):
    fra = lab.ns("fra1")
    fra.ip("route", "add", "203.0.113.0/24", "via", "10.255.0.2", "dev", "core", "proto", "static")
    until("it is mirrored", lambda: mirrored(lab, "fra1", "203.0.113.0/24") == "overlay", 5)
    fra.ip("route", "replace", "203.0.113.0/24", "via", "10.255.0.3", "dev", "core")
    until("its next hop is another", lambda:
          routes(lab, "fra1")[1]["203.0.113.0/24"]["via"] == "10.255.0.3", 5)
    fra.ip("route", "replace", "blackhole", "203.0.113.0/24")
    until("the kernel's", lambda: mirrored(lab, "fra1", "203.0.113.0/24") == "kernel", 5)
    fra.ip("route", "del", "blackhole", "203.0.113.0/24")
    until("it is gone", lambda: mirrored(lab, "fra1", "203.0.113.0/24") is None, 5)
    assert same(lab, "fra1")


def test_what_the_kernel_removes_without_a_word_is_found_out(lab):
    sin = lab.ns("sin1")
    sin.ip("link", "add", "dummy7", "type", "veth", "peer", "name", "dummy8")
    sin.ip("addr", "add", "172.31.99.1/24", "dev", "dummy7")
    sin.ip("link", "set", "dummy7", "up")
    sin.ip("link", "set", "dummy8", "up")
    sin.ip("route", "add", "198.51.100.0/24", "via", "172.31.99.9")
    until("it is mirrored", lambda: mirrored(lab, "sin1", "198.51.100.0/24") == "kernel", 5)
    sin.ip("link", "set", "dummy7", "down")
    until("it is gone", lambda: mirrored(lab, "sin1", "198.51.100.0/24") is None, 5)
    sin.ip("link", "del", "dummy7")
    until("all is as the kernel has it", lambda: same(lab, "sin1"), 10)


def test_a_successor_of_control_reads_them_again(lab):
    lab.kill("fra1", "control")
    until("the mirror is there again", lambda: same(lab, "fra1"), 15)
    assert mirrored(lab, "fra1", "10.20.0.0/16") == "overlay"


def test_a_hundred_thousand_updates_lose_no_packet(lab):
    """And the mirror ends where the kernel is, were notifications lost on the way or not."""
    nets = [f"100.{64 + n // 16384}.{n // 64 % 256}.{n % 64 * 4}/30" for n in range(COUNT)]
    before, _ = routes(lab, "fra1")
    with labs.Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 500)
        assert s.lost() == []
        s.send_while(500, lambda: batch(lab, "fra1", [
            f"route add {net} via 10.255.0.{2 + n % 3} dev core" for n, net in enumerate(nets)]))
        until(lambda: f"all are mirrored: {routes(lab, 'fra1')[0]}",
              lambda: same(lab, "fra1"), 30, 0.5)
        full, _ = routes(lab, "fra1")
        assert full["prefixes-ipv4"] == before["prefixes-ipv4"] + COUNT
        s.send_while(500, lambda: batch(lab, "fra1", [f"route del {net}" for net in nets]))
        until(lambda: f"all are gone: {routes(lab, 'fra1')[0]}",
              lambda: same(lab, "fra1"), 30, 0.5)
        assert s.lost() == [] and s.sent > 200 and s.duplicates == 0
    after, _ = routes(lab, "fra1")
    print(f"{after['updates'] - before['updates']} updates heard, {after['overruns']} overruns, "
          f"{s.sent} packets beside them")
    assert after["prefixes-ipv4"] == before["prefixes-ipv4"]
    assert after["overruns"] or after["updates"] - before["updates"] >= 2 * COUNT
