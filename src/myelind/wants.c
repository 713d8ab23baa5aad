#include "myelind/wants_i.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wants *wants_new(const struct wants_say *say)
{
	struct wants *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->say = *say;
	w->pool = -1;
	w->nl = netlink_new();
	if (!w->nl) {
		free(w);
		return NULL;
	}
	want_transit_init(w);
	return w;
}

void wants_free(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++) {
		want_udp_close(&w->ports[i]);
		want_close_fd(&w->ports[i].fd);
		want_close_fd(&w->ports[i].eapol);
		want_close_fd(&w->ports[i].promisc);
		want_close_fd(&w->ports[i].dhcp);
	}
	want_xdp_fini(w);
	guarded_fini(&w->guarded);
	netlink_free(w->nl);
	free(w->ports);
	free(w->addresses);
	free(w->routes);
	neighbours_fini(&w->neighbours);
	free(w);
}

/* A zeroed element more in an array of any of the above; NULL when there are too many. */
void *want_array_grow(void **array, size_t *count, size_t size)
{
	void *p;

	if (*count >= WANTS_MAX)
		return NULL;
	p = realloc(*array, (*count + 1) * size);
	if (!p)
		return NULL;
	*array = p;
	p = (char *)p + *count * size;
	memset(p, 0, size);
	++*count;
	return p;
}

struct want_port *want_port_find(struct wants *w, uint16_t id)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].want.port == id)
			return &w->ports[i];
	return NULL;
}

static void port_give(struct wants *w, const struct want_port *p)
{
	struct msg m = {
		.type = MSG_PORT_GIVE,
		.port_give =
			{
				.port = p->want.port,
				.kind = p->want.kind,
				.vlan = p->want.vlan,
				.outer_type = p->want.outer_type,
				.outer_vlan = p->want.outer_vlan,
				.mtu = (uint16_t)(p->mtu - want_tags_room(&p->want)),
				.eapol_type = p->want.eapol_type,
				.integrity = p->want.allow & MSG_ALLOW_INTEGRITY,
				.clear = p->want.allow & MSG_ALLOW_CLEAR,
				.over = p->want.kind == MSG_PORT_LAN ? p->want.over : 0,
				.link = p->link,
				.xdp = p->want.xdp,
				.rules = p->want.rules,
			},
	};

	if (p->fd < 0)
		return;
	memcpy(m.port_give.ifname, p->want.ifname, sizeof(m.port_give.ifname));
	memcpy(m.port_give.mac, p->mac, 6);
	w->say.forward(w->say.ctx, &m, p->fd);
}

static void port_ready(struct wants *w, const struct want_port *p, const char *what)
{
	struct msg m = {
		.type = MSG_PORT_READY,
		.port_ready =
			{
				.port = p->want.port,
				.error = (uint16_t)-p->error,
				.ifindex = p->ifindex,
				.mtu = p->mtu,
			},
	};
	const struct msg dhcp = {.type = MSG_PORT_DHCP, .port_drop = p->want.port};

	memcpy(m.port_ready.mac, p->mac, 6);
	if (p->error)
		snprintf(m.port_ready.what, sizeof(m.port_ready.what), "%s: cannot %s: %s",
			 p->want.ifname, what, strerror(-p->error));
	w->say.control(w->say.ctx, &m, p->error ? -1 : p->eapol);
	want_xdp_tell(w, p);
	if (!p->error && p->dhcp >= 0)
		w->say.control(w->say.ctx, &dhcp, p->dhcp);
	for (unsigned i = 0; !p->error && i < WANT_UDP; i++) {
		struct msg udp = {.type = MSG_PORT_UDP, .port_udp = want_udp_kinds[i]};

		udp.port_udp.port = p->want.port;
		if (p->udp[i] >= 0)
			w->say.control(w->say.ctx, &udp, p->udp[i]);
	}
}

static void port_close(struct wants *w, struct want_port *p)
{
	const struct msg m = {.type = MSG_PORT_DROP, .port_drop = p->want.port};

	if (p->open && p->fd >= 0)
		w->say.forward(w->say.ctx, &m, -1);
	if (p->promisc >= 0) {
		char name[16];

		want_inside_name(p, name);
		guarded_forget(&w->guarded, name);
	}
	want_close_fd(&p->promisc);
	want_close_fd(&p->fd);
	want_close_fd(&p->eapol);
	want_close_fd(&p->dhcp);
	p->open = false;
	p->ifindex = 0;
	if (p->want.kind == MSG_PORT_WAN)
		want_sockets_tell(w, p->want.ifname);
}

/* Opens the port and tells both roles; a failure is told once, and tried again at the next tick. */
static void port_open(struct wants *w, struct want_port *p, bool asked)
{
	struct netlink_link link = {0};
	const char *what = "find it";
	int err = 0;

	if (p->want.kind != MSG_PORT_OVERLAY) {
		err = netlink_link_get(w->nl, p->want.ifname, &link);
		if (!err && p->want.kind == MSG_PORT_WAN && !link.ethernet) {
			what = "use it: it is not an Ethernet interface";
			err = -EPFNOSUPPORT;
		}
		p->ifindex = link.ifindex;
		p->mtu = (uint16_t)(link.mtu < UINT16_MAX ? link.mtu : UINT16_MAX);
		p->link = link.running;
		memcpy(p->mac, link.mac, 6);
	}
	if (!err)
		err = p->want.kind == MSG_PORT_WAN       ? want_wan_open(w, p, &what)
		      : p->want.kind == MSG_PORT_OVERLAY ? want_overlay_open(w, p, &what)
							 : want_lan_open(w, p, &what);
	if (err) {
		bool news = err != p->error;

		port_close(w, p);
		p->error = err;
		if (news)
			log_warn("%s: cannot %s: %s", p->want.ifname, what, strerror(-err));
		if (news || asked)
			port_ready(w, p, what);
		return;
	}
	if (p->want.mtu && (p->want.kind == MSG_PORT_OVERLAY || want_mtu(&p->want) > p->mtu ||
			    (p->want.kind == MSG_PORT_LAN && !p->want.over)))
		p->mtu = want_mtu(&p->want);
	p->open = p->up = true;
	p->error = 0;
	log_info("%s: open (port %u)", p->want.ifname, p->want.port);
	want_port_apply(w, p);
	port_give(w, p);
	port_ready(w, p, "");
	want_xdp_look(w);
}

void wants_begin(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++)
		w->ports[i].named = false;
	for (size_t i = 0; i < w->address_count; i++)
		w->addresses[i].named = false;
	for (size_t i = 0; i < w->route_count; i++)
		w->routes[i].named = false;
	neighbours_begin(&w->neighbours);
}

/* True when the wish was met without closing what carries traffic: what may pass in clear and the
 * keying's socket of a wan port can be exchanged under it. */
static bool wan_change(struct wants *w, struct want_port *p, const struct msg_port_want *want)
{
	const struct msg_port_want was = p->want;
	bool keying = was.eapol_type != want->eapol_type ||
		      memcmp(was.eapol_dst, want->eapol_dst, sizeof(was.eapol_dst)) != 0;
	bool larger = want_mtu(want) > p->mtu;
	bool rules = !msg_rules_same(&was.rules, &want->rules);

	if (!p->open || was.kind != MSG_PORT_WAN || want->kind != MSG_PORT_WAN ||
	    strcmp(was.ifname, want->ifname) != 0 || was.vlan != want->vlan ||
	    was.outer_type != want->outer_type || was.outer_vlan != want->outer_vlan ||
	    was.others != want->others || was.dhcp != want->dhcp || was.xdp != want->xdp)
		return false;
	if (larger && netlink_link_mtu(w->nl, p->ifindex, want_mtu(want)) < 0)
		return false;
	p->mtu = larger ? want_mtu(want) : p->mtu;
	memcpy(&p->want, want, sizeof(*want));
	if (want_guards_put(w, want->ifname, p->ifindex) < 0)
		return false;
	if (keying) {
		if (!want->eapol_type)
			want_close_fd(&p->eapol);
		if (want_eapol_open(w, p) < 0)
			return false;
	}
	if (want_udp_open(p) < 0)
		return false;
	if (keying || rules || was.allow != want->allow)
		want_sockets_tell(w, want->ifname);
	/* What of it forward's guard knows: the keying's EtherType, and what may leave unencrypted. */
	if (keying || was.allow != want->allow || larger || rules)
		port_give(w, p);
	return true;
}

/* The same of an overlay, whose MTU follows its service's. */
static bool overlay_change(struct wants *w, struct want_port *p, const struct msg_port_want *want)
{
	if (!p->open || p->want.kind != MSG_PORT_OVERLAY || want->kind != MSG_PORT_OVERLAY ||
	    strcmp(p->want.ifname, want->ifname) != 0 || p->want.over != want->over || !want->mtu ||
	    netlink_link_mtu(w->nl, p->ifindex, want->mtu) < 0)
		return false;
	memcpy(&p->want, want, sizeof(*want));
	p->mtu = want->mtu;
	port_give(w, p);
	return true;
}

void wants_port(struct wants *w, const struct msg_port_want *want)
{
	struct want_port *p = want_port_find(w, want->port);

	/* Padding too: msg_parse() zeroes it, and a difference would only mean to ask again. */
	// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
	if (p && p->open && !memcmp(&p->want, want, sizeof(*want))) {
		p->named = true;
		port_ready(w, p, "");
		return;
	}
	if (p && (wan_change(w, p, want) || overlay_change(w, p, want))) {
		p->named = true;
		port_ready(w, p, "");
		return;
	}
	if (!p) {
		p = want_array_grow((void **)&w->ports, &w->port_count, sizeof(*p));
		if (!p) {
			log_error("more ports than can be held");
			return;
		}
		p->fd = p->eapol = p->promisc = p->dhcp = -1;
		for (unsigned i = 0; i < WANT_UDP; i++)
			p->udp[i] = -1;
	} else {
		port_close(w, p);
		if (strcmp(p->want.ifname, want->ifname) != 0)
			want_udp_close(p);
	}
	memcpy(&p->want, want, sizeof(*want)); /* with its padding: it is compared as bytes */
	p->named = true;
	port_open(w, p, true);
}

static unsigned ifindex_of(void *ctx, uint16_t port)
{
	const struct want_port *p = want_port_find(ctx, port);

	return p && p->open ? p->ifindex : 0;
}

void wants_neighbour(struct wants *w, const struct msg_neighbour_want *want)
{
	neighbours_want(&w->neighbours, w->nl, want, ifindex_of(w, want->port));
}

void wants_probe(struct wants *w, const struct msg_neighbour_probe *probe)
{
	unsigned ifindex = ifindex_of(w, probe->port);

	if (ifindex)
		(void)netlink_neighbour_probe(w->nl, ifindex, probe->family, probe->addr);
}

void wants_done(struct wants *w)
{
	size_t kept = 0;

	want_routes_prune(w);
	neighbours_prune(&w->neighbours, w->nl, ifindex_of, w);
	want_addresses_prune(w);
	for (size_t i = 0; i < w->port_count; i++) {
		if (w->ports[i].named) {
			w->ports[kept++] = w->ports[i];
			continue;
		}
		log_info("%s: no longer wanted", w->ports[i].want.ifname);
		port_close(w, &w->ports[i]);
		want_udp_close(&w->ports[i]);
	}
	w->port_count = kept;
	want_xdp_look(w);
	for (size_t i = 0; i < w->guarded.count; i++)
		want_sockets_tell(w, w->guarded.v[i].ifname);
	/* What a port that went had opened is shut again. */
	for (size_t i = 0; i < w->guarded.count; i++) {
		struct guard_rule rules[GUARD_RULES];
		unsigned n = want_rules_collect(w, w->guarded.v[i].ifname, rules);

		if (guarded_rules(&w->guarded.v[i], rules, n) < 0)
			log_error("%s: its guards keep the rules of ports that went",
				  w->guarded.v[i].ifname);
	}
}

void wants_give(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].open)
			port_give(w, &w->ports[i]);
	want_xdp_look(w);
	want_transit_give(w);
}

/* Counters on their way to control, as many to a message as it holds. */
static void stats_flush(struct wants *w, struct msg *m)
{
	if (m->stats.count)
		w->say.control(w->say.ctx, m, -1);
	memset(m->stats.v, 0, sizeof(m->stats.v));
	m->stats.count = 0;
}

static void stats_put(struct wants *w, struct msg *m, const char *a, const char *b, const char *c,
		      uint64_t value)
{
	struct msg_stats *st = &m->stats;

	if (st->count == sizeof(st->v) / sizeof(st->v[0]))
		stats_flush(w, m);
	snprintf(st->v[st->count].name, sizeof(st->v[0].name), "%s%s%s", a, b, c);
	st->v[st->count++].value = value;
}

/* Whether the guard's kind ever counts this. */
static bool class_is_of(const struct guard *g, enum guard_class c)
{
	bool bridge = c == GUARD_BRIDGED || c == GUARD_PEERED;

	return c == GUARD_DROPPED || bridge == guard_is_bridge(g);
}

/* Whether the interface was guarded all the time, and if not when and for how long at most. */
static void record_put(struct wants *w, struct msg *m, const struct guard *g)
{
	const struct guard_record *r = guard_record(g);
	uint64_t now = clock_now();

	stats_put(w, m, "guard-restored", "", "", r->restored);
	stats_put(w, m, "guarded-ms", "", "", guard_guarded(r, now) / NS_PER_MS);
	stats_put(w, m, "gaps", "", "", r->gaps);
	stats_put(w, m, "gap-ms", "", "", r->gap_ns / NS_PER_MS);
	stats_put(w, m, "gap-longest-ms", "", "", r->longest_ns / NS_PER_MS);
	stats_put(w, m, "gap-last-ms", "", "", r->last_ns / NS_PER_MS);
	stats_put(w, m, "gap-last-age-ms", "", "", r->gaps ? (now - r->last_at) / NS_PER_MS : 0);
	stats_put(w, m, "missing-ms", "", "", r->missing ? (now - r->seen) / NS_PER_MS + 1 : 0);
}

void wants_stats(struct wants *w, uint16_t port)
{
	static const char *const directions[GUARD_DIRECTIONS] = {"ingress-", "egress-"};
	const struct want_port *p = want_port_find(w, port);
	const struct guard *g = p ? guarded_find(&w->guarded, p->want.ifname) : NULL;
	struct msg m = {.type = MSG_STATS, .stats = {.secy = port, .an = -1}};
	const struct msg done = {.type = MSG_STATS_DONE, .secy = port};

	for (unsigned d = 0; g && d < GUARD_DIRECTIONS; d++) {
		for (unsigned c = 0; c < GUARD_CLASSES; c++)
			if (class_is_of(g, c))
				stats_put(w, &m, directions[d], guard_class_name(c), "",
					  guard_count(g, d, c));
		for (unsigned k = 0; k < GUARD_KINDS; k++)
			if (guard_dropped(g, d, k))
				stats_put(w, &m, directions[d], "dropped-", guard_class_name(k),
					  guard_dropped(g, d, k));
	}
	if (g)
		record_put(w, &m, g);
	stats_flush(w, &m);
	w->say.control(w->say.ctx, &done, -1);
}

/* A bridge stops at once where a cable has no signal. */
static void link_tell(struct wants *w, struct want_port *p, bool link)
{
	const struct msg m = {.type = MSG_PORT_LINK,
			      .port_link = {.port = p->want.port, .link = link}};

	if (p->link == link)
		return;
	p->link = link;
	if (p->fd >= 0 && p->want.kind != MSG_PORT_OVERLAY)
		w->say.forward(w->say.ctx, &m, -1);
}

/* An open port whose interface changed; false when it has to be opened again. */
static bool port_look(struct wants *w, struct want_port *p)
{
	static const uint8_t none[6];
	const struct want_port *over =
		p->want.kind == MSG_PORT_OVERLAY ? want_port_find(w, p->want.over) : NULL;
	struct netlink_link link;

	if (netlink_link_get(w->nl, p->want.ifname, &link) < 0 || link.ifindex != p->ifindex) {
		log_warn("%s: the interface is gone", p->want.ifname);
		port_close(w, p);
		return false;
	}
	/* Both sides of an overlay bear the wan port's address, which names the secure channel. */
	if (p->want.kind == MSG_PORT_WAN && memcmp(link.mac, p->mac, 6) != 0) {
		log_warn("%s: has another MAC address now", p->want.ifname);
		port_close(w, p);
		return false;
	}
	if (over && over->open && !memcmp(p->want.mac, none, 6) &&
	    memcmp(over->mac, p->mac, 6) != 0) {
		port_close(w, p);
		return false;
	}
	if (link.up && !p->up)
		want_port_apply(w, p);
	p->up = link.up;
	link_tell(w, p, link.running);
	return true;
}

void wants_tick(struct wants *w)
{
	guarded_tick(&w->guarded, w->nl);
	for (size_t i = 0; i < w->port_count; i++) {
		struct want_port *p = &w->ports[i];

		if (!p->open || !port_look(w, p))
			port_open(w, p, false);
	}
	want_xdp_look(w);
	want_transit_look(w);
}
