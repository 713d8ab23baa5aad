/*
 * member: a member's side of one group (GM of RFC 9838, `plain` mode), sans I/O.
 *
 * It asks to be registered, follows the group's rekeys, hands keys to the sink and takes them away in
 * time. What protects a registration is the IKE SA of whoever calls: requests are written as payloads,
 * answers come as verified payloads with that SA's default key gsk_w. GSA_REKEY comes as datagrams.
 *
 *  - Everybody receives by a new SA at once. Who sends changes over ATD later; when it has just
 *    registered, it sends at once by what the key server names first.
 *  - What is deleted goes DTD later; what has ended, at once.
 *  - It wants to register again when told that it is out, when keys near their end and no others have
 *    come, when a message ID was skipped, or when somebody speaks under a Rekey SA that was promised and whose keys never came
 *    (§4.4.2.2.3); each after a random wait, so that not all do at once (§2.4.3).
 *  - Sender-IDs are the caller's to keep from coming back: a member that starts anew knows none, and
 *    registers.
 *
 * Time is nanoseconds of the boot-time clock. One thread.
 */
#pragma once

#include "key/gikev2/lkh.h"
#include "key/gikev2/rekey.h"
#include "key/sink.h"

#define GM_NEVER UINT64_MAX
#define GM_SAS_MAX 32 /* Data-Security SAs at a time */
#define GM_KEKS_MAX 2 /* Rekey SAs: the current one, and the one before it until DTD */

struct gm_config {
	uint16_t group;      /* as the sink has it */
	bool sends;          /* it is a Group Sender */
	uint32_t sender_ids; /* asked for, from 1 */
	uint64_t spread_ns;  /* longest random wait before it registers again */
	bool ask_sag;        /* SAg is sent along: what we can do */
};

struct gm_env {
	void *ctx;
	void (*random)(void *ctx, void *buf, size_t n);
	struct sink_group_ops sink;
};

enum gm_result {
	GM_OK,
	GM_MESSAGE,   /* what enum rekey_result says */
	GM_PAYLOAD,   /* what enum gike_error says */
	GM_ALGORITHM, /* a policy that is not acceptable: NO_PROPOSAL_CHOSEN is to be said */
	GM_KEYS,      /* keys that do not unwrap, or of another size */
	GM_EXCLUDED,  /* no way to the keys */
	GM_ROOM,      /* more SAs than GM_SAS_MAX */
	GM_UNKNOWN,   /* a datagram under no Rekey SA of ours */
	GM_SENDER,    /* keys to send by and no Sender-ID: it registers for one (§2.4.1.4) */
	GM_STALE,     /* an answer that a rekey has overtaken; it is asked for again */
	GM_RESULT_COUNT
};

struct gm;

struct gm *gm_new(const struct gm_config *cfg, const struct gm_env *env, uint64_t now);
/* Retires nothing: what is installed stays with forward. Wipes every key. */
void gm_free(struct gm *m);

/* When it wants to register; GM_NEVER: not as things are. */
uint64_t gm_wants_at(const struct gm *m);
/* SAg and GROUP_SENDER of a request, behind what the caller puts first (IDg). */
void gm_request(const struct gm *m, struct ike_out *o);
/* The answer's payloads. Unless GM_OK nothing has changed, and it will want to register again. */
enum gm_result gm_registered(struct gm *m, const struct ike_chain *answer,
			     const struct secret *gsk_w, uint64_t now);
/* It was refused, or there was no answer. */
void gm_failed(struct gm *m, uint64_t now);
/* A GSA_INBAND_REKEY's payloads: GSA and KD, or Delete. */
enum gm_result gm_inband(struct gm *m, const struct ike_chain *request, const struct secret *gsk_w,
			 uint64_t now);
/* The IKE SA with the key server is gone: without a Rekey SA it is out of the group (§2.3.3). */
void gm_cut(struct gm *m, uint64_t now);
/* A datagram to the group's rekey address, opened in place. */
enum gm_result gm_input(struct gm *m, uint8_t *msg, size_t len, uint64_t now);

void gm_expire(struct gm *m, uint64_t now);
uint64_t gm_deadline(const struct gm *m);

struct gm_show {
	bool registered;
	unsigned sas;
	uint32_t sending; /* SPI; 0: none */
	uint32_t sender;
	enum rekey_result message; /* of the last GM_MESSAGE */
	enum gike_error payload;   /* of the last GM_PAYLOAD */
};
void gm_show(const struct gm *m, struct gm_show *out);
const char *gm_result_name(enum gm_result r);
/* A digest of all that a verified message may change. */
uint64_t gm_digest(const struct gm *m);
