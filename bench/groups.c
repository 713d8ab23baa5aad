/*
 * groups: what a group costs its key server and a member, from 100 to 10,000 members.
 *
 *   groups [--json FILE] [--cpu N]
 *
 * A registration without the IKE SA that it goes over (bench/handshakes has them whole); what it takes
 * to exclude one member: a new Rekey SA by the key tree, new keys for data, two signatures; what it
 * takes to renew the keys for data alone; the octets that are sent to all; a member's work on them;
 * the record. Medians of RUNS on one pinned core.
 */
#include "common.h"
#include "gk.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define RUNS 25

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median_us(uint64_t v[RUNS])
{
	qsort(v, RUNS, sizeof(*v), by_size);
	return (double)v[RUNS / 2] / 1000;
}

static void measure(unsigned members, FILE *json)
{
	uint64_t registers[RUNS], excludes[RUNS], renews[RUNS], member[RUNS], saves[RUNS];
	static unsigned rows;
	size_t answer = 0, exclusion = 0, renewal = 0, record = 0;
	struct gks *g = gk_server(members - 1, members + RUNS);
	struct gm *m = gk_member();

	for (unsigned i = 0; i < RUNS; i++) {
		registers[i] = gk_register(g, members, m, &answer);
		saves[i] = gk_clock();
		record = gk_save(g);
		saves[i] = gk_clock() - saves[i];
	}
	for (unsigned i = 0; i < RUNS; i++) {
		gk_now += 100 * NS_PER_S;
		gm_expire(m, gk_now);
		gks_expire(g, gk_now);
		gk_deliver(g, m, &renewal);
		exclusion = 0;
		excludes[i] = gk_clock();
		if (gks_exclude(g, 1 + i * (members / (RUNS + 1)), gk_now))
			die("an exclusion");
		excludes[i] = gk_clock() - excludes[i];
		member[i] = gk_deliver(g, m, &exclusion);
	}
	for (unsigned i = 0; i < RUNS; i++) {
		gk_now += 3600 * NS_PER_S;
		gm_expire(m, gk_now);
		renewal = 0;
		renews[i] = gk_clock();
		gks_expire(g, gk_now);
		renews[i] = gk_clock() - renews[i];
		gk_deliver(g, m, &renewal);
	}
	printf("%7u %9.1f %7zu %9.1f %7zu %9.1f %7zu %9.1f %9.1f %7.0f\n", members,
	       median_us(registers), answer, median_us(excludes), exclusion, median_us(renews),
	       renewal, median_us(member), median_us(saves), (double)record / members);
	fflush(stdout);
	if (json)
		fprintf(json,
			"%s  {\"members\": %u, \"register_us\": %.1f, \"register_octets\": %zu, "
			"\"exclude_us\": %.1f, \"exclude_octets\": %zu, \"renew_us\": %.1f, "
			"\"renew_octets\": %zu, \"member_us\": %.1f, \"record_us\": %.1f, "
			"\"record_octets\": %.0f}",
			rows++ ? ",\n" : "", members, median_us(registers), answer,
			median_us(excludes), exclusion, median_us(renews), renewal,
			median_us(member), median_us(saves), (double)record / members);
	gk_server_free(g);
	gm_free(m);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {100, 1000, 10000};

	const char *file = NULL;
	FILE *json = NULL;
	int cpu = -1;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--json"))
			file = argv[i + 1];
		else if (!strcmp(argv[i], "--cpu"))
			cpu = atoi(argv[i + 1]);
	}
	bench_name = "bench/groups";
	log_set_level(LOG_LVL_ERROR);
	pin(cpu);
	json = file ? fopen(file, "w") : NULL;
	if (file && !json)
		die(file);
	if (json)
		fprintf(json, "{\"rows\": [\n");
	printf("A group on one core; microseconds and octets, medians\n"
	       "%7s %17s %17s %17s %9s %17s\n%7s %9s %7s %9s %7s %9s %7s %9s %9s %7s\n",
	       "", "registration", "exclude one", "renew data's keys", "member", "record",
	       "members", "us", "octets", "us", "octets", "us", "octets", "us", "us", "each");
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure(sizes[i], json);
	if (json) {
		fprintf(json, "\n]}\n");
		if (fclose(json))
			die(file);
	}
	return 0;
}
