/*
 * sa: MACsec entities (SecYs), secure channels (SCs) and secure associations (SAs), where keys
 * meet packets (IEEE 802.1AE-2018 clause 10). An SA of ESP is the same structure with another
 * half; what is ESP's own stands in sa/esp.h.
 *
 * What must survive this process stands in the state area (sa/area.h): SecYs, keys, packet
 * numbers, replay windows. The structures here are this process's own and are rebuilt from it by
 * sa_table_new(). One thread, the forward worker, runs everything here. When an SA is shared by
 * several workers, what changes is sa_reserve() and sa_replay_accept(), nothing around them.
 */
#pragma once

#include "crypto/aead.h"
#include "sa/counters.h"
#include "sa/esp.h"
#include "sa/live.h"
#include "wire/macsec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SA_WINDOW_MAX (1u << 20)   /* packets */
#define SA_RESTART_JUMP (1u << 16) /* packet numbers left out when a successor takes over */

/* Values of enum sink_direction in key/sink.h; they cross msg. */
enum sa_direction { SA_RECEIVE, SA_TRANSMIT };

/* What control says of a SecY. */
struct secy_config {
	uint16_t secy;    /* its number, from 1 */
	uint16_t overlay; /* port ids */
	uint16_t wan;
	uint64_t sci;    /* of what it transmits */
	uint32_t window; /* of receive SAs installed from now on; 0: strict order */
	bool send_sci;
	bool replay_protect;
	/* How often its transmit SA's next number is reported; 0: near its end. */
	uint16_t report_ms;
	uint8_t validate;   /* enum macsec_validate */
	bool should_secure; /* in clear while tx_current is NULL */
	char name[16];
};

/* What control says of an SA. The key is the caller's to wipe. */
struct sa_config {
	uint16_t secy;
	uint8_t an;
	uint8_t suite; /* enum macsec_suite */
	uint8_t direction;
	uint8_t key_len;
	uint8_t conf; /* enum macsec_conf */
	uint32_t ssci;
	uint64_t sci;
	uint64_t pn;     /* transmit: not below it; receive: lowest acceptable */
	uint64_t limit;  /* transmit: numbers from here on may not be used; 0: the suite's end */
	uint64_t order;  /* transmit: the SA with the highest is the one in use. Set here */
	uint32_t window; /* receive, set here: packets */
	uint32_t ring;   /* receive, set here: its replay bits in the area, in words */
	uint32_t ring_words;
	uint8_t salt[MACSEC_SALT_LEN];
	uint8_t key_id[MACSEC_KEY_ID_LEN];
	uint8_t key[32];
};

struct sa {
	/* What a packet touches: one cache line. Read and written by the worker alone. */
	_Alignas(64) struct aead_key *key;
	uint64_t next;                 /* transmit: next number; receive: highest accepted + 1 */
	uint64_t bound;                /* transmit: numbers end before it; receive: none below it */
	uint64_t *ring;                /* receive: replay bits, in the area */
	struct sa_live *live;          /* in the area */
	uint32_t ring_mask;            /* bits of the ring - 1 */
	uint32_t window;               /* packets; at most the ring's bits */
	uint8_t nonce[AEAD_NONCE_LEN]; /* its constant part */
	uint8_t clear;                 /* octets of user data not encrypted, or ..._ALL */
	bool xpn;
	uint8_t turn; /* sa_live_put()'s */
	bool protect; /* receive: replayProtect */

	union {
		struct { /* MACsec */
			struct sa_counters counters;
			uint8_t tag[MACSEC_TAG_SCI_LEN]; /* transmit: SecTAG, SL and PN zero */
			uint8_t tag_len;
			/* The rest is for control messages. */
			uint8_t an, conf;
			uint32_t ssci;
			uint64_t sci;
			uint8_t key_id[MACSEC_KEY_ID_LEN];
			struct secy *secy;
			struct sc *sc; /* receive */
		};
		struct esp esp;
	};
	/* For control messages. */
	uint8_t direction, suite; /* enum macsec_suite or esp_suite */
	uint16_t slot;            /* of the area */
	uint64_t order;
	uint64_t threshold; /* transmit: report when next reaches it */
	uint64_t report_at; /* boot-time clock: not again before it */
	uint32_t ring_at, ring_words;
	uint8_t fingerprint[AEAD_FINGERPRINT_LEN];
	struct sa *next_of_print; /* of those whose fingerprints share a bucket */
};

/* A receive secure channel: one sender. */
struct sc {
	uint64_t sci;
	struct secy *secy;
	struct sa *sa[MACSEC_AN_COUNT];
	struct sa_counters counters; /* its own and those of SAs that are gone */
	struct sc *next_in_bucket;
	struct sc *next; /* of the SecY */
};

struct secy {
	struct secy_config config;
	struct sa *tx[MACSEC_AN_COUNT];
	struct sa *tx_current; /* or NULL: nothing may be sent */
	struct sc *scs;
	unsigned sc_count;
	struct sa_counters counters;    /* its own and those of SCs that are gone */
	struct sa_counters tx_counters; /* its transmit SC's SAs that are gone */
	uint16_t slot;
	bool takes_clear;    /* should-secure: frames without a SecTAG are taken */
	uint64_t secured_at; /* boot-time clock: since when not for long any more; 0: it will be */
};

struct sa_table;

/* Told of an SA that is no longer there without having been retired by name: replaced, expired,
 * or not fit to be taken over (c may then hold nonsense). c holds no key. */
typedef void sa_gone_fn(void *ctx, const struct sa_config *c);
typedef void esp_gone_fn(void *ctx, const struct esp_config *c);

/*
 * Takes over the area (sa_area_size() bytes, 64-byte aligned), or starts with nothing when it is
 * blank or of another layout. NULL with errno.
 */
struct sa_table *sa_table_new(void *area, size_t size, sa_gone_fn *gone, esp_gone_fn *esp_gone,
			      void *ctx);
/* Wipes keys of this process; the area stays for a successor. */
void sa_table_free(struct sa_table *t);

/* Adds a SecY or changes it. Its SAs stay, except transmit SAs of another SCI. 0, -EINVAL, -ENOSPC. */
int secy_add(struct sa_table *t, const struct secy_config *c);
void secy_del(struct sa_table *t, struct secy *y);
struct secy *secy_find(const struct sa_table *t, uint16_t secy);
/* Every SecY in turn, from NULL to NULL. */
struct secy *secy_next(const struct sa_table *t, const struct secy *y);

/*
 * Installs an SA, or moves the numbers of the one that c names upwards; transmit: makes it the
 * one in use. An SA of another key under the same AN is replaced, which `gone` is told. Returns
 * it, or NULL with errno: ENOENT no such SecY; EINVAL a field out of range; EEXIST its key and
 * nonces are those of another SA; ENOSPC no room; ENOMEM.
 */
struct sa *sa_install(struct sa_table *t, const struct sa_config *c);
/* The SA of that SecY, direction, SCI, AN and key identifier, or NULL. */
struct sa *sa_find(const struct sa_table *t, const struct sa_config *c);
/* Wipes the SA here and in the area; an SC without SAs goes with it. */
void sa_retire(struct sa_table *t, struct sa *sa);

/* The receive SC of that SCI at that wan port, or NULL. On the packet path. */
struct sc *sc_find(const struct sa_table *t, uint16_t wan, uint64_t sci);

/* Where a suite's numbers end: the first that may not be used. */
static inline uint64_t sa_suite_end(uint8_t suite)
{
	return macsec_suites[suite].xpn ? UINT64_MAX : UINT64_C(1) << 32;
}

/* How many of n numbers sa_reserve() would give by now, and the first of them: for packets that are
 * made ready before they are counted, and sealed after. */
static inline unsigned sa_ahead(const struct sa *sa, unsigned n, uint64_t *first)
{
	uint64_t left = sa->bound - sa->next;

	*first = sa->next;
	return left < n ? (unsigned)left : n;
}

/*
 * Takes up to n packet numbers in a row and returns how many it got; *first is the first of
 * them. They count as used from here on, in the area too, whether or not a packet follows.
 */
static inline unsigned sa_reserve(struct sa *sa, unsigned n, uint64_t *first)
{
	n = sa_ahead(sa, n, first);
	sa->next += n;
	if (n)
		sa_live_put(sa->live, &sa->turn, sa->next);
	return n;
}
