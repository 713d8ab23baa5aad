/*
 * mactable: which address is behind which lan port or which peer (IEEE 802.1Q-2018 8.8).
 *
 * Everything is allocated at once and bounded: entries in all, entries of one place (a lan port or
 * a peer's secure channel), places. So a place that invents addresses fills its own share and
 * nobody else's. An address that keeps moving is frozen where it is (RFC 7432 15.1: five moves
 * within 180 s) until nothing has come from there for the ageing time.
 *
 * One thread. Time is nanoseconds of the boot-time clock, handed in. On the packet path: nothing
 * here allocates or searches more than a bucket's chain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACTABLE_PLACES 128
#define MACTABLE_MOVES 5
#define MACTABLE_MOVES_NS (180 * UINT64_C(1000000000))

enum mac_learn {
	MAC_KNOWN, /* where it was */
	MAC_NEW,
	MAC_MOVED,
	MAC_FROZEN, /* it moves too often: not followed */
	MAC_FULL,   /* no room in the table, of this place or for another place */
};

struct mac_entry {
	uint8_t mac[6];
	uint16_t place; /* index of places */
	uint64_t seen_ns;
	uint64_t moved_ns; /* when the moves counted began */
	uint8_t moves;
	bool used;
	uint32_t next; /* in the bucket or among the free, index + 1; 0 ends */
};

/* A lan port (its id) or a peer (its SCI: never below 2^16). */
struct mac_place {
	uint64_t key; /* 0: nobody's */
	uint32_t count;
	/* Frames flooded from there: what may still go, and since when it is counted. */
	uint64_t tokens, filled_ns;
};

struct mactable;

struct mactable_config {
	uint32_t entries, per_place;
	uint64_t ageing_ns;
	uint32_t flood; /* frames a second flooded from one place; 0: no limit */
};

struct mactable *mactable_new(const struct mactable_config *c);
void mactable_free(struct mactable *t);

/* A frame came from there with this source. Group addresses are never learned (MAC_FULL). */
enum mac_learn mactable_learn(struct mactable *t, const uint8_t mac[6], uint64_t place,
			      uint64_t now);
/* The place key of an address, 0 when it is not known or too old. seen (or NULL): when last. */
uint64_t mactable_find(struct mactable *t, const uint8_t mac[6], uint64_t now, uint64_t *seen);
/* A frame of that place is to be flooded: false when it is one too many. */
bool mactable_flood(struct mactable *t, uint64_t place, uint64_t now);
/* Takes out what is too old; looks at a part of the table at a time. */
void mactable_age(struct mactable *t, uint64_t now);
void mactable_flush(struct mactable *t);

uint32_t mactable_count(const struct mactable *t);
/* The i-th entry of at most mactable_size(), or NULL where none is. */
const struct mac_entry *mactable_at(const struct mactable *t, uint32_t i);
uint32_t mactable_size(const struct mactable *t);
uint64_t mactable_place(const struct mactable *t, const struct mac_entry *e);
