/*
 * lpm: what one lookup in the table of routes costs, and one change of it.
 *
 * The routes are made up, with the lengths of the Internet's own tables (two thirds of IPv4's are
 * /24, half of IPv6's /48) and clustered as allocations are. Lookups are of addresses within
 * routes: drawn from all of them (every one another place in memory), or from 64 of them (a flow or
 * some). In the same windows the structure that is simplest runs beside it: bisection over sorted
 * ranges.
 *
 *   lpm [--json FILE]
 */
#include "common.h"
#include "fib/fib.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUPS 4096 /* in a window, of each kind */
#define WINDOWS 300
#define CHANGES 512 /* in a window */

enum { RANDOM, LOCAL, CHANGE, BISECT };

struct route {
	uint8_t addr[16];
	unsigned len;
};

static uint64_t seed = 0x9e3779b97f4a7c15;
static struct windows windows;
static volatile unsigned sink;
static FILE *json;    /* or NULL */
static unsigned rows; /* written there */

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static unsigned length(unsigned family)
{
	unsigned r = (unsigned)(draw() >> 33) % 100;

	if (family == 4)
		return r < 62 ? 24 : r < 95 ? 19 + r % 5 : 12 + r % 7;
	return r < 48 ? 48 : r < 75 ? 32 + r % 16 : r < 90 ? 29 + r % 3 : 64;
}

static void route_draw(struct route *r, unsigned family, unsigned cluster)
{
	uint64_t high = draw(), low = draw();

	memcpy(r->addr, &high, 8);
	memcpy(r->addr + 8, &low, 8);
	/* One sixteenth of all first halves is in use. */
	if (family == 4) {
		r->addr[0] = (uint8_t)(1 + cluster % 223);
		r->addr[1] = (uint8_t)(cluster * 7 & 0xff);
	} else {
		r->addr[0] = 0x20 | (cluster & 0x0f);
		r->addr[1] = (uint8_t)(cluster >> 4);
		r->addr[2] &= 0x3f;
	}
	r->len = length(family);
}

static void addr_within(const struct route *r, uint8_t out[16])
{
	uint64_t v[2] = {draw(), draw()};

	memcpy(out, v, 16);
	for (unsigned i = 0; i < r->len; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		out[i / 8] = (uint8_t)((out[i / 8] & ~bit) | (r->addr[i / 8] & bit));
	}
}

static uint64_t lookups(const struct fib *f, unsigned family, uint8_t (*addr)[16])
{
	unsigned sum = 0;
	uint64_t begin = tsc_now();

	for (unsigned i = 0; i < LOOKUPS; i++) {
		uint32_t a;

		memcpy(&a, addr[i], 4);
		sum += family == 4 ? fib4_lookup(f, be32toh(a)) : fib6_lookup(f, addr[i]);
	}
	begin = tsc_now() - begin;
	sink = sum;
	return begin;
}

static uint32_t *ranges;
static unsigned range_count;

static int range_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t bisect(uint8_t (*addr)[16])
{
	unsigned sum = 0;
	uint64_t begin = tsc_now();

	for (unsigned i = 0; i < LOOKUPS; i++) {
		const uint32_t *base = ranges;
		uint32_t a;

		memcpy(&a, addr[i], 4);
		a = be32toh(a);
		for (unsigned n = range_count; n > 1; n -= n / 2)
			base += base[n / 2] <= a ? n / 2 : 0;
		sum += *base;
	}
	begin = tsc_now() - begin;
	sink = sum;
	return begin;
}

static uint64_t changes(struct fib_writer *w, unsigned family, const struct route *v, unsigned n)
{
	uint64_t begin = tsc_now();

	for (unsigned i = 0; i < CHANGES / 2; i++) {
		const struct route *r = &v[draw() % n];

		if (fib_del(w, family, r->addr, r->len) ||
		    fib_put(w, family, r->addr, r->len, (uint16_t)(1 + i % 200)))
			die("the table is full");
	}
	return tsc_now() - begin;
}

static void row(struct fib_writer *w, unsigned family, unsigned want)
{
	struct route *v = calloc(want, sizeof(*v));
	static uint8_t all[LOOKUPS][16], few[LOOKUPS][16];

	ranges = calloc(want + 1, sizeof(*ranges));
	if (!v || !ranges)
		die("memory");
	fib_clear(w);
	for (unsigned i = 0; i < want; i++) {
		uint32_t a;

		route_draw(&v[i], family, (unsigned)(draw() >> 40) % (want / 24 + 1));
		if (fib_put(w, family, v[i].addr, v[i].len, (uint16_t)(1 + i % 200)))
			die("the table is full");
		memcpy(&a, v[i].addr, 4);
		ranges[i + 1] = be32toh(a);
	}
	range_count = want + 1;
	qsort(ranges, range_count, sizeof(*ranges), range_order);
	windows_reset(&windows);
	for (unsigned n = 0; n < WINDOWS; n++) {
		for (unsigned i = 0; i < LOOKUPS; i++) {
			addr_within(&v[draw() % want], all[i]);
			addr_within(&v[draw() % (want < 64 ? want : 64)], few[i]);
		}
		window_open(&windows);
		window_reference(&windows);
		window_add(&windows, RANDOM, lookups(fib_of(w), family, all));
		window_reference(&windows);
		window_add(&windows, LOCAL, lookups(fib_of(w), family, few));
		window_reference(&windows);
		if (family == 4)
			window_add(&windows, BISECT, bisect(all));
		window_add(&windows, CHANGE, changes(w, family, v, want));
		window_reference(&windows);
		window_close(&windows);
	}
	windows_keep(&windows);
	if (json)
		fprintf(json,
			"%s\n {\"family\": %u, \"routes\": %zu, \"mbytes\": %.2f, \"random\": %.1f, "
			"\"local\": %.1f, \"change\": %.0f, \"windows\": %u, \"kept\": %u}",
			rows++ ? "," : "", family, fib_count(w, family), (double)fib_used(w) / 1e6,
			windows_median(&windows, RANDOM) / LOOKUPS,
			windows_median(&windows, LOCAL) / LOOKUPS,
			windows_median(&windows, CHANGE) / CHANGES, windows.n, windows.kept);
	printf("IPv%u %7zu routes %6.1f MB  random %6.1f  local %5.1f  ", family,
	       fib_count(w, family), (double)fib_used(w) / 1e6,
	       windows_median(&windows, RANDOM) / LOOKUPS,
	       windows_median(&windows, LOCAL) / LOOKUPS);
	if (family == 4)
		printf("bisection %6.1f  ", windows_median(&windows, BISECT) / LOOKUPS);
	printf("change %6.0f  (%u of %u windows)\n", windows_median(&windows, CHANGE) / CHANGES,
	       windows.kept, windows.n);
	free(v);
	free(ranges);
}

int main(int argc, char **argv)
{
	void *area = aligned_alloc(64, (fib_size() + 63) / 64 * 64);
	struct fib_writer *w;

	bench_name = "lpm";
	pin(-1);
	w = area ? fib_writer_new(area, fib_size()) : NULL;
	if (!w)
		die("memory");
	if (argc == 3 && !strcmp(argv[1], "--json"))
		json = json_open(argv[2], "none");
	printf("cycles for one lookup, and for one change\n");
	row(w, 4, 1);
	row(w, 4, 1000);
	row(w, 4, 100000);
	row(w, 6, 1);
	row(w, 6, 1000);
	row(w, 6, 50000);
	row(w, 6, 100000);
	if (json)
		json_close(json);
	fib_writer_free(w);
	free(area);
	return 0;
}
