/* From the file to what one node asks for, and what is refused by name. */
#include "myelind/plan.h"

#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
	struct conf *conf;
	struct backbone *bb;
	struct plan *plan;
	char why[512];
};

static struct plan *plan_of(struct fixture *f, const char *text, const char *node)
{
	struct conf_errors errs = {};

	plan_free(f->plan);
	backbone_free(f->bb);
	conf_free(f->conf);
	*f = (struct fixture){};
	f->conf = conf_read("test.conf", text, strlen(text), &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	assert_non_null(f->conf);
	f->bb = backbone_new(f->conf);
	f->plan = plan_new(f->bb, node, f->why, sizeof(f->why));
	return f->plan;
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	plan_free(f->plan);
	backbone_free(f->bb);
	conf_free(f->conf);
	free(f);
	return 0;
}

#define SITES                                                                                      \
	"backbone t;\n"                                                                            \
	"site fra { networks [ 10.10.0.0/16 2001:db8:10::/48 ]; }\n"                               \
	"site nyc { networks [ 10.20.0.0/16 10.21.0.0/20 ]; }\n"                                   \
	"site sin { networks [ 10.30.0.0/16 2001:db8:30::/48 ]; }\n"                               \
	"service wave { type ethernet; mtu 1600; }\n"                                              \
	"service ring { type ethernet; mtu 9000; }\n"
#define NODES                                                                                      \
	"node fra1 { id 1; site fra;\n"                                                            \
	"  port lan { interface eth0; lan; address 10.10.0.1/16; }\n"                              \
	"  port wave { interface eth1; vlan 100; service wave; allow lldp; }\n"                    \
	"  port ring { interface eth1; vlan 200; service ring; } }\n"                              \
	"node nyc1 { id 2; site nyc; port wave { interface eth1; service wave; } }\n"              \
	"node sin1 { id 3; site sin; port ring { interface eth1; service ring; }\n"                \
	"  port wave { interface eth2; service wave; } }\n"
#define CORE                                                                                       \
	"overlay core { design macsec; keying mka; over wave; subnet 10.255.0.0/24;\n"             \
	"  routing managed; preference 10;\n"                                                      \
	"  mka { key-chain core-cak; destination broadcast; ethertype 0x876f; } }\n"
#define FAST                                                                                       \
	"overlay fast { design macsec; keying mka; over ring; subnet 10.254.0.0/24;\n"             \
	"  members [ fra1 sin1 ]; routing external; mka { key-chain fast-cak; } }\n"

static void ports_addresses_and_secys_are_as_the_file_says(void **state)
{
	struct plan *p = plan_of(*state, SITES NODES CORE FAST, "fra1");
	const struct plan_port *wan, *tap;

	assert_non_null(p);
	assert_int_equal(p->port_count, 5);
	assert_int_equal(p->ports[0].want.kind, MSG_PORT_LAN);
	assert_string_equal(p->ports[0].want.ifname, "eth0");
	wan = plan_port(p, 2);
	assert_int_equal(wan->want.kind, MSG_PORT_WAN);
	assert_int_equal(wan->want.port, 2);
	assert_int_equal(wan->want.vlan, 100);
	assert_int_equal(wan->want.mtu, 9000); /* the other service on this interface */
	assert_int_equal(plan_port(p, 3)->want.mtu, 9000);
	assert_int_equal(wan->want.eapol_type, 0x876f);
	assert_memory_equal(wan->want.eapol_dst, "\xff\xff\xff\xff\xff\xff", 6);
	/* Open: what the file allows and the keying, nothing else; no address, so no ARP. */
	assert_int_equal(wan->want.allow, MSG_ALLOW_LLDP | MSG_ALLOW_EAPOL);
	assert_int_equal(plan_port(p, 3)->want.vlan, 200);
	assert_int_equal(plan_port(p, 3)->want.eapol_type, 0x888e);
	tap = plan_port(p, 4);
	assert_int_equal(tap->want.kind, MSG_PORT_OVERLAY);
	assert_string_equal(tap->want.ifname, "core");
	assert_int_equal(tap->want.over, 2);
	assert_int_equal(tap->want.mtu, 1568);
	assert_int_equal(plan_port(p, 5)->want.over, 3);
	assert_int_equal(p->secy_count, 2);
	assert_int_equal(p->secys[0].id, 1);
	assert_int_equal(p->secys[0].wan, 2);
	assert_int_equal(p->secys[0].overlay, 4);
	assert_string_equal(p->secys[1].o->name, "fast");
	assert_int_equal(p->address_count, 3);
	assert_int_equal(p->addresses[0].port, 1);
	assert_memory_equal(p->addresses[0].addr, ((uint8_t[]){10, 10, 0, 1}), 4);
	assert_int_equal(p->addresses[1].port, 4);
	assert_int_equal(p->addresses[1].prefix, 24);
	assert_memory_equal(p->addresses[1].addr, ((uint8_t[]){10, 255, 0, 1}), 4);
	assert_null(plan_port(p, 0));
	assert_null(plan_port(p, 6));
}

static void managed_routing_leads_to_the_other_members_networks_alone(void **state)
{
	struct plan *p = plan_of(*state, SITES NODES CORE FAST, "fra1");

	assert_non_null(p);
	/* nyc's two, sin's v4 one; no next hop for v6, nothing of fra, nothing by `fast`. */
	assert_int_equal(p->route_count, 3); /* the gateway and two networks */
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(p->routes[i].port, 4);
		assert_int_equal(p->routes[i].family, 4);
		assert_int_equal(p->routes[i].metric, 10);
	}
	assert_memory_equal(p->routes[1].dst, ((uint8_t[]){10, 21, 0, 0}), 4);
	assert_int_equal(p->routes[1].prefix, 20);
	assert_memory_equal(p->routes[0].via, ((uint8_t[]){10, 255, 0, 2}), 4);
	assert_memory_equal(p->routes[2].via, ((uint8_t[]){10, 255, 0, 3}), 4);
}

static void numbering_is_the_same_every_time_and_does_not_depend_on_other_nodes(void **state)
{
	struct fixture *f = *state, g = {};
	struct plan *a = plan_of(f, SITES NODES CORE FAST, "sin1");
	struct plan *b = plan_of(&g,
				 SITES NODES "node nyc2 { id 9; site nyc; port wave { interface "
					     "eth1; service wave; } }\n" CORE FAST,
				 "sin1");

	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(a->port_count, b->port_count);
	for (size_t i = 0; i < a->port_count; i++)
		assert_memory_equal(&a->ports[i].want, &b->ports[i].want, sizeof(a->ports[i].want));
	assert_int_equal(a->secys[1].wan, b->secys[1].wan);
	/* Two nodes of one site: its networks are named once. */
	assert_int_equal(a->route_count, b->route_count);
	plan_free(g.plan);
	backbone_free(g.bb);
	conf_free(g.conf);
}

static void a_node_outside_an_overlay_takes_no_part_in_it(void **state)
{
	struct plan *p = plan_of(*state, SITES NODES CORE FAST, "nyc1");

	assert_non_null(p);
	assert_int_equal(p->port_count, 2);
	assert_int_equal(p->secy_count, 1);
	assert_int_equal(plan_port(p, 1)->want.vlan, 0);
	assert_int_equal(plan_port(p, 1)->want.mtu, 1600);
}

/* The way to a carrier's gateway is for what this machine sends from the port's own addresses. */
static void a_gateway_has_a_table_of_its_own(void **state)
{
	struct plan *p = plan_of(
		*state,
		SITES
		"service inet { type internet; } service mpls { type ip; }\n"
		"node fra1 { id 1; site fra; port i { interface e1; service inet; address "
		"192.0.2.1/24; gateway 192.0.2.9; } port d { interface e2; service mpls; address "
		"dhcp; } port l { interface e3; lan; address 10.10.0.1/16; } }\n",
		"fra1");

	assert_non_null(p);
	assert_int_equal(p->address_count, 2);
	assert_true(p->addresses[0].own_table);
	assert_false(p->addresses[1].own_table);
	assert_int_equal(p->route_count, 1);
	assert_true(p->routes[0].own_table);
	assert_int_equal(p->routes[0].port, 1);
	assert_int_equal(p->routes[0].prefix, 0);
	assert_int_equal(p->routes[0].via[3], 9);
	assert_false(plan_port(p, 1)->want.dhcp);
	assert_true(plan_port(p, 2)->want.dhcp);
	assert_true(plan_port(p, 2)->want.allow & MSG_ALLOW_DHCP);
}

static void each_family_has_a_gateway_of_its_own(void **state)
{
	struct plan *p = plan_of(
		*state,
		SITES "service inet { type internet; }\n"
		      "node fra1 { id 1; site fra; port i { interface e1; service inet; address [ "
		      "192.0.2.1/24 2001:db8::1/64 ]; gateway [ fe80::1 192.0.2.9 ]; } }\n",
		"fra1");

	assert_non_null(p);
	assert_true(p->addresses[0].own_table && p->addresses[1].own_table);
	assert_int_equal(p->route_count, 2);
	assert_int_equal(p->routes[0].family, 4);
	assert_int_equal(p->routes[0].via[3], 9);
	assert_int_equal(p->routes[1].family, 6);
	assert_int_equal(p->routes[1].via_family, 6);
	assert_int_equal(p->routes[1].via[0], 0xfe);
}

static void what_is_not_built_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *node, *why;
	} rows[] = {
		{SITES NODES CORE, "ber1", "no node ber1"},
		{SITES "service inet { type internet; }\n"
		       "node fra1 { id 1; site fra; port i { interface e1; service inet; address "
		       "192.0.2.1/24; } }\n"
		       "node nyc1 { id 2; site nyc; port i { interface e1; service inet; address "
		       "192.0.2.2/24; } }\n"
		       "overlay link { design dmvpn; over inet; auth psk x; hubs fra1; }\n",
		 "fra1", "accepted: `design macsec` with `keying mka` or `keying psk`"},
		{SITES "node fra1 { id 1; site fra; port a { interface eth1; service wave; address "
		       "slaac; } }\n",
		 "fra1", "port a: this version gets no addresses by slaac"},
		{SITES "node fra1 { id 1; site fra; port a { interface eth1; service wave; vlan 7; "
		       "address dhcp; } }\n",
		 "fra1", "port a: this version gives addresses to untagged wan ports only"},
		{SITES "node fra1 { id 1; site fra; port a { interface eth1; lan; vlan 7; } }\n",
		 "fra1", "port a: this version tags wan ports only"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(plan_of(f, rows[i].text, rows[i].node));
		if (!strstr(f->why, rows[i].why))
			fail_msg("row %zu: %s", i, f->why);
	}
}

static void numbers_stay_with_their_names(void **state)
{
	struct fixture other = {};
	struct plan_names names = {};
	struct plan *p = plan_of(*state, SITES NODES FAST, "fra1"), *q;

	plan_number(p, &names);
	assert_int_equal(p->secys[0].id, 1);
	assert_int_equal(plan_secy(p, 1)->overlay, 4);
	/* One more, before it in the file: the file's order would have made it the first. */
	q = plan_of(&other, SITES NODES CORE FAST, "fra1");
	plan_number(q, &names);
	assert_string_equal(q->secys[0].o->name, "core");
	assert_int_equal(q->secys[0].id, 2);
	assert_int_equal(q->secys[1].id, 1);
	assert_int_equal(q->secys[1].overlay, 4);
	assert_memory_equal(&plan_port(q, 4)->want, &plan_port(p, 4)->want,
			    sizeof(struct msg_port_want));
	assert_string_equal(plan_port(q, 5)->want.ifname, "core");
	assert_int_equal(plan_port(q, 5)->want.over, 2);
	for (size_t i = 0; i < q->route_count; i++)
		assert_int_equal(q->routes[i].port, 5);
	plan_free(other.plan);
	backbone_free(other.bb);
	conf_free(other.conf);
}

static void a_number_just_freed_goes_to_nobody_while_there_are_others(void **state)
{
	struct plan_names names = {};
	struct plan *p = plan_of(*state, SITES NODES FAST, "fra1");

	plan_number(p, &names);
	p = plan_of(*state, SITES NODES CORE, "fra1");
	plan_number(p, &names);
	assert_int_equal(p->secys[0].id, 2);
	assert_int_equal(p->secys[0].overlay, 5);
	assert_string_equal(names.secys[0], "");
	assert_string_equal(names.secys[1], "core");
}

static void a_table_without_room_gives_what_was_freed(void **state)
{
	struct plan_names names = {};
	struct plan *p = plan_of(*state, SITES NODES FAST, "fra1");

	for (size_t i = 0; i < PLAN_SECYS_MAX; i++)
		strcpy(names.secys[i], "gone");
	for (size_t i = 0; i < PLAN_PORTS_MAX; i++)
		strcpy(names.ports[i], "port gone");
	plan_number(p, &names);
	assert_int_equal(p->secys[0].id, 1);
	assert_int_equal(p->port_count, 4);
	assert_string_equal(names.secys[1], "");
}

static void numbered_twice_is_numbered_once(void **state)
{
	struct plan_names names = {}, again;
	struct plan *p = plan_of(*state, SITES NODES CORE FAST, "fra1");

	plan_number(p, &names);
	again = names;
	p = plan_of(*state, SITES NODES CORE FAST, "fra1");
	plan_number(p, &again);
	assert_memory_equal(&again, &names, sizeof(names));
}

static enum plan_fate fate_of(struct fixture *f, const char *before, const char *after)
{
	struct fixture other = {};
	struct plan *b = plan_of(f, before, "fra1"), *a = plan_of(&other, after, "fra1");
	enum plan_fate fate = plan_fate(b, a, "fast");

	plan_free(other.plan);
	backbone_free(other.bb);
	conf_free(other.conf);
	return fate;
}

#define FAST_WITH(more)                                                                            \
	SITES NODES "overlay fast { design macsec; keying mka; over ring;\n"                       \
		    "  subnet 10.254.0.0/24; members [ fra1 sin1 ]; routing external;\n" more      \
		    " }\n"

static void a_fate_is_what_a_file_does_to_an_overlay(void **state)
{
	const char *as_is = FAST_WITH("mka key-chain fast-cak;");

	assert_int_equal(fate_of(*state, as_is, SITES NODES CORE FAST), PLAN_KEPT);
	assert_int_equal(fate_of(*state, SITES NODES CORE, as_is), PLAN_ADDED);
	assert_int_equal(fate_of(*state, as_is, SITES NODES CORE), PLAN_REMOVED);
	assert_int_equal(fate_of(*state, as_is, FAST_WITH("mka key-chain other-cak;")),
			 PLAN_CHANGED);
	assert_int_equal(
		fate_of(*state, as_is, FAST_WITH("mka { key-chain fast-cak; fallback x; }")),
		PLAN_CHANGED);
	assert_int_equal(fate_of(*state, as_is,
				 FAST_WITH("mka key-chain fast-cak; macsec replay-window 64;")),
			 PLAN_CHANGED);
	assert_int_equal(fate_of(*state, as_is,
				 FAST_WITH("mka { key-chain fast-cak; life 3s; hello 500ms; }")),
			 PLAN_CHANGED);
	assert_int_equal(
		fate_of(*state, as_is,
			FAST_WITH("mka key-chain fast-cak; member fra1 address 10.254.0.9;")),
		PLAN_CHANGED);
}

#define BRIDGED                                                                                    \
	"backbone t;\n"                                                                            \
	"site fra { networks 10.10.0.0/16; }\n"                                                    \
	"site nyc { networks 10.20.0.0/16; }\n"                                                    \
	"service wave { type ethernet; mtu 1600; }\n"                                              \
	"node fra1 { id 1; site fra; port wan { interface eth1; service wave; }\n"                 \
	"  port lan { interface eth0; lan; bridge core; } port old { interface eth2; lan; } }\n"   \
	"node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; } }\n"               \
	"overlay core { design macsec; over wave; subnet 10.255.0.0/24; mka key-chain k;\n"        \
	"  bridge l2cp { lldp peer; cfm peer; }\n"                                                 \
	"  rule a { action bypass; ethertype 0x88cc; } rule b { action drop; vlan 9; } }\n"

static void an_overlay_that_is_bridged_has_ports_and_no_interface(void **state)
{
	struct plan *p = plan_of(*state, BRIDGED, "fra1");
	const struct plan_port *wan, *lan, *old;

	assert_non_null(p);
	assert_true(p->secys[0].bridged);
	wan = &p->ports[0];
	lan = &p->ports[1];
	old = &p->ports[2];
	assert_true(plan_port(p, p->secys[0].overlay)->bridged);
	assert_int_equal(lan->want.over, p->secys[0].overlay);
	assert_int_equal(lan->want.mtu, 1568);
	assert_int_equal(lan->want.l2cp_peers, 1u << L2CP_LLDP | 1u << L2CP_CFM);
	assert_int_equal(old->want.over, 0);
	assert_true(wan->want.others);
	assert_int_equal(wan->want.rules.count, 2);
	assert_int_equal(wan->want.rules.v[0].action, RULE_BYPASS);
	assert_int_equal(wan->want.rules.v[1].vlan, 9);
	/* Nothing is routed into it from here. */
	assert_int_equal(p->address_count, 0);
	assert_int_equal(p->route_count, 0);
	/* The member that does not bridge has its interface all the same. */
	p = plan_of(*state, BRIDGED, "nyc1");
	assert_non_null(p);
	assert_false(p->secys[0].bridged);
	assert_int_equal(p->address_count, 1);
	assert_false(p->ports[0].want.others);
}

static enum plan_fate fate_after(const char *more)
{
	struct fixture a = {}, b = {};
	char text[4096];
	enum plan_fate fate;

	snprintf(text, sizeof(text), "%s%s", BRIDGED, more);
	assert_non_null(plan_of(&a, BRIDGED, "fra1"));
	assert_non_null(plan_of(&b, text, "fra1"));
	fate = plan_fate(a.plan, b.plan, "core");
	for (unsigned i = 0; i < 2; i++) {
		struct fixture *f = i ? &b : &a;

		plan_free(f->plan);
		backbone_free(f->bb);
		conf_free(f->conf);
	}
	return fate;
}

static void what_a_bridge_does_otherwise_is_a_change(void **state)
{
	(void)state;
	assert_int_equal(fate_after("site lon {}\n"), PLAN_KEPT);
	assert_int_equal(fate_after("overlay core bridge flood-limit 5;\n"), PLAN_CHANGED);
	assert_int_equal(fate_after("overlay core bridge l2cp lacp tunnel;\n"), PLAN_CHANGED);
	assert_int_equal(fate_after("overlay core rule c { action drop; vlan 10; }\n"),
			 PLAN_CHANGED);
	assert_int_equal(fate_after("node fra1 port lan3 { interface eth3; lan; bridge core; }\n"),
			 PLAN_CHANGED);
}

#define TUNNELS                                                                                    \
	"backbone t;\n"                                                                            \
	"site fra { networks 10.10.0.0/16; }\nsite nyc { networks 10.20.0.0/16; }\n"               \
	"site sin { networks 10.30.0.0/16; }\n"                                                    \
	"service wan { type ip; mtu 1500; }\n"                                                     \
	"node fra1 { id 1; site fra; port w { interface eth1; service wan;\n"                      \
	"            address 192.0.2.2/30; gateway 192.0.2.1; } }\n"                               \
	"node nyc1 { id 2; site nyc; port w { interface eth1; service wan;\n"                      \
	"            address 198.51.100.2/30; gateway 198.51.100.1; } }\n"
#define TUNNELS_END                                                                                \
	"overlay vpn { design ipsec; over wan; subnet 10.255.0.0/24; routing managed;\n"           \
	"              auth psk shared; }\n"

static void a_tunnel_leads_to_each_other_member(void **state)
{
	struct fixture *f = *state;
	struct plan *p =
		plan_of(f,
			TUNNELS "node sin1 { id 3; site sin; port w { interface eth1; service wan; "
				"address 192.0.2.1/30; gateway 192.0.2.2; } }\n" TUNNELS_END,
			"fra1");
	struct msg_neighbour_want n;
	struct msg_tunnel m;

	assert_non_null(p);
	assert_int_equal(p->secy_count, 0);
	assert_int_equal(p->tunnel_count, 2);
	assert_int_equal(p->port_count, 2);
	assert_int_equal(p->ports[0].want.allow, MSG_ALLOW_ESP | MSG_ALLOW_ARP_ND);
	assert_string_equal(p->ports[1].want.ifname, "vpn");
	assert_int_equal(p->ports[1].want.mtu, 1438); /* 1500 - 20 - 8 - 8 - 8 - 16, trailer */
	assert_memory_equal(p->ports[1].want.mac, "\x02\x04\x0a\xff\x00\x01", 6);
	assert_int_equal(p->route_count, 3); /* the gateway and two networks */
	/* nyc1 is behind the gateway, */
	assert_int_equal(p->tunnels[0].id, PLAN_SECYS_MAX + 1);
	assert_memory_equal(p->tunnels[0].local.addr, "\xc0\x00\x02\x02", 4);
	assert_memory_equal(p->tunnels[0].remote.addr, "\xc6\x33\x64\x02", 4);
	assert_memory_equal(p->tunnels[0].next_hop.addr, "\xc0\x00\x02\x01", 4);
	assert_int_equal(p->neighbour_count, 4);
	n = p->neighbours[1];
	assert_int_equal(n.port, p->ports[1].want.port);
	assert_memory_equal(n.addr, "\x0a\xff\x00\x02", 4);
	assert_memory_equal(n.mac, "\x02\x04\x0a\xff\x00\x02", 6);
	assert_memory_equal(p->neighbours[0].addr,
			    "\xfe\x80\0\0\0\0\0\0\x00\x04\x0a\xff\xfe\xff\x00\x02", 16);
	/* sin1 on the link itself. */
	assert_memory_equal(p->tunnels[1].next_hop.addr, "\xc0\x00\x02\x01", 4);
	plan_tunnel_msg(&p->tunnels[1], (const uint8_t[6]){2, 7}, &m);
	assert_int_equal(m.tunnel, PLAN_SECYS_MAX + 2);
	assert_int_equal(m.overlay, p->ports[1].want.port);
	assert_int_equal(m.wan, p->ports[0].want.port);
	assert_int_equal(m.mtu, 1500);
	assert_memory_equal(m.inner4, "\x0a\xff\x00\x01", 4);
	assert_memory_equal(m.peer, n.mac, 5);
	assert_string_equal(m.name, "sin1");
}

static void a_peer_without_a_known_address_has_to_come(void **state)
{
	struct fixture *f = *state;
	struct plan *p = plan_of(f,
				 TUNNELS "node sin1 { id 3; site sin; port w { interface eth1; "
					 "service wan; address dhcp; } }\n" TUNNELS_END,
				 "fra1");

	assert_non_null(p);
	assert_int_equal(p->tunnels[1].remote.family, 0);
}

#define TWO_SITES                                                                                  \
	"backbone demo;\n"                                                                         \
	"site fra { networks [ 10.10.0.0/16 2001:db8:10::/48 ]; }\n"                               \
	"site nyc { networks [ 10.20.0.0/16 2001:db8:20::/48 ]; }\n"                               \
	"service inet type internet;\n"                                                            \
	"node fra1 { id 1; site fra;\n"                                                            \
	"  port wan { interface eth1; service inet; address 198.51.100.10/24; gateway "            \
	"198.51.100.1; }\n"                                                                        \
	"  port lan { interface eth0; lan; address [ 10.10.0.1/16 2001:db8:10::1/64 ]; } }\n"      \
	"node nyc1 { id 2; site nyc;\n"                                                            \
	"  port wan { interface eth1; service inet; address dhcp; behind-nat; }\n"                 \
	"  port lan { interface eth0; lan; address 10.20.0.1/16; } }\n"                            \
	"overlay link { design ipsec; over inet; auth psk link; }\n"

/* Without a subnet the next hops are link-local, and this host speaks from its lan. */
static void an_overlay_without_a_subnet_routes_by_link_local_addresses(void **state)
{
	static const uint8_t near[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, [15] = 1},
			     far[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, [15] = 2};
	struct fixture *f = *state;
	struct plan *p = plan_of(f, TWO_SITES, "fra1");
	struct msg_tunnel m;

	assert_non_null(p);
	assert_int_equal(p->tunnel_count, 1);
	assert_int_equal(p->tunnels[0].family, 4);
	assert_memory_equal(p->tunnels[0].local.addr, "\xc6\x33\x64\x0a", 4);
	assert_int_equal(p->tunnels[0].remote.family, 0);
	assert_memory_equal(p->ports[2].want.mac, "\x02\0\0\0\0\x01", 6);
	assert_int_equal(p->address_count, 3); /* none in the overlay */
	assert_int_equal(p->route_count, 3);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(p->routes[i].family, i == 1 ? 4 : 6);
		assert_int_equal(p->routes[i].via_family, 6);
		assert_memory_equal(p->routes[i].via, far, 16);
	}
	assert_memory_equal(p->routes[1].src, "\x0a\x0a\0\x01", 4);
	assert_memory_equal(p->routes[2].src, "\x20\x01\x0d\xb8\0\x10", 6);
	assert_int_equal(p->neighbour_count, 1);
	assert_memory_equal(p->neighbours[0].addr, far, 16);
	assert_memory_equal(p->neighbours[0].mac, "\x02\0\0\0\0\x02", 6);
	plan_tunnel_msg(&p->tunnels[0], (const uint8_t[6]){2, 7}, &m);
	assert_memory_equal(m.inner4, "\x0a\x0a\0\x01", 4);
	assert_memory_equal(m.inner6, "\x20\x01\x0d\xb8\0\x10", 6);
	/* The other end: its address is the lease's, and so is the way out. */
	p = plan_of(f, TWO_SITES, "nyc1");
	assert_non_null(p);
	assert_int_equal(p->tunnels[0].local.family, 0);
	assert_int_equal(p->tunnels[0].next_hop.family, 0);
	assert_memory_equal(p->tunnels[0].remote.addr, "\xc6\x33\x64\x0a", 4);
	assert_memory_equal(p->neighbours[0].addr, near, 16);
	/* No lan address of IPv6 here. */
	assert_int_equal(p->routes[1].src[0], 0);
}

/* Spokes have tunnels to the hubs alone; what is behind another spoke goes to the first hub. */
static void a_spoke_reaches_the_others_through_the_first_hub(void **state)
{
	const char *text = TUNNELS
		"node sin1 { id 3; site sin; port w { interface eth1; service wan; address "
		"203.0.113.2/30; gateway 203.0.113.1; } }\n"
		"node gru1 { id 4; site gru; port w { interface eth1; service wan; address "
		"203.0.113.6/30; gateway 203.0.113.5; } }\n"
		"site gru networks 10.40.0.0/16;\n" TUNNELS_END "overlay vpn hubs [ sin1 nyc1 ];\n";
	struct fixture *f = *state;
	struct plan *p = plan_of(f, text, "fra1");

	assert_non_null(p);
	assert_int_equal(p->tunnel_count, 2);
	assert_string_equal(p->tunnels[0].peer->node->name, "nyc1");
	assert_string_equal(p->tunnels[1].peer->node->name, "sin1");
	assert_int_equal(p->route_count, 4);
	for (size_t i = 1; i < 4; i++) {
		uint8_t to = p->routes[i].dst[1];

		assert_int_equal(p->routes[i].via[3], to == 20 ? 2 : 3);
	}
	/* The other spoke's own address is behind the hub too. */
	assert_int_equal(p->neighbour_count, 5);
	assert_memory_equal(p->neighbours[4].addr, "\x0a\xff\0\x04", 4);
	assert_memory_equal(p->neighbours[4].mac, "\x02\x04\x0a\xff\0\x03", 6);
	p = plan_of(f, text, "sin1");
	assert_non_null(p);
	assert_int_equal(p->tunnel_count, 3);
}

/* Members on different services have one between them that is on both. */
static void a_member_on_both_services_relays(void **state)
{
	const char *text =
		"backbone t;\nsite a networks 10.1.0.0/16; site c networks 10.2.0.0/16;\n"
		"site d networks 10.3.0.0/16; service x type ip; service y type internet;\n"
		"node a1 { id 1; site a; port x { interface e1; service x; address 192.0.2.1/24; } }\n"
		"node c1 { id 2; site c; port y { interface e1; service y; address dhcp; } }\n"
		"node d1 { id 3; site d; port x { interface e1; service x; address 192.0.2.3/24; }\n"
		"  port y { interface e2; service y; address 198.51.100.3/24; gateway 198.51.100.1; } }\n"
		"overlay o { design ipsec; over [ x y ]; auth ca acme; }\n";
	struct plan *p = plan_of(*state, text, "a1");

	assert_non_null(p);
	assert_int_equal(p->tunnel_count, 1);
	assert_string_equal(p->tunnels[0].peer->node->name, "d1");
	assert_int_equal(p->route_count, 2);
	assert_int_equal(p->routes[0].via[15], 3);
	assert_int_equal(p->routes[1].via[15], 3);
	p = plan_of(*state, text, "d1");
	assert_non_null(p);
	assert_int_equal(p->tunnel_count, 2);
	assert_int_equal(p->tunnels[0].wan, 1);
	assert_int_equal(p->tunnels[1].wan, 2);
	assert_true(p->ports[1].want.allow & MSG_ALLOW_ESP);
}

static void tunnels_keep_their_numbers_and_their_fate_is_told(void **state)
{
	struct fixture *f = *state;
	struct plan_names *names = calloc(1, sizeof(*names));
	struct fixture after = {};
	struct plan *p = plan_of(f, TUNNELS TUNNELS_END, "fra1"), *q;

	assert_non_null(p);
	plan_number(p, names);
	assert_int_equal(p->tunnels[0].id, PLAN_SECYS_MAX + 1);
	q = plan_of(&after,
		    TUNNELS "node a1 { id 9; site sin; port w { interface eth1; service wan; "
			    "address 203.0.113.2/30; gateway 203.0.113.1; } }\n" TUNNELS_END,
		    "fra1");
	assert_non_null(q);
	plan_number(q, names);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(q->tunnels[i].id,
				 PLAN_SECYS_MAX + 1 +
					 (strcmp(q->tunnels[i].peer->node->name, "nyc1") != 0));
	assert_int_equal(plan_fate(p, q, "vpn"), PLAN_CHANGED);
	assert_int_equal(plan_fate(p, p, "vpn"), PLAN_KEPT);
	q = plan_of(&after, TUNNELS TUNNELS_END "overlay vpn esp replay-window 64;\n", "fra1");
	assert_int_equal(plan_fate(p, q, "vpn"), PLAN_CHANGED);
	q = plan_of(&after, TUNNELS TUNNELS_END "service other type ip;\n", "fra1");
	assert_int_equal(plan_fate(p, q, "vpn"), PLAN_KEPT);
	plan_free(after.plan);
	backbone_free(after.bb);
	conf_free(after.conf);
	free(names);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(ports_addresses_and_secys_are_as_the_file_says),
		T(managed_routing_leads_to_the_other_members_networks_alone),
		T(numbering_is_the_same_every_time_and_does_not_depend_on_other_nodes),
		T(a_node_outside_an_overlay_takes_no_part_in_it),
		T(a_gateway_has_a_table_of_its_own),
		T(each_family_has_a_gateway_of_its_own),
		T(what_is_not_built_is_refused_by_name),
		T(numbers_stay_with_their_names),
		T(a_number_just_freed_goes_to_nobody_while_there_are_others),
		T(a_table_without_room_gives_what_was_freed),
		T(numbered_twice_is_numbered_once),
		T(a_fate_is_what_a_file_does_to_an_overlay),
		T(an_overlay_that_is_bridged_has_ports_and_no_interface),
		T(what_a_bridge_does_otherwise_is_a_change),
		T(a_tunnel_leads_to_each_other_member),
		T(a_peer_without_a_known_address_has_to_come),
		T(an_overlay_without_a_subnet_routes_by_link_local_addresses),
		T(a_spoke_reaches_the_others_through_the_first_hub),
		T(a_member_on_both_services_relays),
		T(tunnels_keep_their_numbers_and_their_fate_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
