/*
 * netlink: the few things the parent asks of the kernel's interfaces and routes. libmnl's one file.
 *
 * Every call is a request and its answer, in the network namespace of the process. Addresses are
 * in network byte order, 4 or 16 bytes by family (4 or 6). 0 or -errno. Parent thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NETLINK_ROUTE_PROTO 77     /* our mark on routes, see `ip route show proto 77` */
#define NETLINK_RULE_PRIORITY 7700 /* of our rules, see `ip rule` */
#define NETLINK_TABLE 77000        /* a port's own table is this and its number */

struct netlink;

struct netlink_link {
	unsigned ifindex;
	unsigned mtu;
	uint8_t mac[6];
	bool ethernet; /* an Ethernet-like device with a 6-byte address */
	bool up;       /* administratively */
	bool running;  /* and its cable has a signal */
};

struct netlink *netlink_new(void);
void netlink_free(struct netlink *nl);

int netlink_link_get(struct netlink *nl, const char *ifname, struct netlink_link *out);
int netlink_link_up(struct netlink *nl, unsigned ifindex);
int netlink_link_down(struct netlink *nl, unsigned ifindex);
int netlink_link_mtu(struct netlink *nl, unsigned ifindex, unsigned mtu);
int netlink_link_mac(struct netlink *nl, unsigned ifindex, const uint8_t mac[6]);

/* An address that is there already, or gone already, is no error. */
int netlink_address_add(struct netlink *nl, unsigned ifindex, uint8_t family, uint8_t prefix,
			const uint8_t *addr);
int netlink_address_del(struct netlink *nl, unsigned ifindex, uint8_t family, uint8_t prefix,
			const uint8_t *addr);

struct netlink_route {
	unsigned ifindex;
	uint8_t family, prefix;
	uint8_t dst[16];
	uint8_t via_family; /* of via: IPv4 may go to a next hop of IPv6 (RTA_VIA) */
	uint8_t via[16];    /* zero: none */
	uint8_t src[16];    /* preferred source, an address of this host; zero: none */
	uint32_t metric;
	uint32_t table; /* 0: the main one */
};

int netlink_route_put(struct netlink *nl, const struct netlink_route *r);
int netlink_route_del(struct netlink *nl, const struct netlink_route *r);

/* A permanent entry of the neighbour table; one that is there is replaced, one that is gone already
 * is no error. */
int netlink_neighbour_put(struct netlink *nl, unsigned ifindex, uint8_t family, const uint8_t *addr,
			  const uint8_t mac[6]);
int netlink_neighbour_del(struct netlink *nl, unsigned ifindex, uint8_t family,
			  const uint8_t *addr);
/* Has the kernel find the MAC address of a neighbour that it does not know, or make sure of it. */
int netlink_neighbour_probe(struct netlink *nl, unsigned ifindex, uint8_t family,
			    const uint8_t *addr);
/*
 * What this host sends from an address is routed by the table of that number first. A rule that is
 * there already, or gone already, is no error.
 */
int netlink_rule_add(struct netlink *nl, uint8_t family, const uint8_t *from, uint32_t table);
int netlink_rule_del(struct netlink *nl, uint8_t family, const uint8_t *from, uint32_t table);

/* A socket that becomes readable when a link, a tc object or a policy rule changes; netlink_watch_drain() empties
 * it. What changed is looked up afterwards, so that a lost notification costs nothing. */
int netlink_watch_open(void);
void netlink_watch_drain(int fd);

/* A socket that hears of routes and of what they depend on, with room for many notifications; or
 * -errno. */
int netlink_routes_open(void);
