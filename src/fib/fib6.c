/*
 * fib6: the writer's side of IPv6's nodes. One thread.
 *
 * A node is never changed in its shape: where runs of entries would begin or end elsewhere, another
 * one is made and takes its place in the node before it.
 */
#include "fib/fib_i.h"

static unsigned words_of(uint64_t starts)
{
	return 1 + ((unsigned)__builtin_popcountll(starts) + 1) / 2;
}

static uint32_t *slots_of(uint64_t *node)
{
	return (uint32_t *)(node + 1);
}

/* All 64 entries of a node one by one. */
static void expand(struct fib_writer *w, uint32_t place, uint32_t v[64])
{
	uint64_t *node = &w->f->nodes6[place];
	unsigned slot = 0;

	for (unsigned i = 0; i < 64; i++) {
		if (i && node[0] >> i & 1)
			slot++;
		v[i] = slots_of(node)[slot];
	}
}

static uint64_t starts_of(const uint32_t v[64])
{
	uint64_t starts = 1;

	for (unsigned i = 1; i < 64; i++)
		if (v[i] != v[i - 1])
			starts |= 1ull << i;
	return starts;
}

static void slots_write(uint64_t *node, uint64_t starts, const uint32_t v[64])
{
	unsigned slot = 0;

	for (unsigned i = 0; i < 64; i++) {
		if (!(starts >> i & 1))
			continue;
		if (slots_of(node)[slot] != v[i])
			fib_store(&slots_of(node)[slot], v[i]);
		slot++;
	}
}

/* The entry for these 64: a leaf, the node that was there, or another in place of it. */
static uint32_t compress(struct fib_writer *w, uint32_t old, const uint32_t v[64])
{
	const uint32_t place = old & (FIB_WORDS - 1);
	const uint64_t starts = starts_of(v);
	uint64_t *node;
	uint32_t fresh;

	if (old & FIB_CHILD && w->f->nodes6[place] == starts &&
	    !(starts == 1 && !(v[0] & FIB_CHILD))) {
		slots_write(&w->f->nodes6[place], starts, v);
		return old;
	}
	if (starts == 1 && !(v[0] & FIB_CHILD)) {
		fresh = v[0];
	} else {
		fresh = fib_place_take(w, words_of(starts));
		if (fresh == UINT32_MAX)
			return old;
		node = &w->f->nodes6[fresh];
		__atomic_store_n(node, starts, __ATOMIC_RELEASE);
		slots_write(node, starts, v);
		fresh |= FIB_CHILD;
	}
	if (old & FIB_CHILD)
		fib_place_leave(w, words_of(w->f->nodes6[place]), place);
	return fresh;
}

/* A range of `bits` bits from bit `at` on that a prefix covers, of which `first` is the first bits. */
static void range(const struct fib_change *c, unsigned at, unsigned bits, unsigned first,
		  unsigned *from, unsigned *to)
{
	unsigned n = c->len >= at + bits ? 1 : 1u << (at + bits - (c->len > at ? c->len : at));

	*from = c->len > at ? first & ~(n - 1) : 0;
	*to = *from + n;
}

static uint32_t child_apply(struct fib_writer *w, const struct fib_change *c, uint32_t entry,
			    unsigned at)
{
	uint32_t v[64];
	unsigned from, to;

	if (entry & FIB_CHILD)
		expand(w, entry & (FIB_WORDS - 1), v);
	else
		for (unsigned i = 0; i < 64; i++)
			v[i] = entry;
	range(c, at, 6, fib6_bits(c->high, c->low, at), &from, &to);
	for (unsigned i = from; i < to && !w->broken; i++) {
		if (v[i] & FIB_CHILD || c->len > at + 6)
			v[i] = child_apply(w, c, v[i], at + 6);
		else if (fib_takes(c, v[i]))
			v[i] = c->value;
	}
	return compress(w, entry, v);
}

void fib6_apply(struct fib_writer *w, const struct fib_change *c)
{
	uint32_t *v = w->f->root6;
	unsigned from, to;

	range(c, 0, 16, (unsigned)(c->high >> 48), &from, &to);
	for (unsigned i = from; i < to && !w->broken; i++) {
		uint32_t next = v[i];

		if (next & FIB_CHILD || c->len > 16)
			next = child_apply(w, c, next, 16);
		else if (fib_takes(c, next))
			next = c->value;
		if (next != v[i])
			fib_store(&v[i], next);
	}
}
