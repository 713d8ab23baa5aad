#include "base/record.h"

#include "base/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct slot {
	uint64_t generation;
	uint64_t sum;
	uint64_t length;
	uint8_t body[];
};
_Static_assert(sizeof(struct slot) == RECORD_HEAD, "the header is what record.h says");

static size_t slot_size(size_t area_size)
{
	return area_size / 2 & ~(size_t)7;
}

static struct slot *slot_at(const void *area, size_t area_size, unsigned i)
{
	return (struct slot *)((uintptr_t)area + i * slot_size(area_size));
}

/* FNV-1a over 64 bits with a final avalanche: cheap, and a torn write cannot keep it by chance. */
static uint64_t slot_sum(uint64_t generation, const uint8_t *body, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull ^ generation * 0x9e3779b97f4a7c15ull ^ len;

	for (size_t i = 0; i < len; i++)
		h = (h ^ body[i]) * 0x100000001b3ull;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	return h ^ h >> 33;
}

static bool slot_valid(const struct slot *s, size_t area_size)
{
	return s->generation && s->length <= slot_size(area_size) - RECORD_HEAD &&
	       s->sum == slot_sum(s->generation, s->body, s->length);
}

/* The newest valid slot, or NULL. */
static struct slot *slot_current(const void *area, size_t area_size)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < 2; i++) {
		struct slot *s = slot_at(area, area_size, i);

		if (slot_valid(s, area_size) && (!best || s->generation > best->generation))
			best = s;
	}
	return best;
}

size_t record_area(size_t max)
{
	return (2 * (RECORD_HEAD + ((max + 7) & ~(size_t)7)) + 63) & ~(size_t)63;
}

int record_put(void *area, size_t area_size, const void *body, size_t len)
{
	struct slot *cur = slot_current(area, area_size), *s;
	uint64_t generation = cur ? cur->generation + 1 : 1;

	if (slot_size(area_size) < RECORD_HEAD || len > slot_size(area_size) - RECORD_HEAD)
		return -EMSGSIZE;
	s = slot_at(area, area_size, cur == slot_at(area, area_size, 0));
	s->generation = 0; /* invalid while it is being written */
	atomic_signal_fence(memory_order_seq_cst);
	secret_wipe(s->body,
		    slot_size(area_size) - RECORD_HEAD); /* no key of an older record stays */
	if (len)
		memcpy(s->body, body, len);
	s->length = len;
	s->sum = slot_sum(generation, s->body, len);
	atomic_signal_fence(memory_order_seq_cst);
	s->generation = generation;
	return 0;
}

ssize_t record_get(const void *area, size_t area_size, void *buf, size_t size)
{
	const struct slot *s;

	if (slot_size(area_size) < RECORD_HEAD)
		return -EMSGSIZE;
	s = slot_current(area, area_size);
	if (!s) {
		bool blank = true;

		for (unsigned i = 0; i < 2; i++) {
			const struct slot *t = slot_at(area, area_size, i);

			blank &= !t->generation && !t->sum && !t->length;
		}
		return blank ? -ENOENT : -EBADMSG;
	}
	if (s->length > size)
		return -EMSGSIZE;
	memcpy(buf, s->body, s->length);
	return (ssize_t)s->length;
}

void record_clear(void *area, size_t area_size)
{
	secret_wipe(area, area_size);
}
