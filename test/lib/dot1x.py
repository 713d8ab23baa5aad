"""MKA and MACsec read by somebody who never saw src/: for tests only.

Written from IEEE 802.1X-2020 (6.2 key derivation, 9.4 MKPDU integrity, 9.8 SAKs, 9.10 SSCIs and
salts, 11.11 encoding) and IEEE 802.1AE-2018 (9 SecTAG, 14 cipher suites), on top of
python3-cryptography. Shares nothing with the daemon, so that agreement between the two means
something. Raises ValueError for what cannot be; nothing here guesses.
"""
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

ICV_LEN = 16
AGILITY = 0x0080C201
ETHERTYPE_MACSEC = 0x88E5
ETHERTYPE_VLAN = 0x8100
EAPOL_MKA = 5

SUITES = {
    0x0080C20001000001: "GCM-AES-128",
    0x0080C20001000002: "GCM-AES-256",
    0x0080C20001000003: "GCM-AES-XPN-128",
    0x0080C20001000004: "GCM-AES-XPN-256",
}


# Keys (6.2.1, 9.3.3, 9.4.1, 9.8.1, 9.8.2)

def cmac(key, message):
    c = CMAC(algorithms.AES(key))
    c.update(message)
    return c.finalize()


def kdf(key, label, context, bits):
    """Counter mode over AES-CMAC: one octet of counter, label, zero, context, 16 bits of length."""
    out = b""
    for i in range(1, (bits + 127) // 128 + 1):
        out += cmac(key, bytes([i]) + label + b"\0" + context + bits.to_bytes(2, "big"))
    return out[:bits // 8]


def _key_id(ckn):
    """The first 16 octets of the CKN, filled up with zeros."""
    return ckn[:16].ljust(16, b"\0")


def derive_kek(cak, ckn):
    return kdf(cak, b"IEEE8021 KEK", _key_id(ckn), len(cak) * 8)


def derive_ick(cak, ckn):
    return kdf(cak, b"IEEE8021 ICK", _key_id(ckn), len(cak) * 8)


def derive_sak(cak, nonce, member_ids, key_number, bits):
    return kdf(cak, b"IEEE8021 SAK",
               nonce + b"".join(member_ids) + key_number.to_bytes(4, "big"), bits)


def wrap(kek, sak):
    return keywrap.aes_key_wrap(kek, sak)


def unwrap(kek, wrapped):
    return keywrap.aes_key_unwrap(kek, wrapped)


def xpn_salt(key_server_mi, key_number):
    """96 bits: the key server's MI, its upper 32 bits mixed with the key number's halves swapped."""
    head = bytes(a ^ b for a, b in zip(
        key_server_mi[:4],
        (key_number & 0xFFFF).to_bytes(2, "big") + (key_number >> 16).to_bytes(2, "big")))
    return head + key_server_mi[4:]


def nearest(low, highest):
    """The packet number with these lower 32 bits that is nearest to the highest so far."""
    base = highest >> 32 << 32 | low
    return min((pn for pn in (base - 2**32, base, base + 2**32) if pn >= 0),
               key=lambda pn: abs(pn - highest))


def sscis(scis):
    """SCI → SSCI: the numerically greatest SCI has 1."""
    return {sci: n for n, sci in enumerate(sorted(scis, reverse=True), 1)}


# Frames

class Frame:
    """An Ethernet frame, its tags in clear taken off: `vlan` and `pcp` of the only or inner one, None
    without; `outer` is (TPID, VLAN, priority) of one around it, or None."""

    def __init__(self, raw):
        if len(raw) < 14:
            raise ValueError("shorter than an Ethernet header")
        self.raw, self.dst, self.src = raw, raw[0:6], raw[6:12]
        self.vlan = self.pcp = self.outer = None
        rest, tags = raw[12:], []
        while len(tags) < 2 and int.from_bytes(rest[0:2], "big") in (ETHERTYPE_VLAN, 0x88A8):
            if len(rest) < 6:
                raise ValueError("tag cut short")
            tci = int.from_bytes(rest[2:4], "big")
            tags.append((int.from_bytes(rest[0:2], "big"), tci & 0xFFF, tci >> 13))
            rest = rest[4:]
        if tags:
            _, self.vlan, self.pcp = tags[-1]
            self.outer = tags[0] if len(tags) == 2 else None
        self.ethertype = int.from_bytes(rest[0:2], "big")
        self.payload = rest[2:]

    @property
    def untagged(self):
        """The frame without its tag: what ICVs of MKA and MACsec above the tag cover."""
        return self.dst + self.src + self.ethertype.to_bytes(2, "big") + self.payload


class Mkpdu:
    """One MKPDU, taken apart. `sets` is every parameter set as (type, octets 2-3, body)."""

    def __init__(self, frame):
        f = frame if isinstance(frame, Frame) else Frame(frame)
        p = f.payload
        if len(p) < 4 or p[1] != EAPOL_MKA:
            raise ValueError("not EAPOL-MKA")
        length = int.from_bytes(p[2:4], "big")
        if length > len(p) - 4 or length < 32 + ICV_LEN or length % 4:
            raise ValueError(f"body of {length} octets in {len(p) - 4}")
        self.frame, self.eapol_version = f, p[0]
        body = p[4:4 + length]
        self.icv = body[-ICV_LEN:]
        head = f.dst + f.src + f.ethertype.to_bytes(2, "big")
        self.covered = head + p[:4 + length - ICV_LEN]
        body = body[:-ICV_LEN]

        self.version, self.priority = body[0], body[1]
        self.key_server = bool(body[2] & 0x80)
        self.macsec_desired = bool(body[2] & 0x40)
        self.capability = body[2] >> 4 & 3
        n = (body[2] & 0xF) << 8 | body[3]
        basic = body[4:4 + n]
        if len(basic) != n or not 29 <= n <= 60:
            raise ValueError(f"basic parameter set of {n} octets")
        self.sci = int.from_bytes(basic[0:8], "big")
        self.mi, self.mn = basic[8:20], int.from_bytes(basic[20:24], "big")
        self.agility = int.from_bytes(basic[24:28], "big")
        self.ckn = basic[28:]

        self.live, self.potential = {}, {}   # MI → MN
        self.key_server_ssci = None
        self.sak_use = self.distributed = self.xpn = None
        self.sets = []
        at = 4 + (n + 3 & ~3)
        while at < len(body):
            if len(body) - at < 4:
                raise ValueError("parameter set header cut short")
            kind, b1, b2 = body[at], body[at + 1], body[at + 2]
            n = (b2 & 0xF) << 8 | body[at + 3]
            data = body[at + 4:at + 4 + n]
            if len(data) != n:
                raise ValueError(f"parameter set {kind} of {n} octets cut short")
            if any(body[at + 4 + n:at + 4 + (n + 3 & ~3)]):
                raise ValueError(f"parameter set {kind}: padding is not zero")
            self.sets.append((kind, bytes([b1, b2]), data))
            self._set(kind, b1, b2, data)
            at += 4 + (n + 3 & ~3)
            if kind == 255 and at != len(body):
                raise ValueError("ICV indicator is not last")

    def _set(self, kind, b1, b2, data):
        if kind in (1, 2):
            if len(data) % 16:
                raise ValueError("peer list of broken entries")
            peers = self.live if kind == 1 else self.potential
            for i in range(0, len(data), 16):
                peers[data[i:i + 12]] = int.from_bytes(data[i + 12:i + 16], "big")
            if kind == 1:
                self.key_server_ssci = b1
        elif kind == 3:
            if len(data) not in (0, 40):
                raise ValueError("SAK Use of a wrong length")
            self.sak_use = SakUse(b1, b2, data) if data else None
        elif kind == 4:
            self.distributed = DistributedSak(b1, data) if data else None
        elif kind == 8:
            if len(data) != 8:
                raise ValueError("XPN parameter set of a wrong length")
            self.xpn = (int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big"))

    def authentic(self, cak):
        return cmac(derive_ick(cak, self.ckn), self.covered) == self.icv


class SakUse:
    def __init__(self, b1, b2, data):
        self.latest_an, self.latest_tx, self.latest_rx = b1 >> 6, bool(b1 & 32), bool(b1 & 16)
        self.old_an, self.old_tx, self.old_rx = b1 >> 2 & 3, bool(b1 & 2), bool(b1 & 1)
        self.plain_tx, self.plain_rx = bool(b2 & 128), bool(b2 & 64)
        self.delay_protect = bool(b2 & 16)
        self.latest_mi, self.old_mi = data[0:12], data[20:32]
        self.latest_kn = int.from_bytes(data[12:16], "big")
        self.latest_lpn = int.from_bytes(data[16:20], "big")
        self.old_kn = int.from_bytes(data[32:36], "big")
        self.old_lpn = int.from_bytes(data[36:40], "big")


class DistributedSak:
    def __init__(self, b1, data):
        self.an, self.confidentiality_offset = b1 >> 6, b1 >> 4 & 3
        self.kn = int.from_bytes(data[0:4], "big")
        if len(data) == 28:   # the default suite goes without its identifier
            self.suite, self.wrapped = "GCM-AES-128", data[4:]
        elif len(data) in (36, 52):
            suite = int.from_bytes(data[4:12], "big")
            if suite not in SUITES:
                raise ValueError(f"cipher suite {suite:016x}")
            self.suite, self.wrapped = SUITES[suite], data[12:]
        else:
            raise ValueError(f"distributed SAK of {len(data)} octets")
        if len(self.wrapped) != (40 if self.suite.endswith("256") else 24):
            raise ValueError("wrapped key does not fit the cipher suite")


class Macsec:
    """A MACsec frame. `open()` gives the plaintext from the inner EtherType on."""

    def __init__(self, frame):
        f = frame if isinstance(frame, Frame) else Frame(frame)
        if f.ethertype != ETHERTYPE_MACSEC:
            raise ValueError("not MACsec")
        p = f.payload
        self.frame = f
        self.tci, self.an = p[0] & 0xFC, p[0] & 3
        self.version, self.es, self.sc = p[0] >> 7, bool(p[0] & 0x40), bool(p[0] & 0x20)
        self.scb, self.e, self.c = bool(p[0] & 0x10), bool(p[0] & 8), bool(p[0] & 4)
        self.sl, self.pn = p[1], int.from_bytes(p[2:6], "big")
        head = 14 if self.sc else 6
        if len(p) < head + ICV_LEN:
            raise ValueError("MACsec frame cut short")
        self.sci = int.from_bytes(p[6:14], "big") if self.sc else None
        end = len(p)
        if self.sl:
            if self.sl >= 48 or head + self.sl + ICV_LEN > len(p):
                raise ValueError(f"short length {self.sl}")
            end = head + self.sl + ICV_LEN
        elif len(p) - head - ICV_LEN < 48:
            raise ValueError("fewer than 48 octets of secure data and no short length")
        self.aad = f.dst + f.src + ETHERTYPE_MACSEC.to_bytes(2, "big") + p[:head]
        self.sealed = p[head:end]

    def open(self, key, sci=None, ssci=None, salt=None, pn_high=0, clear=0):
        """Plaintext; ValueError when it does not authenticate. XPN when salt is given.
        clear: octets of it that are authenticated only, the confidentiality offset."""
        if salt is None:
            nonce = (self.sci if sci is None else sci).to_bytes(8, "big")
            nonce += self.pn.to_bytes(4, "big")
        else:
            number = ssci.to_bytes(4, "big") + (pn_high << 32 | self.pn).to_bytes(8, "big")
            nonce = bytes(a ^ b for a, b in zip(number, salt))
        try:
            head = self.sealed[:-ICV_LEN][:clear]
            return head + AESGCM(key).decrypt(nonce, self.sealed[len(head):], self.aad + head)
        except InvalidTag:
            raise ValueError(f"packet {self.pn} of AN {self.an} does not authenticate") from None


class Listener:
    """Follows a wire from its MKPDUs on: knows every SAK handed out, opens every MACsec frame.

    Feed it frames in order. `mkpdus` are the authentic ones, `opened` the MACsec frames as
    (Macsec, plaintext, key number); `faults` says what did not check.
    """

    def __init__(self, cak):
        self.cak = cak
        self.mkpdus, self.opened, self.faults = [], [], []
        self.saks = {}        # AN → [(key number, SAK, suite, salt), newest last]
        self.members = {}     # SAK → MIs that it was given to; short SCIs number these alone
        self.order = {}       # SAK → those MIs in the order of their short SCIs, where it is told
        self.by_sci = True    # that order must be the one of the SCIs
        self.scis = {}        # MI → SCI, of everybody heard
        self.highest = {}     # (SAK, SCI) → packet number, for the upper half of extended ones
        self.used = set()     # (SAK, nonce's sender, packet number): must never repeat

    def feed(self, raw, ethertype=0x888E):
        frame = Frame(raw)
        if frame.ethertype == ethertype:
            try:
                self._mkpdu(Mkpdu(frame))
            except ValueError as e:
                self.faults.append(f"MKPDU: {e}: {raw.hex()}")
        elif frame.ethertype == ETHERTYPE_MACSEC:
            try:
                self._macsec(Macsec(frame))
            except ValueError as e:
                self.faults.append(f"MACsec: {e}: {raw[:48].hex()}")
        else:
            self.faults.append(f"in clear: {raw[:64].hex()}")
        return frame

    def _mkpdu(self, m):
        if not m.authentic(self.cak):
            raise ValueError(f"ICV of {m.frame.src.hex(':')} number {m.mn} is wrong")
        self.mkpdus.append(m)
        self.scis[m.mi] = m.sci
        d = m.distributed
        if d:
            sak = unwrap(derive_kek(self.cak, m.ckn), d.wrapped)
            salt = xpn_salt(m.mi, d.kn) if "XPN" in d.suite else None
            self.members[sak] = {m.mi, *m.live}
            if salt and m.version >= 3 and m.key_server_ssci:
                self.order[sak] = list(m.live)
                self.order[sak].insert(m.key_server_ssci - 1, m.mi)
            known = self.saks.setdefault(d.an, [])
            if (d.kn, sak, d.suite, salt) not in known:
                known.append((d.kn, sak, d.suite, salt))

    def _macsec(self, f):
        if not (f.e and f.c):
            raise ValueError("not encrypted")
        for kn, sak, suite, salt in reversed(self.saks.get(f.an, [])):
            members = {self.scis[mi] for mi in self.members[sak] if mi in self.scis}
            ssci = sscis(members).get(f.sci) if salt else None
            if salt and sak in self.order:
                told = {self.scis.get(mi): n for n, mi in enumerate(self.order[sak], 1)}
                if self.by_sci and told.get(f.sci) != ssci:
                    raise ValueError(f"the live peer list of key {kn} is not in the order of SCIs")
                ssci = told.get(f.sci)
            if salt and ssci is None:
                continue
            highest = self.highest.get((sak, f.sci), 0)
            pn = nearest(f.pn, highest) if salt else f.pn
            try:
                plain = f.open(sak, ssci=ssci, salt=salt, pn_high=pn >> 32)
            except ValueError:
                continue
            used = (sak, f.sci, pn)
            if used in self.used:
                raise ValueError(f"packet number {pn} of key {kn} used twice")
            self.used.add(used)
            self.highest[sak, f.sci] = max(highest, pn)
            self.opened.append((f, plain, kn))
            return
        raise ValueError(f"packet {f.pn} of AN {f.an} opens with no SAK heard")
