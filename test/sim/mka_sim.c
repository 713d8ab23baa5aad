/*
 * The runs, TAP on standard output. Built twice:
 *
 *   mka_sim         the daemon's own objects: as many of SEEDS seeds as there is time for, what they
 *                   had to go through, and CAs that are joined at once
 *   mka_sim_bugs    MKA_FAULTS, the same sources with faults in them: each planted bug must be
 *                   found within BUG_SEEDS seeds, and by that seed only with the bug
 *
 *   mka_sim --seed N [-v]                    one run, told event by event with -v
 *   mka_sim --seeds N                        more seeds
 *   mka_sim_bugs --seed N [-v] --bug NAME    one run with a bug in it
 */
#include "base/log.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS 500     /* as many as fit in SECONDS, */
#define SEEDS_MIN 100 /* but so many in any case */
#define SECONDS 240   /* by the wall */
#define BUG_SEEDS 50
#define JOIN_NS (100 * NS_PER_S)

#ifdef MKA_FAULTS
static const struct {
	const char *name;
	enum mka_fault fault;
	enum sim_bug bug;
} bugs[] = {
	{"icv-not-checked", MKA_FAULT_SKIP_ICV, SIM_NO_BUG},
	{"message-number-not-checked", MKA_FAULT_SKIP_MN, SIM_NO_BUG},
	{"sak-given-to-newcomers", MKA_FAULT_REUSE_SAK, SIM_NO_BUG},
	{"key-retired-early", MKA_FAULT_RETIRE_EARLY, SIM_NO_BUG},
	{"sent-before-received", MKA_FAULT_SEND_EARLY, SIM_NO_BUG},
	{"ssci-order", MKA_FAULT_SSCI_ORDER, SIM_NO_BUG},
	{"rolled-over-before-all-have-it", MKA_FAULT_ROLL_EARLY, SIM_NO_BUG},
	{"participant-ended-early", MKA_FAULT_END_EARLY, SIM_NO_BUG},
	{"sa-made-again-after-restart", MKA_FAULT_REUSE_PN, SIM_NO_BUG},
	{"lowest-packet-number-ahead", MKA_FAULT_LPN_AHEAD, SIM_NO_BUG},
	{"suspended-peers-timed-out", MKA_FAULT_SUSPEND_DEAF, SIM_NO_BUG},
	{"packet-number-reused-after-restart", MKA_FAULT_NONE, SIM_PN_REUSED},
};

#define BUG_COUNT (sizeof(bugs) / sizeof(bugs[0]))

static void plant(struct sim *s, size_t bug)
{
	if (bug < BUG_COUNT) {
		s->fault = bugs[bug].fault;
		s->bug = bugs[bug].bug;
	}
}

static size_t bug_named(const char *name)
{
	size_t bug = 0;

	while (bug < BUG_COUNT && strcmp(bugs[bug].name, name) != 0)
		bug++;
	return bug;
}
#else
#define BUG_COUNT 0

static void plant(struct sim *s, size_t bug)
{
	(void)s;
	(void)bug;
}
#endif

struct totals {
	uint64_t kinds[SIM_KIND_COUNT], packets, events;
};

/* One run; its violation in why, or why empty. */
static void run(uint64_t seed, size_t bug, bool verbose, struct totals *t, char why[256])
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->verbose = verbose;
	plant(s, bug);
	sim_run(s, seed);
	memcpy(why, s->violation, sizeof(s->violation));
	for (unsigned k = 0; t && k < SIM_KIND_COUNT; k++)
		t->kinds[k] += s->kinds[k];
	if (t) {
		t->packets += s->packets;
		t->events += s->events;
	}
	sim_fini(s);
	free(s);
}

#ifndef MKA_FAULTS
static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/*
 * All nodes of one E-LAN are switched on within a tenth of a second, but for the `full` that come
 * late, are more than a CA has room for, and disturb nobody. True when the others agree until the
 * end.
 */
static bool join_at_once(unsigned count, unsigned full, uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));
	double cpu = cpu_seconds();
	uint64_t saks = 0, refused = 0, frames = 0;
	bool good;

	if (!s)
		abort();
	sim_init(s, seed, count);
	story_join_at_once(s, full, JOIN_NS);
	for (unsigned i = count - full; i < count; i++)
		s->nodes[i].no_place = true;
	sim_loop(s);
	for (unsigned i = 0; i < count; i++) {
		saks += s->nodes[i].m->saks;
		refused += s->nodes[i].m->results[MKA_TOO_MANY_PEERS];
		frames += s->nodes[i].m->principal->tx_mkpdus;
	}
	good = !s->violation[0] && s->agreed_first && s->agreed_at + NS_PER_S >= JOIN_NS &&
	       !full == !refused;
	printf("# %u participants: agreed after %.2f s, %.2f SAKs and %.1f MKPDUs each, %llu "
	       "refused, %.1f s of CPU%s%s\n",
	       count, (double)s->agreed_first / 1e9, (double)saks / count, (double)frames / count,
	       (unsigned long long)refused, cpu_seconds() - cpu, s->violation[0] ? ": " : "",
	       s->violation);
	sim_fini(s);
	free(s);
	return good;
}
#endif

#ifdef MKA_FAULTS
static void planted_bug(size_t bug, unsigned number)
{
	char why[256] = "";
	unsigned seed;
	bool found;

	for (seed = 1; seed <= BUG_SEEDS && !why[0]; seed++)
		run(seed, bug, false, NULL, why);
	if (why[0])
		printf("# seed %u: %s\n", seed - 1, why);
	found = why[0] != 0;
	run(seed - 1, BUG_COUNT, false, NULL, why);
	printf("%s %u - planted bug found: %s\n", found && !why[0] ? "ok" : "not ok", number,
	       bugs[bug].name);
}

/* The same seed twice, with a bug in it so that it ends early: the same to the last event. */
static void replays_exactly(unsigned number)
{
	struct totals t[2] = {0};
	char why[2][256];

	for (unsigned i = 0; i < 2; i++)
		run(11, 5, false, &t[i], why[i]);
	printf("%s %u - a failing seed replays exactly\n",
	       why[0][0] && !strcmp(why[0], why[1]) && !memcmp(&t[0], &t[1], sizeof(t[0]))
		       ? "ok"
		       : "not ok",
	       number);
}

static void all(unsigned seeds)
{
	(void)seeds;
	printf("1..%zu\n", BUG_COUNT + 1);
	for (size_t b = 0; b < BUG_COUNT; b++)
		planted_bug(b, (unsigned)(1 + b));
	replays_exactly(BUG_COUNT + 1);
}
#else
static void all(unsigned seeds)
{
	time_t until = time(NULL) + SECONDS;
	struct totals t = {0};
	char why[256];
	bool good = true;
	unsigned seed;

	printf("1..4\n");
	printf("%s 3 - 64 participants join at once\n", join_at_once(64, 0, 1) ? "ok" : "not ok");
	printf("%s 4 - a CA as large as an MKPDU lists refuses one more\n",
	       join_at_once(MKA_PEERS_MAX + 2, 1, 2) ? "ok" : "not ok");
	for (seed = 1; seed <= seeds && (seed <= SEEDS_MIN || time(NULL) < until); seed++) {
		run(seed, BUG_COUNT, false, &t, why);
		if (!why[0])
			continue;
		printf("# seed %u: %s\n#   see it with: mka_sim --seed %u -v\n", seed, why, seed);
		good = false;
	}
	printf("%s 1 - %u seeds\n", good ? "ok" : "not ok", seed - 1);
	good = true;
	for (unsigned k = 0; k < SIM_KIND_COUNT; k++) {
		printf("# %9llu %s\n", (unsigned long long)t.kinds[k], sim_kind_name(k));
		good &= t.kinds[k] > 0;
	}
	printf("# %9llu packets, %llu events\n", (unsigned long long)t.packets,
	       (unsigned long long)t.events);
	printf("%s 2 - every kind of fault happened\n", good ? "ok" : "not ok");
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
#ifdef MKA_FAULTS
		else if (!strcmp(argv[i], "--bug") && i + 1 < argc)
			bug = bug_named(argv[++i]);
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
