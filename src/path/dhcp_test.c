/* dhcp: the client against a server of a few lines, in virtual time; and what it must not believe. */
#include "path/dhcp.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SERVER 0x0a000001u
#define ADDR 0x0a000005u
#define MASK 0xffffff00u
#define UDP_AT (14 + 20)
#define BOOTP_AT (UDP_AT + 8)
#define OPTIONS_AT (BOOTP_AT + 240)

static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 1}, server_mac[6] = {2, 0, 0, 0, 0, 2};

struct world {
	struct path_dhcp *d;
	uint64_t now;
	uint32_t random;
	uint8_t sent[DHCP_FRAME_MAX];
	size_t sent_len;
};

static uint32_t next_random(void *ctx)
{
	struct world *w = ctx;

	return w->random = w->random * 1664525u + 1013904223u;
}

static struct path_dhcp_config config(struct world *w)
{
	struct path_dhcp_config c = {.host_name = "fra1", .ctx = w, .random = next_random};

	memcpy(c.mac, client_mac, 6);
	return c;
}

static void world_init(struct world *w)
{
	struct path_dhcp_config c = config(w);

	*w = (struct world){.now = 1000 * NS_PER_S, .random = 7};
	w->d = path_dhcp_new(&c, w->now);
}

/* Lets time pass to the next timer and takes what is sent then. True: something was. */
static bool step(struct world *w)
{
	uint64_t due = path_dhcp_deadline(w->d);

	w->now = due > w->now ? due : w->now;
	path_dhcp_expire(w->d, w->now);
	w->sent_len = path_dhcp_output(w->d, w->sent);
	return w->sent_len > 0;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* What the server would answer to the last frame sent. Returns the frame's length. */
static size_t reply(const struct world *w, uint8_t type, uint32_t addr, uint32_t lease_s,
		    uint8_t *f)
{
	uint8_t *o = f + OPTIONS_AT;
	const struct {
		uint8_t code;
		uint32_t v;
	} numbers[] = {{54, SERVER}, {1, MASK}, {3, SERVER}, {51, lease_s}};

	memset(f, 0, OPTIONS_AT + 60);
	memcpy(f, client_mac, 6);
	memcpy(f + 6, server_mac, 6);
	put16(f + 12, 0x0800);
	f[14] = 0x45;
	put16(f + 16, 20 + 8 + 300);
	f[22] = 64;
	f[23] = 17;
	put32(f + 26, SERVER);
	put32(f + 30, addr);
	put16(f + 24, checksum(f + 14, 20));
	put16(f + UDP_AT, 67);
	put16(f + UDP_AT + 2, 68);
	put16(f + UDP_AT + 4, 308);
	memcpy(f + BOOTP_AT, (const uint8_t[]){2, 1, 6, 0}, 4);
	memcpy(f + BOOTP_AT + 4, w->sent + BOOTP_AT + 4, 4);
	put32(f + BOOTP_AT + 16, addr);
	memcpy(f + BOOTP_AT + 28, client_mac, 6);
	put32(f + BOOTP_AT + 236, 0x63825363);
	memcpy(o, (const uint8_t[]){53, 1, type}, 3);
	o += 3;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++, o += 6) {
		o[0] = numbers[i].code;
		o[1] = 4;
		put32(o + 2, numbers[i].v);
	}
	*o = 255;
	return BOOTP_AT + 300;
}

static bool answer(struct world *w, uint8_t type, uint32_t addr, uint32_t lease_s)
{
	uint8_t f[DHCP_FRAME_MAX];

	return path_dhcp_input(w->d, f, reply(w, type, addr, lease_s, f), w->now);
}

/* The value of an option in the last frame sent, or NULL. */
static const uint8_t *sent_option(const struct world *w, uint8_t code)
{
	for (const uint8_t *o = w->sent + OPTIONS_AT; o < w->sent + w->sent_len && *o != 255;
	     o += 2 + o[1])
		if (*o == code)
			return o + 2;
	return NULL;
}

static void bound(struct world *w, uint32_t lease_s)
{
	assert_true(step(w));
	assert_true(answer(w, DHCP_OFFER, ADDR, lease_s));
	w->sent_len = path_dhcp_output(w->d, w->sent);
	assert_true(answer(w, DHCP_ACK, ADDR, lease_s));
	assert_string_equal(path_dhcp_state(w->d), "BOUND");
}

static void an_address_is_discovered_requested_and_bound(void **state)
{
	const struct path_dhcp_lease *l;
	struct world w;

	(void)state;
	world_init(&w);
	assert_null(path_dhcp_lease(w.d));
	assert_true(step(&w));
	assert_int_equal(*sent_option(&w, 53), DHCP_DISCOVER);
	assert_memory_equal(w.sent, "\xff\xff\xff\xff\xff\xff", 6);
	assert_int_equal(checksum(w.sent + 14, 20), 0);
	assert_true(answer(&w, DHCP_OFFER, ADDR, 600));
	w.sent_len = path_dhcp_output(w.d, w.sent);
	assert_int_equal(*sent_option(&w, 53), DHCP_REQUEST);
	assert_int_equal(get32(sent_option(&w, 50)), ADDR);
	assert_int_equal(get32(sent_option(&w, 54)), SERVER);
	assert_true(answer(&w, DHCP_ACK, ADDR, 600));
	l = path_dhcp_lease(w.d);
	assert_non_null(l);
	assert_int_equal(l->addr, ADDR);
	assert_int_equal(l->prefix, 24);
	assert_int_equal(l->router, SERVER);
	assert_int_equal(l->until, w.now + 600 * NS_PER_S);
	path_dhcp_free(w.d);
}

static void a_silent_server_is_asked_again_less_and_less_often(void **state)
{
	uint64_t last = 0, gap, before = 0;
	struct world w;

	(void)state;
	world_init(&w);
	for (unsigned i = 0; i < 12; i++) {
		assert_true(step(&w));
		assert_int_equal(*sent_option(&w, 53), DHCP_DISCOVER);
		gap = w.now - last;
		if (i > 1) {
			assert_true(gap + 2 * NS_PER_S > before);
			assert_true(gap >= 3 * NS_PER_S && gap <= 65 * NS_PER_S);
		}
		before = i ? gap : 0;
		last = w.now;
	}
	path_dhcp_free(w.d);
}

static void half_a_lease_on_it_is_renewed_with_the_server_alone(void **state)
{
	uint64_t since;
	struct world w;

	(void)state;
	world_init(&w);
	bound(&w, 600);
	since = w.now;
	assert_true(step(&w));
	assert_int_equal(w.now, since + 300 * NS_PER_S);
	assert_string_equal(path_dhcp_state(w.d), "RENEWING");
	assert_memory_equal(w.sent, server_mac, 6);
	assert_int_equal(get32(w.sent + 30), SERVER);
	assert_int_equal(get32(w.sent + BOOTP_AT + 12), ADDR);
	assert_null(sent_option(&w, 50));
	assert_null(sent_option(&w, 54));
	assert_true(answer(&w, DHCP_ACK, ADDR, 600));
	assert_int_equal(path_dhcp_lease(w.d)->until, w.now + 600 * NS_PER_S);
	path_dhcp_free(w.d);
}

static void a_lease_that_nobody_renews_ends_when_it_ends(void **state)
{
	bool rebinding = false;
	uint64_t since;
	struct world w;

	(void)state;
	world_init(&w);
	bound(&w, 600);
	since = w.now;
	while (path_dhcp_lease(w.d)) {
		assert_true(path_dhcp_deadline(w.d) > w.now);
		step(&w);
		if (!strcmp(path_dhcp_state(w.d), "REBINDING") && w.sent_len) {
			rebinding = true;
			assert_memory_equal(w.sent, "\xff\xff\xff\xff\xff\xff", 6);
		}
	}
	assert_true(rebinding);
	assert_int_equal(w.now, since + 600 * NS_PER_S);
	assert_int_equal(*sent_option(&w, 53), DHCP_DISCOVER);
	path_dhcp_free(w.d);
}

static void a_refused_address_is_given_up_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	bound(&w, 600);
	step(&w);
	assert_true(answer(&w, DHCP_NAK, 0, 0));
	assert_null(path_dhcp_lease(w.d));
	assert_true(step(&w));
	assert_int_equal(*sent_option(&w, 53), DHCP_DISCOVER);
	path_dhcp_free(w.d);
}

static void a_successor_has_the_address_and_asks_for_it_again(void **state)
{
	uint8_t record[PATH_DHCP_SAVE];
	struct wr save = wr_init(record, sizeof(record));
	struct path_dhcp_config c;
	struct world w;
	struct rd r;

	(void)state;
	world_init(&w);
	bound(&w, 600);
	path_dhcp_save(w.d, &save);
	assert_false(save.bad);
	path_dhcp_free(w.d);
	c = config(&w);
	w.d = path_dhcp_new(&c, w.now);
	r = rd_init(record, wr_len(&save));
	assert_true(path_dhcp_load(w.d, &r, w.now));
	assert_int_equal(path_dhcp_lease(w.d)->addr, ADDR);
	w.sent_len = path_dhcp_output(w.d, w.sent);
	assert_int_equal(get32(sent_option(&w, 50)), ADDR);
	assert_null(sent_option(&w, 54));
	/* Nobody answers: what was leased is used to its end. */
	step(&w);
	step(&w);
	assert_string_equal(path_dhcp_state(w.d), "REBINDING");
	assert_non_null(path_dhcp_lease(w.d));
	path_dhcp_free(w.d);
	/* Of a lease that is over nothing is left. */
	w.d = path_dhcp_new(&c, w.now + 700 * NS_PER_S);
	r = rd_init(record, wr_len(&save));
	assert_false(path_dhcp_load(w.d, &r, w.now + 700 * NS_PER_S));
	assert_null(path_dhcp_lease(w.d));
	path_dhcp_free(w.d);
}

/* One change of a good OFFER each. */
static void what_is_no_answer_to_us_changes_nothing(void **state)
{
	static const struct {
		size_t at;
		uint8_t xor ;
		const char *what;
	} rows[] = {
		{12, 0x08, "not IPv4"},
		{14, 0x10, "IP version"},
		{14, 0x01, "options that are not there"},
		{17, 0x01, "IP total length"},
		{20, 0x20, "a fragment"},
		{23, 0x01, "not UDP"},
		{24, 0x01, "IP checksum"},
		{UDP_AT + 1, 0x01, "not from a server"},
		{UDP_AT + 3, 0x01, "not to a client"},
		{UDP_AT + 5, 0x01, "UDP length"},
		{UDP_AT + 7, 0x01, "UDP checksum"},
		{BOOTP_AT, 0x03, "a request"},
		{BOOTP_AT + 1, 0x07, "another kind of network"},
		{BOOTP_AT + 2, 0x01, "an address of another length"},
		{BOOTP_AT + 5, 0x01, "another transaction"},
		{BOOTP_AT + 30, 0x01, "another client"},
		{BOOTP_AT + 238, 0x01, "no cookie"},
		{OPTIONS_AT + 1, 0xff, "an option that ends outside"},
		{OPTIONS_AT + 2, 0x07, "an ACK where an OFFER is due"},
		{OPTIONS_AT, 0x01, "no message type"},
		{OPTIONS_AT + 4, 0x07, "a server of three bytes"},
		{OPTIONS_AT + 12, 0xff, "a mask with a hole"},
		{BOOTP_AT + 16, 0x75, "loopback"},
		{BOOTP_AT + 16, 0xe0, "multicast"},
		{BOOTP_AT + 19, 0x05, "the network's own address"},
	};
	uint8_t f[DHCP_FRAME_MAX];
	struct world w;
	size_t len;

	(void)state;
	world_init(&w);
	assert_true(step(&w));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		len = reply(&w, DHCP_OFFER, ADDR, 600, f);
		f[rows[i].at] ^= rows[i].xor ;
		if (path_dhcp_input(w.d, f, len, w.now))
			fail_msg("%s was believed", rows[i].what);
		assert_string_equal(path_dhcp_state(w.d), "SELECTING");
	}
	for (len = reply(&w, DHCP_OFFER, ADDR, 600, f) - 1; len; len--)
		assert_false(path_dhcp_input(w.d, f, len, w.now));
	assert_true(answer(&w, DHCP_OFFER, ADDR, 600));
	path_dhcp_free(w.d);
}

static void what_comes_unasked_changes_nothing(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	bound(&w, 600);
	assert_false(answer(&w, DHCP_NAK, 0, 0));
	assert_false(answer(&w, DHCP_ACK, ADDR + 1, 600));
	assert_int_equal(path_dhcp_lease(w.d)->addr, ADDR);
	path_dhcp_free(w.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_discovered_requested_and_bound),
		cmocka_unit_test(a_silent_server_is_asked_again_less_and_less_often),
		cmocka_unit_test(half_a_lease_on_it_is_renewed_with_the_server_alone),
		cmocka_unit_test(a_lease_that_nobody_renews_ends_when_it_ends),
		cmocka_unit_test(a_refused_address_is_given_up_at_once),
		cmocka_unit_test(a_successor_has_the_address_and_asks_for_it_again),
		cmocka_unit_test(what_is_no_answer_to_us_changes_nothing),
		cmocka_unit_test(what_comes_unasked_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
