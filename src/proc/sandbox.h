/*
 * sandbox: what a process may still do once it handles what others wrote.
 *
 * A role runs as its own user without groups and without a single capability, in an empty
 * network namespace and under an empty read-only root, with a system-call filter of its own,
 * never dumps core, cannot be traced by its own user, and dies with the parent. What it may
 * touch of the world are the descriptors it was handed.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum sandbox_role { SANDBOX_CONTROL, SANDBOX_FORWARD, SANDBOX_SIGNER };

/*
 * Called first thing in a role, as root; never returns to a process that is less confined than
 * said above. `parent` is the process to die with; state_fd is the memfd to keep out of swap, -1
 * when the role has none and its keys are in its own memory. threads: called when everything is gone
 * but the right to start threads, which ends with its return; they are confined alike. NULL: none.
 * 0, or -errno when a step failed: the caller exits.
 */
int sandbox_enter(enum sandbox_role role, pid_t parent, int state_fd, void (*threads)(void *ctx),
		  void *ctx);

/* The parent keeps only the capabilities it uses and dumps no core. 0 or -errno. */
int sandbox_parent(void);

/* False in builds for a sanitizer or valgrind, which need /proc, ptrace and more system calls than
 * the daemon does: these keep the user and capability steps and leave out the rest. */
bool sandbox_complete(void);
