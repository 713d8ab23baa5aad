/*
 * counts: the same packets through one path each time, for test/budgets to count the instructions
 * that they take.
 *
 *   counts                   names the cases
 *   counts CASE BURSTS       runs BURSTS bursts of 64 frames through it
 *
 * Only what counted_poll() calls is to be counted: forward's worker loop, unchanged, over memory
 * ports. All frames are of IMIX sizes. What they cost does not depend on the clock, on chance or on
 * what else the machine does.
 */
#include "common.h"
#include "ends.h"

#include "base/log.h"
#include "crypto/aead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum order {
	AS_SENT,
	SWAPPED, /* the second of each two frames comes first */
};

static const struct count_case {
	const char *name, *path;
	bool in;
	uint16_t sas;
	enum order order;
} cases[] = {
	{"macsec-out", "macsec-xpn-256", false, 1, AS_SENT},
	{"macsec-in", "macsec-xpn-256", true, 1, AS_SENT},
	{"macsec-in-swapped", "macsec-xpn-256", true, 1, SWAPPED},
	{"esp-out", "esp-tunnel-gcm-256", false, 1, AS_SENT},
	{"esp-in", "esp-tunnel-gcm-256", true, 1, AS_SENT},
	{"esp-in-swapped", "esp-tunnel-gcm-256", true, 1, SWAPPED},
	{"esp-out-many", "esp-tunnel-gcm-256", false, 61, AS_SENT},
	{"esp-in-many", "esp-tunnel-gcm-256", true, 61, AS_SENT},
	{"esp-udp-out", "esp-udp-gcm-256", false, 1, AS_SENT},
	{"esp-udp-in", "esp-udp-gcm-256", true, 1, AS_SENT},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static unsigned moved;

/* Its name is what test/budgets tells callgrind. */
__attribute__((noinline)) static void counted_poll(struct fwd *f)
{
	moved += fwd_poll(f);
}

static const struct path *path_named(const char *name)
{
	for (unsigned i = 0; i < PATHS; i++)
		if (!strcmp(paths[i].name, name))
			return &paths[i];
	die(name);
}

static void swap_pairs(struct pkt *v)
{
	for (unsigned i = 0; i < PKT_BURST; i += 2) {
		struct pkt p = v[i];

		v[i] = v[i + 1];
		v[i + 1] = p;
	}
}

static void run(const struct count_case *c, unsigned bursts)
{
	const struct path *path = path_named(c->path);
	const struct size *imix = &sizes[SIZES - 1];
	struct pkt_pool *pool = pkt_pool_new(PKT_BURST, FRAME_MAX);
	struct end a = end_make(path, 1, c->sas, RING_USUAL, pool),
		   b = end_make(path, 2, c->sas, RING_USUAL, pool);
	struct pkt v[PKT_BURST];

	for (unsigned i = 0; i < PKT_BURST; i++)
		if (!pkt_alloc(pool, &v[i]))
			die("buffers");
	for (unsigned burst = 0; burst < bursts; burst++) {
		for (unsigned i = 0; i < PKT_BURST; i++)
			frame_fill(&v[i], path, size_of(imix, i), (burst + i * 17) % c->sas);
		ring_give(a.overlay, v);
		if (c->in)
			fwd_poll(a.f);
		else
			counted_poll(a.f);
		ring_take(a.wan, v);
		if (!c->in)
			continue;
		if (c->order == SWAPPED)
			swap_pairs(v);
		ring_give(b.wan, v);
		counted_poll(b.f);
		ring_take(b.overlay, v);
	}
	for (unsigned i = 0; i < PKT_BURST; i++)
		pkt_release(pool, &v[i]);
	end_free(&a);
	end_free(&b);
	pkt_pool_free(pool);
}

int main(int argc, char **argv)
{
	unsigned bursts = argc == 3 ? (unsigned)atoi(argv[2]) : 0;

	bench_name = "bench/counts";
	log_set_level(LOG_LVL_ERROR);
	for (unsigned i = 0; i < CASES; i++) {
		if (argc < 2)
			puts(cases[i].name);
		else if (!strcmp(argv[1], cases[i].name))
			run(&cases[i], bursts);
	}
	if (argc < 2)
		return 0;
	if (!bursts || moved != bursts * PKT_BURST) {
		fprintf(stderr, "%s: %u of %u frames of %s were moved\n", bench_name, moved,
			bursts * PKT_BURST, argv[1]);
		return 1;
	}
	printf("%u frames, %s\n", moved, aead_kernel());
	return 0;
}
