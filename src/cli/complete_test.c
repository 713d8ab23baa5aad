/* complete: what is offered where, of rows made for it and of the real ones about files. */
#include "cli/cli_i.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static int none(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	(void)c;
	(void)cmd;
	(void)argc;
	(void)argv;
	return CLI_OK;
}

static void names(const char *what, int argc, const char *const *argv, void *ctx)
{
	if (!strcmp(what, "NODE"))
		cli_offer(ctx, "fra1", NULL);
	if (!strcmp(what, "PORT") && argc == 1 && !strcmp(argv[0], "fra1"))
		cli_offer(ctx, "wan", "a port");
	if (!strcmp(what, "LAB"))
		cli_offer(ctx, "one", NULL);
}

static const struct cli_option opts[] = {
	{"--lab", "LAB", "which"}, {"--as", "text|set", "form"}, {"--once", NULL, "once"}, {}};

static const struct cli_command rows[] = {
	{"lab up", "FILE", "up", 1, 9, true, none, opts, .names = names},
	{"lab cut", "NODE PORT", "cut", 2, 2, true, none, opts, .names = names},
	{"lab exec", "NODE|HOST -- CMD...", "run", 2, 9, true, none, opts, .names = names},
	{"lab hidden", "DIR", "hidden", 1, 1, false, none, .hidden = true},
	{"genkey", "[128|256]", "key", 0, 1, false, none},
	{},
};
static const struct cli_command *const tables[] = {rows, cli_config_commands, NULL};
static char path[] = "/tmp/complete_test.XXXXXX";

/* Words offered for a line, FILE in it a file, `_` an empty word; without their help. */
static char *offered(const char *line)
{
	char *copy = strdup(line), *argv[24], *save, *text = NULL, *w;
	int argc = 0;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	for (w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = !strcmp(w, "FILE") ? path : !strcmp(w, "_") ? w + 1 : w;
	assert_int_equal(cli_complete(tables, argc, argv, out), CLI_OK);
	fclose(out);
	free(copy);
	for (char *from = text, *to = text; *from || (*to = '\0'); from++) {
		from += *from == '\t' ? strcspn(from, "\n") : 0;
		*to++ = *from == '\n' ? ' ' : *from;
	}
	return text;
}

static void what_is_offered_follows_the_rows(void **state)
{
	static const struct {
		const char *line, *offered;
	} cases[] = {
		{"l", "lab "},
		{"_", "lab genkey check config help "},
		{"lab _", "up cut exec "},
		{"lab e", "exec "},
		{"help lab c", "cut "},
		{"lab x", ""},
		{"genkey _", "128 256 "},
		{"genkey 2", "256 "},
		{"genkey 256 _", ""},
		{"lab up _", "@file "},
		{"lab up --", "--lab --as --once --json --node --help "},
		{"lab up --as _", "text set "},
		{"lab up --as set _", "@file "},
		{"lab up --once --lab o", "one "},
		{"lab up x.conf _", ""},
		{"lab cut _", "fra1 "},
		{"lab cut fra1 _", "wan "},
		{"lab cut --lab one fra1 _", "wan "},
		{"lab cut nyc1 _", ""},
		{"lab --json cut fra1 w", "wan "},
		{"lab exec fra1 _", "-- "},
		{"lab exec fra1 -- _", "@command "},
		{"lab exec fra1 -- ls --as _", "@command "},
		{"--j", "--json "},
		{"config print --as s", "set "},
		{"check _", "@file "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *is = offered(cases[i].line);

		if (strcmp(is, cases[i].offered) != 0)
			print_message("`%s`\n", cases[i].line);
		assert_string_equal(is, cases[i].offered);
		free(is);
	}
}

static void statements_follow_the_model_and_the_file(void **state)
{
	static const struct {
		const char *line, *offered;
	} cases[] = {
		{"config set FILE s", "site service "},
		{"config set FILE site _", "fra nyc "},
		{"config set FILE site fra l", "location "},
		{"config set FILE node n site _", "fra nyc "},
		{"config set FILE overlay core macsec v", "validate "},
		{"config set FILE overlay core macsec validate _", "strict check disabled "},
		{"config unset FILE overlay core mka key", "key-chain "},
		{"config set FILE bogus _", ""},
		{"config set /nowhere.conf service w topology _", "e-line e-lan "},
	};
	FILE *f = fopen(path, "we");

	(void)state;
	fputs("backbone b;\nsite fra;\nsite nyc;\n", f);
	fclose(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *is = offered(cases[i].line);

		if (strcmp(is, cases[i].offered) != 0)
			print_message("`%s`\n", cases[i].line);
		assert_string_equal(is, cases[i].offered);
		free(is);
	}
}

static void help_stands_behind_the_word(void **state)
{
	char *argv[] = {(char *)"lab", (char *)"cut", (char *)"fra1", (char *)""}, *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	cli_complete(tables, 4, argv, out);
	fclose(out);
	assert_string_equal(text, "wan\ta port\n");
	free(text);
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
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_offered_follows_the_rows),
		cmocka_unit_test(statements_follow_the_model_and_the_file),
		cmocka_unit_test(help_stands_behind_the_word),
	};

	return cmocka_run_group_tests(tests, make_file, drop_file);
}
