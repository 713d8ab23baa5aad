/*
 * The tunnels of an overlay of design ipsec: one to each other member, with the outer addresses at
 * both ends, the way to the other one, and the MAC address under which the overlay knows it.
 */
#include "myelind/plan.h"

#include "wire/esp.h"
#include "wire/ip.h"

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

static struct bb_prefix host(const struct bb_prefix *a)
{
	struct bb_prefix h = *a;

	h.len = a->family == 4 ? 32 : 128;
	return h;
}

/* Made of the address in the overlay, so that every node makes the same of it and neighbour
 * discovery, where it runs, agrees. */
static void mac_make(uint8_t mac[6], const struct bb_prefix *address)
{
	mac[0] = 0x02; /* locally administered */
	mac[1] = address->family;
	memcpy(mac + 2, address->addr + (address->family == 4 ? 0 : 12), 4);
}

static const char *member_name(const struct bb_member *m)
{
	return m->node ? m->node->name : m->peer->name;
}

/* Outer addresses of one family, and which way the other one is: the port's own routing table sends
 * what is for others to the gateway. False: both have addresses, and of no common family. */
static bool ends_choose(struct plan_tunnel *t, const struct bb_port *own, const struct bb_port *far)
{
	t->local = host(&own->addresses[0]);
	if (!far || !far->address_count)
		return true; /* unknown here: it has to come to us */
	for (size_t i = 0; i < own->address_count; i++)
		for (size_t k = 0; k < far->address_count; k++) {
			if (own->addresses[i].family != far->addresses[k].family)
				continue;
			t->local = host(&own->addresses[i]);
			t->remote = t->next_hop = host(&far->addresses[k]);
			for (size_t n = 0; n < own->address_count; n++)
				if (covers(&own->addresses[n], &t->remote))
					return true;
			if (own->has_gateway && own->gateway.family == t->remote.family)
				t->next_hop = host(&own->gateway);
			else
				t->next_hop.family = 0;
			return true;
		}
	return false;
}

static int refuse(char *why, size_t size, const struct bb_overlay *o, const char *what,
		  const char *name)
{
	snprintf(why, size, "overlay %s: %s %s", o->name, name, what);
	return -EINVAL;
}

static int tunnel_add(struct plan *p, const struct bb_overlay *o, const struct bb_member *self,
		      const struct bb_member *peer, const struct plan_port *tap, char *why,
		      size_t size)
{
	struct plan_tunnel *t;

	if (p->tunnel_count == PLAN_TUNNELS_MAX)
		return refuse(why, size, o, "has more tunnels than this version runs",
			      p->node->name);
	t = reallocarray(p->tunnels, p->tunnel_count + 1, sizeof(*t));
	if (!t)
		return refuse(why, size, o, "cannot be planned: out of memory", p->node->name);
	p->tunnels = t;
	t += p->tunnel_count;
	*t = (struct plan_tunnel){.id = (uint16_t)(PLAN_SECYS_MAX + p->tunnel_count + 1),
				  .wan = tap->want.over,
				  .overlay = tap->want.port,
				  .o = o,
				  .self = self,
				  .peer = peer};
	if (!ends_choose(t, self->port, peer->port))
		return refuse(why, size, o,
			      "has no address of a family that this node's port has too",
			      member_name(peer));
	if (t->remote.family && !t->next_hop.family)
		return refuse(why, size, o,
			      "is not on this node's link: its port needs `gateway ADDRESS;`",
			      member_name(peer));
	if (peer->has_address)
		mac_make(t->mac, &peer->address);
	p->tunnel_count++;
	return 0;
}

/* The largest inner packet with the heaviest of the usual framings: AES-GCM, in UDP. */
static uint16_t overlay_mtu(const struct bb_port *port)
{
	size_t head = IP4_HEAD_LEN + UDP_HEAD_LEN;

	for (size_t i = 0; i < port->address_count; i++)
		if (port->addresses[i].family == 6)
			head = IP6_HEAD_LEN + UDP_HEAD_LEN;
	return (uint16_t)esp_payload_max(&esp_suites[ESP_AES_GCM_16_256],
					 port->service->mtu - head);
}

int plan_tunnels_add(struct plan *p, const struct bb_overlay *o, const struct bb_member *self,
		     struct plan_port *tap, char *why, size_t size)
{
	int rc = 0;

	if (!self->port->address_count)
		return refuse(why, size, o,
			      "needs an `address` of its own on its port: tunnels start from it",
			      p->node->name);
	if (!self->has_address)
		return refuse(why, size, o, "needs an address in it: `subnet PREFIX;`",
			      p->node->name);
	tap->want.mtu = overlay_mtu(self->port);
	mac_make(tap->want.mac, &self->address);
	for (size_t i = 0; i < o->member_count && !rc; i++)
		if (&o->members[i] != self)
			rc = tunnel_add(p, o, self, &o->members[i], tap, why, size);
	return rc;
}

bool plan_tunnel_neighbour(const struct plan_tunnel *t, struct msg_neighbour_want *n)
{
	if (!t->peer->has_address)
		return false;
	*n = (struct msg_neighbour_want){.port = t->overlay, .family = t->peer->address.family};
	memcpy(n->addr, t->peer->address.addr, sizeof(n->addr));
	memcpy(n->mac, t->mac, sizeof(n->mac));
	return true;
}

void plan_tunnel_msg(const struct plan_tunnel *t, const uint8_t next_hop[6], struct msg_tunnel *m)
{
	const struct bb_prefix *own = &t->self->address;

	*m = (struct msg_tunnel){.tunnel = t->id,
				 .overlay = t->overlay,
				 .wan = t->wan,
				 .mtu = t->self->port->service->mtu,
				 .dscp = UINT8_MAX,
				 .hold = true};
	memcpy(m->next_hop, next_hop, sizeof(m->next_hop));
	memcpy(m->peer, t->mac, sizeof(m->peer));
	if (own->family == 4)
		memcpy(m->inner4, own->addr, sizeof(m->inner4));
	else
		memcpy(m->inner6, own->addr, sizeof(m->inner6));
	snprintf(m->name, sizeof(m->name), "%s", member_name(t->peer));
}
