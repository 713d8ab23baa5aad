/*
 * ike: IKEv2 messages on the wire (RFC 7296 §3, RFC 7383 §2.5, RFC 7427 §4, RFC 8784 §5.1). Pure
 * codec, no state; safe from any thread.
 *
 * A message is read in two steps, because most of it is encrypted: ike_message_parse() reads the
 * header and the chain of payloads that is in clear; when that ends in an Encrypted payload, what
 * is inside it, once it verified, is another chain for ike_chain_parse(). What was parsed points
 * into the buffer it was parsed from. Nothing in it was authenticated by the codec.
 *
 * Reading is strict where a length could lie and tolerant where the standard asks for it: reserved
 * bits are ignored, payloads nobody here knows are counted, and named when they are critical.
 */
#pragma once

#include "base/rd.h"
#include "base/wr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_HEAD_LEN 28       /* bytes */
#define IKE_PAYLOAD_HEAD 4    /* bytes: the generic payload header */
#define IKE_VERSION 0x20      /* major 2, minor 0 */
#define IKE_SPI_LEN 8         /* of an IKE SA, bytes */
#define IKE_ESP_SPI_LEN 4     /* bytes */
#define IKE_REKEY_SPI_LEN 16  /* bytes: both SPIs of the header (RFC 9838 §4.4.2) */
#define IKE_NONCE_MIN 16      /* bytes (§3.9) */
#define IKE_NONCE_MAX 256     /* bytes */
#define IKE_PAYLOADS_MAX 64   /* in one chain */
#define IKE_TRANSFORMS_MAX 96 /* in one proposal */
#define IKE_PROPOSALS_MAX 32  /* in one SA payload */
#define IKE_TS_MAX 64         /* selectors in one payload */
#define IKE_MARKER_LEN 4      /* zero bytes before IKE on port 4500 (RFC 3948 §2.2) */

enum ike_exchange {
	IKE_SA_INIT = 34,
	IKE_AUTH = 35,
	IKE_CREATE_CHILD_SA = 36,
	IKE_INFORMATIONAL = 37,
	IKE_GSA_AUTH = 39, /* RFC 9838 */
	IKE_GSA_REGISTRATION = 40,
	IKE_GSA_REKEY = 41,
	IKE_GSA_INBAND_REKEY = 42,
};

enum ike_flag {
	IKE_FLAG_INITIATOR = 0x08, /* sent by the original initiator of the IKE SA */
	IKE_FLAG_VERSION = 0x10,   /* the sender could speak a higher major version */
	IKE_FLAG_RESPONSE = 0x20,
};

enum ike_payload_type {
	IKE_PL_NONE = 0,
	IKE_PL_SA = 33,
	IKE_PL_KE = 34,
	IKE_PL_IDI = 35,
	IKE_PL_IDR = 36,
	IKE_PL_CERT = 37,
	IKE_PL_CERTREQ = 38,
	IKE_PL_AUTH = 39,
	IKE_PL_NONCE = 40,
	IKE_PL_NOTIFY = 41,
	IKE_PL_DELETE = 42,
	IKE_PL_VENDOR = 43,
	IKE_PL_TSI = 44,
	IKE_PL_TSR = 45,
	IKE_PL_SK = 46,
	IKE_PL_CP = 47,
	IKE_PL_EAP = 48,
	IKE_PL_IDG = 50, /* RFC 9838; the bodies of GSA and KD are for wire/gike.h */
	IKE_PL_GSA = 51,
	IKE_PL_KD = 52,
	IKE_PL_SKF = 53,
};

/* The bit of a payload type in ike_chain.present. */
#define IKE_BIT(type) (1u << ((type)-33))

enum ike_protocol {
	IKE_PROTO_NONE,
	IKE_PROTO_IKE,
	IKE_PROTO_AH,
	IKE_PROTO_ESP,
	IKE_PROTO_GIKE_UPDATE = 6, /* the Rekey SA of a group */
};

enum ike_transform_type {
	IKE_T_ENCR = 1,
	IKE_T_PRF,
	IKE_T_INTEG,
	IKE_T_DH,
	IKE_T_ESN,
	IKE_T_KWA = 13, /* key wrap algorithm (RFC 9838) */
	IKE_T_GCAUTH,   /* how a key server proves itself in rekeys */
};
#define IKE_T_TYPES 6 /* array size: index by type; those of groups are beyond it */

enum ike_encr {
	IKE_ENCR_NULL = 11,
	IKE_ENCR_AES_CBC = 12,
	IKE_ENCR_AES_GCM_16 = 20,
	IKE_ENCR_CHACHA20_POLY1305 = 28,
};
enum ike_prf {
	IKE_PRF_SHA2_256 = 5,
	IKE_PRF_SHA2_384 = 6,
	IKE_PRF_SHA2_512 = 7,
};
enum ike_integ {
	IKE_INTEG_NONE = 0,
	IKE_INTEG_SHA2_256_128 = 12,
	IKE_INTEG_SHA2_384_192 = 13,
	IKE_INTEG_SHA2_512_256 = 14,
};
enum ike_group {
	IKE_DH_NONE = 0,
	IKE_DH_MODP_2048 = 14,
	IKE_DH_MODP_3072 = 15,
	IKE_DH_MODP_4096 = 16,
	IKE_DH_ECP_256 = 19,
	IKE_DH_ECP_384 = 20,
	IKE_DH_ECP_521 = 21,
	IKE_DH_X25519 = 31,
};
enum ike_esn {
	IKE_ESN_NO,
	IKE_ESN_YES,
	IKE_SN_UNSPECIFIED, /* 32 bits, not unique: several senders (RFC 9838 §4.4.2.1.3) */
};
enum ike_kwa { IKE_KWA_NONE, IKE_KW_5649_128, IKE_KW_5649_192, IKE_KW_5649_256, IKE_KW_ARX };
enum ike_gcauth { IKE_GCAUTH_NONE, IKE_GCAUTH_IMPLICIT, IKE_GCAUTH_SIGNATURE };

enum ike_id_type {
	IKE_ID_IPV4 = 1,
	IKE_ID_FQDN = 2,
	IKE_ID_RFC822 = 3,
	IKE_ID_IPV6 = 5,
	IKE_ID_DN = 9,
	IKE_ID_GN = 10,
	IKE_ID_KEY = 11,
};

enum ike_auth_method {
	IKE_AUTH_RSA = 1, /* RSASSA-PKCS1-v1_5, SHA-1 unless agreed otherwise */
	IKE_AUTH_PSK = 2,
	IKE_AUTH_ECDSA_256 = 9, /* RFC 4754 */
	IKE_AUTH_ECDSA_384 = 10,
	IKE_AUTH_ECDSA_521 = 11,
	IKE_AUTH_SIGNATURE = 14, /* RFC 7427: the algorithm stands beside the signature */
};

enum ike_hash { /* RFC 7427 §7, RFC 8420 §4 */
		IKE_HASH_SHA2_256 = 2,
		IKE_HASH_SHA2_384 = 3,
		IKE_HASH_SHA2_512 = 4,
		IKE_HASH_IDENTITY = 5,
};

enum ike_cert_encoding { IKE_CERT_X509_SIGNATURE = 4, IKE_CERT_CRL = 7 };

enum ike_notify_type {
	/* errors */
	IKE_N_UNSUPPORTED_CRITICAL = 1,
	IKE_N_INVALID_IKE_SPI = 4,
	IKE_N_INVALID_MAJOR = 5,
	IKE_N_INVALID_SYNTAX = 7,
	IKE_N_INVALID_MESSAGE_ID = 9,
	IKE_N_INVALID_SPI = 11,
	IKE_N_NO_PROPOSAL = 14,
	IKE_N_INVALID_KE = 17,
	IKE_N_AUTH_FAILED = 24,
	IKE_N_SINGLE_PAIR = 34,
	IKE_N_NO_ADDITIONAL_SAS = 35,
	IKE_N_INTERNAL_ADDRESS = 36,
	IKE_N_FAILED_CP = 37,
	IKE_N_TS_UNACCEPTABLE = 38,
	IKE_N_INVALID_SELECTORS = 39,
	IKE_N_TEMPORARY_FAILURE = 43,
	IKE_N_CHILD_SA_NOT_FOUND = 44,
	IKE_N_INVALID_GROUP_ID = 45, /* RFC 9838 */
	IKE_N_AUTHORIZATION_FAILED = 46,
	IKE_N_REGISTRATION_FAILED = 49,
	/* status */
	IKE_N_STATUS = 16384, /* the first of them */
	IKE_N_INITIAL_CONTACT = 16384,
	IKE_N_SET_WINDOW_SIZE = 16385,
	IKE_N_ADDITIONAL_TS = 16386,
	IKE_N_NAT_SOURCE = 16388,
	IKE_N_NAT_DESTINATION = 16389,
	IKE_N_COOKIE = 16390,
	IKE_N_TRANSPORT_MODE = 16391,
	IKE_N_REKEY_SA = 16393,
	IKE_N_NO_TFC_PADDING = 16394,
	IKE_N_NON_FIRST_FRAGMENTS = 16395,
	IKE_N_CHILDLESS = 16418,        /* RFC 6023 */
	IKE_N_GROUP_SENDER = 16429,     /* RFC 9838 */
	IKE_N_FRAGMENTATION = 16430,    /* RFC 7383 */
	IKE_N_SIGNATURE_HASHES = 16431, /* RFC 7427 */
	IKE_N_USE_PPK = 16435,          /* RFC 8784 */
	IKE_N_PPK_IDENTITY = 16436,
	IKE_N_NO_PPK_AUTH = 16437,
};

struct ike_head {
	uint64_t spi_i, spi_r;
	uint8_t next, version, exchange, flags;
	uint32_t id;  /* message ID */
	uint32_t len; /* bytes of the whole message; ike_head_build() writes what it is given */
};

struct ike_transform {
	uint8_t type; /* enum ike_transform_type */
	uint16_t id;
	uint16_t key_bits; /* Key Length attribute; 0: not there */
	bool odd;          /* it has an attribute nobody here knows: never chosen (§3.3.6) */
};

struct ike_proposal {
	uint8_t num, protocol;
	uint8_t spi_len;
	const uint8_t *spi;
	unsigned count;
	struct ike_transform t[IKE_TRANSFORMS_MAX];
};

struct ike_ts {
	uint8_t type;                /* 7: IPv4, 8: IPv6 */
	uint8_t protocol;            /* 0: any */
	uint16_t port_from, port_to; /* host byte order */
	uint8_t from[16], to[16];    /* 4 or 16 bytes of each are used */
};
enum { IKE_TS_IPV4 = 7, IKE_TS_IPV6 = 8 };

/* A run of bytes inside a message. */
struct ike_bytes {
	const uint8_t *p;
	size_t len;
};

struct ike_notify {
	uint8_t protocol;
	uint8_t spi_len;
	uint16_t type;
	const uint8_t *spi;
	struct ike_bytes data;
};

struct ike_delete {
	uint8_t protocol, spi_len;
	uint16_t count;
	const uint8_t *spis; /* count of spi_len bytes each */
};

/* One payload of a chain, its body read by the row of its type. */
struct ike_payload {
	uint8_t type; /* enum ike_payload_type */
	bool critical;
	struct ike_bytes body; /* all of it behind the generic header */
	union {
		struct {
			uint16_t group;
			struct ike_bytes data;
		} ke;
		struct {
			uint8_t type; /* enum ike_id_type */
			struct ike_bytes data;
		} id;
		struct {
			uint8_t encoding; /* CERT and CERTREQ */
			struct ike_bytes data;
		} cert;
		struct {
			uint8_t method; /* enum ike_auth_method */
			struct ike_bytes data;
		} auth;
		struct ike_notify notify;
		struct ike_delete del;
		struct {
			uint8_t count;
			struct ike_bytes list; /* for ike_ts_next() */
		} ts;
		struct {
			uint8_t first;          /* type of the first payload inside */
			uint16_t number, total; /* SKF; 1 of 1 in SK */
			struct ike_bytes data;  /* IV, ciphertext and ICV */
		} sk;
		/* SA: the body is for ike_proposal_next(); Nonce, Vendor ID: the body itself */
	};
};

struct ike_chain {
	unsigned count;
	uint32_t present; /* IKE_BIT() of every type that was found */
	unsigned unknown; /* payloads of types that have no row */
	uint8_t critical; /* type of the first of them that is critical; 0: none */
	struct ike_payload v[IKE_PAYLOADS_MAX];
};

enum ike_error {
	IKE_WIRE_OK,
	IKE_WIRE_SHORT,    /* shorter than a header, or than its own length says, or longer */
	IKE_WIRE_VERSION,  /* major version above 2: answered by INVALID_MAJOR_VERSION */
	IKE_WIRE_LENGTH,   /* a payload's length cannot be */
	IKE_WIRE_BODY,     /* a payload's body is not what its type says */
	IKE_WIRE_TWICE,    /* a payload that may come once only came again */
	IKE_WIRE_TOO_MANY, /* more payloads than IKE_PAYLOADS_MAX */
	IKE_WIRE_AFTER_SK, /* something behind an Encrypted payload, or one inside another */
	IKE_WIRE_ERROR_COUNT
};
const char *ike_error_name(enum ike_error e);

/* Reads the header alone and checks it against len, the bytes of the datagram. */
enum ike_error ike_head_parse(struct ike_head *h, const void *msg, size_t len);
void ike_head_build(const struct ike_head *h, struct wr *w);

/*
 * A chain of payloads whose first has the type `first`, len bytes. `clear`: it stands in clear, so
 * it may end in SK or SKF; otherwise neither may occur. The chain is usable only when the result is
 * IKE_WIRE_OK; but `critical` is set as soon as it was met.
 */
enum ike_error ike_chain_parse(struct ike_chain *c, uint8_t first, const void *p, size_t len,
			       bool clear);
/* Header and the chain in clear. */
enum ike_error ike_message_parse(struct ike_head *h, struct ike_chain *c, const void *msg,
				 size_t len);

/* The first payload of that type, or NULL. */
const struct ike_payload *ike_find(const struct ike_chain *c, enum ike_payload_type type);
/* The first Notify of that type, or NULL. */
const struct ike_notify *ike_find_notify(const struct ike_chain *c, uint16_t type);

/*
 * The next proposal of an SA payload's body. False at its end, or when it is not well-formed
 * (r->bad). A chain that parsed holds only SA payloads that are well-formed, with at least one
 * proposal.
 */
bool ike_proposal_next(struct rd *r, struct ike_proposal *p);
/* The next selector of a TS payload's list. The same. Types nobody knows are skipped. */
bool ike_ts_next(struct rd *r, struct ike_ts *ts);

/*
 * Writing a chain: every payload is opened, written, and closed; opening links it to the one
 * before. The next-payload octet of what stands before the first (message header, SK payload) is
 * at `link`, an offset into w.
 */
struct ike_out {
	struct wr *w;
	size_t link;  /* where the next payload's type is to be written */
	size_t start; /* of the payload that is open */
};

struct ike_out ike_out_init(struct wr *w, size_t link);
void ike_open(struct ike_out *o, enum ike_payload_type type);
void ike_close(struct ike_out *o);
/* A whole payload by its row, with the fields of its type set. SA and TS: `body` or `ts.list` as
 * it is to stand. */
void ike_put(struct ike_out *o, const struct ike_payload *p);

/* A proposal into an open SA payload. */
void ike_put_proposal(struct wr *w, const struct ike_proposal *p, bool last);
/* Notify with or without SPI and data. */
void ike_put_notify(struct ike_out *o, uint16_t type, const void *data, size_t len);
void ike_put_notify_spi(struct ike_out *o, uint8_t protocol, const void *spi, uint8_t spi_len,
			uint16_t type, const void *data, size_t len);
void ike_put_ts(struct ike_out *o, enum ike_payload_type type, const struct ike_ts *v, unsigned n);
void ike_put_bytes(struct ike_out *o, enum ike_payload_type type, const void *p, size_t len);

/* Words for logs and show; "?" for what has none. */
const char *ike_exchange_name(unsigned exchange);
const char *ike_payload_name(unsigned type);
const char *ike_notify_name(unsigned type);
/* "aes-gcm-16" with "-256" behind it when a key length is given, into buf; returns buf. */
const char *ike_transform_name(const struct ike_transform *t, char *buf, size_t size);
