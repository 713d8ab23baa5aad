/*
 * designated: which of the nodes of one site that bridge the same lan into the same overlay
 * forwards. Exactly one does, the best by the file's order that can; the others stand by. Sans
 * I/O: it is handed hellos (wire/bframe.h), what it can use, and time, and says what to send.
 *
 * Hellos go over the overlay alone, sealed like every frame, so nobody without its keys is heard,
 * and they take the way that a loop would take: where no hello passes between two nodes of a
 * site, no frame does. What follows from that:
 *
 * - A node listens for LISTEN before it may forward: after its start, after its lan, its wan or
 *   its keys were gone, and after it heard nobody at all, ever or for DEAD (its way into the
 *   overlay may be cut without its knowing; it then serves nobody anyway, and must not be found
 *   forwarding when the way heals).
 * - It forwards when no other of its site says that it does, and no better one that it could. It
 *   does so at once when all of them have said so lately, or else claims it for CLAIM first, in
 *   which a better one can object. One that was not heard for STALE may be anything by now, so
 *   nobody begins until it is heard again or GONE; CLAIM is longer than STALE, so who completes a
 *   claim was heard by everyone whom it heard. One that is cut off stops by DEAD after the cut,
 *   before GONE and CLAIM have passed for anybody else.
 * - It stops as soon as it hears that a better one could. What stopped says so at once, so a
 *   handover takes a round trip; what died is replaced after GONE and CLAIM.
 * - In a double fault (the lan and the overlay both in pieces) two may forward, each for its piece,
 *   until the first hello after the overlay healed, which is the first frame under a new key. Two
 *   rules of the bridge hold even then: what comes in the secure channel of a node of the same
 *   site never reaches the lan, and what was heard from a peer just now is not taken for the lan's.
 *
 * A secure channel has no name: whose it is, its hello says. Until it has spoken, or for LISTEN
 * where it may be a stranger's product that says none, nothing of it is let through.
 *
 * One thread.
 */
#pragma once

#include "wire/bframe.h"

#include <stdbool.h>
#include <stdint.h>

#define DESIGNATED_HELLO_NS UINT64_C(200000000)
#define DESIGNATED_DEAD_NS (3 * DESIGNATED_HELLO_NS)
#define DESIGNATED_GONE_NS (4 * DESIGNATED_HELLO_NS)
#define DESIGNATED_LISTEN_NS DESIGNATED_GONE_NS
#define DESIGNATED_CLAIM_NS (3 * DESIGNATED_HELLO_NS)
#define DESIGNATED_STALE_NS (2 * DESIGNATED_HELLO_NS)
#define DESIGNATED_SITE 8   /* nodes of one site */
#define DESIGNATED_PEERS 96 /* secure channels kept in mind */

struct designated_config {
	uint16_t self;                  /* our node's id */
	uint16_t site[DESIGNATED_SITE]; /* ids of the site's nodes, best first, self among them */
	bool strangers;                 /* there are members that say no hello */
	uint32_t instance;              /* another one at each start */
};

enum designated_origin {
	DESIGNATED_OTHER_SITE,
	DESIGNATED_OWN_SITE,
	DESIGNATED_UNKNOWN, /* it has not said */
};

struct designated_peer {
	uint64_t sci;  /* 0: free */
	uint16_t node; /* 0: it has not said */
	uint8_t state; /* enum bframe_state */
	uint32_t instance, sequence;
	uint64_t first_ns, heard_ns;
};

struct designated {
	struct designated_config config;
	enum bframe_state state;
	bool usable, hello_now;
	uint64_t since_ns, hello_ns;
	uint64_t heard_ns; /* of anybody; 0: never */
	uint32_t sequence;
	struct designated_peer peers[DESIGNATED_PEERS];
};

void designated_init(struct designated *d, const struct designated_config *c, uint64_t now);
/* Lan, wan and keys are there, or not. */
void designated_usable(struct designated *d, bool usable, uint64_t now);
/* A hello that came in the secure channel sci, verified. False when it says nothing new. */
bool designated_input(struct designated *d, uint64_t sci, const struct bframe_hello *h,
		      uint64_t now);
void designated_expire(struct designated *d, uint64_t now);
/* Something changed for whoever listens: a new key, a new peer. */
void designated_hello_soon(struct designated *d);
/* True: h is to be sent now, but for its addresses. */
bool designated_output(struct designated *d, struct bframe_hello *h, uint64_t now);
/* Whose a secure channel is that a frame came in. */
enum designated_origin designated_origin(struct designated *d, uint64_t sci, uint64_t now);
/* Alone at its site a node always forwards. */
bool designated_forwards(const struct designated *d);
bool designated_alone(const struct designated *d);
