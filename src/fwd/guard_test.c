/*
 * guard: forward's own guard, attacked from inside: what a mistake in any stage could hand to a
 * port. Only what the AEAD marked and what looks like it passes.
 */
#include "fwd/node_test.h"

static void hand(struct node *n, const uint8_t *frame, size_t len, uint16_t mark, bool to_wan)
{
	struct fwd_port *p = fwd_port_find(n->f, to_wan ? NODE_WAN : NODE_OVERLAY);
	struct pkt pkt;

	assert_true(pkt_alloc(n->pool, &pkt));
	memcpy(pkt.data, frame, len);
	pkt.len = (uint32_t)len;
	pkt.mark = mark;
	if (to_wan)
		guard_wan(n->f, p, &pkt, 1);
	else
		guard_overlay(n->f, p, &pkt, 1);
}

static void without_the_mark_even_ciphertext_stays(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_256);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), wire);
	hand(&a, wire, n, 0, true);
	hand(&a, wire, n, PKT_OPENED, true);
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_UNSEALED], 2);
	hand(&a, wire, n, PKT_SEALED, true);
	assert_int_equal(node_take(&a, a.wan, out), n);
	hand(&a, in, sizeof(in), 0, false);
	hand(&a, in, sizeof(in), PKT_SEALED, false);
	assert_int_equal(node_take(&a, a.overlay, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_UNOPENED], 2);
	node_fini(&a);
	node_fini(&b);
}

static void with_the_mark_but_not_encrypted_macsec_it_stays(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} changes[] = {
		{12, 0x08}, {13, 0xe4}, {14, 0x2c | 0x80}, {14, 0x20}, {14, 0x28}, {14, 0x24},
	};
	uint8_t in[100], wire[2048], bad[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_256);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), wire);
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(bad, wire, n);
		bad[changes[i].at] = changes[i].value;
		hand(&a, bad, n, PKT_SEALED, true);
	}
	hand(&a, in, sizeof(in), PKT_SEALED, true);
	for (size_t len = 0; len <= 44; len++)
		hand(&a, wire, len, PKT_SEALED, true);
	/* A tag where there is none, as if for another network. */
	memcpy(bad, wire, 12);
	memcpy(bad + 12, "\x81\x00\x00\x05", 4);
	memcpy(bad + 16, wire + 12, n - 12);
	hand(&a, bad, n + 4, PKT_SEALED, true);
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_MALFORMED],
			 sizeof(changes) / sizeof(changes[0]) + 1 + 45 + 1);
	node_fini(&a);
	node_fini(&b);
}

static void port_with_a_vlan_lets_out_that_tag_alone(void **state)
{
	uint8_t in[100], wire[2048], out[2048];
	struct node a;
	struct msg m;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_stop(&a);
	a.vlan = 7;
	node_start(&a);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_256);
	assert_int_equal(fwd_control(a.f, &m), 0);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_not_equal(n, 0);
	wire[15] = 8;
	hand(&a, wire, n, PKT_SEALED, true);
	memmove(wire + 4, wire, 12); /* the same without its tag */
	hand(&a, wire + 4, n - 4, PKT_SEALED, true);
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(a.f->fates[FATE_GUARD_MALFORMED], 2);
	node_fini(&a);
}

/* Whatever a port claims of what it received, and whatever comes in, nothing clear goes out. */
static void ports_cannot_bring_marks_along(void **state)
{
	uint8_t in[100], out[2048];
	struct node a;

	(void)state;
	node_init(&a, 1, 0);
	node_frame(in, sizeof(in), 1);
	assert_int_equal(node_send(&a, in, sizeof(in), out), 0); /* node_give() lies */
	assert_int_equal(node_receive(&a, in, sizeof(in), out), 0);
	node_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_mark_even_ciphertext_stays),
		cmocka_unit_test(with_the_mark_but_not_encrypted_macsec_it_stays),
		cmocka_unit_test(port_with_a_vlan_lets_out_that_tag_alone),
		cmocka_unit_test(ports_cannot_bring_marks_along),
	};

	return cmocka_run_group_tests_name("fwd/guard", tests, NULL, NULL);
}
