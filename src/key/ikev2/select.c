/*
 * Proposals (RFC 7296 §2.7, §3.3): what is offered, what is chosen, and why nothing is.
 *
 * Few and strong by default; what old boxes take as well by `compatible` (RFC 8247 has the levels).
 */
#include "key/ikev2/ikev2_i.h"

#include <stdio.h>
#include <string.h>

#define ENCR(id, bits)                                                                             \
	{                                                                                          \
		IKE_T_ENCR, id, bits, false                                                        \
	}
#define PRF(id)                                                                                    \
	{                                                                                          \
		IKE_T_PRF, id, 0, false                                                            \
	}
#define INTEG(id)                                                                                  \
	{                                                                                          \
		IKE_T_INTEG, id, 0, false                                                          \
	}
#define DH(id)                                                                                     \
	{                                                                                          \
		IKE_T_DH, id, 0, false                                                             \
	}
#define ESN(id)                                                                                    \
	{                                                                                          \
		IKE_T_ESN, id, 0, false                                                            \
	}
#define PRFS PRF(IKE_PRF_SHA2_384), PRF(IKE_PRF_SHA2_512), PRF(IKE_PRF_SHA2_256)
#define GROUPS DH(IKE_DH_X25519), DH(IKE_DH_ECP_384), DH(IKE_DH_ECP_256)
#define OLD_GROUPS                                                                                 \
	DH(IKE_DH_ECP_521), DH(IKE_DH_MODP_4096), DH(IKE_DH_MODP_3072), DH(IKE_DH_MODP_2048)
#define CBC ENCR(IKE_ENCR_AES_CBC, 256), ENCR(IKE_ENCR_AES_CBC, 128)
#define INTEGS                                                                                     \
	INTEG(IKE_INTEG_SHA2_256_128), INTEG(IKE_INTEG_SHA2_384_192), INTEG(IKE_INTEG_SHA2_512_256)
#define AEADS ENCR(IKE_ENCR_AES_GCM_16, 256), ENCR(IKE_ENCR_CHACHA20_POLY1305, 0)

static const struct ike_proposal ike_strong[] = {
	{.protocol = IKE_PROTO_IKE, .count = 8, .t = {AEADS, PRFS, GROUPS}},
};
static const struct ike_proposal ike_compatible[] = {
	{.protocol = IKE_PROTO_IKE,
	 .count = 13,
	 .t = {AEADS, ENCR(IKE_ENCR_AES_GCM_16, 128), PRFS, GROUPS, OLD_GROUPS}},
	{.protocol = IKE_PROTO_IKE, .count = 15, .t = {CBC, PRFS, INTEGS, GROUPS, OLD_GROUPS}},
};
#define KWA(id)                                                                                    \
	{                                                                                          \
		IKE_T_KWA, id, 0, false                                                            \
	}
#define KWAS KWA(IKE_KW_5649_256), KWA(IKE_KW_5649_192), KWA(IKE_KW_5649_128)
/* With a key server or a member also how keys are wrapped (RFC 9838 §4.5.4). */
static const struct ike_proposal group_strong[] = {
	{.protocol = IKE_PROTO_IKE, .count = 11, .t = {AEADS, PRFS, GROUPS, KWAS}},
};
static const struct ike_proposal group_compatible[] = {
	{.protocol = IKE_PROTO_IKE,
	 .count = 16,
	 .t = {AEADS, ENCR(IKE_ENCR_AES_GCM_16, 128), PRFS, GROUPS, OLD_GROUPS, KWAS}},
	{.protocol = IKE_PROTO_IKE,
	 .count = 18,
	 .t = {CBC, PRFS, INTEGS, GROUPS, OLD_GROUPS, KWAS}},
};
static const struct ike_proposal esp_strong[] = {
	{.protocol = IKE_PROTO_ESP,
	 .count = 7,
	 .t = {AEADS, GROUPS, ESN(IKE_ESN_YES), ESN(IKE_ESN_NO)}},
};
static const struct ike_proposal esp_compatible[] = {
	{.protocol = IKE_PROTO_ESP,
	 .count = 12,
	 .t = {AEADS, ENCR(IKE_ENCR_AES_GCM_16, 128), GROUPS, OLD_GROUPS, ESN(IKE_ESN_YES),
	       ESN(IKE_ESN_NO)}},
	{.protocol = IKE_PROTO_ESP,
	 .count = 14,
	 .t = {CBC, INTEGS, GROUPS, OLD_GROUPS, ESN(IKE_ESN_YES), ESN(IKE_ESN_NO)}},
};

const struct ike_proposal *offer_ike(const struct ikev2_peer *p, unsigned *n)
{
	if (p->ike_offer) {
		*n = p->ike_offer_count;
		return p->ike_offer;
	}
	*n = p->strength == IKEV2_COMPATIBLE ? 2 : 1;
	if (p->role != IKEV2_PAIR)
		return p->strength == IKEV2_COMPATIBLE ? group_compatible : group_strong;
	return p->strength == IKEV2_COMPATIBLE ? ike_compatible : ike_strong;
}

const struct ike_proposal *offer_esp(const struct ikev2_peer *p, unsigned *n)
{
	if (p->esp_offer) {
		*n = p->esp_offer_count;
		return p->esp_offer;
	}
	*n = p->strength == IKEV2_COMPATIBLE ? 2 : 1;
	return p->strength == IKEV2_COMPATIBLE ? esp_compatible : esp_strong;
}

void offer_put(struct out *o, const struct ike_proposal *v, unsigned n, const uint8_t *spi,
	       uint8_t spi_len, uint16_t group, bool with_group)
{
	ike_open(&o->o, IKE_PL_SA);
	for (unsigned i = 0; i < n; i++) {
		bool first = with_group && select_has_group(&v[i], 1, group);
		struct ike_proposal p = v[i];

		p.num = (uint8_t)(i + 1);
		p.spi = spi;
		p.spi_len = spi_len;
		p.count = 0;
		for (unsigned j = 0; j < v[i].count; j++) {
			struct ike_transform t = v[i].t[j];

			if (t.type == IKE_T_DH && first) /* the one in KE goes first */
				p.t[p.count++] = (struct ike_transform){IKE_T_DH, group, 0, false};
			first &= t.type != IKE_T_DH;
			if (t.type != IKE_T_DH || (with_group && t.id != group))
				p.t[p.count++] = t;
		}
		ike_put_proposal(&o->w, &p, i + 1 == n);
	}
	ike_close(&o->o);
}

static const struct ike_transform *find(const struct ike_proposal *p, unsigned type, uint16_t id,
					uint16_t bits)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->t[i].type == type && p->t[i].id == id && p->t[i].key_bits == bits &&
		    !p->t[i].odd)
			return &p->t[i];
	return NULL;
}

static bool has_type(const struct ike_proposal *p, unsigned type)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->t[i].type == type)
			return true;
	return false;
}

/* The first transform of that type of ours that theirs has, too. False: there is none although
 * one is needed, or theirs needs one that ours does not know. */
static bool choose(const struct ike_proposal *ours, const struct ike_proposal *theirs,
		   unsigned type, struct chosen *c)
{
	/* Left out means "none" for these (§3.3.3), and no ESN. */
	bool none_ok = type == IKE_T_DH || type == IKE_T_INTEG || type == IKE_T_ESN;

	for (unsigned i = 0; i < ours->count; i++) {
		const struct ike_transform *t = &ours->t[i];

		if (t->type != type || !find(theirs, type, t->id, t->key_bits))
			continue;
		c->has[type] = true;
		c->id[type] = t->id;
		if (type == IKE_T_ENCR)
			c->key_bits = t->key_bits;
		return true;
	}
	if (none_ok && !has_type(theirs, type))
		return type != IKE_T_INTEG || !has_type(ours, type);
	if (none_ok && find(theirs, type, 0, 0) && !has_type(ours, type)) {
		c->has[type] = true;
		c->id[type] = 0;
		return true;
	}
	return false;
}

/* How keys are wrapped, where one end is a key server; nowhere else. */
static bool choose_kwa(const struct ike_proposal *ours, const struct ike_proposal *theirs,
		       struct chosen *c)
{
	for (unsigned i = 0; i < ours->count; i++)
		if (ours->t[i].type == IKE_T_KWA && find(theirs, IKE_T_KWA, ours->t[i].id, 0)) {
			c->kwa = ours->t[i].id;
			return true;
		}
	return !has_type(ours, IKE_T_KWA) && !has_type(theirs, IKE_T_KWA);
}

static bool fits(const struct ike_proposal *ours, const struct ike_proposal *theirs,
		 bool with_group, struct chosen *c)
{
	bool ike = ours->protocol == IKE_PROTO_IKE;

	*c = (struct chosen){.num = theirs->num, .spi = theirs->spi, .spi_len = theirs->spi_len};
	for (unsigned i = 0; i < theirs->count; i++) /* a type nobody knows must not be ignored */
		if (!theirs->t[i].type ||
		    (theirs->t[i].type >= IKE_T_TYPES && theirs->t[i].type != IKE_T_KWA))
			return false;
	if (!choose_kwa(ours, theirs, c))
		return false;
	if (!choose(ours, theirs, IKE_T_ENCR, c) || !choose(ours, theirs, IKE_T_INTEG, c))
		return false;
	if (ike && (!choose(ours, theirs, IKE_T_PRF, c) || has_type(theirs, IKE_T_ESN)))
		return false;
	if (!ike && (!choose(ours, theirs, IKE_T_ESN, c) || has_type(theirs, IKE_T_PRF)))
		return false;
	/* Without a KE payload groups are not looked at: in IKE_AUTH they have no meaning (§1.2). */
	if (with_group && !choose(ours, theirs, IKE_T_DH, c))
		return false;
	return !ike || (c->has[IKE_T_DH] && c->id[IKE_T_DH]);
}

bool select_proposal(const struct ike_proposal *ours, unsigned n, struct ike_bytes theirs,
		     uint8_t protocol, uint8_t spi_len, bool with_group, struct chosen *c)
{
	/* Ours go first: our order decides. */
	for (unsigned i = 0; i < n; i++) {
		struct rd r = rd_init(theirs.p, theirs.len);
		struct ike_proposal p;

		while (ike_proposal_next(&r, &p))
			if (p.protocol == protocol && p.spi_len == spi_len &&
			    fits(&ours[i], &p, with_group, c))
				return true;
	}
	return false;
}

bool select_is_choice(struct ike_bytes body)
{
	struct rd r = rd_init(body.p, body.len);
	struct ike_proposal p;
	unsigned seen = 0;

	if (!ike_proposal_next(&r, &p) || rd_left(&r))
		return false;
	for (unsigned i = 0; i < p.count; i++) {
		if ((p.t[i].type >= IKE_T_TYPES && p.t[i].type != IKE_T_KWA) ||
		    seen & 1u << p.t[i].type)
			return false;
		seen |= 1u << p.t[i].type;
	}
	return true;
}

bool select_allowed(const struct ike_proposal *ours, unsigned n, const struct chosen *c)
{
	for (unsigned i = 0; i < n; i++) {
		bool all = c->kwa ? find(&ours[i], IKE_T_KWA, c->kwa, 0) != NULL
				  : !has_type(&ours[i], IKE_T_KWA);

		for (unsigned type = IKE_T_ENCR; type < IKE_T_TYPES; type++)
			if (c->has[type] && c->id[type] + (type == IKE_T_ESN) &&
			    !find(&ours[i], type, c->id[type],
				  type == IKE_T_ENCR ? c->key_bits : 0))
				all = false;
		if (all)
			return true;
	}
	return false;
}

bool select_has_group(const struct ike_proposal *ours, unsigned n, uint16_t group)
{
	for (unsigned i = 0; i < n; i++)
		if (find(&ours[i], IKE_T_DH, group, 0))
			return true;
	return false;
}

uint16_t select_first_group(const struct ike_proposal *ours, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < ours[i].count; j++)
			if (ours[i].t[j].type == IKE_T_DH)
				return ours[i].t[j].id;
	return 0;
}

void select_put_chosen(struct out *o, const struct chosen *c, uint8_t protocol, const uint8_t *spi,
		       uint8_t spi_len)
{
	struct ike_proposal p = {
		.num = c->num, .protocol = protocol, .spi = spi, .spi_len = spi_len};

	for (unsigned type = IKE_T_ENCR; type < IKE_T_TYPES; type++)
		if (c->has[type])
			p.t[p.count++] = (struct ike_transform){
				(uint8_t)type, c->id[type],
				type == IKE_T_ENCR ? c->key_bits : (uint16_t)0, false};
	if (c->kwa)
		p.t[p.count++] = (struct ike_transform){IKE_T_KWA, c->kwa, 0, false};
	ike_open(&o->o, IKE_PL_SA);
	ike_put_proposal(&o->w, &p, true);
	ike_close(&o->o);
}

struct ike_suite select_suite(const struct chosen *c)
{
	return (struct ike_suite){c->id[IKE_T_ENCR],  c->key_bits,     c->id[IKE_T_PRF],
				  c->id[IKE_T_INTEG], c->id[IKE_T_DH], c->kwa};
}

struct text {
	char *p;
	size_t left;
};

static void say(struct text *t, const char *s)
{
	size_t n = strlen(s);

	n = n < t->left ? n : t->left;
	memcpy(t->p, s, n);
	t->p += n;
	t->left -= n;
	*t->p = 0;
}

static void say_proposal(struct text *t, const struct ike_proposal *p)
{
	unsigned type = 0;

	for (unsigned i = 0; i < p->count; i++) {
		char word[48];

		if (i)
			say(t, p->t[i].type == type ? "|" : " ");
		type = p->t[i].type;
		say(t, ike_transform_name(&p->t[i], word, sizeof(word)));
	}
}

/* The first type of transform in which no proposal of theirs meets one of ours. */
static const char *differing(const struct ike_proposal *ours, unsigned n, struct ike_bytes theirs)
{
	static const char *const words[IKE_T_TYPES] = {"",          "encryption", "prf",
						       "integrity", "DH group",   "ESN"};

	for (unsigned type = IKE_T_ENCR; type < IKE_T_TYPES; type++) {
		bool met = false, wanted = false;

		for (unsigned i = 0; i < n; i++) {
			struct rd r = rd_init(theirs.p, theirs.len);
			struct ike_proposal p;

			while (ike_proposal_next(&r, &p)) {
				struct chosen c = {0};

				wanted |= has_type(&p, type) || has_type(&ours[i], type);
				met |= choose(&ours[i], &p, type, &c);
			}
		}
		if (wanted && !met)
			return words[type];
	}
	return "combination";
}

void select_words(const struct ike_proposal *ours, unsigned n, char *buf, size_t size)
{
	struct text t = {buf, size - 1};

	*buf = 0;
	for (unsigned i = 0; i < n; i++) {
		say(&t, i ? ", or " : "");
		say_proposal(&t, &ours[i]);
	}
}

void select_explain(const struct ike_proposal *ours, unsigned n, struct ike_bytes theirs, char *buf,
		    size_t size)
{
	struct rd r = rd_init(theirs.p, theirs.len);
	struct text t = {buf, size - 1};
	struct ike_proposal p;

	*buf = 0;
	say(&t, "no ");
	say(&t, differing(ours, n, theirs));
	say(&t, " in common; ours: ");
	for (unsigned i = 0; i < n; i++) {
		say(&t, i ? ", or " : "");
		say_proposal(&t, &ours[i]);
	}
	say(&t, "; theirs: ");
	for (unsigned i = 0; ike_proposal_next(&r, &p); i++) {
		say(&t, i ? ", or " : "");
		say_proposal(&t, &p);
	}
}
