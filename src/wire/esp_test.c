/* wire/esp: lengths, trailers, selectors and extended sequence numbers against naive models. */
#include "wire/esp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t rng = 0x9e3779b97f4a7c15;

static uint64_t draw(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void a_trailer_reads_back_at_every_length(void **state)
{
	uint8_t b[400];

	(void)state;
	for (unsigned s = 0; s < ESP_SUITE_COUNT; s++) {
		for (size_t len = 0; len < 200; len++) {
			unsigned pad = esp_pad_len(&esp_suites[s], len);
			size_t n = len + pad + ESP_TRAILER_LEN;
			uint8_t next = 0;

			memset(b, 0xee, sizeof(b));
			esp_trailer_build(b + len, pad, 41);
			assert_true(pad < esp_suites[s].align);
			assert_int_equal(n % esp_suites[s].align, 0);
			assert_int_equal(b[n], 0xee);
			assert_int_equal(esp_len(&esp_suites[s], len),
					 ESP_HEAD_LEN + esp_suites[s].iv_len + n +
						 esp_suites[s].icv_len);
			assert_int_equal(esp_trailer_parse(b, &n, &next), ESP_TRAILER_OK);
			assert_int_equal(n, len);
			assert_int_equal(next, 41);
		}
	}
}

static void a_trailer_with_a_defect_is_named(void **state)
{
	uint8_t b[300] = {0}, next;
	size_t n;

	(void)state;
	for (n = 0; n < 2;) {
		size_t was = n;

		assert_int_equal(esp_trailer_parse(b, &n, &next), ESP_TRAILER_CUT);
		n = was + 1;
	}
	/* The pad length may lead to the first byte and no further. */
	for (unsigned pad = 0; pad < 256; pad++) {
		size_t room = 100;

		memset(b, 0, sizeof(b));
		b[98] = (uint8_t)pad;
		b[99] = 4;
		for (unsigned i = 0; i < pad && i < 98; i++)
			b[97 - i] = (uint8_t)(pad - i);
		assert_int_equal(esp_trailer_parse(b, &room, &next),
				 pad <= 98 ? ESP_TRAILER_OK : ESP_TRAILER_CUT);
	}
	/* Every byte of the padding counts. */
	for (unsigned i = 0; i < 13; i++) {
		n = 40;
		memset(b, 0, sizeof(b));
		esp_trailer_build(b + 25, 13, 4);
		b[25 + i] ^= 1;
		assert_int_equal(esp_trailer_parse(b, &n, &next), ESP_TRAILER_PADDING);
	}
}

static void the_largest_payload_is_the_largest(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ESP_SUITE_COUNT; s++) {
		for (size_t room = 0; room < 1600; room++) {
			size_t best = 0;

			for (size_t len = 1; len <= room; len++)
				if (esp_len(&esp_suites[s], len) <= room)
					best = len;
			assert_int_equal(esp_payload_max(&esp_suites[s], room), best);
		}
	}
}

static void transforms_name_each_suite(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ESP_SUITE_COUNT; i++) {
		const struct esp_suite_info *s = &esp_suites[i];
		uint16_t bits = i == ESP_CHACHA20_POLY1305 ? 0 : (uint16_t)(s->key_len * 8);

		assert_int_equal(esp_suite_by_transforms(s->encr, bits, s->integ), i);
		assert_true(s->key_len + s->salt_len <= ESP_KEY_MAX);
		assert_true(s->auth_len <= ESP_AUTH_KEY_MAX && s->icv_len <= ESP_ICV_MAX);
	}
	assert_int_equal(esp_suite_by_transforms(12, 128, 0), -1); /* CBC alone */
	assert_int_equal(esp_suite_by_transforms(20, 256, 12), -1);
	assert_int_equal(esp_suite_by_transforms(28, 256, 0), -1);
	assert_int_equal(esp_suite_by_transforms(3, 0, 2), -1); /* 3DES, SHA-1 */
}

/* Appendix A2.2 as prose has it: the candidate inside the window, else the next one above it. */
static uint64_t esn_naive(uint32_t low, uint64_t top, uint32_t w)
{
	uint64_t bottom = top >= w - 1 ? top - (w - 1) : 0;
	uint64_t pn = low;

	while (pn < bottom)
		pn += UINT64_C(1) << 32;
	return pn;
}

static void extended_numbers_come_back_whole(void **state)
{
	static const uint32_t windows[] = {1, 32, 64, 4096, 65536};

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		uint32_t w = windows[draw() % 5];
		uint64_t top = (draw() % 5) << 32;
		uint64_t off = draw() % 200000;
		uint64_t pn;

		/* Near the edges of a subspace, where it goes wrong. */
		top += draw() % 2 ? off : (UINT64_C(1) << 32) - 1 - off;
		pn = draw() % 2 ? top - draw() % w : top + draw() % (UINT64_C(1) << 31);
		if (pn > top + (UINT64_C(1) << 33)) /* below zero */
			continue;
		assert_true(esp_esn_recover((uint32_t)pn, top + 1, w) == pn);
		assert_true(esn_naive((uint32_t)pn, top, w) == pn);
	}
	/* The first packets of an SA: nothing lies below zero. */
	assert_true(esp_esn_recover(1, 0, 65536) == 1);
	assert_true(esp_esn_recover(5, 1, 65536) == 5);
	assert_true(esp_esn_recover(UINT32_MAX, 1, 64) == UINT32_MAX);
}

static struct esp_ts range4(uint32_t lo, uint32_t hi, uint8_t protocol, uint16_t port_lo,
			    uint16_t port_hi)
{
	struct esp_ts ts = {
		.family = 4, .protocol = protocol, .port_lo = port_lo, .port_hi = port_hi};

	for (unsigned i = 0; i < 4; i++) {
		ts.lo[i] = (uint8_t)(lo >> (24 - 8 * i));
		ts.hi[i] = (uint8_t)(hi >> (24 - 8 * i));
	}
	return ts;
}

static void selectors_agree_with_a_naive_model(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t lo = (uint32_t)draw() % 64, hi = lo + (uint32_t)draw() % 64;
		uint32_t addr = (uint32_t)draw() % 160;
		uint16_t plo = (uint16_t)(draw() % 4), phi = (uint16_t)(plo + draw() % 4);
		uint8_t protocol = (uint8_t)(draw() % 3);
		const uint8_t bytes[4] = {0, 0, 0, (uint8_t)addr};
		struct esp_flow f = {.family = 4,
				     .protocol = (uint8_t)(draw() % 3),
				     .has_ports = draw() % 2,
				     .port = (uint16_t)(draw() % 8),
				     .addr = bytes};
		struct esp_ts ts = range4(lo, hi, protocol, plo, phi);
		bool want = addr >= lo && addr <= hi && (!protocol || protocol == f.protocol) &&
			    f.has_ports && f.port >= plo && f.port <= phi;

		assert_int_equal(esp_ts_match(&ts, 1, &f), want);
		ts.port_lo = 0;
		ts.port_hi = UINT16_MAX;
		want = addr >= lo && addr <= hi && (!protocol || protocol == f.protocol);
		assert_int_equal(esp_ts_match(&ts, 1, &f), want);
	}
}

static void selectors_are_of_one_family(void **state)
{
	static const uint8_t zero[16];
	struct esp_ts ts[2] = {esp_ts_any(4), esp_ts_any(6)};
	struct esp_flow f = {.family = 6, .addr = zero};

	(void)state;
	assert_false(esp_ts_match(ts, 1, &f));
	assert_true(esp_ts_match(ts, 2, &f));
	assert_false(esp_ts_match(ts, 0, &f));
}

static void invalid_selectors_are_refused(void **state)
{
	struct esp_selectors ok = {.local_count = 1,
				   .remote_count = 2,
				   .local = {esp_ts_any(4)},
				   .remote = {esp_ts_any(4), esp_ts_any(6)}},
			     s;

	(void)state;
	assert_true(esp_selectors_valid(&ok));
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		s = ok;                                                                            \
		change;                                                                            \
		assert_false(esp_selectors_valid(&s));                                             \
	} while (0)
	REFUSED(s.local_count = 0);
	REFUSED(s.remote_count = 0);
	REFUSED(s.local_count = ESP_TS_MAX + 1);
	REFUSED(s.remote_count = 3); /* the third is of no family */
	REFUSED(s.local[0].family = 5);
	REFUSED(s.local[0].lo[4] = 1);
	REFUSED(s.local[0].hi[4] = 1);
	REFUSED(s.remote[1] = range4(2, 1, 0, 0, 0));
	REFUSED(s.remote[0] = range4(1, 1, 6, 80, 79));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trailer_reads_back_at_every_length),
		cmocka_unit_test(a_trailer_with_a_defect_is_named),
		cmocka_unit_test(the_largest_payload_is_the_largest),
		cmocka_unit_test(transforms_name_each_suite),
		cmocka_unit_test(extended_numbers_come_back_whole),
		cmocka_unit_test(selectors_agree_with_a_naive_model),
		cmocka_unit_test(selectors_are_of_one_family),
		cmocka_unit_test(invalid_selectors_are_refused),
	};

	return cmocka_run_group_tests_name("wire/esp", tests, NULL, NULL);
}
