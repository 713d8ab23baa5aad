/* elan: MAC address learning of the emulated carrier. See elan.h. */
#include "lab/elan.h"

#include <string.h>

static unsigned bucket_of(const uint8_t mac[6])
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (unsigned i = 0; i < 6; i++)
		h = (h ^ mac[i]) * 16777619u;
	return (h ^ h >> 16) % ELAN_BUCKETS;
}

static bool is_group(const uint8_t mac[6])
{
	return mac[0] & 1;
}

void elan_learn(struct elan *e, const uint8_t mac[6], uint16_t port, uint64_t now)
{
	struct elan_entry *b, *pick;

	if (is_group(mac))
		return;
	b = e->entry[bucket_of(mac)];
	pick = b;
	for (unsigned i = 0; i < ELAN_WAYS; i++) {
		if (b[i].seen_ns && !memcmp(b[i].mac, mac, 6)) {
			pick = &b[i];
			break;
		}
		if (b[i].seen_ns < pick->seen_ns)
			pick = &b[i];
	}
	memcpy(pick->mac, mac, 6);
	pick->port = port;
	pick->seen_ns = now ? now : 1;
}

int elan_lookup(const struct elan *e, const uint8_t mac[6], uint64_t now)
{
	const struct elan_entry *b;

	if (is_group(mac))
		return ELAN_FLOOD;
	b = e->entry[bucket_of(mac)];
	for (unsigned i = 0; i < ELAN_WAYS; i++) {
		if (b[i].seen_ns && !memcmp(b[i].mac, mac, 6))
			return now - b[i].seen_ns > ELAN_AGE_NS ? ELAN_FLOOD : b[i].port;
	}
	return ELAN_FLOOD;
}

void elan_forget(struct elan *e, uint16_t port)
{
	for (unsigned i = 0; i < ELAN_BUCKETS; i++) {
		for (unsigned j = 0; j < ELAN_WAYS; j++) {
			if (e->entry[i][j].port == port)
				memset(&e->entry[i][j], 0, sizeof(e->entry[i][j]));
		}
	}
}

bool elan_is_reserved(const uint8_t mac[6])
{
	static const uint8_t block[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};

	return !memcmp(mac, block, sizeof(block)) && mac[5] <= 0x0f;
}

bool elan_is_relays(const uint8_t mac[6])
{
	return elan_is_reserved(mac) && (mac[5] == 1 || mac[5] == 2 || mac[5] == 4);
}
