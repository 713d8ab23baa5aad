/*
 * What IKEv2 computes with: prf, prf+, Diffie-Hellman and the Encrypted payload, against published
 * values (RFC 4231, RFC 7748, RFC 5903, RFC 7634, the GCM specification) and test/vectors/ike.txt,
 * which is computed with Python's cryptography package.
 */
#include "crypto/dh.h"
#include "crypto/prf.h"
#include "crypto/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FIELDS 12
#define FIELD_MAX 1024

struct field {
	size_t len;
	uint8_t b[FIELD_MAX];
};

static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = 0;

	for (; s[0] && s[1]; s += 2) {
		unsigned v;

		assert_int_equal(sscanf(s, "%2x", &v), 1);
		assert_true(n < FIELD_MAX);
		out[n++] = (uint8_t)v;
	}
	return n;
}

static struct field hex(const char *s)
{
	struct field f = {0};

	f.len = unhex(s, f.b);
	return f;
}

static unsigned number(const struct field *f)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->len; i++)
		n = n << 8 | f->b[i];
	return n;
}

static enum prf_hash hash_of(unsigned bits)
{
	return bits == 512 ? PRF_SHA2_512 : bits == 384 ? PRF_SHA2_384 : PRF_SHA2_256;
}

static enum dh_group group_of(unsigned n)
{
	static const uint16_t numbers[DH_GROUP_COUNT] = {31, 19, 20, 21, 14, 15, 16};
	unsigned g = 0;

	while (numbers[g] != n)
		assert_true(++g < DH_GROUP_COUNT);
	return g;
}

static void check_prf(const struct field *f)
{
	struct prf_piece v[2] = {{f[2].b, f[2].len / 2},
				 {f[2].b + f[2].len / 2, f[2].len - f[2].len / 2}};
	uint8_t out[PRF_MAX];

	assert_int_equal(prf(hash_of(number(f)), f[1].b, f[1].len, v, 2, out), 0);
	assert_int_equal(prf_len(hash_of(number(f))), f[3].len);
	assert_memory_equal(out, f[3].b, f[3].len);
}

static void check_plus(const struct field *f)
{
	struct prf_piece v = {f[2].b, f[2].len};
	uint8_t out[FIELD_MAX];

	assert_int_equal(number(&f[3]), f[4].len);
	assert_int_equal(prf_plus(hash_of(number(f)), f[1].b, f[1].len, &v, 1, out, f[4].len), 0);
	assert_memory_equal(out, f[4].b, f[4].len);
}

static void check_dh(const struct field *f)
{
	struct dh_key k = {.group = (uint8_t)group_of(number(f)), .len = (uint8_t)f[1].len};
	uint8_t out[DH_PUBLIC_MAX];

	memcpy(k.b, f[1].b, f[1].len);
	assert_int_equal(dh_public_len(k.group), f[3].len);
	assert_int_equal(dh_public(&k, out), 0);
	assert_memory_equal(out, f[3].b, f[3].len);
	assert_int_equal(dh_shared_len(k.group), f[4].len);
	assert_int_equal(dh_shared(&k, f[2].b, f[2].len, out), 0);
	assert_memory_equal(out, f[4].b, f[4].len);
}

static void check_seal(const struct field *f)
{
	unsigned cipher = number(f);
	struct seal_key k = {
		.cipher = cipher == 20   ? SEAL_AES_GCM_16
			  : cipher == 28 ? SEAL_CHACHA20_POLY1305
					 : SEAL_AES_CBC,
		.hash_bits = (uint16_t)number(&f[1]),
	};
	size_t head = f[4].len, text = head + f[5].len, len = f[7].len;
	uint8_t msg[FIELD_MAX] = {0};

	secret_set(&k.key, f[2].b, f[2].len);
	secret_set(&k.auth, f[3].b, f[3].len);
	assert_int_equal(seal_iv_len(&k), f[5].len);
	assert_int_equal(text + f[6].len + seal_icv_len(&k), len);
	memcpy(msg, f[4].b, head);
	memcpy(msg + head, f[5].b, f[5].len);
	memcpy(msg + text, f[6].b, f[6].len);
	assert_int_equal(seal_close(&k, msg, head, len), 0);
	assert_memory_equal(msg, f[7].b, len);
	assert_int_equal(seal_open(&k, msg, head, len), 0);
	assert_memory_equal(msg + text, f[6].b, f[6].len);
	for (size_t i = 0; i < len; i++) { /* any octet of it changed */
		memcpy(msg, f[7].b, len);
		msg[i] ^= 1;
		assert_int_equal(seal_open(&k, msg, head, len), -EBADMSG);
	}
	for (size_t n = 0; n < len; n++) { /* or cut off */
		memcpy(msg, f[7].b, len);
		assert_int_equal(seal_open(&k, msg, head < n ? head : n, n), -EBADMSG);
	}
}

static const struct {
	const char *kind;
	unsigned fields;
	void (*check)(const struct field *f);
} kinds[] = {
	{"prf", 4, check_prf},
	{"plus", 5, check_plus},
	{"dh", 5, check_dh},
	{"seal", 8, check_seal},
};

static void every_line_of(const char *kind, unsigned fields, void (*check)(const struct field *))
{
	static struct field f[FIELDS];
	static char line[16384];
	FILE *in = fopen(VECTORS "/ike.txt", "r");
	unsigned found = 0;

	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		char *save, *word = strtok_r(line, " \n", &save);
		unsigned n = 0;

		if (!word || strcmp(word, kind) != 0)
			continue;
		while ((word = strtok_r(NULL, " \n", &save)) && n < FIELDS)
			f[n++] = strcmp(word, "-") ? hex(word) : (struct field){0};
		assert_int_equal(n, fields);
		check(f);
		found++;
	}
	fclose(in);
	assert_true(found >= 3);
}

static void computed_elsewhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		every_line_of(kinds[i].kind, kinds[i].fields, kinds[i].check);
}

static void hmac_of_rfc_4231(void **state)
{
	struct field key = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	struct prf_piece v = {"Hi There", 8};
	struct field want[] = {
		hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
		hex("afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4"
		    "af152e8b2fa9cb6"),
		hex("87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a7020"
		    "38b274eaea3f4e4be9d914eeb61f1702e696c203a126854"),
	};
	uint8_t out[PRF_MAX];

	(void)state;
	for (unsigned h = 0; h < PRF_HASH_COUNT; h++) {
		assert_int_equal(prf(h, key.b, key.len, &v, 1, out), 0);
		assert_memory_equal(out, want[h].b, want[h].len);
	}
}

static void published_dh(const char *group, const char *mine, const char *theirs,
			 const char *public, const char *shared)
{
	struct field f[5] = {hex(group), hex(mine), hex(theirs), hex(public), hex(shared)};

	check_dh(f);
}

static void x25519_of_rfc_7748(void **state)
{
	(void)state;
	published_dh("1f", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		     "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	published_dh("1f", "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		     "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

static void ecp_of_rfc_5903(void **state)
{
	(void)state;
	published_dh("13", "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
		     "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
		     "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
		     "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
		     "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
		     "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
	published_dh("14",
		     "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
		     "e35b538041e649ee3faef896783ab194",
		     "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d"
		     "0d1ac43a0336def96fda41d0774a3571"
		     "dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1ff"
		     "f83fa40142209dff5eaad96db9e6386c",
		     "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6"
		     "de3ac808acb4bdb4c88732aee95f41aa"
		     "9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38e"
		     "eb9fcff3c2c947dae69b4c634573a81c",
		     "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
		     "d603135569b9e9d09cf5d4a270f59746");
}

static void count_up(void *ctx, void *buf, size_t n)
{
	uint8_t *next = ctx, *p = buf;

	while (n--)
		*p++ = (*next)++;
}

static void any_group_agrees_with_itself(void **state)
{
	uint8_t next = 1;

	(void)state;
	for (unsigned g = 0; g < DH_GROUP_COUNT; g++) {
		uint8_t pub[2][DH_PUBLIC_MAX], shared[2][DH_PUBLIC_MAX];
		struct dh_key k[2];

		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(dh_make(&k[i], g, count_up, &next), 0);
			assert_int_equal(dh_public(&k[i], pub[i]), 0);
		}
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(dh_shared(&k[i], pub[!i], dh_public_len(g), shared[i]), 0);
		assert_memory_equal(shared[0], shared[1], dh_shared_len(g));
	}
}

static void zeroes(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	memset(buf, 0, n);
}

static void values_that_are_none_of_the_group(void **state)
{
	static const uint8_t nothing[DH_PUBLIC_MAX];
	uint8_t bad[DH_PUBLIC_MAX], out[DH_PUBLIC_MAX], next = 5;
	struct dh_key k;

	(void)state;
	for (unsigned g = 0; g < DH_GROUP_COUNT; g++) {
		size_t n = dh_public_len(g);

		assert_int_equal(dh_make(&k, g, count_up, &next), 0);
		memset(bad, 0, n); /* 0; on a curve, a point that is not on it */
		memset(out, 0xee, sizeof(out));
		assert_int_equal(dh_shared(&k, bad, n, out), -EBADMSG);
		assert_memory_equal(out, nothing, dh_shared_len(g));
		bad[n - 1] = 1;
		if (g == DH_X25519) {
			bad[0] = 1; /* little-endian */
			bad[n - 1] = 0;
		}
		assert_int_equal(dh_shared(&k, bad, n, out), -EBADMSG);
		memset(bad, 0xff, n); /* above the prime */
		if (g != DH_X25519)
			assert_int_equal(dh_shared(&k, bad, n, out), -EBADMSG);
		assert_int_equal(dh_public(&k, bad), 0);
		assert_int_equal(dh_shared(&k, bad, n - 1, out), -EBADMSG);
		bad[n - 1] ^= 1; /* off the curve, whatever it was */
		if (g == DH_ECP_256 || g == DH_ECP_384 || g == DH_ECP_521)
			assert_int_equal(dh_shared(&k, bad, n, out), -EBADMSG);
	}
	assert_int_equal(dh_make(&k, DH_ECP_384, zeroes, NULL), -EIO);
	assert_int_equal(k.len, 0);
}

static void message_of_rfc_7634(void **state)
{
	struct field f[8] = {
		hex("1c"),
		hex("00"),
		hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3"),
		{0},
		hex("c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029"),
		hex("1011121314151617"),
		hex("0000000c000040010000000a00"),
		hex("c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e2025000000000900000045290000291011121314151617"
		    "610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2"),
	};

	(void)state;
	check_seal(f);
}

static void gcm_test_cases_4_and_16(void **state)
{
	const char *text =
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e"
		"2449a6b525b16aedf5aa0de657ba637b39";
	struct field f[8] = {
		hex("14"),
		hex("00"),
		hex("feffe9928665731c6d6a8f9467308308cafebabe"),
		{0},
		hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
		hex("facedbaddecaf888"),
		hex(text),
		hex("feedfacedeadbeeffeedfacedeadbeefabaddad2facedbaddecaf888"
		    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		    "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
		    "5bc94fbc3221a5db94fae95ae7121a47"),
	};

	(void)state;
	check_seal(f);
	f[2] = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308cafebabe");
	f[7] = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2facedbaddecaf888"
		   "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		   "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
		   "76fc6ece0f4e1768cddf8853bb2d551b");
	check_seal(f);
}

static void keys_of_a_length_that_cannot_be(void **state)
{
	struct seal_key k = {.cipher = SEAL_AES_GCM_16};
	uint8_t msg[96] = {0};

	(void)state;
	secret_set(&k.key, msg, 32); /* without its salt */
	assert_int_equal(seal_close(&k, msg, 32, 96), -EINVAL);
	assert_int_equal(seal_open(&k, msg, 32, 96), -EINVAL);
	k = (struct seal_key){.cipher = SEAL_AES_CBC, .hash_bits = 256};
	secret_set(&k.key, msg, 32);
	secret_set(&k.auth, msg, 20);
	assert_int_equal(seal_close(&k, msg, 32, 96), -EINVAL);
	k.cipher = SEAL_NONE;
	assert_int_equal(seal_close(&k, msg, 32, 96), -EINVAL);
}

static void prf_plus_has_an_end(void **state)
{
	static uint8_t out[255 * 32 + 1];

	(void)state;
	assert_int_equal(prf_plus(PRF_SHA2_256, "k", 1, NULL, 0, out, sizeof(out) - 1), 0);
	assert_int_equal(prf_plus(PRF_SHA2_256, "k", 1, NULL, 0, out, sizeof(out)), -EINVAL);
	assert_int_equal(out[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(computed_elsewhere),
		cmocka_unit_test(hmac_of_rfc_4231),
		cmocka_unit_test(x25519_of_rfc_7748),
		cmocka_unit_test(ecp_of_rfc_5903),
		cmocka_unit_test(any_group_agrees_with_itself),
		cmocka_unit_test(values_that_are_none_of_the_group),
		cmocka_unit_test(message_of_rfc_7634),
		cmocka_unit_test(gcm_test_cases_4_and_16),
		cmocka_unit_test(keys_of_a_length_that_cannot_be),
		cmocka_unit_test(prf_plus_has_an_end),
	};

	return cmocka_run_group_tests_name("crypto/ike", tests, NULL, NULL);
}
