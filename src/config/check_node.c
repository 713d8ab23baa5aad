/* check_node: nodes and their ports. */
#include "config/check.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_PORTS_MAX 64 /* of one interface: as many as its guards have rules for */

static void check_ids(const struct check *c)
{
	const struct conf_node **owner = calloc(65536, sizeof(*owner));

	for (struct conf_node *n = tree_child(c->t, NULL, "node"); owner && n; n = tree_same(n)) {
		uint16_t id = c->b->nodes[n->index].id;

		if (!id)
			continue;
		if (owner[id])
			errlist_add(c->errs, check_at(c, n, "id"), "`id` %u is already node `%s`'s",
				    id, owner[id]->value);
		else
			owner[id] = n;
	}
	free(owner);
}

/* An address on a port: has a host part that is neither all zeros nor all ones. */
static void check_address(const struct check *c, const struct conf_node *a)
{
	struct bb_prefix p, net;
	char buf[64];

	if (strcmp(a->value, "dhcp") == 0 || strcmp(a->value, "slaac") == 0)
		return;
	if (!value_prefix(a->value, &p)) {
		errlist_add(c->errs, a->where, "`%s` is no address with its prefix length",
			    a->value);
		return;
	}
	net = value_network(p);
	if (p.len < (p.family == 6 ? 127 : 31) && memcmp(net.addr, p.addr, sizeof(p.addr)) == 0)
		errlist_add(c->errs, a->where,
			    "`%s` is the network, not an address in it such as %s", a->value,
			    value_nth(&net, 1, &p) ? value_show(&p, true, buf) : "another");
}

static void check_gateway(const struct check *c, const struct conf_node *n, const struct bb_port *p)
{
	bool near = p->dhcp || p->slaac || !p->address_count;
	struct bb_prefix gw;

	if (!value_prefix(n->value, &gw))
		return;
	for (size_t i = 0; i < p->address_count; i++) {
		near |= value_within(&p->addresses[i], &gw);
		if (p->addresses[i].family == gw.family &&
		    memcmp(gw.addr, p->addresses[i].addr, 16) == 0)
			errlist_add(c->errs, n->where, "`gateway` is the port's own address");
	}
	/* IPv6 gateways may be link-local. */
	near |= gw.family == 6 && gw.addr[0] == 0xfe && gw.addr[1] == 0x80;
	if (!near)
		errlist_add(c->errs, n->where, "`gateway` is in none of the port's networks");
	for (const struct conf_node *o = tree_child(c->t, n->parent, "gateway"); o != n;
	     o = tree_same(o)) {
		struct bb_prefix other;

		if (value_prefix(o->value, &other) && other.family == gw.family)
			errlist_add(
				c->errs, n->where,
				"`%s` is the port's gateway of IPv%u; there is one of each family",
				o->value, gw.family);
	}
}

static void check_gateways(const struct check *c, const struct conf_node *n,
			   const struct bb_port *p)
{
	const struct conf_node *first = tree_child(c->t, n, "gateway");

	if (first && !p->service)
		errlist_add(
			c->warns, first->where,
			"`gateway` is of wan ports; the kernel's routes lead out of a lan port");
	for (const struct conf_node *g = first; g; g = tree_same(g))
		check_gateway(c, g, p);
}

static void check_lan(const struct check *c, const struct conf_node *n, const struct bb_node *node,
		      const struct bb_port *p)
{
	if (tree_child(c->t, n, "allow"))
		errlist_add(c->errs, check_at(c, n, "allow"),
			    "`allow` opens a wan port; port `%s` is lan", p->name);
	if (tree_child(c->t, n, "io"))
		errlist_add(c->errs, check_at(c, n, "io"), "`io` is of wan ports; port `%s` is lan",
			    p->name);
	for (size_t i = 0; node->site && node->site->network_count && i < p->address_count; i++) {
		bool within = false;
		char buf[64];

		for (size_t k = 0; k < node->site->network_count; k++)
			within |= value_within(&node->site->networks[k], &p->addresses[i]);
		if (!within)
			errlist_add(c->warns, check_at(c, n, "address"),
				    "%s is in none of the networks of site `%s`",
				    value_show(&p->addresses[i], true, buf), node->site->name);
	}
}

/* A lan port that is bridged: into what, and what it cannot have besides. */
static void check_bridge(const struct check *c, const struct conf_node *n,
			 const struct bb_node *node, const struct bb_port *p)
{
	const struct bb_overlay *o = p->bridge;
	bool member = false;

	if (tree_child(c->t, n, "service"))
		errlist_add(c->errs, check_at(c, n, "bridge"),
			    "`bridge` belongs to a lan port; port `%s` is wan", p->name);
	if (!o)
		return;
	if (tree_child(c->t, n, "address"))
		errlist_add(
			c->errs, check_at(c, n, "address"),
			"port `%s` is bridged into `%s`: the node is not on that lan, so it has no `address` there",
			p->name, o->name);
	if (o->design != BB_MACSEC)
		errlist_add(c->errs, check_at(c, n, "bridge"),
			    "overlay `%s` is not of design macsec, which alone carries frames",
			    o->name);
	for (size_t i = 0; i < o->member_count; i++)
		member |= o->members[i].node == node;
	if (!member)
		errlist_add(c->errs, check_at(c, n, "bridge"),
			    "node `%s` is no member of overlay `%s`", node->name, o->name);
	for (const struct bb_port *q = node->ports; q < p; q++)
		if (q->bridge == o && backbone_is_line(o))
			errlist_add(
				c->errs, check_at(c, n, "bridge"),
				"overlay `%s` runs over an e-line, a cable with one end here: port `%s`; use an e-lan for several",
				o->name, q->name);
}

static void check_port(const struct check *c, const struct conf_node *n, const struct bb_node *node,
		       const struct bb_port *p)
{
	bool lan = tree_child(c->t, n, "lan"), wan = tree_child(c->t, n, "service");

	for (struct conf_node *a = tree_child(c->t, n, "address"); a; a = tree_same(a))
		check_address(c, a);
	if (!p->interface && !check_bad(n, "interface"))
		errlist_add(c->errs, n->where, "port `%s` needs `interface`", p->name);
	if (!lan && !wan && !check_bad(n, "lan") && !check_bad(n, "service"))
		errlist_add(c->errs, n->where,
			    "port `%s` needs `service NAME` (a wan port) or `lan`", p->name);
	check_gateways(c, n, p);
	if (lan)
		check_lan(c, n, node, p);
	if (tree_child(c->t, n, "bridge"))
		check_bridge(c, n, node, p);
	for (struct conf_node *a = tree_child(c->t, n, "allow"); wan && a; a = tree_same(a))
		errlist_add(c->warns, a->where, "%s is let through in clear", a->value);
	if (p->unsupported)
		errlist_add(c->warns, n->where, "port `%s` will not run: %s", p->name,
			    p->unsupported);
}

static bool is_wan(const struct check *c, const struct conf_node *port)
{
	return tree_child(c->t, port, "service") != NULL;
}

/* Nothing is wrong with what says whether the port is wan or lan. */
static bool known_side(const struct conf_node *port)
{
	return !check_bad(port, "service") && !check_bad(port, "lan");
}

/* Ports p and q, of one interface, must differ in their tags, and in their SCIs. */
static void check_tags(const struct check *c, const struct conf_node *x, const struct bb_port *p,
		       const struct bb_port *q)
{
	bool same = p->vlan == q->vlan && p->outer_vlan == q->outer_vlan &&
		    p->outer_type == q->outer_type;

	if (same && p->outer_vlan)
		errlist_add(c->errs, check_at(c, x, "vlan"),
			    "vlan %u in outer-vlan %u of `%s` is already port `%s`'s", p->vlan,
			    p->outer_vlan, p->interface, q->name);
	else if (same && p->vlan)
		errlist_add(c->errs, check_at(c, x, "vlan"),
			    "vlan %u of `%s` is already port `%s`'s", p->vlan, p->interface,
			    q->name);
	else if (same)
		errlist_add(c->errs, check_at(c, x, "interface"),
			    "`%s` is already port `%s`'s; use another or a `vlan`", p->interface,
			    q->name);
	else if (p->service && p->port_id == q->port_id && !check_bad(x, "port-id"))
		errlist_add(
			c->errs, check_at(c, x, "port-id"),
			"port identifier %u of `%s` is already port `%s`'s, so their SCIs would be the same; give one of them another `port-id`",
			p->port_id, p->interface, q->name);
}

/* Said once, at the first that is too many. */
static void check_many(const struct check *c, const struct conf_node *x, const struct bb_node *node,
		       const struct bb_port *p)
{
	unsigned n = 0;

	for (const struct bb_port *q = node->ports; p->interface && q <= p; q++)
		n += q->interface && strcmp(q->interface, p->interface) == 0;
	if (n == CHECK_PORTS_MAX + 1)
		errlist_add(c->errs, check_at(c, x, "interface"),
			    "`%s` has more than %d ports; an interface takes so many VLANs at most",
			    p->interface, CHECK_PORTS_MAX);
}

static void check_ports(const struct check *c, const struct conf_node *n)
{
	const struct bb_node *node = &c->b->nodes[n->index];
	const struct bb_port *p = node->ports, *q;

	for (const struct conf_node *x = tree_child(c->t, n, "port"); x && p;
	     x = tree_same(x), p++) {
		check_port(c, x, node, p);
		q = node->ports;
		for (const struct conf_node *y = tree_child(c->t, n, "port"); y != x;
		     y = tree_same(y), q++) {
			if (p->service && p->service == q->service)
				errlist_add(
					c->errs, check_at(c, x, "service"),
					"port `%s` is already on service `%s`; a node attaches once",
					q->name, p->service->name);
			if (!p->interface || !q->interface ||
			    strcmp(p->interface, q->interface) != 0)
				continue;
			if (is_wan(c, x) != is_wan(c, y) && known_side(x) && known_side(y)) {
				errlist_add(
					c->errs, check_at(c, x, "interface"),
					"`%s` is %s port `%s`'s; wan and lan ports do not share an interface",
					p->interface, is_wan(c, y) ? "wan" : "lan", q->name);
				continue;
			}
			if (check_bad(x, "vlan") || check_bad(y, "vlan") ||
			    check_bad(x, "outer-vlan") || check_bad(y, "outer-vlan"))
				continue;
			check_tags(c, x, p, q);
		}
		check_many(c, x, node, p);
	}
}

struct held {
	struct bb_prefix addr;
	const struct bb_service *service; /* NULL: lan */
	const struct conf_node *port;
	const struct bb_node *node;
	size_t seq;
};

static int by_address(const void *pa, const void *pb)
{
	const struct held *a = pa, *b = pb;
	int d = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (d)
		return d;
	if (a->service != b->service)
		return (uintptr_t)a->service < (uintptr_t)b->service ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* One address on one service, or behind all lan ports, is one port's. */
static void check_same_addresses(const struct check *c)
{
	struct held *v;
	size_t count = 0, n = 0;
	char buf[64];

	for (size_t i = 0; i < c->b->node_count; i++)
		for (size_t k = 0; k < c->b->nodes[i].port_count; k++)
			count += c->b->nodes[i].ports[k].address_count;
	v = count ? calloc(count, sizeof(*v)) : NULL;
	if (!v)
		return;
	for (struct conf_node *x = tree_child(c->t, NULL, "node"); x; x = tree_same(x)) {
		const struct bb_node *node = &c->b->nodes[x->index];
		const struct bb_port *p = node->ports;

		for (struct conf_node *y = tree_child(c->t, x, "port"); y && p;
		     y = tree_same(y), p++)
			for (size_t k = 0; k < p->address_count; k++) {
				if (tree_child(c->t, y, "behind-nat"))
					continue;
				v[n] = (struct held){.addr = p->addresses[k],
						     .service = p->service,
						     .port = y,
						     .node = node,
						     .seq = n};
				v[n++].addr.len = 0;
			}
	}
	qsort(v, n, sizeof(*v), by_address);
	for (size_t i = 1; i < n; i++)
		if (v[i].service == v[i - 1].service &&
		    memcmp(&v[i].addr, &v[i - 1].addr, sizeof(v->addr)) == 0)
			errlist_add(c->errs, check_at(c, v[i].port, "address"),
				    "address %s is already node `%s`'s",
				    value_show(&v[i].addr, false, buf), v[i - 1].node->name);
	free(v);
}

void check_nodes(const struct check *c)
{
	check_ids(c);
	for (struct conf_node *n = tree_child(c->t, NULL, "node"); n; n = tree_same(n)) {
		check_ports(c, n);
		check_warn_node(c, n, &c->b->nodes[n->index]);
	}
	check_same_addresses(c);
}
