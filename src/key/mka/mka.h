/*
 * mka: the MACsec Key Agreement of IEEE 802.1X-2020 clauses 9 and 12, one KaY, sans I/O.
 *
 * A KaY serves one SecY. It runs a participant for each CAK it has, all at once; one of them is
 * the principal, whose key server distributes SAKs. The SAKs, the controlled port and the
 * association numbers are the KaY's, so that traffic moves from one CAK's SAK to another's as it
 * does in any rekey.
 *
 * The engine reads no clock, no socket and no random device: it is handed frames, time and a
 * source of random bytes, queues frames to send, and hands keys to a sink (key/sink.h). So the
 * daemon, the tests, the fuzzers and the simulator run the same code. One thread per engine.
 *
 * Time is nanoseconds of the boot-time clock. Frames are whole Ethernet frames as on the wire,
 * without FCS, with the tags in clear that the participant has.
 */
#pragma once

#include "base/rd.h"
#include "base/secret.h"
#include "base/wr.h"
#include "key/sink.h"
#include "wire/macsec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MKA_MI_LEN 12
#define MKA_CKN_MAX 32
#define MKA_FRAME_MAX 1526 /* bytes of the longest frame mka_output() gives */
#define MKA_PEERS_MAX 80   /* what an MKPDU that distributes a SAK has room to list at MTU 1500 */
#define MKA_SUSPENSION_LIMIT_S 120                   /* MKA Suspension Limit (table 9-3) */
#define MKA_BOUNDED_HELLO_NS (500ull * 1000 * 1000)  /* MKA Bounded Hello Time */
#define MKA_LPN_REPORT_NS (MKA_BOUNDED_HELLO_NS / 2) /* how often delay protection wants PNs */
#define MKA_KEYS_MAX 16                              /* CAKs a KaY may know */
#define MKA_ACTORS_MAX 6                             /* participants at once */
#define MKA_SAVE_MAX 63488                           /* bytes mka_save() never exceeds */

/*
 * Who has which SSCI. The key server of MKA version 3 lists its live peers in the order of the
 * SSCIs and tells its own (802.1Xck-2018); from versions 1 and 2 everybody counts for himself, 1
 * for the highest SCI. MKA_SSCI_AUTO takes what the version of the MKPDU says, and what this
 * engine assigns is right by both. The others are for gear that does it differently.
 */
enum mka_ssci_order {
	MKA_SSCI_AUTO,
	MKA_SSCI_SCI,  /* by SCI, whatever the version and the list say */
	MKA_SSCI_LIST, /* the key server 1 (or what it tells), the others as its list has them */
	MKA_SSCI_ORDER_COUNT
};

#define MKA_OVERTIME_NS (72 * 3600 * 1000000000ull)

/*
 * A CAK, its name, and when it may be used: wall clock, nanoseconds since 1970 UTC. Of the keys of
 * a chain that may be used, the one that started last is preferred; a fallback comes behind all
 * of them.
 *
 * The wall clock decides over what is begun, not over what stands: a participant whose key's time
 * has passed (or whose clock was put back) goes on, least preferred, until its peers are reached
 * under another key and no SAK of it is left; but not beyond MKA_OVERTIME_NS.
 */
struct mka_key {
	struct secret cak; /* 16 or 32 bytes */
	uint8_t ckn[MKA_CKN_MAX];
	uint8_t ckn_len; /* 1..32 */
	bool fallback;
	uint64_t start, end; /* 0: none */
};

struct mka_config {
	struct mka_key keys[MKA_KEYS_MAX]; /* no two of one CKN */
	unsigned key_count;                /* at least 1 */
	uint64_t wall;    /* what the wall clock shows; 0: not known, and mka_wall() will tell */
	uint64_t sci;     /* our transmit SC: MAC address of the port and port id */
	uint16_t secy;    /* handed through to the sink */
	uint8_t priority; /* key server priority: 0 best, 255: never key server */
	enum macsec_suite suite; /* what we distribute as key server */
	enum macsec_conf conf;   /* the same; and no SAK is taken that leaves more in clear */
	uint32_t accept_suites;  /* 1 << enum macsec_suite of every suite we take from another */
	uint64_t hello_ns, life_ns, retire_ns; /* 2 s, 6 s, 3 s by the standard */
	uint64_t rekey_ns;     /* a SAK's lifetime as key server; 0: by packet number alone */
	uint64_t pn_threshold; /* rekey when a packet number passes it; 0: the suite's default */
	bool replay_protect;
	uint32_t replay_window;
	bool delay_protect; /* tell and apply lowest acceptable PNs every MKA Bounded Hello Time */
	enum mka_ssci_order ssci_order;
	/* Not of the standard: how long a SAK is used on when no peer is live. 0: not at all. */
	uint64_t keep_sak_ns;
	uint16_t mtu;           /* of the port, bytes behind the Ethernet header; 0: 1500 */
	uint8_t destination[6]; /* of MKPDUs */
	uint16_t ethertype;     /* 0x888e, 0x876f, … */
	uint16_t vlan;          /* tag in clear, 0: none */
	uint16_t outer_type;    /* TPID of a tag around it, 0x88a8 or 0x8100; 0: none */
	uint16_t outer_vlan;    /* of that tag */
	uint8_t pcp;            /* priority bits of every tag */
};

struct mka_env {
	void *ctx;
	/* Fills n bytes with cryptographic randomness. Never fails. */
	void (*random)(void *ctx, void *buf, size_t n);
	struct sink sink;
};

struct mka;

/* Copies the configuration; NULL with errno EINVAL when a field is out of range. */
struct mka *mka_new(const struct mka_config *cfg, const struct mka_env *env, uint64_t now);
/*
 * What the wall clock shows, to be called before mka_expire(). While it is not known no key with
 * a start or an end is used. It may jump as it likes.
 */
void mka_wall(struct mka *m, uint64_t wall, uint64_t now);

/*
 * Other keys in place of those there are. One that stays, under its name and with its CAK, loses
 * nothing; one that is no more among them ends at once, or as soon as a SAK that is being brought into use
 * is, and the SAK it leaves when another replaces it.
 * 0, or -EINVAL when a key is out of range or a name is there twice: nothing has changed then.
 */
int mka_keys(struct mka *m, const struct mka_key *v, unsigned n, uint64_t now);

/* Retires nothing: what is installed stays with forward. Wipes every key. */
void mka_free(struct mka *m);

/* Why a received frame had no effect, or MKA_OK. Each has a counter; the words are in mka_result_name(). */
enum mka_result {
	MKA_OK,
	MKA_NOT_MKPDU, /* not an EAPOL-MKA frame for this destination, EtherType or tag */
	MKA_MALFORMED, /* lengths, padding or parameter sets that cannot be (11.11.2) */
	MKA_VERSION,
	MKA_CKN_UNKNOWN,
	MKA_AGILITY, /* algorithm agility parameter not 0x0080c201 */
	MKA_ICV_WRONG,
	MKA_OWN_MI,        /* our own frame came back, or somebody took our member identifier */
	MKA_REPLAYED,      /* message number not larger than the last of that member */
	MKA_DUPLICATE_SCI, /* a known SCI under another member identifier, still alive */
	MKA_NOT_LIVE,      /* authentic, but its peer list does not prove that it hears us */
	MKA_SAK_REFUSED, /* distributed by somebody not key server, or of a suite we do not take */
	MKA_TOO_MANY_PEERS,
	MKA_RESULT_COUNT
};

const char *mka_result_name(enum mka_result r);

/* A received frame. Nothing but a counter changes unless its ICV verified. */
enum mka_result mka_input(struct mka *m, const void *frame, size_t len, uint64_t now);

/* Timers: call at or after mka_deadline(). */
void mka_expire(struct mka *m, uint64_t now);
uint64_t mka_deadline(const struct mka *m);

/* What forward said. */
void mka_report(struct mka *m, const struct sink_report *r, uint64_t now);

/*
 * Forward has said everything it has (MSG_SYNC_DONE): what was not among the reports since the
 * last mka_load() or mka_resync() is not there. A SAK that forward lost is not installed again
 * (its packet numbers are not known); a fresh one is made or asked for.
 */
void mka_synced(struct mka *m, uint64_t now);
/* Forward is another process now: believe nothing installed until it is reported again. */
void mka_resync(struct mka *m);

/* Next frame to send, or 0. Call until 0 after each of the calls above, having stored mka_save()
 * first: a successor must never reuse a message number. */
size_t mka_output(struct mka *m, uint8_t buf[MKA_FRAME_MAX]);

/*
 * What a successor needs to continue as the same members: identifiers, message-number ceilings,
 * peers, SAKs with their key identifiers, ANs and SSCIs. mka_load() continues with message
 * numbers past the ceiling. -EBADMSG when the record does not parse or belongs to another
 * configuration (SCI, no key of it among ours).
 */
void mka_save(const struct mka *m, struct wr *w);
int mka_load(struct mka *m, struct rd *r, uint64_t now);

/*
 * In-service suspension (9.18): asks the key server to suspend the CA, or suspends it being key
 * server, for so many seconds from now (1 to MKA_SUSPENSION_LIMIT_S; 0: no longer). Nobody is
 * timed out until then and traffic goes on under the SAKs in use, so that this participant may
 * be away. A successor that continues from the record ends it. -EINVAL, or -ENOTCONN when
 * there is no SAK in use.
 */
int mka_suspend(struct mka *m, unsigned seconds, uint64_t now);

#define MKA_SHOW_PEERS MKA_PEERS_MAX

struct mka_peer_show {
	uint8_t mi[MKA_MI_LEN];
	uint32_t mn;
	uint64_t sci;
	uint8_t priority;
	bool live;
	uint64_t heard_ns;         /* when, boot-time clock */
	uint8_t version;           /* of MKA, as it says */
	bool announced;            /* it told its cipher suites: */
	uint8_t suites;            /* 1 << enum macsec_suite of those known here, */
	uint8_t suites_unknown;    /* and how many others */
	bool delay_protect;        /* it tells lowest acceptable PNs often enough to be applied */
	bool can_suspend;          /* it knows of suspension */
	uint64_t suspend_until_ns; /* it asks for one until then; key server: suspends; else 0 */
	bool suspend_heard;        /* it heard our asking, or suspending */
};

enum mka_key_time { MKA_KEY_FUTURE, MKA_KEY_VALID, MKA_KEY_EXPIRED };

/* A key, and the participant under it if there is one. No key material. */
struct mka_key_show {
	uint8_t ckn[MKA_CKN_MAX], ckn_len;
	bool fallback;
	uint64_t start, end;    /* as configured */
	enum mka_key_time time; /* by the wall clock as it is now */
	bool runs;              /* there is a participant; what follows is its */
	bool principal;
	uint64_t overtime_ns; /* since when it runs outside its time, boot-time clock; 0: within */
	uint8_t mi[MKA_MI_LEN];
	uint32_t mn;
	bool key_server;
	uint64_t key_server_sci;
	uint64_t rx_mkpdus, tx_mkpdus;
	uint64_t results[MKA_RESULT_COUNT];
	unsigned peer_count, live_count;
	struct mka_peer_show peers[MKA_SHOW_PEERS];
};

/* A picture of the KaY for the CLI. What is one participant's is the principal's. */
struct mka_show {
	const char *state; /* of the controlled port state machine, the standard's name */
	uint8_t mi[MKA_MI_LEN];
	uint32_t mn;
	uint64_t sci;
	bool key_server;         /* we are */
	uint64_t key_server_sci; /* who is; 0: nobody yet */
	bool secured;            /* a SAK is in use for transmission */
	enum macsec_suite suite;
	enum macsec_conf conf;
	uint8_t key_id[MACSEC_KEY_ID_LEN]; /* of the SAK in use */
	uint8_t an;
	uint64_t sak_since_ns; /* when it went into use */
	uint64_t saks;         /* SAKs put into use so far */
	uint64_t rx_mkpdus, tx_mkpdus;
	uint64_t results[MKA_RESULT_COUNT];
	uint64_t alone_since_ns;     /* no peer is live, and the SAK is kept nevertheless; else 0 */
	uint64_t suspended_until_ns; /* the CA is suspended; else 0 */
	uint64_t suspend_ask_ns;     /* until when we ask for it; else 0 */
	bool suspend_granted;        /* and the key server does: we may be away */
	uint8_t version;             /* of MKA, ours */
	unsigned peers_max;
	unsigned peer_count;
	struct mka_peer_show peers[MKA_SHOW_PEERS];
	unsigned key_count;
	struct mka_key_show keys[MKA_KEYS_MAX]; /* as configured, in that order */
};

void mka_show(const struct mka *m, struct mka_show *out);

/* A digest of everything that authenticated input may change (no counters): what a hostile
 * frame must leave as it was. */
uint64_t mka_digest(const struct mka *m);
