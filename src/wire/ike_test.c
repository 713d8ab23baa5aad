/* ike: layouts to the bit, what is written is read back, and each defect under its own name. */
#include "wire/ike.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	uint64_t z = rnd_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % below);
}

static void header_to_the_bit(void **state)
{
	const uint8_t want[] = {1,  2,  3,  4,    5,  6, 7, 8, 9, 10, 11, 12, 13, 14,
				15, 16, 33, 0x20, 34, 8, 0, 0, 0, 3,  0,  0,  0,  28};
	struct ike_head h = {0x0102030405060708, 0x090a0b0c0d0e0f10, 33, 0x20, 34, 8, 3, 28}, g;
	uint8_t out[64];
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	ike_head_build(&h, &w);
	assert_int_equal(wr_len(&w), IKE_HEAD_LEN);
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(ike_head_parse(&g, out, sizeof(want)), IKE_WIRE_OK);
	assert_memory_equal(&g, &h, sizeof(h));
}

/* The SA payload of RFC 7296 §3.3's layout with one AES-GCM proposal. */
static void proposal_to_the_bit(void **state)
{
	const uint8_t want[] = {0, 0, 0, 32, 1,    3,  4, 2, 0xca, 0xfe, 0xba, 0xbe, 3, 0, 0, 12,
				1, 0, 0, 20, 0x80, 14, 1, 0, 0,    0,    0,    8,    5, 0, 0, 1};
	const uint8_t spi[] = {0xca, 0xfe, 0xba, 0xbe};
	struct ike_proposal p = {.num = 1,
				 .protocol = IKE_PROTO_ESP,
				 .spi_len = 4,
				 .spi = spi,
				 .count = 2,
				 .t = {{IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false},
				       {IKE_T_ESN, IKE_ESN_YES, 0, false}}},
			    q;
	uint8_t out[64];
	struct wr w = wr_init(out, sizeof(out));
	struct rd r;

	(void)state;
	ike_put_proposal(&w, &p, true);
	assert_int_equal(wr_len(&w), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	r = rd_init(out, sizeof(want));
	assert_true(ike_proposal_next(&r, &q));
	assert_int_equal(q.count, 2);
	assert_memory_equal(q.t, p.t, 2 * sizeof(p.t[0]));
	assert_false(ike_proposal_next(&r, &q));
	assert_false(r.bad);
}

static void transform_with_an_attribute_nobody_knows_is_marked(void **state)
{
	const uint8_t tv[] = {0, 0, 0, 20, 1, 3, 0, 1, 0, 0, 0, 12, 1, 0, 0, 20, 0x80, 15, 1, 0};
	const uint8_t tlv[] = {0, 0,  0,    28, 1, 3, 0, 1, 0, 0, 0, 20, 1, 0,
			       0, 20, 0x80, 14, 1, 0, 0, 9, 0, 4, 1, 2,  3, 4};
	const uint8_t twice[] = {0, 0, 0, 24, 1,    3,  0, 1, 0,    0,  0, 16,
				 1, 0, 0, 20, 0x80, 14, 1, 0, 0x80, 14, 0, 128};
	struct ike_proposal p;
	struct rd r = rd_init(tv, sizeof(tv));

	(void)state;
	assert_true(ike_proposal_next(&r, &p));
	assert_true(p.t[0].odd);
	r = rd_init(tlv, sizeof(tlv));
	assert_true(ike_proposal_next(&r, &p));
	assert_true(p.t[0].odd);
	assert_int_equal(p.t[0].key_bits, 256);
	r = rd_init(twice, sizeof(twice));
	assert_true(ike_proposal_next(&r, &p));
	assert_true(p.t[0].odd);
}

static void selectors_of_both_families_and_one_nobody_knows(void **state)
{
	const struct ike_ts ts[2] = {
		{.type = IKE_TS_IPV4,
		 .protocol = 6,
		 .port_from = 80,
		 .port_to = 443,
		 .from = {10, 0, 0, 0},
		 .to = {10, 0, 0, 255}},
		{.type = IKE_TS_IPV6, .port_to = 65535, .from = {0x20, 1}, .to = {0x20, 1, 0xff}},
	};
	uint8_t out[256] = {0};
	struct wr w = wr_init(out, sizeof(out));
	struct ike_out o;
	struct ike_chain c;
	struct ike_ts got;
	struct rd r;

	(void)state;
	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	ike_put_ts(&o, IKE_PL_TSI, ts, 2);
	assert_int_equal(out[0], IKE_PL_TSI);
	/* An FC selector (type 9) of 24 octets behind them. */
	wr_u8(&w, 9);
	wr_zero(&w, 2);
	wr_u8(&w, 24);
	wr_zero(&w, 20);
	out[5] = 3;
	ike_close(&o);
	assert_int_equal(ike_chain_parse(&c, out[0], out + 1, wr_len(&w) - 1, false), IKE_WIRE_OK);
	assert_int_equal(c.v[0].ts.count, 3);
	r = rd_init(c.v[0].ts.list.p, c.v[0].ts.list.len);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(ike_ts_next(&r, &got));
		assert_memory_equal(&got, &ts[i], sizeof(got));
	}
	assert_false(ike_ts_next(&r, &got));
	assert_false(r.bad);
}

/* A random payload of that type into o; the buffer lends the bytes. */
static void put_random(struct ike_out *o, uint8_t type, const uint8_t *b)
{
	struct ike_payload p = {.type = type, .critical = rnd(4) == 0};
	struct ike_proposal prop = {.num = 1, .protocol = IKE_PROTO_ESP, .spi_len = 4, .spi = b};
	struct ike_ts ts[3] = {{.type = IKE_TS_IPV4}, {.type = IKE_TS_IPV6}, {.type = IKE_TS_IPV4}};
	unsigned n = 1 + rnd(3);

	switch (type) {
	case IKE_PL_SA:
		ike_open(o, type);
		for (unsigned i = 0; i < n; i++) {
			prop.num = (uint8_t)(i + 1);
			prop.count = 1 + rnd(8);
			for (unsigned j = 0; j < prop.count; j++)
				prop.t[j] = (struct ike_transform){(uint8_t)(1 + rnd(6)),
								   (uint16_t)rnd(1000),
								   (uint16_t)(rnd(2) * 128), false};
			ike_put_proposal(o->w, &prop, i + 1 == n);
		}
		ike_close(o);
		return;
	case IKE_PL_TSI:
	case IKE_PL_TSR:
		ike_put_ts(o, type, ts, n);
		return;
	case IKE_PL_KE:
		p.ke.group = (uint16_t)rnd(65536);
		p.ke.data = (struct ike_bytes){b, 1 + rnd(512)};
		break;
	case IKE_PL_IDI:
	case IKE_PL_IDR:
	case IKE_PL_IDG:
		p.id.type = IKE_ID_FQDN;
		p.id.data = (struct ike_bytes){b, 1 + rnd(60)};
		break;
	case IKE_PL_CERT:
	case IKE_PL_CERTREQ:
		p.cert.encoding = (uint8_t)rnd(256);
		p.cert.data = (struct ike_bytes){b, 1 + rnd(600)};
		break;
	case IKE_PL_AUTH:
		p.auth.method = (uint8_t)rnd(256);
		p.auth.data = (struct ike_bytes){b, 1 + rnd(600)};
		break;
	case IKE_PL_NOTIFY:
		p.notify = (struct ike_notify){
			(uint8_t)rnd(4), (uint8_t)rnd(9), (uint16_t)rnd(65536), b, {b, rnd(64)}};
		break;
	case IKE_PL_DELETE:
		p.del.protocol = rnd(2) ? IKE_PROTO_IKE : IKE_PROTO_ESP;
		p.del.spi_len = p.del.protocol == IKE_PROTO_IKE ? 0 : 4;
		p.del.count = (uint16_t)(p.del.protocol == IKE_PROTO_IKE ? 0 : rnd(20));
		p.del.spis = b;
		break;
	case IKE_PL_SK:
	case IKE_PL_SKF:
		p.sk.first = (uint8_t)(type == IKE_PL_SK ? rnd(256) : 0);
		p.sk.total = (uint16_t)(2 + rnd(20));
		p.sk.number = 2;
		p.sk.data = (struct ike_bytes){b, 1 + rnd(600)};
		break;
	default:
		p.body = (struct ike_bytes){b, 16 + rnd(200)};
		break;
	}
	ike_put(o, &p);
}

/* What was read, written again. */
static size_t rewrite(const struct ike_chain *c, uint8_t *out, size_t size)
{
	struct wr w = wr_init(out, size);
	struct ike_out o;

	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	for (unsigned i = 0; i < c->count; i++)
		ike_put(&o, &c->v[i]);
	assert_false(w.bad);
	return wr_len(&w);
}

static void chains_are_read_as_they_were_written(void **state)
{
	static const uint8_t types[] = {33, 34, 35, 36, 37, 38, 39, 40,
					41, 42, 43, 44, 45, 50, 51, 52};
	static uint8_t b[1024], out[65536], again[65536];
	struct ike_chain c;

	(void)state;
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	for (unsigned round = 0; round < 2000; round++) {
		struct wr w = wr_init(out, sizeof(out));
		struct ike_out o;
		uint32_t used = 0;
		unsigned n = rnd(12), put = 0;
		bool sealed = rnd(3) == 0;

		rnd_state = round;
		wr_u8(&w, 0);
		o = ike_out_init(&w, 0);
		for (unsigned i = 0; i < n; i++) {
			uint8_t type = types[rnd(sizeof(types))];
			bool many = type == 37 || type == 38 || (type >= 41 && type <= 43);

			if (!many && used & IKE_BIT(type))
				continue;
			used |= IKE_BIT(type);
			put_random(&o, type, b);
			put++;
		}
		if (sealed)
			put_random(&o, rnd(2) ? IKE_PL_SK : IKE_PL_SKF, b);
		assert_false(w.bad);
		assert_int_equal(ike_chain_parse(&c, out[0], out + 1, wr_len(&w) - 1, true),
				 IKE_WIRE_OK);
		assert_int_equal(c.count, put + sealed);
		assert_int_equal(rewrite(&c, again, sizeof(again)), wr_len(&w));
		assert_memory_equal(again, out, wr_len(&w));
		if (sealed)
			assert_int_equal(
				ike_chain_parse(&c, out[0], out + 1, wr_len(&w) - 1, false),
				IKE_WIRE_AFTER_SK);
	}
}

static void cut_anywhere_it_is_refused(void **state)
{
	static uint8_t b[1024], out[4096];
	struct wr w = wr_init(out, sizeof(out));
	struct ike_chain c;
	struct ike_out o;

	(void)state;
	rnd_state = 7;
	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	for (uint8_t type = 33; type <= 45; type++)
		put_random(&o, type, b);
	for (size_t n = 0; n + 1 < wr_len(&w); n++)
		assert_int_not_equal(ike_chain_parse(&c, out[0], out + 1, n, true), IKE_WIRE_OK);
}

static const struct row {
	const char *defect, *clause;
	uint8_t first;
	enum ike_error want;
	size_t len;
	uint8_t b[64];
} rows[] = {
	{"generic header cut off", "3.2", 41, IKE_WIRE_LENGTH, 3, {0, 0, 0}},
	{"payload shorter than its header", "3.2", 43, IKE_WIRE_LENGTH, 4, {0, 0, 0, 3}},
	{"payload longer than the message", "3.2", 43, IKE_WIRE_LENGTH, 6, {0, 0, 0, 7, 1, 2}},
	{"bytes behind the last payload", "3.2", 43, IKE_WIRE_LENGTH, 5, {0, 0, 0, 4, 1}},
	{"next payload that is not there", "3.2", 43, IKE_WIRE_LENGTH, 4, {43, 0, 0, 4}},
	{"bytes with no payload", "3.1", 0, IKE_WIRE_LENGTH, 4, {0, 0, 0, 4}},
	{"two Nonces", "3.9", 40, IKE_WIRE_TWICE, 40, {40, 0, 0, 20, [20] = 0, 0, 0, 20}},
	{"a Nonce of 15 octets", "3.9", 40, IKE_WIRE_BODY, 19, {0, 0, 0, 19}},
	{"KE without data", "3.4", 34, IKE_WIRE_BODY, 8, {0, 0, 0, 8, 0, 19}},
	{"KE cut off", "3.4", 34, IKE_WIRE_BODY, 7, {0, 0, 0, 7, 0, 19}},
	{"an IPv4 identity of 5 octets", "3.5", 35, IKE_WIRE_BODY, 13, {0, 0, 0, 13, 1}},
	{"an IPv6 identity of 4 octets", "3.5", 36, IKE_WIRE_BODY, 12, {0, 0, 0, 12, 5}},
	{"an empty name as identity", "3.5", 35, IKE_WIRE_BODY, 8, {0, 0, 0, 8, 2}},
	{"CERT without data", "3.6", 37, IKE_WIRE_BODY, 5, {0, 0, 0, 5, 4}},
	{"CERTREQ without an encoding", "3.7", 38, IKE_WIRE_BODY, 4, {0, 0, 0, 4}},
	{"AUTH without data", "3.8", 39, IKE_WIRE_BODY, 8, {0, 0, 0, 8, 2}},
	{"Notify cut off", "3.10", 41, IKE_WIRE_BODY, 7, {0, 0, 0, 7, 0, 0, 64}},
	{"Notify with an SPI past its end",
	 "3.10",
	 41,
	 IKE_WIRE_BODY,
	 10,
	 {0, 0, 0, 10, 3, 4, 64, 0, 1, 2}},
	{"Delete of more SPIs than there are",
	 "3.11",
	 42,
	 IKE_WIRE_BODY,
	 12,
	 {0, 0, 0, 12, 3, 4, 0, 2, 1, 2, 3, 4}},
	{"Delete of fewer SPIs than there are",
	 "3.11",
	 42,
	 IKE_WIRE_BODY,
	 12,
	 {0, 0, 0, 12, 3, 4, 0, 0, 1, 2, 3, 4}},
	{"Delete of ESP with SPIs of 8 octets",
	 "3.11",
	 42,
	 IKE_WIRE_BODY,
	 16,
	 {0, 0, 0, 16, 3, 8, 0, 1}},
	{"Delete of IKE with an SPI", "3.11", 42, IKE_WIRE_BODY, 16, {0, 0, 0, 16, 1, 8, 0, 1}},
	{"TS without a selector", "3.13", 44, IKE_WIRE_BODY, 8, {0, 0, 0, 8, 0}},
	{"TS of fewer selectors than it says",
	 "3.13",
	 44,
	 IKE_WIRE_BODY,
	 24,
	 {0, 0, 0, 24, 2, 0, 0, 0, 7, 0, 0, 16}},
	{"TS of more selectors than it says",
	 "3.13",
	 45,
	 IKE_WIRE_BODY,
	 40,
	 {0, 0, 0, 40, 1, 0, 0, 0, 7, 0, 0, 16, [24] = 7, 0, 0, 16}},
	{"an IPv4 selector of 20 octets",
	 "3.13.1",
	 44,
	 IKE_WIRE_BODY,
	 28,
	 {0, 0, 0, 28, 1, 0, 0, 0, 7, 0, 0, 20}},
	{"a selector of 4 octets",
	 "3.13.1",
	 44,
	 IKE_WIRE_BODY,
	 12,
	 {0, 0, 0, 12, 1, 0, 0, 0, 9, 0, 0, 4}},
	{"SA without a proposal", "3.3", 33, IKE_WIRE_BODY, 4, {0, 0, 0, 4}},
	{"a proposal without transforms",
	 "3.3.1",
	 33,
	 IKE_WIRE_BODY,
	 12,
	 {0, 0, 0, 12, 0, 0, 0, 8, 1, 3, 0, 0}},
	{"a proposal longer than the payload", "3.3.1", 33, IKE_WIRE_BODY, 20, {0, 0, 0,  20, 0,
										0, 0, 17, 1,  3,
										0, 1, 0,  0,  0,
										8, 1, 0,  0,  20}},
	{"a last proposal with another behind it",
	 "3.3.1",
	 33,
	 IKE_WIRE_BODY,
	 36,
	 {0, 0,  0, 36, 0, 0,  0, 16, 1, 3, 0, 1, 0, 0, 0, 8, 1, 0,
	  0, 20, 0, 0,  0, 16, 2, 3,  0, 1, 0, 0, 0, 8, 1, 0, 0, 20}},
	{"a proposal that says there is another",
	 "3.3.1",
	 33,
	 IKE_WIRE_BODY,
	 20,
	 {0, 0, 0, 20, 2, 0, 0, 16, 1, 3, 0, 1, 0, 0, 0, 8, 1, 0, 0, 20}},
	{"a proposal's SPI past its end", "3.3.1", 33, IKE_WIRE_BODY, 20, {0,  0, 0, 20, 0, 0, 0,
									   16, 1, 3, 9,  1, 0, 0,
									   0,  8, 1, 0,  0, 20}},
	{"a transform that says there is another",
	 "3.3.2",
	 33,
	 IKE_WIRE_BODY,
	 20,
	 {0, 0, 0, 20, 0, 0, 0, 16, 1, 3, 0, 1, 3, 0, 0, 8, 1, 0, 0, 20}},
	{"a last transform with another behind it",
	 "3.3.2",
	 33,
	 IKE_WIRE_BODY,
	 28,
	 {0, 0, 0, 28, 0, 0, 0, 24, 1, 3, 0, 2, 0, 0, 0, 8, 1, 0, 0, 20, 0, 0, 0, 8, 5, 0, 0, 0}},
	{"more transforms than are counted",
	 "3.3.2",
	 33,
	 IKE_WIRE_BODY,
	 28,
	 {0, 0, 0, 28, 0, 0, 0, 24, 1, 3, 0, 1, 0, 0, 0, 8, 1, 0, 0, 20, 0, 0, 0, 8, 5, 0, 0, 0}},
	{"a transform shorter than its header", "3.3.2", 33, IKE_WIRE_BODY, 20, {0, 0, 0,  20, 0,
										 0, 0, 16, 1,  3,
										 0, 1, 0,  0,  0,
										 7, 1, 0,  0,  20}},
	{"an attribute cut off", "3.3.5", 33, IKE_WIRE_BODY, 22, {0, 0, 0, 22, 0,    0, 0, 18,
								  1, 3, 0, 1,  0,    0, 0, 10,
								  1, 0, 0, 20, 0x80, 14}},
	{"an attribute longer than its transform",
	 "3.3.5",
	 33,
	 IKE_WIRE_BODY,
	 24,
	 {0, 0, 0, 24, 0, 0, 0, 20, 1, 3, 0, 1, 0, 0, 0, 12, 1, 0, 0, 20, 0, 9, 0, 4}},
	{"SK without data", "3.14", 46, IKE_WIRE_BODY, 4, {0, 0, 0, 4}},
	{"a payload behind SK", "3.14", 46, IKE_WIRE_AFTER_SK, 9, {43, 0, 0, 5, 1, 0, 0, 0, 4}},
	{"SKF number 0", "7383 2.5", 53, IKE_WIRE_BODY, 9, {0, 0, 0, 9, 0, 0, 0, 1, 1}},
	{"SKF number above the total",
	 "7383 2.5",
	 53,
	 IKE_WIRE_BODY,
	 9,
	 {0, 0, 0, 9, 0, 3, 0, 2, 1}},
	{"SKF of no total", "7383 2.5", 53, IKE_WIRE_BODY, 9, {0, 0, 0, 9, 0, 1, 0, 0, 1}},
	{"SKF with a next payload in its second",
	 "7383 2.5",
	 53,
	 IKE_WIRE_BODY,
	 9,
	 {43, 0, 0, 9, 0, 2, 0, 2, 1}},
};

static void each_defect_has_its_name(void **state)
{
	struct ike_chain c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum ike_error got =
			ike_chain_parse(&c, rows[i].first, rows[i].b, rows[i].len, true);

		if (got != rows[i].want)
			fail_msg("%s (%s): %s", rows[i].defect, rows[i].clause,
				 ike_error_name(got));
	}
}

static void unknown_payloads_are_counted_and_the_critical_one_named(void **state)
{
	const uint8_t b[] = {200, 0, 0, 4, 201, 0x80, 0, 6, 1, 2, 48, 0x80, 0, 4, 0, 0, 0, 4};
	struct ike_chain c;

	(void)state;
	assert_int_equal(ike_chain_parse(&c, 199, b, sizeof(b), true), IKE_WIRE_OK);
	assert_int_equal(c.unknown, 4);
	assert_int_equal(c.critical, 200);
	assert_int_equal(c.count, 0);
}

static void payloads_are_bounded(void **state)
{
	static uint8_t b[4 * 66];
	struct ike_chain c;

	(void)state;
	for (unsigned i = 0; i < 66; i++) {
		b[4 * i] = i == 65 ? 0 : 43;
		b[4 * i + 3] = 4;
	}
	assert_int_equal(ike_chain_parse(&c, 43, b, sizeof(b), true), IKE_WIRE_TOO_MANY);
	for (unsigned i = 0; i < 66; i++)
		b[4 * i] = i == 65 ? 0 : 99;
	assert_int_equal(ike_chain_parse(&c, 99, b, sizeof(b), true), IKE_WIRE_TOO_MANY);
	b[4 * 63] = 0;
	assert_int_equal(ike_chain_parse(&c, 99, b, 64 * 4, true), IKE_WIRE_OK);
}

static void headers_that_cannot_be(void **state)
{
	uint8_t b[29] = {1, [17] = 0x20, [18] = 34, [27] = 28};
	struct ike_head h;

	(void)state;
	assert_int_equal(ike_head_parse(&h, b, 28), IKE_WIRE_OK);
	for (size_t n = 0; n < 28; n++)
		assert_int_equal(ike_head_parse(&h, b, n), IKE_WIRE_SHORT);
	assert_int_equal(ike_head_parse(&h, b, 29), IKE_WIRE_SHORT);
	b[17] = 0x10;
	assert_int_equal(ike_head_parse(&h, b, 28), IKE_WIRE_VERSION);
	b[17] = 0x30;
	assert_int_equal(ike_head_parse(&h, b, 28), IKE_WIRE_VERSION);
	b[17] = 0x2f; /* the minor version is ignored */
	assert_int_equal(ike_head_parse(&h, b, 28), IKE_WIRE_OK);
	b[0] = 0; /* an initiator's SPI is never zero (3.1) */
	assert_int_equal(ike_head_parse(&h, b, 28), IKE_WIRE_SHORT);
}

static void what_does_not_fit_is_not_built(void **state)
{
	static uint8_t b[1024], out[65600];
	struct ike_payload p = {.type = IKE_PL_VENDOR, .body = {out, 65532}};

	(void)state;
	for (size_t n = 0; n < 30; n++) {
		struct wr w = wr_init(b, n);
		struct ike_out o;

		wr_u8(&w, 0);
		o = ike_out_init(&w, 0);
		ike_put_notify(&o, IKE_N_COOKIE, out, 24);
		assert_true(w.bad);
	}
	for (unsigned n = 0; n < 2; n++) {
		static uint8_t big[70000];
		struct wr w = wr_init(big, sizeof(big));
		struct ike_out o;

		wr_u8(&w, 0);
		o = ike_out_init(&w, 0);
		p.body.len = 65531 + n; /* the length field holds 65,535 with the header */
		ike_put(&o, &p);
		assert_int_equal(w.bad, n == 1);
	}
}

static void names(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(ike_transform_name(&(struct ike_transform){IKE_T_ENCR, 20, 256, false},
					       buf, sizeof(buf)),
			    "aes-gcm-16-256");
	assert_string_equal(ike_transform_name(&(struct ike_transform){IKE_T_DH, 99, 0, false}, buf,
					       sizeof(buf)),
			    "dh-99");
	assert_string_equal(ike_notify_name(IKE_N_NO_PROPOSAL), "NO_PROPOSAL_CHOSEN");
	assert_string_equal(ike_notify_name(9999), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_to_the_bit),
		cmocka_unit_test(proposal_to_the_bit),
		cmocka_unit_test(transform_with_an_attribute_nobody_knows_is_marked),
		cmocka_unit_test(selectors_of_both_families_and_one_nobody_knows),
		cmocka_unit_test(chains_are_read_as_they_were_written),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(each_defect_has_its_name),
		cmocka_unit_test(unknown_payloads_are_counted_and_the_critical_one_named),
		cmocka_unit_test(payloads_are_bounded),
		cmocka_unit_test(headers_that_cannot_be),
		cmocka_unit_test(what_does_not_fit_is_not_built),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("wire/ike", tests, NULL, NULL);
}
