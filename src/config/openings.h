/*
 * openings: what a file opens on purpose, and by which line.
 *
 * An opening is a statement by which a wan port lets anything pass but authenticated ciphertext, its
 * keying and what finds neighbours, or by which an overlay protects less than it could. Without one
 * of these lines a node is closed. One thread.
 */
#pragma once

#include "config/backbone.h"
#include "config/conf.h"

struct opening {
	char what[64];     /* as `show overlays` and `audit` have it, such as "should-secure" */
	const char *means; /* what may happen by it, for people */
	const char *node, *port; /* a port's: whose; else NULL */
	const char *overlay;     /* an overlay's; else NULL */
	const char *file;        /* where it stands */
	unsigned line;           /* from 1 */
};

struct openings {
	struct opening *v;
	size_t count;
};

/*
 * Those of a node: of its wan ports, and of the overlays it is a member of; node NULL: of all nodes
 * and overlays. In the file's order of ports, then of overlays. b is made from c; both must outlive
 * what is found. 0 or -ENOMEM.
 */
int openings_find(const struct conf *c, const struct backbone *b, const char *node,
		  struct openings *out);
void openings_free(struct openings *o);
