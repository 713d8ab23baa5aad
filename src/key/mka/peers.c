/*
 * The live and the potential peer list (IEEE 802.1X-2020 9.4.2, 9.4.3), one bounded table.
 *
 * An entry is made for whoever sent an authentic MKPDU. It becomes live when an MKPDU of its own
 * lists our member identifier with a recent message number: nobody can replay that. What peers
 * say of each other makes no entry here; the group address brings everybody to everybody.
 */
#include "key/mka/mka_i.h"

#include <inttypes.h>
#include <string.h>

struct peer *peer_find(struct actor *a, const uint8_t mi[MKA_MI_LEN])
{
	for (unsigned i = 0; i < a->peer_count; i++)
		if (!memcmp(a->peers[i].mi, mi, MKA_MI_LEN))
			return &a->peers[i];
	return NULL;
}

struct peer *peer_find_sci(struct actor *a, uint64_t sci)
{
	for (unsigned i = 0; i < a->peer_count; i++)
		if (a->peers[i].sci == sci)
			return &a->peers[i];
	return NULL;
}

/* The table is full: who has proved nothing and was silent longest makes room for one who has. */
static struct peer *peer_stalest(struct actor *a)
{
	struct peer *p = NULL;

	for (unsigned i = 0; i < a->peer_count; i++)
		if (!a->peers[i].live && (!p || a->peers[i].heard < p->heard))
			p = &a->peers[i];
	return p;
}

struct peer *peer_add(struct actor *a, const uint8_t mi[MKA_MI_LEN], uint64_t sci, bool proven)
{
	struct peer *p;

	if (a->peer_count >= a->m->peers_max) {
		p = proven ? peer_stalest(a) : NULL;
		if (!p)
			return NULL;
		peer_remove(a, p);
	}
	p = &a->peers[a->peer_count++];
	*p = (struct peer){.sci = sci};
	memcpy(p->mi, mi, MKA_MI_LEN);
	return p;
}

void peer_remove(struct actor *a, struct peer *p)
{
	*p = a->peers[--a->peer_count];
	a->peers[a->peer_count] = (struct peer){0};
}

void peer_forget(struct actor *a, struct peer *p)
{
	memcpy(a->gone[a->gone_next].mi, p->mi, MKA_MI_LEN);
	a->gone[a->gone_next].mn = p->mn;
	a->gone_next = (a->gone_next + 1) % MKA_GONE_MAX;
	peer_remove(a, p);
}

bool peer_gone_replay(const struct actor *a, const uint8_t mi[MKA_MI_LEN], uint32_t mn)
{
	for (unsigned i = 0; i < MKA_GONE_MAX; i++)
		if (!memcmp(a->gone[i].mi, mi, MKA_MI_LEN) && mn <= a->gone[i].mn)
			return true;
	return false;
}

unsigned peers_live(const struct actor *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->peer_count; i++)
		n += a->peers[i].live;
	return n;
}

void peers_age(struct actor *a, uint64_t now)
{
	for (unsigned i = 0; i < a->peer_count;) {
		struct peer *p = &a->peers[i];

		if (now < p->heard + a->m->cfg.life_ns || (p->live && suspended(a->m, now))) {
			i++;
			continue;
		}
		if (p->live) {
			actor_tell(a);
			log_info("mka secy %u: peer %016" PRIx64 " is gone", a->m->cfg.secy,
				 p->sci);
		}
		peer_forget(a, p);
	}
}

uint64_t peers_deadline(const struct actor *a)
{
	uint64_t at = MKA_NEVER;

	for (unsigned i = 0; i < a->peer_count; i++) {
		uint64_t end = a->peers[i].heard + a->m->cfg.life_ns;

		if (a->peers[i].live && end < a->m->suspended_until)
			end = a->m->suspended_until;
		if (end < at)
			at = end;
	}
	return at;
}
