/* fib4: the writer's side of IPv4's tables. One thread. */
#include "fib/fib_i.h"

/* A range of a table that a prefix covers: entries of `bits` bits that begin at bit `at`. */
static void range(const struct fib_change *c, unsigned at, unsigned bits, unsigned *from,
		  unsigned *to)
{
	unsigned first = (uint32_t)c->high >> (32 - at - bits) & ((1u << bits) - 1);
	unsigned n = c->len >= at + bits ? 1 : 1u << (at + bits - (c->len > at ? c->len : at));

	*from = c->len > at ? first & ~(n - 1) : 0;
	*to = *from + n;
}

static uint32_t child_apply(struct fib_writer *w, const struct fib_change *c, uint32_t entry,
			    unsigned at);

/* All entries of the prefix in one table. */
static void entries_apply(struct fib_writer *w, const struct fib_change *c, uint32_t *v,
			  unsigned at, unsigned bits)
{
	unsigned from, to;

	range(c, at, bits, &from, &to);
	for (unsigned i = from; i < to && !w->broken; i++) {
		uint32_t next = v[i];

		if (next & FIB_CHILD || c->len > at + bits)
			next = child_apply(w, c, next, at + bits);
		else if (fib_takes(c, next))
			next = c->value;
		if (next != v[i])
			fib_store(&v[i], next);
	}
}

/* What stands at an entry after the change behind it: a table, or what all of it says. */
static uint32_t child_apply(struct fib_writer *w, const struct fib_change *c, uint32_t entry,
			    unsigned at)
{
	uint32_t place = entry & (FIB_TABLES - 1), *v;
	bool fresh = !(entry & FIB_CHILD), same = true;

	if (fresh) {
		place = fib_place_take(w, 0);
		if (place == UINT32_MAX)
			return entry;
	}
	v = w->f->tables4[place];
	for (unsigned i = 0; fresh && i < 256; i++)
		fib_store(&v[i], entry);
	entries_apply(w, c, v, at, 8);
	for (unsigned i = 1; i < 256 && same; i++)
		same = v[i] == v[0];
	if (!same || v[0] & FIB_CHILD)
		return FIB_CHILD | place;
	fib_place_leave(w, 0, place);
	return v[0];
}

void fib4_apply(struct fib_writer *w, const struct fib_change *c)
{
	entries_apply(w, c, w->f->root4, 0, 16);
}
