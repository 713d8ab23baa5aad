/*
 * reassemble: ESP packets that came in pieces are put together before anything else is done with
 * them (RFC 4303 section 3.4.1; RFC 791, RFC 8200 section 4.5): some peers encrypt first and
 * fragment afterwards.
 *
 * Nobody has authenticated these pieces, so there is a bound for everything: packets at a time,
 * bytes of one, how long one waits, and how many are begun between two ticks. The oldest makes
 * room for a new one. Pieces that overlap throw their packet away (RFC 5722).
 */
#include "base/clock.h"
#include "fwd/path.h"
#include "wire/ip.h"

#include <string.h>

#define LIFE (2 * NS_PER_S)
#define HEAD_MAX 128 /* bytes of the headers in front of the pieces */

static bool same(const struct fwd_whole *w, const struct fwd_port *wan, const struct ip *ip,
		 const struct ip_piece *piece)
{
	size_t n = ip->family == 4 ? 4 : 16;

	return w->pkt.buf && w->wan == wan->id && w->id == piece->id && w->family == ip->family &&
	       w->next == piece->next && memcmp(w->src, ip->src, n) == 0 &&
	       memcmp(w->dst, ip->dst, n) == 0;
}

void whole_drop(struct fwd *f, struct fwd_whole *w)
{
	if (w->pkt.buf)
		pkt_release(f->pool, &w->pkt);
	*w = (struct fwd_whole){0};
}

/* A place for a packet that has just begun: a free one, or the oldest one's. */
static struct fwd_whole *begin(struct fwd *f, const struct fwd_port *wan, const struct ip *ip,
			       const struct ip_piece *piece)
{
	struct fwd_whole *w = f->wholes;
	size_t n = ip->family == 4 ? 4 : 16;

	if (f->wholes_begun >= FWD_WHOLES_TICK)
		return NULL;
	for (unsigned i = 0; i < FWD_WHOLES && w->pkt.buf; i++)
		if (!f->wholes[i].pkt.buf || f->wholes[i].order < w->order)
			w = &f->wholes[i];
	whole_drop(f, w);
	if (!pkt_alloc(f->pool, &w->pkt))
		return NULL;
	f->wholes_begun++;
	w->order = ++f->wholes_order;
	w->until = f->now + LIFE;
	w->wan = wan->id;
	w->family = ip->family;
	w->next = piece->next;
	w->id = piece->id;
	memcpy(w->src, ip->src, n);
	memcpy(w->dst, ip->dst, n);
	w->pkt.data += HEAD_MAX;
	return w;
}

/* Marks the piece's units of eight bytes as there. False when one was already. */
static bool claim(struct fwd_whole *w, const struct ip_piece *piece)
{
	uint32_t from = piece->offset / 8, to = (piece->offset + piece->len + 7) / 8;

	for (uint32_t i = from; i < to; i++)
		if (w->there[i / 64] >> i % 64 & 1)
			return false;
	for (uint32_t i = from; i < to; i++)
		w->there[i / 64] |= UINT64_C(1) << i % 64;
	w->units += to - from;
	return true;
}

/* Adds a piece to its packet. False: this cannot become one. */
static bool add(const struct fwd *f, struct fwd_whole *w, const struct pkt *p, const struct ip *ip,
		const struct ip_piece *piece)
{
	uint32_t room = f->pool->frame_max - HEAD_MAX, end = piece->offset + piece->len;

	if (room > FWD_WHOLE_UNITS * 8u)
		room = FWD_WHOLE_UNITS * 8u;
	if (end > room || piece->head > HEAD_MAX || (w->total && end > w->total) ||
	    (!piece->more && (w->total || w->top > end)) || !claim(w, piece))
		return false;
	if (end > w->top)
		w->top = end;
	if (!piece->more)
		w->total = end;
	memcpy(w->pkt.data + piece->offset, p->data + piece->body, piece->len);
	w->ce |= (ip->tos & IP_TOS_ECN) == IP_TOS_ECN;
	if (piece->offset)
		return true;
	w->head = piece->head;
	w->first = *piece;
	w->ip = *ip;
	memcpy(w->pkt.data - w->head, p->data, w->head);
	return true;
}

/* The packet is whole: it takes the place of its last piece. */
static void finish(struct fwd *f, struct fwd_whole *w, struct pkt *p)
{
	uint32_t len = w->head + w->total;

	pkt_release(f->pool, p);
	*p = w->pkt;
	p->data -= w->head;
	p->len = len;
	w->pkt.buf = NULL;
	ip_piece_whole(p->data, &w->first, &w->ip, len);
	if (w->ce) /* one that met congestion has met it for all (RFC 3168 section 5.3) */
		ip_tos_set(p->data, w->ip.tos | IP_TOS_ECN);
	whole_drop(f, w);
}

enum fwd_fate reassemble(struct fwd *f, const struct fwd_port *wan, struct pkt *p,
			 const struct ip *ip)
{
	struct fwd_whole *w = f->wholes;
	struct ip_piece piece;

	if (!ip_piece_read(&piece, p->data, ip))
		return FATE_DROP_OUTER_FRAGMENT;
	while (w < f->wholes + FWD_WHOLES && !same(w, wan, ip, &piece))
		w++;
	if (w == f->wholes + FWD_WHOLES)
		w = begin(f, wan, ip, &piece);
	if (!w)
		return FATE_DROP_OUTER_FRAGMENT;
	if (!add(f, w, p, ip, &piece)) {
		whole_drop(f, w);
		return FATE_DROP_OUTER_FRAGMENT;
	}
	if (!w->total || w->units != (w->total + 7) / 8)
		return FATE_PIECE;
	finish(f, w, p);
	return FATE_SENT_OVERLAY;
}

void reassemble_tick(struct fwd *f)
{
	f->wholes_begun = 0;
	for (struct fwd_whole *w = f->wholes; w < f->wholes + FWD_WHOLES; w++)
		if (w->pkt.buf && f->now >= w->until)
			whole_drop(f, w);
}
