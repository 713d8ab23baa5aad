/*
 * edit: changes statements in a backbone file's text and leaves everything else as it is:
 * comments, order, layout, templates, what is included from where.
 *
 * The changes are made to a copy in memory. It is checked as any file is, and only then written,
 * each file by a new one put in its place. One thread.
 */
#pragma once

#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>

struct conf_edit;

/* Reads a file and what it includes. NULL with *why (malloced) or with errs: an error of form
 * leaves nothing that could be edited; others may be what the edit is to mend. */
struct conf_edit *conf_edit_new(const char *path, struct conf_errors *errs, char **why);
void conf_edit_free(struct conf_edit *e);

/*
 * Sets a statement. words: its path, as `set` lines have it, and its value; of a leaf-list the
 * values to add, or `[`, all values, `]`. A path that ends at a container or a list's entry makes
 * one. What excludes the new statement by a choice goes. A statement that is already so stays as
 * it is. 0, or -errno with *why (malloced): what is wrong with the words.
 */
int conf_edit_set(struct conf_edit *e, const char *const *words, size_t count, char **why);
/* Removes a statement with all below it, or values of a leaf-list. As above; -ENOENT when the
 * files do not have it. */
int conf_edit_unset(struct conf_edit *e, const char *const *words, size_t count, char **why);

/* Lines of `set …` and `unset …`, quotes and comments as in a file of set lines. 0, or -errno with
 * *why (malloced), which names the line; the lines before it are done. */
int conf_edit_script(struct conf_edit *e, const char *text, size_t len, char **why);

/* The result, read and checked: the caller frees it. NULL when it is wrong, all in errs, by lines
 * of the files as they would be. Not while conf_include_by() is in use. */
struct conf *conf_edit_check(struct conf_edit *e, struct conf_errors *errs);
/* The path of the i-th file that is changed, NULL past the last. */
const char *conf_edit_changed(const struct conf_edit *e, size_t i);
/*
 * Writes the files that are changed, each whole or not at all, with the mode and owner it had; a
 * symbolic link stays one. -EBUSY: a file is another than was read. On error *why (malloced)
 * says which file; with several changed, those before it are written.
 */
int conf_edit_write(struct conf_edit *e, char **why);
