/* table: what struct sa_table holds. Private to src/sa and its tests. */
#pragma once

#include "sa/area.h"

#define SC_BUCKETS 1024 /* of the hash of SCIs; a power of two */

struct sa_table {
	struct sa_area *area;
	sa_gone_fn *gone;
	void *ctx;
	uint64_t order;                  /* the highest handed out */
	struct secy *secys[SA_SECY_MAX]; /* by slot of the area */
	struct sa *sas[SA_SLOT_MAX];     /* by slot of the area */
	struct sc *buckets[SC_BUCKETS];
	struct sa_rings rings;
};

/* The receive SC of that SCI of y, made if it is not there. NULL: ENOMEM. */
struct sc *sc_get(struct sa_table *t, struct secy *y, uint64_t sci);
/* Frees an SC that has no SA. */
void sc_put(struct sa_table *t, struct sc *sc);

/* Makes the process's side of an SA that stands in the slot of the area, whose key c holds. */
struct sa *sa_attach(struct sa_table *t, struct secy *y, const struct sa_config *c, uint16_t slot);
/* Undoes it; the area is left as it is. */
void sa_detach(struct sa_table *t, struct sa *sa);
/* Transmit: the SecTAG as the SecY's configuration has it. */
void sa_tag_make(struct sa *sa);
/* Takes over the SAs of a predecessor. */
void sa_adopt_all(struct sa_table *t);
/* Copies all but the key. */
void sa_describe(const struct sa *sa, struct sa_config *c);
