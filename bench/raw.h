/* raw: AES-GCM as the library does it, with nothing around it: what a path is measured against. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw;

struct raw_op {
	uint8_t *data; /* in place; the tag goes behind it */
	const uint8_t *aad;
	uint32_t len, aad_len;
	uint8_t iv[12];
	uint16_t key; /* number, from 0 */
};

/* `keys` keys of 16 or 32 bytes, that differ in their second and third. NULL when the library does
 * not serve this processor. */
struct raw *raw_new(const uint8_t *key, size_t len, unsigned keys);
void raw_free(struct raw *r);
void raw_run(const struct raw *r, const struct raw_op *v, unsigned n, bool encrypt);
/* The function that encrypts, by the library's own name for it, e.g. "aes_gcm_enc_256_vaes_avx512";
 * NULL where the library does not tell. The library's. */
const char *raw_kernel(const struct raw *r);
