#include "raw.h"

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

struct raw {
	struct gcm_key_data key;
	IMB_MGR *mgr;
	bool wide;
};

struct raw *raw_new(const uint8_t *key, size_t len)
{
	struct raw *r = aligned_alloc(64, (sizeof(*r) + 63) & ~(size_t)63);

	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->wide = len == 32;
	r->mgr = alloc_mb_mgr(0);
	if (r->mgr)
		init_mb_mgr_auto(r->mgr, NULL);
	if (!r->mgr || imb_get_errno(r->mgr)) {
		raw_free(r);
		return NULL;
	}
	if (r->wide)
		IMB_AES256_GCM_PRE(r->mgr, key, &r->key);
	else
		IMB_AES128_GCM_PRE(r->mgr, key, &r->key);
	return r;
}

void raw_free(struct raw *r)
{
	if (r && r->mgr)
		free_mb_mgr(r->mgr);
	free(r);
}

void raw_run(const struct raw *r, const struct raw_op *v, unsigned n, bool encrypt)
{
	aes_gcm_enc_dec_t run = encrypt ? r->mgr->gcm256_enc : r->mgr->gcm256_dec;
	struct gcm_context_data ctx;
	uint8_t tag[16];

	if (!r->wide)
		run = encrypt ? r->mgr->gcm128_enc : r->mgr->gcm128_dec;
	for (unsigned i = 0; i < n; i++)
		run(&r->key, &ctx, v[i].data, v[i].data, v[i].len, v[i].iv, v[i].aad, v[i].aad_len,
		    encrypt ? v[i].data + v[i].len : tag, sizeof(tag));
}

const char *raw_kernel(const struct raw *r)
{
	const union {
		aes_gcm_enc_dec_t call;
		void *address;
	} u = {r->wide ? r->mgr->gcm256_enc : r->mgr->gcm128_enc};
	Dl_info info;

	return dladdr(u.address, &info) ? info.dli_sname : NULL;
}
