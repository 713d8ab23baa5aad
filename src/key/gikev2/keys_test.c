/* keys: what is derived for key wrapping, against Python. */
#include "key/gikev2/keys.h"

#include "wire/ike.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = strlen(s) / 2;

	for (size_t i = 0; i < n; i++) {
		const char digits[3] = {s[2 * i], s[2 * i + 1]};

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n;
}

static void default_keys_as_python_has_them(void **state)
{
	FILE *f = fopen(VECTORS "/gike_keys.txt", "r");
	char *line = NULL, d[256], w[256];
	unsigned bits, len, count = 0;
	size_t size = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		struct secret sk_d = {0}, got;
		uint8_t want[64];

		if (sscanf(line, "default %u %255s %u %255s", &bits, d, &len, w) != 4)
			continue;
		sk_d.len = (uint8_t)unhex(d, sk_d.b);
		assert_int_equal(unhex(w, want), len);
		assert_int_equal(group_default_key(bits == 256   ? PRF_SHA2_256
						   : bits == 384 ? PRF_SHA2_384
								 : PRF_SHA2_512,
						   &sk_d, len, &got),
				 0);
		assert_int_equal(got.len, len);
		assert_memory_equal(got.b, want, len);
		count++;
	}
	free(line);
	fclose(f);
	assert_int_equal(count, 4);
}

static void lengths(void **state)
{
	struct secret sk_d = {.len = 32}, out = {.len = 9};

	(void)state;
	assert_int_equal(group_wrap_len(IKE_KW_5649_128), 16);
	assert_int_equal(group_wrap_len(IKE_KW_5649_192), 24);
	assert_int_equal(group_wrap_len(IKE_KW_5649_256), 32);
	assert_int_equal(group_wrap_len(IKE_KW_ARX), 0);
	assert_int_equal(group_wrap_len(0), 0);
	assert_int_equal(group_default_key(PRF_SHA2_256, &sk_d, 0, &out), -EINVAL);
	assert_int_equal(group_default_key(PRF_SHA2_256, &sk_d, SECRET_MAX + 1, &out), -EINVAL);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_keys_as_python_has_them),
		cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests_name("key/gikev2/keys", tests, NULL, NULL);
}
