#include "myelind/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int keep_init(struct keep *k, uint16_t secy, const struct keep_env *env)
{
	*k = (struct keep){.secy = secy, .env = *env};
	k->v = calloc(KEEP_MAX, sizeof(*k->v));
	return k->v ? 0 : -ENOMEM;
}

void keep_fini(struct keep *k)
{
	if (k->v)
		secret_wipe(k->v, KEEP_MAX * sizeof(*k->v));
	free(k->v);
	*k = (struct keep){};
}

static struct keep_sa *keep_find(const struct keep *k, uint8_t direction, uint64_t sci, uint8_t an,
				 const uint8_t *key_id)
{
	for (size_t i = 0; i < k->count; i++) {
		struct keep_sa *e = &k->v[i];

		if (e->direction == direction && e->sa.sci == sci && e->sa.an == an &&
		    memcmp(e->sa.key_id, key_id, MACSEC_KEY_ID_LEN) == 0)
			return e;
	}
	return NULL;
}

static void keep_remove(struct keep *k, struct keep_sa *e)
{
	size_t i = (size_t)(e - k->v);

	memmove(e, e + 1, (k->count - i - 1) * sizeof(*e));
	secret_wipe(&k->v[--k->count], sizeof(*e));
	k->dirty = true;
}

static int sa_say(struct keep *k, struct keep_sa *e)
{
	struct msg m = {.type = e->direction == SINK_TRANSMIT ? MSG_SA_TRANSMIT : MSG_SA_RECEIVE};
	int rc;

	m.sa = (struct msg_sa){.secy = k->secy,
			       .an = e->sa.an,
			       .suite = e->sa.suite,
			       .conf = e->sa.conf,
			       .sci = e->sa.sci,
			       .ssci = e->sa.ssci,
			       .pn = e->sa.pn,
			       .pn_limit = e->sa.pn_limit,
			       .key = e->sa.key};
	memcpy(m.sa.salt, e->sa.salt, sizeof(m.sa.salt));
	memcpy(m.sa.key_id, e->sa.key_id, sizeof(m.sa.key_id));
	rc = k->env.say(k->env.ctx, &m);
	secret_wipe(&m, sizeof(m));
	if (rc == 0)
		e->turn = 0;
	return rc;
}

static void retire_queue(struct keep *k, const uint8_t *key_id, uint64_t sci)
{
	struct keep_retire *r;

	if (k->retire_count == KEEP_RETIRES) {
		k->resync = true;
		return;
	}
	r = &k->retires[k->retire_count++];
	*r = (struct keep_retire){.turn = ++k->turn, .what = {.secy = k->secy, .sci = sci}};
	memcpy(r->what.key_id, key_id, sizeof(r->what.key_id));
}

int keep_add(struct keep *k, enum sink_direction d, const struct sink_sa *sa, uint64_t now)
{
	struct keep_sa *e = keep_find(k, (uint8_t)d, sa->sci, sa->an, sa->key_id);

	if (!e) {
		if (k->count == KEEP_MAX)
			return -ENOSPC;
		e = &k->v[k->count++];
		*e = (struct keep_sa){.direction = (uint8_t)d, .sa = *sa, .since_ns = now};
	} else {
		if (sa->pn > e->sa.pn)
			e->sa.pn = sa->pn;
		if (sa->pn_limit > e->sa.pn_limit)
			e->sa.pn_limit = sa->pn_limit;
	}
	if (!e->turn)
		e->turn = ++k->turn;
	k->dirty = true;
	return 0;
}

void keep_retire(struct keep *k, const uint8_t key_id[MACSEC_KEY_ID_LEN], uint64_t sci)
{
	for (size_t i = k->count; i-- > 0;) {
		struct keep_sa *e = &k->v[i];

		if (memcmp(e->sa.key_id, key_id, MACSEC_KEY_ID_LEN) == 0 &&
		    (!sci || (e->direction == SINK_RECEIVE && e->sa.sci == sci)))
			keep_remove(k, e);
	}
	retire_queue(k, key_id, sci);
}

void keep_clear(struct keep *k)
{
	while (k->count) {
		uint8_t key_id[MACSEC_KEY_ID_LEN];

		memcpy(key_id, k->v[0].sa.key_id, sizeof(key_id));
		keep_retire(k, key_id, 0);
	}
}

void keep_commit(struct keep *k)
{
	for (size_t i = 0; i < k->count; i++) {
		struct keep_sa *e = &k->v[i];

		if (e->turn && !e->said) {
			e->said = true;
			k->dirty = true;
		}
	}
}

/* The SA whose turn is next, or NULL. */
static struct keep_sa *turn_next(const struct keep *k)
{
	struct keep_sa *best = NULL;

	for (size_t i = 0; i < k->count; i++) {
		struct keep_sa *e = &k->v[i];

		if (e->turn && e->said && !e->awaited && (!best || e->turn < best->turn))
			best = e;
	}
	return best;
}

int keep_flush(struct keep *k)
{
	for (;;) {
		struct keep_sa *e = turn_next(k);
		struct keep_retire *r = k->retire_count ? &k->retires[0] : NULL;
		int rc;

		if (r && (!e || r->turn < e->turn)) {
			struct msg m = {.type = MSG_SA_RETIRE, .sa_retire = r->what};

			rc = k->env.say(k->env.ctx, &m);
			if (rc < 0)
				return rc;
			k->retire_count--;
			memmove(r, r + 1, k->retire_count * sizeof(*r));
		} else if (e) {
			rc = sa_say(k, e);
			if (rc < 0)
				return rc;
		} else {
			return 0;
		}
	}
}

void keep_sync_begin(struct keep *k)
{
	k->retire_count = 0; /* what is left over in forward is found by its reports */
	k->resync = false;
	for (size_t i = 0; i < k->count; i++) {
		k->v[i].awaited = k->v[i].said;
		k->v[i].installed = false;
	}
}

bool keep_report(struct keep *k, const struct sink_report *r)
{
	struct keep_sa *e = keep_find(k, r->direction, r->sci, r->an, r->key_id);

	if (!e) {
		bool key_wanted = false;

		for (size_t i = 0; i < k->count && r->installed; i++)
			if (memcmp(k->v[i].sa.key_id, r->key_id, MACSEC_KEY_ID_LEN) == 0)
				key_wanted = true;
		if (r->installed && !(key_wanted && r->direction == SINK_TRANSMIT))
			retire_queue(k, r->key_id, key_wanted ? r->sci : 0);
		return false;
	}
	e->awaited = false;
	if (!r->installed) {
		keep_remove(k, e);
		return true;
	}
	e->said = true;
	e->installed = true;
	e->pn_seen = r->pn;
	return true;
}

void keep_sync_done(struct keep *k)
{
	for (size_t i = 0; i < k->count;) {
		struct keep_sa *e = &k->v[i];
		struct sink_report r = {.secy = k->secy,
					.an = e->sa.an,
					.direction = e->direction,
					.installed = false,
					.sci = e->sa.sci};

		if (!e->awaited) {
			i++;
			continue;
		}
		memcpy(r.key_id, e->sa.key_id, sizeof(r.key_id));
		keep_remove(k, e);
		/* The engine may name SAs anew and so change what stands here: begin again. */
		k->env.lost(k->env.ctx, &r);
		i = 0;
	}
}

const struct keep_sa *keep_transmit(const struct keep *k)
{
	for (size_t i = k->count; i-- > 0;)
		if (k->v[i].direction == SINK_TRANSMIT && k->v[i].installed)
			return &k->v[i];
	return NULL;
}

void keep_save(struct keep *k, struct wr *w)
{
	wr_u16(w, (uint16_t)k->count);
	for (size_t i = 0; i < k->count; i++) {
		const struct keep_sa *e = &k->v[i];

		wr_u8(w, e->direction);
		wr_u8(w, e->said);
		wr_u64(w, e->since_ns);
		wr_u8(w, e->sa.an);
		wr_u8(w, e->sa.suite);
		wr_u8(w, e->sa.conf);
		wr_u64(w, e->sa.sci);
		wr_u32(w, e->sa.ssci);
		wr_bytes(w, e->sa.salt, sizeof(e->sa.salt));
		wr_u64(w, e->sa.pn);
		wr_u64(w, e->sa.pn_limit);
		wr_bytes(w, e->sa.key_id, sizeof(e->sa.key_id));
		wr_u8(w, e->sa.key.len);
		wr_bytes(w, e->sa.key.b, e->sa.key.len);
	}
	k->dirty = false;
}

/* Of the transmit SAs the one named last is in use: naming an older one again would take its place. */
static void older_transmits_rest(struct keep *k)
{
	bool newer = false;

	for (size_t i = k->count; i-- > 0;) {
		if (k->v[i].direction != SINK_TRANSMIT)
			continue;
		if (newer)
			k->v[i].turn = 0;
		newer = true;
	}
}

int keep_load(struct keep *k, struct rd *r)
{
	uint16_t count = rd_u16(r);

	if (count > KEEP_MAX)
		return -EBADMSG;
	for (uint16_t i = 0; i < count && !r->bad; i++) {
		struct keep_sa *e = &k->v[i];
		const uint8_t *key;
		uint8_t len;

		*e = (struct keep_sa){.direction = rd_u8(r)};
		e->said = rd_u8(r);
		e->turn = ++k->turn; /* its limits may have grown since they were said */
		e->since_ns = rd_u64(r);
		e->sa.secy = k->secy;
		e->sa.an = rd_u8(r);
		e->sa.suite = rd_u8(r);
		e->sa.conf = rd_u8(r);
		e->sa.sci = rd_u64(r);
		e->sa.ssci = rd_u32(r);
		rd_copy(r, e->sa.salt, sizeof(e->sa.salt));
		e->sa.pn = rd_u64(r);
		e->sa.pn_limit = rd_u64(r);
		rd_copy(r, e->sa.key_id, sizeof(e->sa.key_id));
		len = rd_u8(r);
		key = rd_bytes(r, len);
		if (!key || e->direction > SINK_TRANSMIT || e->sa.an >= MACSEC_AN_COUNT ||
		    e->sa.suite >= MACSEC_SUITE_COUNT || e->sa.conf >= MACSEC_CONF_COUNT ||
		    secret_set(&e->sa.key, key, len) < 0)
			r->bad = true;
	}
	if (r->bad) {
		secret_wipe(k->v, KEEP_MAX * sizeof(*k->v));
		k->count = 0;
		return -EBADMSG;
	}
	k->count = count;
	older_transmits_rest(k);
	return 0;
}
