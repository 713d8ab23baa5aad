/*
 * IKE_SA_INIT (RFC 7296 §1.2), both sides. Nothing in it is authenticated until IKE_AUTH, so a
 * responder keeps nothing of a request it refuses, and an initiator believes refusals only as far
 * as it must: COOKIE and INVALID_KE_PAYLOAD make it ask again, a bounded number of times; any
 * other error is remembered as the likely reason should no better answer come.
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

#define TRIES_INIT 6
#define HASHES                                                                                     \
	(1u << IKE_HASH_SHA2_256 | 1u << IKE_HASH_SHA2_384 | 1u << IKE_HASH_SHA2_512 |             \
	 1u << IKE_HASH_IDENTITY)

static void put_hashes(struct out *o)
{
	uint8_t b[8];
	struct wr w = wr_init(b, sizeof(b));

	for (unsigned h = IKE_HASH_SHA2_256; h <= IKE_HASH_IDENTITY; h++)
		wr_u16(&w, (uint16_t)h);
	ike_put_notify(&o->o, IKE_N_SIGNATURE_HASHES, b, wr_len(&w));
}

static void put_ke(struct out *o, uint16_t group, const uint8_t *value)
{
	ike_put(&o->o,
		&(struct ike_payload){
			.type = IKE_PL_KE,
			.ke = {group, {value, dh_public_len((enum dh_group)keys_group(group))}},
		});
}

/* A chain as a message in clear; it is what AUTH will be about. */
static bool clear_message(struct ike_sa *sa, struct out *o, uint8_t flags, struct bytes *kept)
{
	uint8_t msg[IKEV2_MESSAGE_MAX];
	size_t len = IKE_HEAD_LEN + wr_len(&o->w) - 1;
	struct wr w = wr_init(msg, sizeof(msg));
	struct ike_head h = {
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.next = o->b[0],
		.version = IKE_VERSION,
		.exchange = IKE_SA_INIT,
		.flags = flags,
		.len = (uint32_t)len,
	};

	ike_head_build(&h, &w);
	wr_bytes(&w, o->b + 1, wr_len(&o->w) - 1);
	return !w.bad && !o->w.bad && bytes_set(kept, msg, wr_len(&w));
}

static bool ask(struct ike_sa *sa, uint64_t now)
{
	const struct ikev2_peer *p = &sa->peer->cfg;
	uint8_t value[DH_PUBLIC_MAX];
	const struct ike_proposal *v;
	struct out o;
	unsigned n;

	v = offer_ike(p, &n);
	out_init(&o);
	if (sa->cookie.len)
		ike_put_notify(&o.o, IKE_N_COOKIE, sa->cookie.b, sa->cookie.len);
	offer_put(&o, v, n, NULL, 0, sa->group, true);
	if (dh_public(&sa->dh, value))
		return false;
	put_ke(&o, sa->group, value);
	ike_put_bytes(&o.o, IKE_PL_NONCE, sa->ni.b, sa->ni.len);
	natd_put(sa, &o, p->encap);
	ike_put_notify(&o.o, IKE_N_FRAGMENTATION, NULL, 0);
	put_hashes(&o);
	if (p->ppk_id.type)
		ike_put_notify(&o.o, IKE_N_USE_PPK, NULL, 0);
	if (!clear_message(sa, &o, IKE_FLAG_INITIATOR, &sa->init_i))
		return false;
	message_clear(sa, sa->init_i.b, sa->init_i.len, now);
	return true;
}

static bool set_group(struct ike_sa *sa, uint16_t group)
{
	int g = keys_group(group);

	if (g < 0)
		return false;
	sa->group = group;
	sa->groups_tried |= 1u << g;
	return !dh_make(&sa->dh, (enum dh_group)g, sa->e->env.random, sa->e->env.ctx);
}

struct ike_sa *init_start(struct ikev2 *e, struct peer *p, uint64_t now)
{
	const struct ike_proposal *v;
	struct ike_sa *sa;
	unsigned n;

	v = offer_ike(&p->cfg, &n);
	sa = p->cfg.local.family ? sa_new(e, p, true, now) : NULL;
	if (!sa)
		return NULL;
	sa->local = p->cfg.local;
	sa->local.port = sa->local.port ? sa->local.port : e->cfg.port;
	sa->remote = p->cfg.remote;
	sa->remote.port = sa->remote.port ? sa->remote.port : IKEV2_PORT;
	sa->spi_i = spi_fresh(e);
	sa_index(sa);
	sa_state(sa, ST_INIT_SENT, now);
	nonce_make(e, &sa->ni);
	if (set_group(sa, select_first_group(v, n)) && ask(sa, now))
		return sa;
	sa_lost(sa, "IKE_SA_INIT could not be made", now);
	return NULL;
}

static bool told(const struct in *in, uint16_t type)
{
	return ike_find_notify(in->c, type) != NULL;
}

/* What the peer says it can, in either direction. */
static void take_abilities(struct ike_sa *sa, const struct in *in, bool ppk_here)
{
	const struct ike_notify *n = ike_find_notify(in->c, IKE_N_SIGNATURE_HASHES);
	struct rd r = rd_init(n ? n->data.p : (const uint8_t *)"", n ? n->data.len : 0);

	while (rd_left(&r) >= 2) {
		uint16_t h = rd_u16(&r);

		if (h < 16)
			sa->peer_hashes |= (uint16_t)(1u << h & HASHES);
	}
	sa->fragment = told(in, IKE_N_FRAGMENTATION);
	sa->use_ppk = ppk_here && told(in, IKE_N_USE_PPK);
	sa->peer_childless = told(in, IKE_N_CHILDLESS);
	natd_check(sa, in);
}

/* An answer without an SA: do we ask again? */
static enum ikev2_result ask_again(struct ike_sa *sa, struct in *in)
{
	const struct ike_notify *cookie = ike_find_notify(in->c, IKE_N_COOKIE);
	const struct ike_notify *ke = ike_find_notify(in->c, IKE_N_INVALID_KE);
	const struct ike_proposal *v;
	char why[IKEV2_TROUBLE_MAX - 64];
	unsigned n;

	v = offer_ike(&sa->peer->cfg, &n);
	if (cookie && cookie->data.len && cookie->data.len <= 64 && sa->tries_init < TRIES_INIT) {
		if (!bytes_set(&sa->cookie, cookie->data.p, cookie->data.len))
			return IKEV2_LIMIT;
	} else if (ke && ke->data.len == 2 && sa->tries_init < TRIES_INIT) {
		uint16_t group = (uint16_t)(ke->data.p[0] << 8 | ke->data.p[1]);
		int g = keys_group(group);

		if (g < 0 || !select_has_group(v, n, group) || sa->groups_tried & 1u << g)
			return IKEV2_REFUSED_CLEAR;
		if (!set_group(sa, group))
			return IKEV2_LIMIT;
	} else {
		for (unsigned i = 0; i < in->c->count; i++)
			if (in->c->v[i].type == IKE_PL_NOTIFY &&
			    in->c->v[i].notify.type < IKE_N_STATUS)
				sa->refused = in->c->v[i].notify.type;
		if (sa->refused)
			tell_trouble(sa->e, sa->peer,
				     sa->refused == IKE_N_NO_PROPOSAL ? IKEV2_EV_NO_PROPOSAL
								      : IKEV2_EV_TROUBLE,
				     in->now, "said in clear: %s",
				     refusal_text(sa, sa->refused, false, why, sizeof(why)));
		return IKEV2_REFUSED_CLEAR;
	}
	sa->tries_init++;
	message_done(sa);
	return ask(sa, in->now) ? ke ? IKEV2_GROUP : IKEV2_COOKIE_ASKED : IKEV2_LIMIT;
}

static void float_ports(struct ike_sa *sa)
{
	if (!sa->encap)
		return;
	sa->local.port = sa->e->cfg.port_nat;
	sa->remote.port =
		sa->remote.port == sa->e->cfg.port ? sa->e->cfg.port_nat : sa->remote.port;
}

enum ikev2_result init_response(struct ike_sa *sa, struct in *in)
{
	const struct ike_payload *body = ike_find(in->c, IKE_PL_SA), *ke, *nonce;
	const struct ike_proposal *v;
	uint8_t shared[DH_PUBLIC_MAX];
	struct chosen c;
	unsigned n;
	int err;

	if (!body)
		return ask_again(sa, in);
	ke = ike_find(in->c, IKE_PL_KE);
	nonce = ike_find(in->c, IKE_PL_NONCE);
	v = offer_ike(&sa->peer->cfg, &n);
	if (!in->h->spi_r || !select_is_choice(body->body) ||
	    !select_proposal(v, n, body->body, IKE_PROTO_IKE, 0, true, &c))
		return IKEV2_NO_PROPOSAL;
	if (ke->ke.group != sa->group || c.id[IKE_T_DH] != sa->group)
		return IKEV2_GROUP;
	err = dh_shared(&sa->dh, ke->ke.data.p, ke->ke.data.len, shared);
	if (err)
		return IKEV2_KEY_EXCHANGE;
	sa->suite = select_suite(&c);
	sa->spi_r = in->h->spi_r;
	sa->nr.len = (uint16_t)nonce->body.len;
	memcpy(sa->nr.b, nonce->body.p, nonce->body.len);
	nonce_low(&sa->low, &sa->ni, &sa->nr);
	err = keys_init(sa, shared, dh_shared_len(sa->dh.group));
	secret_wipe(shared, sizeof(shared));
	secret_wipe(&sa->dh, sizeof(sa->dh));
	if (err || !bytes_set(&sa->init_r, in->msg, in->len))
		return IKEV2_LIMIT;
	keys_log(sa);
	take_abilities(sa, in, sa->peer->cfg.ppk_id.type != 0);
	float_ports(sa);
	message_done(sa);
	auth_start(sa, in->now);
	return IKEV2_OK;
}

/* A stateless answer in clear with one notification. */
static void refuse(struct ikev2 *e, const struct in *in, uint16_t type, const void *data,
		   size_t len)
{
	uint8_t msg[64];
	struct wr w = wr_init(msg, sizeof(msg));
	struct ike_head h = {
		.spi_i = in->h->spi_i,
		.version = IKE_VERSION,
		.exchange = IKE_SA_INIT,
		.flags = IKE_FLAG_RESPONSE,
		.len = (uint32_t)(IKE_HEAD_LEN + IKE_PAYLOAD_HEAD + 4 + len),
	};
	struct ike_out o;

	ike_head_build(&h, &w);
	o = ike_out_init(&w, 16);
	ike_put_notify(&o, type, data, len);
	message_send(e, in->local, in->remote, msg, wr_len(&w));
}

/* The peer at these addresses that takes one of the proposals. */
static enum ikev2_result find_peer(struct ikev2 *e, const struct in *in, struct peer **found,
				   struct chosen *c)
{
	struct ike_bytes body = ike_find(in->c, IKE_PL_SA)->body;
	const struct ike_proposal *v = NULL;
	struct peer *near = NULL;
	char why[1024], text[64];
	unsigned n;

	for (struct peer *p = e->peers; p; p = p->next) {
		if (p->held || !peer_at(p, in->local, in->remote))
			continue;
		v = offer_ike(&p->cfg, &n);
		near = near ? near : p;
		*found = p;
		if (select_proposal(v, n, body, IKE_PROTO_IKE, 0, true, c))
			return IKEV2_OK;
	}
	if (!near)
		return IKEV2_NO_PEER;
	v = offer_ike(&near->cfg, &n);
	select_explain(v, n, body, why, sizeof(why));
	tell_trouble(e, near, IKEV2_EV_NO_PROPOSAL, in->now, "IKE_SA_INIT from %s is refused: %s",
		     end_text(in->remote, text, sizeof(text)), why);
	refuse(e, in, IKE_N_NO_PROPOSAL, NULL, 0);
	return IKEV2_NO_PROPOSAL;
}

/* The half-open IKE SA that this request made already, or that has its SPI. */
static struct ike_sa *made_by(struct ikev2 *e, const struct in *in)
{
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (!sa->initiator && sa->spi_i == in->h->spi_i &&
		    end_same(&sa->remote, in->remote) && sa->remote.port == in->remote->port)
			return sa;
	return NULL;
}

static bool answer(struct ike_sa *sa, const struct peer *p, const struct chosen *c, struct in *in)
{
	uint8_t hashes[X509_CA_MAX][X509_CA_HASH_LEN], value[DH_PUBLIC_MAX];
	struct out o;
	unsigned n;

	out_init(&o);
	select_put_chosen(&o, c, IKE_PROTO_IKE, NULL, 0);
	if (dh_public(&sa->dh, value))
		return false;
	put_ke(&o, sa->suite.group, value);
	ike_put_bytes(&o.o, IKE_PL_NONCE, sa->nr.b, sa->nr.len);
	natd_put(sa, &o, p->cfg.encap);
	ike_put_notify(&o.o, IKE_N_FRAGMENTATION, NULL, 0);
	put_hashes(&o);
	ike_put_notify(&o.o, IKE_N_CHILDLESS, NULL, 0);
	if (sa->use_ppk)
		ike_put_notify(&o.o, IKE_N_USE_PPK, NULL, 0);
	if (p->cfg.auth == IKEV2_AUTH_CERT) {
		n = x509_trust_hashes(p->cfg.trust, hashes, X509_CA_MAX);
		ike_put(&o.o, &(struct ike_payload){
				      .type = IKE_PL_CERTREQ,
				      .cert = {IKE_CERT_X509_SIGNATURE,
					       {hashes[0], (size_t)n * X509_CA_HASH_LEN}},
			      });
	}
	if (!clear_message(sa, &o, IKE_FLAG_RESPONSE, &sa->init_r))
		return false;
	message_clear(sa, sa->init_r.b, sa->init_r.len, in->now);
	return true;
}

/* A half-open SA for a request that is in order. */
static enum ikev2_result open_half(struct ikev2 *e, struct in *in, const struct peer *p,
				   const struct chosen *c)
{
	const struct ike_payload *ke = ike_find(in->c, IKE_PL_KE), *ni;
	struct ike_sa *sa = sa_new(e, NULL, false, in->now);

	if (!sa)
		return IKEV2_LIMIT;
	ni = ike_find(in->c, IKE_PL_NONCE);
	sa->local = *in->local;
	sa->remote = *in->remote;
	sa->spi_i = in->h->spi_i;
	sa->spi_r = spi_fresh(e);
	sa->suite = select_suite(c);
	sa_index(sa);
	sa_state(sa, ST_HALF_OPEN, in->now);
	sa->their_id = 1;
	sa->ni.len = (uint16_t)ni->body.len;
	memcpy(sa->ni.b, ni->body.p, ni->body.len);
	nonce_make(e, &sa->nr);
	nonce_low(&sa->low, &sa->ni, &sa->nr);
	memcpy(sa->their_ke, ke->ke.data.p, ke->ke.data.len);
	take_abilities(sa, in, p->cfg.ppk_id.type != 0);
	sa->encap |= p->cfg.encap && ike_find_notify(in->c, IKE_N_NAT_SOURCE);
	if (dh_make(&sa->dh, (enum dh_group)keys_group(c->id[IKE_T_DH]), e->env.random,
		    e->env.ctx) ||
	    !bytes_set(&sa->init_i, in->msg, in->len) || !answer(sa, p, c, in)) {
		sa_state(sa, ST_CLOSED, in->now);
		sa->close_at = in->now;
		return IKEV2_LIMIT;
	}
	return IKEV2_OK;
}

enum ikev2_result init_request(struct ikev2 *e, struct in *in)
{
	const struct ike_payload *ke = ike_find(in->c, IKE_PL_KE);
	struct ike_sa *sa = made_by(e, in);
	enum ikev2_result r;
	struct chosen c;
	struct peer *p = NULL;
	int group;

	if (sa) {
		if (sa->state != ST_HALF_OPEN || sa->init_i.len != in->len ||
		    memcmp(sa->init_i.b, in->msg, in->len) != 0)
			return IKEV2_WINDOW;
		message_answer_again(sa, in->now);
		return IKEV2_RETRANSMIT;
	}
	r = cookie_check(e, in);
	r = r ? r : find_peer(e, in, &p, &c);
	if (r)
		return r;
	group = keys_group(c.id[IKE_T_DH]);
	if (ke->ke.group != c.id[IKE_T_DH]) {
		const uint8_t want[2] = {0, (uint8_t)c.id[IKE_T_DH]};

		refuse(e, in, IKE_N_INVALID_KE, want, sizeof(want));
		return IKEV2_GROUP;
	}
	if (group < 0 || ke->ke.data.len != dh_public_len((enum dh_group)group))
		return IKEV2_KEY_EXCHANGE;
	return open_half(e, in, p, &c);
}
