/*
 * bundle: frames of ESP in UDP (RFC 3948) that leave a wan port as one superframe, by which the
 * kernel has one way through its stack in place of forty. Every frame has passed forward's guard
 * before it is put into one; the kernel's guard looks at each segment of it.
 *
 * Cut again the frames are what they were, but for two fields of IPv4 that ESP does not authenticate and
 * no receiver may depend on: the kernel sums UDP up, which in IPv6 it was already, and where the
 * identification was 0, since nothing may fragment the packet, it counts up (RFC 6864 section 4.1).
 */
#include "port/super.h"

#include "wire/eth.h"
#include "wire/ip.h"

#include <string.h>

#define IP_DF 0x4000
#define IP_OFFSET_MF 0x3fff

_Static_assert(BUNDLE_HEADS >= IP6_HEAD_LEN + UDP_HEAD_LEN, "of either version");

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Where the parts of a frame are. False: it is none of IP. */
static bool shape_of(struct bundle *b, const struct pkt *p)
{
	uint32_t at = ETH_ADDRS_LEN;
	uint16_t type = 0;

	for (unsigned tags = 0; tags <= 2 && p->len > at + 2; tags++, at += ETH_VLAN_TAG_LEN) {
		type = get16(p->data + at);
		if (type != ETH_TYPE_CTAG && type != ETH_TYPE_STAG)
			break;
	}
	if (type != ETH_TYPE_IPV4 && type != ETH_TYPE_IPV6)
		return false;
	b->family = type == ETH_TYPE_IPV4 ? 4 : 6;
	b->ip = (uint8_t)(at + 2);
	b->payload =
		(uint8_t)(b->ip + (b->family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN) + UDP_HEAD_LEN);
	return true;
}

/* Sealed, and UDP that fills the packet: in IPv4 without options, whole, and without a checksum. */
static inline bool fits(const struct bundle *b, const struct pkt *p)
{
	const uint8_t *ip = p->data + b->ip, *udp = p->data + b->payload - UDP_HEAD_LEN;
	const uint32_t len = p->len - b->ip;

	if (p->len <= b->payload || !(p->mark & PKT_SEALED))
		return false;
	if (b->family == 6)
		return ip[0] >> 4 == 6 && ip[6] == IP_UDP && get16(ip + 4) == len - IP6_HEAD_LEN &&
		       get16(udp + 4) == len - IP6_HEAD_LEN;
	return ip[0] == 0x45 && ip[9] == IP_UDP && !(get16(ip + 6) & IP_OFFSET_MF) &&
	       get16(ip + 2) == len && get16(udp + 4) == len - IP4_HEAD_LEN && !get16(udp + 6);
}

/* All but lengths, identification and checksums. */
static inline bool heads_alike(const struct bundle *b, const uint8_t *f, const uint8_t *g)
{
	const uint8_t *i = f + b->ip, *k = g + b->ip;

	if (b->family == 6)
		return memcmp(f, g, b->ip + 4u) == 0 &&
		       memcmp(i + 6, k + 6, IP6_HEAD_LEN - 6 + 4) == 0;
	return memcmp(f, g, b->ip + 2u) == 0 && memcmp(i + 6, k + 6, 4) == 0 &&
	       memcmp(i + 12, k + 12, IP4_HEAD_LEN - 12 + 4) == 0;
}

/* The identification that frame k of a bundle has; 0 in all where it says nothing. */
static inline uint16_t id_of(const struct bundle *b, const uint8_t *first, unsigned k)
{
	const uint8_t *ip = first + b->ip;
	const uint16_t id = get16(ip + 4);

	return !id && get16(ip + 6) & IP_DF ? 0 : (uint16_t)(id + k);
}

unsigned bundle_count(struct bundle *b, const struct pkt *v, unsigned n)
{
	uint32_t all;
	unsigned k = 1;

	if (n < 2 || !shape_of(b, v) || !fits(b, v))
		return 1;
	all = v[0].len - b->ip;
	for (; k < n && v[k - 1].len == v[0].len && v[k].len <= v[0].len; k++) {
		all += v[k].len - b->payload;
		if (!fits(b, &v[k]) || all > UINT16_MAX || !heads_alike(b, v[0].data, v[k].data) ||
		    (b->family == 4 && get16(v[k].data + b->ip + 4) != id_of(b, v[0].data, k)))
			break;
	}
	return k;
}

void bundle_finish(struct bundle *b, const struct pkt *v, unsigned n, struct virtio_net_hdr *h)
{
	uint8_t *ip = v[0].data + b->ip, *udp = v[0].data + b->payload - UDP_HEAD_LEN;
	const bool six = b->family == 6;
	uint32_t len = v[0].len - b->payload + UDP_HEAD_LEN;
	uint16_t sum = 0;

	memcpy(b->heads, ip, b->payload - b->ip);
	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.hdr_len = b->payload,
		.gso_size = (uint16_t)(v[0].len - b->payload),
		.csum_start = (uint16_t)(b->payload - UDP_HEAD_LEN),
		.csum_offset = 6,
	};
	for (unsigned i = 1; i < n; i++)
		len += v[i].len - b->payload;
	if (six) {
		put16(ip + 4, len);
	} else {
		put16(ip + 2, len + IP4_HEAD_LEN);
		memcpy(ip + 10, &sum, sizeof(sum));
		sum = ip_checksum(ip_sum(ip, IP4_HEAD_LEN));
		memcpy(ip + 10, &sum, sizeof(sum));
	}
	put16(udp + 4, len);
	sum = (uint16_t)~ip_checksum(
		ip_pseudo_sum(b->family, ip + (six ? 8 : 12), ip + (six ? 24 : 16), IP_UDP, len));
	memcpy(udp + 6, &sum, sizeof(sum));
}

void bundle_undo(const struct bundle *b, const struct pkt *first)
{
	memcpy(first->data + b->ip, b->heads, b->payload - b->ip);
}
