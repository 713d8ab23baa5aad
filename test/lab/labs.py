"""A lab of `myelin lab`, driven by tests: its nodes, its carrier's socket, what crosses the wire."""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from lib.netns import Namespace
from lib.until import until

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build"))
MYELIN = str(BUILD / "myelin")
SANITIZED = b"__asan_init" in (BUILD / "myelind").read_bytes()
RUN = pathlib.Path("/run/myelin-lab")

SITES = [("fra", "50.11,8.68"), ("nyc", "40.71,-74.01"), ("sin", "1.29,103.85"),
         ("gru", "-23.55,-46.63")]

SO_RCVBUFFORCE = 33     # of asm/socket.h; the socket module has no name for it

Seen = collections.namedtuple("Seen", "time port cls raw")
CLASSES = ["macsec", "eapol", "esp", "ike", "arp-nd", "dhcp", "bgp", "lldp", "ssh", "ping", "bypass",
           "clear",
           "neither"]


def backbone(nodes=4, name="lab", service="", port="", overlay="", mka="", macsec="", v6=False,
             routing="managed", topology="e-lan"):
    """A backbone of `nodes` sites on one service, with statements added where tests want them."""
    out = [f"backbone {name};"]
    subnet = "fd00:255::/64" if v6 else "10.255.0.0/24"
    for i, (site, place) in enumerate(SITES[:nodes], 1):
        nets = f"2001:db8:{i}0::/48" if v6 else f"10.{i}0.0.0/16"
        out.append(f"site {site} {{ location {place}; networks {nets}; }}")
        lan = f"2001:db8:{i}0::1/64" if v6 else f"10.{i}0.0.1/16"
        out.append(f"node {site}1 {{ id {i}; site {site}; "
                   f"port wan {{ interface eth1; service wave; {port} }} "
                   f"port lan {{ interface eth0; lan; address {lan}; }} }}")
    out.append(f"service wave {{ type ethernet; topology {topology}; mtu 1600; {service} }}")
    if not re.search(r"\bdestination\b", mka):
        mka += " destination broadcast;"
    if not re.search(r"\bhello\b", mka):
        mka += " hello 500ms; life 3s;"
    out.append(f"overlay core {{ design macsec; keying mka; over wave; subnet {subnet}; "
               f"routing {routing}; macsec {{ {macsec} }} mka {{ key-chain core-cak; {mka} }} "
               f"{overlay} }}")
    return "\n".join(out) + "\n"


def is_running(pid):
    """Neither gone nor waiting for its parent to take notice."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Lab:
    """`myelin lab up` of a text, named after this test run, so that labs side by side do not meet.

    options: of `myelin lab up`. Delays are a twentieth of the real ones unless told otherwise.
    """
    count = 0

    def __init__(self, tmp, text, *options, scale=0.05, wait=True):
        Lab.count += 1
        self.name = f"t{os.getpid()}-{Lab.count}"
        self.file = pathlib.Path(tmp) / f"{self.name}.conf"
        self.file.write_text(text)
        self.dir = RUN / self.name
        done = subprocess.run([MYELIN, "lab", "up", "--quick" if wait else "--no-wait", "--name",
                               self.name, "--delay-scale", str(scale), *options, self.file],
                              capture_output=True, text=True, timeout=120)
        if done.returncode:
            logs = self.logs()
            self.down(check=False)
            raise RuntimeError(f"lab up: status {done.returncode}\n{done.stdout}{done.stderr}{logs}")
        status = self.status()
        self.nodes = [n["name"] for n in status["nodes"]]
        self.hosts = [h["name"] for h in status["hosts"]]
        self.address = {h["name"]: h["addresses"] for h in status["hosts"]}

    # The lab's own commands

    def myelin(self, *words, check=True, timeout=60):
        done = subprocess.run([MYELIN, "lab", words[0], "--lab", self.name, *map(str, words[1:])],
                              capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"lab {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done.stdout

    def status(self):
        return json.loads(self.myelin("status", "--json"))

    def run(self, who, *command, check=True, timeout=60):
        return self.myelin("exec", who, "--", *command, check=check, timeout=timeout)

    def ns(self, who):
        return Namespace(f"{self.name}.{who}", attach=True)

    def logs(self):
        return "".join(f"--- {p.name}\n{p.read_text()[-3000:]}" for p in self.dir.glob("*.log"))

    def down(self, check=True):
        if not self.dir.exists():
            return
        logs = {p: p.open(errors="replace") for p in self.dir.glob("*.log")}
        subprocess.run([MYELIN, "lab", "down", self.name], check=check, capture_output=True,
                       timeout=60)
        # To the last word: a sanitizer reports leaks at the end.
        for path, log in logs.items():
            with log:
                said = log.read()
            assert not re.search("Sanitizer|runtime error:", said), f"{path}: {said[-6000:]}"

    # The daemons

    def ask(self, node, line):
        """An answer of a node's daemon, asked over its own socket."""
        def ask():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(20)
            s.connect(f"\0myelin/{node}")
            s.sendall(line.encode() + b"\n")
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            s.close()
            return json.loads(answer)
        return self.ns(node).call(ask)

    def show(self, node, what):
        return self.ask(node, f"show {what}")

    def peers(self, node, overlay="core"):
        """Peer's name → its entry, of those that are live and keyed. A daemon learns the names from
        traffic; here they follow from the SCI, which holds the node's id (02:6d:79:ID:ID:PORT)."""
        try:
            answer = self.show(node, "peers")
        except (OSError, ValueError):
            return {}
        return {self.nodes[int(p["sci"][6:10], 16) - 1]: p for p in answer.get("peers", [])
                if p.get("state") == "live" and p.get("key-id")
                and p.get("overlay") == overlay}

    def wait_live(self, limit=30):
        until(lambda: "every pair live and keyed\n" + self.logs(),
              lambda: all(len(self.peers(n)) == len(self.nodes) - 1
                          and "LOWER_UP" in self.ns(n).ip("link", "show", "core")
                          for n in self.nodes), limit)

    def counter(self, node, name):
        """A counter of the first SecY of a node, by the standard's name."""
        return self.show(node, "counters")["secys"][0]["counters"].get(name, 0)

    def drops(self, node):
        """Why frames from the carrier or an overlay went nowhere, by name, of the first SecY."""
        counters = self.show(node, "counters")["secys"][0]["counters"]
        return {k[len("path."):]: v for k, v in counters.items() if k.startswith("path.drop.")
                or k.startswith("path.guard-")}

    def parent(self, node):
        line = [w.split() for w in (self.dir / "state").read_text().splitlines()
                if w.startswith(f"process {node} ")][-1]
        return int(line[2])

    def role(self, node, role):
        """The process id of a role of a node's daemon, or None."""
        parent = self.parent(node)
        try:
            children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            for pid in children:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"--role" in words and words[words.index(b"--role") + 1] == role.encode():
                    return int(pid)
        except OSError:
            pass        # it ended meanwhile
        return None

    def kill(self, node, role):
        """kill -9 of a role; returns when its successor runs."""
        old = self.role(node, role)
        os.kill(old, signal.SIGKILL)
        return until(f"{role} of {node} started again",
                     lambda: (new := self.role(node, role)) and new != old and new, 10, 0.005)

    def restart(self, node, sig=signal.SIGTERM):
        """Ends a node's daemon and starts it again as it was started."""
        pid = self.parent(node)
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        roles = [self.role(node, r) for r in ("control", "forward")]
        os.kill(pid, sig)
        until("the daemon ended", lambda: not any(p and is_running(p) for p in [pid, *roles]), 10)
        with open(self.dir / f"{node}.log", "a", encoding="utf-8") as log:
            new = subprocess.Popen([MYELIN, "lab", "exec", "--lab", self.name, node, "--", *words],
                                   stdout=log, stderr=log, start_new_session=True)
        began = pathlib.Path(f"/proc/{new.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        with open(self.dir / "state", "a", encoding="utf-8") as state:
            state.write(f"process {node} {new.pid} {began}\n")

    @property
    def cak(self):
        for line in (self.dir / "secrets" / "core-cak").read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                return bytes.fromhex(line.split()[1])

    # The carrier

    def carrier_socket(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(10)
        s.connect(str(self.dir / "carrier.sock"))
        return s

    def carrier(self, *words):
        s = self.carrier_socket()
        s.send(" ".join(map(str, words)).encode())
        answer = json.loads(s.recv(1 << 20))
        s.close()
        assert "error" not in answer, answer
        return answer

    def ports(self):
        """Node → its port's entry in the carrier's status."""
        return {p["node"]: p for s in self.carrier("status")["services"] for p in s["ports"]}

    def neither(self):
        """Frames that were neither ciphertext nor an allowed exception, with the first of them."""
        status = self.carrier("status")
        views = [status["stray"]] + [p for s in status["services"] for p in s["ports"]]
        kept = [(v.get("node"), k["hex"]) for v in views for k in v["kept"]]
        return sum(v["neither"] for v in views), kept

    def assert_clean(self):
        count, kept = self.neither()
        assert count == 0, f"{count} frames left in clear: {kept}"
        assert sum(p["macsec"] for p in self.ports().values()) > 0, "no ciphertext at all"

    def capture(self, service="wave"):
        return Capture(self, service)


class Capture:
    """What enters the carrier while it is open, in order."""

    def __init__(self, lab, service):
        self.lab, self.frames, self._stop = lab, [], False
        self.missed = 0
        self.socket = lab.carrier_socket()
        self.socket.send(f"capture {service}".encode())
        assert self.socket.recv(100) == b"{}"
        self.socket.settimeout(0.2)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.nodes = {p["number"]: p["node"] for s in lab.carrier("status")["services"]
                      for p in s["ports"]}
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self._stop:
            try:
                b = self.socket.recv(1 << 16)
            except TimeoutError:
                continue
            if not b:
                return
            ns, port, cls, self.missed = struct.unpack(">QHHI", b[:16])
            self.frames.append(Seen(ns / 1e9, self.nodes[port], CLASSES[cls], b[16:]))

    def of(self, node, cls):
        return [f for f in list(self.frames) if f.port == node and f.cls == cls]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self.thread.join()
        self.socket.close()


class Stream:
    """UDP datagrams with numbers from one host to another; which arrived, and when."""

    def __init__(self, lab, source, sink, size=200, tos=0):
        self.to = lab.address[sink][0]
        self.size = size
        family = socket.AF_INET6 if ":" in self.to else socket.AF_INET

        def receiver():
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
            s.bind((self.to, 0))
            s.settimeout(0.1)
            return s

        def sender():
            s = socket.socket(family, socket.SOCK_DGRAM)
            if tos:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            return s
        # A neighbour that is being resolved over a long way has the kernel drop the oldest of
        # what waits for it: that is done before anything is counted.
        lab.ns(source).run("ping", "-c", "1", "-W", "3", self.to, check=False)
        self.rx = lab.ns(sink).call(receiver)
        self.tx = lab.ns(source).call(sender)
        self.port = self.rx.getsockname()[1]
        self.sent, self.arrived, self._stop = 0, {}, False
        self.duplicates = 0
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def _receive(self):
        while not self._stop:
            try:
                b = self.rx.recv(2048)
            except TimeoutError:
                continue
            number = struct.unpack(">Q", b[:8])[0]
            self.duplicates += number in self.arrived
            self.arrived[number] = time.monotonic()

    def send(self, count, rate):
        """count datagrams at so many a second at most. What this process was kept from sending in
        time is not made up for: a burst would measure the length of queues."""
        due = time.monotonic()
        for _ in range(count):
            ahead = due - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            due += 1 / rate if ahead > -0.02 else 1 / rate - ahead
            try:
                self.tx.sendto(struct.pack(">Q", self.sent).ljust(self.size, b"\xa5"),
                               (self.to, self.port))
            except OSError:
                pass    # no route while an overlay is down: it counts as lost
            self.sent += 1

    def send_while(self, rate, action):
        """Sends at a rate from now until action() has returned; returns what that gave."""
        result, done = [], threading.Event()

        def act():
            try:
                result.append((action(), None))
            except BaseException as e:
                result.append((None, e))
            done.set()
        thread = threading.Thread(target=act)
        thread.start()
        while not done.is_set():
            self.send(max(1, int(rate / 20)), rate)
        thread.join()
        value, error = result[0]
        if error:
            raise error
        return value

    def lost(self, settle=2.0):
        """The numbers that did not arrive, after giving them time to."""
        try:
            until("all arrived", lambda: len(self.arrived) == self.sent, settle, 0.02)
        except AssertionError:
            pass
        return sorted(set(range(self.sent)) - set(self.arrived))

    def longest_gap(self):
        """Seconds, between two arrivals."""
        times = sorted(self.arrived.values())
        return max((b - a for a, b in zip(times, times[1:])), default=float("inf"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self.thread.join()
        self.rx.close()
        self.tx.close()


WITNESS = """
import signal, sys, time
worst, stop = 0.0, []
signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
print("ready", flush=True)
last = time.monotonic()
while not stop:
    time.sleep(0.001)
    now = time.monotonic()
    worst, last = max(worst, now - last - 0.001), now
print(worst)
"""


class Witness:
    """Records how long this machine's scheduler kept a sleeping process waiting, at worst."""

    def __enter__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", WITNESS], text=True,
                                        stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.worst = float(self.process.communicate()[0])


def left_behind(name):
    """What is still there of a lab that is gone: should be nothing."""
    found = []
    for ns in pathlib.Path("/run/netns").glob(f"{name}.*"):
        found.append(f"namespace {ns.name}")
    if (RUN / name).exists():
        found.append(f"directory {RUN / name}")
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (p / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if int(p.name) != os.getpid() and f"{RUN / name}/".encode() in words + b"/":
            found.append(f"process {p.name} {words.decode(errors='replace')}")
    return found
