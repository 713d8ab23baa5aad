/*
 * expand: the tree as meant. A node that is `like` a template gets the template's statements
 * where it says nothing itself; entries of a list (its ports) merge by name; values of a leaf-list
 * add up, the template's first; a choice the node made itself keeps the template's other side out.
 */
#include "config/model.h"

#include <string.h>

static bool excluded(const struct conf_node *parent, const struct yang_node *n)
{
	if (!yang_in_choice(n))
		return false;
	for (const struct conf_node *s = parent->first; s; s = s->next)
		if (!s->bad && yang_excludes(s->schema, n))
			return true;
	return false;
}

static struct conf_node *copy_node(struct conf_tree *t, struct conf_node *to,
				   const struct conf_node *n)
{
	struct conf_node *c = tree_add(t, to, n->schema, n->value, n->where);

	if (c) {
		c->key = n->key;
		c->bad = n->bad;
		c->block = n->block;
		c->hides = n->hides;
	}
	return c;
}

/* Adds to `to` whatever below `from` is not there yet. */
static void merge(struct conf_tree *t, struct conf_node *to, const struct conf_node *from)
{
	for (const struct conf_node *n = from->first; n; n = n->next) {
		enum yang_kind kind = yang_kind(n->schema);
		struct conf_node *there =
			tree_find(t, to, n->schema, kind == YANG_LEAF ? NULL : n->value);

		if (!there && excluded(to, n->schema))
			continue;
		if (there)
			there->hides |= n->hides;
		else
			there = copy_node(t, to, n);
		if (there && (kind == YANG_CONTAINER || kind == YANG_LIST))
			merge(t, there, n);
	}
}

/* Values that add up come template first, so they are put in before the node's own. */
static void merge_values(struct conf_tree *t, struct conf_node *to, const struct conf_node *like,
			 const struct yang_node *n)
{
	for (const struct conf_node *s = like ? like->first : NULL; s; s = s->next)
		if (s->schema == n && !tree_find(t, to, n, s->value))
			copy_node(t, to, s);
}

static void copy_like(struct conf_tree *t, struct conf_node *to, const struct conf_node *from,
		      const struct conf_node *like)
{
	for (const struct conf_node *n = from->first; n; n = n->next) {
		const struct conf_node *same = NULL;
		enum yang_kind kind = yang_kind(n->schema);
		struct conf_node *c;

		if (like && kind == YANG_LEAF_LIST)
			merge_values(t, to, like, n->schema);
		if (kind == YANG_LEAF_LIST && tree_find(t, to, n->schema, n->value))
			continue;
		c = copy_node(t, to, n);
		if (!c || kind == YANG_LEAF || kind == YANG_LEAF_LIST)
			continue;
		for (const struct conf_node *s = like ? like->first : NULL; s && !same; s = s->next)
			if (s->schema == n->schema && !s->bad &&
			    (s->value == n->value ||
			     (s->value && n->value && strcmp(s->value, n->value) == 0)))
				same = s;
		copy_like(t, c, n, same);
	}
	if (like)
		merge(t, to, like);
}

/* A template's and a node's statements of one name are different schema nodes: the template's
 * body is first copied as if a node had it. */
static void as_node(const struct conf_tree *t, struct conf_tree *out, struct conf_node *to,
		    const struct conf_node *from)
{
	for (const struct conf_node *n = from->first; n; n = n->next) {
		const char *name = yang_name(n->schema);
		const struct yang_node *s = yang_child(t->model, to->schema, name, strlen(name));
		struct conf_node *c = s ? tree_add(out, to, s, n->value, n->where) : NULL;

		if (!c)
			continue;
		c->key = n->key;
		c->bad = n->bad;
		c->hides = n->hides;
		as_node(t, out, c, n);
	}
}

static const struct conf_node *template_of(const struct conf_tree *t, const struct conf_node *node,
					   struct conf_tree *scratch)
{
	const struct conf_node *like = tree_child(t, node, "like"), *tmpl;
	struct conf_node *copy;

	if (!like || !like->value)
		return NULL;
	tmpl = tree_entry(t, NULL, "template", like->value);
	if (!tmpl)
		return NULL;
	/* One copy serves every node of the template. */
	copy = tree_find(scratch, NULL, node->schema, tmpl->value);
	if (!copy) {
		copy = tree_add(scratch, NULL, node->schema, tmpl->value, tmpl->where);
		if (copy)
			as_node(t, scratch, copy, tmpl);
	}
	return copy;
}

struct conf_tree *expand_templates(const struct conf_tree *t)
{
	struct conf_tree *out = tree_new(t->model), *scratch = tree_new(t->model);

	for (const struct conf_node *n = t->root.first; out && scratch && n; n = n->next) {
		const struct conf_node *like = NULL;
		struct conf_node *c = copy_node(out, &out->root, n);

		if (!c)
			break;
		if (strcmp(yang_name(n->schema), "node") == 0 && yang_kind(n->schema) == YANG_LIST)
			like = template_of(t, n, scratch);
		copy_like(out, c, n, like);
	}
	tree_free(scratch);
	return out;
}
