/*
 * The CLI's commands. All only read; docs/cli.md documents their fields. What needs counters
 * waits for a round of them (control_stats.c), so every command does: one way for all.
 */
#include "myelind/control.h"

#include "build-config.h"

#include "base/clock.h"
#include "myelind/registry.h"
#include "wire/bframe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX CTL_CLIENTS_MAX

/* Clients that wait for a round: their request, what to build, and whether their round runs. */
static struct {
	uint64_t id;
	show_build_fn *build;
	bool running;
} waiting[WAITING_MAX];

static void sci_text(struct js *o, const char *key, uint64_t sci)
{
	if (sci)
		js_set_format(o, key, "%016llx", (unsigned long long)sci);
	else
		js_set_text(o, key, NULL);
}

static void mac_text(struct js *o, const char *key, const uint8_t mac[6])
{
	js_set_format(o, key, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		      mac[4], mac[5]);
}

#define PREFIX_TEXT (INET6_ADDRSTRLEN + 4)

static const char *prefix_print(const struct bb_prefix *p, char buf[PREFIX_TEXT])
{
	size_t n;

	inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, buf, INET6_ADDRSTRLEN);
	n = strlen(buf);
	snprintf(buf + n, PREFIX_TEXT - n, "/%u", p->len);
	return buf;
}

static void prefix_text(struct js *o, const char *key, const struct bb_prefix *p)
{
	char text[PREFIX_TEXT];

	js_set_text(o, key, prefix_print(p, text));
}

static void prefix_push(struct js *list, const struct bb_prefix *p)
{
	char text[PREFIX_TEXT];

	js_push_text(list, prefix_print(p, text));
}

static uint64_t age_s(uint64_t since, uint64_t now)
{
	return since && now > since ? (now - since) / NS_PER_S : 0;
}

/* Secys that the argument selects, one after the other; NULL at the end. */
static struct control_secy *secy_next(struct control *c, const char *overlay, size_t *at)
{
	while (*at < c->plan->secy_count) {
		struct control_secy *s = &c->secys[(*at)++];

		if (!overlay || strcmp(overlay, s->plan->o->name) == 0)
			return s;
	}
	return NULL;
}

/* show peers */

static void peer_put(struct js *list, struct control_secy *s, const struct names *names,
		     uint64_t sci, bool live, bool key_server, uint64_t now)
{
	const struct keep_sa *tx = keep_transmit(&s->keep), *rx = NULL;
	struct js *o = js_push_object(list);
	uint64_t in, out;

	for (size_t i = s->keep.count; i-- > 0 && !rx;)
		if (s->keep.v[i].direction == SINK_RECEIVE && s->keep.v[i].sa.sci == sci &&
		    s->keep.v[i].installed &&
		    (!tx || memcmp(tx->sa.key_id, s->keep.v[i].sa.key_id, 16) == 0 || s->psk))
			rx = &s->keep.v[i];
	js_set_text(o, "overlay", s->plan->o->name);
	js_set_text(o, "port", s->plan->self->port->name);
	js_set_text(o, "peer", names_peer(s, names, sci));
	sci_text(o, "sci", sci);
	js_set_text(o, "state", live ? "live" : "potential");
	js_set_bool(o, "key-server", key_server);
	if (rx) {
		js_set_text(o, "cipher", macsec_suites[rx->sa.suite].name);
		js_set_hex(o, "key-id", rx->sa.key_id, MACSEC_KEY_ID_LEN);
		js_set_u64(o, "an", rx->sa.an);
		js_set_u64(o, "key-age", age_s(rx->since_ns, now));
	} else {
		js_set_text(o, "cipher", NULL);
		js_set_text(o, "key-id", NULL);
		js_set_text(o, "an", NULL);
		js_set_text(o, "key-age", NULL);
	}
	in = stats_get(s->c, false, s->plan->id, sci, -1, "InPktsOK");
	out = stats_get(s->c, false, s->plan->id, s->sci, -1, "OutPktsEncrypted") +
	      stats_get(s->c, false, s->plan->id, s->sci, -1, "OutPktsProtected");
	js_set_u64(o, "packets-in", in);
	js_set_u64(o, "packets-out", out);
}

static struct js *peers_build(struct control *c, const char *overlay, uint64_t now)
{
	struct js *j = js_object(), *list = js_set_array(j, "peers");
	struct names *names = names_read();
	struct control_secy *s;
	size_t at = 0;

	while ((s = secy_next(c, overlay, &at))) {
		if (s->mka) {
			struct mka_show *m = calloc(1, sizeof(*m));

			if (!m)
				continue;
			mka_show(s->mka, m);
			for (unsigned i = 0; i < m->peer_count; i++)
				peer_put(list, s, names, m->peers[i].sci, m->peers[i].live,
					 m->peers[i].sci && m->peers[i].sci == m->key_server_sci,
					 now);
			free(m);
		}
		for (size_t i = 0; s->psk && psk_peer(s->psk, i); i++)
			peer_put(list, s, names, psk_peer(s->psk, i)->sci, true, false, now);
	}
	show_tunnel_peers(list, c, overlay, now);
	free(names);
	return j;
}

/* show overlays */

static bool group_swallowed(const uint8_t mac[6])
{
	return memcmp(mac, "\x01\x80\xc2\x00\x00", 5) == 0 && mac[5] < 0x10;
}

/* The first port on the inside that is not ready, or NULL: the overlay's interface or, where it is
 * bridged, a lan port. */
static const struct plan_port *inside_missing(const struct control_secy *s)
{
	const struct plan *p = s->c->plan;

	for (size_t i = 0; i < p->port_count; i++) {
		const struct msg_port_want *w = &p->ports[i].want;

		if ((s->plan->bridged ? w->over == s->plan->overlay && w->kind == MSG_PORT_LAN
				      : w->port == s->plan->overlay) &&
		    !s->c->ports[w->port - 1].ready)
			return &p->ports[i];
	}
	return NULL;
}

static void show_note(const struct control_secy *s, const struct mka_show *m, uint64_t now,
		      char *buf, size_t size)
{
	show_mka_note(s, m, now, buf, size);
	if (!buf[0])
		show_keys_note(s, m, now, buf, size);
}

/* Why no traffic passes, and what to do: the first thing that stands in the way. */
static void reason_text(const struct control_secy *s, const struct mka_show *m, uint64_t now,
			char *buf, size_t size)
{
	const struct control_port *wan = &s->c->ports[s->plan->wan - 1];
	const struct plan_port *inside = inside_missing(s);
	const struct bb_mka *k = &s->plan->o->mka;

	buf[0] = 0;
	if (s->trouble[0])
		snprintf(buf, size, "%s", s->trouble);
	else if (!wan->ready)
		snprintf(buf, size, "port %s: %s", s->plan->self->port->name,
			 wan->what[0] ? wan->what : "waiting for the parent");
	else if (inside)
		snprintf(buf, size, "interface %s: %s", inside->want.ifname,
			 s->c->ports[inside->want.port - 1].what[0]
				 ? s->c->ports[inside->want.port - 1].what
				 : "waiting for the parent");
	else if (s->c->forward < 0)
		snprintf(buf, size, "the forward process is being restarted");
	else if (!m)
		return;
	else if (keep_transmit(&s->keep))
		show_note(s, m, now, buf, size);
	else if (show_keys_closed(s, m, buf, size))
		return;
	else if (m->results[MKA_CKN_UNKNOWN] && !m->peer_count)
		snprintf(buf, size, "MKPDUs come under another CKN: the key chain %s differs",
			 k->key_chain);
	else if (m->results[MKA_ICV_WRONG] && !m->peer_count)
		snprintf(buf, size, "MKPDUs come with a wrong ICV: the CAK in key chain %s differs",
			 k->key_chain);
	else if (m->rx_mkpdus == 0 && wan->send_errors)
		snprintf(buf, size, "MKPDUs cannot be sent (%llu refused by the kernel)",
			 (unsigned long long)wan->send_errors);
	else if (m->rx_mkpdus == 0 && group_swallowed(k->destination))
		snprintf(
			buf, size,
			"no MKPDU has come from any peer: bridges of a carrier consume frames to "
			"01:80:c2:00:00:%02x; set `mka { destination broadcast; ethertype 0x876f; }` "
			"on every member, or have the carrier tunnel them",
			k->destination[5]);
	else if (m->rx_mkpdus == 0)
		snprintf(buf, size,
			 "no MKPDU has come from any peer: is the service up, and are "
			 "destination and ethertype the same on every member?");
	else if (!m->key_server_sci && !m->key_server)
		snprintf(buf, size, "no key server is elected yet");
	else if (show_mka_misfit(s, m, buf, size)) {
		/* said */
	} else
		snprintf(buf, size, "waiting for a key to be agreed");
}

void show_openings_put(struct js *o, const struct control *c, const char *overlay)
{
	struct js *list = js_set_array(o, "open");

	for (size_t i = 0; i < c->openings.count; i++)
		if (c->openings.v[i].overlay && strcmp(c->openings.v[i].overlay, overlay) == 0)
			js_push_text(list, c->openings.v[i].what);
}

/* The lan ports that are bridged into it, or null. */
static void bridged_put(struct js *o, const struct control_secy *s)
{
	const struct plan *p = s->c->plan;
	struct js *list;

	if (!s->plan->bridged) {
		js_set_text(o, "bridge", NULL);
		return;
	}
	list = js_set_array(o, "bridge");
	for (size_t i = 0; i < p->port_count; i++)
		if (p->ports[i].want.kind == MSG_PORT_LAN &&
		    p->ports[i].want.over == s->plan->overlay)
			js_push_text(list, p->ports[i].port->name);
	js_set_text(o, "bridge-state",
		    bframe_state_names[stats_get(s->c, false, s->plan->id, 0, -1, "bridge.state") %
				       BFRAME_STATE_COUNT]);
}

static void overlay_put(struct js *list, struct control_secy *s, uint64_t now)
{
	const struct bb_overlay *b = s->plan->o;
	const struct keep_sa *tx = keep_transmit(&s->keep);
	struct mka_show *m = s->mka ? calloc(1, sizeof(*m)) : NULL;
	struct js *o = js_push_object(list);
	char reason[640];
	unsigned live = 0;

	if (m)
		mka_show(s->mka, m);
	for (unsigned i = 0; m && i < m->peer_count; i++)
		live += m->peers[i].live;
	for (size_t i = 0; s->psk && psk_peer(s->psk, i); i++)
		live++;
	js_set_text(o, "overlay", b->name);
	js_set_text(o, "design", registry_design_name(b->design));
	js_set_text(o, "keying", registry_keying_name(b->keying));
	js_set_text(o, "port", s->plan->self->port->name);
	js_set_text(o, "interface", s->plan->bridged ? NULL : b->name);
	bridged_put(o, s);
	if (s->plan->self->has_address && !s->plan->bridged)
		prefix_text(o, "address", &s->plan->self->address);
	else
		js_set_text(o, "address", NULL);
	js_set_u64(o, "mtu", backbone_overlay_mtu(b));
	js_set_text(o, "state", tx ? "secured" : b->macsec.should_secure ? "clear" : "closed");
	js_set_text(o, "cipher", macsec_suites[tx ? tx->sa.suite : (unsigned)b->macsec.suite].name);
	js_set_text(o, "confidentiality",
		    macsec_confs[tx ? tx->sa.conf : (unsigned)b->macsec.conf].name);
	show_openings_put(o, s->c, b->name);
	js_set_u64(o, "key-age", tx ? age_s(tx->since_ns, now) : 0);
	js_set_u64(o, "peers-live", live);
	js_set_u64(o, "members", b->member_count);
	reason_text(s, m, now, reason, sizeof(reason));
	js_set_text(o, "reason", reason[0] ? reason : NULL);
	free(m);
}

static struct js *overlays_build(struct control *c, const char *overlay, uint64_t now)
{
	struct js *j = js_object(), *list = js_set_array(j, "overlays");
	struct control_secy *s;
	size_t at = 0;

	while ((s = secy_next(c, overlay, &at)))
		overlay_put(list, s, now);
	show_tunnel_overlays(list, c, overlay, now);
	return j;
}

/* show mka */

static void mka_put(struct js *list, struct control_secy *s, const struct names *names,
		    uint64_t now)
{
	const struct bb_mka *k = &s->plan->o->mka;
	struct mka_show *m = calloc(1, sizeof(*m));
	struct js *o, *peers, *results;
	char reason[640];

	if (!m)
		return;
	mka_show(s->mka, m);
	o = js_push_object(list);
	js_set_text(o, "overlay", s->plan->o->name);
	js_set_text(o, "port", s->plan->self->port->name);
	js_set_hex(o, "member-id", m->mi, MKA_MI_LEN);
	js_set_u64(o, "message-number", m->mn);
	sci_text(o, "sci", m->sci);
	js_set_u64(o, "priority", s->plan->self->priority);
	js_set_bool(o, "key-server", m->key_server);
	sci_text(o, "key-server-sci", m->key_server_sci);
	js_set_text(o, "state", m->state);
	js_set_bool(o, "secured", m->secured);
	js_set_text(o, "cipher", macsec_suites[m->suite].name);
	if (m->secured)
		js_set_hex(o, "key-id", m->key_id, MACSEC_KEY_ID_LEN);
	else
		js_set_text(o, "key-id", NULL);
	js_set_u64(o, "an", m->an);
	js_set_u64(o, "key-age", age_s(m->sak_since_ns, now));
	js_set_u64(o, "keys", m->saks);
	mac_text(o, "destination", k->destination);
	js_set_format(o, "ethertype", "0x%04x", k->ethertype);
	js_set_u64(o, "mkpdus-in", m->rx_mkpdus);
	js_set_u64(o, "mkpdus-out", m->tx_mkpdus);
	js_set_bool(o, "adopted", s->adopted);
	show_mka_put(o, k, m, now);
	show_keys_put(o, k, m, now);
	results = js_set_object(o, "dropped");
	for (unsigned i = MKA_OK + 1; i < MKA_RESULT_COUNT; i++)
		if (m->results[i])
			js_set_u64(results, mka_result_name(i), m->results[i]);
	peers = js_set_array(o, "peers");
	for (unsigned i = 0; i < m->peer_count; i++) {
		struct js *p = js_push_object(peers);

		js_set_text(p, "peer", names_peer(s, names, m->peers[i].sci));
		js_set_hex(p, "member-id", m->peers[i].mi, MKA_MI_LEN);
		js_set_u64(p, "message-number", m->peers[i].mn);
		sci_text(p, "sci", m->peers[i].sci);
		js_set_u64(p, "priority", m->peers[i].priority);
		js_set_text(p, "state", m->peers[i].live ? "live" : "potential");
		js_set_u64(p, "heard-ms",
			   now > m->peers[i].heard_ns ? (now - m->peers[i].heard_ns) / NS_PER_MS
						      : 0);
		show_mka_peer_put(p, &m->peers[i], now);
	}
	reason_text(s, m, now, reason, sizeof(reason));
	js_set_text(o, "reason", reason[0] ? reason : NULL);
	free(m);
}

static struct js *mka_build(struct control *c, const char *overlay, uint64_t now)
{
	struct js *j = js_object(), *list = js_set_array(j, "participants");
	struct names *names = names_read();
	struct control_secy *s;
	size_t at = 0;

	while ((s = secy_next(c, overlay, &at)))
		if (s->mka)
			mka_put(list, s, names, now);
	free(names);
	return j;
}

/* show ports */

static void allow_put(struct js *o, uint32_t allow, bool bypass)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} classes[] = {
		{MSG_ALLOW_EAPOL, "eapol"}, {MSG_ALLOW_ARP_ND, "arp-nd"},
		{MSG_ALLOW_DHCP, "dhcp"},   {MSG_ALLOW_BGP, "bgp"},
		{MSG_ALLOW_LLDP, "lldp"},   {MSG_ALLOW_SSH, "ssh"},
		{MSG_ALLOW_PING, "ping"},   {MSG_ALLOW_INTEGRITY, "integrity-only"},
		{MSG_ALLOW_ESP, "esp-ike"}, {MSG_ALLOW_CLEAR, "should-secure"},
	};
	struct js *list = js_set_array(o, "open");

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (allow & classes[i].bit)
			js_push_text(list, classes[i].name);
	if (bypass)
		js_push_text(list, "bypass");
}

void show_counters_put(struct js *o, const char *key, const struct control *c, bool guard,
		       uint16_t id, uint64_t sci, int an)
{
	struct js *set = js_set_object(o, key);

	for (size_t i = 0; i < c->stats_count; i++) {
		const struct control_stats *e = &c->stats[i];

		if (e->guard != guard || e->id != id || e->s.sci != sci || e->s.an != an)
			continue;
		for (unsigned k = 0; k < e->s.count; k++)
			js_set_u64(set, e->s.v[k].name, e->s.v[k].value);
	}
}

/* The port's addresses, from the file and leased. */
static void addresses_put(struct js *o, const struct control *c, uint16_t port)
{
	const struct path_dhcp_lease *l = &c->ports[port - 1].leased;
	struct bb_prefix a = {.family = 4, .len = l->prefix};
	const uint32_t addr = htobe32(l->addr);
	struct js *list = js_set_array(o, "addresses");

	for (size_t i = 0; i < c->plan->address_count; i++) {
		const struct msg_address_want *w = &c->plan->addresses[i];
		struct bb_prefix p = {.family = w->family, .len = w->prefix};

		memcpy(p.addr, w->addr, sizeof(p.addr));
		if (w->port == port)
			prefix_push(list, &p);
	}
	memcpy(a.addr, &addr, sizeof(addr));
	if (l->addr)
		prefix_push(list, &a);
}

/* A wan port's outer tag, and its SCI. */
static void tags_put(struct js *o, const struct plan_port *pp)
{
	if (pp->want.outer_type) {
		js_set_u64(o, "outer-vlan", pp->want.outer_vlan);
		js_set_format(o, "outer-tpid", "0x%04x", pp->want.outer_type);
	}
	if (pp->port && pp->want.kind == MSG_PORT_WAN)
		js_set_u64(o, "port-id", pp->port->port_id);
}

static struct js *ports_build(struct control *c, const char *overlay, uint64_t now)
{
	static const char *const kinds[] = {
		[MSG_PORT_WAN] = "wan", [MSG_PORT_LAN] = "lan", [MSG_PORT_OVERLAY] = "overlay"};
	struct js *j = js_object(), *list = js_set_array(j, "ports");

	(void)overlay;
	(void)now;
	for (size_t i = 0; i < c->plan->port_count; i++) {
		const struct plan_port *pp = &c->plan->ports[i];
		const struct control_port *p = &c->ports[pp->want.port - 1];
		struct js *o;
		bool bypass;

		if (pp->bridged)
			continue; /* no interface stands for it */
		o = js_push_object(list);
		js_set_text(o, "port", pp->port ? pp->port->name : pp->overlay->name);
		js_set_text(o, "side", kinds[pp->want.kind]);
		js_set_text(o, "interface", pp->want.ifname);
		js_set_u64(o, "vlan", pp->want.vlan);
		tags_put(o, pp);
		js_set_text(o, "service",
			    pp->port && pp->port->service ? pp->port->service->name : NULL);
		js_set_text(o, "overlay", pp->overlay ? pp->overlay->name : NULL);
		js_set_text(o, "state", p->ready ? "ready" : "waiting");
		js_set_text(o, "reason",
			    p->ready     ? NULL
			    : p->what[0] ? p->what
					 : "waiting for the parent");
		js_set_u64(o, "mtu", p->mtu);
		mac_text(o, "mac", p->mac);
		if (pp->want.kind == MSG_PORT_LAN) {
			js_set_bool(o, "bridged", pp->want.over != 0);
			if (pp->want.over)
				show_counters_put(o, "guard", c, true, pp->want.port, 0, -1);
		}
		if (pp->want.kind != MSG_PORT_WAN || !pp->port)
			continue;
		/* What may pass in clear, and what of that somebody asked for on top. */
		bypass = false;
		for (unsigned k = 0; k < pp->want.rules.count; k++)
			bypass |= pp->want.rules.v[k].action == RULE_BYPASS;
		allow_put(o, pp->want.allow, bypass);
		js_set_bool(o, "deviates",
			    pp->port->allow || bypass ||
				    pp->want.allow & (MSG_ALLOW_INTEGRITY | MSG_ALLOW_CLEAR));
		js_set_text(o, "io", p->io.xdp ? "af-xdp" : "af-packet");
		js_set_text(o, "io-reason", p->io.what[0] ? p->io.what : NULL);
		js_set_u64(o, "mkpdu-send-errors", p->send_errors);
		js_set_text(o, "dhcp", p->dhcp ? path_dhcp_state(p->dhcp) : NULL);
		addresses_put(o, c, pp->want.port);
		show_counters_put(o, "guard", c, true, pp->want.port, 0, -1);
	}
	return j;
}

/* show sa */

static struct js *sa_build(struct control *c, const char *overlay, uint64_t now)
{
	struct js *j = js_object(), *list = js_set_array(j, "sas");
	struct names *names = names_read();
	struct control_secy *s;
	size_t at = 0;

	while ((s = secy_next(c, overlay, &at)))
		for (size_t i = 0; i < s->keep.count; i++) {
			const struct keep_sa *e = &s->keep.v[i];
			bool tx = e->direction == SINK_TRANSMIT;
			struct js *o = js_push_object(list);
			uint64_t pn =
				stats_get(c, false, s->plan->id, e->sa.sci, e->sa.an, "nextPN");

			js_set_text(o, "overlay", s->plan->o->name);
			js_set_text(o, "direction", tx ? "transmit" : "receive");
			js_set_text(o, "peer", tx ? NULL : names_peer(s, names, e->sa.sci));
			sci_text(o, "sci", e->sa.sci);
			js_set_u64(o, "an", e->sa.an);
			js_set_text(o, "cipher", macsec_suites[e->sa.suite].name);
			js_set_text(o, "confidentiality", macsec_confs[e->sa.conf].name);
			js_set_u64(o, "ssci", e->sa.ssci);
			js_set_hex(o, "key-id", e->sa.key_id, MACSEC_KEY_ID_LEN);
			js_set_text(o, "state", e->installed ? "installed" : "asked");
			js_set_u64(o, "next-pn", pn ? pn : e->pn_seen);
			js_set_u64(o, "pn-limit", e->sa.pn_limit);
			js_set_u64(o, "age", age_s(e->since_ns, now));
		}
	show_esp_put(j, c, overlay, now);
	free(names);
	return j;
}

/* show counters */

static struct js *counters_build(struct control *c, const char *overlay, uint64_t now)
{
	struct js *j = js_object(), *list = js_set_array(j, "secys");
	struct names *names = names_read();
	struct control_secy *s;
	size_t at = 0;

	(void)now;
	while ((s = secy_next(c, overlay, &at))) {
		struct js *o = js_push_object(list), *scs;

		js_set_text(o, "overlay", s->plan->o->name);
		sci_text(o, "sci", s->sci);
		show_counters_put(o, "counters", c, false, s->plan->id, 0, -1);
		scs = js_set_array(o, "channels");
		for (size_t i = 0; i < c->stats_count; i++) {
			const struct msg_stats *st = &c->stats[i].s;
			struct js *e;

			if (c->stats[i].guard || c->stats[i].id != s->plan->id || !st->sci)
				continue;
			e = js_push_object(scs);
			sci_text(e, "sci", st->sci);
			js_set_text(e, "peer",
				    st->sci == s->sci ? NULL : names_peer(s, names, st->sci));
			if (st->an >= 0)
				js_set_u64(e, "an", (uint64_t)st->an);
			else
				js_set_text(e, "an", NULL);
			for (unsigned k = 0; k < st->count; k++)
				js_set_u64(e, st->v[k].name, st->v[k].value);
		}
	}
	show_tunnel_counters(js_set_array(j, "tunnels"), c, overlay);
	free(names);
	return j;
}

/* Commands. */

void show_wait(struct control *c, struct ctl_request *rq, show_build_fn *build)
{
	const char *overlay = ctl_request_arg(rq);
	size_t at = 0;

	bool peers_too = build == show_ike_build || build == sa_build;

	if (overlay && !secy_next(c, overlay, &at) && !show_tunnel_overlay_is(c, overlay) &&
	    !(peers_too && show_ike_name_is(c, overlay))) {
		ctl_fail(rq, "node %s has no overlay%s %.64s", c->args->node,
			 peers_too ? " or peer" : "", overlay);
		return;
	}
	for (unsigned i = 0; i < WAITING_MAX; i++) {
		if (waiting[i].id && ctl_request_find(c->ctl, waiting[i].id))
			continue;
		waiting[i].id = ctl_request_id(rq);
		waiting[i].build = build;
		/* Runs with the round that begins now; one under way does not count for it. */
		waiting[i].running = !c->round;
		stats_ask(c, clock_now());
		return;
	}
	ctl_fail(rq, "too many requests at once");
}

void show_round_done(struct control *c, uint64_t now)
{
	for (unsigned i = 0; i < WAITING_MAX; i++) {
		struct ctl_request *rq;

		if (!waiting[i].id)
			continue;
		if (!waiting[i].running) {
			waiting[i].running = true; /* its round is the next */
			continue;
		}
		rq = ctl_request_find(c->ctl, waiting[i].id);
		waiting[i].id = 0;
		if (rq)
			ctl_answer(rq, waiting[i].build(c, ctl_request_arg(rq), now));
	}
}

#define SHOW(name)                                                                                 \
	static void show_##name(void *ctx, struct ctl_request *rq)                                 \
	{                                                                                          \
		show_wait(ctx, rq, name##_build);                                                  \
	}

SHOW(overlays)
SHOW(peers)
SHOW(mka)
SHOW(ports)
SHOW(sa)
SHOW(counters)

static void show_ike(void *ctx, struct ctl_request *rq)
{
	show_wait(ctx, rq, show_ike_build);
}

static void show_version(void *ctx, struct ctl_request *rq)
{
	struct control *c = ctx;
	struct js *j = js_object();

	js_set_text(j, "version", MYELIN_VERSION);
	js_set_text(j, "backbone", c->backbone->name);
	js_set_text(j, "node", c->args->node);
	js_set_text(j, "file", c->args->config);
	js_set_u64(j, "uptime", age_s(c->started_ns, clock_now()));
	js_set_u64(j, "forwards", c->links);
	js_set_text(j, "forward", c->forward < 0 ? "restarting" : c->synced ? "up" : "syncing");
	ctl_answer(rq, j);
}

static void show_config(void *ctx, struct ctl_request *rq)
{
	struct control *c = ctx;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc = f ? conf_print(c->conf, CONF_SET, f) : -ENOMEM;

	if (f && fclose(f) != 0 && !rc)
		rc = -ENOMEM;
	if (rc < 0) {
		ctl_fail(rq, "out of memory");
	} else {
		struct js *j = js_object();

		js_set_text(j, "file", c->args->config);
		js_set_text(j, "config", text);
		ctl_answer(rq, j);
	}
	free(text);
}

const struct ctl_command control_commands[] = {
	{"show overlays", "encrypted networks of this node", CTL_ARG_OVERLAY, show_overlays},
	{"show peers", "who is at the other ends, under which key", CTL_ARG_OVERLAY, show_peers},
	{"show mka", "key agreement of each overlay", CTL_ARG_OVERLAY, show_mka},
	{"show ike", "IKE SAs, and why a tunnel is down", CTL_ARG_OVERLAY, show_ike},
	{"show keys", "keys for Wireshark, where the file has them kept", CTL_ARG_NONE, show_keys},
	{"show macsec", "security associations", CTL_ARG_OVERLAY, show_sa},
	{"show sa", "security associations", CTL_ARG_OVERLAY, show_sa},
	{"show ports", "interfaces, what may pass in clear, and guards", CTL_ARG_NONE, show_ports},
	{"show routes", "the kernel's routes, and which lead into overlays", CTL_ARG_NONE,
	 show_routes},
	{"show counters", "the standard's counters", CTL_ARG_OVERLAY, show_counters},
	{"audit", "what passes, what was dropped, what is open and by which line", CTL_ARG_NONE,
	 audit_ask},
	{"show events", "what happened, all or since a sequence number", CTL_ARG_NUMBER,
	 show_events},
	{"show version", "what runs here", CTL_ARG_NONE, show_version},
	{"show config", "the file that runs, as set lines", CTL_ARG_NONE, show_config},
	{"up", "bring the tunnel to a peer up", CTL_ARG_PEER, ike_up_ask},
	{"down", "close it and hold it down", CTL_ARG_PEER, ike_down_ask},
	{"rekey", "new keys: child, ike or reauth", CTL_ARG_REKEY, ike_rekey_ask},
	{"suspend", "ask that this node may be away: SECONDS, 0 to take it back", CTL_ARG_SECONDS,
	 suspend_ask},
	{"reload", "take up the file as it is now, if it has no error", CTL_ARG_NONE, reload_ask},
	{},
};
