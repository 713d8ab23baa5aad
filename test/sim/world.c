/*
 * Nodes, clocks, the event queue, and what a run must never see:
 *  - a nonce twice under one key, or a message number twice under one member identifier;
 *  - a key that was retired come back;
 *  - a replayed packet accepted, or an MKPDU by one engine twice;
 *  - on a perfect network, once everything had time to settle: a packet lost between two nodes
 *    that nothing happened to, whatever happens to others, and nodes that do not agree;
 *  - an engine that spins.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX(nodes) (4000000 + 6000 * (nodes) * (nodes))

uint64_t sim_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

unsigned sim_below(struct sim *s, unsigned n)
{
	return (unsigned)(sim_random(&s->rng) % n);
}

bool sim_chance(struct sim *s, unsigned permille)
{
	return permille && sim_below(s, 1000) < permille;
}

void sim_log(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->verbose)
		return;
	fprintf(stderr, "%10.3f  ", (double)s->now / 1e9);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void sim_violate(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->violation[0])
		return;
	va_start(ap, fmt);
	vsnprintf(s->violation, sizeof(s->violation), fmt, ap);
	va_end(ap);
	sim_log(s, "VIOLATION: %s", s->violation);
}

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

void sim_at(struct sim *s, uint64_t at, enum event_type type, unsigned node, unsigned arg,
	    uint64_t gen, const void *body, size_t len)
{
	struct event e = {at, s->seq++, type, node, arg, gen, NULL, len};
	size_t i = s->heap_len++;

	if (s->heap_len > s->heap_cap) {
		s->heap_cap = s->heap_cap ? 2 * s->heap_cap : 1024;
		s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	if (len) {
		e.body = malloc(len);
		if (!e.body)
			abort();
		memcpy(e.body, body, len);
	}
	for (; i && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct event take(struct sim *s)
{
	struct event top = s->heap[0], last = s->heap[--s->heap_len];
	size_t i = 0;

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= s->heap_len)
			break;
		if (c + 1 < s->heap_len && before(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!before(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	s->heap[i] = last;
	return top;
}

uint64_t sim_digest(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	return h ^ h >> 33;
}

static bool set_add(uint64_t *set, size_t cap, uint64_t digest)
{
	size_t i = digest & (cap - 1);

	for (; set[i]; i = (i + 1) & (cap - 1))
		if (set[i] == digest)
			return true;
	set[i] = digest;
	return false;
}

bool sim_nonce_seen(struct sim *s, uint64_t digest)
{
	if (2 * s->nonce_count >= s->nonce_cap) {
		size_t cap = s->nonce_cap ? 2 * s->nonce_cap : 1 << 16;
		uint64_t *set = calloc(cap, sizeof(*set));

		if (!set)
			abort();
		for (size_t i = 0; i < s->nonce_cap; i++)
			if (s->nonces[i])
				set_add(set, cap, s->nonces[i]);
		free(s->nonces);
		s->nonces = set;
		s->nonce_cap = cap;
	}
	s->nonce_count++;
	return set_add(s->nonces, s->nonce_cap, digest | 1);
}

uint64_t node_time(const struct node *n, uint64_t at)
{
	return n->offset + at * (uint64_t)(1000000 + n->ppm) / 1000000;
}

/* The first moment at which the node's clock shows at least that. */
static uint64_t node_when(const struct node *n, uint64_t time)
{
	uint64_t at;

	if (time <= n->offset)
		return 0;
	at = (time - n->offset) * 1000000 / (uint64_t)(1000000 + n->ppm);
	while (node_time(n, at) < time)
		at++;
	return at;
}

static void node_random(void *ctx, void *buf, size_t len)
{
	struct node *n = ctx;
	uint8_t *p = buf;

	while (len--)
		*p++ = (uint8_t)sim_random(&n->rng);
}

void node_jump(struct node *n, uint64_t by)
{
	n->offset += by;
	if (!n->m)
		return;
	/* The time of day is what it was: control reads both clocks. */
	mka_wall(n->m, node_wall(n), node_time(n, n->s->now));
	mka_expire(n->m, node_time(n, n->s->now));
	node_done(n);
}

void node_start(struct node *n, bool with_record)
{
	struct mka_env env = {n, node_random, {n, fwd_add_receive, fwd_use_transmit, fwd_retire}};
	uint64_t now = node_time(n, n->s->now);
	struct rd r = rd_init(n->record, n->record_len);

	n->life++;
	n->on = true;
	n->up_at = n->s->now;
	n->cfg.wall = node_wall(n);
	n->m = mka_new(&n->cfg, &env, now);
	if (!n->m)
		abort();
#ifdef MKA_FAULTS
	n->m->fault = n->s->fault;
#endif
	if (n->wall_wrong && !with_record) /* it may know no key that the others use */
		n->good_at = UINT64_MAX;
	if (with_record && n->record_len && mka_load(n->m, &r, now))
		sim_violate(n->s, "node %u cannot load its record", n->i);
	fwd_sync(n);
	sim_log(n->s, "node %u starts%s", n->i, with_record ? " with its record" : "");
	node_done(n);
}

void node_save(struct node *n)
{
	struct wr w = wr_init(n->record, sizeof(n->record));

	mka_save(n->m, &w);
	if (w.bad)
		sim_violate(n->s, "the record of node %u does not fit", n->i);
	n->record_len = wr_len(&w);
}

/* Its record is what it had after the last call of the engine, or before it (kill_unsaved). */
void node_kill(struct node *n)
{
	sim_log(n->s, "node %u: control dies", n->i);
	if (!n->kill_unsaved)
		node_save(n);
	mka_free(n->m);
	n->m = NULL;
	n->kill_unsaved = false;
}

static void node_watch(struct node *n)
{
	struct sim *s = n->s;

	if (n->m->principal && n->m->principal->ks_sci != n->ks && n->m->principal->ks_sci) {
		s->kinds[SIM_SERVER_CHANGE] += n->ks != 0;
		n->ks = n->m->principal->ks_sci;
	}
	if (n->m->saks > 1 && n->m->saks != n->saks)
		s->kinds[SIM_REKEY]++;
	n->saks = n->m->saks;
	s->kinds[SIM_KEPT] += n->m->alone_since && !n->kept;
	n->kept = n->m->alone_since;
	keys_watch(n);
}

void node_done(struct node *n)
{
	struct sim *s = n->s;
	uint8_t frame[MKA_FRAME_MAX];
	size_t len;

	if (!n->m)
		return;
	if (n->kill_unsaved && n->m->principal && n->m->principal->tx_pending) {
		node_kill(n);
		return;
	}
	if (n->kill_unsaved)
		node_save(n);
	while ((len = mka_output(n->m, frame))) {
		uint64_t h = sim_digest(7, frame + 30, MKA_MI_LEN + 4); /* MI and MN */

		if (sim_nonce_seen(s, h))
			sim_violate(s, "node %u used a message number twice", n->i);
		net_send(n, frame, len);
	}
	node_watch(n);
	sim_at(s, node_when(n, mka_deadline(n->m)), EV_WAKE, n->i, 0, ++n->wake_gen, NULL, 0);
}

static bool hears(const struct node *a, const struct node *b)
{
	const struct sink_sa *tx = &b->fwd.tx[b->fwd.in_use].sa;

	const struct rx_sa *r = &a->fwd.rx[b->i * MACSEC_AN_COUNT + tx->an];

	return r->used && r->sa.sci == tx->sci &&
	       !memcmp(r->sa.key_id, tx->key_id, sizeof(tx->key_id));
}

/* All that count transmit with one key and hear each other. */
bool sim_agreed(const struct sim *s)
{
	const uint8_t *key = NULL;

	for (unsigned i = 0; i < s->count; i++) {
		const struct node *a = &s->nodes[i];
		const uint8_t *k;

		if (!a->on || s->now < a->good_at || a->no_place)
			continue;
		if (a->fwd.in_use < 0)
			return false;
		k = a->fwd.tx[a->fwd.in_use].sa.key_id;
		if (key && memcmp(key, k, MACSEC_KEY_ID_LEN))
			return false;
		key = k;
		for (unsigned j = 0; j < s->count; j++) {
			const struct node *b = &s->nodes[j];

			if (j != i && b->on && s->now >= b->good_at && !b->no_place &&
			    (b->fwd.in_use < 0 || !hears(a, b)))
				return false;
		}
	}
	return true;
}

/* MI and MN of an MKPDU, and who heard it in which life. */
static uint64_t mkpdu_digest(const struct node *n, const uint8_t *frame)
{
	uint64_t h = sim_digest(11, frame + 30, MKA_MI_LEN + 4);

	h = sim_digest(h, &n->i, sizeof(n->i));
	return sim_digest(h, &n->life, sizeof(n->life));
}

static void frame_arrives(struct node *n, const struct event *e)
{
	enum mka_result r;

	if (!n->on || !n->m)
		return;
	r = mka_input(n->m, e->body, e->len, node_time(n, n->s->now));
	if (r == MKA_OK && sim_nonce_seen(n->s, mkpdu_digest(n, e->body)))
		sim_violate(n->s, "node %u took an MKPDU twice", n->i);
	if (r == MKA_OK || r == MKA_NOT_LIVE || r == MKA_SAK_REFUSED || r == MKA_OWN_MI)
		sim_log(n->s, "node %u <- node %u: %s", n->i, e->arg, mka_result_name(r));
	node_done(n);
}

static void poll(struct sim *s)
{
	if (sim_agreed(s)) {
		s->agreed_at = s->now;
		if (!s->agreed_first && s->now > NS_PER_S / 10)
			s->agreed_first = s->now;
	}
	for (uint64_t t = 0; t < 4 * s->poll_ns; t += NS_PER_S / 2)
		net_attack(s);
	for (unsigned i = 0; i < s->count; i++)
		if (s->nodes[i].on)
			fwd_poll(&s->nodes[i]);
	sim_at(s, s->now + s->poll_ns, EV_POLL, 0, 0, 0, NULL, 0);
}

static void dispatch(struct sim *s, const struct event *e)
{
	struct node *n = &s->nodes[e->node];

	switch (e->type) {
	case EV_WAKE:
		if (!n->m || e->gen != n->wake_gen)
			break;
		mka_wall(n->m, node_wall(n), node_time(n, s->now));
		mka_expire(n->m, node_time(n, s->now));
		node_done(n);
		break;
	case EV_FRAME:
		frame_arrives(n, e);
		break;
	case EV_DATA:
		if (n->on)
			fwd_receive(n, e->body, e->arg);
		break;
	case EV_SEND:
		if (n->on)
			fwd_send(n);
		sim_at(s, s->now + s->send_ns, EV_SEND, n->i, 0, 0, NULL, 0);
		break;
	case EV_REPORT:
		fwd_deliver(n, e);
		break;
	case EV_STORY:
		story_event(s, e);
		break;
	case EV_KEYS:
		keys_event(s, e->node, e->arg);
		break;
	case EV_POLL:
		poll(s);
		break;
	}
}

static void node_init(struct sim *s, unsigned i)
{
	struct node *n = &s->nodes[i];

	n->s = s;
	n->i = i;
	n->rng = sim_random(&s->rng);
	n->fwd.in_use = -1;
	n->offset = NS_PER_S * (1 + sim_below(s, 1000000));
	n->ppm = (int32_t)sim_below(s, 401) - 200;
	if (n->ppm)
		s->kinds[SIM_DRIFT]++;
}

void sim_loop(struct sim *s)
{
	while (s->heap_len && !s->violation[0]) {
		struct event e = take(s);

		if (e.at > s->end) {
			free(e.body);
			break;
		}
		if (e.at > s->now)
			s->now = e.at;
		if (++s->events > EVENTS_MAX(s->count))
			sim_violate(s, "an engine spins");
		dispatch(s, &e);
		free(e.body);
	}
}

void sim_fini(struct sim *s)
{
	for (unsigned i = 0; i < s->count; i++)
		mka_free(s->nodes[i].m);
	for (size_t i = 0; i < s->heap_len; i++)
		free(s->heap[i].body);
	free(s->heap);
	free(s->nonces);
}

void sim_init(struct sim *s, uint64_t seed, unsigned count)
{
	s->seed = seed;
	s->rng = seed * 0x2545f4914f6cdd1dull + 1;
	s->count = count;
	/* Of large groups less is heard of each, so that a run ends in time. */
	s->send_ns = 100 * NS_PER_MS * (1 + count / 12 * count / 12);
	for (unsigned i = 0; i < s->count; i++)
		node_init(s, i);
}

bool sim_run(struct sim *s, uint64_t seed)
{
	static const unsigned large[] = {12, 24, 16, 32, 20, 64, 12, 48, 40, 28};

	sim_init(s, seed, seed % 10 ? 2 + (unsigned)(seed % 7) : large[seed / 10 % 10]);
	story_write(s);
	sim_loop(s);
	return !s->violation[0];
}
