"""FRR on top: OSPF over the overlays of four sites, as a company's routers would run it."""
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

CONFIG = """
hostname {node}
interface core
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf cost 10
interface spare
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf cost 100
interface eth0
 ip ospf area 0
 ip ospf passive
router ospf
 ospf router-id 10.255.0.{id}
 timers throttle spf 10 50 200
"""


class Router:
    """zebra and ospfd in a node's namespace, with a /run of their own."""

    def __init__(self, lab, node, number, run):
        self.lab, self.node = lab, node
        self.run = pathlib.Path(run) / node
        (self.run / "frr").mkdir(parents=True)
        (self.run / "frr" / "frr.conf").write_text(CONFIG.format(node=node, id=number))
        self.enter = [str(ROOTS / "enter"), str(FRR), str(self.run)]
        for daemon in ("zebra", "ospfd"):
            self.command(daemon, "-d", "-f", "/run/frr/frr.conf", "-i", f"/run/frr/{daemon}.pid")

    def command(self, *words, check=True):
        return self.lab.run(self.node, *self.enter, *words, check=check)

    def show(self, what):
        try:
            return json.loads(self.command("vtysh", "-c", f"show {what} json"))
        except (RuntimeError, ValueError):
            return {}

    def full(self, interface):
        """Router ids of neighbours with a full adjacency (or as full as between two others)."""
        found = set()
        for rid, entries in self.show("ip ospf neighbor").get("neighbors", {}).items():
            for e in entries:
                state = e.get("nbrState", e.get("state", ""))
                if e.get("ifaceName", "").startswith(interface) and \
                        (state.startswith("Full") or state.startswith("2-Way")):
                    found.add(rid)
        return found

    def via(self, prefix):
        """The interface through which the kernel reaches a prefix, None without a route."""
        out = self.lab.ns(self.node).ip("-json", "route", "show", prefix)
        routes = [r for r in json.loads(out or "[]") if r.get("protocol") == "ospf"]
        return routes[0].get("dev") if routes else None

    def stop(self):
        for daemon in ("ospfd", "zebra"):
            try:
                os.kill(int((self.run / "frr" / f"{daemon}.pid").read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                pass


@pytest.fixture
def routers(make_lab, tmp_path):
    made = subprocess.run([ROOTS / "frr", FRR], capture_output=True, text=True, timeout=300)
    if made.returncode:
        pytest.skip(f"no FRR to be had: {made.stderr[-300:]}")
    text = labs.backbone(4, routing="external")
    text = text.replace("port lan {", "port wan2 { interface eth2; service sea; } port lan {")
    text += ("service sea { type ethernet; mtu 1600; }\n"
             "overlay spare { design macsec; keying mka; over sea; subnet 10.254.0.0/24; "
             "routing external; preference 200; "
             "mka { key-chain spare-cak; destination broadcast; hello 500ms; life 3s; } }")
    lab = make_lab(text)
    running = {}
    try:
        for number, node in enumerate(lab.nodes, 1):
            running[node] = Router(lab, node, number, tmp_path)
        yield lab, running
    finally:
        for r in running.values():
            r.stop()


def converged(lab, routers, without=()):
    """Every router has an OSPF route to every other site's network."""
    for i, node in enumerate(lab.nodes, 1):
        for j, other in enumerate(lab.nodes, 1):
            if i != j and routers[node].via(f"10.{j}0.0.0/16") is None:
                return False
    return True


def test_ospf_converges_over_the_overlay_and_again_when_a_carriers_port_is_cut(routers):
    lab, r = routers
    until("adjacencies over the overlay", lambda: all(
        len(r[n].full("core")) == 3 and len(r[n].full("spare")) == 3 for n in lab.nodes), 60, 0.5)
    until("routes everywhere", lambda: converged(lab, r), 30, 0.5)
    assert r["fra1"].via("10.20.0.0/16") == "core"
    for a in lab.hosts:
        for b in lab.hosts:
            if a != b:
                lab.run(a, "ping", "-n", "-c", "1", "-W", "3", lab.address[b][0])

    lab.carrier("cut", "fra1", "wan")
    until("fra1 is reached by the other carrier", lambda: r["fra1"].via("10.20.0.0/16") == "spare"
          and all(r[n].via("10.10.0.0/16") == "spare" for n in ("nyc1", "sin1", "gru1")), 60, 0.5)
    until("traffic is back", lambda: "1 received" in lab.run(
        "host-fra", "ping", "-n", "-c", "1", "-W", "2", lab.address["host-nyc"][0], check=False), 20)
    assert r["nyc1"].via("10.30.0.0/16") == "core"      # the others did not move

    lab.carrier("heal", "fra1", "wan")
    until("fra1 is back on the first carrier", lambda: r["fra1"].via("10.20.0.0/16") == "core", 60,
          0.5)
    lab.run("host-fra", "ping", "-n", "-c", "1", "-W", "3", lab.address["host-nyc"][0])
    lab.assert_clean()
