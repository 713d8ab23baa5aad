/* record: a writer may die at any byte; what is read is the record before or the one after. */
#include "base/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void newest_record_is_read_back(void **state)
{
	_Alignas(64) uint8_t area[512] = {0};
	char buf[64];

	(void)state;
	assert_int_equal(record_get(area, sizeof(area), buf, sizeof(buf)), -ENOENT);
	for (int i = 0; i < 5; i++) {
		char body[8] = "record0";

		body[6] = (char)('0' + i);
		assert_int_equal(record_put(area, sizeof(area), body, 7), 0);
		assert_int_equal(record_get(area, sizeof(area), buf, sizeof(buf)), 7);
		assert_memory_equal(buf, body, 7);
	}
}

static void area_holds_what_record_area_promised(void **state)
{
	(void)state;
	for (size_t max = 0; max < 300; max++) {
		size_t n = record_area(max);
		uint8_t *area = aligned_alloc(64, n), *body = calloc(1, max + 1);

		memset(area, 0, n);
		assert_int_equal(record_put(area, n, body, max), 0);
		assert_int_equal(record_put(area, n, body, max), 0);
		assert_int_equal(record_get(area, n, body, max), (int)max);
		free(area);
		free(body);
	}
}

static void torn_write_leaves_the_record_before(void **state)
{
	enum { N = 256 };
	_Alignas(64) uint8_t before[N] = {0}, after[N], torn[N];
	char buf[64];

	(void)state;
	assert_int_equal(record_put(before, N, "first record", 12), 0);
	assert_int_equal(record_put(before, N, "second one", 10), 0);
	memcpy(after, before, N);
	assert_int_equal(record_put(after, N, "the third", 9), 0);
	/* Whatever subset of the changed bytes had been stored when the writer died. */
	for (unsigned seed = 0; seed < 2000; seed++) {
		ssize_t n;

		srand(seed);
		for (unsigned i = 0; i < N; i++)
			torn[i] = rand() & 1 ? after[i] : before[i];
		n = record_get(torn, N, buf, sizeof(buf));
		assert_true((n == 10 && !memcmp(buf, "second one", 10)) ||
			    (n == 9 && !memcmp(buf, "the third", 9)));
	}
}

static void spoilt_slots_are_refused_not_read(void **state)
{
	_Alignas(64) uint8_t area[256] = {0};
	char buf[64];

	(void)state;
	assert_int_equal(record_put(area, sizeof(area), "only one", 8), 0);
	area[RECORD_HEAD] ^= 1;
	assert_int_equal(record_get(area, sizeof(area), buf, sizeof(buf)), -EBADMSG);
}

static void old_bodies_do_not_linger(void **state)
{
	_Alignas(64) uint8_t area[256] = {0};

	(void)state;
	record_put(area, sizeof(area), "SECRETSECRET", 12);
	record_put(area, sizeof(area), "x", 1);
	record_put(area, sizeof(area), "y", 1);
	assert_null(memmem(area, sizeof(area), "SECRET", 6));
}

static void too_long_a_record_is_refused_whole(void **state)
{
	_Alignas(64) uint8_t area[128] = {0}, big[128] = {0};
	char buf[64];

	(void)state;
	record_put(area, sizeof(area), "kept", 4);
	assert_int_equal(record_put(area, sizeof(area), big, sizeof(big)), -EMSGSIZE);
	assert_int_equal(record_get(area, sizeof(area), buf, sizeof(buf)), 4);
	assert_int_equal(record_get(area, sizeof(area), buf, 3), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_record_is_read_back),
		cmocka_unit_test(area_holds_what_record_area_promised),
		cmocka_unit_test(torn_write_leaves_the_record_before),
		cmocka_unit_test(spoilt_slots_are_refused_not_read),
		cmocka_unit_test(old_bodies_do_not_linger),
		cmocka_unit_test(too_long_a_record_is_refused_whole),
	};

	return cmocka_run_group_tests_name("base/record", tests, NULL, NULL);
}
