/*
 * No key is left in memory that the engine gave back. The linker puts this file's free() in front
 * of the allocator's for everything that is linked statically, so every block the engine frees is
 * looked through for shared secrets and every key of every SA there ever was.
 */
#include "key/ikev2/ikev2_lan.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

void __real_free(void *p);
void __wrap_free(void *p);
void *__wrap_malloc(size_t n);

/* Zeroed, so that a block may be looked through although not all of it was ever written. */
void *__wrap_malloc(size_t n)
{
	return calloc(1, n);
}

static struct secret keys[2048];
static unsigned key_count, found, looked;

void __wrap_free(void *p)
{
	size_t n = p ? malloc_usable_size(p) : 0;

	for (unsigned i = 0; i < key_count; i++)
		found += p && memmem(p, n, keys[i].b, keys[i].len) != NULL;
	looked += key_count > 0;
	__real_free(p);
}

static void note(const struct secret *k)
{
	for (unsigned i = 0; i < key_count; i++)
		if (keys[i].len == k->len && !memcmp(keys[i].b, k->b, k->len))
			return;
	if (k->len && key_count < sizeof(keys) / sizeof(keys[0]))
		keys[key_count++] = *k;
}

static void note_dh(const struct dh_key *k)
{
	struct secret s = {0};

	if (k->len && k->len <= SECRET_MAX) {
		secret_set(&s, k->b, k->len);
		note(&s);
	}
}

static void collect(struct lan *l)
{
	for (unsigned i = 0; i < l->count; i++)
		for (const struct ike_sa *sa = l->nodes[i].e ? l->nodes[i].e->sas : NULL; sa;
		     sa = sa->next) {
			note(&sa->keys.d);
			note(&sa->keys.pi);
			note(&sa->keys.pr);
			note(&sa->keys.i.key);
			note(&sa->keys.r.key);
			note_dh(&sa->dh);
			note_dh(&sa->req.dh);
			for (const struct child_sa *c = sa->children; c; c = c->next) {
				note(&c->key_in);
				note(&c->key_out);
			}
		}
}

static struct lan *lived(void)
{
	struct lan *l = lan_new(2);

	key_count = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct ikev2_peer p = lan_peer(l, i, !i);

		lan_start(l, i);
		p.child_rekey_ns = 20 * NS_PER_S;
		p.ike_rekey_ns = 50 * NS_PER_S;
		p.ppk_id = (struct ikev2_id){.type = IKE_ID_KEY, .len = 1, .b = "p"};
		secret_set(&p.ppk, "post-quantum secret post-quantum", 32);
		note(&p.psk);
		note(&p.ppk);
		assert_int_equal(ikev2_peer_set(l->nodes[i].e, &p, l->now), 0);
	}
	for (unsigned i = 0; i < 4000; i++) {
		collect(l);
		lan_run(l, l->now + (i < 40 ? NS_PER_MS / 2 : 50 * NS_PER_MS));
	}
	assert_true(lan_both(l));
	assert_true(key_count >= 40);
	return l;
}

/* The test's own copies: the sink's SAs and the records. */
static void forget(struct lan *l)
{
	for (unsigned i = 0; i < 2; i++) {
		memset(l->nodes[i].sas, 0, sizeof(l->nodes[i].sas));
		for (unsigned s = 0; s < 64; s++)
			if (l->nodes[i].records[s])
				memset(l->nodes[i].records[s], 0, IKEV2_SAVE_MAX);
	}
}

static void engines_wipe_what_they_free(void **state)
{
	struct lan *l = lived();

	(void)state;
	assert_int_equal(found, 0); /* of all that was freed on the way, too */
	assert_true(looked > 200);
	for (unsigned i = 0; i < 2; i++)
		lan_stop(l, i);
	assert_int_equal(found, 0);
	forget(l);
	lan_free(l);
	assert_int_equal(found, 0);
}

static void a_successor_leaves_no_copy_behind(void **state)
{
	struct lan *l = lived();

	(void)state;
	lan_restart(l, 0, true);
	lan_run(l, l->now + 100 * NS_PER_S);
	ikev2_down(l->nodes[1].e, LAN_TUNNEL(0), l->now);
	lan_run(l, l->now + 2 * NS_PER_S);
	ikev2_peer_remove(l->nodes[1].e, LAN_TUNNEL(0), l->now);
	assert_int_equal(found, 0);
	forget(l);
	lan_free(l);
	assert_int_equal(found, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_wipe_what_they_free),
		cmocka_unit_test(a_successor_leaves_no_copy_behind),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/ikev2/hygiene", tests, NULL, NULL);
}
