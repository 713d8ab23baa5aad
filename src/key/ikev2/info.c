/* INFORMATIONAL (RFC 7296 §1.4): deletion, liveness, notifications. */
#include "key/ikev2/ikev2_i.h"

#include <stdio.h>
#include <string.h>

static void put_delete_ike(struct out *o)
{
	ike_put(&o->o, &(struct ike_payload){
			       .type = IKE_PL_DELETE,
			       .del = {.protocol = IKE_PROTO_IKE},
		       });
}

static void put_delete_esp(struct out *o, const uint8_t *spis, uint16_t count)
{
	ike_put(&o->o, &(struct ike_payload){
			       .type = IKE_PL_DELETE,
			       .del = {IKE_PROTO_ESP, IKE_ESP_SPI_LEN, count, spis},
		       });
}

void info_delete_children(struct ike_sa *sa, uint64_t now)
{
	uint8_t spis[IKEV2_CHILDREN_MAX * IKE_ESP_SPI_LEN];
	struct wr w = wr_init(spis, sizeof(spis));
	uint16_t count = 0;
	struct out o;

	for (struct child_sa *c = sa->children; c && count < IKEV2_CHILDREN_MAX; c = c->next)
		if (c->want_close) {
			c->want_close = false;
			c->state = CHILD_CLOSING;
			wr_u32(&w, c->spi_in);
			count++;
		}
	out_init(&o);
	put_delete_esp(&o, spis, count);
	message_request(sa, IKE_INFORMATIONAL, EX_DELETE_CHILD, &o, now);
}

void info_refuse(struct ike_sa *sa, uint16_t why, uint64_t now)
{
	struct out o;

	out_init(&o);
	if (why)
		ike_put_notify(&o.o, why, NULL, 0);
	put_delete_ike(&o);
	sa->want_close = false;
	sa_state(sa, ST_CLOSING, now);
	message_request(sa, IKE_INFORMATIONAL, EX_DELETE_IKE, &o, now);
}

void info_delete_ike(struct ike_sa *sa, uint64_t now)
{
	info_refuse(sa, 0, now);
}

void info_dpd(struct ike_sa *sa, uint64_t now)
{
	struct out o;

	sa->want_dpd = false;
	out_init(&o);
	message_request(sa, IKE_INFORMATIONAL, EX_DPD, &o, now);
}

static void closed(struct ike_sa *sa, const char *why, uint64_t now)
{
	rekey_settle(sa, now);
	/* Of another one that stands packets may be on their way to this one's children. */
	sa_close_children(sa, sa_beside(sa), now);
	message_done(sa);
	if (sa->peer && sa->state == ST_UP && !sa_beside(sa))
		peer_again(sa->peer, now);
	sa->why = why;
	sa_state(sa, ST_CLOSED, now);
	sa->why = NULL;
}

/* The children a Delete names go; ours of them, except those that we are deleting ourselves, are
 * named in the answer (§1.4.1). */
static void delete_children(struct ike_sa *sa, const struct ike_delete *d, struct wr *answer,
			    uint64_t now)
{
	struct rd r = rd_init(d->spis, (size_t)d->count * d->spi_len);

	for (unsigned i = 0; i < d->count; i++) {
		struct child_sa *c = child_by_out(sa, rd_u32(&r));

		if (!c)
			continue;
		if (c->state != CHILD_CLOSING)
			wr_u32(answer, c->spi_in);
		child_drop(sa, c, true, now);
		sa->again_at = now > sa->again_at ? now + NS_PER_S : sa->again_at;
	}
}

static void hear(struct ike_sa *sa, const struct ike_notify *n, uint64_t now)
{
	struct rd r = rd_init(n->data.p, n->data.len);

	if (n->type == IKE_N_SET_WINDOW_SIZE && n->data.len == 4)
		sa->window = rd_u32(&r); /* we go on keeping to 1, which every window allows */
	else if (n->type < IKE_N_STATUS && sa->peer)
		tell_trouble(sa->e, sa->peer, IKEV2_EV_TROUBLE, now, "the peer says %s",
			     ike_notify_name(n->type));
}

enum ikev2_result info_request(struct ike_sa *sa, struct in *in)
{
	uint8_t spis[IKEV2_CHILDREN_MAX * IKE_ESP_SPI_LEN];
	struct wr w = wr_init(spis, sizeof(spis));
	const struct ike_notify *error = NULL;
	bool over = false;
	char why[96];
	struct out o;

	out_init(&o);
	for (unsigned i = 0; i < in->c->count; i++) {
		const struct ike_payload *p = &in->c->v[i];

		if (p->type == IKE_PL_NOTIFY) {
			hear(sa, &p->notify, in->now);
			error = p->notify.type < IKE_N_STATUS ? &p->notify : error;
		}
		if (p->type == IKE_PL_DELETE && p->del.protocol == IKE_PROTO_IKE)
			over = true;
		else if (p->type == IKE_PL_DELETE && p->del.protocol == IKE_PROTO_ESP)
			delete_children(sa, &p->del, &w, in->now);
	}
	if (wr_len(&w))
		put_delete_esp(&o, spis, (uint16_t)(wr_len(&w) / IKE_ESP_SPI_LEN));
	message_answer(sa, IKE_INFORMATIONAL, in->h->id, &o, in->now);
	if (over && sa->state != ST_CLOSED) {
		snprintf(why, sizeof(why), "the peer closed it%s%s", error ? ": " : "",
			 error ? ike_notify_name(error->type) : "");
		closed(sa, why, in->now);
	}
	return IKEV2_OK;
}

enum ikev2_result info_response(struct ike_sa *sa, struct in *in)
{
	uint8_t kind = sa->req.kind;

	message_done(sa);
	if (kind == EX_DELETE_CHILD) {
		struct child_sa *next;

		for (struct child_sa *c = sa->children; c; c = next) {
			next = c->next;
			if (c->state == CHILD_CLOSING)
				child_drop(sa, c, true, in->now);
		}
	} else if (kind == EX_DELETE_IKE) {
		sa_close_children(sa, sa_beside(sa), in->now);
		sa_state(sa, ST_CLOSED, in->now);
		sa->close_at = in->now; /* it was ours to close: nobody asks again */
	} else if (kind == EX_DPD && sa->state == ST_UP) {
		auth_twins(sa);
	}
	return IKEV2_OK;
}
