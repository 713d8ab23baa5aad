/*
 * plan: what one node needs of the parent and of forward, made from the backbone.
 *
 * Pure: no descriptor, no clock, nothing kept but what the plan owns. Ports and SecYs are
 * numbered from 1 in the file's order (the node's ports, then the overlays it is a member of);
 * plan_number() gives those that were there before another file was taken the numbers they had.
 */
#pragma once

#include "config/backbone.h"
#include "msg/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_PORTS_MAX 160 /* of one node, overlay interfaces included */
#define PLAN_SECYS_MAX 64
#define PLAN_TUNNELS_MAX BB_TUNNELS_MAX

#define PLAN_NAME_MAX 64 /* bytes of a name in the table below, with its NUL */

/* Which number is whose, by number - 1; "" is nobody's. It survives control's death. */
struct plan_names {
	char ports[PLAN_PORTS_MAX][PLAN_NAME_MAX];
	char secys[PLAN_SECYS_MAX][PLAN_NAME_MAX];
	char tunnels[PLAN_TUNNELS_MAX][PLAN_NAME_MAX];
};

enum plan_fate { PLAN_KEPT, PLAN_CHANGED, PLAN_ADDED, PLAN_REMOVED };

struct plan_port {
	struct msg_port_want want;
	const struct bb_port *port; /* NULL: an overlay interface */
	/* The overlay it is, or that runs over it or is bridged to it; may be NULL. */
	const struct bb_overlay *overlay;
	/* An overlay bridged here: it has a number but no interface, so the parent is not told. */
	bool bridged;
};

struct plan_secy {
	uint16_t id;           /* from 1 */
	uint16_t wan, overlay; /* port ids */
	bool bridged;
	const struct bb_overlay *o;
	const struct bb_member *self;
};

/*
 * A tunnel of an overlay of design ipsec. Addresses are of hosts. local of family 0: the port's
 * lease has it, and the gateway too; remote of family 0: the peer has to come to us.
 */
struct plan_tunnel {
	uint16_t id; /* from PLAN_SECYS_MAX + 1: SecYs and tunnels are numbered together */
	uint16_t wan, overlay; /* port ids */
	const struct bb_overlay *o;
	const struct bb_member *self, *peer;
	const struct bb_port *port;     /* wan's */
	uint8_t family;                 /* of the outer addresses */
	struct bb_prefix local, remote; /* outer */
	/* Whose MAC address the frames go to; family 0: see plan_next_hop() and the lease. */
	struct bb_prefix next_hop;
	uint8_t mac[6];    /* the peer's in the overlay */
	uint8_t inner4[4]; /* this host's own within, for ICMP errors; zero: none */
	uint8_t inner6[16];
};

struct plan {
	const struct backbone *backbone;
	const struct bb_node *node;
	struct plan_port ports[PLAN_PORTS_MAX];
	size_t port_count;
	struct msg_address_want *addresses;
	size_t address_count;
	struct msg_route_want *routes;
	size_t route_count;
	struct plan_secy secys[PLAN_SECYS_MAX];
	size_t secy_count;
	struct plan_tunnel *tunnels;
	size_t tunnel_count;
	struct msg_neighbour_want *neighbours; /* of overlays of design ipsec */
	size_t neighbour_count;
};

/* NULL when the node is not in the backbone or needs what this version has not built; `why` then
 * says what, and what would be accepted. The backbone must outlive the plan. */
struct plan *plan_new(const struct backbone *b, const char *node, char *why, size_t size);
void plan_free(struct plan *p);

/*
 * Renumbers: what has a number in *names keeps it, what is new gets one that was nobody's (or, when
 * there is none, that of something that went). *names becomes the plan's own; with an empty one
 * nothing changes.
 */
void plan_number(struct plan *p, struct plan_names *names);

/* What taking `after` in place of `before` does to the overlay of this name, which is in either. */
enum plan_fate plan_fate(const struct plan *before, const struct plan *after, const char *overlay);

/*
 * For plan_new(): the tunnels of an overlay of design ipsec, whose interface tap is, from its member
 * self; sets the interface's MTU and MAC address. 0, or -EINVAL with `why`.
 */
int plan_tunnels_add(struct plan *p, const struct bb_overlay *o, const struct bb_member *self,
		     struct plan_port *tap, char *why, size_t size);
/*
 * Gives a route out of the overlay its next hop, another member, and its source: an overlay that
 * has no address of the route's family has link-local next hops, and this host speaks from a lan
 * port's address.
 */
void plan_tunnel_route(const struct plan *p, const struct bb_member *self,
		       const struct bb_member *next, struct msg_route_want *r);
/*
 * Who a port's frames for that address go to: the address itself where it is on the link, else the
 * gateway. False, and family 0: the port has no gateway of the family.
 */
bool plan_next_hop(const struct bb_port *port, const struct bb_prefix *remote,
		   struct bb_prefix *hop);
/* What forward is told of a tunnel; next_hop: the MAC address of t->next_hop, zero: not known. */
void plan_tunnel_msg(const struct plan_tunnel *t, const uint8_t next_hop[6], struct msg_tunnel *m);

const struct plan_secy *plan_secy(const struct plan *p, uint16_t id);
const struct plan_port *plan_port(const struct plan *p, uint16_t id);
