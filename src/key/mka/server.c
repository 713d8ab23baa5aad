/*
 * The key server: its election among the live peers (IEEE 802.1X-2020 9.5), and what it does:
 * makes SAKs and decides when (9.8), until everybody has each.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"
#include "crypto/mka_kdf.h"

#include <inttypes.h>
#include <string.h>

/* Lower value first, then the lower SCI. */
static bool better(uint8_t priority, uint64_t sci, uint8_t than, uint64_t than_sci)
{
	return priority != than ? priority < than : sci < than_sci;
}

static void election_consider(const struct peer *p, struct server *s, const struct peer **best)
{
	if (!p->live)
		return;
	s->elected = true;
	if (!p->key_server || p->priority == 255)
		return;
	if (!*best || better(p->priority, p->sci, (*best)->priority, (*best)->sci))
		*best = p;
}

struct server election_result(const struct actor *a, const struct peer *as)
{
	struct server s = {.self = a->m->cfg.priority != 255};
	const struct peer *best = NULL;

	if (as)
		election_consider(as, &s, &best);
	for (unsigned i = 0; i < a->peer_count; i++)
		if (!as || a->peers[i].sci != as->sci)
			election_consider(&a->peers[i], &s, &best);
	if (best && s.self && better(best->priority, best->sci, a->m->cfg.priority, a->m->cfg.sci))
		s.self = false;
	if (!s.elected || (!s.self && !best))
		return (struct server){0};
	memcpy(s.mi, s.self ? a->mi : best->mi, MKA_MI_LEN);
	s.sci = s.self ? a->m->cfg.sci : best->sci;
	return s;
}

void election_run(struct actor *a, uint64_t now)
{
	struct server s = election_result(a, NULL);
	bool changed = s.elected != a->elected || s.self != a->self || s.sci != a->ks_sci;

	a->elected = s.elected;
	a->self = s.self;
	a->ks_sci = s.sci;
	memcpy(a->ks_mi, s.mi, MKA_MI_LEN);
	if (!changed)
		return;
	a->elected_at = now;
	actor_tell(a);
	if (a->elected)
		log_info("mka secy %u: key server is %016" PRIx64 "%s", a->m->cfg.secy, a->ks_sci,
			 a->self ? " (this node)" : "");
}

/*
 * The SAK is for exactly those who are live now. Whoever came later must not get it: he may be a
 * member that lost its memory, and would count its packets from 1 under a key it has used.
 */
static bool members_as_live(const struct actor *a, const struct sak *s)
{
	unsigned live = 0;

	for (unsigned i = 0; i < a->peer_count; i++) {
		if (!a->peers[i].live)
			continue;
		if (!sak_member(s, a->peers[i].mi))
			return false;
		live++;
	}
	return live == s->member_count;
}

bool server_all_receiving(const struct mka *m, const struct sak *s)
{
	const struct actor *a = s->actor;

	if (mka_faulty(m, MKA_FAULT_SEND_EARLY))
		return true;
	for (unsigned i = 0; a && i < a->peer_count; i++) {
		const struct peer *p = &a->peers[i];
		const struct key_use *u = peer_use_of(p, &s->ki);

		if (p->live && (!u || !u->rx))
			return false;
	}
	return true;
}

bool server_some_receiving(const struct sak *s)
{
	const struct actor *a = s->actor;

	for (unsigned i = 0; a && i < a->peer_count; i++) {
		const struct key_use *u = peer_use_of(&a->peers[i], &s->ki);

		if (a->peers[i].live && u && u->rx)
			return true;
	}
	return false;
}

bool server_has_stranger(const struct sak *s)
{
	const struct actor *a = s->actor;

	for (unsigned i = 0; a && i < a->peer_count; i++)
		if (a->peers[i].live && !sak_member(s, a->peers[i].mi))
			return true;
	return false;
}

bool all_transmitting(const struct sak *s)
{
	const struct actor *a = s->actor;

	for (unsigned i = 0; a && i < a->peer_count; i++) {
		const struct key_use *u = peer_use_of(&a->peers[i], &s->ki);

		if (a->peers[i].live && sak_member(s, a->peers[i].mi) && (!u || !u->tx))
			return false;
	}
	return true;
}

bool some_transmitting(const struct sak *s)
{
	const struct actor *a = s->actor;

	for (unsigned i = 0; a && i < a->peer_count; i++) {
		const struct key_use *u = peer_use_of(&a->peers[i], &s->ki);

		if (a->peers[i].live && u && u->tx)
			return true;
	}
	return false;
}

bool server_distributes(const struct actor *a)
{
	const struct mka *m = a->m;
	const struct sak *s = sak_newest(m);

	if (a != m->principal || !a->self || !s || !sak_made_by(s, a->mi))
		return false;
	if (mka_faulty(m, MKA_FAULT_REUSE_SAK))
		return !server_all_receiving(m, s);
	return members_as_live(a, s) && !server_all_receiving(m, s);
}

static bool pn_passed(const struct actor *a, const struct sak *s)
{
	uint64_t limit = sak_pn_limit(a->m, s->suite);

	if (s->pn >= limit)
		return true;
	for (unsigned i = 0; i < a->peer_count; i++) {
		const struct key_use *u = peer_use_of(&a->peers[i], &s->ki);

		if (a->peers[i].live && u && u->lpn >= limit)
			return true;
	}
	return false;
}

/* Somebody is about to become live: he was heard, or a live peer lists him (9.4.3 makes both
 * potential peers). */
static bool potentials(const struct actor *a)
{
	for (unsigned i = 0; i < a->peer_count; i++)
		if (!a->peers[i].live || a->peers[i].lists_others)
			return true;
	return false;
}

/* From when on a fresh SAK is wanted; MKA_NEVER: nothing calls for one. */
static uint64_t wanted_from(const struct mka *m)
{
	const struct actor *a = m->principal;
	const struct sak *s = sak_newest(m);
	/* Members that are missing here may be those that the next principal is for. */
	uint64_t leaves = principal_leaves(m);

	if (!a || !a->self || !peers_live(a) || m->sak[SAK_NEXT].held)
		return MKA_NEVER;
	if (!s || !sak_made_by(s, a->mi) || m->fresh_wanted)
		return 0;
	if (!mka_faulty(m, MKA_FAULT_REUSE_SAK) && !members_as_live(a, s))
		return sak_in_use(m) ? leaves : 0;
	if (pn_passed(a, s))
		return 0;
	if (macsec_confs[s->conf].clear > macsec_confs[m->cfg.conf].clear)
		return 0; /* the file closed what this SAK leaves open */
	if (m->cfg.rekey_ns && s->tx && !m->suspended_until)
		return s->since + m->cfg.rekey_ns > leaves ? s->since + m->cfg.rekey_ns : leaves;
	return MKA_NEVER;
}

/*
 * From when on a fresh SAK may be made. Joins are gathered: while somebody is a potential peer,
 * nothing is made before MKA Life Time has passed since the last SAK (or since the election).
 * One SAK is brought into use before the next is made, unless membership changed under it.
 */
static uint64_t allowed_from(const struct mka *m)
{
	const struct actor *a = m->principal;
	uint64_t since = m->principal_at > a->elected_at ? m->principal_at : a->elected_at;
	uint64_t base = m->distributed_at > since ? m->distributed_at : since;
	uint64_t gather = potentials(a) ? base + m->cfg.life_ns : 0;
	uint64_t gap = m->distributed_at + m->cfg.hello_ns;
	/* A key server died, and several may think now that they are next: they tell each other
	 * before the first of them acts. There is a SAK to go on with. */
	uint64_t settle = sak_newest(m) ? since + m->cfg.hello_ns / 4 : 0;

	if (settle > gather)
		gather = settle;

	switch (m->cp) {
	case CP_SECURED:
	case CP_RETIRE:
		return gather;
	case CP_RECEIVE:
	case CP_RECEIVING:
	case CP_READY:
		if (!sak_made_by(&m->sak[SAK_LATEST], a->mi))
			return gather;
		if (members_as_live(a, &m->sak[SAK_LATEST]))
			return MKA_NEVER;
		return gather > gap ? gather : gap;
	default:
		return MKA_NEVER;
	}
}

uint64_t server_deadline(const struct mka *m)
{
	uint64_t wanted = wanted_from(m), allowed;

	if (wanted == MKA_NEVER)
		return MKA_NEVER;
	allowed = allowed_from(m);
	return wanted > allowed ? wanted : allowed;
}

static uint8_t ans_of_peers(const struct actor *a)
{
	uint8_t ans = 0;

	for (unsigned i = 0; i < a->peer_count; i++) {
		const struct key_use *u[2] = {&a->peers[i].latest, &a->peers[i].old};

		for (unsigned j = 0; a->peers[i].live && j < 2; j++)
			if (u[j]->ki.kn)
				ans |= (uint8_t)(1 << u[j]->an);
	}
	return ans;
}

/* An association number nobody uses, if there is one; never one we use ourselves. */
static uint8_t an_choose(const struct mka *m)
{
	uint8_t ours = 0, theirs = 0;

	for (unsigned i = 0; i < SAK_SLOTS; i++)
		if (m->sak[i].held)
			ours |= (uint8_t)(1 << m->sak[i].an);
	FOR_EACH_ACTOR (m, a)
		theirs |= ans_of_peers(a);
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 1; i <= MACSEC_AN_COUNT; i++) {
			uint8_t an = (uint8_t)((m->an + i) % MACSEC_AN_COUNT);

			if (!((pass ? ours : ours | theirs) & 1 << an))
				return an;
		}
	return (uint8_t)((m->an + 1) % MACSEC_AN_COUNT);
}

/* SAK = KDF(CAK, "IEEE8021 SAK", nonce | member identifiers | key number) (9.8.1). */
static int sak_derive(struct actor *a, struct sak *s)
{
	uint8_t context[32 + (MKA_PEERS_MAX + 1) * MKA_MI_LEN + 4];
	struct wr w = wr_init(context, sizeof(context));
	uint8_t len = macsec_suites[s->suite].key_len;
	int err = -1;

	a->m->env.random(a->m->env.ctx, wr_room(&w, len), len);
	for (unsigned i = 0; i < s->member_count; i++)
		wr_bytes(&w, s->members[i].mi, MKA_MI_LEN);
	wr_bytes(&w, a->mi, MKA_MI_LEN);
	wr_u32(&w, s->ki.kn);
	if (!w.bad)
		err = mka_kdf(a->key.cak.b, a->key.cak.len, "IEEE8021 SAK", context, wr_len(&w),
			      s->key.b, len);
	s->key.len = err ? 0 : len;
	secret_wipe(context, sizeof(context));
	return err;
}

/* An offset is for those alone who all say that they know one (11.11.1): else all is encrypted. */
static enum macsec_conf conf_choose(const struct actor *a)
{
	for (unsigned i = 0; i < a->peer_count; i++)
		if (a->peers[i].live && a->peers[i].capability < MKPDU_CAPABLE_CONF &&
		    (a->m->cfg.conf == MACSEC_CONF_30 || a->m->cfg.conf == MACSEC_CONF_50))
			return MACSEC_CONF_0;
	return a->m->cfg.conf;
}

static void sak_make(struct mka *m, uint64_t now)
{
	struct sak *s = &m->sak[SAK_NEXT];
	struct actor *a = m->principal;

	*s = (struct sak){.held = true, .suite = m->cfg.suite, .since = now, .an = an_choose(m)};
	s->actor = a;
	s->conf = conf_choose(a);
	memcpy(s->ki.mi, a->mi, MKA_MI_LEN);
	s->ki.kn = m->kn + 1;
	for (unsigned i = 0; i < a->peer_count; i++) {
		const struct peer *p = &a->peers[i];

		if (!p->live)
			continue;
		s->members[s->member_count].sci = p->sci;
		memcpy(s->members[s->member_count++].mi, p->mi, MKA_MI_LEN);
	}
	if (macsec_suites[s->suite].xpn) {
		sak_salt(s);
		sak_ssci_assign(m, s);
	}
	if (sak_derive(a, s)) {
		log_error("mka secy %u: cannot derive a SAK", m->cfg.secy);
		secret_wipe(s, sizeof(*s));
		m->distributed_at = now; /* tried again after a while */
		return;
	}
	m->kn = s->ki.kn;
	m->an = s->an;
	m->distributed_at = now;
	m->fresh_wanted = false;
	actor_tell(a);
	log_info("mka secy %u: SAK %u with AN %u made for %u peers", m->cfg.secy, s->ki.kn, s->an,
		 s->member_count);
}

void server_run(struct mka *m, uint64_t now)
{
	if (server_deadline(m) <= now)
		sak_make(m, now);
}
