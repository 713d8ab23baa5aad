/*
 * guarded: the interfaces whose guards this parent has put in place, which may carry several wan
 * ports each. A wan interface that is here stays here, whatever becomes of its ports: its guards
 * are never taken away. Parent thread only.
 */
#pragma once

#include "proc/guard.h"
#include "proc/netlink.h"

#include <stdbool.h>
#include <stddef.h>

struct guarded_if {
	char ifname[16];
	unsigned ifindex;
	struct guard *guard; /* NULL: could not be put in place, nothing uses the interface */
	bool shut;           /* set down by guarded_tick(), which sets it up again */
};

struct guarded {
	struct guarded_if *v;
	size_t count;
};

/* Frees the memory; the guards stay where they are. */
void guarded_fini(struct guarded *g);

/* The interface's guards stand and have these rules when this returns 0; else -errno. An interface
 * of the same name with another index is a new one. */
int guarded_put(struct guarded *g, const char *ifname, unsigned ifindex,
		const struct guard_rule *rules, unsigned count);
/* The same with a bridge's programs (guard_new_bridge()). */
int guarded_put_bridge(struct guarded *g, const char *ifname, unsigned ifindex, unsigned to,
		       uint32_t peers);
/* A lan interface that is bridged no more, or the inside of one: it is not looked after any more. */
void guarded_forget(struct guarded *g, const char *ifname);
/* Other rules for one that stands; without guards nothing happens. 0 or -errno. */
int guarded_rules(struct guarded_if *i, const struct guard_rule *rules, unsigned count);

/* The guards of an interface, or NULL. */
const struct guard *guarded_find(const struct guarded *g, const char *ifname);

/* Puts back what was taken away. An interface whose guards cannot be put back is set down, and up
 * again once they can. */
void guarded_tick(struct guarded *g, struct netlink *nl);
