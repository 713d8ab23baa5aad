/*
 * wants: what control asks of the kernel, and what there is of it.
 *
 * Control names ports, addresses and routes; they are made, watched and made again when their
 * interface comes back. A restarted control names everything anew: what it does not name until
 * its MSG_WANT_DONE goes. Descriptors are kept here, so that a restarted role gets the same ones.
 *
 * A wan interface gets its guards before anything else happens to it, and they are looked after
 * at every tick. Parent thread only.
 */
#pragma once

#include "msg/msg.h"

struct wants;

/* How the answers leave; `fd` is -1 or stays the caller's. Must not fail. */
struct wants_say {
	void *ctx;
	void (*control)(void *ctx, const struct msg *m, int fd);
	void (*forward)(void *ctx, const struct msg *m, int fd);
};

struct wants *wants_new(const struct wants_say *say);
/* Closes every descriptor: overlay interfaces go, guards and addresses of other interfaces stay
 * (an address of a lan port may be the one an operator is connected to). */
void wants_free(struct wants *w);

/* Control was started, or names everything anew: nothing has been named yet. */
void wants_begin(struct wants *w);
void wants_port(struct wants *w, const struct msg_port_want *want);
void wants_address(struct wants *w, const struct msg_address_want *want);
void wants_neighbour(struct wants *w, const struct msg_neighbour_want *want);
void wants_route(struct wants *w, const struct msg_route_want *want);
void wants_done(struct wants *w);
/* Has the kernel look for a neighbour of an open port. */
void wants_probe(struct wants *w, const struct msg_neighbour_probe *probe);

/* Whether packets between overlays may pass by the kernel; mode: enum msg_cut. */
void wants_transit(struct wants *w, uint8_t mode);

/* Forward is about to be started, or is gone: the memory its packets are in (size bytes; taken, -1:
 * none). What AF_XDP had over the former is closed. */
void wants_pool(struct wants *w, int pool, size_t size);
/* Forward has mapped the rings of a socket, or could not. */
void wants_xsk_mapped(struct wants *w, const struct msg_xsk *m);
/* Forward was started: gives it every port there is. */
void wants_give(struct wants *w);
/* Tells control the counters of a wan port's guards. */
void wants_stats(struct wants *w, uint16_t port);
/* Something may have changed: looks after guards and interfaces. Every second, and whenever the
 * kernel tells of a change. */
void wants_tick(struct wants *w);
