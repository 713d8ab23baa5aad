// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/*
 * The guards of a wan interface, as tc programs at clsact ingress and egress.
 *
 * Out go: MACsec frames that are encrypted, the overlays' own MKPDUs, and the exceptions that
 * the file names; MACsec frames that are not encrypted are one of these, ESP and IKE of the ports
 * that tunnels run over are others. In come the exceptions alone: ciphertext and MKPDUs have been
 * handed to our packet sockets, which stand before this hook, and are of no use to anybody behind
 * it; so are an overlay's frames in clear. All else is dropped, whatever the state of the daemon:
 * these programs hold everything they need.
 *
 * The outermost tag may stand in the frame or beside it (the kernel takes it out on receive and
 * may do so on transmit), a second one in the frame. The tags together must be those of a port,
 * whose rule they find; frames with none and with a priority tag are the untagged port's.
 */
#include "guard_bpf.h"
#include "wire/l2cp.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETHERTYPE_MACSEC 0x88e5
#define ETHERTYPE_LLDP 0x88cc
#define ETHERTYPE_EAPOL 0x888e
#define EAPOL_TYPE_MKA 5
#define AF_INET_ 2
#define AF_INET6_ 10

/* IEEE 802.1AE-2018 9.5, 9.7: TCI bits and the short length. */
#define TCI_V 0x80
#define TCI_ES 0x40
#define TCI_SC 0x20
#define TCI_SCB 0x10
#define TCI_E 0x08
#define TCI_C 0x04
#define SL_LIMIT 48
#define ICV_LEN 16
#define MIN_FRAME 60
#define TAGS_LEN 8 /* of two tags */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_RULES);
	__type(key, struct guard_tags);
	__type(value, struct guard_rule);
} guard_rules SEC(".maps");

__u64 guard_counts[GUARD_DIRECTIONS][GUARD_CLASSES] = {};
__u64 guard_drops[GUARD_DIRECTIONS][GUARD_KINDS] = {};

struct frame {
	__u32 at; /* offset behind the EtherType */
	__u16 type;
	__u8 dst[6];
	struct guard_tags tags;
};

/* Takes the tag at the EtherType in as the innermost so far. 0, or -1: cut short. */
static __always_inline int read_tag(struct __sk_buff *skb, struct frame *f, __u16 *vlan)
{
	__be16 tag[2];

	if (bpf_skb_load_bytes(skb, f->at, tag, sizeof(tag)) < 0)
		return -1;
	*vlan = bpf_ntohs(tag[0]) & 0xfff;
	f->type = bpf_ntohs(tag[1]);
	f->at += sizeof(tag);
	return 0;
}

/* 0, or -1: too short, or tags that no port has. */
static __always_inline int read_frame(struct __sk_buff *skb, struct frame *f)
{
	__u16 outer_type = 0, outer = 0, vlan = 0;
	struct ethhdr eth;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) < 0)
		return -1;
	__builtin_memcpy(f->dst, eth.h_dest, 6);
	f->at = sizeof(eth);
	f->type = bpf_ntohs(eth.h_proto);
	__builtin_memset(&f->tags, 0, sizeof(f->tags));
	if (skb->vlan_present) {
		outer_type = bpf_ntohs((__u16)skb->vlan_proto);
		outer = skb->vlan_tci & 0xfff;
	} else if (f->type == ETH_P_8021Q || f->type == ETH_P_8021AD) {
		outer_type = f->type;
		if (read_tag(skb, f, &outer) < 0)
			return -1;
	} else {
		return 0;
	}
	if (f->type == ETH_P_8021Q) {
		if (read_tag(skb, f, &vlan) < 0)
			return -1;
		f->tags.outer_type = outer_type;
		f->tags.outer_vlan = outer;
		f->tags.vlan = vlan;
		return 0;
	}
	f->tags.vlan = outer;
	return outer_type == ETH_P_8021Q ? 0 : -1; /* a service tag needs another in it */
}

/* MACsec, encrypted or for integrity only, or neither. */
static __always_inline int class_macsec(struct __sk_buff *skb, const struct frame *f)
{
	__u32 head = 6, body;
	int class;
	__u8 tag[2];

	if (bpf_skb_load_bytes(skb, f->at, tag, sizeof(tag)) < 0)
		return GUARD_BAD_MACSEC;
	switch (tag[0] & (TCI_V | TCI_E | TCI_C)) {
	case TCI_E | TCI_C:
		class = GUARD_MACSEC;
		break;
	case 0:
		class = GUARD_INTEGRITY;
		break;
	default:
		return GUARD_BAD_MACSEC;
	}
	if ((tag[0] & TCI_SC) && (tag[0] & (TCI_ES | TCI_SCB)))
		return GUARD_BAD_MACSEC;
	if (tag[0] & TCI_SC)
		head += 8;
	if (skb->gso_size || tag[1] >= SL_LIMIT || skb->len < f->at + head + ICV_LEN)
		return GUARD_BAD_MACSEC;
	body = skb->len - f->at - head - ICV_LEN;
	if (tag[1] ? body == tag[1] || (body > tag[1] && skb->len <= MIN_FRAME + TAGS_LEN)
		   : body >= SL_LIMIT)
		return class;
	return GUARD_BAD_MACSEC;
}

static __always_inline int is_mkpdu(struct __sk_buff *skb, const struct frame *f,
				    const struct guard_rule *r, int direction)
{
	__u8 head[2]; /* version, packet type */

	if (!r->eapol_type || f->type != r->eapol_type)
		return 0;
	/* What comes in may be for our own address where the partner sends to it. */
	for (int i = 0; i < 6; i++)
		if (direction == GUARD_EGRESS && f->dst[i] != r->eapol_dst[i])
			return 0;
	return bpf_skb_load_bytes(skb, f->at, head, sizeof(head)) == 0 && head[1] == EAPOL_TYPE_MKA;
}

/*
 * An exception is between the carrier and this machine. On the way out that is a packet that no
 * interface brought; on the way in one that the kernel would not forward.
 */
static __always_inline int is_own4(struct __sk_buff *skb, const struct iphdr *ip, int direction)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET_,
		.tos = ip->tos,
		.tot_len = bpf_ntohs(ip->tot_len),
		.ipv4_src = ip->saddr,
		.ipv4_dst = ip->daddr,
		.ifindex = skb->ifindex,
	};
	long ret;

	if (direction == GUARD_EGRESS)
		return skb->ingress_ifindex == 0;
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return ret == BPF_FIB_LKUP_RET_NOT_FWDED || ret == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline int is_own6(struct __sk_buff *skb, const struct ipv6hdr *ip, int direction)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET6_,
		.tot_len = bpf_ntohs(ip->payload_len),
		.ifindex = skb->ifindex,
	};
	long ret;

	if (direction == GUARD_EGRESS)
		return skb->ingress_ifindex == 0;
	__builtin_memcpy(fib.ipv6_src, &ip->saddr, 16);
	__builtin_memcpy(fib.ipv6_dst, &ip->daddr, 16);
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return ret == BPF_FIB_LKUP_RET_NOT_FWDED || ret == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline int either(__u16 a, __u16 b, __u16 port)
{
	return a == port || b == port;
}

/* other: what it is if it is none of these. */
static __always_inline int class_tcp(__u16 sport, __u16 dport, int other)
{
	if (either(sport, dport, 179))
		return GUARD_BGP;
	return either(sport, dport, 22) ? GUARD_SSH : other;
}

#define ESP_SPI_MIN 256 /* RFC 4303 2.1 */
#define ESP_LEN_MIN 40  /* header, IV, trailer, ICV of the suite that has least */
#define IKE_PORT 500
#define IKE_NAT_PORT 4500
#define IKE_HEAD_LEN 28
#define IKE_VERSION 0x20

static __always_inline int class_esp(struct __sk_buff *skb, __u32 at)
{
	__be32 spi;

	if (bpf_skb_load_bytes(skb, at, &spi, sizeof(spi)) < 0 || bpf_ntohl(spi) < ESP_SPI_MIN ||
	    skb->len < at + ESP_LEN_MIN || skb->gso_size)
		return GUARD_BAD_ESP;
	return GUARD_ESP;
}

/* Segments of a superframe that are looked at, at most: what has more is dropped. The kernel makes
 * no more of what is 64 kB and as long as this. */
#define SEGMENTS_MAX 128

/*
 * ESP in UDP in a superframe, which the kernel or the interface cuts into datagrams of gso_size behind
 * us: `at` is where the first payload begins. Each of them has to be what a datagram would have to be.
 */
static __always_inline int class_esp_segments(struct __sk_buff *skb, __u32 at)
{
	__u32 size = skb->gso_size, end = skb->len;

	for (int i = 0; i < SEGMENTS_MAX; i++) {
		__be32 spi;

		if (bpf_skb_load_bytes(skb, at, &spi, sizeof(spi)) < 0 ||
		    bpf_ntohl(spi) < ESP_SPI_MIN || size < ESP_LEN_MIN || at + ESP_LEN_MIN > end)
			return GUARD_BAD_ESP;
		at += size;
		if (at >= end)
			return GUARD_ESP;
	}
	return GUARD_BAD_ESP;
}

/* An IKE header (RFC 7296 section 3.1) whose message fills the datagram. */
static __always_inline int class_ike(struct __sk_buff *skb, __u32 at, __u32 len)
{
	__be32 said;
	__u8 version;

	if (bpf_skb_load_bytes(skb, at + 17, &version, sizeof(version)) < 0 ||
	    bpf_skb_load_bytes(skb, at + 24, &said, sizeof(said)) < 0)
		return GUARD_BAD_IKE;
	return (version & 0xf0) == IKE_VERSION && len >= IKE_HEAD_LEN && bpf_ntohl(said) == len
		       ? GUARD_IKE
		       : GUARD_BAD_IKE;
}

/* ESP's and IKE's UDP, at its header (RFC 3948 section 2); other: what it is when it is neither. */
static __always_inline int class_udp(struct __sk_buff *skb, __u32 at, const __be16 ports[2],
				     int other)
{
	__u16 sport = bpf_ntohs(ports[0]), dport = bpf_ntohs(ports[1]);
	__be16 said;
	__be32 word;
	__u32 len;
	__u8 one;

	if (bpf_skb_load_bytes(skb, at + 4, &said, sizeof(said)) < 0)
		return other;
	len = bpf_ntohs(said);
	if (len < 8)
		return other;
	len -= 8;
	at += 8;
	if (skb->gso_size)
		return either(sport, dport, IKE_NAT_PORT) ? class_esp_segments(skb, at) : other;
	if (either(sport, dport, IKE_PORT))
		return class_ike(skb, at, len);
	if (!either(sport, dport, IKE_NAT_PORT))
		return other;
	if (len == 1) /* a keepalive */
		return bpf_skb_load_bytes(skb, at, &one, 1) == 0 && one == 0xff ? GUARD_IKE
										: GUARD_BAD_IKE;
	if (bpf_skb_load_bytes(skb, at, &word, sizeof(word)) < 0)
		return GUARD_BAD_IKE;
	return word ? class_esp(skb, at) : class_ike(skb, at + 4, len - 4);
}

#define ICMP_HEAD_LEN 8

/*
 * An ICMP error, of either version, that quotes a packet of ESP or IKE: protocol or next header at
 * proto_at of the quoted header, UDP's ports behind `head` bytes of it. Only what is quoted right
 * behind a header without options is one: ours have none.
 */
static __always_inline int class_error(struct __sk_buff *skb, __u32 at, __u32 proto_at, __u32 head,
				       int other)
{
	__be16 ports[2];
	__u8 protocol;

	at += ICMP_HEAD_LEN;
	if (bpf_skb_load_bytes(skb, at + proto_at, &protocol, 1) < 0 ||
	    bpf_skb_load_bytes(skb, at + head, ports, sizeof(ports)) < 0)
		return other;
	if (protocol == IPPROTO_ESP)
		return GUARD_ICMP;
	return protocol == IPPROTO_UDP &&
			       (either(bpf_ntohs(ports[0]), bpf_ntohs(ports[1]), IKE_PORT) ||
				either(bpf_ntohs(ports[0]), bpf_ntohs(ports[1]), IKE_NAT_PORT))
		       ? GUARD_ICMP
		       : other;
}

static __always_inline int class_ip4(struct __sk_buff *skb, __u32 at, int direction)
{
	struct iphdr ip;
	__be16 ports[2];
	__u8 icmp;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
		return GUARD_IPV4;
	if (!is_own4(skb, &ip, direction))
		return GUARD_TRANSIT;
	/* A fragment shows no ports, or shows them for others that do not. */
	if (ip.frag_off & bpf_htons(0x3fff))
		return GUARD_FRAGMENT;
	at += ip.ihl * 4u;
	if (ip.protocol == IPPROTO_ESP)
		return class_esp(skb, at);
	if (ip.protocol == IPPROTO_ICMP) {
		if (bpf_skb_load_bytes(skb, at, &icmp, 1) < 0)
			return GUARD_IPV4;
		if (icmp == 3 || icmp == 11) /* unreachable, too big among it; time exceeded */
			return class_error(skb, at, 9, sizeof(ip), GUARD_IPV4);
		return icmp == 0 || icmp == 8 ? GUARD_PING : GUARD_IPV4;
	}
	if (bpf_skb_load_bytes(skb, at, ports, sizeof(ports)) < 0)
		return GUARD_IPV4;
	if (ip.protocol == IPPROTO_TCP)
		return class_tcp(bpf_ntohs(ports[0]), bpf_ntohs(ports[1]), GUARD_IPV4);
	if (ip.protocol == IPPROTO_UDP)
		return (ports[0] == bpf_htons(67) || ports[0] == bpf_htons(68)) &&
				       (ports[1] == bpf_htons(67) || ports[1] == bpf_htons(68))
			       ? GUARD_DHCP
			       : class_udp(skb, at, ports, GUARD_IPV4);
	return GUARD_IPV4;
}

static __always_inline int class_icmp6(struct __sk_buff *skb, __u32 at, __u8 hop_limit)
{
	__u8 type;

	if (bpf_skb_load_bytes(skb, at, &type, 1) < 0)
		return GUARD_IPV6;
	switch (type) {
	case 1: /* unreachable, too big, time exceeded */
	case 2:
	case 3:
		return class_error(skb, at, 6, sizeof(struct ipv6hdr), GUARD_IPV6);
	case 128:
	case 129:
		return GUARD_PING;
	case 133: /* router solicitation and advertisement: how an address is come by */
	case 134:
		return hop_limit == 255 ? GUARD_DHCP : GUARD_IPV6;
	case 135:
	case 136:
		return hop_limit == 255 ? GUARD_ARP_ND : GUARD_IPV6;
	}
	return GUARD_IPV6;
}

static __always_inline int class_ip6(struct __sk_buff *skb, __u32 at, int direction)
{
	struct ipv6hdr ip;
	__be16 ports[2];

	/* No extension header is looked behind: none of the exceptions needs one. */
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return GUARD_IPV6;
	if (!is_own6(skb, &ip, direction))
		return GUARD_TRANSIT;
	at += sizeof(ip);
	if (ip.nexthdr == IPPROTO_ESP)
		return class_esp(skb, at);
	if (ip.nexthdr == IPPROTO_ICMPV6)
		return class_icmp6(skb, at, ip.hop_limit);
	if (bpf_skb_load_bytes(skb, at, ports, sizeof(ports)) < 0)
		return GUARD_IPV6;
	if (ip.nexthdr == IPPROTO_TCP)
		return class_tcp(bpf_ntohs(ports[0]), bpf_ntohs(ports[1]), GUARD_IPV6);
	if (ip.nexthdr == IPPROTO_UDP)
		return (ports[0] == bpf_htons(546) && ports[1] == bpf_htons(547)) ||
				       (ports[0] == bpf_htons(547) && ports[1] == bpf_htons(546))
			       ? GUARD_DHCP
			       : class_udp(skb, at, ports, GUARD_IPV6);
	return GUARD_IPV6;
}

/* What a frame would be if it were allowed; not looking at any rule: an enum
 * guard_class or guard_kind. */
static __always_inline int class_of(struct __sk_buff *skb, const struct frame *f, int direction)
{
	switch (f->type) {
	case ETHERTYPE_MACSEC:
		return class_macsec(skb, f);
	case ETHERTYPE_EAPOL:
		return GUARD_EAPOL;
	case ETH_P_ARP:
		return GUARD_ARP_ND;
	case ETHERTYPE_LLDP:
		return GUARD_LLDP;
	case ETH_P_IP:
		return class_ip4(skb, f->at, direction);
	case ETH_P_IPV6:
		return class_ip6(skb, f->at, direction);
	case ETH_P_8021Q:
	case ETH_P_8021AD:
		return GUARD_NO_PORT;
	}
	return GUARD_OTHER;
}

static __always_inline int load16(struct __sk_buff *skb, __u32 at, __u16 *v)
{
	__be16 raw;

	if (bpf_skb_load_bytes(skb, at, &raw, sizeof(raw)) < 0)
		return -1;
	*v = bpf_ntohs(raw);
	return 0;
}

/* A frame in clear that a bypass rule is the first to match, behind the port's own tags. */
static __always_inline int is_bypassed(struct __sk_buff *skb, const struct guard_rule *r)
{
	__u16 type, tci, vlan = 0;
	__u32 at = 12;
	__u8 dst[6];

	if (bpf_skb_load_bytes(skb, 0, dst, sizeof(dst)) < 0 || load16(skb, at, &type) < 0)
		return 0;
	if (r->tags.outer_type) {
		if (type != r->tags.outer_type || load16(skb, at + 2, &tci) < 0 ||
		    (tci & 0xfff) != r->tags.outer_vlan || load16(skb, at + 4, &type) < 0)
			return 0;
		at += 4;
	}
	if (r->tags.vlan) {
		if (type != ETH_P_8021Q || load16(skb, at + 2, &tci) < 0 ||
		    (tci & 0xfff) != r->tags.vlan || load16(skb, at + 4, &type) < 0)
			return 0;
		at += 4;
	}
	if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		if (load16(skb, at + 2, &tci) < 0 || load16(skb, at + 4, &type) < 0)
			return 0;
		vlan = tci & 0xfff;
	}
	if (type == ETHERTYPE_MACSEC)
		return 0;
	for (int i = 0; i < RULES_MAX; i++) {
		if (i >= r->rule_count)
			break;
		if (rule_matches(&r->rules[i], dst, vlan, type))
			return r->rules[i].action == RULE_BYPASS;
	}
	return 0;
}

/* The rules are of the port with the frame's tags, or else of the one with all of them but the
 * innermost, which may be a host's. */
static __always_inline int bypass_fits(struct __sk_buff *skb, const struct frame *f, int tags)
{
	struct guard_tags at = {0};
	const struct guard_rule *r = tags ? bpf_map_lookup_elem(&guard_rules, &f->tags) : 0;

	if (!r && tags && f->tags.outer_type == ETH_P_8021Q) {
		at.vlan = f->tags.outer_vlan;
		r = bpf_map_lookup_elem(&guard_rules, &at);
		at.vlan = 0;
	}
	if (!r)
		r = bpf_map_lookup_elem(&guard_rules, &at);
	return r && is_bypassed(skb, r);
}

/*
 * A frame of an overlay that the file lets go in clear. Whether it does so now is forward's to
 * say, which has the keys; nothing with a SecTAG or of the keying is one.
 */
static __always_inline int may_be_clear(const struct frame *f, const struct guard_rule *r)
{
	return (r->allow & 1u << GUARD_CLEAR) && f->type != ETHERTYPE_MACSEC &&
	       f->type != ETHERTYPE_EAPOL && f->type != r->eapol_type && f->type != ETH_P_8021Q &&
	       f->type != ETH_P_8021AD;
}

/* What judge() says of a frame that is dropped, and why. */
#define DROP(kind) (0x100 | (kind))

/* A class that passes, or DROP(). */
static __always_inline int judge(struct __sk_buff *skb, int direction)
{
	const struct guard_rule *r;
	struct frame f;
	int class, tagged;

	tagged = read_frame(skb, &f);
	if (direction == GUARD_EGRESS && skb->mark == GUARD_FORWARD_MARK && !skb->vlan_present &&
	    bypass_fits(skb, &f, tagged == 0))
		return GUARD_BYPASSED;
	if (tagged < 0)
		return DROP(GUARD_NO_PORT);
	r = bpf_map_lookup_elem(&guard_rules, &f.tags);
	if (!r)
		return DROP(GUARD_NO_PORT);
	if (is_mkpdu(skb, &f, r, direction))
		return GUARD_EAPOL;
	class = class_of(skb, &f, direction);
	if (direction == GUARD_EGRESS && may_be_clear(&f, r) && skb->mark == GUARD_FORWARD_MARK)
		return GUARD_CLEAR;
	if (direction == GUARD_EGRESS && class == GUARD_ICMP)
		return DROP(class); /* errors are other machines' to send */
	if (class >= 0 && class < GUARD_DROPPED && (r->allow & 1u << class))
		return class;
	if (direction == GUARD_INGRESS && may_be_clear(&f, r))
		return GUARD_CLEAR;
	return DROP(class == GUARD_OTHER && f.type == r->eapol_type ? GUARD_EAPOL : class);
}

static __always_inline void count(int direction, int class)
{
	__sync_fetch_and_add(&guard_counts[direction][class], 1);
}

static __always_inline int guard(struct __sk_buff *skb, int direction)
{
	int class = judge(skb, direction);

	if (class < 0 || class >= GUARD_DROPPED) {
		__u32 kind = (__u32) class & 0xff;

		count(direction, GUARD_DROPPED);
		__sync_fetch_and_add(
			&guard_drops[direction][kind < GUARD_KINDS ? kind : GUARD_OTHER], 1);
		return TC_ACT_SHOT;
	}
	count(direction, class);
	if (direction == GUARD_INGRESS &&
	    (class == GUARD_MACSEC || class == GUARD_INTEGRITY || class == GUARD_EAPOL ||
	     class == GUARD_ESP || class == GUARD_ICMP || class == GUARD_CLEAR))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

/*
 * A lan port in a bridge, and the TAP behind which forward has it. Either hands to the other what
 * comes in, in one piece or segmented and with its checksums done by the kernel on the way, since
 * the TAP was made without offloads. So the machine's own stack is on neither: it hears nothing
 * that is not a control protocol left to it, and what it says itself is dropped.
 */
__u32 bridge_to = 0;    /* index of the other interface */
__u32 bridge_peers = 0; /* 1 << enum l2cp: left to the machine */

static __always_inline int is_peered(struct __sk_buff *skb)
{
	unsigned char head[14], body[L2CP_BODY] = {0};
	__u32 at = 12;

	if (!bridge_peers || bpf_skb_load_bytes(skb, 0, head, sizeof(head)) < 0)
		return 0;
	if (l2cp_u16(head + 12) == ETH_P_8021Q)
		at = 16;
	if (bpf_skb_load_bytes(skb, at, body, sizeof(body)) < 0 &&
	    bpf_skb_load_bytes(skb, at, body, 5) < 0)
		return 0;
	return bridge_peers >> (l2cp_is(head, body) & 31) & 1;
}

SEC("tc")
int bridge_ingress(struct __sk_buff *skb)
{
	if (is_peered(skb)) {
		count(GUARD_INGRESS, GUARD_PEERED);
		return TC_ACT_OK;
	}
	count(GUARD_INGRESS, GUARD_BRIDGED);
	skb->mark = GUARD_BRIDGE_MARK;
	return bpf_redirect(bridge_to, 0);
}

SEC("tc")
int bridge_egress(struct __sk_buff *skb)
{
	if (skb->mark == GUARD_BRIDGE_MARK) {
		skb->mark = 0;
		count(GUARD_EGRESS, GUARD_BRIDGED);
		return TC_ACT_OK;
	}
	if (is_peered(skb)) {
		count(GUARD_EGRESS, GUARD_PEERED);
		return TC_ACT_OK;
	}
	count(GUARD_EGRESS, GUARD_DROPPED);
	return TC_ACT_SHOT;
}

SEC("tc")
int guard_ingress(struct __sk_buff *skb)
{
	return guard(skb, GUARD_INGRESS);
}

SEC("tc")
int guard_egress(struct __sk_buff *skb)
{
	return guard(skb, GUARD_EGRESS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
