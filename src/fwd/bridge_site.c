/*
 * Several nodes at a site: hellos in and out of the engine (designated.h), the standby's copy of
 * the table, and the announcements of who takes over.
 */
#include "fwd/bridge.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/bframe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANNOUNCE_AT_ONCE 256 /* addresses in one tick */

static void config_of(struct designated_config *c, const struct msg_bridge *m)
{
	*c = (struct designated_config){.self = m->node, .strangers = m->strangers};
	_Static_assert(DESIGNATED_SITE == MSG_BRIDGE_SITE, "one bound for a site's nodes");
	for (unsigned i = 0; i < DESIGNATED_SITE; i++)
		c->site[i] = (uint16_t)(m->site[2 * i] << 8 | m->site[2 * i + 1]);
}

/* But for the instance, which is another at each start. */
static bool config_same(const struct designated_config *a, const struct designated_config *b)
{
	return a->self == b->self && a->strangers == b->strangers &&
	       memcmp(a->site, b->site, sizeof(a->site)) == 0;
}

int bridge_site_set(struct fwd *f, struct bridge *b, const struct msg_bridge *m)
{
	struct designated_config c;

	if (!m->hello || m->mode != MSG_BRIDGE_LAN) {
		free(b->designated);
		b->designated = NULL;
		return 0;
	}
	config_of(&c, m);
	if (b->designated) {
		if (config_same(&c, &b->designated->config))
			return 0;
	} else {
		b->designated = malloc(sizeof(*b->designated));
		if (!b->designated)
			return -ENOMEM;
		b->forwarding = false;
	}
	c.instance = (uint32_t)(clock_now() >> 10);
	designated_init(b->designated, &c, f->now);
	mactable_flush(b->macs);
	b->announce_at = mactable_size(b->macs);
	b->tx = NULL;
	return 0;
}

/* Lan, wan and a key to send under are there. */
static bool is_usable(struct fwd *f, const struct secy *y)
{
	const struct fwd_port *wan = fwd_port_find(f, y->config.wan);
	bool lan = false;

	for (unsigned i = 0; i < f->port_count; i++)
		lan |= f->ports[i].port && f->ports[i].kind == MSG_PORT_LAN &&
		       f->ports[i].over == y->config.overlay && f->ports[i].link;
	return lan && wan && wan->link && y->tx_current &&
	       y->tx_current->next < y->tx_current->bound;
}

/* After every turn of the engine: what follows from whether this node forwards. */
static void look(struct fwd *f, struct bridge *b, const struct secy *y)
{
	bool forwards = designated_forwards(b->designated);

	if (b->designated->hello_now)
		f->bridges_due = true;
	if (forwards == b->forwarding)
		return;
	b->forwarding = forwards;
	if (!designated_alone(b->designated))
		log_info("overlay %s: this node %s", y->config.name,
			 forwards ? "forwards for its site" : "stands by for another of its site");
	/* A standby keeps what it is told; what it learned itself was true of its own ways. */
	if (forwards)
		b->announce_at = 0;
	else
		mactable_flush(b->macs);
}

static void say(struct fwd *f, struct secy *y, const uint8_t *src, const struct bframe_hello *h)
{
	struct wr w;
	struct pkt p;

	if (!pkt_alloc(f->pool, &p)) {
		f->fates[FATE_DROP_NO_BUFFER]++;
		return;
	}
	w = wr_init(p.data, BFRAME_HELLO_MAX);
	bframe_put_head(&w, src, h ? BFRAME_HELLO : BFRAME_ANNOUNCE);
	if (h)
		bframe_put_hello(&w, h);
	p.len = (uint32_t)wr_len(&w);
	macsec_out(f, y, &p, 1);
}

/* What the table holds, a part at a time, for those that stand by. */
static void tell_macs(struct bridge *b, struct bframe_hello *h)
{
	uint32_t size = mactable_size(b->macs);

	if (!b->forwarding || designated_alone(b->designated))
		return;
	for (uint32_t i = 0; i < size && h->count < BFRAME_MACS_MAX; i++) {
		const struct mac_entry *e = mactable_at(b->macs, b->told_at);
		uint64_t place = e ? mactable_place(b->macs, e) : 0;

		b->told_at = b->told_at + 1 < size ? b->told_at + 1 : 0;
		if (!e)
			continue;
		memcpy(h->macs[h->count].mac, e->mac, ETH_ADDR_LEN);
		h->macs[h->count++].side = place <= UINT16_MAX || place == BRIDGE_TOLD_LOCAL
						   ? BFRAME_LOCAL
						   : BFRAME_REMOTE;
	}
}

/* A frame in the name of an address, on the side where it is not. */
static void announce_one(struct fwd *f, struct bridge *b, struct secy *y, const struct mac_entry *e)
{
	uint64_t place = mactable_place(b->macs, e);
	struct wr w;
	struct pkt p;

	b->counts[BRIDGE_ANNOUNCED]++;
	if (place <= UINT16_MAX || place == BRIDGE_TOLD_LOCAL) {
		say(f, y, e->mac, NULL);
		return;
	}
	for (unsigned i = 0; i < f->port_count; i++) {
		struct fwd_port *lan = &f->ports[i];

		if (!lan->port || lan->kind != MSG_PORT_LAN || lan->over != y->config.overlay ||
		    !pkt_alloc(f->pool, &p))
			continue;
		memset(p.data, 0, ETH_FRAME_MIN);
		w = wr_init(p.data, ETH_FRAME_MIN);
		bframe_put_head(&w, e->mac, BFRAME_ANNOUNCE);
		p.len = ETH_FRAME_MIN;
		p.mark = PKT_LOCAL;
		guard_lan(f, lan, &p, 1);
	}
}

static void announce(struct fwd *f, struct bridge *b, struct secy *y)
{
	uint32_t size = mactable_size(b->macs);
	unsigned n = 0;

	for (; b->announce_at < size && n < ANNOUNCE_AT_ONCE; b->announce_at++) {
		const struct mac_entry *e = mactable_at(b->macs, b->announce_at);

		if (!e)
			continue;
		announce_one(f, b, y, e);
		n++;
	}
}

static void speak(struct fwd *f, struct bridge *b, struct secy *y)
{
	static struct bframe_hello h; /* large, and the worker's alone */
	const struct fwd_port *wan = fwd_port_find(f, y->config.wan);

	if (!y->tx_current || !wan)
		return;
	if (designated_output(b->designated, &h, f->now)) {
		tell_macs(b, &h);
		say(f, y, wan->mac, &h);
	}
	if (b->forwarding && !designated_alone(b->designated) && b->announced_ns != f->now) {
		b->announced_ns = f->now;
		announce(f, b, y);
	}
}

void bridges_look(struct fwd *f)
{
	for (unsigned i = 0; i < FWD_BRIDGE_MAX; i++) {
		struct bridge *b = f->bridges[i];
		struct secy *y = b && b->designated ? secy_find(f->sas, b->config.secy) : NULL;

		if (!y)
			continue;
		designated_usable(b->designated, is_usable(f, y), f->now);
		/* The first frame under a new key says who sends under it. */
		if (y->tx_current != b->tx)
			designated_hello_soon(b->designated);
		b->tx = y->tx_current;
		look(f, b, y);
	}
	if (f->bridges_due)
		bridges_speak(f);
}

void bridges_speak(struct fwd *f)
{
	f->bridges_due = false;
	for (unsigned i = 0; i < FWD_BRIDGE_MAX; i++) {
		struct bridge *b = f->bridges[i];
		struct secy *y = b && b->designated ? secy_find(f->sas, b->config.secy) : NULL;

		if (y)
			speak(f, b, y);
	}
}

void bridges_tick(struct fwd *f)
{
	for (unsigned i = 0; i < FWD_BRIDGE_MAX; i++)
		if (f->bridges[i] && f->bridges[i]->macs)
			mactable_age(f->bridges[i]->macs, f->now);
	bridges_look(f);
	bridges_speak(f);
}

bool bridge_hear(struct fwd *f, struct bridge *b, uint64_t sci, const struct pkt *p)
{
	static struct bframe_hello h; /* as in speak() */
	uint8_t type = bframe_type(p->data, p->len);
	struct secy *y;

	if (type == BFRAME_ANNOUNCE) {
		if (b->macs && !bridge_stands_by(b) && bridge_admits(f, b, sci) == FATE_SENT_LAN)
			bridge_learn(b, p->data + ETH_ADDR_LEN, sci, f->now);
		return true;
	}
	if (type != BFRAME_HELLO || !bframe_get_hello(&h, p->data, p->len))
		return false;
	if (!b->designated || !designated_input(b->designated, sci, &h, f->now))
		return true;
	y = secy_find(f->sas, b->config.secy);
	look(f, b, y);
	if (b->forwarding || h.state != BFRAME_FORWARDING ||
	    designated_origin(b->designated, sci, f->now) != DESIGNATED_OWN_SITE)
		return true;
	for (unsigned i = 0; i < h.count; i++)
		mactable_learn(b->macs, h.macs[i].mac,
			       h.macs[i].side == BFRAME_LOCAL ? BRIDGE_TOLD_LOCAL
							      : BRIDGE_TOLD_REMOTE,
			       f->now);
	return true;
}

enum fwd_fate bridge_admits(struct fwd *f, struct bridge *b, uint64_t sci)
{
	if (!b->designated)
		return FATE_SENT_LAN;
	switch (designated_origin(b->designated, sci, f->now)) {
	case DESIGNATED_OWN_SITE:
		return FATE_DROP_OWN_SITE;
	case DESIGNATED_UNKNOWN:
		return FATE_DROP_NAMELESS;
	case DESIGNATED_OTHER_SITE:
		break;
	}
	return bridge_stands_by(b) ? FATE_DROP_STANDBY : FATE_SENT_LAN;
}
