/* The command line: options everybody takes, the row that its words name, help from the rows. */
#include "cli/cli.h"

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

/* True when the row's words begin with all n words given. */
static bool command_begins(const struct cli_command *cmd, int n, char **argv)
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

/* The row with the longest match, so that `show` may stand beside `show peers`. */
static const struct cli_command *command_find(const struct cli_command *const *tables, int argc,
					      char **argv, int *words)
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

/* One line per command whose words begin with the n given; returns how many. */
static unsigned help_list(const struct cli_command *const *tables, int n, char **argv, FILE *f)
{
	unsigned count = 0;

	for (; *tables; tables++)
		for (const struct cli_command *cmd = *tables; cmd->words; cmd++) {
			char left[128];

			if (!command_begins(cmd, n, argv))
				continue;
			snprintf(left, sizeof(left), "%s%s%s", cmd->words, *cmd->args ? " " : "",
				 cmd->args);
			fprintf(f, "  myelin %-47s %s\n", left, cmd->help);
			count++;
		}
	return count;
}

static void help_print(const struct cli_command *const *tables, FILE *f)
{
	fputs("myelin: look at, check and try an encrypted backbone\n\n", f);
	help_list(tables, 0, NULL, f);
	fputs("\nOptions of every command:\n"
	      "  --node NAME   the daemon to ask; needed only where several run\n"
	      "  --json        the answer as JSON\n"
	      "  --help        this list, or that of the commands that begin alike\n"
	      "  --version\n"
	      "\nExit status: 0 done, 1 failed or errors found, 2 wrong usage.\n",
	      f);
}

int cli_usage(const struct cli *c, const struct cli_command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(c->err, "myelin %s: ", cmd->words);
	va_start(ap, fmt);
	vfprintf(c->err, fmt, ap);
	va_end(ap);
	fprintf(c->err, "\nusage: myelin %s%s%s\n", cmd->words, *cmd->args ? " " : "", cmd->args);
	return CLI_USAGE;
}

static int unknown(const struct cli_command *const *tables, int argc, char **argv, FILE *err)
{
	int n = argc;

	/* As many leading words as some command shares. */
	while (n > 0 && argv[n - 1] && help_list(tables, n, argv, err) == 0)
		n--;
	if (n == argc && argc > 0) {
		fprintf(err, "myelin: the command is not complete; the above begin like this\n");
		return CLI_USAGE;
	}
	if (n == 0)
		help_list(tables, 0, NULL, err);
	fprintf(err, "myelin: no command `%s` here; the above are accepted\n", argv[n]);
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
	}
	if (help) {
		if (argc == 0) {
			help_print(tables, out);
			return CLI_OK;
		}
		cmd = command_find(tables, argc, argv, &words);
		argc = cmd ? words : argc;
		return help_list(tables, argc, argv, out) ? CLI_OK
							  : unknown(tables, argc, argv, err);
	}
	if (argc == 0) {
		help_print(tables, err);
		return CLI_USAGE;
	}
	cmd = command_find(tables, argc, argv, &words);
	if (!cmd)
		return unknown(tables, argc, argv, err);
	return command_run(&c, cmd, argc - words, argv + words);
}
