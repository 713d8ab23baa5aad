/*
 * check_ipsec: overlays of design ipsec, and the boxes that are not ours: whether IKE can tell its
 * peers apart, and whether each pair of members that has a tunnel can come to have it.
 */
#include "config/check.h"
#include "wire/ike.h"

#include <string.h>

#define SECOND 1000000000ull
#define DAY (86400 * SECOND)

static bool same_address(const struct bb_prefix *a, const struct bb_prefix *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static bool same_identity(const struct bb_identity *a, const struct bb_identity *b)
{
	return a->type == b->type && a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

/* IKE finds a peer by its address, and of several there by its identity. */
static void check_twin(const struct check *c, const struct conf_node *n, const struct bb_peer *p,
		       const struct bb_peer *q)
{
	char buf[64];

	if (p->service != q->service)
		return;
	for (size_t i = 0; i < p->address_count; i++)
		for (size_t k = 0; k < q->address_count; k++) {
			if (!same_address(&p->addresses[i], &q->addresses[k]) ||
			    (p->identity.type && q->identity.type &&
			     !same_identity(&p->identity, &q->identity)))
				continue;
			errlist_add(
				c->errs, check_at(c, n, "address"),
				"%s is also peer `%s`'s; two behind one address need an `identity` each, to be told apart",
				value_show(&p->addresses[i], false, buf), q->name);
			return;
		}
}

static void check_against_nodes(const struct check *c, const struct conf_node *n,
				const struct bb_peer *p)
{
	char buf[64];

	for (size_t i = 0; i < c->b->node_count; i++) {
		const struct bb_node *node = &c->b->nodes[i];

		if (p->identity.type == IKE_ID_FQDN && strlen(node->name) == p->identity.len &&
		    memcmp(node->name, p->identity.b, p->identity.len) == 0)
			errlist_add(c->errs, check_at(c, n, "identity"),
				    "this is the identity of node `%s`; nodes go by their names",
				    node->name);
		for (size_t k = 0; k < node->port_count; k++) {
			const struct bb_port *port = &node->ports[k];

			if (port->service != p->service || port->behind_nat)
				continue;
			for (size_t a = 0; a < p->address_count * port->address_count; a++)
				if (same_address(&p->addresses[a / port->address_count],
						 &port->addresses[a % port->address_count]))
					errlist_add(
						c->errs, check_at(c, n, "address"),
						"%s is already node `%s`'s",
						value_show(&p->addresses[a / port->address_count],
							   false, buf),
						node->name);
		}
	}
}

void check_peers(const struct check *c)
{
	for (struct conf_node *n = tree_child(c->t, NULL, "peer"); n; n = tree_same(n)) {
		const struct bb_peer *p = &c->b->peers[n->index];
		const char *identity = tree_leaf(c->t, n, "identity");
		struct bb_identity id;

		if (identity && !check_bad(n, "identity") && !value_identity(identity, &id))
			errlist_add(
				c->errs, check_at(c, n, "identity"),
				"`%.100s` is no identity: an address, `fqdn:NAME`, `email:USER@NAME`, `ipv4:ADDRESS`, `ipv6:ADDRESS`, `dn:\"C=DE, O=Acme, CN=NAME\"` in the certificate's order, or `key-id:` and hexadecimal",
				identity);
		if (!p->service)
			continue;
		for (const struct bb_peer *q = c->b->peers; q < p; q++)
			check_twin(c, n, p, q);
		check_against_nodes(c, n, p);
	}
}

/* Where `at` says something of a duration: 0s or from low to high. */
static void check_duration(const struct check *c, const struct conf_node *at, const char *name,
			   uint64_t low, uint64_t high, const char *accepted)
{
	const char *text = at ? tree_leaf(c->t, at, name) : NULL;
	uint64_t ns;

	if (!text || check_bad(at, name))
		return;
	if (!value_duration(text, &ns) || (ns && (ns < low || ns > high)))
		errlist_add(c->errs, check_at(c, at, name), "`%s` is %s", name, accepted);
}

static void check_times(const struct check *c, const struct conf_node *n)
{
	const struct conf_node *ike = tree_child(c->t, n, "ike"), *esp = tree_child(c->t, n, "esp");

	check_duration(c, ike, "rekey", 10 * SECOND, 366 * DAY, "from 10s to 366d, or 0s: never");
	check_duration(c, ike, "reauthenticate", 10 * SECOND, 366 * DAY,
		       "from 10s to 366d, or 0s: never");
	check_duration(c, ike, "dead-peer-detection", SECOND, 3600 * SECOND,
		       "from 1s to 1h, or 0s: never");
	check_duration(c, esp, "rekey", 10 * SECOND, 366 * DAY,
		       "from 10s to 366d, or 0s: by sequence number alone");
}

/* Who a member is must be known before, or follow from its address. */
static void check_peer_identity(const struct check *c, const struct bb_overlay *o,
				const struct bb_peer *p)
{
	const struct conf_node *n = tree_entry(c->t, NULL, "peer", p->name);

	if (!n || check_bad(n, "identity") || check_bad(n, "address") ||
	    (tree_child(c->t, n, "identity") && !p->identity.type))
		return;
	if (o->auth == BB_AUTH_CA && !p->identity.type)
		errlist_add(
			c->errs, n->where,
			"peer `%s` needs an `identity` that its certificate bears: overlay `%s` has `auth ca %s`",
			p->name, o->name, o->ca);
	else if (o->auth == BB_AUTH_CA && p->identity.type == IKE_ID_KEY)
		errlist_add(
			c->errs, check_at(c, n, "identity"),
			"no certificate bears a key-id, and overlay `%s` has `auth ca %s`; use fqdn, email, dn or an address",
			o->name, o->ca);
	else if (!p->identity.type && !p->address_count)
		errlist_add(
			c->errs, n->where,
			"peer `%s` needs an `address` or an `identity`: overlay `%s` cannot know it otherwise",
			p->name, o->name);
}

static struct where port_at(const struct check *c, const struct conf_node *n,
			    const struct bb_member *m, const struct bb_port *port)
{
	const struct conf_node *node = tree_entry(c->t, NULL, "node", m->node->name);
	const struct conf_node *x = node ? tree_entry(c->t, node, "port", port->name) : NULL;

	return x ? x->where : n->where;
}

static bool port_bad(const struct check *c, const struct bb_member *m, const struct bb_port *port)
{
	const struct conf_node *node = tree_entry(c->t, NULL, "node", m->node->name);
	const struct conf_node *x = node ? tree_entry(c->t, node, "port", port->name) : NULL;

	return !x || check_bad(x, "address") || check_bad(x, "gateway") ||
	       tree_child(c->t, x, "address") != NULL;
}

/* What each member needs by itself. */
static bool check_each(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	bool good = true;

	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		const struct bb_port *port = m->port;

		if (m->peer) {
			check_peer_identity(c, o, m->peer);
			continue;
		}
		if (!o->has_subnet && !m->node->id && !check_bad(n, "subnet")) {
			const struct conf_node *x = tree_entry(c->t, NULL, "node", m->node->name);

			if (x && !check_bad(x, "id"))
				errlist_add(
					c->errs, x->where,
					"node `%s` needs an `id`: overlay `%s` has no `subnet`, and makes its link-local address of it",
					m->node->name, o->name);
		}
		if (!port || port->address_count || port->dhcp)
			continue;
		good = false;
		if (!port_bad(c, m, port))
			errlist_add(
				c->errs, port_at(c, n, m, port),
				"port `%s` of node `%s` needs an `address`, or `address dhcp`: the tunnels of overlay `%s` start there",
				port->name, m->node->name, o->name);
	}
	return good;
}

/* Pairs that cannot have their tunnel, by what stands against it: the first, and how many. */
struct lacking {
	const struct bb_member *a, *b;
	size_t count;
};

static void note(struct lacking *l, const struct bb_member *a, const struct bb_member *b)
{
	if (!l->count++) {
		l->a = a;
		l->b = b;
	}
}

static void tell(const struct check *c, const struct conf_node *n, const struct bb_overlay *o,
		 const struct lacking *l, const char *what)
{
	char more[48] = "";

	if (!l->count)
		return;
	if (l->count > 1)
		snprintf(more, sizeof(more), " (and %zu pair%s more)", l->count - 1,
			 l->count == 2 ? "" : "s");
	errlist_add(c->errs, n->where, "overlay `%s`: `%s` and `%s`%s %s", o->name,
		    backbone_member_name(l->a), backbone_member_name(l->b), more, what);
}

/* A way that leads off the link needs the gateway of its own family. */
static bool lacks_gateway(const struct bb_ends *e)
{
	const struct bb_port *p = e->port;

	if (!p || !e->remote.family || !e->local.family || backbone_gateway(p, e->remote.family))
		return false;
	for (size_t i = 0; i < p->address_count; i++)
		if (value_within(&p->addresses[i], &e->remote))
			return false;
	return true;
}

static void check_gateway(const struct check *c, const struct conf_node *n,
			  const struct bb_overlay *o, const struct bb_member *m,
			  const struct bb_member *far)
{
	struct bb_ends e;
	char buf[64];

	if (backbone_way(o, m, far, &e) == BB_WAY && lacks_gateway(&e))
		errlist_add(
			c->errs, port_at(c, n, m, e.port),
			"port `%s` of node `%s` needs `gateway ADDRESS;` of IPv%u: `%s` at %s is not on its link",
			e.port->name, m->node->name, e.family, backbone_member_name(far),
			value_show(&e.remote, false, buf));
}

/* Once for each member: to the first that needs it. */
static void check_gateways(const struct check *c, const struct conf_node *n,
			   const struct bb_overlay *o)
{
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		struct bb_ends e;

		for (size_t k = 0; m->node && k < o->member_count; k++)
			if (k != i && backbone_way(o, m, &o->members[k], &e) == BB_WAY &&
			    lacks_gateway(&e)) {
				check_gateway(c, n, o, m, &o->members[k]);
				break;
			}
	}
}

static void check_pairs(const struct check *c, const struct conf_node *n,
			const struct bb_overlay *o)
{
	struct lacking family = {0}, unknown = {0}, service = {0};
	struct bb_ends e;

	for (size_t i = 0; i < o->member_count; i++)
		for (size_t k = i + 1; k < o->member_count; k++) {
			const struct bb_member *a = &o->members[i], *b = &o->members[k];
			enum bb_way way;

			if (a->peer && b->peer)
				continue; /* not ours to join */
			way = backbone_way(o, a, b, &e);
			if (way == BB_WAY_NO_FAMILY || way == BB_WAY_NO_ADDRESS)
				note(&family, a, b);
			if (way == BB_WAY_UNKNOWN)
				note(&unknown, a, b);
			if (way == BB_WAY_NO_SERVICE && !backbone_next(o, a, b))
				note(&service, a, b);
		}
	tell(c, n, o, &family,
	     "have no addresses of one family on their ports; give one an `address` of the other's family");
	tell(c, n, o, &unknown,
	     "cannot call each other, as both have their addresses by DHCP or are behind a NAT; give one of both a fixed `address` without `behind-nat`, or the overlay `hubs` that have one");
	tell(c, n, o, &service,
	     "share no service of `over`, and there is no member that has a tunnel to both");
}

/* The responder knows an initiator by addresses, identities and the proof: one of these differs. */
static void check_apart(const struct check *c, const struct conf_node *n,
			const struct bb_overlay *o, const struct bb_overlay *x)
{
	const char *mine = o->auth == BB_AUTH_CA ? o->ca : o->psk;
	const char *other = x->auth == BB_AUTH_CA ? x->ca : x->psk;
	struct bb_ends e, f;

	if (x->design != BB_IPSEC || x->auth != o->auth || !mine || !other ||
	    strcmp(mine, other) != 0)
		return;
	for (size_t i = 0; i < o->member_count; i++)
		for (size_t k = i + 1; k < o->member_count; k++) {
			const struct bb_member *a = &o->members[i], *b = &o->members[k];
			const struct bb_member *p = backbone_member(x, a),
					       *q = backbone_member(x, b);

			if (!p || !q || backbone_way(o, a, b, &e) != BB_WAY ||
			    backbone_way(x, p, q, &f) != BB_WAY || e.service != f.service)
				continue;
			errlist_add(
				c->errs, check_at(c, n, "auth"),
				"overlays `%s` and `%s` both join `%s` and `%s` over `%s` with `auth %s %s`, and IKE could not tell which of them is meant; give one another secret, or make them one",
				x->name, o->name, backbone_member_name(a), backbone_member_name(b),
				e.service->name, o->auth == BB_AUTH_CA ? "ca" : "psk", mine);
			return;
		}
}

static uint8_t heaviest_family(const struct bb_overlay *o)
{
	struct bb_ends e;

	for (size_t i = 0; i < o->member_count; i++)
		for (size_t k = i + 1; k < o->member_count; k++)
			if (backbone_way(o, &o->members[i], &o->members[k], &e) == BB_WAY &&
			    e.family == 6)
				return 6;
	return 4;
}

/* The kernel speaks no IPv6 on an interface of less, and next hops may be of IPv6. */
static void check_mtu(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	uint16_t mtu = backbone_overlay_mtu(o), least = 576, need = 576;
	uint8_t family;
	const struct conf_node *over = tree_child(c->t, n, "over");

	if (!o->over_count || !mtu)
		return;
	if (!o->has_subnet || o->subnet.family == 6)
		least = 1280;
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		const struct bb_site *s = m->node ? m->node->site : m->peer->site;

		for (size_t k = 0; s && k < s->network_count; k++)
			if (s->networks[k].family == 6)
				least = 1280;
	}
	if (mtu >= least)
		return;
	family = heaviest_family(o);
	while (backbone_tunnel_mtu(o, need, family) < least)
		need++;
	errlist_add(
		c->errs, over ? over->where : n->where,
		"overlay `%s` carries packets of %u bytes at most, and IPv%d needs %u; the `mtu` of its services must be at least %u",
		o->name, mtu, least == 1280 ? 6 : 4, least, need);
}

void check_ipsec(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	if (o->design != BB_IPSEC || check_bad(n, "design"))
		return;
	check_times(c, n);
	if (check_bad(n, "over") || check_bad(n, "members") || check_bad(n, "hubs"))
		return;
	if (o->member_count > BB_TUNNELS_MAX + 1) {
		errlist_add(
			c->errs, n->where,
			"overlay `%s` has %zu members, so %s has more than %d tunnels, which no node takes; %s",
			o->name, o->member_count, o->hubs ? "each hub" : "each", BB_TUNNELS_MAX,
			o->hubs ? "make it several overlays"
				: "name `hubs`, so that the others have tunnels to these alone, or make it several overlays");
		return;
	}
	if (check_each(c, n, o))
		check_pairs(c, n, o);
	check_gateways(c, n, o);
	check_mtu(c, n, o);
	for (const struct bb_overlay *x = c->b->overlays; x < o; x++)
		check_apart(c, n, o, x);
}
