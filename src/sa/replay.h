/*
 * replay: which packet numbers were accepted (802.1AE-2018 10.6.2, made exact: the standard
 * refuses what is below the window, here what is in the window is accepted once only).
 *
 * A ring of bits in the state area, a power of two and at least the window: bit p modulo its
 * size is number p's, for the `size` numbers below sa->next. The number in the area moves before
 * any bit is cleared or set, so a successor of a killed worker may refuse what never arrived and
 * never accepts what did. Run by the worker that owns the SA, after the ICV was verified.
 */
#pragma once

#include "sa/sa.h"

enum sa_replay {
	SA_FRESH,     /* not seen before */
	SA_LATE,      /* below the window or the lowest acceptable number */
	SA_DUPLICATE, /* in the window, accepted before */
	SA_DELAYED,   /* late, but replay protection is off */
};

/* The lowest number that may be accepted: lowestPN. */
static inline uint64_t sa_replay_lowest(const struct sa *sa)
{
	uint64_t low = sa->next > sa->window ? sa->next - sa->window : 0;

	return low > sa->bound ? low : sa->bound;
}

static inline bool replay_bit(const struct sa *sa, uint64_t pn)
{
	return sa->ring[(pn & sa->ring_mask) / 64] >> (pn % 64) & 1;
}

/* Before the cryptography: what may be refused already. Changes nothing. */
static inline enum sa_replay sa_replay_check(const struct sa *sa, uint64_t pn)
{
	if (pn >= sa->next)
		return pn == UINT64_MAX ? SA_LATE : SA_FRESH;
	if (!sa->protect)
		return SA_FRESH;
	if (pn < sa_replay_lowest(sa))
		return SA_LATE;
	return replay_bit(sa, pn) ? SA_DUPLICATE : SA_FRESH;
}

/* Moves the window so that pn is its last number. */
void sa_replay_advance(struct sa *sa, uint64_t pn);

/* For a number whose packet verified: the authoritative check, and the mark that it was seen. */
static inline enum sa_replay sa_replay_accept(struct sa *sa, uint64_t pn)
{
	uint64_t *word = &sa->ring[(pn & sa->ring_mask) / 64];

	if (pn >= sa->next) {
		if (pn == UINT64_MAX)
			return SA_LATE;
		if (pn == sa->next) {
			sa_live_put(sa->live, &sa->turn, ++sa->next);
			*word |= UINT64_C(1) << pn % 64;
		} else {
			sa_replay_advance(sa, pn);
		}
		return SA_FRESH;
	}
	if (pn < sa_replay_lowest(sa))
		return sa->protect ? SA_LATE : SA_DELAYED;
	if (*word >> pn % 64 & 1)
		return sa->protect ? SA_DUPLICATE : SA_FRESH;
	*word |= UINT64_C(1) << pn % 64;
	return SA_FRESH;
}

/*
 * The same for n packets that all verified and bear the numbers sa->next, sa->next + 1, …: all are
 * fresh. n is at most 64, and the numbers end before UINT64_MAX.
 */
static inline void sa_replay_accept_run(struct sa *sa, unsigned n)
{
	uint64_t from = sa->next, bits = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);

	sa->next += n;
	sa_live_put(sa->live, &sa->turn, sa->next);
	sa->ring[(from & sa->ring_mask) / 64] |= bits << from % 64;
	if (from % 64)
		sa->ring[((from + 63) & sa->ring_mask) / 64] |= bits >> (64 - from % 64);
}
