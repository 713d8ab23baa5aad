/*
 * What AUTH proves (RFC 7296 §2.15): a shared secret, or a signature (RFC 7427, RFC 8420) with a
 * certificate whose chain ends at an anchor and that holds the identity.
 *
 * A peer that says nothing of RFC 7427 signs by the methods of before it, and where weaker
 * proposals are configured for it that is good enough: RSA with SHA-1, ECDSA on three curves. What
 * it says is part of what is signed, so nobody on the way can make it say nothing.
 */
#include "key/ikev2/ikev2_i.h"

#include <errno.h>
#include <string.h>

#define CERTS_KEPT_MAX 6144 /* bytes of a peer's certificates in a record */
#define KEY_PAD "Key Pad for IKEv2"

/* RealMessage, the other's nonce and MACedIDFor… of one side. */
struct octets {
	struct prf_piece v[3];
	uint8_t mac[PRF_MAX];
};

static bool octets(const struct ike_sa *sa, bool ours, const struct secret *sk_p,
		   const struct ikev2_id *id, struct octets *o)
{
	bool by_initiator = ours == sa->initiator;
	const struct bytes *msg = by_initiator ? &sa->init_i : &sa->init_r;
	const struct nonce *n = by_initiator ? &sa->nr : &sa->ni;
	uint8_t body[4 + IKEV2_ID_MAX];
	const struct prf_piece piece = {body, id_body(id, body)};

	o->v[0] = (struct prf_piece){msg->b, msg->len};
	o->v[1] = (struct prf_piece){n->b, n->len};
	o->v[2] = (struct prf_piece){o->mac, prf_len(keys_prf(&sa->suite))};
	return prf(keys_prf(&sa->suite), sk_p->b, sk_p->len, &piece, 1, o->mac) == 0;
}

static bool psk(const struct ike_sa *sa, const struct secret *key, bool ours,
		const struct secret *sk_p, const struct ikev2_id *id, uint8_t out[PRF_MAX])
{
	const struct prf_piece pad = {KEY_PAD, sizeof(KEY_PAD) - 1};
	enum prf_hash h = keys_prf(&sa->suite);
	uint8_t inner[PRF_MAX];
	struct octets o;
	bool ok;

	ok = octets(sa, ours, sk_p, id, &o) && !prf(h, key->b, key->len, &pad, 1, inner) &&
	     !prf(h, inner, prf_len(h), o.v, 3, out);
	secret_wipe(inner, sizeof(inner));
	return ok;
}

bool proof_psk(const struct ike_sa *sa, const struct secret *sk_p, uint8_t out[PRF_MAX])
{
	return psk(sa, &sa->peer->cfg.psk, true, sk_p, &sa->peer->cfg.local_id, out);
}

bool proof_octets(const struct ike_sa *sa, bool ours, const struct secret *sk_p,
		  const struct ikev2_id *id, struct bytes *out)
{
	uint8_t b[IKEV2_MESSAGE_MAX + IKE_NONCE_MAX + PRF_MAX];
	struct wr w = wr_init(b, sizeof(b));
	struct octets o;

	if (!octets(sa, ours, sk_p, id, &o))
		return false;
	for (unsigned i = 0; i < 3; i++)
		wr_bytes(&w, o.v[i].p, o.v[i].len);
	return !w.bad && bytes_set(out, b, wr_len(&w));
}

/* The methods of before RFC 7427, and what each signs with. */
static const struct {
	uint8_t method;
	uint8_t scheme; /* enum sign_scheme */
} old_methods[] = {
	{IKE_AUTH_ECDSA_256, SIGN_ECDSA_SHA2_256},
	{IKE_AUTH_ECDSA_384, SIGN_ECDSA_SHA2_384},
	{IKE_AUTH_ECDSA_521, SIGN_ECDSA_SHA2_512},
	{IKE_AUTH_RSA, SIGN_RSA_PKCS1_SHA1},
};

#define OLD_METHODS (sizeof(old_methods) / sizeof(old_methods[0]))

bool proof_old(const struct ike_sa *sa, const struct ikev2_peer *p)
{
	return !sa->peer_hashes && p->strength == IKEV2_COMPATIBLE;
}

int proof_scheme(const struct ike_sa *sa)
{
	const struct ikev2_peer *p = &sa->peer->cfg;

	for (size_t i = 0; i < OLD_METHODS && proof_old(sa, p); i++)
		if (p->schemes & 1u << old_methods[i].scheme)
			return old_methods[i].scheme;
	for (int s = 0; s < SIGN_SCHEME_COUNT; s++)
		if (p->schemes & 1u << s &&
		    sa->peer_hashes & 1u << sign_scheme_hash((enum sign_scheme)s))
			return s;
	return -1;
}

uint8_t proof_method(const struct ike_sa *sa)
{
	if (sa->peer->cfg.auth == IKEV2_AUTH_PSK)
		return IKE_AUTH_PSK;
	for (size_t i = 0; i < OLD_METHODS && proof_old(sa, &sa->peer->cfg); i++)
		if (sa->sign_scheme == old_methods[i].scheme)
			return old_methods[i].method;
	return IKE_AUTH_SIGNATURE;
}

/* The peer's certificates: the first is its own. */
static unsigned chain_of(const struct in *in, struct x509_der chain[X509_CHAIN_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < in->c->count && n < X509_CHAIN_MAX; i++)
		if (in->c->v[i].type == IKE_PL_CERT &&
		    in->c->v[i].cert.encoding == IKE_CERT_X509_SIGNATURE)
			chain[n++] = (struct x509_der){in->c->v[i].cert.data.p,
						       in->c->v[i].cert.data.len};
	return n;
}

/* Keeps them, unless a record would have no room for them. */
static void chain_keep(struct ike_sa *sa, const struct x509_der *chain, unsigned n)
{
	uint8_t b[CERTS_KEPT_MAX];
	struct wr w = wr_init(b, sizeof(b));

	for (unsigned i = 0; i < n; i++) {
		wr_u16(&w, (uint16_t)chain[i].len);
		wr_bytes(&w, chain[i].p, chain[i].len);
	}
	bytes_clear(&sa->certs);
	if (!w.bad)
		(void)bytes_set(&sa->certs, b, wr_len(&w));
}

void proof_again(struct ike_sa *sa, uint64_t now)
{
	struct rd r = rd_init(sa->certs.b, sa->certs.len);
	struct x509_der chain[X509_CHAIN_MAX];
	struct ikev2 *e = sa->e;
	char subject[128];
	unsigned n = 0;

	if (sa->state != ST_UP || sa->want_close || !sa->peer || !sa->certs.len ||
	    sa->peer->cfg.auth != IKEV2_AUTH_CERT)
		return;
	while (rd_left(&r) && n < X509_CHAIN_MAX) {
		chain[n].len = rd_u16(&r);
		chain[n].p = rd_bytes(&r, chain[n].len);
		n++;
	}
	/* Time alone is left to the next authentication, as is a list of which it is over. */
	if (r.bad ||
	    x509_check(sa->peer->cfg.trust, chain, n, e->env.wall(e->env.ctx)) != X509_IS_REVOKED)
		return;
	tell_trouble(e, sa->peer, IKEV2_EV_AUTH_FAILED, now,
		     "certificate of %s: revoked: its SAs are closed",
		     x509_text(chain[0], subject, sizeof(subject)));
	sa->want_close = sa->dirty = true;
	e->timed = false;
}

static enum ikev2_result certificate(struct ike_sa *sa, const struct in *in, struct peer *p,
				     const struct ikev2_id *id, struct x509_der *leaf)
{
	struct x509_der chain[X509_CHAIN_MAX];
	unsigned n = chain_of(in, chain);
	enum x509_result x = n ? x509_check(p->cfg.trust, chain, n, sa->e->env.wall(sa->e->env.ctx))
			       : X509_NO_ISSUER;
	char name[128], subject[128];

	if (x == X509_FINE) {
		*leaf = chain[0];
		if (id_in_certificate(id, chain[0])) {
			chain_keep(sa, chain, n);
			return IKEV2_OK;
		}
		sa->explained = true;
		tell_trouble(sa->e, p, IKEV2_EV_AUTH_FAILED, in->now,
			     "the certificate of %s does not hold the identity %s",
			     x509_text(chain[0], subject, sizeof(subject)),
			     ikev2_id_text(id, name, sizeof(name)));
		return IKEV2_IDENTITY;
	}
	sa->explained = true;
	tell_trouble(sa->e, p, IKEV2_EV_AUTH_FAILED, in->now, "certificate of %s: %s",
		     n ? x509_text(chain[0], subject, sizeof(subject)) : "the peer (it sent none)",
		     x509_result_name(x));
	return IKEV2_CERTIFICATE;
}

/* The scheme of an AUTH payload and its signature, as sign_check() has it; der: room for it. -1:
 * none that the peer may use. */
static int scheme_of(const struct ike_sa *sa, const struct peer *p, uint8_t method,
		     struct ike_bytes auth, uint8_t der[SIGN_MAX], struct ike_bytes *sig)
{
	struct rd r = rd_init(auth.p, auth.len);
	const uint8_t *algorithm;
	size_t n;

	*sig = auth;
	if (method == IKE_AUTH_SIGNATURE) {
		n = rd_u8(&r);
		algorithm = rd_bytes(&r, n);
		*sig = (struct ike_bytes){r.p, rd_left(&r)};
		return algorithm ? sign_scheme_of(algorithm, n) : -1;
	}
	for (size_t i = 0; i < OLD_METHODS && proof_old(sa, &p->cfg); i++) {
		if (old_methods[i].method != method)
			continue;
		if (method != IKE_AUTH_RSA)
			*sig = (struct ike_bytes){der, sign_ecdsa_der(old_methods[i].scheme, auth.p,
								      auth.len, der, SIGN_MAX)};
		return old_methods[i].scheme;
	}
	return -1;
}

static enum ikev2_result signature(struct ike_sa *sa, const struct in *in, struct peer *p,
				   const struct ikev2_id *id, const struct secret *sk_p,
				   uint8_t method, struct ike_bytes auth)
{
	uint8_t der[SIGN_MAX], spki[2048];
	struct bytes octets = {0};
	struct ike_bytes sig;
	int scheme = scheme_of(sa, p, method, auth, der, &sig);
	struct x509_der leaf;
	enum ikev2_result result;
	size_t spki_len;

	if (scheme < 0)
		return IKEV2_AUTHENTICATION;
	result = certificate(sa, in, p, id, &leaf);
	if (result)
		return result;
	spki_len = x509_public(leaf, spki, sizeof(spki));
	result = IKEV2_AUTHENTICATION;
	if (proof_octets(sa, false, sk_p, id, &octets) &&
	    !sign_check(spki, spki_len, (enum sign_scheme)scheme, octets.b, octets.len, sig.p,
			sig.len))
		result = IKEV2_OK;
	bytes_clear(&octets);
	return result;
}

enum ikev2_result proof_check(struct ike_sa *sa, const struct in *in, struct peer *p,
			      const struct ikev2_id *id, const struct secret *sk_p, uint8_t method,
			      struct ike_bytes auth)
{
	size_t n = prf_len(keys_prf(&sa->suite));
	uint8_t want[PRF_MAX];
	bool good;

	if (p->cfg.auth == IKEV2_AUTH_CERT)
		return signature(sa, in, p, id, sk_p, method, auth);
	if (method != IKE_AUTH_PSK)
		return IKEV2_AUTHENTICATION;
	good = psk(sa, &p->cfg.psk, false, sk_p, id, want) && auth.len == n &&
	       secret_equal(want, auth.p, n);
	secret_wipe(want, sizeof(want));
	return good ? IKEV2_OK : IKEV2_AUTHENTICATION;
}
