/*
 * members: who takes part in an overlay, in file order of nodes, then of peers: `all` are those
 * attached to a service it is `over`, `@TAG` the tagged ones among them, or by name.
 */
#include "config/model.h"

#include <stdlib.h>
#include <string.h>

/* Where a node attaches: its port on the first service of `over` that it has. */
static const struct bb_port *attachment(const struct bb_overlay *o, const struct bb_node *n)
{
	for (size_t i = 0; i < o->over_count; i++)
		for (size_t k = 0; k < n->port_count; k++)
			if (n->ports[k].service == o->over[i])
				return &n->ports[k];
	return NULL;
}

bool backbone_tagged(const struct conf_tree *t, const struct bb_node *n, const char *tag)
{
	const struct conf_node *node = tree_entry(t, NULL, "node", n->name);
	const struct yang_node *s = node ? yang_child(t->model, node->schema, "tag", 3) : NULL;
	const struct conf_node *c = s ? tree_find(t, node, s, tag) : NULL;

	return c && !c->bad;
}

struct chosen {
	bool all;
	const struct conf_node *overlay;
	const struct conf_tree *t;
};

/* Named: by itself, so that an attachment it lacks is an error; else by tag or `all`. */
static bool chosen_node(const struct chosen *c, const struct bb_node *n, bool attached)
{
	bool named = false;

	if (c->all)
		return attached;
	for (const struct conf_node *m = tree_child(c->t, c->overlay, "members"); m;
	     m = tree_same(m)) {
		if (strcmp(m->value, "all") == 0)
			named |= attached;
		else if (*m->value == '@')
			named |= attached && backbone_tagged(c->t, n, m->value + 1);
		else
			named |= strcmp(m->value, n->name) == 0;
	}
	return named;
}

static bool over_holds(const struct bb_overlay *o, const struct bb_service *s)
{
	for (size_t i = 0; i < o->over_count; i++)
		if (o->over[i] == s)
			return true;
	return false;
}

static bool chosen_peer(const struct chosen *c, const struct bb_peer *p, bool attached)
{
	bool named = false;

	if (c->all)
		return attached;
	for (const struct conf_node *m = tree_child(c->t, c->overlay, "members"); m;
	     m = tree_same(m))
		named |= strcmp(m->value, "all") == 0 ? attached : strcmp(m->value, p->name) == 0;
	return named;
}

static void fill(struct bb_member *m, const struct conf_tree *t, const struct conf_node *overlay,
		 const struct bb_overlay *o)
{
	const struct yang_node *list = yang_child(t->model, overlay->schema, "member", 6);
	const struct conf_node none = {.schema = list};
	const struct conf_node *n =
		tree_entry(t, overlay, "member", m->node ? m->node->name : m->peer->name);
	const char *address, *priority;
	uint16_t hub = 0;

	if (!n)
		n = &none;
	for (const struct conf_node *h = tree_child(t, overlay, "hubs"); h; h = tree_same(h)) {
		hub++;
		if (m->node && strcmp(h->value, m->node->name) == 0)
			m->hub = hub;
	}
	priority = tree_leaf(t, n, "priority");
	m->priority = priority ? (uint8_t)strtoul(priority, NULL, 10) : 0;
	address = tree_leaf(t, n, "address");
	if (!o->has_subnet)
		return;
	if (address) {
		m->has_address = value_prefix(address, &m->address);
		m->address.len = o->subnet.len;
	} else if (m->node && m->node->id) {
		m->has_address = value_nth(&o->subnet, m->node->id, &m->address);
	}
}

bool backbone_members(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		      struct bb_overlay *o)
{
	struct chosen c = {.overlay = n, .t = t, .all = !tree_child(t, n, "members")};
	struct bb_member *v;

	/* Nothing is known of an overlay whose members are all bad. */
	for (const struct conf_node *m = n->first; m && c.all; m = m->next)
		if (strcmp(yang_name(m->schema), "members") == 0)
			c.all = false;
	v = backbone_grab(b, b->node_count + b->peer_count + 1, sizeof(*v));
	if (!v)
		return false;
	o->members = v;
	for (size_t i = 0; i < b->node_count; i++) {
		const struct bb_port *port = attachment(o, &b->nodes[i]);

		if (chosen_node(&c, &b->nodes[i], port))
			v[o->member_count++] =
				(struct bb_member){.node = &b->nodes[i], .port = port};
	}
	for (size_t i = 0; i < b->peer_count; i++)
		if (chosen_peer(&c, &b->peers[i], over_holds(o, b->peers[i].service)))
			v[o->member_count++] = (struct bb_member){.peer = &b->peers[i]};
	for (size_t i = 0; i < o->member_count; i++)
		fill(&v[i], t, n, o);
	for (size_t i = 0; i < o->member_count; i++)
		o->hubs |= v[i].hub > 0;
	return true;
}
