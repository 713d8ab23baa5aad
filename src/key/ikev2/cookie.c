/*
 * Cookies (RFC 7296 §2.6) and the limits of half-open IKE SAs (RFC 8019 §4): a flood of
 * IKE_SA_INIT from a million addresses takes no memory beyond the limit, and what stands is found
 * by its SPI and never asked any of this.
 *
 *   cookie = version of the secret (4 bytes) · prf(secret, Ni | IPi | port | SPIi)
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

#define COOKIE_LEN (4 + 32)

void cookie_turn(struct ikev2 *e, uint64_t now)
{
	e->cookie_key[1] = e->cookie_key[0];
	e->cookie_key[0].len = 32;
	e->env.random(e->env.ctx, e->cookie_key[0].b, 32);
	e->cookie_version++;
	e->cookie_at = now + COOKIE_NS;
	e->timed = false;
}

/* One address, or of IPv6 what one customer has at the least: a /64. */
static bool same_source(const struct esp_end *a, const struct esp_end *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, a->family == 6 ? 8 : 4);
}

unsigned cookie_source(const struct ikev2 *e, const struct esp_end *remote)
{
	unsigned n = 0;

	if (!e->half_open)
		return 0;
	for (const struct ike_sa *sa = e->sas; sa; sa = sa->next)
		n += sa->counted && same_source(&sa->remote, remote);
	return n;
}

/* age 0: by the secret in use, 1: by the one before. */
static bool make(const struct ikev2 *e, const struct in *in, unsigned age, uint8_t out[COOKIE_LEN])
{
	const struct ike_payload *ni = ike_find(in->c, IKE_PL_NONCE);
	const struct secret *key = &e->cookie_key[age];
	uint8_t b[16 + 2 + 8];
	struct wr w = wr_init(b, sizeof(b)), head = wr_init(out, 4);
	struct prf_piece v[] = {{ni->body.p, ni->body.len}, {b, 0}};

	wr_bytes(&w, in->remote->addr, 16);
	wr_u16(&w, in->remote->port);
	wr_u64(&w, in->h->spi_i);
	v[1].len = wr_len(&w);
	wr_u32(&head, (uint8_t)(e->cookie_version - age));
	return key->len && prf(PRF_SHA2_256, key->b, key->len, v, 2, out + 4) == 0;
}

static void ask(struct ikev2 *e, const struct in *in)
{
	uint8_t cookie[COOKIE_LEN], msg[128];
	struct wr w = wr_init(msg, sizeof(msg));
	struct ike_head h = {
		.spi_i = in->h->spi_i,
		.version = IKE_VERSION,
		.exchange = IKE_SA_INIT,
		.flags = IKE_FLAG_RESPONSE,
		.len = IKE_HEAD_LEN + IKE_PAYLOAD_HEAD + 4 + COOKIE_LEN,
	};
	struct ike_out o;

	if (!make(e, in, 0, cookie))
		return;
	ike_head_build(&h, &w);
	o = ike_out_init(&w, 16);
	ike_put_notify(&o, IKE_N_COOKIE, cookie, sizeof(cookie));
	message_send(e, in->local, in->remote, msg, wr_len(&w));
}

enum ikev2_result cookie_check(struct ikev2 *e, const struct in *in)
{
	const struct ike_notify *n = ike_find_notify(in->c, IKE_N_COOKIE);
	unsigned source = cookie_source(e, in->remote);
	uint8_t want[COOKIE_LEN];
	bool good = false;

	if (n)
		for (unsigned age = 0; age < 2 && !good; age++)
			good = n->data.len == COOKIE_LEN && make(e, in, age, want) &&
			       secret_equal(want, n->data.p, COOKIE_LEN);
	/* An address is held against nobody before it answered: it may be forged. */
	if (!good && (e->half_open >= e->cfg.cookie_above || source >= e->cfg.source_max)) {
		ask(e, in);
		return n ? IKEV2_COOKIE_WRONG : IKEV2_COOKIE_ASKED;
	}
	if (source >= e->cfg.source_max)
		return IKEV2_SOURCE;
	return e->half_open >= e->cfg.half_open_max ? IKEV2_HALF_OPEN : IKEV2_OK;
}
