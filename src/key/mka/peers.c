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

struct peer *peer_find(struct mka *m, const uint8_t mi[MKA_MI_LEN])
{
	for (unsigned i = 0; i < m->peer_count; i++)
		if (!memcmp(m->peers[i].mi, mi, MKA_MI_LEN))
			return &m->peers[i];
	return NULL;
}

struct peer *peer_find_sci(struct mka *m, uint64_t sci)
{
	for (unsigned i = 0; i < m->peer_count; i++)
		if (m->peers[i].sci == sci)
			return &m->peers[i];
	return NULL;
}

/* The table is full: who has proved nothing and was silent longest makes room for one who has. */
static struct peer *peer_stalest(struct mka *m)
{
	struct peer *p = NULL;

	for (unsigned i = 0; i < m->peer_count; i++)
		if (!m->peers[i].live && (!p || m->peers[i].heard < p->heard))
			p = &m->peers[i];
	return p;
}

struct peer *peer_add(struct mka *m, const uint8_t mi[MKA_MI_LEN], uint64_t sci, bool proven)
{
	struct peer *p;

	if (m->peer_count == MKA_PEERS_MAX) {
		p = proven ? peer_stalest(m) : NULL;
		if (!p)
			return NULL;
		peer_remove(m, p);
	}
	p = &m->peers[m->peer_count++];
	*p = (struct peer){.sci = sci};
	memcpy(p->mi, mi, MKA_MI_LEN);
	return p;
}

void peer_remove(struct mka *m, struct peer *p)
{
	*p = m->peers[--m->peer_count];
	m->peers[m->peer_count] = (struct peer){0};
}

void peer_forget(struct mka *m, struct peer *p)
{
	memcpy(m->gone[m->gone_next].mi, p->mi, MKA_MI_LEN);
	m->gone[m->gone_next].mn = p->mn;
	m->gone_next = (m->gone_next + 1) % MKA_GONE_MAX;
	peer_remove(m, p);
}

bool peer_gone_replay(const struct mka *m, const uint8_t mi[MKA_MI_LEN], uint32_t mn)
{
	for (unsigned i = 0; i < MKA_GONE_MAX; i++)
		if (!memcmp(m->gone[i].mi, mi, MKA_MI_LEN) && mn <= m->gone[i].mn)
			return true;
	return false;
}

unsigned peers_live(const struct mka *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->peer_count; i++)
		n += m->peers[i].live;
	return n;
}

void peers_age(struct mka *m, uint64_t now)
{
	for (unsigned i = 0; i < m->peer_count;) {
		struct peer *p = &m->peers[i];

		if (now < p->heard + m->cfg.life_ns) {
			i++;
			continue;
		}
		if (p->live) {
			mka_tell(m);
			log_info("mka secy %u: peer %016" PRIx64 " is gone", m->cfg.secy, p->sci);
		}
		peer_forget(m, p);
	}
}

uint64_t peers_deadline(const struct mka *m)
{
	uint64_t at = MKA_NEVER;

	for (unsigned i = 0; i < m->peer_count; i++)
		if (m->peers[i].heard + m->cfg.life_ns < at)
			at = m->peers[i].heard + m->cfg.life_ns;
	return at;
}
