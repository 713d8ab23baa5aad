/*
 * should_secure: what goes in clear where the file says should-secure, and when it ends: while no
 * transmit SA is in use, and for a grace after that on receive. Without the line: nothing, ever.
 */
#include "fwd/node_test.h"

#include "base/clock.h"

#define T0 (1000 * NS_PER_S) /* some time */

static void pair_init(struct node *a, struct node *b, bool should_secure, uint16_t vlan)
{
	struct node *both[2] = {a, b};

	for (uint8_t i = 0; i < 2; i++) {
		node_init(both[i], (uint8_t)(i + 1), 64);
		node_stop(both[i]);
		both[i]->should_secure = should_secure;
		both[i]->vlan = vlan;
		node_start(both[i]);
		assert_int_equal(node_secy(both[i]), 0);
		fwd_tick(both[i]->f, T0);
	}
}

static void pair_fini(struct node *a, struct node *b)
{
	node_fini(a);
	node_fini(b);
}

static void retire_all(struct node *n, unsigned key)
{
	struct msg m = {.type = MSG_SA_RETIRE};

	m.sa_retire.secy = NODE_SECY;
	m.sa_retire.key_id[0] = (uint8_t)key;
	assert_int_equal(fwd_control(n->f, &m), 0);
}

/* The design's second rule, with the line absent: as it ever was. */
static void without_the_line_nothing_goes_in_clear(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;
	struct pkt p;

	(void)state;
	pair_init(&a, &b, false, 0);
	node_frame(in, sizeof(in), 1);
	assert_int_equal(node_send(&a, in, sizeof(in), wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_NO_TX_SA], 1);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_CLEAR], 1);
	assert_int_equal(node_counters(&b).v[IN_PKTS_NO_TAG], 1);
	/* Not even with the mark, should a stage go wrong. */
	assert_true(pkt_alloc(a.pool, &p));
	memcpy(p.data, in, sizeof(in));
	p.len = sizeof(in);
	p.mark = PKT_CLEAR;
	guard_unsecured(a.f, fwd_port_find(a.f, NODE_WAN), &p, 1);
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_MALFORMED], 1);
	assert_true(pkt_alloc(a.pool, &p));
	memcpy(p.data, in, sizeof(in));
	p.len = sizeof(in);
	p.mark = PKT_CLEAR;
	guard_wan(a.f, fwd_port_find(a.f, NODE_WAN), &p, 1);
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_UNSEALED], 1);
	assert_true(pkt_alloc(a.pool, &p));
	memcpy(p.data, in, sizeof(in));
	p.len = sizeof(in);
	p.mark = PKT_CLEAR;
	guard_overlay(a.f, fwd_port_find(a.f, NODE_OVERLAY), &p, 1);
	assert_int_equal(node_take(&a, a.overlay, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_UNOPENED], 1);
	assert_false(fwd_port_find(a.f, NODE_WAN)->port->clear);
	assert_int_equal(a.f->fates[FATE_SENT_CLEAR], 0);
	pair_fini(&a, &b);
}

/* One side of the two has the line: the SecY's and the port's, as control and the parent say. */
static void half_of_the_line_opens_nothing(void **state)
{
	uint8_t in[100], out[2048];
	struct node a, b;
	struct msg m;

	(void)state;
	pair_init(&a, &b, false, 0);
	node_frame(in, sizeof(in), 1);
	a.should_secure = true;
	assert_int_equal(node_secy(&a), 0); /* the SecY's alone */
	assert_int_equal(node_send(&a, in, sizeof(in), out), 0);
	assert_int_equal(node_receive(&a, in, sizeof(in), out), 0);
	fwd_port_find(b.f, NODE_WAN)->clear = true; /* the port's alone */
	m = (struct msg){.type = MSG_SYNC};
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(node_send(&b, in, sizeof(in), out), 0);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	pair_fini(&a, &b);
}

static void without_a_key_frames_go_in_clear_both_ways(void **state)
{
	static const struct {
		uint16_t vlan;
		size_t tags;
	} rows[] = {{0, 0}, {100, 4}};
	uint8_t in[100], wire[2048], out[2048];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct node a, b;
		size_t n;

		pair_init(&a, &b, true, rows[i].vlan);
		node_frame(in, sizeof(in), 1);
		n = node_send(&a, in, sizeof(in), wire);
		assert_int_equal(n, sizeof(in) + rows[i].tags);
		assert_memory_equal(wire, in, 12);
		assert_memory_equal(wire + 12, "\x81\x00\xa0\x64", rows[i].tags);
		assert_memory_equal(wire + 12 + rows[i].tags, in + 12, sizeof(in) - 12);
		assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
		assert_memory_equal(out, in, sizeof(in));
		assert_int_equal(a.f->fates[FATE_SENT_CLEAR], 1);
		assert_int_equal(a.f->fates[FATE_SENT_WAN], 0);
		assert_int_equal(node_counters(&a).v[OUT_PKTS_UNTAGGED], 1);
		assert_int_equal(node_counters(&b).v[IN_PKTS_UNTAGGED], 1);
		assert_int_equal(node_counters(&b).v[IN_PKTS_OK], 0);
		pair_fini(&a, &b);
	}
}

static void with_a_key_in_use_nothing_is_sent_in_clear(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;
	struct pkt p;
	size_t n;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_equal(n, sizeof(in) + 32);
	assert_memory_equal(wire + 12, "\x88\xe5\x2c", 3);
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
	assert_true(pkt_alloc(a.pool, &p));
	memcpy(p.data, in, sizeof(in));
	p.len = sizeof(in);
	p.mark = PKT_CLEAR;
	guard_unsecured(a.f, fwd_port_find(a.f, NODE_WAN), &p, 1);
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_MALFORMED], 1);
	assert_int_equal(a.f->fates[FATE_SENT_CLEAR], 0);
	pair_fini(&a, &b);
}

/* The peer may begin to encrypt a moment after us: what it sends in clear until then is taken. */
static void clear_frames_are_taken_for_a_grace_and_then_dropped(void **state)
{
	uint8_t in[100], out[2048];
	struct node a, b;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), sizeof(in));
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), sizeof(in));
	fwd_tick(b.f, T0 + FWD_CLEAR_GRACE - 1);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), sizeof(in));
	fwd_tick(b.f, T0 + FWD_CLEAR_GRACE);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_CLEAR], 1);
	assert_int_equal(node_counters(&b).v[IN_PKTS_NO_TAG], 1);
	assert_int_equal(node_counters(&b).v[IN_PKTS_UNTAGGED], 3);
	/* A key after it begins no other grace. */
	node_key(&a, &b, 1, 2, MACSEC_GCM_AES_XPN_256);
	retire_all(&b, 1);
	fwd_tick(b.f, T0 + FWD_CLEAR_GRACE + 1);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	pair_fini(&a, &b);
}

static void without_its_key_it_is_in_clear_again(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	fwd_tick(b.f, T0 + 2 * FWD_CLEAR_GRACE);
	fwd_tick(b.f, T0 + 4 * FWD_CLEAR_GRACE);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	retire_all(&b, 1);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), sizeof(in));
	assert_int_equal(node_send(&b, in, sizeof(in), wire), sizeof(in));
	pair_fini(&a, &b);
}

/* Used up is not the same as none: the channel is still secured. */
static void exhausted_numbers_do_not_open_it(void **state)
{
	uint8_t in[100], wire[2048];
	struct node a, b;
	struct msg m;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_256);
	m.sa.pn_limit = 2;
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(node_send(&a, in, sizeof(in), wire), sizeof(in) + 32);
	assert_int_equal(node_send(&a, in, sizeof(in), wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_PN_EXHAUSTED], 1);
	assert_int_equal(a.f->fates[FATE_SENT_CLEAR], 0);
	pair_fini(&a, &b);
}

/* A successor of forward takes the key over, and no frame in clear with it. */
static void a_successor_of_a_secured_forward_takes_nothing_in_clear(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	node_stop(&b);
	node_start(&b);
	fwd_tick(b.f, T0 + 1);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	assert_int_equal(node_send(&b, in, sizeof(in), wire), sizeof(in) + 32);
	assert_int_equal(node_secy(&b), 0);
	assert_int_equal(node_receive(&b, in, sizeof(in), out), 0);
	pair_fini(&a, &b);
}

/* Whatever would read as another network's, as MACsec or as keying stays, with the mark too. */
static void frames_that_would_mean_something_else_stay_inside(void **state)
{
	static const struct {
		const char *what, *head; /* behind the addresses */
	} rows[] = {
		{"a VLAN tag", "\x81\x00\x00\x05\x08\x00"},
		{"a service tag", "\x88\xa8\x00\x05\x08\x00"},
		{"a SecTAG", "\x88\xe5\x2c\x00\x00\x00"},
		{"a clear SecTAG", "\x88\xe5\x20\x00\x00\x00"},
		{"EAPOL", "\x88\x8e\x03\x05\x00\x00"},
		{"our MKPDUs' EtherType", "\x87\x6f\x03\x05\x00\x00"},
	};
	uint8_t in[100], wire[2048];

	(void)state;
	for (unsigned v = 0; v < 2; v++)
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct node a, b;

			pair_init(&a, &b, true, v ? 100 : 0);
			node_frame(in, sizeof(in), 1);
			memcpy(in + 12, rows[i].head, 6);
			if (node_send(&a, in, sizeof(in), wire) ||
			    a.f->fates[FATE_GUARD_MALFORMED] != 1)
				fail_msg("%s went out", rows[i].what);
			pair_fini(&a, &b);
		}
}

static void frames_of_the_carriers_own_do_not_come_in(void **state)
{
	static const struct {
		const char *what, *bytes;
		unsigned at;
		size_t len;
		enum fwd_fate fate;
	} rows[] = {
		{"a spanning tree's address", "\x01\x80\xc2\x00\x00\x00", 0, 6, FATE_DROP_CLEAR},
		{"LLDP's address", "\x01\x80\xc2\x00\x00\x0e", 0, 6, FATE_DROP_CLEAR},
		{"EAPOL", "\x88\x8e", 12, 2, FATE_DROP_EAPOL},
		{"our MKPDUs' EtherType", "\x87\x6f", 12, 2, FATE_DROP_EAPOL},
		{"a VLAN", "\x81\x00\x00\x05", 12, 4, FATE_DROP_VLAN},
		{"a service tag", "\x88\xa8\x00\x05", 12, 4, FATE_DROP_STAG},
		{"an encrypted frame of nobody", "\x88\xe5\x2c\x00\x00\x00", 12, 6,
		 FATE_DROP_UNKNOWN_SCI},
	};
	uint8_t in[100], bad[100], out[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node a, b;

		pair_init(&a, &b, true, 0);
		node_frame(in, sizeof(in), 1);
		memcpy(bad, in, sizeof(in));
		memcpy(bad + rows[i].at, rows[i].bytes, rows[i].len);
		if (node_receive(&b, bad, sizeof(bad), out) || b.f->fates[rows[i].fate] != 1)
			fail_msg("%s: not %s", rows[i].what, fwd_fate_names[rows[i].fate]);
		assert_int_equal(node_counters(&b).v[IN_PKTS_UNTAGGED], 0);
		assert_int_equal(node_receive(&b, in, sizeof(in), out), sizeof(in));
		for (size_t len = 0; len < 14; len++)
			assert_int_equal(node_receive(&b, in, len, out), 0);
		pair_fini(&a, &b);
	}
}

/* What a migration with both kinds on the wire looks like in one burst. */
static void clear_and_encrypted_frames_of_one_burst_arrive(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	for (unsigned i = 0; i < 6; i++) {
		n = node_send(&a, in, sizeof(in), wire);
		if (i % 2)
			node_give(&b, b.wan, in, sizeof(in));
		else
			node_give(&b, b.wan, wire, n);
	}
	fwd_poll(b.f);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(node_take(&b, b.overlay, out), sizeof(in));
	assert_int_equal(node_counters(&b).v[IN_PKTS_UNTAGGED], 3);
	assert_int_equal(node_counters(&b).v[IN_PKTS_OK], 3);
	pair_fini(&a, &b);
}

static void taking_the_line_away_shuts_it(void **state)
{
	uint8_t in[100], out[2048];
	struct node a, b;

	(void)state;
	pair_init(&a, &b, true, 0);
	node_frame(in, sizeof(in), 1);
	a.should_secure = false;
	assert_int_equal(node_secy(&a), 0);
	assert_int_equal(node_send(&a, in, sizeof(in), out), 0);
	assert_int_equal(node_receive(&a, in, sizeof(in), out), 0);
	pair_fini(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_line_nothing_goes_in_clear),
		cmocka_unit_test(half_of_the_line_opens_nothing),
		cmocka_unit_test(without_a_key_frames_go_in_clear_both_ways),
		cmocka_unit_test(with_a_key_in_use_nothing_is_sent_in_clear),
		cmocka_unit_test(clear_frames_are_taken_for_a_grace_and_then_dropped),
		cmocka_unit_test(without_its_key_it_is_in_clear_again),
		cmocka_unit_test(exhausted_numbers_do_not_open_it),
		cmocka_unit_test(a_successor_of_a_secured_forward_takes_nothing_in_clear),
		cmocka_unit_test(frames_that_would_mean_something_else_stay_inside),
		cmocka_unit_test(frames_of_the_carriers_own_do_not_come_in),
		cmocka_unit_test(clear_and_encrypted_frames_of_one_burst_arrive),
		cmocka_unit_test(taking_the_line_away_shuts_it),
	};

	return cmocka_run_group_tests_name("fwd/should_secure", tests, NULL, NULL);
}
