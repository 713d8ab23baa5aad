/*
 * The principal: the participant whose key server's SAKs are used (IEEE 802.1X-2020 9.3, 12.2).
 *
 * A SecY transmits under one SAK, so the whole group has to come to the same participant, and a
 * group is in several minds while a chain rolls over or a CAK differs somewhere. Hence:
 *  - the participant that ought to be principal is the most preferred one that reaches everybody
 *    who is reached at all. So a newer key takes over when the last member has it, not before;
 *    and a fallback, when somebody is reached under it alone;
 *  - it takes over after it has been that for MKA Life Time, and with no SAK on its way;
 *  - a SAK that a key server distributes under another participant is followed at once if that
 *    reaches everybody: who distributes has decided.
 * The SAK in use stays in use until one of the new principal replaces it.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"

#include <string.h>

bool actor_preferred(const struct actor *a, const struct actor *b)
{
	if (!a->overtime_at != !b->overtime_at)
		return !a->overtime_at;
	if (a->key.fallback != b->key.fallback)
		return !a->key.fallback;
	if (a->key.start != b->key.start)
		return a->key.start > b->key.start;
	return memcmp(a->key.ckn, b->key.ckn, sizeof(a->key.ckn)) > 0;
}

bool actor_covers(const struct actor *a, const struct actor *b)
{
	for (unsigned i = 0; i < b->peer_count; i++) {
		const struct peer *p = &b->peers[i];
		unsigned j = 0;

		while (p->live && j < a->peer_count &&
		       (a->peers[j].sci != p->sci || !a->peers[j].live))
			j++;
		if (p->live && j == a->peer_count)
			return false;
	}
	return true;
}

bool principal_may_follow(const struct actor *a)
{
	const struct mka *m = a->m;

	FOR_EACH_ACTOR (m, b)
		if (b != a && !actor_covers(a, b) && !mka_faulty(m, MKA_FAULT_ROLL_EARLY))
			return false;
	return true;
}

/* Who ought to be principal; NULL when there is no participant at all. */
static struct actor *principal_due(struct mka *m)
{
	struct actor *all = NULL, *some = NULL, *any = NULL;

	FOR_EACH_ACTOR (m, a) {
		bool live = peers_live(a) > 0;

		if (live && (!all || actor_preferred(a, all)) && principal_may_follow(a))
			all = a;
		if (live && (!some || actor_preferred(a, some)))
			some = a;
		if (!any || actor_preferred(a, any))
			any = a;
	}
	if (all)
		return all;
	/* Nobody reaches all, or there is nobody: a change would not better that. */
	if (m->principal && (!some || peers_live(m->principal)))
		return m->principal;
	return some ? some : any;
}

void principal_set(struct mka *m, struct actor *a, uint64_t now, const char *why)
{
	char name[ACTOR_NAME_LEN];

	if (a == m->principal)
		return;
	if (m->cfg.key_count > 1)
		log_info("mka secy %u: CAK %s%s is principal now: %s", m->cfg.secy,
			 actor_name(a, name), a->key.fallback ? " (fallback)" : "", why);
	m->principal = a;
	m->principal_at = now;
	m->rival = NULL;
	m->rest_at = 0;
}

/* A SAK is coming into use. One that is only being distributed is abandoned instead, and its key
 * server does not transmit with it while another is about to be principal (cp.c). */
static bool busy(const struct mka *m)
{
	return (m->cp == CP_TRANSMIT || m->cp == CP_TRANSMITTING) && peers_live(m->principal);
}

/* There is no reason for the rival any more; if it stays so. Peers that die, and peers that come,
 * do so under one CAK a moment before the other. */
static void rival_rest(struct mka *m, uint64_t now)
{
	if (!m->rest_at)
		m->rest_at = now;
	if (now < m->rest_at + m->cfg.hello_ns)
		return;
	m->rival = NULL;
	m->rest_at = 0;
}

void principal_run(struct mka *m, uint64_t now)
{
	struct actor *due = principal_due(m);

	/* While the CA is suspended nothing is begun that not everybody could follow. */
	if (m->principal && suspended(m, now))
		due = m->principal;
	if (!due || due == m->principal) {
		rival_rest(m, now);
		return;
	}
	m->rest_at = 0;
	if (!m->principal) {
		principal_set(m, due, now, "there is no other");
		return;
	}
	if (!m->rival)
		m->rivalry_at = now;
	if (due != m->rival)
		m->rival_at = now;
	m->rival = due;
	if (now >= m->rival_at + m->cfg.life_ns && !busy(m))
		principal_set(m, due, now,
			      actor_preferred(due, m->principal)
				      ? "it is preferred and reaches every peer"
				      : "the one before does not reach every peer");
}

void principal_put_off(struct mka *m, uint64_t late)
{
	m->rival_at += late;
	m->rivalry_at += late;
	if (m->rest_at)
		m->rest_at += late;
}

uint64_t principal_deadline(const struct mka *m)
{
	if (!m->rival)
		return MKA_NEVER;
	return m->rest_at ? m->rest_at + m->cfg.hello_ns : m->rival_at + m->cfg.life_ns;
}

/* A change is due a life time after its reason began. Members that go one after another are each a
 * new reason, so two more are waited for; then whoever can be served is. */
uint64_t principal_leaves(const struct mka *m)
{
	return m->rival ? m->rivalry_at + 3 * m->cfg.life_ns : 0;
}
