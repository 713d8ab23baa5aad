#include "fwd/designated.h"

#include <string.h>

/* The one place where the state changes. */
static void state_set(struct designated *d, enum bframe_state state, uint64_t now)
{
	if (d->state == state)
		return;
	d->state = state;
	d->since_ns = now;
	d->hello_now = true;
}

void designated_init(struct designated *d, const struct designated_config *c, uint64_t now)
{
	*d = (struct designated){.config = *c, .since_ns = now, .hello_now = true};
}

static int rank_of(const struct designated *d, uint16_t node)
{
	for (int i = 0; i < DESIGNATED_SITE && d->config.site[i]; i++)
		if (d->config.site[i] == node)
			return i;
	return -1;
}

bool designated_alone(const struct designated *d)
{
	return !d->config.site[1];
}

bool designated_forwards(const struct designated *d)
{
	return designated_alone(d) || d->state == BFRAME_FORWARDING;
}

static struct designated_peer *peer_of(struct designated *d, uint16_t node)
{
	for (unsigned i = 0; i < DESIGNATED_PEERS; i++)
		if (d->peers[i].sci && d->peers[i].node == node)
			return &d->peers[i];
	return NULL;
}

/* What the others of the site let this one do. */
struct verdict {
	bool barred;  /* another forwards, or a better one could */
	bool certain; /* each of them has said lately that it does not and will not */
	bool outdone; /* a better one could, does or will */
};

static struct verdict ask_site(struct designated *d, uint64_t now)
{
	struct verdict v = {.certain = true};
	int own = rank_of(d, d->config.self);

	for (int i = 0; i < DESIGNATED_SITE && d->config.site[i]; i++) {
		const struct designated_peer *p = peer_of(d, d->config.site[i]);
		bool better = i < own;

		if (i == own)
			continue;
		if (!p || now - p->heard_ns >= DESIGNATED_GONE_NS) {
			v.certain = false;
			continue;
		}
		if (p->state == BFRAME_FORWARDING || (better && p->state >= BFRAME_READY) ||
		    now - p->heard_ns >= DESIGNATED_STALE_NS)
			v.barred = true;
		if (better && p->state >= BFRAME_READY)
			v.outdone = true;
		if (p->state == BFRAME_CLAIM || (better && p->state != BFRAME_DOWN))
			v.certain = false;
	}
	return v;
}

/* Nobody is heard: there is nobody to forward to, and perhaps another forwards here. */
static bool is_cut_off(const struct designated *d, uint64_t now)
{
	return !d->config.strangers && (!d->heard_ns || now - d->heard_ns >= DESIGNATED_DEAD_NS);
}

static void settle(struct designated *d, uint64_t now)
{
	struct verdict v = ask_site(d, now);

	if (!d->usable || is_cut_off(d, now)) {
		state_set(d, BFRAME_DOWN, now);
		return;
	}
	if (d->state == BFRAME_DOWN)
		state_set(d, BFRAME_LISTEN, now);
	if (d->state == BFRAME_LISTEN && now - d->since_ns >= DESIGNATED_LISTEN_NS)
		state_set(d, BFRAME_READY, now);
	if (d->state == BFRAME_FORWARDING && v.outdone)
		state_set(d, BFRAME_READY, now);
	if (d->state == BFRAME_CLAIM && v.barred)
		state_set(d, BFRAME_READY, now);
	if (d->state == BFRAME_READY && !v.barred)
		state_set(d, v.certain ? BFRAME_FORWARDING : BFRAME_CLAIM, now);
	if (d->state == BFRAME_CLAIM && (v.certain || now - d->since_ns >= DESIGNATED_CLAIM_NS))
		state_set(d, BFRAME_FORWARDING, now);
}

void designated_usable(struct designated *d, bool usable, uint64_t now)
{
	d->usable = usable;
	settle(d, now);
}

void designated_expire(struct designated *d, uint64_t now)
{
	settle(d, now);
}

void designated_hello_soon(struct designated *d)
{
	d->hello_now = true;
}

/* The entry of a secure channel; a new one takes a free place, or that of the longest silent. */
static struct designated_peer *peer_get(struct designated *d, uint64_t sci, uint64_t now)
{
	struct designated_peer *spare = d->peers;

	for (unsigned i = 0; i < DESIGNATED_PEERS; i++) {
		struct designated_peer *p = &d->peers[i];

		if (p->sci == sci)
			return p;
		if (spare->sci && (!p->sci || p->heard_ns < spare->heard_ns))
			spare = p;
	}
	*spare = (struct designated_peer){.sci = sci, .first_ns = now, .heard_ns = now};
	return spare;
}

bool designated_input(struct designated *d, uint64_t sci, const struct bframe_hello *h,
		      uint64_t now)
{
	struct designated_peer *p, *old;

	if (h->node == d->config.self || !sci)
		return false;
	p = peer_get(d, sci, now);
	if (p->node == h->node && p->instance == h->instance &&
	    (int32_t)(h->sequence - p->sequence) <= 0)
		return false;
	old = peer_of(d, h->node);
	if (old && old != p)
		*old = (struct designated_peer){0};
	p->node = h->node;
	p->state = h->state;
	p->instance = h->instance;
	p->sequence = h->sequence;
	p->heard_ns = now;
	d->heard_ns = now;
	settle(d, now);
	return true;
}

bool designated_output(struct designated *d, struct bframe_hello *h, uint64_t now)
{
	if (!d->hello_now && now < d->hello_ns)
		return false;
	d->hello_now = false;
	d->hello_ns = now + DESIGNATED_HELLO_NS;
	h->node = d->config.self;
	h->state = (uint8_t)d->state;
	h->instance = d->config.instance;
	h->sequence = ++d->sequence;
	h->count = 0;
	return true;
}

enum designated_origin designated_origin(struct designated *d, uint64_t sci, uint64_t now)
{
	const struct designated_peer *p;

	if (designated_alone(d))
		return DESIGNATED_OTHER_SITE;
	p = peer_get(d, sci, now);
	if (p->node)
		return rank_of(d, p->node) >= 0 ? DESIGNATED_OWN_SITE : DESIGNATED_OTHER_SITE;
	return d->config.strangers && now - p->first_ns >= DESIGNATED_LISTEN_NS
		       ? DESIGNATED_OTHER_SITE
		       : DESIGNATED_UNKNOWN;
}
