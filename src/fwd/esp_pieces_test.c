/*
 * esp_pieces: ESP packets that were fragmented after encryption, in every order; and what a carrier
 * may send that never becomes a packet: it is bounded, and no buffer is lost.
 */
#include "base/clock.h"
#include "fwd/esp_node_test.h"

#define PIECES 3

struct cut {
	uint8_t v[PIECES][2048];
	size_t len[PIECES];
	uint8_t inner[2048];
	size_t inner_len;
};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Cuts the packet behind the Ethernet header of wire into three, at multiples of eight. */
static void cut_up(struct cut *c, const uint8_t *wire, size_t n, uint32_t id)
{
	bool v6 = wire[14] >> 4 == 6;
	size_t head = v6 ? IP6_HEAD_LEN : IP4_HEAD_LEN, body = n - 14 - head;
	size_t part = (body / PIECES + 7) / 8 * 8, frag = v6 ? 8 : 0;

	for (unsigned i = 0; i < PIECES; i++) {
		uint8_t *p = c->v[i] + 14, *f = p + head;
		size_t at = i * part, len = i + 1 < PIECES ? part : body - at;
		bool more = i + 1 < PIECES;

		memcpy(c->v[i], wire, 14 + head);
		memcpy(f + frag, wire + 14 + head + at, len);
		c->len[i] = 14 + head + frag + len;
		if (v6) {
			memset(f, 0, 8);
			f[0] = p[6];
			p[6] = IP_FRAGMENT;
			put16(f + 2, (unsigned)at | more);
			put16(f + 6, id);
			put16(p + 4, (unsigned)(8 + len));
		} else {
			uint16_t sum = 0;

			put16(p + 2, (unsigned)(head + len));
			put16(p + 4, id);
			put16(p + 6, (more ? 0x2000u : 0) | (unsigned)(at / 8));
			memcpy(p + 10, &sum, 2);
			sum = ip_checksum(ip_sum(p, head));
			memcpy(p + 10, &sum, 2);
		}
	}
}

static void cut_make(struct cut *c, struct node *a, uint32_t id, uint8_t tos)
{
	uint8_t wire[2048];
	size_t n;

	c->inner_len = esp_frame(c->inner, 4, 2, 700, tos, false);
	n = node_send(a, c->inner, c->inner_len, wire);
	assert_true(n);
	cut_up(c, wire, n, id);
}

static void pieces_in_every_order_are_one_packet(void **state)
{
	static const uint8_t orders[6][PIECES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
						  {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct esp_setup s = {.suite = ESP_AES_GCM_16_256,
				      .outer = i & 1 ? 6 : 4,
				      .udp = i & 2,
				      .df = TUNNEL_DF_CLEAR};
		struct node a, b;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		for (unsigned k = 0; k < 6; k++) {
			struct cut c;
			uint8_t out[2048];

			cut_make(&c, &a, 100 + k, 0xb8);
			for (unsigned j = 0; j < PIECES; j++) {
				unsigned which = orders[k][j];
				size_t n = node_receive(&b, c.v[which], c.len[which], out);

				assert_int_equal(n, j + 1 < PIECES ? 0 : c.inner_len);
			}
			assert_memory_equal(out + 12, c.inner + 12, c.inner_len - 12);
		}
		assert_int_equal(fate_of(&b, FATE_PIECE), 12);
		node_fini(&a);
		node_fini(&b);
	}
}

static void packets_in_pieces_may_travel_side_by_side(void **state)
{
	struct esp_setup s = {.df = TUNNEL_DF_CLEAR};
	static struct cut c[FWD_WHOLES];
	uint8_t out[2048];
	struct node a, b;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	for (unsigned i = 0; i < FWD_WHOLES; i++)
		cut_make(&c[i], &a, i, 0);
	for (unsigned j = 0; j < PIECES; j++)
		for (unsigned i = 0; i < FWD_WHOLES; i++)
			assert_int_equal(node_receive(&b, c[i].v[j], c[i].len[j], out) != 0,
					 j == PIECES - 1);
	node_fini(&a);
	node_fini(&b);
}

static void congestion_of_one_piece_is_that_of_the_packet(void **state)
{
	struct esp_setup s = {.df = TUNNEL_DF_CLEAR};
	uint8_t out[2048];
	struct node a, b;
	struct cut c;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	cut_make(&c, &a, 5, 2); /* ECT(0) */
	ip_tos_set(c.v[1] + 14, 3);
	for (unsigned j = 0; j < PIECES; j++)
		node_receive(&b, c.v[j], c.len[j], out);
	assert_int_equal(out[15], 3);
	node_fini(&a);
	node_fini(&b);
}

static void pieces_that_cannot_be_make_no_packet(void **state)
{
	struct esp_setup s = {.df = TUNNEL_DF_CLEAR};
	struct node a, b;
	uint8_t out[2048];

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	for (unsigned what = 0; what < 6; what++) {
		struct cut c;
		uint8_t *p = c.v[1] + 14;
		uint16_t sum = 0;

		cut_make(&c, &a, what, 0);
		switch (what) {
		case 0: /* overlaps the first by eight octets */
			p[7]--;
			break;
		case 1: /* reaches past what the last said is the end */
			put16(p + 6, 0x2000u | 0x90);
			break;
		case 2: /* not a multiple of eight */
			c.len[1]--;
			put16(p + 2, (unsigned)c.len[1] - 14);
			break;
		case 3: /* beyond the end of any packet */
			put16(p + 6, 0x3fff);
			break;
		case 4: /* another identification: it is of another packet */
			p[5] ^= 0x40;
			break;
		case 5: /* longer than a buffer */
			put16(p + 6, 0x2000u | 300);
			break;
		}
		memcpy(p + 10, &sum, 2);
		sum = ip_checksum(ip_sum(p, 20));
		memcpy(p + 10, &sum, 2);
		for (unsigned j = 0; j < PIECES; j++)
			assert_int_equal(
				node_receive(&b, c.v[(j + 2) % 3], c.len[(j + 2) % 3], out), 0);
	}
	assert_int_equal(fate_of(&b, FATE_SENT_OVERLAY), 0);
	assert_true(fate_of(&b, FATE_DROP_OUTER_FRAGMENT) >= 5);
	node_fini(&a);
	node_fini(&b);
}

static unsigned held(const struct node *n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FWD_WHOLES; i++)
		count += n->f->wholes[i].pkt.buf != NULL;
	return count;
}

static void what_never_becomes_whole_is_bounded_and_forgotten(void **state)
{
	struct esp_setup s = {.df = TUNNEL_DF_CLEAR};
	struct node a, b;
	uint8_t out[2048];
	struct cut c, good;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	for (unsigned i = 0; i < 1000; i++) {
		cut_make(&c, &a, i, 0);
		assert_int_equal(node_receive(&b, c.v[1], c.len[1], out), 0);
	}
	assert_int_equal(held(&b), FWD_WHOLES);
	assert_int_equal(fate_of(&b, FATE_PIECE), FWD_WHOLES_TICK);
	/* After a tick there is room again, and the oldest makes it. */
	fwd_tick(b.f, NS_PER_S);
	cut_make(&good, &a, 5000, 0);
	for (unsigned j = 0; j < PIECES; j++)
		assert_int_equal(node_receive(&b, good.v[j], good.len[j], out) != 0,
				 j == PIECES - 1);
	assert_int_equal(held(&b), FWD_WHOLES - 1);
	fwd_tick(b.f, 4 * NS_PER_S);
	assert_int_equal(held(&b), 0);
	node_fini(&a);
	node_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_in_every_order_are_one_packet),
		cmocka_unit_test(packets_in_pieces_may_travel_side_by_side),
		cmocka_unit_test(congestion_of_one_piece_is_that_of_the_packet),
		cmocka_unit_test(pieces_that_cannot_be_make_no_packet),
		cmocka_unit_test(what_never_becomes_whole_is_bounded_and_forgotten),
	};

	return cmocka_run_group_tests_name("fwd/esp_pieces", tests, NULL, NULL);
}
