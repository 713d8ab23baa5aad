/*
 * rules: frames that pass in clear or not at all, in order, in both directions; and that nothing
 * passes in clear for which no line stands.
 */
#include "fwd/node_test.h"

#include <stdio.h>

/* A rule in short: action, VLAN (-1: any), EtherType (0: any), destination and mask. */
static struct rule rule(enum rule_action action, int vlan, uint16_t type, const char *dst,
			const char *mask)
{
	struct rule r = {.action = (uint8_t)action, .tagged = vlan >= 0, .type = type};

	r.vlan = vlan >= 0 ? (uint16_t)vlan : 0;
	if (dst) {
		memcpy(r.dst, dst, 6);
		memcpy(r.mask, mask ? mask : "\xff\xff\xff\xff\xff\xff", 6);
	}
	return r;
}

/* The node's wan port again, in a VLAN or not, with these rules. */
static void rules_give(struct node *n, uint16_t vlan, const struct rule *v, uint8_t count)
{
	struct port *near = port_memory_new(1024, n->pool);
	struct msg_port_give give = {.port = NODE_WAN,
				     .kind = MSG_PORT_WAN,
				     .vlan = vlan,
				     .mtu = 1500,
				     .eapol_type = 0x876f};

	give.rules.count = count;
	memcpy(give.rules.v, v, count * sizeof(*v));
	n->wan->ops->close(n->wan);
	n->wan = port_memory_new(1024, n->pool);
	port_memory_join(near, n->wan);
	assert_int_equal(fwd_port_add(n->f, &give, near), 0);
}

/* A frame of 100 octets: destination, an optional tag, EtherType. */
static size_t frame(uint8_t f[2048], const char *dst, int vlan, uint16_t type)
{
	size_t at = 12;

	node_frame(f, 100, 7);
	memcpy(f, dst, 6);
	if (vlan >= 0) {
		const uint8_t tag[4] = {0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan};

		memcpy(f + at, tag, 4);
		at += 4;
	}
	f[at] = (uint8_t)(type >> 8);
	f[at + 1] = (uint8_t)type;
	return 100;
}

#define HOST "\x02\0\0\0\0\x09"
#define LLDP "\x01\x80\xc2\0\0\x0e"
#define BROADCAST "\xff\xff\xff\xff\xff\xff"

enum what { PROTECTED, CLEAR, DROPPED };

static const struct {
	const char *what, *dst;
	int vlan;
	uint16_t type;
	enum what is;
} rows[] = {
	{"a frame of no rule", HOST, -1, 0x0800, PROTECTED},
	{"LLDP", LLDP, -1, 0x88cc, CLEAR},
	{"LLDP to a host", HOST, -1, 0x88cc, PROTECTED},
	{"VLAN 50", HOST, 50, 0x0800, CLEAR},
	{"VLAN 50, but PTP: an earlier rule protects it", HOST, 50, 0x88f7, PROTECTED},
	{"VLAN 51", HOST, 51, 0x0800, PROTECTED},
	{"VLAN 66: dropped", HOST, 66, 0x0800, DROPPED},
	{"VLAN 66 to a group: a later rule does not count", BROADCAST, 66, 0x0800, DROPPED},
	{"a group in VLAN 7", BROADCAST, 7, 0x0806, CLEAR},
	{"a group without a tag", BROADCAST, -1, 0x0806, PROTECTED},
	{"MACsec of a host's own in VLAN 50", HOST, 50, 0x88e5, PROTECTED},
};

static void give_all(struct node *n, uint16_t vlan)
{
	const struct rule v[] = {
		rule(RULE_PROTECT, -1, 0x88f7, NULL, NULL),
		rule(RULE_BYPASS, -1, 0x88cc, LLDP, NULL),
		rule(RULE_BYPASS, 50, 0, NULL, NULL),
		rule(RULE_DROP, 66, 0, NULL, NULL),
		rule(RULE_BYPASS, 66, 0, NULL, NULL),
		rule(RULE_BYPASS, 7, 0, "\x01\0\0\0\0\0", "\x01\0\0\0\0\0"),
	};

	rules_give(n, vlan, v, sizeof(v) / sizeof(v[0]));
}

static void the_first_rule_that_matches_decides(void **state)
{
	(void)state;
	for (unsigned vlan = 0; vlan <= 100; vlan += 100) {
		struct node a, b;

		node_init(&a, 1, 64);
		node_init(&b, 2, 64);
		node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
		give_all(&a, (uint16_t)vlan);
		give_all(&b, (uint16_t)vlan);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			uint64_t sent = a.f->fates[FATE_SENT_BYPASS];
			uint64_t dropped = a.f->fates[FATE_DROP_RULE];
			uint8_t in[2048], wire[2048], out[2048];
			size_t len = frame(in, rows[i].dst, rows[i].vlan, rows[i].type);
			size_t n = node_send(&a, in, len, wire), got = 0;
			size_t tag = vlan ? 4 : 0;

			if (n)
				got = node_receive(&b, wire, n, out);
			if (a.f->fates[FATE_SENT_BYPASS] - sent != (rows[i].is == CLEAR) ||
			    a.f->fates[FATE_DROP_RULE] - dropped != (rows[i].is == DROPPED))
				fail_msg("%s, port VLAN %u", rows[i].what, vlan);
			if (rows[i].is == DROPPED) {
				assert_int_equal(n, 0);
				continue;
			}
			/* Either way the far side gets what was sent. */
			assert_int_equal(got, len);
			assert_memory_equal(out, in, len);
			if (rows[i].is == CLEAR) {
				assert_int_equal(n, len + tag);
				assert_memory_equal(wire + 12 + tag, in + 12, len - 12);
			} else {
				assert_int_equal(n, len + tag + 32);
				assert_memory_equal(wire + 12 + tag, "\x88\xe5", 2);
			}
		}
		assert_int_equal(b.f->fates[FATE_RECEIVED_BYPASS], 3);
		node_fini(&a);
		node_fini(&b);
	}
}

static void without_a_line_nothing_passes_in_clear(void **state)
{
	const struct rule drop = rule(RULE_DROP, 66, 0, NULL, NULL);
	struct node a, b;
	uint8_t in[2048], wire[2048], out[2048];
	size_t len;

	(void)state;
	node_init(&a, 1, 64);
	node_init(&b, 2, 64);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	give_all(&a, 0);
	rules_give(&b, 0, &drop, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n;

		len = frame(in, rows[i].dst, rows[i].vlan, rows[i].type);
		n = node_send(&a, in, len, wire);
		if (rows[i].is == CLEAR)
			assert_int_equal(node_receive(&b, wire, n, out), 0);
	}
	assert_int_equal(b.f->fates[FATE_RECEIVED_BYPASS], 0);
	node_fini(&a);
	node_fini(&b);
}

/* Clear frames go where their port's overlay is, whether or not there is a key; and what is
 * ciphertext or keying is never taken for one. */
static void what_comes_in_clear_is_held_against_the_rules_behind_the_ports_tag(void **state)
{
	struct node b;
	uint8_t in[2048], out[2048];
	size_t len;

	(void)state;
	node_init(&b, 2, 64);
	give_all(&b, 50); /* the port's own VLAN is one that a rule names, too */
	len = frame(in, HOST, 50, 0x0800);
	assert_int_equal(node_receive(&b, in, len, out), 0); /* that tag is the port's */
	len = frame(in, LLDP, 50, 0x88cc);
	assert_int_equal(node_receive(&b, in, len, out), len - 4);
	len = frame(in, LLDP, -1, 0x88cc);
	assert_int_equal(node_receive(&b, in, len, out), 0);
	len = frame(in, LLDP, 51, 0x88cc);
	assert_int_equal(node_receive(&b, in, len, out), 0);
	len = frame(in, HOST, 50, 0x876f);
	assert_int_equal(node_receive(&b, in, len, out), 0);
	assert_int_equal(node_receive(&b, in, 13, out), 0);
	assert_int_equal(b.f->fates[FATE_RECEIVED_BYPASS], 1);
	node_fini(&b);
}

static void the_guard_reads_the_frame_again(void **state)
{
	struct node a;
	struct pkt p;

	(void)state;
	node_init(&a, 1, 64);
	give_all(&a, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(pkt_alloc(a.pool, &p));
		p.len = (uint32_t)frame(p.data, HOST, i ? 51 : 50, 0x0800);
		p.mark = i ? PKT_BYPASSED : PKT_SEALED; /* no rule for it; no mark */
		guard_clear(a.f, fwd_port_find(a.f, NODE_WAN), &p, 1);
	}
	assert_int_equal(a.f->fates[FATE_GUARD_CLEAR], 2);
	assert_int_equal(a.f->fates[FATE_SENT_BYPASS], 0);
	node_fini(&a);
}

static void too_long_a_clear_frame_is_dropped_too(void **state)
{
	struct node a;
	uint8_t in[2048], wire[2048];

	(void)state;
	node_init(&a, 1, 64);
	give_all(&a, 0);
	frame(in, HOST, 50, 0x0800);
	assert_int_equal(node_send(&a, in, 1514, wire), 1514);
	assert_int_equal(node_send(&a, in, 1515, wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_TOO_LONG], 1);
	node_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rule_that_matches_decides),
		cmocka_unit_test(without_a_line_nothing_passes_in_clear),
		cmocka_unit_test(
			what_comes_in_clear_is_held_against_the_rules_behind_the_ports_tag),
		cmocka_unit_test(the_guard_reads_the_frame_again),
		cmocka_unit_test(too_long_a_clear_frame_is_dropped_too),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
