/*
 * paths: what the MACsec and the ESP path cost, beside the bare AES-GCM they cannot do without.
 *
 *   paths [--json FILE] [--windows N] [--cpu N] [--path NAME] [--size NAME] [--direction NAME]
 *
 * forward's worker loop (fwd_poll) runs unchanged over memory ports on one pinned core. A
 * generator fills the port's ring before each burst of 64 and empties the other one after it;
 * only the loop is timed. Raw is ipsec-mb's direct call for the same packets: the same buffers in
 * the same order, the same lengths and as many octets of associated data. Path and raw take turns in
 * short windows (bench/common.h), so that what else the machine does falls on both alike. Printed
 * are medians over the windows that were kept, how many these are, and the pace: how fast the core
 * was in this row beside the fastest one.
 *
 * Sizes are octets of the clear frame without FCS, and Gbit/s are of those octets. Cycles are of
 * the time stamp counter.
 */
#include "common.h"
#include "ends.h"
#include "raw.h"

#include "base/log.h"
#include "crypto/aead.h"
#include "wire/eth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUFFERS = 1024,               /* frames in flight; each burst takes the next 64 */
	BURSTS = BUFFERS / PKT_BURST, /* in a window */
	REFERENCE_EVERY = 4,
	WINDOWS = 1001,
};

struct row {
	const char *path, *direction, *size;
	double cycles, raw_cycles, ratio, mpps, gbps, pace;
	unsigned windows, kept;
};

enum { COST_PATH, COST_RAW };

static struct pkt_pool *pool;

static uint64_t poll_timed(struct fwd *f)
{
	uint64_t t = tsc_now();
	unsigned n = fwd_poll(f);

	t = tsc_now() - t;
	if (n != PKT_BURST)
		die("a burst was not moved whole");
	return t;
}

/* One window over every buffer: cycles in the path of the direction that is asked for. */
static void window_path(struct windows *w, const struct path *path, struct end *a, struct end *b,
			struct pkt *all, const struct size *s, bool encrypt)
{
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		struct pkt *v = all + burst * PKT_BURST;
		uint64_t t;

		for (unsigned i = 0; i < PKT_BURST; i++)
			frame_fill(&v[i], path, size_of(s, burst * PKT_BURST + i), 0);
		ring_give(a->overlay, v);
		t = poll_timed(a->f);
		ring_take(a->wan, v);
		if (encrypt)
			window_add(w, COST_PATH, t);
		if (burst % REFERENCE_EVERY == 0)
			window_reference(w);
	}
	for (unsigned burst = 0; burst < BURSTS && !encrypt; burst++) {
		struct pkt *v = all + burst * PKT_BURST;

		ring_give(b->wan, v);
		window_add(w, COST_PATH, poll_timed(b->f));
		ring_take(b->overlay, v);
		if (burst % REFERENCE_EVERY == 0)
			window_reference(w);
	}
}

static void window_raw(struct windows *w, const struct path *path, const struct raw *r,
		       struct pkt *v, const struct size *s, bool encrypt)
{
	static struct raw_op ops[PKT_BURST];

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		uint64_t t;

		for (unsigned i = 0; i < PKT_BURST; i++) {
			struct pkt *p = &v[burst * PKT_BURST + i];

			frame_fill(p, path, size_of(s, burst * PKT_BURST + i), 0);
			path_raw(path, p, &ops[i]);
			ops[i].iv[11] = (uint8_t)i;
		}
		t = tsc_now();
		raw_run(r, ops, PKT_BURST, encrypt);
		window_add(w, COST_RAW, tsc_now() - t);
		if (burst % REFERENCE_EVERY == 0)
			window_reference(w);
	}
}

static struct row measure(const struct path *path, const struct size *s, bool encrypt,
			  unsigned windows)
{
	static struct windows w;
	const uint8_t key[32] = {7};
	struct end a = end_make(path, 1, 1, pool), b = end_make(path, 2, 1, pool);
	struct raw *r = raw_new(key, path->key_len);
	struct row row = {path->name, encrypt ? "encrypt" : "decrypt", s->name, .windows = windows};
	struct pkt v[BUFFERS];
	uint64_t octets = 0;

	if (!r)
		die("ipsec-mb does not run here");
	kernel_assert(raw_kernel(r));
	for (unsigned i = 0; i < BUFFERS; i++) {
		if (!pkt_alloc(pool, &v[i]))
			die("buffers");
		memset(v[i].data, (int)i, FRAME_MAX);
		octets += size_of(s, i);
	}
	windows_reset(&w);
	for (unsigned i = 0; i < windows + 2; i++) {
		if (i == 2)
			windows_reset(&w); /* the first two warmed up */
		window_open(&w);
		window_path(&w, path, &a, &b, v, s, encrypt);
		window_raw(&w, path, r, v, s, encrypt);
		window_close(&w);
	}
	windows_keep(&w);
	row.kept = w.kept;
	row.pace = windows_pace(&w);
	row.ratio = windows_ratio(&w, COST_RAW, COST_PATH);
	row.cycles = windows_median(&w, COST_PATH) / BUFFERS;
	row.raw_cycles = windows_median(&w, COST_RAW) / BUFFERS;
	row.mpps = tsc_hz() / row.cycles / 1e6;
	row.gbps = row.mpps * (double)octets / BUFFERS * 8 / 1000;
	for (unsigned i = 0; i < BUFFERS; i++)
		pkt_release(pool, &v[i]);
	raw_free(r);
	end_free(&a);
	end_free(&b);
	return row;
}

static int json_write(const char *file, const char *machine, const struct row *rows, unsigned n)
{
	FILE *f = fopen(file, "w");

	if (!f)
		return -1;
	fprintf(f, "{\"machine\": \"%s, TSC %.2f GHz, %s\", \"rows\": [\n", machine, tsc_hz() / 1e9,
		aead_kernel());
	for (unsigned i = 0; i < n; i++)
		fprintf(f,
			"  {\"path\": \"%s\", \"direction\": \"%s\", \"size\": \"%s\", "
			"\"cores\": 1, \"cycles\": %.1f, \"raw_cycles\": %.1f, \"over\": %.1f, "
			"\"ratio\": %.3f, \"mpps\": %.3f, \"gbps\": %.3f, \"windows\": %u, "
			"\"kept\": %u, \"pace\": %.3f}%s\n",
			rows[i].path, rows[i].direction, rows[i].size, rows[i].cycles,
			rows[i].raw_cycles, rows[i].cycles - rows[i].raw_cycles, rows[i].ratio,
			rows[i].mpps, rows[i].gbps, rows[i].windows, rows[i].kept, rows[i].pace,
			i + 1 < n ? "," : "");
	fprintf(f, "]}\n");
	return fclose(f);
}

int main(int argc, char **argv)
{
	struct row rows[PATHS * SIZES * 2];
	const char *json = NULL, *only_path = NULL, *only_size = NULL, *only_direction = NULL;
	unsigned windows = WINDOWS, n = 0;
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
		windows = WINDOWS;
	bench_name = "bench/paths";
	log_set_level(LOG_LVL_ERROR);
	pin(cpu);
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
					       "%-19s %-8s %6s %9s %9s %6s %6s %8s %8s %9s %5s\n",
					       machine, tsc_hz() / 1e9, aead_kernel(), BUFFERS,
					       "path", "", "octets", "cycles", "raw", "over",
					       "ratio", "Mpps", "Gbit/s", "kept", "pace");
				printf("%-19s %-8s %6s %9.1f %9.1f %6.1f %6.3f %8.3f %8.2f %4u/%-4u %5.2f\n",
				       rows[n].path, rows[n].direction, rows[n].size,
				       rows[n].cycles, rows[n].raw_cycles,
				       rows[n].cycles - rows[n].raw_cycles, rows[n].ratio,
				       rows[n].mpps, rows[n].gbps, rows[n].kept, rows[n].windows,
				       rows[n].pace);
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
