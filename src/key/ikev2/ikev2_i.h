/*
 * What the files of the IKEv2 engine share. Nothing outside src/key/ikev2 includes this (the
 * engine's own tests do).
 *
 *   engine.c    life of the engine, peers, timers, what is started when
 *   input.c     from a datagram to a row of the exchange table
 *   table.c     the exchange table: which payloads, which handler
 *   message.c   sealing, fragments out, retransmission, the output queue
 *   fragment.c  fragments in
 *   init.c      IKE_SA_INIT
 *   cookie.c    cookies, limits of half-open SAs
 *   auth.c      IKE_AUTH
 *   proof.c     what AUTH proves: shared secrets, signatures, certificates
 *   child.c     child SAs at the sink
 *   create.c    CREATE_CHILD_SA for children: new ones, rekeying, collisions
 *   rekey.c     CREATE_CHILD_SA for the IKE SA itself
 *   info.c      INFORMATIONAL: deletion, liveness
 *   group.c     what key servers and members of groups say (RFC 9838)
 *   keys.c      key derivation
 *   select.c    proposals
 *   ts.c        traffic selectors
 *   id.c        identities
 *   sa.c        IKE SAs: made, found, closed
 *   save.c      the records a successor continues from
 *   show.c      pictures and words
 *   tell.c      what happened, and why a peer is not up
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "crypto/dh.h"
#include "crypto/prf.h"
#include "crypto/seal.h"
#include "key/ikev2/ikev2.h"

#define NONCE_LEN 32               /* bytes of ours */
#define RETRY_FIRST (NS_PER_S / 2) /* until the first retransmission; doubles, */
#define RETRY_MOST (8 * NS_PER_S)  /* up to this */
#define HALF_OPEN_NS (30 * NS_PER_S)
#define CLOSED_NS (10 * NS_PER_S)    /* a closed IKE SA still answers retransmissions */
#define REPLACED_NS (60 * NS_PER_S)  /* the peer has this long to delete what it replaced */
#define SURPLUS_NS (15 * NS_PER_S)   /* … or the IKE SA it made at the same time as we */
#define LINGER_NS (5 * NS_PER_S)     /* a receive SA outlives its deletion: packets on the way */
#define SEND_FIRST_NS (3 * NS_PER_S) /* the first child of an IKE SA beside another one, or */
#define SEND_NS (80 * NS_PER_S) /* a new child SA sends at the latest: no retransmission is left */
#define KEEPALIVE_NS (20 * NS_PER_S)
#define GROUP_IDLE_NS (10 * NS_PER_S) /* a key server closes an IKE SA this long after its use */
#define TWINS_NS (20 * NS_PER_S)      /* two new children this close together are one wish twice */
#define COOKIE_NS (60 * NS_PER_S)
#define AGAIN_MOST (60 * NS_PER_S) /* between two attempts to reach a peer */
#define FRAGMENT_MAX 1228          /* bytes of a message: 1,280 less IPv6, UDP and the marker */
#define FRAGMENTS_MAX 32
#define SPI_BUCKETS 1024
#define PEER_SAS_MAX 8 /* IKE SAs of one peer that stand or wait to be deleted */

struct nonce {
	uint16_t len;
	uint8_t b[IKE_NONCE_MAX];
};

struct bytes { /* owned, by malloc */
	uint8_t *b;
	size_t len;
};

/* What was chosen for an IKE SA. Numbers are IKEv2's. */
struct ike_suite {
	uint16_t encr, key_bits, prf, integ, group;
	uint16_t kwa; /* enum ike_kwa; between peers of a group alone */
};

/* Keys of an IKE SA (§2.14): of the original initiator (i) and responder (r). */
struct ike_keys {
	struct secret d, pi, pr;
	struct seal_key i, r;
};

enum ike_state {
	ST_INIT_SENT, /* initiator */
	ST_AUTH_SIGN, /* initiator: a signature is awaited before IKE_AUTH goes out */
	ST_AUTH_SENT,
	ST_HALF_OPEN,  /* responder: IKE_SA_INIT answered */
	ST_AUTH_REPLY, /* responder: a signature is awaited before IKE_AUTH is answered */
	ST_UP,
	ST_REPLACED, /* rekeyed: children are gone to another, it waits for its deletion */
	ST_CLOSING,  /* its Delete is sent */
	ST_CLOSED,   /* answers retransmissions until it is freed */
	ST_COUNT
};
#define IN(state) (1u << (state))

/* What a request of ours is about. */
enum kind {
	EX_NONE,
	EX_INIT,
	EX_AUTH,
	EX_GSA_AUTH,
	EX_CHILD_NEW,
	EX_CHILD_REKEY,
	EX_IKE_REKEY,
	EX_DELETE_CHILD,
	EX_DELETE_IKE,
	EX_DPD,
	EX_GSA_REGISTER,
	EX_GSA_REPORT, /* we are not in the group after all */
	EX_GSA_INBAND,
	EX_COUNT
};

struct request {
	uint8_t kind; /* enum kind; EX_NONE: none is out */
	uint8_t tries;
	uint32_t id;
	uint64_t at;       /* of the next retransmission */
	struct bytes sent; /* datagrams, each behind two bytes of length */
	/* CREATE_CHILD_SA */
	struct nonce nonce; /* ours */
	struct dh_key dh;
	uint64_t spi;   /* ours: of the IKE SA or the child it would make */
	uint32_t child; /* the child it rekeys: our SPI of it */
	/* The peer rekeyed the same meanwhile (§2.8.1): what it made, and the lower of its nonces. */
	bool collided;
	uint64_t other;
	struct nonce other_nonce;
};

enum child_state {
	CHILD_UP,
	CHILD_REPLACED, /* waits for the peer to delete it */
	CHILD_CLOSING,  /* our Delete is out */
};

struct child_sa {
	struct child_sa *next;
	uint8_t state; /* enum child_state */
	uint8_t suite, mode;
	bool esn, sending;
	bool want_close, want_rekey;
	uint32_t spi_in, spi_out;
	struct secret key_in, auth_in, key_out, auth_out;
	struct esp_selectors ts;
	uint64_t since, rekey_at, close_at, send_at;
	bool asked;          /* we asked for it, and not to rekey another */
	struct nonce low;    /* the lower one of its making, if it was new */
	uint64_t packets_in; /* as last reported */
};

struct fragments {
	uint32_t id;
	uint16_t total, have;
	uint8_t first; /* payload type of the first inside, from fragment 1 */
	size_t bytes;
	struct bytes part[FRAGMENTS_MAX];
};

struct peer {
	struct peer *next;
	struct ikev2 *e;
	struct ikev2_peer cfg;
	struct ikev2_id group; /* key server: it is being asked for this one */
	bool wanted;           /* it is to be up, and kept up */
	bool once;             /* a packet waits: brought up, but not again */
	bool held;             /* brought down by command */
	bool busy;             /* while peers are gone through: an IKE SA stands or is being made */
	uint64_t next_at;      /* not called again before */
	unsigned failures;
	bool carried;   /* see ikev2_carried() */
	bool contacted; /* it was told that we know nothing of an earlier life */
	uint64_t trouble_at, told_at;
	char trouble[IKEV2_TROUBLE_MAX]; /* why it is not up; "": nothing is known against it */
};

struct ike_sa {
	struct ike_sa *next, *bucket;
	struct ikev2 *e;
	struct peer *peer; /* NULL: responder, not known yet */
	uint8_t state;     /* enum ike_state; set by sa_state() alone */
	bool initiator;    /* we are the original initiator */
	bool counted;      /* among the half-open ones, also while it is remembered as failed */
	uint64_t spi_i, spi_r;
	struct esp_end local, remote;
	bool nat_local, nat_remote, encap; /* who is behind a NAT; ESP goes in UDP */
	bool fragment;                     /* the peer takes fragments */
	bool peer_childless, use_ppk, ppk;
	uint16_t peer_hashes; /* 1 << RFC 7427 number */
	struct ike_suite suite;
	struct ike_keys keys;
	struct secret plain[3]; /* SK_d, SK_pi, SK_pr without the PPK, until it is settled */
	struct ikev2_id remote_id;
	uint8_t auth_method; /* how the peer proved itself */
	struct bytes certs;  /* and its certificates, each behind two bytes of length; or none */
	bool explained;      /* why it did not is told */

	/* until it is up */
	struct dh_key dh;
	uint8_t their_ke[DH_PUBLIC_MAX];
	struct nonce ni, nr;
	struct bytes init_i, init_r; /* the two IKE_SA_INIT messages, as signed */
	struct bytes cookie;
	uint8_t tries_init;   /* answers in clear that made us begin anew */
	uint16_t group;       /* initiator: the one in our KE */
	uint16_t child_group; /* the one the peer wants in KE for children; 0: not told */
	uint32_t groups_tried;
	uint16_t refused; /* an error in clear, told when all tries are over */
	uint32_t sign_id; /* 0: no signature is awaited */
	uint8_t sign_scheme;
	struct bytes sig, sig_plain; /* ours; the second without the PPK */
	struct child_sa *pending;    /* the first child, made but not answered */
	bool pending_none;           /* childless, or: */
	uint8_t pending_num;         /* of the proposal it was chosen from */
	uint16_t pending_error;      /* why there is no first child */
	uint32_t first_spi;          /* initiator: ours of the first child */
	uint32_t auth_id;            /* responder: message ID of the request that is being signed */
	uint64_t replaces;           /* reauthentication: local SPI of the old one */
	struct bytes group_ask;      /* key server: of a registration, until it is answered */

	/* messages */
	uint32_t next_id;  /* of our next request */
	uint32_t their_id; /* of the peer's next request */
	uint64_t iv;       /* of the next sealed message (AEADs) */
	struct request req;
	struct bytes answer; /* to the peer's last request */
	uint32_t window;     /* the peer's (§2.3); we keep to 1 */
	struct fragments in;

	/* what is to be done */
	bool want_close, want_rekey, want_child, want_dpd, want_group, want_inband;
	struct ikev2_id report; /* a group of which the key server is to be told that error */
	uint16_t report_error;
	uint64_t group_until; /* key server: of no use after that */
	uint64_t since, rekey_at, reauth_at, close_at, heard_at, sent_at, again_at;
	struct nonce low; /* the lower nonce of its making, to tell twins apart */
	struct child_sa *children;
	unsigned child_count;
	const char *why;   /* while its state changes: the reason */
	int slot;          /* of its record; -1: a half-open one has none */
	bool saved, dirty; /* a record of it is written; it is out of date */
};

struct datagram {
	struct datagram *next;
	struct esp_end local, remote;
	size_t len;
	uint8_t b[];
};

/*
 * Deliberate faults, for the test that shows that the simulator finds them. Only a second build of
 * these sources, with IKEV2_FAULTS defined, has them (meson.build); in the daemon's own objects
 * faulty() is constant and nothing is left of what it guards.
 */
enum ikev2_fault {
	IKEV2_FAULT_NONE,
	IKEV2_FAULT_SKIP_ICV,
	IKEV2_FAULT_SKIP_WINDOW,  /* a request is taken whatever its message ID */
	IKEV2_FAULT_REUSE_IV,     /* after a restart IVs are counted from the beginning */
	IKEV2_FAULT_RETIRE_EARLY, /* a child goes before the peer knows its successor */
	IKEV2_FAULT_SEND_EARLY,   /* whoever answers sends before the other receives */
	IKEV2_FAULT_NO_COLLISION, /* rekeyings that meet are not noticed */
};

struct ikev2 {
#ifdef IKEV2_FAULTS
	enum ikev2_fault fault;
#endif
	struct ikev2_config cfg;
	struct ikev2_env env;
	struct peer *peers;
	struct ike_sa *sas;
	struct ike_sa *by_spi[SPI_BUCKETS];
	unsigned half_open;
	uint64_t cookie_at;
	struct secret cookie_key[2]; /* the one in use and the one before */
	uint8_t cookie_version;
	uint32_t sign_next;
	uint8_t *slot_used, *slot_stale; /* one byte a slot: taken; to be cleared */
	struct datagram *out, **out_end;
	bool closed; /* some IKE SA is to be freed */
	bool timed;  /* `deadline` is right */
	uint64_t deadline;
	struct ikev2_stats stats;
	struct log_limit limit;
	uint64_t told_at; /* of nobody's trouble */
	/* what is being read: one message at a time */
	struct ike_chain chain, inner;
	uint8_t buf[IKEV2_MESSAGE_MAX];
};

#ifdef IKEV2_FAULTS
static inline bool faulty(const struct ikev2 *e, enum ikev2_fault fault)
{
	return e->fault == fault;
}
#else
static inline bool faulty(const struct ikev2 *e, enum ikev2_fault fault)
{
	(void)e;
	(void)fault;
	return false;
}
#endif

/* A message that is being handled. */
struct in {
	const struct esp_end *local, *remote;
	const struct ike_head *h;
	const struct ike_chain *c; /* of the payloads that count: in clear or decrypted */
	const uint8_t *msg;        /* in clear: the whole message */
	size_t len;
	uint64_t now;
};

/* A chain of payloads that is being written. */
struct out {
	struct wr w;
	struct ike_out o;
	uint8_t b[IKEV2_MESSAGE_MAX]; /* type of the first payload, then the chain */
};
void out_init(struct out *o);

/* message.c */
/* Seals a request and sends it; it is repeated until it is answered. */
void message_request(struct ike_sa *sa, enum ike_exchange x, enum kind kind, struct out *o,
		     uint64_t now);
/* Seals the answer to request `id` and sends it. */
void message_answer(struct ike_sa *sa, enum ike_exchange x, uint32_t id, struct out *o,
		    uint64_t now);
void message_answer_notify(struct ike_sa *sa, enum ike_exchange x, uint32_t id, uint16_t type,
			   const void *data, size_t len, uint64_t now);
void message_answer_again(struct ike_sa *sa, uint64_t now);
/* A whole message in clear, ours to keep and repeat. */
void message_clear(struct ike_sa *sa, const uint8_t *msg, size_t len, uint64_t now);
void message_retry(struct ike_sa *sa, uint64_t now);
/* The request is answered, or over. */
void message_done(struct ike_sa *sa);
void message_send(struct ikev2 *e, const struct esp_end *local, const struct esp_end *remote,
		  const uint8_t *msg, size_t len);
void message_keepalive(struct ike_sa *sa, uint64_t now);
/* Verifies and decrypts an Encrypted payload of e->buf in place. The text and its length, or
 * NULL. */
const uint8_t *message_open(struct ike_sa *sa, const struct ike_payload *sk, uint8_t *msg,
			    size_t len, size_t *text_len);
bool bytes_set(struct bytes *b, const void *p, size_t len);
void bytes_clear(struct bytes *b);

/* fragment.c */
enum ikev2_result fragment_add(struct ike_sa *sa, const struct ike_payload *skf, uint32_t id,
			       const uint8_t *text, size_t len);
/* The whole text in e->buf once all are there; its length. */
size_t fragment_whole(struct ike_sa *sa, uint8_t *first);
void fragment_clear(struct ike_sa *sa);

/* table.c */
/* Whether a message of that exchange may come at all as an IKE SA is now. */
bool table_expects(const struct ike_sa *sa, uint8_t exchange, bool response);
enum ikev2_result table_request(struct ike_sa *sa, struct in *in);
enum ikev2_result table_response(struct ike_sa *sa, struct in *in);
/* The first error notification of a message, or 0. */
uint16_t error_of(const struct ike_chain *c);
/* How often a request of that kind is repeated. */
unsigned table_tries(enum kind kind);

/* input.c */
/* A fatal error in what verified (§2.21.3): the IKE SA ends, the peer is told in the answer. */
void input_fatal(struct ike_sa *sa, const struct in *in, uint16_t type);

/* init.c */
struct ike_sa *init_start(struct ikev2 *e, struct peer *p, uint64_t now);
enum ikev2_result init_request(struct ikev2 *e, struct in *in);
enum ikev2_result init_response(struct ike_sa *sa, struct in *in);

/* cookie.c */
enum ikev2_result cookie_check(struct ikev2 *e, const struct in *in);
void cookie_turn(struct ikev2 *e, uint64_t now);
unsigned cookie_source(const struct ikev2 *e, const struct esp_end *remote);

/* auth.c */
void auth_start(struct ike_sa *sa, uint64_t now);
/* Another IKE SA of the same peer that the other end began: both called. The one with the lowest
 * nonce goes, and whoever began it closes it (as §2.8.1). */
void auth_twins(struct ike_sa *sa);
void auth_signed(struct ike_sa *sa, const uint8_t *sig, size_t len, uint64_t now);
enum ikev2_result auth_request(struct ike_sa *sa, struct in *in);
enum ikev2_result auth_response(struct ike_sa *sa, struct in *in);

/* proof.c */
/* Our AUTH by shared secret, prf_len bytes; sk_p: SK_pi or SK_pr, with or without the PPK. */
bool proof_psk(const struct ike_sa *sa, const struct secret *sk_p, uint8_t out[PRF_MAX]);
/* What is signed: message, nonce and the identity's MAC. Owned by the caller. */
bool proof_octets(const struct ike_sa *sa, bool ours, const struct secret *sk_p,
		  const struct ikev2_id *id, struct bytes *out);
/* What our key signs with for this peer, or -1; and the AUTH method that goes with it. */
int proof_scheme(const struct ike_sa *sa);
uint8_t proof_method(const struct ike_sa *sa);
/* Whether that peer may prove itself by the methods of before RFC 7427. */
bool proof_old(const struct ike_sa *sa, const struct ikev2_peer *p);
enum ikev2_result proof_check(struct ike_sa *sa, const struct in *in, struct peer *p,
			      const struct ikev2_id *id, const struct secret *sk_p, uint8_t method,
			      struct ike_bytes auth);

/* child.c */
struct child_sa *child_new(struct ike_sa *sa, int suite, bool esn, enum esp_mode mode,
			   uint32_t spi_in, uint32_t spi_out, const struct esp_selectors *ts,
			   uint64_t now);
/* Derives its keys; initiator: of the exchange that makes it. */
int child_keys(struct ike_sa *sa, struct child_sa *c, bool initiator, const uint8_t *shared,
	       size_t shared_len, const struct nonce *ni, const struct nonce *nr);
void child_add(struct ike_sa *sa, struct child_sa *c); /* to the list, and receives */
void child_send(struct ike_sa *sa, struct child_sa *c);
/* The proof that the peer receives has not come for long: sends, unless another of the IKE SA does. */
void child_send_late(struct ike_sa *sa, struct child_sa *c, uint64_t now);
void child_resync(struct ike_sa *sa, struct child_sa *c);
/* Off the list and the sink. linger: packets to it may be on their way. */
void child_drop(struct ike_sa *sa, struct child_sa *c, bool linger, uint64_t now);
void child_free(struct child_sa *c);
struct child_sa *child_by_in(const struct ike_sa *sa, uint32_t spi);
struct child_sa *child_by_out(const struct ike_sa *sa, uint32_t spi);
uint32_t child_spi(struct ikev2 *e);        /* a fresh one */
bool child_usable(const struct ike_sa *sa); /* one that stands and is not on its way out */
/* It is to be rekeyed, and the peer is known to have it. */
bool child_rekeys(const struct child_sa *c);

/* create.c */
/* Children of the same selectors beyond one, left by wishes that crossed: the IKE SA's initiator
 * closes the older. */
void create_surplus(struct ike_sa *sa, uint64_t now);
void create_start(struct ike_sa *sa, struct child_sa *rekeyed, uint64_t now);
enum ikev2_result create_request(struct ike_sa *sa, struct in *in);
enum ikev2_result create_response(struct ike_sa *sa, struct in *in);
enum ikev2_result create_rekey_request(struct ike_sa *sa, struct in *in);
/* SA, in CREATE_CHILD_SA the nonce and perhaps KE, TSi and TSr of a child we ask for. */
void create_offer(struct ike_sa *sa, struct out *o, uint32_t spi, const struct esp_selectors *ts,
		  enum esp_mode mode, const struct nonce *ni, const struct dh_key *dh);
struct created { /* what a proposal and selectors of the peer's come to */
	int suite;
	bool esn;
	enum esp_mode mode;
	uint16_t group; /* 0: none */
	uint8_t num;    /* of the proposal */
	uint32_t spi;   /* the peer's */
	struct esp_selectors ts;
};
/* 0, or the error to notify; with_group: the peer sent a KE payload. */
uint16_t create_choose(struct ike_sa *sa, const struct in *in, bool with_group, struct created *c);
/* SA, TSi, TSr and what goes with them, for a child that the peer asked for. */
void create_answer(struct out *o, const struct child_sa *c, uint8_t num, uint16_t group,
		   const struct nonce *nr, const uint8_t *ke, size_t ke_len);
/* Initiator: the peer's answer against what was asked for. */
enum ikev2_result create_accept(struct ike_sa *sa, const struct in *in, uint16_t group,
				const struct esp_selectors *asked, struct created *c);

/* rekey.c */
void rekey_start(struct ike_sa *sa, uint64_t now);
enum ikev2_result rekey_request(struct ike_sa *sa, struct in *in);
enum ikev2_result rekey_response(struct ike_sa *sa, struct in *in);
/* The old one goes while our own rekeying is out: what the peer made takes over. */
void rekey_settle(struct ike_sa *sa, uint64_t now);

/* info.c */
void info_delete_children(struct ike_sa *sa, uint64_t now);
void info_delete_ike(struct ike_sa *sa, uint64_t now);
void info_dpd(struct ike_sa *sa, uint64_t now);
/* Closes an IKE SA of which the peer believes that it stands, saying why (0: not). */
void info_refuse(struct ike_sa *sa, uint16_t why, uint64_t now);
enum ikev2_result info_request(struct ike_sa *sa, struct in *in);
enum ikev2_result info_response(struct ike_sa *sa, struct in *in);

/* group.c */
bool group_member(const struct ike_sa *sa); /* its peer is a key server */
bool group_server(const struct ike_sa *sa); /* its peer is a member */
/* Member: IDg and what goes with it; what came back in an answer; there will be none. */
void group_put_request(struct ike_sa *sa, struct out *o);
void group_take(struct ike_sa *sa, const struct in *in);
void group_over(struct peer *p, uint16_t error, uint64_t now);
/* Key server: keeps what a request says of a group; the answer to it, or the error in its place. */
bool group_keep(struct ike_sa *sa, const struct in *in);
uint16_t group_put_answer(struct ike_sa *sa, struct out *o, uint64_t now);
enum ikev2_result group_request(struct ike_sa *sa, struct in *in);
enum ikev2_result group_response(struct ike_sa *sa, struct in *in);
enum ikev2_result group_inband(struct ike_sa *sa, struct in *in);
bool group_wishes(const struct ike_sa *sa);
void group_start(struct ike_sa *sa, uint64_t now);

/* keys.c */
enum prf_hash keys_prf(const struct ike_suite *s);
int keys_group(uint16_t number); /* enum dh_group, or -1 */
int keys_init(struct ike_sa *sa, const uint8_t *shared, size_t len);
int keys_rekey(struct ike_sa *sa, const struct ike_sa *old, const uint8_t *shared, size_t len);
int keys_ppk(struct ike_sa *sa, const struct secret *ppk); /* RFC 8784 §3 */
void keys_log(struct ike_sa *sa);
void keys_log_child(struct ike_sa *sa, const struct child_sa *c);
const struct seal_key *keys_out(const struct ike_sa *sa);
const struct seal_key *keys_in(const struct ike_sa *sa);

/* select.c */
const struct ike_proposal *offer_ike(const struct ikev2_peer *p, unsigned *n);
const struct ike_proposal *offer_esp(const struct ikev2_peer *p, unsigned *n);
/* An SA payload of ours; group: put first of the groups (0: as they are; ESP: no groups at all,
 * unless with_group). */
void offer_put(struct out *o, const struct ike_proposal *v, unsigned n, const uint8_t *spi,
	       uint8_t spi_len, uint16_t group, bool with_group);
struct chosen {
	uint8_t num;
	const uint8_t *spi;
	uint8_t spi_len;
	uint16_t id[IKE_T_TYPES];
	uint16_t key_bits, kwa;
	bool has[IKE_T_TYPES];
};
/* The first of the peer's proposals that fits one of ours, in our order of transforms. */
bool select_proposal(const struct ike_proposal *ours, unsigned n, struct ike_bytes theirs,
		     uint8_t protocol, uint8_t spi_len, bool with_group, struct chosen *c);
/* One proposal with one transform of a type: all that an answer may have. */
bool select_is_choice(struct ike_bytes body);
/* Whether one chosen transform of each type is in an offer of ours. */
bool select_allowed(const struct ike_proposal *ours, unsigned n, const struct chosen *c);
bool select_has_group(const struct ike_proposal *ours, unsigned n, uint16_t group);
uint16_t select_first_group(const struct ike_proposal *ours, unsigned n);
void select_put_chosen(struct out *o, const struct chosen *c, uint8_t protocol, const uint8_t *spi,
		       uint8_t spi_len);
/* Both proposals side by side and what differs; for one log line. */
void select_explain(const struct ike_proposal *ours, unsigned n, struct ike_bytes theirs, char *buf,
		    size_t size);
/* An offer of ours in words. */
void select_words(const struct ike_proposal *ours, unsigned n, char *buf, size_t size);
struct ike_suite select_suite(const struct chosen *c);

/* ts.c */
void ts_own(const struct ike_sa *sa, struct esp_selectors *ts); /* what we ask for */
void ts_put(struct out *o, const struct esp_selectors *ts, bool initiator);
/* What of the peer's request is ours to grant. False: nothing. */
bool ts_narrow(const struct ike_sa *sa, const struct in *in, struct esp_selectors *out);
/* The peer's answer; false unless it is within what was asked for. */
bool ts_accept(const struct in *in, const struct esp_selectors *asked, struct esp_selectors *out);

/* id.c */
bool id_equal(const struct ikev2_id *a, const struct ikev2_id *b);
void id_read(const struct ike_payload *p, struct ikev2_id *id);
void id_put(struct out *o, enum ike_payload_type type, const struct ikev2_id *id);
size_t id_body(const struct ikev2_id *id, uint8_t out[4 + IKEV2_ID_MAX]);
bool id_in_certificate(const struct ikev2_id *id, struct x509_der cert);

/* natd.c */
void natd_put(struct ike_sa *sa, struct out *o, bool force);
void natd_check(struct ike_sa *sa, const struct in *in);

/* sa.c */
struct ike_sa *sa_new(struct ikev2 *e, struct peer *p, bool initiator, uint64_t now);
void sa_index(struct ike_sa *sa);         /* its SPIs are known */
uint64_t sa_spi(const struct ike_sa *sa); /* ours */
uint64_t spi_fresh(struct ikev2 *e);
struct ike_sa *ike_sa_find(const struct ikev2 *e, uint64_t local_spi);
void sa_state(struct ike_sa *sa, enum ike_state s, uint64_t now);
void sa_up(struct ike_sa *sa, uint64_t now); /* sets its times too */
bool sa_slot(struct ike_sa *sa); /* a place for its record, if it has none; false: there is none */
bool sa_beside(const struct ike_sa *sa); /* another one of its peer stands */
/* Everything of it ends now, children and all; what was to be up is called again. */
void sa_lost(struct ike_sa *sa, const char *why, uint64_t now);
void sa_close_children(struct ike_sa *sa, bool linger, uint64_t now);
void sa_free(struct ike_sa *sa);
void sa_shed(struct ike_sa *sa); /* what is needed only until it is up */
struct peer *ike_peer_find(const struct ikev2 *e, uint16_t tunnel);
bool peer_at(const struct peer *p, const struct esp_end *local, const struct esp_end *remote);
bool end_same(const struct esp_end *a, const struct esp_end *b); /* addresses alone */
const char *sa_name(const struct ike_sa *sa);

/* engine.c */
void sa_step(struct ike_sa *sa, uint64_t now);
uint64_t jitter(struct ikev2 *e, uint64_t ns); /* up to a tenth less */
int nonce_cmp(const struct nonce *a, const struct nonce *b);
void nonce_make(struct ikev2 *e, struct nonce *n);
void nonce_low(struct nonce *to, const struct nonce *a, const struct nonce *b);
void peer_again(struct peer *p, uint64_t now);

/* tell.c */
/* Something happened that verified, or that we did. */
void tell_event(const struct ike_sa *sa, enum ikev2_event ev, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Why a peer is not up (p NULL: whoever it was is nobody's). */
void tell_trouble(struct ikev2 *e, struct peer *p, enum ikev2_event ev, uint64_t now,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void tell_over(struct peer *p);
/* Closes what was let in by a certificate that has been revoked since. */
void proof_again(struct ike_sa *sa, uint64_t now);
/* What an error notification of the peer's means; child: about a child SA. */
const char *refusal_text(const struct ike_sa *sa, uint16_t type, bool child, char *buf,
			 size_t size);

/* save.c */
void save_sa(const struct ike_sa *sa, struct wr *w);

/* show.c */
const char *state_name(enum ike_state s);
const char *end_text(const struct esp_end *e, char *buf, size_t size);
