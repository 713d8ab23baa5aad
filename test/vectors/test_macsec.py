"""The vectors of 802.1AE annex C (macsec_annex_c.txt, which the C tests read) and those with a
confidentiality offset (macsec_offset.txt) against frames protected here by Python's cryptography, which knows nothing of src/.
"""
import pathlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent


def vectors(name):
    block = {}
    for line in (HERE / name).read_text().splitlines() + [""]:
        if line.startswith("#"):
            continue
        if not line and block:
            yield block
            block = {}
        elif line:
            key, _, value = line.partition(" ")
            block[key] = value if key == "vector" else bytes.fromhex(value)


def nonce(v):
    if "xpn" not in v["vector"]:
        return v["sci"] + v["pn"][4:]
    return bytes(a ^ b for a, b in zip(v["salt"], v["ssci"] + v["pn"]))


@pytest.mark.parametrize("v", [*vectors("macsec_annex_c.txt"), *vectors("macsec_offset.txt")],
                         ids=lambda v: v["vector"].replace(" ", "-"))
def test_vector_is_what_is_computed_here(v):
    secure, plain = v["secure"], v["plain"]
    tag = secure[12:28] if secure[14] & 0x20 else secure[12:20]
    assert tag[:2] == b"\x88\xe5" and tag[4:8] == v["pn"][4:]
    assert tag[8:] == v["sci"] if tag[8:] else plain[6:12] + b"\0\1" == v["sci"]
    assert tag[3] == (len(plain) - 12 if len(plain) - 12 < 48 else 0)
    head, data = plain[:12] + tag, plain[12:]
    if "offset" in v["vector"]:
        clear = int(v["vector"].split()[1][7:])
        assert tag[2] & 0x0c == 0x0c
        aad = head + data[:clear]
        assert secure == aad + AESGCM(v["key"]).encrypt(nonce(v), data[clear:], aad)
    elif "confidentiality" in v["vector"]:
        assert tag[2] & 0x0c == 0x0c
        assert secure == head + AESGCM(v["key"]).encrypt(nonce(v), data, head)
    else:
        assert tag[2] & 0x0c == 0
        assert secure == head + data + AESGCM(v["key"]).encrypt(nonce(v), b"", head + data)


def test_file_holds_eight_frames_under_four_suites():
    names = [v["vector"].split() for v in vectors("macsec_annex_c.txt")]
    assert len(names) == len({tuple(n) for n in names}) == 32
    assert {n[0] for n in names} == {f"C.{i}" for i in range(1, 9)}
    assert {n[3] for n in names} == {"gcm-aes-128", "gcm-aes-256", "gcm-aes-xpn-128",
                                     "gcm-aes-xpn-256"}
