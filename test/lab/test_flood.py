"""Thousands of frames of every kind of garbage beside a flow of the valid ones: each is counted under
its own name, nothing valid is lost, and no key, peer, number, log or memory is the worse for it.

Nothing here is about time (bench/hostile is): the garbage waits until what was sent is counted.
"""
import pathlib

import labs
from labs import Stream
from lib.until import until
from test_audit import report
from test_hostile import DEFECTS, one_frame

EACH, BATCH = 1000, 250
PEER_LIKE = bytes.fromhex("020000000066")


def dropped(lab, node):
    """Everything that was dropped, by who dropped it and as what."""
    r = report(lab, node)
    out = {f"path {d['what']}": d["packets"] for d in r["path"]["dropped"]}
    for i in r["interfaces"]:
        out |= {f"guard {d['what']}": d["in"] for d in i["dropped"] if d["in"]}
    for k in r["keying"]:
        out[f"{k['protocol']} {k['what']}"] = k["messages"]
    return out


def grown(lab, node, before):
    return {k: v - before.get(k, 0) for k, v in dropped(lab, node).items()
            if v != before.get(k, 0)}


def memory(lab, node):
    """Kilobytes of the two roles that garbage reaches."""
    def size(role):
        status = pathlib.Path(f"/proc/{lab.role(node, role)}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])
    return size("control") + size("forward")


def log_lines(lab, node):
    return (lab.dir / f"{node}.log").read_text().count("\n")


def pour(lab, node, port, kinds):
    """kinds: (what makes the i-th frame, the counter that it moves). Returns what moved; a batch goes
    when the one before has been counted, so that no queue of the kernel's ever overflows."""
    start, sent = dropped(lab, node), {}
    with lab.carrier_socket() as s:
        for at in range(0, EACH, BATCH):
            for make, name in kinds:
                for i in range(at, at + BATCH):
                    s.send(f"inject {node} {port} {make(i).hex()}".encode())
                    assert s.recv(1000) == b"{}"
                sent[name] = sent.get(name, 0) + BATCH
                until(lambda: f"{sent} are counted, {name} the last: {grown(lab, node, start)}",
                      lambda: grown(lab, node, start).get(name, 0) >= sent[name], 20)
    return grown(lab, node, start)


def expected(kinds):
    """The guard stands behind forward's socket, so that it counts a malformed SecTAG as well."""
    out = {}
    for _, name in kinds:
        out[name] = out.get(name, 0) + EACH
        if name.startswith("path sectag-"):
            out["guard macsec-malformed"] = out.get("guard macsec-malformed", 0) + EACH
    return out


def macsec_kinds(good):
    """Of what a carrier may make of a frame, the defects that forward names, and what is no MACsec."""
    # Of two members one sends, whose frames need no SCI: without one it is a replay.
    kinds = [(lambda i, make=make: make(good),
              "path duplicate" if name == "without-sci" else f"path {drop[5:]}")
             for name, make, drop, _ in DEFECTS if drop and "altered" not in name]
    numbered = good[:16]
    kinds += [
        (lambda i: numbered + (0x10000000 + i).to_bytes(4, "big") + good[20:], "path not-valid"),
        (lambda i: good[:20] + PEER_LIKE + i.to_bytes(2, "big") + good[28:], "path unknown-sci"),
        (lambda i: good[:12] + b"\x08\x06" + bytes(46), "guard arp-nd"),
        (lambda i: good[:12] + b"\x12\x34" + i.to_bytes(4, "big") + bytes(60), "guard other"),
    ]
    return kinds


def test_a_flood_beside_a_macsec_flow(make_lab):
    lab = make_lab(labs.backbone(2))
    good = one_frame(lab, "host-fra", "host-nyc")
    kinds = macsec_kinds(good)

    def digest():
        o = lab.show("nyc1", "overlays")["overlays"][0]
        p = lab.peers("nyc1")["fra1"]
        rx = [e for e in lab.show("nyc1", "sa")["sas"] if e["direction"] == "receive"]
        return (o["state"], p["key-id"], p["an"], p["sci"], len(rx), lab.role("nyc1", "forward"),
                lab.role("nyc1", "control"))

    def taken():
        [rx] = [e for e in lab.show("nyc1", "sa")["sas"] if e["direction"] == "receive"]
        return rx["next-pn"], lab.peers("nyc1")["fra1"]["packets-in"]
    state, lines, size, moved = digest(), log_lines(lab, "nyc1"), memory(lab, "nyc1"), {}
    (pn, packets) = taken()
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(300, lambda: moved.update(pour(lab, "nyc1", "wan", kinds)))
        assert s.lost() == [] and s.duplicates == 0
    assert {k: v for k, v in moved.items() if k != "guard ipv6"} == expected(kinds)
    assert digest() == state
    # What was taken is what was sent: the number went on with the valid frames alone.
    after = taken()
    assert after[0] - pn == after[1] - packets >= s.sent
    assert log_lines(lab, "nyc1") - lines < 100
    assert labs.SANITIZED or memory(lab, "nyc1") - size < 2048
    lab.assert_clean()
