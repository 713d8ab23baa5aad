/*
 * iface: the descriptors that ports do I/O on, and the sysctls of their interfaces.
 *
 * All descriptors are non-blocking and close on exec; the caller owns them. Parent thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Makes the TAP interface (or fails when one of that name exists), link down, no carrier. It goes
 * with its last descriptor. Frames have virtio headers, and may be superframes. The descriptor or
 * -errno. */
int iface_tap_open(const char *ifname);

/* The same for the inside of a bridged lan port: with carrier, a long queue and room for the
 * longest frames. */
int iface_bridge_open(const char *ifname);
/* Has the interface receive frames for whomever, for as long as the descriptor is open. */
int iface_promisc_open(unsigned ifindex);

/* One kind of frame that a packet socket on a wan interface is given. What none of its rows names
 * is dropped in the kernel before it is queued. */
struct iface_row {
	uint16_t type;       /* EtherType, behind the tags */
	bool all;            /* whatever comes, whatever its type and tags */
	bool other_types;    /* every other EtherType instead */
	bool for_others;     /* frames for other hosts too: they are behind a bridge of ours */
	bool esp;            /* also ESP, UDP of port 4500, and ICMP that a packet is too big */
	uint16_t vlan;       /* 0: untagged or priority-tagged */
	uint16_t outer_type; /* TPID of a tag around it; 0: none */
	uint16_t outer_vlan;
};

#define IFACE_ROWS_MAX 64

/*
 * A raw packet socket bound to the interface. It receives what a row names and is for this host
 * or a group (or, if so wished, for anybody), from the wire only, with PACKET_AUXDATA: the kernel
 * takes the outermost tag out of the frame and tells it beside it.
 *
 * The socket is bound to all EtherTypes: for one bound to a single type the kernel has
 * forgotten the tag by the time the frame is handed over, and the guard has dropped it.
 */
int iface_packet_open(unsigned ifindex, const struct iface_row *rows, unsigned count);
/* Other rows for one that is open, at once. 0 or -errno. */
int iface_packet_filter(int fd, const struct iface_row *rows, unsigned count);
/* What it sends is marked, which the wan's guard wants of what may leave in clear. 0 or -errno. */
int iface_packet_mark(int fd, uint32_t mark);
/* Frames have virtio headers, and may be superframes. 0 or -errno. */
int iface_packet_superframes(int fd);
/* Has the interface hear frames for whomever, while the socket is open. 0 or -errno. */
int iface_packet_promisc(int fd, unsigned ifindex);
/* Hears what is sent to this group or address too; NULL: to every group. 0 or -errno. */
int iface_packet_join(int fd, unsigned ifindex, const uint8_t *address);

/*
 * A raw packet socket that receives the replies of a DHCP server: untagged, UDP to port 68, no
 * fragments, for this host or all. It hears them before the guard.
 */
int iface_dhcp_open(unsigned ifindex);

/*
 * A UDP socket of that local port, of one family (4 or 6), that hears what comes in by the interface
 * and sends out of it, and tells the local address of each datagram (IP_PKTINFO, IPV6_PKTINFO).
 * nat: only what bears the non-ESP marker is heard (RFC 3948 section 2.2). -EAFNOSUPPORT: the
 * kernel has no such family.
 */
int iface_udp_open(const char *ifname, uint8_t family, uint16_t port, bool nat);

/* Routes packets that come in by this interface. ipv6: also (of the whole namespace, since the
 * kernel has no finer switch). 0 or -errno. */
int iface_forwarding(const char *ifname, bool ipv6);

/* Has the kernel speak IPv6 on this interface, whatever is usual in the namespace. 0 or -errno. */
int iface_ipv6(const char *ifname);

/* Routes over this interface are out of use while it has no carrier. */
int iface_follow_carrier(const char *ifname);

/* Receive queues of the interface, as its driver uses them now; at least 1. */
unsigned iface_rx_queues(const char *ifname);
