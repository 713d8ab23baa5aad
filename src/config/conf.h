/*
 * conf: the backbone file as text, tree, `set` lines and JSON.
 *
 * The YANG model yang/myelin.yang alone drives the parser: a statement is looked up among the
 * schema's children, its value is checked by the schema's type. Every name and value error keeps
 * the line and column of its token; all errors of a file are reported, cross-references too.
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct conf; /* a parsed tree, owns everything below it */

enum conf_format { CONF_TEXT, CONF_SET, CONF_JSON };

struct conf_error {
	char *file;         /* as opened, `include`d files by their own name */
	unsigned line, col; /* from 1; 0: the file as a whole */
	char *text;         /* what, and what would be accepted */
};

struct conf_errors {
	struct conf_error *v;
	size_t count;
};

/*
 * Reads and checks a file. The format is told from its first token (JSON by '{', set lines by
 * the word `set`). Returns NULL when there is any error; errs holds all of them, in file order.
 */
struct conf *conf_read_file(const char *path, struct conf_errors *errs);
/* The same of memory; name stands in for the path in errors, and `include` is relative to it. */
struct conf *conf_read(const char *name, const char *text, size_t len, struct conf_errors *errs);
void conf_free(struct conf *c);

/* Who opens what a file includes, by the path it would be opened by: a descriptor (which becomes
 * the reader's) or -errno. NULL: open(2). For a process that sees no file system. */
typedef int conf_open_fn(void *ctx, const char *path);
void conf_include_by(conf_open_fn *opener, void *ctx);

/* What is not wrong but worth telling before it is run, e.g. what this version does not build or
 * what is let out in clear. In file order; belongs to c. */
const struct conf_errors *conf_warnings(const struct conf *c);

/* Prints the tree; what is printed reads back to the same tree. 0 or -errno. */
int conf_print(const struct conf *c, enum conf_format f, FILE *out);

/*
 * What may come next in a statement along its path, from the model: for error texts, completion
 * and help. path is the words so far, e.g. {"overlay", "core", "design"}.
 */
struct conf_candidate {
	char *word; /* a statement's name, or a value that may be written */
	char *help; /* its description, "" if none */
};

struct conf_candidates {
	struct conf_candidate *v;
	size_t count;
	char *expects; /* where a value or key is next: what it may be, in words; else NULL */
	bool done;     /* the statement may end here */
};

/* c (may be NULL) gives the names that references and list keys can say. 0, -ENOENT when the
 * model does not know the path, -ENOMEM. The caller frees *out with conf_candidates_free(). */
int conf_candidates(const struct conf *c, const char *const *path, size_t len,
		    struct conf_candidates *out);
void conf_candidates_free(struct conf_candidates *k);

/* `file:line:col: text` each, one a line. */
void conf_errors_print(const struct conf_errors *errs, FILE *out);
void conf_errors_free(struct conf_errors *errs);
