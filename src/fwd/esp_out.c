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
#include "fwd/path.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define TCP_FLAGS_AT 13
#define TCP_SYN 0x02

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

	/* Room for the headers as they are copied, and for the longest trailer and ICV. */
	if (pkt_headroom(p) < ESP_OUTER_MAX + ESP_IV_MAX + sizeof(t->eth) + 2 ||
	    pkt_tailroom(f->pool, p) < 15 + ESP_TRAILER_LEN + ESP_ICV_MAX) {
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

static bool is_syn(const struct pkt *p, const struct ip *ip)
{
	return ip->protocol == IP_TCP && !ip->later && ip->len - ip->upper > TCP_FLAGS_AT &&
	       p->data[ip->upper + TCP_FLAGS_AT] & TCP_SYN;
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
		if (is_syn(p, &ip))
			ip_mss_clamp(p->data, &ip,
				     (uint16_t)(tunnel_room(f, t, sa) - ip.upper - 20));
		enter(f, t, sa, p, &ip, b);
	}
}

/* The header in front of the ESP header, by now at p->data, for a packet of `len` bytes. */
static void outer_finish(const struct sa *sa, uint8_t *outer, const struct esp_tx *x, uint32_t len,
			 uint16_t id)
{
	uint32_t udp = sa->esp.local.port ? UDP_HEAD_LEN : 0;
	uint32_t at = sa->esp.around - ESP_HEAD_LEN - udp;

	if (sa->esp.mode == ESP_TRANSPORT) {
		outer[x->insert_at] = udp ? IP_UDP : IP_ESP;
		if (outer[0] >> 4 == 4) {
			uint16_t sum = 0;

			memcpy(outer + 10, &sum, sizeof(sum));
			outer[2] = (uint8_t)(len >> 8);
			outer[3] = (uint8_t)len;
			sum = ip_checksum(ip_sum(outer, (outer[0] & 15u) * 4u));
			memcpy(outer + 10, &sum, sizeof(sum));
		} else {
			ip_len_set(outer, len);
		}
		at = x->insert;
	} else if (sa->esp.local.family == 4) {
		const uint16_t total = htobe16((uint16_t)len), flags = htobe16(x->df ? 0x4000 : 0);
		const uint16_t tos = htobe16(x->tos);
		uint16_t sum;

		id = x->df ? 0 : id; /* one that is never fragmented needs none (RFC 6864) */
		outer[1] = x->tos;
		memcpy(outer + 2, &total, 2);
		memcpy(outer + 4, &id, 2);
		memcpy(outer + 6, &flags, 2);
		sum = ip_checksum(sa->esp.head_sum + tos + total + id + flags);
		memcpy(outer + 10, &sum, 2);
	} else {
		outer[0] = (uint8_t)(6u << 4 | x->tos >> 4);
		outer[1] = (uint8_t)(x->tos << 4);
		ip_len_set(outer, len);
	}
	if (udp) {
		const uint16_t n = htobe16((uint16_t)(len - at));

		memcpy(outer + at + 4, &n, 2);
	}
}

/* Puts ESP's parts around the payload and tells the AEAD what to do. */
static void wrap(struct sa *sa, struct pkt *p, const struct esp_tx *x, struct aead_op *op,
		 uint8_t aad[12], uint64_t seq)
{
	uint8_t *payload = p->data + x->insert, *esp, *outer;
	uint32_t len = p->len - x->insert, iv = sa->esp.iv_len;
	unsigned pad = (unsigned)(-(len + ESP_TRAILER_LEN)) & (sa->esp.align - 1u);
	const uint64_t seq_be = htobe64(seq);
	uint8_t headers[IP6_HEAD_LEN];

	esp_trailer_build(payload + len, pad, x->next);
	esp = payload - iv - ESP_HEAD_LEN;
	outer = esp + ESP_HEAD_LEN - sa->esp.around - x->insert;
	if (!x->insert) {
		memcpy(esp + ESP_HEAD_LEN - ESP_OUTER_MAX, sa->esp.head, ESP_OUTER_MAX);
	} else if (x->insert <= sizeof(headers)) { /* what moves may not be overwritten first */
		memcpy(headers, p->data, x->insert);
		memcpy(esp + ESP_HEAD_LEN - ESP_OUTER_MAX, sa->esp.head, ESP_OUTER_MAX);
		memcpy(outer, headers, x->insert);
	} else {
		memmove(outer, p->data, x->insert);
		memcpy(outer + x->insert, sa->esp.head + ESP_OUTER_MAX - sa->esp.around,
		       sa->esp.around);
	}
	memcpy(esp + 4, (const uint8_t *)&seq_be + 4, 4);
	if (sa->esp.esn) {
		memcpy(aad, esp, 4);
		memcpy(aad + 4, &seq_be, 8);
		op->aad = aad;
		op->aad_len = 12;
	} else {
		op->aad = esp;
		op->aad_len = ESP_HEAD_LEN;
	}
	memcpy(op->nonce, sa->nonce, 4);
	memcpy(op->nonce + 4, &seq_be, 8);
	if (iv == sizeof(seq_be))
		memcpy(esp + ESP_HEAD_LEN, &seq_be, sizeof(seq_be));
	op->data = payload;
	op->len = len + pad + ESP_TRAILER_LEN;
	op->tag = payload + op->len;
	p->data = outer;
	p->len = (uint32_t)(op->tag + sa->esp.icv_len - outer);
	outer_finish(sa, outer, x, p->len, htobe16((uint16_t)seq));
}

/* IPv6 wants a checksum in UDP; over ciphertext, so it is made last. */
static void udp6_finish(const struct sa *sa, struct pkt *p, const struct esp_tx *x)
{
	uint32_t at = (x->insert ? x->insert : IP6_HEAD_LEN), len = p->len - at;
	uint16_t sum;

	if (!sa->esp.local.port || sa->esp.local.family != 6)
		return;
	sum = ip_checksum(ip_pseudo_sum(6, sa->esp.local.addr, sa->esp.remote.addr, IP_UDP, len) +
			  ip_sum(p->data + at, len));
	if (!sum)
		sum = UINT16_MAX;
	memcpy(p->data + at + 6, &sum, sizeof(sum));
}

static void eth_push(struct pkt *p, const struct fwd_tunnel *t, uint8_t family, uint8_t tos)
{
	const uint16_t type = htobe16(family == 4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6);

	p->data -= t->eth_len;
	p->len += t->eth_len;
	if (t->eth_len == ETH_HEAD_LEN) {
		memcpy(p->data, t->eth, ETH_HEAD_LEN);
	} else {
		memcpy(p->data, t->eth, t->eth_len);
		for (unsigned at = 14; at < t->eth_len; at += ETH_VLAN_TAG_LEN)
			p->data[at] |= tos & 0xe0; /* the IP precedence is the priority */
	}
	memcpy(p->data + t->eth_len - sizeof(type), &type, sizeof(type));
}

/* A run of packets of one SA. Returns how many are left, sealed, at v. */
static unsigned seal(struct fwd *f, struct sa *sa, struct pkt *v, struct esp_tx *x, unsigned n)
{
	uint64_t first, octets = 0;
	unsigned got = sa_reserve(sa, n, &first), k = 0;

	for (unsigned i = got; i < n; i++)
		fwd_drop(f, &v[i], FATE_DROP_PN_EXHAUSTED);
	for (unsigned i = 0; i < got; i++) {
		octets += v[i].len - x[i].insert;
		wrap(sa, &v[i], &x[i], &f->ops[i], f->aad[i], first + i);
	}
	aead_seal(sa->key, f->ops, got);
	for (unsigned i = 0; i < got; i++) {
		if (!f->ops[i].ok) {
			fwd_drop(f, &v[i], FATE_DROP_SEAL);
			continue;
		}
		udp6_finish(sa, &v[i], &x[i]);
		v[i].mark |= PKT_SEALED;
		eth_push(&v[i], x[i].tunnel, sa->esp.local.family, x[i].tos);
		pkt_keep(v, k++, i);
	}
	sa->esp.counts[ESP_PKTS] += k;
	sa->esp.counts[ESP_OCTETS] += octets;
	if (got < n)
		fwd_carriers(f);
	return k;
}

/* What a tunnel cannot be sent without. */
static enum fwd_fate way_out(const struct fwd_tunnel *t)
{
	static const uint8_t none[ETH_ADDR_LEN];

	if (!t->wan)
		return FATE_DROP_NO_PORT;
	return memcmp(t->tunnel->config.next_hop, none, sizeof(none)) ? FATE_SENT_WAN
								      : FATE_DROP_NO_NEXT_HOP;
}

void esp_flush(struct fwd *f, struct esp_batch *b)
{
	unsigned n = b->n;

	b->n = 0;
	for (unsigned i = 0, end; i < n; i = end) {
		struct fwd_tunnel *t = b->x[i].tunnel;
		enum fwd_fate fate = way_out(t);
		unsigned k;

		for (end = i + 1; end < n && b->x[end].sa == b->x[i].sa;)
			end++;
		if (fate != FATE_SENT_WAN) {
			for (unsigned j = i; j < end; j++)
				fwd_drop(f, &b->v[j], fate);
			continue;
		}
		k = seal(f, b->x[i].sa, b->v + i, b->x + i, end - i);
		if (k)
			guard_wan(f, t->wan, b->v + i, k);
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

void esp_out(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n)
{
	struct fwd_tunnel *t = NULL;
	uint8_t mac[ETH_ADDR_LEN] = {0};

	f->batch.n = 0;
	for (struct pkt *p = v; p < v + n; p++) {
		uint16_t type;

		if (p->len < ETH_HEAD_LEN) {
			fwd_drop(f, p, FATE_DROP_RUNT);
			continue;
		}
		type = (uint16_t)(p->data[12] << 8 | p->data[13]);
		if (type != ETH_TYPE_IPV4 && type != ETH_TYPE_IPV6) {
			fwd_drop(f, p, FATE_DROP_NOT_IP);
			continue;
		}
		if (!t || memcmp(mac, p->data, sizeof(mac)) != 0) {
			memcpy(mac, p->data, sizeof(mac));
			t = tunnel_by_mac(f, overlay, mac);
		}
		p->data += ETH_HEAD_LEN;
		p->len -= ETH_HEAD_LEN;
		if (mac[0] & 1)
			spread(f, overlay, p, &f->batch);
		else if (t)
			tunnel_send(f, t, p, &f->batch);
		else
			fwd_drop(f, p, FATE_DROP_NO_TUNNEL);
	}
	esp_flush(f, &f->batch);
}
