/* table: what struct sa_table holds. Private to src/sa and its tests. */
#pragma once

#include "sa/area.h"

#define SC_BUCKETS 1024     /* of the hash of SCIs; a power of two */
#define SPI_BUCKETS 4096    /* of the hash of receive SPIs; the same */
#define PRINT_BUCKETS 4096  /* of the hash of fingerprints of all SAs' keys; the same */
#define NUMBER_BUCKETS 1024 /* of the hash of tunnels' numbers; the same */

struct sa_table {
	struct sa_area *area;
	sa_gone_fn *gone;
	esp_gone_fn *esp_gone;
	void *ctx;
	uint64_t order;                  /* the highest handed out */
	struct secy *secys[SA_SECY_MAX]; /* by slot of the area */
	struct sa *sas[SA_SLOT_MAX];     /* by slot of the area */
	struct sc *buckets[SC_BUCKETS];
	unsigned tunnel_top;                /* places in use are below it */
	struct tunnel *tunnels[TUNNEL_MAX]; /* by slot of the area */
	struct tunnel *numbers[NUMBER_BUCKETS];
	unsigned esp_full;             /* all slots below it are in use */
	struct sa *esps[ESP_SLOT_MAX]; /* by slot of the area */
	struct sa *spis[SPI_BUCKETS];
	struct sa *prints[PRINT_BUCKETS];
	uint64_t hard_next; /* no lifetime of an SA of ESP ends before it */
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

/*
 * No key may meet one nonce twice: refuses (-EEXIST) an SA whose key and nonces are those of
 * another one here, and raises *pn for a key that was used before. replaced: which SA goes when
 * this one comes, or NULL.
 */
int sa_nonce_guard(const struct sa_table *t, const uint8_t fingerprint[AEAD_FINGERPRINT_LEN],
		   uint8_t direction, const struct sa *replaced, uint64_t *pn);
/* Every SA is in the table of fingerprints as long as it is attached. */
void sa_print_enter(struct sa_table *t, struct sa *sa);
void sa_print_leave(struct sa_table *t, struct sa *sa);
/* Replay bits for a new receive SA, all zero. 0 or -ENOSPC. */
int sa_ring_blank(struct sa_table *t, uint32_t window, uint32_t *at, uint32_t *words);
/* Moves the next number and the limit (transmit; 0: end), or the lowest acceptable one, upwards. */
void sa_numbers_move(struct sa *sa, uint64_t pn, uint64_t limit, uint64_t end);
/* Transmit: when to tell control that numbers run out, which end at `end` for all SAs alike. */
void sa_threshold_set(struct sa *sa, uint64_t end);
/* Transmit, taken over: leaves out the numbers a predecessor may have used unrecorded. */
void sa_jump(struct sa *sa);

/* ESP: takes over tunnels and their SAs; undoes the process's side of one SA. */
void tunnel_adopt_all(struct sa_table *t);
void esp_adopt_all(struct sa_table *t);
void esp_detach(struct sa_table *t, struct sa *sa);
/* Copies all but the keys and selectors. */
void esp_describe(const struct sa *sa, struct esp_config *c);
