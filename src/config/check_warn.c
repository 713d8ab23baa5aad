/* check_warn: what runs, but perhaps not as wished. */
#include "config/check.h"

#include "msg/msg.h"

#include <string.h>

/* Routes need a next hop of their own family. */
static void warn_family(const struct check *c, const struct conf_node *n,
			const struct bb_overlay *o)
{
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		const struct bb_site *s = m->node ? m->node->site : m->peer->site;

		for (size_t k = 0; s && k < s->network_count; k++)
			if (s->networks[k].family != o->subnet.family) {
				errlist_add(
					c->warns, check_at(c, n, "subnet"),
					"the IPv%u networks of site `%s` are not routed over overlay `%s`: its `subnet` is IPv%u",
					s->networks[k].family, s->name, o->name, o->subnet.family);
				return;
			}
	}
}

/* Whether the carrier's bridges keep MKPDUs to themselves (802.1Q-2018 tables 8-1 and 8-3). */
static bool carrier_consumes(const struct bb_overlay *o)
{
	static const uint8_t reserved[5] = {0x01, 0x80, 0xc2, 0, 0};
	const uint8_t *to = o->mka.destination;
	bool line = o->over_count && o->over[0]->topology == BB_E_LINE;

	if (o->keying != BB_MKA || !o->over_count || o->over[0]->emulate.tunnel_reserved ||
	    memcmp(to, reserved, 5) != 0 || to[5] >= 0x10)
		return false;
	for (size_t i = 0; i < o->member_count; i++)
		if (o->members[i].port && o->members[i].port->vlan)
			line = false;
	return !line || to[5] == 1 || to[5] == 2 || to[5] == 4;
}

/* What MACsec does less than it could. */
static void warn_macsec(const struct check *c, const struct conf_node *n,
			const struct bb_overlay *o)
{
	const struct conf_node *macsec = tree_child(c->t, n, "macsec");

	if (o->macsec.conf == MACSEC_CONF_NONE)
		errlist_add(
			c->warns, check_at(c, macsec, "confidentiality"),
			"overlay `%s` encrypts nothing: the carrier can read every frame, and the members' wan ports let such frames out",
			o->name);
	else if (macsec_confs[o->macsec.conf].clear)
		errlist_add(
			c->warns, check_at(c, macsec, "confidentiality-offset"),
			"overlay `%s` shows the carrier the first %u octets of every frame behind the SecTAG: inner EtherType, addresses and, in part, ports",
			o->name, macsec_confs[o->macsec.conf].clear);
	if (o->macsec.should_secure)
		errlist_add(
			c->warns, check_at(c, macsec, "should-secure"),
			"overlay `%s` sends and takes frames in clear while no key is in use: the carrier can read and forge them, and whoever holds back its MKPDUs can make it so",
			o->name);
	if (o->macsec.validate != MACSEC_STRICT)
		errlist_add(
			c->warns, check_at(c, macsec, "validate"),
			"overlay `%s` lets frames in that did not authenticate: whoever can send to a wan port of it can forge them",
			o->name);
	if (!o->macsec.replay_protect)
		errlist_add(c->warns, n->where, "overlay `%s` takes replayed frames", o->name);
}

/* What of an overlay of design ipsec others can read, or pretend, and where no route leads. */
static void warn_ipsec(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	const struct conf_node *auth = tree_child(c->t, n, "auth");

	if (o->ipsec.key_log)
		errlist_add(
			c->warns, check_at(c, tree_child(c->t, n, "ike"), "debug"),
			"OVERLAY `%s` WRITES DOWN ITS KEYS: whoever reads the key log reads all its traffic, also what was recorded before; take `debug key-log` out as soon as the fault is found",
			o->name);
	if (o->auth == BB_AUTH_PSK && o->member_count > 2)
		errlist_add(
			c->warns, check_at(c, auth, "psk"),
			"the %zu members of overlay `%s` share one secret, so each of them can pretend to be another; with `auth ca NAME` they cannot",
			o->member_count, o->name);
	for (size_t i = 0; o->ipsec.on_demand && i < o->member_count; i++) {
		const struct bb_port *p = o->members[i].port;

		if (!p || !(p->dhcp || p->behind_nat))
			continue;
		errlist_add(
			c->warns, check_at(c, tree_child(c->t, n, "ike"), "on-demand"),
			"`%s` cannot be called, so with `on-demand` it is out of the others' reach until a packet of its own brings its tunnels up",
			o->members[i].node->name);
		break;
	}
	for (size_t i = 0; o->managed && i < o->member_count; i++) {
		const struct bb_peer *p = o->members[i].peer;
		const struct conf_node *x = p ? tree_entry(c->t, NULL, "peer", p->name) : NULL;

		if (x && !p->site && !check_bad(x, "site"))
			errlist_add(
				c->warns, x->where,
				"peer `%s` has no `site`, so overlay `%s` puts no routes to networks behind it",
				p->name, o->name);
	}
}

void check_warn(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	const struct conf_node *mka = tree_child(c->t, n, "mka");

	if (o->unsupported) {
		errlist_add(c->warns, n->where, "overlay `%s` will not run: %s", o->name,
			    o->unsupported);
		return;
	}
	if (carrier_consumes(o))
		errlist_add(
			c->warns, mka ? check_at(c, mka, "destination") : n->where,
			"carrier bridges consume frames to 01:80:c2:00:00:%02x; unless `%s` tunnels them, use `destination broadcast`",
			o->mka.destination[5], o->over[0]->name);
	if (mka && o->mka.keep_sak_ns)
		errlist_add(
			c->warns, check_at(c, mka, "keep-sak"),
			"`keep-sak` is not of the standard: for %s overlay `%s` goes on under an old key although no peer answers; a peer that lost its keys is not heard meanwhile",
			tree_leaf(c->t, mka, "keep-sak"), o->name);
	if (mka && o->mka.ssci_order != BB_SSCI_AUTO)
		errlist_add(
			c->warns, check_at(c, mka, "ssci-order"),
			"`ssci-order %s` must be the same on every member of `%s`; members that disagree do not decrypt each other",
			tree_leaf(c->t, mka, "ssci-order"), o->name);
	if (o->design == BB_MACSEC)
		warn_macsec(c, n, o);
	if (o->design == BB_IPSEC)
		warn_ipsec(c, n, o);
	if (o->managed && o->has_subnet && o->design != BB_IPSEC)
		warn_family(c, n, o);
	if (o->member_count < 2)
		errlist_add(c->warns, n->where, "overlay `%s` has %zu member%s", o->name,
			    o->member_count, o->member_count == 1 ? "" : "s");
	if (o->managed && !o->has_subnet && o->design != BB_IPSEC && !check_bad(n, "subnet") &&
	    check_bridged(o) < o->member_count)
		errlist_add(c->warns, n->where,
			    "overlay `%s` has no `subnet`, so no routes are put over it", o->name);
}

void check_warn_node(const struct check *c, const struct conf_node *n, const struct bb_node *node)
{
	if (node->cut_through == MSG_CUT_ON)
		errlist_add(
			c->warns, check_at(c, n, "cut-through"),
			"packets from one peer of `%s` to another pass by whatever its kernel has for them: chains of nftables and iptables, policy rules, queueing disciplines; with `cut-through auto` they do not, as long as it has any",
			node->name);
}
