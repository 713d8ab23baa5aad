/*
 * secrets: throw-away keys for a lab, one file for every secret the backbone names.
 */
#pragma once

#include "lab/plan.h"

/* Writes DIR/NAME for each, of mode 0600, in a directory it makes; of an authority DIR/NAME/ as
 * `myelin ca` makes it, with a certificate for each node. 0 or -errno, said on standard
 * error. */
int secrets_make(const struct plan *p, const char *dir);

/* Says in a node's state directory that no packet number of a static key was used yet: the keys
 * were made a moment ago. 0 or -errno. */
int secrets_make_leases(const struct plan *p, const char *dir);
