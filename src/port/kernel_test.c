/*
 * The ports on the kernel, in a network namespace of the test's own: a veth pair for af_packet, an
 * interface of its own for tap. Needs root, as the parent does.
 */
#include "port/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define FRAME_MAX 2000
#define BUFFERS 256

struct fixture {
	struct pkt_pool *pool;
	struct port *port;
	int peer; /* a raw socket on the other side */
};

static int raw_socket(const char *ifname)
{
	const int on = 1;
	struct sockaddr_ll sa = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	sa.sll_ifindex = (int)if_nametoindex(ifname);
	assert_true(sa.sll_ifindex > 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* A namespace in which nothing speaks by itself. */
static void enter_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		skip();
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd < 0)
		return; /* a kernel without IPv6 */
	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

/* The first of a pair to come up gets its queue a moment after the second, in the kernel's own
 * time; until then it takes frames, says so, and throws them away. */
static void wait_for_queue(const char *ifname)
{
	char command[100];

	snprintf(command, sizeof(command), "ip link show %s | grep -q 'qdisc noqueue'", ifname);
	for (unsigned i = 0; system(command) != 0; i++) {
		assert_true(i < 500);
		usleep(10000);
	}
}

static int afpacket_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	enter_namespace();
	assert_int_equal(system("ip link add w0 mtu 4000 type veth peer name w1 mtu 4000 && "
				"ip link set w0 up && ip link set w1 up"),
			 0);
	wait_for_queue("w0");
	wait_for_queue("w1");
	f->pool = pkt_pool_new(BUFFERS, FRAME_MAX);
	f->port = port_afpacket_new(raw_socket("w0"), "w0", f->pool);
	assert_non_null(f->port);
	f->peer = raw_socket("w1");
	*state = f;
	return 0;
}

static int tap_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ifreq ifr = {.ifr_name = "t0", .ifr_flags = (short)(IFF_TAP | IFF_NO_PI)};
	int fd;

	enter_namespace();
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(system("ip link set t0 mtu 4000 up"), 0);
	f->pool = pkt_pool_new(BUFFERS, FRAME_MAX);
	f->port = port_tap_new(fd, "t0", f->pool);
	assert_non_null(f->port);
	f->peer = raw_socket("t0");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned left;

	f->port->ops->close(f->port);
	left = f->pool->free;
	pkt_pool_free(f->pool);
	close(f->peer);
	free(f);
	assert_int_equal(left, BUFFERS); /* no buffer was lost on any way */
	return 0;
}

static void make_frame(uint8_t *b, size_t len, uint8_t serial)
{
	memset(b, serial, len);
	memset(b, 0x02, 12);
	b[5] = 9;
	b[12] = 0x88;
	b[13] = 0xe5;
}

/* One burst, when there is something within a generous time. */
static unsigned receive(struct fixture *f, struct pkt *v, unsigned n)
{
	struct pollfd p = {.fd = f->port->ops->fd(f->port), .events = POLLIN};

	poll(&p, 1, 5000);
	return f->port->ops->rx(f->port, v, n);
}

static ssize_t peer_receive(struct fixture *f, uint8_t *b, size_t size)
{
	struct pollfd p = {.fd = f->peer, .events = POLLIN};

	poll(&p, 1, 5000);
	return recv(f->peer, b, size, MSG_DONTWAIT);
}

static void release(struct fixture *f, struct pkt *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pkt_release(f->pool, &v[i]);
}

static void frames_arrive_whole_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[1500];
	unsigned got = 0;

	for (unsigned i = 0; i < 100; i++) {
		make_frame(b, 60 + i, (uint8_t)i);
		assert_int_equal(send(f->peer, b, 60 + i, 0), 60 + i);
	}
	while (got < 100) {
		unsigned n = receive(f, v, PKT_BURST);

		assert_in_range(n, 1, PKT_BURST);
		for (unsigned i = 0; i < n; i++, got++) {
			make_frame(b, 60 + got, (uint8_t)got);
			assert_int_equal(v[i].len, 60 + got);
			assert_memory_equal(v[i].data, b, 60 + got);
			assert_int_equal(v[i].mark, 0);
		}
		release(f, v, n);
	}
	assert_int_equal(f->port->ops->rx(f->port, v, PKT_BURST), 0);
	assert_int_equal(f->port->stats.rx_frames, 100);
	assert_int_equal(f->port->stats.rx_bytes, 100 * 60 + 99 * 50);
	assert_int_equal(f->port->stats.rx_errors, 0);
}

static void frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[FRAME_MAX + 100];
	unsigned n = 0;

	make_frame(b, sizeof(b), 1);
	assert_int_equal(send(f->peer, b, FRAME_MAX + 1, 0), FRAME_MAX + 1);
	assert_int_equal(send(f->peer, b, FRAME_MAX, 0), FRAME_MAX);
	for (unsigned tries = 0; !n && tries < 3; tries++)
		n = receive(f, v, PKT_BURST);
	assert_int_equal(n, 1);
	assert_int_equal(v[0].len, FRAME_MAX);
	release(f, v, n);
	assert_int_equal(f->port->stats.rx_frames, 1);
	assert_int_equal(f->port->stats.rx_errors, 1);
}

static void an_empty_pool_loses_nothing_but_time(void **state)
{
	struct fixture *f = *state;
	struct pkt all[BUFFERS], v[PKT_BURST];
	uint8_t b[60];
	unsigned n;

	for (n = 0; n < BUFFERS && pkt_alloc(f->pool, &all[n]);)
		n++;
	make_frame(b, sizeof(b), 7);
	assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
	assert_int_equal(receive(f, v, PKT_BURST), 0);
	release(f, all, n);
	assert_int_equal(receive(f, v, PKT_BURST), 1);
	release(f, v, 1);
}

/* n frames of the pool, marked or not. */
static void prepare(struct fixture *f, struct pkt *v, unsigned n, uint16_t mark)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(pkt_alloc(f->pool, &v[i]));
		v[i].len = 100 + i;
		v[i].mark = mark;
		make_frame(v[i].data, v[i].len, (uint8_t)i);
	}
}

static void a_burst_goes_out_in_order(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	uint8_t b[FRAME_MAX], expected[FRAME_MAX];

	prepare(f, v, PKT_BURST, PKT_SEALED);
	assert_int_equal(f->port->ops->tx(f->port, v, PKT_BURST), PKT_BURST);
	for (unsigned i = 0; i < PKT_BURST; i++) {
		assert_int_equal(peer_receive(f, b, sizeof(b)), 100 + i);
		make_frame(expected, 100 + i, (uint8_t)i);
		assert_memory_equal(b, expected, 100 + i);
	}
	assert_int_equal(f->port->stats.tx_frames, PKT_BURST);
	assert_int_equal(f->port->stats.tx_bytes,
			 100 * PKT_BURST + PKT_BURST * (PKT_BURST - 1) / 2);
	assert_int_equal(f->port->stats.tx_errors, 0);
}

static void a_frame_that_the_aead_stage_did_not_seal_stays(void **state)
{
	struct fixture *f = *state;
	struct pkt v[4];
	uint8_t b[FRAME_MAX];

	prepare(f, v, 4, PKT_OPENED);
	v[2].mark = PKT_SEALED;
	assert_int_equal(f->port->ops->tx(f->port, v, 4), 1);
	assert_int_equal(peer_receive(f, b, sizeof(b)), 102);
	assert_int_equal(recv(f->peer, b, sizeof(b), MSG_DONTWAIT), -1);
	assert_int_equal(f->port->stats.tx_errors, 3);
}

static void a_frame_that_the_kernel_refuses_takes_no_other_with_it(void **state)
{
	struct fixture *f = *state;
	struct pkt v[3];
	uint8_t b[FRAME_MAX];

	prepare(f, v, 3, PKT_SEALED);
	assert_int_equal(system("ip link set w0 mtu 1600"), 0);
	v[1].len = 1800;
	assert_int_equal(f->port->ops->tx(f->port, v, 3), 2);
	assert_int_equal(peer_receive(f, b, sizeof(b)), 100);
	assert_int_equal(peer_receive(f, b, sizeof(b)), 102);
	assert_int_equal(f->port->stats.tx_errors, 1);
}

static void the_tag_that_the_kernel_took_out_is_back_in_place(void **state)
{
	static const uint8_t tags[][4] = {
		{0x81, 0x00, 0x00, 0x64}, /* VLAN 100 */
		{0x81, 0x00, 0xef, 0xfe}, /* PCP 7, VLAN 4094 */
		{0x81, 0x00, 0x60, 0x00}, /* a priority tag */
		{0x88, 0xa8, 0x00, 0x05}, /* a service tag */
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		uint8_t b[104];
		struct pkt v;

		make_frame(b, sizeof(b), (uint8_t)i);
		memmove(b + 16, b + 12, sizeof(b) - 16);
		memcpy(b + 12, tags[i], 4);
		assert_int_equal(send(f->peer, b, sizeof(b), 0), sizeof(b));
		assert_int_equal(receive(f, &v, 1), 1);
		assert_int_equal(v.len, sizeof(b));
		assert_memory_equal(v.data, b, sizeof(b));
		release(f, &v, 1);
	}
}

static bool running(const char *ifname)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err;

	strcpy(ifr.ifr_name, ifname);
	err = ioctl(fd, SIOCGIFFLAGS, &ifr);
	close(fd);
	assert_int_equal(err, 0);
	return ifr.ifr_flags & IFF_RUNNING;
}

/* The kernel tells the flag with the carrier, or a moment later. */
static void expect_running(const char *ifname, bool up)
{
	for (unsigned i = 0; i < 500 && running(ifname) != up; i++)
		usleep(10000);
	assert_int_equal(running(ifname), up);
}

static void the_carrier_of_a_tap_follows(void **state)
{
	struct fixture *f = *state;

	f->port->ops->carrier(f->port, false);
	expect_running("t0", false);
	f->port->ops->carrier(f->port, true);
	expect_running("t0", true);
}

static void a_tap_delivers_to_the_kernel(void **state)
{
	struct fixture *f = *state;
	struct pkt v[8];
	uint8_t b[FRAME_MAX], expected[FRAME_MAX];

	prepare(f, v, 8, PKT_OPENED);
	assert_int_equal(f->port->ops->tx(f->port, v, 8), 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(peer_receive(f, b, sizeof(b)), 100 + i);
		make_frame(expected, 100 + i, (uint8_t)i);
		assert_memory_equal(b, expected, 100 + i);
	}
	assert_int_equal(f->port->stats.tx_frames, 8);
}

#define ON_PACKET(t) cmocka_unit_test_setup_teardown(t, afpacket_setup, teardown)
#define ON_TAP(t)                                                                                  \
	{                                                                                          \
		"tap_" #t, t, tap_setup, teardown, NULL                                            \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PACKET(frames_arrive_whole_and_in_order),
		ON_PACKET(frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives),
		ON_PACKET(an_empty_pool_loses_nothing_but_time),
		ON_PACKET(a_burst_goes_out_in_order),
		ON_PACKET(a_frame_that_the_aead_stage_did_not_seal_stays),
		ON_PACKET(a_frame_that_the_kernel_refuses_takes_no_other_with_it),
		ON_PACKET(the_tag_that_the_kernel_took_out_is_back_in_place),
		ON_TAP(frames_arrive_whole_and_in_order),
		ON_TAP(frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives),
		ON_TAP(an_empty_pool_loses_nothing_but_time),
		ON_TAP(the_carrier_of_a_tap_follows),
		ON_TAP(a_tap_delivers_to_the_kernel),
	};

	return cmocka_run_group_tests_name("port/kernel", tests, NULL, NULL);
}
