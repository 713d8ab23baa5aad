/*
 * run: a lab's run directory, and the processes it started.
 *
 * /run/myelin-lab/NAME holds: `state`, what was started, each line written as it happens, so
 * that a lab whose `up` was killed can still be taken down; `backbone.conf`, the file as checked;
 * `secrets/`, keys made for this lab alone; `leases-NODE/`, a daemon's state directory;
 * `carrier.sock`; one log per process. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RUN_TOP "/run/myelin-lab"
#define RUN_PATH 96

struct run {
	char name[32];
	char dir[RUN_PATH];
};

/* -EEXIST: a lab of this name is there. */
int run_create(struct run *r, const char *name);
/* -ENOENT: there is none. */
int run_open(struct run *r, const char *name);
/* The name of the only lab there is. -ENOENT: none; -EEXIST: several. */
int run_only(char name[32]);

/* Adds a line `KEY VALUE` to the state. */
int run_note(const struct run *r, const char *key, const char *value);
/* The value noted last under a key; false when there is none. */
bool run_recall(const struct run *r, const char *key, char *value, size_t size);

/* The path of a program in this one's directory, or of this one (name NULL). False: too long. */
bool run_program(const char *name, char *path, size_t size);

/*
 * Starts a process, notes it, and gives its output to DIR/ROLE.log. netns NULL: in this
 * namespace. stdin_fd -1: /dev/null. Descriptors without FD_CLOEXEC stay open in it. Returns its
 * process id, or -errno.
 */
pid_t run_start(const struct run *r, const char *role, const char *netns, char *const argv[],
		int stdin_fd);
/* The process id noted for a role when it still lives, else 0. */
pid_t run_alive(const struct run *r, const char *role);

/* Ends every process of the lab: nodes, then whatever lives in its namespaces, then the carrier;
 * removes the namespaces and the directory. Safe to call at any state, and again. 0 or -errno. */
int run_end(struct run *r);
