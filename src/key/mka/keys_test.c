/* Key chains, fallback CAKs and the wall clock: which CAK's SAK is used, and that it never stops. */
#include "key/mka/mka_lan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define WALL (1700000000 * NS_PER_S) /* at the start of every test, when the clock shows START */
#define START (1000 * NS_PER_S)
#define HOUR (3600 * NS_PER_S)

static struct mka_show show(struct lan *l, unsigned i)
{
	struct mka_show s;

	mka_show(l->nodes[i].m, &s);
	return s;
}

/* Key number n: from and to are seconds after the start of the test, 0: none. */
static struct mka_key key(unsigned n, uint64_t from, uint64_t to)
{
	struct mka_key k = {.ckn = "key-", .ckn_len = 5, .cak.len = 16};

	k.ckn[4] = (uint8_t)('0' + n);
	memset(k.cak.b, (int)(0x30 + n), 16);
	k.start = from ? WALL + from * NS_PER_S : 0;
	k.end = to ? WALL + to * NS_PER_S : 0;
	return k;
}

static struct mka_key fallback(void)
{
	struct mka_key k = key(9, 0, 0);

	k.fallback = true;
	return k;
}

/* Nodes that all have the same keys; what a test changes it changes before they start. */
static struct lan *lan_of(unsigned nodes, const struct mka_key *keys, unsigned n)
{
	struct lan *l = lan_new(nodes, NULL);

	for (unsigned i = 0; i < nodes; i++) {
		memcpy(l->nodes[i].cfg.keys, keys, n * sizeof(*keys));
		l->nodes[i].cfg.key_count = n;
		l->nodes[i].cfg.wall = WALL;
	}
	return l;
}

static void start_all(struct lan *l)
{
	for (unsigned i = 0; i < l->count; i++)
		lan_start(l, i);
	assert_true(lan_until(l, lan_agreed, 20 * NS_PER_S));
}

/* Until so many seconds after the start; everybody hears everybody all the while. */
static void well_until(struct lan *l, uint64_t seconds)
{
	while (l->now < START + seconds * NS_PER_S) {
		lan_run(l, l->now + 20 * NS_PER_MS);
		for (unsigned i = 0; i < l->count; i++)
			for (unsigned j = 0; j < l->count; j++)
				assert_true(i == j || lan_hears(&l->nodes[i], &l->nodes[j]));
	}
}

static const struct mka_key_show *shown(const struct mka_show *s, unsigned n)
{
	for (unsigned i = 0; i < s->key_count; i++)
		if (s->keys[i].ckn[4] == '0' + n)
			return &s->keys[i];
	fail();
	return NULL;
}

static bool principal_is(struct lan *l, unsigned node, unsigned n)
{
	struct mka_show s = show(l, node);

	return shown(&s, n)->principal;
}

static void assert_principal(struct lan *l, unsigned n)
{
	for (unsigned i = 0; i < l->count; i++)
		assert_true(principal_is(l, i, n));
	assert_true(lan_agreed(l));
}

/* The SAK in use comes from the participant under that key: a member identifier of it. */
static void assert_sak_of(struct lan *l, unsigned n)
{
	const struct sink_sa *tx = lan_transmit_sa(&l->nodes[0]);
	bool found = false;

	for (unsigned i = 0; i < l->count; i++) {
		struct mka_show s = show(l, i);

		found |= !memcmp(shown(&s, n)->mi, tx->key_id, MKA_MI_LEN);
	}
	assert_true(found);
}

static void keys_give(struct lan *l, unsigned i, const struct mka_key *v, unsigned n)
{
	assert_int_equal(mka_keys(l->nodes[i].m, v, n, l->now), 0);
	lan_flush(l, i);
}

static void a_chain_rolls_over_and_no_frame_is_lost(void **state)
{
	const struct mka_key chain[] = {key(1, 0, 60), key(2, 60, 120), key(3, 120, 0)};
	struct lan *l = lan_of(4, chain, 3);
	struct mka_show s;

	(void)state;
	start_all(l);
	well_until(l, 59);
	assert_principal(l, 1);
	s = show(l, 0);
	assert_false(shown(&s, 2)->runs);
	assert_int_equal(shown(&s, 2)->time, MKA_KEY_FUTURE);
	well_until(l, 75);
	assert_principal(l, 2);
	assert_sak_of(l, 2);
	well_until(l, 100);
	s = show(l, 0);
	assert_false(shown(&s, 1)->runs); /* nothing of it is left */
	assert_int_equal(shown(&s, 1)->time, MKA_KEY_EXPIRED);
	well_until(l, 200);
	assert_principal(l, 3);
	assert_sak_of(l, 3);
	lan_free(l);
}

static void a_newer_key_waits_for_the_last_member(void **state)
{
	const struct mka_key both[] = {key(1, 0, 0), key(2, 30, 0)};
	struct lan *l = lan_of(3, both, 2);

	(void)state;
	l->nodes[2].cfg.key_count = 1;
	start_all(l);
	well_until(l, 90);
	assert_principal(l, 1);
	keys_give(l, 2, both, 2);
	well_until(l, 110);
	assert_principal(l, 2);
	lan_free(l);
}

static void a_key_added_to_the_chain_loses_nothing(void **state)
{
	const struct mka_key both[] = {key(1, 0, 0), key(2, 30, 0)};
	struct lan *l = lan_of(3, both, 1);
	uint8_t mi[MKA_MI_LEN];

	(void)state;
	start_all(l);
	well_until(l, 20);
	memcpy(mi, show(l, 1).mi, MKA_MI_LEN);
	for (unsigned i = 0; i < 3; i++)
		keys_give(l, i, both, 2);
	well_until(l, 29);
	assert_memory_equal(mi, show(l, 1).mi, MKA_MI_LEN);
	well_until(l, 50);
	assert_principal(l, 2);
	lan_free(l);
}

static void the_last_key_goes_on_beyond_its_end_but_not_for_ever(void **state)
{
	const struct mka_key chain[] = {key(1, 0, 60)};
	struct lan *l = lan_of(2, chain, 1);
	struct mka_show s;

	(void)state;
	start_all(l);
	well_until(l, 600);
	assert_principal(l, 1);
	s = show(l, 0);
	assert_true(shown(&s, 1)->overtime_ns);
	lan_run(l, START + 71 * HOUR);
	assert_true(lan_agreed(l));
	lan_run(l, START + 73 * HOUR);
	s = show(l, 0);
	assert_false(shown(&s, 1)->runs);
	assert_false(s.secured);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	lan_free(l);
}

static void a_reboot_gives_the_last_key_no_more_time(void **state)
{
	const struct mka_key chain[] = {key(1, 0, 60)};
	struct lan *l = lan_of(2, chain, 1);
	struct mka_show s;

	(void)state;
	l->nodes[0].cfg.wall = l->nodes[1].cfg.wall = WALL + 60 * NS_PER_S + 70 * HOUR;
	l->now =
		START + 71 * HOUR; /* the machine is up for that long: overtime began in its life */
	start_all(l);
	lan_run(l, l->now + 3 * HOUR);
	assert_false(show(l, 0).secured);
	lan_free(l);
	l = lan_of(2, chain, 1);
	l->nodes[0].cfg.wall = WALL + 74 * HOUR;
	l->now = START + 74 * HOUR;
	lan_start(l, 0);
	s = show(l, 0);
	assert_false(shown(&s, 1)->runs);
	lan_free(l);
}

static void an_expired_chain_falls_back(void **state)
{
	const struct mka_key keys[] = {key(1, 0, 60), fallback()};
	struct lan *l = lan_of(3, keys, 2);
	struct mka_show s;

	(void)state;
	start_all(l);
	assert_principal(l, 1);
	well_until(l, 180);
	assert_principal(l, 9);
	assert_sak_of(l, 9);
	s = show(l, 1);
	assert_false(shown(&s, 1)->runs);
	lan_free(l);
}

static void a_mismatch_falls_back_and_its_repair_brings_back(void **state)
{
	const struct mka_key right[] = {key(1, 0, 0), fallback()};
	struct mka_key wrong[] = {key(1, 0, 0), fallback()};
	struct lan *l = lan_of(4, right, 2);

	(void)state;
	wrong[0].cak.b[3] ^= 1;
	start_all(l);
	well_until(l, 30);
	assert_principal(l, 1);
	keys_give(l, 2, wrong, 2);
	well_until(l, 60);
	assert_principal(l, 9);
	assert_sak_of(l, 9);
	keys_give(l, 2, right, 2);
	well_until(l, 90);
	assert_principal(l, 1);
	assert_sak_of(l, 1);
	lan_free(l);
}

static void nothing_is_distributed_under_what_is_not_principal(void **state)
{
	const struct mka_key keys[] = {key(1, 0, 0), fallback()};
	struct lan *l = lan_of(3, keys, 2);

	(void)state;
	start_all(l);
	well_until(l, 60);
	assert_int_equal(show(l, 0).saks, 1);
	assert_sak_of(l, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct mka_show s = show(l, i);

		assert_int_equal(shown(&s, 9)->live_count, 2); /* and yet it is there */
	}
	lan_free(l);
}

static void fallback_waits_for_mka_life_time(void **state)
{
	const struct mka_key right[] = {key(1, 0, 0), fallback()};
	struct lan *l = lan_of(2, right, 2);

	(void)state;
	l->nodes[1].cfg.keys[0].cak.b[3] ^= 1;
	for (unsigned i = 0; i < 2; i++)
		lan_start(l, i);
	lan_run(l, START + 5900 * NS_PER_MS);
	assert_false(show(l, 0).secured);
	assert_true(principal_is(l, 0, 1));
	assert_true(lan_until(l, lan_agreed, 3 * NS_PER_S));
	assert_principal(l, 9);
	lan_free(l);
}

static void the_wall_clock_may_jump_as_it_likes(void **state)
{
	static const int64_t jumps[] = {-3600, 3600, 86400, -86400 * 365ll * 20,
					86400 * 365ll * 20};
	const struct mka_key keys[] = {key(1, 1, 3000), key(2, 2900, 6000), key(3, 5900, 0)};

	(void)state;
	for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		struct lan *l = lan_of(3, keys, 3);

		for (unsigned j = 0; j < 3; j++)
			l->nodes[j].cfg.wall = WALL + 10 * NS_PER_S;
		start_all(l);
		assert_principal(l, 1);
		mka_wall(l->nodes[1].m,
			 WALL + 10 * NS_PER_S + (uint64_t)(jumps[i] * (int64_t)NS_PER_S), l->now);
		well_until(l, 120);
		assert_principal(l, 1);
		mka_wall(l->nodes[1].m, WALL + 130 * NS_PER_S, l->now);
		well_until(l, 240);
		assert_principal(l, 1);
		lan_free(l);
	}
}

static void a_removed_key_ends_with_its_sak(void **state)
{
	const struct mka_key old = key(1, 0, 0), new = key(2, 0, 0);
	struct lan *l = lan_of(2, &old, 1);

	(void)state;
	start_all(l);
	lan_run(l, l->now + 10 * NS_PER_S);
	keys_give(l, 0, &new, 1);
	assert_false(show(l, 0).secured);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	keys_give(l, 1, &new, 1);
	assert_true(lan_until(l, lan_agreed, 20 * NS_PER_S));
	lan_free(l);
}

/* Killed and back, with another set of keys than before where the test says so. */
static void restart(struct lan *l, unsigned i, const struct mka_key *v, unsigned n, int want)
{
	static uint8_t buf[MKA_SAVE_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	struct rd r;

	mka_save(l->nodes[i].m, &w);
	assert_false(w.bad);
	mka_free(l->nodes[i].m);
	memcpy(l->nodes[i].cfg.keys, v, n * sizeof(*v));
	l->nodes[i].cfg.key_count = n;
	l->nodes[i].cfg.wall = WALL + (l->now - START);
	lan_start(l, i);
	r = rd_init(buf, wr_len(&w));
	assert_int_equal(mka_load(l->nodes[i].m, &r, l->now), want);
	if (want)
		return;
	for (unsigned k = 0; k < LAN_SAS; k++) {
		const struct lan_sa *s = &l->nodes[i].sas[k];
		struct sink_report rep = {.secy = s->sa.secy,
					  .an = s->sa.an,
					  .direction = s->transmit ? SINK_TRANSMIT : SINK_RECEIVE,
					  .installed = true,
					  .sci = s->sa.sci,
					  .pn = 1};

		memcpy(rep.key_id, s->sa.key_id, sizeof(rep.key_id));
		if (s->used)
			mka_report(l->nodes[i].m, &rep, l->now);
	}
	mka_synced(l->nodes[i].m, l->now);
	lan_flush(l, i);
}

static void every_participant_goes_on_after_a_restart(void **state)
{
	const struct mka_key keys[] = {key(1, 0, 100), key(2, 30, 0), fallback()};
	struct mka_show before, after;
	struct lan *l = lan_of(3, keys, 3);

	(void)state;
	start_all(l);
	well_until(l, 34); /* three participants, and a rollover on its way */
	before = show(l, 1);
	restart(l, 1, keys, 3, 0);
	after = show(l, 1);
	for (unsigned n = 1; n < 10; n += n == 2 ? 7 : 1) {
		assert_memory_equal(shown(&before, n)->mi, shown(&after, n)->mi, MKA_MI_LEN);
		assert_true(shown(&after, n)->mn >= shown(&before, n)->mn + MKA_MN_CEILING);
		assert_int_equal(shown(&after, n)->live_count, 2);
		assert_int_equal(shown(&after, n)->principal, shown(&before, n)->principal);
	}
	well_until(l, 60);
	assert_principal(l, 2);
	restart(l, 0, keys, 3, 0);
	well_until(l, 90);
	assert_principal(l, 2);
	lan_free(l);
}

static void overtime_goes_on_after_a_restart(void **state)
{
	const struct mka_key keys[] = {key(1, 0, 60)};
	struct lan *l = lan_of(2, keys, 1);
	struct mka_show s;
	uint64_t since;

	(void)state;
	start_all(l);
	well_until(l, 300);
	s = show(l, 0);
	since = shown(&s, 1)->overtime_ns;
	assert_true(since);
	restart(l, 0, keys, 1, 0);
	s = show(l, 0);
	assert_int_equal(shown(&s, 1)->overtime_ns, since);
	well_until(l, 330);
	lan_free(l);
}

static void a_restart_with_another_cak_of_the_same_name_starts_anew(void **state)
{
	struct mka_key k = key(1, 0, 0);
	struct lan *l = lan_of(2, &k, 1);

	(void)state;
	start_all(l);
	k.cak.b[0] ^= 1;
	restart(l, 1, &k, 1, -EBADMSG);
	lan_free(l);
}

static void a_restart_without_the_old_key_goes_on_under_the_fallback(void **state)
{
	const struct mka_key before[] = {key(1, 0, 0), fallback()};
	const struct mka_key after[] = {key(2, 0, 0), fallback()};
	struct lan *l = lan_of(3, before, 2);

	(void)state;
	start_all(l);
	well_until(l, 30);
	for (unsigned i = 0; i < 3; i++) {
		restart(l, i, after, 2, 0);
		well_until(l, 60 + 30 * i);
	}
	assert_principal(l, 2);
	lan_free(l);
}

static void a_name_is_believed_only_with_its_own_cak(void **state)
{
	const struct mka_key keys[] = {key(1, 0, 0), fallback()};
	struct lan *l = lan_of(2, keys, 2);
	struct lan_frame f;
	uint64_t digest, unknown, wrong;
	uint8_t *name;

	(void)state;
	start_all(l);
	well_until(l, 20);
	f = l->last[0];
	name = memmem(f.b, f.len, "key-", 4);
	assert_non_null(name);
	digest = mka_digest(l->nodes[1].m);
	unknown = show(l, 1).results[MKA_CKN_UNKNOWN];
	wrong = show(l, 1).results[MKA_ICV_WRONG];
	name[4] = name[4] == '1' ? '9' : '1';
	assert_int_equal(mka_input(l->nodes[1].m, f.b, f.len, l->now), MKA_ICV_WRONG);
	name[4] = '5';
	assert_int_equal(mka_input(l->nodes[1].m, f.b, f.len, l->now), MKA_CKN_UNKNOWN);
	assert_int_equal(show(l, 1).results[MKA_CKN_UNKNOWN], unknown + 1);
	assert_int_equal(show(l, 1).results[MKA_ICV_WRONG], wrong + 1);
	assert_int_equal(mka_digest(l->nodes[1].m), digest);
	lan_free(l);
}

static void keys_that_cannot_be_are_refused(void **state)
{
	struct mka_key v[] = {key(1, 0, 0), key(1, 0, 0)};
	struct lan *l = lan_of(1, v, 1);

	(void)state;
	lan_start(l, 0);
	assert_int_equal(mka_keys(l->nodes[0].m, v, 2, l->now), -EINVAL); /* one name twice */
	assert_int_equal(mka_keys(l->nodes[0].m, v, 0, l->now), -EINVAL);
	v[0].cak.len = 24;
	assert_int_equal(mka_keys(l->nodes[0].m, v, 1, l->now), -EINVAL);
	v[0] = key(1, 60, 30);
	assert_int_equal(mka_keys(l->nodes[0].m, v, 1, l->now), -EINVAL);
	assert_int_equal(show(l, 0).key_count, 1);
	assert_true(show(l, 0).keys[0].runs);
	lan_free(l);
}

static void more_keys_than_participants_run_the_newest(void **state)
{
	struct mka_key v[8];
	struct mka_show s;
	struct lan *l;

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		v[i] = key(i, i + 1, 0);
	v[7] = fallback();
	l = lan_of(2, v, 8);
	for (unsigned i = 0; i < 2; i++)
		l->nodes[i].cfg.wall = WALL + 60 * NS_PER_S;
	start_all(l);
	s = show(l, 0);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(shown(&s, i)->runs, i >= 4);
	assert_true(shown(&s, 9)->runs);
	assert_principal(l, 6);
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_rolls_over_and_no_frame_is_lost),
		cmocka_unit_test(a_newer_key_waits_for_the_last_member),
		cmocka_unit_test(a_key_added_to_the_chain_loses_nothing),
		cmocka_unit_test(the_last_key_goes_on_beyond_its_end_but_not_for_ever),
		cmocka_unit_test(a_reboot_gives_the_last_key_no_more_time),
		cmocka_unit_test(an_expired_chain_falls_back),
		cmocka_unit_test(a_mismatch_falls_back_and_its_repair_brings_back),
		cmocka_unit_test(nothing_is_distributed_under_what_is_not_principal),
		cmocka_unit_test(fallback_waits_for_mka_life_time),
		cmocka_unit_test(the_wall_clock_may_jump_as_it_likes),
		cmocka_unit_test(a_removed_key_ends_with_its_sak),
		cmocka_unit_test(every_participant_goes_on_after_a_restart),
		cmocka_unit_test(overtime_goes_on_after_a_restart),
		cmocka_unit_test(a_restart_with_another_cak_of_the_same_name_starts_anew),
		cmocka_unit_test(a_restart_without_the_old_key_goes_on_under_the_fallback),
		cmocka_unit_test(a_name_is_believed_only_with_its_own_cak),
		cmocka_unit_test(keys_that_cannot_be_are_refused),
		cmocka_unit_test(more_keys_than_participants_run_the_newest),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/mka/keys", tests, NULL, NULL);
}
