/*
 * esp: tunnels and the SAs of ESP (RFC 4301 section 4.4.2, RFC 4303), beside SecYs and MACsec's.
 *
 * A tunnel is a peer as the packet path knows it: between which ports its packets travel, and
 * which of its SAs send. Like SecYs, tunnels and their SAs stand in the state area and are taken
 * over by sa_table_new(). One thread, the forward worker, runs everything here.
 */
#pragma once

#include "crypto/aead.h"
#include "wire/esp.h"
#include "wire/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESP_WINDOW_MAX (1u << 16)
#define ESP_WRONG_MAX 64
/* Room for the bytes in front of an ESP packet's IV: outer header (40), UDP (8), ESP header (8). */
#define ESP_OUTER_MAX 64

/* What becomes of DF in an outer IPv4 header. Values are stable: they cross msg. */
enum tunnel_df { TUNNEL_DF_SET, TUNNEL_DF_COPY, TUNNEL_DF_CLEAR, TUNNEL_DF_COUNT };

#define TUNNEL_DSCP_COPY 0xff /* as a dscp: the inner packet's */

/* What control says of a tunnel. */
struct tunnel_config {
	uint16_t tunnel;  /* its number, from 1; no SecY has it too */
	uint16_t overlay; /* port ids */
	uint16_t wan;
	uint16_t mtu;        /* bytes of the largest outer packet, from the IP header on */
	uint8_t next_hop[6]; /* MAC address that outer packets are sent to; zero: not known yet */
	uint8_t peer[6];     /* MAC address under which the overlay reaches the peer */
	uint8_t dscp;        /* of outer packets, 0 to 63, or TUNNEL_DSCP_COPY */
	uint8_t df;          /* enum tunnel_df */
	bool hold;           /* keep a few packets and ask for an SA while there is none */
	uint8_t inner4[4];   /* our addresses within, for ICMP; zero: none of that family */
	uint8_t inner6[16];
	char name[16];
};

/* What control says of an SA of ESP. The keys are the caller's to wipe. */
struct esp_config {
	uint16_t tunnel;
	uint8_t direction; /* enum sa_direction */
	uint8_t suite;     /* enum esp_suite */
	uint8_t mode;      /* enum esp_mode */
	bool esn;
	uint32_t spi;
	uint32_t window; /* receive: packets, at most ESP_WINDOW_MAX; 0: strict order */
	uint32_t ring;   /* receive, set here: its replay bits in the area, in words */
	uint32_t ring_words;
	uint64_t seq;     /* transmit: not below it; receive: lowest acceptable */
	uint64_t limit;   /* transmit: numbers from here on may not be used; 0: the end of all */
	uint64_t hard_at; /* boot-time clock, ns; 0: never */
	uint64_t order;   /* transmit: the SA with the highest is asked first. Set here */
	struct esp_end local, remote;
	struct esp_selectors ts;
	uint8_t key_len, auth_len;
	uint8_t key[ESP_KEY_MAX]; /* salt at its end */
	uint8_t auth[ESP_AUTH_KEY_MAX];
};

/* Values of enum sink_esp_event in key/sink.h; they cross msg. */
enum esp_event { ESP_INSTALLED, ESP_GONE, ESP_USED, ESP_MOVED, ESP_ACQUIRE };

enum esp_count {
	ESP_PKTS,      /* sent, or verified and not a replay */
	ESP_OCTETS,    /* of their payload, without padding */
	ESP_REPLAY,    /* below the window, or seen before */
	ESP_NOT_VALID, /* the ICV was wrong */
	ESP_SELECTOR,  /* verified, but not what the SA is for */
	ESP_MALFORMED, /* verified, but padding or packet are not as they must be */
	ESP_DUMMY,     /* verified, and meant to be thrown away */
	ESP_COUNT_COUNT
};

extern const char *const esp_count_names[ESP_COUNT_COUNT];

struct sa;
struct sa_table;
struct tunnel;

/* The half of struct sa that is ESP's. */
struct esp {
	/* What a packet touches. */
	uint8_t wrong; /* receive: packets in a row that did not verify, up to ESP_WRONG_MAX */
	bool used;     /* receive: a packet verified since it was installed or taken over */
	uint64_t counts[ESP_COUNT_COUNT];
	struct tunnel *tunnel;
	uint64_t head_sum; /* transmit, IPv4: of the outer header without TOS, length, id and DF */
	uint32_t spi;
	uint8_t mode, iv_len, icv_len, align;
	uint8_t around; /* transmit: bytes of the outer headers and the ESP header */
	bool esn;
	bool any4, any6; /* every packet of that family fits the selectors */
	/* Transmit: those headers, lengths and numbers zero, at the end of their room: the whole of
	 * it is copied in front of a packet, which is faster than just what is needed. */
	uint8_t head[ESP_OUTER_MAX];
	struct esp_end local, remote;
	struct sa *next_in_bucket; /* receive */
	struct sa *next;           /* of the tunnel, same direction; transmit: newest first */
	uint64_t moved_at;         /* receive: when its peer's new address was last reported */
	/* The rest is for packets that are not everybody's, and for control messages. */
	uint64_t hard_at;
	struct esp_selectors ts;
};

struct tunnel {
	struct tunnel_config config;
	struct sa *rx, *tx;
	uint64_t gone[2][ESP_COUNT_COUNT]; /* of SAs that are gone, by direction */
	struct tunnel *next_in_bucket;     /* of the hash of numbers */
	uint16_t slot;
};

/* Adds a tunnel or changes it; its SAs stay. 0, -EINVAL, -ENOSPC, -ENOMEM. */
int tunnel_add(struct sa_table *t, const struct tunnel_config *c);
void tunnel_del(struct sa_table *t, struct tunnel *n);
struct tunnel *tunnel_find(const struct sa_table *t, uint16_t tunnel);
/* Every tunnel in turn, from NULL to NULL. */
struct tunnel *tunnel_next(const struct sa_table *t, const struct tunnel *n);

/*
 * Installs an SA, or changes what may change of the one that c names (tunnel, direction, SPI and
 * key): numbers upwards, addresses, hard_at; transmit: makes it the one asked first. An SA of
 * another key under the same name is replaced, which `gone` is told. Returns it, or NULL with
 * errno: ENOENT no such tunnel; EINVAL a field out of range; EADDRINUSE another tunnel receives
 * under this SPI; EEXIST its key and nonces are those of another SA; ENOSPC no room; ENOMEM.
 */
struct sa *esp_install(struct sa_table *t, const struct esp_config *c);
struct sa *esp_find(const struct sa_table *t, uint16_t tunnel, uint8_t direction, uint32_t spi);
/* Wipes the SA here and in the area. */
void esp_retire(struct sa_table *t, struct sa *sa);
/* Retires what has reached its hard lifetime; `gone` is told of each. */
void esp_expire(struct sa_table *t, uint64_t now);

/* The receive SA of that SPI, or NULL. On the packet path. */
struct sa *esp_lookup(const struct sa_table *t, uint32_t spi);

/* Where numbers end: the first that may not be used. */
static inline uint64_t esp_end_of(bool esn)
{
	return esn ? UINT64_MAX : UINT64_C(1) << 32;
}
