/*
 * backbone: the whole file as plain C structures, references resolved, templates and tags
 * expanded, defaults filled in. Made from a checked tree (config/tree.h); read-only afterwards.
 * Everything belongs to the struct backbone and goes with backbone_free().
 */
#pragma once

#include "msg/rule.h"
#include "wire/l2cp.h"
#include "wire/macsec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bb_prefix {
	uint8_t family;   /* 4 or 6 */
	uint8_t len;      /* bits */
	uint8_t addr[16]; /* as written: host bits are kept for interface addresses */
};

struct bb_site {
	const char *name;
	bool located;
	double lat, lon; /* degrees */
	struct bb_prefix *networks;
	size_t network_count;
};

enum bb_service_type { BB_ETHERNET, BB_IP, BB_INTERNET };
enum bb_topology { BB_E_LAN, BB_E_LINE };

struct bb_service {
	const char *name, *provider; /* provider may be NULL */
	enum bb_service_type type;
	enum bb_topology topology;
	uint16_t mtu;         /* bytes of Ethernet payload after the tags in clear */
	bool customer_routes; /* ip: its routers know the sites' networks */
	struct {              /* the lab's carrier */
		uint32_t loss_ppm;
		uint64_t jitter_ns;
		uint32_t reorder_ppm, duplicate_ppm;
		uint64_t rate;        /* bit/s each port is policed to, 0: not */
		uint32_t burst;       /* octets */
		bool tunnel_reserved; /* carries 01:80:c2:00:00:00-0f */
		uint16_t path_mtu;    /* of an IP service's core; 0: mtu */
		uint64_t nat_ns;      /* life of a UDP mapping */
		bool no_esp, no_fragments, silent_mtu;
	} emulate;
};

struct bb_overlay;

struct bb_port {
	const char *name, *interface;
	uint16_t vlan;                    /* 0: untagged */
	uint16_t outer_type, outer_vlan;  /* TPID and VLAN of a tag around it; 0: none */
	uint16_t port_id;                 /* of its SCIs, see backbone_port_id() */
	const struct bb_service *service; /* NULL: a lan port */
	struct bb_prefix *addresses;
	size_t address_count;
	bool dhcp, slaac;
	bool xdp; /* `io af-xdp` */
	bool behind_nat;
	struct bb_prefix gateway[2];     /* of IPv4, of IPv6; family 0: none */
	uint32_t allow;                  /* enum msg_allow values of `allow` */
	const struct bb_overlay *bridge; /* lan: what it is bridged into, or NULL */
	const char *unsupported; /* NULL, or why this version cannot run it; control refuses it */
};

struct bb_node {
	const char *name;
	uint16_t id;
	const struct bb_site *site;
	struct bb_port *ports;
	size_t port_count;
	uint8_t cut_through; /* enum msg_cut */
};

/* An identity as IKEv2 sends it (RFC 7296 §3.5); a node of ours is the FQDN that its name is. */
struct bb_identity {
	uint8_t type; /* enum ike_id_type; 0: none */
	uint16_t len;
	uint8_t b[256]; /* a DN in DER */
};

struct bb_peer {
	const char *name;
	const struct bb_site *site; /* may be NULL */
	const struct bb_service *service;
	struct bb_prefix *addresses; /* hosts */
	size_t address_count;
	struct bb_identity identity;
};

enum bb_design { BB_MACSEC, BB_IPSEC, BB_DMVPN, BB_GROUP };
enum bb_keying { BB_MKA, BB_IKEV2, BB_GIKEV2, BB_GDOI, BB_PSK };

struct bb_member {
	const struct bb_node *node; /* NULL: a peer */
	const struct bb_peer *peer;
	const struct bb_port
		*port; /* of node: where it attaches to the first service of `over` it has */
	bool has_address;
	struct bb_prefix address; /* in the overlay's subnet, with the subnet's prefix length */
	uint8_t priority;         /* MKA key server priority, 0 best, 255 never */
	uint16_t hub;             /* design ipsec, dmvpn: place in `hubs` from 1; 0: none */
};

enum bb_ssci_order { BB_SSCI_AUTO, BB_SSCI_SCI, BB_SSCI_LIST };

struct bb_mka {
	const char *key_chain; /* secret: the CAK and its CKN */
	const char *fallback;  /* secret, or NULL */
	uint8_t destination[6];
	uint16_t ethertype;
	uint64_t hello_ns, life_ns; /* 802.1X MKA Hello Time, MKA Life Time */
	uint64_t rekey_ns;          /* SAK lifetime, 0: by packet number alone */
	bool delay_protect;
	enum bb_ssci_order ssci_order;
	uint64_t keep_sak_ns; /* not of the standard: a SAK in use without live peers, 0: not */
};

struct bb_macsec {
	enum macsec_suite suite;
	enum macsec_conf conf;
	uint32_t window; /* packets */
	bool replay_protect;
	bool send_sci;
	bool should_secure; /* in clear while no key is in use; without it never */
	enum macsec_validate validate;
};

enum bb_auth { BB_AUTH_NONE, BB_AUTH_PSK, BB_AUTH_CA };

enum bb_df { BB_DF_COPY, BB_DF_SET, BB_DF_CLEAR };

/* design ipsec: IKEv2 and ESP. */
struct bb_ipsec {
	bool compatible; /* `proposal compatible` */
	bool on_demand;  /* a tunnel comes up with its first packet */
	bool encap;      /* UDP around ESP also where there is no NAT */
	bool pfs;        /* a fresh DH exchange with every rekey of a child SA */
	bool key_log;    /* debugging: keys in the form that Wireshark reads */
	const char *ppk; /* secret: a post-quantum pre-shared key and its identity, or NULL */
	bool ppk_required;
	uint8_t dscp;    /* of outer packets; 255: copied */
	enum bb_df df;   /* of outer IPv4 packets */
	uint32_t window; /* replay window, packets */
	uint64_t ike_rekey_ns, ike_reauth_ns, child_rekey_ns, dpd_ns; /* 0: never */
};

struct bb_bridge {
	uint32_t entries, per_place; /* addresses learned */
	uint64_t ageing_ns;
	uint32_t flood; /* frames a second, 0: no limit */
	enum l2cp_action l2cp[L2CP_COUNT];
};

struct bb_rule {
	const char *name;
	struct rule rule;
};

struct bb_overlay {
	const char *name;
	enum bb_design design;
	enum bb_keying keying;
	const struct bb_service **over;
	size_t over_count;
	struct bb_member *members;
	size_t member_count;
	bool hubs; /* some member is of `hubs`: the others have tunnels to these alone */
	bool has_subnet;
	struct bb_prefix subnet;
	bool managed; /* routing managed: we put routes to the members' networks into the kernel */
	uint8_t preference;
	enum bb_auth auth;
	const char *psk; /* secret of `auth psk`, or NULL */
	const char *ca;  /* authority of `auth ca`, or NULL */
	struct bb_ipsec ipsec;
	struct bb_macsec macsec;
	struct bb_mka mka;
	struct bb_bridge bridge;
	struct bb_rule *rules; /* of design macsec, in order */
	size_t rule_count;
	const char *unsupported; /* NULL, or why this version cannot run it; control refuses it */
};

struct backbone {
	const char *name;
	struct bb_site *sites;
	size_t site_count;
	struct bb_service *services;
	size_t service_count;
	struct bb_node *nodes;
	size_t node_count;
	struct bb_peer *peers;
	size_t peer_count;
	struct bb_overlay *overlays;
	size_t overlay_count;
};

struct conf;

/* Never fails on a conf that was read, but without memory. */
struct backbone *backbone_new(const struct conf *conf);
void backbone_free(struct backbone *b);
const struct bb_node *backbone_node(const struct backbone *b, const char *name);
/* The port's gateway of family 4 or 6, or NULL. */
static inline const struct bb_prefix *backbone_gateway(const struct bb_port *p, uint8_t family)
{
	return p->gateway[family == 6].family ? &p->gateway[family == 6] : NULL;
}
/* The node has a lan port bridged into the overlay, which then has no interface there. */
bool backbone_bridged(const struct bb_node *n, const struct bb_overlay *o);
/*
 * The members that bridge into the overlay at this site, the one to forward first: by `priority`,
 * then by `id`. Fills at most n of v; returns how many there are.
 */
size_t backbone_bridges_at(const struct bb_overlay *o, const struct bb_site *site,
			   const struct bb_member **v, size_t n);
/* The overlay carries frames as a cable does: its service is an E-Line. */
bool backbone_is_line(const struct bb_overlay *o);
/*
 * The port identifier of an SCI (802.1AE 7.1.2, 802.1X 12.2) where the file names none. All ports
 * of an interface share its MAC address, so they must differ in this; and it must be the same
 * after a restart, whatever else the file says by then. So it follows from the tags in clear
 * alone: 1 without any, the VLAN with one, and with two a number from 32,768 on, in which
 * neighbouring VLANs do not meet. `check` refuses two that do.
 */
uint16_t backbone_port_id(uint16_t outer_vlan, uint16_t vlan);
/* Bytes of IP packet that fit through the overlay: the service's MTU less the framing. */
uint16_t backbone_overlay_mtu(const struct bb_overlay *o);

/*
 * The two ends of a tunnel of design ipsec, as the file alone tells them. Addresses are of hosts;
 * family 0: not known before the member has a lease or is heard of.
 */
struct bb_ends {
	const struct bb_service *service; /* the first of `over` that both are on */
	const struct bb_port *port;       /* the member's own on it; NULL of a peer */
	uint8_t family;                   /* of the addresses at both ends: 4 or 6 */
	struct bb_prefix local, remote;   /* remote of family 0: it has to come to us */
};

#define BB_TUNNELS_MAX 256 /* of one node */

enum bb_way {
	BB_WAY,
	BB_WAY_NONE,       /* both are spokes: they have no tunnel */
	BB_WAY_NO_SERVICE, /* of `over` both are on */
	BB_WAY_NO_ADDRESS, /* the member's own port has none, and gets none */
	BB_WAY_NO_FAMILY,  /* that both have an address of */
	BB_WAY_UNKNOWN,    /* neither knows where to call the other */
};

/*
 * The way from a member to another one. Both ends come to the same, whichever asks: the first
 * address in the file's order of the one who stands first among the members, that the other has
 * an address of the same family to, where one of both can be called at it.
 */
enum bb_way backbone_way(const struct bb_overlay *o, const struct bb_member *self,
			 const struct bb_member *far, struct bb_ends *e);
/* Bytes of IP packet that a tunnel carries over a service of that MTU, with the heaviest of the
 * framings that may be agreed upon, in UDP. */
uint16_t backbone_tunnel_mtu(const struct bb_overlay *o, uint16_t mtu, uint8_t family);
/*
 * Who the member's packets for another one go to: to itself where they have a tunnel, else to the
 * first hub, or without hubs the first member, that has one to both. NULL: to nobody.
 */
const struct bb_member *backbone_next(const struct bb_overlay *o, const struct bb_member *self,
				      const struct bb_member *far);
const char *backbone_member_name(const struct bb_member *m);
/* The same node or peer as a member of another overlay, NULL: it is none. */
const struct bb_member *backbone_member(const struct bb_overlay *o, const struct bb_member *m);
/*
 * The MAC address of a member's interface in an overlay of design ipsec, made of its address there,
 * or else of the node's id or the peer's name: so every node makes the same of it, and neighbour
 * discovery, where it runs, agrees.
 */
void backbone_mac(const struct bb_member *m, uint8_t mac[6]);
