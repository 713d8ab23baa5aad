/*
 * reference: writes the second half of docs/backbone-file.md from the model. What stands above
 * the mark in that file is written by hand and kept.
 *
 *   reference FILE > NEW       the file with its second half made anew
 *   reference --check FILE     a test: is it up to date?
 */
#include "config/model.h"
#include "config/parse.h"

#include <stdlib.h>
#include <string.h>

static const char mark[] =
	"<!-- From here on made from yang/myelin.yang: ninja -C build docs-backbone-file -->\n";

static void put_path(const struct yang_node *n, const struct yang_node *top, FILE *out)
{
	if (yang_parent(n) && yang_parent(n) != top) {
		put_path(yang_parent(n), top, out);
		fputc(' ', out);
	}
	fputs(yang_name(n), out);
	if (yang_kind(n) == YANG_LIST)
		fputs(" NAME", out);
}

static void put_default(const struct yang_node *n, FILE *out)
{
	const char *units = yang_units(n), *value;

	for (size_t i = 0; (value = yang_default(n, i)); i++)
		fprintf(out, "%s`%s`", i ? " " : "", value);
	if (yang_default(n, 0) && units)
		fprintf(out, " %s", units);
	if (yang_mandatory(n))
		fputs("must be given", out);
}

static void put_row(const struct yang_node *n, const struct yang_node *top, FILE *out)
{
	enum yang_kind kind = yang_kind(n);
	uint32_t min, max;

	fputs("| `", out);
	put_path(n, top, out);
	fputs("` | ", out);
	if (kind == YANG_LEAF && !yang_is_flag(n))
		yang_expects(n, out);
	else if (kind == YANG_LEAF_LIST) {
		yang_elements(n, &min, &max);
		fputs(min ? "one or more: " : "any number: ", out);
		yang_expects(n, out);
	} else {
		fputs(kind == YANG_LEAF ? "nothing" : "a block", out);
	}
	fputs(" | ", out);
	put_default(n, out);
	fprintf(out, " | %s |\n", yang_help(n));
}

/* What the words of an enumeration mean, where the model says it. */
static void put_words(const struct yang_node *n, const struct yang_node *top, FILE *out)
{
	const char *word, *help;
	int said = 0;

	for (size_t i = 0; (word = yang_word(n, i, &help)); i++) {
		if (!*help)
			continue;
		if (!said++) {
			fputs("- `", out);
			put_path(n, top, out);
			fputs("`: ", out);
		} else {
			fputs("; ", out);
		}
		fprintf(out, "`%s` %s", word, help);
		/* The description's full stop gives way to what follows. */
		fseek(out, -1, SEEK_CUR);
	}
	if (said)
		fputs(".\n", out);
}

static void put_rules(const struct yang_node *n, const struct yang_node *top, FILE *out)
{
	const char *rule;

	for (size_t i = 0; (rule = yang_rule(n, i)); i++) {
		fputs("- `", out);
		if (n == top)
			fputs(yang_name(n), out);
		else
			put_path(n, top, out);
		fprintf(out, "`: %s.\n", rule);
	}
}

typedef void visit(const struct yang_node *n, const struct yang_node *top, FILE *out);

static void each(const struct yang_model *m, const struct yang_node *parent,
		 const struct yang_node *top, visit *v, FILE *out)
{
	const struct yang_node *n = NULL;

	while ((n = yang_next(m, parent, n))) {
		if (yang_is_key(n))
			continue;
		v(n, top, out);
		each(m, n, top, v, out);
	}
}

static void put_top(const struct yang_model *m, const struct yang_node *n, FILE *out)
{
	char *notes = NULL;
	size_t size;
	FILE *f;

	fprintf(out, "\n### `%s%s`\n\n%s", yang_name(n), yang_kind(n) == YANG_LIST ? " NAME" : "",
		yang_help(n));
	if (yang_kind(n) == YANG_LEAF) {
		fputs(" Takes ", out);
		yang_expects(n, out);
		fprintf(out, "; %s.\n", yang_mandatory(n) ? "must be given" : "may be left out");
		return;
	}
	if (yang_kind(n) == YANG_LIST) {
		fputs(" Its name is ", out);
		yang_expects(n, out);
		fputs(".", out);
	}
	fputs("\n\n| statement | takes | default | meaning |\n|---|---|---|---|\n", out);
	each(m, n, n, put_row, out);
	f = open_memstream(&notes, &size);
	if (!f)
		return;
	each(m, n, n, put_words, f);
	put_rules(n, n, f);
	each(m, n, n, put_rules, f);
	fclose(f);
	if (*notes)
		fprintf(out, "\n%s", notes);
	free(notes);
}

/* The whole file: its hand-written half as it is, then the statements. */
static char *make(const char *old)
{
	const struct yang_model *m = conf_model();
	const char *end = strstr(old, mark);
	const struct yang_node *n = NULL;
	char *text = NULL;
	size_t size;
	FILE *f = m && end ? open_memstream(&text, &size) : NULL;

	if (!f)
		return NULL;
	fwrite(old, 1, (size_t)(end - old), f);
	fputs(mark, f);
	fputs("\n## Statements\n", f);
	while ((n = yang_next(m, NULL, n)))
		put_top(m, n, f);
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0, same;
	char *old, *text;
	size_t len;

	if (argc != 2 && !check) {
		fputs("usage: reference [--check] docs/backbone-file.md\n", stderr);
		return 2;
	}
	old = parse_load(argv[argc - 1], false, PARSE_BYTES_MAX, &len);
	text = old ? make(old) : NULL;
	same = text && strcmp(old, text) == 0;
	if (check)
		printf("1..1\n%sok 1 - docs/backbone-file.md is up to date\n", same ? "" : "not ");
	else if (text)
		fputs(text, stdout);
	else
		fputs("reference: the file has no mark to write behind\n", stderr);
	free(old);
	if (!text)
		return 1;
	free(text);
	return check && !same;
}
