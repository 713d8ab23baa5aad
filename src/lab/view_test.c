/* view: each row is a frame and what the carrier must call it. */
#include "lab/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* A frame: addresses, then the bytes given, then zeroes up to len. */
static const uint8_t *frame(const void *head, size_t head_len, size_t len)
{
	static uint8_t b[2048];

	memset(b, 0, sizeof(b));
	memset(b, 0x02, 12);
	memcpy(b + 12, head, head_len);
	assert_true(len <= sizeof(b));
	return b;
}

static const struct view_rule plain = {.eapol = {0x876f}};
static const struct view_rule tagged = {.tags = {.vlan = 100}, .eapol = {0x888e}};

static const struct view_rule qinq = {
	.tags = {.vlan = 100, .outer_vlan = 200, .outer_type = 0x88a8}, .eapol = {0x888e}};
static const struct view_rule two_c = {
	.tags = {.vlan = 100, .outer_vlan = 200, .outer_type = 0x8100}, .eapol = {0x888e}};

#define CLASS(rule, len, ...)                                                                      \
	view_classify(rule,                                                                        \
		      frame((const uint8_t[]){__VA_ARGS__},                                        \
			    sizeof((const uint8_t[]){__VA_ARGS__}), len),                          \
		      len)

static void a_sealed_frame_with_an_sci_is_macsec(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 200, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1), VIEW_MACSEC);
}

static void a_sealed_frame_without_an_sci_is_macsec(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 200, 0x88, 0xe5, 0x0f, 0, 0, 0, 0, 1), VIEW_MACSEC);
}

static void integrity_without_encryption_is_neither(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 200, 0x88, 0xe5, 0x20, 0, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&plain, 200, 0x88, 0xe5, 0x24, 0, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&plain, 200, 0x88, 0xe5, 0x28, 0, 0, 0, 0, 1), VIEW_NEITHER);
}

static void a_short_length_that_is_not_there_is_neither(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 14 + 14 + 16 + 10, 0x88, 0xe5, 0x2c, 11, 0, 0, 0, 1),
			 VIEW_NEITHER);
	assert_int_equal(CLASS(&plain, 14 + 14 + 16 + 10, 0x88, 0xe5, 0x2c, 10, 0, 0, 0, 1),
			 VIEW_MACSEC);
	assert_int_equal(CLASS(&plain, 14 + 14 + 16 + 10, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1),
			 VIEW_NEITHER);
}

static void a_sectag_without_room_for_an_icv_is_neither(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 40, 0x88, 0xe5, 0x2c, 1, 0, 0, 0, 1), VIEW_NEITHER);
}

static void an_mkpdu_is_eapol_by_the_ports_ether_type_only(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 100, 0x87, 0x6f, 3, 5, 0, 80), VIEW_EAPOL);
	assert_int_equal(CLASS(&plain, 100, 0x88, 0x8e, 3, 5, 0, 80), VIEW_NEITHER);
	assert_int_equal(CLASS(&plain, 60, 0x87, 0x6f, 3, 5, 0, 80), VIEW_NEITHER);  /* cut short */
	assert_int_equal(CLASS(&plain, 100, 0x87, 0x6f, 3, 0, 0, 80), VIEW_NEITHER); /* EAP */
}

static void a_tag_is_required_where_the_port_has_one(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&tagged, 200, 0x81, 0, 0xa0, 100, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1),
			 VIEW_MACSEC);
	assert_int_equal(CLASS(&tagged, 200, 0x81, 0, 0xa0, 101, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1),
			 VIEW_NEITHER);
	assert_int_equal(CLASS(&tagged, 200, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&tagged, 104, 0x81, 0, 0, 100, 0x88, 0x8e, 3, 5, 0, 80), VIEW_EAPOL);
}

static void a_tag_is_refused_where_the_port_has_none(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&plain, 200, 0x81, 0, 0, 100, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1),
			 VIEW_NEITHER);
}

#define MACSEC_BEHIND(rule, ...) CLASS(rule, 200, __VA_ARGS__, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1)

static void two_tags_are_required_where_the_port_has_two(void **state)
{
	(void)state;
	assert_int_equal(MACSEC_BEHIND(&qinq, 0x88, 0xa8, 0xa0, 200, 0x81, 0, 0xa0, 100),
			 VIEW_MACSEC);
	assert_int_equal(MACSEC_BEHIND(&two_c, 0x81, 0, 0, 200, 0x81, 0, 0xa0, 100), VIEW_MACSEC);
	assert_int_equal(MACSEC_BEHIND(&two_c, 0x88, 0xa8, 0, 200, 0x81, 0, 0, 100), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&qinq, 0x81, 0, 0, 200, 0x81, 0, 0, 100), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&qinq, 0x88, 0xa8, 0, 201, 0x81, 0, 0, 100), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&qinq, 0x88, 0xa8, 0, 200, 0x81, 0, 0, 101), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&qinq, 0x88, 0xa8, 0, 200), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&qinq, 0x81, 0, 0, 100), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&tagged, 0x88, 0xa8, 0, 100), VIEW_NEITHER);
	assert_int_equal(MACSEC_BEHIND(&plain, 0x88, 0xa8, 0, 0), VIEW_NEITHER);
	assert_int_equal(
		CLASS(&qinq, 108, 0x88, 0xa8, 0, 200, 0x81, 0, 0, 100, 0x88, 0x8e, 3, 5, 0, 80),
		VIEW_EAPOL);
}

static void plaintext_is_neither_unless_its_class_is_allowed(void **state)
{
	struct view_rule ping = {.allow = 1u << VIEW_PING};
	const uint8_t echo[] = {0x08, 0x00, 0x45, 0, 0, 84, 0,  0, 0, 0, 64, 1,
				0,    0,    10,   0, 0, 1,  10, 0, 0, 2, 8,  0};

	(void)state;
	assert_int_equal(view_classify(&plain, frame(echo, sizeof(echo), 98), 98), VIEW_NEITHER);
	assert_int_equal(view_classify(&ping, frame(echo, sizeof(echo), 98), 98), VIEW_PING);
	assert_int_equal(CLASS(&ping, 60, 0x08, 0x06), VIEW_NEITHER); /* ARP is another class */
	assert_int_equal(CLASS(&ping, 90, 0x86, 0xdd, 0x60), VIEW_NEITHER);
	assert_int_equal(CLASS(&ping, 60, 0x00, 0x26), VIEW_NEITHER); /* LLC: spanning tree */
}

static void counting_keeps_the_first_offenders_and_the_priorities(void **state)
{
	struct view v = {0};

	(void)state;
	for (uint8_t i = 0; i < VIEW_KEPT + 3; i++) {
		const uint8_t arp[] = {0x08, 0x06, i};

		assert_int_equal(view_count(&v, &plain, frame(arp, sizeof(arp), 60), 60),
				 VIEW_NEITHER);
	}
	assert_int_equal(v.kept_count, VIEW_KEPT);
	assert_int_equal(v.kept[VIEW_KEPT - 1].b[14], VIEW_KEPT - 1);
	assert_int_equal(v.by_class[VIEW_NEITHER], VIEW_KEPT + 3);
	assert_int_equal(v.bytes, (VIEW_KEPT + 3) * 60);
	(void)view_count(&v, &tagged,
			 frame("\x81\x00\xa0\x64\x88\xe5\x2c\x00\x00\x00\x00\x01", 12, 200), 200);
	assert_int_equal(v.tagged, 1);
	assert_int_equal(v.twice, 0);
	assert_int_equal(v.pcp[5], 1);
	(void)view_count(
		&v, &qinq,
		frame("\x88\xa8\xe0\xc8\x81\x00\x60\x64\x88\xe5\x2c\x00\x00\x00\x00\x01", 16, 200),
		200);
	assert_int_equal(v.twice, 1);
	assert_int_equal(v.pcp[3], 1);
	assert_int_equal(v.outer_pcp[7], 1);
	assert_int_equal(v.by_class[VIEW_MACSEC], 2);
}

static void no_length_of_any_frame_reads_past_its_end(void **state)
{
	static const uint8_t heads[][20] = {
		{0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1},
		{0x87, 0x6f, 3, 5, 0, 0},
		{0x81, 0, 0, 100, 0x88, 0xe5},
		{0x08, 0x00, 0x4f},
		{0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 58},
		{0x88, 0xa8, 0, 200, 0x81, 0, 0, 100, 0x88, 0xe5},
	};

	(void)state;
	for (size_t h = 0; h < sizeof(heads) / sizeof(*heads); h++) {
		for (size_t len = 0; len < 80; len++) {
			uint8_t *exact = test_malloc(len + 1);

			memcpy(exact + 1, frame(heads[h], sizeof(heads[h]), 80), len);
			assert_in_range(view_classify(&plain, exact + 1, len), 0, VIEW_NEITHER);
			assert_in_range(view_classify(&tagged, exact + 1, len), 0, VIEW_NEITHER);
			assert_in_range(view_classify(&qinq, exact + 1, len), 0, VIEW_NEITHER);
			test_free(exact);
		}
	}
}

#define IP(protocol)                                                                               \
	0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2

static const struct view_rule ipsec = {.allow = 1u << VIEW_ESP | 1u << VIEW_IKE};

static void esp_is_told_from_what_only_looks_like_it(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&ipsec, 34 + 36, IP(50), 0, 0, 1, 0, 0, 0, 0, 1), VIEW_ESP);
	assert_int_equal(CLASS(&ipsec, 34 + 36, IP(50), 0, 0, 0, 255, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&ipsec, 34 + 32, IP(50), 0, 0, 1, 0, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&ipsec, 34 + 37, IP(50), 0, 0, 1, 0, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&plain, 34 + 36, IP(50), 0, 0, 1, 0, 0, 0, 0, 1), VIEW_NEITHER);
	assert_int_equal(CLASS(&ipsec, 34 + 36, IP(17)), VIEW_NEITHER);
}

static void ike_and_esp_share_port_4500_by_the_marker(void **state)
{
	(void)state;
	assert_int_equal(CLASS(&ipsec, 34 + 8 + 28, IP(17), 1, 0xf4, 1, 0xf4, 0, 36, 0, 0),
			 VIEW_IKE);
	assert_int_equal(CLASS(&ipsec, 34 + 8 + 27, IP(17), 1, 0xf4, 1, 0xf4, 0, 35, 0, 0),
			 VIEW_NEITHER);
	assert_int_equal(CLASS(&ipsec, 34 + 8 + 32, IP(17), 0x11, 0x94, 0x11, 0x94, 0, 40, 0, 0),
			 VIEW_IKE);
	assert_int_equal(CLASS(&ipsec, 34 + 8 + 36, IP(17), 0x11, 0x94, 0x11, 0x94, 0, 44, 0, 0, 9),
			 VIEW_ESP);
	assert_int_equal(
		CLASS(&ipsec, 34 + 8 + 1, IP(17), 0x11, 0x94, 0x11, 0x94, 0, 9, 0, 0, 0xff),
		VIEW_IKE);
}

static void a_bypass_rule_of_the_file_has_a_class_of_its_own(void **state)
{
	static const struct view_rule r = {
		.eapol = {0x876f},
		.exception_count = 3,
		.exception = {{.tagged = true, .vlan = 9},
			      {.clear = true, .type = 0x88cc},
			      {.clear = true, .tagged = true, .vlan = 9}}};
	struct view_rule in_vlan = r;

	(void)state;
	in_vlan.tags.vlan = 100;
	assert_int_equal(CLASS(&r, 60, 0x88, 0xcc), VIEW_BYPASS);
	assert_int_equal(CLASS(&r, 60, 0x81, 0, 0, 8, 0x88, 0xcc), VIEW_BYPASS);
	/* The first rule that matches decides. */
	assert_int_equal(CLASS(&r, 60, 0x81, 0, 0, 9, 0x88, 0xcc), VIEW_NEITHER);
	assert_int_equal(CLASS(&r, 60, 0x81, 0, 0, 9, 0x08, 0), VIEW_NEITHER);
	assert_int_equal(CLASS(&r, 60, 0x08, 0x00), VIEW_NEITHER);
	assert_int_equal(CLASS(&r, 200, 0x88, 0xe5, 0x2c, 0, 0, 0, 0, 1), VIEW_MACSEC);
	assert_int_equal(CLASS(&in_vlan, 60, 0x88, 0xcc), VIEW_NEITHER);
	assert_int_equal(CLASS(&in_vlan, 60, 0x81, 0, 0, 100, 0x88, 0xcc), VIEW_BYPASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(esp_is_told_from_what_only_looks_like_it),
		cmocka_unit_test(ike_and_esp_share_port_4500_by_the_marker),
		cmocka_unit_test(a_sealed_frame_with_an_sci_is_macsec),
		cmocka_unit_test(a_sealed_frame_without_an_sci_is_macsec),
		cmocka_unit_test(integrity_without_encryption_is_neither),
		cmocka_unit_test(a_short_length_that_is_not_there_is_neither),
		cmocka_unit_test(a_sectag_without_room_for_an_icv_is_neither),
		cmocka_unit_test(an_mkpdu_is_eapol_by_the_ports_ether_type_only),
		cmocka_unit_test(a_tag_is_required_where_the_port_has_one),
		cmocka_unit_test(a_tag_is_refused_where_the_port_has_none),
		cmocka_unit_test(two_tags_are_required_where_the_port_has_two),
		cmocka_unit_test(plaintext_is_neither_unless_its_class_is_allowed),
		cmocka_unit_test(counting_keeps_the_first_offenders_and_the_priorities),
		cmocka_unit_test(no_length_of_any_frame_reads_past_its_end),
		cmocka_unit_test(a_bypass_rule_of_the_file_has_a_class_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
