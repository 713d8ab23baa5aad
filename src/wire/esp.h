/*
 * ESP on the wire (RFC 4303): its algorithms (RFC 4106, RFC 7634; RFC 3602 with RFC 4868), packet
 * lengths, the trailer, extended sequence numbers, UDP encapsulation (RFC 3948) and the traffic
 * selectors that an SA is bound to (RFC 4301 section 4.4.1, RFC 7296 section 3.13.1). Pure codec,
 * no state; safe from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESP_HEAD_LEN 8    /* SPI and sequence number, bytes */
#define ESP_TRAILER_LEN 2 /* pad length and next header */
#define ESP_PROTOCOL 50   /* IP protocol number */
#define ESP_UDP_PORT 4500
#define ESP_SPI_MIN 256     /* 1 to 255 are reserved, 0 is the non-ESP marker of RFC 3948 */
#define ESP_KEY_MAX 36      /* bytes of an encryption key with its salt */
#define ESP_AUTH_KEY_MAX 64 /* bytes of an integrity key */
#define ESP_ICV_MAX 32
#define ESP_IV_MAX 16
#define ESP_TS_MAX 16 /* traffic selectors of one side of an SA */

/* Values are stable: they cross msg. */
enum esp_suite {
	ESP_AES_GCM_16_128,
	ESP_AES_GCM_16_256,
	ESP_CHACHA20_POLY1305,
	ESP_AES_CBC_128_SHA2_256_128,
	ESP_AES_CBC_128_SHA2_384_192,
	ESP_AES_CBC_128_SHA2_512_256,
	ESP_AES_CBC_256_SHA2_256_128,
	ESP_AES_CBC_256_SHA2_384_192,
	ESP_AES_CBC_256_SHA2_512_256,
	ESP_SUITE_COUNT
};

/* Lengths in bytes unless said otherwise. */
struct esp_suite_info {
	const char *name; /* e.g. "aes-gcm-16-256" */
	uint8_t encr;     /* IKEv2 transform type 1 */
	uint8_t integ;    /* IKEv2 transform type 3; 0: the cipher authenticates */
	uint8_t key_len; /* of the encryption key, without salt; 8 times it is IKEv2's Key Length */
	uint8_t salt_len; /* follows the key in KEYMAT */
	uint8_t auth_len; /* of the integrity key, which follows those in KEYMAT; 0: none */
	uint8_t iv_len;   /* in each packet, after the header */
	uint8_t icv_len;
	uint8_t align;      /* what is encrypted, trailer included, is a multiple of it: 4 or 16 */
	uint16_t hash_bits; /* of the SHA-2 behind integ: 256, 384, 512; 0: none */
};

extern const struct esp_suite_info esp_suites[ESP_SUITE_COUNT];

/* The suite of these IKEv2 transforms (key_bits 0 where the cipher has no Key Length), or -1. */
int esp_suite_by_transforms(uint16_t encr, uint16_t key_bits, uint16_t integ);

/* Values are stable: they cross msg. */
enum esp_mode { ESP_TUNNEL, ESP_TRANSPORT, ESP_MODE_COUNT };

/* Where an SA's packets come from or go to. */
struct esp_end {
	uint8_t family; /* 4 or 6 */
	uint8_t addr[16];
	uint16_t port; /* of UDP encapsulation, 0: none; both ends have one or neither has */
};

/*
 * A traffic selector: addresses and ports from lo to hi, both included. ICMP's type and code
 * stand as ports, the type in the upper eight bits (RFC 7296 section 3.13.1). A prefix is the
 * range it spans. Ports 0 to 65535 are any, also for packets whose ports cannot be seen; only
 * such a selector fits a fragment other than the first (RFC 4301 section 7).
 */
struct esp_ts {
	uint8_t family;   /* 4 or 6: addresses are 4 or 16 bytes, the rest is zero */
	uint8_t protocol; /* 0: any */
	uint16_t port_lo, port_hi;
	uint8_t lo[16], hi[16];
};

/* The selectors of an SA; "local" is this node's side, whoever the initiator was. */
struct esp_selectors {
	uint8_t local_count, remote_count; /* 1 to ESP_TS_MAX; 0: nothing fits */
	struct esp_ts local[ESP_TS_MAX], remote[ESP_TS_MAX];
};

/* One side of a packet, for comparison with selectors. */
struct esp_flow {
	uint8_t family; /* 4 or 6 */
	uint8_t protocol;
	bool has_ports;      /* false: a later fragment, or no ports at all */
	uint16_t port;       /* or ICMP's type and code */
	const uint8_t *addr; /* 4 or 16 bytes */
};

/* Family, order of both ranges and count hold, and bytes that mean nothing are zero. */
bool esp_selectors_valid(const struct esp_selectors *s);
/* Whether one of the n selectors takes in the packet's side. */
bool esp_ts_match(const struct esp_ts *ts, unsigned n, const struct esp_flow *flow);

/* Every address of the family, every protocol and port. */
static inline struct esp_ts esp_ts_any(uint8_t family)
{
	struct esp_ts ts = {.family = family, .port_hi = UINT16_MAX};

	for (unsigned i = 0; i < (family == 4 ? 4u : 16u); i++)
		ts.hi[i] = 0xff;
	return ts;
}

/* Bytes of padding, 0 to 15, that `len` bytes of payload take before the trailer. */
static inline unsigned esp_pad_len(const struct esp_suite_info *s, size_t len)
{
	return (unsigned)(-(len + ESP_TRAILER_LEN) & (s->align - 1u));
}

/* Bytes from the ESP header to the end of the ICV around `len` bytes of payload. */
static inline size_t esp_len(const struct esp_suite_info *s, size_t len)
{
	return ESP_HEAD_LEN + s->iv_len + len + esp_pad_len(s, len) + ESP_TRAILER_LEN + s->icv_len;
}

/* The largest payload whose packet, from the ESP header on, has at most `room` bytes; or 0. */
size_t esp_payload_max(const struct esp_suite_info *s, size_t room);

/* Writes 1, 2, 3, …, the pad length and the next header behind a payload: pad + 2 bytes. */
static inline void esp_trailer_build(uint8_t *at, unsigned pad, uint8_t next_header)
{
	for (unsigned i = 0; i < pad; i++)
		at[i] = (uint8_t)(i + 1);
	at[pad] = (uint8_t)pad;
	at[pad + 1] = next_header;
}

enum esp_trailer { ESP_TRAILER_OK, ESP_TRAILER_CUT, ESP_TRAILER_PADDING };

/*
 * Reads the trailer of `*len` decrypted bytes: CUT when the pad length leads outside, PADDING
 * when the padding is not 1, 2, 3, … (section 2.4). Sets *len to the payload, traffic flow
 * confidentiality padding included.
 */
enum esp_trailer esp_trailer_parse(const uint8_t *data, size_t *len, uint8_t *next_header);

/*
 * The whole of an extended sequence number whose low half a packet carries (RFC 4303 appendix
 * A2.2). next: the highest accepted plus one; window: packets, at most 2^31, 0 is taken as 1.
 * A result of 0 is no sequence number at all.
 */
uint64_t esp_esn_recover(uint32_t low, uint64_t next, uint32_t window);
