/* print: a tree as brace text, set lines or JSON (RFC 7951). What is printed reads back the same. */
#include "config/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool plain(const char *s)
{
	if (!*s)
		return false;
	return strpbrk(s, " \t\r\n{}[];\"#\\") == NULL;
}

void print_word(const char *s, FILE *out)
{
	static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";

	if (plain(s)) {
		fputs(s, out);
		return;
	}
	fputc('"', out);
	for (; *s; s++) {
		const char *e = strchr(from, *s);

		if (e) {
			fputc('\\', out);
			fputc(to[e - from], out);
		} else {
			fputc(*s, out);
		}
	}
	fputc('"', out);
}

/* True of the first of its leaf-list: it prints the others too. */
static bool is_first(const struct conf_node *n)
{
	for (const struct conf_node *s = n->parent->first; s != n; s = s->next)
		if (s->schema == n->schema)
			return false;
	return true;
}

static void text_leaf(const struct conf_node *n, FILE *out)
{
	fputs(yang_name(n->schema), out);
	if (yang_kind(n->schema) == YANG_LEAF_LIST && tree_same(n)) {
		fputs(" [ ", out);
		for (const struct conf_node *s = n; s; s = tree_same(s)) {
			print_word(s->value, out);
			fputc(' ', out);
		}
		fputc(']', out);
	} else if (!yang_is_flag(n->schema)) {
		fputc(' ', out);
		print_word(n->value, out);
	}
	fputs(";\n", out);
}

/* The only statement in a block, if it is one: then the block is written along its path. */
static const struct conf_node *only_leaf(const struct conf_node *n)
{
	const struct conf_node *c = n->first;

	if (!c || yang_kind(n->schema) != YANG_CONTAINER)
		return NULL;
	if (yang_kind(c->schema) != YANG_LEAF && yang_kind(c->schema) != YANG_LEAF_LIST)
		return NULL;
	for (const struct conf_node *s = c->next; s; s = s->next)
		if (s->schema != c->schema)
			return NULL;
	return c;
}

static void print_text(const struct conf_node *parent, int depth, FILE *out)
{
	for (const struct conf_node *n = parent->first; n; n = n->next) {
		enum yang_kind kind = yang_kind(n->schema);

		if (kind == YANG_LEAF_LIST && !is_first(n))
			continue;
		for (int i = 0; i < depth; i++)
			fputs("    ", out);
		if (kind == YANG_LEAF || kind == YANG_LEAF_LIST) {
			text_leaf(n, out);
			continue;
		}
		fputs(yang_name(n->schema), out);
		if (n->value) {
			fputc(' ', out);
			print_word(n->value, out);
		}
		if (!n->first) {
			fputs(";\n", out);
			continue;
		}
		if (only_leaf(n)) {
			fputc(' ', out);
			text_leaf(only_leaf(n), out);
			continue;
		}
		fputs(" {\n", out);
		print_text(n, depth + 1, out);
		for (int i = 0; i < depth; i++)
			fputs("    ", out);
		fputs("}\n", out);
	}
}

static void set_path(const struct conf_node *n, FILE *out)
{
	if (n->parent->schema)
		set_path(n->parent, out);
	fputc(' ', out);
	fputs(yang_name(n->schema), out);
	if (n->value && !yang_is_flag(n->schema)) {
		fputc(' ', out);
		print_word(n->value, out);
	}
}

static void print_set(const struct conf_node *root, FILE *out)
{
	for (const struct conf_node *n = tree_walk(root, root); n; n = tree_walk(root, n)) {
		if (n->first)
			continue;
		fputs("set", out);
		set_path(n, out);
		fputc('\n', out);
	}
}

static void json_string(const char *s, FILE *out)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((uint8_t)*s < 0x20)
			fprintf(out, "\\u%04x", (unsigned)(uint8_t)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void json_value(const struct yang_node *schema, const char *value, FILE *out)
{
	switch (yang_json(schema, value)) {
	case YANG_JSON_NUMBER:
	case YANG_JSON_BOOL:
		fputs(value, out);
		break;
	case YANG_JSON_NULL:
		fputs("[null]", out);
		break;
	default:
		json_string(value, out);
	}
}

static void indent(int depth, FILE *out)
{
	for (int i = 0; i < depth; i++)
		fputs("  ", out);
}

static void print_json(const struct conf_tree *t, const struct conf_node *parent, int depth,
		       FILE *out);

static void json_entry(const struct conf_tree *t, const struct conf_node *n, int depth, FILE *out)
{
	fputs("{\n", out);
	if (n->value) {
		indent(depth + 1, out);
		json_string(yang_name(yang_key(n->schema)), out);
		fputs(": ", out);
		json_value(yang_key(n->schema), n->value, out);
		fputs(n->first ? ",\n" : "\n", out);
	}
	print_json(t, n, depth + 1, out);
	indent(depth, out);
	fputc('}', out);
}

/* Members in the order they were first written; a list's entries under one name. */
static void print_json(const struct conf_tree *t, const struct conf_node *parent, int depth,
		       FILE *out)
{
	const char *sep = "";

	for (const struct conf_node *n = parent->first; n; n = n->next) {
		enum yang_kind kind = yang_kind(n->schema);
		bool many = kind == YANG_LIST || kind == YANG_LEAF_LIST;

		if (many && !is_first(n))
			continue;
		fputs(sep, out);
		sep = ",\n";
		indent(depth, out);
		if (depth == 1)
			fprintf(out, "\"%s:%s\": ", yang_model_name(t->model),
				yang_name(n->schema));
		else
			fprintf(out, "\"%s\": ", yang_name(n->schema));
		if (many)
			fputc('[', out);
		for (const struct conf_node *s = n; s; s = many ? tree_same(s) : NULL) {
			if (s != n)
				fputs(", ", out);
			if (kind == YANG_LIST || kind == YANG_CONTAINER)
				json_entry(t, s, depth, out);
			else
				json_value(s->schema, s->value, out);
		}
		if (many)
			fputc(']', out);
	}
	if (*sep)
		fputc('\n', out);
}

int conf_print(const struct conf *c, enum conf_format f, FILE *out)
{
	const struct conf_node *root = &c->tree->root;

	switch (f) {
	case CONF_TEXT:
		print_text(root, 0, out);
		break;
	case CONF_SET:
		print_set(root, out);
		break;
	case CONF_JSON:
		fputs("{\n", out);
		print_json(c->tree, root, 1, out);
		fputs("}\n", out);
		break;
	default:
		return -EINVAL;
	}
	return ferror(out) ? -EIO : 0;
}
