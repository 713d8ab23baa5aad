/*
 * parse: text, set lines and JSON into a tree, driven by the model. Reads on after an error.
 */
#pragma once

#include "config/build.h"

/* Bounds of what a file may make us read, its includes together. */
#define PARSE_BYTES_MAX (16u << 20)
#define PARSE_FILES_MAX 256
#define PARSE_INCLUDE_MAX 16
#define PARSE_NODES_MAX 500000

struct source {
	const struct source *from; /* the file that includes this one */
	const char *name;
	struct where where; /* of that include */
};

struct reading {
	struct builder b;
	size_t bytes, files;
	bool full; /* a bound was hit, told once */
};

/* Reads a whole file into memory with a byte 0 behind it; NULL with errno. At most max bytes,
 * else EFBIG. `include` takes regular files alone: another might never end, or never begin. */
char *parse_load(const char *path, bool regular, size_t max, size_t *len);

/* The path of a file that the file `name` includes as s, malloced. */
char *parse_beside(const char *name, const char *s, size_t len);

void parse_text(struct reading *r, const struct source *src, const char *text, size_t len,
		struct conf_node *top);
void parse_set(struct reading *r, const struct source *src, const char *text, size_t len);
void parse_json(struct reading *r, const struct source *src, const char *text, size_t len);
