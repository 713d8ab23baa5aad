/*
 * The runs of a group's key server and members, TAP on standard output. Built twice:
 *
 *   gike_sim         the engines as they are
 *   gike_sim_bugs    GIKEV2_FAULTS, the same sources with faults in them: each must be found within
 *                    BUG_SEEDS seeds, and not without it
 *
 *   gike_sim --seed N     one run, what it came to in one line
 *
 * Virtual time in steps of half a second. The network loses, delays, reorders, doubles and replays
 * rekeys; registrations fail on either way; the key server crashes, also between what it did and its
 * record, and goes on from the record; members crash and know nothing. Members leave, are excluded and
 * readmitted. What must hold, at every step:
 *
 *  - nobody sends by an SA that a member in the group does not receive by, unless every copy of a rekey
 *    to that member was lost; nor has a sender nothing to send by
 *  - no Sender-ID is used twice with the same key
 *  - who is excluded installs no key that was made after that
 *  - nothing that was retired comes back by a rekey, and nothing outlives its key's time
 *
 * and when the network is quiet at the end, everybody who may be is in the group, by the same keys.
 */
#include "gike_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(void)
{
	uint32_t spis[16], by[16];
	unsigned count = 0;

	for (unsigned i = 0; i < gw.count; i++) {
		struct node *n = &gw.v[i];
		unsigned j = 0;

		if (!in_group(n) || n->banned || n->lost)
			continue;
		if (i % 4 != 3 && !n->transmit)
			violation("member %u has nothing to send by", i);
		for (; j < count && spis[j] != n->transmit; j++)
			;
		if (n->transmit && j == count && count < 16 &&
		    gw.spis[spi_index(n->transmit)].made_at >= n->since) {
			by[count] = i;
			spis[count++] = n->transmit;
		}
	}
	for (unsigned i = 0; i < gw.count; i++)
		for (unsigned j = 0; j < count; j++)
			if (in_group(&gw.v[i]) && !gw.v[i].banned && !gw.v[i].lost &&
			    gw.spis[spi_index(spis[j])].made_at >= gw.v[i].since &&
			    !receives(&gw.v[i], spis[j]))
				violation("member %u does not receive SPI %08x of member %u", i,
					  spis[j], by[j]);
}

/* Everybody who may be has the newest keys that had the time to arrive. */
static void check_end(void)
{
	unsigned newest = gw.spi_count - 1;

	while (newest && gw.spis[newest].made_at + LAST_COPY * STEP > gw.now)
		newest--;
	for (unsigned i = 0; i < gw.count; i++)
		if (!gw.v[i].banned &&
		    (!in_group(&gw.v[i]) || !receives(&gw.v[i], gw.spis[newest].spi)))
			violation("member %u is not in the group at the end", i);
}

/* One run; what was violated is in gw.why. */
static void run(uint64_t seed)
{
	world_init(seed);
	for (; gw.step < STEPS && !gw.why[0]; gw.step++, gw.now += STEP) {
		world_step();
		check();
	}
	if (!gw.why[0])
		check_end();
	world_fini();
}

#ifndef GIKEV2_FAULTS
static const char *const kind_names[K_COUNT] = {
	"lost",         "doubled",        "replayed", "missed",  "registered",
	"unregistered", "server-crashes", "unsaved",  "crashes", "excluded",
	"readmitted",   "left",           "resets",   "inband",
};

static int runs(unsigned seeds)
{
	uint64_t kinds[K_COUNT] = {0};
	unsigned bad = 0, zero = 0;

	puts("1..2");
	for (unsigned seed = 0; seed < seeds; seed++) {
		run(seed);
		if (gw.why[0]) {
			bad++;
			printf("# seed %u: %s\n", seed, gw.why);
		}
		for (unsigned k = 0; k < K_COUNT; k++)
			kinds[k] += gw.kinds[k];
	}
	printf("%s 1 - %u seeds of a group's life\n", bad ? "not ok" : "ok", seeds);
	for (unsigned k = 0; k < K_COUNT; k++) {
		printf("# %s %" PRIu64 "\n", kind_names[k], kinds[k]);
		zero += !kinds[k];
	}
	printf("%s 2 - every kind of fault occurred\n", zero ? "not ok" : "ok");
	return bad || zero;
}
#else
static const struct {
	const char *name;
	enum gikev2_fault fault;
} bugs[] = {
	{"left before it was saved", GIKEV2_FAULT_NOT_SAVED},
	{"the excluded stay in the tree", GIKEV2_FAULT_TREE_KEPT},
	{"Sender-IDs handed out twice", GIKEV2_FAULT_SENDER_AGAIN},
	{"senders do not wait", GIKEV2_FAULT_SEND_EARLY},
	{"old keys retired early", GIKEV2_FAULT_RETIRE_EARLY},
	{"replays taken", GIKEV2_FAULT_REPLAY},
};

static int runs(unsigned seeds)
{
	unsigned missed = 0;

	(void)seeds;
	printf("1..%zu\n", sizeof(bugs) / sizeof(bugs[0]));
	for (unsigned i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
		unsigned seed = 0;
		bool found = false, with_it_alone = false;

		for (; seed < BUG_SEEDS && !found; seed++) {
			gikev2_fault = bugs[i].fault;
			run(seed);
			found = gw.why[0];
		}
		printf("# %s\n", gw.why);
		if (found) {
			gikev2_fault = GIKEV2_FAULT_NONE;
			run(seed - 1);
			with_it_alone = !gw.why[0];
		}
		printf("%s %u - found: %s\n", with_it_alone ? "ok" : "not ok", i + 1, bugs[i].name);
		missed += !with_it_alone;
	}
	return missed > 0;
}
#endif

int main(int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "--seed")) {
		run(strtoull(argv[2], NULL, 10));
		printf("%s\n", gw.why[0] ? gw.why : "ok");
		return gw.why[0] != 0;
	}
	return runs(argc == 3 && !strcmp(argv[1], "--seeds") ? (unsigned)atoi(argv[2]) : SEEDS);
}
