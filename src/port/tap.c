/*
 * tap: a port whose wire is a TAP interface of the kernel: what the kernel routes there is
 * received here, what is transmitted here the kernel receives. One frame is one read or write.
 * Checksums and segmentation are finished by the kernel, since no offload was agreed upon.
 */
#include "port/port.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MIN 14 /* an Ethernet header */

struct tap {
	struct port port;
	int fd;
};

static struct tap *tap_of(const struct port *port)
{
	return (struct tap *)(uintptr_t)port; /* port is its first member */
}

static void count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static unsigned tap_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct tap *t = tap_of(port);
	size_t max = port->pool->frame_max;
	uint64_t bytes = 0, errors = 0;
	unsigned got = 0;

	while (got < n && pkt_alloc(port->pool, &v[got])) {
		/* One byte more than may come (there is tailroom) tells a frame that was cut. */
		ssize_t len = read(t->fd, v[got].data, max + 1);

		if (len < 0 || (size_t)len > max || len < FRAME_MIN) {
			pkt_release(port->pool, &v[got]);
			if (len < 0 && errno != EINTR)
				break;
			errors++;
			continue;
		}
		v[got].len = (uint32_t)len;
		bytes += v[got++].len;
	}
	count(&port->stats.rx_frames, got);
	count(&port->stats.rx_bytes, bytes);
	count(&port->stats.rx_errors, errors);
	return got;
}

static unsigned tap_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct tap *t = tap_of(port);
	uint64_t bytes = 0;
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		if (write(t->fd, v[i].data, v[i].len) == (ssize_t)v[i].len) {
			bytes += v[i].len;
			sent++;
		}
		pkt_release(port->pool, &v[i]);
	}
	count(&port->stats.tx_frames, sent);
	count(&port->stats.tx_bytes, bytes);
	count(&port->stats.tx_errors, n - sent);
	return sent;
}

static int tap_fd(const struct port *port)
{
	return tap_of(port)->fd;
}

static void tap_carrier(struct port *port, bool up)
{
	int on = up;

	(void)ioctl(tap_of(port)->fd, TUNSETCARRIER, &on);
}

static void tap_close(struct port *port)
{
	struct tap *t = tap_of(port);

	close(t->fd);
	free(t);
}

static const struct port_ops tap_ops = {
	.name = "tap",
	.rx = tap_rx,
	.tx = tap_tx,
	.fd = tap_fd,
	.carrier = tap_carrier,
	.close = tap_close,
};

struct port *port_tap_new(int fd, const char *ifname, struct pkt_pool *pool)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (!t) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	t->fd = fd;
	t->port.ops = &tap_ops;
	t->port.pool = pool;
	memccpy(t->port.ifname, ifname, 0, sizeof(t->port.ifname) - 1);
	return &t->port;
}
