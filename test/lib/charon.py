"""strongSwan's charon in a namespace, from a root of its own (test/roots/strongswan).

charon has no kernel to give ESP to (the machine's may lack it): its own user-space ESP runs over a
TUN device, always in UDP. So whatever passes has passed NAT traversal's encapsulation, too.
"""
import pathlib
import signal
import subprocess

from lib.until import until

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ROOT = TOP / "build" / "roots" / "strongswan"
ENTER = TOP / "test" / "roots" / "enter"

STRONGSWAN_CONF = """charon {
  load = random nonce openssl hmac kdf aes gcm chapoly curve25519 sha1 sha2 pem pkcs1 pkcs8 x509 \
revocation constraints pubkey kernel-libipsec kernel-netlink socket-default vici
  filelog { f { path = /run/charon.log
    default = 1
    ike = 2
    chd = 4
    flush_line = yes } }
  retransmit_timeout = 1
  retransmit_base = 1.3
  plugins { kernel-libipsec { allow_peer_ts = yes } }
}
"""


def make_root():
    """Unpacks strongSwan if it is not there; RuntimeError when its packages cannot be had."""
    done = subprocess.run([TOP / "test/roots/strongswan", ROOT], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1:])


class Charon:
    """`swanctl` is the text of swanctl.conf, whose connection is named p; `directory` is its /run."""

    def __init__(self, namespace, directory, swanctl, files=()):
        self.namespace, self.run_dir = namespace, pathlib.Path(directory)
        for sub in ("tmp", "swanctl/x509", "swanctl/x509ca", "swanctl/private", "swanctl/x509crl"):
            (self.run_dir / sub).mkdir(parents=True, exist_ok=True)
        (self.run_dir / "strongswan.conf").write_text(STRONGSWAN_CONF)
        (self.run_dir / "swanctl/swanctl.conf").write_text(swanctl)
        for name, content in files:
            (self.run_dir / "swanctl" / name).write_bytes(content)
        self.process = subprocess.Popen(
            self._command("env", "STRONGSWAN_CONF=/run/strongswan.conf", "/usr/lib/ipsec/charon"),
            stdin=subprocess.DEVNULL, stdout=open(self.run_dir / "out", "wb"),
            stderr=subprocess.STDOUT)
        until(self.log, lambda: (self.run_dir / "charon.vici").exists(), 15)
        until(lambda: self.loaded, self._load, 10)

    def _load(self):
        self.loaded = self.ctl("--load-all", "--file", "/run/swanctl/swanctl.conf", check=False)
        return "loaded connection 'p'" in self.loaded

    def _command(self, *words):
        return self.namespace.command(ENTER, ROOT, self.run_dir, *words)

    def ctl(self, *words, check=True, timeout=30):
        done = subprocess.run(
            self._command("env", "STRONGSWAN_CONF=/run/strongswan.conf",
                          "SWANCTL_DIR=/run/swanctl", "swanctl", *words),
            capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"swanctl {words}: {done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout + done.stderr

    def log(self):
        path = self.run_dir / "charon.log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else "(no log)"

    def whole_log(self):
        return (self.run_dir / "charon.log").read_text(errors="replace")

    def stop(self, kill=False):
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(10)
        (self.run_dir / "charon.vici").unlink(missing_ok=True)
