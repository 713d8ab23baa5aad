/* genkey: what it prints is a key chain, and what it cannot mean it says. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct cli_command *const tables[] = {cli_genkey_commands, NULL};
static char *out_text, *err_text;

static int run(const char *line)
{
	char *copy = strdup(line), *argv[24] = {(char *)"myelin"}, *save;
	int argc = 1, rc;
	size_t n;
	FILE *out, *err;

	free(out_text);
	free(err_text);
	out = open_memstream(&out_text, &n);
	err = open_memstream(&err_text, &n);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	rc = cli_main(tables, argc, argv, out, err);
	fclose(out);
	fclose(err);
	free(copy);
	return rc;
}

/* `hex hex` of so many bytes in front of rest. */
static void assert_line(const char *line, size_t cak, const char *rest)
{
	assert_int_equal(strspn(line, "0123456789abcdef"), 32);
	assert_int_equal(line[32], ' ');
	assert_int_equal(strspn(line + 33, "0123456789abcdef"), 2 * cak);
	assert_int_equal(strncmp(line + 33 + 2 * cak, rest, strlen(rest)), 0);
}

static void one_key_is_one_line(void **state)
{
	char first[33];

	(void)state;
	assert_int_equal(run("genkey"), CLI_OK);
	assert_line(out_text, 32, "\n");
	memcpy(first, out_text, 32);
	assert_int_equal(run("genkey 128"), CLI_OK);
	assert_line(out_text, 16, "\n");
	assert_memory_not_equal(first, out_text, 32);
	assert_int_equal(run("genkey 256 start 2027-01-01T00:00:00Z end 2028-01-01T00:00:00Z"),
			 CLI_OK);
	assert_line(out_text, 32, " start 2027-01-01T00:00:00Z end 2028-01-01T00:00:00Z\n");
}

static void keys_of_a_chain_follow_each_other_with_a_day_of_both(void **state)
{
	const char *line;

	(void)state;
	assert_int_equal(run("genkey 128 start 2027-01-01T00:00:00Z every 90 count 3"), CLI_OK);
	line = out_text;
	assert_line(line, 16, " start 2027-01-01T00:00:00Z end 2027-04-02T00:00:00Z\n");
	line = strchr(line, '\n') + 1;
	assert_line(line, 16, " start 2027-04-01T00:00:00Z end 2027-07-01T00:00:00Z\n");
	line = strchr(line, '\n') + 1;
	assert_line(line, 16, " start 2027-06-30T00:00:00Z\n");
	assert_string_equal(strchr(line, '\n'), "\n");
}

static void what_it_cannot_mean_is_said(void **state)
{
	static const char *const rows[][2] = {
		{"genkey 192", "`192`: 128 or 256 bits"},
		{"genkey 128 begin 1", "`begin`: expected start"},
		{"genkey start", "`start`: wants a time"},
		{"genkey start 2027-02-29T00:00:00Z", "`start`: wants a time"},
		{"genkey end 2027-01-01", "`end`: wants a time"},
		{"genkey start 2027-01-01T00:00:00Z end 2027-01-01T00:00:00Z",
		 "not after the start"},
		{"genkey every 0", "a number of days"},
		{"genkey count 13", "from 1 to 12"},
		{"genkey count 2x", "from 1 to 12"},
		{"genkey count 2", "need `start` and `every`"},
		{"genkey count 2 start 2027-01-01T00:00:00Z", "need `start` and `every`"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(run(rows[i][0]), CLI_USAGE);
		if (!strstr(err_text, rows[i][1]))
			fail_msg("%s: %s", rows[i][0], err_text);
		assert_string_equal(out_text, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_key_is_one_line),
		cmocka_unit_test(keys_of_a_chain_follow_each_other_with_a_day_of_both),
		cmocka_unit_test(what_it_cannot_mean_is_said),
	};
	int failed = cmocka_run_group_tests_name("cli/genkey", tests, NULL, NULL);

	free(out_text);
	free(err_text);
	return failed;
}
