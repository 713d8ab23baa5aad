/*
 * neighbours: the entries that the kernel's neighbour tables must have: which MAC address stands
 * for which peer of an overlay that is no real Ethernet. Parent thread only.
 */
#pragma once

#include "msg/msg.h"
#include "proc/netlink.h"

#include <stdbool.h>
#include <stddef.h>

struct neighbour {
	struct msg_neighbour_want want;
	bool named; /* since control was started */
};

/* All zero is empty. */
struct neighbours {
	struct neighbour *v;
	size_t count;
};

/* The interface of a port as it is now, 0: there is none. */
typedef unsigned neighbours_ifindex_fn(void *ctx, uint16_t port);

void neighbours_fini(struct neighbours *n);
/* Control says everything again: what it does not name goes at neighbours_prune(). */
void neighbours_begin(struct neighbours *n);
void neighbours_want(struct neighbours *n, struct netlink *nl,
		     const struct msg_neighbour_want *want, unsigned ifindex);
/* Sets those of a port whose interface has just come. */
void neighbours_apply(const struct neighbours *n, struct netlink *nl, uint16_t port,
		      unsigned ifindex);
void neighbours_prune(struct neighbours *n, struct netlink *nl, neighbours_ifindex_fn *ifindex_of,
		      void *ctx);
