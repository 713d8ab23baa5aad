/*
 * backbone: the tree as meant, as plain structures. Works on trees with errors too (checks look at
 * the same structures): what is missing or bad is NULL, 0 or left out. Strings are the backbone's.
 */
#include "config/model.h"
#include "msg/msg.h"
#include "wire/eth.h"

#include <stdlib.h>
#include <string.h>

/* Strings and arrays of one backbone hang on a list, so that one walk frees them. */
struct piece {
	struct piece *next;
	max_align_t body[];
};

struct made {
	struct backbone b; /* first: a struct backbone is the start of its struct made */
	struct piece *pieces;
};

static void *grab(struct backbone *b, size_t count, size_t size)
{
	struct made *m = (struct made *)b;
	struct piece *p;
	size_t n;

	if (__builtin_mul_overflow(count, size, &n) || __builtin_add_overflow(n, sizeof(*p), &n))
		return NULL;
	p = calloc(1, n);
	if (!p)
		return NULL;
	p->next = m->pieces;
	m->pieces = p;
	return p->body;
}

const char *backbone_text(struct backbone *b, const char *s)
{
	size_t n = s ? strlen(s) + 1 : 0;
	char *copy = n ? grab(b, n, 1) : NULL;

	return copy ? memcpy(copy, s, n) : NULL;
}

void *backbone_grab(struct backbone *b, size_t count, size_t size)
{
	return grab(b, count, size);
}

int backbone_pick(const char *word, const char *const *words)
{
	for (int i = 0; word && words[i]; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return 0;
}

/* Counts the good entries of a top-level list and numbers them. */
static size_t number(const struct conf_tree *t, const char *list)
{
	size_t n = 0;

	for (struct conf_node *c = tree_child(t, NULL, list); c; c = tree_same(c))
		c->index = n++;
	return n;
}

#define OF(type, list, array)                                                                      \
	const struct bb_##type *backbone_##type##_of(const struct backbone *b,                     \
						     const struct conf_tree *t, const char *name)  \
	{                                                                                          \
		const struct conf_node *n = name ? tree_entry(t, NULL, list, name) : NULL;         \
                                                                                                   \
		return n && b->array ? &b->array[n->index] : NULL;                                 \
	}
OF(site, "site", sites)
OF(service, "service", services)
OF(node, "node", nodes)
OF(peer, "peer", peers)

struct bb_prefix *backbone_prefixes(struct backbone *b, const struct conf_tree *t,
				    const struct conf_node *parent, const char *name, size_t *count)
{
	struct bb_prefix *v;
	size_t n = 0;

	*count = 0;
	for (const struct conf_node *c = tree_child(t, parent, name); c; c = tree_same(c))
		n++;
	v = n ? grab(b, n, sizeof(*v)) : NULL;
	if (!v)
		return NULL;
	for (const struct conf_node *c = tree_child(t, parent, name); c; c = tree_same(c))
		if (value_prefix(c->value, &v[*count]))
			(*count)++;
	return v;
}

static void make_site(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		      struct bb_site *s)
{
	const char *location = tree_leaf(t, n, "location");
	char *comma;

	s->name = backbone_text(b, n->value);
	if (location) {
		s->lat = strtod(location, &comma);
		s->located = *comma == ',';
		s->lon = s->located ? strtod(comma + 1, NULL) : 0;
	}
	s->networks = backbone_prefixes(b, t, n, "networks", &s->network_count);
}

static void make_emulate_ip(const struct conf_tree *t, const struct conf_node *emulate,
			    struct bb_service *s)
{
	const char *mtu = tree_leaf(t, emulate, "path-mtu"),
		   *nat = tree_leaf(t, emulate, "nat-timeout");

	s->emulate.path_mtu = mtu ? (uint16_t)strtoul(mtu, NULL, 10) : 0;
	if (nat)
		value_duration(nat, &s->emulate.nat_ns);
	for (const struct conf_node *f = tree_child(t, emulate, "fault"); f; f = tree_same(f)) {
		s->emulate.no_esp |= strcmp(f->value, "no-esp") == 0;
		s->emulate.no_fragments |= strcmp(f->value, "no-fragments") == 0;
		s->emulate.silent_mtu |= strcmp(f->value, "silent-mtu") == 0;
	}
}

static void make_service(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
			 struct bb_service *s)
{
	static const char *const types[] = {"ethernet", "ip", "internet", NULL};
	static const char *const topologies[] = {"e-lan", "e-line", NULL};
	const struct conf_node *emulate = tree_child(t, n, "emulate");
	const char *mtu = tree_leaf(t, n, "mtu"), *jitter, *burst;

	s->name = backbone_text(b, n->value);
	s->provider = backbone_text(b, tree_leaf(t, n, "provider"));
	s->type = (enum bb_service_type)backbone_pick(tree_leaf(t, n, "type"), types);
	s->topology = (enum bb_topology)backbone_pick(tree_leaf(t, n, "topology"), topologies);
	s->mtu = mtu ? (uint16_t)strtoul(mtu, NULL, 10) : 0;
	s->customer_routes = tree_child(t, n, "customer-routes") != NULL;
	if (!emulate)
		return;
	s->emulate.loss_ppm = value_ppm(tree_leaf(t, emulate, "loss"));
	s->emulate.reorder_ppm = value_ppm(tree_leaf(t, emulate, "reorder"));
	s->emulate.duplicate_ppm = value_ppm(tree_leaf(t, emulate, "duplicate"));
	s->emulate.rate = value_rate(tree_leaf(t, emulate, "rate"));
	burst = tree_leaf(t, emulate, "burst");
	s->emulate.burst = burst ? (uint32_t)strtoul(burst, NULL, 10) : 0;
	jitter = tree_leaf(t, emulate, "jitter");
	if (jitter)
		value_duration(jitter, &s->emulate.jitter_ns);
	s->emulate.tunnel_reserved = tree_child(t, emulate, "tunnel-reserved") != NULL;
	make_emulate_ip(t, emulate, s);
}

static const char *port_unsupported(const struct conf_tree *t, const struct conf_node *n,
				    const struct bb_port *p)
{
	if (p->slaac)
		return "this version gets no addresses by slaac";
	if (p->dhcp && tree_child(t, n, "lan"))
		return "this version gets addresses by dhcp for wan ports only";
	if (tree_child(t, n, "vlan") && (p->dhcp || p->address_count))
		return "this version gives addresses to untagged wan ports only; name a VLAN interface of Linux's, as in `interface eth1.7`";
	if (tree_child(t, n, "lan") && tree_child(t, n, "vlan"))
		return "this version tags wan ports only; give a lan port a VLAN interface of Linux's";
	return NULL;
}

static void make_port(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		      struct bb_port *p)
{
	static const struct {
		const char *word;
		uint32_t bit;
	} classes[] = {{"dhcp", MSG_ALLOW_DHCP},
		       {"bgp", MSG_ALLOW_BGP},
		       {"lldp", MSG_ALLOW_LLDP},
		       {"ssh", MSG_ALLOW_SSH},
		       {"ping", MSG_ALLOW_PING}};
	const char *vlan = tree_leaf(t, n, "vlan"), *outer = tree_leaf(t, n, "outer-vlan"),
		   *tpid = tree_leaf(t, n, "outer-tpid"), *id = tree_leaf(t, n, "port-id"),
		   *io = tree_leaf(t, n, "io");
	struct bb_prefix gateway;

	p->name = backbone_text(b, n->value);
	p->interface = backbone_text(b, tree_leaf(t, n, "interface"));
	p->vlan = vlan ? (uint16_t)strtoul(vlan, NULL, 10) : 0;
	if (outer && p->vlan) {
		p->outer_vlan = (uint16_t)strtoul(outer, NULL, 10);
		p->outer_type = tpid ? (uint16_t)strtoul(tpid, NULL, 16) : ETH_TYPE_STAG;
	}
	p->port_id =
		id ? (uint16_t)strtoul(id, NULL, 10) : backbone_port_id(p->outer_vlan, p->vlan);
	p->service = backbone_service_of(b, t, tree_leaf(t, n, "service"));
	p->addresses = backbone_prefixes(b, t, n, "address", &p->address_count);
	p->behind_nat = tree_child(t, n, "behind-nat") != NULL;
	p->xdp = io && strcmp(io, "af-xdp") == 0;
	for (const struct conf_node *g = tree_child(t, n, "gateway"); g; g = tree_same(g))
		if (value_prefix(g->value, &gateway) && !backbone_gateway(p, gateway.family))
			p->gateway[gateway.family == 6] = gateway;
	for (const struct conf_node *a = tree_child(t, n, "address"); a; a = tree_same(a)) {
		p->dhcp |= strcmp(a->value, "dhcp") == 0;
		p->slaac |= strcmp(a->value, "slaac") == 0;
	}
	for (const struct conf_node *a = tree_child(t, n, "allow"); a; a = tree_same(a))
		for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
			if (strcmp(a->value, classes[i].word) == 0)
				p->allow |= classes[i].bit;
	p->unsupported = port_unsupported(t, n, p);
}

static void make_node(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
		      struct bb_node *node)
{
	const char *id = tree_leaf(t, n, "id"), *cut = tree_leaf(t, n, "cut-through");
	size_t count = 0, i = 0;

	node->name = backbone_text(b, n->value);
	node->id = id ? (uint16_t)strtoul(id, NULL, 10) : 0;
	node->site = backbone_site_of(b, t, tree_leaf(t, n, "site"));
	if (cut && strcmp(cut, "off") != 0)
		node->cut_through = strcmp(cut, "on") == 0 ? MSG_CUT_ON : MSG_CUT_AUTO;
	for (const struct conf_node *p = tree_child(t, n, "port"); p; p = tree_same(p))
		count++;
	node->ports = count ? grab(b, count, sizeof(*node->ports)) : NULL;
	if (!node->ports)
		return;
	node->port_count = count;
	for (const struct conf_node *p = tree_child(t, n, "port"); p; p = tree_same(p))
		make_port(b, t, p, &node->ports[i++]);
}

static void make_mka(struct backbone *b, const struct conf_tree *t, const struct conf_node *overlay,
		     struct bb_mka *m)
{
	static const struct {
		const char *word;
		uint8_t mac[6];
	} groups[] = {{"pae-group", {0x01, 0x80, 0xc2, 0, 0, 0x03}},
		      {"broadcast", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		      {"bridge-group", {0x01, 0x80, 0xc2, 0, 0, 0x00}},
		      {"lldp-multicast", {0x01, 0x80, 0xc2, 0, 0, 0x0e}}};
	/* In the order of enum bb_ssci_order. */
	static const char *const orders[] = {"auto", "sci", "live-peer-list", NULL};
	const struct yang_node *s = yang_child(t->model, overlay->schema, "mka", 3);
	const struct conf_node *n = tree_child(t, overlay, "mka");
	/* Without an `mka` statement the defaults hold all the same. */
	const struct conf_node none = {.schema = s};
	const char *dst, *type, *time;

	if (!n)
		n = &none;
	m->key_chain = backbone_text(b, tree_leaf(t, n, "key-chain"));
	m->fallback = backbone_text(b, tree_leaf(t, n, "fallback"));
	dst = tree_leaf(t, n, "destination");
	for (size_t i = 0; dst && i < sizeof(groups) / sizeof(*groups); i++)
		if (strcmp(dst, groups[i].word) == 0)
			memcpy(m->destination, groups[i].mac, 6);
	if (dst && strchr(dst, ':'))
		value_mac(dst, m->destination);
	type = tree_leaf(t, n, "ethertype");
	m->ethertype = type ? (uint16_t)strtoul(type, NULL, 16) : 0;
	if ((time = tree_leaf(t, n, "hello")))
		value_duration(time, &m->hello_ns);
	if ((time = tree_leaf(t, n, "life")))
		value_duration(time, &m->life_ns);
	if ((time = tree_leaf(t, n, "rekey")))
		value_duration(time, &m->rekey_ns);
	if ((time = tree_leaf(t, n, "keep-sak")))
		value_duration(time, &m->keep_sak_ns);
	m->delay_protect = tree_child(t, n, "delay-protect") != NULL;
	m->ssci_order = (enum bb_ssci_order)backbone_pick(tree_leaf(t, n, "ssci-order"), orders);
}

static void make_macsec(const struct conf_tree *t, const struct conf_node *overlay,
			struct bb_macsec *m)
{
	/* In the order of enum macsec_suite. */
	static const char *const suites[] = {"gcm-aes-128", "gcm-aes-256", "gcm-aes-xpn-128",
					     "gcm-aes-xpn-256", NULL};
	/* In the order of enum macsec_validate. */
	static const char *const validates[] = {"strict", "check", "disabled", NULL};
	const struct conf_node none = {.schema =
					       yang_child(t->model, overlay->schema, "macsec", 6)};
	const struct conf_node *n = tree_child(t, overlay, "macsec");
	const char *window, *protect, *offset, *on, *send;

	if (!n)
		n = &none;
	m->suite = (enum macsec_suite)backbone_pick(tree_leaf(t, n, "cipher-suite"), suites);
	offset = tree_leaf(t, n, "confidentiality-offset");
	m->conf = !offset || !strcmp(offset, "0") ? MACSEC_CONF_0
		  : !strcmp(offset, "30")         ? MACSEC_CONF_30
						  : MACSEC_CONF_50;
	on = tree_leaf(t, n, "confidentiality");
	if (on && !strcmp(on, "off"))
		m->conf = MACSEC_CONF_NONE;
	window = tree_leaf(t, n, "replay-window");
	m->window = window ? (uint32_t)strtoul(window, NULL, 10) : 0;
	m->validate = (enum macsec_validate)backbone_pick(tree_leaf(t, n, "validate"), validates);
	send = tree_leaf(t, n, "send-sci");
	m->send_sci = !send || strcmp(send, "true") == 0;
	m->should_secure = n != &none && tree_child(t, n, "should-secure");
	protect = tree_leaf(t, n, "replay-protect");
	m->replay_protect = protect && strcmp(protect, "true") == 0;
}

static uint32_t number_of(const struct conf_tree *t, const struct conf_node *n, const char *leaf)
{
	const char *word = tree_leaf(t, n, leaf);

	return word ? (uint32_t)strtoul(word, NULL, 10) : 0;
}

static void make_bridge(const struct conf_tree *t, const struct conf_node *overlay,
			struct bb_overlay *o)
{
	const struct yang_node *s = yang_child(t->model, overlay->schema, "bridge", 6);
	const struct conf_node none = {.schema = s};
	const struct conf_node *n = tree_child(t, overlay, "bridge"), *l2cp;
	struct bb_bridge *b = &o->bridge;
	const char *ageing;

	if (!n)
		n = &none;
	b->entries = number_of(t, n, "addresses");
	b->per_place = number_of(t, n, "addresses-per-peer");
	b->flood = number_of(t, n, "flood-limit");
	ageing = tree_leaf(t, n, "ageing");
	if (ageing)
		value_duration(ageing, &b->ageing_ns);
	l2cp = tree_child(t, n, "l2cp");
	for (unsigned i = 0; i < L2CP_COUNT; i++) {
		const char *word = l2cp && i ? tree_leaf(t, l2cp, l2cp_rows[i].name) : NULL;

		b->l2cp[i] = backbone_is_line(o) ? l2cp_rows[i].line : l2cp_rows[i].lan;
		for (unsigned a = 0; word && a < L2CP_ACTION_COUNT; a++)
			if (strcmp(word, l2cp_action_names[a]) == 0)
				b->l2cp[i] = (enum l2cp_action)a;
	}
}

static void make_rule(const struct conf_tree *t, const struct conf_node *n, struct rule *r)
{
	static const char *const actions[] = {"protect", "bypass", "drop", NULL};
	static const struct {
		const char *word;
		uint8_t dst[6], mask[6];
	} groups[] = {
		{"broadcast",
		 {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		 {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{"multicast", {1}, {1}},
		{"reserved", {1, 0x80, 0xc2}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}},
	};
	const char *type = tree_leaf(t, n, "ethertype"), *dst = tree_leaf(t, n, "destination");

	r->action = (uint8_t)backbone_pick(tree_leaf(t, n, "action"), actions);
	r->tagged = tree_leaf(t, n, "vlan") != NULL;
	r->vlan = (uint16_t)number_of(t, n, "vlan");
	r->type = type ? (uint16_t)strtoul(type, NULL, 16) : 0;
	for (size_t i = 0; dst && i < sizeof(groups) / sizeof(*groups); i++)
		if (strcmp(dst, groups[i].word) == 0) {
			memcpy(r->dst, groups[i].dst, 6);
			memcpy(r->mask, groups[i].mask, 6);
		}
	if (dst && strchr(dst, ':') && value_mac(dst, r->dst))
		memset(r->mask, 0xff, 6);
}

static void make_rules(struct backbone *b, const struct conf_tree *t,
		       const struct conf_node *overlay, struct bb_overlay *o)
{
	size_t count = 0;

	for (const struct conf_node *n = tree_child(t, overlay, "rule"); n; n = tree_same(n))
		count++;
	o->rules = o->design == BB_MACSEC && count ? grab(b, count, sizeof(*o->rules)) : NULL;
	for (const struct conf_node *n = tree_child(t, overlay, "rule"); o->rules && n;
	     n = tree_same(n)) {
		o->rules[o->rule_count].name = backbone_text(b, n->value);
		make_rule(t, n, &o->rules[o->rule_count++].rule);
	}
}

static const char *why_unsupported(const struct conf_tree *t, const struct conf_node *n,
				   const struct bb_overlay *o)
{
	const struct conf_node *auth = tree_child(t, n, "auth");

	if (o->design == BB_IPSEC)
		return o->keying == BB_IKEV2 ? NULL : "this version keys ipsec by ikev2 only";
	if (o->design != BB_MACSEC)
		return "this version runs overlays of design macsec and ipsec only";
	if (o->keying != BB_MKA && o->keying != BB_PSK)
		return "this version keys macsec by mka or psk only";
	if (o->keying == BB_MKA && auth && tree_child(t, auth, "ca"))
		return "this version authenticates mka by a key-chain only, not by `auth ca`";
	if (o->over_count > 1)
		return "this version runs an overlay of design macsec over one service";
	return NULL;
}

static void make_overlay(struct backbone *b, const struct conf_tree *t, const struct conf_node *n,
			 struct bb_overlay *o)
{
	static const char *const designs[] = {"macsec", "ipsec", "dmvpn", "group", NULL};
	static const char *const keyings[] = {"mka", "ikev2", "g-ikev2", "gdoi", "psk", NULL};
	static const enum bb_keying usual[] = {BB_MKA, BB_IKEV2, BB_IKEV2, BB_GIKEV2};
	const char *keying = tree_leaf(t, n, "keying"), *subnet = tree_leaf(t, n, "subnet"), *word;
	const struct conf_node *auth = tree_child(t, n, "auth");
	size_t count = 0;

	o->name = backbone_text(b, n->value);
	o->design = (enum bb_design)backbone_pick(tree_leaf(t, n, "design"), designs);
	o->keying = keying ? (enum bb_keying)backbone_pick(keying, keyings) : usual[o->design];
	for (const struct conf_node *s = tree_child(t, n, "over"); s; s = tree_same(s))
		count++;
	o->over = count ? grab(b, count, sizeof(*o->over)) : NULL;
	for (const struct conf_node *s = tree_child(t, n, "over"); o->over && s; s = tree_same(s)) {
		const struct bb_service *service = backbone_service_of(b, t, s->value);

		if (service)
			o->over[o->over_count++] = service;
	}
	o->has_subnet = subnet && value_prefix(subnet, &o->subnet);
	word = tree_leaf(t, n, "routing");
	o->managed = word && strcmp(word, "managed") == 0;
	word = tree_leaf(t, n, "preference");
	o->preference = word ? (uint8_t)strtoul(word, NULL, 10) : 0;
	o->psk = auth ? backbone_text(b, tree_leaf(t, auth, "psk")) : NULL;
	backbone_ipsec(b, t, n, o);
	make_macsec(t, n, &o->macsec);
	make_mka(b, t, n, &o->mka);
	make_bridge(t, n, o);
	make_rules(b, t, n, o);
	o->unsupported = why_unsupported(t, n, o);
	backbone_members(b, t, n, o);
}

#define MAKE(b, t, make, list, array, count)                                                       \
	do {                                                                                       \
		size_t i_ = 0;                                                                     \
                                                                                                   \
		(b)->count = number((t), (list));                                                  \
		(b)->array = (b)->count ? grab((b), (b)->count, sizeof(*(b)->array)) : NULL;       \
		if ((b)->count && !(b)->array)                                                     \
			goto fail;                                                                 \
		for (struct conf_node *n_ = tree_child((t), NULL, (list)); n_; n_ = tree_same(n_)) \
			make((b), (t), n_, &(b)->array[i_++]);                                     \
	} while (0)

/* Which overlays lan ports are bridged into: known when both are made. */
static void join_bridges(struct backbone *b, const struct conf_tree *t)
{
	for (struct conf_node *n = tree_child(t, NULL, "node"); n; n = tree_same(n)) {
		struct bb_port *p = b->nodes[n->index].ports;

		for (struct conf_node *x = tree_child(t, n, "port"); x && p;
		     x = tree_same(x), p++) {
			const char *name = tree_leaf(t, x, "bridge");
			const struct conf_node *o =
				name ? tree_entry(t, NULL, "overlay", name) : NULL;

			p->bridge = o && !p->service ? &b->overlays[o->index] : NULL;
		}
	}
}

struct backbone *backbone_of(const struct conf_tree *t)
{
	struct made *m = calloc(1, sizeof(*m));
	struct backbone *b = &m->b;

	if (!m)
		return NULL;
	b->name = backbone_text(b, tree_leaf(t, NULL, "backbone"));
	MAKE(b, t, make_site, "site", sites, site_count);
	MAKE(b, t, make_service, "service", services, service_count);
	MAKE(b, t, make_node, "node", nodes, node_count);
	MAKE(b, t, backbone_peer, "peer", peers, peer_count);
	MAKE(b, t, make_overlay, "overlay", overlays, overlay_count);
	join_bridges(b, t);
	return b;
fail:
	backbone_free(b);
	return NULL;
}

void backbone_free(struct backbone *b)
{
	struct made *m = (struct made *)b;

	if (!m)
		return;
	for (struct piece *p = m->pieces, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	free(m);
}

const struct bb_node *backbone_node(const struct backbone *b, const char *name)
{
	for (size_t i = 0; i < b->node_count; i++)
		if (strcmp(b->nodes[i].name, name) == 0)
			return &b->nodes[i];
	return NULL;
}

uint16_t backbone_port_id(uint16_t outer_vlan, uint16_t vlan)
{
	/* 20251 is 32768 by the golden ratio: multiples of it keep their distance. */
	if (outer_vlan)
		return (uint16_t)(0x8000 | ((20251u * outer_vlan + vlan) & 0x7fff));
	return vlan ? vlan : 1;
}

uint16_t backbone_overlay_mtu(const struct bb_overlay *o)
{
	uint16_t least = UINT16_MAX;

	if (o->design == BB_IPSEC)
		return backbone_tunnels_mtu(o);
	for (size_t i = 0; i < o->over_count; i++)
		if (o->over[i]->mtu < least)
			least = o->over[i]->mtu;
	if (!o->over_count || least < MACSEC_TAG_SCI_LEN + MACSEC_ICV_LEN)
		return 0;
	return (uint16_t)(least - MACSEC_TAG_SCI_LEN - MACSEC_ICV_LEN);
}

bool backbone_bridged(const struct bb_node *n, const struct bb_overlay *o)
{
	for (size_t i = 0; i < n->port_count; i++)
		if (n->ports[i].bridge == o)
			return true;
	return false;
}

size_t backbone_bridges_at(const struct bb_overlay *o, const struct bb_site *site,
			   const struct bb_member **v, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		size_t at = count < n ? count : n;

		if (!m->node || m->node->site != site || !backbone_bridged(m->node, o))
			continue;
		count++;
		/* Sorted in; what falls off the end is only counted. */
		while (at &&
		       (m->priority < v[at - 1]->priority || (m->priority == v[at - 1]->priority &&
							      m->node->id < v[at - 1]->node->id))) {
			if (at < n)
				v[at] = v[at - 1];
			at--;
		}
		if (at < n)
			v[at] = m;
	}
	return count;
}

bool backbone_is_line(const struct bb_overlay *o)
{
	return o->over_count && o->over[0]->topology == BB_E_LINE;
}
