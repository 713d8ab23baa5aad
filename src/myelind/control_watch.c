/*
 * What changed: a SecY is compared with what it was after every call of its engine, counters with
 * those of ten seconds before, and what is different is an event. So the engines know nothing of
 * events, and whatever makes a peer live or a key retired is told alike.
 *
 * Counters that somebody without a key can raise become one event in ten seconds at most, in the
 * ring of their like (events.h).
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_NS (10 * NS_PER_S)
#define FIRST_NS NS_PER_S /* what the counters were before is no news */

bool watch_init(struct control *c)
{
	struct events_memory *m = NULL;

	if (c->state && c->state_size >= ike_records_end() + sizeof(*m) + 64)
		m = (void *)((uint8_t *)c->state + (c->state_size - sizeof(*m)) / 64 * 64);
	else
		m = calloc(1, sizeof(*m)); /* forgotten with this process */
	if (!m)
		return false;
	events_open(&c->events, m);
	c->watch_at = clock_now() + FIRST_NS;
	return true;
}

static bool has(const uint64_t *v, unsigned count, uint64_t what)
{
	for (unsigned i = 0; i < count; i++)
		if (v[i] == what)
			return true;
	return false;
}

static void watch_peers(struct control_secy *s, const struct mka_show *m, uint64_t now)
{
	struct watch *w = &s->watch;
	uint64_t live[MKA_SHOW_PEERS];
	const char *name = s->plan->o->name;
	unsigned count = 0;
	uint64_t server = m->key_server ? m->sci : m->key_server_sci;

	for (unsigned i = 0; i < m->peer_count; i++)
		if (m->peers[i].live)
			live[count++] = m->peers[i].sci;
	for (unsigned i = 0; i < count && !w->quiet; i++)
		if (!has(w->peers, w->peer_count, live[i]))
			event_put(&s->c->events, EVENT_PEER_LIVE, name, live[i], now,
				  "peer %016llx is live", (unsigned long long)live[i]);
	for (unsigned i = 0; i < w->peer_count && !w->quiet; i++)
		if (!has(live, count, w->peers[i]))
			event_put(&s->c->events, EVENT_PEER_LOST, name, w->peers[i], now,
				  "peer %016llx is not heard any more",
				  (unsigned long long)w->peers[i]);
	if (server && server != w->key_server && !w->quiet)
		event_put(&s->c->events, EVENT_KEY_SERVER, name, server, now,
			  m->key_server ? "this node is the key server"
					: "%016llx is the key server",
			  (unsigned long long)server);
	w->peer_count = count;
	memcpy(w->peers, live, count * sizeof(*live));
	w->key_server = server;
}

/* Which CAK's SAKs are used, and whether its time is over. */
static void watch_caks(struct control_secy *s, const struct mka_show *m, uint64_t now)
{
	const struct mka_key_show *k = m->keys, *end = k + m->key_count;
	char ckn[2 * MKA_CKN_MAX + 1] = "";
	struct watch *w = &s->watch;
	bool other;

	while (k < end && !k->principal)
		k++;
	if (k == end)
		return;
	for (unsigned i = 0; i < k->ckn_len; i++)
		snprintf(ckn + 2 * i, 3, "%02x", k->ckn[i]);
	other = w->ckn_len != k->ckn_len || memcmp(w->ckn, k->ckn, k->ckn_len) != 0;
	if (other && !w->quiet)
		event_put(&s->c->events, EVENT_CAK_USED, s->plan->o->name, 0, now,
			  "CAK %s%s is used", ckn, k->fallback ? " of the fallback" : "");
	if (k->overtime_ns && (other || !w->overtime) && !w->quiet)
		event_put(&s->c->events, EVENT_CAK_OVERTIME, s->plan->o->name, 0, now,
			  "the time of CAK %s is over, and no other reaches every peer", ckn);
	w->ckn_len = k->ckn_len;
	memcpy(w->ckn, k->ckn, sizeof(w->ckn));
	w->overtime = k->overtime_ns != 0;
}

static const uint8_t *key_find(const uint8_t (*keys)[MACSEC_KEY_ID_LEN], unsigned count,
			       const uint8_t *id)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(keys[i], id, MACSEC_KEY_ID_LEN) == 0)
			return keys[i];
	return NULL;
}

/* SAKs that are nowhere in use any more. Static keys stay as long as the file says so. */
static void watch_retired(struct control_secy *s, uint64_t now)
{
	struct watch *w = &s->watch;
	uint8_t keys[WATCH_KEYS][MACSEC_KEY_ID_LEN], an[WATCH_KEYS];
	unsigned count = 0;

	for (size_t i = 0; s->mka && i < s->keep.count && count < WATCH_KEYS; i++) {
		const struct sink_sa *sa = &s->keep.v[i].sa;

		if (key_find(keys, count, sa->key_id))
			continue;
		memcpy(keys[count], sa->key_id, MACSEC_KEY_ID_LEN);
		an[count++] = sa->an;
	}
	for (unsigned i = 0; i < w->key_count && !w->quiet; i++)
		if (!key_find(keys, count, w->keys[i]))
			event_put(&s->c->events, EVENT_KEY_RETIRED, s->plan->o->name, 0, now,
				  "the key of AN %u is retired", w->key_an[i]);
	w->key_count = count;
	memcpy(w->keys, keys, count * sizeof(*keys));
	memcpy(w->key_an, an, count);
}

static void watch_transmit(struct control_secy *s, uint64_t now)
{
	const struct keep_sa *e = keep_transmit(&s->keep);
	struct events *ev = &s->c->events;
	struct watch *w = &s->watch;
	const char *name = s->plan->o->name;

	if (e && memcmp(e->sa.key_id, w->transmit, sizeof(w->transmit)) != 0) {
		memcpy(w->transmit, e->sa.key_id, sizeof(w->transmit));
		if (!w->quiet)
			event_put(ev, EVENT_KEY_USED, name, 0, now,
				  "sending under AN %u, %s, SCI %016llx", e->sa.an,
				  macsec_suites[e->sa.suite].name, (unsigned long long)s->sci);
	}
	if (s->plan->o->macsec.should_secure && !e) {
		/* Told when it begins too, and by a successor again. */
		if (s->announced && !w->clear)
			event_put(ev, EVENT_OVERLAY_CLEAR, name, 0, now,
				  "should-secure, and no key to send under: frames go out and are "
				  "taken IN CLEAR");
		w->clear = s->announced || w->clear;
	} else if (!!e != w->secured && !w->quiet) {
		event_put(ev, e ? EVENT_OVERLAY_SECURED : EVENT_OVERLAY_CLOSED, name, 0, now,
			  e ? "traffic passes, encrypted" : "no key to send under: nothing passes");
	}
	w->clear = w->clear && !e;
	w->secured = e != NULL;
}

void watch_secy(struct control_secy *s, uint64_t now)
{
	static struct mka_show show;
	struct watch *w = &s->watch;

	if (s->mka) {
		mka_show(s->mka, &show);
		watch_peers(s, &show, now);
		watch_caks(s, &show, now);
	}
	watch_transmit(s, now);
	watch_retired(s, now);
	if (w->lost)
		event_put(&s->c->events, EVENT_KEY_LOST, s->plan->o->name, 0, now,
			  "forward has lost %u SA%s: they get a fresh key", w->lost,
			  w->lost == 1 ? "" : "s");
	w->lost = 0;
	if ((s->mka || s->psk) && (s->c->synced || now - s->c->started_ns > WATCH_NS))
		w->quiet = false;
}

void watch_port(struct control *c, const struct msg_port_ready *r, uint64_t now)
{
	const struct control_port *p = &c->ports[r->port - 1];
	const struct plan_port *pp = plan_port(c->plan, r->port);
	const char *ifname = pp->want.ifname;

	if (r->error && (!p->answered || p->ready || strcmp(p->what, r->what) != 0))
		event_put(&c->events, EVENT_PORT_FAILED, NULL, 0, now, "port %s: %s", ifname,
			  r->what);
	else if (!r->error && p->answered && !p->ready)
		event_put(&c->events, EVENT_PORT_READY, NULL, 0, now, "port %s is there", ifname);
}

/* How much a counter rose since the last time; a process that started anew counts from 0. */
static uint64_t risen(uint64_t *last, uint64_t value)
{
	uint64_t by = value < *last ? value : value - *last;

	*last = value;
	return by;
}

/* Something that a sender without a key causes, summed up. The text ends in a list. */
struct sum {
	char text[EVENT_TEXT];
	uint64_t count;
};

static void sum_add(struct sum *s, uint64_t n, const char *what)
{
	size_t len = strlen(s->text);

	if (!n)
		return;
	s->count += n;
	snprintf(s->text + len, sizeof(s->text) - len, "%s%llu %s", len ? ", " : "",
		 (unsigned long long)n, what);
}

static void watch_mkpdus(struct control_secy *s, bool first, uint64_t now)
{
	static struct mka_show show;
	struct sum sum = {};

	if (!s->mka)
		return;
	mka_show(s->mka, &show);
	for (unsigned i = 0; i < MKA_RESULT_COUNT; i++) {
		uint64_t n = risen(&s->watch.results[i], show.results[i]);

		if (i != MKA_OK && i != MKA_NOT_LIVE && i != MKA_NOT_MKPDU)
			sum_add(&sum, n, mka_result_name(i));
	}
	if (sum.count && !first)
		event_put(&s->c->events, EVENT_MKPDUS_REFUSED, s->plan->o->name, 0, now,
			  "MKPDUs dropped: %s", sum.text);
}

static void watch_frames(struct control *c, bool first, uint64_t now)
{
	static const struct {
		const char *counter, *what;
	} fates[] = {
		{"path.drop.not-valid", "with a wrong ICV"},
		{"path.drop.duplicate", "a second time"},
		{"path.drop.late", "too late"},
		{"path.drop.unknown-sci", "of an unknown sender"},
	};
	static uint64_t last[sizeof(fates) / sizeof(*fates)];
	struct sum sum = {};

	/* Forward's counters, the same whichever SecY is asked for. */
	if (!c->plan->secy_count || !c->secys[0].announced)
		return;
	for (size_t i = 0; i < sizeof(fates) / sizeof(*fates); i++)
		sum_add(&sum,
			risen(&last[i],
			      stats_get(c, false, c->plan->secys[0].id, 0, -1, fates[i].counter)),
			fates[i].what);
	if (sum.count && !first)
		event_put(&c->events, EVENT_FRAMES_REFUSED, NULL, 0, now, "frames dropped: %s",
			  sum.text);
}

static void watch_guards(struct control *c, bool first, uint64_t now)
{
	static uint64_t last[PLAN_PORTS_MAX];

	for (size_t i = 0; i < c->plan->port_count; i++) {
		const struct msg_port_want *want = &c->plan->ports[i].want;
		uint64_t n;

		if (want->kind != MSG_PORT_WAN || !c->ports[want->port - 1].ready)
			continue;
		n = risen(&last[want->port - 1],
			  stats_get(c, true, want->port, 0, -1, "guard-restored"));
		if (n && !first)
			event_put(&c->events, EVENT_GUARD_RESTORED, NULL, 0, now,
				  "%s: a guard was taken away, and put back after %llu ms at most",
				  want->ifname,
				  (unsigned long long)stats_get(c, true, want->port, 0, -1,
								"gap-last-ms"));
	}
}

void watch_round(struct control *c, uint64_t now)
{
	static bool looked;

	if (now < c->watch_at)
		return;
	c->watch_at = now + WATCH_NS;
	for (size_t i = 0; i < c->plan->secy_count; i++)
		watch_mkpdus(&c->secys[i], !looked, now);
	watch_frames(c, !looked, now);
	watch_guards(c, !looked, now);
	looked = true;
}

/* show events */

static void time_text(struct js *o, const char *key, uint64_t wall_ns)
{
	time_t t = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	js_set_format(o, key, "%s.%03uZ", text, (unsigned)(wall_ns % NS_PER_S / NS_PER_MS));
}

static void event_show(struct control *c, struct js *list, const struct event *v,
		       const struct names *names, uint64_t now)
{
	struct js *o = js_push_object(list);
	const char *peer = NULL;

	for (size_t i = 0; v->sci && i < c->plan->secy_count && !peer; i++)
		if (strcmp(c->plan->secys[i].o->name, v->overlay) == 0)
			peer = v->sci == c->secys[i].sci ? c->args->node
							 : names_peer(&c->secys[i], names, v->sci);
	js_set_u64(o, "seq", v->seq);
	time_text(o, "time", v->wall_ns);
	js_set_u64(o, "boot-ms", v->boot_ns / NS_PER_MS);
	js_set_u64(o, "age", now > v->boot_ns ? (now - v->boot_ns) / NS_PER_S : 0);
	js_set_text(o, "severity", event_severity(v->kind));
	js_set_text(o, "event", event_name(v->kind));
	js_set_text(o, "overlay", v->overlay[0] ? v->overlay : NULL);
	js_set_text(o, "peer", peer);
	if (v->sci)
		js_set_format(o, "sci", "%016llx", (unsigned long long)v->sci);
	else
		js_set_text(o, "sci", NULL);
	js_set_text(o, "text", v->text);
}

void show_events(void *ctx, struct ctl_request *rq)
{
	struct control *c = ctx;
	const char *arg = ctl_request_arg(rq);
	struct names *names;
	struct js *j, *list;
	uint64_t since = 0;
	char *end = NULL;

	if (arg) {
		since = strtoull(arg, &end, 10);
		if (!*arg || *end || *arg == '-') {
			ctl_fail(rq, "`%.40s` is no sequence number", arg);
			return;
		}
	}
	j = js_object();
	list = js_set_array(j, "events");
	names = names_read();
	for (const struct event *v = events_after(&c->events, since); v;
	     v = events_after(&c->events, v->seq))
		event_show(c, list, v, names, clock_now());
	free(names);
	js_set_u64(j, "last", c->events.last);
	ctl_answer(rq, j);
}
