/*
 * IKE_AUTH (RFC 7296 §1.2), both sides, with post-quantum pre-shared keys (RFC 8784) and childless
 * IKE SAs (RFC 6023). Signatures are somebody else's to make (the signer): they are asked for, and
 * the exchange goes on when they come.
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

static const struct secret *ours(const struct ike_sa *sa, bool plain)
{
	if (sa->initiator)
		return plain ? &sa->plain[1] : &sa->keys.pi;
	return plain ? &sa->plain[2] : &sa->keys.pr;
}

static const struct secret *theirs(const struct ike_sa *sa, bool plain)
{
	if (sa->initiator)
		return plain ? &sa->plain[2] : &sa->keys.pr;
	return plain ? &sa->plain[1] : &sa->keys.pi;
}

static void plain_keep(struct ike_sa *sa)
{
	sa->plain[0] = sa->keys.d;
	sa->plain[1] = sa->keys.pi;
	sa->plain[2] = sa->keys.pr;
}

static void plain_back(struct ike_sa *sa)
{
	sa->keys.d = sa->plain[0];
	sa->keys.pi = sa->plain[1];
	sa->keys.pr = sa->plain[2];
	sa->ppk = false;
}

static void plain_wipe(struct ike_sa *sa)
{
	secret_wipe(sa->plain, sizeof(sa->plain));
}

/* The PPK is optional: AUTH stands a second time, made without it. */
static bool both(const struct ike_sa *sa)
{
	return sa->initiator && sa->ppk && !sa->peer->cfg.ppk_required;
}

static void ask_sign(struct ike_sa *sa, bool plain, uint64_t now)
{
	struct ikev2 *e = sa->e;
	struct bytes octets = {0};
	bool asked = false;

	sa->sign_id = ++e->sign_next ? e->sign_next : ++e->sign_next;
	/* Of ours they have the first message alone, which no peer can make longer than a cookie. */
	if (proof_octets(sa, true, ours(sa, plain), &sa->peer->cfg.local_id, &octets) &&
	    octets.len <= IKEV2_SIGNED_MAX)
		asked = !e->env.sign(e->env.ctx, sa->sign_id, sa->peer->cfg.key, sa->sign_scheme,
				     octets.b, octets.len);
	bytes_clear(&octets);
	if (!asked)
		sa_lost(sa, "nobody signs for this node", now);
}

/* An AUTH payload's body from a signature; its scheme stands in front, or is the method. */
static size_t signed_body(const struct ike_sa *sa, const struct bytes *sig, uint8_t *out,
			  size_t size)
{
	struct wr w = wr_init(out, size);
	uint8_t method = proof_method(sa);
	size_t n;
	const uint8_t *algorithm = sign_algorithm(sa->sign_scheme, &n);

	if (method != IKE_AUTH_SIGNATURE && method != IKE_AUTH_RSA)
		return sign_ecdsa_plain(sa->sign_scheme, sig->b, sig->len, out, size);
	if (method == IKE_AUTH_RSA) {
		wr_bytes(&w, sig->b, sig->len);
		return w.bad ? 0 : wr_len(&w);
	}
	wr_u8(&w, (uint8_t)n);
	wr_bytes(&w, algorithm, n);
	wr_bytes(&w, sig->b, sig->len);
	return w.bad ? 0 : wr_len(&w);
}

static size_t auth_body(const struct ike_sa *sa, bool plain, uint8_t *out, size_t size)
{
	if (sa->peer->cfg.auth == IKEV2_AUTH_CERT)
		return signed_body(sa, plain ? &sa->sig_plain : &sa->sig, out, size);
	return size >= PRF_MAX && proof_psk(sa, ours(sa, plain), out)
		       ? prf_len(keys_prf(&sa->suite))
		       : 0;
}

static void put_auth(struct ike_sa *sa, struct out *o)
{
	uint8_t body[SIGN_MAX + SIGN_ALGORITHM_MAX + 1];
	size_t n = auth_body(sa, false, body, sizeof(body));

	ike_put(&o->o, &(struct ike_payload){
			       .type = IKE_PL_AUTH,
			       .auth = {proof_method(sa), {body, n}},
		       });
	if (both(sa)) {
		n = auth_body(sa, true, body, sizeof(body));
		ike_put_notify(&o->o, IKE_N_NO_PPK_AUTH, body, n);
	}
}

/* Our certificates, and the authorities we would like the peer's to come from. */
static void put_certificates(struct ike_sa *sa, struct out *o)
{
	const struct ikev2_peer *p = &sa->peer->cfg;
	uint8_t hashes[X509_CA_MAX][X509_CA_HASH_LEN];
	unsigned n;

	if (p->auth != IKEV2_AUTH_CERT)
		return;
	for (unsigned i = 0; i < p->chain_count; i++)
		ike_put(&o->o,
			&(struct ike_payload){
				.type = IKE_PL_CERT,
				.cert = {IKE_CERT_X509_SIGNATURE, {p->chain[i].p, p->chain[i].len}},
			});
	if (!sa->initiator)
		return;
	n = x509_trust_hashes(p->trust, hashes, X509_CA_MAX);
	ike_put(&o->o, &(struct ike_payload){
			       .type = IKE_PL_CERTREQ,
			       .cert = {IKE_CERT_X509_SIGNATURE,
					{hashes[0], (size_t)n * X509_CA_HASH_LEN}},
		       });
}

static void put_ppk(struct ike_sa *sa, struct out *o)
{
	const struct ikev2_id *id = &sa->peer->cfg.ppk_id;
	uint8_t b[1 + IKEV2_ID_MAX];
	struct wr w = wr_init(b, sizeof(b));

	if (!sa->ppk)
		return;
	wr_u8(&w, 2); /* PPK_ID_FIXED (RFC 8784 §5.1.1) */
	wr_bytes(&w, id->b, sa->initiator ? id->len : 0);
	ike_put_notify(&o->o, IKE_N_PPK_IDENTITY, b, sa->initiator ? wr_len(&w) : 0);
}

/* IKE_AUTH, or between a key server and a member GSA_AUTH. */
static enum ike_exchange exchange_of(const struct ike_sa *sa)
{
	return sa->peer->cfg.role == IKEV2_PAIR ? IKE_AUTH : IKE_GSA_AUTH;
}

static void ask(struct ike_sa *sa, uint64_t now)
{
	const struct ikev2_peer *p = &sa->peer->cfg;
	struct esp_selectors ts;
	struct out o;

	out_init(&o);
	id_put(&o, IKE_PL_IDI, &p->local_id);
	put_certificates(sa, &o);
	if (p->remote_id.type)
		id_put(&o, IKE_PL_IDR, &p->remote_id);
	put_auth(sa, &o);
	put_ppk(sa, &o);
	if (sa->e->cfg.initial_contact && !sa->peer->contacted && !sa->replaces)
		ike_put_notify(&o.o, IKE_N_INITIAL_CONTACT, NULL, 0);
	sa->pending_none =
		group_member(sa) || (p->childless && sa->peer_childless && !sa->replaces);
	if (group_member(sa)) {
		group_put_request(sa, &o);
	} else if (!sa->pending_none) {
		ts_own(sa, &ts);
		sa->first_spi = child_spi(sa->e);
		create_offer(sa, &o, sa->first_spi, &ts, p->mode, NULL, NULL);
	}
	sa_state(sa, ST_AUTH_SENT, now);
	message_request(sa, exchange_of(sa), group_member(sa) ? EX_GSA_AUTH : EX_AUTH, &o, now);
}

void auth_start(struct ike_sa *sa, uint64_t now)
{
	const struct ikev2_peer *p = &sa->peer->cfg;
	int scheme;

	if (p->ppk_required && !sa->use_ppk) {
		sa_lost(sa, "it takes no post-quantum pre-shared key, and one is required", now);
		return;
	}
	if (sa->use_ppk) {
		plain_keep(sa);
		sa->ppk = !keys_ppk(sa, &p->ppk);
	}
	if (p->auth == IKEV2_AUTH_PSK) {
		ask(sa, now);
		return;
	}
	scheme = proof_scheme(sa);
	if (scheme < 0) {
		sa_lost(sa, "it takes none of the signatures our key can make", now);
		return;
	}
	sa->sign_scheme = (uint8_t)scheme;
	sa_state(sa, ST_AUTH_SIGN, now);
	ask_sign(sa, false, now);
}

static void finish(struct ike_sa *sa, uint64_t now);

static void answer(struct ike_sa *sa, uint64_t now)
{
	struct child_sa *c = sa->pending;
	bool beside;
	struct out o;

	out_init(&o);
	id_put(&o, IKE_PL_IDR, &sa->peer->cfg.local_id);
	put_certificates(sa, &o);
	put_auth(sa, &o);
	put_ppk(sa, &o);
	sa->pending = NULL;
	beside = child_usable(sa) || sa->peer->carried;
	if (c) {
		create_answer(&o, c, sa->pending_num, 0, NULL, NULL, 0);
		child_add(sa, c);
	} else if (!sa->pending_none) {
		ike_put_notify(&o.o, sa->pending_error, NULL, 0);
	}
	if (group_server(sa))
		group_put_answer(sa, &o, now);
	sa_up(sa, now);
	message_answer(sa, exchange_of(sa), sa->auth_id, &o, now);
	if (c && beside) /* the initiator does not receive yet, and on another child it does */
		c->send_at = now + SEND_FIRST_NS;
	else if (c)
		child_send(sa, c);
	finish(sa, now);
}

void auth_signed(struct ike_sa *sa, const uint8_t *sig, size_t len, uint64_t now)
{
	bool second = sa->sig.b != NULL;

	sa->sign_id = 0;
	if (!len || !bytes_set(second ? &sa->sig_plain : &sa->sig, sig, len)) {
		sa_lost(sa, "the signature could not be made", now);
		return;
	}
	if (!second && both(sa))
		ask_sign(sa, true, now);
	else if (sa->state == ST_AUTH_SIGN)
		ask(sa, now);
	else if (sa->state == ST_AUTH_REPLY)
		answer(sa, now);
}

void auth_twins(struct ike_sa *sa)
{
	for (struct ike_sa *o = sa->e->sas; o; o = o->next) {
		struct ike_sa *loser, *stays;

		if (o == sa || o->peer != sa->peer || o->state != ST_UP || o->want_close ||
		    sa->want_close || sa->replaces || o->replaces)
			continue;
		loser = nonce_cmp(&sa->low, &o->low) < 0 ? sa : o;
		stays = loser == sa ? o : sa;
		/* It stays only if the peer still has it: one heard since both are there. */
		if (stays->heard_at <= loser->since || stays->heard_at <= stays->since)
			stays->want_dpd = true;
		else if (loser->initiator)
			loser->want_close = loser->dirty = true;
	}
}

/* Older IKE SAs of a peer that just made a new one: perhaps it knows them no more. */
static void doubt_others(struct ike_sa *sa)
{
	for (struct ike_sa *o = sa->e->sas; o && !sa->initiator; o = o->next)
		if (o != sa && o->peer == sa->peer && o->state == ST_UP)
			o->want_dpd = true;
}

/* It stands: what follows from that for others. */
static void finish(struct ike_sa *sa, uint64_t now)
{
	struct ike_sa *old = sa->replaces ? ike_sa_find(sa->e, sa->replaces) : NULL;
	const struct ikev2_peer *p = &sa->peer->cfg;
	char name[128], end[64];

	sa_shed(sa);
	plain_wipe(sa);
	sa->e->stats.established++;
	sa->peer->failures = 0;
	sa->peer->contacted = true;
	sa->peer->once = false;
	if (p->ike_reauth_ns &&
	    p->role == IKEV2_PAIR) /* whoever called is first; should it not do it, we call */
		sa->reauth_at = now + jitter(sa->e, p->ike_reauth_ns) +
				(sa->initiator ? 0 : p->ike_reauth_ns / 5);
	if (sa->initiator && !sa->children && !sa->pending_none) {
		sa->want_child = true;
		sa->again_at = now + AGAIN_MOST;
	}
	if (old && old->state == ST_UP)
		tell_event(sa, IKEV2_EV_REAUTHENTICATED, "reauthenticated");
	else if (!sa_beside(sa))
		tell_event(sa, IKEV2_EV_UP, "up: %s at %s%s%s",
			   ikev2_id_text(&sa->remote_id, name, sizeof(name)),
			   end_text(&sa->remote, end, sizeof(end)), sa->encap ? ", ESP in UDP" : "",
			   sa->ppk ? ", with a post-quantum pre-shared key" : "");
	if (old && old->state == ST_UP)
		old->want_close = old->dirty = true;
	sa->replaces = 0; /* should both ends have done it, they are twins like others */
	auth_twins(sa);
	doubt_others(sa);
	sa->e->timed = false;
}

/* The peer knows nothing of what was before (§2.4). */
static void initial_contact(struct ike_sa *sa, const struct in *in)
{
	if (!ike_find_notify(in->c, IKE_N_INITIAL_CONTACT))
		return;
	for (struct ike_sa *o = sa->e->sas; o; o = o->next)
		if (o != sa && o->peer == sa->peer && o->state >= ST_UP && o->state != ST_CLOSED) {
			sa_close_children(o, false, in->now);
			message_done(o);
			o->why = "the peer began anew";
			sa_state(o, ST_CLOSED, in->now);
			o->why = NULL;
			o->close_at = in->now;
		}
}

/* Whether a peer may be the one: its identity, ours if it names it, and the suite. */
static bool candidate(const struct ike_sa *sa, const struct in *in, const struct peer *p,
		      const struct ikev2_id *idi, const struct ikev2_id *idr)
{
	const struct ike_proposal *v;
	struct chosen c = {.key_bits = sa->suite.key_bits};
	unsigned n;

	v = offer_ike(&p->cfg, &n);
	c.id[IKE_T_ENCR] = sa->suite.encr;
	c.id[IKE_T_PRF] = sa->suite.prf;
	c.id[IKE_T_INTEG] = sa->suite.integ;
	c.id[IKE_T_DH] = sa->suite.group;
	c.kwa = sa->suite.kwa;
	c.has[IKE_T_ENCR] = c.has[IKE_T_PRF] = c.has[IKE_T_INTEG] = c.has[IKE_T_DH] = true;
	return !p->held && peer_at(p, in->local, in->remote) &&
	       p->cfg.role == (in->h->exchange == IKE_GSA_AUTH ? IKEV2_MEMBER : IKEV2_PAIR) &&
	       (!p->cfg.remote_id.type || id_equal(&p->cfg.remote_id, idi)) &&
	       (!idr->type || id_equal(&p->cfg.local_id, idr)) && select_allowed(v, n, &c);
}

/* Proves a candidate, with the PPK the initiator names or without (RFC 8784 §4). */
static enum ikev2_result prove(struct ike_sa *sa, const struct in *in, struct peer *p,
			       const struct ikev2_id *idi)
{
	const struct ike_payload *auth = ike_find(in->c, IKE_PL_AUTH);
	const struct ike_notify *id = ike_find_notify(in->c, IKE_N_PPK_IDENTITY);
	const struct ike_notify *without = ike_find_notify(in->c, IKE_N_NO_PPK_AUTH);
	const struct ikev2_id *ppk = &p->cfg.ppk_id;
	enum ikev2_result r;

	if (sa->use_ppk && id && ppk->type && id->data.len == 1u + ppk->len && id->data.p[0] == 2 &&
	    !memcmp(id->data.p + 1, ppk->b, ppk->len)) {
		plain_keep(sa);
		sa->ppk = !keys_ppk(sa, &p->cfg.ppk);
		r = proof_check(sa, in, p, idi, theirs(sa, false), auth->auth.method,
				auth->auth.data);
		if (r)
			plain_back(sa);
		return r;
	}
	if (p->cfg.ppk_required || (sa->use_ppk && id && !without))
		return IKEV2_PPK;
	return proof_check(sa, in, p, idi, theirs(sa, false), auth->auth.method,
			   sa->use_ppk && id ? without->data : auth->auth.data);
}

/* near: who it would have been, if it had proved it; NULL: nobody. */
static enum ikev2_result who(struct ike_sa *sa, const struct in *in, const struct ikev2_id *idi,
			     struct peer **near)
{
	enum ikev2_result r = IKEV2_IDENTITY, last;
	struct ikev2_id idr = {0};

	*near = NULL;

	if (ike_find(in->c, IKE_PL_IDR))
		id_read(ike_find(in->c, IKE_PL_IDR), &idr);
	for (struct peer *p = sa->e->peers; p; p = p->next) {
		if (!candidate(sa, in, p, idi, &idr)) {
			/* Of one that may be anywhere the address says nothing. */
			if (!*near && p->cfg.remote.family && peer_at(p, in->local, in->remote))
				*near = p;
			continue;
		}
		last = prove(sa, in, p, idi);
		if (!last) {
			sa->peer = p;
			return IKEV2_OK;
		}
		*near = r == IKEV2_IDENTITY ? p : *near;
		r = r == IKEV2_IDENTITY ? last : r;
	}
	return r;
}

static void first_child(struct ike_sa *sa, const struct in *in)
{
	struct created c;

	sa->pending_none = !ike_find(in->c, IKE_PL_SA);
	if (sa->pending_none)
		return;
	if (!ike_find(in->c, IKE_PL_TSI) || !ike_find(in->c, IKE_PL_TSR)) {
		sa->pending_error = IKE_N_TS_UNACCEPTABLE;
		return;
	}
	sa->pending_error = create_choose(sa, in, false, &c);
	if (sa->pending_error)
		return;
	sa->pending_num = c.num;
	sa->pending =
		child_new(sa, c.suite, c.esn, c.mode, child_spi(sa->e), c.spi, &c.ts, in->now);
	if (sa->pending && child_keys(sa, sa->pending, false, NULL, 0, &sa->ni, &sa->nr)) {
		child_free(sa->pending);
		sa->pending = NULL;
	}
	if (!sa->pending)
		sa->pending_error = IKE_N_NO_ADDITIONAL_SAS;
}

/* Why somebody is not let in, or not believed, in words; proof.c has said more of certificates. */
static void refused(struct ike_sa *sa, struct peer *p, const struct in *in,
		    const struct ikev2_id *id, enum ikev2_result r)
{
	char name[128], want[128], end[64];
	const char *why = r == IKEV2_PPK              ? "the post-quantum pre-shared keys differ"
			  : r != IKEV2_AUTHENTICATION ? ikev2_result_name(r)
			  : p && p->cfg.auth == IKEV2_AUTH_CERT ? "its signature does not verify"
								: "the pre-shared keys differ";

	ikev2_id_text(id, name, sizeof(name));
	end_text(in->remote, end, sizeof(end));
	if (sa->explained)
		return;
	if (r == IKEV2_IDENTITY && p && p->cfg.remote_id.type && !id_equal(&p->cfg.remote_id, id))
		tell_trouble(sa->e, p, IKEV2_EV_AUTH_FAILED, in->now,
			     "who is at %s says it is %s, expected is %s", end, name,
			     ikev2_id_text(&p->cfg.remote_id, want, sizeof(want)));
	else if (r == IKEV2_IDENTITY)
		tell_trouble(
			sa->e, p, IKEV2_EV_AUTH_FAILED, in->now,
			"%s at %s asks for somebody else, or nobody of that name is configured",
			name, end);
	else
		tell_trouble(sa->e, p, IKEV2_EV_AUTH_FAILED, in->now,
			     "%s at %s cannot prove what it is: %s. Check both ends", name, end,
			     why);
}

/* Room for an IKE SA that proved whose it is: a record, and not too many of one peer. */
static bool room(struct ike_sa *sa, uint64_t now)
{
	struct ike_sa *oldest = NULL;
	unsigned count = 0;

	for (struct ike_sa *o = sa->e->sas; o; o = o->next)
		if (o != sa && o->peer == sa->peer && o->state >= ST_UP && o->state < ST_CLOSED) {
			count++;
			oldest = o; /* new ones go in front */
		}
	if (count >= PEER_SAS_MAX)
		sa_lost(oldest, "the peer has too many IKE SAs", now);
	return sa_slot(sa);
}

enum ikev2_result auth_request(struct ike_sa *sa, struct in *in)
{
	struct peer *near = NULL;
	struct ikev2_id idi;
	enum ikev2_result r;
	int scheme = 0;

	id_read(ike_find(in->c, IKE_PL_IDI), &idi);
	sa->local = *in->local;
	sa->remote = *in->remote;
	r = who(sa, in, &idi, &near);
	if (!r && sa->peer->cfg.auth == IKEV2_AUTH_CERT) {
		scheme = proof_scheme(sa);
		r = scheme < 0 ? IKEV2_AUTHENTICATION : IKEV2_OK;
	}
	if (r) {
		refused(sa, near, in, &idi, r);
		sa->peer = NULL;
		message_answer_notify(sa, in->h->exchange, in->h->id, IKE_N_AUTH_FAILED, NULL, 0,
				      in->now);
		sa_state(sa, ST_CLOSED, in->now);
		return r;
	}
	if (!room(sa, in->now) || (group_server(sa) && !group_keep(sa, in))) {
		sa->peer = NULL;
		message_answer_notify(sa, in->h->exchange, in->h->id, IKE_N_NO_ADDITIONAL_SAS, NULL,
				      0, in->now);
		sa_state(sa, ST_CLOSED, in->now);
		return IKEV2_LIMIT;
	}
	keys_log(sa); /* it is known whose they are */
	sa->remote_id = idi;
	sa->auth_method = ike_find(in->c, IKE_PL_AUTH)->auth.method;
	initial_contact(sa, in);
	if (group_server(sa))
		sa->pending_none = true;
	else
		first_child(sa, in);
	sa->auth_id = in->h->id;
	if (sa->peer->cfg.auth == IKEV2_AUTH_PSK) {
		answer(sa, in->now);
		return IKEV2_OK;
	}
	sa->sign_scheme = (uint8_t)scheme;
	bytes_clear(&sa->answer);
	sa_state(sa, ST_AUTH_REPLY, in->now);
	ask_sign(sa, false, in->now);
	return IKEV2_OK;
}

/* The responder proved itself, perhaps after it said that it has no such PPK. */
static enum ikev2_result prove_responder(struct ike_sa *sa, const struct in *in,
					 const struct ikev2_id *idr)
{
	const struct ike_payload *auth = ike_find(in->c, IKE_PL_AUTH);

	if (sa->ppk && !ike_find_notify(in->c, IKE_N_PPK_IDENTITY)) {
		if (sa->peer->cfg.ppk_required)
			return IKEV2_PPK;
		plain_back(sa);
	}
	if (sa->peer->cfg.remote_id.type && !id_equal(&sa->peer->cfg.remote_id, idr))
		return IKEV2_IDENTITY;
	return proof_check(sa, in, sa->peer, idr, theirs(sa, false), auth->auth.method,
			   auth->auth.data);
}

/* The first child of the answer. OK also when the responder refused it: the IKE SA stands. */
static enum ikev2_result take_child(struct ike_sa *sa, const struct in *in)
{
	char why[IKEV2_TROUBLE_MAX - 64];
	struct esp_selectors asked;
	struct child_sa *child;
	struct created c;
	enum ikev2_result r;

	if (!ike_find(in->c, IKE_PL_SA) || sa->pending_none) {
		for (unsigned i = 0; i < in->c->count && !sa->pending_none; i++)
			if (in->c->v[i].type == IKE_PL_NOTIFY &&
			    in->c->v[i].notify.type < IKE_N_STATUS)
				tell_trouble(sa->e, sa->peer, IKEV2_EV_TROUBLE, in->now,
					     "no child SA: %s",
					     refusal_text(sa, in->c->v[i].notify.type, true, why,
							  sizeof(why)));
		return IKEV2_OK;
	}
	if (!ike_find(in->c, IKE_PL_TSI) || !ike_find(in->c, IKE_PL_TSR))
		return IKEV2_SELECTORS;
	ts_own(sa, &asked);
	r = create_accept(sa, in, 0, &asked, &c);
	if (r)
		return r;
	child = child_new(sa, c.suite, c.esn, c.mode, sa->first_spi, c.spi, &c.ts, in->now);
	if (!child || child_keys(sa, child, true, NULL, 0, &sa->ni, &sa->nr)) {
		if (child)
			child_free(child);
		return IKEV2_LIMIT;
	}
	child_add(sa, child);
	child_send(sa, child);
	return IKEV2_OK;
}

enum ikev2_result auth_response(struct ike_sa *sa, struct in *in)
{
	struct ikev2_id idr;
	enum ikev2_result r;

	id_read(ike_find(in->c, IKE_PL_IDR), &idr);
	r = prove_responder(sa, in, &idr);
	message_done(sa);
	if (!r) {
		sa->remote_id = idr;
		sa->auth_method = ike_find(in->c, IKE_PL_AUTH)->auth.method;
		sa_up(sa, in->now);
		r = take_child(sa, in);
		if (!r) {
			finish(sa, in->now);
			if (group_member(sa))
				group_take(sa, in);
			return IKEV2_OK;
		}
	}
	if (r == IKEV2_SELECTORS || r == IKEV2_NO_PROPOSAL || r == IKEV2_LIMIT)
		tell_trouble(sa->e, sa->peer, IKEV2_EV_TROUBLE, in->now,
			     "the child SA of its answer is not what was asked for: %s",
			     ikev2_result_name(r));
	else
		refused(sa, sa->peer, in, &idr, r);
	if (!sa->replaces)
		peer_again(sa->peer, in->now);
	info_refuse(sa, r == IKEV2_SELECTORS || r == IKEV2_NO_PROPOSAL ? 0 : IKE_N_AUTH_FAILED,
		    in->now);
	return r;
}
