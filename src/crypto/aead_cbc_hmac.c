/*
 * aead_cbc_hmac: AES-CBC with HMAC-SHA2 over it, as ESP composes them (RFC 4303 sections 2.2.1
 * and 3.3.2.1, RFC 3602, RFC 4868), by OpenSSL, one packet after the other: for peers that have
 * nothing better.
 */
#include "crypto/aead_backend.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#define BLOCK 16

struct cbc_key {
	EVP_CIPHER_CTX *enc, *dec, *vector; /* keyed once; vector: one block, for IVs */
	EVP_MAC_CTX *mac;
	size_t hash_len; /* bytes; a tag has half of it */
};

static void cbc_key_fini(void *state)
{
	struct cbc_key *k = state;

	EVP_CIPHER_CTX_free(k->enc);
	EVP_CIPHER_CTX_free(k->dec);
	EVP_CIPHER_CTX_free(k->vector);
	EVP_MAC_CTX_free(k->mac);
}

static bool mac_key(struct cbc_key *k, const struct aead_material *m)
{
	static const char *const hashes[] = {[AEAD_AES_CBC_HMAC_SHA2_256] = "SHA256",
					     [AEAD_AES_CBC_HMAC_SHA2_384] = "SHA384",
					     [AEAD_AES_CBC_HMAC_SHA2_512] = "SHA512"};
	char name[8];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	OSSL_PARAM params[2] = {0};
	bool ok;

	memcpy(name, hashes[m->alg], sizeof("SHA256"));
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
	params[1] = OSSL_PARAM_construct_end();
	k->mac = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	ok = k->mac && EVP_MAC_init(k->mac, m->auth, m->auth_len, params) == 1;
	k->hash_len = m->auth_len;
	return ok;
}

static int cbc_key_init(void *state, const struct aead_material *m)
{
	const EVP_CIPHER *cbc = m->len == 16 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
	const EVP_CIPHER *ecb = m->len == 16 ? EVP_aes_128_ecb() : EVP_aes_256_ecb();
	struct cbc_key *k = state;

	*k = (struct cbc_key){
		.enc = EVP_CIPHER_CTX_new(),
		.dec = EVP_CIPHER_CTX_new(),
		.vector = EVP_CIPHER_CTX_new(),
	};
	if (k->enc && k->dec && k->vector && mac_key(k, m) &&
	    EVP_EncryptInit_ex(k->enc, cbc, NULL, m->key, NULL) == 1 &&
	    EVP_DecryptInit_ex(k->dec, cbc, NULL, m->key, NULL) == 1 &&
	    EVP_EncryptInit_ex(k->vector, ecb, NULL, m->key, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(k->enc, 0) == 1 &&
	    EVP_CIPHER_CTX_set_padding(k->dec, 0) == 1 &&
	    EVP_CIPHER_CTX_set_padding(k->vector, 0) == 1)
		return 0;
	cbc_key_fini(state);
	return -ENOMEM;
}

/* The whole digest over header, IV, ciphertext and, if there is one, the upper half. */
static bool digest(const struct cbc_key *k, const struct aead_op *o, uint8_t out[EVP_MAX_MD_SIZE])
{
	const uint8_t *low = o->aad + (o->aad_len == 12 ? 8 : 4);
	size_t n = 0;

	return (o->aad_len == 8 || o->aad_len == 12) && EVP_MAC_init(k->mac, NULL, 0, NULL) == 1 &&
	       EVP_MAC_update(k->mac, o->aad, 4) == 1 && EVP_MAC_update(k->mac, low, 4) == 1 &&
	       EVP_MAC_update(k->mac, o->data - AEAD_CBC_IV_LEN, AEAD_CBC_IV_LEN + o->len) == 1 &&
	       (o->aad_len == 8 || EVP_MAC_update(k->mac, o->aad + 4, 4) == 1) &&
	       EVP_MAC_final(k->mac, out, &n, EVP_MAX_MD_SIZE) == 1 && n == k->hash_len;
}

static bool seal_one(const struct cbc_key *k, struct aead_op *o)
{
	uint8_t nonce[BLOCK] = {0}, full[EVP_MAX_MD_SIZE], *iv = o->data - AEAD_CBC_IV_LEN;
	int n = 0;

	memcpy(nonce, o->nonce, sizeof(o->nonce));
	if (o->len % BLOCK || EVP_EncryptUpdate(k->vector, iv, &n, nonce, BLOCK) != 1 ||
	    EVP_EncryptInit_ex(k->enc, NULL, NULL, NULL, iv) != 1 ||
	    EVP_EncryptUpdate(k->enc, o->data, &n, o->data, (int)o->len) != 1 ||
	    !digest(k, o, full))
		return false;
	memcpy(o->tag, full, k->hash_len / 2);
	return true;
}

static bool open_one(const struct cbc_key *k, struct aead_op *o)
{
	uint8_t full[EVP_MAX_MD_SIZE];
	int n = 0;

	return o->len % BLOCK == 0 && digest(k, o, full) &&
	       secret_equal(full, o->tag, k->hash_len / 2) &&
	       EVP_DecryptInit_ex(k->dec, NULL, NULL, NULL, o->data - AEAD_CBC_IV_LEN) == 1 &&
	       EVP_DecryptUpdate(k->dec, o->data, &n, o->data, (int)o->len) == 1;
}

static unsigned cbc_seal(const void *state, struct aead_op *v, unsigned n)
{
	const struct cbc_key *k = state;
	unsigned good = n;

	for (struct aead_op *o = v; o < v + n; o++) {
		o->ok = seal_one(k, o);
		if (o->ok)
			continue;
		secret_wipe(o->data, o->len);
		memset(o->tag, 0, k->hash_len / 2);
		good--;
	}
	return good;
}

static unsigned cbc_open(const void *state, struct aead_op *v, unsigned n)
{
	const struct cbc_key *k = state;
	unsigned good = n;

	for (struct aead_op *o = v; o < v + n; o++) {
		o->ok = open_one(k, o);
		if (o->ok)
			continue;
		secret_wipe(o->data, o->len);
		good--;
	}
	return good;
}

const struct aead_ops aead_cbc_hmac = {
	.key_size = sizeof(struct cbc_key),
	.key_init = cbc_key_init,
	.key_fini = cbc_key_fini,
	.seal = cbc_seal,
	.open = cbc_open,
};
