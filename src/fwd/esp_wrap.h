/*
 * esp_wrap: ESP's parts around a packet, for SAs of the usual kind: tunnel mode over IPv4 with an
 * 8-octet IV, no tags in clear. What the SA puts into every packet is read once for a run of them;
 * all headers, Ethernet's too, are one block of fixed size in front of the payload. Private to
 * src/fwd.
 */
#pragma once

#include "fwd/path.h"

/* Room for the headers of any kind as they are copied, and for the longest trailer and ICV. */
#define ESP_OUT_HEADROOM (ESP_OUTER_MAX + ESP_IV_MAX + ETH_HEAD_LEN + ETH_TAGS_MAX + 2)
#define ESP_OUT_TAILROOM (15 + ESP_TRAILER_LEN + ESP_ICV_MAX)

/* What of an SA's key stands in front of every nonce. */
static inline uint32_t esp_salt(const struct sa *sa)
{
	uint32_t salt;

	memcpy(&salt, sa->nonce, sizeof(salt));
	return salt;
}

static inline bool esp_wrap_usual(const struct sa *sa, const struct fwd_tunnel *t)
{
	return sa->esp.mode == ESP_TUNNEL && sa->esp.local.family == 4 && sa->esp.align == 4 &&
	       sa->esp.iv_len == sizeof(uint64_t) && sa->esp.icv_len == AEAD_TAG_LEN &&
	       t->eth_len == ETH_HEAD_LEN;
}

static inline struct esp_wrapping esp_wrapping_of(const struct sa *sa, const struct fwd_tunnel *t)
{
	struct esp_wrapping w = {.sum = sa->esp.head_sum,
				 .spi = htobe32(sa->esp.spi),
				 .outer = sa->esp.around + (uint32_t)sizeof(uint64_t),
				 .udp = sa->esp.local.port,
				 .esn = sa->esp.esn};
	uint8_t *eth = w.head + ESP_WRAP_HEAD - w.outer - ETH_HEAD_LEN;

	memcpy(w.head, sa->esp.head + sizeof(uint64_t), ESP_OUTER_MAX - sizeof(uint64_t));
	memcpy(eth, t->eth, ETH_ADDRS_LEN);
	eth[ETH_ADDRS_LEN] = ETH_TYPE_IPV4 >> 8;
	eth[ETH_ADDRS_LEN + 1] = ETH_TYPE_IPV4 & 0xff;
	return w;
}

/* The trailer of RFC 4303 section 2.4 behind the payload, by bytes of padding; what follows it is
 * where the ICV will be written. Returns their length. */
static inline uint32_t esp_wrap_trailer(uint8_t *at, uint32_t len, uint8_t next)
{
	static const uint32_t pads[4] = {0x00000000, 0x00000101, 0x00020201, 0x03030201};
	uint32_t pad = -(len + ESP_TRAILER_LEN) & 3u;
	const uint32_t bytes = htole32(pads[pad]);

	memcpy(at, &bytes, sizeof(bytes));
	at[pad + 1] = next;
	return pad + ESP_TRAILER_LEN;
}

/* The part of the outer header that differs from packet to packet. total: from it on. */
static inline void esp_wrap_outer(const struct esp_wrapping *w, uint8_t *outer, uint8_t tos,
				  bool df, uint32_t total, uint64_t seq)
{
	/* One that is never fragmented needs no identification (RFC 6864). */
	const uint32_t id_frag = htobe32(df ? 0x4000 : (uint32_t)seq << 16);
	const uint32_t first = htobe32(0x45000000 | (uint32_t)tos << 16 | total);
	const uint16_t tos_word = htobe16(tos), len = htobe16((uint16_t)total);
	uint64_t sum = w->sum + tos_word + len + (id_frag & 0xffff) + (id_frag >> 16);
	uint16_t check;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	check = (uint16_t) ~(sum + (sum >> 16));
	memcpy(outer, &first, sizeof(first));
	memcpy(outer + 4, &id_frag, sizeof(id_frag));
	memcpy(outer + 10, &check, sizeof(check));
	if (w->udp) {
		const uint16_t n = htobe16((uint16_t)(total - IP4_HEAD_LEN));

		memcpy(outer + IP4_HEAD_LEN + 4, &n, sizeof(n));
	}
}

/*
 * Puts headers and trailer around `len` bytes of payload and tells the AEAD what to do. p becomes
 * the frame; its buffer stays what it is. salt: the SA's, as it stands in memory; next: the payload's
 * protocol.
 */
static inline void esp_wrap(const struct esp_wrapping *w, uint32_t salt, struct pkt *p,
			    uint8_t *payload, uint32_t len, uint8_t next, uint8_t tos, bool df,
			    struct aead_op *op, uint8_t aad[12], uint64_t seq)
{
	const uint64_t seq_be = htobe64(seq);
	const uint32_t low = htobe32((uint32_t)seq);
	uint8_t *esp = payload - sizeof(seq) - ESP_HEAD_LEN;
	uint32_t total;

	len += esp_wrap_trailer(payload + len, len, next);
	total = w->outer + len + AEAD_TAG_LEN;
	memcpy(payload - ESP_WRAP_HEAD, w->head, ESP_WRAP_HEAD);
	memcpy(esp + 4, &low, sizeof(low));
	memcpy(esp + ESP_HEAD_LEN, &seq_be, sizeof(seq_be));
	esp_wrap_outer(w, payload - w->outer, tos, df, total, seq);
	memcpy(aad, &w->spi, sizeof(w->spi));
	memcpy(aad + 4, &seq_be, sizeof(seq_be));
	op->aad = w->esn ? aad : esp;
	op->aad_len = w->esn ? 12 : ESP_HEAD_LEN;
	memcpy(op->nonce, &salt, sizeof(salt));
	memcpy(op->nonce + 4, &seq_be, sizeof(seq_be));
	op->data = payload;
	op->len = len;
	op->tag = payload + len;
	p->data = payload - w->outer - ETH_HEAD_LEN;
	p->len = total + ETH_HEAD_LEN;
}
