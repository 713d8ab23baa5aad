/*
 * bridge: three nodes of one overlay, each with lan ports whose far ends the test holds, over a
 * carrier that the test is: it carries a frame of one node to the others by hand.
 */
#include "fwd/node_test.h"

#include "fwd/bridge.h"
#include "wire/bframe.h"

#define LAN_A 10 /* port ids */
#define LAN_B 11
#define SECOND UINT64_C(1000000000)

struct site {
	struct node n;
	struct port *lan[2]; /* far ends */
};

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t host_a[6] = {2, 0, 0, 0, 1, 1}, host_a2[6] = {2, 0, 0, 0, 1, 2};
static const uint8_t host_b[6] = {2, 0, 0, 0, 2, 1};

static struct msg_bridge bridge_of(uint8_t mode)
{
	struct msg_bridge m = {.secy = NODE_SECY,
			       .mode = mode,
			       .encapsulate = true,
			       .entries = 64,
			       .per_place = 32,
			       .ageing_s = 300};

	for (unsigned i = 0; i < L2CP_COUNT; i++)
		m.l2cp[i] =
			(uint8_t)(mode == MSG_BRIDGE_LINE ? l2cp_rows[i].line : l2cp_rows[i].lan);
	return m;
}

static void bridge_tell(struct node *n, const struct msg_bridge *b)
{
	struct msg m = {.type = MSG_BRIDGE, .bridge = *b};

	assert_int_equal(fwd_control(n->f, &m), 0);
}

static void lan_add(struct site *s, unsigned i)
{
	struct port *near = port_memory_new(1024, s->n.pool);
	struct msg_port_give give = {.port = (uint16_t)(LAN_A + i),
				     .kind = MSG_PORT_LAN,
				     .over = NODE_OVERLAY,
				     .link = true};

	s->lan[i] = port_memory_new(1024, s->n.pool);
	port_memory_join(near, s->lan[i]);
	assert_int_equal(fwd_port_add(s->n.f, &give, near), 0);
}

static void site_init(struct site *s, uint8_t id, uint8_t mode, unsigned lans)
{
	const struct msg_bridge b = bridge_of(mode);

	memset(s, 0, sizeof(*s));
	node_init(&s->n, id, 64);
	fwd_port_drop(s->n.f, NODE_OVERLAY);
	bridge_tell(&s->n, &b);
	for (unsigned i = 0; i < lans; i++)
		lan_add(s, i);
	fwd_tick(s->n.f, SECOND);
}

static void site_fini(struct site *s)
{
	struct port *far[2] = {s->lan[0], s->lan[1]};

	fwd_free(s->n.f);
	for (unsigned i = 0; i < 2; i++)
		if (far[i])
			far[i]->ops->close(far[i]);
	s->n.overlay->ops->close(s->n.overlay);
	s->n.wan->ops->close(s->n.wan);
	assert_int_equal(s->n.pool->free, 512);
	pkt_pool_free(s->n.pool);
	free(s->n.area);
}

static uint64_t fate(const struct site *s, enum fwd_fate f)
{
	return s->n.f->fates[f];
}

static struct bridge *bridge(struct site *s)
{
	return bridge_find(s->n.f, NODE_SECY);
}

static size_t frame_of(uint8_t *f, const uint8_t *dst, const uint8_t *src, uint8_t seed)
{
	node_frame(f, 100, seed);
	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	return 100;
}

/* A frame into a lan port; what left by the wan is carried to the others. */
static size_t from_lan(struct site *s, unsigned lan, const uint8_t *frame, size_t len,
		       uint8_t wire[2048], struct site *const *to)
{
	size_t n;

	node_give(&s->n, s->lan[lan], frame, len);
	fwd_poll(s->n.f);
	n = node_take(&s->n, s->n.wan, wire);
	for (; n && to && *to; to++) {
		node_give(&(*to)->n, (*to)->n.wan, wire, n);
		fwd_poll((*to)->n.f);
	}
	return n;
}

static bool lan_got(struct site *s, unsigned lan, const uint8_t *frame, size_t len)
{
	uint8_t out[2048];
	size_t n = node_take(&s->n, s->lan[lan], out);

	if (n)
		assert_int_equal(n, len);
	return n && memcmp(out, frame, n) == 0;
}

static void keys(struct site *a, struct site *b)
{
	node_key(&a->n, &b->n, 0, 1, MACSEC_GCM_AES_XPN_256);
}

static void a_line_carries_whatever_comes_and_changes_nothing(void **state)
{
	struct site a, b, *to_b[] = {&b, NULL}, *to_a[] = {&a, NULL};
	uint8_t frame[2048], wire[2048];

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LINE, 1);
	site_init(&b, 2, MSG_BRIDGE_LINE, 1);
	keys(&a, &b);
	for (size_t len = 14; len < 1480; len += 61) {
		node_frame(frame, len, (uint8_t)len);
		frame[0] = (uint8_t)(len & 1); /* groups too, even as a source */
		frame[6] = (uint8_t)(len >> 1 & 1);
		memcpy(frame + 12, len % 3 ? "\x81\x00" : "\x88\xa8", 2);
		assert_int_not_equal(from_lan(&a, 0, frame, len, wire, to_b), 0);
		assert_memory_equal(wire, frame, 12); /* the addresses stay in clear */
		assert_true(lan_got(&b, 0, frame, len));
		assert_int_not_equal(from_lan(&b, 0, frame, len, wire, to_a), 0);
		assert_true(lan_got(&a, 0, frame, len));
	}
	assert_int_equal(bridge_addresses(bridge(&a)), 0);
	site_fini(&a);
	site_fini(&b);
}

static void nothing_leaves_before_there_is_a_key(void **state)
{
	struct site a;
	uint8_t frame[2048], wire[2048];
	size_t len = frame_of(frame, broadcast, host_a, 1);

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	assert_int_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	assert_int_equal(fate(&a, FATE_DROP_NO_TX_SA), 1);
	site_fini(&a);
}

static void a_lan_learns_and_filters(void **state)
{
	struct site a, b, c, *others[] = {&b, &c, NULL}, *to_a_c[] = {&a, &c, NULL};
	uint8_t frame[2048], wire[2048];
	size_t len;

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	site_init(&b, 2, MSG_BRIDGE_LAN, 1);
	site_init(&c, 3, MSG_BRIDGE_LAN, 1);
	keys(&a, &b);
	keys(&a, &c);
	keys(&b, &c);
	/* Broadcast goes everywhere. */
	len = frame_of(frame, broadcast, host_a, 1);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, others), 0);
	assert_true(lan_got(&b, 0, frame, len));
	assert_true(lan_got(&c, 0, frame, len));
	/* The answer: the carrier may flood it, and only a hands it to its lan. */
	len = frame_of(frame, host_a, host_b, 2);
	assert_int_not_equal(from_lan(&b, 0, frame, len, wire, to_a_c), 0);
	assert_true(lan_got(&a, 0, frame, len));
	assert_false(lan_got(&c, 0, frame, len));
	assert_int_equal(fate(&c, FATE_DROP_ELSEWHERE), 1);
	/* Between two hosts of one lan: not the wan's business. */
	len = frame_of(frame, broadcast, host_a2, 3);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	len = frame_of(frame, host_a, host_a2, 4);
	assert_int_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	assert_int_equal(fate(&a, FATE_DROP_FILTERED), 1);
	/* A host that moved to another site is found there. */
	len = frame_of(frame, broadcast, host_a, 5);
	to_a_c[0] = &a;
	assert_int_not_equal(from_lan(&b, 0, frame, len, wire, to_a_c), 0);
	assert_true(lan_got(&a, 0, frame, len));
	assert_int_equal(bridge(&a)->counts[BRIDGE_MOVED], 1);
	len = frame_of(frame, host_a, host_a2, 6);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	site_fini(&a);
	site_fini(&b);
	site_fini(&c);
}

static void two_lan_ports_are_one_lan(void **state)
{
	struct site a, b, *to_b[] = {&b, NULL}, *to_a[] = {&a, NULL};
	uint8_t frame[2048], wire[2048];
	size_t len = frame_of(frame, broadcast, host_a, 1);

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 2);
	site_init(&b, 2, MSG_BRIDGE_LAN, 1);
	keys(&a, &b);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, to_b), 0);
	assert_true(lan_got(&a, 1, frame, len));
	assert_false(lan_got(&a, 0, frame, len));
	assert_true(lan_got(&b, 0, frame, len));
	len = frame_of(frame, host_a, host_a2, 2);
	assert_int_equal(from_lan(&a, 1, frame, len, wire, NULL), 0);
	assert_true(lan_got(&a, 0, frame, len));
	assert_true(fate(&a, FATE_SENT_LOCAL) >= 2);
	len = frame_of(frame, host_a2, host_b, 3);
	from_lan(&b, 0, frame, len, wire, to_a);
	assert_true(lan_got(&a, 1, frame, len));
	assert_false(lan_got(&a, 0, frame, len));
	/* From the overlay to both. */
	len = frame_of(frame, broadcast, host_b, 4);
	from_lan(&b, 0, frame, len, wire, to_a);
	assert_true(lan_got(&a, 0, frame, len));
	assert_true(lan_got(&a, 1, frame, len));
	site_fini(&a);
	site_fini(&b);
}

/* What a control protocol's frame does on an E-Line and an E-LAN. */
static const struct {
	const char *what;
	uint8_t dst[6];
	uint8_t body[5];
	bool line, lan;  /* carried */
	bool consumable; /* its address is one that a carrier's bridges consume */
} protocols[] = {
	{"BPDU", {1, 0x80, 0xc2}, {0, 38, 0x42, 0x42, 3}, true, true, true},
	{"PAUSE", {1, 0x80, 0xc2, 0, 0, 1}, {0x88, 0x08}, false, false, true},
	{"LACP", {1, 0x80, 0xc2, 0, 0, 2}, {0x88, 0x09, 1}, true, false, true},
	{"802.1X", {1, 0x80, 0xc2, 0, 0, 3}, {0x88, 0x8e, 3, 5}, true, false, true},
	{"LLDP", {1, 0x80, 0xc2, 0, 0, 0x0e}, {0x88, 0xcc}, true, false, true},
	{"MVRP", {1, 0x80, 0xc2, 0, 0, 0x21}, {0x88, 0xf5}, true, true, false},
	{"CFM", {1, 0x80, 0xc2, 0, 0, 0x33}, {0x89, 0x02}, true, true, false},
	{"PVST+", {1, 0, 0x0c, 0xcc, 0xcc, 0xcd}, {0, 50, 0xaa, 0xaa, 3}, true, true, false},
	{"CDP and such",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3},
	 true,
	 false,
	 false},
};

static void control_protocols_do_as_the_table_says(void **state)
{
	(void)state;
	for (unsigned mode = MSG_BRIDGE_LINE; mode <= MSG_BRIDGE_LAN; mode++) {
		struct site a, b, *to_b[] = {&b, NULL};

		site_init(&a, 1, (uint8_t)mode, 1);
		site_init(&b, 2, (uint8_t)mode, 1);
		keys(&a, &b);
		for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
			bool carried =
				mode == MSG_BRIDGE_LINE ? protocols[i].line : protocols[i].lan;
			uint64_t before = fate(&a, FATE_DROP_L2CP);
			uint8_t frame[2048], wire[2048];
			size_t n, len = frame_of(frame, protocols[i].dst, host_a, (uint8_t)i);

			memcpy(frame + 12, protocols[i].body, 5);
			n = from_lan(&a, 0, frame, len, wire, to_b);
			if (!n == carried || lan_got(&b, 0, frame, len) != carried)
				fail_msg("%s, mode %u", protocols[i].what, mode);
			assert_int_equal(fate(&a, FATE_DROP_L2CP) - before, !carried);
			/* The carrier must not see an address that its bridges consume. */
			if (n)
				assert_memory_equal(
					wire, protocols[i].consumable ? bframe_group : frame, 6);
		}
		site_fini(&a);
		site_fini(&b);
	}
}

static void a_word_in_the_file_beats_the_table(void **state)
{
	struct msg_bridge m = bridge_of(MSG_BRIDGE_LAN);
	const uint8_t lldp[6] = {1, 0x80, 0xc2, 0, 0, 0x0e};
	struct site a;
	uint8_t frame[2048], wire[2048];
	size_t len = frame_of(frame, lldp, host_a, 1);

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	memcpy(frame + 12, "\x88\xcc", 2);
	{
		struct msg sa = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_256);

		assert_int_equal(fwd_control(a.n.f, &sa), 0);
	}
	assert_int_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	m.l2cp[L2CP_LLDP] = L2CP_TUNNEL;
	m.encapsulate = false; /* with a peer that would not understand it goes as it is */
	bridge_tell(&a.n, &m);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	assert_memory_equal(wire, lldp, 6);
	assert_int_equal(bridge(&a)->l2cp[L2CP_LLDP][L2CP_DISCARD], 1);
	assert_int_equal(bridge(&a)->l2cp[L2CP_LLDP][L2CP_TUNNEL], 1);
	site_fini(&a);
}

static void a_lan_host_cannot_speak_as_a_bridge(void **state)
{
	struct site a, b, *to_b[] = {&b, NULL};
	uint8_t frame[2048], wire[2048];
	size_t len = frame_of(frame, bframe_group, host_a, 1);

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LINE, 1);
	site_init(&b, 2, MSG_BRIDGE_LINE, 1);
	keys(&a, &b);
	memcpy(frame + 12, "\x88\xb5\x01\x03\x00\x00", 6);
	assert_int_equal(from_lan(&a, 0, frame, len, wire, to_b), 0);
	assert_int_equal(fate(&a, FATE_DROP_OWN_GROUP), 1);
	/* Nor wrapped in one of ours by a peer: one layer is taken off, the inner one dropped. */
	memcpy(frame, protocols[0].dst, 6);
	memcpy(frame + 12, protocols[0].body, 5);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, NULL), 0);
	site_fini(&a);
	site_fini(&b);
}

static void a_flood_of_invented_sources_costs_one_share(void **state)
{
	struct site a, b, *to_b[] = {&b, NULL};
	uint8_t frame[2048], wire[2048], out[2048];

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	site_init(&b, 2, MSG_BRIDGE_LAN, 1);
	keys(&a, &b);
	for (unsigned i = 0; i < 500; i++) {
		uint8_t src[6] = {6, 6, 6, 6, (uint8_t)(i >> 8), (uint8_t)i};
		size_t len = frame_of(frame, broadcast, src, 1);

		assert_int_not_equal(from_lan(&a, 0, frame, len, wire, to_b), 0);
		assert_int_not_equal(node_take(&b.n, b.lan[0], out), 0);
	}
	assert_int_equal(bridge_addresses(bridge(&a)), 32);
	assert_int_equal(bridge_addresses(bridge(&b)), 32);
	assert_int_equal(bridge(&b)->counts[BRIDGE_NOT_LEARNED], 468);
	/* The other's hosts are learned all the same. */
	from_lan(&b, 0, frame, frame_of(frame, broadcast, host_b, 1), wire, NULL);
	assert_int_equal(bridge_addresses(bridge(&b)), 33);
	site_fini(&a);
	site_fini(&b);
}

static void floods_are_limited_and_known_ways_are_not(void **state)
{
	struct msg_bridge m = bridge_of(MSG_BRIDGE_LAN);
	struct site a, b, *to_a[] = {&a, NULL};
	uint8_t frame[2048], wire[2048];
	unsigned left = 0;

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	site_init(&b, 2, MSG_BRIDGE_LAN, 1);
	keys(&a, &b);
	m.flood = 20;
	bridge_tell(&a.n, &m);
	for (unsigned i = 0; i < 100; i++)
		left += from_lan(&a, 0, frame, frame_of(frame, broadcast, host_a, 1), wire, NULL) !=
			0;
	assert_int_equal(left, 20);
	assert_int_equal(fate(&a, FATE_DROP_STORM), 80);
	from_lan(&b, 0, frame, frame_of(frame, host_a, host_b, 1), wire, to_a);
	for (unsigned i = 0; i < 100; i++)
		assert_int_not_equal(
			from_lan(&a, 0, frame, frame_of(frame, host_b, host_a, 1), wire, NULL), 0);
	/* A second later some more may. */
	fwd_tick(a.n.f, 3 * SECOND);
	assert_int_not_equal(
		from_lan(&a, 0, frame, frame_of(frame, broadcast, host_a, 1), wire, NULL), 0);
	site_fini(&a);
	site_fini(&b);
}

static void other_limits_do_not_forget_what_was_learned(void **state)
{
	struct msg_bridge m = bridge_of(MSG_BRIDGE_LAN);
	struct site a, b, *to_a[] = {&a, NULL};
	uint8_t frame[2048], wire[2048];

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	site_init(&b, 2, MSG_BRIDGE_LAN, 1);
	keys(&a, &b);
	from_lan(&a, 0, frame, frame_of(frame, broadcast, host_a2, 1), wire, NULL);
	from_lan(&b, 0, frame, frame_of(frame, broadcast, host_b, 1), wire, to_a);
	assert_int_equal(bridge_addresses(bridge(&a)), 2);
	m.entries = 200;
	m.flood = 1;
	bridge_tell(&a.n, &m);
	assert_int_equal(bridge_addresses(bridge(&a)), 2);
	from_lan(&a, 0, frame, frame_of(frame, host_a2, host_a, 1), wire, NULL);
	assert_int_equal(fate(&a, FATE_DROP_FILTERED), 1);
	site_fini(&a);
	site_fini(&b);
}

static void a_group_source_and_a_runt_end_by_name(void **state)
{
	const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3};
	struct site a;
	uint8_t frame[2048], wire[2048];

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	assert_int_equal(from_lan(&a, 0, frame, frame_of(frame, host_b, group, 1), wire, NULL), 0);
	assert_int_equal(fate(&a, FATE_DROP_SOURCE), 1);
	assert_int_equal(from_lan(&a, 0, frame, 13, wire, NULL), 0);
	assert_int_equal(fate(&a, FATE_DROP_RUNT), 1);
	assert_int_equal(bridge_addresses(bridge(&a)), 0);
	site_fini(&a);
}

static void too_long_a_frame_is_counted_where_the_standard_says(void **state)
{
	struct site a, b;
	uint8_t frame[2048], wire[2048];

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LINE, 1);
	site_init(&b, 2, MSG_BRIDGE_LINE, 1);
	keys(&a, &b);
	node_frame(frame, 1500 + 14 - 32, 1);
	assert_int_equal(from_lan(&a, 0, frame, 1500 + 14 - 32, wire, NULL), 1514);
	assert_int_equal(from_lan(&a, 0, frame, 1500 + 14 - 31, wire, NULL), 0);
	assert_int_equal(fate(&a, FATE_DROP_TOO_LONG), 1);
	assert_int_equal(node_counters(&a.n).v[OUT_PKTS_TOO_LONG], 1);
	site_fini(&a);
	site_fini(&b);
}

static void without_a_bridge_a_lan_port_is_a_dead_end(void **state)
{
	struct msg_bridge m = bridge_of(MSG_BRIDGE_NONE);
	struct site a, b, *to_b[] = {&b, NULL};
	uint8_t frame[2048], wire[2048];
	size_t len = frame_of(frame, broadcast, host_a, 1);

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	site_init(&b, 2, MSG_BRIDGE_LAN, 1);
	keys(&a, &b);
	bridge_tell(&b.n, &m);
	assert_int_not_equal(from_lan(&a, 0, frame, len, wire, to_b), 0);
	assert_false(lan_got(&b, 0, frame, len));
	assert_int_equal(fate(&b, FATE_DROP_NO_PORT), 1);
	assert_int_equal(from_lan(&b, 0, frame, len, wire, NULL), 0);
	assert_int_equal(fate(&b, FATE_DROP_LAN), 1);
	site_fini(&a);
	site_fini(&b);
}

static void the_guard_of_a_lan_wants_a_mark(void **state)
{
	struct site a;
	struct pkt p;

	(void)state;
	site_init(&a, 1, MSG_BRIDGE_LAN, 1);
	assert_true(pkt_alloc(a.n.pool, &p));
	node_frame(p.data, 100, 1);
	p.len = 100;
	p.mark = PKT_SEALED | PKT_UNVERIFIED;
	guard_lan(a.n.f, fwd_port_find(a.n.f, LAN_A), &p, 1);
	assert_int_equal(fate(&a, FATE_GUARD_LAN), 1);
	assert_int_equal(fate(&a, FATE_SENT_LAN), 0);
	site_fini(&a);
}

/*
 * One lan with two nodes (ids 1 and 2) and one of another site (3). What a node puts on its lan
 * port the other one of the lan hears, as through a switch.
 */
struct twins {
	struct site s[3];
	uint64_t now;
	bool cut[3];     /* no way to the carrier */
	unsigned lan[2]; /* frames of hosts seen on the lan of each site */
	unsigned wire;   /* data frames that crossed the carrier */
};

static bool is_control(const uint8_t *f)
{
	return memcmp(f, bframe_group, 6) == 0;
}

/* Everything that is on its way arrives, until nothing is. */
static void twins_settle(struct twins *t)
{
	uint8_t f[2048];
	bool any = true;
	size_t n;

	for (unsigned rounds = 0; any; rounds++) {
		assert_true(rounds < 50); /* or it goes round for ever */
		any = false;
		for (unsigned i = 0; i < 3; i++) {
			while ((n = node_take(&t->s[i].n, t->s[i].n.wan, f))) {
				any = true;
				t->wire += !is_control(f);
				for (unsigned k = 0; k < 3; k++)
					if (k != i && !t->cut[i] && !t->cut[k])
						node_give(&t->s[k].n, t->s[k].n.wan, f, n);
			}
			while ((n = node_take(&t->s[i].n, t->s[i].lan[0], f))) {
				any = true;
				t->lan[i == 2] += !is_control(f);
				if (i < 2)
					node_give(&t->s[!i].n, t->s[!i].lan[0], f, n);
			}
		}
		for (unsigned i = 0; i < 3; i++)
			fwd_poll(t->s[i].n.f);
	}
}

static void twins_run(struct twins *t, unsigned ticks)
{
	while (ticks--) {
		t->now += SECOND / 10;
		for (unsigned i = 0; i < 3; i++)
			fwd_tick(t->s[i].n.f, t->now);
		twins_settle(t);
	}
}

static void twins_init(struct twins *t)
{
	memset(t, 0, sizeof(*t));
	t->now = SECOND;
	for (unsigned i = 0; i < 3; i++) {
		struct msg_bridge m = bridge_of(MSG_BRIDGE_LAN);

		site_init(&t->s[i], (uint8_t)(i + 1), MSG_BRIDGE_NONE, 1);
		fwd_port_link(t->s[i].n.f, NODE_WAN, true);
		m.hello = true;
		m.node = (uint16_t)(i + 1);
		m.site[1] = i < 2 ? 1 : 3;
		m.site[3] = i < 2 ? 2 : 0;
		bridge_tell(&t->s[i].n, &m);
	}
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = i + 1; k < 3; k++)
			keys(&t->s[i], &t->s[k]);
	twins_run(t, 15);
}

static void twins_fini(struct twins *t)
{
	for (unsigned i = 0; i < 3; i++)
		site_fini(&t->s[i]);
}

/* A host speaks: on the lan of two nodes both hear it. */
static void twins_say(struct twins *t, unsigned site, const uint8_t *dst, const uint8_t *src)
{
	uint8_t f[2048];
	size_t n = frame_of(f, dst, src, 1);

	t->lan[0] = t->lan[1] = t->wire = 0;
	for (unsigned i = site ? 2 : 0; i < (site ? 3u : 2u); i++)
		node_give(&t->s[i].n, t->s[i].lan[0], f, n);
	for (unsigned i = 0; i < 3; i++)
		fwd_poll(t->s[i].n.f);
	twins_settle(t);
}

static bool forwards(struct twins *t, unsigned i)
{
	return !bridge_stands_by(bridge(&t->s[i]));
}

static void of_two_nodes_at_a_lan_one_forwards_each_frame_once(void **state)
{
	static struct twins t;

	(void)state;
	twins_init(&t);
	assert_true(forwards(&t, 0));
	assert_false(forwards(&t, 1));
	assert_true(forwards(&t, 2));
	twins_say(&t, 0, broadcast, host_a);
	assert_int_equal(t.wire, 1);
	assert_int_equal(t.lan[1], 1);
	assert_int_equal(t.lan[0], 0); /* it does not come back */
	assert_int_equal(fate(&t.s[1], FATE_DROP_OWN_SITE), 1);
	assert_int_equal(fate(&t.s[1], FATE_DROP_STANDBY), 1);
	twins_say(&t, 1, broadcast, host_b);
	assert_int_equal(t.wire, 1);
	assert_int_equal(t.lan[0], 1);
	twins_say(&t, 1, host_a, host_b);
	assert_int_equal(t.lan[0], 1);
	twins_fini(&t);
}

static void the_standby_takes_over_and_says_where_everybody_is(void **state)
{
	static struct twins t;
	uint64_t moved;

	(void)state;
	twins_init(&t);
	twins_say(&t, 0, broadcast, host_a);
	twins_say(&t, 1, host_a, host_b);
	twins_run(&t, 5); /* so that the standby was told */
	assert_int_equal(bridge_addresses(bridge(&t.s[1])), 2);
	moved = bridge(&t.s[2])->counts[BRIDGE_MOVED];
	fwd_port_link(t.s[0].n.f, NODE_WAN, false); /* it cannot even say so */
	t.cut[0] = true;
	assert_false(forwards(&t, 0));
	twins_run(&t, 16);
	assert_true(forwards(&t, 1));
	assert_int_equal(bridge(&t.s[1])->counts[BRIDGE_ANNOUNCED], 2);
	assert_int_equal(bridge(&t.s[2])->counts[BRIDGE_MOVED], moved + 1);
	twins_say(&t, 1, host_a, host_b);
	assert_int_equal(t.lan[0], 1);
	twins_say(&t, 0, host_b, host_a);
	assert_int_equal(t.lan[1], 1);
	assert_int_equal(t.wire, 1);
	/* And gives back to the better one. */
	t.cut[0] = false;
	fwd_port_link(t.s[0].n.f, NODE_WAN, true);
	twins_run(&t, 15);
	assert_true(forwards(&t, 0));
	assert_false(forwards(&t, 1));
	twins_say(&t, 0, broadcast, host_a);
	assert_int_equal(t.wire, 1);
	assert_int_equal(t.lan[1], 1);
	twins_fini(&t);
}

static void a_lan_that_lost_its_cable_is_left_at_once(void **state)
{
	static struct twins t;

	(void)state;
	twins_init(&t);
	fwd_port_link(t.s[0].n.f, LAN_A, false);
	twins_settle(&t);
	assert_false(forwards(&t, 0));
	assert_true(forwards(&t, 1));
	twins_fini(&t);
}

/* Both forward for once (a double fault just healed): nothing loops, and by name. */
static void even_if_both_forward_nothing_goes_round(void **state)
{
	static struct twins t;
	struct bridge *b;

	(void)state;
	twins_init(&t);
	b = bridge(&t.s[1]);
	b->designated->state = BFRAME_FORWARDING;
	b->forwarding = true;
	twins_say(&t, 1, broadcast, host_b);
	assert_int_equal(t.lan[0], 2); /* once by each: what hellos end */
	assert_int_equal(t.wire, 1);   /* and neither sends it back */
	assert_int_equal(fate(&t.s[0], FATE_DROP_RETURNED) + fate(&t.s[1], FATE_DROP_RETURNED), 2);
	b->designated->state = BFRAME_FORWARDING;
	b->forwarding = true;
	twins_say(&t, 0, broadcast, host_a);
	assert_int_equal(t.lan[0], 0);
	assert_true(fate(&t.s[0], FATE_DROP_OWN_SITE) >= 1);
	twins_run(&t, 3);
	assert_false(forwards(&t, 1));
	twins_fini(&t);
}

static void nothing_of_a_peer_that_has_not_said_who_it_is_is_let_through(void **state)
{
	struct msg_bridge m = bridge_of(MSG_BRIDGE_LAN);
	struct msg sa;
	static struct twins t;
	struct site silent, *to[] = {&t.s[0], NULL};
	uint8_t frame[2048], wire[2048];

	(void)state;
	twins_init(&t);
	site_init(&silent, 4, MSG_BRIDGE_LAN, 1);
	m.hello = false;
	bridge_tell(&silent.n, &m);
	keys(&silent, &t.s[2]);
	sa = node_sa(MSG_SA_RECEIVE, node_sci(4), 0, 1, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(fwd_control(t.s[0].n.f, &sa), 0);
	from_lan(&silent, 0, frame, frame_of(frame, broadcast, host_b, 1), wire, to);
	assert_int_equal(fate(&t.s[0], FATE_DROP_NAMELESS), 1);
	assert_int_equal(bridge_addresses(bridge(&t.s[0])), 0);
	site_fini(&silent);
	twins_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_carries_whatever_comes_and_changes_nothing),
		cmocka_unit_test(nothing_leaves_before_there_is_a_key),
		cmocka_unit_test(a_lan_learns_and_filters),
		cmocka_unit_test(two_lan_ports_are_one_lan),
		cmocka_unit_test(control_protocols_do_as_the_table_says),
		cmocka_unit_test(a_word_in_the_file_beats_the_table),
		cmocka_unit_test(a_lan_host_cannot_speak_as_a_bridge),
		cmocka_unit_test(a_flood_of_invented_sources_costs_one_share),
		cmocka_unit_test(floods_are_limited_and_known_ways_are_not),
		cmocka_unit_test(other_limits_do_not_forget_what_was_learned),
		cmocka_unit_test(a_group_source_and_a_runt_end_by_name),
		cmocka_unit_test(too_long_a_frame_is_counted_where_the_standard_says),
		cmocka_unit_test(without_a_bridge_a_lan_port_is_a_dead_end),
		cmocka_unit_test(the_guard_of_a_lan_wants_a_mark),
		cmocka_unit_test(of_two_nodes_at_a_lan_one_forwards_each_frame_once),
		cmocka_unit_test(the_standby_takes_over_and_says_where_everybody_is),
		cmocka_unit_test(a_lan_that_lost_its_cable_is_left_at_once),
		cmocka_unit_test(even_if_both_forward_nothing_goes_round),
		cmocka_unit_test(nothing_of_a_peer_that_has_not_said_who_it_is_is_let_through),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
