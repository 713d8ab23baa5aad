/* control: what forward is asked for and what it answers; carriers, thresholds, counters. */
#include "fwd/node_test.h"

#include "base/clock.h"
#include "sa/table.h"

#include <errno.h>
#include <stdio.h>

static const struct msg_sa_report *last_report(const struct node *n)
{
	assert_true(n->said_count > 0);
	assert_int_equal(n->said[(n->said_count - 1) % NODE_SAID].type, MSG_SA_REPORT);
	return &n->said[(n->said_count - 1) % NODE_SAID].sa_report;
}

static void every_sa_message_is_answered_by_a_report(void **state)
{
	const struct msg_sa_report *r;
	struct node n;
	struct msg m;

	(void)state;
	node_init(&n, 1, 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(2), 3, 8, MACSEC_GCM_AES_XPN_256);
	m.seq = 55;
	m.sa.pn = 70;
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(n.said_count, 1);
	assert_int_equal(n.said[0].seq, 55);
	r = last_report(&n);
	assert_true(r->installed);
	assert_int_equal(r->an, 3);
	assert_int_equal(r->direction, SA_RECEIVE);
	assert_true(r->sci == node_sci(2) && r->pn == 70 && r->key_id[0] == 8);

	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 3, 8, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(fwd_control(n.f, &m), 0);
	r = last_report(&n);
	assert_true(r->installed && r->direction == SA_TRANSMIT && r->pn == 1);

	m = (struct msg){.type = MSG_SA_RETIRE, .sa_retire = {.secy = NODE_SECY, .key_id = {8}}};
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(n.said_count, 4); /* one for each direction */
	assert_false(last_report(&n)->installed);
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(n.said_count, 5); /* nothing left to retire, and said so */
	assert_false(last_report(&n)->installed);
	node_fini(&n);
}

static void sa_out_of_range_is_refused_and_reported(void **state)
{
	struct node n;

	(void)state;
	node_init(&n, 1, 0);
	for (unsigned i = 0; i < 9; i++) {
		struct msg m = node_sa(i == 6 ? MSG_SA_TRANSMIT : MSG_SA_RECEIVE,
				       node_sci(i == 5 ? 1 : 2), 0, 1, MACSEC_GCM_AES_XPN_256);
		int want = i == 0 ? -ENOENT : -EINVAL;

		switch (i) {
		case 0:
			m.sa.secy = 9;
			break;
		case 1:
			m.sa.an = 4;
			break;
		case 2:
			m.sa.suite = MACSEC_SUITE_COUNT;
			break;
		case 3:
			m.sa.key.len = 16;
			break;
		case 4:
			m.sa.sci = 0;
			break;
		case 5: /* our own SCI as a sender */
		case 6: /* another's SCI to transmit under */
			break;
		case 7:
			m.sa.key.len = SECRET_MAX;
			break;
		default:
			m.sa.key.len = 0;
			break;
		}
		assert_int_equal(fwd_control(n.f, &m), want);
		assert_false(last_report(&n)->installed);
	}
	node_fini(&n);
}

static void naming_an_sa_again_moves_numbers_upwards_only(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 1024);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_128);
	node_frame(in, sizeof(in), 1);
	for (unsigned i = 0; i < 10; i++)
		n = node_send(&a, in, sizeof(in), wire);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
	m.sa.pn = 3;
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_true(last_report(&a)->pn == 11);
	m.sa.pn = 500;
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_true(last_report(&a)->pn == 500);
	m = node_sa(MSG_SA_RECEIVE, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
	m.sa.pn = 501;
	assert_int_equal(fwd_control(b.f, &m), 0);
	m.sa.pn = 5;
	assert_int_equal(fwd_control(b.f, &m), 0);
	n = node_send(&a, in, sizeof(in), wire); /* 500 */
	assert_int_equal(node_receive(&b, wire, n, out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_LATE], 1);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
	node_fini(&a);
	node_fini(&b);
}

static void rekey_under_traffic_loses_nothing(void **state)
{
	uint8_t in[100], wire[2048], out[2048], old[2048];
	struct node a, b;
	struct msg m;
	size_t n, old_n;

	(void)state;
	node_init(&a, 1, 32);
	node_init(&b, 2, 32);
	node_frame(in, sizeof(in), 1);
	for (unsigned key = 1; key < 40; key++) {
		node_key(&a, &b, key & 3, key, MACSEC_GCM_AES_XPN_256);
		for (unsigned i = 0; i < 5; i++) {
			n = node_send(&a, in, sizeof(in), wire);
			assert_int_equal(wire[14] & 3, key & 3);
			assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
		}
		/* One under the old key is still on its way when the new one is in use. */
		old_n = node_send(&a, in, sizeof(in), old);
		node_key(&a, &b, (key + 1) & 3, key + 1, MACSEC_GCM_AES_XPN_256);
		assert_int_equal(node_receive(&b, old, old_n, out), sizeof(in));
		m = (struct msg){.type = MSG_SA_RETIRE,
				 .sa_retire = {.secy = NODE_SECY, .key_id = {(uint8_t)key}}};
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_equal(fwd_control(b.f, &m), 0);
		assert_int_equal(node_receive(&b, old, old_n, out), 0);
		assert_int_equal(b.f->fates[FATE_DROP_NO_SA], key);
	}
	node_fini(&a);
	node_fini(&b);
}

static void sa_of_another_key_under_the_same_an_replaces_it(void **state)
{
	struct node n;
	struct msg m;

	(void)state;
	node_init(&n, 1, 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(2), 1, 1, MACSEC_GCM_AES_256);
	assert_int_equal(fwd_control(n.f, &m), 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(2), 1, 2, MACSEC_GCM_AES_256);
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(n.said_count, 3);
	assert_false(n.said[1].sa_report.installed);
	assert_int_equal(n.said[1].sa_report.key_id[0], 1);
	assert_true(n.said[2].sa_report.installed);
	node_fini(&n);
}

static void retire_by_sci_takes_that_peer_alone(void **state)
{
	struct node n;
	struct msg m;

	(void)state;
	node_init(&n, 1, 0);
	for (unsigned id = 2; id < 14; id++) {
		m = node_sa(MSG_SA_RECEIVE, node_sci(id), 0, 1, MACSEC_GCM_AES_XPN_128);
		assert_int_equal(fwd_control(n.f, &m), 0);
	}
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_128);
	assert_int_equal(fwd_control(n.f, &m), 0);
	m = (struct msg){.type = MSG_SA_RETIRE,
			 .sa_retire = {.secy = NODE_SECY, .sci = node_sci(5), .key_id = {1}}};
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_null(sc_find(n.f->sas, NODE_WAN, node_sci(5)));
	assert_non_null(sc_find(n.f->sas, NODE_WAN, node_sci(6)));
	assert_non_null(secy_find(n.f->sas, NODE_SECY)->tx_current);
	m.sa_retire.sci = 0;
	n.said_count = 0;
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(n.said_count, 12); /* eleven peers and our own */
	assert_int_equal(secy_find(n.f->sas, NODE_SECY)->sc_count, 0);
	node_fini(&n);
}

static void key_of_a_peer_is_not_taken_to_transmit_under_its_nonces(void **state)
{
	struct node n;
	struct msg m;

	(void)state;
	node_init(&n, 1, 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(2), 0, 1, MACSEC_GCM_AES_XPN_128);
	assert_int_equal(fwd_control(n.f, &m), 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_128);
	m.sa.ssci = 2; /* the peer's: every nonce of ours would be one of his */
	assert_int_equal(fwd_control(n.f, &m), -EEXIST);
	m.sa.ssci = 1;
	assert_int_equal(fwd_control(n.f, &m), 0);
	m.sa.an = 1; /* the same nonces under another AN */
	m.sa.key_id[0] = 7;
	assert_int_equal(fwd_control(n.f, &m), -EEXIST);
	node_fini(&n);
}

static void sync_says_everything_and_that_it_is_done(void **state)
{
	struct node a, b;
	struct msg m = {.type = MSG_SYNC, .seq = 9};

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(a.said_count, 1);
	assert_int_equal(a.said[0].type, MSG_SYNC_DONE);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_128);
	node_key(&a, &b, 1, 2, MACSEC_GCM_AES_128);
	a.said_count = 0;
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(a.said_count, 5);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(a.said[i].type, MSG_SA_REPORT);
		assert_true(a.said[i].sa_report.installed);
		assert_int_equal(a.said[i].seq, 9);
	}
	assert_int_equal(a.said[4].type, MSG_SYNC_DONE);
	node_fini(&a);
	node_fini(&b);
}

static void numbers_running_out_are_reported_before_they_have(void **state)
{
	static const struct {
		enum macsec_suite suite;
		uint64_t pn, limit, threshold;
	} rows[] = {
		{MACSEC_GCM_AES_128, 1, 0, 0xc0000000},
		{MACSEC_GCM_AES_XPN_256, 1, 0, UINT64_C(0xc000000000000000)},
		{MACSEC_GCM_AES_256, 1000, 2000, 1750},
		{MACSEC_GCM_AES_XPN_128, 1, UINT64_C(1) << 33, (UINT64_C(3) << 31) + 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node n;
		struct msg m;

		node_init(&n, 1, 0);
		m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, rows[i].suite);
		m.sa.pn = rows[i].pn;
		m.sa.pn_limit = rows[i].limit;
		assert_int_equal(fwd_control(n.f, &m), 0);
		m.sa.pn = rows[i].threshold - 1;
		assert_int_equal(fwd_control(n.f, &m), 0);
		n.said_count = 0;
		fwd_tick(n.f, NS_PER_S);
		assert_int_equal(n.said_count, 0);
		m.sa.pn = rows[i].threshold;
		assert_int_equal(fwd_control(n.f, &m), 0);
		n.said_count = 0;
		fwd_tick(n.f, 2 * NS_PER_S);
		assert_int_equal(n.said_count, 1);
		assert_true(last_report(&n)->pn == rows[i].threshold);
		fwd_tick(n.f, 2 * NS_PER_S + 100 * NS_PER_MS); /* once a second is enough */
		assert_int_equal(n.said_count, 1);
		fwd_tick(n.f, 3 * NS_PER_S);
		assert_int_equal(n.said_count, 2);
		node_fini(&n);
	}
}

static void numbers_are_reported_as_often_as_control_wants_them(void **state)
{
	struct msg m, secy = {.type = MSG_SECY_ADD};
	struct node n;

	(void)state;
	node_init(&n, 1, 0);
	secy.secy_add = (struct msg_secy){.secy = NODE_SECY,
					  .overlay = NODE_OVERLAY,
					  .wan = NODE_WAN,
					  .sci = node_sci(1),
					  .replay_protect = true,
					  .report_ms = 250,
					  .name = "test"};
	assert_int_equal(fwd_control(n.f, &secy), 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
	assert_int_equal(fwd_control(n.f, &m), 0);
	n.said_count = 0;
	for (unsigned i = 0; i < 10; i++)
		fwd_tick(n.f, NS_PER_S + i * 100 * NS_PER_MS);
	assert_int_equal(n.said_count, 4); /* at 0, 300, 600 and 900 ms */
	secy.secy_add.report_ms = 0;
	assert_int_equal(fwd_control(n.f, &secy), 0);
	for (unsigned i = 0; i < 10; i++)
		fwd_tick(n.f, 3 * NS_PER_S + i * 100 * NS_PER_MS);
	assert_int_equal(n.said_count, 4);
	node_fini(&n);
}

static void last_number_of_a_suite_is_used_and_none_after_it(void **state)
{
	uint8_t in[100], wire[2048];
	struct node n;
	struct msg m;

	(void)state;
	for (unsigned suite = 0; suite < MACSEC_SUITE_COUNT; suite++) {
		node_init(&n, 1, 0);
		m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, suite);
		m.sa.pn = sa_suite_end((uint8_t)suite) - 3;
		assert_int_equal(fwd_control(n.f, &m), 0);
		node_frame(in, sizeof(in), 1);
		for (unsigned i = 0; i < 5; i++) /* in one burst */
			node_give(&n, n.overlay, in, sizeof(in));
		fwd_poll(n.f);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(node_take(&n, n.wan, wire), sizeof(in) + 32);
		assert_int_equal(wire[19], suite >= MACSEC_GCM_AES_XPN_128 ? 0xfe : 0xff);
		assert_int_equal(node_take(&n, n.wan, wire), 0);
		assert_int_equal(n.f->fates[FATE_DROP_PN_EXHAUSTED], 2);
		node_fini(&n);
	}
}

static unsigned carrier_calls;
static bool carrier_state;

static void carrier_note(struct port *port, bool up)
{
	(void)port;
	carrier_calls++;
	carrier_state = up;
}

static void carrier_is_up_while_a_transmit_sa_is_in_use(void **state)
{
	struct fwd_port *near;
	struct port_ops ops;
	uint8_t in[100], wire[2048];
	struct node n;
	struct msg m;

	(void)state;
	node_init(&n, 1, 0);
	near = fwd_port_find(n.f, NODE_OVERLAY);
	ops = *near->port->ops;
	ops.carrier = carrier_note;
	near->port->ops = &ops;
	carrier_calls = 0;
	m = node_sa(MSG_SA_RECEIVE, node_sci(2), 0, 1, MACSEC_GCM_AES_128);
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(carrier_calls, 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
	m.sa.pn_limit = 2;
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_true(carrier_state && carrier_calls == 1);
	node_frame(in, sizeof(in), 1);
	assert_int_not_equal(node_send(&n, in, sizeof(in), wire), 0);
	assert_int_equal(node_send(&n, in, sizeof(in), wire), 0); /* used up */
	assert_true(!carrier_state && carrier_calls == 2);
	m.sa.pn_limit = 0;
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_true(carrier_state && carrier_calls == 3);
	m = (struct msg){.type = MSG_SA_RETIRE, .sa_retire = {.secy = NODE_SECY, .key_id = {1}}};
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_true(!carrier_state && carrier_calls == 4);
	node_fini(&n);
}

static int64_t stat(const struct node *n, uint64_t sci, int an, const char *name)
{
	for (unsigned i = 0; i < n->said_count; i++) {
		const struct msg_stats *s = &n->said[i].stats;

		if (n->said[i].type != MSG_STATS || s->sci != sci || s->an != an)
			continue;
		for (unsigned j = 0; j < s->count; j++)
			if (!strcmp(s->v[j].name, name))
				return (int64_t)s->v[j].value;
	}
	return -1;
}

static void counters_survive_the_sas_they_were_counted_at(void **state)
{
	uint8_t in[114], wire[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_frame(in, sizeof(in), 1);
	for (unsigned key = 1; key <= 3; key++) {
		node_key(&a, &b, key & 3, key, MACSEC_GCM_AES_XPN_256);
		n = node_send(&a, in, sizeof(in), wire);
		assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
		assert_int_equal(node_receive(&b, wire, n, out), 0);
		m = (struct msg){.type = MSG_SA_RETIRE,
				 .sa_retire = {.secy = NODE_SECY, .key_id = {(uint8_t)(key - 1)}}};
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_equal(fwd_control(b.f, &m), 0);
	}
	a.said_count = b.said_count = 0;
	m = (struct msg){.type = MSG_STATS_GET, .secy = NODE_SECY};
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(stat(&a, node_sci(1), 3, "OutPktsEncrypted"), 1);
	assert_int_equal(stat(&a, node_sci(1), -1, "OutPktsEncrypted"), 3);
	assert_int_equal(stat(&a, node_sci(1), -1, "OutOctetsEncrypted"), 306);
	assert_int_equal(stat(&a, 0, -1, "OutPktsEncrypted"), 3);
	assert_int_equal(stat(&b, node_sci(1), 3, "InPktsOK"), 1);
	assert_int_equal(stat(&b, node_sci(1), -1, "InPktsOK"), 3);
	assert_int_equal(stat(&b, node_sci(1), -1, "InPktsLate"), 3);
	assert_int_equal(stat(&b, 0, -1, "InOctetsDecrypted"), 306);
	assert_int_equal(stat(&b, 0, -1, "path.drop.late"), 3);
	assert_int_equal(stat(&b, 0, -1, "path.sent-overlay"), 3);
	m = (struct msg){.type = MSG_SA_RETIRE, .sa_retire = {.secy = NODE_SECY, .key_id = {3}}};
	assert_int_equal(fwd_control(b.f, &m), 0);
	b.said_count = 0;
	m = (struct msg){.type = MSG_STATS_GET, .secy = NODE_SECY, .seq = 4};
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(stat(&b, 0, -1, "InPktsOK"), 3); /* the SC is gone as well */
	assert_int_equal(b.said[b.said_count - 1].type, MSG_STATS_DONE);
	assert_int_equal(b.said[b.said_count - 1].seq, 4);
	node_fini(&a);
	node_fini(&b);
}

static void stats_of_no_secy_end_all_the_same(void **state)
{
	struct msg m = {.type = MSG_STATS_GET, .secy = 77};
	struct node n;

	(void)state;
	node_init(&n, 1, 0);
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(n.said[n.said_count - 1].type, MSG_STATS_DONE);
	node_fini(&n);
}

static void replay_bits_run_out_by_name_and_come_back(void **state)
{
	struct node n;
	struct msg m;
	unsigned k = 0;

	(void)state;
	node_init(&n, 1, 1u << 20);
	for (;; k++) {
		m = node_sa(MSG_SA_RECEIVE, node_sci(2 + k), 0, 1, MACSEC_GCM_AES_XPN_128);
		if (fwd_control(n.f, &m) < 0)
			break;
	}
	assert_int_equal(k, SA_RING_WORDS / ((1u << 20) / 64));
	assert_false(last_report(&n)->installed);
	m = (struct msg){.type = MSG_SA_RETIRE,
			 .sa_retire = {.secy = NODE_SECY, .sci = node_sci(9), .key_id = {1}}};
	assert_int_equal(fwd_control(n.f, &m), 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(2 + k), 0, 1, MACSEC_GCM_AES_XPN_128);
	assert_int_equal(fwd_control(n.f, &m), 0);
	node_fini(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sa_message_is_answered_by_a_report),
		cmocka_unit_test(sa_out_of_range_is_refused_and_reported),
		cmocka_unit_test(naming_an_sa_again_moves_numbers_upwards_only),
		cmocka_unit_test(rekey_under_traffic_loses_nothing),
		cmocka_unit_test(sa_of_another_key_under_the_same_an_replaces_it),
		cmocka_unit_test(retire_by_sci_takes_that_peer_alone),
		cmocka_unit_test(key_of_a_peer_is_not_taken_to_transmit_under_its_nonces),
		cmocka_unit_test(sync_says_everything_and_that_it_is_done),
		cmocka_unit_test(numbers_running_out_are_reported_before_they_have),
		cmocka_unit_test(numbers_are_reported_as_often_as_control_wants_them),
		cmocka_unit_test(last_number_of_a_suite_is_used_and_none_after_it),
		cmocka_unit_test(carrier_is_up_while_a_transmit_sa_is_in_use),
		cmocka_unit_test(counters_survive_the_sas_they_were_counted_at),
		cmocka_unit_test(stats_of_no_secy_end_all_the_same),
		cmocka_unit_test(replay_bits_run_out_by_name_and_come_back),
	};

	return cmocka_run_group_tests_name("fwd/control", tests, NULL, NULL);
}
