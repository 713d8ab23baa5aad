/*
 * The lists inside IKE payloads: proposals with their transforms and attributes (RFC 7296 §3.3),
 * traffic selectors (§3.13).
 */
#include "wire/ike_row.h"

#define PROPOSAL_HEAD 8
#define TRANSFORM_HEAD 8
#define TS_HEAD 8
#define MORE_PROPOSALS 2
#define MORE_TRANSFORMS 3
#define ATTRIBUTE_KEY_LENGTH 14
#define ATTRIBUTE_ALGORITHM 18 /* an AlgorithmIdentifier, DER */
#define ATTRIBUTE_TV 0x8000    /* the value stands in place of the length */

/* Attributes up to the end of the transform. */
static void read_attributes(struct ike_transform *t, struct rd *r, struct ike_bytes *algorithm)
{
	while (!r->bad && rd_left(r)) {
		uint16_t type = rd_u16(r), value = rd_u16(r);

		if (type == (ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH)) {
			t->odd |= t->key_bits || !value;
			t->key_bits = value;
		} else if (type == ATTRIBUTE_ALGORITHM && algorithm && !algorithm->len && value) {
			algorithm->p = rd_bytes(r, value);
			algorithm->len = value;
		} else {
			t->odd = true;
			if (!(type & ATTRIBUTE_TV))
				rd_skip(r, value);
		}
	}
}

bool ike_transform_raw(struct rd *r, struct ike_transform *t, bool *last,
		       struct ike_bytes *algorithm)
{
	uint8_t more = rd_u8(r);
	uint16_t len;
	struct rd body;

	rd_skip(r, 1);
	len = rd_u16(r);
	if (r->bad || len < TRANSFORM_HEAD || (more != 0 && more != MORE_TRANSFORMS))
		return false;
	body = rd_block(r, len - 4u);
	*t = (struct ike_transform){.type = rd_u8(&body)};
	rd_skip(&body, 1);
	t->id = rd_u16(&body);
	read_attributes(t, &body, algorithm);
	*last = more == 0;
	return rd_done(&body);
}

void ike_put_transform(struct wr *w, const struct ike_transform *t, bool last,
		       struct ike_bytes algorithm)
{
	size_t at;

	wr_u8(w, last ? 0 : MORE_TRANSFORMS);
	wr_u8(w, 0);
	at = wr_hole16(w);
	wr_u8(w, t->type);
	wr_u8(w, 0);
	wr_u16(w, t->id);
	if (t->key_bits) {
		wr_u16(w, ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH);
		wr_u16(w, t->key_bits);
	}
	if (algorithm.len) {
		wr_u16(w, ATTRIBUTE_ALGORITHM);
		wr_u16(w, (uint16_t)algorithm.len);
		wr_bytes(w, algorithm.p, algorithm.len);
	}
	wr_fill16(w, at, 4);
}

static bool read_proposal(struct ike_proposal *p, struct rd *r, bool *last)
{
	uint8_t more = rd_u8(r), count;
	uint16_t len;
	struct rd body;
	bool end = false;

	rd_skip(r, 1);
	len = rd_u16(r);
	if (r->bad || len < PROPOSAL_HEAD || (more != 0 && more != MORE_PROPOSALS))
		return false;
	body = rd_block(r, len - 4u);
	p->num = rd_u8(&body);
	p->protocol = rd_u8(&body);
	p->spi_len = rd_u8(&body);
	count = rd_u8(&body);
	p->spi = rd_bytes(&body, p->spi_len);
	if (body.bad || !count || count > IKE_TRANSFORMS_MAX)
		return false;
	for (p->count = 0; p->count < count; p->count++)
		if (end || !ike_transform_raw(&body, &p->t[p->count], &end, NULL))
			return false;
	*last = more == 0;
	return end && rd_done(&body);
}

bool ike_proposal_next(struct rd *r, struct ike_proposal *p)
{
	bool last = false;

	if (r->bad || !rd_left(r))
		return false;
	if (!read_proposal(p, r, &last) || last != (rd_left(r) == 0))
		r->bad = true;
	return !r->bad;
}

void ike_put_proposal(struct wr *w, const struct ike_proposal *p, bool last)
{
	size_t at;

	wr_u8(w, last ? 0 : MORE_PROPOSALS);
	wr_u8(w, 0);
	at = wr_hole16(w);
	wr_u8(w, p->num);
	wr_u8(w, p->protocol);
	wr_u8(w, p->spi_len);
	wr_u8(w, (uint8_t)p->count);
	wr_bytes(w, p->spi, p->spi_len);
	for (unsigned i = 0; i < p->count; i++)
		ike_put_transform(w, &p->t[i], i + 1 == p->count, (struct ike_bytes){0});
	wr_fill16(w, at, 4);
}

static size_t ts_address_len(uint8_t type)
{
	return type == IKE_TS_IPV4 ? 4 : type == IKE_TS_IPV6 ? 16 : 0;
}

bool ike_ts_raw(struct rd *r, struct ike_ts *ts)
{
	size_t n;
	uint16_t len;
	struct rd body;

	if (r->bad || !rd_left(r))
		return false;
	*ts = (struct ike_ts){.type = rd_u8(r)};
	ts->protocol = rd_u8(r);
	len = rd_u16(r);
	n = ts_address_len(ts->type);
	if (r->bad || len < TS_HEAD || (n && len != TS_HEAD + 2 * n)) {
		r->bad = true;
		return false;
	}
	body = rd_block(r, len - 4u);
	ts->port_from = rd_u16(&body);
	ts->port_to = rd_u16(&body);
	rd_copy(&body, ts->from, n);
	rd_copy(&body, ts->to, n);
	return !r->bad;
}

bool ike_ts_next(struct rd *r, struct ike_ts *ts)
{
	while (ike_ts_raw(r, ts))
		if (ts_address_len(ts->type))
			return true;
	return false;
}

void ike_put_selector(struct wr *w, const struct ike_ts *t)
{
	size_t len = ts_address_len(t->type);

	wr_u8(w, t->type);
	wr_u8(w, t->protocol);
	wr_u16(w, (uint16_t)(TS_HEAD + 2 * len));
	wr_u16(w, t->port_from);
	wr_u16(w, t->port_to);
	wr_bytes(w, t->from, len);
	wr_bytes(w, t->to, len);
}

void ike_put_ts(struct ike_out *o, enum ike_payload_type type, const struct ike_ts *v, unsigned n)
{
	if (n > IKE_TS_MAX)
		o->w->bad = true;
	ike_open(o, type);
	wr_u8(o->w, (uint8_t)n);
	wr_zero(o->w, 3);
	for (unsigned i = 0; i < n; i++)
		ike_put_selector(o->w, &v[i]);
	ike_close(o);
}
