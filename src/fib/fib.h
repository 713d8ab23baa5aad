/*
 * fib: longest-prefix match of IPv4 and IPv6 addresses, in one area of memory that one process
 * writes and others read without locks, each under addresses of its own (offsets, no pointers).
 *
 * IPv4: 2^16 entries by the first half of the address, behind them tables of 256 by the third and
 * the fourth octet. IPv6: 2^16 entries, behind them nodes of six bits, in which a run of equal
 * entries is one slot and a popcount finds it. Chosen by measurement (bench/lpm).
 *
 * An entry is one 32-bit word, stored as a whole: a child, or a next hop with the length of the
 * prefix it comes from. What a writer takes out of use may still be read: it is used again only
 * after `turn` has moved on, and a reader that saw `turn` move throws away what it found.
 *
 * Every load of a reader acquires and every store of the writer releases, so no fence is needed.
 *
 * A reader trusts no offset: whatever stands in the area, it stays within it and ends.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FIB_HOPS 65536
#define FIB_PORTS 256
#define FIB_TABLES 16384     /* of 1 kB: IPv4; a power of two */
#define FIB_WORDS (1u << 21) /* of 8 bytes: IPv6's nodes; a power of two */
#define FIB_NODE_WORDS 33    /* of the largest node */
#define FIB_KERNEL 0         /* the next hop of what is the kernel's to forward */
#define FIB_CHILD (1u << 31) /* in an entry: the rest is a child's place */
#define FIB_LEN_SHIFT 16     /* in an entry: the prefix's length, above the next hop */
#define FIB_HOP_PORT_SHIFT 48

/* Where a next hop leads. One word, so that a reader sees all of it change at once. */
struct fib_hop {
	uint64_t way; /* port (its number, 0: the kernel's) << 48 | MAC address */
	uint32_t mtu; /* bytes of the largest IP packet */
	uint32_t reserved;
};

enum {
	FIB_PORT_FORWARD4 = 1 << 0, /* the kernel forwards what comes in there */
	FIB_PORT_FORWARD6 = 1 << 1,
};

struct fib {
	uint64_t live_until; /* clock_now(): nobody uses the table after it. 0: not to be used */
	uint32_t turn;
	uint32_t ports[FIB_PORTS]; /* FIB_PORT_*, by number */
	_Alignas(64) struct fib_hop hops[FIB_HOPS];
	uint32_t root4[65536];
	uint32_t root6[65536];
	uint32_t tables4[FIB_TABLES][256];
	/* A node: a word with a bit for each of 64 entries that differs from the one before it, then
	 * two of the different ones to a word. */
	uint64_t nodes6[FIB_WORDS + FIB_NODE_WORDS];
};

/* Readers. */

static inline uint32_t fib_load(const uint32_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* What follows is looked up between fib_begin() and fib_same(). */
static inline uint32_t fib_begin(const struct fib *f)
{
	return __atomic_load_n(&f->turn, __ATOMIC_ACQUIRE);
}

/* False: what was found since may be wrong. */
static inline bool fib_same(const struct fib *f, uint32_t turn)
{
	return __atomic_load_n(&f->turn, __ATOMIC_ACQUIRE) == turn;
}

static inline bool fib_live(const struct fib *f, uint64_t now)
{
	return now < __atomic_load_n(&f->live_until, __ATOMIC_ACQUIRE);
}

/* The next hop's number for an address, host order. */
static inline uint16_t fib4_lookup(const struct fib *f, uint32_t addr)
{
	uint32_t e = fib_load(&f->root4[addr >> 16]);

	if (e & FIB_CHILD) {
		e = fib_load(&f->tables4[e & (FIB_TABLES - 1)][addr >> 8 & 0xff]);
		if (e & FIB_CHILD)
			e = fib_load(&f->tables4[e & (FIB_TABLES - 1)][addr & 0xff]);
	}
	return (uint16_t)e;
}

/* Six bits of an address, from bit `at` on; beyond its end they are 0. */
static inline unsigned fib6_bits(uint64_t high, uint64_t low, unsigned at)
{
	if (at >= 64)
		return at > 122 ? (unsigned)(low << (at - 122)) & 63
				: (unsigned)(low >> (122 - at)) & 63;
	return at > 58 ? (unsigned)(high << (at - 58) | low >> (122 - at)) & 63
		       : (unsigned)(high >> (58 - at)) & 63;
}

static inline uint16_t fib6_lookup(const struct fib *f, const uint8_t addr[16])
{
	uint64_t high, low;
	uint32_t e;

	memcpy(&high, addr, 8);
	memcpy(&low, addr + 8, 8);
	high = be64toh(high);
	low = be64toh(low);
	e = fib_load(&f->root6[high >> 48]);
	for (unsigned at = 16; e & FIB_CHILD && at < 128; at += 6) {
		const uint64_t *node = &f->nodes6[e & (FIB_WORDS - 1)];
		uint64_t starts = __atomic_load_n(node, __ATOMIC_ACQUIRE);
		unsigned bits = fib6_bits(high, low, at);
		/* Bit 0 is always set in a node that a writer made. */
		unsigned slot = (unsigned)__builtin_popcountll(starts << (63 - bits)) - 1;

		e = fib_load((const uint32_t *)(node + 1) + (slot & 63));
	}
	return (uint16_t)e;
}

/* The writer. One for an area; not for the packet path: it allocates. */

struct fib_writer;

/* Bytes of an area, which is aligned to 64 bytes at least. */
size_t fib_size(void);
/* Takes the area over and clears it: whatever stood in it, it is not live. NULL without memory, or
 * when the area is too small. */
struct fib_writer *fib_writer_new(void *area, size_t size);
void fib_writer_free(struct fib_writer *w);
struct fib *fib_of(struct fib_writer *w);
/* Empties it. Readers may go on: to them it is not live from now on. */
void fib_clear(struct fib_writer *w);

/*
 * The prefix of `len` bits of addr (4 or 16 bytes, network order; family 4 or 6; what stands behind
 * the prefix is ignored) leads to the next hop, from now on. 0; -ENOSPC, -ENOMEM: the table cannot hold
 * it, is not live any more and is of no use until fib_clear(); -EINVAL.
 */
int fib_put(struct fib_writer *w, unsigned family, const uint8_t *addr, unsigned len, uint16_t hop);
/* The same; one that is not there is no error. */
int fib_del(struct fib_writer *w, unsigned family, const uint8_t *addr, unsigned len);
/* Prefixes in it. */
size_t fib_count(const struct fib_writer *w, unsigned family);
/* Bytes of tables and nodes in use. */
size_t fib_used(const struct fib_writer *w);

/* Before a next hop's number stands for another one than before: readers look again. */
void fib_turn(struct fib_writer *w);
void fib_hop_set(struct fib_writer *w, uint16_t hop, uint16_t port, const uint8_t mac[6],
		 uint32_t mtu);
void fib_port_set(struct fib_writer *w, uint16_t port, uint32_t flags);
/* 0: not to be used from now on. Without a call in time it ends by itself, as does its writer. */
void fib_live_set(struct fib_writer *w, uint64_t until);
