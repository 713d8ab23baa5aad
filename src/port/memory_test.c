/* pool and memory: buffers are neither lost nor given twice, whoever holds them. */
#include "port/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void pool_gives_each_buffer_once_and_takes_it_back(void **state)
{
	struct pkt_pool *pool = pkt_pool_new(8, 1500);
	struct pkt v[9];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		assert_true(pkt_alloc(pool, &v[i]));
		assert_int_equal(pkt_headroom(&v[i]), PKT_HEADROOM);
		assert_true(pkt_tailroom(pool, &v[i]) >= 1500 + PKT_TAILROOM);
		memset(v[i].buf, (int)i, PKT_HEADROOM + 1500 + PKT_TAILROOM);
		for (unsigned j = 0; j < i; j++)
			assert_int_equal(v[j].buf[PKT_HEADROOM + 1499], j);
	}
	assert_false(pkt_alloc(pool, &v[8]));
	for (unsigned i = 0; i < 8; i++)
		pkt_release(pool, &v[i]);
	assert_int_equal(pool->free, 8);
	pkt_pool_free(pool);
}

static void make(struct pkt_pool *pool, struct pkt *p, uint8_t what, uint32_t len)
{
	assert_true(pkt_alloc(pool, p));
	memset(p->data, what, len);
	p->len = len;
}

static void joined_ports_pass_frames_in_order(void **state)
{
	struct pkt_pool *pool = pkt_pool_new(64, 100);
	struct port *a = port_memory_new(16, pool), *b = port_memory_new(16, pool);
	struct pkt v[16];

	(void)state;
	port_memory_join(a, b);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 12; i++)
			make(pool, &v[i], (uint8_t)i, i + 1);
		assert_int_equal(a->ops->tx(a, v, 12), 12);
		assert_int_equal(b->ops->rx(b, v, 5), 5);
		assert_int_equal(b->ops->rx(b, v + 5, 11), 7);
		for (unsigned i = 0; i < 12; i++) {
			assert_int_equal(v[i].len, i + 1);
			assert_int_equal(v[i].data[i], i);
			pkt_release(pool, &v[i]);
		}
	}
	assert_int_equal(b->stats.rx_frames, 60);
	assert_int_equal(a->stats.tx_frames, 60);
	a->ops->close(a);
	b->ops->close(b);
	assert_int_equal(pool->free, 64);
	pkt_pool_free(pool);
}

static void frames_cross_between_pools_by_copy(void **state)
{
	struct pkt_pool *p = pkt_pool_new(4, 100), *q = pkt_pool_new(4, 50);
	struct port *a = port_memory_new(8, p), *b = port_memory_new(8, q);
	struct pkt v[2];

	(void)state;
	port_memory_join(a, b);
	make(p, &v[0], 7, 50);
	make(p, &v[1], 8, 51); /* longer than b's pool holds */
	assert_int_equal(a->ops->tx(a, v, 2), 1);
	assert_int_equal(a->stats.tx_errors, 1);
	assert_int_equal(p->free, 4);
	assert_int_equal(b->ops->rx(b, v, 2), 1);
	assert_int_equal(v[0].data[49], 7);
	pkt_release(q, &v[0]);
	a->ops->close(a);
	b->ops->close(b);
	pkt_pool_free(p);
	pkt_pool_free(q);
}

static void full_ring_and_parted_port_count_errors_and_keep_buffers(void **state)
{
	struct pkt_pool *pool = pkt_pool_new(16, 100);
	struct port *a = port_memory_new(4, pool), *b = port_memory_new(4, pool);
	struct pkt v[6];

	(void)state;
	port_memory_join(a, b);
	for (unsigned i = 0; i < 6; i++)
		make(pool, &v[i], 1, 60);
	assert_int_equal(a->ops->tx(a, v, 6), 4);
	assert_int_equal(a->stats.tx_errors, 2);
	b->ops->close(b); /* with four frames in its ring */
	assert_int_equal(pool->free, 16);
	make(pool, &v[0], 1, 60);
	assert_int_equal(a->ops->tx(a, v, 1), 0);
	assert_int_equal(pool->free, 16);
	a->ops->close(a);
	pkt_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_gives_each_buffer_once_and_takes_it_back),
		cmocka_unit_test(joined_ports_pass_frames_in_order),
		cmocka_unit_test(frames_cross_between_pools_by_copy),
		cmocka_unit_test(full_ring_and_parted_port_count_errors_and_keep_buffers),
	};

	return cmocka_run_group_tests_name("port/memory", tests, NULL, NULL);
}
