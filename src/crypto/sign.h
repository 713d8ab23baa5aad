/*
 * sign: signatures as IKEv2 makes them (RFC 7427 with RFC 8420): the scheme stands in front of the
 * signature as an AlgorithmIdentifier in DER. RSA-PSS, RSA PKCS#1 v1.5 and ECDSA with SHA-2,
 * Ed25519. And as old boxes make them (RFC 7296 §3.8, RFC 4754), where the method is the scheme:
 * RSA PKCS#1 v1.5 with SHA-1, ECDSA as two numbers side by side. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGN_MAX 1024          /* bytes of the longest signature: RSA with 8192 bits */
#define SIGN_ALGORITHM_MAX 72  /* bytes of an AlgorithmIdentifier we send */
#define SIGN_RSA_BITS_MIN 2048 /* shorter keys are refused */

enum sign_scheme {
	SIGN_ED25519,
	SIGN_ECDSA_SHA2_256,
	SIGN_ECDSA_SHA2_384,
	SIGN_ECDSA_SHA2_512,
	SIGN_RSA_PSS_SHA2_256,
	SIGN_RSA_PSS_SHA2_384,
	SIGN_RSA_PSS_SHA2_512,
	SIGN_RSA_PKCS1_SHA2_256,
	SIGN_RSA_PKCS1_SHA2_384,
	SIGN_RSA_PKCS1_SHA2_512,
	SIGN_RSA_PKCS1_SHA1, /* old boxes' alone: it has no AlgorithmIdentifier here */
	SIGN_SCHEME_COUNT
};

/* "rsa-pss-sha2-256" and the like. */
const char *sign_scheme_name(enum sign_scheme s);
/* RFC 7427's number of the hash a scheme uses; 1 is SHA-1, 5, "Identity", Ed25519's. */
uint16_t sign_scheme_hash(enum sign_scheme s);

/* The AlgorithmIdentifier of a scheme, DER; constant. Length 0: it has none. */
const uint8_t *sign_algorithm(enum sign_scheme s, size_t *len);
/* The scheme of an AlgorithmIdentifier, DER, or -1: unknown, or not DER. Parameters that mean the
 * same are the same, however they are written. */
int sign_scheme_of(const uint8_t *der, size_t len);

/* A private key. Wiped when it is freed. */
struct sign_key;

/* From PEM (PKCS#8 or traditional) or PKCS#8 in DER. NULL: none, encrypted, or of no kind here. */
struct sign_key *sign_key_load(const void *data, size_t len);
void sign_key_free(struct sign_key *k);
/* 1 << enum sign_scheme of all it can make. ECDSA: the hash that goes with the curve alone. */
uint32_t sign_key_schemes(const struct sign_key *k);
/* Its public key as SubjectPublicKeyInfo, DER. Bytes, or 0 when it does not fit. */
size_t sign_key_public(const struct sign_key *k, uint8_t *out, size_t size);

/* Signs len bytes. *out_len: room in out, at least SIGN_MAX; then bytes written. 0, -EINVAL when
 * the key cannot make that scheme, -EIO. */
int sign_make(const struct sign_key *k, enum sign_scheme s, const void *data, size_t len,
	      uint8_t *out, size_t *out_len);

/*
 * Checks a signature by a public key, SubjectPublicKeyInfo in DER. 0, -EBADMSG when it is wrong,
 * -EKEYREJECTED when the key is of another kind than the scheme, or too short. ECDSA on any of the
 * three curves may come with any of the hashes: RFC 7427 leaves that to the signer.
 */
int sign_check(const uint8_t *spki, size_t spki_len, enum sign_scheme s, const void *data,
	       size_t len, const uint8_t *sig, size_t sig_len);

/* An ECDSA signature as RFC 4754 §7 has it, r and s side by side, from and to the DER that
 * sign_make() and sign_check() have. Bytes written to out, or 0: not one of that scheme's curve. */
size_t sign_ecdsa_plain(enum sign_scheme s, const uint8_t *der, size_t len, uint8_t *out,
			size_t size);
size_t sign_ecdsa_der(enum sign_scheme s, const uint8_t *plain, size_t len, uint8_t *out,
		      size_t size);
