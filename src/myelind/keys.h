/*
 * keys: which private keys control wants the signer to hold, as the parent keeps them in mind.
 *
 * Control names them anew after every start, as it does with ports (wants.h): what it has not named
 * until its MSG_WANT_DONE goes. Files are opened here and handed on; what is in them stays out of
 * this process. Parent thread only.
 */
#pragma once

#include "msg/msg.h"
#include "myelind/role.h"
#include "proc/files.h"

/* How the signer is told; `fd` is -1 or stays the caller's. Must not fail. */
struct keys_say {
	void *ctx;
	void (*signer)(void *ctx, const struct msg *m, int fd);
};

struct keys {
	struct {
		char authority[32]; /* "": not wanted */
		bool named;
	} v[ROLE_KEYS_MAX]; /* by number - 1 */
};

/* Control names everything anew. */
void keys_begin(struct keys *k);
/* Keeps a wish in mind. False: its number is out of range. */
bool keys_want(struct keys *k, const struct msg_key_want *want, const struct keys_say *say);
/* Control named all: the others are forgotten, here and by the signer. */
void keys_done(struct keys *k, const struct keys_say *say);
/* Whether there is one at all: a node without needs no signer. */
bool keys_any(const struct keys *k);
/* Opens the file of the key and gives it to the signer; without the file it says why. */
void keys_give(const struct keys *k, uint16_t key, const struct files *f,
	       const struct keys_say *say);
/* The same of every key there is. */
void keys_give_all(const struct keys *k, const struct files *f, const struct keys_say *say);
