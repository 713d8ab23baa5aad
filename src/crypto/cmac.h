/*
 * cmac: AES-CMAC (NIST SP 800-38B, RFC 4493) with keys of 128 and 256 bits. Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CMAC_LEN 16 /* bytes */

/* The MAC of len bytes. key_len is 16 or 32 (bytes). 0, or -EINVAL for another key length, or
 * -EIO when the library fails; mac is wiped then. */
int cmac_aes(const void *key, size_t key_len, const void *data, size_t len, uint8_t mac[CMAC_LEN]);
