/*
 * The records a successor continues from, one for each IKE SA that stands: SPIs, keys, message
 * IDs, the last request and answer byte by byte, addresses, children. Written before what they are
 * about leaves, so that no IV is used twice and no message ID means two things.
 *
 * What is being set up is not in them: it is begun anew. Times are of the boot-time clock and stay
 * valid.
 */
#include "key/ikev2/ikev2_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_VERSION 3

/* One walk over the fields serves both directions: what is written is what is read. */
struct walk {
	struct wr *w; /* NULL: reading */
	struct rd *r;
};

static void u8(struct walk *k, uint8_t *v)
{
	if (k->w)
		wr_u8(k->w, *v);
	else
		*v = rd_u8(k->r);
}

static void flag(struct walk *k, bool *v)
{
	uint8_t b = *v;

	u8(k, &b);
	*v = b & 1;
}

static void u16(struct walk *k, uint16_t *v)
{
	if (k->w)
		wr_u16(k->w, *v);
	else
		*v = rd_u16(k->r);
}

static void u32(struct walk *k, uint32_t *v)
{
	if (k->w)
		wr_u32(k->w, *v);
	else
		*v = rd_u32(k->r);
}

static void u64(struct walk *k, uint64_t *v)
{
	if (k->w)
		wr_u64(k->w, *v);
	else
		*v = rd_u64(k->r);
}

static void raw(struct walk *k, void *p, size_t n)
{
	if (k->w)
		wr_bytes(k->w, p, n);
	else
		rd_copy(k->r, p, n);
}

static void fail(struct walk *k)
{
	if (k->w)
		k->w->bad = true;
	else
		k->r->bad = true;
}

static void secret(struct walk *k, struct secret *s)
{
	u8(k, &s->len);
	if (s->len > SECRET_MAX) {
		s->len = 0;
		fail(k);
	}
	raw(k, s->b, s->len);
}

static void bytes(struct walk *k, struct bytes *b)
{
	uint16_t n = (uint16_t)b->len;
	const uint8_t *p;

	u16(k, &n);
	if (k->w) {
		wr_bytes(k->w, b->b, b->len);
		return;
	}
	p = rd_bytes(k->r, n);
	if (p && n && !bytes_set(b, p, n))
		k->r->bad = true;
}

static void nonce(struct walk *k, struct nonce *n)
{
	u16(k, &n->len);
	if (n->len > IKE_NONCE_MAX) {
		n->len = 0;
		fail(k);
	}
	raw(k, n->b, n->len);
}

static void end(struct walk *k, struct esp_end *e)
{
	u8(k, &e->family);
	raw(k, e->addr, sizeof(e->addr));
	u16(k, &e->port);
}

static void selector(struct walk *k, struct esp_ts *t)
{
	u8(k, &t->family);
	u8(k, &t->protocol);
	u16(k, &t->port_lo);
	u16(k, &t->port_hi);
	raw(k, t->lo, sizeof(t->lo));
	raw(k, t->hi, sizeof(t->hi));
}

static void selectors(struct walk *k, struct esp_selectors *s)
{
	u8(k, &s->local_count);
	u8(k, &s->remote_count);
	if (s->local_count > ESP_TS_MAX || s->remote_count > ESP_TS_MAX) {
		s->local_count = s->remote_count = 0;
		fail(k);
	}
	for (unsigned i = 0; i < s->local_count; i++)
		selector(k, &s->local[i]);
	for (unsigned i = 0; i < s->remote_count; i++)
		selector(k, &s->remote[i]);
	if (!k->w && !k->r->bad && !esp_selectors_valid(s))
		fail(k);
}

static void seal(struct walk *k, struct seal_key *s)
{
	u8(k, &s->cipher);
	u16(k, &s->hash_bits);
	secret(k, &s->key);
	secret(k, &s->auth);
}

static void child(struct walk *k, struct child_sa *c)
{
	u8(k, &c->state);
	u8(k, &c->suite);
	u8(k, &c->mode);
	flag(k, &c->esn);
	flag(k, &c->sending);
	flag(k, &c->want_close);
	flag(k, &c->want_rekey);
	u32(k, &c->spi_in);
	u32(k, &c->spi_out);
	secret(k, &c->key_in);
	secret(k, &c->auth_in);
	secret(k, &c->key_out);
	secret(k, &c->auth_out);
	selectors(k, &c->ts);
	u64(k, &c->since);
	u64(k, &c->rekey_at);
	u64(k, &c->close_at);
	u64(k, &c->send_at);
	if (c->suite >= ESP_SUITE_COUNT || c->mode >= ESP_MODE_COUNT || c->state > CHILD_CLOSING ||
	    c->spi_in < ESP_SPI_MIN || c->spi_out < ESP_SPI_MIN ||
	    c->key_in.len != esp_suites[c->suite].key_len + esp_suites[c->suite].salt_len ||
	    c->key_out.len != c->key_in.len || c->auth_in.len != esp_suites[c->suite].auth_len ||
	    c->auth_out.len != c->auth_in.len)
		fail(k);
}

static void children(struct walk *k, struct ike_sa *sa)
{
	struct child_sa **at = &sa->children;
	uint8_t n = (uint8_t)sa->child_count;

	u8(k, &n);
	if (n > IKEV2_CHILDREN_MAX)
		fail(k);
	for (unsigned i = 0; i < n && !(k->w ? k->w->bad : k->r->bad); i++) {
		if (!k->w) {
			*at = calloc(1, sizeof(**at));
			if (!*at) {
				fail(k);
				return;
			}
			sa->child_count = i + 1u;
		}
		child(k, *at);
		at = &(*at)->next;
	}
}

static void request(struct walk *k, struct request *q)
{
	u8(k, &q->kind);
	if (!q->kind)
		return;
	u8(k, &q->tries);
	u32(k, &q->id);
	u64(k, &q->at);
	bytes(k, &q->sent);
	nonce(k, &q->nonce);
	u8(k, &q->dh.group);
	u8(k, &q->dh.len);
	raw(k, q->dh.b, sizeof(q->dh.b));
	u64(k, &q->spi);
	u32(k, &q->child);
	flag(k, &q->collided);
	u64(k, &q->other);
	nonce(k, &q->other_nonce);
	if (q->kind >= EX_COUNT || q->kind <= EX_GSA_AUTH || q->dh.group >= DH_GROUP_COUNT ||
	    q->dh.len > DH_PRIVATE_MAX)
		fail(k);
}

static void identity(struct walk *k, struct ikev2_id *id)
{
	u8(k, &id->type);
	u16(k, &id->len);
	if (id->len > IKEV2_ID_MAX) {
		id->len = 0;
		fail(k);
	}
	raw(k, id->b, id->len);
}

static void fields(struct walk *k, struct ike_sa *sa)
{
	u8(k, &sa->state);
	flag(k, &sa->initiator);
	u64(k, &sa->spi_i);
	u64(k, &sa->spi_r);
	end(k, &sa->local);
	end(k, &sa->remote);
	flag(k, &sa->nat_local);
	flag(k, &sa->nat_remote);
	flag(k, &sa->encap);
	flag(k, &sa->fragment);
	flag(k, &sa->peer_childless);
	flag(k, &sa->ppk);
	u16(k, &sa->peer_hashes);
	u16(k, &sa->suite.encr);
	u16(k, &sa->suite.key_bits);
	u16(k, &sa->suite.prf);
	u16(k, &sa->suite.integ);
	u16(k, &sa->suite.group);
	u16(k, &sa->suite.kwa);
	u16(k, &sa->child_group);
	secret(k, &sa->keys.d);
	seal(k, &sa->keys.i);
	seal(k, &sa->keys.r);
	identity(k, &sa->remote_id);
	u8(k, &sa->auth_method);
	bytes(k, &sa->certs);
	u32(k, &sa->next_id);
	u32(k, &sa->their_id);
	u64(k, &sa->iv);
	u32(k, &sa->window);
	bytes(k, &sa->answer);
	request(k, &sa->req);
	flag(k, &sa->want_close);
	flag(k, &sa->want_rekey);
	flag(k, &sa->want_child);
	flag(k, &sa->want_inband);
	identity(k, &sa->report);
	u16(k, &sa->report_error);
	u64(k, &sa->group_until);
	u64(k, &sa->since);
	u64(k, &sa->rekey_at);
	u64(k, &sa->reauth_at);
	u64(k, &sa->close_at);
	u64(k, &sa->again_at);
	nonce(k, &sa->low);
	children(k, sa);
	if (sa->state < ST_UP || sa->state > ST_CLOSING || !sa->spi_i || !sa->spi_r)
		fail(k);
}

void save_sa(const struct ike_sa *sa, struct wr *w)
{
	struct ike_sa *s = (struct ike_sa *)(uintptr_t)sa; /* the walk writes: it only reads s */
	struct walk k = {.w = w};

	wr_u8(w, SAVE_VERSION);
	wr_u16(w, sa->peer->cfg.tunnel);
	fields(&k, s);
}

bool ikev2_save_next(struct ikev2 *e, unsigned *slot, struct wr *w)
{
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next) {
		bool worth =
			sa->state >= ST_UP && sa->state <= ST_CLOSING && sa->peer && sa->slot >= 0;

		if (!sa->dirty || (!worth && !sa->saved)) {
			sa->dirty = false;
			continue;
		}
		sa->dirty = false;
		sa->saved = worth;
		*slot = (unsigned)sa->slot;
		e->slot_stale[sa->slot] = 0;
		if (worth)
			save_sa(sa, w);
		return true;
	}
	for (unsigned i = 0; i < e->cfg.slots; i++)
		if (e->slot_stale[i] && !e->slot_used[i]) {
			e->slot_stale[i] = 0;
			*slot = i;
			return true;
		}
	return false;
}

int ikev2_load(struct ikev2 *e, unsigned slot, struct rd *r, uint64_t now)
{
	uint8_t version = rd_u8(r);
	struct peer *p = ike_peer_find(e, rd_u16(r));
	struct walk k = {.r = r};
	struct ike_sa *sa;

	if (r->bad || version != SAVE_VERSION || slot >= e->cfg.slots || e->slot_used[slot])
		return -EBADMSG;
	if (!p)
		return -ENOENT;
	sa = sa_new(e, p, false, now);
	if (!sa)
		return -ENOMEM;
	e->slot_used[sa->slot] = 0;
	e->slot_used[slot] = 1;
	sa->slot = (int)slot;
	fields(&k, sa);
	if (!rd_done(r) || ike_sa_find(e, sa_spi(sa))) {
		sa_free(sa);
		return -EBADMSG;
	}
	sa_index(sa);
	sa->saved = true;
	if (faulty(e, IKEV2_FAULT_REUSE_IV))
		sa->iv = 0;
	sa->heard_at = sa->sent_at = now; /* the silence was ours */
	p->contacted = true;
	return 0;
}

void ikev2_loaded(struct ikev2 *e, uint64_t now)
{
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next) {
		for (struct child_sa *c = sa->children; c; c = c->next)
			child_resync(sa, c);
		proof_again(sa, now); /* a list may have come meanwhile */
	}
	ikev2_expire(e, now);
}

uint64_t ikev2_digest(const struct ikev2 *e)
{
	uint64_t h = 0xcbf29ce484222325ull;
	uint8_t *buf = malloc(IKEV2_SAVE_MAX);

	for (const struct ike_sa *sa = e->sas; sa && buf; sa = sa->next) {
		struct wr w = wr_init(buf, IKEV2_SAVE_MAX);

		wr_u8(&w, sa->state);
		wr_u64(&w, sa_spi(sa));
		wr_u32(&w, sa->their_id);
		wr_u32(&w, sa->next_id);
		wr_u8(&w, sa->req.kind);
		wr_u32(&w, sa->in.have);
		wr_u32(&w, sa->in.id);
		wr_u64(&w, sa->heard_at);
		wr_u64(&w, sa->close_at);
		if (sa->state >= ST_UP && sa->state <= ST_CLOSING && sa->peer)
			save_sa(sa, &w);
		for (size_t i = 0; i < wr_len(&w); i++)
			h = (h ^ buf[i]) * 0x100000001b3ull;
	}
	if (buf)
		secret_wipe(buf, IKEV2_SAVE_MAX);
	free(buf);
	return h;
}
