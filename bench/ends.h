/*
 * ends: the two nodes that a path is measured between, each a forward worker over memory ports,
 * and what its frames and their bare cryptography look like.
 */
#pragma once

#include "raw.h"

#include "fwd/fwd.h"

#include <stdint.h>

#define PATHS 5

struct path {
	const char *name;
	uint8_t suite; /* enum macsec_suite, or esp_suite */
	bool esp, udp;
	uint8_t key_len;
};

extern const struct path paths[PATHS];

struct end {
	struct fwd *f;
	void *area;
	struct port *overlay, *wan; /* far ends: the generator's */
};

/* id 1 or 2: the other end is the other one. */
struct end end_make(const struct path *path, unsigned id, struct pkt_pool *pool);
void end_free(struct end *e);

/* Writes the headers of a clear frame of `len` octets from end 1 to end 2. */
void path_head(const struct path *path, uint8_t *frame, uint32_t len);
/* The same cryptography that the path does for that frame. */
void path_raw(const struct path *path, const struct pkt *p, struct raw_op *op);
