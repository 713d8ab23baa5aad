/* What control asks for, and what it is told. */
#include "fwd/bridge.h"
#include "fwd/path.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

#include <errno.h>
#include <string.h>

static void report(struct fwd *f, const struct sa *sa, bool installed)
{
	struct msg m = {.type = MSG_SA_REPORT, .seq = f->seq};

	m.sa_report.secy = sa->secy->config.secy;
	m.sa_report.an = sa->an;
	m.sa_report.direction = sa->direction;
	m.sa_report.installed = installed;
	m.sa_report.sci = sa->sci;
	m.sa_report.pn = sa->next;
	memcpy(m.sa_report.key_id, sa->key_id, sizeof(m.sa_report.key_id));
	f->say(f->ctx, &m);
}

static int on_secy_add(struct fwd *f, const struct msg_secy *s)
{
	struct secy_config c = {
		.secy = s->secy,
		.overlay = s->overlay,
		.wan = s->wan,
		.sci = s->sci,
		.window = s->window,
		.send_sci = s->send_sci,
		.replay_protect = s->replay_protect,
		.report_ms = s->report_ms,
		.should_secure = s->should_secure,
		.validate = s->validate,
	};

	memcpy(c.name, s->name, sizeof(c.name));
	c.name[sizeof(c.name) - 1] = 0;
	return secy_add(f->sas, &c);
}

static int on_secy_del(struct fwd *f, uint16_t secy)
{
	struct secy *y = secy_find(f->sas, secy);

	if (y)
		secy_del(f->sas, y);
	bridge_drop(f, secy);
	return 0;
}

static int on_sa(struct fwd *f, const struct msg_sa *s, enum sa_direction direction)
{
	struct sa_config c = {
		.secy = s->secy,
		.an = s->an,
		.suite = s->suite,
		.direction = (uint8_t)direction,
		.key_len = s->key.len,
		.conf = s->conf,
		.ssci = s->ssci,
		.sci = s->sci,
		.pn = s->pn,
		.limit = direction == SA_TRANSMIT ? s->pn_limit : 0,
	};
	struct sa *sa = NULL;
	int rc = -EINVAL;

	memcpy(c.salt, s->salt, sizeof(c.salt));
	memcpy(c.key_id, s->key_id, sizeof(c.key_id));
	if (s->key.len <= sizeof(c.key)) {
		memcpy(c.key, s->key.b, s->key.len);
		sa = sa_install(f->sas, &c);
		rc = sa ? 0 : -errno;
	}
	secret_wipe(&c.key, sizeof(c.key));
	if (sa) {
		report(f, sa, true);
	} else {
		struct msg m = {.type = MSG_SA_REPORT, .seq = f->seq};

		m.sa_report.secy = s->secy;
		m.sa_report.an = s->an & MACSEC_AN_MASK;
		m.sa_report.direction = (uint8_t)direction;
		m.sa_report.sci = s->sci;
		m.sa_report.pn = s->pn;
		memcpy(m.sa_report.key_id, s->key_id, sizeof(m.sa_report.key_id));
		f->say(f->ctx, &m);
		log_limited(&f->refused, LOG_LVL_ERROR,
			    "secy %u: %s SA with AN %u not installed: %s", s->secy,
			    direction == SA_TRANSMIT ? "transmit" : "receive", s->an,
			    rc == -EEXIST ? "its key and nonces are not new" : strerror(-rc));
	}
	return rc;
}

static int on_retire(struct fwd *f, const struct msg_sa_retire *s)
{
	struct secy *y = secy_find(f->sas, s->secy);
	struct sa *hit[2 * MACSEC_AN_COUNT];
	unsigned total = 0, n;

	do { /* a few at a time: retiring the last SA of an SC frees the SC */
		n = 0;
		for (unsigned an = 0; y && !s->sci && an < MACSEC_AN_COUNT; an++)
			if (y->tx[an] && !memcmp(y->tx[an]->key_id, s->key_id, sizeof(s->key_id)))
				hit[n++] = y->tx[an];
		for (struct sc *sc = y ? y->scs : NULL; sc && n <= MACSEC_AN_COUNT; sc = sc->next)
			for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
				if (sc->sa[an] && (!s->sci || s->sci == sc->sci) &&
				    !memcmp(sc->sa[an]->key_id, s->key_id, sizeof(s->key_id)))
					hit[n++] = sc->sa[an];
		for (unsigned i = 0; i < n; i++) {
			report(f, hit[i], false);
			sa_retire(f->sas, hit[i]);
		}
		total += n;
	} while (n);
	if (!total) {
		struct msg m = {.type = MSG_SA_REPORT, .seq = f->seq};

		m.sa_report.secy = s->secy;
		m.sa_report.sci = s->sci;
		memcpy(m.sa_report.key_id, s->key_id, sizeof(m.sa_report.key_id));
		f->say(f->ctx, &m);
	}
	return 0;
}

static void sync_say(struct fwd *f)
{
	struct msg done = {.type = MSG_SYNC_DONE, .seq = f->seq};

	for (struct secy *y = secy_next(f->sas, NULL); y; y = secy_next(f->sas, y)) {
		for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
			if (y->tx[an])
				report(f, y->tx[an], true);
		for (struct sc *sc = y->scs; sc; sc = sc->next)
			for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
				if (sc->sa[an])
					report(f, sc->sa[an], true);
	}
	esp_sync_say(f);
	f->say(f->ctx, &done);
}

int fwd_control(struct fwd *f, const struct msg *m)
{
	int rc = 0;

	works_drain(f);
	f->epoch++;
	f->seq = m->seq;
	switch (m->type) {
	case MSG_SECY_ADD:
		rc = on_secy_add(f, &m->secy_add);
		fwd_relink(f);
		break;
	case MSG_SECY_DEL:
		rc = on_secy_del(f, m->secy);
		fwd_relink(f);
		break;
	case MSG_BRIDGE:
		rc = bridge_set(f, &m->bridge);
		fwd_relink(f);
		break;
	case MSG_SA_RECEIVE:
		rc = on_sa(f, &m->sa, SA_RECEIVE);
		break;
	case MSG_SA_TRANSMIT:
		rc = on_sa(f, &m->sa, SA_TRANSMIT);
		break;
	case MSG_SA_RETIRE:
		rc = on_retire(f, &m->sa_retire);
		break;
	case MSG_TUNNEL_ADD:
		rc = tunnel_on_add(f, &m->tunnel_add);
		break;
	case MSG_TUNNEL_DEL:
		rc = tunnel_on_del(f, m->secy);
		break;
	case MSG_ESP_RECEIVE:
		rc = esp_on_sa(f, &m->esp, SA_RECEIVE);
		break;
	case MSG_ESP_TRANSMIT:
		rc = esp_on_sa(f, &m->esp, SA_TRANSMIT);
		break;
	case MSG_ESP_RETIRE:
		rc = esp_on_retire(f, &m->esp_retire);
		break;
	case MSG_SYNC:
		sync_say(f);
		break;
	case MSG_STATS_GET:
		stats_say(f, m->secy);
		break;
	default:
		rc = -EOPNOTSUPP;
		break;
	}
	f->seq = 0;
	fwd_carriers(f);
	bridges_look(f);
	return rc;
}

void fwd_tick(struct fwd *f, uint64_t now)
{
	works_drain(f);
	f->now = now;
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].polled && f->ports[i].port->ops->tick)
			f->ports[i].port->ops->tick(f->ports[i].port, now);
	tunnels_tick(f, now);
	bridges_tick(f);
	fwd_clear_update(f);
	for (struct secy *y = secy_next(f->sas, NULL); y; y = secy_next(f->sas, y)) {
		struct sa *sa = y->tx_current;

		if (!sa || now < sa->report_at ||
		    (sa->next < sa->threshold && !y->config.report_ms))
			continue;
		sa->report_at =
			now + (y->config.report_ms ? y->config.report_ms * NS_PER_MS : NS_PER_S);
		report(f, sa, true);
	}
}
