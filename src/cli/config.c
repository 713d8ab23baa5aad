/* `check` and `config …`: what needs the file, but no daemon. */
#include "cli/cli.h"

#include "cli/client.h"
#include "config/conf.h"
#include "config/diff.h"
#include "config/edit.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/js.h"
#include "base/secret.h"

static void notes_json(struct js *j, const char *key, const struct conf_errors *errs)
{
	struct js *list = js_set_array(j, key);

	for (size_t i = 0; errs && i < errs->count; i++) {
		struct js *o = js_push_object(list);

		js_set_text(o, "file", errs->v[i].file);
		js_set_u64(o, "line", errs->v[i].line);
		js_set_u64(o, "column", errs->v[i].col);
		js_set_text(o, "text", errs->v[i].text);
	}
}

static void check_json(const struct cli *c, const struct conf *conf, const struct conf_errors *errs)
{
	struct js *j = js_object();
	char *text;

	js_set_bool(j, "valid", conf != NULL);
	notes_json(j, "errors", errs);
	notes_json(j, "warnings", conf ? conf_warnings(conf) : NULL);
	text = js_print(j, true, NULL);
	fprintf(c->out, "%s\n", text);
	free(text);
	js_free(j);
}

static int check_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct conf_errors errs = {};
	const struct conf_errors *warns;
	struct conf *conf = conf_read_file(argv[0], &errs);

	(void)cmd;
	(void)argc;
	if (c->json) {
		check_json(c, conf, &errs);
	} else if (!conf) {
		conf_errors_print(&errs, c->err);
		fprintf(c->err, "%s: %zu error%s\n", argv[0], errs.count,
			errs.count == 1 ? "" : "s");
	} else {
		warns = conf_warnings(conf);
		for (size_t i = 0; warns && i < warns->count; i++)
			fprintf(c->err, "%s:%u:%u: warning: %s\n", warns->v[i].file,
				warns->v[i].line, warns->v[i].col, warns->v[i].text);
		fprintf(c->out, "%s: valid\n", argv[0]);
	}
	conf_errors_free(&errs);
	if (!conf)
		return CLI_FAILED;
	conf_free(conf);
	return CLI_OK;
}

static int format_parse(const char *s)
{
	static const char *const names[] = {
		[CONF_TEXT] = "text", [CONF_SET] = "set", [CONF_JSON] = "json"};

	for (int i = 0; i < 3; i++)
		if (strcmp(s, names[i]) == 0)
			return i;
	return -1;
}

static int print_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	int format = c->json ? CONF_JSON : CONF_TEXT, rc;
	struct conf_errors errs = {};
	const char *path = NULL;
	struct conf *conf;

	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i], *as = strncmp(arg, "--as=", 5) == 0 ? arg + 5 : NULL;

		if (strcmp(arg, "--as") == 0)
			as = i + 1 < argc ? argv[++i] : "";
		if (as) {
			format = format_parse(as);
			if (format < 0)
				return cli_usage(c, cmd, "`--as %s`: text, set or json", as);
		} else if (arg[0] == '-' && arg[1]) {
			return cli_usage(c, cmd, "no option `%s`", arg);
		} else if (path) {
			return cli_usage(c, cmd, "one file only");
		} else {
			path = arg;
		}
	}
	if (!path)
		return cli_usage(c, cmd, "a file is missing");
	conf = conf_read_file(path, &errs);
	conf_errors_print(&errs, c->err);
	conf_errors_free(&errs);
	if (!conf)
		return CLI_FAILED;
	rc = conf_print(conf, (enum conf_format)format, c->out);
	conf_free(conf);
	if (rc < 0 || fflush(c->out) != 0) {
		fprintf(c->err, "myelin: %s\n", strerror(rc < 0 ? -rc : errno));
		return CLI_FAILED;
	}
	return CLI_OK;
}

static struct conf *file_read(const struct cli *c, const char *path)
{
	struct conf_errors errs = {};
	struct conf *conf = conf_read_file(path, &errs);

	conf_errors_print(&errs, c->err);
	conf_errors_free(&errs);
	return conf;
}

/* What the daemon runs. */
static struct conf *running_read(const struct cli *c)
{
	struct js *answer = client_ask(c, "show config");
	const char *text = answer ? js_text(answer, "config") : NULL;
	struct conf_errors errs = {};
	struct conf *conf = text ? conf_read("running", text, strlen(text), &errs) : NULL;

	conf_errors_print(&errs, c->err);
	conf_errors_free(&errs);
	js_free(answer);
	return conf;
}

static void diff_json(const struct cli *c, const struct conf_diff *d)
{
	struct js *j = js_object(), *list = js_set_array(j, "changes");
	char *text;

	for (size_t i = 0; i < d->count; i++) {
		struct js *o = js_push_object(list);

		js_set_format(o, "op", "%c", d->v[i].op);
		js_set_text(o, "statement", d->v[i].text);
	}
	text = js_print(j, true, NULL);
	fprintf(c->out, "%s\n", text);
	free(text);
	js_free(j);
}

static void changes_print(const struct cli *c, const struct conf_diff *d)
{
	if (c->json)
		diff_json(c, d);
	for (size_t i = 0; !c->json && i < d->count; i++)
		fprintf(c->out, "%c %s\n", d->v[i].op, d->v[i].text);
}

/* From what runs to a file, or from a file to another. */
static int diff_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct conf *to = file_read(c, argv[argc - 1]);
	struct conf *from = !to ? NULL : argc == 2 ? file_read(c, argv[0]) : running_read(c);
	struct conf_diff d = {};
	int rc = CLI_FAILED;

	(void)cmd;
	if (from && conf_diff(from, to, &d) == 0) {
		changes_print(c, &d);
		rc = fflush(c->out) == 0 ? CLI_OK : CLI_FAILED;
		conf_diff_free(&d);
	}
	conf_free(from);
	conf_free(to);
	return rc;
}

/* Standard input as it is. NULL without memory. */
static char *input_read(size_t *len)
{
	char *text = NULL, b[4096];
	FILE *f = open_memstream(&text, len);
	size_t n;

	while (f && (n = fread(b, 1, sizeof(b), stdin)) > 0)
		fwrite(b, 1, n, f);
	return f && !fclose(f) ? text : NULL;
}

static int edit_words(struct conf_edit *e, const struct cli_command *cmd, int argc, char **argv,
		      char **why)
{
	const char *const *words = (const char *const *)argv;
	size_t len = 0;
	char *text;
	int rc;

	if (argc && !strcmp(argv[0], "--")) {
		words++;
		argc--;
	}
	if (argc != 1 || strcmp(words[0], "-") != 0)
		return (!strcmp(cmd->words, "config set") ? conf_edit_set : conf_edit_unset)(
			e, words, (size_t)argc, why);
	text = input_read(&len);
	rc = text ? conf_edit_script(e, text, len, why) : -ENOMEM;
	free(text);
	return rc;
}

/* Checks the result, writes it, and shows what is another now. */
static int edit_finish(const struct cli *c, struct conf_edit *e, const char *path)
{
	struct conf_errors errs = {}, old = {};
	struct conf *after = conf_edit_check(e, &errs), *before = NULL;
	struct conf_diff d = {};
	char *why = NULL;
	int rc = CLI_FAILED;

	if (!after) {
		conf_errors_print(&errs, c->err);
		fprintf(c->err,
			"%s: %zu error%s by lines of what it would be; nothing is written\n", path,
			errs.count, errs.count == 1 ? "" : "s");
		goto out;
	}
	before = conf_read_file(path, &old);
	if (before && conf_diff(before, after, &d) < 0)
		goto out;
	if (conf_edit_write(e, &why) < 0) {
		fprintf(c->err, "myelin: %s\n", why ? why : "out of memory");
		goto out;
	}
	changes_print(c, &d);
	rc = fflush(c->out) == 0 ? CLI_OK : CLI_FAILED;
out:
	free(why);
	conf_diff_free(&d);
	conf_errors_free(&errs);
	conf_errors_free(&old);
	conf_free(before);
	conf_free(after);
	return rc;
}

static int edit_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct conf_errors errs;
	char *why = NULL;
	struct conf_edit *e = conf_edit_new(argv[0], &errs, &why);
	int rc = CLI_FAILED;

	if (!e) {
		conf_errors_print(&errs, c->err);
		conf_errors_free(&errs);
		if (why)
			fprintf(c->err, "%s: %s\n", argv[0], why);
	} else if (edit_words(e, cmd, argc - 1, argv + 1, &why) < 0) {
		fprintf(c->err, "myelin %s: %s\n", cmd->words, why ? why : "out of memory");
	} else {
		rc = edit_finish(c, e, argv[0]);
	}
	free(why);
	conf_edit_free(e);
	return rc;
}

static const struct cli_option print_opts[] = {
	{"--as", "text|set|json", "the form; text without it"},
	{},
};

const struct cli_command cli_config_commands[] = {
	{"check", "FILE", "find every error of a backbone file", 1, 1, false, check_run},
	{"config print", "FILE", "print a backbone file in another form", 1, 4, true, print_run,
	 print_opts},
	{"config diff", "[FILE] FILE", "what a file changes of what runs", 1, 2, false, diff_run,
	 .more = "With two files, what the second changes of the first. Lines with - are gone, "
		 "with + new, ~ says that the order is another."},
	{"config set", "FILE STATEMENT...|-", "set a statement in a file's text", 2, INT_MAX, true,
	 edit_run,
	 .more = "A statement is written along its path: `overlay core mka rekey 1h`. Values are "
		 "added to those of a list; `[ VALUE... ]` replaces them. Everything else in the "
		 "file stays as it is. The result is checked first; with an error in it nothing is "
		 "written. With - many lines of `set ...` and `unset ...` come from standard "
		 "input."},
	{"config unset", "FILE STATEMENT...", "remove a statement from a file's text", 2, INT_MAX,
	 true, edit_run,
	 .more = "With all that is below it: a value, an entry of a list, a block."},
	{},
};
