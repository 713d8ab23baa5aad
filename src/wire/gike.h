/*
 * gike: what G-IKEv2 (RFC 9838, as draft-ietf-ipsecme-g-ikev2-23) adds to IKEv2 on the wire: the
 * bodies of the payloads GSA (§4.4) and KD (§4.5), the notification GROUP_SENDER (§4.7.4) and the
 * bytes that the AUTH payload of a GSA_REKEY signs (§2.4.1.1). Pure codec, no state; safe from any
 * thread. IDg, SAg and the notifications themselves have IKEv2's layouts: wire/ike.h reads them.
 *
 * What was parsed points into the buffer it was parsed from. Beyond lengths, the codec holds each
 * payload against what the standard says MUST and MUST NOT stand in it, which depends on where it
 * is: a registration, a GSA_REKEY or a GSA_INBAND_REKEY. Attributes nobody here knows are counted
 * and skipped; whether an algorithm is one we have is for others to say.
 *
 * The text forbids a Member Key Bag in a GSA_REKEY (§4.5.3) and has one there all the same (§5, and
 * all of its appendix on LKH): keys and a new AUTH_KEY are read there, Sender-IDs are not.
 */
#pragma once

#include "wire/ike.h"

#define GIKE_POLICIES_MAX 32 /* SAs in one GSA payload */
#define GIKE_NEXT_MAX 8      /* GSA_NEXT_SPI in one policy */
#define GIKE_BAGS_MAX GIKE_POLICIES_MAX
#define GIKE_KEYS_MAX 256    /* SA_KEYs in one KD payload, and WRAP_KEYs */
#define GIKE_SENDERS_MAX 256 /* Sender-IDs in one KD payload */

enum gike_where { GIKE_REGISTRATION, GIKE_REKEY, GIKE_INBAND };

enum gike_error {
	GIKE_OK,
	GIKE_LENGTH,     /* a length that cannot be */
	GIKE_TOO_MANY,   /* more of something than a bound above */
	GIKE_PROTOCOL,   /* a security protocol that has no group SA */
	GIKE_SPI,        /* an SPI of the wrong size, or none */
	GIKE_TWICE,      /* what may come once came again */
	GIKE_EMPTY,      /* no policy of any SA, or no keys */
	GIKE_SELECTOR,   /* a traffic selector that cannot be */
	GIKE_ADDRESS,    /* a Rekey SA that is not to one UDP port of one multicast address */
	GIKE_BOTH,       /* ESP and AH for the same traffic */
	GIKE_TRANSFORM,  /* a transform that is missing, or not one of this protocol's */
	GIKE_INTEGRITY,  /* integrity beside an AEAD, or encryption without it */
	GIKE_SEQUENCE,   /* sequence numbers that a group cannot have */
	GIKE_IMPLICIT,   /* an IV made of them */
	GIKE_GCAUTH,     /* a key server's proof that does not fit, or stands where it may not */
	GIKE_FORMAT,     /* an attribute in another format, or of another size */
	GIKE_ATTRIBUTE,  /* an attribute that is missing, or stands where it may not */
	GIKE_KEY,        /* Key ID and KWK ID that do not fit what they name */
	GIKE_KEY_COUNT,  /* no SA_KEY, or several where one may be */
	GIKE_NO_POLICY,  /* keys of an SA without a policy */
	GIKE_NO_KEY,     /* a policy of an SA without keys */
	GIKE_AUTH_KEY,   /* AUTH_KEY missing, or not asked for by the policy */
	GIKE_SENDER,     /* Sender-IDs missing, not asked for, or too many */
	GIKE_SENDER_FIT, /* a Sender-ID of more bits than it has: fatal, re-register (§2.5.2) */
	GIKE_AUTH,       /* an AUTH payload that is no digital signature */
	GIKE_NOTIFY,     /* a notification with fields that must be zero, or of another size */
	GIKE_ERROR_COUNT
};
const char *gike_error_name(enum gike_error e);

/* Policy of one SA (§4.4.2). Lists keep the order they came in. */
struct gike_policy {
	uint8_t protocol; /* enum ike_protocol: GIKE_UPDATE, AH, ESP */
	uint8_t spi_len;  /* bytes: IKE_REKEY_SPI_LEN or IKE_ESP_SPI_LEN */
	uint8_t spi[IKE_REKEY_SPI_LEN];
	struct ike_ts from, to;
	unsigned count; /* transforms: at most one of each of a protocol's types */
	struct ike_transform t[4];
	struct ike_bytes algorithm; /* of GCAUTH by signature: an AlgorithmIdentifier, DER */
	bool has_lifetime, has_message_id;
	uint32_t lifetime;   /* seconds */
	uint32_t message_id; /* of the first GSA_REKEY; 0 unless has_message_id */
	unsigned next_count;
	const uint8_t *next[GIKE_NEXT_MAX]; /* spi_len bytes each */
};

struct gike_gsa {
	unsigned count;
	struct gike_policy v[GIKE_POLICIES_MAX];
	/* Group-wide policy (§4.4.3); without any of it, the substructure is not written. */
	bool has_atd, has_dtd, has_sender_bits;
	uint16_t atd, dtd; /* seconds */
	uint16_t sender_bits;
	unsigned unknown; /* attributes */
};

enum gike_error gike_gsa_parse(struct gike_gsa *g, struct ike_bytes body, enum gike_where where);
void gike_gsa_build(const struct gike_gsa *g, struct wr *w);

/* The policy of the Rekey SA, or NULL. */
const struct gike_policy *gike_rekey_policy(const struct gike_gsa *g);
/* The transform of that type, or NULL. */
const struct ike_transform *gike_transform(const struct gike_policy *p,
					   enum ike_transform_type type);
/* Of encryption transforms. Counter: no two senders may have the same IV (§2.5). */
bool gike_aead(uint16_t encr);
bool gike_counter(uint16_t encr);

/* A key that is wrapped under another (§4.5.4). */
struct gike_wrapped {
	uint32_t key; /* its number; 0: keys of an SA */
	uint32_t kwk; /* the number of what wraps it; 0: the default key of the SA this came over */
	struct ike_bytes data;
};

struct gike_bag { /* Group Key Bag (§4.5.2) */
	uint8_t protocol, spi_len;
	uint8_t spi[IKE_REKEY_SPI_LEN];
	unsigned first, count; /* of gike_kd.keys */
};

struct gike_kd {
	unsigned count;
	struct gike_bag v[GIKE_BAGS_MAX];
	unsigned key_count;
	struct gike_wrapped keys[GIKE_KEYS_MAX];
	/* Member Key Bags (§4.5.3), as if they were one; without any of it, none is written. */
	unsigned wrap_count;
	struct gike_wrapped wraps[GIKE_KEYS_MAX];
	struct ike_bytes auth_key; /* SubjectPublicKeyInfo, DER; empty: not there */
	unsigned sender_count;
	uint32_t senders[GIKE_SENDERS_MAX];
	unsigned unknown; /* attributes */
};

enum gike_error gike_kd_parse(struct gike_kd *k, struct ike_bytes body, enum gike_where where);
void gike_kd_build(const struct gike_kd *k, struct wr *w);

const struct gike_bag *gike_bag_of(const struct gike_kd *k, const struct gike_policy *p);

/* Both payloads of one message against each other (§5). asked: how many Sender-IDs were asked for
 * in a registration; 0: none, the member does not send. */
enum gike_error gike_agree(const struct gike_gsa *g, const struct gike_kd *k, enum gike_where where,
			   uint32_t asked);

/* GROUP_SENDER: how many Sender-IDs are asked for. */
enum gike_error gike_sender_parse(const struct ike_notify *n, uint32_t *count);
void gike_put_sender(struct ike_out *o, uint32_t count);
/* The error notifications of §4.7: nothing of an SA may stand in them. */
enum gike_error gike_refusal_check(const struct ike_notify *n);

struct gike_auth { /* AUTH payload of a GSA_REKEY (RFC 7427 §3) */
	struct ike_bytes algorithm, signature;
};
enum gike_error gike_auth_parse(struct gike_auth *a, const struct ike_payload *p);
/* AUTH with room for a signature of that length, zeros; returns where it is, an offset into o->w. */
size_t gike_put_auth(struct ike_out *o, struct ike_bytes algorithm, size_t signature_len);

/*
 * What the signature is over (§2.4.1.1): header and Encrypted payload's header with lengths that
 * count neither IV nor padding nor ICV, then the payloads inside with the signature as zeros. h:
 * its len is not read. flags: the second octet of the Encrypted payload (of the first fragment).
 * signature: a run inside of inner; otherwise w is bad.
 */
void gike_signed_build(struct wr *w, const struct ike_head *h, uint8_t first, uint8_t flags,
		       struct ike_bytes inner, struct ike_bytes signature);
