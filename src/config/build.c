/* build: see build.h. */
#include "config/build.h"

#include <stdlib.h>
#include <string.h>

#define NEAR_MAX 32 /* longer words have no near ones */

const char *build_quote(char buf[64], const char *s, size_t len)
{
	if (len <= 40) {
		memcpy(buf, s, len);
		buf[len] = 0;
		return buf;
	}
	len = 37;
	while (len && ((uint8_t)s[len] & 0xc0) == 0x80)
		len--;
	memcpy(buf, s, len);
	memcpy(buf + len, "...", 4);
	return buf;
}

unsigned build_distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned row[3][NEAR_MAX + 1];

	if (alen > NEAR_MAX || blen > NEAR_MAX)
		return 9;
	for (size_t j = 0; j <= blen; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *cur = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			cur[j] = best;
		}
	}
	return row[alen % 3][blen] < 9 ? row[alen % 3][blen] : 9;
}

unsigned build_near(size_t len)
{
	return len < 6 ? 2 : 3;
}

void build_ghost(struct builder *b, struct conf_node *parent, const struct yang_node *n,
		 struct where w)
{
	struct conf_node *ghost = tree_add(b->tree, parent, n, NULL, w);

	if (ghost)
		ghost->bad = true;
}

/* The accepted name that the word most likely meant, or NULL. */
static const struct yang_node *near_name(const struct builder *b, const struct conf_node *parent,
					 const char *s, size_t len)
{
	const struct yang_node *n = NULL, *best = NULL;
	unsigned least = build_near(len);

	while ((n = yang_next(b->tree->model, parent->schema, n))) {
		const char *name = yang_name(n);
		unsigned d = build_distance(s, len, name, strlen(name));

		if (len >= 3 && strlen(name) > len && memcmp(name, s, len) == 0 && least > 2)
			d = 2; /* cut short */
		if (d < least) {
			least = d;
			best = n;
		}
	}
	return best;
}

const struct yang_node *build_name(struct builder *b, struct conf_node *parent, const char *s,
				   size_t len, struct where w)
{
	const struct yang_node *n = yang_child(b->tree->model, parent->schema, s, len), *meant;
	char word[64], *list = NULL;
	size_t size;
	FILE *f;

	if (n)
		return n;
	f = open_memstream(&list, &size);
	if (!f)
		return NULL;
	if (parent->schema)
		fprintf(f, " in `%s`", yang_name(parent->schema));
	meant = near_name(b, parent, s, len);
	if (meant) {
		fprintf(f, "; did you mean `%s`?", yang_name(meant));
	} else {
		fputs("; accepted here: ", f);
		for (const char *sep = ""; (n = yang_next(b->tree->model, parent->schema, n));) {
			if (yang_is_key(n))
				continue;
			fprintf(f, "%s%s", sep, yang_name(n));
			sep = ", ";
		}
	}
	fclose(f);
	errlist_add(b->errs, w, "unknown statement `%s`%s", build_quote(word, s, len), list);
	free(list);
	/* What was meant is not missing. */
	if (meant && !tree_find(b->tree, parent, meant, NULL))
		build_ghost(b, parent, meant, w);
	return NULL;
}

void build_expected(struct builder *b, const struct yang_node *n, const char *got, size_t len,
		    struct where w)
{
	char word[64], *what = NULL;
	size_t size;
	FILE *f = open_memstream(&what, &size);

	if (!f)
		return;
	yang_expects(n, f);
	fclose(f);
	if (got)
		errlist_add(b->errs, w, "`%s` takes %s, not `%s`", yang_name(n), what,
			    build_quote(word, got, len));
	else
		errlist_add(b->errs, w, "`%s` takes %s", yang_name(n), what);
	free(what);
}

/* Where something is, seen from w: the file only when it is another. */
static const char *place(const struct builder *b, char buf[128], struct where at, struct where w)
{
	if (at.file == w.file)
		snprintf(buf, 128, "line %u", at.line);
	else
		snprintf(buf, 128, "%.100s:%u", b->errs->files[at.file], at.line);
	return buf;
}

/* Of a choice only one case may be there. */
static bool choice_free(struct builder *b, const struct conf_node *parent,
			const struct yang_node *n, struct where w)
{
	char buf[128];

	if (!yang_in_choice(n))
		return true;
	for (const struct conf_node *s = parent->first; s; s = s->next) {
		if (s->bad || !yang_excludes(s->schema, n))
			continue;
		errlist_add(b->errs, w, "`%s` and `%s` exclude each other; `%s` is at %s",
			    yang_name(n), yang_name(s->schema), yang_name(s->schema),
			    place(b, buf, s->where, w));
		return false;
	}
	return true;
}

/* The one of this schema that holds, whatever bad ones stand beside it. */
static struct conf_node *find_good(const struct conf_node *parent, const struct yang_node *n)
{
	for (struct conf_node *c = parent->first; c; c = c->next)
		if (c->schema == n && !c->bad)
			return c;
	return NULL;
}

bool build_leaf(struct builder *b, struct conf_node *parent, const struct yang_node *n,
		const char *value, size_t len, struct where w)
{
	bool list = yang_kind(n) == YANG_LEAF_LIST;
	char *canonical = NULL, buf[128], word[64];
	struct conf_node *old;

	if (yang_is_key(n)) {
		errlist_add(b->errs, w, "`%s` stands after `%s`, not among its statements",
			    yang_name(n), yang_name(yang_parent(n)));
		return false;
	}
	if (value && memchr(value, 0, len)) {
		errlist_add(b->errs, w, "`%s`: a zero byte is no text", yang_name(n));
		return false;
	}
	if (value && yang_value(b->tree->model, n, value, len, &canonical)) {
		build_expected(b, n, value, len, w);
		build_ghost(b, parent, n, w);
		return false;
	}
	old = list ? tree_find(b->tree, parent, n, canonical) : find_good(parent, n);
	if (old && list)
		errlist_add(b->errs, w, "`%s` already has `%s`, from %s", yang_name(n),
			    build_quote(word, value, len), place(b, buf, old->where, w));
	else if (old && old->value)
		errlist_add(b->errs, w, "`%s` is already set to `%s`, at %s", yang_name(n),
			    build_quote(word, old->value, strlen(old->value)),
			    place(b, buf, old->where, w));
	else if (old)
		errlist_add(b->errs, w, "`%s` is already set, at %s", yang_name(n),
			    place(b, buf, old->where, w));
	else if (choice_free(b, parent, n, w))
		tree_add(b->tree, parent, n, canonical, w);
	free(canonical);
	return !old;
}

struct conf_node *build_open(struct builder *b, struct conf_node *parent, const struct yang_node *n,
			     const char *key, size_t len, struct where w, struct where key_at,
			     bool block)
{
	struct conf_node *node = NULL;
	char *canonical = NULL, buf[128], word[64];
	bool bad = false;

	if (key && (memchr(key, 0, len) ||
		    yang_value(b->tree->model, yang_key(n), key, len, &canonical))) {
		build_expected(b, n, key, len, key_at);
		bad = true;
	} else {
		node = tree_find(b->tree, parent, n, canonical);
	}
	if (node && node->bad)
		node = NULL;
	if (!node) {
		bad |= !choice_free(b, parent, n, w);
		node = tree_add(b->tree, parent, n, canonical, w);
		if (node) {
			node->bad = bad;
			node->key = key_at;
		}
	} else if (node->block && block) {
		if (key)
			errlist_add(b->errs, w, "%s `%s` is already described at %s", yang_name(n),
				    build_quote(word, key, len), place(b, buf, node->where, w));
		else
			errlist_add(b->errs, w, "`%s` is already described at %s", yang_name(n),
				    place(b, buf, node->where, w));
	}
	if (node && block)
		node->block = true;
	free(canonical);
	return node;
}
