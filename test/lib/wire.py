"""A cable between two ends (or a hub between more), with the test in the middle of it.

    wire = Wire(TapEnd(namespace, "wan0"), SocketEnd(ours))

Every frame passes through this process, in order, and is kept with its time and the end it came
from: what was on the wire is known from the wire's own bytes, not from a tap that a guard or a
driver may bypass. A hook may hold frames back or change them; any frame may be injected at
either end.
"""
import fcntl
import os
import select
import socket
import struct
import threading
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


class TapEnd:
    """The other end of an interface `ifname` that appears in a namespace. It is down: whose it
    is brings it up, with its guards in place."""

    def __init__(self, namespace, ifname, mac=None, mtu=None):
        def create():
            fd = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", ifname.encode(), IFF_TAP | IFF_NO_PI))
            return fd
        self.fd = namespace.call(create)
        if mac:
            namespace.ip("link", "set", ifname, "address", mac)
        if mtu:
            namespace.ip("link", "set", ifname, "mtu", str(mtu))

    def fileno(self):
        return self.fd

    def read(self):
        return os.read(self.fd, 65536)

    def write(self, frame):
        try:
            os.write(self.fd, frame)
        except OSError:
            pass    # the interface is down: a cable that nobody listens at

    def close(self):
        os.close(self.fd)


class SocketEnd:
    """One end of a datagram socket pair; the other one is a guest's interface. The socket stays
    open when the wire goes, for the next one; what waits in it is thrown away."""

    def __init__(self, sock):
        self.sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        while select.select([sock], [], [], 0)[0]:
            sock.recv(65536)

    def fileno(self):
        return self.sock.fileno()

    def read(self):
        return self.sock.recv(65536)

    def write(self, frame):
        try:
            self.sock.send(frame)
        except OSError:
            pass    # the guest is gone

    def close(self):
        pass


class Seen:
    """A frame as it entered the wire: seconds since the epoch, from which end, its octets."""
    __slots__ = ("time", "side", "raw")

    def __init__(self, side, raw):
        self.time, self.side, self.raw = time.time(), side, raw


class Wire:
    def __init__(self, *ends):
        self.ends = ends
        self.frames = []        # Seen, in order; append only while running
        self.hook = None        # (side, raw) → list of frames that go on to the other ends
        self._locks = [threading.Lock() for _ in ends]
        self._stop_r, self._stop_w = os.pipe()
        self._threads = [threading.Thread(target=self._carry, args=(side,), daemon=True)
                         for side in range(len(ends))]
        for thread in self._threads:
            thread.start()

    def _carry(self, side):
        here = self.ends[side]
        while True:
            ready, _, _ = select.select([here, self._stop_r], [], [])
            if self._stop_r in ready:
                return
            try:
                raw = here.read()
            except OSError:
                time.sleep(0.01)    # an interface that is down
                continue
            if not raw:
                return
            self.frames.append(Seen(side, raw))
            hook = self.hook
            for frame in [raw] if hook is None else hook(side, raw):
                for other in range(len(self.ends)):
                    if other != side:
                        self.deliver(other, frame)

    def deliver(self, side, raw):
        """Hands a frame to one end as if another had sent it; it is not counted as seen."""
        with self._locks[side]:
            self.ends[side].write(raw)

    def since(self, mark):
        """The frames from number `mark` on; `len(wire.frames)` now is a mark for later."""
        return self.frames[mark:]

    def cut(self):
        self.hook = lambda side, raw: []

    def mend(self):
        self.hook = None

    def save(self, path, frames=None):
        """Writes what was seen (so far, or some of it) as a pcap file."""
        save_pcap(path, [(f.time, f.raw) for f in list(self.frames if frames is None else frames)])

    def close(self):
        os.write(self._stop_w, b"x")
        for thread in self._threads:
            thread.join(5)
        for end in self.ends:
            end.close()
        os.close(self._stop_r)
        os.close(self._stop_w)


def save_pcap(path, frames):
    """frames: (seconds since the epoch, octets)."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for when, raw in frames:
            f.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(raw), len(raw)) + raw)
