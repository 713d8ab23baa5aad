/* config: what the file's commands print, how they end, and what they leave in the file. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct cli_command *const tables[] = {cli_config_commands, NULL};
static char path[] = "/tmp/config_test.XXXXXX", *out_text, *err_text;

#define FILE_TEXT                                                                                  \
	"backbone b; # name\n"                                                                     \
	"site a { networks 10.1.0.0/16; }\nsite c { networks 10.2.0.0/16; }\n"                     \
	"service w { type ethernet; }\n"                                                           \
	"node n { id 1; site a; port p { interface e; service w; } }\n"

static void put(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_file(const char *text)
{
	char is[4096];
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(is, 1, sizeof(is) - 1, f);
	is[n] = '\0';
	fclose(f);
	assert_string_equal(is, text);
}

/* A command line, FILE in it the file. */
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
		argv[argc++] = strcmp(w, "FILE") ? w : path;
	rc = cli_main(tables, argc, argv, out, err);
	fclose(out);
	fclose(err);
	free(copy);
	return rc;
}

static void set_shows_what_it_changed(void **state)
{
	(void)state;
	put(FILE_TEXT);
	assert_int_equal(run("config set FILE site a location -23.55,-46.63"), CLI_OK);
	assert_string_equal(out_text, "+ site a location -23.55,-46.63\n");
	assert_string_equal(err_text, "");
	assert_int_equal(run("config set FILE service w mtu 1600 --json"), CLI_OK);
	assert_non_null(strstr(out_text, "\"service w mtu 1600\""));
	assert_int_equal(run("config unset FILE site a location"), CLI_OK);
	assert_string_equal(out_text, "- site a location -23.55,-46.63\n");
	assert_int_equal(run("config unset FILE service w mtu"), CLI_OK);
	assert_file(FILE_TEXT);
	assert_int_equal(run("config set FILE service w type ethernet"), CLI_OK);
	assert_string_equal(out_text, "");
}

static void a_result_that_is_wrong_is_told_and_not_written(void **state)
{
	char told[128];

	(void)state;
	put(FILE_TEXT);
	assert_int_equal(run("config unset FILE site a"), CLI_FAILED);
	assert_file(FILE_TEXT);
	assert_string_equal(out_text, "");
	snprintf(told, sizeof(told), "%s:4:21: no site is called `a`", path);
	assert_memory_equal(err_text, told, strlen(told));
	assert_non_null(
		strstr(err_text, "1 error by lines of what it would be; nothing is written"));
	assert_int_equal(run("config set FILE site a locaton 1,2"), CLI_FAILED);
	assert_string_equal(err_text,
			    "myelin config set: unknown statement `locaton` in `site`; did "
			    "you mean `location`?\n");
	assert_int_equal(run("config unset FILE site x"), CLI_FAILED);
	assert_string_equal(err_text,
			    "myelin config unset: there is no such statement in the file\n");
	assert_int_equal(run("config set FILE"), CLI_USAGE);
	assert_file(FILE_TEXT);
}

static void a_file_with_an_error_may_be_mended_by_set(void **state)
{
	(void)state;
	put("backbone b;\nsite a;\nnode n site nowhere;\n");
	assert_int_equal(run("check FILE"), CLI_FAILED);
	assert_int_equal(run("config set FILE node n site a"), CLI_OK);
	assert_file("backbone b;\nsite a;\nnode n site a;\n");
	assert_int_equal(run("check FILE"), CLI_OK);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd) < 0 ? -1 : 0;
}

static int drop_file(void **state)
{
	(void)state;
	free(out_text);
	free(err_text);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_shows_what_it_changed),
		cmocka_unit_test(a_result_that_is_wrong_is_told_and_not_written),
		cmocka_unit_test(a_file_with_an_error_may_be_mended_by_set),
	};

	return cmocka_run_group_tests(tests, make_file, drop_file);
}
