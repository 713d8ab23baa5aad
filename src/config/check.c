/*
 * check: what the model cannot say, on the typed view with the tree for the places. A tree with
 * errors is checked too: whatever is missing or bad there is passed over, not told again.
 */
#include "config/check.h"

#include <stdlib.h>
#include <string.h>

struct where check_at(const struct check *c, const struct conf_node *parent, const char *child)
{
	const struct conf_node *n = tree_child(c->t, parent, child);

	return n ? n->where : parent->where;
}

bool check_bad(const struct conf_node *parent, const char *child)
{
	if (parent->hides)
		return true;
	for (const struct conf_node *n = parent->first; n; n = n->next)
		if (n->bad && strcmp(yang_name(n->schema), child) == 0)
			return true;
	return false;
}

/* A prefix that names a network has no bits behind its length. */
static void check_network(const struct check *c, const struct conf_node *n)
{
	struct bb_prefix p, net;
	char buf[64];

	if (!value_prefix(n->value, &p)) {
		errlist_add(c->errs, n->where,
			    "`%s` is no prefix such as 10.1.0.0/16 or 2001:db8:1::/48", n->value);
		return;
	}
	net = value_network(p);
	if (memcmp(net.addr, p.addr, sizeof(p.addr)) != 0)
		errlist_add(c->errs, n->where,
			    "`%s` has bits set behind its length; the network is `%s`", n->value,
			    value_show(&net, true, buf));
}

struct named {
	struct bb_prefix p;
	const struct conf_node *n;
	size_t seq;
};

static int by_prefix(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;
	int d = memcmp(&a->p, &b->p, sizeof(a->p));

	return d ? d : a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* One network stands behind one site. */
static void check_same_networks(const struct check *c)
{
	struct named *v = NULL;
	size_t count = 0, i = 0;

	for (struct conf_node *s = tree_child(c->t, NULL, "site"); s; s = tree_same(s))
		for (struct conf_node *n = tree_child(c->t, s, "networks"); n; n = tree_same(n))
			count++;
	v = count ? calloc(count, sizeof(*v)) : NULL;
	if (!v)
		return;
	for (struct conf_node *s = tree_child(c->t, NULL, "site"); s; s = tree_same(s))
		for (struct conf_node *n = tree_child(c->t, s, "networks"); n; n = tree_same(n)) {
			v[i].n = n;
			v[i].seq = i;
			value_prefix(n->value, &v[i].p);
			v[i].p = value_network(v[i].p);
			i++;
		}
	qsort(v, count, sizeof(*v), by_prefix);
	for (i = 1; i < count; i++)
		if (v[i].p.family && memcmp(&v[i].p, &v[i - 1].p, sizeof(v->p)) == 0)
			errlist_add(c->errs, v[i].n->where,
				    "network `%s` is already behind site `%s`", v[i].n->value,
				    v[i - 1].n->parent->value);
	free(v);
}

void check_sites(const struct check *c)
{
	for (struct conf_node *s = tree_child(c->t, NULL, "site"); s; s = tree_same(s)) {
		const struct bb_site *site = &c->b->sites[s->index];

		if (site->located && (site->lat < -90 || site->lat > 90))
			errlist_add(c->errs, check_at(c, s, "location"),
				    "latitude %g is not from -90 to 90 degrees", site->lat);
		if (site->located && (site->lon < -180 || site->lon > 180))
			errlist_add(c->errs, check_at(c, s, "location"),
				    "longitude %g is not from -180 to 180 degrees", site->lon);
		for (struct conf_node *n = tree_child(c->t, s, "networks"); n; n = tree_same(n))
			check_network(c, n);
	}
	check_same_networks(c);
}

/* An E-Line has two ends. */
void check_services(const struct check *c)
{
	size_t *ends = calloc(c->b->service_count + 1, sizeof(*ends));

	for (size_t i = 0; ends && i < c->b->node_count; i++)
		for (size_t k = 0; k < c->b->nodes[i].port_count; k++)
			if (c->b->nodes[i].ports[k].service)
				ends[c->b->nodes[i].ports[k].service - c->b->services]++;
	for (size_t i = 0; ends && i < c->b->peer_count; i++)
		if (c->b->peers[i].service)
			ends[c->b->peers[i].service - c->b->services]++;
	for (struct conf_node *s = tree_child(c->t, NULL, "service"); ends && s; s = tree_same(s))
		if (c->b->services[s->index].topology == BB_E_LINE && ends[s->index] > 2)
			errlist_add(c->errs, check_at(c, s, "topology"),
				    "an e-line has two ends, but %zu ports are on `%s`; use e-lan",
				    ends[s->index], s->value);
	free(ends);
}

static void check_rules(const struct check *c)
{
	for (struct conf_node *o = tree_child(c->t, NULL, "overlay"); o; o = tree_same(o)) {
		struct conf_node *n = tree_child(c->t, o, "subnet");

		if (n)
			check_network(c, n);
		for (struct conf_node *r = tree_child(c->t, o, "rule"); r; r = tree_same(r)) {
			const char *action = tree_leaf(c->t, r, "action");

			if ((n = tree_child(c->t, r, "from")))
				check_network(c, n);
			if ((n = tree_child(c->t, r, "to")))
				check_network(c, n);
			if (action && strcmp(action, "bypass") == 0)
				errlist_add(c->warns, r->where,
					    "rule `%s` lets traffic out in clear", r->value);
		}
	}
}

void semantics_check(const struct conf_tree *t, struct errlist *errs, struct errlist *warns)
{
	struct backbone *b = backbone_of(t);
	const struct check c = {.t = t, .b = b, .errs = errs, .warns = warns};

	if (!b) {
		errlist_add(errs, (struct where){0}, "no memory");
		return;
	}
	check_sites(&c);
	check_services(&c);
	check_nodes(&c);
	check_peers(&c);
	check_key_groups(&c);
	check_rules(&c);
	check_overlays(&c);
	backbone_free(b);
}
