/*
 * ike_world: IKEv2 nodes in virtual time on a network that misbehaves, with the daemon's own engine
 * objects and a model of forward under each.
 *
 *   ike_world.c  nodes, the network, forward's SAs, faults, what must never be seen
 *   ike_sim.c    the runs
 *
 * One thread. Everything is drawn from the seed: a run replays exactly.
 *
 * Held at every moment: what a node sends its data with is received at the other end, unless the
 * pair has an excuse (it has just begun, one of them lost its memory or was cut off, or gave the
 * other up after all retransmissions), and then not for longer than SETTLE after it; no two
 * different messages under one key with one IV; nothing is started without end. Held at the end,
 * after a calm: every pair has one IKE SA and one child, the same on both sides.
 */
#pragma once

#include "base/clock.h"
#include "key/ikev2/ikev2_i.h"

#define WORLD_NODES 50
#define WORLD_SLOTS 256
#define SETTLE (95 * NS_PER_S) /* all retransmissions of one exchange, and the next attempt */
#define UNHEARD (9 * NS_PER_S) /* one retransmission at its longest */

enum world_kind {
	W_LOSS,
	W_REORDER,
	W_DUPLICATE,
	W_FORGE,
	W_REPLAY,
	W_CUT,          /* a node is cut off for a while */
	W_KILL,         /* control dies; its successor has the records */
	W_KILL_UNSAVED, /* the same, before the last records were written and the messages sent */
	W_RECORDS_LOST, /* control dies and its records with it; forward stays */
	W_REBOOT,       /* everything of a node is gone */
	W_JUMP,         /* its clock jumps ahead */
	W_CROSSED,      /* both ends of a pair are told to rekey at the same moment */
	W_COLLISION,    /* rekeyings of the same SA that met */
	W_CHILD_REKEY,
	W_IKE_REKEY,
	W_GIVEN_UP, /* IKE SAs given up after all retransmissions */
	W_KIND_COUNT
};
const char *world_kind_name(enum world_kind k);

struct fwd_sa {
	struct fwd_sa *next;
	struct sink_esp sa;
	bool transmit;
	uint64_t order, until; /* until: by the node's clock, 0: for ever */
};

struct world;

struct wnode {
	struct world *w;
	unsigned i;
	struct ikev2 *e;
	struct esp_end at;
	uint64_t offset; /* of its clock */
	uint64_t rng;
	bool kill_unsaved, cut, blank; /* blank: nothing is known when it starts */
	struct fwd_sa *sas;
	uint8_t *records[WORLD_SLOTS];
	size_t record_len[WORLD_SLOTS];
	uint64_t lost; /* as last looked at */
	uint64_t excuse[WORLD_NODES], unheard_since[WORLD_NODES];
};

struct event {
	uint64_t at, seq;
	unsigned node;
	struct ikev2_datagram *d;
};

struct iv_seen {
	uint64_t key, content;
};

struct world {
	uint64_t seed, rng, now, seq, order, end;
	bool verbose;
	enum ikev2_fault fault;
	unsigned count;
	bool star; /* spokes know the hub alone */
	struct wnode nodes[WORLD_NODES];
	struct event *heap;
	size_t heap_len, heap_cap;
	unsigned loss, duplicate, reorder, attack; /* of 1000 */
	uint64_t child_rekey, ike_rekey;
	struct ikev2_datagram tape[32];
	unsigned tape_node[32], taped;
	struct iv_seen *ivs;
	size_t iv_cap, iv_count;
	uint64_t kinds[W_KIND_COUNT], messages;
	char violation[256];
};

/* One run; false when something was seen that must never be. */
bool world_run(struct world *w, uint64_t seed);
void world_fini(struct world *w);
