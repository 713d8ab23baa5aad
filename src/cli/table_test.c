/* What the tables look like, byte by byte. */
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void printed(const struct table *t, const char *expected)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	table_print(t, f);
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	struct table *t = table_new("peer|>packets|note");

	(void)state;
	table_cell(t, "fra1");
	table_cell(t, "%d", 7);
	table_cell(t, "ok");
	table_cell(t, "new-york-1");
	table_cell(t, "%d", 123456789);
	table_cell(t, "%s", "");
	assert_int_equal(table_rows(t), 2);
	printed(t, "peer          packets  note\n"
		   "fra1                7  ok\n"
		   "new-york-1  123456789  \n");
	table_free(t);
}

static void multibyte_text_takes_the_columns_it_shows(void **state)
{
	struct table *t = table_new("site|x");

	(void)state;
	table_cell(t, "São Paulo");
	table_cell(t, "1");
	table_cell(t, "Frankfurt");
	table_cell(t, "2");
	printed(t, "site       x\n"
		   "São Paulo  1\n"
		   "Frankfurt  2\n");
	table_free(t);
}

static void columns_that_do_not_fit_stand_below_their_row(void **state)
{
	struct table *t = table_new("peer|sci|state|cipher|>in|role");
	static const char *const cells[] = {"nyc1", "026d790002000001", "live", "GCM-AES-XPN-256",
					    "12",   "key server",       "sin1", "026d790003000001",
					    "live", "GCM-AES-XPN-256",  "7",    ""};
	static const struct {
		unsigned columns;
		const char *expected;
	} rows[] = {
		{64, "peer  sci               state  cipher           in  role\n"
		     "nyc1  026d790002000001  live   GCM-AES-XPN-256  12  key server\n"
		     "sin1  026d790003000001  live   GCM-AES-XPN-256   7  \n"},
		{40, "peer  sci               state\n"
		     "nyc1  026d790002000001  live\n"
		     "    cipher GCM-AES-XPN-256, in 12,\n"
		     "    role key server\n"
		     "sin1  026d790003000001  live\n"
		     "    cipher GCM-AES-XPN-256, in 7\n"},
		{3, "peer\n"
		    "nyc1\n"
		    "    sci 026d790002000001,\n"
		    "    state live,\n"
		    "    cipher GCM-AES-XPN-256,\n"
		    "    in 12,\n"
		    "    role key server\n"
		    "sin1\n"
		    "    sci 026d790003000001,\n"
		    "    state live,\n"
		    "    cipher GCM-AES-XPN-256,\n"
		    "    in 7\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++)
		table_cell(t, "%s", cells[i]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);

		table_print_within(t, f, rows[i].columns);
		fclose(f);
		assert_string_equal(text, rows[i].expected);
		free(text);
	}
	table_free(t);
}

static void control_characters_in_a_cell_do_not_reach_the_terminal(void **state)
{
	struct table *t = table_new("a");

	(void)state;
	table_cell(t, "x\033[2Jy\n");
	printed(t, "a\nx?[2Jy?\n");
	table_free(t);
}

static void warnings_are_not_coloured_where_there_is_no_terminal(void **state)
{
	struct table *t = table_new("a");

	(void)state;
	table_warn(t, "open");
	printed(t, "a\nopen\n");
	table_free(t);
}

static void a_table_without_rows_says_none(void **state)
{
	struct table *t = table_new("a|b");

	(void)state;
	printed(t, "none\n");
	table_free(t);
}

static void counts_and_ages_carry_their_unit(void **state)
{
	char b[24];

	(void)state;
	assert_string_equal(table_count(0, b), "0");
	assert_string_equal(table_count(9999, b), "9999");
	assert_string_equal(table_count(10000, b), "10.0 k");
	assert_string_equal(table_count(999500, b), "1.0 M");
	assert_string_equal(table_count(123456789, b), "123 M");
	assert_string_equal(table_count(UINT64_MAX, b), "18.4 E");
	assert_string_equal(table_age(59, b), "59 s");
	assert_string_equal(table_age(125, b), "2 min 5 s");
	assert_string_equal(table_age(3600, b), "1 h 0 min");
	assert_string_equal(table_age(90000, b), "1 d 1 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(multibyte_text_takes_the_columns_it_shows),
		cmocka_unit_test(columns_that_do_not_fit_stand_below_their_row),
		cmocka_unit_test(control_characters_in_a_cell_do_not_reach_the_terminal),
		cmocka_unit_test(warnings_are_not_coloured_where_there_is_no_terminal),
		cmocka_unit_test(a_table_without_rows_says_none),
		cmocka_unit_test(counts_and_ages_carry_their_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
