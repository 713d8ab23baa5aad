/*
 * lanes: threads that do nothing but the cryptography of bursts, so that one SA is served by more
 * than one core.
 *
 * The worker (its thread is called the owner here) keeps everything else: it finds the SA, takes
 * packet numbers, writes headers, and hands a job over: the burst's packets as the AEAD sees them.
 * It goes on with the next burst meanwhile, does a share of the jobs itself, and gets them back in
 * the order in which it handed them over, whoever did them. So packets keep their order, and the
 * replay window is moved by the owner alone, after the tag, in that order.
 *
 * Jobs stand in a ring of places. A place's word says what its job is at: READY, then TAKEN by one
 * lane or by the owner (whoever makes the exchange), then DONE. Only the owner puts in and takes
 * out; nothing is locked, allocated or copied. A lane that finds nothing spins for a moment and then
 * sleeps on a futex, which the owner rings only if somebody sleeps. The owner waits for a lane in
 * two cases alone: the ring is full, and lanes_wait(), before keys or ports change.
 *
 * What a job points to is the lane's from lanes_give() until it comes back, and nobody else's.
 */
#pragma once

#include "crypto/aead.h"
#include "port/port.h"

#include <stdbool.h>
#include <stdint.h>

#define LANES_MAX 8    /* threads beside the owner's */
#define LANES_FLYING 8 /* jobs handed over and not back yet, at most */

struct lanes;

/* Packets in a row under one key, or none: they are left as they are. */
struct lane_run {
	const struct aead_key *key;
	uint16_t at, n; /* of the job's ops */
};

struct lane_job {
	struct aead_op *ops;
	bool open; /* else seal */
	unsigned runs;
	struct lane_run run[PKT_BURST];
};

/* Starts n threads, 1 to LANES_MAX, that end with lanes_free(). NULL with errno. */
struct lanes *lanes_new(unsigned n);
/* Nothing may be flying. NULL is allowed. */
void lanes_free(struct lanes *l);
unsigned lanes_count(const struct lanes *l);

/* The owner's calls. */

/* How many jobs are handed over and not back yet. */
unsigned lanes_flying(const struct lanes *l);
/* A lane would come to another job soon: fewer wait than there are lanes. */
bool lanes_want(const struct lanes *l);
/* Hands a job to the lanes. There is room: fewer than LANES_FLYING are flying. */
void lanes_give(struct lanes *l, struct lane_job *j);
/* The owner does it at once, and it comes back in its turn. The same room is needed. */
void lanes_keep(struct lanes *l, struct lane_job *j);
/* Does one that no lane has begun, if there is one. */
bool lanes_help(struct lanes *l);
/* The oldest job, if it is done; NULL: it is not, or there is none. */
struct lane_job *lanes_back(struct lanes *l);
/* The oldest job, waiting for it: whatever waits in front of the lanes the owner does itself. NULL:
 * there is none. */
struct lane_job *lanes_wait(struct lanes *l);

/* Does a job here and now, without lanes. */
void lane_job_run(struct lane_job *j);

/* What was done so far: by lane `which`, from 0. */
struct lane_count {
	uint64_t jobs, packets;
};
struct lane_count lanes_done(const struct lanes *l, unsigned which);
