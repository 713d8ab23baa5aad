/* edit_i: what the edit's files share: texts in memory, the outline of them as they are now, the
 * statement that a command names, and where text goes. */
#pragma once

#include "config/edit.h"
#include "config/outline.h"

#define TARGET_DEPTH_MAX 16

struct edit_file {
	char *path, *text, *was; /* now, and as read */
	size_t len, was_len;
};

struct conf_edit {
	const struct yang_model *model;
	char *path;
	struct edit_file *files;
	size_t file_count;
	struct outline o;
};

/* What a command's words name. */
struct target {
	struct outline_step path[TARGET_DEPTH_MAX];
	size_t depth;
	bool leaf, list, flag; /* the last step: a leaf or leaf-list; a leaf-list; a flag */
	char **values;         /* canonical */
	size_t count;
	bool all; /* the values are all there shall be */
};

/* edit_file.c */
/* Replaces a piece of a file of the outline, and reads the outline anew. 0 or -errno. */
int edit_splice(struct conf_edit *e, size_t file, size_t begin, size_t end, const char *text);
int edit_outline(struct conf_edit *e);

/* edit_target.c */
/* 0, or -EINVAL with *why. */
int target_parse(struct target *t, const struct yang_model *m, const char *const *words,
		 size_t count, bool set, char **why);
void target_free(struct target *t);

/* edit_layout.c */
/* Puts a statement where its like stand; values: those of its leaf. 0 or -errno. */
int layout_insert(struct conf_edit *e, const struct target *t, char *const *values, size_t count);
/* Takes a piece of text out, with the line when nothing else is on it. 0 or -errno. */
int layout_remove(struct conf_edit *e, size_t file, size_t begin, size_t end);
/* Adds values to a list in brackets. 0 or -errno. */
int layout_extend(struct conf_edit *e, const struct outline_stmt *s, char *const *values,
		  size_t count);
/* "a", or "[ a b ]". The caller frees it; NULL without memory. */
char *layout_values(char *const *values, size_t count);
