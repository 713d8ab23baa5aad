#include "fwd/mactable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define AGE_AT_ONCE 512 /* entries looked at in one call of mactable_age() */
#define NO_PLACE MACTABLE_PLACES

struct mactable {
	struct mactable_config c;
	uint32_t mask; /* buckets - 1 */
	uint32_t count, age_at, free;
	struct mac_place places[MACTABLE_PLACES];
	uint32_t *buckets; /* index + 1 */
	struct mac_entry *entries;
};

struct mactable *mactable_new(const struct mactable_config *c)
{
	struct mactable *t = calloc(1, sizeof(*t));
	uint32_t buckets = 1;

	if (!t || !c->entries) {
		free(t);
		errno = t ? EINVAL : ENOMEM;
		return NULL;
	}
	t->c = *c;
	while (buckets < c->entries)
		buckets *= 2;
	t->mask = buckets - 1;
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	t->entries = calloc(c->entries, sizeof(*t->entries));
	if (!t->buckets || !t->entries) {
		mactable_free(t);
		errno = ENOMEM;
		return NULL;
	}
	mactable_flush(t);
	return t;
}

void mactable_free(struct mactable *t)
{
	if (!t)
		return;
	free(t->buckets);
	free(t->entries);
	free(t);
}

void mactable_flush(struct mactable *t)
{
	memset(t->places, 0, sizeof(t->places));
	memset(t->buckets, 0, (t->mask + 1u) * sizeof(*t->buckets));
	memset(t->entries, 0, t->c.entries * sizeof(*t->entries));
	for (uint32_t i = 0; i < t->c.entries; i++)
		t->entries[i].next = i + 1 < t->c.entries ? i + 2 : 0;
	t->free = 1;
	t->count = t->age_at = 0;
}

static uint32_t *bucket_of(struct mactable *t, const uint8_t mac[6])
{
	uint64_t v = 0;

	memcpy(&v, mac, 6);
	return &t->buckets[(v * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->mask];
}

static struct mac_entry *entry_find(struct mactable *t, const uint8_t mac[6])
{
	for (uint32_t i = *bucket_of(t, mac); i; i = t->entries[i - 1].next)
		if (memcmp(t->entries[i - 1].mac, mac, 6) == 0)
			return &t->entries[i - 1];
	return NULL;
}

static void place_put(struct mactable *t, uint16_t place)
{
	t->places[place].count--;
}

static void entry_drop(struct mactable *t, struct mac_entry *e)
{
	uint32_t self = (uint32_t)(e - t->entries) + 1, *p = bucket_of(t, e->mac);

	while (*p != self)
		p = &t->entries[*p - 1].next;
	*p = e->next;
	place_put(t, e->place);
	*e = (struct mac_entry){.next = t->free};
	t->free = self;
	t->count--;
}

static bool too_old(const struct mactable *t, const struct mac_entry *e, uint64_t now)
{
	return now > e->seen_ns && now - e->seen_ns > t->c.ageing_ns;
}

/* The place of this key; one that nobody uses is taken for it. NO_PLACE: there are too many. */
static uint16_t place_get(struct mactable *t, uint64_t key, uint64_t now)
{
	uint16_t spare = NO_PLACE;

	for (uint16_t i = 0; i < MACTABLE_PLACES; i++) {
		if (t->places[i].key == key)
			return i;
		if (spare == NO_PLACE && !t->places[i].count &&
		    (!t->places[i].key || now - t->places[i].filled_ns > SECOND))
			spare = i;
	}
	if (spare != NO_PLACE)
		t->places[spare] =
			(struct mac_place){.key = key, .tokens = t->c.flood, .filled_ns = now};
	return spare;
}

static enum mac_learn entry_move(struct mactable *t, struct mac_entry *e, uint16_t place,
				 uint64_t now)
{
	if (t->places[place].count >= t->c.per_place)
		return MAC_FULL;
	if (now - e->moved_ns > MACTABLE_MOVES_NS) {
		e->moved_ns = now;
		e->moves = 0;
	}
	if (e->moves >= MACTABLE_MOVES)
		return MAC_FROZEN;
	e->moves++;
	place_put(t, e->place);
	t->places[place].count++;
	e->place = place;
	e->seen_ns = now;
	return MAC_MOVED;
}

enum mac_learn mactable_learn(struct mactable *t, const uint8_t mac[6], uint64_t key, uint64_t now)
{
	struct mac_entry *e = entry_find(t, mac);
	uint32_t *bucket, self;
	uint16_t place;

	if (e && too_old(t, e, now)) {
		entry_drop(t, e);
		e = NULL;
	}
	if (e && t->places[e->place].key == key) {
		e->seen_ns = now;
		return MAC_KNOWN;
	}
	place = mac[0] & 1 ? NO_PLACE : place_get(t, key, now);
	if (place == NO_PLACE)
		return MAC_FULL;
	if (e)
		return entry_move(t, e, place, now);
	if (!t->free || t->places[place].count >= t->c.per_place)
		return MAC_FULL;
	self = t->free;
	e = &t->entries[self - 1];
	t->free = e->next;
	bucket = bucket_of(t, mac);
	*e = (struct mac_entry){
		.place = place, .seen_ns = now, .moved_ns = now, .used = true, .next = *bucket};
	memcpy(e->mac, mac, 6);
	*bucket = self;
	t->places[place].count++;
	t->count++;
	return MAC_NEW;
}

uint64_t mactable_find(struct mactable *t, const uint8_t mac[6], uint64_t now, uint64_t *seen)
{
	const struct mac_entry *e = mac[0] & 1 ? NULL : entry_find(t, mac);

	if (!e || too_old(t, e, now))
		return 0;
	if (seen)
		*seen = e->seen_ns;
	return t->places[e->place].key;
}

bool mactable_flood(struct mactable *t, uint64_t key, uint64_t now)
{
	uint16_t i = t->c.flood ? place_get(t, key, now) : NO_PLACE;
	struct mac_place *p = &t->places[i % MACTABLE_PLACES];
	uint64_t more;

	if (!t->c.flood)
		return true;
	if (i == NO_PLACE)
		return false;
	more = now - p->filled_ns > SECOND ? t->c.flood
					   : (now - p->filled_ns) * t->c.flood / SECOND;
	if (more) {
		p->tokens = p->tokens + more < t->c.flood ? p->tokens + more : t->c.flood;
		p->filled_ns = now;
	}
	if (!p->tokens)
		return false;
	p->tokens--;
	return true;
}

void mactable_age(struct mactable *t, uint64_t now)
{
	for (unsigned i = 0; i < AGE_AT_ONCE; i++) {
		struct mac_entry *e = &t->entries[t->age_at];

		if (e->used && too_old(t, e, now))
			entry_drop(t, e);
		t->age_at = t->age_at + 1 < t->c.entries ? t->age_at + 1 : 0;
		if (!t->age_at)
			return;
	}
}

uint32_t mactable_count(const struct mactable *t)
{
	return t->count;
}

uint32_t mactable_size(const struct mactable *t)
{
	return t->c.entries;
}

const struct mac_entry *mactable_at(const struct mactable *t, uint32_t i)
{
	return i < t->c.entries && t->entries[i].used ? &t->entries[i] : NULL;
}

uint64_t mactable_place(const struct mactable *t, const struct mac_entry *e)
{
	return t->places[e->place].key;
}
