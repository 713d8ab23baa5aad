/* Addresses and routes: made when their port is open, made again when their interface comes back, and
 * taken away when control names them no more. */
#include "myelind/wants_i.h"

#include "base/log.h"
#include "proc/iface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct netlink_route route_of(const struct want_port *p, const struct want_route *r)
{
	const struct msg_route_want *want = &r->want;
	struct netlink_route out = {
		.ifindex = p->ifindex,
		.family = want->family,
		.prefix = want->prefix,
		.metric = want->metric,
		.table = want->own_table ? NETLINK_TABLE + (uint32_t)want->port : 0,
		.via_family = want->via_family,
	};

	memcpy(out.dst, want->dst, sizeof(out.dst));
	memcpy(out.via, want->via, sizeof(out.via));
	if (!r->bare)
		memcpy(out.src, want->src, sizeof(out.src));
	return out;
}

static int route_put(struct wants *w, const struct want_port *p, const struct want_route *r)
{
	const struct netlink_route route = route_of(p, r);

	return netlink_route_put(w->nl, &route);
}

static void route_apply(struct wants *w, const struct want_port *p, struct want_route *r)
{
	int err;

	r->bare = false;
	err = route_put(w, p, r);
	/* Next hops of IPv6 need it on the overlay's interface, which is ours to say. */
	if (err == -EACCES && p->want.kind == MSG_PORT_OVERLAY && !iface_ipv6(p->want.ifname))
		err = route_put(w, p, r);
	if (err == -EINVAL) {
		r->bare = true;
		err = route_put(w, p, r);
	}
	if (err)
		log_warn("%s: cannot set a route: %s", p->want.ifname, strerror(-err));
}

/* The routes of other ports whose source is this address, there now. */
static void routes_from(struct wants *w, const struct msg_address_want *a)
{
	for (size_t i = 0; i < w->route_count; i++) {
		struct want_route *r = &w->routes[i];
		const struct want_port *p = want_port_find(w, r->want.port);

		if (p && p->open && r->want.family == a->family && r->want.port != a->port &&
		    !memcmp(r->want.src, a->addr, sizeof(a->addr)))
			route_apply(w, p, r);
	}
}

static void address_apply(struct wants *w, const struct want_port *p,
			  const struct msg_address_want *a)
{
	int err = netlink_address_add(w->nl, p->ifindex, a->family, a->prefix, a->addr);

	if (!err && a->own_table)
		err = netlink_rule_add(w->nl, a->family, a->addr, NETLINK_TABLE + a->port);

	/* The kernel's switch for IPv6 is one for the whole namespace, so it is touched only
	 * where IPv6 is routed. */
	if (!err && a->family == 6 && p->want.kind != MSG_PORT_WAN)
		err = iface_forwarding(p->want.ifname, true);
	if (err)
		log_warn("%s: cannot set its address: %s", p->want.ifname, strerror(-err));
	else
		routes_from(w, a);
}

void want_port_apply(struct wants *w, const struct want_port *p)
{
	for (size_t i = 0; i < w->address_count; i++)
		if (w->addresses[i].want.port == p->want.port)
			address_apply(w, p, &w->addresses[i].want);
	for (size_t i = 0; i < w->route_count; i++)
		if (w->routes[i].want.port == p->want.port)
			route_apply(w, p, &w->routes[i]);
	neighbours_apply(&w->neighbours, w->nl, p->want.port, p->ifindex);
}

void wants_address(struct wants *w, const struct msg_address_want *want)
{
	const struct want_port *p = want_port_find(w, want->port);
	struct want_address *a;

	for (size_t i = 0; i < w->address_count; i++)
		// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): as in wants_port()
		if (!memcmp(&w->addresses[i].want, want, sizeof(*want))) {
			w->addresses[i].named = true;
			return;
		}
	a = want_array_grow((void **)&w->addresses, &w->address_count, sizeof(*a));
	if (!a) {
		log_error("more addresses than can be held");
		return;
	}
	memcpy(&a->want, want, sizeof(*want));
	a->named = true;
	if (p && p->open)
		address_apply(w, p, want);
}

void wants_route(struct wants *w, const struct msg_route_want *want)
{
	const struct want_port *p = want_port_find(w, want->port);
	struct want_route *r;

	for (size_t i = 0; i < w->route_count; i++)
		// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): as in wants_port()
		if (!memcmp(&w->routes[i].want, want, sizeof(*want))) {
			w->routes[i].named = true;
			return;
		}
	r = want_array_grow((void **)&w->routes, &w->route_count, sizeof(*r));
	if (!r) {
		log_error("more routes than can be held");
		return;
	}
	memcpy(&r->want, want, sizeof(*want));
	r->named = true;
	if (p && p->open)
		route_apply(w, p, r);
}

void want_routes_prune(struct wants *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->route_count; i++) {
		const struct want_port *p = want_port_find(w, w->routes[i].want.port);

		if (w->routes[i].named) {
			w->routes[kept++] = w->routes[i];
		} else if (p && p->open) {
			struct netlink_route r = route_of(p, &w->routes[i]);

			(void)netlink_route_del(w->nl, &r);
		}
	}
	w->route_count = kept;
}

static void address_drop(struct wants *w, const struct want_port *p,
			 const struct msg_address_want *a)
{
	if (a->own_table)
		(void)netlink_rule_del(w->nl, a->family, a->addr, NETLINK_TABLE + a->port);
	(void)netlink_address_del(w->nl, p->ifindex, a->family, a->prefix, a->addr);
}

void want_addresses_prune(struct wants *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->address_count; i++) {
		const struct msg_address_want *a = &w->addresses[i].want;
		const struct want_port *p = want_port_find(w, a->port);

		if (w->addresses[i].named)
			w->addresses[kept++] = w->addresses[i];
		else if (p && p->open)
			address_drop(w, p, a);
	}
	w->address_count = kept;
}
