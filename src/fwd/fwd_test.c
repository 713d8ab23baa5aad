/* fwd: frames through the whole path between two nodes, and the calls of the forward role. */
#include "fwd/node_test.h"

#include <errno.h>

static void frames_cross_encrypted_under_every_suite_and_length(void **state)
{
	static const size_t lengths[] = {14, 15, 42, 59, 60, 61, 62, 63, 64, 65, 128, 1482};

	(void)state;
	for (unsigned suite = 0; suite < MACSEC_SUITE_COUNT; suite++) {
		struct node a, b;

		node_init(&a, 1, 0);
		node_init(&b, 2, 0);
		node_key(&a, &b, 0, 7, suite);
		for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint8_t in[2048], wire[2048], out[2048];
			size_t n;

			node_frame(in, lengths[i], (uint8_t)i);
			n = node_send(&a, in, lengths[i], wire);
			assert_int_equal(n, lengths[i] + 32);
			assert_memory_equal(wire, in, 12);
			if (lengths[i] >= 42) /* nothing of the inside is to be seen */
				assert_null(memmem(wire + 12, n - 12, in + 20, 16));
			assert_int_equal(node_receive(&b, wire, n, out), lengths[i]);
			assert_memory_equal(out, in, lengths[i]);
		}
		node_fini(&a);
		node_fini(&b);
	}
}

static void burst_arrives_whole_and_in_order(void **state)
{
	uint8_t in[256], wire[2048], out[2048];
	struct node a, b;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_key(&a, &b, 3, 9, MACSEC_GCM_AES_XPN_256);
	for (unsigned i = 0; i < 200; i++) {
		node_frame(in, 100, (uint8_t)i);
		node_give(&a, a.overlay, in, 100);
	}
	while (fwd_poll(a.f))
		;
	for (size_t n; (n = node_take(&a, a.wan, wire)) > 0;)
		node_give(&b, b.wan, wire, n);
	while (fwd_poll(b.f))
		;
	for (unsigned i = 0; i < 200; i++) {
		node_frame(in, 100, (uint8_t)i);
		assert_int_equal(node_take(&b, b.overlay, out), 100);
		assert_memory_equal(out, in, 100);
	}
	assert_int_equal(node_take(&b, b.overlay, out), 0);
	node_fini(&a);
	node_fini(&b);
}

static void tag_in_clear_carries_the_inner_priority_and_is_taken_out(void **state)
{
	uint8_t in[200], wire[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_stop(&a);
	node_stop(&b);
	a.vlan = b.vlan = 210;
	node_start(&a);
	node_start(&b);
	node_key(&a, &b, 1, 3, MACSEC_GCM_AES_XPN_128);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_equal(n, sizeof(in) + 32 + 4);
	assert_memory_equal(wire + 12, "\x81\x00\xa0\xd2\x88\xe5", 6); /* PCP 5 of DSCP EF */
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
	assert_memory_equal(out, in, sizeof(in));
	/* The carrier may change the priority, for the tag is not protected, but not the network. */
	n = node_send(&a, in, sizeof(in), wire);
	wire[14] = 0x20;
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
	n = node_send(&a, in, sizeof(in), wire);
	wire[15] ^= 1;
	assert_int_equal(node_receive(&b, wire, n, out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_VLAN], 1);
	/* An inner tag's own priority goes before that of its IP header. */
	memcpy(in + 12, "\x81\x00\x40\x05", 4);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_equal(wire[14] >> 5, 2);
	node_fini(&a);
	node_fini(&b);
}

static void without_a_transmit_sa_nothing_leaves(void **state)
{
	uint8_t in[100], wire[2048];
	struct node a;
	struct msg m;

	(void)state;
	node_init(&a, 1, 0);
	node_frame(in, sizeof(in), 1);
	assert_int_equal(node_send(&a, in, sizeof(in), wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_NO_TX_SA], 1);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_not_equal(node_send(&a, in, sizeof(in), wire), 0);
	m = (struct msg){.type = MSG_SA_RETIRE, .sa_retire = {.secy = NODE_SECY, .key_id = {1}}};
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(node_send(&a, in, sizeof(in), wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_NO_TX_SA], 2);
	m = (struct msg){.type = MSG_SECY_DEL, .secy = NODE_SECY};
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(node_send(&a, in, sizeof(in), wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_NO_SECY], 1);
	node_fini(&a);
}

static void extended_numbers_cross_32_bits_in_any_order(void **state)
{
	uint8_t in[100], wire[20][2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n = 0;

	(void)state;
	for (unsigned suite = MACSEC_GCM_AES_XPN_128; suite < MACSEC_SUITE_COUNT; suite++) {
		node_init(&a, 1, 0);
		node_init(&b, 2, 64);
		for (unsigned i = 0; i < 2; i++) {
			m = node_sa(i ? MSG_SA_TRANSMIT : MSG_SA_RECEIVE, node_sci(1), 0, 1, suite);
			m.sa.pn = (UINT64_C(9) << 32) - 10;
			assert_int_equal(fwd_control(i ? a.f : b.f, &m), 0);
		}
		node_frame(in, sizeof(in), 1);
		for (unsigned i = 0; i < 20; i++)
			n = node_send(&a, in, sizeof(in), wire[i]);
		assert_memory_equal(wire[10] + 16, "\0\0\0\0", 4); /* in the low half only */
		for (unsigned i = 0; i < 20; i++)
			assert_int_not_equal(node_receive(&b, wire[i * 7 % 20], n, out), 0);
		for (unsigned i = 0; i < 20; i++)
			assert_int_equal(node_receive(&b, wire[i], n, out), 0);
		assert_int_equal(b.f->fates[FATE_DROP_DUPLICATE], 20);
		node_fini(&a);
		node_fini(&b);
	}
}

static void sectag_without_sci_is_sent_and_received_between_two(void **state)
{
	struct msg m = {.type = MSG_SECY_ADD};
	uint8_t in[100], wire[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	m.secy_add = (struct msg_secy){
		.secy = NODE_SECY, .overlay = NODE_OVERLAY, .wan = NODE_WAN, .sci = node_sci(1)};
	assert_int_equal(fwd_control(a.f, &m), 0);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_256);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_equal(n, sizeof(in) + 24);
	assert_int_equal(wire[14], 0x0c);
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(in));
	assert_memory_equal(out, in, sizeof(in));
	node_fini(&a);
	node_fini(&b);
}

static void frame_longer_than_the_wan_carries_is_dropped_by_name(void **state)
{
	uint8_t in[1600], wire[2048];
	struct node a;
	struct msg m;

	(void)state;
	node_init(&a, 1, 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_256);
	assert_int_equal(fwd_control(a.f, &m), 0);
	node_frame(in, sizeof(in), 1);
	assert_int_equal(node_send(&a, in, 1482, wire), 1514);
	assert_int_equal(node_send(&a, in, 1483, wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_TOO_LONG], 1);
	assert_int_equal(secy_find(a.f->sas, NODE_SECY)->counters.v[OUT_PKTS_TOO_LONG], 1);
	for (size_t len = 0; len < 14; len++)
		assert_int_equal(node_send(&a, in, len, wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_RUNT], 14);
	node_fini(&a);
}

static void two_overlays_share_a_wan_port(void **state)
{
	struct msg m = {.type = MSG_SECY_ADD};
	struct msg_port_give give = {.port = 9, .kind = MSG_PORT_OVERLAY};
	uint8_t in[100], wire[2048], out[2048];
	struct port *near, *far;
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	near = port_memory_new(64, b.pool);
	far = port_memory_new(64, b.pool);
	port_memory_join(near, far);
	assert_int_equal(fwd_port_add(b.f, &give, near), 0);
	m.secy_add = (struct msg_secy){
		.secy = 2, .overlay = 9, .wan = NODE_WAN, .sci = node_sci(2) + 1, .send_sci = true};
	assert_int_equal(fwd_control(b.f, &m), 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(1), 0, 1, MACSEC_GCM_AES_256);
	m.sa.secy = 2;
	assert_int_equal(fwd_control(b.f, &m), 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_256);
	assert_int_equal(fwd_control(a.f, &m), 0);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), wire);
	assert_int_equal(node_receive(&b, wire, n, out), 0); /* not to the first overlay */
	assert_int_equal(node_take(&b, far, out), sizeof(in));
	far->ops->close(far);
	node_fini(&a);
	node_fini(&b);
}

static void nodes_with_different_cryptography_understand_each_other(void **state)
{
	uint8_t in[1482], wire[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	/* A key stays with the backend it was made under: b's are made under this one. */
	assert_int_equal(aead_init(AEAD_OPENSSL), 0);
	assert_non_null(strstr(fwd_kernel(b.f), "openssl"));
	for (unsigned i = 0; i < 2; i++) {
		struct msg m = node_sa(i ? MSG_SA_TRANSMIT : MSG_SA_RECEIVE, node_sci(i ? 2 : 1), 1,
				       9, MACSEC_GCM_AES_256);

		assert_int_equal(fwd_control(b.f, &m), 0);
	}
	assert_int_equal(aead_init(AEAD_BEST), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct msg m = node_sa(i ? MSG_SA_TRANSMIT : MSG_SA_RECEIVE, node_sci(i ? 1 : 2), 1,
				       9, MACSEC_GCM_AES_256);

		assert_int_equal(fwd_control(a.f, &m), 0);
	}
	for (size_t len = 14; len < sizeof(in); len += 29) {
		node_frame(in, len, (uint8_t)len);
		n = node_send(&a, in, len, wire);
		assert_int_equal(node_receive(&b, wire, n, out), len);
		assert_memory_equal(out, in, len);
		n = node_send(&b, in, len, wire);
		assert_int_equal(node_receive(&a, wire, n, out), len);
		assert_memory_equal(out, in, len);
		wire[n - 20] ^= 1;
		assert_int_equal(node_receive(&a, wire, n, out), 0);
	}
	node_fini(&a);
	node_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cross_encrypted_under_every_suite_and_length),
		cmocka_unit_test(burst_arrives_whole_and_in_order),
		cmocka_unit_test(tag_in_clear_carries_the_inner_priority_and_is_taken_out),
		cmocka_unit_test(without_a_transmit_sa_nothing_leaves),
		cmocka_unit_test(extended_numbers_cross_32_bits_in_any_order),
		cmocka_unit_test(sectag_without_sci_is_sent_and_received_between_two),
		cmocka_unit_test(frame_longer_than_the_wan_carries_is_dropped_by_name),
		cmocka_unit_test(two_overlays_share_a_wan_port),
		cmocka_unit_test(nodes_with_different_cryptography_understand_each_other),
	};

	return cmocka_run_group_tests_name("fwd/fwd", tests, NULL, NULL);
}
