/*
 * dh: Diffie-Hellman with the groups IKEv2 uses: X25519 (RFC 7748, RFC 8031), ECP-256/384/521
 * (RFC 5903), MODP-2048/3072/4096 (RFC 3526). Any thread.
 *
 * Public values and shared secrets are in the layouts of those standards: X25519 32 bytes; ECP x
 * and y side by side, the secret x alone; MODP as long as the prime, with leading zeroes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DH_PRIVATE_MAX 66 /* bytes */
#define DH_PUBLIC_MAX 512 /* bytes; also of a shared secret */

enum dh_group {
	DH_X25519,
	DH_ECP_256,
	DH_ECP_384,
	DH_ECP_521,
	DH_MODP_2048,
	DH_MODP_3072,
	DH_MODP_4096,
	DH_GROUP_COUNT
};

/* A private value. The owner wipes it with secret_wipe(). */
struct dh_key {
	uint8_t group; /* enum dh_group */
	uint8_t len;   /* bytes; 0: no key */
	uint8_t b[DH_PRIVATE_MAX];
};

size_t dh_public_len(enum dh_group g);
size_t dh_shared_len(enum dh_group g);

/* Draws a private value from random, which fills n bytes and never fails. 0 or -EIO. */
int dh_make(struct dh_key *k, enum dh_group g, void (*random)(void *ctx, void *buf, size_t n),
	    void *ctx);

/* Writes dh_public_len() bytes. 0 or -EIO. */
int dh_public(const struct dh_key *k, uint8_t *out);

/*
 * Writes dh_shared_len() bytes. -EBADMSG when the other's value, len bytes, is none of the group:
 * of another length, not on the curve, 0, 1, p-1 or above, or of small order (RFC 6989). -EIO
 * when the library fails. out is wiped unless the result is 0.
 */
int dh_shared(const struct dh_key *k, const uint8_t *theirs, size_t len, uint8_t *out);
