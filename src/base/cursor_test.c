/* rd and wr: what is written reads back; nothing is read or written past an end. */
#include "base/rd.h"
#include "base/wr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void written_integers_read_back(void **state)
{
	uint8_t buf[15];
	struct wr w = wr_init(buf, sizeof(buf));
	struct rd r = rd_init(buf, sizeof(buf));

	(void)state;
	wr_u8(&w, 0x01);
	wr_u16(&w, 0x0203);
	wr_u32(&w, 0x04050607);
	wr_u64(&w, 0x08090a0b0c0d0e0full);
	assert_false(w.bad);
	for (unsigned i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], i + 1);
	assert_int_equal(rd_u8(&r), 0x01);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_u64(&r) == 0x08090a0b0c0d0e0full);
	assert_true(rd_done(&r));
}

static void read_past_the_end_is_sticky_and_yields_zero(void **state)
{
	const uint8_t b[3] = {1, 2, 3};
	struct rd r = rd_init(b, sizeof(b));

	(void)state;
	assert_int_equal(rd_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_left(&r), 0);
	assert_false(rd_done(&r));
}

static void block_must_fit_and_is_skipped_by_the_outer_reader(void **state)
{
	const uint8_t b[4] = {1, 2, 3, 4};
	struct rd r = rd_init(b, sizeof(b)), in = rd_block(&r, 3);

	(void)state;
	assert_int_equal(rd_u16(&in), 0x0102);
	assert_false(rd_done(&in));
	assert_int_equal(rd_u8(&in), 3);
	assert_true(rd_done(&in));
	assert_int_equal(rd_u8(&r), 4);
	in = rd_block(&r, 1);
	assert_true(in.bad);
	assert_true(r.bad);
}

static void write_past_the_end_is_sticky_and_writes_nothing(void **state)
{
	uint8_t b[4] = {9, 9, 9, 9};
	struct wr w = wr_init(b, 3);

	(void)state;
	wr_u16(&w, 1);
	wr_u16(&w, 2);
	assert_true(w.bad);
	assert_int_equal(wr_len(&w), 2);
	assert_int_equal(b[2], 9);
	wr_u8(&w, 3);
	assert_int_equal(b[2], 9);
}

static void length_hole_counts_what_follows(void **state)
{
	uint8_t b[8];
	struct wr w = wr_init(b, sizeof(b));
	size_t at = wr_hole16(&w);

	(void)state;
	wr_u32(&w, 0);
	wr_fill16(&w, at, 2);
	assert_int_equal(b[1], 6);
	assert_false(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_integers_read_back),
		cmocka_unit_test(read_past_the_end_is_sticky_and_yields_zero),
		cmocka_unit_test(block_must_fit_and_is_skipped_by_the_outer_reader),
		cmocka_unit_test(write_past_the_end_is_sticky_and_writes_nothing),
		cmocka_unit_test(length_hole_counts_what_follows),
	};

	return cmocka_run_group_tests_name("base/cursor", tests, NULL, NULL);
}
