/* Signatures, and certificates good and bad: each reason for refusing one, by its name. */
#include "crypto/x509_make.h"

#include "base/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1800000000ll
#define DAY 86400

struct cert {
	struct sign_key *key;
	uint8_t spki[1024], der[4096], serial[X509_SERIAL_LEN];
	size_t spki_len;
	struct x509_der d;
};

/* A certificate for a new key of that kind, by itself or by another. */
static struct cert *cert_new(enum x509_key kind, const struct x509_make *m, const struct cert *by)
{
	static struct cert all[32];
	static unsigned next;
	struct cert *c = &all[next++ % 32];
	struct x509_make mine = *m;

	sign_key_free(c->key);
	c->key = x509_key_new(kind);
	assert_non_null(c->key);
	c->spki_len = sign_key_public(c->key, c->spki, sizeof(c->spki));
	assert_true(c->spki_len > 0);
	mine.serial[0] = 0x11;
	mine.serial[15] = (uint8_t)next;
	memcpy(c->serial, mine.serial, sizeof(c->serial));
	c->d.p = c->der;
	c->d.len = x509_make_cert(&mine, c->spki, c->spki_len, by ? &by->d : NULL,
				  by ? by->key : c->key, c->der, sizeof(c->der));
	assert_true(c->d.len > 0);
	return c;
}

static const struct x509_make authority = {.common_name = "Acme CA",
					   .usage = X509_FOR_CA,
					   .from = NOW - DAY,
					   .until = NOW + 365 * DAY};
static const struct x509_make node = {
	.common_name = "fra1",
	.organization = "Acme",
	.names = {{X509_DNS, "fra1", 4},
		  {X509_IPV4, "\xc0\x00\x02\x01", 4},
		  {X509_EMAIL, "ops@acme.example", 16}},
	.name_count = 3,
	.usage = X509_FOR_IKE,
	.from = NOW - DAY,
	.until = NOW + 30 * DAY,
};

static bool is_ecdsa(enum x509_key k)
{
	return k == X509_KEY_ECDSA_256 || k == X509_KEY_ECDSA_384 || k == X509_KEY_ECDSA_521;
}

static void each_scheme_signs_and_no_other_key_does(void **state)
{
	static const enum x509_key kinds[SIGN_SCHEME_COUNT] = {
		X509_KEY_ED25519,  X509_KEY_ECDSA_256, X509_KEY_ECDSA_384, X509_KEY_ECDSA_521,
		X509_KEY_RSA_2048, X509_KEY_RSA_2048,  X509_KEY_RSA_2048,  X509_KEY_RSA_2048,
		X509_KEY_RSA_2048, X509_KEY_RSA_2048,  X509_KEY_RSA_2048};
	struct cert *c[X509_KEY_COUNT] = {0};

	(void)state;
	for (unsigned s = 0; s < SIGN_SCHEME_COUNT; s++) {
		enum x509_key kind = kinds[s];
		uint8_t sig[SIGN_MAX];
		size_t n = sizeof(sig), len;
		const uint8_t *der = sign_algorithm(s, &len);

		if (!c[kind])
			c[kind] = cert_new(kind, &node, NULL);
		assert_int_equal(sign_scheme_of(der, len), s == SIGN_RSA_PKCS1_SHA1 ? -1 : (int)s);
		assert_true(sign_key_schemes(c[kind]->key) & 1u << s);
		assert_int_equal(sign_make(c[kind]->key, s, "abc", 3, sig, &n), 0);
		assert_int_equal(sign_check(c[kind]->spki, c[kind]->spki_len, s, "abc", 3, sig, n),
				 0);
		assert_int_equal(sign_check(c[kind]->spki, c[kind]->spki_len, s, "abd", 3, sig, n),
				 -EBADMSG);
		sig[n / 2] ^= 1;
		assert_int_equal(sign_check(c[kind]->spki, c[kind]->spki_len, s, "abc", 3, sig, n),
				 -EBADMSG);
		for (unsigned o = 0; o < X509_KEY_COUNT; o++)
			if (o != kind && c[o] && !(sign_key_schemes(c[o]->key) & 1u << s)) {
				n = sizeof(sig);
				assert_int_equal(sign_make(c[o]->key, s, "abc", 3, sig, &n),
						 -EINVAL);
				assert_int_equal(
					sign_check(c[o]->spki, c[o]->spki_len, s, "abc", 3, sig, n),
					is_ecdsa(o) && is_ecdsa(kind) ? -EBADMSG : -EKEYREJECTED);
			}
	}
}

static void ecdsa_signatures_of_rfc_4754(void **state)
{
	static const struct {
		enum sign_scheme s;
		enum x509_key kind;
		size_t len;
	} rows[] = {{SIGN_ECDSA_SHA2_256, X509_KEY_ECDSA_256, 64},
		    {SIGN_ECDSA_SHA2_384, X509_KEY_ECDSA_384, 96},
		    {SIGN_ECDSA_SHA2_512, X509_KEY_ECDSA_521, 132}};
	uint8_t der[SIGN_MAX], plain[SIGN_MAX], again[SIGN_MAX];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct sign_key *k = x509_key_new(rows[i].kind);

		for (unsigned turn = 0; turn < 40;
		     turn++) { /* numbers shorter than the curve's, too */
			size_t n = sizeof(der);

			assert_int_equal(sign_make(k, rows[i].s, &turn, sizeof(turn), der, &n), 0);
			assert_int_equal(sign_ecdsa_plain(rows[i].s, der, n, plain, sizeof(plain)),
					 rows[i].len);
			assert_int_equal(
				sign_ecdsa_der(rows[i].s, plain, rows[i].len, again, sizeof(again)),
				n);
			assert_memory_equal(der, again, n);
			assert_int_equal(
				sign_ecdsa_plain(rows[i].s, der, n - 1, plain, sizeof(plain)), 0);
			assert_int_equal(
				sign_ecdsa_plain(rows[i].s, der, n, plain, rows[i].len - 1), 0);
		}
		assert_int_equal(
			sign_ecdsa_der(rows[i].s, plain, rows[i].len - 1, again, sizeof(again)), 0);
		assert_int_equal(sign_ecdsa_der(rows[i].s, plain, rows[i].len, again, 20), 0);
		sign_key_free(k);
	}
	assert_int_equal(sign_ecdsa_der(SIGN_ED25519, plain, 64, again, sizeof(again)), 0);
}

/* RFC 6979 A.2.5: P-256 with SHA-512, as some peers sign. */
static void ecdsa_with_another_hash_than_its_curves_is_checked(void **state)
{
	static const uint8_t spki[] = {
		0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
		0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74,
		0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6,
		0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8,
		0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2,
		0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
	};
	static const uint8_t sig[] = {
		0x30, 0x45, 0x02, 0x21, 0x00, 0x84, 0x96, 0xa6, 0x0b, 0x5e, 0x9b, 0x47,
		0xc8, 0x25, 0x48, 0x88, 0x27, 0xe0, 0x49, 0x5b, 0x0e, 0x3f, 0xa1, 0x09,
		0xec, 0x45, 0x68, 0xfd, 0x3f, 0x8d, 0x10, 0x97, 0x67, 0x8e, 0xb9, 0x7f,
		0x00, 0x02, 0x20, 0x23, 0x62, 0xab, 0x1a, 0xdb, 0xe2, 0xb8, 0xad, 0xf9,
		0xcb, 0x9e, 0xda, 0xb7, 0x40, 0xea, 0x60, 0x49, 0xc0, 0x28, 0x11, 0x4f,
		0x24, 0x60, 0xf9, 0x65, 0x54, 0xf6, 0x1f, 0xae, 0x33, 0x02, 0xfe,
	};

	(void)state;
	assert_int_equal(
		sign_check(spki, sizeof(spki), SIGN_ECDSA_SHA2_512, "sample", 6, sig, sizeof(sig)),
		0);
	assert_int_equal(
		sign_check(spki, sizeof(spki), SIGN_ECDSA_SHA2_256, "sample", 6, sig, sizeof(sig)),
		-EBADMSG);
	assert_int_equal(
		sign_check(spki, sizeof(spki), SIGN_ECDSA_SHA2_512, "sampl", 5, sig, sizeof(sig)),
		-EBADMSG);
}

static void algorithm_identifiers(void **state)
{
	/* RSASSA-PSS with SHA-256 written without the hashes' NULL parameters, as some do. */
	static const uint8_t short_pss[] = {
		0x30, 0x3d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
		0x30, 0x30, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
		0x03, 0x04, 0x02, 0x01, 0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48,
		0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48,
		0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0xa2, 0x03, 0x02, 0x01, 0x20};
	/* sha1WithRSAEncryption, and RSASSA-PSS with its defaults, which are SHA-1. */
	static const uint8_t sha1[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				       0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00};
	static const uint8_t pss_sha1[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					   0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x00};
	size_t n;
	const uint8_t *der = sign_algorithm(SIGN_RSA_PSS_SHA2_384, &n);
	uint8_t cut[SIGN_ALGORITHM_MAX];

	(void)state;
	assert_int_equal(sign_scheme_of(short_pss, sizeof(short_pss)), SIGN_RSA_PSS_SHA2_256);
	assert_int_equal(sign_scheme_of(sha1, sizeof(sha1)), -1);
	assert_int_equal(sign_scheme_of(pss_sha1, sizeof(pss_sha1)), -1);
	memcpy(cut, der, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sign_scheme_of(cut, i), -1);
	cut[29] ^= 1; /* one hash for the message, another for the mask */
	assert_int_equal(sign_scheme_of(cut, n), -1);
}

static struct x509_trust *trust(const struct cert *ca)
{
	struct x509_trust *t = x509_trust_new();

	assert_non_null(t);
	assert_int_equal(x509_trust_add(t, ca->der, ca->d.len), 1);
	return t;
}

static enum x509_result check(const struct cert *ca, const struct cert *c, int64_t now)
{
	struct x509_trust *t = trust(ca);
	enum x509_result r = x509_check(t, &c->d, 1, now);

	x509_trust_free(t);
	return r;
}

static void certificates_of_every_kind_of_key_are_fine(void **state)
{
	static const enum x509_key kinds[] = {X509_KEY_ED25519, X509_KEY_ECDSA_256,
					      X509_KEY_ECDSA_384, X509_KEY_ECDSA_521,
					      X509_KEY_RSA_2048};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct cert *ca = cert_new(kinds[i], &authority, NULL);

		assert_int_equal(check(ca, cert_new(kinds[(i + 1) % 5], &node, ca), NOW),
				 X509_FINE);
	}
}

static void a_certificate_is_refused_by_name(void **state)
{
	struct cert *ca = cert_new(X509_KEY_ECDSA_256, &authority, NULL);
	struct cert *other = cert_new(X509_KEY_ECDSA_256, &authority, NULL);
	struct cert *c = cert_new(X509_KEY_ED25519, &node, ca), *leaf;
	struct x509_make m = node;

	(void)state;
	assert_int_equal(check(ca, c, NOW), X509_FINE);
	assert_int_equal(check(ca, c, NOW - 2 * DAY), X509_NOT_YET);
	assert_int_equal(check(ca, c, NOW + 31 * DAY), X509_EXPIRED);
	/* The same name over another key: the signature is the other's. */
	assert_int_not_equal(check(other, c, NOW), X509_FINE);
	m.common_name = "Other CA";
	m.usage = X509_FOR_CA;
	other = cert_new(X509_KEY_ECDSA_256, &m, NULL);
	assert_int_equal(check(other, c, NOW), X509_NO_ISSUER);
	assert_int_equal(check(ca, other, NOW), X509_NO_ISSUER);
	m = node;
	m.usage = X509_FOR_CODE;
	assert_int_equal(check(ca, cert_new(X509_KEY_ED25519, &m, ca), NOW), X509_WRONG_USAGE);
	m.usage = X509_FOR_ENCRYPTION;
	assert_int_equal(check(ca, cert_new(X509_KEY_ED25519, &m, ca), NOW), X509_WRONG_USAGE);
	/* A node that plays the authority. */
	leaf = cert_new(X509_KEY_ED25519, &node, c);
	{
		struct x509_trust *t = trust(ca);
		struct x509_der chain[2] = {leaf->d, c->d};

		assert_int_equal(x509_check(t, chain, 2, NOW), X509_WRONG_USAGE);
		x509_trust_free(t);
	}
	for (size_t i = 40; i < c->d.len; i += 37) {
		enum x509_result r;

		c->der[i] ^= 0x40;
		r = check(ca, c, NOW);
		assert_int_not_equal(r, X509_FINE);
		c->der[i] ^= 0x40;
	}
	c->d.len--;
	assert_int_equal(check(ca, c, NOW), X509_MALFORMED);
}

static void several_certificates_of_one_text(void **state)
{
	struct cert *ca = cert_new(X509_KEY_ECDSA_256, &authority, NULL);
	struct cert *c = cert_new(X509_KEY_ED25519, &node, ca);
	static char pem[16384];
	uint8_t der[4096];
	struct x509_der v[3];
	size_t n = x509_pem("CERTIFICATE", c->d, pem, sizeof(pem));

	(void)state;
	n += x509_pem("CERTIFICATE", ca->d, pem + n, sizeof(pem) - n);
	assert_int_equal(x509_load_all(pem, n, der, sizeof(der), v, 3), 2);
	assert_int_equal(v[0].len, c->d.len);
	assert_memory_equal(v[0].p, c->der, c->d.len);
	assert_int_equal(v[1].len, ca->d.len);
	assert_memory_equal(v[1].p, ca->der, ca->d.len);
	assert_int_equal(x509_load_all(pem, n, der, sizeof(der), v, 1), 0); /* more than has room */
	assert_int_equal(x509_load_all(pem, n, der, c->d.len + 1, v, 3), 0);
	assert_int_equal(x509_load_all(c->der, c->d.len, der, sizeof(der), v, 3), 1);
	assert_memory_equal(v[0].p, c->der, c->d.len);
	assert_int_equal(x509_load_all(c->der, c->d.len, der, 9, v, 3), 0);
	assert_int_equal(x509_load_all("nonsense", 8, der, sizeof(der), v, 3), 0);
	assert_int_equal(x509_load_all("", 0, der, sizeof(der), v, 3), 0);
}

static void intermediate_authority(void **state)
{
	struct cert *root = cert_new(X509_KEY_ECDSA_384, &authority, NULL);
	struct x509_make m = authority;
	struct x509_trust *t = trust(root);
	struct cert *middle, *leaf;
	struct x509_der chain[3];

	(void)state;
	m.common_name = "Acme CA 2";
	middle = cert_new(X509_KEY_ECDSA_384, &m, root);
	leaf = cert_new(X509_KEY_ED25519, &node, middle);
	chain[0] = leaf->d;
	chain[1] = root->d;
	chain[2] = middle->d;
	assert_int_equal(x509_check(t, chain, 3, NOW), X509_FINE);
	assert_int_equal(x509_check(t, chain, 1, NOW), X509_NO_ISSUER);
	assert_int_equal(x509_check(t, chain, 0, NOW), X509_MALFORMED);
	x509_trust_free(t);
}

static void revocation_list(void **state)
{
	struct cert *ca = cert_new(X509_KEY_ECDSA_256, &authority, NULL);
	struct cert *good = cert_new(X509_KEY_ED25519, &node, ca);
	struct cert *bad = cert_new(X509_KEY_ED25519, &node, ca);
	struct x509_trust *t = trust(ca);
	uint8_t crl[2048];
	size_t n = x509_make_crl(ca->d, ca->key, &bad->serial, 1, 1, NOW - 10, NOW + DAY, crl,
				 sizeof(crl));

	(void)state;
	assert_true(n > 0);
	assert_int_equal(x509_check(t, &bad->d, 1, NOW), X509_FINE);
	assert_int_equal(x509_trust_until(t), INT64_MAX);
	assert_int_equal(x509_trust_add_crl(t, crl, n), 1);
	assert_int_equal(x509_trust_until(t), NOW + DAY);
	assert_int_equal(x509_check(t, &good->d, 1, NOW), X509_FINE);
	assert_int_equal(x509_check(t, &bad->d, 1, NOW), X509_IS_REVOKED);
	assert_int_equal(x509_check(t, &good->d, 1, NOW + 2 * DAY), X509_CRL_EXPIRED);
	assert_int_equal(x509_trust_add_crl(t, "nonsense", 8), -EINVAL);
	x509_trust_free(t);
	/* A list that somebody else signed is none. */
	t = trust(ca);
	n = x509_make_crl(ca->d, good->key, NULL, 0, 2, NOW - 10, NOW + DAY, crl, sizeof(crl));
	assert_int_equal(x509_trust_add_crl(t, crl, n), 1);
	assert_int_equal(x509_check(t, &good->d, 1, NOW), X509_BAD_SIGNATURE);
	x509_trust_free(t);
}

static void names_in_a_certificate(void **state)
{
	struct cert *c = cert_new(X509_KEY_ED25519, &node, NULL), *d;
	struct x509_make m = node;
	uint8_t dn[256], other[256];
	char text[128];
	size_t n = x509_subject(c->d, dn, sizeof(dn)), k;

	(void)state;
	assert_true(n > 0);
	assert_true(x509_names(c->d, X509_DNS, "fra1", 4));
	assert_true(x509_names(c->d, X509_DNS, "FRA1", 4));
	assert_false(x509_names(c->d, X509_DNS, "fra2", 4));
	assert_false(x509_names(c->d, X509_DNS, "fra", 3));
	assert_false(x509_names(c->d, X509_DNS, "", 0));
	assert_false(x509_names(c->d, X509_EMAIL, "fra1", 4));
	assert_true(x509_names(c->d, X509_EMAIL, "ops@acme.example", 16));
	assert_true(x509_names(c->d, X509_IPV4, "\xc0\x00\x02\x01", 4));
	assert_false(x509_names(c->d, X509_IPV4, "\xc0\x00\x02\x02", 4));
	assert_true(x509_names(c->d, X509_DN, dn, n));
	m.common_name = "FRA1"; /* case does not matter (RFC 5280 §7.1) */
	d = cert_new(X509_KEY_ED25519, &m, NULL);
	k = x509_subject(d->d, other, sizeof(other));
	assert_true(x509_names(c->d, X509_DN, other, k));
	m.common_name = "sin1";
	d = cert_new(X509_KEY_ED25519, &m, NULL);
	k = x509_subject(d->d, other, sizeof(other));
	assert_false(x509_names(c->d, X509_DN, other, k));
	assert_false(x509_dn_equal((struct x509_der){dn, n}, (struct x509_der){other, k}));
	assert_string_equal(x509_text(c->d, text, sizeof(text)), "CN=fra1,O=Acme");
	assert_int_equal(x509_until(c->d), NOW + 30 * DAY);
	assert_true(x509_serial(c->d, other));
	assert_memory_equal(other, c->serial, X509_SERIAL_LEN);
}

static void keys_and_certificates_as_text(void **state)
{
	struct cert *c = cert_new(X509_KEY_ECDSA_256, &node, NULL);
	char pem[8192];
	uint8_t der[4096], spki[1024];
	size_t n = x509_key_pem(c->key, pem, sizeof(pem));
	struct sign_key *k = sign_key_load(pem, n);

	(void)state;
	assert_non_null(k);
	assert_int_equal(sign_key_public(k, spki, sizeof(spki)), c->spki_len);
	assert_memory_equal(spki, c->spki, c->spki_len);
	sign_key_free(k);
	assert_null(sign_key_load("nonsense", 8));
	assert_null(sign_key_load("", 0));
	n = x509_pem("CERTIFICATE", c->d, pem, sizeof(pem));
	assert_true(n > 0);
	assert_int_equal(x509_load(pem, n, der, sizeof(der)), c->d.len);
	assert_memory_equal(der, c->der, c->d.len);
	assert_int_equal(x509_load(c->der, c->d.len, der, sizeof(der)), c->d.len);
	assert_int_equal(x509_public(c->d, spki, sizeof(spki)), c->spki_len);
	assert_memory_equal(spki, c->spki, c->spki_len);
	assert_int_equal(x509_public(c->d, spki, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scheme_signs_and_no_other_key_does),
		cmocka_unit_test(ecdsa_signatures_of_rfc_4754),
		cmocka_unit_test(ecdsa_with_another_hash_than_its_curves_is_checked),
		cmocka_unit_test(algorithm_identifiers),
		cmocka_unit_test(certificates_of_every_kind_of_key_are_fine),
		cmocka_unit_test(a_certificate_is_refused_by_name),
		cmocka_unit_test(several_certificates_of_one_text),
		cmocka_unit_test(intermediate_authority),
		cmocka_unit_test(revocation_list),
		cmocka_unit_test(names_in_a_certificate),
		cmocka_unit_test(keys_and_certificates_as_text),
	};

	return cmocka_run_group_tests_name("crypto/x509", tests, NULL, NULL);
}
