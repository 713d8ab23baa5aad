/*
 * registry: which designs and keyings this build has, by rows.
 *
 * A keying module is a row: how to make an instance for a SecY and the calls the control role
 * makes on it. What has no row is refused at start-up, by name.
 */
#pragma once

#include "config/backbone.h"
#include "key/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* Writes "macsec with keying mka or psk" or the like: what would be accepted. */
const char *registry_accepted(void);
/* False when this build has no such design, or not with this keying. */
bool registry_has(enum bb_design design, enum bb_keying keying);
const char *registry_design_name(enum bb_design design);
const char *registry_keying_name(enum bb_keying keying);
