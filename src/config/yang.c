/*
 * yang: schema side of the libyang wrapper: models, navigation, types in words.
 */
#include "config/yang_ly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct lysc_node *ly(const struct yang_node *n)
{
	return (const struct lysc_node *)n;
}

static const struct yang_node *node_of(const struct lysc_node *n)
{
	return (const struct yang_node *)n;
}

/* The type of a leaf or leaf-list, NULL of others. */
static const struct lysc_type *type_of(const struct lysc_node *n)
{
	if (n->nodetype == LYS_LEAF)
		return ((const struct lysc_node_leaf *)n)->type;
	if (n->nodetype == LYS_LEAFLIST)
		return ((const struct lysc_node_leaflist *)n)->type;
	return NULL;
}

/* Lists with one key, containers, leafs and leaf-lists only: what the file's grammar can say. */
static bool fits_grammar(const struct yang_model *m, const struct yang_node *parent)
{
	const struct yang_node *n = NULL;

	while ((n = yang_next(m, parent, n))) {
		switch (ly(n)->nodetype) {
		case LYS_LEAF:
		case LYS_LEAFLIST:
			break;
		case LYS_LIST:
			if (!yang_key(n))
				return false;
			/* fall through */
		case LYS_CONTAINER:
			if (!fits_grammar(m, n))
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

struct yang_model *yang_model_new(const char *text, char **why)
{
	struct yang_model *m = calloc(1, sizeof(*m));
	struct lys_module *mod = NULL;
	const char *msg;

	*why = NULL;
	if (!m)
		return NULL;
	ly_log_options(LY_LOSTORE_LAST);
	if (ly_ctx_new(NULL, LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIRS, &m->ctx) ||
	    lys_parse_mem(m->ctx, text, LYS_IN_YANG, &mod)) {
		msg = m->ctx ? ly_errmsg(m->ctx) : NULL;
		*why = strdup(msg ? msg : "no memory");
		goto fail;
	}
	m->mod = mod;
	if (!fits_grammar(m, NULL)) {
		*why = strdup(
			"only containers, leafs, leaf-lists and lists with one key are known");
		goto fail;
	}
	return m;
fail:
	yang_model_free(m);
	return NULL;
}

void yang_model_free(struct yang_model *m)
{
	if (!m)
		return;
	ly_ctx_destroy(m->ctx);
	free(m);
}

const char *yang_model_name(const struct yang_model *m)
{
	return m->mod->name;
}

const struct yang_node *yang_next(const struct yang_model *m, const struct yang_node *parent,
				  const struct yang_node *last)
{
	if (parent && !(ly(parent)->nodetype & (LYS_LIST | LYS_CONTAINER)))
		return NULL;
	return node_of(lys_getnext(ly(last), ly(parent), parent ? NULL : m->mod->compiled, 0));
}

const struct yang_node *yang_child(const struct yang_model *m, const struct yang_node *parent,
				   const char *name, size_t len)
{
	const struct yang_node *n = NULL;

	while ((n = yang_next(m, parent, n)))
		if (strlen(yang_name(n)) == len && memcmp(yang_name(n), name, len) == 0)
			return n;
	return NULL;
}

const struct yang_node *yang_parent(const struct yang_node *n)
{
	return node_of(lysc_data_parent(ly(n)));
}

const char *yang_name(const struct yang_node *n)
{
	return ly(n)->name;
}

const char *yang_help(const struct yang_node *n)
{
	return ly(n)->dsc ? ly(n)->dsc : "";
}

const char *yang_units(const struct yang_node *n)
{
	if (ly(n)->nodetype == LYS_LEAF)
		return ((const struct lysc_node_leaf *)n)->units;
	return NULL;
}

enum yang_kind yang_kind(const struct yang_node *n)
{
	switch (ly(n)->nodetype) {
	case LYS_LIST:
		return YANG_LIST;
	case LYS_LEAF:
		return YANG_LEAF;
	case LYS_LEAFLIST:
		return YANG_LEAF_LIST;
	default:
		return YANG_CONTAINER;
	}
}

const struct yang_node *yang_key(const struct yang_node *list)
{
	const struct lysc_node *c = lysc_node_child(ly(list));

	if (!c || !(c->flags & LYS_KEY) || (c->next && (c->next->flags & LYS_KEY)))
		return NULL;
	return node_of(c);
}

bool yang_is_key(const struct yang_node *n)
{
	return ly(n)->nodetype == LYS_LEAF && (ly(n)->flags & LYS_KEY);
}

bool yang_is_flag(const struct yang_node *n)
{
	return ly(n)->nodetype == LYS_LEAF && type_of(ly(n))->basetype == LY_TYPE_EMPTY;
}

/* The member of a union that takes the value; the type itself when it is no union. */
static const struct lysc_type *real_type(const struct lysc_node *n, const char *value)
{
	const struct lysc_type *real = NULL;

	if (lyd_value_validate(NULL, n, value, strlen(value), NULL, &real, NULL) == LY_SUCCESS &&
	    real)
		return real;
	return type_of(n);
}

enum yang_json yang_json(const struct yang_node *n, const char *value)
{
	const struct lysc_type *t = real_type(ly(n), value);

	while (t->basetype == LY_TYPE_LEAFREF)
		t = ((const struct lysc_type_leafref *)t)->realtype;
	switch (t->basetype) {
	case LY_TYPE_EMPTY:
		return YANG_JSON_NULL;
	case LY_TYPE_BOOL:
		return YANG_JSON_BOOL;
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_INT8:
	case LY_TYPE_INT16:
	case LY_TYPE_INT32:
		return YANG_JSON_NUMBER;
	default:
		return YANG_JSON_STRING;
	}
}

bool yang_mandatory(const struct yang_node *n)
{
	return ly(n)->nodetype == LYS_LEAF && (ly(n)->flags & LYS_MAND_TRUE) && !yang_is_key(n);
}

void yang_elements(const struct yang_node *n, uint32_t *min, uint32_t *max)
{
	*min = 0;
	*max = UINT32_MAX;
	if (ly(n)->nodetype == LYS_LIST) {
		*min = ((const struct lysc_node_list *)n)->min;
		*max = ((const struct lysc_node_list *)n)->max;
	} else if (ly(n)->nodetype == LYS_LEAFLIST) {
		*min = ((const struct lysc_node_leaflist *)n)->min;
		*max = ((const struct lysc_node_leaflist *)n)->max;
	}
	if (!*max)
		*max = UINT32_MAX;
}

const char *yang_default(const struct yang_node *n, size_t i)
{
	const struct ly_ctx *ctx = ly(n)->module->ctx;

	if (ly(n)->nodetype == LYS_LEAF) {
		const struct lysc_node_leaf *l = (const void *)n;

		return i == 0 && l->dflt ? lyd_value_get_canonical(ctx, l->dflt) : NULL;
	}
	if (ly(n)->nodetype == LYS_LEAFLIST) {
		const struct lysc_node_leaflist *l = (const void *)n;

		return i < LY_ARRAY_COUNT(l->dflts) ? lyd_value_get_canonical(ctx, l->dflts[i])
						    : NULL;
	}
	return NULL;
}

size_t yang_choice(const struct yang_model *m, const struct yang_node *parent, size_t i,
		   const struct yang_node **nodes, size_t max)
{
	const struct lysc_node *c = NULL, *n = NULL;
	size_t count = 0;

	while ((c = lys_getnext(c, ly(parent), parent ? NULL : m->mod->compiled,
				LYS_GETNEXT_WITHCHOICE)))
		if (c->nodetype == LYS_CHOICE && (c->flags & LYS_MAND_TRUE) && i-- == 0)
			break;
	while (c && count < max && (n = lys_getnext(n, c, NULL, 0)))
		nodes[count++] = node_of(n);
	return count;
}

bool yang_in_choice(const struct yang_node *n)
{
	return ly(n)->parent && ly(n)->parent->nodetype == LYS_CASE;
}

bool yang_excludes(const struct yang_node *a, const struct yang_node *b)
{
	for (const struct lysc_node *ca = ly(a)->parent;
	     ca && ca->nodetype != LYS_LIST && ca->nodetype != LYS_CONTAINER; ca = ca->parent) {
		if (ca->nodetype != LYS_CASE)
			continue;
		for (const struct lysc_node *cb = ly(b)->parent;
		     cb && cb->nodetype != LYS_LIST && cb->nodetype != LYS_CONTAINER;
		     cb = cb->parent)
			if (cb->nodetype == LYS_CASE && cb->parent == ca->parent && cb != ca)
				return true;
	}
	return false;
}

const char *yang_rule(const struct yang_node *n, size_t i)
{
	struct lysc_when **whens = lysc_node_when(ly(n));
	struct lysc_must *musts = lysc_node_musts(ly(n));

	if (i < LY_ARRAY_COUNT(whens))
		return whens[i]->dsc ? whens[i]->dsc : lyxp_get_expr(whens[i]->cond);
	i -= LY_ARRAY_COUNT(whens);
	if (i < LY_ARRAY_COUNT(musts))
		return musts[i].emsg ? musts[i].emsg : lyxp_get_expr(musts[i].cond);
	return NULL;
}

int yang_value(const struct yang_model *m, const struct yang_node *n, const char *value, size_t len,
	       char **canonical)
{
	const char *canon = NULL;
	LY_ERR rc = lyd_value_validate(m->ctx, ly(n), value, len, NULL, NULL, &canon);

	*canonical = NULL;
	if (rc != LY_SUCCESS && rc != LY_EINCOMPLETE)
		return -EINVAL;
	*canonical = canon ? strdup(canon) : strndup(value, len);
	if (canon)
		lydict_remove(m->ctx, canon);
	return *canonical ? 0 : -ENOMEM;
}

/* Number bounds; strings' lengths share the unsigned half. */
static void expects_range(const struct lysc_range *r, bool is_signed, const char *unit, FILE *out)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(r->parts, i)
	{
		if (i)
			fputs(", or ", out);
		if (is_signed && r->parts[i].min_64 == r->parts[i].max_64)
			fprintf(out, "%lld", (long long)r->parts[i].min_64);
		else if (is_signed)
			fprintf(out, "from %lld to %lld", (long long)r->parts[i].min_64,
				(long long)r->parts[i].max_64);
		else if (r->parts[i].min_u64 == r->parts[i].max_u64)
			fprintf(out, "%llu", (unsigned long long)r->parts[i].min_u64);
		else
			fprintf(out, "from %llu to %llu", (unsigned long long)r->parts[i].min_u64,
				(unsigned long long)r->parts[i].max_u64);
	}
	fputs(unit, out);
}

static void expects_number(const struct lysc_type *t, FILE *out)
{
	static const struct {
		const char *bounds;
		bool is_signed;
	} plain[] = {
		[LY_TYPE_UINT8] = {"from 0 to 255", false},
		[LY_TYPE_UINT16] = {"from 0 to 65535", false},
		[LY_TYPE_UINT32] = {"from 0 to 4294967295", false},
		[LY_TYPE_UINT64] = {"from 0 to 18446744073709551615", false},
		[LY_TYPE_INT8] = {"from -128 to 127", true},
		[LY_TYPE_INT16] = {"from -32768 to 32767", true},
		[LY_TYPE_INT32] = {"from -2147483648 to 2147483647", true},
		[LY_TYPE_INT64] = {"from -9223372036854775808 to 9223372036854775807", true},
	};
	const struct lysc_range *r = ((const struct lysc_type_num *)t)->range;

	fputs("a number ", out);
	if (r && r->emsg)
		fputs(r->emsg, out);
	else if (r)
		expects_range(r, plain[t->basetype].is_signed, "", out);
	else
		fputs(plain[t->basetype].bounds, out);
}

static void expects_string(const struct lysc_type_str *t, FILE *out)
{
	const char *said = NULL;
	LY_ARRAY_COUNT_TYPE i;
	int n = 0;

	LY_ARRAY_FOR(t->patterns, i)
	{
		const char *e = t->patterns[i]->emsg;

		if (e && said && strcmp(e, said) == 0)
			continue;
		fprintf(out, "%s%s%s", n++ ? ", " : "", e ? "" : "text matching ",
			e ? e : t->patterns[i]->expr);
		said = e;
	}
	if (t->length && t->length->emsg) {
		if (!said || strcmp(said, t->length->emsg) != 0)
			fprintf(out, "%s%s", n++ ? ", " : "", t->length->emsg);
	} else if (t->length) {
		fputs(n++ ? ", " : "text of length ", out);
		expects_range(t->length, false, " characters", out);
	}
	if (!n)
		fputs("any text", out);
}

static void expects_type(const struct lysc_node *n, const struct lysc_type *t, FILE *out);

/* The words of an enumeration or of bits. */
static void expects_items(const struct lysc_type_bitenum_item *items, const char *of, FILE *out)
{
	LY_ARRAY_COUNT_TYPE i, count = LY_ARRAY_COUNT(items);

	if (count > 1)
		fputs(of, out);
	LY_ARRAY_FOR(items, i)
	fprintf(out, "%s`%s`", i == 0 ? "" : i + 1 == count ? " or " : ", ", items[i].name);
}

static void expects_decimal(const struct lysc_type_dec *t, FILE *out)
{
	double scale = 1;

	for (int i = 0; i < t->fraction_digits; i++)
		scale *= 10;
	fputs("a decimal number", out);
	for (LY_ARRAY_COUNT_TYPE i = 0; t->range && i < LY_ARRAY_COUNT(t->range->parts); i++)
		fprintf(out, "%s from %g to %g", i ? " or" : "",
			(double)t->range->parts[i].min_64 / scale,
			(double)t->range->parts[i].max_64 / scale);
	fprintf(out, " with at most %u digit%s after the point", t->fraction_digits,
		t->fraction_digits == 1 ? "" : "s");
}

static void expects_ref(const struct lysc_node *n, const struct lysc_type *t, FILE *out)
{
	const struct lysc_node *target = yang_ref_target(n, t);

	if (target && (target->flags & LYS_KEY))
		fprintf(out, "the name of a `%s`", lysc_data_parent(target)->name);
	else
		fprintf(out, "a value of `%s`", target ? target->name : "?");
}

static void expects_type(const struct lysc_node *n, const struct lysc_type *t, FILE *out)
{
	LY_ARRAY_COUNT_TYPE i;

	switch (t->basetype) {
	case LY_TYPE_STRING:
		expects_string((const struct lysc_type_str *)t, out);
		break;
	case LY_TYPE_ENUM:
		expects_items(((const struct lysc_type_enum *)t)->enums, "one of ", out);
		break;
	case LY_TYPE_BOOL:
		fputs("`true` or `false`", out);
		break;
	case LY_TYPE_EMPTY:
		fputs("no value", out);
		break;
	case LY_TYPE_LEAFREF:
		expects_ref(n, t, out);
		break;
	case LY_TYPE_UNION:
		LY_ARRAY_FOR(((const struct lysc_type_union *)t)->types, i)
		{
			if (i)
				fputs(", or ", out);
			expects_type(n, ((const struct lysc_type_union *)t)->types[i], out);
		}
		break;
	case LY_TYPE_UINT8 ... LY_TYPE_UINT64:
	case LY_TYPE_INT8 ... LY_TYPE_INT64:
		expects_number(t, out);
		break;
	case LY_TYPE_DEC64:
		expects_decimal((const struct lysc_type_dec *)t, out);
		break;
	case LY_TYPE_BITS:
		expects_items(((const struct lysc_type_bits *)t)->bits, "any of ", out);
		break;
	case LY_TYPE_BINARY:
		fputs("base64 text", out);
		break;
	default:
		fputs("a value of the model's type", out);
	}
}

void yang_expects(const struct yang_node *n, FILE *out)
{
	if (yang_kind(n) == YANG_LIST)
		n = yang_key(n);
	if (n && type_of(ly(n)))
		expects_type(ly(n), type_of(ly(n)), out);
}

/* The i-th word of a type; *i counts down over the members of unions. */
static const char *word_of(const struct lysc_type *t, size_t *i, const char **help)
{
	static const char *const bools[] = {"true", "false"};
	LY_ARRAY_COUNT_TYPE k;

	if (t->basetype == LY_TYPE_ENUM) {
		const struct lysc_type_enum *e = (const void *)t;

		if (*i < LY_ARRAY_COUNT(e->enums)) {
			*help = e->enums[*i].dsc;
			return e->enums[*i].name;
		}
		*i -= LY_ARRAY_COUNT(e->enums);
	} else if (t->basetype == LY_TYPE_BOOL) {
		if (*i < 2)
			return bools[*i];
		*i -= 2;
	} else if (t->basetype == LY_TYPE_UNION) {
		LY_ARRAY_FOR(((const struct lysc_type_union *)t)->types, k)
		{
			const char *w =
				word_of(((const struct lysc_type_union *)t)->types[k], i, help);

			if (w)
				return w;
		}
	}
	return NULL;
}

const char *yang_word(const struct yang_node *n, size_t i, const char **help)
{
	const char *none, *w;

	if (yang_kind(n) == YANG_LIST)
		n = yang_key(n);
	if (!help)
		help = &none;
	*help = NULL;
	w = n && type_of(ly(n)) ? word_of(type_of(ly(n)), &i, help) : NULL;
	if (!*help)
		*help = "";
	return w;
}

/*
 * Follows a leafref's path through the schema. Steps are names with or without prefix and `..`;
 * predicates are not used by our models and end the walk.
 */
const struct lysc_node *yang_ref_target(const struct lysc_node *n, const struct lysc_type *t)
{
	const char *p = lyxp_get_expr(((const struct lysc_type_leafref *)t)->path);
	const struct lysc_node *at = *p == '/' ? NULL : n;

	while (*p) {
		const char *colon, *next = NULL;
		size_t len;

		p += *p == '/';
		len = strcspn(p, "/");
		if (len == 2 && memcmp(p, "..", 2) == 0) {
			at = lysc_data_parent(at);
		} else {
			const struct lysc_node *c = NULL;

			colon = memchr(p, ':', len);
			next = colon ? colon + 1 : p;
			while ((c = lys_getnext(c, at, at ? NULL : n->module->compiled, 0)))
				if (strlen(c->name) == (size_t)(p + len - next) &&
				    memcmp(c->name, next, strlen(c->name)) == 0)
					break;
			if (!c)
				return NULL;
			at = c;
		}
		p += len;
	}
	return at;
}

static const struct lysc_node *ref_of(const struct lysc_node *n, const struct lysc_type *t,
				      size_t *i)
{
	LY_ARRAY_COUNT_TYPE k;

	if (t->basetype == LY_TYPE_LEAFREF && (*i)-- == 0)
		return yang_ref_target(n, t);
	if (t->basetype == LY_TYPE_UNION) {
		LY_ARRAY_FOR(((const struct lysc_type_union *)t)->types, k)
		{
			const struct lysc_node *r =
				ref_of(n, ((const struct lysc_type_union *)t)->types[k], i);

			if (r)
				return r;
		}
	}
	return NULL;
}

const struct yang_node *yang_ref(const struct yang_model *m, const struct yang_node *n, size_t i)
{
	(void)m;
	if (yang_kind(n) == YANG_LIST)
		n = yang_key(n);
	return n && type_of(ly(n)) ? node_of(ref_of(ly(n), type_of(ly(n)), &i)) : NULL;
}

bool yang_value_free(const struct yang_model *m, const struct yang_node *n, const char *value)
{
	const struct lysc_type *real = NULL;

	if (yang_kind(n) == YANG_LIST)
		n = yang_key(n);
	/* A union takes the first member that fits; one that is a reference is incomplete. */
	return lyd_value_validate(NULL, ly(n), value, strlen(value), NULL, &real, NULL) ==
		       LY_SUCCESS &&
	       (!real || real->basetype != LY_TYPE_LEAFREF) && m;
}
