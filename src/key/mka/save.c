/*
 * The record a successor continues from as the same member. Times in it are of the boot-time
 * clock and stay valid; only the peers' lives are longer by as much as we were away, because that
 * silence was ours.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_VERSION 2

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
	wr_u8(w, (uint8_t)(p->lists_others << 2 | p->key_server << 1 | p->live));
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
	p->lists_others = bits >> 2 & 1;
	p->key_server = bits >> 1 & 1;
	p->live = bits & 1;
	load_use(&p->latest, r);
	load_use(&p->old, r);
}

static void save_sak(const struct sak *s, struct wr *w)
{
	wr_u8(w, s->held);
	if (!s->held)
		return;
	save_ki(&s->ki, w);
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

static void load_sak(struct sak *s, struct rd *r)
{
	uint8_t bits;

	s->held = rd_u8(r);
	if (!s->held)
		return;
	load_ki(&s->ki, r);
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

void mka_save(const struct mka *m, struct wr *w)
{
	wr_u8(w, SAVE_VERSION);
	wr_u8(w, m->cfg.ckn_len);
	wr_bytes(w, m->cfg.ckn, m->cfg.ckn_len);
	wr_u64(w, m->cfg.sci);
	wr_bytes(w, m->mi, MKA_MI_LEN);
	wr_u32(w, m->mn);
	for (unsigned i = 0; i < MKA_FLOORS; i++)
		wr_u32(w, m->floors[i]);
	wr_u64(w, m->floor_at);
	wr_u64(w, m->stepped_at);
	wr_u8(w, (uint8_t)m->peer_count);
	for (unsigned i = 0; i < m->peer_count; i++)
		save_peer(&m->peers[i], w);
	for (unsigned i = 0; i < MKA_GONE_MAX; i++) {
		wr_bytes(w, m->gone[i].mi, MKA_MI_LEN);
		wr_u32(w, m->gone[i].mn);
	}
	wr_u8(w, (uint8_t)m->gone_next);
	wr_u8(w, (uint8_t)(m->elected | m->self << 1 | m->fresh_wanted << 2));
	wr_bytes(w, m->ks_mi, MKA_MI_LEN);
	wr_u64(w, m->ks_sci);
	wr_u64(w, m->elected_at);
	for (unsigned i = 0; i < SAK_SLOTS; i++)
		save_sak(&m->sak[i], w);
	wr_u32(w, m->kn);
	wr_u8(w, m->an);
	wr_u64(w, m->distributed_at);
	for (unsigned i = 0; i < MKA_USED_MAX; i++)
		save_ki(&m->used[i], w);
	wr_u8(w, (uint8_t)m->used_next);
	wr_u8(w, (uint8_t)m->cp);
	wr_u64(w, m->receive_at);
	wr_u64(w, m->transmit_when);
	wr_u64(w, m->retire_when);
	wr_u64(w, m->retire_limit);
	wr_u64(w, m->lapse_when);
	wr_u64(w, m->saks);
}

static void load_state(struct mka *m, struct rd *r)
{
	uint8_t bits;
	unsigned n;

	rd_copy(r, m->mi, MKA_MI_LEN);
	m->mn = rd_u32(r);
	for (unsigned i = 0; i < MKA_FLOORS; i++)
		m->floors[i] = rd_u32(r);
	m->floor_at = rd_u64(r);
	m->stepped_at = rd_u64(r);
	n = rd_u8(r);
	if (n > MKA_PEERS_MAX)
		r->bad = true;
	for (m->peer_count = 0; !r->bad && m->peer_count < n; m->peer_count++)
		load_peer(&m->peers[m->peer_count], r);
	for (unsigned i = 0; i < MKA_GONE_MAX; i++) {
		rd_copy(r, m->gone[i].mi, MKA_MI_LEN);
		m->gone[i].mn = rd_u32(r);
	}
	m->gone_next = rd_u8(r) % MKA_GONE_MAX;
	bits = rd_u8(r);
	m->elected = bits & 1;
	m->self = bits >> 1 & 1;
	m->fresh_wanted = bits >> 2 & 1;
	rd_copy(r, m->ks_mi, MKA_MI_LEN);
	m->ks_sci = rd_u64(r);
	m->elected_at = rd_u64(r);
	for (unsigned i = 0; !r->bad && i < SAK_SLOTS; i++)
		load_sak(&m->sak[i], r);
	m->kn = rd_u32(r);
	m->an = rd_u8(r) & 3;
	m->distributed_at = rd_u64(r);
	for (unsigned i = 0; i < MKA_USED_MAX; i++)
		load_ki(&m->used[i], r);
	m->used_next = rd_u8(r) % MKA_USED_MAX;
	n = rd_u8(r);
	if (n >= CP_STATE_COUNT)
		r->bad = true;
	m->cp = n;
	m->receive_at = rd_u64(r);
	m->transmit_when = rd_u64(r);
	m->retire_when = rd_u64(r);
	m->retire_limit = rd_u64(r);
	m->lapse_when = rd_u64(r);
	m->saks = rd_u64(r);
}

/* A SAK is the latest in just those states that bring it in. */
static bool state_holds(const struct mka *m)
{
	return m->sak[SAK_LATEST].held == (m->cp >= CP_RECEIVE && m->cp <= CP_TRANSMITTING);
}

int mka_load(struct mka *m, struct rd *r, uint64_t now)
{
	uint8_t version = rd_u8(r), ckn_len = rd_u8(r);
	const uint8_t *ckn = rd_bytes(r, ckn_len);
	uint64_t sci = rd_u64(r);
	struct mka *n;
	int err = -EBADMSG;

	if (r->bad || version != SAVE_VERSION || ckn_len != m->cfg.ckn_len ||
	    memcmp(ckn, m->cfg.ckn, ckn_len) != 0 || sci != m->cfg.sci)
		return err;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	*n = *m;
	load_state(n, r);
	if (!rd_done(r) || n->mn > MKA_MN_LIMIT || !state_holds(n) || n->stepped_at > now)
		goto out;
	n->mn += MKA_MN_CEILING;
	n->kn += MKA_KN_CEILING; /* forward may know of one that was never saved */
	for (unsigned i = 0; i < n->peer_count; i++)
		n->peers[i].heard += now - n->stepped_at;
	n->floor_at = now + n->cfg.life_ns / 4;
	mka_resync(n);
	n->hello_at = now;
	*m = *n;
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
	h = (h ^ m->info_pending) * 0x100000001b3ull;
	secret_wipe(buf, sizeof(buf));
	return h;
}
