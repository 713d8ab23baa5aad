/*
 * sink: the only way keys leave a keying protocol (docs/architecture.md, "A key").
 *
 * Four verbs. A protocol *adds receive* SAs first, *uses transmit* only when every receiver it
 * answers for has the key, and *retires* what is over; what forward says comes back as a
 * *report*. There are three kinds of SA, MACsec's, ESP's and those of ESP groups, each with the same
 * verbs over its own names. All verbs are idempotent: naming an SA again updates what may change and changes nothing
 * else. Control thread only.
 */
#pragma once

#include "base/secret.h"
#include "wire/esp.h"
#include "wire/macsec.h"

#include <stdint.h>

/*
 * MACsec. An SA is named by (secy, direction, SCI, AN, key identifier); what may change are the
 * lowest acceptable number and the limit, both upwards.
 */
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

/*
 * ESP. An SA is named by (tunnel, direction, SPI) and, should an SPI come back, by its key. What
 * may change: seq and seq_limit upwards, hard_at, and the addresses and ports of both ends (a NAT
 * that forgot, MOBIKE). Everything else of a named SA is as it was when it was installed.
 */
struct sink_esp {
	uint16_t tunnel; /* of which peer; numbered by control, from 1, together with SecYs */
	uint8_t suite;   /* enum esp_suite */
	uint8_t mode;    /* enum esp_mode */
	bool esn;
	uint32_t spi;    /* receive: chosen here, unique on the node; transmit: the peer's choice */
	uint32_t window; /* receive: packets, at most 2^16; 0: strict order */
	struct esp_end local, remote; /* outer addresses as they are on the wire here */
	struct esp_selectors ts;      /* local: sources of what is sent, destinations of the rest */
	uint64_t seq; /* transmit: next number (never lowered, 0: 1); receive: lowest acceptable */
	uint64_t seq_limit; /* transmit: from here on none may be used; 0: the end of all numbers */
	uint64_t hard_at;   /* clock_now(), ns: it retires itself then; 0: never */
	struct secret key;  /* encryption key and salt, as KEYMAT has them; copied by the verb */
	struct secret auth; /* integrity key; empty where the suite has none */
};

struct sink_esp_ops {
	void *ctx;
	/* 0 or -errno when the request could not be passed on; success is told by a report. */
	int (*add_receive)(void *ctx, const struct sink_esp *sa);
	/* Of several transmit SAs of a tunnel the last one used whose selectors fit sends. */
	int (*use_transmit)(void *ctx, const struct sink_esp *sa);
	/* Retires one SA. Retiring what is not there is reported as gone, like any other. */
	void (*retire)(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi);
};

enum sink_esp_event {
	SINK_ESP_INSTALLED, /* also on query, and once a second when seq nears seq_limit */
	SINK_ESP_GONE,      /* retired, expired, replaced, or could not be installed */
	SINK_ESP_USED,      /* receive: the first packet of the SA verified */
	SINK_ESP_MOVED,     /* receive: verified packets come from another address or port now */
	SINK_ESP_ACQUIRE,   /* no SA (spi 0): a packet waits for a transmit SA of this tunnel */
};

/* What forward has, and what it saw. The protocol decides what follows from MOVED. */
struct sink_esp_report {
	uint16_t tunnel;
	uint8_t direction; /* enum sink_direction */
	uint8_t event;     /* enum sink_esp_event */
	uint32_t spi;
	uint64_t seq;             /* transmit: next number; receive: highest accepted + 1 */
	uint64_t packets, octets; /* of this SA so far: sent, or verified; payload octets */
	struct esp_end remote;    /* MOVED: where from */
};

/*
 * ESP of a group (RFC 9838; tunnel mode keeps the addresses, RFC 5374). An SA is named by (group,
 * direction, SPI). What may change: hard_at, and what names the sender.
 */
struct sink_group {
	uint16_t group; /* numbered by control, from 1 */
	uint8_t suite;  /* enum esp_suite */
	uint8_t mode;   /* enum esp_mode */
	bool replay;    /* sequence numbers are one sender's and unique: replays can be seen */
	uint32_t spi;
	struct esp_ts from, to; /* the traffic it protects, as every member sees it */
	/* Transmit: the most significant bits of the IV are the sender's (RFC 6054), who may use this
	 * value once: whoever starts anew takes another. 0 bits: nobody else sends. */
	uint8_t sender_bits;
	uint32_t sender;
	uint64_t hard_at; /* clock_now(), ns: it retires itself then; 0: never */
	struct secret key;
};

struct sink_group_ops {
	void *ctx;
	/* 0 or -errno when the request could not be passed on; success is told by a report. */
	int (*add_receive)(void *ctx, const struct sink_group *sa);
	/* Of several transmit SAs for the same traffic the last one used sends. */
	int (*use_transmit)(void *ctx, const struct sink_group *sa);
	void (*retire)(void *ctx, uint16_t group, enum sink_direction d, uint32_t spi);
};
