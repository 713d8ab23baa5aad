/*
 * Which CAKs have a participant: key chains with start and end times, and fallback CAKs.
 *
 * The wall clock is no part of the protocol and may be wrong, so it only says what may begin and
 * what is wanted less. A participant that runs outside its key's time ends when nothing needs it:
 * it is not principal, no SAK of it is held, and all who are live under it are live under another
 * key. If that does not come about, because the chain was not continued or a member's clock is
 * wrong, it goes on for MKA_OVERTIME_NS, loudly: routing protocols keep their last key for the
 * same reason (RFC 2328 D.3), but without end.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CHAIN_RUNS 3    /* newest keys of a chain that have a participant */
#define FALLBACK_RUNS 1 /* the same for fallbacks */
#define LOUD_NS (3600 * 1000000000ull)
#define LOOK_NS (10 * 1000000000ull) /* without participants the wall clock is looked at so often */

bool keys_valid(const struct mka_key *v, unsigned n)
{
	if (n < 1 || n > MKA_KEYS_MAX)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if ((v[i].cak.len != 16 && v[i].cak.len != 32) || v[i].ckn_len < 1 ||
		    v[i].ckn_len > MKA_CKN_MAX || (v[i].end && v[i].end <= v[i].start))
			return false;
		for (unsigned j = 0; j < i; j++)
			if (v[i].ckn_len == v[j].ckn_len &&
			    !memcmp(v[i].ckn, v[j].ckn, v[i].ckn_len))
				return false;
	}
	return true;
}

bool key_equal(const struct mka_key *a, const struct mka_key *b)
{
	return a->ckn_len == b->ckn_len && !memcmp(a->ckn, b->ckn, a->ckn_len) &&
	       a->cak.len == b->cak.len && secret_equal(a->cak.b, b->cak.b, a->cak.len);
}

const struct mka_key *key_named(const struct mka *m, const uint8_t *ckn, uint8_t len)
{
	for (unsigned i = 0; i < m->cfg.key_count; i++)
		if (m->cfg.keys[i].ckn_len == len && !memcmp(m->cfg.keys[i].ckn, ckn, len))
			return &m->cfg.keys[i];
	return NULL;
}

static uint64_t wall_now(const struct mka *m, uint64_t now)
{
	return m->wall + (now - m->wall_at);
}

enum mka_key_time key_time(const struct mka *m, const struct mka_key *k, uint64_t now)
{
	uint64_t wall = wall_now(m, now);

	if (!k->start && !k->end)
		return MKA_KEY_VALID;
	if (!m->wall_at || wall < k->start)
		return MKA_KEY_FUTURE;
	return k->end && wall >= k->end ? MKA_KEY_EXPIRED : MKA_KEY_VALID;
}

/* Past its end a key is good for the time of a rollover: chains without overlap and clocks that
 * differ by seconds want it. */
static uint64_t rollover_ns(const struct mka *m)
{
	return 5 * m->cfg.life_ns;
}

static bool usable(const struct mka *m, const struct mka_key *k, uint64_t now)
{
	enum mka_key_time time = key_time(m, k, now);

	return time == MKA_KEY_VALID ||
	       (time == MKA_KEY_EXPIRED && wall_now(m, now) - k->end < rollover_ns(m));
}

static bool needed(const struct mka *m, const struct actor *a)
{
	if (a == m->principal)
		return true;
	for (unsigned i = 0; i < SAK_SLOTS; i++)
		if (m->sak[i].held && m->sak[i].actor == a)
			return true;
	FOR_EACH_ACTOR (m, b)
		if (b != a && !b->overtime_at && actor_covers(b, a))
			return false;
	return true;
}

static void overtime_tell(struct actor *a, enum mka_key_time time, uint64_t now)
{
	char name[ACTOR_NAME_LEN];

	if (now < a->loud_at)
		return;
	a->loud_at = now + LOUD_NS;
	log_error("mka secy %u: the time of CAK %s %s; it is used on, because no other reaches all "
		  "of its peers, for at most %" PRIu64 " h: give every member a newer key, or look "
		  "at the clocks",
		  a->m->cfg.secy, actor_name(a, name),
		  time == MKA_KEY_EXPIRED ? "has passed" : "is not yet there",
		  (uint64_t)((a->overtime_at + MKA_OVERTIME_NS - now) / LOUD_NS));
}

/* Its key was taken away: it ends as soon as no SAK is half in use, for that would cost packets. */
static void leave(struct actor *a, uint64_t now)
{
	const struct mka *m = a->m;
	char name[ACTOR_NAME_LEN];

	if (m->cp >= CP_RECEIVE && m->cp <= CP_TRANSMITTING && m->sak[SAK_LATEST].actor == a &&
	    now < a->leave_at + 2 * m->cfg.life_ns)
		return;
	log_info("mka secy %u: CAK %s ends", m->cfg.secy, actor_name(a, name));
	actor_end(a);
}

/* A participant against the clock. */
static void time_judge(struct actor *a, uint64_t now)
{
	enum mka_key_time time = key_time(a->m, &a->key, now);
	char name[ACTOR_NAME_LEN];

	if (usable(a->m, &a->key, now) || !a->m->wall_at) {
		a->overtime_at = 0;
		return;
	}
	if (!a->overtime_at) {
		a->overtime_at = now;
		a->loud_at = now + rollover_ns(a->m);
		log_info("mka secy %u: CAK %s %s", a->m->cfg.secy, actor_name(a, name),
			 time == MKA_KEY_EXPIRED ? "has expired" : "is before its time");
	}
	if (now >= a->overtime_at + MKA_OVERTIME_NS) {
		log_error("mka secy %u: CAK %s ends: it was used for %u h beyond its time",
			  a->m->cfg.secy, actor_name(a, name),
			  (unsigned)(MKA_OVERTIME_NS / LOUD_NS));
		actor_end(a);
	} else if (!needed(a->m, a) || mka_faulty(a->m, MKA_FAULT_END_EARLY)) {
		log_info("mka secy %u: CAK %s ends", a->m->cfg.secy, actor_name(a, name));
		actor_end(a);
	} else {
		overtime_tell(a, time, now);
	}
}

static bool key_newer(const struct mka_key *a, const struct mka_key *b)
{
	return a->start != b->start ? a->start > b->start
				    : memcmp(a->ckn, b->ckn, sizeof(a->ckn)) > 0;
}

/* Among the valid keys of its kind, how many are newer. */
static unsigned key_place(const struct mka *m, const struct mka_key *k, uint64_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->cfg.key_count; i++) {
		const struct mka_key *o = &m->cfg.keys[i];

		n += o != k && o->fallback == k->fallback && usable(m, o, now) && key_newer(o, k);
	}
	return n;
}

static struct actor *key_start(struct mka *m, const struct mka_key *k, uint64_t now)
{
	struct actor *a = actor_start(m, k, now);
	char name[ACTOR_NAME_LEN];

	if (a)
		log_info("mka secy %u: CAK %s begins%s", m->cfg.secy, key_name(k, name),
			 k->fallback ? " (fallback)" : "");
	else if (errno != ENOSPC)
		log_error("mka secy %u: CAK %s cannot be used: %s", m->cfg.secy, key_name(k, name),
			  strerror(errno));
	return a;
}

/* None is valid and none runs, as after a reboot: the one that expired last still has what it
 * would have had without the reboot. */
static void last_key_start(struct mka *m, uint64_t now)
{
	const struct mka_key *last = NULL;
	uint64_t since;
	struct actor *a;

	for (unsigned i = 0; i < m->cfg.key_count; i++) {
		const struct mka_key *k = &m->cfg.keys[i];

		if (key_time(m, k, now) == MKA_KEY_EXPIRED && (!last || k->end > last->end))
			last = k;
	}
	if (!last)
		return;
	since = wall_now(m, now) - last->end;
	if (since >= MKA_OVERTIME_NS || since >= now)
		return;
	a = key_start(m, last, now);
	if (a)
		a->overtime_at = now - since;
}

void keys_run(struct mka *m, uint64_t now)
{
	bool any = false;

	FOR_EACH_ACTOR (m, a) {
		if (a->leave_at)
			leave(a, now);
		else
			time_judge(a, now);
	}
	for (unsigned i = 0; i < m->cfg.key_count; i++) {
		const struct mka_key *k = &m->cfg.keys[i];

		if (usable(m, k, now) && !actor_named(m, k->ckn, k->ckn_len) &&
		    key_place(m, k, now) < (k->fallback ? FALLBACK_RUNS : CHAIN_RUNS))
			key_start(m, k, now);
	}
	FOR_EACH_ACTOR (m, a)
		any |= a->m != NULL;
	if (!any && m->wall_at)
		last_key_start(m, now);
}

uint64_t keys_deadline(const struct mka *m)
{
	uint64_t wall = wall_now(m, m->stepped_at), at = MKA_NEVER;
	bool any = false;

	for (unsigned i = 0; m->wall_at && i < m->cfg.key_count; i++) {
		const struct mka_key *k = &m->cfg.keys[i];
		const uint64_t t[2] = {k->start, k->end ? k->end + rollover_ns(m) : 0};

		for (unsigned j = 0; j < 2; j++)
			if (t[j] > wall && m->stepped_at + (t[j] - wall) < at)
				at = m->stepped_at + (t[j] - wall);
	}
	FOR_EACH_ACTOR (m, a)
		any |= a->m != NULL;
	return any || m->stepped_at + LOOK_NS > at ? at : m->stepped_at + LOOK_NS;
}

void mka_wall(struct mka *m, uint64_t wall, uint64_t now)
{
	m->wall = wall;
	m->wall_at = now ? now : 1;
}

int mka_keys(struct mka *m, const struct mka_key *v, unsigned n, uint64_t now)
{
	char name[ACTOR_NAME_LEN];

	if (!keys_valid(v, n))
		return -EINVAL;
	secret_wipe(m->cfg.keys, sizeof(m->cfg.keys));
	memcpy(m->cfg.keys, v, n * sizeof(*v));
	m->cfg.key_count = n;
	FOR_EACH_ACTOR (m, a) {
		const struct mka_key *k = key_named(m, a->key.ckn, a->key.ckn_len);

		if (k && key_equal(k, &a->key)) {
			a->key = *k;
			a->leave_at = 0;
			continue;
		}
		log_warn("mka secy %u: CAK %s is not among the keys any more", m->cfg.secy,
			 actor_name(a, name));
		if (!a->leave_at)
			a->leave_at = now ? now : 1;
	}
	mka_step(m, now);
	return 0;
}
