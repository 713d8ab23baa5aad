/*
 * The codec is one table: a row for each parameter set, with the body lengths it may have and the
 * functions that read and write a body.
 *
 * Every parameter set starts with four octets: the type (in the basic parameter set, which is
 * always first, the MKA version stands there), eight bits of the set's own, four more of its own,
 * and twelve bits of body length. Bodies are padded to a multiple of four octets; the padding is
 * not in the length.
 */
#include "wire/mkpdu.h"

#include "wire/macsec.h"

#include <errno.h>

#define BASIC_FIXED 28 /* octets of the basic parameter set's body before the CKN */
#define SET_HEAD 4
#define LENGTH_MASK 0x0fff
#define TLV_LENGTH_MASK 0x01ff

/* The three octets of a set's head that are not its type. */
struct head {
	uint8_t own;  /* octet 2 */
	uint8_t bits; /* the upper half of octet 3 */
	uint16_t len; /* body, bytes */
};

static bool len_list(size_t n)
{
	return n % MKPDU_PEER_LEN == 0;
}

static bool len_sak_use(size_t n)
{
	return n == 0 || n == 40;
}

static bool len_dist_sak(size_t n)
{
	return n == 0 || n == 28 || n == 36 || n == 52;
}

static bool len_xpn(size_t n)
{
	return n == 8;
}

static bool len_announcement(size_t n)
{
	return n > 0;
}

static void read_list(struct mkpdu_list *l, const struct head *h, struct rd *r)
{
	l->count = h->len / MKPDU_PEER_LEN;
	l->v = rd_bytes(r, h->len);
	l->ks_ssci = h->own;
}

static void write_list(const struct mkpdu_list *l, struct head *h, struct wr *w)
{
	h->own = l->ks_ssci;
	wr_bytes(w, l->v, (size_t)l->count * MKPDU_PEER_LEN);
}

static void read_live(struct mkpdu *p, const struct head *h, struct rd *r)
{
	read_list(&p->live, h, r);
}

static void write_live(const struct mkpdu *p, struct head *h, struct wr *w)
{
	write_list(&p->live, h, w);
}

static void read_potential(struct mkpdu *p, const struct head *h, struct rd *r)
{
	read_list(&p->potential, h, r);
}

static void write_potential(const struct mkpdu *p, struct head *h, struct wr *w)
{
	write_list(&p->potential, h, w);
}

static void read_key_use(struct mkpdu_key_use *k, unsigned bits, struct rd *r)
{
	k->an = bits >> 2 & 3;
	k->tx = bits >> 1 & 1;
	k->rx = bits & 1;
	k->mi = rd_bytes(r, MKPDU_MI_LEN);
	k->kn = rd_u32(r);
	k->lpn = rd_u32(r);
}

static unsigned write_key_use(const struct mkpdu_key_use *k, struct wr *w)
{
	if (k->mi)
		wr_bytes(w, k->mi, MKPDU_MI_LEN);
	else
		wr_zero(w, MKPDU_MI_LEN);
	wr_u32(w, k->kn);
	wr_u32(w, k->lpn);
	return (unsigned)(k->an & 3) << 2 | (unsigned)k->tx << 1 | k->rx;
}

static void read_sak_use(struct mkpdu *p, const struct head *h, struct rd *r)
{
	p->use.plain_tx = h->bits >> 7 & 1;
	p->use.plain_rx = h->bits >> 6 & 1;
	p->use.delay_protect = h->bits >> 4 & 1;
	p->use.empty = h->len == 0;
	if (p->use.empty)
		return;
	read_key_use(&p->use.latest, h->own >> 4, r);
	read_key_use(&p->use.old, h->own & 15, r);
}

static void write_sak_use(const struct mkpdu *p, struct head *h, struct wr *w)
{
	unsigned latest, old;

	h->bits = (uint8_t)((unsigned)p->use.plain_tx << 7 | (unsigned)p->use.plain_rx << 6 |
			    (unsigned)p->use.delay_protect << 4);
	if (p->use.empty)
		return;
	latest = write_key_use(&p->use.latest, w);
	old = write_key_use(&p->use.old, w);
	h->own = (uint8_t)(latest << 4 | old);
}

static void read_dist_sak(struct mkpdu *p, const struct head *h, struct rd *r)
{
	p->sak.an = h->own >> 6;
	p->sak.offset = h->own >> 4 & 3;
	p->sak.plain = h->len == 0;
	if (p->sak.plain)
		return;
	p->sak.kn = rd_u32(r);
	p->sak.suite = h->len == 28 ? macsec_suites[MACSEC_GCM_AES_128].id : rd_u64(r);
	p->sak.wrapped_len = (uint8_t)rd_left(r);
	p->sak.wrapped = rd_bytes(r, p->sak.wrapped_len);
}

static void write_dist_sak(const struct mkpdu *p, struct head *h, struct wr *w)
{
	h->own = (uint8_t)((p->sak.an & 3) << 6 | (p->sak.offset & 3) << 4);
	if (p->sak.plain)
		return;
	wr_u32(w, p->sak.kn);
	if (p->sak.suite != macsec_suites[MACSEC_GCM_AES_128].id || p->sak.wrapped_len != 24)
		wr_u64(w, p->sak.suite);
	wr_bytes(w, p->sak.wrapped, p->sak.wrapped_len);
}

bool mkpdu_tlv_next(struct rd *r, struct mkpdu_tlv *t)
{
	uint16_t head;

	if (!rd_left(r))
		return false;
	head = rd_u16(r);
	t->type = (uint8_t)(head >> 9);
	t->len = head & TLV_LENGTH_MASK;
	t->v = rd_bytes(r, t->len);
	return !r->bad;
}

bool mkpdu_suite_next(struct rd *r, struct mkpdu_suite *s)
{
	if (!rd_left(r))
		return false;
	s->capability = rd_u16(r) & 3;
	s->id = rd_u64(r);
	return !r->bad;
}

void mkpdu_tlv_suites(struct wr *w, const struct mkpdu_suite *v, unsigned n)
{
	if (n > MKPDU_SUITES_MAX) {
		w->bad = true;
		return;
	}
	wr_u16(w, (uint16_t)(MKPDU_TLV_SUITES << 9 | n * MKPDU_SUITE_LEN));
	for (unsigned i = 0; i < n; i++) {
		wr_u16(w, v[i].capability);
		wr_u64(w, v[i].id);
	}
}

/* With a TLV that is cut, or a list of suites that are not whole, the set is malformed. */
static void read_announcement(struct mkpdu *p, const struct head *h, struct rd *r)
{
	struct mkpdu_tlv t;
	struct rd all;

	p->announcement.len = h->len;
	p->announcement.tlvs = rd_bytes(r, h->len);
	if (r->bad)
		return;
	all = rd_init(p->announcement.tlvs, h->len);
	while (mkpdu_tlv_next(&all, &t))
		if (t.type == MKPDU_TLV_SUITES && t.len % MKPDU_SUITE_LEN)
			r->bad = true;
	r->bad |= all.bad;
}

static void write_announcement(const struct mkpdu *p, struct head *h, struct wr *w)
{
	(void)h;
	wr_bytes(w, p->announcement.tlvs, p->announcement.len);
}

static void read_xpn(struct mkpdu *p, const struct head *h, struct rd *r)
{
	p->xpn.suspension = h->own;
	p->xpn.latest_lpn = rd_u32(r);
	p->xpn.old_lpn = rd_u32(r);
}

static void write_xpn(const struct mkpdu *p, struct head *h, struct wr *w)
{
	h->own = p->xpn.suspension;
	wr_u32(w, p->xpn.latest_lpn);
	wr_u32(w, p->xpn.old_lpn);
}

/* Octets of an MKPDU that lists nobody: EAPOL header, basic parameter set, both lists, SAK use, a
 * distributed SAK of 256 bits, the XPN set, ICV. */
#define FIXED                                                                                      \
	(EAPOL_HEAD_LEN + SET_HEAD + BASIC_FIXED + MKPDU_CKN_MAX + 2 * SET_HEAD + SET_HEAD + 40 +  \
	 SET_HEAD + 52 + SET_HEAD + 8 + MKPDU_ICV_LEN)

unsigned mkpdu_peers_fit(unsigned mtu)
{
	unsigned room = !mtu || mtu > MKPDU_MTU ? MKPDU_MTU : mtu;

	unsigned n = room > FIXED ? (room - FIXED) / MKPDU_PEER_LEN : 0;

	return n < MKPDU_PEERS_MAX ? n : MKPDU_PEERS_MAX;
}

static const struct row {
	uint8_t type;
	bool (*len_ok)(size_t n);
	void (*read)(struct mkpdu *p, const struct head *h, struct rd *r);
	void (*write)(const struct mkpdu *p, struct head *h, struct wr *w);
} rows[] = {
	{MKPDU_LIVE, len_list, read_live, write_live},
	{MKPDU_POTENTIAL, len_list, read_potential, write_potential},
	{MKPDU_SAK_USE, len_sak_use, read_sak_use, write_sak_use},
	{MKPDU_DIST_SAK, len_dist_sak, read_dist_sak, write_dist_sak},
	{MKPDU_ANNOUNCEMENT, len_announcement, read_announcement, write_announcement},
	{MKPDU_XPN, len_xpn, read_xpn, write_xpn},
};

static struct head read_head(struct rd *r)
{
	uint8_t own = rd_u8(r);
	uint16_t rest = rd_u16(r);

	return (struct head){own, (uint8_t)(rest >> 8 & 0xf0), rest & LENGTH_MASK};
}

const uint8_t *mkpdu_ckn(const void *body, size_t len, uint8_t *ckn_len, uint32_t *agility)
{
	struct rd r = rd_init(body, len);
	struct head h;
	const uint8_t *ckn;

	if (len < MKPDU_MIN || len % 4)
		return NULL;
	rd_skip(&r, 1);
	h = read_head(&r);
	if (h.len <= BASIC_FIXED || h.len > BASIC_FIXED + MKPDU_CKN_MAX ||
	    rd_left(&r) < ((size_t)h.len + 3) / 4 * 4 + MKPDU_ICV_LEN)
		return NULL;
	rd_skip(&r, BASIC_FIXED - 4);
	*agility = rd_u32(&r);
	*ckn_len = (uint8_t)(h.len - BASIC_FIXED);
	ckn = rd_bytes(&r, *ckn_len);
	return r.bad ? NULL : ckn;
}

static void read_basic(struct mkpdu *p, struct rd *r)
{
	struct head h;

	p->version = rd_u8(r);
	h = read_head(r);
	p->priority = h.own;
	p->key_server = h.bits >> 7 & 1;
	p->desired = h.bits >> 6 & 1;
	p->capability = h.bits >> 4 & 3;
	p->sci = rd_u64(r);
	p->mi = rd_bytes(r, MKPDU_MI_LEN);
	p->mn = rd_u32(r);
	p->agility = rd_u32(r);
	p->ckn_len = (uint8_t)(h.len - BASIC_FIXED);
	p->ckn = rd_bytes(r, p->ckn_len);
	rd_skip(r, (size_t)-h.len & 3);
}

static bool read_set(struct mkpdu *p, struct rd *r)
{
	uint8_t type = rd_u8(r);
	struct head h = read_head(r);
	struct rd body;

	if (type == MKPDU_ICV) /* announces the ICV behind it, which must be all that is left */
		return h.len == MKPDU_ICV_LEN && rd_done(r);
	body = rd_block(r, h.len);
	rd_skip(r, (size_t)-h.len & 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].type != type)
			continue;
		if (p->present & 1u << type || !rows[i].len_ok(h.len))
			return false;
		p->present |= 1u << type;
		rows[i].read(p, &h, &body);
		return rd_done(&body);
	}
	p->unknown++;
	return !r->bad;
}

int mkpdu_parse(struct mkpdu *p, const void *body, size_t len)
{
	struct rd r;
	uint8_t ckn_len;
	uint32_t agility;

	*p = (struct mkpdu){0};
	if (!mkpdu_ckn(body, len, &ckn_len, &agility))
		return -EBADMSG;
	r = rd_init(body, len - MKPDU_ICV_LEN);
	read_basic(p, &r);
	while (!r.bad && rd_left(&r))
		if (!read_set(p, &r))
			return -EBADMSG;
	return r.bad ? -EBADMSG : 0;
}

/* The head of the set that starts at `at` (an offset), now that its body is written; pads. */
static void write_head(struct wr *w, size_t at, const struct head *h)
{
	size_t len = wr_len(w) - at - SET_HEAD;

	wr_zero(w, (size_t)-len & 3);
	if (w->bad || len > LENGTH_MASK) {
		w->bad = true;
		return;
	}
	w->start[at + 1] = h->own;
	w->start[at + 2] = (uint8_t)(h->bits | len >> 8);
	w->start[at + 3] = (uint8_t)len;
}

void mkpdu_build(const struct mkpdu *p, struct wr *w)
{
	struct head h = {
		.own = p->priority,
		.bits = (uint8_t)((unsigned)p->key_server << 7 | (unsigned)p->desired << 6 |
				  (unsigned)(p->capability & 3) << 4),
	};
	size_t at = wr_len(w);

	wr_u8(w, p->version);
	wr_zero(w, SET_HEAD - 1);
	wr_u64(w, p->sci);
	wr_bytes(w, p->mi, MKPDU_MI_LEN);
	wr_u32(w, p->mn);
	wr_u32(w, p->agility);
	wr_bytes(w, p->ckn, p->ckn_len);
	write_head(w, at, &h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(p->present & 1u << rows[i].type))
			continue;
		h = (struct head){0};
		at = wr_len(w);
		wr_u8(w, rows[i].type);
		wr_zero(w, SET_HEAD - 1);
		rows[i].write(p, &h, w);
		write_head(w, at, &h);
	}
}
