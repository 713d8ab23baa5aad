"""Two namespaces for strongSwan's charon (lib/charon.py) and the engine beside it."""
import json
import os
import pathlib
import queue
import socket
import subprocess
import threading
import time

from lib.netns import Namespace

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PEER = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build")) / "test/interop/ike_peer"

OURS, THEIRS = "192.0.2.1", "192.0.2.2"
INNER_OURS, INNER_THEIRS = "10.70.1.1", "10.70.2.1"


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
