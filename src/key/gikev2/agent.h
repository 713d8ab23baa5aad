/*
 * agent: the groups of a node over its IKEv2 engine (RFC 9838 §2.3). It is the key server of some
 * and a member of others; it knows which group is spoken of and who may be in it, derives the keys
 * that wrap a group's, and has a member registered whenever it wants to be.
 *
 * Tunnels are the engine's; a member's number at a key server is its tunnel's. Groups are told apart by their
 * IDg alone. GSA_INBAND_REKEY does not say which group it is about: it is used with those that are
 * in one group only.
 *
 * It owns neither engine nor groups. After each call on the engine: records of key servers, then
 * those of the engine, then its output (see server.h, ikev2.h). One thread.
 */
#pragma once

#include "key/gikev2/member.h"
#include "key/gikev2/server.h"
#include "key/ikev2/ikev2.h"

#define AGENT_GROUPS_MAX 64 /* served, and joined */

struct agent;

struct agent *agent_new(void);
void agent_free(struct agent *a);
/* For the engine's env; the engine itself follows. */
struct ikev2_group_ops agent_ops(struct agent *a);
void agent_engine(struct agent *a, struct ikev2 *e);

/* The key server's side of a group. may: whether that peer is authorized. -ENOSPC. */
int agent_serve(struct agent *a, const struct ikev2_id *group, struct gks *g,
		bool (*may)(void *ctx, uint16_t tunnel), void *ctx);
/* The member's side of a group whose key server is that peer. -ENOSPC. */
int agent_join(struct agent *a, const struct ikev2_id *group, uint16_t tunnel, struct gm *m);

/* Members' time: call at or after agent_deadline(). */
void agent_expire(struct agent *a, uint64_t now);
uint64_t agent_deadline(const struct agent *a);

struct agent_show {
	bool asking;
	uint16_t error; /* of the last registration; 0: none, or no answer */
	uint64_t failures;
};
/* Of the i-th group that was joined, or false. */
bool agent_show(const struct agent *a, unsigned i, struct agent_show *out);
