"""Overlays with `auth ca`: certificates as `myelin ca` makes them, the signer killed under traffic and
in the middle of a handshake, and certificates that let nobody in: expired, revoked, for another use."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

import labs
from labs import Stream
from lib.memory import memory
from lib.until import until

TEXT = """backbone demo;
site fra { location 50.11,8.68; networks 10.10.0.0/16; }
site nyc { location 40.71,-74.01; networks 10.20.0.0/16; }
service inet type internet;
node fra1 { id 1; site fra;
    port wan { interface eth1; service inet; address 198.51.100.10/24; gateway 198.51.100.1; }
    port lan { interface eth0; lan; address 10.10.0.1/16; } }
node nyc1 { id 2; site nyc;
    port wan { interface eth1; service inet; address 203.0.113.10/24; gateway 203.0.113.1; }
    port lan { interface eth0; lan; address 10.20.0.1/16; } }
overlay link { design ipsec; over inet; auth ca acme-ca; ike { reauthenticate 10s; } }
"""
OTHER = {"fra1": "nyc1", "nyc1": "fra1"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = labs.Lab(tmp_path_factory.mktemp("lab"), TEXT)
    try:
        yield lab
    finally:
        lab.down()
        assert labs.left_behind(lab.name) == []


def live(lab, node="fra1"):
    try:
        peers = lab.show(node, "peers")["peers"]
    except (OSError, ValueError, KeyError):
        return False
    return [p["state"] for p in peers if p["peer"] == OTHER[node]] == ["live"]


def both_live(lab):
    return live(lab, "fra1") and live(lab, "nyc1")


def texts(lab, node):
    return [e["text"] for e in lab.show(node, "events")["events"]]


def overlay(lab):
    return lab.show("nyc1", "overlays")["overlays"][0]


def secrets(lab):
    return lab.dir / "secrets" / "acme-ca"


def ca(lab, *words):
    subprocess.run([labs.MYELIN, "ca", words[0], secrets(lab), *words[1:]], check=True,
                   capture_output=True)


def reload(lab, *nodes):
    for node in nodes or ("fra1", "nyc1"):
        lab.run(node, labs.MYELIN, "reload")


def spi(lab):
    """The SPI by which fra1 hears nyc1: another one after each authentication."""
    return [p["spi-in"] for p in lab.show("fra1", "peers")["peers"]][0]


def anew(lab):
    before = spi(lab)
    until(lambda: f"authenticated anew\n{lab.logs()}",
          lambda: both_live(lab) and spi(lab) not in (None, before), 40)


def test_nodes_with_certificates_meet_and_prove_themselves_again_and_again(lab):
    assert both_live(lab)
    for node in lab.nodes:
        assert lab.role(node, "signer")
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send_while(200, lambda: anew(lab))
        s.send(200, 200)
        assert s.lost() == []
    assert both_live(lab)


def test_a_signer_killed_under_traffic_stops_nothing(lab):
    with Stream(lab, "host-fra", "host-nyc") as s:
        for node in lab.nodes:
            others = [lab.role(node, r) for r in ("control", "forward")]
            s.send_while(500, lambda: lab.kill(node, "signer"))
            assert others == [lab.role(node, r) for r in ("control", "forward")]
        s.send_while(200, lambda: anew(lab))
        assert s.lost() == []
    assert both_live(lab)


def queued(lab, pid):
    """Something was sent to fra1's process that it has not read: of its sockets, by their queues."""
    inodes = {m[1] for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()
              if (m := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd)))}
    shown = lab.run("fra1", "ss", "-xanH")
    return any(int(w[2]) > 0 for w in map(str.split, shown.splitlines()) if w[5] in inodes)


def test_a_signer_killed_in_the_middle_of_a_handshake_is_asked_again(lab):
    """It is stopped, so that a handshake comes to wait for it, and then killed."""
    signer = lab.role("fra1", "signer")
    os.kill(signer, signal.SIGSTOP)
    lab.restart("nyc1", signal.SIGKILL)
    until(lambda: f"a handshake waits for fra1's signature\n{lab.show('fra1', 'peers')}",
          lambda: queued(lab, signer), 30)
    assert not live(lab, "nyc1")
    os.kill(signer, signal.SIGKILL)
    until(lambda: f"they meet again\n{lab.logs()}", lambda: both_live(lab), 30)
    assert lab.role("fra1", "signer") != signer


def closed(lab, node, says):
    """No peer is live, and an event or what is shown of the peer says why."""
    reasons = [p["reason"] or "" for p in lab.show(node, "peers")["peers"]]
    return not live(lab, node) and any(says in t for t in [*reasons, *texts(lab, node)])


def test_revoked_is_closed_at_once_and_not_let_in_again(lab):
    ca(lab, "revoke", "nyc1")
    reload(lab, "fra1")
    until(lambda: f"the revoked one is out\n{lab.show('fra1', 'peers')}",
          lambda: closed(lab, "fra1", "CN=nyc1: revoked"), 20)
    # The other one reads of it in the list too, and says so of its own certificate.
    reload(lab, "nyc1")
    until(lambda: f"it knows of itself\n{texts(lab, 'nyc1')}",
          lambda: closed(lab, "nyc1", "nyc1.pem: revoked by"), 20)
    with Stream(lab, "host-fra", "host-nyc") as s:
        s.send(50, 100)
        assert len(s.lost()) == 50
    # Another certificate under the same name is as good as the first one was.
    ca(lab, "sign", "nyc1", "ed25519")
    reload(lab)
    until(lambda: f"let in with a new one\n{lab.logs()}", lambda: both_live(lab), 30)


def reason(lab):
    """Why nyc1 has no peer; "" while it cannot be asked."""
    try:
        return lab.show("nyc1", "peers")["peers"][0]["reason"] or ""
    except OSError:
        return ""


def openssl_sign(lab, node, *, days=60, usage="digitalSignature",
                 extended="1.3.6.1.5.5.7.3.17", name=None, key="ec"):
    """A certificate by the lab's authority, made by another tool, for the node's file names."""
    d = secrets(lab)
    opts = {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]}[key]

    def run(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    run("genpkey", *opts, "-out", d / "new.key")
    (d / "new.key").chmod(0o600)
    run("req", "-new", "-key", d / "new.key", "-subj", f"/CN={name or node}", "-out", d / "new.csr")
    (d / "new.ext").write_text(f"subjectAltName=DNS:{name or node}\nkeyUsage={usage}\n"
                               f"extendedKeyUsage={extended}\n")
    run("x509", "-req", "-in", d / "new.csr", "-CA", d / "ca.pem", "-CAkey", d / "ca.key",
        "-set_serial", str(int.from_bytes(os.urandom(8), "big")), "-days", str(days),
        "-extfile", d / "new.ext", "-out", d / "new.pem")
    (d / "new.pem").chmod(0o644)
    (d / "new.key").rename(d / f"{node}.key")
    (d / "new.pem").rename(d / f"{node}.pem")


@pytest.mark.parametrize("how, says", [
    ({"days": 0}, "nyc1.pem: expired"),
    ({"extended": "codeSigning"}, "nyc1.pem: not for IKE"),
    ({"usage": "keyEncipherment"}, "nyc1.pem: not for IKE"),
    ({"name": "bom1"}, "nyc1.pem: does not name this node"),
])
def test_a_certificate_that_peers_would_refuse_is_told_of_by_its_own_node(lab, how, says):
    openssl_sign(lab, "nyc1", **how)
    reload(lab, "nyc1")
    until(lambda: f"{says}\n{texts(lab, 'nyc1')}", lambda: any(says in t for t in texts(lab, "nyc1")),
          20)
    # What stands goes on; whoever starts with it comes to nobody.
    assert both_live(lab)
    lab.restart("nyc1", signal.SIGKILL)
    until(lambda: f"it says why\n{lab.logs()}", lambda: not live(lab, "nyc1") and says in reason(lab),
          20)
    openssl_sign(lab, "nyc1", key="rsa")    # by another tool, and of another kind
    reload(lab, "nyc1")
    until(lambda: f"a good one is taken\n{lab.logs()}", lambda: both_live(lab), 40)


def test_a_file_that_went_wrong_takes_nothing_away(lab):
    d = secrets(lab)
    for name, says in (("ca.pem", "holds no certificate"), ("crl.pem", "holds no revocation list"),
                       ("nyc1.pem", "holds no certificate"), ("nyc1.key", "holds no private key"),
                       ("nyc1.key", "is not the key of")):
        good = (d / name).read_bytes()
        try:
            (d / name).write_bytes((d / "fra1.key").read_bytes() if "not the key" in says
                                   else good[:20])
            reload(lab, "nyc1")
            until(lambda: f"{name}: {texts(lab, 'nyc1')}",
                  lambda: any(f"{name}: {says}" in t for t in texts(lab, "nyc1")), 20)
            assert both_live(lab)
            assert f"{name}: {says}" in overlay(lab)["reason"]
        finally:
            (d / name).write_bytes(good)
    (d / "nyc1.key").chmod(0o644)
    reload(lab, "nyc1")
    until("its mode is told", lambda: any("nyc1.key: Permission denied" in t
                                          for t in texts(lab, "nyc1")), 20)
    (d / "nyc1.key").chmod(0o600)
    reload(lab, "nyc1")
    until(lambda: f"all is well again: {overlay(lab)}", lambda: overlay(lab)["reason"] is None, 20)
    anew(lab)


def test_a_certificate_that_ends_soon_is_told_of(lab):
    openssl_sign(lab, "nyc1", days=10)
    reload(lab, "nyc1")
    until(lambda: f"it is shown: {overlay(lab)}", lambda: re.search(
        "ends in (9|10) days", overlay(lab)["reason"] or ""), 20)
    assert both_live(lab)
    assert any(re.search("ends in (9|10) days", t) for t in texts(lab, "nyc1")), texts(lab, "nyc1")


def test_a_private_key_is_in_the_memory_of_its_signer_alone(lab):
    openssl_sign(lab, "nyc1")
    reload(lab, "nyc1")
    anew(lab)
    shown = subprocess.run(["openssl", "pkey", "-in", secrets(lab) / "nyc1.key", "-noout", "-text"],
                           check=True, capture_output=True, text=True).stdout
    scalar = bytes.fromhex(re.sub(r"[\s:]", "", shown.split("priv:")[1].split("pub:")[0]))[-48:]
    pem = (secrets(lab) / "nyc1.key").read_text().splitlines()[1][:48].encode()
    held = {role: [form in memory(lab.role("nyc1", role)) for form in (scalar, scalar[::-1], pem)]
            for role in ("control", "forward", "signer")}
    held["parent"] = [form in memory(lab.parent("nyc1")) for form in (scalar, scalar[::-1], pem)]
    assert any(held.pop("signer")), "it would be found"
    assert not any(any(v) for v in held.values()), held


def test_nothing_of_a_private_key_is_in_a_log_or_an_answer(lab):
    d = secrets(lab)
    words = [line for node in lab.nodes for line in (d / f"{node}.key").read_text().splitlines()
             if not line.startswith("-")]
    shown = lab.logs() + "".join(str(lab.show(n, w)) for n in lab.nodes
                                 for w in ("overlays", "peers", "events", "sa"))
    assert words and not [w for w in words if w in shown]
