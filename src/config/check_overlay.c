/* check_overlay: each overlay by itself, and overlays against one another. */
#include "config/check.h"
#include "wire/mkpdu.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define SECOND (1000 * MS)

static void check_name(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	/* Names that mean something else among the kernel's interfaces. */
	static const char *const taken[] = {"lo", "all", "default"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strcmp(o->name, taken[i]) == 0)
			errlist_add(c->errs, n->key,
				    "`%s` cannot be an interface's name, so no overlay's", o->name);
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_node *node = o->members[i].node;

		for (size_t k = 0; node && k < node->port_count; k++) {
			if (!node->ports[k].interface ||
			    strcmp(node->ports[k].interface, o->name) != 0)
				continue;
			errlist_add(
				c->errs, n->key,
				"overlay `%s` makes an interface of that name, which is port `%s` of node `%s`",
				o->name, node->ports[k].name, node->name);
			return;
		}
	}
}

static void check_keys(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	const struct conf_node *auth = tree_child(c->t, n, "auth"),
			       *mka = tree_child(c->t, n, "mka");
	bool ca = auth && tree_child(c->t, auth, "ca");

	if (check_bad(n, "design") || check_bad(n, "keying") || check_bad(n, "auth") ||
	    check_bad(n, "mka") || (auth && (check_bad(auth, "psk") || check_bad(auth, "ca"))) ||
	    (mka && check_bad(mka, "key-chain")))
		return;
	switch (o->keying) {
	case BB_MKA:
		if (mka && o->mka.fallback && o->mka.key_chain &&
		    !strcmp(o->mka.fallback, o->mka.key_chain))
			errlist_add(
				c->errs, check_at(c, mka, "fallback"),
				"the fallback `%s` is the key chain itself; it needs keys of its own",
				o->mka.fallback);
		if (o->design == BB_MACSEC && !o->mka.key_chain && !ca)
			errlist_add(
				c->errs, n->where,
				"overlay `%s` needs keys: `mka { key-chain NAME; }`, or `keying psk; auth psk NAME;`",
				o->name);
		break;
	case BB_PSK:
		if (!o->psk)
			errlist_add(c->errs, check_at(c, n, "keying"),
				    "keying psk needs `auth psk NAME;`");
		if (mka)
			errlist_add(c->errs, mka->where, "`mka` says nothing with keying psk");
		break;
	case BB_IKEV2:
		if (!o->psk && !ca)
			errlist_add(c->errs, n->where,
				    "overlay `%s` needs `auth psk NAME;` or `auth ca NAME;`",
				    o->name);
		break;
	default:
		if (!tree_child(c->t, n, "key-group") && !check_bad(n, "key-group"))
			errlist_add(c->errs, n->where, "overlay `%s` needs `key-group NAME;`",
				    o->name);
	}
}

/* The times of 802.1X, with room for slow links and fast tests. */
static void check_times(const struct check *c, const struct conf_node *mka, const struct bb_mka *m)
{
	const char *text;
	uint64_t ns;
	static const char *const names[] = {"hello", "life", "rekey", "keep-sak"};

	for (size_t i = 0; i < 4; i++) {
		text = tree_leaf(c->t, mka, names[i]);
		if (check_bad(mka, names[i]))
			return;
		if (text && (!value_duration(text, &ns) || ns > 366 * 86400 * SECOND)) {
			errlist_add(c->errs, check_at(c, mka, names[i]), "`%s` is at most 366d",
				    names[i]);
			return;
		}
	}
	if (m->hello_ns < 100 * MS || m->hello_ns > 60 * SECOND)
		errlist_add(c->errs, check_at(c, mka, "hello"), "`hello` is from 100ms to 60s");
	else if (m->life_ns < 3 * m->hello_ns)
		errlist_add(
			c->errs, check_at(c, mka, "life"),
			"`life` is at least three times `hello`, here %llums: two lost hellos must not end a session",
			(unsigned long long)(3 * m->hello_ns / MS));
	if (m->life_ns > 3600 * SECOND)
		errlist_add(c->errs, check_at(c, mka, "life"), "`life` is at most 1h");
	if (m->rekey_ns && m->rekey_ns < m->life_ns)
		errlist_add(c->errs, check_at(c, mka, "rekey"),
			    "`rekey` is 0s (by packet number alone) or at least `life`");
	if (m->keep_sak_ns > 72 * 3600 * SECOND)
		errlist_add(c->errs, check_at(c, mka, "keep-sak"), "`keep-sak` is at most 72h");
}

static void check_mka(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	/* EtherTypes that are something else on these wires: IP, ARP, tags, MACsec. */
	static const uint16_t taken[] = {0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x88e5};
	static const uint8_t zero[6];
	const struct conf_node *mka = tree_child(c->t, n, "mka");
	const struct bb_mka *m = &o->mka;

	if (!mka || o->design != BB_MACSEC)
		return;
	check_times(c, mka, m);
	if (m->delay_protect && !o->macsec.replay_protect)
		errlist_add(
			c->errs, check_at(c, mka, "delay-protect"),
			"`delay-protect` needs `macsec { replay-protect true; }`: what is late is refused by packet number");
	if (!check_bad(mka, "ethertype")) {
		bool bad = m->ethertype < 0x0600;

		for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
			bad |= m->ethertype == taken[i];
		if (bad)
			errlist_add(
				c->errs, check_at(c, mka, "ethertype"),
				"0x%04x cannot be MKA's EtherType; take one from 0x0600 that is not in use, such as 0x888e or 0x876f",
				m->ethertype);
	}
	if (check_bad(mka, "destination"))
		return;
	if (memcmp(m->destination, zero, 6) == 0)
		errlist_add(c->errs, check_at(c, mka, "destination"),
			    "nobody has this MAC address");
}

/* Everybody lists everybody in one frame (802.1X 11.11), and a SAK must fit beside the list. */
static void check_ca_size(const struct check *c, const struct conf_node *n,
			  const struct bb_overlay *o)
{
	unsigned mtu = UINT16_MAX, fit;

	if (o->keying != BB_MKA || check_bad(n, "members"))
		return;
	for (size_t i = 0; i < o->over_count; i++)
		if (o->over[i]->mtu && o->over[i]->mtu < mtu)
			mtu = o->over[i]->mtu;
	fit = mkpdu_peers_fit(mtu);
	if (o->member_count > fit + 1)
		errlist_add(
			c->errs, n->where,
			"overlay `%s` has %zu members; an MKPDU over its services has room for %u peers, so a CA has at most %u members: make it two overlays",
			o->name, o->member_count, fit, fit + 1);
}

static void check_macsec(const struct check *c, const struct conf_node *n,
			 const struct bb_overlay *o)
{
	const struct conf_node *macsec = tree_child(c->t, n, "macsec");
	const struct bb_macsec *m = &o->macsec;
	const char *offset;

	if (o->design != BB_MACSEC || !macsec || check_bad(macsec, "confidentiality-offset") ||
	    check_bad(macsec, "cipher-suite"))
		return;
	if (m->validate == MACSEC_DISABLED && m->conf != MACSEC_CONF_NONE &&
	    !check_bad(macsec, "validate"))
		errlist_add(
			c->errs, check_at(c, macsec, "validate"),
			"`validate disabled` takes no encrypted frame, so nothing would pass; it goes with `confidentiality off` only");
	for (size_t i = 0; m->should_secure && i < o->member_count; i++)
		if (o->members[i].node && backbone_bridged(o->members[i].node, o)) {
			errlist_add(
				c->errs, check_at(c, macsec, "should-secure"),
				"node `%s` bridges a lan into overlay `%s`, which takes nothing in clear: no `should-secure` there",
				o->members[i].node->name, o->name);
			break;
		}
	if (m->should_secure && o->keying != BB_MKA && !check_bad(n, "keying"))
		errlist_add(
			c->errs, check_at(c, macsec, "should-secure"),
			"`should-secure` waits for a key to be agreed upon, so it goes with keying mka only");
	if (!m->send_sci && !check_bad(n, "members") && o->member_count != 2)
		errlist_add(c->errs, check_at(c, macsec, "send-sci"),
			    "`send-sci false` is for an overlay of two members; `%s` has %zu",
			    o->name, o->member_count);
	offset = tree_leaf(c->t, macsec, "confidentiality-offset");
	if (m->conf == MACSEC_CONF_NONE && offset && strcmp(offset, "0") != 0)
		errlist_add(c->errs, check_at(c, macsec, "confidentiality-offset"),
			    "with `confidentiality off` there is nothing to offset");
	if (!macsec_conf_fits(&macsec_suites[m->suite], m->conf))
		errlist_add(
			c->errs, check_at(c, macsec, "confidentiality-offset"),
			"cipher suite %s has no confidentiality offset; use `cipher-suite gcm-aes-256` or gcm-aes-128, or offset 0",
			macsec_suites[m->suite].keyword);
}

size_t check_bridged(const struct bb_overlay *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->member_count; i++)
		n += o->members[i].node && backbone_bridged(o->members[i].node, o);
	return n;
}

#define SITE_MAX 8 /* nodes of one site that bridge into one overlay */

/* Several nodes that join one lan to the overlay: they tell each other apart by `id`. */
static void check_twins(const struct check *c, const struct conf_node *n,
			const struct bb_overlay *o)
{
	bool twins = false;

	for (size_t i = 0; i < c->b->site_count; i++) {
		const struct bb_member *v[SITE_MAX];
		size_t count = backbone_bridges_at(o, &c->b->sites[i], v, SITE_MAX);

		twins |= count > 1;
		if (count > SITE_MAX)
			errlist_add(
				c->errs, n->where,
				"%zu nodes of site `%s` bridge into overlay `%s`; at most %d do",
				count, c->b->sites[i].name, o->name, SITE_MAX);
	}
	for (size_t i = 0; twins && i < o->member_count; i++) {
		const struct bb_node *node = o->members[i].node;

		if (node && !node->id && backbone_bridged(node, o))
			errlist_add(
				c->errs, n->where,
				"node `%s` needs an `id`: overlay `%s` has several nodes at a site, which tell each other who they are",
				node->name, o->name);
	}
}

#define LAN_PAYLOAD 1504 /* octets behind the addresses and EtherType: a tag and an IP packet */

static void check_bridge(const struct check *c, const struct conf_node *n,
			 const struct bb_overlay *o)
{
	const struct conf_node *bridge = tree_child(c->t, n, "bridge");
	const struct bb_bridge *b = &o->bridge;
	uint16_t mtu = backbone_overlay_mtu(o);

	if (o->design != BB_MACSEC)
		return;
	if (bridge && !check_bridged(o))
		errlist_add(
			c->warns, bridge->where,
			"no lan port is bridged into overlay `%s`; `bridge %s` on a port does it",
			o->name, o->name);
	if (bridge && !check_bad(bridge, "ageing") &&
	    (b->ageing_ns < 10 * SECOND || b->ageing_ns > 1000000 * SECOND))
		errlist_add(c->errs, check_at(c, bridge, "ageing"), "`ageing` is from 10s to 11d");
	if (bridge && b->per_place > b->entries)
		errlist_add(c->errs, check_at(c, bridge, "addresses-per-peer"),
			    "`addresses-per-peer` is at most `addresses`, here %u", b->entries);
	check_twins(c, n, o);
	if (check_bridged(o) && mtu && mtu < LAN_PAYLOAD)
		errlist_add(
			c->warns, n->where,
			"overlay `%s` carries frames with %u bytes behind the EtherType, VLAN tags counted; longer ones of its lans are dropped (OutPktsTooLong): full packets in a VLAN need `mtu` %u on `%s`",
			o->name, mtu, LAN_PAYLOAD + MACSEC_TAG_SCI_LEN + MACSEC_ICV_LEN,
			o->over[0]->name);
}

/* What is let through in clear cannot be told from another port's frames on the same interface. */
static void check_bypass_ports(const struct check *c, const struct conf_node *rule,
			       const struct bb_overlay *o)
{
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_port *p = o->members[i].port;
		const struct bb_node *node = o->members[i].node;

		for (size_t k = 0; p && !p->vlan && k < node->port_count; k++) {
			const struct bb_port *q = &node->ports[k];

			if (q == p || !q->interface || !p->interface ||
			    strcmp(q->interface, p->interface) != 0)
				continue;
			errlist_add(
				c->errs, rule->where,
				"rule `%s`: port `%s` of node `%s` is untagged and shares `%s` with port `%s`, whose frames a bypass could let in; give both a `vlan`",
				rule->value, p->name, node->name, p->interface, q->name);
			return;
		}
	}
}

static void check_rules(const struct check *c, const struct conf_node *n,
			const struct bb_overlay *o)
{
	size_t i = 0;

	if (o->design != BB_MACSEC)
		return;
	for (const struct conf_node *x = tree_child(c->t, n, "rule"); x && i < o->rule_count;
	     x = tree_same(x), i++) {
		const struct rule *r = &o->rules[i].rule;
		bool any = !r->tagged && !r->type && !(r->mask[0] | r->mask[5]);

		if (i == RULES_MAX)
			errlist_add(c->errs, x->where, "an overlay has at most %d rules",
				    RULES_MAX);
		if (check_bad(x, "action") || check_bad(x, "vlan") || check_bad(x, "ethertype") ||
		    check_bad(x, "destination"))
			continue;
		if (r->type && (r->type < 0x0600 || r->type == 0x8100 || r->type == 0x88a8))
			errlist_add(
				c->errs, check_at(c, x, "ethertype"),
				"0x%04x is a length or a tag, no EtherType; VLANs are matched by `vlan`",
				r->type);
		if (r->action != RULE_BYPASS)
			continue;
		if (any)
			errlist_add(
				c->errs, x->where,
				"rule `%s` would let everything out in clear; say which frames by `vlan`, `ethertype` or `destination`",
				x->value);
		if (r->type == 0x88e5 ||
		    (o->keying == BB_MKA && r->type && r->type == o->mka.ethertype))
			errlist_add(
				c->errs, check_at(c, x, "ethertype"),
				"0x%04x is the overlay's own on the wan, so no rule is about it",
				r->type);
		check_bypass_ports(c, x, o);
	}
}

static void check_mtu(const struct check *c, const struct conf_node *n, const struct bb_overlay *o)
{
	uint16_t mtu = backbone_overlay_mtu(o), least = 576;
	const struct conf_node *over = tree_child(c->t, n, "over");

	if (o->design != BB_MACSEC || !o->over_count || !mtu)
		return;
	if (o->has_subnet && o->subnet.family == 6)
		least = 1280;
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_node *node = o->members[i].node;

		for (size_t k = 0; node && node->site && k < node->site->network_count; k++)
			if (node->site->networks[k].family == 6)
				least = 1280;
	}
	if (mtu < least)
		errlist_add(
			c->errs, over ? over->where : n->where,
			"service `%s` leaves %u bytes inside MACsec, and IPv%d needs %u; its `mtu` must be at least %u",
			o->over[0]->name, mtu, least == 1280 ? 6 : 4, least,
			least + MACSEC_TAG_SCI_LEN + MACSEC_ICV_LEN);
}

/* One MACsec port, one SecY: its SCI is the port's MAC address. */
static void check_shared_port(const struct check *c, const struct conf_node *n,
			      const struct bb_overlay *o)
{
	const struct bb_overlay *first = c->b->overlays;

	if (o->design != BB_MACSEC)
		return;
	for (const struct bb_overlay *x = first; x < o; x++) {
		if (x->design != BB_MACSEC || !x->over_count || !o->over_count ||
		    x->over[0] != o->over[0])
			continue;
		/* Both lists are in file order. */
		for (size_t i = 0, k = 0; i < o->member_count && k < x->member_count;) {
			if (o->members[i].port && o->members[i].port == x->members[k].port) {
				errlist_add(
					c->errs, check_at(c, n, "over"),
					"overlay `%s` already runs MACsec on port `%s` of node `%s`; one overlay of design macsec per port",
					x->name, o->members[i].port->name,
					o->members[i].node->name);
				return;
			}
			if (!x->members[k].node ||
			    (o->members[i].node && o->members[i].node < x->members[k].node))
				i++;
			else
				k++;
		}
	}
}

/* The same static key under two packet-number counters would repeat a nonce. */
static void check_shared_psk(const struct check *c, const struct conf_node *n,
			     const struct bb_overlay *o)
{
	const struct conf_node *auth = tree_child(c->t, n, "auth");

	if (o->keying != BB_PSK || !o->psk || !auth)
		return;
	for (const struct bb_overlay *x = c->b->overlays; x < o; x++)
		if (x->keying == BB_PSK && x->psk && strcmp(x->psk, o->psk) == 0) {
			errlist_add(
				c->errs, check_at(c, auth, "psk"),
				"secret `%s` is already overlay `%s`'s; static keys serve one overlay",
				o->psk, x->name);
			return;
		}
}

static bool overlap(const struct bb_prefix *a, const struct bb_prefix *b)
{
	return value_within(a, b) || value_within(b, a);
}

static void check_subnet(const struct check *c, const struct conf_node *n,
			 const struct bb_overlay *o)
{
	char buf[64];

	if (!o->has_subnet)
		return;
	for (const struct bb_overlay *x = c->b->overlays; x < o; x++)
		if (x->has_subnet && overlap(&x->subnet, &o->subnet))
			errlist_add(c->errs, check_at(c, n, "subnet"),
				    "`subnet` overlaps %s of overlay `%s`",
				    value_show(&x->subnet, true, buf), x->name);
	for (size_t i = 0; i < c->b->site_count; i++)
		for (size_t k = 0; k < c->b->sites[i].network_count; k++)
			if (value_within(&o->subnet, &c->b->sites[i].networks[k]))
				errlist_add(c->errs, check_at(c, n, "subnet"),
					    "`subnet` covers network %s of site `%s`",
					    value_show(&c->b->sites[i].networks[k], true, buf),
					    c->b->sites[i].name);
}

/* Marks the sites with networks that an overlay reaches. */
static void mark_sites(const struct check *c, const struct bb_overlay *o, uint32_t *mark,
		       uint32_t as)
{
	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		const struct bb_site *s = m->node ? m->node->site : m->peer->site;

		if (s && s->network_count)
			mark[s - c->b->sites] = as;
	}
}

/*
 * Of several overlays that lead to one network the lowest preference wins, so two that a node
 * could choose between must differ: they have two sites in common, where one is the other's goal.
 * A routing daemon makes its own choice.
 */
static void check_ties(const struct check *c)
{
	uint32_t *mark = calloc(c->b->site_count + 1, sizeof(*mark)), as = 0;
	const struct bb_overlay *v = c->b->overlays;

	for (struct conf_node *n = tree_child(c->t, NULL, "overlay"); mark && n; n = tree_same(n)) {
		const struct bb_overlay *o = &v[n->index];

		if (!o->managed)
			continue;
		mark_sites(c, o, mark, ++as);
		for (const struct bb_overlay *x = v; x < o; x++) {
			const struct bb_site *common[2] = {NULL, NULL};

			if (!x->managed || x->preference != o->preference)
				continue;
			for (size_t i = 0; i < x->member_count && !common[1]; i++) {
				const struct bb_member *m = &x->members[i];
				const struct bb_site *s = m->node ? m->node->site : m->peer->site;

				if (!s || mark[s - c->b->sites] != as || s == common[0])
					continue;
				common[common[0] != NULL] = s;
			}
			if (common[1])
				errlist_add(
					c->errs, check_at(c, n, "preference"),
					"overlays `%s` and `%s` both reach the networks of `%s` and `%s` with preference %u; give one another `preference`",
					x->name, o->name, common[0]->name, common[1]->name,
					o->preference);
		}
	}
	free(mark);
}

void check_overlays(const struct check *c)
{
	for (struct conf_node *n = tree_child(c->t, NULL, "overlay"); n; n = tree_same(n)) {
		const struct bb_overlay *o = &c->b->overlays[n->index];

		check_name(c, n, o);
		check_keys(c, n, o);
		check_mka(c, n, o);
		check_ca_size(c, n, o);
		check_macsec(c, n, o);
		check_mtu(c, n, o);
		check_bridge(c, n, o);
		check_rules(c, n, o);
		check_members(c, n, o);
		check_shared_port(c, n, o);
		check_shared_psk(c, n, o);
		check_subnet(c, n, o);
		check_ipsec(c, n, o);
		check_group(c, n, o);
		check_warn(c, n, o);
	}
	check_ties(c);
}
