/* The worker's life, its ports, and its loop. */
#include "fwd/fwd.h"

#include "base/clock.h"
#include "base/log.h"
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
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
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
	for (struct tunnel *n = tunnel_next(f->sas, NULL); n; n = tunnel_next(f->sas, n))
		tunnel_unhold(f, &f->tunnels[n->slot]);
	for (unsigned i = 0; i < FWD_WHOLES; i++)
		whole_drop(f, &f->wholes[i]);
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].port)
			f->ports[i].port->ops->close(f->ports[i].port);
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

/* Which SecY a port serves, after either changed. */
static void ports_relink(struct fwd *f)
{
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
}

static bool may_send(const struct fwd *f, const struct fwd_port *p)
{
	const struct secy *y = p->secy;

	if (p->tunnels)
		return tunnels_carry(f, p);
	return y && y->tx_current && y->tx_current->next < y->tx_current->bound;
}

void fwd_carriers(struct fwd *f)
{
	ports_relink(f);
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

int fwd_port_add(struct fwd *f, const struct msg_port_give *give, struct port *port)
{
	struct fwd_port *p = f->ports;

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
		.vlan = give->vlan & ETH_VID_MASK,
		.eapol_type = give->eapol_type,
		.integrity = give->integrity,
		.over = give->over,
		.link = give->link,
		.rules = give->rules,
		.frame_max = give->mtu ? (uint32_t)give->mtu + ETH_HEAD_LEN : 0,
	};
	memcpy(p->mac, give->mac, sizeof(p->mac));
	for (unsigned i = 0; i < p->rules.count; i++)
		p->bypasses |= p->rules.v[i].action == RULE_BYPASS;
	ports_relink(f);
	/* A predecessor may have left it either way: said once, so that routing on an overlay that
	 * goes on does not see it go down in between. */
	p->carrier = may_send(f, p);
	if (p->kind == MSG_PORT_OVERLAY && port->ops->carrier)
		port->ops->carrier(port, p->carrier);
	return 0;
}

void fwd_port_drop(struct fwd *f, uint16_t id)
{
	struct fwd_port *p = fwd_port_find(f, id);

	if (!p)
		return;
	p->port->ops->close(p->port);
	*p = (struct fwd_port){0};
	tunnels_relink(f);
}

void fwd_port_link(struct fwd *f, uint16_t id, bool link)
{
	struct fwd_port *p = fwd_port_find(f, id);

	if (!p)
		return;
	p->link = link;
	bridges_look(f);
}

unsigned fwd_fds(const struct fwd *f, int *fds, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < f->port_count && k < n; i++) {
		const struct port *p = f->ports[i].port;
		int fd = p ? p->ops->fd(p) : -1;

		if (fd >= 0)
			fds[k++] = fd;
	}
	return k;
}

/* Whether a frame from a wan is IP, tagged or not: tunnels' business. */
static bool is_ip(const struct pkt *p)
{
	struct rd r = rd_init(p->data, p->len);
	struct eth e = eth_read(&r);

	return e.type == ETH_TYPE_IPV4 || e.type == ETH_TYPE_IPV6;
}

/* A wan port with tunnels over it: runs of IP go one way, all else to MACsec. */
static void wan_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	for (unsigned i = 0, end; i < n; i = end) {
		bool ip = is_ip(&v[i]);

		for (end = i + 1; end < n && is_ip(&v[end]) == ip;)
			end++;
		if (ip)
			esp_in(f, wan, v + i, end - i);
		else
			macsec_in(f, wan, v + i, end - i);
	}
}

unsigned fwd_poll(struct fwd *f)
{
	struct pkt v[PKT_BURST];
	unsigned moved = 0;

	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *p = &f->ports[i];
		unsigned n = p->port ? p->port->ops->rx(p->port, v, PKT_BURST) : 0;

		for (unsigned j = 0; j < n; j++)
			v[j].mark = 0; /* marks are given here, never brought along */
		moved += n;
		if (!n)
			continue;
		if (p->kind == MSG_PORT_OVERLAY && p->tunnels)
			esp_out(f, p, v, n);
		else if (p->kind == MSG_PORT_OVERLAY)
			macsec_out(f, p->secy, v, n);
		else if (p->kind == MSG_PORT_WAN && p->tunnels)
			wan_in(f, p, v, n);
		else if (p->kind == MSG_PORT_WAN)
			macsec_in(f, p, v, n);
		else
			bridge_out(f, p, v, n);
	}
	if (f->bridges_due)
		bridges_speak(f);
	return moved;
}
