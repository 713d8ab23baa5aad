/*
 * report: what the terminal shows of a lab: progress while it comes up, then what was measured.
 */
#pragma once

#include "base/js.h"
#include "lab/plan.h"
#include "lab/probe.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One line per step, rewritten in place on a terminal. */
struct progress {
	FILE *out;
	bool terminal, colour;
	uint64_t began_ns;
	char step[16], last[160];
};

void progress_init(struct progress *p, FILE *out);
/* The step so far; repeated calls of one step replace its line. */
void progress_show(struct progress *p, const char *step, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The step's final word, and how long since the beginning. */
void progress_done(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct report {
	const struct plan *plan;
	struct js **peers;        /* per node of the plan: its answer to `show peers`, or NULL */
	struct js *carrier;       /* its status, or NULL */
	struct probe_ping *links; /* over the overlays, from node to node */
	unsigned link_count;
	struct probe_ping *hosts; /* from host to host, in order of the plan, all pairs both ways */
	unsigned host_pings;
	const struct plan_host *tcp_from, *tcp_to; /* NULL: not measured */
	struct probe_tcp tcp;
	uint64_t tcp_light_ns; /* round trip between the two by geography */
};

/* Per overlay, which pairs a ping of `links` is for: calls fn for a < b of the members that are
 * nodes and, in an overlay of design ipsec, have a tunnel. */
void report_each_link(const struct plan *p,
		      void (*fn)(void *ctx, const struct bb_overlay *o, const struct bb_member *a,
				 const struct bb_member *b),
		      void *ctx);

void report_print(const struct report *r, FILE *out);
/* Frames that the carrier saw and that were neither ciphertext nor an allowed exception. */
uint64_t report_neither(const struct js *carrier);
/* The carrier's view alone. */
void report_carrier(const struct js *carrier, FILE *out);
