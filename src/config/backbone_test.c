/* backbone: what the file means, as the other folders see it. */
#include "config/backbone.h"
#include "config/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct conf *read_ok(const char *path)
{
	struct conf_errors errs;
	struct conf *c = conf_read_file(path, &errs);

	conf_errors_print(&errs, stderr);
	assert_int_equal(errs.count, 0);
	assert_non_null(c);
	return c;
}

static void four_dcs_is_one_macsec_overlay_of_four(void **state)
{
	struct conf *c = read_ok(EXAMPLES "/four-dcs.conf");
	struct backbone *b = backbone_new(c);
	const struct bb_overlay *o;

	(void)state;
	assert_non_null(b);
	assert_string_equal(b->name, "four-dcs");
	assert_int_equal(b->site_count, 4);
	assert_int_equal(b->node_count, 4);
	assert_int_equal(b->overlay_count, 1);
	o = &b->overlays[0];
	assert_string_equal(o->name, "core");
	assert_null(o->unsupported);
	assert_int_equal(o->design, BB_MACSEC);
	assert_int_equal(o->keying, BB_MKA);
	assert_int_equal(o->macsec.suite, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(o->macsec.window, 1024);
	assert_true(o->macsec.replay_protect);
	assert_int_equal(o->mka.hello_ns, 2000000000);
	assert_int_equal(o->mka.life_ns, 6000000000);
	assert_int_equal(o->mka.rekey_ns, 0);
	assert_string_equal(o->mka.key_chain, "core-cak");
	assert_int_equal(o->member_count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct bb_member *m = &o->members[i];

		assert_ptr_equal(m->node, &b->nodes[i]);
		assert_non_null(m->port);
		assert_ptr_equal(m->port->service, &b->services[0]);
		assert_true(m->has_address);
		assert_int_equal(m->address.len, 24);
		assert_memory_equal(m->address.addr, ((uint8_t[]){10, 255, 0, (uint8_t)(i + 1)}),
				    4);
		assert_int_equal(m->node->port_count, 2);
	}
	assert_int_equal(backbone_overlay_mtu(o), 1568);
	assert_ptr_equal(backbone_node(b, "sin1"), &b->nodes[2]);
	assert_null(backbone_node(b, "sin2"));
	backbone_free(b);
	conf_free(c);
}

static void ports_of_one_interface_have_tags_and_identifiers_of_their_own(void **state)
{
	struct conf *c = read_ok(EXAMPLES "/qinq.conf");
	struct backbone *b = backbone_new(c);
	const struct bb_port *fra, *ams, *par;

	(void)state;
	fra = backbone_node(b, "fra1")->ports;
	ams = backbone_node(b, "ams1")->ports;
	par = backbone_node(b, "par1")->ports;
	assert_null(fra[0].unsupported);
	assert_int_equal(fra[0].vlan, 100);
	assert_int_equal(fra[0].outer_vlan, 2000);
	assert_int_equal(fra[0].outer_type, 0x88a8);
	assert_int_equal(fra[0].port_id, backbone_port_id(2000, 100));
	assert_int_equal(fra[1].outer_type, 0);
	assert_int_equal(fra[1].port_id, 300);
	assert_int_equal(ams[0].outer_type, 0x8100);
	assert_int_equal(par[0].vlan, 0);
	assert_int_equal(par[0].port_id, 1);
	assert_int_equal(backbone_overlay_mtu(&b->overlays[0]), 1568);
	backbone_free(b);
	conf_free(c);
}

/* The usual ways to number: one outer VLAN and many inner ones, or the other way round, or the
 * two counting up together; and none looks like a single tag's. */
static void identifiers_of_two_tags_differ_where_vlans_are_numbered_as_usual(void **state)
{
	static uint8_t inner[65536], outer[65536], both[65536];

	(void)state;
	for (uint16_t v = 1; v <= 4094; v++) {
		assert_int_equal(inner[backbone_port_id(200, v)]++, 0);
		assert_int_equal(outer[backbone_port_id(v, 100)]++, 0);
		assert_int_equal(both[backbone_port_id(v, v)]++, 0);
		assert_true(backbone_port_id(200, v) >= 0x8000);
		assert_int_equal(backbone_port_id(0, v), v);
	}
	for (uint16_t o = 100; o < 108; o++)
		for (uint16_t v = 100; v < 108; v++) {
			const uint16_t id = backbone_port_id(o, v);

			for (uint16_t p = 100; p < 108; p++)
				for (uint16_t w = 100; w < 108; w++)
					assert_true((p == o && w == v) ||
						    backbone_port_id(p, w) != id);
		}
}

static void an_identifier_of_ones_own_is_taken_as_it_is(void **state)
{
	struct conf_errors errs;
	const char text[] =
		"backbone b; site s; service w type ethernet;"
		"node n { site s; id 1; port p { interface e; vlan 7; service w; port-id 1; } }";
	struct conf *c = conf_read("x", text, sizeof(text) - 1, &errs);
	struct backbone *b = backbone_new(c);

	(void)state;
	assert_int_equal(b->nodes[0].ports[0].port_id, 1);
	backbone_free(b);
	conf_errors_free(&errs);
	conf_free(c);
}

/* What is said of a file with one mistake. */
static void assert_told(const char *text, const char *what)
{
	struct conf_errors errs;

	assert_null(conf_read("x", text, strlen(text), &errs));
	assert_int_equal(errs.count, 1);
	assert_non_null(strstr(errs.v[0].text, what));
	conf_errors_free(&errs);
}

#define PAIR                                                                                       \
	"backbone b; site s; service w type ethernet; "                                            \
	"node n { site s; id 1; port p { interface e; service w; } } "                             \
	"node m { site s; id 2; port p { interface e; service w; } } "

static void should_secure_goes_with_mka_and_without_a_bridge(void **state)
{
	struct conf_errors errs;
	const char good[] =
		PAIR "overlay o { design macsec; over w; mka key-chain k; macsec should-secure; }";
	struct conf *c = conf_read("x", good, sizeof(good) - 1, &errs);
	struct backbone *b = backbone_new(c);

	(void)state;
	assert_true(b->overlays[0].macsec.should_secure);
	backbone_free(b);
	conf_errors_free(&errs);
	conf_free(c);
	assert_told(
		PAIR
		"overlay o { design macsec; over w; keying psk; auth psk k; macsec should-secure; }",
		"goes with keying mka only");
	assert_told(PAIR
		    "overlay o { design macsec; over w; mka key-chain k; macsec should-secure; } "
		    "node n port l { interface f; lan; bridge o; }",
		    "takes nothing in clear: no `should-secure` there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_dcs_is_one_macsec_overlay_of_four),
		cmocka_unit_test(ports_of_one_interface_have_tags_and_identifiers_of_their_own),
		cmocka_unit_test(identifiers_of_two_tags_differ_where_vlans_are_numbered_as_usual),
		cmocka_unit_test(an_identifier_of_ones_own_is_taken_as_it_is),
		cmocka_unit_test(should_secure_goes_with_mka_and_without_a_bridge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
