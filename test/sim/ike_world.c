#include "ike_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[W_KIND_COUNT] = {
	[W_LOSS] = "datagrams lost",
	[W_REORDER] = "datagrams reordered",
	[W_DUPLICATE] = "datagrams duplicated",
	[W_FORGE] = "datagrams forged",
	[W_REPLAY] = "datagrams replayed",
	[W_CUT] = "nodes cut off",
	[W_KILL] = "controls killed",
	[W_KILL_UNSAVED] = "controls killed before saving",
	[W_RECORDS_LOST] = "records lost",
	[W_REBOOT] = "reboots",
	[W_JUMP] = "clocks that jumped",
	[W_CROSSED] = "pairs told to rekey from both ends",
	[W_COLLISION] = "rekeyings that met",
	[W_CHILD_REKEY] = "children rekeyed",
	[W_IKE_REKEY] = "IKE SAs rekeyed",
	[W_GIVEN_UP] = "IKE SAs given up",
};

const char *world_kind_name(enum world_kind k)
{
	return kind_names[k];
}

static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)(draw(&w->rng) % n);
}

static bool chance(struct world *w, unsigned permille)
{
	return below(w, 1000) < permille;
}

static void violate(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void violate(struct world *w, const char *fmt, ...)
{
	char text[192];
	va_list ap;

	if (w->violation[0])
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(w->violation, sizeof(w->violation), "at %.3f s: %s", (double)w->now / 1e9, text);
}

static void tell(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->verbose)
		return;
	printf("# %9.3f ", (double)w->now / 1e9);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static uint64_t clock_of(const struct wnode *n)
{
	return n->w->now + n->offset;
}

/* --- forward --- */

static uint16_t tunnel_of(unsigned other)
{
	return (uint16_t)(other + 1);
}

static struct fwd_sa *fwd_find(struct wnode *n, bool transmit, uint16_t tunnel, uint32_t spi)
{
	for (struct fwd_sa *s = n->sas; s; s = s->next)
		if (s->transmit == transmit && s->sa.tunnel == tunnel && s->sa.spi == spi)
			return s;
	return NULL;
}

static int fwd_install(struct wnode *n, const struct sink_esp *sa, bool transmit)
{
	struct fwd_sa *s = fwd_find(n, transmit, sa->tunnel, sa->spi);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			abort();
		s->next = n->sas;
		n->sas = s;
		s->order = ++n->w->order;
		s->transmit = transmit;
		s->sa = *sa;
	} else if (memcmp(s->sa.key.b, sa->key.b, sizeof(sa->key.b)) != 0) {
		violate(n->w, "node %u: SPI %08x names two keys", n->i, sa->spi);
	}
	s->until = sa->hard_at;
	return 0;
}

static int fwd_add_receive(void *ctx, const struct sink_esp *sa)
{
	return fwd_install(ctx, sa, false);
}

static int fwd_use_transmit(void *ctx, const struct sink_esp *sa)
{
	return fwd_install(ctx, sa, true);
}

static void fwd_remove(struct wnode *n, struct fwd_sa *s)
{
	struct fwd_sa **at = &n->sas;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

static void fwd_retire(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi)
{
	struct wnode *n = ctx;
	struct fwd_sa *s = fwd_find(n, d == SINK_TRANSMIT, tunnel, spi);

	if (s)
		fwd_remove(n, s);
}

static void fwd_age(struct wnode *n)
{
	struct fwd_sa *next;

	for (struct fwd_sa *s = n->sas; s; s = next) {
		next = s->next;
		if (s->until && s->until <= clock_of(n))
			fwd_remove(n, s);
	}
}

static const struct fwd_sa *fwd_sending(struct wnode *n, unsigned to)
{
	const struct fwd_sa *best = NULL;

	for (const struct fwd_sa *s = n->sas; s; s = s->next)
		if (s->transmit && s->sa.tunnel == tunnel_of(to) &&
		    (!best || s->order > best->order))
			best = s;
	return best;
}

/* A packet from one to another, and the report of its arrival. */
static bool fwd_packet(struct wnode *from, struct wnode *to)
{
	const struct fwd_sa *tx = fwd_sending(from, to->i);
	struct sink_esp_report r = {
		.tunnel = tunnel_of(from->i), .direction = SINK_RECEIVE, .event = SINK_ESP_USED};
	struct fwd_sa *rx = tx ? fwd_find(to, false, tunnel_of(from->i), tx->sa.spi) : NULL;

	if (!rx || rx->sa.key.len != tx->sa.key.len ||
	    memcmp(rx->sa.key.b, tx->sa.key.b, tx->sa.key.len) != 0)
		return false;
	r.spi = rx->sa.spi;
	r.packets = ++rx->sa.seq;
	ikev2_report(to->e, &r, clock_of(to));
	return true;
}

/* --- nodes --- */

static void node_random(void *ctx, void *buf, size_t n)
{
	struct wnode *node = ctx;
	uint8_t *p = buf;

	while (n--)
		*p++ = (uint8_t)(draw(&node->rng) >> 24);
}

static int64_t node_wall(void *ctx)
{
	(void)ctx;
	return 1800000000;
}

static int node_sign(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		     size_t len)
{
	(void)ctx;
	(void)id;
	(void)key;
	(void)s;
	(void)data;
	(void)len;
	return -1;
}

static void excuse_all(struct wnode *n)
{
	for (unsigned j = 0; j < n->w->count; j++)
		n->excuse[j] = n->w->nodes[j].excuse[n->i] = n->w->now + SETTLE;
}

static bool linked(const struct world *w, unsigned a, unsigned b)
{
	return a != b && (!w->star || !a || !b);
}

static void node_start(struct wnode *n)
{
	struct world *w = n->w;
	struct ikev2_config cfg = {.initial_contact = n->blank, .slots = WORLD_SLOTS};
	struct ikev2_env env = {
		.ctx = n,
		.random = node_random,
		.wall = node_wall,
		.sign = node_sign,
		.sink = {n, fwd_add_receive, fwd_use_transmit, fwd_retire},
	};

	n->e = ikev2_new(&cfg, &env, clock_of(n));
	if (!n->e)
		abort();
#ifdef IKEV2_FAULTS
	n->e->fault = w->fault;
#endif
	for (unsigned j = 0; j < w->count; j++) {
		struct ikev2_peer p = {
			.tunnel = tunnel_of(j),
			.local = n->at,
			.remote = w->nodes[j].at,
			.local_id = {.type = IKE_ID_KEY, .len = 1, .b = {(uint8_t)n->i}},
			.remote_id = {.type = IKE_ID_KEY, .len = 1, .b = {(uint8_t)j}},
			.mode = ESP_TUNNEL,
			.ts = {1, 1, {esp_ts_any(4)}, {esp_ts_any(4)}},
			.start = true,
			.pfs = w->seed & 1,
			.child_rekey_ns = w->child_rekey,
			.ike_rekey_ns = w->ike_rekey,
			.dpd_ns = 20 * NS_PER_S,
		};

		secret_set(&p.psk, "simulated", 9);
		snprintf(p.name, sizeof(p.name), "%u-%u", n->i, j);
		if (linked(w, n->i, j) && ikev2_peer_set(n->e, &p, clock_of(n)))
			abort();
	}
	for (unsigned s = 0; s < WORLD_SLOTS; s++) {
		struct rd r = rd_init(n->records[s], n->record_len[s]);

		if (n->record_len[s] && ikev2_load(n->e, s, &r, clock_of(n)))
			violate(w, "node %u: record %u does not load", n->i, s);
	}
	n->blank = false;
	n->lost = 0;
	ikev2_loaded(n->e, clock_of(n));
}

static void node_count(struct wnode *n)
{
	struct ikev2_stats st;

	ikev2_stats(n->e, &st);
	n->w->kinds[W_CHILD_REKEY] += st.child_rekeys;
	n->w->kinds[W_IKE_REKEY] += st.rekeys;
}

static void node_stop(struct wnode *n)
{
	node_count(n);
	ikev2_free(n->e);
	n->e = NULL;
}

static void forget(struct wnode *n)
{
	memset(n->record_len, 0, sizeof(n->record_len));
}

/* --- the network --- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void heap_push(struct world *w, struct event ev)
{
	size_t i = w->heap_len++;

	if (w->heap_len > w->heap_cap) {
		w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 256;
		w->heap = realloc(w->heap, w->heap_cap * sizeof(*w->heap));
		if (!w->heap)
			abort();
	}
	for (; i && before(&ev, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = ev;
}

static struct event heap_pop(struct world *w)
{
	struct event first = w->heap[0], last = w->heap[--w->heap_len];
	size_t i = 0;

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= w->heap_len)
			break;
		c += c + 1 < w->heap_len && before(&w->heap[c + 1], &w->heap[c]);
		if (!before(&w->heap[c], &last))
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	w->heap[i] = last;
	return first;
}

static void deliver_at(struct world *w, uint64_t at, unsigned node, const struct ikev2_datagram *d)
{
	struct event ev = {at, w->seq++, node, malloc(sizeof(*d))};

	if (!ev.d)
		abort();
	memcpy(ev.d, d, offsetof(struct ikev2_datagram, b) + d->len);
	heap_push(w, ev);
}

static uint64_t hash(uint64_t h, const void *p, size_t n)
{
	for (const uint8_t *b = p; n--; b++)
		h = (h ^ *b) * 0x100000001b3ull;
	return h;
}

static void iv_grow(struct world *w)
{
	size_t cap = w->iv_cap ? 2 * w->iv_cap : 4096;
	struct iv_seen *v = calloc(cap, sizeof(*v));

	if (!v)
		abort();
	for (size_t i = 0; i < w->iv_cap; i++)
		if (w->ivs[i].key) {
			size_t at = w->ivs[i].key % cap;

			while (v[at].key)
				at = (at + 1) % cap;
			v[at] = w->ivs[i];
		}
	free(w->ivs);
	w->ivs = v;
	w->iv_cap = cap;
}

/* Two different messages under one key with one IV would give it away. */
static void iv_check(struct world *w, unsigned from, const struct ikev2_datagram *d)
{
	uint64_t key, content;
	size_t at;

	if (d->len < 44 || (d->b[16] != IKE_PL_SK && d->b[16] != IKE_PL_SKF))
		return;
	key = hash(0xcbf29ce484222325ull, d->b, 16);
	key = hash(key, &d->b[19], 1); /* flags: whose key */
	key = hash(key, &from, sizeof(from));
	key = hash(key, d->b + 32 + (d->b[16] == IKE_PL_SKF ? 4 : 0), 8) | 1;
	content = hash(0xcbf29ce484222325ull, d->b, d->len);
	if (2 * w->iv_count >= w->iv_cap)
		iv_grow(w);
	for (at = key % w->iv_cap; w->ivs[at].key; at = (at + 1) % w->iv_cap)
		if (w->ivs[at].key == key) {
			if (w->ivs[at].content != content)
				violate(w, "node %u: one IV for two messages", from);
			return;
		}
	w->ivs[at] = (struct iv_seen){key, content};
	w->iv_count++;
}

static void attack(struct world *w, const struct ikev2_datagram *d, unsigned to)
{
	struct ikev2_datagram forged;
	unsigned slot = below(w, 32);

	if (chance(w, 500)) {
		memcpy(&forged, d, offsetof(struct ikev2_datagram, b) + d->len);
		for (unsigned i = 0; i < 3; i++) /* past the SPIs, so that it is somebody's */
			forged.b[17 + below(w, (unsigned)d->len - 17)] ^=
				(uint8_t)(1 + below(w, 255));
		w->kinds[W_FORGE]++;
		deliver_at(w, w->now + NS_PER_MS / 10, to, &forged);
	} else if (w->taped > slot) {
		w->kinds[W_REPLAY]++;
		deliver_at(w, w->now + NS_PER_MS, w->tape_node[slot], &w->tape[slot]);
	}
}

static void transmit(struct wnode *n, struct ikev2_datagram *d)
{
	struct world *w = n->w;
	unsigned to = (unsigned)d->remote.addr[3] - 1;
	struct esp_end from = d->local;
	uint64_t delay = NS_PER_MS * (1 + below(w, 40));

	w->messages++;
	iv_check(w, n->i, d);
	d->local = d->remote;
	d->remote = from;
	if (w->attack && d->len > 30 && chance(w, w->attack))
		attack(w, d, to);
	if (chance(w, 50)) {
		unsigned slot = w->taped < 32 ? w->taped++ : below(w, 32);

		w->tape[slot] = *d;
		w->tape_node[slot] = to;
	}
	if (n->cut || w->nodes[to].cut || chance(w, w->loss)) {
		w->kinds[W_LOSS]++;
		return;
	}
	if (chance(w, w->reorder)) {
		w->kinds[W_REORDER]++;
		delay += NS_PER_MS * below(w, 900);
	}
	deliver_at(w, w->now + delay, to, d);
	if (chance(w, w->duplicate)) {
		w->kinds[W_DUPLICATE]++;
		deliver_at(w, w->now + delay + NS_PER_MS * below(w, 300), to, d);
	}
}

static void collisions(struct wnode *n)
{
	for (const struct ike_sa *sa = n->e->sas; sa; sa = sa->next)
		n->w->kinds[W_COLLISION] += sa->req.kind && sa->req.collided;
}

/* After every call: saves, then sends; or dies in between. */
static void node_done(struct wnode *n)
{
	static uint8_t record[IKEV2_SAVE_MAX];
	static struct ikev2_datagram d;
	struct wr w = wr_init(record, sizeof(record));
	unsigned slot;

	if (n->kill_unsaved) {
		n->kill_unsaved = false;
		tell(n->w, "node %u: control dies before it saved", n->i);
		node_stop(n);
		node_start(n);
	}
	while (ikev2_save_next(n->e, &slot, &w)) {
		if (w.bad || slot >= WORLD_SLOTS)
			abort();
		if (!n->records[slot])
			n->records[slot] = malloc(IKEV2_SAVE_MAX);
		if (!n->records[slot])
			abort();
		memcpy(n->records[slot], record, wr_len(&w));
		n->record_len[slot] = wr_len(&w);
		w = wr_init(record, sizeof(record));
	}
	while (ikev2_output(n->e, &d))
		transmit(n, &d);
}

/* --- what happens --- */

static void kill(struct wnode *n, enum world_kind how)
{
	struct world *w = n->w;

	w->kinds[how]++;
	tell(w, "node %u: %s", n->i, kind_names[how]);
	if (how == W_KILL_UNSAVED) {
		n->kill_unsaved = true;
		return;
	}
	node_stop(n);
	if (how != W_KILL) {
		forget(n);
		excuse_all(n);
	}
	if (how == W_REBOOT) {
		while (n->sas)
			fwd_remove(n, n->sas);
		n->blank = true;
	}
	node_start(n);
	node_done(n);
}

static void cross(struct world *w)
{
	unsigned a = below(w, w->count), b = below(w, w->count);
	enum ikev2_what what = chance(w, 500) ? IKEV2_REKEY_IKE : IKEV2_REKEY_CHILD;

	if (!linked(w, a, b))
		return;
	w->kinds[W_CROSSED]++;
	ikev2_rekey(w->nodes[a].e, tunnel_of(b), what, clock_of(&w->nodes[a]));
	ikev2_rekey(w->nodes[b].e, tunnel_of(a),
		    chance(w, 700)            ? what
		    : what == IKEV2_REKEY_IKE ? IKEV2_REKEY_CHILD
					      : IKEV2_REKEY_IKE,
		    clock_of(&w->nodes[b]));
}

static void story(struct world *w, bool storm)
{
	struct wnode *n = &w->nodes[below(w, w->count)];
	unsigned what = below(w, 100);

	if (what < 45) {
		cross(w);
	} else if (what < 60) {
		kill(n, chance(w, 500) ? W_KILL : W_KILL_UNSAVED);
	} else if (what < 64 && storm) {
		kill(n, W_RECORDS_LOST);
	} else if (what < 68 && storm) {
		kill(n, W_REBOOT);
	} else if (what < 76) {
		w->kinds[W_JUMP]++;
		n->offset += NS_PER_S * (1 + below(w, 30));
		tell(w, "node %u: its clock jumps", n->i);
	} else if (what < 80 && storm) {
		w->kinds[W_CUT]++;
		n->cut = true;
		tell(w, "node %u: cut off", n->i);
	} else if (n->cut) {
		n->cut = false;
		excuse_all(n);
	}
}

static void weather(struct world *w, bool storm)
{
	w->loss = storm ? below(w, 401) : 0;
	w->duplicate = storm ? below(w, 200) : 0;
	w->reorder = storm ? below(w, 300) : 0;
	for (unsigned i = 0; i < w->count; i++)
		if (w->nodes[i].cut && !storm) {
			w->nodes[i].cut = false;
			excuse_all(&w->nodes[i]);
		}
	tell(w, "%s: loss %u, duplicates %u, reordered %u of 1000", storm ? "storm" : "calm",
	     w->loss, w->duplicate, w->reorder);
}

/* What a node has for another, when a run is told. */
static void dump(struct wnode *n, unsigned other)
{
	for (const struct fwd_sa *s = n->sas; s; s = s->next)
		if (s->sa.tunnel == tunnel_of(other))
			tell(n->w, "node %u: forward has %s %08x, order %llu, until %llu", n->i,
			     s->transmit ? "transmit" : "receive", s->sa.spi,
			     (unsigned long long)s->order, (unsigned long long)s->until);
	for (const struct ike_sa *sa = n->e->sas; sa; sa = sa->next) {
		if (!sa->peer || sa->peer->cfg.tunnel != tunnel_of(other))
			continue;
		tell(n->w, "node %u: IKE SA %016llx %s, request %u, want %d%d%d", n->i,
		     (unsigned long long)sa_spi(sa), state_name(sa->state), sa->req.kind,
		     sa->want_close, sa->want_rekey, sa->want_child);
		for (const struct child_sa *c = sa->children; c; c = c->next)
			tell(n->w,
			     "node %u:   child in %08x out %08x state %u sending %d want %d%d",
			     n->i, c->spi_in, c->spi_out, c->state, c->sending, c->want_close,
			     c->want_rekey);
	}
}

/* Every pair sends a packet each way. */
static void look(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct ikev2_stats st;
		struct wnode *n = &w->nodes[i];

		fwd_age(n);
		ikev2_stats(n->e, &st);
		if (st.lost > n->lost) {
			w->kinds[W_GIVEN_UP] += st.lost - n->lost;
			n->lost = st.lost;
			excuse_all(n);
		}
		if (n->cut)
			excuse_all(n);
		collisions(n);
	}
	for (unsigned i = 0; i < w->count; i++)
		for (unsigned j = 0; j < w->count; j++) {
			struct wnode *a = &w->nodes[i], *b = &w->nodes[j];

			if (!linked(w, i, j))
				continue;
			if (fwd_packet(a, b)) {
				a->unheard_since[j] = 0;
				node_done(b);
				continue;
			}
			if (!a->unheard_since[j])
				a->unheard_since[j] = w->now;
			if (w->now > a->excuse[j] && w->now > a->unheard_since[j] + UNHEARD) {
				dump(a, j);
				dump(b, i);
				violate(w, "node %u has not heard node %u for %.1f s", j, i,
					(double)(w->now - a->unheard_since[j]) / 1e9);
			}
		}
}

static void at_the_end(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct wnode *n = &w->nodes[i];
		unsigned links = w->star && i ? 1 : w->count - 1;
		unsigned standing = 0, children = 0;

		for (const struct ike_sa *sa = n->e->sas; sa; sa = sa->next) {
			/* One without a child that is asked in vain whether it lives is dying. */
			standing += sa->state == ST_UP && (sa->children || sa->req.tries < 2);
			for (const struct child_sa *c = sa->children; c; c = c->next)
				children += c->state == CHILD_UP;
		}
		for (unsigned j = 0; j < w->count && (standing != links || children != links); j++)
			dump(n, j);
		if (standing != links || children != links)
			violate(w, "node %u has %u IKE SAs and %u children for %u peers", i,
				standing, children, links);
		node_count(n);
	}
}

static void step_to(struct world *w, uint64_t at)
{
	for (;;) {
		uint64_t first = at;
		struct wnode *who = NULL;
		unsigned turns = 0;

		for (unsigned i = 0; i < w->count; i++) {
			struct wnode *n = &w->nodes[i];
			uint64_t d = ikev2_deadline(n->e);

			d = d > n->offset ? d - n->offset : 0;
			if (d != IKEV2_NEVER && d < first) {
				first = d;
				who = n;
			}
		}
		if (w->heap_len && w->heap[0].at <= first && w->heap[0].at < at) {
			struct event ev = heap_pop(w);
			struct wnode *n = &w->nodes[ev.node];
			enum ikev2_result r;

			w->now = ev.at > w->now ? ev.at : w->now;
			r = ikev2_input(n->e, &ev.d->local, &ev.d->remote, ev.d->b, ev.d->len,
					clock_of(n));
			tell(w, "node %u: from %u, exchange %u, flags %02x, ID %u: %s", n->i,
			     ev.d->remote.addr[3] - 1u, ev.d->b[18], ev.d->b[19], ev.d->b[23],
			     ikev2_result_name(r));
			free(ev.d);
			node_done(n);
			continue;
		}
		if (!who || w->violation[0])
			break;
		w->now = first > w->now ? first : w->now;
		do
			ikev2_expire(who->e, clock_of(who));
		while (ikev2_deadline(who->e) <= clock_of(who) && ++turns < 100);
		if (turns == 100)
			violate(w, "node %u does not come to rest", who->i);
		node_done(who);
	}
	w->now = at;
}

static void shape(struct world *w)
{
	static const unsigned sizes[] = {2, 2, 2, 3, 3, 4, 5, 6};

	w->count = sizes[below(w, 8)];
	if (w->seed % 40 == 0) {
		w->star = true;
		w->count = WORLD_NODES;
	}
	w->child_rekey = NS_PER_S * (25 + below(w, 60));
	w->ike_rekey = NS_PER_S * (60 + below(w, 120));
	w->attack = 100;
	for (unsigned i = 0; i < w->count; i++) {
		struct wnode *n = &w->nodes[i];

		n->w = w;
		n->i = i;
		n->rng = draw(&w->rng);
		n->offset = NS_PER_S * (1000 + below(w, 1000));
		n->at = (struct esp_end){4, {10, 0, 0, (uint8_t)(i + 1)}, IKEV2_PORT};
		n->blank = true;
	}
	for (unsigned i = 0; i < w->count; i++)
		excuse_all(&w->nodes[i]);
}

bool world_run(struct world *w, uint64_t seed)
{
	w->seed = seed;
	w->rng = seed * 0x2545f4914f6cdd1dull;
	w->now = NS_PER_S;
	shape(w);
	for (unsigned i = 0; i < w->count; i++)
		node_start(&w->nodes[i]);
	for (unsigned phase = 0; phase < 4 && !w->violation[0]; phase++) {
		bool storm = phase & 1;
		uint64_t end = w->now + NS_PER_S * (phase == 1 ? 120 : phase == 3 ? 200 : 160);
		uint64_t next = w->now + NS_PER_S * 20;

		weather(w, storm);
		if (phase == 3)
			weather(w, false);
		while (w->now < end && !w->violation[0]) {
			step_to(w, w->now + 250 * NS_PER_MS);
			look(w);
			if (w->now >= next && phase < 3) {
				story(w, storm);
				next = w->now + NS_PER_MS * (500 + below(w, storm ? 4000 : 9000));
			}
		}
	}
	/* Nothing is told to happen any more: what was under way is over. */
	if (!w->violation[0])
		at_the_end(w);
	return !w->violation[0];
}

void world_fini(struct world *w)
{
	while (w->heap_len)
		free(heap_pop(w).d);
	free(w->heap);
	free(w->ivs);
	for (unsigned i = 0; i < w->count; i++) {
		struct wnode *n = &w->nodes[i];

		ikev2_free(n->e);
		while (n->sas)
			fwd_remove(n, n->sas);
		for (unsigned s = 0; s < WORLD_SLOTS; s++)
			free(n->records[s]);
	}
}
