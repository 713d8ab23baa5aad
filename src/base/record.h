/*
 * record: two-slot checksummed records in memory that outlives a process.
 *
 * A record is written into the slot that is not current and becomes current only when its
 * checksum stands, so a writer killed at any byte leaves the record before or the record after,
 * never a mixture. The area is a piece of a shared memfd (proc/state.h): one writer process; a
 * successor of that process reads it after the writer has died.
 *
 * Area layout, both slots alike, native byte order (the area never leaves the machine):
 *   u64 generation (0: never written) · u64 sum of generation, length and body · u64 length · body
 * The sum finds torn and stray writes; it is no defence against somebody who can write the area,
 * for he could write the keys in it as well.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORD_HEAD 24 /* bytes before each slot's body */

/* Bytes of area that hold a record of up to max bytes. A multiple of 64. */
size_t record_area(size_t max);

/* Writes len bytes as the new current record. -EMSGSIZE when they exceed what the area holds. */
int record_put(void *area, size_t area_size, const void *body, size_t len);

/*
 * Copies the current record into buf. Returns its length, -ENOENT when none was ever written,
 * -EBADMSG when no slot's checksum holds, -EMSGSIZE when buf is too small.
 */
ssize_t record_get(const void *area, size_t area_size, void *buf, size_t size);

/* Wipes both slots. */
void record_clear(void *area, size_t area_size);
