/*
 * provider: an IP carrier as its customers see it, an L3VPN or the Internet.
 *
 * Every port is a PE-CE link with a provider's router (PE) at its other end, which has the gateway
 * address of the customer's port, answers ARP, neighbour discovery, ping and DHCP there, and
 * routes between the PE-CE links. It knows no network behind a customer's router, unless it was
 * told some (`customer-routes`). In the middle is one core with an MTU and the faults of the field.
 *
 * No I/O: frames in, frames out by a callback, time handed in. It shares no code with src/wire.
 * Addresses are 16 bytes, an IPv4 one in the first four. One thread.
 *
 *   provider.c  links, routes, forwarding
 *   pe_neigh.c  who has which MAC address on a link: ARP (RFC 826), neighbour discovery (RFC 4861)
 *   pe_icmp.c   errors, and the PE's own answers (RFC 792, 4443)
 *   pe_dhcp.c   addresses for customers that ask (RFC 2131)
 *   nat44.c     translation in front of a customer
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROVIDER_LINKS 256
#define PROVIDER_ROUTES 1024
#define PROVIDER_FRAME_MAX 9700

enum provider_fault {
	PROVIDER_NO_ESP = 1 << 0,       /* IP protocol 50 is dropped in the core */
	PROVIDER_NO_FRAGMENTS = 1 << 1, /* so are fragments */
	PROVIDER_SILENT_MTU = 1 << 2,   /* what does not fit is dropped without a word */
};

struct provider_prefix {
	uint8_t family; /* 4 or 6; 0: none */
	uint8_t len;    /* bits */
	uint8_t addr[16];
};

struct provider_link_config {
	uint16_t port;                     /* what the callback is told */
	uint8_t mac[6];                    /* of the PE */
	struct provider_prefix gateway[2]; /* the PE's addresses on the link: IPv4, IPv6 */
	uint32_t dhcp_addr;                /* leased to who asks, host order; 0: nothing is */
	uint32_t nat_addr; /* the customer's address outside, host order; 0: its own */
};

struct provider_config {
	uint16_t mtu;      /* of the PE-CE links: bytes of IP packet */
	uint16_t core_mtu; /* what the core carries; 0: mtu */
	uint32_t faults;   /* enum provider_fault */
	uint64_t nat_udp_ns;
	void *ctx;
	/* A frame that leaves by port `out`. in == out: the PE's own answer, no distance. */
	void (*send)(void *ctx, uint16_t in, uint16_t out, const uint8_t *frame, size_t len,
		     uint64_t now);
};

struct provider_stats {
	uint64_t forwarded, local; /* from link to link; for the PE itself */
	uint64_t no_route, ttl, too_big, unresolved, malformed, martian;
	uint64_t fault_esp, fault_fragment, fragmented, nat_refused, icmp_sent, dhcp_acks;
};

struct provider;

struct provider *provider_new(const struct provider_config *cfg);
void provider_free(struct provider *p);
/* 0 or -ENOSPC. */
int provider_link_add(struct provider *p, const struct provider_link_config *cfg);
/* A network behind the customer's router `via` at this port: with `customer-routes` alone. */
int provider_route_add(struct provider *p, uint16_t port, const struct provider_prefix *net,
		       const uint8_t via[16]);
/* An untagged Ethernet frame from the customer at a port. */
void provider_input(struct provider *p, uint16_t port, const uint8_t *frame, size_t len,
		    uint64_t now);
/* Whatever was learned from the customer at a port goes: its link went down. */
void provider_link_down(struct provider *p, uint16_t port);
const struct provider_stats *provider_stats(const struct provider *p);
