/*
 * keywrap: AES Key Wrap with the default initial value (RFC 3394). Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define KEYWRAP_OVERHEAD 8 /* bytes a wrapped key is longer than the key */

/*
 * Wraps len bytes (a multiple of 8, at least 16) under a key of 16, 24 or 32 bytes; out has room
 * for len + KEYWRAP_OVERHEAD. 0, -EINVAL for a bad length, -EIO when the library fails.
 */
int keywrap_wrap(const void *kek, size_t kek_len, const void *key, size_t len, uint8_t *out);

/*
 * Unwraps len bytes (a multiple of 8, at least 24) into out, len - KEYWRAP_OVERHEAD bytes.
 * -EBADMSG when the integrity check fails; out is wiped whenever the result is not 0, except for
 * -EINVAL, which touches nothing.
 */
int keywrap_unwrap(const void *kek, size_t kek_len, const void *wrapped, size_t len, uint8_t *out);
