/*
 * paths: what the MACsec and the ESP path cost, beside the bare AES-GCM they cannot do without.
 *
 *   paths [--json FILE] [--windows N] [--cpu N] [--path NAME] [--size NAME] [--direction NAME]
 *   paths --sweep ...       more packet sizes, for a curve
 *   paths --sas N ...       frames of N SAs in random order at IMIX sizes, beside one SA's
 *   paths --samples FILE ...  where in the program the time goes, for bench/stages
 *
 * forward's worker loop (fwd_poll) runs unchanged over memory ports on one pinned core. A
 * generator fills the port's ring before each burst of 64 and empties the other one after it;
 * only the loop is timed. Raw is ipsec-mb's direct call for the same packets: the same buffers in
 * the same order, the same lengths, as many octets of associated data and as many keys. What is
 * compared takes turns in short windows (bench/common.h), so that what else the machine does falls
 * on all alike. Printed are medians over the windows that were kept, how many these are, and the
 * pace: how fast the core was in this row beside the fastest one.
 *
 * With --sas, each of the four (path and raw, of one SA and of N) runs over its frames once
 * untimed before it is timed, so that each finds the caches as it leaves them itself. What N SAs
 * keep of the rate of one is the median of the windows' own ratios.
 *
 * Sizes are octets of the clear frame without FCS, and Gbit/s are of those octets. Cycles are of
 * the time stamp counter.
 */
#include "common.h"
#include "ends.h"
#include "raw.h"
#include "samples.h"

#include "base/log.h"
#include "crypto/aead.h"
#include "wire/eth.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUFFERS = 1024,               /* frames in flight; each burst takes the next 64 */
	BURSTS = BUFFERS / PKT_BURST, /* in a window */
	REFERENCE_EVERY = 4,
	WINDOWS = 1001,
	WINDOWS_SAS = 401,
	WINDOWS_SWEEP = 201,
	SAS_MAX = 1000,
	ROWS_MAX = 128,
};

/* Frames' way through a window: of how many SAs, and where it is paid. */
struct lane {
	struct end a, b;
	struct raw *raw;
	unsigned sas, path_cost, raw_cost;
};

struct row {
	const char *path, *direction, *size;
	unsigned sas;
	double cycles, raw_cycles, ratio, mpps, gbps, pace;
	double share, raw_share; /* of the rate of one SA; 0: not asked */
	unsigned windows, kept;
};

enum { COST_PATH, COST_RAW, COST_ONE, COST_ONE_RAW };

static const struct size sweep[] = {
	{"64", 64},     {"96", 96},     {"128", 128},   {"192", 192},   {"256", 256},
	{"384", 384},   {"512", 512},   {"768", 768},   {"1024", 1024}, {"1400", 1400},
	{"2048", 2048}, {"4096", 4096}, {"9000", 9000},
};

static struct pkt_pool *pool;
static struct pkt frames[BUFFERS];
static uint16_t order[BUFFERS]; /* whose frame each is */
static struct row rows[ROWS_MAX];
static unsigned row_count;
static const char *samples_file;
static bool sampling; /* of the bursts that are polled now */

static uint64_t poll_timed(struct fwd *f)
{
	uint64_t t = tsc_now();
	unsigned n;

	samples_run(sampling);
	n = fwd_poll(f);
	samples_run(false);
	t = tsc_now() - t;
	if (n != PKT_BURST)
		die("a burst was not moved whole");
	return t;
}

/* w NULL: to warm up. */
static void window_add_burst(struct windows *w, unsigned what, uint64_t t, unsigned burst)
{
	if (!w)
		return;
	window_add(w, what, t);
	if (burst % REFERENCE_EVERY == 0)
		window_reference(w);
}

/* Every frame through the one end: cycles if it is the direction that is asked for. */
static void pass_out(struct windows *w, const struct path *path, struct lane *l,
		     const struct size *s)
{
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		struct pkt *v = frames + burst * PKT_BURST;
		uint64_t t;

		for (unsigned i = 0; i < PKT_BURST; i++) {
			unsigned k = burst * PKT_BURST + i;

			frame_fill(&v[i], path, size_of(s, k), order[k] % l->sas);
		}
		ring_give(l->a.overlay, v);
		t = poll_timed(l->a.f);
		ring_take(l->a.wan, v);
		window_add_burst(w, l->path_cost, t, burst);
	}
}

static void pass_in(struct windows *w, struct lane *l)
{
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		struct pkt *v = frames + burst * PKT_BURST;
		uint64_t t;

		ring_give(l->b.wan, v);
		t = poll_timed(l->b.f);
		ring_take(l->b.overlay, v);
		window_add_burst(w, l->path_cost, t, burst);
	}
}

static void pass_raw(struct windows *w, const struct path *path, struct lane *l,
		     const struct size *s, bool encrypt)
{
	static struct raw_op ops[PKT_BURST];

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		uint64_t t;

		for (unsigned i = 0; i < PKT_BURST; i++) {
			unsigned k = burst * PKT_BURST + i;

			frame_fill(&frames[k], path, size_of(s, k), order[k] % l->sas);
			path_raw(path, &frames[k], &ops[i]);
			ops[i].iv[11] = (uint8_t)i;
			ops[i].key = (uint16_t)(order[k] % l->sas);
		}
		t = tsc_now();
		raw_run(l->raw, ops, PKT_BURST, encrypt);
		window_add_burst(w, l->raw_cost, tsc_now() - t, burst);
	}
}

/* One window: cycles in the path and in raw, with a run before each that warms up if `twice`. */
static void window_lane(struct windows *w, const struct path *path, struct lane *l,
			const struct size *s, bool encrypt, bool twice)
{
	if (encrypt && twice)
		pass_out(NULL, path, l, s);
	if (encrypt)
		pass_out(w, path, l, s);
	for (unsigned i = twice ? 0 : 1; i < 2 && !encrypt; i++) {
		pass_out(NULL, path, l, s);
		pass_in(i ? w : NULL, l);
	}
	if (twice)
		pass_raw(NULL, path, l, s, encrypt);
	pass_raw(w, path, l, s, encrypt);
}

static struct lane lane_make(const struct path *path, unsigned sas, unsigned path_cost)
{
	const uint8_t key[32] = {7};
	struct lane l = {.a = end_make(path, 1, sas, RING_USUAL, pool),
			 .b = end_make(path, 2, sas, RING_USUAL, pool),
			 .raw = raw_new(key, path->key_len, sas),
			 .sas = sas,
			 .path_cost = path_cost,
			 .raw_cost = path_cost + 1};

	if (!l.raw)
		die("ipsec-mb does not run here");
	kernel_assert(raw_kernel(l.raw));
	return l;
}

static void lane_free(struct lane *l)
{
	raw_free(l->raw);
	end_free(&l->a);
	end_free(&l->b);
}

/* As chance has it, and the same in every run. */
static void order_shuffle(void)
{
	static uint64_t x = 88172645463325252u;

	for (unsigned i = 0; i < BUFFERS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		order[i] = (uint16_t)((x >> 32) % SAS_MAX);
	}
}

static void row_print(const struct row *r)
{
	if (row_count == 1) {
		char machine[200];

		machine_name(machine, sizeof(machine));
		printf("%s, TSC %.2f GHz, %s, 1 core, %u frames in flight\n"
		       "%-19s %-8s %6s %5s %9s %9s %6s %6s %8s %8s %9s %5s %5s %5s\n",
		       machine, tsc_hz() / 1e9, aead_kernel(), BUFFERS, "path", "", "octets", "SAs",
		       "cycles", "raw", "over", "ratio", "Mpps", "Gbit/s", "kept", "pace", "keeps",
		       "raw");
	}
	printf("%-19s %-8s %6s %5u %9.1f %9.1f %6.1f %6.3f %8.3f %8.2f %4u/%-4u %5.2f", r->path,
	       r->direction, r->size, r->sas, r->cycles, r->raw_cycles, r->cycles - r->raw_cycles,
	       r->ratio, r->mpps, r->gbps, r->kept, r->windows, r->pace);
	if (r->share > 0)
		printf(" %5.3f %5.3f", r->share, r->raw_share);
	printf("\n");
	fflush(stdout);
}

static void row_take(struct windows *w, struct row r, const struct size *s, bool many)
{
	uint64_t octets = 0;

	for (unsigned i = 0; i < BUFFERS; i++)
		octets += size_of(s, i);
	windows_keep(w);
	r.windows = w->n;
	r.kept = w->kept;
	r.pace = windows_pace(w);
	r.ratio = windows_ratio(w, COST_RAW, COST_PATH);
	r.cycles = windows_median(w, COST_PATH) / BUFFERS;
	r.raw_cycles = windows_median(w, COST_RAW) / BUFFERS;
	if (many) {
		r.share = windows_ratio(w, COST_ONE, COST_PATH);
		r.raw_share = windows_ratio(w, COST_ONE_RAW, COST_RAW);
	}
	r.mpps = tsc_hz() / r.cycles / 1e6;
	r.gbps = r.mpps * (double)octets / BUFFERS * 8 / 1000;
	if (row_count == ROWS_MAX)
		die("too many rows");
	rows[row_count++] = r;
	row_print(&rows[row_count - 1]);
}

/* sas 0: of one SA, beside raw alone. */
static void measure(const struct path *path, const struct size *s, bool encrypt, unsigned windows,
		    unsigned sas)
{
	static struct windows w;
	struct lane l = lane_make(path, sas ? sas : 1, COST_PATH), one = {0};
	const struct row r = {path->name, encrypt ? "encrypt" : "decrypt", s->name, .sas = l.sas};

	if (sas)
		one = lane_make(path, 1, COST_ONE);
	for (unsigned i = 0; i < BUFFERS; i++) {
		if (!pkt_alloc(pool, &frames[i]))
			die("buffers");
		memset(frames[i].data, (int)i, FRAME_MAX);
	}
	for (unsigned i = 0; i < windows + 2; i++) {
		if (i == 0 || i == 2)
			windows_reset(&w); /* the first two warmed up */
		if (sas)
			order_shuffle();
		window_open(&w);
		window_lane(&w, path, &l, s, encrypt, sas);
		if (sas)
			window_lane(&w, path, &one, s, encrypt, true);
		window_close(&w);
	}
	row_take(&w, r, s, sas);
	if (samples_file) {
		samples_begin(path->name, r.direction, s->name, rows[row_count - 1].cycles,
			      rows[row_count - 1].raw_cycles);
		while (samples_more()) {
			sampling = encrypt;
			pass_out(NULL, path, &l, s);
			sampling = !encrypt;
			if (!encrypt)
				pass_in(NULL, &l);
		}
		sampling = false;
		samples_end();
	}
	for (unsigned i = 0; i < BUFFERS; i++)
		pkt_release(pool, &frames[i]);
	lane_free(&l);
	if (sas)
		lane_free(&one);
}

static void json_write(const char *file)
{
	FILE *f = json_open(file, aead_kernel());

	for (unsigned i = 0; i < row_count; i++) {
		const struct row *r = &rows[i];

		fprintf(f,
			"%s\n  {\"path\": \"%s\", \"direction\": \"%s\", \"size\": \"%s\", "
			"\"cores\": 1, \"sas\": %u, \"cycles\": %.1f, \"raw_cycles\": %.1f, "
			"\"over\": %.1f, \"ratio\": %.3f, \"mpps\": %.3f, \"gbps\": %.3f, "
			"\"windows\": %u, \"kept\": %u, \"pace\": %.3f",
			i ? "," : "", r->path, r->direction, r->size, r->sas, r->cycles,
			r->raw_cycles, r->cycles - r->raw_cycles, r->ratio, r->mpps, r->gbps,
			r->windows, r->kept, r->pace);
		if (r->share > 0)
			fprintf(f, ", \"share\": %.3f, \"raw_share\": %.3f", r->share,
				r->raw_share);
		fprintf(f, "}");
	}
	json_close(f);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"windows", required_argument, NULL, 'w'},
						{"cpu", required_argument, NULL, 'c'},
						{"path", required_argument, NULL, 'p'},
						{"size", required_argument, NULL, 's'},
						{"direction", required_argument, NULL, 'd'},
						{"sweep", no_argument, NULL, 'S'},
						{"sas", required_argument, NULL, 'n'},
						{"samples", required_argument, NULL, 'o'},
						{}};
	const char *json = NULL, *only_path = NULL, *only_size = NULL, *only_direction = NULL;
	const struct size *v = sizes;
	unsigned windows = 0, n = SIZES, sas[16], sas_count = 0;
	int cpu = -1, opt;

	bench_name = "bench/paths";
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			json = optarg;
			break;
		case 'w':
			windows = (unsigned)atoi(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'p':
			only_path = optarg;
			break;
		case 's':
			only_size = optarg;
			break;
		case 'd':
			only_direction = optarg;
			break;
		case 'S':
			v = sweep;
			n = sizeof(sweep) / sizeof(sweep[0]);
			break;
		case 'n':
			sas[sas_count] = (unsigned)atoi(optarg);
			if (!sas[sas_count] || sas[sas_count] > SAS_MAX || ++sas_count == 16)
				die("--sas takes up to fifteen numbers from 1 to 1000");
			break;
		case 'o':
			samples_file = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!windows || windows > WINDOWS_MAX - 2)
		windows = sas_count ? WINDOWS_SAS : v == sweep ? WINDOWS_SWEEP : WINDOWS;
	if (sas_count && !only_size)
		only_size = "imix";
	log_set_level(LOG_LVL_ERROR);
	pin(cpu);
	pool = pkt_pool_new(BUFFERS, FRAME_MAX);
	if (!pool)
		die("buffers");
	if (samples_file)
		samples_open(samples_file);
	for (unsigned p = 0; p < PATHS; p++)
		for (unsigned e = 0; e < 2; e++)
			for (unsigned s = 0; s < n; s++) {
				if ((only_path && strcmp(only_path, paths[p].name)) ||
				    (only_size && strcmp(only_size, v[s].name)) ||
				    (only_direction && *only_direction != (e ? 'd' : 'e')) ||
				    (sas_count && !paths[p].esp))
					continue;
				if (!sas_count)
					measure(&paths[p], &v[s], !e, windows, 0);
				for (unsigned i = 0; i < sas_count; i++)
					measure(&paths[p], &v[s], !e, windows, sas[i]);
			}
	if (samples_file)
		samples_close();
	pkt_pool_free(pool);
	if (json)
		json_write(json);
	return 0;
}
