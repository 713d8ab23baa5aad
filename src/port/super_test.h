/*
 * super_test: superframes at random, and a model of their checksums, for the tests of src/port.
 */
#pragma once

#include "port/super.h"

#include <stdlib.h>
#include <string.h>

/* A superframe, or a frame, and where its parts are. */
struct made {
	struct virtio_net_hdr h;
	uint32_t len, ip, upper, payload;
	bool six, udp;
	uint8_t b[SUPER_MAX];
};

static inline unsigned random_below(unsigned n)
{
	return (unsigned)random() % n;
}

/* RFC 1071 as it is written, octet by octet. */
static inline uint16_t model_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline void model_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline unsigned model_get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static inline uint16_t model_pseudo(const struct made *m, const uint8_t *b, uint32_t upper_len)
{
	uint32_t sum = (m->udp ? 17 : 6) + (upper_len & 0xffff);

	return m->six ? model_sum(sum, b + m->ip + 8, 32) : model_sum(sum, b + m->ip + 12, 8);
}

/* Lengths and checksums of a frame of m's kind; partial: the pseudo header's sum alone. */
static inline void model_finish(const struct made *m, uint8_t *b, uint32_t len, bool partial)
{
	uint8_t *at = b + m->upper + (m->udp ? 6 : 16);
	uint32_t upper_len = len - m->upper;
	uint16_t sum;

	if (m->six) {
		model_put16(b + m->ip + 4, len - m->ip - 40);
	} else {
		model_put16(b + m->ip + 2, len - m->ip);
		model_put16(b + m->ip + 10, 0);
		model_put16(b + m->ip + 10, (uint16_t)~model_sum(0, b + m->ip, m->upper - m->ip));
	}
	if (m->udp)
		model_put16(b + m->upper + 4, upper_len);
	sum = model_pseudo(m, b, upper_len);
	model_put16(at, 0);
	if (!partial) {
		sum = (uint16_t)~model_sum(sum, b + m->upper, upper_len);
		if (!sum && m->udp)
			sum = 0xffff;
	}
	model_put16(at, sum);
}

/* options: IPv4's own, of which a frame that is joined has none. */
static inline void make(struct made *m, bool options, unsigned payload, unsigned size)
{
	static const uint8_t flags[] = {0x10, 0x18, 0x11, 0x90, 0x50, 0xd9};
	uint32_t at = 12, tags = random_below(3);

	*m = (struct made){.six = random_below(2), .udp = random_below(2)};
	for (unsigned i = 0; i < 300; i++)
		m->b[i] = (uint8_t)random();
	for (unsigned i = 300; i < 300 + payload; i++)
		m->b[i] = (uint8_t)(i * 7 + (i >> 8));
	while (tags--) {
		model_put16(m->b + at, tags ? 0x88a8 : 0x8100);
		at += 4;
	}
	model_put16(m->b + at, m->six ? 0x86dd : 0x0800);
	m->ip = at + 2;
	if (m->six) {
		m->b[m->ip] = 0x60;
		m->b[m->ip + 6] = m->udp ? 17 : 6;
		m->upper = m->ip + 40;
	} else {
		unsigned words = options ? 5 + random_below(3) : 5;

		m->b[m->ip] = (uint8_t)(0x40 + words);
		model_put16(m->b + m->ip + 6, random_below(2) ? 0x4000 : 0);
		m->b[m->ip + 9] = m->udp ? 17 : 6;
		m->upper = m->ip + words * 4;
	}
	m->payload = m->upper + 8;
	if (!m->udp) {
		unsigned words = 5 + random_below(6);

		m->b[m->upper + 12] = (uint8_t)(words << 4);
		m->b[m->upper + 13] = flags[random_below(sizeof(flags))];
		m->payload = m->upper + words * 4;
	}
	m->len = m->payload + payload;
	m->h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = m->udp   ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : m->six ? VIRTIO_NET_HDR_GSO_TCPV6
				     : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)m->payload,
		.gso_size = (uint16_t)size,
		.csum_start = (uint16_t)m->upper,
		.csum_offset = m->udp ? 6 : 16,
	};
	if (!m->udp && m->b[m->upper + 13] & 0x80)
		m->h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	model_finish(m, m->b, m->len, true);
}

/* Frame i of a bundle, with so many bytes of payload: ESP in UDP, behind so many tags. id 0: IPv4 says
 * that it is not to be fragmented, and numbers nothing. Where its parts are is left in *m. */
static inline uint32_t make_esp(struct made *m, uint8_t *b, unsigned i, unsigned payload, bool six,
				unsigned tags, uint16_t id)
{
	const uint32_t ip = 14 + tags * 4, upper = ip + (six ? 40 : 20);

	*m = (struct made){.ip = ip, .upper = upper, .payload = upper + 8, .six = six, .udp = true};
	m->len = m->payload + payload;
	memset(b, 0, m->payload);
	memcpy(b, "\2\2\2\2\2\1\2\2\2\2\2\2", 12);
	for (unsigned t = 0; t < tags; t++)
		memcpy(b + 12 + t * 4, t + 1 < tags ? "\x88\xa8\0\5" : "\x81\0\0\7", 4);
	model_put16(b + ip - 2, six ? 0x86dd : 0x0800);
	if (six) {
		memcpy(b + ip, "\x60\0\0\0\0\0\x11\x40", 8);
		b[ip + 8] = b[ip + 24] = 0xfd;
		b[ip + 23] = 1;
		b[ip + 39] = 2;
	} else {
		b[ip] = 0x45;
		b[ip + 1] = 2;
		model_put16(b + ip + 4, id ? (id + i) & 0xffff : 0);
		b[ip + 6] = id ? 0 : 0x40;
		b[ip + 8] = 64;
		b[ip + 9] = 17;
		memcpy(b + ip + 12, "\xc6\x33\x64\1\xc6\x33\x64\2", 8);
	}
	memcpy(b + upper, "\x11\x94\x11\x94", 4);
	for (unsigned k = m->payload; k < m->len; k++)
		b[k] = (uint8_t)random();
	model_finish(m, b, m->len, false);
	if (!six)
		model_put16(b + upper + 6, 0);
	return m->len;
}
