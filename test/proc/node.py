"""A node in a namespace: the daemon with a scripted control role, and its wan cable in our hand."""
import errno
import os
import pathlib
import select
import signal
import socket
import subprocess

from lib.netns import Namespace
from lib.until import until
from lib.wire import TapEnd

PROGRAM = pathlib.Path(os.environ.get("MYELIND_SCRIPTED", pathlib.Path(
    __file__).resolve().parents[2] / "build/test/proc/myelind-scripted"))
# A sanitizer needs /proc, ptrace and more system calls than a role has, so that these builds
# leave out a part of the sandbox (src/proc/sandbox.h).
SANITIZED = PROGRAM.exists() and b"__asan_init" in PROGRAM.read_bytes()
WAN_MAC = "02:00:00:00:00:01"
EAPOL, ARP_ND, DHCP, BGP, LLDP, SSH, PING, INTEGRITY, ESP, CLEAR = (1 << i for i in range(10))
GUARD_MARK = 0x6D79656D     # of forward's own socket


class Node:
    def __init__(self, name, folder, wan_mac=WAN_MAC):
        self.name = name
        self.folder = folder
        self.secrets = folder / "secrets"
        self.state = folder / "state"
        self.secrets.mkdir(parents=True)
        self.secrets.chmod(0o700)
        self.config = folder / "backbone.conf"
        self.config.write_text("a scripted node\n")
        self.log_path = folder / "log"
        self.ns = Namespace(name)
        # The kernel speaks IPv6 on its own; tests that want to hear that switch it on.
        self.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        self.cable = TapEnd(self.ns, "wan0", mac=wan_mac)
        self.daemon = None
        self._raw = None

    def sysctl(self, path, value=None):
        """Reads one of the namespace's, after writing it when there is a value."""
        path = pathlib.Path("/proc/sys") / path
        if value is not None:
            self.ns.call(lambda: path.write_text(str(value)))
        return self.ns.call(path.read_text).strip()

    # The daemon.
    def start(self, *options, credentials=None):
        """credentials: a directory as systemd makes one, in place of --secrets."""
        where = () if credentials else ("--secrets", self.secrets)
        env = {**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)} if credentials else None
        with open(self.log_path, "ab") as log:
            self.daemon = self.ns.popen(
                PROGRAM, "--node", self.name, *where, "--state-dir", self.state, "--debug", *options,
                self.config, stdout=log, stderr=log, env=env)
        until(lambda: "the control role answers\n" + self.log(), lambda: self.pid("control")
              and self.pid("forward") and self.answers(), 30)

    def answers(self):
        try:
            return "parent LINK" in self.ask("seen")
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def ask(self, line, limit=30):
        """One command to the control role; its answer."""
        def connect():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(limit)
            s.connect(f"\0myelin/{self.name}")
            return s
        with self.ns.call(connect) as s:
            s.sendall(line.encode() + b"\n")
            answer = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    return answer.decode()
                answer += piece

    def pid(self, role):
        """The process of a role, or None."""
        if role == "parent":
            return self.daemon.pid
        path = pathlib.Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children")
        for pid in path.read_text().split() if path.exists() else ():
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--role" in words and words[words.index(b"--role") + 1] == role.encode():
                return int(pid)
        return None

    def kill(self, role, sig=signal.SIGKILL):
        """Kills a role and waits until its successor has taken over."""
        old = self.pid(role)
        before = self.count("parent LINK") if role == "forward" else 0
        os.kill(old, sig)
        until(lambda: f"{role} is back\n" + self.log(),
              lambda: self.pid(role) not in (None, old) and self.answers()
              and self.count("parent LINK") > before)

    def count(self, what):
        for line in self.ask("seen").splitlines():
            if line.startswith(what + " "):
                return int(line.split()[-1])
        return 0

    # The wan port and its guards.
    def want_wan(self, allow=EAPOL, vlan=0, eapol=0x888e, port=1, ifname="wan0", outer=0,
                 tpid=0x88a8):
        tags = f"{vlan}:{outer}:{tpid:x}" if outer else vlan
        answer = self.ask(f"want {port} 1 {ifname} {tags} 0 0 {eapol:x} {allow:x}")
        assert answer.startswith("0 "), answer + self.log()

    def want_overlay(self, name="core", port=2, over=1, mtu=1468):
        answer = self.ask(f"want {port} 3 {name} 0 {mtu} {over} 0 0")
        assert answer.startswith("0 "), answer + self.log()

    def counters(self, port=1):
        return {k: int(v) for k, v in (l.split() for l in self.ask(f"stats {port}").splitlines())}

    def send_raw(self, *frames, mark=0):
        """As another program of the node would: by a raw socket on the wan interface."""
        if self._raw is None:
            def make():
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                s.bind(("wan0", 0))
                return s
            self._raw = self.ns.call(make)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        for frame in frames:
            try:
                self._raw.send(frame)
            except OSError:
                pass    # what a guard drops is told to the sender as a full queue

    def send_super(self, header, frame):
        """The same for a superframe, behind the virtio header that says so. False: the kernel has no
        such superframes (of UDP, before Linux 6.2)."""
        def make():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            s.setsockopt(263, 15, 1)        # SOL_PACKET, PACKET_VNET_HDR
            s.bind(("wan0", 0))
            return s
        with self.ns.call(make) as s:
            try:
                s.send(header + frame)
            except OSError as e:
                return e.errno != errno.EINVAL
        return True

    def left(self, marker):
        """What came out of the wan interface up to the marker, which is sent now and must pass."""
        self.send_raw(marker)
        frames = []
        while True:
            ready, _, _ = select.select([self.cable], [], [], 20)
            assert ready, f"the marker did not come out; before it: {frames}"
            frame = self.cable.read()
            if frame == marker:
                return frames
            frames.append(frame)

    def processes(self):
        return [self.pid(role) for role in ("parent", "control", "forward")]

    def wait_gone(self, pids):
        """The processes of a daemon that was told to end, or killed."""
        self.daemon.wait(20)
        until("the roles are gone", lambda: not any(os.path.exists(f"/proc/{p}") for p in pids))

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        if self._raw:
            self._raw.close()
        self.cable.close()
        self.ns.delete()
        log = self.log()
        for word in ("Sanitizer", "runtime error", "cannot confine"):
            assert word not in log, log
