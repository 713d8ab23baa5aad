"""What else lives on a wan interface: routing daemons, SSH, LLDP, ping go on beside myelin where the
file allows them, and are dropped and named where it does not; ARP and whoever captures always work."""
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

import labs
from labs import Stream
from lib.until import until
from test_audit import audit, report, rows
from test_routing import FRR, ROOTS

WAN = {"fra1": "198.51.100.1", "nyc1": "198.51.100.2"}
FAR = {"fra1": "nyc1", "nyc1": "fra1"}
ALL = ("bgp", "lldp", "ssh", "ping")

BGP = """
router bgp {own}
 bgp router-id {address}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {peer} remote-as {other}
 neighbor {peer} timers 1 3
 neighbor {peer} timers connect 1
 address-family ipv4 unicast
  network 203.0.113.{own}/32
 exit-address-family
"""


def text(allow):
    """Two sites on an Ethernet service, with addresses of their own on the carrier's side."""
    words = f"allow [ {' '.join(allow)} ];" if allow else ""
    out = labs.backbone(2)
    for i, node in enumerate(WAN, 1):
        out = out.replace(f"node {node} {{ id {i}; site {node[:3]}; port wan {{ interface eth1;",
                          f"node {node} {{ id {i}; site {node[:3]}; port wan {{ interface eth1; "
                          f"address {WAN[node]}/24; {words}")
    assert all(a in out for a in WAN.values())
    return out


class Speaker:
    """zebra and bgpd in a node's namespace, with a peer on the far side of the carrier."""

    def __init__(self, lab, node, run):
        self.lab, self.node = lab, node
        self.run = pathlib.Path(run) / node
        (self.run / "frr").mkdir(parents=True)
        own = 1 + list(WAN).index(node)
        (self.run / "frr" / "frr.conf").write_text(BGP.format(
            own=own, other=3 - own, address=WAN[node], peer=WAN[FAR[node]]))
        self.enter = [str(ROOTS / "enter"), str(FRR), str(self.run)]
        for daemon in ("zebra", "bgpd"):
            lab.run(node, *self.enter, daemon, "-d", "-f", "/run/frr/frr.conf", "-i",
                    f"/run/frr/{daemon}.pid")

    def state(self):
        try:
            shown = json.loads(self.lab.run(self.node, *self.enter, "vtysh", "-c",
                                            "show bgp ipv4 unicast summary json"))
        except (RuntimeError, ValueError):
            return None
        return shown.get("peers", {}).get(WAN[FAR[self.node]], {}).get("state")

    def stop(self):
        for daemon in ("bgpd", "zebra"):
            try:
                os.kill(int((self.run / "frr" / f"{daemon}.pid").read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                pass


@pytest.fixture(scope="module", params=[ALL, ()], ids=["allowed", "not-allowed"])
def beside(request, tmp_path_factory):
    """The lab, and whether its file allows all of them."""
    subprocess.run([ROOTS / "frr", FRR], check=True, capture_output=True)
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), text(request.param))
    try:
        yield lab, bool(request.param)
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def goes_on(lab):
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 1000)
        assert s.lost() == []


def test_bgp_over_the_wan(beside, tmp_path):
    lab, allowed = beside
    speakers = []
    try:
        speakers = [Speaker(lab, node, tmp_path) for node in WAN]
        if allowed:
            until("both speak", lambda: all(s.state() == "Established" for s in speakers), 40)
            goes_on(lab)
            assert all(s.state() == "Established" for s in speakers)
            assert rows(report(lab, "fra1"), "passed", "class")["bgp"][0] > 0
        else:
            until("both tried and were stopped", lambda: all(
                rows(report(lab, n), "dropped", "what").get("bgp", (0, 0))[0] >= 2 for n in WAN), 40)
            assert "Established" not in [s.state() for s in speakers]
            assert "no `allow bgp` at the port" in audit(lab, "fra1")[1]
    finally:
        for s in speakers:
            s.stop()
    goes_on(lab)


def test_ssh_over_the_wan(beside):
    lab, allowed = beside

    def serve():
        s = socket.create_server((WAN["nyc1"], 22))
        s.settimeout(20)
        return s

    def call():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(20 if allowed else 2)
        try:
            s.connect((WAN["nyc1"], 22))
        except OSError:
            s.close()
            return None
        return s
    before = rows(report(lab, "fra1"), "dropped", "what").get("ssh", (0, 0))[0]
    with lab.ns("nyc1").call(serve) as server:
        client = lab.ns("fra1").call(call)
        assert (client is not None) == allowed
        if allowed:
            with server.accept()[0] as far, client:
                far.sendall(b"SSH-2.0-beside\r\n")
                assert client.recv(100) == b"SSH-2.0-beside\r\n"
            assert rows(report(lab, "nyc1"), "passed", "class")["ssh"][1] > 0
        else:
            assert rows(report(lab, "fra1"), "dropped", "what")["ssh"][0] > before


def test_ping_and_arp_over_the_wan(beside):
    lab, allowed = beside
    out = lab.run("fra1", "ping", "-n", "-c", 2, "-i", "0.2", "-W", "1", WAN["nyc1"], check=False)
    assert (" 2 received" in out) == allowed, out
    neighbours = json.loads(lab.ns("fra1").ip("-json", "neigh", "show", "dev", "eth1"))
    assert [n for n in neighbours if n["dst"] == WAN["nyc1"] and "lladdr" in n], neighbours
    assert rows(report(lab, "nyc1"), "passed", "class")["arp-nd"][1] > 0


def test_lldp_over_the_wan(beside):
    lab, allowed = beside
    frame = bytes.fromhex("0180c200000e") + bytes.fromhex("026d79000100") + bytes.fromhex(
        "88cc0207040000000000020406746573742d6506020078") + bytes(30)

    def opened():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("eth1", 3))
        s.settimeout(10)
        return s

    def put():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth1", 0))
            try:
                s.send(frame)
            except OSError:
                pass        # what the guard drops is told as a full queue
    before = rows(report(lab, "fra1"), "dropped", "what").get("lldp", (0, 0))[0]
    lab.ns("fra1").call(put)
    after = report(lab, "fra1")
    if allowed:
        assert rows(after, "passed", "class")["lldp"][0] > 0
    else:
        assert rows(after, "dropped", "what")["lldp"][0] == before + 1
    # The carrier's own, as a switch of its would say it.
    with lab.ns("nyc1").call(opened) as s:
        lab.carrier("inject", "nyc1", "wan", frame.hex())
        while s.recv(4000)[:40] != frame[:40]:      # who captures stands before the guard
            pass
    name = ("passed", "class") if allowed else ("dropped", "what")
    until("it was judged", lambda: rows(report(lab, "nyc1"), *name).get("lldp", (0, 0))[1] > 0, 10)


def test_who_captures_sees_ciphertext(beside):
    lab, _ = beside

    def opened():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("eth1", 3))
        s.settimeout(10)
        return s
    with lab.ns("nyc1").call(opened) as s:
        goes_on(lab)
        while s.recv(4000)[12:14] != b"\x88\xe5":
            pass
    goes_on(lab)


def test_the_audit_tells_the_two_apart(beside):
    lab, allowed = beside
    status, said = audit(lab, "nyc1")
    assert status == (3 if allowed else 0), said
    if allowed:
        assert all(f"OPEN: allow {name}" in said for name in ALL)
    assert lab.neither()[0] == 0
