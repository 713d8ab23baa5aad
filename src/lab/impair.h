/*
 * impair: what a carrier's service does to frames, by dice that a seed fixes.
 *
 * Loss, duplication and reordering are independent per frame and receiver; jitter adds delay and
 * keeps the order of frames between two ports, as a queue does. The policer is a token bucket
 * (RFC 2697's committed one, colour-blind): what finds too few tokens is dropped, never delayed.
 * Reads no clock. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPAIR_REORDER_NS (2ull * 1000000) /* how much later an overtaken frame arrives */
#define IMPAIR_COPIES 2
#define IMPAIR_FCS 4 /* octets the carrier counts and a TAP does not show */

struct impair {
	uint32_t loss_ppm, reorder_ppm, duplicate_ppm; /* of a million */
	uint64_t jitter_ns;                            /* added at random, at most this */
};

/* What one frame suffers on its way. */
struct impair_fate {
	unsigned copies; /* 0: lost */
	struct impair_copy {
		uint64_t late_ns; /* added to the way's delay */
		bool overtaken;   /* keeps no order with the others */
	} copy[IMPAIR_COPIES];
};

struct policer {
	uint64_t rate;    /* bit/s, 0: none */
	uint64_t burst;   /* octets */
	uint64_t tokens;  /* bits times 10^9 */
	uint64_t then_ns; /* when tokens was right */
};

/* xorshift64*: the carrier's dice need no strength. *dice is not 0. */
uint64_t impair_dice(uint64_t *dice);
void impair_frame(const struct impair *im, uint64_t *dice, struct impair_fate *out);

/* The bucket is full at first; burst is at most 10^9 octets. */
void policer_init(struct policer *p, uint64_t rate, uint64_t burst, uint64_t now);
/* True when a frame of so many octets, FCS and tags counted, conforms; it has then been paid for. */
bool policer_take(struct policer *p, size_t octets, uint64_t now);
