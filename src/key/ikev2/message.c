/*
 * Messages out: sealing (RFC 7296 §3.14), fragments (RFC 7383 §2.5), retransmission (§2.1), the
 * queue of datagrams; and opening what came in.
 *
 * What was sent is kept byte by byte: a retransmission is identical, and an IV is used once.
 */
#include "key/ikev2/ikev2_i.h"

#include <stdlib.h>
#include <string.h>

#define SK_ROOM (16 + 16 + 32) /* IV, padding with its length, ICV: at most */
#define SKF_HEAD 4

void out_init(struct out *o)
{
	o->w = wr_init(o->b, sizeof(o->b));
	wr_u8(&o->w, IKE_PL_NONE);
	o->o = ike_out_init(&o->w, 0);
}

void message_send(struct ikev2 *e, const struct esp_end *local, const struct esp_end *remote,
		  const uint8_t *msg, size_t len)
{
	size_t marker = local->port == e->cfg.port_nat ? IKE_MARKER_LEN : 0;
	struct datagram *d = malloc(sizeof(*d) + marker + len);

	if (!d)
		return; /* as if it were lost: it is sent again */
	*d = (struct datagram){.local = *local, .remote = *remote, .len = marker + len};
	memset(d->b, 0, marker);
	memcpy(d->b + marker, msg, len);
	*e->out_end = d;
	e->out_end = &d->next;
	e->stats.sent++;
}

bool ikev2_output(struct ikev2 *e, struct ikev2_datagram *d)
{
	struct datagram *first = e->out;

	if (!first)
		return false;
	e->out = first->next;
	if (!e->out)
		e->out_end = &e->out;
	d->local = first->local;
	d->remote = first->remote;
	d->len = first->len < sizeof(d->b) ? first->len : sizeof(d->b);
	memcpy(d->b, first->b, d->len);
	free(first);
	return true;
}

void message_keepalive(struct ike_sa *sa, uint64_t now)
{
	struct datagram *d = malloc(sizeof(*d) + 1);

	sa->sent_at = now;
	if (!d)
		return;
	*d = (struct datagram){.local = sa->local, .remote = sa->remote, .len = 1};
	d->b[0] = 0xff; /* RFC 3948 §2.3 */
	*sa->e->out_end = d;
	sa->e->out_end = &d->next;
}

/* Sends what is kept: messages, each behind two bytes of length. */
static void send_kept(struct ike_sa *sa, const struct bytes *kept, uint64_t now)
{
	struct rd r = rd_init(kept->b, kept->len);

	while (rd_left(&r)) {
		size_t n = rd_u16(&r);
		const uint8_t *p = rd_bytes(&r, n);

		if (!p)
			break;
		message_send(sa->e, &sa->local, &sa->remote, p, n);
	}
	sa->sent_at = now;
}

/* Where an Encrypted payload's IV goes. AEADs: a counter; CBC: unpredictable. */
static void put_iv(struct ike_sa *sa, struct wr *w)
{
	uint8_t iv[16];

	if (seal_iv_len(keys_out(sa)) == 8) {
		wr_u64(w, sa->iv++);
		return;
	}
	sa->e->env.random(sa->e->env.ctx, iv, sizeof(iv));
	wr_bytes(w, iv, sizeof(iv));
}

/* One sealed message around `len` bytes of a chain; number of total, if it is a fragment. */
static void put_sealed(struct ike_sa *sa, struct wr *kept, struct ike_head h, uint8_t first,
		       const uint8_t *text, size_t len, unsigned number, unsigned total)
{
	const struct seal_key *k = keys_out(sa);
	size_t block = seal_block(k), pad = (block - (len + 1) % block) % block;
	size_t head = IKE_HEAD_LEN + IKE_PAYLOAD_HEAD + (total > 1 ? SKF_HEAD : 0), at;
	size_t all = head + seal_iv_len(k) + len + pad + 1 + seal_icv_len(k);

	h.next = total > 1 ? IKE_PL_SKF : IKE_PL_SK;
	h.len = (uint32_t)all;
	wr_u16(kept, (uint16_t)all);
	at = wr_len(kept);
	ike_head_build(&h, kept);
	wr_u8(kept, number == 1 ? first : IKE_PL_NONE);
	wr_u8(kept, 0);
	wr_u16(kept, (uint16_t)(all - IKE_HEAD_LEN));
	if (total > 1) {
		wr_u16(kept, (uint16_t)number);
		wr_u16(kept, (uint16_t)total);
	}
	put_iv(sa, kept);
	wr_bytes(kept, text, len);
	wr_zero(kept, pad);
	wr_u8(kept, (uint8_t)pad);
	wr_zero(kept, seal_icv_len(k));
	if (!kept->bad && seal_close(k, kept->start + at, head, all))
		kept->bad = true;
}

/* Seals a chain into what is kept of it. */
static bool seal_kept(struct ike_sa *sa, struct ike_head h, struct out *o, struct bytes *kept)
{
	const size_t head = IKE_HEAD_LEN + IKE_PAYLOAD_HEAD + SKF_HEAD,
		     room = FRAGMENT_MAX - head - SK_ROOM;
	uint8_t *text = o->b + 1;
	size_t len = wr_len(&o->w) - 1;
	unsigned total =
		sa->fragment && len > room + SKF_HEAD ? (unsigned)((len + room - 1) / room) : 1;
	size_t size = len + total * (2 + head + SK_ROOM);
	uint8_t *b = o->w.bad || total > FRAGMENTS_MAX ? NULL : malloc(size);
	struct wr w = wr_init(b, b ? size : 0);

	if (!b)
		return false;
	for (unsigned i = 1; i <= total; i++) {
		size_t n = total == 1 ? len : i < total ? room : len - (total - 1) * room;

		put_sealed(sa, &w, h, o->b[0], text, n, i, total);
		text += n;
	}
	secret_wipe(o->b, sizeof(o->b));
	bytes_clear(kept);
	*kept = (struct bytes){b, wr_len(&w)};
	if (w.bad)
		bytes_clear(kept);
	return !w.bad;
}

static struct ike_head head_of(const struct ike_sa *sa, enum ike_exchange x, uint32_t id,
			       bool response)
{
	return (struct ike_head){
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.version = IKE_VERSION,
		.exchange = (uint8_t)x,
		.flags = (uint8_t)((sa->initiator ? IKE_FLAG_INITIATOR : 0) |
				   (response ? IKE_FLAG_RESPONSE : 0)),
		.id = id,
	};
}

static void request_begin(struct ike_sa *sa, enum kind kind, uint64_t now)
{
	sa->req.kind = (uint8_t)kind;
	sa->req.tries = 0;
	sa->req.at = now + jitter(sa->e, RETRY_FIRST);
	sa->dirty = true;
	sa->e->timed = false;
}

void message_request(struct ike_sa *sa, enum ike_exchange x, enum kind kind, struct out *o,
		     uint64_t now)
{
	sa->req.id = sa->next_id++;
	request_begin(sa, kind, now);
	if (seal_kept(sa, head_of(sa, x, sa->req.id, false), o, &sa->req.sent))
		send_kept(sa, &sa->req.sent, now);
	else
		sa_lost(sa, "a request could not be made", now);
}

void message_clear(struct ike_sa *sa, const uint8_t *msg, size_t len, uint64_t now)
{
	uint8_t b[2 + IKEV2_MESSAGE_MAX];
	struct wr w = wr_init(b, sizeof(b));

	wr_u16(&w, (uint16_t)len);
	wr_bytes(&w, msg, len);
	if (w.bad)
		return;
	if (sa->initiator) {
		sa->req.id = 0;
		sa->next_id = 1;
		request_begin(sa, EX_INIT, now);
	}
	if (bytes_set(sa->initiator ? &sa->req.sent : &sa->answer, b, wr_len(&w)))
		send_kept(sa, sa->initiator ? &sa->req.sent : &sa->answer, now);
}

void message_answer(struct ike_sa *sa, enum ike_exchange x, uint32_t id, struct out *o,
		    uint64_t now)
{
	sa->dirty = true;
	if (seal_kept(sa, head_of(sa, x, id, true), o, &sa->answer))
		send_kept(sa, &sa->answer, now);
	else
		sa_lost(sa, "an answer could not be made", now);
}

void message_answer_notify(struct ike_sa *sa, enum ike_exchange x, uint32_t id, uint16_t type,
			   const void *data, size_t len, uint64_t now)
{
	struct out o;

	out_init(&o);
	ike_put_notify(&o.o, type, data, len);
	message_answer(sa, x, id, &o, now);
}

void message_answer_again(struct ike_sa *sa, uint64_t now)
{
	sa->e->stats.retransmits++;
	send_kept(sa, &sa->answer, now);
}

void message_retry(struct ike_sa *sa, uint64_t now)
{
	uint64_t wait = RETRY_FIRST << (sa->req.tries + 1 < 5 ? sa->req.tries + 1 : 5);

	if (sa->req.tries == table_tries(sa->req.kind)) {
		sa_lost(sa, "no answer", now);
		return;
	}
	sa->req.tries++;
	sa->req.at = now + jitter(sa->e, wait < RETRY_MOST ? wait : RETRY_MOST);
	sa->e->stats.retransmits++;
	send_kept(sa, &sa->req.sent, now);
	sa->dirty = true;
	sa->e->timed = false;
}

void message_done(struct ike_sa *sa)
{
	bytes_clear(&sa->req.sent);
	secret_wipe(&sa->req, sizeof(sa->req));
	sa->dirty = true;
	sa->e->timed = false;
}

const uint8_t *message_open(struct ike_sa *sa, const struct ike_payload *sk, uint8_t *msg,
			    size_t len, size_t *text_len)
{
	const struct seal_key *k = keys_in(sa);
	size_t head = len - sk->sk.data.len, iv = seal_iv_len(k), icv = seal_icv_len(k), n;
	uint8_t pad;

	if (seal_open(k, msg, head, len) && !faulty(sa->e, IKEV2_FAULT_SKIP_ICV))
		return NULL;
	n = len - head - iv - icv;
	if (!n)
		return NULL;
	pad = msg[head + iv + n - 1];
	if (pad >= n) /* verified, yet made wrong: the text is empty, which no chain is */
		pad = (uint8_t)(n - 1);
	*text_len = n - 1 - pad;
	return msg + head + iv;
}
