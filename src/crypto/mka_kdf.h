/*
 * mka_kdf: the key derivation of IEEE 802.1X-2020 §6.2.1: AES-CMAC in counter mode over
 *
 *   counter (1 octet, from 1) · label · 0x00 · context · length of the output in bits (2 octets)
 *
 * with the whole output cut from the left. (SP 800-108 leaves the layout open; the one of
 * OpenSSL's KBKDF, with counter and length of four octets, is another.) Any thread.
 */
#pragma once

#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define MKA_KDF_CONTEXT_MAX 2048 /* bytes */

/*
 * Fills out_len bytes (up to 64). key_len is 16 or 32. label is text, used without its NUL.
 * 0, -EINVAL for a length out of range, -EIO when the library fails; out is wiped then.
 */
int mka_kdf(const void *key, size_t key_len, const char *label, const void *context,
	    size_t context_len, uint8_t *out, size_t out_len);

/* ICK and KEK of a CAK (§9.3.3): as long as the CAK, context the first 16 octets of the CKN,
 * padded with zeroes. Both are wiped when the result is not 0. */
int mka_kdf_keys(const struct secret *cak, const void *ckn, size_t ckn_len, struct secret *ick,
		 struct secret *kek);
