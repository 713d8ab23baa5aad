/*
 * cores: what a second core adds to one SA.
 *
 *   cores [--json FILE] [--windows N]
 *
 * The worker of a node with one lane (src/fwd/lanes.h) and that of one without take turns with the
 * same 4,096 frames, and so does raw AES-GCM with them, by this thread alone and by this one and
 * another, half of the frames each: what the machine itself gains by its second core. A ring of the
 * generator's is filled before and emptied after; timed is the worker from its first look at the
 * ring until nothing is on its way any more. The worker has one core and the lane another; if both
 * are threads of one physical core, raw says so. Printed are medians over the windows that were
 * kept (bench/common.h); the reference of a window is the worker's core's.
 */
#include "common.h"
#include "ends.h"
#include "raw.h"

#include "base/log.h"
#include "crypto/aead.h"
#include "fwd/lanes.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 4096, BURSTS = FRAMES / PKT_BURST, WINDOWS = 401, REFERENCE_EVERY = 8, ROWS = 16 };
enum { ONE, TWO, RAW_ONE, RAW_TWO };

struct row {
	const char *path, *direction, *size;
	double cycles[4], gain, raw_gain;
	unsigned windows, kept;
};

static struct pkt_pool *pool;
static struct pkt frames[FRAMES];
static struct raw_op ops[FRAMES];
static struct windows windows;
static struct row rows[ROWS];
static unsigned row_count;

/* The other thread of raw. It sleeps while the lane is to have its core. */
static struct {
	pthread_t thread;
	sem_t wanted;
	atomic_bool ready, go, done;
	const struct raw *raw; /* NULL: it ends */
	bool encrypt;
} other;

static void *other_main(void *ctx)
{
	(void)ctx;
	for (;;) {
		while (sem_wait(&other.wanted) < 0 && errno == EINTR)
			;
		if (!other.raw)
			return NULL;
		atomic_store(&other.ready, true);
		while (!atomic_load(&other.go))
			;
		raw_run(other.raw, ops + FRAMES / 2, FRAMES / 2, other.encrypt);
		atomic_store(&other.done, true);
	}
}

static void other_end(void)
{
	other.raw = NULL;
	sem_post(&other.wanted);
	pthread_join(other.thread, NULL);
}

static void fill(const struct path *path, const struct size *s)
{
	for (unsigned i = 0; i < FRAMES; i++)
		frame_fill(&frames[i], path, size_of(s, i), 0);
}

static void all_give(struct port *far)
{
	for (unsigned i = 0; i < BURSTS; i++)
		ring_give(far, frames + i * PKT_BURST);
}

static void all_take(struct port *far)
{
	for (unsigned i = 0; i < BURSTS; i++)
		ring_take(far, frames + i * PKT_BURST);
}

/* Until nothing waits and nothing is on its way. */
static uint64_t all_poll(struct fwd *f)
{
	uint64_t t = tsc_now();

	while (fwd_poll(f))
		;
	return tsc_now() - t;
}

static void reference(void)
{
	for (unsigned i = 0; i < BURSTS / REFERENCE_EVERY; i++)
		window_reference(&windows);
}

/* All frames from `a` to `b`; what is timed is the one or the other. */
static void pass(const struct path *path, const struct size *s, struct end *a, struct end *b,
		 bool encrypt, unsigned what)
{
	uint64_t t;

	fill(path, s);
	all_give(a->overlay);
	t = all_poll(a->f);
	all_take(a->wan);
	if (!encrypt) {
		all_give(b->wan);
		t = all_poll(b->f);
		all_take(b->overlay);
	}
	window_add(&windows, what, t);
	reference();
}

static void raw_prepare(const struct path *path, const struct size *s)
{
	fill(path, s);
	for (unsigned i = 0; i < FRAMES; i++) {
		path_raw(path, &frames[i], &ops[i]);
		ops[i].iv[10] = (uint8_t)(i >> 8);
		ops[i].iv[11] = (uint8_t)i;
		ops[i].key = 0;
	}
}

static void pass_raw(const struct path *path, const struct size *s, const struct raw *r,
		     bool encrypt)
{
	uint64_t t;

	raw_prepare(path, s);
	t = tsc_now();
	raw_run(r, ops, FRAMES, encrypt);
	window_add(&windows, RAW_ONE, tsc_now() - t);
	reference();

	raw_prepare(path, s);
	other.raw = r;
	other.encrypt = encrypt;
	other.ready = other.go = other.done = false;
	sem_post(&other.wanted);
	while (!atomic_load(&other.ready))
		sched_yield();
	t = tsc_now();
	atomic_store(&other.go, true);
	raw_run(r, ops, FRAMES / 2, encrypt);
	while (!atomic_load(&other.done))
		;
	window_add(&windows, RAW_TWO, tsc_now() - t);
	reference();
}

static void row_add(const struct path *path, const struct size *s, bool encrypt)
{
	struct row *r = &rows[row_count++];

	windows_keep(&windows);
	*r = (struct row){.path = path->name,
			  .direction = encrypt ? "encrypt" : "decrypt",
			  .size = s->name,
			  .gain = windows_ratio(&windows, ONE, TWO),
			  .raw_gain = windows_ratio(&windows, RAW_ONE, RAW_TWO),
			  .windows = windows.n,
			  .kept = windows.kept};
	for (unsigned i = 0; i < 4; i++)
		r->cycles[i] = windows_median(&windows, i) / FRAMES;
	printf("%-15s %-8s %6s %9.1f %9.1f %6.2f %9.1f %9.1f %6.2f %4u/%-4u\n", r->path,
	       r->direction, r->size, r->cycles[ONE], r->cycles[TWO], r->gain, r->cycles[RAW_ONE],
	       r->cycles[RAW_TWO], r->raw_gain, r->kept, r->windows);
	fflush(stdout);
}

static void measure(const struct path *path, const struct size *s, bool encrypt, unsigned n,
		    struct lanes *lanes)
{
	const uint8_t key[32] = {7};
	struct end one[2], two[2];
	struct raw *raw = raw_new(key, path->key_len, 1);

	if (!raw)
		die("ipsec-mb does not run here");
	for (unsigned i = 0; i < 2; i++) {
		one[i] = end_make(path, i + 1, 1, FRAMES, pool);
		two[i] = end_make(path, i + 1, 1, FRAMES, pool);
		if (fwd_lanes(two[i].f, lanes) < 0)
			die("memory");
	}
	kernel_assert(raw_kernel(raw));
	for (unsigned i = 0; i < n + 2; i++) {
		if (i == 2)
			windows_reset(&windows); /* the first two warmed up */
		window_open(&windows);
		pass(path, s, &one[0], &one[1], encrypt, ONE);
		pass(path, s, &two[0], &two[1], encrypt, TWO);
		pass_raw(path, s, raw, encrypt);
		window_close(&windows);
	}
	row_add(path, s, encrypt);
	for (unsigned i = 0; i < 2; i++) {
		end_free(&one[i]);
		end_free(&two[i]);
	}
	raw_free(raw);
}

static void json_write(const char *file)
{
	FILE *f = json_open(file, aead_kernel());

	for (unsigned i = 0; i < row_count; i++) {
		const struct row *r = &rows[i];

		fprintf(f,
			"%s\n  {\"path\": \"%s\", \"direction\": \"%s\", \"size\": \"%s\", "
			"\"cycles\": %.1f, \"cycles_two\": %.1f, \"gain\": %.3f, "
			"\"raw_cycles\": %.1f, \"raw_cycles_two\": %.1f, \"raw_gain\": %.3f, "
			"\"windows\": %u, \"kept\": %u}",
			i ? "," : "", r->path, r->direction, r->size, r->cycles[ONE],
			r->cycles[TWO], r->gain, r->cycles[RAW_ONE], r->cycles[RAW_TWO],
			r->raw_gain, r->windows, r->kept);
	}
	json_close(f);
}

/* Threads that start between these have the first core this process may run on. */
static void threads_start(struct lanes **lanes)
{
	cpu_set_t all, first;
	size_t cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		die("affinity");
	errno = 0;
	if (CPU_COUNT(&all) < 2)
		die("needs two processors");
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&first);
	CPU_SET(cpu, &first);
	if (sched_setaffinity(0, sizeof(first), &first) < 0)
		die("affinity");
	*lanes = lanes_new(1);
	sem_init(&other.wanted, 0, 0);
	if (!*lanes || (errno = pthread_create(&other.thread, NULL, other_main, NULL)) != 0)
		die("threads");
	if (sched_setaffinity(0, sizeof(all), &all) < 0)
		die("affinity");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"windows", required_argument, NULL, 'w'},
						{0}};
	const char *json = NULL;
	struct lanes *lanes;
	unsigned n = WINDOWS;
	int c;

	bench_name = "bench/cores";
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = optarg;
		else if (c == 'w' && atoi(optarg) > 0 && atoi(optarg) < WINDOWS_MAX - 2)
			n = (unsigned)atoi(optarg);
		else
			return 2;
	}
	log_set_level(LOG_LVL_ERROR);
	threads_start(&lanes);
	pin(-1);
	pool = pkt_pool_new(FRAMES, FRAME_MAX);
	if (!pool)
		die("memory");
	for (unsigned i = 0; i < FRAMES; i++)
		if (!pkt_alloc(pool, &frames[i]))
			die("buffers");
	printf("%-15s %-8s %6s %9s %9s %6s %9s %9s %6s\n", "path", "", "octets", "1 core",
	       "2 cores", "gain", "raw 1", "raw 2", "gain");
	for (unsigned d = 0; d < 2; d++)
		for (unsigned s = 0; s < SIZES; s++)
			if (sizes[s].octets <= 1400)
				measure(&paths[0], &sizes[s], d == 0, n, lanes);
	if (json)
		json_write(json);
	other_end();
	lanes_free(lanes);
	for (unsigned i = 0; i < FRAMES; i++)
		pkt_release(pool, &frames[i]);
	pkt_pool_free(pool);
	return 0;
}
