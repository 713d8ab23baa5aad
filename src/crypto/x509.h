/*
 * x509: certificates of IKE peers (RFC 4945, RFC 5280): chains to an anchor, validity, revocation,
 * what a certificate may be used for, and the names in it. Any thread; a struct x509_trust is for
 * one thread at a time.
 *
 * Certificates and lists are DER or PEM where they are loaded, DER everywhere else. Time is
 * seconds since 1970: certificates are the one thing here that a wall clock decides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X509_CHAIN_MAX 8 /* certificates a peer may send */
#define X509_CA_HASH_LEN 20
#define X509_CA_MAX 32 /* anchors */

struct x509_der {
	const uint8_t *p;
	size_t len;
};

/* Certificate authorities and their revocation lists. */
struct x509_trust;

struct x509_trust *x509_trust_new(void);
void x509_trust_free(struct x509_trust *t);
/* Adds every certificate of PEM text, or one in DER, as an anchor. How many, or -EINVAL. */
int x509_trust_add(struct x509_trust *t, const void *data, size_t len);
/* Adds revocation lists, each signed by an anchor or an authority below it. How many, or -EINVAL.
 * Once there is a list, every authority of a chain whose list is known is asked. */
int x509_trust_add_crl(struct x509_trust *t, const void *data, size_t len);
/* When the first of its revocation lists is over, seconds since 1970; INT64_MAX: never. */
int64_t x509_trust_until(const struct x509_trust *t);
/* SHA-1 of the public keys of all anchors, as CERTREQ has them. How many of `max` were written. */
unsigned x509_trust_hashes(const struct x509_trust *t, uint8_t (*out)[X509_CA_HASH_LEN],
			   unsigned max);

enum x509_result {
	X509_FINE,
	X509_MALFORMED,
	X509_NO_ISSUER, /* no chain to an anchor */
	X509_NOT_YET,
	X509_EXPIRED,
	X509_IS_REVOKED,
	X509_CRL_EXPIRED, /* the list that would tell is over */
	X509_BAD_SIGNATURE,
	X509_WRONG_USAGE, /* key usage or extended key usage is for something else */
	X509_REFUSED,     /* path length, names, a weak key: whatever else the library minds */
	X509_RESULT_COUNT
};
const char *x509_result_name(enum x509_result r);

/* chain[0] is the peer's own; the others, at most X509_CHAIN_MAX in all, are in any order. */
enum x509_result x509_check(const struct x509_trust *t, const struct x509_der *chain, unsigned n,
			    int64_t now);

/* The public key of a certificate as SubjectPublicKeyInfo, DER, into out: bytes, or 0. */
size_t x509_public(struct x509_der cert, uint8_t *out, size_t size);
/* The subject's distinguished name, DER, into out: bytes, or 0. */
size_t x509_subject(struct x509_der cert, uint8_t *out, size_t size);
/* The DER of the first certificate in PEM or DER; bytes, or 0. */
size_t x509_load(const void *data, size_t len, uint8_t *out, size_t size);
/* Every certificate of PEM text, or one in DER: DER of each one after the other into out, v says
 * where. How many, at most max; 0 when there is none, or no room. */
unsigned x509_load_all(const void *data, size_t len, uint8_t *out, size_t size, struct x509_der *v,
		       unsigned max);
/* "CN=fra1,O=Acme" for logs and show; written to buf, which is returned. */
const char *x509_text(struct x509_der cert, char *buf, size_t size);

/* The kinds of names, numbered as IKEv2's identities. */
enum x509_name { X509_IPV4 = 1, X509_DNS = 2, X509_EMAIL = 3, X509_IPV6 = 5, X509_DN = 9 };

/* Whether the certificate says that name is its subject's: in the alternative names, or, for a DN,
 * as the subject. Wildcards are not followed. */
bool x509_names(struct x509_der cert, enum x509_name type, const void *name, size_t len);
/* The same of a distinguished name in DER; "" when it is none. */
const char *x509_dn_text(struct x509_der dn, char *buf, size_t size);
/* Whether two distinguished names in DER are the same by RFC 5280 §7.1. */
bool x509_dn_equal(struct x509_der a, struct x509_der b);
