/* impair: the carrier's dice and its policer, seeded, against what the numbers say. */
#include "lab/impair.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define FRAMES 200000
#define SEEDS 5
#define MS 1000000ull
#define S 1000000000ull

struct seen {
	double lost, twice, overtaken, late;
	uint64_t latest;
};

static struct seen roll(const struct impair *im, uint64_t seed)
{
	struct impair_fate fate;
	struct seen s = {0};

	for (unsigned i = 0; i < FRAMES; i++) {
		impair_frame(im, &seed, &fate);
		assert_true(fate.copies <= IMPAIR_COPIES);
		s.lost += !fate.copies;
		s.twice += fate.copies == 2;
		for (unsigned k = 0; k < fate.copies; k++) {
			const struct impair_copy *c = &fate.copy[k];
			uint64_t jitter = c->late_ns - (c->overtaken ? IMPAIR_REORDER_NS : 0);

			s.overtaken += c->overtaken;
			s.late += (double)jitter;
			if (jitter > s.latest)
				s.latest = jitter;
		}
	}
	return s;
}

/* Six standard deviations: a binomial count leaves them once in 10^9 seeds. */
static void assert_near(double count, double n, double p)
{
	assert_true(fabs(count - n * p) <= 6 * sqrt(n * p * (1 - p)) + 1e-9);
}

static void a_perfect_service_does_nothing(void **state)
{
	struct seen s = roll(&(struct impair){0}, 1);

	(void)state;
	assert_true(s.lost == 0 && s.twice == 0 && s.overtaken == 0 && s.late == 0);
}

static void loss_duplication_and_reordering_are_as_often_as_the_file_says(void **state)
{
	static const struct impair im = {
		.loss_ppm = 10000, .duplicate_ppm = 20000, .reorder_ppm = 50000};

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct seen s = roll(&im, seed);

		assert_near(s.lost, FRAMES, 0.01);
		assert_near(s.twice, FRAMES - s.lost, 0.02);
		assert_near(s.overtaken, FRAMES - s.lost + s.twice, 0.05);
		assert_true(s.latest == 0);
	}
}

static void all_or_nothing_at_0_and_100_percent(void **state)
{
	struct seen s = roll(&(struct impair){.loss_ppm = 1000000, .duplicate_ppm = 1000000}, 7);

	(void)state;
	assert_true(s.lost == FRAMES && s.twice == 0);
	s = roll(&(struct impair){.duplicate_ppm = 1000000, .reorder_ppm = 1000000}, 7);
	assert_true(s.lost == 0 && s.twice == FRAMES && s.overtaken == 2 * FRAMES);
}

static void jitter_is_even_between_0_and_its_limit(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct seen s = roll(&(struct impair){.jitter_ns = 4 * MS}, seed);
		double mean = s.late / FRAMES, sigma = 4e6 / sqrt(12.0 * FRAMES);

		assert_true(s.latest <= 4 * MS && s.latest > 4 * MS - MS / 50);
		assert_true(fabs(mean - 2e6) < 6 * sigma);
	}
}

static void the_same_seed_rolls_the_same(void **state)
{
	static const struct impair im = {.loss_ppm = 100000, .jitter_ns = MS, .reorder_ppm = 1000};
	uint64_t a = 42, b = 42;
	struct impair_fate x, y;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		memset(&x, 0, sizeof(x));
		memset(&y, 0, sizeof(y));
		impair_frame(&im, &a, &x);
		impair_frame(&im, &b, &y);
		assert_int_equal(x.copies, y.copies);
		assert_true(x.copy[0].late_ns == y.copy[0].late_ns);
	}
}

static void a_policer_without_a_rate_takes_everything(void **state)
{
	struct policer p;

	(void)state;
	policer_init(&p, 0, 10000, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(policer_take(&p, 9600, 0));
}

static void a_burst_is_taken_at_once_and_not_an_octet_more(void **state)
{
	struct policer p;

	(void)state;
	policer_init(&p, 8000000, 10000, 5 * S);
	for (unsigned i = 0; i < 10; i++)
		assert_true(policer_take(&p, 1000, 5 * S));
	assert_false(policer_take(&p, 1, 5 * S));
	/* 8 Mbit/s is an octet a microsecond. */
	assert_false(policer_take(&p, 64, 5 * S + 63999));
	assert_true(policer_take(&p, 64, 5 * S + 64000));
	/* What was refused has cost nothing, and a full bucket gets no fuller. */
	assert_true(policer_take(&p, 10000, 500 * S));
	assert_false(policer_take(&p, 1, 500 * S));
}

static void time_that_stands_still_or_goes_back_gives_no_tokens(void **state)
{
	struct policer p;

	(void)state;
	policer_init(&p, 1000000000, 1000, S);
	assert_true(policer_take(&p, 1000, S));
	assert_false(policer_take(&p, 1, S));
	assert_false(policer_take(&p, 1, S / 2));
}

/* Against a model that adds up what may have passed: never more than burst + rate times time. */
static void whatever_is_offered_what_passes_keeps_to_rate_and_burst(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		uint64_t dice = seed, now = 0, rate, burst, passed = 0, offered = 0;
		struct policer p;

		rate = 64000 + impair_dice(&dice) % 1000000000;
		burst = 10000 + impair_dice(&dice) % 100000;
		policer_init(&p, rate, burst, now);
		while (now < S / 2) {
			size_t octets = 64 + impair_dice(&dice) % 9600;

			/* On average twice the rate. */
			now += impair_dice(&dice) % (octets * 8 * S / rate);
			offered += octets;
			if (policer_take(&p, octets, now))
				passed += octets;
			assert_true((double)passed * 8 <=
				    (double)burst * 8 + (double)rate * (double)now / 1e9 + 1);
		}
		/* It lets through what it may, save for what a large frame left in the bucket. */
		if (offered > 4 * burst)
			assert_true((double)passed * 8 + 9664 * 8 >=
				    0.9 * (double)rate * (double)now / 1e9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_perfect_service_does_nothing),
		cmocka_unit_test(loss_duplication_and_reordering_are_as_often_as_the_file_says),
		cmocka_unit_test(all_or_nothing_at_0_and_100_percent),
		cmocka_unit_test(jitter_is_even_between_0_and_its_limit),
		cmocka_unit_test(the_same_seed_rolls_the_same),
		cmocka_unit_test(a_policer_without_a_rate_takes_everything),
		cmocka_unit_test(a_burst_is_taken_at_once_and_not_an_octet_more),
		cmocka_unit_test(time_that_stands_still_or_goes_back_gives_no_tokens),
		cmocka_unit_test(whatever_is_offered_what_passes_keeps_to_rate_and_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
