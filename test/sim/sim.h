/*
 * sim: MKA participants in virtual time on a LAN that misbehaves, with the daemon's own engine
 * objects, a model of forward under each, and data traffic whose every nonce is remembered.
 *
 *   world.c    nodes, clocks, the event queue, what the run must never see
 *   network.c  delays, loss, partitions, and somebody on the wire who forges and replays
 *   forward.c  the SAs of one node, as forward keeps them
 *   keys.c     key chains and fallbacks, who has which, and wall clocks
 *   story.c    what happens to the world in one run, drawn from its seed
 *   mka_sim.c  the runs
 *
 * One thread. Everything is drawn from the seed: a run replays exactly.
 */
#pragma once

#include "base/clock.h"
#include "key/mka/mka_i.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NODES (MKA_PEERS_MAX + 2) /* one more than a CA has room for */
#define SIM_TX_SAS 4
#define SIM_RX_SAS (SIM_NODES * MACSEC_AN_COUNT) /* by sender and AN */
#define SIM_TAPE 256                             /* frames the attacker has recorded */
#define SIM_WINDOW 1024                          /* replay window, packets */
#define SETTLE (30 * NS_PER_S) /* after the last fault, the time by which all must be well */

/* What can go wrong; each is counted, and a kind that never happened fails the test. */
enum sim_kind {
	SIM_LOSS,
	SIM_REORDER,
	SIM_DUPLICATE,
	SIM_PARTITION,
	SIM_ONE_WAY,
	SIM_HEAL,
	SIM_FORGE,        /* bits of a frame changed on the way, and injected besides */
	SIM_REPLAY,       /* an old frame sent again */
	SIM_REFLECT,      /* a frame returned to its sender */
	SIM_DATA_REPLAY,  /* an old packet of data sent again */
	SIM_KILL,         /* control dies, its successor has the record */
	SIM_KILL_UNSAVED, /* the same, between what forward was told and the record */
	SIM_RECORD_LOST,  /* control dies and the record with it; forward stays */
	SIM_REBOOT,       /* everything of a node is gone */
	SIM_FORWARD_DIES, /* its successor has the SAs */
	SIM_FORWARD_LOST, /* its successor has none */
	SIM_BOTH_LOST,    /* forward loses its SAs while control is being replaced */
	SIM_LEAVE,        /* a node is switched off for a while */
	SIM_SUSPEND,      /* control is away for longer than MKA Life Time, and had asked */
	SIM_DELAYED,      /* a packet held back for longer than delay protection lets pass */
	SIM_KEPT,         /* a SAK is kept though nobody is live */
	SIM_CLOCK_JUMP,   /* the boot clock of a node jumps ahead */
	SIM_DRIFT,
	SIM_REKEY, /* SAKs that replaced one */
	SIM_SERVER_CHANGE,
	SIM_ROLLOVER,      /* a node's principal is a newer key of the chain */
	SIM_FALLBACK,      /* a node's principal is the fallback now */
	SIM_FALLBACK_BACK, /* and a key of the chain again */
	SIM_MISMATCH,      /* a node is given other keys than the rest */
	SIM_MATCH,         /* and the right ones again */
	SIM_WALL_SET,      /* a wall clock is set, somewhere between a second and years off */
	SIM_KIND_COUNT
};

/* Deliberate mistakes in the model, besides those of the engine (enum mka_fault). */
enum sim_bug { SIM_NO_BUG, SIM_PN_REUSED };

struct sim;

struct rx_sa {
	bool used;
	struct sink_sa sa;
	uint64_t top;   /* largest packet number seen */
	uint64_t floor; /* lowest acceptable packet number */
	uint64_t seen[SIM_WINDOW / 64];
};

struct tx_sa {
	bool used;
	struct sink_sa sa;
	uint64_t next;
};

struct forward {
	struct rx_sa rx[SIM_RX_SAS];
	struct tx_sa tx[SIM_TX_SAS];
	int in_use; /* index into tx, -1: none */
	uint8_t retired[512][MACSEC_KEY_ID_LEN];
	unsigned retired_count;
	unsigned life; /* counts restarts: what was said to an earlier one is lost */
};

struct data {
	unsigned from;
	struct sink_sa sa;
	uint64_t pn, sent_at, hold; /* held back for so long, 0: not */
	bool owed[SIM_NODES];       /* it must arrive there */
};

struct node {
	struct sim *s;
	unsigned i;
	struct mka_config cfg;
	struct mka *m; /* NULL: control is down */
	bool on;
	uint64_t rng;
	uint64_t wall_off; /* of its wall clock, modulo 2^64 */
	bool wall_wrong;
	uint64_t principal; /* start of its principal's key; UINT64_MAX: the fallback */
	uint64_t offset;    /* of its clock at time 0 */
	int32_t ppm;        /* its clock's drift */
	unsigned life;      /* counts restarts of control */
	uint64_t wake_gen;
	uint8_t record[MKA_SAVE_MAX]; /* written when control dies: what it last had */
	size_t record_len;
	bool kill_unsaved; /* dies at the next call, before the record is written again */
	bool no_place;     /* has no part in what all agree on */
	bool kept;         /* was seen to keep a SAK by itself */
	uint64_t up_at;    /* since when neither its control nor its forward was restarted */
	struct forward fwd;
	uint64_t good_at; /* from then on nothing of it may be lost */
	uint64_t ks;      /* whom it last held for key server */
	uint64_t saks;
	uint64_t got[SIM_NODES]; /* packets accepted, by sender */
};

enum event_type { EV_WAKE, EV_FRAME, EV_DATA, EV_SEND, EV_REPORT, EV_STORY, EV_POLL, EV_KEYS };

struct event {
	uint64_t at, seq;
	enum event_type type;
	unsigned node, arg;
	uint64_t gen;
	void *body; /* freed with the event */
	size_t len;
};

struct sim {
	uint64_t seed, rng, now, seq, end;
	bool verbose;
	enum mka_fault fault;
	enum sim_bug bug;
	unsigned count;
	struct node nodes[SIM_NODES];

	struct event *heap;
	size_t heap_len, heap_cap;

	/* the network as it is now */
	uint64_t poll_ns;                       /* forward's packet numbers are reported so often */
	uint64_t delay_min, delay_max, send_ns; /* a packet of data from each node so often */
	unsigned loss, duplicate, reorder, attack; /* of 1000 */
	uint64_t rolls[2];                         /* when keys of the chain start */
	bool fallback;
	uint64_t keys_at; /* when keys of a node were last exchanged */
	bool blocked[SIM_NODES][SIM_NODES];
	bool calm;
	uint64_t calm_since;
	struct {
		uint8_t b[MKA_FRAME_MAX];
		size_t len;
		unsigned from;
	} tape[SIM_TAPE];
	unsigned tape_count;
	struct data data_tape[SIM_TAPE];
	unsigned data_tape_count;

	/* what was seen */
	uint64_t *nonces; /* a set of digests, open addressing */
	size_t nonce_cap, nonce_count;
	uint64_t kinds[SIM_KIND_COUNT];
	uint64_t packets, events;
	uint64_t agreed_at;    /* when all were last seen to agree, */
	uint64_t agreed_first; /* and first */
	char violation[256];
};

/* world.c */
uint64_t sim_random(uint64_t *state);
unsigned sim_below(struct sim *s, unsigned n); /* 0 … n - 1 */
bool sim_chance(struct sim *s, unsigned permille);
void sim_log(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_violate(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_at(struct sim *s, uint64_t at, enum event_type type, unsigned node, unsigned arg,
	    uint64_t gen, const void *body, size_t len);
/* True when the set had it already. */
bool sim_nonce_seen(struct sim *s, uint64_t digest);
uint64_t sim_digest(uint64_t h, const void *p, size_t n);
uint64_t node_time(const struct node *n, uint64_t at);
void node_start(struct node *n, bool with_record);
void node_kill(struct node *n);
void node_save(struct node *n);
void node_jump(struct node *n, uint64_t by); /* its clock */
/* Saves, sends what is to be sent, sets the clock: after every call on the engine. */
void node_done(struct node *n);
bool sim_agreed(const struct sim *s);
/* Nodes, clocks, and nothing that happens yet. */
void sim_init(struct sim *s, uint64_t seed, unsigned count);
/* One run; false when something was seen that must never be. */
bool sim_run(struct sim *s, uint64_t seed);
void sim_fini(struct sim *s);
void sim_loop(struct sim *s);

/* network.c */
void net_send(struct node *n, const uint8_t *frame, size_t len);
void net_data(struct node *n, const struct data *d);
void net_attack(struct sim *s);
bool net_perfect(const struct sim *s);

/* forward.c */
int fwd_add_receive(void *ctx, const struct sink_sa *sa);
int fwd_use_transmit(void *ctx, const struct sink_sa *sa);
void fwd_retire(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN], uint64_t sci);
void fwd_send(struct node *n);
void fwd_receive(struct node *n, const struct data *d, bool genuine);
void fwd_sync(struct node *n); /* reports of everything, then mka_synced() */
void fwd_restart(struct node *n, bool kept);
void fwd_poll(struct node *n); /* reports packet numbers */
void fwd_deliver(struct node *n, const struct event *e);

/* keys.c */
void keys_write(struct sim *s);
void keys_event(struct sim *s, unsigned node, unsigned what);
void keys_give(struct node *n, bool right); /* into its configuration */
void keys_watch(struct node *n);
bool keys_settled(const struct sim *s); /* all have the same principal */
uint64_t node_wall(const struct node *n);

/* story.c */
void story_write(struct sim *s);
/* All are switched on within a moment, on a perfect network, and left alone for so long; but for
 * the last few, `late`, which come when half of it is over and have no place. */
void story_join_at_once(struct sim *s, unsigned late, uint64_t for_ns);
void story_event(struct sim *s, const struct event *e);
const char *sim_kind_name(enum sim_kind k);
