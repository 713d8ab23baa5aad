/* candidates: what may come next in a statement along its path, for completion and help. */
#include "config/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(struct conf_candidates *k, const char *word, const char *help)
{
	struct conf_candidate *v = realloc(k->v, (k->count + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	k->v = v;
	v[k->count] = (struct conf_candidate){.word = strdup(word), .help = strdup(help)};
	if (!v[k->count].word || !v[k->count].help) {
		free(v[k->count].word);
		free(v[k->count].help);
		return -ENOMEM;
	}
	k->count++;
	return 0;
}

static int expects(struct conf_candidates *k, const struct yang_node *n)
{
	size_t size;
	FILE *f = open_memstream(&k->expects, &size);

	if (!f)
		return -ENOMEM;
	yang_expects(n, f);
	return fclose(f) ? -ENOMEM : 0;
}

static int add_names(struct conf_candidates *k, const struct conf_node *parent,
		     const struct yang_node *list)
{
	int rc = 0;

	for (const struct conf_node *n = parent->first; n && rc == 0; n = n->next)
		if (n->schema == list && n->value && !n->bad)
			rc = add(k, n->value, yang_name(list));
	return rc;
}

/* The values of a leaf, or the keys of a list that can be named. */
static int add_values(const struct conf *c, struct conf_candidates *k, const struct yang_node *n)
{
	const struct conf_node *root = c ? &c->tree->root : NULL;
	const struct yang_node *target;
	const char *word, *help;
	int rc = expects(k, n);

	for (size_t i = 0; rc == 0 && (word = yang_word(n, i, &help)); i++)
		rc = add(k, word, help);
	for (size_t i = 0; rc == 0 && root && (target = yang_ref(c->model, n, i)); i++)
		if (yang_is_key(target) && !yang_parent(yang_parent(target)))
			rc = add_names(k, root, yang_parent(target));
	return rc;
}

static int add_children(const struct yang_model *m, struct conf_candidates *k,
			const struct yang_node *parent)
{
	const struct yang_node *n = NULL;
	int rc = 0;

	while (rc == 0 && (n = yang_next(m, parent, n)))
		if (!yang_is_key(n))
			rc = add(k, yang_name(n), yang_help(n));
	return rc;
}

static int at_leaf(const struct conf *c, const struct yang_node *n, size_t values,
		   struct conf_candidates *k)
{
	if (yang_is_flag(n)) {
		k->done = true;
		return values ? -ENOENT : 0;
	}
	k->done = values > 0;
	if (values && yang_kind(n) == YANG_LEAF)
		return values > 1 ? -ENOENT : 0;
	return add_values(c, k, n);
}

int conf_candidates(const struct conf *c, const char *const *path, size_t len,
		    struct conf_candidates *out)
{
	const struct yang_model *m = c ? c->model : conf_model();
	const struct conf_node *at = c ? &c->tree->root : NULL;
	const struct yang_node *parent = NULL;
	int rc = m ? 0 : -ENOMEM;

	*out = (struct conf_candidates){0};
	for (size_t i = 0; i < len && rc == 0; i++) {
		const struct yang_node *n = yang_child(m, parent, path[i], strlen(path[i]));

		if (!n) {
			rc = -ENOENT;
		} else if (yang_kind(n) == YANG_LEAF || yang_kind(n) == YANG_LEAF_LIST) {
			rc = at_leaf(c, n, len - i - 1, out);
			goto out;
		} else if (yang_kind(n) == YANG_CONTAINER) {
			at = at ? tree_find(c->tree, at, n, NULL) : NULL;
			parent = n;
		} else if (i + 1 == len) {
			rc = add_values(c, out, n);
			/* Names that are there already, if the key itself refers to nothing. */
			if (rc == 0 && at && !yang_ref(m, n, 0))
				rc = add_names(out, at, n);
			goto out;
		} else {
			at = at ? tree_find(c->tree, at, n, path[++i]) : (i++, NULL);
			parent = n;
		}
	}
	if (rc == 0)
		rc = add_children(m, out, parent);
	out->done = parent != NULL;
out:
	if (rc)
		conf_candidates_free(out);
	return rc;
}

void conf_candidates_free(struct conf_candidates *k)
{
	for (size_t i = 0; i < k->count; i++) {
		free(k->v[i].word);
		free(k->v[i].help);
	}
	free(k->v);
	free(k->expects);
	*k = (struct conf_candidates){0};
}
