/*
 * ikev2_lan: a network in memory for the engine's tests: nodes, a clock, a sink under each that
 * holds whatever it is asked to, a signer. No loss, one delay, a NAT if one is wanted. Tests only.
 */
#pragma once

#include "crypto/x509_make.h"
#include "key/ikev2/ikev2_i.h"

#define LAN_NODES 8
#define LAN_SAS 128
#define LAN_DATAGRAMS 512

struct lan;

struct lan_sa {
	bool used, transmit;
	uint64_t order; /* of use_transmit: the last one sends */
	uint64_t until; /* hard_at */
	struct sink_esp sa;
};

struct lan_node {
	struct lan *lan;
	unsigned index;
	bool up;
	struct esp_end at;
	struct ikev2_config cfg;
	struct ikev2 *e;
	struct ikev2_group_ops group; /* set before it is started */
	struct lan_sa sas[LAN_SAS];
	unsigned adds, uses, retires; /* verbs so far */
	unsigned events[IKEV2_EV_COUNT];
	unsigned key_lines[2];
	char key_line[2][1024]; /* the last of each table */
	uint64_t random;        /* state of this node's generator */
	/* the signer */
	struct sign_key *key;
	bool sign_slow, sign_fails;
	uint32_t sign_id; /* slow: awaited */
	uint8_t sig[SIGN_MAX];
	size_t sig_len;
	unsigned signatures;
	size_t signed_max; /* bytes */
	/* the certificate of this node */
	uint8_t cert[4096], chain_mem[4096];
	struct x509_der chain[2];
	unsigned chain_count;
	struct x509_trust *trust;
	/* the records it would come back from */
	uint8_t *records[64];
	size_t record_len[64];
	struct ikev2_datagram last; /* sent */
};

struct lan_datagram {
	uint64_t at;
	unsigned to;
	struct ikev2_datagram d;
};

struct lan {
	uint64_t now, delay;
	int64_t wall;
	unsigned count;
	struct lan_node nodes[LAN_NODES];
	struct lan_datagram *wire[LAN_DATAGRAMS];
	unsigned wire_count;
	/* Sees, may change, and may drop what is on its way. */
	bool (*drop)(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d);
	bool nat; /* node 0 is behind one: 10.0.0.1 seen as 203.0.113.9, ports moved */
	struct sign_key *ca_key;
	uint8_t ca[4096];
	size_t ca_len;
	unsigned sent;
	uint64_t order;
	void *ctx;
};

#define LAN_TUNNEL(i) ((uint16_t)(100 + (i))) /* the number under which node i is known */

struct lan *lan_new(unsigned count);
void lan_free(struct lan *l);
/* How every node of a test may know another: PSK, names node0 …, everything in the tunnel. */
struct ikev2_peer lan_peer(const struct lan *l, unsigned me, unsigned other);
void lan_start(struct lan *l, unsigned i);
/* Makes it a new engine from its records, as a successor. */
void lan_restart(struct lan *l, unsigned i, bool with_records);
void lan_stop(struct lan *l, unsigned i);
/* Certificates of that kind for all nodes, by one authority. */
void lan_certify(struct lan *l, enum x509_key kind);
/* Another one for a node, by the same authority. */
void lan_certificate(struct lan *l, unsigned i, enum x509_usage usage);
/* Every node hears that this one's certificate is revoked. */
void lan_revoke(struct lan *l, unsigned i);
void lan_use_cert(struct lan *l, unsigned i, struct ikev2_peer *p);
/* After calls on a node's engine: saves, delivers its output. */
void lan_flush(struct lan *l, unsigned i);
void lan_run(struct lan *l, uint64_t until);
bool lan_until(struct lan *l, bool (*cond)(struct lan *l), uint64_t within);
/* Throws a datagram at a node as if from another. */
enum ikev2_result lan_throw(struct lan *l, unsigned from, unsigned to, const uint8_t *b,
			    size_t len);
const struct sink_esp *lan_transmit_sa(const struct lan_node *n, uint16_t tunnel);
/* What node `from` sends with to `to` is received there. */
bool lan_hears(const struct lan *l, unsigned to, unsigned from);
/* Nodes 0 and 1 hear each other. */
bool lan_both(struct lan *l);
/* The IKE SAs of a node with a peer that stand. */
unsigned lan_stand(const struct lan_node *n, uint16_t tunnel);
struct ike_sa *lan_sa_of(const struct lan_node *n, uint16_t tunnel);
