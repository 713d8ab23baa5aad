/* Good and hostile key chains. */
#include "myelind/keychain.h"

#include "base/clock.h"

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
	assert_int_equal(k.count, 1);
	assert_int_equal(k.v[0].ckn_len, 2);
	assert_memory_equal(k.v[0].ckn, "\xab\x01", 2);
	assert_int_equal(k.v[0].cak.len, 32);
	assert_int_equal(k.v[0].cak.b[31], 0x1f);
	assert_int_equal(k.v[0].start | k.v[0].end, 0);
	assert_int_equal(parse(&k, CAK256 " " CAK128, why), 0);
	assert_int_equal(k.v[0].ckn_len, 32);
	assert_int_equal(k.v[0].cak.len, 16);
	keychain_wipe(&k);
}

static void keys_of_a_chain_have_starts_and_ends(void **state)
{
	struct keychain k, other;
	char why[256];

	(void)state;
	assert_int_equal(parse(&k,
			       "01 " CAK128 " end 2027-04-02T00:00:00Z\n"
			       "# the second quarter\n"
			       "02 " CAK256 "  end 2027-07-02T00:00:00Z\tstart "
			       "2027-04-01T00:00:00Z # a day of both\n"
			       "03 " CAK128 " start 2027-07-01T00:00:00Z\r\n",
			       why),
			 0);
	assert_int_equal(k.count, 3);
	assert_int_equal(k.v[0].start, 0);
	assert_int_equal(k.v[0].end, 1806624000 * NS_PER_S);
	assert_int_equal(k.v[1].start, 1806537600 * NS_PER_S);
	assert_int_equal(k.v[1].line, 3);
	assert_int_equal(k.v[2].start, 1814400000 * NS_PER_S);
	assert_int_equal(k.v[2].end, 0);
	assert_int_equal(parse(&other, "\n04 " CAK128, why), 0);
	assert_int_equal(keychain_shares(&k, &other), 0);
	assert_int_equal(parse(&other, "\n02 " CAK128, why), 0);
	assert_int_equal(keychain_shares(&k, &other), 2);
	keychain_wipe(&k);
}

static const char *twelve_and_one(void)
{
	static char text[2048];
	size_t at = 0;

	for (unsigned i = 1; i <= 13; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%02x " CAK128 " start 20%02u-01-01T00:00:00Z\n", i, 30 + i);
	return text;
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
		{"01 " CAK128 " 02", "behind the CAK"},
		{"01 " CAK128 " start", "`start` wants a time"},
		{"01 " CAK128 " start 2027-02-30T00:00:00Z", "`start` wants a time"},
		{"01 " CAK128 " end 2027-01-31", "`end` wants a time"},
		{"01 " CAK128 " ends 2027-01-31T00:00:00Z", "behind the CAK"},
		{"01 " CAK128 " end 2027-01-31T00:00:00Z end 2027-01-31T00:00:00Z",
		 "behind the CAK"},
		{"01 " CAK128 " start 2027-01-31T00:00:00Z end 2027-01-31T00:00:00Z",
		 "not after the start"},
		{"01 " CAK128 "\n02 " CAK128, "line 2: it starts when line 1 does"},
		{"#\n01 " CAK128 "\n01 " CAK128 " start 2027-01-31T00:00:00Z",
		 "line 3: its CKN is that of line 2"},
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
	assert_int_equal(parse(&k, twelve_and_one(), why), -EINVAL);
	assert_non_null(strstr(why, "line 13: more than 12 keys"));
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
		cmocka_unit_test(keys_of_a_chain_have_starts_and_ends),
		cmocka_unit_test(a_hostile_key_chain_is_refused_and_wiped_without_telling_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
