"""G-IKEv2's keys (gike_keys.txt, which the C tests read), computed from the standards' text with
Python's cryptography package: AES key wrap with padding (RFC 5649), what is derived for key wrapping
and cut out of keying material (RFC 9838 sections 3.1.1 and 3.4), and the group of the appendix on
LKH: what its key server sends and what each member then knows.

`python3 test/vectors/test_gike_keys.py` writes the file.
"""
import hashlib
import hmac
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from cryptography.hazmat.primitives import keywrap, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: E402

from lib import gikewire as g  # noqa: E402
from lib import ikecrypto as ike  # noqa: E402

HEADER = """\
# G-IKEv2's keys, computed with Python's cryptography package.
# wrap KEK KEY WRAPPED                                       (RFC 5649)
# default PRF-BITS SK_D LENGTH GSK_W                         (RFC 9838 section 3.1.1)
# member NAME GSK_W KD PATH SA_KEY, and of a simple rekey and one that excludes F:
#        KD GSK_W PATH SA_KEY                                (RFC 9838, Use of LKH)
# rekey GSA KEYMAT AUTH_KEY PRIVATE ID IV PAYLOADS MESSAGE   (RFC 9838 section 2.4.1)
"""
# The tree of the appendix: key -> the key above it. The top ones are under the SA's.
ABOVE = {3: 1, 4: 1, 5: 2, 6: 2, 7: 3, 8: 3, 9: 4, 10: 4, 11: 5, 12: 5, 13: 6, 14: 6}
LEAVES = dict(zip("ABCDEFGH", range(7, 15)))
PATHS = {  # as the appendix prints them: after registration, and when F is excluded
    "A": ("1->3->7", "1->3->7"), "B": ("1->3->8", "1->3->8"), "C": ("1->4->9", "1->4->9"),
    "D": ("1->4->10", "1->4->10"), "E": ("2->5->11", "15->16->11"), "F": ("2->5->12", None),
    "G": ("2->6->13", "15->6->13"), "H": ("2->6->14", "15->6->14")}


def made(name, size=32):
    """A key that stands for a random one."""
    return hashlib.shake_256(f"a key of the group: {name}".encode()).digest(size)


def wrap(kek, key):
    return keywrap.aes_key_wrap_with_padding(kek, key)


def prf_plus(bits, key, seed, length):
    """RFC 7296 section 2.13."""
    out = block = b""
    for i in range(1, 256):
        block = hmac.new(key, block + seed + bytes([i]), f"sha{bits}").digest()
        out += block
        if len(out) >= length:
            return out[:length]


def default_key(bits, sk_d, length):
    return prf_plus(bits, sk_d, b"Key Wrap for G-IKEv2", length)


def spi(n):
    return bytes([n]) * 16


def bag(n, *wrapped):
    """GP(SAn)(...): each under a key, by number and value."""
    return g.group_bag(g.GIKE_UPDATE, spi(n),
                       *[(1, g.wrapped(0, number, wrap(kek, made(f"sa{n}", 68))))
                         for number, kek in wrapped])


def members(*pairs):
    """MP(kwk{key}, ...)."""
    return g.member_bag(*[(1, g.wrapped(key, kwk, wrap(kek, made(key))))
                          for kwk, kek, key in pairs])


def registration(name):
    """KD(GP(SA1)(1{K_sa1}),MP(3{1},7{3},GSK_w{7})) of A, and the others' likewise."""
    leaf = LEAVES[name]
    middle = ABOVE[leaf]
    top = ABOVE[middle]
    return bag(1, (top, made(top))) + members(
        (middle, made(middle), top), (leaf, made(leaf), middle), (0, made(f"gsk {name}"), leaf))


def kek_of(n):
    """GSK_w of the Rekey SA n: the end of its keying material (AES-GCM-256: 36 octets first)."""
    return made(f"sa{n}", 68)[36:]


def simple():
    """KD(GP(SA2)(GSK_w{K_sa2})), over SA1."""
    return bag(2, (0, kek_of(1)))


def excluding_f():
    """KD(GP(SA3)(1{K_sa3},15{K_sa3}),MP(6{15},16{15},11{16})), over SA2."""
    return bag(3, (1, made(1)), (15, made(15))) + members(
        (6, made(6), 15), (16, made(16), 15), (11, made(11), 16))


def chain(*payloads):
    """The type of the first payload, and all of them: (type, body)."""
    out = b""
    for i, (_, body) in enumerate(payloads):
        following = payloads[i + 1][0] if i + 1 < len(payloads) else 0
        out += bytes([following, 0]) + (4 + len(body)).to_bytes(2, "big") + body
    return payloads[0][0], out


ED25519 = bytes.fromhex("300506032b6570")
CIPHERS = {  # transforms; cipher, bits of the hash, octets of key, of integrity key, of IV and ICV
    "gcm": (((g.ENCR, 20, 256),), (20, 0, 36, 0, 8, 16)),
    "chacha": (((g.ENCR, 28),), (28, 0, 36, 0, 8, 16)),
    "cbc": (((g.ENCR, 12, 256), (g.INTEG, 12)), (12, 256, 32, 32, 16, 16)),
}


def rekey_policy(name, signed, in_rekey=False):
    """The policy of a Rekey SA."""
    transforms = CIPHERS[name][0] + ((g.KWA, 3),)
    if not in_rekey:
        transforms += ((g.GCAUTH, 2, None, ED25519) if signed else (g.GCAUTH, 1),)
    server, group = bytes([10, 0, 0, 1]), bytes([239, 9, 9, 9])
    return g.policy(g.GIKE_UPDATE, bytes(range(1, 17)), (g.V4, 17, 848, 848, server, server),
                    (g.V4, 17, 848, 848, group, group), transforms, [(1, g.u32(86400))])


def rekey_message(name, signed, number, iv, payloads):
    """A whole message of the Rekey SA of rekey_policy()."""
    _, (cipher, bits, key_len, auth_len, _, icv) = CIPHERS[name]
    keymat = made(f"rekey {name}", key_len + auth_len + 32)
    private = ed25519.Ed25519PrivateKey.from_private_bytes(made("key server"))
    if signed:
        payloads += ((39, bytes([14, 0, 0, 0, len(ED25519)]) + ED25519 + bytes(64)),)
    first, inner = chain(*payloads)
    header = bytes(range(1, 17)) + bytes([46, 0x20, 41, 0x08]) + g.u32(number) + g.u32(0)
    if signed:
        at = len(inner) - 64
        inner = inner[:at] + private.sign(g.signed(header, first, 0, inner, at, 64))
    block = 16 if cipher == 12 else 1
    pad = -(len(inner) + 1) % block
    text = inner + bytes(pad) + bytes([pad])
    size = 4 + len(iv) + len(text) + icv
    head = header[:24] + g.u32(28 + size) + bytes([first, 0]) + size.to_bytes(2, "big")
    return ike.seal(cipher, bits, keymat[:key_len], keymat[key_len:key_len + auth_len], head, iv,
                    text), keymat


def rekey_lines():
    public = ed25519.Ed25519PrivateKey.from_private_bytes(made("key server")).public_key() \
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for name, signed, number, payloads in (
            ("gcm", True, 9, ((51, rekey_policy("gcm", True, True)), (52, excluding_f()))),
            ("gcm", True, 0, ((42, bytes([3, 4, 0, 1]) + bytes(4)),
                              (42, bytes([6, 16, 0, 1]) + bytes(16)))),
            ("chacha", True, 4000000000, ((51, rekey_policy("chacha", True, True)),
                                          (52, simple()))),
            ("cbc", True, 77, ((51, rekey_policy("cbc", True, True)), (52, simple()))),
            ("gcm", False, 1, ((51, rekey_policy("gcm", False, True)), (52, simple())))):
        iv = made(f"iv {number}", CIPHERS[name][1][4])
        message, keymat = rekey_message(name, signed, number, iv, payloads)
        first, inner = chain(*payloads)
        yield ("rekey", rekey_policy(name, signed), keymat, public if signed else "-",
               made("key server") if signed else "-", number, iv, bytes([first]) + inner, message)


def lines():
    for kek in (16, 24, 32):
        for size in (1, 7, 8, 9, 16, 20, 32, 36, 68, 100, 256):
            key = made(f"{kek}/{size}", size)
            yield "wrap", made("kek", kek), key, wrap(made("kek", kek), key)
    for bits, length in ((256, 16), (256, 32), (384, 32), (512, 24)):
        sk_d = made(f"sk_d {bits}", bits // 8)
        yield "default", bits, sk_d, length, default_key(bits, sk_d, length)
    for name, (before, after) in PATHS.items():
        yield ("member", name, made(f"gsk {name}"), registration(name), before, made("sa1", 68),
               simple(), kek_of(1), before, made("sa2", 68),
               excluding_f(), kek_of(2), after or "-", made("sa3", 68) if after else "-")
    yield from rekey_lines()


def text():
    return HEADER + "".join(
        " ".join(w.hex() if isinstance(w, bytes) else str(w) for w in line) + "\n"
        for line in lines())


def test_the_file_is_what_is_computed_here():
    assert (HERE / "gike_keys.txt").read_text() == text()


def test_key_wrap_gives_the_values_of_rfc_5649():
    kek = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    assert wrap(kek, bytes.fromhex("c37b7e6492584340bed12207808941155068f738")).hex() \
        == "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"
    assert wrap(kek, bytes.fromhex("466f7250617369")).hex() == "afbeb0f07dfbf5419200f2ccb50bb24f"


def test_the_name_of_key_wrapping_is_of_20_characters():
    assert len("Key Wrap for G-IKEv2") == 20


if __name__ == "__main__":
    (HERE / "gike_keys.txt").write_text(text())
