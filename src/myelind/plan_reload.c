/* What becomes of numbers, and of what runs, when another file is taken. */
#include "myelind/plan.h"

#include <stdio.h>
#include <string.h>

/* Numbers for `count` names, into to[]: before's where it has them, else free ones; before becomes
 * the table of the new ones. There are no more names than room. */
static void numbers_give(char before[][PLAN_NAME_MAX], size_t room, char names[][PLAN_NAME_MAX],
			 size_t count, uint16_t *to)
{
	char after[PLAN_TUNNELS_MAX][PLAN_NAME_MAX] = {};

	memset(to, 0, count * sizeof(*to));
	for (size_t i = 0; i < count; i++)
		for (size_t n = 0; n < room && !to[i]; n++)
			if (strcmp(before[n], names[i]) == 0 && !after[n][0]) {
				memcpy(after[n], names[i], PLAN_NAME_MAX);
				to[i] = (uint16_t)(n + 1);
			}
	for (int reuse = 0; reuse < 2; reuse++)
		for (size_t i = 0; i < count; i++)
			for (size_t n = 0; n < room && !to[i]; n++)
				if (!after[n][0] && (reuse || !before[n][0])) {
					memcpy(after[n], names[i], PLAN_NAME_MAX);
					to[i] = (uint16_t)(n + 1);
				}
	memcpy(before, after, room * PLAN_NAME_MAX);
}

void plan_number(struct plan *p, struct plan_names *names)
{
	char of[PLAN_TUNNELS_MAX][PLAN_NAME_MAX] = {};
	uint16_t ports[PLAN_PORTS_MAX], secys[PLAN_SECYS_MAX], tunnels[PLAN_TUNNELS_MAX];

	for (size_t i = 0; i < p->port_count; i++) {
		const struct plan_port *pp = &p->ports[i];

		snprintf(of[i], PLAN_NAME_MAX, "%s %s", pp->port ? "port" : "overlay",
			 pp->port ? pp->port->name : pp->overlay->name);
	}
	numbers_give(names->ports, PLAN_PORTS_MAX, of, p->port_count, ports);
	memset(of, 0, sizeof(of));
	for (size_t i = 0; i < p->secy_count; i++)
		snprintf(of[i], PLAN_NAME_MAX, "%s", p->secys[i].o->name);
	numbers_give(names->secys, PLAN_SECYS_MAX, of, p->secy_count, secys);
	memset(of, 0, sizeof(of));
	for (size_t i = 0; i < p->tunnel_count; i++)
		snprintf(of[i], PLAN_NAME_MAX, "%s %s", p->tunnels[i].o->name,
			 backbone_member_name(p->tunnels[i].peer));
	numbers_give(names->tunnels, PLAN_TUNNELS_MAX, of, p->tunnel_count, tunnels);
	/* plan_new() has numbered in order, so a number is an index. */
	for (size_t i = 0; i < p->port_count; i++) {
		struct msg_port_want *w = &p->ports[i].want;

		w->port = ports[i];
		w->over = w->over ? ports[w->over - 1] : 0;
	}
	for (size_t i = 0; i < p->address_count; i++)
		p->addresses[i].port = ports[p->addresses[i].port - 1];
	for (size_t i = 0; i < p->route_count; i++)
		p->routes[i].port = ports[p->routes[i].port - 1];
	for (size_t i = 0; i < p->neighbour_count; i++)
		p->neighbours[i].port = ports[p->neighbours[i].port - 1];
	for (size_t i = 0; i < p->secy_count; i++) {
		struct plan_secy *s = &p->secys[i];

		s->id = secys[i];
		s->wan = ports[s->wan - 1];
		s->overlay = ports[s->overlay - 1];
	}
	for (size_t i = 0; i < p->tunnel_count; i++) {
		struct plan_tunnel *t = &p->tunnels[i];

		t->id = (uint16_t)(PLAN_SECYS_MAX + tunnels[i]);
		t->wan = ports[t->wan - 1];
		t->overlay = ports[t->overlay - 1];
	}
}

static const struct plan_secy *secy_named(const struct plan *p, const char *overlay)
{
	for (size_t i = 0; i < p->secy_count; i++)
		if (strcmp(p->secys[i].o->name, overlay) == 0)
			return &p->secys[i];
	return NULL;
}

static bool same_address(const struct bb_prefix *a, const struct bb_prefix *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool want_same(const struct plan *pa, const struct plan_port *a, const struct plan *pb,
		      const struct plan_port *b)
{
	struct msg_port_want x = a->want, y = b->want;
	const struct plan_port *ox = plan_port(pa, x.over), *oy = plan_port(pb, y.over);

	return strcmp(x.ifname, y.ifname) == 0 && x.kind == y.kind && x.vlan == y.vlan &&
	       x.outer_type == y.outer_type && x.outer_vlan == y.outer_vlan && x.mtu == y.mtu &&
	       x.eapol_type == y.eapol_type && x.allow == y.allow && x.others == y.others &&
	       x.l2cp_peers == y.l2cp_peers && x.dhcp == y.dhcp && x.xdp == y.xdp &&
	       msg_rules_same(&x.rules, &y.rules) &&
	       memcmp(x.eapol_dst, y.eapol_dst, sizeof(x.eapol_dst)) == 0 && !ox == !oy &&
	       (!ox || text_same(ox->want.ifname, oy->want.ifname));
}

static bool keying_same(const struct plan_secy *a, const struct plan_secy *b)
{
	const struct bb_overlay *x = a->o, *y = b->o;

	if (a->self->port->port_id != b->self->port->port_id || x->keying != y->keying ||
	    !text_same(x->psk, y->psk) || x->macsec.suite != y->macsec.suite ||
	    x->macsec.conf != y->macsec.conf || x->macsec.window != y->macsec.window ||
	    x->macsec.replay_protect != y->macsec.replay_protect ||
	    x->macsec.validate != y->macsec.validate ||
	    x->macsec.should_secure != y->macsec.should_secure ||
	    x->macsec.send_sci != y->macsec.send_sci || a->self->priority != b->self->priority)
		return false;
	return x->keying != BB_MKA ||
	       (text_same(x->mka.key_chain, y->mka.key_chain) &&
		text_same(x->mka.fallback, y->mka.fallback) && x->mka.hello_ns == y->mka.hello_ns &&
		x->mka.life_ns == y->mka.life_ns && x->mka.rekey_ns == y->mka.rekey_ns &&
		x->mka.delay_protect == y->mka.delay_protect &&
		x->mka.ssci_order == y->mka.ssci_order && x->mka.keep_sak_ns == y->mka.keep_sak_ns);
}

/* Addresses and routes out of the overlay, in their order. */
static bool reach_same(const struct plan *pa, uint16_t a, const struct plan *pb, uint16_t b)
{
	size_t i = 0, k = 0;

	for (;; i++, k++) {
		while (i < pa->address_count && pa->addresses[i].port != a)
			i++;
		while (k < pb->address_count && pb->addresses[k].port != b)
			k++;
		if (i == pa->address_count || k == pb->address_count)
			break;
		if (pa->addresses[i].prefix != pb->addresses[k].prefix ||
		    memcmp(pa->addresses[i].addr, pb->addresses[k].addr, 16) != 0)
			return false;
	}
	if (i != pa->address_count || k != pb->address_count)
		return false;
	for (i = k = 0;; i++, k++) {
		while (i < pa->route_count && pa->routes[i].port != a)
			i++;
		while (k < pb->route_count && pb->routes[k].port != b)
			k++;
		if (i == pa->route_count || k == pb->route_count)
			return i == pa->route_count && k == pb->route_count;
		if (pa->routes[i].prefix != pb->routes[k].prefix ||
		    pa->routes[i].metric != pb->routes[k].metric ||
		    pa->routes[i].via_family != pb->routes[k].via_family ||
		    memcmp(pa->routes[i].src, pb->routes[k].src, 16) != 0 ||
		    memcmp(pa->routes[i].dst, pb->routes[k].dst, 16) != 0 ||
		    memcmp(pa->routes[i].via, pb->routes[k].via, 16) != 0)
			return false;
	}
}

/* The same lan ports are bridged to it, in the same way. */
static bool bridge_same(const struct plan *pa, const struct plan_secy *a, const struct plan *pb,
			const struct plan_secy *b)
{
	size_t i = 0, k = 0;

	if (a->bridged != b->bridged)
		return false;
	if (!a->bridged)
		return true;
	if (memcmp(&a->o->bridge, &b->o->bridge, sizeof(a->o->bridge)) != 0)
		return false;
	for (;; i++, k++) {
		while (i < pa->port_count && (!pa->ports[i].port || pa->ports[i].overlay != a->o ||
					      pa->ports[i].want.kind != MSG_PORT_LAN))
			i++;
		while (k < pb->port_count && (!pb->ports[k].port || pb->ports[k].overlay != b->o ||
					      pb->ports[k].want.kind != MSG_PORT_LAN))
			k++;
		if (i == pa->port_count || k == pb->port_count)
			return i == pa->port_count && k == pb->port_count;
		if (!want_same(pa, &pa->ports[i], pb, &pb->ports[k]))
			return false;
	}
}

/* The n-th tunnel of that overlay, or NULL. */
static const struct plan_tunnel *tunnel_nth(const struct plan *p, const char *overlay, size_t n)
{
	for (size_t i = 0; i < p->tunnel_count; i++)
		if (strcmp(p->tunnels[i].o->name, overlay) == 0 && n-- == 0)
			return &p->tunnels[i];
	return NULL;
}

/* How a tunnel is keyed and framed. */
static bool ipsec_same(const struct plan_tunnel *a, const struct plan_tunnel *b)
{
	const struct bb_ipsec *x = &a->o->ipsec, *y = &b->o->ipsec;
	static const struct bb_identity none;
	const struct bb_identity *i = a->peer->peer ? &a->peer->peer->identity : &none,
				 *k = b->peer->peer ? &b->peer->peer->identity : &none;

	return a->o->keying == b->o->keying && a->o->auth == b->o->auth &&
	       text_same(a->o->psk, b->o->psk) && text_same(a->o->ca, b->o->ca) &&
	       i->type == k->type && i->len == k->len && memcmp(i->b, k->b, i->len) == 0 &&
	       x->compatible == y->compatible && x->on_demand == y->on_demand &&
	       x->encap == y->encap && x->pfs == y->pfs && x->key_log == y->key_log &&
	       text_same(x->ppk, y->ppk) && x->ppk_required == y->ppk_required &&
	       x->dscp == y->dscp && x->df == y->df && x->window == y->window &&
	       x->ike_rekey_ns == y->ike_rekey_ns && x->ike_reauth_ns == y->ike_reauth_ns &&
	       x->child_rekey_ns == y->child_rekey_ns && x->dpd_ns == y->dpd_ns;
}

static bool tunnel_same(const struct plan_tunnel *a, const struct plan_tunnel *b)
{
	return text_same(backbone_member_name(a->peer), backbone_member_name(b->peer)) &&
	       same_address(&a->local, &b->local) && same_address(&a->remote, &b->remote) &&
	       same_address(&a->next_hop, &b->next_hop) &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       memcmp(a->inner4, b->inner4, sizeof(a->inner4)) == 0 &&
	       memcmp(a->inner6, b->inner6, sizeof(a->inner6)) == 0 && ipsec_same(a, b);
}

static enum plan_fate tunnels_fate(const struct plan *before, const struct plan *after,
				   const char *overlay)
{
	const struct plan_tunnel *a = tunnel_nth(before, overlay, 0),
				 *b = tunnel_nth(after, overlay, 0);

	if (!a || !b)
		return a ? PLAN_REMOVED : PLAN_ADDED;
	if (!reach_same(before, a->overlay, after, b->overlay) ||
	    !want_same(before, plan_port(before, a->overlay), after,
		       plan_port(after, b->overlay)) ||
	    !want_same(before, plan_port(before, a->wan), after, plan_port(after, b->wan)))
		return PLAN_CHANGED;
	for (size_t i = 0; a || b; i++) {
		a = tunnel_nth(before, overlay, i);
		b = tunnel_nth(after, overlay, i);
		if (!a != !b || (a && !tunnel_same(a, b)))
			return PLAN_CHANGED;
	}
	return PLAN_KEPT;
}

enum plan_fate plan_fate(const struct plan *before, const struct plan *after, const char *overlay)
{
	const struct plan_secy *a = secy_named(before, overlay), *b = secy_named(after, overlay);

	if (!a && !b)
		return tunnels_fate(before, after, overlay);
	if (!a)
		return PLAN_ADDED;
	if (!b)
		return PLAN_REMOVED;
	return keying_same(a, b) && bridge_same(before, a, after, b) &&
			       reach_same(before, a->overlay, after, b->overlay) &&
			       want_same(before, plan_port(before, a->overlay), after,
					 plan_port(after, b->overlay)) &&
			       want_same(before, plan_port(before, a->wan), after,
					 plan_port(after, b->wan))
		       ? PLAN_KEPT
		       : PLAN_CHANGED;
}
