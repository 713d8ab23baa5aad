/*
 * cli: the client `myelin`, a table of commands.
 *
 * A command is a row: its words, its arguments, a line of help and a handler. Parsing, help and
 * the list of what would have been accepted come from the rows, so a folder that brings commands
 * (lab) brings rows and nothing else; cli/main.c names the tables. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit codes of `myelin`; the last two are audit's alone. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_OPEN = 3, CLI_WRONG = 4 };

/* Options that every command takes, before, between or after its words (not after `--`). */
struct cli {
	const char *node; /* --node NAME, or NULL: the only daemon there is */
	bool json;        /* --json: the answer as it is, no tables */
	FILE *out, *err;
};

struct cli_option {
	const char *name;  /* "--as" */
	const char *value; /* as in args: "text|set|json"; NULL: it takes none */
	const char *help;
};

struct cli_command {
	const char *words; /* "show peers" */
	/* For people and completion: words as they are, in capitals what stands for them, [left
	 * out], one|another, repeated...: "FILE", "NODE|HOST -- CMD..."; "" for none. */
	const char *args;
	const char *help; /* one line, without a full stop */
	/* Arguments after the words; `--` and what follows are counted and passed as they are. */
	unsigned min, max;
	bool options; /* takes options of its own; else a word with `-` in front is an error */
	/* Returns an exit code. argv[0..argc-1] are the arguments alone. */
	int (*run)(const struct cli *c, const struct cli_command *cmd, int argc, char **argv);
	const struct cli_option *opts; /* its own; ends with a row without a name; may be NULL */
	const char *more;              /* what its help says besides; may be NULL */
	/* Offers by cli_offer() what may stand for a word in capitals behind these arguments. */
	void (*names)(const char *what, int argc, const char *const *argv, void *ctx);
	bool hidden; /* for programs: no help names it */
};

/* One word that completion offers; help may be NULL. */
void cli_offer(void *ctx, const char *word, const char *help);

/* Each ends with a row whose words are NULL. */
extern const struct cli_command cli_audit_commands[];   /* cli/audit.c */
extern const struct cli_command cli_ca_commands[];      /* cli/ca.c */
extern const struct cli_command cli_config_commands[];  /* cli/config.c */
extern const struct cli_command cli_genkey_commands[];  /* cli/genkey.c */
extern const struct cli_command cli_show_commands[];    /* cli/show.c */
extern const struct cli_command cli_ike_commands[];     /* cli/ike.c */
extern const struct cli_command cli_events_commands[];  /* cli/events.c */
extern const struct cli_command cli_suspend_commands[]; /* cli/suspend.c */

/* What main() does, with the tables given (a list that ends with NULL). */
int cli_main(const struct cli_command *const *tables, int argc, char **argv, FILE *out, FILE *err);

/* Says what is wrong and how the command is used; returns CLI_USAGE. */
int cli_usage(const struct cli *c, const struct cli_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
