/*
 * What the files of the MKA engine share. Nothing outside src/key/mka includes this (the
 * engine's own tests do).
 *
 *   kay.c          the KaY: life, the turn of all its parts, what forward said
 *   keys.c         which CAKs have a participant now
 *   principal.c    whose SAKs are used
 *   participant.c  a participant: its life, its identifier, what is sent when
 *   show.c         a picture of it all, names
 *   input.c        from a received frame to what may be believed of it
 *   peers.c        the live and the potential peer list (9.4.2, 9.4.3)
 *   server.c       election (9.5), making and distributing SAKs (9.8)
 *   sak.c          the SAKs we hold, their SAs at the sink, SSCIs and salts
 *   cp.c           the controlled port state machine (12.4): when a SAK is received and sent with
 *   output.c       building an MKPDU
 *   suspend.c      in-service suspension (9.18)
 *   delay.c        delay protection: lowest acceptable PNs told and applied (9.10.1)
 *   announce.c     the cipher suites a participant tells of (11.12)
 *   save.c         the record a successor continues from
 */
#pragma once

#include "base/log.h"
#include "key/mka/mka.h"
#include "wire/mkpdu.h"

_Static_assert(MKA_PEERS_MAX == MKPDU_PEERS_MAX, "the table has as many places as the list");

#define MKA_NEVER UINT64_MAX
#define MKA_FLOORS 5             /* of message numbers, so many steps apart */
#define MKA_LPNS 4               /* packet numbers remembered of an SA */
#define MKA_USED_MAX 8           /* key servers whose last key number is remembered */
#define MKA_GONE_MAX 16          /* remembered identifiers of members that were replaced */
#define MKA_MN_LIMIT 0xffffff00u /* a new member identifier before message numbers run out */
#define MKA_MN_CEILING 1000u     /* how far a successor starts past the saved message number */
#define MKA_KN_CEILING 16u       /* the same for key numbers */

/* The states of IEEE 802.1X-2020 figure 12-2 that a port without unsecured connectivity has. */
enum cp_state {
	CP_INIT,
	CP_CHANGE,
	CP_SECURED,
	CP_RECEIVE,
	CP_RECEIVING,
	CP_READY,
	CP_TRANSMIT,
	CP_TRANSMITTING,
	CP_ABANDON,
	CP_RETIRE,
	CP_STATE_COUNT
};

/* A key identifier: who made it, and the number it gave. */
struct ki {
	uint8_t mi[MKA_MI_LEN];
	uint32_t kn; /* 0: none */
};

/* Our next message number one step ago, two steps …: a peer that names one before the oldest does
 * not prove that it heard us since. */
struct floors {
	uint32_t mn[MKA_FLOORS];
	uint64_t at; /* when they move up */
};

/* What a peer said of one key in its last MKPDU. */
struct key_use {
	struct ki ki;
	uint64_t lpn;
	uint8_t an;
	bool tx, rx;
};

struct peer {
	uint8_t mi[MKA_MI_LEN];
	uint32_t mn; /* largest heard */
	uint64_t sci;
	uint64_t heard; /* when it last was heard; live: when it last proved that it hears us */
	uint8_t priority, version, capability;
	bool key_server; /* its flag: it has not decided that another is key server */
	bool live;
	bool lists_others;      /* its live list names somebody who is not live here */
	bool delay_protect;     /* what it says of packet numbers is fresh enough to be applied */
	bool can_suspend;       /* its MKPDUs have the set with MKA Suspension Time */
	uint64_t suspend_until; /* it asks for a suspension, or as key server grants it; 0: no */
	uint32_t heard_mn;      /* the largest of our message numbers it listed */
	bool announced;         /* its cipher suites, for show: */
	uint8_t suites;         /* 1 << enum macsec_suite */
	uint8_t suites_unknown;
	struct key_use latest, old;
};

/* A member of the group a SAK was made for. */
struct member {
	uint8_t mi[MKA_MI_LEN];
	uint64_t sci;   /* 0: not heard yet */
	uint32_t ssci;  /* XPN suites, else 0 */
	bool asked;     /* the sink took its receive SA */
	bool installed; /* forward reported it */
	bool doubt;     /* asked of a forward that is no more: is it there? */
	uint64_t lpn;   /* lowest acceptable packet number the sink was given; 0: none */
};

struct actor;

struct sak {
	bool held;
	struct ki ki;
	struct actor *actor; /* under which it was distributed; NULL: that one has ended */
	uint8_t an;
	enum macsec_suite suite;
	enum macsec_conf conf;
	struct secret key;
	uint8_t salt[MACSEC_SALT_LEN];
	uint32_t ssci; /* ours */
	bool rx, tx;   /* what we tell of it: receiving, transmitting */
	bool tx_asked, tx_installed, tx_doubt;
	bool lost;   /* forward lost an SA of it: none is asked for again */
	uint64_t pn; /* our next packet number, as last reported */
	struct {
		uint64_t at, pn;
	} lpns[MKA_LPNS];      /* our packet numbers and when, newest first; delay protection */
	uint64_t since;        /* when it came; once it transmits: when that began */
	unsigned member_count; /* without ourselves */
	struct member members[MKA_PEERS_MAX];
};

enum {
	SAK_NEXT,   /* distributed, the controlled port has not taken it yet */
	SAK_LATEST, /* lki of the standard */
	SAK_OLD,    /* oki */
	SAK_LAPSED, /* abandoned, but others may still start to transmit with it */
	SAK_SLOTS
};

/*
 * Deliberate faults, for the test that shows that the simulator finds them. Only a second build of
 * these sources, with MKA_FAULTS defined, has them (meson.build); in the daemon's own objects
 * mka_faulty() is constant and nothing is left of what it guards.
 */
enum mka_fault {
	MKA_FAULT_NONE,
	MKA_FAULT_SKIP_ICV,
	MKA_FAULT_REUSE_SAK, /* a SAK is distributed to members it was not made for */
	MKA_FAULT_RETIRE_EARLY,
	MKA_FAULT_SEND_EARLY,   /* transmit before the receivers have the key */
	MKA_FAULT_SSCI_ORDER,   /* SSCIs counted the wrong way round by some */
	MKA_FAULT_SKIP_MN,      /* message numbers not checked */
	MKA_FAULT_ROLL_EARLY,   /* a newer key takes over before all have it */
	MKA_FAULT_END_EARLY,    /* a participant ends the moment its key's time has passed */
	MKA_FAULT_REUSE_PN,     /* after a restart, the transmit SA is made again from packet 1 */
	MKA_FAULT_LPN_AHEAD,    /* delay protection tells numbers that are yet to be sent */
	MKA_FAULT_SUSPEND_DEAF, /* a suspension is granted, and peers are timed out all the same */
};

/*
 * A participant: what the KaY is under one CAK (9.4.1). Its SAKs are the KaY's.
 */
struct actor {
	struct mka *m; /* the KaY; NULL: this place is free */
	struct mka_key key;
	struct secret ick, kek;
	uint64_t overtime_at; /* since when the wall clock is outside the key's time; 0: within */
	uint64_t loud_at;     /* when that is said again */
	uint64_t leave_at;    /* since when its key is not among ours; 0: it is */

	/* who we are */
	uint8_t mi[MKA_MI_LEN];
	uint32_t mn;           /* of the last MKPDU */
	struct floors life;    /* a quarter of MKA Life Time a step */
	struct floors bounded; /* MKA Bounded Hello Time a step, for delay protection */
	uint32_t suspend_mn;   /* of the first MKPDU that told of m->ask_until */

	/* who else is there */
	struct peer peers[MKA_PEERS_MAX];
	unsigned peer_count;
	struct {
		uint8_t mi[MKA_MI_LEN];
		uint32_t mn;
	} gone[MKA_GONE_MAX]; /* replaced members, so that their old frames stay old */
	unsigned gone_next;

	/* who is key server */
	bool elected; /* somebody is */
	bool self;    /* we are */
	uint8_t ks_mi[MKA_MI_LEN];
	uint64_t ks_sci;
	uint64_t elected_at;
	struct ki used[MKA_USED_MAX]; /* the newest SAK taken of each key server */
	unsigned used_next;

	/* what is due */
	uint64_t hello_at, tx_last;
	bool tx_pending;   /* mka_output() has a frame to build */
	bool info_pending; /* something new to tell: the hello is not waited for */

	/* for show, no part of the protocol */
	uint64_t results[MKA_RESULT_COUNT];
	uint64_t rx_mkpdus, tx_mkpdus;
};

struct mka {
	struct mka_config cfg;
	struct mka_env env;
#ifdef MKA_FAULTS
	enum mka_fault fault;
#endif
	struct actor actors[MKA_ACTORS_MAX];
	unsigned peers_max;      /* of a participant */
	struct actor *principal; /* whose key server's SAKs are used; NULL: no participant runs */

	uint64_t principal_at; /* since when it is */
	struct actor *rival;   /* who should be principal instead; NULL: nobody */
	uint64_t rival_at;     /* since when it is that one */
	uint64_t rest_at;      /* not 0: since when nobody should be any more */
	uint64_t rivalry_at;   /* since when it is anyone */

	uint64_t wall, wall_at; /* the wall clock as told, and when; wall_at 0: never told */

	/* keys */
	struct sak sak[SAK_SLOTS];
	uint32_t kn;                        /* of the last SAK we made */
	uint8_t an;                         /* of the last SAK we made or took */
	uint64_t distributed_at;            /* when we made our last SAK; 0: never */
	bool fresh_wanted;                  /* key server: the SAK in use must be replaced */
	struct ki orphans[MACSEC_AN_COUNT]; /* keys forward has that no record knows of */
	unsigned orphan_count;

	/* controlled port */
	enum cp_state cp;
	uint64_t receive_at; /* when RECEIVE was entered */
	uint64_t transmit_when, retire_when, retire_limit, lapse_when;
	uint64_t alone_since; /* no peer is live, the SAK is kept (keep_sak_ns); 0: not so */

	/* suspension */
	uint64_t ask_until;       /* we ask for it, or as key server want it, until then; 0: no */
	uint64_t suspended_until; /* 0: not suspended */

	uint64_t stepped_at; /* deadlines up to here have been looked at */
	uint64_t due;        /* when we asked to be called next; 0: not yet */
	bool unsynced;       /* mka_synced() is awaited */
	bool stepping;       /* mka_step() is on the stack: the sink answers at once */

	/* for show, no part of the protocol */
	uint64_t results[MKA_RESULT_COUNT]; /* of all participants, and of none */
	uint64_t saks;
	struct log_limit suite_log, full_log;
};

/* Every participant of a KaY, `a` one after the other. */
#define FOR_EACH_ACTOR(kay, a)                                                                     \
	for (__typeof__(&(kay)->actors[0]) a = (kay)->actors, end_##a = a + MKA_ACTORS_MAX;        \
	     a < end_##a; a++)                                                                     \
		if (a->m)

/* kay.c */
void mka_step(struct mka *m, uint64_t now); /* whatever follows from the state as it is */
/* Forward has not all of a SAK any more: it is to be replaced. */
void mka_sak_lost(struct mka *m, struct sak *s, uint64_t now);
bool mka_alone(const struct mka *m);                   /* no participant has a live peer */
bool mka_keeps_sak(const struct mka *m, uint64_t now); /* though it is alone */

/* keys.c */
enum mka_key_time key_time(const struct mka *m, const struct mka_key *k, uint64_t now);
bool key_equal(const struct mka_key *a, const struct mka_key *b); /* name and CAK */
const struct mka_key *key_named(const struct mka *m, const uint8_t *ckn, uint8_t len);
bool keys_valid(const struct mka_key *v, unsigned n);
void keys_run(struct mka *m, uint64_t now); /* starts and ends participants */
uint64_t keys_deadline(const struct mka *m);

/* principal.c */
bool actor_preferred(const struct actor *a, const struct actor *b); /* a to b */
/* a's live peers are all those of b, and perhaps more */
bool actor_covers(const struct actor *a, const struct actor *b);
bool principal_may_follow(const struct actor *a); /* it reaches whoever is reached at all */
void principal_set(struct mka *m, struct actor *a, uint64_t now, const char *why);
void principal_run(struct mka *m, uint64_t now);
uint64_t principal_deadline(const struct mka *m);
void principal_put_off(struct mka *m, uint64_t late); /* a stall of our own is no time */
/* Until when what can wait is left to another, who is about to be principal; 0: nobody is. */
uint64_t principal_leaves(const struct mka *m);

/* participant.c */
#define ACTOR_NAME_LEN (2 * MKA_CKN_MAX + 1)
const char *actor_name(const struct actor *a, char name[ACTOR_NAME_LEN]); /* its CKN in hex */
const char *key_name(const struct mka_key *k, char name[ACTOR_NAME_LEN]);
struct actor *actor_named(struct mka *m, const uint8_t *ckn, uint8_t len); /* or NULL */
/* A participant in a free place; NULL with errno when there is none, or the KDF fails. */
struct actor *actor_start(struct mka *m, const struct mka_key *key, uint64_t now);
void actor_end(struct actor *a); /* wipes it; SAKs distributed under it stay, without an actor */
void actor_rename(struct actor *a, uint64_t now); /* a new member identifier, numbers from 1 */
void actor_tell(struct actor *a);                 /* there is news for its peers */
void actors_tell(struct mka *m);
void actor_age(struct actor *a, uint64_t now); /* message numbers, peers, election */
void actor_send(struct actor *a, uint64_t now);
uint64_t actor_deadline(const struct actor *a); /* when it sends next */
bool actor_mn_recent(const struct actor *a, const struct floors *f, uint32_t mn);

/* peers.c */
struct peer *peer_find(struct actor *a, const uint8_t mi[MKA_MI_LEN]);
struct peer *peer_find_sci(struct actor *a, uint64_t sci);
struct peer *peer_add(struct actor *a, const uint8_t mi[MKA_MI_LEN], uint64_t sci, bool proven);
void peer_remove(struct actor *a, struct peer *p);
void peers_age(struct actor *a, uint64_t now);
uint64_t peers_deadline(const struct actor *a);
unsigned peers_live(const struct actor *a);
bool peer_gone_replay(const struct actor *a, const uint8_t mi[MKA_MI_LEN], uint32_t mn);
void peer_forget(struct actor *a, struct peer *p); /* removes it and remembers its numbers */

/* server.c */
struct server {
	bool elected, self;
	uint8_t mi[MKA_MI_LEN];
	uint64_t sci;
};

/* Who is elected under that CAK. `as`, if not NULL, stands for whoever had its SCI: a peer as the MKPDU at hand
 * would make it. */
struct server election_result(const struct actor *a, const struct peer *as);
void election_run(struct actor *a, uint64_t now);
void server_run(struct mka *m, uint64_t now);
uint64_t server_deadline(const struct mka *m);
bool server_distributes(const struct actor *a); /* our MKPDU carries the SAK */
/* Of the live peers of the participant that a SAK was distributed under. */
bool server_all_receiving(const struct mka *m, const struct sak *s);
bool server_some_receiving(const struct sak *s);
bool server_has_stranger(const struct sak *s); /* one it was not made for: a fresh one is due */
bool all_transmitting(const struct sak *s);    /* every live peer tells so */
bool some_transmitting(const struct sak *s);   /* any live peer tells so */

/* sak.c */
/* The Confidentiality Offset field of each enum macsec_conf. */
extern const uint8_t mka_conf_codes[MACSEC_CONF_COUNT];
/* The one of a field, or MACSEC_CONF_COUNT when there is none here. */
enum macsec_conf conf_of(uint8_t code);
bool ki_equal(const struct ki *a, const struct ki *b);
const struct sak *sak_newest(const struct mka *m); /* the slot with the newest SAK, or NULL */
const struct sak *sak_in_use(const struct mka *m); /* the one we transmit with, or NULL */
const struct member *sak_member(const struct sak *s, const uint8_t mi[MKA_MI_LEN]);
bool sak_made_by(const struct sak *s, const uint8_t mi[MKA_MI_LEN]);
void sak_salt(struct sak *s);
uint64_t sak_pn_limit(const struct mka *m, enum macsec_suite suite);
/* Counts the SSCIs up over SCIs that go down, ours among them (MKA versions 1 and 2). */
bool sak_ssci_by_sci(struct mka *m, struct sak *s);
void sak_ssci_assign(struct mka *m, struct sak *s); /* of a SAK we make, by cfg.ssci_order */
void sak_admit_users(struct sak *s);
void sak_receive(struct mka *m, struct sak *s); /* add receive: for whom it is still missing */
/* Add receive of one member, or its lowest acceptable packet number raised to pn. 0 or -errno. */
int sak_receive_from(struct mka *m, const struct sak *s, const struct member *a, uint64_t pn);
bool sak_receiving(const struct sak *s); /* forward has all of them that are known */
bool sak_all_known(const struct sak *s);
void sak_transmit(struct mka *m, struct sak *s);
void sak_retire(struct mka *m, struct sak *s); /* retires it at the sink and wipes it */
void sak_move(struct sak *to, struct sak *from);
void sak_orphan(struct mka *m, const struct ki *ki); /* remembers it, */
void sak_orphans_retire(struct mka *m);              /* to retire it when there is better */
const struct key_use *peer_use_of(const struct peer *p, const struct ki *ki);

/* input.c */
enum mka_result input_frame(struct mka *m, const uint8_t *frame, size_t len, uint64_t now);

/* suspend.c */
bool suspended(const struct mka *m, uint64_t now);
void suspend_run(struct mka *m, uint64_t now);
uint64_t suspend_deadline(const struct mka *m);
uint8_t suspend_told(const struct actor *a); /* MKA Suspension Time of its MKPDUs, seconds */
void suspend_take(struct peer *p, const struct mkpdu *pdu, uint64_t now);
void suspend_resume(struct mka *m); /* a successor is back */
bool suspend_granted(const struct mka *m);

/* delay.c */
void delay_report(struct sak *s, uint64_t pn, uint64_t now); /* forward's word on our SA */
uint64_t delay_lpn(const struct mka *m, const struct sak *s, uint64_t now); /* to tell */
void delay_put_off(struct sak *s, uint64_t late); /* our packet numbers are not older by that */
void delay_apply(struct actor *a, const struct peer *p);

/* announce.c */
#define ANNOUNCE_MAX (2 + MACSEC_SUITE_COUNT * MKPDU_SUITE_LEN)
void announce_fill(const struct mka *m, uint8_t tlvs[ANNOUNCE_MAX], struct mkpdu *p);
void announce_take(struct peer *peer, const struct mkpdu *p);

/* cp.c */
const char *cp_state_name(enum cp_state s);
void cp_run(struct mka *m, uint64_t now);
uint64_t cp_deadline(const struct mka *m);

#ifdef MKA_FAULTS
static inline bool mka_faulty(const struct mka *m, enum mka_fault fault)
{
	return m->fault == fault;
}
#else
static inline bool mka_faulty(const struct mka *m, enum mka_fault fault)
{
	(void)m;
	(void)fault;
	return false;
}
#endif
