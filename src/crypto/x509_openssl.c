/* Certificates by OpenSSL 3. */
#include "crypto/x509.h"

#include "crypto/prf.h"
#include "crypto/sign.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OID_IPSEC_IKE "1.3.6.1.5.5.7.3.17"       /* id-kp-ipsecIKE */
#define OID_IKE_INTERMEDIATE "1.3.6.1.5.5.8.2.2" /* what came before it */
#define OID_ANY_USAGE "2.5.29.37.0"
#define OID_SERVER "1.3.6.1.5.5.7.3.1" /* what a gateway's certificate often has instead */
#define OID_CLIENT "1.3.6.1.5.5.7.3.2"

struct x509_trust {
	X509_STORE *store;
	bool crls; /* there is a list */
	int64_t crl_until;
	unsigned count;
	uint8_t hashes[X509_CA_MAX][X509_CA_HASH_LEN];
};

static X509 *cert_of(struct x509_der d)
{
	const uint8_t *p = d.p;
	X509 *x = d.len <= INT_MAX ? d2i_X509(NULL, &p, (long)d.len) : NULL;

	if (x && p != d.p + d.len) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

struct x509_trust *x509_trust_new(void)
{
	struct x509_trust *t = calloc(1, sizeof(*t));

	if (t) {
		t->store = X509_STORE_new();
		t->crl_until = INT64_MAX;
	}
	if (t && !t->store) {
		free(t);
		t = NULL;
	}
	return t;
}

void x509_trust_free(struct x509_trust *t)
{
	if (!t)
		return;
	X509_STORE_free(t->store);
	free(t);
}

/* SHA-1 of the SubjectPublicKeyInfo. */
static bool public_hash(X509 *x, uint8_t out[X509_CA_HASH_LEN])
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	const struct prf_piece piece = {der, n > 0 ? (size_t)n : 0};
	bool ok = n > 0 && digest_sha1(&piece, 1, out) == 0;

	OPENSSL_free(der);
	return ok;
}

static bool trust_one(struct x509_trust *t, X509 *x)
{
	return t->count < X509_CA_MAX && public_hash(x, t->hashes[t->count]) &&
	       X509_STORE_add_cert(t->store, x) == 1 && ++t->count;
}

int x509_trust_add(struct x509_trust *t, const void *data, size_t len)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
	int n = 0;
	X509 *x;

	while (bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		n += trust_one(t, x);
		X509_free(x);
	}
	BIO_free(bio);
	if (!n) {
		x = cert_of((struct x509_der){data, len});
		n = x && trust_one(t, x);
		X509_free(x);
	}
	return n ? n : -EINVAL;
}

static bool trust_list(struct x509_trust *t, X509_CRL *c)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(c);
	bool added = X509_STORE_add_crl(t->store, c) == 1;
	int days, seconds;

	if (added && next && epoch && ASN1_TIME_diff(&days, &seconds, epoch, next) == 1) {
		int64_t until = (int64_t)days * 86400 + seconds;

		t->crl_until = until < t->crl_until ? until : t->crl_until;
	}
	ASN1_TIME_free(epoch);
	return added;
}

int64_t x509_trust_until(const struct x509_trust *t)
{
	return t->crl_until;
}

int x509_trust_add_crl(struct x509_trust *t, const void *data, size_t len)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
	const uint8_t *p = data;
	X509_CRL *c;
	int n = 0;

	while (bio && (c = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
		n += trust_list(t, c);
		X509_CRL_free(c);
	}
	BIO_free(bio);
	if (!n && len <= INT_MAX && (c = d2i_X509_CRL(NULL, &p, (long)len))) {
		n = trust_list(t, c);
		X509_CRL_free(c);
	}
	t->crls |= n > 0;
	return n ? n : -EINVAL;
}

unsigned x509_trust_hashes(const struct x509_trust *t, uint8_t (*out)[X509_CA_HASH_LEN],
			   unsigned max)
{
	unsigned n = t->count < max ? t->count : max;

	memcpy(out, t->hashes, (size_t)n * X509_CA_HASH_LEN);
	return n;
}

static const char *const result_names[X509_RESULT_COUNT] = {
	[X509_FINE] = "fine",
	[X509_MALFORMED] = "malformed",
	[X509_NO_ISSUER] = "no chain to a trusted authority",
	[X509_NOT_YET] = "not yet valid",
	[X509_EXPIRED] = "expired",
	[X509_IS_REVOKED] = "revoked",
	[X509_CRL_EXPIRED] = "revocation list expired",
	[X509_BAD_SIGNATURE] = "bad signature",
	[X509_WRONG_USAGE] = "not for IKE by its key usage",
	[X509_REFUSED] = "refused",
};

const char *x509_result_name(enum x509_result r)
{
	return r < X509_RESULT_COUNT ? result_names[r] : "?";
}

static enum x509_result result_of(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return X509_NO_ISSUER;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return X509_NOT_YET;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return X509_EXPIRED;
	case X509_V_ERR_CERT_REVOKED:
		return X509_IS_REVOKED;
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return X509_CRL_EXPIRED;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
		return X509_BAD_SIGNATURE;
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
	case X509_V_ERR_INVALID_PURPOSE:
		return X509_WRONG_USAGE;
	default:
		return X509_REFUSED;
	}
}

/* An authority of which no list is known is not asked: lists are optional for each. */
static int on_error(int ok, X509_STORE_CTX *c)
{
	if (!ok && X509_STORE_CTX_get_error(c) == X509_V_ERR_UNABLE_TO_GET_CRL) {
		X509_STORE_CTX_set_error(c, X509_V_OK);
		return 1;
	}
	return ok;
}

/* RFC 4945 §5.1.3.2 and §5.1.3.12: key usage, if there, allows signatures; extended key usage, if
 * there, names IKE, or the purposes that gateways' certificates are commonly made out for. */
static bool usage_fits(X509 *x)
{
	static const char *const good[] = {OID_IPSEC_IKE, OID_IKE_INTERMEDIATE, OID_ANY_USAGE,
					   OID_SERVER, OID_CLIENT};
	EXTENDED_KEY_USAGE *eku;
	bool fits = false;
	int critical = 0;

	if (X509_get_extension_flags(x) & EXFLAG_KUSAGE &&
	    !(X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return false;
	eku = X509_get_ext_d2i(x, NID_ext_key_usage, &critical, NULL);
	if (!eku)
		return critical ==
		       -1; /* -1: not there; else it cannot be read, or is there twice */
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku) && !fits; i++) {
		char oid[64];

		OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(eku, i), 1);
		for (size_t j = 0; j < sizeof(good) / sizeof(good[0]); j++)
			fits |= !strcmp(oid, good[j]);
	}
	EXTENDED_KEY_USAGE_free(eku);
	return fits;
}

static enum x509_result verify(const struct x509_trust *t, X509 *leaf, STACK_OF(X509) * others,
			       int64_t now)
{
	X509_STORE_CTX *c = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *p;
	enum x509_result r = X509_REFUSED;

	if (!c || X509_STORE_CTX_init(c, t->store, leaf, others) != 1)
		goto out;
	p = X509_STORE_CTX_get0_param(c);
	X509_VERIFY_PARAM_set_time(p, (time_t)now);
	X509_VERIFY_PARAM_set_auth_level(p, 2); /* 112 bits: RSA 2048, no SHA-1 signatures */
	/* An anchor is trusted whether or not it signed itself. */
	X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
	if (t->crls)
		X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	X509_STORE_CTX_set_verify_cb(c, on_error);
	r = X509_verify_cert(c) == 1 ? X509_FINE : result_of(X509_STORE_CTX_get_error(c));
out:
	X509_STORE_CTX_free(c);
	return r;
}

enum x509_result x509_check(const struct x509_trust *t, const struct x509_der *chain, unsigned n,
			    int64_t now)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	enum x509_result r = X509_MALFORMED;
	X509 *leaf = n ? cert_of(chain[0]) : NULL;

	if (!leaf || !others || n > X509_CHAIN_MAX)
		goto out;
	for (unsigned i = 1; i < n; i++) {
		X509 *x = cert_of(chain[i]);

		if (!x || !sk_X509_push(others, x)) {
			X509_free(x);
			goto out;
		}
	}
	r = verify(t, leaf, others, now);
	if (r == X509_FINE && !usage_fits(leaf))
		r = X509_WRONG_USAGE;
out:
	sk_X509_pop_free(others, X509_free);
	X509_free(leaf);
	return r;
}

size_t x509_public(struct x509_der cert, uint8_t *out, size_t size)
{
	X509 *x = cert_of(cert);
	int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), NULL) : 0;
	size_t len = n > 0 && (size_t)n <= size ? (size_t)n : 0;

	if (len)
		i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &out);
	X509_free(x);
	return len;
}

size_t x509_subject(struct x509_der cert, uint8_t *out, size_t size)
{
	X509 *x = cert_of(cert);
	int n = x ? i2d_X509_NAME(X509_get_subject_name(x), NULL) : 0;
	size_t len = n > 0 && (size_t)n <= size ? (size_t)n : 0;

	if (len)
		i2d_X509_NAME(X509_get_subject_name(x), &out);
	X509_free(x);
	return len;
}

size_t x509_load(const void *data, size_t len, uint8_t *out, size_t size)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	size_t done = 0;
	int n;

	if (!x)
		x = cert_of((struct x509_der){data, len});
	n = x ? i2d_X509(x, NULL) : 0;
	if (n > 0 && (size_t)n <= size) {
		i2d_X509(x, &out);
		done = (size_t)n;
	}
	X509_free(x);
	BIO_free(bio);
	return done;
}

static size_t put_der(X509 *x, uint8_t *out, size_t size)
{
	int n = i2d_X509(x, NULL);

	return n > 0 && (size_t)n <= size && i2d_X509(x, &out) == n ? (size_t)n : 0;
}

unsigned x509_load_all(const void *data, size_t len, uint8_t *out, size_t size, struct x509_der *v,
		       unsigned max)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
	bool fits = true;
	unsigned count = 0;
	X509 *x;

	while (bio && fits && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		size_t n = count < max ? put_der(x, out, size) : 0;

		fits = n;
		if (fits)
			v[count++] = (struct x509_der){out, n};
		out += n;
		size -= n;
		X509_free(x);
	}
	BIO_free(bio);
	if (!count && fits && max) {
		v[0] = (struct x509_der){out, x509_load(data, len, out, size)};
		count = v[0].len != 0;
	}
	return fits ? count : 0;
}

/* Without what could steer a terminal: it is escaped. */
static const char *name_text(const X509_NAME *name, char *buf, size_t size)
{
	BIO *bio = name ? BIO_new(BIO_s_mem()) : NULL;
	int n = 0;

	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(bio, buf, (int)size - 1);
	buf[n > 0 ? n : 0] = 0;
	BIO_free(bio);
	return buf;
}

const char *x509_text(struct x509_der cert, char *buf, size_t size)
{
	X509 *x = cert_of(cert);

	name_text(x ? X509_get_subject_name(x) : NULL, buf, size);
	X509_free(x);
	return buf;
}

static X509_NAME *dn_of(struct x509_der d)
{
	const uint8_t *p = d.p;
	X509_NAME *n = d.len <= INT_MAX ? d2i_X509_NAME(NULL, &p, (long)d.len) : NULL;

	if (n && p != d.p + d.len) {
		X509_NAME_free(n);
		n = NULL;
	}
	return n;
}

const char *x509_dn_text(struct x509_der dn, char *buf, size_t size)
{
	X509_NAME *n = dn_of(dn);

	name_text(n, buf, size);
	X509_NAME_free(n);
	return buf;
}

bool x509_dn_equal(struct x509_der a, struct x509_der b)
{
	X509_NAME *x = dn_of(a), *y = dn_of(b);
	bool equal = x && y && X509_NAME_cmp(x, y) == 0;

	X509_NAME_free(x);
	X509_NAME_free(y);
	return equal;
}

/* One alternative name against the one that is looked for. */
static bool alt_is(const GENERAL_NAME *g, enum x509_name type, const void *name, size_t len)
{
	static const struct {
		enum x509_name type;
		int gen;
	} kinds[] = {{X509_IPV4, GEN_IPADD},
		     {X509_IPV6, GEN_IPADD},
		     {X509_DNS, GEN_DNS},
		     {X509_EMAIL, GEN_EMAIL}};
	const ASN1_STRING *s = NULL;
	const uint8_t *b;
	size_t n;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type && kinds[i].gen == g->type)
			s = g->type == GEN_IPADD ? g->d.iPAddress : g->d.ia5;
	if (!s)
		return false;
	b = ASN1_STRING_get0_data(s);
	n = (size_t)ASN1_STRING_length(s);
	if (n != len)
		return false;
	if (g->type == GEN_IPADD)
		return !memcmp(b, name, n);
	return !memchr(b, 0, n) && !strncasecmp((const char *)b, name, n);
}

bool x509_names(struct x509_der cert, enum x509_name type, const void *name, size_t len)
{
	X509 *x = cert_of(cert);
	GENERAL_NAMES *alt;
	bool found = false;

	if (x && type == X509_DN) {
		X509_NAME *n = dn_of((struct x509_der){name, len});

		found = n && X509_NAME_cmp(n, X509_get_subject_name(x)) == 0;
		X509_NAME_free(n);
	} else if (x && len) {
		alt = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
		for (int i = 0; i < sk_GENERAL_NAME_num(alt) && !found; i++)
			found = alt_is(sk_GENERAL_NAME_value(alt, i), type, name, len);
		GENERAL_NAMES_free(alt);
	}
	X509_free(x);
	return found;
}
