/*
 * js: JSON documents, the one door to the library behind them.
 *
 * Building never fails half-way: memory that is not there ends the process, since documents here
 * are small. Reading is total: a member that is missing or of another type gives NULL, 0 or
 * false, so that a reader of somebody else's document needs no checks in between. One thread per
 * document.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct js; /* one value; a child belongs to its parent */

struct js *js_object(void);
struct js *js_array(void);
/* Frees a value that has no parent. */
void js_free(struct js *j);

/* Members, in the order they were set; the key is copied. */
void js_set_text(struct js *obj, const char *key, const char *value); /* NULL: null */
void js_set_format(struct js *obj, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void js_set_u64(struct js *obj, const char *key, uint64_t value); /* saturates at 2^63 - 1 */
void js_set_bool(struct js *obj, const char *key, bool value);
void js_set_hex(struct js *obj, const char *key, const void *bytes, size_t len);
void js_set(struct js *obj, const char *key, struct js *child); /* takes the child; NULL: null */
void js_push(struct js *array, struct js *child);               /* takes the child */
void js_push_text(struct js *array, const char *value);
/* New empty ones, already inside. */
struct js *js_set_array(struct js *obj, const char *key);
struct js *js_set_object(struct js *obj, const char *key);
struct js *js_push_object(struct js *array);

/* The document as text of one line, or indented; the caller frees it. len may be NULL. */
char *js_print(const struct js *j, bool indented, size_t *len);

/* NULL when it is not exactly one JSON object or array. */
struct js *js_parse(const char *text, size_t len);

const struct js *js_get(const struct js *obj, const char *key); /* NULL when not there or null */
const char *js_text(const struct js *obj, const char *key);
uint64_t js_u64(const struct js *obj, const char *key); /* negative numbers are 0 */
bool js_bool(const struct js *obj, const char *key);
size_t js_len(const struct js *array);
const struct js *js_at(const struct js *array, size_t i);
/* The i-th member of an object; *key is its name. NULL past the end. */
const struct js *js_member(const struct js *obj, size_t i, const char **key);
/* Of a value itself, for members walked by js_member() and js_at(). */
const char *js_value_text(const struct js *j);
uint64_t js_value_u64(const struct js *j);
