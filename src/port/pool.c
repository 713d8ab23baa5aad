/*
 * pool: fixed-size packet buffers of one worker, last in first out.
 *
 * All buffers are one allocation, made once; nothing on the packet path allocates. Buffers start
 * on cache lines and keep an odd number of lines between their starts, so that the heads of
 * neighbouring frames do not fight for the same cache sets.
 */
#include "port/port.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pkt_pool *pkt_pool_new(unsigned count, unsigned frame_max)
{
	struct pkt_pool *pool;

	if (!count || !frame_max) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool) + count * sizeof(pool->stack[0]));
	if (!pool)
		return NULL;
	pool->stride = (PKT_HEADROOM + (size_t)frame_max + PKT_TAILROOM + 63) / 64 * 64;
	if (pool->stride / 64 % 2 == 0)
		pool->stride += 64;
	pool->count = count;
	pool->frame_max = frame_max;
	pool->memory = aligned_alloc(64, count * pool->stride);
	if (!pool->memory) {
		free(pool);
		return NULL;
	}
	memset(pool->memory, 0, count * pool->stride); /* and touched now, not on the packet path */
	for (unsigned i = count; i-- > 0;)
		pool->stack[pool->free++] = pool->memory + i * pool->stride;
	return pool;
}

void pkt_pool_free(struct pkt_pool *pool)
{
	if (!pool)
		return;
	secret_wipe(pool->memory, pool->count * pool->stride); /* plaintext passed through it */
	free(pool->memory);
	free(pool);
}
