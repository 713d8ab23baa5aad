/*
 * designated: three nodes of one site and one of another, in virtual time. Each ticks every 100 ms
 * at its own offset; what they say arrives 1 to 30 ms later, where there is a way. A seed that
 * fails replays exactly.
 */
#include "fwd/designated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MS UINT64_C(1000000)
#define NODES 4 /* the last is at another site */
#define TWINS 3
#define FLIGHT 128 /* letters under way at once, at most */

struct letter {
	bool used;
	uint64_t due;
	unsigned to, from;
	struct bframe_hello h;
};

struct world {
	uint64_t now;
	uint32_t random, instances;
	unsigned loss; /* in a thousand */
	struct designated d[NODES];
	bool runs[NODES], lan[NODES], wan[NODES];
	bool apart[NODES][NODES]; /* no way between the two */
	unsigned offset[NODES];
	struct letter flight[FLIGHT];
	uint64_t last_due[NODES][NODES]; /* a carrier keeps the order of one sender's frames */
	/* What is watched. */
	unsigned worst;
	uint64_t together; /* ms in which two of the site forwarded */
};

static unsigned draw(struct world *w, unsigned n)
{
	w->random = w->random * 1664525u + 1013904223u;
	return (w->random >> 8) % n;
}

static void start(struct world *w, unsigned i)
{
	struct designated_config c = {.self = (uint16_t)(i + 1), .instance = ++w->instances};

	if (i < TWINS)
		for (unsigned k = 0; k < TWINS; k++)
			c.site[k] = (uint16_t)(k + 1);
	else
		c.site[0] = c.self;
	designated_init(&w->d[i], &c, w->now);
	w->runs[i] = true;
	w->offset[i] = draw(w, 100);
}

static void world_init(struct world *w, unsigned seed)
{
	memset(w, 0, sizeof(*w));
	w->random = seed * 2654435761u;
	w->now = 1000 * MS;
	for (unsigned i = 0; i < NODES; i++) {
		w->lan[i] = w->wan[i] = true;
		start(w, i);
	}
}

static void post(struct world *w, unsigned from)
{
	struct bframe_hello h;

	memset(&h, 0, sizeof(h));
	while (designated_output(&w->d[from], &h, w->now)) {
		for (unsigned to = 0; to < NODES; to++) {
			struct letter *l = w->flight;
			uint64_t due = w->now + (1 + draw(w, 30)) * MS;

			if (to == from || !w->wan[from] || draw(w, 1000) < w->loss)
				continue;
			while (l < w->flight + FLIGHT && l->used)
				l++;
			assert_true(l < w->flight + FLIGHT);
			if (due < w->last_due[from][to])
				due = w->last_due[from][to];
			w->last_due[from][to] = due;
			*l = (struct letter){
				.used = true, .due = due, .to = to, .from = from, .h = h};
		}
	}
}

static unsigned forwarding(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TWINS; i++)
		n += w->runs[i] && designated_forwards(&w->d[i]);
	return n;
}

/* One millisecond. */
static void step(struct world *w)
{
	w->now += MS;
	for (struct letter *l = w->flight; l < w->flight + FLIGHT; l++) {
		if (!l->used || l->due > w->now)
			continue;
		l->used = false;
		if (!w->runs[l->to] || !w->wan[l->to] || w->apart[l->from][l->to])
			continue;
		designated_input(&w->d[l->to], 100000 + l->from, &l->h, w->now);
		post(w, l->to);
	}
	for (unsigned i = 0; i < NODES; i++) {
		if (!w->runs[i] || (w->now / MS + w->offset[i]) % 100)
			continue;
		designated_usable(&w->d[i], w->lan[i], w->now);
		post(w, i);
	}
	if (forwarding(w) > w->worst)
		w->worst = forwarding(w);
	w->together += forwarding(w) > 1;
}

static void run(struct world *w, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++)
		step(w);
}

static void is_the_one(struct world *w, unsigned best)
{
	for (unsigned i = 0; i < TWINS; i++)
		if (w->runs[i] && designated_forwards(&w->d[i]) != (i == best))
			fail_msg("node %u is %s", i + 1, bframe_state_names[w->d[i].state]);
	assert_true(w->runs[best]);
}

static struct world w;

static void the_best_forwards_and_a_lone_node_always_does(void **state)
{
	(void)state;
	world_init(&w, 1);
	assert_true(designated_forwards(&w.d[3]));
	assert_false(designated_forwards(&w.d[0]));
	run(&w, 2000);
	is_the_one(&w, 0);
	assert_int_equal(w.worst, 1);
}

static void the_next_takes_over_from_one_that_died_and_gives_back(void **state)
{
	(void)state;
	world_init(&w, 2);
	run(&w, 2000);
	w.runs[0] = false;
	run(&w, 1600); /* GONE, CLAIM and ticks */
	is_the_one(&w, 1);
	start(&w, 0);
	run(&w, 1500);
	is_the_one(&w, 0);
	assert_int_equal(w.worst, 1);
}

static void one_whose_lan_goes_is_replaced_in_a_round_trip(void **state)
{
	(void)state;
	world_init(&w, 3);
	run(&w, 2000);
	w.lan[0] = false;
	designated_usable(&w.d[0], false, w.now); /* forward looks at once */
	post(&w, 0);
	run(&w, 100);
	is_the_one(&w, 1);
	w.lan[0] = true;
	run(&w, 1500);
	is_the_one(&w, 0);
	assert_int_equal(w.worst, 1);
}

static void one_that_hears_nobody_stops_before_another_begins(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 50; seed++) {
		world_init(&w, seed);
		run(&w, 2000 + seed * 7);
		w.wan[0] = false; /* it is not told */
		for (unsigned ms = 0; ms < 1700; ms++) {
			step(&w);
			assert_true(forwarding(&w) <= 1);
		}
		is_the_one(&w, 1);
		w.wan[0] = true;
		run(&w, 1600);
		is_the_one(&w, 0);
		assert_int_equal(w.worst, 1);
	}
}

/* Crashes, cut access lines, lost lans; no frame lost otherwise. Never two; in the end the best. */
static void whatever_happens_never_two_forward(void **state)
{
	unsigned done[5] = {0};

	(void)state;
	for (unsigned seed = 0; seed < 150; seed++) {
		world_init(&w, seed);
		for (unsigned event = 0; event < 30; event++) {
			unsigned i = draw(&w, TWINS), what = draw(&w, 5);

			done[what]++;
			if (what == 0)
				w.runs[i] = false;
			else if (what == 1 && !w.runs[i])
				start(&w, i);
			else if (what == 2)
				w.wan[i] = !w.wan[i];
			else if (what == 3)
				w.lan[i] = !w.lan[i];
			run(&w, 20 + draw(&w, 1500));
			if (w.worst > 1)
				fail_msg("seed %u event %u: two forward", seed, event);
		}
		for (unsigned i = 0; i < TWINS; i++) {
			w.wan[i] = w.lan[i] = true;
			if (!w.runs[i])
				start(&w, i);
		}
		run(&w, 4000);
		is_the_one(&w, 0);
		assert_int_equal(w.worst, 1);
	}
	for (unsigned i = 0; i < 5; i++)
		assert_true(done[i] > 100); /* each kind of event came about */
}

/* With two hellos in a hundred lost two may meet for moments, which hellos end. */
static void lost_hellos_cost_moments(void **state)
{
	uint64_t ms = 0, together = 0;

	(void)state;
	for (unsigned seed = 0; seed < 12; seed++) {
		world_init(&w, seed);
		w.loss = 20;
		run(&w, 2500);
		for (unsigned k = 0; k < 10; k++) {
			w.runs[0] = false;
			run(&w, 2500);
			start(&w, 0);
			run(&w, 2500);
		}
		ms += 52500;
		together += w.together;
		is_the_one(&w, 0);
	}
	/* Less than a thousandth of the time. */
	assert_true(together * 1000 < ms);
}

/* The double fault: two of a site cannot hear each other, others they can. */
static void when_two_can_hear_each_other_again_one_stops_at_the_first_hello(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 30; seed++) {
		unsigned ms = 0;

		world_init(&w, seed);
		w.runs[2] = false;
		run(&w, 2500);
		w.apart[0][1] = w.apart[1][0] = true;
		run(&w, 3000);
		assert_int_equal(forwarding(&w), 2);
		w.apart[0][1] = w.apart[1][0] = false;
		while (forwarding(&w) > 1 && ms++ < 1000)
			step(&w);
		assert_true(ms <= 330); /* a hello is said every 200 ms, at a tick */
		is_the_one(&w, 0);
	}
}

static void a_channel_is_its_hellos_and_nobodys_before(void **state)
{
	struct bframe_hello h = {.node = 2, .state = BFRAME_READY, .instance = 1, .sequence = 5};
	struct designated_config c = {.self = 1, .site = {1, 2}, .instance = 9};
	struct designated d;

	(void)state;
	designated_init(&d, &c, MS);
	assert_int_equal(designated_origin(&d, 77777, MS), DESIGNATED_UNKNOWN);
	assert_int_equal(designated_origin(&d, 77777, 100000 * MS), DESIGNATED_UNKNOWN);
	assert_true(designated_input(&d, 77777, &h, 2 * MS));
	assert_int_equal(designated_origin(&d, 77777, 2 * MS), DESIGNATED_OWN_SITE);
	/* An older word of the same one says nothing. */
	h.sequence = 4;
	assert_false(designated_input(&d, 77777, &h, 3 * MS));
	h.node = 5;
	assert_true(designated_input(&d, 88888, &h, 3 * MS));
	assert_int_equal(designated_origin(&d, 88888, 3 * MS), DESIGNATED_OTHER_SITE);
	/* It got another card: the old channel is nobody's again. */
	h.node = 2;
	h.instance = 2;
	assert_true(designated_input(&d, 99999, &h, 4 * MS));
	assert_int_equal(designated_origin(&d, 99999, 4 * MS), DESIGNATED_OWN_SITE);
	assert_int_equal(designated_origin(&d, 77777, 4 * MS), DESIGNATED_UNKNOWN);
	/* Our own word from elsewhere is not believed. */
	h.node = 1;
	h.state = BFRAME_FORWARDING;
	assert_false(designated_input(&d, 66666, &h, 5 * MS));
}

static void strangers_are_let_in_once_they_were_quiet_for_a_while(void **state)
{
	struct designated_config c = {.self = 1, .site = {1, 2}, .strangers = true};
	struct designated d;

	(void)state;
	designated_init(&d, &c, MS);
	assert_int_equal(designated_origin(&d, 77777, 1000 * MS), DESIGNATED_UNKNOWN);
	assert_int_equal(designated_origin(&d, 77777, 1799 * MS), DESIGNATED_UNKNOWN);
	assert_int_equal(designated_origin(&d, 77777, 1800 * MS), DESIGNATED_OTHER_SITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_forwards_and_a_lone_node_always_does),
		cmocka_unit_test(the_next_takes_over_from_one_that_died_and_gives_back),
		cmocka_unit_test(one_whose_lan_goes_is_replaced_in_a_round_trip),
		cmocka_unit_test(one_that_hears_nobody_stops_before_another_begins),
		cmocka_unit_test(whatever_happens_never_two_forward),
		cmocka_unit_test(lost_hellos_cost_moments),
		cmocka_unit_test(when_two_can_hear_each_other_again_one_stops_at_the_first_hello),
		cmocka_unit_test(a_channel_is_its_hellos_and_nobodys_before),
		cmocka_unit_test(strangers_are_let_in_once_they_were_quiet_for_a_while),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
