/*
 * What a group's key server and its members say over their IKE SA (RFC 9838 §2.3, §2.4.2), as far as
 * the exchanges go: GSA_REGISTRATION both ways, GSA_INBAND_REKEY, and what stands beside the proofs in
 * GSA_AUTH. What policies and keys mean is for whoever set env.group.
 */
#include "key/ikev2/ikev2_i.h"

#include <errno.h>
#include <string.h>

bool group_member(const struct ike_sa *sa)
{
	return sa->peer && sa->peer->cfg.role == IKEV2_KEY_SERVER;
}

bool group_server(const struct ike_sa *sa)
{
	return sa->peer && sa->peer->cfg.role == IKEV2_MEMBER;
}

static struct ikev2_group_keys keys_of(const struct ike_sa *sa)
{
	return (struct ikev2_group_keys){keys_prf(&sa->suite), sa->suite.kwa, &sa->keys.d};
}

int ikev2_group_register(struct ikev2 *e, uint16_t tunnel, const struct ikev2_id *group,
			 uint64_t now)
{
	struct peer *p = ike_peer_find(e, tunnel);
	struct ike_sa *up = NULL;

	if (!p)
		return -ENOENT;
	if (p->cfg.role != IKEV2_KEY_SERVER || !group->type || p->held)
		return -EINVAL;
	if (p->group.type)
		return -EBUSY;
	p->group = *group;
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer == p && sa->state == ST_UP && !sa->want_close)
			up = sa;
	if (up) {
		up->want_group = true;
		sa_step(up, now);
	} else {
		p->once = true;
		p->next_at = now;
	}
	e->timed = false;
	return 0;
}

int ikev2_group_inband(struct ikev2 *e, uint16_t tunnel, uint64_t now)
{
	struct peer *p = ike_peer_find(e, tunnel);

	if (!p || p->cfg.role != IKEV2_MEMBER)
		return -ENOENT;
	for (struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (sa->peer == p && sa->state == ST_UP && !sa->want_close) {
			sa->want_inband = sa->dirty = true;
			sa_step(sa, now);
			return 0;
		}
	return -ENOTCONN;
}

void group_put_request(struct ike_sa *sa, struct out *o)
{
	const struct ikev2_group_ops *ops = &sa->e->env.group;

	id_put(o, IKE_PL_IDG, &sa->peer->group);
	ops->ask(ops->ctx, sa->peer->cfg.tunnel, &sa->peer->group, &o->o);
}

void group_over(struct peer *p, uint16_t error, uint64_t now)
{
	struct ikev2_id group = p->group;
	struct ikev2 *e = p->e;

	if (!group.type)
		return;
	p->group.type = 0;
	p->once = false;
	e->env.group.refused(e->env.group.ctx, p->cfg.tunnel, &group, error, now);
}

void group_take(struct ike_sa *sa, const struct in *in)
{
	const struct ikev2_group_ops *ops = &sa->e->env.group;
	struct ikev2_group_keys k = keys_of(sa);
	uint16_t error = error_of(in->c);
	struct peer *p = sa->peer;
	struct ikev2_id group = p->group;

	if (!group.type) /* asked for in an earlier life */
		return;
	if (error || !ike_find(in->c, IKE_PL_GSA) || !ike_find(in->c, IKE_PL_KD)) {
		if (error)
			tell_trouble(sa->e, p, IKEV2_EV_TROUBLE, in->now, "the key server says %s",
				     ike_notify_name(error));
		group_over(p, error ? error : IKE_N_INVALID_SYNTAX, in->now);
		return;
	}
	p->group.type = 0;
	p->once = false;
	error = ops->answer(ops->ctx, p->cfg.tunnel, &group, in->c, &k, in->now);
	if (error) { /* §2.3.1: it is to be told that we are not in the group after all */
		sa->report = group;
		sa->report_error = error;
		sa->dirty = true;
	}
}

/* IDg of a request, and what came with it, as payloads that stay when the message is gone. */
bool group_keep(struct ike_sa *sa, const struct in *in)
{
	struct out o;

	out_init(&o);
	for (unsigned i = 0; i < in->c->count; i++) {
		const struct ike_payload *p = &in->c->v[i];

		if (p->type == IKE_PL_IDG || p->type == IKE_PL_SA ||
		    (p->type == IKE_PL_NOTIFY &&
		     (p->notify.type == IKE_N_GROUP_SENDER || p->notify.type < IKE_N_STATUS)))
			ike_put_bytes(&o.o, (enum ike_payload_type)p->type, p->body.p, p->body.len);
	}
	return !o.w.bad && bytes_set(&sa->group_ask, o.b, wr_len(&o.w));
}

/* Key server: what is answered to a kept request; everything of a group or one error. */
uint16_t group_put_answer(struct ike_sa *sa, struct out *o, uint64_t now)
{
	const struct ikev2_group_ops *ops = &sa->e->env.group;
	struct ikev2_group_keys k = keys_of(sa);
	struct ike_chain *c = &sa->e->chain;
	struct wr at = o->w;
	uint8_t first = o->b[0];
	struct ike_out was = o->o;
	uint16_t error = IKE_N_INVALID_SYNTAX;
	struct ikev2_id group;

	if (sa->group_ask.len &&
	    !ike_chain_parse(c, sa->group_ask.b[0], sa->group_ask.b + 1, sa->group_ask.len - 1,
			     false) &&
	    ike_find(c, IKE_PL_IDG)) {
		id_read(ike_find(c, IKE_PL_IDG), &group);
		if (error_of(c)) {
			ops->left(ops->ctx, sa->peer->cfg.tunnel, &group, now);
			error = 0;
		} else {
			error = ops->request(ops->ctx, sa->peer->cfg.tunnel, &group, c, &k, &o->o,
					     now);
		}
	}
	bytes_clear(&sa->group_ask);
	if (error) {
		o->w = at;
		o->o = was;
		o->o.w = &o->w;
		o->b[0] = first;
		ike_put_notify(&o->o, error, NULL, 0);
	}
	sa->group_until = now + GROUP_IDLE_NS;
	sa->dirty = true;
	return error;
}

enum ikev2_result group_request(struct ike_sa *sa, struct in *in)
{
	struct out o;
	uint16_t error;

	if (!group_server(sa)) {
		message_answer_notify(sa, IKE_GSA_REGISTRATION, in->h->id,
				      IKE_N_AUTHORIZATION_FAILED, NULL, 0, in->now);
		return IKEV2_REFUSED;
	}
	out_init(&o);
	if (!group_keep(sa, in)) {
		message_answer_notify(sa, IKE_GSA_REGISTRATION, in->h->id,
				      IKE_N_REGISTRATION_FAILED, NULL, 0, in->now);
		return IKEV2_LIMIT;
	}
	error = group_put_answer(sa, &o, in->now);
	message_answer(sa, IKE_GSA_REGISTRATION, in->h->id, &o, in->now);
	return error ? IKEV2_REFUSED : IKEV2_OK;
}

enum ikev2_result group_response(struct ike_sa *sa, struct in *in)
{
	uint8_t kind = sa->req.kind;

	message_done(sa);
	if (kind == EX_GSA_REGISTER)
		group_take(sa, in);
	return error_of(in->c) ? IKEV2_REFUSED : IKEV2_OK;
}

enum ikev2_result group_inband(struct ike_sa *sa, struct in *in)
{
	const struct ikev2_group_ops *ops = &sa->e->env.group;
	struct ikev2_group_keys k = keys_of(sa);
	struct ikev2_id group = {0};
	uint16_t error;
	struct out o;

	if (!group_member(sa)) {
		message_answer_notify(sa, IKE_GSA_INBAND_REKEY, in->h->id,
				      IKE_N_AUTHORIZATION_FAILED, NULL, 0, in->now);
		return IKEV2_REFUSED;
	}
	if (!ike_find(in->c, IKE_PL_DELETE) && !ike_find(in->c, IKE_PL_GSA)) {
		input_fatal(sa, in, IKE_N_INVALID_SYNTAX);
		return IKEV2_PAYLOADS;
	}
	error = ops->inband(ops->ctx, sa->peer->cfg.tunnel, in->c, &k, &group, in->now);
	out_init(&o);
	message_answer(sa, IKE_GSA_INBAND_REKEY, in->h->id, &o, in->now);
	if (error && group.type) {
		sa->report = group;
		sa->report_error = error;
		sa->dirty = true;
	}
	return error ? IKEV2_REFUSED : IKEV2_OK;
}

bool group_wishes(const struct ike_sa *sa)
{
	return sa->want_group || sa->want_inband || sa->report.type;
}

/* Starts what is wished for. */
void group_start(struct ike_sa *sa, uint64_t now)
{
	const struct ikev2_group_ops *ops = &sa->e->env.group;
	struct ikev2_group_keys k = keys_of(sa);
	struct out o;

	out_init(&o);
	if (sa->report.type) { /* §2.3.2 */
		id_put(&o, IKE_PL_IDG, &sa->report);
		ike_put_notify(&o.o, sa->report_error, NULL, 0);
		sa->report.type = 0;
		message_request(sa, IKE_GSA_REGISTRATION, EX_GSA_REPORT, &o, now);
	} else if (sa->want_group) {
		sa->want_group = false;
		if (!sa->peer->group.type)
			return;
		group_put_request(sa, &o);
		message_request(sa, IKE_GSA_REGISTRATION, EX_GSA_REGISTER, &o, now);
	} else if (sa->want_inband) {
		sa->want_inband = false;
		if (ops->tell(ops->ctx, sa->peer->cfg.tunnel, &k, &o.o, now))
			message_request(sa, IKE_GSA_INBAND_REKEY, EX_GSA_INBAND, &o, now);
		sa->group_until = now + GROUP_IDLE_NS;
	}
}
