#include "crypto/aead_backend.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>

struct aead_key {
	const struct aead_ops *ops;
	size_t size; /* of the whole allocation */
	_Alignas(64) uint8_t state[];
};

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

struct aead_key *aead_key_new(const uint8_t *key, size_t len)
{
	struct aead_key *k;
	size_t size;
	int rc;

	if (!aead_ops || (len != 16 && len != 32)) {
		errno = EINVAL;
		return NULL;
	}
	size = (sizeof(*k) + aead_ops->key_size + 63) & ~(size_t)63;
	k = aligned_alloc(64, size);
	if (!k)
		return NULL;
	k->ops = aead_ops;
	k->size = size;
	rc = k->ops->key_init(k->state, key, len);
	if (rc < 0) {
		secret_wipe(k, size);
		free(k);
		errno = -rc;
		return NULL;
	}
	return k;
}

void aead_key_free(struct aead_key *k)
{
	if (!k)
		return;
	k->ops->key_fini(k->state);
	secret_wipe(k, k->size);
	free(k);
}

void aead_seal(const struct aead_key *k, struct aead_op *v, unsigned n)
{
	k->ops->seal(k->state, v, n);
}

unsigned aead_open(const struct aead_key *k, struct aead_op *v, unsigned n)
{
	unsigned ok = 0;

	k->ops->open(k->state, v, n);
	for (unsigned i = 0; i < n; i++)
		ok += v[i].ok;
	return ok;
}
