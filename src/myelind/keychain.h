/*
 * keychain: the text of an MKA key chain, a key a line, # comments, empty lines:
 *
 *     CKN-HEX CAK-HEX [start TIME] [end TIME]
 *
 * The CKN is 1 to 32 bytes, the CAK 16 or 32; a TIME is UTC, `2027-01-31T00:00:00Z`. The newest of
 * the keys whose time it is, by its start, is the one wanted; so no two start at the same time.
 * Pure.
 */
#pragma once

#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define KEYCHAIN_CKN_MAX 32
#define KEYCHAIN_KEYS_MAX 12
#define KEYCHAIN_TEXT_MAX 16384

struct keychain_key {
	uint8_t ckn[KEYCHAIN_CKN_MAX];
	uint8_t ckn_len;
	struct secret cak;
	uint64_t start, end; /* wall clock, nanoseconds since 1970 UTC; 0: none */
	unsigned line;
};

struct keychain {
	unsigned count; /* at least 1 */
	struct keychain_key v[KEYCHAIN_KEYS_MAX];
};

/* 0, or -EINVAL with `why` naming the line, never a word of it. */
int keychain_parse(struct keychain *k, const char *text, size_t len, char *why, size_t size);
void keychain_wipe(struct keychain *k);
/* The line of `b` whose CKN stands in `a` too; 0: there is none. */
unsigned keychain_shares(const struct keychain *a, const struct keychain *b);
