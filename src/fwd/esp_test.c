/* esp: packets through the whole path between two nodes, in every shape that ESP has. */
#include "base/clock.h"
#include "fwd/esp_node_test.h"

#include <errno.h>

/* One packet there; what came out must be what went in. */
static void cross(struct node *a, struct node *b, unsigned family, size_t len)
{
	uint8_t in[2048], wire[2048], out[2048];
	size_t n = esp_frame(in, family, b->id, len, 0xb8, false), w;

	w = node_send(a, in, n, wire);
	assert_true(w > n);
	if (len >= 60)
		assert_null(memmem(wire, w, in + 14 + len - 16, 16));
	assert_int_equal(node_receive(b, wire, w, out), n);
	assert_memory_equal(out, esp_tap_mac, 6);
	assert_memory_equal(out + 12, in + 12, n - 12);
}

static void every_suite_family_and_length_crosses(void **state)
{
	static const size_t lengths[] = {40, 41, 42, 43, 44, 47, 48, 63, 64, 65, 128, 1280, 1380};

	(void)state;
	for (unsigned i = 0; i < ESP_SUITE_COUNT * 8; i++) {
		struct esp_setup s = {.suite = (uint8_t)(i / 8),
				      .outer = i & 1 ? 6 : 4,
				      .esn = i & 2,
				      .udp = i & 4};
		struct node a, b;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		for (unsigned k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
			for (unsigned family = 4; family <= 6; family += 2) {
				cross(&a, &b, family, lengths[k]);
				cross(&b, &a, family, lengths[k]);
			}
		assert_int_equal(fate_of(&b, FATE_SENT_OVERLAY), 26);
		assert_int_equal(fate_of(&a, FATE_SENT_WAN), 26);
		node_fini(&a);
		node_fini(&b);
	}
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void an_outer_header_is_as_it_must_be(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct esp_setup s = {.suite = ESP_AES_GCM_16_256,
				      .outer = i & 1 ? 6 : 4,
				      .udp = i & 2,
				      .vlan = i & 4 ? 300 : 0};
		uint8_t in[2048], wire[2048], addr[16], *p = wire + (s.vlan ? 18 : 14);
		size_t n, head = s.outer == 4 ? 20 : 40, alen = s.outer == 4 ? 4 : 16;
		struct node a, b;
		struct ip ip;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0xb9, false), wire);
		assert_memory_equal(wire, esp_gateway, 6);
		assert_memory_equal(wire + 6, esp_wan_mac, 6);
		if (s.vlan) {
			assert_int_equal(be16(wire + 12), 0x8100);
			assert_int_equal(be16(wire + 14), 5 << 13 | 300); /* EF: priority 5 */
		}
		assert_int_equal(be16(p - 2), s.outer == 4 ? 0x0800 : 0x86dd);
		assert_int_equal(ip_parse(&ip, p, n - (size_t)(p - wire)), IP_OK);
		assert_int_equal(ip.len, n - (size_t)(p - wire));
		assert_int_equal(ip.tos, 0xb9);
		assert_int_equal(ip.ttl, 64);
		assert_int_equal(ip.df, s.outer == 4);
		assert_int_equal(ip.protocol, s.udp ? IP_UDP : IP_ESP);
		esp_outer(addr, s.outer, 1);
		assert_memory_equal(ip.src, addr, alen);
		esp_outer(addr, s.outer, 2);
		assert_memory_equal(ip.dst, addr, alen);
		if (s.udp) {
			assert_int_equal(ip.sport, 4500);
			assert_int_equal(ip.dport, 4500);
			assert_int_equal(be16(p + head + 4), ip.len - head);
			if (s.outer == 4)
				assert_int_equal(be16(p + head + 6), 0);
			else
				assert_int_equal(ip_checksum(ip_pseudo_sum(6, ip.src, ip.dst,
									   IP_UDP, ip.len - 40) +
							     ip_sum(p + 40, ip.len - 40)),
						 0);
			head += 8;
		}
		assert_memory_equal(p + head, "\x00\x01\x01\x02\x00\x00\x00\x01", 8);
		assert_memory_equal(p + head + 8, "\x00\x00\x00\x00\x00\x00\x00\x01", 8);
		/* 100 octets, 2 of padding, the trailer; then the ICV. */
		assert_int_equal(ip.len, head + 16 + 104 + 16);
		node_fini(&a);
		node_fini(&b);
	}
}

static void transport_mode_keeps_the_packets_own_header(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct esp_setup s = {.suite = i & 4 ? ESP_AES_CBC_256_SHA2_512_256
						     : ESP_AES_GCM_16_128,
				      .mode = ESP_TRANSPORT,
				      .outer = i & 1 ? 6 : 4,
				      .udp = i & 2,
				      .esn = true};
		uint8_t in[2048], wire[2048], out[2048], *p = in + 14, src[16], dst[16];
		size_t n, w, alen = s.outer == 4 ? 4 : 16;
		struct node a, b;
		struct ip ip, inner;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		n = esp_frame(in, s.outer, 2, 200, 0x48, false);
		esp_outer(src, s.outer, 1);
		esp_outer(dst, s.outer, 2);
		ip_build(p, s.outer, src, dst, IP_UDP, 0x48, 60, 77, false, 200);
		assert_int_equal(ip_parse(&inner, p, n - 14), IP_OK);
		ip_upper_checksum_set(p, &inner);
		w = node_send(&a, in, n, wire);
		assert_true(w > n);
		assert_int_equal(ip_parse(&ip, wire + 14, w - 14), IP_OK);
		assert_int_equal(ip.protocol, s.udp ? IP_UDP : IP_ESP);
		assert_memory_equal(ip.src, inner.src, alen);
		assert_int_equal(node_receive(&b, wire, w, out), n);
		assert_memory_equal(out + 12, in + 12, n - 12);
		/* Between other addresses it is not for this SA. */
		n = esp_frame(in, s.outer, 2, 200, 0, false);
		assert_int_equal(node_send(&a, in, n, wire), 0);
		assert_int_equal(fate_of(&a, FATE_DROP_TRANSPORT), 1);
		node_fini(&a);
		node_fini(&b);
	}
}

static void a_burst_arrives_whole_and_in_order(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .esn = true};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	size_t n = 0;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	for (unsigned i = 0; i < 200; i++)
		node_give(&a, a.overlay, in, esp_frame(in, i & 1 ? 6 : 4, 2, 100 + i, 0, false));
	while (fwd_poll(a.f))
		;
	while ((n = node_take(&a, a.wan, wire)) != 0)
		node_give(&b, b.wan, wire, n);
	while (fwd_poll(b.f))
		;
	for (unsigned i = 0; i < 200; i++) {
		n = esp_frame(in, i & 1 ? 6 : 4, 2, 100 + i, 0, false);
		assert_int_equal(node_take(&b, b.overlay, out), n);
		assert_memory_equal(out + 12, in + 12, n - 12);
	}
	node_fini(&a);
	node_fini(&b);
}

/* A packet of draft-mcgrew-gcm-test-01 (case 1: RFC 4106 with extended sequence numbers). Its text
 * says that it is ICMP, so it is for transport mode here. */
static void a_published_packet_of_rfc_4106(void **state)
{
	static const uint8_t key[] = {
		0x4c, 0x80, 0xcd, 0xef, 0xbb, 0x5d, 0x10, 0xda, 0x90, 0x6a,
		0xc7, 0x3c, 0x36, 0x13, 0xa6, 0x34, 0x2e, 0x44, 0x3b, 0x68,
	};
	static const uint8_t esp[] = {
		0x00, 0x00, 0x43, 0x21, 0x00, 0x00, 0x00, 0x00, 0x49, 0x56, 0xed, 0x7e, 0x3b,
		0x24, 0x4c, 0xfe, 0xfe, 0xcf, 0x53, 0x7e, 0x72, 0x9d, 0x5b, 0x07, 0xdc, 0x30,
		0xdf, 0x52, 0x8d, 0xd2, 0x2b, 0x76, 0x8d, 0x1b, 0x98, 0x73, 0x66, 0x96, 0xa6,
		0xfd, 0x34, 0x85, 0x09, 0xfa, 0x13, 0xce, 0xac, 0x34, 0xcf, 0xa2, 0x43, 0x6f,
		0x14, 0xa3, 0xf3, 0xcf, 0x65, 0x92, 0x5b, 0xf1, 0xf4, 0xa1, 0x3c, 0x5d, 0x15,
		0xb2, 0x1e, 0x18, 0x84, 0xf5, 0xff, 0x62, 0x47, 0xae, 0xab, 0xb7, 0x86, 0xb9,
		0x3b, 0xce, 0x61, 0xbc, 0x17, 0xd7, 0x68, 0xfd, 0x97, 0x32, 0x45, 0x90, 0x18,
		0x14, 0x8f, 0x6c, 0xbe, 0x72, 0x2f, 0xd0, 0x47, 0x96, 0x56, 0x2d, 0xfd, 0xb4,
	};
	static const uint8_t text[] = {
		0x45, 0x00, 0x00, 0x48, 0x69, 0x9a, 0x00, 0x00, 0x80, 0x11, 0x4d, 0xb7, 0xc0, 0xa8,
		0x01, 0x02, 0xc0, 0xa8, 0x01, 0x01, 0x0a, 0x9b, 0xf1, 0x56, 0x38, 0xd3, 0x01, 0x00,
		0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x5f, 0x73, 0x69, 0x70, 0x04,
		0x5f, 0x75, 0x64, 0x70, 0x03, 0x73, 0x69, 0x70, 0x09, 0x63, 0x79, 0x62, 0x65, 0x72,
		0x63, 0x69, 0x74, 0x79, 0x02, 0x64, 0x6b, 0x00, 0x00, 0x21, 0x00, 0x01,
	};
	struct esp_setup s = {.suite = ESP_AES_GCM_16_128, .mode = ESP_TRANSPORT, .esn = true};
	uint8_t wire[256] = {0}, out[2048], src[16], dst[16], *ip = wire + ETH_HEAD_LEN;
	size_t n = ETH_HEAD_LEN + IP4_HEAD_LEN + sizeof(esp);
	struct node a, b;
	struct msg m;

	(void)state;
	esp_pair(&a, &b, &s);
	m = esp_sa(1, 2, false, 1, &s);
	m.esp.spi = 0x4321;
	m.esp.seq = UINT64_C(0x8765432100000000);
	assert_int_equal(secret_set(&m.esp.key, key, sizeof(key)), 0);
	assert_int_equal(fwd_control(b.f, &m), 0);
	esp_outer(src, 4, 1);
	esp_outer(dst, 4, 2);
	memcpy(wire, esp_wan_mac, ETH_ADDR_LEN);
	wire[12] = 0x08;
	ip_build(ip, 4, src, dst, IP_ESP, 0, 64, 1, true, (uint32_t)(n - ETH_HEAD_LEN));
	memcpy(ip + IP4_HEAD_LEN, esp, sizeof(esp));
	assert_int_equal(node_receive(&b, wire, n, out),
			 ETH_HEAD_LEN + IP4_HEAD_LEN + sizeof(text));
	assert_int_equal(out[ETH_HEAD_LEN + 9], IP_ICMP);
	assert_memory_equal(out + ETH_HEAD_LEN + IP4_HEAD_LEN, text, sizeof(text));
	node_fini(&a);
	node_fini(&b);
}

/* More than 2^32 packets were lost in a row: the upper half is another one now (RFC 4303 A3). */
static void an_upper_half_that_was_lost_is_found_again(void **state)
{
	static const uint8_t suites[] = {ESP_AES_GCM_16_256, ESP_AES_CBC_256_SHA2_512_256};
	uint8_t in[2048], wire[2048], out[2048];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool far = i & 2; /* further than anybody looks */
		struct esp_setup s = {.suite = suites[i & 1], .esn = true};
		struct node a, b;
		size_t n;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
		assert_true(node_receive(&b, wire, n, out));
		a.f->tunnels[0].tunnel->tx->next = ((uint64_t)(far ? 5 : 3) << 32) + 1000;
		for (unsigned k = 0; k < ESP_WRONG_MAX; k++) {
			n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
			assert_int_equal(node_receive(&b, wire, n, out), 0);
		}
		assert_int_equal(fate_of(&b, FATE_RESYNCED), 0);
		/* One is tried, and those behind it are heard again. */
		for (unsigned k = 0; k < 2; k++) {
			n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
			if (k == 0)
				assert_int_equal(node_receive(&b, wire, n, out), 0);
			else
				assert_int_equal(node_receive(&b, wire, n, out) != 0, !far);
		}
		assert_int_equal(fate_of(&b, FATE_RESYNCED), !far);
		node_fini(&a);
		node_fini(&b);
	}
}

static void forgeries_are_not_what_the_numbers_follow(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .esn = true};
	uint8_t in[2048], wire[2048], forged[2048], out[2048];
	struct node a, b;
	uint64_t next;
	size_t n;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
	assert_true(node_receive(&b, wire, n, out));
	next = b.f->tunnels[0].tunnel->rx->next;
	for (unsigned k = 0; k < 4 * ESP_WRONG_MAX; k++) {
		memcpy(forged, wire, n);
		forged[14 + 20 + 7] = (uint8_t)(k + 2);
		forged[n - 1] ^= 1;
		assert_int_equal(node_receive(&b, forged, n, out), 0);
		fwd_tick(b.f, b.f->now + NS_PER_MS);
	}
	assert_int_equal(b.f->tunnels[0].tunnel->rx->next, next);
	assert_int_equal(fate_of(&b, FATE_RESYNCED), 0);
	n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
	assert_true(node_receive(&b, wire, n, out));
	node_fini(&a);
	node_fini(&b);
}

static void the_padding_of_a_short_frame_is_not_sent(void **state)
{
	struct esp_setup s = {0};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	memset(in, 0xee, sizeof(in));
	esp_frame(in, 4, 2, 30, 0, false);
	n = node_send(&a, in, 60, wire);
	assert_int_equal(n, 14 + 20 + 16 + 32 + 16);
	assert_int_equal(node_receive(&b, wire, n, out), 44);
	node_fini(&a);
	node_fini(&b);
}

static void dscp_is_copied_or_set_and_ecn_goes_with_it(void **state)
{
	(void)state;
	for (unsigned dscp = 0; dscp <= 64; dscp++) {
		struct esp_setup s = {.dscp = (uint8_t)dscp};
		uint8_t in[2048], wire[2048];
		struct node a, b;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		for (unsigned ecn = 0; ecn < 4; ecn++) {
			uint8_t tos = (uint8_t)(0x28 | ecn);

			assert_true(node_send(&a, in, esp_frame(in, 4, 2, 60, tos, false), wire));
			assert_int_equal(wire[15], dscp ? (dscp - 1) << 2 | ecn : tos);
		}
		node_fini(&a);
		node_fini(&b);
	}
}

/* The outer header's ECN field as the carrier's routers may leave it. */
static void every_row_of_rfc_6040_through_the_path(void **state)
{
	static const int want[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct esp_setup s = {.outer = i & 1 ? 6 : 4};
		unsigned family = i & 2 ? 6 : 4, inner = i >> 2 & 3, outer = i >> 4 & 3;
		uint8_t in[2048], wire[2048], out[2048];
		struct node a, b;
		struct ip ip;
		size_t n, w;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		n = esp_frame(in, family, 2, 100, (uint8_t)(0xb8 | inner), false);
		w = node_send(&a, in, n, wire);
		ip_tos_set(wire + 14,
			   (uint8_t)(outer | 0x10)); /* DSCP is the carrier's to change */
		if (want[inner][outer] < 0) {
			assert_int_equal(node_receive(&b, wire, w, out), 0);
			assert_int_equal(fate_of(&b, FATE_DROP_ECN), 1);
		} else {
			assert_int_equal(node_receive(&b, wire, w, out), n);
			assert_int_equal(ip_parse(&ip, out + 14, n - 14), IP_OK);
			assert_int_equal(ip.tos, 0xb8 | want[inner][outer]);
		}
		node_fini(&a);
		node_fini(&b);
	}
}

/* Gives a packet of `len`, too long for one; returns how many came out on the other side. */
static unsigned send_long(struct node *a, struct node *b, uint8_t *whole, size_t len)
{
	uint8_t in[2048], wire[2048], out[2048];
	unsigned pieces = 0;
	size_t w, n;

	node_give(a, a->overlay, in, esp_frame(in, 4, 2, len, 0, false));
	fwd_poll(a->f);
	memcpy(whole, in + 14, 20);
	while ((w = node_take(a, a->wan, wire)) != 0) {
		struct ip ip;
		unsigned at;

		assert_true(w - 14 <= 1300);
		n = node_receive(b, wire, w, out);
		assert_true(n > 34);
		assert_int_equal(ip_parse(&ip, out + 14, n - 14), IP_OK);
		at = (unsigned)(be16(out + 20) & 0x1fff) * 8;
		memcpy(whole + 20 + at, out + 34, n - 34);
		pieces++;
	}
	assert_memory_equal(whole + 20, in + 34, len - 20);
	return pieces;
}

static void what_is_too_long_is_fragmented_before_encryption(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .mtu = 1300};
	uint8_t whole[2048];
	struct node a, b;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	/* 1300 - 20 - 8 - 8 - 16 = 1248: 1246 and the trailer. */
	assert_int_equal(send_long(&a, &b, whole, 1246), 1);
	assert_int_equal(send_long(&a, &b, whole, 1247), 2);
	assert_int_equal(send_long(&a, &b, whole, 1900), 2);
	assert_int_equal(fate_of(&a, FATE_FRAGMENTED), 2);
	node_fini(&a);
	node_fini(&b);
}

static void who_may_not_be_fragmented_is_told(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .mtu = 1400};

	(void)state;
	for (unsigned family = 4; family <= 6; family += 2) {
		uint8_t in[2048], out[2048];
		struct node a, b;
		struct ip_too_big t;
		struct ip ip;
		size_t n;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		node_give(&a, a.overlay, in, esp_frame(in, family, 2, 1400, 0, true));
		fwd_poll(a.f);
		assert_int_equal(node_take(&a, a.wan, out), 0);
		n = node_take(&a, a.overlay, out);
		assert_true(n > 14);
		assert_memory_equal(out, esp_tap_mac, 6);
		assert_int_equal(ip_parse(&ip, out + 14, n - 14), IP_OK);
		assert_true(ip_too_big_parse(&t, out + 14, &ip));
		assert_int_equal(t.mtu, 1346);
		assert_memory_equal(t.quoted, in + 14, t.quoted_len);
		assert_int_equal(fate_of(&a, FATE_DROP_TOO_BIG), 1);
		/* And what is as long as he was told goes through. */
		n = esp_frame(in, family, 2, 1346, 0, true);
		assert_true(node_send(&a, in, n, out));
		/* A flood of them makes a few messages, until the next tick. */
		for (unsigned i = 0; i < 200; i++) {
			node_give(&a, a.overlay, in, esp_frame(in, family, 2, 1400, 0, true));
			fwd_poll(a.f);
		}
		for (n = 0; node_take(&a, a.overlay, out);)
			n++;
		assert_int_equal(n, FWD_ICMP_TICK - 1);
		node_fini(&a);
		node_fini(&b);
	}
}

/* The carrier's router: says that wire[0..w) is too big for it. */
static size_t router_says(uint8_t *frame, const uint8_t *wire, size_t w, uint32_t mtu)
{
	uint8_t router[16] = {198, 51, 100, 1};
	struct ip ip;
	size_t n;

	assert_int_equal(ip_parse(&ip, wire + 14, w - 14), IP_OK);
	if (ip.family == 6)
		router[0] = 0x20;
	memcpy(frame, esp_wan_mac, 6);
	memcpy(frame + 6, esp_gateway, 6);
	memcpy(frame + 12, wire + 12, 2);
	n = ip_too_big_build(frame + 14, wire + 14, &ip, router, mtu);
	assert_true(n);
	return 14 + n;
}

static void a_path_mtu_is_learned_from_who_saw_our_packet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct esp_setup s = {.outer = i & 1 ? 6 : 4, .udp = i & 2};
		uint8_t in[2048], wire[2048], icmp[2048], out[2048];
		struct fwd_tunnel *t;
		struct node a, b;
		size_t n, w;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		t = &a.f->tunnels[0];
		w = node_send(&a, in, esp_frame(in, 4, 2, 1400, 0, false), wire);
		assert_true(w);
		n = router_says(icmp, wire, w, 1400);
		assert_int_equal(node_receive(&a, icmp, n, out), 0);
		assert_int_equal(fate_of(&a, FATE_HEARD_TOO_BIG), 1);
		assert_int_equal(tunnel_mtu(a.f, t), 1400);
		/* The same packet now goes in two pieces. */
		node_give(&a, a.overlay, in, esp_frame(in, 4, 2, 1400, 0, false));
		fwd_poll(a.f);
		for (n = 0; node_take(&a, a.wan, out);)
			n++;
		assert_int_equal(n, 2);
		/* Never upwards, never below what every link carries, and not for ever. */
		n = router_says(icmp, wire, w, 1450);
		node_receive(&a, icmp, n, out);
		assert_int_equal(tunnel_mtu(a.f, t), 1400);
		n = router_says(icmp, wire, w, 100);
		node_receive(&a, icmp, n, out);
		assert_int_equal(tunnel_mtu(a.f, t), s.outer == 6 ? 1280 : 576);
		fwd_tick(a.f, 601 * NS_PER_S);
		assert_int_equal(tunnel_mtu(a.f, t), ESP_MTU);
		node_fini(&a);
		node_fini(&b);
	}
}

static void syn_build(uint8_t *frame, uint16_t mss)
{
	uint8_t *tcp = frame + 34;
	struct ip ip;

	esp_frame(frame, 4, 2, 44, 0, true);
	frame[14 + 9] = IP_TCP;
	memset(tcp, 0, 24);
	tcp[12] = 6 << 4;
	tcp[13] = 2;
	memcpy(tcp + 20, (const uint8_t[]){2, 4, (uint8_t)(mss >> 8), (uint8_t)mss}, 4);
	{
		uint16_t sum = 0;

		memcpy(frame + 24, &sum, 2);
		sum = ip_checksum(ip_sum(frame + 14, 20));
		memcpy(frame + 24, &sum, 2);
	}
	assert_int_equal(ip_parse(&ip, frame + 14, 44), IP_OK);
	ip_upper_checksum_set(frame + 14, &ip);
}

static void tcp_is_told_what_fits_in_both_directions(void **state)
{
	struct esp_setup s = {.mtu = 1400}, wide = {.mtu = 1500};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	syn_build(in, 1460);
	n = node_send(&a, in, 58, wire);
	assert_int_equal(node_receive(&b, wire, n, out), 58);
	assert_int_equal(be16(out + 14 + 42), 1346 - 40);
	/* The receiver clamps as well: its path may be the narrower one. */
	m = esp_tunnel(2, 1, ESP_TUNNEL_ID, &wide);
	assert_int_equal(fwd_control(a.f, &m), 0);
	syn_build(in, 1400);
	n = node_send(&a, in, 58, wire);
	assert_int_equal(node_receive(&b, wire, n, out), 58);
	assert_int_equal(be16(out + 14 + 42), 1346 - 40);
	syn_build(in, 500);
	n = node_send(&a, in, 58, wire);
	assert_int_equal(node_receive(&b, wire, n, out), 58);
	assert_memory_equal(out + 12, in + 12, 46);
	node_fini(&a);
	node_fini(&b);
}

static void selectors_choose_the_sa_and_are_enforced(void **state)
{
	struct esp_setup s = {0};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	/* A newer pair for UDP to port 53 alone. */
	for (unsigned i = 0; i < 2; i++) {
		m = esp_sa(1, 2, i, 2, &s);
		struct msg_selectors *dst = i ? &m.esp.ts_remote : &m.esp.ts_local;

		dst->count = 1;
		dst->v[0].protocol = IP_UDP;
		dst->v[0].port_lo = dst->v[0].port_hi = 53;
		assert_int_equal(fwd_control(i ? a.f : b.f, &m), 0);
	}
	n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
	assert_int_equal(be16(wire + 36), 0x0202); /* the newer one's SPI */
	assert_true(node_receive(&b, wire, n, out));
	in[14 + 20 + 3] = 54;
	n = node_send(&a, in, 114, wire);
	assert_int_equal(be16(wire + 36), 0x0102);
	assert_true(node_receive(&b, wire, n, out));
	/* A sender that does not keep to them. */
	m = esp_sa(1, 2, true, 2, &s);
	m.esp.spi += 0x1000000;
	m.esp.tunnel = ESP_TUNNEL_ID;
	esp_retire(a.f->sas, esp_find(a.f->sas, ESP_TUNNEL_ID, SA_TRANSMIT, 0x10202));
	m.esp.spi -= 0x1000000;
	assert_int_equal(fwd_control(a.f, &m), 0);
	n = node_send(&a, in, 114, wire);
	assert_int_equal(be16(wire + 36), 0x0202);
	assert_int_equal(node_receive(&b, wire, n, out), 0);
	assert_int_equal(fate_of(&b, FATE_DROP_SELECTOR), 1);
	node_fini(&a);
	node_fini(&b);
}

static void a_packet_to_a_group_goes_to_every_peer(void **state)
{
	struct esp_setup s = {0};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	m = esp_tunnel(3, 1, 8, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	m = esp_sa(1, 3, true, 5, &s);
	m.esp.tunnel = 8;
	assert_int_equal(fwd_control(a.f, &m), 0);
	n = esp_frame(in, 4, 2, 80, 0, false);
	memcpy(in, "\x01\x00\x5e\x00\x00\x05", 6);
	memcpy(in + 30, (const uint8_t[]){224, 0, 0, 5}, 4);
	{
		uint16_t sum = 0;

		memcpy(in + 24, &sum, 2);
		sum = ip_checksum(ip_sum(in + 14, 20));
		memcpy(in + 24, &sum, 2);
	}
	node_give(&a, a.overlay, in, n);
	fwd_poll(a.f);
	n = node_take(&a, a.wan, wire);
	assert_int_equal(wire[33], 2);
	assert_int_equal(node_receive(&b, wire, n, out), 94);
	assert_memory_equal(out, in, 6);
	assert_true(node_take(&a, a.wan, wire));
	assert_int_equal(wire[33], 3);
	assert_int_equal(node_take(&a, a.wan, wire), 0);
	assert_int_equal(fate_of(&a, FATE_COPIED), 1);
	node_fini(&a);
	node_fini(&b);
}

static void the_first_packets_wait_for_their_sa(void **state)
{
	struct esp_setup s = {.hold = true};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	struct msg m;

	(void)state;
	esp_pair(&a, &b, &s);
	a.said_count = 0;
	for (unsigned i = 0; i < FWD_HELD_MAX + 3; i++)
		assert_int_equal(node_send(&a, in, esp_frame(in, 4, 2, 100 + i, 0, false), wire),
				 0);
	assert_int_equal(a.said_count, 1); /* asked once */
	assert_int_equal(a.said[0].type, MSG_ESP_REPORT);
	assert_int_equal(a.said[0].esp_report.event, ESP_ACQUIRE);
	assert_int_equal(a.said[0].esp_report.tunnel, ESP_TUNNEL_ID);
	assert_int_equal(fate_of(&a, FATE_DROP_HELD), 3);
	m = esp_sa(1, 2, false, 1, &s);
	assert_int_equal(fwd_control(b.f, &m), 0);
	m = esp_sa(1, 2, true, 1, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	for (unsigned i = 0; i < FWD_HELD_MAX; i++) {
		size_t n = node_take(&a, a.wan, wire);

		assert_int_equal(node_receive(&b, wire, n, out), 114 + i);
	}
	/* What nobody came for is dropped, and no buffer is lost with its tunnel. */
	esp_retire(a.f->sas, a.f->tunnels[0].tunnel->tx);
	node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
	fwd_tick(a.f, 20 * NS_PER_S);
	assert_int_equal(fate_of(&a, FATE_DROP_HELD), 4);
	node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
	m = (struct msg){.type = MSG_TUNNEL_DEL, .secy = ESP_TUNNEL_ID};
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(fate_of(&a, FATE_DROP_HELD), 5);
	node_fini(&a);
	node_fini(&b);
}

/* RFC 7296 2.8: a peer's packets may overtake what its keys come with. */
static void packets_before_their_sa_wait_for_it(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n, w;

	(void)state;
	esp_pair(&a, &b, &s);
	m = esp_sa(1, 2, true, 1, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	fwd_tick(b.f, NS_PER_S);
	n = esp_frame(in, 4, 2, 100, 0, false);
	for (unsigned i = 0; i < FWD_EARLY + 3; i++) { /* the first three make room */
		w = node_send(&a, in, n, wire);
		assert_int_equal(node_receive(&b, wire, w, out), 0);
	}
	assert_int_equal(fate_of(&b, FATE_DROP_UNKNOWN_SPI), FWD_EARLY + 3);
	m = esp_sa(1, 2, false, 2, &s); /* another's coming does not concern them */
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(fate_of(&b, FATE_SENT_OVERLAY), 0);
	m = esp_sa(1, 2, false, 1, &s);
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(fate_of(&b, FATE_SENT_OVERLAY), FWD_EARLY);
	w = node_send(&a, in, n, wire);
	node_receive(&b, wire, w, out);
	assert_int_equal(fate_of(&b, FATE_SENT_OVERLAY), FWD_EARLY + 1);
	node_receive(&b, wire, w, out); /* and no packet is taken twice */
	assert_int_equal(fate_of(&b, FATE_DROP_DUPLICATE), 1);
	node_fini(&a);
	node_fini(&b);
}

static void packets_wait_for_their_sa_no_longer_than_a_second(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	struct msg m;

	(void)state;
	esp_pair(&a, &b, &s);
	m = esp_sa(1, 2, true, 1, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	fwd_tick(b.f, NS_PER_S);
	node_receive(&b, wire, node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire), out);
	fwd_tick(b.f, 2 * NS_PER_S + 1);
	m = esp_sa(1, 2, false, 1, &s);
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(fate_of(&b, FATE_DROP_UNKNOWN_SPI), 1);
	assert_int_equal(fate_of(&b, FATE_SENT_OVERLAY), 0);
	node_fini(&a);
	node_fini(&b);
}

static void a_peer_that_moved_is_reported(void **state)
{
	struct esp_setup s = {.udp = true};
	uint8_t in[2048], wire[2048], first[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n, k;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	b.said_count = 0;
	k = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), first);
	n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
	assert_true(node_receive(&b, wire, n, out));
	assert_int_equal(b.said_count, 1);
	assert_int_equal(b.said[0].esp_report.event, ESP_USED);
	/* An older packet, even from elsewhere, says nothing of where the peer is. */
	first[14 + 20 + 1] ^= 1;
	assert_true(node_receive(&b, first, k, out));
	assert_int_equal(b.said_count, 1);
	for (unsigned i = 0; i < 3; i++) {
		n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
		wire[14 + 20] = 0xee; /* the NAT's new port */
		assert_true(node_receive(&b, wire, n, out));
	}
	assert_int_equal(b.said_count, 2);
	assert_int_equal(b.said[1].esp_report.event, ESP_MOVED);
	assert_int_equal(b.said[1].esp_report.remote.port, 0xee00 | (4500 & 0xff));
	/* Control follows: what b sends goes there. */
	m = esp_sa(2, 1, true, 1, &s);
	m.esp.remote.port = b.said[1].esp_report.remote.port;
	assert_int_equal(fwd_control(b.f, &m), 0);
	node_send(&b, in, esp_frame(in, 4, 1, 100, 0, false), wire);
	assert_int_equal(be16(wire + 36), 0xee00 | (4500 & 0xff));
	node_fini(&a);
	node_fini(&b);
}

/* The value under that name of that SPI and direction among what was said, or -1. */
static int64_t told(const struct node *n, uint64_t spi, int8_t direction, const char *name)
{
	for (unsigned i = 0; i < n->said_count; i++) {
		const struct msg_stats *s = &n->said[i].stats;

		if (n->said[i].type != MSG_STATS || s->sci != spi || s->an != direction)
			continue;
		for (unsigned k = 0; k < s->count; k++)
			if (!strcmp(s->v[k].name, name))
				return (int64_t)s->v[k].value;
	}
	return -1;
}

static void the_counters_of_a_tunnel_outlive_its_sas(void **state)
{
	struct msg get = {.type = MSG_STATS_GET, .secy = ESP_TUNNEL_ID};
	struct esp_setup s = {0};
	uint8_t in[2048], wire[2048], out[2048];
	struct node a, b;
	size_t n = 0;

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	for (unsigned i = 0; i < 5; i++) {
		n = node_send(&a, in, esp_frame(in, 4, 2, 100, 0, false), wire);
		assert_true(node_receive(&b, wire, n, out));
	}
	node_receive(&b, wire, n, out); /* again */
	wire[n - 1] ^= 1;
	wire[14 + 20 + 7]++; /* a new number, and an ICV that is wrong */
	node_receive(&b, wire, n, out);
	b.said_count = 0;
	assert_int_equal(fwd_control(b.f, &get), 0);
	assert_int_equal(told(&b, 0x10102, SA_RECEIVE, "packets"), 5);
	assert_int_equal(told(&b, 0x10102, SA_RECEIVE, "octets"), 500);
	assert_int_equal(told(&b, 0x10102, SA_RECEIVE, "replays"), 1);
	assert_int_equal(told(&b, 0x10102, SA_RECEIVE, "not-valid"), 1);
	assert_int_equal(told(&b, 0x10102, SA_RECEIVE, "sequence"), 6);
	assert_int_equal(told(&b, 0, -1, "path-mtu"), ESP_MTU);
	assert_int_equal(told(&b, 0, -1, "path.drop.duplicate"), 1);
	esp_retire(b.f->sas, b.f->tunnels[0].tunnel->rx);
	b.said_count = 0;
	assert_int_equal(fwd_control(b.f, &get), 0);
	assert_int_equal(told(&b, 0x10102, SA_RECEIVE, "packets"), -1);
	assert_int_equal(told(&b, 0, SA_RECEIVE, "packets"), 5);
	assert_int_equal(told(&b, 0, SA_TRANSMIT, "packets"), 0);
	assert_int_equal(b.said[b.said_count - 1].type, MSG_STATS_DONE);
	node_fini(&a);
	node_fini(&b);
}

static void what_goes_nowhere_has_its_name(void **state)
{
	struct esp_setup s = {0};
	uint8_t in[2048], wire[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
#define GOES_NOWHERE(fate)                                                                         \
	do {                                                                                       \
		uint64_t was = fate_of(&a, fate);                                                  \
		assert_int_equal(node_send(&a, in, n, wire), 0);                                   \
		assert_int_equal(fate_of(&a, fate), was + 1);                                      \
	} while (0)
	esp_pair(&a, &b, &s);
	n = esp_frame(in, 4, 2, 100, 0, false);
	GOES_NOWHERE(FATE_DROP_NO_TX_SA);
	esp_key(&a, &b, 1, &s);
	n = esp_frame(in, 4, 9, 100, 0, false);
	GOES_NOWHERE(FATE_DROP_NO_TUNNEL);
	n = esp_frame(in, 4, 2, 100, 0, false);
	in[13] = 6;
	GOES_NOWHERE(FATE_DROP_NOT_IP);
	n = esp_frame(in, 4, 2, 100, 0, false);
	in[20] ^= 1;
	GOES_NOWHERE(FATE_DROP_INNER_MALFORMED);
	n = 13;
	GOES_NOWHERE(FATE_DROP_RUNT);
	m = esp_tunnel(2, 1, ESP_TUNNEL_ID, &s);
	memset(m.tunnel_add.next_hop, 0, 6);
	assert_int_equal(fwd_control(a.f, &m), 0);
	n = esp_frame(in, 4, 2, 100, 0, false);
	GOES_NOWHERE(FATE_DROP_NO_NEXT_HOP);
	m = esp_tunnel(2, 1, ESP_TUNNEL_ID, &s);
	m.tunnel_add.wan = 99;
	assert_int_equal(fwd_control(a.f, &m), 0);
	GOES_NOWHERE(FATE_DROP_NO_PORT);
	m = esp_tunnel(2, 1, ESP_TUNNEL_ID, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	m = esp_sa(1, 2, true, 3, &s);
	m.esp.seq = 9;
	m.esp.seq_limit = 11;
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_true(node_send(&a, in, n, wire));
	assert_true(node_send(&a, in, n, wire));
	GOES_NOWHERE(FATE_DROP_PN_EXHAUSTED);
	node_fini(&a);
	node_fini(&b);
}

/* RFC 7634 appendix A, from the packet on the wire to the ICMP message within. */
static void the_rfcs_example_packet_is_received(void **state)
{
	static const uint8_t wire[14 + 140] = {
		2,    0,    0,    0,    9,    8,    2,    0,    0,    0,    1,    1,    8,    0,
		0x45, 0x00, 0x00, 0x8c, 0x23, 0x45, 0x00, 0x00, 0x40, 0x32, 0xde, 0x5b, 0xcb, 0x00,
		0x71, 0x99, 0xcb, 0x00, 0x71, 0x05, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x05,
		0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x24, 0x03, 0x94, 0x28, 0xb9, 0x7f,
		0x41, 0x7e, 0x3c, 0x13, 0x75, 0x3a, 0x4f, 0x05, 0x08, 0x7b, 0x67, 0xc3, 0x52, 0xe6,
		0xa7, 0xfa, 0xb1, 0xb9, 0x82, 0xd4, 0x66, 0xef, 0x40, 0x7a, 0xe5, 0xc6, 0x14, 0xee,
		0x80, 0x99, 0xd5, 0x28, 0x44, 0xeb, 0x61, 0xaa, 0x95, 0xdf, 0xab, 0x4c, 0x02, 0xf7,
		0x2a, 0xa7, 0x1e, 0x7c, 0x4c, 0x4f, 0x64, 0xc9, 0xbe, 0xfe, 0x2f, 0xac, 0xc6, 0x38,
		0xe8, 0xf3, 0xcb, 0xec, 0x16, 0x3f, 0xac, 0x46, 0x9b, 0x50, 0x27, 0x73, 0xf6, 0xfb,
		0x94, 0xe6, 0x64, 0xda, 0x91, 0x65, 0xb8, 0x28, 0x29, 0xf6, 0x41, 0xe0, 0x76, 0xaa,
		0xa8, 0x26, 0x6b, 0x7f, 0xb0, 0xf7, 0xb1, 0x1b, 0x36, 0x99, 0x07, 0xe1, 0xad, 0x43,
	};
	struct esp_setup s = {.suite = ESP_CHACHA20_POLY1305};
	uint8_t out[2048];
	struct node a, b;
	struct msg m;
	struct ip ip;

	(void)state;
	esp_pair(&a, &b, &s);
	m = esp_sa(1, 2, false, 1, &s);
	m.esp.spi = 0x01020304;
	memcpy(m.esp.local.addr, (const uint8_t[]){203, 0, 113, 5}, 4);
	memcpy(m.esp.remote.addr, (const uint8_t[]){203, 0, 113, 153}, 4);
	for (unsigned i = 0; i < 36; i++)
		m.esp.key.b[i] = (uint8_t)(0x80 + i);
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(node_receive(&b, wire, sizeof(wire), out), 14 + 84);
	assert_int_equal(ip_parse(&ip, out + 14, 84), IP_OK);
	assert_int_equal(ip.protocol, IP_ICMP);
	assert_memory_equal(ip.src, ((const uint8_t[]){198, 51, 100, 5}), 4);
	assert_memory_equal(ip.dst, ((const uint8_t[]){192, 0, 2, 5}), 4);
	for (unsigned i = 8; i < 0x38; i++) /* ping's pattern */
		assert_int_equal(out[14 + 20 + 8 + i], i);
	node_fini(&a);
	node_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_suite_family_and_length_crosses),
		cmocka_unit_test(the_rfcs_example_packet_is_received),
		cmocka_unit_test(an_outer_header_is_as_it_must_be),
		cmocka_unit_test(transport_mode_keeps_the_packets_own_header),
		cmocka_unit_test(a_burst_arrives_whole_and_in_order),
		cmocka_unit_test(a_published_packet_of_rfc_4106),
		cmocka_unit_test(an_upper_half_that_was_lost_is_found_again),
		cmocka_unit_test(forgeries_are_not_what_the_numbers_follow),
		cmocka_unit_test(the_padding_of_a_short_frame_is_not_sent),
		cmocka_unit_test(dscp_is_copied_or_set_and_ecn_goes_with_it),
		cmocka_unit_test(every_row_of_rfc_6040_through_the_path),
		cmocka_unit_test(what_is_too_long_is_fragmented_before_encryption),
		cmocka_unit_test(who_may_not_be_fragmented_is_told),
		cmocka_unit_test(a_path_mtu_is_learned_from_who_saw_our_packet),
		cmocka_unit_test(tcp_is_told_what_fits_in_both_directions),
		cmocka_unit_test(selectors_choose_the_sa_and_are_enforced),
		cmocka_unit_test(a_packet_to_a_group_goes_to_every_peer),
		cmocka_unit_test(the_first_packets_wait_for_their_sa),
		cmocka_unit_test(packets_before_their_sa_wait_for_it),
		cmocka_unit_test(packets_wait_for_their_sa_no_longer_than_a_second),
		cmocka_unit_test(a_peer_that_moved_is_reported),
		cmocka_unit_test(the_counters_of_a_tunnel_outlive_its_sas),
		cmocka_unit_test(what_goes_nowhere_has_its_name),
	};

	return cmocka_run_group_tests_name("fwd/esp", tests, NULL, NULL);
}
