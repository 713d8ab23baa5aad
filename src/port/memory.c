/*
 * memory: a port whose wire is a ring of descriptors, for tests and benchmarks. One thread runs
 * both ends.
 */
#include "port/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
	struct port port;
	struct memory *other; /* who receives what this one transmits, or NULL */
	unsigned head, tail;  /* of this one's receive ring; they count up and wrap */
	unsigned mask;
	struct pkt ring[];
};

static struct memory *memory_of(struct port *port)
{
	return (struct memory *)port; /* port is its first member */
}

static unsigned memory_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct memory *m = memory_of(port);
	unsigned got = 0;
	uint64_t bytes = 0;

	while (got < n && m->tail != m->head) {
		v[got] = m->ring[m->tail++ & m->mask];
		bytes += v[got++].len;
	}
	port->stats.rx_frames += got;
	port->stats.rx_bytes += bytes;
	return got;
}

/* Hands p over, or a copy when the other end has a pool of its own. False: no room there. */
static bool memory_give(struct memory *m, struct pkt *p)
{
	struct memory *to = m->other;
	struct pkt copy;

	if (!to || to->head - to->tail > to->mask)
		return false;
	if (to->port.pool != m->port.pool) {
		if (p->len > pkt_pool_frame_max(to->port.pool) || !pkt_alloc(to->port.pool, &copy))
			return false;
		memcpy(copy.data, p->data, p->len);
		copy.len = p->len;
		pkt_release(m->port.pool, p);
		*p = copy;
	}
	to->ring[to->head++ & to->mask] = *p;
	return true;
}

static unsigned memory_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct memory *m = memory_of(port);
	unsigned sent = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = v[i].len;

		if (memory_give(m, &v[i])) {
			bytes += len;
			sent++;
		} else {
			pkt_release(port->pool, &v[i]);
		}
	}
	port->stats.tx_frames += sent;
	port->stats.tx_bytes += bytes;
	port->stats.tx_errors += n - sent;
	return sent;
}

static int memory_fd(const struct port *port)
{
	(void)port;
	return -1;
}

static void memory_close(struct port *port)
{
	struct memory *m = memory_of(port);

	while (m->tail != m->head)
		pkt_release(port->pool, &m->ring[m->tail++ & m->mask]);
	if (m->other)
		m->other->other = NULL;
	free(m);
}

static const struct port_ops memory_ops = {
	.name = "memory",
	.rx = memory_rx,
	.tx = memory_tx,
	.fd = memory_fd,
	.close = memory_close,
};

struct port *port_memory_new(unsigned ring_size, struct pkt_pool *pool)
{
	static unsigned number;
	struct memory *m;

	if (!ring_size || (ring_size & (ring_size - 1)) != 0) {
		errno = EINVAL;
		return NULL;
	}
	m = calloc(1, sizeof(*m) + ring_size * sizeof(m->ring[0]));
	if (!m)
		return NULL;
	m->mask = ring_size - 1;
	m->port.ops = &memory_ops;
	m->port.pool = pool;
	snprintf(m->port.ifname, sizeof(m->port.ifname), "memory%u", number++ % 1000);
	return &m->port;
}

void port_memory_join(struct port *a, struct port *b)
{
	memory_of(a)->other = memory_of(b);
	memory_of(b)->other = memory_of(a);
}
