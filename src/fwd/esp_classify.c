/*
 * esp_classify: what an IP packet from a wan port is, up to the SA it names (RFC 4303 section
 * 3.4, RFC 3948 section 3). Whatever the carrier delivers ends here by name.
 */
#include "fwd/path.h"
#include "sa/replay.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <string.h>

#define IKE_PORT 500

/* Takes the Ethernet header off, and the port's tags in clear. */
static enum fwd_fate eth_strip(const struct fwd_port *wan, struct pkt *p)
{
	struct rd r = rd_init(p->data, p->len);
	struct eth_clear e = eth_read_clear(&r);

	if (r.bad)
		return FATE_DROP_RUNT;
	if (e.tags != wan->tags)
		return e.tags > eth_tags(0, 0, ETH_VID_MASK) ? FATE_DROP_STAG : FATE_DROP_VLAN;
	if (e.type != ETH_TYPE_IPV4 && e.type != ETH_TYPE_IPV6)
		return FATE_DROP_CLEAR;
	p->data += r.p - p->data;
	p->len = (uint32_t)rd_left(&r);
	return FATE_SENT_OVERLAY;
}

/* UDP around ESP, or around what is not ESP (RFC 3948 section 2). */
static enum fwd_fate udp_open(struct esp_rx *rx, const struct ip *ip, const uint8_t *packet)
{
	struct rd r = rd_init(packet + ip->upper, ip->len - ip->upper);
	uint32_t len = ip->len - ip->upper, said;

	if (ip->sport == IKE_PORT || ip->dport == IKE_PORT)
		return FATE_DROP_IKE;
	rd_skip(&r, 4);
	said = rd_u16(&r);
	rd_skip(&r, 2);
	if (r.bad || said < UDP_HEAD_LEN || said > len)
		return FATE_DROP_OUTER_MALFORMED;
	if (said == UDP_HEAD_LEN + 1 && packet[ip->upper + UDP_HEAD_LEN] == 0xff)
		return FATE_DROP_KEEPALIVE;
	if (said < UDP_HEAD_LEN + ESP_HEAD_LEN)
		return FATE_DROP_ESP_SHORT;
	if (rd_u32(&r) == 0)
		return FATE_DROP_IKE; /* the non-ESP marker */
	rx->at = ip->upper + UDP_HEAD_LEN;
	rx->len = said - UDP_HEAD_LEN;
	rx->sport = ip->sport;
	return FATE_SENT_OVERLAY;
}

/* The outer header, of a whole packet: what came in pieces is put together first. */
static enum fwd_fate outer_parse(struct fwd *f, struct fwd_port *wan, struct pkt *p, struct ip *ip)
{
	enum fwd_fate fate;

	if (ip_parse(ip, p->data, p->len) != IP_OK)
		return FATE_DROP_OUTER_MALFORMED;
	if (!ip->fragment || (ip->protocol != IP_ESP && ip->protocol != IP_UDP))
		return FATE_SENT_OVERLAY;
	fate = reassemble(f, wan, p, ip);
	if (fate == FATE_SENT_OVERLAY && ip_parse(ip, p->data, p->len) != IP_OK)
		return FATE_DROP_OUTER_MALFORMED;
	return fate;
}

/* Where the ESP header is, and how much follows it. */
static enum fwd_fate outer_open(struct fwd *f, struct fwd_port *wan, struct pkt *p,
				struct esp_rx *rx, struct ip *ip)
{
	enum fwd_fate fate = outer_parse(f, wan, p, ip);

	if (fate != FATE_SENT_OVERLAY)
		return fate;
	*rx = (struct esp_rx){.at = ip->upper,
			      .len = ip->len - ip->upper,
			      .next_at = (uint16_t)ip->upper_at,
			      .tos = ip->tos,
			      .family = ip->family,
			      .src = ip->src};
	switch (ip->protocol) {
	case IP_ESP:
		return FATE_SENT_OVERLAY;
	case IP_UDP:
		return udp_open(rx, ip, p->data);
	case IP_ICMP:
	case IP_ICMPV6:
		return too_big_hear(f, wan, p->data, ip);
	default:
		return FATE_DROP_NOT_ESP;
	}
}

/* The SA of that SPI, if it is for this port, this address and this encapsulation. */
static enum fwd_fate sa_of(const struct fwd *f, const struct fwd_port *wan, const struct ip *ip,
			   const struct esp_rx *rx, uint32_t spi, struct sa **out)
{
	struct sa *sa = esp_lookup(f->sas, spi);
	bool udp = ip->protocol == IP_UDP;

	if (!sa || sa->esp.tunnel->config.wan != wan->id || sa->esp.local.family != ip->family ||
	    memcmp(sa->esp.local.addr, ip->dst, ip->family == 4 ? 4 : 16) != 0)
		return FATE_DROP_UNKNOWN_SPI;
	if (udp != (sa->esp.local.port != 0) || (udp && ip->dport != sa->esp.local.port))
		return FATE_DROP_ENCAPSULATION;
	if (rx->len < (uint32_t)ESP_HEAD_LEN + sa->esp.iv_len + sa->esp.icv_len + ESP_TRAILER_LEN)
		return FATE_DROP_ESP_SHORT;
	*out = sa;
	return FATE_SENT_OVERLAY;
}

enum fwd_fate esp_classify(struct fwd *f, struct fwd_port *wan, struct pkt *p, struct esp_rx *rx)
{
	enum fwd_fate fate = eth_strip(wan, p);

	return fate == FATE_SENT_OVERLAY ? esp_classify_ip(f, wan, p, rx) : fate;
}

enum fwd_fate esp_classify_ip(struct fwd *f, struct fwd_port *wan, struct pkt *p, struct esp_rx *rx)
{
	struct ip ip;
	enum fwd_fate fate;
	struct sa *sa = NULL;
	struct rd r;
	uint32_t spi, low;

	fate = outer_open(f, wan, p, rx, &ip);
	if (fate != FATE_SENT_OVERLAY)
		return fate;
	r = rd_init(p->data + rx->at, rx->len);
	spi = rd_u32(&r);
	low = rd_u32(&r);
	if (r.bad)
		return FATE_DROP_ESP_SHORT;
	fate = sa_of(f, wan, &ip, rx, spi, &sa);
	if (fate != FATE_SENT_OVERLAY)
		return fate;
	rx->sa = sa;
	rx->head = ip.upper;
	rx->len -= (uint32_t)ESP_HEAD_LEN + sa->esp.iv_len + sa->esp.icv_len;
	if (rx->len % sa->esp.align)
		return FATE_DROP_ESP_LENGTH;
	rx->seq = sa->esp.esn ? esp_esn_recover(low, sa->next, sa->window) : low;
	switch (rx->seq ? sa_replay_check(sa, rx->seq) : SA_LATE) {
	case SA_LATE:
		sa->esp.counts[ESP_REPLAY]++;
		return FATE_DROP_LATE;
	case SA_DUPLICATE:
		sa->esp.counts[ESP_REPLAY]++;
		return FATE_DROP_DUPLICATE;
	default:
		return FATE_SENT_OVERLAY;
	}
}
