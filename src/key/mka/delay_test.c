/* Delay protection (9.10.1): what is told when, and that only what is fresh is applied. */
#include "key/mka/mka_lan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void protected(struct mka_config *c, unsigned i)
{
	(void)i;
	c->delay_protect = c->replay_protect = true;
}

static void first_alone(struct mka_config *c, unsigned i)
{
	c->delay_protect = !i;
	c->replay_protect = true;
}

static struct lan *settled(unsigned n, void (*change)(struct mka_config *c, unsigned i))
{
	struct mka_config cfg[LAN_NODES] = {0};
	struct lan *l;

	for (unsigned i = 0; i < n; i++) {
		cfg[i] = lan_config(i);
		change(&cfg[i], i);
	}
	l = lan_new(n, cfg);
	for (unsigned i = 0; i < n; i++)
		lan_start(l, i);
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_run(l, l->now + 20 * NS_PER_S);
	return l;
}

/* Forward says what its transmit SA is at. */
static void at(struct lan *l, unsigned i, uint64_t pn)
{
	const struct sink_sa *sa = lan_transmit_sa(&l->nodes[i]);
	struct sink_report r = {.secy = sa->secy,
				.an = sa->an,
				.direction = SINK_TRANSMIT,
				.installed = true,
				.sci = sa->sci,
				.pn = pn};

	memcpy(r.key_id, sa->key_id, sizeof(r.key_id));
	mka_report(l->nodes[i].m, &r, l->now);
	lan_flush(l, i);
}

/* A thousand packets a second, from now on. */
static void traffic(struct lan *l, unsigned i, uint64_t *pn, uint64_t span)
{
	for (uint64_t end = l->now + span; l->now < end;) {
		lan_run(l, l->now + MKA_LPN_REPORT_NS);
		at(l, i, *pn += 250);
	}
}

/* The lowest packet number that node `at` takes from node `from`. */
static uint64_t floor_of(struct lan *l, unsigned at_, unsigned from)
{
	const struct sink_sa *tx = lan_transmit_sa(&l->nodes[from]);

	for (unsigned i = 0; i < LAN_SAS; i++) {
		const struct lan_sa *s = &l->nodes[at_].sas[i];

		if (s->used && !s->transmit && s->sa.sci == tx->sci && s->sa.an == tx->an)
			return s->sa.pn;
	}
	fail();
	return 0;
}

static void floor_follows_within_the_bound_and_spares_what_is_under_way(void **state)
{
	struct lan *l = settled(3, protected);
	uint64_t pn = 1;

	(void)state;
	traffic(l, 2, &pn, 10 * NS_PER_S);
	for (unsigned i = 0; i < 40; i++) {
		traffic(l, 2, &pn, MKA_LPN_REPORT_NS);
		for (unsigned to = 0; to < 2; to++) {
			assert_true(floor_of(l, to, 2) + 1500 > pn); /* 1.5 s ago: refused */
			assert_true(floor_of(l, to, 2) + 500 <= pn); /* 0.5 s ago: taken */
		}
	}
	assert_int_equal(floor_of(l, 0, 1), 1);
	lan_free(l);
}

static void hellos_come_every_bounded_hello_time(void **state)
{
	struct lan *l = settled(2, protected);
	unsigned sent = l->sent;

	(void)state;
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_in_range(l->sent - sent, 2 * 19, 2 * 21);
	lan_free(l);
}

static void who_is_not_protected_tells_and_is_told_nothing(void **state)
{
	struct lan *l = settled(2, first_alone);
	struct mka_show s;
	uint64_t pn = 1;

	(void)state;
	traffic(l, 1, &pn, 10 * NS_PER_S);
	assert_int_equal(floor_of(l, 0, 1), 1);
	pn = 1;
	traffic(l, 0, &pn, 10 * NS_PER_S);
	assert_int_equal(floor_of(l, 1, 0), 1);
	mka_show(l->nodes[0].m, &s);
	assert_true(s.peers[0].live); /* with hellos of its own pace */
	assert_false(s.peers[0].delay_protect);
	mka_show(l->nodes[1].m, &s);
	assert_true(s.peers[0].delay_protect);
	lan_free(l);
}

/* MKPDUs from node 2 are held back for three seconds. */
static struct {
	struct lan_frame v[64];
	unsigned n;
} held;

static bool hold(struct lan *l, unsigned from, unsigned to, const uint8_t *frame, size_t len)
{
	if (from != 2)
		return false;
	if (to == 0 && held.n < 64) {
		memcpy(held.v[held.n].b, frame, len);
		held.v[held.n].len = len;
		held.v[held.n++].at = l->now + 3 * NS_PER_S;
	}
	return true;
}

static void mkpdus_that_are_held_back_prove_nothing(void **state)
{
	struct lan *l = settled(3, protected);
	unsigned done = 0;
	uint64_t pn = 1;

	(void)state;
	traffic(l, 2, &pn, 10 * NS_PER_S);
	held.n = 0;
	l->drop = hold;
	for (unsigned i = 0; i < 36; i++) {
		lan_run(l, l->now + MKA_LPN_REPORT_NS);
		for (; done < held.n && held.v[done].at <= l->now; done++) {
			enum mka_result r =
				mka_input(l->nodes[0].m, held.v[done].b, held.v[done].len, l->now);

			assert_int_not_equal(r, MKA_OK);
			lan_flush(l, 0);
		}
	}
	assert_true(done > 5);
	for (unsigned i = 0; i < l->nodes[0].m->principal->peer_count; i++)
		if (l->nodes[0].m->principal->peers[i].sci == l->nodes[2].cfg.sci)
			assert_false(l->nodes[0].m->principal->peers[i].live);
	lan_free(l);
}

static void a_lost_receive_sa_is_not_made_again_by_a_raised_floor(void **state)
{
	struct lan *l = settled(2, protected);
	struct lan_node *n = &l->nodes[0];
	uint64_t pn = 1;

	(void)state;
	traffic(l, 1, &pn, 5 * NS_PER_S);
	mka_resync(n->m); /* forward is another process, and has not spoken yet */
	for (unsigned i = 0; i < LAN_SAS; i++)
		n->sas[i] = (struct lan_sa){0};
	traffic(l, 1, &pn, 3 * NS_PER_S);
	for (unsigned i = 0; i < LAN_SAS; i++)
		assert_false(n->sas[i].used);
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(floor_follows_within_the_bound_and_spares_what_is_under_way),
		cmocka_unit_test(hellos_come_every_bounded_hello_time),
		cmocka_unit_test(who_is_not_protected_tells_and_is_told_nothing),
		cmocka_unit_test(mkpdus_that_are_held_back_prove_nothing),
		cmocka_unit_test(a_lost_receive_sa_is_not_made_again_by_a_raised_floor),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/mka/delay", tests, NULL, NULL);
}
