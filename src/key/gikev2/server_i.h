/*
 * What the files of a key server share; nothing else includes this.
 *
 *   server.c          life, members, registration, time
 *   server_message.c  payloads; GSA_REKEY from a draft to the queue
 *   server_save.c     the record
 */
#pragma once

#include "base/clock.h"
#include "key/gikev2/server.h"

#define TEKS_MAX 7 /* sets of Data-Security SAs at a time */
#define SECOND 1000000000ull

struct tek { /* a set: an SA for each flow */
	uint64_t made_at, hard_at;
	uint32_t spi[GKS_FLOWS_MAX];
	struct secret key[GKS_FLOWS_MAX];
};

struct kek { /* the Rekey SA */
	struct rekey_sa sa;
	uint8_t keymat[REKEY_KEYMAT_MAX];
	size_t keymat_len;
	uint64_t made_at, hard_at;
	uint32_t message_id;                 /* of the next message */
	uint64_t iv;                         /* of the next message */
	uint8_t next_spi[IKE_REKEY_SPI_LEN]; /* promised for the one after it */
};

struct gks_member {
	uint32_t id, place;
	bool in, banned;
	uint8_t spent;      /* registrations of a burst */
	uint64_t spared_at; /* since then one has come back every_ns later, each */
};

struct pending { /* a message that waits for its signature */
	struct pending *next;
	uint32_t sign_id, message_id;
	uint64_t iv;
	struct rekey_sa sa;
	struct rekey_draft draft;
};

struct queued { /* a sealed message */
	struct queued *next;
	uint64_t made_at, at; /* at: not before */
	unsigned left;
	size_t len;
	uint8_t b[];
};

struct build { /* GSA and KD that are being put together */
	struct gike_gsa gsa;
	struct gike_kd kd;
	unsigned sa_count;
	struct lkh_wrapped sa[GKS_FLOWS_MAX * TEKS_MAX + 1];
	struct lkh_wrapped keys[GIKE_KEYS_MAX], wraps[GIKE_KEYS_MAX];
	int err;
};

struct gks {
	struct gks_config cfg;
	struct gks_env env;
	uint64_t now; /* as last said */
	struct lkh *tree;
	struct gks_member *m; /* by id */
	unsigned m_count, m_room;
	struct kek kek;
	struct tek teks[TEKS_MAX]; /* newest first */
	unsigned tek_count;
	uint32_t sender_next;
	uint32_t sign_id;
	bool dirty;
	uint64_t told_at;  /* the last message was made */
	uint64_t again_at; /* nobody is registered before: members are being told something */
	struct pending *pending;
	struct queued *queue;
	uint64_t rekeys, resets, refused;
	struct build b;
};

/* server.c */
size_t server_tek_len(const struct gks *g);
/* A fresh one for a Rekey SA. */
void server_spi(struct gks *g, uint8_t spi[IKE_REKEY_SPI_LEN]);
struct gks_member *server_member(const struct gks *g, uint32_t id);
/* 0: that place in the order, made; -ENOMEM. */
int server_member_add(struct gks *g, uint32_t id, struct gks_member **out);

/* server_message.c */
void build_begin(struct gks *g);
/* registration: with GCAUTH; keys are added apart. */
void build_kek(struct gks *g, const struct kek *k, enum gike_where where, uint64_t now);
void build_kek_key(struct gks *g, const struct kek *k, const struct lkh_wrapped *w);
/* A set and its keys under gsk_w. */
void build_tek(struct gks *g, const struct tek *t, const struct secret *gsk_w, uint64_t now);
void build_wide(struct gks *g, bool sender);
int build_put(struct gks *g, struct ike_out *o);
/* A message under the current Rekey SA, to be filled; NULL: no memory. */
struct pending *message_new(struct gks *g);
void message_delete(struct pending *p, uint8_t protocol, const void *spis, unsigned count);
/* Hands it to be signed and sent. */
void message_end(struct gks *g, struct pending *p);
void message_drop(struct gks *g, struct pending *p);
uint64_t message_deadline(const struct gks *g);
/* Of what is to be sent. */
void message_forget(struct gks *g);
/* A sealed message at the end of the queue. */
void message_enqueue(struct gks *g, const uint8_t *b, size_t len, uint64_t made_at);
