#include "myelind/guarded.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARDED_MAX 1024 /* interfaces: what a mad control could make the parent hold */

static struct guarded_if *find(const struct guarded *g, const char *ifname)
{
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->v[i].ifname, ifname))
			return &g->v[i];
	return NULL;
}

static struct guarded_if *add(struct guarded *g, const char *ifname)
{
	struct guarded_if *p;

	if (g->count >= GUARDED_MAX)
		return NULL;
	p = realloc(g->v, (g->count + 1) * sizeof(*p));
	if (!p)
		return NULL;
	g->v = p;
	p += g->count++;
	*p = (struct guarded_if){0};
	snprintf(p->ifname, sizeof(p->ifname), "%s", ifname);
	return p;
}

void guarded_fini(struct guarded *g)
{
	for (size_t i = 0; i < g->count; i++)
		guard_free(g->v[i].guard);
	free(g->v);
	*g = (struct guarded){0};
}

int guarded_put_bridge(struct guarded *g, const char *ifname, unsigned ifindex, unsigned to,
		       uint32_t peers)
{
	struct guarded_if *i = find(g, ifname);

	if (i && i->guard && i->ifindex == ifindex && guard_is_bridge(i->guard)) {
		guard_bridge_set(i->guard, to, peers);
		return guard_check(i->guard) < 0 ? -EIO : 0;
	}
	if (!i)
		i = add(g, ifname);
	if (!i)
		return -ENOMEM;
	guard_free(i->guard);
	i->ifindex = ifindex;
	i->guard = guard_new_bridge(ifname, ifindex, to, peers);
	return i->guard ? 0 : -errno;
}

void guarded_forget(struct guarded *g, const char *ifname)
{
	struct guarded_if *i = find(g, ifname);

	if (!i)
		return;
	guard_free(i->guard);
	*i = g->v[--g->count];
}

int guarded_put(struct guarded *g, const char *ifname, unsigned ifindex,
		const struct guard_rule *rules, unsigned count)
{
	struct guarded_if *i = find(g, ifname);

	if (i && i->guard && i->ifindex == ifindex && !guard_is_bridge(i->guard)) {
		int err = guard_rules_set(i->guard, rules, count);

		if (err)
			return err;
		return guard_check(i->guard) < 0 ? -EIO : 0;
	}
	if (!i)
		i = add(g, ifname);
	if (!i)
		return -ENOMEM;
	guard_free(i->guard);
	i->ifindex = ifindex;
	i->guard = guard_new(ifname, ifindex, rules, count);
	return i->guard ? 0 : -errno;
}

int guarded_rules(struct guarded_if *i, const struct guard_rule *rules, unsigned count)
{
	return i->guard && !guard_is_bridge(i->guard) ? guard_rules_set(i->guard, rules, count) : 0;
}

const struct guard *guarded_find(const struct guarded *g, const char *ifname)
{
	const struct guarded_if *i = find(g, ifname);

	return i ? i->guard : NULL;
}

/* Its guards cannot be put back: down, also when somebody sets it up meanwhile. Said once. */
static void shut(struct guarded_if *i, struct netlink *nl, const struct netlink_link *link)
{
	if (!i->shut)
		log_error(
			"%s: its guards cannot be put back; set down so that nothing leaves in clear "
			"(does `tc qdisc show dev %s` have an `ingress`? then delete that)",
			i->ifname, i->ifname);
	i->shut = true;
	if (link->up)
		(void)netlink_link_down(nl, i->ifindex);
}

static void unshut(struct guarded_if *i, struct netlink *nl)
{
	i->shut = netlink_link_up(nl, i->ifindex) < 0;
	if (!i->shut)
		log_info("%s: its guards stand again; set up", i->ifname);
}

void guarded_tick(struct guarded *g, struct netlink *nl)
{
	for (size_t n = 0; n < g->count; n++) {
		struct guarded_if *i = &g->v[n];
		struct netlink_link link;

		if (!i->guard || netlink_link_get(nl, i->ifname, &link) < 0 ||
		    link.ifindex != i->ifindex)
			continue;
		if (guard_check(i->guard) < 0)
			shut(i, nl, &link);
		else if (i->shut)
			unshut(i, nl);
	}
}
