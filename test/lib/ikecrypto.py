"""IKEv2's computations, written from the RFCs with Python's cryptography package alone.

It knows nothing of src/: what it computes is what the C code is held against.
"""
import hashlib
import hmac
import itertools

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

HASHES = {256: hashlib.sha256, 384: hashlib.sha384, 512: hashlib.sha512}
CURVES = {19: ec.SECP256R1(), 20: ec.SECP384R1(), 21: ec.SECP521R1()}


def prf(bits, key, data):
    return hmac.new(key, data, HASHES[bits]).digest()


def prf_plus(bits, key, seed, length):
    """RFC 7296 §2.13."""
    out = block = b""
    for count in itertools.count(1):
        if len(out) >= length:
            return out[:length]
        block = prf(bits, key, block + seed + bytes([count]))
        out += block


def _pi(bits):
    """floor(pi * 2^bits), by Machin's formula."""
    one = 1 << (bits + 64)

    def arctan_inverse(x):
        total, term, n, sign = 0, one // x, 1, 1
        while term:
            total += sign * (term // n)
            term //= x * x
            n, sign = n + 2, -sign
        return total
    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239)) >> 64


# RFC 3526: p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + k)
PRIMES = {group: 2**n - 2**(n - 64) - 1 + 2**64 * (_pi(n - 130) + k)
          for group, n, k in [(14, 2048, 124476), (15, 3072, 1690314), (16, 4096, 240904)]}


def dh_public(group, private):
    if group == 31:
        return x25519.X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    if group in CURVES:
        numbers = ec.derive_private_key(int.from_bytes(private, "big"), CURVES[group]) \
            .public_key().public_numbers()
        size = (CURVES[group].key_size + 7) // 8
        return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
    prime = PRIMES[group]
    size = prime.bit_length() // 8
    return pow(2, int.from_bytes(private, "big"), prime).to_bytes(size, "big")


def dh_shared(group, private, theirs):
    if group == 31:
        return x25519.X25519PrivateKey.from_private_bytes(private).exchange(
            x25519.X25519PublicKey.from_public_bytes(theirs))
    if group in CURVES:
        other = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[group], b"\x04" + theirs)
        return ec.derive_private_key(int.from_bytes(private, "big"), CURVES[group]).exchange(
            ec.ECDH(), other)
    prime = PRIMES[group]
    return pow(int.from_bytes(theirs, "big"), int.from_bytes(private, "big"),
               prime).to_bytes(prime.bit_length() // 8, "big")


def seal(cipher, bits, key, auth, head, iv, text):
    """The whole protected message: cipher 20 (AES-GCM), 28 (ChaCha20-Poly1305), 12 (AES-CBC with
    HMAC-SHA2 of `bits`)."""
    if cipher == 12:
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        message = head + iv + encryptor.update(text) + encryptor.finalize()
        return message + prf(bits, auth, message)[:bits // 16]
    aead = (AESGCM if cipher == 20 else ChaCha20Poly1305)(key[:-4])
    return head + iv + aead.encrypt(key[-4:] + iv, text, head)


def open_seal(cipher, bits, key, auth, message, head):
    """The text of a protected message whose head has that many bytes; ValueError if forged."""
    iv = 16 if cipher == 12 else 8
    if cipher == 12:
        icv = bits // 16
        if prf(bits, auth, message[:-icv])[:icv] != message[-icv:]:
            raise ValueError("ICV")
        decryptor = Cipher(algorithms.AES(key), modes.CBC(message[head:head + iv])).decryptor()
        return decryptor.update(message[head + iv:-icv]) + decryptor.finalize()
    aead = (AESGCM if cipher == 20 else ChaCha20Poly1305)(key[:-4])
    return aead.decrypt(key[-4:] + message[head:head + iv], message[head + iv:], message[:head])


def ike_keys(bits, shared, ni, nr, spi_i, spi_r, auth_len, key_len):
    """SKEYSEED and, in one run, SK_d SK_ai SK_ar SK_ei SK_er SK_pi SK_pr (RFC 7296 §2.14)."""
    seed = prf(bits, ni + nr, shared)
    size = bits // 8
    return seed, prf_plus(bits, seed, ni + nr + spi_i + spi_r,
                          3 * size + 2 * auth_len + 2 * key_len)
