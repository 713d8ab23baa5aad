/*
 * ikev2: IKEv2 (RFC 7296) for one node and all its peers, sans I/O. With it: fragmentation
 * (RFC 7383), signatures (RFC 7427, RFC 8420), childless IKE SAs (RFC 6023), post-quantum
 * pre-shared keys (RFC 8784), NAT traversal (RFC 7296 §2.23), and the exchanges of groups' key
 * servers and members (RFC 9838), whose contents are somebody else's (env.group).
 *
 * The engine reads no clock, no socket and no random device: it is handed datagrams, time and a
 * source of random bytes, queues datagrams to send, and hands keys to a sink (key/sink.h). So the
 * daemon, the tests, the fuzzers and the simulator run the same code. One thread per engine.
 *
 * Time is nanoseconds of the boot-time clock. A datagram is the payload of UDP as on the wire; on
 * the NAT traversal port that includes the non-ESP marker, and ESP in UDP is the caller's to take
 * away before. Addresses and ports are as in struct esp_end.
 *
 * After each call that may have changed something, in this order: ikev2_save_next() until false,
 * each record stored; ikev2_output() until false, each datagram sent; a timer for
 * ikev2_deadline(). So nothing leaves that a successor does not know of.
 */
#pragma once

#include "base/rd.h"
#include "base/secret.h"
#include "base/wr.h"
#include "crypto/prf.h"
#include "crypto/sign.h"
#include "crypto/x509.h"
#include "key/sink.h"
#include "wire/esp.h"
#include "wire/ike.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKEV2_NEVER UINT64_MAX
#define IKEV2_PORT 500
#define IKEV2_PORT_NAT 4500
#define IKEV2_ID_MAX 256         /* bytes of an identity */
#define IKEV2_MESSAGE_MAX 10240  /* bytes of the longest message, before it is fragmented */
#define IKEV2_DATAGRAM_MAX 10308 /* bytes of the longest datagram sent */
#define IKEV2_SIGNED_MAX 3584    /* bytes of the longest run that a signature is asked for */
#define IKEV2_SAVE_MAX 65536     /* bytes no record exceeds */
#define IKEV2_CHILDREN_MAX 16    /* of one IKE SA */
#define IKEV2_NAME_MAX 32        /* bytes of a peer's name, with its NUL */
#define IKEV2_TROUBLE_MAX 1024   /* bytes of the words for what is wrong, with their NUL */

struct ikev2_id {
	uint8_t type; /* enum ike_id_type; 0: none given */
	uint16_t len;
	uint8_t b[IKEV2_ID_MAX];
};

enum ikev2_auth { IKEV2_AUTH_PSK, IKEV2_AUTH_CERT };
/* What a peer is to us. Of a pair come children, of a group (RFC 9838) what env.group makes of it. */
enum ikev2_role { IKEV2_PAIR, IKEV2_KEY_SERVER, IKEV2_MEMBER };
enum ikev2_strength { IKEV2_STRONG, IKEV2_COMPATIBLE };

/* What is known of one peer beforehand. Pointers are lent for as long as the peer is set. */
struct ikev2_peer {
	uint16_t tunnel; /* its number, from 1: what all calls and the sink name it by */
	char name[IKEV2_NAME_MAX];
	enum ikev2_role role;
	bool keep; /* MEMBER: the IKE SA stays, for GSA_INBAND_REKEY; else it is closed soon */
	struct esp_end local;  /* our address; port 0: IKEV2_PORT. Family 0: any of ours */
	struct esp_end remote; /* its address; family 0: any, then it must come to us */
	struct ikev2_id local_id;
	struct ikev2_id remote_id; /* none: whatever identity proves itself */
	enum ikev2_auth auth;      /* ours and what is expected of it */
	struct secret psk;
	const struct x509_trust *trust; /* CERT: who may vouch for it */
	const struct x509_der *chain;   /* CERT: ours first, then authorities below the anchor */
	unsigned chain_count;
	uint32_t schemes;       /* CERT: 1 << enum sign_scheme of what our key can make */
	uint16_t key;           /* CERT: handed to env.sign */
	struct ikev2_id ppk_id; /* none: no PPK */
	struct secret ppk;
	bool ppk_required;
	enum ikev2_strength strength; /* COMPATIBLE: also the AUTH methods of before RFC 7427 */
	const struct ike_proposal *ike_offer; /* NULL: what goes with strength */
	unsigned ike_offer_count;
	const struct ike_proposal *esp_offer; /* the same */
	unsigned esp_offer_count;
	enum esp_mode mode;
	/* What may pass. Counts of 0: the two addresses IKE runs between, in transport mode. */
	struct esp_selectors ts;
	uint32_t window; /* replay window of receive SAs, packets */
	bool pfs;        /* a fresh DH exchange with every rekey of a child */
	bool childless;  /* IKE SA without a child, until one is asked for */
	bool encap;      /* UDP encapsulation also where there is no NAT */
	bool key_log;    /* for debugging: its keys go to env.keylog */
	bool start;      /* brought up at once and kept up; else by ikev2_up() or its packets */
	uint64_t ike_rekey_ns, ike_reauth_ns, child_rekey_ns; /* 0: never */
	uint64_t dpd_ns; /* silence after which it is asked whether it lives; 0: never */
};

/* What happened to a peer. From AUTH_FAILED on somebody without a key may be the cause: these are
 * told seldom. */
enum ikev2_event {
	IKEV2_EV_UP,   /* an IKE SA stands where none stood */
	IKEV2_EV_DOWN, /* and none any more */
	IKEV2_EV_REKEYED,
	IKEV2_EV_CHILD_REKEYED,
	IKEV2_EV_REAUTHENTICATED,
	IKEV2_EV_AUTH_FAILED,
	IKEV2_EV_NO_PROPOSAL,
	IKEV2_EV_TROUBLE, /* whatever else keeps it down */
	IKEV2_EV_COUNT
};
const char *ikev2_event_name(enum ikev2_event ev);

enum ikev2_table { IKEV2_TABLE_IKE, IKEV2_TABLE_ESP }; /* ikev2_decryption_table, esp_sa */

/*
 * A group over an IKE SA. Payloads that are handed in verified and come from the peer of that tunnel;
 * what is written into o goes to it alone. Errors are numbers of IKEv2's notifications, 0: none.
 */
struct ikev2_group_keys { /* what GSK_w is made of (RFC 9838 §3.1.1) */
	enum prf_hash prf;
	uint16_t kwa; /* enum ike_kwa */
	const struct secret *sk_d;
};
struct ikev2_group_ops {
	void *ctx;
	/* Member: what is asked beside IDg. */
	void (*ask)(void *ctx, uint16_t tunnel, const struct ikev2_id *group, struct ike_out *o);
	/* GSA and KD; the error is told to the key server, which takes us for no member then. */
	uint16_t (*answer)(void *ctx, uint16_t tunnel, const struct ikev2_id *group,
			   const struct ike_chain *c, const struct ikev2_group_keys *k,
			   uint64_t now);
	/* It was refused, or could not be asked (0). */
	void (*refused)(void *ctx, uint16_t tunnel, const struct ikev2_id *group, uint16_t error,
			uint64_t now);
	/* A GSA_INBAND_REKEY; *group: set to the one it was about, if the error is to be told. */
	uint16_t (*inband)(void *ctx, uint16_t tunnel, const struct ike_chain *c,
			   const struct ikev2_group_keys *k, struct ikev2_id *group, uint64_t now);
	/* No IKE SA with the key server stands any more. */
	void (*closed)(void *ctx, uint16_t tunnel, uint64_t now);
	/* Key server: a request for registration; writes all of the answer, or what it wrote is not
	 * sent but the error. */
	uint16_t (*request)(void *ctx, uint16_t tunnel, const struct ikev2_id *group,
			    const struct ike_chain *c, const struct ikev2_group_keys *k,
			    struct ike_out *o, uint64_t now);
	void (*left)(void *ctx, uint16_t tunnel, const struct ikev2_id *group, uint64_t now);
	/* Writes a GSA_INBAND_REKEY; false: there is nothing to tell. */
	bool (*tell)(void *ctx, uint16_t tunnel, const struct ikev2_group_keys *k,
		     struct ike_out *o, uint64_t now);
};

struct ikev2_env {
	void *ctx;
	/* Fills n bytes with cryptographic randomness. Never fails. */
	void (*random)(void *ctx, void *buf, size_t n);
	/* Seconds since 1970, for certificates alone. */
	int64_t (*wall)(void *ctx);
	/* Asks for a signature over len bytes, at most IKEV2_SIGNED_MAX, by that key; the answer is ikev2_signed() with that
	 * id, at once or later. 0, or -errno when it cannot be asked for. */
	int (*sign)(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		    size_t len);
	/* A line for one of Wireshark's tables, with keys, of a peer with key_log; the caller wipes
	 * it. NULL outside of debugging. */
	void (*keylog)(void *ctx, enum ikev2_table table, const char *line);
	/* What happened to the peer of that number (0: to none that is known), in words without a
	 * name in front. NULL: it is logged instead. */
	void (*event)(void *ctx, enum ikev2_event ev, uint16_t tunnel, const char *text);
	struct sink_esp_ops sink;
	struct ikev2_group_ops group; /* all of it, where a peer's role needs it */
};

struct ikev2_config {
	uint16_t port, port_nat; /* 0: 500 and 4500 */
	unsigned cookie_above;   /* half-open IKE SAs from which on cookies are asked for */
	unsigned half_open_max;  /* of them altogether */
	unsigned source_max;     /* and from one address */
	bool initial_contact;    /* nothing of an earlier life is known: peers may forget it */
	unsigned slots;          /* records there is room for: IKE SAs with a peer at most */
};

struct ikev2;

/* cookie_above, half_open_max, source_max, slots of 0 take 32, 512, 8 and 1024. NULL: no memory. */
struct ikev2 *ikev2_new(const struct ikev2_config *cfg, const struct ikev2_env *env, uint64_t now);
/* Retires nothing: what is installed stays with forward. Wipes every key. */
void ikev2_free(struct ikev2 *e);

/* Adds a peer, or replaces the one of that number; SAs that stand go on until they are rekeyed, but
 * those whose peer has a certificate that is revoked by now: they are closed.
 * -EINVAL when a field is out of range, -ENOMEM. */
int ikev2_peer_set(struct ikev2 *e, const struct ikev2_peer *p, uint64_t now);
/* Forgets a peer and closes its SAs. */
void ikev2_peer_remove(struct ikev2 *e, uint16_t tunnel, uint64_t now);

/* Commands. -ENOENT: no such peer; -EADDRNOTAVAIL: it has no address to call it at; -ENOTCONN: no
 * IKE SA with it stands. What is brought down is held down, whoever calls or has packets for it,
 * until it is brought up. */
int ikev2_up(struct ikev2 *e, uint16_t tunnel, uint64_t now);
int ikev2_down(struct ikev2 *e, uint16_t tunnel, uint64_t now);
enum ikev2_what { IKEV2_REKEY_IKE, IKEV2_REKEY_CHILD, IKEV2_REAUTH, IKEV2_NEW_CHILD };
int ikev2_rekey(struct ikev2 *e, uint16_t tunnel, enum ikev2_what what, uint64_t now);

/* Asks a key server to register us in a group: over the IKE SA that stands, or with a new one. One at
 * a time and peer. -ENOENT: no such peer; -EINVAL: no key server, or held down; -EBUSY. */
int ikev2_group_register(struct ikev2 *e, uint16_t tunnel, const struct ikev2_id *group,
			 uint64_t now);
/* Has a member told, by env.group.tell. -ENOENT: no such member; -ENOTCONN: no IKE SA stands. */
int ikev2_group_inband(struct ikev2 *e, uint16_t tunnel, uint64_t now);

/* What became of a received datagram. Each has a counter; the words are ikev2_result_name()'s. */
enum ikev2_result {
	IKEV2_OK,
	/* in clear: nothing but a counter moves */
	IKEV2_NOT_IKE,   /* too short, or ESP on the NAT traversal port */
	IKEV2_MALFORMED, /* what enum ike_error says of a message in clear */
	IKEV2_VERSION,
	IKEV2_EXCHANGE,    /* an exchange nobody here knows, or not one in clear */
	IKEV2_FLAGS,       /* flags that cannot be for this SA */
	IKEV2_UNKNOWN_SPI, /* for no IKE SA of ours */
	IKEV2_WINDOW,      /* a message ID that is not expected */
	IKEV2_NO_PEER,     /* nobody is configured at these addresses */
	IKEV2_COOKIE_ASKED,
	IKEV2_COOKIE_WRONG,
	IKEV2_HALF_OPEN,      /* too many half-open IKE SAs */
	IKEV2_SOURCE,         /* too many of them from this address */
	IKEV2_CLEAR_CRITICAL, /* an unknown critical payload in clear */
	IKEV2_CLEAR_PAYLOADS, /* payloads that an IKE_SA_INIT lacks or may not have */
	IKEV2_NO_PROPOSAL,    /* no proposal in common */
	IKEV2_GROUP,          /* another DH group is asked for */
	IKEV2_KEY_EXCHANGE,   /* a DH value that is none */
	IKEV2_REFUSED_CLEAR,  /* an error notification that nobody signed: noted, not believed */
	IKEV2_ICV,            /* did not verify */
	/* verified: it comes from the peer */
	IKEV2_FRAGMENT,       /* a fragment that does not belong with the others */
	IKEV2_FRAGMENT_MORE,  /* one of several, the others are awaited */
	IKEV2_RETRANSMIT,     /* answered before: the same answer again */
	IKEV2_INNER,          /* what was encrypted is malformed */
	IKEV2_CRITICAL,       /* holds a critical payload nobody here knows */
	IKEV2_PAYLOADS,       /* payloads that this exchange lacks or may not have */
	IKEV2_AUTHENTICATION, /* AUTH does not verify */
	IKEV2_IDENTITY,       /* an identity that is not this peer's */
	IKEV2_CERTIFICATE,    /* none, or refused */
	IKEV2_PPK,            /* the post-quantum key is missing or another */
	IKEV2_SELECTORS,      /* no traffic selectors in common, or more than was asked for */
	IKEV2_TEMPORARY,      /* collides with what is under way: later */
	IKEV2_NO_CHILD,       /* about a child SA that is not there */
	IKEV2_REFUSED,        /* the peer answered with an error */
	IKEV2_LIMIT,          /* no room for another SA */
	IKEV2_RESULT_COUNT
};
const char *ikev2_result_name(enum ikev2_result r);

/* A received datagram. local: where it came to; remote: where from. */
enum ikev2_result ikev2_input(struct ikev2 *e, const struct esp_end *local,
			      const struct esp_end *remote, const void *data, size_t len,
			      uint64_t now);

/* The signature that was asked for under that id; len 0: it could not be made. */
void ikev2_signed(struct ikev2 *e, uint32_t id, const void *sig, size_t len, uint64_t now);

/* What forward said of an SA. */
void ikev2_report(struct ikev2 *e, const struct sink_esp_report *r, uint64_t now);

/* Whether forward still sends to the peer by an SA of an earlier life, whose record is lost: then
 * one that was agreed upon by the peer's wish is not used before the peer is known to receive. */
void ikev2_carried(struct ikev2 *e, uint16_t tunnel, bool carried);

/* Timers: call at or after ikev2_deadline(). */
void ikev2_expire(struct ikev2 *e, uint64_t now);
uint64_t ikev2_deadline(const struct ikev2 *e);

struct ikev2_datagram {
	struct esp_end local, remote;
	size_t len;
	uint8_t b[IKEV2_DATAGRAM_MAX];
};
/* Next datagram to send; false: none. */
bool ikev2_output(struct ikev2 *e, struct ikev2_datagram *d);

/*
 * Records, one for each IKE SA that is worth continuing, in slots from 0 to cfg.slots - 1.
 * ikev2_save_next() writes one that has changed since it was last written, and says which slot;
 * nothing written: the slot is to be cleared. False: all are up to date.
 *
 * ikev2_load() takes one record over; peers are set before. -EBADMSG when it does not parse,
 * -ENOENT when its peer is not there any more. ikev2_loaded(), after all: hands the sink what the
 * records have, and goes on.
 */
bool ikev2_save_next(struct ikev2 *e, unsigned *slot, struct wr *w);
int ikev2_load(struct ikev2 *e, unsigned slot, struct rd *r, uint64_t now);
void ikev2_loaded(struct ikev2 *e, uint64_t now);

/* A picture of one IKE SA for the CLI. No key material. */
struct ikev2_child_show {
	uint32_t spi_in, spi_out;
	uint8_t suite; /* enum esp_suite */
	uint8_t mode;  /* enum esp_mode */
	bool esn, up, sending;
	uint64_t since_ns, rekey_ns; /* rekey: IKEV2_NEVER, or when */
	uint64_t packets_in;         /* as forward last said */
	struct esp_selectors ts;
};
struct ikev2_sa_show {
	uint16_t tunnel; /* 0: not known yet */
	const char *state;
	uint64_t spi_i, spi_r;
	bool initiator, established, nat_local, nat_remote, encap, fragments, ppk;
	struct esp_end local, remote;
	struct ikev2_id remote_id;
	char suite[96]; /* words of the transforms */
	const char *auth;
	uint64_t since_ns, heard_ns;
	uint64_t rekey_ns, reauth_ns; /* IKEV2_NEVER, or when */
	unsigned child_count;
	struct ikev2_child_show children[IKEV2_CHILDREN_MAX];
};
/* The i-th, or false. */
bool ikev2_show(const struct ikev2 *e, unsigned i, struct ikev2_sa_show *out);

/* Whether a peer is to be up, and why it is not. */
struct ikev2_peer_show {
	bool wanted, held;
	unsigned failures;               /* attempts in a row that came to nothing */
	uint64_t next_ns;                /* no attempt before; 0: none is made */
	uint64_t trouble_ns;             /* when that was noted; 0: nothing is */
	char trouble[IKEV2_TROUBLE_MAX]; /* "": nothing */
};
bool ikev2_peer_show(const struct ikev2 *e, uint16_t tunnel, struct ikev2_peer_show *out);

/* An identity in words, written to buf, which is returned. */
const char *ikev2_id_text(const struct ikev2_id *id, char *buf, size_t size);

struct ikev2_stats {
	uint64_t results[IKEV2_RESULT_COUNT];
	uint64_t sent, retransmits, established, rekeys, child_rekeys, lost;
	unsigned sas, half_open;
};
void ikev2_stats(const struct ikev2 *e, struct ikev2_stats *out);

/* A digest of all that authenticated input may change (no counters): what a hostile datagram must
 * leave as it was. */
uint64_t ikev2_digest(const struct ikev2 *e);
