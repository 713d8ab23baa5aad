/* The table of addresses against a naive one, and its limits one by one. */
#include "fwd/mactable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define PEER UINT64_C(0x0200000000010001) /* a place that is no lan port */

static struct mactable *make(uint32_t entries, uint32_t per_place, uint32_t flood)
{
	const struct mactable_config c = {.entries = entries,
					  .per_place = per_place,
					  .ageing_ns = 300 * SECOND,
					  .flood = flood};
	struct mactable *t = mactable_new(&c);

	assert_non_null(t);
	return t;
}

static void mac_of(uint8_t mac[6], unsigned n)
{
	const uint8_t v[6] = {2, 0, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(mac, v, 6);
}

static enum mac_learn learn(struct mactable *t, unsigned n, uint64_t place, uint64_t now)
{
	uint8_t mac[6];

	mac_of(mac, n);
	return mactable_learn(t, mac, place, now);
}

static uint64_t find(struct mactable *t, unsigned n, uint64_t now)
{
	uint8_t mac[6];

	mac_of(mac, n);
	return mactable_find(t, mac, now, NULL);
}

/* The naive one: an array that is searched from end to end. */
#define MODEL 64
struct model {
	struct {
		bool used;
		uint64_t place, seen, moved;
		unsigned moves;
	} v[4 * MODEL];
};

static unsigned model_count(const struct model *m, uint64_t place)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 4 * MODEL; i++)
		n += m->v[i].used && (!place || m->v[i].place == place);
	return n;
}

static enum mac_learn model_learn(struct model *m, unsigned n, uint64_t place, uint64_t now,
				  unsigned entries, unsigned per_place)
{
	if (m->v[n].used && now - m->v[n].seen > 300 * SECOND)
		m->v[n].used = false;
	if (m->v[n].used && m->v[n].place == place) {
		m->v[n].seen = now;
		return MAC_KNOWN;
	}
	if (model_count(m, place) >= per_place)
		return MAC_FULL;
	if (!m->v[n].used) {
		if (model_count(m, 0) >= entries)
			return MAC_FULL;
		m->v[n].used = true;
		m->v[n].moved = m->v[n].seen = now;
		m->v[n].moves = 0;
		m->v[n].place = place;
		return MAC_NEW;
	}
	if (now - m->v[n].moved > 180 * SECOND) {
		m->v[n].moved = now;
		m->v[n].moves = 0;
	}
	if (m->v[n].moves >= 5)
		return MAC_FROZEN;
	m->v[n].moves++;
	m->v[n].place = place;
	m->v[n].seen = now;
	return MAC_MOVED;
}

static void it_does_what_a_naive_table_does(void **state)
{
	static const uint64_t places[] = {1, 7, PEER, PEER + 65536, UINT64_MAX};
	unsigned seen[MAC_FULL + 1] = {0};

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct mactable *t = make(MODEL, 24, 0);
		struct model m = {0};
		uint64_t now = SECOND;

		srand(seed);
		for (unsigned step = 0; step < 4000; step++) {
			unsigned n = (unsigned)rand() % (4 * MODEL);
			uint64_t place = places[(unsigned)rand() % 5];
			enum mac_learn want, got;

			n = rand() % 3 ? n % 24 : n; /* some are heard often */
			now += (uint64_t)(rand() % 4) * SECOND;
			if (rand() % 400 == 0)
				now += 301 * SECOND;
			/* Both take out what is too old now, so that room is counted alike. */
			for (unsigned i = 0; i < 4 * MODEL; i++)
				m.v[i].used = m.v[i].used && now - m.v[i].seen <= 300 * SECOND;
			mactable_age(t, now);
			want = model_learn(&m, n, place, now, MODEL, 24);
			got = learn(t, n, place, now);
			if (want != got)
				fail_msg("seed %u step %u: %d, not %d", seed, step, got, want);
			seen[got]++;
			n = (unsigned)rand() % (4 * MODEL);
			assert_int_equal(find(t, n, now), m.v[n].used ? m.v[n].place : 0);
			assert_int_equal(mactable_count(t), model_count(&m, 0));
		}
		mactable_free(t);
	}
	for (unsigned i = 0; i <= MAC_FULL; i++)
		assert_true(seen[i] > 0);
}

static void one_place_fills_its_share_and_no_more(void **state)
{
	struct mactable *t = make(100, 10, 0);
	unsigned learned = 0;

	(void)state;
	for (unsigned n = 0; n < 100000; n++)
		learned += learn(t, n, PEER, SECOND) == MAC_NEW;
	assert_int_equal(learned, 10);
	for (unsigned n = 0; n < 10; n++)
		assert_int_equal(learn(t, 200000 + n, 3, SECOND), MAC_NEW);
	assert_int_equal(mactable_count(t), 20);
	mactable_free(t);
}

static void what_is_not_heard_of_goes_after_its_time(void **state)
{
	struct mactable *t = make(100, 100, 0);

	(void)state;
	learn(t, 1, 3, SECOND);
	learn(t, 2, 3, 200 * SECOND);
	assert_int_equal(find(t, 1, 301 * SECOND), 3);
	assert_int_equal(find(t, 1, 301 * SECOND + 1), 0);
	mactable_age(t, 302 * SECOND);
	assert_int_equal(mactable_count(t), 1);
	assert_int_equal(find(t, 2, 302 * SECOND), 3);
	mactable_free(t);
}

static void an_address_that_flaps_is_held_where_it_is(void **state)
{
	struct mactable *t = make(100, 100, 0);
	unsigned moved = 0, frozen = 0;

	(void)state;
	learn(t, 1, 3, SECOND);
	for (unsigned i = 0; i < 1000; i++) {
		enum mac_learn l = learn(t, 1, i % 2 ? 3 : PEER, SECOND + i);

		moved += l == MAC_MOVED;
		frozen += l == MAC_FROZEN;
	}
	assert_int_equal(moved, 5);
	assert_true(frozen >= 490);
	assert_int_equal(find(t, 1, 2 * SECOND), PEER);
	/* Calm for long enough, it may move again. */
	assert_int_equal(learn(t, 1, 3, 190 * SECOND), MAC_MOVED);
	mactable_free(t);
}

static void a_group_address_is_nobodys(void **state)
{
	const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
	struct mactable *t = make(100, 100, 0);

	(void)state;
	assert_int_equal(mactable_learn(t, group, 3, SECOND), MAC_FULL);
	assert_int_equal(mactable_count(t), 0);
	mactable_free(t);
}

static void flooding_is_limited_for_each_place_by_itself(void **state)
{
	struct mactable *t = make(100, 100, 1000);
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		passed += mactable_flood(t, PEER, SECOND);
	assert_int_equal(passed, 1000);
	assert_true(mactable_flood(t, 3, SECOND));
	for (unsigned i = 0; i < 5000; i++)
		passed += mactable_flood(t, PEER, 2 * SECOND + SECOND / 2 + i);
	assert_int_equal(passed, 2000); /* a second's worth at most is saved up */
	for (unsigned ms = 0; ms < 1000; ms++)
		for (unsigned i = 0; i < 10; i++)
			passed += mactable_flood(t, PEER, 4 * SECOND + ms * SECOND / 1000);
	assert_in_range(passed, 3999, 4001);
	mactable_free(t);
}

static void more_places_than_it_holds_are_not_learned(void **state)
{
	struct mactable *t = make(1000, 10, 0);
	unsigned learned = 0;

	(void)state;
	for (unsigned n = 0; n < 300; n++)
		learned += learn(t, n, PEER + n, SECOND) == MAC_NEW;
	assert_int_equal(learned, MACTABLE_PLACES);
	/* When those are gone there is room. */
	for (unsigned i = 0; i < 8; i++)
		mactable_age(t, 400 * SECOND);
	assert_int_equal(mactable_count(t), 0);
	assert_int_equal(learn(t, 1, PEER + 500, 400 * SECOND), MAC_NEW);
	mactable_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_what_a_naive_table_does),
		cmocka_unit_test(one_place_fills_its_share_and_no_more),
		cmocka_unit_test(what_is_not_heard_of_goes_after_its_time),
		cmocka_unit_test(an_address_that_flaps_is_held_where_it_is),
		cmocka_unit_test(a_group_address_is_nobodys),
		cmocka_unit_test(flooding_is_limited_for_each_place_by_itself),
		cmocka_unit_test(more_places_than_it_holds_are_not_learned),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
