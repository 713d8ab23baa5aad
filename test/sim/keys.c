/*
 * The keys of a run: one for ever, or a chain of three whose times change in the calms, or either
 * with a fallback; some nodes are given wrong ones for a while, and wall clocks are set to
 * anything. None of it may cost a packet: a newer key comes into use when all have it, and where
 * a node has none in common with the rest but the fallback, that carries all.
 */
#include "sim.h"

#include <string.h>

#define WALL0 (1700000000 * NS_PER_S) /* the wall clock at time 0 */
#define FOREVER (10ull * 365 * 86400 * NS_PER_S)

enum keys_event { KEYS_WRONG, KEYS_RIGHT, CLOCK_SET, CLOCK_RIGHT };

static void later(struct sim *s, uint64_t at, enum keys_event what, unsigned node)
{
	sim_at(s, at, EV_KEYS, node, what, 0, NULL, 0);
}

static uint64_t between(struct sim *s, uint64_t from, uint64_t to)
{
	return from + sim_random(&s->rng) % (to - from + 1);
}

/* The first calm is from 0 to 62 s at least; what happens in it is told in story.c. */
void keys_write(struct sim *s)
{
	unsigned wrong = 0;

	if (sim_chance(s, 400)) {
		s->rolls[0] = between(s, 32 * NS_PER_S, 40 * NS_PER_S);
		s->rolls[1] = s->rolls[0] + between(s, 30 * NS_PER_S, 120 * NS_PER_S);
	}
	s->fallback = sim_chance(s, 400);
	for (unsigned i = 0; i < s->count; i++) {
		/* An hour off is right enough for a chain without ends: nobody has to be told. */
		s->nodes[i].wall_off = between(s, 0, 6 * NS_PER_S) - 3 * NS_PER_S;
		if (s->fallback && wrong < 2 && sim_chance(s, 250)) {
			uint64_t at = between(s, 32 * NS_PER_S, 45 * NS_PER_S);

			wrong++;
			later(s, at, KEYS_WRONG, i);
			later(s, at + between(s, 1 * NS_PER_S, 100 * NS_PER_S), KEYS_RIGHT, i);
		}
		if (s->rolls[0] && sim_chance(s, 250)) {
			uint64_t at = between(s, 20 * NS_PER_S, 200 * NS_PER_S);

			later(s, at, CLOCK_SET, i);
			later(s, at + between(s, NS_PER_S / 10, 60 * NS_PER_S), CLOCK_RIGHT, i);
		}
	}
}

static struct mka_key *key_put(struct node *n, unsigned number, bool right)
{
	struct mka_key *k = &n->cfg.keys[n->cfg.key_count++];

	*k = (struct mka_key){.ckn = "simulated-", .ckn_len = 12};
	k->ckn[10] = (uint8_t)('0' + number);
	/* Another CAK under the same name, or under another: ICVs are wrong, or CKNs unknown. */
	k->ckn[11] = (uint8_t)(right || n->i % 2 ? 'r' : 'w');
	k->cak.len = n->s->seed & 1 ? 32 : 16;
	memset(k->cak.b, 0x5a + (int)number, k->cak.len);
	if (!right)
		k->cak.b[n->i % 16] ^= (uint8_t)(1 + n->i);
	return k;
}

void keys_give(struct node *n, bool right)
{
	const struct sim *s = n->s;

	n->cfg.key_count = 0;
	for (unsigned i = 0; i < 3 && (!i || s->rolls[0]); i++) {
		struct mka_key *k = key_put(n, i, right);

		if (!s->rolls[0])
			break;
		k->start = WALL0 - (i ? 0 : 1000 * NS_PER_S) + (i ? s->rolls[i - 1] : 0);
		/* The old one ends with the start of the new one, or a little later. */
		k->end = i == 2 ? 0 : WALL0 + s->rolls[i] + s->seed % 3 * 7 * NS_PER_S;
	}
	if (s->fallback)
		key_put(n, 9, true)->fallback = true;
}

uint64_t node_wall(const struct node *n)
{
	return WALL0 + n->s->now + n->wall_off;
}

static bool any_suspended(const struct sim *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->nodes[i].m && (s->nodes[i].m->suspended_until || s->nodes[i].m->ask_until))
			return true;
	return false;
}

void keys_event(struct sim *s, unsigned node, unsigned what)
{
	struct node *n = &s->nodes[node];
	uint64_t now = node_time(n, s->now);

	/* Whoever is suspended could not follow. */
	if (what <= KEYS_RIGHT && any_suspended(s)) {
		later(s, s->now + 2 * NS_PER_S, what, node);
		return;
	}

	sim_log(s, "node %u: %s", n->i,
		(const char *const[]){"wrong keys", "right keys", "clock set",
				      "clock right"}[what]);
	switch ((enum keys_event)what) {
	case KEYS_WRONG:
	case KEYS_RIGHT:
		s->keys_at = s->now;
		s->kinds[what == KEYS_WRONG ? SIM_MISMATCH : SIM_MATCH]++;
		keys_give(n, what == KEYS_RIGHT);
		if (n->m && mka_keys(n->m, n->cfg.keys, n->cfg.key_count, now))
			sim_violate(s, "node %u refuses its keys", n->i);
		break;
	case CLOCK_SET:
		s->kinds[SIM_WALL_SET]++;
		n->wall_wrong = true;
		n->wall_off = sim_chance(s, 500) ? between(s, 0, 200 * NS_PER_S) - 100 * NS_PER_S
						 : between(s, 0, 2 * FOREVER) - FOREVER;
		break;
	case CLOCK_RIGHT:
		s->kinds[SIM_WALL_SET]++;
		n->wall_off = 0;
		n->wall_wrong = false;
		if (n->good_at == UINT64_MAX)
			n->good_at = s->now + SETTLE;
		break;
	}
	node_done(n);
}

void keys_watch(struct node *n)
{
	const struct actor *a = n->m->principal;
	struct sim *s = n->s;
	uint64_t is;

	if (!a)
		return;
	is = a->key.fallback ? UINT64_MAX : a->key.start;
	if (is == n->principal)
		return;
	sim_log(s, "node %u: principal is %.12s", n->i, (const char *)a->key.ckn);
	if (n->principal && n->m->saks) {
		s->kinds[SIM_FALLBACK] += a->key.fallback;
		s->kinds[SIM_FALLBACK_BACK] += n->principal == UINT64_MAX;
		s->kinds[SIM_ROLLOVER] += !a->key.fallback && is > n->principal;
	}
	n->principal = is;
}

bool keys_settled(const struct sim *s)
{
	uint64_t is = 0;

	for (unsigned i = 0; i < s->count; i++) {
		const struct node *n = &s->nodes[i];

		if (!n->on)
			continue;
		if (!n->m || !n->m->principal || n->m->rival || (is && n->principal != is))
			return false;
		is = n->principal;
	}
	return true;
}
