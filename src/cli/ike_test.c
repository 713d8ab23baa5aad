/* What people are told of IKE and ESP: tables and words from the daemon's answers. */
#include "cli/ike.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char up[] =
	"{\"peers\":[{\"overlay\":\"link\",\"peer\":\"fra1\",\"port\":\"wan\",\"state\":\"up\","
	"\"reason\":null,\"reason-age\":null,\"next-in\":null,\"sas\":[{"
	"\"spi-initiator\":\"797f128de0354935\",\"spi-responder\":\"4ba369f82c963659\","
	"\"state\":\"established\",\"role\":\"initiator\",\"local\":\"100.64.1.2:4500\","
	"\"remote\":\"198.51.100.10:4500\",\"identity\":\"fra1\",\"nat\":\"here\",\"udp\":true,"
	"\"fragments\":true,\"ppk\":true,\"suite\":\"aes-gcm-16-256 prf-hmac-sha2-384 x25519\","
	"\"auth\":\"psk\",\"age\":65,\"heard\":3,\"rekey-in\":14100,\"reauth-in\":null,"
	"\"children\":[{\"spi-in\":\"03c28039\",\"spi-out\":\"3aa2d55c\","
	"\"suite\":\"aes-gcm-16-256\",\"mode\":\"tunnel\",\"esn\":true,\"state\":\"used\","
	"\"age\":65,\"rekey-in\":3543}]}]}]}";

static const char down[] =
	"{\"peers\":[{\"overlay\":\"link\",\"peer\":\"nyc1\",\"port\":\"wan\",\"state\":\"down\","
	"\"failures\":4,\"next-in\":7,\"reason-age\":2,\"sas\":[],\"reason\":"
	"\"the pre-shared keys differ\"}]}";

static const char esp[] =
	"[{\"overlay\":\"link\",\"peer\":\"fra1\",\"spi-in\":\"03c28039\",\"spi-out\":\"3aa2d55c\","
	"\"mode\":\"tunnel\",\"suite\":\"aes-gcm-16-256\",\"esn\":true,\"udp\":false,"
	"\"local\":\"10.0.0.1:500\",\"remote\":\"10.0.0.2:500\",\"state\":\"used\",\"window\":1024,"
	"\"age\":10,\"rekey-in\":null,\"packets-in\":12,\"octets-in\":900,\"replays\":1,"
	"\"not-valid\":2,\"not-selected\":3,\"malformed\":4,\"packets-out\":9},"
	"{\"overlay\":\"link\",\"peer\":\"fra1\",\"spi-in\":null,\"spi-out\":\"00001000\","
	"\"state\":\"orphaned\",\"age\":70,\"packets-out\":5}]";

/* What a printer writes, for one comparison. */
static const char *printed(void (*print)(const struct js *answer, FILE *out), const char *json)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct js *j = js_parse(json, strlen(json));

	assert_non_null(f);
	assert_non_null(j);
	print(j, f);
	fclose(f);
	js_free(j);
	return text;
}

static void a_tunnel_that_is_up_is_one_row(void **state)
{
	(void)state;
	assert_string_equal(
		printed(ike_table_print, up),
		"overlay  peer  state  IKE SA       role       local            remote              NAT  "
		"      auth      age        rekey in    children  suite\n"
		"link     fra1  up     established  initiator  100.64.1.2:4500  198.51.100.10:4500  "
		"here, UDP  psk, ppk  1 min 5 s  3 h 55 min         1  aes-gcm-16-256 "
		"prf-hmac-sha2-384 x25519\n");
}

static void a_tunnel_that_is_down_says_why(void **state)
{
	const char *text = printed(ike_table_print, down);

	(void)state;
	assert_non_null(strstr(text, "link     nyc1  down   -"));
	assert_non_null(strstr(text,
			       "\nlink/nyc1: the pre-shared keys differ (2 s ago); tried again "
			       "in 7 s\n"));
}

static void one_peer_with_everything(void **state)
{
	(void)state;
	assert_string_equal(
		printed(ike_detail_print, up),
		"peer fra1 of overlay link by port wan: up\n"
		"  IKE SA 797f128de0354935 4ba369f82c963659, initiator, established\n"
		"    from 100.64.1.2:4500 to 198.51.100.10:4500, NAT: here, ESP in UDP\n"
		"    peer is fra1, proved by psk, with a post-quantum pre-shared key\n"
		"    aes-gcm-16-256 prf-hmac-sha2-384 x25519, takes fragments\n"
		"    up for 1 min 5 s, heard before 3 s, rekeyed in 3 h 55 min\n"
		"    child in 03c28039, out 3aa2d55c: aes-gcm-16-256, tunnel mode, ESN, used, age "
		"1 min 5 s, rekeyed in 59 min 3 s\n");
	assert_string_equal(printed(ike_detail_print, down),
			    "peer nyc1 of overlay link by port wan: down\n"
			    "  the pre-shared keys differ\n"
			    "  since 2 s\n"
			    "  tried again in 7 s\n");
	assert_string_equal(printed(ike_detail_print, "{\"peers\":[]}"), "none\n");
}

static void esp_sas_and_one_of_a_predecessor(void **state)
{
	const char *text = printed(ike_esp_print, esp);

	(void)state;
	assert_non_null(strstr(text, "03c28039  3aa2d55c  aes-gcm-16-256, ESN  tunnel  used"));
	assert_non_null(strstr(text, "12    9        1        9    1024  10.0.0.1:500"));
	assert_non_null(strstr(text, "-         00001000  -                    -       orphaned"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_that_is_up_is_one_row),
		cmocka_unit_test(a_tunnel_that_is_down_says_why),
		cmocka_unit_test(one_peer_with_everything),
		cmocka_unit_test(esp_sas_and_one_of_a_predecessor),
	};

	return cmocka_run_group_tests_name("cli/ike", tests, NULL, NULL);
}
