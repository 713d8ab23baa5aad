/* Suspension (9.18), and SAKs that are kept without live peers: who is timed out when, and that
 * what comes after is a fresh SAK. */
#include "key/mka/mka_lan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct mka_show show(struct lan *l, unsigned i)
{
	struct mka_show s;

	mka_show(l->nodes[i].m, &s);
	return s;
}

static unsigned live(struct lan *l, unsigned i)
{
	struct mka_show s = show(l, i);
	unsigned n = 0;

	for (unsigned j = 0; j < s.peer_count; j++)
		n += s.peers[j].live;
	return n;
}

static struct lan *settled(unsigned n, void (*change)(struct mka_config *c))
{
	struct mka_config cfg[LAN_NODES] = {0};
	struct lan *l;

	for (unsigned i = 0; i < n; i++) {
		cfg[i] = lan_config(i);
		if (change)
			change(&cfg[i]);
	}
	l = lan_new(n, cfg);
	for (unsigned i = 0; i < n; i++)
		lan_start(l, i);
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_run(l, l->now + 20 * NS_PER_S);
	return l;
}

static void ask(struct lan *l, unsigned i, unsigned seconds)
{
	assert_int_equal(mka_suspend(l->nodes[i].m, seconds, l->now), 0);
	lan_flush(l, i);
}

/* Its control is away for so long; forward keeps the SAs. */
static void away(struct lan *l, unsigned i, uint64_t span)
{
	uint8_t *record = malloc(MKA_SAVE_MAX);
	struct wr w = wr_init(record, MKA_SAVE_MAX);

	mka_save(l->nodes[i].m, &w);
	assert_false(w.bad);
	l->nodes[i].up = false;
	lan_run(l, l->now + span);
	lan_restart(l, i, record, wr_len(&w));
	free(record);
}

static void away_for_longer_than_life_without_asking_is_timed_out(void **state)
{
	struct lan *l = settled(3, NULL);
	uint64_t saks = show(l, 0).saks;

	(void)state;
	l->nodes[1].up = false;
	lan_run(l, l->now + 8 * NS_PER_S);
	assert_int_equal(live(l, 0), 1);
	assert_true(show(l, 0).saks > saks);
	lan_free(l);
}

static void who_asked_is_waited_for_and_the_sak_stays(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 3; who++) { /* key server, members */
		struct lan *l = settled(3, NULL);
		struct sink_sa before = *lan_transmit_sa(&l->nodes[who]);

		ask(l, who, 60);
		lan_run(l, l->now + 3 * NS_PER_S);
		assert_true(show(l, who).suspend_granted);
		for (unsigned i = 0; i < 3; i++)
			assert_true(show(l, i).suspended_until_ns > l->now + 50 * NS_PER_S);
		away(l, who, 40 * NS_PER_S);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(live(l, i), 2);
		lan_run(l, l->now + 10 * NS_PER_S);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(show(l, i).suspended_until_ns, 0);
			assert_int_equal(live(l, i), 2);
			assert_memory_equal(lan_transmit_sa(&l->nodes[i])->key_id, before.key_id,
					    sizeof(before.key_id));
		}
		assert_true(lan_agreed(l));
		lan_free(l);
	}
}

static void who_does_not_come_back_is_timed_out_when_it_is_over(void **state)
{
	struct lan *l = settled(3, NULL);
	uint64_t at = l->now;

	(void)state;
	ask(l, 1, 30);
	lan_run(l, l->now + 3 * NS_PER_S);
	l->nodes[1].up = false;
	lan_run(l, at + 30 * NS_PER_S);
	assert_int_equal(live(l, 0), 2);
	lan_run(l, at + 36 * NS_PER_S);
	assert_int_equal(live(l, 0), 1);
	assert_int_equal(live(l, 2), 1);
	assert_int_equal(show(l, 0).suspended_until_ns, 0);
	lan_free(l);
}

static void two_at_once_are_waited_for_until_both_are_back(void **state)
{
	struct lan *l = settled(4, NULL);
	uint8_t *record = malloc(MKA_SAVE_MAX);
	struct wr w = wr_init(record, MKA_SAVE_MAX);

	(void)state;
	ask(l, 1, 60);
	ask(l, 2, 60);
	lan_run(l, l->now + 3 * NS_PER_S);
	mka_save(l->nodes[1].m, &w);
	l->nodes[1].up = false;
	away(l, 2, 15 * NS_PER_S);
	lan_run(l, l->now + 15 * NS_PER_S);
	assert_int_equal(live(l, 0), 3); /* node 1 is away still */
	assert_int_equal(live(l, 3), 3);
	lan_restart(l, 1, record, wr_len(&w));
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(show(l, 3).suspended_until_ns, 0);
	assert_true(lan_agreed(l));
	free(record);
	lan_free(l);
}

static void asked_for_by_a_number_and_taken_back_by_none(void **state)
{
	struct lan *l = lan_new(2, NULL);

	(void)state;
	lan_start(l, 0);
	lan_start(l, 1);
	assert_int_equal(mka_suspend(l->nodes[0].m, 10, l->now), -ENOTCONN);
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_int_equal(mka_suspend(l->nodes[0].m, MKA_SUSPENSION_LIMIT_S + 1, l->now), -EINVAL);
	ask(l, 1, MKA_SUSPENSION_LIMIT_S);
	lan_run(l, l->now + NS_PER_S);
	assert_true(show(l, 0).suspended_until_ns > l->now + 110 * NS_PER_S);
	ask(l, 1, 0);
	lan_run(l, l->now + NS_PER_S);
	assert_int_equal(show(l, 0).suspended_until_ns, 0);
	assert_int_equal(show(l, 1).suspended_until_ns, 0);
	lan_free(l);
}

static void rekeyed(struct mka_config *c)
{
	c->rekey_ns = 30 * NS_PER_S;
}

static void no_sak_is_replaced_for_its_age_meanwhile(void **state)
{
	struct lan *l = settled(3, rekeyed);
	uint64_t saks = show(l, 0).saks;

	(void)state;
	ask(l, 2, 60);
	lan_run(l, l->now + 58 * NS_PER_S);
	assert_int_equal(show(l, 0).saks, saks);
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_true(show(l, 0).saks > saks);
	lan_free(l);
}

static void a_newcomer_gets_its_sak_meanwhile(void **state)
{
	struct lan *l = lan_new(3, NULL);

	(void)state;
	lan_start(l, 0);
	lan_start(l, 1);
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	ask(l, 1, 60);
	lan_run(l, l->now + 3 * NS_PER_S);
	lan_start(l, 2);
	lan_run(l, l->now + 12 * NS_PER_S);
	assert_true(lan_agreed(l));
	lan_free(l);
}

static void our_own_stall_is_not_the_silence_of_others(void **state)
{
	struct lan *l = settled(3, NULL);

	(void)state; /* the machine was paused, or its clock jumped: the next call comes late */
	mka_expire(l->nodes[0].m, l->now + 100 * NS_PER_S);
	assert_int_equal(live(l, 0), 2);
	assert_non_null(lan_transmit_sa(&l->nodes[0]));
	mka_expire(l->nodes[0].m, l->now + 103 * NS_PER_S); /* but what follows is */
	mka_expire(l->nodes[0].m, l->now + 105 * NS_PER_S);
	mka_expire(l->nodes[0].m, l->now + 107 * NS_PER_S);
	assert_int_equal(live(l, 0), 0);
	lan_free(l);
}

/* --- SAKs that are kept --- */

static void kept(struct mka_config *c)
{
	c->keep_sak_ns = 60 * NS_PER_S;
}

static bool silence(struct lan *l, unsigned from, unsigned to, const uint8_t *frame, size_t len)
{
	(void)l;
	(void)from;
	(void)to;
	(void)frame;
	(void)len;
	return true;
}

static void without_the_line_a_sak_ends_with_the_last_live_peer(void **state)
{
	struct lan *l = settled(2, NULL);

	(void)state;
	l->drop = silence;
	lan_run(l, l->now + 9 * NS_PER_S);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	assert_null(lan_transmit_sa(&l->nodes[1]));
	lan_free(l);
}

static void kept_sak_outlives_the_silence_and_a_fresh_one_follows(void **state)
{
	struct lan *l = settled(2, kept);
	struct sink_sa before = *lan_transmit_sa(&l->nodes[0]);

	(void)state;
	l->drop = silence;
	for (unsigned i = 0; i < 50; i++) {
		lan_run(l, l->now + NS_PER_S);
		assert_true(lan_hears(&l->nodes[0], &l->nodes[1]));
		assert_true(lan_hears(&l->nodes[1], &l->nodes[0]));
	}
	assert_int_equal(live(l, 0), 0);
	assert_true(show(l, 0).alone_since_ns);
	l->drop = NULL;
	lan_run(l, l->now + 15 * NS_PER_S);
	assert_true(lan_agreed(l));
	assert_int_equal(show(l, 0).alone_since_ns, 0);
	assert_memory_not_equal(lan_transmit_sa(&l->nodes[0])->key_id, before.key_id,
				sizeof(before.key_id));
	lan_free(l);
}

static void kept_sak_ends_at_its_time(void **state)
{
	struct lan *l = settled(2, kept);

	(void)state;
	l->drop = silence;
	lan_run(l, l->now + 58 * NS_PER_S);
	assert_non_null(lan_transmit_sa(&l->nodes[0]));
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	assert_null(lan_transmit_sa(&l->nodes[1]));
	lan_free(l);
}

static void kept_sak_ends_where_its_packet_numbers_would(void **state)
{
	struct lan *l = settled(2, kept);
	const struct sink_sa *sa = lan_transmit_sa(&l->nodes[0]);
	struct sink_report r = {.secy = sa->secy,
				.an = sa->an,
				.direction = SINK_TRANSMIT,
				.installed = true,
				.sci = sa->sci,
				.pn = 0xc000000000000000u};

	(void)state;
	memcpy(r.key_id, sa->key_id, sizeof(r.key_id));
	l->drop = silence;
	lan_run(l, l->now + 20 * NS_PER_S);
	assert_non_null(lan_transmit_sa(&l->nodes[0]));
	mka_report(l->nodes[0].m, &r, l->now);
	lan_flush(l, 0);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	lan_free(l);
}

static void a_successor_goes_on_keeping_for_what_is_left(void **state)
{
	struct lan *l = settled(2, kept);

	(void)state;
	l->drop = silence;
	lan_run(l, l->now + 30 * NS_PER_S);
	away(l, 0, 10 * NS_PER_S);
	lan_run(l, l->now + 15 * NS_PER_S);
	assert_non_null(lan_transmit_sa(&l->nodes[0]));
	lan_run(l, l->now + 12 * NS_PER_S);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(away_for_longer_than_life_without_asking_is_timed_out),
		cmocka_unit_test(who_asked_is_waited_for_and_the_sak_stays),
		cmocka_unit_test(who_does_not_come_back_is_timed_out_when_it_is_over),
		cmocka_unit_test(two_at_once_are_waited_for_until_both_are_back),
		cmocka_unit_test(asked_for_by_a_number_and_taken_back_by_none),
		cmocka_unit_test(no_sak_is_replaced_for_its_age_meanwhile),
		cmocka_unit_test(a_newcomer_gets_its_sak_meanwhile),
		cmocka_unit_test(our_own_stall_is_not_the_silence_of_others),
		cmocka_unit_test(without_the_line_a_sak_ends_with_the_last_live_peer),
		cmocka_unit_test(kept_sak_outlives_the_silence_and_a_fresh_one_follows),
		cmocka_unit_test(kept_sak_ends_at_its_time),
		cmocka_unit_test(kept_sak_ends_where_its_packet_numbers_would),
		cmocka_unit_test(a_successor_goes_on_keeping_for_what_is_left),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/mka/suspend", tests, NULL, NULL);
}
