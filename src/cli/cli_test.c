/* Words to row, common options, exit codes and the help that rows give. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct {
	const char *words;
	int argc;
	char *first;
	bool json;
	const char *node;
} ran;

static int note(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	ran.words = cmd->words;
	ran.argc = argc;
	ran.first = argc ? argv[0] : NULL;
	ran.json = c->json;
	ran.node = c->node;
	return CLI_OK;
}

static const struct cli_command show[] = {
	{"show peers", "", "peers", 0, 0, false, note},
	{"show ports", "", "ports", 0, 0, false, note},
	{},
};
static const struct cli_option lab_opts[] = {
	{"--lab", "NAME", "which"},
	{"--a-long-option-with-a-long", "OF-A-VALUE",
	 "whose help begins on the next line, and has more than one of them to fill"},
	{},
};
static const struct cli_command lab[] = {
	{"lab down", "[NAME]", "down", 0, 1, false, note, lab_opts,
	 "This is a long line that says more than would be seen in a terminal, which is why it "
	 "goes on here."},
	{"lab secret", "", "hidden", 0, 0, false, note, .hidden = true},
	{"lab up", "FILE", "up", 1, 1, false, note},
	{"lab exec", "NODE -- CMD…", "run", 2, 99, true, note},
	{},
};
static const struct cli_command *const tables[] = {show, lab, NULL};

static char *out_text, *err_text;

static int run(int argc, const char *const *args)
{
	char *argv[16];
	size_t n;
	FILE *out, *err;
	int rc;

	free(out_text);
	free(err_text);
	out = open_memstream(&out_text, &n);
	err = open_memstream(&err_text, &n);
	argv[0] = (char *)"myelin";
	for (int i = 0; i < argc; i++)
		argv[i + 1] = (char *)args[i];
	argv[argc + 1] = NULL;
	memset(&ran, 0, sizeof(ran));
	rc = cli_main(tables, argc + 1, argv, out, err);
	fclose(out);
	fclose(err);
	return rc;
}

#define RUN(...)                                                                                   \
	run(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static void common_options_may_stand_anywhere_before_the_dashes(void **state)
{
	(void)state;
	assert_int_equal(RUN("--json", "show", "--node", "fra1", "peers"), CLI_OK);
	assert_string_equal(ran.words, "show peers");
	assert_true(ran.json);
	assert_string_equal(ran.node, "fra1");
	assert_int_equal(ran.argc, 0);
}

static void what_follows_the_dashes_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(RUN("lab", "exec", "fra1", "--", "myelin", "--json"), CLI_OK);
	assert_string_equal(ran.words, "lab exec");
	assert_int_equal(ran.argc, 4);
	assert_string_equal(ran.first, "fra1");
	assert_false(ran.json);
}

static void an_unknown_command_lists_what_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(RUN("show", "pears"), CLI_USAGE);
	assert_non_null(strstr(err_text, "show peers"));
	assert_non_null(strstr(err_text, "show ports"));
	assert_null(strstr(err_text, "lab up"));
	assert_non_null(strstr(err_text, "`pears`"));
	assert_int_equal(RUN("frobnicate"), CLI_USAGE);
	assert_string_equal(err_text,
			    "myelin: no command `frobnicate`; `myelin help` lists them\n");
	assert_int_equal(RUN("show"), CLI_USAGE);
	assert_memory_equal(err_text, "myelin show: what? There is\n", 28);
	assert_non_null(strstr(err_text, "show ports"));
}

static void missing_extra_and_dashed_arguments_are_wrong_usage(void **state)
{
	(void)state;
	assert_int_equal(RUN("lab", "up"), CLI_USAGE);
	assert_int_equal(RUN("lab", "up", "a", "b"), CLI_USAGE);
	assert_non_null(strstr(err_text, "`b`"));
	assert_int_equal(RUN("lab", "up", "--fast"), CLI_USAGE);
	assert_non_null(strstr(err_text, "usage: myelin lab up FILE"));
	assert_null(ran.words);
	assert_int_equal(RUN("show", "peers", "--node"), CLI_USAGE);
}

static void help_goes_to_output_and_succeeds(void **state)
{
	(void)state;
	assert_int_equal(RUN("--help"), CLI_OK);
	assert_non_null(strstr(out_text, "lab exec"));
	assert_int_equal(RUN("help", "lab"), CLI_OK);
	assert_non_null(strstr(out_text, "lab up"));
	assert_null(strstr(out_text, "show peers"));
	assert_int_equal(run(0, NULL), CLI_USAGE);
	assert_non_null(strstr(err_text, "lab up"));
}

static void help_of_one_command_has_its_options_and_fits_80_columns(void **state)
{
	(void)state;
	assert_int_equal(RUN("help", "lab", "down"), CLI_OK);
	assert_string_equal(
		out_text,
		"usage: myelin lab down [OPTION]... [NAME]\n\nDown.\n\n"
		"This is a long line that says more than would be seen in a terminal, which is\n"
		"why it goes on here.\n\n"
		"  --lab NAME                          which\n"
		"  --a-long-option-with-a-long OF-A-VALUE\n"
		"                                      whose help begins on the next line, and\n"
		"                                      has more than one of them to fill\n");
	assert_int_equal(RUN("lab", "down", "--help"), CLI_OK);
	assert_int_equal(RUN("help"), CLI_OK);
	for (const char *p = out_text, *end; (end = strchr(p, '\n')); p = end + 1)
		assert_true(end - p < 80);
	assert_null(strstr(out_text, "lab secret"));
	assert_int_equal(RUN("help", "nothing"), CLI_USAGE);
}

static int teardown(void **state)
{
	(void)state;
	free(out_text);
	free(err_text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_options_may_stand_anywhere_before_the_dashes),
		cmocka_unit_test(what_follows_the_dashes_is_left_alone),
		cmocka_unit_test(an_unknown_command_lists_what_is_accepted),
		cmocka_unit_test(missing_extra_and_dashed_arguments_are_wrong_usage),
		cmocka_unit_test(help_of_one_command_has_its_options_and_fits_80_columns),
		cmocka_unit_test(help_goes_to_output_and_succeeds),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
