/* The default key of a unicast IKE SA, and lengths of keys that wrap. */
#include "key/gikev2/keys.h"

#include "wire/ike.h"

#include <errno.h>

size_t group_wrap_len(uint16_t kwa)
{
	switch (kwa) {
	case IKE_KW_5649_128:
		return 16;
	case IKE_KW_5649_192:
		return 24;
	case IKE_KW_5649_256:
		return 32;
	default: /* KW_ARX is not for AES */
		return 0;
	}
}

int group_default_key(enum prf_hash h, const struct secret *sk_d, size_t len, struct secret *out)
{
	static const char name[] = "Key Wrap for G-IKEv2";
	const struct prf_piece seed = {name, sizeof(name) - 1};
	int err;

	secret_clear(out);
	if (!len || len > sizeof(out->b))
		return -EINVAL;
	err = prf_plus(h, sk_d->b, sk_d->len, &seed, 1, out->b, len);
	if (!err)
		out->len = (uint8_t)len;
	return err;
}
