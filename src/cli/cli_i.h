/* cli_i: what the client's own files share: rows found by words, help and completion from rows. */
#pragma once

#include "cli/cli.h"

/* True when the row's words begin with all n words given. */
bool cli_begins(const struct cli_command *cmd, int n, char **argv);
/* The row with the longest match, *words how many words that is; NULL: none. */
const struct cli_command *cli_find(const struct cli_command *const *tables, int argc, char **argv,
				   int *words);

/* A line per command whose words begin with the n given; returns how many. f NULL: counts. */
unsigned help_list(const struct cli_command *const *tables, int n, char **argv, FILE *f);
void help_all(const struct cli_command *const *tables, FILE *f);
void help_usage(const struct cli_command *cmd, FILE *f);
void help_command(const struct cli_command *cmd, FILE *f);

/*
 * What may stand for the last of the words typed so far (argv, without the program's name), one a
 * line: `WORD TAB HELP`, or `@file`, `@directory`, `@command` where a shell knows better.
 */
int cli_complete(const struct cli_command *const *tables, int argc, char **argv, FILE *out);
