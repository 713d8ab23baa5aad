/*
 * yang_data: data side of the libyang wrapper. libyang's own validation stops at the first error
 * and names no line, so `when` and `must` are evaluated here one by one on a scratch tree, and
 * each one broken is told with the caller's pointer to the node it belongs to. libyang's verdict
 * on the whole comes last, as a second opinion.
 */
#include "config/yang_ly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct yang_data {
	const struct yang_model *model;
	struct lyd_node *tree, *last; /* first and last of the top level */
};

struct yang_data *yang_data_new(const struct yang_model *m)
{
	struct yang_data *d = calloc(1, sizeof(*d));

	if (d)
		d->model = m;
	return d;
}

void yang_data_free(struct yang_data *d)
{
	if (!d)
		return;
	lyd_free_all(d->tree);
	free(d);
}

/* lyd_insert_sibling() looks for the place among all siblings; ours come in the model's order, so
 * the place is the end. */
static void link_top(struct yang_data *d, struct lyd_node *node)
{
	if (d->last) {
		node->prev = d->last;
		d->last->next = node;
	} else {
		d->tree = node;
	}
	d->tree->prev = node;
	d->last = node;
}

struct yang_item *yang_data_add(struct yang_data *d, struct yang_item *parent,
				const struct yang_node *n, const char *value, void *user)
{
	struct lyd_node *p = (struct lyd_node *)parent, *node = NULL;
	const char *name = yang_name(n);
	LY_ERR rc;

	switch (yang_kind(n)) {
	case YANG_CONTAINER:
		rc = lyd_new_inner(p, d->model->mod, name, 0, &node);
		break;
	case YANG_LIST:
		rc = lyd_new_list(p, d->model->mod, name, 0, &node, value);
		if (rc == LY_SUCCESS)
			lyd_child(node)->priv = user;
		break;
	default:
		rc = lyd_new_term(p, d->model->mod, name, value ? value : "", 0, &node);
	}
	if (rc != LY_SUCCESS)
		return NULL;
	node->priv = user;
	if (!p)
		link_top(d, node);
	return (struct yang_item *)node;
}

/* The caller's pointer of a node, or of the nearest ancestor it told us of. */
static void *user_of(const struct lyd_node *n)
{
	while (n && !n->priv)
		n = lyd_parent(n);
	return n ? n->priv : NULL;
}

static int eval(const struct yang_data *d, const struct lyd_node *ctx, const struct lyxp_expr *cond,
		const struct lysc_prefix *prefixes, bool *result)
{
	ly_bool b = 0;
	LY_ERR rc = lyd_eval_xpath3(ctx, d->model->mod, lyxp_get_expr(cond),
				    LY_VALUE_SCHEMA_RESOLVED, (void *)prefixes, NULL, &b);

	*result = b;
	return rc == LY_SUCCESS ? 0 : -EIO;
}

static void tell(const struct yang_data *d, const struct lyd_node *n, const struct lyxp_expr *cond,
		 const struct lysc_prefix *prefixes, const char *what, yang_broken broken,
		 void *arg)
{
	struct ly_set *atoms = NULL;

	lys_find_expr_atoms(n->schema, d->model->mod, cond, prefixes, 0, &atoms);
	broken(arg, user_of(n), what, atoms ? (const struct yang_node *const *)atoms->objs : NULL,
	       atoms ? atoms->count : 0);
	ly_set_free(atoms, NULL);
}

static int check_whens(const struct yang_data *d, const struct lyd_node *n, yang_broken broken,
		       void *arg)
{
	/* The node's own, and those of the choices and cases around it. */
	for (const struct lysc_node *s = n->schema; s; s = s->parent) {
		struct lysc_when **whens = lysc_node_when(s);
		LY_ARRAY_COUNT_TYPE i;

		if (s != n->schema && !(s->nodetype & (LYS_CHOICE | LYS_CASE)))
			break;
		LY_ARRAY_FOR(whens, i)
		{
			const struct lyd_node *ctx = n;
			bool ok;

			if (whens[i]->context != n->schema)
				ctx = lyd_parent(n);
			if (!ctx)
				continue;
			if (eval(d, ctx, whens[i]->cond, whens[i]->prefixes, &ok))
				return -EIO;
			if (!ok)
				tell(d, ctx, whens[i]->cond, whens[i]->prefixes,
				     whens[i]->dsc ? whens[i]->dsc : lyxp_get_expr(whens[i]->cond),
				     broken, arg);
		}
	}
	return 0;
}

static int check_musts(const struct yang_data *d, const struct lyd_node *n, yang_broken broken,
		       void *arg)
{
	struct lysc_must *musts = lysc_node_musts(n->schema);
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(musts, i)
	{
		bool ok;

		if (eval(d, n, musts[i].cond, musts[i].prefixes, &ok))
			return -EIO;
		if (!ok)
			tell(d, n, musts[i].cond, musts[i].prefixes,
			     musts[i].emsg ? musts[i].emsg : lyxp_get_expr(musts[i].cond), broken,
			     arg);
	}
	return 0;
}

int yang_data_rules(struct yang_data *d, yang_broken broken, void *arg)
{
	struct lyd_node *root, *n;
	int rc = 0;

	/* Rules may look at defaults. A `when` that is false keeps its defaults away. */
	if (lyd_new_implicit_module(&d->tree, d->model->mod, LYD_IMPLICIT_NO_STATE, NULL) !=
	    LY_SUCCESS)
		return -EIO;
	LY_LIST_FOR(d->tree, root)
	{
		LYD_TREE_DFS_BEGIN(root, n)
		{
			if (rc == 0 && n->priv)
				rc = check_whens(d, n, broken, arg);
			if (rc == 0)
				rc = check_musts(d, n, broken, arg);
			LYD_TREE_DFS_END(root, n);
		}
	}
	return rc;
}

static char *last_error(const struct yang_model *m)
{
	const char *msg = ly_errmsg(m->ctx), *path = ly_errpath(m->ctx);
	char *why = NULL;

	if (asprintf(&why, "%s%s%s%s", msg ? msg : "refused by the model", path ? " (" : "",
		     path ? path : "", path ? ")" : "") < 0)
		return NULL;
	return why;
}

/* The node an error is about: libyang tells it as `Data location "PATH"`. */
static void *user_at(const struct yang_data *d, const char *told)
{
	static const char head[] = "Data location \"";
	const char *at = told ? strstr(told, head) : NULL, *end;
	struct ly_set *set = NULL;
	void *user = NULL;
	char *path;

	if (!at)
		return NULL;
	at += strlen(head);
	end = strrchr(at, '"');
	path = end ? strndup(at, (size_t)(end - at)) : NULL;
	if (path && lyd_find_xpath(d->tree, path, &set) == LY_SUCCESS && set->count)
		user = user_of(set->dnodes[0]);
	ly_set_free(set, NULL);
	free(path);
	return user;
}

int yang_data_validate(struct yang_data *d, char **why, void **user)
{
	const char *path;
	char *told;

	*why = NULL;
	*user = NULL;
	if (lyd_validate_module(&d->tree, d->model->mod, LYD_VALIDATE_NO_STATE, NULL) == LY_SUCCESS)
		return 0;
	*why = last_error(d->model);
	path = ly_errpath(d->model->ctx);
	told = path ? strdup(path) : NULL; /* finding the node may replace it */
	*user = user_at(d, told);
	free(told);
	return -EINVAL;
}

char *yang_data_json(const struct yang_data *d)
{
	char *out = NULL;

	if (lyd_print_mem(&out, d->tree, LYD_JSON,
			  LYD_PRINT_WITHSIBLINGS | LYD_PRINT_WD_EXPLICIT) != LY_SUCCESS)
		return NULL;
	return out;
}

int yang_json_check(const struct yang_model *m, const char *json, char **printed, char **why)
{
	struct lyd_node *tree = NULL;
	int rc = -EINVAL;

	*printed = *why = NULL;
	if (lyd_parse_data_mem(m->ctx, json, LYD_JSON, LYD_PARSE_STRICT, LYD_VALIDATE_NO_STATE,
			       &tree) != LY_SUCCESS) {
		*why = last_error(m);
	} else if (lyd_print_mem(printed, tree, LYD_JSON,
				 LYD_PRINT_WITHSIBLINGS | LYD_PRINT_WD_EXPLICIT) == LY_SUCCESS) {
		rc = 0;
	}
	lyd_free_all(tree);
	return rc;
}
