/* Groups over IKEv2: between an engine's exchanges and the two sides of a group. */
#include "key/gikev2/agent.h"

#include "base/clock.h"
#include "key/gikev2/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_NS NS_PER_S /* another group is being asked for over the same IKE SA */

struct served {
	struct ikev2_id id;
	struct gks *g;
	bool (*may)(void *ctx, uint16_t tunnel);
	void *ctx;
};

struct joined {
	struct ikev2_id id;
	uint16_t tunnel;
	struct gm *m;
	bool asking;
	uint64_t not_before;
	uint16_t error;
	uint64_t failures;
};

struct agent {
	struct ikev2 *e;
	unsigned served_count, joined_count;
	struct served served[AGENT_GROUPS_MAX];
	struct joined joined[AGENT_GROUPS_MAX];
};

struct agent *agent_new(void)
{
	return calloc(1, sizeof(struct agent));
}

void agent_free(struct agent *a)
{
	free(a);
}

void agent_engine(struct agent *a, struct ikev2 *e)
{
	a->e = e;
}

int agent_serve(struct agent *a, const struct ikev2_id *group, struct gks *g,
		bool (*may)(void *ctx, uint16_t tunnel), void *ctx)
{
	if (a->served_count == AGENT_GROUPS_MAX)
		return -ENOSPC;
	a->served[a->served_count++] = (struct served){*group, g, may, ctx};
	return 0;
}

int agent_join(struct agent *a, const struct ikev2_id *group, uint16_t tunnel, struct gm *m)
{
	if (a->joined_count == AGENT_GROUPS_MAX)
		return -ENOSPC;
	a->joined[a->joined_count++] = (struct joined){.id = *group, .tunnel = tunnel, .m = m};
	return 0;
}

static bool same(const struct ikev2_id *a, const struct ikev2_id *b)
{
	return a->type == b->type && a->len == b->len && !memcmp(a->b, b->b, a->len);
}

static struct served *served_find(struct agent *a, const struct ikev2_id *group)
{
	for (unsigned i = 0; i < a->served_count; i++)
		if (same(&a->served[i].id, group))
			return &a->served[i];
	return NULL;
}

static struct joined *joined_find(struct agent *a, uint16_t tunnel, const struct ikev2_id *group)
{
	for (unsigned i = 0; i < a->joined_count; i++)
		if (a->joined[i].tunnel == tunnel && same(&a->joined[i].id, group))
			return &a->joined[i];
	return NULL;
}

/* GSK_w of the IKE SA. */
static bool wrapping(const struct ikev2_group_keys *k, struct secret *gsk_w)
{
	size_t len = group_wrap_len(k->kwa);

	return len && !group_default_key(k->prf, k->sk_d, len, gsk_w);
}

/* Member. */

static void ask(void *ctx, uint16_t tunnel, const struct ikev2_id *group, struct ike_out *o)
{
	struct joined *j = joined_find(ctx, tunnel, group);

	if (j)
		gm_request(j->m, o);
}

/* What a key server is told of an answer that is not followed (§2.3.2). */
static uint16_t objection(enum gm_result r)
{
	switch (r) {
	case GM_OK:
	case GM_STALE: /* it is asked again */
	case GM_UNKNOWN:
	case GM_SENDER:
		return 0;
	case GM_ALGORITHM:
		return IKE_N_NO_PROPOSAL;
	default:
		return IKE_N_REGISTRATION_FAILED;
	}
}

static uint16_t answer(void *ctx, uint16_t tunnel, const struct ikev2_id *group,
		       const struct ike_chain *c, const struct ikev2_group_keys *k, uint64_t now)
{
	struct joined *j = joined_find(ctx, tunnel, group);
	enum gm_result res = GM_KEYS;
	struct secret gsk_w;

	if (!j)
		return 0;
	j->asking = false;
	if (wrapping(k, &gsk_w)) {
		res = gm_registered(j->m, c, &gsk_w, now);
		secret_clear(&gsk_w);
	} else {
		gm_failed(j->m, now);
	}
	j->error = objection(res);
	j->failures += res != GM_OK;
	return j->error;
}

static void refused(void *ctx, uint16_t tunnel, const struct ikev2_id *group, uint16_t error,
		    uint64_t now)
{
	struct joined *j = joined_find(ctx, tunnel, group);

	if (!j)
		return;
	j->asking = false;
	j->error = error;
	j->failures++;
	gm_failed(j->m, now);
}

static void closed(void *ctx, uint16_t tunnel, uint64_t now)
{
	struct agent *a = ctx;

	for (unsigned i = 0; i < a->joined_count; i++)
		if (a->joined[i].tunnel == tunnel)
			gm_cut(a->joined[i].m, now);
}

static uint16_t inband(void *ctx, uint16_t tunnel, const struct ike_chain *c,
		       const struct ikev2_group_keys *k, struct ikev2_id *group, uint64_t now)
{
	struct agent *a = ctx;
	struct joined *only = NULL;
	struct secret gsk_w;
	enum gm_result res;

	for (unsigned i = 0; i < a->joined_count; i++) {
		struct gm_show s;

		gm_show(a->joined[i].m, &s);
		if (a->joined[i].tunnel != tunnel || !s.registered)
			continue;
		if (only) /* nothing says which one it is about */
			return IKE_N_REGISTRATION_FAILED;
		only = &a->joined[i];
	}
	if (!only || !wrapping(k, &gsk_w))
		return IKE_N_REGISTRATION_FAILED;
	res = gm_inband(only->m, c, &gsk_w, now);
	secret_clear(&gsk_w);
	*group = only->id;
	return objection(res);
}

/* Key server. */

static uint16_t request(void *ctx, uint16_t tunnel, const struct ikev2_id *group,
			const struct ike_chain *c, const struct ikev2_group_keys *k,
			struct ike_out *o, uint64_t now)
{
	struct served *s = served_find(ctx, group);
	struct secret gsk_w;
	uint16_t error;

	if (!s)
		return IKE_N_INVALID_GROUP_ID;
	if (!s->may(s->ctx, tunnel))
		return IKE_N_AUTHORIZATION_FAILED;
	if (!wrapping(k, &gsk_w))
		return IKE_N_REGISTRATION_FAILED;
	error = gks_register(s->g, tunnel, &gsk_w, c, o, now);
	secret_clear(&gsk_w);
	return error;
}

static void left(void *ctx, uint16_t tunnel, const struct ikev2_id *group, uint64_t now)
{
	struct served *s = served_find(ctx, group);

	if (s)
		gks_leave(s->g, tunnel, now);
}

static bool tell(void *ctx, uint16_t tunnel, const struct ikev2_group_keys *k, struct ike_out *o,
		 uint64_t now)
{
	struct agent *a = ctx;
	struct served *only = NULL;
	struct secret gsk_w;
	int err;

	for (unsigned i = 0; i < a->served_count; i++) {
		if (!gks_is_member(a->served[i].g, tunnel))
			continue;
		if (only)
			return false;
		only = &a->served[i];
	}
	if (!only) {
		gks_put_out(o);
		return true;
	}
	if (!wrapping(k, &gsk_w))
		return false;
	err = gks_inband(only->g, tunnel, &gsk_w, o, now);
	secret_clear(&gsk_w);
	return !err;
}

struct ikev2_group_ops agent_ops(struct agent *a)
{
	return (struct ikev2_group_ops){a,      ask,     answer, refused, inband,
					closed, request, left,   tell};
}

void agent_expire(struct agent *a, uint64_t now)
{
	for (unsigned i = 0; i < a->joined_count; i++) {
		struct joined *j = &a->joined[i];
		int err;

		if (now >= gm_deadline(j->m))
			gm_expire(j->m, now);
		if (j->asking || now < j->not_before || now < gm_wants_at(j->m))
			continue;
		j->asking = true; /* it may be refused before the call returns */
		err = ikev2_group_register(a->e, j->tunnel, &j->id, now);
		if (!err)
			continue;
		j->asking = false;
		if (err == -EBUSY)
			j->not_before = now + BUSY_NS;
		else
			gm_failed(j->m, now);
	}
}

static uint64_t asks_at(const struct joined *j)
{
	uint64_t at = gm_wants_at(j->m);

	return j->asking ? GM_NEVER : at < j->not_before ? j->not_before : at;
}

uint64_t agent_deadline(const struct agent *a)
{
	uint64_t min = GM_NEVER;

	for (unsigned i = 0; i < a->joined_count; i++) {
		uint64_t timer = gm_deadline(a->joined[i].m), at = asks_at(&a->joined[i]);

		at = timer < at ? timer : at;
		min = at < min ? at : min;
	}
	return min;
}

bool agent_show(const struct agent *a, unsigned i, struct agent_show *out)
{
	if (i >= a->joined_count)
		return false;
	*out = (struct agent_show){a->joined[i].asking, a->joined[i].error, a->joined[i].failures};
	return true;
}
