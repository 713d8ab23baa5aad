/*
 * esp_express_in: what the ways of esp_express_in() for one SA (esp_express_in.c) and for many
 * (esp_express_in_each.c) have in common. Private to src/fwd.
 */
#pragma once

#include "fwd/path.h"
#include "sa/replay.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define IV_LEN 8 /* of every suite that takes this way */

static inline uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static inline uint64_t wide(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Fills w for that SPI (network order). False, and nothing is done: there is no such SA. */
bool esp_way_make(struct fwd *f, struct esp_way *w, uint32_t spi);

static inline struct esp_way *esp_way_place(struct fwd *f, uint32_t spi)
{
	return &f->ways[spi * UINT32_C(0x9e3779b1) >> 20 & (ESP_WAYS - 1)];
}

/* The way of that SPI's packets with so many bytes of UDP header; NULL: they take the long one. */
static inline const struct esp_way *esp_way_find(struct fwd *f, const struct fwd_port *wan,
						 uint32_t spi, uint32_t udp)
{
	struct esp_way *w = esp_way_place(f, spi);

	if ((w->epoch != f->epoch || w->spi != spi) && !esp_way_make(f, w, spi))
		return NULL;
	return w->sa && w->udp == udp && &f->ports[w->wan] == wan ? w : NULL;
}

/* The SPI of a frame that may be ESP over IPv4, and how many bytes of UDP stand in front of it. False:
 * it is something else. */
static inline bool esp_spi_of(const struct pkt *p, uint32_t *spi, uint32_t *udp)
{
	const uint8_t *ip = p->data + ETH_HEAD_LEN;

	if (p->len < ETH_HEAD_LEN + IP4_HEAD_LEN + UDP_HEAD_LEN + ESP_HEAD_LEN ||
	    p->data[12] != ETH_TYPE_IPV4 >> 8 || p->data[13] != (ETH_TYPE_IPV4 & 0xff) ||
	    (ip[9] != IP_ESP && ip[9] != IP_UDP))
		return false;
	*udp = ip[9] == IP_UDP ? UDP_HEAD_LEN : 0;
	*spi = word(ip + IP4_HEAD_LEN + *udp);
	return true;
}

/* IPv4 without options behind an Ethernet header: EtherType, version and header length at once. */
static inline bool is_plain4(const uint8_t *frame)
{
	static const uint8_t of[4] = {0xff, 0xff, 0xff}, is[4] = {8, 0, 0x45};

	return (word(frame + ETH_ADDRS_LEN) & word(of)) == word(is);
}

/* The outer header is the SA's: not in pieces, from and to where it is. */
static inline bool outer_fits(const struct esp_way *w, const uint8_t *ip)
{
	static const uint8_t piece_of[8] = {[6] = 0x3f, [7] = 0xff};
	static const uint8_t from_of[8] = {0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff};

	return !(wide(ip) & wide(piece_of)) && (wide(ip + 8) & wide(from_of)) == w->from &&
	       word(ip + 16) == w->to && ip4_plain_sums_up(ip);
}

/* The frame has the shape of the way's; *len: bytes of its encrypted part. */
static inline __attribute__((always_inline)) bool has_shape(const struct esp_way *w,
							    const struct pkt *p, uint32_t *len)
{
	const uint32_t least = IP4_HEAD_LEN + w->udp + ESP_HEAD_LEN + IV_LEN + AEAD_TAG_LEN;
	const uint8_t *ip = p->data + ETH_HEAD_LEN;
	const uint8_t *esp = p->data + ETH_HEAD_LEN + IP4_HEAD_LEN + w->udp;
	uint32_t room = p->len - (ETH_HEAD_LEN + least);

	if (p->len < ETH_HEAD_LEN + least + ESP_TRAILER_LEN || word(esp) != w->spi ||
	    !is_plain4(p->data) || !outer_fits(w, ip))
		return false;
	*len = ((uint32_t)ip[2] << 8 | ip[3]) - least;
	if (*len - ESP_TRAILER_LEN > room - ESP_TRAILER_LEN || *len & 3)
		return false;
	return !w->udp || (word(ip + IP4_HEAD_LEN) == w->ports &&
			   ((uint32_t)ip[24] << 8 | ip[25]) == *len + least - IP4_HEAD_LEN);
}

/* Tells the AEAD what to do with a frame that has the shape. */
static inline void op_fill(const struct esp_way *w, uint32_t salt, const struct pkt *p,
			   uint32_t len, uint64_t seq, struct aead_op *op, uint8_t aad[12])
{
	uint8_t *esp = p->data + ETH_HEAD_LEN + IP4_HEAD_LEN + w->udp;
	const uint64_t seq_be = htobe64(seq);

	memcpy(aad, &w->spi, sizeof(w->spi));
	memcpy(aad + 4, &seq_be, sizeof(seq_be));
	op->aad = w->esn ? aad : esp;
	op->aad_len = w->esn ? 12 : ESP_HEAD_LEN;
	op->data = esp + ESP_HEAD_LEN + IV_LEN;
	op->len = len;
	op->tag = op->data + len;
	memcpy(op->nonce, &salt, sizeof(salt));
	memcpy(op->nonce + 4, esp + ESP_HEAD_LEN, IV_LEN); /* the sender's choice, not our guess */
}

/* Bytes of the trailer that ends there, behind an IPv4 packet and at most 3 octets of padding; or 0:
 * it is another. */
static inline uint32_t trailer_of(const uint8_t *end)
{
	static const uint64_t ends[4] = {
		UINT64_C(0x0400) << 48,
		UINT64_C(0x040101) << 40,
		UINT64_C(0x04020201) << 32,
		UINT64_C(0x0403030201) << 24,
	};
	const uint64_t all = le64toh(wide(end - 8));
	const uint32_t pad = (uint8_t)(all >> 48);

	return pad < 4 && !((all ^ ends[pad]) >> (48 - 8 * pad)) ? pad + ESP_TRAILER_LEN : 0;
}

/* The inner packet in the frame that the overlay gets. False, and nothing is done: it is another kind. */
static inline bool unwrap(const struct esp_way *w, struct pkt *p, const struct aead_op *op)
{
	uint8_t *h = op->data;
	uint32_t trailer, len, ecn;

	if (op->len < IP4_HEAD_LEN + 4 + ESP_TRAILER_LEN)
		return false;
	trailer = trailer_of(h + op->len);
	len = trailer ? ip4_plain_len(h, op->len - trailer) : 0;
	ecn = *(h - (IP4_HEAD_LEN + w->udp + ESP_HEAD_LEN + IV_LEN) + 1) & IP_TOS_ECN;
	if (!len || h[16] >= 224 || ip4_plain_opens_tcp(h, len) ||
	    (ecn && ecn != (h[1] & IP_TOS_ECN)))
		return false;
	memcpy(h - ETH_HEAD_LEN, w->eth, ETH_HEAD_LEN);
	p->data = h - ETH_HEAD_LEN;
	p->len = len + ETH_HEAD_LEN;
	p->mark = PKT_OPENED;
	return true;
}

/* A packet that had the shape, as esp_in's long way would have it from the AEAD on. accepted: the
 * window did so already. */
enum fwd_fate esp_express_judge(struct fwd *f, const struct esp_way *w, struct pkt *p, unsigned i,
				bool accepted);

/*
 * Takes the packets from the first on that have the shape of their ways, whosever they are, for one
 * overlay, decrypted if they verify; returns how many they were, which is none where the second
 * is not one of them. *left of them stand at v then.
 */
unsigned esp_express_in_each(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n,
			     unsigned *left);
