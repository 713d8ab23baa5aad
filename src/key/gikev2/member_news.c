/* What a message to a group member comes to: policies that it can do, and their keys. */
#include "crypto/keywrap.h"
#include "key/gikev2/member_i.h"

#include <errno.h>
#include <string.h>

static struct esp_ts ts_of(const struct ike_ts *t)
{
	struct esp_ts e = {.family = t->type == IKE_TS_IPV4 ? 4 : 6,
			   .protocol = t->protocol,
			   .port_lo = t->port_from,
			   .port_hi = t->port_to};

	memcpy(e.lo, t->from, e.family == 4 ? 4 : 16);
	memcpy(e.hi, t->to, e.family == 4 ? 4 : 16);
	return e;
}

uint32_t news_spi(const uint8_t b[IKE_ESP_SPI_LEN])
{
	struct rd r = rd_init(b, IKE_ESP_SPI_LEN);

	return rd_u32(&r);
}

/* A ninth of the lifetime before its end, others should have come. */
static uint64_t soft(uint64_t life, uint64_t now)
{
	return now + life - life / 9;
}

static uint64_t life_of(const struct gike_policy *p)
{
	/* Without one (inband), the key server ends it. */
	return p->has_lifetime ? (uint64_t)p->lifetime * SECOND : 18 * 3600 * SECOND;
}

/* The keys of a Data-Security SA are under the default key alone (§3.3). */
static enum gm_result data_news(struct gm *m, struct news *n, const struct gike_policy *p,
				const struct gike_bag *b, const struct secret *gsk_w, uint64_t now)
{
	const struct gike_wrapped *w = &m->kd.keys[b->first];
	const struct ike_transform *encr = gike_transform(p, IKE_T_ENCR);
	struct data_sa *s = &n->sas[n->sa_count];
	uint8_t key[LKH_SA_KEY_MAX];
	size_t len;
	int suite;

	if (p->protocol != IKE_PROTO_ESP)
		return GM_ALGORITHM;
	suite = esp_suite_by_transforms(encr->id, encr->key_bits, 0);
	if (suite < 0)
		return GM_ALGORITHM;
	if (n->sa_count == GM_SAS_MAX)
		return GM_ROOM;
	if (w->data.len > LKH_SA_WRAPPED_MAX ||
	    keywrap_unpad(gsk_w->b, gsk_w->len, w->data.p, w->data.len, key, &len))
		return GM_KEYS;
	if (len != (size_t)esp_suites[suite].key_len + esp_suites[suite].salt_len) {
		secret_wipe(key, sizeof(key));
		return GM_KEYS;
	}
	*s = (struct data_sa){
		.s = {.group = m->cfg.group,
		      .suite = (uint8_t)suite,
		      .mode = n->mode,
		      .replay = gike_transform(p, IKE_T_ESN)->id == IKE_ESN_NO,
		      .spi = news_spi(p->spi),
		      .from = ts_of(&p->from),
		      .to = ts_of(&p->to),
		      .hard_at = now + life_of(p)},
		.soft_at = soft(life_of(p), now),
		.send_at = GM_NEVER,
		.gone_at = GM_NEVER,
		.last_at = GM_NEVER,
	};
	(void)secret_set(&s->s.key, key, len);
	secret_wipe(key, sizeof(key));
	n->sa_count++;
	return GM_OK;
}

static enum gm_result kek_news(struct gm *m, struct news *n, const struct gike_policy *p,
			       const struct gike_bag *b, const struct secret *gsk_w,
			       enum gike_where where, uint64_t now)
{
	static const struct lkh_path none;
	uint8_t key[LKH_SA_KEY_MAX];
	struct kek *k = &n->kek;
	size_t len;
	enum lkh_result res;
	int err;

	if (!rekey_keymat_len(p))
		return GM_ALGORITHM;
	res = lkh_find(where == GIKE_REGISTRATION ? &none : &m->path, &m->kd, b, gsk_w, gsk_w->len,
		       key, &len, &n->path);
	if (res != LKH_OK)
		return res == LKH_EXCLUDED ? GM_EXCLUDED : GM_KEYS;
	n->has_path = true;
	*k = (struct kek){
		.expected = p->message_id,
		.hard_at = now + life_of(p),
		.soft_at = soft(life_of(p), now),
		.gone_at = GM_NEVER,
	};
	err = rekey_sa_init(&k->sa, p, key, len);
	secret_wipe(key, sizeof(key));
	if (err)
		return GM_KEYS;
	if (where == GIKE_REGISTRATION)
		err = rekey_sa_auth(&k->sa, p, m->kd.auth_key);
	else if (m->kek_count)
		rekey_sa_auth_of(&k->sa, &m->keks[0].sa);
	else
		err = -ENOTSUP;
	if (!err && where == GIKE_REKEY && m->kd.auth_key.len)
		err = rekey_sa_key(&k->sa, m->kd.auth_key);
	if (err)
		return GM_ALGORITHM;
	for (; k->next_count < p->next_count; k->next_count++)
		memcpy(k->next[k->next_count], p->next[k->next_count], IKE_REKEY_SPI_LEN);
	n->has_kek = true;
	return GM_OK;
}

static enum gm_result payload(struct gm *m, enum gike_error err)
{
	m->payload = err;
	return GM_PAYLOAD;
}

/* Reads GSA and KD of a message and all keys in it; nothing of it is taken yet. */
enum gm_result news_read(struct gm *m, const struct ike_chain *c, const struct secret *gsk_w,
			 enum gike_where where, struct news *n, uint64_t now)
{
	const struct ike_payload *gsa = ike_find(c, IKE_PL_GSA), *kd = ike_find(c, IKE_PL_KD);
	enum gike_error err;
	enum gm_result res = GM_OK;

	*n = (struct news){.mode = m->mode};
	if (!gsa && !kd && where != GIKE_REGISTRATION)
		return GM_OK;
	if (!gsa || !kd)
		return payload(m, GIKE_EMPTY);
	err = gike_gsa_parse(&m->gsa, gsa->body, where);
	err = err ? err : gike_kd_parse(&m->kd, kd->body, where);
	err = err ? err : gike_agree(&m->gsa, &m->kd, where, m->cfg.sends ? m->cfg.sender_ids : 0);
	if (err)
		return payload(m, err);
	if (where == GIKE_REGISTRATION)
		n->mode = ike_find_notify(c, IKE_N_TRANSPORT_MODE) ? ESP_TRANSPORT : ESP_TUNNEL;
	for (unsigned i = 0; i < m->gsa.count && res == GM_OK; i++) {
		const struct gike_policy *p = &m->gsa.v[i];
		const struct gike_bag *b = gike_bag_of(&m->kd, p);

		res = p->protocol == IKE_PROTO_GIKE_UPDATE ? kek_news(m, n, p, b, gsk_w, where, now)
							   : data_news(m, n, p, b, gsk_w, now);
	}
	return res;
}
