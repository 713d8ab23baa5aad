/* pe_neigh: who has which MAC address on a PE-CE link. See provider.h. */
#include "lab/pe.h"

#include <stdlib.h>
#include <string.h>

enum { RS = 133, RA = 134, NS = 135, NA = 136 };

const uint8_t *pe_mac(struct pe_link *l, uint8_t family, const uint8_t addr[16], uint64_t now)
{
	for (size_t i = 0; i < PE_NEIGHBOURS; i++) {
		struct pe_neighbour *n = &l->neighbour[i];

		if (n->seen_ns && n->family == family && !memcmp(n->addr, addr, 16))
			return now - n->seen_ns <= PE_NEIGHBOUR_NS ? n->mac : NULL;
	}
	return NULL;
}

/* Sends what waited for this address. */
static void waiting_flush(struct provider *pr, struct pe_link *l, uint8_t family,
			  const uint8_t addr[16], uint64_t now)
{
	for (size_t i = 0; i < PE_WAITING; i++) {
		struct pe_waiting *w = &l->waiting[i];
		struct pe_packet pk = {
			.p = w->packet, .len = w->len, .family = w->family, .now = now};

		if (!w->since_ns || w->family != family || memcmp(w->next, addr, 16) != 0)
			continue;
		for (size_t k = 0; k < pr->link_count; k++)
			if (pr->links[k]->cfg.port == w->in)
				pk.in = pr->links[k];
		if (pk.in && now - w->since_ns <= PE_WAIT_NS)
			pe_transmit(pr, l, &pk, addr);
		free(w->packet);
		*w = (struct pe_waiting){0};
	}
}

void pe_learn(struct provider *pr, struct pe_link *l, uint8_t family, const uint8_t addr[16],
	      const uint8_t mac[6], uint64_t now)
{
	struct pe_neighbour *use = &l->neighbour[0];

	for (size_t i = 0; i < PE_NEIGHBOURS; i++) {
		struct pe_neighbour *n = &l->neighbour[i];

		if (n->seen_ns && n->family == family && !memcmp(n->addr, addr, 16)) {
			use = n;
			break;
		}
		if (n->seen_ns < use->seen_ns)
			use = n;
	}
	*use = (struct pe_neighbour){.seen_ns = now ? now : 1, .family = family};
	memcpy(use->addr, addr, 16);
	memcpy(use->mac, mac, 6);
	waiting_flush(pr, l, family, addr, now);
}

void pe_wait(struct provider *pr, struct pe_link *out, const struct pe_packet *pk,
	     const uint8_t next[16])
{
	struct pe_waiting *w = &out->waiting[0];

	for (size_t i = 1; i < PE_WAITING; i++)
		if (out->waiting[i].since_ns < w->since_ns)
			w = &out->waiting[i];
	if (w->since_ns) {
		pr->stats.unresolved++;
		free(w->packet);
	}
	*w = (struct pe_waiting){.since_ns = pk->now ? pk->now : 1,
				 .family = pk->family,
				 .in = pk->in->cfg.port,
				 .len = pk->len,
				 .packet = malloc(pk->len)};
	memcpy(w->next, next, 16);
	if (w->packet)
		memcpy(w->packet, pk->p, pk->len);
	else
		w->since_ns = 0;
}

static void arp_send(struct provider *pr, struct pe_link *l, uint8_t op, const uint8_t *to_mac,
		     const uint8_t *from, const uint8_t *to, uint64_t now)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0};
	uint8_t f[60] = {0};

	memcpy(f, op == 1 ? everybody : to_mac, 6);
	memcpy(f + 6, l->cfg.mac, 6);
	memcpy(f + 12, head, sizeof(head));
	f[21] = op;
	memcpy(f + 22, l->cfg.mac, 6);
	memcpy(f + 28, from, 4);
	if (op == 2)
		memcpy(f + 32, to_mac, 6);
	memcpy(f + 38, to, 4);
	pr->cfg.send(pr->cfg.ctx, l->cfg.port, l->cfg.port, f, sizeof(f), now);
}

void pe_arp(struct provider *pr, struct pe_link *l, const uint8_t *frame, size_t len, uint64_t now)
{
	static const uint8_t head[] = {0, 1, 0x08, 0, 6, 4, 0};
	const uint8_t *own = pe_own(l, 4);
	uint8_t from[16] = {0};

	if (len < 42 || !own || memcmp(frame + 14, head, sizeof(head)) != 0)
		return;
	memcpy(from, frame + 28, 4);
	if (pe_get32(from) && pe_prefix_has(&l->cfg.gateway[0], 4, from))
		pe_learn(pr, l, 4, from, frame + 22, now);
	if (frame[21] == 1 && !memcmp(frame + 38, own, 4))
		arp_send(pr, l, 2, frame + 22, own, frame + 28, now);
}

/* An ICMPv6 message of the PE to one MAC address. body: from the ICMPv6 type on. */
static void nd_send(struct provider *pr, struct pe_link *l, const uint8_t mac[6],
		    const uint8_t from[16], const uint8_t to[16], uint8_t *body, size_t len,
		    uint64_t now)
{
	uint8_t f[PE_ETH + PE_IP6 + 128] = {0}, *ip = f + PE_ETH;

	memcpy(f, mac, 6);
	memcpy(f + 6, l->cfg.mac, 6);
	pe_put16(f + 12, 0x86dd);
	ip[0] = 0x60;
	pe_put16(ip + 4, (unsigned)len);
	ip[6] = PE_ICMP6;
	ip[7] = 255;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
	pe_put16(body + 2, 0);
	memcpy(ip + PE_IP6, body, len);
	pe_put16(ip + PE_IP6 + 2,
		 pe_checksum(ip + PE_IP6, len, pe_pseudo6(ip, (uint32_t)len, PE_ICMP6)));
	pr->cfg.send(pr->cfg.ctx, l->cfg.port, l->cfg.port, f, PE_ETH + PE_IP6 + len, now);
}

void pe_ask(struct provider *pr, struct pe_link *l, uint8_t family, const uint8_t addr[16],
	    uint64_t now)
{
	const uint8_t *own = pe_own(l, family);
	uint8_t body[32] = {NS}, group[16] = {0xff, 0x02, [11] = 1, 0xff},
		mac[6] = {0x33, 0x33, 0xff};

	if (!own)
		return;
	if (family == 4) {
		arp_send(pr, l, 1, NULL, own, addr, now);
		return;
	}
	memcpy(group + 13, addr + 13, 3);
	memcpy(mac + 3, addr + 13, 3);
	memcpy(body + 8, addr, 16);
	body[24] = 1; /* source link-layer address */
	body[25] = 1;
	memcpy(body + 26, l->cfg.mac, 6);
	nd_send(pr, l, mac, own, group, body, sizeof(body), now);
}

static void na_send(struct provider *pr, struct pe_link *l, const uint8_t mac[6],
		    const uint8_t target[16], const uint8_t to[16], uint64_t now)
{
	uint8_t body[32] = {NA, [4] = 0xe0}; /* router, solicited, override */

	memcpy(body + 8, target, 16);
	body[24] = 2; /* target link-layer address */
	body[25] = 1;
	memcpy(body + 26, l->cfg.mac, 6);
	nd_send(pr, l, mac, target, to, body, sizeof(body), now);
}

/* A router advertisement with the link's prefix, for a customer that takes its address from it. */
static void ra_send(struct provider *pr, struct pe_link *l, const uint8_t mac[6],
		    const uint8_t to[16], uint64_t now)
{
	static const uint8_t from[16] = {0xfe, 0x80, [15] = 1};
	uint8_t body[16 + 8 + 32] = {RA, [4] = 64, [6] = 0x07, 0x08};
	const struct provider_prefix *net = &l->cfg.gateway[1];

	body[16] = 1; /* source link-layer address */
	body[17] = 1;
	memcpy(body + 18, l->cfg.mac, 6);
	body[24] = 3; /* prefix information: on-link, autonomous, for a day */
	body[25] = 4;
	body[26] = net->len;
	body[27] = 0xc0;
	pe_put32(body + 28, 86400);
	pe_put32(body + 32, 86400);
	memcpy(body + 40, net->addr, net->len / 8);
	nd_send(pr, l, mac, from, to, body, sizeof(body), now);
}

bool pe_nd(struct provider *pr, struct pe_packet *pk, const uint8_t *eth)
{
	static const uint8_t nobody[16], link_local[16] = {0xfe, 0x80, [15] = 1},
					 all_nodes[16] = {0xff, 0x02, [15] = 1},
					 all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	const uint8_t *from = pk->p + 8, *body = pk->p + PE_IP6, *own = pe_own(pk->in, 6);
	size_t len = pk->len - PE_IP6;
	bool named;

	if (pk->p[6] != PE_ICMP6 || len < 8 || body[0] < RS || body[0] > NA)
		return false;
	if (pk->p[7] != 255 || !own)
		return true; /* it came from further away, or nobody is here */
	named = memcmp(from, nobody, 16) != 0;
	if (body[0] == RS)
		ra_send(pr, pk->in, named ? eth + 6 : all_mac, named ? from : all_nodes, pk->now);
	if ((body[0] != NS && body[0] != NA) || len < 24)
		return true;
	if (body[0] == NA)
		pe_learn(pr, pk->in, 6, body + 8, eth + 6, pk->now);
	else if (named)
		pe_learn(pr, pk->in, 6, from, eth + 6, pk->now);
	if (body[0] == NS && (!memcmp(body + 8, own, 16) || !memcmp(body + 8, link_local, 16)))
		na_send(pr, pk->in, named ? eth + 6 : all_mac, body + 8, named ? from : all_nodes,
			pk->now);
	return true;
}
