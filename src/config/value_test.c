/* value: addresses and numbers out of text, against inet_pton() and by table. */
#include "config/build.h"
#include "config/model.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void durations_have_units_and_bounds(void **state)
{
	static const struct {
		const char *text;
		bool right;
		uint64_t ns;
	} rows[] = {{"0s", true, 0},
		    {"500ms", true, 500000000},
		    {"2s", true, 2000000000},
		    {"10m", true, 600000000000},
		    {"1h", true, 3600000000000},
		    {"3d", true, 259200000000000},
		    {"999999999999d", false, 0},
		    {"2", false, 0},
		    {"2w", false, 0}};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(value_duration(rows[i].text, &ns), rows[i].right);
		if (rows[i].right)
			assert_int_equal(ns, rows[i].ns);
	}
}

static void rates_are_decimal_bits_a_second(void **state)
{
	static const struct {
		const char *text;
		uint64_t rate;
	} rows[] = {{"64kbit", 64000},
		    {"100Mbit", 100000000},
		    {"10Gbit", 10000000000},
		    {"100mbit", 0},
		    {"100", 0},
		    {"Mbit", 0},
		    {"1Mbits", 0},
		    {NULL, 0},
		    {"99999999999999999999Gbit", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(value_rate(rows[i].text), rows[i].rate);
}

static void nth_address_carries_and_stops_at_the_end(void **state)
{
	static const struct {
		const char *net;
		uint32_t n;
		const char *addr; /* NULL: the network is too small */
	} rows[] = {{"10.0.0.0/24", 1, "10.0.0.1/24"},
		    {"10.0.0.0/24", 255, "10.0.0.255/24"},
		    {"10.0.0.0/24", 256, NULL},
		    {"10.0.0.0/16", 258, "10.0.1.2/16"},
		    {"10.0.0.0/16", 65535, "10.0.255.255/16"},
		    {"192.0.2.128/25", 127, "192.0.2.255/25"},
		    {"192.0.2.128/25", 128, NULL},
		    {"255.255.255.0/24", 256, NULL},
		    {"2001:db8::/64", 65534, "2001:db8::fffe/64"},
		    {"2001:db8::ffff:0/112", 65535, "2001:db8::ffff:ffff/112"},
		    {"2001:db8::ffff:0/112", 65536, NULL}};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bb_prefix net, p;

		assert_true(value_prefix(rows[i].net, &net));
		assert_int_equal(value_nth(&net, rows[i].n, &p), rows[i].addr != NULL);
		if (rows[i].addr)
			assert_string_equal(value_show(&p, true, buf), rows[i].addr);
	}
}

/* value_within() against comparing bit by bit. */
static void within_agrees_with_counting_bits(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct bb_prefix a = {.family = 4}, b = {.family = 4};
		bool within;

		seed = seed * 1664525u + 1013904223u;
		a.len = (uint8_t)(seed >> 8) % 33;
		b.len = (uint8_t)(seed >> 16) % 33;
		/* Mostly alike, so that both answers come up. */
		for (int k = 0; k < 4; k++) {
			a.addr[k] = b.addr[k] = (uint8_t)(seed >> k * 8);
			if ((seed >> 5) % 4 == (uint32_t)k)
				b.addr[k] ^= (uint8_t)(1u << (seed & 7));
		}
		within = b.len >= a.len;
		for (unsigned bit = 0; bit < a.len; bit++)
			within &= ((a.addr[bit / 8] ^ b.addr[bit / 8]) >> (7 - bit % 8) & 1) == 0;
		assert_int_equal(value_within(&a, &b), within);
	}
}

static bool model_takes(const struct yang_node *n, const char *text)
{
	char *canonical;
	bool right = yang_value(conf_model(), n, text, strlen(text), &canonical) == 0;

	free(canonical);
	return right;
}

/* The model's patterns let in no address that inet_pton() refuses and keep none out. */
static void patterns_of_addresses_agree_with_inet_pton(void **state)
{
	static const char *const groups[] = {"0", "1",       "ab",  "fFfF", "12345", "", ":",
					     "g", "1.2.3.4", "255", "256",  "01",    "."};
	const struct yang_model *m = conf_model();
	const struct yang_node *peer = yang_child(m, NULL, "peer", 4);
	const struct yang_node *n = yang_child(m, peer, "address", 7);
	uint32_t seed = 7, right = 0;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		char text[128] = "";
		uint8_t raw[16];
		uint32_t count;
		bool good;

		seed = seed * 1664525u + 1013904223u;
		count = 1 + (seed >> 20) % 9;
		for (uint32_t k = 0; k < count; k++) {
			seed = seed * 1664525u + 1013904223u;
			/* Small ones mostly: eight groups that are all right are rare. */
			strcat(text, groups[(seed >> 16) % ((seed >> 24) % 4 ? 4 : 13)]);
			if (k + 1 < count)
				strcat(text, (seed >> 28) == 0  ? "."
					     : (seed >> 28) < 3 ? "::"
								: ":");
		}
		good = inet_pton(AF_INET6, text, raw) == 1 || inet_pton(AF_INET, text, raw) == 1;
		if (good != model_takes(n, text))
			fail_msg("`%s`: inet_pton says %d", text, good);
		right += good;
	}
	assert_true(right > 1000);
}

static void distance_counts_edits(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} rows[] = {{"", "", 0},
		    {"a", "", 1},
		    {"site", "site", 0},
		    {"site", "stie", 1},
		    {"prefrence", "preference", 1},
		    {"abc", "xyz", 3},
		    {"interface", "iface", 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *a = rows[i].a, *b = rows[i].b;

		assert_int_equal(build_distance(a, strlen(a), b, strlen(b)), rows[i].d);
		assert_int_equal(build_distance(b, strlen(b), a, strlen(a)), rows[i].d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_units_and_bounds),
		cmocka_unit_test(rates_are_decimal_bits_a_second),
		cmocka_unit_test(nth_address_carries_and_stops_at_the_end),
		cmocka_unit_test(within_agrees_with_counting_bits),
		cmocka_unit_test(patterns_of_addresses_agree_with_inet_pton),
		cmocka_unit_test(distance_counts_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
