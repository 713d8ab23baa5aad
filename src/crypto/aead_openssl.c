/*
 * aead_openssl: AES-GCM by OpenSSL, for processors that ipsec-mb does not serve, and
 * ChaCha20-Poly1305; and the digest behind aead_fingerprint().
 */
#include "crypto/aead_backend.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct ossl_key {
	EVP_CIPHER_CTX *enc, *dec; /* keyed once; each packet sets its nonce only */
};

/* Without its configuration file: a confined role cannot read it, and nothing in it is wanted. */
static void openssl_start(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

static int ossl_init(char *name, size_t size)
{
	openssl_start();
	snprintf(name, size, "openssl %s", OpenSSL_version(OPENSSL_VERSION_STRING));
	return 0;
}

static void ossl_key_fini(void *state)
{
	struct ossl_key *k = state;

	EVP_CIPHER_CTX_free(k->enc); /* cleanses its key schedule */
	EVP_CIPHER_CTX_free(k->dec);
}

static int ossl_key_init(void *state, const struct aead_material *m)
{
	const EVP_CIPHER *c = m->alg == AEAD_CHACHA20_POLY1305 ? EVP_chacha20_poly1305()
			      : m->len == 16                   ? EVP_aes_128_gcm()
							       : EVP_aes_256_gcm();
	struct ossl_key *k = state;

	k->enc = EVP_CIPHER_CTX_new();
	k->dec = EVP_CIPHER_CTX_new();
	if (!k->enc || !k->dec || EVP_EncryptInit_ex(k->enc, c, NULL, m->key, NULL) != 1 ||
	    EVP_DecryptInit_ex(k->dec, c, NULL, m->key, NULL) != 1) {
		ossl_key_fini(state);
		return -ENOMEM;
	}
	return 0;
}

static bool ossl_seal_one(EVP_CIPHER_CTX *c, struct aead_op *o)
{
	int n = 0;

	return EVP_EncryptInit_ex(c, NULL, NULL, NULL, o->nonce) == 1 &&
	       EVP_EncryptUpdate(c, NULL, &n, o->aad, (int)o->aad_len) == 1 &&
	       (!o->len || EVP_EncryptUpdate(c, o->data, &n, o->data, (int)o->len) == 1) &&
	       EVP_EncryptFinal_ex(c, o->data + o->len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, o->tag) == 1;
}

static unsigned ossl_seal(const void *state, struct aead_op *v, unsigned n)
{
	const struct ossl_key *k = state;
	unsigned good = n;

	for (struct aead_op *o = v; o < v + n; o++) {
		o->ok = ossl_seal_one(k->enc, o);
		if (o->ok)
			continue;
		/* never happened; but plaintext must not stay in an outgoing frame */
		secret_wipe(o->data, o->len);
		memset(o->tag, 0, AEAD_TAG_LEN);
		good--;
	}
	return good;
}

static unsigned ossl_open(const void *state, struct aead_op *v, unsigned n)
{
	const struct ossl_key *k = state;
	unsigned good = n;
	int m = 0;

	for (struct aead_op *o = v; o < v + n; o++) {
		uint8_t tag[AEAD_TAG_LEN];

		memcpy(tag, o->tag, sizeof(tag));
		o->ok = EVP_DecryptInit_ex(k->dec, NULL, NULL, NULL, o->nonce) == 1 &&
			EVP_DecryptUpdate(k->dec, NULL, &m, o->aad, (int)o->aad_len) == 1 &&
			(!o->len ||
			 EVP_DecryptUpdate(k->dec, o->data, &m, o->data, (int)o->len) == 1) &&
			EVP_CIPHER_CTX_ctrl(k->dec, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) ==
				1 &&
			EVP_DecryptFinal_ex(k->dec, o->data + o->len, &m) == 1;
		if (o->ok)
			continue;
		secret_wipe(o->data, o->len);
		good--;
	}
	return good;
}

const struct aead_ops aead_openssl = {
	.init = ossl_init,
	.key_size = sizeof(struct ossl_key),
	.key_init = ossl_key_init,
	.key_fini = ossl_key_fini,
	.seal = ossl_seal,
	.open = ossl_open,
};

int aead_fingerprint(const uint8_t *key, size_t len, const uint8_t nonce[AEAD_NONCE_LEN],
		     uint8_t out[AEAD_FINGERPRINT_LEN])
{
	static const char label[] = "myelin sa fingerprint";
	EVP_MD_CTX *c;
	uint8_t full[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	bool ok;

	openssl_start();
	c = EVP_MD_CTX_new();
	ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
	     EVP_DigestUpdate(c, label, sizeof(label)) == 1 && EVP_DigestUpdate(c, key, len) == 1 &&
	     EVP_DigestUpdate(c, nonce, AEAD_NONCE_LEN) == 1 &&
	     EVP_DigestFinal_ex(c, full, &n) == 1;

	EVP_MD_CTX_free(c);
	if (ok)
		memcpy(out, full, AEAD_FINGERPRINT_LEN);
	secret_wipe(full, sizeof(full));
	return ok ? 0 : -EIO;
}
