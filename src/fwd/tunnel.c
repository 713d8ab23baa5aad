/*
 * Tunnels as the worker sees them: between which ports, under which MAC address, how large a
 * packet they take, what waits for them; and what control asks for and is told of ESP.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "fwd/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(MSG_TS_MAX == ESP_TS_MAX, "what control says is what an SA holds");

static struct fwd_tunnel **bucket_of(struct fwd *f, uint64_t mac)
{
	return &f->buckets[tunnel_bucket(mac)];
}

struct fwd_tunnel *tunnel_by_mac(struct fwd *f, const struct fwd_port *overlay,
				 const uint8_t mac[ETH_ADDR_LEN])
{
	return tunnel_by_word(f, overlay, eth_addr_word(mac));
}

uint32_t tunnel_mtu(const struct fwd *f, const struct fwd_tunnel *t)
{
	uint16_t mtu = t->tunnel->config.mtu;

	return t->pmtu && t->pmtu < mtu && f->now < t->pmtu_until ? t->pmtu : mtu;
}

uint32_t tunnel_room(const struct fwd *f, const struct fwd_tunnel *t, const struct sa *sa)
{
	uint32_t head = sa->esp.around - ESP_HEAD_LEN;

	/* In transport mode the packet brings its own header. */
	if (sa->esp.mode == ESP_TRANSPORT)
		head += sa->esp.local.family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN;
	head = (uint32_t)esp_payload_max(&esp_suites[sa->suite], tunnel_mtu(f, t) - head);
	if (sa->esp.mode == ESP_TRANSPORT)
		head += sa->esp.local.family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN;
	return head;
}

static struct fwd_port *port_of(struct fwd *f, uint16_t id, uint8_t kind)
{
	struct fwd_port *p = fwd_port_find(f, id);

	return p && p->kind == kind ? p : NULL;
}

static void eth_make(struct fwd_tunnel *t)
{
	struct fwd_port *wan = t->wan;

	memset(t->eth, 0, sizeof(t->eth));
	memcpy(t->eth, t->tunnel->config.next_hop, ETH_ADDR_LEN);
	memcpy(t->eth + ETH_ADDR_LEN, wan->mac, ETH_ADDR_LEN);
	memcpy(t->eth + ETH_ADDRS_LEN, wan->tag, wan->tag_len);
	t->eth_len = (uint8_t)(ETH_HEAD_LEN + wan->tag_len);
}

/* Who is read for ports with tunnels. */
static void tunneled_mark(struct fwd *f)
{
	for (unsigned i = 0; i < f->port_count; i++)
		f->ports[i].tunneled = false;
	for (unsigned i = 0; i < f->port_count; i++)
		for (unsigned k = 0; f->ports[i].tunnels && k < f->port_count; k++)
			f->ports[k].tunneled |= f->ports[k].port == f->ports[i].port;
}

static void link_one(struct fwd *f, struct tunnel *n)
{
	struct fwd_tunnel *t = &f->tunnels[n->slot];
	struct fwd_tunnel **bucket;

	t->tunnel = n;
	t->mac = eth_addr_word(n->config.peer);
	bucket = bucket_of(f, t->mac);
	t->overlay = port_of(f, n->config.overlay, MSG_PORT_OVERLAY);
	t->wan = port_of(f, n->config.wan, MSG_PORT_WAN);
	t->next_in_bucket = *bucket;
	*bucket = t;
	if (t->overlay)
		t->overlay->tunnels++;
	if (t->wan) {
		t->wan->tunnels++;
		eth_make(t);
	}
}

/* Its configuration is still the one it was linked with. */
static void unlink_one(struct fwd *f, struct tunnel *n)
{
	struct fwd_tunnel *t = &f->tunnels[n->slot];
	struct fwd_tunnel **p = bucket_of(f, t->mac);

	while (*p && *p != t)
		p = &(*p)->next_in_bucket;
	if (*p)
		*p = t->next_in_bucket;
	if (t->overlay)
		t->overlay->tunnels--;
	if (t->wan)
		t->wan->tunnels--;
	t->overlay = t->wan = NULL;
}

void tunnels_relink(struct fwd *f)
{
	f->epoch++;
	memset(f->buckets, 0, sizeof(f->buckets));
	for (unsigned i = 0; i < f->port_count; i++)
		f->ports[i].tunnels = 0;
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n))
		link_one(f, n);
	tunneled_mark(f);
}

bool tunnels_carry(const struct fwd *f, const struct fwd_port *overlay)
{
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n))
		if (f->tunnels[n->slot].overlay == overlay && (n->tx || n->config.hold))
			return true;
	return false;
}

void tunnel_unhold(struct fwd *f, struct fwd_tunnel *t)
{
	for (unsigned i = 0; i < t->held_count; i++)
		fwd_drop(f, &t->held[i], FATE_DROP_HELD);
	f->held -= t->held_count;
	t->held_count = 0;
}

/* What waited for an SA goes on; what is not for this one waits no longer. */
static void held_send(struct fwd *f, struct fwd_tunnel *t)
{
	unsigned n = t->held_count;

	t->held_count = 0;
	f->held -= n;
	f->batch.n = 0;
	for (unsigned i = 0; i < n; i++)
		tunnel_send(f, t, &t->held[i], &f->batch);
	esp_flush(f, &f->batch);
	esp_send(f);
}

void tunnels_tick(struct fwd *f, uint64_t now)
{
	f->now = now;
	f->epoch++; /* what was learned ends, and SAs do */
	f->icmp_made = f->icmp_heard = 0;
	f->resynced = false;
	reassemble_tick(f);
	early_tick(f);
	esp_expire(f->sas, now);
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n)) {
		struct fwd_tunnel *t = &f->tunnels[n->slot];

		if (t->held_count && now >= t->held_until)
			tunnel_unhold(f, t);
		for (struct sa *sa = n->tx; sa; sa = sa->esp.next) {
			if (sa->next < sa->threshold || now < sa->report_at)
				continue;
			sa->report_at = now + NS_PER_S;
			esp_report(f, sa, ESP_INSTALLED);
		}
	}
}

void esp_report(struct fwd *f, const struct sa *sa, uint8_t event)
{
	struct msg m = {.type = MSG_ESP_REPORT, .seq = f->seq};

	m.esp_report.tunnel = sa->esp.tunnel->config.tunnel;
	m.esp_report.direction = sa->direction;
	m.esp_report.event = event;
	m.esp_report.spi = sa->esp.spi;
	m.esp_report.seq = sa->next;
	m.esp_report.packets = sa->esp.counts[ESP_PKTS];
	m.esp_report.octets = sa->esp.counts[ESP_OCTETS];
	f->say(f->ctx, &m);
}

static void say_gone(struct fwd *f, uint16_t tunnel, uint8_t direction, uint32_t spi, uint64_t seq)
{
	struct msg m = {.type = MSG_ESP_REPORT, .seq = f->seq};

	m.esp_report.tunnel = tunnel;
	m.esp_report.direction = direction == SA_TRANSMIT ? SA_TRANSMIT : SA_RECEIVE;
	m.esp_report.event = ESP_GONE;
	m.esp_report.spi = spi;
	m.esp_report.seq = seq;
	f->say(f->ctx, &m);
}

void esp_say_gone(void *ctx, const struct esp_config *c)
{
	say_gone(ctx, c->tunnel, c->direction, c->spi, c->seq);
}

void esp_acquire(struct fwd *f, struct fwd_tunnel *t)
{
	struct msg m = {.type = MSG_ESP_REPORT};

	if (f->now < t->acquire_at)
		return;
	t->acquire_at = f->now + NS_PER_S;
	m.esp_report.tunnel = t->tunnel->config.tunnel;
	m.esp_report.direction = SA_TRANSMIT;
	m.esp_report.event = ESP_ACQUIRE;
	f->say(f->ctx, &m);
}

int tunnel_on_del(struct fwd *f, uint16_t tunnel)
{
	struct tunnel *n = tunnel_find(f->sas, tunnel);

	if (!n)
		return 0;
	tunnel_unhold(f, &f->tunnels[n->slot]);
	unlink_one(f, n);
	f->tunnels[n->slot] = (struct fwd_tunnel){0};
	tunnel_del(f->sas, n);
	tunneled_mark(f);
	return 0;
}

int tunnel_on_add(struct fwd *f, const struct msg_tunnel *m)
{
	struct tunnel_config c = {
		.tunnel = m->tunnel,
		.overlay = m->overlay,
		.wan = m->wan,
		.mtu = m->mtu,
		.dscp = m->dscp,
		.df = m->df,
		.hold = m->hold,
	};
	struct tunnel *n = tunnel_find(f->sas, m->tunnel);
	int rc;

	memcpy(c.next_hop, m->next_hop, sizeof(c.next_hop));
	memcpy(c.peer, m->peer, sizeof(c.peer));
	memcpy(c.inner4, m->inner4, sizeof(c.inner4));
	memcpy(c.inner6, m->inner6, sizeof(c.inner6));
	memcpy(c.name, m->name, sizeof(c.name));
	c.name[sizeof(c.name) - 1] = 0;
	if (secy_find(f->sas, m->tunnel))
		return -EINVAL;
	/* Another peer's now, whose packets must not go to the former. */
	if (n && strcmp(n->config.name, c.name) != 0) {
		tunnel_on_del(f, m->tunnel);
		n = NULL;
	}
	/* A path of another size: what was learned of the old one is worth nothing. */
	if (n && n->config.mtu != c.mtu)
		f->tunnels[n->slot].pmtu = 0;
	/* One alone: there may be a thousand, and traffic waits for this. */
	if (n)
		unlink_one(f, n);
	rc = tunnel_add(f->sas, &c);
	n = tunnel_find(f->sas, m->tunnel);
	if (n)
		link_one(f, n);
	tunneled_mark(f);
	return rc;
}

static void end_copy(struct esp_end *to, const struct msg_end *from)
{
	to->family = from->family;
	to->port = from->port;
	memcpy(to->addr, from->addr, sizeof(to->addr));
}

static uint8_t selectors_copy(struct esp_ts to[ESP_TS_MAX], const struct msg_selectors *from)
{
	uint8_t n = from->count < ESP_TS_MAX ? from->count : ESP_TS_MAX;

	for (unsigned i = 0; i < n; i++) {
		to[i] = (struct esp_ts){.family = from->v[i].family,
					.protocol = from->v[i].protocol,
					.port_lo = from->v[i].port_lo,
					.port_hi = from->v[i].port_hi};
		memcpy(to[i].lo, from->v[i].lo, sizeof(to[i].lo));
		memcpy(to[i].hi, from->v[i].hi, sizeof(to[i].hi));
	}
	return n;
}

static struct sa *install(struct fwd *f, const struct msg_esp *m, enum sa_direction direction)
{
	struct esp_config c = {
		.tunnel = m->tunnel,
		.direction = (uint8_t)direction,
		.suite = m->suite,
		.mode = m->mode,
		.esn = m->esn,
		.spi = m->spi,
		.window = m->window,
		.seq = m->seq,
		.limit = direction == SA_TRANSMIT ? m->seq_limit : 0,
		.hard_at = m->hard_at,
		.key_len = m->key.len,
		.auth_len = m->auth.len,
	};
	struct sa *sa = NULL;

	end_copy(&c.local, &m->local);
	end_copy(&c.remote, &m->remote);
	c.ts.local_count = selectors_copy(c.ts.local, &m->ts_local);
	c.ts.remote_count = selectors_copy(c.ts.remote, &m->ts_remote);
	errno = EINVAL;
	if (m->key.len <= sizeof(c.key) && m->auth.len <= sizeof(c.auth)) {
		memcpy(c.key, m->key.b, m->key.len);
		memcpy(c.auth, m->auth.b, m->auth.len);
		sa = esp_install(f->sas, &c);
	}
	secret_wipe(c.key, sizeof(c.key));
	secret_wipe(c.auth, sizeof(c.auth));
	return sa;
}

int esp_on_sa(struct fwd *f, const struct msg_esp *m, enum sa_direction direction)
{
	struct sa *sa = install(f, m, direction);
	int rc = sa ? 0 : -errno;

	if (!sa) {
		say_gone(f, m->tunnel, (uint8_t)direction, m->spi, m->seq);
		log_limited(&f->refused, LOG_LVL_ERROR,
			    "tunnel %u: %s SA with SPI %08x not installed: %s", m->tunnel,
			    direction == SA_TRANSMIT ? "transmit" : "receive", m->spi,
			    rc == -EEXIST ? "its key and nonces are not new" : strerror(-rc));
		return rc;
	}
	esp_report(f, sa, ESP_INSTALLED);
	if (direction == SA_RECEIVE)
		esp_in_early(f, sa);
	if (direction == SA_TRANSMIT && f->tunnels[sa->esp.tunnel->slot].held_count)
		held_send(f, &f->tunnels[sa->esp.tunnel->slot]);
	return 0;
}

int esp_on_retire(struct fwd *f, const struct msg_esp_retire *m)
{
	struct sa *sa = esp_find(f->sas, m->tunnel, m->direction, m->spi);

	if (sa) {
		esp_report(f, sa, ESP_GONE);
		esp_retire(f->sas, sa);
	} else {
		say_gone(f, m->tunnel, m->direction, m->spi, 0);
	}
	return 0;
}

void esp_sync_say(struct fwd *f)
{
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n)) {
		for (struct sa *sa = n->tx; sa; sa = sa->esp.next)
			esp_report(f, sa, ESP_INSTALLED);
		for (struct sa *sa = n->rx; sa; sa = sa->esp.next)
			esp_report(f, sa, ESP_INSTALLED);
	}
}
