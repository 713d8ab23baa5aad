#include "crypto/aead_backend.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>

/* Written by aead_init() before any worker runs, read only afterwards. */
static const struct aead_ops *aead_ops;
static char aead_name[64] = "none";

static int backend_try(const struct aead_ops *ops)
{
	int rc = ops->init(aead_name, sizeof(aead_name));

	if (rc == 0)
		rc = aead_selftest(ops);
	if (rc == 0)
		aead_ops = ops;
	return rc;
}

int aead_init(enum aead_backend want)
{
	int rc = -ENOTSUP;

	aead_ops = NULL;
#ifdef HAVE_IPSEC_MB
	if (want != AEAD_OPENSSL)
		rc = backend_try(&aead_ipsec_mb);
#endif
	/* A backend that computes wrongly is not replaced in silence: only its absence is. */
	if (rc == -ENOTSUP && want != AEAD_IPSEC_MB)
		rc = backend_try(&aead_openssl);
	return rc;
}

const char *aead_kernel(void)
{
	return aead_name;
}

static bool lengths_valid(const struct aead_material *m)
{
	static const uint8_t hash[] = {[AEAD_AES_CBC_HMAC_SHA2_256] = 32,
				       [AEAD_AES_CBC_HMAC_SHA2_384] = 48,
				       [AEAD_AES_CBC_HMAC_SHA2_512] = 64};

	if (m->alg > AEAD_AES_CBC_HMAC_SHA2_512 || m->auth_len != hash[m->alg])
		return false;
	return m->len == 32 || (m->len == 16 && m->alg != AEAD_CHACHA20_POLY1305);
}

/* What serves the algorithm, proved with known answers before its first key. */
static const struct aead_ops *ops_of(enum aead_alg alg)
{
	static bool proved[AEAD_AES_CBC_HMAC_SHA2_512 + 1];
	const struct aead_ops *ops = alg == AEAD_CHACHA20_POLY1305 ? &aead_openssl : &aead_cbc_hmac;

	if (alg == AEAD_AES_GCM)
		return aead_ops;
	if (!proved[alg])
		proved[alg] = aead_selftest_alg(ops, alg) == 0;
	return proved[alg] ? ops : NULL;
}

struct aead_key *aead_key_make(const struct aead_material *m)
{
	const struct aead_ops *ops;
	struct aead_key *k;
	size_t size;
	int rc;

	if (!aead_ops || !lengths_valid(m)) {
		errno = EINVAL;
		return NULL;
	}
	ops = ops_of(m->alg);
	if (!ops) {
		errno = EIO;
		return NULL;
	}
	size = (sizeof(*k) + ops->key_size + 63) & ~(size_t)63;
	k = aligned_alloc(64, size);
	if (!k)
		return NULL;
	k->ops = ops;
	k->size = size;
	rc = k->ops->key_init(k->state, m);
	if (rc < 0) {
		secret_wipe(k, size);
		free(k);
		errno = -rc;
		return NULL;
	}
	return k;
}

struct aead_key *aead_key_new(const uint8_t *key, size_t len)
{
	return aead_key_make(&(struct aead_material){.alg = AEAD_AES_GCM, .key = key, .len = len});
}

void aead_key_free(struct aead_key *k)
{
	if (!k)
		return;
	k->ops->key_fini(k->state);
	secret_wipe(k, k->size);
	free(k);
}

bool aead_key_shared(const struct aead_key *k)
{
	return k->ops->shared;
}

unsigned aead_seal(const struct aead_key *k, struct aead_op *v, unsigned n)
{
	return k->ops->seal(k->state, v, n);
}

unsigned aead_open(const struct aead_key *k, struct aead_op *v, unsigned n)
{
	return k->ops->open(k->state, v, n);
}

/* How many keys from the first on are of the same backend. */
static unsigned same_ops(const struct aead_key *const *k, unsigned n)
{
	unsigned i = 1;

	while (i < n && k[i]->ops == k[0]->ops)
		i++;
	return i;
}

/* Each packet with its own key, as many at a time as are of one backend that can. */
static unsigned each(const struct aead_key *const *k, struct aead_op *v, unsigned n, bool open)
{
	unsigned good = 0;

	for (unsigned i = 0, m; i < n; i += m) {
		const struct aead_ops *ops = k[i]->ops;
		unsigned (*many)(const struct aead_key *const *, struct aead_op *, unsigned) =
			open ? ops->open_each : ops->seal_each;

		m = many ? same_ops(k + i, n - i) : 1;
		good += many   ? many(k + i, v + i, m)
			: open ? ops->open(k[i]->state, v + i, 1)
			       : ops->seal(k[i]->state, v + i, 1);
	}
	return good;
}

unsigned aead_seal_each(const struct aead_key *const *k, struct aead_op *v, unsigned n)
{
	return each(k, v, n, false);
}

unsigned aead_open_each(const struct aead_key *const *k, struct aead_op *v, unsigned n)
{
	return each(k, v, n, true);
}
