/*
 * probe: pings and a TCP transfer between namespaces of the lab.
 *
 * A socket belongs to the namespace it was made in, so one thread sits in all of them: it enters
 * each, opens a socket, and comes back.
 */
#pragma once

#include "config/backbone.h"

#include <stdbool.h>
#include <stdint.h>

struct probe_ping {
	const char *from;    /* namespace */
	struct bb_prefix to; /* address; family 0: nobody to ask */
	uint64_t expect_ns;  /* round trip by geography, for the report */
	unsigned sent, answered;
	uint64_t best_ns; /* shortest round trip; 0: none answered */
};

/*
 * Sends `rounds` echo requests for each, all pairs at once, and waits until every one of a round
 * was answered or wait_ns went by. Stops early, with fewer sent, when *stop becomes true.
 * 0 or -errno.
 */
int probe_pings(struct probe_ping *v, unsigned count, unsigned rounds, uint64_t wait_ns,
		const volatile bool *stop);

struct probe_tcp {
	uint64_t bytes;       /* arrived at the receiver's program */
	uint64_t took_ns;     /* from the first byte sent to the last one read */
	uint64_t rtt_ns;      /* as TCP measured it, smoothed, at the end */
	uint64_t window;      /* most bytes that were unacknowledged at once */
	uint32_t retransmits; /* segments */
	uint32_t mss;
};

/* Sends until for_ns went by, then lets the rest arrive. 0 or -errno (also when *stop). */
int probe_tcp(const char *from, const char *to, const struct bb_prefix *to_address, uint64_t for_ns,
	      struct probe_tcp *out, const volatile bool *stop);
