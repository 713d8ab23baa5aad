/*
 * afxdp: a port on an interface of the kernel whose fast way is AF_XDP, one socket for each of its
 * receive queues, and whose other way is a packet socket.
 *
 * The interface's XDP program (proc/xdp.bpf.c) puts what is surely ours into the sockets; all
 * else goes on in the kernel, and what of it is ours comes by the packet socket as ever: pieces of
 * packets, errors of ICMP, frames in clear that the file lets in, and everything as long as no socket
 * is bound. The same on the way out: sealed frames that fit a chunk go by AF_XDP, and what may pass
 * in clear goes by the packet socket, behind which the kernel's guard has a look at it.
 *
 * No frame is copied here: the pool is the sockets' memory, and a buffer belongs to the kernel from
 * the fill ring to the receive ring, and from the transmit ring to the completion ring. `lent` says
 * which are in the former; those on their way out are never taken back before they are completed,
 * since the kernel may not have read them yet. The worker's thread alone.
 */
#include "port/received.h"
#include "port/xsk.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESERVE 256          /* buffers that the rings leave in the pool */
#define FILL_MIN 64          /* buffers that a socket has for what comes in, at least */
#define PACKET_EVERY 16      /* bursts by AF_XDP, after which the packet socket is looked at */
#define GROW_NS 1000000000u  /* no other socket came for so long: those there share the rest */
#define STALL_NS 1000000000u /* nothing was completed for so long: it does not leave */
#define BASE_MASK ((UINT64_C(1) << XSK_UNALIGNED_BUF_OFFSET_SHIFT) - 1)

/* A ring shared with the kernel. The indices run freely. */
struct ring {
	uint32_t *producer, *consumer, *flags;
	void *entries;
	uint32_t at; /* our own index: how far we produced or consumed */
	void *map;
	size_t map_len;
};

struct xsk {
	int fd;
	bool bound, zerocopy;
	bool stalled; /* nothing is sent by it any more */
	unsigned queue;
	unsigned filled;      /* buffers lent for what comes in */
	unsigned target;      /* and how many it should have */
	unsigned outstanding; /* on their way out */
	uint64_t completed;   /* so far */
	uint64_t completed_then, stall_at;
	struct ring rx, tx, fill, done;
	uint64_t *lent; /* a bit for each buffer of the pool */
};

struct afxdp {
	struct port port;
	struct port *packet;
	int epoll;
	size_t pitch; /* bytes from one buffer of the pool to the next */
	unsigned count, next;
	unsigned bursts; /* since the packet socket was looked at */
	uint64_t grow_at;
	struct xsk *xsk[XSK_QUEUES];
};

static struct afxdp *afxdp_of(const struct port *port)
{
	return (struct afxdp *)(uintptr_t)port; /* port is its first member */
}

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void publish(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static struct xdp_desc *desc_at(const struct ring *r, uint32_t at)
{
	return (struct xdp_desc *)r->entries + (at & (XSK_RING - 1));
}

static uint64_t *addr_at(const struct ring *r, uint32_t at)
{
	return (uint64_t *)r->entries + (at & (XSK_RING - 1));
}

static bool wants_wakeup(const struct ring *r)
{
	return __atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

/* Buffers are known to the kernel by their distance from the pool's start. */
static uint64_t base_of(const struct afxdp *a, const uint8_t *buf)
{
	return (uint64_t)(buf - a->port.pool->memory);
}

static void lent_set(const struct afxdp *a, struct xsk *x, uint64_t base, bool lent)
{
	uint64_t i = base / a->pitch, bit = UINT64_C(1) << (i & 63);

	x->lent[i / 64] = lent ? x->lent[i / 64] | bit : x->lent[i / 64] & ~bit;
}

/* As many as a socket may have: half of the pool is theirs. */
static unsigned fill_target(const struct pkt_pool *pool)
{
	unsigned share = pool->count / 2 / (pool->lenders ? pool->lenders : 1);

	return share < FILL_MIN ? FILL_MIN : share < XSK_RING ? share : XSK_RING;
}

static void xsk_refill(struct afxdp *a, struct xsk *x)
{
	struct pkt_pool *pool = a->port.pool;
	uint32_t was = x->fill.at;
	struct pkt p;

	while (x->filled < x->target && pool->free > RESERVE && pkt_alloc(pool, &p)) {
		uint64_t base = base_of(a, p.buf);

		*addr_at(&x->fill, x->fill.at++) = base;
		lent_set(a, x, base, true);
		x->filled++;
	}
	if (x->fill.at == was)
		return;
	publish(x->fill.producer, x->fill.at);
	if (x->bound && wants_wakeup(&x->fill))
		(void)recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static unsigned xsk_rx(struct afxdp *a, struct xsk *x, struct pkt *v, unsigned n)
{
	const struct pkt_pool *pool = a->port.pool;
	uint32_t ready = load(x->rx.producer) - x->rx.at;
	uint64_t bytes = 0;

	n = n < ready ? n : ready;
	for (unsigned i = 0; i < n; i++) {
		const struct xdp_desc *d = desc_at(&x->rx, x->rx.at++);
		uint64_t base = d->addr & BASE_MASK;

		v[i] = (struct pkt){
			.buf = pool->memory + base,
			.data = pool->memory + base + (d->addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT),
			.len = d->len,
		};
		bytes += d->len;
		lent_set(a, x, base, false);
	}
	if (!n)
		return 0;
	publish(x->rx.consumer, x->rx.at);
	x->filled -= n;
	xsk_refill(a, x);
	count(&a->port.stats.rx_bytes, bytes);
	count(&a->port.stats.rx_frames, n);
	count(&a->port.stats.xdp_rx, n);
	return n;
}

/* A call of the packet port's, whose counters are this one's too. */
static unsigned by_packet(struct afxdp *a, bool tx, struct pkt *v, unsigned n)
{
	const struct port_stats was = a->packet->stats, *is = &a->packet->stats;
	struct port_stats *all = &a->port.stats;

	a->packet->clear = a->port.clear;
	n = tx ? a->packet->ops->tx(a->packet, v, n) : a->packet->ops->rx(a->packet, v, n);
	count(&all->rx_frames, is->rx_frames - was.rx_frames);
	count(&all->rx_bytes, is->rx_bytes - was.rx_bytes);
	count(&all->rx_errors, is->rx_errors - was.rx_errors);
	count(&all->tx_frames, is->tx_frames - was.tx_frames);
	count(&all->tx_bytes, is->tx_bytes - was.tx_bytes);
	count(&all->tx_errors, is->tx_errors - was.tx_errors);
	return n;
}

static unsigned afxdp_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct afxdp *a = afxdp_of(port);
	unsigned got = 0;

	for (unsigned i = 0; i < a->count && got < n; i++) {
		struct xsk *x = a->xsk[(a->next + i) % a->count];

		if (x->bound)
			got += xsk_rx(a, x, v + got, n - got);
	}
	if (a->count)
		a->next = (a->next + 1) % a->count;
	if (got < n && (!got || ++a->bursts >= PACKET_EVERY)) {
		a->bursts = 0;
		got += by_packet(a, false, v + got, n - got);
	}
	return got;
}

/* Takes back what left. */
static void xsk_reap(struct afxdp *a, struct xsk *x)
{
	struct pkt_pool *pool = a->port.pool;
	uint32_t n = load(x->done.producer) - x->done.at;

	for (uint32_t i = 0; i < n; i++) {
		struct pkt p = {.buf = pool->memory +
				       (*addr_at(&x->done, x->done.at++) & BASE_MASK)};

		pkt_release(pool, &p);
	}
	if (!n)
		return;
	publish(x->done.consumer, x->done.at);
	x->outstanding -= n;
	x->completed += n;
}

/* Has the kernel look at the transmit ring. A call takes a part of it where frames are copied. */
static void xsk_kick(struct afxdp *a, struct xsk *x)
{
	for (unsigned tries = 0; tries < PKT_BURST && wants_wakeup(&x->tx); tries++) {
		uint32_t before = load(x->tx.consumer);

		if (before == x->tx.at || sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 ||
		    errno == ENETDOWN)
			break;
		xsk_reap(a, x);
		if (load(x->tx.consumer) == before)
			break; /* not now: what is in the ring goes with the next */
	}
}

/* Puts a frame into the ring, which has room. */
static void xsk_put(const struct afxdp *a, struct xsk *x, const struct pkt *p)
{
	*desc_at(&x->tx, x->tx.at++) = (struct xdp_desc){
		.addr = base_of(a, p->buf) | (uint64_t)(p->data - p->buf)
						     << XSK_UNALIGNED_BUF_OFFSET_SHIFT,
		.len = p->len,
	};
	x->outstanding++;
}

/* The socket to send by, or NULL. */
static struct xsk *sender(const struct afxdp *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->xsk[i]->bound && !a->xsk[i]->stalled)
			return a->xsk[i];
	return NULL;
}

static bool fits_chunk(const struct pkt *p)
{
	return (size_t)(p->data - p->buf) + p->len <= PKT_CHUNK;
}

static unsigned afxdp_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct afxdp *a = afxdp_of(port);
	struct xsk *x = sender(a);
	unsigned sent = 0, others = 0;
	uint64_t bytes = 0;

	if (x && x->outstanding)
		xsk_reap(a, x);
	for (unsigned i = 0; i < n; i++) {
		if (!x || !(v[i].mark & PKT_SEALED) || !fits_chunk(&v[i])) {
			v[others++] = v[i];
			continue;
		}
		if (x->outstanding == XSK_RING) {
			count(&port->stats.tx_errors, 1);
			pkt_release(port->pool, &v[i]);
			continue;
		}
		bytes += v[i].len;
		xsk_put(a, x, &v[i]);
		sent++;
	}
	if (sent) {
		publish(x->tx.producer, x->tx.at);
		xsk_kick(a, x);
		count(&port->stats.tx_frames, sent);
		count(&port->stats.tx_bytes, bytes);
		count(&port->stats.xdp_tx, sent);
	}
	return others ? sent + by_packet(a, true, v, others) : sent;
}

/* What is in the transmit ring was not worth a call when it came, or leaves by itself. When nothing
 * comes out at the other end for long, the packet socket sends from now on. */
static void afxdp_tick(struct port *port, uint64_t now)
{
	struct afxdp *a = afxdp_of(port);

	if (!a->grow_at)
		a->grow_at = now + GROW_NS;
	for (unsigned i = 0; i < a->count; i++) {
		struct xsk *x = a->xsk[i];

		if (!x->bound)
			continue;
		xsk_kick(a, x);
		xsk_reap(a, x);
		if (a->grow_at && now >= a->grow_at)
			x->target = fill_target(port->pool);
		xsk_refill(a, x);
		if (!x->outstanding || x->completed != x->completed_then || !x->stall_at) {
			x->completed_then = x->completed;
			x->stall_at = now + STALL_NS;
			x->stalled = x->stalled && x->outstanding;
		} else if (now >= x->stall_at && !x->stalled) {
			x->stalled = true;
			count(&port->stats.xdp_stalls, 1);
		}
	}
}

static int afxdp_fd(const struct port *port)
{
	return afxdp_of(port)->epoll;
}

static int ring_map(struct ring *r, int fd, const struct xdp_ring_offset *off, uint64_t at,
		    size_t entry)
{
	size_t len = (size_t)off->desc + XSK_RING * entry;
	uint8_t *p =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)at);

	if (p == MAP_FAILED)
		return -errno;
	*r = (struct ring){
		.producer = (uint32_t *)(void *)(p + off->producer),
		.consumer = (uint32_t *)(void *)(p + off->consumer),
		.flags = (uint32_t *)(void *)(p + off->flags),
		.entries = p + off->desc,
		.map = p,
		.map_len = len,
	};
	return 0;
}

static void ring_unmap(struct ring *r)
{
	if (r->map)
		munmap(r->map, r->map_len);
}

static int rings_map(struct xsk *x)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int err;

	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0)
		return -errno;
	if (len != sizeof(off))
		return -EPROTO;
	err = ring_map(&x->rx, x->fd, &off.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc));
	if (!err)
		err = ring_map(&x->tx, x->fd, &off.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc));
	if (!err)
		err = ring_map(&x->fill, x->fd, &off.fr, XDP_UMEM_PGOFF_FILL_RING,
			       sizeof(uint64_t));
	if (!err)
		err = ring_map(&x->done, x->fd, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING,
			       sizeof(uint64_t));
	return err;
}

/* What was lent for receiving is taken back, for nobody writes there any more: the parent closed its
 * descriptor before, and this is the last one. A driver that does so itself may still be at it. */
static void xsk_free(struct afxdp *a, struct xsk *x)
{
	struct pkt_pool *pool = a->port.pool;

	if (x->bound)
		xsk_reap(a, x);
	ring_unmap(&x->rx);
	ring_unmap(&x->tx);
	ring_unmap(&x->fill);
	ring_unmap(&x->done);
	close(x->fd);
	for (unsigned i = 0; x->lent && !x->zerocopy && i < pool->count; i++) {
		struct pkt p = {.buf = pkt_pool_buffer(pool, i)};

		if (x->lent[i / 64] >> (i & 63) & 1)
			pkt_release(pool, &p);
	}
	pool->lenders--;
	free(x->lent);
	free(x);
}

int port_afxdp_map(struct port *port, unsigned queue, int fd)
{
	struct afxdp *a = afxdp_of(port);
	struct xsk *x = calloc(1, sizeof(*x));
	int err = -ENOMEM;

	if (x)
		x->lent = calloc((port->pool->count + 63) / 64, sizeof(*x->lent));
	if (!x || !x->lent || a->count == XSK_QUEUES || queue >= XSK_QUEUES) {
		if (x)
			free(x->lent);
		free(x);
		close(fd);
		return err;
	}
	x->fd = fd;
	x->queue = queue;
	port->pool->lenders++;
	/* The least at first, for what the kernel has is not had back: the next queue needs some, too,
	 * and one without would lose all that comes in by it. */
	x->target = FILL_MIN;
	err = rings_map(x);
	if (!err) {
		xsk_refill(a, x);
		err = x->filled < FILL_MIN ? -ENOBUFS : 0;
	}
	if (err) {
		xsk_free(a, x);
		return err;
	}
	a->grow_at = 0;
	a->xsk[a->count++] = x;
	return 0;
}

int port_afxdp_bound(struct port *port, unsigned queue, bool zerocopy)
{
	struct afxdp *a = afxdp_of(port);

	for (unsigned i = 0; i < a->count; i++) {
		struct xsk *x = a->xsk[i];
		struct epoll_event e = {.events = EPOLLIN};

		if (x->queue != queue)
			continue;
		if (!x->bound && epoll_ctl(a->epoll, EPOLL_CTL_ADD, x->fd, &e) < 0)
			return -errno;
		x->bound = true;
		x->zerocopy = zerocopy;
		return 0;
	}
	return -ENOENT;
}

void port_afxdp_drop(struct port *port)
{
	struct afxdp *a = afxdp_of(port);

	for (unsigned i = 0; i < a->count; i++)
		xsk_free(a, a->xsk[i]);
	a->count = a->next = 0;
}

static void afxdp_close(struct port *port)
{
	struct afxdp *a = afxdp_of(port);

	port_afxdp_drop(port);
	a->packet->ops->close(a->packet);
	if (a->epoll >= 0)
		close(a->epoll);
	free(a);
}

static const struct port_ops afxdp_ops = {
	.name = "af_xdp",
	.rx = afxdp_rx,
	.tx = afxdp_tx,
	.fd = afxdp_fd,
	.tick = afxdp_tick,
	.close = afxdp_close,
};

bool port_is_afxdp(const struct port *port)
{
	return port->ops == &afxdp_ops;
}

/* Takes over what the port before had, its counters and its sockets. */
static void adopt(struct afxdp *a, struct afxdp *former)
{
	a->port.stats = former->port.stats;
	memcpy(a->xsk, former->xsk, sizeof(a->xsk));
	a->count = former->count;
	former->count = 0;
	for (unsigned i = 0; i < a->count; i++) {
		struct epoll_event e = {.events = EPOLLIN};

		(void)epoll_ctl(former->epoll, EPOLL_CTL_DEL, a->xsk[i]->fd, NULL);
		if (a->xsk[i]->bound)
			(void)epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->xsk[i]->fd, &e);
	}
}

struct port *port_afxdp_new(struct port *packet, struct port *former)
{
	struct afxdp *a = calloc(1, sizeof(*a));
	struct epoll_event e = {.events = EPOLLIN};
	int err;

	if (!a) {
		packet->ops->close(packet);
		errno = ENOMEM;
		return NULL;
	}
	a->packet = packet;
	a->pitch = packet->pool->size / packet->pool->count;
	a->port.ops = &afxdp_ops;
	a->port.pool = packet->pool;
	memcpy(a->port.ifname, packet->ifname, sizeof(a->port.ifname));
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll < 0 || epoll_ctl(a->epoll, EPOLL_CTL_ADD, packet->ops->fd(packet), &e) < 0) {
		err = errno;
		afxdp_close(&a->port);
		errno = err;
		return NULL;
	}
	if (former && port_is_afxdp(former))
		adopt(a, afxdp_of(former));
	return &a->port;
}
