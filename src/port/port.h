/*
 * port: burst I/O behind one small vtable, and the buffers that move through it.
 *
 * A frame in flight is a `struct pkt` descriptor that owns one buffer of a pool. A receive call
 * fills descriptors with frames and gives them away; a transmit call consumes every descriptor
 * it is handed, sent or not. Each port and pool belongs to one worker thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_BURST 64     /* descriptors in a burst, at most */
#define PKT_HEADROOM 174 /* bytes in front of a received frame, for tags put before it */
#define PKT_TAILROOM 64  /* bytes behind the longest frame, for an ICV */

/* Marks, set by one stage and required by another. */
enum {
	PKT_SEALED = 1 << 0, /* set by the AEAD stage alone: this is ciphertext of ours */
	PKT_UNVERIFIED =
		1 << 2,        /* set by macsec_in alone: let through by validate check, disabled */
	PKT_OPENED = 1 << 1,   /* set by the AEAD stage alone: this authenticated */
	PKT_OWN = 1 << 3,      /* made by the worker itself, towards an overlay: ICMP */
	PKT_BYPASSED = 1 << 5, /* set by the rules stage alone: to pass in clear, the file says */
	PKT_LOCAL = 1 << 4,    /* set by the bridge alone: from a lan port, for another */
	PKT_CLEAR = 1 << 6, /* set where an overlay goes in clear: it has no key in use, and may */
};

struct pkt {
	uint8_t *data; /* first byte of the frame (destination MAC address) */
	uint32_t len;  /* bytes, without FCS */
	uint16_t mark; /* PKT_* */
	uint16_t fate; /* scratch of the packet path: where this packet goes next */
	uint8_t *buf;  /* the buffer that holds it, of the worker's pool */
};

/* Fixed-size buffers, last in first out so that the hot ones are used again first. The fields are
 * pool.c's, and here for what is inline below. */
struct pkt_pool {
	unsigned count, frame_max;
	unsigned free;   /* how many stand in the stack */
	size_t stride;   /* bytes of one buffer */
	uint8_t *memory; /* all of them; `shared`: mapped from a descriptor */
	size_t size;     /* bytes of it */
	bool shared;
	unsigned lenders; /* rings of the kernel's that keep some for what comes in */
	uint8_t *stack[]; /* the free ones; the top is taken next */
};

/* count buffers that each hold frames of up to frame_max bytes besides head- and tailroom. */
struct pkt_pool *pkt_pool_new(unsigned count, unsigned frame_max);
/*
 * The same over the whole of a memfd of pkt_pool_size(), for AF_XDP: the kernel reads and writes
 * frames in it. Each buffer begins with PKT_CHUNK bytes that lie within one page; their distance
 * from the start of the memory is what the kernel's rings call it by. NULL with errno.
 */
#define PKT_CHUNK 2048
struct pkt_pool *pkt_pool_new_shared(int fd, unsigned count, unsigned frame_max);
size_t pkt_pool_size(unsigned count, unsigned frame_max);
/* The i-th buffer of such a pool. */
uint8_t *pkt_pool_buffer(const struct pkt_pool *pool, unsigned i);
void pkt_pool_free(struct pkt_pool *pool);
/* A buffer with data at PKT_HEADROOM and len 0. False when the pool is empty. */
static inline bool pkt_alloc(struct pkt_pool *pool, struct pkt *p)
{
	uint8_t *buf;

	if (!pool->free)
		return false;
	buf = pool->stack[--pool->free];
	*p = (struct pkt){.buf = buf, .data = buf + PKT_HEADROOM};
	return true;
}

static inline void pkt_release(struct pkt_pool *pool, struct pkt *p)
{
	pool->stack[pool->free++] = p->buf;
	p->buf = p->data = NULL;
	p->len = 0;
}

/* Bytes free in front of and behind the frame within its buffer. */
static inline size_t pkt_headroom(const struct pkt *p)
{
	return (size_t)(p->data - p->buf);
}

static inline size_t pkt_tailroom(const struct pkt_pool *pool, const struct pkt *p)
{
	return pool->stride - (size_t)(p->data - p->buf) - p->len;
}

/* Counted by the port, read by others at any time: relaxed atomic stores of one writer. */
struct port_stats {
	uint64_t rx_frames, rx_bytes,
		rx_errors; /* errors: too long, truncated, offload unfinished */
	uint64_t tx_frames, tx_bytes, tx_errors; /* errors: the kernel refused or dropped */
	/* Superframes that frames came in or left in; those whose rest found no buffer. */
	uint64_t rx_supers, tx_supers, rx_no_buffer;
	uint64_t xdp_rx, xdp_tx; /* of the frames: those that went by AF_XDP */
	uint64_t xdp_stalls;     /* how often AF_XDP was given up for sending: nothing left */
};

struct port;

struct port_ops {
	const char *name; /* "tap", "af_packet", "memory" */
	/* Up to n frames, each in a fresh buffer of the pool. Never blocks. Returns how many. */
	unsigned (*rx)(struct port *port, struct pkt *v, unsigned n);
	/* Sends n frames and releases every buffer. Returns how many went out; the others are
	 * tx_errors. Never blocks. */
	unsigned (*tx)(struct port *port, struct pkt *v, unsigned n);
	/* Descriptor that polls readable when rx has frames, or -1 (memory). */
	int (*fd)(const struct port *port);
	/* Overlay interfaces: tells the kernel whether the link is up. May be NULL. */
	void (*carrier)(struct port *port, bool up);
	/* Now and then (fwd_tick()'s clock): looks whether what was sent left. May be NULL. */
	void (*tick)(struct port *port, uint64_t now);
	void (*close)(struct port *port);
};

struct port {
	const struct port_ops *ops;
	struct pkt_pool *pool; /* where rx takes and tx returns buffers; not owned */
	struct port_stats stats;
	bool clear; /* a wan interface: frames marked PKT_CLEAR go out too */
	char ifname[16];
};

/* Both take ownership of fd (non-blocking) and return NULL with errno set on failure. */
struct port *port_tap_new(int fd, const char *ifname, struct pkt_pool *pool);
/* A raw AF_PACKET socket bound to its interface. A tag the kernel took out of a received frame
 * is put back in before the frame is handed on. */
struct port *port_afpacket_new(int fd, const char *ifname, struct pkt_pool *pool);
/*
 * Takes a port_afpacket_new() over: frames of ours go by AF_XDP as soon as it has sockets for it, and
 * all else, in and out, by `packet`. `former`, if not NULL, is a port of this kind that this one takes
 * the place of: its AF_XDP sockets are this one's from now on. The pool is shared memory. NULL with
 * errno, and `packet` closed.
 */
struct port *port_afxdp_new(struct port *packet, struct port *former);
bool port_is_afxdp(const struct port *port);
/* Maps the rings of an xsk_open() and gives it buffers; takes fd, in failure too. Nothing is sent
 * by it before port_afxdp_bound(). 0 or -errno. */
int port_afxdp_map(struct port *port, unsigned queue, int fd);
/* It is bound to that queue of the interface. zerocopy: the driver reads and writes the pool. */
int port_afxdp_bound(struct port *port, unsigned queue, bool zerocopy);
/* Gives them all up; what is left goes by `packet`. */
void port_afxdp_drop(struct port *port);
/*
 * A port in memory, for tests and benchmarks: a ring of ring_size descriptors (a power of two)
 * waiting to be received. Joined ports receive what the other transmits; between ports of one
 * pool the buffers change hands, between two pools the frames are copied. A port that is not
 * joined transmits to nowhere (tx_errors). NULL with errno. Closing either end parts them.
 */
struct port *port_memory_new(unsigned ring_size, struct pkt_pool *pool);
void port_memory_join(struct port *a, struct port *b);
