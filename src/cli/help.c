/* Help out of the rows: lists of commands and a page for each, for a terminal of 80 columns. */
#include "cli/cli_i.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 79
#define LEFT 34 /* a command longer than this has its help on the next line */

/* Words of text from a column on, wrapped to where `indent` is. */
static void put_wrapped(const char *text, size_t column, size_t indent, FILE *f)
{
	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column > indent && column + 1 + len > COLUMNS) {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', f);
			column++;
		}
		fwrite(text, 1, len, f);
		/* A character of UTF-8 is one column, whatever its bytes. */
		for (size_t i = 0; i < len; i++)
			column += ((unsigned char)text[i] & 0xc0) != 0x80;
		text += len;
		if (*text == '\n') {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
		}
		text += *text != '\0';
	}
	fputc('\n', f);
}

static void put_row(const char *left, const char *help, FILE *f)
{
	size_t column = 2 + strlen(left), at = LEFT + 4;

	fprintf(f, "  %s", left);
	if (column + 2 > at)
		fprintf(f, "\n%*s", (int)at, "");
	else
		fprintf(f, "%*s", (int)(at - column), "");
	put_wrapped(help, at, at, f);
}

unsigned help_list(const struct cli_command *const *tables, int n, char **argv, FILE *f)
{
	unsigned count = 0;

	for (; *tables; tables++)
		for (const struct cli_command *cmd = *tables; cmd->words; cmd++) {
			char left[128];

			if (cmd->hidden || !cli_begins(cmd, n, argv))
				continue;
			snprintf(left, sizeof(left), "%s%s%s", cmd->words, *cmd->args ? " " : "",
				 cmd->args);
			if (f)
				put_row(left, cmd->help, f);
			count++;
		}
	return count;
}

void help_all(const struct cli_command *const *tables, FILE *f)
{
	fputs("myelin: look at, check and try an encrypted backbone\n\n"
	      "usage: myelin COMMAND [ARGUMENT]...\n\n",
	      f);
	help_list(tables, 0, NULL, f);
	fputs("  help [COMMAND]                      this list, or a command's options\n"
	      "\nOptions of every command:\n"
	      "  --node NAME                         the daemon to ask, where several run\n"
	      "  --json                              the answer as JSON\n"
	      "  --help, --version\n"
	      "\nExit status: 0 done, 1 failed or errors found, 2 wrong usage.\n",
	      f);
}

void help_usage(const struct cli_command *cmd, FILE *f)
{
	fprintf(f, "usage: myelin %s", cmd->words);
	if (cmd->opts)
		fputs(" [OPTION]...", f);
	fprintf(f, "%s%s\n", *cmd->args ? " " : "", cmd->args);
}

void help_command(const struct cli_command *cmd, FILE *f)
{
	help_usage(cmd, f);
	fputc('\n', f);
	fprintf(f, "%c%s.\n", toupper((unsigned char)cmd->help[0]), cmd->help + 1);
	if (cmd->more) {
		fputc('\n', f);
		put_wrapped(cmd->more, 0, 0, f);
	}
	if (cmd->opts)
		fputc('\n', f);
	for (const struct cli_option *o = cmd->opts; o && o->name; o++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", o->name, o->value ? " " : "",
			 o->value ? o->value : "");
		put_row(left, o->help, f);
	}
}
