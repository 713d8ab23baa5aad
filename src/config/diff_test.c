/* The diff of two trees: what it names, and what it does not. */
#include "config/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BASE                                                                                       \
	"backbone t; site fra; site nyc;\n"                                                        \
	"service wave { type ethernet; mtu 1600; } service ring { type ethernet; mtu 1600; }\n"    \
	"node fra1 { id 1; site fra; port a { interface eth1; service wave; }\n"                   \
	"  port b { interface eth2; service ring; } }\n"

static struct conf_diff diff_of(const char *a, const char *b)
{
	struct conf_errors errs = {};
	struct conf *ca = conf_read("a.conf", a, strlen(a), &errs), *cb;
	struct conf_diff d;

	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	cb = conf_read("b.conf", b, strlen(b), &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	assert_non_null(ca);
	assert_non_null(cb);
	assert_int_equal(conf_diff(ca, cb, &d), 0);
	conf_free(ca);
	conf_free(cb);
	return d;
}

static void comments_and_form_are_no_change(void **state)
{
	struct conf_diff d = diff_of(BASE, "# a comment\n" BASE);

	(void)state;
	assert_int_equal(d.count, 0);
	conf_diff_free(&d);
}

static void a_changed_value_goes_and_comes(void **state)
{
	struct conf_diff d = diff_of(BASE "service leased { type ethernet; mtu 1500; }",
				     BASE "service leased { type ethernet; mtu 9000; }");

	(void)state;
	assert_int_equal(d.count, 2);
	assert_int_equal(d.v[0].op, '-');
	assert_string_equal(d.v[0].text, "service leased mtu 1500");
	assert_int_equal(d.v[1].op, '+');
	assert_string_equal(d.v[1].text, "service leased mtu 9000");
	conf_diff_free(&d);
}

static void an_order_that_counts_is_a_change(void **state)
{
	struct conf_diff d = diff_of(BASE "site sin { networks [ 10.1.0.0/16 10.2.0.0/16 ]; }",
				     BASE "site sin { networks [ 10.2.0.0/16 10.1.0.0/16 ]; }");

	(void)state;
	assert_int_equal(d.count, 1);
	assert_int_equal(d.v[0].op, '~');
	conf_diff_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments_and_form_are_no_change),
		cmocka_unit_test(a_changed_value_goes_and_comes),
		cmocka_unit_test(an_order_that_counts_is_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
