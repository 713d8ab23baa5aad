/*
 * One SecY of this node: from "its port and its secret are here" to a keying instance at work.
 *
 * Every call of the engine ends in secy_flush(): what a successor needs is in the memfd before
 * forward or the wire hears of it. The engines differ only where a function here asks which of
 * the two it is.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/record.h"
#include "myelind/eapol.h"
#include "myelind/keychain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS (10 * NS_PER_S) /* until a fallback that was wrong is asked for again */
#define RECORD_VERSION 2

/* What the engines are given to stand on. */

static int on_add_receive(void *ctx, const struct sink_sa *sa)
{
	struct control_secy *s = ctx;

	return keep_add(&s->keep, SINK_RECEIVE, sa, clock_now());
}

static int on_use_transmit(void *ctx, const struct sink_sa *sa)
{
	struct control_secy *s = ctx;

	return keep_add(&s->keep, SINK_TRANSMIT, sa, clock_now());
}

static void on_retire(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN],
		      uint64_t sci)
{
	struct control_secy *s = ctx;

	(void)secy;
	keep_retire(&s->keep, key_id, sci);
}

static int on_say(void *ctx, struct msg *m)
{
	struct control_secy *s = ctx;

	return s->announced ? control_tell_forward(s->c, m) : -ENOTCONN;
}

static void engine_report(struct control_secy *s, const struct sink_report *r, uint64_t now)
{
	int rc;

	if (s->mka)
		mka_report(s->mka, r, now);
	if (!s->psk)
		return;
	rc = psk_report(s->psk, r);
	if (rc < 0) {
		if (!s->watch.lease_stuck)
			event_put(&s->c->events, EVENT_LEASE_STUCK, s->plan->o->name, 0, now,
				  "the packet-number lease cannot be extended (%s): traffic stops "
				  "at its end; mend the disk and restart",
				  strerror(-rc));
	}
	s->watch.lease_stuck = rc < 0;
}

/* Told by keep at the end of a sync, when the engine hears of it by mka_synced() anyway. */
static void on_lost(void *ctx, const struct sink_report *r)
{
	struct control_secy *s = ctx;

	s->watch.lost++;
	if (s->psk)
		engine_report(s, r, clock_now());
}

/* The record of a SecY. */

static void record_save(struct control_secy *s)
{
	static uint8_t buf[CONTROL_SAVE_MAX];
	struct wr w = wr_init(buf, sizeof(buf));
	int rc = -EMSGSIZE;
	size_t hole;

	wr_u16(&w, RECORD_VERSION);
	wr_u8(&w, (uint8_t)s->plan->o->keying);
	/* Under another suite, or with more or less in clear, keys start anew. */
	wr_u8(&w, (uint8_t)s->plan->o->macsec.suite);
	wr_u8(&w, (uint8_t)s->plan->o->macsec.conf);
	wr_u64(&w, s->sci);
	hole = wr_hole16(&w);
	if (s->mka)
		mka_save(s->mka, &w);
	wr_fill16(&w, hole, 0);
	keep_save(&s->keep, &w);
	if (!w.bad)
		rc = record_put(s->area, record_area(CONTROL_SAVE_MAX), buf, wr_len(&w));
	if (rc < 0)
		log_error("overlay %s: its state could not be saved: %s", s->plan->o->name,
			  strerror(-rc));
	secret_wipe(buf, wr_len(&w));
}

/*
 * What a predecessor saved: the engine's part is left in *engine, *sci is his. A buffer that the
 * caller wipes and frees, or NULL when there is no whole record of this keying.
 */
static uint8_t *record_open(struct control_secy *s, struct rd *r, struct rd *engine, uint64_t *sci)
{
	uint8_t *buf = malloc(CONTROL_SAVE_MAX);
	ssize_t n = buf ? record_get(s->area, record_area(CONTROL_SAVE_MAX), buf, CONTROL_SAVE_MAX)
			: -ENOMEM;

	if (n < 0 && n != -ENOENT)
		log_warn("overlay %s: the predecessor's state is damaged: %s", s->plan->o->name,
			 strerror((int)-n));
	if (n > 0) {
		*r = rd_init(buf, (size_t)n);
		if (rd_u16(r) == RECORD_VERSION && rd_u8(r) == s->plan->o->keying &&
		    rd_u8(r) == (uint8_t)s->plan->o->macsec.suite &&
		    rd_u8(r) == (uint8_t)s->plan->o->macsec.conf) {
			*sci = rd_u64(r);
			*engine = rd_block(r, rd_u16(r));
			return buf;
		}
		secret_wipe(buf, (size_t)n);
	}
	free(buf);
	return NULL;
}

static void record_close(uint8_t *buf)
{
	secret_wipe(buf, CONTROL_SAVE_MAX);
	free(buf);
}

int secy_init(struct control *c, struct control_secy *s, const struct plan_secy *plan)
{
	const struct keep_env env = {.ctx = s, .say = on_say, .lost = on_lost};
	size_t area = record_area(CONTROL_SAVE_MAX);
	struct rd r, engine;
	uint8_t *buf;
	int rc;

	s->c = c;
	s->plan = plan;
	if (plan->id * area > c->state_size)
		return -ENOSPC;
	s->area = (uint8_t *)c->state + (plan->id - 1u) * area;
	rc = keep_init(&s->keep, plan->id, &env);
	if (rc < 0)
		return rc;
	/* Before anything else happens: what forward has is the predecessor's. */
	buf = record_open(s, &r, &engine, &s->sci);
	if (!buf)
		return 0;
	s->watch.quiet = true;
	if (keep_load(&s->keep, &r) < 0)
		log_warn("overlay %s: the predecessor's state does not parse", plan->o->name);
	record_close(buf);
	return 0;
}

void secy_fini(struct control_secy *s)
{
	secy_secrets_wipe(s);
	mka_free(s->mka);
	psk_free(s->psk);
	psk_lease_close(s->lease);
	keep_fini(&s->keep);
}

/* The instance. */

static const struct control_port *wan_of(const struct control_secy *s)
{
	return &s->c->ports[s->plan->wan - 1];
}

/* What the service carries behind the tags, unless the interface carries less. */
static uint16_t wan_mtu(const struct control_secy *s)
{
	uint16_t service = s->plan->self->port->service->mtu, port = wan_of(s)->mtu;

	return port && port < service ? port : service;
}

static void mka_config_fill(const struct control_secy *s, struct mka_config *cfg)
{
	static const enum mka_ssci_order orders[] = {
		[BB_SSCI_AUTO] = MKA_SSCI_AUTO,
		[BB_SSCI_SCI] = MKA_SSCI_SCI,
		[BB_SSCI_LIST] = MKA_SSCI_LIST,
	};
	const struct bb_overlay *o = s->plan->o;

	*cfg = (struct mka_config){
		.wall = wall_clock(),
		.sci = s->sci,
		.secy = s->plan->id,
		.priority = s->plan->self->priority,
		.suite = o->macsec.suite,
		.conf = o->macsec.conf,
		.accept_suites = (1u << MACSEC_SUITE_COUNT) - 1,
		.hello_ns = o->mka.hello_ns,
		.life_ns = o->mka.life_ns,
		.retire_ns = 3 * NS_PER_S,
		.rekey_ns = o->mka.rekey_ns,
		.replay_protect = o->macsec.replay_protect,
		.replay_window = o->macsec.window,
		.delay_protect = o->mka.delay_protect,
		.ssci_order = orders[o->mka.ssci_order],
		.keep_sak_ns = o->mka.keep_sak_ns,
		.mtu = wan_mtu(s),
		.ethertype = o->mka.ethertype,
		.vlan = s->plan->self->port->vlan,
		.outer_type = s->plan->self->port->outer_type,
		.outer_vlan = s->plan->self->port->outer_vlan,
		.pcp = 7,
	};
	cfg->key_count = chain_keys(s->chain, s->fallback, cfg->keys);
	memcpy(cfg->destination, o->mka.destination, sizeof(cfg->destination));
}

/* Goes on as the predecessor did, where its record is whole and of this configuration. */
static void mka_adopt(struct control_secy *s, uint64_t now)
{
	struct rd all, engine;
	uint64_t sci;
	uint8_t *buf = record_open(s, &all, &engine, &sci);

	s->adopted = buf && mka_load(s->mka, &engine, now) == 0;
	if (buf)
		record_close(buf);
	if (!s->adopted) {
		keep_clear(&s->keep);
		return;
	}
	log_info("overlay %s: continuing as the same MKA participant", s->plan->o->name);
	for (size_t i = 0; i < s->keep.count; i++) {
		const struct keep_sa *e = &s->keep.v[i];
		struct sink_report r = {.secy = s->plan->id,
					.an = e->sa.an,
					.direction = e->direction,
					.installed = true,
					.sci = e->sa.sci,
					.pn = e->pn_seen};

		memcpy(r.key_id, e->sa.key_id, sizeof(r.key_id));
		if (e->installed)
			mka_report(s->mka, &r, now);
	}
	if (s->c->synced)
		mka_synced(s->mka, now);
}

static void mka_start(struct control_secy *s, uint64_t now)
{
	struct mka_env env = {.ctx = s,
			      .random = control_random,
			      .sink = {s, on_add_receive, on_use_transmit, on_retire}};
	struct mka_config cfg;

	mka_config_fill(s, &cfg);
	s->mka = mka_new(&cfg, &env, now);
	secret_wipe(&cfg, sizeof(cfg));
	if (!s->mka) {
		secy_fail(s, "MKA does not start with this configuration: %s", strerror(errno));
		return;
	}
	mka_adopt(s, now);
	secy_mended(s);
	log_info("overlay %s: MKA on %s, SCI %016llx", s->plan->o->name,
		 s->plan->self->port->interface, (unsigned long long)s->sci);
}

/* The memfd remembers numbers of this boot: a lease that says less was put back. */
static bool lease_older_than_memory(const struct control_secy *s, char *why, size_t size)
{
	for (size_t i = 0; i < s->keep.count; i++) {
		const struct keep_sa *e = &s->keep.v[i];

		if (e->direction == SINK_TRANSMIT &&
		    psk_lease_next(s->lease, e->sa.key_id) < e->sa.pn_limit) {
			snprintf(why, size,
				 "it is older than the numbers in use: a copy put back?");
			return true;
		}
	}
	return false;
}

static void psk_start(struct control_secy *s)
{
	const struct sink sink = {s, on_add_receive, on_use_transmit, on_retire};
	const struct psk_config cfg = {.secy = s->plan->id,
				       .suite = s->plan->o->macsec.suite,
				       .conf = s->plan->o->macsec.conf,
				       .node = s->c->args->node,
				       .sci = s->sci};
	char why[160];

	if (lease_older_than_memory(s, why, sizeof(why))) {
		secy_fail(s, "lease %s: %s; %s", s->plan->o->psk, why, secy_lease_help);
		/* Not tried again: what it is held against goes with the SAs. */
		s->retry_at = UINT64_MAX;
		keep_clear(&s->keep);
		return;
	}
	s->psk = psk_new(&cfg, s->keys, s->lease, &sink, why, sizeof(why));
	secy_secrets_wipe(s);
	if (!s->psk) {
		secy_fail(s, "secret %s: %s", s->plan->o->psk, why);
		return;
	}
	secy_mended(s);
	log_info("overlay %s: static keys on %s, SCI %016llx", s->plan->o->name,
		 s->plan->self->port->interface, (unsigned long long)s->sci);
}

/* Who joins the same lan to the overlay, and whether anybody has such a neighbour. */
static void bridge_site_fill(const struct control_secy *s, struct msg_bridge *m)
{
	const struct backbone *all = s->c->backbone;
	const struct bb_overlay *o = s->plan->o;
	const struct bb_node *self = s->plan->self->node;
	const struct bb_member *v[MSG_BRIDGE_SITE];
	size_t n = backbone_bridges_at(o, self->site, v, MSG_BRIDGE_SITE);

	m->node = self->id;
	for (size_t i = 0; i < n && i < MSG_BRIDGE_SITE; i++) {
		m->site[2 * i] = (uint8_t)(v[i]->node->id >> 8);
		m->site[2 * i + 1] = (uint8_t)v[i]->node->id;
	}
	for (size_t i = 0; i < all->site_count; i++)
		m->hello |= backbone_bridges_at(o, &all->sites[i], v, MSG_BRIDGE_SITE) > 1;
	for (size_t i = 0; i < o->member_count; i++)
		m->strangers |= !o->members[i].node || !backbone_bridged(o->members[i].node, o);
}

/* How the SecY's overlay is bridged; said when it is not, too, since it may have been. */
static int bridge_announce(struct control_secy *s)
{
	const struct bb_overlay *o = s->plan->o;
	const struct bb_bridge *b = &o->bridge;
	struct msg m = {.type = MSG_BRIDGE};

	m.bridge.secy = s->plan->id;
	if (s->plan->bridged) {
		m.bridge.mode = backbone_is_line(o) ? MSG_BRIDGE_LINE : MSG_BRIDGE_LAN;
		m.bridge.entries = b->entries;
		m.bridge.per_place = b->per_place;
		m.bridge.ageing_s = (uint32_t)(b->ageing_ns / NS_PER_S);
		m.bridge.flood = b->flood;
		m.bridge.encapsulate = true;
		for (size_t i = 0; i < o->member_count; i++)
			m.bridge.encapsulate &= o->members[i].node != NULL;
		for (unsigned i = 0; i < L2CP_COUNT; i++)
			m.bridge.l2cp[i] = (uint8_t)b->l2cp[i];
		bridge_site_fill(s, &m.bridge);
	}
	return control_tell_forward(s->c, &m);
}

/* Forward learns of the SecY once its ports are there. */
static void secy_announce(struct control_secy *s)
{
	const struct bb_overlay *o = s->plan->o;
	struct msg m = {.type = MSG_SECY_ADD};

	m.secy_add.secy = s->plan->id;
	m.secy_add.overlay = s->plan->overlay;
	m.secy_add.wan = s->plan->wan;
	m.secy_add.sci = s->sci;
	m.secy_add.window = o->macsec.window;
	m.secy_add.send_sci = o->macsec.send_sci;
	m.secy_add.validate = (uint8_t)o->macsec.validate;
	m.secy_add.replay_protect = o->macsec.replay_protect;
	if (o->keying == BB_MKA && o->mka.delay_protect)
		m.secy_add.report_ms = MKA_LPN_REPORT_NS / NS_PER_MS;
	m.secy_add.should_secure = o->macsec.should_secure;
	snprintf(m.secy_add.name, sizeof(m.secy_add.name), "%s", o->name);
	s->announced = control_tell_forward(s->c, &m) == 0 && bridge_announce(s) == 0;
}

void secy_advance(struct control_secy *s, uint64_t now)
{
	const struct control_port *wan = wan_of(s);
	uint64_t sci = macsec_sci(wan->mac, s->plan->self->port->port_id);

	if (!wan->ready)
		return;
	if (s->sci != sci) {
		/* Another interface took its place: what was agreed under the old SCI is over. */
		if (s->mka || s->psk || s->keep.count) {
			log_warn("overlay %s: the port's SCI changed, keys start anew",
				 s->plan->o->name);
			keep_clear(&s->keep);
			record_clear(s->area, record_area(CONTROL_SAVE_MAX));
			mka_free(s->mka);
			psk_free(s->psk);
			s->mka = NULL;
			s->psk = NULL;
			s->files_asked = false;
			s->files_had[SECY_SECRET] = s->files_had[SECY_FALLBACK] = false;
			secy_secrets_wipe(s);
		}
		s->sci = sci;
		s->announced = false;
	}
	if (!s->announced && s->c->forward >= 0)
		secy_announce(s);
	if (!s->files_asked)
		secy_files_ask(s);
	if (s->failed)
		return;
	if (s->chain && !s->mka && (!s->plan->o->mka.fallback || s->files_had[SECY_FALLBACK]))
		mka_start(s, now);
	if (s->keys && s->lease && !s->psk)
		psk_start(s);
	secy_flush(s, now);
}

/* Reports. */

void secy_report(struct control_secy *s, const struct sink_report *r, uint64_t now)
{
	if (keep_report(&s->keep, r))
		engine_report(s, r, now);
	secy_flush(s, now);
}

void secy_sync_begin(struct control_secy *s)
{
	keep_sync_begin(&s->keep);
	if (s->mka)
		mka_resync(s->mka);
}

void secy_sync_done(struct control_secy *s, uint64_t now)
{
	keep_sync_done(&s->keep);
	if (s->mka)
		mka_synced(s->mka, now);
	secy_flush(s, now);
}

/* The wire. */

/* True when the frame authenticated, so that the engine may have something to say. */
static bool result_counts(enum mka_result r)
{
	switch (r) {
	case MKA_NOT_MKPDU:
	case MKA_MALFORMED:
	case MKA_VERSION:
	case MKA_CKN_UNKNOWN:
	case MKA_AGILITY:
	case MKA_ICV_WRONG:
		return false;
	default:
		return true;
	}
}

bool secy_eapol(struct control_secy *s, const uint8_t *frame, size_t len, uint64_t now)
{
	enum mka_result r;

	if (!s->mka)
		return false; /* not ready yet: hellos come again */
	r = mka_input(s->mka, frame, len, now);
	if (r != MKA_OK && r != MKA_NOT_LIVE) {
		static struct log_limit limit = LOG_LIMIT(5, 10 * NS_PER_S);

		log_limited(&limit, LOG_LVL_WARN,
			    "overlay %s: an MKPDU from %02x:%02x:%02x:%02x:%02x:%02x was "
			    "dropped: %s",
			    s->plan->o->name, frame[6], frame[7], frame[8], frame[9], frame[10],
			    frame[11], mka_result_name(r));
	}
	return result_counts(r);
}

/* An operator may have mended a file meanwhile. */
static void secy_retry(struct control_secy *s, uint64_t now)
{
	secy_secrets_wipe(s);
	s->failed = false;
	s->files_asked = false;
	memset(s->files_had, 0, sizeof(s->files_had));
	secy_advance(s, now);
}

void secy_expire(struct control_secy *s, uint64_t now)
{
	if (s->failed && now >= s->retry_at)
		secy_retry(s, now);
	if (s->mka && s->fallback_retry_at && now >= s->fallback_retry_at) {
		s->fallback_retry_at = now + RETRY_NS;
		s->files_had[SECY_FALLBACK] = false;
		secy_fallback_ask(s);
	}
	if (!s->mka || now < mka_deadline(s->mka))
		return;
	mka_wall(s->mka, wall_clock(), now);
	mka_expire(s->mka, now);
	secy_flush(s, now);
}

uint64_t secy_deadline(const struct control_secy *s)
{
	if (s->failed)
		return s->retry_at;
	if (s->mka && s->fallback_retry_at && s->fallback_retry_at < mka_deadline(s->mka))
		return s->fallback_retry_at;
	return s->mka ? mka_deadline(s->mka) : UINT64_MAX;
}

void secy_flush(struct control_secy *s, uint64_t now)
{
	struct control_port *wan = &s->c->ports[s->plan->wan - 1];
	uint8_t frame[MKA_FRAME_MAX];
	size_t n;
	int rc;

	if (s->announced && (s->mka || s->psk))
		keep_commit(&s->keep);
	/* Before there is an instance the record is the predecessor's, which it will go on from. */
	if (s->mka || (s->psk && s->keep.dirty))
		record_save(s);
	keep_flush(&s->keep);
	watch_secy(s, now);
	while (s->mka && (n = mka_output(s->mka, frame)) > 0) {
		rc = wan->eapol >= 0 ? eapol_send(wan->eapol, frame, n) : -ENETDOWN;
		if (rc < 0) {
			static struct log_limit limit = LOG_LIMIT(3, 30 * NS_PER_S);

			wan->send_errors++;
			log_limited(&limit, LOG_LVL_WARN,
				    "overlay %s: an MKPDU could not be sent: %s", s->plan->o->name,
				    strerror(-rc));
		}
	}
}
