/*
 * fuzz_identity: what a peer says of who it is. The first octet of the input says how the rest is
 * read: an even one, as two identities, the first behind two octets of its length, each a type and
 * its data; an odd one, as a certificate.
 *
 * Held: being the same is mutual; what is written of an identity reads as the same one; words of
 * either are printable and end; no certificate is taken by an authority whose key nobody has, and
 * none holds a name that has an octet 0 in it.
 */
#include "fuzz.h"

#include "crypto/x509_make.h"
#include "key/ikev2/ikev2_i.h"

#include <stdlib.h>
#include <string.h>

#define WALL INT64_C(1800000000)

static void words_end(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	MUST(n < size);
	for (size_t i = 0; i < n; i++)
		MUST((uint8_t)s[i] >= 32 && (uint8_t)s[i] < 127);
}

static struct ikev2_id identity(struct rd r)
{
	struct ike_payload p = {.type = IKE_PL_IDI};
	struct ikev2_id id;

	p.id.type = rd_u8(&r);
	p.id.data = (struct ike_bytes){r.p, rd_left(&r)};
	id_read(&p, &id);
	return id;
}

static void one(const struct ikev2_id *id)
{
	uint8_t body[4 + IKEV2_ID_MAX];
	size_t n = id_body(id, body);
	struct ike_payload p = {.type = IKE_PL_IDI};
	struct ikev2_id again;
	char text[128], small[8];

	MUST(n == 4u + id->len && body[0] == id->type);
	p.id.type = body[0];
	p.id.data = (struct ike_bytes){body + 4, n - 4};
	id_read(&p, &again);
	MUST(again.type == id->type && again.len == id->len && !memcmp(again.b, id->b, id->len));
	MUST(id_equal(id, &again) == id_equal(&again, id));
	words_end(ikev2_id_text(id, text, sizeof(text)), sizeof(text));
	words_end(ikev2_id_text(id, small, sizeof(small)), sizeof(small));
}

static void two_identities(struct rd r)
{
	size_t n = rd_u16(&r);
	const uint8_t *first;
	struct ikev2_id a, b;

	n = n < rd_left(&r) ? n : rd_left(&r);
	first = rd_bytes(&r, n);
	if (!first)
		return;
	a = identity(rd_init(first, n));
	b = identity(r);
	one(&a);
	one(&b);
	MUST(id_equal(&a, &b) == id_equal(&b, &a));
	if (id_equal(&a, &b))
		MUST(a.type == b.type);
}

static const struct x509_trust *somebodys_trust(void)
{
	static struct x509_trust *t;
	struct x509_make m = {.common_name = "CA",
			      .usage = X509_FOR_CA,
			      .serial = {1},
			      .from = WALL - 1000,
			      .until = WALL + 1000};
	uint8_t ca[1024], spki[256];
	struct sign_key *k;
	size_t n;

	if (t)
		return t;
	k = x509_key_new(X509_KEY_ED25519);
	t = x509_trust_new();
	MUST(k && t);
	n = x509_make_cert(&m, spki, sign_key_public(k, spki, sizeof(spki)), NULL, k, ca,
			   sizeof(ca));
	MUST(n && x509_trust_add(t, ca, n) == 1);
	sign_key_free(k);
	return t;
}

static void certificate(struct rd r)
{
	static const struct ikev2_id names[] = {
		{.type = IKE_ID_IPV4, .len = 4, .b = {10, 0, 0, 1}},
		{.type = IKE_ID_FQDN, .len = 5, .b = "node1"},
		{.type = IKE_ID_RFC822, .len = 10, .b = "ops@fra.de"},
		{.type = IKE_ID_IPV6, .len = 16, .b = {0x20, 1}},
		{.type = IKE_ID_KEY, .len = 3, .b = "key"},
	};
	const struct ikev2_id zero = {.type = IKE_ID_FQDN, .len = 3, .b = {'a', 0, 'b'}};
	struct x509_der cert = {r.p, rd_left(&r)};
	uint8_t spki[2048];
	struct ikev2_id dn = {.type = IKE_ID_DN};
	char text[128];

	MUST(x509_check(somebodys_trust(), &cert, 1, WALL) != X509_FINE);
	MUST(x509_public(cert, spki, sizeof(spki)) <= sizeof(spki));
	words_end(x509_text(cert, text, sizeof(text)), sizeof(text));
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		id_in_certificate(&names[i], cert);
	MUST(!id_in_certificate(&zero, cert) && !id_in_certificate(&names[4], cert));
	dn.len = (uint16_t)x509_subject(cert, dn.b, sizeof(dn.b));
	if (dn.len) {
		one(&dn);
		MUST(id_equal(&dn, &dn) && id_in_certificate(&dn, cert));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	bool odd = rd_u8(&r) & 1;

	if (size > 65535)
		return 0;
	log_init("fuzz", LOG_LVL_ERROR);
	if (odd)
		certificate(r);
	else
		two_identities(r);
	return 0;
}
