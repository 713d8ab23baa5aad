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
	/* An address of its own on the wan side needs its neighbours' in clear. */
	if (port->service && (port->address_count || port->dhcp))
		pp->want.allow |= MSG_ALLOW_ARP_ND;
	if (port->service && port->dhcp) {
		pp->want.dhcp = true;
		pp->want.allow |= MSG_ALLOW_DHCP;
	}
	for (size_t i = 0; i < port->address_count && !rc; i++)
		rc = address_add(w, pp->want.port, &port->addresses[i],
				 port->service && port->has_gateway);
	if (!rc && port->service && port->has_gateway)
		rc = gateway_add(w, pp->want.port, &port->gateway);
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

/* Numbers for `count` names, into to[]: before's where it has them, else free ones; before becomes
 * the table of the new ones. There are no more names than room. */
static void numbers_give(char before[][PLAN_NAME_MAX], size_t room, char names[][PLAN_NAME_MAX],
			 size_t count, uint16_t *to)
{
	char after[PLAN_TUNNELS_MAX][PLAN_NAME_MAX] = {};

	memset(to, 0, count * sizeof(*to));
	for (size_t i = 0; i < count; i++)
		for (size_t n = 0; n < room && !to[i]; n++)
			if (strcmp(before[n], names[i]) == 0 && !after[n][0]) {
				memcpy(after[n], names[i], PLAN_NAME_MAX);
				to[i] = (uint16_t)(n + 1);
			}
	for (int reuse = 0; reuse < 2; reuse++)
		for (size_t i = 0; i < count; i++)
			for (size_t n = 0; n < room && !to[i]; n++)
				if (!after[n][0] && (reuse || !before[n][0])) {
					memcpy(after[n], names[i], PLAN_NAME_MAX);
					to[i] = (uint16_t)(n + 1);
				}
	memcpy(before, after, room * PLAN_NAME_MAX);
}

void plan_number(struct plan *p, struct plan_names *names)
{
	char of[PLAN_TUNNELS_MAX][PLAN_NAME_MAX] = {};
	uint16_t ports[PLAN_PORTS_MAX], secys[PLAN_SECYS_MAX], tunnels[PLAN_TUNNELS_MAX];

	for (size_t i = 0; i < p->port_count; i++) {
		const struct plan_port *pp = &p->ports[i];

		snprintf(of[i], PLAN_NAME_MAX, "%s %s", pp->port ? "port" : "overlay",
			 pp->port ? pp->port->name : pp->overlay->name);
	}
	numbers_give(names->ports, PLAN_PORTS_MAX, of, p->port_count, ports);
	memset(of, 0, sizeof(of));
	for (size_t i = 0; i < p->secy_count; i++)
		snprintf(of[i], PLAN_NAME_MAX, "%s", p->secys[i].o->name);
	numbers_give(names->secys, PLAN_SECYS_MAX, of, p->secy_count, secys);
	memset(of, 0, sizeof(of));
	for (size_t i = 0; i < p->tunnel_count; i++)
		snprintf(of[i], PLAN_NAME_MAX, "%s %s", p->tunnels[i].o->name,
			 backbone_member_name(p->tunnels[i].peer));
	numbers_give(names->tunnels, PLAN_TUNNELS_MAX, of, p->tunnel_count, tunnels);
	/* plan_new() has numbered in order, so a number is an index. */
	for (size_t i = 0; i < p->port_count; i++) {
		struct msg_port_want *w = &p->ports[i].want;

		w->port = ports[i];
		w->over = w->over ? ports[w->over - 1] : 0;
	}
	for (size_t i = 0; i < p->address_count; i++)
		p->addresses[i].port = ports[p->addresses[i].port - 1];
	for (size_t i = 0; i < p->route_count; i++)
		p->routes[i].port = ports[p->routes[i].port - 1];
	for (size_t i = 0; i < p->neighbour_count; i++)
		p->neighbours[i].port = ports[p->neighbours[i].port - 1];
	for (size_t i = 0; i < p->secy_count; i++) {
		struct plan_secy *s = &p->secys[i];

		s->id = secys[i];
		s->wan = ports[s->wan - 1];
		s->overlay = ports[s->overlay - 1];
	}
	for (size_t i = 0; i < p->tunnel_count; i++) {
		struct plan_tunnel *t = &p->tunnels[i];

		t->id = (uint16_t)(PLAN_SECYS_MAX + tunnels[i]);
		t->wan = ports[t->wan - 1];
		t->overlay = ports[t->overlay - 1];
	}
}

static const struct plan_secy *secy_named(const struct plan *p, const char *overlay)
{
	for (size_t i = 0; i < p->secy_count; i++)
		if (strcmp(p->secys[i].o->name, overlay) == 0)
			return &p->secys[i];
	return NULL;
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool want_same(const struct plan *pa, const struct plan_port *a, const struct plan *pb,
		      const struct plan_port *b)
{
	struct msg_port_want x = a->want, y = b->want;
	const struct plan_port *ox = plan_port(pa, x.over), *oy = plan_port(pb, y.over);

	return strcmp(x.ifname, y.ifname) == 0 && x.kind == y.kind && x.vlan == y.vlan &&
	       x.outer_type == y.outer_type && x.outer_vlan == y.outer_vlan && x.mtu == y.mtu &&
	       x.eapol_type == y.eapol_type && x.allow == y.allow && x.others == y.others &&
	       x.l2cp_peers == y.l2cp_peers && x.dhcp == y.dhcp &&
	       msg_rules_same(&x.rules, &y.rules) &&
	       memcmp(x.eapol_dst, y.eapol_dst, sizeof(x.eapol_dst)) == 0 && !ox == !oy &&
	       (!ox || text_same(ox->want.ifname, oy->want.ifname));
}

static bool keying_same(const struct plan_secy *a, const struct plan_secy *b)
{
	const struct bb_overlay *x = a->o, *y = b->o;

	if (a->self->port->port_id != b->self->port->port_id || x->keying != y->keying ||
	    !text_same(x->psk, y->psk) || x->macsec.suite != y->macsec.suite ||
	    x->macsec.conf != y->macsec.conf || x->macsec.window != y->macsec.window ||
	    x->macsec.replay_protect != y->macsec.replay_protect ||
	    x->macsec.validate != y->macsec.validate ||
	    x->macsec.should_secure != y->macsec.should_secure ||
	    x->macsec.send_sci != y->macsec.send_sci || a->self->priority != b->self->priority)
		return false;
	return x->keying != BB_MKA ||
	       (text_same(x->mka.key_chain, y->mka.key_chain) &&
		text_same(x->mka.fallback, y->mka.fallback) && x->mka.hello_ns == y->mka.hello_ns &&
		x->mka.life_ns == y->mka.life_ns && x->mka.rekey_ns == y->mka.rekey_ns &&
		x->mka.delay_protect == y->mka.delay_protect &&
		x->mka.ssci_order == y->mka.ssci_order && x->mka.keep_sak_ns == y->mka.keep_sak_ns);
}

/* Addresses and routes out of the overlay, in their order. */
static bool reach_same(const struct plan *pa, uint16_t a, const struct plan *pb, uint16_t b)
{
	size_t i = 0, k = 0;

	for (;; i++, k++) {
		while (i < pa->address_count && pa->addresses[i].port != a)
			i++;
		while (k < pb->address_count && pb->addresses[k].port != b)
			k++;
		if (i == pa->address_count || k == pb->address_count)
			break;
		if (pa->addresses[i].prefix != pb->addresses[k].prefix ||
		    memcmp(pa->addresses[i].addr, pb->addresses[k].addr, 16) != 0)
			return false;
	}
	if (i != pa->address_count || k != pb->address_count)
		return false;
	for (i = k = 0;; i++, k++) {
		while (i < pa->route_count && pa->routes[i].port != a)
			i++;
		while (k < pb->route_count && pb->routes[k].port != b)
			k++;
		if (i == pa->route_count || k == pb->route_count)
			return i == pa->route_count && k == pb->route_count;
		if (pa->routes[i].prefix != pb->routes[k].prefix ||
		    pa->routes[i].metric != pb->routes[k].metric ||
		    pa->routes[i].via_family != pb->routes[k].via_family ||
		    memcmp(pa->routes[i].src, pb->routes[k].src, 16) != 0 ||
		    memcmp(pa->routes[i].dst, pb->routes[k].dst, 16) != 0 ||
		    memcmp(pa->routes[i].via, pb->routes[k].via, 16) != 0)
			return false;
	}
}

/* The same lan ports are bridged to it, in the same way. */
static bool bridge_same(const struct plan *pa, const struct plan_secy *a, const struct plan *pb,
			const struct plan_secy *b)
{
	size_t i = 0, k = 0;

	if (a->bridged != b->bridged)
		return false;
	if (!a->bridged)
		return true;
	if (memcmp(&a->o->bridge, &b->o->bridge, sizeof(a->o->bridge)) != 0)
		return false;
	for (;; i++, k++) {
		while (i < pa->port_count && (!pa->ports[i].port || pa->ports[i].overlay != a->o ||
					      pa->ports[i].want.kind != MSG_PORT_LAN))
			i++;
		while (k < pb->port_count && (!pb->ports[k].port || pb->ports[k].overlay != b->o ||
					      pb->ports[k].want.kind != MSG_PORT_LAN))
			k++;
		if (i == pa->port_count || k == pb->port_count)
			return i == pa->port_count && k == pb->port_count;
		if (!want_same(pa, &pa->ports[i], pb, &pb->ports[k]))
			return false;
	}
}

/* The n-th tunnel of that overlay, or NULL. */
static const struct plan_tunnel *tunnel_nth(const struct plan *p, const char *overlay, size_t n)
{
	for (size_t i = 0; i < p->tunnel_count; i++)
		if (strcmp(p->tunnels[i].o->name, overlay) == 0 && n-- == 0)
			return &p->tunnels[i];
	return NULL;
}

/* How a tunnel is keyed and framed. */
static bool ipsec_same(const struct plan_tunnel *a, const struct plan_tunnel *b)
{
	const struct bb_ipsec *x = &a->o->ipsec, *y = &b->o->ipsec;
	static const struct bb_identity none;
	const struct bb_identity *i = a->peer->peer ? &a->peer->peer->identity : &none,
				 *k = b->peer->peer ? &b->peer->peer->identity : &none;

	return a->o->keying == b->o->keying && a->o->auth == b->o->auth &&
	       text_same(a->o->psk, b->o->psk) && text_same(a->o->ca, b->o->ca) &&
	       i->type == k->type && i->len == k->len && memcmp(i->b, k->b, i->len) == 0 &&
	       x->compatible == y->compatible && x->on_demand == y->on_demand &&
	       x->encap == y->encap && x->pfs == y->pfs && x->key_log == y->key_log &&
	       text_same(x->ppk, y->ppk) && x->ppk_required == y->ppk_required &&
	       x->dscp == y->dscp && x->df == y->df && x->window == y->window &&
	       x->ike_rekey_ns == y->ike_rekey_ns && x->ike_reauth_ns == y->ike_reauth_ns &&
	       x->child_rekey_ns == y->child_rekey_ns && x->dpd_ns == y->dpd_ns;
}

static bool tunnel_same(const struct plan_tunnel *a, const struct plan_tunnel *b)
{
	return text_same(backbone_member_name(a->peer), backbone_member_name(b->peer)) &&
	       prefix_same(&a->local, &b->local) && prefix_same(&a->remote, &b->remote) &&
	       prefix_same(&a->next_hop, &b->next_hop) &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       memcmp(a->inner4, b->inner4, sizeof(a->inner4)) == 0 &&
	       memcmp(a->inner6, b->inner6, sizeof(a->inner6)) == 0 && ipsec_same(a, b);
}

static enum plan_fate tunnels_fate(const struct plan *before, const struct plan *after,
				   const char *overlay)
{
	const struct plan_tunnel *a = tunnel_nth(before, overlay, 0),
				 *b = tunnel_nth(after, overlay, 0);

	if (!a || !b)
		return a ? PLAN_REMOVED : PLAN_ADDED;
	if (!reach_same(before, a->overlay, after, b->overlay) ||
	    !want_same(before, plan_port(before, a->overlay), after,
		       plan_port(after, b->overlay)) ||
	    !want_same(before, plan_port(before, a->wan), after, plan_port(after, b->wan)))
		return PLAN_CHANGED;
	for (size_t i = 0; a || b; i++) {
		a = tunnel_nth(before, overlay, i);
		b = tunnel_nth(after, overlay, i);
		if (!a != !b || (a && !tunnel_same(a, b)))
			return PLAN_CHANGED;
	}
	return PLAN_KEPT;
}

enum plan_fate plan_fate(const struct plan *before, const struct plan *after, const char *overlay)
{
	const struct plan_secy *a = secy_named(before, overlay), *b = secy_named(after, overlay);

	if (!a && !b)
		return tunnels_fate(before, after, overlay);
	if (!a)
		return PLAN_ADDED;
	if (!b)
		return PLAN_REMOVED;
	return keying_same(a, b) && bridge_same(before, a, after, b) &&
			       reach_same(before, a->overlay, after, b->overlay) &&
			       want_same(before, plan_port(before, a->overlay), after,
					 plan_port(after, b->overlay)) &&
			       want_same(before, plan_port(before, a->wan), after,
					 plan_port(after, b->wan))
		       ? PLAN_KEPT
		       : PLAN_CHANGED;
}
