/*
 * common: what every program of bench does alike: one core of its own, cycles of the time stamp
 * counter, and windows that are kept only if the machine let them be.
 *
 * A core of a shared machine slows down by 10 to 40 % at times, or is taken away. So the things
 * that are compared take turns in short windows, and every window carries a reference cost of its
 * own: the same few thousand instructions, run again and again in between. A window whose reference
 * took over 4 % longer than in the calm tenth of its row's windows, or in which somebody else had the
 * core, is discarded. What is left gives medians, and ratios as the medians of the windows' own ratios.
 *
 * One thread; nothing here is locked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

enum {
	WINDOW_COSTS = 8, /* things measured in one window */
	WINDOWS_MAX = 10001,
};

/* The name that die() puts first; set before anything else here is called. */
extern const char *bench_name;

/* Says what failed and ends the program. */
_Noreturn void die(const char *what);

/* cpu: -1 for the last one this process may run on, for the first gets most interrupts. */
void pin(int cpu);

/* The serialised time stamp counter (elsewhere than on x86-64, nanoseconds), and its frequency in
 * Hz, measured at the first call. */
static inline uint64_t tsc_now(void)
{
#ifdef __x86_64__
	unsigned aux;
	uint64_t t = __rdtscp(&aux);

	_mm_lfence();
	return t;
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}
double tsc_hz(void);

/* The processor's own name, fit for JSON. */
void machine_name(char *name, size_t size);

/* Opens a file of results and writes what they were measured on, up to and with the opening of
 * "rows"; ends the program if it cannot. crypto: the name of the code that ran. json_close() ends
 * list and file. */
FILE *json_open(const char *file, const char *crypto);
void json_close(FILE *f);

/*
 * Ends the program unless the cryptography that runs is the one this processor deserves: where it
 * has AVX-512 with VAES, ipsec-mb's code for that; and the same in raw's calls (`raw`, the name of
 * the function it calls, or NULL). After aead_init().
 */
void kernel_assert(const char *raw);

/* One row's windows. Some 700 kB: static or on the heap. */
struct windows {
	unsigned n;
	unsigned kept; /* after windows_keep(); used: the same, or all of them if it is 0 */
	unsigned used;
	uint64_t reference[WINDOWS_MAX];
	uint64_t cost[WINDOW_COSTS][WINDOWS_MAX];
	bool switched[WINDOWS_MAX];
	long switches;       /* of this thread, when the window was opened */
	unsigned references; /* in the newest window */
	double pace;         /* what one reference took, after windows_keep() */
};

static inline void windows_reset(struct windows *w)
{
	w->n = w->kept = w->used = 0;
}
/* Opens the next window; its costs are 0. */
void window_open(struct windows *w);
/* Runs the reference once: some 1500 cycles. Between the things measured, several times a window. */
void window_reference(struct windows *w);
/* Adds to cost `what` of the open window. */
static inline void window_add(struct windows *w, unsigned what, uint64_t cycles)
{
	w->cost[what][w->n] += cycles;
}
void window_close(struct windows *w);

/* Discards the windows in which the machine was disturbed. */
void windows_keep(struct windows *w);
/* Of the windows that were kept; of all if none was. */
double windows_median(const struct windows *w, unsigned what);
double windows_ratio(const struct windows *w, unsigned what, unsigned of); /* what / of */
/* How fast the core was: the calmest reference of any row so far through this row's, at most 1. */
double windows_pace(const struct windows *w);

/* Median of n values; sorts them. 0 of none. */
uint64_t median(uint64_t *v, unsigned n);
