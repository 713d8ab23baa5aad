/*
 * The backbone file from bytes: text, set lines or JSON. Whatever is read must print and read back
 * the same in all three; whatever is refused must come with an error in range.
 */
#include "config/backbone.h"
#include "config/conf.h"
#include "config/model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
		round_trip(c, CONF_TEXT);
		round_trip(c, CONF_SET);
		round_trip(c, CONF_JSON);
	}
	conf_free(c);
	return 0;
}
