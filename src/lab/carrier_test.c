/* carrier: what enters at one port and leaves at which others, when, and what is dropped. */
#include "lab/carrier.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MS 1000000ull
#define START (1000ull * 1000 * MS)

/* Ports of a service, one interface each; vlan 0: the port is sold whole. */
static struct carrier *made(const char *service, unsigned ports, unsigned vlan)
{
	struct carrier *c = calloc(1, sizeof(*c));
	char line[128];

	c->dice = 1;
	for (unsigned i = 0; i < CARRIER_CLIENTS; i++)
		c->clients[i].fd = -1;
	flight_init(&c->flight, 100000, 1 << 26);
	snprintf(line, sizeof(line), "service s %s", service);
	assert_true(carrier_statement(c, line));
	for (unsigned i = 0; i < ports; i++) {
		snprintf(line, sizeof(line), "tap n%u eth1 %u", i, 900 + i);
		assert_true(carrier_statement(c, line));
	}
	for (unsigned i = 0; i < ports; i++) {
		snprintf(line, sizeof(line), "port 0 %u n%u wan %u 0 0 0 888e,0,0,0", i, i, vlan);
		assert_true(carrier_statement(c, line));
	}
	assert_int_equal(carrier_ready(c), 0);
	return c;
}

static void drop(struct carrier *c)
{
	carrier_fini(c);
	free(c);
}

/* A frame to a group or unicast address; vlan 0: untagged. Its EtherType is 0x1234. */
static size_t frame(uint8_t *b, const char *to, unsigned vlan, size_t payload)
{
	size_t at = 12;

	memset(b, 0, 32);
	for (unsigned i = 0; i < 6; i++)
		b[i] = (uint8_t)strtoul(to + 3 * i, NULL, 16);
	memcpy(b + 6, "\x02\x00\x00\x00\x00\x09", 6);
	if (vlan) {
		b[12] = 0x81;
		b[14] = (uint8_t)(vlan >> 8);
		b[15] = (uint8_t)vlan;
		at = 16;
	}
	b[at] = 0x12;
	b[at + 1] = 0x34;
	memset(b + at + 2, 0xa5, payload);
	return at + 2 + payload;
}

static void enter(struct carrier *c, unsigned tap, const char *to, unsigned vlan, size_t payload,
		  uint64_t now)
{
	static uint8_t b[CARRIER_FRAME_MAX + 32];

	size_t len = frame(b, to, vlan, payload);

	b[11] = (uint8_t)tap; /* everybody has an address of his own */
	carrier_input(c, (uint16_t)tap, b, len, now);
}

/* The ports that get something, by bit, everything in flight taken out. */
static unsigned left(struct carrier *c)
{
	struct flight_item it;
	unsigned ports = 0;

	while (flight_take(&c->flight, UINT64_MAX - 1, &it)) {
		ports |= 1u << it.port;
		frame_put(it.frame);
	}
	return ports;
}

#define ELAN "e-lan 0 1600 0 0 0 0 0 0"
#define ELINE "e-line 0 1600 0 0 0 0 0 0"
#define UNKNOWN "02:00:00:00:00:77"

static void an_e_line_learns_nothing_and_filters_nothing(void **state)
{
	struct carrier *c = made(ELINE, 2, 0);

	(void)state;
	enter(c, 0, UNKNOWN, 0, 100, START);
	assert_int_equal(left(c), 1 << 1);
	/* An address that a bridge would have learned at port 0 by now. */
	enter(c, 0, "02:00:00:00:00:00", 0, 100, START);
	assert_int_equal(left(c), 1 << 1);
	enter(c, 1, "ff:ff:ff:ff:ff:ff", 0, 100, START);
	assert_int_equal(left(c), 1 << 0);
	drop(c);
}

static void an_e_lan_learns_and_keeps_to_itself_what_is_for_the_same_port(void **state)
{
	struct carrier *c = made(ELAN, 3, 0);

	(void)state;
	enter(c, 0, UNKNOWN, 0, 100, START);
	assert_int_equal(left(c), 1 << 1 | 1 << 2);
	enter(c, 0, "02:00:00:00:00:00", 0, 100, START);
	assert_int_equal(left(c), 0);
	enter(c, 2, "ff:ff:ff:ff:ff:ff", 0, 100, START);
	assert_int_equal(left(c), 1 << 0 | 1 << 1);
	enter(c, 1, "02:00:00:00:00:02", 0, 100, START);
	assert_int_equal(left(c), 1 << 2);
	enter(c, 1, "02:00:00:00:00:02", 0, 100, START + ELAN_AGE_NS + 1);
	assert_int_equal(left(c), 1 << 0 | 1 << 2);
	drop(c);
}

static void reserved_addresses_pass_by_what_was_sold(void **state)
{
	static const struct {
		const char *service;
		unsigned vlan;
		uint16_t consumed; /* of 01:80:c2:00:00:00 to 0f, by bit */
	} rows[] = {
		{ELAN, 0, 0xffff},
		{ELAN, 100, 0xffff},
		{ELINE, 100, 0xffff}, /* an EVPL */
		{ELINE, 0, 1 << 1 | 1 << 2 | 1 << 4},
		{"e-lan 1 1600 0 0 0 0 0 0", 0, 0},
		{"e-line 1 1600 0 0 0 0 0 0", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct carrier *c = made(rows[i].service, 2, rows[i].vlan);
		unsigned consumed = 0;

		for (unsigned k = 0; k < 16; k++) {
			char to[32];

			snprintf(to, sizeof(to), "01:80:c2:00:00:%02x", k);
			enter(c, 0, to, rows[i].vlan, 100, START);
			if (!left(c))
				consumed |= 1u << k;
		}
		assert_int_equal(consumed, rows[i].consumed);
		assert_int_equal(c->ports[0].reserved, __builtin_popcount(rows[i].consumed));
		enter(c, 0, "01:80:c2:00:00:10", rows[i].vlan, 100, START);
		assert_int_equal(left(c), 1 << 1);
		drop(c);
	}
}

static void a_whole_port_of_an_e_line_takes_every_vlan_and_leaves_the_tag_alone(void **state)
{
	struct carrier *c = made(ELINE, 2, 0), *lan = made(ELAN, 2, 0);
	struct flight_item it;
	uint8_t b[200];
	size_t len = frame(b, UNKNOWN, 77, 100);

	(void)state;
	carrier_input(c, 0, b, len, START);
	assert_true(flight_take(&c->flight, UINT64_MAX - 1, &it));
	assert_int_equal(it.frame->len, len);
	assert_memory_equal(it.frame->b, b, len);
	frame_put(it.frame);
	/* It is carried, and it still is nothing that the file lets out. */
	assert_int_equal(c->ports[0].view.by_class[VIEW_NEITHER], 1);
	carrier_input(lan, 0, b, len, START);
	assert_int_equal(left(lan), 0);
	assert_int_equal(lan->stray, 1);
	drop(c);
	drop(lan);
}

static void frames_over_the_mtu_are_dropped_and_tags_do_not_count(void **state)
{
	struct carrier *c = made("e-lan 0 1600 0 0 0 0 0 0", 2, 0);
	struct carrier *tagged = made("e-lan 0 1600 0 0 0 0 0 0", 2, 100);

	(void)state;
	enter(c, 0, UNKNOWN, 0, 1600, START);
	assert_int_equal(left(c), 1 << 1);
	enter(c, 0, UNKNOWN, 0, 1601, START);
	assert_int_equal(left(c), 0);
	assert_int_equal(c->ports[0].oversize, 1);
	enter(tagged, 0, UNKNOWN, 100, 1600, START);
	assert_int_equal(left(tagged), 1 << 1);
	enter(tagged, 0, UNKNOWN, 100, 1601, START);
	assert_int_equal(left(tagged), 0);
	assert_int_equal(tagged->ports[0].oversize, 1);
	drop(c);
	drop(tagged);
}

static void a_port_over_its_rate_loses_frames_and_the_other_does_not(void **state)
{
	/* 8 Mbit/s, 10,000 octets at once; frames of 1,000 octets with their FCS. */
	struct carrier *c = made("e-line 0 1600 0 0 0 0 8000000 10000", 2, 0);
	uint64_t t = clock_now() + 1000 * MS;

	(void)state;
	for (unsigned i = 0; i < 25; i++)
		enter(c, 0, UNKNOWN, 0, 1000 - 14 - 4, t);
	assert_int_equal(c->ports[0].policed, 15);
	enter(c, 1, UNKNOWN, 0, 1000 - 14 - 4, t);
	assert_int_equal(c->ports[1].policed, 0);
	for (unsigned i = 1; i <= 10; i++)
		enter(c, 0, UNKNOWN, 0, 1000 - 14 - 4, t + i * MS);
	assert_int_equal(c->ports[0].policed, 15);
	assert_int_equal(c->flight.count, 10 + 1 + 10);
	drop(c);
}

static void every_frame_arrives_twice_when_all_are_duplicated(void **state)
{
	struct carrier *c = made("e-line 0 1600 0 0 1000000 0 0 0", 2, 0);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		enter(c, 0, UNKNOWN, 0, 100, START);
	assert_int_equal(c->flight.count, 200);
	assert_int_equal(c->ports[1].duplicated, 100);
	drop(c);
}

/* The order in which numbered frames arrive: how many came after one sent later. */
static unsigned overtaken(struct carrier *c, uint64_t *latest)
{
	struct flight_item it;
	unsigned newest = 0, count = 0;

	*latest = 0;
	while (flight_take(&c->flight, UINT64_MAX - 1, &it)) {
		unsigned number;

		memcpy(&number, it.frame->b + 14, sizeof(number));
		if (number < newest)
			count++;
		else
			newest = number;
		if (it.due_ns - (START + number * MS / 10) > *latest)
			*latest = it.due_ns - (START + number * MS / 10);
		frame_put(it.frame);
	}
	return count;
}

static void send_numbered(struct carrier *c, unsigned count)
{
	uint8_t b[100];
	size_t len = frame(b, UNKNOWN, 0, 64);

	for (unsigned i = 0; i < count; i++) {
		memcpy(b + 14, &i, sizeof(i));
		carrier_input(c, 0, b, len, START + i * MS / 10);
	}
}

static void jitter_keeps_the_order_and_reordering_does_not(void **state)
{
	struct carrier *jitter = made("e-line 0 1600 0 0 0 3000000 0 0", 2, 0);
	struct carrier *both = made("e-line 0 1600 0 100000 0 3000000 0 0", 2, 0);
	uint64_t latest;

	(void)state;
	send_numbered(jitter, 5000);
	assert_int_equal(overtaken(jitter, &latest), 0);
	assert_true(latest <= 3 * MS && latest > 2 * MS);
	send_numbered(both, 5000);
	assert_true(overtaken(both, &latest) > 100);
	assert_true(latest <= 5 * MS);
	drop(jitter);
	drop(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_e_line_learns_nothing_and_filters_nothing),
		cmocka_unit_test(an_e_lan_learns_and_keeps_to_itself_what_is_for_the_same_port),
		cmocka_unit_test(reserved_addresses_pass_by_what_was_sold),
		cmocka_unit_test(
			a_whole_port_of_an_e_line_takes_every_vlan_and_leaves_the_tag_alone),
		cmocka_unit_test(frames_over_the_mtu_are_dropped_and_tags_do_not_count),
		cmocka_unit_test(a_port_over_its_rate_loses_frames_and_the_other_does_not),
		cmocka_unit_test(every_frame_arrives_twice_when_all_are_duplicated),
		cmocka_unit_test(jitter_keeps_the_order_and_reordering_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
