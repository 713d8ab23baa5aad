/* openings: every statement that opens something is found, by its line, and nothing else is. */
#include "config/openings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Line 7 is a port's own, 8 and 9 an overlay's. */
static const char layout[] =
	"backbone demo;\n"
	"site a { networks 10.1.0.0/16; }\n"
	"site b { networks 10.2.0.0/16; }\n"
	"service wave { type ethernet; mtu 1600; }\n"
	"service net { type internet; }\n"
	"node a1 { id 1; site a; port wan { interface eth1; service wave;\n"
	"%s\n"
	"} port ip { interface eth2; service net; address 192.0.2.1/24; gateway 192.0.2.254; } }\n"
	"node b1 { id 2; site b; port wan { interface eth1; service wave; }\n"
	"port ip { interface eth2; service net; address 192.0.2.2/24; gateway 192.0.2.254; } }\n"
	"overlay core { design macsec; over wave; subnet 10.255.0.0/24; mka { key-chain cak; "
	"destination broadcast;\n"
	"%s\n"
	"} macsec {\n"
	"%s\n"
	"}\n"
	"%s\n"
	"}\n"
	"overlay tun { design ipsec; over net; auth psk x; preference 200; ike {\n"
	"%s\n"
	"} }\n";

enum { PORT = 7, MKA = 12, SECY = 14, OVERLAY = 16, IKE = 19 };

static struct conf *read_with(const char *port, const char *mka, const char *secy,
			      const char *overlay, const char *ike)
{
	struct conf_errors errs = {};
	char text[4096];
	int n = snprintf(text, sizeof(text), layout, port, mka, secy, overlay, ike);
	struct conf *c = conf_read("x.conf", text, (size_t)n, &errs);

	conf_errors_print(&errs, stderr);
	assert_non_null(c);
	return c;
}

static void a_file_without_such_a_line_is_closed(void **state)
{
	struct conf *c = read_with("", "", "validate strict; confidentiality on;",
				   "rule x { action drop; ethertype 0x88cc; }", "on-demand;");
	struct backbone *b = backbone_new(c);
	struct openings o;

	(void)state;
	assert_int_equal(openings_find(c, b, NULL, &o), 0);
	assert_int_equal(o.count, 0);
	openings_free(&o);
	backbone_free(b);
	conf_free(c);
}

static void each_line_that_opens_something_is_found(void **state)
{
	static const struct {
		const char *port, *mka, *secy, *overlay, *ike;
		const char *what;
		unsigned line;
	} rows[] = {
		{"address dhcp;", "", "", "", "", "address dhcp", PORT},
		{"allow dhcp;", "", "", "", "", "allow dhcp", PORT},
		{"allow bgp;", "", "", "", "", "allow bgp", PORT},
		{"allow lldp;", "", "", "", "", "allow lldp", PORT},
		{"allow ssh;", "", "", "", "", "allow ssh", PORT},
		{"allow ping;", "", "", "", "", "allow ping", PORT},
		{"", "keep-sak 10m;", "", "", "", "keep-sak 600s", MKA},
		{"", "", "validate check;", "", "", "validate check", SECY},
		{"", "", "confidentiality off; validate disabled;", "", "", "validate disabled",
		 SECY},
		{"", "", "should-secure;", "", "", "should-secure", SECY},
		{"", "", "confidentiality off;", "", "", "integrity-only", SECY},
		{"", "", "cipher-suite gcm-aes-256; confidentiality-offset 30;", "", "",
		 "confidentiality-offset 30", SECY},
		{"", "", "cipher-suite gcm-aes-256; confidentiality-offset 50;", "", "",
		 "confidentiality-offset 50", SECY},
		{"", "", "replay-protect false;", "", "", "replay-protect false", SECY},
		{"", "", "", "rule voice { action bypass; ethertype 0x88cc; }", "", "bypass voice",
		 OVERLAY},
		{"", "", "", "", "debug key-log;", "key-log", IKE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct conf *c = read_with(rows[i].port, rows[i].mka, rows[i].secy, rows[i].overlay,
					   rows[i].ike);
		struct backbone *b = backbone_new(c);
		struct openings o, far;

		assert_int_equal(openings_find(c, b, "a1", &o), 0);
		/* `disabled` goes with another alone. */
		assert_int_equal(o.count, strstr(rows[i].what, "disabled") ? 2 : 1);
		assert_string_equal(o.v[0].what, rows[i].what);
		assert_int_equal(o.v[0].line, rows[i].line);
		assert_string_equal(o.v[0].file, "x.conf");
		assert_true(strlen(o.v[0].means) > 10);
		if (rows[i].port[0]) {
			assert_string_equal(o.v[0].node, "a1");
			assert_string_equal(o.v[0].port, "wan");
			assert_null(o.v[0].overlay);
		} else {
			assert_null(o.v[0].port);
			assert_string_equal(o.v[0].overlay, rows[i].ike[0] ? "tun" : "core");
		}
		/* A port's is its node's alone, an overlay's all of its members'. */
		assert_int_equal(openings_find(c, b, "b1", &far), 0);
		assert_int_equal(far.count, rows[i].port[0] ? 0 : o.count);
		openings_free(&far);
		openings_free(&o);
		backbone_free(b);
		conf_free(c);
	}
}

static void a_template_s_line_is_its_nodes(void **state)
{
	static const char text[] = "backbone demo;\n"
				   "site a { networks 10.1.0.0/16; }\n"
				   "service wave { type ethernet; }\n"
				   "template edge { port wan { interface eth1; service wave;\n"
				   "allow ssh; } }\n"
				   "node a1 { id 1; site a; like edge;\n"
				   "port wan { allow ping; } }\n";
	struct conf_errors errs = {};
	struct conf *c = conf_read("x.conf", text, sizeof(text) - 1, &errs);
	struct backbone *b;
	struct openings o;

	(void)state;
	assert_non_null(c);
	b = backbone_new(c);
	assert_int_equal(openings_find(c, b, "a1", &o), 0);
	assert_int_equal(o.count, 2);
	assert_string_equal(o.v[0].what, "allow ssh");
	assert_int_equal(o.v[0].line, 5);
	assert_string_equal(o.v[1].what, "allow ping");
	assert_int_equal(o.v[1].line, 7);
	openings_free(&o);
	assert_int_equal(openings_find(c, b, "b1", &o), 0);
	assert_int_equal(o.count, 0);
	backbone_free(b);
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_without_such_a_line_is_closed),
		cmocka_unit_test(each_line_that_opens_something_is_found),
		cmocka_unit_test(a_template_s_line_is_its_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
