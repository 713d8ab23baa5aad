#include "config/diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tree as lines: in their order, and sorted. */
struct lines {
	char *text;
	char **v, **sorted;
	size_t count;
};

static int by_text(const void *a, const void *b)
{
	// NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): all below count are set
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_free(struct lines *l)
{
	free(l->text);
	free(l->v);
	free(l->sorted);
}

static int lines_of(const struct conf *c, struct lines *l)
{
	size_t len = 0, n = 0;
	FILE *f = open_memstream(&l->text, &len);
	int rc = f ? conf_print(c, CONF_SET, f) : -ENOMEM;

	if (f && fclose(f) != 0 && !rc)
		rc = -ENOMEM;
	if (rc)
		return rc;
	for (size_t i = 0; i < len; i++)
		n += l->text[i] == '\n';
	l->v = calloc(n + 1, sizeof(*l->v));
	l->sorted = calloc(n + 1, sizeof(*l->sorted));
	if (!l->v || !l->sorted)
		return -ENOMEM;
	for (char *p = l->text, *end; (end = strchr(p, '\n')); p = end + 1) {
		*end = '\0';
		l->sorted[l->count] = l->v[l->count] = p;
		l->count++;
	}
	qsort(l->sorted, l->count, sizeof(*l->sorted), by_text);
	return 0;
}

static int change_add(struct conf_diff *d, char op, const char *text)
{
	struct conf_change *v = reallocarray(d->v, d->count + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	d->v = v;
	v[d->count].op = op;
	v[d->count].text = strdup(text);
	return v[d->count++].text ? 0 : -ENOMEM;
}

/* Those of a that b does not have. */
static int missing_add(struct conf_diff *d, char op, const struct lines *a, const struct lines *b)
{
	int rc = 0;

	for (size_t i = 0; i < a->count && !rc; i++)
		if (!bsearch(&a->v[i], b->sorted, b->count, sizeof(*b->sorted), by_text))
			rc = change_add(d, op, a->v[i] + strlen("set "));
	return rc;
}

int conf_diff(const struct conf *a, const struct conf *b, struct conf_diff *out)
{
	struct lines la = {}, lb = {};
	int rc = lines_of(a, &la);
	bool same;

	*out = (struct conf_diff){};
	if (!rc)
		rc = lines_of(b, &lb);
	if (!rc)
		rc = missing_add(out, '-', &la, &lb);
	if (!rc)
		rc = missing_add(out, '+', &lb, &la);
	same = la.count == lb.count;
	for (size_t i = 0; !rc && same && i < la.count; i++)
		same = strcmp(la.v[i], lb.v[i]) == 0;
	if (!rc && !out->count && !same)
		rc = change_add(out, '~', "the order of statements");
	lines_free(&la);
	lines_free(&lb);
	if (rc)
		conf_diff_free(out);
	return rc;
}

void conf_diff_free(struct conf_diff *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->v[i].text);
	free(d->v);
	*d = (struct conf_diff){};
}
