/*
 * control_ike: overlays of design ipsec, keyed by IKEv2. What its files share.
 *
 *   control_ike.c      the engine of the node, its sockets, what is on its way to forward
 *   control_tunnel.c   one peer: the way to it, its SAs as forward has them
 *   control_ike_auth.c secrets, and the engine's peer made of all that is known of it
 *   control_ike_save.c the records of IKE SAs in the `ctl` memfd
 *
 * A node has one engine for all its tunnels. It starts when forward has said what it has and every
 * secret was asked for, so that it knows whether anything of an earlier life is left. Each call of
 * it ends in ike_flush(): records first, then what forward and the wire are told.
 *
 * Control thread only.
 */
#pragma once

#include "base/js.h"
#include "key/ikev2/ikev2.h"
#include "myelind/plan.h"
#include "msg/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_SLOTS (3 * PLAN_TUNNELS_MAX) /* IKE SAs: some are being made while others stand */
#define IKE_RECORD_MAX 24576             /* bytes of one's record: certificates, 16 children */
#define IKE_QUEUE_MAX 65536              /* messages that wait for forward */

struct control;
struct control_port;

/* An SA of the tunnel, as forward has it or was told to have it. */
struct tunnel_sa {
	uint32_t spi;
	uint8_t direction; /* enum sink_direction */
	uint8_t suite;     /* enum esp_suite; of the engine's alone */
	bool known;        /* the engine stands for it; else a predecessor's whose record is lost */
	bool installed;    /* as forward reported it last */
	bool retiring;
	uint64_t since_ns;
	struct esp_end local, remote;
};

/* What the tunnels of an overlay have in common. */
enum ike_file { IKE_FILE_PSK, IKE_FILE_PPK, IKE_FILES };

struct ike_overlay {
	const struct bb_overlay *o;
	uint16_t first; /* tunnel: its number names the overlay in a request for a file */
	bool asked, had[IKE_FILES];
	bool failed;       /* why is in trouble: no peer authenticates */
	uint64_t retry_at; /* when failed */
	char trouble[640]; /* "" when well */
	struct secret psk, ppk;
	struct ikev2_id ppk_id;
};

struct control_tunnel {
	struct control *c;
	const struct plan_tunnel *plan;
	struct ike_overlay *overlay;
	struct esp_end local;    /* our address now; family 0: none yet */
	struct esp_end next_hop; /* whose MAC address the packets go to; family 0: not known */
	uint8_t mac[6];          /* that address; zero: not known */
	bool announced;          /* MSG_TUNNEL_ADD is said to the present forward, or queued */
	bool set, placeholder; /* the engine has the peer; but without a secret that can be right */
	struct esp_end set_local; /* our address as the engine has it */
	size_t sa_count, sa_room;
	struct tunnel_sa *sas;
	bool up; /* as told by events */
	uint64_t up_since;
	char trouble[640]; /* of this peer alone, "" when well */
};

struct control_ike {
	struct ikev2 *engine; /* NULL until it is started */
	size_t overlay_count;
	struct ike_overlay *overlays;
	size_t tunnel_count;
	struct control_tunnel *tunnels; /* in the plan's order */
	struct msg *queue;              /* to forward, oldest first */
	size_t queue_count, queue_room;
	uint64_t look_at;  /* when the neighbour table is read next */
	uint64_t probe_at; /* when the kernel is asked to look after next hops */
	bool adopted;      /* continued from a predecessor's records */
	uint64_t send_errors;
};

/* control_ike.c */
int ike_init(struct control *c);
void ike_fini(struct control *c);
struct control_tunnel *ike_tunnel(struct control *c, uint16_t id); /* NULL: not of this file */
/* Saves, then says to forward and sends; after every call of the engine. */
void ike_flush(struct control *c, uint64_t now);
void ike_turn(struct control *c, uint64_t now);
uint64_t ike_deadline(const struct control *c);
/* Another forward, or none; what it reported of a tunnel; that it said all it has. */
void ike_forward_linked(struct control *c, uint64_t now);
void ike_forward_gone(struct control *c);
void ike_report(struct control *c, const struct msg_esp_report *r, uint64_t now);
void ike_synced(struct control *c, uint64_t now);
/* A socket of a port, which is ours from now on. */
void ike_udp_open(struct control *c, const struct msg_port_udp *u, int fd);
void ike_udp_close(struct control *c, struct control_port *p);
/* A port is there, or its address is another one. */
void ike_port_changed(struct control *c, uint64_t now);
/* Starts the engine as soon as it can be. */
void ike_start(struct control *c, uint64_t now);
/* Queues a message to forward, which is wiped. */
void ike_say(struct control *c, struct msg *m);

/* control_tunnel.c */
void tunnel_init(struct control *c, struct control_tunnel *t, const struct plan_tunnel *plan,
		 struct ike_overlay *o);
void tunnel_fini(struct control_tunnel *t);
struct sink_esp_ops tunnel_sink(struct control *c);
void tunnel_report(struct control_tunnel *t, const struct sink_esp_report *r, uint64_t now);
/* A new forward says what it has: what the engine does not stand for is heard of again. */
void tunnel_sync_begin(struct control_tunnel *t);
/* The same address; ports aside. */
bool tunnel_end_same(const struct esp_end *a, const struct esp_end *b);
/* Our address, and where the packets go, by all that is known now. */
void tunnel_way(struct control_tunnel *t);
/* Reads the neighbour table for all tunnels, and tells forward what is new. */
void tunnels_look(struct control *c);
/* Asks the kernel to look after the neighbours that are next hops. */
void tunnels_probe(struct control *c);
void tunnel_announce(struct control_tunnel *t);
/* The newest of a direction, the engine's own first; NULL: none. */
const struct tunnel_sa *tunnel_sa_of(const struct control_tunnel *t, enum sink_direction d);
/* Nothing but SAs without a record; whether one of these sends. */
bool tunnel_orphaned(const struct control_tunnel *t);
bool tunnel_carried(const struct control_tunnel *t);
/* Tells by an event when it came up or went down. */
void tunnel_watch(struct control_tunnel *t, uint64_t now);
const char *tunnel_peer(const struct control_tunnel *t);

/* control_ike_auth.c */
void ike_files_ask(struct control *c, struct ike_overlay *o);
/* The answer to a request for a file; false: the tag is not of an overlay here. Takes fd. */
bool ike_file(struct control *c, const struct msg_file *f, int fd, uint64_t now);
void ike_secrets_wipe(struct ike_overlay *o);
/* All files of every overlay were answered. */
bool ike_files_had(const struct control_ike *k);
/* Gives the engine the peer as it is known now. */
void ike_peer_set(struct control_tunnel *t, uint64_t now);

/* control_ike_save.c */
/* Bytes of the `ctl` area that everything of control takes, from its start on. */
size_t ike_records_end(void);
void ike_save(struct control *c);
/* True when a predecessor left any record at all, whole or not. */
bool ike_saved(const struct control *c);
/* Hands the engine every record that is whole. Returns how many it took. */
unsigned ike_load(struct control *c, uint64_t now);
