/*
 * samples: where a program's time goes, looked at ten thousand times a second.
 *
 * A timer of this thread's own CPU time interrupts it and notes the address it was at. Nothing is
 * added to the code that is looked at. The addresses are written as offsets in the file each was
 * mapped from, for bench/stages to name. One thread.
 */
#pragma once

#include <stdbool.h>

void samples_open(const char *file);
/* What runs from here on; its cycles a frame as measured, and raw's. */
void samples_begin(const char *path, const char *direction, const char *size, double cycles,
		   double raw_cycles);
/* Not enough yet. */
bool samples_more(void);
/* Only what runs between true and false counts. */
extern volatile bool samples_on;
static inline void samples_run(bool on)
{
	samples_on = on;
}
void samples_end(void);
void samples_close(void);
