/*
 * secret: key material in memory, with one way in and one way out.
 *
 * Whatever holds a key holds a `struct secret` (or, where the layout is a library's, calls
 * secret_wipe() itself). The owner wipes it on its single exit. Secrets are never printed: no
 * function here formats one. Locking against swap and core dumps is the process's, see
 * proc/sandbox.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MAX 64 /* bytes: the longest key any protocol here holds in one piece */

struct secret {
	uint8_t len; /* bytes in use; 0 is "no key" */
	uint8_t b[SECRET_MAX];
};

/* Overwrites n bytes in a way the compiler may not remove. */
void secret_wipe(void *p, size_t n);

/* Copies len bytes in, wiping what was there. -EINVAL when len exceeds SECRET_MAX. */
int secret_set(struct secret *s, const void *src, size_t len);

/* Wipes the whole of it, length included. */
void secret_clear(struct secret *s);

/* Equality of n bytes in time that depends on n alone. */
bool secret_equal(const void *a, const void *b, size_t n);
