/*
 * No key is left in memory that the engine gave back. The linker puts this file's free() in front
 * of the allocator's for everything that is linked statically, so every block the engine frees is
 * looked through for the CAK, what is derived from it, and every SAK that was ever made.
 */
#include "key/mka/mka_lan.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

void __real_free(void *p);
void __wrap_free(void *p);

static struct secret keys[64];
static unsigned key_count, found, looked;

void __wrap_free(void *p)
{
	size_t n = p ? malloc_usable_size(p) : 0;

	for (unsigned i = 0; i < key_count; i++)
		found += memmem(p, n, keys[i].b, keys[i].len) != NULL;
	looked += n >= sizeof(struct mka);
	__real_free(p);
}

static void key_note(const struct secret *k)
{
	for (unsigned i = 0; i < key_count; i++)
		if (keys[i].len == k->len && !memcmp(keys[i].b, k->b, k->len))
			return;
	if (k->len && key_count < sizeof(keys) / sizeof(keys[0]))
		keys[key_count++] = *k;
}

static void keys_collect(struct lan *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		key_note(&l->nodes[i].m->principal->key.cak);
		key_note(&l->nodes[i].m->principal->ick);
		key_note(&l->nodes[i].m->principal->kek);
		for (unsigned j = 0; j < SAK_SLOTS; j++)
			key_note(&l->nodes[i].m->sak[j].key);
	}
}

static struct lan *settled(void)
{
	struct mka_config cfg[3];
	struct lan *l;

	for (unsigned i = 0; i < 3; i++) {
		cfg[i] = lan_config(i);
		cfg[i].rekey_ns = 10 * NS_PER_S;
		cfg[i].keys[0].cak.len = 32;
		for (unsigned j = 0; j < 32; j++)
			cfg[i].keys[0].cak.b[j] = (uint8_t)(0xc1 + 7 * j);
	}
	l = lan_new(3, cfg);
	for (unsigned i = 0; i < 3; i++)
		lan_start(l, i);
	for (unsigned i = 0; i < 40; i++) {
		lan_run(l, l->now + NS_PER_S);
		keys_collect(l);
	}
	assert_true(key_count >= 3 + 3);
	return l;
}

static void engines_wipe_what_they_free(void **state)
{
	struct lan *l = settled();

	(void)state;
	found = looked = 0;
	for (unsigned i = 0; i < 3; i++) {
		mka_free(l->nodes[i].m);
		l->nodes[i].m = NULL;
	}
	assert_int_equal(looked, 3);
	assert_int_equal(found, 0);
	memset(l->nodes, 0, sizeof(l->nodes)); /* the test's own copies */
	lan_free(l);
}

static void loading_a_record_leaves_no_copy_behind(void **state)
{
	struct lan *l = settled();
	uint8_t record[MKA_SAVE_MAX];
	struct wr w = wr_init(record, sizeof(record));
	struct rd r;

	(void)state;
	mka_save(l->nodes[1].m, &w);
	found = looked = 0;
	r = rd_init(record, wr_len(&w));
	assert_int_equal(mka_load(l->nodes[1].m, &r, l->now), 0);
	r = rd_init(record, wr_len(&w) - 1);
	assert_int_not_equal(mka_load(l->nodes[1].m, &r, l->now), 0);
	assert_int_equal(looked, 2);
	assert_int_equal(found, 0);
	for (unsigned i = 0; i < 3; i++) {
		mka_free(l->nodes[i].m);
		l->nodes[i].m = NULL;
	}
	assert_int_equal(found, 0);
	memset(l->nodes, 0, sizeof(l->nodes));
	lan_free(l);
}

static void slots_hold_no_key_of_a_sak_that_is_gone(void **state)
{
	struct lan *l = settled();
	unsigned held = 0;

	(void)state;
	lan_run(l, l->now + 5 * NS_PER_S); /* between two rekeys */
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < SAK_SLOTS; j++) {
			const struct sak *s = &l->nodes[i].m->sak[j];
			static const struct secret none;

			held += s->held;
			if (!s->held)
				assert_memory_equal(&s->key, &none, sizeof(none));
		}
	assert_true(held >= 3);
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_wipe_what_they_free),
		cmocka_unit_test(loading_a_record_leaves_no_copy_behind),
		cmocka_unit_test(slots_hold_no_key_of_a_sak_that_is_gone),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/mka/hygiene", tests, NULL, NULL);
}
