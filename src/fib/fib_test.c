/* fib against a model that looks at every prefix, and over an area that is full, or lies. */
#include "fib/fib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PREFIXES_MAX 400

struct prefix {
	uint8_t addr[16];
	unsigned len;
	uint16_t hop;
};

struct model {
	unsigned family, n;
	struct prefix v[PREFIXES_MAX];
};

static uint64_t seed;

static uint32_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 24);
}

static struct fib_writer *writer_make(void)
{
	struct fib_writer *w;
	void *area = aligned_alloc(64, (fib_size() + 63) / 64 * 64);

	assert_non_null(area);
	memset(area, 0, fib_size()); /* as a memfd begins */
	w = fib_writer_new(area, fib_size());
	assert_non_null(w);
	return w;
}

static void writer_unmake(struct fib_writer *w)
{
	free(fib_of(w));
	fib_writer_free(w);
}

static uint16_t lookup(const struct fib *f, unsigned family, const uint8_t addr[16])
{
	uint32_t a;

	memcpy(&a, addr, sizeof(a));
	return family == 4 ? fib4_lookup(f, be32toh(a)) : fib6_lookup(f, addr);
}

static bool covers(const uint8_t *prefix, unsigned len, const uint8_t *addr)
{
	for (unsigned i = 0; i < len; i++)
		if ((prefix[i / 8] ^ addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static uint16_t model_lookup(const struct model *m, const uint8_t addr[16])
{
	const struct prefix *best = NULL;

	for (unsigned i = 0; i < m->n; i++)
		if (covers(m->v[i].addr, m->v[i].len, addr) && (!best || m->v[i].len > best->len))
			best = &m->v[i];
	return best ? best->hop : FIB_KERNEL;
}

/* Few different octets, so that prefixes lie in each other. */
static void addr_draw(unsigned family, uint8_t addr[16])
{
	memset(addr, 0, 16);
	for (unsigned i = 0; i < (family == 4 ? 4u : 16u); i++) {
		uint32_t r = draw();

		addr[i] = r % 4 == 0 ? (uint8_t)(r >> 8) : (r & 0x10 ? 0xff : 0);
	}
}

/* The address before (-1) or behind (1). */
static void addr_step(unsigned family, uint8_t addr[16], int by)
{
	for (int i = family == 4 ? 3 : 15; i >= 0; i--) {
		addr[i] = (uint8_t)(addr[i] + by);
		if (addr[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

static void check_around(const struct fib *f, const struct model *m, const struct prefix *p)
{
	uint8_t first[16] = {0}, last[16] = {0};

	for (unsigned i = 0; i < (m->family == 4 ? 32u : 128u); i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		first[i / 8] |= i < p->len ? p->addr[i / 8] & bit : 0;
		last[i / 8] |= i < p->len ? p->addr[i / 8] & bit : bit;
	}
	assert_int_equal(lookup(f, m->family, first), model_lookup(m, first));
	assert_int_equal(lookup(f, m->family, last), model_lookup(m, last));
	addr_step(m->family, first, -1);
	addr_step(m->family, last, 1);
	assert_int_equal(lookup(f, m->family, first), model_lookup(m, first));
	assert_int_equal(lookup(f, m->family, last), model_lookup(m, last));
}

static struct prefix *model_find(struct model *m, const struct prefix *p)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->v[i].len == p->len && covers(m->v[i].addr, p->len, p->addr))
			return &m->v[i];
	return NULL;
}

static void step(struct fib_writer *w, struct model *m, unsigned most)
{
	struct prefix p = {.len = draw() % (m->family == 4 ? 33 : 129),
			   .hop = (uint16_t)(draw() % 5 ? 1 + draw() % 8 : FIB_KERNEL)};
	struct prefix *had;

	addr_draw(m->family, p.addr);
	if (m->n >= most || (m->n && draw() % 3 == 0)) {
		had = &m->v[draw() % m->n];
		p = *had;
		*had = m->v[--m->n];
		assert_int_equal(fib_del(w, m->family, p.addr, p.len), 0);
	} else {
		had = model_find(m, &p);
		if (had)
			had->hop = p.hop;
		else
			m->v[m->n++] = p;
		assert_int_equal(fib_put(w, m->family, p.addr, p.len, p.hop), 0);
	}
	assert_int_equal(fib_count(w, m->family), m->n);
	check_around(fib_of(w), m, &p);
	for (unsigned i = 0; i < 4; i++) {
		addr_draw(m->family, p.addr);
		assert_int_equal(lookup(fib_of(w), m->family, p.addr), model_lookup(m, p.addr));
	}
}

static void as_the_model(unsigned family)
{
	struct fib_writer *w = writer_make();
	struct model m = {.family = family};

	for (unsigned round = 0; round < 24; round++) {
		seed = 0x9e3779b97f4a7c15 + round;
		for (unsigned i = 0; i < 1500; i++)
			step(w, &m, round % 3 ? 40 : PREFIXES_MAX);
	}
	while (m.n) {
		struct prefix p = m.v[--m.n];

		assert_int_equal(fib_del(w, family, p.addr, p.len), 0);
		check_around(fib_of(w), &m, &p);
	}
	/* And nothing of it is left behind. */
	assert_int_equal(fib_count(w, family), 0);
	assert_int_equal(fib_used(w), 0);
	writer_unmake(w);
}

static void ipv4_is_as_the_model_says_at_every_step(void **state)
{
	(void)state;
	as_the_model(4);
}

static void ipv6_is_as_the_model_says_at_every_step(void **state)
{
	(void)state;
	as_the_model(6);
}

static void one_prefix_at_a_time_of_every_length(void **state)
{
	struct fib_writer *w = writer_make();
	static struct model m;

	(void)state;
	seed = 7;
	for (unsigned family = 4; family <= 6; family += 2)
		for (unsigned len = 0; len <= (family == 4 ? 32u : 128u); len++) {
			m = (struct model){
				.family = family, .n = 1, .v[0] = {.len = len, .hop = 9}};
			addr_draw(family, m.v[0].addr);
			assert_int_equal(fib_put(w, family, m.v[0].addr, len, 9), 0);
			check_around(fib_of(w), &m, &m.v[0]);
			assert_int_equal(fib_del(w, family, m.v[0].addr, len), 0);
			m.n = 0;
			check_around(fib_of(w), &m, &m.v[0]);
			assert_int_equal(fib_used(w), 0);
		}
	writer_unmake(w);
}

static void what_is_no_prefix_is_refused(void **state)
{
	struct fib_writer *w = writer_make();
	const uint8_t addr[16] = {10};

	(void)state;
	assert_int_equal(fib_put(w, 4, addr, 33, 1), -EINVAL);
	assert_int_equal(fib_put(w, 6, addr, 129, 1), -EINVAL);
	assert_int_equal(fib_put(w, 5, addr, 8, 1), -EINVAL);
	assert_int_equal(fib_del(w, 4, addr, 33), -EINVAL);
	assert_int_equal(fib_del(w, 4, addr, 8), 0);
	assert_null(fib_writer_new(fib_of(w), fib_size() - 1));
	writer_unmake(w);
}

/* One that cannot be held would leave a shorter one in its place: then the table is not used. */
static void a_table_that_is_full_is_not_used(void **state)
{
	struct fib_writer *w = writer_make();
	uint8_t addr[4] = {0};
	unsigned n = 0;
	int rc = 0;

	(void)state;
	fib_live_set(w, 1000);
	assert_true(fib_live(fib_of(w), 999));
	for (; !rc && n < 65536; n++) {
		addr[0] = (uint8_t)(n >> 8);
		addr[1] = (uint8_t)n;
		addr[3] = 1;
		rc = fib_put(w, 4, addr, 32, 1);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(n, FIB_TABLES / 2 + 1);
	assert_false(fib_live(fib_of(w), 0));
	fib_live_set(w, 1000);
	assert_false(fib_live(fib_of(w), 0));
	assert_int_equal(fib_put(w, 4, addr, 8, 1), -ENOSPC);
	fib_clear(w);
	assert_int_equal(fib_count(w, 4), 0);
	assert_int_equal(fib4_lookup(fib_of(w), 1), FIB_KERNEL);
	assert_int_equal(fib_put(w, 4, addr, 32, 1), 0);
	fib_live_set(w, 1000);
	assert_true(fib_live(fib_of(w), 999));
	assert_false(fib_live(fib_of(w), 1000));
	writer_unmake(w);
}

/* Places go round however long it runs. */
static void churn_does_not_use_memory_up(void **state)
{
	struct fib_writer *w = writer_make();
	uint32_t turn = fib_begin(fib_of(w));
	uint8_t addr[16] = {0x20, 1};

	(void)state;
	seed = 3;
	for (unsigned i = 0; i < 60000; i++) {
		unsigned family = i & 1 ? 6 : 4;

		addr[2] = (uint8_t)draw();
		addr[3] = (uint8_t)draw();
		assert_int_equal(fib_put(w, family, addr, family == 4 ? 32 : 64, 1), 0);
		assert_int_equal(fib_del(w, family, addr, family == 4 ? 32 : 64), 0);
	}
	assert_int_equal(fib_used(w), 0);
	assert_false(fib_same(fib_of(w), turn));
	writer_unmake(w);
}

static void next_hops_and_ports_are_told_as_set(void **state)
{
	struct fib_writer *w = writer_make();
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	(void)state;
	fib_hop_set(w, 65535, 7, mac, 1400);
	assert_int_equal(fib_of(w)->hops[65535].way >> FIB_HOP_PORT_SHIFT, 7);
	assert_int_equal(fib_of(w)->hops[65535].way & 0xffffffffffff, 0x020000000009);
	assert_int_equal(fib_of(w)->hops[65535].mtu, 1400);
	fib_port_set(w, 255, FIB_PORT_FORWARD6);
	fib_port_set(w, 256, FIB_PORT_FORWARD6);
	assert_int_equal(fib_of(w)->ports[255], FIB_PORT_FORWARD6);
	fib_clear(w);
	assert_int_equal(fib_of(w)->hops[65535].way, 0);
	assert_int_equal(fib_of(w)->ports[255], 0);
	writer_unmake(w);
}

/* Every lookup ends, and within the area: the address sanitizer looks on. */
static void a_reader_survives_an_area_of_noise(void **state)
{
	size_t size = fib_size() / 64 * 64;
	uint32_t *area = aligned_alloc(64, size);
	const struct fib *f = (const struct fib *)(void *)area;
	uint64_t sum = 0;
	uint8_t addr[16];

	(void)state;
	assert_non_null(area);
	seed = 11;
	for (unsigned kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < size / 4; i++)
			area[i] = kind == 0 ? UINT32_MAX : kind == 1 ? draw() | FIB_CHILD : draw();
		for (unsigned i = 0; i < 20000; i++) {
			addr_draw(6, addr);
			sum += (uint64_t)fib6_lookup(f, addr) + fib4_lookup(f, draw());
		}
	}
	assert_int_not_equal(sum, 0);
	free(area);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_as_the_model_says_at_every_step),
		cmocka_unit_test(ipv6_is_as_the_model_says_at_every_step),
		cmocka_unit_test(one_prefix_at_a_time_of_every_length),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_table_that_is_full_is_not_used),
		cmocka_unit_test(churn_does_not_use_memory_up),
		cmocka_unit_test(next_hops_and_ports_are_told_as_set),
		cmocka_unit_test(a_reader_survives_an_area_of_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
