/*
 * msg: what the roles say to each other, over sequenced-packet sockets.
 *
 * One datagram is one message: u16 type, u16 zero, u32 sequence, then the fields of the type in
 * order, big-endian, consumed exactly. Descriptors ride as SCM_RIGHTS. Three links exist:
 *
 *   control → parent   what is needed (ports, routes, files); parent → control: what was got
 *   parent → forward   ports with their descriptors
 *   control ↔ forward  SecYs, SAs, reports, counters (the key seam of docs/architecture.md)
 *
 * Requests are declarative and idempotent by id, so a role that was restarted says everything
 * again and nothing changes. A message that does not parse is an error of the peer role: it is
 * logged and dropped, and changes no state.
 */
#pragma once

#include "base/secret.h"
#include "msg/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MSG_MAX 4096 /* bytes of one datagram */

enum msg_type {
	/* control → parent */
	MSG_PORT_WANT = 1, /* a port must exist */
	MSG_ADDRESS_WANT,  /* an interface must have this address */
	MSG_ROUTE_WANT,    /* the kernel must have this route */
	MSG_WANT_DONE,     /* that was all: whatever was not named again may go */
	MSG_WANT_AGAIN,    /* everything is named anew, as after a start */
	MSG_FILE_OPEN,     /* a secret or a lease file, answered by MSG_FILE */
	MSG_RELOAD,        /* copy the backbone file as it is now: answered by MSG_CONFIG */
	MSG_CONFIG_TAKE,   /* the last MSG_CONFIG's copy is what runs from now on */
	/* parent → control */
	MSG_PORT_READY, /* answers MSG_PORT_WANT; fd: the EAPOL socket of a wan port's interface */
	MSG_PORT_DHCP,  /* after MSG_PORT_READY of a port that wants it; fd: a socket for DHCP */
	MSG_FILE,       /* answers MSG_FILE_OPEN; fd, or error */
	MSG_CONFIG,     /* a copy of the backbone file to check, asked for or not; fd, or error */
	/* parent → forward */
	MSG_PORT_GIVE, /* fd: what to do I/O on */
	MSG_PORT_DROP, /* the port is gone */
	/* parent → both: the other end of the control ↔ forward link; fd */
	MSG_LINK,
	/* control → forward */
	MSG_SECY_ADD,
	MSG_SECY_DEL,
	MSG_SA_RECEIVE,  /* sink: add receive */
	MSG_SA_TRANSMIT, /* sink: use transmit */
	MSG_SA_RETIRE,   /* sink: retire */
	MSG_SYNC,        /* say everything installed, then MSG_SYNC_DONE */
	MSG_STATS_GET, /* of one SecY or tunnel, or of the parent one wan port's guards: MSG_STATS…, _DONE */
	/* forward → control */
	MSG_SA_REPORT, /* sink: report */
	MSG_SYNC_DONE,
	MSG_STATS, /* a piece of the counters: name and value pairs */
	MSG_STATS_DONE,
	/* control → forward: ESP, with the same verbs as MACsec */
	MSG_TUNNEL_ADD,
	MSG_TUNNEL_DEL,
	MSG_ESP_RECEIVE,  /* sink: add receive */
	MSG_ESP_TRANSMIT, /* sink: use transmit */
	MSG_ESP_RETIRE,   /* sink: retire */
	/* forward → control */
	MSG_ESP_REPORT, /* sink: report */
	/* parent → forward */
	MSG_PORT_LINK, /* a port's interface has a link, or none any more */
	/* control → forward */
	MSG_BRIDGE, /* how a SecY's overlay is bridged, or that it is not */
	/* control → parent */
	MSG_NEIGHBOUR_WANT, /* the kernel's neighbour table must have this entry */
	MSG_KEY_WANT,       /* the signer must hold this node's private key of an authority */
	/* parent → signer */
	MSG_KEY_GIVE, /* fd: the file of a private key; or why there is none */
	/* parent → control and signer: an end of the link between them; fd */
	MSG_SIGNER_LINK,
	/* control → signer */
	MSG_SIGN, /* answered by MSG_SIGNED */
	/* signer → control */
	MSG_KEY_HELD, /* the key under a number, or why there is none; after every link and key */
	MSG_SIGNED,
	/* parent → control */
	MSG_PORT_UDP, /* after MSG_PORT_READY of a port with tunnels; fd: a socket for IKE */
	/* control → parent */
	MSG_NEIGHBOUR_PROBE, /* the kernel finds this neighbour's MAC address, or makes sure of it */
	MSG_TRANSIT_WANT, /* packets between overlays pass by the kernel: never, if nothing is in it, always */
	/* parent → control and forward */
	MSG_TRANSIT, /* and whether they do now */
	/* parent → forward */
	MSG_XSK,       /* fd: an AF_XDP socket for a queue of a wan port's interface; answered */
	MSG_XSK_BOUND, /* it is bound: frames come and go by it */
	MSG_XSK_DROP,  /* all of the port's are given up */
	/* forward → parent */
	MSG_XSK_MAPPED, /* answers MSG_XSK: its rings are mapped, or why not */
	/* parent → control */
	MSG_PORT_IO, /* how a wan port's frames come and go now */
	MSG_TYPE_COUNT
};

enum msg_port_kind { MSG_PORT_WAN = 1, MSG_PORT_LAN, MSG_PORT_OVERLAY };

/* Classes of clear frames a wan port may let through; bits of `allow`. */
enum msg_allow {
	MSG_ALLOW_EAPOL = 1 << 0, /* keying of the overlays on this port */
	MSG_ALLOW_ARP_ND = 1 << 1,
	MSG_ALLOW_DHCP = 1 << 2,
	MSG_ALLOW_BGP = 1 << 3,
	MSG_ALLOW_LLDP = 1 << 4,
	MSG_ALLOW_SSH = 1 << 5,
	MSG_ALLOW_PING = 1 << 6,
	MSG_ALLOW_INTEGRITY = 1 << 7, /* MACsec without encryption; never by `allow` */
	MSG_ALLOW_ESP = 1 << 8,       /* tunnels run over it: ESP and IKE; never by `allow` */
	MSG_ALLOW_CLEAR = 1 << 9, /* frames of an overlay that may go in clear; never by `allow` */
};

/* Zero behind count. */
struct msg_rules {
	uint8_t count;
	struct rule v[RULES_MAX];
};

struct msg_port_want {
	uint16_t port;       /* id, numbered by control */
	uint8_t kind;        /* enum msg_port_kind */
	char ifname[16];     /* of the interface to open (wan, lan) or to make (overlay) */
	uint16_t vlan;       /* wan: the 802.1Q VLAN in clear, 0: untagged */
	uint16_t outer_type; /* wan: TPID of a tag around it, 0x88a8 or 0x8100; 0: none */
	uint16_t outer_vlan; /* wan: of that tag */
	uint16_t mtu;        /* bytes; wan: at least, lan and overlay: exactly; 0: leave it */
	/* overlay: the wan port whose MAC address it takes; lan: the overlay it is bridged into
	 * (the id that MSG_SECY_ADD names), 0: the kernel routes */
	uint16_t over;
	uint16_t eapol_type; /* wan: EtherType of MKPDUs; 0: no MKA here */
	uint8_t eapol_dst[6];
	uint32_t allow;         /* wan: MSG_ALLOW_* */
	bool others;            /* wan: frames for hosts behind a bridge of ours come here too */
	uint32_t l2cp_peers;    /* bridged lan: 1 << enum l2cp of what is left to the kernel */
	uint8_t mac[6];         /* overlay: its MAC address; zero: that of `over` */
	bool dhcp;              /* wan: its address comes from the carrier */
	bool xdp;               /* wan: AF_XDP is wanted */
	struct msg_rules rules; /* wan: its overlay's */
};

struct msg_address_want {
	uint16_t port;
	uint8_t family; /* 4 or 6 */
	uint8_t prefix; /* bits */
	uint8_t addr[16];
	bool own_table; /* what this host sends from it follows the routes of the port's own table */
};

struct msg_route_want {
	uint16_t port;  /* overlay: out of which interface */
	uint8_t family; /* 4 or 6 */
	uint8_t prefix; /* bits */
	uint8_t dst[16];
	uint8_t via_family; /* 4 or 6: as IPv4 may go to a next hop of IPv6 */
	uint8_t via[16];    /* zero: none */
	uint8_t src[16];    /* this host's own packets come from it; zero: the kernel chooses */
	uint8_t metric;     /* the overlay's preference */
	bool own_table;     /* in the port's own table, not in the main one */
};

/* A peer of an overlay that is no real Ethernet has a MAC address of control's making. */
struct msg_neighbour_want {
	uint16_t port;  /* overlay */
	uint8_t family; /* 4 or 6 */
	uint8_t addr[16];
	uint8_t mac[6];
};

/* A UDP socket of that port on the interface, of one family, that tells the local address. */
struct msg_port_udp {
	uint16_t port;
	uint8_t family; /* 4 or 6 */
	uint16_t udp;   /* 500 or 4500 */
};

struct msg_neighbour_probe {
	uint16_t port;  /* wan */
	uint8_t family; /* 4 or 6 */
	uint8_t addr[16];
};

/* Names are of letters, digits, '.', '_' and '-', and start with a letter or digit. */
enum msg_file_kind {
	MSG_FILE_SECRET = 1, /* read only; refused when group or others can read it */
	MSG_FILE_LEASE,      /* read and write, must exist: ENOENT is a lease that was lost */
	MSG_FILE_LEASE_NEW,  /* read and write, empty, must not exist yet (EEXIST) */
	MSG_FILE_CONFIG, /* read only, beside the backbone file, readable by all: what it includes */
	/* Of the authority `name`, read only; all may read them, but root alone may write: */
	MSG_FILE_AUTHORITY, /* its certificates */
	MSG_FILE_CRL,       /* its revocation list */
	MSG_FILE_CHAIN,     /* this node's certificate, and those between it and the authority */
};

/* Whose include a MSG_FILE_CONFIG is: copies are kept, so what runs reads the same again. */
enum msg_config { MSG_CONFIG_RUNNING, MSG_CONFIG_CANDIDATE };

struct msg_file_open {
	uint32_t tag; /* echoed; of MSG_FILE_CONFIG: enum msg_config */
	uint8_t kind; /* enum msg_file_kind */
	char name[32];
};

struct msg_file {
	uint32_t tag;
	uint16_t error;  /* errno, 0: the descriptor is attached */
	char where[128]; /* path that was opened or tried, for messages */
};

/* Keys are numbered by control, from 1; each is of another authority. */
struct msg_key_want {
	uint16_t key;
	char authority[32];
};

struct msg_key_give {
	uint16_t key;
	uint16_t error;  /* errno, 0: the descriptor is attached. ENOKEY: it is to be forgotten */
	char where[128]; /* path that was opened or tried, for messages */
};

#define MSG_BLOB_MAX 3584

struct msg_blob {
	uint16_t len;
	uint8_t b[MSG_BLOB_MAX];
};

struct msg_key_held {
	uint16_t key;
	uint16_t error;         /* errno, 0: it is held. EKEYREJECTED: the file has no usable key */
	char where[128];        /* the file */
	uint32_t schemes;       /* 1 << enum sign_scheme of what it can make */
	struct msg_blob public; /* SubjectPublicKeyInfo, DER */
};

struct msg_sign {
	uint32_t id; /* echoed */
	uint16_t key;
	uint8_t scheme; /* enum sign_scheme */
	struct msg_blob data;
};

struct msg_signed {
	uint32_t id;
	uint16_t key;
	uint16_t error; /* errno, 0: there is a signature. ENOKEY: no key under that number */
	struct msg_blob signature;
};

struct msg_port_ready {
	uint16_t port;
	uint16_t error; /* errno; 0: ready */
	uint32_t ifindex;
	uint16_t mtu;
	uint8_t mac[6];
	char what[96]; /* which step failed */
};

struct msg_port_give {
	uint16_t port;
	uint8_t kind;
	char ifname[16]; /* the wan ports of an interface come with the same socket */
	uint16_t vlan;
	uint16_t outer_type, outer_vlan;
	uint16_t mtu; /* bytes behind the tags in clear */
	uint8_t mac[6];
	uint16_t eapol_type; /* the guard of forward needs no more: control sends its own MKPDUs */
	bool integrity;      /* wan: MACsec frames may leave without encryption */
	bool clear;          /* wan: an overlay's frames may, while it has no key in use */
	uint16_t over;       /* lan: the overlay it is bridged into */
	bool link;           /* its interface has one now */
	bool xdp;            /* wan: AF_XDP sockets of its interface follow */
	struct msg_rules rules; /* wan: its overlay's */
};

/* Of the interface of a wan port, whichever of those on it. */
struct msg_xsk {
	uint16_t port;
	uint16_t queue;
	uint16_t error; /* MAPPED: an errno, 0: done */
	bool zerocopy;  /* BOUND: the driver reads and writes the packet path's memory */
};

struct msg_port_io {
	uint16_t port;
	bool xdp;      /* by AF_XDP */
	char what[96]; /* how, or why not */
};

struct msg_port_link {
	uint16_t port;
	bool link;
};

struct msg_secy {
	uint16_t secy;
	uint16_t overlay; /* port id of the overlay interface */
	uint16_t wan;     /* port id */
	uint64_t sci;     /* our transmit SC */
	uint32_t window;  /* replay window in packets, 0: strict */
	bool send_sci;
	bool replay_protect;
	uint16_t report_ms; /* how often the transmit SA's next PN is reported; 0: near its end */
	uint8_t validate;   /* enum macsec_validate */
	bool should_secure; /* in clear while no transmit SA is in use */
	char name[16];      /* the overlay's */
};

enum msg_bridge_mode {
	MSG_BRIDGE_NONE, /* the overlay has an interface and is routed */
	MSG_BRIDGE_LINE, /* one lan port, whatever comes goes over */
	MSG_BRIDGE_LAN,  /* addresses are learned */
};

#define MSG_BRIDGE_SITE 8  /* nodes of one site that bridge into one overlay */
#define MSG_BRIDGE_L2CP 24 /* room for an action of each protocol of wire/l2cp.h */

struct msg_bridge {
	uint16_t secy;
	uint8_t mode;     /* enum msg_bridge_mode */
	bool encapsulate; /* every member understands wire/bframe.h */
	bool hello;       /* at some site several nodes bridge, so all say who they are */
	bool strangers;   /* some members say no hello */
	uint16_t node;    /* our id */
	/* Ids of the nodes of our site that bridge into it, big-endian, best first; 0 ends. */
	uint8_t site[2 * MSG_BRIDGE_SITE];
	uint32_t entries;              /* addresses learned, at most */
	uint32_t per_place;            /* of them behind one peer or lan port */
	uint32_t ageing_s;             /* seconds */
	uint32_t flood;                /* frames a second flooded from one place; 0: no limit */
	uint8_t l2cp[MSG_BRIDGE_L2CP]; /* enum l2cp_action by enum l2cp */
};

struct msg_sa {
	uint16_t secy;
	uint8_t an;
	uint8_t suite; /* enum macsec_suite */
	uint8_t conf;  /* enum macsec_conf */
	uint64_t sci;
	uint32_t ssci;
	uint8_t salt[12];
	uint64_t pn;
	uint64_t pn_limit;
	uint8_t key_id[16];
	struct secret key;
};

struct msg_sa_retire {
	uint16_t secy;
	uint64_t sci; /* 0: all */
	uint8_t key_id[16];
};

struct msg_sa_report {
	uint16_t secy;
	uint8_t an;
	uint8_t direction; /* enum sink_direction */
	bool installed;
	uint64_t sci;
	uint64_t pn;
	uint8_t key_id[16];
};

/* A peer as the packet path knows it. */
struct msg_tunnel {
	uint16_t tunnel;     /* id; SecYs and tunnels are numbered together */
	uint16_t overlay;    /* port id of the overlay interface */
	uint16_t wan;        /* port id */
	uint16_t mtu;        /* bytes of the largest outer packet, from the IP header on */
	uint8_t next_hop[6]; /* MAC address of the way to the peer; zero: not known yet */
	uint8_t peer[6];     /* MAC address that the kernel's neighbour table has for the peer */
	uint8_t dscp;        /* of outer packets, 0 to 63; 255: copied */
	uint8_t df;          /* enum tunnel_df */
	bool hold;           /* keep a few packets and ask for an SA while there is none */
	uint8_t inner4[4];   /* our addresses in the overlay, for ICMP; zero: none */
	uint8_t inner6[16];
	char name[16]; /* the peer's, cut short */
};

struct msg_end {
	uint8_t family; /* 4 or 6; 0: none, everything zero */
	uint8_t addr[16];
	uint16_t port; /* of UDP encapsulation, or 0 */
};

struct msg_ts {
	uint8_t family;   /* 4 or 6 */
	uint8_t protocol; /* 0: any */
	uint16_t port_lo, port_hi;
	uint8_t lo[16], hi[16];
};

#define MSG_TS_MAX 16

struct msg_selectors {
	uint8_t count;
	struct msg_ts v[MSG_TS_MAX];
};

struct msg_esp {
	uint16_t tunnel;
	uint8_t suite; /* enum esp_suite */
	uint8_t mode;  /* enum esp_mode */
	bool esn;
	uint32_t spi;
	uint32_t window; /* receive: packets, 0: strict order */
	struct msg_end local, remote;
	struct msg_selectors ts_local, ts_remote;
	uint64_t seq;
	uint64_t seq_limit;
	uint64_t hard_at; /* boot-time clock, ns; 0: never */
	struct secret key;
	struct secret auth;
};

struct msg_esp_retire {
	uint16_t tunnel;
	uint8_t direction; /* enum sink_direction */
	uint32_t spi;
};

struct msg_esp_report {
	uint16_t tunnel;
	uint8_t direction; /* enum sink_direction */
	uint8_t event;     /* enum sink_esp_event */
	uint32_t spi;
	uint64_t seq;
	uint64_t packets, octets;
	struct msg_end remote; /* MOVED */
};

/* In the order in which the file has them. */
enum msg_cut { MSG_CUT_OFF, MSG_CUT_AUTO, MSG_CUT_ON };

struct msg_transit {
	bool open;
	char what[96]; /* why it is not; "" when it is */
};

/* Counters travel by name, so that a new one needs no new message. */
struct msg_stats {
	uint16_t secy;
	uint64_t sci; /* 0: the SecY's, the tunnel's or the port's own; of a tunnel: an SPI */
	int8_t an;    /* -1: of the SC; of a tunnel: enum sink_direction */
	uint8_t count;
	struct {
		char name[40]; /* the standard's, e.g. "InPktsNotValid" */
		uint64_t value;
	} v[24];
};

struct msg {
	enum msg_type type;
	uint32_t seq;
	union {
		struct msg_port_want port_want;
		struct msg_address_want address_want;
		struct msg_route_want route_want;
		struct msg_neighbour_want neighbour_want;
		struct msg_neighbour_probe neighbour_probe;
		struct msg_port_udp port_udp;
		struct msg_file_open file_open;
		struct msg_file file; /* FILE, CONFIG */
		struct msg_port_ready port_ready;
		struct msg_port_give port_give;
		uint16_t port_drop; /* PORT_DROP, PORT_DHCP */
		struct msg_port_link port_link;
		struct msg_port_io port_io;
		struct msg_xsk xsk; /* XSK, XSK_BOUND, XSK_MAPPED; XSK_DROP is a port_drop */
		struct msg_secy secy_add;
		uint16_t secy; /* SECY_DEL, TUNNEL_DEL, STATS_GET, STATS_DONE */
		struct msg_bridge bridge;
		struct msg_sa sa; /* SA_RECEIVE, SA_TRANSMIT */
		struct msg_sa_retire sa_retire;
		struct msg_sa_report sa_report;
		struct msg_stats stats;
		struct msg_tunnel tunnel_add;
		struct msg_esp esp; /* ESP_RECEIVE, ESP_TRANSMIT */
		struct msg_esp_retire esp_retire;
		struct msg_esp_report esp_report;
		struct msg_key_want key_want;
		struct msg_key_give key_give;
		struct msg_key_held key_held;
		struct msg_sign sign;
		struct msg_signed sign_done; /* SIGNED */
		uint8_t transit_want;        /* TRANSIT_WANT: enum msg_cut */
		struct msg_transit transit;
	};
};

/* Bytes written, or -EMSGSIZE. */
ssize_t msg_build(const struct msg *m, void *buf, size_t size);
/* 0, or -EBADMSG when type, length or a field is out of range. */
int msg_parse(struct msg *m, const void *buf, size_t len);

/* The same rules in the same order. */
bool msg_rules_same(const struct msg_rules *a, const struct msg_rules *b);

/* The type's name without MSG_, or "?": for log lines. */
const char *msg_type_name(enum msg_type type);

/* Send with an optional descriptor (fd -1: none). 0 or -errno; wipes its copy of the bytes. */
int msg_send(int sock, const struct msg *m, int fd);
/* Receive one message without blocking. 1: got one, *fd is -1 or a descriptor the caller owns;
 * 0: nothing there; -EPIPE: the peer is gone; -EBADMSG: it was not one of ours, or came without
 * the descriptor its type needs or with one it may not have. The caller wipes m when it may
 * have held a key. */
int msg_recv(int sock, struct msg *m, int *fd);
