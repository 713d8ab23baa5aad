/*
 * keys: how G-IKEv2 comes by the keys it wraps others under (RFC 9838 §3.1.1, §4.4.2.1.2). Any thread.
 */
#pragma once

#include "base/secret.h"
#include "crypto/prf.h"

/* Bytes of the key of a key wrap algorithm (enum ike_kwa); 0: not one we have. */
size_t group_wrap_len(uint16_t kwa);

/* GSK_w of a unicast IKE SA: len bytes, at most SECRET_MAX, from its SK_d. 0, -EINVAL, -EIO. */
int group_default_key(enum prf_hash h, const struct secret *sk_d, size_t len, struct secret *out);
