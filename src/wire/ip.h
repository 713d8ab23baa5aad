/*
 * ip: IPv4 and IPv6 headers (RFC 791, RFC 8200), checksums (RFC 1071, RFC 1624), the two bits of
 * ECN under tunnels (RFC 6040), fragments, the too-big messages of ICMP (RFC 1191, RFC 4443) and
 * TCP's maximum segment size. Pure codec, no state; safe from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IP4_HEAD_LEN 20
#define IP6_HEAD_LEN 40
#define UDP_HEAD_LEN 8
#define TCP_FLAGS_AT 13 /* offset of the octet with TCP's flags */
#define TCP_SYN 0x02
#define IP4_MTU_MIN 576 /* every host takes packets of that size (RFC 791) */
#define IP6_MTU_MIN 1280
#define IP4_FLAG_DF 0x40 /* of the octet with IPv4's flags */
#define IP_TOS_ECN 0x03  /* of the TOS octet, IPv6's traffic class */
#define IP_TOS_DSCP 0xfc
#define IP_TOO_BIG_MAX 1280 /* bytes of the longest packet ip_too_big_build() makes */

enum ip_protocol {
	IP_HOP_BY_HOP = 0,
	IP_ICMP = 1,
	IP_IPV4 = 4,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_IPV6 = 41,
	IP_ROUTING = 43,
	IP_FRAGMENT = 44,
	IP_ESP = 50,
	IP_AH = 51,
	IP_ICMPV6 = 58,
	IP_NO_NEXT = 59,
	IP_DST_OPTIONS = 60,
	IP_SCTP = 132,
};

enum ip_defect {
	IP_OK,
	IP_CUT,       /* ends within a header */
	IP_VERSION,   /* neither 4 nor 6 */
	IP_HEADER,    /* IPv4: a header length below five words */
	IP_LENGTH,    /* longer than what is there, or than its own header */
	IP_CHECKSUM,  /* IPv4 */
	IP_EXTENSION, /* IPv6: extension headers without end, or one where it may not stand */
};

/* A parsed packet. Offsets are from its first byte. */
struct ip {
	uint8_t family;   /* 4 or 6 */
	uint8_t protocol; /* upper layer: behind the extension headers that were walked */
	uint8_t tos;
	uint8_t ttl;
	bool df;        /* IPv4 */
	bool fragment;  /* one of several: the packet is not whole */
	bool later;     /* and not the first one */
	bool has_ports; /* or ICMP's type and code, then in both */
	uint16_t sport, dport;
	uint32_t len;      /* bytes of the packet by its own header */
	uint32_t upper;    /* offset of the upper layer */
	uint32_t upper_at; /* and of the octet that names it */
	/* Where ESP in transport mode stands: behind what every hop and router reads (RFC 4303
	 * section 3.1.1), and where the protocol number of what stands there is written. */
	uint32_t insert, insert_at;
	uint32_t frag_at,
		frag_by;          /* IPv6: of the fragment header, and of the octet that names it */
	const uint8_t *src, *dst; /* 4 or 16 bytes, in the packet */
};

/*
 * Parses a packet that starts at data; `size` bytes are there, of which those past ip.len do not
 * belong to it. Every offset and length it gives lies within the packet.
 */
enum ip_defect ip_parse(struct ip *ip, const uint8_t *data, size_t size);

/* The ones' complement sum of bytes, not folded: sums of even lengths may be added up. */
uint64_t ip_sum(const void *data, size_t len);
/* Folded and complemented: the checksum, as it is stored (native order of its two bytes). */
uint16_t ip_checksum(uint64_t sum);
/* The checksum of an IPv4 header without options (20 bytes) is right. The ones' complement sum of
 * wide words is that of their halves: what runs over comes in again below. */
static inline bool ip4_plain_sums_up(const uint8_t *head)
{
	uint64_t sum, b;
	uint32_t c, half;

	memcpy(&sum, head, sizeof(sum));
	memcpy(&b, head + 8, sizeof(b));
	memcpy(&c, head + 16, sizeof(c));
	sum += b;
	sum += sum < b;
	sum += c;
	sum += sum < c;
	/* The upper half of a sum with its own halves changed is both of them with what ran over. */
	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return half >> 16 == 0xffff;
}

/*
 * The short look at what most packets are: IPv4 without options, header checksum right, all of it
 * among `size` bytes. Its length, or 0: it is something else, and ip_parse()'s.
 */
static inline uint32_t ip4_plain_len(const uint8_t *packet, size_t size)
{
	uint32_t len;

	if (size < IP4_HEAD_LEN || packet[0] != 0x45)
		return 0;
	len = (uint32_t)packet[2] << 8 | packet[3];
	return len >= IP4_HEAD_LEN && len <= size && ip4_plain_sums_up(packet) ? len : 0;
}

/* Of such a packet: it is not one of several pieces. */
static inline bool ip4_plain_whole(const uint8_t *packet)
{
	return !(packet[6] & 0x3f) && !packet[7];
}

/* And it is TCP and may begin a connection, or is too short to tell. */
static inline bool ip4_plain_opens_tcp(const uint8_t *packet, uint32_t len)
{
	return packet[9] == IP_TCP && (len <= IP4_HEAD_LEN + TCP_FLAGS_AT ||
				       packet[IP4_HEAD_LEN + TCP_FLAGS_AT] & TCP_SYN);
}

/* The sum of the pseudo header. len: of the upper layer. */
uint64_t ip_pseudo_sum(uint8_t family, const uint8_t *src, const uint8_t *dst, uint8_t protocol,
		       uint32_t len);
/* A stored checksum after a 16-bit field went from `from` to `to`, both as stored. */
uint16_t ip_checksum_update(uint16_t checksum, uint16_t from, uint16_t to);

/* Sets the TOS octet or traffic class of a packet; the header is whole. */
void ip_tos_set(uint8_t *packet, uint8_t tos);
/* Sets total or payload length, for a packet of `len` bytes. */
void ip_len_set(uint8_t *packet, uint32_t len);

/*
 * Writes a header without options or extensions, its length fields as of a packet of `len`
 * bytes. id and df are IPv4's. Returns its length.
 */
size_t ip_build(uint8_t *out, uint8_t family, const uint8_t *src, const uint8_t *dst,
		uint8_t protocol, uint8_t tos, uint8_t ttl, uint16_t id, bool df, uint32_t len);

/* A TCP or UDP packet's checksum made anew, where it has one. */
void ip_upper_checksum_set(uint8_t *packet, const struct ip *ip);

/* RFC 6040 section 4.1, normal mode: the outer ECN field of an inner one. */
static inline uint8_t ip_ecn_encapsulate(uint8_t inner)
{
	return inner & IP_TOS_ECN;
}

/* RFC 6040 section 4.2: the inner ECN field as it goes on, or -1: the packet is dropped. */
int ip_ecn_decapsulate(uint8_t inner, uint8_t outer);

/*
 * The fragment of an IPv4 packet (without DF, RFC 791) that starts at *offset bytes of its
 * payload, so that it is no longer than mtu; advances *offset. out: mtu bytes of room. Returns
 * its length, 0 when there is none left or mtu leaves no room for any.
 */
size_t ip4_fragment(const uint8_t *packet, const struct ip *ip, size_t mtu, uint32_t *offset,
		    uint8_t *out);

/* A fragment: which packet it is of, and which part of it. */
struct ip_piece {
	uint32_t id;
	uint32_t head;   /* bytes of the headers that the whole packet has too */
	uint32_t body;   /* offset of this part's payload in the fragment */
	uint32_t offset; /* of the part in the whole payload, bytes */
	uint32_t len;    /* bytes of it */
	uint8_t next;    /* protocol of the payload */
	bool more;       /* it is not the last */
};

/* False when it is no fragment, or one that cannot be: empty, or not the last and not a multiple
 * of eight bytes long, or beyond the end of any packet. */
bool ip_piece_read(struct ip_piece *piece, const uint8_t *packet, const struct ip *ip);
/* Makes the first fragment's header, `head` bytes at packet, that of the whole of `len` bytes. */
void ip_piece_whole(uint8_t *packet, const struct ip_piece *first, const struct ip *ip,
		    uint32_t len);

/*
 * The message that tells a packet's source that no more than mtu bytes fit: "fragmentation
 * needed" or "packet too big". from: 4 or 16 bytes. out: IP_TOO_BIG_MAX bytes. Returns its
 * length, or 0 where no message may be sent: about an ICMP error, a later fragment, a group
 * address or an unspecified one (RFC 1122 section 3.2.2, RFC 4443 section 2.4).
 */
size_t ip_too_big_build(uint8_t *out, const uint8_t *packet, const struct ip *ip,
			const uint8_t *from, uint32_t mtu);

/* What a too-big message quotes. */
struct ip_too_big {
	uint32_t mtu;          /* as told; 0 by routers older than RFC 1191 */
	struct ip about;       /* the quoted packet, as far as it was quoted */
	const uint8_t *quoted; /* its first byte */
	size_t quoted_len;     /* bytes of it that are there */
};

/* Reads one; false when the packet is none, its checksum is wrong, or the quote is not a header. */
bool ip_too_big_parse(struct ip_too_big *t, const uint8_t *packet, const struct ip *ip);

/*
 * Lowers the maximum segment size that a TCP SYN announces to `mss`. Returns whether it had to.
 * The packet is no fragment but the first and its protocol is TCP, or nothing happens.
 */
bool ip_mss_clamp(uint8_t *packet, const struct ip *ip, uint16_t mss);
