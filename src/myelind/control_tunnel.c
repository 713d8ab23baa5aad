/*
 * One peer of an overlay of design ipsec: from which address, by which next hop and to which MAC
 * address its packets go, and which SAs forward has for it.
 *
 * Addresses follow the port's (a lease may bring another one) and the peer's (it may be behind a
 * NAT that forgot). The MAC address is what the kernel's neighbour table says of the next hop; the
 * parent has the kernel look, so that it is known before anything was sent and stays true.
 *
 * SAs that the engine does not stand for are a predecessor's whose record is lost. They carry the
 * traffic until the engine has others.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "myelind/neigh.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEIGH_MAX 4096
#define SAS_MAX 128 /* of a tunnel: 16 children of a few IKE SAs */

static const uint8_t no_mac[6];

const char *tunnel_peer(const struct control_tunnel *t)
{
	const struct bb_member *m = t->plan->peer;

	return m->node ? m->node->name : m->peer->name;
}

void tunnel_init(struct control *c, struct control_tunnel *t, const struct plan_tunnel *plan,
		 struct ike_overlay *o)
{
	*t = (struct control_tunnel){.c = c, .plan = plan, .overlay = o};
}

void tunnel_fini(struct control_tunnel *t)
{
	free(t->sas);
	t->sas = NULL;
	t->sa_count = t->sa_room = 0;
}

/* The SAs. */

static struct tunnel_sa *sa_find(struct control_tunnel *t, uint8_t direction, uint32_t spi)
{
	for (size_t i = 0; i < t->sa_count; i++)
		if (t->sas[i].spi == spi && t->sas[i].direction == direction)
			return &t->sas[i];
	return NULL;
}

static struct tunnel_sa *sa_get(struct control_tunnel *t, uint8_t direction, uint32_t spi)
{
	struct tunnel_sa *e = sa_find(t, direction, spi);

	if (e)
		return e;
	if (t->sa_count == t->sa_room) {
		size_t room = t->sa_room ? 2 * t->sa_room : 8;

		e = room <= SAS_MAX ? reallocarray(t->sas, room, sizeof(*e)) : NULL;
		if (!e)
			return NULL;
		t->sas = e;
		t->sa_room = room;
	}
	e = &t->sas[t->sa_count++];
	*e = (struct tunnel_sa){.spi = spi, .direction = direction, .since_ns = clock_now()};
	return e;
}

static void sa_drop(struct control_tunnel *t, struct tunnel_sa *e)
{
	size_t i = (size_t)(e - t->sas);

	memmove(e, e + 1, (t->sa_count - i - 1) * sizeof(*e));
	t->sa_count--;
}

const struct tunnel_sa *tunnel_sa_of(const struct control_tunnel *t, enum sink_direction d)
{
	const struct tunnel_sa *best = NULL;

	for (size_t i = 0; i < t->sa_count; i++) {
		const struct tunnel_sa *e = &t->sas[i];

		if (e->direction == d && (e->installed || e->known) && !e->retiring &&
		    (!best || e->known > best->known ||
		     (e->known == best->known && e->since_ns >= best->since_ns)))
			best = e;
	}
	return best;
}

bool tunnel_orphaned(const struct control_tunnel *t)
{
	bool any = false;

	for (size_t i = 0; i < t->sa_count; i++) {
		if (t->sas[i].known)
			return false;
		any |= t->sas[i].installed && !t->sas[i].retiring;
	}
	return any;
}

void tunnel_sync_begin(struct control_tunnel *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->sa_count; i++) {
		t->sas[i].installed = false;
		if (t->sas[i].known)
			t->sas[kept++] = t->sas[i];
	}
	t->sa_count = kept;
}

static void retire_say(struct control_tunnel *t, struct tunnel_sa *e)
{
	struct msg m = {.type = MSG_ESP_RETIRE};

	e->retiring = true;
	m.esp_retire.tunnel = t->plan->id;
	m.esp_retire.direction = e->direction;
	m.esp_retire.spi = e->spi;
	ike_say(t->c, &m);
}

/* Sent with no more: the engine's own does. What still comes in by them goes on to be taken. */
static void orphans_retire(struct control_tunnel *t)
{
	for (size_t i = 0; i < t->sa_count; i++)
		if (t->sas[i].direction == SINK_TRANSMIT && !t->sas[i].known && !t->sas[i].retiring)
			retire_say(t, &t->sas[i]);
}

bool tunnel_carried(const struct control_tunnel *t)
{
	for (size_t i = 0; i < t->sa_count; i++)
		if (t->sas[i].direction == SINK_TRANSMIT && !t->sas[i].known && !t->sas[i].retiring)
			return true;
	return false;
}

void tunnel_report(struct control_tunnel *t, const struct sink_esp_report *r, uint64_t now)
{
	struct tunnel_sa *e = sa_find(t, r->direction, r->spi);

	switch ((enum sink_esp_event)r->event) {
	case SINK_ESP_GONE:
		if (e)
			sa_drop(t, e);
		break;
	case SINK_ESP_INSTALLED:
		if (!e)
			e = sa_get(t, r->direction, r->spi);
		if (!e)
			break;
		e->installed = true;
		if (e->known && e->direction == SINK_TRANSMIT)
			orphans_retire(t);
		break;
	case SINK_ESP_USED:
	case SINK_ESP_MOVED:
	case SINK_ESP_ACQUIRE:
		break;
	}
	if (!t->set)
		return;
	ikev2_carried(t->c->ike->engine, t->plan->id, tunnel_carried(t));
	ikev2_report(t->c->ike->engine, r, now);
}

static struct msg_end end_say(const struct esp_end *e)
{
	struct msg_end m = {.family = e->family, .port = e->port};

	memcpy(m.addr, e->addr, e->family == 6 ? 16 : 4);
	return m;
}

static void selectors_say(struct msg_selectors *to, const struct esp_ts *v, uint8_t n)
{
	_Static_assert(MSG_TS_MAX == ESP_TS_MAX, "what the engine has fits");
	to->count = n;
	for (unsigned i = 0; i < n; i++) {
		to->v[i] = (struct msg_ts){.family = v[i].family,
					   .protocol = v[i].protocol,
					   .port_lo = v[i].port_lo,
					   .port_hi = v[i].port_hi};
		memcpy(to->v[i].lo, v[i].lo, sizeof(v[i].lo));
		memcpy(to->v[i].hi, v[i].hi, sizeof(v[i].hi));
	}
}

static int sa_say(struct control *c, const struct sink_esp *sa, uint8_t direction)
{
	struct control_tunnel *t = ike_tunnel(c, sa->tunnel);
	struct tunnel_sa *e = t ? sa_get(t, direction, sa->spi) : NULL;
	struct msg m = {.type = direction == SINK_TRANSMIT ? MSG_ESP_TRANSMIT : MSG_ESP_RECEIVE};

	if (!e)
		return t ? -ENOSPC : -ENOENT;
	e->known = true;
	e->retiring = false;
	e->suite = sa->suite;
	e->local = sa->local;
	e->remote = sa->remote;
	m.esp.tunnel = sa->tunnel;
	m.esp.suite = sa->suite;
	m.esp.mode = sa->mode;
	m.esp.esn = sa->esn;
	m.esp.spi = sa->spi;
	m.esp.window = sa->window;
	m.esp.local = end_say(&sa->local);
	m.esp.remote = end_say(&sa->remote);
	selectors_say(&m.esp.ts_local, sa->ts.local, sa->ts.local_count);
	selectors_say(&m.esp.ts_remote, sa->ts.remote, sa->ts.remote_count);
	m.esp.seq = sa->seq;
	m.esp.seq_limit = sa->seq_limit;
	m.esp.hard_at = sa->hard_at;
	m.esp.key = sa->key;
	m.esp.auth = sa->auth;
	/* The way first: packets go to another place as soon as the SA says so. */
	if (direction == SINK_TRANSMIT) {
		tunnel_way(t);
		if (c->ike->look_at == 0 || memcmp(t->mac, no_mac, sizeof(no_mac)) == 0)
			tunnels_look(c);
	}
	ike_say(c, &m);
	return 0;
}

static int on_add_receive(void *ctx, const struct sink_esp *sa)
{
	return sa_say(ctx, sa, SINK_RECEIVE);
}

static int on_use_transmit(void *ctx, const struct sink_esp *sa)
{
	return sa_say(ctx, sa, SINK_TRANSMIT);
}

static void on_retire(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi)
{
	struct control_tunnel *t = ike_tunnel(ctx, tunnel);
	struct tunnel_sa *e = t ? sa_find(t, (uint8_t)d, spi) : NULL;

	if (!e)
		return;
	e->known = false;
	retire_say(t, e);
}

struct sink_esp_ops tunnel_sink(struct control *c)
{
	return (struct sink_esp_ops){
		.ctx = c,
		.add_receive = on_add_receive,
		.use_transmit = on_use_transmit,
		.retire = on_retire,
	};
}

/* The way. */

static bool covers(uint8_t family, const uint8_t *net, unsigned len, const struct esp_end *e)
{
	unsigned bytes = len / 8, bits = len % 8;

	return family == e->family && memcmp(net, e->addr, bytes) == 0 &&
	       (!bits || (net[bytes] ^ e->addr[bytes]) >> (8 - bits) == 0);
}

static struct esp_end end_of(const struct bb_prefix *p)
{
	struct esp_end e = {.family = p->family};

	memcpy(e.addr, p->addr, p->family == 6 ? 16 : 4);
	return e;
}

static struct esp_end end_of4(uint32_t host)
{
	const uint32_t addr = htobe32(host);
	struct esp_end e = {.family = host ? 4 : 0};

	memcpy(e.addr, &addr, sizeof(addr));
	return e;
}

/* Where the peer is: as its SA has it, or as the file says. */
static struct esp_end remote_of(const struct control_tunnel *t)
{
	const struct esp_end none = {0};

	for (size_t i = t->sa_count; i-- > 0;)
		if (t->sas[i].known && t->sas[i].direction == SINK_TRANSMIT)
			return t->sas[i].remote;
	return t->plan->remote.family ? end_of(&t->plan->remote) : none;
}

/* Who takes what is for the peer: itself, where it is on the port's link, or the gateway. */
static struct esp_end next_hop_of(const struct control_tunnel *t, const struct esp_end *remote)
{
	const struct bb_port *port = t->plan->port;
	const struct bb_prefix *gateway =
		backbone_gateway(port, remote->family ? remote->family : t->plan->family);
	const struct path_dhcp_lease *l = &t->c->ports[t->plan->wan - 1].leased;
	const struct esp_end leased = end_of4(l->addr), none = {0};

	for (size_t i = 0; i < port->address_count; i++)
		if (covers(port->addresses[i].family, port->addresses[i].addr,
			   port->addresses[i].len, remote))
			return *remote;
	if (leased.family && covers(4, leased.addr, l->prefix, remote))
		return *remote;
	if (gateway)
		return end_of(gateway);
	return l->router && remote->family != 6 ? end_of4(l->router) : none;
}

bool tunnel_end_same(const struct esp_end *a, const struct esp_end *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

void tunnel_way(struct control_tunnel *t)
{
	const struct path_dhcp_lease *l = &t->c->ports[t->plan->wan - 1].leased;
	struct esp_end remote = remote_of(t), next;

	t->local = t->plan->local.family ? end_of(&t->plan->local) : end_of4(l->addr);
	remote.port = 0;
	next = next_hop_of(t, &remote);
	if (!tunnel_end_same(&next, &t->next_hop)) {
		t->next_hop = next;
		t->c->ike->look_at = t->c->ike->probe_at = 0;
	}
}

void tunnel_announce(struct control_tunnel *t)
{
	struct msg m = {.type = MSG_TUNNEL_ADD};

	/* What goes on without us has a way: it is not taken away while ours is looked for. */
	if (memcmp(t->mac, no_mac, sizeof(no_mac)) == 0 && (!t->c->synced || t->sa_count))
		return;
	plan_tunnel_msg(t->plan, t->mac, &m.tunnel_add);
	ike_say(t->c, &m);
	t->announced = true;
}

static void mac_take(struct control_tunnel *t, const struct neigh *v, int n)
{
	uint32_t ifindex = t->c->ports[t->plan->wan - 1].ifindex;

	for (int i = 0; i < n; i++) {
		if (v[i].ifindex != ifindex || v[i].family != t->next_hop.family ||
		    memcmp(v[i].addr, t->next_hop.addr, v[i].family == 6 ? 16 : 4) != 0)
			continue;
		if (memcmp(t->mac, v[i].mac, sizeof(t->mac)) != 0) {
			memcpy(t->mac, v[i].mac, sizeof(t->mac));
			t->announced = false;
		}
		return;
	}
}

void tunnels_look(struct control *c)
{
	struct neigh *v = calloc(NEIGH_MAX, sizeof(*v));
	int n = v ? neigh_read(ROLE_FD_NETLINK, v, NEIGH_MAX) : 0;

	for (size_t i = 0; i < c->ike->tunnel_count; i++) {
		struct control_tunnel *t = &c->ike->tunnels[i];

		if (t->next_hop.family)
			mac_take(t, v, n);
		if (!t->announced && c->forward >= 0)
			tunnel_announce(t);
	}
	free(v);
}

void tunnels_probe(struct control *c)
{
	const struct control_ike *k = c->ike;

	for (size_t i = 0; i < k->tunnel_count; i++) {
		const struct control_tunnel *t = &k->tunnels[i];
		struct msg m = {.type = MSG_NEIGHBOUR_PROBE};
		bool asked = !t->next_hop.family || !c->ports[t->plan->wan - 1].ready;

		for (size_t j = 0; j < i && !asked; j++)
			asked = k->tunnels[j].plan->wan == t->plan->wan &&
				tunnel_end_same(&k->tunnels[j].next_hop, &t->next_hop);
		if (asked)
			continue;
		m.neighbour_probe.port = t->plan->wan;
		m.neighbour_probe.family = t->next_hop.family;
		memcpy(m.neighbour_probe.addr, t->next_hop.addr, sizeof(t->next_hop.addr));
		control_tell_parent(c, &m);
	}
}

/* Forward has an SA, or was told to have it. */
static bool asked(const struct control_tunnel *t, enum sink_direction d)
{
	for (size_t i = 0; i < t->sa_count; i++)
		if (t->sas[i].direction == d && t->sas[i].known && !t->sas[i].retiring)
			return true;
	return false;
}

void tunnel_watch(struct control_tunnel *t, uint64_t now)
{
	const struct tunnel_sa *tx = tunnel_sa_of(t, SINK_TRANSMIT);
	bool up = tx && tunnel_sa_of(t, SINK_RECEIVE);

	/* While forward takes over a successor's keys nothing is down. */
	if (up == t->up || (!up && asked(t, SINK_TRANSMIT) && asked(t, SINK_RECEIVE)))
		return;
	t->up = up;
	t->up_since = now;
	event_put(&t->c->events, up ? EVENT_PEER_LIVE : EVENT_PEER_LOST, t->plan->o->name, 0, now,
		  up ? "the tunnel to %s is up, %s" : "the tunnel to %s is down", tunnel_peer(t),
		  up ? esp_suites[tx->suite].name : "");
}
