/*
 * aead: authenticated encryption with a 96-bit nonce, in bursts and in place: AES-GCM and
 * ChaCha20-Poly1305 (RFC 8439) with a 128-bit tag, and ESP's composition of AES-CBC with
 * HMAC-SHA2 (RFC 3602, RFC 4868) for old gear.
 *
 * Two backends of AES-GCM stand behind it, each in one file: ipsec-mb's direct per-packet calls,
 * where the processor has AES and carry-less multiplication, and OpenSSL anywhere else.
 * aead_init() chooses and proves the choice with known answers before the first key is made. The
 * other algorithms are OpenSSL's.
 *
 * A key is used by one thread at a time: what is OpenSSL's keeps its working state beside it. Those
 * of ipsec-mb, which are only read, may be used by several at once: aead_key_shared().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_NONCE_LEN 12 /* bytes */
#define AEAD_TAG_LEN 16   /* bytes; the composition's tags have half its hash: 16, 24 or 32 */
#define AEAD_CBC_IV_LEN 16
#define AEAD_FINGERPRINT_LEN 16

enum aead_backend {
	AEAD_BEST, /* the fastest that works here */
	AEAD_IPSEC_MB,
	AEAD_OPENSSL,
};

enum aead_alg {
	AEAD_AES_GCM,
	AEAD_CHACHA20_POLY1305,
	/*
	 * The initialisation vector stands in the AEAD_CBC_IV_LEN bytes in front of the data, where
	 * sealing writes it: the nonce, encrypted under the same key (NIST SP 800-38A appendix C),
	 * so that nobody foresees it. The data are whole blocks. The associated data are an ESP
	 * header of 8 bytes, or SPI and extended sequence number in 12, whose middle four, the
	 * upper half of the number, are authenticated last (RFC 4303 section 2.2.1).
	 */
	AEAD_AES_CBC_HMAC_SHA2_256,
	AEAD_AES_CBC_HMAC_SHA2_384,
	AEAD_AES_CBC_HMAC_SHA2_512,
};

/* What a key is made of. All bytes are the caller's. */
struct aead_material {
	enum aead_alg alg;
	const uint8_t *key;
	size_t len;          /* AES: 16 or 32; ChaCha20: 32 */
	const uint8_t *auth; /* the composition: as long as its hash */
	size_t auth_len;
};

/* One packet of a burst. Everything it points to belongs to the caller. */
struct aead_op {
	uint8_t *data;      /* transformed in place */
	const uint8_t *aad; /* authenticated alone */
	uint8_t *tag;       /* seal: the tag is written; open: read */
	uint32_t len;       /* bytes of data, may be 0 */
	uint32_t aad_len;   /* bytes of aad */
	uint8_t nonce[AEAD_NONCE_LEN];
	bool ok; /* written: sealed, or opened with the right tag */
};

/* Used by one thread at a time, unless aead_key_shared(): OpenSSL's holds the state of a packet. */
struct aead_key;

/*
 * Chooses a backend and runs its power-on self-test. Once per process, before any key; again
 * only while no key exists. 0, -ENOTSUP when that backend cannot run here, -EIO when its
 * self-test failed.
 */
int aead_init(enum aead_backend want);
/* Which code runs, e.g. "ipsec-mb 1.3.0 avx512+vaes". Constant after aead_init(). */
const char *aead_kernel(void);

/* An AES-GCM key: len 16 or 32 bytes, copied. NULL with errno EINVAL or ENOMEM. */
struct aead_key *aead_key_new(const uint8_t *key, size_t len);
/* A key of any algorithm, copied. NULL with errno: EINVAL, ENOMEM, EIO it failed its self-test. */
struct aead_key *aead_key_make(const struct aead_material *m);
/* Wipes and frees. NULL is allowed. */
void aead_key_free(struct aead_key *k);
/* Several threads may seal and open with it at once. */
bool aead_key_shared(const struct aead_key *k);

/* Returns how many were sealed. What was not (ok is false) is zeroed and must not be sent. */
unsigned aead_seal(const struct aead_key *k, struct aead_op *v, unsigned n);
/* Returns how many verified. What did not verify is zeroed: no byte of it may be looked at. */
unsigned aead_open(const struct aead_key *k, struct aead_op *v, unsigned n);

/* The same for packets of many keys, k[i] for v[i]: their memory is fetched ahead. */
unsigned aead_seal_each(const struct aead_key *const *k, struct aead_op *v, unsigned n);
unsigned aead_open_each(const struct aead_key *const *k, struct aead_op *v, unsigned n);

/*
 * A name for "this key with nonces that start so", by which a repetition is found after the key
 * itself was wiped. One-way. 0 or -EIO.
 */
int aead_fingerprint(const uint8_t *key, size_t len, const uint8_t nonce[AEAD_NONCE_LEN],
		     uint8_t out[AEAD_FINGERPRINT_LEN]);
