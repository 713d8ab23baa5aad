/*
 * live: the one number of an SA that changes with packets, in memory that outlives the process.
 *
 * Transmit: the next packet number to hand out. Receive: the highest accepted, plus one. Two
 * slots are written in turn, each number with its complement, so a writer killed between two
 * stores leaves the number before. A stray write shows as a slot that no interrupted store
 * explains, and the SA is not used again.
 *
 * Written by the forward worker that owns the SA, read by its successor after its death; stores
 * need no order but the compiler's, for a process dies between two instructions.
 */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sa_live {
	_Alignas(64) struct {
		volatile uint64_t v, inverse;
	} slot[2];
};

static inline void sa_live_init(struct sa_live *l, uint64_t v)
{
	for (unsigned i = 0; i < 2; i++) {
		l->slot[i].v = v;
		l->slot[i].inverse = ~v;
	}
}

/* v is never below what was put before. *turn is the writer's own and says which slot is next. */
static inline void sa_live_put(struct sa_live *l, uint8_t *turn, uint64_t v)
{
	unsigned i = *turn & 1;

	*turn = (uint8_t)(i ^ 1);
	l->slot[i].v = v;
	l->slot[i].inverse = ~v;
	atomic_signal_fence(memory_order_seq_cst);
}

/* 0 and the number, or -EBADMSG. *turn is set so that the newer slot stays. */
static inline int sa_live_get(const struct sa_live *l, uint8_t *turn, uint64_t *v)
{
	uint64_t value[2], inverse[2];
	bool ok[2];
	unsigned keep;

	for (unsigned i = 0; i < 2; i++) {
		value[i] = l->slot[i].v;
		inverse[i] = l->slot[i].inverse;
		ok[i] = value[i] == ~inverse[i];
	}
	if (ok[0] && ok[1]) {
		keep = value[1] > value[0];
	} else if (ok[0] || ok[1]) {
		keep = ok[1];
		/* Interrupted: a newer number over an older one's complement. */
		if (value[keep ^ 1] < value[keep] || ~inverse[keep ^ 1] > value[keep])
			return -EBADMSG;
	} else {
		return -EBADMSG;
	}
	*turn = (uint8_t)(keep ^ 1);
	*v = value[keep];
	return 0;
}
