/*
 * AES-CMAC and AES Key Wrap, plain and with padding, by OpenSSL 3: the only file that knows its
 * names for them. Algorithms are fetched once; contexts are made and cleansed per call.
 */
#include "crypto/cmac.h"
#include "crypto/keywrap.h"

#include "base/secret.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static EVP_MAC *mac_cmac; /* written once, under mac_once; read by any thread after it */
static pthread_once_t mac_once = PTHREAD_ONCE_INIT;

static void mac_fetch(void)
{
	mac_cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
}

int cmac_aes(const void *key, size_t key_len, const void *data, size_t len, uint8_t mac[CMAC_LEN])
{
	char cipher[] = "AES-128-CBC";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = NULL;
	size_t n = 0;
	int err = -EINVAL;

	if (key_len != 16 && key_len != 32)
		goto out;
	if (key_len == 32)
		memcpy(cipher, "AES-256-CBC", sizeof(cipher));
	err = -EIO;
	pthread_once(&mac_once, mac_fetch);
	ctx = mac_cmac ? EVP_MAC_CTX_new(mac_cmac) : NULL;
	if (!ctx || EVP_MAC_init(ctx, key, key_len, params) != 1 ||
	    EVP_MAC_update(ctx, data, len) != 1 || EVP_MAC_final(ctx, mac, &n, CMAC_LEN) != 1 ||
	    n != CMAC_LEN)
		goto out;
	err = 0;
out:
	EVP_MAC_CTX_free(ctx);
	if (err)
		secret_wipe(mac, CMAC_LEN);
	return err;
}

static const EVP_CIPHER *wrap_cipher(size_t kek_len, bool pad)
{
	switch (kek_len) {
	case 16:
		return pad ? EVP_aes_128_wrap_pad() : EVP_aes_128_wrap();
	case 24:
		return pad ? EVP_aes_192_wrap_pad() : EVP_aes_192_wrap();
	case 32:
		return pad ? EVP_aes_256_wrap_pad() : EVP_aes_256_wrap();
	default:
		return NULL;
	}
}

/* out has room for *out_len bytes, which becomes what was written; wiped when it fails. */
static int wrap_run(const EVP_CIPHER *cipher, const void *kek, const void *in, size_t in_len,
		    uint8_t *out, size_t *out_len, int enc)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int err = -EIO, n = 0, m = 0;

	if (!ctx)
		return err;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_CipherInit_ex(ctx, cipher, NULL, kek, NULL, enc) != 1)
		goto out;
	err = enc ? -EIO : -EBADMSG;
	if (EVP_CipherUpdate(ctx, out, &n, in, (int)in_len) != 1 || n < 0 ||
	    EVP_CipherFinal_ex(ctx, out + n, &m) != 1 || (size_t)n + (size_t)m > *out_len)
		goto out;
	err = 0;
out:
	EVP_CIPHER_CTX_free(ctx);
	if (err)
		secret_wipe(out, *out_len);
	else
		*out_len = (size_t)n + (size_t)m;
	return err;
}

int keywrap_wrap(const void *kek, size_t kek_len, const void *key, size_t len, uint8_t *out)
{
	const EVP_CIPHER *cipher = wrap_cipher(kek_len, false);
	size_t n = len + KEYWRAP_OVERHEAD;

	if (!cipher || len % 8 || len > INT_MAX || len < 16)
		return -EINVAL;
	return wrap_run(cipher, kek, key, len, out, &n, 1);
}

int keywrap_unwrap(const void *kek, size_t kek_len, const void *wrapped, size_t len, uint8_t *out)
{
	const EVP_CIPHER *cipher = wrap_cipher(kek_len, false);
	size_t n = len - KEYWRAP_OVERHEAD;

	if (!cipher || len % 8 || len > INT_MAX || len < 16 + KEYWRAP_OVERHEAD)
		return -EINVAL;
	return wrap_run(cipher, kek, wrapped, len, out, &n, 0);
}

int keywrap_pad(const void *kek, size_t kek_len, const void *key, size_t len, uint8_t *out,
		size_t *out_len)
{
	const EVP_CIPHER *cipher = wrap_cipher(kek_len, true);

	if (!cipher || !len || len > INT_MAX - 2 * KEYWRAP_OVERHEAD)
		return -EINVAL;
	*out_len = keywrap_padded_len(len);
	return wrap_run(cipher, kek, key, len, out, out_len, 1);
}

int keywrap_unpad(const void *kek, size_t kek_len, const void *wrapped, size_t len, uint8_t *out,
		  size_t *out_len)
{
	const EVP_CIPHER *cipher = wrap_cipher(kek_len, true);

	if (!cipher || len % 8 || len > INT_MAX || len < 16)
		return -EINVAL;
	*out_len = len - KEYWRAP_OVERHEAD;
	return wrap_run(cipher, kek, wrapped, len, out, out_len, 0);
}
