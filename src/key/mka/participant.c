/*
 * The participant: its life, its timers, what it tells and when (IEEE 802.1X-2020 9.4, 9.18).
 *
 * Every call from outside ends in mka_step(), which draws all conclusions from the state as it
 * is: who is gone, who is key server, whether a SAK is due, what the controlled port may do,
 * whether to send. So nothing depends on the order in which things were noticed.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"
#include "crypto/mka_kdf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAP_SHARE 20 /* news are told at most this often in a hello time */

static bool config_valid(const struct mka_config *c)
{
	return (c->cak.len == 16 || c->cak.len == 32) && c->ckn_len >= 1 &&
	       c->ckn_len <= MKA_CKN_MAX && c->sci && c->suite >= 0 &&
	       c->suite < MACSEC_SUITE_COUNT && c->conf < MACSEC_CONF_COUNT &&
	       macsec_conf_fits(&macsec_suites[c->suite], c->conf) && c->accept_suites &&
	       c->accept_suites < 1u << MACSEC_SUITE_COUNT && c->hello_ns &&
	       c->life_ns >= 2 * c->hello_ns && c->vlan < 4095 && c->pcp < 8 &&
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
	if (mka_kdf_keys(&cfg->cak, cfg->ckn, cfg->ckn_len, &m->ick, &m->kek)) {
		mka_free(m);
		errno = EIO;
		return NULL;
	}
	m->an = MACSEC_AN_COUNT - 1; /* the first SAK gets AN 0 */
	m->suite_log = (struct log_limit)LOG_LIMIT(3, 60 * 1000000000ull);
	m->hello_at = now;
	mka_rename(m, now);
	m->info_pending = false;
	return m;
}

void mka_free(struct mka *m)
{
	if (!m)
		return;
	secret_wipe(m, sizeof(*m));
	free(m);
}

void mka_rename(struct mka *m, uint64_t now)
{
	m->env.random(m->env.ctx, m->mi, sizeof(m->mi));
	m->mn = 0;
	for (unsigned i = 0; i < MKA_FLOORS; i++)
		m->floors[i] = 1;
	m->floor_at = now + m->cfg.life_ns / 4;
	mka_tell(m);
}

void mka_tell(struct mka *m)
{
	m->info_pending = true;
}

/* A message number of ours proves that its reader heard us within MKA Life Time. */
bool mka_mn_recent(const struct mka *m, uint32_t mn)
{
	return mn >= m->floors[MKA_FLOORS - 1] && mn <= m->mn;
}

static void floors_move(struct mka *m, uint64_t now)
{
	if (now < m->floor_at)
		return;
	memmove(m->floors + 1, m->floors, sizeof(m->floors) - sizeof(m->floors[0]));
	m->floors[0] = m->mn + 1;
	m->floor_at = now + m->cfg.life_ns / 4;
}

void mka_sak_lost(struct mka *m, struct sak *s, uint64_t now)
{
	log_warn("mka secy %u: forward lost SAK %u: a fresh one is needed", m->cfg.secy, s->ki.kn);
	s->lost = true;
	s->tx = s->tx && s->tx_installed;
	if (m->self)
		m->fresh_wanted = true;
	else
		mka_rename(m, now); /* the key server sees a new member and makes one */
}

static uint64_t tell_at(const struct mka *m)
{
	uint64_t news = m->tx_last + m->cfg.hello_ns / GAP_SHARE;

	return m->info_pending && news < m->hello_at ? news : m->hello_at;
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

static void tell(struct mka *m, uint64_t now)
{
	if (now >= m->hello_at && !m->unsynced)
		ask_again(m);
	if (m->mn >= MKA_MN_LIMIT)
		mka_rename(m, now);
	m->mn++; /* saved before the frame is built: see mka_output() */
	m->tx_pending = true;
	m->info_pending = false;
	m->tx_last = now;
	m->hello_at = now + m->cfg.hello_ns;
}

void mka_step(struct mka *m, uint64_t now)
{
	if (m->stepping)
		return;
	m->stepping = true;
	m->stepped_at = now;
	floors_move(m, now);
	peers_age(m, now);
	election_run(m, now);
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
		if (m->sak[i].held) {
			sak_admit_users(m, &m->sak[i]);
			sak_receive(m, &m->sak[i]);
		}
	cp_run(m, now);
	server_run(m, now);
	cp_run(m, now);
	if (now >= tell_at(m))
		tell(m, now);
	m->stepping = false;
}

void mka_expire(struct mka *m, uint64_t now)
{
	mka_step(m, now);
}

uint64_t mka_deadline(const struct mka *m)
{
	const uint64_t at[] = {tell_at(m), peers_deadline(m), server_deadline(m), cp_deadline(m)};
	uint64_t min = MKA_NEVER;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (at[i] > m->stepped_at && at[i] < min)
			min = at[i];
	return min;
}

enum mka_result mka_input(struct mka *m, const void *frame, size_t len, uint64_t now)
{
	enum mka_result r = input_frame(m, frame, len, now);

	m->results[r]++;
	return r;
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
static bool report_take(struct mka *m, struct sak *s, const struct sink_report *r)
{
	bool lost = false;

	if (r->direction == SINK_TRANSMIT) {
		lost = s->tx_asked && !r->installed;
		s->tx_installed = r->installed;
		if (r->pn > s->pn)
			s->pn = r->pn;
		if (s->pn >= sak_pn_limit(m, s->suite))
			mka_tell(m); /* the key server reads it from our SAK use */
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
	if (report_take(m, s, r) && !m->unsynced)
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

static const char *const result_names[MKA_RESULT_COUNT] = {
	[MKA_OK] = "ok",
	[MKA_NOT_MKPDU] = "not-mkpdu",
	[MKA_MALFORMED] = "malformed",
	[MKA_VERSION] = "version",
	[MKA_CKN_UNKNOWN] = "ckn-unknown",
	[MKA_AGILITY] = "algorithm-agility",
	[MKA_ICV_WRONG] = "icv-wrong",
	[MKA_OWN_MI] = "own-mi",
	[MKA_REPLAYED] = "replayed",
	[MKA_DUPLICATE_SCI] = "duplicate-sci",
	[MKA_NOT_LIVE] = "not-live",
	[MKA_SAK_REFUSED] = "sak-refused",
	[MKA_TOO_MANY_PEERS] = "too-many-peers",
};

const char *mka_result_name(enum mka_result r)
{
	return r < MKA_RESULT_COUNT ? result_names[r] : "?";
}

void mka_show(const struct mka *m, struct mka_show *out)
{
	const struct sak *s = sak_in_use(m);

	*out = (struct mka_show){
		.state = cp_state_name(m->cp),
		.mn = m->mn,
		.sci = m->cfg.sci,
		.key_server = m->self,
		.key_server_sci = m->ks_sci,
		.secured = s != NULL,
		.suite = s ? s->suite : m->cfg.suite,
		.an = s ? s->an : 0,
		.sak_since_ns = s ? s->since : 0,
		.saks = m->saks,
		.rx_mkpdus = m->rx_mkpdus,
		.tx_mkpdus = m->tx_mkpdus,
		.peer_count = m->peer_count,
	};
	memcpy(out->mi, m->mi, MKA_MI_LEN);
	if (s) {
		struct wr w = wr_init(out->key_id, sizeof(out->key_id));

		wr_bytes(&w, s->ki.mi, MKA_MI_LEN);
		wr_u32(&w, s->ki.kn);
	}
	memcpy(out->results, m->results, sizeof(out->results));
	for (unsigned i = 0; i < m->peer_count; i++) {
		const struct peer *p = &m->peers[i];

		out->peers[i] = (struct mka_peer_show){
			.mn = p->mn,
			.sci = p->sci,
			.priority = p->priority,
			.live = p->live,
			.heard_ns = p->heard,
		};
		memcpy(out->peers[i].mi, p->mi, MKA_MI_LEN);
	}
}
