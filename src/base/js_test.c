/* What is built reads back, and hostile documents read as nothing. */
#include "base/js.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void a_document_prints_in_the_order_it_was_built(void **state)
{
	struct js *j = js_object(), *list, *o;
	char *s;
	size_t len;

	(void)state;
	js_set_text(j, "name", "fra1");
	js_set_text(j, "peer", NULL);
	js_set_u64(j, "big", UINT64_MAX);
	js_set_bool(j, "up", true);
	js_set_hex(j, "id", "\x00\xff", 2);
	js_set_format(j, "sci", "%04x", 10);
	list = js_set_array(j, "list");
	o = js_push_object(list);
	js_set_u64(o, "n", 1);
	js_push_text(list, "\xff");
	s = js_print(j, false, &len);
	assert_string_equal(s, "{\"name\":\"fra1\",\"peer\":null,\"big\":9223372036854775807,"
			       "\"up\":true,\"id\":\"00ff\",\"sci\":\"000a\","
			       "\"list\":[{\"n\":1},\"(not UTF-8)\"]}");
	assert_int_equal(len, strlen(s));
	free(s);
	js_free(j);
}

static void what_is_missing_or_of_another_type_reads_as_nothing(void **state)
{
	static const char text[] = "{\"a\":null,\"b\":\"x\",\"c\":-5,\"d\":[{\"e\":7}]}";
	struct js *j = js_parse(text, sizeof(text) - 1);
	const char *key;

	(void)state;
	assert_non_null(j);
	assert_null(js_get(j, "a"));
	assert_null(js_text(j, "c"));
	assert_int_equal(js_u64(j, "b"), 0);
	assert_int_equal(js_u64(j, "c"), 0);
	assert_false(js_bool(j, "b"));
	assert_int_equal(js_len(js_get(j, "b")), 0);
	assert_int_equal(js_u64(js_at(js_get(j, "d"), 0), "e"), 7);
	assert_null(js_at(js_get(j, "d"), 1));
	assert_string_equal(js_value_text(js_member(j, 1, &key)), "x");
	assert_string_equal(key, "b");
	assert_null(js_member(j, 4, &key));
	js_free(j);
}

static void text_that_is_not_one_document_is_refused(void **state)
{
	static const char *const bad[] = {"",         "{",           "{}{}", "{\"a\":1,\"a\":2}",
					  "nonsense", "{\"\xff\":1}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(js_parse(bad[i], strlen(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_prints_in_the_order_it_was_built),
		cmocka_unit_test(what_is_missing_or_of_another_type_reads_as_nothing),
		cmocka_unit_test(text_that_is_not_one_document_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
