#include "base/secret.h"

#include <errno.h>
#include <string.h>

void secret_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

int secret_set(struct secret *s, const void *src, size_t len)
{
	if (len > SECRET_MAX)
		return -EINVAL;
	secret_clear(s);
	memcpy(s->b, src, len);
	s->len = (uint8_t)len;
	return 0;
}

void secret_clear(struct secret *s)
{
	secret_wipe(s, sizeof(*s));
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t d = 0;

	for (size_t i = 0; i < n; i++)
		d |= (uint8_t)(x[i] ^ y[i]);
	return d == 0;
}
