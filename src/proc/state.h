/*
 * state: the memory that outlives a role.
 *
 * The parent makes one memfd per role, seals its size and keeps the descriptor; it never maps it,
 * so the parent holds no secret. The role maps it after its start and locks it (proc/sandbox.h);
 * a successor of the role finds what its predecessor wrote. It goes with the last descriptor.
 */
#pragma once

#include <stddef.h>

/* A sealed memfd of size bytes (rounded up to pages), all zero. The descriptor or -errno. */
int state_make(const char *name, size_t size);

/* Another descriptor of it, which can only be read; or -errno. */
int state_reader(int fd);

/* Maps the whole of it, shared and writable; *size is its size. NULL with errno on failure. */
void *state_map(int fd, size_t *size);
/* The same for a descriptor that can only be read. */
const void *state_look(int fd, size_t *size);
