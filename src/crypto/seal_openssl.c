/* Protecting single messages by OpenSSL 3. Contexts live for one call and are cleansed with it. */
#include "crypto/seal.h"

#include "crypto/prf.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#define TAG_LEN 16
#define NONCE_LEN 12

static enum prf_hash hash_of(const struct seal_key *k)
{
	return k->hash_bits == 512   ? PRF_SHA2_512
	       : k->hash_bits == 384 ? PRF_SHA2_384
				     : PRF_SHA2_256;
}

size_t seal_iv_len(const struct seal_key *k)
{
	return k->cipher == SEAL_AES_CBC ? 16 : 8;
}

size_t seal_icv_len(const struct seal_key *k)
{
	return k->cipher == SEAL_AES_CBC ? k->hash_bits / 16u : TAG_LEN;
}

size_t seal_block(const struct seal_key *k)
{
	return k->cipher == SEAL_AES_CBC ? 16 : 1;
}

static const EVP_CIPHER *cipher_of(const struct seal_key *k)
{
	switch (k->cipher) {
	case SEAL_AES_GCM_16:
		return k->key.len == 16 + SEAL_SALT_LEN   ? EVP_aes_128_gcm()
		       : k->key.len == 32 + SEAL_SALT_LEN ? EVP_aes_256_gcm()
							  : NULL;
	case SEAL_CHACHA20_POLY1305:
		return k->key.len == 32 + SEAL_SALT_LEN ? EVP_chacha20_poly1305() : NULL;
	case SEAL_AES_CBC:
		if (k->auth.len != k->hash_bits / 8u ||
		    (k->hash_bits != 256 && k->hash_bits != 384 && k->hash_bits != 512))
			return NULL;
		return k->key.len == 16   ? EVP_aes_128_cbc()
		       : k->key.len == 32 ? EVP_aes_256_cbc()
					  : NULL;
	default:
		return NULL;
	}
}

/* Where the parts of a message are. */
struct layout {
	uint8_t *iv, *text, *icv;
	size_t text_len;
};

static int layout_of(const struct seal_key *k, uint8_t *msg, size_t head, size_t len,
		     struct layout *l)
{
	size_t iv = seal_iv_len(k), icv = seal_icv_len(k);

	if (!cipher_of(k))
		return -EINVAL;
	if (len > INT_MAX || head > len || len - head < iv + icv ||
	    (len - head - iv - icv) % seal_block(k))
		return -EBADMSG;
	*l = (struct layout){msg + head, msg + head + iv, msg + len - icv, len - head - iv - icv};
	return k->cipher == SEAL_AES_CBC && !l->text_len ? -EBADMSG : 0;
}

static int aead(const struct seal_key *k, const uint8_t *msg, size_t head, const struct layout *l,
		int enc)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[NONCE_LEN];
	int err = -EIO, n = 0;

	memcpy(nonce, k->key.b + k->key.len - SEAL_SALT_LEN, SEAL_SALT_LEN);
	memcpy(nonce + SEAL_SALT_LEN, l->iv, NONCE_LEN - SEAL_SALT_LEN);
	if (!c || EVP_CipherInit_ex(c, cipher_of(k), NULL, NULL, NULL, enc) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, NONCE_LEN, NULL) != 1 ||
	    EVP_CipherInit_ex(c, NULL, NULL, k->key.b, nonce, enc) != 1 ||
	    (!enc && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, l->icv) != 1) ||
	    EVP_CipherUpdate(c, NULL, &n, msg, (int)head) != 1 ||
	    (l->text_len && EVP_CipherUpdate(c, l->text, &n, l->text, (int)l->text_len) != 1))
		goto out;
	if (EVP_CipherFinal_ex(c, l->text + l->text_len, &n) != 1) {
		err = enc ? -EIO : -EBADMSG;
		goto out;
	}
	err = !enc || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, l->icv) == 1 ? 0
											  : -EIO;
out:
	EVP_CIPHER_CTX_free(c);
	return err;
}

static int cbc(const struct seal_key *k, const struct layout *l, int enc)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int err = -EIO, n = 0;

	if (c && EVP_CipherInit_ex(c, cipher_of(k), NULL, k->key.b, l->iv, enc) == 1 &&
	    EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
	    EVP_CipherUpdate(c, l->text, &n, l->text, (int)l->text_len) == 1 &&
	    (size_t)n == l->text_len)
		err = 0;
	EVP_CIPHER_CTX_free(c);
	return err;
}

/* The HMAC of everything before the ICV, cut to half its length. */
static int hmac(const struct seal_key *k, const uint8_t *msg, const struct layout *l,
		uint8_t out[PRF_MAX])
{
	const struct prf_piece all = {msg, (size_t)(l->icv - msg)};

	return prf(hash_of(k), k->auth.b, k->auth.len, &all, 1, out);
}

int seal_close(const struct seal_key *k, uint8_t *msg, size_t head, size_t len)
{
	uint8_t mac[PRF_MAX];
	struct layout l;
	int err = layout_of(k, msg, head, len, &l);

	if (err)
		return -EINVAL;
	if (k->cipher == SEAL_AES_CBC) {
		err = cbc(k, &l, 1);
		err = err ? err : hmac(k, msg, &l, mac);
		if (!err)
			memcpy(l.icv, mac, seal_icv_len(k));
		secret_wipe(mac, sizeof(mac));
	} else {
		err = aead(k, msg, head, &l, 1);
	}
	if (err)
		secret_wipe(l.text, l.text_len);
	return err;
}

int seal_open(const struct seal_key *k, uint8_t *msg, size_t head, size_t len)
{
	uint8_t mac[PRF_MAX];
	struct layout l;
	int err = layout_of(k, msg, head, len, &l);

	if (err)
		return err;
	if (k->cipher == SEAL_AES_CBC) {
		err = hmac(k, msg, &l, mac);
		if (!err && !secret_equal(mac, l.icv, seal_icv_len(k)))
			err = -EBADMSG;
		secret_wipe(mac, sizeof(mac));
		return err ? err : cbc(k, &l, 0);
	}
	err = aead(k, msg, head, &l, 0);
	if (err)
		secret_wipe(l.text, l.text_len);
	return err;
}
