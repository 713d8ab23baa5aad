/* received: what ports on the kernel's descriptors count, and what a call of theirs has received so
 * far. Private to src/port. */
#pragma once

#include "port/super.h"

/* A counter with one writer, which others read at any time. */
static inline void count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

/* What a call of rx has so far. */
struct received {
	struct pkt *v;
	unsigned n, got;
	uint64_t bytes, errors, supers, no_buffer;
};

/* The next descriptor's frame is whole. */
static inline void received_add(struct received *r, uint32_t len)
{
	r->v[r->got].len = len;
	r->bytes += len;
	r->got++;
}

/* The next frame of the superframe at hand, in a buffer of its own and not added yet. NULL: there is
 * none left, no room, or no buffer, and with that what is left of the superframe is lost. */
static inline struct pkt *received_cut(struct received *r, struct segmenter *cut,
				       struct pkt_pool *pool)
{
	struct pkt *p = &r->v[r->got];

	if (!segmenter_left(cut) || r->got == r->n)
		return NULL;
	if (!pkt_alloc(pool, p)) {
		r->no_buffer++;
		cut->at = cut->len;
		return NULL;
	}
	p->len = segmenter_next(cut, p->data);
	return p;
}

/* Adds it to the port's counters. Returns how many frames there are. */
static inline unsigned received_count(const struct received *r, struct port_stats *s)
{
	count(&s->rx_frames, r->got);
	count(&s->rx_bytes, r->bytes);
	count(&s->rx_errors, r->errors);
	count(&s->rx_supers, r->supers);
	count(&s->rx_no_buffer, r->no_buffer);
	return r->got;
}
