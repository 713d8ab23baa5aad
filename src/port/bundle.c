/*
 * bundle: frames of ESP in UDP (RFC 3948) that leave a wan port as one superframe, by which the
 * kernel has one way through its stack in place of forty. Every frame has passed forward's guard
 * before it is put into one; the kernel's guard looks at each segment of it.
 *
 * Cut again the frames are what they were, but for two fields that ESP does not authenticate and no
 * receiver may depend on: the kernel sums UDP up, and where IPv4's identification was 0, since
 * nothing may fragment the packet, it counts up (RFC 6864 section 4.1).
 */
#include "port/super.h"

#include "wire/eth.h"
#include "wire/ip.h"

#include <string.h>

#define IP_AT ETH_HEAD_LEN
#define UDP_AT (IP_AT + IP4_HEAD_LEN)
#define PAYLOAD_AT (UDP_AT + UDP_HEAD_LEN)
#define IP_DF 0x4000
#define IP_OFFSET_MF 0x3fff

_Static_assert(BUNDLE_HEADS == PAYLOAD_AT - IP_AT, "of IPv4 and UDP");

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* IPv4 without options behind no tags, whole, with UDP that fills it and has no checksum. */
static inline bool fits(const struct pkt *p)
{
	const uint8_t *ip = p->data + IP_AT, *udp = p->data + UDP_AT;

	return p->len > PAYLOAD_AT && p->data[12] == ETH_TYPE_IPV4 >> 8 &&
	       p->data[13] == (ETH_TYPE_IPV4 & 0xff) && ip[0] == 0x45 && ip[9] == IP_UDP &&
	       p->mark & PKT_SEALED && !(get16(ip + 6) & IP_OFFSET_MF) &&
	       get16(ip + 2) == p->len - IP_AT && get16(udp + 4) == p->len - UDP_AT &&
	       !get16(udp + 6);
}

/* All but lengths, identification and checksums. */
static inline bool heads_alike(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, IP_AT + 2) == 0 && memcmp(a + IP_AT + 6, b + IP_AT + 6, 4) == 0 &&
	       memcmp(a + IP_AT + 12, b + IP_AT + 12, 12) == 0;
}

unsigned bundle_count(const struct pkt *v, unsigned n)
{
	uint32_t all = v[0].len - IP_AT;
	uint16_t id;
	bool none;
	unsigned k = 1;

	if (n < 2 || !fits(v))
		return 1;
	id = get16(v[0].data + IP_AT + 4);
	none = !id && get16(v[0].data + IP_AT + 6) & IP_DF;
	for (; k < n && v[k - 1].len == v[0].len && v[k].len <= v[0].len; k++) {
		all += v[k].len - PAYLOAD_AT;
		if (!fits(&v[k]) || all > UINT16_MAX || !heads_alike(v[0].data, v[k].data) ||
		    get16(v[k].data + IP_AT + 4) != (none ? 0 : (uint16_t)(id + k)))
			break;
	}
	return k;
}

void bundle_finish(const struct pkt *v, unsigned n, struct virtio_net_hdr *h,
		   uint8_t heads[BUNDLE_HEADS])
{
	uint8_t *ip = v[0].data + IP_AT, *udp = v[0].data + UDP_AT;
	uint32_t len = v[0].len - UDP_AT;
	uint16_t sum = 0;

	memcpy(heads, ip, BUNDLE_HEADS);
	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.hdr_len = PAYLOAD_AT,
		.gso_size = (uint16_t)(v[0].len - PAYLOAD_AT),
		.csum_start = UDP_AT,
		.csum_offset = 6,
	};
	for (unsigned i = 1; i < n; i++)
		len += v[i].len - PAYLOAD_AT;
	put16(ip + 2, len + IP4_HEAD_LEN);
	memcpy(ip + 10, &sum, sizeof(sum));
	sum = ip_checksum(ip_sum(ip, IP4_HEAD_LEN));
	memcpy(ip + 10, &sum, sizeof(sum));
	put16(udp + 4, len);
	sum = (uint16_t)~ip_checksum(ip_pseudo_sum(4, ip + 12, ip + 16, IP_UDP, len));
	memcpy(udp + 6, &sum, sizeof(sum));
}
