/* IKE SAs: made, found, their state changed, closed. */
#include "key/ikev2/ikev2_i.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bytes_set(struct bytes *b, const void *p, size_t len)
{
	bytes_clear(b);
	b->b = malloc(len ? len : 1);
	if (!b->b)
		return false;
	if (len)
		memcpy(b->b, p, len);
	b->len = len;
	return true;
}

void bytes_clear(struct bytes *b)
{
	if (b->b)
		secret_wipe(b->b, b->len);
	free(b->b);
	*b = (struct bytes){0};
}

bool end_same(const struct esp_end *a, const struct esp_end *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, a->family == 6 ? 16 : 4);
}

struct peer *ike_peer_find(const struct ikev2 *e, uint16_t tunnel)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (p->cfg.tunnel == tunnel)
			return p;
	return NULL;
}

bool peer_at(const struct peer *p, const struct esp_end *local, const struct esp_end *remote)
{
	return (!p->cfg.local.family || end_same(&p->cfg.local, local)) &&
	       (!p->cfg.remote.family || end_same(&p->cfg.remote, remote));
}

const char *sa_name(const struct ike_sa *sa)
{
	return sa->peer ? sa->peer->cfg.name : "unknown peer";
}

uint64_t sa_spi(const struct ike_sa *sa)
{
	return sa->initiator ? sa->spi_i : sa->spi_r;
}

struct ike_sa *ike_sa_find(const struct ikev2 *e, uint64_t local_spi)
{
	for (struct ike_sa *sa = e->by_spi[local_spi % SPI_BUCKETS]; sa; sa = sa->bucket)
		if (sa_spi(sa) == local_spi)
			return sa;
	return NULL;
}

uint64_t spi_fresh(struct ikev2 *e)
{
	uint64_t spi;

	do
		e->env.random(e->env.ctx, &spi, sizeof(spi));
	while (!spi || ike_sa_find(e, spi));
	return spi;
}

static int slot_take(struct ikev2 *e)
{
	for (unsigned i = 0; i < e->cfg.slots; i++)
		if (!e->slot_used[i]) {
			e->slot_used[i] = 1;
			return (int)i;
		}
	return -1;
}

bool sa_slot(struct ike_sa *sa)
{
	if (sa->slot < 0)
		sa->slot = slot_take(sa->e);
	return sa->slot >= 0;
}

struct ike_sa *sa_new(struct ikev2 *e, struct peer *p, bool initiator, uint64_t now)
{
	struct ike_sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	sa->e = e;
	sa->peer = p;
	sa->initiator = initiator;
	sa->slot = -1;
	if (p && !sa_slot(sa)) {
		free(sa);
		return NULL;
	}
	sa->state = ST_COUNT;
	sa->window = 1;
	sa->since = sa->heard_at = sa->sent_at = now;
	sa->rekey_at = sa->reauth_at = sa->close_at = IKEV2_NEVER;
	sa->next = e->sas;
	e->sas = sa;
	e->stats.sas++;
	e->timed = false;
	return sa;
}

void sa_index(struct ike_sa *sa)
{
	struct ike_sa **b = &sa->e->by_spi[sa_spi(sa) % SPI_BUCKETS];

	sa->bucket = *b;
	*b = sa;
}

bool sa_beside(const struct ike_sa *sa)
{
	for (const struct ike_sa *o = sa->e->sas; o; o = o->next)
		if (o != sa && o->peer == sa->peer && o->state == ST_UP)
			return true;
	return false;
}

/* Whoever fails to prove itself is held against its address like who does not go on. */
static void count(struct ike_sa *sa, bool half_open)
{
	sa->e->half_open += half_open;
	sa->e->half_open -= sa->counted;
	sa->counted = half_open;
}

/* A key server that is not reached, or no more, is asked for nothing; and registrations that live by
 * the IKE SA alone are over. */
static void unasked(struct ike_sa *sa, uint64_t now)
{
	if (!sa->peer || !group_member(sa))
		return;
	for (const struct ike_sa *o = sa->e->sas; o; o = o->next)
		if (o != sa && o->peer == sa->peer && o->state <= ST_UP)
			return;
	group_over(sa->peer, 0, now);
	sa->e->env.group.closed(sa->e->env.group.ctx, sa->peer->cfg.tunnel, now);
}

void sa_state(struct ike_sa *sa, enum ike_state s, uint64_t now)
{
	struct ikev2 *e = sa->e;

	if (s == ST_HALF_OPEN || s == ST_UP)
		count(sa, s == ST_HALF_OPEN);
	if (sa->state == ST_UP && s != ST_REPLACED && sa->peer && !sa_beside(sa)) {
		tell_event(sa, IKEV2_EV_DOWN, "down: %s", sa->why ? sa->why : "closed by this end");
		if (sa->why) {
			snprintf(sa->peer->trouble, sizeof(sa->peer->trouble), "%s", sa->why);
			sa->peer->trouble_at = now;
		}
	}
	sa->state = (uint8_t)s;
	switch (s) {
	case ST_AUTH_SIGN:
	case ST_HALF_OPEN:
		sa->close_at = now + HALF_OPEN_NS;
		break;
	case ST_AUTH_REPLY:
		break; /* the half-open SA's time goes on */
	case ST_REPLACED:
		sa->close_at = now + REPLACED_NS;
		break;
	case ST_CLOSED:
		sa->close_at = now + CLOSED_NS;
		sa->want_close = sa->want_child = sa->want_rekey = sa->want_dpd = false;
		e->closed = true;
		break;
	default:
		sa->close_at = IKEV2_NEVER;
		break;
	}
	sa->dirty = true;
	e->timed = false;
	if (s == ST_CLOSED || s == ST_CLOSING)
		unasked(sa, now);
}

void sa_up(struct ike_sa *sa, uint64_t now)
{
	const struct ikev2_peer *c = &sa->peer->cfg;

	sa_state(sa, ST_UP, now);
	sa->since = sa->heard_at = now;
	sa->rekey_at = c->ike_rekey_ns ? now + jitter(sa->e, c->ike_rekey_ns) : IKEV2_NEVER;
	sa->again_at = now;
}

void sa_shed(struct ike_sa *sa)
{
	secret_wipe(&sa->dh, sizeof(sa->dh));
	bytes_clear(&sa->init_i);
	bytes_clear(&sa->init_r);
	bytes_clear(&sa->cookie);
	bytes_clear(&sa->sig);
	bytes_clear(&sa->sig_plain);
	bytes_clear(&sa->group_ask);
	sa->sign_id = 0;
}

void sa_close_children(struct ike_sa *sa, bool linger, uint64_t now)
{
	while (sa->children)
		child_drop(sa, sa->children, linger, now);
}

static enum ikev2_event reason(const struct ike_sa *sa)
{
	return sa->refused == IKE_N_AUTH_FAILED   ? IKEV2_EV_AUTH_FAILED
	       : sa->refused == IKE_N_NO_PROPOSAL ? IKEV2_EV_NO_PROPOSAL
						  : IKEV2_EV_TROUBLE;
}

void sa_lost(struct ike_sa *sa, const char *why, uint64_t now)
{
	char text[64];

	if (sa->state == ST_CLOSED)
		return;
	sa->e->stats.lost += sa->state == ST_UP;
	/* What was refused in clear is told already. */
	if (sa->peer && sa->state < ST_UP && !(sa->state == ST_INIT_SENT && sa->refused))
		tell_trouble(sa->e, sa->peer, reason(sa), now, "%s; it is at %s, state: %s", why,
			     end_text(&sa->remote, text, sizeof(text)), state_name(sa->state));
	sa->why = why;
	if (sa->peer && sa->state != ST_REPLACED && sa->state != ST_CLOSING && !sa->replaces)
		peer_again(sa->peer, now);
	sa_close_children(sa, false, now);
	message_done(sa);
	sa_state(sa, ST_CLOSED, now);
	sa->why = NULL;
	sa->close_at = now; /* nobody awaits an answer of it */
}

static void unlink_sa(struct ike_sa *sa)
{
	struct ikev2 *e = sa->e;
	struct ike_sa **p = &e->sas;

	while (*p != sa)
		p = &(*p)->next;
	*p = sa->next;
	for (p = &e->by_spi[sa_spi(sa) % SPI_BUCKETS]; *p; p = &(*p)->bucket)
		if (*p == sa) {
			*p = sa->bucket;
			break;
		}
}

void sa_free(struct ike_sa *sa)
{
	struct ikev2 *e = sa->e;

	unlink_sa(sa);
	count(sa, false);
	e->stats.sas--;
	while (sa->children) {
		struct child_sa *c = sa->children;

		sa->children = c->next;
		child_free(c);
	}
	if (sa->pending)
		child_free(sa->pending);
	sa_shed(sa);
	message_done(sa);
	bytes_clear(&sa->answer);
	bytes_clear(&sa->certs);
	fragment_clear(sa);
	if (sa->slot >= 0) {
		e->slot_used[sa->slot] = 0;
		e->slot_stale[sa->slot] = sa->saved;
	}
	secret_wipe(sa, sizeof(*sa));
	free(sa);
}
