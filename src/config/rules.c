/*
 * rules: what the model demands of a whole tree: references that lead somewhere, what is
 * mandatory, how many, and every `when` and `must`. All that is broken is told, not the first
 * only; what follows from an error already told is not.
 */
#include "config/build.h"
#include "config/model.h"

#include <stdlib.h>
#include <string.h>

#define VERDICT_MAX 20000 /* nodes of a tree that libyang judges as a whole */
#define NAMES_MAX 12      /* names listed in an error */

struct rules {
	struct conf_tree *t;
	struct errlist *errs;
};

static struct where place_of(const struct conf_node *n)
{
	return n->value && yang_kind(n->schema) == YANG_LIST ? n->key : n->where;
}

/* The schema node whose instances hold a reference's values: of a key, its list. */
static const struct yang_node *holder(const struct yang_node *target)
{
	return yang_is_key(target) ? yang_parent(target) : target;
}

/* The next good instance of a schema node after `at` (NULL: the first). */
static const struct conf_node *instance(const struct conf_tree *t, const struct yang_node *schema,
					const struct conf_node *at)
{
	bool top = !yang_parent(schema);

	do {
		if (top)
			at = at ? at->next : t->root.first;
		else
			at = tree_walk(&t->root, at ? at : &t->root);
	} while (at && (at->schema != schema || at->bad || !at->value));
	return at;
}

/* Is there an instance of the leaf `target` with this value? */
static bool exists(const struct conf_tree *t, const struct yang_node *target, const char *value)
{
	const struct yang_node *schema = holder(target);
	const struct conf_node *n = NULL;

	if (!yang_parent(schema)) {
		n = tree_find(t, &t->root, schema, value);
		return n && !n->bad;
	}
	while ((n = instance(t, schema, n)))
		if (strcmp(n->value, value) == 0)
			return true;
	return false;
}

/* Lists the names that a reference could say; a near one alone. */
static void list_names(const struct rules *r, const struct conf_node *n, FILE *f)
{
	const struct yang_node *target;
	const char *best = NULL;
	unsigned least = build_near(strlen(n->value));
	size_t count = 0;

	for (size_t i = 0; (target = yang_ref(r->t->model, n->schema, i)); i++) {
		for (const struct conf_node *s = NULL; (s = instance(r->t, holder(target), s));) {
			unsigned d = build_distance(n->value, strlen(n->value), s->value,
						    strlen(s->value));

			if (d < least && strlen(n->value) > d) {
				least = d;
				best = s->value;
			}
			count++;
		}
	}
	if (best) {
		fprintf(f, "; did you mean `%s`?", best);
		return;
	}
	if (!count) {
		fputs("; there is none", f);
		return;
	}
	fputs("; there is ", f);
	count = 0;
	for (size_t i = 0; (target = yang_ref(r->t->model, n->schema, i)); i++) {
		for (const struct conf_node *s = NULL; (s = instance(r->t, holder(target), s));) {
			if (count < NAMES_MAX)
				fprintf(f, "%s%s", count ? ", " : "", s->value);
			count++;
		}
	}
	if (count > NAMES_MAX)
		fprintf(f, " and %zu more", count - NAMES_MAX);
}

/* What a template that is not there would say is not missing. */
static void hide(struct conf_node *top)
{
	top->hides = true;
	for (struct conf_node *n = tree_walk(top, top); n; n = tree_walk(top, n))
		n->hides = true;
}

static void check_ref(const struct rules *r, struct conf_node *n)
{
	const struct yang_node *target;
	char word[64], *text = NULL;
	size_t size;
	FILE *f;

	if (!n->value || !yang_ref(r->t->model, n->schema, 0) ||
	    yang_value_free(r->t->model, n->schema, n->value))
		return;
	for (size_t i = 0; (target = yang_ref(r->t->model, n->schema, i)); i++)
		if (exists(r->t, target, n->value))
			return;
	n->bad = true;
	if (strcmp(yang_name(n->schema), "like") == 0)
		hide(n->parent);
	if (r->errs->errs->count >= CONF_ERRORS_MAX) {
		r->errs->more++; /* and no names are looked up for it */
		return;
	}
	f = open_memstream(&text, &size);
	if (!f)
		return;
	fputs("no ", f);
	for (size_t i = 0; (target = yang_ref(r->t->model, n->schema, i)); i++)
		fprintf(f, "%s%s", i ? " or " : "",
			yang_name(yang_is_key(target) ? yang_parent(target) : target));
	fprintf(f, " is called `%s`", build_quote(word, n->value, strlen(n->value)));
	list_names(r, n, f);
	fclose(f);
	errlist_add(r->errs, place_of(n), "%s", text);
	free(text);
}

static const char *called(const struct conf_node *n, char buf[128])
{
	char word[64];

	if (!n->schema)
		return "the file";
	if (n->value)
		snprintf(buf, 128, "%.50s `%s`", yang_name(n->schema),
			 build_quote(word, n->value, strlen(n->value)));
	else
		snprintf(buf, 128, "`%.50s`", yang_name(n->schema));
	return buf;
}

static bool has(const struct conf_node *n, const struct yang_node *schema)
{
	for (const struct conf_node *c = n->first; c; c = c->next)
		if (c->schema == schema)
			return true;
	return false;
}

/* Choices of which one case must be taken. */
static void check_choices(const struct rules *r, const struct conf_node *n)
{
	const struct yang_node *first[8];
	char buf[128], words[256];
	size_t count;

	for (size_t i = 0; (count = yang_choice(r->t->model, n->schema, i, first, 8)); i++) {
		bool taken = false;
		size_t at = 0;

		for (size_t k = 0; k < count; k++)
			taken |= has(n, first[k]);
		for (size_t k = 0; k < count && at < sizeof(words) - 80; k++)
			at += (size_t)snprintf(words + at, sizeof(words) - at, "%s`%.60s`",
					       k == 0           ? ""
					       : k + 1 == count ? " or "
								: ", ",
					       yang_name(first[k]));
		if (!taken)
			errlist_add(r->errs, n->where, "%s needs one of %s", called(n, buf), words);
	}
}

/* Missing and too many among the children of n. */
static void check_children(const struct rules *r, const struct conf_node *n)
{
	const struct yang_node *s = NULL;
	char buf[128], *what = NULL;
	uint32_t min, max, count;
	size_t size;
	FILE *f;

	if (!n->hides)
		check_choices(r, n);
	while ((s = yang_next(r->t->model, n->schema, s))) {
		yang_elements(s, &min, &max);
		if (!yang_mandatory(s) && min == 0 && max == UINT32_MAX)
			continue;
		count = 0;
		for (const struct conf_node *c = n->first; c; c = c->next)
			count += c->schema == s;
		if (count > max)
			errlist_add(r->errs, n->where, "%s has %u of `%s`; at most %u are accepted",
				    called(n, buf), count, yang_name(s), max);
		if (n->hides || (count >= min && (count || !yang_mandatory(s))))
			continue;
		f = open_memstream(&what, &size);
		if (!f)
			return;
		yang_expects(s, f);
		fclose(f);
		errlist_add(r->errs, n->where, "%s needs `%s`: %s", called(n, buf), yang_name(s),
			    what);
		free(what);
		what = NULL;
		/* The rules are not to find it missing once more. */
		struct conf_node *ghost = tree_add(r->t, (struct conf_node *)n, s, NULL, n->where);

		if (ghost)
			ghost->bad = true;
	}
}

/* True when `bad` is nobody's business of `at`: it stands in another entry of a list at is in. */
static bool elsewhere(const struct conf_node *at, const struct conf_node *bad)
{
	for (const struct conf_node *x = at; x->schema; x = x->parent)
		for (const struct conf_node *y = bad; y->schema; y = y->parent)
			if (x != y && x->schema == y->schema && x->parent == y->parent)
				return true;
	return false;
}

static void rule_broken(void *arg, void *user, const char *what,
			const struct yang_node *const *atoms, size_t atom_count)
{
	const struct rules *r = arg;
	struct conf_node *n = user;

	if (!n) {
		errlist_add(r->errs, (struct where){0}, "%s", what);
		return;
	}
	for (const struct conf_node *b = tree_walk(&r->t->root, &r->t->root); b;
	     b = tree_walk(&r->t->root, b)) {
		if (!b->bad)
			continue;
		for (size_t i = 0; i < atom_count; i++)
			if ((atoms[i] == b->schema || (yang_kind(b->schema) == YANG_LIST &&
						       atoms[i] == yang_key(b->schema))) &&
			    !elsewhere(n, b))
				return;
	}
	errlist_add(r->errs, n->where, "%s", what);
	if (!n->first && n->value)
		n->bad = true; /* nothing more is said of this value */
}

static void add_item(struct yang_data *d, struct yang_item *parent, struct conf_node *n,
		     bool *whole)
{
	struct yang_item *item = NULL;

	if (!n->bad)
		item = yang_data_add(d, parent, n->schema, n->value, n);
	if (!item) {
		*whole = false;
		return;
	}
	for (struct conf_node *c = n->first; c; c = c->next)
		add_item(d, item, c, whole);
}

void rules_check(struct conf_tree *t, struct errlist *errs)
{
	struct rules r = {.t = t, .errs = errs};
	const struct yang_node *s = NULL;
	struct yang_data *d;
	bool whole = true;
	char *why;
	void *user;

	for (struct conf_node *n = tree_walk(&t->root, &t->root); n; n = tree_walk(&t->root, n))
		if (!n->bad)
			check_ref(&r, n);
	check_children(&r, &t->root);
	for (struct conf_node *n = tree_walk(&t->root, &t->root); n; n = tree_walk(&t->root, n))
		if ((yang_kind(n->schema) == YANG_LIST && !n->bad) || n->first || n->block)
			check_children(&r, n);
	d = yang_data_new(t->model);
	if (!d)
		return;
	while ((s = yang_next(t->model, NULL, s)))
		for (struct conf_node *n = t->root.first; n; n = n->next)
			if (n->schema == s)
				add_item(d, NULL, n, &whole);
	if (yang_data_rules(d, rule_broken, &r))
		errlist_add(errs, (struct where){0}, "a rule of the model could not be evaluated");
	/* What none of the above saw, libyang may: it has the last word. Its references cost the
	 * square of their number, so a huge file has to do without. */
	if (whole && errs->errs->count == 0 && t->count < VERDICT_MAX &&
	    yang_data_validate(d, &why, &user)) {
		errlist_add(errs, user ? ((struct conf_node *)user)->where : (struct where){0},
			    "%s", why ? why : "refused by the model");
		free(why);
	}
	yang_data_free(d);
}
