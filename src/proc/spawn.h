/*
 * spawn: a role is this program again, with nothing of the parent's but the descriptors it is
 * meant to have.
 */
#pragma once

#include <sys/types.h>

#define SPAWN_FIRST_FD 3
#define SPAWN_FDS 8

/*
 * Forks and executes /proc/self/exe with argv (NULL-terminated). fds[i], when not -1, becomes
 * descriptor SPAWN_FIRST_FD + i; standard input is /dev/null, standard output and error stay,
 * all else is closed. The environment is cut down to what a role may read. The process id or
 * -errno.
 */
pid_t spawn_role(char *const argv[], const int fds[SPAWN_FDS]);

/* Makes a link between two processes: sequenced packets, non-blocking, closed on exec. */
int spawn_link(int ends[2]);
