/*
 * heir: who brings a lab up may be killed before it is done; its heir takes the lab down then.
 */
#pragma once

#include "lab/run.h"

/* Starts a process that waits for the end of this one and then runs run_end(). It is deaf to a
 * terminal's signals and leaves no process group to be killed with. Returns a descriptor for
 * heir_dismiss(), or -errno. Call it before descriptors are opened that must close with this
 * process. */
int heir_start(const struct run *r);

/* The lab is up, or gone: nothing is left to inherit. Consumes the descriptor; -1 is none. */
void heir_dismiss(int heir);
