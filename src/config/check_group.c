/* check_group: who keys groups, and what overlays of design group protect. */
#include "config/check.h"

#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define EPOCH_LEAST (60 * SECOND)
#define DELAYS_MOST (18 * 3600 * SECOND) /* RFC 9838 §4.4.3.1: seconds in 16 bits */

static bool keyed_by(const struct check *c, const struct conf_node *overlay, const char *group)
{
	const char *g = tree_leaf(c->t, overlay, "key-group");

	return g && strcmp(g, group) == 0;
}

/* A member of that key group's overlays that is not ours, or NULL. */
static const struct bb_peer *stranger(const struct check *c, const char *group)
{
	for (struct conf_node *n = tree_child(c->t, NULL, "overlay"); n; n = tree_same(n)) {
		const struct bb_overlay *o = &c->b->overlays[n->index];

		for (size_t i = 0; keyed_by(c, n, group) && i < o->member_count; i++)
			if (o->members[i].peer)
				return o->members[i].peer;
	}
	return NULL;
}

static void check_epoch(const struct check *c, const struct conf_node *g)
{
	const char *text = tree_leaf(c->t, g, "epoch");
	const struct bb_peer *p = stranger(c, g->value);
	uint64_t epoch = 0, holdover = 0;

	if (!text || !value_duration(text, &epoch) || epoch < EPOCH_LEAST)
		errlist_add(c->errs, check_at(c, g, "epoch"), "`epoch` is at least 1m");
	else if (p && epoch > DELAYS_MOST)
		errlist_add(
			c->errs, check_at(c, g, "epoch"),
			"`epoch` is at most 18h with a member such as peer `%s`: RFC 9838 has no room for longer delays",
			p->name);
	text = tree_leaf(c->t, g, "holdover");
	if (!text || !value_duration(text, &holdover) || holdover < epoch)
		errlist_add(c->errs, check_at(c, g, "holdover"),
			    "`holdover` is at least one `epoch`");
}

static void check_servers(const struct check *c, const struct conf_node *g)
{
	const struct conf_node *auth = tree_child(c->t, g, "auth"),
			       *store = tree_child(c->t, g, "store");
	unsigned count = 0;

	for (struct conf_node *n = tree_child(c->t, g, "key-servers"); n; n = tree_same(n))
		count++;
	if (count > 1 && !check_bad(g, "store") && !(store && tree_child(c->t, store, "etcd")) &&
	    !(store && check_bad(store, "etcd")))
		errlist_add(
			c->errs, check_at(c, g, "key-servers"),
			"%u key servers have to agree on keys and members: they need `store etcd { endpoints … }`",
			count);
	if (!check_bad(g, "auth") && !auth)
		errlist_add(c->errs, g->where,
			    "key-group `%s` needs `auth psk NAME;` or `auth ca NAME;`", g->value);
}

void check_key_groups(const struct check *c)
{
	for (struct conf_node *g = tree_child(c->t, NULL, "key-group"); g; g = tree_same(g)) {
		bool used = false;

		check_epoch(c, g);
		check_servers(c, g);
		for (struct conf_node *n = tree_child(c->t, NULL, "overlay"); n; n = tree_same(n))
			used |= check_bad(n, "key-group") || keyed_by(c, n, g->value);
		if (!used)
			errlist_add(c->warns, g->where, "key-group `%s` keys no overlay", g->value);
	}
}

static const struct {
	const char *name;
	int number;
	bool ports;
} protocols[] = {
	{"icmp", 1, false},  {"igmp", 2, false},    {"ipip", 4, false},   {"tcp", 6, true},
	{"udp", 17, true},   {"dccp", 33, true},    {"gre", 47, false},   {"esp", 50, false},
	{"ah", 51, false},   {"icmpv6", 58, false}, {"eigrp", 88, false}, {"ospf", 89, false},
	{"pim", 103, false}, {"vrrp", 112, false},  {"l2tp", 115, false}, {"sctp", 132, true},
};

/* Its number; -1: none is called so. */
static int protocol_of(const char *text, bool *ports)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*ports = false;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (*end ? !strcmp(protocols[i].name, text) : n == (unsigned)protocols[i].number) {
			*ports = protocols[i].ports;
			return protocols[i].number;
		}
	return *end || end == text || n > 255 ? -1 : (int)n;
}

struct about {                     /* what a rule fits, either way */
	struct bb_prefix from, to; /* family 0: any */
	int protocol, port;        /* -1: any */
};

static bool about_read(const struct check *c, const struct conf_node *r, struct about *a)
{
	const char *from = tree_leaf(c->t, r, "from"), *to = tree_leaf(c->t, r, "to"),
		   *protocol = tree_leaf(c->t, r, "protocol"), *port = tree_leaf(c->t, r, "port");
	bool ports;

	*a = (struct about){.protocol = -1, .port = port ? atoi(port) : -1};
	if ((from && !value_prefix(from, &a->from)) || (to && !value_prefix(to, &a->to)))
		return false;
	a->protocol = protocol ? protocol_of(protocol, &ports) : -1;
	return !protocol || a->protocol >= 0;
}

static bool covers(const struct bb_prefix *all, const struct bb_prefix *p)
{
	return !all->family || (p->family == all->family && value_within(all, p));
}

/* Every packet that the second fits, the first fits as well: one way or the other. */
static bool takes_all(const struct about *a, const struct about *b)
{
	return (a->protocol < 0 || a->protocol == b->protocol) &&
	       (a->port < 0 || a->port == b->port) &&
	       ((covers(&a->from, &b->from) && covers(&a->to, &b->to)) ||
		(covers(&a->from, &b->to) && covers(&a->to, &b->from)));
}

static void check_packets(const struct check *c, const struct conf_node *r)
{
	const char *protocol = tree_leaf(c->t, r, "protocol"),
		   *action = tree_leaf(c->t, r, "action");
	bool ports = false, port = tree_child(c->t, r, "port") != NULL;
	struct about a;

	if (protocol && protocol_of(protocol, &ports) < 0)
		errlist_add(
			c->errs, check_at(c, r, "protocol"),
			"`%s` is no protocol such as tcp, udp, icmp, icmpv6, ospf, gre, or a number up to 255",
			protocol);
	else if (port && !ports && !check_bad(r, "protocol"))
		errlist_add(c->errs, check_at(c, r, "port"),
			    "`port` needs `protocol` tcp, udp, sctp or dccp");
	if (about_read(c, r, &a) && a.from.family && a.to.family && a.from.family != a.to.family)
		errlist_add(c->errs, check_at(c, r, "to"), "no packet goes from IPv%u to IPv%u",
			    a.from.family, a.to.family);
	if (action && strcmp(action, "bypass") == 0 && !protocol && !port &&
	    !tree_child(c->t, r, "from") && !tree_child(c->t, r, "to") && !r->hides)
		errlist_add(
			c->errs, r->where,
			"rule `%s` would let everything out in clear; say which packets by `from`, `to`, `protocol` or `port`",
			r->value);
}

void check_group(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	if (o->design != BB_GROUP)
		return;
	for (struct conf_node *r = tree_child(c->t, n, "rule"); r; r = tree_same(r)) {
		struct about a, b;

		check_packets(c, r);
		if (!about_read(c, r, &a))
			continue;
		for (struct conf_node *x = tree_child(c->t, n, "rule"); x != r; x = tree_same(x))
			if (about_read(c, x, &b) && takes_all(&b, &a)) {
				errlist_add(
					c->warns, r->where,
					"rule `%s` is never reached: rule `%s` takes all that it fits",
					r->value, x->value);
				break;
			}
	}
}
