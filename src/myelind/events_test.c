/* events: the rings' bounds, what a successor finds, and memory that is anything. */
#include "myelind/events.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct events_memory *memory(void)
{
	return calloc(1, sizeof(struct events_memory));
}

static size_t count(const struct events *e)
{
	size_t n = 0;

	for (const struct event *v = events_after(e, 0); v; v = events_after(e, v->seq))
		n++;
	return n;
}

static void events_come_back_in_order_with_what_was_said(void **state)
{
	struct events_memory *m = memory();
	const struct event *v;
	struct events e;

	(void)state;
	events_open(&e, m);
	assert_null(events_after(&e, 0));
	event_put(&e, EVENT_PEER_LIVE, "core", 0x0200000000010001, 1000, "peer %d is live", 7);
	event_put(&e, EVENT_FRAMES_REFUSED, "core", 0, 2000, "3 frames");
	event_put(&e, EVENT_CONFIG_TAKEN, NULL, 0, 3000, "1 change");
	v = events_after(&e, 0);
	assert_int_equal(v->seq, 1);
	assert_string_equal(event_name(v->kind), "peer-live");
	assert_string_equal(event_severity(v->kind), "info");
	assert_string_equal(v->overlay, "core");
	assert_string_equal(v->text, "peer 7 is live");
	assert_int_equal(v->sci, 0x0200000000010001);
	assert_int_equal(v->boot_ns, 1000);
	assert_true(v->wall_ns > 1700000000000000000);
	v = events_after(&e, 1);
	assert_string_equal(event_severity(v->kind), "warning");
	v = events_after(&e, 2);
	assert_string_equal(v->overlay, "");
	assert_null(events_after(&e, 3));
	free(m);
}

static void the_oldest_makes_room(void **state)
{
	struct events_memory *m = memory();
	struct events e;

	(void)state;
	events_open(&e, m);
	for (unsigned i = 0; i < EVENTS_KEPT + 10; i++)
		event_put(&e, EVENT_KEY_USED, "core", 0, i, "%u", i);
	assert_int_equal(count(&e), EVENTS_KEPT);
	assert_string_equal(events_after(&e, 0)->text, "10");
	free(m);
}

static void what_comes_from_outside_pushes_out_its_like_alone(void **state)
{
	struct events_memory *m = memory();
	struct events e;

	(void)state;
	events_open(&e, m);
	event_put(&e, EVENT_PEER_LIVE, "core", 1, 1, "once");
	for (unsigned i = 0; i < 100000; i++)
		event_put(&e, EVENT_MKPDUS_REFUSED, "core", 0, i, "flood");
	assert_int_equal(count(&e), 1 + EVENTS_OUTSIDE_KEPT);
	assert_string_equal(events_after(&e, 0)->text, "once");
	free(m);
}

static void a_successor_goes_on_where_its_predecessor_was(void **state)
{
	struct events_memory *m = memory();
	struct events e, next;

	(void)state;
	events_open(&e, m);
	for (unsigned i = 0; i < EVENTS_KEPT + 3; i++)
		event_put(&e, EVENT_KEY_USED, "core", 0, i, "%u", i);
	event_put(&e, EVENT_MKPDUS_REFUSED, "core", 0, 1, "outside");
	events_open(&next, m);
	assert_int_equal(next.last, e.last);
	event_put(&next, EVENT_CONTROL_STARTED, NULL, 0, 1, "again");
	assert_int_equal(events_after(&next, e.last)->seq, e.last + 1);
	assert_string_equal(events_after(&next, 0)->text, "4");
	assert_int_equal(count(&next), EVENTS_KEPT + 1);
	free(m);
}

static void an_event_that_was_being_written_is_not_there(void **state)
{
	struct events_memory *m = memory();
	struct events e;

	(void)state;
	events_open(&e, m);
	for (unsigned i = 0; i < 5; i++)
		event_put(&e, EVENT_KEY_USED, "core", 0, i, "%u", i);
	m->kept[4].seq = 0;
	m->kept[2].kind = EVENT_KIND_COUNT;
	memset(m->kept[1].text, 'x', sizeof(m->kept[1].text));
	events_open(&e, m);
	assert_int_equal(count(&e), 2);
	event_put(&e, EVENT_KEY_USED, "core", 0, 9, "new");
	assert_string_equal(m->kept[4].text, "new");
	free(m);
}

static void any_memory_is_taken(void **state)
{
	struct events_memory *m = memory();
	uint32_t x = 2463534242u;
	struct events e;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		uint64_t magic;

		events_open(&e, m); /* for the magic */
		magic = m->magic;
		for (size_t i = 0; i < sizeof(*m); i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			((uint8_t *)m)[i] = (uint8_t)x;
		}
		if (round & 1)
			m->magic = magic;
		events_open(&e, m);
		event_put(&e, EVENT_KEY_USED, "core", 0, 1, "%s", "fits");
		for (const struct event *v = events_after(&e, 0); v; v = events_after(&e, v->seq))
			assert_true(v->kind < EVENT_KIND_COUNT && strlen(v->text) < EVENT_TEXT);
	}
	free(m);
}

static void long_texts_are_cut(void **state)
{
	struct events_memory *m = memory();
	struct events e;
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	events_open(&e, m);
	event_put(&e, EVENT_SECRET_TROUBLE, text, 0, 1, "%s", text);
	assert_int_equal(strlen(events_after(&e, 0)->text), EVENT_TEXT - 1);
	/* Not within a character: ü has two bytes. */
	memcpy(text + EVENT_TEXT - 2, "\xc3\xbc", 2);
	event_put(&e, EVENT_SECRET_TROUBLE, NULL, 0, 1, "%s", text);
	assert_int_equal(strlen(events_after(&e, 1)->text), EVENT_TEXT - 2);
	free(m);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EVENT_KIND_COUNT; i++) {
		assert_non_null(event_name(i));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(event_name(i), event_name(k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_back_in_order_with_what_was_said),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(what_comes_from_outside_pushes_out_its_like_alone),
		cmocka_unit_test(a_successor_goes_on_where_its_predecessor_was),
		cmocka_unit_test(an_event_that_was_being_written_is_not_there),
		cmocka_unit_test(any_memory_is_taken),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(every_kind_has_a_name_of_its_own),
	};

	log_set_level(LOG_LVL_ERROR); /* each event is a line of it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
