/*
 * AF_XDP as parent and forward share it: the XDP program, sockets made here and mapped by the port on a
 * veth pair in a network namespace of the test's own. Needs root, as the parent does.
 */
#include "port/kernel_test.h"
#include "port/port.h"
#include "port/xsk.h"
#include "proc/xdp.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define FRAME_MAX 9000
#define BUFFERS 4096
#define QUEUES 4
#define FEW_BUFFERS 1024 /* as many as the daemon has */

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1};

struct fixture {
	int memory;
	struct pkt_pool *pool;
	struct port *port;
	struct xdp *xdp;
	unsigned ifindex, queues, buffers;
	int xsk[QUEUES];
	int peer; /* a raw socket on the other side */
};

/* As the parent does it: the sockets of a former one may not be gone yet. */
static void bind_all(struct fixture *f)
{
	int why;
	bool generic = xdp_is_generic(f->xdp, &why);

	for (unsigned q = 0; q < f->queues; q++) {
		bool zerocopy = true;
		int err = -EBUSY;

		f->xsk[q] = xsk_open(f->memory, f->pool->size);
		assert_true(f->xsk[q] >= 0);
		assert_int_equal(port_afxdp_map(f->port, q, dup(f->xsk[q])), 0);
		for (unsigned i = 0; i < 500 && (err == -EBUSY || err == -ENOBUFS); i++) {
			err = xsk_bind(f->xsk[q], f->ifindex, q, generic, &zerocopy);
			if (err)
				usleep(10000);
		}
		assert_int_equal(err, 0);
		assert_false(zerocopy);
		assert_int_equal(port_afxdp_bound(f->port, q, zerocopy), 0);
		assert_int_equal(xdp_socket_set(f->xdp, q, f->xsk[q]), 0);
	}
	/* Time goes by, after which no other socket is expected. */
	f->port->ops->tick(f->port, 1);
	f->port->ops->tick(f->port, 1 + UINT64_C(2000000000));
}

static void rules_put(struct fixture *f)
{
	static const struct xdp_rule rules[] = {
		{.take = XDP_TAKE_MACSEC | XDP_TAKE_ESP},
		{.tags = {.vlan = 7}, .take = XDP_TAKE_MACSEC | XDP_TAKE_OTHERS},
		{.tags = {.vlan = 8, .outer_type = ETH_P_8021AD, .outer_vlan = 9},
		 .take = XDP_TAKE_ESP},
	};

	assert_int_equal(xdp_rules_set(f->xdp, rules, 3), 0);
}

static struct fixture *fixture_new(const char *ifname, unsigned buffers)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t size = pkt_pool_size(buffers, FRAME_MAX);

	f->memory = memfd_create("pool", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->memory, (off_t)size), 0);
	f->buffers = buffers;
	f->pool = pkt_pool_new_shared(f->memory, buffers, FRAME_MAX);
	assert_non_null(f->pool);
	f->ifindex = if_nametoindex(ifname);
	f->port = port_afxdp_new(port_afpacket_new(raw_socket(ifname), ifname, f->pool), NULL);
	assert_non_null(f->port);
	f->xdp = xdp_new(f->ifindex, own_mac);
	assert_non_null(f->xdp);
	rules_put(f);
	return f;
}

static int veth_setup(void **state)
{
	struct fixture *f;
	int why;

	enter_namespace();
	assert_int_equal(
		system("ip link add w0 mtu 1600 numrxqueues 2 numtxqueues 2 type veth peer name w1 "
		       "mtu 1600 numrxqueues 2 numtxqueues 2 && "
		       "ip link set w0 address 02:00:00:00:00:01 up && ip link set w1 up"),
		0);
	wait_for_queue("w0");
	wait_for_queue("w1");
	f = fixture_new("w0", BUFFERS);
	f->queues = 2;
	assert_false(xdp_is_generic(f->xdp, &why));
	bind_all(f);
	f->peer = raw_socket("w1");
	*state = f;
	return 0;
}

/* As the daemon has it: few buffers, and more queues than one or two of them could fill by themselves. */
static int queues_setup(void **state)
{
	struct fixture *f;

	enter_namespace();
	assert_int_equal(
		system("ip link add w0 mtu 1600 numrxqueues 4 numtxqueues 4 type veth peer name w1 "
		       "mtu 1600 numrxqueues 4 numtxqueues 4 && "
		       "ip link set w0 address 02:00:00:00:00:01 up && ip link set w1 up"),
		0);
	wait_for_queue("w0");
	wait_for_queue("w1");
	f = fixture_new("w0", FEW_BUFFERS);
	f->queues = QUEUES;
	bind_all(f);
	f->peer = raw_socket("w1");
	*state = f;
	return 0;
}

/* Frames of that length have no place in the driver of a veth, so the kernel's generic one it is. */
static int generic_setup(void **state)
{
	struct fixture *f;
	int why;

	enter_namespace();
	assert_int_equal(system("ip link add w0 mtu 9000 type veth peer name w1 mtu 9000 && "
				"ip link set w0 address 02:00:00:00:00:01 up && ip link set w1 up"),
			 0);
	wait_for_queue("w0");
	wait_for_queue("w1");
	f = fixture_new("w0", BUFFERS);
	f->queues = 1;
	assert_true(xdp_is_generic(f->xdp, &why));
	assert_true(why > 0);
	bind_all(f);
	f->peer = raw_socket("w1");
	*state = f;
	return 0;
}

static void close_all(struct fixture *f)
{
	for (unsigned q = 0; q < f->queues; q++)
		if (f->xsk[q] > 0)
			close(f->xsk[q]);
	memset(f->xsk, 0, sizeof(f->xsk));
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned left, buffers = f->buffers;

	close_all(f);
	f->port->ops->tick(f->port, 1);
	f->port->ops->close(f->port);
	left = f->pool->free;
	pkt_pool_free(f->pool);
	xdp_free(f->xdp);
	if (f->peer >= 0)
		close(f->peer);
	close(f->memory);
	free(f);
	assert_int_equal(left, buffers); /* no buffer was lost on any way */
	return 0;
}

static void make_frame(uint8_t *b, size_t len, uint8_t serial)
{
	memset(b, serial, len);
	memcpy(b, own_mac, 6);
	memset(b + 6, 0x02, 6);
	b[12] = 0x88;
	b[13] = 0xe5;
}

static void frames_of_ours_arrive_by_af_xdp_whole_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[1700];
	unsigned got = 0;

	for (unsigned i = 0; i < 100; i++) {
		make_frame(b, 60 + 15 * i, (uint8_t)i);
		assert_int_equal(send(f->peer, b, 60 + 15 * i, 0), 60 + 15 * i);
	}
	while (got < 100) {
		unsigned n = receive(f->port, v, PKT_BURST);

		assert_in_range(n, 1, PKT_BURST);
		for (unsigned i = 0; i < n; i++, got++) {
			make_frame(b, 60 + 15 * got, (uint8_t)got);
			assert_int_equal(v[i].len, 60 + 15 * got);
			assert_memory_equal(v[i].data, b, 60 + 15 * got);
			assert_true(pkt_headroom(&v[i]) >= PKT_HEADROOM);
			assert_true(pkt_tailroom(f->pool, &v[i]) >= PKT_TAILROOM);
		}
		release(f->pool, v, n);
	}
	assert_int_equal(f->port->stats.rx_frames, 100);
	assert_int_equal(f->port->stats.xdp_rx, 100);
	assert_int_equal(f->port->stats.rx_errors, 0);
}

/* A whole ring of frames at once, several times over: buffers go round. */
static void many_frames_go_round(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[200];
	uint64_t got = 0;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 500; i++) {
			make_frame(b, sizeof(b), (uint8_t)i);
			assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
		}
		while (got < (round + 1) * 500u) {
			unsigned n = receive(f->port, v, PKT_BURST);

			assert_true(n > 0);
			for (unsigned i = 0; i < n; i++)
				assert_int_equal(v[i].data[20], (uint8_t)((got + i) % 500));
			got += n;
			release(f->pool, v, n);
		}
	}
	assert_int_equal(f->port->stats.xdp_rx, 10000);
}

/* ESP between many pairs of addresses, which the kernel spreads over the queues. */
static void every_queue_receives(void **state)
{
	static const uint8_t head[] = {2,    0,    0,    0, 0, 1,  2,  0, 0, 0, 0,  9,
				       0x08, 0x00, 0x45, 0, 0, 86, 0,  1, 0, 0, 64, 50,
				       0,    0,    10,   0, 0, 1,  10, 0, 0, 2};
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	unsigned got = 0, n;

	for (unsigned i = 0; i < 200; i++) {
		uint8_t b[100] = {0};

		memcpy(b, head, sizeof(head));
		b[29] = (uint8_t)i;
		b[37] = 1;
		assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
	}
	while (got < 200 && (n = receive(f->port, v, PKT_BURST)) > 0) {
		got += n;
		release(f->pool, v, n);
	}
	assert_int_equal(got, 200);
	assert_int_equal(f->port->stats.xdp_rx, 200);
}

struct shape {
	const char *what;
	bool taken;
	uint8_t b[80];
};

#define TO_US 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9
#define TO_GROUP 0x01, 0x80, 0xc2, 0, 0, 3, 2, 0, 0, 0, 0, 9
#define TO_OTHERS 2, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 9
#define IP4(head, frag, proto)                                                                     \
	0x08, 0x00, head, 0, 0, 60, 0, 1, frag, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2
#define IP6(next)                                                                                  \
	0x86, 0xdd, 0x60, 0, 0, 0, 0, 26, next, 64, [22] = 0xfd, [37] = 1, [38] = 0xfd, [53] = 2
#define SPI 0, 0, 1, 1, 0, 0, 0, 1

static void only_what_is_ours_is_taken(void **state)
{
	static const struct shape shapes[] = {
		{"MACsec to us", true, {TO_US, 0x88, 0xe5, 0x2c}},
		{"MACsec to a group", true, {TO_GROUP, 0x88, 0xe5, 0x2c}},
		{"MACsec to others", false, {TO_OTHERS, 0x88, 0xe5, 0x2c}},
		{"EAPOL", false, {TO_GROUP, 0x88, 0x8e, 3, 5}},
		{"ARP", false, {TO_GROUP, 0x08, 0x06}},
		{"LLDP", false, {TO_GROUP, 0x88, 0xcc}},
		{"ESP", true, {TO_US, IP4(0x45, 0, 50), SPI}},
		{"ESP to others", false, {TO_OTHERS, IP4(0x45, 0, 50), SPI}},
		{"ESP behind options", false, {TO_US, IP4(0x46, 0, 50), 0, 0, 0, 0, SPI}},
		{"first piece of ESP", false, {TO_US, IP4(0x45, 0x20, 50), SPI}},
		{"a later piece of ESP", false, {TO_US, IP4(0x45, 0x01, 50), SPI}},
		{"ESP of IPv5", false, {TO_US, IP4(0x55, 0, 50), SPI}},
		{"ESP in UDP", true, {TO_US, IP4(0x45, 0, 17), 4, 1, 0x11, 0x94, 0, 40, 0, 0, SPI}},
		{"IKE in port 4500",
		 false,
		 {TO_US, IP4(0x45, 0, 17), 4, 1, 0x11, 0x94, 0, 40, 0, 0, 0, 0, 0, 0, 1}},
		{"a keepalive",
		 false,
		 {TO_US, IP4(0x45, 0, 17), 4, 1, 0x11, 0x94, 0, 9, 0, 0, 0xff}},
		{"IKE in port 500",
		 false,
		 {TO_US, IP4(0x45, 0, 17), 1, 0xf4, 1, 0xf4, 0, 40, 0, 0, SPI}},
		{"from port 4500",
		 false,
		 {TO_US, IP4(0x45, 0, 17), 0x11, 0x94, 4, 1, 0, 40, 0, 0, SPI}},
		{"TCP to port 4500",
		 false,
		 {TO_US, IP4(0x45, 0, 6), 4, 1, 0x11, 0x94, 0, 40, 0, 0, SPI}},
		{"ICMP", false, {TO_US, IP4(0x45, 0, 1), 3, 4}},
		{"ESP of IPv6", true, {TO_US, IP6(50), [54] = 1, 2, 3, 4}},
		{"ESP in UDP of IPv6",
		 true,
		 {TO_US, IP6(17), [54] = 4, 1, 0x11, 0x94, 0, 40, 0, 0, SPI}},
		{"IKE of IPv6",
		 false,
		 {TO_US, IP6(17), [54] = 4, 1, 0x11, 0x94, 0, 40, 0, 0, 0, 0, 0, 0, 1}},
		{"a piece of IPv6", false, {TO_US, IP6(44), [54] = 50}},
		{"ND", false, {TO_GROUP, IP6(58), [54] = 135}},
		{"MACsec with priority", true, {TO_US, 0x81, 0, 0xe0, 0, 0x88, 0xe5, 0x2c}},
		{"MACsec of VLAN 7", true, {TO_US, 0x81, 0, 0x60, 7, 0x88, 0xe5, 0x2c}},
		{"MACsec of VLAN 7 to others", true, {TO_OTHERS, 0x81, 0, 0, 7, 0x88, 0xe5, 0x2c}},
		{"MACsec of VLAN 6", false, {TO_US, 0x81, 0, 0, 6, 0x88, 0xe5, 0x2c}},
		{"ESP of VLAN 7, a port without tunnels",
		 false,
		 {TO_US, 0x81, 0, 0, 7, IP4(0x45, 0, 50), SPI}},
		{"ESP of two tags",
		 true,
		 {TO_US, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 8, IP4(0x45, 0, 50), SPI}},
		{"ESP of two tags of one type",
		 false,
		 {TO_US, 0x81, 0, 0, 9, 0x81, 0, 0, 8, IP4(0x45, 0, 50), SPI}},
		{"MACsec of two tags, a port for tunnels",
		 false,
		 {TO_US, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 8, 0x88, 0xe5, 0x2c}},
		{"a service tag alone", false, {TO_US, 0x88, 0xa8, 0, 7, 0x88, 0xe5, 0x2c}},
		{"three tags",
		 false,
		 {TO_US, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 8, 0x81, 0, 0, 7, 0x88, 0xe5}},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *s = &shapes[i];
		uint64_t before = f->port->stats.xdp_rx;
		struct pkt v;

		assert_int_equal(send(f->peer, s->b, sizeof(s->b), 0), sizeof(s->b));
		assert_int_equal(receive(f->port, &v, 1), 1);
		if ((f->port->stats.xdp_rx > before) != s->taken)
			fail_msg("%s was %s", s->what, s->taken ? "passed on" : "taken");
		assert_int_equal(v.len, sizeof(s->b));
		assert_memory_equal(v.data, s->b, sizeof(s->b));
		release(f->pool, &v, 1);
	}
	/* Cut short at every length: nothing is read beyond the end. */
	for (unsigned len = 14; len < 60; len++) {
		struct pkt v;

		assert_int_equal(send(f->peer, shapes[12].b, len, 0), len);
		assert_int_equal(receive(f->port, &v, 1), 1);
		release(f->pool, &v, 1);
	}
}

static void prepare(struct fixture *f, struct pkt *v, unsigned n, uint16_t mark)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(pkt_alloc(f->pool, &v[i]));
		v[i].len = 100 + i;
		v[i].mark = mark;
		make_frame(v[i].data, v[i].len, (uint8_t)i);
		memset(v[i].data, 0xff, 6);
	}
}

static void expect_at_peer(struct fixture *f, unsigned len)
{
	uint8_t b[FRAME_MAX], expected[FRAME_MAX];

	make_frame(expected, len, (uint8_t)(len - 100));
	memset(expected, 0xff, 6);
	assert_int_equal(peer_receive(f->peer, b, sizeof(b)), len);
	assert_memory_equal(b, expected, len);
}

static void bursts_leave_by_af_xdp_in_order(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];

	for (unsigned round = 0; round < 100; round++) {
		prepare(f, v, PKT_BURST, PKT_SEALED);
		assert_int_equal(f->port->ops->tx(f->port, v, PKT_BURST), PKT_BURST);
		for (unsigned i = 0; i < PKT_BURST; i++)
			expect_at_peer(f, 100 + i);
	}
	assert_int_equal(f->port->stats.xdp_tx, 100 * PKT_BURST);
	assert_int_equal(f->port->stats.tx_frames, 100 * PKT_BURST);
	assert_int_equal(f->port->stats.tx_errors, 0);
	assert_int_equal(f->port->stats.xdp_stalls, 0);
}

static void a_frame_that_the_aead_stage_did_not_seal_stays(void **state)
{
	struct fixture *f = *state;
	struct pkt v[4];
	uint8_t b[FRAME_MAX];

	prepare(f, v, 4, PKT_OPENED);
	v[2].mark = PKT_SEALED;
	assert_int_equal(f->port->ops->tx(f->port, v, 4), 1);
	expect_at_peer(f, 102);
	assert_int_equal(recv(f->peer, b, sizeof(b), MSG_DONTWAIT), -1);
	assert_int_equal(f->port->stats.tx_errors, 3);
}

static void what_may_pass_in_clear_goes_by_the_packet_socket(void **state)
{
	struct fixture *f = *state;
	struct pkt v[3];

	prepare(f, v, 3, PKT_BYPASSED);
	v[2].mark = PKT_CLEAR;
	f->port->clear = true;
	assert_int_equal(f->port->ops->tx(f->port, v, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		expect_at_peer(f, 100 + i);
	assert_int_equal(f->port->stats.tx_frames, 3);
	assert_int_equal(f->port->stats.xdp_tx, 0);
}

static void a_frame_longer_than_a_chunk_goes_by_the_packet_socket(void **state)
{
	struct fixture *f = *state;
	uint8_t b[FRAME_MAX];
	struct pkt v;

	assert_int_equal(system("ip link set w0 mtu 3000 && ip link set w1 mtu 3000"), 0);
	assert_true(pkt_alloc(f->pool, &v));
	v.len = 2500;
	v.mark = PKT_SEALED;
	make_frame(v.data, v.len, 3);
	assert_int_equal(f->port->ops->tx(f->port, &v, 1), 1);
	assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 2500);
	assert_int_equal(f->port->stats.xdp_tx, 0);
}

/* What a node does whose forward died: the sockets go, and the kernel has the frames again. */
static void without_sockets_the_kernel_has_the_frames(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[100];

	close_all(f);
	port_afxdp_drop(f->port);
	for (unsigned i = 0; i < 10; i++) {
		make_frame(b, sizeof(b), (uint8_t)i);
		assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
		assert_int_equal(receive(f->port, v, 1), 1);
		release(f->pool, v, 1);
	}
	assert_int_equal(f->port->stats.xdp_rx, 0);
	assert_int_equal(f->port->stats.rx_frames, 10);
	prepare(f, v, 2, PKT_SEALED);
	assert_int_equal(f->port->ops->tx(f->port, v, 2), 2);
	expect_at_peer(f, 100);
	bind_all(f);
	assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
	assert_int_equal(receive(f->port, v, 1), 1);
	release(f->pool, v, 1);
	assert_int_equal(f->port->stats.xdp_rx, 1);
}

/* A port that is given anew, under traffic: the sockets are the next one's. */
static void a_port_in_the_place_of_another_has_its_sockets(void **state)
{
	struct fixture *f = *state;
	struct port *former = f->port;
	struct pkt v[PKT_BURST];
	uint8_t b[100];

	make_frame(b, sizeof(b), 1);
	assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
	f->port = port_afxdp_new(port_afpacket_new(raw_socket("w0"), "w0", f->pool), former);
	former->ops->close(former);
	assert_int_equal(receive(f->port, v, 1), 1);
	release(f->pool, v, 1);
	assert_int_equal(f->port->stats.xdp_rx, 1);
	prepare(f, v, 1, PKT_SEALED);
	assert_int_equal(f->port->ops->tx(f->port, v, 1), 1);
	expect_at_peer(f, 100);
	assert_int_equal(f->port->stats.xdp_tx, 1);
}

static void an_empty_pool_loses_nothing_for_ever(void **state)
{
	static struct pkt all[BUFFERS];
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[60];
	unsigned n, got = 0;

	for (n = 0; n < BUFFERS && pkt_alloc(f->pool, &all[n]);)
		n++;
	make_frame(b, sizeof(b), 7);
	for (unsigned i = 0; i < 2 * XSK_RING; i++)
		(void)send(f->peer, b, sizeof(b), 0);
	release(f->pool, all, n);
	for (unsigned k = 1; k && got < 2 * XSK_RING;) {
		k = f->port->ops->rx(f->port, v, PKT_BURST);
		release(f->pool, v, k);
		got += k;
	}
	assert_true(got > 0);
	assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
	assert_int_equal(receive(f->port, v, 1), 1);
	release(f->pool, v, 1);
}

static void a_second_program_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_null(xdp_new(f->ifindex, own_mac));
	assert_int_equal(errno, EBUSY);
}

#define ON_QUEUES(t) cmocka_unit_test_setup_teardown(t, queues_setup, teardown)
#define ON_VETH(t) cmocka_unit_test_setup_teardown(t, veth_setup, teardown)
#define ON_GENERIC(t)                                                                              \
	{                                                                                          \
		"generic_" #t, t, generic_setup, teardown, NULL                                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_VETH(frames_of_ours_arrive_by_af_xdp_whole_and_in_order),
		ON_QUEUES(every_queue_receives),
		ON_VETH(many_frames_go_round),
		ON_VETH(only_what_is_ours_is_taken),
		ON_VETH(bursts_leave_by_af_xdp_in_order),
		ON_VETH(a_frame_that_the_aead_stage_did_not_seal_stays),
		ON_VETH(what_may_pass_in_clear_goes_by_the_packet_socket),
		ON_VETH(a_frame_longer_than_a_chunk_goes_by_the_packet_socket),
		ON_VETH(without_sockets_the_kernel_has_the_frames),
		ON_VETH(a_port_in_the_place_of_another_has_its_sockets),
		ON_VETH(an_empty_pool_loses_nothing_for_ever),
		ON_VETH(a_second_program_is_refused),
		ON_GENERIC(frames_of_ours_arrive_by_af_xdp_whole_and_in_order),
		ON_GENERIC(many_frames_go_round),
		ON_GENERIC(only_what_is_ours_is_taken),
		ON_GENERIC(bursts_leave_by_af_xdp_in_order),
		ON_GENERIC(without_sockets_the_kernel_has_the_frames),
	};

	return cmocka_run_group_tests_name("proc/xdp", tests, NULL, NULL);
}
