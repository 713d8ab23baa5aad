/*
 * aead_ipsec_mb: AES-GCM by Intel's ipsec-mb, through its direct per-packet calls (the job API
 * changed its layout at 2.0, these did not). The only file that includes the library.
 *
 * The manager holds no state of a packet here: it is the table of functions that the library
 * chose for this processor, read by every worker.
 */
#include "crypto/aead_backend.h"

#include "base/secret.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <string.h>

static IMB_MGR *mgr; /* written by imb_init() before any worker runs */

struct imb_key {
	struct gcm_key_data data;
	aes_gcm_enc_dec_t enc, dec;
};

static int imb_init(char *name, size_t size)
{
	const char *arch[IMB_ARCH_NUM] = {[IMB_ARCH_SSE] = "sse",
					  [IMB_ARCH_AVX] = "avx",
					  [IMB_ARCH_AVX2] = "avx2",
					  [IMB_ARCH_AVX512] = "avx512"};
	const uint64_t need = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
	IMB_ARCH used = IMB_ARCH_NONE;

	if (!mgr)
		mgr = alloc_mb_mgr(0);
	if (!mgr)
		return -ENOTSUP;
	init_mb_mgr_auto(mgr, &used);
	if (imb_get_errno(mgr) || (mgr->features & need) != need || used < IMB_ARCH_SSE ||
	    used >= IMB_ARCH_NUM)
		return -ENOTSUP;
	snprintf(name, size, "ipsec-mb %s %s%s", imb_get_version_str(), arch[used],
		 used == IMB_ARCH_AVX512 && mgr->features & IMB_FEATURE_VAES &&
				 mgr->features & IMB_FEATURE_VPCLMULQDQ
			 ? "+vaes"
			 : "");
	return 0;
}

static int imb_key_init(void *state, const struct aead_material *m)
{
	struct imb_key *k = state;

	if (m->len == 16) {
		IMB_AES128_GCM_PRE(mgr, m->key, &k->data);
		k->enc = mgr->gcm128_enc;
		k->dec = mgr->gcm128_dec;
	} else {
		IMB_AES256_GCM_PRE(mgr, m->key, &k->data);
		k->enc = mgr->gcm256_enc;
		k->dec = mgr->gcm256_dec;
	}
	return 0;
}

static void imb_key_fini(void *state)
{
	(void)state;
}

static inline void seal_one(const struct imb_key *k, struct gcm_context_data *ctx,
			    struct aead_op *o)
{
	k->enc(&k->data, ctx, o->data, o->data, o->len, o->nonce, o->aad, o->aad_len, o->tag,
	       AEAD_TAG_LEN);
	o->ok = true;
}

/* Whether the tag was right; `mine` is the one that was made. */
static inline bool open_one(const struct imb_key *k, struct gcm_context_data *ctx,
			    struct aead_op *o, uint64_t mine[2])
{
	uint64_t got[2];

	k->dec(&k->data, ctx, o->data, o->data, o->len, o->nonce, o->aad, o->aad_len,
	       (uint8_t *)mine, AEAD_TAG_LEN);
	memcpy(got, o->tag, sizeof(got));
	o->ok = ((mine[0] ^ got[0]) | (mine[1] ^ got[1])) == 0;
	if (o->ok)
		return true;
	secret_wipe(o->data, o->len);
	return false;
}

static unsigned imb_seal(const void *state, struct aead_op *v, unsigned n)
{
	struct gcm_context_data ctx;

	for (struct aead_op *o = v; o < v + n; o++)
		seal_one(state, &ctx, o);
	secret_wipe(&ctx, sizeof(ctx));
	return n;
}

static unsigned imb_open(const void *state, struct aead_op *v, unsigned n)
{
	struct gcm_context_data ctx;
	uint64_t mine[2];
	unsigned good = n;

	for (struct aead_op *o = v; o < v + n; o++)
		if (!open_one(state, &ctx, o, mine))
			good--;
	secret_wipe(&ctx, sizeof(ctx));
	secret_wipe(mine, sizeof(mine));
	return good;
}

/*
 * What a packet of that many bytes reads of its key: the round keys at the front, and the last of
 * the powers of the hash key, which stand from the highest to the first, one for each block up to
 * all of them.
 */
static inline void key_fetch(const struct aead_key *key, uint32_t len)
{
	const struct imb_key *k = (const struct imb_key *)key->state;
	const uint8_t *from = (const uint8_t *)&k->data, *end = from + sizeof(k->data);
	uint32_t powers = (len + 63) & ~63u;

	if (powers > sizeof(k->data.ghash_keys))
		powers = sizeof(k->data.ghash_keys);
	for (unsigned at = 0; at < sizeof(k->data.expanded_keys); at += 64)
		__builtin_prefetch(from + at);
	for (const uint8_t *p = end - powers; p < end; p += 64)
		__builtin_prefetch(p);
	__builtin_prefetch(&k->enc);
}

#define FETCH_AHEAD 2 /* packets: the cryptography of so many takes as long as memory does */

static inline void keys_fetch(const struct aead_key *const *k, const struct aead_op *v, unsigned i,
			      unsigned n)
{
	if (i < n && k[i] != k[i - 1])
		key_fetch(k[i], v[i].len);
}

static unsigned imb_seal_each(const struct aead_key *const *k, struct aead_op *v, unsigned n)
{
	struct gcm_context_data ctx;

	for (unsigned i = 1; i < FETCH_AHEAD; i++)
		keys_fetch(k, v, i, n);
	for (unsigned i = 0; i < n; i++) {
		keys_fetch(k, v, i + FETCH_AHEAD, n);
		seal_one((const struct imb_key *)k[i]->state, &ctx, &v[i]);
	}
	secret_wipe(&ctx, sizeof(ctx));
	return n;
}

static unsigned imb_open_each(const struct aead_key *const *k, struct aead_op *v, unsigned n)
{
	struct gcm_context_data ctx;
	uint64_t mine[2];
	unsigned good = n;

	for (unsigned i = 1; i < FETCH_AHEAD; i++)
		keys_fetch(k, v, i, n);
	for (unsigned i = 0; i < n; i++) {
		keys_fetch(k, v, i + FETCH_AHEAD, n);
		if (!open_one((const struct imb_key *)k[i]->state, &ctx, &v[i], mine))
			good--;
	}
	secret_wipe(&ctx, sizeof(ctx));
	secret_wipe(mine, sizeof(mine));
	return good;
}

const struct aead_ops aead_ipsec_mb = {
	.init = imb_init,
	.key_size = sizeof(struct imb_key),
	.shared = true,
	.key_init = imb_key_init,
	.key_fini = imb_key_fini,
	.seal = imb_seal,
	.open = imb_open,
	.seal_each = imb_seal_each,
	.open_each = imb_open_each,
};
