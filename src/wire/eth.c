#include "wire/eth.h"

uint8_t eth_priority(const uint8_t *frame, size_t len)
{
	struct rd r = rd_init(frame, len);
	struct eth e = eth_read(&r);
	uint16_t head;

	if (r.bad)
		return 0;
	if (e.tagged)
		return (uint8_t)(e.tci >> 13);
	/* Version (4 bits), then IPv4: header length (4), DSCP; IPv6: traffic class at once. */
	head = rd_u16(&r);
	if (e.type == ETH_TYPE_IPV4 && head >> 12 == 4)
		return head >> 5 & 7;
	if (e.type == ETH_TYPE_IPV6 && head >> 12 == 6)
		return head >> 9 & 7;
	return 0;
}
