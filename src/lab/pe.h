/* pe: what the files of the provider share (provider.h). */
#pragma once

#include "lab/nat44.h"
#include "lab/provider.h"

#define PE_NEIGHBOURS 32
#define PE_WAITING 8 /* packets of a link that wait for a MAC address */
#define PE_NEIGHBOUR_NS (60ull * 1000000000ull)
#define PE_WAIT_NS (3ull * 1000000000ull)
#define PE_ETH 14
#define PE_IP4 20 /* bytes of the header without options */
#define PE_IP6 40

enum { PE_ICMP = 1, PE_TCP = 6, PE_UDP = 17, PE_ESP = 50, PE_ICMP6 = 58, PE_FRAGMENT6 = 44 };

struct pe_neighbour {
	uint64_t seen_ns; /* 0: unused */
	uint8_t family;
	uint8_t addr[16];
	uint8_t mac[6];
};

struct pe_waiting {
	uint64_t since_ns; /* 0: unused */
	uint8_t family;
	uint8_t next[16];
	uint16_t in;
	size_t len;
	uint8_t *packet; /* IP, owned */
};

struct pe_link {
	struct provider_link_config cfg;
	struct nat44 *nat; /* NULL: none */
	struct pe_neighbour neighbour[PE_NEIGHBOURS];
	struct pe_waiting waiting[PE_WAITING];
};

struct pe_route {
	struct provider_prefix net;
	uint16_t link;  /* index */
	bool connected; /* the next hop is the destination itself */
	uint8_t via[16];
};

struct provider {
	struct provider_config cfg;
	struct pe_link *links[PROVIDER_LINKS];
	size_t link_count;
	struct pe_route *routes;
	size_t route_count;
	struct provider_stats stats;
	uint16_t ip_id;
};

/* An IP packet on its way; `p` has PE_ETH bytes of room in front of it. */
struct pe_packet {
	uint8_t *p;
	size_t len;
	uint8_t family;
	struct pe_link *in;
	uint64_t now;
};

static inline uint16_t pe_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t pe_get32(const uint8_t *p)
{
	return (uint32_t)pe_get16(p) << 16 | pe_get16(p + 2);
}

static inline void pe_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void pe_put32(uint8_t *p, uint32_t v)
{
	pe_put16(p, v >> 16);
	pe_put16(p + 2, v & 0xffff);
}

/* The PE's address of a family on a link, or NULL. */
static inline const uint8_t *pe_own(const struct pe_link *l, uint8_t family)
{
	const struct provider_prefix *g = &l->cfg.gateway[family == 6];

	return g->family ? g->addr : NULL;
}

/* Of addresses in a packet. */
static inline size_t pe_addr_len(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static inline uint8_t *pe_source(const struct pe_packet *pk)
{
	return pk->p + (pk->family == 4 ? 12 : 8);
}

static inline uint8_t *pe_target(const struct pe_packet *pk)
{
	return pe_source(pk) + pe_addr_len(pk->family);
}

/* provider.c */
/* Replaces what a one's-complement checksum covers, in place (RFC 1624). */
void pe_checksum_change(uint8_t *sum, uint32_t before, uint32_t after);
/* The Internet checksum (RFC 1071) over len bytes, begun with `sum`. */
uint16_t pe_checksum(const uint8_t *p, size_t len, uint32_t sum);
/* The sum of IPv6's pseudo header (RFC 8200 8.1), to begin a checksum with. */
uint32_t pe_pseudo6(const uint8_t *ip6, uint32_t len, uint8_t next);
/* Brings a packet to wherever its destination is; `in` is whom an error would go to. */
void pe_forward(struct provider *pr, struct pe_packet *pk);
/* Out of one link towards a next hop, whose MAC address is found or asked for. */
void pe_transmit(struct provider *pr, struct pe_link *out, const struct pe_packet *pk,
		 const uint8_t next[16]);
bool pe_prefix_has(const struct provider_prefix *net, uint8_t family, const uint8_t addr[16]);

/* pe_neigh.c */
void pe_arp(struct provider *pr, struct pe_link *l, const uint8_t *frame, size_t len, uint64_t now);
/* A neighbour or router solicitation or advertisement. False: it is none, or not for us. */
bool pe_nd(struct provider *pr, struct pe_packet *pk, const uint8_t *eth);
void pe_learn(struct provider *pr, struct pe_link *l, uint8_t family, const uint8_t addr[16],
	      const uint8_t mac[6], uint64_t now);
const uint8_t *pe_mac(struct pe_link *l, uint8_t family, const uint8_t addr[16], uint64_t now);
void pe_ask(struct provider *pr, struct pe_link *l, uint8_t family, const uint8_t addr[16],
	    uint64_t now);
void pe_wait(struct provider *pr, struct pe_link *out, const struct pe_packet *pk,
	     const uint8_t next[16]);

/* pe_icmp.c */
enum pe_error { PE_NET_UNREACHABLE, PE_TOO_BIG, PE_TTL };
/* Tells the packet's sender; `mtu` of PE_TOO_BIG. Never about an error, a fragment, a group. */
void pe_error(struct provider *pr, const struct pe_packet *pk, enum pe_error what, uint16_t mtu);
/* An error about a packet that went out translated: it and what it quotes are translated back.
 * False: it is none. */
bool pe_error_untranslate(struct pe_packet *pk, const struct nat44 *n);
/* A packet for the PE's own address. */
void pe_local(struct provider *pr, struct pe_packet *pk);

/* pe_dhcp.c */
bool pe_is_dhcp(const struct pe_packet *pk);
void pe_dhcp(struct provider *pr, const struct pe_packet *pk);
