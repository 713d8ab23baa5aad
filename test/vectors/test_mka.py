"""The vectors of MKA's keys (mka_kdf.txt, which the C tests read) against values computed here.

First the tools are tried on published vectors (RFC 4493, RFC 3394), then every line of the file
is computed anew from its inputs by test/lib/dot1x.py, which was written from the standard and
knows nothing of src/.
"""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import dot1x  # noqa: E402


def keys(cak, ckn):
    return [dot1x.derive_ick(cak, ckn), dot1x.derive_kek(cak, ckn)]


def sak(cak, context, want):
    return [dot1x.kdf(cak, b"IEEE8021 SAK", context, len(want) * 8)]


def wrap(kek, key):
    return [dot1x.wrap(kek, key)]


def icv(cak, ckn, covered):
    return [dot1x.cmac(dot1x.derive_ick(cak, ckn), covered)]


# Line kind → how it is computed, of how many inputs.
KINDS = {"keys": (keys, 2), "sak": (sak, 3), "wrap": (wrap, 2), "icv": (icv, 3)}


def lines():
    for line in (HERE / "mka_kdf.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            kind, *values = line.split()
            yield kind, [bytes.fromhex(value) for value in values]


def test_cmac_gives_the_values_of_rfc_4493():
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    message = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                            "30c81c46a35ce411")
    assert dot1x.cmac(key, b"").hex() == "bb1d6929e95937287fa37d129b756746"
    assert dot1x.cmac(key, message[:16]).hex() == "070a16b46b4d4144f79bdd9dd04a287c"
    assert dot1x.cmac(key, message).hex() == "dfa66747de9ae63030ca32611497c827"


def test_wrap_gives_the_values_of_rfc_3394():
    key = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert dot1x.wrap(bytes(range(16)), key).hex() == \
        "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"
    assert dot1x.wrap(bytes(range(32)), key + bytes(range(16))).hex() == \
        "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_the_file_is_what_is_computed_here(kind):
    compute, inputs = KINDS[kind]
    values = [v for k, v in lines() if k == kind]
    assert len(values) >= 4
    for v in values:
        results = v[2:] if kind == "sak" else v[inputs:]
        assert compute(*v[:inputs]) == results


def test_file_holds_no_kind_that_nobody_computes():
    assert {kind for kind, _ in lines()} == set(KINDS)
