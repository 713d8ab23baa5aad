/*
 * files: what the parent opens from the disk for control, by name.
 *
 * A name is a word (msg.h), so it cannot leave its directory; links are not followed. The parent
 * opens and checks, and never reads: what is in a secret stays out of its memory.
 */
#pragma once

#include "msg/msg.h"

struct files {
	const char *secrets;   /* --secrets: the only place for secrets; or NULL */
	const char *state_dir; /* lease files; made with mode 0700 when it is missing */
	const char *config;    /* path of the backbone file */
	const char *node;      /* whose certificates and keys of an authority are ours */
};

/*
 * Opens what was asked for. Returns a descriptor or -errno; `where` gets the path opened or tried
 * last. -EACCES: a secret that group or others can read, a file of an authority that they can
 * change, or one that is not root's.
 */
int files_open(const struct files *f, const struct msg_file_open *want, char where[128]);

/*
 * Opens this node's private key of an authority, which control never gets. The same errors.
 */
int files_open_key(const struct files *f, const char *authority, char where[128]);

/* A path with bytes that do not print is the operator's: they are replaced, for it travels as text. */
void files_where_print(char *where);

/* Copies a file as it is now into a sealed memfd, unread otherwise. The descriptor or -errno;
 * -EFBIG beyond 64 MiB. */
int files_copy(const char *path);
/* The same of a descriptor, which is closed. */
int files_copy_of(int from);
