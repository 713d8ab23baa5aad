/*
 * The key server's tree. It is complete: 2^levels places, of which some are taken; node i has the
 * children 2i and 2i + 1, the root is 1 and has no key. When all places are taken the tree becomes
 * the left half of one twice as large, so that places keep their numbers; the node that was the
 * root needs a key then, which the next rekey makes and tells.
 *
 * A node without members below has no key. One that has members, and no key that all of them know,
 * is fresh: the next rekey gives it a key and wraps it for both its halves. The root is fresh when
 * somebody is gone: whoever had a half of its own leaves nothing else behind.
 */
#include "key/gikev2/lkh.h"

#include "crypto/keywrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOT 1u

struct node {
	uint32_t id;      /* 0: no key */
	uint32_t members; /* below, or here */
	bool fresh;       /* its key, if any, has to be replaced before anything is wrapped by it */
	uint8_t key[LKH_KEY_MAX];
};

struct lkh {
	void (*random)(void *ctx, void *buf, size_t n);
	void *ctx;
	size_t key_len;
	unsigned levels;
	uint32_t next_id;
	unsigned fresh; /* nodes */
	uint32_t from;  /* no place below is free */
	struct node *v; /* 2 << levels */
};

static uint32_t places(const struct lkh *t)
{
	return 1u << t->levels;
}

struct lkh *lkh_new(size_t key_len, void (*random)(void *ctx, void *buf, size_t n), void *ctx)
{
	struct lkh *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct lkh){.random = random, .ctx = ctx, .key_len = key_len, .levels = 1};
	t->v = calloc(2u << t->levels, sizeof(*t->v));
	if (t->v)
		return t;
	free(t);
	return NULL;
}

void lkh_free(struct lkh *t)
{
	if (!t)
		return;
	secret_wipe(t->v, (2u << t->levels) * sizeof(*t->v));
	free(t->v);
	free(t);
}

unsigned lkh_members(const struct lkh *t)
{
	return t->v[ROOT].members;
}

bool lkh_stale(const struct lkh *t)
{
	return t->fresh > 0;
}

static void node_key(struct lkh *t, struct node *n)
{
	n->id = ++t->next_id;
	t->random(t->ctx, n->key, t->key_len);
}

static void node_clear(struct node *n)
{
	secret_wipe(n->key, sizeof(n->key));
	n->id = 0;
}

static void node_fresh(struct lkh *t, struct node *n, bool fresh)
{
	t->fresh += fresh;
	t->fresh -= n->fresh;
	n->fresh = fresh;
}

/* Twice the places: the tree becomes the left half. */
static int grow(struct lkh *t)
{
	size_t size = 2u << t->levels;
	struct node *v;

	if (t->levels == LKH_DEPTH_MAX)
		return -ENOSPC;
	v = calloc(2 * size, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (uint32_t level = 1; level < size; level *= 2)
		memcpy(v + 2 * level, t->v + level, level * sizeof(*v));
	v[ROOT].members = t->v[ROOT].members;
	secret_wipe(t->v, size * sizeof(*v));
	free(t->v);
	t->v = v;
	t->levels++;
	if (v[2].members)
		node_fresh(t, &v[2], true);
	return 0;
}

int lkh_add(struct lkh *t, uint32_t *place)
{
	uint32_t p = t->from;
	int err;

	while (p < places(t) && t->v[places(t) + p].members)
		p++;
	if (p == places(t)) {
		err = grow(t);
		if (err)
			return err;
	}
	for (uint32_t i = places(t) + p; i >= ROOT; i /= 2) {
		/* Nobody else has to be told of a key nobody else is to know. */
		if (!t->v[i].members && i != ROOT)
			node_key(t, &t->v[i]);
		t->v[i].members++;
	}
	t->from = p + 1;
	*place = p;
	return 0;
}

void lkh_remove(struct lkh *t, uint32_t place)
{
	if (place >= places(t) || !t->v[places(t) + place].members)
		return;
	for (uint32_t i = places(t) + place; i >= ROOT; i /= 2) {
		struct node *n = &t->v[i];

		n->members--;
		node_fresh(t, n, n->members > 0);
		if (!n->members && i != ROOT)
			node_clear(n);
	}
	if (place < t->from)
		t->from = place;
}

static int wrap(const uint8_t *kek, size_t kek_len, uint32_t kwk, uint32_t id, const void *key,
		size_t len, struct lkh_wrapped *out)
{
	out->key = id;
	out->kwk = kwk;
	return keywrap_pad(kek, kek_len, key, len, out->b, &out->len);
}

/* The nodes from a place up that its member is to know, nearest first: what is fresh, and that is
 * everything above the first that is, comes with the next rekey. */
static unsigned known(const struct lkh *t, uint32_t place, const struct node *v[LKH_DEPTH_MAX])
{
	unsigned n = 0;

	if (place >= places(t) || !t->v[places(t) + place].members)
		return 0;
	for (uint32_t i = places(t) + place; i > ROOT && !t->v[i].fresh; i /= 2)
		v[n++] = &t->v[i];
	return n;
}

int lkh_path_of(const struct lkh *t, uint32_t place, const struct secret *gsk_w,
		struct lkh_wrapped *v, unsigned *count, uint32_t *top)
{
	const struct node *nodes[LKH_DEPTH_MAX];
	unsigned n;
	int err = 0;

	n = known(t, place, nodes);
	if (!n)
		return -ENOENT;
	for (unsigned i = 0; i < n && !err; i++)
		err = wrap(i ? nodes[i - 1]->key : gsk_w->b, i ? t->key_len : gsk_w->len,
			   i ? nodes[i - 1]->id : 0, nodes[i]->id, nodes[i]->key, t->key_len,
			   &v[n - 1 - i]);
	*count = n;
	*top = nodes[n - 1]->id;
	return err;
}

int lkh_wrap_for(const struct lkh *t, uint32_t place, const void *key, size_t len,
		 struct lkh_wrapped *out)
{
	const struct node *nodes[LKH_DEPTH_MAX];
	unsigned n;

	n = known(t, place, nodes);
	if (!n)
		return -ENOENT;
	return wrap(nodes[n - 1]->key, t->key_len, nodes[n - 1]->id, 0, key, len, out);
}

/* How many keys a rekey takes under that node, itself included. */
static unsigned cost(const struct lkh *t, uint32_t i)
{
	if (i >= places(t) || !t->v[i].members || (i != ROOT && !t->v[i].fresh))
		return 0;
	return (t->v[2 * i].members ? 1u : 0u) + (t->v[2 * i + 1].members ? 1u : 0u) +
	       cost(t, 2 * i) + cost(t, 2 * i + 1);
}

/* Successors below a node and of it, each wrapped under both that are right below. */
static int refresh(struct lkh *t, uint32_t i, struct lkh_wrapped *v, unsigned *count)
{
	struct node *n = &t->v[i];
	int err = 0;

	if (i >= places(t) || !n->members || !n->fresh)
		return 0;
	err = refresh(t, 2 * i, v, count);
	err = err ? err : refresh(t, 2 * i + 1, v, count);
	if (err)
		return err;
	node_key(t, n);
	node_fresh(t, n, false);
	for (uint32_t c = 2 * i; c <= 2 * i + 1 && !err; c++)
		if (t->v[c].members)
			err = wrap(t->v[c].key, t->key_len, t->v[c].id, n->id, n->key, t->key_len,
				   &v[(*count)++]);
	return err;
}

int lkh_rekey(struct lkh *t, const void *key, size_t len, struct lkh_wrapped *keys,
	      unsigned *key_count, struct lkh_wrapped *wraps, unsigned *wrap_count, unsigned max)
{
	int err = 0;

	*key_count = *wrap_count = 0;
	if (!lkh_members(t))
		return -ENOENT;
	if (max < 2 || cost(t, ROOT) > max)
		return -ENOSPC;
	node_fresh(t, &t->v[ROOT], false);
	for (uint32_t i = 2; i <= 3 && !err; i++)
		err = refresh(t, i, wraps, wrap_count);
	for (uint32_t i = 2; i <= 3 && !err; i++)
		if (t->v[i].members)
			err = wrap(t->v[i].key, t->key_len, t->v[i].id, 0, key, len,
				   &keys[(*key_count)++]);
	return err;
}

void lkh_save(const struct lkh *t, struct wr *w)
{
	wr_u8(w, (uint8_t)t->levels);
	wr_u32(w, t->next_id);
	wr_u8(w, t->v[ROOT].fresh);
	for (size_t i = 2; i < 2u << t->levels; i++) {
		const struct node *n = &t->v[i];

		wr_u8(w, (uint8_t)((n->members ? 1 : 0) | (n->fresh ? 2 : 0) | (n->id ? 4 : 0)));
		if (n->id) {
			wr_u32(w, n->id);
			wr_bytes(w, n->key, t->key_len);
		}
	}
}

/* Of a node that has members, or none, by its children's. */
static bool node_load(struct lkh *t, uint32_t i, struct rd *r)
{
	struct node *n = &t->v[i];
	uint8_t flags = rd_u8(r);

	if (flags & 4) {
		n->id = rd_u32(r);
		rd_copy(r, n->key, t->key_len);
	}
	n->members = flags & 1;
	node_fresh(t, n, flags & 2);
	return !r->bad && flags < 8 && (flags & 1 ? flags > 1 : flags == 0) &&
	       n->id <= t->next_id && !(flags & 2 && i >= places(t)) &&
	       (n->id > 0) == ((flags & 4) > 0);
}

int lkh_load(struct lkh *t, struct rd *r)
{
	unsigned levels = rd_u8(r), fresh;
	bool holds =
		!r->bad && levels && levels <= LKH_DEPTH_MAX && (2u << levels) - 2 <= rd_left(r);

	while (holds && t->levels < levels)
		holds = grow(t) == 0;
	t->next_id = rd_u32(r);
	fresh = rd_u8(r);
	holds = holds && fresh <= 1;
	node_fresh(t, &t->v[ROOT], fresh == 1);
	for (uint32_t i = 2; holds && i < 2u << t->levels; i++)
		holds = node_load(t, i, r);
	for (uint32_t i = places(t) - 1; holds && i >= ROOT; i--) {
		struct node *n = &t->v[i];
		uint32_t below = t->v[2 * i].members + t->v[2 * i + 1].members;
		bool any = t->v[2 * i].fresh || t->v[2 * i + 1].fresh;

		/* Whatever is above something fresh is fresh. */
		holds = i == ROOT || ((n->members > 0) == (below > 0) && (n->fresh || !any));
		n->members = below;
	}
	return holds && t->levels == levels ? 0 : -EBADMSG;
}

uint64_t lkh_digest(const struct lkh *t)
{
	uint64_t h = 0xcbf29ce484222325ull ^ t->next_id;

	for (size_t i = 0; i < 2u << t->levels; i++) {
		const struct node *n = &t->v[i];

		h = (h ^ n->id ^ (uint64_t)n->members << 32 ^ (uint64_t)n->fresh << 63) *
		    0x100000001b3ull;
		for (size_t j = 0; j < t->key_len; j++)
			h = (h ^ n->key[j]) * 0x100000001b3ull;
	}
	return h;
}
