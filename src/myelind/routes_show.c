#include "base/clock.h"
#include "myelind/routes_i.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LIST_MAX 512 /* routes told one by one: those that lead into overlays first */

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{RTPROT_REDIRECT, "redirect"},
	{RTPROT_KERNEL, "kernel"},
	{RTPROT_BOOT, "boot"},
	{RTPROT_STATIC, "static"},
	{RTPROT_RA, "ra"},
	{RTPROT_ZEBRA, "zebra"},
	{RTPROT_BIRD, "bird"},
	{RTPROT_DHCP, "dhcp"},
	{RTPROT_KEEPALIVED, "keepalived"},
	{RTPROT_BABEL, "babel"},
	{77, "myelin"},
	{RTPROT_BGP, "bgp"},
	{RTPROT_ISIS, "isis"},
	{RTPROT_OSPF, "ospf"},
	{RTPROT_RIP, "rip"},
	{196, "static (zebra)"},
	{RTPROT_EIGRP, "eigrp"},
};

static const char *protocol_name(uint8_t number, char buf[8])
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].number == number)
			return protocols[i].name;
	snprintf(buf, 8, "%u", number);
	return buf;
}

static const char *addr_text(uint8_t family, const uint8_t *addr, char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, buf, INET6_ADDRSTRLEN);
}

static void route_show(struct js *list, const struct routes *r, const struct routes_route *x)
{
	uint16_t port = routes_port_of(r, x->key.ifindex);
	struct js *o = js_push_object(list);
	char addr[INET6_ADDRSTRLEN], number[8];

	js_set_format(o, "prefix", "%s/%u", addr_text(x->family, x->addr, addr), x->len);
	js_set_text(o, "protocol", protocol_name(x->protocol, number));
	js_set_u64(o, "metric", x->metric);
	js_set_text(o, "via", x->key.family ? addr_text(x->key.family, x->key.addr, addr) : NULL);
	js_set_text(o, "overlay", port ? r->ports[port].name : NULL);
	js_set_u64(o, "interface", x->key.ifindex);
	if (routes_usable(r, x->hop)) {
		const uint8_t *m = r->hops[x->hop].mac;

		js_set_format(o, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			      m[4], m[5]);
	} else {
		js_set_text(o, "mac", NULL);
	}
	js_set_text(o, "leads", routes_usable(r, x->hop) ? "overlay" : "kernel");
}

static void sources_show(struct js *o, const struct routes *r)
{
	size_t by[256] = {0};
	char number[8];

	for (uint32_t i = 0; i < r->top; i++)
		if (r->v[i].family)
			by[r->v[i].protocol]++;
	for (unsigned i = 0; i < 256; i++)
		if (by[i])
			js_set_u64(o, protocol_name((uint8_t)i, number), by[i]);
}

static void ports_show(struct js *list, const struct routes *r)
{
	for (uint16_t i = 1; i < FIB_PORTS; i++) {
		const struct routes_port *p = &r->ports[i];
		size_t hops = 0, routes = 0;
		struct js *o;

		if (!p->ifindex)
			continue;
		for (uint32_t k = 1; k < r->hop_top; k++)
			if (r->hops[k].key.ifindex == p->ifindex) {
				hops += r->hops[k].refs && routes_usable(r, (uint16_t)k);
				routes += r->hops[k].refs;
			}
		o = js_push_object(list);
		js_set_text(o, "overlay", p->name);
		js_set_u64(o, "routes", routes);
		js_set_u64(o, "next-hops", hops);
		js_set_bool(o, "forwards-ipv4", p->forward4);
		js_set_bool(o, "forwards-ipv6", p->forward6 && r->forward6_all);
	}
}

struct js *routes_show(struct routes *r, uint64_t now)
{
	struct js *j = js_object(), *list;
	const char *why = routes_trouble(r);
	size_t told = 0;

	(void)now;
	js_set_text(j, "state", why ? "kernel" : "live");
	js_set_text(j, "reason", why);
	js_set_u64(j, "routes", r->count);
	js_set_u64(j, "prefixes-ipv4", fib_count(r->fib, 4));
	js_set_u64(j, "prefixes-ipv6", fib_count(r->fib, 6));
	js_set_u64(j, "bytes", fib_used(r->fib));
	js_set_u64(j, "updates", r->updates);
	js_set_u64(j, "readings", r->readings);
	js_set_u64(j, "overruns", r->overruns);
	sources_show(js_set_object(j, "sources"), r);
	ports_show(js_set_array(j, "overlays"), r);
	list = js_set_array(j, "list");
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < r->top && told < LIST_MAX; i++) {
			const struct routes_route *x = &r->v[i];

			if (!x->family || x->table == RT_TABLE_LOCAL ||
			    routes_usable(r, x->hop) != !pass)
				continue;
			route_show(list, r, x);
			told++;
		}
	js_set_bool(j, "cut", told == LIST_MAX);
	return j;
}
