/* check_members: who an overlay says is in it, and the addresses they get. */
#include "config/check.h"

#include <stdlib.h>
#include <string.h>

static const struct bb_member *find_member(const struct bb_overlay *o, const char *name)
{
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];

		if (strcmp(m->node ? m->node->name : m->peer->name, name) == 0)
			return m;
	}
	return NULL;
}

static const char *services(const struct bb_overlay *o, char buf[128])
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < o->over_count && n < 80; i++)
		n += (size_t)snprintf(buf + n, 128 - n, "%s`%s`", i ? " or " : "",
				      o->over[i]->name);
	return buf;
}

/* Each word of `members` must bring somebody in. */
static void check_chosen(const struct check *c, const struct conf_node *n,
			 const struct bb_overlay *o)
{
	char buf[128];

	for (const struct conf_node *m = tree_child(c->t, n, "members"); m; m = tree_same(m)) {
		const struct bb_node *node = backbone_node_of(c->b, c->t, m->value);
		const struct bb_peer *peer = backbone_peer_of(c->b, c->t, m->value);
		bool tagged = false, attached = false;

		if (*m->value == '@') {
			for (size_t i = 0; i < c->b->node_count; i++)
				tagged |= backbone_tagged(c->t, &c->b->nodes[i], m->value + 1);
			for (size_t i = 0; i < o->member_count; i++)
				attached |= o->members[i].node &&
					    backbone_tagged(c->t, o->members[i].node, m->value + 1);
			if (!tagged)
				errlist_add(c->errs, m->where, "no node has the tag `%s`",
					    m->value + 1);
			else if (!attached)
				errlist_add(c->errs, m->where,
					    "no node tagged `%s` has a port on %s", m->value + 1,
					    services(o, buf));
			continue;
		}
		for (size_t i = 0; i < o->over_count; i++) {
			attached |= peer && peer->service == o->over[i];
			for (size_t k = 0; node && k < node->port_count; k++)
				attached |= node->ports[k].service == o->over[i];
		}
		if ((node || peer) && !attached)
			errlist_add(c->errs, m->where, "%s `%s` is not attached to %s",
				    node ? "node" : "peer", m->value, services(o, buf));
	}
}

/* Where the member's own statement is, else the overlay's subnet. */
static struct where address_at(const struct check *c, const struct conf_node *n,
			       const struct bb_member *m)
{
	const struct conf_node *own =
		tree_entry(c->t, n, "member", m->node ? m->node->name : m->peer->name);

	if (own && tree_child(c->t, own, "address"))
		return check_at(c, own, "address");
	return check_at(c, n, "subnet");
}

static bool has_own(const struct check *c, const struct conf_node *n, const struct bb_member *m)
{
	const struct conf_node *own =
		tree_entry(c->t, n, "member", m->node ? m->node->name : m->peer->name);

	return own && tree_child(c->t, own, "address");
}

static bool is_edge(const struct bb_prefix *net, const struct bb_prefix *a)
{
	struct bb_prefix low = value_network(*net), high = low;

	if (net->family == 6 ? net->len >= 127 : net->len >= 31)
		return false;
	if (memcmp(a->addr, low.addr, 16) == 0)
		return true;
	for (size_t bit = net->len; bit < 32; bit++)
		high.addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return net->family == 4 && memcmp(a->addr, high.addr, 4) == 0;
}

static void check_one_address(const struct check *c, const struct conf_node *n,
			      const struct bb_overlay *o, const struct bb_member *m)
{
	const char *name = m->node ? m->node->name : m->peer->name;
	const struct conf_node *own = tree_entry(c->t, n, "member", name), *node;
	struct bb_prefix host = m->address;
	char subnet[64], addr[64];

	value_show(&o->subnet, true, subnet);
	if ((own && check_bad(own, "address")) || o->design == BB_GROUP)
		return;
	node = m->node ? tree_entry(c->t, NULL, "node", name) : NULL;
	if (!m->has_address) {
		if (m->node && m->node->id)
			errlist_add(
				c->errs, node ? check_at(c, node, "id") : n->where,
				"`id` %u of node `%s` is outside %s of overlay `%s`; use a larger `subnet` or `member %s address`",
				m->node->id, name, subnet, o->name, name);
		else if (m->node && node && !check_bad(node, "id"))
			errlist_add(
				c->errs, node->where,
				"node `%s` needs an `id` for its address in %s of overlay `%s`, or `member %s address` there",
				name, subnet, o->name, name);
		return;
	}
	value_show(&m->address, false, addr);
	host.len = host.family == 6 ? 128 : 32;
	if (!value_within(&o->subnet, &host))
		errlist_add(c->errs, address_at(c, n, m), "%s is not in `subnet` %s", addr, subnet);
	else if (is_edge(&o->subnet, &m->address) && own && tree_child(c->t, own, "address"))
		errlist_add(c->errs, address_at(c, n, m), "%s is no host's address in %s", addr,
			    subnet);
	else if (is_edge(&o->subnet, &m->address))
		errlist_add(
			c->errs, node ? check_at(c, node, "id") : n->where,
			"`id` of node `%s` gives it %s, which is no host's address in %s of overlay `%s`",
			name, addr, subnet, o->name);
}

static int by_address(const void *pa, const void *pb)
{
	const struct bb_member *const *a = pa, *const *b = pb;
	int d = memcmp(&(*a)->address, &(*b)->address, sizeof((*a)->address));

	return d ? d : *a < *b ? -1 : *a > *b;
}

static void check_addresses(const struct check *c, const struct conf_node *n,
			    const struct bb_overlay *o)
{
	const struct bb_member **v;
	size_t count = 0;
	char buf[64];

	for (size_t i = 0; i < o->member_count; i++)
		check_one_address(c, n, o, &o->members[i]);
	v = calloc(o->member_count + 1, sizeof(*v));
	if (!v)
		return;
	for (size_t i = 0; i < o->member_count; i++)
		if (o->members[i].has_address)
			v[count++] = &o->members[i];
	qsort(v, count, sizeof(*v), by_address);
	for (size_t i = 1; i < count; i++) {
		const struct bb_member *a = v[i - 1], *b = v[i];

		if (memcmp(&a->address, &b->address, sizeof(a->address)) != 0)
			continue;
		/* Two nodes of one id have been told of already. */
		if (a->node && b->node && a->node->id == b->node->id && a->node->id)
			continue;
		errlist_add(c->errs, address_at(c, n, has_own(c, n, b) ? b : a),
			    "%s is the address of both `%s` and `%s`",
			    value_show(&b->address, false, buf),
			    a->node ? a->node->name : a->peer->name,
			    b->node ? b->node->name : b->peer->name);
	}
	free(v);
}

/* Somebody must be able to make the SAK. */
static void check_servers(const struct check *c, const struct conf_node *n,
			  const struct bb_overlay *o)
{
	bool any = o->member_count == 0;

	if (o->keying != BB_MKA)
		return;
	for (size_t i = 0; i < o->member_count; i++)
		any |= o->members[i].priority < 255 || o->members[i].peer;
	if (!any)
		errlist_add(c->errs, n->where,
			    "no member of overlay `%s` may be key server: every priority is 255",
			    o->name);
}

void check_members(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	if (check_bad(n, "over"))
		return; /* nothing can be said of who is attached */
	check_chosen(c, n, o);
	for (const struct conf_node *m = tree_child(c->t, n, "member"); m; m = tree_same(m)) {
		if (!find_member(o, m->value))
			errlist_add(c->errs, m->key, "`%s` is no member of overlay `%s`", m->value,
				    o->name);
		if (tree_child(c->t, m, "address") && !o->has_subnet && !check_bad(n, "subnet"))
			errlist_add(c->errs, check_at(c, m, "address"),
				    "an address needs the overlay's `subnet`");
	}
	for (const struct conf_node *h = tree_child(c->t, n, "hubs"); h; h = tree_same(h))
		if (!find_member(o, h->value))
			errlist_add(c->errs, h->where, "hub `%s` is no member of overlay `%s`",
				    h->value, o->name);
	if (o->has_subnet)
		check_addresses(c, n, o);
	check_servers(c, n, o);
}
