/* dn: names against DER made by another hand, and texts that are no names. */
#include "wire/dn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The subject that `openssl req -utf8 -subj` made of the same. */
static const uint8_t acme[] = {
	0x30, 0x64, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x44, 0x45,
	0x31, 0x12, 0x30, 0x10, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x09, 0x41, 0x63, 0x6d, 0x65,
	0x2c, 0x20, 0x49, 0x6e, 0x63, 0x31, 0x17, 0x30, 0x15, 0x06, 0x0a, 0x09, 0x92, 0x26, 0x89,
	0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19, 0x16, 0x07, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65,
	0x31, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01,
	0x16, 0x0b, 0x61, 0x40, 0x62, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x31, 0x0c,
	0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x03, 0x6c, 0x69, 0x6d};

static void a_name_is_written_as_in_a_certificate(void **state)
{
	static const char *const texts[] = {
		"C=DE, O=Acme\\, Inc, DC=example, E=a@b.example, CN=lim",
		"c=DE,o=Acme\\, Inc ,dc=example,emailAddress=a@b.example,cn=lim",
		"C = DE, O = Acme\\, Inc, DC = example, emailAddress = a@b.example, CN = lim",
	};
	uint8_t out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(dn_build(texts[i], out, sizeof(out)), sizeof(acme));
		assert_memory_equal(out, acme, sizeof(acme));
	}
}

static void a_long_name_has_long_lengths(void **state)
{
	uint8_t out[256];
	char text[260] = "CN=";

	(void)state;
	memset(text + 3, 'x', 150);
	assert_int_equal(dn_build(text, out, sizeof(out)), 3 + 3 + 3 + 5 + 3 + 150);
	assert_memory_equal(
		out, "\x30\x81\xa4\x31\x81\xa1\x30\x81\x9e\x06\x03\x55\x04\x03\x0c\x81\x96x", 18);
	assert_int_equal(dn_build(text, out, 160), 0); /* no room for all of it */
	memset(text + 3, 'x', 230);
	assert_int_equal(dn_build(text, out, sizeof(out)), 0);
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const texts[] = {
		"",           "lim",         "CN",           "CN=",
		"=lim",       "CN=lim,",     "CN=lim,,O=a",  "XX=lim",
		"CN=lim O=a", "CN=a+OU=b",   "CN=a\\b",      "CN=a\\",
		"C=DEU",      "C=D\xc3\xa9", "DC=\xc3\xa9x", "SERIALNUMBER=a_b",
		",CN=lim",    " , CN=lim",
	};
	uint8_t out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (dn_build(texts[i], out, sizeof(out)))
			fail_msg("`%s` was taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_written_as_in_a_certificate),
		cmocka_unit_test(a_long_name_has_long_lengths),
		cmocka_unit_test(what_is_no_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
