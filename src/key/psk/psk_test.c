/* The secret's rows, the lease on a real file, and the sum of numbers over many crashes. */
#include "key/psk/psk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define K1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define K2 "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SALT "salt 0102030405060708090a0b0c"

static int parse(struct psk_keys *k, const char *text, enum macsec_suite suite, char *why)
{
	return psk_parse(k, text, strlen(text), suite, why, 256);
}

static void a_good_secret_gives_its_lines(void **state)
{
	struct psk_keys k;
	char why[256];

	(void)state;
	assert_int_equal(parse(&k,
			       "# who sends with what\n\n"
			       "sa fra1 0 " K1 "  # ours\r\n"
			       "sa cisco 3 " K2 " sci 0200000000020001",
			       MACSEC_GCM_AES_256, why),
			 0);
	assert_int_equal(k.count, 2);
	assert_string_equal(k.v[0].name, "fra1");
	assert_int_equal(k.v[0].key.len, 32);
	assert_int_equal(k.v[0].key.b[31], 0x1f);
	assert_false(k.v[0].has_sci);
	assert_int_equal(k.v[1].an, 3);
	assert_true(k.v[1].sci == 0x0200000000020001ull);
	assert_memory_not_equal(k.v[0].key_id, k.v[1].key_id, MACSEC_KEY_ID_LEN);
	psk_wipe(&k);
	assert_int_equal(parse(&k, "sa fra1 1 " K1 " ssci 0x10 " SALT " sci 0200000000010001\n",
			       MACSEC_GCM_AES_XPN_256, why),
			 0);
	assert_int_equal(k.v[0].ssci, 16);
	assert_int_equal(k.v[0].salt[11], 0x0c);
	psk_wipe(&k);
}

static void a_hostile_secret_is_refused_by_line_and_without_its_key(void **state)
{
	static const struct {
		const char *text, *why;
		enum macsec_suite suite;
	} rows[] = {
		{"sa fra1 0\n", "line 1: expected", MACSEC_GCM_AES_256},
		{"\n\nfra1 0 " K1, "line 3: expected", MACSEC_GCM_AES_256},
		{"sa ../etc 0 " K1, "name", MACSEC_GCM_AES_256},
		{"sa -a-name-that-is-longer-than-any-node-may-have- 0 " K1, "name",
		 MACSEC_GCM_AES_256},
		{"sa fra1 4 " K1, "AN is", MACSEC_GCM_AES_256},
		{"sa fra1 00 " K1, "AN is", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 "00", "64 hex digits", MACSEC_GCM_AES_256},
		{"sa fra1 0 00010203", "64 hex digits", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1, "32 hex digits", MACSEC_GCM_AES_128},
		{"sa fra1 0 g00102030405060708090a0b0c0d0e0f", "32 hex digits", MACSEC_GCM_AES_128},
		{"sa fra1 0 " K1 " sci", "value each", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 " sci 12", "16 hex digits", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 " sci 0000000000000000", "all zeroes", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 " sci 0200000000020001 sci 0200000000020001", "each once",
		 MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 " ssci 1 " SALT, "neither", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1, "needs `ssci", MACSEC_GCM_AES_XPN_256},
		{"sa fra1 0 " K1 " ssci 1", "needs `ssci", MACSEC_GCM_AES_XPN_256},
		{"sa fra1 0 " K1 " ssci 0 " SALT, "ssci is", MACSEC_GCM_AES_XPN_256},
		{"sa fra1 0 " K1 " ssci -1 " SALT, "ssci is", MACSEC_GCM_AES_XPN_256},
		{"sa fra1 0 " K1 " ssci 4294967296 " SALT, "ssci is", MACSEC_GCM_AES_XPN_256},
		{"sa fra1 0 " K1 " ssci 1 salt 01", "24 hex", MACSEC_GCM_AES_XPN_256},
		{"sa fra1 0 " K1 " colour red", "after the key", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 "\nsa fra1 0 " K2, "line 2: fra1 has AN 0", MACSEC_GCM_AES_256},
		{"sa fra1 0 " K1 "\nsa fra1 1 " K1, "another AN", MACSEC_GCM_AES_256},
		{"sa a 0 " K1 " sci 0200000000020001\nsa b 1 " K2 " sci 0200000000020001",
		 "same sci", MACSEC_GCM_AES_256},
		{"sa a 0 " K1 "\nsa b 0 " K1, "share a key", MACSEC_GCM_AES_256},
		{"sa a 0 " K1 " ssci 1 " SALT "\nsa b 0 " K1 " ssci 1 " SALT, "nonces would repeat",
		 MACSEC_GCM_AES_XPN_256},
		{"sa a 0 " K1 " ssci 1 " SALT "\nsa b 0 " K1
		 " ssci 2 salt 0202030405060708090a0b0c",
		 "not its salt", MACSEC_GCM_AES_XPN_256},
		{"sa a b c d e f g h i j k l m", "too many words", MACSEC_GCM_AES_256},
		{"sa fra1 0 \xff\xfe", "64 hex digits", MACSEC_GCM_AES_256},
	};
	static const struct psk_keys none;
	struct psk_keys k;
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why[0] = 0;
		assert_int_equal(parse(&k, rows[i].text, rows[i].suite, why), -EINVAL);
		if (!strstr(why, rows[i].why))
			fail_msg("row %zu: %s", i, why);
		assert_null(strstr(why, "000102"));
		assert_memory_equal(&k, &none, sizeof(k));
	}
	printf("# %zu classes of malformed psk secrets\n", sizeof(rows) / sizeof(rows[0]));
}

static void nul_bytes_long_lines_and_too_many_lines_are_refused(void **state)
{
	struct psk_keys k;
	char why[256], *big = malloc(PSK_TEXT_MAX + 1);
	size_t n = 0;

	(void)state;
	assert_int_equal(psk_parse(&k, "sa a\0 0", 7, MACSEC_GCM_AES_128, why, sizeof(why)),
			 -EINVAL);
	memset(big, ' ', PSK_TEXT_MAX + 1);
	assert_int_equal(psk_parse(&k, big, PSK_TEXT_MAX + 1, MACSEC_GCM_AES_128, why, sizeof(why)),
			 -EINVAL);
	assert_int_equal(psk_parse(&k, big, 600, MACSEC_GCM_AES_128, why, sizeof(why)), -EINVAL);
	for (unsigned i = 0; i <= PSK_LINES_MAX; i++)
		n += (size_t)sprintf(big + n, "sa n%u 0 %032x\n", i, i + 1);
	assert_int_equal(psk_parse(&k, big, n, MACSEC_GCM_AES_128, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "line 65: more than 64 keys"));
	free(big);
}

/* The lease. */

struct file {
	char path[64];
	int64_t shift; /* added to the wall clock */
	bool patient;  /* waits as long as it is asked to */
};

static uint64_t wall(void *ctx)
{
	struct file *f = ctx;
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)(t.tv_sec * 1000000000 + t.tv_nsec + f->shift);
}

static void wait_for(void *ctx, uint64_t ns)
{
	const struct file *f = ctx;

	if (f->patient)
		nanosleep(&(struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)},
			  NULL);
}

static int file_setup(void **state)
{
	struct file *f = calloc(1, sizeof(*f));
	int fd;

	snprintf(f->path, sizeof(f->path), "/tmp/psk-test-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "new\n", 4), 4);
	close(fd);
	*state = f;
	return 0;
}

static int file_teardown(void **state)
{
	struct file *f = *state;

	unlink(f->path);
	free(f);
	return 0;
}

static struct psk_lease *lease_open(struct file *f, char *why)
{
	struct psk_lease_env env = {.ctx = f, .wall = wall, .wait = wait_for};

	return psk_lease_open(open(f->path, O_RDWR | O_CLOEXEC), &env, why, 256);
}

static void image_get(struct file *f, uint8_t *b)
{
	int fd = open(f->path, O_RDONLY);

	assert_int_equal(read(fd, b, PSK_LEASE_SIZE), PSK_LEASE_SIZE);
	close(fd);
}

static void image_put(struct file *f, const uint8_t *b, size_t len)
{
	int fd = open(f->path, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, b, len), len);
	close(fd);
}

static const uint8_t id1[16] = "key one", id2[16] = "key two";

static void numbers_are_on_disk_before_they_are_handed_out(void **state)
{
	struct file *f = *state;
	struct psk_lease *l, *other;
	uint64_t first, limit;
	char why[256];

	l = lease_open(f, why);
	assert_non_null(l);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	assert_true(first == 1 && limit == 1 + PSK_LEASE_STEP);
	/* Nothing is closed or flushed in between: a second reader sees what a crash would leave. */
	other = lease_open(f, why);
	assert_non_null(other);
	assert_true(psk_lease_next(other, id1) == limit);
	assert_true(psk_lease_next(other, id2) == 1);
	psk_lease_close(other);
	psk_lease_close(l);
}

static void no_number_is_handed_out_twice_over_a_hundred_crashes(void **state)
{
	struct file *f = *state;
	uint64_t next[2] = {1, 1}, first, limit;
	char why[256];

	srand(7);
	for (int i = 0; i < 100; i++) {
		struct psk_lease *l = lease_open(f, why);

		assert_non_null(l);
		for (int k = rand() % 4; k > 0; k--) {
			int which = rand() % 2;

			assert_int_equal(psk_lease_take(l, which ? id2 : id1, 1, UINT64_MAX - 1,
							PSK_LEASE_STEP, &first, &limit),
					 0);
			assert_true(first >= next[which] && limit > first);
			next[which] = limit;
		}
		psk_lease_close(l); /* a crash: nothing is written at the end */
	}
}

static void crash_after(struct file *f, size_t cut)
{
	uint8_t torn[PSK_LEASE_SIZE], after[PSK_LEASE_SIZE];
	struct psk_lease *l = lease_open(f, (char[256]){0});
	uint64_t first, limit, safe, next;

	assert_non_null(l);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &safe), 0);
	image_get(f, torn);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	image_get(f, after);
	psk_lease_close(l);
	memcpy(torn, after, cut);
	image_put(f, torn, sizeof(torn));
	l = lease_open(f, (char[256]){0});
	assert_non_null(l);
	next = psk_lease_next(l, id1);
	assert_true(next == safe || next == limit);
	/* Numbers past `safe` were handed out only once both copies stood. */
	if (cut >= PSK_LEASE_SIZE / 2)
		assert_true(next == limit);
	psk_lease_close(l);
}

static void a_crash_between_the_copies_leaves_the_older_or_the_newer(void **state)
{
	/* Within the record of each copy, which is some 80 bytes, and behind it. */
	for (size_t cut = 0; cut < 100; cut += 13) {
		crash_after(*state, cut);
		crash_after(*state, PSK_LEASE_SIZE / 2 + cut);
	}
	crash_after(*state, PSK_LEASE_SIZE / 2 - 1);
	crash_after(*state, PSK_LEASE_SIZE);
}

static void a_lost_or_damaged_lease_is_refused(void **state)
{
	struct file *f = *state;
	uint8_t good[PSK_LEASE_SIZE], bad[PSK_LEASE_SIZE];
	struct psk_lease *l = lease_open(f, (char[256]){0});
	uint64_t first, limit;
	char why[256];

	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	psk_lease_close(l);
	image_get(f, good);
	image_put(f, good, 0);
	assert_null(lease_open(f, why));
	assert_non_null(strstr(why, "empty"));
	image_put(f, (const uint8_t *)"newer", 5);
	assert_null(lease_open(f, why));
	assert_non_null(strstr(why, "damaged"));
	/* One bit in each copy, anywhere a bit means something. */
	for (size_t at = 0; at < 76; at++) {
		memcpy(bad, good, sizeof(bad));
		bad[at] ^= 1;
		bad[PSK_LEASE_SIZE / 2 + at] ^= 0x80;
		image_put(f, bad, sizeof(bad));
		assert_null(lease_open(f, why));
	}
	/* One copy whole is enough. */
	memcpy(bad, good, sizeof(bad));
	memset(bad, 0, PSK_LEASE_SIZE / 2);
	image_put(f, bad, sizeof(bad));
	l = lease_open(f, why);
	assert_non_null(l);
	assert_true(psk_lease_next(l, id1) == limit);
	psk_lease_close(l);
}

static void a_copy_put_back_later_is_refused(void **state)
{
	struct file *f = *state;
	struct psk_lease *l;
	uint8_t old[PSK_LEASE_SIZE];
	uint64_t first, limit;
	char why[256];

	f->shift = -3600ll * 1000000000; /* the backup was made an hour ago */
	l = lease_open(f, why);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	image_get(f, old);
	f->shift = 0;
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	psk_lease_close(l);
	l = lease_open(f, why);
	assert_non_null(l);
	psk_lease_close(l);
	image_put(f, old, sizeof(old));
	assert_null(lease_open(f, why));
	assert_non_null(strstr(why, "put back"));
}

static void a_copy_put_back_at_once_is_refused(void **state)
{
	struct file *f = *state;
	struct psk_lease *l = lease_open(f, (char[256]){0});
	uint8_t old[PSK_LEASE_SIZE];
	uint64_t first, limit;
	char why[256];

	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	psk_lease_close(l);
	image_get(f, old);
	f->patient = true;
	l = lease_open(f, why);
	assert_non_null(l);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	psk_lease_close(l);
	image_put(f, old, sizeof(old));
	assert_null(lease_open(f, why));
	assert_non_null(strstr(why, "put back"));
}

static void a_lease_that_cannot_be_written_gives_nothing_any_more(void **state)
{
	struct file *f = *state;
	struct psk_lease_env env = {.ctx = f, .wall = wall, .wait = wait_for};
	struct psk_lease *l = lease_open(f, (char[256]){0});
	uint64_t first = 0, limit = 0;
	char why[256];

	psk_lease_close(l);
	l = psk_lease_open(open(f->path, O_RDONLY), &env, why, sizeof(why));
	assert_non_null(l);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit),
			 -EBADF);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit),
			 -EIO);
	assert_true(first == 0 && limit == 0);
	psk_lease_close(l);
}

/* The disk between the cache and us: how often it was asked to be up to date, and what it says. */
static unsigned syncs, sync_fails;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	syncs++;
	if (sync_fails) {
		errno = EIO;
		return -1;
	}
	return __real_fsync(fd);
}

static void numbers_are_handed_out_after_both_copies_are_synced_and_not_without(void **state)
{
	struct file *f = *state;
	struct psk_lease *l = lease_open(f, (char[256]){0});
	uint64_t first = 0, limit = 0;
	unsigned before = syncs;

	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit), 0);
	assert_true(syncs >= before + 2 && first && limit);
	first = limit = 0;
	sync_fails = 1;
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit),
			 -EIO);
	sync_fails = 0;
	assert_true(first == 0 && limit == 0);
	/* What the disk lost cannot be known: not before the file was opened anew. */
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit),
			 -EIO);
	psk_lease_close(l);
}

static void the_last_numbers_of_a_suite_are_given_once(void **state)
{
	struct file *f = *state;
	struct psk_lease *l = lease_open(f, (char[256]){0});
	uint64_t first, limit;

	assert_int_equal(
		psk_lease_take(l, id1, UINT32_MAX - 10, UINT32_MAX, PSK_LEASE_STEP, &first, &limit),
		0);
	assert_true(first == UINT32_MAX - 10 && limit == UINT32_MAX);
	assert_int_equal(psk_lease_take(l, id1, 1, UINT32_MAX, PSK_LEASE_STEP, &first, &limit),
			 -ERANGE);
	psk_lease_close(l);
}

/* The engine, against a sink that keeps what it was told. */

struct told {
	struct sink_sa sa[8];
	bool transmit[8];
	unsigned count;
};

static int note(struct told *t, const struct sink_sa *sa, bool transmit)
{
	assert_true(t->count < 8);
	t->sa[t->count] = *sa;
	t->transmit[t->count++] = transmit;
	return 0;
}

static int on_receive(void *ctx, const struct sink_sa *sa)
{
	return note(ctx, sa, false);
}

static int on_transmit(void *ctx, const struct sink_sa *sa)
{
	return note(ctx, sa, true);
}

static void on_retire(void *ctx, uint16_t secy, const uint8_t id[16], uint64_t sci)
{
	(void)ctx;
	(void)secy;
	(void)id;
	(void)sci;
	fail();
}

static struct psk *engine(struct told *t, struct psk_lease *l, const char *text, char *why)
{
	struct sink sink = {t, on_receive, on_transmit, on_retire};
	struct psk_config cfg = {.secy = 1,
				 .suite = MACSEC_GCM_AES_256,
				 .node = "fra1",
				 .sci = 0x0200000000010001ull};
	struct psk_keys k;

	assert_int_equal(parse(&k, text, MACSEC_GCM_AES_256, why), 0);
	return psk_new(&cfg, &k, l, &sink, why, 256);
}

#define TWO "sa fra1 1 " K1 "\nsa cisco 2 " K2 " sci 0200000000020001\n"

static void receivers_have_their_key_before_the_transmitter_is_told(void **state)
{
	struct file *f = *state;
	struct told t = {0};
	char why[256];
	struct psk_lease *l = lease_open(f, why);
	struct psk *p = engine(&t, l, TWO, why);

	assert_non_null(p);
	assert_int_equal(t.count, 2);
	assert_false(t.transmit[0]);
	assert_true(t.sa[0].sci == 0x0200000000020001ull && t.sa[0].an == 2);
	assert_true(t.transmit[1]);
	assert_true(t.sa[1].sci == 0x0200000000010001ull && t.sa[1].an == 1);
	assert_true(t.sa[1].pn == 1 && t.sa[1].pn_limit == 1 + PSK_LEASE_STEP);
	assert_true(psk_lease_next(l, t.sa[1].key_id) == t.sa[1].pn_limit);
	psk_free(p);
	psk_lease_close(l);
}

static void the_lease_is_extended_at_three_quarters_and_not_before(void **state)
{
	struct file *f = *state;
	struct told t = {0};
	char why[256];
	struct psk_lease *l = lease_open(f, why);
	struct psk *p = engine(&t, l, TWO, why);
	struct sink_report r = {.secy = 1,
				.an = 1,
				.direction = SINK_TRANSMIT,
				.installed = true,
				.sci = 0x0200000000010001ull};

	memcpy(r.key_id, t.sa[1].key_id, 16);
	r.pn = PSK_LEASE_STEP / 2;
	assert_int_equal(psk_report(p, &r), 0);
	assert_int_equal(t.count, 2);
	r.pn = 1 + PSK_LEASE_STEP / 4 * 3 + 1;
	assert_int_equal(psk_report(p, &r), 0);
	assert_int_equal(t.count, 3);
	assert_true(t.sa[2].pn_limit == 1 + 3 * PSK_LEASE_STEP); /* twice as much */
	assert_true(t.sa[2].pn == 1);                            /* goes on where it is */
	assert_true(psk_lease_next(l, t.sa[2].key_id) == t.sa[2].pn_limit);
	assert_int_equal(psk_report(p, &r), 0);
	assert_int_equal(t.count, 3);
	/* A busy node takes more at a time, up to the most there is. */
	for (int i = 0; i < 20; i++) {
		t.count = 2;
		r.pn = t.sa[2].pn_limit - 1;
		assert_int_equal(psk_report(p, &r), 0);
		assert_int_equal(t.count, 3);
	}
	assert_true(t.sa[2].pn_limit - r.pn == 1 + PSK_LEASE_STEP_MAX);
	psk_free(p);
	psk_lease_close(l);
}

static void a_lost_transmit_sa_comes_back_with_numbers_never_taken(void **state)
{
	struct file *f = *state;
	struct told t = {0};
	char why[256];
	struct psk_lease *l = lease_open(f, why);
	struct psk *p = engine(&t, l, TWO, why);
	struct sink_report r = {
		.secy = 1, .an = 1, .direction = SINK_TRANSMIT, .sci = 0x0200000000010001ull};

	memcpy(r.key_id, t.sa[1].key_id, 16);
	assert_int_equal(psk_report(p, &r), 0);
	assert_true(t.sa[2].pn == t.sa[1].pn_limit);
	assert_true(t.sa[2].pn_limit == t.sa[2].pn + PSK_LEASE_STEP);
	r = (struct sink_report){.secy = 1, .an = 2, .sci = 0x0200000000020001ull};
	memcpy(r.key_id, t.sa[0].key_id, 16);
	assert_int_equal(psk_report(p, &r), 0);
	assert_false(t.transmit[3]);
	psk_free(p);
	/* A successor starts past all of it. */
	t.count = 0;
	p = engine(&t, l, TWO, why);
	assert_true(t.sa[1].pn == 1 + 2 * PSK_LEASE_STEP);
	psk_free(p);
	psk_lease_close(l);
}

static void without_our_line_or_a_peers_sci_nothing_is_given(void **state)
{
	static const char *const rows[][2] = {
		{"sa cisco 2 " K2 " sci 0200000000020001", "no line `sa fra1"},
		{"sa fra1 0 " K1 "\nsa cisco 2 " K2, "needs `sci"},
		{"sa fra1 0 " K1 "\nsa cisco 2 " K2 " sci 0200000000010001", "our own sci"},
		{"sa fra1 0 " K1 " sci 0200000000070001", "the port's is 0200000000010001"},
	};
	struct file *f = *state;
	char why[256];
	struct psk_lease *l = lease_open(f, why);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct told t = {0};

		assert_null(engine(&t, l, rows[i][0], why));
		assert_non_null(strstr(why, rows[i][1]));
		assert_int_equal(t.count, 0);
	}
	psk_lease_close(l);
}

int main(void)
{
#define F(name) cmocka_unit_test_setup_teardown(name, file_setup, file_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_secret_gives_its_lines),
		cmocka_unit_test(a_hostile_secret_is_refused_by_line_and_without_its_key),
		cmocka_unit_test(nul_bytes_long_lines_and_too_many_lines_are_refused),
		F(numbers_are_on_disk_before_they_are_handed_out),
		F(no_number_is_handed_out_twice_over_a_hundred_crashes),
		F(a_crash_between_the_copies_leaves_the_older_or_the_newer),
		F(a_lost_or_damaged_lease_is_refused),
		F(a_copy_put_back_later_is_refused),
		F(a_copy_put_back_at_once_is_refused),
		F(a_lease_that_cannot_be_written_gives_nothing_any_more),
		F(numbers_are_handed_out_after_both_copies_are_synced_and_not_without),
		F(the_last_numbers_of_a_suite_are_given_once),
		F(receivers_have_their_key_before_the_transmitter_is_told),
		F(the_lease_is_extended_at_three_quarters_and_not_before),
		F(a_lost_transmit_sa_comes_back_with_numbers_never_taken),
		F(without_our_line_or_a_peers_sci_nothing_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
