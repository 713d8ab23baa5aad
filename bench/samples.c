#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "samples.h"

#include "common.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { SAMPLES = 15000, EVERY_NS = 100000, SECONDS_MAX = 20 };

static uintptr_t at[SAMPLES];
static volatile unsigned count;
volatile bool samples_on;
static timer_t timer;
static struct timespec began;
static FILE *out;
static unsigned runs;

static void on_signal(int signo, siginfo_t *info, void *context)
{
#ifdef __x86_64__
	const ucontext_t *u = context;

	if (samples_on && count < SAMPLES)
		at[count++] = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#else
	(void)context;
#endif
	(void)signo;
	(void)info;
}

void samples_open(const char *file)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};

#ifndef __x86_64__
	die("samples are taken on x86-64 alone");
#endif
	out = fopen(file, "w");
	if (!out)
		die(file);
	if (sigaction(SIGRTMIN, &sa, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &e, &timer) < 0)
		die("timer");
	fprintf(out, "{\"runs\": [");
}

static void timer_every(long ns)
{
	const struct itimerspec t = {.it_interval.tv_nsec = ns, .it_value.tv_nsec = ns};

	if (timer_settime(timer, 0, &t, NULL) < 0)
		die("timer");
}

void samples_begin(const char *path, const char *direction, const char *size, double cycles,
		   double raw_cycles)
{
	count = 0;
	clock_gettime(CLOCK_MONOTONIC, &began);
	fprintf(out,
		"%s\n{\"path\": \"%s\", \"direction\": \"%s\", \"size\": \"%s\", \"cycles\": %.1f, "
		"\"raw_cycles\": %.1f, \"at\": {",
		runs++ ? "," : "", path, direction, size, cycles, raw_cycles);
	timer_every(EVERY_NS);
}

bool samples_more(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - began.tv_sec > SECONDS_MAX) {
		errno = 0;
		die("the timer does not come");
	}
	return count < SAMPLES;
}

static int by_address(const void *a, const void *b)
{
	const uintptr_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void samples_end(void)
{
	unsigned n = count;
	const char *object = NULL;

	timer_every(0);
	qsort(at, n, sizeof(at[0]), by_address);
	for (unsigned i = 0, k; i < n; i = k) {
		Dl_info info = {.dli_fname = "?"};

		for (k = i + 1; k < n && at[k] == at[i];)
			k++;
		(void)dladdr((void *)at[i], &info); /* NOLINT(performance-no-int-to-ptr) */
		if (!object || strcmp(object, info.dli_fname) != 0)
			fprintf(out, "%s\n \"%s\": {", object ? "}," : "", info.dli_fname);
		else
			fprintf(out, ", ");
		object = info.dli_fname;
		fprintf(out, "\"%zx\": %u", (size_t)(at[i] - (uintptr_t)info.dli_fbase), k - i);
	}
	fprintf(out, "%s}}", object ? "}" : "");
	fflush(out);
}

void samples_close(void)
{
	fprintf(out, "\n]}\n");
	if (fclose(out))
		die("samples");
}
