/* errors: a bounded list of what is wrong, told in the order of the file. */
#include "config/tree.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 600 /* bytes of one error's text */

uint32_t errlist_file(struct errlist *l, const char *name)
{
	char **files;

	for (size_t i = 0; i < l->file_count; i++)
		if (strcmp(l->files[i], name) == 0)
			return (uint32_t)i;
	files = realloc(l->files, (l->file_count + 1) * sizeof(*files));
	if (!files)
		return 0;
	l->files = files;
	files[l->file_count] = strdup(name);
	if (!files[l->file_count])
		return 0;
	return (uint32_t)l->file_count++;
}

/* Replaces what would disturb a terminal; cuts at a character's boundary. */
static char *clean(char *text)
{
	size_t len = strlen(text);

	if (len > TEXT_MAX) {
		len = TEXT_MAX;
		while (len && ((uint8_t)text[len] & 0xc0) == 0x80)
			len--;
		memcpy(text + len, "...", 4);
	}
	for (char *p = text; *p; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return text;
}

void errlist_add(struct errlist *l, struct where w, const char *fmt, ...)
{
	struct conf_errors *e = l->errs;
	struct conf_error *v;
	struct err_at *at;
	char *text = NULL;
	va_list ap;

	if (e->count >= CONF_ERRORS_MAX) {
		l->more++;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	text = realloc(text, strlen(text) + 4 > TEXT_MAX + 4 ? strlen(text) + 4 : TEXT_MAX + 4);
	if (!text)
		return;
	clean(text);
	/* The same thing said of one place, by two rules or through two nodes, is one error. */
	for (size_t i = 0; i < e->count; i++)
		if (memcmp(&l->at[i].where, &w, sizeof(w)) == 0 &&
		    strcmp(e->v[i].text, text) == 0) {
			free(text);
			return;
		}
	v = realloc(e->v, (e->count + 1) * sizeof(*v));
	if (v)
		e->v = v;
	at = realloc(l->at, (e->count + 1) * sizeof(*at));
	if (at)
		l->at = at;
	if (!v || !at) {
		free(text);
		return;
	}
	l->at[e->count] = (struct err_at){.where = w, .seq = e->count};
	e->v[e->count++] = (struct conf_error){.line = w.line, .col = w.col, .text = text};
}

static int by_place(const void *pa, const void *pb)
{
	const struct err_at *a = pa, *b = pb;

	if (a->where.file != b->where.file)
		return a->where.file < b->where.file ? -1 : 1;
	if (a->where.line != b->where.line)
		return a->where.line < b->where.line ? -1 : 1;
	if (a->where.col != b->where.col)
		return a->where.col < b->where.col ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void errlist_finish(struct errlist *l)
{
	struct conf_errors *e = l->errs;
	struct conf_error *v = e->count ? calloc(e->count + 1, sizeof(*v)) : NULL;
	size_t n = 0;

	if (e->count)
		qsort(l->at, e->count, sizeof(*l->at), by_place);
	for (size_t i = 0; v && i < e->count; i++) {
		v[i] = e->v[l->at[i].seq];
		v[i].file = strdup(l->file_count ? l->files[l->at[i].where.file] : "");
	}
	n = e->count;
	if (v && l->more) {
		v[n].file = strdup(l->file_count ? l->files[0] : "");
		if (asprintf(&v[n].text, "%zu more errors are not shown", l->more) < 0)
			v[n].text = NULL;
		n++;
	}
	if (v) {
		free(e->v);
		e->v = v;
		e->count = n;
	}
	for (size_t i = 0; i < l->file_count; i++)
		free(l->files[i]);
	free(l->files);
	free(l->at);
}

void conf_errors_print(const struct conf_errors *errs, FILE *out)
{
	for (size_t i = 0; i < errs->count; i++) {
		const struct conf_error *e = &errs->v[i];

		if (e->line)
			fprintf(out, "%s:%u:%u: %s\n", e->file, e->line, e->col, e->text);
		else
			fprintf(out, "%s: %s\n", e->file, e->text);
	}
}

void conf_errors_free(struct conf_errors *errs)
{
	for (size_t i = 0; i < errs->count; i++) {
		free(errs->v[i].file);
		free(errs->v[i].text);
	}
	free(errs->v);
	*errs = (struct conf_errors){0};
}
