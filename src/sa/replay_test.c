/*
 * replay: the window against a model that remembers every number, for all shapes of window and
 * around every wrap.
 */
#include "sa/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DOMAIN (UINT64_C(1) << 23) /* numbers from `base` on that the model knows */

/* Deliberately naive: what was seen, and the standard's lowestPN. */
struct model {
	uint64_t base, next, floor;
	uint32_t window;
	uint8_t *seen;
};

static enum sa_replay model_accept(struct model *m, uint64_t pn)
{
	uint64_t low = m->next > m->window ? m->next - m->window : 0;

	if (low < m->floor)
		low = m->floor;
	if (pn < low || pn == UINT64_MAX)
		return SA_LATE;
	if (m->seen[pn - m->base])
		return SA_DUPLICATE;
	m->seen[pn - m->base] = 1;
	if (pn >= m->next)
		m->next = pn + 1;
	return SA_FRESH;
}

static struct sa_live live;

static struct sa sa_make(uint32_t window, uint64_t lowest)
{
	uint32_t bits = 512;
	struct sa sa = {
		.next = lowest, .bound = lowest, .window = window, .protect = true, .live = &live};

	while (bits < window)
		bits *= 2;
	sa.ring = calloc(bits / 64, sizeof(uint64_t));
	sa.ring_mask = bits - 1;
	sa_live_init(&live, lowest);
	return sa;
}

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* The next number of a stream that advances, jumps, falls behind and repeats itself. */
static uint64_t stream_next(const struct model *m, uint32_t bits)
{
	uint64_t r = random_next(), back;

	switch (r % 16) {
	case 0: /* a gap, now and then as long as window or ring, give or take one */
		switch (r >> 8 & (bits > 65536 ? 1023 : 15)) {
		case 0:
			return m->next + m->window + (r >> 16) % 3 - (m->window ? 1 : 0);
		case 1:
			return m->next + bits - 1 + (r >> 16) % 3;
		default:
			return m->next + (r >> 16) % 70;
		}
	case 1:
	case 2:
	case 3:
	case 4: /* behind: about the window's edge, or anywhere in it */
		back = r >> 16 & 1 ? (r >> 17) % (m->window + 4u) : m->window + (r >> 17) % 5 - 2;
		return back < m->next - m->base ? m->next - back : m->base;
	default:
		return m->next + (r >> 16) % 2;
	}
}

/* Now and then a burst whose numbers follow on one another, accepted at once. */
static void run_in_order(struct sa *sa, struct model *m)
{
	unsigned n = 1 + (unsigned)(random_next() % 64);

	if (m->next + n - m->base >= DOMAIN || m->next > UINT64_MAX - 64)
		return;
	sa_replay_accept_run(sa, n);
	while (n--)
		assert_int_equal(model_accept(m, m->next), SA_FRESH);
}

static void run(uint32_t window, uint64_t base, uint64_t lowest, unsigned steps)
{
	struct model m = {.base = base,
			  .next = lowest,
			  .floor = lowest,
			  .window = window,
			  .seen = calloc(DOMAIN, 1)};
	struct sa sa = sa_make(window, lowest);
	unsigned ran = 0;
	uint8_t turn;
	uint64_t v;

	random_state = 0x9e3779b97f4a7c15 ^ window ^ base;
	for (unsigned i = 0; i < steps; i++) {
		uint64_t pn = stream_next(&m, sa.ring_mask + 1);
		enum sa_replay before, got, want;

		if (pn < base || pn - base >= DOMAIN)
			continue; /* beyond what the model knows */
		ran++;
		if (i % 32 == 0) {
			run_in_order(&sa, &m);
			pn = stream_next(&m, sa.ring_mask + 1);
			if (pn < base || pn - base >= DOMAIN)
				continue;
		}
		before = sa_replay_check(&sa, pn);
		want = model_accept(&m, pn);
		got = sa_replay_accept(&sa, pn);
		if (got != want || before != want)
			fail_msg("window %u, step %u: number %llu: %d and %d, not %d", window, i,
				 (unsigned long long)pn, before, got, want);
		assert_true(sa.next == m.next);
		assert_int_equal(sa_live_get(&live, &turn, &v), 0);
		assert_true(v == sa.next);
	}
	assert_true(ran > steps / 3 && m.next > lowest + 1000);
	free(m.seen);
	free(sa.ring);
}

static const uint32_t windows[] = {
	0, 1, 2, 63, 64, 65, 511, 512, 513, 1000, 1024, 1025, 65536, (1u << 20) - 1, 1u << 20};
#define WINDOWS (sizeof(windows) / sizeof(windows[0]))

static void window_agrees_with_the_model_from_the_start(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WINDOWS; i++)
		run(windows[i], 0, 1, windows[i] > 100000 ? 60000 : 20000);
}

static void window_agrees_with_the_model_across_32_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WINDOWS; i++)
		run(windows[i], (UINT64_C(7) << 32) - DOMAIN / 2, (UINT64_C(7) << 32) - 2000,
		    20000);
}

static void window_agrees_with_the_model_at_the_end_of_numbers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WINDOWS; i++)
		run(windows[i], UINT64_MAX - DOMAIN + 1, UINT64_MAX - 3000, 20000);
}

static void last_number_of_all_is_never_accepted(void **state)
{
	struct sa sa = sa_make(64, UINT64_MAX - 2);

	(void)state;
	assert_int_equal(sa_replay_accept(&sa, UINT64_MAX - 1), SA_FRESH);
	assert_int_equal(sa_replay_check(&sa, UINT64_MAX), SA_LATE);
	assert_int_equal(sa_replay_accept(&sa, UINT64_MAX), SA_LATE);
	free(sa.ring);
}

static void without_protection_late_frames_are_told_apart_and_let_through(void **state)
{
	struct sa sa = sa_make(4, 1);

	(void)state;
	sa.protect = false;
	assert_int_equal(sa_replay_accept(&sa, 100), SA_FRESH);
	assert_int_equal(sa_replay_accept(&sa, 97), SA_FRESH);
	assert_int_equal(sa_replay_accept(&sa, 97), SA_FRESH);
	assert_int_equal(sa_replay_check(&sa, 5), SA_FRESH);
	assert_int_equal(sa_replay_accept(&sa, 5), SA_DELAYED);
	sa.protect = true; /* what was seen meanwhile counts */
	assert_int_equal(sa_replay_accept(&sa, 97), SA_DUPLICATE);
	free(sa.ring);
}

static void raised_floor_refuses_what_the_window_would_take(void **state)
{
	struct sa sa = sa_make(1024, 1);

	(void)state;
	for (uint64_t pn = 1; pn <= 600; pn++)
		sa_replay_accept(&sa, pn);
	sa.bound = 700;
	sa.next = 700; /* as sa_install() moves it */
	assert_int_equal(sa_replay_accept(&sa, 650), SA_LATE);
	assert_int_equal(sa_replay_accept(&sa, 701), SA_FRESH);
	assert_int_equal(sa_replay_accept(&sa, 700), SA_FRESH);
	assert_int_equal(sa_replay_accept(&sa, 700), SA_DUPLICATE);
	free(sa.ring);
}

/* Every state that an interrupted sa_live_put() can leave reads as the number before or after. */
static void interrupted_number_reads_as_before_or_after(void **state)
{
	struct sa_live l;
	uint8_t turn = 0, t;
	uint64_t v;

	(void)state;
	sa_live_init(&l, 1);
	for (uint64_t n = 2; n < 2000; n += n % 7 + 1) {
		struct sa_live torn = l;

		torn.slot[turn].v = n; /* killed before the complement */
		assert_int_equal(sa_live_get(&torn, &t, &v), 0);
		assert_true(v == l.slot[turn ^ 1].v);
		sa_live_put(&l, &turn, n);
		assert_int_equal(sa_live_get(&l, &t, &v), 0);
		assert_true(v == n);
		assert_int_equal(t, turn);
	}
}

static void stray_write_to_a_number_is_found(void **state)
{
	struct sa_live l;
	uint8_t turn = 0, t;
	uint64_t v;

	(void)state;
	sa_live_init(&l, 1);
	sa_live_put(&l, &turn, 1000);
	sa_live_put(&l, &turn, 2000);
	for (unsigned bit = 0; bit < 256; bit++) {
		struct sa_live bad = l;

		((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		/* A number raised over its old complement is what a kill leaves, if older. */
		if (sa_live_get(&bad, &t, &v) == 0)
			assert_true(v == 1000 || v == 2000);
		((uint8_t *)&bad)[16] ^= 0x55;
		((uint8_t *)&bad)[0] ^= 0x55;
		assert_int_equal(sa_live_get(&bad, &t, &v), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_agrees_with_the_model_from_the_start),
		cmocka_unit_test(window_agrees_with_the_model_across_32_bits),
		cmocka_unit_test(window_agrees_with_the_model_at_the_end_of_numbers),
		cmocka_unit_test(last_number_of_all_is_never_accepted),
		cmocka_unit_test(without_protection_late_frames_are_told_apart_and_let_through),
		cmocka_unit_test(raised_floor_refuses_what_the_window_would_take),
		cmocka_unit_test(interrupted_number_reads_as_before_or_after),
		cmocka_unit_test(stray_write_to_a_number_is_found),
	};

	return cmocka_run_group_tests_name("sa/replay", tests, NULL, NULL);
}
