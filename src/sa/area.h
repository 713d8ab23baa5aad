/*
 * area: the layout of the `sa` state area, which outlives the forward process.
 *
 * Its one writer is the forward role; a successor reads it after the former one died. SecYs,
 * tunnels and the fixed part of each SA are checksummed two-slot records (base/record.h), packet numbers are
 * sa/live.h's, replay bits are bare: their worst damage is a packet refused, or, by a stray
 * write alone, one accepted twice.
 *
 * Besides SAs it remembers keys that are gone, by fingerprint, with the packet number each had
 * come to: should control hand the same key in again, numbering goes on from there.
 */
#pragma once

#include "base/record.h"
#include "sa/sa.h"

#define SA_SECY_MAX 64           /* SecYs */
#define SA_SLOT_MAX 2048         /* SAs of MACsec, both directions */
#define TUNNEL_MAX 1024          /* tunnels */
#define ESP_SLOT_MAX 4096        /* SAs of ESP, both directions */
#define SA_TOMB_MAX 2048         /* keys remembered after their end */
#define SA_RING_WORDS (1u << 20) /* replay bits of all receive SAs, in 64-bit words (8 MiB) */
#define SA_RING_UNIT 8           /* words that are given out together: a cache line */

#define SA_RECORD 512     /* bytes of the record area of an SA */
#define SECY_RECORD 192   /* and of a SecY */
#define ESP_RECORD 3072   /* of an SA of ESP, with its selectors */
#define TUNNEL_RECORD 192 /* of a tunnel */

struct sa_slot {
	_Alignas(64) uint8_t record[SA_RECORD]; /* struct sa_config */
	struct sa_live live;
	/* Outside the record, so that a key whose record is damaged is still known by it. */
	_Alignas(64) uint8_t fingerprint[AEAD_FINGERPRINT_LEN];
};

/* Its number stands in esp_live, where those of a thousand SAs are close together. */
struct esp_slot {
	_Alignas(64) uint8_t record[ESP_RECORD]; /* struct esp_config */
	uint8_t fingerprint[AEAD_FINGERPRINT_LEN];
};

#define SA_TOMB_NEVER UINT64_MAX /* how far the key had come is not known: never again */

/* A key that was used to transmit. Valid when inverse is ~next. */
struct sa_tomb {
	uint8_t fingerprint[AEAD_FINGERPRINT_LEN];
	uint64_t next, inverse;
};

struct sa_area {
	uint64_t magic;
	uint64_t layout; /* of this header: a successor of another build starts with nothing */
	uint64_t layout_esp;
	uint64_t tomb_at; /* counts up */
	struct sa_tomb tombs[SA_TOMB_MAX];
	struct {
		_Alignas(64) uint8_t record[SECY_RECORD]; /* struct secy_config */
	} secys[SA_SECY_MAX];
	struct sa_slot slots[SA_SLOT_MAX];
	struct {
		_Alignas(64) uint8_t record[TUNNEL_RECORD]; /* struct tunnel_config */
	} tunnels[TUNNEL_MAX];
	struct sa_live esp_live[ESP_SLOT_MAX];
	struct esp_slot esps[ESP_SLOT_MAX];
	_Alignas(64) uint64_t rings[SA_RING_WORDS];
};

size_t sa_area_size(void);
/* Makes a blank area, or one of another layout, ours; wipes it in the second case. True: it was
 * ours already. */
bool sa_area_claim(struct sa_area *a);

/* The highest number that the key of this fingerprint has come to, 0 when unknown. */
uint64_t sa_tomb_find(const struct sa_area *a, const uint8_t *fingerprint);
void sa_tomb_add(struct sa_area *a, const uint8_t *fingerprint, uint64_t next);

/* Which ring words are taken: one byte for each unit. This process's own, rebuilt at takeover. */
struct sa_rings {
	uint32_t full; /* all below it are taken */
	uint8_t used[SA_RING_WORDS / SA_RING_UNIT];
};

/* Words that replay bits for `window` packets take. */
uint32_t sa_ring_words(uint32_t window);
/* Where `words` are free, now taken, or -ENOSPC. */
int64_t sa_ring_take(struct sa_rings *r, uint32_t words);
/* Takes those very words: false when they are out of range or taken. */
bool sa_ring_claim(struct sa_rings *r, uint32_t at, uint32_t words);
/* The same for those of an SA that is taken over, if they do for its window. */
bool sa_ring_adopt(struct sa_rings *r, uint32_t window, uint32_t at, uint32_t words);
void sa_ring_give(struct sa_rings *r, uint32_t at, uint32_t words);
