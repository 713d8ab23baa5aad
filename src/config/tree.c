/* tree: see tree.h. Children are found by name and value through one hash table per tree. */
#include "config/tree.h"

#include <stdlib.h>
#include <string.h>

static size_t hash_of(const struct conf_node *parent, const struct yang_node *schema,
		      const char *value)
{
	uint64_t h = ((uintptr_t)parent >> 4) * 0x9e3779b97f4a7c15u ^ (uintptr_t)schema >> 4;

	for (; value && *value; value++)
		h = (h ^ (uint8_t)*value) * 0x100000001b3u;
	h *= 0x9e3779b97f4a7c15u;
	return (size_t)(h ^ h >> 29);
}

struct conf_tree *tree_new(const struct yang_model *m)
{
	struct conf_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->model = m;
	t->root.where = (struct where){.line = 1, .col = 1}; /* what a file lacks is told there */
	t->hash_size = 64;
	t->hash = calloc(t->hash_size, sizeof(*t->hash));
	if (!t->hash) {
		free(t);
		return NULL;
	}
	return t;
}

void tree_free(struct conf_tree *t)
{
	struct conf_node *n, *next;

	if (!t)
		return;
	/* Flatten: children are hung behind their parent, so no recursion is needed. */
	for (n = t->root.first; n; n = next) {
		if (n->first) {
			n->last->next = n->next;
			n->next = n->first;
		}
		next = n->next;
		free(n->value);
		free(n);
	}
	free(t->hash);
	free(t);
}

static void hash_grow(struct conf_tree *t)
{
	size_t size = t->hash_size * 2;
	struct conf_node **hash = calloc(size, sizeof(*hash));

	if (!hash)
		return; /* slower, not wrong */
	for (size_t i = 0; i < t->hash_size; i++) {
		for (struct conf_node *n = t->hash[i], *next; n; n = next) {
			size_t at = hash_of(n->parent, n->schema, n->value) & (size - 1);

			next = n->hash_next;
			n->hash_next = hash[at];
			hash[at] = n;
		}
	}
	free(t->hash);
	t->hash = hash;
	t->hash_size = size;
}

static bool same_value(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

struct conf_node *tree_find(const struct conf_tree *t, const struct conf_node *parent,
			    const struct yang_node *schema, const char *value)
{
	if (!parent)
		parent = &t->root;
	if (!value && (!schema || yang_kind(schema) != YANG_CONTAINER)) {
		for (struct conf_node *n = parent->first; n; n = n->next)
			if (n->schema == schema)
				return n;
		return NULL;
	}
	for (struct conf_node *n = t->hash[hash_of(parent, schema, value) & (t->hash_size - 1)]; n;
	     n = n->hash_next)
		if (n->parent == parent && n->schema == schema && same_value(n->value, value))
			return n;
	return NULL;
}

struct conf_node *tree_add(struct conf_tree *t, struct conf_node *parent,
			   const struct yang_node *schema, const char *value, struct where w)
{
	struct conf_node *n = calloc(1, sizeof(*n));
	size_t at;

	if (!n)
		return NULL;
	if (value && !(n->value = strdup(value))) {
		free(n);
		return NULL;
	}
	if (!parent)
		parent = &t->root;
	n->schema = schema;
	n->where = w;
	n->parent = parent;
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	if (++t->count > t->hash_size)
		hash_grow(t);
	at = hash_of(parent, schema, value) & (t->hash_size - 1);
	n->hash_next = t->hash[at];
	t->hash[at] = n;
	return n;
}

struct conf_node *tree_walk(const struct conf_node *top, const struct conf_node *at)
{
	if (at->first)
		return at->first;
	while (at != top && !at->next)
		at = at->parent;
	return at == top ? NULL : at->next;
}

struct conf_node *tree_child(const struct conf_tree *t, const struct conf_node *parent,
			     const char *name)
{
	struct conf_node *n = parent ? parent->first : t->root.first;

	while (n && (n->bad || strcmp(yang_name(n->schema), name) != 0))
		n = n->next;
	return n;
}

struct conf_node *tree_same(const struct conf_node *n)
{
	for (struct conf_node *s = n->next; s; s = s->next)
		if (s->schema == n->schema && !s->bad)
			return s;
	return NULL;
}

const char *tree_leaf(const struct conf_tree *t, const struct conf_node *parent, const char *name)
{
	const struct conf_node *n = tree_child(t, parent, name);
	const struct yang_node *s;

	if (n)
		return n->value;
	s = yang_child(t->model, parent ? parent->schema : NULL, name, strlen(name));
	return s ? yang_default(s, 0) : NULL;
}

struct conf_node *tree_entry(const struct conf_tree *t, const struct conf_node *parent,
			     const char *list, const char *key)
{
	const struct yang_node *s =
		yang_child(t->model, parent ? parent->schema : NULL, list, strlen(list));

	struct conf_node *n = s ? tree_find(t, parent, s, key) : NULL;

	return n && !n->bad ? n : NULL;
}

/* Every node of a has its equal in b, at the same place among those of its name. */
static bool level_equal(const struct conf_tree *tb, const struct conf_node *a,
			const struct conf_node *b)
{
	size_t na = 0, nb = 0;

	for (const struct conf_node *n = b->first; n; n = n->next)
		nb++;
	for (const struct conf_node *x = a->first; x; x = x->next, na++) {
		const struct conf_node *y = tree_find(tb, b, x->schema, x->value), *px, *py;

		if (!y || !level_equal(tb, x, y))
			return false;
		/* In order: the next of this name is the next there too. */
		px = tree_same(x);
		py = tree_same(y);
		if (!px != !py || (px && !same_value(px->value, py->value)))
			return false;
	}
	return na == nb;
}

bool tree_equal(const struct conf_tree *a, const struct conf_tree *b)
{
	return level_equal(b, &a->root, &b->root);
}
