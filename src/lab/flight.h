/*
 * flight: frames on their way through the carrier, ordered by when they arrive.
 *
 * A binary heap with a bound on frames and bytes; frames due at the same time leave in the order
 * they came. A flooded frame is one buffer with several references. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
	unsigned refs;
	uint32_t len;
	uint8_t b[];
};

/* A copy with one reference, or NULL. */
struct frame *frame_new(const void *data, size_t len);
void frame_put(struct frame *f);

struct flight_item {
	uint64_t due_ns;
	uint64_t order;
	struct frame *frame;
	uint16_t port; /* where it comes out */
};

struct flight {
	struct flight_item *heap;
	size_t count, room;
	size_t max_frames, max_bytes; /* the bound */
	size_t bytes;
	uint64_t order;
	uint64_t refused; /* frames that did not fit */
};

void flight_init(struct flight *q, size_t max_frames, size_t max_bytes);
void flight_fini(struct flight *q);
/* Takes a reference of its own. False, and counted, when the bound is reached. */
bool flight_put(struct flight *q, struct frame *f, uint16_t port, uint64_t due_ns);
/* When the first frame is due, or UINT64_MAX. */
uint64_t flight_due(const struct flight *q);
/* Takes out the first frame due by now; the caller owns its reference. */
bool flight_take(struct flight *q, uint64_t now, struct flight_item *out);
