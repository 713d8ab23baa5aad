/*
 * lkh: a logical key hierarchy (RFC 2627 §5.4, RFC 9838 §3.3 and its appendix on LKH), both sides.
 *
 * The key server's tree: members are its leaves, each node but the root has a key and a number of
 * its own that never comes back, and a member knows the keys from its leaf up to the root. The root
 * is the key of an SA. To exclude members, all keys they know get successors, each wrapped under the
 * keys right below it: some two for every level and member that goes, whatever the number of those
 * who stay.
 *
 * The member's side: the Working Key Path, from which and from a message's wrapped keys it finds
 * the keys of an SA, or finds that it is excluded.
 *
 * Sans I/O; one thread per tree and path. Whoever holds one wipes it by the function that ends it.
 */
#pragma once

#include "base/rd.h"
#include "base/secret.h"
#include "base/wr.h"
#include "wire/gike.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LKH_DEPTH_MAX 24       /* levels of keys below the root: 2^24 members at most */
#define LKH_KEY_MAX 32         /* bytes of a key of the tree */
#define LKH_WRAPPED_MAX 40     /* bytes of one, wrapped */
#define LKH_SA_KEY_MAX 256     /* bytes of an SA's keying material (RFC 9838 §4.4.2.1.2) */
#define LKH_SA_WRAPPED_MAX 264 /* bytes of it, wrapped */
#define LKH_NONE UINT32_MAX    /* no place */

struct lkh;

/* random fills n bytes, and never fails. key_len: 16, 24 or 32, of its keys. NULL: no memory. */
struct lkh *lkh_new(size_t key_len, void (*random)(void *ctx, void *buf, size_t n), void *ctx);
void lkh_free(struct lkh *t);

/* A place for a member, the same until it is removed: 0, or -ENOMEM, -ENOSPC. */
int lkh_add(struct lkh *t, uint32_t *place);
/* The member at that place is excluded: what it knows is replaced by the next lkh_rekey(). */
void lkh_remove(struct lkh *t, uint32_t place);
unsigned lkh_members(const struct lkh *t);
/* Whether a key has a successor that nobody has been told: then SAs' keys go out with it. */
bool lkh_stale(const struct lkh *t);

/* Wrapped keys in a form that owns its bytes. */
struct lkh_wrapped {
	uint32_t key, kwk;
	size_t len;
	uint8_t b[LKH_SA_WRAPPED_MAX];
};

/*
 * The keys a member at that place is to know, in the order of a registration's WRAP_KEYs: each
 * wrapped under the next, its own under the default key gsk_w. v: room for LKH_DEPTH_MAX. *top:
 * number of the first, under which the keys of SAs are wrapped for it. What is to have a successor
 * is not among them: it comes with the next rekey. -ENOENT: nobody is there; -EIO: wrapping failed.
 */
int lkh_path_of(const struct lkh *t, uint32_t place, const struct secret *gsk_w,
		struct lkh_wrapped *v, unsigned *count, uint32_t *top);
/* An SA's keying material for the member at that place alone, under *top. */
int lkh_wrap_for(const struct lkh *t, uint32_t place, const void *key, size_t len,
		 struct lkh_wrapped *out);

/*
 * A rekey's keys: what has a successor, wrapped for those who stay, and the SA's keying material.
 * keys (SA_KEYs) and wraps (WRAP_KEYs) have room for max each. After 0 the successors are in force
 * and the tree is no longer stale. -ENOSPC: more than max; -ENOENT: no member; nothing has changed
 * then. -EIO: wrapping failed, and who stays has to register again.
 */
int lkh_rekey(struct lkh *t, const void *key, size_t len, struct lkh_wrapped *keys,
	      unsigned *key_count, struct lkh_wrapped *wraps, unsigned *wrap_count, unsigned max);

/* The tree for a record, keys in it, and back into one that is new. -EBADMSG: not a whole one, then it
 * is to be freed. */
void lkh_save(const struct lkh *t, struct wr *w);
int lkh_load(struct lkh *t, struct rd *r);

/* A digest of what the tree holds, keys included. */
uint64_t lkh_digest(const struct lkh *t);

/* The member's Working Key Path, from the key below the root down to its own. */
struct lkh_path {
	unsigned count;
	struct {
		uint32_t id;
		struct secret key;
	} v[LKH_DEPTH_MAX + 1];
};
void lkh_path_wipe(struct lkh_path *p);

enum lkh_result {
	LKH_OK,
	LKH_EXCLUDED, /* no key here opens a way to the SA's */
	LKH_BROKEN,   /* wrapped keys that do not unwrap, or contradict each other */
	LKH_TOO_DEEP,
};

/*
 * Finds an SA's keying material in a message: from one of the bag's SA_KEYs, by the message's
 * WRAP_KEYs, to a key of the path or to the default key gsk_w of the SA that the message came over.
 * key_len: of every WRAP_KEY (RFC 9838 §4.5.3.1 has it equal that of the key wrap algorithm), wraps
 * of another are not looked at. out: room for LKH_SA_KEY_MAX. after: the path as it is to be when
 * the message is taken; the caller wipes it. path is not touched; after may not be path.
 */
enum lkh_result lkh_find(const struct lkh_path *path, const struct gike_kd *kd,
			 const struct gike_bag *bag, const struct secret *gsk_w, size_t key_len,
			 uint8_t *out, size_t *out_len, struct lkh_path *after);
