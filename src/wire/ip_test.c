/* wire/ip: headers, sums and fragments against naive models; each row of RFC 6040's table. */
#include "wire/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t rng = 0x2545f4914f6cdd1d;

static uint64_t draw(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static const uint8_t a4[4] = {10, 1, 0, 1}, b4[4] = {10, 2, 0, 2};
static const uint8_t a6[16] = {0xfd, 1, [15] = 1}, b6[16] = {0xfd, 2, [15] = 2};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The checksum over 16-bit words, one after the other, as RFC 791 says it. */
static uint16_t naive_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		if (sum > 0xffff)
			sum = sum - 0xffff;
	}
	return (uint16_t)sum;
}

static void sums_agree_with_a_naive_one(void **state)
{
	uint8_t b[300], sum[2];
	uint16_t s;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = draw() % sizeof(b);

		for (size_t k = 0; k < len; k++)
			b[k] = draw() % 3 ? (uint8_t)draw() : 0xff;
		s = ip_checksum(ip_sum(b, len));
		memcpy(sum, &s, 2);
		s = (uint16_t)~naive_sum(b, len);
		/* Zero and minus zero are one number. */
		assert_true(be16(sum) == s || (be16(sum) % 0xffff == 0 && s % 0xffff == 0));
	}
}

/* A packet with a header, `options` words of IPv4 options, and a payload. Returns its length. */
static size_t packet_make(uint8_t *b, unsigned family, uint8_t protocol, size_t payload)
{
	size_t head = family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN;

	for (size_t i = 0; i < payload; i++)
		b[head + i] = (uint8_t)(i * 7 + 1);
	ip_build(b, (uint8_t)family, family == 4 ? a4 : a6, family == 4 ? b4 : b6, protocol, 0xb8,
		 63, 0x1234, false, (uint32_t)(head + payload));
	return head + payload;
}

static void a_header_reads_back(void **state)
{
	uint8_t b[600];
	struct ip ip;

	(void)state;
	for (unsigned family = 4; family <= 6; family += 2) {
		for (size_t payload = 0; payload < 400; payload++) {
			size_t len = packet_make(b, family, IP_UDP, payload);

			assert_int_equal(ip_parse(&ip, b, len + draw() % 20), IP_OK);
			assert_int_equal(ip.family, family);
			assert_int_equal(ip.len, len);
			assert_int_equal(ip.protocol, IP_UDP);
			assert_int_equal(ip.tos, 0xb8);
			assert_int_equal(ip.ttl, 63);
			assert_int_equal(ip.upper, len - payload);
			assert_int_equal(ip.insert, len - payload);
			assert_int_equal(b[ip.insert_at], IP_UDP);
			assert_int_equal(ip.upper_at, ip.insert_at);
			assert_memory_equal(ip.src, family == 4 ? a4 : a6, family == 4 ? 4 : 16);
			assert_memory_equal(ip.dst, family == 4 ? b4 : b6, family == 4 ? 4 : 16);
			assert_int_equal(ip.has_ports, payload >= 4);
			assert_false(ip.fragment);
			for (size_t cut = 0; cut < len; cut++)
				assert_int_not_equal(ip_parse(&ip, b, cut), IP_OK);
		}
	}
}

static void a_field_set_leaves_a_right_checksum(void **state)
{
	uint8_t b[100];
	struct ip ip;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned family = draw() % 2 ? 4 : 6;
		uint8_t tos = (uint8_t)draw();
		size_t len = packet_make(b, family, IP_UDP, 60), to = len - draw() % 50;

		ip_tos_set(b, tos);
		ip_len_set(b, (uint32_t)to);
		assert_int_equal(ip_parse(&ip, b, len), IP_OK);
		assert_int_equal(ip.tos, tos);
		assert_int_equal(ip.len, to);
	}
}

static void a_defect_has_its_name(void **state)
{
	uint8_t b[200];
	struct ip ip;
	size_t len = packet_make(b, 4, IP_UDP, 40);

	(void)state;
	b[8]--;
	assert_int_equal(ip_parse(&ip, b, len), IP_CHECKSUM);
	len = packet_make(b, 4, IP_UDP, 40);
	b[0] = 0x44;
	assert_int_equal(ip_parse(&ip, b, len), IP_HEADER);
	b[0] = 0x55;
	assert_int_equal(ip_parse(&ip, b, len), IP_VERSION);
	len = packet_make(b, 4, IP_UDP, 40);
	assert_int_equal(ip_parse(&ip, b, len - 1), IP_LENGTH);
	b[0] = 0x4f; /* 60 bytes of header, as many as there are; then one more */
	assert_int_equal(ip_parse(&ip, b, 59), IP_CUT);
	ip_len_set(b, 19);
	b[0] = 0x45;
	assert_int_equal(ip_parse(&ip, b, len), IP_LENGTH);
	len = packet_make(b, 6, IP_UDP, 40);
	assert_int_equal(ip_parse(&ip, b, len - 1), IP_LENGTH);
}

/* Destination options, routing, fragment headers in front of UDP; each 8 bytes long. */
static size_t chain_make(uint8_t *b, const uint8_t *headers, unsigned n)
{
	size_t len = packet_make(b, 6, n ? headers[0] : IP_UDP, n * 8 + 8);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *h = b + IP6_HEAD_LEN + i * 8;

		memset(h, 0, 8);
		h[0] = i + 1 < n ? headers[i + 1] : IP_UDP;
	}
	return len;
}

static void extension_headers_are_walked(void **state)
{
	static const struct {
		uint8_t headers[9];
		unsigned n, insert; /* 8-byte headers in front of ESP in transport mode */
		enum ip_defect want;
	} rows[] = {
		{{IP_HOP_BY_HOP}, 1, 1, IP_OK},
		{{IP_DST_OPTIONS}, 1, 0, IP_OK},
		{{IP_ROUTING}, 1, 1, IP_OK},
		{{IP_FRAGMENT}, 1, 1, IP_OK}, /* an atomic one */
		{{IP_HOP_BY_HOP, IP_DST_OPTIONS}, 2, 1, IP_OK},
		{{IP_HOP_BY_HOP, IP_DST_OPTIONS, IP_ROUTING}, 3, 3, IP_OK},
		{{IP_HOP_BY_HOP, IP_DST_OPTIONS, IP_ROUTING, IP_DST_OPTIONS}, 4, 3, IP_OK},
		{{IP_DST_OPTIONS, IP_HOP_BY_HOP}, 2, 0, IP_EXTENSION},
		{{60, 60, 60, 60, 60, 60, 60, 60}, 8, 0, IP_OK},
		{{60, 60, 60, 60, 60, 60, 60, 60, 60}, 9, 0, IP_EXTENSION},
	};
	uint8_t b[200];
	struct ip ip;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = chain_make(b, rows[i].headers, rows[i].n);

		assert_int_equal(ip_parse(&ip, b, len), rows[i].want);
		if (rows[i].want != IP_OK)
			continue;
		assert_int_equal(ip.protocol, IP_UDP);
		assert_int_equal(ip.upper, IP6_HEAD_LEN + rows[i].n * 8);
		assert_int_equal(ip.insert, IP6_HEAD_LEN + rows[i].insert * 8);
		assert_int_equal(b[ip.insert_at], rows[i].insert < rows[i].n
							  ? rows[i].headers[rows[i].insert]
							  : IP_UDP);
		assert_int_equal(b[ip.upper_at], IP_UDP);
		assert_true(ip.has_ports);
		/* An extension header that leads outside is one. */
		b[IP6_HEAD_LEN + 1] = 20;
		if (rows[i].headers[0] != IP_FRAGMENT)
			assert_int_equal(ip_parse(&ip, b, len), IP_EXTENSION);
	}
}

static void every_row_of_rfc_6040(void **state)
{
	enum { NOT = 0, ECT1 = 1, ECT0 = 2, CE = 3, DROP = -1 };
	/* Figure 4, as it is printed: inner, then the result for outer Not-ECT, ECT(0), ECT(1), CE. */
	static const struct {
		uint8_t inner;
		int not, ect0, ect1, ce;
	} rows[] = {
		{NOT, NOT, NOT, NOT, DROP},
		{ECT0, ECT0, ECT0, ECT1, CE},
		{ECT1, ECT1, ECT1, ECT1, CE},
		{CE, CE, CE, CE, CE},
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(ip_ecn_encapsulate(0xb8 | rows[i].inner), rows[i].inner);
		assert_int_equal(ip_ecn_decapsulate(rows[i].inner, NOT), rows[i].not );
		assert_int_equal(ip_ecn_decapsulate(rows[i].inner, ECT0), rows[i].ect0);
		assert_int_equal(ip_ecn_decapsulate(rows[i].inner, ECT1), rows[i].ect1);
		assert_int_equal(ip_ecn_decapsulate(rows[i].inner, CE), rows[i].ce);
	}
}

static void fragments_put_together_are_the_packet(void **state)
{
	uint8_t b[4000], whole[4000], out[1600];
	struct ip ip, f;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t options = draw() % 11 * 4, payload = draw() % 3000;
		size_t len = IP4_HEAD_LEN + options + payload, mtu = 68 + draw() % 1400;
		uint32_t offset = 0, got = 0;
		size_t n;

		memset(whole, 0, sizeof(whole));
		packet_make(b, 4, IP_UDP, options + payload);
		memset(b + IP4_HEAD_LEN, 1, options); /* no-operation */
		if (options >= 8)
			memcpy(b + IP4_HEAD_LEN + 1, "\x94\x04\x00\x00",
			       4); /* router alert: copied */
		b[0] = (uint8_t)(0x40 | (IP4_HEAD_LEN + options) / 4);
		memset(b + 10, 0, 2);
		{
			uint16_t sum = ip_checksum(ip_sum(b, IP4_HEAD_LEN + options));

			memcpy(b + 10, &sum, 2);
		}
		assert_int_equal(ip_parse(&ip, b, len), IP_OK);
		while ((n = ip4_fragment(b, &ip, mtu, &offset, out)) != 0) {
			uint32_t at = (uint32_t)(be16(out + 6) & 0x1fff) * 8;

			assert_true(n <= mtu);
			assert_int_equal(ip_parse(&f, out, n), IP_OK);
			assert_int_equal(f.len, n);
			assert_int_equal(be16(out + 4), 0x1234);
			assert_int_equal(at, got);
			assert_int_equal(f.upper,
					 at ? 20u + (options >= 8 ? 4u : 0u) : 20u + options);
			memcpy(whole + at, out + f.upper, n - f.upper);
			got += (uint32_t)(n - f.upper);
			assert_int_equal((be16(out + 6) & 0x2000) != 0, got < payload);
		}
		assert_int_equal(got, payload);
		assert_memory_equal(whole, b + IP4_HEAD_LEN + options, payload);
	}
}

static void a_fragment_of_a_fragment_keeps_its_place(void **state)
{
	uint8_t b[2000], first[1600], again[700];
	struct ip ip;
	uint32_t offset = 0, inner;
	size_t n, m;

	(void)state;
	packet_make(b, 4, IP_UDP, 1800);
	assert_int_equal(ip_parse(&ip, b, 1820), IP_OK);
	n = ip4_fragment(b, &ip, 1000, &offset, first);
	n = ip4_fragment(b, &ip, 1000, &offset, first); /* the second and last */
	assert_int_equal(ip_parse(&ip, first, n), IP_OK);
	assert_true(ip.later);
	for (inner = 0; (m = ip4_fragment(first, &ip, 600, &inner, again)) != 0;) {
		size_t at = (size_t)(be16(again + 6) & 0x1fff) * 8;

		assert_memory_equal(again + 20, b + 20 + at, m - 20);
		assert_int_equal((be16(again + 6) & 0x2000) != 0, at + m - 20 < 1800);
	}
}

static void too_big_reads_back(void **state)
{
	uint8_t b[2000], out[IP_TOO_BIG_MAX];
	struct ip_too_big t;
	struct ip ip, icmp;

	(void)state;
	for (unsigned family = 4; family <= 6; family += 2) {
		size_t len = packet_make(b, family, IP_UDP, 1600), n;

		assert_int_equal(ip_parse(&ip, b, len), IP_OK);
		n = ip_too_big_build(out, b, &ip, family == 4 ? b4 : b6, 1400);
		assert_int_equal(n, family == 4 ? 576 : 1280);
		assert_int_equal(ip_parse(&icmp, out, n), IP_OK);
		assert_memory_equal(icmp.dst, ip.src, family == 4 ? 4 : 16);
		assert_true(ip_too_big_parse(&t, out, &icmp));
		assert_int_equal(t.mtu, 1400);
		assert_memory_equal(t.quoted, b, t.quoted_len);
		assert_int_equal(t.about.protocol, IP_UDP);
		/* Nobody is told about an error, so two cannot tell each other for ever. */
		assert_int_equal(ip_too_big_build(b, out, &icmp, family == 4 ? a4 : a6, 500), 0);
		for (size_t bit = 0; bit < (n - icmp.upper) * 8; bit += 7) {
			out[icmp.upper + bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(ip_too_big_parse(&t, out, &icmp));
			out[icmp.upper + bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void nobody_is_told_about_these(void **state)
{
	uint8_t b[200], out[IP_TOO_BIG_MAX];
	struct ip ip;

	(void)state;
#define SILENT(family_, change)                                                                    \
	do {                                                                                       \
		size_t n = packet_make(b, family_, IP_UDP, 100);                                   \
		uint16_t sum;                                                                      \
		change;                                                                            \
		memset(b + 10, 0, (family_) == 4 ? 2 : 0);                                         \
		sum = ip_checksum(ip_sum(b, 20));                                                  \
		if ((family_) == 4)                                                                \
			memcpy(b + 10, &sum, 2);                                                   \
		assert_int_equal(ip_parse(&ip, b, n), IP_OK);                                      \
		assert_int_equal(ip_too_big_build(out, b, &ip, (family_) == 4 ? a4 : a6, 1280),    \
				 0);                                                               \
	} while (0)
	SILENT(4, b[7] = 5);                  /* a later fragment */
	SILENT(4, memset(b + 12, 0, 4));      /* from nobody */
	SILENT(4, b[12] = 224);               /* from a group */
	SILENT(4, b[16] = 239);               /* to a group */
	SILENT(4, b[9] = IP_ICMP; b[20] = 3); /* about an error */
	SILENT(6, memset(b + 8, 0, 16));
	SILENT(6, b[8] = 0xff);
	SILENT(6, b[6] = IP_ICMPV6; b[40] = 2);
}

/* A SYN with an MSS option at `at` bytes into its options, and a right checksum. */
static size_t syn_make(uint8_t *b, unsigned family, unsigned at, uint16_t mss, struct ip *ip)
{
	size_t head = family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN;
	size_t len = packet_make(b, family, IP_TCP, 20 + 16 + 11);
	uint8_t *tcp = b + head;

	tcp[12] = 9 << 4;
	tcp[13] = 2;
	memset(tcp + 20, 1, 16);
	memcpy(tcp + 20 + at, "\x02\x04", 2);
	tcp[22 + at] = (uint8_t)(mss >> 8);
	tcp[23 + at] = (uint8_t)mss;
	assert_int_equal(ip_parse(ip, b, len), IP_OK);
	ip_upper_checksum_set(b, ip);
	return len;
}

static bool tcp_sum_right(const uint8_t *b, const struct ip *ip)
{
	uint32_t len = ip->len - ip->upper;

	return ip_checksum(ip_pseudo_sum(ip->family, ip->src, ip->dst, IP_TCP, len) +
			   ip_sum(b + ip->upper, len)) == 0;
}

static void a_large_mss_is_lowered_wherever_it_stands(void **state)
{
	uint8_t b[200], was[200];
	struct ip ip;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned family = draw() % 2 ? 4 : 6, at = (unsigned)(draw() % 13);
		uint16_t mss = (uint16_t)draw(), to = (uint16_t)(500 + draw() % 1000);
		size_t len = syn_make(b, family, at, mss, &ip);
		uint8_t *field = b + ip.upper + 22 + at;

		assert_true(tcp_sum_right(b, &ip));
		memcpy(was, b, len);
		assert_int_equal(ip_mss_clamp(b, &ip, to), mss > to);
		assert_int_equal(be16(field), mss > to ? to : mss);
		assert_true(tcp_sum_right(b, &ip));
		memcpy(field, was + (field - b), 2);
		memcpy(b + ip.upper + 16, was + ip.upper + 16, 2);
		assert_memory_equal(b, was, len);
	}
}

static void a_segment_that_is_no_syn_is_left_alone(void **state)
{
	uint8_t b[200], was[200];
	struct ip ip;
	size_t len = syn_make(b, 4, 0, 1460, &ip);

	(void)state;
	b[ip.upper + 13] = 0x10;
	memcpy(was, b, len);
	assert_false(ip_mss_clamp(b, &ip, 500));
	assert_memory_equal(b, was, len);
	/* Options without an end, one of no length, and a header that is cut. */
	syn_make(b, 4, 12, 1460, &ip);
	b[ip.upper + 12] = 15 << 4;
	assert_false(ip_mss_clamp(b, &ip, 500));
	syn_make(b, 4, 4, 1460, &ip);
	memcpy(b + ip.upper + 20, "\x08\x00", 2);
	assert_false(ip_mss_clamp(b, &ip, 500));
	syn_make(b, 4, 0, 1460, &ip);
	ip.len = ip.upper + 21;
	assert_false(ip_mss_clamp(b, &ip, 500));
}

static void random_bytes_parse_within_bounds(void **state)
{
	struct ip ip;
	struct ip_too_big t;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		size_t len = draw() % 120;
		uint8_t *b = malloc(len ? len : 1);

		for (size_t k = 0; k < len; k++)
			b[k] = draw() % 3 ? (uint8_t)draw() : 0;
		if (len)
			b[0] = draw() % 2 ? 0x45 : 0x60;
		if (len >= 40 && b[0] == 0x60) {
			b[4] = 0;
			b[5] = (uint8_t)(len - 40);
			b[6] = (uint8_t[]){0, 43, 44, 60, 6, 58}[draw() % 6];
		}
		if (len >= 20 && b[0] == 0x45) {
			uint16_t sum;

			b[2] = 0;
			b[3] = (uint8_t)len;
			b[9] = draw() % 2 ? 1 : 6;
			memset(b + 10, 0, 2);
			sum = ip_checksum(ip_sum(b, 20));
			memcpy(b + 10, &sum, 2);
		}
		if (ip_parse(&ip, b, len) == IP_OK) {
			assert_true(ip.upper <= ip.len && ip.len <= len);
			assert_true(ip.insert <= ip.upper && ip.insert_at < ip.insert);
			(void)ip_too_big_parse(&t, b, &ip);
			(void)ip_mss_clamp(b, &ip, 500);
			ip_upper_checksum_set(b, &ip);
		}
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_agree_with_a_naive_one),
		cmocka_unit_test(a_header_reads_back),
		cmocka_unit_test(a_field_set_leaves_a_right_checksum),
		cmocka_unit_test(a_defect_has_its_name),
		cmocka_unit_test(extension_headers_are_walked),
		cmocka_unit_test(every_row_of_rfc_6040),
		cmocka_unit_test(fragments_put_together_are_the_packet),
		cmocka_unit_test(a_fragment_of_a_fragment_keeps_its_place),
		cmocka_unit_test(too_big_reads_back),
		cmocka_unit_test(nobody_is_told_about_these),
		cmocka_unit_test(a_large_mss_is_lowered_wherever_it_stands),
		cmocka_unit_test(a_segment_that_is_no_syn_is_left_alone),
		cmocka_unit_test(random_bytes_parse_within_bounds),
	};

	return cmocka_run_group_tests_name("wire/ip", tests, NULL, NULL);
}
