/* What GSA and KD of one message must say together, notifications, and what AUTH signs. */
#include "wire/gike.h"

static enum gike_error keys_agree(const struct gike_gsa *g, const struct gike_kd *k)
{
	for (unsigned i = 0; i < g->count; i++)
		if (!gike_bag_of(k, &g->v[i]))
			return GIKE_NO_KEY;
	/* No policy and no bag is there twice. */
	return k->count == g->count ? GIKE_OK : GIKE_NO_POLICY;
}

static enum gike_error members_agree(const struct gike_gsa *g, const struct gike_kd *k,
				     enum gike_where where)
{
	const struct gike_policy *rekey = gike_rekey_policy(g);
	const struct ike_transform *t = rekey ? gike_transform(rekey, IKE_T_GCAUTH) : NULL;
	bool want = t && t->id == IKE_GCAUTH_SIGNATURE;

	if (where != GIKE_REGISTRATION)
		return GIKE_OK;
	if (want != (k->auth_key.len > 0))
		return GIKE_AUTH_KEY;
	return k->wrap_count && !rekey ? GIKE_ATTRIBUTE : GIKE_OK;
}

static enum gike_error senders_agree(const struct gike_gsa *g, const struct gike_kd *k,
				     uint32_t asked)
{
	bool counter = false;

	for (unsigned i = 0; i < g->count; i++) {
		const struct ike_transform *t = gike_transform(&g->v[i], IKE_T_ENCR);

		counter |= t && g->v[i].protocol != IKE_PROTO_GIKE_UPDATE && gike_counter(t->id);
	}
	if (!counter || !asked)
		return g->has_sender_bits || k->sender_count ? GIKE_SENDER : GIKE_OK;
	if (!g->has_sender_bits || !k->sender_count || k->sender_count > asked)
		return GIKE_SENDER;
	for (unsigned i = 0; i < k->sender_count; i++)
		if ((uint64_t)k->senders[i] >> g->sender_bits)
			return GIKE_SENDER_FIT;
	return GIKE_OK;
}

enum gike_error gike_agree(const struct gike_gsa *g, const struct gike_kd *k, enum gike_where where,
			   uint32_t asked)
{
	enum gike_error err = keys_agree(g, k);

	err = err ? err : members_agree(g, k, where);
	return err || where != GIKE_REGISTRATION ? err : senders_agree(g, k, asked);
}

enum gike_error gike_refusal_check(const struct ike_notify *n)
{
	return n->protocol || n->spi_len ? GIKE_NOTIFY : GIKE_OK;
}

enum gike_error gike_sender_parse(const struct ike_notify *n, uint32_t *count)
{
	struct rd r = rd_init(n->data.p, n->data.len);

	*count = rd_u32(&r);
	return rd_done(&r) ? gike_refusal_check(n) : GIKE_NOTIFY;
}

void gike_put_sender(struct ike_out *o, uint32_t count)
{
	const uint8_t b[4] = {(uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8),
			      (uint8_t)count};

	ike_put_notify(o, IKE_N_GROUP_SENDER, b, sizeof(b));
}

enum gike_error gike_auth_parse(struct gike_auth *a, const struct ike_payload *p)
{
	struct rd r = rd_init(p->auth.data.p, p->auth.data.len);
	uint8_t n = rd_u8(&r);

	a->algorithm.p = rd_bytes(&r, n);
	a->algorithm.len = n;
	a->signature = (struct ike_bytes){r.p, rd_left(&r)};
	if (p->auth.method != IKE_AUTH_SIGNATURE || !n || !a->signature.len)
		return GIKE_AUTH;
	return GIKE_OK;
}

size_t gike_put_auth(struct ike_out *o, struct ike_bytes algorithm, size_t signature_len)
{
	size_t at;

	if (algorithm.len > UINT8_MAX)
		o->w->bad = true;
	ike_open(o, IKE_PL_AUTH);
	wr_u8(o->w, IKE_AUTH_SIGNATURE);
	wr_zero(o->w, 3);
	wr_u8(o->w, (uint8_t)algorithm.len);
	wr_bytes(o->w, algorithm.p, algorithm.len);
	at = wr_len(o->w);
	wr_zero(o->w, signature_len);
	ike_close(o);
	return at;
}

void gike_signed_build(struct wr *w, const struct ike_head *h, uint8_t first, uint8_t flags,
		       struct ike_bytes inner, struct ike_bytes signature)
{
	struct ike_head head = *h;
	size_t payload = IKE_PAYLOAD_HEAD + inner.len;
	size_t before = (size_t)(signature.p - inner.p);

	if (payload > UINT16_MAX || signature.p < inner.p || before > inner.len ||
	    signature.len > inner.len - before) {
		w->bad = true;
		return;
	}
	head.next = IKE_PL_SK;
	head.len = (uint32_t)(IKE_HEAD_LEN + payload);
	ike_head_build(&head, w);
	wr_u8(w, first);
	wr_u8(w, flags);
	wr_u16(w, (uint16_t)payload);
	wr_bytes(w, inner.p, before);
	wr_zero(w, signature.len);
	wr_bytes(w, signature.p + signature.len, inner.len - before - signature.len);
}

const char *gike_error_name(enum gike_error e)
{
	static const char *const names[GIKE_ERROR_COUNT] = {
		[GIKE_OK] = "ok",
		[GIKE_LENGTH] = "length",
		[GIKE_TOO_MANY] = "too-many",
		[GIKE_PROTOCOL] = "protocol",
		[GIKE_SPI] = "spi",
		[GIKE_TWICE] = "twice",
		[GIKE_EMPTY] = "empty",
		[GIKE_SELECTOR] = "selector",
		[GIKE_ADDRESS] = "rekey-address",
		[GIKE_BOTH] = "esp-and-ah",
		[GIKE_TRANSFORM] = "transform",
		[GIKE_INTEGRITY] = "integrity",
		[GIKE_SEQUENCE] = "sequence-numbers",
		[GIKE_IMPLICIT] = "implicit-iv",
		[GIKE_GCAUTH] = "key-server-proof",
		[GIKE_FORMAT] = "attribute-format",
		[GIKE_ATTRIBUTE] = "attribute",
		[GIKE_KEY] = "key-id",
		[GIKE_KEY_COUNT] = "key-count",
		[GIKE_NO_POLICY] = "keys-without-policy",
		[GIKE_NO_KEY] = "policy-without-keys",
		[GIKE_AUTH_KEY] = "auth-key",
		[GIKE_SENDER] = "sender-ids",
		[GIKE_SENDER_FIT] = "sender-id-too-long",
		[GIKE_AUTH] = "auth",
		[GIKE_NOTIFY] = "notify",
	};

	return e < GIKE_ERROR_COUNT ? names[e] : "?";
}
