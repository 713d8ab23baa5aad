/* conf: from a file to a checked tree: read, expand, check; all errors, in the file's order. */
#include "config/conf.h"
#include "config/lex.h"
#include "config/model.h"
#include "config/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct yang_model *the_model;

__attribute__((destructor)) static void model_fini(void)
{
	yang_model_free(the_model);
	the_model = NULL;
}

const struct yang_model *conf_model(void)
{
	char *why = NULL;

	if (!the_model)
		the_model = yang_model_new(conf_yang, &why);
	free(why);
	return the_model;
}

static void read_tree(struct reading *r, const char *name, const char *text, size_t len)
{
	const struct source src = {.name = name};

	r->bytes = len;
	switch (lex_guess(text, len)) {
	case LEX_JSON:
		parse_json(r, &src, text, len);
		break;
	case LEX_SET:
		parse_set(r, &src, text, len);
		break;
	default:
		parse_text(r, &src, text, len, &r->b.tree->root);
	}
}

/* What the tree's places refer to outlives the reading. */
static void files_keep(struct conf *c, const struct errlist *e)
{
	c->files = calloc(e->file_count + 1, sizeof(*c->files));
	for (size_t i = 0; c->files && i < e->file_count; i++)
		c->files[c->file_count++] = strdup(e->files[i]);
}

const char *conf_file(const struct conf *c, uint32_t index)
{
	return index < c->file_count && c->files[index] ? c->files[index] : "";
}

static struct conf *conf_make(const struct yang_model *model, const char *name, const char *text,
			      size_t len, struct conf_errors *errs)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct errlist e = {.errs = errs}, w = {0};
	struct conf_errors warnings = {0};
	struct reading r = {.b.errs = &e};

	*errs = (struct conf_errors){0};
	errlist_file(&e, name);
	w.errs = &warnings;
	if (!c || !model || !(c->tree = tree_new(model))) {
		errlist_add(&e, (struct where){0}, "no memory");
		goto out;
	}
	c->model = model;
	r.b.tree = c->tree;
	read_tree(&r, name, text, len);
	c->meant = r.full ? NULL : expand_templates(c->tree);
	if (c->meant) {
		rules_check(c->meant, &e);
		for (size_t i = 0; i < e.file_count; i++)
			errlist_file(&w, e.files[i]);
		semantics_check(c->meant, &e, &w);
	}
out:
	if (c)
		files_keep(c, &e);
	errlist_finish(&e);
	errlist_finish(&w);
	if (errs->count || !c || !c->tree) {
		conf_errors_free(&warnings);
		conf_free(c);
		return NULL;
	}
	c->warnings = warnings;
	return c;
}

struct conf *conf_read(const char *name, const char *text, size_t len, struct conf_errors *errs)
{
	return conf_make(conf_model(), name, text, len, errs);
}

struct conf *conf_read_with(struct yang_model *model, const char *name, const char *text,
			    size_t len, struct conf_errors *errs)
{
	struct conf *c = conf_make(model, name, text, len, errs);

	if (c)
		c->own_model = model;
	else
		yang_model_free(model);
	return c;
}

struct conf *conf_read_file(const char *path, struct conf_errors *errs)
{
	struct errlist e = {.errs = errs};
	struct conf *c = NULL;
	size_t len;
	char *text = parse_load(path, false, PARSE_BYTES_MAX, &len);

	*errs = (struct conf_errors){0};
	if (text) {
		c = conf_read(path, text, len, errs);
	} else {
		errlist_file(&e, path);
		errlist_add(&e, (struct where){0}, "cannot read the file: %s",
			    errno == EFBIG ? "larger than 16 MB" : strerror(errno));
		errlist_finish(&e);
	}
	free(text);
	return c;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	tree_free(c->tree);
	tree_free(c->meant);
	conf_errors_free(&c->warnings);
	yang_model_free(c->own_model);
	for (size_t i = 0; i < c->file_count; i++)
		free(c->files[i]);
	free(c->files);
	free(c);
}

const struct conf_errors *conf_warnings(const struct conf *c)
{
	return &c->warnings;
}

struct backbone *backbone_new(const struct conf *c)
{
	return backbone_of(c->meant);
}
