/*
 * The backbone file from bytes: text, set lines or JSON. Whatever is read must print and read back
 * the same in all three; whatever is refused must come with an error in range.
 * The editor's outline of what was read has the same values.
 */
#include "fuzz.h"

#include "config/backbone.h"
#include "config/conf.h"
#include "config/model.h"
#include "config/outline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void round_trip(const struct conf *c, enum conf_format format)
{
	struct conf_errors errs;
	struct conf *back;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f || conf_print(c, format, f) != 0)
		abort();
	fclose(f);
	back = conf_read("/nowhere/again", text, size, &errs);
	if (!back || !tree_equal(c->tree, back->tree))
		abort();
	conf_free(back);
	free(text);
}

struct input {
	const char *text;
	size_t len;
};

static const char *input_load(void *ctx, const char *path, size_t *len)
{
	const struct input *in = ctx;

	(void)path;
	*len = in->len;
	return in->text;
}

/* Whatever the parser takes the editor finds its way in, and finds as many values. */
static void outline_agrees(const struct conf *c, const uint8_t *data, size_t size)
{
	struct input in = {.text = (const char *)data, .len = size};
	struct outline o;
	size_t values = 0;
	int rc = outline_read(&o, c->model, "x.conf", input_load, &in);

	if (rc == -ENOTSUP)
		return;
	if (rc)
		abort();
	for (size_t i = 0; i < o.count; i++)
		values += o.stmts[i].value_count;
	for (const struct conf_node *n = tree_walk(&c->tree->root, &c->tree->root); n;
	     n = tree_walk(&c->tree->root, n)) {
		bool leaf =
			yang_kind(n->schema) == YANG_LEAF || yang_kind(n->schema) == YANG_LEAF_LIST;

		values -= leaf && !yang_is_flag(n->schema);
	}
	if (values)
		abort();
	outline_free(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errs;
	struct conf *c = conf_read("/nowhere/x.conf", (const char *)data, size, &errs);

	if (!c == !errs.count || errs.count > CONF_ERRORS_MAX + 1)
		abort();
	for (size_t i = 0; i < errs.count; i++)
		if (!errs.v[i].file || !errs.v[i].text || strlen(errs.v[i].text) > 700)
			abort();
	conf_errors_free(&errs);
	if (c) {
		backbone_free(backbone_new(c));
		outline_agrees(c, data, size);
		round_trip(c, CONF_TEXT);
		round_trip(c, CONF_SET);
		round_trip(c, CONF_JSON);
	}
	conf_free(c);
	return 0;
}
