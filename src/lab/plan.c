/* plan: a backbone laid out as a lab. See plan.h. */
#include "lab/plan.h"

#include "lab/geo.h"
#include "lab/provider.h"
#include "lab/view.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* A host stands at this number of its lan, the one after it where the node itself is there. */
#define HOST_NUMBER 10

const char *plan_address(const struct bb_prefix *a, char buf[46])
{
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, buf, 46);
}

const struct plan_node *plan_find_node(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->node_count; i++) {
		if (!strcmp(p->nodes[i].node->name, name))
			return &p->nodes[i];
	}
	return NULL;
}

const uint8_t *plan_find_mac(const struct plan *p, const struct bb_member *m)
{
	for (size_t i = 0; i < p->wire_count; i++) {
		if (m->node && m->port && p->wires[i].node->node == m->node &&
		    !strcmp(p->wires[i].ifname, m->port->interface))
			return p->wires[i].mac;
	}
	return NULL;
}

const struct plan_host *plan_find_host(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->host_count; i++) {
		if (!strcmp(p->hosts[i].name, name))
			return &p->hosts[i];
	}
	return NULL;
}

uint64_t plan_delay_ns(const struct plan *p, const struct bb_site *a, const struct bb_site *b)
{
	if (!a || !b || !a->located || !b->located)
		return 0;
	return (uint64_t)((double)geo_delay_ns(geo_distance_km(a->lat, a->lon, b->lat, b->lon)) *
			  p->delay_scale);
}

static struct bb_prefix host_address(const struct bb_prefix *node)
{
	struct bb_prefix a = *node;
	size_t last = a.family == 4 ? 3 : 15;
	size_t bits = a.family == 4 ? 32 : 128;

	for (size_t bit = a.len; bit < bits; bit++)
		a.addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	/* A lan too small for number 10 has a host at 2 or 3. */
	a.addr[last] |= a.len + 4u <= bits ? HOST_NUMBER : 2;
	if (!memcmp(a.addr, node->addr, sizeof(a.addr)))
		a.addr[last]++;
	return a;
}

/* On a bridged lan: where the node would be in the overlay's subnet, or in one of our own making
 * (RFC 2544's). */
static struct bb_prefix bridged_address(const struct plan *p, const struct plan_host *h)
{
	const struct bb_overlay *o = h->bridge;
	struct bb_prefix a = {.family = 4, .len = 24, .addr = {198, 18}};

	for (size_t i = 0; i < o->member_count; i++)
		if (o->members[i].node == h->node->node && o->members[i].has_address)
			return o->members[i].address;
	a.addr[2] = (uint8_t)(o - p->b->overlays);
	a.addr[3] = (uint8_t)(HOST_NUMBER + p->host_count);
	return a;
}

static void host_name(struct plan *p, struct plan_host *h)
{
	snprintf(h->name, sizeof(h->name), "host-%s", h->site->name);
	for (size_t i = 0; i < p->host_count; i++)
		if (!strcmp(p->hosts[i].name, h->name))
			snprintf(h->name, sizeof(h->name), "host-%.31s-%s", h->site->name,
				 h->bridge ? h->bridge->name : "lan");
	snprintf(h->netns, sizeof(h->netns), "%s.%s", p->name, h->name);
}

bool plan_hosts_meet(const struct plan_host *a, const struct plan_host *b)
{
	return a->bridge == b->bridge;
}

/* The host of the node's site, made when this is the site's first lan port, or the first that is
 * bridged into this overlay. */
static size_t host_get(struct plan *p, const struct plan_node *n, const struct bb_port *port)
{
	struct plan_host *h = &p->hosts[p->host_count];

	for (size_t i = 0; i < p->host_count; i++) {
		if (p->hosts[i].site == n->node->site && p->hosts[i].bridge == port->bridge)
			return i;
	}
	*h = (struct plan_host){.site = n->node->site, .bridge = port->bridge, .node = n};
	host_name(p, h);
	if (h->bridge)
		h->address[h->address_count++] = bridged_address(p, h);
	for (size_t i = 0; i < port->address_count && h->address_count < PLAN_ADDRS; i++) {
		h->gateway[h->address_count] = port->addresses[i];
		h->address[h->address_count++] = host_address(&port->addresses[i]);
	}
	return p->host_count++;
}

static void cable_add(struct plan *p, const struct plan_node *n, const struct bb_port *port)
{
	size_t host = host_get(p, n, port);

	p->hosts[host].cable_count++;
	p->cables[p->cable_count++] = (struct plan_cable){.node = n, .port = port, .host = host};
}

static void wire_add(struct plan *p, const struct plan_node *n, const struct bb_port *port)
{
	struct plan_wire *w = NULL;
	size_t mine = 0;
	uint16_t mtu;

	for (size_t i = 0; i < p->wire_count; i++) {
		if (p->wires[i].node != n)
			continue;
		mine++;
		if (!strcmp(p->wires[i].ifname, port->interface))
			w = &p->wires[i];
	}
	if (!w) {
		w = &p->wires[p->wire_count++];
		*w = (struct plan_wire){.node = n, .ifname = port->interface, .fd = -1};
		memcpy(w->mac,
		       (uint8_t[]){0x02, 'm', 'y', (uint8_t)(n->node->id >> 8),
				   (uint8_t)n->node->id, (uint8_t)mine},
		       6);
	}
	/* A TAP's MTU counts the tags in clear. */
	mtu = (uint16_t)(port->service->mtu + (port->outer_type ? 8 : port->vlan ? 4 : 0));
	if (w->mtu < mtu)
		w->mtu = mtu;
}

static void node_add(struct plan *p, const struct bb_node *node)
{
	struct plan_node *n = &p->nodes[p->node_count++];

	n->node = node;
	snprintf(n->netns, sizeof(n->netns), "%s.%s", p->name, node->name);
	for (size_t i = 0; i < node->port_count; i++) {
		const struct bb_port *port = &node->ports[i];

		if (!port->service)
			cable_add(p, n, port);
		else
			wire_add(p, n, port);
	}
}

struct plan *plan_new(const struct backbone *b, const char *name)
{
	struct plan *p = calloc(1, sizeof(*p));
	size_t ports = 0;

	if (!p)
		return NULL;
	for (size_t i = 0; i < b->node_count; i++)
		ports += b->nodes[i].port_count;
	p->b = b;
	p->delay_scale = 1.0;
	snprintf(p->name, sizeof(p->name), "%s", name ? name : b->name);
	p->nodes = calloc(b->node_count + 1, sizeof(*p->nodes));
	p->hosts = calloc(ports + 1, sizeof(*p->hosts));
	p->wires = calloc(ports + 1, sizeof(*p->wires));
	p->cables = calloc(ports + 1, sizeof(*p->cables));
	if (!p->nodes || !p->hosts || !p->wires || !p->cables)
		goto fail;
	for (size_t i = 0; i < b->node_count; i++)
		node_add(p, &b->nodes[i]);
	return p;
fail:
	plan_free(p);
	return NULL;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	free(p->nodes);
	free(p->hosts);
	free(p->wires);
	free(p->cables);
	free(p);
}

/* What may cross a port in clear besides MKPDUs, in the terms of the carrier's view. The bits of
 * `allow` are enum msg_allow; they are named again here, since the view shares nothing. */
static uint32_t allow_of(const struct bb_port *port)
{
	static const uint8_t to_view[] = {
		[1] = VIEW_ARP_ND, [2] = VIEW_DHCP, [3] = VIEW_BGP,
		[4] = VIEW_LLDP,   [5] = VIEW_SSH,  [6] = VIEW_PING,
	};
	uint32_t view = 0;

	for (unsigned i = 1; i < sizeof(to_view); i++) {
		if (port->allow & 1u << i)
			view |= 1u << to_view[i];
	}
	if (port->address_count || port->dhcp || port->slaac)
		view |= 1u << VIEW_ARP_ND;
	if (port->dhcp)
		view |= 1u << VIEW_DHCP;
	if (port->service->type != BB_ETHERNET)
		view |= 1u << VIEW_ESP | 1u << VIEW_IKE;
	return view;
}

/* An overlay over this service that may go in clear. */
static bool goes_clear(const struct plan *p, const struct bb_service *s)
{
	for (size_t i = 0; i < p->b->overlay_count; i++)
		for (size_t k = 0; k < p->b->overlays[i].over_count; k++)
			if (p->b->overlays[i].over[k] == s &&
			    p->b->overlays[i].macsec.should_secure)
				return true;
	return false;
}

static void eapol_types(const struct plan *p, const struct bb_service *s,
			uint16_t type[VIEW_EAPOL_TYPES])
{
	size_t n = 0;

	for (size_t i = 0; i < p->b->overlay_count && n < VIEW_EAPOL_TYPES; i++) {
		const struct bb_overlay *o = &p->b->overlays[i];

		for (size_t j = 0; o->keying == BB_MKA && j < o->over_count; j++) {
			if (o->over[j] == s && n < VIEW_EAPOL_TYPES)
				type[n++] = o->mka.ethertype;
		}
	}
}

static size_t wire_of(const struct plan *p, const struct bb_node *node, const char *ifname)
{
	for (size_t i = 0; i < p->wire_count; i++) {
		if (p->wires[i].node->node == node && !strcmp(p->wires[i].ifname, ifname))
			return i;
	}
	return 0; /* plan_new() made one of every wan port */
}

/* The rules of the overlay on a port, for the carrier's view. */
static void print_rules(const struct plan *p, const struct bb_node *n, const struct bb_port *port,
			size_t number, FILE *out)
{
	for (size_t i = 0; i < p->b->overlay_count; i++) {
		const struct bb_overlay *o = &p->b->overlays[i];
		bool here = false;

		for (size_t k = 0; k < o->member_count; k++)
			here |= o->members[k].node == n && o->members[k].port == port;
		for (size_t k = 0; here && k < o->rule_count; k++) {
			const struct rule *r = &o->rules[k].rule;

			fprintf(out, "rule %zu %d %d %u %x ", number, r->action == RULE_BYPASS,
				r->tagged, r->vlan, r->type);
			for (unsigned b = 0; b < 6; b++)
				fprintf(out, "%02x", r->dst[b]);
			fputs("/", out);
			for (unsigned b = 0; b < 6; b++)
				fprintf(out, "%02x", r->mask[b]);
			fputs("\n", out);
		}
	}
}

static void print_delays(const struct plan *p, const struct bb_site **site, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count; j++) {
			uint64_t ns = plan_delay_ns(p, site[i], site[j]);

			if (ns)
				fprintf(out, "delay %zu %zu %lu\n", i, j, ns);
		}
	}
}

static void print_prefix(const struct bb_prefix *p, FILE *out)
{
	if (!p) {
		fprintf(out, " 0:/0");
		return;
	}
	fprintf(out, " %u:", p->family);
	for (unsigned i = 0; i < (p->family == 4 ? 4u : 16u); i++)
		fprintf(out, "%02x", p->addr[i]);
	fprintf(out, "/%u", p->len);
}

/* The carrier's router at a port: the gateway of the port's address of a family, or NULL. */
static const struct bb_prefix *gateway_of(const struct bb_port *port, uint8_t family,
					  struct bb_prefix *g)
{
	if (!backbone_gateway(port, family))
		return NULL;
	*g = *backbone_gateway(port, family);
	for (size_t i = 0; i < port->address_count; i++) {
		if (port->addresses[i].family == family)
			g->len = port->addresses[i].len;
	}
	return g;
}

/* Behind a translator addresses are those of RFC 6598, in front of it and elsewhere those of
 * RFC 2544; the port's number tells them apart. */
static void print_router(const struct bb_port *port, size_t number, FILE *out)
{
	uint32_t net = (port->behind_nat ? 0x64400000u : 0xc6120000u) + (uint32_t)number * 256;
	struct bb_prefix g4, g6, leased = {.family = 4, .len = 24};

	memcpy(leased.addr,
	       (uint8_t[]){(uint8_t)(net >> 24), (uint8_t)(net >> 16), (uint8_t)(net >> 8), 1}, 4);
	fprintf(out, "pe %zu", number);
	print_prefix(port->dhcp ? &leased : gateway_of(port, 4, &g4), out);
	print_prefix(gateway_of(port, 6, &g6), out);
	fprintf(out, " %x %x\n", port->dhcp ? net + 2 : 0,
		port->behind_nat ? 0xc6130000u + (uint32_t)number : 0);
}

/* What `customer-routes` means: the site's networks lie behind the port. */
static void print_routes(const struct bb_node *n, const struct bb_port *port, size_t number,
			 FILE *out)
{
	for (size_t i = 0; n->site && i < n->site->network_count; i++) {
		const struct bb_prefix *via = NULL;

		for (size_t k = 0; k < port->address_count; k++) {
			if (port->addresses[k].family == n->site->networks[i].family)
				via = &port->addresses[k];
		}
		if (!via)
			continue;
		fprintf(out, "route %zu", number);
		print_prefix(&n->site->networks[i], out);
		print_prefix(via, out);
		fprintf(out, "\n");
	}
}

static void print_ip_service(size_t number, const struct bb_service *s, FILE *out)
{
	fprintf(out, "ip %zu %u %u %lu\n", number, s->emulate.path_mtu,
		(s->emulate.no_esp ? PROVIDER_NO_ESP : 0) |
			(s->emulate.no_fragments ? PROVIDER_NO_FRAGMENTS : 0) |
			(s->emulate.silent_mtu ? PROVIDER_SILENT_MTU : 0),
		s->emulate.nat_ns);
}

void plan_print_carrier(const struct plan *p, FILE *out)
{
	const struct bb_site *site[256];
	size_t count = 0;

	for (size_t i = 0; i < p->b->service_count; i++) {
		const struct bb_service *s = &p->b->services[i];

		fprintf(out, "service %s %s %d %u %u %u %u %lu %lu %lu\n", s->name,
			s->topology == BB_E_LINE ? "e-line" : "e-lan", s->emulate.tunnel_reserved,
			s->mtu, s->emulate.loss_ppm, s->emulate.reorder_ppm,
			s->emulate.duplicate_ppm, s->emulate.jitter_ns, s->emulate.rate,
			(unsigned long)s->emulate.burst);
		if (s->type != BB_ETHERNET)
			print_ip_service(i, s, out);
	}
	for (size_t i = 0; i < p->wire_count; i++) {
		fprintf(out, "tap %s %s %d\n", p->wires[i].node->node->name, p->wires[i].ifname,
			p->wires[i].fd);
	}
	for (size_t i = 0; i < p->node_count; i++) {
		const struct bb_node *n = p->nodes[i].node;

		for (size_t j = 0; j < n->port_count && count < 256; j++) {
			const struct bb_port *port = &n->ports[j];
			uint16_t e[VIEW_EAPOL_TYPES] = {0};

			if (!port->service)
				continue;
			eapol_types(p, port->service, e);
			fprintf(out, "port %td %zu %s %s %u %u %x %u %x,%x,%x,%x\n",
				port->service - p->b->services, wire_of(p, n, port->interface),
				n->name, port->name, port->vlan, port->outer_vlan, port->outer_type,
				allow_of(port) |
					(goes_clear(p, port->service) ? 1u << VIEW_CLEAR : 0),
				e[0], e[1], e[2], e[3]);
			if (port->service->type != BB_ETHERNET)
				print_router(port, count, out);
			if (port->service->customer_routes)
				print_routes(n, port, count, out);
			print_rules(p, n, port, count, out);
			site[count++] = n->site;
		}
	}
	print_delays(p, site, count, out);
}
