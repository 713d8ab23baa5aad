/*
 * esp_hostile: packets that a carrier, somebody on it, or a peer gone bad may deliver to an ESP
 * node. A row is a defect, the clause it offends, and the one fate it may have; the state area
 * must not change for what did not verify.
 */
#include "fwd/esp_node_test.h"

#include "crypto/aead.h"

#include <endian.h>

#define KEY 1
#define HEAD (14 + 20) /* Ethernet and outer IPv4 */

struct scene {
	struct esp_setup setup;
	struct node a, b;
	uint8_t inner[300], wire[2048];
	size_t inner_len, len; /* inner_len: with its Ethernet header */
};

static uint64_t digest_of(const struct node *n)
{
	const uint64_t *w = n->area;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < fwd_state_size() / 8; i++)
		h = (h ^ w[i]) * 0x100000001b3;
	return h;
}

static void scene_set(struct scene *s)
{
	esp_pair(&s->a, &s->b, &s->setup);
	esp_key(&s->a, &s->b, KEY, &s->setup);
	s->inner_len = esp_frame(s->inner, 4, 2, 120, 0, false);
	s->len = node_send(&s->a, s->inner, s->inner_len, s->wire);
	assert_true(s->len);
}

static void scene_end(struct scene *s)
{
	node_fini(&s->a);
	node_fini(&s->b);
}

static void head_sum(struct scene *s)
{
	uint16_t sum = 0;

	memcpy(s->wire + 24, &sum, 2);
	sum = ip_checksum(ip_sum(s->wire + 14, 20));
	memcpy(s->wire + 24, &sum, 2);
}

/* The frame's length is now n; so says its outer header. */
static void cut_to(struct scene *s, size_t n)
{
	s->len = n;
	ip_len_set(s->wire + 14, (uint32_t)(n - 14));
}

/* One change a line reads best. */
/* clang-format off */
typedef void change_fn(struct scene *s);

static void no_frame(struct scene *s) { s->len = 13; }
static void arp(struct scene *s) { s->wire[13] = 6; }
static void ip_version(struct scene *s) { s->wire[14] = 0x55; }
static void ip_head(struct scene *s) { s->wire[14] = 0x44; }
static void ip_sum_wrong(struct scene *s) { s->wire[22]--; }
static void ip_longer(struct scene *s) { ip_len_set(s->wire + 14, (uint32_t)s->len - 13); }
static void ip_cut(struct scene *s) { s->len = 14 + 19; }
static void first_fragment(struct scene *s) { s->wire[20] = 0x20; head_sum(s); }
static void later_fragment(struct scene *s) { s->wire[21] = 9; head_sum(s); }
static void other_address(struct scene *s) { s->wire[33] = 77; head_sum(s); }
static void protocol_tcp(struct scene *s) { s->wire[23] = 6; head_sum(s); }
static void protocol_ah(struct scene *s) { s->wire[23] = 51; head_sum(s); }
static void protocol_icmp(struct scene *s) { s->wire[23] = 1; head_sum(s); }
static void protocol_udp(struct scene *s)
{
	s->wire[23] = 17;
	memcpy(s->wire + HEAD, (const uint8_t[]){0x11, 0x94, 0x11, 0x94, 0, (uint8_t)(s->len - HEAD)}, 6);
	memcpy(s->wire + HEAD + 8, "\x00\x01\x01\x02", 4);
	head_sum(s);
}
static void spi_unknown(struct scene *s) { s->wire[HEAD + 3] ^= 0x40; }
static void spi_ours(struct scene *s) { s->wire[HEAD + 3] = 1; } /* what b itself sends under */
static void spi_zero(struct scene *s) { memset(s->wire + HEAD, 0, 4); }
static void no_spi(struct scene *s) { cut_to(s, HEAD + 7); }
static void no_iv(struct scene *s) { cut_to(s, HEAD + 12); }
static void no_icv(struct scene *s) { cut_to(s, HEAD + 16 + 15); }
static void odd_length(struct scene *s) { cut_to(s, s->len - 1); }
static void shorter(struct scene *s) { cut_to(s, s->len - 4); }
static void longer(struct scene *s) { cut_to(s, s->len + 4); }
static void seq_zero(struct scene *s) { memset(s->wire + HEAD + 4, 0, 4); }
static void seq_other(struct scene *s) { s->wire[HEAD + 7] += 3; }
static void seq_far(struct scene *s) { s->wire[HEAD + 4] ^= 0x40; }
static void iv_byte(struct scene *s) { s->wire[HEAD + 8] ^= 1; }
static void data_byte(struct scene *s) { s->wire[HEAD + 40] ^= 0x80; }
static void icv_byte(struct scene *s) { s->wire[s->len - 1] ^= 1; }
static void vlan_tag(struct scene *s)
{
	memmove(s->wire + 16, s->wire + 12, s->len - 12);
	memcpy(s->wire + 12, "\x81\x00\x00\x07", 4);
	s->len += 4;
}
static void service_tag(struct scene *s) { vlan_tag(s); s->wire[12] = 0x88; s->wire[13] = 0xa8; }
static void replay(struct scene *s)
{
	uint8_t out[2048];

	assert_int_equal(node_receive(&s->b, s->wire, s->len, out), s->inner_len);
}
static void too_late(struct scene *s)
{
	uint8_t wire[2048], out[2048];

	for (unsigned i = 0; i < 65; i++) {
		size_t n = node_send(&s->a, s->inner, s->inner_len, wire);

		assert_int_equal(node_receive(&s->b, wire, n, out), s->inner_len);
	}
}
static void other_key(struct scene *s)
{
	struct msg m = esp_sa(1, 2, true, KEY, &s->setup);

	m.esp.key.b[0] ^= 1;
	m.esp.seq = 1000;
	assert_int_equal(fwd_control(s->a.f, &m), 0);
	s->len = node_send(&s->a, s->inner, s->inner_len, s->wire);
}
/* clang-format on */

struct row {
	const char *defect, *clause;
	change_fn *change;
	enum fwd_fate fate;
};

static const struct row rows[] = {
	{"13 octets", "802.3", no_frame, FATE_DROP_RUNT},
	{"a tag where there is none", "802.1Q", vlan_tag, FATE_DROP_VLAN},
	{"version 5", "RFC 791", ip_version, FATE_DROP_OUTER_MALFORMED},
	{"header of four words", "RFC 791", ip_head, FATE_DROP_OUTER_MALFORMED},
	{"header checksum", "RFC 791", ip_sum_wrong, FATE_DROP_OUTER_MALFORMED},
	{"longer than the frame", "RFC 791", ip_longer, FATE_DROP_OUTER_MALFORMED},
	{"ends within the header", "RFC 791", ip_cut, FATE_DROP_OUTER_MALFORMED},
	{"a first fragment of an odd length", "RFC 791", first_fragment, FATE_DROP_OUTER_FRAGMENT},
	{"later fragment", "RFC 4303 3.4.1", later_fragment, FATE_PIECE},
	{"another destination", "RFC 4301 4.1", other_address, FATE_DROP_UNKNOWN_SPI},
	{"TCP", "RFC 4301 5.2", protocol_tcp, FATE_DROP_NOT_ESP},
	{"AH", "RFC 4301 5.2", protocol_ah, FATE_DROP_NOT_ESP},
	{"ICMP", "RFC 4301 6.1.1", protocol_icmp, FATE_DROP_ICMP},
	{"UDP around ESP", "RFC 3948 2.1", protocol_udp, FATE_DROP_ENCAPSULATION},
	{"unknown SPI", "RFC 4303 3.4.2", spi_unknown, FATE_DROP_UNKNOWN_SPI},
	{"the SPI of the other direction", "RFC 4303 3.4.2", spi_ours, FATE_DROP_UNKNOWN_SPI},
	{"SPI 0", "RFC 4303 2.1", spi_zero, FATE_DROP_UNKNOWN_SPI},
	{"ends within the ESP header", "RFC 4303 2", no_spi, FATE_DROP_ESP_SHORT},
	{"ends within the IV", "RFC 4303 2", no_iv, FATE_DROP_ESP_SHORT},
	{"ends within the ICV", "RFC 4303 2", no_icv, FATE_DROP_ESP_SHORT},
	{"not a multiple of four", "RFC 4303 2.4", odd_length, FATE_DROP_ESP_LENGTH},
	{"four octets less", "RFC 4303 3.4.4", shorter, FATE_DROP_NOT_VALID},
	{"four octets more", "RFC 4303 3.4.4", longer, FATE_DROP_NOT_VALID},
	{"sequence number 0", "RFC 4303 3.3.3", seq_zero, FATE_DROP_LATE},
	{"another sequence number", "RFC 4303 3.4.4", seq_other, FATE_DROP_NOT_VALID},
	{"a sequence number far off", "RFC 4303 3.4.4", seq_far, FATE_DROP_NOT_VALID},
	{"IV altered", "RFC 4303 3.4.4", iv_byte, FATE_DROP_NOT_VALID},
	{"data altered", "RFC 4303 3.4.4", data_byte, FATE_DROP_NOT_VALID},
	{"ICV altered", "RFC 4303 3.4.4", icv_byte, FATE_DROP_NOT_VALID},
	{"another key", "RFC 4303 3.4.4", other_key, FATE_DROP_NOT_VALID},
	{"sent again", "RFC 4303 3.4.3", replay, FATE_DROP_DUPLICATE},
	{"below the window", "RFC 4303 3.4.3", too_late, FATE_DROP_LATE},
};

/* What tc would have called MACsec's business. */
static const struct row not_ip_rows[] = {
	{"ARP", "RFC 826", arp, FATE_DROP_CLEAR},
	{"a service tag", "802.1ad", service_tag, FATE_DROP_STAG},
};

static void row_try(const struct row *row, struct esp_setup setup)
{
	struct scene s = {.setup = setup};
	uint64_t fates[FATE_COUNT], digest;
	uint8_t out[2048];

	scene_set(&s);
	row->change(&s);
	memcpy(fates, s.b.f->fates, sizeof(fates));
	digest = digest_of(&s.b);
	assert_int_equal(node_receive(&s.b, s.wire, s.len, out), 0);
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (s.b.f->fates[i] - fates[i] != (i == row->fate))
			fail_msg("%s (%s): fate %s", row->defect, row->clause, fwd_fate_names[i]);
	if (digest_of(&s.b) != digest)
		fail_msg("%s (%s): the state area changed", row->defect, row->clause);
	if (row->change != other_key) { /* and a good one still comes through */
		s.len = node_send(&s.a, s.inner, s.inner_len, s.wire);
		assert_int_equal(node_receive(&s.b, s.wire, s.len, out), s.inner_len);
	}
	scene_end(&s);
}

/* The same behind a good packet, with which it shares all that was not changed. */
static void row_try_behind(const struct row *row, struct esp_setup setup)
{
	struct scene s[2] = {{.setup = setup}, {.setup = setup}};
	uint8_t good[2048], out[2048];

	for (unsigned i = 0; i < 2; i++) {
		struct node *b = &s[i].b;
		size_t len;

		scene_set(&s[i]);
		row->change(&s[i]);
		len = node_send(&s[i].a, s[i].inner, s[i].inner_len, good);
		node_give(b, b->wan, good, len);
		if (i)
			node_give(b, b->wan, s[i].wire, s[i].len);
		fwd_poll(b->f);
		assert_int_equal(node_take(b, b->overlay, out), s[i].inner_len);
		assert_int_equal(node_take(b, b->overlay, out), 0);
	}
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (s[1].b.f->fates[i] - s[0].b.f->fates[i] != (i == row->fate))
			fail_msg("%s (%s) behind another: fate %s", row->defect, row->clause,
				 fwd_fate_names[i]);
	if (digest_of(&s[0].b) != digest_of(&s[1].b))
		fail_msg("%s (%s) behind another: the state area changed", row->defect,
			 row->clause);
	scene_end(&s[0]);
	scene_end(&s[1]);
}

static void each_defect_has_its_own_fate_behind_a_good_packet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].change != other_key)
			row_try_behind(&rows[i], (struct esp_setup){.suite = ESP_AES_GCM_16_256});
}

static void each_defect_has_its_own_fate_and_changes_no_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row_try(&rows[i], (struct esp_setup){.suite = ESP_AES_GCM_16_256});
		row_try(&rows[i], (struct esp_setup){.suite = ESP_CHACHA20_POLY1305});
	}
	for (unsigned i = 0; i < 2; i++)
		row_try(&not_ip_rows[i], (struct esp_setup){.suite = ESP_AES_GCM_16_256});
}

/* The same, for ESP in UDP: from the UDP header on. */
static void udp_defects_have_their_own_fates(void **state)
{
	static const struct {
		const char *defect;
		uint16_t at;
		uint8_t len;
		uint8_t bytes[4];
		enum fwd_fate fate;
	} udp_rows[] = {
		{"plain IKE", HEAD + 2, 2, {0x01, 0xf4}, FATE_DROP_IKE},
		{"the non-ESP marker", HEAD + 8, 4, {0}, FATE_DROP_IKE},
		{"another port", HEAD + 2, 2, {0x11, 0x95}, FATE_DROP_ENCAPSULATION},
		{"a length of 7", HEAD + 4, 2, {0, 7}, FATE_DROP_OUTER_MALFORMED},
		{"a length past the packet", HEAD + 4, 2, {0x0f, 0}, FATE_DROP_OUTER_MALFORMED},
		{"nothing in it", HEAD + 4, 2, {0, 8}, FATE_DROP_ESP_SHORT},
		{"an SPI and nothing else", HEAD + 4, 2, {0, 12}, FATE_DROP_ESP_SHORT},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(udp_rows) / sizeof(udp_rows[0]); i++) {
		struct scene s = {.setup = {.udp = true}};
		uint64_t digest;
		uint8_t good[2048], out[2048];
		size_t good_len;

		scene_set(&s);
		memcpy(s.wire + udp_rows[i].at, udp_rows[i].bytes, udp_rows[i].len);
		digest = digest_of(&s.b);
		assert_int_equal(node_receive(&s.b, s.wire, s.len, out), 0);
		if (fate_of(&s.b, udp_rows[i].fate) != 1)
			fail_msg("%s", udp_rows[i].defect);
		assert_true(digest_of(&s.b) == digest);
		good_len = node_send(&s.a, s.inner, s.inner_len, good);
		node_give(&s.b, s.b.wan, good, good_len);
		node_give(&s.b, s.b.wan, s.wire, s.len);
		fwd_poll(s.b.f);
		assert_int_equal(node_take(&s.b, s.b.overlay, out), s.inner_len);
		if (fate_of(&s.b, udp_rows[i].fate) != 2)
			fail_msg("%s behind a good one", udp_rows[i].defect);
		scene_end(&s);
	}
}

static void a_keepalive_is_known_by_its_octet(void **state)
{
	struct scene s = {.setup = {.udp = true}};
	uint8_t out[2048];

	(void)state;
	scene_set(&s);
	cut_to(&s, HEAD + 9);
	memcpy(s.wire + HEAD + 4, "\x00\x09", 2);
	s.wire[HEAD + 8] = 0xff;
	assert_int_equal(node_receive(&s.b, s.wire, s.len, out), 0);
	assert_int_equal(fate_of(&s.b, FATE_DROP_KEEPALIVE), 1);
	s.wire[HEAD + 8] = 0xfe;
	assert_int_equal(node_receive(&s.b, s.wire, s.len, out), 0);
	assert_int_equal(fate_of(&s.b, FATE_DROP_KEEPALIVE), 1);
	assert_int_equal(fate_of(&s.b, FATE_DROP_ESP_SHORT), 1);
	scene_end(&s);
}

/* Seals n octets as they are, trailer included, under a's key: a peer that has the key and no
 * manners. Returns the frame's length. */
static size_t forge(uint8_t *wire, const uint8_t *plain, size_t n, uint32_t seq)
{
	uint8_t key[32], *esp = wire + HEAD;
	const uint32_t head[4] = {htobe32(0x10102), htobe32(seq), 0, htobe32(seq)};
	struct aead_op op = {.data = esp + 16,
			     .len = (uint32_t)n,
			     .aad = esp,
			     .aad_len = 8,
			     .tag = esp + 16 + n};
	uint8_t src[16], dst[16];
	struct aead_key *k;

	memset(key, KEY * 16 + 1, sizeof(key));
	memset(op.nonce, KEY * 16 + 1, 4);
	memcpy(esp, head, sizeof(head));
	memcpy(op.nonce + 4, head + 2, 8);
	memcpy(esp + 16, plain, n);
	k = aead_key_new(key, sizeof(key));
	aead_seal(k, &op, 1);
	aead_key_free(k);
	memcpy(wire, esp_wan_mac, 6);
	memcpy(wire + 6, esp_gateway, 6);
	memcpy(wire + 12, "\x08\x00", 2);
	esp_outer(src, 4, 1);
	esp_outer(dst, 4, 2);
	ip_build(wire + 14, 4, src, dst, IP_ESP, 0, 64, 0, true, (uint32_t)(20 + 16 + n + 16));
	return HEAD + 16 + n + 16;
}

/* A packet of 100 octets with `tfc` octets behind it, `pad` of padding, and a next header. */
static size_t plain_make(uint8_t *plain, size_t tfc, unsigned pad, uint8_t next)
{
	uint8_t frame[400];

	esp_frame(frame, 4, 2, 100, 0, false);
	memcpy(plain, frame + 14, 100);
	memset(plain + 100, 0xa5, tfc);
	esp_trailer_build(plain + 100 + tfc, pad, next);
	return 100 + tfc + pad + 2;
}

static void what_verified_may_still_not_be_right(void **state)
{
	const enum fwd_fate OK = FATE_SENT_OVERLAY;
	const struct {
		const char *what;
		size_t tfc;
		unsigned pad;
		uint8_t next;
		int at; /* octet that is changed, from the end when negative; 0: none */
		uint8_t value;
		enum fwd_fate fate;
	} made[] = {
		{"the least padding", 0, 2, 4, 0, 0, OK},
		{"more padding than needed", 0, 254, 4, 0, 0, OK},
		{"traffic flow confidentiality", 200, 2, 4, 0, 0, OK},
		{"padding that counts otherwise", 0, 6, 4, -4, 1, FATE_DROP_ESP_PADDING},
		{"padding of zeroes", 0, 2, 4, -4, 0, FATE_DROP_ESP_PADDING},
		{"padding longer than the packet", 0, 2, 4, -2, 200, FATE_DROP_ESP_PADDING},
		{"a dummy", 0, 2, 59, 0, 0, FATE_DROP_ESP_DUMMY},
		{"IPv4 that says IPv6", 0, 2, 41, 0, 0, FATE_DROP_ESP_INNER},
		{"TCP in tunnel mode", 0, 2, 6, 0, 0, FATE_DROP_NEXT_HEADER},
		{"an inner header that is wrong", 0, 2, 4, 8, 9, FATE_DROP_ESP_INNER},
		{"an inner packet longer than there is", 0, 2, 4, 2, 9, FATE_DROP_ESP_INNER},
		{"no inner packet of any version", 0, 2, 4, 0x100, 0x15, FATE_DROP_ESP_INNER},
	};
	struct scene s = {.setup = {.suite = ESP_AES_GCM_16_256}};
	uint8_t plain[600], wire[2048], out[2048];

	(void)state;
	scene_set(&s);
	for (unsigned i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		size_t n = plain_make(plain, made[i].tfc, made[i].pad, made[i].next);
		uint64_t was = fate_of(&s.b, made[i].fate);

		if (made[i].at)
			plain[made[i].at < 0 ? n - (size_t)-made[i].at : made[i].at & 0xff] =
				made[i].value;
		n = forge(wire, plain, n, i + 1);
		n = node_receive(&s.b, wire, n, out);
		if (n != (made[i].fate == OK ? 114 : 0) || fate_of(&s.b, made[i].fate) != was + 1)
			fail_msg("%s", made[i].what);
	}
	scene_end(&s);
}

static void nothing_of_a_forged_packet_stays(void **state)
{
	struct scene s = {.setup = {.suite = ESP_AES_GCM_16_256}};
	uint8_t out[2048];
	struct pkt p = {0};

	(void)state;
	scene_set(&s);
	icv_byte(&s);
	assert_int_equal(node_receive(&s.b, s.wire, s.len, out), 0);
	assert_true(pkt_alloc(s.b.pool, &p)); /* last in, first out: the same buffer */
	assert_null(memmem(p.buf, PKT_HEADROOM + 400, s.inner + 60, 16));
	pkt_release(s.b.pool, &p);
	scene_end(&s);
}

static void icmp_is_believed_only_with_a_packet_of_ours(void **state)
{
	/* Offsets into the quoted packet: source, destination, SPI, sequence number. */
	static const uint8_t at[] = {15, 19, 23, 24, 25};
	struct scene s = {.setup = {0}};
	uint8_t icmp[2048], out[2048], router[4] = {198, 51, 100, 1};
	struct ip ip;
	size_t n;

	(void)state;
	scene_set(&s);
	for (unsigned i = 0; i <= sizeof(at); i++) {
		uint8_t quoted[200];

		memcpy(quoted, s.wire + 14, s.len - 14);
		if (i < sizeof(at))
			quoted[at[i]] ^= 0x55;
		quoted[10] = quoted[11] = 0;
		{
			uint16_t sum = ip_checksum(ip_sum(quoted, 20));

			memcpy(quoted + 10, &sum, 2);
		}
		assert_int_equal(ip_parse(&ip, quoted, s.len - 14), IP_OK);
		memcpy(icmp, s.wire, 14);
		n = 14 + ip_too_big_build(icmp + 14, quoted, &ip, router, 1000);
		assert_true(n > 14);
		assert_int_equal(node_receive(&s.a, icmp, n, out), 0);
		assert_int_equal(fate_of(&s.a, FATE_HEARD_TOO_BIG), i == sizeof(at));
	}
	/* And no more of them than a few between two ticks. */
	for (unsigned i = 0; i < 100; i++) {
		icmp[14 + 27]--; /* a smaller MTU each time */
		icmp[14 + 23]++;
		node_receive(&s.a, icmp, n, out);
	}
	assert_true(fate_of(&s.a, FATE_HEARD_TOO_BIG) <= FWD_ICMP_TICK);
	scene_end(&s);
}

/* Random orders, repetitions and gaps around the end of a subspace, against a plain set. */
static void replay_and_extended_numbers_agree_with_a_naive_model(void **state)
{
	enum { SPAN = 4000, BURST = 60 };
	static uint8_t wire[SPAN][300], seen[SPAN];
	const uint64_t start = (UINT64_C(2) << 32) - SPAN / 2;
	uint64_t seed = 88172645463325252ull;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		static const uint32_t windows[] = {1, 64, 1024};
		struct esp_setup s = {
			.suite = ESP_AES_GCM_16_128, .esn = true, .window = windows[round]};
		uint8_t in[200], out[2048];
		unsigned top = 0, at = 0, pick;
		struct node a, b;
		struct msg m;
		size_t n = 0;

		memset(seen, 0, sizeof(seen));
		esp_pair(&a, &b, &s);
		for (unsigned i = 0; i < 2; i++) {
			m = esp_sa(1, 2, i, 1, &s);
			m.esp.seq = start;
			assert_int_equal(fwd_control(i ? a.f : b.f, &m), 0);
		}
		for (unsigned i = 0; i < SPAN; i++)
			n = node_send(&a, in, esp_frame(in, 4, 2, 60, 0, false), wire[i]);
		for (unsigned i = 0; i < SPAN * 3; i++) {
			bool want;

			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			if (seed % 3 == 0 && at < SPAN - 2 * BURST)
				at += (unsigned)(seed >> 20) % BURST / 8;
			pick = at + (unsigned)(seed >> 40) % BURST;
			if (seed % 17 == 0) /* something old */
				pick = (unsigned)(seed >> 30) % (at + 1);
			want = !seen[pick] && (pick >= top || top - pick <= s.window);
			assert_int_equal(node_receive(&b, wire[pick], n, out) != 0, want);
			if (want) {
				seen[pick] = 1;
				if (pick >= top)
					top = pick + 1;
			}
		}
		assert_true(top > SPAN / 2 + 500); /* it went well past the end */
		node_fini(&a);
		node_fini(&b);
	}
}

static void random_bytes_go_nowhere(void **state)
{
	struct scene s = {.setup = {.suite = ESP_AES_GCM_16_256, .udp = true}};
	uint64_t seed = 1, digest;
	uint8_t wire[256], out[2048];

	(void)state;
	scene_set(&s);
	digest = digest_of(&s.b);
	for (unsigned i = 0; i < 50000; i++) {
		size_t n = 14 + seed % 200;

		for (size_t k = 0; k < n; k++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			wire[k] = k < s.len && seed >> 61 ? s.wire[k] : (uint8_t)(seed >> 40);
		}
		assert_int_equal(node_receive(&s.b, wire, n, out), 0);
	}
	assert_true(digest_of(&s.b) == digest);
	scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_defect_has_its_own_fate_and_changes_no_state),
		cmocka_unit_test(each_defect_has_its_own_fate_behind_a_good_packet),
		cmocka_unit_test(udp_defects_have_their_own_fates),
		cmocka_unit_test(a_keepalive_is_known_by_its_octet),
		cmocka_unit_test(what_verified_may_still_not_be_right),
		cmocka_unit_test(nothing_of_a_forged_packet_stays),
		cmocka_unit_test(icmp_is_believed_only_with_a_packet_of_ours),
		cmocka_unit_test(replay_and_extended_numbers_agree_with_a_naive_model),
		cmocka_unit_test(random_bytes_go_nowhere),
	};

	return cmocka_run_group_tests_name("fwd/esp_hostile", tests, NULL, NULL);
}
