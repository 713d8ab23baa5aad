/* aead: both backends agree, refuse what was altered, and leave nothing of it behind. */
#include "crypto/aead.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX 9200

static const size_t lengths[] = {0,  1,  2,  15,  16,  17,  47,   48,
				 63, 64, 65, 255, 256, 257, 1500, 9000};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i * 131 + seed * 17) >> 1);
}

/* Seals the same packets under one backend into out, which holds len + tag of each. */
static void seal_all(enum aead_backend backend, size_t key_len, uint8_t *out)
{
	uint8_t key[32], aad[28];
	struct aead_key *k;

	fill(key, sizeof(key), 1);
	fill(aad, sizeof(aad), 2);
	assert_int_equal(aead_init(backend), 0);
	k = aead_key_new(key, key_len);
	assert_non_null(k);
	for (size_t i = 0; i < LENGTHS; i++) {
		uint8_t *p = out + i * MAX;
		struct aead_op op = {.data = p,
				     .len = (uint32_t)lengths[i],
				     .aad = aad,
				     .aad_len = sizeof(aad),
				     .tag = p + lengths[i]};

		fill(p, lengths[i], 3);
		fill(op.nonce, sizeof(op.nonce), (unsigned)i);
		aead_seal(k, &op, 1);
		assert_true(op.ok);
	}
	aead_key_free(k);
}

static void backends_seal_alike(void **state)
{
	uint8_t *a = calloc(LENGTHS, MAX), *b = calloc(LENGTHS, MAX);

	(void)state;
	if (aead_init(AEAD_IPSEC_MB) == -ENOTSUP) {
		free(a);
		free(b);
		skip();
	}
	for (size_t key_len = 16; key_len <= 32; key_len += 16) {
		seal_all(AEAD_IPSEC_MB, key_len, a);
		seal_all(AEAD_OPENSSL, key_len, b);
		assert_memory_equal(a, b, LENGTHS * MAX);
	}
	free(a);
	free(b);
}

/* Every byte of data, associated data, tag and nonce, altered one at a time. */
static void altered_packet_is_refused_and_zeroed(void **state)
{
	const enum aead_backend backends[] = {AEAD_BEST, AEAD_OPENSSL};
	enum { LEN = 40, AAD = 28, ALL = LEN + AEAD_TAG_LEN + AAD + AEAD_NONCE_LEN };

	(void)state;
	for (unsigned b = 0; b < 2; b++) {
		uint8_t key[32], good[ALL], zero[LEN] = {0};
		struct aead_key *k;

		assert_int_equal(aead_init(backends[b]), 0);
		fill(key, sizeof(key), 5);
		k = aead_key_new(key, sizeof(key));
		fill(good, ALL, 6);
		for (int flip = -2; flip < ALL; flip++) {
			uint8_t buf[ALL];
			struct aead_op op = {.data = buf,
					     .len = LEN,
					     .tag = buf + LEN,
					     .aad = buf + LEN + AEAD_TAG_LEN,
					     .aad_len = AAD};

			memcpy(buf, good, ALL);
			if (flip >= 0)
				buf[flip] ^= 0x10;
			memcpy(op.nonce, buf + ALL - AEAD_NONCE_LEN, AEAD_NONCE_LEN);
			if (flip == -2) {
				aead_seal(k, &op, 1);
				memcpy(good, buf, ALL);
			} else if (flip == -1) {
				assert_int_equal(aead_open(k, &op, 1), 1);
			} else {
				assert_int_equal(aead_open(k, &op, 1), 0);
				assert_false(op.ok);
				assert_memory_equal(buf, zero, LEN);
			}
		}
		aead_key_free(k);
	}
}

static void burst_with_one_bad_packet_opens_the_others(void **state)
{
	enum { N = 9, LEN = 64 };
	uint8_t key[16], aad[28], buf[N][LEN + AEAD_TAG_LEN], want[LEN];
	struct aead_op v[N];
	struct aead_key *k;

	(void)state;
	assert_int_equal(aead_init(AEAD_BEST), 0);
	fill(key, sizeof(key), 8);
	fill(aad, sizeof(aad), 9);
	fill(want, LEN, 10);
	k = aead_key_new(key, sizeof(key));
	for (unsigned i = 0; i < N; i++) {
		memcpy(buf[i], want, LEN);
		v[i] = (struct aead_op){.data = buf[i],
					.len = LEN,
					.aad = aad,
					.aad_len = sizeof(aad),
					.tag = buf[i] + LEN};
		v[i].nonce[11] = (uint8_t)i;
	}
	aead_seal(k, v, N);
	buf[4][0] ^= 1;
	assert_int_equal(aead_open(k, v, N), N - 1);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(v[i].ok, i != 4);
		if (i != 4)
			assert_memory_equal(buf[i], want, LEN);
	}
	aead_key_free(k);
}

static void other_key_lengths_are_refused(void **state)
{
	uint8_t key[64] = {0};

	(void)state;
	assert_int_equal(aead_init(AEAD_BEST), 0);
	for (size_t n = 0; n <= sizeof(key); n++) {
		struct aead_key *k = aead_key_new(key, n);

		assert_int_equal(k != NULL, n == 16 || n == 32);
		aead_key_free(k);
	}
}

static void fingerprint_tells_keys_and_nonce_bases_apart(void **state)
{
	uint8_t key[32] = {1}, other[32] = {2}, n1[12] = {0}, n2[12] = {1};
	uint8_t a[AEAD_FINGERPRINT_LEN], b[AEAD_FINGERPRINT_LEN];

	(void)state;
	assert_int_equal(aead_fingerprint(key, 32, n1, a), 0);
	assert_int_equal(aead_fingerprint(key, 32, n1, b), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(aead_fingerprint(other, 32, n1, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(aead_fingerprint(key, 32, n2, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backends_seal_alike),
		cmocka_unit_test(altered_packet_is_refused_and_zeroed),
		cmocka_unit_test(burst_with_one_bad_packet_opens_the_others),
		cmocka_unit_test(other_key_lengths_are_refused),
		cmocka_unit_test(fingerprint_tells_keys_and_nonce_bases_apart),
	};

	return cmocka_run_group_tests_name("crypto/aead", tests, NULL, NULL);
}
