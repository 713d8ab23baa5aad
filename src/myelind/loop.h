/*
 * loop: the control role's event loop, the one door to the library behind it.
 *
 * Level-triggered descriptors, one wake-up time, and a hook that runs after every callback. One
 * thread. Callbacks may watch and unwatch anything, their own descriptor included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;

enum { LOOP_IN = 1, LOOP_OUT = 2, LOOP_HANGUP = 4 };

typedef void loop_fn(void *ctx, int fd, unsigned events);
typedef void loop_turn_fn(void *ctx, uint64_t now);

/* `turn` is called after each callback and at the time it asked for last, with the boot-time
 * clock; what it returns from loop_wake_at() counts. NULL with errno. */
struct loop *loop_new(loop_turn_fn *turn, void *ctx);
void loop_free(struct loop *l);

/* Hang-ups are always told. Called again for a descriptor: changes what is watched. 0 or -errno. */
int loop_watch(struct loop *l, int fd, unsigned events, loop_fn *fn, void *ctx);
/* Before the descriptor is closed. Unknown ones are ignored. */
void loop_unwatch(struct loop *l, int fd);

/* Nanoseconds of the boot-time clock; UINT64_MAX: never. */
void loop_wake_at(struct loop *l, uint64_t when);

/* Runs until loop_stop() or SIGTERM (then 0). Returns the code given, or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int code);
