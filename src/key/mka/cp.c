/*
 * The controlled port state machine (IEEE 802.1X-2020 12.4, figure 12-2), for a port that is
 * secured or nothing: ALLOWED and AUTHENTICATED, its unsecured states, do not exist here.
 *
 * Where this differs from the figure, it is to lose fewer frames:
 *  - a change of key server (chgdServer) does not delete the SAKs in use; the new key server's
 *    SAK replaces them as in any rekey, with an AN that nobody uses;
 *  - the first SAK too is only transmitted with when the receivers have it (the figure lets a
 *    port that is not yet enabled transmit at once), or by the key server after MKA Life Time;
 *  - the old SAK is kept beyond MKA_SAK_RETIRE_TIME, up to MKA Life Time more, while a live peer
 *    has not said that it transmits with the new one;
 *  - ABANDON without another SAK at hand goes back to RETIRE, with the SAK that was in use;
 *  - an abandoned SAK that we had said we receive with is received with for MKA Life Time more:
 *    its key server may have begun to transmit at the same moment;
 *  - with cfg.keep_sak_ns a SAK is used on for that long though nobody is live (kay.c).
 */
#include "key/mka/mka_i.h"

#include "base/log.h"

#include <string.h>

static bool always(const struct mka *m, uint64_t now)
{
	(void)m;
	(void)now;
	return true;
}

static bool secure(const struct mka *m, uint64_t now)
{
	(void)now;
	return m->principal && m->principal->elected;
}

static bool unsecure(const struct mka *m, uint64_t now)
{
	return mka_alone(m) && !mka_keeps_sak(m, now);
}

static bool new_sak(const struct mka *m, uint64_t now)
{
	(void)now;
	return m->sak[SAK_NEXT].held;
}

static bool new_sak_or_unsecure(const struct mka *m, uint64_t now)
{
	return new_sak(m, now) || unsecure(m, now);
}

/* Every member we know has a receive SA, and none is missing who could still turn up. */
static bool using_receive_sas(const struct mka *m, uint64_t now)
{
	const struct sak *s = &m->sak[SAK_LATEST];

	return sak_receiving(s) && (sak_all_known(s) || now >= m->receive_at + m->cfg.life_ns / 2);
}

static bool not_elected_self(const struct mka *m, uint64_t now)
{
	(void)now;
	return !m->sak[SAK_LATEST].actor || !m->sak[SAK_LATEST].actor->self;
}

/* electedSelf && (allReceiving || !transmitWhen) */
static bool server_may_transmit(const struct mka *m, uint64_t now)
{
	const struct sak *s = &m->sak[SAK_LATEST];

	return s->actor && s->actor == m->principal && s->actor->self &&
	       sak_made_by(s, s->actor->mi) && now >= principal_leaves(m) &&
	       (server_all_receiving(m, s) ||
		(now >= m->transmit_when && server_some_receiving(s) && !server_has_stranger(s)));
}

/* serverTransmitting; a peer that transmits proves as much as the key server itself. */
static bool may_follow(const struct mka *m, uint64_t now)
{
	(void)now;
	return some_transmitting(&m->sak[SAK_LATEST]) || mka_faulty(m, MKA_FAULT_SEND_EARLY);
}

/* Forward lost it, or whoever distributed it is not key server of the principal any more: nobody
 * will ever bring it in. */
static bool stale(const struct mka *m, uint64_t now)
{
	const struct sak *s = &m->sak[SAK_LATEST];
	const struct actor *a = s->actor;

	(void)now;
	return s->lost || !a || a != m->principal || (a->elected && !sak_made_by(s, a->ks_mi));
}

static bool sak_lost(const struct mka *m, uint64_t now)
{
	(void)now;
	return m->sak[SAK_LATEST].lost;
}

static bool using_transmit_sa(const struct mka *m, uint64_t now)
{
	(void)now;
	return m->sak[SAK_LATEST].tx_installed;
}

static bool retire_due(const struct mka *m, uint64_t now)
{
	if (mka_faulty(m, MKA_FAULT_RETIRE_EARLY))
		return true;
	return unsecure(m, now) || now >= m->retire_limit ||
	       (now >= m->retire_when &&
		(new_sak(m, now) || all_transmitting(&m->sak[SAK_LATEST])));
}

static const struct cp_row {
	enum cp_state from, to;
	bool (*when)(const struct mka *m, uint64_t now);
} rows[] = {
	/* clang-format off */
	{CP_INIT,          CP_CHANGE,       always},
	{CP_CHANGE,        CP_SECURED,      secure},
	{CP_SECURED,       CP_CHANGE,       unsecure},
	{CP_SECURED,       CP_RECEIVE,      new_sak},
	{CP_RECEIVE,       CP_ABANDON,      new_sak_or_unsecure},
	{CP_RECEIVE,       CP_ABANDON,      stale},
	{CP_RECEIVE,       CP_RECEIVING,    using_receive_sas},
	{CP_RECEIVING,     CP_TRANSMIT,     server_may_transmit},
	{CP_RECEIVING,     CP_ABANDON,      new_sak_or_unsecure},
	{CP_RECEIVING,     CP_READY,        not_elected_self},
	{CP_RECEIVING,     CP_ABANDON,      stale},
	{CP_READY,         CP_TRANSMIT,     may_follow},
	{CP_READY,         CP_TRANSMIT,     server_may_transmit}, /* it had no peers for a while */
	{CP_READY,         CP_ABANDON,      new_sak_or_unsecure},
	{CP_READY,         CP_ABANDON,      stale},
	{CP_TRANSMIT,      CP_RETIRE,       unsecure},
	{CP_TRANSMIT,      CP_ABANDON,      sak_lost},
	{CP_TRANSMIT,      CP_TRANSMITTING, using_transmit_sa},
	{CP_TRANSMITTING,  CP_RETIRE,       retire_due},
	{CP_RETIRE,        CP_CHANGE,       unsecure},
	{CP_RETIRE,        CP_RECEIVE,      new_sak},
	{CP_ABANDON,       CP_RETIRE,       unsecure},
	{CP_ABANDON,       CP_RECEIVE,      new_sak},
	{CP_ABANDON,       CP_RETIRE,       always},
	/* clang-format on */
};

static const char *const names[CP_STATE_COUNT] = {
	[CP_INIT] = "INIT",           [CP_CHANGE] = "CHANGE",
	[CP_SECURED] = "SECURED",     [CP_RECEIVE] = "RECEIVE",
	[CP_RECEIVING] = "RECEIVING", [CP_READY] = "READY",
	[CP_TRANSMIT] = "TRANSMIT",   [CP_TRANSMITTING] = "TRANSMITTING",
	[CP_ABANDON] = "ABANDON",     [CP_RETIRE] = "RETIRE",
};

const char *cp_state_name(enum cp_state s)
{
	return names[s];
}

/* All peers are gone. A SAK that was in use is never used again, so whoever still has us listed
 * must see a stranger that needs a fresh one: a new member identifier, under each of the CAKs. */
static void enter_change(struct mka *m, uint64_t now)
{
	bool lost = false;

	for (unsigned i = 0; i < SAK_SLOTS; i++) {
		lost |= m->sak[i].held;
		sak_retire(m, &m->sak[i]);
	}
	FOR_EACH_ACTOR (m, a)
		if (lost)
			actor_rename(a, now);
}

static void enter_receive(struct mka *m, uint64_t now)
{
	struct sak *s = &m->sak[SAK_LATEST];

	sak_move(s, &m->sak[SAK_NEXT]);
	m->receive_at = now;
	for (unsigned i = SAK_OLD; i < SAK_SLOTS; i++) {
		if (!m->sak[i].held || m->sak[i].an != s->an)
			continue;
		/* Two halves of a group met, each with this AN. */
		log_warn("mka secy %u: AN %u is needed again: SAK %u ends early", m->cfg.secy,
			 s->an, m->sak[i].ki.kn);
		sak_retire(m, &m->sak[i]);
	}
	sak_receive(m, s);
}

static void enter_transmitting(struct mka *m, uint64_t now)
{
	struct sak *s = &m->sak[SAK_LATEST], *old = &m->sak[SAK_OLD];

	s->tx = true;
	s->since = now;
	m->saks++;
	old->tx = false;
	m->retire_when = old->held ? now + m->cfg.retire_ns : now;
	m->retire_limit = old->held ? m->retire_when + m->cfg.life_ns : now;
	log_info("mka secy %u: transmitting with SAK %u, AN %u", m->cfg.secy, s->ki.kn, s->an);
}

static void enter_retire(struct mka *m)
{
	if (!m->sak[SAK_LATEST].held)
		return;
	sak_retire(m, &m->sak[SAK_OLD]);
	sak_orphans_retire(m);
	sak_move(&m->sak[SAK_OLD], &m->sak[SAK_LATEST]);
}

static void enter_abandon(struct mka *m, uint64_t now)
{
	struct sak *s = &m->sak[SAK_LATEST];

	if (s->rx && !s->lost && !unsecure(m, now)) {
		sak_retire(m, &m->sak[SAK_LAPSED]);
		sak_move(&m->sak[SAK_LAPSED], s);
		m->lapse_when = now + m->cfg.life_ns;
	} else {
		sak_retire(m, s);
	}
}

/* The one door: every change of state passes here. */
static void cp_enter(struct mka *m, enum cp_state to, uint64_t now)
{
	log_debug("mka secy %u: CP %s -> %s", m->cfg.secy, names[m->cp], names[to]);
	m->cp = to;
	switch (to) {
	case CP_CHANGE:
		enter_change(m, now);
		break;
	case CP_RECEIVE:
		enter_receive(m, now);
		break;
	case CP_RECEIVING:
		m->sak[SAK_LATEST].rx = true;
		/* Whoever left as it was made is gone by then. */
		m->transmit_when = now + m->cfg.life_ns + m->cfg.hello_ns / 4;
		actors_tell(m);
		break;
	case CP_TRANSMIT:
		sak_transmit(m, &m->sak[SAK_LATEST]);
		break;
	case CP_TRANSMITTING:
		enter_transmitting(m, now);
		actors_tell(m);
		break;
	case CP_ABANDON:
		enter_abandon(m, now);
		actors_tell(m);
		break;
	case CP_RETIRE:
		enter_retire(m);
		actors_tell(m);
		break;
	default:
		break;
	}
}

void cp_run(struct mka *m, uint64_t now)
{
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	size_t i;

	if (m->sak[SAK_LAPSED].held && now >= m->lapse_when)
		sak_retire(m, &m->sak[SAK_LAPSED]);
	for (unsigned turns = 0; turns < 32; turns++) {
		for (i = 0; i < n; i++)
			if (rows[i].from == m->cp && rows[i].when(m, now))
				break;
		if (i == n)
			return;
		cp_enter(m, rows[i].to, now);
	}
	log_error("mka secy %u: the controlled port does not settle", m->cfg.secy);
}

static uint64_t state_deadline(const struct mka *m)
{
	switch (m->cp) {
	case CP_RECEIVE:
		return sak_receiving(&m->sak[SAK_LATEST]) ? m->receive_at + m->cfg.life_ns / 2
							  : MKA_NEVER;
	case CP_RECEIVING:
	case CP_READY:
		return m->transmit_when > principal_leaves(m) ? m->transmit_when
							      : principal_leaves(m);
	case CP_TRANSMITTING:
		return new_sak(m, 0) || all_transmitting(&m->sak[SAK_LATEST]) ? m->retire_when
									      : m->retire_limit;
	default:
		return MKA_NEVER;
	}
}

uint64_t cp_deadline(const struct mka *m)
{
	uint64_t at = state_deadline(m);

	return m->sak[SAK_LAPSED].held && m->lapse_when < at ? m->lapse_when : at;
}
