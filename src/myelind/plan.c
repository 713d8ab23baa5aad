/* One pass over the node's ports, one over the overlays, one over the routes. */
#include "myelind/plan.h"

#include "myelind/registry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planner {
	struct plan *p;
	char *why;
	size_t why_size;
	size_t address_room, route_room;
};

static int refuse(struct planner *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct planner *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, w->why_size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Room for one more of size bytes behind *v, growing by doubling. NULL with errno. */
static void *grow(void **v, size_t *count, size_t *room, size_t size)
{
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 16;
		void *p = reallocarray(*v, more, size);

		if (!p)
			return NULL;
		*v = p;
		*room = more;
	}
	return memset((char *)*v + (*count)++ * size, 0, size);
}

/* own_table: see struct msg_address_want. */
static int address_add(struct planner *w, uint16_t port, const struct bb_prefix *a, bool own_table)
{
	struct msg_address_want *m =
		grow((void **)&w->p->addresses, &w->p->address_count, &w->address_room, sizeof(*m));

	if (!m)
		return refuse(w, "out of memory");
	m->port = port;
	m->family = a->family;
	m->prefix = a->len;
	m->own_table = own_table;
	memcpy(m->addr, a->addr, sizeof(m->addr));
	return 0;
}

/*
 * The way to the carrier's gateway, for this host's own packets from the port's addresses alone: a
 * node with several carriers answers by the one it was asked over, and nothing that the kernel
 * routes for others falls back to a wan port.
 */
static int gateway_add(struct planner *w, uint16_t port, const struct bb_prefix *gateway)
{
	struct msg_route_want *r =
		grow((void **)&w->p->routes, &w->p->route_count, &w->route_room, sizeof(*r));

	if (!r)
		return refuse(w, "out of memory");
	r->port = port;
	r->family = gateway->family;
	r->own_table = true;
	r->via_family = gateway->family;
	memcpy(r->via, gateway->addr, sizeof(r->via));
	return 0;
}

static struct plan_port *port_new(struct planner *w, const char *ifname)
{
	struct plan *p = w->p;
	struct plan_port *pp;

	if (p->port_count == PLAN_PORTS_MAX) {
		refuse(w, "node %s has more than %d ports and overlays", p->node->name,
		       PLAN_PORTS_MAX);
		return NULL;
	}
	pp = &p->ports[p->port_count++];
	pp->want.port = (uint16_t)p->port_count;
	snprintf(pp->want.ifname, sizeof(pp->want.ifname), "%s", ifname);
	return pp;
}

static int port_add(struct planner *w, const struct bb_port *port)
{
	struct plan_port *pp = port_new(w, port->interface);
	int rc = 0;

	if (!pp)
		return -EINVAL;
	if (port->unsupported)
		return refuse(w, "port %s: %s", port->name, port->unsupported);
	for (size_t i = 0; i + 1 < w->p->port_count; i++) {
		const struct msg_port_want *o = &w->p->ports[i].want;

		if (strcmp(o->ifname, port->interface) == 0 &&
		    (o->kind == MSG_PORT_LAN || !port->service))
			return refuse(w, "interface %s is of a lan port and of another port",
				      port->interface);
	}
	pp->port = port;
	pp->want.kind = port->service ? MSG_PORT_WAN : MSG_PORT_LAN;
	pp->want.vlan = port->vlan;
	pp->want.outer_type = port->outer_type;
	pp->want.outer_vlan = port->outer_vlan;
	pp->want.allow = port->allow;
	pp->want.mtu = port->service ? port->service->mtu : 0;
	pp->want.xdp = port->xdp;
	/* An address of its own on the wan side needs its neighbours' in clear. */
	if (port->service && (port->address_count || port->dhcp))
		pp->want.allow |= MSG_ALLOW_ARP_ND;
	if (port->service && port->dhcp) {
		pp->want.dhcp = true;
		pp->want.allow |= MSG_ALLOW_DHCP;
	}
	for (size_t i = 0; i < port->address_count && !rc; i++)
		rc = address_add(w, pp->want.port, &port->addresses[i],
				 port->service &&
					 backbone_gateway(port, port->addresses[i].family));
	for (unsigned i = 0; i < 2 && !rc; i++)
		if (port->service && port->gateway[i].family)
			rc = gateway_add(w, pp->want.port, &port->gateway[i]);
	return rc;
}

/* An interface that carries several services is as large as the largest of them. */
static void mtus_join(struct plan *p)
{
	for (size_t i = 0; i < p->port_count; i++)
		for (size_t k = 0; k < p->port_count; k++) {
			struct msg_port_want *a = &p->ports[i].want, *b = &p->ports[k].want;

			if (strcmp(a->ifname, b->ifname) == 0 && a->mtu < b->mtu)
				a->mtu = b->mtu;
		}
}

static struct plan_port *port_of(struct plan *p, const struct bb_port *port)
{
	for (size_t i = 0; i < p->port_count; i++)
		if (p->ports[i].port == port)
			return &p->ports[i];
	return NULL;
}

static bool prefix_covers(const struct bb_prefix *a, const uint8_t *addr)
{
	unsigned bytes = a->len / 8, bits = a->len % 8;

	if (memcmp(a->addr, addr, bytes) != 0)
		return false;
	return !bits || ((a->addr[bytes] ^ addr[bytes]) >> (8 - bits)) == 0;
}

static bool prefix_same(const struct bb_prefix *a, const struct bb_prefix *b)
{
	return a->family == b->family && a->len == b->len && prefix_covers(a, b->addr);
}

static const struct bb_site *member_site(const struct bb_member *m)
{
	return m->node ? m->node->site : m->peer->site;
}

/* A network of our own site, or one that an earlier member of this overlay already leads to. */
static bool route_needless(const struct plan *p, const struct msg_route_want *r,
			   const struct bb_prefix *net)
{
	const struct bb_site *own = p->node->site;

	for (size_t i = 0; i < own->network_count; i++)
		if (prefix_same(&own->networks[i], net))
			return true;
	for (size_t i = 0; i + 1 < p->route_count; i++) {
		const struct msg_route_want *o = &p->routes[i];

		if (o->port == r->port && o->family == r->family && o->prefix == r->prefix &&
		    memcmp(o->dst, r->dst, sizeof(r->dst)) == 0)
			return true;
	}
	return false;
}

static void prefix_mask(uint8_t dst[16], const struct bb_prefix *net)
{
	memset(dst, 0, 16);
	memcpy(dst, net->addr, (net->len + 7u) / 8);
	if (net->len % 8)
		dst[net->len / 8] &= (uint8_t)(0xff << (8 - net->len % 8));
}

/* A route to the network by the member; of none when it is needless. */
static int route_add(struct planner *w, const struct bb_overlay *o, uint16_t port,
		     const struct bb_member *self, const struct bb_member *next,
		     const struct bb_prefix *net)
{
	struct plan *p = w->p;
	struct msg_route_want *r =
		grow((void **)&p->routes, &p->route_count, &w->route_room, sizeof(*r));

	if (!r)
		return refuse(w, "out of memory");
	r->port = port;
	r->family = net->family;
	r->prefix = net->len;
	prefix_mask(r->dst, net);
	r->metric = o->preference;
	if (o->design == BB_IPSEC) {
		plan_tunnel_route(p, self, next, r);
	} else {
		r->via_family = net->family;
		memcpy(r->via, next->address.addr, sizeof(r->via));
	}
	if (route_needless(p, r, net))
		p->route_count--;
	return 0;
}

/* Managed routing: the networks of the other members' sites, by their overlay addresses. */
static int routes_add(struct planner *w, const struct bb_overlay *o, const struct bb_member *self,
		      uint16_t port)
{
	int rc = 0;

	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i], *next = m;
		const struct bb_site *site = member_site(m);

		if (!site || site == w->p->node->site)
			continue;
		if (o->design == BB_IPSEC)
			next = backbone_next(o, self, m);
		else if (!m->has_address)
			continue;
		for (size_t k = 0; next && k < site->network_count && !rc; k++) {
			/* MACsec has no next hop of another family in the overlay. */
			if (o->design == BB_IPSEC || site->networks[k].family == m->address.family)
				rc = route_add(w, o, port, self, next, &site->networks[k]);
		}
	}
	return rc;
}

static const struct bb_member *self_of(const struct bb_overlay *o, const struct bb_node *node)
{
	for (size_t i = 0; i < o->member_count; i++)
		if (o->members[i].node == node)
			return &o->members[i];
	return NULL;
}

static int overlay_check(struct planner *w, const struct bb_overlay *o)
{
	if (!registry_has(o->design, o->keying))
		return refuse(
			w,
			"overlay %s: `design %s` with `keying %s` is not built in this version; "
			"accepted: %s",
			o->name, registry_design_name(o->design), registry_keying_name(o->keying),
			registry_accepted());
	if (o->unsupported)
		return refuse(w, "overlay %s: %s", o->name, o->unsupported);
	if (o->keying == BB_MKA && !o->mka.key_chain)
		return refuse(w, "overlay %s: keying mka needs `mka { key-chain NAME; }`", o->name);
	if (o->keying == BB_PSK && !o->psk)
		return refuse(w, "overlay %s: keying psk needs `auth psk NAME;`", o->name);
	/* The same static key under two packet-number counters would repeat a nonce. */
	for (size_t i = 0; i < w->p->secy_count; i++) {
		const struct bb_overlay *other = w->p->secys[i].o;

		if (o->keying == BB_PSK && other->keying == BB_PSK &&
		    strcmp(o->psk, other->psk) == 0)
			return refuse(
				w,
				"overlays %s and %s both use `auth psk %s`: static keys serve "
				"one overlay only",
				other->name, o->name, o->psk);
	}
	return 0;
}

/*
 * The node's lan ports that are bridged into the overlay get its number. They are at least as large
 * as it carries.
 */
static bool lans_join(struct plan *p, const struct bb_overlay *o, uint16_t overlay)
{
	bool any = false;

	for (size_t i = 0; i < p->port_count; i++) {
		struct plan_port *pp = &p->ports[i];

		if (!pp->port || pp->port->bridge != o)
			continue;
		pp->overlay = o;
		pp->want.over = overlay;
		pp->want.mtu = backbone_overlay_mtu(o);
		for (unsigned k = L2CP_NONE + 1; k < L2CP_COUNT; k++)
			if (o->bridge.l2cp[k] == L2CP_PEER)
				pp->want.l2cp_peers |= 1u << k;
		any = true;
	}
	return any;
}

/* An overlay of design ipsec: its interface, and tunnels instead of a SecY. */
static int tunnels_overlay_add(struct planner *w, const struct bb_overlay *o,
			       const struct bb_member *self, struct plan_port *wan)
{
	struct plan_port *tap = port_new(w, o->name);
	int rc = 0;

	if (!tap)
		return -EINVAL;
	tap->overlay = o;
	for (size_t i = 0; i < o->over_count; i++)
		for (size_t k = 0; k < w->p->port_count; k++) {
			struct plan_port *pp = &w->p->ports[k];

			if (!pp->port || pp->port->service != o->over[i])
				continue;
			pp->overlay = o;
			pp->want.allow |= MSG_ALLOW_ESP | MSG_ALLOW_ARP_ND;
		}
	tap->want.kind = MSG_PORT_OVERLAY;
	tap->want.over = wan->want.port;
	if (self->has_address)
		rc = address_add(w, tap->want.port, &self->address, false);
	if (!rc && o->managed)
		rc = routes_add(w, o, self, tap->want.port);
	return rc ? rc : plan_tunnels_add(w->p, o, self, tap, w->why, w->why_size);
}

static int overlay_add(struct planner *w, const struct bb_overlay *o, const struct bb_member *self)
{
	struct plan *p = w->p;
	struct plan_port *wan = self->port ? port_of(p, self->port) : NULL, *tap;
	struct plan_secy *s;
	int rc = overlay_check(w, o);

	if (rc < 0)
		return rc;
	if (!wan)
		return refuse(w, "overlay %s: node %s has no port to any service in its `over`",
			      o->name, p->node->name);
	if (o->design == BB_IPSEC)
		return tunnels_overlay_add(w, o, self, wan);
	if (p->secy_count == PLAN_SECYS_MAX)
		return refuse(w, "node %s is in more than %d overlays", p->node->name,
			      PLAN_SECYS_MAX);
	wan->overlay = o;
	if (o->keying == BB_MKA) {
		wan->want.eapol_type = o->mka.ethertype;
		memcpy(wan->want.eapol_dst, o->mka.destination, sizeof(wan->want.eapol_dst));
		wan->want.allow |= MSG_ALLOW_EAPOL;
	}
	if (o->macsec.conf == MACSEC_CONF_NONE)
		wan->want.allow |= MSG_ALLOW_INTEGRITY;
	for (size_t i = 0; i < o->rule_count && i < RULES_MAX; i++)
		wan->want.rules.v[wan->want.rules.count++] = o->rules[i].rule;
	if (o->macsec.should_secure)
		wan->want.allow |= MSG_ALLOW_CLEAR;
	tap = port_new(w, o->name);
	if (!tap)
		return -EINVAL;
	tap->overlay = o;
	tap->want.kind = MSG_PORT_OVERLAY;
	tap->want.mtu = backbone_overlay_mtu(o);
	tap->want.over = wan->want.port;
	tap->bridged = wan->want.others = lans_join(p, o, tap->want.port);
	s = &p->secys[p->secy_count++];
	*s = (struct plan_secy){.id = (uint16_t)p->secy_count,
				.wan = wan->want.port,
				.overlay = tap->want.port,
				.bridged = tap->bridged,
				.o = o,
				.self = self};
	if (tap->bridged)
		return 0;
	if (self->has_address)
		rc = address_add(w, tap->want.port, &self->address, false);
	if (!rc && o->managed)
		rc = routes_add(w, o, self, tap->want.port);
	return rc;
}

struct plan *plan_new(const struct backbone *b, const char *node, char *why, size_t size)
{
	struct planner w = {.why = why, .why_size = size};
	int rc = 0;

	w.p = calloc(1, sizeof(*w.p));
	if (!w.p) {
		refuse(&w, "out of memory");
		return NULL;
	}
	w.p->backbone = b;
	w.p->node = backbone_node(b, node);
	if (!w.p->node)
		rc = refuse(&w, "the file has no node %s", node);
	for (size_t i = 0; !rc && i < w.p->node->port_count; i++)
		rc = port_add(&w, &w.p->node->ports[i]);
	mtus_join(w.p);
	for (size_t i = 0; !rc && i < b->overlay_count; i++) {
		const struct bb_member *self = self_of(&b->overlays[i], w.p->node);

		if (self)
			rc = overlay_add(&w, &b->overlays[i], self);
	}
	if (rc < 0) {
		plan_free(w.p);
		return NULL;
	}
	return w.p;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	free(p->addresses);
	free(p->routes);
	free(p->tunnels);
	free(p->neighbours);
	free(p);
}

const struct plan_port *plan_port(const struct plan *p, uint16_t id)
{
	for (size_t i = 0; i < p->port_count; i++)
		if (p->ports[i].want.port == id)
			return &p->ports[i];
	return NULL;
}

const struct plan_secy *plan_secy(const struct plan *p, uint16_t id)
{
	for (size_t i = 0; i < p->secy_count; i++)
		if (p->secys[i].id == id)
			return &p->secys[i];
	return NULL;
}
