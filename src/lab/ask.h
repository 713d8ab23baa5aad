/*
 * ask: what a running lab says of itself: its daemons over their CLI sockets, its carrier over
 * RUN-DIR/carrier.sock. One thread.
 */
#pragma once

#include "base/js.h"
#include "lab/plan.h"
#include "lab/run.h"

/* The answer of a node's daemon, or NULL. The caller frees it. */
struct js *ask_node(const struct plan_node *n, const char *request);

/* A connection to the carrier, or -errno. */
int ask_carrier_open(const struct run *r);
/* The carrier's answer; NULL when it is not there. The caller frees it. */
struct js *ask_carrier(const struct run *r, const char *request);

/* The entry of a member in an answer to `show peers`, found by its SCI (a daemon learns names from
 * traffic only), when it is live and has a key in use; else NULL. */
const struct js *ask_find_peer(const struct plan *p, const struct js *peers,
			       const struct bb_overlay *o, const struct bb_member *m);
