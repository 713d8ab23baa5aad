/* edit: what is set is set, and nothing else of the file is another byte. */
#include "config/edit_test.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Edits x.conf; what it then holds, without a check of it. */
static char *edited(const char *before, const char *command)
{
	struct conf_errors errs;
	struct conf_edit *e;
	char *why, *after;
	int rc;

	put("x.conf", before);
	e = conf_edit_new(path, &errs, &why);
	conf_errors_print(&errs, stderr);
	assert_non_null(e);
	rc = run(e, command, &why);
	if (rc) {
		assert_non_null(why);
		conf_edit_free(e);
		return why;
	}
	assert_int_equal(conf_edit_write(e, &why), 0);
	conf_edit_free(e);
	after = got("x.conf");
	return after;
}

struct row {
	const char *before, *command, *after; /* after: the file, or what is wrong */
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *after = edited(rows[i].before, rows[i].command);

		if (strcmp(after, rows[i].after) != 0)
			print_message("row %zu, `%s`\n", i, rows[i].command);
		assert_string_equal(after, rows[i].after);
		free(after);
	}
}

#define ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(*(rows)))

static void values_are_replaced_where_they_stand(void **state)
{
	static const struct row rows[] = {
		{"backbone a; # name\n", "set backbone b", "backbone b; # name\n"},
		{"backbone a;\n", "set backbone a", "backbone a;\n"},
		{"service w { type ethernet;  mtu  1500 ;\n}\n", "set service w mtu 1600",
		 "service w { type ethernet;  mtu  1600 ;\n}\n"},
		{"service w mtu 1500; service w type ip;\n", "set service w mtu 1600",
		 "service w mtu 1600; service w type ip;\n"},
		{"service w emulate { loss 1%; }\n", "set service w emulate loss 2%",
		 "service w emulate { loss 2%; }\n"},
		{"service w { provider \"A \\\"B\\\"\"; }\n", "set service w provider C",
		 "service w { provider C; }\n"},
		{"service w { provider A; }\n", "set service w provider {x}",
		 "service w { provider \"{x}\"; }\n"},
		{"template t { port p interface eth0; }\nnode p { }\n",
		 "set template t port p interface eth9",
		 "template t { port p interface eth9; }\nnode p { }\n"},
		{"site \"a\" { location 1,2; }\nsite b { location 3,4; }\n",
		 "set site a location 5,6",
		 "site \"a\" { location 5,6; }\nsite b { location 3,4; }\n"},
		{"node n { port l lan; }\n", "set node n port l lan", "node n { port l lan; }\n"},
	};

	(void)state;
	ROWS(rows);
}

static void new_statements_stand_with_their_like(void **state)
{
	static const struct row rows[] = {
		{"site a { networks 10.0.0.0/8; }\n", "set site a location 1,2",
		 "site a { networks 10.0.0.0/8; location 1,2; }\n"},
		{"site a {\n  networks 10.0.0.0/8; # all\n}\n", "set site a location 1,2",
		 "site a {\n  networks 10.0.0.0/8; # all\n  location 1,2;\n}\n"},
		{"site a { }\n", "set site a location 1,2", "site a { location 1,2; }\n"},
		{"site a {}\n", "set site a location 1,2", "site a { location 1,2; }\n"},
		{"site a {\n    # nothing yet\n}\n", "set site a location 1,2",
		 "site a {\n    # nothing yet\n    location 1,2;\n}\n"},
		{"\tsite a {\n\t}\n", "set site a location 1,2",
		 "\tsite a {\n\t\tlocation 1,2;\n\t}\n"},
		{"site a;\n", "set site a location 1,2", "site a { location 1,2; }\n"},
		/* A leaf goes before the blocks; of a list, behind its last. */
		{"node n {\n  id 1;\n  port a { }\n  port b { }\n}\n", "set node n site s",
		 "node n {\n  id 1;\n  site s;\n  port a { }\n  port b { }\n}\n"},
		{"node n {\n  port a { lan; }\n  id 1;\n}\n", "set node n port b lan",
		 "node n {\n  port a { lan; }\n  port b { lan; }\n  id 1;\n}\n"},
		/* Several on a line go on there, unless it grows too long. */
		{"overlay o {\n  design macsec; over w;\n}\n", "set overlay o preference 5",
		 "overlay o {\n  design macsec; over w; preference 5;\n}\n"},
		{"overlay o {\n  design macsec; over [ aaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbb "
		 "ccccccc ]; # x\n}\n",
		 "set overlay o preference 5",
		 "overlay o {\n  design macsec; over [ aaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbb "
		 "ccccccc ]; # x\n  preference 5;\n}\n"},
		/* Along its path where the others are. */
		{"service w type ip;\nsite a;\n", "set service w mtu 1600",
		 "service w type ip;\nservice w mtu 1600;\nsite a;\n"},
		{"overlay o { mka key-chain k; }\n", "set overlay o mka rekey 1h",
		 "overlay o { mka key-chain k; mka rekey 1h; }\n"},
		{"overlay o { mka { key-chain k; } }\n", "set overlay o mka rekey 1h",
		 "overlay o { mka { key-chain k; rekey 1h; } }\n"},
		{"overlay o { design macsec; }\n", "set overlay o mka rekey 1h",
		 "overlay o { design macsec; mka rekey 1h; }\n"},
		{"overlay o mka { key-chain k; }\n", "set overlay o preference 5",
		 "overlay o mka { key-chain k; }\noverlay o preference 5;\n"},
		/* New entries, and what is below them. */
		{"backbone b;\nsite a;\n\n# nodes\nnode n { id 1; }\n", "set site c location 1,2",
		 "backbone b;\nsite a;\nsite c { location 1,2; }\n\n# nodes\nnode n { id 1; }\n"},
		{"backbone b;\n", "set node m port p interface eth0",
		 "backbone b;\nnode m { port p { interface eth0; } }\n"},
		{"backbone b;\nnode n { id 1; }\n", "set node m",
		 "backbone b;\nnode n { id 1; }\nnode m;\n"},
		{"node n { id 1; }\n", "set node n", "node n { id 1; }\n"},
		{"backbone b; node n { id 1; } site a;\n", "set node m id 2",
		 "backbone b; node n { id 1; } node m { id 2; } site a;\n"},
		{"", "set backbone b", "backbone b;\n"},
		{"# only this", "set backbone b", "# only this\nbackbone b;\n"},
		{"backbone b;\r\nsite a;\r\n", "set site c",
		 "backbone b;\r\nsite a;\r\nsite c;\r\n"},
		{"node n { port l { interface e; } }\n", "set node n port l lan",
		 "node n { port l { interface e; lan; } }\n"},
	};

	(void)state;
	ROWS(rows);
}

static void lists_of_values_grow_and_are_replaced(void **state)
{
	static const struct row rows[] = {
		{"site a { networks 10.0.0.0/8; }\n", "set site a networks 11.0.0.0/8",
		 "site a { networks [ 10.0.0.0/8 11.0.0.0/8 ]; }\n"},
		{"site a { networks [ 10.0.0.0/8 11.0.0.0/8 ]; }\n",
		 "set site a networks 11.0.0.0/8 12.0.0.0/8",
		 "site a { networks [ 10.0.0.0/8 11.0.0.0/8 12.0.0.0/8 ]; }\n"},
		{"node n {\n  tag [\n    x # one\n    y\n  ];\n}\n", "set node n tag z",
		 "node n {\n  tag [\n    x # one\n    y\n    z\n  ];\n}\n"},
		{"node n { tag x; tag y; }\n", "set node n tag z",
		 "node n { tag x; tag [ y z ]; }\n"},
		{"node n { tag x; tag y; }\n", "set node n tag x", "node n { tag x; tag y; }\n"},
		{"node n { id 1; }\n", "set node n tag x y", "node n { id 1; tag [ x y ]; }\n"},
		{"node n { tag [ x y ]; }\n", "set node n tag [ z ]", "node n { tag z; }\n"},
		{"node n { tag x; id 1; tag y; }\n", "set node n tag [ y z ]",
		 "node n { tag [ y z ]; id 1; }\n"},
		{"node n { tag [  x  y  ]; }\n", "set node n tag [ x y ]",
		 "node n { tag [  x  y  ]; }\n"},
		{"node n { tag [ x y z ]; }\n", "unset node n tag y", "node n { tag [ x z ]; }\n"},
		{"node n { tag [ x y z ]; }\n", "unset node n tag z x", "node n { tag [ y ]; }\n"},
		{"node n { tag x; id 1; }\n", "unset node n tag x", "node n { id 1; }\n"},
		{"node n { tag [\n x\n y\n ]; }\n", "unset node n tag x",
		 "node n { tag [\n y\n ]; }\n"},
		{"node n { tag [ x y ]; tag z; id 1; }\n", "unset node n tag",
		 "node n { id 1; }\n"},
		{"node n { tag x; }\n", "unset node n tag q",
		 "there is no such statement in the file"},
	};

	(void)state;
	ROWS(rows);
}

static void what_is_unset_goes_with_its_line(void **state)
{
	static const struct row rows[] = {
		{"site a;\nsite b { location 1,2; } # gone\nsite c;\n", "unset site b",
		 "site a;\nsite c;\n"},
		{"site a { networks 10.0.0.0/8; location 1,2; }\n", "unset site a location",
		 "site a { networks 10.0.0.0/8; }\n"},
		{"site a {\n  # where\n  location 1,2;\n  networks 10.0.0.0/8;\n}\n",
		 "unset site a location", "site a {\n  # where\n  networks 10.0.0.0/8;\n}\n"},
		{"site a { location 1,2; }\n", "unset site a location", "site a { }\n"},
		{"node n {\n  id 1; site a; # both\n}\n", "unset node n site",
		 "node n {\n  id 1; # both\n}\n"},
		{"node n {\n  id 1; site a; # both\n}\n", "unset node n id",
		 "node n {\n  site a; # both\n}\n"},
		{"node n id 1;\nnode n site a;\nsite a;\n", "unset node n", "site a;\n"},
		{"node n { id 1; }\nnode n site a;\nsite a;\n", "unset node n", "site a;\n"},
		/* An entry that nothing else names stays. */
		{"overlay o { member n priority 5; }\n", "unset overlay o member n priority",
		 "overlay o { member n; }\n"},
		{"overlay o { member n priority 5; member n address 10.0.0.1; }\n",
		 "unset overlay o member n priority", "overlay o { member n address 10.0.0.1; }\n"},
		{"overlay o member n priority 5;\n", "unset overlay o member n", "overlay o;\n"},
		/* A block that says nothing any more goes too. */
		{"overlay o { over w; mka { rekey 1h; } }\n", "unset overlay o mka rekey",
		 "overlay o { over w; }\n"},
		{"overlay o { over w; mka {\n # why\n rekey 1h; } }\n", "unset overlay o mka rekey",
		 "overlay o { over w; mka {\n # why\n } }\n"},
		{"overlay o { over w; mka { rekey 1h; key-chain k; } }\n", "unset overlay o mka",
		 "overlay o { over w; }\n"},
		{"overlay o mka rekey 1h;\n", "unset overlay o mka", "overlay o;\n"},
		{"site a;\n", "unset site b", "there is no such statement in the file"},
		{"template t { id 1; }\nnode n { like t; }\n", "unset node n id",
		 "node `n` does not say so itself; look at template `t`, which it is like"},
	};

	(void)state;
	ROWS(rows);
}

static void a_choice_is_made_anew(void **state)
{
	static const struct row rows[] = {
		{"node n { port p { service w; interface e; } }\n", "set node n port p lan",
		 "node n { port p { interface e; lan; } }\n"},
		{"overlay o { auth psk s; }\n", "set overlay o auth ca c",
		 "overlay o { auth ca c; }\n"},
		{"key-group g { store { etcd { endpoints http://a; } } }\n",
		 "set key-group g store sqlite", "key-group g { store sqlite; }\n"},
	};

	(void)state;
	ROWS(rows);
}

static void set_lines_stay_set_lines(void **state)
{
	static const struct row rows[] = {
		{"set backbone b\nset site a location 1,2 # x\n", "set site a location 3,4",
		 "set backbone b\nset site a location 3,4 # x\n"},
		{"set backbone b\nset site a location 1,2 # x\nset node n id 1\n",
		 "set site a networks 10.0.0.0/8",
		 "set backbone b\nset site a location 1,2 # x\nset site a networks 10.0.0.0/8\n"
		 "set node n id 1\n"},
		{"set node n tag x\n", "set node n tag y z",
		 "set node n tag x\nset node n tag y\nset node n tag z\n"},
		{"set node n tag x\nset node n id 1", "set site a",
		 "set node n tag x\nset node n id 1\nset site a"},
		{"set node n tag x\nset node n id 1", "unset node n id", "set node n tag x\n"},
		{"set node n id 1\n", "unset node n id", "set node n\n"},
	};

	(void)state;
	ROWS(rows);
}

static void wrong_words_are_refused_as_a_files_are(void **state)
{
	static const struct row rows[] = {
		{"site a;\n", "set sit a", "unknown statement `sit`; did you mean `site`?"},
		{"site a;\n", "set site a locaton 1,2",
		 "unknown statement `locaton` in `site`; did you mean `location`?"},
		{"site a;\n", "set site",
		 "`site` takes a name: lower-case letters, digits and `-`, a letter first, at most "
		 "31 characters"},
		{"site a;\n", "set service w mtu 12",
		 "`mtu` takes a number from 576 to 9600, not `12`"},
		{"site a;\n", "set service w mtu", "`mtu` takes a number from 576 to 9600"},
		{"site a;\n", "set service w mtu 1500 1600", "`mtu` takes one value, no list"},
		{"site a;\n", "set node n port p lan yes", "`lan` takes no value, not `yes`"},
		{"site a;\n", "set node n tag [ a", "`[` is never closed: the last word is `]`"},
		{"site a;\n", "set node n name x",
		 "`name` stands after `node`, not among its statements"},
		{"site a;\n", "unset", "which statement?"},
	};

	(void)state;
	ROWS(rows);
}

#define RIGHT                                                                                      \
	"backbone b;\nsite a { networks 10.1.0.0/16; }\nsite c { networks 10.2.0.0/16; }\n"        \
	"service w type ethernet;\n"

static void the_statement_is_changed_in_the_file_where_it_stands(void **state)
{
	struct conf_errors errs;
	struct conf_edit *e;
	struct conf *c;
	char *why, *text;

	(void)state;
	put("x.conf",
	    RIGHT "include \"nodes.conf\"; # all of them\noverlay o { include \"o.conf\"; }\n");
	put("nodes.conf", "node n { id 1; site a; port p { interface e; service w; } }\n"
			  "node m { id 2; site c; port p { interface e; service w; } }\n");
	put("o.conf", "design macsec; over w; subnet 10.9.0.0/24; mka key-chain k;\n");
	e = conf_edit_new(path, &errs, &why);
	assert_non_null(e);
	assert_int_equal(run(e, "set node m id 7", &why), 0);
	assert_int_equal(run(e, "set node q site a", &why), 0);
	assert_int_equal(run(e, "set overlay o subnet 10.8.0.0/24", &why), 0);
	assert_int_equal(run(e, "set overlay o preference 5", &why), 0);
	c = conf_edit_check(e, &errs);
	conf_errors_print(&errs, stderr);
	assert_non_null(c);
	conf_free(c);
	assert_int_equal(conf_edit_write(e, &why), 0);
	conf_edit_free(e);
	text = got("x.conf");
	assert_string_equal(text, RIGHT "include \"nodes.conf\"; # all of them\n"
					"overlay o { include \"o.conf\"; preference 5; }\n");
	free(text);
	text = got("nodes.conf");
	assert_string_equal(text, "node n { id 1; site a; port p { interface e; service w; } }\n"
				  "node m { id 7; site c; port p { interface e; service w; } }\n"
				  "node q { site a; }\n");
	free(text);
	text = got("o.conf");
	assert_string_equal(text, "design macsec; over w; subnet 10.8.0.0/24; mka key-chain k;\n");
	free(text);
}

static void a_file_included_twice_is_not_edited(void **state)
{
	struct conf_errors errs;
	struct conf_edit *e;
	char *why;

	(void)state;
	put("x.conf", "node n { include \"p.conf\"; }\nnode m { include \"p.conf\"; }\n");
	put("p.conf", "port p { interface e; lan; }\n");
	e = conf_edit_new(path, &errs, &why);
	assert_non_null(e);
	assert_int_equal(run(e, "set node n port p interface e9", &why), -ESTALE);
	assert_non_null(strstr(why, "included twice"));
	free(why);
	conf_edit_free(e);
}

static void a_wrong_result_is_told_by_file_and_line(void **state)
{
	struct conf_errors errs;
	struct conf_edit *e;
	char *why, told[512] = "";
	FILE *f;

	(void)state;
	put("x.conf", RIGHT "include \"nodes.conf\";\n");
	put("nodes.conf", "# nodes\nnode n { id 1; site a; port p { interface e; service w; } }\n");
	e = conf_edit_new(path, &errs, &why);
	assert_non_null(e);
	assert_int_equal(run(e, "set node n site nowhere", &why), 0);
	assert_null(conf_edit_check(e, &errs));
	assert_int_equal(errs.count, 1);
	f = fmemopen(told, sizeof(told), "w");
	conf_errors_print(&errs, f);
	fclose(f);
	assert_non_null(strstr(told, "/nodes.conf:2:21: no site is called `nowhere`"));
	conf_errors_free(&errs);
	conf_edit_free(e);
}

static void a_script_is_run_line_by_line(void **state)
{
	static const struct {
		const char *text, *why, *after;
	} rows[] = {
		{"set site c location -1,-2\n\n# no more\nunset site a\nset site d networks [ 10.0.0.0/8 ]\n",
		 NULL, "site c { location -1,-2; }\nsite d { networks 10.0.0.0/8; }\n"},
		{"set site c provider \"x y\"\n", "line 1: unknown statement `provider` in `site`",
		 NULL},
		{"set service w provider \"x y\"\nadd site c",
		 "line 2: a line begins with set or unset",
		 "site a;\nservice w { provider \"x y\"; }\n"},
		{"set site c \"open\n", "line 1: the string has no closing `\"` on its line", NULL},
		{"set site c {\n", "line 1: expected a word, found `{`", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct conf_errors errs;
		struct conf_edit *e;
		char *why, *text;
		int rc;

		put("x.conf", "site a;\n");
		e = conf_edit_new(path, &errs, &why);
		rc = conf_edit_script(e, rows[i].text, strlen(rows[i].text), &why);
		assert_int_equal(rc < 0, rows[i].why != NULL);
		if (rows[i].why)
			assert_memory_equal(why, rows[i].why, strlen(rows[i].why));
		free(why);
		assert_int_equal(conf_edit_write(e, &why), 0);
		conf_edit_free(e);
		text = got("x.conf");
		assert_string_equal(text, rows[i].after ? rows[i].after : "site a;\n");
		free(text);
	}
}

static void errors_of_form_and_json_are_not_edited(void **state)
{
	struct conf_errors errs;
	char *why;

	(void)state;
	put("x.conf", "backbone b\nsite a { bogus 1; }\n");
	assert_null(conf_edit_new(path, &errs, &why));
	assert_null(why);
	assert_int_equal(errs.count, 2);
	conf_errors_free(&errs);
	put("x.conf", "{ \"myelin:backbone\": \"b\" }\n");
	assert_null(conf_edit_new(path, &errs, &why));
	assert_non_null(strstr(why, "JSON"));
	free(why);
	/* What is wrong in meaning alone may be mended. */
	put("x.conf", RIGHT "node n { site nowhere; }\n");
	free(edited(RIGHT "node n { site nowhere; }\n", "set node n site a"));
}

static void mode_and_link_stay_and_others_changes_are_not_lost(void **state)
{
	struct conf_errors errs;
	struct conf_edit *e;
	struct stat st;
	char *why, link[96], *text;

	(void)state;
	put("x.conf", RIGHT);
	assert_int_equal(chmod(path, 0640), 0);
	snprintf(link, sizeof(link), "%s/link.conf", dir);
	assert_int_equal(symlink("x.conf", link), 0);
	e = conf_edit_new(link, &errs, &why);
	assert_int_equal(run(e, "set backbone z", &why), 0);
	assert_int_equal(conf_edit_write(e, &why), 0);
	conf_edit_free(e);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	text = got("x.conf");
	assert_memory_equal(text, "backbone z;", 11);
	free(text);

	e = conf_edit_new(path, &errs, &why);
	assert_int_equal(run(e, "set backbone y", &why), 0);
	put("x.conf", "backbone other;\n");
	assert_int_equal(conf_edit_write(e, &why), -EBUSY);
	assert_non_null(strstr(why, "changed meanwhile"));
	free(why);
	conf_edit_free(e);
	text = got("x.conf");
	assert_string_equal(text, "backbone other;\n");
	free(text);
	unlink(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_replaced_where_they_stand),
		cmocka_unit_test(new_statements_stand_with_their_like),
		cmocka_unit_test(lists_of_values_grow_and_are_replaced),
		cmocka_unit_test(what_is_unset_goes_with_its_line),
		cmocka_unit_test(a_choice_is_made_anew),
		cmocka_unit_test(set_lines_stay_set_lines),
		cmocka_unit_test(wrong_words_are_refused_as_a_files_are),
		cmocka_unit_test(the_statement_is_changed_in_the_file_where_it_stands),
		cmocka_unit_test(a_file_included_twice_is_not_edited),
		cmocka_unit_test(a_wrong_result_is_told_by_file_and_line),
		cmocka_unit_test(a_script_is_run_line_by_line),
		cmocka_unit_test(errors_of_form_and_json_are_not_edited),
		cmocka_unit_test(mode_and_link_stay_and_others_changes_are_not_lost),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
