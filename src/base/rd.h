/*
 * rd: a bounded reader over bytes somebody else wrote.
 *
 * Read everything, check once: a read past the end sets `bad`, returns zeroes and stays bad.
 * Integers are big-endian (network order). A reader never copies and owns nothing; the bytes
 * must outlive it. Any thread may use its own reader.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *p;   /* next byte to read */
	const uint8_t *end; /* one past the last byte */
	bool bad;           /* sticky: something was read that was not there */
};

static inline struct rd rd_init(const void *data, size_t len)
{
	return (struct rd){.p = data, .end = (const uint8_t *)data + len};
}

/* Bytes left to read; 0 once bad. */
static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* True when every byte was read and none was missing: how a nested block must end. */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}

/* The next n bytes, in place, or NULL (and bad) when fewer are left. n = 0 is never an error. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline void rd_copy(struct rd *r, void *dst, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

static inline void rd_skip(struct rd *r, size_t n)
{
	(void)rd_bytes(r, n);
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? (uint16_t)((unsigned)p[0] << 8 | p[1]) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t rd_u64(struct rd *r)
{
	uint64_t hi = rd_u32(r);

	return hi << 32 | rd_u32(r);
}

/* A reader over the next n bytes, which the outer reader skips. Too few left: both are bad. */
static inline struct rd rd_block(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (!p)
		return (struct rd){.p = r->end, .end = r->end, .bad = true};
	return rd_init(p, n);
}
