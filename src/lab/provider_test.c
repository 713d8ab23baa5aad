/* provider, nat44: what customers of an IP carrier see of it. */
#include "lab/pe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define S 1000000000ull

/* Three customers: 192.0.2.2/30, 192.0.2.6/30, and 100.64.1.2/24 behind 203.0.113.9. */
static const uint8_t ce_mac[3][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 3}};
static const uint8_t pe_mac_of[3][6] = {
	{2, 'p', 'e', 0, 0, 1}, {2, 'p', 'e', 0, 0, 2}, {2, 'p', 'e', 0, 0, 3}};

struct net {
	struct provider *p;
	struct {
		uint16_t in, out;
		size_t len;
		uint8_t b[PROVIDER_FRAME_MAX];
	} got[32];
	unsigned count;
	uint64_t now;
};

static void catch (void *ctx, uint16_t in, uint16_t out, const uint8_t *frame, size_t len,
		   uint64_t now)
{
	struct net *n = ctx;

	(void)now;
	assert_true(n->count < 32);
	n->got[n->count].in = in;
	n->got[n->count].out = out;
	n->got[n->count].len = len;
	memcpy(n->got[n->count++].b, frame, len);
}

static struct provider_prefix v4(uint32_t addr, uint8_t len)
{
	struct provider_prefix p = {.family = 4, .len = len};

	pe_put32(p.addr, addr);
	return p;
}

static void net_init(struct net *n, uint16_t core_mtu, uint32_t faults)
{
	const struct provider_config cfg = {
		.mtu = 1500, .core_mtu = core_mtu, .faults = faults, .ctx = n, .send = catch};
	struct provider_link_config l[3] = {
		{.port = 0,
		 .gateway = {v4(0xc0000201, 30),
			     {6, 64, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, [15] = 1}}}},
		{.port = 1,
		 .gateway = {v4(0xc0000205, 30),
			     {6, 64, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, [15] = 1}}}},
		{.port = 2,
		 .gateway = {v4(0x64400101, 24)},
		 .nat_addr = 0xcb007109,
		 .dhcp_addr = 0x64400102},
	};

	memset(n, 0, sizeof(*n));
	n->now = S;
	n->p = provider_new(&cfg);
	for (unsigned i = 0; i < 3; i++) {
		memcpy(l[i].mac, pe_mac_of[i], 6);
		assert_int_equal(provider_link_add(n->p, &l[i]), 0);
	}
}

/* A packet of `protocol` with 8 bytes of header: ports (or ICMP echo and its identifier). */
static size_t packet(uint8_t *f, unsigned at, uint32_t from, uint32_t to, uint8_t protocol,
		     uint16_t sport, uint16_t dport, size_t body, unsigned flags)
{
	uint8_t *ip = f + PE_ETH, *l4 = ip + PE_IP4;

	memset(f, 0, PE_ETH + PE_IP4 + 8 + body);
	memcpy(f, pe_mac_of[at], 6);
	memcpy(f + 6, ce_mac[at], 6);
	pe_put16(f + 12, 0x0800);
	ip[0] = 0x45;
	pe_put16(ip + 2, (unsigned)(PE_IP4 + 8 + body));
	pe_put16(ip + 6, flags);
	ip[8] = 64;
	ip[9] = protocol;
	pe_put32(ip + 12, from);
	pe_put32(ip + 16, to);
	pe_put16(ip + 10, pe_checksum(ip, PE_IP4, 0));
	if (protocol == PE_ICMP) {
		l4[0] = (uint8_t)dport;
		pe_put16(l4 + 4, sport);
		pe_put16(l4 + 2, pe_checksum(l4, 8 + body, 0));
	} else if (protocol == PE_UDP) {
		pe_put16(l4, sport);
		pe_put16(l4 + 2, dport);
		pe_put16(l4 + 4, (unsigned)(8 + body));
		pe_put16(l4 + 6, pe_checksum(l4, 8 + body,
					     PE_UDP + 8 + (uint32_t)body + (from >> 16) +
						     (from & 0xffff) + (to >> 16) + (to & 0xffff)));
	}
	return PE_ETH + PE_IP4 + 8 + body;
}

static void send_from(struct net *n, unsigned at, uint32_t from, uint32_t to, uint8_t protocol,
		      uint16_t sport, uint16_t dport, size_t body, unsigned flags)
{
	uint8_t f[PROVIDER_FRAME_MAX];

	provider_input(n->p, (uint16_t)at, f,
		       packet(f, at, from, to, protocol, sport, dport, body, flags), n->now);
}

static void arp(struct net *n, unsigned at, uint8_t op, uint32_t from, uint32_t to)
{
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0};
	uint8_t f[60];

	memset(f, 0xff, 6);
	memcpy(f + 6, ce_mac[at], 6);
	memcpy(f + 12, head, sizeof(head));
	f[21] = op;
	memcpy(f + 22, ce_mac[at], 6);
	pe_put32(f + 28, from);
	memset(f + 32, 0, 6);
	pe_put32(f + 38, to);
	provider_input(n->p, (uint16_t)at, f, sizeof(f), n->now);
}

static const uint8_t *ip_of(const struct net *n, unsigned i)
{
	return n->got[i].b + PE_ETH;
}

static void good_checksums(const struct net *n, unsigned i)
{
	const uint8_t *ip = ip_of(n, i), *l4 = ip + PE_IP4;
	size_t len = pe_get16(ip + 2) - PE_IP4;
	uint32_t pseudo = 0;

	assert_int_equal(pe_checksum(ip, PE_IP4, 0), 0);
	if (ip[9] == PE_UDP) {
		pseudo = PE_UDP + (uint32_t)len;
		for (unsigned k = 12; k < 20; k += 2)
			pseudo += pe_get16(ip + k);
	}
	assert_int_equal(pe_checksum(l4, len, pseudo), 0);
}

static void the_pe_answers_arp_for_its_own_address_alone(void **state)
{
	struct net n;

	(void)state;
	net_init(&n, 0, 0);
	arp(&n, 0, 1, 0xc0000202, 0xc0000203);
	assert_int_equal(n.count, 0);
	arp(&n, 0, 1, 0xc0000202, 0xc0000201);
	assert_int_equal(n.count, 1);
	assert_int_equal(n.got[0].out, 0);
	assert_memory_equal(n.got[0].b, ce_mac[0], 6);
	assert_memory_equal(n.got[0].b + 22, pe_mac_of[0], 6);
	provider_free(n.p);
}

static void a_packet_waits_for_the_far_customers_mac_address_and_goes_on(void **state)
{
	struct net n;

	(void)state;
	net_init(&n, 0, 0);
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_UDP, 500, 500, 100, 0);
	assert_int_equal(n.count, 1); /* the question */
	assert_int_equal(n.got[0].out, 1);
	assert_int_equal(pe_get16(n.got[0].b + 12), 0x0806);
	arp(&n, 1, 2, 0xc0000206, 0xc0000205);
	assert_int_equal(n.count, 2);
	assert_int_equal(n.got[1].in, 0);
	assert_int_equal(n.got[1].out, 1);
	assert_memory_equal(n.got[1].b, ce_mac[1], 6);
	assert_int_equal(ip_of(&n, 1)[8], 63);
	good_checksums(&n, 1);
	provider_free(n.p);
}

static void customers_networks_are_unknown_and_foreign_sources_dropped(void **state)
{
	struct net n;

	(void)state;
	net_init(&n, 0, 0);
	send_from(&n, 0, 0xc0000202, 0x0a140001, PE_UDP, 1, 2, 10, 0);
	assert_int_equal(provider_stats(n.p)->no_route, 1);
	assert_int_equal(n.count, 1); /* unreachable, to who asked */
	assert_int_equal(ip_of(&n, 0)[PE_IP4], 3);
	good_checksums(&n, 0);
	send_from(&n, 0, 0x0a0a0001, 0xc0000206, PE_UDP, 1, 2, 10, 0);
	assert_int_equal(provider_stats(n.p)->martian, 1);
	assert_int_equal(n.count, 1);
	provider_free(n.p);
}

static void customer_routes_lead_to_the_customers_router(void **state)
{
	const struct provider_prefix net = v4(0x0a140000, 16);
	uint8_t via[16];
	struct net n;

	(void)state;
	net_init(&n, 0, 0);
	pe_put32(via, 0xc0000206);
	memset(via + 4, 0, 12);
	assert_int_equal(provider_route_add(n.p, 1, &net, via), 0);
	arp(&n, 1, 1, 0xc0000206, 0xc0000205);
	n.count = 0;
	send_from(&n, 0, 0xc0000202, 0x0a140001, PE_UDP, 1, 2, 10, 0);
	assert_int_equal(n.count, 1);
	assert_memory_equal(n.got[0].b, ce_mac[1], 6);
	provider_free(n.p);
}

static void what_does_not_fit_is_told_cut_or_lost_as_asked(void **state)
{
	struct net n;

	(void)state;
	net_init(&n, 1400, 0);
	arp(&n, 1, 1, 0xc0000206, 0xc0000205);
	n.count = 0;
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_UDP, 500, 500, 1373, 0x4000);
	assert_int_equal(n.count, 1);
	assert_int_equal(ip_of(&n, 0)[PE_IP4], 3);
	assert_int_equal(ip_of(&n, 0)[PE_IP4 + 1], 4);
	assert_int_equal(pe_get16(ip_of(&n, 0) + PE_IP4 + 6), 1400);
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_UDP, 500, 500, 1373, 0);
	assert_int_equal(n.count, 3);
	assert_int_equal(pe_get16(ip_of(&n, 1) + 6), 0x2000);
	assert_int_equal(pe_get16(ip_of(&n, 2) + 6), (pe_get16(ip_of(&n, 1) + 2) - 20) / 8);
	assert_int_equal(n.got[1].len + n.got[2].len, 2 * (PE_ETH + PE_IP4) + 1381);
	provider_free(n.p);

	net_init(&n, 1400, PROVIDER_SILENT_MTU);
	arp(&n, 1, 1, 0xc0000206, 0xc0000205);
	n.count = 0;
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_UDP, 500, 500, 1373, 0x4000);
	assert_int_equal(n.count, 0);
	assert_int_equal(provider_stats(n.p)->too_big, 1);
	provider_free(n.p);
}

static void named_faults_drop_esp_and_fragments(void **state)
{
	struct net n;

	(void)state;
	net_init(&n, 0, PROVIDER_NO_ESP | PROVIDER_NO_FRAGMENTS);
	arp(&n, 1, 1, 0xc0000206, 0xc0000205);
	n.count = 0;
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_ESP, 0, 0, 100, 0);
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_UDP, 1, 2, 100, 0x2000);
	assert_int_equal(n.count, 0);
	assert_int_equal(provider_stats(n.p)->fault_esp, 1);
	assert_int_equal(provider_stats(n.p)->fault_fragment, 1);
	send_from(&n, 0, 0xc0000202, 0xc0000206, PE_UDP, 4500, 4500, 100, 0);
	assert_int_equal(n.count, 1);
	provider_free(n.p);
}

static void the_ttl_ends_and_the_gateway_answers_a_ping(void **state)
{
	uint8_t f[200];
	struct net n;
	size_t len;

	(void)state;
	net_init(&n, 0, 0);
	len = packet(f, 0, 0xc0000202, 0xc0000206, PE_UDP, 1, 2, 10, 0);
	f[PE_ETH + 8] = 1;
	pe_put16(f + PE_ETH + 10, 0);
	pe_put16(f + PE_ETH + 10, pe_checksum(f + PE_ETH, PE_IP4, 0));
	provider_input(n.p, 0, f, len, n.now);
	assert_int_equal(n.count, 1);
	assert_int_equal(ip_of(&n, 0)[PE_IP4], 11);
	send_from(&n, 0, 0xc0000202, 0xc0000201, PE_ICMP, 7, 8, 50, 0);
	assert_int_equal(n.count, 2);
	assert_int_equal(ip_of(&n, 1)[PE_IP4], 0);
	assert_int_equal(pe_get32(ip_of(&n, 1) + 12), 0xc0000201);
	good_checksums(&n, 1);
	provider_free(n.p);
}

static void a_translated_customer_has_one_address_and_strangers_do_not_get_in(void **state)
{
	uint16_t outside;
	struct net n;

	(void)state;
	net_init(&n, 0, 0);
	arp(&n, 1, 1, 0xc0000206, 0xc0000205);
	arp(&n, 2, 1, 0x64400102, 0x64400101);
	n.count = 0;
	send_from(&n, 2, 0x64400102, 0xc0000206, PE_UDP, 500, 500, 40, 0);
	assert_int_equal(n.count, 1);
	assert_int_equal(pe_get32(ip_of(&n, 0) + 12), 0xcb007109);
	good_checksums(&n, 0);
	outside = pe_get16(ip_of(&n, 0) + PE_IP4);
	assert_true(outside >= NAT44_FIRST_PORT);
	send_from(&n, 1, 0xc0000206, 0xcb007109, PE_UDP, 500, outside, 40, 0);
	assert_int_equal(n.count, 2);
	assert_int_equal(pe_get32(ip_of(&n, 1) + 16), 0x64400102);
	assert_int_equal(pe_get16(ip_of(&n, 1) + PE_IP4 + 2), 500);
	good_checksums(&n, 1);
	/* Another port, another address, and a protocol without ports. */
	send_from(&n, 1, 0xc0000206, 0xcb007109, PE_UDP, 4500, outside, 40, 0);
	send_from(&n, 0, 0xc0000202, 0xcb007109, PE_UDP, 500, outside, 40, 0);
	send_from(&n, 1, 0xc0000206, 0xcb007109, PE_ESP, 0, 0, 40, 0);
	send_from(&n, 2, 0x64400102, 0xc0000206, PE_ESP, 0, 0, 40, 0);
	assert_int_equal(provider_stats(n.p)->nat_refused, 4);
	/* Half a minute without a word from inside, and the mapping is gone. */
	n.now += NAT44_UDP_NS + 1;
	arp(&n, 2, 1, 0x64400102, 0x64400101);
	n.count = 0;
	send_from(&n, 1, 0xc0000206, 0xcb007109, PE_UDP, 500, outside, 40, 0);
	assert_int_equal(n.count, 0);
	assert_int_equal(provider_stats(n.p)->nat_refused, 5);
	provider_free(n.p);
}

static void an_error_about_a_translated_packet_finds_its_sender(void **state)
{
	uint8_t f[200];
	struct net n;
	size_t len;

	(void)state;
	net_init(&n, 0, 0);
	arp(&n, 1, 1, 0xc0000206, 0xc0000205);
	arp(&n, 2, 1, 0x64400102, 0x64400101);
	n.count = 0;
	send_from(&n, 2, 0x64400102, 0xc0000206, PE_UDP, 500, 500, 40, 0);
	/* Port unreachable from the far end, quoting what it got. */
	len = packet(f, 1, 0xc0000206, 0xcb007109, PE_ICMP, 0, 3, 60, 0);
	memcpy(f + PE_ETH + PE_IP4 + 8, ip_of(&n, 0), 60);
	pe_put16(f + PE_ETH + PE_IP4 + 2, 0);
	pe_put16(f + PE_ETH + PE_IP4 + 2, pe_checksum(f + PE_ETH + PE_IP4, 68, 0));
	provider_input(n.p, 1, f, len, n.now);
	assert_int_equal(n.count, 2);
	assert_int_equal(pe_get32(ip_of(&n, 1) + 16), 0x64400102);
	assert_int_equal(pe_get32(ip_of(&n, 1) + PE_IP4 + 8 + 12), 0x64400102);
	assert_int_equal(pe_get16(ip_of(&n, 1) + PE_IP4 + 8 + 20), 500);
	good_checksums(&n, 1);
	provider_free(n.p);
}

static void mappings_are_bounded_and_the_oldest_makes_room(void **state)
{
	struct nat44 *n = calloc(1, sizeof(*n));
	uint32_t addr;
	uint16_t inside, first;

	(void)state;
	nat44_init(n, 1, NAT44_UDP_NS);
	first = nat44_out(n, 17, 10, 5000, (struct nat44_remote){9, 9}, 1);
	for (unsigned i = 1; i <= NAT44_MAPPINGS; i++)
		assert_true(nat44_out(n, 17, 10, (uint16_t)(5000 + i), (struct nat44_remote){9, 9},
				      1 + i));
	assert_false(nat44_in(n, 17, first, (struct nat44_remote){9, 9}, 600, &addr, &inside));
	assert_true(nat44_in(n, 17, 5001, (struct nat44_remote){9, 9}, 600, &addr, &inside));
	free(n);
}

static void two_inside_with_one_port_get_two_outside(void **state)
{
	struct nat44 *n = calloc(1, sizeof(*n));
	uint16_t a, b;

	(void)state;
	nat44_init(n, 1, NAT44_UDP_NS);
	a = nat44_out(n, 17, 10, 4500, (struct nat44_remote){9, 9}, 1);
	b = nat44_out(n, 17, 11, 4500, (struct nat44_remote){9, 9}, 1);
	assert_int_equal(a, 4500);
	assert_int_not_equal(a, b);
	assert_int_equal(nat44_out(n, 17, 10, 4500, (struct nat44_remote){8, 8}, 2), a);
	free(n);
}

/* A DHCP message of the client at link 2. */
static void dhcp(struct net *n, uint8_t type, uint32_t want)
{
	uint8_t f[PE_ETH + PE_IP4 + 8 + 300];
	uint8_t *m = f + PE_ETH + PE_IP4 + 8;
	size_t len = packet(f, 2, 0, 0xffffffff, PE_UDP, 68, 67, 300, 0);

	memset(f, 0xff, 6);
	m[0] = 1;
	m[1] = 1;
	m[2] = 6;
	pe_put32(m + 4, 0x12345678);
	memcpy(m + 28, ce_mac[2], 6);
	memcpy(m + 236, (const uint8_t[]){0x63, 0x82, 0x53, 0x63, 53, 1, type}, 7);
	m[243] = 255;
	if (want) {
		m[243] = 50;
		m[244] = 4;
		pe_put32(m + 245, want);
		m[249] = 255;
	}
	provider_input(n->p, 2, f, len, n->now);
}

static void dhcp_leases_the_links_address_and_no_other(void **state)
{
	const uint8_t *m;
	struct net n;

	(void)state;
	net_init(&n, 0, 0);
	dhcp(&n, 1, 0);
	assert_int_equal(n.count, 1);
	m = ip_of(&n, 0) + PE_IP4 + 8;
	assert_int_equal(pe_get32(m + 4), 0x12345678);
	assert_int_equal(pe_get32(m + 16), 0x64400102);
	assert_int_equal(m[242], 2);
	dhcp(&n, 3, 0x64400102);
	assert_int_equal(ip_of(&n, 1)[PE_IP4 + 8 + 242], 5);
	dhcp(&n, 3, 0x64400103);
	assert_int_equal(ip_of(&n, 2)[PE_IP4 + 8 + 242], 6);
	assert_int_equal(provider_stats(n.p)->dhcp_acks, 1);
	provider_free(n.p);
}

/* An ICMPv6 message from link 0's customer, 2001:db8:0:1::2. */
static void icmp6(struct net *n, const uint8_t to[16], uint8_t *body, size_t len, uint8_t hops)
{
	uint8_t f[PE_ETH + PE_IP6 + 1600] = {0}, *ip = f + PE_ETH;

	memcpy(f, pe_mac_of[0], 6);
	memcpy(f + 6, ce_mac[0], 6);
	pe_put16(f + 12, 0x86dd);
	ip[0] = 0x60;
	pe_put16(ip + 4, (unsigned)len);
	ip[6] = PE_ICMP6;
	ip[7] = hops;
	memcpy(ip + 8, (const uint8_t[]){0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, [15] = 2}, 16);
	memcpy(ip + 24, to, 16);
	pe_put16(body + 2, 0);
	pe_put16(body + 2, pe_checksum(body, len, pe_pseudo6(ip, (uint32_t)len, PE_ICMP6)));
	memcpy(ip + PE_IP6, body, len);
	provider_input(n->p, 0, f, PE_ETH + PE_IP6 + len, n->now);
}

static void good_icmp6(const struct net *n, unsigned i, uint8_t type)
{
	const uint8_t *ip = ip_of(n, i);
	uint32_t len = pe_get16(ip + 4);

	assert_int_equal(ip[PE_IP6], type);
	assert_int_equal(pe_checksum(ip + PE_IP6, len, pe_pseudo6(ip, len, PE_ICMP6)), 0);
}

static void ipv6_neighbours_routers_pings_and_errors(void **state)
{
	static const uint8_t gw[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, [15] = 1};
	static const uint8_t far[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, [15] = 2};
	static const uint8_t nowhere[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 9, [15] = 2};
	static const uint8_t routers[16] = {0xff, 2, [15] = 2};
	uint8_t ns[24] = {135}, rs[8] = {133}, echo[1500] = {128};
	struct net n;

	(void)state;
	net_init(&n, 1400, 0);
	memcpy(ns + 8, gw, 16);
	icmp6(&n, gw, ns, sizeof(ns), 255);
	good_icmp6(&n, 0, 136);
	icmp6(&n, routers, rs, sizeof(rs), 255);
	good_icmp6(&n, 1, 134);
	icmp6(&n, gw, echo, 64, 64);
	good_icmp6(&n, 2, 129);
	icmp6(&n, nowhere, echo, 64, 64);
	good_icmp6(&n, 3, 1);
	icmp6(&n, far, echo, 64, 1);
	good_icmp6(&n, 4, 3);
	icmp6(&n, far, echo, 1370, 64);
	good_icmp6(&n, 5, 2);
	icmp6(&n, far, echo, 64, 64);
	assert_int_equal(n.got[6].out, 1); /* who has it? */
	good_icmp6(&n, 6, 135);
	assert_int_equal(n.count, 7);
	provider_free(n.p);
}

static void malformed_packets_are_counted_and_go_nowhere(void **state)
{
	uint8_t f[200];
	struct net n;
	size_t len;

	(void)state;
	net_init(&n, 0, 0);
	for (unsigned i = 0; i < 4; i++) {
		len = packet(f, 0, 0xc0000202, 0xc0000206, PE_UDP, 1, 2, 10, 0);
		if (i == 0)
			f[PE_ETH] = 0x44; /* a header shorter than a header */
		else if (i == 1)
			f[PE_ETH + 3] = 200; /* longer than the frame */
		else if (i == 2)
			f[PE_ETH + 10] ^= 1; /* checksum */
		else
			len = PE_ETH + 10;
		provider_input(n.p, 0, f, len, n.now);
		assert_int_equal(provider_stats(n.p)->malformed, i + 1);
	}
	assert_int_equal(n.count, 0);
	provider_free(n.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pe_answers_arp_for_its_own_address_alone),
		cmocka_unit_test(a_packet_waits_for_the_far_customers_mac_address_and_goes_on),
		cmocka_unit_test(customers_networks_are_unknown_and_foreign_sources_dropped),
		cmocka_unit_test(customer_routes_lead_to_the_customers_router),
		cmocka_unit_test(what_does_not_fit_is_told_cut_or_lost_as_asked),
		cmocka_unit_test(named_faults_drop_esp_and_fragments),
		cmocka_unit_test(the_ttl_ends_and_the_gateway_answers_a_ping),
		cmocka_unit_test(a_translated_customer_has_one_address_and_strangers_do_not_get_in),
		cmocka_unit_test(an_error_about_a_translated_packet_finds_its_sender),
		cmocka_unit_test(mappings_are_bounded_and_the_oldest_makes_room),
		cmocka_unit_test(two_inside_with_one_port_get_two_outside),
		cmocka_unit_test(dhcp_leases_the_links_address_and_no_other),
		cmocka_unit_test(ipv6_neighbours_routers_pings_and_errors),
		cmocka_unit_test(malformed_packets_are_counted_and_go_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
