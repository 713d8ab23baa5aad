/*
 * tree: the backbone file's own tree. Nodes keep the order and the position they were written
 * at; the schema says what each is. libyang's trees are made from it only to evaluate rules.
 *
 * One thread. A node belongs to its tree; strings to their node.
 */
#pragma once

#include "config/conf.h"
#include "config/yang.h"

struct where {
	uint32_t file;      /* index into the tree's files */
	uint32_t line, col; /* from 1 */
};

struct conf_node {
	const struct yang_node *schema; /* NULL: the root */
	char *value; /* of a leaf or leaf-list entry, the key of a list entry; NULL of others */
	struct conf_node *parent, *first, *last, *next;
	struct conf_node *hash_next;
	struct where where; /* a leaf's value, else the statement's first word */
	struct where key;   /* of a list entry: its key */
	size_t index;       /* among the entries of its top-level list; set by backbone_of() */
	bool block;         /* was opened by `{`: a second time is an error */
	bool bad;           /* an error was told of it: it is shown to no rule */
	bool hides;         /* something below it was not read: nothing is missing here */
};

struct conf_tree {
	const struct yang_model *model;
	struct conf_node root;
	struct conf_node **hash;
	size_t hash_size, count;
};

/* Errors as they are found; text is bounded, and so is their number (the rest is counted). */
struct errlist {
	struct conf_errors *errs;
	struct err_at *at; /* parallel to errs->v: the order of the file */
	size_t more;       /* found after the list was full */
	char **files;
	size_t file_count;
};

struct err_at {
	struct where where;
	size_t seq;
};

#define CONF_ERRORS_MAX 100
#define CONF_WORD_MAX 4096 /* bytes of one name or value */

void errlist_add(struct errlist *l, struct where w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sorts into file order, tells the number of those left out, and frees what is not the caller's. */
void errlist_finish(struct errlist *l);
/* Index of a file name, added when new. */
uint32_t errlist_file(struct errlist *l, const char *name);

struct conf_tree *tree_new(const struct yang_model *m);
void tree_free(struct conf_tree *t);
/* The child with this schema and value (NULL: any), or NULL. Any: the first written. */
struct conf_node *tree_find(const struct conf_tree *t, const struct conf_node *parent,
			    const struct yang_node *schema, const char *value);
/* Appends a node; value is copied. NULL: no memory. */
struct conf_node *tree_add(struct conf_tree *t, struct conf_node *parent,
			   const struct yang_node *schema, const char *value, struct where w);
/* The next node in depth-first order below top, NULL at the end. */
struct conf_node *tree_walk(const struct conf_node *top, const struct conf_node *at);
/* Equal as YANG data: same nodes, lists in the same order, whatever their order among others. */
bool tree_equal(const struct conf_tree *a, const struct conf_tree *b);

/* By name. The first child so called, its value, or the schema's default; NULL if neither. */
struct conf_node *tree_child(const struct conf_tree *t, const struct conf_node *parent,
			     const char *name);
/* The next sibling after n of the same name. */
struct conf_node *tree_same(const struct conf_node *n);
const char *tree_leaf(const struct conf_tree *t, const struct conf_node *parent, const char *name);
/* The entry of a list by key. */
struct conf_node *tree_entry(const struct conf_tree *t, const struct conf_node *parent,
			     const char *list, const char *key);
