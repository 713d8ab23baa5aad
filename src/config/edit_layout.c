/*
 * edit_layout: where text goes. A new statement stands behind its like, on a line of its own
 * where they do; without any, at the end of its block. What is removed takes its line along.
 */
#include "config/edit_i.h"
#include "config/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 100 /* a line longer than this is not made longer */
#define NONE ((size_t)-1)

static size_t line_begin(const struct outline_file *f, size_t at)
{
	while (at && f->text[at - 1] != '\n')
		at--;
	return at;
}

/* The newline's place, or that of the CR before it, or the end. */
static size_t line_end(const struct outline_file *f, size_t at)
{
	while (at < f->len && f->text[at] != '\n')
		at++;
	return at < f->len && at && f->text[at - 1] == '\r' ? at - 1 : at;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool begins_line(const struct outline_file *f, size_t at)
{
	while (at && is_space(f->text[at - 1]))
		at--;
	return !at || f->text[at - 1] == '\n';
}

/* Nothing but space and a comment follows on the line. */
static bool ends_line(const struct outline_file *f, size_t at)
{
	while (at < f->len && is_space(f->text[at]))
		at++;
	return at == f->len || f->text[at] == '\n' || f->text[at] == '#';
}

/* The line's own indentation. */
static void put_indent(const struct outline_file *f, size_t at, FILE *out)
{
	for (at = line_begin(f, at); at < f->len && (f->text[at] == ' ' || f->text[at] == '\t');
	     at++)
		fputc(f->text[at], out);
}

static void put_newline(const struct outline_file *f, FILE *out)
{
	const char *nl = memchr(f->text, '\n', f->len);

	fputs(nl && nl > f->text && nl[-1] == '\r' ? "\r\n" : "\n", out);
}

char *layout_values(char *const *values, size_t count)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs(count == 1 ? "" : "[ ", f);
	for (size_t i = 0; i < count; i++) {
		print_word(values[i], f);
		fputs(count == 1 ? "" : " ", f);
	}
	fputs(count == 1 ? "" : "]", f);
	return fclose(f) ? NULL : text;
}

/* The statement from a step on; `braces`: entries of lists open a block for what is below. */
static char *render(const struct target *t, size_t from, bool braces, bool set, char *const *values,
		    size_t count)
{
	char *text = NULL, *list = layout_values(values, count);
	size_t size, open = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f || !list) {
		free(list);
		return NULL;
	}
	fputs(set ? "set " : "", f);
	for (size_t i = from; i < t->depth; i++) {
		bool last = i + 1 == t->depth;

		fputs(yang_name(t->path[i].schema), f);
		if (t->path[i].key) {
			fputc(' ', f);
			print_word(t->path[i].key, f);
		}
		if (last)
			break;
		if (braces && !set && yang_kind(t->path[i].schema) == YANG_LIST) {
			fputs(" {", f);
			open++;
		}
		fputc(' ', f);
	}
	if (count)
		fprintf(f, " %s", list);
	fputs(set ? "" : ";", f);
	while (open--)
		fputs(" }", f);
	free(list);
	return fclose(f) ? NULL : text;
}

/* Behind a statement, on the next line if it has its line for itself. */
static int insert_after(struct conf_edit *e, const struct outline_stmt *s, const char *text)
{
	const struct outline_file *f = &e->o.files[s->file];
	bool full = s->end - line_begin(f, s->end) + strlen(text) >= COLUMNS;
	bool own = f->set || (ends_line(f, s->end) && (begins_line(f, s->begin) || full));
	size_t at = own ? line_end(f, s->end) : s->end;
	char *piece = NULL;
	size_t size;
	FILE *out = open_memstream(&piece, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	if (own) {
		put_newline(f, out);
		put_indent(f, s->begin, out);
	} else {
		fputc(' ', out);
	}
	fputs(text, out);
	rc = fclose(out) ? -ENOMEM : edit_splice(e, s->file, at, at, piece);
	free(piece);
	return rc;
}

/* Before the `}` of a block in which there is nothing to stand behind. */
static int insert_last(struct conf_edit *e, const struct outline_stmt *s, const char *text)
{
	const struct outline_file *f = &e->o.files[s->file];
	size_t at = s->close, line = line_begin(f, at);
	bool tabs = line < at && f->text[line] == '\t', own = begins_line(f, at);
	char *piece = NULL;
	size_t size;
	FILE *out = open_memstream(&piece, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	if (own) {
		put_indent(f, at, out);
		fputs(tabs ? "\t" : "    ", out);
		fputs(text, out);
		put_newline(f, out);
		at = line;
	} else {
		fprintf(out, "%s%s ", is_space(f->text[at - 1]) ? "" : " ", text);
	}
	rc = fclose(out) ? -ENOMEM : edit_splice(e, s->file, at, at, piece);
	free(piece);
	return rc;
}

/* At the end of the file itself. */
static int insert_end(struct conf_edit *e, const char *text)
{
	const struct outline_file *f = &e->o.files[0];
	char *piece = NULL;
	size_t size;
	FILE *out = open_memstream(&piece, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	if (f->len && f->text[f->len - 1] != '\n')
		put_newline(f, out);
	fputs(text, out);
	put_newline(f, out);
	rc = fclose(out) ? -ENOMEM : edit_splice(e, 0, f->len, f->len, piece);
	free(piece);
	return rc;
}

/* Where a statement belongs. */
struct place {
	size_t stmt;                            /* NONE: the top of the file */
	size_t steps;                           /* of the target that are there already */
	enum { IN_BLOCK, IN_BARE, BESIDE } how; /* in its block; it ends with `;`; behind it */
};

static bool better(const struct place *a, const struct place *than)
{
	return a->steps != than->steps ? a->steps > than->steps : a->how <= than->how;
}

static struct place place_find(const struct conf_edit *e, const struct target *t)
{
	struct place best = {.stmt = NONE, .how = IN_BLOCK};

	for (size_t i = 0; i < e->o.count; i++) {
		const struct outline_stmt *s = &e->o.stmts[i];
		size_t c = outline_common(s->path, s->depth, t->path, t->depth);
		struct place p = {.stmt = i, .steps = c, .how = BESIDE};

		if (c <= s->outer)
			continue;
		if (c == s->depth && s->open)
			p.how = IN_BLOCK;
		else if (c == s->depth && !e->o.files[s->file].set)
			p.how = IN_BARE;
		if (better(&p, &best))
			best = p;
	}
	return best;
}

static bool is_leaf(const struct yang_node *n)
{
	return yang_kind(n) == YANG_LEAF || yang_kind(n) == YANG_LEAF_LIST;
}

/* What to stand behind among the statements of a block (or of the top): the last of the same
 * name, else the last leaf for a leaf, else the last. */
static size_t like_find(const struct conf_edit *e, const struct target *t, const struct place *p)
{
	const struct yang_node *n = t->path[p->steps].schema;
	size_t last = NONE, leaf = NONE, same = NONE;
	size_t parent = p->stmt == NONE ? 0 : p->stmt + 1;
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a place is a statement there is
	size_t file = p->stmt == NONE ? 0 : e->o.stmts[p->stmt].file;

	for (size_t i = 0; i < e->o.count; i++) {
		const struct outline_stmt *s = &e->o.stmts[i];

		if (s->parent != parent)
			continue;
		if (s->path[p->steps].schema == n)
			same = i;
		if (s->file != file)
			continue;
		last = i;
		if (is_leaf(s->path[p->steps].schema))
			leaf = i;
	}
	return same != NONE ? same : is_leaf(n) && leaf != NONE ? leaf : last;
}

int layout_insert(struct conf_edit *e, const struct target *t, char *const *values, size_t count)
{
	struct place p = place_find(e, t);
	const struct outline_stmt *s = p.stmt == NONE ? NULL : &e->o.stmts[p.stmt];
	bool beside = s && p.how == BESIDE;
	size_t like = beside ? p.stmt : s && p.how == IN_BARE ? NONE : like_find(e, t, &p);
	bool set = e->o.files[s ? s->file : like == NONE ? 0 : e->o.stmts[like].file].set;
	size_t from = set ? 0 : beside ? s->outer : p.steps;
	char *text = render(t, from, !beside, set, values, count), *bare = NULL;
	int rc;

	if (!text)
		return -ENOMEM;
	if (like != NONE) {
		rc = insert_after(e, &e->o.stmts[like], text);
	} else if (!s) {
		rc = insert_end(e, text);
	} else if (p.how == IN_BARE) {
		rc = asprintf(&bare, " { %s }", text) < 0
			     ? -ENOMEM
			     : edit_splice(e, s->file, s->path[s->depth - 1].end, s->end, bare);
		free(bare);
	} else {
		rc = insert_last(e, s, text);
	}
	free(text);
	return rc;
}

int layout_extend(struct conf_edit *e, const struct outline_stmt *s, char *const *values,
		  size_t count)
{
	const struct outline_file *f = &e->o.files[s->file];
	const struct outline_value *last = s->value_count ? &s->values[s->value_count - 1] : NULL;
	char *piece = NULL;
	size_t size;
	FILE *out = open_memstream(&piece, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (last && begins_line(f, last->begin) && !f->set) {
			put_newline(f, out);
			put_indent(f, last->begin, out);
		} else {
			fputc(' ', out);
		}
		print_word(values[i], out);
	}
	rc = fclose(out) ? -ENOMEM
			 : edit_splice(e, s->file, last ? last->end : s->left,
				       last ? last->end : s->left, piece);
	free(piece);
	return rc;
}

int layout_remove(struct conf_edit *e, size_t file, size_t begin, size_t end)
{
	const struct outline_file *f = &e->o.files[file];

	if (begins_line(f, begin) && ends_line(f, end)) {
		begin = line_begin(f, begin);
		while (end < f->len && f->text[end] != '\n')
			end++;
		end += end < f->len;
	} else if (ends_line(f, end)) {
		while (begin && is_space(f->text[begin - 1]))
			begin--;
	} else {
		while (end < f->len && is_space(f->text[end]))
			end++;
	}
	return edit_splice(e, file, begin, end, "");
}
