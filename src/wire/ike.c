/*
 * The codec is one table: a row for each payload type, with how often it may come and the
 * functions that read and write its body. Proposals, transforms and traffic selectors, which are
 * lists inside a body, are in ike_list.c; names in ike_name.c.
 */
#include "wire/ike_row.h"

#define FLAG_CRITICAL 0x80

static struct ike_bytes take(struct rd *r, size_t n)
{
	return (struct ike_bytes){rd_bytes(r, n), r->bad ? 0 : n};
}

static struct ike_bytes rest(struct rd *r)
{
	return take(r, rd_left(r));
}

static void put(struct wr *w, struct ike_bytes b)
{
	wr_bytes(w, b.p, b.len);
}

static bool read_ke(struct ike_payload *p, struct rd *r)
{
	p->ke.group = rd_u16(r);
	rd_skip(r, 2);
	p->ke.data = rest(r);
	return p->ke.data.len > 0;
}

static void write_ke(const struct ike_payload *p, struct wr *w)
{
	wr_u16(w, p->ke.group);
	wr_zero(w, 2);
	put(w, p->ke.data);
}

static bool read_id(struct ike_payload *p, struct rd *r)
{
	p->id.type = rd_u8(r);
	rd_skip(r, 3);
	p->id.data = rest(r);
	if (p->id.type == IKE_ID_IPV4)
		return p->id.data.len == 4;
	if (p->id.type == IKE_ID_IPV6)
		return p->id.data.len == 16;
	return p->id.data.len > 0;
}

static void write_id(const struct ike_payload *p, struct wr *w)
{
	wr_u8(w, p->id.type);
	wr_zero(w, 3);
	put(w, p->id.data);
}

static bool read_cert(struct ike_payload *p, struct rd *r)
{
	p->cert.encoding = rd_u8(r);
	p->cert.data = rest(r);
	return p->type == IKE_PL_CERTREQ || p->cert.data.len > 0;
}

static void write_cert(const struct ike_payload *p, struct wr *w)
{
	wr_u8(w, p->cert.encoding);
	put(w, p->cert.data);
}

static bool read_auth(struct ike_payload *p, struct rd *r)
{
	p->auth.method = rd_u8(r);
	rd_skip(r, 3);
	p->auth.data = rest(r);
	return p->auth.data.len > 0;
}

static void write_auth(const struct ike_payload *p, struct wr *w)
{
	wr_u8(w, p->auth.method);
	wr_zero(w, 3);
	put(w, p->auth.data);
}

static bool read_nonce(struct ike_payload *p, struct rd *r)
{
	size_t n = rd_left(r);

	(void)p;
	rd_skip(r, n);
	return n >= IKE_NONCE_MIN && n <= IKE_NONCE_MAX;
}

static void write_body(const struct ike_payload *p, struct wr *w)
{
	put(w, p->body);
}

static bool read_notify(struct ike_payload *p, struct rd *r)
{
	p->notify.protocol = rd_u8(r);
	p->notify.spi_len = rd_u8(r);
	p->notify.type = rd_u16(r);
	p->notify.spi = rd_bytes(r, p->notify.spi_len);
	p->notify.data = rest(r);
	return true;
}

static void write_notify(const struct ike_payload *p, struct wr *w)
{
	wr_u8(w, p->notify.protocol);
	wr_u8(w, p->notify.spi_len);
	wr_u16(w, p->notify.type);
	wr_bytes(w, p->notify.spi, p->notify.spi_len);
	put(w, p->notify.data);
}

static bool read_delete(struct ike_payload *p, struct rd *r)
{
	p->del.protocol = rd_u8(r);
	p->del.spi_len = rd_u8(r);
	p->del.count = rd_u16(r);
	p->del.spis = rd_bytes(r, (size_t)p->del.spi_len * p->del.count);
	if (p->del.protocol == IKE_PROTO_IKE)
		return p->del.spi_len == 0 && p->del.count == 0;
	if (p->del.protocol == IKE_PROTO_GIKE_UPDATE)
		return p->del.spi_len == IKE_REKEY_SPI_LEN;
	return p->del.spi_len == IKE_ESP_SPI_LEN;
}

static void write_delete(const struct ike_payload *p, struct wr *w)
{
	wr_u8(w, p->del.protocol);
	wr_u8(w, p->del.spi_len);
	wr_u16(w, p->del.count);
	wr_bytes(w, p->del.spis, (size_t)p->del.spi_len * p->del.count);
}

static bool read_any(struct ike_payload *p, struct rd *r)
{
	(void)p;
	rd_skip(r, rd_left(r));
	return true;
}

static bool read_ts(struct ike_payload *p, struct rd *r)
{
	struct ike_ts ts;
	unsigned n = 0;
	struct rd list;

	p->ts.count = rd_u8(r);
	rd_skip(r, 3);
	p->ts.list = rest(r);
	if (r->bad || p->ts.count > IKE_TS_MAX)
		return false;
	list = rd_init(p->ts.list.p, p->ts.list.len);
	while (ike_ts_raw(&list, &ts))
		n++;
	return !list.bad && n == p->ts.count && n > 0;
}

static void write_ts(const struct ike_payload *p, struct wr *w)
{
	wr_u8(w, p->ts.count);
	wr_zero(w, 3);
	put(w, p->ts.list);
}

static bool read_sa(struct ike_payload *p, struct rd *r)
{
	struct rd list = *r;
	struct ike_proposal proposal;
	unsigned n = 0;

	(void)p;
	rd_skip(r, rd_left(r));
	while (n <= IKE_PROPOSALS_MAX && ike_proposal_next(&list, &proposal))
		n++;
	return !list.bad && n > 0 && n <= IKE_PROPOSALS_MAX;
}

static bool read_sk(struct ike_payload *p, struct rd *r)
{
	p->sk.number = p->sk.total = 1;
	p->sk.data = rest(r);
	return p->sk.data.len > 0;
}

static void write_sk(const struct ike_payload *p, struct wr *w)
{
	put(w, p->sk.data);
}

static bool read_skf(struct ike_payload *p, struct rd *r)
{
	p->sk.number = rd_u16(r);
	p->sk.total = rd_u16(r);
	p->sk.data = rest(r);
	return p->sk.data.len > 0 && p->sk.number > 0 && p->sk.number <= p->sk.total &&
	       (p->sk.number == 1 || p->sk.first == IKE_PL_NONE);
}

static void write_skf(const struct ike_payload *p, struct wr *w)
{
	wr_u16(w, p->sk.number);
	wr_u16(w, p->sk.total);
	put(w, p->sk.data);
}

static const struct ike_row rows[] = {
	{IKE_PL_SA, true, read_sa, write_body},
	{IKE_PL_KE, true, read_ke, write_ke},
	{IKE_PL_IDI, true, read_id, write_id},
	{IKE_PL_IDR, true, read_id, write_id},
	{IKE_PL_CERT, false, read_cert, write_cert},
	{IKE_PL_CERTREQ, false, read_cert, write_cert},
	{IKE_PL_AUTH, true, read_auth, write_auth},
	{IKE_PL_NONCE, true, read_nonce, write_body},
	{IKE_PL_NOTIFY, false, read_notify, write_notify},
	{IKE_PL_DELETE, false, read_delete, write_delete},
	{IKE_PL_VENDOR, false, read_any, write_body},
	{IKE_PL_TSI, true, read_ts, write_ts},
	{IKE_PL_TSR, true, read_ts, write_ts},
	{IKE_PL_SK, true, read_sk, write_sk},
	{IKE_PL_IDG, true, read_id, write_id},
	{IKE_PL_GSA, true, read_any, write_body},
	{IKE_PL_KD, true, read_any, write_body},
	{IKE_PL_SKF, true, read_skf, write_skf},
};

static const struct ike_row *row_of(uint8_t type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

enum ike_error ike_head_parse(struct ike_head *h, const void *msg, size_t len)
{
	struct rd r = rd_init(msg, len);

	h->spi_i = rd_u64(&r);
	h->spi_r = rd_u64(&r);
	h->next = rd_u8(&r);
	h->version = rd_u8(&r);
	h->exchange = rd_u8(&r);
	h->flags = rd_u8(&r);
	h->id = rd_u32(&r);
	h->len = rd_u32(&r);
	if (r.bad || h->len != len || !h->spi_i)
		return IKE_WIRE_SHORT;
	return h->version >> 4 == IKE_VERSION >> 4 ? IKE_WIRE_OK : IKE_WIRE_VERSION;
}

void ike_head_build(const struct ike_head *h, struct wr *w)
{
	wr_u64(w, h->spi_i);
	wr_u64(w, h->spi_r);
	wr_u8(w, h->next);
	wr_u8(w, h->version);
	wr_u8(w, h->exchange);
	wr_u8(w, h->flags);
	wr_u32(w, h->id);
	wr_u32(w, h->len);
}

static bool encrypted(uint8_t type)
{
	return type == IKE_PL_SK || type == IKE_PL_SKF;
}

/* A payload whose type has a row. */
static enum ike_error chain_add(struct ike_chain *c, const struct ike_row *row,
				struct ike_payload *p, struct rd body)
{
	if (c->present & IKE_BIT(row->type) && row->single)
		return IKE_WIRE_TWICE;
	if (c->count == IKE_PAYLOADS_MAX)
		return IKE_WIRE_TOO_MANY;
	p->body = (struct ike_bytes){body.p, rd_left(&body)};
	if (!row->read(p, &body) || !rd_done(&body))
		return IKE_WIRE_BODY;
	c->present |= IKE_BIT(row->type);
	c->v[c->count++] = *p;
	return IKE_WIRE_OK;
}

enum ike_error ike_chain_parse(struct ike_chain *c, uint8_t first, const void *p, size_t len,
			       bool clear)
{
	struct rd r = rd_init(p, len);
	unsigned all = 0;

	c->count = c->unknown = 0;
	c->present = 0;
	c->critical = 0;
	for (uint8_t type = first; type != IKE_PL_NONE;) {
		const struct ike_row *row = row_of(type);
		struct ike_payload pl = {.type = type};
		uint8_t next = rd_u8(&r), flags = rd_u8(&r);
		uint16_t size = rd_u16(&r);
		enum ike_error err;
		struct rd body;

		if (r.bad || size < IKE_PAYLOAD_HEAD || size > rd_left(&r) + IKE_PAYLOAD_HEAD)
			return IKE_WIRE_LENGTH;
		if (encrypted(type) && !clear)
			return IKE_WIRE_AFTER_SK;
		body = rd_block(&r, size - IKE_PAYLOAD_HEAD);
		pl.critical = flags & FLAG_CRITICAL;
		if (++all > IKE_PAYLOADS_MAX)
			return IKE_WIRE_TOO_MANY;
		if (row) {
			pl.sk.first = encrypted(type) ? next : 0;
			err = chain_add(c, row, &pl, body);
			if (err)
				return err;
		} else {
			c->unknown++;
			if (pl.critical && !c->critical)
				c->critical = type;
		}
		if (encrypted(type)) /* its next payload is the first inside it */
			return rd_left(&r) ? IKE_WIRE_AFTER_SK : IKE_WIRE_OK;
		type = next;
	}
	return rd_left(&r) ? IKE_WIRE_LENGTH : IKE_WIRE_OK;
}

enum ike_error ike_message_parse(struct ike_head *h, struct ike_chain *c, const void *msg,
				 size_t len)
{
	enum ike_error err = ike_head_parse(h, msg, len);

	if (err)
		return err;
	return ike_chain_parse(c, h->next, (const uint8_t *)msg + IKE_HEAD_LEN, len - IKE_HEAD_LEN,
			       true);
}

const struct ike_payload *ike_find(const struct ike_chain *c, enum ike_payload_type type)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->v[i].type == type)
			return &c->v[i];
	return NULL;
}

const struct ike_notify *ike_find_notify(const struct ike_chain *c, uint16_t type)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->v[i].type == IKE_PL_NOTIFY && c->v[i].notify.type == type)
			return &c->v[i].notify;
	return NULL;
}

struct ike_out ike_out_init(struct wr *w, size_t link)
{
	return (struct ike_out){.w = w, .link = link};
}

void ike_open(struct ike_out *o, enum ike_payload_type type)
{
	o->start = wr_len(o->w);
	wr_zero(o->w, IKE_PAYLOAD_HEAD);
	if (!o->w->bad)
		o->w->start[o->link] = (uint8_t)type;
	o->link = o->start;
}

void ike_close(struct ike_out *o)
{
	size_t n = wr_len(o->w) - o->start;

	if (n > UINT16_MAX)
		o->w->bad = true;
	if (o->w->bad)
		return;
	o->w->start[o->start + 2] = (uint8_t)(n >> 8);
	o->w->start[o->start + 3] = (uint8_t)n;
}

void ike_put(struct ike_out *o, const struct ike_payload *p)
{
	const struct ike_row *row = row_of(p->type);

	if (!row) {
		o->w->bad = true;
		return;
	}
	ike_open(o, p->type);
	if (p->critical && !o->w->bad)
		o->w->start[o->start + 1] = FLAG_CRITICAL;
	if (encrypted(p->type) && !o->w->bad)
		o->w->start[o->start] = p->sk.first;
	row->write(p, o->w);
	ike_close(o);
}

void ike_put_notify_spi(struct ike_out *o, uint8_t protocol, const void *spi, uint8_t spi_len,
			uint16_t type, const void *data, size_t len)
{
	ike_put(o, &(struct ike_payload){
			   .type = IKE_PL_NOTIFY,
			   .notify = {protocol, spi_len, type, spi, {data, len}},
		   });
}

void ike_put_notify(struct ike_out *o, uint16_t type, const void *data, size_t len)
{
	ike_put_notify_spi(o, IKE_PROTO_NONE, NULL, 0, type, data, len);
}

void ike_put_bytes(struct ike_out *o, enum ike_payload_type type, const void *p, size_t len)
{
	ike_open(o, type);
	wr_bytes(o->w, p, len);
	ike_close(o);
}
