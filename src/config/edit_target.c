/* edit_target: a command's words as a path in the model and values, refused as a file's are. */
#include "config/build.h"
#include "config/edit_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct where nowhere;

static int value_add(struct target *t, struct builder *b, const struct yang_node *n,
		     const char *word)
{
	char *canonical, **v;

	if (yang_value(b->tree->model, n, word, strlen(word), &canonical)) {
		build_expected(b, n, word, strlen(word), nowhere);
		return -EINVAL;
	}
	for (size_t i = 0; i < t->count; i++) {
		if (!strcmp(t->values[i], canonical)) {
			free(canonical); /* twice the same is once */
			return 0;
		}
	}
	v = reallocarray(t->values, t->count + 1, sizeof(*v));
	if (!v) {
		free(canonical);
		return -ENOMEM;
	}
	t->values = v;
	v[t->count++] = canonical;
	return 0;
}

static int leaf_parse(struct target *t, struct builder *b, const struct yang_node *n,
		      const char *const *words, size_t count, bool set)
{
	int rc = 0;

	t->leaf = true;
	t->flag = yang_is_flag(n);
	t->list = yang_kind(n) == YANG_LEAF_LIST;
	if (yang_is_key(n)) {
		errlist_add(b->errs, nowhere, "`%s` stands after `%s`, not among its statements",
			    yang_name(n), yang_name(yang_parent(n)));
		return -EINVAL;
	}
	if (t->flag && count) {
		errlist_add(b->errs, nowhere, "`%s` takes no value, not `%s`", yang_name(n),
			    words[0]);
		return -EINVAL;
	}
	if (t->flag || (!set && !count))
		return 0;
	if (t->list && count && !strcmp(words[0], "[")) {
		if (strcmp(words[count - 1], "]") != 0) {
			errlist_add(b->errs, nowhere, "`[` is never closed: the last word is `]`");
			return -EINVAL;
		}
		t->all = true;
		words++;
		count -= 2;
	}
	if (!count)
		build_expected(b, n, NULL, 0, nowhere);
	if (count > 1 && !t->list)
		errlist_add(b->errs, nowhere, "`%s` takes one value, no list", yang_name(n));
	if (!count || (count > 1 && !t->list))
		return -EINVAL;
	for (size_t i = 0; i < count && !rc; i++)
		rc = value_add(t, b, n, words[i]);
	return rc;
}

static int path_parse(struct target *t, struct builder *b, const char *const *words, size_t count,
		      bool set)
{
	struct conf_node *at = &b->tree->root;

	for (size_t i = 0; i < count; i++) {
		struct outline_step *step = &t->path[t->depth];
		const struct yang_node *n;

		n = build_name(b, at, words[i], strlen(words[i]), nowhere);
		if (!n || t->depth == TARGET_DEPTH_MAX)
			return -EINVAL;
		step->schema = n;
		t->depth++;
		if (yang_kind(n) == YANG_LEAF || yang_kind(n) == YANG_LEAF_LIST)
			return leaf_parse(t, b, n, words + i + 1, count - i - 1, set);
		if (yang_kind(n) == YANG_LIST) {
			const char *key = ++i < count ? words[i] : NULL;

			if (!key ||
			    yang_value(b->tree->model, yang_key(n), key, strlen(key), &step->key)) {
				build_expected(b, n, key, key ? strlen(key) : 0, nowhere);
				return -EINVAL;
			}
		}
		at = tree_add(b->tree, at, n, step->key, nowhere);
		if (!at)
			return -ENOMEM;
	}
	return 0;
}

int target_parse(struct target *t, const struct yang_model *m, const char *const *words,
		 size_t count, bool set, char **why)
{
	struct conf_errors errs = {};
	struct errlist list = {.errs = &errs};
	struct builder b = {.tree = tree_new(m), .errs = &list};
	int rc = -ENOMEM;

	*t = (struct target){0};
	*why = NULL;
	errlist_file(&list, "");
	if (b.tree)
		rc = path_parse(t, &b, words, count, set);
	if (!rc && !t->depth) {
		rc = -EINVAL;
		*why = strdup("which statement?");
	}
	errlist_finish(&list);
	if (rc && !*why)
		*why = strdup(errs.count ? errs.v[0].text : strerror(-rc));
	conf_errors_free(&errs);
	tree_free(b.tree);
	if (rc)
		target_free(t);
	return rc;
}

void target_free(struct target *t)
{
	for (size_t i = 0; i < t->depth; i++)
		free(t->path[i].key);
	for (size_t i = 0; i < t->count; i++)
		free(t->values[i]);
	free(t->values);
	*t = (struct target){0};
}
