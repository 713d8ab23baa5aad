/*
 * The engine: its life, peers, commands, timers, and what is started when.
 *
 * Nothing is started where its reason is noticed. Reasons are noted as wishes (want_…); sa_step()
 * starts the most urgent one when no request is out (§2.3: our window is 1). So what collides is
 * seen in one place, and what was wished for survives in the record.
 */
#include "key/ikev2/ikev2_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t jitter(struct ikev2 *e, uint64_t ns)
{
	uint32_t r;

	e->env.random(e->env.ctx, &r, sizeof(r));
	return ns - ns / 10 * (r % 1024) / 1024;
}

int nonce_cmp(const struct nonce *a, const struct nonce *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int d = memcmp(a->b, b->b, n);

	return d ? d : (int)a->len - (int)b->len;
}

void nonce_make(struct ikev2 *e, struct nonce *n)
{
	n->len = NONCE_LEN;
	e->env.random(e->env.ctx, n->b, NONCE_LEN);
}

void nonce_low(struct nonce *to, const struct nonce *a, const struct nonce *b)
{
	*to = nonce_cmp(a, b) < 0 ? *a : *b;
}

struct ikev2 *ikev2_new(const struct ikev2_config *cfg, const struct ikev2_env *env, uint64_t now)
{
	struct ikev2 *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->cfg = *cfg;
	e->env = *env;
	e->cfg.port = cfg->port ? cfg->port : IKEV2_PORT;
	e->cfg.port_nat = cfg->port_nat ? cfg->port_nat : IKEV2_PORT_NAT;
	e->cfg.cookie_above = cfg->cookie_above ? cfg->cookie_above : 32;
	e->cfg.half_open_max = cfg->half_open_max ? cfg->half_open_max : 512;
	e->cfg.source_max = cfg->source_max ? cfg->source_max : 8;
	e->cfg.slots = cfg->slots ? cfg->slots : 1024;
	e->slot_used = calloc(e->cfg.slots, 1);
	e->slot_stale = calloc(e->cfg.slots, 1);
	e->out_end = &e->out;
	e->limit = (struct log_limit)LOG_LIMIT(20, NS_PER_S);
	if (!e->slot_used || !e->slot_stale) {
		ikev2_free(e);
		return NULL;
	}
	cookie_turn(e, now);
	return e;
}

static void peer_free(struct peer *p)
{
	secret_wipe(p, sizeof(*p));
	free(p);
}

void ikev2_free(struct ikev2 *e)
{
	struct ikev2_datagram d;

	if (!e)
		return;
	while (e->sas)
		sa_free(e->sas);
	while (e->peers) {
		struct peer *p = e->peers;

		e->peers = p->next;
		peer_free(p);
	}
	while (e->out && ikev2_output(e, &d))
		;
	free(e->slot_used);
	free(e->slot_stale);
	secret_wipe(e, sizeof(*e));
	free(e);
}

static bool peer_valid(const struct ikev2_peer *p)
{
	bool cert = p->auth == IKEV2_AUTH_CERT;

	if (!p->tunnel || !p->local_id.type || p->local_id.len > IKEV2_ID_MAX ||
	    p->remote_id.len > IKEV2_ID_MAX || p->mode >= ESP_MODE_COUNT)
		return false;
	if (cert ? !p->trust || !p->chain_count || p->chain_count > X509_CHAIN_MAX || !p->schemes
		 : !p->psk.len)
		return false;
	if (p->ppk_required && !p->ppk_id.type)
		return false;
	if (p->ppk_id.type && !p->ppk.len)
		return false;
	if (p->start && !p->remote.family)
		return false;
	if (p->role != IKEV2_PAIR) /* no children; key servers are called when there is a wish */
		return !p->start;
	if (!p->ts.local_count && !p->ts.remote_count)
		return p->mode == ESP_TRANSPORT;
	return esp_selectors_valid(&p->ts);
}

int ikev2_peer_set(struct ikev2 *e, const struct ikev2_peer *cfg, uint64_t now)
{
	struct peer *p, **end = &e->peers;
	bool started;

	if (!peer_valid(cfg) || (cfg->role != IKEV2_PAIR && !e->env.group.ask))
		return -EINVAL;
	p = ike_peer_find(e, cfg->tunnel);
	started = p && p->cfg.start;
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		while (*end) /* in the order they were set: the first that fits is asked first */
			end = &(*end)->next;
		*end = p;
	}
	if (cfg->role != IKEV2_KEY_SERVER)
		group_over(p, 0, now);
	p->e = e;
	p->cfg = *cfg;
	p->cfg.name[IKEV2_NAME_MAX - 1] = 0;
	p->wanted |= cfg->start && !started && !p->held;
	p->next_at = now;
	e->timed = false;
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer == p)
			proof_again(sa, now);
	return 0;
}

void ikev2_peer_remove(struct ikev2 *e, uint16_t tunnel, uint64_t now)
{
	struct peer *p = ike_peer_find(e, tunnel), **at = &e->peers;

	if (!p)
		return;
	group_over(p, 0, now);
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer == p) {
			if (sa->state == ST_UP && !sa->req.kind)
				info_delete_ike(sa, now);
			sa_close_children(sa, false, now);
			sa->peer = NULL;
			if (sa->state != ST_CLOSED && sa->state != ST_CLOSING) {
				message_done(sa);
				sa_state(sa, ST_CLOSED, now);
			}
		}
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	peer_free(p);
	e->timed = false;
}

void peer_again(struct peer *p, uint64_t now)
{
	uint64_t wait = NS_PER_S << (p->failures < 6 ? p->failures : 6);

	p->failures++;
	p->next_at = now + (wait < AGAIN_MOST ? wait : AGAIN_MOST);
}

int ikev2_up(struct ikev2 *e, uint16_t tunnel, uint64_t now)
{
	struct peer *p = ike_peer_find(e, tunnel);

	if (!p)
		return -ENOENT;
	if (!p->cfg.remote.family)
		return -EADDRNOTAVAIL;
	p->wanted = true;
	p->held = false;
	p->failures = 0;
	p->next_at = now;
	e->timed = false;
	return 0;
}

int ikev2_down(struct ikev2 *e, uint16_t tunnel, uint64_t now)
{
	struct peer *p = ike_peer_find(e, tunnel);

	if (!p)
		return -ENOENT;
	p->wanted = p->once = false;
	p->held = true;
	group_over(p, 0, now);
	tell_over(p);
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer == p && sa->state <= ST_UP) {
			if (sa->state == ST_UP)
				sa->want_close = sa->dirty = true;
			else
				sa_lost(sa, "brought down", now);
		}
	e->timed = false;
	return 0;
}

int ikev2_rekey(struct ikev2 *e, uint16_t tunnel, enum ikev2_what what, uint64_t now)
{
	struct peer *p = ike_peer_find(e, tunnel);
	bool any = false;

	if (!p)
		return -ENOENT;
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next) {
		if (sa->peer != p || sa->state != ST_UP)
			continue;
		any = true;
		sa->want_rekey |= what == IKEV2_REKEY_IKE;
		sa->want_child |= what == IKEV2_NEW_CHILD && p->cfg.role == IKEV2_PAIR;
		if (what == IKEV2_REAUTH)
			sa->reauth_at = now;
		for (struct child_sa *c = sa->children; c && what == IKEV2_REKEY_CHILD; c = c->next)
			c->want_rekey |= c->state == CHILD_UP;
		sa->dirty = true;
	}
	e->timed = false;
	return any ? 0 : -ENOTCONN;
}

/* What the clock says is to be done with one child. */
static void child_times(struct ike_sa *sa, struct child_sa *c, uint64_t now)
{
	if (c->state == CHILD_UP && now >= c->rekey_at) {
		c->want_rekey = sa->dirty = true;
		c->rekey_at = IKEV2_NEVER;
	}
	if (now >= c->close_at) {
		c->want_close = sa->dirty = true;
		c->close_at = IKEV2_NEVER;
	}
	if (c->state == CHILD_UP && !c->want_close && !c->sending && now >= c->send_at)
		child_send_late(sa, c, now);
}

/* Whether there are to be children. */
static bool pairs(const struct ikev2_peer *p)
{
	return p->role == IKEV2_PAIR && !p->childless;
}

/* Whether it is to be called. A key server is when there is something to ask. */
static bool calls(const struct peer *p)
{
	return (p->wanted || p->once) && p->cfg.remote.family &&
	       (p->cfg.role != IKEV2_KEY_SERVER || p->group.type);
}

static void reauthenticate(struct ike_sa *sa, uint64_t now)
{
	struct ike_sa *fresh =
		sa->peer->cfg.remote.family ? init_start(sa->e, sa->peer, now) : NULL;

	if (fresh)
		fresh->replaces = sa_spi(sa);
	sa->reauth_at = now + AGAIN_MOST; /* should it fail, the old one stays */
}

/* What the clock says is to be done with an IKE SA that stands. */
static void up_times(struct ike_sa *sa, uint64_t now)
{
	const struct ikev2_peer *p = &sa->peer->cfg;

	if (now >= sa->rekey_at) {
		sa->want_rekey = sa->dirty = true;
		sa->rekey_at = IKEV2_NEVER;
	}
	if (now >= sa->reauth_at)
		reauthenticate(sa, now);
	create_surplus(sa, now);
	for (struct child_sa *c = sa->children; c; c = c->next)
		child_times(sa, c, now);
	if (p->dpd_ns && now >= sa->heard_at + p->dpd_ns)
		sa->want_dpd = true;
	if (sa->nat_local && now >= sa->sent_at + KEEPALIVE_NS)
		message_keepalive(sa, now);
	if (group_server(sa) && !p->keep && now >= sa->group_until)
		sa->want_close = sa->dirty = true;
	if ((sa->peer->wanted || sa->peer->once) && pairs(p) && !sa->want_close &&
	    !child_usable(sa))
		sa->want_child = true;
}

/* Starts what is most urgent. */
static void start_next(struct ike_sa *sa, uint64_t now)
{
	struct child_sa *c;

	if (sa->want_close) {
		info_delete_ike(sa, now);
		return;
	}
	for (c = sa->children; c; c = c->next)
		if (c->want_close) {
			info_delete_children(sa, now);
			return;
		}
	if (sa->state == ST_UP && now >= sa->again_at) {
		for (c = sa->children; c && !child_rekeys(c);)
			c = c->next;
		if (sa->want_rekey)
			rekey_start(sa, now);
		else if (c || sa->want_child)
			create_start(sa, c, now);
		else if (group_wishes(sa))
			group_start(sa, now);
	}
	if (!sa->req.kind && sa->want_dpd)
		info_dpd(sa, now);
}

void sa_step(struct ike_sa *sa, uint64_t now)
{
	if (sa->req.kind && now >= sa->req.at)
		message_retry(sa, now);
	if (now >= sa->close_at && sa->state != ST_CLOSED) {
		if (sa->state == ST_REPLACED)
			sa->want_close = true;
		else
			sa_lost(sa, "not done in time", now);
		sa->close_at = IKEV2_NEVER;
		if (sa->state == ST_CLOSED)
			sa->close_at = now;
	}
	if (sa->state == ST_UP)
		up_times(sa, now);
	if ((sa->state == ST_UP || sa->state == ST_REPLACED) && !sa->req.kind)
		start_next(sa, now);
	sa->e->timed = false;
}

static void sweep(struct ikev2 *e, uint64_t now)
{
	struct ike_sa *next;

	e->closed = false;
	for (struct ike_sa *sa = e->sas; sa; sa = next) {
		next = sa->next;
		if (sa->state != ST_CLOSED)
			continue;
		if (now >= sa->close_at)
			sa_free(sa);
		else
			e->closed = true;
	}
}

/* Peers that are to be up and have nothing that stands or is being made. */
static void peers_call(struct ikev2 *e, uint64_t now)
{
	for (struct peer *p = e->peers; p; p = p->next)
		p->busy = false;
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer && sa->state <= ST_UP && !sa->want_close)
			sa->peer->busy = true;
	for (struct peer *p = e->peers; p; p = p->next)
		if (calls(p) && !p->busy && now >= p->next_at && !init_start(e, p, now))
			peer_again(p, now);
}

void ikev2_expire(struct ikev2 *e, uint64_t now)
{
	if (now >= e->cookie_at) { /* what is due once in a while */
		cookie_turn(e, now);
		for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
			if (sa->state == ST_UP)
				auth_twins(sa);
	}
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		sa_step(sa, now);
	sweep(e, now);
	peers_call(e, now);
	e->timed = false;
}

static void earlier(uint64_t *min, uint64_t at)
{
	if (at < *min)
		*min = at;
}

static bool wishes(const struct ike_sa *sa)
{
	bool any = sa->want_rekey || sa->want_child || group_wishes(sa);

	for (const struct child_sa *c = sa->children; c; c = c->next)
		any |= child_rekeys(c);
	return any && sa->state == ST_UP;
}

static bool urgent(const struct ike_sa *sa)
{
	bool any = sa->want_close || (sa->want_dpd && sa->state == ST_UP);

	for (const struct child_sa *c = sa->children; c; c = c->next)
		any |= c->want_close;
	return any && (sa->state == ST_UP || sa->state == ST_REPLACED);
}

static uint64_t sa_deadline(const struct ike_sa *sa)
{
	uint64_t min = sa->close_at;

	if (sa->req.kind)
		earlier(&min, sa->req.at);
	else if (urgent(sa))
		return 0;
	else if (wishes(sa))
		earlier(&min, sa->again_at);
	if (sa->state != ST_UP)
		return min;
	earlier(&min, sa->rekey_at);
	earlier(&min, sa->reauth_at);
	if (sa->peer->cfg.dpd_ns && !sa->want_dpd)
		earlier(&min, sa->heard_at + sa->peer->cfg.dpd_ns);
	if (sa->nat_local)
		earlier(&min, sa->sent_at + KEEPALIVE_NS);
	for (const struct child_sa *c = sa->children; c; c = c->next) {
		earlier(&min, c->close_at);
		if (c->state == CHILD_UP)
			earlier(&min, c->rekey_at);
		if (c->state == CHILD_UP && !c->want_close && !c->sending)
			earlier(&min, c->send_at);
	}
	if (group_server(sa) && !sa->peer->cfg.keep && !sa->want_close)
		earlier(&min, sa->group_until);
	if ((sa->peer->wanted || sa->peer->once) && pairs(&sa->peer->cfg) && !sa->req.kind &&
	    !sa->want_close && !sa->want_child && !child_usable(sa))
		return 0;
	return min;
}

/* When a peer is to be called, if it is. */
static uint64_t peer_deadline(const struct ikev2 *e, const struct peer *p)
{
	if (!calls(p))
		return IKEV2_NEVER;
	for (const struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer == p && sa->state <= ST_UP && !sa->want_close)
			return IKEV2_NEVER;
	return p->next_at;
}

uint64_t ikev2_deadline(const struct ikev2 *e)
{
	struct ikev2 *cache = (struct ikev2 *)(uintptr_t)e;
	uint64_t min = e->cookie_at;

	if (e->timed)
		return e->deadline;
	for (const struct ike_sa *sa = e->sas; sa; sa = sa->next)
		earlier(&min, sa_deadline(sa));
	for (const struct peer *p = e->peers; p; p = p->next)
		earlier(&min, peer_deadline(e, p));
	cache->timed = true;
	cache->deadline = min;
	return min;
}

/* The child an SA report is about. */
static struct child_sa *reported(struct ikev2 *e, const struct sink_esp_report *r,
				 struct ike_sa **sa)
{
	for (*sa = e->sas; *sa; *sa = (*sa)->next) {
		struct child_sa *c = !(*sa)->peer || (*sa)->peer->cfg.tunnel != r->tunnel ? NULL
				     : r->direction == SINK_RECEIVE ? child_by_in(*sa, r->spi)
								    : child_by_out(*sa, r->spi);

		if (c)
			return c;
	}
	return NULL;
}

static void report_child(struct ike_sa *sa, struct child_sa *c, const struct sink_esp_report *r,
			 uint64_t now)
{
	switch ((enum sink_esp_event)r->event) {
	case SINK_ESP_USED:
		if (c->state == CHILD_UP)
			child_send(sa, c); /* the peer has the keys: it receives */
					   /* fall through */
	case SINK_ESP_INSTALLED:
		if (r->direction == SINK_RECEIVE && r->packets > c->packets_in) {
			c->packets_in = r->packets;
			sa->heard_at = now;
			sa->want_dpd = false;
		}
		if (r->direction == SINK_TRANSMIT && c->state == CHILD_UP && !c->esn &&
		    r->seq > UINT32_MAX / 8u * 7)
			c->want_rekey = sa->dirty = true;
		break;
	case SINK_ESP_GONE:
		if (c->state == CHILD_UP) { /* forward lost it: another takes its place */
			c->want_close = sa->dirty = true;
			c->want_rekey = false;
		}
		break;
	case SINK_ESP_MOVED:
		if (sa->nat_remote && !sa->nat_local && sa->encap) {
			sa->remote = r->remote; /* the packet verified (RFC 7296 §2.23) */
			sa->dirty = true;
			for (struct child_sa *o = sa->children; o; o = o->next)
				child_resync(sa, o);
		}
		break;
	case SINK_ESP_ACQUIRE:
		break;
	}
}

void ikev2_report(struct ikev2 *e, const struct sink_esp_report *r, uint64_t now)
{
	struct peer *p = ike_peer_find(e, r->tunnel);
	struct child_sa *c;
	struct ike_sa *sa;

	if (!p)
		return;
	if (r->event == SINK_ESP_ACQUIRE) {
		p->once = !p->held;
		e->timed = false;
		return;
	}
	c = reported(e, r, &sa);
	if (c)
		report_child(sa, c, r, now);
	e->timed = false;
}

void ikev2_carried(struct ikev2 *e, uint16_t tunnel, bool carried)
{
	struct peer *p = ike_peer_find(e, tunnel);

	if (p)
		p->carried = carried;
}

void ikev2_signed(struct ikev2 *e, uint32_t id, const void *sig, size_t len, uint64_t now)
{
	for (struct ike_sa *sa = e->sas; sa && id; sa = sa->next)
		if (sa->sign_id == id) {
			auth_signed(sa, sig, len, now);
			sa_step(sa, now);
			return;
		}
}
