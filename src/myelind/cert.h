/*
 * cert: what `auth ca` needs of one authority, as it was read from the disk: whom to trust, who is
 * revoked, who we are. No descriptor, no clock, no message; control_cert.c brings the files.
 *
 * Three files and a key come in any order and again whenever they may have changed. What is wrong
 * with one of them is told in words that say where, what, and what would do; the last good of each
 * stays in use meanwhile. What cannot be used by its content (expired, revoked, of another name) is
 * not used, whatever was before.
 *
 * Control thread only.
 */
#pragma once

#include "crypto/x509.h"
#include "msg/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CERT_FILE_MAX (1u << 20) /* bytes: a revocation list of some 20,000 */

enum cert_file { CERT_AUTHORITY, CERT_CRL, CERT_CHAIN, CERT_FILES };

/* What a peer is authenticated with. Pointers are lent until cert_release(). */
struct cert_use {
	const struct x509_trust *trust;
	const struct x509_der *chain; /* ours first */
	unsigned chain_count;
	uint32_t schemes; /* 1 << enum sign_scheme */
	int64_t until;    /* our certificate's or the list's end, seconds since 1970 */
};

struct cert;

/* node: what our certificate has to name. Both names are lent. NULL without memory. */
struct cert *cert_new(const char *authority, const char *node);
void cert_free(struct cert *c);

/* A file came: its text, which is taken over (malloc), or NULL and an errno. where: its path. */
void cert_file_set(struct cert *c, enum cert_file which, const char *where, int err, char *text,
		   size_t len);
/* What the signer says of our key. */
void cert_key_set(struct cert *c, const struct msg_key_held *held);
/* Whether everything was answered at least once. */
bool cert_complete(const struct cert *c);

/*
 * Looks at all of it at a time, seconds since 1970. True: it can be used, and *use is filled; else
 * nobody can be authenticated now. why: what is wrong, "" when nothing is; with true, something that
 * is left unused. *changed: what is used is not what it was; what was before is lent until
 * cert_release().
 */
bool cert_judge(struct cert *c, int64_t now, struct cert_use *use, bool *changed, char *why,
		size_t size);
void cert_release(struct cert *c);
