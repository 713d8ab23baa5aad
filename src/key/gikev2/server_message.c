/* A key server's payloads, and its GSA_REKEY messages from a draft to the queue. */
#include "key/gikev2/server_i.h"

#include "crypto/keywrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void build_begin(struct gks *g)
{
	g->b.gsa = (struct gike_gsa){0};
	g->b.kd.count = g->b.kd.key_count = g->b.kd.wrap_count = g->b.kd.sender_count = 0;
	g->b.kd.auth_key = (struct ike_bytes){0};
	g->b.sa_count = 0;
	g->b.err = 0;
}

static struct ike_transform transform(uint8_t type, uint16_t id, uint16_t key_bits)
{
	return (struct ike_transform){.type = type, .id = id, .key_bits = key_bits};
}

/* What is left of it, at least a second. */
static uint32_t lifetime(uint64_t hard_at, uint64_t now)
{
	return hard_at > now + SECOND ? (uint32_t)((hard_at - now) / SECOND) : 1;
}

void build_kek(struct gks *g, const struct kek *k, enum gike_where where, uint64_t now)
{
	struct gike_policy *p = &g->b.gsa.v[g->b.gsa.count++];

	*p = (struct gike_policy){
		.protocol = IKE_PROTO_GIKE_UPDATE,
		.spi_len = IKE_REKEY_SPI_LEN,
		.from = g->cfg.rekey.from,
		.to = g->cfg.rekey.to,
		.has_lifetime = true,
		.lifetime = lifetime(k->hard_at, now),
		.has_message_id = where == GIKE_REGISTRATION && k->message_id,
		.message_id = k->message_id,
		.next_count = 1,
		.next = {k->next_spi},
	};
	memcpy(p->spi, k->sa.spi, sizeof(p->spi));
	p->t[p->count++] = transform(IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256);
	p->t[p->count++] = transform(IKE_T_KWA, IKE_KW_5649_256, 0);
	if (where != GIKE_REGISTRATION)
		return;
	p->t[p->count++] = transform(
		IKE_T_GCAUTH, g->cfg.implicit ? IKE_GCAUTH_IMPLICIT : IKE_GCAUTH_SIGNATURE, 0);
	if (!g->cfg.implicit) {
		p->algorithm.p = sign_algorithm(g->cfg.scheme, &p->algorithm.len);
		g->b.kd.auth_key = (struct ike_bytes){g->cfg.spki, g->cfg.spki_len};
	}
}

static struct gike_bag *bag(struct gks *g, uint8_t protocol, const void *spi, uint8_t len)
{
	struct gike_bag *b = &g->b.kd.v[g->b.kd.count++];

	*b = (struct gike_bag){.protocol = protocol, .spi_len = len, .first = g->b.kd.key_count};
	memcpy(b->spi, spi, len);
	return b;
}

static void bag_key(struct gks *g, struct gike_bag *b, const struct lkh_wrapped *w)
{
	g->b.kd.keys[g->b.kd.key_count++] = (struct gike_wrapped){w->key, w->kwk, {w->b, w->len}};
	b->count++;
}

void build_kek_key(struct gks *g, const struct kek *k, const struct lkh_wrapped *w)
{
	unsigned n = g->b.kd.count;

	if (!n || g->b.kd.v[n - 1].protocol != IKE_PROTO_GIKE_UPDATE)
		bag(g, IKE_PROTO_GIKE_UPDATE, k->sa.spi, IKE_REKEY_SPI_LEN);
	bag_key(g, &g->b.kd.v[g->b.kd.count - 1], w);
}

static void spi_bytes(uint32_t spi, uint8_t b[IKE_ESP_SPI_LEN])
{
	for (unsigned i = 0; i < IKE_ESP_SPI_LEN; i++)
		b[i] = (uint8_t)(spi >> (24 - 8 * i));
}

void build_tek(struct gks *g, const struct tek *t, const struct secret *gsk_w, uint64_t now)
{
	const struct esp_suite_info *s = &esp_suites[g->cfg.suite];

	for (unsigned i = 0; i < g->cfg.flow_count; i++) {
		struct gike_policy *p = &g->b.gsa.v[g->b.gsa.count++];
		struct lkh_wrapped *w = &g->b.sa[g->b.sa_count++];

		*p = (struct gike_policy){
			.protocol = IKE_PROTO_ESP,
			.spi_len = IKE_ESP_SPI_LEN,
			.from = g->cfg.flows[i].from,
			.to = g->cfg.flows[i].to,
			.has_lifetime = true,
			.lifetime = lifetime(t->hard_at, now),
		};
		spi_bytes(t->spi[i], p->spi);
		p->t[p->count++] =
			transform(IKE_T_ENCR, s->encr,
				  s->encr == IKE_ENCR_AES_GCM_16 ? (uint16_t)(8 * s->key_len) : 0);
		p->t[p->count++] = transform(IKE_T_ESN, IKE_SN_UNSPECIFIED, 0);
		*w = (struct lkh_wrapped){0};
		if (keywrap_pad(gsk_w->b, gsk_w->len, t->key[i].b, t->key[i].len, w->b, &w->len))
			g->b.err = -EIO;
		bag_key(g, bag(g, IKE_PROTO_ESP, p->spi, IKE_ESP_SPI_LEN), w);
	}
}

void build_wide(struct gks *g, bool sender)
{
	g->b.gsa.has_atd = g->cfg.atd_s > 0;
	g->b.gsa.atd = g->cfg.atd_s;
	g->b.gsa.has_dtd = g->cfg.dtd_s > 0;
	g->b.gsa.dtd = g->cfg.dtd_s;
	g->b.gsa.has_sender_bits = sender;
	g->b.gsa.sender_bits = sender ? g->cfg.sender_bits : 0;
}

int build_put(struct gks *g, struct ike_out *o)
{
	ike_open(o, IKE_PL_GSA);
	gike_gsa_build(&g->b.gsa, o->w);
	ike_close(o);
	ike_open(o, IKE_PL_KD);
	gike_kd_build(&g->b.kd, o->w);
	ike_close(o);
	return o->w->bad ? -EMSGSIZE : g->b.err;
}

struct pending *message_new(struct gks *g)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sa = g->kek.sa;
	p->message_id = g->kek.message_id++;
	p->iv = g->kek.iv++;
	p->sign_id = ++g->sign_id;
	rekey_begin(&p->draft);
	g->dirty = true;
	return p;
}

static void put_delete(struct ike_out *o, uint8_t protocol, const void *spis, unsigned count)
{
	struct ike_payload d = {
		.type = IKE_PL_DELETE,
		.del = {.protocol = protocol,
			.spi_len = protocol == IKE_PROTO_ESP ? IKE_ESP_SPI_LEN : IKE_REKEY_SPI_LEN,
			.count = (uint16_t)count,
			.spis = spis},
	};

	ike_put(o, &d);
}

void message_delete(struct pending *p, uint8_t protocol, const void *spis, unsigned count)
{
	put_delete(&p->draft.o, protocol, spis, count);
}

void gks_put_out(struct ike_out *out)
{
	static const uint8_t zero[IKE_REKEY_SPI_LEN];

	put_delete(out, IKE_PROTO_GIKE_UPDATE, zero, 1);
}

static void pending_free(struct pending *p)
{
	rekey_sa_wipe(&p->sa);
	secret_wipe(&p->draft, sizeof(p->draft));
	free(p);
}

void message_enqueue(struct gks *g, const uint8_t *b, size_t len, uint64_t made_at)
{
	struct queued *q = malloc(sizeof(*q) + len), **end = &g->queue;

	if (!q) /* as if it were lost: members register again before their keys end */
		return;
	*q = (struct queued){.made_at = made_at, .at = g->now, .left = g->cfg.copies, .len = len};
	memcpy(q->b, b, len);
	while (*end)
		end = &(*end)->next;
	*end = q;
	g->dirty = true;
}

static void message_queue(struct gks *g, struct pending *p, const uint8_t *signature)
{
	uint8_t b[REKEY_MESSAGE_MAX], iv[8];
	struct wr w = wr_init(b, sizeof(b)), v = wr_init(iv, sizeof(iv));

	wr_u64(&v, p->iv);
	if (!rekey_seal(&p->sa, p->message_id, &p->draft, signature, iv, &w))
		message_enqueue(g, b, wr_len(&w), g->now);
	pending_free(p);
}

void message_end(struct gks *g, struct pending *p)
{
	static const size_t room = REKEY_MESSAGE_MAX;
	uint8_t b[REKEY_MESSAGE_MAX];
	struct wr w = wr_init(b, room);
	struct pending **end = &g->pending;

	if (rekey_to_sign(&p->sa, p->message_id, &p->draft, g->cfg.signature_len, &w)) {
		pending_free(p);
		return;
	}
	g->rekeys++;
	g->told_at = g->now;
	if (g->cfg.implicit) {
		message_queue(g, p, NULL);
		return;
	}
	while (*end)
		end = &(*end)->next;
	*end = p;
	g->env.sign(g->env.ctx, p->sign_id, b, wr_len(&w));
}

void message_drop(struct gks *g, struct pending *p)
{
	for (struct pending **at = &g->pending; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	pending_free(p);
}

void gks_signed(struct gks *g, uint32_t id, const uint8_t *sig, size_t len, uint64_t now)
{
	g->now = now;
	for (struct pending **at = &g->pending; *at; at = &(*at)->next)
		if ((*at)->sign_id == id) {
			struct pending *p = *at;

			*at = p->next;
			if (len == p->draft.signature_len)
				message_queue(g, p, sig);
			else
				pending_free(p);
			return;
		}
}

bool gks_output(struct gks *g, struct wr *out)
{
	if (!gks_settled(g))
		return false;
	for (struct queued **at = &g->queue; *at; at = &(*at)->next) {
		struct queued *q = *at;

		if (q->at > g->now)
			continue;
		wr_bytes(out, q->b, q->len);
		g->dirty |= q->left == g->cfg.copies; /* it need not be sent after a crash */
		q->at = g->now + g->cfg.copy_gap_ns;
		if (!--q->left) {
			*at = q->next;
			free(q);
		}
		return true;
	}
	return false;
}

void message_forget(struct gks *g)
{
	for (struct queued *q = g->queue, *next; q; q = next) {
		next = q->next;
		free(q);
	}
	g->queue = NULL;
}

uint64_t message_deadline(const struct gks *g)
{
	uint64_t at = GKS_NEVER;

	for (const struct queued *q = g->queue; q; q = q->next)
		at = q->at < at ? q->at : at;
	return at;
}
