"""The payloads of G-IKEv2, written from the text of RFC 9838 (draft-ietf-ipsecme-g-ikev2-23) and
RFC 7296 alone: an encoder and a decoder that know nothing of src/wire.

A GSA payload's body is a list of policies (dicts) and one of group-wide policy; a KD payload's is a
list of key bags. text_gsa() and text_kd() say the same in one line each, as src/wire/gike_text.h
does of what the C codec read.
"""
import struct

AH, ESP, GIKE_UPDATE = 2, 3, 6
ENCR, PRF, INTEG, KE, SN, KWA, GCAUTH = 1, 2, 3, 4, 5, 13, 14
V4, V6 = 7, 8


def attribute(kind, value):
    """RFC 7296 section 3.3.5: an int stands in place of the length, bytes behind it."""
    if isinstance(value, int):
        return struct.pack(">HH", 0x8000 | kind, value)
    return struct.pack(">HH", kind, len(value)) + value


def u32(n):
    return struct.pack(">I", n)


def selector(kind, protocol, first_port, last_port, first, last):
    """Section 3.13.1 there."""
    return struct.pack(">BBHHH", kind, protocol, 8 + len(first) + len(last), first_port,
                       last_port) + first + last


def any_of(kind, protocol=0):
    size = 4 if kind == V4 else 16
    return kind, protocol, 0, 65535, bytes(size), b"\xff" * size


def transform(last, kind, number, bits=None, algorithm=None, extra=b""):
    """Section 3.3.2 there; algorithm: RFC 9838 section 4.4.2.1.1."""
    body = b"" if bits is None else attribute(14, bits)
    if algorithm is not None:
        body += attribute(18, algorithm)
    body += extra
    return struct.pack(">BBHBBH", 0 if last else 3, 0, 8 + len(body), kind, 0, number) + body


def policy(protocol, spi, source, to, transforms, attributes=(), **spoilt):
    """RFC 9838 section 4.4.2. transforms: tuples for transform(); attributes: (type, value)."""
    body = spi + selector(*source) + selector(*to)
    for i, each in enumerate(transforms):
        body += transform(spoilt.get("last", len(transforms) - 1) == i, *each)
    for each in attributes:
        body += attribute(*each)
    body += spoilt.get("behind", b"")
    return struct.pack(">BBH", protocol, spoilt.get("spi_size", len(spi)),
                       spoilt.get("length", 4 + len(body))) + body


def wide(*attributes, reserved=0):
    """Section 4.4.3."""
    body = b"".join(attribute(*each) for each in attributes)
    return struct.pack(">BBH", 0, reserved, 4 + len(body)) + body


def wrapped(key, kwk, data):
    """Section 4.5.4."""
    return struct.pack(">II", key, kwk) + data


def group_bag(protocol, spi, *attributes, spi_size=None):
    """Section 4.5.2."""
    body = spi + b"".join(attribute(*each) for each in attributes)
    return struct.pack(">BBH", protocol, len(spi) if spi_size is None else spi_size,
                       4 + len(body)) + body


def member_bag(*attributes, reserved=0):
    """Section 4.5.3."""
    body = b"".join(attribute(*each) for each in attributes)
    return struct.pack(">BBH", 0, reserved, 4 + len(body)) + body


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, n):
        if n > len(self.data):
            raise ValueError("cut off")
        head, self.data = self.data[:n], self.data[n:]
        return head

    def unpack(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))


def read_attributes(data):
    r = Reader(data)
    while r.data:
        kind, n = r.unpack(">HH")
        yield kind & 0x7fff, n if kind & 0x8000 else r.take(n)


def read_selector(r):
    kind, protocol, size, first_port, last_port = r.unpack(">BBHHH")
    n = (size - 8) // 2
    return kind, protocol, first_port, last_port, r.take(n), r.take(n)


def substructures(data):
    r = Reader(data)
    while r.data:
        protocol, size, length = r.unpack(">BBH")
        yield protocol, size, r.take(length - 4)


def hexed(data):
    return data.hex() or "-"


def text_gsa(data):
    words = []
    for protocol, size, body in substructures(data):
        r = Reader(body)
        if protocol == 0:
            words.append("wide")
            names = {1: "atd", 2: "dtd", 3: "bits"}
            words += [f"{names[kind]} {value}" for kind, value in read_attributes(body)]
            continue
        words.append(f"policy {protocol} {r.take(size).hex()}")
        for name in ("from", "to"):
            *numbers, first, last = read_selector(r)
            words += [name, *map(str, numbers), first.hex(), last.hex()]
        more = 3
        while more == 3:
            more, _, length, kind, _, number = r.unpack(">BBHBBH")
            bits, algorithm = 0, b""
            for attr, value in read_attributes(r.take(length - 8)):
                if attr == 14:
                    bits = value
                else:
                    assert attr == 18
                    algorithm = value
            words.append(f"transform {kind} {number} {bits}")
            if algorithm:
                words.append(f"algorithm {algorithm.hex()}")
        for kind, value in read_attributes(r.data):
            name = {1: "lifetime", 2: "message", 3: "next"}[kind]
            words.append(f"{name} " + (value.hex() if kind == 3
                                       else str(int.from_bytes(value, "big"))))
    return " ".join(words)


def text_kd(data):
    words = []
    for protocol, size, body in substructures(data):
        r = Reader(body)
        words.append(f"bag {protocol} {r.take(size).hex()}" if protocol else "member")
        for kind, value in read_attributes(r.data):
            if protocol == 0 and kind == 2:
                words.append(f"auth {value.hex()}")
            elif protocol == 0 and kind == 3:
                words.append(f"sender {int.from_bytes(value, 'big')}")
            else:
                assert kind == 1
                key, kwk = struct.unpack(">II", value[:8])
                words.append(f"{'key' if protocol else 'wrap'} {key} {kwk} {hexed(value[8:])}")
    return " ".join(words)


def gsa_of_text(text):
    """Encodes what a line says: the other way round from text_gsa()."""
    out, words, at = b"", text.split(), 0

    def run(n):
        nonlocal at
        at += n
        return words[at - n:at]

    def block(protocol, size, body):
        return struct.pack(">BBH", protocol, size, 4 + len(body)) + body

    while at < len(words):
        word, = run(1)
        body, size, protocol = b"", 0, 0
        if word == "wide":
            kinds = {"atd": 1, "dtd": 2, "bits": 3}
            while at < len(words):
                name, value = run(2)
                body += attribute(kinds[name], int(value))
            out += block(0, 0, body)
            continue
        protocol, spi = run(2)
        body = bytes.fromhex(spi)
        size = len(body)
        for _ in range(2):
            _, *numbers = run(5)
            body += selector(*map(int, numbers), *map(bytes.fromhex, run(2)))
        transforms = []
        while at < len(words) and words[at] == "transform":
            _, kind, number, bits = run(4)
            algorithm = None
            if at < len(words) and words[at] == "algorithm":
                algorithm = bytes.fromhex(run(2)[1])
            transforms.append((int(kind), int(number), int(bits) or None, algorithm))
        for i, each in enumerate(transforms):
            body += transform(i + 1 == len(transforms), *each)
        while at < len(words) and words[at] in ("lifetime", "message", "next"):
            name, value = run(2)
            body += attribute({"lifetime": 1, "message": 2, "next": 3}[name],
                              bytes.fromhex(value) if name == "next" else u32(int(value)))
        out += block(int(protocol), size, body)
    return out


def kd_of_text(text):
    out, words, at = b"", text.split(), 0
    while at < len(words):
        member = words[at] == "member"
        protocol, spi = (0, b"") if member else (int(words[at + 1]), bytes.fromhex(words[at + 2]))
        at += 1 if member else 3
        body = spi
        while at < len(words) and words[at] not in ("bag", "member"):
            name = words[at]
            if name in ("key", "wrap"):
                body += attribute(1, wrapped(int(words[at + 1]), int(words[at + 2]),
                                             bytes.fromhex(words[at + 3])))
                at += 4
            else:
                body += attribute(2, bytes.fromhex(words[at + 1])) if name == "auth" \
                    else attribute(3, u32(int(words[at + 1])))
                at += 2
        out += struct.pack(">BBH", protocol, len(spi), 4 + len(body)) + body
    return out


def signed(header, first, flags, inner, at, length):
    """Section 2.4.1.1. header: 28 octets as sent; the signature is at inner[at:at + length]."""
    total = 28 + 4 + len(inner)
    return (header[:16] + b"\x2e" + header[17:24] + u32(total) + bytes([first, flags])
            + struct.pack(">H", 4 + len(inner))
            + inner[:at] + bytes(length) + inner[at + length:])
