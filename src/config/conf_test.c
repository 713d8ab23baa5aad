/* conf: reading and printing in all three formats, includes, hostile files, the model's reach. */
#include "config/conf.h"
#include "config/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const enum conf_format formats[] = {CONF_TEXT, CONF_SET, CONF_JSON};

static char *told(const struct conf_errors *errs)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	conf_errors_print(errs, f);
	fclose(f);
	return out;
}

static char *printed(const struct conf *c, enum conf_format format)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	assert_int_equal(conf_print(c, format, f), 0);
	fclose(f);
	return out;
}

static struct conf *read_right(const char *text)
{
	struct conf_errors errs;
	struct conf *c = conf_read("t.conf", text, strlen(text), &errs);
	char *out = told(&errs);

	assert_string_equal(out, "");
	assert_non_null(c);
	free(out);
	return c;
}

static void read_wrong(const char *text, const char *expected)
{
	struct conf_errors errs;
	struct conf *c = conf_read("t.conf", text, strlen(text), &errs);
	char *out = told(&errs);

	assert_null(c);
	assert_string_equal(out, expected);
	conf_errors_free(&errs);
	free(out);
}

/* Each format reads back the same tree, and libyang's own JSON reader sees the same data. */
static void round_trip(const struct conf *c)
{
	char *ours, *theirs, *why;

	for (size_t i = 0; i < 3; i++) {
		char *text = printed(c, formats[i]), *again;
		struct conf *back = read_right(text);

		assert_true(tree_equal(c->tree, back->tree));
		assert_true(tree_equal(c->meant, back->meant));
		again = printed(back, formats[i]);
		assert_string_equal(text, again);
		free(again);
		conf_free(back);
		free(text);
	}
	ours = printed(c, CONF_JSON);
	if (yang_json_check(c->model, ours, &theirs, &why) != 0)
		fail_msg("libyang refuses our JSON: %s", why);
	free(why);
	free(ours);
	/* And back: what libyang printed is what we meant. */
	struct conf *back = read_right(theirs);
	assert_true(tree_equal(c->tree, back->tree));
	conf_free(back);
	free(theirs);
}

static void sample_round_trips(void **state)
{
	struct conf_errors errs;
	struct conf *c = conf_read_file(*state, &errs);
	char *out = told(&errs);

	assert_string_equal(out, "");
	round_trip(c);
	free(out);
	conf_free(c);
}

/* A small generator of right files: xorshift, so that a seed replays. */
static uint32_t rnd(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

static void random_file(uint32_t seed, FILE *f)
{
	static const char *const providers[] = {"A",
						"\"two words\"",
						"\"q\\\"uote\\\\\"",
						"\"São {Paulo};\"",
						"\"#no comment\"",
						"\"tab\\t\""};
	uint32_t sites = 1 + rnd(&seed, 5), services = 1 + rnd(&seed, 3), nodes = rnd(&seed, 6);

	fprintf(f, "backbone r%u;\n", seed % 1000);
	for (uint32_t i = 0; i < sites; i++) {
		fprintf(f, "site s%u {", i);
		if (rnd(&seed, 2))
			fprintf(f, " location -%u.5,%u;", rnd(&seed, 89), rnd(&seed, 180));
		if (rnd(&seed, 2))
			fprintf(f, " networks [ 10.%u.0.0/16 2001:db8:%x::/48 ];", i, i);
		fprintf(f, " }\n");
	}
	for (uint32_t i = 0; i < services; i++) {
		fprintf(f, "service w%u { type ethernet; mtu %u;", i, 1500 + rnd(&seed, 8000));
		if (rnd(&seed, 2))
			fprintf(f, " provider %s;", providers[rnd(&seed, 6)]);
		if (rnd(&seed, 3) == 0)
			fprintf(f, " emulate { loss %u%%; jitter %ums; tunnel-reserved; }",
				rnd(&seed, 101), rnd(&seed, 50));
		fprintf(f, " }\n");
	}
	fprintf(f, "template t { tag [ x y ]; port l { interface eth0; lan; } }\n");
	for (uint32_t i = 0; i < nodes; i++) {
		fprintf(f, "node n%u { id %u; site s%u;", i, i + 1, rnd(&seed, sites));
		if (rnd(&seed, 2))
			fprintf(f, " like t; tag z%u;", rnd(&seed, 3));
		for (uint32_t k = 0; k < services; k++)
			if (rnd(&seed, 3))
				fprintf(f, " port p%u { interface e%u; vlan %u; service w%u; %s }",
					k, k, 1 + rnd(&seed, 4094), k,
					rnd(&seed, 2) ? "allow [ bgp ssh ];" : "");
		fprintf(f, " }\n");
	}
	for (uint32_t i = 0; i < services; i++)
		fprintf(f,
			"overlay o%u { design macsec; over w%u; subnet 10.200.%u.0/24; preference %u;"
			" mka { key-chain k%u; hello %ums; life %us; } macsec replay-protect %s; }\n",
			i, i, i, i, i, 500 + rnd(&seed, 500), 3 + rnd(&seed, 9),
			rnd(&seed, 2) ? "true" : "false");
}

static void random_files_round_trip(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);
		struct conf *c;

		random_file(seed * 2654435761u, f);
		fclose(f);
		c = read_right(text);
		round_trip(c);
		conf_free(c);
		free(text);
	}
}

static void path_shorthand_is_the_same_as_blocks(void **state)
{
	struct conf *a = read_right("backbone b; service w { type ethernet; emulate { loss 1%; } }"
				    "overlay o { design macsec; over w; mka { key-chain k; } }");
	struct conf *b =
		read_right("backbone b; service w type ethernet; service w emulate loss 1%;"
			   "overlay o design macsec; overlay o over w;"
			   "overlay o { mka key-chain k; }");

	(void)state;
	assert_true(tree_equal(a->tree, b->tree));
	conf_free(a);
	conf_free(b);
}

static void order_of_a_list_is_kept(void **state)
{
	struct conf *a = read_right("backbone b; site z; site a; site m;");
	struct conf *b = read_right("backbone b; site a; site m; site z;");

	(void)state;
	assert_false(tree_equal(a->tree, b->tree));
	round_trip(a);
	conf_free(a);
	conf_free(b);
}

static void template_fills_what_the_node_leaves_open(void **state)
{
	struct conf *c = read_right(
		"backbone b; site s; service w type ethernet; service v type internet;"
		"template t { tag a; port p { interface eth1; vlan 5; service w; } port l { interface eth0; lan; } }"
		"node n { site s; like t; tag b; port p { vlan 7; } port l { service v; } }");
	struct backbone *b = backbone_new(c);
	const struct bb_node *n = &b->nodes[0];

	(void)state;
	assert_int_equal(n->port_count, 2);
	assert_string_equal(n->ports[0].interface, "eth1");
	assert_int_equal(n->ports[0].vlan, 7);
	assert_string_equal(n->ports[0].service->name, "w");
	assert_string_equal(n->ports[1].interface, "eth0");
	assert_string_equal(n->ports[1].service->name, "v"); /* the node chose the other side */
	assert_true(backbone_tagged(c->meant, n, "a"));
	assert_true(backbone_tagged(c->meant, n, "b"));
	backbone_free(b);
	conf_free(c);
}

/* A directory for one test, removed with what is in it. */
static char dir[] = "/tmp/myelin-conf-test-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int drop_dir(void **state)
{
	static const char *const names[] = {"a.conf", "b.conf", "c.conf", "sub/d.conf", "sub"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	return chdir("/") || rmdir(dir);
}

static char *told_of_file(const char *name)
{
	struct conf_errors errs;
	struct conf *c = conf_read_file(name, &errs);
	char *out = told(&errs);

	conf_errors_free(&errs);
	conf_free(c);
	return out;
}

static void include_is_relative_to_its_file(void **state)
{
	char *out;

	(void)state;
	mkdir("sub", 0700);
	put("a.conf", "backbone a; include \"sub/d.conf\"; site s { include b.conf; }\n");
	put("b.conf", "networks 10.0.0.0/8;\n");
	put("sub/d.conf", "include \"../c.conf\";\n");
	put("c.conf", "site c;\n");
	out = told_of_file("a.conf");
	assert_string_equal(out, "");
	free(out);
}

static void errors_name_the_included_file(void **state)
{
	char *out;

	(void)state;
	put("a.conf", "backbone a;\ninclude \"b.conf\";\nsite s location 1;\n");
	put("b.conf", "site b;\nsite s { bogus; }\nnode n { site s; id 0; }\n");
	out = told_of_file("a.conf");
	assert_string_equal(
		out,
		"a.conf:3:17: `location` takes LATITUDE,LONGITUDE in degrees such as 50.11,8.68 or -23.55,-46.63, not `1`\n"
		"b.conf:2:10: unknown statement `bogus` in `site`; accepted here: location, networks\n"
		"b.conf:3:21: `id` takes a number from 1 to 65534, not `0`\n");
	free(out);
}

static void include_cycle_is_told_once(void **state)
{
	char *out;

	(void)state;
	put("a.conf", "backbone a; include \"b.conf\";\n");
	put("b.conf", "site b; include \"a.conf\";\n");
	out = told_of_file("a.conf");
	assert_string_equal(out, "b.conf:1:17: `a.conf` includes itself\n");
	free(out);
}

/* Through a link the names differ for ever, so the depth must end it. */
static void include_cycle_through_a_link_ends(void **state)
{
	char *out;

	(void)state;
	mkdir("sub", 0700);
	assert_int_equal(symlink("..", "sub/d.conf"), 0);
	put("a.conf", "include \"sub/d.conf/a.conf\";\n");
	out = told_of_file("a.conf");
	assert_non_null(strstr(out, "includes nest deeper than 16"));
	free(out);
}

/* Each file includes the next twice: 2^16 files would be read without a bound. */
static void include_bomb_ends(void **state)
{
	char *out;

	(void)state;
	mkdir("sub", 0700);
	put("sub/d.conf", "");
	put("a.conf", "include \"b.conf\"; include \"b.conf\"; include \"b.conf\";\n");
	put("b.conf",
	    "include \"c.conf\"; include \"c.conf\"; include \"c.conf\"; include \"c.conf\";"
	    "include \"c.conf\"; include \"c.conf\"; include \"c.conf\"; include \"c.conf\";\n");
	FILE *f = fopen("c.conf", "w");
	for (int i = 0; i < 40; i++)
		fputs("include \"sub/d.conf\";\n", f);
	fclose(f);
	out = told_of_file("a.conf");
	assert_non_null(strstr(out, "more than 256 included files"));
	free(out);
}

static void missing_and_unreadable_files_are_told(void **state)
{
	char *out = told_of_file("none.conf");

	(void)state;
	assert_string_equal(out, "none.conf: cannot read the file: No such file or directory\n");
	free(out);
	out = told_of_file("/");
	assert_string_equal(out, "/: cannot read the file: Is a directory\n");
	free(out);
	put("a.conf", "backbone a;\ninclude \"no.conf\";\n");
	out = told_of_file("a.conf");
	assert_string_equal(out,
			    "a.conf:2:9: cannot include `no.conf`: No such file or directory\n");
	free(out);
	put("a.conf", "backbone a;\ninclude /dev/zero;\n");
	out = told_of_file("a.conf");
	assert_string_equal(out, "a.conf:2:9: cannot include `/dev/zero`: not a regular file\n");
	free(out);
}

/* n times `unit` between head and tail. */
static char *repeat(const char *head, const char *unit, size_t n, const char *tail)
{
	size_t ulen = strlen(unit), at = strlen(head);
	char *s = malloc(at + ulen * n + strlen(tail) + 1);

	assert_non_null(s);
	memcpy(s, head, at);
	for (size_t i = 0; i < n; i++, at += ulen)
		memcpy(s + at, unit, ulen);
	strcpy(s + at, tail);
	return s;
}

static void line_of_a_megabyte_is_one_error(void **state)
{
	char *text = repeat("backbone ", "a", 1 << 20, ";");

	(void)state;
	read_wrong(
		text,
		"t.conf:1:10: a word of 1048576 bytes; at most 4096 are accepted\n"
		"t.conf:1:10: `backbone` takes a name: lower-case letters, digits and `-`, a letter first, at most 31 characters, not `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...`\n");
	free(text);
	text = repeat("backbone a;", " ", 1 << 20, "\n");
	conf_free(read_right(text));
	free(text);
}

static void nesting_bombs_end(void **state)
{
	static const char *const units[] = {
		"{",       "site a {", "x {",  "node n { port p {", "[", "}", "\"",
		"{\"a\":", "[[",       "site "};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		char *text = repeat("", units[i], 100000, "");
		struct conf_errors errs;

		assert_null(conf_read("t.conf", text, strlen(text), &errs));
		assert_true(errs.count >= 1 && errs.count <= CONF_ERRORS_MAX + 1);
		conf_errors_free(&errs);
		free(text);
	}
}

static void errors_are_bounded_and_the_rest_counted(void **state)
{
	char *text = repeat("backbone a;\n", "bogus;\n", 1000, ""), *out;
	struct conf_errors errs;

	(void)state;
	assert_null(conf_read("t.conf", text, strlen(text), &errs));
	assert_int_equal(errs.count, CONF_ERRORS_MAX + 1);
	assert_int_equal(errs.v[0].line, 2);
	assert_int_equal(errs.v[CONF_ERRORS_MAX - 1].line, 101);
	out = told(&errs);
	assert_non_null(strstr(out, "t.conf: 900 more errors are not shown\n"));
	free(out);
	conf_errors_free(&errs);
	free(text);
}

static void terminal_sequences_do_not_reach_errors(void **state)
{
	struct conf_errors errs;
	static const char text[] = "backbone \"\\n\\tx\x1b[2J\";";

	(void)state;
	assert_null(conf_read("t.conf", text, strlen(text), &errs));
	for (size_t i = 0; i < errs.count; i++)
		for (const char *p = errs.v[i].text; *p; p++)
			assert_true((uint8_t)*p >= 0x20 && *p != 0x7f);
	conf_errors_free(&errs);
}

/* A thousand nodes are read in a moment, and so are a hundred thousand useless statements. */
static void large_files_are_read(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct conf *c;

	(void)state;
	fputs("backbone b; service w type ethernet;\n"
	      "overlay o { design macsec; keying psk; auth psk k; over w; subnet 10.200.0.0/16; "
	      "}\n",
	      f);
	for (unsigned i = 1; i <= 1000; i++)
		fprintf(f,
			"site s%u networks 10.%u.%u.0/24;\nnode n%u { id %u; site s%u; port w "
			"{ interface eth1; service w; } }\n",
			i, i / 256, i % 256, i, i, i);
	fclose(f);
	c = read_right(text);
	conf_free(c);
	free(text);
	f = open_memstream(&text, &size);
	fputs("backbone b;\n", f);
	for (unsigned i = 0; i < 50000; i++)
		fprintf(f, "site s%u;\n", i);
	fclose(f);
	conf_free(read_right(text));
	free(text);
}

/* The model with something added: no C knows of it. */
static void leaf_added_to_the_model_needs_no_code(void **state)
{
	static const char mark[] = "leaf location {";
	static const char added[] =
		"leaf altitude { type int16 { range \"-400..9000\"; } units m; description \"Height.\"; }"
		"leaf-list colour { type enumeration { enum red; enum blue; } }"
		"container room { leaf door { type boolean; } leaf twin { type leafref { path \"/my:site/my:name\"; } } }";
	const char *at = strstr(conf_yang, mark), *path[] = {"site", "s", "colour"};
	static const char text[] =
		"backbone b; site s { altitude -12; colour [ red blue ]; room door true; }"
		"site t room twin s;";
	struct conf_errors errs;
	struct conf_candidates k;
	struct yang_model *m;
	char *yang, *why, *out;
	struct conf *c;

	(void)state;
	assert_non_null(at);
	assert_true(asprintf(&yang, "%.*s%s%s", (int)(at - conf_yang), conf_yang, added, at) > 0);
	m = yang_model_new(yang, &why);
	assert_non_null(m);
	c = conf_read_with(m, "t.conf", text, strlen(text), &errs);
	out = told(&errs);
	assert_string_equal(out, "");
	free(out);
	out = printed(c, CONF_SET);
	assert_string_equal(out, "set backbone b\nset site s altitude -12\nset site s colour red\n"
				 "set site s colour blue\nset site s room door true\n"
				 "set site t room twin s\n");
	free(out);
	out = printed(c, CONF_JSON);
	assert_non_null(strstr(out, "\"altitude\": -12,"));
	assert_non_null(strstr(out, "\"door\": true"));
	free(out);
	assert_int_equal(conf_candidates(c, path, 2, &k), 0);
	assert_string_equal(k.v[0].word, "altitude");
	assert_string_equal(k.v[0].help, "Height.");
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, path, 3, &k), 0);
	assert_int_equal(k.count, 2);
	assert_string_equal(k.v[1].word, "blue");
	conf_candidates_free(&k);
	conf_free(c);
	m = yang_model_new(yang, &why);
	free(yang);
	c = conf_read_with(m, "t.conf",
			   "backbone b; site s { altitude 9001; altitud 1; room twin x; }", 61,
			   &errs);
	assert_null(c);
	out = told(&errs);
	assert_string_equal(
		out,
		"t.conf:1:31: `altitude` takes a number from -400 to 9000, not `9001`\n"
		"t.conf:1:37: unknown statement `altitud` in `site`; did you mean `altitude`?\n"
		"t.conf:1:58: no site is called `x`; there is s\n");
	free(out);
	conf_errors_free(&errs);
}

static void candidates_follow_the_path(void **state)
{
	struct conf *c = read_right("backbone b; site s; service w type ethernet;"
				    "node n { site s; port p { interface e; service w; } }"
				    "overlay o { design macsec; over w; mka key-chain k; }");
	const char *design[] = {"overlay", "o", "design"}, *over[] = {"overlay", "o", "over"};
	const char *member[] = {"overlay", "o", "member"}, *mka[] = {"overlay", "o", "mka"};
	const char *lan[] = {"node", "n", "port", "p", "lan"},
		   *bad[] = {"overlay", "o", "nonsense"};
	const char *mtu[] = {"service", "w", "mtu", "1500"};
	struct conf_candidates k;

	(void)state;
	assert_int_equal(conf_candidates(c, NULL, 0, &k), 0);
	assert_int_equal(k.count, 8);
	assert_string_equal(k.v[0].word, "backbone");
	assert_false(k.done);
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, design, 3, &k), 0);
	assert_int_equal(k.count, 4);
	assert_string_equal(k.v[0].word, "macsec");
	assert_string_equal(k.v[0].help, "MACsec over an Ethernet service.");
	assert_string_equal(k.expects, "one of `macsec`, `ipsec`, `dmvpn` or `group`");
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, over, 3, &k), 0);
	assert_int_equal(k.count, 1);
	assert_string_equal(k.v[0].word, "w");
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, member, 3, &k), 0);
	assert_int_equal(k.count, 1);
	assert_string_equal(k.v[0].word, "n");
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(NULL, mka, 3, &k), 0);
	assert_string_equal(k.v[0].word, "key-chain");
	assert_true(k.done);
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, lan, 5, &k), 0);
	assert_int_equal(k.count, 0);
	assert_true(k.done);
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, mtu, 4, &k), 0);
	assert_true(k.done);
	conf_candidates_free(&k);
	assert_int_equal(conf_candidates(c, bad, 3, &k), -ENOENT);
	conf_free(c);
}

static void what_will_not_run_is_warned_of(void **state)
{
	struct conf_errors errs;
	struct conf *c = conf_read_file(EXAMPLES "/acme.conf", &errs);
	const struct conf_errors *warnings;
	struct backbone *b = backbone_new(c);
	bool told = false;

	(void)state;
	assert_non_null(c);
	warnings = conf_warnings(c);
	for (size_t i = 0; i < warnings->count; i++)
		told |= strcmp(warnings->v[i].text,
			       "overlay `branches` will not run: this version runs overlays of "
			       "design macsec and ipsec only") == 0;
	assert_true(told);
	assert_non_null(b->overlays[2].unsupported);
	backbone_free(b);
	conf_free(c);
}

static void two_sites_run_as_they_are(void **state)
{
	struct conf_errors errs;
	struct conf *c = conf_read_file(EXAMPLES "/two-sites.conf", &errs);
	struct backbone *b = backbone_new(c);

	(void)state;
	assert_non_null(c);
	conf_errors_print(conf_warnings(c), stderr);
	assert_int_equal(conf_warnings(c)->count, 0);
	assert_true(b->nodes[1].ports[0].dhcp && b->nodes[1].ports[0].behind_nat);
	assert_null(b->overlays[0].unsupported);
	backbone_free(b);
	conf_free(c);
}

/* The two-site example turned into MACsec, with statements of the test's own in `macsec`. */
static struct conf *macsec_with(const char *macsec)
{
	struct conf_errors errs;
	struct conf *c;
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "backbone demo;\n"
			 "site a { networks 10.1.0.0/16; }\nsite b { networks 10.2.0.0/16; }\n"
			 "service wave { type ethernet; mtu 1600; }\n"
			 "node a1 { id 1; site a; port wan { interface eth1; service wave; } }\n"
			 "node b1 { id 2; site b; port wan { interface eth1; service wave; } }\n"
			 "overlay core { design macsec; over wave; subnet 10.255.0.0/24;\n"
			 "mka { key-chain cak; destination broadcast; }\n"
			 "macsec { %s }\n}\n",
			 macsec);

	c = conf_read("x.conf", text, (size_t)n, &errs);
	conf_errors_print(&errs, stderr);
	assert_non_null(c);
	return c;
}

static void what_macsec_opens_is_warned_of(void **state)
{
	static const struct {
		const char *macsec, *warned;
	} rows[] = {
		{"", NULL},
		{"cipher-suite gcm-aes-128; confidentiality-offset 0;", NULL},
		{"cipher-suite gcm-aes-256; confidentiality-offset 30;",
		 "overlay `core` shows the carrier the first 30 octets of every frame behind the SecTAG: inner EtherType, addresses and, in part, ports"},
		{"confidentiality on; send-sci false;", NULL},
		{"validate strict;", NULL},
		{"validate check;",
		 "overlay `core` lets frames in that did not authenticate: whoever can send to a wan port of it can forge them"},
		{"confidentiality off;",
		 "overlay `core` encrypts nothing: the carrier can read every frame, and the members' wan ports let such frames out"},
		{"cipher-suite gcm-aes-128; confidentiality-offset 50;",
		 "overlay `core` shows the carrier the first 50 octets of every frame behind the SecTAG: inner EtherType, addresses and, in part, ports"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = macsec_with(rows[i].macsec);

		assert_int_equal(conf_warnings(c)->count, rows[i].warned != NULL);
		if (rows[i].warned)
			assert_string_equal(conf_warnings(c)->v[0].text, rows[i].warned);
		conf_free(c);
	}
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
#define SAMPLE(file)                                                                               \
	{                                                                                          \
		.name = file " round trips", .test_func = sample_round_trips,                      \
		.initial_state = (void *)EXAMPLES "/" file                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAMPLE("four-dcs.conf"),
		SAMPLE("acme.conf"),
		SAMPLE("two-sites.conf"),
		SAMPLE("four-dcs-ip.conf"),
		cmocka_unit_test(random_files_round_trip),
		cmocka_unit_test(path_shorthand_is_the_same_as_blocks),
		cmocka_unit_test(order_of_a_list_is_kept),
		cmocka_unit_test(template_fills_what_the_node_leaves_open),
		IN_DIR(include_is_relative_to_its_file),
		IN_DIR(errors_name_the_included_file),
		IN_DIR(include_cycle_is_told_once),
		IN_DIR(include_cycle_through_a_link_ends),
		IN_DIR(include_bomb_ends),
		IN_DIR(missing_and_unreadable_files_are_told),
		cmocka_unit_test(line_of_a_megabyte_is_one_error),
		cmocka_unit_test(nesting_bombs_end),
		cmocka_unit_test(errors_are_bounded_and_the_rest_counted),
		cmocka_unit_test(terminal_sequences_do_not_reach_errors),
		cmocka_unit_test(large_files_are_read),
		cmocka_unit_test(leaf_added_to_the_model_needs_no_code),
		cmocka_unit_test(candidates_follow_the_path),
		cmocka_unit_test(what_will_not_run_is_warned_of),
		cmocka_unit_test(two_sites_run_as_they_are),
		cmocka_unit_test(what_macsec_opens_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
