/* mkpdu: each parameter set to the bit, and lengths at their edges. */
#include "wire/mkpdu.h"

#include "wire/macsec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t mi[MKPDU_MI_LEN] = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5,
					 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab};

static struct mkpdu basic(void)
{
	return (struct mkpdu){
		.version = 3,
		.priority = 0x10,
		.capability = MKPDU_CAPABLE_CONF_0,
		.key_server = true,
		.desired = true,
		.sci = 0x0200000000010001,
		.mi = mi,
		.mn = 0x01020304,
		.agility = MKPDU_AGILITY,
		.ckn = (const uint8_t *)"abcde",
		.ckn_len = 5,
	};
}

/* What comes after the basic parameter set of 40 octets. */
static size_t build(const struct mkpdu *p, uint8_t out[512])
{
	struct wr w = wr_init(out, 512);

	mkpdu_build(p, &w);
	assert_false(w.bad);
	return wr_len(&w);
}

static void check_set(const struct mkpdu *p, const uint8_t *want, size_t n)
{
	uint8_t out[512];

	assert_int_equal(build(p, out), 40 + n);
	assert_memory_equal(out + 40, want, n);
}

static void basic_parameter_set_to_the_bit(void **state)
{
	const uint8_t want[] = {3,    0x10, 0xe0, 33,   2,    0,    0,    0,    0,    1,
				0,    1,    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
				0xa8, 0xa9, 0xaa, 0xab, 1,    2,    3,    4,    0,    0x80,
				0xc2, 1,    'a',  'b',  'c',  'd',  'e',  0,    0,    0};
	struct mkpdu p = basic();
	uint8_t out[512];

	(void)state;
	assert_int_equal(build(&p, out), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	p.key_server = p.desired = false;
	p.capability = 0;
	build(&p, out);
	assert_int_equal(out[2], 0);
}

static void live_list_carries_the_key_servers_ssci(void **state)
{
	const uint8_t list[32] = {1, 2, 3};
	const uint8_t head[] = {1, 7, 0, 32};
	struct mkpdu p = basic();
	uint8_t out[512];

	(void)state;
	p.present = 1u << MKPDU_LIVE;
	p.live = (struct mkpdu_list){list, 2, 7};
	assert_int_equal(build(&p, out), 40 + 36);
	assert_memory_equal(out + 40, head, 4);
	assert_memory_equal(out + 44, list, 32);
}

static void sak_use_flags_each_in_its_place(void **state)
{
	struct mkpdu p = basic();
	uint8_t out[512];

	(void)state;
	p.present = 1u << MKPDU_SAK_USE;
	p.use.latest = (struct mkpdu_key_use){.mi = mi, .kn = 5, .lpn = 6, .an = 2, .tx = true};
	p.use.old = (struct mkpdu_key_use){.kn = 7, .lpn = 8, .an = 1, .rx = true};
	assert_int_equal(build(&p, out), 40 + 44);
	assert_int_equal(out[40], 3);
	assert_int_equal(out[41], 0xa5); /* AN 2, tx; AN 1, rx */
	assert_int_equal(out[42], 0);
	assert_int_equal(out[43], 40);
	assert_memory_equal(out + 44, mi, 12);
	assert_int_equal(out[59], 5);
	assert_int_equal(out[63], 6);
	assert_int_equal(out[79], 7);
	assert_int_equal(out[83], 8);
	p.use.plain_tx = true;
	build(&p, out);
	assert_int_equal(out[42], 0x80);
	p.use.plain_tx = false;
	p.use.plain_rx = true;
	build(&p, out);
	assert_int_equal(out[42], 0x40);
	p.use.plain_rx = false;
	p.use.delay_protect = true;
	build(&p, out);
	assert_int_equal(out[42], 0x10);
	p.use.empty = true;
	assert_int_equal(build(&p, out), 44);
}

static void distributed_sak_in_both_layouts(void **state)
{
	uint8_t wrapped[40];
	uint8_t want[56] = {4, 0xd0, 0, 28, 0, 0, 0, 9};
	struct mkpdu p = basic();

	(void)state;
	memset(wrapped, 0x77, sizeof(wrapped));
	p.present = 1u << MKPDU_DIST_SAK;
	p.sak.an = 3;
	p.sak.offset = MKPDU_CONF_0;
	p.sak.kn = 9;
	p.sak.suite = macsec_suites[MACSEC_GCM_AES_128].id;
	p.sak.wrapped = wrapped;
	p.sak.wrapped_len = 24;
	memset(want + 8, 0x77, 24);
	check_set(&p, want, 32);
	p.sak.suite = macsec_suites[MACSEC_GCM_AES_XPN_256].id;
	p.sak.wrapped_len = 40;
	want[3] = 52;
	memcpy(want + 8, (const uint8_t[]){0, 0x80, 0xc2, 0, 1, 0, 0, 4}, 8);
	memset(want + 16, 0x77, 40);
	check_set(&p, want, 56);
}

static void xpn_set_carries_the_upper_halves(void **state)
{
	const uint8_t want[] = {8, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2};
	struct mkpdu p = basic();

	(void)state;
	p.present = 1u << MKPDU_XPN;
	p.xpn.latest_lpn = 1;
	p.xpn.old_lpn = 2;
	check_set(&p, want, sizeof(want));
}

static void suspension_time_stands_in_the_xpn_set(void **state)
{
	const uint8_t want[] = {8, 120, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0};
	struct mkpdu p = basic();

	(void)state;
	p.present = 1u << MKPDU_XPN;
	p.xpn.suspension = 120;
	check_set(&p, want, sizeof(want));
}

static void announced_suites_to_the_bit_and_read_back(void **state)
{
	const struct mkpdu_suite suites[] = {
		{macsec_suites[MACSEC_GCM_AES_128].id, MKPDU_CAPABLE_CONF},
		{macsec_suites[MACSEC_GCM_AES_XPN_256].id, MKPDU_CAPABLE_CONF_0}};
	const uint8_t want[28] = {7, 0, 0, 22, 0xe0, 20,   0,    3, 0, 0x80, 0xc2, 0, 1, 0,
				  0, 1, 0, 2,  0,    0x80, 0xc2, 0, 1, 0,    0,    4, 0, 0};
	uint8_t tlvs[64], out[512] = {0};
	struct wr w = wr_init(tlvs, sizeof(tlvs));
	struct mkpdu p = basic(), q;
	struct mkpdu_suite suite;
	struct mkpdu_tlv t;
	struct rd r;
	size_t n;

	(void)state;
	mkpdu_tlv_suites(&w, suites, 2);
	p.present = 1u << MKPDU_ANNOUNCEMENT;
	p.announcement.tlvs = tlvs;
	p.announcement.len = (uint16_t)wr_len(&w);
	check_set(&p, want, sizeof(want));
	n = build(&p, out) + MKPDU_ICV_LEN;
	assert_int_equal(mkpdu_parse(&q, out, n), 0);
	r = rd_init(q.announcement.tlvs, q.announcement.len);
	assert_true(mkpdu_tlv_next(&r, &t));
	assert_int_equal(t.type, MKPDU_TLV_SUITES);
	assert_int_equal(t.len, 20);
	assert_false(mkpdu_tlv_next(&r, &t));
	assert_true(rd_done(&r));
	r = rd_init(t.v, t.len);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(mkpdu_suite_next(&r, &suite));
		assert_int_equal(suite.id, suites[i].id);
		assert_int_equal(suite.capability, suites[i].capability);
	}
	assert_false(mkpdu_suite_next(&r, &suite));
}

static void announcements_with_a_tlv_that_cannot_be_are_refused(void **state)
{
	static const struct {
		uint8_t len, v[16];
		bool good;
	} rows[] = {
		{4, {0xde, 2, 0x80, 1}, true},     /* access information */
		{1, {0xe0}, false},                /* half a head */
		{4, {0xe0, 3, 0, 0}, false},       /* longer than the set */
		{6, {0xe0, 4, 0, 0, 0, 0}, false}, /* not whole suites */
		{2, {0xe0, 0}, true},              /* no suites at all */
		{5, {0xde, 3, 0, 0, 0}, true},     /* longer than the edition at hand has it */
		{4, {0xfe, 2, 0, 0}, true},        /* organizationally specific */
		{4, {0xe1, 2, 0, 0}, false},       /* the ninth bit of the length */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mkpdu p = basic(), q;
		uint8_t out[512] = {0};
		bool good = rows[i].good;
		size_t n;

		p.present = 1u << MKPDU_ANNOUNCEMENT;
		p.announcement.tlvs = rows[i].v;
		p.announcement.len = rows[i].len;
		n = build(&p, out) + MKPDU_ICV_LEN;
		assert_int_equal(mkpdu_parse(&q, out, n), good ? 0 : -EBADMSG);
	}
}

static void ckn_is_found_in_every_length_it_may_have(void **state)
{
	uint8_t ckn[33], out[512];

	(void)state;
	memset(ckn, 'k', sizeof(ckn));
	for (uint8_t n = 0; n <= 33; n++) {
		struct mkpdu p = basic();
		const uint8_t *found;
		uint32_t agility;
		uint8_t len;
		size_t body;

		p.ckn = ckn;
		p.ckn_len = n;
		body = build(&p, out) + MKPDU_ICV_LEN;
		found = mkpdu_ckn(out, body, &len, &agility);
		assert_int_equal(found != NULL, n >= 1 && n <= 32);
		if (!found)
			continue;
		assert_int_equal(len, n);
		assert_int_equal(agility, MKPDU_AGILITY);
		assert_null(mkpdu_ckn(out, body - 4, &len, &agility)); /* no room for the ICV */
	}
}

/* Room for one more would be too much: built, not counted. */
static void peers_that_fit_fill_the_mtu_and_no_more(void **state)
{
	static const uint8_t list[128 * MKPDU_PEER_LEN], wrapped[MKPDU_WRAPPED_MAX], ckn[32];
	static const unsigned mtus[] = {300, 576, 1280, 1400, 1480};

	(void)state;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		unsigned fit = mkpdu_peers_fit(mtus[i]);
		struct mkpdu p = basic();
		uint8_t out[2048];
		struct wr w = wr_init(out, sizeof(out));
		size_t len;

		p.ckn = ckn;
		p.ckn_len = sizeof(ckn);
		p.present = 1u << MKPDU_LIVE | 1u << MKPDU_POTENTIAL | 1u << MKPDU_SAK_USE |
			    1u << MKPDU_DIST_SAK | 1u << MKPDU_XPN;
		p.live = (struct mkpdu_list){.v = list, .count = fit};
		p.sak.wrapped = wrapped;
		p.sak.wrapped_len = sizeof(wrapped);
		p.sak.suite = macsec_suites[MACSEC_GCM_AES_XPN_256].id;
		mkpdu_build(&p, &w);
		assert_false(w.bad);
		len = EAPOL_HEAD_LEN + wr_len(&w) + MKPDU_ICV_LEN;
		assert_in_range(len, mtus[i] - MKPDU_PEER_LEN + 1, mtus[i]);
	}
	assert_int_equal(mkpdu_peers_fit(1500), MKPDU_PEERS_MAX);
	assert_int_equal(mkpdu_peers_fit(9000), MKPDU_PEERS_MAX);
	assert_int_equal(mkpdu_peers_fit(0), MKPDU_PEERS_MAX);
	assert_int_equal(mkpdu_peers_fit(100), 0);
}

static void what_does_not_fit_is_not_built(void **state)
{
	uint8_t out[512];

	(void)state;
	for (size_t n = 0; n < 40; n++) {
		struct mkpdu p = basic();
		struct wr w = wr_init(out, n);

		mkpdu_build(&p, &w);
		assert_true(w.bad);
	}
}

static void list_longer_than_twelve_bits_is_not_built(void **state)
{
	static uint8_t list[256 * MKPDU_PEER_LEN], out[8192];
	struct mkpdu p = basic();
	struct wr w = wr_init(out, sizeof(out));

	(void)state;
	p.present = 1u << MKPDU_LIVE;
	p.live = (struct mkpdu_list){.v = list, .count = 255};
	mkpdu_build(&p, &w);
	assert_false(w.bad);
	w = wr_init(out, sizeof(out));
	p.live.count = 256;
	mkpdu_build(&p, &w);
	assert_true(w.bad);
}

static void cut_anywhere_it_is_refused_or_shorter(void **state)
{
	const uint8_t list[32] = {1}, wrapped[40] = {2};
	struct mkpdu p = basic(), q;
	uint8_t out[512] = {0};
	size_t n;

	(void)state;
	p.present = 1u << MKPDU_LIVE | 1u << MKPDU_POTENTIAL | 1u << MKPDU_SAK_USE |
		    1u << MKPDU_DIST_SAK | 1u << MKPDU_ANNOUNCEMENT | 1u << MKPDU_XPN;
	p.announcement.tlvs = (const uint8_t[]){0xe0, 10, 0, 2, 0, 0x80, 0xc2, 0, 1, 0, 0, 1};
	p.announcement.len = 12;
	p.live = p.potential = (struct mkpdu_list){.v = list, .count = 2};
	p.sak.wrapped = wrapped;
	p.sak.wrapped_len = 40;
	p.sak.suite = macsec_suites[MACSEC_GCM_AES_256].id;
	n = build(&p, out) + MKPDU_ICV_LEN;
	assert_int_equal(mkpdu_parse(&q, out, n), 0);
	assert_int_equal(q.present, p.present);
	for (size_t len = 0; len < n; len++)
		if (mkpdu_parse(&q, out, len) == 0)
			assert_true(q.present < p.present); /* between two sets */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(basic_parameter_set_to_the_bit),
		cmocka_unit_test(live_list_carries_the_key_servers_ssci),
		cmocka_unit_test(sak_use_flags_each_in_its_place),
		cmocka_unit_test(distributed_sak_in_both_layouts),
		cmocka_unit_test(xpn_set_carries_the_upper_halves),
		cmocka_unit_test(suspension_time_stands_in_the_xpn_set),
		cmocka_unit_test(announced_suites_to_the_bit_and_read_back),
		cmocka_unit_test(announcements_with_a_tlv_that_cannot_be_are_refused),
		cmocka_unit_test(ckn_is_found_in_every_length_it_may_have),
		cmocka_unit_test(peers_that_fit_fill_the_mtu_and_no_more),
		cmocka_unit_test(what_does_not_fit_is_not_built),
		cmocka_unit_test(list_longer_than_twelve_bits_is_not_built),
		cmocka_unit_test(cut_anywhere_it_is_refused_or_shorter),
	};

	return cmocka_run_group_tests_name("wire/mkpdu", tests, NULL, NULL);
}
