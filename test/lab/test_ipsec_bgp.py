"""FRR on top: BGP over the IKEv2 tunnels of four sites, whose carrier routes none of their networks."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

import labs
from lib.until import until

ROOTS = labs.TOP / "test" / "roots"
FRR = labs.TOP / "build" / "roots" / "frr"
FILE = labs.TOP / "examples" / "four-dcs-ip.conf"


def config(number):
    """Each site is an AS of its own and speaks to each other one."""
    others = [n for n in range(1, 5) if n != number]
    peers = "\n".join(f" neighbor 10.255.0.{n} remote-as {65000 + n}\n"
                      f" neighbor 10.255.0.{n} timers 1 3\n"
                      f" neighbor 10.255.0.{n} timers connect 1" for n in others)
    return f"""
router bgp {65000 + number}
 bgp router-id 10.255.0.{number}
 no bgp ebgp-requires-policy
 no bgp network import-check
{peers}
 address-family ipv4 unicast
  network 10.{number}0.0.0/16
 exit-address-family
"""


class Router:
    """zebra and bgpd in a node's namespace, with a /run of their own."""

    def __init__(self, lab, node, number, run):
        self.lab, self.node = lab, node
        self.run = pathlib.Path(run) / node
        (self.run / "frr").mkdir(parents=True)
        (self.run / "frr" / "frr.conf").write_text(config(number))
        self.enter = [str(ROOTS / "enter"), str(FRR), str(self.run)]
        for daemon, more in (("zebra", ()), ("bgpd", ("-p", "179"))):
            self.command(daemon, "-d", "-f", "/run/frr/frr.conf", "-i", f"/run/frr/{daemon}.pid",
                         *more)

    def command(self, *words):
        return self.lab.run(self.node, *self.enter, *words)

    def sessions(self):
        """Addresses of the neighbours with whom it stands."""
        try:
            shown = json.loads(self.command("vtysh", "-c", "show bgp ipv4 unicast summary json"))
        except (RuntimeError, ValueError):
            return set()
        return {peer for peer, entry in shown.get("peers", {}).items()
                if entry["state"] == "Established"}

    def routes(self):
        """Prefix → (next hop, interface) of BGP's routes in the kernel."""
        listed = json.loads(self.lab.ns(self.node).ip("-json", "route", "show", "proto", "bgp")
                            or "[]")
        return {r["dst"]: (r.get("gateway"), r.get("dev")) for r in listed}

    def stop(self):
        for daemon in ("bgpd", "zebra"):
            try:
                os.kill(int((self.run / "frr" / f"{daemon}.pid").read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                pass


@pytest.fixture
def routers(make_lab, tmp_path):
    made = subprocess.run([ROOTS / "frr", FRR], capture_output=True, text=True, timeout=300)
    if made.returncode:
        pytest.skip(f"no FRR to be had: {made.stderr[-300:]}")
    text = FILE.read_text().replace("routing managed", "routing external")
    assert "routing external" in text
    lab = make_lab(text)
    running = {}
    try:
        for number, node in enumerate(lab.nodes, 1):
            running[node] = Router(lab, node, number, tmp_path)
        yield lab, running
    finally:
        for r in running.values():
            r.stop()


def wanted(number):
    return {f"10.{n}0.0.0/16": (f"10.255.0.{n}", "core") for n in range(1, 5) if n != number}


def said(lab, routers):
    return "\n".join(f"{n}: {r.sessions()} {r.routes()}" for n, r in routers.items()) + lab.logs()


def pings(lab, a, b, count=1):
    return f" {count} received" in lab.run(a, "ping", "-n", "-c", str(count), "-i", "0.2", "-W", "3",
                                           lab.address[b][0], check=False)


def test_bgp_learns_the_sites_over_tunnels_and_again_after_a_link_was_lost(routers):
    lab, r = routers
    assert lab.nodes == ["fra1", "nyc1", "sin1", "gru1"]
    until(lambda: f"sessions over the tunnels\n{said(lab, r)}",
          lambda: all(len(r[n].sessions()) == 3 for n in lab.nodes), 60, 0.5)
    until(lambda: f"routes everywhere\n{said(lab, r)}", lambda: all(
        r[n].routes() == wanted(i) for i, n in enumerate(lab.nodes, 1)), 30, 0.5)
    # And the daemon knows of them, as of any other.
    for i, n in enumerate(lab.nodes, 1):
        until(lambda: f"they are mirrored\n{lab.show(n, 'routes')}", lambda: {
            x["prefix"] for x in lab.show(n, "routes")["list"]
            if x["protocol"] == "bgp" and x["leads"] == "overlay"} == set(wanted(i)), 10)
    for a in lab.hosts:
        for b in lab.hosts:
            if a != b:
                assert pings(lab, a, b), (a, b)

    lab.carrier("cut", "fra1", "wan")
    until(lambda: f"nobody is led to fra1\n{said(lab, r)}", lambda: not r["fra1"].routes() and all(
        "10.10.0.0/16" not in r[n].routes() for n in ("nyc1", "sin1", "gru1")), 30, 0.5)
    assert all(len(r[n].sessions()) == 2 for n in ("nyc1", "sin1", "gru1"))
    assert pings(lab, "host-nyc", "host-sin")

    lab.carrier("heal", "fra1", "wan")
    until(lambda: f"fra1 is back\n{said(lab, r)}", lambda: all(
        r[n].routes() == wanted(i) for i, n in enumerate(lab.nodes, 1)), 60, 0.5)
    until("its hosts, too", lambda: pings(lab, "host-fra", "host-nyc"), 20)
    assert lab.neither() == (0, [])
    for port in lab.ports().values():
        assert port["esp"] and not port["bgp"]
