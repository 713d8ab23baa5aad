/*
 * seal: protecting one message as IKEv2's Encrypted payload does (RFC 7296 §3.14, RFC 5282,
 * RFC 7634): AES-GCM and ChaCha20-Poly1305 with 16-byte tags, and AES-CBC with HMAC-SHA2. For
 * single messages; bursts of packets have aead.h. Any thread.
 *
 * A message lies in one buffer:
 *
 *   head (authenticated) · IV · text (encrypted) · ICV
 *
 * An AEAD's nonce is the salt at the end of its key and the IV; what it authenticates beside the
 * text is the head. With CBC the ICV is over everything before it.
 */
#pragma once

#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define SEAL_SALT_LEN 4 /* AEADs: bytes at the end of the key */

enum seal_cipher { SEAL_NONE, SEAL_AES_GCM_16, SEAL_CHACHA20_POLY1305, SEAL_AES_CBC };

struct seal_key {
	uint8_t cipher;     /* enum seal_cipher */
	uint16_t hash_bits; /* CBC: 256, 384 or 512, of the HMAC; else 0 */
	struct secret key;  /* AES 16 or 32 bytes, ChaCha20 32, AEADs with their salt */
	struct secret auth; /* CBC: as long as the hash; else empty */
};

/* Bytes. Blocks: the text's length is a multiple of it. */
size_t seal_iv_len(const struct seal_key *k);
size_t seal_icv_len(const struct seal_key *k);
size_t seal_block(const struct seal_key *k);

/*
 * Encrypts in place. len is the whole message's, ICV included; the IV stands in it already, and no
 * two messages under one key may have the same (AEADs), or one that can be foretold (CBC). 0,
 * -EINVAL for lengths that cannot be, -EIO; the text is wiped unless 0.
 */
int seal_close(const struct seal_key *k, uint8_t *msg, size_t head, size_t len);

/* Verifies, then decrypts in place. -EBADMSG when it does not verify: the text is wiped or as it
 * came, and nothing of it may be looked at. */
int seal_open(const struct seal_key *k, uint8_t *msg, size_t head, size_t len);
