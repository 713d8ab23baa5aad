/* HMAC-SHA2, prf+ and SHA-1 by OpenSSL 3. HMAC is fetched once; contexts live for one call. */
#include "crypto/prf.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#define PLUS_PIECES 8

static EVP_MAC *prf_hmac; /* written once, under prf_once; read by any thread after it */
static pthread_once_t prf_once = PTHREAD_ONCE_INIT;

static const struct {
	const char *digest;
	size_t len;
} hashes[PRF_HASH_COUNT] = {
	[PRF_SHA2_256] = {"SHA256", 32},
	[PRF_SHA2_384] = {"SHA384", 48},
	[PRF_SHA2_512] = {"SHA512", 64},
};

static void prf_fetch(void)
{
	prf_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

size_t prf_len(enum prf_hash h)
{
	return hashes[h].len;
}

int prf(enum prf_hash h, const void *key, size_t key_len, const struct prf_piece *v, unsigned n,
	uint8_t *out)
{
	char name[8] = "SHA256"; /* all names are as long */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx;
	size_t len = 0;
	int err = -EIO;

	memcpy(name, hashes[h].digest, strlen(hashes[h].digest) + 1);
	pthread_once(&prf_once, prf_fetch);
	ctx = prf_hmac ? EVP_MAC_CTX_new(prf_hmac) : NULL;
	/* A key of no bytes is one, but a null pointer would mean "as before". */
	if (!ctx || EVP_MAC_init(ctx, key_len ? key : (const void *)"", key_len, params) != 1)
		goto out;
	for (unsigned i = 0; i < n; i++)
		if (v[i].len && EVP_MAC_update(ctx, v[i].p, v[i].len) != 1)
			goto out;
	if (EVP_MAC_final(ctx, out, &len, hashes[h].len) == 1 && len == hashes[h].len)
		err = 0;
out:
	EVP_MAC_CTX_free(ctx);
	if (err)
		secret_wipe(out, hashes[h].len);
	return err;
}

int prf_plus(enum prf_hash h, const void *key, size_t key_len, const struct prf_piece *v,
	     unsigned n, uint8_t *out, size_t out_len)
{
	size_t len = hashes[h].len, done = 0;
	struct prf_piece pieces[PLUS_PIECES + 2];
	uint8_t t[PRF_MAX], count = 0;
	int err = -EINVAL;

	if (n > PLUS_PIECES || out_len > 255 * len)
		goto out;
	pieces[0] = (struct prf_piece){t, 0};
	for (unsigned i = 0; i < n; i++)
		pieces[i + 1] = v[i];
	pieces[n + 1] = (struct prf_piece){&count, 1};
	while (done < out_len) {
		size_t take = out_len - done < len ? out_len - done : len;
		uint8_t next[PRF_MAX];

		count++;
		err = prf(h, key, key_len, pieces, n + 2, next);
		memcpy(t, next, len);
		secret_wipe(next, sizeof(next));
		if (err)
			goto out;
		memcpy(out + done, t, take);
		pieces[0].len = len;
		done += take;
	}
	err = 0;
out:
	secret_wipe(t, sizeof(t));
	if (err)
		secret_wipe(out, out_len);
	return err;
}

int digest_sha1(const struct prf_piece *v, unsigned n, uint8_t out[DIGEST_SHA1_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned len = 0;
	int err = -EIO;

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) != 1)
		goto out;
	for (unsigned i = 0; i < n; i++)
		if (v[i].len && EVP_DigestUpdate(ctx, v[i].p, v[i].len) != 1)
			goto out;
	if (EVP_DigestFinal_ex(ctx, out, &len) == 1 && len == DIGEST_SHA1_LEN)
		err = 0;
out:
	EVP_MD_CTX_free(ctx);
	return err;
}
