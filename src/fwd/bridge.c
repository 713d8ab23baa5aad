/* The way of a frame through a bridge, and the bridge's life. */
#include "fwd/bridge.h"

#include "base/log.h"
#include "wire/bframe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(L2CP_COUNT <= MSG_BRIDGE_L2CP, "every protocol has its action in MSG_BRIDGE");

const char *const bridge_count_names[BRIDGE_COUNT_COUNT] = {
#define COUNT(e, name) [BRIDGE_##e] = (name),
	BRIDGE_COUNTS(COUNT)
#undef COUNT
};

/* The lan ports of a bridge. */
struct lans {
	unsigned n;
	struct fwd_port *v[FWD_LAN_MAX];
};

struct bridge *bridge_find(const struct fwd *f, uint16_t secy)
{
	for (unsigned i = 0; i < FWD_BRIDGE_MAX; i++)
		if (f->bridges[i] && f->bridges[i]->config.secy == secy)
			return f->bridges[i];
	return NULL;
}

void bridge_free(struct bridge *b)
{
	if (!b)
		return;
	mactable_free(b->macs);
	free(b->designated);
	free(b);
}

void bridge_drop(struct fwd *f, uint16_t secy)
{
	for (unsigned i = 0; i < FWD_BRIDGE_MAX; i++) {
		if (!f->bridges[i] || f->bridges[i]->config.secy != secy)
			continue;
		bridge_free(f->bridges[i]);
		f->bridges[i] = NULL;
	}
}

static int macs_set(struct bridge *b, const struct msg_bridge *m)
{
	const struct mactable_config c = {.entries = m->entries,
					  .per_place = m->per_place,
					  .ageing_ns = m->ageing_s * UINT64_C(1000000000),
					  .flood = m->flood};
	struct mactable *macs;

	if (b->macs && b->config.entries == m->entries && b->config.per_place == m->per_place &&
	    b->config.ageing_s == m->ageing_s && b->config.flood == m->flood)
		return 0;
	macs = mactable_new(&c);
	if (!macs)
		return -errno;
	/* What was learned is true under other limits too, as far as it fits. */
	for (uint32_t i = 0; b->macs && i < mactable_size(b->macs); i++) {
		const struct mac_entry *e = mactable_at(b->macs, i);

		if (e)
			mactable_learn(macs, e->mac, mactable_place(b->macs, e), e->seen_ns);
	}
	mactable_free(b->macs);
	b->macs = macs;
	b->told_at = 0;
	b->announce_at = mactable_size(macs);
	return 0;
}

int bridge_set(struct fwd *f, const struct msg_bridge *m)
{
	struct bridge *b = bridge_find(f, m->secy);
	unsigned i = 0;
	int rc = 0;

	if (m->mode == MSG_BRIDGE_NONE) {
		bridge_drop(f, m->secy);
		return 0;
	}
	for (unsigned p = 0; p < L2CP_COUNT; p++)
		if (m->l2cp[p] >= L2CP_ACTION_COUNT)
			return -EINVAL;
	while (!b && i < FWD_BRIDGE_MAX && f->bridges[i])
		i++;
	if (!b && i == FWD_BRIDGE_MAX)
		return -ENOSPC;
	if (!b)
		b = f->bridges[i] = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	if (m->mode == MSG_BRIDGE_LAN) {
		rc = macs_set(b, m);
	} else {
		mactable_free(b->macs);
		b->macs = NULL;
	}
	if (!rc)
		rc = bridge_site_set(f, b, m);
	b->config = *m;
	if (rc < 0)
		bridge_drop(f, m->secy);
	return rc;
}

uint32_t bridge_addresses(const struct bridge *b)
{
	return b->macs ? mactable_count(b->macs) : 0;
}

static void lans_find(struct fwd *f, uint16_t overlay, struct lans *l)
{
	l->n = 0;
	for (unsigned i = 0; i < f->port_count && l->n < FWD_LAN_MAX; i++)
		if (f->ports[i].port && f->ports[i].kind == MSG_PORT_LAN &&
		    f->ports[i].over == overlay)
			l->v[l->n++] = &f->ports[i];
}

/* Another packet of the same bytes and marks, with room for what may come around them. */
static bool pkt_copy(struct fwd *f, const struct pkt *p, struct pkt *copy)
{
	if (p->len > f->pool->frame_max || !pkt_alloc(f->pool, copy)) {
		f->fates[FATE_DROP_NO_BUFFER]++;
		return false;
	}
	memcpy(copy->data, p->data, p->len);
	copy->len = p->len;
	copy->mark = p->mark;
	return true;
}

void bridge_learn(struct bridge *b, const uint8_t *mac, uint64_t place, uint64_t now)
{
	switch (mactable_learn(b->macs, mac, place, now)) {
	case MAC_KNOWN:
		break;
	case MAC_NEW:
		b->counts[BRIDGE_LEARNED]++;
		break;
	case MAC_MOVED:
		b->counts[BRIDGE_MOVED]++;
		break;
	case MAC_FROZEN:
		b->counts[BRIDGE_NOT_MOVED]++;
		break;
	case MAC_FULL:
		b->counts[BRIDGE_NOT_LEARNED]++;
		break;
	}
}

/* Which control protocol it is of, and that it may go on: L2CP_COUNT where it may not. */
static enum l2cp l2cp_pass(struct bridge *b, const struct pkt *p)
{
	uint8_t head[L2CP_HEAD] = {0};
	enum l2cp which;

	if (!(p->data[0] & 1))
		return L2CP_NONE;
	memcpy(head, p->data, p->len < sizeof(head) ? p->len : sizeof(head));
	which = l2cp_of(head);
	if (which == L2CP_NONE)
		return which;
	b->l2cp[which][b->config.l2cp[which]]++;
	return b->config.l2cp[which] == L2CP_TUNNEL ? which : L2CP_COUNT;
}

static bool is_own_group(const struct pkt *p)
{
	return p->data[12] == BFRAME_ETHERTYPE >> 8 && p->data[13] == (BFRAME_ETHERTYPE & 0xff) &&
	       memcmp(p->data, bframe_group, ETH_ADDR_LEN) == 0;
}

/* Puts a frame that the carrier's bridges would consume into one that they carry. */
static bool encapsulate(struct pkt *p)
{
	struct wr w;

	if (pkt_headroom(p) < BFRAME_HEAD_LEN)
		return false;
	w = wr_init(p->data - BFRAME_HEAD_LEN, BFRAME_HEAD_LEN);
	bframe_put_head(&w, p->data + ETH_ADDR_LEN, BFRAME_TUNNEL);
	p->data -= BFRAME_HEAD_LEN;
	p->len += BFRAME_HEAD_LEN;
	return true;
}

/* Where a frame goes: which lan ports (a mask of struct lans), and whether to the wan. */
struct ways {
	uint32_t lans;
	bool wan;
};

static uint32_t lan_bit(const struct lans *l, uint64_t id)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->v[i]->id == id)
			return 1u << i;
	return 0;
}

static uint32_t lan_all(const struct lans *l)
{
	return (uint32_t)((UINT64_C(1) << l->n) - 1);
}

/*
 * Learns the source and finds the way of a frame from `place`, a lan port's id or a peer's SCI (0:
 * a peer not known). FATE_SENT_LAN: *to says where.
 */
static enum fwd_fate find_way(struct fwd *f, struct bridge *b, const struct lans *l, uint64_t place,
			      const struct pkt *p, struct ways *to)
{
	bool from_lan = place && place <= UINT16_MAX;
	uint64_t at, seen;

	if (p->data[ETH_ADDR_LEN] & 1)
		return FATE_DROP_SOURCE;
	if (from_lan && b->designated && !designated_alone(b->designated)) {
		at = mactable_find(b->macs, p->data + ETH_ADDR_LEN, f->now, &seen);
		if (at > UINT16_MAX && at < BRIDGE_TOLD_REMOTE && f->now - seen < BRIDGE_RETURN_NS)
			return FATE_DROP_RETURNED;
	}
	if (place)
		bridge_learn(b, p->data + ETH_ADDR_LEN, place, f->now);
	at = mactable_find(b->macs, p->data, f->now, NULL);
	if (at >= BRIDGE_TOLD_REMOTE)
		at = 0; /* where it is exactly, its own frames will say */
	if (at && at == place && from_lan)
		return FATE_DROP_FILTERED;
	if (at > UINT16_MAX && !from_lan)
		return FATE_DROP_ELSEWHERE;
	*to = (struct ways){.wan = from_lan && (!at || at > UINT16_MAX)};
	if (at > UINT16_MAX)
		return FATE_SENT_LAN;
	to->lans = at ? lan_bit(l, at) : 0;
	if (to->lans)
		return FATE_SENT_LAN;
	/* Not known, or behind a port that went: to all but where it came from. */
	if (!mactable_flood(b->macs, place ? place : UINT64_MAX, f->now))
		return FATE_DROP_STORM;
	b->counts[BRIDGE_FLOODED]++;
	to->wan = from_lan;
	to->lans = lan_all(l) & ~(from_lan ? lan_bit(l, place) : 0);
	return FATE_SENT_LAN;
}

/* Hands out copies to all ways of the mask but the last, which gets the packet itself. */
static void spread(struct fwd *f, const struct lans *l, uint32_t mask, struct pkt *p)
{
	while (mask) {
		struct fwd_port *lan = l->v[__builtin_ctz(mask)];
		struct pkt copy;

		mask &= mask - 1;
		if (!mask)
			guard_lan(f, lan, p, 1);
		else if (pkt_copy(f, p, &copy))
			guard_lan(f, lan, &copy, 1);
	}
}

/* No rule of the file is for it: one that is finds the frame as it is. */
static bool is_protected(struct fwd *f, const struct secy *y, const struct pkt *p)
{
	const struct fwd_port *wan = fwd_port_find(f, y->config.wan);

	return !wan || !wan->rules.count || rules_of(wan, p) == RULE_PROTECT;
}

/* A frame of a lan port: whether it goes to the wan, in which case it is kept. */
static bool out_one(struct fwd *f, struct bridge *b, struct fwd_port *lan, const struct lans *l,
		    struct pkt *p)
{
	struct ways to = {.wan = true};
	enum fwd_fate fate = FATE_SENT_LAN;
	enum l2cp which;
	struct pkt copy;

	if (p->len < ETH_HEAD_LEN) {
		fwd_drop(f, p, FATE_DROP_RUNT);
		return false;
	}
	if (is_own_group(p)) {
		fwd_drop(f, p, FATE_DROP_OWN_GROUP);
		return false;
	}
	which = bridge_stands_by(b) ? L2CP_NONE : l2cp_pass(b, p);
	if (bridge_stands_by(b))
		fate = FATE_DROP_STANDBY;
	else if (which == L2CP_COUNT)
		fate = FATE_DROP_L2CP;
	else if (b->macs)
		fate = find_way(f, b, l, lan->id, p, &to);
	if (fate != FATE_SENT_LAN) {
		fwd_drop(f, p, fate);
		return false;
	}
	p->mark = PKT_LOCAL;
	if (!to.wan) {
		spread(f, l, to.lans, p);
		return false;
	}
	if (to.lans && pkt_copy(f, p, &copy))
		spread(f, l, to.lans, &copy);
	p->mark = 0;
	if (which != L2CP_NONE && b->config.encapsulate && l2cp_reserved(p->data) &&
	    is_protected(f, lan->secy, p) && !encapsulate(p)) {
		fwd_drop(f, p, FATE_DROP_NO_ROOM);
		return false;
	}
	return true;
}

void bridge_out(struct fwd *f, struct fwd_port *lan, struct pkt *v, unsigned n)
{
	struct secy *y = lan->secy;
	struct bridge *b = y ? bridge_find(f, y->config.secy) : NULL;
	struct lans l;
	unsigned k = 0;

	if (!b) {
		for (unsigned i = 0; i < n; i++)
			fwd_drop(f, &v[i], FATE_DROP_LAN);
		return;
	}
	lans_find(f, lan->over, &l);
	for (unsigned i = 0; i < n; i++)
		if (out_one(f, b, lan, &l, &v[i]))
			pkt_keep(v, k++, i);
	if (k)
		macsec_out(f, y, v, k);
}

/* Takes what was put around a frame off again, or says why it goes no further. */
static enum fwd_fate decapsulate(struct pkt *p)
{
	if (!(p->mark & PKT_OPENED) || bframe_type(p->data, p->len) != BFRAME_TUNNEL)
		return FATE_DROP_OWN_GROUP;
	p->data += BFRAME_HEAD_LEN;
	p->len -= BFRAME_HEAD_LEN;
	if (p->len < ETH_HEAD_LEN)
		return FATE_DROP_INNER_RUNT;
	return is_own_group(p) ? FATE_DROP_OWN_GROUP : FATE_SENT_LAN;
}

/* FATE_SENT_LAN: *to says to which lan ports. */
static enum fwd_fate in_one(struct fwd *f, struct bridge *b, const struct lans *l, uint64_t sci,
			    struct pkt *p, struct ways *to)
{
	enum fwd_fate fate = FATE_SENT_LAN;

	if (is_own_group(p)) {
		if (p->mark & PKT_OPENED && bridge_hear(f, b, sci, p))
			return FATE_BRIDGE_CONTROL;
		fate = decapsulate(p);
	}
	if (fate == FATE_SENT_LAN)
		fate = !(p->mark & PKT_BYPASSED) ? bridge_admits(f, b, sci)
		       : bridge_stands_by(b)     ? FATE_DROP_STANDBY
						 : FATE_SENT_LAN;
	if (fate != FATE_SENT_LAN)
		return fate;
	if (l2cp_pass(b, p) == L2CP_COUNT)
		return FATE_DROP_L2CP;
	if (b->macs)
		return find_way(f, b, l, p->mark & PKT_OPENED ? sci : 0, p, to);
	to->lans = lan_all(l);
	return FATE_SENT_LAN;
}

void bridge_in(struct fwd *f, struct bridge *b, struct secy *y, uint64_t sci, struct pkt *v,
	       unsigned n)
{
	struct lans l;
	unsigned k = 0;

	lans_find(f, y->config.overlay, &l);
	for (unsigned i = 0; i < n; i++) {
		struct ways to = {0};
		enum fwd_fate fate = in_one(f, b, &l, sci, &v[i], &to);

		if (fate == FATE_SENT_LAN && !to.lans)
			fate = FATE_DROP_NO_PORT;
		if (fate != FATE_SENT_LAN)
			fwd_drop(f, &v[i], fate);
		else if (l.n > 1)
			spread(f, &l, to.lans, &v[i]);
		else
			pkt_keep(v, k++, i);
	}
	if (k)
		guard_lan(f, l.v[0], v, k);
}
