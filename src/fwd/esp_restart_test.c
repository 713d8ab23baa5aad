/*
 * esp_restart: tunnels and SAs of ESP over a successor of the forward process, damaged areas, the
 * end of lifetimes, and what is left of keys. No key meets a nonce twice, no replay is accepted.
 */
#include "base/clock.h"
#include "fwd/esp_node_test.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>

static void restart(struct node *n, const struct esp_setup *s)
{
	node_stop(n);
	n->said_count = 0;
	node_start(n);
	esp_ports_add(n, s);
}

static uint32_t wire_seq(const uint8_t *wire)
{
	uint32_t v;

	memcpy(&v, wire + 14 + 20 + 4, 4);
	return be32toh(v);
}

static bool said(const struct node *n, uint8_t event, uint8_t direction, uint32_t spi)
{
	for (unsigned i = 0; i < n->said_count; i++)
		if (n->said[i].type == MSG_ESP_REPORT && n->said[i].esp_report.event == event &&
		    n->said[i].esp_report.direction == direction &&
		    n->said[i].esp_report.spi == spi)
			return true;
	return false;
}

static void a_successor_goes_on_without_a_word_of_control(void **state)
{
	(void)state;
	for (unsigned esn = 0; esn < 2; esn++) {
		struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .esn = esn, .udp = false};
		uint8_t in[2048], old[30][2048], wire[2048], out[2048];
		struct node a, b;
		size_t n = 0, f;

		esp_pair(&a, &b, &s);
		esp_key(&a, &b, 1, &s);
		f = esp_frame(in, 4, 2, 100, 0, false);
		for (unsigned i = 0; i < 30; i++) {
			n = node_send(&a, in, f, old[i]);
			if (i % 3)
				assert_int_equal(node_receive(&b, old[i], n, out), f);
		}
		restart(&a, &s);
		restart(&b, &s);
		for (unsigned i = 0; i < 30; i++) /* what was lost may still come */
			assert_int_equal(node_receive(&b, old[i], n, out), i % 3 ? 0 : f);
		assert_int_equal(fate_of(&b, FATE_DROP_DUPLICATE), 20);
		assert_int_equal(node_send(&a, in, f, wire), n);
		assert_int_equal(wire_seq(wire), 31 + SA_RESTART_JUMP);
		assert_memory_equal(wire, esp_gateway, 6);
		assert_int_equal(node_receive(&b, wire, n, out), f);
		assert_memory_equal(out + 12, in + 12, f - 12);
		/* And the other way round: b never sent before. */
		f = esp_frame(in, 6, 1, 100, 0, false);
		n = node_send(&b, in, f, wire);
		assert_int_equal(node_receive(&a, wire, n, out), f);
		node_fini(&a);
		node_fini(&b);
	}
}

static void numbers_end_where_they_must(void **state)
{
	(void)state;
	for (unsigned esn = 0; esn < 2; esn++) {
		struct esp_setup s = {.esn = esn};
		uint8_t in[2048], wire[2048];
		struct node a, b;
		struct msg m;
		size_t f;

		esp_pair(&a, &b, &s);
		f = esp_frame(in, 4, 2, 100, 0, false);
		m = esp_sa(1, 2, true, 1, &s);
		m.esp.seq = UINT32_MAX - 1;
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_true(node_send(&a, in, f, wire));
		assert_true(node_send(&a, in, f, wire));
		assert_int_equal(wire_seq(wire), UINT32_MAX);
		assert_int_equal(node_send(&a, in, f, wire) != 0, esn);
		if (esn)
			assert_int_equal(wire_seq(wire), 0); /* the upper half is 1 now */
		/* Without ESN it is never to cycle, whoever restarts or asks. */
		restart(&a, &s);
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_equal(node_send(&a, in, f, wire) != 0, esn);
		node_fini(&a);
		node_fini(&b);
	}
}

static void control_hears_of_numbers_that_run_out_before_they_do(void **state)
{
	struct esp_setup s = {0};
	uint8_t in[2048], wire[2048];
	struct node a, b;
	struct msg m;
	size_t f;

	(void)state;
	esp_pair(&a, &b, &s);
	f = esp_frame(in, 4, 2, 100, 0, false);
	m = esp_sa(1, 2, true, 1, &s);
	m.esp.seq_limit = 101;
	assert_int_equal(fwd_control(a.f, &m), 0);
	a.said_count = 0;
	for (unsigned i = 0; i < 74; i++)
		node_send(&a, in, f, wire);
	fwd_tick(a.f, NS_PER_S);
	assert_int_equal(a.said_count, 0);
	node_send(&a, in, f, wire);
	fwd_tick(a.f, 2 * NS_PER_S);
	fwd_tick(a.f, 2 * NS_PER_S + 1);
	assert_int_equal(a.said_count, 1);
	assert_int_equal(a.said[0].esp_report.seq, 76);
	assert_int_equal(a.said[0].esp_report.packets, 75);
	node_fini(&a);
	node_fini(&b);
}

static void a_damaged_sa_is_not_used_and_its_key_not_taken_again(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256};
	uint8_t in[2048], wire[2048];

	(void)state;
	for (size_t at = 0; at < RECORD_HEAD + sizeof(struct esp_config); at += 13) {
		struct node a, b;
		struct sa_area *area;
		struct msg m;
		size_t f;

		esp_pair(&a, &b, &s);
		area = a.area;
		f = esp_frame(in, 4, 2, 100, 0, false);
		m = esp_sa(1, 2, true, 1, &s);
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_true(node_send(&a, in, f, wire));
		area->esps[0].record[at] ^= 0x20; /* there is no older record behind it */
		restart(&a, &s);
		if (node_send(&a, in, f, wire))
			fail_msg("damage at octet %zu was not noticed", at);
		assert_int_equal(fwd_control(a.f, &m), -EEXIST);
		m = esp_sa(1, 2, true, 2, &s);
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_true(node_send(&a, in, f, wire));
		node_fini(&a);
		node_fini(&b);
	}
}

static void a_damaged_number_window_or_tunnel_is_reported_gone(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 3; what++) {
		struct esp_setup s = {0};
		struct node a, b;
		struct sa_area *area;
		struct msg m;

		esp_pair(&a, &b, &s);
		area = a.area;
		m = esp_sa(2, 1, false, 1, &s);
		assert_int_equal(fwd_control(a.f, &m), 0);
		if (what == 0) {
			area->esp_live[0].slot[0].v = 77;
			area->esp_live[0].slot[1].v = 78;
		} else if (what == 1) { /* of a second SA that says it has the same bits */
			m = esp_sa(2, 1, false, 2, &s);
			assert_int_equal(fwd_control(a.f, &m), 0);
			memcpy(&area->esps[1], &area->esps[0], sizeof(area->esps[0]));
		} else {
			area->tunnels[0].record[RECORD_HEAD] ^= 1;
		}
		restart(&a, &s);
		assert_true(said(&a, ESP_GONE, SA_RECEIVE, 0x10101));
		assert_int_equal(a.f->sas->esps[0] != NULL, what == 1);
		assert_null(a.f->sas->esps[1]);
		assert_int_equal(tunnel_find(a.f->sas, ESP_TUNNEL_ID) != NULL, what != 2);
		node_fini(&a);
		node_fini(&b);
	}
}

static bool in_area(const struct node *n, const struct secret *key)
{
	const struct sa_area *area = n->area;

	return memmem(area->esps, sizeof(area->esps), key->b, key->len) != NULL;
}

static void keys_that_are_over_are_wiped_from_the_area(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_CBC_256_SHA2_512_256};

	(void)state;
	for (unsigned how = 0; how < 10; how++) {
		bool transmit = how & 1;
		struct node a, b;
		struct msg m;

		esp_pair(&a, &b, &s);
		m = esp_sa(transmit ? 1 : 2, transmit ? 2 : 1, transmit, 1, &s);
		m.esp.hard_at = 10 * NS_PER_S;
		m.esp.auth.b[0] ^= 1;
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_equal(fwd_control(a.f, &m), 0); /* a second record of it */
		assert_true(in_area(&a, &m.esp.key) && in_area(&a, &m.esp.auth));
		a.said_count = 0;
		if (how / 2 == 0) {
			struct msg r = {.type = MSG_ESP_RETIRE};

			r.esp_retire.tunnel = ESP_TUNNEL_ID;
			r.esp_retire.direction = transmit;
			r.esp_retire.spi = m.esp.spi;
			assert_int_equal(fwd_control(a.f, &r), 0);
		} else if (how / 2 == 1) {
			restart(&a, &s); /* control is dead: the lifetime ends all the same */
			fwd_tick(a.f, 10 * NS_PER_S - 1);
			assert_true(in_area(&a, &m.esp.key));
			fwd_tick(a.f, 10 * NS_PER_S);
		} else if (how / 2 == 2) {
			struct msg d = {.type = MSG_TUNNEL_DEL, .secy = ESP_TUNNEL_ID};

			assert_int_equal(fwd_control(a.f, &d), 0);
		} else if (how / 2 == 3) { /* its number is another peer's now */
			struct msg t = esp_tunnel(2, 1, ESP_TUNNEL_ID, &s);

			assert_int_equal(fwd_control(a.f, &t), 0);
			assert_true(in_area(&a, &m.esp.key)); /* the same once more */
			memcpy(t.tunnel_add.name, "stranger", 9);
			assert_int_equal(fwd_control(a.f, &t), 0);
		} else { /* another key under the same name */
			struct msg other = esp_sa(1, 2, transmit, 3, &s);

			other.esp.local = m.esp.local;
			other.esp.remote = m.esp.remote;
			other.esp.spi = m.esp.spi;
			assert_int_equal(fwd_control(a.f, &other), 0);
		}
		assert_false(in_area(&a, &m.esp.key) || in_area(&a, &m.esp.auth));
		if (how / 2 != 2 && how / 2 != 3)
			assert_true(said(&a, ESP_GONE, transmit, m.esp.spi));
		node_fini(&a);
		node_fini(&b);
	}
}

/* Tunnel n of as many as there may be: its peer's MAC address, names, keys and SPIs are its own. */
static struct msg full_tunnel(unsigned n, const struct esp_setup *s)
{
	struct msg m = esp_tunnel(2, 1, (uint16_t)(100 + n), s);

	m.tunnel_add.peer[1] = 1;
	m.tunnel_add.peer[2] = (uint8_t)(n >> 8);
	m.tunnel_add.peer[3] = (uint8_t)n;
	snprintf(m.tunnel_add.name, sizeof(m.tunnel_add.name), "peer-%u", n);
	return m;
}

static struct msg full_sa(unsigned n, unsigned round, bool transmit, const struct esp_setup *s)
{
	struct msg m = esp_sa(transmit ? 1 : 2, transmit ? 2 : 1, transmit, round, s);

	m.esp.tunnel = (uint16_t)(100 + n);
	m.esp.spi = 0x100000 + (n * 2 + round) * 2 + transmit;
	memcpy(m.esp.key.b, &m.esp.spi, sizeof(m.esp.spi));
	return m;
}

static unsigned sas_there(const struct node *n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < ESP_SLOT_MAX; i++)
		k += n->f->sas->esps[i] != NULL;
	return k;
}

/* Two SAs in each direction of each tunnel, as in the middle of a rekey of all of them. */
static void a_node_full_of_tunnels_is_taken_over_whole(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .esn = true, .window = 1024};
	uint8_t in[2048], wire[2048];
	struct node a, b;
	struct msg m;
	size_t f;

	(void)state;
	esp_pair(&a, &b, &s);
	m = (struct msg){.type = MSG_TUNNEL_DEL, .secy = ESP_TUNNEL_ID};
	assert_int_equal(fwd_control(a.f, &m), 0);
	for (unsigned n = 0; n < TUNNEL_MAX; n++) {
		m = full_tunnel(n, &s);
		assert_int_equal(fwd_control(a.f, &m), 0);
		for (unsigned i = 0; i < 4; i++) {
			m = full_sa(n, i / 2, i % 2, &s);
			assert_int_equal(fwd_control(a.f, &m), 0);
		}
	}
	m = full_tunnel(TUNNEL_MAX, &s);
	assert_int_equal(fwd_control(a.f, &m), -ENOSPC);
	m = full_sa(0, 2 * TUNNEL_MAX, false, &s);
	assert_int_equal(fwd_control(a.f, &m), -ENOSPC);
	assert_true(said(&a, ESP_GONE, SA_RECEIVE, m.esp.spi));
	/* A key that is there is found among all of them, and what was retired makes room. */
	m = full_sa(TUNNEL_MAX / 2, 0, true, &s);
	m.esp.spi = 0x77777777;
	assert_int_equal(fwd_control(a.f, &m), -EEXIST);
	m = (struct msg){.type = MSG_ESP_RETIRE,
			 .esp_retire = {.tunnel = 100, .spi = full_sa(0, 0, false, &s).esp.spi}};
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(sas_there(&a), ESP_SLOT_MAX - 1);
	m = full_sa(0, 0, false, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	restart(&a, &s);
	assert_int_equal(a.said_count, 0); /* nothing is gone */
	assert_int_equal(sas_there(&a), ESP_SLOT_MAX);
	f = esp_frame(in, 4, 2, 100, 0, false);
	for (unsigned n = 0; n < TUNNEL_MAX; n += 31) {
		uint32_t spi = htobe32(full_sa(n, 1, true, &s).esp.spi);

		memcpy(in, full_tunnel(n, &s).tunnel_add.peer, 6);
		assert_int_not_equal(node_send(&a, in, f, wire), 0);
		assert_memory_equal(wire + 14 + 20, &spi, sizeof(spi)); /* the newest sends */
		assert_int_equal(wire_seq(wire), 1 + SA_RESTART_JUMP);
	}
	/* Each tunnel goes alone. */
	m = (struct msg){.type = MSG_TUNNEL_DEL, .secy = 100 + 31};
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(sas_there(&a), ESP_SLOT_MAX - 4);
	memcpy(in, full_tunnel(31, &s).tunnel_add.peer, 6);
	assert_int_equal(node_send(&a, in, f, wire), 0);
	memcpy(in, full_tunnel(62, &s).tunnel_add.peer, 6);
	assert_int_not_equal(node_send(&a, in, f, wire), 0);
	node_fini(&a);
	node_fini(&b);
}

static void a_lifetime_ends_at_its_time_whichever_sa_was_first(void **state)
{
	struct esp_setup s = {0};
	struct node a, b;
	struct msg m;

	(void)state;
	esp_pair(&a, &b, &s);
	for (unsigned key = 1; key <= 3; key++) {
		m = esp_sa(1, 2, true, key, &s);
		m.esp.hard_at = (4 - key) * NS_PER_S;
		assert_int_equal(fwd_control(a.f, &m), 0);
	}
	m = esp_sa(1, 2, true, 1, &s); /* the one that lasts longest is to end sooner */
	m.esp.hard_at = NS_PER_S / 2;
	assert_int_equal(fwd_control(a.f, &m), 0);
	fwd_tick(a.f, NS_PER_S / 2 - 1);
	assert_int_equal(sas_there(&a), 3);
	fwd_tick(a.f, NS_PER_S / 2);
	assert_int_equal(sas_there(&a), 2);
	restart(&a, &s);
	fwd_tick(a.f, NS_PER_S);
	assert_int_equal(sas_there(&a), 1);
	assert_true(said(&a, ESP_GONE, SA_TRANSMIT, esp_sa(1, 2, true, 3, &s).esp.spi));
	fwd_tick(a.f, 2 * NS_PER_S - 1);
	assert_int_equal(sas_there(&a), 1);
	fwd_tick(a.f, 2 * NS_PER_S);
	assert_int_equal(sas_there(&a), 0);
	node_fini(&a);
	node_fini(&b);
}

static void an_area_of_another_layout_is_wiped(void **state)
{
	struct esp_setup s = {0};
	struct node a, b;
	struct msg m;

	(void)state;
	esp_pair(&a, &b, &s);
	m = esp_sa(1, 2, true, 1, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_true(in_area(&a, &m.esp.key));
	((struct sa_area *)a.area)->layout_esp++;
	restart(&a, &s);
	assert_false(in_area(&a, &m.esp.key));
	node_fini(&a);
	node_fini(&b);
}

/* What control says wrongly: refused, said to be gone, and nothing changes. */
static void what_control_may_not_ask_is_refused(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256};
	struct node a, b;
	struct msg m, good;

	(void)state;
	esp_pair(&a, &b, &s);
	good = esp_sa(2, 1, false, 1, &s);
	assert_int_equal(fwd_control(a.f, &good), 0);
#define REFUSED(rc, change)                                                                        \
	do {                                                                                       \
		m = esp_sa(2, 1, false, 2, &s);                                                    \
		change;                                                                            \
		a.said_count = 0;                                                                  \
		assert_int_equal(fwd_control(a.f, &m), rc);                                        \
		assert_true(said(&a, ESP_GONE, m.type == MSG_ESP_TRANSMIT, m.esp.spi));            \
	} while (0)
	REFUSED(-ENOENT, m.esp.tunnel = 99);
	REFUSED(-EINVAL, m.esp.suite = ESP_SUITE_COUNT);
	REFUSED(-EINVAL, m.esp.key.len = 32); /* no salt */
	REFUSED(-EINVAL, m.esp.auth.len = 32);
	REFUSED(-EINVAL, m.esp.spi = 255);
	REFUSED(-EINVAL, m.esp.window = ESP_WINDOW_MAX + 1);
	REFUSED(-EINVAL, m.esp.local.family = 6);
	REFUSED(-EINVAL, m.esp.local.port = 4500);
	REFUSED(-EINVAL, memset(m.esp.remote.addr, 0, 16));
	REFUSED(-EINVAL, m.esp.ts_local.count = 0);
	REFUSED(-EEXIST, m.type = MSG_ESP_TRANSMIT; m.esp.key = good.esp.key);
	m = esp_tunnel(3, 1, 8, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	REFUSED(-EADDRINUSE, m.esp.tunnel = 8; m.esp.spi = good.esp.spi);
	m = esp_tunnel(3, 1, 9, &s);
	m.tunnel_add.df = TUNNEL_DF_COUNT;
	assert_int_equal(fwd_control(a.f, &m), -EINVAL);
	m.tunnel_add.df = 0;
	m.tunnel_add.peer[0] |= 1; /* a group */
	assert_int_equal(fwd_control(a.f, &m), -EINVAL);
	node_fini(&a);
	node_fini(&b);
}

static void sync_says_all_that_is_installed(void **state)
{
	struct esp_setup s = {0};
	struct node a, b;
	struct msg m = {.type = MSG_SYNC, .seq = 5};

	(void)state;
	esp_pair(&a, &b, &s);
	esp_key(&a, &b, 1, &s);
	esp_key(&a, &b, 2, &s);
	restart(&a, &s);
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(a.said_count, 5);
	assert_true(said(&a, ESP_INSTALLED, SA_TRANSMIT, 0x10102));
	assert_true(said(&a, ESP_INSTALLED, SA_TRANSMIT, 0x10202));
	assert_true(said(&a, ESP_INSTALLED, SA_RECEIVE, 0x10101));
	assert_true(said(&a, ESP_INSTALLED, SA_RECEIVE, 0x10201));
	assert_int_equal(a.said[4].type, MSG_SYNC_DONE);
	/* The newest of them sends, after the restart too. */
	assert_int_equal(a.f->tunnels[0].tunnel->tx->esp.spi, 0x10202);
	node_fini(&a);
	node_fini(&b);
}

/*
 * A control that forgets: it installs, retires and installs again keys that were used, from
 * number 1, while forward is restarted. Every packet on the wire is remembered by key and number.
 */
static void key_and_nonce_never_repeat_over_restarts_and_rekeys(void **state)
{
	enum { KEYS = 5, NUMBERS = 1 << 25 };
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .esn = true};
	uint8_t *used = calloc(KEYS, NUMBERS / 8), in[2048], wire[2048];
	uint32_t seed = 4711, packets = 0, restarts = 0;
	struct node a, b;
	size_t f;

	(void)state;
	esp_pair(&a, &b, &s);
	f = esp_frame(in, 4, 2, 60, 0, false);
	for (unsigned step = 0; step < 3000; step++) {
		unsigned what, key;
		struct msg m;

		seed = seed * 1664525 + 1013904223;
		what = seed >> 16;
		key = what / 64 % KEYS;
		m = esp_sa(1, 2, true, key, &s);
		if (what % 41 == 0 && restarts < 200) {
			restart(&a, &s);
			restarts++;
		} else if (what % 7 == 0) {
			assert_int_equal(fwd_control(a.f, &m), 0);
		} else if (what % 11 == 0) {
			struct msg r = {.type = MSG_ESP_RETIRE};

			r.esp_retire.tunnel = ESP_TUNNEL_ID;
			r.esp_retire.direction = SA_TRANSMIT;
			r.esp_retire.spi = m.esp.spi;
			assert_int_equal(fwd_control(a.f, &r), 0);
		} else if (node_send(&a, in, f, wire)) {
			uint32_t seq = wire_seq(wire), bit;

			key = wire[14 + 20 + 2];
			assert_true(key < KEYS && seq < NUMBERS);
			bit = key * (uint32_t)NUMBERS + seq;
			assert_false(used[bit / 8] >> bit % 8 & 1);
			used[bit / 8] |= (uint8_t)(1u << bit % 8);
			packets++;
		}
	}
	assert_true(packets > 1000 && restarts > 30);
	node_fini(&a);
	node_fini(&b);
	free(used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_successor_goes_on_without_a_word_of_control),
		cmocka_unit_test(numbers_end_where_they_must),
		cmocka_unit_test(control_hears_of_numbers_that_run_out_before_they_do),
		cmocka_unit_test(a_damaged_sa_is_not_used_and_its_key_not_taken_again),
		cmocka_unit_test(a_damaged_number_window_or_tunnel_is_reported_gone),
		cmocka_unit_test(keys_that_are_over_are_wiped_from_the_area),
		cmocka_unit_test(a_node_full_of_tunnels_is_taken_over_whole),
		cmocka_unit_test(a_lifetime_ends_at_its_time_whichever_sa_was_first),
		cmocka_unit_test(an_area_of_another_layout_is_wiped),
		cmocka_unit_test(what_control_may_not_ask_is_refused),
		cmocka_unit_test(sync_says_all_that_is_installed),
		cmocka_unit_test(key_and_nonce_never_repeat_over_restarts_and_rekeys),
	};

	return cmocka_run_group_tests_name("fwd/esp_restart", tests, NULL, NULL);
}
