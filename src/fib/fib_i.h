/* fib_i: what the writer's files share. One thread. */
#pragma once

#include "fib/fib.h"

#include <errno.h>

#define FIB_CLASSES (FIB_NODE_WORDS + 1) /* places by their size in words; [0] is IPv4's tables */

/* Numbers of places. */
struct fib_list {
	uint32_t *v;
	size_t count, max;
};

struct fib_prefix {
	uint8_t addr[16];
	uint16_t hop;
	uint8_t family; /* 0: free; FIB_GONE: was in use */
	uint8_t len;
};

struct fib_writer {
	struct fib *f;
	bool broken;                 /* it could not hold all: of no use until cleared */
	struct fib_prefix *prefixes; /* a hash with open addressing */
	size_t slots, taken; /* slots: a power of two; taken: not free, those gone included */
	size_t count[2];     /* by family: 4, 6 */
	size_t lens[2][129]; /* prefixes of each length */
	uint32_t tables_top, words_top; /* never used from there on */
	size_t used;
	struct fib_list ready[FIB_CLASSES]; /* out of use long enough */
	struct fib_list left[FIB_CLASSES];  /* out of use since `turn` moved */
	size_t left_count;
};

/* What happens to the entries that a prefix covers. */
struct fib_change {
	unsigned len;   /* of the prefix */
	bool put;       /* else it goes */
	uint32_t value; /* what stands there then */
	uint64_t high, low;
};

static inline bool fib_takes(const struct fib_change *c, uint32_t entry)
{
	unsigned len = entry >> FIB_LEN_SHIFT & 0xff;

	return c->put ? len <= c->len : len == c->len;
}

static inline void fib_store(uint32_t *entry, uint32_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* A place for a table (class 0) or a node of so many words; UINT32_MAX: there is none, and the
 * table is broken. */
uint32_t fib_place_take(struct fib_writer *w, unsigned class);
void fib_place_leave(struct fib_writer *w, unsigned class, uint32_t place);

/* Applies a change to the tree of its family. */
void fib4_apply(struct fib_writer *w, const struct fib_change *c);
void fib6_apply(struct fib_writer *w, const struct fib_change *c);
