/* routes: the kernel's messages, as it sends them, and what the table says then. */
#include "myelind/routes_i.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define S 1000000000ull

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

/* A mirror whose kernel is the test: what it asks for is answered by kernel(). */
struct world {
	struct routes *r;
	void *area;
	int ends[2];
	uint64_t now;
};

static uint8_t buf[4096];
static struct nlmsghdr *h;

static void begin(uint16_t type, uint16_t flags)
{
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
}

static void put_addr(uint16_t type, const char *text)
{
	uint8_t addr[16];
	bool six = strchr(text, ':');

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, text, addr), 1);
	mnl_attr_put(h, type, six ? 16 : 4, addr);
}

static void feed(struct world *w)
{
	routes_input(w->r, buf, h->nlmsg_len, w->now);
}

static struct rtmsg *route_begin(uint16_t type, uint16_t flags, const char *dst, unsigned len,
				 uint32_t metric)
{
	bool six = strchr(dst, ':');
	struct rtmsg *m;

	begin(type, flags);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->rtm_family = six ? AF_INET6 : AF_INET;
	m->rtm_dst_len = (uint8_t)len;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_BGP;
	m->rtm_type = RTN_UNICAST;
	if (len)
		put_addr(RTA_DST, dst);
	if (metric)
		mnl_attr_put_u32(h, RTA_PRIORITY, metric);
	return m;
}

static void route(struct world *w, uint16_t type, uint16_t flags, const char *dst, unsigned len,
		  uint32_t metric, const char *via, uint32_t ifindex)
{
	route_begin(type, flags, dst, len, metric);
	if (via)
		put_addr(RTA_GATEWAY, via);
	mnl_attr_put_u32(h, RTA_OIF, ifindex);
	feed(w);
}

static void neighbour(struct world *w, const char *addr, uint32_t ifindex, const uint8_t mac[6],
		      uint16_t state)
{
	struct ndmsg *m;

	begin(RTM_NEWNEIGH, 0);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ndm_family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	m->ndm_ifindex = (int)ifindex;
	m->ndm_state = state;
	put_addr(NDA_DST, addr);
	mnl_attr_put(h, NDA_LLADDR, 6, mac);
	feed(w);
}

static void link_say(struct world *w, uint32_t ifindex, unsigned flags, uint32_t master)
{
	struct ifinfomsg *m;

	begin(RTM_NEWLINK, 0);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_index = (int)ifindex;
	m->ifi_flags = flags;
	mnl_attr_put_u32(h, IFLA_MTU, 1400);
	if (master)
		mnl_attr_put_u32(h, IFLA_MASTER, master);
	feed(w);
}

static void netconf(struct world *w, uint8_t family, uint32_t ifindex, uint32_t forwarding)
{
	struct netconfmsg *m;

	begin(RTM_NEWNETCONF, 0);
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ncm_family = family;
	mnl_attr_put_u32(h, NETCONFA_IFINDEX, ifindex);
	mnl_attr_put_u32(h, NETCONFA_FORWARDING, forwarding);
	feed(w);
}

/* Answers one reading: `say` says what there is, when it is asked for IPv4's routes. */
static void kernel(struct world *w, void (*say)(struct world *w), uint16_t flags)
{
	uint8_t asked[256];

	routes_turn(w->r, w->now);
	for (ssize_t n; (n = recv(w->ends[1], asked, sizeof(asked), MSG_DONTWAIT)) > 0;) {
		struct nlmsghdr q;
		const struct rtgenmsg *g = (const void *)(asked + sizeof(q));

		memcpy(&q, asked, sizeof(q));
		assert_int_equal(q.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
		if (q.nlmsg_type == RTM_GETROUTE && g->rtgen_family == AF_INET && say)
			say(w);
		begin(NLMSG_DONE, flags);
		h->nlmsg_seq = q.nlmsg_seq;
		h->nlmsg_pid = 77;
		feed(w);
	}
}

/* Overlay `core` is interface 7 and port 3; forwarding is on; 10.0.0.2 and fe80::2 are there. */
static struct world *world_make(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->area = aligned_alloc(64, (fib_size() + 63) / 64 * 64);
	assert_non_null(w->area);
	memset(w->area, 0, fib_size()); /* as a memfd begins */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, w->ends), 0);
	w->now = 1000 * S;
	w->r = routes_new(w->area, fib_size(), w->ends[0]);
	assert_non_null(w->r);
	routes_port(w->r, 3, 7, "core");
	link_say(w, 7, IFF_UP, 0);
	netconf(w, AF_INET, 7, 1);
	netconf(w, AF_INET6, 7, 1);
	netconf(w, AF_INET6, (uint32_t)NETCONFA_IFINDEX_ALL, 1);
	kernel(w, NULL, 0);
	neighbour(w, "10.0.0.2", 7, mac_a, NUD_PERMANENT);
	neighbour(w, "fe80::2", 7, mac_b, NUD_REACHABLE);
	return w;
}

static void world_end(struct world *w)
{
	routes_free(w->r);
	close(w->ends[0]);
	close(w->ends[1]);
	free(w->area);
	free(w);
}

static bool live(const struct world *w)
{
	return fib_live(w->area, w->now);
}

/* What forward does for a packet: 0, the kernel's; else the last octet of the MAC address. */
static unsigned leads(const struct world *w, const char *to)
{
	const struct fib *f = w->area;
	uint8_t addr[16];
	uint32_t a;
	uint16_t hop;

	if (strchr(to, ':')) {
		inet_pton(AF_INET6, to, addr);
		hop = fib6_lookup(f, addr);
	} else {
		inet_pton(AF_INET, to, &a);
		hop = fib4_lookup(f, ntohl(a));
	}
	if (!(f->hops[hop].way >> FIB_HOP_PORT_SHIFT))
		return 0;
	assert_int_equal(f->hops[hop].way >> FIB_HOP_PORT_SHIFT, 3);
	assert_int_equal(f->hops[hop].mtu, 1400);
	return f->hops[hop].way & 0xff;
}

#define ROUTE(...) route(w, RTM_NEWROUTE, __VA_ARGS__)
#define GONE(...) route(w, RTM_DELROUTE, 0, __VA_ARGS__)

static void a_route_by_a_neighbour_in_an_overlay_leads_there(void **state)
{
	struct world *w = world_make();

	(void)state;
	assert_true(live(w));
	ROUTE(0, "192.0.2.0", 24, 0, "10.0.0.2", 7);
	ROUTE(0, "2001:db8::", 32, 1024, "fe80::2", 7);
	assert_int_equal(leads(w, "192.0.2.9"), 0xa);
	assert_int_equal(leads(w, "2001:db8::9"), 0xb);
	assert_int_equal(leads(w, "192.0.3.9"), 0);
	/* IPv4 by a next hop of IPv6. */
	route_begin(RTM_NEWROUTE, 0, "198.51.100.0", 24, 0);
	mnl_attr_put(h, RTA_VIA, 18, (const uint8_t[18]){AF_INET6, 0, 0xfe, 0x80, [17] = 2});
	mnl_attr_put_u32(h, RTA_OIF, 7);
	feed(w);
	assert_int_equal(leads(w, "198.51.100.1"), 0xb);
	GONE("192.0.2.0", 24, 0, "10.0.0.2", 7);
	assert_int_equal(leads(w, "192.0.2.9"), 0);
	world_end(w);
}

static void what_the_table_cannot_say_is_the_kernels(void **state)
{
	static const uint8_t types[] = {RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW,
					RTN_LOCAL};
	struct world *w = world_make();

	(void)state;
	ROUTE(0, "10.0.0.0", 8, 0, "10.0.0.2", 7);
	assert_int_equal(leads(w, "10.9.9.9"), 0xa);
	for (size_t i = 0; i < sizeof(types); i++) { /* of another type */
		route_begin(RTM_NEWROUTE, NLM_F_REPLACE, "10.9.9.0", 24, 0)->rtm_type = types[i];
		put_addr(RTA_GATEWAY, "10.0.0.2");
		mnl_attr_put_u32(h, RTA_OIF, 7);
		feed(w);
		assert_int_equal(leads(w, "10.9.9.9"), 0);
	}
	for (unsigned kind = 0; kind < 5; kind++) {
		struct rtmsg *m;

		ROUTE(NLM_F_REPLACE, "10.9.9.0", 24, 0, "10.0.0.2", 7);
		assert_int_equal(leads(w, "10.9.9.9"), 0xa);
		m = route_begin(RTM_NEWROUTE, NLM_F_REPLACE, "10.9.9.0", 24, 0);
		if (kind == 0)
			mnl_attr_put(h, RTA_MULTIPATH, 8, (const uint8_t[8]){8});
		else
			put_addr(RTA_GATEWAY, "10.0.0.2");
		if (kind == 1)
			mnl_attr_put_u32(h, RTA_ENCAP, 0);
		if (kind == 2)
			mnl_attr_put_u32(h, RTA_METRICS, 0);
		if (kind == 3)
			m->rtm_flags = RTNH_F_LINKDOWN;
		mnl_attr_put_u32(h, RTA_OIF,
				 kind == 4 ? 8 : 7); /* an interface that is no overlay */
		feed(w);
		assert_int_equal(leads(w, "10.9.9.9"), 0);
		assert_int_equal(leads(w, "10.9.8.9"), 0xa);
	}
	/* On the link: the address itself is the next hop. */
	ROUTE(NLM_F_REPLACE, "10.9.9.0", 24, 0, NULL, 7);
	assert_int_equal(leads(w, "10.9.9.9"), 0);
	/* A type of service: the route of the others is no answer for all. */
	ROUTE(0, "10.8.8.0", 24, 0, "10.0.0.2", 7);
	route_begin(RTM_NEWROUTE, 0, "10.8.8.0", 24, 0)->rtm_tos = 8;
	put_addr(RTA_GATEWAY, "10.0.0.2");
	mnl_attr_put_u32(h, RTA_OIF, 7);
	feed(w);
	assert_int_equal(leads(w, "10.8.8.8"), 0);
	world_end(w);
}

static void the_lowest_metric_holds_and_the_next_when_it_goes(void **state)
{
	struct world *w = world_make();

	(void)state;
	neighbour(w, "10.0.0.3", 7, mac_b, NUD_PERMANENT);
	ROUTE(0, "192.0.2.0", 24, 200, "10.0.0.3", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0xb);
	ROUTE(0, "192.0.2.0", 24, 20, "10.0.0.2", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	GONE("192.0.2.0", 24, 20, "10.0.0.2", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0xb);
	/* In place of it. */
	ROUTE(NLM_F_REPLACE, "192.0.2.0", 24, 200, "10.0.0.2", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	assert_int_equal(w->r->count, 1);
	/* Two of one metric: which one is the kernel's to say. */
	ROUTE(0, "192.0.2.0", 24, 200, "10.0.0.3", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	GONE("192.0.2.0", 24, 200, "10.0.0.2", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0xb);
	world_end(w);
}

static void one_of_several_ways_going_has_everything_read_again(void **state)
{
	struct world *w = world_make();

	(void)state;
	route_begin(RTM_NEWROUTE, 0, "2001:db8::", 32, 1024);
	mnl_attr_put(h, RTA_MULTIPATH, 8, (const uint8_t[8]){8});
	feed(w);
	assert_int_equal(leads(w, "2001:db8::1"), 0);
	assert_true(routes_deadline(w->r) <= w->now + S);
	GONE("2001:db8::", 32, 1024, "fe80::2", 7);
	assert_int_equal(w->r->count, 1);
	assert_int_equal(routes_deadline(w->r), w->now);
	kernel(w, NULL, 0);
	assert_int_equal(w->r->count, 0);
	world_end(w);
}

static void neighbours_come_change_and_go(void **state)
{
	struct world *w = world_make();

	(void)state;
	ROUTE(0, "192.0.2.0", 24, 0, "10.0.0.9", 7);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	neighbour(w, "10.0.0.9", 7, mac_a, NUD_REACHABLE);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	neighbour(w, "10.0.0.9", 7, mac_b, NUD_REACHABLE);
	assert_int_equal(leads(w, "192.0.2.1"), 0xb);
	neighbour(w, "10.0.0.9", 8, mac_a, NUD_REACHABLE); /* another interface's */
	assert_int_equal(leads(w, "192.0.2.1"), 0xb);
	/* The kernel asks again for who was not heard of for a while: it has to see packets. */
	neighbour(w, "10.0.0.9", 7, mac_b, NUD_STALE);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	neighbour(w, "10.0.0.9", 7, mac_b, NUD_REACHABLE);
	assert_int_equal(leads(w, "192.0.2.1"), 0xb);
	neighbour(w, "10.0.0.9", 7, mac_b, NUD_FAILED);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	GONE("192.0.2.0", 24, 0, "10.0.0.9", 7);
	assert_int_equal(w->r->hop_count, 2);
	world_end(w);
}

static void an_interface_that_is_down_enslaved_or_gone_takes_nothing(void **state)
{
	struct world *w = world_make();

	(void)state;
	ROUTE(0, "192.0.2.0", 24, 0, "10.0.0.2", 7);
	assert_int_equal(((struct fib *)w->area)->ports[3], FIB_PORT_FORWARD4 | FIB_PORT_FORWARD6);
	link_say(w, 7, 0, 0);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	assert_int_equal(((struct fib *)w->area)->ports[3], 0);
	/* And what the kernel took away without a word is found out. */
	assert_true(routes_deadline(w->r) <= w->now + S / 10);
	link_say(w, 7, IFF_UP, 0);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	link_say(w, 7, IFF_UP, 5);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	link_say(w, 7, IFF_UP, 0);
	w->now += S / 10;
	kernel(w, NULL, 0);
	assert_int_equal(w->r->count, 0);
	ROUTE(0, "192.0.2.0", 24, 0, "10.0.0.2", 7);
	neighbour(w, "10.0.0.2", 7, mac_a, NUD_PERMANENT);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	routes_port(w->r, 3, 0, "core");
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	world_end(w);
}

static void forwarding_is_what_the_kernel_says_it_is(void **state)
{
	struct world *w = world_make();
	const uint32_t *flags = &((struct fib *)w->area)->ports[3];

	(void)state;
	netconf(w, AF_INET, 7, 0);
	assert_int_equal(*flags, FIB_PORT_FORWARD6);
	netconf(w, AF_INET, 7, 1);
	netconf(w, AF_INET6, (uint32_t)NETCONFA_IFINDEX_ALL, 0);
	assert_int_equal(*flags, FIB_PORT_FORWARD4);
	netconf(w, AF_INET6, (uint32_t)NETCONFA_IFINDEX_ALL, 1);
	netconf(w, AF_INET6, 7, 0);
	assert_int_equal(*flags, FIB_PORT_FORWARD4);
	world_end(w);
}

static void say_one(struct world *w)
{
	ROUTE(NLM_F_MULTI, "192.0.2.0", 24, 0, "10.0.0.2", 7);
}

static void a_reading_finds_what_came_and_what_went(void **state)
{
	struct world *w = world_make();

	(void)state;
	ROUTE(0, "198.51.100.0", 24, 0, "10.0.0.2", 7);
	/* The kernel says that the table changed under its hands: nothing is taken for gone. */
	link_say(w, 99, 0, 0);
	w->now += S / 10;
	kernel(w, say_one, NLM_F_DUMP_INTR);
	assert_int_equal(leads(w, "198.51.100.1"), 0xa);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	assert_true(live(w));
	w->now += 2 * S;
	kernel(w, say_one, 0);
	assert_int_equal(w->r->count, 1);
	assert_int_equal(leads(w, "192.0.2.1"), 0); /* its neighbour was not named again */
	neighbour(w, "10.0.0.2", 7, mac_a, NUD_PERMANENT);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	assert_int_equal(leads(w, "198.51.100.1"), 0);
	world_end(w);
}

/* An overlay has no carrier before it has keys, and the kernel says of its routes that they lead nowhere.
 * That they do later it does not say. */
static void routes_of_an_overlay_lead_there_when_it_gets_its_carrier(void **state)
{
	struct world *w = world_make();
	struct rtmsg *m = route_begin(RTM_NEWROUTE, 0, "192.0.2.0", 24, 0);

	(void)state;
	m->rtm_flags = RTNH_F_LINKDOWN;
	put_addr(RTA_GATEWAY, "10.0.0.2");
	mnl_attr_put_u32(h, RTA_OIF, 7);
	feed(w);
	assert_int_equal(leads(w, "192.0.2.1"), 0);
	assert_true(routes_deadline(w->r) > w->now + S / 10);
	link_say(w, 7, IFF_UP | IFF_LOWER_UP, 0);
	assert_true(routes_deadline(w->r) <= w->now + S / 10);
	w->now += S / 10;
	kernel(w, say_one, 0);
	neighbour(w, "10.0.0.2", 7, mac_a, NUD_PERMANENT);
	assert_int_equal(w->r->count, 1);
	assert_int_equal(leads(w, "192.0.2.1"), 0xa);
	w->now += S;
	link_say(w, 7, IFF_UP, 0);
	assert_true(routes_deadline(w->r) <= w->now + S / 10);
	world_end(w);
}

static void the_table_is_live_only_while_it_is_true_and_its_writer_lives(void **state)
{
	struct world *w = world_make();

	(void)state;
	assert_true(live(w));
	w->now += 3 * S; /* nobody wrote: its writer is gone, or stuck */
	assert_false(live(w));
	routes_turn(w->r, w->now);
	assert_true(live(w));
	/* A local route that goes before longer ones. */
	route_begin(RTM_NEWROUTE, 0, "192.0.0.0", 16, 0)->rtm_table = RT_TABLE_LOCAL;
	feed(w);
	assert_false(live(w));
	routes_turn(w->r, w->now + S);
	assert_false(live(w));
	route_begin(RTM_DELROUTE, 0, "192.0.0.0", 16, 0)->rtm_table = RT_TABLE_LOCAL;
	feed(w);
	routes_turn(w->r, w->now + 2 * S);
	assert_true(live(w));
	routes_free(w->r);
	w->r = NULL;
	assert_false(live(w));
	world_end(w);
}

/* Of many: random changes against a naive list, now and then a reading. */
static void a_hundred_thousand_updates_end_where_the_kernel_is(void **state)
{
	static struct {
		bool there;
		uint8_t hop;
	} model[4096];
	struct world *w = world_make();
	char dst[32], via[32];
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 2; i < 10; i++) {
		uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(0x10 + i)};

		snprintf(via, sizeof(via), "10.0.0.%u", i);
		neighbour(w, via, 7, mac, NUD_PERMANENT);
	}
	for (unsigned i = 0; i < 100000; i++) {
		unsigned n, hop;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		n = (unsigned)(seed >> 33) % 4096;
		hop = 2 + (unsigned)(seed >> 50) % 8;
		snprintf(dst, sizeof(dst), "100.%u.%u.0", n >> 8, n & 255);
		if (model[n].there && seed >> 63) {
			snprintf(via, sizeof(via), "10.0.0.%u", model[n].hop);
			GONE(dst, 24, 20, via, 7);
			model[n].there = false;
			continue;
		}
		snprintf(via, sizeof(via), "10.0.0.%u", hop);
		ROUTE(NLM_F_REPLACE, dst, 24, 20, via, 7);
		model[n].there = true;
		model[n].hop = (uint8_t)hop;
	}
	for (unsigned n = 0; n < 4096; n++) {
		snprintf(dst, sizeof(dst), "100.%u.%u.7", n >> 8, n & 255);
		assert_int_equal(leads(w, dst), model[n].there ? 0x10u + model[n].hop : 0);
	}
	assert_true(live(w));
	world_end(w);
}

static void noise_changes_nothing_and_ends(void **state)
{
	struct world *w = world_make();
	uint64_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t types[] = {RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEIGH, RTM_NEWLINK,
				    RTM_NEWNETCONF};
		uint8_t noise[96];

		for (size_t k = 0; k < sizeof(noise); k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			noise[k] = (uint8_t)(seed >> 40 & (k & 1 ? 0x0f : 0x3f));
		}
		begin(types[i % 5], 0);
		memcpy(buf + sizeof(*h), noise, sizeof(noise));
		h->nlmsg_len = (uint32_t)(sizeof(*h) + i % sizeof(noise));
		routes_input(w->r, buf, h->nlmsg_len - i % 3, w->now);
	}
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_by_a_neighbour_in_an_overlay_leads_there),
		cmocka_unit_test(what_the_table_cannot_say_is_the_kernels),
		cmocka_unit_test(the_lowest_metric_holds_and_the_next_when_it_goes),
		cmocka_unit_test(one_of_several_ways_going_has_everything_read_again),
		cmocka_unit_test(neighbours_come_change_and_go),
		cmocka_unit_test(an_interface_that_is_down_enslaved_or_gone_takes_nothing),
		cmocka_unit_test(forwarding_is_what_the_kernel_says_it_is),
		cmocka_unit_test(a_reading_finds_what_came_and_what_went),
		cmocka_unit_test(routes_of_an_overlay_lead_there_when_it_gets_its_carrier),
		cmocka_unit_test(the_table_is_live_only_while_it_is_true_and_its_writer_lives),
		cmocka_unit_test(a_hundred_thousand_updates_end_where_the_kernel_is),
		cmocka_unit_test(noise_changes_nothing_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
