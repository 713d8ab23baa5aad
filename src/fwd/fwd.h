/*
 * fwd: the packet path of one worker, and the few calls the forward role makes on it
 * (IEEE 802.1AE-2018 clause 10; validateFrames is Strict unless the file opens it; RFC 4303).
 *
 * Frames move in bursts through short stages: port → classify → macsec_out or macsec_in, or
 * esp_out or esp_in → guard → port. One thread calls everything here; lanes, where there are any, do
 * cryptography for it and see nothing else. Nothing on the packet path allocates, locks or makes a
 * system call except at the ports, and where a lane that sleeps is woken.
 */
#pragma once

#include "msg/msg.h"
#include "port/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fib;
struct fwd;

/*
 * How fwd answers control. m is the callee's to read until it returns. It may be called from
 * within fwd_new(), fwd_control() and fwd_tick(), and then may not call back into fwd.
 */
typedef void fwd_say_fn(void *ctx, const struct msg *m);

/* Bytes of the `sa` area (proc/state.h) that the SAs live in; at least 64-byte aligned. */
size_t fwd_state_size(void);

/*
 * Takes over whatever a predecessor left in the area: SecYs, SAs, next packet numbers (advanced
 * by 2^16, within the limit control set) and replay windows. A record whose checksum does not
 * hold is not used and is reported as gone; its key will not be accepted again, so control has
 * to agree on a new one. A blank area is a fresh start. Chooses and self-tests the cryptography.
 * NULL with errno on failure (EIO: the self-test; EINVAL: size or alignment).
 */
struct fwd *fwd_new(void *state, size_t size, struct pkt_pool *pool, fwd_say_fn *say, void *ctx);
/* Leaves the area as it is, for a successor; closes the ports and frees everything else. */
void fwd_free(struct fwd *f);

/* Takes ownership of port, in failure too; replaces a port of the same id. A wan port that is
 * given takes the place of the descriptor of every wan port on that interface: they share the
 * newest, and a frame is of the one whose tags in clear it bears. 0 or -errno. */
int fwd_port_add(struct fwd *f, const struct msg_port_give *give, struct port *port);
void fwd_port_drop(struct fwd *f, uint16_t id);
/* What does the I/O of that port, or of the first wan port on that interface; NULL: there is none. */
struct port *fwd_port_io(struct fwd *f, uint16_t id);
struct port *fwd_interface_io(struct fwd *f, const char *ifname);
/* The port's interface has a link, or none any more. */
void fwd_port_link(struct fwd *f, uint16_t id, bool link);
/* The table of routes that packets between overlays follow, read from now on; NULL: none. */
void fwd_routes(struct fwd *f, const struct fib *fib);
/* They may follow it, or are the kernel's, as in the beginning. */
void fwd_transit(struct fwd *f, bool open);
/* Descriptors to poll for input; returns how many of at most n were written. */
unsigned fwd_fds(const struct fwd *f, int *fds, unsigned n);

/*
 * One message of control: MSG_SECY_*, MSG_BRIDGE, MSG_SA_*, MSG_TUNNEL_*, MSG_ESP_*, MSG_SYNC,
 * MSG_STATS_GET. 0 or -errno. Answers
 * carry the request's seq. The caller wipes m.
 *
 * MSG_SA_RECEIVE, _TRANSMIT: one MSG_SA_REPORT that says whether it is installed, preceded by
 * one for an SA that it replaced. MSG_SA_RETIRE: one for each SA retired, or one if none was.
 * MSG_ESP_RECEIVE, _TRANSMIT, _RETIRE: the same with MSG_ESP_REPORT. Reports come unasked of the
 * first packet of a receive SA, of a peer that moved, of a packet that waits for a first SA, and
 * of SAs whose lifetime ended (fwd_tick()).
 * MSG_SYNC: one for each installed SA, then MSG_SYNC_DONE.
 * MSG_STATS_GET: MSG_STATS of the SecY (sci 0, an -1: its own counters, then "port.<ifname>.…"
 * of its ports, "bridge.…" where it is bridged, and "path.…" of the whole path, zero ones left
 * out, and "path.lane-…", the packets that each lane did), of each SC (sci, an -1;
 * our own transmit SC under its SCI) and of each SA (sci, an), then MSG_STATS_DONE. Of a tunnel:
 * of each SA (sci: its SPI, an: its direction) and of each direction (sci 0).
 */
int fwd_control(struct fwd *f, const struct msg *m);

/*
 * From now on the cryptography of large bursts is shared with the lanes (lanes.h), which stay the
 * caller's until fwd_free() or until they are taken away with NULL. -ENOMEM.
 */
struct lanes;
int fwd_lanes(struct fwd *f, struct lanes *lanes);

/* One pass: a burst from every port, through the path, out. Returns how many frames it moved. */
unsigned fwd_poll(struct fwd *f);

/* Now and then (100 ms; now is clock_now()): reports transmit SAs whose packet numbers are past
 * their threshold, once a second while they are; ends what has a time to end. */
void fwd_tick(struct fwd *f, uint64_t now);

/* Which cryptography runs, for logs. */
const char *fwd_kernel(const struct fwd *f);
