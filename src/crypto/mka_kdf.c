#include "crypto/mka_kdf.h"

#include "base/wr.h"
#include "crypto/cmac.h"

#include <errno.h>
#include <string.h>

int mka_kdf(const void *key, size_t key_len, const char *label, const void *context,
	    size_t context_len, uint8_t *out, size_t out_len)
{
	uint8_t in[1 + 32 + 1 + MKA_KDF_CONTEXT_MAX + 2], mac[CMAC_LEN];
	struct wr w = wr_init(in, sizeof(in));
	size_t done = 0;
	int err = -EINVAL;

	if (out_len == 0 || out_len > SECRET_MAX || strlen(label) > 32)
		return err;
	wr_u8(&w, 0);
	wr_bytes(&w, label, strlen(label));
	wr_u8(&w, 0);
	wr_bytes(&w, context, context_len);
	wr_u16(&w, (uint16_t)(out_len * 8));
	if (w.bad)
		goto out;
	while (done < out_len) {
		size_t n = out_len - done < CMAC_LEN ? out_len - done : CMAC_LEN;

		in[0]++;
		err = cmac_aes(key, key_len, in, wr_len(&w), mac);
		if (err)
			goto out;
		memcpy(out + done, mac, n);
		done += n;
	}
out:
	secret_wipe(mac, sizeof(mac));
	secret_wipe(in, sizeof(in));
	if (err)
		secret_wipe(out, out_len);
	return err;
}

int mka_kdf_keys(const struct secret *cak, const void *ckn, size_t ckn_len, struct secret *ick,
		 struct secret *kek)
{
	uint8_t context[16] = {0};
	int err;

	secret_clear(ick);
	secret_clear(kek);
	memcpy(context, ckn, ckn_len < sizeof(context) ? ckn_len : sizeof(context));
	err = mka_kdf(cak->b, cak->len, "IEEE8021 ICK", context, sizeof(context), ick->b, cak->len);
	if (!err)
		err = mka_kdf(cak->b, cak->len, "IEEE8021 KEK", context, sizeof(context), kek->b,
			      cak->len);
	if (err) {
		secret_clear(ick);
		secret_clear(kek);
		return err;
	}
	ick->len = kek->len = cak->len;
	return 0;
}
