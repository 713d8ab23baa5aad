/*
 * prf: HMAC-SHA2 as a pseudorandom function, its iteration prf+ (RFC 7296 §2.13, RFC 4868), and
 * the plain digests that names are made of. Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PRF_MAX 64 /* bytes of the longest output */
#define DIGEST_SHA1_LEN 20

enum prf_hash { PRF_SHA2_256, PRF_SHA2_384, PRF_SHA2_512, PRF_HASH_COUNT };

/* One of several runs of bytes that are taken as one. */
struct prf_piece {
	const void *p;
	size_t len;
};

/* Output and preferred key length, bytes: 32, 48, 64. */
size_t prf_len(enum prf_hash h);

/* out has room for prf_len(h). 0, or -EIO when the library fails; out is wiped then. */
int prf(enum prf_hash h, const void *key, size_t key_len, const struct prf_piece *v, unsigned n,
	uint8_t *out);

/* Fills out_len bytes, at most 255 times prf_len(h). 0, -EINVAL, -EIO; out is wiped unless 0. */
int prf_plus(enum prf_hash h, const void *key, size_t key_len, const struct prf_piece *v,
	     unsigned n, uint8_t *out, size_t out_len);

/* SHA-1, for what the standard names by it (NAT detection, certificate authorities): nothing that
 * needs it to be strong. 0 or -EIO. */
int digest_sha1(const struct prf_piece *v, unsigned n, uint8_t out[DIGEST_SHA1_LEN]);
