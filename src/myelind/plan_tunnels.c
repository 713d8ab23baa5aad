/*
 * The tunnels of an overlay of design ipsec: one to each other member, with the outer addresses at
 * both ends, the way to the other one, and the MAC address under which the overlay knows it.
 */
#include "myelind/plan.h"

#include "sa/esp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool covers(const struct bb_prefix *net, const struct bb_prefix *addr)
{
	unsigned bytes = net->len / 8, bits = net->len % 8;

	return net->family == addr->family && memcmp(net->addr, addr->addr, bytes) == 0 &&
	       (!bits || (net->addr[bytes] ^ addr->addr[bytes]) >> (8 - bits) == 0);
}

/* The link-local address that goes with a MAC address (RFC 4291 appendix A). */
static void link_local(uint8_t addr[16], const uint8_t mac[6])
{
	const uint8_t a[16] = {0xfe,       0x80,   0,      0,    0,    0,      0,      0,
			       mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	memcpy(addr, a, sizeof(a));
}

static int refuse(char *why, size_t size, const struct bb_overlay *o, const char *what,
		  const char *name)
{
	snprintf(why, size, "overlay %s: %s %s", o->name, name, what);
	return -EINVAL;
}

bool plan_next_hop(const struct bb_port *port, const struct bb_prefix *remote,
		   struct bb_prefix *hop)
{
	const struct bb_prefix *gateway = backbone_gateway(port, remote->family);

	*hop = *remote;
	for (size_t i = 0; i < port->address_count; i++)
		if (covers(&port->addresses[i], remote))
			return true;
	if (gateway)
		*hop = *gateway;
	else
		hop->family = 0;
	return gateway;
}

static struct plan_tunnel *tunnel_new(struct plan *p)
{
	struct plan_tunnel *v = NULL;

	if (p->tunnel_count < PLAN_TUNNELS_MAX)
		v = reallocarray(p->tunnels, p->tunnel_count + 1, sizeof(*v));
	if (!v)
		return NULL;
	p->tunnels = v;
	v += p->tunnel_count++;
	*v = (struct plan_tunnel){.id = (uint16_t)(PLAN_SECYS_MAX + p->tunnel_count)};
	return v;
}

static uint16_t port_id(const struct plan *p, const struct bb_port *port)
{
	for (size_t i = 0; i < p->port_count; i++)
		if (p->ports[i].port == port)
			return p->ports[i].want.port;
	return 0;
}

static int tunnel_make(struct plan *p, const struct bb_overlay *o, const struct bb_member *self,
		       const struct bb_member *peer, const struct plan_port *tap, char *why,
		       size_t size)
{
	struct bb_ends e;
	enum bb_way way = backbone_way(o, self, peer, &e);
	struct plan_tunnel *t;

	if (way == BB_WAY_NONE || way == BB_WAY_NO_SERVICE)
		return 0;
	if (way != BB_WAY)
		return refuse(why, size, o, "cannot have a tunnel to this node, as `check` says",
			      backbone_member_name(peer));
	t = tunnel_new(p);
	if (!t)
		return refuse(why, size, o, "has more tunnels than this version runs",
			      p->node->name);
	t->wan = port_id(p, e.port);
	t->overlay = tap->want.port;
	t->o = o;
	t->self = self;
	t->peer = peer;
	t->port = e.port;
	t->family = e.family;
	t->local = e.local;
	t->remote = e.remote;
	/* Of a port with a lease the gateway is the lease's. */
	if (e.remote.family && e.local.family && !plan_next_hop(e.port, &e.remote, &t->next_hop))
		return refuse(why, size, o,
			      "is not on this node's link: its port needs `gateway ADDRESS;`",
			      backbone_member_name(peer));
	backbone_mac(peer, t->mac);
	return 0;
}

/* This host's own address for packets of a family: in the overlay, else on a lan port. */
static const uint8_t *own_address(const struct plan *p, const struct bb_member *self,
				  uint8_t family)
{
	if (self->has_address && self->address.family == family)
		return self->address.addr;
	for (size_t i = 0; i < p->node->port_count; i++) {
		const struct bb_port *port = &p->node->ports[i];

		for (size_t k = 0; !port->service && k < port->address_count; k++)
			if (port->addresses[k].family == family)
				return port->addresses[k].addr;
	}
	return NULL;
}

static int neighbour_add(struct plan *p, uint16_t port, uint8_t family, const uint8_t *addr,
			 const uint8_t mac[6])
{
	struct msg_neighbour_want *v =
		reallocarray(p->neighbours, p->neighbour_count + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	p->neighbours = v;
	v += p->neighbour_count++;
	memset(v, 0, sizeof(*v));
	v->port = port;
	v->family = family;
	memcpy(v->addr, addr, sizeof(v->addr));
	memcpy(v->mac, mac, sizeof(v->mac));
	return 0;
}

/* A member's addresses in the overlay lead to its tunnel, or to that of who relays for it. */
static int neighbours_add(struct plan *p, const struct bb_overlay *o, const struct bb_member *self,
			  const struct bb_member *m, uint16_t port)
{
	const struct bb_member *next = backbone_next(o, self, m);
	uint8_t mac[6], addr[16];
	int rc = 0;

	if (!next)
		return 0;
	backbone_mac(next, mac);
	if (next == m) {
		link_local(addr, mac);
		rc = neighbour_add(p, port, 6, addr, mac);
	}
	if (!rc && m->has_address)
		rc = neighbour_add(p, port, m->address.family, m->address.addr, mac);
	return rc;
}

int plan_tunnels_add(struct plan *p, const struct bb_overlay *o, const struct bb_member *self,
		     struct plan_port *tap, char *why, size_t size)
{
	size_t first = p->tunnel_count;
	const uint8_t *own;
	int rc = 0;

	if (!self->has_address && !self->node->id)
		return refuse(why, size, o,
			      "needs an `id`, which makes its address in it, or `member` `address`",
			      p->node->name);
	tap->want.mtu = backbone_overlay_mtu(o);
	backbone_mac(self, tap->want.mac);
	for (size_t i = 0; i < o->member_count && !rc; i++) {
		if (&o->members[i] == self)
			continue;
		rc = tunnel_make(p, o, self, &o->members[i], tap, why, size);
		if (!rc && neighbours_add(p, o, self, &o->members[i], tap->want.port))
			rc = refuse(why, size, o, "cannot be planned: out of memory",
				    p->node->name);
	}
	for (size_t i = first; i < p->tunnel_count; i++) {
		struct plan_tunnel *t = &p->tunnels[i];

		if ((own = own_address(p, self, 4)))
			memcpy(t->inner4, own, sizeof(t->inner4));
		if ((own = own_address(p, self, 6)))
			memcpy(t->inner6, own, sizeof(t->inner6));
	}
	return rc;
}

void plan_tunnel_route(const struct plan *p, const struct bb_member *self,
		       const struct bb_member *next, struct msg_route_want *r)
{
	const uint8_t *own;
	uint8_t mac[6];

	if (next->has_address && next->address.family == r->family) {
		r->via_family = r->family;
		memcpy(r->via, next->address.addr, sizeof(r->via));
	} else {
		backbone_mac(next, mac);
		r->via_family = 6;
		link_local(r->via, mac);
	}
	/* The overlay's own address is the kernel's choice anyway. */
	if (self->has_address && self->address.family == r->family)
		return;
	own = own_address(p, self, r->family);
	if (own)
		memcpy(r->src, own, r->family == 4 ? 4 : 16);
}

void plan_tunnel_msg(const struct plan_tunnel *t, const uint8_t next_hop[6], struct msg_tunnel *m)
{
	static const uint8_t dfs[] = {
		[BB_DF_COPY] = TUNNEL_DF_COPY,
		[BB_DF_SET] = TUNNEL_DF_SET,
		[BB_DF_CLEAR] = TUNNEL_DF_CLEAR,
	};

	*m = (struct msg_tunnel){.tunnel = t->id,
				 .overlay = t->overlay,
				 .wan = t->wan,
				 .mtu = t->port->service->mtu,
				 .dscp = t->o->ipsec.dscp,
				 .df = dfs[t->o->ipsec.df],
				 .hold = true};
	memcpy(m->next_hop, next_hop, sizeof(m->next_hop));
	memcpy(m->peer, t->mac, sizeof(m->peer));
	memcpy(m->inner4, t->inner4, sizeof(m->inner4));
	memcpy(m->inner6, t->inner6, sizeof(m->inner6));
	snprintf(m->name, sizeof(m->name), "%s", backbone_member_name(t->peer));
}
