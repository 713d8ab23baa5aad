"""Strangers that key Linux XFRM in the guest: strongSwan's charon and libreswan's pluto.

    place = Place(guest)            a network namespace of the guest with eth0
    swan = Swan(place, authorities) or Pluto(...)
    swan.start(); swan.load(Case(auth="rsa")); swan.initiate()

Both speak IPv4 and IPv6 outside (OUTER) and inside (INNER) and hold all their credentials from the
start, so that a case is a connection loaded and taken away again: a daemon takes seconds to start
in a machine without KVM. What they agreed on is read from the kernel, not from them: sas().
"""
import base64
import dataclasses
import datetime
import itertools
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

OUR_MAC = "02:00:00:00:00:01"
OUTER = {4: ("198.51.100.1", "198.51.100.2"), 6: ("2001:db8::1", "2001:db8::2")}   # ours, theirs
INNER = {4: ("10.70.1.1", "10.70.2.1"), 6: ("fd70:1::1", "fd70:2::1")}
LENGTH = {4: 32, 6: 128}
OUR_NAME, THEIR_NAME = "ours", "theirs.example"
PSK, PPK, PPK_ID = "a secret between two", "no quantum computer has this", "pq@acme"
NATTED = "198.51.100.9"     # where a translator between the two shows whoever is behind it
numbers = itertools.count(1)


@dataclasses.dataclass
class Case:
    """One connection. Algorithms in strongSwan's words and in libreswan's."""
    auth: str = "psk"           # or a kind of key
    outer: int = 4
    inner: int = 4
    encap: bool = False
    fragment: bool = False      # certificates sent in pieces in any case
    ppk: bool = False
    esn: bool = True
    dpd: int = 0
    remote: str = ""            # where we are seen, if not at our own address
    ike: tuple = ("aes256gcm16-prfsha384-x25519", "aes_gcm256-sha2_384-dh31")
    esp: tuple = ("aes256gcm16-x25519", "aes_gcm256")

    def ends(self):
        return self.remote or OUTER[self.outer][0], OUTER[self.outer][1]


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Authority:
    """A certificate authority of Python's making."""

    def __init__(self, kind):
        self.kind, self.key = kind, self.new_key(kind)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {kind}")])
        self.cert = self.sign("", self.key, self.name, ca=True)

    @staticmethod
    def new_key(kind):
        return {"rsa": lambda: rsa.generate_private_key(65537, 3072),
                "ecdsa256": lambda: ec.generate_private_key(ec.SECP256R1()),
                "ecdsa384": lambda: ec.generate_private_key(ec.SECP384R1()),
                "ecdsa521": lambda: ec.generate_private_key(ec.SECP521R1()),
                "ed25519": ed25519.Ed25519PrivateKey.generate}[kind]()

    def sign(self, name, key, subject=None, ca=False, days=30, begin=-1):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder().subject_name(
            subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME,
                                                     f"{name} {self.kind}")])) \
            .issuer_name(self.name).public_key(key.public_key()) \
            .serial_number(x509.random_serial_number()) \
            .not_valid_before(now + datetime.timedelta(days=begin)) \
            .not_valid_after(now + datetime.timedelta(days=days)) \
            .add_extension(x509.BasicConstraints(ca, None), True)
        if name:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        return builder.sign(self.key, None if self.kind == "ed25519" else hashes.SHA256())

    def pair(self, name, **kw):
        """A new key and its certificate, as objects."""
        key = self.new_key(self.kind)
        return key, self.sign(name, key, **kw)

    def issue(self, name, **kw):
        """The same as PEM."""
        key, cert = self.pair(name, **kw)
        return pem_key(key), pem(cert)


class Place:
    """A network namespace of the guest that has its eth0, with addresses outside and inside."""

    def __init__(self, guest):
        self.guest, self.ns = guest, f"st{next(numbers)}"
        self.dir = f"/run/{self.ns}"
        lines = []
        for version, (us, them) in OUTER.items():
            dad = "nodad" if version == 6 else ""
            own, peer = INNER[version][::-1]
            ip, length, plen = f"ip -n {self.ns}", 24 if version == 4 else 64, LENGTH[version]
            lines += [f"{ip} addr add {them}/{length} dev eth0 {dad}",
                      f"{ip} neigh replace {us} lladdr {OUR_MAC} dev eth0 nud permanent",
                      f"{ip} addr add {own}/{plen} dev lo {dad}",
                      f"{ip} route add {peer}/{plen} via {us} dev eth0 src {own}"]
        six = f"ip netns exec {self.ns} sysctl -qw net.ipv6.conf.{{}}.disable_ipv6=0"
        guest.run(f"""set -e
            mkdir -p {self.dir}
            ip netns add {self.ns}
            ip link set eth0 netns {self.ns}
            {six.format("all")}; {six.format("eth0")}; {six.format("lo")}
            ip -n {self.ns} link set lo up
            ip -n {self.ns} link set eth0 addrgenmode none
            ip -n {self.ns} link set eth0 up
            """ + "\n".join(lines) + f"""
            ip -n {self.ns} neigh replace {NATTED} lladdr {OUR_MAC} dev eth0 nud permanent""")

    def run(self, script, timeout=60, check=True):
        """A bash script in the namespace."""
        return self.start(script).wait(timeout, check)

    def start(self, script):
        return self.guest.start(f"ip netns exec {self.ns} bash <<'END-OF-SCRIPT'\n{script}\n"
                                "END-OF-SCRIPT")

    def put(self, name, octets):
        path = f"{self.dir}/{name}"
        text = base64.encodebytes(octets if isinstance(octets, bytes) else octets.encode()).decode()
        return f"base64 -d >'{path}' <<'END-OF-FILE'\n{text}END-OF-FILE\n"

    def sas(self):
        """The kernel's SAs of ESP: dictionaries with src, dst, spi, key, auth, encap, mode."""
        found = []
        for block in re.split(r"^(?=src )", self.run("ip xfrm state"), flags=re.M)[1:]:
            m = re.search(r"src (\S+) dst (\S+)\s+proto esp spi (\S+)\s.*mode (\S+)", block)
            key = re.search(r"(?:aead|enc) (\S+) 0x(\S+)", block)
            if m and key:
                auth = re.search(r"auth(?:-trunc)? (\S+) 0x(\S+)", block)
                found.append(dict(src=m[1], dst=m[2], spi=int(m[3], 16), mode=m[4], cipher=key[1],
                                  key=key[2], auth=auth[2] if auth else "", esn="esn" in block,
                                  hash=auth[1] if auth else "", encap="espinudp" in block))
        return found

    def ping(self, inner=4, count=5, interval=0.1, size=56, timeout=60):
        """How many echo requests to our inner address are answered."""
        us, them = INNER[inner]
        out = self.run(f"ping -q -n -c {count} -i {interval} -s {size} -W 3 -I {them} {us} || true",
                       timeout)
        return int(out.split(" received")[0].split()[-1])

    def stat(self):
        """What XFRM counted as wrong, without zeroes."""
        lines = self.run("cat /proc/net/xfrm_stat").splitlines()
        return {k: int(v) for k, v in map(str.split, lines) if int(v)}

    def remove(self):
        self.guest.run(f"""
            for p in $(ip netns pids {self.ns}); do kill -9 $p; done
            ip -n {self.ns} xfrm state flush; ip -n {self.ns} xfrm policy flush
            ip -n {self.ns} addr flush dev eth0
            ip -n {self.ns} link set eth0 netns 1
            ip netns del {self.ns}
            rm -rf {self.dir}""", check=False)


class Swan:
    """strongSwan's charon."""

    kinds = ("rsa", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519")

    def __init__(self, place, authorities):
        self.place, d = place, place.dir
        self.ctl = f"env STRONGSWAN_CONF={d}/strongswan.conf SWANCTL_DIR={d} swanctl"
        place.run(f"mkdir -p {d}/x509 {d}/x509ca {d}/private")
        files = [place.put("strongswan.conf", f"""charon {{
  load = random nonce openssl hmac kdf aes gcm chapoly curve25519 sha1 sha2 pem pkcs1 pkcs8 x509 \
revocation constraints pubkey kernel-netlink socket-default vici
  filelog {{ f {{ path = {d}/charon.log
    default = 1
    ike = 2
    chd = 2
    flush_line = yes }} }}
  retransmit_timeout = 1
  retransmit_base = 1.3
  fragment_size = 800
}}
""")]
        for kind, authority in authorities.items():
            if kind in self.kinds:
                key, cert = authority.issue(THEIR_NAME)
                files += [place.put(f"x509ca/{kind}.pem", pem(authority.cert)),
                          place.put(f"x509/{kind}.pem", cert),
                          place.put(f"private/{kind}.pem", key)]
        place.run("\n".join(files))

    def start(self):
        d = self.place.dir
        self.place.run(f"""
            rm -f /var/run/charon.pid /var/run/charon.vici
            STRONGSWAN_CONF={d}/strongswan.conf setsid /usr/lib/ipsec/charon >{d}/out 2>&1 3>&- &
            while [ ! -S /var/run/charon.vici ]; do sleep 0.1; done
            until {self.ctl} --stats >/dev/null 2>&1; do sleep 0.1; done""", 30)

    def kill(self):
        self.place.run("""
            pid=$(cat /var/run/charon.pid)
            kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done
            ip xfrm state flush; ip xfrm policy flush; ip route flush table 220""", check=False)

    def load(self, case):
        us, them = case.ends()
        proof = "psk" if case.auth == "psk" else "pubkey"
        own, peer = INNER[case.inner][::-1]
        secrets = f'ike {{ secret = "{PSK}" }}' if proof == "psk" else ""
        if case.ppk:
            secrets += f'\n ppk {{ id-1 = {PPK_ID}\n secret = "{PPK}" }}'
        text = f"""connections {{ p {{ version = 2
  proposals = {case.ike[0]}
  local_addrs = {them}
  remote_addrs = {us}
  encap = {"yes" if case.encap else "no"}
  mobike = no
  send_cert = always
  fragmentation = {"force" if case.fragment else "yes"}
  {f"ppk_id = {PPK_ID}{chr(10)} ppk_required = yes" if case.ppk else ""}
  dpd_delay = {case.dpd}
  local {{ auth = {proof}
    {f"certs = {case.auth}.pem" if proof == "pubkey" else ""}
    id = {THEIR_NAME} }}
  remote {{ auth = {proof}
    id = {OUR_NAME} }}
  children {{ c {{ esp_proposals = {case.esp[0]}{"-esn" if case.esn else ""}
    local_ts = {own}/{LENGTH[case.inner]}
    remote_ts = {peer}/{LENGTH[case.inner]} }} }} }} }}
secrets {{ {secrets} }}
"""
        load = f"{self.ctl} --load-all --clear --file {self.place.dir}/swanctl.conf"
        said = self.place.run(self.place.put("swanctl.conf", text) + load)
        assert "loaded connection 'p'" in said, said

    def initiate(self):
        return self.place.start(f"{self.ctl} --initiate --child c --timeout 20")

    def rekey(self, what):
        which = "--child c" if what == "child" else "--ike p"
        return self.place.start(f"{self.ctl} --rekey {which}")

    def established(self):
        """How many IKE SAs stand, as it sees it."""
        return self.place.run(f"{self.ctl} --list-sas", check=False).count("ESTABLISHED")

    def clear(self):
        """Ends what the case left."""
        self.place.run(f"{self.ctl} --terminate --ike p --force --timeout 3", check=False)

    def log(self):
        return self.place.run(f"tail -c 5000 {self.place.dir}/charon.log", check=False)


class Pluto:
    """libreswan's pluto. It has no Ed25519."""

    kinds = ("rsa", "ecdsa256", "ecdsa384", "ecdsa521")

    def __init__(self, place, authorities):
        self.place, d = place, place.dir
        self.whack = f"/usr/libexec/ipsec/whack --rundir {d}"
        files = [f"mkdir -p {d}/nss",
                 f"certutil -N -d sql:{d}/nss --empty-password",
                 place.put("secrets", f': PSK "{PSK}"\n{THEIR_NAME} {OUR_NAME} : PPKS "{PPK_ID}" '
                           f'"{PPK}"\n')]
        for kind, authority in authorities.items():
            if kind in self.kinds:
                key, cert = authority.pair(THEIR_NAME)
                bundle = pkcs12.serialize_key_and_certificates(
                    kind.encode(), key, cert, [authority.cert],
                    serialization.BestAvailableEncryption(b"x"))
                files += [place.put(f"{kind}.p12", bundle),
                          place.put(f"{kind}.ca", pem(authority.cert)),
                          f"certutil -A -a -d sql:{d}/nss -n 'CA {kind}' -t CT,, -i {d}/{kind}.ca",
                          f"pk12util -i {d}/{kind}.p12 -d sql:{d}/nss -W x"]
        place.run("set -e\n" + "\n".join(files), 90)

    def start(self):
        d = self.place.dir
        self.place.run(self.place.put("pluto.conf", "config setup\n  protostack=xfrm\n") + f"""
            rm -f {d}/pluto.ctl {d}/pluto.pid; touch /etc/resolv.conf
            setsid /usr/libexec/ipsec/pluto --nofork --config {d}/pluto.conf --rundir {d} \\
                --nssdir {d}/nss --secretsfile {d}/secrets --logfile {d}/pluto.log \\
                >{d}/out 2>&1 3>&- &
            until {self.whack} --listen >/dev/null 2>&1; do sleep 0.1; done""", 30)

    def kill(self):
        self.place.run(f"""
            pid=$(cat {self.place.dir}/pluto.pid)
            kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done
            ip xfrm state flush; ip xfrm policy flush""", check=False)

    def load(self, case):
        us, them = case.ends()
        own, peer = INNER[case.inner][::-1]
        proof = {"psk": "secret", "rsa": "rsa-sha2"}.get(case.auth, "ecdsa")
        cert = "" if case.auth == "psk" else f"""
  leftcert={case.auth}
  leftsendcert=always
  rightca="CN=CA {case.auth}\""""
        text = f"""conn p
  left={them}
  right={us}
  leftid=@{THEIR_NAME}
  rightid=@{OUR_NAME}
  leftsubnet={own}/{LENGTH[case.inner]}
  rightsubnet={peer}/{LENGTH[case.inner]}
  authby={proof}{cert}
  ikev2=insist
  ike={case.ike[1]}
  esp={case.esp[1]}
  esn={"yes" if case.esn else "no"}
  encapsulation={"yes" if case.encap else "auto"}
  narrowing=yes
  fragmentation={"force" if case.fragment else "yes"}
  ppk={"insist" if case.ppk else "no"}
  dpddelay={case.dpd}
  leftupdown=/bin/true
  retransmit-interval=1000
  retransmit-timeout=10s
  initial-contact=yes
  auto=ignore
"""
        d = self.place.dir
        self.place.run(self.place.put("conn.conf", text) + f"""set -e
            /usr/libexec/ipsec/addconn --config {d}/conn.conf --ctlsocket {d}/pluto.ctl p
            {self.whack} --rereadsecrets""")

    def initiate(self):
        return self.place.start(f"timeout 20 {self.whack} --initiate --name p")

    def rekey(self, what):
        word = "--rekey-ipsec" if what == "child" else "--rekey-ike"
        return self.place.start(f"timeout 20 {self.whack} {word} --name p")

    def established(self):
        out = self.place.run(f"{self.whack} --showstates", check=False)
        return len(re.findall(r"STATE_V2_ESTABLISHED_IKE_SA", out))

    def clear(self):
        self.place.run(f"{self.whack} --delete --name p", check=False)

    def log(self):
        return self.place.run(f"tail -c 5000 {self.place.dir}/pluto.log", check=False)


STRANGERS = {"strongswan": Swan, "libreswan": Pluto}
