/*
 * `audit`: the proof that this node keeps its wan interfaces shut, out of the counters of a round:
 * what the kernel's guards let pass and what they dropped under which name, how long they were in
 * place, what forward and the keying refused, and which line of the file opens what. docs/cli.md has
 * the fields.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "fwd/fate.h"
#include "proc/guard.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct audit {
	struct control *c;
	struct js *wrong; /* in words */
};

/* What a class of frames that pass is. */
static const char *const kinds[GUARD_DROPPED] = {
	[GUARD_MACSEC] = "ciphertext", [GUARD_ESP] = "ciphertext",
	[GUARD_EAPOL] = "keying",      [GUARD_IKE] = "keying",
	[GUARD_ARP_ND] = "neighbours", [GUARD_ICMP] = "errors",
	[GUARD_DHCP] = "exception",    [GUARD_BGP] = "exception",
	[GUARD_LLDP] = "exception",    [GUARD_SSH] = "exception",
	[GUARD_PING] = "exception",    [GUARD_INTEGRITY] = "not encrypted",
	[GUARD_BYPASSED] = "in clear", [GUARD_CLEAR] = "in clear",
};

/* Why a frame that was such a one was dropped. */
static const char *const whys[GUARD_KINDS] = {
	[GUARD_MACSEC] = "MACsec where none is used",
	[GUARD_EAPOL] = "keying that is not this port's",
	[GUARD_ARP_ND] = "neighbours; the port has no address",
	[GUARD_DHCP] = "no `allow dhcp` at the port",
	[GUARD_BGP] = "no `allow bgp` at the port",
	[GUARD_LLDP] = "no `allow lldp` at the port",
	[GUARD_SSH] = "no `allow ssh` at the port",
	[GUARD_PING] = "no `allow ping` at the port",
	[GUARD_INTEGRITY] = "MACsec that is not encrypted",
	[GUARD_ESP] = "ESP, but no tunnels run over the port",
	[GUARD_IKE] = "IKE, but no tunnels run over the port",
	[GUARD_ICMP] = "an error about ESP or IKE: out, or without tunnels",
	[GUARD_NO_PORT] = "in tags that no port here has, or without any",
	[GUARD_BAD_MACSEC] = "MACsec that is not as it may be",
	[GUARD_BAD_ESP] = "ESP that is not as it may be",
	[GUARD_BAD_IKE] = "to IKE's ports, but not IKE",
	[GUARD_FRAGMENT] = "a fragment of IPv4",
	[GUARD_TRANSIT] = "IP in clear between others, routed by this machine",
	[GUARD_IPV4] = "IPv4 in clear",
	[GUARD_IPV6] = "IPv6 in clear",
	[GUARD_OTHER] = "another EtherType in clear",
};

static const struct {
	const char *name, *what;
	bool guard; /* of forward's own guard: it stopped what should not have come so far */
} fates[] = {
#define FATE(e, name, what)                                                                        \
	{name, what, FATE_##e >= FATE_GUARD_UNSEALED && FATE_##e <= FATE_GUARD_LAN},
	FWD_FATES(FATE)
#undef FATE
};

static void wrong(const struct audit *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void wrong(const struct audit *a, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	js_push_text(a->wrong, text);
}

static uint64_t count_of(const struct audit *a, uint16_t port, const char *way, const char *name)
{
	char key[48];

	snprintf(key, sizeof(key), "%s%s", way, name);
	return stats_get(a->c, true, port, 0, -1, key);
}

/* Frames by class, and those that were dropped, by what they were. */
static void frames_put(const struct audit *a, struct js *o, uint16_t port)
{
	struct js *passed = js_set_array(o, "passed"), *dropped = js_set_array(o, "dropped");

	for (unsigned k = 0; k < GUARD_KINDS; k++) {
		const char *name = guard_class_name(k);
		uint64_t out = k < GUARD_DROPPED ? count_of(a, port, "egress-", name) : 0;
		uint64_t in = k < GUARD_DROPPED ? count_of(a, port, "ingress-", name) : 0;
		struct js *row;

		if ((out || in) && kinds[k]) {
			row = js_push_object(passed);
			js_set_text(row, "class", name);
			js_set_text(row, "kind", kinds[k]);
			js_set_u64(row, "out", out);
			js_set_u64(row, "in", in);
		}
		out = count_of(a, port, "egress-dropped-", name);
		in = count_of(a, port, "ingress-dropped-", name);
		if (!out && !in)
			continue;
		row = js_push_object(dropped);
		js_set_text(row, "what", name);
		js_set_u64(row, "out", out);
		js_set_u64(row, "in", in);
		js_set_text(row, "why", whys[k]);
	}
}

/* How long it was guarded, and when it was not. */
static void record_put(const struct audit *a, struct js *o, uint16_t port, const char *ifname)
{
	static const char *const names[] = {"guarded-ms",     "gaps",        "gap-ms",
					    "gap-longest-ms", "gap-last-ms", "gap-last-age-ms",
					    "missing-ms"};
	uint64_t v[sizeof(names) / sizeof(*names)];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		v[i] = stats_get(a->c, true, port, 0, -1, names[i]);
		js_set_u64(o, names[i], v[i]);
	}
	if (v[6])
		wrong(a,
		      "%s: a guard is missing for %llu ms now and cannot be put back; the "
		      "interface is set down",
		      ifname, (unsigned long long)v[6]);
	if (v[1])
		wrong(a,
		      "%s: a guard was missing %llu time%s, for %llu ms at most, the last time "
		      "%llu s ago; what passed then was not counted",
		      ifname, (unsigned long long)v[1], v[1] == 1 ? "" : "s",
		      (unsigned long long)v[2], (unsigned long long)(v[5] / 1000));
}

static bool answered(const struct audit *a, uint16_t port)
{
	for (size_t i = 0; i < a->c->stats_count; i++)
		if (a->c->stats[i].guard && a->c->stats[i].id == port)
			return true;
	return false;
}

/* All the wan ports of an interface, which share its guards; at is the first of them. */
static void interface_put(const struct audit *a, struct js *list, size_t at)
{
	const struct plan *p = a->c->plan;
	const char *ifname = p->ports[at].want.ifname;
	struct js *o = js_push_object(list), *ports;
	uint16_t id = 0;

	js_set_text(o, "interface", ifname);
	ports = js_set_array(o, "ports");
	for (size_t i = at; i < p->port_count; i++) {
		const struct plan_port *pp = &p->ports[i];
		const struct control_port *cp = &a->c->ports[pp->want.port - 1];

		if (pp->want.kind != MSG_PORT_WAN || strcmp(pp->want.ifname, ifname) != 0)
			continue;
		js_push_text(ports, pp->port->name);
		if (cp->ready && !id)
			id = pp->want.port;
		if (!cp->ready)
			wrong(a, "port %s: %s", pp->port->name,
			      cp->what[0] ? cp->what : "waiting for the parent");
	}
	js_set_bool(o, "guarded", false);
	if (!id)
		return;
	if (!answered(a, id)) {
		wrong(a, "%s: no word of its guards", ifname);
		return;
	}
	js_set_bool(o, "guarded", !stats_get(a->c, true, id, 0, -1, "missing-ms"));
	record_put(a, o, id, ifname);
	frames_put(a, o, id);
}

static void interfaces_put(const struct audit *a, struct js *list)
{
	const struct plan *p = a->c->plan;

	for (size_t i = 0; i < p->port_count; i++) {
		bool first = p->ports[i].want.kind == MSG_PORT_WAN && p->ports[i].port;

		for (size_t k = 0; k < i && first; k++)
			first = p->ports[k].want.kind != MSG_PORT_WAN ||
				strcmp(p->ports[k].want.ifname, p->ports[i].want.ifname) != 0;
		if (first)
			interface_put(a, list, i);
	}
}

/* Forward says the same of its path with every SecY and tunnel. */
static uint16_t path_id(const struct control *c)
{
	for (size_t i = 0; i < c->plan->secy_count; i++)
		if (c->secys[i].announced)
			return c->plan->secys[i].id;
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++)
		if (c->ike->tunnels[i].announced)
			return c->ike->tunnels[i].plan->id;
	return 0;
}

static void path_put(const struct audit *a, struct js *j)
{
	struct js *sent = js_set_object(j, "sent"), *list = js_set_array(j, "dropped");
	uint16_t id = path_id(a->c);

	for (size_t i = 0; id && i < sizeof(fates) / sizeof(*fates); i++) {
		char key[48];
		uint64_t n;
		struct js *row;

		snprintf(key, sizeof(key), "path.%s", fates[i].name);
		n = stats_get(a->c, false, id, 0, -1, key);
		if (strncmp(fates[i].name, "sent-", 5) == 0)
			js_set_u64(sent, fates[i].name, n);
		if (!n || strncmp(fates[i].name, "drop.", 5) != 0)
			continue;
		row = js_push_object(list);
		js_set_text(row, "what", fates[i].name + 5);
		js_set_u64(row, "packets", n);
		js_set_text(row, "why", fates[i].what);
		if (fates[i].guard)
			wrong(a, "forward's own guard stopped %llu frame%s: %s",
			      (unsigned long long)n, n == 1 ? "" : "s", fates[i].what);
	}
}

static void refused(struct js *list, const char *protocol, const char *overlay, const char *what,
		    uint64_t n)
{
	struct js *row = js_push_object(list);

	js_set_text(row, "protocol", protocol);
	js_set_text(row, "overlay", overlay);
	js_set_text(row, "what", what);
	js_set_u64(row, "messages", n);
}

static void keying_put(const struct audit *a, struct js *list)
{
	struct mka_show *m = calloc(1, sizeof(*m));
	struct ikev2_stats st;

	for (size_t i = 0; m && i < a->c->plan->secy_count; i++) {
		const struct control_secy *s = &a->c->secys[i];

		if (!s->mka)
			continue;
		mka_show(s->mka, m);
		for (unsigned r = MKA_OK + 1; r < MKA_RESULT_COUNT; r++)
			if (m->results[r])
				refused(list, "mka", s->plan->o->name, mka_result_name(r),
					m->results[r]);
	}
	free(m);
	if (!a->c->ike || !a->c->ike->engine)
		return;
	ikev2_stats(a->c->ike->engine, &st);
	for (unsigned r = IKEV2_OK + 1; r < IKEV2_RESULT_COUNT; r++)
		if (st.results[r] && r != IKEV2_FRAGMENT_MORE && r != IKEV2_RETRANSMIT)
			refused(list, "ikev2", NULL, ikev2_result_name(r), st.results[r]);
}

static void openings_put(const struct audit *a, struct js *list)
{
	for (size_t i = 0; i < a->c->openings.count; i++) {
		const struct opening *v = &a->c->openings.v[i];
		struct js *o = js_push_object(list);

		js_set_text(o, "what", v->what);
		js_set_text(o, "port", v->port);
		js_set_text(o, "overlay", v->overlay);
		js_set_text(o, "file", v->file);
		js_set_u64(o, "line", v->line);
		js_set_text(o, "means", v->means);
	}
}

static struct js *audit_build(struct control *c, const char *overlay, uint64_t now)
{
	struct js *j = js_object(), *verdict = js_set_object(j, "audit");
	struct audit a = {.c = c};

	(void)overlay;
	(void)now;
	js_set_text(verdict, "node", c->args->node);
	js_set_text(verdict, "backbone", c->backbone->name);
	js_set_text(verdict, "file", c->args->config);
	a.wrong = js_set_array(j, "wrong");
	interfaces_put(&a, js_set_array(j, "interfaces"));
	path_put(&a, js_set_object(j, "path"));
	keying_put(&a, js_set_array(j, "keying"));
	openings_put(&a, js_set_array(j, "open"));
	js_set_text(verdict, "verdict",
		    js_len(a.wrong)     ? "wrong"
		    : c->openings.count ? "open"
					: "closed");
	return j;
}

void audit_ask(void *ctx, struct ctl_request *rq)
{
	show_wait(ctx, rq, audit_build);
}
