"""strongSwan's charon in a namespace of its own, from a root of its own, and the engine beside it.

charon has no kernel to give ESP to (the machine's may lack it): its own user-space ESP runs over a
TUN device, always in UDP. So whatever passes has passed NAT traversal's encapsulation, too.
"""
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time

from lib.netns import Namespace
from lib.until import until

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ROOT = TOP / "build" / "roots" / "strongswan"
ENTER = TOP / "test" / "roots" / "enter"
PEER = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build")) / "test/interop/ike_peer"

OURS, THEIRS = "192.0.2.1", "192.0.2.2"
INNER_OURS, INNER_THEIRS = "10.70.1.1", "10.70.2.1"

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


class Pair:
    """Two namespaces and a cable: `ours` for the engine, `theirs` for charon."""

    def __init__(self):
        self.ours, self.theirs = Namespace("ike"), Namespace("swan")
        self.ours.ip("link", "add", "w0", "type", "veth", "peer", "name", "w0", "netns",
                     self.theirs.name)
        for namespace, address, inner in [(self.ours, OURS, INNER_OURS),
                                          (self.theirs, THEIRS, INNER_THEIRS)]:
            namespace.ip("addr", "add", f"{address}/24", "dev", "w0")
            namespace.ip("addr", "add", f"{inner}/32", "dev", "lo")
            namespace.ip("link", "set", "w0", "up")

    def close(self):
        for namespace in (self.ours, self.theirs):
            namespace.kill()
            namespace.delete()


class Charon:
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
            stderr=subprocess.STDOUT, start_new_session=True)
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
        os.killpg(self.process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(10)
        (self.run_dir / "charon.vici").unlink(missing_ok=True)


class Engine:
    """build/test/interop/ike_peer in a namespace."""

    def __init__(self, namespace, **options):
        words = [f"{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            namespace.command(PEER, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, bufsize=1)
        self.events, self.errors, self._shows = [], [], queue.Queue()
        for function, stream in [(self._read, self.process.stdout),
                                 (self._complain, self.process.stderr)]:
            threading.Thread(target=function, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            event = json.loads(line)
            if event["event"] == "show":
                self._shows.put(event)
            else:
                self.events.append(event)

    def _complain(self, stream):
        for line in stream:
            self.errors.append(line.rstrip())

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def show(self):
        self.say("show")
        return self._shows.get(timeout=10)

    def established(self):
        """The IKE SAs that stand."""
        return [sa for sa in self.show()["sas"] if sa["state"] == "established"]

    def children(self):
        return [c for sa in self.established() for c in sa["children"] if c["up"]]

    def told(self):
        return "\n".join(self.errors[-20:])

    def stop(self):
        if self.process.poll() is None:
            self.say("quit")
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()



class Tap:
    """Hears all that passes an interface, in either direction."""

    def __init__(self, namespace, ifname):
        def listen():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            sock.bind((ifname, 3))
            return sock
        self.frames = []    # (seconds since the epoch, octets)
        self._sock = namespace.call(listen)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self):
        while True:
            try:
                raw = self._sock.recv(65536)
            except OSError:
                return
            if not raw:
                return
            self.frames.append((time.time(), raw))

    def close(self):
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._sock.close()
