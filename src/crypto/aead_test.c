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

/* Packets of keys of several kinds in one burst are what they are one by one; one is spoilt. */
static void packets_of_many_keys_are_done_in_one_burst(void **state)
{
	enum { N = 24, LEN = 700, KEYS = 5, SPOILT = 11 };
	static uint8_t each[N][LEN + AEAD_TAG_LEN], one[N][LEN + AEAD_TAG_LEN];
	const uint8_t aad[8] = {1, 2, 3};
	const struct aead_key *keys[N];
	struct aead_key *k[KEYS];
	struct aead_op v[N], w[N];
	uint8_t clear[LEN], key[32];

	(void)state;
	assert_int_equal(aead_init(AEAD_BEST), 0);
	for (unsigned i = 0; i < KEYS; i++) {
		const struct aead_material m = {.alg = i == 3 ? AEAD_CHACHA20_POLY1305
							      : AEAD_AES_GCM,
						.key = key,
						.len = i == 2 ? 16 : 32};

		fill(key, sizeof(key), 50 + i);
		k[i] = aead_key_make(&m);
		assert_non_null(k[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		keys[i] = k[i * i % KEYS];
		v[i] = (struct aead_op){.data = each[i],
					.len = i * 29,
					.aad = aad,
					.aad_len = sizeof(aad),
					.tag = each[i] + i * 29};
		fill(v[i].nonce, sizeof(v[i].nonce), i);
		fill(each[i], v[i].len, 9 + i);
		memcpy(one[i], each[i], v[i].len);
		w[i] = v[i];
		w[i].data = one[i];
		w[i].tag = one[i] + w[i].len;
		assert_int_equal(aead_seal(keys[i], &w[i], 1), 1);
	}
	assert_int_equal(aead_seal_each(keys, v, N), N);
	assert_memory_equal(each, one, sizeof(each));
	*v[SPOILT].tag ^= 1;
	assert_int_equal(aead_open_each(keys, v, N), N - 1);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(v[i].ok, i != SPOILT);
		fill(clear, v[i].len, 9 + i);
		if (i == SPOILT)
			memset(clear, 0, v[i].len);
		assert_memory_equal(v[i].data, clear, v[i].len);
	}
	for (unsigned i = 0; i < KEYS; i++)
		aead_key_free(k[i]);
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

/* RFC 7634 appendix A: an ICMP packet in ESP, its trailer included. */
static void chacha20_poly1305_gives_the_rfcs_example(void **state)
{
	static const uint8_t key[32] = {0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
					0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f,
					0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
					0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f};
	static const uint8_t want[] = {
		0x24, 0x03, 0x94, 0x28, 0xb9, 0x7f, 0x41, 0x7e, 0x3c, 0x13, 0x75, 0x3a, 0x4f,
		0x05, 0x08, 0x7b, 0x67, 0xc3, 0x52, 0xe6, 0xa7, 0xfa, 0xb1, 0xb9, 0x82, 0xd4,
		0x66, 0xef, 0x40, 0x7a, 0xe5, 0xc6, 0x14, 0xee, 0x80, 0x99, 0xd5, 0x28, 0x44,
		0xeb, 0x61, 0xaa, 0x95, 0xdf, 0xab, 0x4c, 0x02, 0xf7, 0x2a, 0xa7, 0x1e, 0x7c,
		0x4c, 0x4f, 0x64, 0xc9, 0xbe, 0xfe, 0x2f, 0xac, 0xc6, 0x38, 0xe8, 0xf3, 0xcb,
		0xec, 0x16, 0x3f, 0xac, 0x46, 0x9b, 0x50, 0x27, 0x73, 0xf6, 0xfb, 0x94, 0xe6,
		0x64, 0xda, 0x91, 0x65, 0xb8, 0x28, 0x29, 0xf6, 0x41, 0xe0, 0x76, 0xaa, 0xa8,
		0x26, 0x6b, 0x7f, 0xb0, 0xf7, 0xb1, 0x1b, 0x36, 0x99, 0x07, 0xe1, 0xad, 0x43,
	};
	static const uint8_t plain[] = {
		0x45, 0x00, 0x00, 0x54, 0xa6, 0xf2, 0x00, 0x00, 0x40, 0x01, 0xe7, 0x78, 0xc6,
		0x33, 0x64, 0x05, 0xc0, 0x00, 0x02, 0x05, 0x08, 0x00, 0x5b, 0x7a, 0x3a, 0x08,
		0x00, 0x00, 0x55, 0x3b, 0xec, 0x10, 0x00, 0x07, 0x36, 0x27, 0x08, 0x09, 0x0a,
		0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
		0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24,
		0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31,
		0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x01, 0x02, 0x02, 0x04,
	};
	static const uint8_t aad[8] = {1, 2, 3, 4, 0, 0, 0, 5};
	const struct aead_material m = {.alg = AEAD_CHACHA20_POLY1305, .key = key, .len = 32};
	uint8_t b[sizeof(want)];
	struct aead_op op = {
		.data = b,
		.len = sizeof(plain),
		.aad = aad,
		.aad_len = sizeof(aad),
		.tag = b + sizeof(plain),
		.nonce = {0xa0, 0xa1, 0xa2, 0xa3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17}};
	struct aead_key *k;

	(void)state;
	assert_int_equal(aead_init(AEAD_BEST), 0);
	k = aead_key_make(&m);
	assert_non_null(k);
	memcpy(b, plain, sizeof(plain));
	aead_seal(k, &op, 1);
	assert_true(op.ok);
	assert_memory_equal(b, want, sizeof(want));
	assert_int_equal(aead_open(k, &op, 1), 1);
	assert_memory_equal(b, plain, sizeof(plain));
	aead_key_free(k);
}

/* Every byte that the composition authenticates, altered one at a time; and no IV comes twice. */
static void composition_refuses_what_was_altered(void **state)
{
	enum { LEN = 48, TAG = 32, AAD = 12 };

	(void)state;
	assert_int_equal(aead_init(AEAD_BEST), 0);
	for (enum aead_alg alg = AEAD_AES_CBC_HMAC_SHA2_256; alg <= AEAD_AES_CBC_HMAC_SHA2_512;
	     alg++) {
		uint8_t key[32], auth[64], aad[AAD], b[16 + LEN + TAG], good[16 + LEN + TAG];
		size_t hash = alg == AEAD_AES_CBC_HMAC_SHA2_256   ? 32
			      : alg == AEAD_AES_CBC_HMAC_SHA2_384 ? 48
								  : 64;
		struct aead_material m = {
			.alg = alg, .key = key, .len = 32, .auth = auth, .auth_len = hash};
		struct aead_op op = {.data = b + 16,
				     .len = LEN,
				     .aad = aad,
				     .aad_len = AAD,
				     .tag = b + 16 + LEN};
		struct aead_key *k;

		fill(key, sizeof(key), 1);
		fill(auth, sizeof(auth), 2);
		fill(aad, sizeof(aad), 3);
		k = aead_key_make(&m);
		assert_non_null(k);
		fill(b, sizeof(b), 4);
		aead_seal(k, &op, 1);
		assert_true(op.ok);
		memcpy(good, b, sizeof(good));
		for (size_t i = 0; i < AAD + 16 + LEN + hash / 2; i++) {
			memcpy(b, good, sizeof(good));
			(i < AAD ? aad + i : b + i - AAD)[0] ^= 0x40;
			assert_int_equal(aead_open(k, &op, 1), 0);
			if (i < AAD)
				aad[i] ^= 0x40;
		}
		memcpy(b, good, sizeof(good));
		assert_int_equal(aead_open(k, &op, 1), 1);
		op.nonce[11]++;
		aead_seal(k, &op, 1);
		assert_memory_not_equal(b, good, 16);
		op.len = LEN - 1;
		aead_seal(k, &op, 1);
		assert_false(op.ok);
		aead_key_free(k);
	}
}

static void material_of_other_lengths_is_refused(void **state)
{
	static const uint8_t bytes[64];
	static const struct {
		enum aead_alg alg;
		size_t len, auth_len;
	} rows[] = {
		{AEAD_AES_GCM, 16, 32},
		{AEAD_CHACHA20_POLY1305, 16, 0},
		{AEAD_AES_CBC_HMAC_SHA2_256, 24, 32},
		{AEAD_AES_CBC_HMAC_SHA2_256, 32, 0},
		{AEAD_AES_CBC_HMAC_SHA2_384, 32, 32},
		{AEAD_AES_CBC_HMAC_SHA2_512, 32, 48},
	};

	(void)state;
	assert_int_equal(aead_init(AEAD_BEST), 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct aead_material m = {.alg = rows[i].alg,
					  .key = bytes,
					  .len = rows[i].len,
					  .auth = bytes,
					  .auth_len = rows[i].auth_len};

		assert_null(aead_key_make(&m));
		assert_int_equal(errno, EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backends_seal_alike),
		cmocka_unit_test(altered_packet_is_refused_and_zeroed),
		cmocka_unit_test(burst_with_one_bad_packet_opens_the_others),
		cmocka_unit_test(packets_of_many_keys_are_done_in_one_burst),
		cmocka_unit_test(other_key_lengths_are_refused),
		cmocka_unit_test(chacha20_poly1305_gives_the_rfcs_example),
		cmocka_unit_test(composition_refuses_what_was_altered),
		cmocka_unit_test(material_of_other_lengths_is_refused),
		cmocka_unit_test(fingerprint_tells_keys_and_nonce_bases_apart),
	};

	return cmocka_run_group_tests_name("crypto/aead", tests, NULL, NULL);
}
