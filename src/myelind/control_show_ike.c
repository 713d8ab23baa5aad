/*
 * `show ike`, `show sa` as far as it is about ESP, and `show keys`; docs/cli.md has their fields.
 *
 * Keys are kept for `show keys` only where the file has `ike { debug key-log; }`: the newest
 * KEY_LINES of them, in memory that is wiped.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LINES 512
#define KEY_LINE_MAX 1024

struct control_keys {
	uint64_t count; /* lines so far */
	struct {
		uint8_t table; /* enum ikev2_table */
		char text[KEY_LINE_MAX];
	} v[KEY_LINES];
};

static uint64_t past_s(uint64_t at, uint64_t now)
{
	return at && now > at ? (now - at) / NS_PER_S : 0;
}

/* Seconds until then; null: never. */
static void until_put(struct js *o, const char *key, uint64_t at, uint64_t now)
{
	if (at == IKEV2_NEVER)
		js_set_text(o, key, NULL);
	else
		js_set_u64(o, key, at > now ? (at - now) / NS_PER_S : 0);
}

static void end_put(struct js *o, const char *key, const struct esp_end *e)
{
	char addr[INET6_ADDRSTRLEN] = "?";

	if (!e->family) {
		js_set_text(o, key, NULL);
		return;
	}
	inet_ntop(e->family == 6 ? AF_INET6 : AF_INET, e->addr, addr, sizeof(addr));
	js_set_format(o, key, e->family == 6 ? "[%s]:%u" : "%s:%u", addr, e->port);
}

/* show ike */

static void child_put(struct js *list, const struct ikev2_child_show *v, uint64_t now)
{
	struct js *o = js_push_object(list);

	js_set_format(o, "spi-in", "%08x", v->spi_in);
	js_set_format(o, "spi-out", "%08x", v->spi_out);
	js_set_text(o, "suite", esp_suites[v->suite].name);
	js_set_text(o, "mode", v->mode == ESP_TRANSPORT ? "transport" : "tunnel");
	js_set_bool(o, "esn", v->esn);
	js_set_text(o, "state", !v->up ? "closing" : v->sending ? "used" : "receiving");
	js_set_u64(o, "age", past_s(v->since_ns, now));
	until_put(o, "rekey-in", v->rekey_ns, now);
}

static const char *nat_text(const struct ikev2_sa_show *v)
{
	return v->nat_local && v->nat_remote ? "both"
	       : v->nat_local                ? "here"
	       : v->nat_remote               ? "peer"
					     : "none";
}

static void sa_put(struct js *list, const struct ikev2_sa_show *v, uint64_t now)
{
	struct js *o = js_push_object(list), *children;
	char id[160];

	js_set_format(o, "spi-initiator", "%016llx", (unsigned long long)v->spi_i);
	js_set_format(o, "spi-responder", "%016llx", (unsigned long long)v->spi_r);
	js_set_text(o, "state", v->state);
	js_set_text(o, "role", v->initiator ? "initiator" : "responder");
	end_put(o, "local", &v->local);
	end_put(o, "remote", &v->remote);
	js_set_text(o, "identity",
		    v->remote_id.type ? ikev2_id_text(&v->remote_id, id, sizeof(id)) : NULL);
	js_set_text(o, "nat", nat_text(v));
	js_set_bool(o, "udp", v->encap);
	js_set_bool(o, "fragments", v->fragments);
	js_set_bool(o, "ppk", v->ppk);
	js_set_text(o, "suite", v->suite[0] ? v->suite : NULL);
	js_set_text(o, "auth", v->auth);
	js_set_u64(o, "age", past_s(v->since_ns, now));
	js_set_u64(o, "heard", past_s(v->heard_ns, now));
	until_put(o, "rekey-in", v->rekey_ns, now);
	until_put(o, "reauth-in", v->reauth_ns, now);
	children = js_set_array(o, "children");
	for (unsigned i = 0; i < v->child_count; i++)
		child_put(children, &v->children[i], now);
}

/* "up": packets can pass; the others say how far it is. */
static const char *peer_state(const struct control_tunnel *t, bool established, bool making,
			      const struct ikev2_peer_show *p)
{
	if (t->up)
		return "up";
	if (established)
		return "no child SA";
	if (making)
		return "connecting";
	if (p->held)
		return "held down";
	return p->wanted ? "down" : t->plan->remote.family ? "idle" : "waiting";
}

static void ike_peer_put(struct js *list, struct control_tunnel *t, uint64_t now)
{
	const struct ikev2 *e = t->c->ike->engine;
	struct js *o = js_push_object(list), *sas;
	struct ikev2_sa_show *v = calloc(1, sizeof(*v));
	struct ikev2_peer_show p = {0};
	bool established = false, making = false;
	char reason[IKEV2_TROUBLE_MAX];

	js_set_text(o, "overlay", t->plan->o->name);
	js_set_text(o, "peer", tunnel_peer(t));
	js_set_text(o, "port", t->plan->port->name);
	sas = js_set_array(o, "sas");
	if (e)
		ikev2_peer_show(e, t->plan->id, &p);
	for (unsigned i = 0; e && v && ikev2_show(e, i, v); i++) {
		if (v->tunnel != t->plan->id || !strcmp(v->state, "closed"))
			continue;
		established |= v->established;
		making |= !v->established && strcmp(v->state, "closing") != 0 &&
			  strcmp(v->state, "replaced") != 0;
		sa_put(sas, v, now);
	}
	free(v);
	js_set_text(o, "state", peer_state(t, established, making, &p));
	js_set_u64(o, "failures", p.failures);
	if (p.next_ns && !established && !making)
		js_set_u64(o, "next-in", p.next_ns > now ? (p.next_ns - now) / NS_PER_S : 0);
	else
		js_set_text(o, "next-in", NULL);
	show_tunnel_reason(t, reason, sizeof(reason));
	js_set_text(o, "reason", t->up || !reason[0] ? NULL : reason);
	if (p.trouble_ns)
		js_set_u64(o, "reason-age", past_s(p.trouble_ns, now));
	else
		js_set_text(o, "reason-age", NULL);
}

static void engine_put(struct js *j, const struct control *c)
{
	struct js *o = js_set_object(j, "engine"), *results;
	struct ikev2_stats st = {0};

	if (c->ike && c->ike->engine)
		ikev2_stats(c->ike->engine, &st);
	js_set_u64(o, "ike-sas", st.sas);
	js_set_u64(o, "half-open", st.half_open);
	js_set_u64(o, "established", st.established);
	js_set_u64(o, "rekeyed", st.rekeys);
	js_set_u64(o, "children-rekeyed", st.child_rekeys);
	js_set_u64(o, "lost", st.lost);
	js_set_u64(o, "datagrams-out", st.sent);
	js_set_u64(o, "retransmissions", st.retransmits);
	results = js_set_object(o, "datagrams-in");
	for (unsigned r = 0; r < IKEV2_RESULT_COUNT; r++)
		if (st.results[r])
			js_set_u64(results, ikev2_result_name(r), st.results[r]);
}

struct js *show_ike_build(struct control *c, const char *name, uint64_t now)
{
	struct js *j = js_object(), *list = js_set_array(j, "peers");

	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++)
		if (ike_shown(&c->ike->tunnels[i], name))
			ike_peer_put(list, &c->ike->tunnels[i], now);
	engine_put(j, c);
	return j;
}

/* show sa */

static void counted(struct js *o, const struct control_tunnel *t, uint32_t spi, int direction,
		    const char *const (*v)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		js_set_u64(o, v[i][0],
			   stats_get(t->c, false, t->plan->id, spi, direction, v[i][1]));
}

static void esp_put(struct js *list, const struct control_tunnel *t, const struct ikev2_sa_show *sa,
		    const struct ikev2_child_show *v, uint64_t now)
{
	static const char *const in[][2] = {
		{"packets-in", "packets"},  {"octets-in", "octets"},
		{"highest-in", "sequence"}, {"replays", "replays"},
		{"not-valid", "not-valid"}, {"not-selected", "no-selector"},
		{"malformed", "malformed"},
	};
	static const char *const out[][2] = {
		{"packets-out", "packets"}, {"octets-out", "octets"}, {"next-out", "sequence"}};
	struct js *o = js_push_object(list);

	js_set_text(o, "overlay", t->plan->o->name);
	js_set_text(o, "peer", tunnel_peer(t));
	js_set_format(o, "spi-in", "%08x", v->spi_in);
	js_set_format(o, "spi-out", "%08x", v->spi_out);
	js_set_text(o, "mode", v->mode == ESP_TRANSPORT ? "transport" : "tunnel");
	js_set_text(o, "suite", esp_suites[v->suite].name);
	js_set_bool(o, "esn", v->esn);
	js_set_bool(o, "udp", sa->encap);
	end_put(o, "local", &sa->local);
	end_put(o, "remote", &sa->remote);
	js_set_text(o, "state", !v->up ? "closing" : v->sending ? "used" : "receiving");
	js_set_u64(o, "window", t->plan->o->ipsec.window);
	js_set_u64(o, "age", past_s(v->since_ns, now));
	until_put(o, "rekey-in", v->rekey_ns, now);
	counted(o, t, v->spi_in, SINK_RECEIVE, in, sizeof(in) / sizeof(in[0]));
	counted(o, t, v->spi_out, SINK_TRANSMIT, out, sizeof(out) / sizeof(out[0]));
}

/* What a predecessor left without a record: it carries on until another takes its place. */
static void orphan_put(struct js *list, const struct control_tunnel *t, const struct tunnel_sa *e,
		       uint64_t now)
{
	bool out = e->direction == SINK_TRANSMIT;
	struct js *o = js_push_object(list);

	js_set_text(o, "overlay", t->plan->o->name);
	js_set_text(o, "peer", tunnel_peer(t));
	js_set_text(o, out ? "spi-in" : "spi-out", NULL);
	js_set_format(o, out ? "spi-out" : "spi-in", "%08x", e->spi);
	js_set_text(o, "state", "orphaned");
	js_set_u64(o, "age", past_s(e->since_ns, now));
	js_set_u64(o, out ? "packets-out" : "packets-in",
		   stats_get(t->c, false, t->plan->id, e->spi, e->direction, "packets"));
}

void show_esp_put(struct js *j, struct control *c, const char *name, uint64_t now)
{
	struct js *list = js_set_array(j, "esp");
	struct ikev2_sa_show *v = calloc(1, sizeof(*v));

	for (size_t i = 0; c->ike && v && i < c->ike->tunnel_count; i++) {
		const struct control_tunnel *t = &c->ike->tunnels[i];

		if (!ike_shown(t, name))
			continue;
		for (unsigned n = 0; c->ike->engine && ikev2_show(c->ike->engine, n, v); n++)
			for (unsigned k = 0; v->tunnel == t->plan->id && k < v->child_count; k++)
				esp_put(list, t, v, &v->children[k], now);
		for (size_t k = 0; k < t->sa_count; k++)
			if (!t->sas[k].known && t->sas[k].installed)
				orphan_put(list, t, &t->sas[k], now);
	}
	free(v);
}

/* show keys */

void show_keys_keep(void *ctx, enum ikev2_table table, const char *line)
{
	struct control *c = ctx;
	struct control_keys *k = c->keys;

	if (!k)
		k = c->keys = calloc(1, sizeof(*k));
	if (!k)
		return;
	k->v[k->count % KEY_LINES].table = (uint8_t)table;
	snprintf(k->v[k->count % KEY_LINES].text, KEY_LINE_MAX, "%s", line);
	k->count++;
}

void show_keys_fini(struct control *c)
{
	if (c->keys)
		secret_wipe(c->keys, sizeof(*c->keys));
	free(c->keys);
	c->keys = NULL;
}

void show_keys(void *ctx, struct ctl_request *rq)
{
	static const char *const names[] = {
		[IKEV2_TABLE_IKE] = "ikev2_decryption_table", [IKEV2_TABLE_ESP] = "esp_sa"};
	struct control *c = ctx;
	const struct control_keys *k = c->keys;
	struct js *j, *lists[2];
	bool open = false;

	for (size_t i = 0; c->ike && i < c->ike->overlay_count; i++)
		open |= c->ike->overlays[i].o->ipsec.key_log;
	if (!open) {
		ctl_fail(
			rq,
			"no keys are kept: the line that would have it is `ike { debug key-log; }` "
			"of an overlay, and whoever reads them reads the traffic");
		return;
	}
	j = js_object();
	for (unsigned t = 0; t < 2; t++)
		lists[t] = js_set_array(j, names[t]);
	for (uint64_t i = k && k->count > KEY_LINES ? k->count - KEY_LINES : 0; k && i < k->count;
	     i++)
		js_push_text(lists[k->v[i % KEY_LINES].table], k->v[i % KEY_LINES].text);
	ctl_answer(rq, j);
}
