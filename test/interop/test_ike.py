"""IKEv2 against strongSwan's charon: the engine calls and is called, with every kind of proof; keys
change from either end and from both at once while packets pass; tshark opens what was said.

The packets are pings into charon's tunnel that the engine's end answers with the keys it was given:
they come back only when SPIs, keys and directions agree.
"""
import datetime
import pathlib
import re
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from lib.until import until
from lib.wire import save_pcap
from strangers import (INNER_OURS, INNER_THEIRS, OURS, THEIRS, Charon, Engine, Pair, Tap,
                       make_root)

PSK = "a secret between two"


@pytest.fixture(scope="module", autouse=True)
def root():
    try:
        make_root()
    except RuntimeError as e:
        pytest.skip(f"no strongSwan, its packages cannot be had: {e}")


@pytest.fixture(scope="module")
def pair(root):
    pair = Pair()
    yield pair
    pair.close()


def connection(auth="psk", proposals="aes256gcm16-prfsha384-x25519", esp="aes256gcm16-x25519",
               extra="", child="", local="swan", remote="engine", ca=""):
    secret = f'secrets {{ ike {{ secret = "{PSK}" }} {ca} }}' if auth == "psk" \
        else f"secrets {{ {ca} }}"
    mine = "auth = psk" if auth == "psk" else "auth = pubkey\n certs = swan.pem"
    return f"""connections {{ p {{ version = 2
  proposals = {proposals}
  local_addrs = {THEIRS}
  remote_addrs = {OURS}
  encap = yes
  mobike = no
  {extra}
  local {{ {mine}
    id = {local} }}
  remote {{ auth = {'psk' if auth == 'psk' else 'pubkey'}
    id = {remote} }}
  children {{ c {{ esp_proposals = {esp}
    local_ts = {INNER_THEIRS}/32
    remote_ts = {INNER_OURS}/32
    {child} }} }} }} }}
{secret}
"""


OPTIONS = dict(local=OURS, remote=THEIRS, local_id="engine", remote_id="swan", psk=PSK,
               ts_local=f"{INNER_OURS}-{INNER_OURS}", ts_remote=f"{INNER_THEIRS}-{INNER_THEIRS}")


class Setup:
    def __init__(self, pair, tmp_path, swanctl, files=(), charon_extra="", **options):
        self.pair = pair
        self.charon = Charon(pair.theirs, tmp_path / "swan", swanctl, files, charon_extra)
        self.keylog = tmp_path / "keylog"
        self.tap = None
        self.engine = Engine(pair.ours, **{**OPTIONS, "keylog": self.keylog, **options})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.engine.stop()
        self.charon.stop(kill=True)
        self.pair.theirs.kill()
        if self.tap:
            self.tap.close()

    def words(self):
        return f"{self.engine.told()}\n{self.charon.log()}"

    def capture(self):
        self.tap = Tap(self.pair.ours, "w0")

    def bring_up(self, who):
        if who == "engine":
            self.engine.say("up")
        else:
            self.charon.ctl("--initiate", "--child", "c", "--timeout", "15", check=False)
        until(self.words, lambda: self.engine.children() and "INSTALLED" in self.sas(), 20)

    def sas(self):
        return self.charon.ctl("--list-sas", check=False)

    def ping(self, count, interval=0.01):
        """How many of `count` pings into charon's tunnel are answered by the engine's end."""
        out = self.pair.theirs.run("ping", "-q", "-n", "-c", count, "-i", interval, "-W", "2",
                                   "-I", INNER_THEIRS, INNER_OURS, check=False, timeout=300)
        return int(re.search(r"(\d+) received", out)[1])


@pytest.mark.parametrize("who", ["engine", "charon"])
def test_shared_secret_and_tshark_agrees(pair, tmp_path, who):
    with Setup(pair, tmp_path, connection()) as s:
        s.capture()
        s.bring_up(who)
        assert s.ping(20) == 20
        sa = s.engine.established()
        assert len(sa) == 1 and sa[0]["initiator"] == (who == "engine")
        assert sa[0]["encap"] and sa[0]["suite"] == "aes-gcm-16-256 prf-hmac-sha2-384 x25519"
        assert s.engine.show()["esp_bad"] == 0
        table = pathlib.Path(s.keylog).read_text()
        save_pcap(tmp_path / "wire.pcap", s.tap.frames)
        config = tmp_path / "wireshark" / "wireshark"
        config.mkdir(parents=True)
        (config / "ikev2_decryption_table").write_text(table)
        shown = subprocess.run(
            ["tshark", "-n", "-r", tmp_path / "wire.pcap", "-Y", "isakmp", "-T", "fields", "-e",
             "isakmp.exchangetype", "-e", "isakmp.typepayload", "-e", "isakmp.id.data.fqdn", "-e", "_ws.malformed"],
            capture_output=True, text=True, check=True,
            env={"PATH": "/usr/sbin:/usr/bin", "XDG_CONFIG_HOME": str(tmp_path / "wireshark"),
                 "HOME": str(tmp_path)}).stdout
        auth = [line for line in shown.splitlines() if line.startswith("35")]
        assert len(auth) == 2 and "engine" in shown and "swan" in shown
        # AUTH (39), SA (33), TSi (44) and TSr (45) are seen inside, and nothing is malformed.
        assert all(kind in line for line in auth for kind in ("39", "33", "44", "45"))
        assert "alformed" not in shown


class Authority:
    """A certificate authority of Python's making."""

    def __init__(self, kind):
        self.kind, self.key = kind, self.new_key(kind)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {kind}")])
        self.cert = self.sign("", self.key, self.name, ca=True)
        self.count = 1

    @staticmethod
    def new_key(kind):
        return {"rsa": lambda: rsa.generate_private_key(65537, 3072),
                "ecdsa256": lambda: ec.generate_private_key(ec.SECP256R1()),
                "ecdsa384": lambda: ec.generate_private_key(ec.SECP384R1()),
                "ecdsa521": lambda: ec.generate_private_key(ec.SECP521R1()),
                "ed25519": ed25519.Ed25519PrivateKey.generate}[kind]()

    def sign(self, name, key, subject=None, ca=False, days=30, begin=-1):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder().subject_name(
            subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])) \
            .issuer_name(self.name).public_key(key.public_key()) \
            .serial_number(x509.random_serial_number()) \
            .not_valid_before(now + datetime.timedelta(days=begin)) \
            .not_valid_after(now + datetime.timedelta(days=days)) \
            .add_extension(x509.BasicConstraints(ca, None), True)
        if name:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        return builder.sign(self.key, None if self.kind == "ed25519" else hashes.SHA256())

    def issue(self, name, **kw):
        key = self.new_key(self.kind)
        return pem_key(key), pem(self.sign(name, key, **kw))


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def certified(tmp_path, authority, **ours):
    """Files for charon, and options for the engine."""
    key, cert = authority.issue("swan")
    files = [("x509ca/ca.pem", pem(authority.cert)), ("x509/swan.pem", cert),
             ("private/swan.pem", key)]
    key, cert = authority.issue("engine", **ours)
    for name, content in [("engine.key", key), ("engine.pem", cert),
                          ("ca.pem", pem(authority.cert))]:
        (tmp_path / name).write_bytes(content)
    return files, dict(key=tmp_path / "engine.key", cert=tmp_path / "engine.pem",
                       ca=tmp_path / "ca.pem")


@pytest.mark.parametrize("who", ["engine", "charon"])
@pytest.mark.parametrize("kind", ["rsa", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"])
def test_certificates(pair, tmp_path, kind, who):
    files, options = certified(tmp_path, Authority(kind))
    with Setup(pair, tmp_path, connection("pubkey"), files, **options) as s:
        s.bring_up(who)
        assert s.ping(5) == 5
        assert s.engine.established()[0]["auth"] == "signature"


def test_large_certificates_arrive_in_fragments(pair, tmp_path):
    authority = Authority("rsa")
    files, options = certified(tmp_path, authority)
    with Setup(pair, tmp_path, connection("pubkey", extra="send_cert = always\n fragmentation = force"),
               files, "fragment_size = 600", **options) as s:
        s.bring_up("charon")
        assert s.ping(5) == 5
        assert s.engine.show()["results"]["fragment-more"] >= 2


def test_expired_certificate_is_not_let_in(pair, tmp_path):
    files, options = certified(tmp_path, Authority("ecdsa256"))
    authority = Authority("ecdsa256")
    key, cert = authority.issue("swan", days=-1, begin=-9)
    (tmp_path / "ca.pem").write_bytes(pem(authority.cert))
    files = [("x509ca/ca.pem", pem(authority.cert)), ("x509/swan.pem", cert),
             ("private/swan.pem", key)]
    with Setup(pair, tmp_path, connection("pubkey"), files, **options) as s:
        s.charon.ctl("--initiate", "--child", "c", "--timeout", "5", check=False)
        assert not s.engine.established()
        results = s.engine.show()["results"]
        assert results.get("certificate", 0) + results.get("authentication", 0) >= 1, results


@pytest.mark.parametrize("who", ["engine", "charon"])
def test_wrong_secret_is_not_let_in(pair, tmp_path, who):
    with Setup(pair, tmp_path, connection(), psk="another secret") as s:
        if who == "engine":
            s.engine.say("up")
        else:
            s.charon.ctl("--initiate", "--child", "c", "--timeout", "5", check=False)
        until(s.words, lambda: {"authentication", "refused"} & set(s.engine.show()["results"])
              or any("AUTHENTICATION_FAILED" in line for line in s.engine.errors), 10)
        assert not s.engine.established()


OLD = [("aes256-sha256-modp2048", "aes256-sha256"), ("aes128-sha256-modp3072", "aes128-sha256"),
       ("aes256-sha512-ecp521", "aes256-sha512"), ("aes128gcm16-prfsha256-ecp256", "aes128gcm16"),
       ("chacha20poly1305-prfsha512-ecp384", "chacha20poly1305"),
       ("aes256-sha384-modp4096", "aes256-sha384")]


@pytest.mark.parametrize("who", ["engine", "charon"])
@pytest.mark.parametrize("ike, esp", OLD, ids=[ike for ike, _ in OLD])
def test_algorithms(pair, tmp_path, ike, esp, who):
    with Setup(pair, tmp_path, connection(proposals=ike, esp=esp), compatible=1, pfs=0) as s:
        s.bring_up(who)
        assert s.ping(5) == 5
        assert s.engine.show()["esp_bad"] == 0


@pytest.mark.parametrize("who", ["engine", "charon"])
def test_post_quantum_key(pair, tmp_path, who):
    swanctl = connection(extra="ppk_id = pq@acme\n ppk_required = yes",
                         ca='ppk { id-1 = pq@acme\n secret = "no quantum computer has this" }')
    with Setup(pair, tmp_path, swanctl, ppk_id="pq@acme", ppk="no quantum computer has this",
               ppk_required=1) as s:
        s.bring_up(who)
        assert s.ping(5) == 5
        assert s.engine.established()[0]["ppk"]


def test_keys_change_from_either_end_and_from_both_while_packets_pass(pair, tmp_path):
    with Setup(pair, tmp_path, connection()) as s:
        s.bring_up("engine")
        ping = pair.theirs.popen("ping", "-q", "-n", "-c", "10000", "-i", "0.003", "-W", "2", "-I",
                                 INNER_THEIRS, INNER_OURS, stdout=subprocess.PIPE, text=True)
        for round in range(3):
            for ours, theirs in [("rekey-child", None), (None, "--child"), ("rekey-ike", None),
                                 (None, "--ike"), ("rekey-child", "--child"),
                                 ("rekey-ike", "--ike"), ("rekey-ike", "--child"),
                                 ("rekey-child", "--ike")]:
                before = s.engine.show()
                if ours:
                    s.engine.say(ours)
                if theirs:
                    s.charon.ctl("--rekey", theirs, "c" if theirs == "--child" else "p",
                                 check=False)
                until(s.words, lambda: s.engine.show()["rekeys"] + s.engine.show()["child_rekeys"]
                      > before["rekeys"] + before["child_rekeys"], 10)
        out, _ = ping.communicate(timeout=120)
        assert "10000 received" in out, out + s.words()
        shown = s.engine.show()
        assert shown["rekeys"] >= 6 and shown["child_rekeys"] >= 6 and shown["lost"] == 0
        assert shown["esp_bad"] == 0
        until(s.words, lambda: len(s.engine.established()) == 1, 20)
        until(s.words, lambda: len(s.engine.children()) == 1, 20)


def test_charon_dies_and_comes_back(pair, tmp_path):
    with Setup(pair, tmp_path, connection(), dpd=2) as s:
        s.bring_up("engine")
        s.charon.stop(kill=True)
        s.charon = Charon(pair.theirs, tmp_path / "swan2", connection())
        s.charon.ctl("--initiate", "--child", "c", "--timeout", "15", check=False)
        until(s.words, lambda: s.ping(1) == 1, 20)


def test_closed_by_either_end(pair, tmp_path):
    with Setup(pair, tmp_path, connection()) as s:
        s.bring_up("engine")
        s.engine.say("down")
        until(s.words, lambda: "ESTABLISHED" not in s.sas(), 10)
        s.bring_up("charon")
        s.charon.ctl("--terminate", "--ike", "p")
        until(s.words, lambda: not s.engine.established(), 10)
