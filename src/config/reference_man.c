/*
 * reference_man: writes backbone.conf(5) for scdoc: the page given with the model's statements
 * where it says @STATEMENTS@. For the build.
 */
#include "config/model.h"
#include "config/parse.h"
#include "config/scdoc.h"

#include <stdlib.h>

static void put_path(const struct yang_node *n)
{
	if (yang_parent(n)) {
		put_path(yang_parent(n));
		putchar(' ');
	}
	printf("*%s*", yang_name(n));
	if (yang_kind(n) == YANG_LIST)
		fputs(" _NAME_", stdout);
}

/* What it takes, as one line of the page. */
static void put_takes(const struct yang_node *n, bool first)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	yang_expects(n, f);
	fclose(f);
	scdoc_put(text, first, stdout);
	free(text);
}

static void put_words(const struct yang_node *n)
{
	const char *word, *help;

	for (size_t i = 0; (word = yang_word(n, i, &help)); i++) {
		if (!*help)
			continue;
		fputs("\n\n\t\t*", stdout);
		scdoc_put(word, false, stdout);
		fputs("*: ", stdout);
		scdoc_put(help, false, stdout);
	}
}

static void put_statement(const struct yang_node *n)
{
	enum yang_kind kind = yang_kind(n);
	const char *value, *rule;
	uint32_t min = 0, max;

	put_path(n);
	fputs("\n\t", stdout);
	scdoc_put(yang_help(n), true, stdout);
	if (kind == YANG_LEAF_LIST)
		yang_elements(n, &min, &max);
	if (kind == YANG_LEAF_LIST || (kind == YANG_LEAF && !yang_is_flag(n))) {
		fputs(kind == YANG_LEAF ? " Takes "
		      : min             ? " Takes one or more of: "
					: " Takes any number of: ",
		      stdout);
		put_takes(n, false);
		for (size_t i = 0; (value = yang_default(n, i)); i++) {
			fputs(i ? " " : "; default ", stdout);
			scdoc_put(value, false, stdout);
		}
		if (yang_default(n, 0) && yang_units(n))
			printf(" %s", yang_units(n));
		fputs(yang_mandatory(n) ? "; must be given." : ".", stdout);
	}
	put_words(n);
	for (size_t i = 0; (rule = yang_rule(n, i)); i++) {
		fputs("\n\n\t\t", stdout);
		scdoc_put(rule, true, stdout);
		putchar('.');
	}
	fputs("\n\n", stdout);
}

static void put_below(const struct yang_model *m, const struct yang_node *parent)
{
	const struct yang_node *n = NULL;

	while ((n = yang_next(m, parent, n))) {
		if (!parent)
			printf("## %s\n\n", yang_name(n));
		if (yang_is_key(n))
			continue;
		put_statement(n);
		put_below(m, n);
	}
}

int main(int argc, char **argv)
{
	size_t len;
	char *page = argc == 2 ? parse_load(argv[1], true, 1 << 20, &len) : NULL;
	const char *rest = page ? scdoc_head(page, "@STATEMENTS@\n", stdout) : NULL;

	if (!rest || !conf_model()) {
		fputs("usage: reference_man PAGE, which has a line @STATEMENTS@\n", stderr);
		free(page);
		return 1;
	}
	put_below(conf_model(), NULL);
	fputs(rest, stdout);
	free(page);
	return fflush(stdout) ? 1 : 0;
}
