"""myelind and its client, run by tests in a namespace."""
import json
import os
import pathlib
import signal
import socket
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build"))


class Node:
    """One myelind. `secrets` are name → text; `scratch` is a directory for its files (the lease
    files stay there over a restart, as they do on a machine)."""

    program = BUILD / "myelind"
    under = ()      # a program that runs it, with its options

    def __init__(self, namespace, name, config, secrets, scratch):
        self.namespace, self.name = namespace, name
        self.dir = pathlib.Path(scratch) / name
        self.secrets, self.state = self.dir / "secrets", self.dir / "state"
        self.secrets.mkdir(parents=True)
        self.config = self.dir / "backbone.conf"
        self.config.write_text(config)
        for secret, text in secrets.items():
            path = self.secrets / secret
            path.touch(mode=0o600)
            path.write_text(text)
        self.process = None

    def lease(self, name):
        """The file that holds which packet numbers were used under the keys of a psk secret."""
        return self.state / name

    def new_lease(self, name):
        """What an operator does once for new keys."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.lease(name).touch(mode=0o600)
        self.lease(name).write_text("new\n")

    def start(self):
        self.log = open(self.dir / "log", "ab")
        self.process = self.namespace.popen(
            *self.under, self.program, "--node", self.name, "--secrets", self.secrets,
            "--state-dir", self.state, self.config, stdout=self.log, stderr=self.log)
        self.log.close()

    def said(self):
        """Its log so far."""
        return (self.dir / "log").read_text(errors="replace")

    def ask(self, line):
        """The answer to one line on the daemon's socket, as JSON; None while nobody answers."""
        def talk():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(20)
                s.connect(f"\0myelin/{self.name}")
                s.sendall(line.encode() + b"\n")
                return b"".join(iter(lambda: s.recv(65536), b""))
        try:
            return json.loads(self.namespace.call(talk))
        except (ConnectionError, FileNotFoundError, TimeoutError, json.JSONDecodeError):
            return None

    def show(self, *words):
        """What `myelin show WORDS --json` prints; None while nobody answers."""
        return self.ask(" ".join(("show",) + words))

    def roles(self):
        """Process ids of the roles by name."""
        found = {}
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in map(int, children.read_text().split()):
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--role" in words:
                found[words[words.index(b"--role") + 1].decode()] = pid
        return found

    def kill(self, role):
        os.kill(self.roles()[role], signal.SIGKILL)

    def stop(self, limit=20):
        """SIGTERM and its exit status; killed when it does not end."""
        if not self.process:
            return None
        self.process.terminate()
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end within {limit} s of SIGTERM") from None
        finally:
            self.process = None
