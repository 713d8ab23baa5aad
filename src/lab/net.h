/*
 * net: namespaces, interfaces and kernel settings of a lab: the one file that runs `ip` and
 * moves this thread between network namespaces. One thread.
 */
#pragma once

#include "lab/plan.h"

#include <stdbool.h>

/* Makes the namespaces, lan cables, addresses and default routes of the hosts. 0 or -errno,
 * said on standard error. */
int net_make(const struct plan *p);

/* Opens the wan interfaces as TAPs in the nodes' namespaces; they are left down, since bringing
 * them up is the daemon's, once its guards stand. Fills the wires' descriptors. */
int net_open_wires(struct plan *p);

/* Removes every namespace whose name begins with `LAB.`, with all that is in it. */
int net_remove(const char *lab);
/* Calls fn for each of them. */
void net_each(const char *lab, void (*fn)(void *ctx, const char *netns), void *ctx);

/* Whether an interface is up and has a carrier: of an overlay, that a transmit key is in use. */
bool net_is_running(const char *netns, const char *ifname);

/* Moves this thread into a namespace, and back to where the process began. 0 or -errno. */
int net_enter(const char *netns);
void net_leave(void);

/* The same for good, with a /sys of that namespace: for a child that will exec. */
int net_become(const char *netns);
