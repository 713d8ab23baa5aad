/*
 * segment: a superframe of the kernel, cut into frames as the kernel itself would have (RFC 9293
 * section 3.8, RFC 3168 section 6.1.2): sequence numbers and IPv4's identification count up, CWR
 * is on the first alone, FIN and PSH on the last, every header is finished with its checksums.
 */
#include "port/super.h"

#include "wire/eth.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define TCP_HEAD_LEN 20
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The header in front of TCP or UDP. False: it is not one of IP, or of a fragment. */
static bool ip_shape(struct super_shape *s, const uint8_t *frame, uint32_t len)
{
	uint32_t at = ETH_ADDRS_LEN;
	uint16_t type = 0;
	const uint8_t *ip;

	for (unsigned tags = 0; tags <= 2; tags++, at += ETH_VLAN_TAG_LEN) {
		if (len < at + 2)
			return false;
		type = get16(frame + at);
		if (type != ETH_TYPE_CTAG && type != ETH_TYPE_STAG)
			break;
	}
	s->ip = (uint16_t)(at + 2);
	ip = frame + s->ip;
	if (type == ETH_TYPE_IPV4 && len >= (uint32_t)s->ip + IP4_HEAD_LEN && ip[0] >> 4 == 4 &&
	    (ip[0] & 15) >= 5 && ip4_plain_whole(ip)) {
		s->family = 4;
		s->protocol = ip[9];
		s->upper = (uint16_t)(s->ip + (ip[0] & 15u) * 4u);
		return true;
	}
	if (type == ETH_TYPE_IPV6 && len >= (uint32_t)s->ip + IP6_HEAD_LEN && ip[0] >> 4 == 6) {
		s->family = 6;
		s->protocol = ip[6];
		s->upper = (uint16_t)(s->ip + IP6_HEAD_LEN);
		return true;
	}
	return false;
}

/* What kind the header says it is, and that the frame is of that kind. */
static bool kind_right(struct super_shape *s, const struct virtio_net_hdr *h)
{
	const bool partial = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	uint8_t kind = h->gso_type, protocol = IP_TCP;

	switch (kind & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		if (s->family != 4)
			return false;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (s->family != 6)
			return false;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		protocol = IP_UDP;
		if (kind & VIRTIO_NET_HDR_GSO_ECN || !partial)
			return false;
		break;
	default:
		return false;
	}
	if (partial && h->csum_offset != (protocol == IP_TCP ? 16 : 6))
		return false;
	/* Behind extension headers of IPv6, only the checksum's place says where it begins. */
	if (partial && s->family == 6 && s->protocol != protocol && h->csum_start > s->upper)
		s->upper = h->csum_start;
	else if (s->protocol != protocol || (partial && h->csum_start != s->upper))
		return false;
	s->protocol = protocol;
	return true;
}

bool segmenter_begin(struct segmenter *s, const struct virtio_net_hdr *h, const uint8_t *frame,
		     uint32_t len, uint32_t max)
{
	struct super_shape shape = {0};
	uint32_t head;

	if (len > SUPER_MAX || !h->gso_size || !ip_shape(&shape, frame, len) ||
	    !kind_right(&shape, h) || len < (uint32_t)shape.upper + UDP_HEAD_LEN)
		return false;
	head = UDP_HEAD_LEN;
	if (shape.protocol == IP_TCP) {
		if (len < (uint32_t)shape.upper + TCP_HEAD_LEN)
			return false;
		head = frame[shape.upper + 12] / 16u * 4u;
		if (head < TCP_HEAD_LEN)
			return false;
	}
	head += shape.upper;
	if (len <= head || head + h->gso_size > max)
		return false;
	shape.payload = (uint16_t)head;
	*s = (struct segmenter){
		.frame = frame, .len = len, .at = head, .size = h->gso_size, .shape = shape};
	return true;
}

/* IP's and UDP's lengths, TCP's sequence number and flags, and all checksums. */
static void headers_finish(const struct segmenter *s, uint8_t *out, uint32_t len, bool last)
{
	const struct super_shape *p = &s->shape;
	uint8_t *ip = out + p->ip, *upper = out + p->upper, *sum_at = upper + 6;
	uint32_t upper_len = len - p->upper;
	const uint16_t none = 0;
	uint16_t sum;

	if (p->family == 4) {
		put16(ip + 2, len - p->ip);
		put16(ip + 4, get16(ip + 4) + (uint32_t)s->count);
		memcpy(ip + 10, &none, sizeof(none));
		sum = ip_checksum(ip_sum(ip, (size_t)(p->upper - p->ip)));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		put16(ip + 4, len - p->ip - IP6_HEAD_LEN);
	}
	if (p->protocol == IP_TCP) {
		uint32_t seq;

		memcpy(&seq, upper + 4, sizeof(seq));
		seq = htobe32(be32toh(seq) + s->at - p->payload);
		memcpy(upper + 4, &seq, sizeof(seq));
		if (s->count)
			upper[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
		if (!last)
			upper[TCP_FLAGS_AT] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		sum_at = upper + 16;
	} else {
		put16(upper + 4, upper_len);
	}
	memcpy(sum_at, &none, sizeof(none));
	if (s->unsummed)
		return;
	sum = ip_checksum(ip_pseudo_sum(p->family, ip + (p->family == 4 ? 12 : 8),
					ip + (p->family == 4 ? 16 : 24), p->protocol, upper_len) +
			  ip_sum(upper, upper_len));
	if (!sum && p->protocol == IP_UDP)
		sum = UINT16_MAX;
	memcpy(sum_at, &sum, sizeof(sum));
}

uint32_t segmenter_next(struct segmenter *s, uint8_t *out)
{
	const uint32_t head = s->shape.payload, left = s->len - s->at;
	const uint32_t some = left < s->size ? left : s->size;

	memcpy(out, s->frame, head);
	memcpy(out + head, s->frame + s->at, some);
	headers_finish(s, out, head + some, some == left);
	s->at += some;
	s->count++;
	return head + some;
}

bool super_checksum_finish(const struct virtio_net_hdr *h, uint8_t *frame, uint32_t len)
{
	const uint32_t start = h->csum_start, at = start + h->csum_offset;
	uint16_t sum;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (start < ETH_HEAD_LEN || at + sizeof(sum) > len)
		return false;
	/* What stands in its place is the pseudo header's sum. */
	sum = ip_checksum(ip_sum(frame + start, len - start));
	if (!sum)
		sum = UINT16_MAX;
	memcpy(frame + at, &sum, sizeof(sum));
	return true;
}
