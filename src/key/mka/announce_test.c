/* What participants tell of themselves: suites, version, SSCIs; and how many of them fit. */
#include "key/mka/mka_lan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct mka_show show(struct lan *l, unsigned i)
{
	struct mka_show s;

	mka_show(l->nodes[i].m, &s);
	return s;
}

static struct lan *configured(unsigned n, void (*change)(struct mka_config *c, unsigned i))
{
	struct mka_config cfg[LAN_NODES] = {0};
	struct lan *l;

	for (unsigned i = 0; i < n; i++) {
		cfg[i] = lan_config(i);
		change(&cfg[i], i);
	}
	l = lan_new(n, cfg);
	for (unsigned i = 0; i < n; i++)
		lan_start(l, i);
	return l;
}

static void second_takes_128_only(struct mka_config *c, unsigned i)
{
	if (i)
		c->accept_suites = 1u << MACSEC_GCM_AES_128;
}

static void suites_that_do_not_fit_are_told_of(void **state)
{
	struct lan *l = configured(2, second_takes_128_only);
	struct mka_show s;

	(void)state;
	/* A SAK nobody takes is distributed with every hello; announcements go with the others. */
	lan_run(l, l->now + 20 * NS_PER_S);
	s = show(l, 0);
	assert_false(s.secured);
	assert_int_equal(s.peer_count, 1);
	assert_true(s.peers[0].announced);
	assert_int_equal(s.peers[0].suites, 1u << MACSEC_GCM_AES_128);
	assert_int_equal(s.peers[0].version, 3);
	s = show(l, 1);
	assert_true(s.peers[0].announced);
	assert_int_equal(s.peers[0].suites, (1u << MACSEC_SUITE_COUNT) - 1);
	assert_true(s.results[MKA_SAK_REFUSED]);
	lan_free(l);
}

/* The SSCIs that everybody has for everybody, as one. */
static void check_sscis(struct lan *l, const uint32_t want[3])
{
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_true(lan_agreed(l)); /* SSCIs and salts on both sides fit */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(lan_transmit_sa(&l->nodes[i])->ssci, want[i]);
}

static void as_standard(struct mka_config *c, unsigned i)
{
	c->priority = i == 1 ? 0 : 9; /* the key server's SCI is the one in the middle */
}

static void by_list(struct mka_config *c, unsigned i)
{
	as_standard(c, i);
	c->ssci_order = MKA_SSCI_LIST;
}

static void server_by_list(struct mka_config *c, unsigned i)
{
	as_standard(c, i);
	c->ssci_order = i == 1 ? MKA_SSCI_LIST : MKA_SSCI_AUTO;
}

static void by_sci(struct mka_config *c, unsigned i)
{
	as_standard(c, i);
	c->ssci_order = i == 1 ? MKA_SSCI_AUTO : MKA_SSCI_SCI;
}

static void sscis_count_up_over_scis_that_go_down(void **state)
{
	struct lan *l = configured(3, as_standard);

	(void)state;
	check_sscis(l, (const uint32_t[]){3, 2, 1});
	lan_free(l);
}

static void by_the_list_the_key_server_is_first(void **state)
{
	struct lan *l = configured(3, by_list);

	(void)state;
	check_sscis(l, (const uint32_t[]){3, 1, 2});
	lan_free(l);
}

static void version_3_follows_a_list_in_any_order(void **state)
{
	struct lan *l = configured(3, server_by_list);

	(void)state;
	check_sscis(l, (const uint32_t[]){3, 1, 2});
	lan_free(l);
}

static void counting_by_sci_gives_the_same_as_the_standards_list(void **state)
{
	struct lan *l = configured(3, by_sci);

	(void)state;
	check_sscis(l, (const uint32_t[]){3, 2, 1});
	lan_free(l);
}

static void disagreeing_orders_do_not_hear_each_other(void **state)
{
	struct mka_config cfg[3];
	struct lan *l;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		cfg[i] = lan_config(i);
		as_standard(&cfg[i], i);
		cfg[i].ssci_order = i == 1 ? MKA_SSCI_LIST : MKA_SSCI_SCI;
	}
	l = lan_new(3, cfg);
	for (unsigned i = 0; i < 3; i++)
		lan_start(l, i);
	assert_false(lan_until(l, lan_agreed, 20 * NS_PER_S));
	lan_free(l);
}

static void narrow(struct mka_config *c, unsigned i)
{
	(void)i;
	c->mtu = 204 + 2 * MKPDU_PEER_LEN; /* two peers */
	memset(c->keys[0].ckn, 'n', MKA_CKN_MAX);
	c->keys[0].ckn_len = MKA_CKN_MAX;
}

static void one_more_than_fits_is_refused_and_no_frame_is_longer_than_the_mtu(void **state)
{
	struct mka_config cfg[4];
	struct lan *l;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		cfg[i] = lan_config(i);
		narrow(&cfg[i], i);
	}
	l = lan_new(4, cfg);
	for (unsigned i = 0; i < 3; i++)
		lan_start(l, i);
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_start(l, 3);
	for (unsigned i = 0; i < 200; i++) {
		lan_run(l, l->now + NS_PER_S / 5);
		for (unsigned j = 0; j < 4; j++)
			assert_true(l->last[j].len <= 14u + cfg[0].mtu);
	}
	l->nodes[3].up = false;
	assert_true(lan_agreed(l));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(show(l, i).results[MKA_TOO_MANY_PEERS]);
		assert_int_equal(show(l, i).peers_max, 2);
	}
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suites_that_do_not_fit_are_told_of),
		cmocka_unit_test(sscis_count_up_over_scis_that_go_down),
		cmocka_unit_test(by_the_list_the_key_server_is_first),
		cmocka_unit_test(version_3_follows_a_list_in_any_order),
		cmocka_unit_test(counting_by_sci_gives_the_same_as_the_standards_list),
		cmocka_unit_test(disagreeing_orders_do_not_hear_each_other),
		cmocka_unit_test(one_more_than_fits_is_refused_and_no_frame_is_longer_than_the_mtu),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/mka/announce", tests, NULL, NULL);
}
