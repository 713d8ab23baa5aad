#include "raw.h"

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

struct raw {
	IMB_MGR *mgr;
	bool wide;
	struct raw_key {
		_Alignas(64) struct gcm_key_data data;
	} keys[];
};

struct raw *raw_new(const uint8_t *key, size_t len, unsigned keys)
{
	size_t size = sizeof(struct raw) + keys * sizeof(struct raw_key);
	struct raw *r = aligned_alloc(64, (size + 63) & ~(size_t)63);
	uint8_t k[32];

	if (!r)
		return NULL;
	memset(r, 0, size);
	r->wide = len == 32;
	r->mgr = alloc_mb_mgr(0);
	if (r->mgr)
		init_mb_mgr_auto(r->mgr, NULL);
	if (!r->mgr || imb_get_errno(r->mgr)) {
		raw_free(r);
		return NULL;
	}
	memcpy(k, key, len);
	for (unsigned i = 0; i < keys; i++) {
		k[1] = (uint8_t)(i >> 8);
		k[2] = (uint8_t)i;
		if (r->wide)
			IMB_AES256_GCM_PRE(r->mgr, k, &r->keys[i].data);
		else
			IMB_AES128_GCM_PRE(r->mgr, k, &r->keys[i].data);
	}
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
		run(&r->keys[v[i].key].data, &ctx, v[i].data, v[i].data, v[i].len, v[i].iv,
		    v[i].aad, v[i].aad_len, encrypt ? v[i].data + v[i].len : tag, sizeof(tag));
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
