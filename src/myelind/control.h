/*
 * control: the role that agrees on keys. What its files share.
 *
 *   control.c        start, the links to the parent and to forward, the turn of the loop
 *   control_config.c reads the file and what it includes
 *   control_reload.c another file in place of the one that runs
 *   control_file.c   the secret and the lease of a SecY
 *   control_chain.c  its key chain and fallback, as MKA is given them
 *   control_key.c    its keying instance, and what is saved of it
 *   control_dhcp.c   addresses that carriers give
 *   control_ike.h    overlays of design ipsec, and the files that run them
 *   control_cert.h   their certificates, and the way to the signer
 *   control_routes.c the mirror of the kernel's routes (routes.h)
 *   control_stats.c  counters gathered from forward and the parent, one round at a time
 *   control_names.c  whose SCI is whose
 *   control_watch.c  what changed, as events (events.h)
 *   control_show.c   the CLI's commands
 *   control_audit.c  the one that proves what passes
 *   control_show_ipsec.c rows of tunnels, in the same words
 *   control_show_ike.c   IKE SAs, ESP's SAs, keys for debugging
 *   control_ike_ask.c    the commands that bring tunnels up and down
 *   control_show_mka.c   what they say of MKA besides who is there
 *   control_suspend.c    the one that asks for a suspension
 *
 * One thread, one loop (loop.h). It holds group and session secrets; the packets are forward's.
 * Everything is bounded by the plan: ports, SecYs, what each may queue.
 */
#pragma once

#include "base/js.h"
#include "config/conf.h"
#include "config/openings.h"
#include "ctl/ctl.h"
#include "key/mka/mka.h"
#include "key/psk/psk.h"
#include "myelind/control_cert.h"
#include "myelind/control_ike.h"
#include "myelind/events.h"
#include "myelind/keep.h"
#include "myelind/loop.h"
#include "myelind/plan.h"
#include "myelind/role.h"
#include "path/dhcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_EAPOL_BUDGET 32 /* MKPDUs of one socket before others get their turn */
#define CONTROL_SAVE_MAX (15 + MKA_SAVE_MAX + 2 + KEEP_MAX * KEEP_SAVE_SA) /* bytes of a record */
#define CONTROL_RELOADS_MAX 4  /* clients that wait for a reload at once */
#define CONTROL_EARLY_MAX 64   /* messages of the parent while an include is waited for */
#define CONTROL_STATS_MAX 4096 /* counter sets of one round: SecYs, SCs, SAs, wan ports */

struct control;
struct routes;

#define CONTROL_UDP 4 /* sockets of a port for IKE: two families, two ports */
#define WATCH_KEYS 8  /* key identifiers of a SecY that are known at once */

/* A SecY as it was when it was last looked at. */
struct watch {
	bool quiet; /* a predecessor's: what he had is no news */
	bool clear; /* should-secure: told that it is in clear */
	unsigned peer_count, key_count;
	uint64_t peers[MKA_SHOW_PEERS]; /* SCIs of those live */
	uint64_t key_server;            /* its SCI, ours if we are; 0: nobody */
	uint8_t keys[WATCH_KEYS][MACSEC_KEY_ID_LEN];
	uint8_t key_an[WATCH_KEYS];
	uint8_t transmit[MACSEC_KEY_ID_LEN];
	uint8_t ckn[MKA_CKN_MAX]; /* of the principal */
	uint8_t ckn_len;
	bool overtime; /* the principal's key is beyond its time */
	bool secured, lease_stuck;
	unsigned lost;                      /* SAs that forward lost, not yet told */
	uint64_t results[MKA_RESULT_COUNT]; /* MKPDUs by fate, at the last round */
};

struct control_port {
	bool answered, ready;
	uint32_t ifindex;
	uint16_t mtu;
	uint8_t mac[6];
	int eapol;     /* our EAPOL socket, -1: none. The ports of an interface have the same */
	bool heard;    /* it is read here, for all of them */
	char what[96]; /* why it is not ready */
	struct msg_port_io io; /* of a wan port with `io af-xdp`, as last told */
	uint64_t send_errors;  /* MKPDUs that the kernel refused */
	int dhcp_fd;           /* -1: none */
	uint8_t dhcp_mac[6];   /* under which dhcp asks */
	struct path_dhcp *dhcp;
	struct path_dhcp_lease leased; /* what the parent was told; addr 0: nothing */
	int udp[CONTROL_UDP];          /* for IKE, -1: none */
};

enum secy_file { SECY_SECRET, SECY_LEASE, SECY_FALLBACK, SECY_FILES };

struct control_secy {
	struct control *c;
	const struct plan_secy *plan;
	struct keep keep;
	struct mka *mka;
	struct psk *psk;
	struct psk_lease *lease;
	void *area; /* in the `ctl` memfd */
	uint64_t sci;
	bool announced; /* MSG_SECY_ADD said to the present forward */
	bool files_asked, files_had[SECY_FILES];
	bool failed;       /* why is in trouble: nothing runs, traffic stays closed */
	uint64_t retry_at; /* when failed: its files are read again; UINT64_MAX: never */
	char trouble[640]; /* "" when well */
	struct keychain *chain, *fallback;
	struct psk_keys *keys; /* until the instance is made */
	/* What is wrong with the fallback's secret, "" when well: the chain alone is used meanwhile. */
	char fallback_trouble[256];
	uint64_t fallback_retry_at; /* 0: not wrong */
	struct watch watch;
	bool adopted; /* continued from a predecessor's record */
};

/* One set of counters of the last round. */
struct control_stats {
	bool guard; /* of the parent's guards: id is a port's; else of forward's SecY id */
	uint16_t id;
	struct msg_stats s;
};

struct control {
	const struct role_args *args;
	struct events events;
	uint64_t watch_at; /* when counters are looked at next */
	struct loop *loop;
	struct conf *conf;
	struct backbone *backbone;
	struct openings openings; /* of this node */
	struct plan *plan;
	struct ctl *ctl;
	int parent, forward; /* links; forward -1 while there is none */
	bool synced;         /* forward said all it has */
	uint32_t seq;
	size_t early_count;
	struct {
		struct msg m;
		int fd;
	} early[CONTROL_EARLY_MAX];
	uint64_t leave_at; /* not 0: the successor with the file just taken starts then */
	uint64_t reloads[CONTROL_RELOADS_MAX]; /* requests that wait for the parent's copy */
	enum msg_config reading;               /* whose includes are asked for */
	uint64_t started_ns, links;            /* how many forwards there were */
	void *state;
	size_t state_size;
	struct control_port ports[PLAN_PORTS_MAX]; /* by id - 1 */
	struct control_secy secys[PLAN_SECYS_MAX]; /* by id - 1 */
	struct control_ike *ike;                   /* NULL: no tunnels */
	struct certs *certs;                       /* NULL: none of them has `auth ca` */
	struct msg_transit transit;                /* as the parent has it */
	struct routes *routes;                     /* NULL: they cannot be followed */
	struct control_keys *keys;                 /* for Wireshark; NULL: none are kept */
	/* The round of counters under way, and the last one's. */
	bool round, round_again;
	unsigned round_waits;
	uint64_t round_until;
	size_t stats_count;
	struct control_stats *stats;
};

/* control.c */
int control_tell_forward(struct control *c, struct msg *m);
int control_tell_parent(struct control *c, struct msg *m);
/* n bytes of the kernel's randomness; ends the process when there is none. What the engines' `random`
 * is; ctx is not used. */
void control_random(void *ctx, void *buf, size_t n);

struct control_secy *control_secy(struct control *c, uint16_t id); /* NULL: not of this file */
/* Hears what the parent said while an include was waited for. */
void control_early(struct control *c);

/* A file as this node would run it. */
struct control_config {
	struct conf *conf;
	struct backbone *backbone;
	struct plan *plan;
};

/* Names everything that is wanted anew. */
void control_wants_again(struct control *c);

/* control_config.c: conf, backbone and plan; false when the file cannot be run, which is said. */
bool control_config(struct control *c);
/* Reads and checks what is in fd. On failure *errs holds every error and *out nothing. */
bool control_config_read(struct control *c, int fd, struct control_config *out,
			 struct conf_errors *errs);
void control_config_free(struct control_config *k);
/* An error of a file as a whole, in the way of the others. */
void control_error_add(struct conf_errors *errs, const char *file, const char *text);
/* A file of the parent, waited for: a descriptor, or -errno. where: its path, may be NULL. Not
 * while the loop may run; what else the parent says meanwhile is heard by control_early(). */
int control_file_get(struct control *c, enum msg_file_kind kind, const char *name, uint32_t tag,
		     char *where, size_t size);

/* control_reload.c */
/* Gives ports and SecYs the numbers they had, and remembers those of the new ones. 0 or -errno. */
int numbers_take(struct control *c);
/* Where the table of numbers ends in the `ctl` area, bytes. */
size_t control_numbers_end(void);
void reload_offered(struct control *c, const struct msg_file *f, int fd, uint64_t now);
void reload_ask(void *ctx, struct ctl_request *rq);

/* control_dhcp.c */
/* Takes the port's socket for DHCP over from the parent. */
void port_dhcp_open(struct control *c, uint16_t port, int fd, uint64_t now);
void port_dhcp_close(struct control *c, struct control_port *p);
void port_dhcp_expire(struct control *c, uint16_t port, uint64_t now);
uint64_t port_dhcp_deadline(const struct control_port *p);
/* Before anything is wanted: what a predecessor leased. */
void port_dhcp_recall(struct control *c, uint16_t port, uint64_t now);
/* Tells the parent what is leased for the port. */
void port_dhcp_wants(struct control *c, uint16_t port);

/* control_file.c */
extern const char secy_lease_help[];
/* Keeps the overlay closed and says why, once; its files are looked at again later. */
void secy_fail(struct control_secy *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whatever was the trouble is over. */
void secy_mended(struct control_secy *s);
void secy_files_ask(struct control_secy *s);
void secy_fallback_ask(struct control_secy *s);
void secy_file(struct control_secy *s, enum secy_file which, const struct msg_file *f, int fd,
	       uint64_t now);
void secy_secrets_wipe(struct control_secy *s);
/* The text of a secret on the heap, to be wiped and freed; NULL with errno. Closes fd. */
char *secret_text(int fd, size_t *len);

/* control_chain.c */
struct keychain;
uint64_t wall_clock(void); /* nanoseconds since 1970 UTC */
/* The keys of both for MKA; at least one. fallback may be NULL. Returns how many. */
unsigned chain_keys(const struct keychain *chain, const struct keychain *fallback,
		    struct mka_key v[MKA_KEYS_MAX]);
/* A text as a key chain on the heap, or NULL with why. */
struct keychain *chain_new(const char *text, size_t len, char *why, size_t size);
void chain_free(struct keychain *k);
/* The fallback's secret came, or err says why not (may be 0 with text). */
void chain_fallback(struct control_secy *s, const char *text, size_t len, int err,
		    const char *where);
/* Reads the secrets of every overlay that runs, and goes on, as `after` has it. True when all are
 * good, and then *changed tells whether one is not what runs; else *errs has what is wrong.
 * `apply`: they are taken into use at once. */
bool chains_read(struct control *c, const struct plan *after, bool apply, bool *changed,
		 struct conf_errors *errs, uint64_t now);

/* control_key.c */
int secy_init(struct control *c, struct control_secy *s, const struct plan_secy *plan);
void secy_fini(struct control_secy *s);
/* A port or a file came, forward was linked: whatever can be done next is. */
void secy_advance(struct control_secy *s, uint64_t now);
void secy_report(struct control_secy *s, const struct sink_report *r, uint64_t now);
void secy_sync_begin(struct control_secy *s);
void secy_sync_done(struct control_secy *s, uint64_t now);
/* A whole frame with the tags of the port. True when it authenticated: secy_flush() is due. */
bool secy_eapol(struct control_secy *s, const uint8_t *frame, size_t len, uint64_t now);
void secy_expire(struct control_secy *s, uint64_t now);
uint64_t secy_deadline(const struct control_secy *s);
/* Saves, then says to forward and sends MKPDUs. */
void secy_flush(struct control_secy *s, uint64_t now);

/* control_stats.c */
/* Starts a round, or one more behind the present one. */
void stats_ask(struct control *c, uint64_t now);
void stats_put(struct control *c, bool guard, const struct msg_stats *s);
void stats_done(struct control *c, uint64_t now);
/* Ends a round that waits for somebody who does not answer. */
void stats_expire(struct control *c, uint64_t now);
/* A counter of the last round; 0 when it is not there. */
uint64_t stats_get(const struct control *c, bool guard, uint16_t id, uint64_t sci, int an,
		   const char *name);

/* control_routes.c */
void control_routes_init(struct control *c);
void control_routes_fini(struct control *c);
/* A port came or went. */
void control_routes_port(struct control *c, uint16_t port);
void control_routes_turn(struct control *c, uint64_t now);
uint64_t control_routes_deadline(const struct control *c);
void show_routes(void *ctx, struct ctl_request *rq);

/* control_suspend.c */
void suspend_ask(void *ctx, struct ctl_request *rq);

/* control_show_ike.c; name: an overlay's, a peer's, or both with a slash; NULL: all. */
struct js *show_ike_build(struct control *c, const char *name, uint64_t now);
void show_esp_put(struct js *j, struct control *c, const char *name, uint64_t now);
void show_keys(void *ctx, struct ctl_request *rq);
/* Keeps a line of one of Wireshark's tables; ctx is control. */
void show_keys_keep(void *ctx, enum ikev2_table table, const char *line);
void show_keys_fini(struct control *c);

/* control_ike_ask.c */
bool ike_named(const struct control_tunnel *t, const char *name); /* PEER, OVERLAY/PEER */
bool ike_shown(const struct control_tunnel *t, const char *name); /* OVERLAY too; NULL: yes */
bool show_ike_name_is(const struct control *c, const char *name); /* it is some tunnel's */
void ike_up_ask(void *ctx, struct ctl_request *rq);
void ike_down_ask(void *ctx, struct ctl_request *rq);
void ike_rekey_ask(void *ctx, struct ctl_request *rq);
void ike_event(void *ctx, enum ikev2_event ev, uint16_t tunnel, const char *text);

/* control_show_keys.c */
void show_keys_put(struct js *o, const struct bb_mka *b, const struct mka_show *m, uint64_t now);
/* Why there is no participant at all; false when there is one. */
bool show_keys_closed(const struct control_secy *s, const struct mka_show *m, char *buf,
		      size_t size);
void show_keys_note(const struct control_secy *s, const struct mka_show *m, uint64_t now, char *buf,
		    size_t size);

/* control_show_mka.c */
/* Whose suites do not fit ours as key server, in words; false when nobody's is known not to. */
bool show_mka_misfit(const struct control_secy *s, const struct mka_show *m, char *buf,
		     size_t size);
/* What is worth knowing although traffic passes; buf stays as it was when nothing is. */
void show_mka_note(const struct control_secy *s, const struct mka_show *m, uint64_t now, char *buf,
		   size_t size);
void show_mka_put(struct js *o, const struct bb_mka *k, const struct mka_show *m, uint64_t now);
void show_mka_peer_put(struct js *p, const struct mka_peer_show *e, uint64_t now);
/* control_names.c */
/* The kernel's neighbours now: the caller frees it. NULL without memory, which names nobody. */
struct names *names_read(void);
/* The member behind an SCI of the overlay, NULL when it is not known. */
const char *names_peer(const struct control_secy *s, const struct names *n, uint64_t sci);

/* control_watch.c */
/* Takes the memory of events, before anything is put. False without memory. */
bool watch_init(struct control *c);
/* After every call of the engine: tells what is different. */
void watch_secy(struct control_secy *s, uint64_t now);
/* Before the port's state is changed. */
void watch_port(struct control *c, const struct msg_port_ready *r, uint64_t now);
/* After a round of counters; does nothing before c->watch_at. */
void watch_round(struct control *c, uint64_t now);
void show_events(void *ctx, struct ctl_request *rq);

/* control_audit.c */
void audit_ask(void *ctx, struct ctl_request *rq);

/* control_show_ipsec.c: rows of tunnels; overlay NULL: of all. */
/* Why no packet of its peer's passes; "" when they do. */
void show_tunnel_reason(const struct control_tunnel *t, char *buf, size_t size);
void show_tunnel_overlays(struct js *list, struct control *c, const char *overlay, uint64_t now);
void show_tunnel_peers(struct js *list, struct control *c, const char *overlay, uint64_t now);
void show_tunnel_counters(struct js *list, struct control *c, const char *overlay);
bool show_tunnel_overlay_is(const struct control *c, const char *overlay);

/* control_show.c */
/* The counters of the last round, as an object under that key. */
void show_counters_put(struct js *o, const char *key, const struct control *c, bool guard,
		       uint16_t id, uint64_t sci, int an);
/* What the file opens in the overlay on purpose, loud wherever it is shown. */
void show_openings_put(struct js *o, const struct control *c, const char *overlay);
typedef struct js *show_build_fn(struct control *c, const char *overlay, uint64_t now);
/* Answers the request when a round of counters is over that begins now. */
void show_wait(struct control *c, struct ctl_request *rq, show_build_fn *build);
extern const struct ctl_command control_commands[];
/* Answers who waited for a round. */
void show_round_done(struct control *c, uint64_t now);
