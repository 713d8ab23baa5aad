// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/*
 * The XDP program of a wan interface: what is surely forward's goes into the AF_XDP socket of its
 * receive queue, and everything else goes on to Linux, where packet sockets, the ingress guard and
 * the stack are. It drops nothing: a queue without a socket passes on its frames too.
 *
 * Forward's are, behind the tags in clear of a port and for this host's address or a group's: MACsec;
 * ESP that did not come in pieces; ESP in UDP by its marker that is not zero (RFC 3948 section 2.1),
 * while IKE's messages have a marker of zero and stay with the kernel's sockets. IP with options or
 * extension headers is the packet socket's to take.
 *
 * A tag that the driver has taken out of the frame is not seen here, and such a frame would pass for
 * an untagged one; so the parent sets no rule for untagged frames beside one for tagged ones.
 */
#include "proc/xdp_bpf.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_MACSEC 0x88e5
#define IKE_NAT_PORT 4500
#define ESP_HEAD_LEN 8 /* SPI and sequence number */
#define QUEUES 64

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_RULES);
	__type(key, struct guard_tags);
	__type(value, __u32);
} xdp_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xdp_sockets SEC(".maps");

__u8 xdp_mac[6] = {}; /* of the interface */

struct tag {
	__be16 tci, type;
};

static __always_inline int is_ours(const struct ethhdr *eth)
{
	if (eth->h_dest[0] & 1)
		return 1;
	for (int i = 0; i < 6; i++)
		if (eth->h_dest[i] != xdp_mac[i])
			return 0;
	return 1;
}

/* UDP at p: to the port of ESP, with more behind it than a keepalive, and its marker not zero. */
static __always_inline int is_esp_udp(const void *p, const void *end)
{
	const struct udphdr *udp = p;
	const __be32 *spi = (const void *)(udp + 1);

	return (const void *)(spi + 2) <= end && udp->dest == bpf_htons(IKE_NAT_PORT) &&
	       bpf_ntohs(udp->len) >= sizeof(*udp) + ESP_HEAD_LEN && *spi;
}

static __always_inline int is_esp4(const void *p, const void *end)
{
	const struct iphdr *ip = p;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 ||
	    (ip->frag_off & bpf_htons(0x3fff)))
		return 0;
	if (ip->protocol == IPPROTO_ESP)
		return 1;
	return ip->protocol == IPPROTO_UDP && is_esp_udp(ip + 1, end);
}

static __always_inline int is_esp6(const void *p, const void *end)
{
	const struct ipv6hdr *ip = p;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return 0;
	if (ip->nexthdr == IPPROTO_ESP)
		return 1;
	return ip->nexthdr == IPPROTO_UDP && is_esp_udp(ip + 1, end);
}

/* Takes the tags in clear in. Returns where what is behind them begins, or 0. */
static __always_inline const void *read_tags(const void *p, const void *end,
					     struct guard_tags *tags, __be16 *type)
{
	const struct tag *t = p;
	__be16 outer = *type;

	if (outer != bpf_htons(ETH_P_8021Q) && outer != bpf_htons(ETH_P_8021AD))
		return p;
	if ((const void *)(t + 1) > end)
		return 0;
	*type = t->type;
	tags->vlan = bpf_ntohs(t->tci) & 0xfff;
	t++;
	if (*type != bpf_htons(ETH_P_8021Q))
		return outer == bpf_htons(ETH_P_8021Q) ? t : 0;
	if ((const void *)(t + 1) > end)
		return 0;
	tags->outer_type = bpf_ntohs(outer);
	tags->outer_vlan = tags->vlan;
	tags->vlan = bpf_ntohs(t->tci) & 0xfff;
	*type = t->type;
	return t + 1;
}

static __always_inline int takes(const struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	struct guard_tags tags = {0};
	const __u32 *take;
	const void *p;
	__be16 type;

	if ((const void *)(eth + 1) > end)
		return 0;
	type = eth->h_proto;
	p = read_tags(eth + 1, end, &tags, &type);
	take = p ? bpf_map_lookup_elem(&xdp_rules, &tags) : 0;
	if (!take)
		return 0;
	if (type == bpf_htons(ETHERTYPE_MACSEC))
		return (*take & XDP_TAKE_MACSEC) && (is_ours(eth) || (*take & XDP_TAKE_OTHERS));
	if (!(*take & XDP_TAKE_ESP) || !is_ours(eth))
		return 0;
	if (type == bpf_htons(ETH_P_IP))
		return is_esp4(p, end);
	return type == bpf_htons(ETH_P_IPV6) && is_esp6(p, end);
}

SEC("xdp")
int xdp_take(struct xdp_md *ctx)
{
	return takes(ctx) ? (int)bpf_redirect_map(&xdp_sockets, ctx->rx_queue_index, XDP_PASS)
			  : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
