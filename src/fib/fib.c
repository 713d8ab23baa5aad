/*
 * fib: the writer's memory of all prefixes, and the places of tables and nodes. One thread, which
 * owns the writer and is the only one to write into the area.
 */
#include "fib/fib.h"

#include "fib/fib_i.h"

#include <stdlib.h>

#define FIB_GONE 1
#define SLOTS_MIN 1024
#define LEFT_MAX 256 /* places */

size_t fib_size(void)
{
	return sizeof(struct fib);
}

struct fib *fib_of(struct fib_writer *w)
{
	return w->f;
}

/* Places. */

static bool list_add(struct fib_list *l, uint32_t place)
{
	size_t max = l->max ? l->max * 2 : 64;
	uint32_t *v;

	if (l->count == l->max) {
		v = realloc(l->v, max * sizeof(*v));
		if (!v)
			return false;
		l->v = v;
		l->max = max;
	}
	l->v[l->count++] = place;
	return true;
}

static size_t place_bytes(unsigned class)
{
	return class ? class * sizeof(uint64_t) : sizeof(((struct fib *)NULL)->tables4[0]);
}

/* What was taken out of use can be used again: who still reads it will see that `turn` moved. */
void fib_turn(struct fib_writer *w)
{
	/* Whatever is written into those places is stored with release, and so after this. */
	fib_store(&w->f->turn, w->f->turn + 1);
	for (unsigned i = 0; i < FIB_CLASSES; i++) {
		while (w->left[i].count) {
			if (!list_add(&w->ready[i], w->left[i].v[w->left[i].count - 1]))
				break;
			w->left[i].count--;
		}
	}
	w->left_count = 0;
}

static uint32_t place_new(struct fib_writer *w, unsigned class)
{
	uint32_t place;

	if (!class)
		return w->tables_top < FIB_TABLES ? w->tables_top++ : UINT32_MAX;
	if (w->words_top + class > FIB_WORDS)
		return UINT32_MAX;
	place = w->words_top;
	w->words_top += class;
	return place;
}

uint32_t fib_place_take(struct fib_writer *w, unsigned class)
{
	struct fib_list *l = &w->ready[class];
	uint32_t place;

	place = l->count ? l->v[--l->count] : place_new(w, class);
	if (place == UINT32_MAX)
		w->broken = true;
	else
		w->used += place_bytes(class);
	return place;
}

void fib_place_leave(struct fib_writer *w, unsigned class, uint32_t place)
{
	w->used -= place_bytes(class);
	/* Without memory to remember it, it is lost until the table is cleared. */
	if (list_add(&w->left[class], place))
		w->left_count++;
}

/* Prefixes. */

static size_t slot_of(const struct fib_writer *w, const struct fib_prefix *p)
{
	uint64_t a, b;

	memcpy(&a, p->addr, 8);
	memcpy(&b, p->addr + 8, 8);
	a = (a ^ (uint64_t)p->len << 3 ^ p->family) * UINT64_C(0x9e3779b97f4a7c15);
	a = (a ^ a >> 32 ^ b) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(a ^ a >> 32) & (w->slots - 1);
}

static struct fib_prefix *prefix_find(const struct fib_writer *w, const struct fib_prefix *key)
{
	for (size_t i = slot_of(w, key);; i = (i + 1) & (w->slots - 1)) {
		struct fib_prefix *p = &w->prefixes[i];

		if (!p->family)
			return NULL;
		if (p->family == key->family && p->len == key->len &&
		    memcmp(p->addr, key->addr, sizeof(p->addr)) == 0)
			return p;
	}
}

static void prefix_store(struct fib_writer *w, const struct fib_prefix *key)
{
	size_t i = slot_of(w, key);

	while (w->prefixes[i].family > FIB_GONE)
		i = (i + 1) & (w->slots - 1);
	w->taken += !w->prefixes[i].family;
	w->prefixes[i] = *key;
}

/* Room for one more. */
static bool prefixes_grow(struct fib_writer *w)
{
	struct fib_prefix *old = w->prefixes;
	size_t slots = w->slots, live = w->count[0] + w->count[1];

	if (old && (w->taken + 1) * 2 <= w->slots)
		return true;
	w->slots = SLOTS_MIN;
	while (w->slots < (live + 1) * 4)
		w->slots *= 2;
	w->prefixes = calloc(w->slots, sizeof(*w->prefixes));
	if (!w->prefixes) {
		w->prefixes = old;
		w->slots = slots;
		return false;
	}
	w->taken = 0;
	for (size_t i = 0; old && i < slots; i++)
		if (old[i].family > FIB_GONE)
			prefix_store(w, &old[i]);
	free(old);
	return true;
}

/* The bits behind a prefix are 0. */
static bool key_make(struct fib_prefix *key, unsigned family, const uint8_t *addr, unsigned len)
{
	size_t bytes = family == 4 ? 4 : 16;

	if ((family != 4 && family != 6) || len > bytes * 8)
		return false;
	*key = (struct fib_prefix){.family = (uint8_t)family, .len = (uint8_t)len};
	memcpy(key->addr, addr, (len + 7) / 8);
	if (len % 8)
		key->addr[len / 8] &= (uint8_t)(0xff00 >> len % 8);
	return true;
}

/* What holds where the prefix does not: the next shorter one, or the kernel. */
static uint32_t covering(const struct fib_writer *w, const struct fib_prefix *key)
{
	const size_t *lens = w->lens[key->family == 6];
	struct fib_prefix shorter;
	const struct fib_prefix *p;

	for (unsigned len = key->len; len-- > 0;) {
		if (!lens[len] || !key_make(&shorter, key->family, key->addr, len))
			continue;
		p = prefix_find(w, &shorter);
		if (p)
			return len << FIB_LEN_SHIFT | p->hop;
	}
	return FIB_KERNEL;
}

/* Between two changes, when nothing that was left is linked any more; not with each of them, for
 * readers lose a look each time. */
static void places_turn(struct fib_writer *w)
{
	if (w->left_count >= LEFT_MAX || (w->left_count && (w->tables_top > FIB_TABLES * 7 / 8 ||
							    w->words_top > FIB_WORDS / 8 * 7)))
		fib_turn(w);
}

static int apply(struct fib_writer *w, const struct fib_prefix *key, bool put, uint32_t value)
{
	struct fib_change c = {.len = key->len, .put = put, .value = value};

	places_turn(w);

	memcpy(&c.high, key->addr, 8);
	memcpy(&c.low, key->addr + 8, 8);
	c.high = be64toh(c.high);
	c.low = be64toh(c.low);
	if (key->family == 4) {
		c.high >>= 32;
		fib4_apply(w, &c);
	} else {
		fib6_apply(w, &c);
	}
	if (!w->broken)
		return 0;
	fib_live_set(w, 0);
	return -ENOSPC;
}

int fib_put(struct fib_writer *w, unsigned family, const uint8_t *addr, unsigned len, uint16_t hop)
{
	struct fib_prefix key, *p;

	if (!key_make(&key, family, addr, len))
		return -EINVAL;
	if (w->broken)
		return -ENOSPC;
	p = prefix_find(w, &key);
	if (p && p->hop == hop)
		return 0;
	if (p) {
		p->hop = hop;
	} else {
		if (!prefixes_grow(w)) {
			w->broken = true;
			fib_live_set(w, 0);
			return -ENOMEM;
		}
		key.hop = hop;
		prefix_store(w, &key);
		w->count[family == 6]++;
		w->lens[family == 6][len]++;
	}
	return apply(w, &key, true, len << FIB_LEN_SHIFT | hop);
}

int fib_del(struct fib_writer *w, unsigned family, const uint8_t *addr, unsigned len)
{
	struct fib_prefix key, *p;

	if (!key_make(&key, family, addr, len))
		return -EINVAL;
	if (w->broken)
		return -ENOSPC;
	p = prefix_find(w, &key);
	if (!p)
		return 0;
	p->family = FIB_GONE;
	w->count[family == 6]--;
	w->lens[family == 6][len]--;
	/* The entry of length 0 is also what stands where nothing covers: both go alike. */
	return apply(w, &key, false, covering(w, &key));
}

size_t fib_count(const struct fib_writer *w, unsigned family)
{
	return w->count[family == 6];
}

size_t fib_used(const struct fib_writer *w)
{
	return w->used;
}

void fib_hop_set(struct fib_writer *w, uint16_t hop, uint16_t port, const uint8_t mac[6],
		 uint32_t mtu)
{
	uint64_t way = (uint64_t)port << FIB_HOP_PORT_SHIFT;

	for (unsigned i = 0; i < 6; i++)
		way |= (uint64_t)mac[i] << (40 - 8 * i);
	__atomic_store_n(&w->f->hops[hop].mtu, mtu, __ATOMIC_RELAXED);
	__atomic_store_n(&w->f->hops[hop].way, way, __ATOMIC_RELEASE);
}

void fib_port_set(struct fib_writer *w, uint16_t port, uint32_t flags)
{
	if (port < FIB_PORTS)
		fib_store(&w->f->ports[port], flags);
}

void fib_live_set(struct fib_writer *w, uint64_t until)
{
	__atomic_store_n(&w->f->live_until, w->broken ? 0 : until, __ATOMIC_RELEASE);
}

void fib_clear(struct fib_writer *w)
{
	struct fib *f = w->f;

	fib_live_set(w, 0);
	for (unsigned i = 0; i < 65536; i++) {
		fib_store(&f->root4[i], FIB_KERNEL);
		fib_store(&f->root6[i], FIB_KERNEL);
	}
	/* Behind that, for every place is used again from here on. */
	for (unsigned i = 0; i < FIB_CLASSES; i++)
		w->ready[i].count = w->left[i].count = 0;
	fib_turn(w);
	for (unsigned i = 0; i < FIB_PORTS; i++)
		fib_store(&f->ports[i], 0);
	for (unsigned i = 0; i < FIB_HOPS; i++)
		if (f->hops[i].way)
			__atomic_store_n(&f->hops[i].way, 0, __ATOMIC_RELEASE);
	w->tables_top = w->words_top = 0;
	w->used = 0;
	memset(w->prefixes, 0, w->slots * sizeof(*w->prefixes));
	w->taken = 0;
	memset(w->count, 0, sizeof(w->count));
	memset(w->lens, 0, sizeof(w->lens));
	w->broken = false;
}

struct fib_writer *fib_writer_new(void *area, size_t size)
{
	struct fib_writer *w;

	if (size < sizeof(struct fib))
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->f = area;
	if (!prefixes_grow(w)) {
		free(w);
		return NULL;
	}
	fib_clear(w);
	return w;
}

void fib_writer_free(struct fib_writer *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < FIB_CLASSES; i++) {
		free(w->ready[i].v);
		free(w->left[i].v);
	}
	free(w->prefixes);
	free(w);
}
