"""`myelin audit`: the proof that a node's wan is shut, and what of it is open by which line."""
import json
import pathlib
import socket
import subprocess

import labs
from labs import MYELIN, Stream
from lib.until import until

NYC1, FRA1 = bytes.fromhex("026d79000200"), bytes.fromhex("026d79000100")


def audit(lab, node, *options):
    """Its status and what it printed."""
    done = subprocess.run([MYELIN, "lab", "exec", "--lab", lab.name, node, "--", MYELIN, "audit",
                           *options], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def report(lab, node):
    return json.loads(audit(lab, node, "--json")[1])


def rows(report, kind, key):
    """What of the first wan interface passed or was dropped: name → (out, in)."""
    return {r[key]: (r["out"], r["in"]) for r in report["interfaces"][0][kind]}


def packet(protocol, rest):
    """An Ethernet frame of an IPv4 packet, to an address of nyc1's."""
    head = bytes.fromhex("450000000000000040") + bytes([protocol]) + bytes(2) \
        + socket.inet_aton("203.0.113.1") + socket.inet_aton("10.20.0.1")
    head = head[:2] + (20 + len(rest)).to_bytes(2, "big") + head[4:]
    return NYC1 + FRA1 + b"\x08\x00" + head + rest


SSH = packet(6, bytes.fromhex("9c400016") + bytes(16))
BGP = packet(6, bytes.fromhex("9c4000b3") + bytes(16))
UDP = packet(17, bytes.fromhex("13881b5800140000") + b"in the clear")
ESP = packet(50, bytes.fromhex("00001000") + bytes(60))
LLDP = bytes.fromhex("0180c200000e") + FRA1 + bytes.fromhex("88cc") + bytes(46)


def test_a_node_is_closed_and_every_drop_has_its_name(two):
    """Both directions: what a program of the node sends, what the carrier sends; and what is wrong
    with what looks like ciphertext is forward's to say."""
    def send():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth1", 0))
            for frame in (SSH, BGP, BGP, UDP, LLDP):
                try:
                    s.send(frame)
                except OSError:
                    pass        # what the guard drops is told as a full queue
    with Stream(two, "host-fra", "host-nyc") as s:
        s.send(50, 1000)
        assert s.lost() == []
    before, far = report(two, "fra1"), report(two, "nyc1")
    assert before["audit"] == {"node": "fra1", "backbone": "lab", "file": before["audit"]["file"],
                               "verdict": "closed"}
    assert before["wrong"] == before["open"] == []
    [interface] = before["interfaces"]
    assert interface["interface"] == "eth1" and interface["ports"] == ["wan"]
    assert interface["guarded"] and interface["gaps"] == interface["missing-ms"] == 0
    passed = rows(before, "passed", "class")
    assert set(passed) == {"macsec", "eapol"}
    assert passed["macsec"][0] >= 50 and min(passed["eapol"]) > 0
    two.ns("fra1").call(send)
    for frame in (SSH, UDP, UDP, ESP, LLDP):
        two.carrier("inject", "nyc1", "wan", frame.hex())
    unknown = NYC1 + FRA1 + bytes.fromhex("88e52c0000000001ffffffffffff0001") + bytes(80)
    two.carrier("inject", "nyc1", "wan", unknown.hex())

    def grown(report, before, kind, key):
        """Without what the kernel says of itself at any time."""
        old = rows(before, kind, key)
        return {k: (v[0] - old.get(k, (0, 0))[0], v[1] - old.get(k, (0, 0))[1])
                for k, v in rows(report, kind, key).items()
                if v != old.get(k, (0, 0)) and k != "ipv6"}
    assert grown(report(two, "fra1"), before, "dropped", "what") == {
        "ssh": (1, 0), "bgp": (2, 0), "ipv4": (1, 0), "lldp": (1, 0)}
    until(lambda: f"the carrier's are judged: {report(two, 'nyc1')}",
          lambda: grown(report(two, "nyc1"), far, "dropped", "what") == {
              "ssh": (0, 1), "ipv4": (0, 2), "esp": (0, 1), "lldp": (0, 1)}, 10)
    until("forward named its own", lambda: {"what": "unknown-sci", "packets": 1,
                                            "why": "nobody we know"}
          in report(two, "nyc1")["path"]["dropped"], 10)
    status, text = audit(two, "fra1")
    assert status == 0
    for words in ("interface eth1, port wan: guarded for", "without a gap", "ciphertext",
                  "no `allow ssh` at the port", "nothing is open"):
        assert words in text, text
    two.assert_clean()


def test_a_guard_that_was_taken_away_is_put_back_and_told(make_lab):
    lab = make_lab(labs.backbone(2))
    assert audit(lab, "fra1")[0] == 0
    ns = lab.ns("fra1")
    ns.run("tc", "qdisc", "del", "dev", "eth1", "clsact")
    until("it is back", lambda: "clsact" in ns.run("tc", "qdisc", "show", "dev", "eth1"), 20)
    until("and known of", lambda: report(lab, "fra1")["interfaces"][0]["gaps"] == 1, 10)
    now = report(lab, "fra1")
    assert now["audit"]["verdict"] == "wrong" and now["interfaces"][0]["guarded"]
    [wrong] = now["wrong"]
    assert wrong.startswith("eth1: a guard was missing 1 time, for ")
    status, text = audit(lab, "fra1")
    assert status == 4 and "WRONG: eth1: a guard was missing 1 time" in text
    assert "with 1 gap of " in text and "; 1 thing is wrong" in text
    assert audit(lab, "nyc1")[0] == 0


def test_a_port_that_is_not_there_is_wrong(make_lab):
    lab = make_lab(labs.backbone(2))
    lab.ns("nyc1").ip("link", "set", "eth1", "name", "gone1")
    until("it is missed", lambda: audit(lab, "nyc1")[0] == 4, 20)
    assert report(lab, "nyc1")["wrong"][0].startswith("port wan: ")


def test_every_opening_is_told_with_its_line(make_lab):
    lab = make_lab(labs.backbone(
        2, port="\nallow [ dhcp bgp lldp ssh\nping ];\n", mka="keep-sak 60s;",
        macsec="should-secure;\nvalidate check;\nconfidentiality off; replay-protect false;",
        overlay="rule probes { action bypass; ethertype 0x9999; }"))

    def check_lines(openings):
        for o in openings:
            word = {"integrity-only": "confidentiality", "bypass probes": "rule"}.get(
                o["what"], o["what"].split()[-1] if o["port"] else o["what"].split()[0])
            assert word in pathlib.Path(o["file"]).read_text().splitlines()[o["line"] - 1], o
            assert (o["port"], o["overlay"]) in (("wan", None), (None, "core"))
    got = report(lab, "fra1")
    assert got["audit"]["verdict"] == "open" and got["wrong"] == []
    assert {o["what"] for o in got["open"]} == {
        "allow dhcp", "allow bgp", "allow lldp", "allow ssh", "allow ping", "keep-sak 60s",
        "should-secure", "validate check", "integrity-only", "replay-protect false",
        "bypass probes"}
    check_lines(got["open"])
    status, text = audit(lab, "fra1")
    assert status == 3 and "11 things are open by the file" in text
    # What is open is used, and counted as what it is.
    until("the hosts meet under a key", lambda: lab.run(
        "host-nyc", "ping", "-c", 1, "-W", 1, lab.address["host-fra"][0], check=False)
        and rows(report(lab, "nyc1"), "passed", "class").get("integrity", (0, 0))[0] > 0, 30)
    for frame in (SSH, LLDP):
        lab.carrier("inject", "nyc1", "wan", frame.hex())
    until("they passed", lambda: rows(report(lab, "nyc1"), "passed", "class").get(
        "lldp", (0, 0))[1] == 1, 10)
    text = audit(lab, "nyc1")[1]
    assert "exception" in text and "not encrypted" in text
    # Before it runs anywhere: all nodes' and all overlays'.
    done = subprocess.run([MYELIN, "audit", "--json", lab.file], capture_output=True, text=True)
    assert done.returncode == 3
    opened = json.loads(done.stdout)["open"]
    assert len(opened) == 11 + 5
    check_lines(opened)
