/*
 * elan: which port of a carrier's Ethernet service a MAC address was last seen at.
 *
 * A bounded table, as in a real bridge: a full bucket forgets its oldest address. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ELAN_AGE_NS (300ull * 1000000000ull) /* an address not heard for this long is forgotten */
#define ELAN_BUCKETS 1024
#define ELAN_WAYS 4
#define ELAN_FLOOD (-1)

struct elan {
	struct elan_entry {
		uint64_t seen_ns; /* 0: unused */
		uint8_t mac[6];
		uint16_t port;
	} entry[ELAN_BUCKETS][ELAN_WAYS];
};

/* Group addresses are not learned. */
void elan_learn(struct elan *e, const uint8_t mac[6], uint16_t port, uint64_t now);
/* The port, or ELAN_FLOOD for a group address or one that is not known. */
int elan_lookup(const struct elan *e, const uint8_t mac[6], uint64_t now);
/* Forgets what was learned at a port (its link went down). */
void elan_forget(struct elan *e, uint16_t port);
/* Addresses 01:80:c2:00:00:00 to 0f, which a bridge consumes (802.1Q-2018 table 8-1). */
bool elan_is_reserved(const uint8_t mac[6]);
/* Of these 01, 02 and 04, which even a two-port MAC relay consumes (table 8-3). */
bool elan_is_relays(const uint8_t mac[6]);
