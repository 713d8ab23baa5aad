/* Every protocol of the table by a frame of it, and frames that only look like one. */
#include "wire/l2cp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct row {
	const char *what;
	uint8_t dst[6];
	uint8_t body[14];
	enum l2cp is;
};

static const struct row rows[] = {
	{"STP", {1, 0x80, 0xc2, 0, 0, 0}, {0, 38, 0x42, 0x42, 3}, L2CP_BPDU},
	{"provider bridge STP", {1, 0x80, 0xc2, 0, 0, 8}, {0, 38, 0x42, 0x42, 3}, L2CP_BPDU},
	{"PAUSE", {1, 0x80, 0xc2, 0, 0, 1}, {0x88, 0x08, 0, 1}, L2CP_PAUSE},
	{"LACP", {1, 0x80, 0xc2, 0, 0, 2}, {0x88, 0x09, 1}, L2CP_LACP},
	{"marker", {1, 0x80, 0xc2, 0, 0, 2}, {0x88, 0x09, 2}, L2CP_LACP},
	{"link OAM", {1, 0x80, 0xc2, 0, 0, 2}, {0x88, 0x09, 3}, L2CP_LINK_OAM},
	{"ESMC", {1, 0x80, 0xc2, 0, 0, 2}, {0x88, 0x09, 10}, L2CP_ESMC},
	{"a slow protocol of the future", {1, 0x80, 0xc2, 0, 0, 2}, {0x88, 0x09, 7}, L2CP_OTHER},
	{"802.1X", {1, 0x80, 0xc2, 0, 0, 3}, {0x88, 0x8e, 3, 5}, L2CP_DOT1X},
	{"E-LMI", {1, 0x80, 0xc2, 0, 0, 7}, {0x88, 0xee}, L2CP_ELMI},
	{"LLDP", {1, 0x80, 0xc2, 0, 0, 0x0e}, {0x88, 0xcc}, L2CP_LLDP},
	{"LLDP to the nearest customer bridge", {1, 0x80, 0xc2}, {0x88, 0xcc}, L2CP_LLDP},
	{"PTP peer delay", {1, 0x80, 0xc2, 0, 0, 0x0e}, {0x88, 0xf7, 2}, L2CP_PTP},
	{"MMRP", {1, 0x80, 0xc2, 0, 0, 0x20}, {0x88, 0xf6}, L2CP_MRP},
	{"MVRP", {1, 0x80, 0xc2, 0, 0, 0x21}, {0x88, 0xf5}, L2CP_MRP},
	{"GVRP", {1, 0x80, 0xc2, 0, 0, 0x21}, {0, 20, 0x42, 0x42, 3}, L2CP_MRP},
	{"CFM", {1, 0x80, 0xc2, 0, 0, 0x33}, {0x89, 0x02, 0x60}, L2CP_CFM},
	{"CFM in a VLAN", {1, 0x80, 0xc2, 0, 0, 0x33}, {0x81, 0, 0, 7, 0x89, 0x02}, L2CP_CFM},
	{"PVST+",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcd},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0c, 1, 0x0b},
	 L2CP_PVST},
	{"PVST+ in a VLAN", {1, 0, 0x0c, 0xcc, 0xcc, 0xcd}, {0x81, 0, 0, 7, 0, 50}, L2CP_PVST},
	{"CDP",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0},
	 L2CP_CDP},
	{"VTP",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 3},
	 L2CP_VTP},
	{"DTP",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 4},
	 L2CP_DTP},
	{"PAgP",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0c, 1, 4},
	 L2CP_PAGP},
	{"UDLD",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0c, 1, 0x11},
	 L2CP_UDLD},
	{"Cisco's, of another organisation",
	 {1, 0, 0x0c, 0xcc, 0xcc, 0xcc},
	 {0, 50, 0xaa, 0xaa, 3, 0, 0, 0x0d, 0x20, 0},
	 L2CP_OTHER},
	{"reserved, of no known protocol", {1, 0x80, 0xc2, 0, 0, 0x0b}, {0x08, 0}, L2CP_OTHER},
	{"broadcast", {255, 255, 255, 255, 255, 255}, {0x08, 0x06}, L2CP_NONE},
	{"IPv4 multicast", {1, 0, 0x5e, 0, 0, 1}, {0x08, 0}, L2CP_NONE},
	{"LLDP to a host's own address", {2, 0x80, 0xc2, 0, 0, 0x0e}, {0x88, 0xcc}, L2CP_NONE},
	{"past the block", {1, 0x80, 0xc2, 0, 0, 0x10}, {0x88, 0xcc}, L2CP_NONE},
	{"past the MRP block", {1, 0x80, 0xc2, 0, 0, 0x30}, {0x88, 0xf5}, L2CP_NONE},
};

static void each_protocol_is_told_by_its_first_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t head[L2CP_HEAD] = {0};

		memcpy(head, rows[i].dst, 6);
		memcpy(head + 12, rows[i].body, sizeof(rows[i].body));
		if (l2cp_of(head) != rows[i].is)
			fail_msg("%s: %d", rows[i].what, l2cp_of(head));
	}
}

static void every_protocol_has_a_row_and_a_word(void **state)
{
	(void)state;
	for (unsigned i = L2CP_NONE + 1; i < L2CP_COUNT; i++) {
		bool shown = false;

		assert_non_null(l2cp_rows[i].name);
		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
			shown |= rows[k].is == i;
		assert_true(shown);
	}
}

static void only_the_reserved_block_is_what_carriers_consume(void **state)
{
	const uint8_t in[6] = {1, 0x80, 0xc2, 0, 0, 0x0f}, past[6] = {1, 0x80, 0xc2, 0, 0, 0x10};
	const uint8_t cisco[6] = {1, 0, 0x0c, 0xcc, 0xcc, 0xcc};

	(void)state;
	assert_true(l2cp_reserved(in));
	assert_false(l2cp_reserved(past));
	assert_false(l2cp_reserved(cisco));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_protocol_is_told_by_its_first_octets),
		cmocka_unit_test(every_protocol_has_a_row_and_a_word),
		cmocka_unit_test(only_the_reserved_block_is_what_carriers_consume),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
