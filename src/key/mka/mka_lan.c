#include "key/mka/mka_lan.h"

#include <stdlib.h>
#include <string.h>

struct mka_config lan_config(unsigned i)
{
	struct mka_config c = {
		.keys[0] = {.ckn = "abcdefghijklmnop", .ckn_len = 16},
		.key_count = 1,
		.sci = macsec_sci((const uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 1),
		.secy = (uint16_t)(i + 1),
		.priority = (uint8_t)i,
		.suite = MACSEC_GCM_AES_XPN_256,
		.accept_suites = (1u << MACSEC_SUITE_COUNT) - 1,
		.hello_ns = 2 * NS_PER_S,
		.life_ns = 6 * NS_PER_S,
		.retire_ns = 3 * NS_PER_S,
		.destination = {0x01, 0x80, 0xc2, 0, 0, 3},
		.ethertype = 0x888e,
	};

	c.keys[0].cak.len = 16;
	for (uint8_t j = 0; j < 16; j++)
		c.keys[0].cak.b[j] = j;
	return c;
}

static void lan_random(void *ctx, void *buf, size_t n)
{
	struct lan_node *node = ctx;
	uint8_t *p = buf;

	while (n--) { /* splitmix64, a byte a step */
		uint64_t z = node->random += 0x9e3779b97f4a7c15ull;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		*p++ = (uint8_t)(z >> 31);
	}
}

static int lan_install(struct lan_node *n, const struct sink_sa *sa, bool transmit)
{
	struct sink_report r = {
		.secy = sa->secy,
		.an = sa->an,
		.direction = transmit ? SINK_TRANSMIT : SINK_RECEIVE,
		.installed = true,
		.sci = sa->sci,
		.pn = 1,
	};
	struct lan_sa *free_slot = NULL;

	memcpy(r.key_id, sa->key_id, sizeof(r.key_id));
	for (unsigned i = 0; i < LAN_SAS; i++) {
		struct lan_sa *s = &n->sas[i];

		if (!s->used) {
			free_slot = free_slot ? free_slot : s;
			continue;
		}
		if (s->transmit != transmit || s->sa.sci != sa->sci || s->sa.an != sa->an)
			continue;
		if (!memcmp(s->sa.key_id, sa->key_id, sizeof(sa->key_id))) {
			s->sa.pn = sa->pn > s->sa.pn ? sa->pn : s->sa.pn;
			goto installed;
		}
		free_slot = s; /* another key on this AN takes the place */
		break;
	}
	if (!free_slot)
		abort();
	*free_slot = (struct lan_sa){true, transmit, *sa};
	if (transmit) /* it is the one to use: last in the table wins */
		for (unsigned i = 0; i < LAN_SAS; i++)
			if (&n->sas[i] != free_slot && n->sas[i].used && n->sas[i].transmit)
				n->sas[i].sa.pn_limit = 1;
installed:
	mka_report(n->m, &r, n->lan->now);
	return 0;
}

static int lan_add_receive(void *ctx, const struct sink_sa *sa)
{
	return lan_install(ctx, sa, false);
}

static int lan_use_transmit(void *ctx, const struct sink_sa *sa)
{
	return lan_install(ctx, sa, true);
}

static void lan_retire(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN],
		       uint64_t sci)
{
	struct lan_node *n = ctx;

	(void)secy;
	n->retired++;
	for (unsigned i = 0; i < LAN_SAS; i++)
		if (n->sas[i].used && !memcmp(n->sas[i].sa.key_id, key_id, MACSEC_KEY_ID_LEN) &&
		    (!sci || n->sas[i].sa.sci == sci))
			n->sas[i] = (struct lan_sa){0};
}

const struct sink_sa *lan_transmit_sa(const struct lan_node *n)
{
	for (unsigned i = 0; i < LAN_SAS; i++)
		if (n->sas[i].used && n->sas[i].transmit && !n->sas[i].sa.pn_limit)
			return &n->sas[i].sa;
	return NULL;
}

bool lan_hears(const struct lan_node *n, const struct lan_node *from)
{
	const struct sink_sa *tx = lan_transmit_sa(from);

	for (unsigned i = 0; tx && i < LAN_SAS; i++) {
		const struct sink_sa *rx = &n->sas[i].sa;

		if (n->sas[i].used && !n->sas[i].transmit && rx->sci == tx->sci &&
		    rx->an == tx->an && rx->suite == tx->suite && rx->ssci == tx->ssci &&
		    !memcmp(rx->salt, tx->salt, sizeof(tx->salt)) &&
		    !memcmp(rx->key_id, tx->key_id, sizeof(tx->key_id)) &&
		    rx->key.len == tx->key.len && !memcmp(rx->key.b, tx->key.b, tx->key.len))
			return true;
	}
	return false;
}

bool lan_agreed(struct lan *l)
{
	const struct sink_sa *first = NULL;

	for (unsigned i = 0; i < l->count; i++) {
		const struct sink_sa *tx = lan_transmit_sa(&l->nodes[i]);

		if (!l->nodes[i].up)
			continue;
		if (!tx || (first && memcmp(first->key_id, tx->key_id, sizeof(tx->key_id)) != 0))
			return false;
		first = tx;
		for (unsigned j = 0; j < l->count; j++)
			if (j != i && l->nodes[j].up && !lan_hears(&l->nodes[j], &l->nodes[i]))
				return false;
	}
	return first != NULL;
}

struct lan *lan_new(unsigned count, const struct mka_config *cfgs)
{
	struct lan *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->now = 1000 * NS_PER_S;
	l->delay = NS_PER_MS;
	l->count = count;
	for (unsigned i = 0; i < count; i++) {
		l->nodes[i].lan = l;
		l->nodes[i].index = i;
		l->nodes[i].cfg = cfgs ? cfgs[i] : lan_config(i);
		l->nodes[i].random = i * 1000003ull;
	}
	return l;
}

void lan_start(struct lan *l, unsigned i)
{
	struct lan_node *n = &l->nodes[i];
	struct mka_env env = {
		.ctx = n,
		.random = lan_random,
		.sink = {n, lan_add_receive, lan_use_transmit, lan_retire},
	};

	n->m = mka_new(&n->cfg, &env, l->now);
	if (!n->m)
		abort();
	n->up = true;
}

void lan_report_all(struct lan *l, unsigned i)
{
	struct lan_node *n = &l->nodes[i];

	for (unsigned j = 0; j < LAN_SAS; j++) {
		struct sink_report r = {.secy = n->cfg.secy, .installed = true, .pn = 500};

		if (!n->sas[j].used)
			continue;
		r.an = n->sas[j].sa.an;
		r.sci = n->sas[j].sa.sci;
		r.direction = n->sas[j].transmit ? SINK_TRANSMIT : SINK_RECEIVE;
		memcpy(r.key_id, n->sas[j].sa.key_id, sizeof(r.key_id));
		mka_report(n->m, &r, l->now);
	}
	mka_synced(n->m, l->now);
	lan_flush(l, i);
}

void lan_restart(struct lan *l, unsigned i, const uint8_t *record, size_t len)
{
	struct rd r = rd_init(record, len);

	mka_free(l->nodes[i].m);
	lan_start(l, i);
	if (len && mka_load(l->nodes[i].m, &r, l->now))
		abort();
	lan_report_all(l, i);
}

void lan_free(struct lan *l)
{
	for (unsigned i = 0; i < l->count; i++)
		mka_free(l->nodes[i].m);
	free(l);
}

void lan_flush(struct lan *l, unsigned i)
{
	struct lan_frame *f = &l->last[i];
	size_t n;

	while ((n = mka_output(l->nodes[i].m, f->b))) {
		f->len = n;
		f->from = i;
		f->at = l->now + l->delay;
		l->sent++;
		if (l->frame_count == LAN_FRAMES)
			abort();
		l->frames[l->frame_count++] = *f;
	}
}

static void lan_deliver(struct lan *l, struct lan_frame *f)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (i == f->from || !l->nodes[i].up)
			continue;
		if (l->drop && l->drop(l, f->from, i, f->b, f->len))
			continue;
		mka_input(l->nodes[i].m, f->b, f->len, l->now);
		lan_flush(l, i);
	}
}

/* The next thing that happens, if it happens by then. */
static bool lan_one(struct lan *l, uint64_t until)
{
	uint64_t at = MKA_NEVER;
	unsigned frame = LAN_FRAMES, node = LAN_NODES;

	for (unsigned i = 0; i < l->frame_count; i++)
		if (l->frames[i].at < at) {
			at = l->frames[i].at;
			frame = i;
		}
	for (unsigned i = 0; i < l->count; i++)
		if (l->nodes[i].up && mka_deadline(l->nodes[i].m) < at) {
			at = mka_deadline(l->nodes[i].m);
			node = i;
		}
	if (at > until)
		return false;
	if (at > l->now)
		l->now = at;
	if (node < LAN_NODES) {
		mka_expire(l->nodes[node].m, l->now);
		lan_flush(l, node);
	} else {
		struct lan_frame f = l->frames[frame];

		memmove(&l->frames[frame], &l->frames[frame + 1],
			(--l->frame_count - frame) * sizeof(f));
		lan_deliver(l, &f);
	}
	return true;
}

void lan_run(struct lan *l, uint64_t until)
{
	while (lan_one(l, until))
		;
	l->now = until;
}

bool lan_until(struct lan *l, bool (*cond)(struct lan *l), uint64_t within)
{
	uint64_t end = l->now + within;

	while (!cond(l))
		if (!lan_one(l, end))
			return false;
	return true;
}
