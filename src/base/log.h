/*
 * log: one line per event, to standard error or, under systemd, to the journal.
 *
 * A line names the peer, the exchange and what to do; it never holds key material. Messages
 * that an unauthenticated sender can cause go through log_limited(), so that a flood costs a
 * bounded number of lines. Safe from any thread.
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* `role` ("control", "forward", …) stands at the head of every line; it must outlive the process.
 */
void log_init(const char *role, enum log_level max);
void log_set_level(enum log_level max);

void log_at(enum log_level lvl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LVL_DEBUG, __VA_ARGS__)

/* A token bucket for one kind of message: `burst` lines, then one every `every_ns` nanoseconds.
 * What was held back is told with the next line that passes. Owned by one thread. */
struct log_limit {
	uint32_t burst;
	uint64_t every_ns;
	uint64_t next_ns; /* boot-time clock */
	uint64_t held;    /* lines suppressed since the last that passed */
};

#define LOG_LIMIT(burst_, every_ns_)                                                               \
	{                                                                                          \
		.burst = (burst_), .every_ns = (every_ns_)                                         \
	}

void log_limited(struct log_limit *l, enum log_level lvl, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
