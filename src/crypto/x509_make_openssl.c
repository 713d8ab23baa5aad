/* Making keys, certificates and revocation lists by OpenSSL 3. */
#include "crypto/x509_make.h"

#include "crypto/key_openssl.h"

#include "base/secret.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

struct sign_key *x509_key_new(enum x509_key kind)
{
	EVP_PKEY *p = NULL;
	struct sign_key *k;

	switch (kind) {
	case X509_KEY_ED25519:
		p = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case X509_KEY_ECDSA_256:
		p = EVP_EC_gen("P-256");
		break;
	case X509_KEY_ECDSA_384:
		p = EVP_EC_gen("P-384");
		break;
	case X509_KEY_ECDSA_521:
		p = EVP_EC_gen("P-521");
		break;
	case X509_KEY_RSA_3072:
		p = EVP_RSA_gen(3072);
		break;
	case X509_KEY_RSA_2048:
		p = EVP_RSA_gen(2048);
		break;
	default:
		break;
	}
	k = p ? sign_key_wrap(p) : NULL;
	if (!k)
		EVP_PKEY_free(p);
	return k;
}

/* What a memory BIO holds, into out with a NUL behind it; the BIO's own copy is wiped. */
static size_t bio_take(BIO *bio, char *out, size_t size)
{
	char *text = NULL;
	long n = BIO_get_mem_data(bio, &text);
	size_t len = n > 0 && (size_t)n < size ? (size_t)n : 0;

	if (len) {
		memcpy(out, text, len);
		out[len] = 0;
	}
	if (n > 0)
		secret_wipe(text, (size_t)n);
	return len;
}

size_t x509_key_pem(const struct sign_key *k, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	size_t n = 0;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, sign_key_pkey(k), NULL, NULL, 0, NULL, NULL))
		n = bio_take(bio, out, size);
	BIO_free(bio);
	return n;
}

size_t x509_pem(const char *label, struct x509_der d, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	size_t n = 0;

	if (bio && d.len <= INT_MAX && PEM_write_bio(bio, label, "", d.p, (long)d.len) > 0)
		n = bio_take(bio, out, size);
	BIO_free(bio);
	return n;
}

static X509 *cert_of(struct x509_der d)
{
	const uint8_t *p = d.p;

	return d.len <= INT_MAX ? d2i_X509(NULL, &p, (long)d.len) : NULL;
}

static bool add_text(X509_NAME *n, const char *field, const char *text)
{
	return !text || X509_NAME_add_entry_by_txt(n, field, MBSTRING_UTF8, (const uint8_t *)text,
						   -1, -1, 0) == 1;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX c;
	bool ok;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&c);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* One alternative name; the stack takes it. */
static bool push_name(GENERAL_NAMES *all, enum x509_name type, const void *p, size_t len)
{
	bool address = type == X509_IPV4 || type == X509_IPV6;
	ASN1_STRING *s = address ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	GENERAL_NAME *g = GENERAL_NAME_new();

	if (s && g && len <= INT_MAX && ASN1_STRING_set(s, p, (int)len) == 1) {
		GENERAL_NAME_set0_value(g,
					address            ? GEN_IPADD
					: type == X509_DNS ? GEN_DNS
							   : GEN_EMAIL,
					s);
		s = NULL;
		if (sk_GENERAL_NAME_push(all, g))
			return true;
	}
	ASN1_STRING_free(s);
	GENERAL_NAME_free(g);
	return false;
}

static bool add_names(X509 *x, const struct x509_make *m)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	bool ok = all != NULL;

	for (unsigned i = 0; ok && i < m->name_count; i++)
		ok = push_name(all, m->names[i].type, m->names[i].p, m->names[i].len);
	ok = ok && (!m->name_count ||
		    X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1);
	GENERAL_NAMES_free(all);
	return ok;
}

static bool add_usage(X509 *x, X509 *issuer, enum x509_usage usage)
{
	static const struct {
		const char *basic, *key, *extended;
	} rows[] = {
		[X509_FOR_IKE] = {"critical,CA:FALSE", "critical,digitalSignature",
				  "1.3.6.1.5.5.7.3.17"},
		[X509_FOR_CA] = {"critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL},
		[X509_FOR_CODE] = {"critical,CA:FALSE", "critical,digitalSignature", "codeSigning"},
		[X509_FOR_ENCRYPTION] = {"critical,CA:FALSE", "critical,keyEncipherment", NULL},
	};

	return add_extension(x, issuer, NID_basic_constraints, rows[usage].basic) &&
	       add_extension(x, issuer, NID_key_usage, rows[usage].key) &&
	       (!rows[usage].extended ||
		add_extension(x, issuer, NID_ext_key_usage, rows[usage].extended)) &&
	       add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
	       add_extension(x, issuer, NID_authority_key_identifier, "keyid");
}

/* The digest a key signs with: none for Ed25519, the curve's for ECDSA. */
static const EVP_MD *digest_of(const EVP_PKEY *k)
{
	if (EVP_PKEY_is_a(k, "ED25519"))
		return NULL;
	if (EVP_PKEY_is_a(k, "EC") && EVP_PKEY_get_bits(k) > 384)
		return EVP_sha512();
	if (EVP_PKEY_is_a(k, "EC") && EVP_PKEY_get_bits(k) > 256)
		return EVP_sha384();
	return EVP_sha256();
}

static bool set_serial(ASN1_INTEGER *to, const uint8_t serial[X509_SERIAL_LEN])
{
	BIGNUM *bn = BN_bin2bn(serial, X509_SERIAL_LEN, NULL);
	bool ok = bn && BN_to_ASN1_INTEGER(bn, to);

	BN_free(bn);
	return ok;
}

static bool fill(X509 *x, const struct x509_make *m, X509 *issuer, EVP_PKEY *subject)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) == 1 &&
	       set_serial(X509_get_serialNumber(x), m->serial) &&
	       add_text(name, "O", m->organization) && add_text(name, "CN", m->common_name) &&
	       X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
	       ASN1_TIME_set(X509_getm_notBefore(x), (time_t)m->from) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)m->until) &&
	       X509_set_pubkey(x, subject) == 1 && add_usage(x, issuer, m->usage) &&
	       add_names(x, m);
}

size_t x509_make_cert(const struct x509_make *m, const uint8_t *spki, size_t spki_len,
		      const struct x509_der *issuer, const struct sign_key *by, uint8_t *out,
		      size_t size)
{
	EVP_PKEY *subject = spki_len <= INT_MAX ? d2i_PUBKEY(NULL, &spki, (long)spki_len) : NULL;
	X509 *x = X509_new(), *from = issuer ? cert_of(*issuer) : NULL;
	size_t done = 0;
	int n;

	if (!subject || !x || (issuer && !from) || !fill(x, m, from ? from : x, subject) ||
	    X509_sign(x, sign_key_pkey(by), digest_of(sign_key_pkey(by))) <= 0)
		goto out;
	n = i2d_X509(x, NULL);
	if (n > 0 && (size_t)n <= size && i2d_X509(x, &out) == n)
		done = (size_t)n;
out:
	X509_free(from);
	X509_free(x);
	EVP_PKEY_free(subject);
	return done;
}

static bool revoke(X509_CRL *c, const uint8_t serial[X509_SERIAL_LEN], int64_t when)
{
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)when);
	bool ok = r && number && at && set_serial(number, serial) &&
		  X509_REVOKED_set_serialNumber(r, number) == 1 &&
		  X509_REVOKED_set_revocationDate(r, at) == 1 && X509_CRL_add0_revoked(c, r) == 1;

	if (!ok)
		X509_REVOKED_free(r);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(at);
	return ok;
}

static bool crl_fill(X509_CRL *c, X509 *issuer, uint64_t number, int64_t from, int64_t until)
{
	ASN1_TIME *last = ASN1_TIME_set(NULL, (time_t)from),
		  *next = ASN1_TIME_set(NULL, (time_t)until);
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	bool ok = last && next && n && X509_CRL_set_version(c, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(c, X509_get_subject_name(issuer)) == 1 &&
		  X509_CRL_set1_lastUpdate(c, last) == 1 &&
		  X509_CRL_set1_nextUpdate(c, next) == 1 &&
		  ASN1_INTEGER_set_uint64(n, number) == 1 &&
		  X509_CRL_add1_ext_i2d(c, NID_crl_number, n, 0, 0) == 1;

	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
	ASN1_INTEGER_free(n);
	return ok;
}

size_t x509_make_crl(struct x509_der issuer, const struct sign_key *by,
		     const uint8_t (*serials)[X509_SERIAL_LEN], unsigned n, uint64_t number,
		     int64_t from, int64_t until, uint8_t *out, size_t size)
{
	X509 *x = cert_of(issuer);
	X509_CRL *c = X509_CRL_new();
	size_t done = 0;
	bool ok = x && c && crl_fill(c, x, number, from, until);
	int len;

	for (unsigned i = 0; ok && i < n; i++)
		ok = revoke(c, serials[i], from);
	if (ok && X509_CRL_sort(c) == 1 &&
	    X509_CRL_sign(c, sign_key_pkey(by), digest_of(sign_key_pkey(by))) > 0) {
		len = i2d_X509_CRL(c, NULL);
		if (len > 0 && (size_t)len <= size && i2d_X509_CRL(c, &out) == len)
			done = (size_t)len;
	}
	X509_CRL_free(c);
	X509_free(x);
	return done;
}

int64_t x509_until(struct x509_der cert)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	X509 *x = cert_of(cert);
	int days, seconds;
	int64_t until = -1;

	if (x && epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(x)) == 1)
		until = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(epoch);
	X509_free(x);
	return until;
}

bool x509_serial(struct x509_der cert, uint8_t out[X509_SERIAL_LEN])
{
	X509 *x = cert_of(cert);
	BIGNUM *bn = x ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL) : NULL;
	bool ok = bn && BN_bn2binpad(bn, out, X509_SERIAL_LEN) == X509_SERIAL_LEN;

	BN_free(bn);
	X509_free(x);
	return ok;
}
