/* What bridges say to each other: there and back, and what is not one of theirs. */
#include "wire/bframe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t source[6] = {2, 0, 0, 0, 0, 9};

static size_t build(uint8_t buf[BFRAME_HELLO_MAX], const struct bframe_hello *h)
{
	struct wr w = wr_init(buf, BFRAME_HELLO_MAX);

	bframe_put_head(&w, source, BFRAME_HELLO);
	bframe_put_hello(&w, h);
	assert_false(w.bad);
	return wr_len(&w);
}

static struct bframe_hello sample(uint16_t count)
{
	struct bframe_hello h;

	memset(&h, 0, sizeof(h));
	h.node = 7;
	h.state = BFRAME_CLAIM;
	h.instance = 0x12345678;
	h.sequence = UINT32_MAX;
	h.count = count;
	for (unsigned i = 0; i < count; i++) {
		h.macs[i].mac[0] = 2;
		h.macs[i].mac[5] = (uint8_t)i;
		h.macs[i].side = i & 1;
	}
	return h;
}

static void a_hello_reads_back_as_it_was_built(void **state)
{
	static const uint16_t counts[] = {0, 1, BFRAME_MACS_MAX};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct bframe_hello h = sample(counts[i]), back;
		uint8_t buf[BFRAME_HELLO_MAX];
		size_t n = build(buf, &h);

		assert_int_equal(bframe_type(buf, n), BFRAME_HELLO);
		assert_true(bframe_get_hello(&back, buf, n));
		assert_memory_equal(&back, &h, sizeof(h));
	}
}

static void every_other_length_is_refused(void **state)
{
	struct bframe_hello h = sample(2), back;
	uint8_t buf[BFRAME_HELLO_MAX + 1] = {0};
	size_t n = build(buf, &h);

	(void)state;
	for (size_t len = 0; len <= n + 1; len++)
		assert_int_equal(bframe_get_hello(&back, buf, len), len == n);
}

static void a_byte_that_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *what;
		unsigned at;
		uint8_t value;
	} rows[] = {
		{"another group", 5, 'm'},
		{"another EtherType", 13, 0xb6},
		{"version 2", 14, 2},
		{"type 0", 15, 0},
		{"type 4", 15, 4},
		{"an announcement", 15, BFRAME_ANNOUNCE},
		{"reserved octet", 17, 1},
		{"node 0", 19, 0},
		{"a state of no kind", 20, 5},
		{"reserved octet behind it", 21, 1},
		{"more addresses than said", 31, 1},
		{"fewer than said", 31, 3},
		{"more than a hello has", 30, 1},
		{"a group as an address", 32, 3},
		{"a third side", 38, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bframe_hello h = sample(2), back;
		uint8_t buf[BFRAME_HELLO_MAX];
		size_t n = build(buf, &h);

		assert_int_not_equal(buf[rows[i].at], rows[i].value);
		buf[rows[i].at] = rows[i].value;
		if (bframe_get_hello(&back, buf, n))
			fail_msg("accepted: %s", rows[i].what);
	}
}

static void what_could_not_be_read_is_not_built(void **state)
{
	struct bframe_hello h = sample(0);
	uint8_t buf[BFRAME_HELLO_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	(void)state;
	h.count = BFRAME_MACS_MAX + 1;
	bframe_put_hello(&w, &h);
	assert_true(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_reads_back_as_it_was_built),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(a_byte_that_cannot_be_is_refused),
		cmocka_unit_test(what_could_not_be_read_is_not_built),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
