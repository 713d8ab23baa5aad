"""G-IKEv2's payloads (gike.txt, which the C tests read) against an encoder and a decoder written
from the standard's text (test/lib/gikewire.py), and what the C codec writes against the same.

A line of gike.txt: kind, where it stands, what the codec must say of it, the clause, the bytes, and
for what is well-formed the same in words. `python3 test/vectors/test_gike.py` writes the file.
"""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("MYELIN_BUILD", TOP / "build"))
sys.path.insert(0, str(HERE.parent))

from lib import gikewire as g  # noqa: E402
from lib.gikewire import AH, ENCR, ESP, GCAUTH, GIKE_UPDATE, INTEG, KWA, SN, V4, V6, u32  # noqa: E402

HEADER = """\
# G-IKEv2's payloads (RFC 9838), written by test/lib/gikewire.py from the standard's text.
# gsa|kd WHERE RESULT CLAUSE BYTES TEXT    (spaces in CLAUSE and TEXT are underscores)
# pair WHERE:ASKED RESULT CLAUSE GSA KD
# signed HEAD FIRST FLAGS INNER AT LENGTH BYTES
"""
SPI, SPI2 = bytes.fromhex("c0ffee01"), bytes.fromhex("c0ffee02")
KEK = bytes(range(1, 17))
SOURCE = g.any_of(V4)
GROUP = (V4, 0, 0, 65535, bytes([239, 1, 1, 1]), bytes([239, 1, 1, 1]))
SERVER = (V4, 17, 848, 848, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 1]))
REKEYS = (V4, 17, 848, 848, bytes([239, 9, 9, 9]), bytes([239, 9, 9, 9]))
GCM, CBC = (ENCR, 20, 256), (ENCR, 12, 256)
HMAC, MANY, ONE = (INTEG, 12), (SN, 2), (SN, 0)
WRAP = (KWA, 3)
ED25519 = bytes.fromhex("300506032b6570")
SIGNED = (GCAUTH, 2, None, ED25519)
LIFE = (1, u32(3600))
SPKI = bytes.fromhex("302a300506032b6570032100") + bytes(range(32))


def esp(spi=SPI, transforms=(GCM, MANY), attributes=(LIFE,), protocol=ESP, source=SOURCE,
        to=GROUP, **spoilt):
    return g.policy(protocol, spi, source, to, transforms, attributes, **spoilt)


def kek(transforms=(GCM, WRAP, SIGNED), attributes=(LIFE,), to=REKEYS, spi=KEK, source=SERVER,
        **spoilt):
    return g.policy(GIKE_UPDATE, spi, source, to, transforms, attributes, **spoilt)


def tek_bag(spi=SPI, key=0, kwk=0, **spoilt):
    return g.group_bag(ESP, spi, (1, g.wrapped(key, kwk, bytes(40))), **spoilt)


def kek_bag(*kwks, key=0):
    return g.group_bag(GIKE_UPDATE, KEK, *[(1, g.wrapped(key, n, bytes(80))) for n in kwks])


def wraps(*pairs):
    return [(1, g.wrapped(key, kwk, bytes(40))) for key, kwk in pairs]


R, K, I = "registration", "rekey", "inband"


def gsa_rows():
    """(where, result, clause, defect or None, bytes)"""
    good = kek() + esp() + esp(SPI2) + g.wide((1, 30), (2, 60), (3, 16))
    yield R, "ok", "4.4", good
    yield R, "ok", "4.4", esp(attributes=())
    yield R, "ok", "4.4.1", kek()
    yield R, "ok", "4.4.2.2.2", kek(attributes=(LIFE, (2, u32(77)))) + esp()
    yield R, "ok", "4.4.2.2.3", kek(attributes=(LIFE, (3, bytes(range(40, 56))))) \
        + esp(attributes=(LIFE, (3, SPI2), (3, b"\1\2\3\4")))
    yield R, "ok", "4.4.2.1 (*)", esp(transforms=(GCM, (INTEG, 0), MANY), attributes=())
    yield R, "ok", "4.4.2.1", esp(transforms=(CBC, HMAC, ONE), attributes=())
    yield R, "ok", "4.4.2.1", esp(transforms=((ENCR, 28), ONE), attributes=())
    yield R, "ok", "4.4.2.1", esp(transforms=(HMAC, ONE), attributes=(), protocol=AH)
    yield R, "ok", "4.4.2.1.1", kek(transforms=(CBC, HMAC, WRAP, (GCAUTH, 1)))
    yield R, "ok", "4.4.2.1.2", kek(transforms=(GCM, (KWA, 1), (GCAUTH, 1)))
    yield R, "ok", "4.4.2", esp(source=g.any_of(V6), to=(V6, 50, 0, 65535, bytes(16),
                                                        b"\xff" * 16), attributes=())
    yield R, "ok", "4.4.2", kek(source=g.any_of(V6, 17),
                                to=(V6, 17, 848, 848, b"\xff\5" + bytes(13) + b"\1",
                                    b"\xff\5" + bytes(13) + b"\1"))
    yield K, "ok", "2.4.1", kek(transforms=(GCM, WRAP)) + esp() + g.wide((1, 5))
    yield I, "ok", "2.4.2", esp(attributes=()) + g.wide((2, 65535))
    yield R, "ok", "4.4.1", g.wide((1, 1)) + esp(attributes=())  # any order
    yield R, "ok", "RFC 7296 3.13.1", esp(to=(V4, 1, 65535, 0, *GROUP[4:]), attributes=())

    cut = esp(attributes=())
    for n in (1, 3, 5, 9, 20, 40, len(cut) - 1):
        yield R, "length", "4.4 cut off", cut[:n]
    yield R, "length", "4.4.2 shorter than its header", esp(length=3)
    yield R, "length", "4.4.2 longer than the payload", esp(length=200)
    yield R, "length", "4.4.2 no transforms", esp(transforms=())
    yield R, "length", "4.4.2 last transform is not said to be", esp(last=9, attributes=())
    yield R, "length", "4.4.2 an attribute cut off", esp(behind=b"\0\1")
    yield R, "length", "4.4.2 an attribute past its end", esp(behind=b"\0\1\0\4\0\0\0")
    yield R, "length", "4.4.2.1 another transform behind the last", \
        esp(transforms=(GCM, MANY, HMAC), last=1, attributes=())
    yield R, "length", "4.4.3 an attribute cut off", esp() + bytes.fromhex("00000006ffff")
    yield R, "empty", "4.4.1 no policy", b""
    yield R, "empty", "4.4.1 group-wide alone", g.wide((1, 30))
    yield R, "too-many", "4.4.1 33 policies", b"".join(
        esp(u32(i + 1), attributes=()) for i in range(33))
    yield R, "too-many", "4.4.2.2.3 nine next SPIs", \
        kek() + esp(attributes=(LIFE, *[(3, u32(i + 1)) for i in range(9)]))
    yield R, "protocol", "4.4.2 of IKE", esp(protocol=1)
    yield R, "protocol", "4.4.2 unknown", esp(protocol=7)
    yield R, "spi", "4.4.2 ESP with 8 octets", esp(spi=bytes(range(8)))
    yield R, "spi", "4.4.2 ESP with none", esp(spi=b"")
    yield R, "spi", "4.4.2 Rekey SA with 8 octets", kek(spi=bytes(range(8)))
    yield R, "spi", "4.4.2 an SPI of zero", esp(spi=bytes(4))
    yield R, "spi", "RFC 7296 3.1 initiator's half zero", kek(spi=bytes(8) + b"\1" * 8)
    yield R, "twice", "4.4.1 two Rekey SAs", kek() + kek(spi=b"\2" * 16)
    yield R, "twice", "4.4.1 two group-wide policies", esp(attributes=()) + g.wide((1, 1)) \
        + g.wide((2, 1))
    yield R, "twice", "4.4.2 an SPI twice", esp(attributes=()) + esp(attributes=())
    yield R, "twice", "4.4.2.1 two ciphers", esp(transforms=(GCM, CBC, MANY))
    yield R, "twice", "4.4.2.2 two lifetimes", esp(attributes=(LIFE, LIFE))
    yield R, "twice", "4.4.2.2 two message IDs", kek(attributes=(LIFE, (2, u32(1)), (2, u32(1))))
    yield R, "twice", "4.4.3.1 two ATDs", esp(attributes=()) + g.wide((1, 1), (1, 1))
    yield R, "twice", "4.4.3.1 two DTDs", esp(attributes=()) + g.wide((2, 1), (2, 1))
    yield R, "twice", "4.4.3.1 bits twice", esp(attributes=()) + g.wide((3, 16), (3, 16))
    yield R, "selector", "RFC 7296 3.13.1 ends before it begins", \
        esp(source=(V4, 0, 0, 65535, b"\2\0\0\0", b"\1\0\0\0"))
    yield R, "selector", "RFC 7296 3.13.1 ports the wrong way round", \
        esp(to=(V4, 17, 2, 1, *GROUP[4:]))
    yield R, "selector", "RFC 7296 3.13.1 of a type nobody knows", esp(source=(9, *SOURCE[1:]))
    yield R, "selector", "RFC 7296 3.13.1 two families", esp(source=g.any_of(V6))
    yield R, "length", "RFC 7296 3.13.1 IPv4 of 6 octets", \
        esp(source=(V4, 0, 0, 65535, bytes(6), bytes(6)))
    for what, to in (("unicast", (V4, 17, 848, 848, *SERVER[4:])),
                     ("several addresses", (V4, 17, 848, 848, bytes([239, 0, 0, 1]),
                                            bytes([239, 0, 0, 2]))),
                     ("several ports", (V4, 17, 848, 849, *REKEYS[4:])),
                     ("no port", (V4, 17, 0, 0, *REKEYS[4:])),
                     ("not UDP", (V4, 6, 848, 848, *REKEYS[4:]))):
        yield R, "rekey-address", f"4.4.2 Rekey SA: {what}", kek(to=to)
    yield R, "rekey-address", "4.4.2 Rekey SA: unicast", kek(
        source=g.any_of(V6), to=(V6, 17, 848, 848, b"\x20" + bytes(15), b"\x20" + bytes(15)))
    yield R, "esp-and-ah", "4.4.2 ESP and AH for the same", esp(attributes=()) \
        + esp(SPI2, (HMAC, MANY), (), AH)
    yield R, "transform", "4.4.2.1 ESP without a cipher", esp(transforms=(HMAC, MANY))
    yield R, "transform", "4.4.2.1 ESP without SN", esp(transforms=(GCM,))
    yield R, "transform", "4.4.2.1 AH with a cipher", esp(transforms=(GCM, MANY), protocol=AH)
    yield R, "transform", "4.4.2.1 AH without SN", esp(transforms=(HMAC,), protocol=AH)
    yield R, "transform", "4.4.2.1 ESP with a PRF", esp(transforms=(GCM, (2, 5), MANY))
    yield R, "transform", "4.4.2.1 ESP with a group", esp(transforms=(GCM, (4, 31), MANY))
    yield R, "transform", "4.4.2.1 ESP with key wrap", esp(transforms=(GCM, WRAP, MANY))
    yield R, "transform", "4.4.2.1 ESP with GCAUTH", esp(transforms=(GCM, (GCAUTH, 1), MANY))
    yield R, "transform", "4.4.2.1 Rekey SA with SN", kek(transforms=(GCM, WRAP, SIGNED, ONE))
    yield R, "transform", "4.4.2.1 Rekey SA without a cipher", kek(transforms=(WRAP, SIGNED))
    yield R, "transform", "4.4.2.1 Rekey SA without key wrap", kek(transforms=(GCM, SIGNED))
    yield R, "transform", "4.4.2.1.2 key wrap 0", kek(transforms=(GCM, (KWA, 0), SIGNED))
    yield R, "transform", "RFC 7296 3.3.6 an attribute nobody knows", \
        esp(transforms=((ENCR, 20, 256, None, b"\x80\x13\0\1"), MANY))
    yield R, "transform", "4.4.2.1.1 an algorithm beside a cipher", \
        esp(transforms=((ENCR, 20, 256, ED25519), MANY))
    yield R, "integrity", "4.4.2.1 (*) AEAD and HMAC", esp(transforms=(GCM, HMAC, MANY))
    yield R, "integrity", "4.4.2.1 (*) AEAD and HMAC", kek(transforms=(GCM, HMAC, WRAP, SIGNED))
    yield R, "integrity", "4.4.2.1 (*) Rekey SA without", kek(transforms=(CBC, WRAP, SIGNED))
    yield R, "integrity", "4.4.2.1 (*) Rekey SA with NONE", \
        kek(transforms=(CBC, (INTEG, 0), WRAP, SIGNED))
    yield R, "integrity", "RFC 8221 4 ESP without", esp(transforms=(CBC, MANY))
    yield R, "integrity", "4.4.2.1 AH without", esp(transforms=(MANY,), protocol=AH)
    yield R, "sequence-numbers", "4.4.2.1.3 ESN", esp(transforms=(GCM, (SN, 1)))
    yield R, "sequence-numbers", "4.4.2.1.3 unknown", esp(transforms=(GCM, (SN, 3)))
    for number in (29, 30, 31):
        yield R, "implicit-iv", "2.7", esp(transforms=((ENCR, number, 256), ONE))
        yield R, "implicit-iv", "2.7", kek(transforms=((ENCR, number, 256), WRAP, SIGNED))
    yield R, "key-server-proof", "4.4.2.1 none at registration", kek(transforms=(GCM, WRAP))
    yield R, "key-server-proof", "4.4.2.1.1 signature without an algorithm", \
        kek(transforms=(GCM, WRAP, (GCAUTH, 2)))
    yield R, "key-server-proof", "4.4.2.1.1 implicit with an algorithm", \
        kek(transforms=(GCM, WRAP, (GCAUTH, 1, None, ED25519)))
    yield R, "key-server-proof", "4.4.2.1.1 reserved", kek(transforms=(GCM, WRAP, (GCAUTH, 0)))
    yield K, "key-server-proof", "4.4.2.1.1 in a rekey", kek()
    yield I, "key-server-proof", "4.4.2.1.1 in a rekey", kek()
    yield R, "attribute-format", "4.4.2.2.1 short", esp(attributes=((1, 3600),))
    yield R, "attribute-format", "4.4.2.2.1 of 3 octets", esp(attributes=((1, b"\0\0\1"),))
    yield R, "attribute-format", "4.4.2.2.2 of 8 octets", kek(attributes=(LIFE, (2, bytes(8))))
    yield R, "attribute-format", "4.4.2.2.3 of 16 octets", esp(attributes=(LIFE, (3, KEK)))
    yield R, "attribute-format", "4.4.2.2.3 of 4 octets", kek(attributes=(LIFE, (3, SPI)))
    yield R, "attribute-format", "4.4.3.1 long ATD", esp(attributes=()) + g.wide((1, b"\0\1"))
    yield R, "attribute-format", "4.4.3.1 long DTD", esp(attributes=()) + g.wide((2, b"\0\1"))
    yield R, "attribute-format", "4.4.3.1.2 no bits", esp(attributes=()) + g.wide((3, 0))
    yield R, "attribute-format", "4.4.3.1.2 33 bits", esp(attributes=()) + g.wide((3, 33))
    yield R, "attribute", "4.4.2.2.1 multicast without a lifetime", kek() + esp(attributes=())
    yield R, "attribute", "4.4.2.2.1 multicast without a lifetime", kek(attributes=())
    yield K, "attribute", "4.4.2.2.1 multicast without a lifetime", esp(attributes=())
    yield R, "attribute", "4.4.2.2.2 of data", kek() + esp(attributes=(LIFE, (2, u32(1))))
    yield I, "attribute", "4.4.2.2.2 inband", \
        kek(transforms=(GCM, WRAP), attributes=((2, u32(1)),))
    yield I, "attribute", "4.4.2.2.3 inband", esp(attributes=((3, SPI2),))
    yield R, "attribute", "4.4.2.2.3 inband", esp(attributes=((3, SPI2),))
    yield K, "attribute", "5 note 1: bits in a rekey", esp() + g.wide((3, 16))
    yield I, "attribute", "5 note 1: bits in a rekey", esp(attributes=()) + g.wide((3, 16))


def kd_rows():
    yield R, "ok", "4.5", tek_bag() + tek_bag(SPI2) + kek_bag(0) \
        + g.member_bag((2, SPKI), (3, u32(0)), (3, u32(1)))
    yield R, "ok", "12.2", kek_bag(1) + g.member_bag(*wraps((1, 3), (3, 7), (7, 0)))
    yield K, "ok", "12.4", kek_bag(1, 15) + g.member_bag(*wraps((15, 6), (15, 16), (16, 11)))
    yield K, "ok", "5", kek_bag(0) + g.member_bag((2, SPKI))
    yield I, "ok", "2.4.2", tek_bag()
    yield K, "ok", "12.3", kek_bag(0) + tek_bag()
    cut = tek_bag()
    for n in (1, 3, 5, 9, 15, len(cut) - 1):
        yield R, "length", "4.5 cut off", cut[:n]
    yield R, "length", "4.5.1 shorter than its header", b"\3\4\0\3"
    yield R, "length", "4.5.2 an attribute cut off", b"\3\4\0\12" + SPI + b"\0\1"
    yield R, "length", "4.5.3 an attribute cut off", tek_bag() + b"\0\0\0\6\0\1"
    yield R, "empty", "4.5 nothing", b""
    yield R, "empty", "4.5 of a member alone", g.member_bag((3, u32(1)))
    yield R, "protocol", "4.5.2 of IKE", g.group_bag(1, SPI, *wraps((0, 0)))
    yield R, "spi", "4.5.2 ESP with 16 octets", g.group_bag(ESP, KEK, *wraps((0, 0)))
    yield R, "spi", "4.5.2 Rekey SA with 4 octets", g.group_bag(GIKE_UPDATE, SPI, *wraps((0, 0)))
    yield R, "spi", "4.5.2 zero", tek_bag(bytes(4))
    yield R, "twice", "4.5.2 an SA's keys twice", tek_bag() + tek_bag()
    yield R, "twice", "4.5.3.2 two AUTH_KEYs", tek_bag() + g.member_bag((2, SPKI), (2, SPKI))
    yield R, "twice", "4.5.3.2 in two bags", tek_bag() + g.member_bag((2, SPKI)) \
        + g.member_bag((2, SPKI))
    yield R, "twice", "4.5.3.3 a Sender-ID twice", tek_bag() + g.member_bag((3, u32(1)),
                                                                          (3, u32(1)))
    yield R, "key-id", "4.5.2.1 keys of an SA with a number", tek_bag(key=1)
    yield R, "key-id", "4.5.2.1 keys of an SA with a number", kek_bag(0, key=4)
    yield R, "key-id", "4.5.2.1 keys of data not under GSK_w", tek_bag(kwk=1)
    yield R, "key-id", "4.5.3.1 WRAP_KEY 0", tek_bag() + g.member_bag(*wraps((0, 1)))
    yield R, "key-id", "4.5.4 a key under itself", tek_bag() + g.member_bag(*wraps((5, 5)))
    yield R, "key-count", "4.5.2.1 none", g.group_bag(ESP, SPI)
    yield K, "key-count", "4.5.2.1 two of data", g.group_bag(ESP, SPI, *wraps((0, 0), (0, 0)))
    yield R, "key-count", "4.5.2.1 two at registration", kek_bag(1, 2)
    yield I, "key-count", "4.5.2.1 two inband", kek_bag(1, 2)
    yield R, "attribute-format", "4.5.2.1 short", g.group_bag(ESP, SPI, (1, 7))
    yield R, "attribute-format", "4.5.4 without a key", g.group_bag(ESP, SPI, (1, bytes(8)))
    yield R, "attribute-format", "4.5.4 of 5 octets", g.group_bag(ESP, SPI, (1, bytes(5)))
    yield R, "attribute-format", "4.5.3.1 short", tek_bag() + g.member_bag((1, 7))
    yield R, "attribute-format", "4.5.3.2 empty", tek_bag() + g.member_bag((2, b""))
    yield R, "attribute-format", "4.5.3.2 short", tek_bag() + g.member_bag((2, 7))
    yield R, "attribute-format", "4.5.3.3 short", tek_bag() + g.member_bag((3, 7))
    yield R, "attribute-format", "4.5.3.3 empty", tek_bag() + g.member_bag((3, b""))
    yield R, "attribute-format", "4.5.3.3 of 5 octets", tek_bag() + g.member_bag((3, bytes(5)))
    yield K, "attribute", "4.5.3.3 in a rekey", tek_bag() + g.member_bag((3, u32(1)))
    yield I, "attribute", "4.5.3.3 inband", tek_bag() + g.member_bag((3, u32(1)))
    yield I, "attribute", "4.5.3.1 inband", tek_bag() + g.member_bag(*wraps((1, 2)))
    yield I, "attribute", "5 AUTH_KEY inband", tek_bag() + g.member_bag((2, SPKI))
    yield R, "too-many", "4.5.1 33 bags", b"".join(tek_bag(u32(i + 1)) for i in range(33))
    yield K, "too-many", "4.5.2.1 257 keys", kek_bag(*range(1, 258))
    yield K, "too-many", "4.5.3.1 257 keys", \
        kek_bag(1) + g.member_bag(*wraps(*[(i + 2, 1) for i in range(257)]))
    yield R, "too-many", "4.5.3.3 257 Sender-IDs", \
        tek_bag() + g.member_bag(*[(3, u32(i)) for i in range(257)])


def pair_rows():
    ids = [(3, u32(4)), (3, u32(5))]
    whole = kek() + esp() + g.wide((3, 16))
    yield f"{R}:2", "ok", "5", whole, tek_bag() + kek_bag(0) + g.member_bag((2, SPKI), *ids)
    yield f"{R}:0", "ok", "5", kek() + esp(), tek_bag() + kek_bag(0) + g.member_bag((2, SPKI))
    yield f"{R}:0", "ok", "5", esp(attributes=()), tek_bag()
    yield f"{R}:1", "ok", "2.5.1 no counter", esp(transforms=(CBC, HMAC, ONE), attributes=()), \
        tek_bag()
    yield f"{K}:0", "ok", "5", esp(), tek_bag()
    yield f"{K}:0", "ok", "5 a new AUTH_KEY", kek(transforms=(GCM, WRAP)), kek_bag(0) \
        + g.member_bag((2, SPKI))
    yield f"{R}:0", "policy-without-keys", "4.5", esp(attributes=()) + esp(SPI2, attributes=()), \
        tek_bag()
    yield f"{R}:0", "keys-without-policy", "4.5", esp(attributes=()), tek_bag() + tek_bag(SPI2)
    yield f"{R}:0", "policy-without-keys", "4.5 of another protocol", \
        esp(transforms=(HMAC, MANY), attributes=(), protocol=AH), tek_bag()
    yield f"{R}:0", "auth-key", "4.5.3.2 missing", kek(), kek_bag(0)
    yield f"{R}:0", "auth-key", "4.4.2.1.1 implicit", kek(transforms=(GCM, WRAP, (GCAUTH, 1))), \
        kek_bag(0) + g.member_bag((2, SPKI))
    yield f"{R}:0", "auth-key", "5 without a Rekey SA", esp(attributes=()), \
        tek_bag() + g.member_bag((2, SPKI))
    yield f"{R}:0", "attribute", "4.5.3.1 without a Rekey SA", esp(attributes=()), \
        tek_bag() + g.member_bag(*wraps((1, 0)))
    sends = esp(attributes=()) + g.wide((3, 8))
    yield f"{R}:1", "sender-ids", "5 note 1: no bits", esp(attributes=()), \
        tek_bag() + g.member_bag(ids[0])
    yield f"{R}:1", "sender-ids", "5 note 1: no Sender-ID", sends, tek_bag()
    yield f"{R}:1", "sender-ids", "4.5.3.3 more than asked for", sends, \
        tek_bag() + g.member_bag(*ids)
    yield f"{R}:0", "sender-ids", "5 note 1: not asked for", sends, tek_bag()
    yield f"{R}:0", "sender-ids", "5 note 1: not asked for", esp(attributes=()), \
        tek_bag() + g.member_bag(ids[0])
    yield f"{R}:1", "sender-ids", "5 note 1: no counter", \
        esp(transforms=(CBC, HMAC, ONE), attributes=()) + g.wide((3, 8)), tek_bag()
    yield f"{R}:1", "sender-id-too-long", "2.5.2", sends, tek_bag() + g.member_bag((3, u32(256)))
    yield f"{R}:1", "ok", "2.5.2", sends, tek_bag() + g.member_bag((3, u32(255)))


def signed_rows():
    head = bytes(range(1, 17)) + bytes([46, 0x20, 41, 0]) + u32(5) + u32(999)
    for size, at, length in ((64, 16, 32), (40, 0, 40), (300, 172, 128), (64, 64, 0)):
        inner = bytes((i * 7 + 3) & 255 for i in range(size))
        yield head, 51, 0, inner, at, length
    yield head, 42, 0x7f, bytes(range(100)), 20, 64


def lines():
    def line(*words):
        return " ".join(w.hex() or "-" if isinstance(w, bytes) else str(w).replace(" ", "_")
                        for w in words)

    for where, result, clause, data in gsa_rows():
        # Group-wide policy in front is read, and written behind.
        whole = result == "ok" and data[0] != 0
        yield line("gsa", where, result, clause, data, g.text_gsa(data) if whole else "-")
    for where, result, clause, data in kd_rows():
        yield line("kd", where, result, clause, data, g.text_kd(data) if result == "ok" else "-")
    for row in pair_rows():
        yield line("pair", *row)
    for row in signed_rows():
        yield line("signed", *row, g.signed(*row))


def test_the_file_is_what_is_encoded_here():
    assert (HERE / "gike.txt").read_text() == HEADER + "\n".join(lines()) + "\n"


def test_what_is_decoded_is_encoded_to_the_same():
    for rows, text, back in ((gsa_rows, g.text_gsa, g.gsa_of_text),
                             (kd_rows, g.text_kd, g.kd_of_text)):
        good = [data for _, result, _, data in rows() if result == "ok" and data[0] != 0]
        assert len(good) >= 6
        for data in good:
            assert back(text(data)) == data


@pytest.mark.parametrize("seed", range(4))
def test_what_the_codec_writes_is_read_here_and_written_the_same(seed):
    """Random payloads that C made from its own structures, with C's words for them."""
    out = subprocess.run([BUILD / "src" / "wire" / "wire_gike_say", str(seed), "500"],
                         capture_output=True, text=True, check=True, timeout=60).stdout
    seen = {"gsa": 0, "kd": 0}
    for line in out.splitlines():
        kind, data, words = line.split(" ", 2)
        data = bytes.fromhex(data)
        read, back = {"gsa": (g.text_gsa, g.gsa_of_text), "kd": (g.text_kd, g.kd_of_text)}[kind]
        assert read(data) == words
        assert back(words) == data
        seen[kind] += 1
    assert seen == {"gsa": 500, "kd": 500}


if __name__ == "__main__":
    (HERE / "gike.txt").write_text(HEADER + "\n".join(lines()) + "\n")
