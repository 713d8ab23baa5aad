/*
 * DHCPv4 messages as a client sends and takes them (RFC 2131, options of RFC 2132), in whole
 * Ethernet frames: a client without an address has no other way. Pure codec, no state; safe from
 * any thread. Addresses are in host order.
 */
#pragma once

#include "base/wr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP_FRAME_MAX 618   /* bytes */
#define DHCP_MESSAGE_MIN 300 /* RFC 1542 2.1: shorter messages are padded to it */
#define DHCP_NAME_MAX 63

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
};

struct dhcp_msg {
	uint8_t type; /* enum dhcp_type */
	uint32_t xid;
	uint16_t secs;         /* since the client began */
	uint8_t chaddr[6];     /* the client's MAC address */
	uint32_t ciaddr;       /* the client's address, when it has one and can answer under it */
	uint32_t yiaddr;       /* reply: the address offered */
	uint32_t requested;    /* option 50; 0: absent, here and below */
	uint32_t server;       /* option 54 */
	uint32_t mask;         /* option 1 */
	uint32_t router;       /* option 3, the first of them */
	uint32_t lease_s;      /* option 51, seconds */
	uint32_t renew_s;      /* option 58 (T1) */
	uint32_t rebind_s;     /* option 59 (T2) */
	const char *host_name; /* option 12 of what is built; NULL: absent */
};

/*
 * Reads a server's reply from a frame without a VLAN tag: IPv4, not a fragment, checksums right,
 * UDP from port 67 to 68, BOOTREPLY over Ethernet with a message type. *from gets the MAC address
 * that sent it, in the frame. 0 or -EBADMSG.
 */
int dhcp_parse(struct dhcp_msg *m, const uint8_t **from, const uint8_t *frame, size_t len);

/*
 * Builds the frame of a client's message, at most DHCP_FRAME_MAX bytes: broadcast, or unicast to the
 * server's address and that MAC when `to` is not NULL (renewing; ciaddr is the source then).
 */
void dhcp_build(const struct dhcp_msg *m, const uint8_t *to, struct wr *w);
