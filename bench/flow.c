/*
 * flow: one flow of TCP or UDP between two namespaces, for bench/peers.
 *
 *   flow sink PORT                          answers at that port, TCP and UDP, until it is ended
 *   flow send ADDRESS PORT tcp SECONDS      as much as TCP lets through
 *   flow send ADDRESS PORT udp SECONDS N    datagrams of N octets, as fast as the socket takes them
 *   flow ask ADDRESS PORT COUNT GAP N       COUNT questions of N octets, each GAP ms after the
 *                                           answer to the one before, and how long answers took
 *
 * What arrives is what counts: the sink prints a JSON object for each flow, with its octets and the
 * nanoseconds from the first to the last of them. `ask` prints one with the median and the 9th
 * decile of the round trips, in microseconds.
 */
#include "common.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CHUNK = 128 * 1024, /* octets handed to TCP at once */
	BATCH = 32,         /* datagrams handed to UDP at once */
	DATAGRAM_MAX = 9000,
	SILENCE_MS = 300, /* a flow of UDP is over when nothing came for so long */
	ASKED_MAX = 10000,
};

enum kind { DATA = 1, QUESTION, ANSWER };

struct head { /* of a datagram */
	uint32_t kind, run;
	uint64_t number;
};

/* What arrived of a flow. */
struct arrived {
	uint64_t octets, first_ns, last_ns;
	uint64_t datagrams, highest; /* UDP: highest number + 1 */
};

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	errno = 0;
	if (address && inet_pton(AF_INET, address, &a.sin_addr) != 1)
		die(address);
	return a;
}

static int socket_new(int type)
{
	int one = 1, room = 4 << 20, fd = socket(AF_INET, type, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		die("a socket");
	if (type == SOCK_DGRAM &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return fd;
}

static void arrived_add(struct arrived *a, size_t octets)
{
	a->last_ns = clock_now();
	if (!a->octets)
		a->first_ns = a->last_ns;
	a->octets += octets;
}

static void arrived_say(const struct arrived *a, const char *protocol)
{
	printf("{\"protocol\": \"%s\", \"octets\": %llu, \"ns\": %llu, \"datagrams\": %llu, "
	       "\"sent\": %llu}\n",
	       protocol, (unsigned long long)a->octets,
	       (unsigned long long)(a->last_ns - a->first_ns), (unsigned long long)a->datagrams,
	       (unsigned long long)a->highest);
	fflush(stdout);
}

static void sink_tcp(int listener)
{
	static uint8_t buf[CHUNK];
	int fd = accept(listener, NULL, NULL);
	struct arrived a = {0};
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		arrived_add(&a, (size_t)n);
	close(fd);
	arrived_say(&a, "tcp");
}

/* Until no more datagrams are there. */
static void sink_udp(int fd, struct arrived *a)
{
	static uint8_t room[BATCH][DATAGRAM_MAX];
	struct mmsghdr v[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH];
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){room[i], sizeof(room[i])};
		v[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
						    .msg_namelen = sizeof(from[i]),
						    .msg_iov = &iov[i],
						    .msg_iovlen = 1}};
	}
	n = recvmmsg(fd, v, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct head h;

		if (v[i].msg_len < sizeof(h))
			continue;
		memcpy(&h, room[i], sizeof(h));
		if (h.kind == DATA) {
			arrived_add(a, v[i].msg_len);
			a->datagrams++;
			if (h.number >= a->highest)
				a->highest = h.number + 1;
		} else if (h.kind == QUESTION) {
			h.kind = ANSWER;
			memcpy(room[i], &h, sizeof(h));
			sendto(fd, room[i], v[i].msg_len, 0, (struct sockaddr *)&from[i],
			       sizeof(from[i]));
		}
	}
}

static void sink(const char *port)
{
	struct sockaddr_in a = address_of(NULL, port);
	int tcp = socket_new(SOCK_STREAM), udp = socket_new(SOCK_DGRAM);
	struct pollfd v[2] = {{tcp, POLLIN, 0}, {udp, POLLIN, 0}};
	struct arrived datagrams = {0};

	if (bind(tcp, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(tcp, 8) < 0 ||
	    bind(udp, (struct sockaddr *)&a, sizeof(a)) < 0)
		die(port);
	puts("{}"); /* ready */
	fflush(stdout);
	for (;;) {
		int n = poll(v, 2, datagrams.datagrams ? SILENCE_MS : -1);

		if (n < 0 && errno != EINTR)
			die("poll");
		if (n == 0) {
			arrived_say(&datagrams, "udp");
			datagrams = (struct arrived){0};
		}
		if (n > 0 && v[1].revents)
			sink_udp(udp, &datagrams);
		if (n > 0 && v[0].revents)
			sink_tcp(tcp);
	}
}

static void send_tcp(const struct sockaddr_in *to, uint64_t until)
{
	static const uint8_t buf[CHUNK];
	int fd = socket_new(SOCK_STREAM);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connecting");
	while (clock_now() < until)
		if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) < 0)
			die("sending");
	close(fd);
}

static void send_udp(const struct sockaddr_in *to, uint64_t until, size_t octets)
{
	static uint8_t room[BATCH][DATAGRAM_MAX];
	int fd = socket_new(SOCK_DGRAM);
	struct mmsghdr v[BATCH];
	struct iovec iov[BATCH];
	uint64_t number = 0;

	errno = 0;
	if (octets < sizeof(struct head) || octets > DATAGRAM_MAX)
		die("no such size of a datagram");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connecting");
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){room[i], octets};
		v[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	while (clock_now() < until) {
		int n;

		for (unsigned i = 0; i < BATCH; i++) {
			struct head h = {.kind = DATA, .number = number + i};

			memcpy(room[i], &h, sizeof(h));
		}
		n = sendmmsg(fd, v, BATCH, 0);
		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("sending");
		number += n > 0 ? (uint64_t)n : 0;
	}
	close(fd);
}

static void ask(const struct sockaddr_in *to, unsigned count, int gap_ms, size_t octets)
{
	static uint64_t took[ASKED_MAX];
	uint8_t room[DATAGRAM_MAX] = {0};
	int fd = socket_new(SOCK_DGRAM);
	unsigned answered = 0;

	errno = 0;
	if (count > ASKED_MAX || octets < sizeof(struct head) || octets > DATAGRAM_MAX)
		die("so many questions of that size are not asked");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		die("connecting");
	for (unsigned i = 0; i < count; i++) {
		struct head h = {.kind = QUESTION, .number = i};
		struct pollfd p = {fd, POLLIN, 0};
		uint64_t t;

		poll(NULL, 0, gap_ms);
		memcpy(room, &h, sizeof(h));
		t = clock_now();
		if (send(fd, room, octets, 0) < 0)
			continue;
		while (poll(&p, 1, 1000) == 1 && recv(fd, room, sizeof(room), 0) >= 0) {
			memcpy(&h, room, sizeof(h));
			if (h.kind != ANSWER || h.number != i)
				continue;
			took[answered++] = clock_now() - t;
			break;
		}
	}
	close(fd);
	median(took, answered);
	printf("{\"asked\": %u, \"answered\": %u, \"median_us\": %.1f, \"ninth_us\": %.1f}\n",
	       count, answered, (double)took[answered / 2] / 1000,
	       (double)took[answered * 9 / 10] / 1000);
}

int main(int argc, char **argv)
{
	bench_name = "bench/flow";
	if (argc == 3 && !strcmp(argv[1], "sink")) {
		sink(argv[2]);
	} else if (argc >= 6 && !strcmp(argv[1], "send")) {
		struct sockaddr_in to = address_of(argv[2], argv[3]);
		uint64_t until = clock_now() + (uint64_t)(atof(argv[5]) * 1e9);

		if (!strcmp(argv[4], "tcp"))
			send_tcp(&to, until);
		else
			send_udp(&to, until, argc > 6 ? (size_t)atoi(argv[6]) : 0);
	} else if (argc == 7 && !strcmp(argv[1], "ask")) {
		struct sockaddr_in to = address_of(argv[2], argv[3]);

		ask(&to, (unsigned)atoi(argv[4]), atoi(argv[5]), (size_t)atoi(argv[6]));
	} else {
		fprintf(stderr,
			"usage: flow sink PORT | send ADDRESS PORT tcp SECONDS | send ADDRESS "
			"PORT udp SECONDS OCTETS | ask ADDRESS PORT COUNT GAP-MS OCTETS\n");
		return 2;
	}
	return 0;
}
