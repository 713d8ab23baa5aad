/*
 * events: what happened on this node, the last of it, for `show events` and the log.
 *
 * Everything worth telling goes through event_put(), which also logs it. What happens lies in a
 * ring of the `ctl` memfd, so that a control that is restarted goes on where its predecessor
 * was. What somebody outside can cause without a key has a ring of its own, and there can push
 * out nothing but its like. Texts hold names and numbers, never key material. Control thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define EVENTS_KEPT 512
#define EVENTS_OUTSIDE_KEPT 128
#define EVENT_TEXT 176

enum event_kind {
	EVENT_CONTROL_STARTED,
	EVENT_FORWARD_LINKED,
	EVENT_FORWARD_LOST,
	EVENT_PORT_READY,
	EVENT_PORT_FAILED,
	EVENT_GUARD_RESTORED,
	EVENT_CONFIG_TAKEN,
	EVENT_CONFIG_REFUSED,
	EVENT_SECRET_TROUBLE,
	EVENT_SECRET_MENDED,
	EVENT_OVERLAY_SECURED,
	EVENT_OVERLAY_CLOSED,
	EVENT_OVERLAY_CLEAR,
	EVENT_PEER_LIVE,
	EVENT_PEER_LOST,
	EVENT_KEY_SERVER,
	EVENT_KEY_USED,
	EVENT_KEY_RETIRED,
	EVENT_KEY_LOST,
	EVENT_CAK_USED,
	EVENT_CAK_OVERTIME,
	EVENT_LEASE_STUCK,
	EVENT_IKE_UP,
	EVENT_IKE_DOWN,
	EVENT_IKE_REKEYED,
	EVENT_CHILD_REKEYED,
	EVENT_IKE_REAUTHENTICATED,
	EVENT_MKPDUS_REFUSED, /* from here on: caused from outside */
	EVENT_FRAMES_REFUSED,
	EVENT_AUTHENTICATION_FAILED,
	EVENT_PROPOSAL_MISMATCH,
	EVENT_IKE_TROUBLE,
	EVENT_KIND_COUNT
};

/* One event as it lies in the ring, native byte order: it never leaves the machine. */
struct event {
	uint64_t seq;              /* from 1, over both rings; 0: none, or being written */
	uint64_t wall_ns, boot_ns; /* since 1970; of the boot-time clock */
	uint64_t sci;              /* of the peer, or 0 */
	uint32_t kind;
	char overlay[20]; /* "" of the node as a whole */
	char text[EVENT_TEXT];
};

struct events_memory {
	uint64_t magic;
	struct event kept[EVENTS_KEPT];
	struct event outside[EVENTS_OUTSIDE_KEPT];
};

struct events {
	struct events_memory *m;
	uint64_t last; /* sequence number of the newest */
	size_t next[2];
};

/* The names by which programs know kinds; "error", "warning" or "info". */
const char *event_name(enum event_kind kind);
const char *event_severity(enum event_kind kind);

/* Takes the memory with what a predecessor left there; what is none of it is cleared. */
void events_open(struct events *e, struct events_memory *m);

/* overlay NULL and sci 0: of none. */
void event_put(struct events *e, enum event_kind kind, const char *overlay, uint64_t sci,
	       uint64_t now, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* The oldest event after a sequence number, NULL when there is none. */
const struct event *events_after(const struct events *e, uint64_t seq);
