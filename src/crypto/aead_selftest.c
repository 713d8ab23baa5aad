/*
 * aead_selftest: known answers that a backend must give before it gets a key.
 *
 * AES-GCM: key bytes count up from 0, nonce bytes from 0xa0, the 28 bytes of associated data from
 * 0, and plaintext byte i is 7i + 3: 50 bytes, so that the last block is not full. The answers
 * were computed with another implementation.
 */
#include "crypto/aead_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LEN 50
#define AAD_LEN 28

static const struct {
	size_t key_len;
	uint8_t sealed[TEXT_LEN + AEAD_TAG_LEN];
} answers[] = {
	{
		.key_len = 16,
		.sealed =
			{
				0xa9, 0x8c, 0x29, 0xa3, 0x61, 0xaf, 0x1e, 0x3e, 0xb1, 0x3a, 0xfc,
				0x50, 0x11, 0x4c, 0xd5, 0x0c, 0x20, 0x94, 0xa2, 0x80, 0x0c, 0x81,
				0xa0, 0x0b, 0x8e, 0xa2, 0xc8, 0x5b, 0x85, 0x43, 0x5a, 0x74, 0x79,
				0x49, 0xb4, 0xc9, 0xf0, 0xec, 0xe1, 0x79, 0x64, 0xfc, 0xcb, 0xf4,
				0x98, 0xe5, 0x4c, 0x9c, 0xef, 0x0e, 0x2c, 0xc5, 0x63, 0x86, 0xea,
				0xd5, 0xaf, 0x56, 0x6b, 0xdc, 0x7b, 0x18, 0xe1, 0x8c, 0x2a, 0xa7,
			},
	},
	{
		.key_len = 32,
		.sealed =
			{
				0xe5, 0x12, 0x6d, 0x35, 0x5a, 0xed, 0x2f, 0x8b, 0x59, 0x27, 0xce,
				0x83, 0x50, 0x24, 0xa5, 0xb2, 0x03, 0xd6, 0xd8, 0x98, 0x1d, 0x21,
				0xdf, 0xc8, 0x37, 0xbc, 0x9f, 0x46, 0xb8, 0x65, 0xa0, 0xdd, 0x31,
				0x9c, 0xb6, 0x07, 0x50, 0x24, 0x5e, 0x29, 0x44, 0xbe, 0x2d, 0xf8,
				0x3e, 0x44, 0xc6, 0xb5, 0x14, 0x41, 0x68, 0x66, 0x4a, 0x9a, 0x20,
				0x90, 0x58, 0xc2, 0x3a, 0x0d, 0xa0, 0x7e, 0x57, 0x82, 0xb2, 0x9b,
			},
	},
};

static int selftest_one(const struct aead_ops *ops, void *state, unsigned row)
{
	uint8_t key[32], aad[AAD_LEN], text[TEXT_LEN + AEAD_TAG_LEN], plain[TEXT_LEN];
	const uint8_t zero[TEXT_LEN] = {0};
	struct aead_op op = {.data = text,
			     .aad = aad,
			     .tag = text + TEXT_LEN,
			     .len = TEXT_LEN,
			     .aad_len = AAD_LEN};
	struct aead_material m = {.alg = AEAD_AES_GCM, .key = key, .len = answers[row].key_len};
	int rc = -EIO;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < AAD_LEN; i++)
		aad[i] = (uint8_t)i;
	for (unsigned i = 0; i < TEXT_LEN; i++)
		text[i] = plain[i] = (uint8_t)(7 * i + 3);
	for (unsigned i = 0; i < AEAD_NONCE_LEN; i++)
		op.nonce[i] = (uint8_t)(0xa0 + i);
	if (ops->key_init(state, &m) < 0)
		return -EIO;
	ops->seal(state, &op, 1);
	if (memcmp(text, answers[row].sealed, sizeof(text)) != 0)
		goto out;
	ops->open(state, &op, 1);
	if (!op.ok || memcmp(text, plain, TEXT_LEN) != 0)
		goto out;
	memcpy(text, answers[row].sealed, sizeof(text));
	op.tag[AEAD_TAG_LEN - 1] ^= 1;
	ops->open(state, &op, 1);
	if (op.ok || memcmp(text, zero, TEXT_LEN) != 0)
		goto out;
	rc = 0;
out:
	ops->key_fini(state);
	return rc;
}

int aead_selftest(const struct aead_ops *ops)
{
	size_t size = (ops->key_size + 63) & ~(size_t)63;
	void *state = aligned_alloc(64, size);
	int rc = state ? 0 : -EIO;

	for (unsigned i = 0; !rc && i < sizeof(answers) / sizeof(answers[0]); i++) {
		memset(state, 0, size);
		rc = selftest_one(ops, state, i);
	}
	free(state);
	return rc;
}

/*
 * The other algorithms: the same bytes, but 48 of plaintext, 12 of associated data, and an
 * integrity key that counts up from 0x40. A tag answers for all that stands before it.
 */
#define BLOCKS_LEN 48
#define BLOCKS_AAD_LEN 12
#define BLOCKS_TAG_MAX 32

static const struct {
	enum aead_alg alg;
	uint8_t key_len, auth_len, tag_len;
	uint8_t tag[BLOCKS_TAG_MAX];
} tags[] = {
	{AEAD_CHACHA20_POLY1305,
	 32,
	 0,
	 16,
	 {0xe1, 0xd9, 0xc5, 0x34, 0x0d, 0xf0, 0x5c, 0xdc, 0xd3, 0x36, 0x49, 0xd7, 0xb6, 0x10, 0xd3,
	  0xd3}},
	{AEAD_AES_CBC_HMAC_SHA2_256,
	 16,
	 32,
	 16,
	 {0xf0, 0x0a, 0x92, 0x5c, 0x02, 0xf1, 0xdb, 0x0d, 0x60, 0x00, 0x07, 0x96, 0x82, 0x58, 0xd3,
	  0xee}},
	{AEAD_AES_CBC_HMAC_SHA2_256,
	 32,
	 32,
	 16,
	 {0x14, 0x08, 0x2a, 0xb6, 0x4c, 0x0c, 0x62, 0xcb, 0xfd, 0x85, 0xcb, 0xac, 0xca, 0x8b, 0x45,
	  0x68}},
	{AEAD_AES_CBC_HMAC_SHA2_384, 16, 48, 24, {0xdf, 0xb6, 0x88, 0x31, 0xba, 0x08, 0x1d, 0xb0,
						  0x0f, 0x2c, 0xf8, 0x7f, 0x46, 0x97, 0x0b, 0xd3,
						  0xc9, 0x6e, 0x13, 0x94, 0x19, 0xc9, 0xde, 0xa8}},
	{AEAD_AES_CBC_HMAC_SHA2_384, 32, 48, 24, {0x6a, 0x40, 0x87, 0xd6, 0x2a, 0x8a, 0x4c, 0xbd,
						  0x8e, 0xdf, 0x68, 0x82, 0xf7, 0x7b, 0x67, 0xf2,
						  0xaa, 0x1a, 0x5d, 0xba, 0xcb, 0xd9, 0x73, 0x50}},
	{AEAD_AES_CBC_HMAC_SHA2_512, 16, 64, 32, {0x59, 0x2b, 0xa1, 0x37, 0x6d, 0xe0, 0xdd, 0x09,
						  0x8b, 0xd2, 0x2c, 0x83, 0x4c, 0xd7, 0x53, 0x0f,
						  0xc6, 0xcc, 0x88, 0x17, 0xcc, 0x24, 0xb8, 0xa5,
						  0x3a, 0x28, 0x68, 0x11, 0x27, 0x30, 0xdb, 0x33}},
	{AEAD_AES_CBC_HMAC_SHA2_512, 32, 64, 32, {0x3e, 0x8e, 0x42, 0x02, 0x82, 0xcd, 0xef, 0x7a,
						  0x83, 0x84, 0x8d, 0x42, 0x62, 0x45, 0x3f, 0xe1,
						  0xbc, 0xa0, 0xcb, 0x45, 0xee, 0x34, 0x30, 0x58,
						  0x5c, 0x27, 0x40, 0x18, 0x7a, 0x21, 0x0e, 0xd5}},
};

static int selftest_tag(const struct aead_ops *ops, void *state, unsigned row)
{
	uint8_t key[32], auth[64], aad[BLOCKS_AAD_LEN], plain[BLOCKS_LEN], tag[BLOCKS_TAG_MAX];
	uint8_t text[AEAD_CBC_IV_LEN + BLOCKS_LEN];
	const uint8_t zero[BLOCKS_LEN] = {0};
	struct aead_material m = {.alg = tags[row].alg,
				  .key = key,
				  .len = tags[row].key_len,
				  .auth = auth,
				  .auth_len = tags[row].auth_len};
	struct aead_op op = {.data = text + AEAD_CBC_IV_LEN,
			     .aad = aad,
			     .tag = tag,
			     .len = BLOCKS_LEN,
			     .aad_len = BLOCKS_AAD_LEN};
	int rc = -EIO;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(auth); i++)
		auth[i] = (uint8_t)(0x40 + i);
	for (unsigned i = 0; i < sizeof(aad); i++)
		aad[i] = (uint8_t)i;
	for (unsigned i = 0; i < BLOCKS_LEN; i++)
		op.data[i] = plain[i] = (uint8_t)(7 * i + 3);
	for (unsigned i = 0; i < AEAD_NONCE_LEN; i++)
		op.nonce[i] = (uint8_t)(0xa0 + i);
	if (ops->key_init(state, &m) < 0)
		return -EIO;
	ops->seal(state, &op, 1);
	if (!op.ok || memcmp(tag, tags[row].tag, tags[row].tag_len) != 0)
		goto out;
	ops->open(state, &op, 1);
	if (!op.ok || memcmp(op.data, plain, BLOCKS_LEN) != 0)
		goto out;
	ops->seal(state, &op, 1);
	tag[tags[row].tag_len - 1] ^= 1;
	ops->open(state, &op, 1);
	if (op.ok || memcmp(op.data, zero, BLOCKS_LEN) != 0)
		goto out;
	rc = 0;
out:
	ops->key_fini(state);
	return rc;
}

int aead_selftest_alg(const struct aead_ops *ops, enum aead_alg alg)
{
	size_t size = (ops->key_size + 63) & ~(size_t)63;
	void *state = aligned_alloc(64, size);
	int rc = state ? 0 : -EIO;

	for (unsigned i = 0; !rc && i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].alg == alg)
			rc = selftest_tag(ops, state, i);
	free(state);
	return rc;
}
