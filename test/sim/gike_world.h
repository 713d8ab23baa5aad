/*
 * A group's world for gike_sim.c: what it has of machines, messages and keys, and how it goes on.
 *
 *   gike_world.c    key server, network, members, their owner
 *   gike_forward.c  what members install, and what must hold of that
 *   gike_sim.c      the runs, and what must hold at every step
 */
#pragma once

#include "key/gikev2/fault.h"
#include "key/gikev2/member.h"
#include "key/gikev2/server.h"

#define SECOND 1000000000ull
#define STEP (SECOND / 2)
#define STEPS (3600 * 2)
#define QUIET (1200 * 2) /* steps at the end without faults */
#define TEK_PERIOD 300
#define SEEDS 200
#define BUG_SEEDS 50
#define MEMBERS_MAX 200
#define SPIS_MAX 4096
#define USES_MAX (1u << 15)
#define FLIGHT_STEPS 8 /* the longest delay of a datagram, steps */
#define LAST_COPY 16   /* steps after which the last copy has come, or is lost */
#define MESSAGES_MAX 1024

enum kind {
	K_LOST,
	K_DOUBLED,
	K_REPLAYED,
	K_MISSED, /* every copy was lost to a member */
	K_REGISTERED,
	K_REGISTRATION_LOST,
	K_SERVER_CRASH,
	K_CRASH_UNSAVED,
	K_MEMBER_CRASH,
	K_EXCLUDED,
	K_READMITTED,
	K_LEFT,
	K_RESET,
	K_INBAND,
	K_COUNT
};
struct flight { /* a datagram on its way to one member */
	struct flight *next;
	uint32_t to, message;
	size_t len;
	uint8_t b[];
};

struct node { /* a member's machine */
	struct gm *gm;
	uint64_t up_at;
	unsigned life;
	bool banned, lost;
	bool stranger;  /* it has not followed so far */
	uint64_t since; /* it cannot have what is older */
	uint64_t banned_at;
	/* a registration under way */
	bool asking;
	uint64_t answer_at, answer_made;
	uint16_t refused;
	struct secret gsk_w;
	size_t answer_len; /* 0: lost */
	uint8_t answer[8192];
	/* forward */
	unsigned receive_count, gone_count;
	uint32_t receive[GM_SAS_MAX + 8], gone[256];
	uint32_t transmit;
	bool by_rekey; /* what is installed now comes by a rekey */
};

struct message {
	uint64_t hash;
	unsigned step; /* first sent */
	bool judged;
	bool to[MEMBERS_MAX], got[MEMBERS_MAX];
	size_t len;
	uint8_t *b;
};

extern struct gike_world {
	uint64_t rnd, now;
	unsigned step, count;
	bool quiet, implicit;
	struct gks *server;
	uint64_t server_up_at;
	struct gks_config cfg;
	struct sign_key *key;
	uint8_t *record;
	size_t record_len;
	struct node v[MEMBERS_MAX];
	struct {
		uint32_t spi;
		uint64_t made_at;
		bool has_key;
		struct secret key;
	} spis[SPIS_MAX];
	unsigned spi_count;
	struct {
		uint32_t spi, sender, who;
		unsigned life;
	} uses[USES_MAX];
	unsigned use_count;
	struct message messages[MESSAGES_MAX];
	unsigned message_count;
	struct flight *flights[FLIGHT_STEPS + 1];
	uint64_t resets, reset_at;
	uint64_t kinds[K_COUNT];
	char why[256];
} gw;

uint64_t rnd(uint64_t below);
void random_bytes(void *ctx, void *buf, size_t n);
/* Whether a fault of that kind is to happen now. */
bool fault(enum kind k, unsigned per_mille);
/* The first one ends the run. */
void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* gike_forward.c */
struct sink_group_ops forward_of(struct node *n);
unsigned who_of(const struct node *n);
int spi_index(uint32_t spi); /* in gw.spis; -1: nobody made it */
bool receives(const struct node *n, uint32_t spi);

/* gike_world.c */
void world_init(uint64_t seed);
void world_fini(void);
void world_step(void);
bool in_group(const struct node *n);
