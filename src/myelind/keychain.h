/*
 * keychain: the text of an MKA key chain: one line `CKN-HEX CAK-HEX`, # comments, empty lines.
 *
 * The CKN is 1 to 32 bytes, the CAK 16 or 32. Pure.
 */
#pragma once

#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define KEYCHAIN_CKN_MAX 32
#define KEYCHAIN_TEXT_MAX 4096

struct keychain {
	uint8_t ckn[KEYCHAIN_CKN_MAX];
	uint8_t ckn_len;
	struct secret cak;
};

/* 0, or -EINVAL with `why` naming the line, never a word of it. */
int keychain_parse(struct keychain *k, const char *text, size_t len, char *why, size_t size);
void keychain_wipe(struct keychain *k);
