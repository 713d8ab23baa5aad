/* edit: any edits of any text do to it what the naive way does to a list of what it says. */
#include "config/edit_test.h"

#include "config/model.h"
#include "config/parse.h"

static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

/* One edit of something that is there in each shape below, or is not. */
static void random_command(uint32_t *seed, char *out, size_t size)
{
	static const char *const of_node[] = {"id", "site", "like"};
	static const char *const tags[] = {"x", "y", "z", "v"};
	uint32_t n = rnd(seed, 4), v = rnd(seed, 4);

	switch (rnd(seed, 10)) {
	case 0:
		snprintf(out, size, "set node n%u id %u", n, 1 + rnd(seed, 9));
		return;
	case 1:
		snprintf(out, size, "set node n%u site s%u", n, v);
		return;
	case 2:
		snprintf(out, size, "set node n%u tag %s", n, tags[v]);
		return;
	case 3:
		snprintf(out, size, "unset node n%u tag %s", n, tags[v]);
		return;
	case 4:
		snprintf(out, size, "set node n%u tag [ %s %s ]", n, tags[v], tags[(v + 1) % 4]);
		return;
	case 5:
		snprintf(out, size, "set node n%u port p%u interface e%u", n, v, rnd(seed, 9));
		return;
	case 6:
		snprintf(out, size, "unset node n%u %s", n, of_node[v % 3]);
		return;
	case 7:
		snprintf(out, size, "set service w%u emulate loss %u%%", n, rnd(seed, 100));
		return;
	case 8:
		snprintf(out, size, "set overlay o%u mka rekey %us", n, v);
		return;
	default:
		snprintf(out, size, "unset node n%u port p%u", n, v);
	}
}

static void random_text(uint32_t *seed, FILE *f)
{
	static const char *const shapes[] = {
		"node n%u { id %u; site s%u; tag [ x y ]; port p0 { interface e0; lan; } }\n",
		"node n%u {\n    # its number\n    id %u; # here\n    site s%u;\n    tag x;\n"
		"    port p0 { interface e0; }\n    port p1 interface e1;\n}\n",
		"node n%1$u id %2$u;\nnode n%1$u site s%3$u; node n%1$u tag x;\n"
		"node n%1$u port p0 lan;\nnode n%1$u { tag z; }\n",
		"node n%u;  # %u %u\n",
		"# no node n%u %u %u\n",
	};

	fprintf(f, "backbone b; # its name\n\n");
	for (uint32_t i = 0; i < 4; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(f, shapes[rnd(seed, 5)], i, 1 + rnd(seed, 9), rnd(seed, 4));
#pragma GCC diagnostic pop
		if (rnd(seed, 2))
			fprintf(f, "service w%u { type ethernet;%s }\n", i,
				rnd(seed, 2) ? " emulate { loss 1%; }" : " mtu 1600;");
		if (rnd(seed, 2))
			fprintf(f, "overlay o%u { design macsec; mka { key-chain k;%s } }\n", i,
				rnd(seed, 2) ? "\n  rekey 9s;\n" : "");
	}
}

/* What a text says, whatever it means: every entry and value along its path, one string each. */
struct said {
	char *v[400];
	size_t count;
};

static void said_drop(struct said *s, const char *is, bool below_only)
{
	size_t n = strlen(is), keep = 0;

	for (size_t i = 0; i < s->count; i++) {
		bool below = !strncmp(s->v[i], is, n) && s->v[i][n] == ' ';

		if (below || (!below_only && !strcmp(s->v[i], is)))
			free(s->v[i]);
		else
			s->v[keep++] = s->v[i];
	}
	s->count = keep;
}

static bool said_has(const struct said *s, const char *what)
{
	size_t n = strlen(what);

	for (size_t i = 0; i < s->count; i++)
		if (!strncmp(s->v[i], what, n) && (s->v[i][n] == ' ' || !s->v[i][n]))
			return true;
	return false;
}

static void said_add(struct said *s, const char *what)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->v[i], what))
			return;
	assert_true(s->count < 400);
	s->v[s->count++] = strdup(what);
}

static void said_path(const struct conf_node *n, char *out)
{
	if (n->parent->schema)
		said_path(n->parent, out);
	sprintf(out + strlen(out), "%s%s", *out ? " " : "", yang_name(n->schema));
	if (n->value && !yang_is_flag(n->schema))
		sprintf(out + strlen(out), " %s", n->value);
}

static void said_by(const char *text, struct said *s)
{
	struct conf_errors none = {};
	struct errlist errs = {.errs = &none};
	struct reading r = {.b = {.tree = tree_new(conf_model()), .errs = &errs}};
	const struct source src = {.name = "x.conf"};

	s->count = 0;
	parse_text(&r, &src, text, strlen(text), &r.b.tree->root);
	errlist_finish(&errs);
	conf_errors_print(&none, stderr);
	assert_int_equal(none.count, 0);
	for (const struct conf_node *n = tree_walk(&r.b.tree->root, &r.b.tree->root); n;
	     n = tree_walk(&r.b.tree->root, n)) {
		char line[256] = "";

		if (yang_kind(n->schema) == YANG_CONTAINER)
			continue;
		said_path(n, line);
		said_add(s, line);
	}
	tree_free(r.b.tree);
}

/* The same command done to the strings. False: there is nothing to unset. */
static bool said_run(struct said *s, const char *command)
{
	char *copy = strdup(command), *save, *w = strtok_r(copy, " ", &save), path_at[256] = "";
	const struct yang_node *n = NULL;
	bool set = *w == 's', first = true, done = true;

	while ((w = strtok_r(NULL, " ", &save))) {
		n = yang_child(conf_model(), n, w, strlen(w));
		sprintf(path_at + strlen(path_at), "%s%s", *path_at ? " " : "", w);
		if (yang_kind(n) == YANG_LEAF || yang_kind(n) == YANG_LEAF_LIST)
			break;
		if (yang_kind(n) == YANG_LIST) {
			sprintf(path_at + strlen(path_at), " %s", strtok_r(NULL, " ", &save));
			if (set)
				said_add(s, path_at);
		}
	}
	w = strtok_r(NULL, " ", &save);
	if (!set && !w) {
		done = said_has(s, path_at);
		said_drop(s, path_at, false);
	}
	for (; w; w = strtok_r(NULL, " ", &save), first = false) {
		char line[320];

		snprintf(line, sizeof(line), "%s %s", path_at, w);
		if (!set)
			done = said_has(s, line);
		if (set && first && (*w == '[' || yang_kind(n) == YANG_LEAF))
			said_drop(s, path_at, true);
		if (!set)
			said_drop(s, line, false);
		else if (*w != '[' && *w != ']')
			said_add(s, line);
	}
	free(copy);
	return done;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void assert_same(struct said *a, struct said *b, const char *command, const char *text)
{
	bool same = a->count == b->count;

	qsort(a->v, a->count, sizeof(*a->v), by_text);
	qsort(b->v, b->count, sizeof(*b->v), by_text);
	for (size_t i = 0; same && i < a->count; i++)
		same = !strcmp(a->v[i], b->v[i]);
	if (!same)
		print_message("after `%s`:\n%s", command, text);
	assert_true(same);
}

static size_t comments(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '#';
	return n;
}

static void random_edits_do_to_the_text_what_they_do_to_the_tree(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		uint32_t dice = seed * 2654435761u;
		struct said is = {}, should = {};
		struct conf_errors errs;
		struct conf_edit *e;
		char *why, *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		random_text(&dice, f);
		fclose(f);
		put("x.conf", text);
		said_by(text, &should);
		for (unsigned i = 0; i < 25; i++) {
			char command[128];
			size_t before = comments(text);
			int rc;

			random_command(&dice, command, sizeof(command));
			e = conf_edit_new(path, &errs, &why);
			assert_non_null(e);
			rc = run(e, command, &why);
			assert_int_equal(rc, said_run(&should, command) ? 0 : -ENOENT);
			if (rc)
				free(why);
			assert_int_equal(conf_edit_write(e, &why), 0);
			conf_edit_free(e);
			free(text);
			text = got("x.conf");
			said_by(text, &is);
			assert_same(&is, &should, command, text);
			if (*command == 's')
				assert_int_equal(comments(text), before);
			while (is.count)
				free(is.v[--is.count]);
		}
		while (should.count)
			free(should.v[--should.count]);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_edits_do_to_the_text_what_they_do_to_the_tree),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
