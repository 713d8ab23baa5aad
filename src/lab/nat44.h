/*
 * nat44: the address translator in front of a customer's port, as carriers run it (RFC 4787 for
 * UDP, RFC 5382 for TCP, RFC 5508 for ICMP queries).
 *
 * Mapping is endpoint-independent, filtering is address- and port-dependent: what a stranger sends
 * to a mapping that never spoke to him is dropped, which is the hard case for two ends that both
 * are behind such a box. ESP has no ports and does not pass. Bounded; the oldest mapping makes
 * room. Addresses and ports are in host order. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NAT44_MAPPINGS 512
#define NAT44_REMOTES 8                        /* remembered for the filter, of one mapping */
#define NAT44_UDP_NS (30ull * 1000000000ull)   /* shorter than RFC 4787 asks, as in the field */
#define NAT44_TCP_NS (7440ull * 1000000000ull) /* RFC 5382 REQ-5 */
#define NAT44_ICMP_NS (60ull * 1000000000ull)  /* RFC 5508 REQ-2 */
#define NAT44_FIRST_PORT 1024

struct nat44_remote {
	uint32_t addr;
	uint16_t port;
};

struct nat44_map {
	uint64_t seen_ns; /* 0: unused; of the last packet from inside */
	uint32_t addr;    /* inside */
	uint16_t port;    /* inside; of an ICMP query its identifier */
	uint16_t outside;
	uint8_t protocol;
	struct nat44_remote remote[NAT44_REMOTES];
	unsigned next_remote;
};

struct nat44 {
	uint32_t public_addr;
	uint64_t udp_ns; /* how long a mapping of UDP lives without a packet from inside */
	struct nat44_map map[NAT44_MAPPINGS];
	uint64_t expired, refused; /* mappings forgotten; packets from outside that none was for */
};

void nat44_init(struct nat44 *n, uint32_t public_addr, uint64_t udp_ns);
/* A packet from inside: the port it has outside; 0 for a protocol that is not translated. */
uint16_t nat44_out(struct nat44 *n, uint8_t protocol, uint32_t addr, uint16_t port,
		   struct nat44_remote to, uint64_t now);
/* A packet from outside to one of our ports. False, and counted, when nobody inside waits for it. */
bool nat44_in(struct nat44 *n, uint8_t protocol, uint16_t port, struct nat44_remote from,
	      uint64_t now, uint32_t *addr, uint16_t *inside);
/* Whose mapping a port is, whatever the filter: for errors about packets that went out. */
const struct nat44_map *nat44_find(const struct nat44 *n, uint8_t protocol, uint16_t port,
				   uint64_t now);
/* Forgets every mapping, as a box does that was restarted. */
void nat44_forget(struct nat44 *n);
