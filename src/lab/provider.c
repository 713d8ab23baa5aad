/* provider: links, routes and the way of a packet between them. See provider.h. */
#include "lab/pe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint16_t pe_checksum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (; len > 1; p += 2, len -= 2)
		sum += pe_get16(p);
	if (len)
		sum += (uint32_t)*p << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t pe_pseudo6(const uint8_t *ip6, uint32_t len, uint8_t next)
{
	uint32_t sum = len + next;

	for (size_t i = 8; i < PE_IP6; i += 2)
		sum += pe_get16(ip6 + i);
	return sum;
}

bool pe_prefix_has(const struct provider_prefix *net, uint8_t family, const uint8_t addr[16])
{
	size_t bytes = net->len / 8, bits = net->len % 8;

	return net->family == family && !memcmp(net->addr, addr, bytes) &&
	       (!bits || !((net->addr[bytes] ^ addr[bytes]) >> (8 - bits)));
}

struct provider *provider_new(const struct provider_config *cfg)
{
	struct provider *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->cfg = *cfg;
	if (!p->cfg.core_mtu)
		p->cfg.core_mtu = cfg->mtu;
	p->routes = calloc(PROVIDER_ROUTES, sizeof(*p->routes));
	if (!p->routes) {
		free(p);
		return NULL;
	}
	return p;
}

void provider_free(struct provider *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->link_count; i++) {
		for (size_t k = 0; k < PE_WAITING; k++)
			free(p->links[i]->waiting[k].packet);
		free(p->links[i]->nat);
		free(p->links[i]);
	}
	free(p->routes);
	free(p);
}

const struct provider_stats *provider_stats(const struct provider *p)
{
	return &p->stats;
}

static int route_put(struct provider *p, const struct pe_route *r)
{
	if (p->route_count == PROVIDER_ROUTES)
		return -ENOSPC;
	p->routes[p->route_count++] = *r;
	return 0;
}

static int link_routes(struct provider *p, uint16_t index)
{
	const struct provider_link_config *c = &p->links[index]->cfg;
	int rc = 0;

	/* What is behind a translator has no route: it is its public address that has one. */
	if (c->nat_addr) {
		struct pe_route r = {.net = {.family = 4, .len = 32}, .link = index};

		pe_put32(r.net.addr, c->nat_addr);
		return route_put(p, &r);
	}
	for (size_t i = 0; i < 2 && !rc; i++)
		if (c->gateway[i].family)
			rc = route_put(p, &(struct pe_route){.net = c->gateway[i],
							     .link = index,
							     .connected = true});
	return rc;
}

int provider_link_add(struct provider *p, const struct provider_link_config *cfg)
{
	struct pe_link *l;

	if (p->link_count == PROVIDER_LINKS)
		return -ENOSPC;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->cfg = *cfg;
	if (cfg->nat_addr) {
		l->nat = calloc(1, sizeof(*l->nat));
		if (!l->nat) {
			free(l);
			return -ENOMEM;
		}
		nat44_init(l->nat, cfg->nat_addr,
			   p->cfg.nat_udp_ns ? p->cfg.nat_udp_ns : NAT44_UDP_NS);
	}
	p->links[p->link_count++] = l;
	return link_routes(p, (uint16_t)(p->link_count - 1));
}

static struct pe_link *link_find(const struct provider *p, uint16_t port, uint16_t *index)
{
	for (size_t i = 0; i < p->link_count; i++) {
		if (p->links[i]->cfg.port == port) {
			if (index)
				*index = (uint16_t)i;
			return p->links[i];
		}
	}
	return NULL;
}

int provider_route_add(struct provider *p, uint16_t port, const struct provider_prefix *net,
		       const uint8_t via[16])
{
	struct pe_route r = {.net = *net};

	if (!link_find(p, port, &r.link))
		return -ENOENT;
	memcpy(r.via, via, sizeof(r.via));
	return route_put(p, &r);
}

void provider_link_down(struct provider *p, uint16_t port)
{
	struct pe_link *l = link_find(p, port, NULL);

	if (!l)
		return;
	memset(l->neighbour, 0, sizeof(l->neighbour));
	if (l->nat)
		nat44_forget(l->nat);
}

static const struct pe_route *route_find(const struct provider *p, uint8_t family,
					 const uint8_t addr[16])
{
	const struct pe_route *best = NULL;

	for (size_t i = 0; i < p->route_count; i++) {
		const struct pe_route *r = &p->routes[i];

		if (pe_prefix_has(&r->net, family, addr) && (!best || r->net.len > best->net.len))
			best = r;
	}
	return best;
}

void pe_transmit(struct provider *pr, struct pe_link *out, const struct pe_packet *pk,
		 const uint8_t next[16])
{
	const uint8_t *mac = pe_mac(out, pk->family, next, pk->now);
	uint8_t frame[PROVIDER_FRAME_MAX];

	if (!mac) {
		pe_wait(pr, out, pk, next);
		pe_ask(pr, out, pk->family, next, pk->now);
		return;
	}
	memcpy(frame, mac, 6);
	memcpy(frame + 6, out->cfg.mac, 6);
	pe_put16(frame + 12, pk->family == 4 ? 0x0800 : 0x86dd);
	memcpy(frame + PE_ETH, pk->p, pk->len);
	pr->cfg.send(pr->cfg.ctx, pk->in->cfg.port, out->cfg.port, frame, PE_ETH + pk->len,
		     pk->now);
}

void pe_checksum_change(uint8_t *sum, uint32_t before, uint32_t after)
{
	uint32_t s = (uint16_t)~pe_get16(sum);

	s += (uint16_t) ~(before >> 16) + (uint32_t)(uint16_t)~before;
	s += (after >> 16) + (after & 0xffff);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	pe_put16(sum, (uint16_t)~s);
}

/* Where the transport header's port and checksum stand; false: there are none to translate. */
static bool l4_fields(struct pe_packet *pk, bool source, uint8_t **port, uint8_t **sum)
{
	size_t ihl = (size_t)(pk->p[0] & 0x0f) * 4;
	uint8_t *l4 = pk->p + ihl, protocol = pk->p[9];
	size_t left = pk->len - ihl;

	if (pe_get16(pk->p + 6) & 0x1fff)
		return false; /* a later fragment */
	if (protocol == PE_UDP && left >= 8) {
		*port = l4 + (source ? 0 : 2);
		*sum = pe_get16(l4 + 6) ? l4 + 6 : NULL;
		return true;
	}
	if (protocol == PE_TCP && left >= 20) {
		*port = l4 + (source ? 0 : 2);
		*sum = l4 + 16;
		return true;
	}
	if (protocol == PE_ICMP && left >= 8 && (l4[0] == 8 || l4[0] == 0)) {
		*port = l4 + 4;
		*sum = l4 + 2;
		return true;
	}
	return false;
}

static void rewrite(struct pe_packet *pk, size_t addr_at, uint32_t addr, uint8_t *port,
		    uint16_t number, uint8_t *sum)
{
	uint32_t before = pe_get32(pk->p + addr_at);
	bool pseudo = pk->p[9] != PE_ICMP;

	pe_checksum_change(pk->p + 10, before, addr);
	if (sum) {
		if (pseudo)
			pe_checksum_change(sum, before, addr);
		pe_checksum_change(sum, pe_get16(port), number);
	}
	pe_put32(pk->p + addr_at, addr);
	pe_put16(port, number);
}

/* The other end; an echo has none of its own beside its identifier. */
static struct nat44_remote remote_of(const struct pe_packet *pk, bool source)
{
	const uint8_t *l4 = pk->p + (size_t)(pk->p[0] & 0x0f) * 4;

	return (struct nat44_remote){
		.addr = pe_get32(source ? pe_source(pk) : pe_target(pk)),
		.port = pk->p[9] == PE_ICMP ? 0 : pe_get16(l4 + (source ? 0 : 2)),
	};
}

/* The customer's packet gets its address outside. */
static bool nat_outbound(struct provider *pr, struct pe_packet *pk)
{
	struct nat44 *n = pk->in->nat;
	uint8_t *port, *sum;
	uint16_t outside;

	if (!n)
		return true;
	if (pk->family != 4 || !l4_fields(pk, true, &port, &sum))
		goto refuse;
	outside = nat44_out(n, pk->p[9], pe_get32(pk->p + 12), pe_get16(port), remote_of(pk, false),
			    pk->now);
	if (!outside)
		goto refuse;
	rewrite(pk, 12, n->public_addr, port, outside, sum);
	return true;
refuse:
	pr->stats.nat_refused++;
	return false;
}

/* A packet to the customer's address outside gets the one inside. */
static bool nat_inbound(struct provider *pr, struct pe_link *out, struct pe_packet *pk)
{
	uint8_t *port, *sum;
	uint16_t inside;
	uint32_t addr;

	if (pe_error_untranslate(pk, out->nat))
		return true;
	if (!l4_fields(pk, false, &port, &sum) ||
	    !nat44_in(out->nat, pk->p[9], pe_get16(port), remote_of(pk, true), pk->now, &addr,
		      &inside)) {
		pr->stats.nat_refused++;
		return false;
	}
	rewrite(pk, 16, addr, port, inside, sum);
	return true;
}

static bool is_fragment(const struct pe_packet *pk)
{
	return pk->family == 4 ? pe_get16(pk->p + 6) & 0x3fff : pk->p[6] == PE_FRAGMENT6;
}

static bool core_faults(struct provider *pr, const struct pe_packet *pk)
{
	uint8_t protocol = pk->family == 4 ? pk->p[9] : pk->p[6];

	if (pr->cfg.faults & PROVIDER_NO_ESP && protocol == PE_ESP) {
		pr->stats.fault_esp++;
		return true;
	}
	if (pr->cfg.faults & PROVIDER_NO_FRAGMENTS && is_fragment(pk)) {
		pr->stats.fault_fragment++;
		return true;
	}
	return false;
}

/* Cuts an IPv4 packet into pieces that fit (RFC 791 3.2) and sends them on. */
static void fragment(struct provider *pr, struct pe_link *out, const struct pe_packet *pk,
		     const uint8_t next[16])
{
	size_t ihl = (size_t)(pk->p[0] & 0x0f) * 4, room = (pr->cfg.core_mtu - ihl) & ~(size_t)7;
	size_t body = pk->len - ihl, n;
	unsigned base = pe_get16(pk->p + 6);
	uint8_t b[PE_ETH + PROVIDER_FRAME_MAX];

	for (size_t at = 0; at < body; at += n) {
		struct pe_packet piece = *pk;
		bool more;

		n = body - at < room ? body - at : room;
		more = at + n < body || base & 0x2000;
		piece.p = b + PE_ETH;
		piece.len = ihl + n;
		memcpy(piece.p, pk->p, ihl);
		memcpy(piece.p + ihl, pk->p + ihl + at, n);
		pe_put16(piece.p + 2, (unsigned)piece.len);
		pe_put16(piece.p + 6,
			 (more ? 0x2000u : 0) | ((base & 0x1fff) + (unsigned)(at / 8)));
		pe_put16(piece.p + 10, 0);
		pe_put16(piece.p + 10, pe_checksum(piece.p, ihl, 0));
		pr->stats.fragmented++;
		if (pr->cfg.faults & PROVIDER_NO_FRAGMENTS)
			pr->stats.fault_fragment++;
		else
			pe_transmit(pr, out, &piece, next);
	}
}

/* From link to link: the core's MTU and faults, translation at the far end, the last hop. */
static void cross(struct provider *pr, struct pe_packet *pk, const struct pe_route *r)
{
	struct pe_link *out = pr->links[r->link];
	uint8_t next[16] = {0};

	if (core_faults(pr, pk))
		return;
	if (out->nat && !nat_inbound(pr, out, pk))
		return;
	memcpy(next, r->connected || out->nat ? pe_target(pk) : r->via, pe_addr_len(pk->family));
	if (pk->len <= pr->cfg.core_mtu) {
		pr->stats.forwarded++;
		pe_transmit(pr, out, pk, next);
		return;
	}
	if (pk->family == 4 && !(pk->p[6] & 0x40)) {
		pr->stats.forwarded++;
		fragment(pr, out, pk, next);
		return;
	}
	pr->stats.too_big++;
	if (!(pr->cfg.faults & PROVIDER_SILENT_MTU))
		pe_error(pr, pk, PE_TOO_BIG, pr->cfg.core_mtu);
}

void pe_forward(struct provider *pr, struct pe_packet *pk)
{
	uint8_t addr[16] = {0}, *ttl = pk->p + (pk->family == 4 ? 8 : 7);
	const struct pe_route *r;

	memcpy(addr, pe_target(pk), pe_addr_len(pk->family));
	r = route_find(pr, pk->family, addr);
	if (!r) {
		pr->stats.no_route++;
		pe_error(pr, pk, PE_NET_UNREACHABLE, 0);
		return;
	}
	if (*ttl <= 1) {
		pr->stats.ttl++;
		pe_error(pr, pk, PE_TTL, 0);
		return;
	}
	if (pk->family == 4)
		pe_checksum_change(pk->p + 10, pe_get16(ttl), pe_get16(ttl) - 0x100u);
	--*ttl;
	if (!nat_outbound(pr, pk))
		return;
	cross(pr, pk, r);
}

/* A whole packet with an address that a link may send from. */
static bool packet_check(struct provider *pr, struct pe_packet *pk)
{
	size_t ihl, total;

	if (pk->family == 4) {
		if (pk->len < PE_IP4 || pk->p[0] >> 4 != 4)
			goto bad;
		ihl = (size_t)(pk->p[0] & 0x0f) * 4;
		total = pe_get16(pk->p + 2);
		if (ihl < PE_IP4 || total < ihl || total > pk->len || pe_checksum(pk->p, ihl, 0))
			goto bad;
	} else {
		if (pk->len < PE_IP6 || pk->p[0] >> 4 != 6)
			goto bad;
		total = PE_IP6 + (size_t)pe_get16(pk->p + 4);
		if (total > pk->len)
			goto bad;
	}
	pk->len = total;
	return true;
bad:
	pr->stats.malformed++;
	return false;
}

static bool is_gateway(const struct pe_link *l, uint8_t family, const uint8_t *to)
{
	static const uint8_t link_local[16] = {0xfe, 0x80, [15] = 1};
	const uint8_t *own = pe_own(l, family);

	return (own && !memcmp(own, to, pe_addr_len(family))) ||
	       (family == 6 && !memcmp(to, link_local, 16));
}

/* An address of the link itself: nothing else comes in from a customer that has no routes here. */
static bool source_fits(const struct provider *pr, const struct pe_packet *pk)
{
	uint8_t from[16] = {0};
	const struct pe_route *r;

	memcpy(from, pe_source(pk), pe_addr_len(pk->family));
	if (pe_prefix_has(&pk->in->cfg.gateway[pk->family == 6], pk->family, from))
		return true;
	r = route_find(pr, pk->family, from);
	return r && pr->links[r->link] == pk->in;
}

static void ip_input(struct provider *pr, struct pe_packet *pk, const uint8_t *eth)
{
	const uint8_t *to;
	uint8_t from[16] = {0};

	if (!packet_check(pr, pk))
		return;
	to = pe_target(pk);
	if (pk->family == 4 && pe_is_dhcp(pk)) {
		pe_dhcp(pr, pk);
		return;
	}
	if (pk->family == 6 && pe_nd(pr, pk, eth))
		return;
	if (eth[0] & 1 || (pk->family == 4 && to[0] >= 224) || to[0] == 0xff)
		return; /* no group goes through an IP carrier */
	if (!source_fits(pr, pk)) {
		pr->stats.martian++;
		return;
	}
	memcpy(from, pe_source(pk), pe_addr_len(pk->family));
	if (pe_prefix_has(&pk->in->cfg.gateway[pk->family == 6], pk->family, from))
		pe_learn(pr, pk->in, pk->family, from, eth + 6, pk->now);
	if (is_gateway(pk->in, pk->family, to))
		pe_local(pr, pk);
	else
		pe_forward(pr, pk);
}

void provider_input(struct provider *p, uint16_t port, const uint8_t *frame, size_t len,
		    uint64_t now)
{
	struct pe_link *l = link_find(p, port, NULL);
	uint8_t b[PROVIDER_FRAME_MAX];
	struct pe_packet pk = {.p = b + PE_ETH, .in = l, .now = now};
	uint16_t type;

	if (!l || len < PE_ETH || len > sizeof(b))
		return;
	type = pe_get16(frame + 12);
	if (!(frame[0] & 1) && memcmp(frame, l->cfg.mac, 6) != 0)
		return; /* another box's */
	if (type == 0x0806) {
		pe_arp(p, l, frame, len, now);
		return;
	}
	if (type != 0x0800 && type != 0x86dd)
		return;
	memcpy(b, frame, len);
	pk.len = len - PE_ETH;
	pk.family = type == 0x0800 ? 4 : 6;
	ip_input(p, &pk, frame);
}
