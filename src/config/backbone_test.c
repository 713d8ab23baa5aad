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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_dcs_is_one_macsec_overlay_of_four),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
