/* The worker's life, its ports, and its loop. */
#include "fwd/fwd.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wr.h"
#include "fwd/bridge.h"
#include "fwd/path.h"
#include "sa/area.h"
#include "wire/eth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const fwd_fate_names[FATE_COUNT] = {
#define FATE(e, name, what) [FATE_##e] = (name),
	FWD_FATES(FATE)
#undef FATE
};

size_t fwd_state_size(void)
{
	return sa_area_size();
}

static void say_gone(void *ctx, const struct sa_config *c)
{
	struct fwd *f = ctx;
	struct msg m = {.type = MSG_SA_REPORT, .seq = f->seq};

	m.sa_report.secy = c->secy;
	m.sa_report.an = c->an & MACSEC_AN_MASK;
	m.sa_report.direction = c->direction == SA_TRANSMIT ? SA_TRANSMIT : SA_RECEIVE;
	m.sa_report.sci = c->sci;
	m.sa_report.pn = c->pn;
	for (unsigned i = 0; i < sizeof(c->key_id); i++)
		m.sa_report.key_id[i] = c->key_id[i];
	f->say(f->ctx, &m);
}

struct fwd *fwd_new(void *state, size_t size, struct pkt_pool *pool, fwd_say_fn *say, void *ctx)
{
	struct fwd *f;
	int rc = aead_init(AEAD_BEST);

	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	f = aligned_alloc(_Alignof(struct fwd), sizeof(*f));
	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->refused = (struct log_limit)LOG_LIMIT(8, NS_PER_S);
	f->pool = pool;
	f->say = say;
	f->ctx = ctx;
	f->sas = sa_table_new(state, size, say_gone, esp_say_gone, f);
	if (!f->sas) {
		free(f);
		return NULL;
	}
	return f;
}

void fwd_free(struct fwd *f)
{
	if (!f)
		return;
	works_fini(f);
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n))
		tunnel_unhold(f, &f->tunnels[n->slot]);
	for (unsigned i = 0; i < FWD_WHOLES; i++)
		whole_drop(f, &f->wholes[i]);
	for (unsigned i = 0; i < FWD_EARLY; i++)
		early_drop(f, &f->early[i]);
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].port)
			fwd_port_drop(f, f->ports[i].id);
	for (unsigned i = 0; i < FWD_BRIDGE_MAX; i++)
		bridge_free(f->bridges[i]);
	sa_table_free(f->sas);
	free(f);
}

const char *fwd_kernel(const struct fwd *f)
{
	(void)f;
	return aead_kernel();
}

struct fwd_port *fwd_port_find(struct fwd *f, uint16_t id)
{
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].port && f->ports[i].id == id)
			return &f->ports[i];
	return NULL;
}

static unsigned tags_slot(const struct port *port, uint32_t tags)
{
	uint64_t key = ((uint64_t)(uintptr_t)port >> 4) ^ (uint64_t)tags << 32;

	return (unsigned)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (FWD_TAGS_SLOTS - 1);
}

struct fwd_port *fwd_wan_find(struct fwd *f, const struct port *port, uint32_t tags)
{
	/* Never full: there are fewer ports than places. */
	for (unsigned at = tags_slot(port, tags);; at = (at + 1) & (FWD_TAGS_SLOTS - 1)) {
		const struct fwd_tags *t = &f->by_tags[at];

		if (!t->port || (t->port == port && t->tags == tags))
			return t->wan;
	}
}

/* The table of wan ports, and which port is read for those that share an interface. */
static void wans_index(struct fwd *f)
{
	memset(f->by_tags, 0, sizeof(f->by_tags));
	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *p = &f->ports[i];
		unsigned at;

		p->polled = p->port != NULL;
		if (!p->port || p->kind != MSG_PORT_WAN)
			continue;
		for (unsigned k = 0; k < i && p->polled; k++)
			p->polled = f->ports[k].port != p->port;
		p->port->clear = p->clear || (!p->polled && p->port->clear);
		if (fwd_wan_find(f, p->port, p->tags))
			continue; /* the first has them; control plans no two */
		for (at = tags_slot(p->port, p->tags); f->by_tags[at].port;)
			at = (at + 1) & (FWD_TAGS_SLOTS - 1);
		f->by_tags[at] = (struct fwd_tags){.port = p->port, .tags = p->tags, .wan = p};
	}
}

void fwd_relink(struct fwd *f)
{
	wans_index(f);
	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *p = &f->ports[i];

		p->secy = NULL;
		for (struct secy *y = secy_next(f->sas, NULL); y && !p->secy;
		     y = secy_next(f->sas, y))
			if ((p->kind == MSG_PORT_WAN && y->config.wan == p->id) ||
			    (p->kind == MSG_PORT_OVERLAY && y->config.overlay == p->id) ||
			    (p->kind == MSG_PORT_LAN && y->config.overlay == p->over))
				p->secy = y;
	}
	tunnels_relink(f);
	transit_relink(f);
}

static bool may_send(const struct fwd *f, const struct fwd_port *p)
{
	const struct secy *y = p->secy;

	if (p->tunnels)
		return tunnels_carry(f, p);
	if (!y || !y->tx_current)
		return y && y->config.should_secure;
	return y->tx_current->next < y->tx_current->bound;
}

void fwd_clear_update(struct fwd *f)
{
	for (struct secy *y = secy_next(f->sas, NULL); y; y = secy_next(f->sas, y)) {
		if (!y->config.should_secure) {
			y->takes_clear = false;
		} else if (!y->tx_current) {
			y->takes_clear = true;
			y->secured_at = 0;
		} else if (y->takes_clear && f->now) {
			if (!y->secured_at)
				y->secured_at = f->now;
			y->takes_clear = f->now - y->secured_at < FWD_CLEAR_GRACE;
		}
	}
}

void fwd_carriers(struct fwd *f)
{
	fwd_clear_update(f);
	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *p = &f->ports[i];
		bool up = may_send(f, p);

		if (!p->port || p->kind != MSG_PORT_OVERLAY || p->carrier == up)
			continue;
		p->carrier = up;
		if (p->port->ops->carrier)
			p->port->ops->carrier(p->port, up);
		log_info("%s: carrier %s", p->port->ifname, up ? "up" : "down");
	}
}

/* Closes it if no port of ours has it any more. */
static void port_put(struct fwd *f, struct port *port)
{
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].port == port)
			return;
	port->ops->close(port);
}

/* All wan ports of an interface are read and written by its newest descriptor. */
static void wan_share(struct fwd *f, const struct fwd_port *p)
{
	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *o = &f->ports[i];
		struct port *old = o->port;

		if (!old || old == p->port || o->kind != MSG_PORT_WAN ||
		    strncmp(o->ifname, p->ifname, sizeof(o->ifname)) != 0)
			continue;
		o->port = p->port;
		port_put(f, old);
	}
}

static void tags_set(struct fwd_port *p, const struct msg_port_give *give)
{
	struct wr w = wr_init(p->tag, sizeof(p->tag));

	p->tags = eth_tags(give->outer_type, give->outer_vlan, give->vlan);
	if (give->outer_type) {
		wr_u16(&w, give->outer_type);
		wr_u16(&w, give->outer_vlan & ETH_VID_MASK);
	}
	if (give->vlan) {
		wr_u16(&w, ETH_TYPE_CTAG);
		wr_u16(&w, give->vlan & ETH_VID_MASK);
	}
	p->tag_len = (uint8_t)wr_len(&w);
}

int fwd_port_add(struct fwd *f, const struct msg_port_give *give, struct port *port)
{
	struct fwd_port *p = f->ports;

	works_drain(f);
	fwd_port_drop(f, give->port);
	while (p < f->ports + f->port_count && p->port)
		p++;
	if (p == f->ports + FWD_PORT_MAX) {
		port->ops->close(port);
		return -ENOSPC;
	}
	if (p == f->ports + f->port_count)
		f->port_count++;
	*p = (struct fwd_port){
		.port = port,
		.id = give->port,
		.kind = give->kind,
		.eapol_type = give->eapol_type,
		.integrity = give->integrity,
		.over = give->over,
		.link = give->link,
		.rules = give->rules,
		.clear = give->clear,
		.frame_max = give->mtu ? (uint32_t)give->mtu + ETH_HEAD_LEN : 0,
	};
	memcpy(p->mac, give->mac, sizeof(p->mac));
	for (unsigned i = 0; i < p->rules.count; i++)
		p->bypasses |= p->rules.v[i].action == RULE_BYPASS;
	memcpy(p->ifname, give->ifname, sizeof(p->ifname));
	if (p->kind == MSG_PORT_WAN) {
		tags_set(p, give);
		wan_share(f, p);
	}
	fwd_relink(f);
	/* A predecessor may have left it either way: said once, so that routing on an overlay that
	 * goes on does not see it go down in between. */
	p->carrier = may_send(f, p);
	if (p->kind == MSG_PORT_OVERLAY && port->ops->carrier)
		port->ops->carrier(port, p->carrier);
	return 0;
}

struct port *fwd_port_io(struct fwd *f, uint16_t id)
{
	struct fwd_port *p = fwd_port_find(f, id);

	return p ? p->port : NULL;
}

struct port *fwd_interface_io(struct fwd *f, const char *ifname)
{
	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *p = &f->ports[i];

		if (p->port && p->kind == MSG_PORT_WAN &&
		    !strncmp(p->ifname, ifname, sizeof(p->ifname)))
			return p->port;
	}
	return NULL;
}

void fwd_port_drop(struct fwd *f, uint16_t id)
{
	struct fwd_port *p = fwd_port_find(f, id);
	struct port *port;

	if (!p)
		return;
	works_drain(f);
	port = p->port;
	*p = (struct fwd_port){0};
	port_put(f, port);
	fwd_relink(f);
}

void fwd_port_link(struct fwd *f, uint16_t id, bool link)
{
	struct fwd_port *p = fwd_port_find(f, id);

	if (!p)
		return;
	works_drain(f);
	p->link = link;
	bridges_look(f);
}

unsigned fwd_fds(const struct fwd *f, int *fds, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < f->port_count && k < n; i++) {
		const struct port *p = f->ports[i].port;
		int fd = f->ports[i].polled ? p->ops->fd(p) : -1;

		if (fd >= 0)
			fds[k++] = fd;
	}
	return k;
}

/* The port that a frame from a wan interface is of, if it is IP and the port has tunnels: theirs to
 * take. NULL: MACsec's. */
static struct fwd_port *ip_port(struct fwd *f, struct fwd_port *wan, const struct pkt *p)
{
	struct rd r = rd_init(p->data, p->len);
	struct eth_clear e = eth_read_clear(&r);

	if (r.bad || (e.type != ETH_TYPE_IPV4 && e.type != ETH_TYPE_IPV6))
		return NULL;
	if (e.tags != wan->tags)
		wan = fwd_wan_find(f, wan->port, e.tags);
	return wan && wan->tunnels ? wan : NULL;
}

/* The same, in short, for what most are: IPv4 behind no tags. */
static inline bool is_ip4(const struct pkt *p)
{
	const uint16_t is = htobe16(ETH_TYPE_IPV4);

	return p->len > ETH_HEAD_LEN && !memcmp(p->data + ETH_ADDRS_LEN, &is, sizeof(is));
}

/* A wan interface with tunnels over it: runs of their packets go one way, all else to MACsec. */
static void wan_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	const bool own = !wan->tag_len && wan->tunnels;

	for (unsigned i = 0, end; i < n; i = end) {
		struct fwd_port *ip = own && is_ip4(&v[i]) ? wan : ip_port(f, wan, &v[i]);

		for (end = i + 1; end < n && own && ip == wan && is_ip4(&v[end]);)
			end++;
		while (end < n && ip_port(f, wan, &v[end]) == ip)
			end++;
		f->mixed = end - i < n;
		if (ip)
			esp_in(f, ip, v + i, end - i);
		else
			macsec_in(f, wan, v + i, end - i);
	}
	f->mixed = false;
}

/* Marks are given by the stages, never brought along. */
static inline void marks_clear(struct pkt *v, unsigned n)
{
	for (; n >= 4; v += 4, n -= 4)
		v[0].mark = v[1].mark = v[2].mark = v[3].mark = 0;
	while (n)
		v[--n].mark = 0;
}

unsigned fwd_poll(struct fwd *f)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *p = &f->ports[i];
		struct pkt *v = f->lanes ? f->work->burst : f->burst;
		unsigned n = p->polled ? p->port->ops->rx(p->port, v, PKT_BURST) : 0;

		marks_clear(v, n);
		moved += n;
		if (!n)
			continue;
		if (p->kind == MSG_PORT_OVERLAY && p->tunnels)
			esp_out(f, p, v, n);
		else if (p->kind == MSG_PORT_OVERLAY)
			macsec_out(f, p->secy, v, n);
		else if (p->kind == MSG_PORT_WAN && p->tunneled)
			wan_in(f, p, v, n);
		else if (p->kind == MSG_PORT_WAN)
			macsec_in(f, p, v, n);
		else
			bridge_out(f, p, v, n);
	}
	if (f->bridges_due)
		bridges_speak(f);
	return f->lanes ? moved + works_poll(f, moved) : moved;
}
