/* secret: set, compare and wipe. */
#include "base/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void clear_leaves_no_byte(void **state)
{
	struct secret s, zero;

	(void)state;
	memset(&s, 0xa5, sizeof(s));
	memset(&zero, 0, sizeof(zero));
	secret_clear(&s);
	assert_memory_equal(&s, &zero, sizeof(s));
}

static void shorter_key_leaves_nothing_of_the_longer(void **state)
{
	struct secret s;

	(void)state;
	assert_int_equal(secret_set(&s, "a long secret key", 17), 0);
	assert_int_equal(secret_set(&s, "short", 5), 0);
	assert_int_equal(s.len, 5);
	assert_null(memmem(s.b, sizeof(s.b), "secret", 6));
	assert_int_equal(secret_set(&s, s.b, SECRET_MAX + 1), -EINVAL);
}

static void equal_sees_a_difference_in_any_byte(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	assert_true(secret_equal(a, b, sizeof(a)));
	for (unsigned i = 0; i < sizeof(a); i++) {
		b[i] = 1;
		assert_false(secret_equal(a, b, sizeof(a)));
		b[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clear_leaves_no_byte),
		cmocka_unit_test(shorter_key_leaves_nothing_of_the_longer),
		cmocka_unit_test(equal_sees_a_difference_in_any_byte),
	};

	return cmocka_run_group_tests_name("base/secret", tests, NULL, NULL);
}
