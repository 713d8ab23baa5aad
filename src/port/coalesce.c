/*
 * coalesce: frames of a burst put together to superframes, by the rules of Linux's GRO and a little
 * stricter: cut again, a superframe gives back every octet. So frames follow each other in TCP's
 * sequence numbers and in IPv4's identification, all but the last have the same size, and the
 * headers are alike in all else; FIN and PSH end a superframe, CWR begins one, an ECN field or a
 * window that changes starts another. A checksum that is wrong is the kernel's to refuse: such a
 * frame goes by itself.
 */
#include "port/super.h"

#include "wire/eth.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define TCP_HEAD_LEN 20
#define TCP_FIN 0x01
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_CWR 0x80
#define NOT_COUNTED 0xffff /* a checksum that is right, and that we would have written as 0 */

/* What a frame is, as far as it matters here. */
struct look {
	struct super_shape shape;
	uint32_t len; /* bytes of payload */
	uint16_t id;
	uint32_t seq;
	uint8_t flags; /* TCP's */
	bool plain;    /* may be one of several */
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* IP's header, when it is one without options or extensions and the packet ends with the frame. */
static bool ip_look(struct look *l, const uint8_t *frame, uint32_t len)
{
	struct super_shape *s = &l->shape;
	uint32_t at = ETH_ADDRS_LEN;
	uint16_t type = 0;
	const uint8_t *ip;

	for (unsigned tags = 0; tags <= 2; tags++, at += ETH_VLAN_TAG_LEN) {
		if (len < at + 2 + IP4_HEAD_LEN)
			return false;
		type = get16(frame + at);
		if (type != ETH_TYPE_CTAG && type != ETH_TYPE_STAG)
			break;
	}
	s->ip = (uint16_t)(at + 2);
	ip = frame + s->ip;
	len -= s->ip;
	if (type == ETH_TYPE_IPV4) {
		s->family = 4;
		s->protocol = ip[9];
		s->upper = (uint16_t)(s->ip + IP4_HEAD_LEN);
		l->id = get16(ip + 4);
		return ip4_plain_len(ip, len) == len && ip4_plain_whole(ip) &&
		       get16(ip + 10) != NOT_COUNTED;
	}
	if (type != ETH_TYPE_IPV6 || len < IP6_HEAD_LEN || ip[0] >> 4 != 6 ||
	    get16(ip + 4) != len - IP6_HEAD_LEN)
		return false;
	s->family = 6;
	s->protocol = ip[6];
	s->upper = (uint16_t)(s->ip + IP6_HEAD_LEN);
	return true;
}

static bool checksum_right(const struct super_shape *s, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + s->ip;

	return !ip_checksum(ip_pseudo_sum(s->family, ip + (s->family == 4 ? 12 : 8),
					  ip + (s->family == 4 ? 16 : 24), s->protocol,
					  len - s->upper) +
			    ip_sum(frame + s->upper, len - s->upper));
}

/* False: neither TCP nor UDP, or not in a way that its flow can be told. */
static bool look_at(struct look *l, const struct pkt *p)
{
	struct super_shape *s = &l->shape;
	const uint8_t *upper;
	uint32_t head = UDP_HEAD_LEN, left;

	*l = (struct look){0};
	if (!ip_look(l, p->data, p->len))
		return false;
	upper = p->data + s->upper;
	left = p->len - s->upper;
	if (s->protocol == IP_TCP) {
		if (left < TCP_HEAD_LEN)
			return false;
		head = upper[12] / 16u * 4u;
		if (head < TCP_HEAD_LEN)
			return false;
		l->seq = get32(upper + 4);
		l->flags = upper[TCP_FLAGS_AT];
		l->plain = l->flags & TCP_ACK && !(l->flags & (TCP_SYN | TCP_RST | TCP_URG)) &&
			   get16(upper + 16) != NOT_COUNTED;
	} else if (s->protocol == IP_UDP && left >= UDP_HEAD_LEN) {
		l->plain = get16(upper + 4) == left && get16(upper + 6);
	} else {
		return false;
	}
	if (left < head)
		return false;
	s->payload = (uint16_t)(s->upper + head);
	l->len = left - head;
	l->plain = l->plain && l->len && checksum_right(s, p->data, p->len);
	return true;
}

static bool same_flow(const struct super_group *g, const uint8_t *a, const struct look *l,
		      const uint8_t *b)
{
	const struct super_shape *s = &g->shape, *t = &l->shape;
	const uint32_t addrs = s->family == 4 ? 12 : 8, n = s->family == 4 ? 8 : 32;

	return s->family == t->family && s->protocol == t->protocol && s->ip == t->ip &&
	       memcmp(a + s->upper, b + s->upper, 4) == 0 &&
	       memcmp(a + s->ip + addrs, b + s->ip + addrs, n) == 0 && memcmp(a, b, s->ip) == 0;
}

/* Of frames of one flow: the headers are alike but for what counts up. */
static bool heads_alike(const struct super_group *g, const uint8_t *a, const struct look *l,
			const uint8_t *b)
{
	const struct super_shape *s = &g->shape;
	const uint8_t *ia = a + s->ip, *ib = b + s->ip, *ua = a + s->upper, *ub = b + s->upper;

	if (s->family == 4 ? ia[1] != ib[1] || ia[6] != ib[6] || ia[8] != ib[8] || g->id != l->id
			   : memcmp(ia, ib, 4) != 0 || ia[7] != ib[7])
		return false;
	if (s->protocol == IP_UDP)
		return true;
	/* The flags of the first never have FIN or PSH, else it were closed. */
	return s->payload == l->shape.payload && g->seq == l->seq &&
	       memcmp(ua + 8, ub + 8, 5) == 0 &&
	       (ua[TCP_FLAGS_AT] & ~TCP_CWR) == (ub[TCP_FLAGS_AT] & ~(TCP_FIN | TCP_PSH)) &&
	       memcmp(ua + 14, ub + 14, 2) == 0 &&
	       memcmp(ua + 18, ub + 18, (size_t)(s->payload - s->upper - 18)) == 0;
}

static void group_take(struct super_group *g, unsigned i, const struct look *l)
{
	g->last = (uint8_t)i;
	g->count++;
	g->id = (uint16_t)(l->id + 1u);
	g->seq = l->seq + l->len;
	g->payload += l->len;
	g->end = l->flags & (TCP_FIN | TCP_PSH);
	g->open = l->plain && l->len == g->size && !g->end;
}

static bool group_join(struct coalescer *c, struct super_group *g, const struct pkt *v, unsigned i,
		       const struct look *l)
{
	const struct super_shape *s = &g->shape;

	if (!g->open || !l->plain || l->len > g->size || l->flags & TCP_CWR ||
	    s->payload - s->ip + g->payload + l->len > UINT16_MAX ||
	    !heads_alike(g, v[g->first].data, l, v[i].data))
		return false;
	c->next[g->last] = (uint8_t)i;
	group_take(g, i, l);
	return true;
}

static struct super_group *group_begin(struct coalescer *c, unsigned i, const struct look *l)
{
	struct super_group *g = &c->group[c->count++];

	*g = (struct super_group){.first = (uint8_t)i,
				  .size = (uint16_t)l->len,
				  .shape = l->shape,
				  .ecn = l->flags & TCP_CWR};
	group_take(g, i, l);
	return g;
}

/* Puts a group in front of those that may grow; the place `at` is free for it. */
static void open_put(struct coalescer *c, unsigned at, unsigned group)
{
	memmove(c->open + 1, c->open, at);
	c->open[0] = (uint8_t)group;
}

void coalescer_take(struct coalescer *c, const struct pkt *v, unsigned n)
{
	c->count = c->open_count = 0;
	for (unsigned i = 0; i < n; i++) {
		struct look l;
		unsigned at = 0;

		if (!look_at(&l, &v[i])) {
			group_begin(c, i, &l)->open = false;
			c->open_count = 0; /* whose it is cannot be told: none may overtake it */
			continue;
		}
		while (at < c->open_count &&
		       !same_flow(&c->group[c->open[at]], v[c->group[c->open[at]].first].data, &l,
				  v[i].data))
			at++;
		if (at < c->open_count && group_join(c, &c->group[c->open[at]], v, i, &l)) {
			open_put(c, at, c->open[at]);
			continue;
		}
		if (at == c->open_count && at < SUPER_FLOWS)
			c->open_count++;
		if (at == SUPER_FLOWS)
			at--;
		group_begin(c, i, &l);
		open_put(c, at, c->count - 1);
	}
}

void coalescer_finish(const struct super_group *g, struct pkt *first, struct virtio_net_hdr *h)
{
	const struct super_shape *s = &g->shape;
	const bool tcp = s->protocol == IP_TCP;
	uint8_t *ip = first->data + s->ip, *upper = first->data + s->upper;
	const uint32_t upper_len = s->payload - s->upper + g->payload;
	uint16_t sum = 0;

	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !tcp             ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : s->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
					     : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = s->payload,
		.gso_size = g->size,
		.csum_start = s->upper,
		.csum_offset = tcp ? 16 : 6,
	};
	if (g->ecn)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	ip_len_set(ip, upper_len + s->upper - s->ip);
	if (s->family == 4) {
		memcpy(ip + 10, &sum, sizeof(sum));
		sum = ip_checksum(ip_sum(ip, IP4_HEAD_LEN));
		memcpy(ip + 10, &sum, sizeof(sum));
	}
	if (tcp) {
		upper[TCP_FLAGS_AT] |= g->end;
	} else {
		upper[4] = (uint8_t)(upper_len >> 8);
		upper[5] = (uint8_t)upper_len;
	}
	sum = (uint16_t)~ip_checksum(ip_pseudo_sum(s->family, ip + (s->family == 4 ? 12 : 8),
						   ip + (s->family == 4 ? 16 : 24), s->protocol,
						   upper_len));
	memcpy(upper + h->csum_offset, &sum, sizeof(sum));
}
