/*
 * From a datagram to a row of the exchange table, the cheap checks first: the header, whose IKE SA
 * it is, whether its message ID is expected (RFC 7296 §2.2, §2.3), and only then the ICV. Until
 * that verified nothing but a counter moves.
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

static enum ikev2_result init_input(struct ikev2 *e, struct in *in)
{
	const uint32_t required = IKE_BIT(IKE_PL_SA) | IKE_BIT(IKE_PL_KE) | IKE_BIT(IKE_PL_NONCE);
	const uint32_t optional =
		IKE_BIT(IKE_PL_NOTIFY) | IKE_BIT(IKE_PL_VENDOR) | IKE_BIT(IKE_PL_CERTREQ);
	bool response = in->h->flags & IKE_FLAG_RESPONSE;
	struct ike_sa *sa;

	if (response == !!(in->h->flags & IKE_FLAG_INITIATOR) || in->h->id)
		return IKEV2_FLAGS;
	if (ike_chain_parse(&e->chain, in->h->next, in->msg + IKE_HEAD_LEN, in->len - IKE_HEAD_LEN,
			    true))
		return IKEV2_MALFORMED;
	if (e->chain.critical)
		return IKEV2_CLEAR_CRITICAL;
	if (response) {
		sa = ike_sa_find(e, in->h->spi_i);
		if (!sa || !sa->initiator)
			return IKEV2_UNKNOWN_SPI;
		if (sa->state != ST_INIT_SENT || !end_same(&sa->remote, in->remote))
			return IKEV2_WINDOW;
		return table_response(sa, in);
	}
	if (in->h->spi_r)
		return IKEV2_FLAGS;
	if ((e->chain.present & required) != required || e->chain.present & ~(required | optional))
		return IKEV2_CLEAR_PAYLOADS;
	return init_request(e, in);
}

/* Keys of a half-open IKE SA: what its DH value costs is spent once, on the first message that
 * claims to be its next. */
static enum ikev2_result half_open_keys(struct ike_sa *sa)
{
	uint8_t shared[DH_PUBLIC_MAX];
	int err;

	if (sa->keys.d.len)
		return IKEV2_OK;
	err = dh_shared(&sa->dh, sa->their_ke, dh_public_len(sa->dh.group), shared);
	err = err ? err : keys_init(sa, shared, dh_shared_len(sa->dh.group));
	secret_wipe(shared, sizeof(shared));
	secret_wipe(&sa->dh.b, sizeof(sa->dh.b));
	if (err) {
		secret_wipe(&sa->keys, sizeof(sa->keys));
		return IKEV2_KEY_EXCHANGE;
	}
	return IKEV2_OK;
}

/* Exchanges under the keys of an IKE SA. */
static bool of_ike_sa(uint8_t exchange)
{
	return (exchange >= IKE_AUTH && exchange <= IKE_INFORMATIONAL) ||
	       exchange == IKE_GSA_AUTH || exchange == IKE_GSA_REGISTRATION ||
	       exchange == IKE_GSA_INBAND_REKEY;
}

/* The IKE SA of a protected message, if it may come now. */
static enum ikev2_result find(struct ikev2 *e, const struct in *in, struct ike_sa **found)
{
	bool from_initiator = in->h->flags & IKE_FLAG_INITIATOR;
	bool response = in->h->flags & IKE_FLAG_RESPONSE;
	struct ike_sa *sa = ike_sa_find(e, from_initiator ? in->h->spi_r : in->h->spi_i);

	if (!sa || sa->initiator == from_initiator)
		return IKEV2_UNKNOWN_SPI;
	if (sa->spi_i != in->h->spi_i || sa->spi_r != in->h->spi_r)
		return IKEV2_UNKNOWN_SPI;
	*found = sa;
	if (!of_ike_sa(in->h->exchange))
		return IKEV2_EXCHANGE;
	if (response) {
		if (!sa->req.kind || sa->req.id != in->h->id)
			return IKEV2_WINDOW;
		return table_expects(sa, in->h->exchange, true) ? IKEV2_OK : IKEV2_EXCHANGE;
	}
	/* A rekeyed IKE SA counts from 0; in a half-open one 0 was IKE_SA_INIT. */
	if (sa->their_id && in->h->id == sa->their_id - 1 && sa->state != ST_HALF_OPEN &&
	    !faulty(e, IKEV2_FAULT_SKIP_WINDOW))
		return IKEV2_OK; /* answered before */
	if (in->h->id != sa->their_id && !faulty(e, IKEV2_FAULT_SKIP_WINDOW))
		return IKEV2_WINDOW;
	if (!table_expects(sa, in->h->exchange, false))
		return IKEV2_EXCHANGE;
	return sa->state == ST_HALF_OPEN ? half_open_keys(sa) : IKEV2_OK;
}

void input_fatal(struct ike_sa *sa, const struct in *in, uint16_t type)
{
	bool was_up = sa->state == ST_UP;

	sa->why = "a message that verified cannot be read";
	tell_trouble(sa->e, sa->peer, IKEV2_EV_TROUBLE, in->now, "%s", sa->why);
	if (!(in->h->flags & IKE_FLAG_RESPONSE)) {
		message_answer_notify(sa, in->h->exchange, in->h->id, type, NULL, 0, in->now);
		rekey_settle(sa, in->now);
		sa_close_children(sa, false, in->now);
		message_done(sa);
		sa_state(sa, ST_CLOSED, in->now);
		sa->why = NULL;
		if (sa->peer && was_up)
			peer_again(sa->peer, in->now);
		return;
	}
	sa->why = NULL;
	message_done(sa);
	if (was_up || sa->state == ST_REPLACED)
		sa->want_close = true;
	else
		sa_lost(sa, "its answer cannot be read", in->now);
}

/* The peer's address changed, and it is the one behind a NAT (§2.23): what verified shows where. */
static void follow(struct ike_sa *sa, const struct in *in)
{
	if (!sa->nat_remote || sa->nat_local || sa->state == ST_HALF_OPEN ||
	    (end_same(&sa->remote, in->remote) && sa->remote.port == in->remote->port))
		return;
	sa->remote = *in->remote;
	sa->dirty = true;
	for (struct child_sa *c = sa->children; c; c = c->next)
		child_resync(sa, c);
}

/* A request on what a rekeying of the peer's made while ours of the same IKE SA is still out: the
 * peer has decided. */
static void decided(struct ike_sa *sa, const struct in *in)
{
	if (sa->initiator || sa->state != ST_UP)
		return;
	for (unsigned i = 0; i < in->c->count; i++)
		if (in->c->v[i].type == IKE_PL_DELETE && in->c->v[i].del.protocol == IKE_PROTO_IKE)
			return;
	for (struct ike_sa *o = sa->e->sas; o; o = o->next)
		if (o->req.kind == EX_IKE_REKEY && o->req.collided && o->req.other == sa_spi(sa))
			rekey_settle(o, in->now);
}

/* What was inside, whole. */
static enum ikev2_result inner_input(struct ike_sa *sa, struct in *in, uint8_t first,
				     const uint8_t *text, size_t len)
{
	struct ikev2 *e = sa->e;
	bool response = in->h->flags & IKE_FLAG_RESPONSE;

	if (!response)
		sa->their_id++;
	sa->dirty = true;
	in->c = &e->inner;
	if (ike_chain_parse(&e->inner, first, text, len, false)) {
		input_fatal(sa, in, IKE_N_INVALID_SYNTAX);
		return IKEV2_INNER;
	}
	if (e->inner.critical) {
		if (response)
			input_fatal(sa, in, 0);
		else
			message_answer_notify(sa, in->h->exchange, in->h->id,
					      IKE_N_UNSUPPORTED_CRITICAL, &e->inner.critical, 1,
					      in->now);
		return IKEV2_CRITICAL;
	}
	if (!response)
		decided(sa, in);
	return response ? table_response(sa, in) : table_request(sa, in);
}

static enum ikev2_result protected_input(struct ikev2 *e, struct in *in)
{
	const struct ike_payload *sk;
	struct ike_sa *sa = NULL;
	enum ikev2_result r;
	const uint8_t *text;
	uint8_t first;
	size_t len;

	if (in->len > sizeof(e->buf) ||
	    ike_chain_parse(&e->chain, in->h->next, in->msg + IKE_HEAD_LEN, in->len - IKE_HEAD_LEN,
			    true))
		return IKEV2_MALFORMED;
	sk = e->chain.count == 1 && !e->chain.unknown ? &e->chain.v[0] : NULL;
	if (!sk || (sk->type != IKE_PL_SK && sk->type != IKE_PL_SKF))
		return IKEV2_MALFORMED;
	r = find(e, in, &sa);
	if (r)
		return r;
	if (sk->type == IKE_PL_SKF && !sa->fragment)
		return IKEV2_FRAGMENT;
	memcpy(e->buf, in->msg, in->len);
	text = message_open(sa, sk, e->buf, in->len, &len);
	if (!text)
		return IKEV2_ICV;
	e->timed = false;
	if (!(in->h->flags & IKE_FLAG_RESPONSE) && in->h->id == sa->their_id - 1 &&
	    !faulty(e, IKEV2_FAULT_SKIP_WINDOW)) {
		if (sk->sk.number == 1)
			message_answer_again(sa, in->now);
		return IKEV2_RETRANSMIT; /* anybody may have sent it again */
	}
	sa->heard_at = in->now;
	sa->want_dpd = false;
	follow(sa, in);
	first = sk->sk.first;
	if (sk->type == IKE_PL_SKF) {
		r = fragment_add(sa, sk, in->h->id, text, len);
		if (r)
			return r;
		len = fragment_whole(sa, &first);
		text = e->buf;
	}
	r = inner_input(sa, in, first, text, len);
	secret_wipe(e->buf, len < sizeof(e->buf) ? len : sizeof(e->buf));
	return r;
}

static void refuse_version(struct ikev2 *e, const struct in *in)
{
	uint8_t msg[64];
	struct wr w = wr_init(msg, sizeof(msg));
	struct ike_head h = *in->h;
	struct ike_out o;

	if (h.flags & IKE_FLAG_RESPONSE || h.version >> 4 <= 2)
		return;
	h.version = IKE_VERSION;
	h.flags = IKE_FLAG_RESPONSE;
	h.len = IKE_HEAD_LEN + IKE_PAYLOAD_HEAD + 4;
	ike_head_build(&h, &w);
	o = ike_out_init(&w, 16);
	ike_put_notify(&o, IKE_N_INVALID_MAJOR, NULL, 0);
	message_send(e, in->local, in->remote, msg, wr_len(&w));
}

/* The header, which in->h names, is the caller's. */
static enum ikev2_result input(struct ikev2 *e, struct in *in, struct ike_head *h)
{
	enum ike_error err;

	if (in->local->port == e->cfg.port_nat) {
		static const uint8_t marker[IKE_MARKER_LEN];

		if (in->len < IKE_MARKER_LEN || memcmp(in->msg, marker, IKE_MARKER_LEN) != 0)
			return IKEV2_NOT_IKE;
		in->msg += IKE_MARKER_LEN;
		in->len -= IKE_MARKER_LEN;
	}
	if (in->len < IKE_HEAD_LEN)
		return IKEV2_NOT_IKE;
	err = ike_head_parse(h, in->msg, in->len);
	in->h = h;
	in->c = &e->chain;
	if (err == IKE_WIRE_VERSION) {
		refuse_version(e, in);
		return IKEV2_VERSION;
	}
	if (err)
		return IKEV2_MALFORMED;
	return h->exchange == IKE_SA_INIT ? init_input(e, in) : protected_input(e, in);
}

enum ikev2_result ikev2_input(struct ikev2 *e, const struct esp_end *local,
			      const struct esp_end *remote, const void *data, size_t len,
			      uint64_t now)
{
	struct in in = {.local = local, .remote = remote, .msg = data, .len = len, .now = now};
	struct ike_head h;
	enum ikev2_result r = input(e, &in, &h);

	e->stats.results[r]++;
	return r;
}
