/*
 * threads: what threads share. Lanes have a test of their own (src/fwd/lanes_test.c); what workers will
 * have in common is the cryptography's backend, chosen once, the algorithms fetched at first use,
 * the table of routes that one writes while the others read, and code that must therefore keep no
 * state of its own: engines and codecs. Each is run here by
 * eight threads at once, with data of their own, while the ThreadSanitizer looks on: stage
 * `threads` of test/run takes this from a build with -Db_sanitize=thread, and sees that a race on
 * purpose is found.
 */
#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/cmac.h"
#include "crypto/keywrap.h"
#include "crypto/mka_kdf.h"
#include "fib/fib.h"
#include "msg/msg.h"
#include "sim/sim.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define THREADS 8

struct worker {
	pthread_t thread;
	unsigned number; /* from 0 */
	uint64_t result; /* 0: as it should be */
};

static pthread_barrier_t at_once;

typedef void *body_fn(void *worker);

static void run_all(body_fn *body)
{
	struct worker w[THREADS] = {0};

	assert_int_equal(pthread_barrier_init(&at_once, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, body, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].result, 0);
	}
	pthread_barrier_destroy(&at_once);
}

/* The first use of CMAC and key wrap fetches the algorithms: all threads come to it together. */
static void *mac_body(void *worker)
{
	static const uint8_t key[16] = "0123456789abcdef";
	struct worker *w = worker;
	uint8_t mac[16], wrapped[40], back[32], sak[32] = {(uint8_t)w->number};

	pthread_barrier_wait(&at_once);
	for (unsigned i = 0; i < 50 && !w->result; i++) {
		w->result = (uint64_t)(cmac_aes(key, 16, sak, sizeof(sak), mac) ||
				       keywrap_wrap(key, 16, sak, 32, wrapped) ||
				       keywrap_unwrap(key, 16, wrapped, 40, back) ||
				       memcmp(back, sak, sizeof(sak)) != 0);
	}
	return NULL;
}

static void macs_and_key_wrap_are_anybodys(void **state)
{
	(void)state;
	run_all(mac_body);
}

/* Keys that belong to one thread each, of one backend. */
static void *aead_body(void *worker)
{
	struct worker *w = worker;
	uint8_t key[32] = {(uint8_t)w->number}, data[256], plain[256], tag[16], aad[28] = {1, 2, 3};
	struct aead_key *k = aead_key_new(key, sizeof(key));

	pthread_barrier_wait(&at_once);
	w->result = !k;
	for (unsigned i = 0; i < 500 && !w->result; i++) {
		struct aead_op op = {
			.aad = aad, .aad_len = sizeof(aad), .data = data, .len = sizeof(data)};

		memset(plain, (int)i, sizeof(plain));
		memcpy(data, plain, sizeof(data));
		op.tag = tag;
		memcpy(op.nonce + 4, &i, sizeof(i));
		aead_seal(k, &op, 1);
		w->result |= !memcmp(data, plain, sizeof(data));
		aead_open(k, &op, 1);
		w->result |= !op.ok || memcmp(data, plain, sizeof(data)) != 0;
	}
	aead_key_free(k);
	return NULL;
}

static void workers_have_a_backend_in_common(void **state)
{
	const enum aead_backend *backend = *state;

	if (aead_init(*backend))
		skip();
	run_all(aead_body);
}

/* Whole LANs of MKA participants, with losses, crashes and partitions, one in each thread. */
static void *mka_body(void *worker)
{
	struct worker *w = worker;
	struct sim *s = calloc(1, sizeof(*s));

	pthread_barrier_wait(&at_once);
	if (!s)
		abort();
	sim_run(s, 1000 + w->number);
	w->result = s->violation[0] != 0;
	sim_fini(s);
	free(s);
	return NULL;
}

static void engines_keep_nothing_outside_themselves(void **state)
{
	(void)state;
	log_init("threads", LOG_LVL_ERROR);
	run_all(mka_body);
}

static void *msg_body(void *worker)
{
	struct worker *w = worker;

	pthread_barrier_wait(&at_once);
	for (unsigned i = 0; i < 1000 && !w->result; i++) {
		struct msg in = {.type = MSG_SECY_DEL, .secy = (uint16_t)(1 + w->number)}, out;
		uint8_t buf[MSG_MAX];
		ssize_t n = msg_build(&in, buf, sizeof(buf));

		w->result = n < 0 || msg_parse(&out, buf, (size_t)n) || out.secy != in.secy;
	}
	return NULL;
}

static void codecs_keep_nothing_outside_themselves(void **state)
{
	(void)state;
	run_all(msg_body);
}

/* One thread changes routes within 10/8 and 2000::/8, which stand; the others look them up. */
static struct fib_writer *routes;
static int routes_done;

static void routes_churn(void)
{
	uint64_t r = 88172645463325252u;
	uint8_t addr[16];

	for (unsigned i = 0; i < 30000; i++) {
		unsigned family = i & 1 ? 6 : 4, len;

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		memset(addr, 0, sizeof(addr));
		addr[0] = family == 4 ? 10 : 0x20;
		addr[1] = (uint8_t)(r & 1);
		addr[2] = (uint8_t)(r >> 8 & 7);
		addr[3] = (uint8_t)(r >> 16 & 3);
		len = 9 + (unsigned)(r >> 24) % (family == 4 ? 24 : 120);
		if (r >> 20 & 1)
			fib_put(routes, family, addr, len, 2);
		else
			fib_del(routes, family, addr, len);
	}
}

static void *routes_body(void *worker)
{
	struct worker *w = worker;
	uint64_t looks = 0;

	pthread_barrier_wait(&at_once);
	if (!w->number) {
		routes_churn();
		__atomic_store_n(&routes_done, 1, __ATOMIC_RELEASE);
		return NULL;
	}
	while (!__atomic_load_n(&routes_done, __ATOMIC_ACQUIRE) || !looks) {
		const struct fib *f = fib_of(routes);
		uint8_t addr[16] = {0x20, looks & 1, looks >> 1 & 7, looks >> 4 & 3};
		uint32_t turn = fib_begin(f);
		uint16_t four = fib4_lookup(f, 0x0a000000 | (uint32_t)(looks & 0x107ff));
		uint16_t six = fib6_lookup(f, addr);

		if (fib_same(f, turn) && (four < 1 || four > 2 || six < 1 || six > 2))
			w->result = 1;
		looks++;
	}
	return NULL;
}

static void routes_are_read_while_they_change(void **state)
{
	const uint8_t ten[4] = {10}, two[16] = {0x20};
	void *area = aligned_alloc(64, (fib_size() + 63) / 64 * 64);

	(void)state;
	routes_done = 0;
	routes = area ? fib_writer_new(area, fib_size()) : NULL;
	assert_non_null(routes);
	assert_int_equal(fib_put(routes, 4, ten, 8, 1), 0);
	assert_int_equal(fib_put(routes, 6, two, 8, 1), 0);
	run_all(routes_body);
	/* There was something to be seen: places were used again. */
	assert_int_not_equal(fib_begin(fib_of(routes)), 1);
	fib_writer_free(routes);
	free(area);
}

/* Two threads write one number: a sanitizer that is silent here is not there. Run by itself. */
static unsigned raced;

static void *race_body(void *worker)
{
	pthread_barrier_wait(&at_once);
	for (unsigned i = 0; i < 1000; i++)
		raced++;
	return worker;
}

int main(int argc, char **argv)
{
	static const enum aead_backend backends[] = {AEAD_OPENSSL, AEAD_IPSEC_MB};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macs_and_key_wrap_are_anybodys),
		{"workers_have_a_backend_in_common: openssl", workers_have_a_backend_in_common,
		 NULL, NULL, (void *)(uintptr_t)&backends[0]},
		{"workers_have_a_backend_in_common: ipsec-mb", workers_have_a_backend_in_common,
		 NULL, NULL, (void *)(uintptr_t)&backends[1]},
		cmocka_unit_test(engines_keep_nothing_outside_themselves),
		cmocka_unit_test(codecs_keep_nothing_outside_themselves),
		cmocka_unit_test(routes_are_read_while_they_change),
	};

	if (argc > 1 && !strcmp(argv[1], "--race")) {
		run_all(race_body);
		return 0;
	}
	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
