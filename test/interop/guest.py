"""A small Debian machine with peers nobody here wrote: Linux MACsec, Linux ESP, wpa_supplicant.

The kernel of the machine that runs the tests may have none of it, so the peers run in QEMU, in
software, with Debian's own kernel. The image is made from packages (test/roots/make-root), is
one file that the kernel unpacks into memory, and is kept under build/guest by the hash of its
recipe. A guest is ready in some seconds, runs scripts over a virtio port, and its interfaces are
datagram sockets: whoever holds the other end (test/lib/wire.py) is the cable.

    guest = Guest(sockets=[qemu_end])
    print(guest.run("ip -br link"))
    job = guest.start("ping -c 5 192.0.2.1")
    job.wait()
    guest.stop()

`python3 test/interop/guest.py` makes the image and times a boot.
"""
import base64
import ctypes
import fcntl
import hashlib
import inspect
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
MAKE_ROOT = TOP / "test" / "roots" / "make-root"
CACHE = TOP / "build" / "guest"
QEMU = "qemu-system-x86_64"
BOOT_LIMIT = 120    # s; 6 on an idle machine

PACKAGES = ["base-passwd", "bash", "coreutils", "libc-bin", "sed", "grep", "mawk", "procps",
            "util-linux", "mount", "kmod", "iproute2", "iputils-ping", "wpasupplicant",
            "socat", "strongswan-charon", "strongswan-swanctl", "libstrongswan-standard-plugins",
            "libstrongswan-extra-plugins", "libcharon-extra-plugins",
            # libreswan alone, which apt will not install beside strongSwan, and what it needs.
            "+libreswan", "libnss3-tools", "libaudit1", "libcap-ng0", "libcrypt1", "libcurl3-nss",
            "libevent-core-2.1-7", "libevent-pthreads-2.1-7", "libldap-2.5-0", "libldns3",
            "libpam0g", "libselinux1", "libsystemd0", "libunbound8"]
# What is loaded at boot, with all that it needs; every other module stays out of the image.
MODULES = ["virtio_pci", "virtio_console", "virtio_net", "virtio_rng", "aesni_intel", "gcm",
           "ccm", "ghash_generic", "ghash_clmulni_intel", "cmac", "ctr", "macsec", "8021q",
           "veth", "af_packet", "sch_ingress", "cls_bpf", "xfrm_user", "esp4", "esp6", "seqiv",
           "echainiv", "authenc", "authencesn", "cbc", "hmac", "sha256_generic", "sha512_generic",
           "chacha20poly1305", "chacha_generic", "poly1305_generic", "jitterentropy_rng", "drbg"]
# Big things that come along with the closure and that nobody here starts.
NEEDLESS = ["boot", "usr/lib/x86_64-linux-gnu/perl*", "usr/share/perl*", "usr/share/zoneinfo",
            "usr/lib/x86_64-linux-gnu/gconv", "usr/share/bash-completion", "usr/share/i18n",
            "usr/lib/x86_64-linux-gnu/libperl*", "usr/bin/perl*", "usr/share/common-licenses",
            "usr/lib/udev", "usr/bin/udevadm", "usr/bin/rsaperf",
            "usr/lib/x86_64-linux-gnu/security", "usr/share/pixmaps", "usr/share/applications"]

# First process of the guest. A request on the virtio port is a line `ID BYTES` and that many
# bytes of script; scripts run side by side, and the answer to each is a line
# `ID STATUS BYTES BYTES` with its output and its error output. A line `0 0 0 0` says: ready.
INIT = r"""#!/bin/bash
export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mkdir -p /dev/pts /run/netns /run/job
mount -t devpts pts /dev/pts
echo guest >/proc/sys/kernel/hostname
echo 1 >/proc/sys/kernel/printk
for m in $(cat /modules); do modprobe "$m" 2>/dev/null; done
ip link set lo up
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != control ] || device=/dev/${port##*/}
done
exec 3<>"$device"
reply() {
	exec 4>/run/job/lock
	flock 4
	printf '%s %d %d %d\n' "$1" "$2" "$(stat -c %s "$3.out")" "$(stat -c %s "$3.err")" >&3
	cat "$3.out" "$3.err" >&3
	exec 4>&-
	rm -f "$3" "$3.out" "$3.err"
}
printf '0 0 0 0\n' >&3
while true; do
	while read -r -u 3 id size; do
		job=/run/job/$id
		head -c "$size" <&3 >"$job"
		(
			bash "$job" </dev/null >"$job.out" 2>"$job.err" 3>&-
			reply "$id" $? "$job"
		) &
	done
	sleep 0.05
done
"""


class GuestError(Exception):
    pass


def unavailable():
    """Why no guest can run here, or None."""
    for tool in (QEMU, "cpio", "depmod", "modprobe", "dpkg-deb", "apt-get"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return f"{tool} is not installed"
    return None


def _sh(*command, **kw):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **kw).stdout


def image():
    """The directory with `vmlinuz` and `initrd`, made if it is not there: half a minute, once."""
    recipe = repr([PACKAGES, MODULES, NEEDLESS, INIT, inspect.getsource(_make_image),
                   MAKE_ROOT.read_text()])
    made = CACHE / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "initrd").exists():
            for old in CACHE.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            try:
                _make_image(made)
            except subprocess.CalledProcessError as e:
                raise GuestError(f"{e}\n{e.stderr}") from None
            finally:
                shutil.rmtree(CACHE / "new", ignore_errors=True)
    return made


def _make_image(made):
    depends = _sh("apt-cache", "depends", "linux-image-cloud-amd64")
    kernel = next(line.split()[-1] for line in depends.splitlines()
                  if "Depends: linux-image-" in line)
    version = kernel.removeprefix("linux-image-")
    work = CACHE / "new"
    root = work / "root"
    work.mkdir()
    _sh(str(MAKE_ROOT), str(root), *PACKAGES, "+" + kernel)
    (root / "boot" / f"vmlinuz-{version}").rename(work / "vmlinuz")

    modules = root / "usr" / "lib" / "modules" / version
    env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    _sh("depmod", "-b", str(root), version, env=env)
    wanted = set()
    for module in MODULES:
        for line in subprocess.run(["modprobe", "-d", root, "-S", version, "--show-depends",
                                    module], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   text=True, env=env).stdout.splitlines():
            if line.startswith("insmod "):
                wanted.add(pathlib.Path(line.split()[1]).resolve())
    for file in modules.rglob("*.ko"):
        if file.resolve() not in wanted:
            file.unlink()
    _sh("depmod", "-b", str(root), version, env=env)
    for pattern in NEEDLESS:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    (root / "usr" / "bin" / "sh").unlink()
    (root / "usr" / "bin" / "sh").symlink_to("bash")
    awk = root / "usr" / "bin" / "awk"
    if not awk.is_symlink():
        awk.symlink_to("mawk")
    (root / "modules").write_text("\n".join(MODULES) + "\n")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    with open(work / "initrd", "wb") as out:
        names = _sh("find", ".", "-print", cwd=root)
        subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=root, check=True,
                       input=names.encode(), stdout=out)
    shutil.rmtree(root)
    work.rename(made)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Job:
    """A script that runs in the guest."""

    def __init__(self, script):
        self.script, self.status, self.out, self.err = script, None, None, None
        self._done = threading.Event()

    def _finish(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self._done.set()

    def done(self):
        return self._done.is_set()

    def wait(self, timeout=60, check=True):
        """Its output; GuestError when it fails (unless check is false) or does not end."""
        if not self._done.wait(timeout):
            raise GuestError(f"not done within {timeout} s: {self.script}")
        if check and self.status:
            raise GuestError(f"status {self.status}: {self.script}\n{self.out}{self.err}")
        return self.out


class Guest:
    """One running machine. `sockets` are datagram sockets, one for each of eth0, eth1, …; they
    are passed to QEMU and closed here. `macs` are the interfaces' addresses."""

    def __init__(self, sockets=(), macs=(), memory=384, mtu=1500):
        self.image = image()
        self.macs = list(macs) or [f"52:54:00:00:01:{i:02x}" for i in range(len(sockets))]
        self.console = tempfile.TemporaryFile()
        ours, theirs = socket.socketpair()
        command = [
            QEMU, "-accel", "tcg", "-cpu", "Westmere,+rdrand,-x2apic", "-smp", "1",
            "-m", str(memory), "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-kernel", str(self.image / "vmlinuz"),
            "-initrd", str(self.image / "initrd"),
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on "
                       "tsc=reliable ipv6.disable_ipv6=1 net.ifnames=0",
            "-chardev", f"file,id=console,path=/proc/self/fd/{self.console.fileno()}",
            "-serial", "chardev:console", "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=control,fd={theirs.fileno()}",
            "-device", "virtserialport,chardev=control,name=control"]
        for i, (sock, mac) in enumerate(zip(sockets, self.macs)):
            command += ["-netdev", f"dgram,id=n{i},local.type=fd,local.str={sock.fileno()}",
                        "-device", f"virtio-net-pci,netdev=n{i},mac={mac},romfile=,host_mtu={mtu}"]
        fds = [theirs.fileno(), self.console.fileno(), *(s.fileno() for s in sockets)]
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=fds,
                                        stdout=self.console, stderr=self.console,
                                        preexec_fn=_die_with_parent)
        theirs.close()
        for sock in sockets:
            sock.close()
        self._control, self._jobs, self._next = ours, {}, 1
        self._lock, self._ready = threading.Lock(), threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        while not self._ready.wait(0.1):
            if self.process.poll() is not None or time.monotonic() > began + BOOT_LIMIT:
                state = self.process.poll()
                self.stop()
                raise GuestError(f"did not boot (QEMU's status: {state})\n{self.log()}")
        self.boot_seconds = time.monotonic() - began

    def log(self):
        """What the kernel and QEMU had to say."""
        return os.pread(self.console.fileno(), 1 << 20, 0).decode(errors="replace")

    def _read(self):
        stream = self._control.makefile("rb")
        try:
            while header := stream.readline():
                number, status, out, err = map(int, header.split())
                out = stream.read(out).decode(errors="replace")
                err = stream.read(err).decode(errors="replace")
                if number == 0:
                    self._ready.set()
                elif job := self._jobs.pop(number, None):
                    job._finish(status, out, err)
        except (OSError, ValueError):
            pass
        for job in list(self._jobs.values()):
            job._finish(-1, "", "the guest is gone")

    def start(self, script):
        """Runs a bash script; returns a Job at once."""
        job = Job(script)
        body = script.encode()
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._jobs[number] = job
            self._control.sendall(f"{number} {len(body)}\n".encode() + body)
        return job

    def run(self, script, timeout=60, check=True):
        return self.start(script).wait(timeout, check)

    def put(self, path, text):
        """Writes a file in the guest."""
        self.run(f"cat >'{path}' <<'END-OF-FILE'\n{text}\nEND-OF-FILE")

    def put_program(self, path, octets):
        text = base64.encodebytes(octets).decode()
        self.run(f"base64 -d >'{path}' <<'END-OF-FILE'\n{text}END-OF-FILE\nchmod +x '{path}'")

    def stop(self):
        self.process.kill()
        self.process.wait()
        try:
            self._control.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.join(5)
        self._control.close()


def main():
    began = time.monotonic()
    print(f"image {image()} in {time.monotonic() - began:.1f} s")
    guest = Guest()
    print(f"guest ready in {guest.boot_seconds:.1f} s")
    print(guest.run(" ".join(sys.argv[1:]) or "uname -r; wpa_supplicant -v; free -m; "
                    "cut -d' ' -f1 /proc/modules | tr '\\n' ' '"))
    guest.stop()


if __name__ == "__main__":
    main()
