/* Times as people write them. */
#include "base/clock.h"
#include "base/utc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void times_are_read_and_written_back(void **state)
{
	static const struct {
		const char *text;
		uint64_t s;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2000-02-29T12:30:59Z", 951827459},
		{"2027-01-31T00:00:00Z", 1801353600},
		{"2400-02-29T23:59:59Z", 13574649599},
	};
	char text[UTC_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ns = 1;

		assert_true(utc_parse(rows[i].text, strlen(rows[i].text), &ns));
		assert_int_equal(ns, rows[i].s * NS_PER_S);
		assert_string_equal(utc_print(ns + 999999999, text), rows[i].text);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"2027-01-31",
		"2027-01-31T00:00:00",
		"2027-01-31T00:00:00z",
		"2027-01-31 00:00:00Z",
		"2027-01-31T00:00:00+0",
		"2027-02-29T00:00:00Z",
		"2027-13-01T00:00:00Z",
		"2027-00-01T00:00:00Z",
		"2027-01-00T00:00:00Z",
		"2027-04-31T00:00:00Z",
		"2027-01-31T24:00:00Z",
		"2027-01-31T00:60:00Z",
		"2027-01-31T00:00:60Z",
		"1969-12-31T23:59:59Z",
		"2501-01-01T00:00:00Z",
		"20x7-01-31T00:00:00Z",
		"2027-01-31T00:00:00Z ",
	};
	uint64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(utc_parse(rows[i], strlen(rows[i]), &ns));
	assert_int_equal(ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_and_written_back),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests_name("base/utc", tests, NULL, NULL);
}
