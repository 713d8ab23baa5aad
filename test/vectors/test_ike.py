"""The vectors of IKEv2's computations (ike.txt, which the C tests read) against values computed
here.

First the tools are tried on published vectors (RFC 4231, RFC 7748, RFC 5903, RFC 7634 appendix B,
the GCM specification), then every line of the file is computed anew from its inputs by
test/lib/ikecrypto.py. `python3 test/vectors/test_ike.py` writes the file.
"""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import ikecrypto as ike  # noqa: E402

NONE = b""


def number(value):
    return int.from_bytes(value, "big")


def keys(bits, shared, ni, nr, spi_i, spi_r, auth_len, key_len):
    return list(ike.ike_keys(number(bits), shared, ni, nr, spi_i, spi_r, number(auth_len),
                             number(key_len)))


# Line kind → how it is computed, of how many inputs.
KINDS = {
    "prf": (lambda bits, key, data: [ike.prf(number(bits), key, data)], 3),
    "plus": (lambda bits, key, seed, n: [ike.prf_plus(number(bits), key, seed, number(n))], 4),
    "dh": (lambda group, mine, theirs: [ike.dh_public(number(group), mine),
                                        ike.dh_shared(number(group), mine, theirs)], 3),
    "seal": (lambda cipher, bits, key, auth, head, iv, text:
             [ike.seal(number(cipher), number(bits), key, auth, head, iv, text)], 7),
    "keys": (keys, 8),
}

HEADER = """\
# IKEv2's computations (RFC 7296 2.13, 2.14, 3.14), computed with Python's cryptography package.
# Numbers and bytes are hexadecimal, `-` is no bytes.
# prf BITS KEY DATA OUT
# plus BITS KEY SEED LENGTH OUT
# dh GROUP PRIVATE PEER PUBLIC SHARED
# seal CIPHER BITS KEY AUTH HEAD IV TEXT MESSAGE
# keys BITS SHARED NI NR SPII SPIR AUTHLEN KEYLEN SKEYSEED KEYMAT
"""


def inputs():
    """What the file is made of."""
    def ramp(n, first=0):
        return bytes((first + i) & 255 for i in range(n))

    def num(n):
        return n.to_bytes(2, "big")

    for bits in (256, 384, 512):
        for size in (1, bits // 8, 200):
            yield "prf", num(bits), ramp(size, 3), ramp(100 + size)
        yield "prf", num(bits), ramp(32), NONE
        for length in (1, bits // 8, bits // 8 + 1, 400):
            yield "plus", num(bits), ramp(32, 9), ramp(80), num(length)
    sizes = {31: 32, 19: 32, 20: 48, 21: 66, 14: 40, 15: 52, 16: 60}
    for group, size in sizes.items():
        mine, theirs = ramp(size, 0), ramp(size, 1)
        if group == 21:
            theirs = b"\1" + theirs[1:]
        yield "dh", num(group), mine, ike.dh_public(group, theirs)
    for cipher, bits, key, auth in [(20, 0, 20, 0), (20, 0, 36, 0), (28, 0, 36, 0),
                                    (12, 256, 16, 32), (12, 384, 16, 48), (12, 512, 16, 64),
                                    (12, 256, 32, 32), (12, 384, 32, 48), (12, 512, 32, 64)]:
        for text in (16, 160):
            yield ("seal", num(cipher), num(bits), ramp(key, 5), ramp(auth, 77), ramp(32),
                   ramp(16 if cipher == 12 else 8, 200), ramp(text, 1))
    for bits, shared, auth, key in [(256, 32, 32, 16), (384, 48, 0, 36), (512, 256, 64, 32)]:
        yield ("keys", num(bits), ramp(shared, 2), ramp(32, 60), ramp(40, 90), ramp(8, 1),
               ramp(8, 11), num(auth), num(key))


def lines():
    for line in (HERE / "ike.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            kind, *values = line.split()
            yield kind, [NONE if v == "-" else bytes.fromhex(v) for v in values]


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_is_what_is_computed_here(kind):
    how, inputs = KINDS[kind]
    found = [values for name, values in lines() if name == kind]
    assert len(found) >= 3
    for values in found:
        assert how(*values[:inputs]) == values[inputs:]


def test_hmac_gives_the_values_of_rfc_4231():
    assert ike.prf(256, b"Jefe", b"what do ya want for nothing?").hex() \
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert ike.prf(512, b"\x0b" * 20, b"Hi There").hex().startswith("87aa7cdea5ef619d4ff0b4241a1d6c")


def test_x25519_gives_the_values_of_rfc_7748():
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert ike.dh_public(31, alice).hex() \
        == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert ike.dh_shared(31, alice, ike.dh_public(31, bob)).hex() \
        == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


def test_ecp_256_gives_the_values_of_rfc_5903():
    mine = bytes.fromhex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433")
    theirs = bytes.fromhex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
                           "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab")
    assert ike.dh_public(19, mine).hex().startswith("dad0b65394221cf9b051e1feca5787d0")
    assert ike.dh_shared(19, mine, theirs).hex() \
        == "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"


def test_chacha20_poly1305_gives_the_message_of_rfc_7634():
    head = bytes.fromhex("c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029")
    text = bytes.fromhex("0000000c000040010000000a00")
    key = bytes(range(0x80, 0xa0)) + bytes.fromhex("a0a1a2a3")
    assert ike.seal(28, 0, key, NONE, head, bytes(range(0x10, 0x18)), text).hex() == (
        head.hex() + "1011121314151617" "610394701f8d017f7c12924889"
        "6b71bfe25236efd7cdc67066906315b2")


def test_primes_end_and_begin_as_rfc_3526_prints_them():
    for prime in ike.PRIMES.values():
        text = f"{prime:X}"
        assert text.startswith("FFFFFFFFFFFFFFFFC90FDAA22168C234") and text.endswith("F" * 16)
        assert pow(2, prime - 1, prime) == 1


if __name__ == "__main__":
    with open(HERE / "ike.txt", "w") as out:
        out.write(HEADER)
        for kind, *values in inputs():
            values += KINDS[kind][0](*values)
            out.write(" ".join([kind, *(v.hex() or "-" for v in values)]) + "\n")
