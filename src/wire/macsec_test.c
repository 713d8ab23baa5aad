/* wire/macsec, wire/eth: SecTAGs read back as they were built; each defect has its own name. */
#include "wire/eth.h"
#include "wire/macsec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SCI UINT64_C(0x0200000000aa0001)

/* A frame with a SecTAG whose secure data has `secure` octets. Returns its length. */
static size_t frame_make(uint8_t *f, uint64_t sci, size_t secure)
{
	size_t n;

	memset(f, 0x5a, 400);
	n = macsec_build(f + ETH_ADDRS_LEN, 2, true, 0x01020304, sci, secure);
	return ETH_ADDRS_LEN + n + secure + MACSEC_ICV_LEN;
}

static void every_length_reads_back(void **state)
{
	uint8_t f[400];
	struct macsec_tag t;

	(void)state;
	for (size_t secure = 1; secure < 300; secure++) {
		for (unsigned with = 0; with < 2; with++) {
			size_t len = frame_make(f, with ? SCI : 0, secure);

			assert_int_equal(macsec_parse(&t, f, len), MACSEC_TAG_OK);
			assert_int_equal(t.secure, secure);
			assert_int_equal(t.sl, secure < 48 ? secure : 0);
			assert_int_equal(t.an, 2);
			assert_int_equal(t.pn, 0x01020304);
			assert_int_equal(t.len, with ? 16 : 8);
			assert_true(t.sci == (with ? SCI : 0));
			/* One octet short is always found, unless it could be all user data. */
			if (secure <= 48)
				assert_int_equal(macsec_parse(&t, f, len - 1), MACSEC_TAG_SL_CUT);
		}
	}
}

static void padding_is_allowed_to_the_minimum_frame_alone(void **state)
{
	uint8_t f[400];
	struct macsec_tag t;

	(void)state;
	for (size_t secure = 1; secure < 48; secure++) {
		size_t len = frame_make(f, SCI, secure);

		for (size_t pad = 1; pad < 40; pad++) {
			enum macsec_defect d = macsec_parse(&t, f, len + pad);

			assert_int_equal(d, len + pad <= 60 ? MACSEC_TAG_OK : MACSEC_TAG_SL_EXCESS);
		}
	}
}

static void each_defect_is_named(void **state)
{
	static const struct {
		uint8_t tci, sl;
		size_t len; /* 0: as built */
		enum macsec_defect want;
	} rows[] = {
		{0xac, 0, 0, MACSEC_TAG_VERSION_1},
		{0x6c, 0, 0, MACSEC_TAG_ES_AND_SC},
		{0x3c, 0, 0, MACSEC_TAG_SCB_AND_SC},
		{0x2c, 0x40, 0, MACSEC_TAG_SL_RESERVED},
		{0x2c, 0x80, 0, MACSEC_TAG_SL_RESERVED},
		{0x2c, 48, 0, MACSEC_TAG_SL_RESERVED},
		{0x2c, 47, 0, MACSEC_TAG_SL_EXCESS},
		{0x28, 0, 0, MACSEC_TAG_E_WITHOUT_C},
		{0x24, 0, 0, MACSEC_TAG_C_WITHOUT_E},
		{0x2c, 0, 28, MACSEC_TAG_CUT},
		{0x2c, 0, 13, MACSEC_TAG_CUT},
		{0x2c, 0, 29, MACSEC_TAG_SL_CUT},
		{0x2c, 0, 91, MACSEC_TAG_SL_CUT},
		{0x2c, 0, 0, MACSEC_TAG_OK},
		{0x20, 0, 0, MACSEC_TAG_OK},
	};
	uint8_t f[400];
	struct macsec_tag t;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = frame_make(f, SCI, 100);

		f[14] = rows[i].tci;
		f[15] = rows[i].sl;
		assert_int_equal(macsec_parse(&t, f, rows[i].len ? rows[i].len : len),
				 rows[i].want);
	}
	frame_make(f, SCI, 100);
	f[12] = 8;
	assert_int_equal(macsec_parse(&t, f, 200), MACSEC_TAG_ETHERTYPE);
	/* Every shorter piece is refused without reading past it. */
	for (size_t n = 0; n < 60; n++) {
		size_t len = frame_make(f, SCI, 48);

		assert_int_not_equal(macsec_parse(&t, f, len - 1 - n), MACSEC_TAG_OK);
	}
}

static void sci_of_an_end_station_is_its_address(void **state)
{
	uint8_t f[400];
	struct macsec_tag t;
	size_t len = frame_make(f, 0, 80);

	(void)state;
	f[14] = MACSEC_TCI_ES | MACSEC_TCI_E | MACSEC_TCI_C;
	assert_int_equal(macsec_parse(&t, f, len), MACSEC_TAG_OK);
	assert_true(t.sci == macsec_sci(f + 6, 1));
	f[14] |= MACSEC_TCI_SCB;
	assert_int_equal(macsec_parse(&t, f, len), MACSEC_TAG_OK);
	assert_true(t.sci == macsec_sci(f + 6, 0));
	f[14] &= (uint8_t)~MACSEC_TCI_ES;
	assert_int_equal(macsec_parse(&t, f, len), MACSEC_TAG_OK);
	assert_true(t.sci == macsec_sci(f + 6, 0));
}

static void nonce_is_sci_and_pn_or_salted_ssci_and_pn(void **state)
{
	static const uint8_t salt[12] = {0xe6, 0x30, 0xe8, 0x1a, 0x48, 0xde,
					 0x86, 0xa2, 0x1c, 0x66, 0xfa, 0x6d};
	static const uint8_t xpn[12] = {0x9c, 0x47, 0x02, 0x7f, 0xf8, 0x26,
					0x2a, 0xe4, 0xac, 0xb0, 0x4c, 0x31};
	static const uint8_t plain[12] = {0x02, 0, 0, 0, 0, 0xaa, 0, 1, 0xb2, 0xc2, 0x84, 0x65};
	uint8_t base[12], nonce[12];

	(void)state;
	macsec_nonce_base(base, MACSEC_GCM_AES_256, SCI, 0, salt);
	macsec_nonce(nonce, base, 0xb2c28465);
	assert_memory_equal(nonce, plain, 12);
	macsec_nonce_base(base, MACSEC_GCM_AES_XPN_256, SCI, 0x7a77ea65, salt);
	macsec_nonce(nonce, base, 0xb0f8ac46b0d6b65c);
	assert_memory_equal(nonce, xpn, 12);
}

static void upper_half_of_an_extended_pn_is_recovered(void **state)
{
	static const struct {
		uint32_t low;
		uint64_t next, want;
	} rows[] = {
		{1, 1, 1},
		{0xffffffff, 1, 0xffffffff}, /* nothing below: ahead */
		{0xfffffff0, 0x100000005, 0xfffffff0},
		{0, 0x100000000, 0x100000000},
		{3, 0xfffffffe, 0x100000003},
		{0x7fffffff, 0x100000000, 0x17fffffff},
		{0x00000100, 0x5fffffff0, 0x600000100},
		{0xffffff00, 0x600000100, 0x5ffffff00},
		{5, UINT64_C(0xfffffffffffffff0), UINT64_C(0xffffffff00000005)},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(macsec_pn_recover(rows[i].low, rows[i].next) == rows[i].want);
	/* Any number within 2^31 - 1 of next comes back, around every wrap. */
	for (uint64_t next = UINT64_C(0x2fffffff0); next < UINT64_C(0x300000010); next++) {
		for (int64_t d = -0x7fffffff; d <= 0x7fffffff; d += 0x00fedcb1) {
			uint64_t pn = next + (uint64_t)d;

			assert_true(macsec_pn_recover((uint32_t)pn, next) == pn);
		}
	}
}

static void suites_are_found_by_identifier(void **state)
{
	(void)state;
	for (int i = 0; i < MACSEC_SUITE_COUNT; i++)
		assert_int_equal(macsec_suite_by_id(macsec_suites[i].id), i);
	assert_int_equal(macsec_suite_by_id(0x0080020001000001), -1);
}

static void priority_is_the_inner_tags_or_ip_precedence(void **state)
{
	uint8_t f[20] = {0};

	(void)state;
	assert_int_equal(eth_priority(f, 13), 0);
	f[12] = 0x81;
	f[14] = 0xa0 | 0x02;
	f[16] = 0x08;
	f[18] = 0x45;
	f[19] = 0xff;
	assert_int_equal(eth_priority(f, sizeof(f)), 5);
	f[12] = 0x08;
	f[14] = 0x45;
	f[15] = 0xb8; /* EF */
	assert_int_equal(eth_priority(f, sizeof(f)), 5);
	assert_int_equal(eth_priority(f, 15), 0);
	f[14] = 0x65;
	assert_int_equal(eth_priority(f, sizeof(f)), 0);
	f[12] = 0x86;
	f[13] = 0xdd;
	f[14] = 0x6c; /* CS6 in IPv6 */
	f[15] = 0x00;
	assert_int_equal(eth_priority(f, sizeof(f)), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_reads_back),
		cmocka_unit_test(padding_is_allowed_to_the_minimum_frame_alone),
		cmocka_unit_test(each_defect_is_named),
		cmocka_unit_test(sci_of_an_end_station_is_its_address),
		cmocka_unit_test(nonce_is_sci_and_pn_or_salted_ssci_and_pn),
		cmocka_unit_test(upper_half_of_an_extended_pn_is_recovered),
		cmocka_unit_test(suites_are_found_by_identifier),
		cmocka_unit_test(priority_is_the_inner_tags_or_ip_precedence),
	};

	return cmocka_run_group_tests_name("wire/macsec", tests, NULL, NULL);
}
