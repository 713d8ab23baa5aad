/*
 * ipsec: what overlays of design ipsec mean, and what is said of those that could not run: exactly
 * that, errors and warnings, and nothing else.
 */
#include "config/backbone.h"
#include "config/conf.h"
#include "config/model.h"
#include "wire/ike.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TOP                                                                                        \
	"backbone demo;\n"                                                                         \
	"site fra { networks 10.10.0.0/16; } site nyc { networks 10.20.0.0/16; } site sin;\n"      \
	"service inet type internet; service mpls type ip;\n"
#define PORT(address) "port wan { interface eth1; service inet; " address " }"
#define FRA                                                                                        \
	"node fra1 { id 1; site fra; " PORT(                                                       \
		"address 198.51.100.10/24; gateway 198.51.100.1;") " }\n"
#define NYC "node nyc1 { id 2; site nyc; " PORT("address 192.0.2.10/24; gateway 192.0.2.1;") " }\n"
#define VPN "overlay vpn { design ipsec; over inet; auth psk vpn; }\n"
#define BASE TOP FRA NYC VPN

struct row {
	const char *name, *text, *told;
};

static const struct row rows[] = {
	{"base", BASE, ""},
	{"no_auth", TOP FRA NYC "overlay vpn { design ipsec; over inet; }\n",
	 "x.conf:6:1: overlay `vpn` needs `auth psk NAME;` or `auth ca NAME;`\n"},
	{"two_kinds_of_auth", BASE "overlay vpn auth ca acme;\n",
	 "x.conf:7:21: `ca` and `psk` exclude each other; `psk` is at line 6\n"},
	{"hub_of_nobody", BASE "overlay vpn members fra1; overlay vpn hubs nyc1;\n",
	 "x.conf:7:44: hub `nyc1` is no member of overlay `vpn`\n"},
	{"rekey_too_often", BASE "overlay vpn ike rekey 9s;\n",
	 "x.conf:7:23: `rekey` is from 10s to 366d, or 0s: never\n"},
	{"dpd_too_rarely", BASE "overlay vpn ike dead-peer-detection 2h;\n",
	 "x.conf:7:37: `dead-peer-detection` is from 1s to 1h, or 0s: never\n"},
	{"child_rekey_too_often", BASE "overlay vpn esp rekey 500ms;\n",
	 "x.conf:7:23: `rekey` is from 10s to 366d, or 0s: by sequence number alone\n"},
	{"ppk_required_of_none", BASE "overlay vpn ike ppk-required;\n",
	 "x.conf:7:17: `ppk-required` needs `ppk NAME;`\n"},
	{"dscp_out_of_range", BASE "overlay vpn esp dscp 64;\n",
	 "x.conf:7:22: `dscp` takes `copy`, or a number from 0 to 63, not `64`\n"},
	{"window_too_large", BASE "overlay vpn esp replay-window 65537;\n",
	 "x.conf:7:31: `replay-window` takes a number from 0 to 65536, not `65537`\n"},
	{"esp_of_macsec",
	 BASE "service wave { type ethernet; mtu 1600; }\n"
	      "overlay core { design macsec; over wave; mka key-chain cak; esp pfs false; }\n",
	 "x.conf:8:61: `esp` belongs to design ipsec\n"},
	{"port_without_address", TOP FRA "node nyc1 { id 2; site nyc; " PORT("") " }\n" VPN,
	 "x.conf:5:29: port `wan` of node `nyc1` needs an `address`, or `address dhcp`: the tunnels of overlay `vpn` start there\n"},
	{"no_gateway",
	 TOP FRA "node nyc1 { id 2; site nyc; " PORT("address 192.0.2.10/24;") " }\n" VPN,
	 "x.conf:5:29: port `wan` of node `nyc1` needs `gateway ADDRESS;` of IPv4: `fra1` at 198.51.100.10 is not on its link\n"},
	{"no_family_in_common",
	 TOP FRA "node nyc1 { id 2; site nyc; " PORT(
		 "address 2001:db8::2/64; gateway 2001:db8::1;") " }\n" VPN,
	 "x.conf:6:1: overlay `vpn`: `fra1` and `nyc1` have no addresses of one family on their ports; give one an `address` of the other's family\n"},
	{"neither_can_be_called",
	 TOP FRA "node nyc1 { id 2; site nyc; " PORT(
		 "address dhcp;") " }\n"
				  "node sin1 { id 3; site sin; " PORT(
					  "address dhcp; behind-nat;") " }\n"
								       "overlay vpn { design ipsec; "
								       "over inet; auth ca acme; "
								       "}\n",
	 "x.conf:7:1: overlay `vpn`: `nyc1` and `sin1` cannot call each other, as both have their addresses by DHCP or are behind a NAT; give one of both a fixed `address` without `behind-nat`, or the overlay `hubs` that have one\n"},
	{"spokes_need_not_be_called",
	 TOP FRA "node nyc1 { id 2; site nyc; " PORT(
		 "address dhcp;") " }\n"
				  "node sin1 { id 3; site sin; " PORT(
					  "address 10.0.0.9/24; gateway 10.0.0.1; behind-nat;") " }\n"
												"overlay vpn { design ipsec; over inet; auth ca acme; hubs fra1; }\n",
	 ""},
	{"no_service_in_common",
	 TOP FRA
	 "node nyc1 { id 2; site nyc; port wan { interface eth1; service mpls; address 192.0.2.1/30; } }\n"
	 "overlay vpn { design ipsec; over [ inet mpls ]; auth psk vpn; }\n",
	 "x.conf:6:1: overlay `vpn`: `fra1` and `nyc1` share no service of `over`, and there is no member that has a tunnel to both\n"},
	{"relay_in_between",
	 TOP FRA
	 "node nyc1 { id 2; site nyc; port wan { interface eth1; service mpls; address 192.0.2.1/30; } }\n"
	 "node sin1 { id 3; site sin; " PORT(
		 "address 198.51.100.11/24; gateway 198.51.100.1;") " port mpls { interface eth2; service mpls; address 192.0.2.2/30; } }\n"
								    "overlay vpn { design ipsec; over [ inet mpls ]; auth ca acme; }\n",
	 ""},
	{"node_without_id",
	 TOP FRA
	 "node nyc1 { site nyc; " PORT("address 192.0.2.10/24; gateway 192.0.2.1;") " }\n" VPN,
	 "x.conf:5:1: node `nyc1` needs an `id`: overlay `vpn` has no `subnet`, and makes its link-local address of it\n"},
	{"mtu_too_small_for_link_local", BASE "service inet mtu 1300;\n",
	 "x.conf:6:34: overlay `vpn` carries packets of 1238 bytes at most, and IPv6 needs 1280; the `mtu` of its services must be at least 1344\n"},
	{"mtu_enough_for_ipv4", BASE "service inet mtu 700; overlay vpn subnet 10.9.0.0/24;\n", ""},
	{"two_overlays_alike",
	 BASE "overlay two { design ipsec; over inet; auth psk vpn; preference 5; }\n",
	 "x.conf:7:40: overlays `vpn` and `two` both join `fra1` and `nyc1` over `inet` with `auth psk vpn`, and IKE could not tell which of them is meant; give one another secret, or make them one\n"},
	{"two_overlays_of_two_secrets",
	 BASE "overlay two { design ipsec; over inet; auth psk two; preference 5; }\n", ""},
	{"secret_of_three",
	 BASE "node sin1 { id 3; site sin; " PORT(
		 "address 198.51.100.11/24;") " }\n"
					      "node sin1 port wan gateway 198.51.100.1;\n",
	 "x.conf:6:49: warning: the 3 members of overlay `vpn` share one secret, so each of them can pretend to be another; with `auth ca NAME` they cannot\n"},
	{"keys_written_down", BASE "overlay vpn ike debug key-log;\n",
	 "x.conf:7:23: warning: OVERLAY `vpn` WRITES DOWN ITS KEYS: whoever reads the key log reads all its traffic, also what was recorded before; take `debug key-log` out as soon as the fault is found\n"},
	{"on_demand_of_one_who_must_call",
	 TOP FRA "node nyc1 { id 2; site nyc; " PORT(
		 "address dhcp;") " }\n" VPN "overlay vpn ike on-demand;\n",
	 "x.conf:7:17: warning: `nyc1` cannot be called, so with `on-demand` it is out of the others' reach until a packet of its own brings its tunnels up\n"},
	{"peer_without_anything", TOP FRA "peer lim { site nyc; service inet; }\n" VPN,
	 "x.conf:5:1: peer `lim` needs an `address` or an `identity`: overlay `vpn` cannot know it otherwise\n"},
	{"peer_of_a_ca_without_identity",
	 TOP FRA "peer lim { site nyc; service inet; address 203.0.113.7; }\n"
		 "overlay vpn { design ipsec; over inet; auth ca acme; }\n",
	 "x.conf:5:1: peer `lim` needs an `identity` that its certificate bears: overlay `vpn` has `auth ca acme`\n"},
	{"peer_of_a_ca_with_a_key_id",
	 TOP FRA
	 "peer lim { site nyc; service inet; address 203.0.113.7; identity key-id:c0ffee; }\n"
	 "overlay vpn { design ipsec; over inet; auth ca acme; }\n",
	 "x.conf:5:66: no certificate bears a key-id, and overlay `vpn` has `auth ca acme`; use fqdn, email, dn or an address\n"},
	{"identity_of_no_kind",
	 TOP FRA "peer lim { site nyc; service inet; address 203.0.113.7; identity lim; }\n" VPN,
	 "x.conf:5:66: `lim` is no identity: an address, `fqdn:NAME`, `email:USER@NAME`, `ipv4:ADDRESS`, `ipv6:ADDRESS`, `dn:\"C=DE, O=Acme, CN=NAME\"` in the certificate's order, or `key-id:` and hexadecimal\n"},
	{"identity_of_a_node",
	 TOP FRA "peer lim { site nyc; service inet; identity fqdn:fra1; }\n" VPN,
	 "x.conf:5:45: this is the identity of node `fra1`; nodes go by their names\n"},
	{"address_of_a_node",
	 TOP FRA "peer lim { site nyc; service inet; address 198.51.100.10; }\n" VPN,
	 "x.conf:5:44: 198.51.100.10 is already node `fra1`'s\n"},
	{"two_behind_one_address",
	 TOP FRA "peer lim { site nyc; service inet; address 203.0.113.7; }\n"
		 "peer bog { site sin; service inet; address 203.0.113.7; identity fqdn:bog; }\n"
		 "overlay vpn { design ipsec; over inet; auth psk vpn; members [ fra1 bog ]; }\n",
	 "x.conf:6:44: 203.0.113.7 is also peer `lim`'s; two behind one address need an `identity` each, to be told apart\n"},
	{"peer_of_no_site", TOP FRA "peer lim { service inet; address 203.0.113.7; }\n" VPN,
	 "x.conf:5:1: warning: peer `lim` has no `site`, so overlay `vpn` puts no routes to networks behind it\n"},
	{"static_keys", BASE "overlay vpn keying psk;\n",
	 "x.conf:6:1: warning: overlay `vpn` will not run: this version keys ipsec by ikev2 only\n"},
};

static void tells_exactly(void **state)
{
	const struct row *r = *state;
	struct conf_errors errs;
	struct conf *c = conf_read("x.conf", r->text, strlen(r->text), &errs);
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	conf_errors_print(&errs, f);
	for (size_t i = 0; c && i < conf_warnings(c)->count; i++) {
		const struct conf_error *w = &conf_warnings(c)->v[i];

		fprintf(f, "%s:%u:%u: warning: %s\n", w->file, w->line, w->col, w->text);
	}
	fclose(f);
	assert_string_equal(out, r->told);
	free(out);
	conf_errors_free(&errs);
	conf_free(c);
}

static void tunnels_are_strong_and_lasting_by_themselves(void **state)
{
	struct conf_errors errs;
	struct conf *c = conf_read("x.conf", BASE, strlen(BASE), &errs);
	struct backbone *b = backbone_new(c);
	const struct bb_ipsec *s = &b->overlays[0].ipsec;

	(void)state;
	assert_int_equal(b->overlays[0].keying, BB_IKEV2);
	assert_int_equal(b->overlays[0].auth, BB_AUTH_PSK);
	assert_string_equal(b->overlays[0].psk, "vpn");
	assert_true(s->pfs && !s->compatible && !s->on_demand && !s->encap && !s->key_log);
	assert_null(s->ppk);
	assert_int_equal(s->window, 1024);
	assert_int_equal(s->dscp, UINT8_MAX);
	assert_int_equal(s->df, BB_DF_COPY);
	assert_int_equal(s->ike_rekey_ns, 4 * 3600000000000);
	assert_int_equal(s->ike_reauth_ns, 0);
	assert_int_equal(s->child_rekey_ns, 3600000000000);
	assert_int_equal(s->dpd_ns, 30000000000);
	backbone_free(b);
	conf_free(c);
}

static void all_that_can_be_said_is_heard(void **state)
{
	const char text[] = TOP FRA NYC
		"overlay vpn { design ipsec; over inet; auth ca acme; proposal compatible; "
		"hubs [ nyc1 fra1 ];\n"
		"ike { rekey 1h; reauthenticate 1d; dead-peer-detection 0s; on-demand; ppk "
		"quantum; ppk-required; debug key-log; }\n"
		"esp { rekey 10m; pfs false; replay-window 0; encapsulate; dscp 46; df "
		"clear; } }\n";
	struct conf_errors errs;
	struct conf *c = conf_read("x.conf", text, sizeof(text) - 1, &errs);
	struct backbone *b = backbone_new(c);
	const struct bb_overlay *o = &b->overlays[0];
	const struct bb_ipsec *s = &o->ipsec;

	(void)state;
	assert_int_equal(o->auth, BB_AUTH_CA);
	assert_string_equal(o->ca, "acme");
	assert_true(o->hubs);
	assert_int_equal(o->members[0].hub, 2);
	assert_int_equal(o->members[1].hub, 1);
	assert_true(!s->pfs && s->compatible && s->on_demand && s->encap && s->key_log);
	assert_true(s->ppk_required);
	assert_string_equal(s->ppk, "quantum");
	assert_int_equal(s->window, 0);
	assert_int_equal(s->dscp, 46);
	assert_int_equal(s->df, BB_DF_CLEAR);
	assert_int_equal(s->ike_rekey_ns, 3600000000000);
	assert_int_equal(s->ike_reauth_ns, 86400000000000);
	assert_int_equal(s->child_rekey_ns, 600000000000);
	assert_int_equal(s->dpd_ns, 0);
	backbone_free(b);
	conf_free(c);
}

static void identities_are_of_every_kind(void **state)
{
	static const struct {
		const char *text;
		uint8_t type, len;
		const char *b;
	} good[] = {
		{"192.0.2.1", IKE_ID_IPV4, 4, "\xc0\0\2\1"},
		{"ipv4:192.0.2.1", IKE_ID_IPV4, 4, "\xc0\0\2\1"},
		{"2001:db8::1", IKE_ID_IPV6, 16, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"},
		{"ipv6:::1", IKE_ID_IPV6, 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"},
		{"fqdn:lim.acme.example", IKE_ID_FQDN, 16, "lim.acme.example"},
		{"email:ops@acme.example", IKE_ID_RFC822, 16, "ops@acme.example"},
		{"key-id:00fFa0", IKE_ID_KEY, 3, "\0\xff\xa0"},
		{"dn:CN=lim", IKE_ID_DN, 16,
		 "\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03lim"},
	};
	static const char *const bad[] = {
		"",
		"lim",
		"fqdn:",
		"fqdn:a..b",
		"fqdn:-a",
		"fqdn:a b",
		"email:a",
		"email:@b",
		"email:a@",
		"ipv4:::1",
		"ipv6:192.0.2.1",
		"192.0.2.1/24",
		"192.0.2.256",
		"key-id:",
		"key-id:0",
		"key-id:xy",
		"dn:",
		"dn:lim",
		"asn1dn:CN=a",
		"FQDN:a",
	};
	struct bb_identity id;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!value_identity(good[i].text, &id))
			fail_msg("`%s` was not taken", good[i].text);
		assert_int_equal(id.type, good[i].type);
		assert_int_equal(id.len, good[i].len);
		assert_memory_equal(id.b, good[i].b, id.len);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (value_identity(bad[i], &id))
			fail_msg("`%s` was taken", bad[i]);
}

/* Of two dual-stacked ones both take the family that stands first at the first of them. */
static void both_ends_choose_the_same_addresses(void **state)
{
	const char text[] = TOP "node fra1 { id 1; site fra; " PORT(
		"address [ 2001:db8:1::2/64 192.0.2.2/24 ]; gateway 192.0.2.1;") " }\n"
										 "node nyc1 { id 2; site nyc; " PORT(
											 "address [ 192.0.2.3/24 2001:db8:1::3/64 ]; gateway 192.0.2.1;") " }\n"
																			  "node sin1 { id 3; site sin; " PORT(
																				  "address dhcp; behind-nat;") " }\n"
																							       "overlay vpn { design ipsec; over inet; auth ca acme; }\n";
	struct conf_errors errs;
	struct conf *c = conf_read("x.conf", text, sizeof(text) - 1, &errs);
	struct backbone *b = backbone_new(c);
	const struct bb_overlay *o = &b->overlays[0];
	struct bb_ends e, f;

	(void)state;
	conf_errors_print(&errs, stderr);
	assert_int_equal(backbone_way(o, &o->members[0], &o->members[1], &e), BB_WAY);
	assert_int_equal(backbone_way(o, &o->members[1], &o->members[0], &f), BB_WAY);
	assert_int_equal(e.family, 6);
	assert_int_equal(e.local.addr[15], 2);
	assert_memory_equal(&e.local, &f.remote, sizeof(e.local));
	assert_memory_equal(&e.remote, &f.local, sizeof(e.local));
	/* A lease is of IPv4, and nobody knows it. */
	assert_int_equal(backbone_way(o, &o->members[0], &o->members[2], &e), BB_WAY);
	assert_int_equal(backbone_way(o, &o->members[2], &o->members[0], &f), BB_WAY);
	assert_int_equal(e.family, 4);
	assert_int_equal(e.local.addr[3], 2);
	assert_int_equal(e.remote.family, 0);
	assert_int_equal(f.local.family, 0);
	assert_memory_equal(&f.remote, &e.local, sizeof(e.local));
	/* 1500 less IPv6 and UDP, SPI and number, IV, ICV and the trailer's two, to fours. */
	assert_int_equal(backbone_overlay_mtu(o), 1418);
	backbone_free(b);
	conf_free(c);
}

static void a_node_has_so_many_tunnels_and_no_more(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned members = BB_TUNNELS_MAX + 1 + i / 2;
		struct conf_errors errs;
		char *text = NULL;
		struct conf *c;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		fputs("backbone b; site s; service i type internet;\n", f);
		for (unsigned k = 1; k <= members; k++)
			fprintf(f,
				"node n%u { id %u; site s; port w { interface e; service i; address "
				"172.16.%u.%u/16; } }\n",
				k, k, k / 250, k % 250 + 1);
		fprintf(f, "overlay o { design ipsec; over i; auth ca c; %s }\n",
			i % 2 ? "hubs n1;" : "");
		fclose(f);
		c = conf_read("x.conf", text, size, &errs);
		assert_int_equal(errs.count, i >= 2);
		if (i >= 2)
			assert_non_null(strstr(errs.v[0].text,
					       i == 2 ? "; name `hubs`, so that"
						      : "so each hub has more than 256 tunnels"));
		conf_errors_free(&errs);
		conf_free(c);
		free(text);
	}
	(void)state;
}

int main(void)
{
#define COUNT (sizeof(rows) / sizeof(*rows))
	struct CMUnitTest tests[COUNT + 5] = {
		cmocka_unit_test(tunnels_are_strong_and_lasting_by_themselves),
		cmocka_unit_test(all_that_can_be_said_is_heard),
		cmocka_unit_test(identities_are_of_every_kind),
		cmocka_unit_test(both_ends_choose_the_same_addresses),
		cmocka_unit_test(a_node_has_so_many_tunnels_and_no_more),
	};

	for (size_t i = 0; i < COUNT; i++)
		tests[i + 5] = (struct CMUnitTest){.name = rows[i].name,
						   .test_func = tells_exactly,
						   .initial_state = (void *)&rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
