/*
 * outline: where in its files every statement stands, byte by byte, for who edits the text.
 *
 * It is a second reading of files that the parser has found nothing wrong with in form (names,
 * values, signs); of others it says only that it cannot. Statements are kept as written: one
 * along its path is one statement here, whatever it makes in the tree. One thread; everything
 * belongs to the outline.
 */
#pragma once

#include "config/yang.h"

#include <stdbool.h>
#include <stddef.h>

/* A step of a path: a container, a list's entry, or the leaf at the end. */
struct outline_step {
	const struct yang_node *schema;
	char *key;  /* of an entry, canonical; else NULL */
	size_t end; /* behind its word, or its key's; of the statement's own steps */
};

struct outline_value {
	char *text; /* canonical */
	size_t begin, end;
};

struct outline_stmt {
	size_t file;
	size_t begin, end;         /* its first word; behind its `;`, its `}` or a set line's end */
	struct outline_step *path; /* from the root, those of the blocks around it first */
	size_t outer, depth;       /* steps of the blocks around it; all steps */
	struct outline_value *values; /* of a leaf or leaf-list */
	size_t value_count;
	size_t left, right; /* behind `[`; its `]`; 0: none */
	size_t open, close; /* behind `{`; its `}`; 0: no block */
	size_t parent;      /* the statement whose block it stands in, plus 1; 0: none */
};

struct outline_file {
	char *path;
	const char *text; /* the loader's */
	size_t len;
	bool set;    /* set lines */
	bool shared; /* included twice: what is written here is meant twice */
};

struct outline {
	const struct yang_model *model;
	struct outline_file *files; /* the first is the file itself */
	size_t file_count;
	struct outline_stmt *stmts; /* in reading order: an included file's where it is included */
	size_t count;
};

/* A file's text, which stays until the outline is freed; NULL when there is none. */
typedef const char *outline_load(void *ctx, const char *path, size_t *len);

/* 0; -EINVAL when a file has an error of form; -ENOTSUP for JSON; or another -errno. */
int outline_read(struct outline *o, const struct yang_model *m, const char *path,
		 outline_load *load, void *ctx);
void outline_free(struct outline *o);

/* How many steps at the beginning of two paths are the same, values of leaves apart. */
size_t outline_common(const struct outline_step *a, size_t a_len, const struct outline_step *b,
		      size_t b_len);
