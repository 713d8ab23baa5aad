/*
 * server: a key server's side of one group (GCKS of RFC 9838, `plain` mode), sans I/O. A key server
 * of several groups has several of these.
 *
 * It registers members, renews the group's keys in time and whenever somebody is excluded, and queues
 * GSA_REKEY messages for all. What protects a registration, and says who somebody is, is the IKE SA of
 * whoever calls: members have numbers here, requests come as verified payloads, answers are written as
 * payloads for the same IKE SA, with its default key gsk_w.
 *
 *  - Data-Security SAs are renewed every tek_period_s and live twice as long, so that the next key is
 *    there one period before the last one ends. Senders change over after ATD.
 *  - The Rekey SA likewise by kek_period_s; its new keys go out under its own default key.
 *  - Who is excluded costs a new Rekey SA by way of the key tree and then, under it, new
 *    Data-Security SAs and a Delete of the old ones (§3.2.1: never in one message).
 *  - A member may register several times in a row, and then once in a while: else one that lies could
 *    use up the Sender-IDs of all.
 *  - Sender-IDs are counted upwards and never come back under one set of keys; when there are no more,
 *    or a rekey would not fit into a message, everybody is excluded and registers anew (§2.5.1).
 *
 * Time is nanoseconds of the boot-time clock. After each call that may have changed something:
 * gks_save() if gks_dirty(); answers may be sent when gks_settled(), and gks_output() gives nothing
 * before. Signatures that are awaited hold back both, so that a successor finds in the record
 * either none of a change or all of it, the messages that tell of it included. One thread.
 */
#pragma once

#include "base/rd.h"
#include "base/wr.h"
#include "crypto/sign.h"
#include "key/gikev2/lkh.h"
#include "key/gikev2/rekey.h"
#include "wire/esp.h"

#define GKS_NEVER UINT64_MAX
#define GKS_FLOWS_MAX 4
#define GKS_UNSENT_MAX 8 /* messages in a record */
/* Bytes no record exceeds. */
#define GKS_SAVE_MAX(members) (8192u + 256u * (members) + GKS_UNSENT_MAX * REKEY_MESSAGE_MAX)

struct gks_flow { /* traffic that has a Data-Security SA of its own */
	struct ike_ts from, to;
};

struct gks_config {
	uint8_t suite; /* enum esp_suite, of all Data-Security SAs; an AEAD */
	unsigned flow_count;
	struct gks_flow flows[GKS_FLOWS_MAX];
	struct gks_flow rekey; /* to: the multicast address and port of GSA_REKEY */
	uint32_t tek_period_s, kek_period_s;
	/* dtd_s at least twice atd_s: who registers during a change waits ATD from then on. */
	uint16_t atd_s, dtd_s;
	uint8_t sender_bits;  /* of the IV: 8, 12 or 16 (RFC 6054) */
	uint32_t senders_max; /* Sender-IDs one registration gets at most */
	uint32_t members_max;
	uint8_t burst;           /* registrations of one member in a row, 0: without a limit, */
	uint64_t every_ns;       /* and then one in this time */
	bool implicit;           /* GSA_REKEY is not signed */
	enum sign_scheme scheme; /* of a key whose signatures have signature_len bytes */
	size_t signature_len;
	size_t spki_len;
	uint8_t spki[REKEY_SPKI_MAX];
	unsigned copies;      /* how often a message is sent, from 1 */
	uint64_t copy_gap_ns; /* and how long after each other */
};

struct gks_env {
	void *ctx;
	void (*random)(void *ctx, void *buf, size_t n);
	/* Asks for a signature; the answer is gks_signed(), at once or later. */
	void (*sign)(void *ctx, uint32_t id, const void *data, size_t len);
};

struct gks;

/* NULL: no memory, or a field out of range. */
struct gks *gks_new(const struct gks_config *cfg, const struct gks_env *env, uint64_t now);
void gks_free(struct gks *g);

/*
 * A request for registration of that member, its payloads verified: SAg and GROUP_SENDER are looked
 * at. Writes GSA, KD and notifications of the answer, and returns 0; or an error to notify instead.
 */
uint16_t gks_register(struct gks *g, uint32_t member, const struct secret *gsk_w,
		      const struct ike_chain *request, struct ike_out *answer, uint64_t now);
/* It leaves by itself; keys change as if it were excluded, but it may come back. */
void gks_leave(struct gks *g, uint32_t member, uint64_t now);
/* Excluded until it is readmitted, registered or not. -ENOMEM. */
int gks_exclude(struct gks *g, uint32_t member, uint64_t now);
void gks_readmit(struct gks *g, uint32_t member);
/* Everybody is excluded and may register anew, under new keys. */
void gks_reset(struct gks *g, uint64_t now);
/* The current policy for a GSA_INBAND_REKEY to a registered member. -ENOENT: it is not. */
int gks_inband(struct gks *g, uint32_t member, const struct secret *gsk_w, struct ike_out *out,
	       uint64_t now);

/* A GSA_INBAND_REKEY to who is no member any more: it is out (§2.4.3). */
void gks_put_out(struct ike_out *out);

/* The signature asked for under that id; len 0: it could not be made. */
void gks_signed(struct gks *g, uint32_t id, const uint8_t *sig, size_t len, uint64_t now);

void gks_expire(struct gks *g, uint64_t now);
uint64_t gks_deadline(const struct gks *g);

/* The next datagram for the group's multicast address, or to each member by itself. */
bool gks_output(struct gks *g, struct wr *out);

/* The record a successor goes on from, keys in it: for a store that never sees them in clear. */
bool gks_dirty(const struct gks *g);
bool gks_settled(const struct gks *g);
void gks_save(struct gks *g, struct wr *w);
/* Into one that is new. -EBADMSG: not a whole record; then it is to be freed. */
int gks_load(struct gks *g, struct rd *r, uint64_t now);
/* The same of a record that is not the last one, from a backup: of its keys nothing is known to be
 * unused. Everybody registers anew; who is excluded stays so. */
int gks_restore(struct gks *g, struct rd *r, uint64_t now);

struct gks_show {
	unsigned members, excluded;
	uint32_t sender_next, message_id;
	uint32_t spi[GKS_FLOWS_MAX]; /* newest */
	uint64_t rekeys, resets, refused;
};
void gks_show(const struct gks *g, struct gks_show *out);
bool gks_is_member(const struct gks *g, uint32_t member);
