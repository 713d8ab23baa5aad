/*
 * The GSA payload: policies of SAs with their transforms and attributes, and group-wide policy.
 * Keys are in gike_kd.c; what both must say together, notifications and AUTH in gike_rule.c.
 */
#include "wire/gike_attr.h"
#include "wire/ike_row.h"

#define HEAD 4 /* bytes: protocol, SPI size or reserved, length */
#define UDP 17

enum { A_LIFETIME = 1, A_MESSAGE_ID, A_NEXT_SPI };
enum { W_ATD = 1, W_DTD, W_SENDER_BITS };

bool gike_aead(uint16_t encr)
{
	/* AES-CCM, AES-GCM, AES-GMAC, Camellia-CCM, ChaCha20-Poly1305, those with implicit IVs */
	return (encr >= 14 && encr <= 16) || (encr >= 18 && encr <= 21) ||
	       (encr >= 25 && encr <= 31);
}

static bool implicit_iv(uint16_t encr)
{
	return encr >= 29 && encr <= 31;
}

bool gike_counter(uint16_t encr)
{
	return gike_aead(encr) || encr == 13 || encr == 24; /* AES-CTR, Camellia-CTR */
}

const struct ike_transform *gike_transform(const struct gike_policy *p,
					   enum ike_transform_type type)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->t[i].type == type)
			return &p->t[i];
	return NULL;
}

const struct gike_policy *gike_rekey_policy(const struct gike_gsa *g)
{
	for (unsigned i = 0; i < g->count; i++)
		if (g->v[i].protocol == IKE_PROTO_GIKE_UPDATE)
			return &g->v[i];
	return NULL;
}

static size_t address_len(const struct ike_ts *t)
{
	return t->type == IKE_TS_IPV4 ? 4 : t->type == IKE_TS_IPV6 ? 16 : 0;
}

/* Ports from 65535 to 0 are RFC 7296's "opaque". */
static bool selector_can_be(const struct ike_ts *t)
{
	size_t n = address_len(t);

	return n && memcmp(t->from, t->to, n) <= 0 &&
	       (t->port_from <= t->port_to || (t->port_from == 65535 && t->port_to == 0));
}

static bool multicast(const struct ike_ts *t)
{
	return t->type == IKE_TS_IPV4 ? t->from[0] >> 4 == 14 : t->from[0] == 0xff;
}

static enum gike_error selectors_read(struct gike_policy *p, struct rd *r)
{
	if (!rd_left(r) || !ike_ts_raw(r, &p->from) || !rd_left(r) || !ike_ts_raw(r, &p->to))
		return GIKE_LENGTH;
	if (!selector_can_be(&p->from) || !selector_can_be(&p->to) || p->from.type != p->to.type)
		return GIKE_SELECTOR;
	if (p->protocol == IKE_PROTO_GIKE_UPDATE &&
	    (memcmp(p->to.from, p->to.to, sizeof(p->to.to)) != 0 || !multicast(&p->to) ||
	     p->to.protocol != UDP || p->to.port_from != p->to.port_to || !p->to.port_from))
		return GIKE_ADDRESS;
	return GIKE_OK;
}

/* §4.4.2.1, the table: the types a protocol has. */
static bool has_type(uint8_t protocol, uint8_t type)
{
	switch (type) {
	case IKE_T_ENCR:
		return protocol != IKE_PROTO_AH;
	case IKE_T_INTEG:
		return true;
	case IKE_T_ESN:
		return protocol != IKE_PROTO_GIKE_UPDATE;
	case IKE_T_KWA:
	case IKE_T_GCAUTH:
		return protocol == IKE_PROTO_GIKE_UPDATE;
	default:
		return false;
	}
}

static enum gike_error transforms_read(struct gike_policy *p, struct rd *r)
{
	bool last = false;

	while (!last) {
		struct ike_transform t;
		struct ike_bytes algorithm = {0};

		if (!rd_left(r) || !ike_transform_raw(r, &t, &last, &algorithm))
			return GIKE_LENGTH;
		if (t.odd || !has_type(p->protocol, t.type))
			return GIKE_TRANSFORM;
		if (gike_transform(p, t.type))
			return GIKE_TWICE;
		if (algorithm.len && t.type != IKE_T_GCAUTH)
			return GIKE_TRANSFORM;
		if (algorithm.len)
			p->algorithm = algorithm;
		p->t[p->count++] = t;
	}
	return GIKE_OK;
}

static enum gike_error ciphers_check(const struct gike_policy *p)
{
	const struct ike_transform *encr = gike_transform(p, IKE_T_ENCR),
				   *integ = gike_transform(p, IKE_T_INTEG);
	bool integrity = integ && integ->id != IKE_INTEG_NONE;

	if (!encr && p->protocol != IKE_PROTO_AH)
		return GIKE_TRANSFORM;
	if (encr && implicit_iv(encr->id))
		return GIKE_IMPLICIT;
	return integrity == !(encr && gike_aead(encr->id)) ? GIKE_OK : GIKE_INTEGRITY;
}

static enum gike_error gcauth_check(const struct gike_policy *p, enum gike_where where)
{
	const struct ike_transform *t = gike_transform(p, IKE_T_GCAUTH);

	if (!t != (where != GIKE_REGISTRATION)) /* it may not change (§4.4.2.1.1) */
		return GIKE_GCAUTH;
	if (!t)
		return GIKE_OK;
	if (t->id == IKE_GCAUTH_NONE || (t->id == IKE_GCAUTH_SIGNATURE) != (p->algorithm.len > 0))
		return GIKE_GCAUTH;
	return GIKE_OK;
}

static enum gike_error transforms_check(const struct gike_policy *p, enum gike_where where)
{
	const struct ike_transform *t;
	enum gike_error err = ciphers_check(p);

	if (err)
		return err;
	if (p->protocol == IKE_PROTO_GIKE_UPDATE) {
		t = gike_transform(p, IKE_T_KWA);
		return t && t->id != IKE_KWA_NONE ? gcauth_check(p, where) : GIKE_TRANSFORM;
	}
	t = gike_transform(p, IKE_T_ESN);
	if (!t)
		return GIKE_TRANSFORM;
	return t->id == IKE_ESN_NO || t->id == IKE_SN_UNSPECIFIED ? GIKE_OK : GIKE_SEQUENCE;
}

static enum gike_error policy_attribute(struct gike_policy *p, struct gike_attr *a)
{
	bool rekey = p->protocol == IKE_PROTO_GIKE_UPDATE;

	switch (a->type) {
	case A_LIFETIME:
	case A_MESSAGE_ID:
		if (a->type == A_MESSAGE_ID && !rekey)
			return GIKE_ATTRIBUTE;
		if (!gike_attr_long(a, 4))
			return GIKE_FORMAT;
		if (a->type == A_LIFETIME ? p->has_lifetime : p->has_message_id)
			return GIKE_TWICE;
		if (a->type == A_LIFETIME) {
			p->has_lifetime = true;
			p->lifetime = rd_u32(&a->body);
		} else {
			p->has_message_id = true;
			p->message_id = rd_u32(&a->body);
		}
		return GIKE_OK;
	case A_NEXT_SPI:
		if (!gike_attr_long(a, p->spi_len))
			return GIKE_FORMAT;
		if (p->next_count == GIKE_NEXT_MAX)
			return GIKE_TOO_MANY;
		p->next[p->next_count++] = a->body.p;
		return GIKE_OK;
	default:
		return GIKE_OK;
	}
}

static enum gike_error policy_read(struct gike_gsa *g, uint8_t protocol, uint8_t size, struct rd *r,
				   enum gike_where where)
{
	struct gike_policy *p = &g->v[g->count];
	enum gike_error err;
	struct gike_attr a;

	if (g->count == GIKE_POLICIES_MAX)
		return GIKE_TOO_MANY;
	*p = (struct gike_policy){.protocol = protocol, .spi_len = size};
	err = gike_spi_read(r, protocol, size, p->spi);
	err = err ? err : selectors_read(p, r);
	err = err ? err : transforms_read(p, r);
	err = err ? err : transforms_check(p, where);
	while (!err && gike_attr_next(r, &a)) {
		g->unknown += a.type == 0 || a.type > A_NEXT_SPI;
		err = policy_attribute(p, &a);
	}
	if (!err && r->bad)
		return GIKE_LENGTH;
	if (!err && where == GIKE_INBAND && (p->has_message_id || p->next_count))
		return GIKE_ATTRIBUTE;
	if (!err && where == GIKE_REKEY && !p->has_lifetime)
		return GIKE_ATTRIBUTE;
	g->count += !err;
	return err;
}

static enum gike_error wide_read(struct gike_gsa *g, struct rd *r, enum gike_where where)
{
	struct gike_attr a;

	while (gike_attr_next(r, &a)) {
		bool *has;
		uint16_t *value;

		switch (a.type) {
		case W_ATD:
			has = &g->has_atd;
			value = &g->atd;
			break;
		case W_DTD:
			has = &g->has_dtd;
			value = &g->dtd;
			break;
		case W_SENDER_BITS:
			has = &g->has_sender_bits;
			value = &g->sender_bits;
			break;
		default:
			g->unknown++;
			continue;
		}
		if (!a.tv)
			return GIKE_FORMAT;
		if (*has)
			return GIKE_TWICE;
		if (a.type == W_SENDER_BITS && where != GIKE_REGISTRATION)
			return GIKE_ATTRIBUTE;
		/* A Sender-ID is of 4 octets, and leaves an IV of 8 something to count with. */
		if (a.type == W_SENDER_BITS && (!a.value || a.value > 32))
			return GIKE_FORMAT;
		*has = true;
		*value = a.value;
	}
	return r->bad ? GIKE_LENGTH : GIKE_OK;
}

static bool ts_same(const struct ike_ts *a, const struct ike_ts *b)
{
	return a->type == b->type && a->protocol == b->protocol && a->port_from == b->port_from &&
	       a->port_to == b->port_to && !memcmp(a->from, b->from, sizeof(a->from)) &&
	       !memcmp(a->to, b->to, sizeof(a->to));
}

static enum gike_error pairs_check(const struct gike_gsa *g)
{
	for (unsigned i = 0; i < g->count; i++)
		for (unsigned j = i + 1; j < g->count; j++) {
			const struct gike_policy *a = &g->v[i], *b = &g->v[j];

			if (a->protocol == b->protocol && (a->protocol == IKE_PROTO_GIKE_UPDATE ||
							   !memcmp(a->spi, b->spi, a->spi_len)))
				return GIKE_TWICE;
			if (a->spi_len == b->spi_len && a->protocol != b->protocol &&
			    ts_same(&a->from, &b->from) && ts_same(&a->to, &b->to))
				return GIKE_BOTH;
		}
	return GIKE_OK;
}

/* What holds when the Rekey SA is known (§4.4.2.2): with one, every SA has a lifetime; without one,
 * nothing of multicast rekeying may be said. */
static enum gike_error registration_check(const struct gike_gsa *g)
{
	bool rekey = gike_rekey_policy(g);

	for (unsigned i = 0; i < g->count; i++)
		if (rekey ? !g->v[i].has_lifetime : g->v[i].next_count > 0)
			return GIKE_ATTRIBUTE;
	return GIKE_OK;
}

enum gike_error gike_gsa_parse(struct gike_gsa *g, struct ike_bytes body, enum gike_where where)
{
	struct rd r = rd_init(body.p, body.len);
	bool wide = false;
	enum gike_error err;

	g->count = g->unknown = 0;
	g->has_atd = g->has_dtd = g->has_sender_bits = false;
	g->atd = g->dtd = g->sender_bits = 0;
	while (rd_left(&r)) {
		uint8_t protocol = rd_u8(&r), size = rd_u8(&r);
		uint16_t len = rd_u16(&r);
		struct rd block;

		if (r.bad || len < HEAD)
			return GIKE_LENGTH;
		block = rd_block(&r, len - HEAD);
		if (block.bad)
			return GIKE_LENGTH;
		if (protocol) {
			err = policy_read(g, protocol, size, &block, where);
		} else {
			err = wide ? GIKE_TWICE : wide_read(g, &block, where);
			wide = true;
		}
		if (err)
			return err;
	}
	if (!g->count)
		return GIKE_EMPTY;
	err = pairs_check(g);
	return err || where != GIKE_REGISTRATION ? err : registration_check(g);
}

static void put_long(struct wr *w, uint16_t type, uint32_t value)
{
	wr_u16(w, type);
	wr_u16(w, 4);
	wr_u32(w, value);
}

static void put_short(struct wr *w, uint16_t type, uint16_t value)
{
	wr_u16(w, GIKE_TV | type);
	wr_u16(w, value);
}

static void policy_build(const struct gike_policy *p, struct wr *w)
{
	size_t at;

	wr_u8(w, p->protocol);
	wr_u8(w, p->spi_len);
	at = wr_hole16(w);
	wr_bytes(w, p->spi, p->spi_len);
	ike_put_selector(w, &p->from);
	ike_put_selector(w, &p->to);
	for (unsigned i = 0; i < p->count; i++)
		ike_put_transform(w, &p->t[i], i + 1 == p->count,
				  p->t[i].type == IKE_T_GCAUTH ? p->algorithm
							       : (struct ike_bytes){0});
	if (p->has_lifetime)
		put_long(w, A_LIFETIME, p->lifetime);
	if (p->has_message_id)
		put_long(w, A_MESSAGE_ID, p->message_id);
	for (unsigned i = 0; i < p->next_count; i++) {
		wr_u16(w, A_NEXT_SPI);
		wr_u16(w, p->spi_len);
		wr_bytes(w, p->next[i], p->spi_len);
	}
	wr_fill16(w, at, HEAD);
}

void gike_gsa_build(const struct gike_gsa *g, struct wr *w)
{
	size_t at;

	for (unsigned i = 0; i < g->count; i++)
		policy_build(&g->v[i], w);
	if (!g->has_atd && !g->has_dtd && !g->has_sender_bits)
		return;
	wr_u16(w, 0);
	at = wr_hole16(w);
	if (g->has_atd)
		put_short(w, W_ATD, g->atd);
	if (g->has_dtd)
		put_short(w, W_DTD, g->dtd);
	if (g->has_sender_bits)
		put_short(w, W_SENDER_BITS, g->sender_bits);
	wr_fill16(w, at, HEAD);
}
