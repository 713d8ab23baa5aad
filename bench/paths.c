/*
 * paths: what the MACsec and the ESP path cost, beside the bare AES-GCM they cannot do without.
 *
 *   paths [--json FILE] [--windows N] [--cpu N] [--path NAME] [--size NAME] [--direction NAME]
 *
 * forward's worker loop (fwd_poll) runs unchanged over memory ports on one pinned core. A
 * generator fills the port's ring before each burst of 64 and empties the other one after it;
 * only the loop is timed. Raw is ipsec-mb's direct call for the same packets: the same buffers in
 * the same order, the same lengths and as many octets of associated data. Path and raw take turns in
 * short windows, and the medians over all windows are printed, so that what else the machine does
 * falls on both alike; the ratio is the median of the windows' own ratios.
 *
 * Sizes are octets of the clear frame without FCS, and Gbit/s are of those octets. Cycles are of
 * the time stamp counter. IMIX is 7 frames of 64, 4 of 512 and 1 of 1400 octets, in mixed order.
 */
#include "ends.h"
#include "raw.h"

#include "base/log.h"
#include "crypto/aead.h"
#include "wire/eth.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

enum {
	BUFFERS = 1024, /* frames in flight; each burst takes the next 64 */
	FRAME_MAX = 9216,
	BURSTS = BUFFERS / PKT_BURST, /* in a window */
	WINDOWS_MAX = 10001,
};

static const uint16_t imix[12] = {64, 512, 64, 64, 1400, 64, 512, 64, 512, 64, 512, 64};

struct size {
	const char *name;
	uint16_t octets; /* 0: imix */
};

static const struct size sizes[] = {
	{"64", 64}, {"512", 512}, {"1400", 1400}, {"9000", 9000}, {"imix", 0},
};

struct row {
	const char *path, *direction, *size;
	double cycles, raw_cycles, ratio, mpps, gbps;
};

static struct pkt_pool *pool;
static double tsc_hz;

static uint64_t now(void)
{
	unsigned aux;
	uint64_t t = __rdtscp(&aux);

	_mm_lfence();
	return t;
}

static void tsc_measure(void)
{
	struct timespec a, b;
	uint64_t ta, tb;
	double ns;

	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	ta = now();
	do {
		clock_gettime(CLOCK_MONOTONIC_RAW, &b);
		tb = now();
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	} while (ns < 5e7);
	tsc_hz = (double)(tb - ta) / ns * 1e9;
}

static uint32_t length_of(const struct size *s, unsigned i)
{
	return s->octets ? s->octets : imix[i % 12];
}

/* Makes the i-th frame anew in its buffer: only what a driver or a stage would have written. */
static void frame_fill(struct pkt *p, const struct path *path, const struct size *s, unsigned i)
{
	p->data = p->buf + PKT_HEADROOM;
	p->len = length_of(s, i);
	p->mark = 0;
	path_head(path, p->data, p->len);
}

static uint64_t poll_timed(struct fwd *f)
{
	uint64_t t = now();
	unsigned n = fwd_poll(f);

	t = now() - t;
	if (n != PKT_BURST)
		die("a burst was not moved whole");
	return t;
}

static void give(struct port *far, struct pkt *v)
{
	if (far->ops->tx(far, v, PKT_BURST) != PKT_BURST)
		die("ring full");
}

static void take(struct port *far, struct pkt *v)
{
	if (far->ops->rx(far, v, PKT_BURST) != PKT_BURST)
		die("frames were lost");
}

/* One window over every buffer: cycles in the path of the direction that is asked for. */
static uint64_t window_path(const struct path *path, struct end *a, struct end *b, struct pkt *v,
			    const struct size *s, bool encrypt)
{
	uint64_t out = 0, in = 0;

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		struct pkt *w = v + burst * PKT_BURST;

		for (unsigned i = 0; i < PKT_BURST; i++)
			frame_fill(&w[i], path, s, burst * PKT_BURST + i);
		give(a->overlay, w);
		out += poll_timed(a->f);
		take(a->wan, w);
	}
	for (unsigned burst = 0; burst < BURSTS && !encrypt; burst++) {
		struct pkt *w = v + burst * PKT_BURST;

		give(b->wan, w);
		in += poll_timed(b->f);
		take(b->overlay, w);
	}
	return encrypt ? out : in;
}

static uint64_t window_raw(const struct path *path, const struct raw *r, struct pkt *v,
			   const struct size *s, bool encrypt)
{
	static struct raw_op ops[PKT_BURST];
	uint64_t sum = 0;

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		uint64_t t;

		for (unsigned i = 0; i < PKT_BURST; i++) {
			struct pkt *p = &v[burst * PKT_BURST + i];

			frame_fill(p, path, s, burst * PKT_BURST + i);
			path_raw(path, p, &ops[i]);
			ops[i].iv[11] = (uint8_t)i;
		}
		t = now();
		raw_run(r, ops, PKT_BURST, encrypt);
		sum += now() - t;
	}
	return sum;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(uint64_t *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static struct row measure(const struct path *path, const struct size *s, bool encrypt,
			  unsigned windows)
{
	static uint64_t path_cycles[WINDOWS_MAX], raw_cycles[WINDOWS_MAX], ppm[WINDOWS_MAX];
	const uint8_t key[32] = {7};
	struct end a = end_make(path, 1, pool), b = end_make(path, 2, pool);
	struct raw *r = raw_new(key, path->key_len);
	struct row row = {path->name, encrypt ? "encrypt" : "decrypt", s->name, 0, 0, 0, 0, 0};
	struct pkt v[BUFFERS];
	uint64_t octets = 0;

	if (!r)
		die("ipsec-mb does not run here");
	for (unsigned i = 0; i < BUFFERS; i++) {
		if (!pkt_alloc(pool, &v[i]))
			die("buffers");
		memset(v[i].data, (int)i, FRAME_MAX);
		octets += length_of(s, i);
	}
	for (unsigned w = 0; w < windows + 2; w++) { /* the first two warm up */
		unsigned at = w < 2 ? 0 : w - 2;

		path_cycles[at] = window_path(path, &a, &b, v, s, encrypt);
		raw_cycles[at] = window_raw(path, r, v, s, encrypt);
		ppm[at] = raw_cycles[at] * 1000000 / path_cycles[at];
	}
	row.ratio = (double)median(ppm, windows) / 1e6;
	row.cycles = (double)median(path_cycles, windows) / BUFFERS;
	row.raw_cycles = (double)median(raw_cycles, windows) / BUFFERS;
	row.mpps = tsc_hz / row.cycles / 1e6;
	row.gbps = row.mpps * (double)octets / BUFFERS * 8 / 1000;
	for (unsigned i = 0; i < BUFFERS; i++)
		pkt_release(pool, &v[i]);
	raw_free(r);
	end_free(&a);
	end_free(&b);
	return row;
}

static void machine_name(char *name, size_t size)
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

static int json_write(const char *file, const char *machine, const struct row *rows, unsigned n)
{
	FILE *f = fopen(file, "w");

	if (!f)
		return -1;
	fprintf(f, "{\"machine\": \"%s, TSC %.2f GHz, %s\", \"rows\": [\n", machine, tsc_hz / 1e9,
		aead_kernel());
	for (unsigned i = 0; i < n; i++)
		fprintf(f,
			"  {\"path\": \"%s\", \"direction\": \"%s\", \"size\": \"%s\", "
			"\"cores\": 1, \"cycles\": %.1f, \"raw_cycles\": %.1f, \"ratio\": %.3f, "
			"\"mpps\": %.3f, \"gbps\": %.3f}%s\n",
			rows[i].path, rows[i].direction, rows[i].size, rows[i].cycles,
			rows[i].raw_cycles, rows[i].ratio, rows[i].mpps, rows[i].gbps,
			i + 1 < n ? "," : "");
	fprintf(f, "]}\n");
	return fclose(f);
}

static void pin(int cpu)
{
	size_t chosen = cpu < 0 ? 0 : (size_t)cpu;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < 0) { /* the last one we may run on: the first gets most interrupts */
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

int main(int argc, char **argv)
{
	enum {
		SIZES = sizeof(sizes) / sizeof(sizes[0]),
	};
	struct row rows[PATHS * SIZES * 2];
	const char *json = NULL, *only_path = NULL, *only_size = NULL, *only_direction = NULL;
	unsigned windows = 2001, n = 0;
	char machine[200];
	int cpu = -1;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--json"))
			json = argv[i + 1];
		else if (!strcmp(argv[i], "--windows"))
			windows = (unsigned)atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--cpu"))
			cpu = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--path"))
			only_path = argv[i + 1];
		else if (!strcmp(argv[i], "--size"))
			only_size = argv[i + 1];
		else if (!strcmp(argv[i], "--direction"))
			only_direction = argv[i + 1];
	}
	if (!windows || windows > WINDOWS_MAX)
		windows = 2001;
	log_set_level(LOG_LVL_ERROR);
	pin(cpu);
	tsc_measure();
	machine_name(machine, sizeof(machine));
	pool = pkt_pool_new(BUFFERS, FRAME_MAX);
	if (!pool)
		die("buffers");
	for (unsigned p = 0; p < PATHS; p++) {
		for (unsigned e = 0; e < 2; e++) {
			for (unsigned s = 0; s < SIZES; s++) {
				if ((only_path && strcmp(only_path, paths[p].name)) ||
				    (only_size && strcmp(only_size, sizes[s].name)) ||
				    (only_direction && *only_direction != (e ? 'd' : 'e')))
					continue;
				rows[n] = measure(&paths[p], &sizes[s], !e, windows);
				if (!n)
					printf("%s, TSC %.2f GHz, %s, 1 core, %u frames in flight\n"
					       "%-19s %-8s %6s %9s %9s %6s %8s %8s\n",
					       machine, tsc_hz / 1e9, aead_kernel(), BUFFERS,
					       "path", "", "octets", "cycles", "raw", "ratio",
					       "Mpps", "Gbit/s");
				printf("%-19s %-8s %6s %9.1f %9.1f %6.3f %8.3f %8.2f\n",
				       rows[n].path, rows[n].direction, rows[n].size,
				       rows[n].cycles, rows[n].raw_cycles, rows[n].ratio,
				       rows[n].mpps, rows[n].gbps);
				fflush(stdout);
				n++;
			}
		}
	}
	pkt_pool_free(pool);
	if (json && json_write(json, machine, rows, n) < 0)
		die(json);
	return 0;
}
