"""IKEv2 against strongSwan's charon, on this machine and without its kernel: what test_ipsec.py
does not try again. Algorithms, refusals, P-521; tshark opens what was said.

The packets are pings into charon's tunnel that the engine's end answers with the keys it was given:
they come back only when SPIs, keys and directions agree.
"""
import pathlib
import re
import subprocess

import pytest

from lib.charon import Charon, make_root
from lib.until import until
from lib.wire import save_pcap
from strangers import INNER_OURS, INNER_THEIRS, OURS, THEIRS, Engine, Pair, Tap
from xfrm import Authority, pem

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
               local="swan", remote="engine"):
    secret = f'secrets {{ ike {{ secret = "{PSK}" }} }}' if auth == "psk" else "secrets { }"
    mine = "auth = psk" if auth == "psk" else "auth = pubkey\n certs = swan.pem"
    return f"""connections {{ p {{ version = 2
  proposals = {proposals}
  local_addrs = {THEIRS}
  remote_addrs = {OURS}
  encap = yes
  mobike = no
  local {{ {mine}
    id = {local} }}
  remote {{ auth = {'psk' if auth == 'psk' else 'pubkey'}
    id = {remote} }}
  children {{ c {{ esp_proposals = {esp}
    local_ts = {INNER_THEIRS}/32
    remote_ts = {INNER_OURS}/32 }} }} }} }}
{secret}
"""


OPTIONS = dict(local=OURS, remote=THEIRS, local_id="engine", remote_id="swan", psk=PSK,
               ts_local=f"{INNER_OURS}-{INNER_OURS}", ts_remote=f"{INNER_THEIRS}-{INNER_THEIRS}")


class Setup:
    def __init__(self, pair, tmp_path, swanctl, files=(), **options):
        self.pair = pair
        self.charon = Charon(pair.theirs, tmp_path / "swan", swanctl, files)
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
def test_certificates(pair, tmp_path, who):
    files, options = certified(tmp_path, Authority("ecdsa521"))
    with Setup(pair, tmp_path, connection("pubkey"), files, **options) as s:
        s.bring_up(who)
        assert s.ping(5) == 5
        assert s.engine.established()[0]["auth"] == "signature"


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


def test_closed_by_either_end(pair, tmp_path):
    with Setup(pair, tmp_path, connection()) as s:
        s.bring_up("charon")
        s.charon.ctl("--terminate", "--ike", "p")
        until(s.words, lambda: not s.engine.established(), 10)
        s.bring_up("engine")
        s.engine.say("down")        # and is held down: the stranger could not call any more
        until(s.words, lambda: "ESTABLISHED" not in s.sas(), 10)
