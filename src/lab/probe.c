/* probe: what the demo measures. See probe.h. */
#include "lab/probe.h"

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "lab/net.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_PORT 5201
#define CHUNK (128 * 1024)

/* A socket made in a namespace. */
static int socket_in(const char *netns, int family, int type, int protocol)
{
	int fd = net_enter(netns);

	if (!fd) {
		fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
		if (fd < 0)
			fd = -errno;
	}
	net_leave();
	return fd;
}

static socklen_t sockaddr_make(struct sockaddr_storage *ss, const struct bb_prefix *a,
			       uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, a->addr, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, a->addr, 16);
	return sizeof(*v6);
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void echo_send(int fd, struct probe_ping *p, uint16_t id, uint16_t seq)
{
	uint8_t b[64];
	struct wr w = wr_init(b, sizeof(b));
	struct sockaddr_storage to;
	socklen_t n = sockaddr_make(&to, &p->to, 0);
	uint16_t sum;

	wr_u8(&w, p->to.family == 4 ? 8 : 128);
	wr_u8(&w, 0);
	wr_u16(&w, 0); /* of ICMPv6, the kernel's */
	wr_u16(&w, id);
	wr_u16(&w, seq);
	wr_u64(&w, clock_now());
	wr_zero(&w, sizeof(b) - wr_len(&w));
	if (p->to.family == 4) {
		sum = checksum(b, sizeof(b));
		b[2] = (uint8_t)(sum >> 8);
		b[3] = (uint8_t)sum;
	}
	p->sent++;
	(void)!sendto(fd, b, sizeof(b), 0, (struct sockaddr *)&to, n);
}

/* Takes what arrived at one socket; true when it was the first answer to (id, seq). */
static bool echo_take(int fd, struct probe_ping *p, uint16_t id, uint16_t seq)
{
	uint8_t b[256];
	ssize_t n;

	while ((n = recv(fd, b, sizeof(b), 0)) > 0) {
		struct rd r = rd_init(b, (size_t)n);
		uint8_t type;
		uint64_t sent, rtt;

		if (p->to.family == 4)
			rd_skip(&r, (size_t)(b[0] & 0x0f) * 4);
		type = rd_u8(&r);
		rd_skip(&r, 3);
		if (type != (p->to.family == 4 ? 0 : 129) || rd_u16(&r) != id || rd_u16(&r) != seq)
			continue;
		sent = rd_u64(&r);
		if (r.bad)
			continue;
		rtt = clock_now() - sent;
		p->answered++;
		if (!p->best_ns || rtt < p->best_ns)
			p->best_ns = rtt;
		return true;
	}
	return false;
}

/* One request per pair, and the answers. */
static void ping_round(struct probe_ping *v, struct pollfd *pf, unsigned count, uint16_t seq,
		       uint64_t wait_ns, const volatile bool *stop)
{
	uint64_t until = clock_now() + wait_ns;
	unsigned waiting = 0;

	for (unsigned i = 0; i < count; i++) {
		if (pf[i].fd < 0)
			continue;
		echo_send(pf[i].fd, &v[i], (uint16_t)(getpid() + (int)i), seq);
		pf[i].events = POLLIN;
		waiting++;
	}
	while (waiting && !*stop && clock_now() < until) {
		if (poll(pf, count, 20) <= 0)
			continue;
		for (unsigned i = 0; i < count; i++) {
			if (pf[i].revents &&
			    echo_take(pf[i].fd, &v[i], (uint16_t)(getpid() + (int)i), seq)) {
				pf[i].events = 0;
				waiting--;
			}
		}
	}
}

int probe_pings(struct probe_ping *v, unsigned count, unsigned rounds, uint64_t wait_ns,
		const volatile bool *stop)
{
	struct pollfd *pf = calloc(count + 1, sizeof(*pf));
	unsigned opened = 0;
	int err = pf ? 0 : -ENOMEM;

	for (; !err && opened < count; opened++) {
		bool v4 = v[opened].to.family == 4;

		pf[opened].fd = -1;
		if (!v[opened].to.family)
			continue;
		pf[opened].fd = socket_in(v[opened].from, v4 ? AF_INET : AF_INET6, SOCK_RAW,
					  v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		if (pf[opened].fd < 0) {
			err = pf[opened].fd;
			break;
		}
	}
	for (unsigned i = 0; !err && i < rounds && !*stop; i++)
		ping_round(v, pf, count, (uint16_t)(i + 1), wait_ns, stop);
	while (opened--) {
		if (pf[opened].fd >= 0)
			close(pf[opened].fd);
	}
	free(pf);
	return err;
}

/* Connects from one namespace to the other. fds: sender, receiver. */
static int tcp_open(const char *from, const char *to, const struct bb_prefix *address, int fds[2],
		    const volatile bool *stop)
{
	struct sockaddr_storage ss;
	socklen_t n = sockaddr_make(&ss, address, TCP_PORT);
	int l = socket_in(to, ss.ss_family, SOCK_STREAM, 0), one = 1, err = 0;
	uint64_t until = clock_now() + 10 * NS_PER_S;

	fds[0] = fds[1] = -1;
	if (l < 0)
		return l;
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&ss, n) < 0 || listen(l, 1) < 0) {
		err = -errno;
		goto out;
	}
	fds[0] = socket_in(from, ss.ss_family, SOCK_STREAM, 0);
	if (fds[0] < 0) {
		err = fds[0];
		goto out;
	}
	if (connect(fds[0], (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		err = -errno;
		goto out;
	}
	while (fds[1] < 0 && !err) {
		struct pollfd p = {.fd = l, .events = POLLIN};

		if (poll(&p, 1, 20) > 0)
			fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fds[1] < 0 && (*stop || clock_now() > until))
			err = -ETIMEDOUT;
	}
out:
	close(l);
	if (err && fds[0] >= 0)
		close(fds[0]);
	return err;
}

static void tcp_look(int fd, struct probe_tcp *out)
{
	struct tcp_info ti = {0};
	socklen_t n = sizeof(ti);
	uint64_t flight;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n) < 0)
		return;
	flight = (uint64_t)ti.tcpi_unacked * ti.tcpi_snd_mss;
	if (flight > out->window)
		out->window = flight;
	out->rtt_ns = (uint64_t)ti.tcpi_rtt * NS_PER_US;
	out->retransmits = ti.tcpi_total_retrans;
	out->mss = ti.tcpi_snd_mss;
}

int probe_tcp(const char *from, const char *to, const struct bb_prefix *to_address, uint64_t for_ns,
	      struct probe_tcp *out, const volatile bool *stop)
{
	uint8_t *b = calloc(1, CHUNK);
	uint64_t start, looked = 0, now;
	bool sending = true, open = true;
	int fds[2], err = b ? tcp_open(from, to, to_address, fds, stop) : -ENOMEM;

	*out = (struct probe_tcp){0};
	if (err) {
		free(b);
		return err;
	}
	start = clock_now();
	while (open && !*stop) {
		struct pollfd p[2] = {{.fd = sending ? fds[0] : -1, .events = POLLOUT},
				      {.fd = fds[1], .events = POLLIN}};
		ssize_t n = 1;

		if (poll(p, 2, 1000) <= 0)
			break; /* a second without a byte: it hangs */
		now = clock_now();
		if (sending && now - looked > 10 * NS_PER_MS) {
			looked = now;
			tcp_look(fds[0], out);
		}
		if (sending && now - start > for_ns) {
			shutdown(fds[0], SHUT_WR);
			sending = false;
		}
		if (sending && p[0].revents)
			(void)!send(fds[0], b, CHUNK, MSG_NOSIGNAL);
		while (p[1].revents && (n = recv(fds[1], b, CHUNK, MSG_TRUNC)) > 0) {
			out->bytes += (uint64_t)n;
			out->took_ns = clock_now() - start;
		}
		open = n != 0;
	}
	close(fds[0]);
	close(fds[1]);
	free(b);
	return *stop ? -EINTR : out->bytes ? 0 : -ETIMEDOUT;
}
