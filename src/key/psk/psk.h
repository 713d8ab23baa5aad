/*
 * psk: MACsec with static SAKs, and the packet-number lease that makes them safe to restart.
 *
 * A secret holds one line per transmitter. A node sends under the line of its own name and
 * receives under the others. Nobody ever changes these keys by protocol, so the packet numbers
 * must never repeat over the life of the *file*, not of the process: they are taken from a lease
 * that is on disk before the first of them is used. A lease that was lost, damaged, or put back
 * to an earlier state refuses the keys.
 *
 * No clock and no path in here: text, descriptors and time are handed in. One thread.
 */
#pragma once

#include "base/secret.h"
#include "key/sink.h"
#include "wire/macsec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PSK_LINES_MAX 64
#define PSK_TEXT_MAX 32768            /* bytes of a secret's text */
#define PSK_NAME_MAX 32               /* bytes of a name, with its NUL */
#define PSK_LEASE_STEP (1u << 20)     /* packet numbers taken at first */
#define PSK_LEASE_STEP_MAX (1u << 24) /* at a time, by a node that has sent many */
#define PSK_LEASE_SIZE 8192           /* bytes of the lease file */

struct psk_line {
	char name[PSK_NAME_MAX]; /* the transmitter's */
	uint8_t an;
	bool has_sci;
	uint64_t sci;
	uint32_t ssci;
	uint8_t salt[MACSEC_SALT_LEN];
	struct secret key;
	uint8_t key_id[MACSEC_KEY_ID_LEN]; /* made from the key by a one-way function */
};

struct psk_keys {
	size_t count;
	struct psk_line v[PSK_LINES_MAX];
};

/*
 * Parses `sa NAME AN KEY-HEX [sci SCI-HEX] [ssci N salt SALT-HEX]` lines (# comments, empty lines)
 * for a cipher suite. 0, or -EINVAL with `why` naming the line, never its key. Refused besides
 * syntax: a key of the wrong length, a line for the same name and AN or the same SCI and AN
 * twice, and, for a key given to two transmitters, what would make their nonces equal.
 */
int psk_parse(struct psk_keys *k, const char *text, size_t len, enum macsec_suite suite, char *why,
	      size_t size);
/* Wipes every key. */
void psk_wipe(struct psk_keys *k);

/*
 * The lease file: descriptor of a regular file, read and write, positions unimportant. It holds,
 * for each key this node ever sent under, the first packet number that was never taken.
 */
struct psk_lease_env {
	void *ctx;
	/* Wall clock, nanoseconds: only compared with the file's own change time. */
	uint64_t (*wall)(void *ctx);
	/* Lets that many nanoseconds pass (less than a second, once after a start). */
	void (*wait)(void *ctx, uint64_t ns);
};

struct psk_lease;

/*
 * Takes ownership of fd. An operator starts a lease by writing the word `new` into the file.
 * NULL with `why` when the file is empty, damaged, or was changed by somebody else since it was
 * last written here (a backup put back). Nothing is taken yet.
 */
struct psk_lease *psk_lease_open(int fd, const struct psk_lease_env *env, char *why, size_t size);
void psk_lease_close(struct psk_lease *l);

/*
 * Takes the next `step` packet numbers under this key (at least from `floor` on): on
 * return 0 they are *first to *limit - 1 and the file on disk says so. Numbers start at 1. -errno
 * when it could not be made durable: no number may be used. -ERANGE: the suite's numbers are used
 * up (last is its last packet number).
 */
int psk_lease_take(struct psk_lease *l, const uint8_t key_id[MACSEC_KEY_ID_LEN], uint64_t floor,
		   uint64_t last, uint64_t step, uint64_t *first, uint64_t *limit);
/* The first number never taken under this key; 1 when it is not in the file. */
uint64_t psk_lease_next(const struct psk_lease *l, const uint8_t key_id[MACSEC_KEY_ID_LEN]);

/* One overlay's keys in use. */
struct psk;

struct psk_config {
	uint16_t secy;
	enum macsec_suite suite;
	enum macsec_conf conf;
	const char *node; /* our name in the secret */
	uint64_t sci;     /* our transmit SC */
};

/*
 * Gives the receive keys, then the transmit key with its first lease, to the sink. Takes the keys
 * (wipes the caller's). The lease stays the caller's and must outlive it. NULL with `why`: no key
 * was given, traffic stays closed.
 */
struct psk *psk_new(const struct psk_config *cfg, struct psk_keys *keys, struct psk_lease *lease,
		    const struct sink *sink, char *why, size_t size);
void psk_free(struct psk *p);
/*
 * What forward said. A transmit SA past three quarters of its lease gets the next one, twice as
 * large, so that a busy node does not wait for its disk and an idle one wastes few numbers; an SA that
 * forward lost is given again, a transmit SA with fresh numbers. 0, or -errno when the lease could
 * not be extended: traffic will stop at its end rather than repeat a number.
 */
int psk_report(struct psk *p, const struct sink_report *r);

/* The i-th transmitter we receive from; NULL past the end. */
const struct psk_line *psk_peer(const struct psk *p, size_t i);
