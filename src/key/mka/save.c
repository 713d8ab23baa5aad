/*
 * The record a successor continues from as the same member. Times in it are of the boot-time
 * clock and stay valid; only the peers' lives are longer by as much as we were away, because that
 * silence was ours.
 */
#include "key/mka/mka_i.h"

#include "crypto/cmac.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_VERSION 4
#define NO_ACTOR 0xff

static void save_ki(const struct ki *k, struct wr *w)
{
	wr_bytes(w, k->mi, MKA_MI_LEN);
	wr_u32(w, k->kn);
}

static void load_ki(struct ki *k, struct rd *r)
{
	rd_copy(r, k->mi, MKA_MI_LEN);
	k->kn = rd_u32(r);
}

static void save_use(const struct key_use *u, struct wr *w)
{
	save_ki(&u->ki, w);
	wr_u64(w, u->lpn);
	wr_u8(w, u->an);
	wr_u8(w, (uint8_t)(u->tx << 1 | u->rx));
}

static void load_use(struct key_use *u, struct rd *r)
{
	uint8_t bits;

	load_ki(&u->ki, r);
	u->lpn = rd_u64(r);
	u->an = rd_u8(r) & 3;
	bits = rd_u8(r);
	u->tx = bits >> 1 & 1;
	u->rx = bits & 1;
}

static void save_peer(const struct peer *p, struct wr *w)
{
	wr_bytes(w, p->mi, MKA_MI_LEN);
	wr_u32(w, p->mn);
	wr_u64(w, p->sci);
	wr_u64(w, p->heard);
	wr_u8(w, p->priority);
	wr_u8(w, p->version);
	wr_u8(w, p->capability);
	wr_u8(w, (uint8_t)(p->announced << 5 | p->can_suspend << 4 | p->delay_protect << 3 |
			   p->lists_others << 2 | p->key_server << 1 | p->live));
	wr_u8(w, p->suites);
	wr_u8(w, p->suites_unknown);
	wr_u64(w, p->suspend_until);
	wr_u32(w, p->heard_mn);
	save_use(&p->latest, w);
	save_use(&p->old, w);
}

static void load_peer(struct peer *p, struct rd *r)
{
	uint8_t bits;

	rd_copy(r, p->mi, MKA_MI_LEN);
	p->mn = rd_u32(r);
	p->sci = rd_u64(r);
	p->heard = rd_u64(r);
	p->priority = rd_u8(r);
	p->version = rd_u8(r);
	p->capability = rd_u8(r);
	bits = rd_u8(r);
	p->announced = bits >> 5 & 1;
	p->can_suspend = bits >> 4 & 1;
	p->delay_protect = bits >> 3 & 1;
	p->lists_others = bits >> 2 & 1;
	p->key_server = bits >> 1 & 1;
	p->live = bits & 1;
	p->suites = rd_u8(r);
	p->suites_unknown = rd_u8(r);
	p->suspend_until = rd_u64(r);
	p->heard_mn = rd_u32(r);
	load_use(&p->latest, r);
	load_use(&p->old, r);
}

static uint8_t actor_index(const struct mka *m, const struct actor *a)
{
	return a ? (uint8_t)(a - m->actors) : NO_ACTOR;
}

static struct actor *actor_loaded(struct actor *const *actors, uint8_t index)
{
	return index < MKA_ACTORS_MAX ? actors[index] : NULL;
}

static void save_sak(const struct mka *m, const struct sak *s, struct wr *w)
{
	wr_u8(w, s->held);
	if (!s->held)
		return;
	save_ki(&s->ki, w);
	wr_u8(w, actor_index(m, s->actor));
	wr_u8(w, s->an);
	wr_u8(w, (uint8_t)s->suite);
	wr_u8(w, (uint8_t)s->conf);
	wr_u8(w, s->key.len);
	wr_bytes(w, s->key.b, s->key.len);
	wr_bytes(w, s->salt, sizeof(s->salt));
	wr_u32(w, s->ssci);
	wr_u8(w, (uint8_t)(s->rx | s->tx << 1 | s->tx_asked << 2 | s->tx_installed << 3 |
			   s->lost << 4));
	wr_u64(w, s->pn);
	wr_u64(w, s->since);
	wr_u8(w, (uint8_t)s->member_count);
	for (unsigned i = 0; i < s->member_count; i++) {
		const struct member *a = &s->members[i];

		wr_bytes(w, a->mi, MKA_MI_LEN);
		wr_u64(w, a->sci);
		wr_u32(w, a->ssci);
		wr_u8(w, (uint8_t)(a->asked | a->installed << 1));
	}
}

static void load_sak(struct sak *s, struct actor *const *actors, struct rd *r)
{
	uint8_t bits;

	s->held = rd_u8(r);
	if (!s->held)
		return;
	load_ki(&s->ki, r);
	s->actor = actor_loaded(actors, rd_u8(r));
	s->an = rd_u8(r) & 3;
	s->suite = rd_u8(r);
	s->conf = rd_u8(r);
	s->key.len = rd_u8(r);
	if (s->suite >= MACSEC_SUITE_COUNT || s->conf >= MACSEC_CONF_COUNT ||
	    s->key.len != macsec_suites[s->suite].key_len) {
		r->bad = true;
		return;
	}
	rd_copy(r, s->key.b, s->key.len);
	rd_copy(r, s->salt, sizeof(s->salt));
	s->ssci = rd_u32(r);
	bits = rd_u8(r);
	s->rx = bits & 1;
	s->tx = bits >> 1 & 1;
	s->tx_asked = bits >> 2 & 1;
	s->tx_installed = bits >> 3 & 1;
	s->lost = bits >> 4 & 1;
	s->pn = rd_u64(r);
	s->since = rd_u64(r);
	s->member_count = rd_u8(r);
	if (s->member_count > MKA_PEERS_MAX) {
		r->bad = true;
		return;
	}
	for (unsigned i = 0; i < s->member_count; i++) {
		struct member *a = &s->members[i];

		rd_copy(r, a->mi, MKA_MI_LEN);
		a->sci = rd_u64(r);
		a->ssci = rd_u32(r);
		bits = rd_u8(r);
		a->asked = bits & 1;
		a->installed = bits >> 1 & 1;
	}
}

/* Two keys of one name are not one key. */
static void key_check(const struct actor *a, uint8_t check[CMAC_LEN])
{
	if (cmac_aes(a->ick.b, a->ick.len, a->key.ckn, a->key.ckn_len, check))
		memset(check, 0, CMAC_LEN);
}

static void save_actor(const struct actor *a, struct wr *w)
{
	uint8_t check[CMAC_LEN];

	key_check(a, check);
	wr_u8(w, a->key.ckn_len);
	wr_bytes(w, a->key.ckn, a->key.ckn_len);
	wr_bytes(w, check, sizeof(check));
	wr_bytes(w, a->mi, MKA_MI_LEN);
	wr_u32(w, a->mn);
	for (unsigned i = 0; i < MKA_FLOORS; i++) {
		wr_u32(w, a->life.mn[i]);
		wr_u32(w, a->bounded.mn[i]);
	}
	wr_u64(w, a->life.at);
	wr_u32(w, a->suspend_mn);
	wr_u8(w, (uint8_t)a->peer_count);
	for (unsigned i = 0; i < a->peer_count; i++)
		save_peer(&a->peers[i], w);
	for (unsigned i = 0; i < MKA_GONE_MAX; i++) {
		wr_bytes(w, a->gone[i].mi, MKA_MI_LEN);
		wr_u32(w, a->gone[i].mn);
	}
	wr_u8(w, (uint8_t)a->gone_next);
	wr_u8(w, (uint8_t)(a->elected | a->self << 1));
	wr_bytes(w, a->ks_mi, MKA_MI_LEN);
	wr_u64(w, a->ks_sci);
	wr_u64(w, a->elected_at);
	for (unsigned i = 0; i < MKA_USED_MAX; i++)
		save_ki(&a->used[i], w);
	wr_u8(w, (uint8_t)a->used_next);
	wr_u64(w, a->overtime_at);
}

void mka_save(const struct mka *m, struct wr *w)
{
	wr_u8(w, SAVE_VERSION);
	wr_u64(w, m->cfg.sci);
	wr_u64(w, m->stepped_at);
	for (unsigned i = 0; i < MKA_ACTORS_MAX; i++) {
		wr_u8(w, m->actors[i].m != NULL);
		if (m->actors[i].m)
			save_actor(&m->actors[i], w);
	}
	wr_u8(w, actor_index(m, m->principal));
	wr_u64(w, m->principal_at);
	wr_u8(w, m->fresh_wanted);
	for (unsigned i = 0; i < SAK_SLOTS; i++)
		save_sak(m, &m->sak[i], w);
	wr_u32(w, m->kn);
	wr_u8(w, m->an);
	wr_u64(w, m->distributed_at);
	wr_u8(w, (uint8_t)m->cp);
	wr_u64(w, m->receive_at);
	wr_u64(w, m->transmit_when);
	wr_u64(w, m->retire_when);
	wr_u64(w, m->retire_limit);
	wr_u64(w, m->lapse_when);
	wr_u64(w, m->alone_since);
	wr_u64(w, m->ask_until);
	wr_u64(w, m->suspended_until);
	wr_u64(w, m->saks);
}

/* The participant that the record means, started if it does not run by itself; or a place in
 * *scratch to read it into, when its key is not ours any more. */
static struct actor *actor_meant(struct mka *m, struct rd *r, struct actor *scratch, uint64_t now)
{
	uint8_t len = rd_u8(r), check[CMAC_LEN];
	const uint8_t *ckn = rd_bytes(r, len), *was = rd_bytes(r, CMAC_LEN);
	const struct mka_key *k = r->bad ? NULL : key_named(m, ckn, len);
	struct actor *a = k ? actor_named(m, ckn, len) : NULL;
	bool fresh = k && !a;

	if (fresh)
		a = actor_start(m, k, now);
	if (!a)
		return scratch;
	key_check(a, check);
	if (secret_equal(check, was, CMAC_LEN))
		return a;
	if (fresh)
		actor_end(a);
	return scratch;
}

static void load_actor(struct actor *a, struct rd *r)
{
	uint8_t bits;
	unsigned n;

	rd_copy(r, a->mi, MKA_MI_LEN);
	a->mn = rd_u32(r);
	for (unsigned i = 0; i < MKA_FLOORS; i++) {
		a->life.mn[i] = rd_u32(r);
		a->bounded.mn[i] = rd_u32(r);
	}
	a->life.at = rd_u64(r);
	a->suspend_mn = rd_u32(r);
	n = rd_u8(r);
	if (n > MKA_PEERS_MAX || a->mn > MKA_MN_LIMIT)
		r->bad = true;
	for (a->peer_count = 0; !r->bad && a->peer_count < n; a->peer_count++)
		load_peer(&a->peers[a->peer_count], r);
	for (unsigned i = 0; i < MKA_GONE_MAX; i++) {
		rd_copy(r, a->gone[i].mi, MKA_MI_LEN);
		a->gone[i].mn = rd_u32(r);
	}
	a->gone_next = rd_u8(r) % MKA_GONE_MAX;
	bits = rd_u8(r);
	a->elected = bits & 1;
	a->self = bits >> 1 & 1;
	rd_copy(r, a->ks_mi, MKA_MI_LEN);
	a->ks_sci = rd_u64(r);
	a->elected_at = rd_u64(r);
	for (unsigned i = 0; i < MKA_USED_MAX; i++)
		load_ki(&a->used[i], r);
	a->used_next = rd_u8(r) % MKA_USED_MAX;
	a->overtime_at = rd_u64(r);
}

/* As whom those continue who do: numbers past the ceiling, lives longer by our absence. */
static void actor_continue(struct actor *a, uint64_t away, uint64_t now)
{
	a->mn += MKA_MN_CEILING;
	for (unsigned i = 0; i < a->peer_count; i++)
		a->peers[i].heard += away;
	a->life.at = now + a->m->cfg.life_ns / 4;
	a->bounded.at = now + MKA_BOUNDED_HELLO_NS;
	a->hello_at = now;
	a->info_pending = false;
}

/* False when no participant of the record is one of ours. */
static bool load_actors(struct mka *m, struct actor *at[MKA_ACTORS_MAX], struct rd *r, uint64_t now)
{
	struct actor *scratch = calloc(1, sizeof(*scratch));
	bool any = false;

	if (!scratch)
		r->bad = true;
	for (unsigned i = 0; !r->bad && i < MKA_ACTORS_MAX; i++) {
		struct actor *a;

		at[i] = NULL;
		if (!rd_u8(r))
			continue;
		a = actor_meant(m, r, scratch, now);
		load_actor(a, r);
		if (a == scratch)
			continue;
		at[i] = a;
		any = true;
		actor_continue(a, now - m->stepped_at, now);
	}
	if (scratch)
		secret_wipe(scratch, sizeof(*scratch));
	free(scratch);
	return any;
}

static void load_state(struct mka *m, struct actor *const at[MKA_ACTORS_MAX], struct rd *r)
{
	struct actor *principal = actor_loaded(at, rd_u8(r));
	unsigned n;

	if (principal)
		m->principal = principal;
	m->principal_at = rd_u64(r);
	m->fresh_wanted = rd_u8(r) & 1;
	for (unsigned i = 0; !r->bad && i < SAK_SLOTS; i++)
		load_sak(&m->sak[i], at, r);
	m->kn = rd_u32(r);
	m->an = rd_u8(r) & 3;
	m->distributed_at = rd_u64(r);
	n = rd_u8(r);
	if (n >= CP_STATE_COUNT)
		r->bad = true;
	m->cp = n;
	m->receive_at = rd_u64(r);
	m->transmit_when = rd_u64(r);
	m->retire_when = rd_u64(r);
	m->retire_limit = rd_u64(r);
	m->lapse_when = rd_u64(r);
	m->alone_since = rd_u64(r);
	m->ask_until = rd_u64(r);
	m->suspended_until = rd_u64(r);
	m->saks = rd_u64(r);
}

/* A SAK is the latest in just those states that bring it in. */
static bool state_holds(const struct mka *m)
{
	return m->sak[SAK_LATEST].held == (m->cp >= CP_RECEIVE && m->cp <= CP_TRANSMITTING);
}

/* A copy of n in place of m: what points into the one points into the other then. */
static void move_in(struct mka *m, const struct mka *n)
{
	*m = *n;
	m->principal = n->principal ? m->actors + (n->principal - n->actors) : NULL;
	for (unsigned i = 0; i < MKA_ACTORS_MAX; i++)
		if (m->actors[i].m)
			m->actors[i].m = m;
	for (unsigned i = 0; i < SAK_SLOTS; i++)
		if (n->sak[i].actor)
			m->sak[i].actor = m->actors + (n->sak[i].actor - n->actors);
}

int mka_load(struct mka *m, struct rd *r, uint64_t now)
{
	struct actor *at[MKA_ACTORS_MAX] = {0};
	uint8_t version = rd_u8(r);
	uint64_t sci = rd_u64(r);
	int err = -EBADMSG;
	struct mka *n;

	if (r->bad || version != SAVE_VERSION || sci != m->cfg.sci)
		return err;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	move_in(n, m);
	n->stepped_at = rd_u64(r);
	if (n->stepped_at > now || !load_actors(n, at, r, now))
		goto out;
	load_state(n, at, r);
	if (!rd_done(r) || !state_holds(n))
		goto out;
	n->kn += MKA_KN_CEILING; /* forward may know of one that was never saved */
	mka_resync(n);
	suspend_resume(n);
	n->due = 0; /* our absence is made up for */
	move_in(m, n);
	if (mka_faulty(m, MKA_FAULT_REUSE_PN))
		for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
			if (m->sak[i].tx) {
				m->sak[i].tx_asked = false;
				sak_transmit(m, &m->sak[i]);
			}
	err = 0;
out:
	secret_wipe(n, sizeof(*n));
	free(n);
	return err;
}

uint64_t mka_digest(const struct mka *m)
{
	uint8_t buf[MKA_SAVE_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	uint64_t h = 0xcbf29ce484222325ull;

	mka_save(m, &w);
	for (size_t i = 0; i < wr_len(&w); i++)
		h = (h ^ buf[i]) * 0x100000001b3ull;
	h = (h ^ w.bad) * 0x100000001b3ull;
	FOR_EACH_ACTOR (m, a)
		h = (h ^ a->info_pending) * 0x100000001b3ull;
	secret_wipe(buf, sizeof(buf));
	return h;
}
