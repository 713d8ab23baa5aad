/*
 * hostile: what garbage costs a node, and what it leaves to those who send none.
 *
 *   hostile [--json FILE] [--windows N] [--cpu N] [--path NAME]
 *
 * A carrier, or whoever stands in it, can fill a wan port with frames that will not verify. They share
 * the port's queue with the valid ones, and what a worker spends on one of them is missing there: so a
 * frame of garbage may cost no more than a valid one, and it may not spoil what a burst saves. Here
 * every kind of garbage goes through forward's worker loop over memory ports, a burst of it alone and
 * a burst that alternates with valid frames, in windows of which each has bursts of valid frames alone.
 *
 * Printed are cycles for a valid frame and for one of garbage, and the share: how much of its fair
 * half of the core's frames the valid flow keeps where every other frame is garbage (1: all of it, more:
 * garbage is cheaper). Each frame must end as the drop that its row names, or the program ends.
 */
#include "common.h"
#include "ends.h"

#include "base/log.h"
#include "crypto/aead.h"
#include "fwd/fate.h"
#include "fwd/path.h"
#include "wire/esp.h"
#include "wire/eth.h"
#include "wire/ip.h"
#include "wire/macsec.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUFFERS = 512,
	ROUNDS = 4, /* in a window */
	WINDOWS = 401,
	SCI_AT = ETH_ADDRS_LEN + MACSEC_TAG_LEN,
	IP_AT = ETH_HEAD_LEN,
	BODY_AT = IP_AT + IP4_HEAD_LEN, /* ESP's header, or UDP's */
};

enum { COST_VALID, COST_GARBAGE, COST_MIXED };

struct kind {
	const char *name;
	bool macsec, esp, udp; /* of which paths it is garbage */
	/* Spoils a copy of a frame that was taken before; NULL: that is bad enough. */
	void (*spoil)(struct pkt *p, const struct path *path, unsigned i);
	enum fwd_fate fate;
};

static uint32_t spi_at(const struct path *path)
{
	return BODY_AT + (path->udp ? UDP_HEAD_LEN : 0);
}

/* Of a number that nobody has had, or a replay it would be. */
static void bad_tag(struct pkt *p, const struct path *path, unsigned i)
{
	uint8_t *number = p->data + (path->esp ? spi_at(path) + 4 : ETH_HEAD_LEN + 2);
	uint32_t n;

	memcpy(&n, number, sizeof(n));
	n = htobe32(be32toh(n) + 1000 + i);
	memcpy(number, &n, sizeof(n));
}

static void unknown_sci(struct pkt *p, const struct path *path, unsigned i)
{
	(void)path;
	p->data[SCI_AT + 3] = 0x66;
	p->data[SCI_AT + 4] = (uint8_t)i;
}

static void unused_an(struct pkt *p, const struct path *path, unsigned i)
{
	(void)path;
	(void)i;
	p->data[ETH_HEAD_LEN] ^= 2;
}

static void bad_version(struct pkt *p, const struct path *path, unsigned i)
{
	(void)path;
	(void)i;
	p->data[ETH_HEAD_LEN] |= MACSEC_TCI_VERSION;
}

static void cut_tag(struct pkt *p, const struct path *path, unsigned i)
{
	(void)path;
	(void)i;
	p->len = SCI_AT + 2;
}

static void in_clear(struct pkt *p, const struct path *path, unsigned i)
{
	(void)path;
	(void)i;
	p->data[12] = ETH_TYPE_IPV4 >> 8;
	p->data[13] = ETH_TYPE_IPV4 & 0xff;
}

static void unknown_spi(struct pkt *p, const struct path *path, unsigned i)
{
	p->data[spi_at(path)] = 0x66;
	p->data[spi_at(path) + 1] = (uint8_t)i;
}

static void length_set(struct pkt *p, const struct path *path, uint32_t len)
{
	uint8_t *ip = p->data + IP_AT;
	uint32_t sum = 0, udp = len - BODY_AT;

	p->len = len;
	ip[2] = (uint8_t)((len - IP_AT) >> 8);
	ip[3] = (uint8_t)(len - IP_AT);
	ip[10] = ip[11] = 0;
	for (unsigned i = 0; i < IP4_HEAD_LEN; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	if (path->udp) {
		p->data[BODY_AT + 4] = (uint8_t)(udp >> 8);
		p->data[BODY_AT + 5] = (uint8_t)udp;
	}
}

static void short_esp(struct pkt *p, const struct path *path, unsigned i)
{
	(void)i;
	length_set(p, path, spi_at(path) + 20);
}

static void header_cut(struct pkt *p, const struct path *path, unsigned i)
{
	(void)path;
	(void)i;
	p->len = IP_AT + 12;
}

static void not_esp(struct pkt *p, const struct path *path, unsigned i)
{
	(void)i;
	p->data[IP_AT + 9] = IP_TCP;
	length_set(p, path, p->len);
}

static void not_ike(struct pkt *p, const struct path *path, unsigned i)
{
	(void)i;
	memset(p->data + spi_at(path), 0, 4); /* the marker of IKE, and noise behind it */
}

static const struct kind kinds[] = {
	{"bad tag", true, true, true, bad_tag, FATE_DROP_NOT_VALID},
	{"replay", true, true, true, NULL, FATE_DROP_DUPLICATE},
	{"unknown SCI", true, false, false, unknown_sci, FATE_DROP_UNKNOWN_SCI},
	{"unused AN", true, false, false, unused_an, FATE_DROP_NO_SA},
	{"bad version", true, false, false, bad_version, FATE_DROP_TAG_VERSION},
	{"cut SecTAG", true, false, false, cut_tag, FATE_DROP_TAG_CUT},
	{"in clear", true, false, false, in_clear, FATE_DROP_CLEAR},
	{"unknown SPI", false, true, true, unknown_spi, FATE_DROP_UNKNOWN_SPI},
	{"short ESP", false, true, true, short_esp, FATE_DROP_ESP_SHORT},
	{"cut header", false, true, true, header_cut, FATE_DROP_OUTER_MALFORMED},
	{"not ESP", false, true, false, not_esp, FATE_DROP_NOT_ESP},
	{"noise as IKE", false, false, true, not_ike, FATE_DROP_IKE},
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

struct row {
	const char *path, *kind, *size, *drop;
	double valid, garbage, share;
	unsigned windows, kept;
};

struct set {
	const struct path *path;
	const struct kind *kind;
	const struct size *size;
	struct end a, b;
	struct pkt old[PKT_BURST]; /* copies of frames that b has taken */
};

static struct pkt_pool *pool;

static void grab(struct pkt *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!pkt_alloc(pool, &v[i]))
			die("buffers");
}

static void release(struct pkt *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pkt_release(pool, &v[i]);
}

/* n frames as they come from the carrier. */
static void sealed(struct set *s, struct pkt *v, unsigned n)
{
	grab(v, n);
	for (unsigned i = 0; i < n; i++)
		frame_fill(&v[i], s->path, size_of(s->size, i), 0);
	errno = 0;
	if (s->a.overlay->ops->tx(s->a.overlay, v, n) != n || fwd_poll(s->a.f) != n ||
	    s->a.wan->ops->rx(s->a.wan, v, n) != n)
		die("a burst was not sealed");
}

static void garbage(struct set *s, struct pkt *v, unsigned n)
{
	grab(v, n);
	for (unsigned i = 0; i < n; i++) {
		v[i].data = v[i].buf + PKT_HEADROOM;
		v[i].len = s->old[i].len;
		v[i].mark = 0;
		memcpy(v[i].data, s->old[i].data, v[i].len);
		if (s->kind->spoil)
			s->kind->spoil(&v[i], s->path, i);
	}
}

/* Hands the burst to b and takes from it the `good` frames that it lets through. Cycles in b. */
static uint64_t opened(struct set *s, struct pkt *v, unsigned good)
{
	uint64_t before = s->b.f->fates[s->kind->fate], t;
	unsigned n;

	ring_give(s->b.wan, v);
	t = tsc_now();
	n = fwd_poll(s->b.f);
	t = tsc_now() - t;
	if (n != PKT_BURST)
		die("a burst was not read whole");
	errno = 0;
	if (s->b.overlay->ops->rx(s->b.overlay, v, PKT_BURST) != good)
		die("valid frames were lost, or garbage passed");
	if (s->b.f->fates[s->kind->fate] - before != PKT_BURST - good)
		die(s->kind->name);
	release(v, good);
	return t;
}

static void copy(struct set *s, const struct pkt *v)
{
	for (unsigned i = 0; i < PKT_BURST; i++) {
		s->old[i].len = v[i].len;
		memcpy(s->old[i].data, v[i].data, v[i].len);
	}
}

static void window(struct windows *w, struct set *s)
{
	struct pkt v[PKT_BURST], good[PKT_BURST / 2], bad[PKT_BURST / 2];

	for (unsigned round = 0; round < ROUNDS; round++) {
		sealed(s, v, PKT_BURST);
		copy(s, v);
		(void)opened(s, v, PKT_BURST); /* what garbage alone left behind is over */
		sealed(s, v, PKT_BURST);
		window_add(w, COST_VALID, opened(s, v, PKT_BURST));
		sealed(s, good, PKT_BURST / 2);
		garbage(s, bad, PKT_BURST / 2);
		for (unsigned i = 0; i < PKT_BURST; i++)
			v[i] = i & 1 ? bad[i / 2] : good[i / 2];
		window_add(w, COST_MIXED, opened(s, v, PKT_BURST / 2));
		garbage(s, v, PKT_BURST);
		window_add(w, COST_GARBAGE, opened(s, v, 0));
		window_reference(w);
	}
}

static struct row measure(struct set *s, unsigned windows)
{
	static struct windows w;
	const double frames = ROUNDS * PKT_BURST;
	struct row r = {s->path->name, s->kind->name, s->size->name, fwd_fate_names[s->kind->fate],
			.windows = windows};

	s->a = end_make(s->path, 1, 1, RING_USUAL, pool);
	s->b = end_make(s->path, 2, 1, RING_USUAL, pool);
	grab(s->old, PKT_BURST);
	for (unsigned i = 0; i < windows + 2; i++) {
		if (i == 2)
			windows_reset(&w); /* the first two warmed up */
		window_open(&w);
		window(&w, s);
		window_close(&w);
	}
	windows_keep(&w);
	r.kept = w.kept;
	r.valid = windows_median(&w, COST_VALID) / frames;
	r.garbage = windows_median(&w, COST_GARBAGE) / frames;
	r.share = windows_ratio(&w, COST_VALID, COST_MIXED);
	release(s->old, PKT_BURST);
	end_free(&s->a);
	end_free(&s->b);
	return r;
}

static void row_print(FILE *json, const struct row *r, bool first, const char *machine)
{
	if (first)
		printf("%s, TSC %.2f GHz, %s, 1 core\n%-19s %6s %-13s %-26s %7s %8s %6s %9s\n",
		       machine, tsc_hz() / 1e9, aead_kernel(), "path", "octets", "garbage",
		       "is dropped as", "valid", "garbage", "share", "kept");
	printf("%-19s %6s %-13s %-26s %7.1f %8.1f %6.3f %4u/%-4u\n", r->path, r->size, r->kind,
	       r->drop, r->valid, r->garbage, r->share, r->kept, r->windows);
	fflush(stdout);
	if (json && first)
		fprintf(json, "{\"machine\": \"%s, TSC %.2f GHz, %s\", \"rows\": [\n", machine,
			tsc_hz() / 1e9, aead_kernel());
	if (json)
		fprintf(json,
			"%s  {\"path\": \"%s\", \"size\": \"%s\", \"garbage\": \"%s\", \"drop\": "
			"\"%s\", \"valid_cycles\": %.1f, \"garbage_cycles\": %.1f, \"share\": %.3f, "
			"\"windows\": %u, \"kept\": %u}",
			first ? "" : ",\n", r->path, r->size, r->kind, r->drop, r->valid,
			r->garbage, r->share, r->windows, r->kept);
}

static bool fits(const struct path *p, const struct kind *k)
{
	return p->key_len == 32 && (p->udp ? k->udp : p->esp ? k->esp : k->macsec);
}

int main(int argc, char **argv)
{
	static struct set s;
	const char *file = NULL, *only = NULL;
	unsigned windows = WINDOWS;
	bool first = true;
	char machine[200];
	FILE *json;
	int cpu = -1;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--json"))
			file = argv[i + 1];
		else if (!strcmp(argv[i], "--windows"))
			windows = (unsigned)atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--cpu"))
			cpu = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--path"))
			only = argv[i + 1];
	}
	if (!windows || windows > WINDOWS_MAX - 2)
		windows = WINDOWS;
	bench_name = "bench/hostile";
	log_set_level(LOG_LVL_ERROR);
	pin(cpu);
	machine_name(machine, sizeof(machine));
	pool = pkt_pool_new(BUFFERS, FRAME_MAX);
	json = file ? fopen(file, "w") : NULL;
	if (!pool || (file && !json))
		die(pool ? file : "buffers");
	for (unsigned p = 0; p < PATHS; p++)
		for (unsigned z = 0; z < SIZES; z++)
			for (unsigned k = 0; k < KINDS; k++) {
				struct row r;

				if (!fits(&paths[p], &kinds[k]) ||
				    (only && strcmp(only, paths[p].name) != 0) ||
				    (sizes[z].octets && sizes[z].octets != 64))
					continue;
				s = (struct set){&paths[p], &kinds[k], &sizes[z], .a = {0}};
				r = measure(&s, windows);
				row_print(json, &r, first, machine);
				first = false;
			}
	pkt_pool_free(pool);
	if (json) {
		fprintf(json, "\n]}\n");
		if (fclose(json) != 0)
			die(file);
	}
	return 0;
}
