/* The KD payload: Group Key Bags with the keys of SAs, Member Key Bags with what is one member's. */
#include "wire/gike_attr.h"

#define HEAD 4 /* bytes: protocol, SPI size or reserved, length */
#define WRAPPED_HEAD 8

enum { G_SA_KEY = 1 };
enum { M_WRAP_KEY = 1, M_AUTH_KEY, M_SENDER_ID };

static enum gike_error wrapped_read(struct gike_wrapped *v, unsigned *count, struct gike_attr *a)
{
	struct gike_wrapped *k = &v[*count];

	if (a->tv || rd_left(&a->body) <= WRAPPED_HEAD)
		return GIKE_FORMAT;
	if (*count == GIKE_KEYS_MAX)
		return GIKE_TOO_MANY;
	k->key = rd_u32(&a->body);
	k->kwk = rd_u32(&a->body);
	k->data = (struct ike_bytes){a->body.p, rd_left(&a->body)};
	(*count)++;
	return GIKE_OK;
}

static bool bag_same(const struct gike_bag *a, const struct gike_bag *b)
{
	return a->protocol == b->protocol && !memcmp(a->spi, b->spi, a->spi_len);
}

static enum gike_error bag_read(struct gike_kd *k, uint8_t protocol, uint8_t size, struct rd *r,
				enum gike_where where)
{
	struct gike_bag *b = &k->v[k->count];
	bool rekey = protocol == IKE_PROTO_GIKE_UPDATE;
	enum gike_error err;
	struct gike_attr a;

	if (k->count == GIKE_BAGS_MAX)
		return GIKE_TOO_MANY;
	*b = (struct gike_bag){.protocol = protocol, .spi_len = size, .first = k->key_count};
	err = gike_spi_read(r, protocol, size, b->spi);
	for (unsigned i = 0; i < k->count && !err; i++)
		err = bag_same(&k->v[i], b) ? GIKE_TWICE : GIKE_OK;
	while (!err && gike_attr_next(r, &a)) {
		if (a.type != G_SA_KEY) {
			k->unknown++;
			continue;
		}
		err = wrapped_read(k->keys, &k->key_count, &a);
		/* Keys of an SA have no number; those of data are under the default key (§3.3). */
		if (!err &&
		    (k->keys[k->key_count - 1].key || (!rekey && k->keys[k->key_count - 1].kwk)))
			err = GIKE_KEY;
	}
	if (!err && r->bad)
		err = GIKE_LENGTH;
	b->count = k->key_count - b->first;
	if (!err && (!b->count || (b->count > 1 && (!rekey || where != GIKE_REKEY))))
		err = GIKE_KEY_COUNT;
	k->count += !err;
	return err;
}

static enum gike_error sender_read(struct gike_kd *k, struct gike_attr *a)
{
	size_t n = rd_left(&a->body);
	uint32_t id = 0;

	/* The text gives no size. Ours, as of the count in GROUP_SENDER: 4 octets. */
	if (a->tv || !n || n > 4)
		return GIKE_FORMAT;
	if (k->sender_count == GIKE_SENDERS_MAX)
		return GIKE_TOO_MANY;
	while (rd_left(&a->body))
		id = id << 8 | rd_u8(&a->body);
	for (unsigned i = 0; i < k->sender_count; i++)
		if (k->senders[i] == id)
			return GIKE_TWICE;
	k->senders[k->sender_count++] = id;
	return GIKE_OK;
}

static enum gike_error member_read(struct gike_kd *k, struct rd *r, enum gike_where where)
{
	enum gike_error err = GIKE_OK;
	struct gike_attr a;

	while (!err && gike_attr_next(r, &a)) {
		const struct gike_wrapped *w;

		switch (a.type) {
		case M_WRAP_KEY:
			err = where == GIKE_INBAND ? GIKE_ATTRIBUTE
						   : wrapped_read(k->wraps, &k->wrap_count, &a);
			w = err ? NULL : &k->wraps[k->wrap_count - 1];
			if (w && (!w->key || w->key == w->kwk))
				err = GIKE_KEY;
			break;
		case M_AUTH_KEY:
			if (where == GIKE_INBAND)
				err = GIKE_ATTRIBUTE;
			else if (a.tv || !rd_left(&a.body))
				err = GIKE_FORMAT;
			else if (k->auth_key.len)
				err = GIKE_TWICE;
			else
				k->auth_key = (struct ike_bytes){a.body.p, rd_left(&a.body)};
			break;
		case M_SENDER_ID:
			err = where != GIKE_REGISTRATION ? GIKE_ATTRIBUTE : sender_read(k, &a);
			break;
		default:
			k->unknown++;
			break;
		}
	}
	return !err && r->bad ? GIKE_LENGTH : err;
}

enum gike_error gike_kd_parse(struct gike_kd *k, struct ike_bytes body, enum gike_where where)
{
	struct rd r = rd_init(body.p, body.len);
	enum gike_error err;

	k->count = k->key_count = k->wrap_count = k->sender_count = k->unknown = 0;
	k->auth_key = (struct ike_bytes){0};
	while (rd_left(&r)) {
		uint8_t protocol = rd_u8(&r), size = rd_u8(&r);
		uint16_t len = rd_u16(&r);
		struct rd block;

		if (r.bad || len < HEAD)
			return GIKE_LENGTH;
		block = rd_block(&r, len - HEAD);
		if (block.bad)
			return GIKE_LENGTH;
		err = protocol ? bag_read(k, protocol, size, &block, where)
			       : member_read(k, &block, where);
		if (err)
			return err;
	}
	return k->count ? GIKE_OK : GIKE_EMPTY;
}

const struct gike_bag *gike_bag_of(const struct gike_kd *k, const struct gike_policy *p)
{
	for (unsigned i = 0; i < k->count; i++)
		if (k->v[i].protocol == p->protocol && !memcmp(k->v[i].spi, p->spi, p->spi_len))
			return &k->v[i];
	return NULL;
}

static void wrapped_build(struct wr *w, uint16_t type, const struct gike_wrapped *k)
{
	size_t at;

	wr_u16(w, type);
	at = wr_hole16(w);
	wr_u32(w, k->key);
	wr_u32(w, k->kwk);
	wr_bytes(w, k->data.p, k->data.len);
	wr_fill16(w, at, 0);
}

static void member_build(const struct gike_kd *k, struct wr *w)
{
	size_t at;

	if (!k->wrap_count && !k->auth_key.len && !k->sender_count)
		return;
	wr_u16(w, 0);
	at = wr_hole16(w);
	for (unsigned i = 0; i < k->wrap_count; i++)
		wrapped_build(w, M_WRAP_KEY, &k->wraps[i]);
	if (k->auth_key.len) {
		size_t key = (wr_u16(w, M_AUTH_KEY), wr_hole16(w));

		wr_bytes(w, k->auth_key.p, k->auth_key.len);
		wr_fill16(w, key, 0);
	}
	for (unsigned i = 0; i < k->sender_count; i++) {
		wr_u16(w, M_SENDER_ID);
		wr_u16(w, 4);
		wr_u32(w, k->senders[i]);
	}
	wr_fill16(w, at, HEAD);
}

void gike_kd_build(const struct gike_kd *k, struct wr *w)
{
	for (const struct gike_bag *b = k->v; b < k->v + k->count; b++) {
		size_t at;

		wr_u8(w, b->protocol);
		wr_u8(w, b->spi_len);
		at = wr_hole16(w);
		wr_bytes(w, b->spi, b->spi_len);
		for (unsigned i = 0; i < b->count; i++)
			wrapped_build(w, G_SA_KEY, &k->keys[b->first + i]);
		wr_fill16(w, at, HEAD);
	}
	member_build(k, w);
}
