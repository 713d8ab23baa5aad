/*
 * What tests of ports on the kernel's interfaces have in common: a network namespace of their own, a
 * veth pair in it, raw sockets. They need root, as the parent does.
 */
#pragma once

#include "port/port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static inline int raw_socket(const char *ifname)
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
static inline void enter_namespace(void)
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
static inline void wait_for_queue(const char *ifname)
{
	char command[100];

	snprintf(command, sizeof(command), "ip link show %s | grep -q 'qdisc noqueue'", ifname);
	for (unsigned i = 0; system(command) != 0; i++) {
		assert_true(i < 500);
		usleep(10000);
	}
}

/* One burst, when there is something within a generous time. */
static inline unsigned receive(struct port *port, struct pkt *v, unsigned n)
{
	struct pollfd p = {.fd = port->ops->fd(port), .events = POLLIN};

	poll(&p, 1, 5000);
	return port->ops->rx(port, v, n);
}

static inline ssize_t peer_receive(int peer, uint8_t *b, size_t size)
{
	struct pollfd p = {.fd = peer, .events = POLLIN};

	poll(&p, 1, 5000);
	return recv(peer, b, size, MSG_DONTWAIT);
}

static inline void release(struct pkt_pool *pool, struct pkt *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pkt_release(pool, &v[i]);
}
