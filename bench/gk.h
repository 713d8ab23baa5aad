/* gk: a group with its members registered, for bench: key server and members without a network. */
#pragma once

#include "key/gikev2/member.h"
#include "key/gikev2/server.h"

extern uint64_t gk_now; /* the groups' clock */

uint64_t gk_clock(void); /* the machine's, ns */
void gk_random(void *ctx, void *buf, size_t n);

/* A key server of a group that signs with Ed25519, and this many members, numbered from 1. One at a
 * time. room: members at most. */
struct gks *gk_server(unsigned members, unsigned room);
void gk_server_free(struct gks *g);
struct gm *gk_member(void);
/* Registers or registers again; the key server's nanoseconds, and the answer's octets. */
uint64_t gk_register(struct gks *g, uint32_t id, struct gm *m, size_t *octets);
/* The record: its octets, 0: nothing has changed. */
size_t gk_save(struct gks *g);
/* All messages that wait go to one member, records in between; its nanoseconds and their octets. */
uint64_t gk_deliver(struct gks *g, struct gm *m, size_t *octets);
