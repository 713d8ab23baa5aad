/* cert: files good and bad in any order; each trouble names its file and says what would do. */
#include "myelind/cert.h"

#include "crypto/x509_make.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1800000000ll
#define DAY 86400ll

struct made {
	struct sign_key *key;
	uint8_t spki[1200], der[4096];
	size_t spki_len;
	struct x509_der d;
	char pem[8192];
	size_t len;
	uint8_t serial[X509_SERIAL_LEN];
};

static const struct x509_make for_ca = {.common_name = "Acme CA",
					.usage = X509_FOR_CA,
					.from = NOW - DAY,
					.until = NOW + 365 * DAY};
static const struct x509_make for_node = {.common_name = "fra1",
					  .names = {{X509_DNS, "fra1", 4}},
					  .name_count = 1,
					  .usage = X509_FOR_IKE,
					  .from = NOW - DAY,
					  .until = NOW + 30 * DAY};

static void make(struct made *m, const struct x509_make *as, const struct made *by)
{
	static uint8_t serial;
	struct x509_make mine = *as;

	memset(m, 0, sizeof(*m));
	m->key = x509_key_new(X509_KEY_ECDSA_256);
	m->spki_len = sign_key_public(m->key, m->spki, sizeof(m->spki));
	mine.serial[0] = 1;
	mine.serial[1] = ++serial;
	memcpy(m->serial, mine.serial, sizeof(m->serial));
	m->d.p = m->der;
	m->d.len = x509_make_cert(&mine, m->spki, m->spki_len, by ? &by->d : NULL,
				  by ? by->key : m->key, m->der, sizeof(m->der));
	assert_true(m->d.len > 0);
	m->len = x509_pem("CERTIFICATE", m->d, m->pem, sizeof(m->pem));
}

static size_t crl_of(const struct made *ca, const struct made *bad, int64_t until, char *pem,
		     size_t size)
{
	uint8_t der[2048];
	struct x509_der d = {der, 0};

	d.len = x509_make_crl(ca->d, ca->key, bad ? &bad->serial : NULL, bad != NULL, 1, NOW - 10,
			      until, der, sizeof(der));
	assert_true(d.len > 0);
	return x509_pem("X509 CRL", d, pem, size);
}

/* An authority, two of its nodes, another authority; and what is told of them. */
struct room {
	struct made ca, other, node, second;
	struct cert *c;
	struct cert_use use;
	bool changed;
	char why[640];
};

static void put(struct room *r, enum cert_file which, int err, const char *text, size_t len)
{
	static const char *const where[] = {"/s/acme-ca/ca.pem", "/s/acme-ca/crl.pem",
					    "/s/acme-ca/fra1.pem"};
	char *copy = NULL;

	if (!err) {
		copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, text, len);
	}
	cert_file_set(r->c, which, where[which], err, copy, err ? 0 : len);
}

static void put_key(struct room *r, int err, const struct made *m)
{
	struct msg_key_held k = {.key = 1, .error = (uint16_t)err, .where = "/s/acme-ca/fra1.key"};

	if (!err) {
		k.schemes = 1u << SIGN_ECDSA_SHA2_256;
		k.public.len = (uint16_t)m->spki_len;
		memcpy(k.public.b, m->spki, m->spki_len);
	}
	cert_key_set(r->c, &k);
}

static bool judge(struct room *r, int64_t now)
{
	return cert_judge(r->c, now, &r->use, &r->changed, r->why, sizeof(r->why));
}

static int setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	make(&r->ca, &for_ca, NULL);
	make(&r->other, &for_ca, NULL);
	make(&r->node, &for_node, &r->ca);
	make(&r->second, &for_node, &r->ca);
	r->c = cert_new("acme-ca", "fra1");
	put(r, CERT_AUTHORITY, 0, r->ca.pem, r->ca.len);
	put(r, CERT_CRL, ENOENT, NULL, 0);
	put(r, CERT_CHAIN, 0, r->node.pem, r->node.len);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct room *r = *state;

	cert_free(r->c);
	sign_key_free(r->ca.key);
	sign_key_free(r->other.key);
	sign_key_free(r->node.key);
	sign_key_free(r->second.key);
	free(r);
	return 0;
}

static void all_is_needed_and_then_it_is_used(void **state)
{
	struct room *r = *state;

	assert_false(cert_complete(r->c));
	assert_false(judge(r, NOW));
	assert_non_null(strstr(r->why, "acme-ca: its files are not read yet"));
	put_key(r, 0, &r->node);
	assert_true(cert_complete(r->c));
	assert_true(judge(r, NOW));
	assert_true(r->changed);
	assert_string_equal(r->why, "");
	assert_int_equal(r->use.chain_count, 1);
	assert_int_equal(r->use.chain[0].len, r->node.d.len);
	assert_int_equal(r->use.schemes, 1u << SIGN_ECDSA_SHA2_256);
	assert_int_equal(r->use.until, NOW + 30 * DAY);
	assert_int_equal(x509_check(r->use.trust, &r->second.d, 1, NOW), X509_FINE);
	cert_release(r->c);
	/* The same once more is no change. */
	put(r, CERT_AUTHORITY, 0, r->ca.pem, r->ca.len);
	put(r, CERT_CHAIN, 0, r->node.pem, r->node.len);
	put_key(r, 0, &r->node);
	assert_true(judge(r, NOW));
	assert_false(r->changed);
}

/* Every defect of a file at the start, the words that name it, and those that say what would do. */
static void a_defect_is_told_with_its_file_and_what_would_do(void **state)
{
	static const struct {
		const char *what;
		enum { FILE_ERR, FILE_TEXT, KEY_ERR, KEY_OTHER } kind;
		enum cert_file which;
		int err;
		const char *text, *names, *says;
	} rows[] = {
		{"no authority", FILE_ERR, CERT_AUTHORITY, ENOENT, NULL, "acme-ca/ca.pem: No such",
		 "`myelin ca init`"},
		{"authority that others may write", FILE_ERR, CERT_AUTHORITY, EACCES, NULL,
		 "acme-ca/ca.pem: Permission", "root's"},
		{"authority of no certificate", FILE_TEXT, CERT_AUTHORITY, 0, "no\n",
		 "acme-ca/ca.pem: holds no certificate", "PEM"},
		{"an empty authority", FILE_TEXT, CERT_AUTHORITY, 0, "", "acme-ca/ca.pem: holds no",
		 "PEM"},
		{"a list that others may write", FILE_ERR, CERT_CRL, EACCES, NULL,
		 "acme-ca/crl.pem: Permission", "root's"},
		{"a list that is none", FILE_TEXT, CERT_CRL, 0, "-----BEGIN X509 CRL-----\n",
		 "acme-ca/crl.pem: holds no revocation list", "X509 CRL"},
		{"no certificate of the node", FILE_ERR, CERT_CHAIN, ENOENT, NULL,
		 "acme-ca/fra1.pem: No such", "`myelin ca sign`"},
		{"a certificate that is none", FILE_TEXT, CERT_CHAIN, 0, "no\n",
		 "acme-ca/fra1.pem: holds no certificate", "PEM"},
		{"no key", KEY_ERR, 0, ENOENT, NULL, "acme-ca/fra1.key: No such",
		 "`myelin ca sign`"},
		{"a key that others can read", KEY_ERR, 0, EACCES, NULL,
		 "acme-ca/fra1.key: Permission", "mode 0600"},
		{"a key that is none", KEY_ERR, 0, EKEYREJECTED, NULL, "acme-ca/fra1.key: holds no",
		 "not encrypted, of Ed25519"},
		{"a key of another certificate", KEY_OTHER, 0, 0, NULL,
		 "acme-ca/fra1.key: is not the key of /s/acme-ca/fra1.pem", "the same `myelin ca"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct room *r;

		if (i) { /* each from a fresh start */
			teardown(state);
			setup(state);
		}
		r = *state;
		put_key(r, rows[i].kind == KEY_ERR ? rows[i].err : 0,
			rows[i].kind == KEY_OTHER ? &r->second : &r->node);
		if (rows[i].kind == FILE_ERR)
			put(r, rows[i].which, rows[i].err, NULL, 0);
		else if (rows[i].kind == FILE_TEXT)
			put(r, rows[i].which, 0, rows[i].text, strlen(rows[i].text));
		if (judge(r, NOW) || !strstr(r->why, rows[i].names) ||
		    !strstr(r->why, rows[i].says))
			fail_msg("%s: %s", rows[i].what, r->why);
	}
	printf("# %zu classes of files that are no certificates, lists or keys\n",
	       sizeof(rows) / sizeof(rows[0]));
}

/* A certificate that a peer would refuse is refused here, with the reason. */
static void our_own_certificate_is_held_to_what_peers_ask(void **state)
{
	struct room *r = *state;
	struct x509_make as;
	struct made m;
	static const struct {
		const char *what;
		int64_t from, until;
		enum x509_usage usage;
		const char *name;
		bool other;
		const char *says;
	} rows[] = {
		{"expired", NOW - 9 * DAY, NOW - DAY, X509_FOR_IKE, "fra1", false, "expired"},
		{"not valid yet", NOW + DAY, NOW + 9 * DAY, X509_FOR_IKE, "fra1", false,
		 "not valid yet"},
		{"for code", NOW - DAY, NOW + DAY, X509_FOR_CODE, "fra1", false, "ipsecIKE"},
		{"for encryption", NOW - DAY, NOW + DAY, X509_FOR_ENCRYPTION, "fra1", false,
		 "digitalSignature"},
		{"of another node", NOW - DAY, NOW + DAY, X509_FOR_IKE, "bom1", false, "DNS:fra1"},
		{"of another authority", NOW - DAY, NOW + DAY, X509_FOR_IKE, "fra1", true,
		 "/s/acme-ca/ca.pem"},
	};

	put_key(r, 0, &r->node);
	assert_true(judge(r, NOW));
	cert_release(r->c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		as = for_node;
		as.from = rows[i].from;
		as.until = rows[i].until;
		as.usage = rows[i].usage;
		as.names[0].p = rows[i].name;
		make(&m, &as, rows[i].other ? &r->other : &r->ca);
		put(r, CERT_CHAIN, 0, m.pem, m.len);
		put_key(r, 0, &m);
		if (judge(r, NOW) || !r->changed || !strstr(r->why, rows[i].says) ||
		    !strstr(r->why, "/s/acme-ca/fra1.pem: "))
			fail_msg("%s: %s", rows[i].what, r->why);
		cert_release(r->c);
		sign_key_free(m.key);
	}
	/* And it is used again when it is good again. */
	put(r, CERT_CHAIN, 0, r->node.pem, r->node.len);
	put_key(r, 0, &r->node);
	assert_true(judge(r, NOW));
	assert_true(r->changed);
	cert_release(r->c);
	/* Time alone ends it. */
	assert_false(judge(r, NOW + 31 * DAY));
	assert_true(r->changed);
	assert_non_null(strstr(r->why, "expired"));
}

static void a_list_revokes_at_once_and_a_bad_one_changes_nothing(void **state)
{
	struct room *r = *state;
	char pem[4096];
	size_t n = crl_of(&r->ca, &r->second, NOW + DAY, pem, sizeof(pem));

	put_key(r, 0, &r->node);
	assert_true(judge(r, NOW));
	assert_int_equal(x509_check(r->use.trust, &r->second.d, 1, NOW), X509_FINE);
	cert_release(r->c);
	put(r, CERT_CRL, 0, pem, n);
	assert_true(judge(r, NOW));
	assert_true(r->changed);
	assert_int_equal(x509_check(r->use.trust, &r->second.d, 1, NOW), X509_IS_REVOKED);
	assert_int_equal(r->use.until, NOW + DAY);
	cert_release(r->c);
	/* Half a file is told of, and the last good list counts. */
	put(r, CERT_CRL, 0, pem, n / 2);
	assert_true(judge(r, NOW));
	assert_false(r->changed);
	assert_non_null(strstr(r->why, "crl.pem: holds no revocation list"));
	assert_int_equal(x509_check(r->use.trust, &r->second.d, 1, NOW), X509_IS_REVOKED);
	put(r, CERT_CRL, 0, pem, n);
	assert_true(judge(r, NOW));
	assert_string_equal(r->why, "");
	cert_release(r->c);
	/* When its time is over nobody can be told from a revoked one. */
	assert_false(judge(r, NOW + 2 * DAY));
	assert_non_null(strstr(r->why, "/s/acme-ca/crl.pem: its time ended 2027-01-16"));
	/* Our own certificate may be on it. */
	n = crl_of(&r->ca, &r->node, NOW + 9 * DAY, pem, sizeof(pem));
	put(r, CERT_CRL, 0, pem, n);
	assert_false(judge(r, NOW));
	assert_non_null(strstr(r->why, "fra1.pem: revoked by /s/acme-ca/crl.pem"));
}

static void a_new_key_and_certificate_are_taken_together(void **state)
{
	struct room *r = *state;

	put_key(r, 0, &r->node);
	assert_true(judge(r, NOW));
	cert_release(r->c);
	put(r, CERT_CHAIN, 0, r->second.pem, r->second.len);
	assert_true(judge(r, NOW)); /* the old pair goes on */
	assert_false(r->changed);
	assert_int_equal(r->use.chain[0].len, r->node.d.len);
	assert_memory_equal(r->use.chain[0].p, r->node.der, r->node.d.len);
	assert_non_null(strstr(r->why, "is not the key of"));
	put_key(r, 0, &r->second);
	assert_true(judge(r, NOW));
	assert_true(r->changed);
	assert_memory_equal(r->use.chain[0].p, r->second.der, r->second.d.len);
	assert_string_equal(r->why, "");
}

static void certificates_in_between_stand_behind_the_node_s(void **state)
{
	struct room *r = *state;
	struct made between, leaf;
	struct x509_make as = for_ca;
	char both[16384];
	size_t n;

	as.common_name = "Acme Frankfurt CA";
	make(&between, &as, &r->ca);
	make(&leaf, &for_node, &between);
	put(r, CERT_CHAIN, 0, leaf.pem, leaf.len);
	put_key(r, 0, &leaf);
	assert_false(judge(r, NOW));
	assert_non_null(strstr(r->why, "in between"));
	cert_release(r->c);
	n = (size_t)snprintf(both, sizeof(both), "%s%s", leaf.pem, between.pem);
	put(r, CERT_CHAIN, 0, both, n);
	assert_true(judge(r, NOW));
	assert_int_equal(r->use.chain_count, 2);
	assert_memory_equal(r->use.chain[1].p, between.der, between.d.len);
	sign_key_free(between.key);
	sign_key_free(leaf.key);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(all_is_needed_and_then_it_is_used),
		CASE(a_defect_is_told_with_its_file_and_what_would_do),
		CASE(our_own_certificate_is_held_to_what_peers_ask),
		CASE(a_list_revokes_at_once_and_a_bad_one_changes_nothing),
		CASE(a_new_key_and_certificate_are_taken_together),
		CASE(certificates_in_between_stand_behind_the_node_s),
	};

	return cmocka_run_group_tests_name("myelind/cert", tests, NULL, NULL);
}
