/* What is said of MKA in words: whose suites do not fit, what is kept, suspended or too many. */
#include "base/clock.h"
#include "myelind/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define NOW (1000 * NS_PER_S)

static struct bb_overlay overlay = {.name = "core",
				    .keying = BB_MKA,
				    .macsec.suite = MACSEC_GCM_AES_XPN_256,
				    .mka.keep_sak_ns = 600 * NS_PER_S};
static struct plan_secy plan = {.o = &overlay};
static struct control_secy secy = {.plan = &plan};

static void suites_that_do_not_fit_are_named_with_their_peer(void **state)
{
	struct mka_show m = {.key_server = true, .peer_count = 3};
	char said[640] = "";

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		m.peers[i] = (struct mka_peer_show){.sci = 0x0200000000000001u + i,
						    .live = true,
						    .announced = true,
						    .suites = 0xf};
	assert_false(show_mka_misfit(&secy, &m, said, sizeof(said)));
	m.peers[1].suites = 1 << MACSEC_GCM_AES_128 | 1 << MACSEC_GCM_AES_256;
	assert_true(show_mka_misfit(&secy, &m, said, sizeof(said)));
	assert_string_equal(said, "peer 0200000000000002 does not take GCM-AES-XPN-256, which this "
				  "key server distributes; it announces GCM-AES-128, GCM-AES-256: "
				  "set `macsec { cipher-suite }` to one that all have");
	m.peers[1].suites = 0;
	m.peers[1].suites_unknown = 2;
	assert_true(show_mka_misfit(&secy, &m, said, sizeof(said)));
	assert_non_null(strstr(said, "it announces none known here"));
	m.peers[1].announced = false; /* it may well take it */
	assert_false(show_mka_misfit(&secy, &m, said, sizeof(said)));
	m.peers[1].announced = true;
	m.peers[1].live = false;
	assert_false(show_mka_misfit(&secy, &m, said, sizeof(said)));
	m.peers[1].live = true;
	m.key_server = false; /* another's to choose */
	assert_false(show_mka_misfit(&secy, &m, said, sizeof(said)));
}

static void what_is_worth_knowing_is_said_though_traffic_passes(void **state)
{
	struct mka_show m = {.peers_max = 80};
	char said[640] = "";

	(void)state;
	show_mka_note(&secy, &m, NOW, said, sizeof(said));
	assert_string_equal(said, "");
	m.results[MKA_TOO_MANY_PEERS] = 7;
	show_mka_note(&secy, &m, NOW, said, sizeof(said));
	assert_string_equal(said, "a participant more than the 80 that fit this port's MTU was "
				  "refused 7 times: give it an overlay of its own");
	m.suspended_until_ns = NOW + 30 * NS_PER_S;
	show_mka_note(&secy, &m, NOW, said, sizeof(said));
	assert_string_equal(said, "the CA is suspended for up to 30 s");
	m.alone_since_ns = NOW - 60 * NS_PER_S;
	show_mka_note(&secy, &m, NOW, said, sizeof(said));
	assert_string_equal(said,
			    "no peer is live: the SAK is kept for another 540 s by `keep-sak`, "
			    "which is not of the standard");
}

static void fields_are_null_where_nothing_is_under_way(void **state)
{
	struct mka_show m = {.version = 3, .peers_max = 80};
	struct mka_peer_show p = {.version = 1};
	struct js *o = js_object(), *e = js_object();

	(void)state;
	show_mka_put(o, &overlay.mka, &m, NOW);
	assert_int_equal(js_u64(o, "version"), 3);
	assert_null(js_get(o, "suspended"));
	assert_null(js_get(o, "suspension-asked"));
	assert_null(js_get(o, "sak-kept"));
	assert_string_equal(js_text(o, "ssci-order"), "auto");
	show_mka_peer_put(e, &p, NOW);
	assert_null(js_get(e, "suites"));
	assert_false(js_bool(e, "can-suspend"));
	js_free(o);
	js_free(e);
	o = js_object();
	m.alone_since_ns = NOW - 60 * NS_PER_S;
	m.suspend_ask_ns = NOW + NS_PER_S / 2;
	show_mka_put(o, &overlay.mka, &m, NOW);
	assert_int_equal(js_u64(o, "sak-kept"), 540);
	assert_int_equal(js_u64(o, "suspension-asked"), 1);
	js_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suites_that_do_not_fit_are_named_with_their_peer),
		cmocka_unit_test(what_is_worth_knowing_is_said_though_traffic_passes),
		cmocka_unit_test(fields_are_null_where_nothing_is_under_way),
	};

	return cmocka_run_group_tests_name("myelind/show_mka", tests, NULL, NULL);
}
