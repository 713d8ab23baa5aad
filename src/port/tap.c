/*
 * tap: a port whose wire is a TAP interface of the kernel: what the kernel routes there is
 * received here, what is transmitted here the kernel receives.
 *
 * With virtio headers (IFF_VNET_HDR, as the parent made the interface) the kernel leaves checksums
 * and segmentation to us: what one read brings may be a superframe, which is cut here, into the
 * burst that is encrypted next; and what is written of a burst is put together again where that is
 * possible. Superframes are the port's own memory; what leaves it are frames in buffers of the pool.
 * Without, one frame is one read or write.
 */
#include "port/received.h"

#include "base/secret.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAME_MIN 14 /* an Ethernet header */

struct tap {
	struct port port;
	int fd;
	bool virtio; /* a header is in front of every frame */
	struct segmenter cut;
	struct coalescer joined;
	uint8_t super[SUPER_MAX +
		      1]; /* what `cut` is about; a byte more tells what was cut short */
};

static struct tap *tap_of(const struct port *port)
{
	return (struct tap *)(uintptr_t)port; /* port is its first member */
}

/* Frames of the superframe at hand, as many as there is room for. */
static void super_cut(struct tap *t, struct received *r)
{
	const struct pkt *p;

	while ((p = received_cut(r, &t->cut, t->port.pool)))
		received_add(r, p->len);
}

/* One read, into a buffer of the pool as far as it holds. False: there is nothing more. */
static bool frame_read(struct tap *t, struct received *r)
{
	struct pkt *p = &r->v[r->got];
	const size_t max = t->port.pool->frame_max, room = max < SUPER_MAX ? max : SUPER_MAX;
	struct virtio_net_hdr h = {0};
	struct iovec iov[3] = {
		{&h, sizeof(h)}, {p->data, room}, {t->super + room, sizeof(t->super) - room}};
	ssize_t len = readv(t->fd, iov + !t->virtio, 2 + t->virtio);

	if (len < 0) {
		pkt_release(t->port.pool, p);
		return errno == EINTR;
	}
	len -= t->virtio ? (ssize_t)sizeof(h) : 0;
	if (len >= FRAME_MIN && h.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		memcpy(t->super, p->data, (size_t)len < room ? (size_t)len : room);
		pkt_release(t->port.pool, p);
		if (segmenter_begin(&t->cut, &h, t->super, (uint32_t)len, (uint32_t)max))
			r->supers++;
		else
			r->errors++;
		super_cut(t, r);
		return true;
	}
	if (len < FRAME_MIN || (size_t)len > room ||
	    !super_checksum_finish(&h, p->data, (uint32_t)len)) {
		pkt_release(t->port.pool, p);
		r->errors++;
		return true;
	}
	received_add(r, (uint32_t)len);
	return true;
}

static unsigned tap_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct tap *t = tap_of(port);
	struct received r = {.v = v, .n = n};

	super_cut(t, &r);
	while (r.got < n && pkt_alloc(port->pool, &v[r.got]))
		if (!frame_read(t, &r))
			break;
	return received_count(&r, &port->stats);
}

/* What a call of tx has done so far. */
struct written {
	unsigned frames;
	uint64_t bytes, supers;
};

static void frames_write(struct tap *t, const struct pkt *v, unsigned n, struct written *w)
{
	for (unsigned i = 0; i < n; i++) {
		if (write(t->fd, v[i].data, v[i].len) != (ssize_t)v[i].len)
			continue;
		w->bytes += v[i].len;
		w->frames++;
	}
}

/* Writes a frame, or those that one superframe stands for. */
static void group_write(struct tap *t, const struct super_group *g, struct pkt *v,
			struct written *w)
{
	struct virtio_net_hdr h = {0};
	struct iovec iov[1 + PKT_BURST] = {{&h, sizeof(h)}, {v[g->first].data, v[g->first].len}};
	const uint32_t head = g->shape.payload;
	uint64_t bytes = v[g->first].len;
	size_t len = sizeof(h) + v[g->first].len;
	unsigned n = 2;

	if (g->count > 1)
		coalescer_finish(g, &v[g->first], &h);
	for (unsigned i = g->first; i != g->last; n++) {
		i = t->joined.next[i];
		iov[n] = (struct iovec){v[i].data + head, v[i].len - head};
		len += iov[n].iov_len;
		bytes += v[i].len;
	}
	if (writev(t->fd, iov, (int)n) != (ssize_t)len)
		return;
	w->frames += g->count;
	w->bytes += bytes;
	w->supers += g->count > 1;
}

static unsigned tap_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct tap *t = tap_of(port);
	struct written w = {0};

	if (!t->virtio)
		frames_write(t, v, n, &w);
	for (unsigned at = 0; t->virtio && at < n; at += PKT_BURST) {
		coalescer_take(&t->joined, v + at, n - at < PKT_BURST ? n - at : PKT_BURST);
		for (unsigned i = 0; i < t->joined.count; i++)
			group_write(t, &t->joined.group[i], v + at, &w);
	}
	for (unsigned i = 0; i < n; i++)
		pkt_release(port->pool, &v[i]);
	count(&port->stats.tx_frames, w.frames);
	count(&port->stats.tx_bytes, w.bytes);
	count(&port->stats.tx_supers, w.supers);
	count(&port->stats.tx_errors, n - w.frames);
	return w.frames;
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
	secret_wipe(t->super, sizeof(t->super)); /* plaintext passed through it */
	free(t);
}

/* Whether the kernel puts a header in front of every frame, and expects one. */
static bool has_virtio(int fd)
{
	struct ifreq ifr = {0};

	return ioctl(fd, TUNGETIFF, &ifr) == 0 && ifr.ifr_flags & IFF_VNET_HDR;
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
	t->virtio = has_virtio(fd);
	t->port.ops = &tap_ops;
	t->port.pool = pool;
	memccpy(t->port.ifname, ifname, 0, sizeof(t->port.ifname) - 1);
	return &t->port;
}
