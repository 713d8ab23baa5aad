/* The command line: options everybody takes, the row that its words name, help from the rows. */
#include "cli/cli_i.h"

#include "build-config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* How many of argv's words the row's words match; 0 when they are not all there. */
static int command_match(const struct cli_command *cmd, int argc, char **argv)
{
	const char *w = cmd->words;
	int n = 0;

	while (*w) {
		size_t len = strcspn(w, " ");

		if (n == argc || strlen(argv[n]) != len || memcmp(argv[n], w, len) != 0)
			return 0;
		n++;
		w += len;
		while (*w == ' ')
			w++;
	}
	return n;
}

bool cli_begins(const struct cli_command *cmd, int n, char **argv)
{
	const char *w = cmd->words;

	for (int i = 0; i < n; i++) {
		size_t len = strcspn(w, " ");

		if (strlen(argv[i]) != len || memcmp(argv[i], w, len) != 0)
			return false;
		w += len;
		while (*w == ' ')
			w++;
	}
	return true;
}

/* The longest match, so that `show` may stand beside `show peers`. */
const struct cli_command *cli_find(const struct cli_command *const *tables, int argc, char **argv,
				   int *words)
{
	const struct cli_command *best = NULL;

	*words = 0;
	for (; *tables; tables++)
		for (const struct cli_command *cmd = *tables; cmd->words; cmd++) {
			int n = command_match(cmd, argc, argv);

			if (n > *words) {
				*words = n;
				best = cmd;
			}
		}
	return best;
}

int cli_usage(const struct cli *c, const struct cli_command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(c->err, "myelin %s: ", cmd->words);
	va_start(ap, fmt);
	vfprintf(c->err, fmt, ap);
	va_end(ap);
	fputc('\n', c->err);
	help_usage(cmd, c->err);
	return CLI_USAGE;
}

/* What is not known, and what is: all that begins alike. */
static int unknown(const struct cli_command *const *tables, int argc, char **argv, FILE *err)
{
	int n = argc;

	/* As many leading words as some command shares. */
	while (n > 0 && (!argv[n - 1] || !help_list(tables, n, argv, NULL)))
		n--;
	if (n == 0) {
		fprintf(err, "myelin: no command `%s`; `myelin help` lists them\n", argv[0]);
		return CLI_USAGE;
	}
	fputs("myelin", err);
	for (int i = 0; i < n; i++)
		fprintf(err, " %s", argv[i]);
	if (n == argc)
		fputs(": what? There is\n", err);
	else
		fprintf(err, ": not `%s`; there is\n", argv[n]);
	help_list(tables, n, argv, err);
	return CLI_USAGE;
}

/* Takes the common options out of argv. 0, or an exit code + 1 when there is nothing left to do. */
static int options_take(struct cli *c, int *argc, char **argv, bool *help, bool *version)
{
	int n = 0;

	for (int i = 0; i < *argc; i++) {
		char *a = argv[i];

		if (strcmp(a, "--") == 0) {
			while (i < *argc)
				argv[n++] = argv[i++];
			break;
		}
		if (strcmp(a, "--json") == 0) {
			c->json = true;
		} else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
			*help = true;
		} else if (strcmp(a, "--version") == 0) {
			*version = true;
		} else if (strncmp(a, "--node=", 7) == 0) {
			c->node = a + 7;
		} else if (strcmp(a, "--node") == 0) {
			if (++i == *argc) {
				fputs("myelin: --node needs the name of a node\n", c->err);
				return -1;
			}
			c->node = argv[i];
		} else {
			argv[n++] = a;
		}
	}
	*argc = n;
	return 0;
}

static int command_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!cmd->options && argv[i][0] == '-' && argv[i][1])
			return cli_usage(c, cmd, "no option `%s`", argv[i]);
	if ((unsigned)argc < cmd->min)
		return cli_usage(c, cmd, "an argument is missing");
	if ((unsigned)argc > cmd->max)
		return cli_usage(c, cmd, "`%s` is one argument too many", argv[cmd->max]);
	return cmd->run(c, cmd, argc, argv);
}

int cli_main(const struct cli_command *const *tables, int argc, char **argv, FILE *out, FILE *err)
{
	struct cli c = {.out = out, .err = err};
	const struct cli_command *cmd;
	bool help = false, version = false;
	int words;

	argc--; /* the program's name */
	argv++;
	/* Before anything is taken for an option: they are somebody's words so far. */
	if (argc > 1 && strcmp(argv[0], "complete") == 0 && strcmp(argv[1], "--") == 0)
		return cli_complete(tables, argc - 2, argv + 2, out);
	if (options_take(&c, &argc, argv, &help, &version) < 0)
		return CLI_USAGE;
	if (version) {
		fprintf(out, "myelin %s\n", MYELIN_VERSION);
		return CLI_OK;
	}
	if (argc > 0 && strcmp(argv[0], "help") == 0) {
		help = true;
		argc--;
		argv++;
		if (argc > 0 && strcmp(argv[0], "help") == 0)
			argc = 0;
	}
	if (help) {
		if (argc == 0) {
			help_all(tables, out);
			return CLI_OK;
		}
		cmd = cli_find(tables, argc, argv, &words);
		if (cmd) {
			help_command(cmd, out);
			return CLI_OK;
		}
		return help_list(tables, argc, argv, out) ? CLI_OK
							  : unknown(tables, argc, argv, err);
	}
	if (argc == 0) {
		help_all(tables, err);
		return CLI_USAGE;
	}
	cmd = cli_find(tables, argc, argv, &words);
	if (!cmd)
		return unknown(tables, argc, argv, err);
	return command_run(&c, cmd, argc - words, argv + words);
}
