/*
 * routes: the kernel's routes, mirrored by netlink into a table (fib/fib.h) that forward reads.
 *
 * Whoever put a route there (FRR, BIRD, DHCP, an operator, this daemon) is all the same. The mirror
 * follows the kernel's notifications; when some were lost, or the kernel may have removed routes
 * without a word, it reads everything again. What it cannot say exactly as the kernel would do it is
 * left to the kernel: several ways at once, encapsulations, types of service, metrics of a route.
 *
 *   routes.c      the routes of each prefix, which one holds, next hops and neighbours
 *   routes_nl.c   the socket: what is read, when, and how it becomes the above
 *   routes_show.c what `show routes` says
 *
 * A next hop is usable when it lies behind an overlay of ours and the kernel knows its MAC address as
 * reachable; else what goes there is the kernel's. One thread; bounded work at a time.
 */
#pragma once

#include "base/js.h"
#include "fib/fib.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct routes;

/* sock: a route netlink socket, subscribed by netlink_routes_open(); not owned. The area is cleared,
 * and its readers leave everything to the kernel until the first reading is done. NULL without
 * memory. */
struct routes *routes_new(void *area, size_t size, int sock);
void routes_free(struct routes *r);

/* The interface of an overlay's port; ifindex 0: there is none. */
void routes_port(struct routes *r, uint16_t port, uint32_t ifindex, const char *name);

/* The socket is readable: takes what is there, at most so much. */
void routes_read(struct routes *r, uint64_t now);
/* Does what is due; routes_deadline() is when to call it next. */
void routes_turn(struct routes *r, uint64_t now);
uint64_t routes_deadline(const struct routes *r);

/* What the kernel sent, as it stands in a datagram: for routes_read() and tests. */
void routes_input(struct routes *r, const void *buf, size_t len, uint64_t now);

struct js *routes_show(struct routes *r, uint64_t now);
