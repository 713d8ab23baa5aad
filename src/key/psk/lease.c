/*
 * The lease file: two copies of one record, written and made durable one after the other, and
 * only then is a number used. So a crash at any moment leaves at least one whole copy; a whole
 * copy that is older than the other says less than was ever used only if nothing was used. Bytes
 * of a copy, big-endian: magic (16) · wall clock of writing, ns (8) · generation (8) · count (4) ·
 * count × (key identifier (16), first number never taken (8)) · AES-CMAC of all that under a key
 * of zeroes (16). The sum finds damage, it is no defence against root.
 *
 * A copy put back from a backup carries an old time of writing but a new change time, which no
 * program can set: the two must agree to within a second. So that this holds for a copy made just
 * now as well, a lease that was found is not extended within a second of its last writing, and a
 * tick more, since the clock of change times is behind the wall clock. What this cannot see is a
 * snapshot of the whole disk put back; docs/cli.md says so.
 */
#include "key/psk/psk.h"

#include "base/rd.h"
#include "base/wr.h"
#include "crypto/cmac.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE (PSK_LEASE_SIZE / 2)
#define MAGIC "myelin lease v1\n" /* 16 bytes */
#define SKEW_NS 1000000000ull     /* how far a time of writing and a change time may be apart */
#define STEP_NS 1000000000ull
#define TICK_NS 20000000ull /* and how far change times are behind the clock, at most */
#define TRIES 3

struct entry {
	uint8_t key_id[MACSEC_KEY_ID_LEN];
	uint64_t next;
};

struct psk_lease {
	int fd;
	struct psk_lease_env env;
	uint64_t generation;
	uint64_t written; /* wall clock in the record */
	uint32_t count;
	struct entry v[PSK_LINES_MAX];
	bool broken; /* a write failed: what the file says is not known any more */
	bool found;  /* nothing was written since it was opened */
};

static int sum(const uint8_t *p, size_t len, uint8_t out[CMAC_LEN])
{
	static const uint8_t zero[16];

	return cmac_aes(zero, sizeof(zero), p, len, out);
}

static bool copy_parse(struct psk_lease *l, const uint8_t *p, size_t size)
{
	struct rd r = rd_init(p, size);
	uint8_t s[CMAC_LEN];
	const uint8_t *magic = rd_bytes(&r, 16), *end, *mac;

	l->written = rd_u64(&r);
	l->generation = rd_u64(&r);
	l->count = rd_u32(&r);
	if (r.bad || memcmp(magic, MAGIC, 16) != 0 || l->count > PSK_LINES_MAX)
		return false;
	for (uint32_t i = 0; i < l->count; i++) {
		rd_copy(&r, l->v[i].key_id, MACSEC_KEY_ID_LEN);
		l->v[i].next = rd_u64(&r);
		if (l->v[i].next == 0)
			return false;
	}
	end = r.p;
	mac = rd_bytes(&r, CMAC_LEN);
	return mac && sum(p, (size_t)(end - p), s) == 0 && memcmp(mac, s, CMAC_LEN) == 0;
}

static ssize_t copy_build(const struct psk_lease *l, uint8_t *buf)
{
	struct wr w = wr_init(buf, COPY_SIZE);
	uint8_t s[CMAC_LEN];

	wr_bytes(&w, MAGIC, 16);
	wr_u64(&w, l->written);
	wr_u64(&w, l->generation);
	wr_u32(&w, l->count);
	for (uint32_t i = 0; i < l->count; i++) {
		wr_bytes(&w, l->v[i].key_id, MACSEC_KEY_ID_LEN);
		wr_u64(&w, l->v[i].next);
	}
	if (w.bad || sum(buf, wr_len(&w), s) < 0)
		return -EIO;
	wr_bytes(&w, s, CMAC_LEN);
	return w.bad ? -EIO : (ssize_t)wr_len(&w);
}

static int write_whole(int fd, const uint8_t *p, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static uint64_t change_time(const struct stat *st)
{
	return (uint64_t)st->st_ctim.tv_sec * STEP_NS + (uint64_t)st->st_ctim.tv_nsec;
}

/* A copy of a file written less than this ago could pass for the file that is written next. */
static void lease_settle(const struct psk_lease *l)
{
	uint64_t age = apart(l->env.wall(l->env.ctx), l->written);

	if (age <= SKEW_NS + TICK_NS)
		l->env.wait(l->env.ctx, SKEW_NS + TICK_NS - age);
}

/* Both copies, each durable before the next is touched. */
static int copies_write(struct psk_lease *l)
{
	int rc = 0;

	for (unsigned i = 0; i < 2 && !rc; i++) {
		uint8_t buf[COPY_SIZE] = {0};
		ssize_t n;

		l->written = l->env.wall(l->env.ctx);
		n = copy_build(l, buf);
		if (n < 0)
			return (int)n;
		rc = write_whole(l->fd, buf, sizeof(buf), (off_t)i * COPY_SIZE);
		if (!rc && fsync(l->fd) < 0)
			rc = -errno;
	}
	return rc;
}

static int lease_store(struct psk_lease *l)
{
	struct stat st;
	int rc = 0;

	if (l->found)
		lease_settle(l);
	l->found = false;
	l->generation++;
	/* Again if a stall between clock and write would have the next start refuse the file. */
	for (unsigned i = 0; i < TRIES && !rc; i++) {
		rc = copies_write(l);
		if (!rc && fstat(l->fd, &st) == 0 &&
		    apart(change_time(&st), l->written) < SKEW_NS / 2)
			break;
	}
	return rc;
}

static struct psk_lease *refuse(struct psk_lease *l, char *why, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static struct psk_lease *refuse(struct psk_lease *l, char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	psk_lease_close(l);
	return NULL;
}

/* The newer of the copies that are whole. */
static bool lease_load(struct psk_lease *l, const uint8_t *image)
{
	struct psk_lease other = *l, one = *l;
	bool a = copy_parse(&one, image, COPY_SIZE);
	bool b = copy_parse(&other, image + COPY_SIZE, COPY_SIZE);

	if (!a && !b)
		return false;
	*l = !a || (b && other.generation >= one.generation) ? other : one;
	return true;
}

struct psk_lease *psk_lease_open(int fd, const struct psk_lease_env *env, char *why, size_t size)
{
	struct psk_lease *l = calloc(1, sizeof(*l));
	uint8_t image[PSK_LEASE_SIZE] = {0};
	struct stat st;
	ssize_t n;
	uint64_t off;

	if (!l) {
		close(fd);
		snprintf(why, size, "out of memory");
		return NULL;
	}
	l->fd = fd;
	l->env = *env;
	n = pread(fd, image, sizeof(image), 0);
	if (n < 0 || fstat(fd, &st) < 0)
		return refuse(l, why, size, "it cannot be read: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(l, why, size, "it is not a regular file");
	if ((n == 3 || n == 4) && memcmp(image, "new\n", (size_t)n) == 0)
		return l;
	if (n == 0)
		return refuse(l, why, size, "it is empty");
	if (!lease_load(l, image))
		return refuse(l, why, size, "it is damaged");
	off = apart(change_time(&st), l->written);
	if (off > SKEW_NS)
		return refuse(
			l, why, size,
			"it was changed %llu ms apart from when myelind last wrote it: a copy put "
			"back?",
			(unsigned long long)(off / 1000000));
	l->found = true;
	return l;
}

void psk_lease_close(struct psk_lease *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l);
}

static struct entry *entry_find(const struct psk_lease *l, const uint8_t *key_id)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (memcmp(l->v[i].key_id, key_id, MACSEC_KEY_ID_LEN) == 0)
			return (struct entry *)&l->v[i];
	return NULL;
}

uint64_t psk_lease_next(const struct psk_lease *l, const uint8_t key_id[MACSEC_KEY_ID_LEN])
{
	const struct entry *e = entry_find(l, key_id);

	return e ? e->next : 1;
}

int psk_lease_take(struct psk_lease *l, const uint8_t key_id[MACSEC_KEY_ID_LEN], uint64_t floor,
		   uint64_t last, uint64_t step, uint64_t *first, uint64_t *limit)
{
	struct entry *e = entry_find(l, key_id);
	uint64_t from, to;
	int rc;

	if (l->broken)
		return -EIO;
	if (!e && l->count == PSK_LINES_MAX)
		return -ENOSPC;
	from = e ? e->next : 1;
	if (from < floor)
		from = floor;
	if (from > last)
		return -ERANGE;
	to = last - from < step ? last : from + step;
	if (to == from)
		return -ERANGE;
	if (!e) {
		e = &l->v[l->count++];
		memcpy(e->key_id, key_id, MACSEC_KEY_ID_LEN);
	}
	e->next = to;
	rc = lease_store(l);
	if (rc < 0) {
		/* The file may say either; nothing of this range is handed out, now or later. */
		l->broken = true;
		return rc;
	}
	*first = from;
	*limit = to;
	return 0;
}
