/* plan: what a lab is made of, from small backbones. */
#include "lab/plan.h"

#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD                                                                                       \
	"backbone t; service wave { type ethernet; mtu 1600; }\n"                                  \
	"site fra { location 50.11,8.68; networks 10.10.0.0/16; }\n"                               \
	"site nyc { location 40.71,-74.01; networks 10.20.0.0/16; }\n"
#define OVERLAY                                                                                    \
	"overlay core { design macsec; keying mka; over wave; subnet 10.255.0.0/24;"               \
	" mka { key-chain k; destination broadcast; ethertype 0x876f; } }\n"

struct fixture {
	struct conf *conf;
	struct backbone *b;
	struct plan *p;
	char *carrier;
};

static struct fixture make(const char *text)
{
	struct conf_errors errs = {0};
	struct fixture f = {0};
	size_t size;
	FILE *out;

	f.conf = conf_read("t.conf", text, strlen(text), &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	assert_non_null(f.conf);
	f.b = backbone_new(f.conf);
	f.p = plan_new(f.b, NULL);
	assert_non_null(f.p);
	for (size_t i = 0; i < f.p->wire_count; i++)
		f.p->wires[i].fd = (int)(10 + i);
	out = open_memstream(&f.carrier, &size);
	plan_print_carrier(f.p, out);
	fclose(out);
	return f;
}

static void drop(struct fixture *f)
{
	free(f->carrier);
	plan_free(f->p);
	backbone_free(f->b);
	conf_free(f->conf);
}

static void a_host_stands_behind_each_site_with_its_node_as_gateway(void **state)
{
	struct fixture f =
		make(HEAD "node fra1 { id 1; site fra; port wan { interface eth1; service wave; }"
			  " port lan { interface eth0; lan; address 10.10.0.1/16; } }\n"
			  "node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; }"
			  " port lan { interface eth0; lan; address 10.20.0.10/16; } }\n" OVERLAY);
	char a[46];

	(void)state;
	assert_int_equal(f.p->host_count, 2);
	assert_string_equal(f.p->hosts[0].name, "host-fra");
	assert_string_equal(f.p->hosts[0].netns, "t.host-fra");
	assert_string_equal(plan_address(&f.p->hosts[0].address[0], a), "10.10.0.10");
	assert_string_equal(plan_address(&f.p->hosts[0].gateway[0], a), "10.10.0.1");
	/* Number 10 is the node's here. */
	assert_string_equal(plan_address(&f.p->hosts[1].address[0], a), "10.20.0.11");
	drop(&f);
}

static void two_nodes_of_a_site_share_its_host(void **state)
{
	struct fixture f =
		make(HEAD "node fra1 { id 1; site fra; port wan { interface eth1; service wave; }"
			  " port lan { interface eth0; lan; address 10.10.0.1/16; } }\n"
			  "node fra2 { id 2; site fra; port wan { interface eth1; service wave; }"
			  " port lan { interface eth0; lan; address 10.10.0.2/16; } }\n" OVERLAY);

	(void)state;
	assert_int_equal(f.p->host_count, 1);
	assert_int_equal(f.p->hosts[0].cable_count, 2);
	assert_int_equal(f.p->cable_count, 2);
	drop(&f);
}

static void the_carrier_gets_ports_delays_and_ether_types(void **state)
{
	struct fixture f = make(
		HEAD
		"node fra1 { id 1; site fra; port wan { interface eth1; service wave; } }\n"
		"node nyc1 { id 200; site nyc; port wan { interface wan0; vlan 100; service wave; } }\n" OVERLAY);

	(void)state;
	assert_non_null(strstr(f.carrier, "service wave e-lan 0 1600 0 0 0 0 0 0\n"));
	assert_non_null(strstr(f.carrier, "tap fra1 eth1 10\ntap nyc1 wan0 11\n"));
	assert_non_null(strstr(f.carrier, "port 0 0 fra1 wan 0 0 0 0 876f,0,0,0\n"));
	assert_non_null(strstr(f.carrier, "port 0 1 nyc1 wan 100 0 0 0 876f,0,0,0\n"));
	assert_non_null(strstr(f.carrier, "delay 0 1 434"));
	/* The address holds the node's id; the MTU leaves room for the tag. */
	assert_memory_equal(f.p->wires[1].mac, "\x02my\x00\xc8\x00", 6);
	assert_int_equal(f.p->wires[0].mtu, 1600);
	assert_int_equal(f.p->wires[1].mtu, 1604);
	drop(&f);
}

static void the_carrier_is_told_how_to_behave(void **state)
{
	struct fixture f = make(
		HEAD
		"service sea { type ethernet; topology e-line; emulate { loss 0.1%; reorder 1%;"
		" duplicate 0.01%; jitter 2ms; rate 100Mbit; burst 65536; tunnel-reserved; } }\n"
		"service air { type ethernet; mtu 9000; emulate rate 1Gbit; }\n"
		"node fra1 { id 1; site fra; port wan { interface eth1; service wave; } }\n"
		"node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; } }\n" OVERLAY);

	(void)state;
	assert_non_null(strstr(f.carrier, "service sea e-line 1 1500 1000 10000 100 2000000 "
					  "100000000 65536\n"));
	assert_non_null(strstr(f.carrier, "service air e-lan 0 9000 0 0 0 0 1000000000 131072\n"));
	drop(&f);
}

static void two_services_on_one_cable_are_one_interface(void **state)
{
	struct fixture f = make(
		HEAD
		"service sea type ethernet;\n"
		"node fra1 { id 1; site fra; port a { interface eth1; vlan 100; service wave; }"
		" port b { interface eth1; outer-vlan 300; vlan 200; service sea; } }\n"
		"node nyc1 { id 2; site nyc; port a { interface eth1; vlan 100; service wave; } }\n" OVERLAY);

	(void)state;
	assert_int_equal(f.p->wire_count, 2);
	assert_non_null(strstr(f.carrier, "port 0 0 fra1 a 100 "));
	assert_non_null(strstr(f.carrier, "port 1 0 fra1 b 200 300 88a8 "));
	assert_non_null(strstr(f.carrier, "port 0 1 nyc1 a 100 "));
	drop(&f);
}

static void delays_follow_the_scale(void **state)
{
	struct fixture f = make(
		HEAD
		"node fra1 { id 1; site fra; port wan { interface eth1; service wave; } }\n"
		"node nyc1 { id 2; site nyc; port wan { interface eth1; service wave; } }\n" OVERLAY);
	uint64_t real = plan_delay_ns(f.p, &f.b->sites[0], &f.b->sites[1]);

	(void)state;
	assert_in_range(real, 43000000, 44000000);
	f.p->delay_scale = 0.5;
	assert_int_equal(plan_delay_ns(f.p, &f.b->sites[0], &f.b->sites[1]), real / 2);
	f.p->delay_scale = 0;
	assert_int_equal(plan_delay_ns(f.p, &f.b->sites[0], &f.b->sites[1]), 0);
	drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_stands_behind_each_site_with_its_node_as_gateway),
		cmocka_unit_test(two_nodes_of_a_site_share_its_host),
		cmocka_unit_test(the_carrier_gets_ports_delays_and_ether_types),
		cmocka_unit_test(the_carrier_is_told_how_to_behave),
		cmocka_unit_test(two_services_on_one_cable_are_one_interface),
		cmocka_unit_test(delays_follow_the_scale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
