/*
 * tags: several wan ports on one interface, told apart by their tags in clear (IEEE 802.1Q-2018
 * clause 9, 802.1AE-2018 15.7): none, one, two with either TPID. A frame finds its SecY by
 * interface, tags and SCI, and nothing crosses from one VLAN to another.
 */
#include "fwd/node_test.h"

#include <stdio.h>

enum { PLAIN, V100, QINQ, QINQ_C, PORTS };

static const struct {
	uint16_t outer_type, outer_vlan, vlan;
	const char *tags; /* as on the wire, priority 0 */
	size_t len;
} ports[PORTS] = {
	[PLAIN] = {0, 0, 0, "", 0},
	[V100] = {0, 0, 100, "\x81\x00\x00\x64", 4},
	[QINQ] = {ETH_TYPE_STAG, 200, 100, "\x88\xa8\x00\xc8\x81\x00\x00\x64", 8},
	[QINQ_C] = {ETH_TYPE_CTAG, 200, 100, "\x81\x00\x00\xc8\x81\x00\x00\x64", 8},
};

/* A node whose interface eth1 has all four ports, each with an overlay, a SecY and keys. */
struct box {
	struct node n;                 /* its own ports and SecY are not used here */
	struct port *overlay[PORTS];   /* far ends */
	struct port *wan, *old[PORTS]; /* the far end that all share; those of descriptors before */
	unsigned old_count;
};

static uint64_t box_sci(const struct box *b, unsigned i)
{
	return node_sci(b->n.id) + i; /* one MAC address, a port identifier each */
}

static struct port *port_give(struct box *b, struct msg_port_give give)
{
	struct port *near = port_memory_new(1024, b->n.pool),
		    *far = port_memory_new(1024, b->n.pool);

	port_memory_join(near, far);
	assert_int_equal(fwd_port_add(b->n.f, &give, near), 0);
	return far;
}

static void wan_give(struct box *b, unsigned i)
{
	struct msg_port_give give = {.port = (uint16_t)(10 + i),
				     .kind = MSG_PORT_WAN,
				     .ifname = "eth1",
				     .vlan = ports[i].vlan,
				     .outer_type = ports[i].outer_type,
				     .outer_vlan = ports[i].outer_vlan,
				     .mtu = 1500,
				     .eapol_type = 0x876f};

	if (b->wan)
		b->old[b->old_count++] = b->wan;
	b->wan = port_give(b, give);
}

static void box_init(struct box *b, uint8_t id)
{
	*b = (struct box){};
	node_init(&b->n, id, 64);
	for (unsigned i = 0; i < PORTS; i++) {
		struct msg_port_give give = {.port = (uint16_t)(20 + i), .kind = MSG_PORT_OVERLAY};
		struct msg m = {.type = MSG_SECY_ADD};

		wan_give(b, i);
		b->overlay[i] = port_give(b, give);
		m.secy_add = (struct msg_secy){.secy = (uint16_t)(2 + i),
					       .overlay = give.port,
					       .wan = (uint16_t)(10 + i),
					       .sci = box_sci(b, i),
					       .window = 64,
					       .send_sci = true,
					       .replay_protect = true};
		assert_int_equal(fwd_control(b->n.f, &m), 0);
	}
}

static void box_fini(struct box *b)
{
	for (unsigned i = 0; i < PORTS; i++)
		b->overlay[i]->ops->close(b->overlay[i]);
	for (unsigned i = 0; i < b->old_count; i++)
		b->old[i]->ops->close(b->old[i]);
	b->wan->ops->close(b->wan);
	node_fini(&b->n);
}

/* a sends to b in every VLAN, each under a key of its own. */
static void boxes_key(struct box *a, struct box *b)
{
	for (unsigned i = 0; i < PORTS; i++) {
		struct msg m =
			node_sa(MSG_SA_RECEIVE, box_sci(a, i), 0, 50 + i, MACSEC_GCM_AES_256);

		m.sa.secy = (uint16_t)(2 + i);
		assert_int_equal(fwd_control(b->n.f, &m), 0);
		m.type = MSG_SA_TRANSMIT;
		assert_int_equal(fwd_control(a->n.f, &m), 0);
	}
}

static size_t box_send(struct box *a, unsigned i, const uint8_t *in, size_t len, uint8_t *wire)
{
	node_give(&a->n, a->overlay[i], in, len);
	fwd_poll(a->n.f);
	return node_take(&a->n, a->wan, wire);
}

/* Which overlay got the frame, or -1. */
static int box_receive(struct box *b, const uint8_t *wire, size_t len, uint8_t *out, size_t *got)
{
	int at = -1;

	node_give(&b->n, b->wan, wire, len);
	fwd_poll(b->n.f);
	for (int i = 0; i < PORTS; i++) {
		size_t n = node_take(&b->n, b->overlay[i], out);

		if (!n)
			continue;
		assert_int_equal(at, -1);
		at = i;
		*got = n;
	}
	return at;
}

static void frames_of_every_vlan_reach_their_own_secy(void **state)
{
	uint8_t in[120], wire[2048], out[2048];
	struct box a, b;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < PORTS; i++) {
			size_t n, got = 0;

			node_frame(in, sizeof(in), (uint8_t)(16 * round + i));
			in[15] = 0; /* precedence 0 */
			n = box_send(&a, i, in, sizeof(in), wire);
			assert_int_equal(n, sizeof(in) + ports[i].len + 32);
			assert_memory_equal(wire + 12, ports[i].tags, ports[i].len);
			assert_memory_equal(wire + 12 + ports[i].len, "\x88\xe5", 2);
			assert_int_equal(box_receive(&b, wire, n, out, &got), (int)i);
			assert_int_equal(got, sizeof(in));
			assert_memory_equal(out, in, sizeof(in));
		}
	box_fini(&a);
	box_fini(&b);
}

static void one_burst_of_all_vlans_is_sorted(void **state)
{
	uint8_t in[120], wire[PORTS][2048], out[2048];
	size_t len[PORTS];
	struct box a, b;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	node_frame(in, sizeof(in), 7);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < PORTS; i++) {
			len[i] = box_send(&a, i, in, sizeof(in), wire[i]);
			node_give(&b.n, b.wan, wire[i], len[i]);
		}
	}
	fwd_poll(b.n.f);
	for (unsigned i = 0; i < PORTS; i++) {
		for (unsigned round = 0; round < 5; round++)
			assert_int_equal(node_take(&b.n, b.overlay[i], out), sizeof(in));
		assert_int_equal(node_take(&b.n, b.overlay[i], out), 0);
	}
	assert_int_equal(b.n.f->fates[FATE_SENT_OVERLAY], 5 * PORTS);
	box_fini(&a);
	box_fini(&b);
}

static void both_tags_bear_the_frames_priority(void **state)
{
	uint8_t in[120], wire[2048];
	struct box a, b;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	node_frame(in, sizeof(in), 7); /* DSCP EF: precedence 5 */
	assert_int_not_equal(box_send(&a, QINQ, in, sizeof(in), wire), 0);
	assert_memory_equal(wire + 12, "\x88\xa8\xa0\xc8\x81\x00\xa0\x64", 8);
	assert_int_not_equal(box_send(&a, V100, in, sizeof(in), wire), 0);
	assert_memory_equal(wire + 12, "\x81\x00\xa0\x64", 4);
	box_fini(&a);
	box_fini(&b);
}

/* A frame that is good under its own tags, put under others. */
static void a_frame_under_others_tags_is_unknown_or_foreign(void **state)
{
	static const struct {
		const char *what, *tags;
		size_t len;
		enum fwd_fate fate;
		int secy; /* whose counter moves, by port; -1: nobody's */
	} rows[] = {
		{"the untagged port's", "", 0, FATE_DROP_UNKNOWN_SCI, PLAIN},
		{"a priority tag's", "\x81\x00\xe0\x00", 4, FATE_DROP_UNKNOWN_SCI, PLAIN},
		{"another port's", "\x81\x00\x00\x64", 4, FATE_DROP_UNKNOWN_SCI, V100},
		{"the same VLANs with another TPID", "\x81\x00\x00\xc8\x81\x00\x00\x64", 8,
		 FATE_DROP_UNKNOWN_SCI, QINQ_C},
		{"a VLAN of nobody", "\x81\x00\x00\x65", 4, FATE_DROP_VLAN, -1},
		{"an S-tag alone", "\x88\xa8\x00\xc8", 4, FATE_DROP_STAG, -1},
		{"two S-tags", "\x88\xa8\x00\xc8\x88\xa8\x00\x64", 8, FATE_DROP_STAG, -1},
		{"another outer VLAN", "\x88\xa8\x00\xc9\x81\x00\x00\x64", 8, FATE_DROP_STAG, -1},
		{"another inner VLAN", "\x88\xa8\x00\xc8\x81\x00\x00\x65", 8, FATE_DROP_STAG, -1},
		{"the VLANs exchanged", "\x88\xa8\x00\x64\x81\x00\x00\xc8", 8, FATE_DROP_STAG, -1},
		{"outer VLAN 0", "\x88\xa8\x00\x00\x81\x00\x00\x64", 8, FATE_DROP_STAG, -1},
		{"inner VLAN 0", "\x88\xa8\x00\xc8\x81\x00\x00\x00", 8, FATE_DROP_STAG, -1},
		{"an old TPID", "\x91\x00\x00\xc8\x81\x00\x00\x64", 8, FATE_DROP_CLEAR, PLAIN},
		{"three tags", "\x88\xa8\x00\xc8\x81\x00\x00\x64\x81\x00\x00\x01", 12,
		 FATE_DROP_CLEAR, QINQ},
	};
	uint8_t in[120], wire[2048], bad[2048], out[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t fates[FATE_COUNT], moved = 0;
		size_t n, got = 0;
		struct box a, b;

		box_init(&a, 1);
		box_init(&b, 2);
		boxes_key(&a, &b);
		node_frame(in, sizeof(in), 3);
		n = box_send(&a, QINQ, in, sizeof(in), wire);
		memcpy(bad, wire, 12);
		memcpy(bad + 12, rows[i].tags, rows[i].len);
		memcpy(bad + 12 + rows[i].len, wire + 20, n - 20);
		memcpy(fates, b.n.f->fates, sizeof(fates));
		assert_int_equal(box_receive(&b, bad, n - 8 + rows[i].len, out, &got), -1);
		if (b.n.f->fates[rows[i].fate] != fates[rows[i].fate] + 1)
			fail_msg("%s: not %s", rows[i].what, fwd_fate_names[rows[i].fate]);
		for (int p = 0; p < PORTS; p++) {
			struct secy *y = secy_find(b.n.f->sas, (uint16_t)(2 + p));

			for (unsigned c = 0; c < SA_COUNT_COUNT; c++)
				moved += y->counters.v[c] * (p == rows[i].secy ? 1 : 100);
		}
		if (moved != (rows[i].secy >= 0))
			fail_msg("%s: another SecY's counter moved", rows[i].what);
		assert_int_equal(box_receive(&b, wire, n, out, &got), QINQ);
		box_fini(&a);
		box_fini(&b);
	}
}

static void priority_bits_do_not_matter_on_receive(void **state)
{
	uint8_t in[120], wire[2048], out[2048];
	size_t n, got = 0;
	struct box a, b;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	node_frame(in, sizeof(in), 3);
	n = box_send(&a, QINQ, in, sizeof(in), wire);
	wire[14] |= 0xf0; /* PCP 7 and DEI, as a carrier may mark */
	wire[18] |= 0x10;
	assert_int_equal(box_receive(&b, wire, n, out, &got), QINQ);
	box_fini(&a);
	box_fini(&b);
}

/* The tags lie before the SecTAG: whatever the carrier makes of them, the ICV holds. */
static void tags_that_the_carrier_translated_are_no_matter(void **state)
{
	uint8_t in[120], wire[2048], out[2048], moved[2048];
	size_t n, got = 0;
	struct box a, b;
	struct msg m;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	/* b has its CA with a in the S-VLAN, where a has it without a tag. */
	m = node_sa(MSG_SA_RECEIVE, box_sci(&a, PLAIN), 0, 50 + PLAIN, MACSEC_GCM_AES_256);
	m.sa.secy = 2 + QINQ;
	assert_int_equal(fwd_control(b.n.f, &m), 0);
	node_frame(in, sizeof(in), 3);
	n = box_send(&a, PLAIN, in, sizeof(in), wire);
	memcpy(moved, wire, 12);
	memcpy(moved + 12, ports[QINQ].tags, 8);
	memcpy(moved + 20, wire + 12, n - 12);
	assert_int_equal(box_receive(&b, moved, n + 8, out, &got), QINQ);
	assert_memory_equal(out, in, sizeof(in));
	box_fini(&a);
	box_fini(&b);
}

static void a_port_that_goes_leaves_the_others_of_its_interface(void **state)
{
	uint8_t in[120], wire[PORTS][2048], out[2048];
	size_t n[PORTS], got = 0;
	struct box a, b;
	int fds[8];

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	node_frame(in, sizeof(in), 3);
	for (unsigned i = 0; i < PORTS; i++)
		n[i] = box_send(&a, i, in, sizeof(in), wire[i]);
	fwd_port_drop(b.n.f, 10 + PLAIN); /* the one that was read for all */
	assert_int_equal(box_receive(&b, wire[PLAIN], n[PLAIN], out, &got), -1);
	assert_int_equal(b.n.f->fates[FATE_DROP_VLAN], 1);
	for (unsigned i = V100; i < PORTS; i++)
		assert_int_equal(box_receive(&b, wire[i], n[i], out, &got), (int)i);
	/* It comes back with another descriptor, which all of them then have. */
	wan_give(&b, PLAIN);
	for (unsigned i = 0; i < PORTS; i++) {
		n[i] = box_send(&a, i, in, sizeof(in), wire[i]);
		assert_int_equal(box_receive(&b, wire[i], n[i], out, &got), (int)i);
	}
	assert_int_equal(fwd_fds(b.n.f, fds, 8), 0); /* ports in memory have none */
	box_fini(&a);
	box_fini(&b);
}

static void another_interface_with_the_same_tags_is_another_port(void **state)
{
	struct msg_port_give give = {
		.port = 30, .kind = MSG_PORT_WAN, .ifname = "eth2", .vlan = 100, .mtu = 1500};
	uint8_t in[120], wire[2048], out[2048];
	size_t n, got = 0;
	struct box a, b;
	struct port *far;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	far = port_give(&b, give);
	node_frame(in, sizeof(in), 3);
	n = box_send(&a, V100, in, sizeof(in), wire);
	node_give(&b.n, far, wire, n);
	fwd_poll(b.n.f);
	assert_int_equal(b.n.f->fates[FATE_DROP_NO_SECY], 1);
	assert_int_equal(box_receive(&b, wire, n, out, &got), V100);
	box_fini(&b);
	far->ops->close(far);
	box_fini(&a);
}

/* What the guard lets out of each port: its own tags and no others. */
static void guard_holds_each_port_to_its_tags(void **state)
{
	uint8_t in[120], wire[2048], out[2048];
	struct box a, b;

	(void)state;
	box_init(&a, 1);
	box_init(&b, 2);
	boxes_key(&a, &b);
	node_frame(in, sizeof(in), 3);
	for (unsigned i = 0; i < PORTS; i++) {
		size_t n = box_send(&a, i, in, sizeof(in), wire);

		for (unsigned k = 0; k < PORTS; k++) {
			struct pkt p;

			assert_true(pkt_alloc(a.n.pool, &p));
			memcpy(p.data, wire, n);
			p.len = (uint32_t)n;
			p.mark = PKT_SEALED;
			guard_wan(a.n.f, fwd_port_find(a.n.f, (uint16_t)(10 + k)), &p, 1);
			assert_int_equal(node_take(&a.n, a.wan, out), k == i ? n : 0);
		}
	}
	assert_int_equal(a.n.f->fates[FATE_GUARD_MALFORMED], PORTS * (PORTS - 1));
	box_fini(&a);
	box_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_vlan_reach_their_own_secy),
		cmocka_unit_test(one_burst_of_all_vlans_is_sorted),
		cmocka_unit_test(both_tags_bear_the_frames_priority),
		cmocka_unit_test(a_frame_under_others_tags_is_unknown_or_foreign),
		cmocka_unit_test(priority_bits_do_not_matter_on_receive),
		cmocka_unit_test(tags_that_the_carrier_translated_are_no_matter),
		cmocka_unit_test(a_port_that_goes_leaves_the_others_of_its_interface),
		cmocka_unit_test(another_interface_with_the_same_tags_is_another_port),
		cmocka_unit_test(guard_holds_each_port_to_its_tags),
	};

	return cmocka_run_group_tests_name("fwd/tags", tests, NULL, NULL);
}
