/*
 * CREATE_CHILD_SA for children (RFC 7296 §1.3.1, §1.3.3): new ones, rekeying, and what happens
 * when both ends do it at once (§2.8.1, §2.25).
 *
 * Both rekey the same child: each answers as usual and remembers the lower nonce of the other's
 * exchange. Whoever has its own answer compares: the exchange with the lowest of all four nonces
 * made the one too many, and whoever began that exchange deletes what it made; whoever began the
 * other deletes the old child.
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

static bool told(const struct in *in, uint16_t type)
{
	return ike_find_notify(in->c, type) != NULL;
}

static void put_spi(uint8_t b[4], uint32_t spi)
{
	struct wr w = wr_init(b, 4);

	wr_u32(&w, spi);
}

static void put_ke(struct out *o, uint16_t group, const uint8_t *value, size_t len)
{
	ike_put(&o->o, &(struct ike_payload){.type = IKE_PL_KE, .ke = {group, {value, len}}});
}

static uint16_t group_number(const struct dh_key *k)
{
	for (uint16_t n = 1; n < 64; n++)
		if (keys_group(n) == k->group)
			return n;
	return 0;
}

void create_offer(struct ike_sa *sa, struct out *o, uint32_t spi, const struct esp_selectors *ts,
		  enum esp_mode mode, const struct nonce *ni, const struct dh_key *dh)
{
	bool with_group = dh && dh->len;
	uint16_t group = with_group ? group_number(dh) : 0;
	const struct ike_proposal *v;
	uint8_t b[4], value[DH_PUBLIC_MAX];
	unsigned n;

	v = offer_esp(&sa->peer->cfg, &n);
	put_spi(b, spi);
	offer_put(o, v, n, b, sizeof(b), group, with_group);
	if (ni)
		ike_put_bytes(&o->o, IKE_PL_NONCE, ni->b, ni->len);
	if (with_group && !dh_public(dh, value))
		put_ke(o, group, value, dh_public_len(dh->group));
	ts_put(o, ts, true);
	if (mode == ESP_TRANSPORT)
		ike_put_notify(&o->o, IKE_N_TRANSPORT_MODE, NULL, 0);
}

static uint32_t spi_of(const uint8_t *p)
{
	struct rd r = rd_init(p, 4);

	return rd_u32(&r);
}

static bool take_choice(const struct chosen *c, struct created *out)
{
	out->suite = esp_suite_by_transforms(c->id[IKE_T_ENCR], c->key_bits, c->id[IKE_T_INTEG]);
	out->esn = c->has[IKE_T_ESN] && c->id[IKE_T_ESN] == IKE_ESN_YES;
	out->group = c->has[IKE_T_DH] ? c->id[IKE_T_DH] : 0;
	out->num = c->num;
	out->spi = spi_of(c->spi);
	return out->suite >= 0 && out->spi >= ESP_SPI_MIN;
}

uint16_t create_choose(struct ike_sa *sa, const struct in *in, bool with_group, struct created *c)
{
	struct ike_bytes body = ike_find(in->c, IKE_PL_SA)->body;
	const struct ike_proposal *v;
	struct chosen chosen;
	char why[IKEV2_TROUBLE_MAX - 64];
	unsigned n;

	v = offer_esp(&sa->peer->cfg, &n);
	if (!select_proposal(v, n, body, IKE_PROTO_ESP, IKE_ESP_SPI_LEN, with_group, &chosen) ||
	    !take_choice(&chosen, c)) {
		select_explain(v, n, body, why, sizeof(why));
		tell_trouble(sa->e, sa->peer, IKEV2_EV_NO_PROPOSAL, in->now, "child SA refused: %s",
			     why);
		return IKE_N_NO_PROPOSAL;
	}
	c->mode = told(in, IKE_N_TRANSPORT_MODE) && sa->peer->cfg.mode == ESP_TRANSPORT
			  ? ESP_TRANSPORT
			  : ESP_TUNNEL;
	/* Transport mode is asked for and may be declined; but an interface for it takes no other. */
	if (c->mode != sa->peer->cfg.mode) {
		tell_trouble(sa->e, sa->peer, IKEV2_EV_TROUBLE, in->now,
			     "child SA refused: it asks for tunnel mode, transport is configured");
		return IKE_N_NO_PROPOSAL;
	}
	if (!ts_narrow(sa, in, &c->ts)) {
		tell_trouble(sa->e, sa->peer, IKEV2_EV_TROUBLE, in->now,
			     "child SA refused: no traffic selectors in common");
		return IKE_N_TS_UNACCEPTABLE;
	}
	return 0;
}

void create_answer(struct out *o, const struct child_sa *c, uint8_t num, uint16_t group,
		   const struct nonce *nr, const uint8_t *ke, size_t ke_len)
{
	const struct esp_suite_info *s = &esp_suites[c->suite];
	struct chosen chosen = {.num = num};
	uint8_t b[4];

	put_spi(b, c->spi_in);
	chosen.has[IKE_T_ENCR] = chosen.has[IKE_T_ESN] = true;
	chosen.id[IKE_T_ENCR] = s->encr;
	chosen.key_bits = s->encr == IKE_ENCR_CHACHA20_POLY1305 ? 0 : (uint16_t)(s->key_len * 8);
	chosen.has[IKE_T_INTEG] = s->integ != 0;
	chosen.id[IKE_T_INTEG] = s->integ;
	chosen.id[IKE_T_ESN] = c->esn ? IKE_ESN_YES : IKE_ESN_NO;
	chosen.has[IKE_T_DH] = group != 0;
	chosen.id[IKE_T_DH] = group;
	select_put_chosen(o, &chosen, IKE_PROTO_ESP, b, sizeof(b));
	if (nr)
		ike_put_bytes(&o->o, IKE_PL_NONCE, nr->b, nr->len);
	if (ke_len)
		put_ke(o, group, ke, ke_len);
	ts_put(o, &c->ts, false);
	if (c->mode == ESP_TRANSPORT)
		ike_put_notify(&o->o, IKE_N_TRANSPORT_MODE, NULL, 0);
}

enum ikev2_result create_accept(struct ike_sa *sa, const struct in *in, uint16_t group,
				const struct esp_selectors *asked, struct created *c)
{
	struct ike_bytes body = ike_find(in->c, IKE_PL_SA)->body;
	const struct ike_proposal *v;
	struct chosen chosen;
	unsigned n;

	v = offer_esp(&sa->peer->cfg, &n);
	if (!select_is_choice(body) ||
	    !select_proposal(v, n, body, IKE_PROTO_ESP, IKE_ESP_SPI_LEN, group != 0, &chosen) ||
	    !take_choice(&chosen, c) || c->group != group)
		return IKEV2_NO_PROPOSAL;
	c->mode = told(in, IKE_N_TRANSPORT_MODE) ? ESP_TRANSPORT : ESP_TUNNEL;
	if (c->mode != sa->peer->cfg.mode)
		return IKEV2_NO_PROPOSAL;
	return ts_accept(in, asked, &c->ts) ? IKEV2_OK : IKEV2_SELECTORS;
}

static bool stands(const struct child_sa *c)
{
	return c->state == CHILD_UP && c->sending && !c->want_close && !c->want_rekey;
}

void create_surplus(struct ike_sa *sa, uint64_t now)
{
	if (!sa->initiator || sa->req.kind)
		return;
	for (struct child_sa *c = sa->children; c; c = c->next)
		for (struct child_sa *newer = c->next; newer && stands(c); newer = newer->next)
			if (stands(newer) && now > newer->since + 2 * NS_PER_S &&
			    !memcmp(&c->ts, &newer->ts, sizeof(c->ts)))
				c->want_close = sa->dirty = true;
}

/* --- we ask --- */

void create_start(struct ike_sa *sa, struct child_sa *rekeyed, uint64_t now)
{
	const struct ikev2_peer *p = &sa->peer->cfg;
	const struct ike_proposal *v;
	struct esp_selectors ts;
	uint16_t group;
	uint8_t b[4];
	struct out o;
	unsigned n;

	v = offer_esp(p, &n);
	group = sa->child_group ? sa->child_group : select_first_group(v, n);
	nonce_make(sa->e, &sa->req.nonce);
	sa->req.spi = child_spi(sa->e);
	sa->req.collided = false;
	sa->req.dh.len = 0;
	if (p->pfs && keys_group(group) >= 0)
		dh_make(&sa->req.dh, (enum dh_group)keys_group(group), sa->e->env.random,
			sa->e->env.ctx);
	out_init(&o);
	if (rekeyed) {
		rekeyed->want_rekey = false;
		sa->req.child = rekeyed->spi_in;
		put_spi(b, rekeyed->spi_in);
		ike_put_notify_spi(&o.o, IKE_PROTO_ESP, b, 4, IKE_N_REKEY_SA, NULL, 0);
		ts = rekeyed->ts;
	} else {
		sa->want_child = false;
		ts_own(sa, &ts);
	}
	create_offer(sa, &o, (uint32_t)sa->req.spi, &ts, p->mode, &sa->req.nonce, &sa->req.dh);
	message_request(sa, IKE_CREATE_CHILD_SA, rekeyed ? EX_CHILD_REKEY : EX_CHILD_NEW, &o, now);
}

/* The child and the keys of an exchange of ours. */
static enum ikev2_result made(struct ike_sa *sa, struct in *in, const struct esp_selectors *asked,
			      struct child_sa **out)
{
	const struct ike_payload *ke = ike_find(in->c, IKE_PL_KE), *nonce;
	uint16_t group = sa->req.dh.len ? group_number(&sa->req.dh) : 0;
	uint8_t shared[DH_PUBLIC_MAX];
	size_t len = 0;
	struct nonce nr;
	struct created c;
	enum ikev2_result r = create_accept(sa, in, group, asked, &c);

	nonce = ike_find(in->c, IKE_PL_NONCE);
	if (r)
		return r;
	if (group) {
		if (!ke || ke->ke.group != group ||
		    dh_shared(&sa->req.dh, ke->ke.data.p, ke->ke.data.len, shared))
			return IKEV2_KEY_EXCHANGE;
		len = dh_shared_len(sa->req.dh.group);
	}
	nr.len = (uint16_t)nonce->body.len;
	memcpy(nr.b, nonce->body.p, nr.len);
	*out = child_new(sa, c.suite, c.esn, c.mode, (uint32_t)sa->req.spi, c.spi, &c.ts, in->now);
	if (*out && child_keys(sa, *out, true, shared, len, &sa->req.nonce, &nr)) {
		child_free(*out);
		*out = NULL;
	}
	secret_wipe(shared, sizeof(shared));
	return *out ? IKEV2_OK : IKEV2_LIMIT;
}

/* Ours is answered: which of the children stays, and who deletes what. */
static void settle(struct ike_sa *sa, struct in *in, struct child_sa *fresh)
{
	struct child_sa *old = child_by_in(sa, sa->req.child);
	struct child_sa *other = sa->req.collided ? child_by_in(sa, (uint32_t)sa->req.other) : NULL;
	const struct ike_payload *n = ike_find(in->c, IKE_PL_NONCE);
	struct nonce nr = {.len = (uint16_t)n->body.len}, low;

	memcpy(nr.b, n->body.p, nr.len);
	nonce_low(&low, &sa->req.nonce, &nr);
	fresh->asked = sa->req.kind == EX_CHILD_NEW;
	fresh->low = low;
	if (other && nonce_cmp(&low, &sa->req.other_nonce) < 0) {
		fresh->want_close = true; /* ours is the one too many; the peer deletes the old */
		if (old && old->state == CHILD_UP) {
			old->state = CHILD_REPLACED;
			old->close_at = in->now + REPLACED_NS;
		}
		return;
	}
	child_send(sa, fresh);
	if (old) {
		old->want_rekey = false;
		old->want_close = true;
	}
	if (other) { /* the peer will delete it */
		other->state = CHILD_REPLACED;
		other->close_at = in->now + REPLACED_NS;
	}
}

static enum ikev2_result refused(struct ike_sa *sa, struct in *in)
{
	struct child_sa *old = child_by_in(sa, sa->req.child);
	bool rekey = sa->req.kind == EX_CHILD_REKEY;
	char why[IKEV2_TROUBLE_MAX - 64];
	uint16_t type = 0;
	const struct ike_notify *ke = ike_find_notify(in->c, IKE_N_INVALID_KE);

	for (unsigned i = 0; i < in->c->count; i++)
		if (in->c->v[i].type == IKE_PL_NOTIFY && in->c->v[i].notify.type < IKE_N_STATUS)
			type = in->c->v[i].notify.type;
	sa->again_at = in->now + NS_PER_S + jitter(sa->e, 4 * NS_PER_S);
	if (sa->req.collided) { /* the peer has rekeyed it, and will delete it */
		if (rekey && old && old->state == CHILD_UP) {
			old->state = CHILD_REPLACED;
			old->close_at = in->now + REPLACED_NS;
		}
	} else if (rekey && type == IKE_N_CHILD_SA_NOT_FOUND) {
		if (old) { /* gone over there: it is of no use here */
			child_drop(sa, old, false, in->now);
			sa->want_child |= !child_usable(sa);
			sa->again_at = in->now;
		}
	} else if (type == IKE_N_INVALID_KE && ke->data.len == 2 && sa->req.dh.len) {
		uint16_t group = (uint16_t)(ke->data.p[0] << 8 | ke->data.p[1]);
		const struct ike_proposal *v;
		unsigned n;

		v = offer_esp(&sa->peer->cfg, &n);
		if (select_has_group(v, n, group) && group != group_number(&sa->req.dh)) {
			sa->child_group = group;
			sa->again_at = in->now;
		}
		*(rekey && old ? &old->want_rekey : &sa->want_child) = true;
	} else if (!(rekey && old && old->state != CHILD_UP)) {
		if (type != IKE_N_TEMPORARY_FAILURE) {
			tell_trouble(sa->e, sa->peer,
				     type == IKE_N_NO_PROPOSAL ? IKEV2_EV_NO_PROPOSAL
							       : IKEV2_EV_TROUBLE,
				     in->now, "no child SA: %s",
				     refusal_text(sa, type, true, why, sizeof(why)));
			sa->again_at = in->now + AGAIN_MOST;
		}
		if (rekey && old)
			old->want_rekey = true;
		else if (!rekey)
			sa->want_child = true;
	}
	return IKEV2_REFUSED;
}

enum ikev2_result create_response(struct ike_sa *sa, struct in *in)
{
	struct child_sa *old = child_by_in(sa, sa->req.child), *fresh = NULL;
	bool rekey = sa->req.kind == EX_CHILD_REKEY;
	struct esp_selectors asked;
	enum ikev2_result r;

	if (!ike_find(in->c, IKE_PL_SA)) {
		r = refused(sa, in);
		message_done(sa);
		return r;
	}
	if (rekey && old)
		asked = old->ts;
	else
		ts_own(sa, &asked);
	r = made(sa, in, &asked, &fresh);
	if (r) { /* the peer believes that it stands: the IKE SA is no good */
		tell_event(sa, IKEV2_EV_TROUBLE,
			   "the child SA it made is not what was asked for: %s",
			   ikev2_result_name(r));
		message_done(sa);
		sa->want_close = true;
		return r;
	}
	child_add(sa, fresh);
	if (rekey) {
		sa->e->stats.child_rekeys++;
		tell_event(sa, IKEV2_EV_CHILD_REKEYED, "child SA rekeyed, SPI %08x", fresh->spi_in);
	}
	settle(sa, in, fresh);
	message_done(sa);
	return IKEV2_OK;
}

/* --- the peer asks --- */

static void not_now(struct ike_sa *sa, const struct in *in, uint16_t type)
{
	message_answer_notify(sa, IKE_CREATE_CHILD_SA, in->h->id, type, NULL, 0, in->now);
}

/* The child of a request; its answer is sent. */
static enum ikev2_result grant(struct ike_sa *sa, struct in *in, struct child_sa **out,
			       struct nonce *low)
{
	const struct ike_payload *ke = ike_find(in->c, IKE_PL_KE), *n;
	uint8_t shared[DH_PUBLIC_MAX], value[DH_PUBLIC_MAX];
	struct nonce ni, nr;
	struct dh_key dh = {0};
	struct created c;
	size_t len = 0, value_len = 0;
	uint16_t error = create_choose(sa, in, ke != NULL, &c);
	struct out o;

	n = ike_find(in->c, IKE_PL_NONCE);
	if (!error && sa->child_count >= IKEV2_CHILDREN_MAX)
		error = IKE_N_NO_ADDITIONAL_SAS;
	if (error) {
		not_now(sa, in, error);
		return error == IKE_N_TS_UNACCEPTABLE     ? IKEV2_SELECTORS
		       : error == IKE_N_NO_ADDITIONAL_SAS ? IKEV2_LIMIT
							  : IKEV2_NO_PROPOSAL;
	}
	if (c.group && (!ke || ke->ke.group != c.group)) {
		const uint8_t want[2] = {0, (uint8_t)c.group};

		message_answer_notify(sa, IKE_CREATE_CHILD_SA, in->h->id, IKE_N_INVALID_KE, want, 2,
				      in->now);
		return IKEV2_GROUP;
	}
	ni.len = (uint16_t)n->body.len;
	memcpy(ni.b, n->body.p, ni.len);
	nonce_make(sa->e, &nr);
	nonce_low(low, &ni, &nr);
	*out = NULL;
	if (c.group) {
		enum dh_group g = (enum dh_group)keys_group(c.group);

		if (dh_make(&dh, g, sa->e->env.random, sa->e->env.ctx) || dh_public(&dh, value) ||
		    dh_shared(&dh, ke->ke.data.p, ke->ke.data.len, shared)) {
			not_now(sa, in, IKE_N_INVALID_SYNTAX);
			secret_wipe(&dh, sizeof(dh));
			return IKEV2_KEY_EXCHANGE;
		}
		len = dh_shared_len(g);
		value_len = dh_public_len(g);
	}
	*out = child_new(sa, c.suite, c.esn, c.mode, child_spi(sa->e), c.spi, &c.ts, in->now);
	if (*out && child_keys(sa, *out, false, shared, len, &ni, &nr)) {
		child_free(*out);
		*out = NULL;
	}
	secret_wipe(shared, sizeof(shared));
	secret_wipe(&dh, sizeof(dh));
	if (!*out) {
		not_now(sa, in, IKE_N_NO_ADDITIONAL_SAS);
		return IKEV2_LIMIT;
	}
	out_init(&o);
	create_answer(&o, *out, c.num, c.group, &nr, value, value_len);
	child_add(sa, *out);
	message_answer(sa, IKE_CREATE_CHILD_SA, in->h->id, &o, in->now);
	return IKEV2_OK;
}

enum ikev2_result create_request(struct ike_sa *sa, struct in *in)
{
	struct child_sa *fresh;
	enum ikev2_result r;
	struct nonce low;

	if (sa->peer->cfg.role != IKEV2_PAIR) { /* it is for a group's keys alone */
		message_answer_notify(sa, in->h->exchange, in->h->id, IKE_N_NO_ADDITIONAL_SAS, NULL,
				      0, in->now);
		return IKEV2_LIMIT;
	}
	/* §2.25.2: not while the IKE SA itself is being rekeyed or closed. */
	if (sa->req.kind == EX_IKE_REKEY || sa->state != ST_UP || sa->want_close) {
		not_now(sa, in, IKE_N_TEMPORARY_FAILURE);
		return IKEV2_TEMPORARY;
	}
	r = grant(sa, in, &fresh, &low);
	if (r)
		return r;
	if (sa->req.kind == EX_CHILD_NEW) { /* both want one: as when both rekey */
		sa->req.collided = true;
		sa->req.other = fresh->spi_in;
		sa->req.other_nonce = low;
	}
	for (struct child_sa *c = sa->children; c; c = c->next)
		if (c->asked && c->state == CHILD_UP && in->now < c->since + TWINS_NS &&
		    nonce_cmp(&c->low, &low) < 0)
			c->want_close = true; /* the peer had asked before it heard of ours */
	if (sa->child_count == 1 && !sa->peer->carried)
		child_send(sa, fresh); /* nothing else to send with */
	return IKEV2_OK;
}

enum ikev2_result create_rekey_request(struct ike_sa *sa, struct in *in)
{
	const struct ike_notify *n = ike_find_notify(in->c, IKE_N_REKEY_SA);
	struct child_sa *old, *fresh;
	enum ikev2_result r;
	struct nonce low;
	struct out o;

	if (sa->req.kind == EX_IKE_REKEY || sa->state != ST_UP || sa->want_close) {
		not_now(sa, in, IKE_N_TEMPORARY_FAILURE);
		return IKEV2_TEMPORARY;
	}
	old = n->protocol == IKE_PROTO_ESP && n->spi_len == 4 ? child_by_out(sa, spi_of(n->spi))
							      : NULL;
	if (!old) {
		out_init(&o);
		ike_put_notify_spi(&o.o, n->protocol, n->spi, n->spi_len, IKE_N_CHILD_SA_NOT_FOUND,
				   NULL, 0);
		message_answer(sa, IKE_CREATE_CHILD_SA, in->h->id, &o, in->now);
		return IKEV2_NO_CHILD;
	}
	if (old->want_close || old->state != CHILD_UP) { /* on its way out */
		not_now(sa, in, IKE_N_TEMPORARY_FAILURE);
		return IKEV2_TEMPORARY;
	}
	r = grant(sa, in, &fresh, &low);
	if (r)
		return r;
	sa->e->stats.child_rekeys++;
	tell_event(sa, IKEV2_EV_CHILD_REKEYED, "child SA rekeyed by the peer, SPI %08x",
		   fresh->spi_in);
	if (faulty(sa->e, IKEV2_FAULT_SEND_EARLY))
		child_send(sa, fresh);
	if (faulty(sa->e, IKEV2_FAULT_RETIRE_EARLY)) {
		child_drop(sa, old, false, in->now);
		return IKEV2_OK;
	}
	if (sa->req.kind == EX_CHILD_REKEY && sa->req.child == old->spi_in) {
		sa->req.collided = !faulty(sa->e, IKEV2_FAULT_NO_COLLISION);
		sa->req.other = fresh->spi_in;
		sa->req.other_nonce = low;
	} else {
		old->state = CHILD_REPLACED; /* the peer deletes it */
		old->close_at = in->now + REPLACED_NS;
	}
	old->want_rekey = false;
	return IKEV2_OK;
}
