/*
 * path: the inside of struct fwd, shared by its stages. Private to src/fwd, its tests and bench.
 */
#pragma once

#include "base/log.h"
#include "fwd/fate.h"
#include "fwd/fwd.h"
#include "sa/sa.h"

#define FWD_PORT_MAX 64

struct fwd_port {
	struct port *port; /* NULL: this place is free */
	struct secy *secy; /* overlay: the SecY on it; wan: the first SecY over it; or NULL */
	uint16_t id;
	uint8_t kind;  /* enum msg_port_kind */
	uint16_t vlan; /* wan: 0 untagged */
	uint16_t eapol_type;
	bool integrity;     /* wan: unencrypted MACsec may leave */
	uint32_t frame_max; /* wan: bytes without the tag in clear; 0: whatever fits a buffer */
	bool carrier;       /* overlay: as last told to the kernel */
};

/* What is known of a received frame between the stages. */
struct fwd_rx {
	struct sa *sa; /* NULL: let through as it is */
	struct secy *secy;
	uint64_t pn;     /* the whole of it */
	uint32_t secure; /* octets of secure data */
	uint8_t tag_len;
	bool encrypted;
};

/* One worker's. Everything is read and written by its thread alone. */
struct fwd {
	struct sa_table *sas;
	struct pkt_pool *pool;
	fwd_say_fn *say;
	void *ctx;
	uint32_t seq; /* of the request being answered */
	struct log_limit refused;
	unsigned port_count; /* places in use are below it */
	struct fwd_port ports[FWD_PORT_MAX];
	uint64_t fates[FATE_COUNT];
	struct aead_op ops[PKT_BURST]; /* scratch of a burst */
	struct fwd_rx rx[PKT_BURST];
};

struct fwd_port *fwd_port_find(struct fwd *f, uint16_t id);
/* Tells the overlays' kernels whether they have a transmit SA. */
void fwd_carriers(struct fwd *f);

static inline void fwd_drop(struct fwd *f, struct pkt *p, enum fwd_fate why)
{
	f->fates[why]++;
	pkt_release(f->pool, p);
}

/* Moves a packet down the burst over those that were dropped before it. Mostly none were, and a
 * copy onto itself would wait for the stores that just changed it. */
static inline void pkt_keep(struct pkt *v, unsigned to, unsigned from)
{
	if (to != from)
		v[to] = v[from];
}

/* The stages. Each consumes the n packets it is handed. */
void macsec_out(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n);
void macsec_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
/* The last before a port: what lacks the mark or the shape of its side does not pass. */
void guard_wan(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
void guard_overlay(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n);

/*
 * Finds the SA of a frame from a wan port: takes a tag in clear out of it, fills rx. Returns
 * FATE_SENT_OVERLAY when it may go on to the cryptography, else why not; what the standard
 * counts is then counted. Changes no state but counters. *hint is the SC of the frame before it
 * in the burst, NULL at first.
 */
enum fwd_fate classify_wan(struct fwd *f, struct fwd_port *wan, struct pkt *p, struct fwd_rx *rx,
			   struct sc **hint);

/* Answers MSG_STATS_GET. */
void stats_say(struct fwd *f, uint16_t secy);
