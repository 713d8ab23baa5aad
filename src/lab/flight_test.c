/* flight, elan: order of delivery, the bounds, and what a bridge remembers. */
#include "lab/elan.h"
#include "lab/flight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void put(struct flight *q, uint8_t id, uint64_t due)
{
	struct frame *f = frame_new(&id, 1);

	assert_true(flight_put(q, f, id, due));
	frame_put(f);
}

static void frames_leave_by_due_time_and_then_by_arrival(void **state)
{
	struct flight q;
	struct flight_item it;
	uint64_t last_due = 0, last_order = 0;
	unsigned seed = 1;

	(void)state;
	flight_init(&q, 10000, 1 << 20);
	for (unsigned i = 0; i < 5000; i++)
		put(&q, (uint8_t)i, (uint64_t)rand_r(&seed) % 97);
	for (unsigned i = 0; i < 5000; i++) {
		assert_true(flight_take(&q, 1000, &it));
		assert_true(it.due_ns > last_due ||
			    (it.due_ns == last_due && (!i || it.order > last_order)));
		last_due = it.due_ns;
		last_order = it.order;
		frame_put(it.frame);
	}
	assert_false(flight_take(&q, 1000, &it));
	assert_int_equal(q.bytes, 0);
	flight_fini(&q);
}

static void nothing_leaves_before_it_is_due(void **state)
{
	struct flight q;
	struct flight_item it;

	(void)state;
	flight_init(&q, 10, 100);
	assert_int_equal(flight_due(&q), UINT64_MAX);
	put(&q, 1, 50);
	assert_int_equal(flight_due(&q), 50);
	assert_false(flight_take(&q, 49, &it));
	assert_true(flight_take(&q, 50, &it));
	frame_put(it.frame);
	flight_fini(&q);
}

static void what_exceeds_the_bound_is_refused_and_counted(void **state)
{
	struct frame *f = frame_new("0123456789", 10);
	struct flight q;

	(void)state;
	flight_init(&q, 2, 1000);
	assert_true(flight_put(&q, f, 0, 1));
	assert_true(flight_put(&q, f, 0, 1));
	assert_false(flight_put(&q, f, 0, 1));
	flight_fini(&q);
	flight_init(&q, 100, 25);
	assert_true(flight_put(&q, f, 0, 1));
	assert_true(flight_put(&q, f, 0, 1));
	assert_false(flight_put(&q, f, 0, 1));
	assert_int_equal(q.refused, 1);
	flight_fini(&q);
	assert_int_equal(f->refs, 1);
	frame_put(f);
}

static const uint8_t host[6] = {0x02, 1, 2, 3, 4, 5};
static const uint8_t group[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void an_address_is_found_where_it_was_last_heard(void **state)
{
	struct elan *e = test_calloc(1, sizeof(*e));

	(void)state;
	assert_int_equal(elan_lookup(e, host, 10), ELAN_FLOOD);
	elan_learn(e, host, 3, 10);
	assert_int_equal(elan_lookup(e, host, 11), 3);
	elan_learn(e, host, 4, 12);
	assert_int_equal(elan_lookup(e, host, 13), 4);
	elan_forget(e, 4);
	assert_int_equal(elan_lookup(e, host, 13), ELAN_FLOOD);
	test_free(e);
}

static void an_address_is_forgotten_with_age(void **state)
{
	struct elan *e = test_calloc(1, sizeof(*e));

	(void)state;
	elan_learn(e, host, 3, 10);
	assert_int_equal(elan_lookup(e, host, 10 + ELAN_AGE_NS), 3);
	assert_int_equal(elan_lookup(e, host, 11 + ELAN_AGE_NS), ELAN_FLOOD);
	test_free(e);
}

static void a_group_address_is_never_learned(void **state)
{
	struct elan *e = test_calloc(1, sizeof(*e));

	(void)state;
	elan_learn(e, group, 3, 10);
	assert_int_equal(elan_lookup(e, group, 11), ELAN_FLOOD);
	test_free(e);
}

static void a_flood_of_addresses_displaces_the_oldest_only(void **state)
{
	struct elan *e = test_calloc(1, sizeof(*e));
	uint8_t mac[6] = {0x02, 9};
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		memcpy(mac + 2, &i, sizeof(i));
		elan_learn(e, mac, 1, i + 1);
	}
	for (unsigned i = 0; i < 100000; i++) {
		memcpy(mac + 2, &i, sizeof(i));
		known += elan_lookup(e, mac, 100000) == 1;
	}
	assert_in_range(known, 1, ELAN_BUCKETS * ELAN_WAYS);
	assert_int_equal(elan_lookup(e, mac, 100000), 1); /* the newest is there */
	test_free(e);
}

static void only_the_bridge_block_is_reserved(void **state)
{
	(void)state;
	assert_true(elan_is_reserved((const uint8_t[]){0x01, 0x80, 0xc2, 0, 0, 0x03}));
	assert_true(elan_is_reserved((const uint8_t[]){0x01, 0x80, 0xc2, 0, 0, 0x0f}));
	assert_false(elan_is_reserved((const uint8_t[]){0x01, 0x80, 0xc2, 0, 0, 0x10}));
	assert_false(elan_is_reserved(group));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_leave_by_due_time_and_then_by_arrival),
		cmocka_unit_test(nothing_leaves_before_it_is_due),
		cmocka_unit_test(what_exceeds_the_bound_is_refused_and_counted),
		cmocka_unit_test(an_address_is_found_where_it_was_last_heard),
		cmocka_unit_test(an_address_is_forgotten_with_age),
		cmocka_unit_test(a_group_address_is_never_learned),
		cmocka_unit_test(a_flood_of_addresses_displaces_the_oldest_only),
		cmocka_unit_test(only_the_bridge_block_is_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
