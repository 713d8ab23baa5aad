/*
 * utc: points in time as people write them, `2027-01-31T00:00:00Z` (RFC 3339, UTC, whole seconds).
 * Pure; years 1970 to 2500. What a value is compared with is the caller's clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTC_TEXT_LEN 20 /* characters, without the NUL */

/* Nanoseconds since 1970 UTC. False when the len characters are not exactly such a time. */
bool utc_parse(const char *text, size_t len, uint64_t *ns);
/* Fractions of a second are cut off. Returns text. */
const char *utc_print(uint64_t ns, char text[UTC_TEXT_LEN + 1]);
