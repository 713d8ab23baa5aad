/*
 * What the guard's programs and the parent share: the rules of one interface and its counters.
 * Compiled for both; fixed-width types only, multi-byte numbers in host order.
 */
#pragma once

#include "msg/rule.h"

#include <linux/types.h>

#define GUARD_PORTS 64                /* wan ports (VLANs) of one interface */
#define GUARD_RULES (GUARD_PORTS + 1) /* LLDP is the cable's, whichever port opens it */

enum guard_direction { GUARD_INGRESS, GUARD_EGRESS, GUARD_DIRECTIONS };

enum guard_class {
	GUARD_MACSEC,
	GUARD_EAPOL,
	GUARD_ARP_ND,
	GUARD_DHCP,
	GUARD_BGP,
	GUARD_LLDP,
	GUARD_SSH,
	GUARD_PING,
	GUARD_INTEGRITY, /* MACsec that is authenticated but not encrypted */
	GUARD_ESP,       /* ESP, or ESP in UDP: forward's */
	GUARD_IKE,       /* its keying: control's sockets */
	GUARD_ICMP,      /* what routers on the way say of either: forward's to judge */
	GUARD_BYPASSED,  /* in clear by a rule of the overlay, and sent by forward alone */
	GUARD_BRIDGED,   /* lan: between the interface and forward */
	GUARD_PEERED,    /* lan: a control protocol that is this machine's own */
	GUARD_CLEAR,     /* an overlay's own, where it may go in clear */
	GUARD_DROPPED,
	GUARD_CLASSES
};

/* What a dropped frame was: one of the classes above that its port does not allow, or one of these,
 * that no port ever does. */
enum guard_kind {
	GUARD_NO_PORT = GUARD_CLASSES, /* in tags that no port of ours has, or without any */
	GUARD_BAD_MACSEC,              /* a SecTAG that is not as it may be */
	GUARD_BAD_ESP,                 /* a reserved SPI, or cut short */
	GUARD_BAD_IKE,                 /* to IKE's ports, but not IKE */
	GUARD_FRAGMENT,                /* of an IPv4 packet: it shows no ports */
	GUARD_TRANSIT,                 /* IP between others, which the kernel routed or would */
	GUARD_IPV4,
	GUARD_IPV6,
	GUARD_OTHER,
	GUARD_KINDS
};

/* What a bridge's two interfaces mark on what they hand each other; "myel". */
#define GUARD_BRIDGE_MARK 0x6d79656c
/* What forward's socket on a wan marks: the kernel's own senders have no bypass. "myel" + 1 */
#define GUARD_FORWARD_MARK 0x6d79656d

/* The tags in clear of a port's frames. */
struct guard_tags {
	__u16 vlan;       /* 0: untagged */
	__u16 outer_type; /* TPID of a tag around it, 0: none */
	__u16 outer_vlan;
	__u16 zero;
};

struct guard_rule {
	struct guard_tags tags;
	__u16 eapol_type; /* 0: none */
	__u8 eapol_dst[6];
	__u32 allow; /* 1 << enum guard_class */
	__u8 rule_count;
	struct rule rules[RULES_MAX]; /* of the overlay on this port */
};
