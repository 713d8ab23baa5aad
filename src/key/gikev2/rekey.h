/*
 * rekey: the Rekey SA of a group and its messages, GSA_REKEY (RFC 9838 §2.4.1): one way, from the
 * key server to all members at once. Both sides; sans I/O; any thread with an SA of its own.
 *
 * The key server makes a message in three steps, because a signature may come later and from
 * elsewhere: payloads into a draft, the bytes to sign out of it, the sealed message. A message is
 * sealed once: copies that are sent again are the same bytes (§2.4.1.3). Signatures that we make
 * have a length that is known beforehand, for it is signed too: Ed25519 and RSA. Any are checked.
 *
 * A member opens what it gets in this order: what is in clear, the message ID, the ICV, the
 * signature; nothing of a message that failed one of them is handed on.
 */
#pragma once

#include "base/secret.h"
#include "crypto/seal.h"
#include "crypto/sign.h"
#include "wire/gike.h"

#define REKEY_TEXT_MAX 16000    /* bytes of the payloads of one message */
#define REKEY_MESSAGE_MAX 16128 /* bytes of one message */
#define REKEY_SPKI_MAX 1152     /* bytes of the key server's public key */
#define REKEY_KEYMAT_MAX 192    /* bytes of a Rekey SA's keying material */

struct rekey_sa {
	uint8_t spi[IKE_REKEY_SPI_LEN];
	struct seal_key seal; /* GSK_e and GSK_a */
	struct secret wrap;   /* GSK_w */
	uint16_t kwa;         /* enum ike_kwa */
	uint16_t gcauth;      /* enum ike_gcauth */
	enum sign_scheme scheme;
	size_t spki_len;
	uint8_t spki[REKEY_SPKI_MAX]; /* DER */
};

/* Bytes of keying material that a policy asks for; 0: algorithms that we do not have. */
size_t rekey_keymat_len(const struct gike_policy *p);
/* The SA of a policy, its keys cut from keying material (§3.4). -ENOTSUP: not our algorithms;
 * -EINVAL: another length than the policy's, which MUST be equal (§4.5.2.1). */
int rekey_sa_init(struct rekey_sa *sa, const struct gike_policy *p, const uint8_t *keymat,
		  size_t len);
/* How its messages prove themselves, as registered. spki: empty if implicitly. -ENOTSUP: a method or
 * scheme we do not have; -EKEYREJECTED: a key of another kind than the scheme. */
int rekey_sa_auth(struct rekey_sa *sa, const struct gike_policy *registered, struct ike_bytes spki);
/* The same as that of the SA before it, which no rekey changes (§4.4.2.1.1). */
void rekey_sa_auth_of(struct rekey_sa *sa, const struct rekey_sa *before);
/* A new AUTH_KEY. -EINVAL where there is none to be; -EKEYREJECTED. */
int rekey_sa_key(struct rekey_sa *sa, struct ike_bytes spki);
void rekey_sa_wipe(struct rekey_sa *sa);

/* The payloads of a message to be. */
struct rekey_draft {
	struct wr w;
	struct ike_out o; /* for ike_put() and its like */
	size_t signature_at, signature_len;
	uint8_t b[1 + REKEY_TEXT_MAX]; /* the type of the first in front */
};
void rekey_begin(struct rekey_draft *d);
/* Ends the payloads by AUTH, with room for a signature of that length, and writes what is to be
 * signed. Where nothing is signed, neither. -EMSGSIZE. */
int rekey_to_sign(const struct rekey_sa *sa, uint32_t id, struct rekey_draft *d,
		  size_t signature_len, struct wr *to_sign);
/* Seals it. signature: as long as was said. iv: seal_iv_len() bytes, never the same twice under one
 * SA. out: REKEY_MESSAGE_MAX. -EINVAL, -EMSGSIZE, -EIO. The draft is wiped. */
int rekey_seal(const struct rekey_sa *sa, uint32_t id, struct rekey_draft *d,
	       const uint8_t *signature, const uint8_t *iv, struct wr *out);

enum rekey_result {
	REKEY_OK,
	/* in clear */
	REKEY_MALFORMED,
	REKEY_EXCHANGE, /* not a GSA_REKEY, or an answer to one */
	REKEY_SPI,      /* of another SA */
	REKEY_OLD,      /* a message ID below the one that is expected (§2.4.1.4) */
	REKEY_ICV,
	/* from somebody who has the group's key */
	REKEY_INNER,    /* what was encrypted is malformed */
	REKEY_CRITICAL, /* holds a critical payload nobody here knows */
	REKEY_PAYLOADS, /* payloads that a GSA_REKEY lacks or may not have */
	REKEY_SIGNATURE,
	REKEY_RESULT_COUNT
};
const char *rekey_result_name(enum rekey_result r);

struct rekey_in {
	struct ike_head head;
	struct ike_chain chain; /* points into the message */
};
/* Opens a message in place. expected: the lowest message ID that is acceptable. */
enum rekey_result rekey_open(const struct rekey_sa *sa, uint32_t expected, uint8_t *msg, size_t len,
			     struct rekey_in *in);
