/*
 * Malformed, forged and replayed IKE. A row is a defect, the clause it offends and the counter that
 * must move: that one by one, and no other. The victim is node 1, with an IKE SA and a child with
 * node 0, and a third node configured that has none.
 *
 * The first two tables need no key: what anybody on the way can send. The digest of the victim's
 * state stays, and no more than one datagram is answered. The third table's messages are sealed
 * with node 0's keys: a peer gone mad. What it may cost is its own IKE SA and nothing else, and
 * only where §2.21.3 says so.
 */
#include "key/ikev2/ikev2_lan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define VICTIM 1
#define T0 LAN_TUNNEL(0)

struct scene {
	struct lan *l;
	uint8_t b[4096];
	size_t len;
	unsigned from;
	/* what is sealed */
	uint8_t exchange, flags, first;
	uint32_t id;
	struct out o;
};

static struct ikev2_datagram caught;
static unsigned catch_from = LAN_NODES;

static bool catch_it(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	(void)l;
	(void)to;
	if (from != catch_from)
		return false;
	caught = *d;
	return true;
}

static struct scene *scene_new(void)
{
	static struct scene s;

	s = (struct scene){.l = lan_new(3)};
	for (unsigned i = 0; i < 3; i++)
		lan_start(s.l, i);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < 3; j++) {
			struct ikev2_peer p = lan_peer(s.l, i, j);

			p.start = i == 0 && j == 1;
			if (i != j)
				assert_int_equal(ikev2_peer_set(s.l->nodes[i].e, &p, s.l->now), 0);
		}
	assert_true(lan_until(s.l, lan_both, 5 * NS_PER_S));
	lan_run(s.l, s.l->now + 5 * NS_PER_S);
	s.l->drop = catch_it;
	catch_from = LAN_NODES;
	return &s;
}

/* The IKE_SA_INIT request of node 2, on its way. */
static void base_init(struct scene *s)
{
	struct lan *l = s->l;

	catch_from = 2;
	assert_int_equal(ikev2_up(l->nodes[2].e, LAN_TUNNEL(1), l->now), 0);
	ikev2_expire(l->nodes[2].e, l->now);
	lan_flush(l, 2);
	memcpy(s->b, caught.b, caught.len);
	s->len = caught.len;
	s->from = 2;
}

/* Node 0 asks whether its peer lives, and that is on its way. */
static void base_sealed(struct scene *s)
{
	struct lan *l = s->l;

	catch_from = 0;
	lan_sa_of(&l->nodes[0], LAN_TUNNEL(1))->want_dpd = true;
	ikev2_expire(l->nodes[0].e, l->now);
	lan_flush(l, 0);
	memcpy(s->b, caught.b, caught.len);
	s->len = caught.len;
	s->from = 0;
}

static void fix_length(struct scene *s)
{
	struct wr w = wr_init(s->b + 24, 4);

	wr_u32(&w, (uint32_t)s->len);
}

/* Where the n-th payload of that type starts in a clear message. */
static size_t payload_at(const struct scene *s, uint8_t type)
{
	uint8_t next = s->b[16];
	size_t at = IKE_HEAD_LEN;

	while (next && next != type) {
		next = s->b[at];
		at += (size_t)s->b[at + 2] << 8 | s->b[at + 3];
	}
	assert_int_equal(next, type);
	return at;
}

/* Where the type of that payload is written. */
static size_t link_to(const struct scene *s, uint8_t type)
{
	uint8_t next = s->b[16];
	size_t at = IKE_HEAD_LEN, link = 16;

	while (next && next != type) {
		next = s->b[at];
		link = at;
		at += (size_t)s->b[at + 2] << 8 | s->b[at + 3];
	}
	return link;
}

static void set8(struct scene *s, size_t at, uint8_t v)
{
	s->b[at] = v;
}

/* --- what one can do to a message in clear --- */

static void head_set(struct scene *s, unsigned arg)
{
	set8(s, arg >> 8, (uint8_t)arg);
}

static void cut(struct scene *s, unsigned arg)
{
	s->len -= arg;
}

static void cut_fixed(struct scene *s, unsigned arg)
{
	s->len -= arg;
	fix_length(s);
}

static void cut_to(struct scene *s, unsigned arg)
{
	s->len = arg;
}

static void append(struct scene *s, unsigned arg)
{
	memset(s->b + s->len, 0, arg);
	s->len += arg;
}

static void append_fixed(struct scene *s, unsigned arg)
{
	append(s, arg);
	fix_length(s);
}

static void no_spi(struct scene *s, unsigned arg)
{
	memset(s->b + arg, 0, 8);
}

static void rename_payload(struct scene *s, unsigned arg)
{
	set8(s, link_to(s, (uint8_t)(arg >> 8)), (uint8_t)arg);
}

static void unknown_critical(struct scene *s, unsigned arg)
{
	size_t at = payload_at(s, IKE_PL_NOTIFY);

	rename_payload(s, IKE_PL_NOTIFY << 8 | arg);
	s->b[at + 1] = 0x80;
}

static void payload_length(struct scene *s, unsigned arg)
{
	size_t at = payload_at(s, (uint8_t)(arg >> 16));

	s->b[at + 2] = (uint8_t)(arg >> 8);
	s->b[at + 3] = (uint8_t)arg;
}

/* A byte of a payload's body, arg: type, offset, value. */
static void body_set(struct scene *s, unsigned arg)
{
	set8(s, payload_at(s, (uint8_t)(arg >> 16)) + 4 + (arg >> 8 & 0xff), (uint8_t)arg);
}

/* Takes n bytes off the end of a payload's body. */
static void shorten(struct scene *s, unsigned arg)
{
	size_t at = payload_at(s, (uint8_t)(arg >> 8)), n = arg & 0xff;
	size_t len = (size_t)s->b[at + 2] << 8 | s->b[at + 3];

	memmove(s->b + at + len - n, s->b + at + len, s->len - at - len);
	len -= n;
	s->b[at + 2] = (uint8_t)(len >> 8);
	s->b[at + 3] = (uint8_t)len;
	s->len -= n;
	fix_length(s);
}

/* Other transforms everywhere: type and identifier. */
static void all_transforms(struct scene *s, unsigned arg)
{
	size_t at = payload_at(s, IKE_PL_SA), end = at + ((size_t)s->b[at + 2] << 8 | s->b[at + 3]);

	for (at += 12; at < end; at += (size_t)s->b[at + 2] << 8 | s->b[at + 3])
		if (s->b[at + 4] == arg >> 8)
			s->b[at + 7] = (uint8_t)arg;
}

static void key_length(struct scene *s, unsigned arg)
{
	size_t at = payload_at(s, IKE_PL_SA) + 12;

	s->b[at + 11] = (uint8_t)arg; /* of AES-GCM, first */
	s->b[at + 12 + 7] = 3;        /* and ChaCha20 is 3DES */
}

static void a_stranger(struct scene *s, unsigned arg)
{
	s->l->nodes[2].at.addr[3] = (uint8_t)arg;
}

static void flip(struct scene *s, unsigned arg)
{
	s->b[arg < 0x8000 ? arg : s->len - (0x10000 - arg)] ^= 1;
}

static void nothing(struct scene *s, unsigned arg)
{
	(void)s;
	(void)arg;
}

#define HEAD(at, v) ((at) << 8 | (v))
#define BODY(type, at, v) ((unsigned)IKE_PL_##type << 16 | (at) << 8 | (v))

static const struct row {
	const char *defect, *clause;
	enum ikev2_result want;
	void (*spoil)(struct scene *s, unsigned arg);
	unsigned arg;
} init_rows[] = {
	{"nothing at all", "3.1", IKEV2_NOT_IKE, cut_to, 0},
	{"a header cut off", "3.1", IKEV2_NOT_IKE, cut_to, 27},
	{"shorter than it says", "3.1", IKEV2_MALFORMED, cut, 1},
	{"longer than it says", "3.1", IKEV2_MALFORMED, append, 1},
	{"an initiator's SPI of zero", "3.1", IKEV2_MALFORMED, no_spi, 0},
	{"major version 1", "3.1", IKEV2_VERSION, head_set, HEAD(17, 0x10)},
	{"major version 3", "2.5", IKEV2_VERSION, head_set, HEAD(17, 0x30)},
	{"an exchange of IKEv1", "3.1", IKEV2_MALFORMED, head_set, HEAD(18, 4)},
	{"IKE_AUTH in clear", "3.1", IKEV2_MALFORMED, head_set, HEAD(18, IKE_AUTH)},
	{"CREATE_CHILD_SA in clear", "3.1", IKEV2_MALFORMED, head_set,
	 HEAD(18, IKE_CREATE_CHILD_SA)},
	{"INFORMATIONAL in clear", "1.4", IKEV2_MALFORMED, head_set, HEAD(18, IKE_INFORMATIONAL)},
	{"an exchange nobody knows", "3.1", IKEV2_MALFORMED, head_set, HEAD(18, 240)},
	{"a request not by the initiator", "3.1", IKEV2_FLAGS, head_set, HEAD(19, 0)},
	{"an answer by the initiator", "3.1", IKEV2_FLAGS, head_set, HEAD(19, 0x28)},
	{"an answer that nobody asked for", "2.2", IKEV2_UNKNOWN_SPI, head_set, HEAD(19, 0x20)},
	{"message ID 1", "2.2", IKEV2_FLAGS, head_set, HEAD(23, 1)},
	{"a responder's SPI", "3.1", IKEV2_FLAGS, head_set, HEAD(9, 1)},
	{"a first payload that is none", "3.2", IKEV2_MALFORMED, head_set, HEAD(16, 0)},
	{"bytes behind the last payload", "3.2", IKEV2_MALFORMED, append_fixed, 4},
	{"the last payload cut off", "3.2", IKEV2_MALFORMED, cut_fixed, 1},
	{"a payload of three bytes", "3.2", IKEV2_MALFORMED, payload_length,
	 IKE_PL_NONCE << 16 | 3},
	{"a payload beyond the end", "3.2", IKEV2_MALFORMED, payload_length,
	 IKE_PL_NONCE << 16 | 0xffff},
	{"an unknown critical payload", "2.5", IKEV2_CLEAR_CRITICAL, unknown_critical, 200},
	{"a critical EAP payload", "2.5", IKEV2_CLEAR_CRITICAL, unknown_critical, IKE_PL_EAP},
	{"no SA", "1.2", IKEV2_CLEAR_PAYLOADS, rename_payload, IKE_PL_SA << 8 | IKE_PL_VENDOR},
	{"no KE", "1.2", IKEV2_CLEAR_PAYLOADS, rename_payload, IKE_PL_KE << 8 | IKE_PL_VENDOR},
	{"no nonce", "1.2", IKEV2_CLEAR_PAYLOADS, rename_payload,
	 IKE_PL_NONCE << 8 | IKE_PL_VENDOR},
	{"an identity in clear", "1.2", IKEV2_CLEAR_PAYLOADS, rename_payload,
	 IKE_PL_NOTIFY << 8 | IKE_PL_IDI},
	{"AUTH in clear", "1.2", IKEV2_CLEAR_PAYLOADS, rename_payload,
	 IKE_PL_NOTIFY << 8 | IKE_PL_AUTH},
	{"two nonces", "3.9", IKEV2_MALFORMED, rename_payload, IKE_PL_NOTIFY << 8 | IKE_PL_NONCE},
	{"two KE", "3.4", IKEV2_MALFORMED, rename_payload, IKE_PL_NONCE << 8 | IKE_PL_KE},
	{"a nonce of 15 bytes", "3.9", IKEV2_MALFORMED, shorten, IKE_PL_NONCE << 8 | 17},
	{"a proposal longer than its payload", "3.3.1", IKEV2_MALFORMED, body_set, BODY(SA, 2, 1)},
	{"a proposal that says there is another", "3.3.1", IKEV2_MALFORMED, body_set,
	 BODY(SA, 0, 2)},
	{"a proposal of fewer transforms", "3.3.1", IKEV2_MALFORMED, body_set, BODY(SA, 7, 2)},
	{"a proposal of more transforms", "3.3.1", IKEV2_MALFORMED, body_set, BODY(SA, 7, 99)},
	{"an SPI in a first proposal", "3.3.1", IKEV2_MALFORMED, body_set, BODY(SA, 6, 8)},
	{"a proposal for ESP", "3.3.1", IKEV2_NO_PROPOSAL, body_set, BODY(SA, 5, 3)},
	{"no encryption in common", "2.7", IKEV2_NO_PROPOSAL, all_transforms, 1 << 8 | 3},
	{"encryption that authenticates nothing", "3.3.3", IKEV2_NO_PROPOSAL, all_transforms,
	 1 << 8 | 12},
	{"no PRF in common", "2.7", IKEV2_NO_PROPOSAL, all_transforms, 2 << 8 | 2},
	{"no DH group in common", "2.7", IKEV2_NO_PROPOSAL, all_transforms, 4 << 8 | 2},
	{"the DH group that is none", "3.3.2", IKEV2_NO_PROPOSAL, all_transforms, 4 << 8},
	{"a transform of a type nobody knows", "3.3.6", IKEV2_NO_PROPOSAL, body_set,
	 BODY(SA, 12, 9)},
	{"an AES key of 192 bits alone", "3.3.5", IKEV2_NO_PROPOSAL, key_length, 192},
	{"a KE of another group than proposed", "1.2", IKEV2_GROUP, body_set, BODY(KE, 1, 2)},
	{"a KE of a weaker group, also proposed", "1.3", IKEV2_GROUP, body_set, BODY(KE, 1, 19)},
	{"a KE one byte short", "3.4", IKEV2_KEY_EXCHANGE, shorten, IKE_PL_KE << 8 | 1},
	{"from where nobody is configured", "2.1", IKEV2_NO_PEER, a_stranger, 77},
};

static const struct row sealed_rows[] = {
	{"one bit of the ICV", "3.14", IKEV2_ICV, flip, 0xffff},
	{"one bit of the text", "3.14", IKEV2_ICV, flip, 0xffff - 17},
	{"one bit of the IV", "3.14", IKEV2_ICV, flip, 32},
	{"the payload's first type", "3.14", IKEV2_ICV, head_set, HEAD(28, 41)},
	{"the payload's reserved bits", "3.14", IKEV2_ICV, head_set, HEAD(29, 1)},
	{"the payload made critical", "3.14", IKEV2_ICV, head_set, HEAD(29, 0x80)},
	{"a minor version", "3.1", IKEV2_ICV, head_set, HEAD(17, 0x21)},
	{"a flag that is reserved", "3.1", IKEV2_ICV, head_set, HEAD(19, 0x09)},
	{"another exchange", "3.1", IKEV2_ICV, head_set, HEAD(18, IKE_CREATE_CHILD_SA)},
	{"IKE_AUTH once more", "1.2", IKEV2_EXCHANGE, head_set, HEAD(18, IKE_AUTH)},
	{"an exchange nobody knows", "3.1", IKEV2_EXCHANGE, head_set, HEAD(18, 38)},
	{"GSA_AUTH", "3.1", IKEV2_EXCHANGE, head_set, HEAD(18, 39)},
	{"the next message ID but one", "2.3", IKEV2_WINDOW, head_set, HEAD(23, 3)},
	{"a message ID far ahead", "2.3", IKEV2_WINDOW, head_set, HEAD(20, 0x7f)},
	{"a message ID long past", "2.3", IKEV2_WINDOW, head_set, HEAD(23, 0)},
	{"an answer to nothing", "2.2", IKEV2_WINDOW, head_set, HEAD(19, 0x28)},
	{"sent back to its sender's side", "2.2", IKEV2_UNKNOWN_SPI, head_set, HEAD(19, 0)},
	{"another SPI of the initiator's", "3.1", IKEV2_UNKNOWN_SPI, flip, 0},
	{"another SPI of the responder's", "3.1", IKEV2_UNKNOWN_SPI, flip, 15},
	{"no SPI of the responder's", "3.1", IKEV2_UNKNOWN_SPI, no_spi, 8},
	{"one byte cut off", "3.1", IKEV2_MALFORMED, cut, 1},
	{"one byte cut off, the header mended", "3.2", IKEV2_MALFORMED, cut_fixed, 1},
	{"bytes behind the payload", "3.14", IKEV2_MALFORMED, append_fixed, 8},
	{"a notification in clear instead", "3.14", IKEV2_MALFORMED, head_set, HEAD(16, 41)},
	{"an unknown payload instead", "3.14", IKEV2_MALFORMED, head_set, HEAD(16, 200)},
	{"no payload at all", "3.14", IKEV2_MALFORMED, head_set, HEAD(16, 0)},
	{"a fragment whose number is not one", "7383 2.5", IKEV2_MALFORMED, head_set,
	 HEAD(16, IKE_PL_SKF)},
};

/* Throws it; that counter alone moves, and the state stays. */
static void throw_row(struct scene *s, const struct row *row)
{
	struct ikev2 *v = s->l->nodes[VICTIM].e;
	uint64_t before[IKEV2_RESULT_COUNT], digest = ikev2_digest(v), sent = v->stats.sent;
	enum ikev2_result r;

	memcpy(before, v->stats.results, sizeof(before));
	r = lan_throw(s->l, s->from, VICTIM, s->b, s->len);
	if (r != row->want || v->stats.results[r] != before[r] + 1)
		fail_msg("%s (%s): %s", row->defect, row->clause, ikev2_result_name(r));
	before[r]++;
	assert_memory_equal(before, v->stats.results, sizeof(before));
	if (digest != ikev2_digest(v) || v->half_open)
		fail_msg("%s (%s) changed something", row->defect, row->clause);
	if (v->stats.sent > sent + 1)
		fail_msg("%s (%s) is answered more than once", row->defect, row->clause);
}

static void rows_run(const struct row *rows, size_t count, void (*base)(struct scene *s))
{
	for (size_t i = 0; i < count; i++) {
		struct scene *s = scene_new();

		base(s);
		rows[i].spoil(s, rows[i].arg);
		throw_row(s, &rows[i]);
		lan_free(s->l);
	}
}

static void beginnings_that_anybody_can_send(void **state)
{
	(void)state;
	rows_run(init_rows, sizeof(init_rows) / sizeof(init_rows[0]), base_init);
}

static void forgeries_on_the_way(void **state)
{
	(void)state;
	rows_run(sealed_rows, sizeof(sealed_rows) / sizeof(sealed_rows[0]), base_sealed);
}

static void what_is_not_spoilt_is_taken(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	base_sealed(s);
	nothing(s, 0);
	assert_int_equal(lan_throw(s->l, 0, VICTIM, s->b, s->len), IKEV2_OK);
	lan_free(s->l);
	s = scene_new();
	base_init(s);
	assert_int_equal(lan_throw(s->l, 2, VICTIM, s->b, s->len), IKEV2_OK);
	lan_free(s->l);
}

/* A replay is answered as before, byte by byte, and changes nothing. */
static void replays(void **state)
{
	struct scene *s = scene_new();
	struct ikev2 *v = s->l->nodes[VICTIM].e;
	struct ikev2_datagram first, again;
	uint64_t digest;

	(void)state;
	base_sealed(s);
	assert_int_equal(lan_throw(s->l, 0, VICTIM, s->b, s->len), IKEV2_OK);
	assert_true(ikev2_output(v, &first));
	s->l->now += NS_PER_S;
	digest = ikev2_digest(v);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(lan_throw(s->l, 0, VICTIM, s->b, s->len), IKEV2_RETRANSMIT);
		assert_true(ikev2_output(v, &again));
		assert_int_equal(first.len, again.len);
		assert_memory_equal(first.b, again.b, first.len);
	}
	assert_true(ikev2_digest(v) == digest);
	lan_free(s->l);
}

/* Whatever single bit is changed of a message that verifies, nothing comes of it. */
static void any_bit(void **state)
{
	struct scene *s = scene_new();
	struct ikev2 *v = s->l->nodes[VICTIM].e;
	uint64_t digest = ikev2_digest(v);

	(void)state;
	base_sealed(s);
	for (size_t i = 0; i < 8 * s->len; i++) {
		enum ikev2_result r;

		s->b[i / 8] ^= (uint8_t)(1u << i % 8);
		r = lan_throw(s->l, 0, VICTIM, s->b, s->len);
		s->b[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_true(r > IKEV2_OK && r <= IKEV2_ICV);
	}
	assert_true(ikev2_digest(v) == digest);
	assert_int_equal(lan_throw(s->l, 0, VICTIM, s->b, s->len), IKEV2_OK);
	lan_free(s->l);
}

/* --- sealed by a peer gone mad --- */

static void notify(struct scene *s, uint16_t type)
{
	ike_put_notify(&s->o.o, type, NULL, 0);
}

static void raw(struct scene *s, uint8_t type, const void *p, size_t n)
{
	ike_put_bytes(&s->o.o, type, p, n);
}

static void put_nonce(struct scene *s)
{
	static const uint8_t n[32] = {1};

	raw(s, IKE_PL_NONCE, n, sizeof(n));
}

static void put_ts(struct scene *s, bool wrong)
{
	struct ike_ts ts = {.type = wrong ? IKE_TS_IPV6 : IKE_TS_IPV4, .port_to = 65535};

	memset(ts.to, 0xff, 16);
	ike_put_ts(&s->o.o, IKE_PL_TSI, &ts, 1);
	ike_put_ts(&s->o.o, IKE_PL_TSR, &ts, 1);
}

static void put_sa(struct scene *s, uint32_t spi, uint16_t encr)
{
	struct ike_proposal p = {.num = 1,
				 .protocol = IKE_PROTO_ESP,
				 .spi_len = 4,
				 .count = 2,
				 .t = {{IKE_T_ENCR, encr, 256, false}, {IKE_T_ESN, 1, 0, false}}};
	uint8_t b[4];
	struct wr w = wr_init(b, 4);

	wr_u32(&w, spi);
	p.spi = b;
	ike_open(&s->o.o, IKE_PL_SA);
	ike_put_proposal(&s->o.w, &p, true);
	ike_close(&s->o.o);
}

static void put_ike_sa(struct scene *s, uint64_t spi)
{
	struct ikev2_peer p = {.strength = IKEV2_STRONG};
	const struct ike_proposal *v;
	uint8_t b[8];
	struct wr w = wr_init(b, 8);
	unsigned n;

	v = offer_ike(&p, &n);
	wr_u64(&w, spi);
	offer_put(&s->o, v, n, b, 8, IKE_DH_X25519, true);
}

static void put_ke(struct scene *s, uint16_t group, size_t len, uint8_t fill)
{
	uint8_t b[512];

	memset(b, fill, sizeof(b));
	ike_put(&s->o.o, &(struct ike_payload){.type = IKE_PL_KE, .ke = {group, {b, len}}});
}

static void put_rekey(struct scene *s, uint8_t protocol, uint8_t spi_len)
{
	static const uint8_t spi[8] = {0xde, 0xad, 0xbe, 0xef};

	ike_put_notify_spi(&s->o.o, protocol, spi, spi_len, IKE_N_REKEY_SA, NULL, 0);
}

static void m_inner_length(struct scene *s)
{
	raw(s, IKE_PL_VENDOR, "x", 1);
	s->o.b[1 + 3] = 3;
}

static void m_inner_beyond(struct scene *s)
{
	raw(s, IKE_PL_VENDOR, "x", 1);
	s->o.b[1 + 3] = 60;
}

static void m_inner_rest(struct scene *s)
{
	raw(s, IKE_PL_VENDOR, "xyz", 3);
	wr_u8(&s->o.w, 0);
}

static void m_inner_sk(struct scene *s)
{
	raw(s, IKE_PL_SK, "nested", 6);
}

static void m_inner_twice(struct scene *s)
{
	put_nonce(s);
	put_nonce(s);
}

static void m_inner_delete(struct scene *s)
{
	raw(s, IKE_PL_DELETE, "\3\4\0\2aaaa", 8);
}

static void m_critical(struct scene *s)
{
	raw(s, 199, "x", 1);
	s->o.b[1 + 1] = 0x80;
}

static void m_sa_in_information(struct scene *s)
{
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
}

static void m_auth_in_information(struct scene *s)
{
	raw(s, IKE_PL_AUTH, "\2\0\0\0proof", 9);
}

static void m_delete_strange(struct scene *s)
{
	raw(s, IKE_PL_DELETE, "\3\4\0\2aaaabbbb", 12);
	raw(s, IKE_PL_DELETE, "\2\4\0\1aaaa", 8);
}

static void m_notify_strange(struct scene *s)
{
	notify(s, 16000);
	notify(s, 60000);
	notify(s, IKE_N_INVALID_SELECTORS);
}

static void m_empty_create(struct scene *s)
{
	notify(s, IKE_N_INITIAL_CONTACT);
}

static void m_no_nonce(struct scene *s)
{
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_ts(s, false);
}

static void m_no_ts(struct scene *s)
{
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
}

static void m_one_ts(struct scene *s)
{
	struct ike_ts ts = {.type = IKE_TS_IPV4};

	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	ike_put_ts(&s->o.o, IKE_PL_TSI, &ts, 1);
}

static void m_identity(struct scene *s)
{
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ts(s, false);
	raw(s, IKE_PL_IDI, "\2\0\0\0me", 6);
}

static void m_old_cipher(struct scene *s)
{
	put_sa(s, 0x1000, 3);
	put_nonce(s);
	put_ts(s, false);
}

static void m_reserved_spi(struct scene *s)
{
	put_sa(s, 255, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ts(s, false);
}

static void m_selectors(struct scene *s)
{
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ts(s, true);
}

static void m_rekey_unknown(struct scene *s)
{
	put_rekey(s, IKE_PROTO_ESP, 4);
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ts(s, false);
}

static void m_rekey_ah(struct scene *s)
{
	put_rekey(s, IKE_PROTO_AH, 4);
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ts(s, false);
}

static void m_rekey_long_spi(struct scene *s)
{
	put_rekey(s, IKE_PROTO_ESP, 8);
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ts(s, false);
}

static void m_rekey_bare(struct scene *s)
{
	put_rekey(s, IKE_PROTO_ESP, 4);
}

static void m_ike_no_spi(struct scene *s)
{
	put_ike_sa(s, 0);
	put_nonce(s);
	put_ke(s, IKE_DH_X25519, 32, 9);
}

static void m_ike_no_ke(struct scene *s)
{
	put_ike_sa(s, 7);
	put_nonce(s);
}

static void m_ike_other_group(struct scene *s)
{
	put_ike_sa(s, 7);
	put_nonce(s);
	put_ke(s, IKE_DH_MODP_2048, 256, 9);
}

static void m_ike_short_ke(struct scene *s)
{
	put_ike_sa(s, 7);
	put_nonce(s);
	put_ke(s, IKE_DH_X25519, 31, 9);
}

static void m_ike_small_order(struct scene *s)
{
	put_ike_sa(s, 7);
	put_nonce(s);
	put_ke(s, IKE_DH_X25519, 32, 0);
}

static void m_ike_as_esp(struct scene *s)
{
	put_sa(s, 0x1000, IKE_ENCR_AES_GCM_16);
	put_nonce(s);
	put_ke(s, IKE_DH_X25519, 32, 9);
}

static const struct mad {
	const char *defect, *clause;
	uint8_t exchange;
	enum ikev2_result want;
	bool fatal; /* the IKE SA ends */
	void (*build)(struct scene *s);
} mad_rows[] = {
	{"a payload of three bytes inside", "3.2", IKE_INFORMATIONAL, IKEV2_INNER, true,
	 m_inner_length},
	{"a payload beyond the end inside", "3.2", IKE_INFORMATIONAL, IKEV2_INNER, true,
	 m_inner_beyond},
	{"a byte left over inside", "3.2", IKE_INFORMATIONAL, IKEV2_INNER, true, m_inner_rest},
	{"an Encrypted payload inside another", "3.14", IKE_INFORMATIONAL, IKEV2_INNER, true,
	 m_inner_sk},
	{"two nonces inside", "3.9", IKE_CREATE_CHILD_SA, IKEV2_INNER, true, m_inner_twice},
	{"a Delete of more than there is", "3.11", IKE_INFORMATIONAL, IKEV2_INNER, true,
	 m_inner_delete},
	{"an unknown critical payload inside", "2.5", IKE_INFORMATIONAL, IKEV2_CRITICAL, false,
	 m_critical},
	{"an SA in INFORMATIONAL", "1.4", IKE_INFORMATIONAL, IKEV2_PAYLOADS, true,
	 m_sa_in_information},
	{"AUTH in INFORMATIONAL", "1.4", IKE_INFORMATIONAL, IKEV2_PAYLOADS, true,
	 m_auth_in_information},
	{"a Delete of what is not there", "1.4.1", IKE_INFORMATIONAL, IKEV2_OK, false,
	 m_delete_strange},
	{"notifications nobody knows", "3.10.1", IKE_INFORMATIONAL, IKEV2_OK, false,
	 m_notify_strange},
	{"CREATE_CHILD_SA of nothing", "1.3", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true,
	 m_empty_create},
	{"a child without a nonce", "1.3.1", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true, m_no_nonce},
	{"a child without selectors", "1.3.1", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true, m_no_ts},
	{"a child with selectors of one side", "1.3.1", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true,
	 m_one_ts},
	{"a child with an identity", "1.3.1", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true,
	 m_identity},
	{"a child with 3DES", "2.7", IKE_CREATE_CHILD_SA, IKEV2_NO_PROPOSAL, false, m_old_cipher},
	{"a child with a reserved SPI", "4303 2.1", IKE_CREATE_CHILD_SA, IKEV2_NO_PROPOSAL, false,
	 m_reserved_spi},
	{"a child for what is not ours", "2.9", IKE_CREATE_CHILD_SA, IKEV2_SELECTORS, false,
	 m_selectors},
	{"rekeying a child that is not there", "2.25", IKE_CREATE_CHILD_SA, IKEV2_NO_CHILD, false,
	 m_rekey_unknown},
	{"rekeying a child of AH", "2.25", IKE_CREATE_CHILD_SA, IKEV2_NO_CHILD, false, m_rekey_ah},
	{"rekeying by an SPI of 8 bytes", "3.10", IKE_CREATE_CHILD_SA, IKEV2_NO_CHILD, false,
	 m_rekey_long_spi},
	{"rekeying without anything else", "1.3.3", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true,
	 m_rekey_bare},
	{"an IKE SA with an SPI of zero", "1.3.2", IKE_CREATE_CHILD_SA, IKEV2_NO_PROPOSAL, false,
	 m_ike_no_spi},
	{"an IKE SA without KE", "1.3.2", IKE_CREATE_CHILD_SA, IKEV2_PAYLOADS, true, m_ike_no_ke},
	{"an IKE SA with another group", "1.3.2", IKE_CREATE_CHILD_SA, IKEV2_GROUP, false,
	 m_ike_other_group},
	{"an IKE SA with a short KE", "3.4", IKE_CREATE_CHILD_SA, IKEV2_KEY_EXCHANGE, false,
	 m_ike_short_ke},
	{"an IKE SA with a value of small order", "6989 2.1", IKE_CREATE_CHILD_SA,
	 IKEV2_KEY_EXCHANGE, false, m_ike_small_order},
	{"an IKE SA proposed as ESP", "1.3.2", IKE_CREATE_CHILD_SA, IKEV2_NO_PROPOSAL, false,
	 m_ike_as_esp},
};

/* Seals a chain with node 0's keys as its next request; skf: as fragment number/total. */
static void seal(struct scene *s, const uint8_t *text, size_t len, unsigned number, unsigned total)
{
	const struct ike_sa *sa = lan_sa_of(&s->l->nodes[0], LAN_TUNNEL(1));
	const struct seal_key *k = keys_out(sa);
	size_t head = IKE_HEAD_LEN + 4 + (total ? 4u : 0);
	struct wr w = wr_init(s->b, sizeof(s->b));
	static uint64_t iv = 1ull << 40;
	struct ike_head h = {
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.next = total ? IKE_PL_SKF : IKE_PL_SK,
		.version = IKE_VERSION,
		.exchange = s->exchange,
		.flags = s->flags ? s->flags : IKE_FLAG_INITIATOR,
		.id = sa->next_id,
	};

	s->len = head + 8 + len + 1 + 16;
	h.len = (uint32_t)s->len;
	ike_head_build(&h, &w);
	wr_u8(&w, number <= 1 ? s->first : 0);
	wr_u8(&w, 0);
	wr_u16(&w, (uint16_t)(s->len - IKE_HEAD_LEN));
	if (total) {
		wr_u16(&w, (uint16_t)number);
		wr_u16(&w, (uint16_t)total);
	}
	wr_u64(&w, iv++);
	wr_bytes(&w, text, len);
	wr_zero(&w, 1 + 16);
	assert_false(w.bad);
	assert_int_equal(seal_close(k, s->b, head, s->len), 0);
	s->from = 0;
}

static void build(struct scene *s, const struct mad *row)
{
	s->exchange = row->exchange;
	s->flags = 0;
	out_init(&s->o);
	row->build(s);
	s->first = s->o.b[0];
	seal(s, s->o.b + 1, wr_len(&s->o.w) - 1, 1, 0);
}

static void a_peer_gone_mad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mad_rows) / sizeof(mad_rows[0]); i++) {
		const struct mad *row = &mad_rows[i];
		struct scene *s = scene_new();
		struct lan_node *v = &s->l->nodes[VICTIM];
		unsigned children = lan_sa_of(v, T0)->child_count, adds = v->adds;
		enum ikev2_result r;

		build(s, row);
		r = lan_throw(s->l, 0, VICTIM, s->b, s->len);
		if (r != row->want)
			fail_msg("%s (%s): %s", row->defect, row->clause, ikev2_result_name(r));
		if ((lan_stand(v, T0) == 0) != row->fatal)
			fail_msg("%s (%s): %u stand", row->defect, row->clause, lan_stand(v, T0));
		if (!row->fatal)
			assert_int_equal(lan_sa_of(v, T0)->child_count, children);
		assert_int_equal(v->adds, adds);
		assert_int_equal(v->e->half_open, 0);
		lan_free(s->l);
	}
}

static void fragments_that_do_not_belong_together(void **state)
{
	static const struct {
		const char *defect;
		struct {
			uint8_t number, total;
			enum ikev2_result want;
		} step[4];
	} rows[] = {
		{"more than a message has", {{1, 33, IKEV2_FRAGMENT}}},
		{"twice the same", {{1, 3, IKEV2_FRAGMENT_MORE}, {1, 3, IKEV2_FRAGMENT}}},
		{"a smaller total", {{1, 3, IKEV2_FRAGMENT_MORE}, {2, 2, IKEV2_FRAGMENT}}},
		{"a larger total begins anew",
		 {{1, 2, IKEV2_FRAGMENT_MORE},
		  {2, 3, IKEV2_FRAGMENT_MORE},
		  {3, 3, IKEV2_FRAGMENT_MORE}}},
		{"out of order", {{2, 2, IKEV2_FRAGMENT_MORE}, {1, 2, IKEV2_OK}}},
		{"more bytes than a message has",
		 {{1, 32, IKEV2_FRAGMENT_MORE},
		  {2, 32, IKEV2_FRAGMENT_MORE},
		  {3, 32, IKEV2_FRAGMENT_MORE},
		  {4, 32, IKEV2_FRAGMENT}}},
	};
	static uint8_t text[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene *s = scene_new();
		bool big = i == 5;

		s->exchange = IKE_INFORMATIONAL;
		for (unsigned k = 0; k < 4 && rows[i].step[k].total; k++) {
			unsigned number = rows[i].step[k].number, total = rows[i].step[k].total;
			enum ikev2_result r;

			/* Two halves of a vendor id; zeroes where nothing is put together. */
			memset(text, 0, sizeof(text));
			s->first = IKE_PL_VENDOR;
			text[3] = number == 1 ? 8 : 0;
			seal(s, text, big ? sizeof(text) : 4, number, total);
			r = lan_throw(s->l, 0, VICTIM, s->b, s->len);
			if (r != rows[i].step[k].want)
				fail_msg("%s, step %u: %s", rows[i].defect, k,
					 ikev2_result_name(r));
		}
		assert_int_equal(lan_stand(&s->l->nodes[VICTIM], T0), 1);
		lan_free(s->l);
	}
}

/* --- who is not let in --- */

static void wrong_psk(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->psk.b[0] ^= 1;
}

static void wrong_name(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->local_id.b[0] = 'N';
	p->local_id.b[4] = '9';
}

static void wrong_type(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->local_id.type = IKE_ID_KEY;
}

static void wrong_other(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->remote_id.b[4] = '7';
}

static void psk_for_cert(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->auth = IKEV2_AUTH_PSK;
}

static void expired(struct lan *l, struct ikev2_peer *p)
{
	(void)p;
	l->wall += 200000;
}

static void not_yet(struct lan *l, struct ikev2_peer *p)
{
	(void)p;
	l->wall -= 5000;
}

static void others_key(struct lan *l, struct ikev2_peer *p)
{
	(void)p;
	sign_key_free(l->nodes[2].key);
	l->nodes[2].key = x509_key_new(X509_KEY_ED25519);
}

static void others_certificate(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->chain = l->nodes[0].chain;
}

static void own_authority(struct lan *l, struct ikev2_peer *p)
{
	struct x509_make m = {.common_name = "node2",
			      .names = {{X509_DNS, "node2", 5}},
			      .name_count = 1,
			      .usage = X509_FOR_IKE,
			      .serial = {9},
			      .from = l->wall - 10,
			      .until = l->wall + 10000};
	struct lan_node *n = &l->nodes[2];
	uint8_t spki[512];

	n->chain[0].len = x509_make_cert(&m, spki, sign_key_public(n->key, spki, sizeof(spki)),
					 NULL, n->key, n->cert, sizeof(n->cert));
	p->chain = n->chain;
}

/* Node 2's certificate for something else, by the authority of all. */
static void other_usage(struct lan *l, struct ikev2_peer *p)
{
	(void)p;
	lan_certificate(l, 2, X509_FOR_CODE);
}

static void no_signing(struct lan *l, struct ikev2_peer *p)
{
	(void)p;
	lan_certificate(l, 2, X509_FOR_ENCRYPTION);
}

/* It revokes nobody, and is of yesterday. */
static void list_over(struct lan *l, struct ikev2_peer *p)
{
	uint8_t crl[2048];
	size_t n = x509_make_crl((struct x509_der){l->ca, l->ca_len}, l->ca_key, NULL, 0, 1,
				 l->wall - 20, l->wall - 10, crl, sizeof(crl));

	(void)p;
	for (unsigned i = 0; i < l->count; i++)
		assert_int_equal(x509_trust_add_crl(l->nodes[i].trust, crl, n), 1);
}

/* Signed by somebody whose own certificate does not let him. */
static void signed_by_a_node(struct lan *l, struct ikev2_peer *p)
{
	struct x509_make m = {.common_name = "node2",
			      .names = {{X509_DNS, "node2", 5}},
			      .name_count = 1,
			      .usage = X509_FOR_IKE,
			      .serial = {9},
			      .from = l->wall - 10,
			      .until = l->wall + 10000};
	struct lan_node *n = &l->nodes[2];
	uint8_t spki[512];

	n->chain[1] = l->nodes[1].chain[0];
	n->chain[0].len = x509_make_cert(&m, spki, sign_key_public(n->key, spki, sizeof(spki)),
					 &n->chain[1], l->nodes[1].key, n->cert, sizeof(n->cert));
	p->chain = n->chain;
	p->chain_count = 2;
}

static void revoked(struct lan *l, struct ikev2_peer *p)
{
	(void)p;
	lan_revoke(l, 2);
}

static void the_identity_of_another(struct lan *l, struct ikev2_peer *p)
{
	(void)l;
	p->local_id.b[4] = '0';
}

static const struct {
	const char *who;
	bool cert;
	enum ikev2_result want;
	void (*spoil)(struct lan *l, struct ikev2_peer *p);
	const char *told; /* in what the victim says of it */
} strangers[] = {
	{"another secret", false, IKEV2_AUTHENTICATION, wrong_psk, "pre-shared keys differ"},
	{"a name that nobody has", false, IKEV2_IDENTITY, wrong_name, "expected is node2"},
	{"the right name of another type", false, IKEV2_IDENTITY, wrong_type, "expected is node2"},
	{"who asks for somebody else", false, IKEV2_IDENTITY, wrong_other, "somebody else"},
	{"the name of another peer", false, IKEV2_IDENTITY, the_identity_of_another,
	 "says it is node0, expected is node2"},
	{"a secret where a certificate is due", true, IKEV2_AUTHENTICATION, psk_for_cert,
	 "signature"},
	{"an expired certificate", true, IKEV2_CERTIFICATE, expired, "CN=node2: expired"},
	{"a certificate of tomorrow", true, IKEV2_CERTIFICATE, not_yet, "not yet valid"},
	{"a certificate without its key", true, IKEV2_AUTHENTICATION, others_key, "signature"},
	{"the certificate of another", true, IKEV2_IDENTITY, others_certificate,
	 "CN=node0 does not hold the identity node2"},
	{"a certificate by itself", true, IKEV2_CERTIFICATE, own_authority,
	 "no chain to a trusted authority"},
	{"a certificate for signing code", true, IKEV2_CERTIFICATE, other_usage, "key usage"},
	{"a certificate for encryption alone", true, IKEV2_CERTIFICATE, no_signing, "key usage"},
	{"a certificate by another node", true, IKEV2_CERTIFICATE, signed_by_a_node, "key usage"},
	{"a revoked certificate", true, IKEV2_CERTIFICATE, revoked, "revoked"},
	{"a certificate while the list is over", true, IKEV2_CERTIFICATE, list_over,
	 "revocation list expired"},
};

static void who_cannot_prove_it_is_not_let_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		struct lan *l = lan_new(3);
		struct ikev2_peer_show told;
		struct ikev2_peer p;

		lan_certify(l, X509_KEY_ED25519);
		lan_start(l, 1);
		lan_start(l, 2);
		p = lan_peer(l, 1, 2);
		p.start = false;
		if (strangers[i].cert)
			lan_use_cert(l, 1, &p);
		assert_int_equal(ikev2_peer_set(l->nodes[1].e, &p, l->now), 0);
		p = lan_peer(l, 2, 1);
		p.start = true;
		if (strangers[i].cert)
			lan_use_cert(l, 2, &p);
		strangers[i].spoil(l, &p);
		assert_int_equal(ikev2_peer_set(l->nodes[2].e, &p, l->now), 0);
		lan_run(l, l->now + 500 * NS_PER_MS);
		if (l->nodes[1].e->stats.results[strangers[i].want] != 1)
			fail_msg("%s", strangers[i].who);
		assert_true(ikev2_peer_show(l->nodes[1].e, LAN_TUNNEL(2), &told));
		if (!strstr(told.trouble, strangers[i].told))
			fail_msg("%s: %s", strangers[i].who, told.trouble);
		assert_int_equal(l->nodes[1].events[IKEV2_EV_AUTH_FAILED], 1);
		assert_true(ikev2_peer_show(l->nodes[2].e, LAN_TUNNEL(1), &told));
		assert_non_null(strstr(told.trouble, "AUTHENTICATION_FAILED"));
		assert_int_equal(lan_stand(&l->nodes[1], LAN_TUNNEL(2)), 0);
		assert_int_equal(lan_stand(&l->nodes[2], LAN_TUNNEL(1)), 0);
		assert_int_equal(l->nodes[1].adds + l->nodes[2].adds, 0);
		lan_free(l);
	}
}

/* A million addresses begin and never go on: memory stays bounded, and who stands rekeys on. */
static void flood_from_a_million_addresses(void **state)
{
	struct scene *s = scene_new();
	struct ikev2 *v = s->l->nodes[VICTIM].e;
	struct ikev2_peer any = lan_peer(s->l, 1, 2);
	uint64_t asked = 0;

	(void)state;
	any.tunnel = 900;
	any.start = false;
	any.remote = (struct esp_end){0};
	assert_int_equal(ikev2_peer_set(v, &any, s->l->now), 0);
	base_init(s);
	catch_from = LAN_NODES;
	for (unsigned i = 0; i < 1000000; i++) {
		struct esp_end from = {
			4, {100, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 500};
		struct ikev2_datagram d;

		memcpy(s->b, &i, 4);
		s->b[7] = 1;
		asked += ikev2_input(v, &s->l->nodes[1].at, &from, s->b, s->len, s->l->now) ==
			 IKEV2_COOKIE_ASKED;
		while (ikev2_output(v, &d))
			assert_true(d.len <= s->len);
	}
	assert_true(asked > 999900);
	assert_true(v->half_open <= 32);
	assert_true(v->stats.sas <= 34);
	ikev2_rekey(s->l->nodes[0].e, LAN_TUNNEL(1), IKEV2_REKEY_IKE, s->l->now);
	lan_run(s->l, s->l->now + NS_PER_S);
	assert_int_equal(v->stats.rekeys, 1);
	assert_true(lan_both(s->l));
	lan_run(s->l, s->l->now + 40 * NS_PER_S);
	assert_int_equal(v->half_open, 0);
	lan_free(s->l);
}

static void one_address_has_its_limit(void **state)
{
	struct lan *l = lan_new(3);
	struct ikev2_datagram d;
	struct ikev2_peer p;
	struct ike_head h;
	uint8_t msg[2048];
	unsigned wrong = 0, over = 0;

	(void)state;
	lan_start(l, 1);
	lan_start(l, 2);
	p = lan_peer(l, 1, 2);
	p.start = false;
	assert_int_equal(ikev2_peer_set(l->nodes[1].e, &p, l->now), 0);
	p = lan_peer(l, 2, 1);
	p.start = true;
	assert_int_equal(ikev2_peer_set(l->nodes[2].e, &p, l->now), 0);
	ikev2_expire(l->nodes[2].e, l->now);
	assert_true(ikev2_output(l->nodes[2].e, &d));
	memcpy(msg, d.b, d.len);
	for (unsigned i = 0; i < 20; i++) {
		struct ikev2_datagram out;
		enum ikev2_result r;

		msg[7] = (uint8_t)i;
		msg[6] = 9;
		r = lan_throw(l, 2, 1, msg, d.len);
		wrong += r == IKEV2_COOKIE_ASKED;
		while (ikev2_output(l->nodes[1].e, &out)) {
			uint8_t with[2048];
			struct wr w = wr_init(with, sizeof(with));
			struct ike_chain c;
			const struct ike_notify *n;
			struct ike_out o;

			assert_int_equal(ike_message_parse(&h, &c, out.b, out.len), IKE_WIRE_OK);
			n = ike_find_notify(&c, IKE_N_COOKIE);
			if (!n)
				continue;
			/* With its cookie, as one who does get the answers. */
			wr_bytes(&w, msg, IKE_HEAD_LEN);
			o = ike_out_init(&w, 16);
			ike_put_notify(&o, IKE_N_COOKIE, n->data.p, n->data.len);
			with[o.start] = IKE_PL_SA;
			wr_bytes(&w, msg + IKE_HEAD_LEN, d.len - IKE_HEAD_LEN);
			with[26] = (uint8_t)(wr_len(&w) >> 8);
			with[27] = (uint8_t)wr_len(&w);
			over += lan_throw(l, 2, 1, with, wr_len(&w)) == IKEV2_SOURCE;
			with[IKE_HEAD_LEN + 12] ^= 1;
			assert_int_equal(lan_throw(l, 2, 1, with, wr_len(&w)), IKEV2_COOKIE_WRONG);
			while (ikev2_output(l->nodes[1].e, &out))
				;
			break;
		}
	}
	assert_int_equal(l->nodes[1].e->half_open, 8);
	assert_int_equal(wrong, 12);
	assert_int_equal(over, 12);
	lan_free(l);
}

/* Who fails to prove itself again and again is held against its address, takes no record's place,
 * and is told once. */
static void who_keeps_failing_is_put_off(void **state)
{
	struct lan *l = lan_new(3);
	struct lan_node *v = &l->nodes[1];
	unsigned failed = 0;
	struct ikev2_peer p;

	(void)state;
	v->cfg.slots = 1;
	lan_start(l, 1);
	lan_start(l, 2);
	p = lan_peer(l, 1, 2);
	p.start = false;
	assert_int_equal(ikev2_peer_set(v->e, &p, l->now), 0);
	for (unsigned i = 0; i < 20; i++) {
		p = lan_peer(l, 2, 1);
		p.start = true;
		if (i < 19)
			wrong_psk(l, &p);
		ikev2_peer_remove(l->nodes[2].e, p.tunnel, l->now);
		assert_int_equal(ikev2_peer_set(l->nodes[2].e, &p, l->now), 0);
		if (i == 19) /* later the right one is let in: nothing is full */
			lan_run(l, l->now + 20 * NS_PER_S);
		lan_run(l, l->now + 100 * NS_PER_MS);
		failed = (unsigned)v->e->stats.results[IKEV2_AUTHENTICATION];
	}
	assert_int_equal(failed, 8);
	assert_true(v->e->stats.results[IKEV2_SOURCE] > 0);
	assert_int_equal(v->events[IKEV2_EV_AUTH_FAILED], 1);
	assert_int_equal(lan_stand(v, LAN_TUNNEL(2)), 1);
	assert_int_equal(v->events[IKEV2_EV_UP], 1);
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beginnings_that_anybody_can_send),
		cmocka_unit_test(forgeries_on_the_way),
		cmocka_unit_test(what_is_not_spoilt_is_taken),
		cmocka_unit_test(replays),
		cmocka_unit_test(any_bit),
		cmocka_unit_test(a_peer_gone_mad),
		cmocka_unit_test(fragments_that_do_not_belong_together),
		cmocka_unit_test(who_cannot_prove_it_is_not_let_in),
		cmocka_unit_test(who_keeps_failing_is_put_off),
		cmocka_unit_test(flood_from_a_million_addresses),
		cmocka_unit_test(one_address_has_its_limit),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/ikev2/hostile", tests, NULL, NULL);
}
