/*
 * mka_lan: a LAN in memory for the engine's tests: participants, a clock, and a forward that
 * installs whatever the sink is asked for. No loss, one delay. Tests only.
 */
#pragma once

#include "base/clock.h"
#include "key/mka/mka_i.h"

#define LAN_NODES 8
#define LAN_SAS 256
#define LAN_FRAMES 256

struct lan;

struct lan_sa {
	bool used, transmit;
	struct sink_sa sa;
};

struct lan_node {
	struct lan *lan;
	unsigned index;
	bool up;
	struct mka_config cfg;
	struct mka *m;
	struct lan_sa sas[LAN_SAS];
	unsigned retired; /* verbs so far */
	uint64_t random;  /* state of this node's generator */
};

struct lan_frame {
	uint64_t at;
	unsigned from;
	size_t len;
	uint8_t b[MKA_FRAME_MAX];
};

struct lan {
	uint64_t now, delay;
	unsigned count;
	struct lan_node nodes[LAN_NODES];
	struct lan_frame frames[LAN_FRAMES];
	unsigned frame_count;
	bool (*drop)(struct lan *l, unsigned from, unsigned to, const uint8_t *frame, size_t len);
	unsigned sent;
	struct lan_frame last[LAN_NODES]; /* what each node sent last */
};

/* A configuration that every node of a test can start from: CAK 00 01 …, CKN "abcdefghijklmnop",
 * the standard's times, XPN-256, SCI 02:00:00:00:00:(i+1) port 1, priority i. */
struct mka_config lan_config(unsigned i);
struct lan *lan_new(unsigned count, const struct mka_config *cfgs);
void lan_free(struct lan *l);
void lan_start(struct lan *l, unsigned i);
/* Forward says all it has. */
void lan_report_all(struct lan *l, unsigned i);
/* A successor in place of the node's engine, with the record if it has a length; no SA is lost. */
void lan_restart(struct lan *l, unsigned i, const uint8_t *record, size_t len);
/* Everything that happens until then. */
void lan_run(struct lan *l, uint64_t until);
/* True when it came true before the time was up. */
bool lan_until(struct lan *l, bool (*cond)(struct lan *l), uint64_t within);
/* After a call on a node's engine: delivers its output. */
void lan_flush(struct lan *l, unsigned i);
const struct sink_sa *lan_transmit_sa(const struct lan_node *n);
/* Node n holds a receive SA that fits what `from` transmits with now. */
bool lan_hears(const struct lan_node *n, const struct lan_node *from);
/* Everybody who is up transmits with one and the same SAK and is heard by everybody. */
bool lan_agreed(struct lan *l);
