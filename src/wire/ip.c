#include "wire/ip.h"

#include "base/rd.h"
#include "base/wr.h"

#include <endian.h>
#include <string.h>

#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP4_OFFSET 0x1fff
#define EXTENSIONS_MAX 8 /* headers walked: more is an attack or of no use */
#define ICMP_HEAD_LEN 8
#define ICMP_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4
#define ICMPV6_TOO_BIG 2
#define ICMPV6_INFORMATIONAL 128 /* and above: no errors */
#define ICMP4_QUOTE_MAX 548      /* so that the message has 576 bytes (RFC 1812 4.3.2.3) */
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2

static inline uint64_t sum_short(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		p += sizeof(half);
		len -= sizeof(half);
	}
	if (len) {
		const uint8_t last[2] = {*p, 0};

		memcpy(&half, last, sizeof(half));
		sum += half;
	}
	return sum;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

/* upper: the upper layer's first `len` bytes, however many of them are there. */
static void ports_read(struct ip *ip, const uint8_t *upper, size_t len)
{
	if (ip->later || len < 2)
		return;
	switch (ip->protocol) {
	case IP_TCP:
	case IP_UDP:
	case IP_SCTP:
		if (len < 4)
			return;
		ip->sport = be16(upper);
		ip->dport = be16(upper + 2);
		break;
	case IP_ICMP:
	case IP_ICMPV6:
		ip->sport = ip->dport = be16(upper);
		break;
	default:
		return;
	}
	ip->has_ports = true;
}

static enum ip_defect parse4(struct ip *ip, const uint8_t *data, size_t size, bool quoted)
{
	struct rd r = rd_init(data, size);
	const uint8_t *h = rd_bytes(&r, IP4_HEAD_LEN);
	uint32_t head, len;
	uint16_t frag;

	if (!h)
		return IP_CUT;
	head = (h[0] & 15u) * 4u;
	len = be16(h + 2);
	frag = be16(h + 6);
	if (head < IP4_HEAD_LEN)
		return IP_HEADER;
	if (head > size)
		return IP_CUT;
	if (len < head || (len > size && !quoted))
		return IP_LENGTH;
	if (!quoted && ip_checksum(sum_short(h, head)))
		return IP_CHECKSUM;
	*ip = (struct ip){
		.family = 4,
		.protocol = h[9],
		.tos = h[1],
		.ttl = h[8],
		.df = frag & IP4_DF,
		.fragment = frag & (IP4_MF | IP4_OFFSET),
		.later = frag & IP4_OFFSET,
		.len = len,
		.upper = head,
		.upper_at = 9,
		.insert = head,
		.insert_at = 9,
		.src = h + 12,
		.dst = h + 16,
	};
	ports_read(ip, h + head, (len < size ? len : size) - head);
	return IP_OK;
}

static bool extension(uint8_t header)
{
	return header == IP_HOP_BY_HOP || header == IP_ROUTING || header == IP_FRAGMENT ||
	       header == IP_DST_OPTIONS;
}

/* Walks the extension headers; r stands behind the fixed one. */
static enum ip_defect extensions(struct ip *ip, const uint8_t *data, struct rd *r)
{
	uint32_t next_at = 6; /* where the protocol of what comes next is written */

	ip->insert_at = next_at;
	ip->insert = IP6_HEAD_LEN;
	for (unsigned i = 0; extension(ip->protocol) && !ip->later; i++) {
		uint8_t header = ip->protocol;
		uint32_t at = (uint32_t)(r->p - data);

		if (i == EXTENSIONS_MAX || (header == IP_HOP_BY_HOP && i))
			return IP_EXTENSION;
		ip->protocol = rd_u8(r);
		if (header == IP_FRAGMENT) {
			uint16_t frag;

			ip->frag_at = at;
			ip->frag_by = next_at;
			rd_skip(r, 1);
			frag = rd_u16(r);
			rd_skip(r, 4);
			ip->fragment = frag & 0xfff9;
			ip->later = frag & 0xfff8;
		} else {
			rd_skip(r, rd_u8(r) * 8u + 6u);
		}
		if (r->bad)
			return IP_EXTENSION;
		next_at = at;
		/* Destination options before a routing header are for every router it names. */
		if (header != IP_DST_OPTIONS || ip->protocol == IP_ROUTING) {
			ip->insert_at = next_at;
			ip->insert = (uint32_t)(r->p - data);
		}
	}
	ip->upper = (uint32_t)(r->p - data);
	ip->upper_at = next_at;
	return IP_OK;
}

static enum ip_defect parse6(struct ip *ip, const uint8_t *data, size_t size, bool quoted)
{
	struct rd r = rd_init(data, size);
	uint16_t first = rd_u16(&r);
	enum ip_defect defect;

	*ip = (struct ip){.family = 6};
	ip->tos = (uint8_t)(first >> 4);
	rd_skip(&r, 2);
	ip->len = IP6_HEAD_LEN + (uint32_t)rd_u16(&r);
	ip->protocol = rd_u8(&r);
	ip->ttl = rd_u8(&r);
	ip->src = rd_bytes(&r, 16);
	ip->dst = rd_bytes(&r, 16);
	if (r.bad)
		return IP_CUT;
	if (ip->len > size && !quoted)
		return IP_LENGTH;
	if (ip->len < size)
		r.end = data + ip->len;
	defect = extensions(ip, data, &r);
	if (defect == IP_OK)
		ports_read(ip, r.p, rd_left(&r));
	return defect;
}

static enum ip_defect parse(struct ip *ip, const uint8_t *data, size_t size, bool quoted)
{
	if (!size)
		return IP_CUT;
	switch (data[0] >> 4) {
	case 4:
		return parse4(ip, data, size, quoted);
	case 6:
		return parse6(ip, data, size, quoted);
	default:
		return IP_VERSION;
	}
}

enum ip_defect ip_parse(struct ip *ip, const uint8_t *data, size_t size)
{
	return parse(ip, data, size, false);
}

/* Eight octets at a time: what a sum loses at its top is added at its bottom (RFC 1071 section 2). */
static __attribute__((noinline)) uint64_t sum_long(const uint8_t *p, size_t len)
{
	uint64_t sum = 0, carry = 0, word[4];

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(word, p, sizeof(word));
		for (unsigned i = 0; i < 4; i++)
			carry += __builtin_add_overflow(sum, word[i], &sum);
	}
	return (sum >> 32) + (uint32_t)sum + carry + sum_short(p, len);
}

uint64_t ip_sum(const void *data, size_t len)
{
	/* No header of IPv4 is longer, and most are much shorter. */
	return len < 64 ? sum_short(data, len) : sum_long(data, len);
}

uint16_t ip_checksum(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint64_t ip_pseudo_sum(uint8_t family, const uint8_t *src, const uint8_t *dst, uint8_t protocol,
		       uint32_t len)
{
	const uint32_t tail[2] = {htobe32(len), htobe32(protocol)};
	size_t n = family == 4 ? 4 : 16;

	return ip_sum(src, n) + ip_sum(dst, n) + ip_sum(tail, sizeof(tail));
}

uint16_t ip_checksum_update(uint16_t checksum, uint16_t from, uint16_t to)
{
	return ip_checksum((uint64_t)(uint16_t)~checksum + (uint16_t)~from + to);
}

/* Changes the 16-bit word at `at` of an IPv4 header and its checksum. */
static void word4_set(uint8_t *packet, size_t at, uint16_t to)
{
	uint16_t from, sum;

	memcpy(&from, packet + at, 2);
	memcpy(&sum, packet + 10, 2);
	sum = ip_checksum_update(sum, from, to);
	memcpy(packet + at, &to, 2);
	memcpy(packet + 10, &sum, 2);
}

void ip_tos_set(uint8_t *packet, uint8_t tos)
{
	if (packet[0] >> 4 == 4) {
		const uint8_t word[2] = {packet[0], tos};
		uint16_t to;

		memcpy(&to, word, 2);
		word4_set(packet, 0, to);
	} else {
		packet[0] = (uint8_t)(6u << 4 | tos >> 4);
		packet[1] = (uint8_t)((packet[1] & 15u) | (unsigned)tos << 4);
	}
}

void ip_len_set(uint8_t *packet, uint32_t len)
{
	if (packet[0] >> 4 == 4) {
		word4_set(packet, 2, htobe16((uint16_t)len));
	} else {
		const uint16_t payload = htobe16((uint16_t)(len - IP6_HEAD_LEN));

		memcpy(packet + 4, &payload, sizeof(payload));
	}
}

size_t ip_build(uint8_t *out, uint8_t family, const uint8_t *src, const uint8_t *dst,
		uint8_t protocol, uint8_t tos, uint8_t ttl, uint16_t id, bool df, uint32_t len)
{
	struct wr w = wr_init(out, family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN);
	uint16_t sum;

	if (family == 4) {
		wr_u32(&w, UINT32_C(0x45) << 24 | (uint32_t)tos << 16 | (len & UINT16_MAX));
		wr_u32(&w, (uint32_t)id << 16 | (df ? IP4_DF : 0u));
		wr_u32(&w, (uint32_t)ttl << 24 | (uint32_t)protocol << 16);
		wr_bytes(&w, src, 4);
		wr_bytes(&w, dst, 4);
		sum = ip_checksum(ip_sum(out, IP4_HEAD_LEN));
		memcpy(out + 10, &sum, sizeof(sum));
	} else {
		wr_u32(&w, UINT32_C(6) << 28 | (uint32_t)tos << 20);
		wr_u32(&w, (len - IP6_HEAD_LEN) << 16 | (uint32_t)protocol << 8 | ttl);
		wr_bytes(&w, src, 16);
		wr_bytes(&w, dst, 16);
	}
	return wr_len(&w);
}

void ip_upper_checksum_set(uint8_t *packet, const struct ip *ip)
{
	uint32_t len = ip->len - ip->upper;
	uint8_t *at = packet + ip->upper;
	uint16_t sum = 0, was;

	if (ip->fragment || (ip->protocol != IP_TCP && ip->protocol != IP_UDP))
		return;
	if (len < (ip->protocol == IP_TCP ? 20u : UDP_HEAD_LEN))
		return;
	at += ip->protocol == IP_TCP ? 16 : 6;
	memcpy(&was, at, 2);
	if (ip->protocol == IP_UDP && ip->family == 4 && !was)
		return; /* without one */
	memcpy(at, &sum, 2);
	sum = ip_checksum(ip_pseudo_sum(ip->family, ip->src, ip->dst, ip->protocol, len) +
			  ip_sum(packet + ip->upper, len));
	if (!sum)
		sum = UINT16_MAX; /* to TCP it is the same */
	memcpy(at, &sum, 2);
}

/* The table of RFC 6040 figure 4, inner by outer: Not-ECT, ECT(1), ECT(0), CE as their values. */
int ip_ecn_decapsulate(uint8_t inner, uint8_t outer)
{
	static const int8_t table[4][4] = {
		{0, 0, 0, -1}, /* inner Not-ECT: CE says congestion to one who cannot hear it */
		{1, 1, 1, 3},  /* ECT(1) */
		{2, 1, 2, 3},  /* ECT(0) */
		{3, 3, 3, 3},  /* CE */
	};

	return table[inner & IP_TOS_ECN][outer & IP_TOS_ECN];
}

/* Copies the options that go into every fragment (RFC 791, "Fragmentation"), padded to a word. */
static size_t options_copy(const uint8_t *from, size_t len, uint8_t *to)
{
	size_t n = 0;

	for (size_t at = 0; at < len && from[at];) {
		size_t one = from[at] == 1 ? 1 : at + 1 < len ? from[at + 1] : 0;

		if (!one || one > len - at || (from[at] != 1 && one < 2))
			break;
		if (from[at] & 0x80) {
			memcpy(to + n, from + at, one);
			n += one;
		}
		at += one;
	}
	while (n % 4)
		to[n++] = 0;
	return n;
}

size_t ip4_fragment(const uint8_t *packet, const struct ip *ip, size_t mtu, uint32_t *offset,
		    uint8_t *out)
{
	uint32_t all = ip->len - ip->upper, some;
	size_t head = ip->upper;
	struct rd r = rd_init(packet + 6, 2);
	uint16_t frag = rd_u16(&r), sum = 0;
	struct wr w;

	if (*offset >= all || mtu < 60 + 8) /* the longest header and the least of a payload */
		return 0;
	memcpy(out, packet, IP4_HEAD_LEN);
	if (*offset)
		head = IP4_HEAD_LEN +
		       options_copy(packet + IP4_HEAD_LEN, head - IP4_HEAD_LEN, out + IP4_HEAD_LEN);
	else
		memcpy(out, packet, head);
	some = all - *offset;
	if (some > mtu - head)
		some = (uint32_t)(mtu - head) & ~7u;
	memcpy(out + head, packet + ip->upper + *offset, some);
	out[0] = (uint8_t)(0x40 | head / 4);
	w = wr_init(out + 2, 10);
	wr_u16(&w, (uint16_t)(head + some));
	w.p += 2; /* the identification stays */
	wr_u16(&w, (uint16_t)((frag & IP4_MF) | (*offset + some < all ? IP4_MF : 0) |
			      ((frag & IP4_OFFSET) + *offset / 8)));
	w.p += 2;
	wr_u16(&w, 0);
	sum = ip_checksum(ip_sum(out, head));
	memcpy(out + 10, &sum, sizeof(sum));
	*offset += some;
	return head + some;
}

bool ip_piece_read(struct ip_piece *piece, const uint8_t *packet, const struct ip *ip)
{
	uint16_t frag;

	if (!ip->fragment)
		return false;
	if (ip->family == 4) {
		frag = be16(packet + 6);
		*piece = (struct ip_piece){.id = be16(packet + 4),
					   .head = ip->upper,
					   .body = ip->upper,
					   .offset = (frag & IP4_OFFSET) * 8u,
					   .next = packet[9],
					   .more = frag & IP4_MF};
	} else {
		const uint8_t *h = packet + ip->frag_at;

		frag = be16(h + 2);
		*piece = (struct ip_piece){.id = (uint32_t)be16(h + 4) << 16 | be16(h + 6),
					   .head = ip->frag_at,
					   .body = ip->frag_at + 8,
					   .offset = frag & 0xfff8,
					   .next = h[0],
					   .more = frag & 1};
	}
	piece->len = ip->len - piece->body;
	return piece->len && (!piece->more || piece->len % 8 == 0) &&
	       piece->offset + piece->len + piece->head <= UINT16_MAX;
}

void ip_piece_whole(uint8_t *packet, const struct ip_piece *first, const struct ip *ip,
		    uint32_t len)
{
	uint16_t sum = 0;

	if (ip->family == 6) {
		packet[ip->frag_by] = first->next;
		ip_len_set(packet, len);
		return;
	}
	packet[2] = (uint8_t)(len >> 8);
	packet[3] = (uint8_t)len;
	packet[6] &= 0x40; /* DF stays; no fragment any more */
	packet[7] = 0;
	memcpy(packet + 10, &sum, sizeof(sum));
	sum = ip_checksum(ip_sum(packet, first->head));
	memcpy(packet + 10, &sum, sizeof(sum));
}

static bool zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Whether somebody may be told of what became of his packet. */
static bool may_tell(const struct ip *ip)
{
	uint8_t type = ip->has_ports ? (uint8_t)(ip->sport >> 8) : 0;

	if (ip->later || zero(ip->src, ip->family == 4 ? 4 : 16))
		return false;
	if (ip->family == 4) {
		if (ip->src[0] >= 224 || ip->dst[0] >= 224 || ip->src[0] == 127)
			return false;
		return ip->protocol != IP_ICMP ||
		       (ip->has_ports && (type == 0 || type == 8 || (type >= 13 && type <= 18)));
	}
	/* IPv6 tells of packets to groups too, since it has no fragments on the way (2.4 e.3). */
	return ip->src[0] != 0xff &&
	       (ip->protocol != IP_ICMPV6 || (ip->has_ports && type >= ICMPV6_INFORMATIONAL));
}

size_t ip_too_big_build(uint8_t *out, const uint8_t *packet, const struct ip *ip,
			const uint8_t *from, uint32_t mtu)
{
	size_t head = ip->family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN, quote = ip->len, len;
	size_t room =
		ip->family == 4 ? ICMP4_QUOTE_MAX : IP_TOO_BIG_MAX - IP6_HEAD_LEN - ICMP_HEAD_LEN;
	struct wr w;
	uint16_t sum;

	if (!may_tell(ip))
		return 0;
	if (quote > room)
		quote = room;
	len = head + ICMP_HEAD_LEN + quote;
	ip_build(out, ip->family, from, ip->src, ip->family == 4 ? IP_ICMP : IP_ICMPV6,
		 0xc0 /* internetwork control */, 64, 0, false, (uint32_t)len);
	w = wr_init(out + head, len - head);
	wr_u8(&w, ip->family == 4 ? ICMP_UNREACHABLE : ICMPV6_TOO_BIG);
	wr_u8(&w, ip->family == 4 ? ICMP_FRAGMENTATION_NEEDED : 0);
	wr_u16(&w, 0);
	/* IPv4: 16 bits unused, then the MTU. */
	wr_u32(&w, ip->family == 4 && mtu > UINT16_MAX ? UINT16_MAX : mtu);
	wr_bytes(&w, packet, quote);
	sum = ip_checksum(ip_sum(out + head, len - head) +
			  (ip->family == 4 ? 0
					   : ip_pseudo_sum(6, from, ip->src, IP_ICMPV6,
							   (uint32_t)(len - head))));
	memcpy(out + head + 2, &sum, sizeof(sum));
	return len;
}

bool ip_too_big_parse(struct ip_too_big *t, const uint8_t *packet, const struct ip *ip)
{
	struct rd r = rd_init(packet + ip->upper, ip->len - ip->upper);
	uint64_t sum = ip_sum(packet + ip->upper, ip->len - ip->upper);
	uint16_t type = rd_u16(&r);

	rd_skip(&r, 2);
	t->mtu = rd_u32(&r);
	if (ip->fragment || r.bad)
		return false;
	if (ip->family == 4) {
		if (ip->protocol != IP_ICMP ||
		    type != (ICMP_UNREACHABLE << 8 | ICMP_FRAGMENTATION_NEEDED))
			return false;
		t->mtu &= UINT16_MAX;
	} else {
		if (ip->protocol != IP_ICMPV6 || type != ICMPV6_TOO_BIG << 8)
			return false;
		sum += ip_pseudo_sum(6, ip->src, ip->dst, IP_ICMPV6, ip->len - ip->upper);
	}
	if (ip_checksum(sum))
		return false;
	t->quoted_len = rd_left(&r);
	t->quoted = rd_bytes(&r, t->quoted_len);
	return parse(&t->about, t->quoted, t->quoted_len, true) == IP_OK &&
	       t->about.family == ip->family;
}

bool ip_mss_clamp(uint8_t *packet, const struct ip *ip, uint16_t mss)
{
	struct rd r = rd_init(packet + ip->upper, ip->len - ip->upper), options;
	uint8_t offset, flags;
	uint16_t sum;

	if (ip->protocol != IP_TCP || ip->later)
		return false;
	rd_skip(&r, 12);
	offset = rd_u8(&r) >> 4;
	flags = rd_u8(&r);
	rd_skip(&r, 6);
	if (r.bad || !(flags & TCP_SYN) || offset < 5)
		return false;
	options = rd_block(&r, (offset - 5u) * 4u);
	while (rd_left(&options)) {
		uint8_t kind = rd_u8(&options), len;
		uint16_t was, from, to = htobe16(mss);
		uint8_t *at, *tcp = packet + ip->upper;

		if (kind == TCP_OPTION_END)
			break;
		if (kind == TCP_OPTION_NOP)
			continue;
		len = rd_u8(&options);
		if (len < 2 || kind != TCP_OPTION_MSS || len != 4) {
			rd_skip(&options, len < 2 ? SIZE_MAX : len - 2u);
			continue;
		}
		at = tcp + (options.p - tcp);
		was = rd_u16(&options);
		if (options.bad || was <= mss)
			return false;
		memcpy(&from, at, 2);
		memcpy(&sum, tcp + 16, 2);
		/* At an odd place the sum has its bytes in the other halves. */
		sum = (at - tcp) % 2 ? ip_checksum_update(sum, __builtin_bswap16(from),
							  __builtin_bswap16(to))
				     : ip_checksum_update(sum, from, to);
		memcpy(at, &to, 2);
		memcpy(tcp + 16, &sum, 2);
		return true;
	}
	return false;
}
