/* `audit`: whether nothing but ciphertext passes, by a daemon's counters or by a file alone. */
#include "cli/cli.h"

#include "base/js.h"
#include "cli/client.h"
#include "cli/table.h"
#include "config/openings.h"

#include <stdlib.h>
#include <string.h>

static const char *text_or(const struct js *o, const char *key, const char *none)
{
	const char *s = js_text(o, key);

	return s ? s : none;
}

static void head_print(const struct js *o, FILE *out)
{
	const struct js *ports = js_get(o, "ports");
	char b[24];

	fprintf(out, "\ninterface %s, port%s", text_or(o, "interface", "?"),
		js_len(ports) == 1 ? "" : "s");
	for (size_t i = 0; i < js_len(ports); i++)
		fprintf(out, " %s", js_value_text(js_at(ports, i)));
	fputs(": ", out);
	if (!js_get(o, "guarded-ms")) {
		table_loud(out, "no guards are known of");
		fputc('\n', out);
		return;
	}
	if (!js_bool(o, "guarded")) {
		table_loud(out, "NOT GUARDED");
		fputs(", ", out);
	}
	fprintf(out, "guarded for %s, ", table_age(js_u64(o, "guarded-ms") / 1000, b));
	if (js_u64(o, "gaps"))
		table_loud(out, "with %llu gap%s of %llu ms at most",
			   (unsigned long long)js_u64(o, "gaps"), js_u64(o, "gaps") == 1 ? "" : "s",
			   (unsigned long long)js_u64(o, "gap-ms"));
	else
		fputs("without a gap", out);
	fputc('\n', out);
}

static void cell_count(struct table *t, const struct js *o, const char *key)
{
	char b[16];

	table_cell(t, "%s", table_count(js_u64(o, key), b));
}

static void rows_print(const struct js *list, const char *heads, const char *name, const char *what,
		       FILE *out)
{
	struct table *t = table_new(heads);

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		table_cell(t, "%s", text_or(o, name, "?"));
		cell_count(t, o, "out");
		cell_count(t, o, "in");
		table_cell(t, "%s", text_or(o, what, ""));
	}
	if (table_rows(t))
		table_print(t, out);
	table_free(t);
}

static void interface_print(const struct js *o, FILE *out)
{
	head_print(o, out);
	rows_print(js_get(o, "passed"), "passed|>out|>in|which is", "class", "kind", out);
	rows_print(js_get(o, "dropped"), "dropped|>out|>in|which is", "what", "why", out);
}

static void path_print(const struct js *path, FILE *out)
{
	const struct js *list = js_get(path, "dropped");
	struct table *t = table_new("dropped|>packets|why");

	fputs("\nthe packet path\n", out);
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		table_cell(t, "%s", text_or(o, "what", "?"));
		cell_count(t, o, "packets");
		table_cell(t, "%s", text_or(o, "why", ""));
	}
	if (table_rows(t))
		table_print(t, out);
	else
		fputs("dropped nothing\n", out);
	table_free(t);
}

static void keying_print(const struct js *list, FILE *out)
{
	struct table *t = table_new("keying|overlay|not taken|>messages");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		table_cell(t, "%s", text_or(o, "protocol", "?"));
		table_cell(t, "%s", text_or(o, "overlay", "-"));
		table_cell(t, "%s", text_or(o, "what", "?"));
		cell_count(t, o, "messages");
	}
	if (table_rows(t)) {
		fputc('\n', out);
		table_print(t, out);
	}
	table_free(t);
}

/* The openings, each with its line. */
static void open_print(const struct js *list, FILE *out)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		fprintf(out, "\n%s:%llu: ", text_or(o, "file", "?"),
			(unsigned long long)js_u64(o, "line"));
		if (js_text(o, "overlay"))
			fprintf(out, "overlay %s: ", js_text(o, "overlay"));
		else if (js_text(o, "node"))
			fprintf(out, "node %s, port %s: ", js_text(o, "node"),
				text_or(o, "port", "?"));
		else
			fprintf(out, "port %s: ", text_or(o, "port", "?"));
		table_loud(out, "OPEN: %s", text_or(o, "what", "?"));
		fprintf(out, "\n  %s\n", text_or(o, "means", ""));
	}
}

static void verdict_print(const struct js *answer, FILE *out)
{
	const struct js *wrong = js_get(answer, "wrong"), *open = js_get(answer, "open");

	open_print(open, out);
	for (size_t i = 0; i < js_len(wrong); i++) {
		fputc('\n', out);
		table_loud(out, "WRONG: %s", js_value_text(js_at(wrong, i)));
		fputc('\n', out);
	}
	fputc('\n', out);
	if (js_len(open))
		fprintf(out, "%zu thing%s open by the file", js_len(open),
			js_len(open) == 1 ? " is" : "s are");
	else
		fputs("nothing is open: ciphertext, its keying and neighbours pass alone", out);
	if (js_len(wrong))
		fprintf(out, "; %zu thing%s wrong", js_len(wrong),
			js_len(wrong) == 1 ? " is" : "s are");
	fputc('\n', out);
}

static void audit_print(const struct js *answer, FILE *out)
{
	const struct js *about = js_get(answer, "audit"), *list = js_get(answer, "interfaces");

	fprintf(out, "node %s of backbone %s, %s\n", text_or(about, "node", "?"),
		text_or(about, "backbone", "?"), text_or(about, "file", "?"));
	for (size_t i = 0; i < js_len(list); i++)
		interface_print(js_at(list, i), out);
	path_print(js_get(answer, "path"), out);
	keying_print(js_get(answer, "keying"), out);
	verdict_print(answer, out);
}

static int status_of(const struct js *answer)
{
	if (js_len(js_get(answer, "wrong")))
		return CLI_WRONG;
	return js_len(js_get(answer, "open")) ? CLI_OPEN : CLI_OK;
}

static int answer_print(const struct cli *c, struct js *answer,
			void (*print)(const struct js *answer, FILE *out))
{
	int rc = status_of(answer);

	if (c->json) {
		char *text = js_print(answer, true, NULL);

		fprintf(c->out, "%s\n", text);
		free(text);
	} else {
		print(answer, c->out);
	}
	js_free(answer);
	return fflush(c->out) == 0 ? rc : CLI_FAILED;
}

/* What a file opens, on all nodes, before anything runs it. */
static int file_audit(const struct cli *c, const char *path)
{
	struct js *j = js_object(), *list = js_set_array(j, "open");
	struct openings open = {};
	struct conf_errors errs;
	struct conf *conf = conf_read_file(path, &errs);
	struct backbone *b = conf ? backbone_new(conf) : NULL;
	int rc = CLI_FAILED;

	if (!conf)
		conf_errors_print(&errs, c->err);
	else if (!b || openings_find(conf, b, NULL, &open) < 0)
		fputs("out of memory\n", c->err);
	else
		rc = CLI_OK;
	for (size_t i = 0; i < open.count; i++) {
		struct js *o = js_push_object(list);

		js_set_text(o, "what", open.v[i].what);
		js_set_text(o, "node", open.v[i].node);
		js_set_text(o, "port", open.v[i].port);
		js_set_text(o, "overlay", open.v[i].overlay);
		js_set_text(o, "file", open.v[i].file);
		js_set_u64(o, "line", open.v[i].line);
		js_set_text(o, "means", open.v[i].means);
	}
	conf_errors_free(&errs);
	openings_free(&open);
	backbone_free(b);
	conf_free(conf);
	if (rc == CLI_OK)
		return answer_print(c, j, verdict_print);
	js_free(j);
	return rc;
}

static int audit_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct js *answer;

	if (argc)
		return file_audit(c, argv[0]);
	answer = client_ask(c, cmd->words);
	return answer ? answer_print(c, answer, audit_print) : CLI_FAILED;
}

const struct cli_command cli_audit_commands[] = {
	{"audit", "[FILE]", "what passes, what was dropped, what is open and by which line", 0, 1,
	 false, audit_run, NULL,
	 "Of the daemon that runs: how long its wan interfaces were guarded, every class of frames that "
	 "passed a guard, everything that was dropped and under which name, and each line of its file by "
	 "which anything but ciphertext may pass. Of a FILE: those lines alone, of all nodes. The status "
	 "is 0 when nothing is open, 3 when the file opens something, and 4 when something is wrong: a "
	 "guard is or was missing, a wan port is not there, or forward's own guard had to stop a frame."},
	{},
};
