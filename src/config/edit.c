/* edit: set and unset, one splice of text at a time; the outline is read anew after each. */
#include "config/edit_i.h"

#include "config/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE ((size_t)-1)

/* The first statement from a number on that says the target itself. */
static size_t find_same(const struct conf_edit *e, const struct target *t, size_t from)
{
	for (size_t i = from; i < e->o.count; i++) {
		const struct outline_stmt *s = &e->o.stmts[i];

		if (s->depth == t->depth &&
		    outline_common(s->path, s->depth, t->path, t->depth) == t->depth)
			return i;
	}
	return NONE;
}

/* The first statement that says the target or something below it, and is not within another. */
static size_t find_within(const struct conf_edit *e, const struct outline_step *path, size_t depth)
{
	for (size_t i = 0; i < e->o.count; i++) {
		const struct outline_stmt *s = &e->o.stmts[i];

		if (s->outer < depth && outline_common(s->path, s->depth, path, depth) == depth)
			return i;
	}
	return NONE;
}

static bool has_value(const struct outline_stmt *s, const char *value)
{
	for (size_t i = 0; i < s->value_count; i++) {
		if (!strcmp(s->values[i].text, value))
			return true;
	}
	return false;
}

/* Some other statement is about the same entry. */
static bool is_told_elsewhere(const struct conf_edit *e, size_t not, size_t depth)
{
	const struct outline_stmt *s = &e->o.stmts[not ];

	for (size_t i = 0; i < e->o.count; i++) {
		const struct outline_stmt *other = &e->o.stmts[i];

		if (i != not &&other->parent != not +1 &&
		    outline_common(other->path, other->depth, s->path, depth) == depth)
			return true;
	}
	return false;
}

/* The statement is all there is in the block of a container that means nothing by itself. */
static bool is_alone(const struct conf_edit *e, const struct outline_stmt *s)
{
	const struct outline_stmt *p;
	const char *text = e->o.files[s->file].text;

	if (!s->parent)
		return false;
	p = &e->o.stmts[s->parent - 1];
	if (p->file != s->file || yang_kind(p->path[p->depth - 1].schema) != YANG_CONTAINER)
		return false;
	for (size_t i = p->open; i < p->close; i++) {
		if (i == s->begin)
			i = s->end;
		if (i < p->close && !strchr(" \t\r\n", text[i]))
			return false;
	}
	return true;
}

/* Removes what a statement says from its step `depth` on; an entry of a list that it names on
 * the way, and nobody else does, stays. */
static int stmt_remove(struct conf_edit *e, size_t i, size_t depth)
{
	const struct outline_stmt *s = &e->o.stmts[i];

	for (size_t d = depth - 1; d > s->outer; d--) {
		if (!s->path[d - 1].key || is_told_elsewhere(e, i, d))
			continue;
		return edit_splice(e, s->file, s->path[d - 1].end, s->end,
				   e->o.files[s->file].set ? "" : ";");
	}
	if (is_alone(e, s))
		return stmt_remove(e, s->parent - 1, e->o.stmts[s->parent - 1].depth);
	return layout_remove(e, s->file, s->begin, s->end);
}

/* What stands there and excludes a step of the target by a choice. */
static int exclude(struct conf_edit *e, const struct target *t)
{
	bool again;
	int rc = 0;

	do {
		again = false;
		for (size_t i = 0; i < e->o.count && !again && !rc; i++) {
			const struct outline_stmt *s = &e->o.stmts[i];
			size_t c = outline_common(s->path, s->depth, t->path, t->depth);

			if (c >= s->outer && c < s->depth && c < t->depth &&
			    yang_in_choice(t->path[c].schema) &&
			    yang_excludes(s->path[c].schema, t->path[c].schema)) {
				rc = stmt_remove(e, i, c + 1);
				again = true;
			}
		}
	} while (again && !rc);
	return rc;
}

static int values_replace(struct conf_edit *e, const struct target *t, size_t i)
{
	const struct outline_stmt *s = &e->o.stmts[i];
	size_t begin = s->left ? s->left - 1 : s->values[0].begin;
	size_t end = s->left ? s->right + 1 : s->values[0].end;
	bool same = s->value_count == t->count && find_same(e, t, i + 1) == NONE;
	char *text = layout_values(t->values, t->count);
	int rc = text ? 0 : -ENOMEM;

	for (size_t k = 0; same && k < t->count; k++)
		same = !strcmp(s->values[k].text, t->values[k]);
	if (!rc && !same)
		rc = edit_splice(e, s->file, begin, end, text);
	free(text);
	for (size_t k; !rc && (k = find_same(e, t, i + 1)) != NONE;)
		rc = stmt_remove(e, k, t->depth);
	return rc;
}

static int values_add(struct conf_edit *e, const struct target *t, size_t first)
{
	char **missing = calloc(t->count + 1, sizeof(*missing)), **both = NULL, *text = NULL;
	const struct outline_stmt *s;
	size_t count = 0, last = first;
	int rc = 0;

	for (size_t k = 0; missing && k < t->count; k++) {
		bool there = false;

		for (size_t i = first; i != NONE; i = find_same(e, t, i + 1)) {
			there |= has_value(&e->o.stmts[i], t->values[k]);
			last = i;
		}
		if (!there)
			missing[count++] = t->values[k];
	}
	s = &e->o.stmts[last];
	both = calloc(count + 1, sizeof(*both));
	if (!missing || !both) {
		rc = -ENOMEM;
	} else if (count && s->left) {
		rc = layout_extend(e, s, missing, count);
	} else if (count && e->o.files[s->file].set) {
		for (size_t k = 0; k < count && !rc; k++)
			rc = layout_insert(e, t, &missing[k], 1);
	} else if (count) {
		both[0] = s->values[0].text;
		memcpy(both + 1, missing, count * sizeof(*both));
		text = layout_values(both, count + 1);
		rc = text ? edit_splice(e, s->file, s->values[0].begin, s->values[0].end, text)
			  : -ENOMEM;
		free(text);
	}
	free(both);
	free(missing);
	return rc;
}

static int set_leaf(struct conf_edit *e, const struct target *t)
{
	size_t i = find_same(e, t, 0);
	const struct outline_stmt *s = i == NONE ? NULL : &e->o.stmts[i];
	char *text;
	int rc;

	if (!s)
		return layout_insert(e, t, t->values, t->count);
	if (t->list)
		return t->all ? values_replace(e, t, i) : values_add(e, t, i);
	if (t->flag || has_value(s, t->values[0]))
		return 0;
	text = layout_values(t->values, 1);
	rc = text ? edit_splice(e, s->file, s->values[0].begin, s->values[0].end, text) : -ENOMEM;
	free(text);
	return rc;
}

static int why_of(int rc, char **why)
{
	if (rc && !*why)
		*why = strdup(rc == -ESTALE ? "a file that is included twice would be changed; "
					      "edit it by hand"
					    : strerror(-rc));
	return rc;
}

int conf_edit_set(struct conf_edit *e, const char *const *words, size_t count, char **why)
{
	struct target t;
	int rc = target_parse(&t, e->model, words, count, true, why);

	if (rc)
		return rc;
	rc = exclude(e, &t);
	if (!rc && t.leaf)
		rc = set_leaf(e, &t);
	else if (!rc && find_within(e, t.path, t.depth) == NONE)
		rc = layout_insert(e, &t, NULL, 0);
	target_free(&t);
	return why_of(rc, why);
}

/* One value of a leaf or leaf-list. */
static int value_unset(struct conf_edit *e, const struct target *t, const char *value)
{
	const struct outline_stmt *s = NULL;
	size_t i = find_same(e, t, 0), k = 0;

	for (; i != NONE; i = find_same(e, t, i + 1)) {
		s = &e->o.stmts[i];
		if (has_value(s, value))
			break;
	}
	if (i == NONE)
		return -ENOENT;
	if (s->value_count == 1)
		return stmt_remove(e, i, t->depth);
	while (strcmp(s->values[k].text, value) != 0)
		k++;
	return layout_remove(e, s->file, s->values[k].begin, s->values[k].end);
}

/* Nothing of it stands in the files: perhaps a template says it. */
static char *why_absent(const struct conf_edit *e, const struct target *t)
{
	const char *name = yang_name(t->path[0].schema);
	char *why = NULL;
	int n = -1;

	for (size_t i = 0; t->path[0].key && i < e->o.count && n < 0; i++) {
		const struct outline_stmt *s = &e->o.stmts[i];

		if (s->depth == 2 && s->value_count && t->depth > 1 &&
		    outline_common(s->path, s->depth, t->path, 1) == 1 &&
		    !strcmp(yang_name(s->path[1].schema), "like"))
			n = asprintf(&why,
				     "%s `%s` does not say so itself; look at template `%s`, which "
				     "it is like",
				     name, t->path[0].key, s->values[0].text);
	}
	if (n < 0)
		why = strdup("there is no such statement in the file");
	return why;
}

int conf_edit_unset(struct conf_edit *e, const char *const *words, size_t count, char **why)
{
	struct target t;
	int rc = target_parse(&t, e->model, words, count, false, why);
	size_t i;

	if (rc)
		return rc;
	for (size_t k = 0; k < t.count && !rc; k++)
		rc = value_unset(e, &t, t.values[k]);
	if (!rc && !t.count && find_within(e, t.path, t.depth) == NONE)
		rc = -ENOENT;
	while (!rc && !t.count && (i = find_within(e, t.path, t.depth)) != NONE)
		rc = stmt_remove(e, i, t.depth);
	if (rc == -ENOENT)
		*why = why_absent(e, &t);
	target_free(&t);
	return why_of(rc, why);
}
