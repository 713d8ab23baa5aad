/*
 * Fragments in (RFC 7383 §2.6). Each has verified by itself before it comes here; still a peer
 * gone mad must not take more memory than one message's, nor mix two.
 */
#include "key/ikev2/ikev2_i.h"

#include <string.h>

void fragment_clear(struct ike_sa *sa)
{
	for (unsigned i = 0; i < FRAGMENTS_MAX; i++)
		bytes_clear(&sa->in.part[i]);
	sa->in = (struct fragments){0};
}

enum ikev2_result fragment_add(struct ike_sa *sa, const struct ike_payload *skf, uint32_t id,
			       const uint8_t *text, size_t len)
{
	struct fragments *f = &sa->in;
	unsigned at = skf->sk.number - 1u;

	if (skf->sk.total > FRAGMENTS_MAX || !len)
		return IKEV2_FRAGMENT;
	/* More of them than before: the peer found a smaller path, and begins anew. */
	if (f->total && (f->id != id || skf->sk.total > f->total))
		fragment_clear(sa);
	if (f->total && (skf->sk.total < f->total || f->part[at].b))
		return IKEV2_FRAGMENT;
	if (f->bytes + len > IKEV2_MESSAGE_MAX || !bytes_set(&f->part[at], text, len))
		return IKEV2_FRAGMENT;
	f->id = id;
	f->total = skf->sk.total;
	f->bytes += len;
	if (skf->sk.number == 1)
		f->first = skf->sk.first;
	return ++f->have == f->total ? IKEV2_OK : IKEV2_FRAGMENT_MORE;
}

size_t fragment_whole(struct ike_sa *sa, uint8_t *first)
{
	struct wr w = wr_init(sa->e->buf, sizeof(sa->e->buf));

	for (unsigned i = 0; i < sa->in.total; i++)
		wr_bytes(&w, sa->in.part[i].b, sa->in.part[i].len);
	*first = sa->in.first;
	fragment_clear(sa);
	return wr_len(&w);
}
