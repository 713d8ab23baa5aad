/*
 * carrier: services of IP. Each port's frames go to the service's routers (lab/provider.h), and
 * what those send travels like any other frame of the carrier's. See carrier.h.
 */
#include "lab/carrier.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRS 12
#define TAG 4

/* What provider_input() is at work on: its callback has the class of what came in. */
struct crossing {
	struct carrier *c;
	enum view_class class;
};

static size_t tag_put(uint8_t *b, size_t at, uint16_t type, uint16_t vlan)
{
	const uint8_t tag[TAG] = {(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(vlan >> 8),
				  (uint8_t)vlan};

	memcpy(b + at, tag, TAG);
	return at + TAG;
}

/* Takes a frame out of a router: behind the port's tags, and on its way. */
static void on_send(void *ctx, uint16_t in, uint16_t out, const uint8_t *frame, size_t len,
		    uint64_t now)
{
	const struct crossing *x = ctx;
	const struct view_tags *t = &x->c->ports[in].rule.tags;
	uint8_t b[CARRIER_FRAME_MAX + 2 * TAG];
	size_t at = ADDRS;

	memcpy(b, frame, ADDRS);
	if (t->outer_type)
		at = tag_put(b, at, t->outer_type, t->outer_vlan);
	if (t->vlan)
		at = tag_put(b, at, 0x8100, t->vlan);
	memcpy(b + at, frame + ADDRS, len - ADDRS);
	len += at - ADDRS;
	if (in == out)
		carrier_schedule(x->c, out, b, len, now);
	else
		carrier_forward(x->c, in, out, x->class, b, len, now);
}

void carrier_ip_input(struct carrier *c, uint16_t port, enum view_class class, const uint8_t *frame,
		      size_t len, uint64_t now)
{
	struct carrier_service *s = &c->services[c->ports[port].service];
	uint8_t b[CARRIER_FRAME_MAX];
	struct view_tags had;
	size_t n;

	*s->crossing = (struct crossing){.c = c, .class = class};
	if (!c->ports[port].rule.tags.vlan) {
		provider_input(s->provider, port, frame, len, now);
		return;
	}
	memcpy(b, frame, ADDRS);
	n = view_tags(frame, len, &had);
	memcpy(b + ADDRS, frame + ADDRS + n, len - ADDRS - n);
	provider_input(s->provider, port, b, len - n, now);
}

/* n bytes of hexadecimal digits; false: they are not. */
static bool hex(const char *text, uint8_t *out, size_t n)
{
	unsigned v;

	for (size_t i = 0; i < n; i++) {
		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return false;
		out[i] = (uint8_t)v;
	}
	return true;
}

/* An address as `4:c0000201/30` or `6:…/64`; `0:/0`: none. */
static bool prefix_parse(const char *text, struct provider_prefix *p)
{
	const char *slash = strchr(text, '/');

	*p = (struct provider_prefix){0};
	if (text[0] == '0')
		return true;
	if ((text[0] != '4' && text[0] != '6') || text[1] != ':' || !slash)
		return false;
	p->family = (uint8_t)(text[0] - '0');
	p->len = (uint8_t)strtoul(slash + 1, NULL, 10);
	return hex(text + 2, p->addr, p->family == 4 ? 4 : 16);
}

static bool service_ip(struct carrier *c, const char *line)
{
	struct provider_config cfg = {.send = on_send};
	struct carrier_service *s;
	unsigned service;

	if (sscanf(line, "ip %u %hu %u %lu", &service, &cfg.core_mtu, &cfg.faults,
		   &cfg.nat_udp_ns) != 4 ||
	    service >= c->service_count)
		return false;
	s = &c->services[service];
	cfg.mtu = s->mtu;
	cfg.ctx = s->crossing = calloc(1, sizeof(*s->crossing));
	s->provider = cfg.ctx ? provider_new(&cfg) : NULL;
	return s->provider;
}

static bool port_pe(struct carrier *c, const char *line)
{
	struct provider_link_config cfg = {.mac = {0x02, 'p', 'e'}};
	char v4[48], v6[48];

	if (sscanf(line, "pe %hu %47s %47s %x %x", &cfg.port, v4, v6, &cfg.dhcp_addr,
		   &cfg.nat_addr) != 5 ||
	    cfg.port >= c->port_count || !c->services[c->ports[cfg.port].service].provider ||
	    !prefix_parse(v4, &cfg.gateway[0]) || !prefix_parse(v6, &cfg.gateway[1]))
		return false;
	cfg.mac[4] = (uint8_t)(cfg.port >> 8);
	cfg.mac[5] = (uint8_t)cfg.port;
	return !provider_link_add(c->services[c->ports[cfg.port].service].provider, &cfg);
}

static bool port_route(struct carrier *c, const char *line)
{
	struct provider_prefix net, via;
	char to[48], by[48];
	unsigned short port;

	if (sscanf(line, "route %hu %47s %47s", &port, to, by) != 3 || port >= c->port_count ||
	    !c->services[c->ports[port].service].provider || !prefix_parse(to, &net) ||
	    !prefix_parse(by, &via))
		return false;
	return !provider_route_add(c->services[c->ports[port].service].provider, port, &net,
				   via.addr);
}

bool carrier_ip_statement(struct carrier *c, const char *line)
{
	return service_ip(c, line) || port_pe(c, line) || port_route(c, line);
}

void carrier_ip_fini(struct carrier_service *s)
{
	provider_free(s->provider);
	free(s->crossing);
}
