/*
 * model: the reach of the YANG model. Statements of every kind are added to it, and trees are made
 * at random from whatever it holds: no C knows of either.
 */
#include "config/lex.h"
#include "config/model.h"
#include "config/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The model with statements added to `list site`. */
static struct yang_model *extended(const char *added)
{
	static const char mark[] = "leaf location {";
	const char *at = strstr(conf_yang, mark);
	struct yang_model *m;
	char *yang, *why;

	assert_non_null(at);
	assert_true(asprintf(&yang, "%.*s%s%s", (int)(at - conf_yang), conf_yang, added, at) > 0);
	m = yang_model_new(yang, &why);
	if (!m)
		fail_msg("%s", why);
	free(yang);
	return m;
}

/* What is told of a text under the extended model, "" if it is right. */
static char *told_under(const char *added, const char *text)
{
	struct conf_errors errs;
	struct conf *c = conf_read_with(extended(added), "t.conf", text, strlen(text), &errs);
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	conf_errors_print(&errs, f);
	fclose(f);
	conf_errors_free(&errs);
	conf_free(c);
	return out;
}

static const char every_type[] =
	"leaf height { type decimal64 { fraction-digits 2; range \"-1.5..9.25\"; } }"
	"leaf big { type uint64; }"
	"leaf marks { type bits { bit a; bit b; } }"
	"leaf blob { type binary; }"
	"choice power { mandatory true; leaf mains { type empty; }"
	"  container ups { presence \"a battery\"; leaf minutes { type uint8; } } }"
	"list rack { key number; min-elements 1; unique row; leaf number { type uint8; }"
	"  leaf row { type string; mandatory true; } leaf twin { type leafref { path \"../../rack/number\"; } } }"
	"leaf lit { when \"../mains\" { description \"`lit` needs `mains`\"; } type boolean; default true; }";

static void types_of_every_kind_are_read_and_printed(void **state)
{
	static const char text[] =
		"backbone b; site s { height 1.50; big 18446744073709551615; marks \"a b\"; blob AAEC;"
		" ups; rack 1 row a; rack 2 { row \"b \\\"c\\\"\"; twin 1; } }"
		"site t { mains; lit false; rack 7 row x; }";
	struct conf_errors errs;
	struct conf *c = conf_read_with(extended(every_type), "t.conf", text, strlen(text), &errs);
	static const enum conf_format formats[] = {CONF_TEXT, CONF_SET, CONF_JSON};

	(void)state;
	conf_errors_print(&errs, stderr);
	assert_non_null(c);
	for (size_t i = 0; i < 3; i++) {
		char *out = NULL, *again = NULL, *why = NULL;
		size_t size;
		FILE *f = open_memstream(&out, &size);
		struct conf *back;

		assert_int_equal(conf_print(c, formats[i], f), 0);
		fclose(f);
		if (formats[i] == CONF_JSON) {
			/* libyang agrees with how each type stands in JSON. */
			assert_int_equal(yang_json_check(c->model, out, &again, &why), 0);
			assert_non_null(strstr(out, "\"big\": \"18446744073709551615\""));
			assert_non_null(strstr(out, "\"height\": \"1.5\""));
			assert_non_null(strstr(out, "\"number\": 1,"));
			assert_non_null(strstr(out, "\"lit\": false"));
			free(again);
		}
		back = conf_read_with(extended(every_type), "u.conf", out, strlen(out), &errs);
		conf_errors_print(&errs, stderr);
		assert_non_null(back);
		free(out);
		conf_free(back);
	}
	conf_free(c);
}

static void rules_of_every_kind_are_told(void **state)
{
	static const struct {
		const char *text, *told;
	} rows[] = {
		{"backbone b; site s { mains; rack 1 row a; height 9.3; }",
		 "t.conf:1:50: `height` takes a decimal number from -1.5 to 9.25 with at most 2 digits after the point, not `9.3`\n"},
		{"backbone b; site s { mains; rack 1 row a; marks c; }",
		 "t.conf:1:49: `marks` takes any of `a` or `b`, not `c`\n"},
		{"backbone b; site s { rack 1 row a; }",
		 "t.conf:1:13: site `s` needs one of `mains` or `ups`\n"},
		{"backbone b; site s { mains; }",
		 "t.conf:1:13: site `s` needs `rack`: a number from 0 to 255\n"},
		{"backbone b; site s { mains; rack 1; }",
		 "t.conf:1:29: rack `1` needs `row`: any text\n"},
		{"backbone b; site s { mains; ups; rack 1 row a; }",
		 "t.conf:1:29: `ups` and `mains` exclude each other; `mains` is at line 1\n"},
		{"backbone b; site s { ups; lit true; rack 1 row a; }",
		 "t.conf:1:31: `lit` needs `mains`\n"},
		{"backbone b; site s { mains; rack 1 { row a; twin 3; } }",
		 "t.conf:1:50: no rack is called `3`; there is 1\n"},
		{"backbone b; site s { mains; rack x row a; }",
		 "t.conf:1:34: `rack` takes a number from 0 to 255, not `x`\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *out = told_under(every_type, rows[i].text);

		assert_string_equal(out, rows[i].told);
		free(out);
	}
}

/* What only libyang looks at is told too, at the place it names. */
static void what_libyang_alone_sees_has_a_place(void **state)
{
	char *out = told_under(
		every_type, "backbone b;\nsite s {\n mains;\n rack 1 row a;\n rack 2 row a; }\n");

	(void)state;
	assert_int_equal(strncmp(out, "t.conf:5:2: ", 12), 0);
	assert_non_null(strstr(out, "Unique"));
	free(out);
}

static void models_that_the_grammar_cannot_say_are_refused(void **state)
{
	static const char *const bodies[] = {
		"list l { key \"a b\"; leaf a { type string; } leaf b { type string; } }",
		"list l { config false; leaf a { type string; } }", "anydata d;", "leaf x { type",
		"container c { list l { key \"a b\"; leaf a { type string; } leaf b { type string; } } }"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct yang_model *m;
		char *yang, *why;

		assert_true(asprintf(&yang,
				     "module x { yang-version 1.1; namespace urn:x; prefix x; %s }",
				     bodies[i]) > 0);
		m = yang_model_new(yang, &why);
		assert_null(m);
		assert_non_null(why);
		free(why);
		free(yang);
	}
}

/* xorshift: a seed replays. */
static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

/* Some value that the type of n takes, canonical; NULL when luck does not help. */
static char *random_value(const struct yang_model *m, const struct yang_node *n, uint32_t *seed)
{
	static const char *const words[] = {"a",
					    "b1",
					    "x-y",
					    "7",
					    "99",
					    "1500",
					    "4000",
					    "true",
					    "10.1.2.0/24",
					    "192.0.2.7",
					    "2001:db8::/32",
					    "::1",
					    "@tag",
					    "all",
					    "2s",
					    "500ms",
					    "0.5%",
					    "50.1,-8.6",
					    "eth0.7",
					    "0x876f",
					    "01:80:c2:00:00:0e",
					    "https://a.example:2379",
					    "two words",
					    "a\"b\\c",
					    "tab\there",
					    "line\nbreak",
					    "#no comment",
					    "{}[];",
					    "São Paulo",
					    "日本語",
					    "𝄞",
					    "set",
					    "include",
					    "null",
					    "-1",
					    "\r"};
	const char *word;
	char *canonical;
	size_t count = 0;

	if (yang_is_flag(n))
		return strdup("");
	while (yang_word(n, count, NULL))
		count++;
	for (int tries = 0; tries < 200; tries++) {
		word = count && rnd(seed, 2) ? yang_word(n, rnd(seed, (uint32_t)count), NULL)
					     : words[rnd(seed, sizeof(words) / sizeof(*words))];
		if (yang_value(m, n, word, strlen(word), &canonical) == 0)
			return canonical;
	}
	return NULL;
}

static void random_children(struct conf_tree *t, struct conf_node *parent, uint32_t *seed)
{
	const struct yang_node *n = NULL;
	const struct where w = {0};

	while ((n = yang_next(t->model, parent->schema, n))) {
		enum yang_kind kind = yang_kind(n);
		uint32_t count =
			kind == YANG_LIST || kind == YANG_LEAF_LIST ? rnd(seed, 4) : rnd(seed, 2);
		bool excluded = false;

		if (yang_is_key(n))
			continue;
		for (const struct conf_node *s = parent->first; s; s = s->next)
			excluded |= yang_excludes(s->schema, n);
		for (uint32_t i = 0; i < count && !excluded; i++) {
			const struct yang_node *typed = kind == YANG_LIST ? yang_key(n) : n;
			char *value =
				kind == YANG_CONTAINER ? NULL : random_value(t->model, typed, seed);
			struct conf_node *c = NULL;

			if ((kind == YANG_CONTAINER || value) && !tree_find(t, parent, n, value))
				c = tree_add(t, parent, n, value, w);
			if (c && (kind == YANG_CONTAINER || kind == YANG_LIST))
				random_children(t, c, seed);
			free(value);
		}
	}
}

/* Reads without the checks: a random tree makes no sense, but every tree must read back. */
static void assert_reads_back(const struct conf *c, enum conf_format format, uint32_t seed)
{
	struct conf_errors errs = {0};
	struct errlist e = {.errs = &errs};
	struct reading r = {.b = {.tree = tree_new(c->model), .errs = &e}};
	const struct source src = {.name = "t.conf"};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(conf_print(c, format, f), 0);
	fclose(f);
	errlist_file(&e, "t.conf");
	if (format == CONF_TEXT)
		parse_text(&r, &src, text, size, &r.b.tree->root);
	else if (format == CONF_SET)
		parse_set(&r, &src, text, size);
	else
		parse_json(&r, &src, text, size);
	errlist_finish(&e);
	if (errs.count || !tree_equal(c->tree, r.b.tree))
		fail_msg("seed %u, format %d: %s\n%s", seed, format,
			 errs.count ? errs.v[0].text : "another tree", text);
	tree_free(r.b.tree);
	free(text);
}

static void random_trees_of_the_model_read_back(void **state)
{
	struct yang_model *m = extended(every_type);

	(void)state;
	for (uint32_t i = 1; i <= 300; i++) {
		struct conf c = {.model = m, .tree = tree_new(m)};
		uint32_t seed = i * 2654435761u;

		random_children(c.tree, &c.tree->root, &seed);
		for (int k = 0; k < 3; k++) {
			static const enum conf_format formats[] = {CONF_TEXT, CONF_SET, CONF_JSON};

			assert_reads_back(&c, formats[k], i);
		}
		tree_free(c.tree);
	}
	yang_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_of_every_kind_are_read_and_printed),
		cmocka_unit_test(rules_of_every_kind_are_told),
		cmocka_unit_test(what_libyang_alone_sees_has_a_place),
		cmocka_unit_test(models_that_the_grammar_cannot_say_are_refused),
		cmocka_unit_test(random_trees_of_the_model_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
