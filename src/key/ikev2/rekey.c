/*
 * CREATE_CHILD_SA for the IKE SA itself (RFC 7296 §1.3.2, §2.18), and when both ends do it at once
 * (§2.8.1, §2.25.2): as for children, the exchange with the lowest of the four nonces made the one
 * too many. Children go over to the one that stays.
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

static bool put_payloads(struct out *o, const struct nonce *n, const struct dh_key *dh,
			 uint16_t group)
{
	uint8_t value[DH_PUBLIC_MAX];

	ike_put_bytes(&o->o, IKE_PL_NONCE, n->b, n->len);
	if (dh_public(dh, value))
		return false;
	ike_put(&o->o, &(struct ike_payload){
			       .type = IKE_PL_KE,
			       .ke = {group, {value, dh_public_len(dh->group)}},
		       });
	return true;
}

void rekey_start(struct ike_sa *sa, uint64_t now)
{
	const struct ike_proposal *v;
	struct out o;
	struct wr w;
	uint8_t spi[IKE_SPI_LEN];
	unsigned n;
	int g = keys_group(sa->suite.group);

	sa->want_rekey = false;
	v = offer_ike(&sa->peer->cfg, &n);
	nonce_make(sa->e, &sa->req.nonce);
	sa->req.spi = spi_fresh(sa->e);
	sa->req.collided = false;
	w = wr_init(spi, sizeof(spi));
	wr_u64(&w, sa->req.spi);
	out_init(&o);
	offer_put(&o, v, n, spi, sizeof(spi), sa->suite.group, true);
	if (g < 0 || dh_make(&sa->req.dh, (enum dh_group)g, sa->e->env.random, sa->e->env.ctx) ||
	    !put_payloads(&o, &sa->req.nonce, &sa->req.dh, sa->suite.group)) {
		sa->again_at = now + AGAIN_MOST;
		sa->want_rekey = true;
		return;
	}
	message_request(sa, IKE_CREATE_CHILD_SA, EX_IKE_REKEY, &o, now);
}

static uint64_t spi_of(const struct chosen *c)
{
	struct rd r = rd_init(c->spi, IKE_SPI_LEN);

	return rd_u64(&r);
}

/* The successor of an IKE SA, keys and all; no children yet. */
static struct ike_sa *successor(struct ike_sa *old, bool initiator, uint64_t spi_i, uint64_t spi_r,
				const struct chosen *c, const struct nonce *ni,
				const struct nonce *nr, const uint8_t *shared, size_t len,
				uint64_t now)
{
	struct ike_sa *sa = sa_new(old->e, old->peer, initiator, now);

	if (!sa)
		return NULL;
	sa->spi_i = spi_i;
	sa->spi_r = spi_r;
	sa_index(sa);
	sa->local = old->local;
	sa->remote = old->remote;
	sa->nat_local = old->nat_local;
	sa->nat_remote = old->nat_remote;
	sa->encap = old->encap;
	sa->fragment = old->fragment;
	sa->peer_childless = old->peer_childless;
	sa->peer_hashes = old->peer_hashes;
	sa->ppk = old->ppk;
	sa->remote_id = old->remote_id;
	sa->auth_method = old->auth_method;
	sa->group_until = old->group_until;
	sa->want_group = old->want_group;
	sa->want_inband = old->want_inband;
	sa->report = old->report;
	sa->report_error = old->report_error;
	/* Without memory for it, a revocation is noticed at the next authentication. */
	(void)bytes_set(&sa->certs, old->certs.b, old->certs.len);
	sa->suite = select_suite(c);
	sa->ni = *ni;
	sa->nr = *nr;
	nonce_low(&sa->low, ni, nr);
	sa_up(sa, now);
	sa->reauth_at = old->reauth_at;
	if (keys_rekey(sa, old, shared, len)) {
		sa_state(sa, ST_CLOSED, now);
		sa->close_at = now;
		return NULL;
	}
	keys_log(sa);
	return sa;
}

static void move_children(struct ike_sa *to, struct ike_sa *from)
{
	struct child_sa **end = &to->children;

	while (*end)
		end = &(*end)->next;
	*end = from->children;
	to->child_count += from->child_count;
	from->children = NULL;
	from->child_count = 0;
	to->want_child |= from->want_child;
	from->want_child = false;
	to->dirty = from->dirty = true;
	to->e->timed = false;
}

static void replaced(struct ike_sa *old, uint64_t now)
{
	sa_state(old, ST_REPLACED, now);
	old->want_rekey = old->want_dpd = false;
	old->reauth_at = old->rekey_at = IKEV2_NEVER;
	old->e->stats.rekeys++;
	tell_event(old, IKEV2_EV_REKEYED, "IKE SA rekeyed");
}

/* Ours is answered: which of the two stays. */
static void decide(struct ike_sa *sa, struct ike_sa *ours, uint64_t now)
{
	struct ike_sa *other = sa->req.collided ? ike_sa_find(sa->e, sa->req.other) : NULL;

	if (other && other->state != ST_UP)
		other = NULL;
	if (other && nonce_cmp(&ours->low, &sa->req.other_nonce) < 0) {
		move_children(other, sa);
		ours->want_close = ours->dirty = true; /* the peer closes the old one */
		message_done(sa);
		replaced(sa, now);
		return;
	}
	move_children(ours, sa);
	message_done(sa);
	replaced(sa, now);
	sa->want_close = true;
	if (other) { /* the peer closes it; should it not know it, we do */
		sa_state(other, ST_REPLACED, now);
		other->close_at = now + SURPLUS_NS;
	}
}

void rekey_settle(struct ike_sa *sa, uint64_t now)
{
	struct ike_sa *other = sa->req.kind == EX_IKE_REKEY && sa->req.collided
				       ? ike_sa_find(sa->e, sa->req.other)
				       : NULL;

	if (other && other->state == ST_UP) {
		move_children(other, sa);
		message_done(sa);
		replaced(sa, now);
	}
}

static enum ikev2_result refused(struct ike_sa *sa, const struct in *in)
{
	char why[IKEV2_TROUBLE_MAX - 64];
	uint16_t type = 0;

	for (unsigned i = 0; i < in->c->count; i++)
		if (in->c->v[i].type == IKE_PL_NOTIFY && in->c->v[i].notify.type < IKE_N_STATUS)
			type = in->c->v[i].notify.type;
	if (sa->req.collided) {
		rekey_settle(sa, in->now);
	} else {
		bool later = type == IKE_N_TEMPORARY_FAILURE;

		if (!later)
			tell_event(sa, IKEV2_EV_TROUBLE, "rekeying the IKE SA: %s",
				   refusal_text(sa, type, false, why, sizeof(why)));
		sa->want_rekey = true;
		sa->again_at =
			in->now + (later ? NS_PER_S + jitter(sa->e, 4 * NS_PER_S) : AGAIN_MOST);
	}
	message_done(sa);
	return IKEV2_REFUSED;
}

enum ikev2_result rekey_response(struct ike_sa *sa, struct in *in)
{
	const struct ike_payload *body = ike_find(in->c, IKE_PL_SA), *ke, *n;
	const struct ike_proposal *v;
	uint8_t shared[DH_PUBLIC_MAX];
	struct ike_sa *fresh = NULL;
	struct nonce nr;
	struct chosen c;
	unsigned count;

	if (!body)
		return refused(sa, in);
	ke = ike_find(in->c, IKE_PL_KE);
	n = ike_find(in->c, IKE_PL_NONCE);
	v = offer_ike(&sa->peer->cfg, &count);
	if (select_is_choice(body->body) &&
	    select_proposal(v, count, body->body, IKE_PROTO_IKE, IKE_SPI_LEN, true, &c) &&
	    spi_of(&c) && ke && keys_group(c.id[IKE_T_DH]) == sa->req.dh.group &&
	    ke->ke.group == c.id[IKE_T_DH] &&
	    !dh_shared(&sa->req.dh, ke->ke.data.p, ke->ke.data.len, shared)) {
		nr.len = (uint16_t)n->body.len;
		memcpy(nr.b, n->body.p, nr.len);
		fresh = successor(sa, true, sa->req.spi, spi_of(&c), &c, &sa->req.nonce, &nr,
				  shared, dh_shared_len(sa->req.dh.group), in->now);
		secret_wipe(shared, sizeof(shared));
	}
	if (!fresh) {
		tell_event(sa, IKEV2_EV_TROUBLE,
			   "rekeying the IKE SA: what the peer made is not what was asked for");
		message_done(sa);
		sa->want_close = true;
		return IKEV2_NO_PROPOSAL;
	}
	decide(sa, fresh, in->now);
	return IKEV2_OK;
}

static enum ikev2_result refuse(struct ike_sa *sa, const struct in *in, uint16_t type,
				const void *data, size_t len, enum ikev2_result r)
{
	message_answer_notify(sa, IKE_CREATE_CHILD_SA, in->h->id, type, data, len, in->now);
	return r;
}

/* What is under way of ours that a rekeying must not come across (§2.25.1, §2.25.2). */
static bool busy(const struct ike_sa *sa)
{
	switch (sa->req.kind) {
	case EX_CHILD_NEW:
	case EX_CHILD_REKEY:
	case EX_DELETE_CHILD:
	case EX_DELETE_IKE:
		return true;
	default:
		return sa->state != ST_UP || sa->want_close || sa->req.collided;
	}
}

static bool grant(struct ike_sa *sa, struct in *in, const struct chosen *c)
{
	const struct ike_payload *ke = ike_find(in->c, IKE_PL_KE), *n;
	uint8_t shared[DH_PUBLIC_MAX], spi[IKE_SPI_LEN];
	enum dh_group g = (enum dh_group)keys_group(c->id[IKE_T_DH]);
	struct wr w = wr_init(spi, sizeof(spi));
	struct nonce ni, nr;
	struct ike_sa *fresh = NULL;
	struct dh_key dh;
	struct out o;

	n = ike_find(in->c, IKE_PL_NONCE);
	ni.len = (uint16_t)n->body.len;
	memcpy(ni.b, n->body.p, ni.len);
	nonce_make(sa->e, &nr);
	wr_u64(&w, spi_fresh(sa->e));
	out_init(&o);
	select_put_chosen(&o, c, IKE_PROTO_IKE, spi, sizeof(spi));
	if (!dh_make(&dh, g, sa->e->env.random, sa->e->env.ctx) &&
	    !dh_shared(&dh, ke->ke.data.p, ke->ke.data.len, shared) &&
	    put_payloads(&o, &nr, &dh, c->id[IKE_T_DH])) {
		struct rd r = rd_init(spi, sizeof(spi));

		fresh = successor(sa, false, spi_of(c), rd_u64(&r), c, &ni, &nr, shared,
				  dh_shared_len(g), in->now);
	}
	secret_wipe(shared, sizeof(shared));
	secret_wipe(&dh, sizeof(dh));
	if (!fresh)
		return false;
	message_answer(sa, IKE_CREATE_CHILD_SA, in->h->id, &o, in->now);
	if (sa->req.kind == EX_IKE_REKEY) {
		sa->req.collided = !faulty(sa->e, IKEV2_FAULT_NO_COLLISION);
		sa->req.other = sa_spi(fresh);
		sa->req.other_nonce = fresh->low;
	} else {
		move_children(fresh, sa);
		replaced(sa, in->now);
	}
	return true;
}

enum ikev2_result rekey_request(struct ike_sa *sa, struct in *in)
{
	const struct ike_payload *ke = ike_find(in->c, IKE_PL_KE);
	char why[IKEV2_TROUBLE_MAX - 64];
	const struct ike_proposal *v;
	struct chosen c;
	unsigned n;

	if (busy(sa))
		return refuse(sa, in, IKE_N_TEMPORARY_FAILURE, NULL, 0, IKEV2_TEMPORARY);
	v = offer_ike(&sa->peer->cfg, &n);
	if (!select_proposal(v, n, ike_find(in->c, IKE_PL_SA)->body, IKE_PROTO_IKE, IKE_SPI_LEN,
			     true, &c) ||
	    !spi_of(&c)) {
		select_explain(v, n, ike_find(in->c, IKE_PL_SA)->body, why, sizeof(why));
		tell_trouble(sa->e, sa->peer, IKEV2_EV_NO_PROPOSAL, in->now,
			     "rekeying the IKE SA is refused: %s", why);
		return refuse(sa, in, IKE_N_NO_PROPOSAL, NULL, 0, IKEV2_NO_PROPOSAL);
	}
	if (ke->ke.group != c.id[IKE_T_DH]) {
		const uint8_t want[2] = {0, (uint8_t)c.id[IKE_T_DH]};

		return refuse(sa, in, IKE_N_INVALID_KE, want, 2, IKEV2_GROUP);
	}
	if (!grant(sa, in, &c))
		return refuse(sa, in, IKE_N_INVALID_SYNTAX, NULL, 0, IKEV2_KEY_EXCHANGE);
	return IKEV2_OK;
}
