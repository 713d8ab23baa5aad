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

static unsigned imb_seal(const void *state, struct aead_op *v, unsigned n)
{
	const struct imb_key *k = state;
	struct gcm_context_data ctx;

	for (struct aead_op *o = v; o < v + n; o++) {
		k->enc(&k->data, &ctx, o->data, o->data, o->len, o->nonce, o->aad, o->aad_len,
		       o->tag, AEAD_TAG_LEN);
		o->ok = true;
	}
	secret_wipe(&ctx, sizeof(ctx));
	return n;
}

static unsigned imb_open(const void *state, struct aead_op *v, unsigned n)
{
	const struct imb_key *k = state;
	struct gcm_context_data ctx;
	uint64_t mine[2], got[2];
	unsigned good = n;

	for (struct aead_op *o = v; o < v + n; o++) {
		k->dec(&k->data, &ctx, o->data, o->data, o->len, o->nonce, o->aad, o->aad_len,
		       (uint8_t *)mine, AEAD_TAG_LEN);
		memcpy(got, o->tag, sizeof(got));
		o->ok = ((mine[0] ^ got[0]) | (mine[1] ^ got[1])) == 0;
		if (o->ok)
			continue;
		secret_wipe(o->data, o->len);
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
};
