/* A group's life at its key server: members come, stay and go, keys are renewed. */
#include "crypto/keywrap.h"
#include "key/gikev2/fault.h"
#include "key/gikev2/server_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t server_tek_len(const struct gks *g)
{
	return (size_t)esp_suites[g->cfg.suite].key_len + esp_suites[g->cfg.suite].salt_len;
}

static unsigned member_at(const struct gks *g, uint32_t id)
{
	unsigned lo = 0, hi = g->m_count;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (g->m[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct gks_member *server_member(const struct gks *g, uint32_t id)
{
	unsigned i = member_at(g, id);

	return i < g->m_count && g->m[i].id == id ? &g->m[i] : NULL;
}

int server_member_add(struct gks *g, uint32_t id, struct gks_member **out)
{
	unsigned i = member_at(g, id);

	if (g->m_count == g->m_room) {
		unsigned room = g->m_room ? 2 * g->m_room : 16;
		struct gks_member *m = realloc(g->m, room * sizeof(*m));

		if (!m)
			return -ENOMEM;
		g->m = m;
		g->m_room = room;
	}
	memmove(g->m + i + 1, g->m + i, (g->m_count - i) * sizeof(*g->m));
	g->m[i] = (struct gks_member){.id = id};
	g->m_count++;
	*out = &g->m[i];
	return 0;
}

static uint32_t spi_fresh(struct gks *g)
{
	uint32_t spi = 0;

	while (spi < ESP_SPI_MIN) {
		g->env.random(g->env.ctx, &spi, sizeof(spi));
		for (unsigned i = 0; i < g->tek_count; i++)
			for (unsigned j = 0; j < g->cfg.flow_count; j++)
				spi = g->teks[i].spi[j] == spi ? 0 : spi;
	}
	return spi;
}

/* A new set in front of the others; the oldest makes room. */
static struct tek *tek_new(struct gks *g, uint64_t now)
{
	struct tek t = {.made_at = now, .hard_at = now + 2 * SECOND * g->cfg.tek_period_s};

	for (unsigned i = 0; i < g->cfg.flow_count; i++) {
		do
			t.spi[i] = spi_fresh(g);
		while (i && t.spi[i] == t.spi[i - 1]);
		t.key[i].len = (uint8_t)server_tek_len(g);
		g->env.random(g->env.ctx, t.key[i].b, t.key[i].len);
	}
	if (g->tek_count == TEKS_MAX)
		g->tek_count--;
	memmove(g->teks + 1, g->teks, g->tek_count * sizeof(*g->teks));
	g->teks[0] = t;
	g->tek_count++;
	secret_wipe(&t, sizeof(t));
	return &g->teks[0];
}

void server_spi(struct gks *g, uint8_t spi[IKE_REKEY_SPI_LEN])
{
	g->env.random(g->env.ctx, spi, IKE_REKEY_SPI_LEN);
	spi[0] |= 1; /* the initiator's half is never zero */
}

/* The Rekey SA after this one; its SPI is the one that was promised. */
static void kek_after(struct gks *g, struct kek *k, uint64_t now)
{
	struct gike_policy *p;

	*k = (struct kek){.made_at = now, .hard_at = now + 2 * SECOND * g->cfg.kek_period_s};
	memcpy(k->sa.spi, g->kek.next_spi, sizeof(k->sa.spi));
	server_spi(g, k->next_spi);
	build_begin(g);
	build_kek(g, k, GIKE_REGISTRATION, now);
	p = &g->b.gsa.v[0];
	k->keymat_len = rekey_keymat_len(p);
	g->env.random(g->env.ctx, k->keymat, k->keymat_len);
	(void)rekey_sa_init(&k->sa, p, k->keymat, k->keymat_len);
	if (g->kek.keymat_len)
		rekey_sa_auth_of(&k->sa, &g->kek.sa);
	else
		(void)rekey_sa_auth(&k->sa, p, g->b.kd.auth_key);
}

static void kek_take(struct gks *g, struct kek *k)
{
	g->kek = *k;
	secret_wipe(k, sizeof(*k));
	g->dirty = true;
}

static void keys_first(struct gks *g, uint64_t now)
{
	struct kek k;

	server_spi(g, g->kek.next_spi);
	kek_after(g, &k, now);
	kek_take(g, &k);
	secret_wipe(g->teks, sizeof(g->teks));
	g->tek_count = 0;
	tek_new(g, now);
	g->sender_next = 0;
}

void gks_reset(struct gks *g, uint64_t now)
{
	static const uint8_t zero[IKE_REKEY_SPI_LEN];
	struct lkh *tree = lkh_new(32, g->env.random, g->env.ctx);
	struct pending *p = tree ? message_new(g) : NULL;

	g->now = now;
	if (!tree)
		return;
	if (lkh_members(g->tree))
		g->again_at = now + (uint64_t)g->cfg.atd_s * SECOND;
	if (p) {
		message_delete(p, IKE_PROTO_ESP, zero, 1);
		message_delete(p, IKE_PROTO_GIKE_UPDATE, zero, 1);
		message_end(g, p);
	}
	lkh_free(g->tree);
	g->tree = tree;
	for (unsigned i = 0; i < g->m_count; i++)
		g->m[i].in = false;
	keys_first(g, now);
	g->resets++;
	g->dirty = true;
}

/* New Data-Security SAs for all; instead: the old ones are deleted. */
static void tek_renew(struct gks *g, bool instead, uint64_t now)
{
	uint8_t old[TEKS_MAX * GKS_FLOWS_MAX][IKE_ESP_SPI_LEN];
	unsigned n = 0;
	struct pending *p;

	for (unsigned i = 0; i < g->tek_count; i++)
		for (unsigned j = 0; j < g->cfg.flow_count; j++, n++)
			for (unsigned k = 0; k < IKE_ESP_SPI_LEN; k++)
				old[n][k] = (uint8_t)(g->teks[i].spi[j] >> (24 - 8 * k));
	tek_new(g, now);
	g->dirty = true;
	/* Who registers meanwhile needs them as long as others send by them. */
	for (unsigned i = 1; instead && i < g->tek_count; i++) {
		uint64_t end = now + (uint64_t)g->cfg.dtd_s * SECOND;

		g->teks[i].hard_at = end < g->teks[i].hard_at ? end : g->teks[i].hard_at;
	}
	p = lkh_members(g->tree) ? message_new(g) : NULL;
	if (!p)
		return;
	build_begin(g);
	build_tek(g, &g->teks[0], &p->sa.wrap, now);
	build_wide(g, false);
	if (build_put(g, &p->draft.o))
		p->draft.w.bad = true;
	if (instead)
		message_delete(p, IKE_PROTO_ESP, old, n);
	message_end(g, p);
}

/* The keys of the Rekey SA for all who stay: under its predecessor's default key, or by the tree. */
static int kek_keys(struct gks *g, const struct kek *k, const struct pending *p)
{
	struct lkh_wrapped *w = &g->b.sa[0];
	unsigned keys, wraps;
	int err;

	if (!lkh_stale(g->tree) || faulty(GIKEV2_FAULT_TREE_KEPT)) {
		*w = (struct lkh_wrapped){0};
		err = keywrap_pad(p->sa.wrap.b, p->sa.wrap.len, k->keymat, k->keymat_len, w->b,
				  &w->len);
		build_kek_key(g, k, w);
		return err;
	}
	err = lkh_rekey(g->tree, k->keymat, k->keymat_len, g->b.keys, &keys, g->b.wraps, &wraps,
			GIKE_KEYS_MAX);
	if (err)
		return err;
	for (unsigned i = 0; i < keys; i++)
		build_kek_key(g, k, &g->b.keys[i]);
	for (unsigned i = 0; i < wraps; i++)
		g->b.kd.wraps[g->b.kd.wrap_count++] = (struct gike_wrapped){
			g->b.wraps[i].key, g->b.wraps[i].kwk, {g->b.wraps[i].b, g->b.wraps[i].len}};
	return 0;
}

/* A new Rekey SA for all who stay. False: everybody was excluded instead. */
static bool kek_renew(struct gks *g, uint64_t now)
{
	struct pending *p;
	struct kek k;
	int err;

	kek_after(g, &k, now);
	p = message_new(g);
	err = p ? 0 : -ENOMEM;
	if (p && lkh_members(g->tree)) {
		build_begin(g);
		build_kek(g, &k, GIKE_REKEY, now);
		err = kek_keys(g, &k, p);
		err = err ? err : build_put(g, &p->draft.o);
	}
	if (err) {
		if (p)
			message_drop(g, p);
		secret_wipe(&k, sizeof(k));
		gks_reset(g, now);
		return false;
	}
	if (lkh_members(g->tree))
		message_end(g, p);
	else
		message_drop(g, p);
	kek_take(g, &k);
	return true;
}

/* Keys that whoever was just taken from the tree does not get. */
static void shut_out(struct gks *g, uint64_t now)
{
	if (kek_renew(g, now))
		tek_renew(g, true, now);
}

void gks_leave(struct gks *g, uint32_t member, uint64_t now)
{
	struct gks_member *m = server_member(g, member);

	g->now = now;
	if (!m || !m->in)
		return;
	m->in = false;
	lkh_remove(g->tree, m->place);
	g->dirty = true;
	shut_out(g, now);
}

int gks_exclude(struct gks *g, uint32_t member, uint64_t now)
{
	struct gks_member *m = server_member(g, member);
	int err = m ? 0 : server_member_add(g, member, &m);

	if (err)
		return err;
	m->banned = true;
	g->dirty = true;
	gks_leave(g, member, now);
	return 0;
}

void gks_readmit(struct gks *g, uint32_t member)
{
	struct gks_member *m = server_member(g, member);

	if (!m || !m->banned)
		return;
	m->banned = false;
	g->dirty = true;
}

/* Whether one of an SAg's proposals of that protocol and number has every transform of a policy. */
static bool proposal_has(const struct ike_proposal *q, const struct gike_policy *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		bool found = p->t[i].type == IKE_T_INTEG && p->t[i].id == IKE_INTEG_NONE;

		for (unsigned j = 0; j < q->count && !found; j++)
			found = !q->t[j].odd && q->t[j].type == p->t[i].type &&
				q->t[j].id == p->t[i].id && q->t[j].key_bits == p->t[i].key_bits;
		if (!found)
			return false;
	}
	return true;
}

/* §2.3.3: proposals of one number belong together; one of them must suit each policy of ours. */
static bool sag_suits(const struct gks *g, struct ike_bytes sag)
{
	uint8_t rekey[256] = {0}, data[256] = {0};
	struct rd r = rd_init(sag.p, sag.len);
	struct ike_proposal q;

	while (ike_proposal_next(&r, &q))
		for (unsigned i = 0; i < g->b.gsa.count; i++) {
			const struct gike_policy *p = &g->b.gsa.v[i];

			if (q.protocol != p->protocol || !proposal_has(&q, p))
				continue;
			if (p->protocol == IKE_PROTO_GIKE_UPDATE)
				rekey[q.num] = 1;
			else
				data[q.num] = 1;
		}
	for (unsigned i = 0; i < 256; i++)
		if (rekey[i] && data[i])
			return true;
	return false;
}

/* Everything a member at that place is told, but Sender-IDs, into b. */
static int build_all(struct gks *g, const struct gks_member *m, const struct secret *gsk_w,
		     uint64_t now)
{
	unsigned count = 0, sends = 0;
	uint32_t top;
	int err = lkh_path_of(g->tree, m->place, gsk_w, g->b.wraps, &count, &top);

	err = err ? err
		  : lkh_wrap_for(g->tree, m->place, g->kek.keymat, g->kek.keymat_len,
				 &g->b.keys[0]);
	if (err)
		return err;
	build_kek(g, &g->kek, GIKE_REGISTRATION, now);
	build_kek_key(g, &g->kek, &g->b.keys[0]);
	for (unsigned i = 0; i < count; i++)
		g->b.kd.wraps[g->b.kd.wrap_count++] = (struct gike_wrapped){
			g->b.wraps[i].key, g->b.wraps[i].kwk, {g->b.wraps[i].b, g->b.wraps[i].len}};
	/* The set that is sent by now comes first: newer ones are for after ATD. */
	while (sends + 1 < g->tek_count &&
	       now < g->teks[sends].made_at + (uint64_t)g->cfg.atd_s * SECOND)
		sends++;
	build_tek(g, &g->teks[sends], gsk_w, now);
	for (unsigned i = 0; i < g->tek_count; i++)
		if (i != sends)
			build_tek(g, &g->teks[i], gsk_w, now);
	return g->b.err;
}

/* Sender-IDs for b: fewer than asked for when few are left, but one. */
static void senders_give(struct gks *g, uint32_t asked)
{
	uint32_t all = 1u << g->cfg.sender_bits, n = asked ? asked : 1;

	n = n < g->cfg.senders_max ? n : g->cfg.senders_max;
	for (uint32_t i = 0; i < n && g->sender_next < all; i++)
		g->b.kd.senders[g->b.kd.sender_count++] = g->sender_next++;
	if (faulty(GIKEV2_FAULT_SENDER_AGAIN) && g->sender_next > 3)
		g->sender_next--;
}

static uint16_t refuse(struct gks *g, uint16_t why)
{
	g->refused++;
	return why;
}

static int member_in(struct gks *g, uint32_t id, struct gks_member **m)
{
	int err = *m ? 0 : server_member_add(g, id, m);

	if (err || (*m)->in)
		return err;
	err = lkh_members(g->tree) < g->cfg.members_max ? lkh_add(g->tree, &(*m)->place) : -ENOSPC;
	(*m)->in = !err;
	return err;
}

/* Whether it has not registered too often. What it may comes back with time. */
static bool member_spends(const struct gks *g, struct gks_member *m, uint64_t now)
{
	uint64_t back;

	if (!g->cfg.burst || !m)
		return true;
	if (!m->spent)
		m->spared_at = now;
	back = (now - m->spared_at) / g->cfg.every_ns;
	if (back >= m->spent) {
		m->spent = 0;
		m->spared_at = now;
	} else {
		m->spent = (uint8_t)(m->spent - back);
		m->spared_at += back * g->cfg.every_ns;
	}
	if (m->spent >= g->cfg.burst)
		return false;
	m->spent++;
	return true;
}

uint16_t gks_register(struct gks *g, uint32_t member, const struct secret *gsk_w,
		      const struct ike_chain *request, struct ike_out *answer, uint64_t now)
{
	const struct ike_notify *sender = ike_find_notify(request, IKE_N_GROUP_SENDER);
	const struct ike_payload *sag = ike_find(request, IKE_PL_SA);
	struct gks_member *m = server_member(g, member);
	uint32_t asked = 0;
	bool exhausted;

	g->now = now;
	if (sender && gike_sender_parse(sender, &asked) != GIKE_OK)
		return refuse(g, IKE_N_INVALID_SYNTAX);
	if (m && m->banned)
		return refuse(g, IKE_N_AUTHORIZATION_FAILED);
	if (!member_spends(g, m, now))
		return refuse(g, IKE_N_REGISTRATION_FAILED);
	if (sag) {
		build_begin(g);
		build_kek(g, &g->kek, GIKE_REKEY, now);
		build_tek(g, &g->teks[0], gsk_w, now);
		if (!sag_suits(g, sag->body))
			return refuse(g, IKE_N_NO_PROPOSAL);
	}
	/* All of what was told before is to have arrived first. */
	exhausted = sender && g->sender_next >= 1u << g->cfg.sender_bits;
	if (exhausted && now >= g->told_at + (uint64_t)g->cfg.atd_s * SECOND)
		gks_reset(g, now);
	else if (exhausted)
		return refuse(g, IKE_N_REGISTRATION_FAILED);
	if (now < g->again_at)
		return refuse(g, IKE_N_REGISTRATION_FAILED);
	g->dirty = true;
	if (member_in(g, member, &m))
		return refuse(g, IKE_N_REGISTRATION_FAILED);
	build_begin(g);
	if (build_all(g, m, gsk_w, now))
		return refuse(g, IKE_N_REGISTRATION_FAILED);
	if (sender)
		senders_give(g, asked);
	build_wide(g, sender);
	if (build_put(g, answer))
		return refuse(g, IKE_N_REGISTRATION_FAILED);
	return 0;
}

int gks_inband(struct gks *g, uint32_t member, const struct secret *gsk_w, struct ike_out *out,
	       uint64_t now)
{
	const struct gks_member *m = server_member(g, member);

	g->now = now;
	if (!m || !m->in)
		return -ENOENT;
	build_begin(g);
	for (unsigned i = g->tek_count; i-- > 0;) /* oldest first: it is the one that is sent by */
		build_tek(g, &g->teks[i], gsk_w, now);
	build_wide(g, false);
	return build_put(g, out);
}

void gks_expire(struct gks *g, uint64_t now)
{
	g->now = now;
	if (now >= g->kek.made_at + SECOND * g->cfg.kek_period_s)
		kek_renew(g, now);
	if (now >= g->teks[0].made_at + SECOND * g->cfg.tek_period_s)
		tek_renew(g, false, now);
	while (g->tek_count > 1 && now >= g->teks[g->tek_count - 1].hard_at) {
		secret_wipe(&g->teks[--g->tek_count], sizeof(*g->teks));
		g->dirty = true;
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t gks_deadline(const struct gks *g)
{
	uint64_t at = g->kek.made_at + SECOND * g->cfg.kek_period_s;

	at = earlier(at, g->teks[0].made_at + SECOND * g->cfg.tek_period_s);
	if (g->tek_count > 1)
		at = earlier(at, g->teks[g->tek_count - 1].hard_at);
	return earlier(at, message_deadline(g));
}

static bool config_holds(const struct gks_config *c)
{
	return c->suite < ESP_SUITE_COUNT && !esp_suites[c->suite].integ && c->flow_count &&
	       c->flow_count <= GKS_FLOWS_MAX && c->tek_period_s && c->kek_period_s &&
	       2ull * c->tek_period_s <= UINT32_MAX && 2ull * c->kek_period_s <= UINT32_MAX &&
	       c->atd_s < c->tek_period_s && c->dtd_s < c->tek_period_s &&
	       2 * c->atd_s <= c->dtd_s &&
	       (c->sender_bits == 8 || c->sender_bits == 12 || c->sender_bits == 16) &&
	       c->senders_max && c->senders_max <= GIKE_SENDERS_MAX && c->members_max &&
	       c->copies && (!c->burst || c->every_ns) &&
	       (c->implicit || (c->signature_len && c->spki_len)) && c->spki_len <= REKEY_SPKI_MAX;
}

struct gks *gks_new(const struct gks_config *cfg, const struct gks_env *env, uint64_t now)
{
	struct gks *g = config_holds(cfg) ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return NULL;
	g->cfg = *cfg;
	g->env = *env;
	g->now = now;
	g->tree = lkh_new(32, env->random, env->ctx);
	if (!g->tree) {
		free(g);
		return NULL;
	}
	keys_first(g, now);
	return g;
}

void gks_free(struct gks *g)
{
	if (!g)
		return;
	while (g->pending)
		message_drop(g, g->pending);
	message_forget(g);
	lkh_free(g->tree);
	free(g->m);
	secret_wipe(g, sizeof(*g));
	free(g);
}

bool gks_is_member(const struct gks *g, uint32_t member)
{
	const struct gks_member *m = server_member(g, member);

	return m && m->in;
}

void gks_show(const struct gks *g, struct gks_show *out)
{
	*out = (struct gks_show){
		.members = lkh_members(g->tree),
		.sender_next = g->sender_next,
		.message_id = g->kek.message_id,
		.rekeys = g->rekeys,
		.resets = g->resets,
		.refused = g->refused,
	};
	for (unsigned i = 0; i < g->m_count; i++)
		out->excluded += g->m[i].banned;
	memcpy(out->spi, g->teks[0].spi, sizeof(out->spi));
}
