/* check: warnings that depend on more than one statement, by table. */
#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct conf *read_with(const char *service, const char *port, const char *destination)
{
	struct conf_errors errs = {};
	struct conf *c;
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "backbone demo;\n"
			 "site a { networks 10.1.0.0/16; }\nsite b { networks 10.2.0.0/16; }\n"
			 "service wave { type ethernet; mtu 1600; %s }\n"
			 "node a1 { id 1; site a; port wan { interface eth1; service wave; %s } }\n"
			 "node b1 { id 2; site b; port wan { interface eth1; service wave; %s } }\n"
			 "overlay core { design macsec; over wave; subnet 10.255.0.0/24;\n"
			 "mka { key-chain cak; destination %s; } }\n",
			 service, port, port, destination);

	c = conf_read("x.conf", text, (size_t)n, &errs);
	conf_errors_print(&errs, stderr);
	assert_non_null(c);
	return c;
}

static void an_mka_address_that_the_service_consumes_is_warned_of(void **state)
{
	static const struct {
		const char *service, *port, *destination;
		bool warned;
	} rows[] = {
		{"topology e-lan;", "", "pae-group", true},
		{"topology e-lan;", "", "broadcast", false},
		{"topology e-lan;", "", "01:80:c2:00:00:10", false},
		{"topology e-lan; emulate tunnel-reserved;", "", "pae-group", false},
		{"topology e-line;", "", "pae-group", false},
		{"topology e-line;", "", "bridge-group", false},
		{"topology e-line;", "", "01:80:c2:00:00:02", true},
		{"topology e-line;", "vlan 100;", "pae-group", true},
		{"topology e-line; emulate tunnel-reserved;", "vlan 100;", "pae-group", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct conf *c = read_with(rows[i].service, rows[i].port, rows[i].destination);
		const struct conf_errors *w = conf_warnings(c);

		assert_int_equal(w->count, rows[i].warned);
		if (w->count)
			assert_non_null(strstr(w->v[0].text, "carrier bridges consume frames to"));
		conf_free(c);
	}
}

/* Whether a file with so many members on a service of that MTU is good, and what is said. */
static bool members_good(unsigned count, unsigned mtu, char said[512])
{
	struct conf_errors errs = {};
	char *text = NULL;
	struct conf *c;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool good;

	fprintf(f, "backbone demo;\nservice wave { type ethernet; mtu %u; }\n", mtu);
	for (unsigned i = 1; i <= count; i++)
		fprintf(f,
			"site s%u { networks 10.%u.0.0/16; }\n"
			"node n%u { id %u; site s%u; port wan { interface eth1; service wave; } }\n",
			i, i, i, i, i);
	fprintf(f, "overlay core { design macsec; over wave; subnet 10.255.0.0/24;\n"
		   "mka { key-chain cak; destination broadcast; } }\n");
	fclose(f);
	c = conf_read("x.conf", text, len, &errs);
	good = c != NULL;
	said[0] = 0;
	if (errs.count)
		snprintf(said, 512, "%s", errs.v[0].text);
	conf_errors_free(&errs);
	conf_free(c);
	free(text);
	return good;
}

static void a_ca_of_more_members_than_an_mkpdu_lists_is_an_error(void **state)
{
	char said[512];

	(void)state;
	assert_true(members_good(81, 1600, said));
	assert_false(members_good(82, 1600, said));
	assert_non_null(strstr(said, "has 82 members; an MKPDU over its services has room for 80 "
				     "peers, so a CA has at most 81 members"));
	assert_true(members_good(68, 1280, said));
	assert_false(members_good(69, 1280, said));
}

static void what_is_not_of_the_standard_is_warned_of(void **state)
{
	static const struct {
		const char *line, *warning;
	} rows[] = {
		{"broadcast", NULL},
		{"broadcast; keep-sak 10m", "`keep-sak` is not of the standard: for 10m overlay"},
		{"broadcast; ssci-order live-peer-list", "must be the same on every member"},
		{"broadcast; ssci-order auto; delay-protect; keep-sak 0s", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct conf *c = read_with("", "", rows[i].line);
		const struct conf_errors *w = conf_warnings(c);

		assert_int_equal(w->count, rows[i].warning != NULL);
		if (w->count)
			assert_non_null(strstr(w->v[0].text, rows[i].warning));
		conf_free(c);
	}
}

static void group_rules_and_key_groups_without_use_are_warned_of(void **state)
{
	static const struct {
		const char *lines, *warning;
	} rows[] = {
		{"rule a { action protect; from 10.0.0.0/8; } rule b { action drop; to 11.0.0.0/8; }",
		 NULL},
		{"rule a { action protect; from 10.0.0.0/8; } rule b { action drop; to 10.1.0.0/16; }",
		 "rule `b` is never reached: rule `a` takes all that it fits"},
		{"rule a { action drop; protocol 6; } rule b { action drop; protocol tcp; port 22; }",
		 "rule `b` is never reached: rule `a` takes all that it fits"},
		{"rule a { action drop; protocol tcp; port 22; } rule b { action drop; protocol tcp; }",
		 NULL},
		{"rule a { action drop; from 10.1.0.0/16; to 10.2.0.0/16; } "
		 "rule b { action protect; from 10.2.7.0/24; to 10.1.0.0/16; }",
		 "rule `b` is never reached: rule `a` takes all that it fits"},
		{"} key-group h { key-servers a1; auth psk x;", "key-group `h` keys no overlay"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct conf_errors errs = {};
		const struct conf_errors *w;
		struct conf *c;
		char text[1024];
		size_t told;
		int n = snprintf(
			text, sizeof(text),
			"backbone demo;\n"
			"site a { networks 10.1.0.0/16; }\nsite b { networks 10.2.0.0/16; }\n"
			"service l3 { type ip; customer-routes; }\n"
			"node a1 { id 1; site a; port w { interface eth1; service l3; } }\n"
			"node b1 { id 2; site b; port w { interface eth1; service l3; } }\n"
			"key-group g { key-servers a1; auth psk x; }\n"
			"overlay core { design group; over l3; key-group g; %s }\n",
			rows[i].lines);

		c = conf_read("x.conf", text, (size_t)n, &errs);
		conf_errors_print(&errs, stderr);
		assert_non_null(c);
		w = conf_warnings(c);
		told = 0;
		for (size_t k = 0; k < w->count; k++)
			told += rows[i].warning && strstr(w->v[k].text, rows[i].warning);
		assert_int_equal(told, rows[i].warning != NULL);
		/* Another one says that this version does not run it. */
		assert_int_equal(w->count, 1 + told);
		conf_free(c);
	}
}

static void a_node_that_passes_the_kernel_s_rules_by_is_warned_of(void **state)
{
	static const struct {
		const char *cut;
		bool warned;
	} rows[] = {{"", false},
		    {"cut-through off;", false},
		    {"cut-through auto;", false},
		    {"cut-through on;", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char port[100];
		struct conf *c;
		const struct conf_errors *w;

		snprintf(port, sizeof(port), "} %s port lan { interface eth2; lan;", rows[i].cut);
		c = read_with("", port, "broadcast");
		w = conf_warnings(c);
		assert_int_equal(w->count, rows[i].warned ? 2 : 0); /* both nodes have it */
		if (w->count) {
			assert_int_equal(w->v[0].line, 5);
			assert_non_null(strstr(w->v[0].text, "peer of `a1` to another pass by"));
			assert_non_null(strstr(w->v[1].text, "`cut-through auto`"));
		}
		conf_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_mka_address_that_the_service_consumes_is_warned_of),
		cmocka_unit_test(a_ca_of_more_members_than_an_mkpdu_lists_is_an_error),
		cmocka_unit_test(what_is_not_of_the_standard_is_warned_of),
		cmocka_unit_test(group_rules_and_key_groups_without_use_are_warned_of),
		cmocka_unit_test(a_node_that_passes_the_kernel_s_rules_by_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
