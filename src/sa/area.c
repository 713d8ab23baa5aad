#include "sa/area.h"

#include "base/secret.h"

#include <stdatomic.h>
#include <string.h>

#define AREA_MAGIC UINT64_C(0x6d79656c696e7361) /* "myelinsa" */

/* Changes when what stands in the area changes its shape. */
static uint64_t area_layout(void)
{
	return UINT64_C(7) << 56 | (uint64_t)sizeof(struct sa_config) << 40 |
	       (uint64_t)sizeof(struct secy_config) << 24 | sizeof(struct sa_area) / 64;
}

static uint64_t area_layout_esp(void)
{
	return (uint64_t)sizeof(struct esp_config) << 32 | sizeof(struct tunnel_config);
}

size_t sa_area_size(void)
{
	return sizeof(struct sa_area);
}

bool sa_area_claim(struct sa_area *a)
{
	if (a->magic == AREA_MAGIC && a->layout == area_layout() &&
	    a->layout_esp == area_layout_esp())
		return true;
	if (a->magic)
		secret_wipe(a, sizeof(*a));
	a->layout = area_layout();
	a->layout_esp = area_layout_esp();
	atomic_signal_fence(memory_order_seq_cst);
	a->magic = AREA_MAGIC;
	return false;
}

uint64_t sa_tomb_find(const struct sa_area *a, const uint8_t *fingerprint)
{
	uint64_t next = 0;

	for (unsigned i = 0; i < SA_TOMB_MAX; i++) {
		const struct sa_tomb *t = &a->tombs[i];

		if (t->inverse == ~t->next && t->next > next &&
		    memcmp(t->fingerprint, fingerprint, AEAD_FINGERPRINT_LEN) == 0)
			next = t->next;
	}
	return next;
}

void sa_tomb_add(struct sa_area *a, const uint8_t *fingerprint, uint64_t next)
{
	struct sa_tomb *t = &a->tombs[a->tomb_at % SA_TOMB_MAX];

	/* The SA's own record goes only after this stands: killed between, both are there. */
	t->inverse = t->next;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(t->fingerprint, fingerprint, AEAD_FINGERPRINT_LEN);
	t->next = next;
	t->inverse = ~next;
	atomic_signal_fence(memory_order_seq_cst);
	a->tomb_at++;
}

uint32_t sa_ring_words(uint32_t window)
{
	uint32_t bits = SA_RING_UNIT * 64;

	while (bits < window)
		bits *= 2;
	return bits / 64;
}

bool sa_ring_claim(struct sa_rings *r, uint32_t at, uint32_t words)
{
	uint32_t first = at / SA_RING_UNIT, n = words / SA_RING_UNIT;

	if (!words || at % SA_RING_UNIT || words % SA_RING_UNIT || at >= SA_RING_WORDS ||
	    words > SA_RING_WORDS - at)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (r->used[first + i])
			return false;
	memset(r->used + first, 1, n);
	return true;
}

bool sa_ring_adopt(struct sa_rings *r, uint32_t window, uint32_t at, uint32_t words)
{
	return window <= words * UINT64_C(64) && !(words & (words - 1)) &&
	       sa_ring_claim(r, at, words);
}

int64_t sa_ring_take(struct sa_rings *r, uint32_t words)
{
	uint32_t n = words / SA_RING_UNIT, run = 0;

	while (r->full < SA_RING_WORDS / SA_RING_UNIT && r->used[r->full])
		r->full++;
	for (uint32_t i = r->full; i < SA_RING_WORDS / SA_RING_UNIT; i++) {
		run = r->used[i] ? 0 : run + 1;
		if (run == n) {
			uint32_t first = i + 1 - n;

			memset(r->used + first, 1, n);
			return (int64_t)first * SA_RING_UNIT;
		}
	}
	return -ENOSPC;
}

void sa_ring_give(struct sa_rings *r, uint32_t at, uint32_t words)
{
	memset(r->used + at / SA_RING_UNIT, 0, words / SA_RING_UNIT);
	if (at / SA_RING_UNIT < r->full)
		r->full = at / SA_RING_UNIT;
}
