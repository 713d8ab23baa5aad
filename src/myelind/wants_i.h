/*
 * wants_i: the inside of struct wants, shared by its files. Private to them.
 *
 *   wants.c         what is named, opened, told and looked after
 *   wants_open.c    how a port of each kind is opened
 *   wants_guard.c   what stands at a wan interface for all its ports: guards and packet sockets
 *   wants_reach.c   addresses and routes
 *   wants_xdp.c     AF_XDP on wan interfaces
 *   wants_transit.c whether packets between overlays may pass by the kernel
 */
#pragma once

#include "myelind/guarded.h"
#include "myelind/neighbours.h"
#include "myelind/wants.h"
#include "proc/hooks.h"
#include "proc/netlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#define WANTS_MAX 65536 /* of each kind: what a mad control could make the parent hold */

#define WANT_UDP 4

struct want_port {
	struct msg_port_want want;
	bool named; /* since control was started */
	bool open;
	bool up;   /* as last seen: addresses and routes go with it */
	bool link; /* as last told to forward */
	int error; /* what control was told last, 0: ready */
	unsigned ifindex;
	uint16_t mtu;
	uint8_t mac[6];
	/* -1: none. The wan ports of an interface have the same packet sockets, each its own
	 * descriptors of them: that is one look at a frame in the kernel, not one for each VLAN. */
	int fd;               /* forward's: packet socket or TAP */
	int eapol;            /* control's: packet socket */
	int promisc;          /* bridged lan: what has its interface hear everything */
	int dhcp;             /* control's too, for a port that gets its address so */
	int udp[WANT_UDP];    /* control's too, for IKE: see want_udp_kinds */
	unsigned udp_ifindex; /* of the interface that they are bound to */
};

/* The sockets of a wan port that tunnels run over. */
extern const struct msg_port_udp want_udp_kinds[WANT_UDP];

struct want_address {
	struct msg_address_want want;
	bool named;
};

struct want_route {
	struct msg_route_want want;
	bool bare; /* put without its source, which is no address of this host yet */
	bool named;
};

struct want_xdp; /* wants_xdp.c's */

struct wants {
	struct wants_say say;
	struct want_xdp **xdps; /* by interface */
	size_t xdp_count;
	int pool; /* forward's packets; -1: it has none that AF_XDP could use */
	size_t pool_size;
	struct netlink *nl;
	struct want_port *ports;
	size_t port_count;
	struct want_address *addresses;
	size_t address_count;
	struct want_route *routes;
	size_t route_count;
	struct neighbours neighbours;
	struct guarded guarded;
	uint8_t cut;                /* enum msg_cut */
	struct msg_transit transit; /* as last told */
};

static inline void want_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What the interface must carry besides the MTU. The kernel gives a single 802.1Q tag room of its
 * own and no other: a frame with two counts with both of them. */
static inline uint16_t want_tags_room(const struct msg_port_want *want)
{
	return want->outer_type ? 8 : 0;
}

/* Bytes; 0: whatever it has. */
static inline uint16_t want_mtu(const struct msg_port_want *want)
{
	return want->mtu ? (uint16_t)(want->mtu + want_tags_room(want)) : 0;
}

/* wants.c */
struct want_port *want_port_find(struct wants *w, uint16_t id);
/* A zeroed element more in an array of any of the above; NULL when there are too many. */
void *want_array_grow(void **array, size_t *count, size_t size);

/* wants_open.c. Those that open a port return 0, or -errno and name the step in *what. */
int want_wan_open(struct wants *w, struct want_port *p, const char **what);
int want_overlay_open(struct wants *w, struct want_port *p, const char **what);
int want_lan_open(struct wants *w, struct want_port *p, const char **what);
/* The interface behind which forward has a bridged lan port. */
void want_inside_name(const struct want_port *p, char name[16]);
/* IKE's sockets, where there is to be IKE. They outlast the port's closing: what control holds of
 * them would stand in the way of others at the same interface. 0 or -errno. */
int want_udp_open(struct want_port *p);
void want_udp_close(struct want_port *p);

/* wants_guard.c */
/* The rules of all wan ports on this interface. Returns how many. */
unsigned want_rules_collect(const struct wants *w, const char *ifname,
			    struct guard_rule rules[GUARD_RULES]);
/* The interface's guards stand and have the rules of all its ports. 0 or -errno. */
int want_guards_put(struct wants *w, const char *ifname, unsigned ifindex);
/* Another descriptor of a packet socket that a port of this interface has, told what all its ports
 * are to hear; or -errno. */
int want_socket_get(const struct wants *w, const struct want_port *p, bool eapol);
/* A port went, or has other frames: the sockets of those that stay are told. */
void want_sockets_tell(const struct wants *w, const char *ifname);
/* The keying's socket of a wan port, if it has keying. 0 or -errno. */
int want_eapol_open(const struct wants *w, struct want_port *p);

/* wants_reach.c */
/* The port is open: its addresses, routes and neighbours are set. */
void want_port_apply(struct wants *w, const struct want_port *p);
void want_routes_prune(struct wants *w);
void want_addresses_prune(struct wants *w);

/* wants_xdp.c */
/* Looks at every interface on which AF_XDP is wanted, or was. */
void want_xdp_look(struct wants *w);
/* Tells control, which does not know it yet, how the frames of a port that wants it come and go. */
void want_xdp_tell(struct wants *w, const struct want_port *p);
void want_xdp_fini(struct wants *w);

/* wants_transit.c */
/* Nothing is to pass by the kernel before control says so. */
void want_transit_init(struct wants *w);
/* Looks, and tells what changed. */
void want_transit_look(struct wants *w);
/* Tells a forward that was just started. */
void want_transit_give(struct wants *w);
