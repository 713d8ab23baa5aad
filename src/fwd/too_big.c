/*
 * too_big: ICMP about packet sizes, both ways (RFC 1191, RFC 8201, RFC 4301 section 8.2).
 *
 * To the inside we are the router that cannot pass a packet on. From the outside anybody can
 * send such a message: it is believed only if it quotes a packet that an SA of ours sent a short
 * while ago, by addresses, SPI and sequence number, which who does not see our packets cannot
 * know; it never takes a path below what every link carries, and is forgotten after ten minutes.
 */
#include "base/clock.h"
#include "fwd/path.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define PMTU_LIFE (600 * NS_PER_S)
#define PMTU_RECENT 65536 /* sequence numbers back that a quote may be */

void too_big_say(struct fwd *f, struct fwd_tunnel *t, const struct pkt *p, const struct ip *ip,
		 uint32_t mtu)
{
	static const uint8_t none[16];
	const struct tunnel_config *c = &t->tunnel->config;
	const uint8_t *from = ip->family == 4 ? c->inner4 : c->inner6;
	const uint16_t type = htobe16(ip->family == 4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6);
	struct pkt q;
	size_t n;

	if (!memcmp(from, none, ip->family == 4 ? 4 : 16) || f->icmp_made >= FWD_ICMP_TICK ||
	    f->pool->frame_max < ETH_HEAD_LEN + IP_TOO_BIG_MAX || !pkt_alloc(f->pool, &q))
		return;
	/* No IPv6 host sends packets smaller than that, whatever it is told (RFC 8200 section 5). */
	if (ip->family == 6 && mtu < IP6_MTU_MIN)
		mtu = IP6_MTU_MIN;
	n = ip_too_big_build(q.data + ETH_HEAD_LEN, p->data, ip, from, mtu);
	if (!n) {
		pkt_release(f->pool, &q);
		return;
	}
	f->icmp_made++;
	memcpy(q.data, t->overlay->mac, ETH_ADDR_LEN);
	memcpy(q.data + ETH_ADDR_LEN, c->peer, ETH_ADDR_LEN);
	memcpy(q.data + ETH_ADDRS_LEN, &type, sizeof(type));
	q.len = (uint32_t)(ETH_HEAD_LEN + n);
	q.mark = PKT_OWN;
	guard_overlay(f, t->overlay, &q, 1);
}

/* The transmit SA over that wan port that has sent the quoted packet, or NULL. */
static struct sa *quoted_sa(struct fwd *f, const struct fwd_port *wan, const struct ip_too_big *b)
{
	struct rd r = rd_init(b->quoted, b->quoted_len);
	bool udp = b->about.protocol == IP_UDP;
	uint32_t spi, low;

	if ((b->about.protocol != IP_ESP && !udp) || b->about.later)
		return NULL;
	rd_skip(&r, b->about.upper + (udp ? UDP_HEAD_LEN : 0u));
	spi = rd_u32(&r);
	low = rd_u32(&r);
	if (r.bad)
		return NULL;
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n)) {
		struct sa *sa = n->config.wan == wan->id ? n->tx : NULL;
		size_t len = b->about.family == 4 ? 4 : 16;

		while (sa && sa->esp.spi != spi)
			sa = sa->esp.next;
		if (!sa || sa->esp.local.family != b->about.family ||
		    memcmp(sa->esp.local.addr, b->about.src, len) != 0 ||
		    memcmp(sa->esp.remote.addr, b->about.dst, len) != 0 ||
		    udp != (sa->esp.local.port != 0) ||
		    (udp && (b->about.sport != sa->esp.local.port ||
			     b->about.dport != sa->esp.remote.port)))
			continue;
		/* The low half is enough: what is compared is a distance below 2^32. */
		if (low && (uint32_t)sa->next - 1 - low < PMTU_RECENT && sa->next > 1)
			return sa;
	}
	return NULL;
}

enum fwd_fate too_big_hear(struct fwd *f, struct fwd_port *wan, const uint8_t *packet,
			   const struct ip *ip)
{
	struct ip_too_big b;
	struct fwd_tunnel *t;
	struct sa *sa;
	uint32_t mtu;

	if (f->icmp_heard >= FWD_ICMP_TICK || !ip_too_big_parse(&b, packet, ip))
		return FATE_DROP_ICMP;
	f->icmp_heard++;
	sa = quoted_sa(f, wan, &b);
	if (!sa)
		return FATE_DROP_ICMP;
	t = &f->tunnels[sa->esp.tunnel->slot];
	mtu = b.mtu;
	if (mtu < (ip->family == 4 ? IP4_MTU_MIN : IP6_MTU_MIN))
		mtu = ip->family == 4 ? IP4_MTU_MIN : IP6_MTU_MIN;
	if (mtu >= tunnel_mtu(f, t))
		return FATE_DROP_ICMP;
	t->pmtu = (uint16_t)mtu;
	t->pmtu_until = f->now + PMTU_LIFE;
	f->epoch++;
	return FATE_HEARD_TOO_BIG;
}
