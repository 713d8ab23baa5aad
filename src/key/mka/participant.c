/*
 * A participant: its life, its member identifier and message numbers, what it tells and when
 * (IEEE 802.1X-2020 9.4, 9.18).
 */
#include "key/mka/mka_i.h"

#include "base/log.h"
#include "crypto/mka_kdf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GAP_SHARE 20 /* news are told at most this often in a hello time */

const char *key_name(const struct mka_key *k, char name[ACTOR_NAME_LEN])
{
	for (unsigned i = 0; i < k->ckn_len; i++)
		snprintf(name + 2 * i, 3, "%02x", k->ckn[i]);
	return name;
}

const char *actor_name(const struct actor *a, char name[ACTOR_NAME_LEN])
{
	return key_name(&a->key, name);
}

struct actor *actor_named(struct mka *m, const uint8_t *ckn, uint8_t len)
{
	FOR_EACH_ACTOR (m, a)
		if (a->key.ckn_len == len && !memcmp(a->key.ckn, ckn, len))
			return a;
	return NULL;
}

struct actor *actor_start(struct mka *m, const struct mka_key *key, uint64_t now)
{
	struct actor *a = m->actors;

	while (a < m->actors + MKA_ACTORS_MAX && a->m)
		a++;
	if (a == m->actors + MKA_ACTORS_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	*a = (struct actor){.m = m, .key = *key, .hello_at = now};
	if (mka_kdf_keys(&key->cak, key->ckn, key->ckn_len, &a->ick, &a->kek)) {
		secret_wipe(a, sizeof(*a));
		errno = EIO;
		return NULL;
	}
	actor_rename(a, now);
	a->info_pending = false;
	return a;
}

void actor_end(struct actor *a)
{
	struct mka *m = a->m;

	for (unsigned i = 0; i < SAK_SLOTS; i++)
		if (m->sak[i].actor == a)
			m->sak[i].actor = NULL;
	if (m->principal == a)
		m->principal = NULL;
	if (m->rival == a)
		m->rival = NULL;
	secret_wipe(a, sizeof(*a));
}

void actor_rename(struct actor *a, uint64_t now)
{
	a->m->env.random(a->m->env.ctx, a->mi, sizeof(a->mi));
	a->mn = 0;
	a->suspend_mn = 0;
	for (unsigned i = 0; i < MKA_FLOORS; i++)
		a->life.mn[i] = a->bounded.mn[i] = 1;
	a->life.at = now + a->m->cfg.life_ns / 4;
	a->bounded.at = now + MKA_BOUNDED_HELLO_NS;
	actor_tell(a);
}

void actor_tell(struct actor *a)
{
	a->info_pending = true;
}

void actors_tell(struct mka *m)
{
	FOR_EACH_ACTOR (m, a)
		actor_tell(a);
}

/* A message number of ours proves that its reader heard us within the time of these floors. */
bool actor_mn_recent(const struct actor *a, const struct floors *f, uint32_t mn)
{
	return mn >= f->mn[MKA_FLOORS - 1] && mn <= a->mn;
}

static void floors_move(struct floors *f, uint32_t next, uint64_t step, uint64_t now)
{
	if (now < f->at)
		return;
	memmove(f->mn + 1, f->mn, sizeof(f->mn) - sizeof(f->mn[0]));
	f->mn[0] = next;
	f->at = now + step;
}

void actor_age(struct actor *a, uint64_t now)
{
	floors_move(&a->life, a->mn + 1, a->m->cfg.life_ns / 4, now);
	floors_move(&a->bounded, a->mn + 1, MKA_BOUNDED_HELLO_NS, now);
	peers_age(a, now);
	election_run(a, now);
}

static uint64_t tell_at(const struct actor *a)
{
	uint64_t news = a->tx_last + a->m->cfg.hello_ns / GAP_SHARE;

	return a->info_pending && news < a->hello_at ? news : a->hello_at;
}

void actor_send(struct actor *a, uint64_t now)
{
	if (now < tell_at(a))
		return;
	if (a->mn >= MKA_MN_LIMIT)
		actor_rename(a, now);
	a->mn++; /* saved before the frame is built: see mka_output() */
	a->tx_pending = true;
	a->info_pending = false;
	a->tx_last = now;
	a->hello_at = now + a->m->cfg.hello_ns;
}

uint64_t actor_deadline(const struct actor *a)
{
	return tell_at(a);
}
