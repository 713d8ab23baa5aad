/*
 * What AUTH proves (RFC 7296 §2.15): a shared secret, or a signature (RFC 7427, RFC 8420) with a
 * certificate whose chain ends at an anchor and that holds the identity.
 */
#include "key/ikev2/ikev2_i.h"

#include <errno.h>
#include <string.h>

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

int proof_scheme(const struct ike_sa *sa)
{
	for (int s = 0; s < SIGN_SCHEME_COUNT; s++)
		if (sa->peer->cfg.schemes & 1u << s &&
		    sa->peer_hashes & 1u << sign_scheme_hash((enum sign_scheme)s))
			return s;
	return -1;
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

static enum ikev2_result certificate(struct ike_sa *sa, const struct in *in, const struct peer *p,
				     const struct ikev2_id *id, struct x509_der *leaf)
{
	struct x509_der chain[X509_CHAIN_MAX];
	unsigned n = chain_of(in, chain);
	enum x509_result x = n ? x509_check(p->cfg.trust, chain, n, sa->e->env.wall(sa->e->env.ctx))
			       : X509_NO_ISSUER;
	char name[128], subject[128];

	if (x == X509_FINE) {
		*leaf = chain[0];
		if (id_in_certificate(id, chain[0]))
			return IKEV2_OK;
		log_limited(&sa->e->limit, LOG_LVL_WARN,
			    "ike %s: the certificate of %s does not hold the identity %s",
			    p->cfg.name, x509_text(chain[0], subject, sizeof(subject)),
			    id_text(id, name, sizeof(name)));
		return IKEV2_IDENTITY;
	}
	log_limited(&sa->e->limit, LOG_LVL_WARN, "ike %s: certificate of %s: %s", p->cfg.name,
		    n ? x509_text(chain[0], subject, sizeof(subject)) : "the peer (it sent none)",
		    x509_result_name(x));
	return IKEV2_CERTIFICATE;
}

static enum ikev2_result signature(struct ike_sa *sa, const struct in *in, const struct peer *p,
				   const struct ikev2_id *id, const struct secret *sk_p,
				   struct ike_bytes auth)
{
	struct rd r = rd_init(auth.p, auth.len);
	size_t n = rd_u8(&r);
	const uint8_t *algorithm = rd_bytes(&r, n);
	int scheme = algorithm ? sign_scheme_of(algorithm, n) : -1;
	uint8_t spki[2048];
	struct bytes octets = {0};
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
	    !sign_check(spki, spki_len, (enum sign_scheme)scheme, octets.b, octets.len, r.p,
			rd_left(&r)))
		result = IKEV2_OK;
	bytes_clear(&octets);
	return result;
}

enum ikev2_result proof_check(struct ike_sa *sa, const struct in *in, const struct peer *p,
			      const struct ikev2_id *id, const struct secret *sk_p, uint8_t method,
			      struct ike_bytes auth)
{
	size_t n = prf_len(keys_prf(&sa->suite));
	uint8_t want[PRF_MAX];
	bool good;

	if (p->cfg.auth == IKEV2_AUTH_CERT)
		return method == IKE_AUTH_SIGNATURE ? signature(sa, in, p, id, sk_p, auth)
						    : IKEV2_AUTHENTICATION;
	if (method != IKE_AUTH_PSK)
		return IKEV2_AUTHENTICATION;
	good = psk(sa, &p->cfg.psk, false, sk_p, id, want) && auth.len == n &&
	       secret_equal(want, auth.p, n);
	secret_wipe(want, sizeof(want));
	return good ? IKEV2_OK : IKEV2_AUTHENTICATION;
}
