/*
 * MACsec on the wire: the SecTAG (IEEE 802.1AE-2018 clause 9) and the cipher suites (clause 14).
 * Pure codec, no state; safe from any thread.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MACSEC_ETHERTYPE 0x88e5
#define MACSEC_ICV_LEN 16     /* bytes, every suite here */
#define MACSEC_TAG_LEN 8      /* EtherType, TCI/AN, SL, PN: without SCI */
#define MACSEC_TAG_SCI_LEN 16 /* the same with the SCI */
#define MACSEC_SALT_LEN 12    /* XPN suites, bytes */
#define MACSEC_KEY_ID_LEN 16  /* MKA's key identifier: member identifier (12) and key number (4) */
#define MACSEC_AN_COUNT 4
#define MACSEC_SHORT_LEN 48 /* SL tells the length of secure data shorter than this */

/* The default cipher suites of 802.1AE-2018 table 14-1. Values are stable: they cross msg. */
enum macsec_suite {
	MACSEC_GCM_AES_128,
	MACSEC_GCM_AES_256,
	MACSEC_GCM_AES_XPN_128,
	MACSEC_GCM_AES_XPN_256,
	MACSEC_SUITE_COUNT
};

struct macsec_suite_info {
	const char *name;    /* the standard's, e.g. "GCM-AES-XPN-256" */
	const char *keyword; /* the backbone file's, e.g. "gcm-aes-xpn-256" */
	uint64_t id;         /* cipher suite identifier, 0x0080c20001000001 … */
	uint8_t key_len;     /* bytes */
	bool xpn;            /* 64-bit packet numbers, SSCI and salt in the nonce */
};

extern const struct macsec_suite_info macsec_suites[MACSEC_SUITE_COUNT];

/*
 * How much of the user data an SA encrypts (10.7.24, the confidentiality offset). 0 is all of it,
 * so that what was never said is safe. Values are stable: they cross msg.
 */
enum macsec_conf {
	MACSEC_CONF_0,
	MACSEC_CONF_30,   /* all but the first 30 octets */
	MACSEC_CONF_50,   /* all but the first 50 octets */
	MACSEC_CONF_NONE, /* nothing: integrity only */
	MACSEC_CONF_COUNT
};

/* validateFrames (10.7.8). Strict is 0, so that what was never said is safe. Crosses msg. */
enum macsec_validate { MACSEC_STRICT, MACSEC_CHECK, MACSEC_DISABLED, MACSEC_VALIDATE_COUNT };

#define MACSEC_CLEAR_ALL 255

struct macsec_conf_info {
	const char *name; /* "offset-30" */
	uint8_t clear;    /* octets of user data that stay readable, authenticated all the same;
			* MACSEC_CLEAR_ALL: all of them */
};

extern const struct macsec_conf_info macsec_confs[MACSEC_CONF_COUNT];

/* The XPN suites have no offset (14.7). */
static inline bool macsec_conf_fits(const struct macsec_suite_info *s, enum macsec_conf conf)
{
	return !s->xpn || (conf != MACSEC_CONF_30 && conf != MACSEC_CONF_50);
}

/* The suite with this identifier, or -1. */
int macsec_suite_by_id(uint64_t id);

/* The TCI and AN octet (9.5). */
enum {
	MACSEC_TCI_VERSION = 0x80,
	MACSEC_TCI_ES = 0x40,  /* the source address is the SCI's, port identifier 1 */
	MACSEC_TCI_SC = 0x20,  /* an explicit SCI follows the PN */
	MACSEC_TCI_SCB = 0x10, /* EPON single copy broadcast */
	MACSEC_TCI_E = 0x08,   /* the user data is encrypted */
	MACSEC_TCI_C = 0x04,   /* the user data is not what it was */
	MACSEC_AN_MASK = 0x03,
};

/* What can be wrong with a SecTAG by itself (9.12), worst case named. */
enum macsec_defect {
	MACSEC_TAG_OK,
	MACSEC_TAG_CUT,         /* a: shorter than a SecTAG and one octet */
	MACSEC_TAG_ETHERTYPE,   /* b */
	MACSEC_TAG_VERSION_1,   /* c: the V bit */
	MACSEC_TAG_ES_AND_SC,   /* d */
	MACSEC_TAG_SCB_AND_SC,  /* d */
	MACSEC_TAG_SL_RESERVED, /* e: bits 7 and 8 of SL, or a value of 48 and more */
	MACSEC_TAG_SL_CUT, /* f to i: less user data than SL says, or than 48 octets without SL */
	MACSEC_TAG_SL_EXCESS,   /* f to i: more than SL says, and not padding of a minimum frame */
	MACSEC_TAG_E_WITHOUT_C, /* 9.5: for the KaY, never for a SecY */
	MACSEC_TAG_C_WITHOUT_E, /* 9.5, 14: no suite here changes user data without encrypting it */
	MACSEC_DEFECT_COUNT
};

struct macsec_tag {
	uint8_t tci;     /* MACSEC_TCI_* */
	uint8_t an;      /* 0 to 3 */
	uint8_t sl;      /* 0: the user data is at least 48 octets */
	uint8_t len;     /* octets of the tag from the EtherType on: 8 or 16 */
	uint32_t pn;     /* low 32 bits of the packet number */
	uint64_t sci;    /* explicit, or of the source address (ES); else 0 */
	uint32_t secure; /* octets of secure data that follow the tag; then the ICV */
};

/*
 * Parses and checks a SecTAG. frame is whole, with its two addresses and without a tag in clear
 * (the SecTAG starts at octet 12); what is checked besides the SecTAG is that the frame is as
 * long as it says. Octets behind the ICV are accepted only when they pad the frame to the
 * Ethernet minimum. PN 0 is left to the caller, who knows whether the suite is XPN.
 */
enum macsec_defect macsec_parse(struct macsec_tag *t, const uint8_t *frame, size_t len);

/*
 * Writes a SecTAG of 8 or 16 octets (sci 0: without) at out: E and C set when encrypting, the
 * short length from `secure` octets of user data. Returns its length.
 */
size_t macsec_build(uint8_t out[MACSEC_TAG_SCI_LEN], uint8_t an, bool encrypt, uint32_t pn,
		    uint64_t sci, size_t secure);

/*
 * The part of the nonce that is the same for every packet of an SA, the packet number as zero
 * (14.5, 14.7): SCI and four octets, or with XPN the salt with the SSCI added.
 */
void macsec_nonce_base(uint8_t base[12], enum macsec_suite suite, uint64_t sci, uint32_t ssci,
		       const uint8_t salt[MACSEC_SALT_LEN]);

/* The nonce of one packet: its number (32 or 64 bits by suite) added into the base. */
static inline void macsec_nonce(uint8_t nonce[12], const uint8_t base[12], uint64_t pn)
{
	uint64_t lo;

	memcpy(nonce, base, 12);
	memcpy(&lo, base + 4, sizeof(lo));
	lo ^= htobe64(pn);
	memcpy(nonce + 4, &lo, sizeof(lo));
}

/*
 * The full packet number of which an XPN frame carries the low half, seen from `next`, the
 * highest number accepted plus one (10.6.2): the candidate nearest to it.
 */
static inline uint64_t macsec_pn_recover(uint32_t low, uint64_t next)
{
	uint64_t pn = (next & ~(uint64_t)UINT32_MAX) | low;

	if (pn > next && pn - next > UINT64_C(1) << 31 && pn >> 32)
		return pn - (UINT64_C(1) << 32);
	if (pn < next && next - pn > UINT64_C(1) << 31 && pn >> 32 != UINT32_MAX)
		return pn + (UINT64_C(1) << 32);
	return pn;
}

/* An SCI: the six octets of a MAC address, then a 16-bit port identifier, as one big-endian number. */
static inline uint64_t macsec_sci(const uint8_t mac[6], uint16_t port)
{
	return (uint64_t)mac[0] << 56 | (uint64_t)mac[1] << 48 | (uint64_t)mac[2] << 40 |
	       (uint64_t)mac[3] << 32 | (uint64_t)mac[4] << 24 | (uint64_t)mac[5] << 16 | port;
}
