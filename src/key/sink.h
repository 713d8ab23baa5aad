/*
 * sink: the only way keys leave a keying protocol (docs/architecture.md, "A key").
 *
 * Four verbs. A protocol *adds receive* SAs first, *uses transmit* only when every receiver it
 * answers for has the key, and *retires* what is over; what forward says comes back as a
 * *report*. All verbs are idempotent: an SA is named by (secy, direction, SCI, AN, key
 * identifier), and naming it again updates what may change (lowest_pn upwards, pn_limit upwards)
 * and changes nothing else. Control thread only.
 */
#pragma once

#include "base/secret.h"
#include "wire/macsec.h"

#include <stdint.h>

struct sink_sa {
	uint16_t secy; /* which MACsec entity, numbered by control */
	uint8_t an;    /* 0..3 */
	uint8_t suite; /* enum macsec_suite */
	uint8_t conf;  /* enum macsec_conf */
	uint64_t sci;  /* receive: the sender's; transmit: our own */
	uint32_t ssci; /* XPN: short SCI of the SC named by sci; else 0 */
	uint8_t salt[MACSEC_SALT_LEN];
	uint64_t pn; /* transmit: next packet number (never lowered); receive: lowest acceptable */
	uint64_t
		pn_limit; /* transmit: numbers from here on may not be used; 0: the suite's own end */
	uint8_t key_id[MACSEC_KEY_ID_LEN];
	struct secret key; /* the SAK; copied by the verb, the caller still wipes its own */
};

struct sink {
	void *ctx;
	/* 0 or -errno when the request could not be passed on; success is told by a report. */
	int (*add_receive)(void *ctx, const struct sink_sa *sa);
	int (*use_transmit)(void *ctx, const struct sink_sa *sa);
	/* Retires (receive and transmit) every SA of that key on that SecY; sci 0: every SC, else
	 * only that peer's receive SA. */
	void (*retire)(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN],
		       uint64_t sci);
};

enum sink_direction { SINK_RECEIVE, SINK_TRANSMIT };

/* What forward has: sent when an SA is installed, retired, passes its PN threshold, and on query. */
struct sink_report {
	uint16_t secy;
	uint8_t an;
	uint8_t direction; /* enum sink_direction */
	bool installed;    /* false: it is gone, or could not be installed */
	uint64_t sci;
	uint64_t pn; /* transmit: next packet number; receive: lowest acceptable */
	uint8_t key_id[MACSEC_KEY_ID_LEN];
};
