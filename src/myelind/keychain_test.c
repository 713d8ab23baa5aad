/* Good and hostile key chains. */
#include "myelind/keychain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CAK128 "000102030405060708090a0b0c0d0e0f"
#define CAK256 CAK128 "101112131415161718191A1B1C1D1E1F"

static int parse(struct keychain *k, const char *text, char *why)
{
	return keychain_parse(k, text, strlen(text), why, 256);
}

static void a_good_key_chain_gives_name_and_key(void **state)
{
	struct keychain k;
	char why[256];

	(void)state;
	assert_int_equal(parse(&k, "# core\n\n  aB01\t" CAK256 " # the key\r\n\n", why), 0);
	assert_int_equal(k.ckn_len, 2);
	assert_memory_equal(k.ckn, "\xab\x01", 2);
	assert_int_equal(k.cak.len, 32);
	assert_int_equal(k.cak.b[31], 0x1f);
	assert_int_equal(parse(&k, CAK256 " " CAK128, why), 0);
	assert_int_equal(k.ckn_len, 32);
	assert_int_equal(k.cak.len, 16);
	keychain_wipe(&k);
}

static void a_hostile_key_chain_is_refused_and_wiped_without_telling_the_key(void **state)
{
	static const char *const rows[][2] = {
		{"", "no key"},
		{"# nothing\n", "no key"},
		{"01", "CAK of 16"},
		{"01 ", "CAK of 16"},
		{"0 " CAK128, "CKN of 1"},
		{"0x01 " CAK128, "CKN of 1"},
		{CAK256 "20 " CAK128, "CKN of 1"},
		{"01 " CAK128 "10", "CAK of 16"},
		{"01 " CAK256 "20", "CAK of 16"},
		{"01 " CAK128 "1", "CAK of 16"},
		{"01 " CAK128 " 02", "CAK of 16"},
		{"01 " CAK128 "\n02 " CAK128, "line 2: one key"},
		{"zz " CAK128, "CKN of 1"},
		{"\n\n01 g00102030405060708090a0b0c0d0e0f", "line 3"},
	};
	static const struct keychain none;
	struct keychain k;
	char why[256], *big;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(&k, rows[i][0], why), -EINVAL);
		if (!strstr(why, rows[i][1]))
			fail_msg("row %zu: %s", i, why);
		assert_null(strstr(why, "0001"));
		assert_memory_equal(&k, &none, sizeof(k));
	}
	assert_int_equal(keychain_parse(&k, "01\0" CAK128, 35, why, sizeof(why)), -EINVAL);
	big = calloc(1, KEYCHAIN_TEXT_MAX + 1);
	memset(big, '\n', KEYCHAIN_TEXT_MAX + 1);
	assert_int_equal(keychain_parse(&k, big, KEYCHAIN_TEXT_MAX + 1, why, sizeof(why)), -EINVAL);
	free(big);
	printf("# %zu classes of malformed key chains\n", sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_key_chain_gives_name_and_key),
		cmocka_unit_test(a_hostile_key_chain_is_refused_and_wiped_without_telling_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
