/* check: warnings that depend on more than one statement, by table. */
#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_mka_address_that_the_service_consumes_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
