/*
 * lkh: the tree and the paths of thousands of members against a naive model, and the example of the
 * standard's appendix as Python worked it out.
 *
 * The model of who is excluded is a coalition: all members that ever left pool every key they knew
 * and every message ever sent, and unwrap whatever they can. It must never reach an SA's keys that
 * were made after the last of them left.
 */
#include "crypto/keywrap.h"
#include "key/gikev2/lkh.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MANY 3000
#define WRAPS_MAX GIKE_KEYS_MAX
#define SA_LEN 68 /* AES-GCM-256 with its salt, and a key wrap key */

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	uint64_t z = rnd_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % below);
}

static void random_bytes(void *ctx, void *buf, size_t n)
{
	uint8_t *b = buf;

	(void)ctx;
	while (n--)
		*b++ = (uint8_t)rnd(256);
}

struct member {
	bool in;
	uint32_t place;
	struct secret gsk_w; /* of its own IKE SA */
	struct lkh_path path;
};

/* The coalition of those who left: every key by its number, and every message. */
struct hoard {
	uint8_t (*keys)[LKH_KEY_MAX]; /* by number */
	bool *has;
	uint32_t size;
	unsigned count;
	struct lkh_wrapped *wraps;
};

struct world {
	size_t key_len;
	struct lkh *tree;
	struct member *m;
	unsigned members;
	struct hoard hoard;
	unsigned seen; /* messages */
	uint8_t sa[SA_LEN];
	struct secret kek_w; /* the current Rekey SA's default key */
};

static struct lkh_wrapped keys[WRAPS_MAX], wraps[WRAPS_MAX];
static struct gike_kd kd;

static void message(unsigned key_count, unsigned wrap_count)
{
	kd.count = 1;
	kd.v[0] = (struct gike_bag){.protocol = IKE_PROTO_GIKE_UPDATE, .count = key_count};
	kd.key_count = key_count;
	for (unsigned i = 0; i < key_count; i++)
		kd.keys[i] =
			(struct gike_wrapped){keys[i].key, keys[i].kwk, {keys[i].b, keys[i].len}};
	kd.wrap_count = wrap_count;
	for (unsigned i = 0; i < wrap_count; i++)
		kd.wraps[i] = (struct gike_wrapped){
			wraps[i].key, wraps[i].kwk, {wraps[i].b, wraps[i].len}};
}

static void hoard_keys(struct world *w, const struct lkh_path *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		assert_true(p->v[i].id < w->hoard.size);
		memcpy(w->hoard.keys[p->v[i].id], p->v[i].key.b, w->key_len);
		w->hoard.has[p->v[i].id] = true;
	}
}

/* All that can be unwrapped by what is known is known too. */
static void hoard_close(struct world *w)
{
	for (bool again = true; again;) {
		again = false;
		for (unsigned i = 0; i < w->hoard.count; i++) {
			const struct lkh_wrapped *x = &w->hoard.wraps[i];
			size_t n;

			if (!w->hoard.has[x->kwk] || w->hoard.has[x->key])
				continue;
			assert_int_equal(keywrap_unpad(w->hoard.keys[x->kwk], w->key_len, x->b,
						       x->len, w->hoard.keys[x->key], &n),
					 0);
			w->hoard.has[x->key] = again = true;
		}
	}
}

static bool hoard_opens(const struct world *w, unsigned key_count)
{
	for (unsigned i = 0; i < key_count; i++)
		if (keys[i].kwk && w->hoard.has[keys[i].kwk])
			return true;
	return false;
}

static void join(struct world *w, struct member *m)
{
	struct lkh_path empty = {0}, after;
	unsigned count;
	uint32_t top;
	uint8_t sa[LKH_SA_KEY_MAX];
	size_t n;

	assert_int_equal(lkh_add(w->tree, &m->place), 0);
	for (unsigned i = 0; i < w->members; i++)
		assert_true(&w->m[i] == m || !w->m[i].in || w->m[i].place != m->place);
	random_bytes(NULL, m->gsk_w.b, w->key_len);
	m->gsk_w.len = (uint8_t)w->key_len;
	assert_int_equal(lkh_path_of(w->tree, m->place, &m->gsk_w, wraps, &count, &top), 0);
	assert_int_equal(lkh_wrap_for(w->tree, m->place, w->sa, SA_LEN, &keys[0]), 0);
	assert_int_equal(keys[0].kwk, top);
	message(1, count);
	assert_int_equal(lkh_find(&empty, &kd, &kd.v[0], &m->gsk_w, w->key_len, sa, &n, &after),
			 LKH_OK);
	assert_int_equal(n, SA_LEN);
	assert_memory_equal(sa, w->sa, SA_LEN);
	assert_int_equal(after.count, count);
	m->path = after;
	m->in = true;
}

static void leave(struct world *w, struct member *m)
{
	lkh_remove(w->tree, m->place);
	m->in = false;
	hoard_keys(w, &m->path);
}

/* A rekey that all who are in follow, and nobody else. Returns how many keys it took. */
static unsigned rekey(struct world *w, unsigned max)
{
	unsigned key_count, wrap_count;

	random_bytes(NULL, w->sa, SA_LEN);
	if (lkh_rekey(w->tree, w->sa, SA_LEN, keys, &key_count, wraps, &wrap_count, max))
		return 0;
	assert_false(lkh_stale(w->tree));
	message(key_count, wrap_count);
	for (unsigned i = 0; i < w->members; i++) {
		struct member *m = &w->m[i];
		uint8_t sa[LKH_SA_KEY_MAX];
		struct lkh_path after;
		size_t n;
		enum lkh_result res =
			lkh_find(&m->path, &kd, &kd.v[0], &w->kek_w, w->key_len, sa, &n, &after);

		if (m->in) {
			assert_int_equal(res, LKH_OK);
			assert_memory_equal(sa, w->sa, SA_LEN);
			m->path = after;
			assert_true(m->path.count <= LKH_DEPTH_MAX);
		} else if (m->path.count) {
			assert_int_equal(res, LKH_EXCLUDED);
		}
	}
	for (unsigned i = 0; i < wrap_count; i++)
		w->hoard.wraps[w->hoard.count++] = wraps[i];
	hoard_close(w);
	assert_false(hoard_opens(w, key_count));
	w->seen++;
	return key_count + wrap_count;
}

static void world_init(struct world *w, unsigned members, unsigned messages, size_t key_len)
{
	*w = (struct world){.members = members, .key_len = key_len};
	w->tree = lkh_new(key_len, random_bytes, NULL);
	w->m = calloc(members, sizeof(*w->m));
	w->hoard.size = 60000;
	w->hoard.keys = calloc(w->hoard.size, LKH_KEY_MAX);
	w->hoard.has = calloc(w->hoard.size, sizeof(bool));
	w->hoard.wraps = calloc(messages * WRAPS_MAX, sizeof(*w->hoard.wraps));
	w->kek_w.len = (uint8_t)key_len;
	random_bytes(NULL, w->sa, SA_LEN);
	random_bytes(NULL, w->kek_w.b, key_len);
	assert_non_null(w->tree);
}

static void world_fini(struct world *w)
{
	lkh_free(w->tree);
	free(w->m);
	free(w->hoard.keys);
	free(w->hoard.has);
	free(w->hoard.wraps);
}

static void one_of_thousands_is_excluded_by_a_few_keys(void **state)
{
	struct world w;

	(void)state;
	rnd_state = 1;
	world_init(&w, MANY, 40, 32);
	for (unsigned i = 0; i < MANY; i++)
		join(&w, &w.m[i]);
	assert_int_equal(lkh_members(w.tree), MANY);
	assert_true(rekey(&w, WRAPS_MAX) > 0); /* what growing left without a key has one now */
	for (unsigned i = 0; i < 12; i++) {
		unsigned n;

		leave(&w, &w.m[rnd(MANY / 12) + i * (MANY / 12)]);
		assert_true(lkh_stale(w.tree));
		n = rekey(&w, WRAPS_MAX);
		/* 3000 members are 12 levels: two keys for each but the lowest, and two for the SA's. */
		assert_true(n >= 4 && n <= 2 * 12);
	}
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 8; i++) {
			struct member *m = &w.m[rnd(MANY)];

			if (m->in)
				leave(&w, m);
		}
		assert_true(rekey(&w, WRAPS_MAX) <= 8 * 2 * 12);
	}
	world_fini(&w);
}

static void members_come_and_go(void **state)
{
	static const size_t lens[] = {16, 24, 32};

	(void)state;
	for (unsigned seed = 0; seed < 24; seed++) {
		struct world w;

		rnd_state = seed;
		world_init(&w, 1 + rnd(150), 60, lens[seed % 3]);
		for (unsigned round = 0; round < 60; round++) {
			unsigned changes = rnd(1 + round % 12);

			for (unsigned i = 0; i < changes; i++) {
				struct member *m = &w.m[rnd(w.members)];

				if (m->in)
					leave(&w, m);
				else if (rnd(3))
					join(&w, m); /* also while the tree is stale */
			}
			rekey(&w, WRAPS_MAX);
		}
		assert_true(w.seen > 20);
		world_fini(&w);
	}
}

static void what_does_not_fit_changes_nothing(void **state)
{
	unsigned key_count, wrap_count;
	uint64_t before;
	struct world w;

	(void)state;
	rnd_state = 3;
	world_init(&w, 128, 4, 32);
	assert_int_equal(
		lkh_rekey(w.tree, w.sa, SA_LEN, keys, &key_count, wraps, &wrap_count, WRAPS_MAX),
		-ENOENT);
	for (unsigned i = 0; i < 128; i++)
		join(&w, &w.m[i]);
	rekey(&w, WRAPS_MAX);
	for (unsigned i = 0; i < 128; i += 2)
		leave(&w, &w.m[i]);
	before = lkh_digest(w.tree);
	assert_int_equal(lkh_rekey(w.tree, w.sa, SA_LEN, keys, &key_count, wraps, &wrap_count, 64),
			 -ENOSPC);
	assert_int_equal(lkh_digest(w.tree), before);
	assert_true(rekey(&w, WRAPS_MAX) > 128);
	lkh_remove(w.tree, 1u << 20); /* nobody's place */
	lkh_remove(w.tree, w.m[0].place);
	assert_int_equal(lkh_members(w.tree), 64);
	world_fini(&w);
}

static void a_successor_goes_on_from_a_record(void **state)
{
	static uint8_t b[1 << 17];

	(void)state;
	for (unsigned seed = 0; seed < 12; seed++) {
		struct wr writer = wr_init(b, sizeof(b));
		uint64_t digest;
		struct world w;
		struct lkh *next;
		struct rd r;
		size_t n;

		rnd_state = 100 + seed;
		world_init(&w, 300, 40, 32);
		for (unsigned i = 0; i < 1 + 25 * seed; i++)
			join(&w, &w.m[i]);
		if (seed % 3)
			rekey(&w, WRAPS_MAX);
		for (unsigned i = 0; i < seed; i++)
			if (w.m[7 * i].in)
				leave(&w, &w.m[7 * i]);
		digest = lkh_digest(w.tree);
		lkh_save(w.tree, &writer);
		assert_false(writer.bad);
		n = wr_len(&writer);
		for (size_t cut = 0; cut < n; cut += 1 + n / 50) {
			next = lkh_new(32, random_bytes, NULL);
			r = rd_init(b, cut);
			assert_int_equal(lkh_load(next, &r), -EBADMSG);
			lkh_free(next);
		}
		next = lkh_new(32, random_bytes, NULL);
		r = rd_init(b, n);
		assert_int_equal(lkh_load(next, &r), 0);
		assert_true(rd_done(&r));
		assert_int_equal(lkh_digest(next), digest);
		lkh_free(w.tree);
		w.tree = next;
		for (unsigned i = 250; i < 280; i++)
			if (!w.m[i].in)
				join(&w, &w.m[i]);
		if (lkh_members(w.tree))
			assert_true(rekey(&w, WRAPS_MAX) > 0);
		world_fini(&w);
	}
}

/* Of two members each has a half of the tree for itself, and no key but those that go with it. */
static void one_of_two_leaves(void **state)
{
	static uint8_t b[4096];
	struct wr writer = wr_init(b, sizeof(b));
	struct world w;
	struct rd r;

	(void)state;
	world_init(&w, 4, 4, 32);
	join(&w, &w.m[0]);
	join(&w, &w.m[1]);
	assert_false(lkh_stale(w.tree));
	leave(&w, &w.m[1]);
	assert_true(lkh_stale(w.tree));
	lkh_save(w.tree, &writer);
	lkh_free(w.tree);
	w.tree = lkh_new(32, random_bytes, NULL);
	r = rd_init(b, wr_len(&writer));
	assert_int_equal(lkh_load(w.tree, &r), 0);
	assert_true(lkh_stale(w.tree));
	rekey(&w, WRAPS_MAX);
	assert_false(lkh_stale(w.tree));
	world_fini(&w);
}

static void simple_rekeys_leave_the_path_alone(void **state)
{
	struct lkh_path after;
	uint8_t sa[LKH_SA_KEY_MAX];
	struct world w;
	size_t n;

	(void)state;
	rnd_state = 4;
	world_init(&w, 8, 4, 16);
	for (unsigned i = 0; i < 8; i++)
		join(&w, &w.m[i]);
	/* Under the Rekey SA's default key, as in the appendix' "Simple Group SA Rekey". */
	keys[0] = (struct lkh_wrapped){0};
	assert_int_equal(keywrap_pad(w.kek_w.b, w.kek_w.len, w.sa, SA_LEN, keys[0].b, &keys[0].len),
			 0);
	message(1, 0);
	assert_int_equal(lkh_find(&w.m[3].path, &kd, &kd.v[0], &w.kek_w, 16, sa, &n, &after),
			 LKH_OK);
	assert_memory_equal(&after, &w.m[3].path, sizeof(after));
	world_fini(&w);
}

struct bad {
	const char *defect, *clause;
	enum lkh_result want;
};

static void hostile_messages(void **state)
{
	static const struct bad rows[] = {
		{"an SA_KEY that does not unwrap", "4.5.4", LKH_BROKEN},
		{"SA_KEYs that differ", "3.3", LKH_BROKEN},
		{"a WRAP_KEY that does not unwrap on the only way", "4.5.4", LKH_BROKEN},
		{"a WRAP_KEY of another length", "4.5.3.1", LKH_BROKEN},
		{"keys in a ring", "3.3", LKH_EXCLUDED},
		{"an SA_KEY under a key nobody has", "3.3", LKH_EXCLUDED},
		{"an SA_KEY longer than any may be", "4.4.2.1.2", LKH_BROKEN},
		{"an SA_KEY shorter than a wrapped key", "RFC 5649 3", LKH_BROKEN},
	};
	static struct gike_kd good;
	static uint8_t junk[400];
	struct world w;

	(void)state;
	rnd_state = 5;
	world_init(&w, 16, 4, 32);
	for (unsigned i = 0; i < 16; i++)
		join(&w, &w.m[i]);
	rekey(&w, WRAPS_MAX);
	leave(&w, &w.m[5]);
	rekey(&w, WRAPS_MAX);
	leave(&w, &w.m[6]);
	{
		unsigned k, n;

		assert_int_equal(lkh_rekey(w.tree, w.sa, SA_LEN, keys, &k, wraps, &n, WRAPS_MAX),
				 0);
		message(k, n);
		good = kd;
	}
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lkh_path *path = &w.m[7].path, before = *path, after; /* beside 6 */
		uint8_t sa[LKH_SA_KEY_MAX];
		enum lkh_result got;
		size_t n;

		kd = good;
		switch (i) {
		case 0:
			for (unsigned j = 0; j < kd.key_count; j++)
				kd.keys[j].data.p = junk;
			break;
		case 1: /* the other one is under a key of the path too */
			keys[9] = (struct lkh_wrapped){.kwk = path->v[path->count - 1].id};
			assert_int_equal(keywrap_pad(path->v[path->count - 1].key.b, 32, junk,
						     SA_LEN, keys[9].b, &keys[9].len),
					 0);
			kd.keys[kd.key_count++] =
				(struct gike_wrapped){0, keys[9].kwk, {keys[9].b, keys[9].len}};
			kd.v[0].count++;
			break;
		case 2:
			for (unsigned j = 0; j < kd.wrap_count; j++)
				kd.wraps[j].data.p = junk;
			break;
		case 3:
			for (unsigned j = 0; j < kd.wrap_count; j++)
				kd.wraps[j].data.len = 24;
			break;
		case 4:
			kd.wrap_count = 2;
			kd.wraps[0] = (struct gike_wrapped){1u << 30, 1u << 31, {junk, 40}};
			kd.wraps[1] = (struct gike_wrapped){1u << 31, 1u << 30, {junk, 40}};
			for (unsigned j = 0; j < kd.key_count; j++)
				kd.keys[j].kwk = 1u << 30;
			break;
		case 5:
			for (unsigned j = 0; j < kd.key_count; j++)
				kd.keys[j].kwk = 1u << 30;
			break;
		case 6:
		case 7:
			for (unsigned j = 0; j < kd.key_count; j++)
				kd.keys[j].data = (struct ike_bytes){junk, i == 6 ? 272 : 8};
			break;
		default:
			break;
		}
		got = lkh_find(path, &kd, &kd.v[0], &w.kek_w, 32, sa, &n, &after);
		if (got != rows[i].want)
			fail_msg("%s (%s): %d", rows[i].defect, rows[i].clause, got);
		assert_memory_equal(path, &before, sizeof(before));
	}
	world_fini(&w);
}

/* A chain of more keys than any tree has levels is refused, whatever it opens. */
static void a_way_too_long(void **state)
{
	struct lkh_path path = {0}, after;
	uint8_t key[32] = {7}, sa[LKH_SA_KEY_MAX];
	struct secret w = {.len = 32};
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		wraps[i] = (struct lkh_wrapped){.key = i + 1, .kwk = i};
		assert_int_equal(keywrap_pad(i ? key : w.b, 32, key, 32, wraps[i].b, &wraps[i].len),
				 0);
	}
	for (unsigned depth = 1; depth <= 40; depth++) {
		keys[0] = (struct lkh_wrapped){.kwk = depth};
		assert_int_equal(keywrap_pad(key, 32, key, 32, keys[0].b, &keys[0].len), 0);
		message(1, 40);
		assert_int_equal(lkh_find(&path, &kd, &kd.v[0], &w, 32, sa, &n, &after),
				 depth <= LKH_DEPTH_MAX ? LKH_OK : LKH_TOO_DEEP);
		assert_int_equal(after.count, depth <= LKH_DEPTH_MAX ? depth : 0);
	}
}

static struct ike_bytes hex(const char *s, uint8_t *out)
{
	size_t n = strlen(s) / 2;

	for (size_t i = 0; i < n; i++) {
		const char digits[3] = {s[2 * i], s[2 * i + 1]};

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return (struct ike_bytes){out, n};
}

/* "1->3->7" as in the appendix. */
static const char *path_text(const struct lkh_path *p)
{
	static char text[256];
	size_t n = 0;

	text[0] = 0;
	for (unsigned i = 0; i < p->count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", i ? "->" : "",
				      p->v[i].id);
	return text;
}

static void followed(const struct lkh_path *path, enum gike_where where, const char *message_hex,
		     const struct secret *gsk_w, const char *sa_hex, const char *want,
		     struct lkh_path *after)
{
	static uint8_t b[16384], expected[256];
	uint8_t sa[LKH_SA_KEY_MAX];
	struct ike_bytes body = hex(message_hex, b),
			 key = hex(strcmp(sa_hex, "-") ? sa_hex : "", expected);
	size_t n;
	enum lkh_result res;

	assert_int_equal(gike_kd_parse(&kd, body, where), GIKE_OK);
	res = lkh_find(path, &kd, &kd.v[0], gsk_w, 32, sa, &n, after);
	assert_int_equal(res, key.len ? LKH_OK : LKH_EXCLUDED);
	assert_int_equal(n, key.len);
	assert_memory_equal(sa, expected, n);
	assert_string_equal(path_text(after), strcmp(want, "-") ? want : "");
}

/* The group of the appendix on LKH: eight members register, all follow a simple rekey, F is excluded.
 * member NAME GSK_W KD PATH SA_KEY, then simple and exclude for each: KD GSK_W PATH SA_KEY. */
static void the_group_of_the_appendix(void **state)
{
	FILE *f = fopen(VECTORS "/gike_keys.txt", "r");
	char *line = NULL;
	size_t size = 0;
	unsigned members = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		struct lkh_path empty = {0}, one, two, three;
		char *v[16] = {NULL}, *at = line;
		struct secret gsk = {.len = 32}, kek = {.len = 32};
		unsigned n = 0;

		for (char *w; n < 16 && (w = strsep(&at, " \n"));)
			if (*w)
				v[n++] = w;
		if (!n || strcmp(v[0], "member"))
			continue;
		assert_int_equal(n, 14);
		hex(v[2], gsk.b);
		followed(&empty, GIKE_REGISTRATION, v[3], &gsk, v[5], v[4], &one);
		hex(v[7], kek.b);
		followed(&one, GIKE_REKEY, v[6], &kek, v[9], v[8], &two);
		hex(v[11], kek.b);
		followed(&two, GIKE_REKEY, v[10], &kek, v[13], v[12], &three);
		members++;
	}
	free(line);
	fclose(f);
	assert_int_equal(members, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_thousands_is_excluded_by_a_few_keys),
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(what_does_not_fit_changes_nothing),
		cmocka_unit_test(simple_rekeys_leave_the_path_alone),
		cmocka_unit_test(one_of_two_leaves),
		cmocka_unit_test(a_successor_goes_on_from_a_record),
		cmocka_unit_test(hostile_messages),
		cmocka_unit_test(a_way_too_long),
		cmocka_unit_test(the_group_of_the_appendix),
	};

	return cmocka_run_group_tests_name("key/gikev2/lkh", tests, NULL, NULL);
}
