/*
 * The runs of IKEv2, TAP on standard output. Built twice, as mka_sim.c is:
 *
 *   ike_sim          the daemon's own objects
 *   ike_sim_bugs     IKEV2_FAULTS, the same sources with faults in them: each planted bug must be
 *                    found within BUG_SEEDS seeds, and by that seed only with the bug
 *
 *   ike_sim --seed N [-v]                    one run, told event by event with -v
 *   ike_sim --seeds N                        more seeds
 *   ike_sim_bugs --seed N [-v] --bug NAME    one run with a bug in it
 */
#include "ike_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 200
#define BUG_SEEDS 50

#ifdef IKEV2_FAULTS
static const struct {
	const char *name;
	enum ikev2_fault fault;
} bugs[] = {
	{"icv-not-checked", IKEV2_FAULT_SKIP_ICV},
	{"message-id-not-checked", IKEV2_FAULT_SKIP_WINDOW},
	{"iv-used-again-after-restart", IKEV2_FAULT_REUSE_IV},
	{"child-retired-early", IKEV2_FAULT_RETIRE_EARLY},
	{"sent-before-received", IKEV2_FAULT_SEND_EARLY},
	{"collisions-ignored", IKEV2_FAULT_NO_COLLISION},
};

#define BUG_COUNT (sizeof(bugs) / sizeof(bugs[0]))
#else
#define BUG_COUNT 0
#endif

static void run(uint64_t seed, size_t bug, bool verbose, uint64_t kinds[W_KIND_COUNT + 1],
		char why[256])
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->verbose = verbose;
#ifdef IKEV2_FAULTS
	if (bug < BUG_COUNT)
		w->fault = bugs[bug].fault;
#endif
	(void)bug;
	world_run(w, seed);
	memcpy(why, w->violation, sizeof(w->violation));
	for (unsigned k = 0; kinds && k < W_KIND_COUNT; k++)
		kinds[k] += w->kinds[k];
	if (kinds)
		kinds[W_KIND_COUNT] += w->messages;
	world_fini(w);
	free(w);
}

#ifdef IKEV2_FAULTS
static void planted_bug(size_t bug, unsigned number)
{
	char why[256] = "";
	unsigned seed;
	bool found;

	for (seed = 1; seed <= BUG_SEEDS && !why[0]; seed++)
		if (seed % 40)
			run(seed, bug, false, NULL, why);
	if (why[0])
		printf("# seed %u: %s\n", seed - 1, why);
	found = why[0] != 0;
	run(seed - 1, BUG_COUNT, false, NULL, why);
	printf("%s %u - planted bug found: %s\n", found && !why[0] ? "ok" : "not ok", number,
	       bugs[bug].name);
}

static void all(unsigned seeds)
{
	(void)seeds;
	printf("1..%zu\n", BUG_COUNT);
	for (size_t b = 0; b < BUG_COUNT; b++)
		planted_bug(b, (unsigned)(1 + b));
}
#else
static void all(unsigned seeds)
{
	uint64_t kinds[W_KIND_COUNT + 1] = {0}, again[W_KIND_COUNT + 1] = {0},
				      first[W_KIND_COUNT + 1] = {0};
	char why[256];
	bool good = true;

	printf("1..3\n");
	for (unsigned seed = 1; seed <= seeds; seed++) {
		run(seed, BUG_COUNT, false, kinds, why);
		if (!why[0])
			continue;
		printf("# seed %u: %s\n#   see it with: ike_sim --seed %u -v\n", seed, why, seed);
		good = false;
	}
	printf("%s 1 - seeds 1 to %u\n", good ? "ok" : "not ok", seeds);
	good = true;
	for (unsigned k = 0; k < W_KIND_COUNT; k++) {
		printf("# %9llu %s\n", (unsigned long long)kinds[k], world_kind_name(k));
		good &= kinds[k] > 0;
	}
	printf("# %9llu messages\n", (unsigned long long)kinds[W_KIND_COUNT]);
	printf("%s 2 - every kind of fault happened\n", good ? "ok" : "not ok");
	run(7, BUG_COUNT, false, first, why);
	run(7, BUG_COUNT, false, again, why);
	printf("%s 3 - a seed replays exactly\n",
	       memcmp(first, again, sizeof(first)) ? "not ok" : "ok");
}
#endif

int main(int argc, char **argv)
{
	unsigned seeds = SEEDS;
	unsigned long seed = 0;
	bool verbose = false;
	size_t bug = BUG_COUNT;
	char why[256];

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v"))
			verbose = true;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seeds") && i + 1 < argc)
			seeds = (unsigned)strtoul(argv[++i], NULL, 0);
#ifdef IKEV2_FAULTS
		else if (!strcmp(argv[i], "--bug") && i + 1 < argc)
			for (i++, bug = 0; bug < BUG_COUNT && strcmp(bugs[bug].name, argv[i]);)
				bug++;
#endif
		else
			return 2;
	}
	log_init("sim", verbose ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	if (seed) {
		run(seed, bug, verbose, NULL, why);
		printf("seed %lu: %s\n", seed, why[0] ? why : "well");
		return why[0] != 0;
	}
	all(seeds);
	return 0;
}
