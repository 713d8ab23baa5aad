/* msg: every type goes there and back, nothing malformed comes in, descriptors neither leak nor slip. */
#include "msg/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static const struct msg samples[] = {
	{.type = MSG_PORT_WANT,
	 .seq = 7,
	 .port_want = {.port = 1,
		       .kind = MSG_PORT_WAN,
		       .ifname = "eth1.100",
		       .vlan = 100,
		       .outer_type = 0x88a8,
		       .outer_vlan = 200,
		       .mtu = 9000,
		       .eapol_type = 0x876f,
		       .eapol_dst = {1, 0x80, 0xc2, 0, 0, 3},
		       .allow = MSG_ALLOW_EAPOL | MSG_ALLOW_BGP,
		       .dhcp = true}},
	{.type = MSG_ADDRESS_WANT,
	 .address_want = {.port = 2,
			  .family = 4,
			  .prefix = 24,
			  .addr = {10, 255, 0, 1},
			  .own_table = true}},
	{.type = MSG_ROUTE_WANT,
	 .route_want = {.port = 2,
			.family = 6,
			.prefix = 128,
			.dst = {0x20},
			.via_family = 6,
			.via = {0xfe},
			.src = {0x20, 1},
			.metric = 9,
			.own_table = true}},
	{.type = MSG_NEIGHBOUR_WANT,
	 .neighbour_want = {.port = 2, .family = 4, .addr = {10, 255, 0, 2}, .mac = {2, 1}}},
	{.type = MSG_WANT_DONE},
	{.type = MSG_WANT_AGAIN},
	{.type = MSG_FILE_OPEN,
	 .file_open = {.tag = 3, .kind = MSG_FILE_LEASE, .name = "core-cak"}},
	{.type = MSG_FILE,
	 .file = {.tag = 3, .error = ENOENT, .where = "/etc/myelin/secrets/core-cak"}},
	{.type = MSG_RELOAD},
	{.type = MSG_CONFIG_TAKE},
	{.type = MSG_CONFIG, .file = {.error = EFBIG, .where = "/etc/myelin/backbone.conf"}},
	{.type = MSG_PORT_READY,
	 .port_ready = {.port = 1,
			.error = 19,
			.ifindex = 5,
			.mtu = 1500,
			.mac = {2},
			.what = "no eth1"}},
	{.type = MSG_PORT_GIVE,
	 .port_give = {.port = 2,
		       .kind = MSG_PORT_OVERLAY,
		       .ifname = "core",
		       .mtu = 1468,
		       .mac = {2, 1}}},
	{.type = MSG_PORT_GIVE,
	 .port_give = {.port = 3, .kind = MSG_PORT_LAN, .ifname = "eth0", .over = 2, .link = true}},
	{.type = MSG_PORT_DROP, .port_drop = 2},
	{.type = MSG_PORT_LINK, .port_link = {.port = 3, .link = true}},
	{.type = MSG_PORT_IO, .port_io = {.port = 1, .xdp = true, .what = "2 queues, copied"}},
	{.type = MSG_XSK, .xsk = {.port = 3, .queue = 1}},
	{.type = MSG_XSK_BOUND, .xsk = {.port = 3, .queue = 1, .zerocopy = true}},
	{.type = MSG_XSK_DROP, .port_drop = 3},
	{.type = MSG_XSK_MAPPED, .xsk = {.port = 3, .queue = 1, .error = 12}},
	{.type = MSG_PORT_DHCP, .port_drop = 1},
	{.type = MSG_PORT_UDP, .port_udp = {.port = 1, .family = 6, .udp = 4500}},
	{.type = MSG_NEIGHBOUR_PROBE,
	 .neighbour_probe = {.port = 1, .family = 4, .addr = {198, 51, 100, 1}}},
	{.type = MSG_TRANSIT_WANT, .transit_want = MSG_CUT_ON},
	{.type = MSG_TRANSIT, .transit = {.open = false, .what = "a rule of nftables"}},
	{.type = MSG_LINK},
	{.type = MSG_SECY_ADD,
	 .secy_add = {.secy = 1,
		      .overlay = 2,
		      .wan = 1,
		      .sci = 0x0200000000010001ull,
		      .window = 1024,
		      .send_sci = true,
		      .replay_protect = true,
		      .report_ms = 250,
		      .name = "core"}},
	{.type = MSG_SECY_DEL, .secy = 1},
	{.type = MSG_BRIDGE,
	 .bridge = {.secy = 1,
		    .mode = MSG_BRIDGE_LAN,
		    .encapsulate = true,
		    .hello = true,
		    .node = 7,
		    .site = {0, 3, 0, 7},
		    .entries = 4096,
		    .per_place = 1024,
		    .ageing_s = 300,
		    .flood = 10000,
		    .l2cp = {0, 1, 2}}},
	{.type = MSG_SA_RECEIVE,
	 .sa = {.secy = 1,
		.an = 3,
		.suite = 3,
		.conf = 2,
		.sci = UINT64_MAX,
		.ssci = 2,
		.salt = {1, 2},
		.pn = 1,
		.pn_limit = UINT64_MAX,
		.key_id = {9},
		.key = {.len = 32, .b = {1, 2, 3, [31] = 4}}}},
	{.type = MSG_SA_TRANSMIT, .sa = {.secy = 1, .key = {.len = SECRET_MAX, .b = {[63] = 7}}}},
	{.type = MSG_SA_RETIRE, .sa_retire = {.secy = 1, .sci = 5, .key_id = {[15] = 1}}},
	{.type = MSG_SYNC},
	{.type = MSG_STATS_GET, .secy = 4},
	{.type = MSG_SA_REPORT,
	 .sa_report = {.secy = 1,
		       .an = 2,
		       .direction = 1,
		       .installed = true,
		       .sci = 8,
		       .pn = 1ull << 40}},
	{.type = MSG_SYNC_DONE},
	{.type = MSG_STATS,
	 .stats = {.secy = 1,
		   .sci = 4,
		   .an = -1,
		   .count = 2,
		   .v = {{"InPktsNotValid", 17}, {"OutPktsEncrypted", UINT64_MAX}}}},
	{.type = MSG_STATS_DONE, .secy = 4},
	{.type = MSG_TUNNEL_ADD,
	 .tunnel_add = {.tunnel = 3,
			.overlay = 2,
			.wan = 1,
			.mtu = 1500,
			.next_hop = {2, 1},
			.peer = {2, 2},
			.dscp = 255,
			.df = 1,
			.hold = true,
			.inner4 = {10, 255, 0, 1},
			.inner6 = {0xfd, 1},
			.name = "fra1"}},
	{.type = MSG_TUNNEL_DEL, .secy = 3},
	{.type = MSG_ESP_TRANSMIT,
	 .esp = {.tunnel = 3,
		 .spi = 256,
		 .local = {.family = 6, .addr = {0x20, [15] = 1}},
		 .remote = {.family = 6, .addr = {0x20, [15] = 2}},
		 .ts_local = {.count = 1, .v = {{.family = 6, .lo = {[15] = 9}, .hi = {[15] = 9}}}},
		 .ts_remote = {.count = MSG_TS_MAX,
			       .v = {[0 ... MSG_TS_MAX - 1] = {.family = 4, .hi = {255}}}},
		 .key = {.len = 36, .b = {[35] = 1}},
		 .auth = {.len = 64, .b = {[63] = 1}}}},
	{.type = MSG_ESP_RECEIVE,
	 .esp = {.tunnel = 3,
		 .suite = 8,
		 .mode = 1,
		 .esn = true,
		 .spi = UINT32_MAX,
		 .window = 1 << 16,
		 .local = {.family = 4, .addr = {192, 0, 2, 1}, .port = 4500},
		 .remote = {.family = 4, .addr = {192, 0, 2, 2}, .port = 61000},
		 .ts_local = {.count = 1,
			      .v = {{.family = 4,
				     .protocol = 6,
				     .port_lo = 80,
				     .port_hi = 443,
				     .lo = {10, 1},
				     .hi = {10, 1, 255, 255}}}},
		 .ts_remote = {.count = 1, .v = {{.family = 4, .hi = {255, 255, 255, 255}}}},
		 .seq = 7,
		 .seq_limit = UINT64_MAX,
		 .hard_at = 1ull << 50,
		 .key = {.len = 32, .b = {7}},
		 .auth = {.len = 64, .b = {8}}}},
	{.type = MSG_ESP_RETIRE, .esp_retire = {.tunnel = 3, .direction = 1, .spi = 256}},
	{.type = MSG_ESP_REPORT,
	 .esp_report = {.tunnel = 3,
			.direction = 1,
			.event = 3,
			.spi = 0x01020304,
			.seq = 1ull << 33,
			.packets = 5,
			.octets = 6,
			.remote = {.family = 4, .addr = {192, 0, 2, 9}, .port = 4500}}},
	{.type = MSG_KEY_WANT, .key_want = {.key = 1, .authority = "acme-ca"}},
	{.type = MSG_KEY_GIVE,
	 .key_give = {.key = 1, .error = EACCES, .where = "/etc/myelin/secrets/acme-ca/fra1.key"}},
	{.type = MSG_SIGNER_LINK},
	{.type = MSG_KEY_HELD,
	 .key_held = {.key = 1,
		      .where = "/etc/myelin/secrets/acme-ca/fra1.key",
		      .schemes = 1 << 9,
		      .public = {.len = 3, .b = {0x30, 1, 2}}}},
	{.type = MSG_SIGN,
	 .sign = {.id = UINT32_MAX,
		  .key = 1,
		  .scheme = 9,
		  .data = {.len = MSG_BLOB_MAX, .b = {[MSG_BLOB_MAX - 1] = 7}}}},
	{.type = MSG_SIGNED,
	 .sign_done = {.id = 7, .key = 1, .signature = {.len = 64, .b = {[63] = 1}}}},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static size_t build(const struct msg *m, uint8_t *buf)
{
	ssize_t n = msg_build(m, buf, MSG_MAX);

	assert_true(n >= 8);
	return (size_t)n;
}

static void every_type_reads_back_as_it_was_built(void **state)
{
	bool seen[MSG_TYPE_COUNT] = {0};

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		uint8_t buf[MSG_MAX], again[MSG_MAX];
		size_t n = build(&samples[i], buf);
		struct msg m;

		assert_int_equal(msg_parse(&m, buf, n), 0);
		assert_memory_equal(&m, &samples[i], sizeof(m));
		assert_int_equal(build(&m, again), n);
		assert_memory_equal(buf, again, n);
		seen[m.type] = true;
	}
	for (unsigned t = 1; t < MSG_TYPE_COUNT; t++)
		assert_true(seen[t]);
}

static void a_byte_too_few_or_too_many_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		uint8_t buf[MSG_MAX + 1] = {0};
		size_t n = build(&samples[i], buf);
		struct msg m;

		for (size_t len = 0; len < n; len++)
			assert_int_equal(msg_parse(&m, buf, len), -EBADMSG);
		buf[n] = 0;
		assert_int_equal(msg_parse(&m, buf, n + 1), -EBADMSG);
	}
}

static void unknown_type_or_reserved_bits_are_refused(void **state)
{
	uint8_t buf[MSG_MAX];
	size_t n = build(&(struct msg){.type = MSG_SYNC}, buf);
	struct msg m;

	(void)state;
	buf[3] = 1;
	assert_int_equal(msg_parse(&m, buf, n), -EBADMSG);
	buf[3] = 0;
	for (unsigned t = MSG_TYPE_COUNT; t <= UINT16_MAX; t++) {
		buf[0] = (uint8_t)(t >> 8);
		buf[1] = (uint8_t)t;
		assert_int_equal(msg_parse(&m, buf, n), -EBADMSG);
	}
	buf[0] = buf[1] = 0;
	assert_int_equal(msg_parse(&m, buf, n), -EBADMSG);
}

/* Each defect is one byte of a good message; offsets count from the end of the 8-byte header. */
static void a_field_out_of_range_is_refused(void **state)
{
	static const struct {
		const char *what;
		enum msg_type type;
		unsigned at;
		uint8_t value;
	} rows[] = {
		{"port kind 0", MSG_PORT_WANT, 2, 0},
		{"port kind 4", MSG_PORT_WANT, 2, 4},
		{"slash in an interface name", MSG_PORT_WANT, 4, '/'},
		{"empty interface name", MSG_PORT_WANT, 3, 0},
		{"byte hidden behind the end of a name", MSG_PORT_WANT, 3 + 14, 'x'},
		{"interface name without an end", MSG_PORT_WANT, 3 + 15, 'x'},
		{"VLAN 0xff64", MSG_PORT_WANT, 19, 0xff},
		{"no VLAN in an outer one", MSG_PORT_WANT, 20, 0},
		{"outer TPID 0x8800", MSG_PORT_WANT, 22, 0},
		{"outer VLAN 0", MSG_PORT_WANT, 24, 0},
		{"outer VLAN 0xffc8", MSG_PORT_WANT, 23, 0xff},
		{"an overlay under a wan port", MSG_PORT_WANT, 28, 1},
		{"unknown allow bit", MSG_PORT_WANT, 37, 1},
		{"the allow bit after the last", MSG_PORT_WANT, 39, 4},
		{"an outer VLAN without its TPID", MSG_PORT_GIVE, 24, 7},
		{"a TPID without an outer VLAN", MSG_PORT_GIVE, 21, 0x81},
		{"IPv4 prefix of 33 bits", MSG_ADDRESS_WANT, 3, 33},
		{"family 3", MSG_ADDRESS_WANT, 2, 3},
		{"IPv6 prefix of 129 bits", MSG_ROUTE_WANT, 3, 129},
		{"next hop of family 5", MSG_ROUTE_WANT, 20, 5},
		{"IPv6 by way of IPv4", MSG_ROUTE_WANT, 20, 4},
		{"neighbour of family 5", MSG_NEIGHBOUR_WANT, 2, 5},
		{"neighbour of five bytes", MSG_NEIGHBOUR_WANT, 7, 1},
		{"file kind 0", MSG_FILE_OPEN, 4, 0},
		{"file kind 9", MSG_FILE_OPEN, 4, 9},
		{"file name that starts with a dot", MSG_FILE_OPEN, 5, '.'},
		{"file name with a slash", MSG_FILE_OPEN, 7, '/'},
		{"control byte in a path", MSG_FILE, 8, '\n'},
		{"boolean 2", MSG_SECY_ADD, 18, 2},
		{"validate 3", MSG_SECY_ADD, 22, 3},
		{"should-secure 2", MSG_SECY_ADD, 23, 2},
		{"bridge mode 3", MSG_BRIDGE, 2, 3},
		{"2^21 addresses", MSG_BRIDGE, 25, 0x20},
		{"a link that is neither up nor down", MSG_PORT_LINK, 2, 2},
		{"AN 4", MSG_SA_RECEIVE, 2, 4},
		{"suite 4", MSG_SA_RECEIVE, 3, 4},
		{"confidentiality offset 4", MSG_SA_RECEIVE, 4, 4},
		{"key longer than a secret", MSG_SA_RECEIVE, 61, SECRET_MAX + 1},
		{"key shorter than said", MSG_SA_RECEIVE, 61, 33},
		{"key longer than said", MSG_SA_RECEIVE, 61, 31},
		{"report direction 2", MSG_SA_REPORT, 3, 2},
		{"AN -2 in counters", MSG_STATS, 10, 0xfe},
		{"AN 4 in counters", MSG_STATS, 10, 4},
		{"more counters than fit", MSG_STATS, 11, 25},
		{"secy 0", MSG_STATS_GET, 1, 0},
		{"MTU of 220 bytes", MSG_TUNNEL_ADD, 6, 0},
		{"DF 3", MSG_TUNNEL_ADD, 21, 3},
		{"suite 9", MSG_ESP_RECEIVE, 2, 9},
		{"mode 2", MSG_ESP_RECEIVE, 3, 2},
		{"a reserved SPI", MSG_ESP_TRANSMIT, 7, 0},
		{"window above 2^16", MSG_ESP_RECEIVE, 12, 1},
		{"end of family 5", MSG_ESP_RECEIVE, 13, 5},
		{"end of no family with an address", MSG_ESP_RECEIVE, 13, 0},
		{"IPv4 address of five bytes", MSG_ESP_RECEIVE, 18, 1},
		{"ends of two families", MSG_ESP_RECEIVE, 32, 6},
		{"UDP at one end", MSG_ESP_TRANSMIT, 50, 9},
		{"no selectors", MSG_ESP_RECEIVE, 51, 0},
		{"more selectors than fit", MSG_ESP_RECEIVE, 51, MSG_TS_MAX + 1},
		{"selector of family 0", MSG_ESP_RECEIVE, 52, 0},
		{"ports out of order", MSG_ESP_RECEIVE, 54, 2},
		{"addresses out of order", MSG_ESP_RECEIVE, 58, 11},
		{"address hidden behind the last byte", MSG_ESP_RECEIVE, 89, 1},
		{"event 5", MSG_ESP_REPORT, 3, 5},
		{"authority with a slash", MSG_KEY_WANT, 3, '/'},
		{"key 0", MSG_KEY_WANT, 1, 0},
		{"a key that is held in spite of an error", MSG_KEY_HELD, 3, 1},
		{"a key without its public part", MSG_KEY_HELD, 137, 0},
		{"a key that makes no signature", MSG_KEY_HELD, 134, 0},
		{"scheme 32", MSG_SIGN, 6, 32},
		{"more to sign than fits", MSG_SIGN, 7, 0x0f},
		{"less to sign than said", MSG_SIGN, 7, 0x0d},
		{"a signature in spite of an error", MSG_SIGNED, 7, 1},
		{"a signature longer than said", MSG_SIGNED, 9, 63},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[MSG_MAX];
		struct msg m;
		size_t n = 0;

		for (size_t s = 0; s < SAMPLES; s++)
			if (samples[s].type == rows[i].type)
				n = build(&samples[s], buf);
		assert_int_equal(msg_parse(&m, buf, n), 0);
		assert_int_not_equal(buf[8 + rows[i].at], rows[i].value);
		buf[8 + rows[i].at] = rows[i].value;
		if (msg_parse(&m, buf, n) != -EBADMSG)
			fail_msg("accepted: %s", rows[i].what);
	}
	printf("# %zu classes of malformed messages between roles\n",
	       sizeof(rows) / sizeof(rows[0]));
}

static void what_could_not_be_parsed_is_not_built(void **state)
{
	struct msg m = {.type = MSG_PORT_DROP};
	uint8_t buf[MSG_MAX];

	(void)state;
	assert_int_equal(msg_build(&m, buf, sizeof(buf)), -EMSGSIZE);
	m.port_drop = 1;
	assert_int_equal(msg_build(&m, buf, 9), -EMSGSIZE);
	m = (struct msg){.type = MSG_FILE_OPEN,
			 .file_open = {.kind = MSG_FILE_SECRET, .name = "../x"}};
	assert_int_equal(msg_build(&m, buf, sizeof(buf)), -EMSGSIZE);
	m = (struct msg){.type = MSG_TYPE_COUNT};
	assert_int_equal(msg_build(&m, buf, sizeof(buf)), -EMSGSIZE);
}

static int lowest_free_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void pair(int s[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
}

static void descriptor_rides_along_and_closes_on_exec(void **state)
{
	int s[2], p[2], fd;
	struct msg m;
	char c = 0;

	(void)state;
	pair(s);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(msg_send(s[0], &(struct msg){.type = MSG_LINK}, p[1]), 0);
	assert_int_equal(msg_send(s[0], &(struct msg){.type = MSG_SYNC, .seq = 5}, -1), 0);
	assert_int_equal(msg_recv(s[1], &m, &fd), 1);
	assert_int_equal(m.type, MSG_LINK);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(fd);
	assert_int_equal(msg_recv(s[1], &m, &fd), 1);
	assert_int_equal(m.type, MSG_SYNC);
	assert_int_equal(m.seq, 5);
	assert_int_equal(fd, -1);
	assert_int_equal(msg_recv(s[1], &m, &fd), 0);
	close(s[0]);
	assert_int_equal(msg_recv(s[1], &m, &fd), -EPIPE);
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

static void descriptor_too_many_or_missing_is_refused_and_closed(void **state)
{
	int s[2], fd, before;
	struct msg m;

	(void)state;
	pair(s);
	before = lowest_free_fd();
	assert_int_equal(msg_send(s[0], &(struct msg){.type = MSG_SYNC}, 0), 0);
	assert_int_equal(msg_send(s[0], &(struct msg){.type = MSG_LINK}, -1), 0);
	assert_int_equal(msg_send(s[0], &(struct msg){.type = MSG_FILE}, -1), 0);
	assert_int_equal(msg_send(s[0], &(struct msg){.type = MSG_FILE, .file.error = 1}, 0), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(msg_recv(s[1], &m, &fd), -EBADMSG);
		assert_int_equal(fd, -1);
		assert_int_equal(m.type, 0);
		assert_int_equal(lowest_free_fd(), before);
	}
	close(s[0]);
	close(s[1]);
}

/* A hostile peer writes to the socket itself. */
static void send_raw(int sock, const void *buf, size_t len, unsigned fds)
{
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(16 * sizeof(int))];
	} room = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fds) {
		struct cmsghdr *c;
		int zeroes[16] = {0};

		h.msg_control = room.bytes;
		h.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(c), zeroes, fds * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &h, 0), (ssize_t)len);
}

static void surplus_descriptors_do_not_leak(void **state)
{
	uint8_t buf[MSG_MAX];
	size_t n = build(&(struct msg){.type = MSG_LINK}, buf);
	int s[2], fd, before;
	struct msg m;

	(void)state;
	pair(s);
	before = lowest_free_fd();
	for (unsigned fds = 2; fds <= 16; fds++) {
		send_raw(s[0], buf, n, fds);
		assert_int_equal(msg_recv(s[1], &m, &fd), -EBADMSG);
		assert_int_equal(lowest_free_fd(), before);
	}
	close(s[0]);
	close(s[1]);
}

static void datagram_longer_than_any_message_is_refused(void **state)
{
	uint8_t buf[MSG_MAX + 64] = {0, MSG_SYNC};
	int s[2], fd;
	struct msg m;

	(void)state;
	pair(s);
	send_raw(s[0], buf, sizeof(buf), 0);
	assert_int_equal(msg_recv(s[1], &m, &fd), -EBADMSG);
	assert_int_equal(msg_recv(s[1], &m, &fd), 0);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_reads_back_as_it_was_built),
		cmocka_unit_test(a_byte_too_few_or_too_many_is_refused),
		cmocka_unit_test(unknown_type_or_reserved_bits_are_refused),
		cmocka_unit_test(a_field_out_of_range_is_refused),
		cmocka_unit_test(what_could_not_be_parsed_is_not_built),
		cmocka_unit_test(descriptor_rides_along_and_closes_on_exec),
		cmocka_unit_test(descriptor_too_many_or_missing_is_refused_and_closed),
		cmocka_unit_test(surplus_descriptors_do_not_leak),
		cmocka_unit_test(datagram_longer_than_any_message_is_refused),
	};

	return cmocka_run_group_tests_name("msg/msg", tests, NULL, NULL);
}
