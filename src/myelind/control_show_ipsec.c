/*
 * What `show overlays` and `show peers` say of overlays of design ipsec, in the words that they have
 * for all.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "myelind/registry.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static uint64_t age_s(uint64_t since, uint64_t now)
{
	return since && now > since ? (now - since) / NS_PER_S : 0;
}

static void spi_put(struct js *o, const char *key, const struct tunnel_sa *e)
{
	if (e)
		js_set_format(o, key, "%08x", e->spi);
	else
		js_set_text(o, key, NULL);
}

static void end_put(struct js *o, const char *key, const struct esp_end *e)
{
	char addr[INET6_ADDRSTRLEN];

	if (e && e->family) {
		inet_ntop(e->family == 6 ? AF_INET6 : AF_INET, e->addr, addr, sizeof(addr));
		js_set_text(o, key, addr);
	} else {
		js_set_text(o, key, NULL);
	}
}

/* Why no packet of this peer's passes; "" when they do. */
void show_tunnel_reason(const struct control_tunnel *t, char *buf, size_t size)
{
	const struct control_port *wan = &t->c->ports[t->plan->wan - 1];
	struct ikev2_peer_show p = {0};

	buf[0] = 0;
	if (t->c->ike->engine)
		ikev2_peer_show(t->c->ike->engine, t->plan->id, &p);
	if (t->overlay->trouble[0])
		snprintf(buf, size, "%s", t->overlay->trouble);
	else if (t->trouble[0])
		snprintf(buf, size, "%s", t->trouble);
	else if (t->up)
		return;
	else if (p.held)
		snprintf(buf, size, "held down by command: `myelin up %s` brings it up",
			 tunnel_peer(t));
	else if (!wan->ready)
		snprintf(buf, size, "port %s: %s", t->plan->port->name,
			 wan->what[0] ? wan->what : "waiting for the parent");
	else if (t->c->forward < 0)
		snprintf(buf, size, "the forward process is being restarted");
	else if (!t->local.family)
		snprintf(buf, size, "port %s: waiting for an address from the carrier",
			 t->plan->port->name);
	else if (p.trouble[0])
		snprintf(buf, size, "%s", p.trouble);
	else if (!t->plan->remote.family)
		snprintf(buf, size, "waiting for it to call: the file has no address of it");
	else if (t->plan->o->ipsec.on_demand)
		snprintf(buf, size, "idle: it comes up with the first packet");
	else
		snprintf(buf, size, "waiting for keys to be agreed");
}

static void peer_put(struct js *list, const struct control_tunnel *t, uint64_t now)
{
	const struct tunnel_sa *rx = tunnel_sa_of(t, SINK_RECEIVE);
	const struct tunnel_sa *tx = tunnel_sa_of(t, SINK_TRANSMIT);
	struct js *o = js_push_object(list);
	const struct control *c = t->c;
	char reason[640];

	js_set_text(o, "overlay", t->plan->o->name);
	js_set_text(o, "port", t->plan->port->name);
	js_set_text(o, "peer", tunnel_peer(t));
	js_set_text(o, "sci", NULL);
	js_set_text(o, "state", t->up ? "live" : "down");
	js_set_bool(o, "key-server", false);
	/* Of a predecessor's SA nothing is known but that it is there. */
	js_set_text(o, "cipher", tx && tx->known ? esp_suites[tx->suite].name : NULL);
	js_set_text(o, "key-id", NULL);
	js_set_text(o, "an", NULL);
	if (tx)
		js_set_u64(o, "key-age", age_s(tx->since_ns, now));
	else
		js_set_text(o, "key-age", NULL);
	spi_put(o, "spi-in", rx);
	spi_put(o, "spi-out", tx);
	end_put(o, "address", tx && tx->known ? &tx->remote : NULL);
	js_set_u64(o, "packets-in", stats_get(c, false, t->plan->id, 0, SINK_RECEIVE, "packets"));
	js_set_u64(o, "packets-out", stats_get(c, false, t->plan->id, 0, SINK_TRANSMIT, "packets"));
	show_tunnel_reason(t, reason, sizeof(reason));
	js_set_text(o, "reason", reason[0] ? reason : NULL);
}

void show_tunnel_peers(struct js *list, struct control *c, const char *overlay, uint64_t now)
{
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++)
		if (!overlay || strcmp(overlay, c->ike->tunnels[i].plan->o->name) == 0)
			peer_put(list, &c->ike->tunnels[i], now);
}

static void overlay_put(struct js *list, const struct control *c, const struct ike_overlay *v,
			uint64_t now)
{
	const struct control_tunnel *first = NULL;
	const struct tunnel_sa *oldest = NULL;
	struct js *o = js_push_object(list);
	char reason[640], text[INET6_ADDRSTRLEN + 4];
	unsigned live = 0, count = 0;
	const struct bb_prefix *a;

	snprintf(reason, sizeof(reason), "%s", v->trouble); /* also while tunnels stand */
	for (size_t i = 0; i < c->ike->tunnel_count; i++) {
		const struct control_tunnel *t = &c->ike->tunnels[i];
		const struct tunnel_sa *tx;

		if (t->overlay != v)
			continue;
		first = first ? first : t;
		count++;
		live += t->up;
		tx = tunnel_sa_of(t, SINK_TRANSMIT);
		if (tx && tx->known && (!oldest || tx->since_ns < oldest->since_ns))
			oldest = tx;
		if (!t->up && !reason[0]) {
			int n = snprintf(reason, sizeof(reason), "%s: ", tunnel_peer(t));

			show_tunnel_reason(t, reason + n, sizeof(reason) - (size_t)n);
		}
	}
	if (!first)
		return;
	if (!reason[0] && v->o->auth == BB_AUTH_CA)
		cert_note(c, v->o->ca, reason, sizeof(reason));
	a = &first->plan->self->address;
	js_set_text(o, "overlay", v->o->name);
	js_set_text(o, "design", registry_design_name(v->o->design));
	js_set_text(o, "keying", registry_keying_name(v->o->keying));
	js_set_text(o, "port", first->plan->port->name);
	js_set_text(o, "interface", v->o->name);
	js_set_text(o, "bridge", NULL);
	if (first->plan->self->has_address) {
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, text, INET6_ADDRSTRLEN);
		js_set_format(o, "address", "%s/%u", text, a->len);
	} else {
		js_set_text(o, "address", NULL);
	}
	js_set_u64(o, "mtu", backbone_overlay_mtu(v->o));
	js_set_text(o, "state", live ? "secured" : "closed");
	js_set_text(o, "cipher", oldest ? esp_suites[oldest->suite].name : NULL);
	js_set_text(o, "confidentiality", NULL);
	show_openings_put(o, c, v->o->name);
	js_set_u64(o, "key-age", oldest ? age_s(oldest->since_ns, now) : 0);
	js_set_u64(o, "peers-live", live);
	js_set_u64(o, "members", count + 1u);
	js_set_text(o, "reason", reason[0] ? reason : NULL);
}

void show_tunnel_overlays(struct js *list, struct control *c, const char *overlay, uint64_t now)
{
	for (size_t i = 0; c->ike && i < c->ike->overlay_count; i++)
		if (!overlay || strcmp(overlay, c->ike->overlays[i].o->name) == 0)
			overlay_put(list, c, &c->ike->overlays[i], now);
}

bool show_tunnel_overlay_is(const struct control *c, const char *overlay)
{
	for (size_t i = 0; c->ike && i < c->ike->overlay_count; i++)
		if (strcmp(overlay, c->ike->overlays[i].o->name) == 0)
			return true;
	return false;
}

/* Their counters, by SPI. */
void show_tunnel_counters(struct js *list, struct control *c, const char *overlay)
{
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++) {
		const struct control_tunnel *t = &c->ike->tunnels[i];
		struct js *o, *sas;

		if (overlay && strcmp(overlay, t->plan->o->name) != 0)
			continue;
		o = js_push_object(list);
		js_set_text(o, "overlay", t->plan->o->name);
		js_set_text(o, "peer", tunnel_peer(t));
		show_counters_put(o, "receive", c, false, t->plan->id, 0, SINK_RECEIVE);
		show_counters_put(o, "transmit", c, false, t->plan->id, 0, SINK_TRANSMIT);
		show_counters_put(o, "counters", c, false, t->plan->id, 0, -1);
		sas = js_set_array(o, "sas");
		for (size_t k = 0; k < t->sa_count; k++) {
			struct js *e = js_push_object(sas);

			spi_put(e, "spi", &t->sas[k]);
			js_set_text(e, "direction",
				    t->sas[k].direction == SINK_TRANSMIT ? "transmit" : "receive");
			show_counters_put(e, "counters", c, false, t->plan->id, t->sas[k].spi,
					  t->sas[k].direction);
		}
	}
}
