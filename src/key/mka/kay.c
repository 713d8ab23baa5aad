/*
 * The KaY: one SecY's controlled port, its SAKs, and a participant for each CAK
 * (IEEE 802.1X-2020 9.3, 12.2).
 *
 * Every call from outside ends in mka_step(), which draws all conclusions from the state as it
 * is: who is gone, who is key server, whether a SAK is due, what the controlled port may do,
 * whether to send. So nothing depends on the order in which things were noticed.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool tags_valid(const struct mka_config *c)
{
	if (!c->outer_type)
		return c->vlan < 4095 && !c->outer_vlan;
	return (c->outer_type == 0x8100 || c->outer_type == 0x88a8) && c->vlan && c->vlan < 4095 &&
	       c->outer_vlan && c->outer_vlan < 4095;
}

static bool config_valid(const struct mka_config *c)
{
	return keys_valid(c->keys, c->key_count) && c->sci && c->suite >= 0 &&
	       c->suite < MACSEC_SUITE_COUNT && c->conf < MACSEC_CONF_COUNT &&
	       macsec_conf_fits(&macsec_suites[c->suite], c->conf) && c->accept_suites &&
	       c->accept_suites < 1u << MACSEC_SUITE_COUNT && c->hello_ns &&
	       c->life_ns >= 2 * c->hello_ns && tags_valid(c) && c->pcp < 8 &&
	       c->ssci_order < MKA_SSCI_ORDER_COUNT && mkpdu_peers_fit(c->mtu) &&
	       c->ethertype >= 0x600;
}

struct mka *mka_new(const struct mka_config *cfg, const struct mka_env *env, uint64_t now)
{
	struct mka *m;

	if (!config_valid(cfg)) {
		errno = EINVAL;
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->cfg = *cfg;
	m->env = *env;
	if (m->cfg.retire_ns > m->cfg.life_ns) /* for lives shorter than the standard's */
		m->cfg.retire_ns = m->cfg.life_ns;
	if (m->cfg.delay_protect && m->cfg.hello_ns > MKA_BOUNDED_HELLO_NS)
		m->cfg.hello_ns = MKA_BOUNDED_HELLO_NS;
	m->peers_max = mkpdu_peers_fit(cfg->mtu);
	m->full_log = (struct log_limit)LOG_LIMIT(3, 60 * 1000000000ull);
	m->an = MACSEC_AN_COUNT - 1; /* the first SAK gets AN 0 */
	m->suite_log = (struct log_limit)LOG_LIMIT(3, 60 * 1000000000ull);
	if (cfg->wall)
		mka_wall(m, cfg->wall, now);
	keys_run(m, now);
	principal_run(m, now);
	return m;
}

void mka_free(struct mka *m)
{
	if (!m)
		return;
	secret_wipe(m, sizeof(*m));
	free(m);
}

void mka_sak_lost(struct mka *m, struct sak *s, uint64_t now)
{
	struct actor *a = s->actor;

	log_warn("mka secy %u: forward lost SAK %u: a fresh one is needed", m->cfg.secy, s->ki.kn);
	s->lost = true;
	s->tx = s->tx && s->tx_installed;
	if (m->principal && m->principal->self)
		m->fresh_wanted = true;
	else if (a)
		actor_rename(a, now); /* the key server sees a new member and makes one */
}

bool mka_alone(const struct mka *m)
{
	FOR_EACH_ACTOR (m, a)
		if (peers_live(a))
			return false;
	return true;
}

bool mka_keeps_sak(const struct mka *m, uint64_t now)
{
	const struct sak *s = sak_in_use(m);

	return m->alone_since && s && s->actor && !s->lost &&
	       now < m->alone_since + m->cfg.keep_sak_ns && s->pn < sak_pn_limit(m, s->suite);
}

/* That nobody is live any more ends the use of a SAK, or the time it is kept begins. */
static void alone_check(struct mka *m, uint64_t now)
{
	if (!mka_alone(m)) {
		/* Each side went on by itself: what comes after is under a fresh SAK. */
		if (m->alone_since)
			m->fresh_wanted = true;
		m->alone_since = 0;
	} else if (!m->alone_since && m->cfg.keep_sak_ns && sak_in_use(m)) {
		m->alone_since = now;
		log_warn("mka secy %u: no peer is live; the SAK is kept for at most %llu s, which "
			 "the standard does not know",
			 m->cfg.secy, (unsigned long long)(m->cfg.keep_sak_ns / 1000000000ull));
	}
	if (m->alone_since && !mka_keeps_sak(m, now))
		m->alone_since = 0;
}

/* What the sink could not pass on, and receive SAs that forward has not confirmed, are asked for
 * again with every hello. */
static void ask_again(struct mka *m)
{
	if (m->cp == CP_TRANSMIT)
		sak_transmit(m, &m->sak[SAK_LATEST]);
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
		for (unsigned j = 0; j < m->sak[i].member_count; j++)
			if (!m->sak[i].members[j].installed)
				m->sak[i].members[j].asked = false;
}

/*
 * We are much later than we asked to be called: the process was stopped, the machine was paused, or
 * its clock jumped. That silence was ours and not the peers', and what we meant to wait for had no
 * time to happen.
 */
static void stall_make_up(struct mka *m, uint64_t now)
{
	uint64_t late = now > m->due ? now - m->due : 0;

	if (!m->due || late < m->cfg.hello_ns / 4)
		return;
	FOR_EACH_ACTOR (m, a) {
		a->elected_at += late;
		if (a->leave_at)
			a->leave_at += late;
	}
	FOR_EACH_ACTOR (m, a)
		for (unsigned i = 0; i < a->peer_count; i++)
			if (a->peers[i].heard < now)
				a->peers[i].heard += late < now - a->peers[i].heard
							     ? late
							     : now - a->peers[i].heard;
	principal_put_off(m, late);
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
		delay_put_off(&m->sak[i], late);
	if (m->distributed_at)
		m->distributed_at += late;
	m->receive_at += late;
	m->transmit_when += late;
	m->retire_when += late;
	m->retire_limit += late;
	m->lapse_when += late;
}

void mka_step(struct mka *m, uint64_t now)
{
	if (m->stepping)
		return;
	m->stepping = true;
	stall_make_up(m, now);
	m->stepped_at = now;
	suspend_run(m, now);
	FOR_EACH_ACTOR (m, a)
		actor_age(a, now);
	keys_run(m, now);
	principal_run(m, now);
	alone_check(m, now);
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
		if (m->sak[i].held) {
			sak_admit_users(&m->sak[i]);
			sak_receive(m, &m->sak[i]);
		}
	cp_run(m, now);
	server_run(m, now);
	cp_run(m, now);
	if (m->principal && now >= m->principal->hello_at && !m->unsynced)
		ask_again(m);
	FOR_EACH_ACTOR (m, a)
		actor_send(a, now);
	m->stepping = false;
	m->due = mka_deadline(m);
}

void mka_expire(struct mka *m, uint64_t now)
{
	mka_step(m, now);
}

uint64_t mka_deadline(const struct mka *m)
{
	uint64_t at[2 * MKA_ACTORS_MAX + 6] = {
		server_deadline(m),
		cp_deadline(m),
		suspend_deadline(m),
		m->alone_since ? m->alone_since + m->cfg.keep_sak_ns : MKA_NEVER,
		keys_deadline(m),
		principal_deadline(m),
	};
	uint64_t min = MKA_NEVER;
	size_t n = 6;

	FOR_EACH_ACTOR (m, a) {
		at[n++] = actor_deadline(a);
		at[n++] = peers_deadline(a);
	}
	for (size_t i = 0; i < n; i++)
		if (at[i] > m->stepped_at && at[i] < min)
			min = at[i];
	return min;
}

enum mka_result mka_input(struct mka *m, const void *frame, size_t len, uint64_t now)
{
	return input_frame(m, frame, len, now);
}

/* The SAK a report is about. One that nobody here knows, a predecessor whose record was lost or
 * came too late had installed: it is used on until there is another. */
static struct sak *report_slot(struct mka *m, const struct sink_report *r)
{
	struct rd rd = rd_init(r->key_id, sizeof(r->key_id));
	struct ki ki;

	rd_copy(&rd, ki.mi, MKA_MI_LEN);
	ki.kn = rd_u32(&rd);
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
		if (m->sak[i].held && ki_equal(&m->sak[i].ki, &ki))
			return &m->sak[i];
	if ((m->unsynced || !m->saks) && r->installed)
		sak_orphan(m, &ki);
	return NULL;
}

/* Takes over what forward says of one SA. True when it had it and has it no more. */
static bool report_take(struct mka *m, struct sak *s, const struct sink_report *r, uint64_t now)
{
	bool lost = false;

	if (r->direction == SINK_TRANSMIT) {
		lost = s->tx_asked && !r->installed;
		s->tx_installed = r->installed;
		if (r->pn > s->pn)
			s->pn = r->pn;
		if (m->cfg.delay_protect && r->installed)
			delay_report(s, r->pn, now);
		if (s->pn >= sak_pn_limit(m, s->suite))
			actors_tell(m); /* the key server reads it from our SAK use */
		return lost;
	}
	for (unsigned i = 0; i < s->member_count; i++) {
		struct member *a = &s->members[i];

		if (a->sci != r->sci)
			continue;
		lost |= a->installed && !r->installed;
		a->installed = r->installed;
		a->asked |= r->installed;
	}
	return lost;
}

void mka_report(struct mka *m, const struct sink_report *r, uint64_t now)
{
	struct sak *s = r->secy == m->cfg.secy ? report_slot(m, r) : NULL;

	if (!s)
		return;
	if (report_take(m, s, r, now) && !m->unsynced)
		mka_sak_lost(m, s, now);
	mka_step(m, now);
}

void mka_resync(struct mka *m)
{
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++) {
		m->sak[i].tx_installed = false;
		m->sak[i].tx_doubt = m->sak[i].tx_asked;
		for (unsigned j = 0; j < m->sak[i].member_count; j++) {
			m->sak[i].members[j].installed = false;
			m->sak[i].members[j].doubt = m->sak[i].members[j].asked;
		}
	}
	m->unsynced = true;
}

void mka_synced(struct mka *m, uint64_t now)
{
	m->unsynced = false;
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++) {
		struct sak *s = &m->sak[i];
		bool lost = s->tx_doubt && !s->tx_installed;

		s->tx_doubt = false;
		for (unsigned j = 0; j < s->member_count; j++) {
			lost |= s->members[j].doubt && !s->members[j].installed;
			s->members[j].doubt = false;
		}
		if (s->held && lost)
			mka_sak_lost(m, s, now);
	}
	mka_step(m, now);
}
