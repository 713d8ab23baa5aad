/*
 * build: how every reader (text, set lines, JSON) puts what it read into a tree: looks names up,
 * checks values, tells duplicates and choices made twice.
 */
#pragma once

#include "config/tree.h"

struct builder {
	struct conf_tree *tree;
	struct errlist *errs;
};

/* The child of parent so named, or NULL, told, with what is near or accepted. */
const struct yang_node *build_name(struct builder *b, struct conf_node *parent, const char *s,
				   size_t len, struct where w);
/* Sets a leaf or adds to a leaf-list; value NULL of a flag. False when it was refused, told. */
bool build_leaf(struct builder *b, struct conf_node *parent, const struct yang_node *n,
		const char *value, size_t len, struct where w);
/*
 * Opens a container (key NULL) or list entry, new or known. A body in braces may come once.
 * Never NULL but without memory: an entry under a bad key is made too, for the errors within.
 */
struct conf_node *build_open(struct builder *b, struct conf_node *parent, const struct yang_node *n,
			     const char *key, size_t len, struct where w, struct where key_at,
			     bool block);
/* Tells that n takes something else than what stands at w. */
void build_expected(struct builder *b, const struct yang_node *n, const char *got, size_t len,
		    struct where w);
/* Marks a leaf as told of: it is neither there nor missing. */
void build_ghost(struct builder *b, struct conf_node *parent, const struct yang_node *n,
		 struct where w);
/* A word for a message: at most 40 bytes of it, in a buffer of the caller's. */
const char *build_quote(char buf[64], const char *s, size_t len);
/* The edit distance of two words, transpositions counted once, at most 9. */
unsigned build_distance(const char *a, size_t alen, const char *b, size_t blen);
/* The distance from which on a word of so many bytes is not taken for another one misspelt. */
unsigned build_near(size_t len);
