/* A struct js is jansson's own value under another name; ownership follows the parents. */
#include "base/js.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *in(const struct js *j)
{
	return (json_t *)(uintptr_t)j;
}

static struct js *out(json_t *v)
{
	return (struct js *)(void *)v;
}

static json_t *must(json_t *v)
{
	if (!v)
		abort();
	return v;
}

static void set_new(struct js *obj, const char *key, json_t *v)
{
	if (json_object_set_new_nocheck(in(obj), key, must(v)) < 0)
		abort();
}

struct js *js_object(void)
{
	return out(must(json_object()));
}

struct js *js_array(void)
{
	return out(must(json_array()));
}

void js_free(struct js *j)
{
	json_decref(in(j));
}

/* Text from outside may be no UTF-8; a document with it would not be JSON. */
static json_t *text_value(const char *s)
{
	json_t *v = json_string(s);

	return v ? v : json_string("(not UTF-8)");
}

void js_set_text(struct js *obj, const char *key, const char *value)
{
	set_new(obj, key, value ? text_value(value) : json_null());
}

void js_set_format(struct js *obj, const char *key, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	js_set_text(obj, key, s);
	free(s);
}

void js_set_u64(struct js *obj, const char *key, uint64_t value)
{
	set_new(obj, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

void js_set_bool(struct js *obj, const char *key, bool value)
{
	set_new(obj, key, json_boolean(value));
}

void js_set_hex(struct js *obj, const char *key, const void *bytes, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *b = bytes;
	char s[129];

	if (len > (sizeof(s) - 1) / 2)
		len = (sizeof(s) - 1) / 2;
	for (size_t i = 0; i < len; i++) {
		s[2 * i] = digit[b[i] >> 4];
		s[2 * i + 1] = digit[b[i] & 15];
	}
	s[2 * len] = 0;
	js_set_text(obj, key, s);
}

void js_set(struct js *obj, const char *key, struct js *child)
{
	set_new(obj, key, child ? in(child) : json_null());
}

void js_push(struct js *array, struct js *child)
{
	if (json_array_append_new(in(array), in(child)) < 0)
		abort();
}

void js_push_text(struct js *array, const char *value)
{
	js_push(array, out(must(text_value(value))));
}

struct js *js_set_array(struct js *obj, const char *key)
{
	struct js *j = js_array();

	js_set(obj, key, j);
	return j;
}

struct js *js_set_object(struct js *obj, const char *key)
{
	struct js *j = js_object();

	js_set(obj, key, j);
	return j;
}

struct js *js_push_object(struct js *array)
{
	struct js *j = js_object();

	js_push(array, j);
	return j;
}

char *js_print(const struct js *j, bool indented, size_t *len)
{
	char *s = json_dumps(in(j), indented ? JSON_INDENT(2) : JSON_COMPACT);

	if (!s)
		abort();
	if (len)
		*len = strlen(s);
	return s;
}

struct js *js_parse(const char *text, size_t len)
{
	json_error_t e;

	return out(json_loadb(text, len, JSON_REJECT_DUPLICATES, &e));
}

const struct js *js_get(const struct js *obj, const char *key)
{
	json_t *v = json_object_get(in(obj), key);

	return v && !json_is_null(v) ? out(v) : NULL;
}

const char *js_text(const struct js *obj, const char *key)
{
	return js_value_text(js_get(obj, key));
}

uint64_t js_u64(const struct js *obj, const char *key)
{
	return js_value_u64(js_get(obj, key));
}

bool js_bool(const struct js *obj, const char *key)
{
	return json_is_true(in(js_get(obj, key)));
}

size_t js_len(const struct js *array)
{
	return json_array_size(in(array));
}

const struct js *js_at(const struct js *array, size_t i)
{
	return out(json_array_get(in(array), i));
}

const struct js *js_member(const struct js *obj, size_t i, const char **key)
{
	void *at = json_object_iter(in(obj));

	while (at && i--)
		at = json_object_iter_next(in(obj), at);
	if (!at)
		return NULL;
	*key = json_object_iter_key(at);
	return out(json_object_iter_value(at));
}

const char *js_value_text(const struct js *j)
{
	return json_string_value(in(j));
}

uint64_t js_value_u64(const struct js *j)
{
	json_int_t v = json_integer_value(in(j));

	return v < 0 ? 0 : (uint64_t)v;
}
