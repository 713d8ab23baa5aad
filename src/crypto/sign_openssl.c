/* Signatures by OpenSSL 3. */
#include "crypto/sign.h"

#include "crypto/key_openssl.h"

#include <errno.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum kind { RSA_PSS, RSA_PKCS1, ECDSA, EDDSA };

#define OID_SHA(n) 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, n, 5, 0
/* RSASSA-PSS-params (RFC 4055 §3.1) with one hash for message and mask, salt as long as it. */
#define PSS(n, salt)                                                                               \
	{                                                                                          \
		0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,      \
			0x30, 0x34, 0xa0, 0x0f, OID_SHA(n), 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09,    \
			0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, OID_SHA(n), 0xa2,    \
			0x03, 0x02, 0x01, salt                                                     \
	}
#define PKCS1(n)                                                                                   \
	{                                                                                          \
		0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n, 5, 0    \
	}
#define EC(n)                                                                                      \
	{                                                                                          \
		0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n                \
	}

static const struct scheme {
	const char *name;
	enum kind kind;
	uint16_t hash;             /* RFC 7427 */
	const EVP_MD *(*md)(void); /* NULL: the message itself is signed */
	int curve;                 /* ECDSA: the one that goes with the hash */
	uint8_t len;
	uint8_t der[SIGN_ALGORITHM_MAX];
} schemes[SIGN_SCHEME_COUNT] = {
	[SIGN_ED25519] = {"ed25519", EDDSA, 5, NULL, 0, 7, {0x30, 5, 6, 3, 0x2b, 0x65, 0x70}},
	[SIGN_ECDSA_SHA2_256] = {"ecdsa-sha2-256", ECDSA, 2, EVP_sha256, NID_X9_62_prime256v1, 12,
				 EC(2)},
	[SIGN_ECDSA_SHA2_384] = {"ecdsa-sha2-384", ECDSA, 3, EVP_sha384, NID_secp384r1, 12, EC(3)},
	[SIGN_ECDSA_SHA2_512] = {"ecdsa-sha2-512", ECDSA, 4, EVP_sha512, NID_secp521r1, 12, EC(4)},
	[SIGN_RSA_PSS_SHA2_256] = {"rsa-pss-sha2-256", RSA_PSS, 2, EVP_sha256, 0, 67, PSS(1, 32)},
	[SIGN_RSA_PSS_SHA2_384] = {"rsa-pss-sha2-384", RSA_PSS, 3, EVP_sha384, 0, 67, PSS(2, 48)},
	[SIGN_RSA_PSS_SHA2_512] = {"rsa-pss-sha2-512", RSA_PSS, 4, EVP_sha512, 0, 67, PSS(3, 64)},
	[SIGN_RSA_PKCS1_SHA2_256] = {"rsa-pkcs1-sha2-256", RSA_PKCS1, 2, EVP_sha256, 0, 15,
				     PKCS1(11)},
	[SIGN_RSA_PKCS1_SHA2_384] = {"rsa-pkcs1-sha2-384", RSA_PKCS1, 3, EVP_sha384, 0, 15,
				     PKCS1(12)},
	[SIGN_RSA_PKCS1_SHA2_512] = {"rsa-pkcs1-sha2-512", RSA_PKCS1, 4, EVP_sha512, 0, 15,
				     PKCS1(13)},
	[SIGN_RSA_PKCS1_SHA1] = {"rsa-pkcs1-sha1", RSA_PKCS1, 1, EVP_sha1, 0, 0, {0}},
};

struct sign_key {
	EVP_PKEY *pkey;
};

const char *sign_scheme_name(enum sign_scheme s)
{
	return s < SIGN_SCHEME_COUNT ? schemes[s].name : "?";
}

uint16_t sign_scheme_hash(enum sign_scheme s)
{
	return schemes[s].hash;
}

const uint8_t *sign_algorithm(enum sign_scheme s, size_t *len)
{
	*len = schemes[s].len;
	return schemes[s].der;
}

/* The hash of RSASSA-PSS parameters when message and mask use the same SHA-2, or NULL. */
static const EVP_MD *pss_hash(const X509_ALGOR *a)
{
	RSA_PSS_PARAMS *p = NULL;
	const EVP_MD *md = NULL;
	const ASN1_OBJECT *mgf, *hash, *mask_hash;
	X509_ALGOR *mask = NULL;
	const void *value;
	int type;

	X509_ALGOR_get0(NULL, &type, &value, a);
	if (type == V_ASN1_SEQUENCE)
		p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), a->parameter);
	if (!p || !p->hashAlgorithm || !p->maskGenAlgorithm)
		goto out;
	X509_ALGOR_get0(&hash, NULL, NULL, p->hashAlgorithm);
	X509_ALGOR_get0(&mgf, &type, &value, p->maskGenAlgorithm);
	if (OBJ_obj2nid(mgf) != NID_mgf1 || type != V_ASN1_SEQUENCE)
		goto out;
	mask = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
					 p->maskGenAlgorithm->parameter);
	if (!mask)
		goto out;
	X509_ALGOR_get0(&mask_hash, NULL, NULL, mask);
	if (OBJ_cmp(hash, mask_hash) == 0)
		md = EVP_get_digestbyobj(hash);
out:
	X509_ALGOR_free(mask);
	RSA_PSS_PARAMS_free(p);
	return md;
}

int sign_scheme_of(const uint8_t *der, size_t len)
{
	const uint8_t *p = der;
	const ASN1_OBJECT *oid;
	X509_ALGOR *a;
	int found = -1;

	for (int s = 0; s < SIGN_SCHEME_COUNT; s++)
		if (len && schemes[s].len == len && !memcmp(schemes[s].der, der, len))
			return s;
	if (len > 256)
		return -1;
	a = d2i_X509_ALGOR(NULL, &p, (long)len);
	if (a && p == der + len) {
		const EVP_MD *md;
		int mine;

		X509_ALGOR_get0(&oid, NULL, NULL, a);
		md = OBJ_obj2nid(oid) == NID_rsassaPss ? pss_hash(a) : NULL;
		mine = md ? EVP_MD_get_type(md) : NID_undef;
		for (int s = 0; md && s < SIGN_SCHEME_COUNT; s++)
			if (schemes[s].kind == RSA_PSS && EVP_MD_get_type(schemes[s].md()) == mine)
				found = s;
	}
	X509_ALGOR_free(a);
	return found;
}

/* Whether a key may make signatures of a scheme, or check them: ECDSA then with any hash. */
static bool fits(const EVP_PKEY *k, enum sign_scheme s, bool make)
{
	char curve[64];
	int nid;
	size_t n;

	switch (schemes[s].kind) {
	case EDDSA:
		return EVP_PKEY_is_a(k, "ED25519");
	case ECDSA:
		if (!EVP_PKEY_is_a(k, "EC") ||
		    EVP_PKEY_get_group_name(k, curve, sizeof(curve), &n) != 1)
			return false;
		nid = OBJ_sn2nid(curve);
		return make ? nid == schemes[s].curve
			    : nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 ||
				       nid == NID_secp521r1;
	case RSA_PKCS1:
		return EVP_PKEY_is_a(k, "RSA") && EVP_PKEY_get_bits(k) >= SIGN_RSA_BITS_MIN;
	case RSA_PSS:
		return (EVP_PKEY_is_a(k, "RSA") || EVP_PKEY_is_a(k, "RSA-PSS")) &&
		       EVP_PKEY_get_bits(k) >= SIGN_RSA_BITS_MIN;
	}
	return false;
}

static int no_password(char *buf, int size, int rwflag, void *u)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)u;
	return -1;
}

struct sign_key *sign_key_load(const void *data, size_t len)
{
	const uint8_t *p = data;
	struct sign_key *k = calloc(1, sizeof(*k));
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;

	if (k && bio) {
		k->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
		if (!k->pkey)
			k->pkey = d2i_AutoPrivateKey(NULL, &p, (long)len);
	}
	BIO_free(bio);
	if (k && (!k->pkey || !sign_key_schemes(k))) {
		sign_key_free(k);
		k = NULL;
	}
	return k;
}

struct sign_key *sign_key_wrap(EVP_PKEY *pkey)
{
	struct sign_key *k = calloc(1, sizeof(*k));

	if (k)
		k->pkey = pkey;
	return k;
}

EVP_PKEY *sign_key_pkey(const struct sign_key *k)
{
	return k->pkey;
}

void sign_key_free(struct sign_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey); /* cleanses the private part */
	free(k);
}

uint32_t sign_key_schemes(const struct sign_key *k)
{
	uint32_t all = 0;

	for (unsigned s = 0; s < SIGN_SCHEME_COUNT; s++)
		if (fits(k->pkey, s, true))
			all |= 1u << s;
	return all;
}

size_t sign_key_public(const struct sign_key *k, uint8_t *out, size_t size)
{
	int n = i2d_PUBKEY(k->pkey, NULL);

	if (n <= 0 || (size_t)n > size)
		return 0;
	return i2d_PUBKEY(k->pkey, &out) == n ? (size_t)n : 0;
}

/* Padding and salt: as long as the hash when we make it; when we check it, as long as it is. */
static bool set_padding(EVP_PKEY_CTX *c, enum sign_scheme s, const EVP_MD *md, bool make)
{
	if (schemes[s].kind == RSA_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1;
	if (schemes[s].kind != RSA_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(c, md) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, make ? RSA_PSS_SALTLEN_DIGEST
							: RSA_PSS_SALTLEN_AUTO) == 1;
}

int sign_make(const struct sign_key *k, enum sign_scheme s, const void *data, size_t len,
	      uint8_t *out, size_t *out_len)
{
	const EVP_MD *md = schemes[s].md ? schemes[s].md() : NULL;
	EVP_PKEY_CTX *pc = NULL;
	EVP_MD_CTX *c;
	int err = -EIO;

	if (!fits(k->pkey, s, true))
		return -EINVAL;
	c = EVP_MD_CTX_new();
	if (c && EVP_DigestSignInit(c, &pc, md, NULL, k->pkey) == 1 &&
	    set_padding(pc, s, md, true) && EVP_DigestSign(c, out, out_len, data, len) == 1)
		err = 0;
	EVP_MD_CTX_free(c);
	return err;
}

int sign_check(const uint8_t *spki, size_t spki_len, enum sign_scheme s, const void *data,
	       size_t len, const uint8_t *sig, size_t sig_len)
{
	const EVP_MD *md = schemes[s].md ? schemes[s].md() : NULL;
	EVP_PKEY *pkey = spki_len <= INT_MAX ? d2i_PUBKEY(NULL, &spki, (long)spki_len) : NULL;
	EVP_PKEY_CTX *pc = NULL;
	EVP_MD_CTX *c = NULL;
	int err = -EKEYREJECTED;

	if (!pkey || !fits(pkey, s, false))
		goto out;
	c = EVP_MD_CTX_new();
	err = c && EVP_DigestVerifyInit(c, &pc, md, NULL, pkey) == 1 &&
			      set_padding(pc, s, md, false) &&
			      EVP_DigestVerify(c, sig, sig_len, data, len) == 1
		      ? 0
		      : -EBADMSG;
out:
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(pkey);
	return err;
}

/* Bytes of r, and of s. */
static int half_len(enum sign_scheme s)
{
	return schemes[s].kind != ECDSA ? 0 : s == SIGN_ECDSA_SHA2_512 ? 66 : schemes[s].hash * 16;
}

size_t sign_ecdsa_plain(enum sign_scheme s, const uint8_t *der, size_t len, uint8_t *out,
			size_t size)
{
	const uint8_t *p = der;
	int half = half_len(s);
	ECDSA_SIG *sig = half && len <= SIGN_MAX ? d2i_ECDSA_SIG(NULL, &p, (long)len) : NULL;
	size_t n = 0;

	if (sig && p == der + len && size >= 2u * (unsigned)half &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, half) == half &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, half) == half)
		n = 2u * (unsigned)half;
	ECDSA_SIG_free(sig);
	return n;
}

size_t sign_ecdsa_der(enum sign_scheme s, const uint8_t *plain, size_t len, uint8_t *out,
		      size_t size)
{
	int half = half_len(s), n = 0;
	ECDSA_SIG *sig = half && len == 2u * (unsigned)half ? ECDSA_SIG_new() : NULL;
	BIGNUM *a = sig ? BN_bin2bn(plain, half, NULL) : NULL;
	BIGNUM *b = sig ? BN_bin2bn(plain + half, half, NULL) : NULL;

	if (a && b && ECDSA_SIG_set0(sig, a, b) == 1) {
		a = b = NULL; /* sig's now */
		n = i2d_ECDSA_SIG(sig, NULL);
		n = n > 0 && (size_t)n <= size ? i2d_ECDSA_SIG(sig, &out) : 0;
	}
	BN_free(a);
	BN_free(b);
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}
