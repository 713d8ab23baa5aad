/*
 * ctl: the command table and the server of the CLI socket.
 *
 * A client connects, sends one line of words, gets one JSON document and end of file. Commands
 * are rows contributed by whoever builds the server. The server does no event loop of its own: it
 * asks for descriptors to be watched and is told when they are ready and what time it is. Nothing
 * here blocks; clients, their requests and the memory of their answers are bounded, and whoever
 * does not read or write in time is closed. Control thread only.
 */
#pragma once

#include "base/js.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CTL_CLIENTS_MAX 16
#define CTL_LINE_MAX 512             /* bytes of a request, with its newline */
#define CTL_ANSWERS_MAX (8u << 20)   /* bytes of answers not yet taken, over all clients */
#define CTL_CLIENT_NS 10000000000ull /* a client's time to send its line and to take its answer */
#define CTL_WORK_NS 3000000000ull    /* a handler's time to answer */

struct ctl;
struct ctl_request;

enum ctl_arg {
	CTL_ARG_NONE,
	CTL_ARG_OVERLAY, /* an overlay's name, may be left out */
	CTL_ARG_PEER,    /* "PEER" or "OVERLAY/PEER": the handler takes it apart */
	CTL_ARG_REKEY,   /* "PEER [child|ike|reauth]": the same */
	CTL_ARG_SECONDS, /* "[OVERLAY] SECONDS": the handler takes it apart */
	CTL_ARG_NUMBER,  /* a number, may be left out; the handler reads it */
};

struct ctl_command {
	const char *words; /* "show peers" */
	const char *help;
	enum ctl_arg arg;
	/* Answers now with ctl_answer() or ctl_fail(), or keeps ctl_request_id() and does so later. */
	void (*run)(void *ctx, struct ctl_request *rq);
};

struct ctl_env {
	void *ctx; /* handed to handlers and to the two below */
	/* Watch fd for input, and for room to write when `out`; again with other values to change. */
	int (*watch)(void *ctx, int fd, bool in, bool out);
	void (*unwatch)(void *ctx, int fd);
	uid_t uid; /* whose requests are answered */
};

/* Takes ownership of the listening socket; commands ends with a row whose words are NULL and must
 * outlive the server. NULL with errno. */
struct ctl *ctl_new(int listener, const struct ctl_command *commands, const struct ctl_env *env);
void ctl_free(struct ctl *c);

/* A watched descriptor is ready. Ones that are not the server's are ignored. */
void ctl_ready(struct ctl *c, int fd, uint64_t now);
/* Closes what is over its time; due at ctl_deadline(), UINT64_MAX when nothing waits. */
void ctl_expire(struct ctl *c, uint64_t now);
uint64_t ctl_deadline(const struct ctl *c);

/* A request's argument, NULL when it was left out. */
const char *ctl_request_arg(const struct ctl_request *rq);
/* Never used twice in a process's life; never 0. */
uint64_t ctl_request_id(const struct ctl_request *rq);
/* The request that still waits for its answer under this id, or NULL: answered or given up. */
struct ctl_request *ctl_request_find(struct ctl *c, uint64_t id);

/* Each ends the request; the document is consumed. */
void ctl_answer(struct ctl_request *rq, struct js *answer);
void ctl_fail(struct ctl_request *rq, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
