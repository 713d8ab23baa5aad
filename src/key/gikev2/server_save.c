/* The record that a successor of a key server goes on from. */
#include "key/gikev2/fault.h"
#include "key/gikev2/server_i.h"

#include <errno.h>
#include <string.h>

#define VERSION 1

bool gks_dirty(const struct gks *g)
{
	return g->dirty && !g->pending && !faulty(GIKEV2_FAULT_NOT_SAVED);
}

bool gks_settled(const struct gks *g)
{
	return (!g->dirty && !g->pending) || faulty(GIKEV2_FAULT_NOT_SAVED);
}

static void save_secret(struct wr *w, const struct secret *s)
{
	wr_u8(w, s->len);
	wr_bytes(w, s->b, s->len);
}

static void load_secret(struct rd *r, struct secret *s)
{
	s->len = rd_u8(r);
	if (s->len > sizeof(s->b)) {
		s->len = 0;
		r->bad = true;
		return;
	}
	rd_copy(r, s->b, s->len);
}

static void save_kek(struct wr *w, const struct kek *k)
{
	wr_bytes(w, k->sa.spi, sizeof(k->sa.spi));
	wr_bytes(w, k->next_spi, sizeof(k->next_spi));
	wr_u64(w, k->made_at);
	wr_u64(w, k->hard_at);
	wr_u32(w, k->message_id);
	wr_u64(w, k->iv);
	wr_u16(w, (uint16_t)k->keymat_len);
	wr_bytes(w, k->keymat, k->keymat_len);
}

/* What nobody has been sent yet. More than there is room for is as if it were lost. */
static void save_unsent(const struct gks *g, struct wr *w)
{
	unsigned n = 0;

	for (const struct queued *q = g->queue; q; q = q->next)
		n += q->left == g->cfg.copies;
	n = n < GKS_UNSENT_MAX ? n : GKS_UNSENT_MAX;
	wr_u8(w, (uint8_t)n);
	for (const struct queued *q = g->queue; q && n; q = q->next) {
		if (q->left != g->cfg.copies)
			continue;
		n--;
		wr_u64(w, q->made_at);
		wr_u16(w, (uint16_t)q->len);
		wr_bytes(w, q->b, q->len);
	}
}

void gks_save(struct gks *g, struct wr *w)
{
	wr_u16(w, VERSION);
	wr_u8(w, g->cfg.suite);
	wr_u8(w, (uint8_t)g->cfg.flow_count);
	wr_u32(w, g->sender_next);
	save_kek(w, &g->kek);
	wr_u8(w, (uint8_t)g->tek_count);
	for (unsigned i = 0; i < g->tek_count; i++) {
		wr_u64(w, g->teks[i].made_at);
		wr_u64(w, g->teks[i].hard_at);
		for (unsigned j = 0; j < g->cfg.flow_count; j++) {
			wr_u32(w, g->teks[i].spi[j]);
			save_secret(w, &g->teks[i].key[j]);
		}
	}
	wr_u32(w, g->m_count);
	for (unsigned i = 0; i < g->m_count; i++) {
		wr_u32(w, g->m[i].id);
		wr_u32(w, g->m[i].place);
		wr_u8(w, (uint8_t)((g->m[i].in ? 1 : 0) | (g->m[i].banned ? 2 : 0)));
	}
	lkh_save(g->tree, w);
	save_unsent(g, w);
	g->dirty = w->bad;
}

static bool load_kek(struct gks *g, struct rd *r)
{
	struct kek *k = &g->kek;
	uint8_t spi[IKE_REKEY_SPI_LEN];

	rd_copy(r, spi, sizeof(spi));
	rd_copy(r, k->next_spi, sizeof(k->next_spi));
	k->made_at = rd_u64(r);
	k->hard_at = rd_u64(r);
	k->message_id = rd_u32(r);
	k->iv = rd_u64(r);
	if (rd_u16(r) != k->keymat_len)
		return false;
	rd_copy(r, k->keymat, k->keymat_len);
	memcpy(k->sa.spi, spi, sizeof(spi));
	build_begin(g);
	build_kek(g, k, GIKE_REGISTRATION, k->made_at);
	return !r->bad && !rekey_sa_init(&k->sa, &g->b.gsa.v[0], k->keymat, k->keymat_len) &&
	       !rekey_sa_auth(&k->sa, &g->b.gsa.v[0], g->b.kd.auth_key);
}

static bool load_teks(struct gks *g, struct rd *r)
{
	g->tek_count = rd_u8(r);
	if (!g->tek_count || g->tek_count > TEKS_MAX)
		return false;
	for (unsigned i = 0; i < g->tek_count; i++) {
		g->teks[i].made_at = rd_u64(r);
		g->teks[i].hard_at = rd_u64(r);
		for (unsigned j = 0; j < g->cfg.flow_count; j++) {
			g->teks[i].spi[j] = rd_u32(r);
			load_secret(r, &g->teks[i].key[j]);
			if (g->teks[i].key[j].len != server_tek_len(g))
				return false;
		}
	}
	return !r->bad;
}

static bool load_members(struct gks *g, struct rd *r)
{
	uint32_t count = rd_u32(r), last = 0;

	for (uint32_t i = 0; i < count && !r->bad; i++) {
		uint32_t id = rd_u32(r), place = rd_u32(r);
		uint8_t flags = rd_u8(r);
		struct gks_member *m;

		if (r->bad || flags > 3 || (i && id <= last) || server_member_add(g, id, &m))
			return false;
		m->place = place;
		m->in = flags & 1;
		m->banned = flags & 2;
		last = id;
	}
	return !r->bad;
}

/*
 * What waited to be sent is sent now, or perhaps again. By ATD from now on all have it; what it
 * replaces lives as much longer, for some may have changed over, and some not.
 */
static bool load_unsent(struct gks *g, struct rd *r, uint64_t now)
{
	unsigned n = rd_u8(r);
	uint64_t since = now;

	if (n > GKS_UNSENT_MAX)
		return false;
	for (unsigned i = 0; i < n; i++) {
		uint64_t made_at = rd_u64(r);
		struct rd b = rd_block(r, rd_u16(r));
		size_t len = rd_left(&b);

		if (r->bad || !len || len > REKEY_MESSAGE_MAX)
			return false;
		message_enqueue(g, rd_bytes(&b, len), len, now);
		since = made_at < since ? made_at : since;
	}
	for (unsigned i = 0; n && i < g->tek_count; i++) {
		struct tek *t = &g->teks[i];
		uint64_t end = t->made_at + 2 * SECOND * g->cfg.tek_period_s;

		t->hard_at = t->hard_at + (now - since) < end ? t->hard_at + (now - since) : end;
	}
	if (n)
		g->again_at = now + (uint64_t)g->cfg.atd_s * SECOND;
	return true;
}

static int load(struct gks *g, struct rd *r, uint64_t now)
{
	unsigned in = 0;

	g->now = g->told_at = now;
	if (rd_u16(r) != VERSION || rd_u8(r) != g->cfg.suite || rd_u8(r) != g->cfg.flow_count)
		return -EBADMSG;
	g->sender_next = rd_u32(r);
	if (!load_kek(g, r) || !load_teks(g, r) || !load_members(g, r) || lkh_load(g->tree, r) ||
	    !load_unsent(g, r, now) || !rd_done(r))
		return -EBADMSG;
	for (unsigned i = 0; i < g->m_count; i++)
		in += g->m[i].in;
	return in == lkh_members(g->tree) ? 0 : -EBADMSG;
}

int gks_load(struct gks *g, struct rd *r, uint64_t now)
{
	int err = load(g, r, now);

	if (err)
		return err;
	/* Another boot of this machine: its times mean nothing, and keys may be over. */
	if (g->kek.made_at > now || g->teks[0].made_at > now)
		gks_reset(g, now);
	return 0;
}

int gks_restore(struct gks *g, struct rd *r, uint64_t now)
{
	int err = load(g, r, now);

	if (err)
		return err;
	/* What has been sent since the record was written counts from where it ends; nothing has
	 * ever been sent from here on. So those who still have this Rekey SA can be told. */
	g->env.random(g->env.ctx, &g->kek.iv, sizeof(g->kek.iv));
	g->kek.iv |= UINT64_C(1) << 63;
	g->kek.message_id = g->kek.message_id < UINT32_MAX / 2 ? g->kek.message_id + UINT32_MAX / 2
							       : UINT32_MAX;
	server_spi(g, g->kek.next_spi); /* the one promised may be another's by now */
	message_forget(g);
	gks_reset(g, now);
	return 0;
}
