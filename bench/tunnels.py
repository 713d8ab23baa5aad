"""What bench/peers compares: two namespaces, a cable between them, and a tunnel through it.

The cable is a veth pair of MTU 1500. The tunnels of others are Debian's packages in roots of their
own (test/roots/tunnels, test/roots/strongswan), as they come, with AES-GCM where they have it. Ours
is build/myelind, with a backbone of two nodes.
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "test"))

from lib.charon import Charon               # noqa: E402
from lib.charon import make_root as make_charon_root    # noqa: E402
from lib.daemon import Node                 # noqa: E402
from lib.netns import Namespace             # noqa: E402
from lib.until import until                 # noqa: E402

ROOT = TOP / "build" / "roots" / "tunnels"
ENTER = TOP / "test" / "roots" / "enter"
OUTER = ("192.0.2.1", "192.0.2.2")
NODES = ("left", "right")
BACKBONE = """backbone bench;
site left { location 50.11,8.68; }
site right { location 52.37,4.90; }
service cable { %s mtu 1500; }
node left { id 1; site left; port wan { interface wire0; service cable; %s } }
node right { id 2; site right; port wan { interface wire0; service cable; %s } }
overlay core { over cable; subnet 10.255.0.0/24; routing external; %s }
"""


def make_roots():
    done = subprocess.run([TOP / "test/roots/tunnels", ROOT], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bench/peers: the peers' packages cannot be had: {done.stderr.strip()}")
    make_charon_root()


def version(package):
    """Of a package in the root."""
    have = sorted((TOP / "build/roots/debs").glob(f"{package}_*.deb"))
    return have[-1].name.split("_")[1].replace("%3a", ":") if have else "?"


def family(pids):
    """These processes and all that came of them: roles have network namespaces of their own."""
    found, new = set(), set(pids)
    while new:
        found |= new
        new = {int(child) for pid in new
               for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
               for child in task.read_text().split()} - found
    return found


class Tunnel:
    """The cable by itself. `inner`: what a flow goes between."""

    name, package, inner = "veth", None, OUTER
    what = "plain veth, checksum, segmentation and GRO left to the other end"

    def __init__(self, scratch):
        self.spaces, self.processes = [], []
        self.dir = pathlib.Path(scratch) / self.name
        for node in NODES:
            (self.dir / node / "tmp").mkdir(parents=True)
        try:
            for node in NODES:
                self.spaces.append(Namespace(f"{self.name}-{node}"))
            self.spaces[0].ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire0",
                              "netns", self.spaces[1].name)
            self.prepare()
            self.start()
            until(self.log, self.reached, 40, 0.3)
        except BaseException:
            self.close()
            raise

    def prepare(self):
        for space, address in zip(self.spaces, OUTER):
            space.ip("addr", "add", f"{address}/24", "dev", "wire0")
            space.ip("link", "set", "wire0", "up")

    def start(self):
        pass

    def reached(self):
        return " 0% packet loss" in self.spaces[0].run("ping", "-c", "1", "-W", "1", self.inner[1],
                                                       check=False)

    def command(self, side, *words):
        """A program of the peers' root at one end."""
        return self.spaces[side].command(ENTER, ROOT, self.dir / NODES[side], *words)

    def run(self, side, *words, text=None):
        done = subprocess.run(self.command(side, *words), input=text, capture_output=True,
                              text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout

    def spawn(self, side, *words):
        with open(self.dir / NODES[side] / "log", "ab") as log:
            self.processes.append(subprocess.Popen(self.command(side, *words), stdout=log,
                                                   stderr=log, stdin=subprocess.DEVNULL))

    def write(self, side, name, text):
        file = self.dir / NODES[side] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o600)

    def up(self, side, device, mtu=None):
        """Address and link of a tunnel's interface, when it is there."""
        space = self.spaces[side]
        until(self.log, lambda: space.ip("link", "show", device, check=False), 20)
        space.ip("addr", "add", f"{self.inner[side]}/24", "dev", device)
        space.ip("link", "set", device, "up", *(["mtu", str(mtu)] if mtu else []))

    def log(self):
        return f"{self.name}:\n" + "\n".join((self.dir / node / "log").read_text(
            errors="replace")[-1500:] for node in NODES if (self.dir / node / "log").exists())

    def close(self):
        for space in self.spaces:
            space.delete()              # ends by pid what still runs in it
        for process in self.processes:
            process.wait(10)


class Bare(Tunnel):
    """Every packet is one of the wire's size, with its checksum: as between two machines."""

    name, what = "veth-bare", "plain veth without offloads"
    features = ("tx", "sg", "tso", "gso", "gro")

    def prepare(self):
        super().prepare()
        for side in (0, 1):
            for feature in self.features:
                self.run(side, "ethtool", "-K", "wire0", feature, "off")


class Myelin(Tunnel):
    inner = ("10.255.0.1", "10.255.0.2")
    statements = secrets = None

    def prepare(self):
        pass

    def start(self):
        self.nodes = [Node(space, node, BACKBONE % self.statements, self.secrets, self.dir / "run")
                      for space, node in zip(self.spaces, NODES)]
        for node in self.nodes:
            node.start()
            self.processes.append(node.process)

    def log(self):
        return "\n".join(node.said()[-1500:] for node in self.nodes)

    def ports(self):
        """How the ports are read and written, as `show ports` has it."""
        return self.nodes[0].show("ports")


class Macsec(Myelin):
    name, what = "myelin-macsec", "myelin, MACsec GCM-AES-XPN-256, MKA"
    statements = ("type ethernet; topology e-line;", "", "",
                  "design macsec; mka { key-chain cak; }")
    secrets = {"cak": f"{b'bench'.hex()} {bytes(range(32)).hex()}\n"}


class Esp(Myelin):
    name, what = "myelin-esp", "myelin, ESP tunnel mode, AES-256-GCM with ESN, IKEv2"
    statements = ("type ip;", "address 192.0.2.1/24;", "address 192.0.2.2/24;",
                  "design ipsec; auth psk link;")
    secrets = {"link": "what both of them know\n"}


class EspUdp(Esp):
    """As through a NAT."""

    name, what = "myelin-esp-udp", Esp.what + ", in UDP"
    statements = (*Esp.statements[:3], "design ipsec; auth psk link; esp { encapsulate; }")


class Packaged(Tunnel):
    """One of Debian's, which makes an interface with these addresses."""

    inner = ("10.9.0.1", "10.9.0.2")


class WireguardGo(Packaged):
    name = package = "wireguard-go"
    what = "ChaCha20-Poly1305"

    def start(self):
        keys = [self.run(side, "wg", "genkey").strip() for side in (0, 1)]
        public = [self.run(side, "wg", "pubkey", text=key + "\n").strip()
                  for side, key in enumerate(keys)]
        for side in (0, 1):
            self.write(side, "key", keys[side] + "\n")
            self.spawn(side, "env", "LOG_LEVEL=error", "wireguard-go", "-f", "wg0")
        for side in (0, 1):
            self.up(side, "wg0", 1420)
            until(self.log, (self.dir / NODES[side] / "wireguard/wg0.sock").exists, 10)
            self.run(side, "wg", "set", "wg0", "listen-port", "51820", "private-key", "/run/key",
                     "peer", public[not side], "endpoint", f"{OUTER[not side]}:51820",
                     "allowed-ips", f"{self.inner[not side]}/32")


class Fastd(Packaged):
    name = package = "fastd"
    what = "AES-128-GCM"

    def start(self):
        keys = [dict(re.findall(r"(Secret|Public): (\w+)",
                                self.run(side, "fastd", "--generate-key"))) for side in (0, 1)]
        for side in (0, 1):
            self.write(side, "fastd.conf", f"""log level warn;
interface "vpn0"; mode tun; method "aes128-gcm"; mtu 1400;
bind {OUTER[side]}:10000; secret "{keys[side]['Secret']}";
peer "other" {{ key "{keys[not side]['Public']}"; remote {OUTER[not side]}:10000; }}
""")
            self.spawn(side, "fastd", "--config", "/run/fastd.conf")
        for side in (0, 1):
            self.up(side, "vpn0")


class Nebula(Packaged):
    name = package = "nebula"
    what = "AES-256-GCM"

    def start(self):
        self.run(0, "nebula-cert", "ca", "-name", "bench", "-out-crt", "/run/ca.crt", "-out-key",
                 "/run/ca.key")
        left = self.dir / NODES[0]
        for side, node in enumerate(NODES):
            self.run(0, "nebula-cert", "sign", "-ca-crt", "/run/ca.crt", "-ca-key", "/run/ca.key",
                     "-name", node, "-ip", f"{self.inner[side]}/24", "-out-crt",
                     f"/run/{node}.crt", "-out-key", f"/run/{node}.key")
            for file in ("ca.crt", f"{node}.crt", f"{node}.key"):
                self.write(side, file, (left / file).read_text())
            self.write(side, "config.yml", f"""pki: {{ca: /run/ca.crt, cert: /run/{node}.crt, \
key: /run/{node}.key}}
static_host_map: {{"{self.inner[not side]}": ["{OUTER[not side]}:4242"]}}
lighthouse: {{am_lighthouse: false, hosts: []}}
listen: {{host: {OUTER[side]}, port: 4242, read_buffer: 10485760, write_buffer: 10485760}}
tun: {{dev: neb0, mtu: 1400, tx_queue: 500}}
cipher: aes
logging: {{level: warning, format: text}}
firewall:
  outbound: [{{port: any, proto: any, host: any}}]
  inbound: [{{port: any, proto: any, host: any}}]
""")
            self.spawn(side, "nebula", "-config", "/run/config.yml")


class Openvpn(Packaged):
    name = package = "openvpn"
    what = "AES-256-GCM, UDP"

    def start(self):
        for side, node in enumerate(NODES):
            self.run(side, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={node}",
                     "-keyout", "/run/key.pem", "-out", "/run/cert.pem")
        prints = [self.run(side, "openssl", "x509", "-in", "/run/cert.pem", "-noout",
                           "-fingerprint", "-sha256").strip().split("=")[1] for side in (0, 1)]
        for side in (0, 1):
            self.spawn(side, "openvpn", "--dev", "tun0", "--dev-type", "tun", "--local",
                       OUTER[side], "--remote", OUTER[not side], "--proto", "udp", "--ifconfig",
                       self.inner[side], self.inner[not side], "--cert", "/run/cert.pem", "--key",
                       "/run/key.pem", "--peer-fingerprint", prints[not side], "--dh", "none",
                       "--data-ciphers", "AES-256-GCM", "--cipher", "AES-256-GCM", "--verb", "1",
                       *(["--tls-server"] if side else ["--tls-client"]))


class Tinc(Packaged):
    name = package = "tinc"
    what = "tinc 1.0, its default cipher and digest"

    def start(self):
        hosts = []
        for side, node in enumerate(NODES):
            self.write(side, "tinc/tinc.conf", f"Name = {node}\nInterface = tinc0\n"
                       f"ConnectTo = {NODES[not side]}\nAddressFamily = ipv4\n")
            self.write(side, "tinc/tinc-up", "#!/bin/sh\n")
            (self.dir / node / "tinc/tinc-up").chmod(0o755)
            self.write(side, f"tinc/hosts/{node}", f"Address = {OUTER[side]}\n"
                       f"Subnet = {self.inner[side]}/32\n")
            self.run(side, "tincd", "-c", "/run/tinc", "-K2048", text="\n\n")
            hosts.append((self.dir / node / "tinc/hosts" / node).read_text())
        for side in (0, 1):
            self.write(side, f"tinc/hosts/{NODES[not side]}", hosts[not side])
            self.spawn(side, "tincd", "-c", "/run/tinc", "-D", "--pidfile=/run/tinc.pid",
                       "--logfile=/run/log")
        for side in (0, 1):
            self.up(side, "tinc0")


class Strongswan(Tunnel):
    name, package, inner = "strongswan", "strongswan-charon", ("10.9.1.1", "10.9.2.1")
    what = "kernel-libipsec, AES-256-GCM, ESP in UDP"

    def start(self):
        self.charons = []
        for side in (0, 1):
            self.spaces[side].ip("addr", "add", f"{self.inner[side]}/32", "dev", "lo")
            self.charons.append(Charon(self.spaces[side], self.dir / NODES[side],
                                       f"""connections {{ p {{ version = 2
  proposals = aes256gcm16-prfsha384-x25519
  local_addrs = {OUTER[side]}
  remote_addrs = {OUTER[not side]}
  encap = yes
  mobike = no
  local {{ auth = psk
    id = {NODES[side]} }}
  remote {{ auth = psk
    id = {NODES[not side]} }}
  children {{ c {{ esp_proposals = aes256gcm16-x25519
    local_ts = {self.inner[side]}/32
    remote_ts = {self.inner[not side]}/32 }} }} }} }}
secrets {{ ike {{ secret = "what both of them know" }} }}
"""))
            self.processes.append(self.charons[side].process)
        self.charons[0].ctl("--initiate", "--child", "c")

    def log(self):
        return f"{self.name}:\n" + "\n".join(charon.log() for charon in self.charons)


OURS = (Macsec, Esp, EspUdp)
THEIRS = (WireguardGo, Fastd, Nebula, Openvpn, Tinc, Strongswan)
KINDS = (Tunnel, Bare, *OURS, *THEIRS)
