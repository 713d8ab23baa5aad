/*
 * esp_out: IP packets from an overlay, wrapped in ESP (RFC 4303 section 3.3) under the newest
 * transmit SA of their peer that is for them, and sent by the tunnel's wan port.
 *
 * The overlay is an Ethernet interface whose neighbours are the peers: the destination MAC
 * address says which one, a group address all of them. The Ethernet header ends here. What
 * exceeds a tunnel's MTU is fragmented before encryption or refused with ICMP; without an SA
 * nothing leaves.
 */
#include "base/clock.h"
#include "fwd/esp_wrap.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <string.h>

static bool selectors_fit(const struct sa *sa, const struct ip *ip)
{
	struct esp_flow local = {.family = ip->family,
				 .protocol = ip->protocol,
				 .has_ports = ip->has_ports,
				 .port = ip->sport,
				 .addr = ip->src};
	struct esp_flow remote = local;

	if (ip->family == 4 ? sa->esp.any4 : sa->esp.any6)
		return true;
	remote.port = ip->dport;
	remote.addr = ip->dst;
	return esp_ts_match(sa->esp.ts.local, sa->esp.ts.local_count, &local) &&
	       esp_ts_match(sa->esp.ts.remote, sa->esp.ts.remote_count, &remote);
}

/* The newest SA that is for the packet, or NULL. */
static struct sa *sa_choose(const struct fwd_tunnel *t, const struct ip *ip)
{
	struct sa *sa = t->tunnel->tx;

	while (sa && !selectors_fit(sa, ip))
		sa = sa->esp.next;
	return sa;
}

/* The packet waits for the tunnel's first SA, if it may. */
static void hold(struct fwd *f, struct fwd_tunnel *t, struct pkt *p)
{
	if (!t->tunnel->config.hold) {
		fwd_drop(f, p, FATE_DROP_NO_TX_SA);
		return;
	}
	if (t->held_count == FWD_HELD_MAX || f->held == FWD_HELD_ALL) {
		fwd_drop(f, p, FATE_DROP_HELD);
	} else {
		if (!t->held_count)
			t->held_until = f->now + 10 * NS_PER_S;
		t->held[t->held_count++] = *p;
		f->held++;
	}
	esp_acquire(f, t);
}

/* Bytes that an SA puts around an inner packet of `len`, so that all of it is an outer packet. */
static size_t outer_len(const struct sa *sa, const struct ip *ip)
{
	size_t head = sa->esp.around - ESP_HEAD_LEN, len = ip->len;

	if (sa->esp.mode == ESP_TRANSPORT) {
		head += ip->insert;
		len -= ip->insert;
	}
	return head + esp_len(&esp_suites[sa->suite], len);
}

static bool transport_fits(const struct sa *sa, const struct ip *ip)
{
	size_t n = ip->family == 4 ? 4 : 16;

	return !ip->fragment && ip->family == sa->esp.local.family &&
	       memcmp(ip->src, sa->esp.local.addr, n) == 0 &&
	       memcmp(ip->dst, sa->esp.remote.addr, n) == 0;
}

static uint8_t outer_tos(const struct tunnel_config *c, uint8_t tos)
{
	unsigned dscp = c->dscp == TUNNEL_DSCP_COPY ? tos & IP_TOS_DSCP : (unsigned)c->dscp << 2;

	return (uint8_t)(dscp | ip_ecn_encapsulate(tos));
}

static void enter(struct fwd *f, struct fwd_tunnel *t, struct sa *sa, struct pkt *p,
		  const struct ip *ip, struct esp_batch *b)
{
	const struct tunnel_config *c = &t->tunnel->config;
	uint8_t next = ip->family == 4 ? IP_IPV4 : IP_IPV6;

	if (pkt_headroom(p) < ESP_OUT_HEADROOM || pkt_tailroom(f->pool, p) < ESP_OUT_TAILROOM) {
		fwd_drop(f, p, FATE_DROP_NO_ROOM);
		return;
	}
	if (sa->esp.mode == ESP_TRANSPORT)
		next = p->data[ip->insert_at];
	b->x[b->n] = (struct esp_tx){
		.sa = sa,
		.tunnel = t,
		.insert = sa->esp.mode == ESP_TRANSPORT ? ip->insert : 0,
		.insert_at = (uint16_t)ip->insert_at,
		.next = next,
		.tos = outer_tos(c, ip->tos),
		.df = c->df == TUNNEL_DF_SET || (c->df == TUNNEL_DF_COPY && ip->df),
	};
	b->v[b->n++] = *p;
	if (b->n == PKT_BURST)
		esp_flush(f, b);
}

static void fragment(struct fwd *f, struct fwd_tunnel *t, struct sa *sa, struct pkt *p,
		     const struct ip *ip, struct esp_batch *b)
{
	uint32_t room = tunnel_room(f, t, sa), offset = 0;
	struct ip one;
	struct pkt q;
	size_t n;

	while (offset < ip->len - ip->upper) {
		if (!pkt_alloc(f->pool, &q)) {
			fwd_drop(f, p, FATE_DROP_NO_BUFFER);
			return;
		}
		n = room > f->pool->frame_max ? 0
					      : ip4_fragment(p->data, ip, room, &offset, q.data);
		if (!n || ip_parse(&one, q.data, n) != IP_OK) {
			pkt_release(f->pool, &q);
			fwd_drop(f, p, FATE_DROP_TOO_BIG);
			return;
		}
		q.len = (uint32_t)n;
		enter(f, t, sa, &q, &one, b);
	}
	fwd_drop(f, p, FATE_FRAGMENTED);
}

/* Too big for the tunnel: in pieces where its sender allows it, else he is told. */
static void too_big(struct fwd *f, struct fwd_tunnel *t, struct sa *sa, struct pkt *p,
		    const struct ip *ip, struct esp_batch *b)
{
	if (ip->family == 4 && !ip->df && sa->esp.mode == ESP_TUNNEL) {
		fragment(f, t, sa, p, ip, b);
		return;
	}
	too_big_say(f, t, p, ip, tunnel_room(f, t, sa));
	fwd_drop(f, p, FATE_DROP_TOO_BIG);
}

void tunnel_send(struct fwd *f, struct fwd_tunnel *t, struct pkt *p, struct esp_batch *b)
{
	struct sa *sa;
	struct ip ip;

	if (ip_parse(&ip, p->data, p->len) != IP_OK) {
		fwd_drop(f, p, FATE_DROP_INNER_MALFORMED);
		return;
	}
	p->len = ip.len; /* what pads the frame is no part of the packet */
	if (!t->tunnel->tx) {
		hold(f, t, p);
		return;
	}
	sa = sa_choose(t, &ip);
	if (!sa) {
		fwd_drop(f, p, FATE_DROP_NO_SELECTOR);
	} else if (sa->esp.mode == ESP_TRANSPORT && !transport_fits(sa, &ip)) {
		fwd_drop(f, p, FATE_DROP_TRANSPORT);
	} else if (outer_len(sa, &ip) > tunnel_mtu(f, t)) {
		too_big(f, t, sa, p, &ip, b);
	} else {
		if (ip.protocol == IP_TCP)
			ip_mss_clamp(p->data, &ip,
				     (uint16_t)(tunnel_room(f, t, sa) - ip.upper - 20));
		enter(f, t, sa, p, &ip, b);
	}
}

/* A copy for every peer of the overlay. */
static void spread(struct fwd *f, const struct fwd_port *overlay, struct pkt *p,
		   struct esp_batch *b)
{
	unsigned copies = 0;
	struct pkt q;

	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n)) {
		struct fwd_tunnel *t = &f->tunnels[n->slot];

		if (t->overlay != overlay || !n->tx) /* nobody is called for it */
			continue;
		if (!pkt_alloc(f->pool, &q)) {
			fwd_drop(f, p, FATE_DROP_NO_BUFFER);
			return;
		}
		memcpy(q.data, p->data, p->len);
		q.len = p->len;
		tunnel_send(f, t, &q, b);
		copies++;
	}
	fwd_drop(f, p, copies ? FATE_COPIED : FATE_DROP_NO_TUNNEL);
}

/* A frame that esp_express_out() leaves. */
static void one_out(struct fwd *f, struct fwd_port *overlay, struct pkt *p, struct esp_batch *b)
{
	struct fwd_tunnel *t;
	uint16_t type;

	if (p->len < ETH_HEAD_LEN) {
		fwd_drop(f, p, FATE_DROP_RUNT);
		return;
	}
	type = (uint16_t)(p->data[12] << 8 | p->data[13]);
	if (type != ETH_TYPE_IPV4 && type != ETH_TYPE_IPV6) {
		fwd_drop(f, p, FATE_DROP_NOT_IP);
		return;
	}
	t = p->data[0] & 1 ? NULL : tunnel_by_mac(f, overlay, p->data);
	p->data += ETH_HEAD_LEN;
	p->len -= ETH_HEAD_LEN;
	if (p->data[-ETH_HEAD_LEN] & 1)
		spread(f, overlay, p, b);
	else if (t)
		tunnel_send(f, t, p, b);
	else
		fwd_drop(f, p, FATE_DROP_NO_TUNNEL);
}

void esp_out(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n)
{
	f->batch.n = 0;
	for (unsigned i = 0; i < n;) {
		unsigned took = esp_express_out(f, overlay, v + i, n - i);

		i += took;
		if (!took)
			one_out(f, overlay, &v[i++], &f->batch);
	}
	esp_flush(f, &f->batch);
	esp_send(f);
}
