/*
 * bridge: a bump in the wire. Frames of lan ports go into an overlay as they are, and what the
 * overlay verified goes out to the lan (IEEE 802.1Q-2018 8.6 to 8.8, with the secure channels of
 * the peers in the place of ports). Private to src/fwd and its tests.
 *
 * As a line it has one lan port and looks at nothing but control protocols. As a lan it learns
 * which address is behind which lan port or peer. A MACsec secure channel goes to every peer, so
 * learning does not choose a peer: that a frame reaches one only is the carrier's own doing, by
 * the addresses, which MACsec leaves in clear. Learning decides what stays local, what of the
 * carrier's flooding is for others, and where a lan's frame goes among several lan ports. Nothing
 * goes from a peer to a peer.
 *
 * Of several nodes that join one lan to one overlay the designated one (designated.h) forwards. The
 * others keep what it tells them of its table, and on taking over say on both sides where every
 * address is now, in its name, so that the carrier and the lan's switches follow at once.
 *
 *   bridge.c        the way of a frame
 *   bridge_site.c   several nodes at a site
 *
 * The worker's thread alone.
 */
#pragma once

#include "fwd/designated.h"
#include "fwd/mactable.h"
#include "fwd/path.h"
#include "wire/l2cp.h"

/* COUNT(enumerator, name) */
#define BRIDGE_COUNTS(COUNT)                                                                       \
	COUNT(LEARNED, "learned")                                                                  \
	COUNT(MOVED, "moved")                                                                      \
	COUNT(NOT_MOVED, "not-moved")     /* it moves too often */                                 \
	COUNT(NOT_LEARNED, "not-learned") /* a limit is reached */                                 \
	COUNT(ANNOUNCED, "announced")     /* addresses, on taking over */                          \
	COUNT(FLOODED, "flooded")

/* clang-format off */
enum bridge_count {
#define COUNT(e, name) BRIDGE_##e,
	BRIDGE_COUNTS(COUNT)
#undef COUNT
	BRIDGE_COUNT_COUNT
};
/* clang-format on */

extern const char *const bridge_count_names[BRIDGE_COUNT_COUNT];

struct bridge {
	struct msg_bridge config;
	struct mactable *macs; /* of a lan; of a line NULL */
	uint64_t counts[BRIDGE_COUNT_COUNT];
	uint64_t l2cp[L2CP_COUNT][L2CP_ACTION_COUNT];
	/* The rest is of a lan whose overlay has several nodes at some site. */
	struct designated *designated; /* or NULL: this one forwards, whatever others do */
	const struct sa *tx;           /* under which the last hello was said */
	bool forwarding;               /* as last looked at */
	uint32_t told_at;              /* entry of macs from which the next hello tells */
	uint32_t announce_at; /* entry from which is announced; the table's size: all are */
	uint64_t announced_ns;
};

/* Makes, changes or (mode none) ends the bridge of a SecY. What was learned stays when the limits
 * stay. 0 or -errno. */
int bridge_set(struct fwd *f, const struct msg_bridge *m);
void bridge_drop(struct fwd *f, uint16_t secy);
void bridge_free(struct bridge *b);
struct bridge *bridge_find(const struct fwd *f, uint16_t secy);
/* Addresses it knows. */
uint32_t bridge_addresses(const struct bridge *b);
/* Every tick: ageing, hellos. */
void bridges_tick(struct fwd *f);
/* A link or a key changed. */
void bridges_look(struct fwd *f);
/* Sends what is due; not while a burst is under way. */
void bridges_speak(struct fwd *f);

/* Frames from a lan port. */
void bridge_out(struct fwd *f, struct fwd_port *lan, struct pkt *v, unsigned n);
/* Frames of the SecY y, all from the peer of this SCI (0: not known, so nothing is learned). */
void bridge_in(struct fwd *f, struct bridge *b, struct secy *y, uint64_t sci, struct pkt *v,
	       unsigned n);

/* Places of addresses that the designated node told of: on the lan, or behind some peer. */
#define BRIDGE_TOLD_LOCAL (UINT64_MAX - 1)
#define BRIDGE_TOLD_REMOTE (UINT64_MAX - 2)
#define BRIDGE_RETURN_NS UINT64_C(2000000000) /* a peer's address is not the lan's so soon after */

/* Learns, and counts what came of it. */
void bridge_learn(struct bridge *b, const uint8_t *mac, uint64_t place, uint64_t now);
/* bridge_site.c: makes or ends what the configuration asks for; 0 or -errno. */
int bridge_site_set(struct fwd *f, struct bridge *b, const struct msg_bridge *m);
/* Frames of another bridge to this one: a hello or an announcement, verified. False: neither. */
bool bridge_hear(struct fwd *f, struct bridge *b, uint64_t sci, const struct pkt *p);
/* Whether a frame of that secure channel may go on: FATE_SENT_LAN, or why not. */
enum fwd_fate bridge_admits(struct fwd *f, struct bridge *b, uint64_t sci);
static inline bool bridge_stands_by(const struct bridge *b)
{
	return b->designated && !b->forwarding;
}
