#include "myelind/cert.h"

#include "base/clock.h"
#include "base/utc.h"
#include "crypto/x509_make.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 512
#define CHAIN_DER_MAX (X509_CHAIN_MAX * 4096)

struct text {
	bool had;
	int err; /* errno, 0: it is there */
	char where[128];
	char *p;
	size_t len;
};

/* Certificates as they are used: ours, and those between us and the authority. */
struct own {
	uint8_t der[CHAIN_DER_MAX];
	struct x509_der v[X509_CHAIN_MAX];
	unsigned count;
	uint32_t schemes;
};

struct cert {
	const char *authority, *node;
	struct text files[CERT_FILES];
	struct msg_key_held key; /* key 0: nothing was said yet */
	struct x509_trust *trust;
	struct own *own;
	bool good;
	bool trust_fresh, own_fresh; /* not looked at yet */
	char trust_why[WHY_MAX],
		own_why[WHY_MAX]; /* what is wrong with the last, "" when nothing */
	/* What was in use before the last change. */
	struct x509_trust *trust_before;
	struct own *own_before;
};

struct cert *cert_new(const char *authority, const char *node)
{
	struct cert *c = calloc(1, sizeof(*c));

	if (c) {
		c->authority = authority;
		c->node = node;
	}
	return c;
}

void cert_release(struct cert *c)
{
	x509_trust_free(c->trust_before);
	free(c->own_before);
	c->trust_before = NULL;
	c->own_before = NULL;
}

void cert_free(struct cert *c)
{
	if (!c)
		return;
	cert_release(c);
	x509_trust_free(c->trust);
	free(c->own);
	for (unsigned i = 0; i < CERT_FILES; i++)
		free(c->files[i].p);
	free(c);
}

void cert_file_set(struct cert *c, enum cert_file which, const char *where, int err, char *text,
		   size_t len)
{
	struct text *f = &c->files[which];
	bool same = f->had && f->err == err && f->len == len &&
		    (!len || !memcmp(f->p, text, len)) && !strcmp(f->where, where);

	f->had = true;
	if (same) {
		free(text);
		return;
	}
	free(f->p);
	f->p = text;
	f->len = len;
	f->err = err;
	*(which == CERT_CHAIN ? &c->own_fresh : &c->trust_fresh) = true;
	snprintf(f->where, sizeof(f->where), "%s", where);
}

static bool key_same(const struct msg_key_held *a, const struct msg_key_held *b)
{
	return a->key == b->key && a->error == b->error && a->schemes == b->schemes &&
	       !strcmp(a->where, b->where) && a->public.len == b->public.len &&
	       !memcmp(a->public.b, b->public.b, a->public.len);
}

void cert_key_set(struct cert *c, const struct msg_key_held *held)
{
	c->own_fresh |= !key_same(&c->key, held);
	c->key = *held;
}

bool cert_complete(const struct cert *c)
{
	for (unsigned i = 0; i < CERT_FILES; i++)
		if (!c->files[i].had)
			return false;
	return c->key.key != 0;
}

/* A file that is not there, or that anybody may have written. */
static bool missing(const struct text *f, const char *hint, char *why, size_t size)
{
	if (!f->err)
		return false;
	snprintf(why, size, "%s: %s: %s", f->where, strerror(f->err),
		 f->err == EACCES ? "it must be root's, and nobody else may write it" : hint);
	return true;
}

/* Anchors and lists. A list may be missing: then nobody is revoked. */
static void trust_read(struct cert *c, char *why, size_t size)
{
	const struct text *ca = &c->files[CERT_AUTHORITY], *crl = &c->files[CERT_CRL];
	struct x509_trust *t;

	why[0] = 0;
	if (missing(ca, "the authority's certificate is expected, as `myelin ca init` makes it",
		    why, size) ||
	    (crl->err != ENOENT && missing(crl, "a revocation list is expected", why, size)))
		return;
	t = x509_trust_new();
	if (!t)
		snprintf(why, size, "%s: out of memory", ca->where);
	else if (x509_trust_add(t, ca->p, ca->len) < 0)
		snprintf(why, size,
			 "%s: holds no certificate: those of authorities are expected in PEM, or "
			 "one in DER",
			 ca->where);
	else if (!crl->err && x509_trust_add_crl(t, crl->p, crl->len) < 0)
		snprintf(
			why, size,
			"%s: holds no revocation list: one (`X509 CRL`) is expected in PEM or DER, "
			"or no file at all",
			crl->where);
	else {
		c->trust_before = c->trust;
		c->trust = t;
		t = NULL;
	}
	x509_trust_free(t);
}

static bool key_missing(const struct msg_key_held *k, char *why, size_t size)
{
	if (!k->error)
		return false;
	snprintf(why, size, "%s: %s", k->where,
		 k->error == EACCES   ? "Permission denied: it must be root's and of mode 0600"
		 : k->error == ENOENT ? "No such file: this node's private key is expected, as "
					"`myelin ca sign` makes it"
		 : k->error == EKEYREJECTED
			 ? "holds no private key to sign with: one in PEM is expected, not "
			   "encrypted, of Ed25519, ECDSA over P-256, P-384 or P-521, or RSA with "
			   "2,048 bits or more"
			 : strerror(k->error));
	return true;
}

/* Our certificates, if the key is theirs. */
static void own_read(struct cert *c, char *why, size_t size)
{
	const struct text *f = &c->files[CERT_CHAIN];
	struct msg_blob public;
	struct own *own = NULL;

	why[0] = 0;
	if (missing(f, "this node's certificate is expected, as `myelin ca sign` makes it", why,
		    size) ||
	    key_missing(&c->key, why, size))
		return;
	own = calloc(1, sizeof(*own));
	if (!own) {
		snprintf(why, size, "%s: out of memory", f->where);
		return;
	}
	own->count =
		x509_load_all(f->p, f->len, own->der, sizeof(own->der), own->v, X509_CHAIN_MAX);
	public.len = own->count ? (uint16_t)x509_public(own->v[0], public.b, sizeof(public.b)) : 0;
	if (!own->count || !public.len)
		snprintf(why, size,
			 "%s: holds no certificate: this node's is expected in PEM, and behind it "
			 "those between it and the authority, %u in all at most",
			 f->where, X509_CHAIN_MAX);
	else if (public.len != c->key.public.len ||
		 memcmp(public.b, c->key.public.b, public.len) != 0)
		snprintf(why, size,
			 "%s: is not the key of %s: both have to come from the same `myelin ca "
			 "sign`, or the certificate from a request made with this key",
			 c->key.where, f->where);
	else {
		own->schemes = c->key.schemes;
		c->own_before = c->own;
		c->own = own;
		own = NULL;
	}
	free(own);
}

static const char *day(int64_t s, char text[UTC_TEXT_LEN + 1])
{
	return utc_print((uint64_t)(s < 0 ? 0 : s) * NS_PER_S, text);
}

/* Whether our own certificate would do for a peer; what is wrong with it is wrong with us. */
static bool own_fits(const struct cert *c, int64_t now, char *why, size_t size)
{
	enum x509_result x = x509_check(c->trust, c->own->v, c->own->count, now);
	const char *where = c->files[CERT_CHAIN].where, *ca = c->files[CERT_AUTHORITY].where;
	const char *crl = c->files[CERT_CRL].where;
	char at[UTC_TEXT_LEN + 1], today[UTC_TEXT_LEN + 1];

	day(now, today);
	switch (x) {
	case X509_FINE:
		break;
	case X509_EXPIRED:
		snprintf(why, size,
			 "%s: expired, or an authority above it: its time ended %s, now it is %s; "
			 "`myelin ca sign` makes another",
			 where, day(x509_until(c->own->v[0]), at), today);
		return false;
	case X509_NOT_YET:
		snprintf(why, size,
			 "%s: not valid yet, or an authority above it, if this machine's clock is "
			 "right: now it is %s",
			 where, today);
		return false;
	case X509_IS_REVOKED:
		snprintf(why, size, "%s: revoked by %s; `myelin ca sign` makes another", where,
			 crl);
		return false;
	case X509_CRL_EXPIRED:
		snprintf(
			why, size,
			"%s: its time ended %s, now it is %s: nobody can tell who is revoked since; "
			"`myelin ca revoke` and every authority make a new one",
			crl, day(x509_trust_until(c->trust), at), today);
		return false;
	case X509_NO_ISSUER:
	case X509_BAD_SIGNATURE:
		snprintf(why, size,
			 "%s: not signed by the authority of %s: certificates in between belong "
			 "into the same file, behind this node's",
			 where, ca);
		return false;
	case X509_WRONG_USAGE:
		snprintf(
			why, size,
			"%s: not for IKE: key usage, if there, must have digitalSignature, extended "
			"key usage ipsecIKE, serverAuth or clientAuth",
			where);
		return false;
	default:
		snprintf(why, size,
			 "%s: %s: a chain to %s of strong keys and signatures is expected", where,
			 x509_result_name(x), ca);
		return false;
	}
	if (x509_names(c->own->v[0], X509_DNS, c->node, strlen(c->node)))
		return true;
	snprintf(why, size, "%s: does not name this node: the alternative name DNS:%s is expected",
		 where, c->node);
	return false;
}

static int64_t until(const struct cert *c)
{
	int64_t own = x509_until(c->own->v[0]), list = x509_trust_until(c->trust);

	return own < list ? own : list;
}

bool cert_judge(struct cert *c, int64_t now, struct cert_use *use, bool *changed, char *why,
		size_t size)
{
	const struct x509_trust *trust = c->trust;
	const struct own *own = c->own;
	bool was = c->good;
	char unfit[WHY_MAX] = "";

	if (!cert_complete(c)) {
		snprintf(why, size, "authority %s: its files are not read yet", c->authority);
		*changed = false;
		return false;
	}
	if (c->trust_fresh)
		trust_read(c, c->trust_why, sizeof(c->trust_why));
	if (c->own_fresh)
		own_read(c, c->own_why, sizeof(c->own_why));
	c->trust_fresh = c->own_fresh = false;
	c->good = c->trust && c->own && own_fits(c, now, unfit, sizeof(unfit));
	*changed = c->good != was || trust != c->trust || own != c->own;
	if (c->good)
		*use = (struct cert_use){c->trust, c->own->v, c->own->count, c->own->schemes,
					 until(c)};
	snprintf(why, size, "%s",
		 c->trust_why[0] ? c->trust_why
		 : c->own_why[0] ? c->own_why
				 : unfit);
	return c->good;
}
