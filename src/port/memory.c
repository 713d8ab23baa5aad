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

static uint64_t bytes_of(const struct pkt *v, unsigned n)
{
	uint64_t bytes = 0;

	for (; n >= 4; v += 4, n -= 4)
		bytes += (uint64_t)v[0].len + v[1].len + v[2].len + v[3].len;
	while (n)
		bytes += v[--n].len;
	return bytes;
}

/* How many of n places from `at` on stand in one piece, before the ring begins anew. */
static unsigned in_one_piece(const struct memory *m, unsigned at, unsigned n)
{
	unsigned rest = m->mask + 1 - (at & m->mask);

	return n < rest ? n : rest;
}

static unsigned memory_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct memory *m = memory_of(port);

	if (n > m->head - m->tail)
		n = m->head - m->tail;
	for (unsigned done = 0, k; done < n; done += k) {
		k = in_one_piece(m, m->tail, n - done);
		memcpy(v + done, m->ring + (m->tail & m->mask), k * sizeof(*v));
		m->tail += k;
	}
	port->stats.rx_frames += n;
	port->stats.rx_bytes += bytes_of(v, n);
	return n;
}

/* A copy in a buffer of the other end's pool, which then takes p's place. False: no room. */
static bool memory_move(struct pkt_pool *from, struct pkt_pool *to, struct pkt *p)
{
	struct pkt copy;

	if (p->len > to->frame_max || !pkt_alloc(to, &copy))
		return false;
	memcpy(copy.data, p->data, p->len);
	copy.len = p->len;
	pkt_release(from, p);
	*p = copy;
	return true;
}

/* Gives the other end copies where it has a pool of its own. Returns how many there are. */
static unsigned memory_moved(struct memory *m, struct pkt *v, unsigned n)
{
	unsigned k = 0;

	if (m->other->port.pool == m->port.pool)
		return n;
	for (unsigned i = 0; i < n; i++)
		if (memory_move(m->port.pool, m->other->port.pool, &v[i]))
			v[k++] = v[i];
		else
			pkt_release(m->port.pool, &v[i]);
	return k;
}

static unsigned memory_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct memory *m = memory_of(port), *to = m->other;
	unsigned room = to ? to->mask + 1 - (to->head - to->tail) : 0, sent;

	for (unsigned i = room; i < n; i++)
		pkt_release(port->pool, &v[i]);
	sent = to ? memory_moved(m, v, n < room ? n : room) : 0;
	port->stats.tx_frames += sent;
	port->stats.tx_bytes += bytes_of(v, sent);
	port->stats.tx_errors += n - sent;
	for (unsigned done = 0, k; done < sent; done += k) {
		k = in_one_piece(to, to->head, sent - done);
		memcpy(to->ring + (to->head & to->mask), v + done, k * sizeof(*v));
		to->head += k;
	}
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
