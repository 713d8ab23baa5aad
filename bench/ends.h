/*
 * ends: the two nodes that a path is measured between, each a forward worker over memory ports,
 * what their frames and the bare cryptography of these look like, and the generator that hands
 * frames in bursts to the one and takes them from the other.
 */
#pragma once

#include "raw.h"

#include "fwd/fwd.h"

#include <stdbool.h>
#include <stdint.h>

#define PATHS 5
#define SIZES 5
#define FRAME_MAX 9216 /* octets of a clear frame */

struct path {
	const char *name;
	uint8_t suite; /* enum macsec_suite, or esp_suite */
	bool esp, udp;
	uint8_t key_len;
};

extern const struct path paths[PATHS];

/* Octets of the clear frame without FCS. IMIX is 7 frames of 64, 4 of 512 and 1 of 1400 octets, in
 * mixed order. */
struct size {
	const char *name;
	uint16_t octets; /* 0: IMIX */
};

extern const struct size sizes[SIZES];

uint32_t size_of(const struct size *s, unsigned i); /* of the i-th frame */

struct end {
	struct fwd *f;
	void *area;
	struct port *overlay, *wan; /* far ends: the generator's */
};

/* id 1 or 2: the other end is the other one. ESP: with `sas` tunnels, of an SA in each direction;
 * MACsec: sas is 1. ring: frames that wait at a port, at most, a power of two. */
#define RING_USUAL 256
struct end end_make(const struct path *path, unsigned id, unsigned sas, unsigned ring,
		    struct pkt_pool *pool);
void end_free(struct end *e);

/* Makes a frame of `len` octets from end 1 to end 2 anew in its buffer, for SA `sa`: writes only
 * what a driver or a stage would have written. */
void frame_fill(struct pkt *p, const struct path *path, uint32_t len, unsigned sa);
/* The same cryptography that the path does for that frame. */
void path_raw(const struct path *path, const struct pkt *p, struct raw_op *op);

/* PKT_BURST frames into the ring of a port, and out of it. */
void ring_give(struct port *far, struct pkt *v);
void ring_take(struct port *far, struct pkt *v);
