/*
 * keywrap: AES Key Wrap with the default initial value (RFC 3394), and with padding for keys of any
 * length (RFC 5649). Any thread.
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

/* Bytes of a key of that length wrapped with padding. */
static inline size_t keywrap_padded_len(size_t len)
{
	return (len + 7) / 8 * 8 + KEYWRAP_OVERHEAD;
}

/*
 * Wraps any number of bytes from 1 under a key of 16, 24 or 32; out has room for, and gets,
 * keywrap_padded_len(len), which is *out_len. 0, -EINVAL, -EIO.
 */
int keywrap_pad(const void *kek, size_t kek_len, const void *key, size_t len, uint8_t *out,
		size_t *out_len);

/*
 * Unwraps len bytes (a multiple of 8, at least 16) into out, which has room for len -
 * KEYWRAP_OVERHEAD; *out_len is what was wrapped. -EBADMSG when the integrity check fails; out is
 * wiped whenever the result is not 0, except for -EINVAL, which touches nothing.
 */
int keywrap_unpad(const void *kek, size_t kek_len, const void *wrapped, size_t len, uint8_t *out,
		  size_t *out_len);
