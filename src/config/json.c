/*
 * json: the tree from JSON as RFC 7951 writes it. Top-level names may carry the model's prefix,
 * numbers may be written as strings. An error in what is said is told and read past; one of
 * JSON's own syntax ends the reading.
 */
#include "config/lex.h"
#include "config/parse.h"

#include <stdlib.h>
#include <string.h>

struct json {
	struct reading *r;
	struct lex lex;
	struct token tok;
	bool broken; /* not JSON any more */
};

static void next(struct json *j)
{
	j->tok = lex_next(&j->lex);
}

static void broken(struct json *j, const char *expected)
{
	char word[64];

	if (j->broken)
		return;
	if (j->tok.kind == TOKEN_END)
		errlist_add(j->r->b.errs, j->tok.where, "expected %s, found the end of the file",
			    expected);
	else
		errlist_add(j->r->b.errs, j->tok.where, "expected %s, found `%s`", expected,
			    build_quote(word, j->tok.s, j->tok.len));
	j->broken = true;
}

static bool take(struct json *j, enum token_kind kind, const char *expected)
{
	if (!j->broken && j->tok.kind == kind) {
		next(j);
		return true;
	}
	broken(j, expected);
	return false;
}

/* Over a value of any shape, counting brackets only. */
static void skip_value(struct json *j)
{
	size_t depth = 0;

	do {
		if (j->tok.kind == TOKEN_OPEN || j->tok.kind == TOKEN_LEFT)
			depth++;
		else if ((j->tok.kind == TOKEN_CLOSE || j->tok.kind == TOKEN_RIGHT) && depth)
			depth--;
		else if (depth == 0 && j->tok.kind != TOKEN_WORD)
			break;
		next(j);
	} while (depth && j->tok.kind != TOKEN_END);
	if (depth)
		broken(j, "`}` or `]`");
}

/* A quoted string, a number, true or false. */
static bool is_scalar(const struct token *t)
{
	return t->kind == TOKEN_WORD &&
	       (t->quoted || (t->len && (strchr("-0123456789", *t->s) ||
					 (t->len == 4 && memcmp(t->s, "true", 4) == 0) ||
					 (t->len == 5 && memcmp(t->s, "false", 5) == 0))));
}

static void read_scalar(struct json *j, struct conf_node *at, const struct yang_node *n)
{
	if (is_scalar(&j->tok)) {
		build_leaf(&j->r->b, at, n, j->tok.s, j->tok.len, j->tok.where);
		next(j);
		return;
	}
	if (j->tok.kind == TOKEN_END) {
		broken(j, "a value");
		return;
	}
	build_expected(&j->r->b, n, j->tok.s, j->tok.len, j->tok.where);
	build_ghost(&j->r->b, at, n, j->tok.where);
	skip_value(j);
}

/* [null] */
static void read_flag(struct json *j, struct conf_node *at, const struct yang_node *n)
{
	struct where w = j->tok.where;

	if (j->tok.kind == TOKEN_LEFT) {
		next(j);
		if (j->tok.kind == TOKEN_WORD && j->tok.len == 4 &&
		    memcmp(j->tok.s, "null", 4) == 0) {
			next(j);
			if (take(j, TOKEN_RIGHT, "`]`"))
				build_leaf(&j->r->b, at, n, "", 0, w);
			return;
		}
		errlist_add(j->r->b.errs, w, "`%s` is written [null]", yang_name(n));
		while (!j->broken && j->tok.kind != TOKEN_RIGHT && j->tok.kind != TOKEN_END) {
			skip_value(j);
			if (j->tok.kind == TOKEN_COMMA)
				next(j);
			else if (j->tok.kind != TOKEN_RIGHT)
				broken(j, "`]`");
		}
		take(j, TOKEN_RIGHT, "`]`");
		return;
	}
	errlist_add(j->r->b.errs, w, "`%s` is written [null]", yang_name(n));
	skip_value(j);
}

/* The key among an entry's members, wherever it stands: read ahead with a lexer of its own. */
static bool find_key(const struct json *j, const char *name, struct lex *ahead, struct token *key)
{
	struct token t = j->tok;
	size_t depth = 0;

	for (;;) {
		if (t.kind == TOKEN_OPEN || t.kind == TOKEN_LEFT) {
			depth++;
		} else if (t.kind == TOKEN_CLOSE || t.kind == TOKEN_RIGHT) {
			if (--depth == 0)
				return false;
		} else if (t.kind == TOKEN_END) {
			return false;
		}
		if (depth == 1 && t.kind == TOKEN_WORD && t.len == strlen(name) &&
		    memcmp(t.s, name, t.len) == 0) {
			t = lex_next(ahead);
			if (t.kind != TOKEN_COLON)
				continue;
			*key = lex_next(ahead);
			return is_scalar(key);
		}
		t = lex_next(ahead);
	}
}

static void read_members(struct json *j, struct conf_node *at);

static void read_entry(struct json *j, struct conf_node *at, const struct yang_node *n)
{
	struct conf_errors unheard = {0};
	struct errlist deaf = {.errs = &unheard};
	struct lex ahead = j->lex;
	struct where w = j->tok.where;
	struct conf_node *node = NULL;
	struct token key;

	if (j->tok.kind != TOKEN_OPEN) {
		errlist_add(j->r->b.errs, w, "an entry of `%s` is an object", yang_name(n));
		skip_value(j);
		return;
	}
	ahead.pieces = NULL;
	ahead.errs = &deaf;
	if (find_key(j, yang_name(yang_key(n)), &ahead, &key))
		node = build_open(&j->r->b, at, n, key.s, key.len, w, key.where, true);
	else if (ahead.p < ahead.end)
		errlist_add(j->r->b.errs, w, "an entry of `%s` needs its `%s`", yang_name(n),
			    yang_name(yang_key(n)));
	lex_fini(&ahead);
	conf_errors_free(&unheard);
	free(deaf.at);
	if (node)
		read_members(j, node);
	else
		skip_value(j);
}

static void read_many(struct json *j, struct conf_node *at, const struct yang_node *n)
{
	if (j->tok.kind != TOKEN_LEFT) {
		errlist_add(j->r->b.errs, j->tok.where, "`%s` is an array", yang_name(n));
		skip_value(j);
		return;
	}
	next(j);
	while (!j->broken && j->tok.kind != TOKEN_RIGHT) {
		if (yang_kind(n) == YANG_LIST)
			read_entry(j, at, n);
		else
			read_scalar(j, at, n);
		if (j->tok.kind == TOKEN_COMMA)
			next(j);
		else if (j->tok.kind != TOKEN_RIGHT)
			broken(j, "`,` or `]`");
	}
	if (!j->broken)
		next(j);
}

static void read_value(struct json *j, struct conf_node *at, const struct yang_node *n)
{
	struct where w = j->tok.where;
	struct conf_node *node;

	switch (yang_kind(n)) {
	case YANG_LEAF:
		if (yang_is_key(n))
			skip_value(j); /* was read ahead */
		else if (yang_is_flag(n))
			read_flag(j, at, n);
		else
			read_scalar(j, at, n);
		return;
	case YANG_LEAF_LIST:
	case YANG_LIST:
		read_many(j, at, n);
		return;
	default:
		break;
	}
	if (j->tok.kind != TOKEN_OPEN) {
		errlist_add(j->r->b.errs, w, "`%s` is an object", yang_name(n));
		skip_value(j);
		return;
	}
	node = build_open(&j->r->b, at, n, NULL, 0, w, w, true);
	if (node)
		read_members(j, node);
	else
		skip_value(j);
}

/* { "name": value, ... }; deep as the model, no deeper. */
static void read_members(struct json *j, struct conf_node *at)
{
	const char *prefix = yang_model_name(j->r->b.tree->model);
	size_t plen = strlen(prefix);

	if (!take(j, TOKEN_OPEN, "`{`"))
		return;
	while (!j->broken && j->tok.kind != TOKEN_CLOSE) {
		struct token name = j->tok;
		const struct yang_node *n;

		if (name.kind != TOKEN_WORD || !name.quoted) {
			broken(j, "a name in quotes");
			return;
		}
		next(j);
		if (!take(j, TOKEN_COLON, "`:`"))
			return;
		if (name.len > plen && name.s[plen] == ':' && memcmp(name.s, prefix, plen) == 0) {
			name.s += plen + 1;
			name.len -= plen + 1;
		}
		n = build_name(&j->r->b, at, name.s, name.len, name.where);
		if (n)
			read_value(j, at, n);
		else
			skip_value(j);
		if (j->r->b.tree->count > PARSE_NODES_MAX) {
			broken(j, "fewer statements");
			return;
		}
		if (j->tok.kind == TOKEN_COMMA)
			next(j);
		else if (j->tok.kind != TOKEN_CLOSE)
			broken(j, "`,` or `}`");
	}
	if (!j->broken)
		next(j);
}

void parse_json(struct reading *r, const struct source *src, const char *text, size_t len)
{
	struct json j = {.r = r};

	lex_init(&j.lex, LEX_JSON, errlist_file(r->b.errs, src->name), text, len, r->b.errs);
	next(&j);
	read_members(&j, &r->b.tree->root);
	if (!j.broken && j.tok.kind != TOKEN_END)
		broken(&j, "the end of the file");
	r->full = j.broken;
	lex_fini(&j.lex);
}
