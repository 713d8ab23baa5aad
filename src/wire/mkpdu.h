/*
 * mkpdu: MKPDUs on the wire (IEEE 802.1X-2020 §11.11), without the Ethernet and EAPOL headers in
 * front and without the ICV behind them. Pure codec, no state; safe from any thread.
 *
 * A parsed MKPDU points into the buffer it was parsed from. Nothing in it was authenticated by
 * the codec: the engine checks the ICV before it parses more than mkpdu_ckn() needs.
 */
#pragma once

#include "base/rd.h"
#include "base/wr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EAPOL_VERSION 3 /* of IEEE 802.1X-2010 on: the first that knows MKA */
#define EAPOL_TYPE_MKA 5
#define EAPOL_HEAD_LEN 4          /* bytes: version, type, body length */
#define MKPDU_VERSION 3           /* MKA version we speak: 802.1Xck-2018, 802.1X-2020 */
#define MKPDU_AGILITY 0x0080c201u /* the one MKA algorithm agility parameter (table 9-1) */
#define MKPDU_ICV_LEN 16
#define MKPDU_MI_LEN 12
#define MKPDU_CKN_MAX 32
#define MKPDU_MIN 32         /* bytes of EAPOL packet body, at least (§11.11.2) */
#define MKPDU_PEER_LEN 16    /* one entry of a peer list: MI and MN */
#define MKPDU_WRAPPED_MAX 40 /* a 256-bit SAK after AES key wrap */
#define MKPDU_MTU 1500       /* bytes that an MKPDU is never longer than, EAPOL header included */
#define MKPDU_PEERS_MAX 80   /* that a participant takes; what fits at that MTU, rounded down */
#define MKPDU_SUITE_LEN 10   /* one entry of a MACsec Cipher Suites TLV: capability, identifier */
#define MKPDU_SUITES_MAX 51  /* of them in the 511 octets a TLV may have */

/* Parameter set types (table 11-7) and, shifted, the bits of `present`. */
enum mkpdu_set {
	MKPDU_LIVE = 1,
	MKPDU_POTENTIAL = 2,
	MKPDU_SAK_USE = 3,
	MKPDU_DIST_SAK = 4,
	MKPDU_DIST_CAK = 5,
	MKPDU_KMD = 6,
	MKPDU_ANNOUNCEMENT = 7,
	MKPDU_XPN = 8,
	MKPDU_ICV = 255,
};

/* MACsec Capability (table 11-6) */
enum { MKPDU_CAPABLE_NOT, MKPDU_CAPABLE_INTEGRITY, MKPDU_CAPABLE_CONF_0, MKPDU_CAPABLE_CONF };
/* Confidentiality Offset of a distributed SAK (§11.11.1) */
enum { MKPDU_NO_CONF, MKPDU_CONF_0, MKPDU_CONF_30, MKPDU_CONF_50 };

/* Announcement TLVs (table 11-8) that are told apart here; the others are stepped over. */
enum { MKPDU_TLV_ACCESS = 111, MKPDU_TLV_SUITES = 112 };

struct mkpdu_list {
	const uint8_t *v; /* count entries of MKPDU_PEER_LEN bytes */
	unsigned count;
	uint8_t ks_ssci; /* live list beside a distributed XPN SAK, version 3: the key server's
			   * SSCI, least significant octet; else 0 */
};

struct mkpdu_key_use {
	const uint8_t *mi; /* key identifier: of the key server that made it, */
	uint32_t kn;       /* and its key number */
	uint32_t lpn;      /* lowest acceptable PN, least significant 32 bits */
	uint8_t an;
	bool tx, rx;
};

struct mkpdu {
	uint32_t present; /* 1 << enum mkpdu_set of what was found (parse) or is to be written */
	/* basic parameter set */
	uint8_t version, priority, capability;
	bool key_server, desired;
	uint64_t sci;
	const uint8_t *mi;
	uint32_t mn, agility;
	const uint8_t *ckn;
	uint8_t ckn_len;
	struct mkpdu_list live, potential;
	struct {
		bool empty; /* a body of no octets: the sender does no MACsec */
		bool plain_tx, plain_rx, delay_protect;
		struct mkpdu_key_use latest, old;
	} use;
	struct {
		bool plain; /* a body of no octets: the key server wants no MACsec */
		uint8_t an, offset;
		uint32_t kn;
		uint64_t
			suite; /* cipher suite identifier; the default suite's if it was left out */
		const uint8_t *wrapped;
		uint8_t wrapped_len; /* bytes, 24 or 40 */
	} sak;
	struct {
		const uint8_t *tlvs; /* len octets of them, each whole */
		uint16_t len;
	} announcement;
	struct {
		uint8_t suspension;           /* seconds */
		uint32_t latest_lpn, old_lpn; /* most significant 32 bits */
	} xpn;
	unsigned unknown; /* parameter sets that were skipped */
};

/*
 * The CKN of a packet body of len bytes, all that is needed to find the key of its ICV.
 * Checks §11.11.2's lengths: at least 32 octets, a multiple of 4, room for the basic parameter
 * set and the ICV, CKN of 1 to 32 octets. NULL when one does not hold. Sets *agility too.
 */
const uint8_t *mkpdu_ckn(const void *body, size_t len, uint8_t *ckn_len, uint32_t *agility);

/*
 * Parses a packet body of len bytes, ICV included but not looked at. 0, or -EBADMSG: a length
 * that cannot be, or a parameter set that comes twice. Types nobody here knows are skipped.
 */
int mkpdu_parse(struct mkpdu *p, const void *body, size_t len);

struct mkpdu_tlv {
	uint8_t type;
	uint16_t len; /* octets of value, 0…511 */
	const uint8_t *v;
};

/* The next TLV of an announcement's body. False: there is none, or (r->bad) it is cut. */
bool mkpdu_tlv_next(struct rd *r, struct mkpdu_tlv *t);
struct mkpdu_suite {
	uint64_t id;
	uint8_t capability; /* MKPDU_CAPABLE_… */
};

/* The next suite of a MACsec Cipher Suites TLV's value; false at its end. */
bool mkpdu_suite_next(struct rd *r, struct mkpdu_suite *s);
/* Writes a MACsec Cipher Suites TLV of n suites. Sets w->bad when n is above MKPDU_SUITES_MAX or
 * there is no room. */
void mkpdu_tlv_suites(struct wr *w, const struct mkpdu_suite *v, unsigned n);

/* How many peers an MKPDU that distributes a SAK of 256 bits has room to list, whatever the length
 * of its CKN, where mtu bytes fit behind the Ethernet header and tags (0, or more than MKPDU_MTU:
 * MKPDU_MTU); at most MKPDU_PEERS_MAX. */
unsigned mkpdu_peers_fit(unsigned mtu);

/* Writes the basic parameter set and every one of `present`, in the order of their types. The
 * ICV is the caller's. Sets w->bad when there is no room. */
void mkpdu_build(const struct mkpdu *p, struct wr *w);
