/* geo: known distances between cities, and the delays made of them. */
#include "lab/geo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void distance_of_a_place_to_itself_is_zero(void **state)
{
	(void)state;
	assert_float_equal(geo_distance_km(50.11, 8.68, 50.11, 8.68), 0.0, 1e-9);
}

static void frankfurt_to_new_york_is_6206_km(void **state)
{
	(void)state;
	assert_float_equal(geo_distance_km(50.11, 8.68, 40.71, -74.01), 6206.0, 10.0);
}

static void distance_is_the_same_both_ways_across_the_date_line(void **state)
{
	double there = geo_distance_km(35.68, 139.69, 37.77, -122.42);
	double back = geo_distance_km(37.77, -122.42, 35.68, 139.69);

	(void)state;
	assert_float_equal(there, back, 1e-6);
	assert_float_equal(there, 8270.0, 15.0); /* Tokyo - San Francisco */
}

static void antipodes_are_half_a_circumference_apart(void **state)
{
	(void)state;
	assert_float_equal(geo_distance_km(0.0, 0.0, 0.0, 180.0), 20015.1, 0.5);
}

static void a_thousand_kilometres_take_seven_milliseconds_of_fibre(void **state)
{
	(void)state;
	assert_in_range(geo_delay_ns(1000.0), 7004000, 7006000);
	assert_int_equal(geo_delay_ns(0.0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_of_a_place_to_itself_is_zero),
		cmocka_unit_test(frankfurt_to_new_york_is_6206_km),
		cmocka_unit_test(distance_is_the_same_both_ways_across_the_date_line),
		cmocka_unit_test(antipodes_are_half_a_circumference_apart),
		cmocka_unit_test(a_thousand_kilometres_take_seven_milliseconds_of_fibre),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
