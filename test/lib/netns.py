"""Network namespaces, and what tests do inside them."""
import ctypes
import os
import re
import signal
import subprocess
import threading

CLONE_NEWNET = 0x40000000


def sweep():
    """Removes what runs that were killed left: namespaces named after a process that is gone."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for line in listed.splitlines():
        if match := re.match(r"t(\d+)-[^.\s]+", line):
            if not os.path.exists(f"/proc/{match[1]}"):
                stale = Namespace(match[0], attach=True)
                stale.kill()
                subprocess.run(["ip", "netns", "del", stale.name], capture_output=True)


class Namespace:
    """A network namespace made by `ip netns`; an existing one when `attach` is true.

    Its name gets the test run's process id in front, so that runs side by side do not meet.
    Deleting it ends what still runs in it first.
    """

    def __init__(self, name, attach=False):
        self.name = name if attach else f"t{os.getpid()}-{name}"
        self._owned = not attach
        if self._owned:
            self.ip_host("netns", "add", self.name)
            self.ip("link", "set", "lo", "up")

    @staticmethod
    def ip_host(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def ip(self, *words, check=True):
        """`ip` inside; its output."""
        return self.run("ip", *words, check=check)

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, check=True, timeout=60):
        """Runs a program inside and returns its output."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: status {done.returncode}\n"
                               f"{done.stdout}{done.stderr}")
        return done.stdout

    def popen(self, *words, **kw):
        return subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, **kw)

    def call(self, function):
        """Calls a function on a thread that is inside: sockets and devices it opens stay there."""
        result = []

        def inside():
            try:
                fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
                try:
                    libc = ctypes.CDLL(None, use_errno=True)
                    if libc.setns(fd, CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                finally:
                    os.close(fd)
                result.append((function(), None))
            except BaseException as e:
                result.append((None, e))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        value, error = result[0]
        if error:
            raise error
        return value

    def pids(self):
        """Who runs inside."""
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def kill(self):
        """Ends whatever runs inside."""
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def delete(self):
        if self._owned:
            self.kill()
            subprocess.run(["ip", "netns", "del", self.name], capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.delete()
