/*
 * parse: brace text and set lines, by recursive descent without the recursion: open blocks are a
 * short stack, as no deeper than the model; blocks of unknown statements are skipped by counting.
 *
 *   statement = flag ";" | leaf value ";" | leaf-list ( value | "[" value... "]" ) ";"
 *             | container body | list key body | "include" file ";"
 *   body      = "{" statement... "}" | statement | ";"
 */
#include "config/lex.h"
#include "config/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 32 /* open blocks; the model is far flatter */

struct frame {
	struct conf_node *node;
	struct where open; /* its `{` */
	struct where head; /* first word of its statement */
};

struct parser {
	struct reading *r;
	const struct source *src;
	struct lex lex;
	struct token tok;
	struct where prev; /* behind the token before */
	bool torn;         /* that was a string without its end */
	struct frame stack[DEPTH_MAX];
	size_t depth;
	bool set; /* set lines: a newline ends a statement */
};

static struct errlist *errs(struct parser *p)
{
	return p->r->b.errs;
}

static void next(struct parser *p)
{
	p->prev = p->tok.after;
	p->torn = p->tok.torn;
	p->tok = lex_next(&p->lex);
}

static bool at_end(const struct parser *p)
{
	return p->tok.kind == TOKEN_END || (p->set && p->tok.kind == TOKEN_NEWLINE);
}

static const char *show(const struct parser *p, char buf[72])
{
	char word[64];

	if (p->tok.kind == TOKEN_END)
		return "the end of the file";
	if (p->tok.kind == TOKEN_NEWLINE)
		return "the end of the line";
	snprintf(buf, 72, "`%s`", build_quote(word, p->tok.s, p->tok.len));
	return buf;
}

/* To the end of a statement that went wrong, over a block it may have. */
static void recover(struct parser *p)
{
	size_t depth = 0;

	/* What is lost with it is not missing. */
	if (p->depth > 1)
		p->stack[p->depth - 1].node->hides = true;
	for (; !at_end(p); next(p)) {
		if (p->tok.kind == TOKEN_OPEN) {
			depth++;
		} else if (p->tok.kind == TOKEN_CLOSE) {
			if (depth == 0)
				return;
			if (--depth == 0) {
				next(p);
				return;
			}
		} else if (p->tok.kind == TOKEN_STOP && depth == 0) {
			next(p);
			return;
		}
	}
}

/* The `;` of a statement. Forgotten at the end of a line or block it costs one error only. */
static void expect_stop(struct parser *p, const struct yang_node *n)
{
	char buf[72];

	if (p->tok.kind == TOKEN_STOP) {
		next(p);
		if (!p->set)
			return;
	}
	if (p->set) {
		if (!at_end(p)) {
			errlist_add(errs(p), p->tok.where,
				    "unexpected %s; a set line ends after `%s`", show(p, buf),
				    yang_name(n));
			recover(p);
		}
		return;
	}
	if (p->tok.kind == TOKEN_CLOSE || p->tok.kind == TOKEN_END ||
	    (p->tok.kind == TOKEN_WORD && p->tok.where.line > p->prev.line)) {
		if (!p->torn)
			errlist_add(errs(p), p->prev, "`;` is missing after the `%s` statement",
				    yang_name(n));
		return;
	}
	if (p->tok.kind == TOKEN_OPEN)
		errlist_add(errs(p), p->tok.where, "`%s` has no block; end it with `;`",
			    yang_name(n));
	else
		errlist_add(errs(p), p->tok.where, "unexpected %s; `;` ends the `%s` statement",
			    show(p, buf), yang_name(n));
	recover(p);
}

static void parse_values(struct parser *p, struct conf_node *at, const struct yang_node *n)
{
	struct where open = p->tok.where;
	char buf[72];
	size_t count = 0;

	next(p);
	for (; p->tok.kind == TOKEN_WORD; next(p), count++)
		build_leaf(&p->r->b, at, n, p->tok.s, p->tok.len, p->tok.where);
	if (p->tok.kind != TOKEN_RIGHT) {
		errlist_add(errs(p), open, "`[` is never closed: expected a value or `]`, found %s",
			    show(p, buf));
		recover(p);
		return;
	}
	if (!count)
		build_expected(&p->r->b, n, NULL, 0, p->tok.where);
	next(p);
	expect_stop(p, n);
}

static void parse_leaf(struct parser *p, struct conf_node *at, const struct yang_node *n,
		       struct where head)
{
	if (yang_is_flag(n)) {
		build_leaf(&p->r->b, at, n, "", 0, head);
		expect_stop(p, n);
		return;
	}
	if (p->tok.kind == TOKEN_LEFT && yang_kind(n) == YANG_LEAF_LIST) {
		parse_values(p, at, n);
		return;
	}
	if (p->tok.kind != TOKEN_WORD) {
		if (p->tok.kind == TOKEN_LEFT)
			errlist_add(errs(p), p->tok.where, "`%s` takes one value, no list",
				    yang_name(n));
		else
			build_expected(&p->r->b, n, NULL, 0,
				       p->tok.kind == TOKEN_STOP ? p->tok.where : p->prev);
		build_ghost(&p->r->b, at, n, head);
		recover(p);
		return;
	}
	if (p->tok.torn) { /* which is told, and may hold anything */
		build_ghost(&p->r->b, at, n, p->tok.where);
		at->hides = true;
	} else {
		build_leaf(&p->r->b, at, n, p->tok.s, p->tok.len, p->tok.where);
	}
	next(p);
	expect_stop(p, n);
}

static bool push(struct parser *p, struct conf_node *node, struct where open, struct where head)
{
	if (p->depth >= DEPTH_MAX) {
		errlist_add(errs(p), open, "blocks nest too deep");
		return false;
	}
	p->stack[p->depth++] = (struct frame){.node = node, .open = open, .head = head};
	return true;
}

/* Within a cycle of includes the name comes again; symbolic links end at the depth. */
static bool include_allowed(struct parser *p, const char *path, struct where w)
{
	size_t depth = 1;

	for (const struct source *s = p->src; s; s = s->from, depth++)
		if (strcmp(s->name, path) == 0) {
			errlist_add(errs(p), w, "`%s` includes itself", path);
			return false;
		}
	if (depth > PARSE_INCLUDE_MAX) {
		errlist_add(errs(p), w, "includes nest deeper than %d", PARSE_INCLUDE_MAX);
		return false;
	}
	if (p->r->files >= PARSE_FILES_MAX) {
		errlist_add(errs(p), w, "more than %d included files", PARSE_FILES_MAX);
		return false;
	}
	return true;
}

char *parse_beside(const char *name, const char *s, size_t len)
{
	const char *slash = strrchr(name, '/');
	char *path;
	int dir = slash && *s != '/' ? (int)(slash + 1 - name) : 0;

	return asprintf(&path, "%.*s%.*s", dir, name, (int)len, s) < 0 ? NULL : path;
}

static void parse_include(struct parser *p, struct conf_node *at)
{
	struct where w = p->tok.where;
	char *path, *text;
	size_t len = 0;

	if (p->tok.kind != TOKEN_WORD || p->tok.len == 0) {
		errlist_add(errs(p), w, "`include` takes the name of a file in quotes");
		recover(p);
		return;
	}
	path = parse_beside(p->src->name, p->tok.s, p->tok.len);
	next(p);
	if (p->tok.kind == TOKEN_STOP)
		next(p);
	else
		errlist_add(errs(p), p->prev, "`;` is missing after the `include` statement");
	if (path && include_allowed(p, path, w)) {
		text = parse_load(path, true, PARSE_BYTES_MAX - p->r->bytes, &len);
		if (!text) {
			errlist_add(errs(p), w, "cannot include `%s`: %s", path,
				    errno == EFBIG    ? "too large"
				    : errno == EINVAL ? "not a regular file"
						      : strerror(errno));
		} else {
			struct source src = {.from = p->src, .name = path, .where = w};

			p->r->bytes += len;
			p->r->files++;
			parse_text(p->r, &src, text, len, at);
		}
		free(text);
	}
	free(path);
}

/* A word that only an outer block knows, written no deeper than that block's statement: its `}`
 * was forgotten. Closes the blocks between, told at the first of them. */
static bool closes_blocks(struct parser *p)
{
	const struct token *t = &p->tok;
	char word[64];

	for (size_t d = p->depth; d-- > 1;) {
		const struct frame *in = &p->stack[d];

		if (t->where.line <= in->open.line || t->where.col > in->head.col)
			return false;
		if (!yang_child(p->r->b.tree->model, p->stack[d - 1].node->schema, t->s, t->len))
			continue;
		errlist_add(
			errs(p), t->where,
			"`%s` does not stand in `%s`; is the `}` of line %u's `{` missing before it?",
			build_quote(word, t->s, t->len),
			yang_name(p->stack[p->depth - 1].node->schema),
			p->stack[p->depth - 1].open.line);
		p->depth = d;
		return true;
	}
	return false;
}

/* A statement along its path, from the word at hand. */
static void parse_statement(struct parser *p)
{
	struct conf_node *at = p->stack[p->depth - 1].node;
	struct where head = p->tok.where;

	for (;;) {
		struct where w = p->tok.where, key_at;
		const struct yang_node *n;
		struct token key = {0};
		char buf[72];

		if (p->tok.kind == TOKEN_WORD && p->tok.quoted) {
			errlist_add(errs(p), w,
				    "a statement's name stands without quotes, not as %s",
				    show(p, buf));
			recover(p);
			return;
		}
		if (p->tok.kind != TOKEN_WORD) {
			errlist_add(errs(p), w, "expected a statement, found %s", show(p, buf));
			recover(p);
			return;
		}
		n = yang_child(p->r->b.tree->model, at->schema, p->tok.s, p->tok.len);
		if (!n && !p->set && at == p->stack[p->depth - 1].node && p->tok.len == 7 &&
		    memcmp(p->tok.s, "include", 7) == 0) {
			next(p);
			parse_include(p, at);
			return;
		}
		if (!n && at == p->stack[p->depth - 1].node && closes_blocks(p)) {
			at = p->stack[p->depth - 1].node;
			continue;
		}
		if (!n) {
			build_name(&p->r->b, at, p->tok.s, p->tok.len, w);
			recover(p);
			return;
		}
		next(p);
		if (yang_kind(n) == YANG_LEAF || yang_kind(n) == YANG_LEAF_LIST) {
			parse_leaf(p, at, n, w);
			return;
		}
		key_at = p->tok.where;
		if (yang_kind(n) == YANG_LIST) {
			if (p->tok.kind != TOKEN_WORD) {
				build_expected(&p->r->b, n, NULL, 0,
					       p->tok.kind == TOKEN_OPEN ||
							       p->tok.kind == TOKEN_STOP
						       ? key_at
						       : p->prev);
				recover(p);
				return;
			}
			key = p->tok;
			next(p);
		}
		at = build_open(&p->r->b, at, n, key.s, key.len, w, key_at,
				!p->set && p->tok.kind == TOKEN_OPEN);
		if (!at) {
			recover(p);
			return;
		}
		if (!p->set && p->tok.kind == TOKEN_OPEN) {
			if (push(p, at, p->tok.where, head))
				next(p);
			else
				recover(p);
			return;
		}
		if (p->tok.kind == TOKEN_STOP || at_end(p)) {
			expect_stop(p, n);
			return;
		}
	}
}

static bool within_bounds(struct parser *p)
{
	if (p->r->b.tree->count < PARSE_NODES_MAX)
		return true;
	if (!p->r->full)
		errlist_add(errs(p), p->tok.where, "more than %d statements; the rest is not read",
			    PARSE_NODES_MAX);
	p->r->full = true;
	return false;
}

void parse_text(struct reading *r, const struct source *src, const char *text, size_t len,
		struct conf_node *top)
{
	struct parser *p = calloc(1, sizeof(*p));
	char buf[72];

	if (!p)
		return;
	p->r = r;
	p->src = src;
	p->stack[p->depth++].node = top;
	lex_init(&p->lex, LEX_TEXT, errlist_file(r->b.errs, src->name), text, len, r->b.errs);
	next(p);
	while (p->tok.kind != TOKEN_END && within_bounds(p)) {
		switch (p->tok.kind) {
		case TOKEN_WORD:
			parse_statement(p);
			break;
		case TOKEN_STOP:
			next(p);
			break;
		case TOKEN_CLOSE:
			if (p->depth > 1)
				p->depth--;
			else
				errlist_add(errs(p), p->tok.where, "`}` closes nothing");
			next(p);
			break;
		default:
			errlist_add(errs(p), p->tok.where, "expected a statement, found %s",
				    show(p, buf));
			if (p->tok.kind != TOKEN_OPEN)
				next(p);
			recover(p);
		}
	}
	while (p->depth > 1 && !r->full) {
		p->depth--;
		errlist_add(errs(p), p->stack[p->depth].open, "`{` is never closed");
	}
	lex_fini(&p->lex);
	free(p);
}

void parse_set(struct reading *r, const struct source *src, const char *text, size_t len)
{
	struct parser *p = calloc(1, sizeof(*p));
	char buf[72];

	if (!p)
		return;
	p->r = r;
	p->src = src;
	p->set = true;
	p->stack[p->depth++].node = &r->b.tree->root;
	lex_init(&p->lex, LEX_SET, errlist_file(r->b.errs, src->name), text, len, r->b.errs);
	next(p);
	while (p->tok.kind != TOKEN_END && within_bounds(p)) {
		if (p->tok.kind == TOKEN_NEWLINE) {
			next(p);
			continue;
		}
		if (p->tok.kind == TOKEN_WORD && !p->tok.quoted && p->tok.len == 3 &&
		    memcmp(p->tok.s, "set", 3) == 0) {
			next(p);
			parse_statement(p);
		} else {
			errlist_add(errs(p), p->tok.where, "expected `set`, found %s",
				    show(p, buf));
		}
		while (!at_end(p))
			next(p);
	}
	lex_fini(&p->lex);
	free(p);
}

static conf_open_fn *include_opener;
static void *include_ctx;

void conf_include_by(conf_open_fn *opener, void *ctx)
{
	include_opener = opener;
	include_ctx = ctx;
}

static int file_open(const char *path, bool regular)
{
	int fd;

	if (!regular || !include_opener)
		return open(path, O_RDONLY | O_CLOEXEC | (regular ? O_NONBLOCK : 0));
	fd = include_opener(include_ctx, path);
	if (fd < 0)
		errno = -fd;
	return fd;
}

char *parse_load(const char *path, bool regular, size_t max, size_t *len)
{
	int fd = file_open(path, regular), err = 0;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *text = NULL, *more;
	size_t n = 0, size = 0, got;
	struct stat st;

	if (!f)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		err = EISDIR;
	else if (regular && !S_ISREG(st.st_mode))
		err = EINVAL;
	while (!err) {
		if (size - n < 2) {
			size = size ? size * 2 : 65536;
			more = realloc(text, size);
			if (!more) {
				err = ENOMEM;
				break;
			}
			text = more;
		}
		got = fread(text + n, 1, size - n - 1, f);
		n += got;
		if (n > max)
			err = EFBIG;
		else if (ferror(f))
			err = errno ? errno : EIO;
		if (got == 0)
			break;
	}
	fclose(f);
	if (err) {
		free(text);
		errno = err;
		return NULL;
	}
	text[n] = 0;
	*len = n;
	return text;
}
