/*
 * manual: writes myelin(1) for scdoc: the page given with the commands' rows where it says
 * @COMMANDS@. For the build; not part of the client.
 */
#include "cli/tables.h"
#include "config/parse.h"
#include "config/scdoc.h"

#include <ctype.h>
#include <stdlib.h>

/* A line of help as a sentence. */
static void put_sentence(const char *help)
{
	char first[2] = {(char)toupper((unsigned char)help[0])};

	scdoc_put(first, true, stdout);
	scdoc_put(help + 1, false, stdout);
	putchar('.');
}

static void put_option(const struct cli_option *o)
{
	printf("\n\t*%s*", o->name);
	if (o->value) {
		fputs(" _", stdout);
		scdoc_put(o->value, false, stdout);
		putchar('_');
	}
	fputs("\n\t\t", stdout);
	put_sentence(o->help);
	putchar('\n');
}

static void put_command(const struct cli_command *cmd)
{
	printf("*%s*", cmd->words);
	if (cmd->opts)
		fputs(" [_OPTION_]...", stdout);
	if (*cmd->args)
		putchar(' ');
	scdoc_put(cmd->args, false, stdout);
	fputs("\n\t", stdout);
	put_sentence(cmd->help);
	if (cmd->more) {
		putchar(' ');
		scdoc_put(cmd->more, false, stdout);
	}
	putchar('\n');
	for (const struct cli_option *o = cmd->opts; o && o->name; o++)
		put_option(o);
	putchar('\n');
}

int main(int argc, char **argv)
{
	size_t len;
	char *page = argc == 2 ? parse_load(argv[1], true, 1 << 20, &len) : NULL;
	const char *rest = page ? scdoc_head(page, "@COMMANDS@\n", stdout) : NULL;

	if (!rest) {
		fputs("usage: manual PAGE, which has a line @COMMANDS@\n", stderr);
		free(page);
		return 1;
	}
	for (const struct cli_command *const *t = cli_tables; *t; t++)
		for (const struct cli_command *cmd = *t; cmd->words; cmd++)
			if (!cmd->hidden)
				put_command(cmd);
	fputs(rest, stdout);
	free(page);
	return fflush(stdout) ? 1 : 0;
}
