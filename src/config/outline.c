/* outline: see outline.h. The grammar is parse.c's. */
#include "config/outline.h"

#include "config/lex.h"
#include "config/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16 /* steps of a path; the model is flatter */

struct scan {
	struct outline *o;
	outline_load *load;
	void *ctx;
	struct lex lex;
	struct token tok;
	size_t file;
	unsigned includes; /* files being included now */
};

static int file_scan(struct outline *o, outline_load *load, void *ctx, const char *path,
		     size_t parent, unsigned includes);

static void next(struct scan *s)
{
	s->tok = lex_next(&s->lex);
}

static size_t at(const struct scan *s, const char *p)
{
	return (size_t)(p - s->o->files[s->file].text);
}

static int grow(void **v, size_t count, size_t size)
{
	char *p;

	if (count & (count - 1))
		return 0; /* room is a power of two */
	p = reallocarray(*v, count ? 2 * count : 1, size);
	if (!p)
		return -ENOMEM;
	memset(p + count * size, 0, (count ? count : 1) * size);
	*v = p;
	return 0;
}

/* A new statement below parent, with its path so far. Its number, or -errno. */
static ssize_t stmt_add(struct scan *s, size_t parent, size_t begin)
{
	struct outline *o = s->o;
	struct outline_stmt *st;

	if (grow((void **)&o->stmts, o->count, sizeof(*o->stmts)) < 0)
		return -ENOMEM;
	st = &o->stmts[o->count];
	*st = (struct outline_stmt){.file = s->file, .begin = begin, .parent = parent};
	st->path = calloc(DEPTH_MAX, sizeof(*st->path));
	o->count++;
	if (!st->path)
		return -ENOMEM;
	if (parent) {
		const struct outline_stmt *p = &o->stmts[parent - 1];

		for (; st->depth < p->depth; st->depth++) {
			st->path[st->depth] = p->path[st->depth];
			if (p->path[st->depth].key)
				st->path[st->depth].key = strdup(p->path[st->depth].key);
		}
		st->outer = st->depth;
	}
	return (ssize_t)(o->count - 1);
}

static int value_add(struct scan *s, struct outline_stmt *st, const struct yang_node *n)
{
	char *canonical;

	if (grow((void **)&st->values, st->value_count, sizeof(*st->values)) < 0)
		return -ENOMEM;
	if (yang_value(s->o->model, n, s->tok.s, s->tok.len, &canonical))
		return -EINVAL;
	st->values[st->value_count++] = (struct outline_value){
		.text = canonical, .begin = at(s, s->tok.from), .end = at(s, s->tok.to)};
	return 0;
}

/* The `;` or the end of a set line. */
static int stop_read(struct scan *s, struct outline_stmt *st)
{
	if (s->tok.kind == TOKEN_STOP) {
		st->end = at(s, s->tok.to);
		next(s);
		return 0;
	}
	if (!s->o->files[s->file].set || (s->tok.kind != TOKEN_NEWLINE && s->tok.kind != TOKEN_END))
		return -EINVAL;
	/* The sign may stand behind a comment: the statement ends with its last word. */
	st->end =
		st->value_count ? st->values[st->value_count - 1].end : st->path[st->depth - 1].end;
	if (st->right)
		st->end = st->right + 1;
	return 0;
}

static int leaf_read(struct scan *s, struct outline_stmt *st, const struct yang_node *n)
{
	int rc;

	if (yang_is_flag(n))
		return stop_read(s, st);
	if (s->tok.kind == TOKEN_LEFT && yang_kind(n) == YANG_LEAF_LIST) {
		st->left = at(s, s->tok.to);
		for (next(s); s->tok.kind == TOKEN_WORD; next(s)) {
			rc = value_add(s, st, n);
			if (rc)
				return rc;
		}
		if (s->tok.kind != TOKEN_RIGHT)
			return -EINVAL;
		st->right = at(s, s->tok.from);
		next(s);
		return stop_read(s, st);
	}
	if (s->tok.kind != TOKEN_WORD)
		return -EINVAL;
	rc = value_add(s, st, n);
	if (rc)
		return rc;
	next(s);
	return stop_read(s, st);
}

static int body_scan(struct scan *s, size_t parent);

static int include_read(struct scan *s, size_t parent)
{
	char *path;
	int rc;

	next(s);
	if (s->tok.kind != TOKEN_WORD || s->includes >= PARSE_INCLUDE_MAX)
		return -EINVAL;
	path = parse_beside(s->o->files[s->file].path, s->tok.s, s->tok.len);
	next(s);
	if (!path)
		return -ENOMEM;
	rc = s->tok.kind == TOKEN_STOP
		     ? file_scan(s->o, s->load, s->ctx, path, parent, s->includes + 1)
		     : -EINVAL;
	free(path);
	next(s);
	return rc;
}

/* One step of a path: the word and the key at hand. */
static int step_read(struct scan *s, struct outline_stmt *st, const struct yang_node *n)
{
	struct outline_step *step = &st->path[st->depth];

	*step = (struct outline_step){.schema = n, .end = at(s, s->tok.to)};
	st->depth++;
	next(s);
	if (yang_kind(n) != YANG_LIST)
		return 0;
	if (s->tok.kind != TOKEN_WORD ||
	    yang_value(s->o->model, yang_key(n), s->tok.s, s->tok.len, &step->key))
		return -EINVAL;
	step->end = at(s, s->tok.to);
	next(s);
	return 0;
}

static int statement_read(struct scan *s, size_t parent, size_t begin)
{
	bool set = s->o->files[s->file].set, first = true;
	ssize_t i = -1;
	int rc = 0;

	for (;; first = false) {
		const struct yang_node *in, *n;
		struct outline_stmt *st;

		if (s->tok.kind != TOKEN_WORD || s->tok.quoted)
			return -EINVAL;
		in = i >= 0   ? s->o->stmts[i].path[s->o->stmts[i].depth - 1].schema
		     : parent ? s->o->stmts[parent - 1]
					.path[s->o->stmts[parent - 1].depth - 1]
					.schema
			      : NULL;
		n = yang_child(s->o->model, in, s->tok.s, s->tok.len);
		if (!n && first && !set && s->tok.len == 7 && !memcmp(s->tok.s, "include", 7))
			return include_read(s, parent);
		if (first)
			i = stmt_add(s, parent, begin);
		if (i < 0)
			return (int)i;
		st = &s->o->stmts[i];
		if (!n || st->depth == DEPTH_MAX)
			return -EINVAL;
		rc = step_read(s, st, n);
		if (rc)
			return rc;
		if (yang_kind(n) == YANG_LEAF || yang_kind(n) == YANG_LEAF_LIST)
			return leaf_read(s, st, n);
		if (!set && s->tok.kind == TOKEN_OPEN)
			break;
		if (s->tok.kind != TOKEN_WORD)
			return stop_read(s, st);
	}
	s->o->stmts[i].open = at(s, s->tok.to);
	next(s);
	rc = body_scan(s, (size_t)i + 1);
	if (rc)
		return rc;
	if (s->tok.kind != TOKEN_CLOSE)
		return -EINVAL;
	s->o->stmts[i].close = at(s, s->tok.from);
	s->o->stmts[i].end = at(s, s->tok.to);
	next(s);
	return 0;
}

/* To the `}` or the end. */
static int body_scan(struct scan *s, size_t parent)
{
	int rc = 0;

	while (!rc && s->tok.kind != TOKEN_END && s->tok.kind != TOKEN_CLOSE) {
		size_t begin = at(s, s->tok.from);

		if (s->tok.kind == TOKEN_STOP || s->tok.kind == TOKEN_NEWLINE) {
			next(s);
			continue;
		}
		if (s->o->files[s->file].set) {
			if (s->tok.kind != TOKEN_WORD || s->tok.len != 3 ||
			    memcmp(s->tok.s, "set", 3) != 0)
				return -EINVAL;
			next(s);
		}
		rc = statement_read(s, parent, begin);
	}
	return rc;
}

static int file_add(struct outline *o, const char *path, const char *text, size_t len)
{
	struct outline_file *f;
	bool shared = false;

	if (o->file_count >= PARSE_FILES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < o->file_count; i++) {
		if (!strcmp(o->files[i].path, path))
			o->files[i].shared = shared = true;
	}
	if (grow((void **)&o->files, o->file_count, sizeof(*o->files)) < 0)
		return -ENOMEM;
	f = &o->files[o->file_count];
	*f = (struct outline_file){
		.path = strdup(path), .text = text, .len = len, .shared = shared};
	if (!f->path)
		return -ENOMEM;
	o->file_count++;
	return 0;
}

static int file_scan(struct outline *o, outline_load *load, void *ctx, const char *path,
		     size_t parent, unsigned includes)
{
	struct conf_errors none = {};
	struct errlist errs = {.errs = &none};
	struct scan s = {.o = o, .load = load, .ctx = ctx, .includes = includes};
	enum lex_mode mode = LEX_TEXT;
	const char *text;
	size_t len;
	int rc;

	text = load(ctx, path, &len);
	rc = text ? file_add(o, path, text, len) : -EINVAL;
	if (rc)
		return rc;
	/* What is included is brace text whatever it looks like. */
	if (o->file_count == 1)
		mode = lex_guess(text, len);
	if (mode == LEX_JSON)
		return -ENOTSUP;
	s.file = o->file_count - 1;
	o->files[s.file].set = mode == LEX_SET;
	lex_init(&s.lex, mode, errlist_file(&errs, path), text, len, &errs);
	next(&s);
	rc = body_scan(&s, parent);
	if (!rc && (s.tok.kind != TOKEN_END || none.count))
		rc = -EINVAL;
	lex_fini(&s.lex);
	errlist_finish(&errs);
	conf_errors_free(&none);
	return rc;
}

int outline_read(struct outline *o, const struct yang_model *m, const char *path,
		 outline_load *load, void *ctx)
{
	int rc;

	*o = (struct outline){.model = m};
	rc = file_scan(o, load, ctx, path, 0, 0);
	if (rc)
		outline_free(o);
	return rc;
}

void outline_free(struct outline *o)
{
	for (size_t i = 0; i < o->count; i++) {
		struct outline_stmt *st = &o->stmts[i];

		for (size_t k = 0; st->path && k < st->depth; k++)
			free(st->path[k].key);
		for (size_t k = 0; k < st->value_count; k++)
			free(st->values[k].text);
		free(st->path);
		free(st->values);
	}
	for (size_t i = 0; i < o->file_count; i++)
		free(o->files[i].path);
	free(o->stmts);
	free(o->files);
	*o = (struct outline){0};
}

size_t outline_common(const struct outline_step *a, size_t a_len, const struct outline_step *b,
		      size_t b_len)
{
	size_t i = 0;

	while (i < a_len && i < b_len && a[i].schema == b[i].schema &&
	       (!a[i].key || !b[i].key ? a[i].key == b[i].key : !strcmp(a[i].key, b[i].key)))
		i++;
	return i;
}
