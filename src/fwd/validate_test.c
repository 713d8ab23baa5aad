/*
 * validate: what each mode of validateFrames lets in, and the one counter that says so
 * (802.1AE-2018 10.6, figure 10-5).
 */
#include "fwd/node_test.h"

enum { STRICT, CHECK, DISABLED, MODES };

typedef void change_fn(uint8_t *wire);

static void nothing(uint8_t *wire)
{
	(void)wire;
}
static void data_altered(uint8_t *wire)
{
	wire[40] ^= 1;
}
static void another_an(uint8_t *wire)
{
	wire[14] ^= 1;
}
static void another_sci(uint8_t *wire)
{
	wire[24] ^= 1;
}
static void version(uint8_t *wire)
{
	wire[14] |= 0x80;
}
static void no_sectag(uint8_t *wire)
{
	wire[12] = 0x08;
	wire[13] = 0x00;
}
static void own_sci(uint8_t *wire)
{
	wire[25] = 2;
}

static const struct row {
	const char *what;
	bool encrypted;
	change_fn *change;
	struct {
		bool passes;
		enum sa_count counter;
	} want[MODES];
} rows[] = {
	{"integrity only",
	 false,
	 nothing,
	 {{true, IN_PKTS_OK}, {true, IN_PKTS_OK}, {true, IN_PKTS_UNCHECKED}}},
	{"integrity only, altered",
	 false,
	 data_altered,
	 {{false, IN_PKTS_NOT_VALID}, {true, IN_PKTS_INVALID}, {true, IN_PKTS_UNCHECKED}}},
	{"integrity only, no such SA",
	 false,
	 another_an,
	 {{false, IN_PKTS_NOT_USING_SA}, {true, IN_PKTS_UNUSED_SA}, {true, IN_PKTS_UNUSED_SA}}},
	{"integrity only, no such SC",
	 false,
	 another_sci,
	 {{false, IN_PKTS_NO_SCI}, {true, IN_PKTS_UNKNOWN_SCI}, {true, IN_PKTS_UNKNOWN_SCI}}},
	{"integrity only, our own SCI",
	 false,
	 own_sci,
	 {{false, IN_PKTS_NO_SCI}, {false, IN_PKTS_NO_SCI}, {false, IN_PKTS_NO_SCI}}},
	{"integrity only, SecTAG of version 1",
	 false,
	 version,
	 {{false, IN_PKTS_BAD_TAG}, {false, IN_PKTS_BAD_TAG}, {false, IN_PKTS_BAD_TAG}}},
	{"no SecTAG",
	 false,
	 no_sectag,
	 {{false, IN_PKTS_NO_TAG}, {false, IN_PKTS_NO_TAG}, {false, IN_PKTS_NO_TAG}}},
	{"encrypted",
	 true,
	 nothing,
	 {{true, IN_PKTS_OK}, {true, IN_PKTS_OK}, {false, IN_PKTS_NOT_VALID}}},
	{"encrypted, altered",
	 true,
	 data_altered,
	 {{false, IN_PKTS_NOT_VALID}, {false, IN_PKTS_NOT_VALID}, {false, IN_PKTS_NOT_VALID}}},
	{"encrypted, no such SA",
	 true,
	 another_an,
	 {{false, IN_PKTS_NOT_USING_SA},
	  {false, IN_PKTS_NOT_USING_SA},
	  {false, IN_PKTS_NOT_USING_SA}}},
	{"encrypted, no such SC",
	 true,
	 another_sci,
	 {{false, IN_PKTS_NO_SCI}, {false, IN_PKTS_NO_SCI}, {false, IN_PKTS_NO_SCI}}},
};

static void row_try(const struct row *row, unsigned mode)
{
	struct msg m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_256);
	uint8_t frame[114], wire[2048], out[2048];
	struct sa_counters before, after;
	struct node a, b;
	uint64_t next;
	size_t len, got;

	node_init(&a, 1, 64);
	node_init(&b, 2, 64);
	fwd_port_find(a.f, NODE_WAN)->integrity = true;
	secy_find(b.f->sas, NODE_SECY)->config.validate = (uint8_t)mode;
	m.sa.conf = row->encrypted ? MACSEC_CONF_0 : MACSEC_CONF_NONE;
	assert_int_equal(fwd_control(a.f, &m), 0);
	m.type = MSG_SA_RECEIVE;
	assert_int_equal(fwd_control(b.f, &m), 0);
	node_frame(frame, sizeof(frame), 7);
	len = node_send(&a, frame, sizeof(frame), wire);
	assert_int_equal(len, sizeof(frame) + 32);
	row->change(wire);
	before = node_counters(&b);
	next = secy_find(b.f->sas, NODE_SECY)->scs->sa[0]->next;
	got = node_receive(&b, wire, len, out);
	if (got != (row->want[mode].passes ? sizeof(frame) : 0))
		fail_msg("%s, mode %u: %zu octets got in", row->what, mode, got);
	if (got)
		assert_memory_equal(out, wire, 12);
	if (got)
		assert_memory_equal(out + 12, row->encrypted ? frame + 12 : wire + 28,
				    sizeof(frame) - 12);
	after = node_counters(&b);
	for (unsigned i = 0; i < IN_OCTETS_VALIDATED; i++)
		if (after.v[i] - before.v[i] != (i == row->want[mode].counter))
			fail_msg("%s, mode %u: %s", row->what, mode, sa_count_names[i]);
	/* Only what verified moves the window. */
	assert_int_equal(secy_find(b.f->sas, NODE_SECY)->scs->sa[0]->next - next,
			 row->want[mode].counter == IN_PKTS_OK);
	node_fini(&a);
	node_fini(&b);
}

static void each_mode_lets_in_what_the_standard_says(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned mode = 0; mode < MODES; mode++)
			row_try(&rows[i], mode);
}

static void guard_keeps_the_unverified_from_a_strict_overlay(void **state)
{
	struct fwd_port *overlay;
	struct node n;
	struct pkt p;

	(void)state;
	node_init(&n, 1, 64);
	overlay = fwd_port_find(n.f, NODE_OVERLAY);
	assert_true(pkt_alloc(n.pool, &p));
	p.len = 60;
	p.mark = PKT_UNVERIFIED;
	guard_overlay(n.f, overlay, &p, 1);
	assert_int_equal(n.f->fates[FATE_GUARD_UNOPENED], 1);
	assert_int_equal(n.f->fates[FATE_SENT_OVERLAY], 0);
	node_fini(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mode_lets_in_what_the_standard_says),
		cmocka_unit_test(guard_keeps_the_unverified_from_a_strict_overlay),
	};

	return cmocka_run_group_tests_name("fwd/validate", tests, NULL, NULL);
}
