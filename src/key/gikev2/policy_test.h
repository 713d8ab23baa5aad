/*
 * What the groups of tests, simulators and benches have in common: the traffic they protect, the
 * address their rekeys go to, and the key these are signed with.
 */
#pragma once

#include "crypto/sign.h"
#include "key/gikev2/server.h"

#define POLICY_ANY4                                                                                \
	{                                                                                          \
		.type = IKE_TS_IPV4, .port_to = 65535, .to = { 255, 255, 255, 255 }                \
	}
#define POLICY_REKEY4                                                                              \
	{                                                                                          \
		.type = IKE_TS_IPV4, .protocol = 17, .port_from = 848, .port_to = 848,             \
		.from = {239, 1, 1, 1},                                                            \
		.to = { 239,                                                                       \
			1,                                                                         \
			1,                                                                         \
			1 }                                                                        \
	}

/* All of IPv4, and GSA_REKEY. */
static const struct gks_flow policy_any = {POLICY_ANY4, POLICY_ANY4};
static const struct gks_flow policy_rekey = {POLICY_REKEY4, POLICY_REKEY4};

/* The same Ed25519 key each time; the caller frees it. */
static inline struct sign_key *policy_key(void)
{
	static const uint8_t der[48] = {0x30, 0x2e, 2, 1,    0, 0x30, 5, 6, 3, 0x2b,
					0x65, 0x70, 4, 0x22, 4, 0x20, 1, 2, 3};

	return sign_key_load(der, sizeof(der));
}

/* Rekeys are signed with it. */
static inline void policy_sign_with(struct gks_config *c, const struct sign_key *key)
{
	c->scheme = SIGN_ED25519;
	c->signature_len = 64;
	c->spki_len = sign_key_public(key, c->spki, sizeof(c->spki));
}
