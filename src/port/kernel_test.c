/*
 * The ports on the kernel, in a network namespace of the test's own: a veth pair for af_packet, an
 * interface of its own for tap. Needs root, as the parent does.
 */
#include "port/kernel_test.h"
#include "port/super_test.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

#define FRAME_MAX 2000
#define BUFFERS 256

int __real_sendmmsg(int fd, struct mmsghdr *h, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *h, unsigned n, int flags);

static bool refuse_superframes;
static unsigned refused;

/* The kernel as it was before Linux 6.2, if the test says so. */
int __wrap_sendmmsg(int fd, struct mmsghdr *h, unsigned n, int flags)
{
	for (unsigned i = 0; refuse_superframes && i < n; i++) {
		struct virtio_net_hdr head;

		memcpy(&head, h[i].msg_hdr.msg_iov->iov_base, sizeof(head));
		if (head.gso_type == VIRTIO_NET_HDR_GSO_NONE)
			continue;
		if (i)
			return __real_sendmmsg(fd, h, i, flags);
		refused++;
		errno = EINVAL;
		return -1;
	}
	return __real_sendmmsg(fd, h, n, flags);
}

struct fixture {
	struct pkt_pool *pool;
	struct port *port;
	int peer; /* a raw socket on the other side */
};

static int packet_make(void **state, bool virtio)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const int on = virtio;
	int fd;

	enter_namespace();
	assert_int_equal(system("ip link add w0 mtu 4000 type veth peer name w1 mtu 4000 && "
				"ip link set w0 up && ip link set w1 up"),
			 0);
	wait_for_queue("w0");
	wait_for_queue("w1");
	f->pool = pkt_pool_new(BUFFERS, FRAME_MAX);
	fd = raw_socket("w0");
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	f->port = port_afpacket_new(fd, "w0", f->pool);
	assert_non_null(f->port);
	f->peer = raw_socket("w1");
	*state = f;
	return 0;
}

static int afpacket_setup(void **state)
{
	return packet_make(state, false);
}

static int superpacket_setup(void **state)
{
	return packet_make(state, true);
}

static int tap_make(void **state, int flags)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ifreq ifr = {.ifr_name = "t0", .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
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

static int tap_setup(void **state)
{
	return tap_make(state, 0);
}

static int virtio_setup(void **state)
{
	return tap_make(state, IFF_VNET_HDR);
}

/* Has the peer's socket hand superframes over, too: by a header in front of every frame. */
static void peer_virtio(struct fixture *f)
{
	const int on = 1;

	assert_int_equal(setsockopt(f->peer, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
}

/* False: this kernel has no superframes of UDP (before Linux 6.2). */
static bool peer_send(struct fixture *f, const struct made *m)
{
	struct virtio_net_hdr h = m->h;
	struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)m->b, m->len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (sendmsg(f->peer, &msg, 0) == (ssize_t)(sizeof(h) + m->len))
		return true;
	assert_true(m->udp && errno == EINVAL);
	return false;
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
		unsigned n = receive(f->port, v, PKT_BURST);

		assert_in_range(n, 1, PKT_BURST);
		for (unsigned i = 0; i < n; i++, got++) {
			make_frame(b, 60 + got, (uint8_t)got);
			assert_int_equal(v[i].len, 60 + got);
			assert_memory_equal(v[i].data, b, 60 + got);
			assert_int_equal(v[i].mark, 0);
		}
		release(f->pool, v, n);
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
		n = receive(f->port, v, PKT_BURST);
	assert_int_equal(n, 1);
	assert_int_equal(v[0].len, FRAME_MAX);
	release(f->pool, v, n);
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
	assert_int_equal(receive(f->port, v, PKT_BURST), 0);
	release(f->pool, all, n);
	assert_int_equal(receive(f->port, v, PKT_BURST), 1);
	release(f->pool, v, 1);
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
		assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 100 + i);
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
	assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 102);
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
	assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 100);
	assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 102);
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
		assert_int_equal(receive(f->port, &v, 1), 1);
		assert_int_equal(v.len, sizeof(b));
		assert_memory_equal(v.data, b, sizeof(b));
		release(f->pool, &v, 1);
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
		assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 100 + i);
		make_frame(expected, 100 + i, (uint8_t)i);
		assert_memory_equal(b, expected, 100 + i);
	}
	assert_int_equal(f->port->stats.tx_frames, 8);
}

/* Without offloads agreed upon, it is the kernel that cuts what a packet socket hands to a TAP. */
static void a_superframe_is_cut_as_the_kernel_cuts_it(void **state)
{
	struct fixture *f = *state;
	static struct made m;
	unsigned kinds[4] = {0}, most = 0;

	peer_virtio(f);
	for (unsigned round = 0; round < 200; round++) {
		unsigned size = 100 + random_below(1300), count = 0;
		struct segmenter s;
		struct pkt v;

		make(&m, false, size + 1 + random_below(size * 20), size);
		m.b[0] &= 0xfe;
		memset(m.b + 6, 2, 6);
		if (m.b[12] != 0x08 && m.b[12] != 0x86)
			continue; /* with tags, it is said in other ways that they are there */
		if (!peer_send(f, &m))
			continue;
		assert_true(segmenter_begin(&s, &m.h, m.b, m.len, FRAME_MAX));
		for (; segmenter_left(&s); count++) {
			uint8_t ours[FRAME_MAX];
			uint32_t len = segmenter_next(&s, ours);

			assert_int_equal(receive(f->port, &v, 1), 1);
			assert_int_equal(v.len, len);
			assert_memory_equal(v.data, ours, len);
			release(f->pool, &v, 1);
		}
		assert_int_equal(f->port->ops->rx(f->port, &v, 1), 0);
		kinds[m.six * 2 + m.udp]++;
		most = count > most ? count : most;
	}
	assert_true(kinds[0] && kinds[2] && most > 10);
	assert_int_equal(!kinds[1], !kinds[3]);
}

static bool on_packet(const struct fixture *f)
{
	return !strcmp(f->port->ops->name, "af_packet");
}

static void offload_all(struct fixture *f)
{
	assert_int_equal(ioctl(f->port->ops->fd(f->port), TUNSETOFFLOAD,
			       TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN),
			 0);
}

/* A superframe of TCP without tags, of n frames and a short one. */
static void make_tcp(struct made *m, unsigned n)
{
	do
		make(m, false, n * 1000 + 5, 1000);
	while (m->udp || (m->b[12] != 0x08 && m->b[12] != 0x86));
	memcpy(m->b, "\x02\2\2\2\2\1\2\2\2\2\2\2", 12);
}

static void a_superframe_comes_in_bursts_and_goes_back_as_one(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	static struct made m;
	static uint8_t b[sizeof(struct virtio_net_hdr) + SUPER_MAX];

	peer_virtio(f);
	offload_all(f);
	for (unsigned round = 0; round < 20; round++) {
		make_tcp(&m, 30);
		peer_send(f, &m);
		assert_int_equal(receive(f->port, v, 20), 20);
		assert_int_equal(f->port->ops->rx(f->port, v + 20, PKT_BURST - 20), 11);
		assert_int_equal(f->port->ops->tx(f->port, v, 31), 31);
		assert_int_equal(peer_receive(f->peer, b, sizeof(b)), sizeof(m.h) + m.len);
		assert_memory_equal(b + sizeof(m.h), m.b, m.len);
		assert_int_equal(b[1] & ~VIRTIO_NET_HDR_GSO_ECN,
				 m.h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN);
	}
	assert_int_equal(f->port->stats.rx_frames, 20 * 31);
	assert_int_equal(f->port->stats.rx_bytes, f->port->stats.tx_bytes);
	assert_int_equal(f->port->stats.tx_frames, 20 * 31);
	assert_int_equal(f->port->stats.rx_supers, 20);
	assert_int_equal(f->port->stats.tx_supers, 20);
	assert_int_equal(f->port->stats.rx_errors + f->port->stats.tx_errors, 0);
}

static void an_unfinished_checksum_is_finished(void **state)
{
	struct fixture *f = *state;
	static struct made m;
	static uint8_t expected[FRAME_MAX];
	struct pkt v;

	peer_virtio(f);
	if (!on_packet(f))
		offload_all(f);
	make_tcp(&m, 1);
	m.h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	m.h.gso_size = 0;
	peer_send(f, &m);
	assert_int_equal(receive(f->port, &v, 1), 1);
	memcpy(expected, m.b, m.len);
	model_finish(&m, expected, m.len, false);
	assert_int_equal(v.len, m.len);
	assert_memory_equal(v.data, expected, m.len);
	release(f->pool, &v, 1);
}

static void an_empty_pool_ends_a_superframe_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct pkt all[BUFFERS], v[PKT_BURST];
	static struct made m;
	const unsigned kept = on_packet(f) ? 16 : 0; /* for messages to come */
	unsigned n = 0;

	peer_virtio(f);
	if (!on_packet(f))
		offload_all(f);
	make_tcp(&m, 30);
	while (n < BUFFERS - 10 - kept && pkt_alloc(f->pool, &all[n]))
		n++;
	peer_send(f, &m);
	assert_int_equal(receive(f->port, v, PKT_BURST), 10);
	assert_int_equal(f->port->stats.rx_no_buffer, 1);
	release(f->pool, v, 10);
	release(f->pool, all, n);
	assert_int_equal(f->port->ops->rx(f->port, v, PKT_BURST), 0);
	peer_send(f, &m);
	assert_int_equal(receive(f->port, v, PKT_BURST), 31);
	release(f->pool, v, 31);
	assert_int_equal(f->port->stats.rx_no_buffer, 1);
}

#define ESP_LEN 1200 /* bytes of payload of a frame of ESP in UDP */

/* Sealed frames of ESP in UDP, the last of them shorter, as esp_out makes them. */
static void prepare_esp(struct fixture *f, struct pkt *v, unsigned n, bool six, unsigned tags)
{
	struct made m;

	for (unsigned i = 0; i < n; i++) {
		assert_true(pkt_alloc(f->pool, &v[i]));
		v[i].len = make_esp(&m, v[i].data, i, ESP_LEN - (i + 1 == n) * 100, six, tags, 1);
		v[i].mark = PKT_SEALED;
	}
}

/* The kernel has superframes of UDP. Without (before Linux 6.2), frames leave one by one. */
static bool has_udp_superframes(const struct fixture *f)
{
	return f->port->stats.tx_supers;
}

static void esp_in_udp_leaves_as_one_and_arrives_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST], sent[PKT_BURST];
	static uint8_t b[sizeof(struct virtio_net_hdr) + SUPER_MAX], was[31][FRAME_MAX];
	uint64_t bytes = 0;

	peer_virtio(f);
	prepare_esp(f, v, 31, false, 0);
	for (unsigned i = 0; i < 31; bytes += v[i++].len)
		memcpy(was[i], v[i].data, v[i].len);
	memcpy(sent, v, sizeof(sent));
	assert_int_equal(f->port->ops->tx(f->port, v, 31), 31);
	assert_int_equal(f->port->stats.tx_frames, 31);
	assert_int_equal(f->port->stats.tx_bytes, bytes);
	if (!has_udp_superframes(f))
		skip();
	assert_int_equal(f->port->stats.tx_supers, 1);
	assert_int_equal(peer_receive(f->peer, b, sizeof(b)), 10 + 42 + 31 * ESP_LEN - 100);
	assert_int_equal(b[1], VIRTIO_NET_HDR_GSO_UDP_L4);
	assert_int_equal(recv(f->peer, b + 100, 1, MSG_DONTWAIT), -1);
	/* Twice, with a frame between them, in whatever bursts. */
	for (unsigned round = 0; round < 2; round++) {
		struct made m = {.len = 42 + 31 * ESP_LEN - 100, .udp = true};

		memcpy(&m.h, b, sizeof(m.h));
		memcpy(m.b, b + sizeof(m.h), m.len);
		assert_true(peer_send(f, &m));
		m = (struct made){.len = 60};
		make_frame(m.b, 60, (uint8_t)round);
		assert_true(peer_send(f, &m));
	}
	for (unsigned i = 0; i < 64;) {
		unsigned n = receive(f->port, v, 1 + random_below(40));

		assert_true(n);
		for (unsigned k = 0; k < n; k++, i++) {
			const unsigned which = i % 32;

			assert_int_equal(v[k].mark, 0);
			if (which == 31) {
				make_frame(b, 60, (uint8_t)(i / 32));
				assert_int_equal(v[k].len, 60);
				assert_memory_equal(v[k].data, b, 60);
				continue;
			}
			assert_int_equal(v[k].len, sent[which].len);
			assert_memory_equal(v[k].data, was[which], v[k].len);
		}
		release(f->pool, v, n);
	}
	assert_int_equal(f->port->ops->rx(f->port, v, PKT_BURST), 0);
	assert_int_equal(f->port->stats.rx_supers, 2);
	assert_int_equal(f->port->stats.rx_frames, 64);
	assert_int_equal(f->port->stats.rx_bytes, 2 * bytes + 120);
	assert_int_equal(f->port->stats.rx_errors, 0);
}

/* Sends 20 frames of ESP in UDP, which arrive one by one as they were, with `sums` that the kernel has
 * made of UDP. */
static void send_and_compare(struct fixture *f, bool six, unsigned tags, bool sums)
{
	struct pkt v[20];
	static uint8_t b[sizeof(struct virtio_net_hdr) + FRAME_MAX], was[20][FRAME_MAX];
	const uint32_t out = tags ? 4 : 0; /* the kernel takes a tag out of what it hands over */
	uint32_t len[20];

	prepare_esp(f, v, 20, six, tags);
	for (unsigned i = 0; i < 20; i++) {
		const uint32_t ip = 14 + tags * 4;
		const struct made m = {
			.ip = ip, .upper = ip + (six ? 40 : 20), .six = six, .udp = true};

		memcpy(was[i], v[i].data, v[i].len);
		if (sums)
			model_finish(&m, was[i], v[i].len, false);
		len[i] = v[i].len - out;
		memmove(was[i] + 12, was[i] + 12 + out, len[i] - 12);
	}
	assert_int_equal(f->port->ops->tx(f->port, v, 20), 20);
	for (unsigned i = 0; i < 20; i++) {
		struct virtio_net_hdr h;

		assert_int_equal(peer_receive(f->peer, b, sizeof(b)), sizeof(h) + len[i]);
		memcpy(&h, b, sizeof(h));
		assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_true(super_checksum_finish(&h, b + sizeof(h), len[i]));
		assert_memory_equal(b + sizeof(h), was[i], len[i]);
	}
	assert_int_equal(recv(f->peer, b, sizeof(b), MSG_DONTWAIT), -1);
}

static void esp_in_udp_is_cut_by_the_kernel_to_what_it_was(void **state)
{
	struct fixture *f = *state;
	unsigned rounds = 0;

	peer_virtio(f);
	assert_int_equal(system("ip link set w0 gso_max_size 2000"), 0);
	send_and_compare(f, true, 0, true);
	for (unsigned six = 0; six < 2; six++)
		for (unsigned tags = 0; tags < 3; tags++, rounds++)
			send_and_compare(f, six, tags, has_udp_superframes(f));
	assert_int_equal(f->port->stats.tx_frames, 20 * (1 + rounds));
	if (has_udp_superframes(f))
		assert_int_equal(f->port->stats.tx_supers, 1 + rounds);
}

static void a_kernel_that_takes_no_superframes_of_udp_gets_frames(void **state)
{
	struct fixture *f = *state;

	peer_virtio(f);
	refuse_superframes = true;
	send_and_compare(f, false, 0, false);
	assert_int_equal(refused, 1);
	send_and_compare(f, true, 1, false);
	refuse_superframes = false;
	assert_int_equal(refused, 1); /* and is not asked again */
	assert_int_equal(f->port->stats.tx_frames, 40);
	assert_int_equal(f->port->stats.tx_supers + f->port->stats.tx_errors, 0);
}

static void an_unsealed_frame_among_others_of_a_superframe_stays(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	static uint8_t b[FRAME_MAX], was[6][FRAME_MAX];

	assert_int_equal(system("ip link set w0 gso_max_size 2000"), 0); /* the kernel cuts */
	for (unsigned which = 0; which < 6; which++) {
		const unsigned head = which % 2 ? 62 : 42;

		prepare_esp(f, v, 6, which % 2, 0);
		for (unsigned i = 0; i < 6; i++)
			memcpy(was[i], v[i].data, v[i].len);
		v[which].mark = which % 2 ? PKT_OPENED : PKT_CLEAR;
		assert_int_equal(f->port->ops->tx(f->port, v, 6), 5);
		for (unsigned i = 0; i < 6; i++) {
			if (i == which)
				continue;
			assert_int_equal(peer_receive(f->peer, b, sizeof(b)),
					 head + ESP_LEN - (i == 5 ? 100 : 0));
			assert_memory_equal(b + head, was[i] + head, ESP_LEN - (i == 5 ? 100 : 0));
		}
		assert_int_equal(recv(f->peer, b, sizeof(b), MSG_DONTWAIT), -1);
	}
	assert_int_equal(f->port->stats.tx_errors, 6);
}

static void a_superframe_behind_a_tag_is_cut_to_frames_behind_tags(void **state)
{
	struct fixture *f = *state;
	struct pkt v[PKT_BURST];
	static struct made m;
	static uint8_t expected[FRAME_MAX];
	unsigned six = 0;

	peer_virtio(f);
	for (unsigned round = 0; round < 40; round++) {
		struct segmenter s;

		do
			make(&m, false, 5 * 1000 + 5, 1000);
		while (m.udp || m.b[12] != 0x81); /* one tag */
		memcpy(m.b, "\x02\2\2\2\2\1\2\2\2\2\2\2", 12);
		six += m.six;
		assert_true(segmenter_begin(&s, &m.h, m.b, m.len, FRAME_MAX));
		assert_true(peer_send(f, &m));
		assert_int_equal(receive(f->port, v, PKT_BURST), 6);
		for (unsigned i = 0; i < 6; i++) {
			assert_int_equal(v[i].len, segmenter_next(&s, expected));
			assert_memory_equal(v[i].data, expected, v[i].len);
		}
		release(f->pool, v, 6);
	}
	assert_true(six && six < 40);
}

#define ON_PACKET(t) cmocka_unit_test_setup_teardown(t, afpacket_setup, teardown)
#define ON_TAP(t)                                                                                  \
	{                                                                                          \
		"tap_" #t, t, tap_setup, teardown, NULL                                            \
	}

int main(void)
{
#define ON_VIRTIO(t)                                                                               \
	{                                                                                          \
		"virtio_" #t, t, virtio_setup, teardown, NULL                                      \
	}
#define ON_SUPERPACKET(t)                                                                          \
	{                                                                                          \
		"super_" #t, t, superpacket_setup, teardown, NULL                                  \
	}
	const struct CMUnitTest tests[] = {
		ON_PACKET(frames_arrive_whole_and_in_order),
		ON_PACKET(frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives),
		ON_PACKET(an_empty_pool_loses_nothing_but_time),
		ON_PACKET(a_burst_goes_out_in_order),
		ON_PACKET(a_frame_that_the_aead_stage_did_not_seal_stays),
		ON_PACKET(a_frame_that_the_kernel_refuses_takes_no_other_with_it),
		ON_PACKET(the_tag_that_the_kernel_took_out_is_back_in_place),
		ON_SUPERPACKET(frames_arrive_whole_and_in_order),
		ON_SUPERPACKET(frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives),
		ON_SUPERPACKET(an_empty_pool_loses_nothing_but_time),
		ON_SUPERPACKET(a_burst_goes_out_in_order),
		ON_SUPERPACKET(a_frame_that_the_aead_stage_did_not_seal_stays),
		ON_SUPERPACKET(a_frame_that_the_kernel_refuses_takes_no_other_with_it),
		ON_SUPERPACKET(the_tag_that_the_kernel_took_out_is_back_in_place),
		ON_SUPERPACKET(an_unfinished_checksum_is_finished),
		ON_SUPERPACKET(an_empty_pool_ends_a_superframe_and_says_so),
		ON_SUPERPACKET(esp_in_udp_leaves_as_one_and_arrives_as_it_was),
		ON_SUPERPACKET(esp_in_udp_is_cut_by_the_kernel_to_what_it_was),
		ON_SUPERPACKET(a_kernel_that_takes_no_superframes_of_udp_gets_frames),
		ON_SUPERPACKET(an_unsealed_frame_among_others_of_a_superframe_stays),
		ON_SUPERPACKET(a_superframe_behind_a_tag_is_cut_to_frames_behind_tags),
		ON_TAP(frames_arrive_whole_and_in_order),
		ON_TAP(frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives),
		ON_TAP(an_empty_pool_loses_nothing_but_time),
		ON_TAP(the_carrier_of_a_tap_follows),
		ON_TAP(a_tap_delivers_to_the_kernel),
		ON_TAP(a_superframe_is_cut_as_the_kernel_cuts_it),
		ON_VIRTIO(frames_arrive_whole_and_in_order),
		ON_VIRTIO(frame_longer_than_a_buffer_is_an_error_and_the_next_one_arrives),
		ON_VIRTIO(an_empty_pool_loses_nothing_but_time),
		ON_VIRTIO(a_tap_delivers_to_the_kernel),
		ON_VIRTIO(a_superframe_comes_in_bursts_and_goes_back_as_one),
		ON_VIRTIO(an_unfinished_checksum_is_finished),
		ON_VIRTIO(an_empty_pool_ends_a_superframe_and_says_so),
	};

	return cmocka_run_group_tests_name("port/kernel", tests, NULL, NULL);
}
