/*
 * The member's side: from a message's wrapped keys to the keys of an SA (RFC 9838 §3.3).
 *
 * Keys are found from what is known upwards, so that the work is bounded whatever the message says:
 * a WRAP_KEY is unwrapped at most once, when what wraps it is known.
 */
#include "crypto/keywrap.h"
#include "key/gikev2/lkh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN (-1)
#define DEFAULT (-2) /* the default key */

/* Keys that were found in one message. */
struct found {
	uint32_t id;
	int below; /* what unwrapped it: index in found, or of the path as ~index - 2, or DEFAULT */
	struct secret key;
};

struct search {
	const struct lkh_path *path;
	const struct secret *gsk_w;
	unsigned count;
	struct found v[GIKE_KEYS_MAX];
};

void lkh_path_wipe(struct lkh_path *p)
{
	secret_wipe(p, sizeof(*p));
}

static int of_path(unsigned i)
{
	return ~(int)i - 2;
}

/* Where the key of that number is known from. */
static int look_up(const struct search *s, uint32_t id)
{
	if (!id)
		return DEFAULT;
	for (unsigned i = 0; i < s->path->count; i++)
		if (s->path->v[i].id == id)
			return of_path(i);
	for (unsigned i = 0; i < s->count; i++)
		if (s->v[i].id == id)
			return (int)i;
	return UNKNOWN;
}

static const struct secret *key_at(const struct search *s, int at)
{
	if (at == DEFAULT)
		return s->gsk_w;
	return at < 0 ? &s->path->v[~(at + 2)].key : &s->v[at].key;
}

/* Unwraps all that can be; false when something that is known to unwrap does not. */
static bool unwrap_all(struct search *s, const struct gike_kd *kd, size_t key_len)
{
	bool done[GIKE_KEYS_MAX] = {false}, whole = true, again = true;

	while (again) {
		again = false;
		for (unsigned i = 0; i < kd->wrap_count; i++) {
			const struct gike_wrapped *w = &kd->wraps[i];
			int below = look_up(s, w->kwk);
			struct found *f = &s->v[s->count];
			const struct secret *kek;
			size_t n;

			if (done[i] || below == UNKNOWN || look_up(s, w->key) != UNKNOWN)
				continue;
			done[i] = true;
			kek = key_at(s, below);
			if (w->data.len != keywrap_padded_len(key_len) ||
			    keywrap_unpad(kek->b, kek->len, w->data.p, w->data.len, f->key.b, &n) ||
			    n != key_len) {
				secret_clear(&f->key);
				whole = false;
				continue;
			}
			f->id = w->key;
			f->key.len = (uint8_t)n;
			f->below = below;
			s->count++;
			again = true;
		}
	}
	return whole;
}

/* The path as it is when the SA's keys were found under the key at `at`. */
static enum lkh_result path_after(const struct search *s, int at, struct lkh_path *after)
{
	unsigned n = 0, i;

	if (at == DEFAULT) { /* an empty new path: nothing changes */
		*after = *s->path;
		return LKH_OK;
	}
	for (; at >= 0; at = s->v[at].below) {
		if (n == LKH_DEPTH_MAX)
			return LKH_TOO_DEEP;
		after->v[n].id = s->v[at].id;
		after->v[n++].key = s->v[at].key;
	}
	if (at != DEFAULT)
		for (i = (unsigned)~(at + 2); i < s->path->count; i++) {
			if (n > LKH_DEPTH_MAX)
				return LKH_TOO_DEEP;
			after->v[n].id = s->path->v[i].id;
			after->v[n++].key = s->path->v[i].key;
		}
	after->count = n;
	return LKH_OK;
}

/* Unwraps the SA's keys by every way there is: all must give the same (§3.3). */
static enum lkh_result take(const struct search *s, const struct gike_kd *kd,
			    const struct gike_bag *bag, uint8_t *out, size_t *out_len, int *way)
{
	uint8_t other[LKH_SA_KEY_MAX];
	enum lkh_result res = LKH_EXCLUDED;

	for (unsigned i = bag->first; i < bag->first + bag->count; i++) {
		const struct gike_wrapped *w = &kd->keys[i];
		int at = look_up(s, w->kwk);
		const struct secret *kek;
		bool first = res == LKH_EXCLUDED;
		size_t n;

		if (at == UNKNOWN)
			continue;
		kek = key_at(s, at);
		if (w->data.len > LKH_SA_WRAPPED_MAX ||
		    keywrap_unpad(kek->b, kek->len, w->data.p, w->data.len, first ? out : other,
				  &n) ||
		    (!first && (n != *out_len || !secret_equal(out, other, n)))) {
			res = LKH_BROKEN;
			break;
		}
		if (first) {
			*out_len = n;
			*way = at;
			res = LKH_OK;
		}
	}
	secret_wipe(other, sizeof(other));
	if (res == LKH_BROKEN)
		secret_wipe(out, LKH_SA_KEY_MAX);
	return res;
}

enum lkh_result lkh_find(const struct lkh_path *path, const struct gike_kd *kd,
			 const struct gike_bag *bag, const struct secret *gsk_w, size_t key_len,
			 uint8_t *out, size_t *out_len, struct lkh_path *after)
{
	struct search s = {.path = path, .gsk_w = gsk_w};
	enum lkh_result res;
	int way = UNKNOWN;
	bool whole;

	after->count = 0;
	*out_len = 0;
	whole = unwrap_all(&s, kd, key_len);
	res = take(&s, kd, bag, out, out_len, &way);
	if (res == LKH_OK)
		res = path_after(&s, way, after);
	if (res == LKH_EXCLUDED && !whole)
		res = LKH_BROKEN;
	if (res != LKH_OK) {
		secret_wipe(out, LKH_SA_KEY_MAX);
		lkh_path_wipe(after);
	}
	secret_wipe(&s, sizeof(s));
	return res;
}
