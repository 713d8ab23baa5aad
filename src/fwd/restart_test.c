/*
 * restart: a successor over the area of a forward process that was stopped, killed at any
 * instruction, or whose area was damaged. No key meets a nonce twice, no replay is accepted.
 */
#include "fwd/node_test.h"

#include "sa/table.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAME 100

static void restart(struct node *n)
{
	node_stop(n);
	n->said_count = 0;
	node_start(n);
}

static uint32_t wire_pn(const uint8_t *wire)
{
	return (uint32_t)wire[16] << 24 | (uint32_t)wire[17] << 16 | (uint32_t)wire[18] << 8 |
	       wire[19];
}

static void successor_goes_on_without_a_word_of_control(void **state)
{
	uint8_t in[FRAME], old[30][2048], wire[2048], out[2048];
	struct node a, b;
	size_t n = 0;

	(void)state;
	node_init(&a, 1, 64);
	node_init(&b, 2, 64);
	node_key(&a, &b, 2, 4, MACSEC_GCM_AES_XPN_256);
	node_frame(in, FRAME, 1);
	for (unsigned i = 0; i < 30; i++) {
		n = node_send(&a, in, FRAME, old[i]);
		if (i % 3)
			assert_int_equal(node_receive(&b, old[i], n, out), FRAME);
	}
	restart(&a);
	restart(&b);
	for (unsigned i = 0; i < 30; i++) /* what was lost may still come, what came may not */
		assert_int_equal(node_receive(&b, old[i], n, out), i % 3 ? 0 : FRAME);
	assert_int_equal(b.f->fates[FATE_DROP_DUPLICATE], 20);
	assert_int_equal(node_send(&a, in, FRAME, wire), n);
	assert_int_equal(wire[14] & 3, 2);
	assert_true(wire_pn(wire) == 31 + SA_RESTART_JUMP);
	assert_int_equal(node_receive(&b, wire, n, out), FRAME);
	assert_memory_equal(out, in, FRAME);
	/* Both directions, and the other way round: b never sent before. */
	assert_int_equal(node_send(&b, in, FRAME, wire), n);
	assert_int_equal(node_receive(&a, wire, n, out), FRAME);
	node_fini(&a);
	node_fini(&b);
}

static unsigned carrier_ups, carrier_downs;

static void carrier_note(struct port *port, bool up)
{
	(void)port;
	carrier_ups += up;
	carrier_downs += !up;
}

static void overlay_that_goes_on_is_never_said_to_be_down(void **state)
{
	struct msg_port_give give = {.port = NODE_OVERLAY, .kind = MSG_PORT_OVERLAY};
	struct port_ops ops;
	struct port *port;
	struct node a;
	struct msg m;

	(void)state;
	node_init(&a, 1, 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
	assert_int_equal(fwd_control(a.f, &m), 0);
	restart(&a);
	port = port_memory_new(64, a.pool); /* the parent gives it again */
	ops = *port->ops;
	ops.carrier = carrier_note;
	port->ops = &ops;
	carrier_ups = carrier_downs = 0;
	assert_int_equal(fwd_port_add(a.f, &give, port), 0);
	assert_int_equal(node_secy(&a), 0); /* control says everything again */
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_equal(carrier_downs, 0);
	assert_int_equal(carrier_ups, 1);
	node_fini(&a);
}

static void largest_window_is_kept_exactly(void **state)
{
	uint8_t in[FRAME], wire[4][2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n = 0;
	uint64_t pns[4] = {5, 500000, (1u << 20) - 1, (1u << 20) + 4};

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 1u << 20);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_128);
	node_frame(in, FRAME, 1);
	for (unsigned i = 0; i < 4; i++) {
		m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_128);
		m.sa.pn = pns[i];
		assert_int_equal(fwd_control(a.f, &m), 0);
		n = node_send(&a, in, FRAME, wire[i]);
		assert_int_equal(wire_pn(wire[i]), pns[i]);
	}
	assert_int_equal(node_receive(&b, wire[3], n, out), FRAME);
	assert_int_equal(node_receive(&b, wire[1], n, out), FRAME);
	restart(&b);
	assert_int_equal(node_receive(&b, wire[0], n, out), FRAME); /* the very edge */
	assert_int_equal(node_receive(&b, wire[1], n, out), 0);
	assert_int_equal(node_receive(&b, wire[2], n, out), FRAME);
	assert_int_equal(node_receive(&b, wire[3], n, out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_DUPLICATE], 2);
	node_fini(&a);
	node_fini(&b);
}

static void jump_stops_at_the_limit_of_control(void **state)
{
	uint8_t in[FRAME], wire[2048];
	struct node a;
	struct msg m;

	(void)state;
	node_init(&a, 1, 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_128);
	m.sa.pn_limit = 100000;
	assert_int_equal(fwd_control(a.f, &m), 0);
	node_frame(in, FRAME, 1);
	assert_int_not_equal(node_send(&a, in, FRAME, wire), 0);
	restart(&a);
	assert_int_not_equal(node_send(&a, in, FRAME, wire), 0);
	assert_int_equal(wire_pn(wire), 2 + SA_RESTART_JUMP);
	restart(&a);
	assert_int_equal(node_send(&a, in, FRAME, wire), 0);
	assert_int_equal(a.f->fates[FATE_DROP_PN_EXHAUSTED], 1);
	m.sa.pn_limit = 200000; /* a new lease */
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_int_not_equal(node_send(&a, in, FRAME, wire), 0);
	assert_int_equal(wire_pn(wire), 100000);
	node_fini(&a);
}

/* Which report said that an SA of that key is gone. */
static bool said_gone(const struct node *n, unsigned key)
{
	for (unsigned i = 0; i < n->said_count; i++)
		if (n->said[i].type == MSG_SA_REPORT && !n->said[i].sa_report.installed &&
		    n->said[i].sa_report.key_id[0] == key)
			return true;
	return false;
}

static bool in_use(const struct node *n)
{
	for (unsigned i = 0; i < SA_SLOT_MAX; i++)
		if (n->f->sas->sas[i])
			return true;
	return false;
}

static void damaged_record_is_not_used_and_its_key_not_taken_again(void **state)
{
	uint8_t in[FRAME], wire[2048];

	(void)state;
	node_frame(in, FRAME, 1);
	for (size_t at = 0; at < RECORD_HEAD + sizeof(struct sa_config); at += 7) {
		struct node a;
		struct sa_area *area;
		struct msg m;

		node_init(&a, 1, 0);
		area = a.area;
		m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_256);
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_not_equal(node_send(&a, in, FRAME, wire), 0);
		area->slots[0].record[at] ^= 0x20; /* there is no older record behind it */
		restart(&a);
		if (in_use(&a))
			fail_msg("damage at octet %zu was not noticed", at);
		assert_int_equal(node_send(&a, in, FRAME, wire), 0);
		assert_int_equal(fwd_control(a.f, &m), -EEXIST);
		restart(&a);
		assert_int_equal(fwd_control(a.f, &m), -EEXIST);
		m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 2, MACSEC_GCM_AES_XPN_256);
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_not_equal(node_send(&a, in, FRAME, wire), 0);
		node_fini(&a);
	}
}

static void damaged_number_or_window_is_reported_gone(void **state)
{
	struct node b;
	struct sa_area *area;
	struct msg m;

	(void)state;
	node_init(&b, 2, 64);
	area = b.area;
	m = node_sa(MSG_SA_RECEIVE, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(fwd_control(b.f, &m), 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(3), 0, 2, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(fwd_control(b.f, &m), 0);
	area->slots[1].live.slot[0].v = 77;
	area->slots[1].live.slot[1].v = 78;
	restart(&b);
	assert_true(said_gone(&b, 2));
	assert_false(said_gone(&b, 1));
	assert_non_null(b.f->sas->sas[0]);
	assert_null(b.f->sas->sas[1]);
	assert_int_equal(fwd_control(b.f, &m), 0); /* receiving twice with a key is no harm */
	node_fini(&b);
}

static void area_of_another_layout_is_wiped(void **state)
{
	struct node a;
	struct sa_area *area;
	struct msg m;
	uint8_t key[32];

	(void)state;
	node_init(&a, 1, 0);
	area = a.area;
	memset(key, 1, sizeof(key));
	m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(fwd_control(a.f, &m), 0);
	assert_non_null(memmem(area->slots, sizeof(area->slots), key, sizeof(key)));
	area->layout++;
	restart(&a);
	assert_null(memmem(area->slots, sizeof(area->slots), key, sizeof(key)));
	assert_false(in_use(&a));
	node_fini(&a);
}

static void retired_key_is_wiped_from_the_area(void **state)
{
	struct node a;
	struct sa_area *area;
	struct msg m;
	uint8_t key[32];

	(void)state;
	node_init(&a, 1, 0);
	area = a.area;
	memset(key, 6, sizeof(key));
	for (unsigned i = 0; i < 2; i++) {
		m = node_sa(i ? MSG_SA_RECEIVE : MSG_SA_TRANSMIT, node_sci(i ? 2 : 1), 0, 6,
			    MACSEC_GCM_AES_XPN_256);
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_int_equal(fwd_control(a.f, &m), 0); /* a second record of it */
		assert_non_null(memmem(area->slots, sizeof(area->slots), key, sizeof(key)));
		m = (struct msg){.type = MSG_SA_RETIRE,
				 .sa_retire = {.secy = NODE_SECY, .key_id = {6}}};
		assert_int_equal(fwd_control(a.f, &m), 0);
		assert_null(memmem(area->slots, sizeof(area->slots), key, sizeof(key)));
	}
	node_fini(&a);
}

/*
 * A control that forgets: it installs, retires and installs again keys that were used, under
 * other ANs, from PN 1, while forward is restarted. Every frame on the wire is remembered by key
 * and packet number.
 */
static void key_and_nonce_never_repeat_over_restarts_and_rekeys(void **state)
{
	enum { KEYS = 5, PNS = 1 << 25 };
	uint8_t *used = calloc(KEYS, PNS / 8), in[FRAME], wire[2048];
	uint32_t seed = 12345, frames = 0, restarts = 0;
	unsigned current = 0;
	struct node a;
	struct msg m;

	(void)state;
	node_init(&a, 1, 0);
	node_frame(in, FRAME, 1);
	for (unsigned step = 0; step < 3000; step++) {
		unsigned what;

		seed = seed * 1664525 + 1013904223;
		what = seed >> 16;
		if (what % 41 == 0 && restarts < 200) {
			restart(&a);
			restarts++;
		} else if (what % 11 == 0) {
			m = node_sa(MSG_SA_TRANSMIT, node_sci(1), what >> 4 & 3, what >> 6 & 3,
				    MACSEC_GCM_AES_XPN_128);
			m.sa.key_id[1] = (uint8_t)(what >> 8 & 1); /* another name at times */
			if (fwd_control(a.f, &m) == 0)
				current = what >> 6 & 3;
		} else if (what % 29 == 0) {
			m = (struct msg){.type = MSG_SA_RETIRE,
					 .sa_retire = {.secy = NODE_SECY,
						       .key_id = {(uint8_t)(what >> 6 & 3)}}};
			assert_int_equal(fwd_control(a.f, &m), 0);
		} else if (node_send(&a, in, FRAME, wire)) {
			uint32_t pn = wire_pn(wire);

			assert_true(pn < PNS);
			if (used[current * (PNS / 8) + pn / 8] & 1u << pn % 8)
				fail_msg("step %u: key %u met PN %u again", step, current, pn);
			used[current * (PNS / 8) + pn / 8] |= (uint8_t)(1u << pn % 8);
			frames++;
		}
	}
	assert_true(frames > 1000 && restarts > 20);
	node_fini(&a);
	free(used);
}

enum { SENT_MAX = 1 << 18 };

/* What the child of the kill test does, in memory that its killer sees. */
struct witness {
	volatile uint32_t sent[SENT_MAX]; /* packet numbers that reached the wire */
	volatile uint32_t sent_count;
	volatile uint8_t accepted[4096]; /* how often each prepared frame reached the overlay */
};

enum { PREPARED = 4096, PREPARED_LEN = FRAME + 32 };

static void child_run(struct node *n, struct witness *w, const uint8_t *prepared, uint32_t seed)
{
	struct pkt v[PKT_BURST];
	uint8_t in[FRAME];
	uint32_t at = 0;

	node_frame(in, FRAME, 1);
	node_start(n);
	for (;;) {
		unsigned burst, got;

		seed = seed * 1664525 + 1013904223;
		burst = 1 + (seed >> 16) % 40;
		for (unsigned i = 0; i < burst; i++) {
			uint32_t which;

			seed = seed * 1664525 + 1013904223;
			/* Mostly forwards, with replays of anything before. */
			which = seed >> 31 ? at++ % PREPARED : (seed >> 8) % PREPARED;
			node_give(n, n->overlay, in, FRAME);
			node_give(n, n->wan, prepared + which * PREPARED_LEN, PREPARED_LEN);
		}
		fwd_poll(n->f);
		while ((got = n->wan->ops->rx(n->wan, v, PKT_BURST)) > 0) {
			for (unsigned i = 0; i < got; i++) {
				w->sent[w->sent_count % SENT_MAX] = wire_pn(v[i].data);
				w->sent_count++;
				pkt_release(n->pool, &v[i]);
			}
		}
		while ((got = n->overlay->ops->rx(n->overlay, v, PKT_BURST)) > 0) {
			for (unsigned i = 0; i < got; i++) {
				uint32_t which = (uint32_t)v[i].data[20] << 8 | v[i].data[21];

				w->accepted[which]++;
				pkt_release(n->pool, &v[i]);
			}
		}
	}
}

static uint8_t *frames_prepare(struct node *a)
{
	uint8_t *prepared = malloc(PREPARED * PREPARED_LEN), in[FRAME], wire[2048];

	node_frame(in, FRAME, 1);
	for (unsigned i = 0; i < PREPARED; i++) {
		in[20] = (uint8_t)(i >> 8);
		in[21] = (uint8_t)i;
		assert_int_equal(node_send(a, in, FRAME, wire), PREPARED_LEN);
		memcpy(prepared + i * PREPARED_LEN, wire, PREPARED_LEN);
	}
	return prepared;
}

static void killed_at_any_instruction_no_nonce_and_no_replay(void **state)
{
	const size_t area_size = fwd_state_size();
	struct witness *w =
		mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	void *area =
		mmap(NULL, area_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *prepared, *used = calloc(1, 1 << 21);
	struct node a, b;
	void *own;
	unsigned total = 0;

	(void)state;
	assert_true(w != MAP_FAILED && area != MAP_FAILED);
	node_init(&a, 1, 0);
	node_init(&b, 2, 1024);
	node_stop(&b);
	own = b.area;
	b.area = area;
	node_start(&b);
	assert_int_equal(node_secy(&b), 0);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	prepared = frames_prepare(&a);
	node_stop(&b);
	for (unsigned kill_count = 0; kill_count < 120; kill_count++) {
		pid_t pid;

		w->sent_count = 0;
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			child_run(&b, w, prepared, kill_count * 7919 + 1);
			_exit(1);
		}
		assert_true(pid > 0);
		/* At work; now and then beyond the numbers that a successor leaves out anyway. */
		while (w->sent_count < (kill_count % 40 ? 1 : SA_RESTART_JUMP + 5000))
			sched_yield();
		usleep(kill_count * 37 % 1000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		for (unsigned i = 0; i < w->sent_count && i < SENT_MAX; i++) {
			uint32_t pn = w->sent[i];

			assert_true(pn < 1 << 24);
			if (used[pn / 8] & 1u << pn % 8)
				fail_msg("PN %u was on the wire twice", pn);
			used[pn / 8] |= (uint8_t)(1u << pn % 8);
			total++;
		}
	}
	for (unsigned i = 0; i < PREPARED; i++)
		if (w->accepted[i] > 1)
			fail_msg("frame %u was accepted %u times", i, w->accepted[i]);
	assert_true(total > 1000);
	b.area = own;
	node_start(&b);
	free(prepared);
	free(used);
	node_fini(&a);
	node_fini(&b);
	munmap(area, area_size);
	munmap(w, sizeof(*w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(successor_goes_on_without_a_word_of_control),
		cmocka_unit_test(overlay_that_goes_on_is_never_said_to_be_down),
		cmocka_unit_test(largest_window_is_kept_exactly),
		cmocka_unit_test(jump_stops_at_the_limit_of_control),
		cmocka_unit_test(damaged_record_is_not_used_and_its_key_not_taken_again),
		cmocka_unit_test(damaged_number_or_window_is_reported_gone),
		cmocka_unit_test(area_of_another_layout_is_wiped),
		cmocka_unit_test(retired_key_is_wiped_from_the_area),
		cmocka_unit_test(key_and_nonce_never_repeat_over_restarts_and_rekeys),
		cmocka_unit_test(killed_at_any_instruction_no_nonce_and_no_replay),
	};

	return cmocka_run_group_tests_name("fwd/restart", tests, NULL, NULL);
}
