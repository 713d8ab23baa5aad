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
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096
#define LINE 64
#define COLOURS ((PAGE - PKT_CHUNK) / LINE) /* places of a chunk in its page */

static struct pkt_pool *pool_alloc(unsigned count, unsigned frame_max)
{
	struct pkt_pool *pool;

	if (!count || !frame_max) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool) + count * sizeof(pool->stack[0]));
	if (!pool)
		return NULL;
	pool->count = count;
	pool->frame_max = frame_max;
	return pool;
}

struct pkt_pool *pkt_pool_new(unsigned count, unsigned frame_max)
{
	struct pkt_pool *pool = pool_alloc(count, frame_max);

	if (!pool)
		return NULL;
	pool->stride = (PKT_HEADROOM + (size_t)frame_max + PKT_TAILROOM + 63) / 64 * 64;
	if (pool->stride / 64 % 2 == 0)
		pool->stride += 64;
	pool->size = count * pool->stride;
	pool->memory = aligned_alloc(64, pool->size);
	if (!pool->memory) {
		free(pool);
		return NULL;
	}
	memset(pool->memory, 0, pool->size); /* and touched now, not on the packet path */
	for (unsigned i = count; i-- > 0;)
		pool->stack[pool->free++] = pool->memory + i * pool->stride;
	return pool;
}

/* Bytes of a buffer of shared memory, and from one to the next: whole pages, in which the buffers
 * begin at different lines, for the same reason. */
static size_t shared_stride(unsigned frame_max)
{
	return (PKT_HEADROOM + (size_t)frame_max + PKT_TAILROOM + LINE - 1) / LINE * LINE;
}

static size_t shared_pitch(unsigned frame_max)
{
	return (shared_stride(frame_max) + (COLOURS - 1) * LINE + PAGE - 1) / PAGE * PAGE;
}

size_t pkt_pool_size(unsigned count, unsigned frame_max)
{
	return count * shared_pitch(frame_max);
}

uint8_t *pkt_pool_buffer(const struct pkt_pool *pool, unsigned i)
{
	return pool->memory + i * (pool->size / pool->count) + i % COLOURS * LINE;
}

struct pkt_pool *pkt_pool_new_shared(int fd, unsigned count, unsigned frame_max)
{
	struct pkt_pool *pool = pool_alloc(count, frame_max);
	struct stat st;
	void *memory;

	if (!pool)
		return NULL;
	pool->stride = shared_stride(frame_max);
	pool->size = pkt_pool_size(count, frame_max);
	pool->shared = true;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size < pool->size) {
		free(pool);
		errno = EINVAL;
		return NULL;
	}
	memory = mmap(NULL, pool->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		free(pool);
		return NULL;
	}
	pool->memory = memory;
	/* Those that are used first are touched now; the rest when the load or a ring needs it. */
	for (size_t at = 0; at < pool->size / 4; at += PAGE)
		pool->memory[at] = 0;
	for (unsigned i = count; i-- > 0;)
		pool->stack[pool->free++] = pkt_pool_buffer(pool, i);
	return pool;
}

void pkt_pool_free(struct pkt_pool *pool)
{
	if (!pool)
		return;
	if (pool->shared) {
		munmap(pool->memory, pool->size); /* it is the kernel's again with its last user */
	} else {
		secret_wipe(pool->memory, pool->size); /* plaintext passed through it */
		free(pool->memory);
	}
	free(pool);
}
