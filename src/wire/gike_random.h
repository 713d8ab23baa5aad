/* gike_random: well-formed GSA and KD payloads out of a seed, for tests. */
#pragma once

#include "wire/gike.h"

struct gike_dice {
	uint64_t state;
	uint8_t b[4096]; /* bytes that are lent to what is made */
};

static inline uint32_t gike_roll(struct gike_dice *d, uint32_t below)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % below);
}

static inline struct ike_bytes gike_roll_bytes(struct gike_dice *d, unsigned min, unsigned max)
{
	size_t n = min + gike_roll(d, max - min + 1);

	return (struct ike_bytes){d->b + gike_roll(d, (uint32_t)(sizeof(d->b) - n)), n};
}

static inline struct gike_dice gike_dice_init(uint64_t seed)
{
	struct gike_dice d = {.state = seed};

	for (size_t i = 0; i < sizeof(d.b); i++)
		d.b[i] = (uint8_t)gike_roll(&d, 256);
	return d;
}

static inline void gike_roll_selector(struct gike_dice *d, struct ike_ts *t, bool v6, bool rekey)
{
	size_t n = v6 ? 16 : 4;

	*t = (struct ike_ts){.type = v6 ? IKE_TS_IPV6 : IKE_TS_IPV4};
	t->protocol = rekey ? 17 : (uint8_t)gike_roll(d, 256);
	t->port_from = (uint16_t)(1 + gike_roll(d, 65535));
	t->port_to = rekey ? t->port_from
			   : (uint16_t)(t->port_from + gike_roll(d, 65536u - t->port_from));
	memcpy(t->from, gike_roll_bytes(d, 16, 16).p, n);
	t->from[0] = rekey ? (v6 ? 0xff : 239) : t->from[0];
	memcpy(t->to, t->from, n);
	t->to[n - 1] = rekey ? t->from[n - 1] : 255;
}

static inline void gike_roll_transforms(struct gike_dice *d, struct gike_policy *p,
					enum gike_where where)
{
	static const struct ike_transform ciphers[] = {{IKE_T_ENCR, 20, 256, false},
						       {IKE_T_ENCR, 20, 128, false},
						       {IKE_T_ENCR, 28, 0, false},
						       {IKE_T_ENCR, 12, 256, false}};
	const struct ike_transform *c = &ciphers[gike_roll(d, 4)];
	bool rekey = p->protocol == IKE_PROTO_GIKE_UPDATE, ah = p->protocol == IKE_PROTO_AH;

	if (!ah)
		p->t[p->count++] = *c;
	if (ah || !gike_aead(c->id))
		p->t[p->count++] = (struct ike_transform){
			IKE_T_INTEG, (uint16_t)(12 + gike_roll(d, 3)), 0, false};
	if (!rekey) {
		p->t[p->count++] = (struct ike_transform){
			IKE_T_ESN, gike_roll(d, 2) ? IKE_SN_UNSPECIFIED : IKE_ESN_NO, 0, false};
		return;
	}
	p->t[p->count++] =
		(struct ike_transform){IKE_T_KWA, (uint16_t)(1 + gike_roll(d, 4)), 0, false};
	if (where != GIKE_REGISTRATION)
		return;
	p->t[p->count++] =
		(struct ike_transform){IKE_T_GCAUTH, (uint16_t)(1 + gike_roll(d, 2)), 0, false};
	if (p->t[p->count - 1].id == IKE_GCAUTH_SIGNATURE)
		p->algorithm = gike_roll_bytes(d, 5, 70);
}

static inline void gike_roll_gsa(struct gike_dice *d, struct gike_gsa *g, enum gike_where where)
{
	bool rekey = gike_roll(d, 2);

	*g = (struct gike_gsa){.count = 1 + gike_roll(d, 5)};
	for (unsigned i = 0; i < g->count; i++) {
		struct gike_policy *p = &g->v[i];
		bool v6 = gike_roll(d, 2);

		p->protocol = rekey && !i           ? IKE_PROTO_GIKE_UPDATE
			      : gike_roll(d, 4) > 0 ? IKE_PROTO_ESP
						    : IKE_PROTO_AH;
		p->spi_len = p->protocol == IKE_PROTO_GIKE_UPDATE ? 16 : 4;
		memcpy(p->spi, gike_roll_bytes(d, 16, 16).p, p->spi_len);
		p->spi[3] = (uint8_t)(i + 1);
		gike_roll_selector(d, &p->from, v6, p->protocol == IKE_PROTO_GIKE_UPDATE);
		gike_roll_selector(d, &p->to, v6, p->protocol == IKE_PROTO_GIKE_UPDATE);
		p->to.protocol = p->protocol == IKE_PROTO_GIKE_UPDATE ? 17 : p->protocol;
		gike_roll_transforms(d, p, where);
		p->has_lifetime = where == GIKE_REKEY || rekey || gike_roll(d, 2);
		p->lifetime = p->has_lifetime ? gike_roll(d, UINT32_MAX) : 0;
		if (where == GIKE_INBAND || !rekey)
			continue;
		p->has_message_id = p->protocol == IKE_PROTO_GIKE_UPDATE && gike_roll(d, 2);
		p->message_id = p->has_message_id ? gike_roll(d, UINT32_MAX) : 0;
		p->next_count = gike_roll(d, GIKE_NEXT_MAX + 1);
		for (unsigned j = 0; j < p->next_count; j++)
			p->next[j] = gike_roll_bytes(d, p->spi_len, p->spi_len).p;
	}
	g->has_atd = gike_roll(d, 2);
	g->atd = g->has_atd ? (uint16_t)gike_roll(d, 65536) : 0;
	g->has_dtd = gike_roll(d, 2);
	g->dtd = g->has_dtd ? (uint16_t)gike_roll(d, 65536) : 0;
	g->has_sender_bits = where == GIKE_REGISTRATION && gike_roll(d, 2);
	g->sender_bits = g->has_sender_bits ? (uint16_t)(1 + gike_roll(d, 32)) : 0;
}

static inline void gike_roll_wrapped(struct gike_dice *d, struct gike_wrapped *w, bool sa,
				     bool plain)
{
	w->key = sa ? 0 : 1 + gike_roll(d, UINT32_MAX - 1);
	w->kwk = plain ? 0 : gike_roll(d, UINT32_MAX);
	w->kwk += w->kwk == w->key && !sa;
	w->data = gike_roll_bytes(d, 1, 120);
}

static inline void gike_roll_kd(struct gike_dice *d, struct gike_kd *k, enum gike_where where)
{
	bool rekey = gike_roll(d, 2);

	k->count = 1 + gike_roll(d, 5);
	k->key_count = k->wrap_count = k->sender_count = k->unknown = 0;
	k->auth_key = (struct ike_bytes){0};
	for (unsigned i = 0; i < k->count; i++) {
		struct gike_bag *b = &k->v[i];
		bool kek = rekey && !i;

		*b = (struct gike_bag){
			.protocol = kek               ? IKE_PROTO_GIKE_UPDATE
				    : gike_roll(d, 2) ? IKE_PROTO_ESP
						      : IKE_PROTO_AH,
			.spi_len = kek ? 16 : 4,
			.first = k->key_count,
			.count = kek && where == GIKE_REKEY ? 1 + gike_roll(d, 20) : 1,
		};
		memcpy(b->spi, gike_roll_bytes(d, 16, 16).p, b->spi_len);
		b->spi[3] = (uint8_t)(i + 1);
		for (unsigned j = 0; j < b->count; j++)
			gike_roll_wrapped(d, &k->keys[k->key_count++], true, !kek);
	}
	if (where == GIKE_INBAND)
		return;
	k->wrap_count = gike_roll(d, 2) ? gike_roll(d, 40) : 0;
	for (unsigned j = 0; j < k->wrap_count; j++)
		gike_roll_wrapped(d, &k->wraps[j], false, false);
	if (gike_roll(d, 2))
		k->auth_key = gike_roll_bytes(d, 1, 400);
	k->sender_count = where == GIKE_REGISTRATION ? gike_roll(d, 9) : 0;
	for (unsigned j = 0; j < k->sender_count; j++)
		k->senders[j] = gike_roll(d, 1u << 24) << 4 | j;
}
