#include "common.h"

#include "crypto/aead.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { REFERENCE_WORDS = 512 };

const char *bench_name = "bench";

void die(const char *what)
{
	if (errno)
		fprintf(stderr, "%s: %s: %s\n", bench_name, what, strerror(errno));
	else
		fprintf(stderr, "%s: %s\n", bench_name, what);
	exit(1);
}

void pin(int cpu)
{
	size_t chosen = cpu < 0 ? 0 : (size_t)cpu;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < 0) {
		sched_getaffinity(0, sizeof(set), &set);
		for (size_t i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				chosen = i;
		CPU_ZERO(&set);
	}
	CPU_SET(chosen, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("pinning");
}

double tsc_hz(void)
{
	static double hz;
	struct timespec a, b;
	uint64_t ta, tb;
	double ns;

	if (hz > 0)
		return hz;
	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	ta = tsc_now();
	do {
		clock_gettime(CLOCK_MONOTONIC_RAW, &b);
		tb = tsc_now();
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	} while (ns < 5e7);
	hz = (double)(tb - ta) / ns * 1e9;
	return hz;
}

void machine_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(name, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		line[strcspn(line, "\n")] = 0;
		for (char *c = value; *c; c++)
			if (*c == '"' || *c == '\\')
				*c = ' ';
		snprintf(name, size, "%s", value + 2);
		break;
	}
	if (f)
		fclose(f);
}

FILE *json_open(const char *file, const char *crypto)
{
	FILE *f = fopen(file, "w");
	struct utsname u = {0};
	char machine[200];

	if (!f)
		die(file);
	machine_name(machine, sizeof(machine));
	uname(&u);
	fprintf(f,
		"{\"program\": \"%s\", \"machine\": \"%s\", \"cpus\": %ld, "
		"\"linux\": \"%s\",\n \"tsc_ghz\": %.3f, \"crypto\": \"%s\", \"rows\": [",
		bench_name, machine, sysconf(_SC_NPROCESSORS_ONLN), u.release, tsc_hz() / 1e9,
		crypto);
	return f;
}

void json_close(FILE *f)
{
	fprintf(f, "\n]}\n");
	if (fclose(f))
		die("JSON");
}

/* AVX-512, and what makes AES-GCM fast with it. */
static bool vaes_here(void)
{
#ifdef __x86_64__
	const unsigned both = 1u << 9 | 1u << 10; /* VAES, VPCLMULQDQ */
	unsigned a, b, c, d;

	return __builtin_cpu_supports("avx512f") && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
	       (c & both) == both;
#else
	return false;
#endif
}

void kernel_assert(const char *raw)
{
	const char *ours = aead_kernel();

	errno = 0;
	if (vaes_here() && !strstr(ours, "avx512+vaes")) {
		fprintf(stderr, "%s: the processor has AVX-512 with VAES, but %s runs\n",
			bench_name, ours);
		exit(1);
	}
	if (raw && !strstr(ours, "vaes") != !strstr(raw, "vaes")) {
		fprintf(stderr, "%s: the path runs %s, but raw calls %s\n", bench_name, ours, raw);
		exit(1);
	}
}

/* Independent additions, multiplications and loads from the first cache: what a packet path is made
 * of. The same number of instructions at every call. */
static uint64_t reference_run(void)
{
	static uint64_t words[REFERENCE_WORDS];
	uint64_t a = 1, b = 2, c = 3, d = 4, t = tsc_now();

	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < REFERENCE_WORDS; i += 4) {
			a += words[i] * 0x9e3779b97f4a7c15u;
			b ^= words[i + 1] + a;
			c += words[i + 2] * 0xff51afd7ed558ccdu;
			d ^= words[i + 3] + c;
			words[i] = a ^ d;
		}
	words[1] = a + b + c + d;
	return tsc_now() - t;
}

static long switches_now(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_THREAD, &u) < 0)
		die("getrusage");
	return u.ru_nivcsw;
}

void window_open(struct windows *w)
{
	if (w->n == WINDOWS_MAX) {
		errno = 0;
		die("too many windows");
	}
	for (unsigned i = 0; i < WINDOW_COSTS; i++)
		w->cost[i][w->n] = 0;
	w->reference[w->n] = 0;
	w->references = 0;
	w->switches = switches_now();
}

void window_reference(struct windows *w)
{
	w->reference[w->n] += reference_run();
	w->references++;
}

void window_close(struct windows *w)
{
	w->switched[w->n] = switches_now() != w->switches;
	w->n++;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint64_t median(uint64_t *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n ? v[n / 2] : 0;
}

static uint64_t scratch[WINDOWS_MAX];
static double best_reference; /* of all rows, once */

void windows_keep(struct windows *w)
{
	uint64_t most;

	memcpy(scratch, w->reference, w->n * sizeof(scratch[0]));
	median(scratch, w->n);
	most = scratch[w->n / 10] + scratch[w->n / 10] / 25;
	w->kept = 0;
	for (unsigned i = 0; i < w->n; i++) {
		if (w->switched[i] || w->reference[i] > most)
			continue;
		for (unsigned k = 0; k < WINDOW_COSTS; k++)
			w->cost[k][w->kept] = w->cost[k][i];
		w->reference[w->kept++] = w->reference[i];
	}
	w->used = w->kept ? w->kept : w->n;
	memcpy(scratch, w->reference, w->used * sizeof(scratch[0]));
	w->pace = (double)median(scratch, w->used) / w->references;
	if (best_reference <= 0 || w->pace < best_reference)
		best_reference = w->pace;
}

double windows_median(const struct windows *w, unsigned what)
{
	memcpy(scratch, w->cost[what], w->used * sizeof(scratch[0]));
	return (double)median(scratch, w->used);
}

double windows_ratio(const struct windows *w, unsigned what, unsigned of)
{
	for (unsigned i = 0; i < w->used; i++)
		scratch[i] = w->cost[of][i] ? w->cost[what][i] * 1000000 / w->cost[of][i] : 0;
	return (double)median(scratch, w->used) / 1e6;
}

double windows_pace(const struct windows *w)
{
	return best_reference / w->pace;
}
