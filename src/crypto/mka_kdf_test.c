/* MKA's CMAC, key derivation and key wrap against values nobody of this project computed with
 * this code: RFC 4493, SP 800-38B, RFC 3394, and test/vectors/mka_kdf.txt (made with Python's
 * cryptography package from the text of the standard). */
#include "crypto/cmac.h"
#include "crypto/keywrap.h"
#include "crypto/mka_kdf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = 0;

	for (; s[0] && s[1]; s += 2) {
		unsigned v;

		assert_int_equal(sscanf(s, "%2x", &v), 1);
		out[n++] = (uint8_t)v;
	}
	return n;
}

static void check_cmac(const char *key, const char *msg, const char *mac)
{
	uint8_t k[32], m[128], want[16], got[16];
	size_t kn = unhex(key, k), mn = unhex(msg, m);

	unhex(mac, want);
	assert_int_equal(cmac_aes(k, kn, m, mn, got), 0);
	assert_memory_equal(got, want, 16);
}

#define M16 "6bc1bee22e409f96e93d7e117393172a"
#define M40 M16 "ae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411"
#define M64                                                                                        \
	M16 "ae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b" \
	    "417be66c3710"

static void cmac_of_rfc_4493_and_sp_800_38b(void **state)
{
	const char *k1 = "2b7e151628aed2a6abf7158809cf4f3c";
	const char *k2 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";

	(void)state;
	check_cmac(k1, "", "bb1d6929e95937287fa37d129b756746");
	check_cmac(k1, M16, "070a16b46b4d4144f79bdd9dd04a287c");
	check_cmac(k1, M40, "dfa66747de9ae63030ca32611497c827");
	check_cmac(k1, M64, "51f0bebf7e3b9d92fc49741779363cfe");
	check_cmac(k2, "", "028962f61b7bf89efc6b551f4667d983");
	check_cmac(k2, M16, "28a7023f452e8f82bd4bf28d8c37c35c");
	check_cmac(k2, M40, "aaf3d8f1de5640c232f5b169b9c911e6");
	check_cmac(k2, M64, "e1992190549f6ed5696a2c056c315410");
}

static void cmac_refuses_other_key_lengths(void **state)
{
	uint8_t mac[16], key[32] = {0};

	(void)state;
	assert_int_equal(cmac_aes(key, 24, "x", 1, mac), -EINVAL);
	assert_int_equal(cmac_aes(key, 0, "x", 1, mac), -EINVAL);
}

static const struct {
	const char *kek, *key, *wrapped;
} wraps[] = {
	/* RFC 3394 §4.1, 4.3, 4.4 (192-bit data left out: no suite has it), 4.6 */
	{"000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF",
	 "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
	{"000102030405060708090A0B0C0D0E0F1011121314151617", "00112233445566778899AABBCCDDEEFF",
	 "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"},
	{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
	 "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"},
	{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
	 "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
	 "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
};

static void key_wrap_of_rfc_3394_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		uint8_t kek[32], key[32], want[40], out[40];
		size_t kn = unhex(wraps[i].kek, kek), n = unhex(wraps[i].key, key);

		assert_int_equal(unhex(wraps[i].wrapped, want), n + KEYWRAP_OVERHEAD);
		assert_int_equal(keywrap_wrap(kek, kn, key, n, out), 0);
		assert_memory_equal(out, want, n + 8);
		assert_int_equal(keywrap_unwrap(kek, kn, want, n + 8, out), 0);
		assert_memory_equal(out, key, n);
	}
}

static void every_flipped_bit_of_a_wrapped_key_is_found_and_nothing_is_left(void **state)
{
	uint8_t kek[32], wrapped[24], out[16], zero[16] = {0};

	(void)state;
	unhex(wraps[0].kek, kek);
	for (unsigned bit = 0; bit < 24 * 8; bit++) {
		unhex(wraps[0].wrapped, wrapped);
		wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(out, 0xaa, sizeof(out));
		assert_int_equal(keywrap_unwrap(kek, 16, wrapped, 24, out), -EBADMSG);
		assert_memory_equal(out, zero, 16);
	}
	assert_int_equal(keywrap_unwrap(kek, 16, wrapped, 23, out), -EINVAL);
	assert_int_equal(keywrap_unwrap(kek, 16, wrapped, 16, out), -EINVAL);
	assert_int_equal(keywrap_unwrap(kek, 17, wrapped, 24, out), -EINVAL);
}

/* One line of test/vectors/gike_keys.txt; Python holds its own wrapping against RFC 5649 §6. */
static void check_pad(char *const v[3])
{
	uint8_t kek[32], key[264], want[264], out[264], zero[264] = {0};
	size_t kn = unhex(v[0], kek), n = unhex(v[1], key), wn = unhex(v[2], want), got = 0;

	assert_int_equal(keywrap_padded_len(n), wn);
	assert_int_equal(keywrap_pad(kek, kn, key, n, out, &got), 0);
	assert_int_equal(got, wn);
	assert_memory_equal(out, want, wn);
	assert_int_equal(keywrap_unpad(kek, kn, want, wn, out, &got), 0);
	assert_int_equal(got, n);
	assert_memory_equal(out, key, n);
	want[n % wn] ^= 0x10;
	memset(out, 0xaa, sizeof(out));
	assert_int_equal(keywrap_unpad(kek, kn, want, wn, out, &got), -EBADMSG);
	assert_memory_equal(out, zero, wn - KEYWRAP_OVERHEAD);
}

static void key_wrap_with_padding_as_python_has_it(void **state)
{
	FILE *f = fopen(VECTORS "/gike_keys.txt", "r");
	char *line = NULL, v[3][1024];
	size_t size = 0;
	unsigned count = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &size, f) > 0)
		if (sscanf(line, "wrap %1023s %1023s %1023s", v[0], v[1], v[2]) == 3) {
			check_pad((char *const[3]){v[0], v[1], v[2]});
			count++;
		}
	free(line);
	fclose(f);
	assert_int_equal(count, 33);
}

static void key_wrap_with_padding_refuses_lengths_that_cannot_be(void **state)
{
	uint8_t kek[32] = {0}, b[64] = {0}, out[64];
	size_t n;

	(void)state;
	assert_int_equal(keywrap_pad(kek, 32, b, 0, out, &n), -EINVAL);
	assert_int_equal(keywrap_pad(kek, 20, b, 8, out, &n), -EINVAL);
	assert_int_equal(keywrap_unpad(kek, 32, b, 8, out, &n), -EINVAL);
	assert_int_equal(keywrap_unpad(kek, 32, b, 20, out, &n), -EINVAL);
	assert_int_equal(keywrap_unpad(kek, 20, b, 16, out, &n), -EINVAL);
	assert_int_equal(keywrap_unpad(kek, 32, b, 16, out, &n), -EBADMSG);
}

static void check_keys(char *const v[4])
{
	struct secret cak = {0}, ick, kek;
	uint8_t ckn[32], want[32];
	size_t n = unhex(v[1], ckn);

	cak.len = (uint8_t)unhex(v[0], cak.b);
	assert_int_equal(mka_kdf_keys(&cak, ckn, n, &ick, &kek), 0);
	assert_int_equal(unhex(v[2], want), ick.len);
	assert_memory_equal(ick.b, want, ick.len);
	assert_int_equal(unhex(v[3], want), kek.len);
	assert_memory_equal(kek.b, want, kek.len);
}

static void check_sak(char *const v[4])
{
	uint8_t cak[32], context[256], want[32], got[32];
	size_t n = unhex(v[0], cak), ctx = unhex(v[1], context), len = unhex(v[2], want);

	assert_int_equal(mka_kdf(cak, n, "IEEE8021 SAK", context, ctx, got, len), 0);
	assert_memory_equal(got, want, len);
}

static void check_wrap(char *const v[4])
{
	uint8_t kek[32], key[32], want[40], got[40];
	size_t n = unhex(v[0], kek), len = unhex(v[1], key);

	assert_int_equal(unhex(v[2], want), len + KEYWRAP_OVERHEAD);
	assert_int_equal(keywrap_wrap(kek, n, key, len, got), 0);
	assert_memory_equal(got, want, len + KEYWRAP_OVERHEAD);
}

static void check_icv(char *const v[4])
{
	struct secret cak = {0}, ick, kek;
	uint8_t ckn[32], covered[256], want[16], got[16];
	size_t n = unhex(v[1], ckn), len = unhex(v[2], covered);

	cak.len = (uint8_t)unhex(v[0], cak.b);
	assert_int_equal(mka_kdf_keys(&cak, ckn, n, &ick, &kek), 0);
	assert_int_equal(unhex(v[3], want), sizeof(got));
	assert_int_equal(cmac_aes(ick.b, ick.len, covered, len, got), 0);
	assert_memory_equal(got, want, sizeof(got));
}

/* Kinds of lines: a word and that many hexadecimal fields. */
static const struct {
	const char *word;
	int fields;
	void (*check)(char *const v[4]);
	unsigned count; /* lines in the file */
} kinds[] = {
	{"keys", 4, check_keys, 10},
	{"sak", 3, check_sak, 4},
	{"wrap", 3, check_wrap, 4},
	{"icv", 4, check_icv, 6},
};

static void every_line_of_the_vector_file(void **state)
{
	FILE *f = fopen(VECTORS "/mka_kdf.txt", "r");
	unsigned count[sizeof(kinds) / sizeof(kinds[0])] = {0};
	char line[1024], word[8], v[4][512];

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		int n = sscanf(line, "%7s %511s %511s %511s %511s", word, v[0], v[1], v[2], v[3]);
		size_t k = 0;

		if (line[0] == '#' || n < 1)
			continue;
		while (k < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[k].word, word) != 0)
			k++;
		assert_in_range(k, 0, sizeof(kinds) / sizeof(kinds[0]) - 1);
		assert_int_equal(n, kinds[k].fields + 1);
		kinds[k].check((char *const[4]){v[0], v[1], v[2], v[3]});
		count[k]++;
	}
	fclose(f);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		assert_int_equal(count[k], kinds[k].count);
}

static void derivation_refuses_what_does_not_fit(void **state)
{
	static uint8_t context[MKA_KDF_CONTEXT_MAX + 1];
	uint8_t out[65], key[16] = {0};

	(void)state;
	assert_int_equal(mka_kdf(key, 16, "l", context, sizeof(context) - 1, out, 16), 0);
	assert_int_equal(mka_kdf(key, 16, "l", context, 40000, out, 16), -EINVAL);
	assert_int_equal(mka_kdf(key, 16, "l", context, 1, out, 65), -EINVAL);
	assert_int_equal(mka_kdf(key, 16, "l", context, 1, out, 0), -EINVAL);
	assert_int_equal(mka_kdf(key, 15, "l", context, 1, out, 16), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cmac_of_rfc_4493_and_sp_800_38b),
		cmocka_unit_test(cmac_refuses_other_key_lengths),
		cmocka_unit_test(key_wrap_of_rfc_3394_both_ways),
		cmocka_unit_test(every_flipped_bit_of_a_wrapped_key_is_found_and_nothing_is_left),
		cmocka_unit_test(key_wrap_with_padding_as_python_has_it),
		cmocka_unit_test(key_wrap_with_padding_refuses_lengths_that_cannot_be),
		cmocka_unit_test(every_line_of_the_vector_file),
		cmocka_unit_test(derivation_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests_name("crypto/mka_kdf", tests, NULL, NULL);
}
