/*
 * eth: Ethernet frames and the tags of 802.1Q and 802.1ad (IEEE 802.1Q-2018 clause 9). Pure
 * codec, no state; safe from any thread.
 */
#pragma once

#include "base/rd.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ETH_ADDR_LEN 6
#define ETH_HEAD_LEN 14    /* two addresses and the EtherType */
#define ETH_ADDRS_LEN 12   /* the two addresses */
#define ETH_VLAN_TAG_LEN 4 /* one 802.1Q tag */
#define ETH_TAGS_MAX 8     /* bytes of the tags in clear: two */
#define ETH_FRAME_MIN 60   /* shorter frames are padded to it, without FCS */
#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd
#define ETH_TYPE_CTAG 0x8100 /* customer VLAN tag */
#define ETH_TYPE_STAG 0x88a8 /* service VLAN tag */
#define ETH_TYPE_EAPOL 0x888e
#define ETH_TYPE_MACSEC 0x88e5
#define ETH_VID_MASK 0x0fff

struct eth {
	const uint8_t *dst, *src; /* in the frame */
	uint16_t type;            /* EtherType after the tag, if there was one */
	uint16_t tci;             /* PCP, DEI and VID of the outermost C-tag, host order */
	bool tagged;              /* there was one */
};

/* An address as a number that is compared at once: its bytes in memory's order, then two of zero. */
static inline uint64_t eth_addr_word(const uint8_t mac[ETH_ADDR_LEN])
{
	uint64_t w = 0;

	memcpy(&w, mac, ETH_ADDR_LEN);
	return w;
}

/* The same of a frame's destination; the frame has a whole header. */
static inline uint64_t eth_dst_word(const uint8_t *frame)
{
	uint64_t w;

	memcpy(&w, frame, sizeof(w));
	return w & be64toh(UINT64_C(0xffffffffffff) << 16);
}

/* The two addresses to another place, which may overlap with where they are. */
static inline void eth_addrs_move(uint8_t *to, const uint8_t *from)
{
	uint64_t most;
	uint32_t rest;

	memcpy(&most, from, sizeof(most));
	memcpy(&rest, from + sizeof(most), sizeof(rest));
	memcpy(to, &most, sizeof(most));
	memcpy(to + sizeof(most), &rest, sizeof(rest));
}

/* Reads up to one C-tag and the EtherType; r then stands behind it. r is bad when cut short. */
static inline struct eth eth_read(struct rd *r)
{
	struct eth e = {.dst = rd_bytes(r, ETH_ADDR_LEN), .src = rd_bytes(r, ETH_ADDR_LEN)};

	e.type = rd_u16(r);
	if (e.type == ETH_TYPE_CTAG) {
		e.tagged = true;
		e.tci = rd_u16(r);
		e.type = rd_u16(r);
	}
	return e;
}

/* What stands in front of a SecTAG: up to two tags. */
struct eth_clear {
	uint16_t type; /* EtherType behind them */
	uint8_t len;   /* bytes of the tags: 0, 4 or 8 */
	uint32_t tags; /* which, as eth_tags() has it */
};

/* A set of tags in clear as one number. outer_type: TPID of the outer one, 0 when there is none;
 * a VLAN identifier of 0 names no VLAN, so a priority tag by itself is like no tag. */
static inline uint32_t eth_tags(uint16_t outer_type, uint16_t outer, uint16_t vlan)
{
	uint32_t kind = outer_type == ETH_TYPE_STAG ? 2 : outer_type ? 1 : 0;

	return kind << 24 | (uint32_t)(outer & ETH_VID_MASK) << 12 | (vlan & ETH_VID_MASK);
}

#define ETH_TAGS_STAG_ALONE (UINT32_C(3) << 24) /* an S-tag without a C-tag: no port's */

/* Reads addresses, up to two tags and the EtherType; r then stands behind it. An outer tag is an
 * S-tag or a C-tag, an inner one a C-tag. r is bad when cut short. */
static inline struct eth_clear eth_read_clear(struct rd *r)
{
	struct eth_clear e = {0};
	uint16_t first, tci, inner;

	rd_skip(r, ETH_ADDRS_LEN);
	e.type = first = rd_u16(r);
	if (first != ETH_TYPE_CTAG && first != ETH_TYPE_STAG)
		return e;
	tci = rd_u16(r);
	e.type = rd_u16(r);
	e.len = ETH_VLAN_TAG_LEN;
	if (e.type == ETH_TYPE_CTAG) {
		inner = rd_u16(r);
		e.type = rd_u16(r);
		e.len = ETH_TAGS_MAX;
		e.tags = eth_tags(first, tci, inner);
	} else {
		e.tags = first == ETH_TYPE_STAG ? ETH_TAGS_STAG_ALONE : eth_tags(0, 0, tci);
	}
	return e;
}

/*
 * Priority (0 to 7) with which a frame of ours deserves to be carried: its own C-tag's PCP,
 * else its IP precedence (the top three bits of DSCP), else 0. Whatever the frame holds.
 */
uint8_t eth_priority(const uint8_t *frame, size_t len);
