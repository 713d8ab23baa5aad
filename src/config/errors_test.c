/*
 * errors: a table of configurations that are wrong in one way each, and exactly what is said of
 * them: place, what, and what would be accepted; and nothing else. Most are lines behind BASE,
 * which is right by itself.
 */
#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BASE                                                                                       \
	"backbone demo;\n"                                                                         \
	"site fra { location 50.11,8.68; networks 10.10.0.0/16; }\n"                               \
	"site nyc { networks 10.20.0.0/16; }\n"                                                    \
	"service wave { type ethernet; mtu 1600; }\n"                                              \
	"service mpls { type ip; }\n"                                                              \
	"node fra1 { id 1; site fra; port wan { interface eth1; service wave; } }\n"               \
	"node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; } }\n"               \
	"overlay core { design macsec; over wave; subnet 10.255.0.0/24; mka key-chain cak; }\n"

struct error_case {
	const char *name, *text;
	size_t len; /* 0: as a string */
	const char *told;
};

static const struct error_case cases[] = {
	{"empty_file", "", 0,
	 "x.conf:1:1: the file needs `backbone`: a name: lower-case letters, digits and `-`, a letter first, at most 31 characters\n"},
	{"offset_of_no_suite", BASE "overlay core macsec confidentiality-offset 20;\n", 0,
	 "x.conf:9:44: `confidentiality-offset` takes a number 0, or 30, or 50, not `20`\n"},
	{"offset_with_xpn", BASE "overlay core macsec confidentiality-offset 30;\n", 0,
	 "x.conf:9:44: cipher suite gcm-aes-xpn-256 has no confidentiality offset; use `cipher-suite gcm-aes-256` or gcm-aes-128, or offset 0\n"},
	{"offset_without_confidentiality",
	 BASE
	 "overlay core macsec { cipher-suite gcm-aes-128; confidentiality off; confidentiality-offset 30; }\n",
	 0, "x.conf:9:93: with `confidentiality off` there is nothing to offset\n"},
	{"no_sci_among_three",
	 BASE "node nyc2 { id 3; site nyc; port wan { interface eth1; service wave; } }\n"
	      "overlay core macsec send-sci false;\n",
	 0, "x.conf:10:30: `send-sci false` is for an overlay of two members; `core` has 3\n"},
	{"nothing_encrypted_passes_unvalidated", BASE "overlay core macsec validate disabled;\n", 0,
	 "x.conf:9:30: `validate disabled` takes no encrypted frame, so nothing would pass; it goes with `confidentiality off` only\n"},
	{"bridge_on_a_wan_port", BASE "node fra1 port wan bridge core;\n", 0,
	 "x.conf:9:27: `bridge` belongs to a lan port; port `wan` is wan\n"},
	{"bridge_to_an_overlay_of_others",
	 BASE "node lon1 { id 3; site fra; port lan { interface eth0; lan; bridge core; } }\n", 0,
	 "x.conf:9:68: node `lon1` is no member of overlay `core`\n"},
	{"bridged_and_addressed",
	 BASE "node fra1 port lan { interface eth0; lan; bridge core; address 10.10.0.1/16; }\n", 0,
	 "x.conf:9:64: port `lan` is bridged into `core`: the node is not on that lan, so it has no `address` there\n"},
	{"two_cables_into_one_line",
	 BASE "service wave topology e-line;\n"
	      "node fra1 port lan { interface eth0; lan; bridge core; }\n"
	      "node fra1 port lan2 { interface eth2; lan; bridge core; }\n",
	 0,
	 "x.conf:11:51: overlay `core` runs over an e-line, a cable with one end here: port `lan`; use an e-lan for several\n"},
	{"bridge_ageing_too_short",
	 BASE "node fra1 port lan { interface eth0; lan; bridge core; }\n"
	      "overlay core bridge ageing 2s;\n",
	 0, "x.conf:10:28: `ageing` is from 10s to 11d\n"},
	{"more_addresses_of_one_than_of_all",
	 BASE "node fra1 port lan { interface eth0; lan; bridge core; }\n"
	      "overlay core bridge { addresses 100; addresses-per-peer 200; }\n",
	 0, "x.conf:10:57: `addresses-per-peer` is at most `addresses`, here 100\n"},
	{"l2cp_action_of_no_kind", BASE "overlay core bridge l2cp lldp drop;\n", 0,
	 "x.conf:9:31: `lldp` takes one of `tunnel`, `discard` or `peer`, not `drop`\n"},
	{"twins_without_an_id",
	 BASE "node fra1 port lan { interface eth0; lan; bridge core; }\n"
	      "node fra2 { site fra; port wan { interface eth1; service wave; } "
	      "port lan { interface eth0; lan; bridge core; } }\n"
	      "overlay core member fra2 address 10.255.0.9;\n",
	 0,
	 "x.conf:8:1: node `fra2` needs an `id`: overlay `core` has several nodes at a site, which tell each other who they are\n"},
	{"comments_only",
	 "# nothing\n"
	 "\t# here\n",
	 0,
	 "x.conf:1:1: the file needs `backbone`: a name: lower-case letters, digits and `-`, a letter first, at most 31 characters\n"},
	{"unclosed_brace",
	 BASE "site lon {\n"
	      "\tnetworks 10.30.0.0/16;\n",
	 0, "x.conf:9:10: `{` is never closed\n"},
	{"forgotten_close_before_next_block",
	 BASE "site lon {\n"
	      "\tnetworks 10.30.0.0/16;\n"
	      "service inet { type internet; }\n",
	 0,
	 "x.conf:11:1: `service` does not stand in `site`; is the `}` of line 9's `{` missing before it?\n"},
	{"brace_too_many", BASE "site lon { networks 10.30.0.0/16; } }\n", 0,
	 "x.conf:9:37: `}` closes nothing\n"},
	{"unclosed_list", BASE "site lon { networks [ 10.30.0.0/16; }\n", 0,
	 "x.conf:9:21: `[` is never closed: expected a value or `]`, found `;`\n"},
	{"empty_list", BASE "site lon { networks [ ]; }\n", 0,
	 "x.conf:9:23: `networks` takes an IPv4 prefix such as 10.1.0.0/16, or an IPv6 prefix such as 2001:db8:1::/48\n"},
	{"list_for_a_leaf", BASE "site lon location [ 1,2 ];\n", 0,
	 "x.conf:9:19: `location` takes one value, no list\n"},
	{"unterminated_quote",
	 BASE "service inet { type internet; provider \"Carrier\n"
	      "}\n",
	 0, "x.conf:9:40: the string has no closing `\"` on its line\n"},
	{"unknown_escape", BASE "service inet { type internet; provider \"a\\qb\"; }\n", 0,
	 "x.conf:9:40: unknown escape in the string; known are \\\", \\\\, \\n, \\t and \\r\n"},
	{"semicolon_missing_at_line_end",
	 BASE "service inet {\n"
	      "\ttype internet\n"
	      "\tmtu 1500;\n"
	      "}\n",
	 0, "x.conf:10:15: `;` is missing after the `type` statement\n"},
	{"semicolon_missing_at_block_end", BASE "service inet { type internet }\n", 0,
	 "x.conf:9:29: `;` is missing after the `type` statement\n"},
	{"semicolon_missing_on_one_line", BASE "service inet { type internet mtu 1500; }\n", 0,
	 "x.conf:9:30: unexpected `mtu`; `;` ends the `type` statement\n"},
	{"block_after_a_leaf", BASE "service inet { type internet { } mtu 1500; }\n", 0,
	 "x.conf:9:30: `type` has no block; end it with `;`\n"},
	{"value_missing", BASE "service inet { type ; }\n", 0,
	 "x.conf:9:21: `type` takes one of `ethernet`, `ip` or `internet`\n"},
	{"key_missing", BASE "site { location 1,2; }\n", 0,
	 "x.conf:9:6: `site` takes a name: lower-case letters, digits and `-`, a letter first, at most 31 characters\n"},
	{"statement_begins_with_brace", BASE "{ }\n", 0,
	 "x.conf:9:1: expected a statement, found `{`\n"},
	{"statement_in_quotes", BASE "\"site\" lon;\n", 0,
	 "x.conf:9:1: a statement's name stands without quotes, not as `site`\n"},
	{"key_as_statement", BASE "site lon { name par; }\n", 0,
	 "x.conf:9:17: `name` stands after `site`, not among its statements\n"},
	{"control_byte", BASE "site \001lon;\n", 0,
	 "x.conf:9:6: control character 0x01; the file is UTF-8 text\n"},
	{"zero_byte", BASE "site lon\000;\n", 417,
	 "x.conf:9:9: control character 0x00; the file is UTF-8 text\n"},
	{"bad_utf8", BASE "service inet { type internet; provider \"Caf\351\"; }\n", 0,
	 "x.conf:9:44: byte 0xe9 is not UTF-8; the file is UTF-8 text\n"},
	{"overlong_utf8", BASE "service inet { type internet; provider \"\300\257\"; }\n", 0,
	 "x.conf:9:41: byte 0xc0 is not UTF-8; the file is UTF-8 text\n"},
	{"columns_count_characters",
	 BASE "service inet { provider \"S\303\243o Paulo\"; type net; }\n", 0,
	 "x.conf:9:43: `type` takes one of `ethernet`, `ip` or `internet`, not `net`\n"},
	{"columns_count_a_tab_as_one",
	 BASE "service inet {\n"
	      "\t\ttype net;\n"
	      "}\n",
	 0, "x.conf:10:8: `type` takes one of `ethernet`, `ip` or `internet`, not `net`\n"},
	{"unknown_statement_near_another", BASE "overlay core prefrence 10;\n", 0,
	 "x.conf:9:14: unknown statement `prefrence` in `overlay`; did you mean `preference`?\n"},
	{"unknown_statement_lists_accepted", BASE "site lon { xyzzy 5; }\n", 0,
	 "x.conf:9:12: unknown statement `xyzzy` in `site`; accepted here: location, networks\n"},
	{"unknown_block_is_passed_over",
	 BASE "frobnicate a { b { c; } }\n"
	      "site lon { location 91,0; }\n",
	 0,
	 "x.conf:9:1: unknown statement `frobnicate`; accepted here: backbone, site, service, template, node, peer, key-group, overlay\n"
	 "x.conf:10:21: latitude 91 is not from -90 to 90 degrees\n"},
	{"wrong_case_of_name", BASE "site LON;\n", 0,
	 "x.conf:9:6: `site` takes a name: lower-case letters, digits and `-`, a letter first, at most 31 characters, not `LON`\n"},
	{"number_out_of_range", BASE "node fra1 port wan vlan 4095;\n", 0,
	 "x.conf:9:25: `vlan` takes a number from 1 to 4094, not `4095`\n"},
	{"number_with_letters", BASE "overlay core member fra1 priority ten;\n", 0,
	 "x.conf:9:35: `priority` takes a number from 0 to 255, not `ten`\n"},
	{"enumeration", BASE "service inet type interweb;\n", 0,
	 "x.conf:9:19: `type` takes one of `ethernet`, `ip` or `internet`, not `interweb`\n"},
	{"duration_without_unit", BASE "overlay core mka hello 2;\n", 0,
	 "x.conf:9:24: `hello` takes a duration such as 500ms, 2s, 10m, 1h or 3d, not `2`\n"},
	{"address_is_none", BASE "node fra1 port wan address 10.1.1.300/24;\n", 0,
	 "x.conf:9:28: `address` takes an IPv4 prefix such as 10.1.0.0/16, or an IPv6 prefix such as 2001:db8:1::/48, or one of `dhcp` or `slaac`, not `10.1.1.300/24`\n"},
	{"ipv6_address_is_none", BASE "node fra1 port wan address 2001:db8:::1/64;\n", 0,
	 "x.conf:9:28: `address` takes an IPv4 prefix such as 10.1.0.0/16, or an IPv6 prefix such as 2001:db8:1::/48, or one of `dhcp` or `slaac`, not `2001:db8:::1/64`\n"},
	{"mac_too_short", BASE "overlay core mka destination 01:80:c2:00:00;\n", 0,
	 "x.conf:9:30: `destination` takes one of `pae-group`, `broadcast`, `bridge-group` or `lldp-multicast`, or a MAC address such as 01:80:c2:00:00:03, not `01:80:c2:00:00`\n"},
	{"overlay_name_too_long", BASE "overlay abcdefghijklmnop { design macsec; over wave; }\n",
	 0,
	 "x.conf:9:9: `overlay` takes a name: lower-case letters, digits and `-`, a letter first, at most 15 characters, as the interface takes the overlay's name, not `abcdefghijklmnop`\n"},
	{"interface_name_too_long",
	 BASE "node fra1 port lan { interface abcdefghijklmnop; lan; }\n", 0,
	 "x.conf:9:32: `interface` takes an interface name of letters, digits, `.`, `:`, `-` and `_`, at most 15 characters, not `abcdefghijklmnop`\n"},
	{"leaf_twice", BASE "node fra1 id 3;\n", 0,
	 "x.conf:9:14: `id` is already set to `1`, at line 6\n"},
	{"value_twice", BASE "site fra networks 10.10.0.0/16;\n", 0,
	 "x.conf:9:19: `networks` already has `10.10.0.0/16`, from line 2\n"},
	{"block_twice", BASE "site fra { }\n", 0,
	 "x.conf:9:1: site `fra` is already described at line 2\n"},
	{"both_sides_of_a_choice", BASE "node fra1 port wan lan;\n", 0,
	 "x.conf:9:20: `lan` and `service` exclude each other; `service` is at line 6\n"},
	{"reference_to_nothing", BASE "node lon1 { id 3; site lon; }\n", 0,
	 "x.conf:9:24: no site is called `lon`; there is fra, nyc\n"},
	{"reference_near_another", BASE "overlay core members [ fra1 nyc2 ];\n", 0,
	 "x.conf:9:29: no node or peer is called `nyc2`; did you mean `nyc1`?\n"},
	{"mandatory_missing", BASE "service inet;\n", 0,
	 "x.conf:9:1: service `inet` needs `type`: one of `ethernet`, `ip` or `internet`\n"},
	{"backbone_missing",
	 "\n"
	 "site fra { location 50.11,8.68; networks 10.10.0.0/16; }\n"
	 "site nyc { networks 10.20.0.0/16; }\n"
	 "service wave { type ethernet; mtu 1600; }\n"
	 "service mpls { type ip; }\n"
	 "node fra1 { id 1; site fra; port wan { interface eth1; service wave; } }\n"
	 "node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; } }\n"
	 "overlay core { design macsec; over wave; subnet 10.255.0.0/24; mka key-chain cak; }\n",
	 0,
	 "x.conf:1:1: the file needs `backbone`: a name: lower-case letters, digits and `-`, a letter first, at most 31 characters\n"},
	{"fallback_that_is_the_chain", BASE "overlay core mka fallback cak;\n", 0,
	 "x.conf:9:27: the fallback `cak` is the key chain itself; it needs keys of its own\n"},
	{"macsec_over_ip", BASE "overlay two { design macsec; over mpls; mka key-chain cak; }\n", 0,
	 "x.conf:9:35: design macsec runs over a service of type ethernet only\n"},
	{"ipsec_over_ethernet", BASE "overlay two { design ipsec; over wave; auth psk x; }\n", 0,
	 "x.conf:9:34: this design needs a service of type ip or internet; over ethernet use design macsec\n"},
	{"group_without_customer_routes",
	 BASE "key-group g { key-servers fra1; auth ca x; }\n"
	      "overlay two { design group; over mpls; key-group g; }\n",
	 0,
	 "x.conf:10:34: design group keeps the inner addresses, so the service must have `customer-routes`; use ipsec or dmvpn otherwise\n"},
	{"keying_of_another_design", BASE "overlay core keying gdoi;\n", 0,
	 "x.conf:9:21: this keying does not fit the design: macsec takes mka, g-ikev2 or psk; ipsec takes ikev2 or psk; dmvpn takes ikev2, g-ikev2 or gdoi; group takes g-ikev2 or gdoi\n"},
	{"statement_of_another_design", BASE "overlay core phase 3;\n", 0,
	 "x.conf:9:20: `phase` belongs to design dmvpn\n"},
	{"rule_of_packets_for_frames",
	 BASE "overlay core rule r { action drop; from 10.0.0.0/8; }\n", 0,
	 "x.conf:9:14: a rule of design macsec is about frames: `vlan`, `ethertype` and `destination`\n"},
	{"bypass_of_everything", BASE "overlay core rule r action bypass;\n", 0,
	 "x.conf:9:14: rule `r` would let everything out in clear; say which frames by `vlan`, `ethertype` or `destination`\n"},
	{"bypass_of_ciphertext", BASE "overlay core rule r { action bypass; ethertype 0x88e5; }\n",
	 0, "x.conf:9:48: 0x88e5 is the overlay's own on the wan, so no rule is about it\n"},
	{"rule_about_a_tag", BASE "overlay core rule r { action drop; ethertype 0x8100; }\n", 0,
	 "x.conf:9:46: 0x8100 is a length or a tag, no EtherType; VLANs are matched by `vlan`\n"},
	{"bypass_beside_another_port",
	 BASE "service ring { type ethernet; }\n"
	      "node fra1 port wan2 { interface eth1; vlan 7; service ring; }\n"
	      "overlay core rule r { action bypass; vlan 7; }\n",
	 0,
	 "x.conf:11:14: rule `r`: port `wan` of node `fra1` is untagged and shares `eth1` with port `wan2`, whose frames a bypass could let in; give both a `vlan`\n"},
	{"key_group_without_group_keying",
	 BASE "key-group g { key-servers fra1; auth ca x; }\n"
	      "overlay core key-group g;\n",
	 0, "x.conf:10:24: `key-group` belongs to keying g-ikev2 and gdoi\n"},
	{"key_group_without_proof",
	 BASE "service l3 { type ip; customer-routes; }\n"
	      "node fra1 port l3 { interface eth3; service l3; }\n"
	      "node nyc1 port l3 { interface eth3; service l3; }\n"
	      "key-group g { key-servers fra1; }\n"
	      "overlay two { design group; over l3; key-group g; preference 1; }\n",
	 0, "x.conf:12:1: key-group `g` needs `auth psk NAME;` or `auth ca NAME;`\n"},
	{"key_servers_that_cannot_agree",
	 BASE "service l3 { type ip; customer-routes; }\n"
	      "node fra1 port l3 { interface eth3; service l3; }\n"
	      "node nyc1 port l3 { interface eth3; service l3; }\n"
	      "key-group g { key-servers [ fra1 nyc1 ]; auth ca x; }\n"
	      "overlay two { design group; over l3; key-group g; preference 1; }\n",
	 0,
	 "x.conf:12:29: 2 key servers have to agree on keys and members: they need `store etcd { endpoints \342\200\246 }`\n"},
	{"epoch_beyond_the_standard",
	 BASE "service l3 { type ip; customer-routes; }\n"
	      "node fra1 port l3 { interface eth3; service l3; }\n"
	      "node nyc1 port l3 { interface eth3; service l3; }\n"
	      "peer old { service l3; address 192.0.2.9; }\n"
	      "key-group g { key-servers fra1; auth ca x; epoch 20h; }\n"
	      "overlay two { design group; over l3; key-group g; preference 1; }\n",
	 0,
	 "x.conf:13:50: `epoch` is at most 18h with a member such as peer `old`: RFC 9838 has no room for longer delays\n"},
	{"port_of_what_has_none",
	 BASE
	 "service l3 { type ip; customer-routes; }\n"
	 "node fra1 port l3 { interface eth3; service l3; }\n"
	 "node nyc1 port l3 { interface eth3; service l3; }\n"
	 "key-group g { key-servers fra1; auth ca x; }\n"
	 "overlay two { design group; over l3; key-group g; rule r { action drop; protocol ospf; port 1; } preference 1; }\n",
	 0, "x.conf:13:93: `port` needs `protocol` tcp, udp, sctp or dccp\n"},
	{"protocol_of_no_number",
	 BASE
	 "service l3 { type ip; customer-routes; }\n"
	 "node fra1 port l3 { interface eth3; service l3; }\n"
	 "node nyc1 port l3 { interface eth3; service l3; }\n"
	 "key-group g { key-servers fra1; auth ca x; }\n"
	 "overlay two { design group; over l3; key-group g; rule r { action drop; protocol 256; } preference 1; }\n",
	 0,
	 "x.conf:13:82: `256` is no protocol such as tcp, udp, icmp, icmpv6, ospf, gre, or a number up to 255\n"},
	{"rule_between_families",
	 BASE
	 "service l3 { type ip; customer-routes; }\n"
	 "node fra1 port l3 { interface eth3; service l3; }\n"
	 "node nyc1 port l3 { interface eth3; service l3; }\n"
	 "key-group g { key-servers fra1; auth ca x; }\n"
	 "overlay two { design group; over l3; key-group g; rule r { action drop; from 10.0.0.0/8; to 2001:db8::/32; } preference 1; }\n",
	 0, "x.conf:13:93: no packet goes from IPv4 to IPv6\n"},
	{"bypass_of_every_packet",
	 BASE
	 "service l3 { type ip; customer-routes; }\n"
	 "node fra1 port l3 { interface eth3; service l3; }\n"
	 "node nyc1 port l3 { interface eth3; service l3; }\n"
	 "key-group g { key-servers fra1; auth ca x; }\n"
	 "overlay two { design group; over l3; key-group g; rule r action bypass; preference 1; }\n",
	 0,
	 "x.conf:13:51: rule `r` would let everything out in clear; say which packets by `from`, `to`, `protocol` or `port`\n"},
	{"dmvpn_without_hubs", BASE "overlay two { design dmvpn; over mpls; auth psk x; }\n", 0,
	 "x.conf:9:1: design dmvpn needs `hubs [ NODE \342\200\246 ];`\n"},
	{"store_through_its_own_overlay",
	 BASE
	 "key-group g { key-servers fra1; auth ca x; store etcd { endpoints https://a; reach-over two; } }\n"
	 "service l3 { type ip; customer-routes; }\n"
	 "node fra1 port l3 { interface eth3; service l3; }\n"
	 "overlay two { design group; over l3; key-group g; }\n",
	 0,
	 "x.conf:12:1: the key servers' store would be reached through the overlay that it keys\n"},
	{"latitude_out_of_range", BASE "site lon location 90.5,0;\n", 0,
	 "x.conf:9:19: latitude 90.5 is not from -90 to 90 degrees\n"},
	{"longitude_out_of_range", BASE "site lon location 0,181;\n", 0,
	 "x.conf:9:19: longitude 181 is not from -180 to 180 degrees\n"},
	{"host_bits_in_network", BASE "site lon networks 10.30.0.1/16;\n", 0,
	 "x.conf:9:19: `10.30.0.1/16` has bits set behind its length; the network is `10.30.0.0/16`\n"},
	{"network_behind_two_sites", BASE "site lon networks 10.10.0.0/16;\n", 0,
	 "x.conf:9:19: network `10.10.0.0/16` is already behind site `fra`\n"},
	{"id_twice", BASE "node lon1 { id 2; site nyc; }\n", 0,
	 "x.conf:9:16: `id` 2 is already node `nyc1`'s\n"},
	{"port_without_interface", BASE "node lon1 { id 3; site nyc; port wan service wave; }\n", 0,
	 "x.conf:9:29: port `wan` needs `interface`\n"},
	{"port_without_side", BASE "node lon1 { id 3; site nyc; port wan interface eth1; }\n", 0,
	 "x.conf:9:29: port `wan` needs `service NAME` (a wan port) or `lan`\n"},
	{"vlan_clash",
	 BASE "service inet type internet;\n"
	      "node fra1 port a { interface eth2; vlan 7; service inet; }\n"
	      "node fra1 port b { interface eth2; vlan 7; service mpls; }\n",
	 0, "x.conf:11:41: vlan 7 of `eth2` is already port `a`'s\n"},
	{"interface_shared_untagged", BASE "node fra1 port lan { interface eth1; lan; }\n", 0,
	 "x.conf:9:32: `eth1` is wan port `wan`'s; wan and lan ports do not share an interface\n"},
	{"node_attached_twice", BASE "node fra1 port b { interface eth2; service wave; }\n", 0,
	 "x.conf:9:44: port `wan` is already on service `wave`; a node attaches once\n"},
	{"two_tags_clash",
	 BASE "service inet { type internet; }\n"
	      "node fra1 port a { interface eth2; outer-vlan 8; vlan 7; service inet; }\n"
	      "node fra1 port b { interface eth2; vlan 7; outer-vlan 8; service mpls; }\n",
	 0, "x.conf:11:41: vlan 7 in outer-vlan 8 of `eth2` is already port `a`'s\n"},
	{"outer_vlan_without_vlan", BASE "node fra1 port wan outer-vlan 8;\n", 0,
	 "x.conf:9:31: `outer-vlan` needs `vlan`, the inner one\n"},
	{"outer_tpid_without_outer_vlan",
	 BASE "node fra1 port wan vlan 7;\n"
	      "node fra1 port wan outer-tpid 0x8100;\n",
	 0, "x.conf:10:31: `outer-tpid` needs `outer-vlan`\n"},
	{"outer_tpid_of_old_gear", BASE "node fra1 port wan outer-tpid 0x9100;\n", 0,
	 "x.conf:9:31: `outer-tpid` takes one of `0x88a8` or `0x8100`, not `0x9100`\n"},
	{"sci_clash",
	 BASE "service inet { type internet; }\n"
	      "node fra1 port b { interface eth1; vlan 1; service inet; }\n",
	 0,
	 "x.conf:10:11: port identifier 1 of `eth1` is already port `wan`'s, so their SCIs would be the same; give one of them another `port-id`\n"},
	{"sci_clash_by_port_id",
	 BASE "service inet { type internet; }\n"
	      "node fra1 port b { interface eth1; vlan 9; port-id 1; service inet; }\n",
	 0,
	 "x.conf:10:52: port identifier 1 of `eth1` is already port `wan`'s, so their SCIs would be the same; give one of them another `port-id`\n"},
	{"interface_of_wan_and_lan", BASE "node fra1 port lan { interface eth1; vlan 9; lan; }\n",
	 0,
	 "x.conf:9:32: `eth1` is wan port `wan`'s; wan and lan ports do not share an interface\n"},
	{"address_of_two_ports",
	 BASE "node fra1 port lan { interface eth0; lan; address 10.10.0.1/16; }\n"
	      "node nyc1 port lan { interface eth0; lan; address 10.10.0.1/16; }\n",
	 0, "x.conf:10:51: address 10.10.0.1 is already node `fra1`'s\n"},
	{"address_is_the_network",
	 BASE "node fra1 port lan { interface eth0; lan; address 10.10.0.0/16; }\n", 0,
	 "x.conf:9:51: `10.10.0.0/16` is the network, not an address in it such as 10.10.0.1/16\n"},
	{"two_gateways_of_a_family",
	 BASE
	 "node fra1 port m { interface eth2; service mpls; address 192.0.2.2/29; gateway [ 192.0.2.1 192.0.2.3 ]; }\n",
	 0,
	 "x.conf:9:92: `192.0.2.1` is the port's gateway of IPv4; there is one of each family\n"},
	{"gateway_elsewhere",
	 BASE "node fra1 port wan address 192.0.2.2/30;\n"
	      "node fra1 port wan gateway 192.0.2.9;\n",
	 0, "x.conf:10:28: `gateway` is in none of the port's networks\n"},
	{"allow_on_a_lan_port", BASE "node fra1 port lan { interface eth0; lan; allow ssh; }\n", 0,
	 "x.conf:9:49: `allow` opens a wan port; port `lan` is lan\n"},
	{"io_of_a_lan_port", BASE "node fra1 port lan { interface eth0; lan; io af-xdp; }\n", 0,
	 "x.conf:9:46: `io` is of wan ports; port `lan` is lan\n"},
	{"io_of_no_kind", BASE "node fra1 port wan io dpdk;\n", 0,
	 "x.conf:9:23: `io` takes one of `af-packet` or `af-xdp`, not `dpdk`\n"},
	{"e_line_with_three_ends",
	 BASE "service line { type ethernet; topology e-line; }\n"
	      "node fra1 port l { interface eth3; service line; }\n"
	      "node nyc1 port l { interface eth3; service line; }\n"
	      "node lon1 { id 3; site nyc; port l { interface eth3; service line; } }\n",
	 0, "x.conf:9:40: an e-line has two ends, but 3 ports are on `line`; use e-lan\n"},
	{"overlay_named_as_an_interface",
	 BASE "overlay eth1 { design macsec; over wave; keying psk; auth psk x; members fra1; }\n",
	 0,
	 "x.conf:9:9: overlay `eth1` makes an interface of that name, which is port `wan` of node `fra1`\n"
	 "x.conf:9:36: overlay `core` already runs MACsec on port `wan` of node `fra1`; one overlay of design macsec per port\n"},
	{"overlay_named_lo", BASE "overlay lo { design ipsec; over mpls; auth psk x; }\n", 0,
	 "x.conf:9:9: `lo` cannot be an interface's name, so no overlay's\n"},
	{"macsec_without_keys",
	 BASE "service w2 type ethernet;\n"
	      "overlay two { design macsec; over w2; }\n",
	 0,
	 "x.conf:10:1: overlay `two` needs keys: `mka { key-chain NAME; }`, or `keying psk; auth psk NAME;`\n"},
	{"psk_keying_without_psk",
	 BASE "service w2 type ethernet;\n"
	      "overlay two { design macsec; over w2; keying psk; }\n",
	 0, "x.conf:10:46: keying psk needs `auth psk NAME;`\n"},
	{"life_less_than_three_hellos", BASE "overlay core mka { hello 3s; life 8s; }\n", 0,
	 "x.conf:9:35: `life` is at least three times `hello`, here 9000ms: two lost hellos must not end a session\n"},
	{"hello_too_short", BASE "overlay core mka hello 10ms;\n", 0,
	 "x.conf:9:24: `hello` is from 100ms to 60s\n"},
	{"sak_kept_too_long", BASE "overlay core mka keep-sak 73h;\n", 0,
	 "x.conf:9:27: `keep-sak` is at most 72h\n"},
	{"delay_protected_without_replay_protection",
	 BASE "overlay core macsec replay-protect false;\noverlay core mka delay-protect;\n", 0,
	 "x.conf:10:18: `delay-protect` needs `macsec { replay-protect true; }`: what is late is "
	 "refused by packet number\n"},
	{"ssci_order_of_nobody", BASE "overlay core mka ssci-order mac;\n", 0,
	 "x.conf:9:29: `ssci-order` takes one of `auto`, `sci` or `live-peer-list`, not `mac`\n"},
	{"rekey_shorter_than_life", BASE "overlay core mka rekey 5s;\n", 0,
	 "x.conf:9:24: `rekey` is 0s (by packet number alone) or at least `life`\n"},
	{"ethertype_in_use", BASE "overlay core mka ethertype 0x88e5;\n", 0,
	 "x.conf:9:28: 0x88e5 cannot be MKA's EtherType; take one from 0x0600 that is not in use, such as 0x888e or 0x876f\n"},
	{"mtu_too_small_inside",
	 BASE "service w2 { type ethernet; mtu 600; }\n"
	      "overlay two { design macsec; over w2; keying psk; auth psk x; }\n",
	 0,
	 "x.conf:10:35: service `w2` leaves 568 bytes inside MACsec, and IPv4 needs 576; its `mtu` must be at least 608\n"},
	{"mtu_too_small_for_ipv6",
	 BASE
	 "service w2 { type ethernet; mtu 1300; }\n"
	 "overlay two { design macsec; over w2; keying psk; auth psk x; subnet 2001:db8::/64; }\n",
	 0,
	 "x.conf:10:35: service `w2` leaves 1268 bytes inside MACsec, and IPv6 needs 1280; its `mtu` must be at least 1312\n"},
	{"second_macsec_on_a_port",
	 BASE "overlay two { design macsec; over wave; keying psk; auth psk x; preference 50; }\n",
	 0,
	 "x.conf:9:35: overlay `core` already runs MACsec on port `wan` of node `fra1`; one overlay of design macsec per port\n"},
	{"static_key_of_two_overlays",
	 BASE "service w2 type ethernet;\n"
	      "service w3 type ethernet;\n"
	      "overlay two { design macsec; over w2; keying psk; auth psk x; }\n"
	      "overlay three { design macsec; over w3; keying psk; auth psk x; }\n",
	 0, "x.conf:12:62: secret `x` is already overlay `two`'s; static keys serve one overlay\n"},
	{"subnets_overlap",
	 BASE "overlay two { design ipsec; over mpls; auth psk x; subnet 10.255.0.128/25; }\n", 0,
	 "x.conf:9:59: `subnet` overlaps 10.255.0.0/24 of overlay `core`\n"},
	{"subnet_covers_a_site",
	 BASE "overlay two { design ipsec; over mpls; auth psk x; subnet 10.0.0.0/8; }\n", 0,
	 "x.conf:9:59: `subnet` overlaps 10.255.0.0/24 of overlay `core`\n"
	 "x.conf:9:59: `subnet` covers network 10.10.0.0/16 of site `fra`\n"
	 "x.conf:9:59: `subnet` covers network 10.20.0.0/16 of site `nyc`\n"},
	{"address_outside_the_subnet", BASE "overlay core member fra1 address 10.254.0.1;\n", 0,
	 "x.conf:9:34: 10.254.0.1 is not in `subnet` 10.255.0.0/24\n"},
	{"address_of_two_members", BASE "overlay core member fra1 address 10.255.0.2;\n", 0,
	 "x.conf:9:34: 10.255.0.2 is the address of both `fra1` and `nyc1`\n"},
	{"address_is_broadcast", BASE "overlay core member fra1 address 10.255.0.255;\n", 0,
	 "x.conf:9:34: 10.255.0.255 is no host's address in 10.255.0.0/24\n"},
	{"id_outside_the_subnet", BASE "node lon1 { id 300; site nyc; port wan { interface eth1; service wave; } }\n", 0, "x.conf:9:16: `id` 300 of node `lon1` is outside 10.255.0.0/24 of overlay `core`; use a larger `subnet` or `member lon1 address`\n"},
	{"id_is_the_broadcast",
	 BASE "node lon1 { id 255; site nyc; port wan { interface eth1; service wave; } }\n", 0,
	 "x.conf:9:16: `id` of node `lon1` gives it 10.255.0.255, which is no host's address in 10.255.0.0/24 of overlay `core`\n"},
	{"member_without_id",
	 BASE "node lon1 { site nyc; port wan { interface eth1; service wave; } }\n", 0,
	 "x.conf:9:1: node `lon1` needs an `id` for its address in 10.255.0.0/24 of overlay `core`, or `member lon1 address` there\n"},
	{"member_not_attached",
	 BASE "node lon1 { id 3; site nyc; }\n"
	      "overlay core members [ fra1 lon1 ];\n",
	 0, "x.conf:10:29: node `lon1` is not attached to `wave`\n"},
	{"member_statement_of_a_stranger",
	 BASE "node lon1 { id 3; site nyc; }\n"
	      "overlay core member lon1 priority 1;\n",
	 0, "x.conf:10:21: `lon1` is no member of overlay `core`\n"},
	{"tag_of_nobody", BASE "overlay core members @core;\n", 0,
	 "x.conf:9:22: no node has the tag `core`\n"},
	{"no_key_server",
	 "backbone demo;\n"
	 "site fra { location 50.11,8.68; networks 10.10.0.0/16; }\n"
	 "site nyc { networks 10.20.0.0/16; }\n"
	 "service wave { type ethernet; mtu 1600; }\n"
	 "service mpls { type ip; }\n"
	 "node fra1 { id 1; site fra; port wan { interface eth1; service wave; } }\n"
	 "node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; } }\n"
	 "overlay core design macsec;\n"
	 "overlay core over wave;\n"
	 "overlay core mka key-chain cak;\n"
	 "# macsec; over wave; subnet 10.255.0.0/24; mka key-chain cak; }\n"
	 "overlay core { member fra1 priority 255; member nyc1 priority 255; }\n",
	 0, "x.conf:8:1: no member of overlay `core` may be key server: every priority is 255\n"},
	{"equal_preference",
	 BASE "service w2 type ethernet;\n"
	      "node fra1 port w2 { interface eth2; service w2; }\n"
	      "node nyc1 port w2 { interface eth2; service w2; }\n"
	      "overlay two { design macsec; over w2; mka key-chain cak; subnet 10.254.0.0/24; }\n",
	 0,
	 "x.conf:12:1: overlays `core` and `two` both reach the networks of `fra` and `nyc` with preference 100; give one another `preference`\n"},
	{"set_line_without_set",
	 "set backbone demo\n"
	 "site fra\n",
	 0, "x.conf:2:1: expected `set`, found `site`\n"},
	{"set_line_with_braces",
	 "set backbone demo\n"
	 "set site fra { }\n",
	 0, "x.conf:2:14: expected a statement, found `{`\n"},
	{"set_line_goes_on", "set backbone demo x\n", 0,
	 "x.conf:1:19: unexpected `x`; a set line ends after `backbone`\n"},
	{"json_cut_off", "{ \"backbone\": \"demo\", \"site\": [ {", 0,
	 "x.conf:1:34: expected `}` or `]`, found the end of the file\n"},
	{"json_comma_missing", "{ \"backbone\": \"demo\" \"site\": [] }", 0,
	 "x.conf:1:22: expected `,` or `}`, found `site`\n"},
	{"json_unknown_and_bad",
	 "{ \"backbone\": \"demo\", \"sites\": [],\n"
	 " \"service\": [ { \"type\": \"ethernet\", \"name\": \"wave\", \"mtu\": 99 } ] }",
	 0,
	 "x.conf:1:23: unknown statement `sites`; did you mean `site`?\n"
	 "x.conf:2:60: `mtu` takes a number from 576 to 9600, not `99`\n"},
	{"json_entry_without_key",
	 "{ \"backbone\": \"demo\", \"site\": [ { \"location\": \"1,2\" } ] }", 0,
	 "x.conf:1:33: an entry of `site` needs its `name`\n"},
	{"json_wrong_shape", "{ \"backbone\": [ \"demo\" ], \"site\": \"fra\", \"service\": { } }",
	 0,
	 "x.conf:1:15: `backbone` takes a name: lower-case letters, digits and `-`, a letter first, at most 31 characters, not `[`\n"
	 "x.conf:1:35: `site` is an array\n"
	 "x.conf:1:53: `service` is an array\n"},
	{"unknown_template_hides_what_it_would_say",
	 BASE "node lon1 { id 3; like dcc; port l { } port m interface eth1; }\n", 0,
	 "x.conf:9:24: no template is called `dcc`; there is none\n"},
	{"no_name_is_far_fetched",
	 BASE "template t { like x; }\nnode fra1 port b { interface eth5; lan; bridge nope; }\n", 0,
	 "x.conf:9:14: unknown statement `like` in `template`; accepted here: id, site, tag, cut-through, port\n"
	 "x.conf:10:48: no overlay is called `nope`; there is core\n"},
	{"lost_statement_is_not_missing",
	 BASE "node lon1 { id 3 site fra; port l { interface eth3 lan; } }\n", 0,
	 "x.conf:9:18: unexpected `site`; `;` ends the `id` statement\n"
	 "x.conf:9:52: unexpected `lan`; `;` ends the `interface` statement\n"},
	{"torn_string_is_one_error",
	 BASE "node lon1 { id 3; site fra; port l { interface \"eth3; lan; }\n} }\n", 0,
	 "x.conf:9:48: the string has no closing `\"` on its line\n"},
	{"errors_in_file_order",
	 BASE "overlay core mka { life 1h; hello 90s; }\n"
	      "site lon location 99,0;\n"
	      "node fra1 port wan vlan 0;\n"
	      "overlay core member fra9 priority 1;\n",
	 0,
	 "x.conf:9:35: `hello` is from 100ms to 60s\n"
	 "x.conf:10:19: latitude 99 is not from -90 to 90 degrees\n"
	 "x.conf:11:25: `vlan` takes a number from 1 to 4094, not `0`\n"
	 "x.conf:12:21: no node or peer is called `fra9`; did you mean `fra1`?\n"},
};

static char *told(const char *text, size_t len)
{
	struct conf_errors errs;
	struct conf *c = conf_read("x.conf", text, len, &errs);
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	conf_errors_print(&errs, f);
	fclose(f);
	assert_true(!c == (errs.count > 0));
	conf_errors_free(&errs);
	conf_free(c);
	return out;
}

static void tells_exactly(void **state)
{
	const struct error_case *t = *state;
	char *out = told(t->text, t->len ? t->len : strlen(t->text));

	assert_string_equal(out, t->told);
	free(out);
}

static void base_is_right(void **state)
{
	char *out = told(BASE, strlen(BASE));

	(void)state;
	assert_string_equal(out, "");
	free(out);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(cases) / sizeof(*cases) + 1] = {
		cmocka_unit_test(base_is_right),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		tests[i + 1] = (struct CMUnitTest){.name = cases[i].name,
						   .test_func = tells_exactly,
						   .initial_state = (void *)&cases[i]};
	printf("# %zu classes of malformed or impossible backbone files\n",
	       sizeof(cases) / sizeof(*cases));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
