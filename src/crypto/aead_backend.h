/* aead_backend: what a backend of aead.h provides. Private to src/crypto. */
#pragma once

#include "crypto/aead.h"

struct aead_ops {
	/* Finds out whether it can run here and prepares it: 0 or -ENOTSUP. Writes its name. */
	int (*init)(char *name, size_t size);
	size_t key_size; /* bytes of its key state, which the caller aligns to 64 */
	bool shared;     /* a key's state is only read: any number of threads may use it at once */
	/* 0 or -errno; the lengths are the algorithm's. */
	int (*key_init)(void *state, const struct aead_material *m);
	/* Frees what the state points to. The caller wipes the state itself. */
	void (*key_fini)(void *state);
	/* Sets ok of each; returns how many are. */
	unsigned (*seal)(const void *state, struct aead_op *v, unsigned n);
	/* The same, and zeroes the data of what did not verify. */
	unsigned (*open)(const void *state, struct aead_op *v, unsigned n);
	/* The same, each with the key that stands beside it; NULL: it is done one by one. */
	unsigned (*seal_each)(const struct aead_key *const *k, struct aead_op *v, unsigned n);
	unsigned (*open_each)(const struct aead_key *const *k, struct aead_op *v, unsigned n);
};

struct aead_key {
	const struct aead_ops *ops;
	size_t size; /* of the whole allocation */
	_Alignas(64) uint8_t state[];
};

extern const struct aead_ops aead_openssl;  /* AES-GCM, ChaCha20-Poly1305 */
extern const struct aead_ops aead_cbc_hmac; /* the composition */
#ifdef HAVE_IPSEC_MB
extern const struct aead_ops aead_ipsec_mb;
#endif

/* Known answers of AES-GCM for each key length through ops. 0 or -EIO. */
int aead_selftest(const struct aead_ops *ops);
/* The same for another algorithm. */
int aead_selftest_alg(const struct aead_ops *ops, enum aead_alg alg);
