/*
 * yang: the only door to libyang (2.1). A model is parsed from text once; the rest of the folder
 * sees schema nodes, value checks, descriptions in words, and the model's `when` and `must` rules.
 *
 * One thread. Schema nodes belong to their model. Strings returned as const belong to the model,
 * others to the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct yang_model;
struct yang_node; /* a data node of the schema; choices and cases are looked through */

enum yang_kind { YANG_CONTAINER, YANG_LIST, YANG_LEAF, YANG_LEAF_LIST };

/* What a value looks like in JSON (RFC 7951). */
enum yang_json { YANG_JSON_STRING, YANG_JSON_NUMBER, YANG_JSON_BOOL, YANG_JSON_NULL };

/*
 * Parses a model. Lists must have exactly one key, and there may be no data nodes of other kinds.
 * NULL with *why (malloced) when it does not parse.
 */
struct yang_model *yang_model_new(const char *text, char **why);
void yang_model_free(struct yang_model *m);
const char *yang_model_name(const struct yang_model *m);

/* The children of a container or list, or the top-level nodes (parent NULL), in model order. */
const struct yang_node *yang_next(const struct yang_model *m, const struct yang_node *parent,
				  const struct yang_node *last);
const struct yang_node *yang_child(const struct yang_model *m, const struct yang_node *parent,
				   const char *name, size_t len);
const struct yang_node *yang_parent(const struct yang_node *n);

const char *yang_name(const struct yang_node *n);
const char *yang_help(const struct yang_node *n);  /* description, "" if none */
const char *yang_units(const struct yang_node *n); /* NULL if none */
enum yang_kind yang_kind(const struct yang_node *n);
const struct yang_node *yang_key(const struct yang_node *list);
bool yang_is_key(const struct yang_node *n);
bool yang_is_flag(const struct yang_node *n); /* a leaf of type empty: written without a value */
enum yang_json yang_json(const struct yang_node *n, const char *value);
bool yang_mandatory(const struct yang_node *n);
/* Bounds of a list's or leaf-list's number of entries; *max is UINT32_MAX when unbounded. */
void yang_elements(const struct yang_node *n, uint32_t *min, uint32_t *max);
/* The i-th default of a leaf or leaf-list, NULL past the last. */
const char *yang_default(const struct yang_node *n, size_t i);
/* The data nodes of the i-th choice below parent of which one must be there: at most max in
 * nodes; 0 past the last. */
size_t yang_choice(const struct yang_model *m, const struct yang_node *parent, size_t i,
		   const struct yang_node **nodes, size_t max);
bool yang_in_choice(const struct yang_node *n);
/* True when a and b, siblings, stand in different cases of one choice. */
bool yang_excludes(const struct yang_node *a, const struct yang_node *b);
/* The text of the n-th `when` and `must`, in words, NULL past the last. For the reference. */
const char *yang_rule(const struct yang_node *n, size_t i);

/* Checks a value by its type alone: 0 with *canonical (malloced), or -EINVAL. */
int yang_value(const struct yang_model *m, const struct yang_node *n, const char *value, size_t len,
	       char **canonical);
/* What a value of n may be, in words: "a number from 1 to 4094". */
void yang_expects(const struct yang_node *n, FILE *out);
/* The i-th word a value of n may be literally (enumerations, booleans), NULL past the last;
 * *help (may be NULL) is its description or "". */
const char *yang_word(const struct yang_node *n, size_t i, const char **help);
/* The i-th node whose values n may refer to (leafref, unions of them), NULL past the last. */
const struct yang_node *yang_ref(const struct yang_model *m, const struct yang_node *n, size_t i);
/* True when the value is one that n takes without being a reference. */
bool yang_value_free(const struct yang_model *m, const struct yang_node *n, const char *value);

/*
 * Rules. A scratch copy of a tree is handed over node by node, parents first; `user` comes back
 * with every rule that is broken, all of them.
 */
struct yang_data;
struct yang_item; /* a node of the scratch copy, owned by it */

struct yang_data *yang_data_new(const struct yang_model *m);
void yang_data_free(struct yang_data *d);
/* Top-level nodes come in the model's order of names. value: of a leaf or leaf-list, the key of a list, NULL of a container. NULL when libyang
 * refuses it. */
struct yang_item *yang_data_add(struct yang_data *d, struct yang_item *parent,
				const struct yang_node *n, const char *value, void *user);
/* `sees(arg, atom)` below asks for each schema node the broken rule looked at. */
typedef void (*yang_broken)(void *arg, void *user, const char *what,
			    const struct yang_node *const *atoms, size_t atom_count);
/* 0, or -EIO when a rule itself could not be evaluated. */
int yang_data_rules(struct yang_data *d, yang_broken broken, void *arg);
/* libyang's own verdict on the whole: 0, or -EINVAL with *why (malloced), *user the node it
 * names, if it does. */
int yang_data_validate(struct yang_data *d, char **why, void **user);
/* The whole in libyang's JSON, malloced; for tests that want a second opinion. */
char *yang_data_json(const struct yang_data *d);
/* libyang's reading of JSON: 0, or -EINVAL with *why. For the same tests. */
int yang_json_check(const struct yang_model *m, const char *json, char **printed, char **why);
