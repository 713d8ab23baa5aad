/*
 * routes: what a hub's packet path costs as its table of routes grows.
 *
 *   routes [--json FILE]
 *
 * A spoke's packets of IMIX are decrypted, both of their addresses looked up (src/fwd/transit.c), and
 * sealed again for another spoke: fwd_poll() of the hub alone is timed. In the same windows the hub
 * takes turns with three tables: of one route; of 100,000 routes, with a destination drawn from all
 * of them for each packet; and the same with destinations of 64 flows.
 */
#include "common.h"
#include "ends.h"

#include "base/log.h"
#include "crypto/aead.h"
#include "fib/fib.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTES = 100000, FLOWS = 64, WINDOWS = 401, BURSTS = 8, OVERLAY = 1, TURNS = 3 };

static const char *const turns[TURNS] = {"1 route", "100,000 routes, random",
					 "100,000 routes, 64 flows"};
static uint64_t seed = 0x9e3779b97f4a7c15;
static uint32_t networks[ROUTES]; /* host order, of /24 */
static struct windows windows;

static uint32_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 24);
}

/* Routes back to the sender, and `n` of the others to the second spoke. */
static struct fib_writer *table_make(unsigned n)
{
	void *area = aligned_alloc(64, (fib_size() + 63) / 64 * 64);
	struct fib_writer *w = area ? fib_writer_new(area, fib_size()) : NULL;
	const uint8_t first[6] = {2, 0, 10, 1, 0, 0}, second[6] = {2, 0, 10, 1, 0, 1};
	const uint8_t back[4] = {10, 1};

	if (!w)
		die("memory");
	fib_hop_set(w, 1, OVERLAY, first, FRAME_MAX);
	fib_hop_set(w, 2, OVERLAY, second, FRAME_MAX);
	if (fib_put(w, 4, back, 16, 1))
		die("a route");
	for (unsigned i = 0; i < n; i++) {
		uint32_t a = htobe32(networks[i]);
		uint8_t addr[4];

		memcpy(addr, &a, sizeof(addr));
		if (fib_put(w, 4, addr, n == 1 ? 0 : 24, 2))
			die("a route");
	}
	fib_port_set(w, OVERLAY, FIB_PORT_FORWARD4);
	fib_live_set(w, UINT64_MAX);
	return w;
}

static void frames_make(struct pkt *v, const struct path *path, unsigned turn)
{
	for (unsigned i = 0; i < PKT_BURST; i++) {
		uint32_t net = networks[draw() % (turn == 2 ? FLOWS : ROUTES)];
		uint32_t to = htobe32(net | (draw() & 0xff));
		uint8_t *ip;
		uint16_t sum = 0;

		frame_fill(&v[i], path, size_of(&sizes[SIZES - 1], i), 0);
		ip = v[i].data + ETH_HEAD_LEN;
		memcpy(ip + 16, &to, sizeof(to));
		memcpy(ip + 10, &sum, sizeof(sum));
		sum = ip_checksum(ip_sum(ip, IP4_HEAD_LEN));
		memcpy(ip + 10, &sum, sizeof(sum));
	}
}

static void window(struct end *spoke, struct end *hub, struct fib_writer *const tables[TURNS],
		   const struct path *path, struct pkt *v)
{
	for (unsigned n = 0; n < BURSTS * TURNS; n++) {
		unsigned turn = n % TURNS;
		uint64_t t;

		frames_make(v, path, turn);
		ring_give(spoke->overlay, v);
		fwd_poll(spoke->f);
		ring_take(spoke->wan, v);
		fwd_routes(hub->f, fib_of(tables[turn]));
		fwd_transit(hub->f, true);
		ring_give(hub->wan, v);
		t = tsc_now();
		fwd_poll(hub->f);
		t = tsc_now() - t;
		ring_take(hub->wan, v); /* all of them went on */
		window_add(&windows, turn, t);
		if (n % 4 == 0)
			window_reference(&windows);
	}
}

static void rows_write(const char *file, const struct fib_writer *table)
{
	FILE *f = json_open(file, aead_kernel());

	for (unsigned i = 0; i < TURNS; i++)
		fprintf(f,
			"%s\n {\"table\": \"%s\", \"cycles\": %.1f, \"share\": %.4f, \"mbytes\": %.1f, "
			"\"windows\": %u, \"kept\": %u}",
			i ? "," : "", turns[i], windows_median(&windows, i) / (BURSTS * PKT_BURST),
			windows_ratio(&windows, 0, i), (double)fib_used(table) / 1e6, windows.n,
			windows.kept);
	json_close(f);
}

int main(int argc, char **argv)
{
	const struct path *path = &paths[2];
	struct pkt_pool *pool = pkt_pool_new(256, FRAME_MAX);
	struct fib_writer *tables[TURNS];
	struct end spoke, hub;
	struct pkt v[PKT_BURST];

	bench_name = "bench/routes";
	log_set_level(LOG_LVL_ERROR);
	pin(-1);
	/* Within 4096 blocks of 2^16 addresses: allocations are clustered. */
	for (unsigned i = 0; i < ROUTES; i++)
		networks[i] = (16u + draw() % 16) << 24 | (draw() & 0xffff) << 8;
	tables[0] = table_make(1);
	tables[1] = tables[2] = table_make(ROUTES);
	if (!pool)
		die("buffers");
	spoke = end_make(path, 1, 1, RING_USUAL, pool);
	hub = end_make(path, 2, 2, RING_USUAL, pool);
	for (unsigned i = 0; i < PKT_BURST; i++)
		if (!pkt_alloc(pool, &v[i]))
			die("buffers");
	for (unsigned i = 0; i < WINDOWS + 2; i++) {
		if (i == 2)
			windows_reset(&windows); /* the first two warmed up */
		window_open(&windows);
		window(&spoke, &hub, tables, path, v);
		window_close(&windows);
	}
	windows_keep(&windows);
	printf("esp-route: decrypted, routed, sealed again; IMIX, %s; %u of %u windows\n"
	       "%-26s %8s %12s\n",
	       aead_kernel(), windows.kept, windows.n, "table", "cycles", "rate of one");
	for (unsigned i = 0; i < TURNS; i++)
		printf("%-26s %8.1f %11.1f%%\n", turns[i],
		       windows_median(&windows, i) / (BURSTS * PKT_BURST),
		       100 * windows_ratio(&windows, 0, i));
	if (argc == 3 && !strcmp(argv[1], "--json"))
		rows_write(argv[2], tables[1]);
	printf("%.1f MB of tables for %zu prefixes\n", (double)fib_used(tables[1]) / 1e6,
	       fib_count(tables[1], 4));
	for (unsigned i = 0; i < PKT_BURST; i++)
		pkt_release(pool, &v[i]);
	end_free(&spoke);
	end_free(&hub);
	for (unsigned i = 0; i < 2; i++) {
		free(fib_of(tables[i]));
		fib_writer_free(tables[i]);
	}
	pkt_pool_free(pool);
	return 0;
}
