/* Control's SAs against a forward played by the test. */
#include "myelind/keep.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
	struct keep k;
	struct msg said[64];
	unsigned said_count;
	int say_rc;
	struct sink_report lost[16];
	unsigned lost_count;
};

static int on_say(void *ctx, struct msg *m)
{
	struct fixture *f = ctx;

	if (f->say_rc < 0)
		return f->say_rc;
	assert_true(f->said_count < 64);
	f->said[f->said_count++] = *m;
	return 0;
}

static void on_lost(void *ctx, const struct sink_report *r)
{
	struct fixture *f = ctx;

	f->lost[f->lost_count++] = *r;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct keep_env env = {.ctx = f, .say = on_say, .lost = on_lost};

	assert_int_equal(keep_init(&f->k, 3, &env), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keep_fini(&f->k);
	free(f);
	return 0;
}

static struct sink_sa sa(uint8_t key, uint8_t an, uint64_t sci)
{
	struct sink_sa s = {
		.secy = 3, .an = an, .suite = MACSEC_GCM_AES_XPN_256, .sci = sci, .pn = 1};
	uint8_t b[32];

	memset(s.key_id, key, sizeof(s.key_id));
	memset(b, key, sizeof(b));
	secret_set(&s.key, b, sizeof(b));
	return s;
}

static struct sink_report report(const struct sink_sa *s, enum sink_direction d, bool installed)
{
	struct sink_report r = {.secy = 3,
				.an = s->an,
				.direction = (uint8_t)d,
				.installed = installed,
				.sci = s->sci,
				.pn = 77};

	memcpy(r.key_id, s->key_id, sizeof(r.key_id));
	return r;
}

static void flush(struct fixture *f)
{
	keep_commit(&f->k);
	keep_flush(&f->k);
}

static void what_is_named_is_said_in_order_and_once(void **state)
{
	struct fixture *f = *state;
	struct sink_sa rx = sa(1, 0, 20), tx = sa(1, 0, 10), old = sa(9, 3, 20);

	keep_add(&f->k, SINK_RECEIVE, &old, 5);
	flush(f);
	keep_add(&f->k, SINK_RECEIVE, &rx, 5);
	keep_add(&f->k, SINK_TRANSMIT, &tx, 5);
	keep_retire(&f->k, old.key_id, 0);
	assert_int_equal(f->said_count, 1); /* nothing before it could be saved */
	flush(f);
	flush(f);
	assert_int_equal(f->said_count, 4);
	assert_int_equal(f->said[1].type, MSG_SA_RECEIVE);
	assert_int_equal(f->said[2].type, MSG_SA_TRANSMIT);
	assert_int_equal(f->said[3].type, MSG_SA_RETIRE);
	assert_int_equal(f->said[1].sa.secy, 3);
	assert_memory_equal(f->said[1].sa.key.b, rx.key.b, 32);
}

static void what_forward_could_not_take_is_said_later(void **state)
{
	struct fixture *f = *state;
	struct sink_sa rx = sa(1, 0, 20);

	f->say_rc = -EAGAIN;
	keep_add(&f->k, SINK_RECEIVE, &rx, 5);
	flush(f);
	f->say_rc = 0;
	flush(f);
	assert_int_equal(f->said_count, 1);
}

static void an_sa_nobody_wants_is_retired(void **state)
{
	struct fixture *f = *state;
	struct sink_sa mine = sa(1, 0, 20), stranger = sa(2, 1, 30), gone = sa(1, 0, 40);
	struct sink_report r;

	keep_add(&f->k, SINK_RECEIVE, &mine, 5);
	flush(f);
	keep_sync_begin(&f->k);
	r = report(&stranger, SINK_RECEIVE, true);
	assert_false(keep_report(&f->k, &r));
	r = report(&gone, SINK_RECEIVE, true); /* our key, a peer that left */
	assert_false(keep_report(&f->k, &r));
	r = report(&mine, SINK_RECEIVE, true);
	assert_true(keep_report(&f->k, &r));
	keep_sync_done(&f->k);
	flush(f);
	assert_int_equal(f->lost_count, 0);
	assert_int_equal(f->said_count, 3);
	assert_int_equal(f->said[1].type, MSG_SA_RETIRE);
	assert_true(f->said[1].sa_retire.sci == 0); /* the whole key */
	assert_true(f->said[2].sa_retire.sci == 40);
	assert_memory_equal(f->said[2].sa_retire.key_id, mine.key_id, 16);
}

static void an_sa_that_forward_lost_is_told_and_never_said_again(void **state)
{
	struct fixture *f = *state;
	struct sink_sa rx = sa(1, 0, 20), tx = sa(1, 0, 10);
	struct sink_report r;

	keep_add(&f->k, SINK_RECEIVE, &rx, 5);
	keep_add(&f->k, SINK_TRANSMIT, &tx, 5);
	flush(f);
	f->said_count = 0;
	keep_sync_begin(&f->k); /* a new forward */
	/* The limit grows while its report is awaited: a forward that lost the SA must not get it. */
	tx.pn_limit = 1000;
	keep_add(&f->k, SINK_TRANSMIT, &tx, 6);
	flush(f);
	assert_int_equal(f->said_count, 0);
	r = report(&rx, SINK_RECEIVE, true);
	assert_true(keep_report(&f->k, &r));
	keep_sync_done(&f->k);
	flush(f);
	assert_int_equal(f->lost_count, 1);
	assert_int_equal(f->lost[0].direction, SINK_TRANSMIT);
	assert_int_equal(f->said_count, 0);
	assert_int_equal(f->k.count, 1);
}

static void a_limit_that_grew_during_a_sync_is_said_once_the_sa_is_known_to_live(void **state)
{
	struct fixture *f = *state;
	struct sink_sa tx = sa(1, 0, 10);
	struct sink_report r = report(&tx, SINK_TRANSMIT, true);

	keep_add(&f->k, SINK_TRANSMIT, &tx, 5);
	flush(f);
	f->said_count = 0;
	keep_sync_begin(&f->k);
	tx.pn_limit = 1000;
	keep_add(&f->k, SINK_TRANSMIT, &tx, 6);
	assert_true(keep_report(&f->k, &r));
	keep_sync_done(&f->k);
	flush(f);
	assert_int_equal(f->said_count, 1);
	assert_true(f->said[0].sa.pn_limit == 1000);
	assert_true(keep_transmit(&f->k)->pn_seen == 77);
}

static void an_sa_that_was_never_said_is_not_lost(void **state)
{
	struct fixture *f = *state;
	struct sink_sa tx = sa(1, 0, 10);

	keep_add(&f->k, SINK_TRANSMIT, &tx, 5); /* no forward yet: no commit */
	keep_sync_begin(&f->k);
	keep_sync_done(&f->k);
	assert_int_equal(f->lost_count, 0);
	flush(f);
	assert_int_equal(f->said_count, 1);
}

static void a_successor_has_the_same_sas_and_waits_for_forwards_word(void **state)
{
	struct fixture *f = *state, g = {0};
	struct keep_env env = {.ctx = &g, .say = on_say, .lost = on_lost};
	struct sink_sa rx = sa(1, 0, 20), tx = sa(1, 2, 10);
	struct sink_report r = report(&tx, SINK_TRANSMIT, true);
	uint8_t buf[4096];
	struct wr w = wr_init(buf, sizeof(buf));
	struct rd rd;

	tx.pn_limit = 500;
	keep_add(&f->k, SINK_RECEIVE, &rx, 5);
	keep_add(&f->k, SINK_TRANSMIT, &tx, 6);
	keep_commit(&f->k);
	keep_save(&f->k, &w); /* and dies here, before or after saying it */
	assert_false(w.bad);
	assert_true(wr_len(&w) <= 2 + 2 * KEEP_SAVE_SA);
	keep_init(&g.k, 3, &env);
	rd = rd_init(buf, wr_len(&w));
	assert_int_equal(keep_load(&g.k, &rd), 0);
	assert_true(rd_done(&rd));
	keep_sync_begin(&g.k);
	flush(&g);
	assert_int_equal(g.said_count, 0);
	assert_true(keep_report(&g.k, &r));
	keep_sync_done(&g.k);
	assert_int_equal(g.lost_count, 1);
	assert_int_equal(g.lost[0].direction, SINK_RECEIVE);
	flush(&g);
	assert_int_equal(g.said_count, 1);
	assert_int_equal(g.said[0].type, MSG_SA_TRANSMIT);
	assert_int_equal(g.said[0].sa.an, 2);
	assert_memory_equal(g.said[0].sa.key.b, tx.key.b, 32);
	keep_fini(&g.k);
}

/* Forward tells of its SAs by AN, and the older one's may be the higher. */
static void a_successor_leaves_the_newest_transmit_sa_in_use(void **state)
{
	struct fixture *f = *state, g = {0};
	struct keep_env env = {.ctx = &g, .say = on_say, .lost = on_lost};
	struct sink_sa older = sa(1, 3, 10), newer = sa(2, 0, 10);
	struct sink_report of_older = report(&older, SINK_TRANSMIT, true),
			   of_newer = report(&newer, SINK_TRANSMIT, true);
	uint8_t buf[1024];
	struct wr w = wr_init(buf, sizeof(buf));
	struct rd rd;

	keep_add(&f->k, SINK_TRANSMIT, &older, 5);
	keep_add(&f->k, SINK_TRANSMIT, &newer, 6);
	flush(f);
	keep_save(&f->k, &w);
	keep_init(&g.k, 3, &env);
	rd = rd_init(buf, wr_len(&w));
	assert_int_equal(keep_load(&g.k, &rd), 0);
	keep_sync_begin(&g.k);
	keep_report(&g.k, &of_newer);
	flush(&g);
	keep_report(&g.k, &of_older);
	flush(&g);
	keep_sync_done(&g.k);
	flush(&g);
	assert_int_equal(g.said_count, 1);
	assert_int_equal(g.said[0].type, MSG_SA_TRANSMIT);
	assert_int_equal(g.said[0].sa.an, 0);
	keep_fini(&g.k);
}

static void a_record_cut_anywhere_is_refused(void **state)
{
	struct fixture *f = *state, g = {0};
	struct keep_env env = {.ctx = &g, .say = on_say, .lost = on_lost};
	struct sink_sa rx = sa(1, 0, 20);
	uint8_t buf[1024];
	struct wr w = wr_init(buf, sizeof(buf));

	keep_add(&f->k, SINK_RECEIVE, &rx, 5);
	keep_save(&f->k, &w);
	keep_init(&g.k, 3, &env);
	for (size_t n = 0; n < wr_len(&w); n++) {
		struct rd rd = rd_init(buf, n);

		assert_int_equal(keep_load(&g.k, &rd), -EBADMSG);
		assert_int_equal(g.k.count, 0);
	}
	keep_fini(&g.k);
}

static void more_sas_than_there_is_room_for_are_refused(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < KEEP_MAX; i++) {
		struct sink_sa s = sa(1, 0, 100 + i);

		assert_int_equal(keep_add(&f->k, SINK_RECEIVE, &s, 1), 0);
	}
	assert_int_equal(keep_add(&f->k, SINK_RECEIVE, &(struct sink_sa){.sci = 1}, 1), -ENOSPC);
	keep_clear(&f->k);
	assert_int_equal(f->k.count, 0);
	assert_int_equal(f->k.retire_count, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_named_is_said_in_order_and_once),
		T(what_forward_could_not_take_is_said_later),
		T(an_sa_nobody_wants_is_retired),
		T(an_sa_that_forward_lost_is_told_and_never_said_again),
		T(a_limit_that_grew_during_a_sync_is_said_once_the_sa_is_known_to_live),
		T(an_sa_that_was_never_said_is_not_lost),
		T(a_successor_has_the_same_sas_and_waits_for_forwards_word),
		T(a_successor_leaves_the_newest_transmit_sa_in_use),
		T(a_record_cut_anywhere_is_refused),
		T(more_sas_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
