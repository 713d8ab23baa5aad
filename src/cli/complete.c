/* Completion: the rows say what stands where, the model what a statement takes, daemons and labs
 * what there is. The shells' scripts (packaging/) ask for it at every key. */
#include "cli/cli_i.h"

#include "base/js.h"
#include "cli/client.h"
#include "config/conf.h"

#include <stdlib.h>
#include <string.h>

#define ARGS_MAX 64
#define NODES_MAX 64

struct completion {
	const struct cli_command *const *tables;
	const char *last; /* the word that is being typed */
	const char *node;
	FILE *out;
	const char *args[ARGS_MAX]; /* the row's arguments so far, its options taken out */
	int argc;
};

static const struct cli_option common[] = {
	{"--json", NULL, "the answer as JSON"},
	{"--node", "RUNNING", "the daemon to ask"},
	{"--help", NULL, "what the command does"},
	{},
};

static void offer(const struct completion *k, const char *word, const char *help)
{
	if (strncmp(word, k->last, strlen(k->last)) == 0)
		fprintf(k->out, "%s\t%s\n", word, help ? help : "");
}

void cli_offer(void *ctx, const char *word, const char *help)
{
	offer(ctx, word, help);
}

static void offer_running(const struct completion *k)
{
	char names[NODES_MAX][CLIENT_NODE_MAX];
	size_t n = client_nodes(names, NODES_MAX);

	for (size_t i = 0; i < n; i++)
		offer(k, names[i], "");
}

/* What the daemon answers, or NULL: nobody is there to hear of it. */
static struct js *asked(const struct completion *k, const char *request)
{
	FILE *quiet = fopen("/dev/null", "we");
	struct cli c = {.node = k->node, .out = quiet, .err = quiet};
	struct js *answer = quiet ? client_ask(&c, request) : NULL;

	if (quiet)
		fclose(quiet);
	return answer;
}

static void offer_overlays(const struct completion *k)
{
	struct js *answer = asked(k, "show overlays");
	const struct js *list = js_get(answer, "overlays");

	for (size_t i = 0; i < js_len(list); i++) {
		const char *name = js_text(js_at(list, i), "overlay");

		if (name)
			offer(k, name, js_text(js_at(list, i), "state"));
	}
	js_free(answer);
}

/* Peers of tunnels; with the overlay in front where several have one. */
static void offer_peers(const struct completion *k)
{
	struct js *answer = asked(k, "show ike");
	const struct js *list = js_get(answer, "peers");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);
		const char *name = js_text(o, "peer"), *overlay = js_text(o, "overlay");
		bool again = false, elsewhere = false;
		char both[96];

		for (size_t n = 0; name && overlay && n < js_len(list); n++) {
			const char *other = js_text(js_at(list, n), "peer");
			const char *of = js_text(js_at(list, n), "overlay");

			if (n == i || !other || !of || strcmp(name, other) != 0)
				continue;
			elsewhere |= strcmp(overlay, of) != 0;
			again |= n < i && strcmp(overlay, of) == 0;
		}
		if (!name || !overlay || again)
			continue;
		snprintf(both, sizeof(both), "%s/%s", overlay, name);
		offer(k, elsewhere ? both : name, js_text(o, "state"));
	}
	js_free(answer);
}

/* The words behind FILE as a path in the model; names come from the file when it is right. */
static void offer_statement(const struct completion *k)
{
	struct conf_errors errs = {};
	struct conf *conf = k->argc ? conf_read_file(k->args[0], &errs) : NULL;
	struct conf_candidates found;

	conf_errors_free(&errs);
	if (k->argc && conf_candidates(conf, k->args + 1, (size_t)(k->argc - 1), &found) == 0) {
		for (size_t i = 0; i < found.count; i++)
			offer(k, found.v[i].word, found.v[i].help);
		conf_candidates_free(&found);
	}
	conf_free(conf);
}

/* One alternative of an argument: a word as it is, or in capitals what stands there. */
static void offer_class(const struct completion *k, const struct cli_command *cmd,
			const char *class)
{
	if (!strcmp(class, "-"))
		return; /* for programs */
	if (class[strspn(class, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		offer(k, class, "");
	else if (!strcmp(class, "FILE"))
		fputs("@file\n", k->out);
	else if (!strcmp(class, "DIR"))
		fputs("@directory\n", k->out);
	else if (!strcmp(class, "CMD"))
		fputs("@command\n", k->out);
	else if (!strcmp(class, "OVERLAY"))
		offer_overlays(k);
	else if (!strcmp(class, "PEER"))
		offer_peers(k);
	else if (!strcmp(class, "RUNNING"))
		offer_running(k);
	else if (!strcmp(class, "STATEMENT"))
		offer_statement(k);
	else if (cmd && cmd->names)
		cmd->names(class, k->argc, k->args, (void *)(uintptr_t)k);
}

static void offer_argument(const struct completion *k, const struct cli_command *cmd,
			   const char *arg, size_t len)
{
	char text[64], *save;

	snprintf(text, sizeof(text), "%.*s", (int)len, arg);
	for (char *p = strtok_r(text, "[]|.", &save); p; p = strtok_r(NULL, "[]|.", &save))
		offer_class(k, cmd, p);
}

/* The argument that the row has at a position; one with dots stands for all behind it. */
static void offer_position(const struct completion *k, const struct cli_command *cmd, int at)
{
	const char *arg = cmd->args;
	size_t len;

	for (; (len = strcspn(arg, " ")); at--) {
		if (at == 0 || memmem(arg, len, "...", 3)) {
			offer_argument(k, cmd, arg, len);
			return;
		}
		arg += len + (arg[len] == ' ');
	}
}

static void offer_options(const struct completion *k, const struct cli_option *o)
{
	for (; o && o->name; o++)
		offer(k, o->name, o->help);
}

static const struct cli_option *option_find(const struct cli_option *o, const char *name)
{
	for (; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

/* The next words of commands that begin with the n words given. */
static void offer_commands(const struct completion *k, int n, char **argv)
{
	char seen[64][32];
	size_t count = 0, at;

	for (const struct cli_command *const *t = k->tables; *t; t++)
		for (const struct cli_command *cmd = *t; cmd->words; cmd++) {
			const char *w = cmd->words;
			char word[32];

			if (cmd->hidden || !cli_begins(cmd, n, argv))
				continue;
			for (int i = 0; i < n && *w; i++)
				w += strcspn(w, " ") + (w[strcspn(w, " ")] == ' ');
			snprintf(word, sizeof(word), "%.*s", (int)strcspn(w, " "), w);
			for (at = 0; at < count && strcmp(seen[at], word) != 0; at++)
				;
			if (!*word || at < count || count == 64)
				continue;
			strcpy(seen[count++], word);
			offer(k, word, strchr(w, ' ') ? "" : cmd->help);
		}
}

/* Words before the last: what all commands take is taken out. Returns the option whose value the
 * last word is, or NULL. */
static const struct cli_option *common_take(struct completion *k, int *argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < *argc; i++) {
		const struct cli_option *o = option_find(common, argv[i]);

		if (strcmp(argv[i], "--") == 0) {
			while (i < *argc)
				argv[n++] = argv[i++];
			break;
		}
		if (!o)
			argv[n++] = argv[i];
		else if (o->value && i + 1 == *argc)
			return o;
		else if (o->value)
			k->node = argv[++i];
	}
	*argc = n;
	return NULL;
}

static void offer_in(struct completion *k, const struct cli_command *cmd, int argc, char **argv)
{
	const struct cli_option *o = NULL;
	bool dashes = false;

	for (int i = 0; i < argc && k->argc < ARGS_MAX; i++) {
		o = dashes ? NULL : option_find(cmd->opts, argv[i]);
		dashes |= strcmp(argv[i], "--") == 0;
		if (!o)
			k->args[k->argc++] = argv[i];
		else if (o->value)
			i++;
		if (o && o->value && i < argc)
			o = NULL;
	}
	if (o && o->value) {
		offer_argument(k, cmd, o->value, strlen(o->value));
	} else if (*k->last == '-' && !dashes) {
		offer_options(k, cmd->opts);
		offer_options(k, common);
	} else {
		offer_position(k, cmd, k->argc);
	}
}

int cli_complete(const struct cli_command *const *tables, int argc, char **argv, FILE *out)
{
	struct completion k = {.tables = tables, .out = out, .last = argc ? argv[argc - 1] : ""};
	const struct cli_command *cmd;
	const struct cli_option *o;
	int words;

	argc -= argc > 0;
	if (argc && strcmp(argv[0], "help") == 0) {
		offer_commands(&k, argc - 1, argv + 1);
		return fflush(out) ? CLI_FAILED : CLI_OK;
	}
	o = common_take(&k, &argc, argv);
	cmd = cli_find(tables, argc, argv, &words);
	if (o)
		offer_argument(&k, NULL, o->value, strlen(o->value));
	else if (cmd)
		offer_in(&k, cmd, argc - words, argv + words);
	else if (*k.last == '-')
		offer_options(&k, common);
	else
		offer_commands(&k, argc, argv);
	if (!o && !cmd && !argc && *k.last != '-')
		offer(&k, "help", "what commands there are");
	return fflush(out) ? CLI_FAILED : CLI_OK;
}
