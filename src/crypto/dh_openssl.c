/*
 * Diffie-Hellman by OpenSSL 3. Private values come from the caller's source of randomness, not
 * from the library's, so that whoever drives an engine drives all of it.
 */
#include "crypto/dh.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <string.h>

static const struct group {
	uint16_t public_len, shared_len;
	uint8_t private_len;
	uint8_t top_mask;             /* of a private value's first byte */
	int curve;                    /* ECP: the library's number */
	BIGNUM *(*prime)(BIGNUM *bn); /* MODP */
} groups[DH_GROUP_COUNT] = {
	[DH_X25519] = {32, 32, 32, 0xff, 0, NULL},
	[DH_ECP_256] = {64, 32, 32, 0xff, NID_X9_62_prime256v1, NULL},
	[DH_ECP_384] = {96, 48, 48, 0xff, NID_secp384r1, NULL},
	[DH_ECP_521] = {132, 66, 66, 0x01, NID_secp521r1, NULL},
	/* Exponents of twice the strength and more (RFC 3526 §8). */
	[DH_MODP_2048] = {256, 256, 40, 0xff, 0, BN_get_rfc3526_prime_2048},
	[DH_MODP_3072] = {384, 384, 52, 0xff, 0, BN_get_rfc3526_prime_3072},
	[DH_MODP_4096] = {512, 512, 60, 0xff, 0, BN_get_rfc3526_prime_4096},
};

size_t dh_public_len(enum dh_group g)
{
	return groups[g].public_len;
}

size_t dh_shared_len(enum dh_group g)
{
	return groups[g].shared_len;
}

/* A secret number: operations on it take a time that does not depend on it. */
static BIGNUM *secret_number(const struct dh_key *k)
{
	BIGNUM *x = BN_secure_new();

	if (x && !BN_bin2bn(k->b, k->len, x)) {
		BN_clear_free(x);
		return NULL;
	}
	if (x)
		BN_set_flags(x, BN_FLG_CONSTTIME);
	return x;
}

static int x25519(const struct dh_key *k, const uint8_t *theirs, uint8_t *out)
{
	EVP_PKEY *mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, k->b, k->len);
	EVP_PKEY *other = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	size_t n = 32;
	int err = -EIO;

	if (!mine)
		goto out;
	if (!theirs) {
		err = EVP_PKEY_get_raw_public_key(mine, out, &n) == 1 && n == 32 ? 0 : -EIO;
		goto out;
	}
	other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, theirs, 32);
	ctx = EVP_PKEY_CTX_new(mine, NULL);
	if (!other || !ctx || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, other) != 1)
		goto out;
	/* Fails when the secret is all zero: the other's value is of small order. */
	err = EVP_PKEY_derive(ctx, out, &n) == 1 && n == 32 ? 0 : -EBADMSG;
out:
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	EVP_PKEY_free(mine);
	return err;
}

/* The point of x and y, each n bytes, if it is one of the curve. */
static EC_POINT *point_read(const EC_GROUP *curve, const uint8_t *xy, size_t n, BN_CTX *bn)
{
	BIGNUM *x = BN_bin2bn(xy, (int)n, NULL), *y = BN_bin2bn(xy + n, (int)n, NULL);
	EC_POINT *p = EC_POINT_new(curve);

	/* Setting a point that is not on the curve fails. The curves have no others: cofactor 1. */
	if (!x || !y || !p || EC_POINT_set_affine_coordinates(curve, p, x, y, bn) != 1) {
		EC_POINT_free(p);
		p = NULL;
	}
	BN_free(x);
	BN_free(y);
	return p;
}

static int ecp(const struct dh_key *k, const uint8_t *theirs, uint8_t *out)
{
	const struct group *g = &groups[k->group];
	size_t n = g->shared_len;
	EC_GROUP *curve = EC_GROUP_new_by_curve_name(g->curve);
	BN_CTX *bn = BN_CTX_secure_new();
	BIGNUM *d = secret_number(k), *x = BN_secure_new(), *y = BN_secure_new();
	EC_POINT *other = NULL, *p = curve ? EC_POINT_new(curve) : NULL;
	int err = -EIO;

	if (!curve || !bn || !d || !x || !y || !p)
		goto out;
	if (theirs) {
		other = point_read(curve, theirs, n, bn);
		err = -EBADMSG;
		if (!other)
			goto out;
		err = -EIO;
	}
	if (EC_POINT_mul(curve, p, theirs ? NULL : d, other, theirs ? d : NULL, bn) != 1 ||
	    EC_POINT_is_at_infinity(curve, p) ||
	    EC_POINT_get_affine_coordinates(curve, p, x, y, bn) != 1 ||
	    BN_bn2binpad(x, out, (int)n) < 0 || (!theirs && BN_bn2binpad(y, out + n, (int)n) < 0))
		goto out;
	err = 0;
out:
	EC_POINT_clear_free(p);
	EC_POINT_free(other);
	BN_clear_free(y);
	BN_clear_free(x);
	BN_clear_free(d);
	BN_CTX_free(bn);
	EC_GROUP_free(curve);
	return err;
}

static int modp(const struct dh_key *k, const uint8_t *theirs, uint8_t *out)
{
	const struct group *g = &groups[k->group];
	BN_CTX *bn = BN_CTX_secure_new();
	BIGNUM *p = g->prime(NULL), *e = secret_number(k), *z = BN_secure_new();
	BIGNUM *base = theirs ? BN_bin2bn(theirs, g->public_len, NULL) : BN_new(), *top = BN_new();
	int err = -EIO;

	if (!bn || !p || !e || !z || !base || !top || (!theirs && !BN_set_word(base, 2)) ||
	    !BN_sub(top, p, BN_value_one()))
		goto out;
	err = -EBADMSG; /* 0, 1, p-1 and what is above */
	if (BN_is_zero(base) || BN_is_one(base) || BN_cmp(base, top) >= 0)
		goto out;
	err = BN_mod_exp_mont_consttime(z, base, e, p, bn, NULL) == 1 &&
			      BN_bn2binpad(z, out, g->public_len) >= 0
		      ? 0
		      : -EIO;
out:
	BN_free(top);
	BN_free(base);
	BN_clear_free(z);
	BN_clear_free(e);
	BN_free(p);
	BN_CTX_free(bn);
	return err;
}

static int run(const struct dh_key *k, const uint8_t *theirs, uint8_t *out)
{
	const struct group *g = &groups[k->group];

	if (k->group >= DH_GROUP_COUNT || k->len != g->private_len)
		return -EINVAL;
	if (g->curve)
		return ecp(k, theirs, out);
	return g->prime ? modp(k, theirs, out) : x25519(k, theirs, out);
}

/* A curve's private value is from 1 to its order less 1. */
static int in_range(const struct dh_key *k)
{
	EC_GROUP *curve = EC_GROUP_new_by_curve_name(groups[k->group].curve);
	BIGNUM *d = secret_number(k);
	int in = -1;

	if (curve && d)
		in = !BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(curve)) < 0;
	BN_clear_free(d);
	EC_GROUP_free(curve);
	return in;
}

int dh_make(struct dh_key *k, enum dh_group g, void (*random)(void *ctx, void *buf, size_t n),
	    void *ctx)
{
	int in = 0;

	*k = (struct dh_key){.group = (uint8_t)g, .len = groups[g].private_len};
	for (unsigned tries = 0; !in && tries < 64; tries++) {
		random(ctx, k->b, k->len);
		k->b[0] &= groups[g].top_mask;
		in = groups[g].curve ? in_range(k) : 1;
	}
	if (in == 1)
		return 0;
	secret_wipe(k, sizeof(*k));
	return -EIO;
}

int dh_public(const struct dh_key *k, uint8_t *out)
{
	return run(k, NULL, out);
}

int dh_shared(const struct dh_key *k, const uint8_t *theirs, size_t len, uint8_t *out)
{
	int err = k->group < DH_GROUP_COUNT && len == groups[k->group].public_len
			  ? run(k, theirs, out)
			  : -EBADMSG;

	if (err && k->group < DH_GROUP_COUNT)
		secret_wipe(out, groups[k->group].shared_len);
	return err;
}
