/*
 * wr: a bounded writer into a buffer the caller owns.
 *
 * Write everything, check once: a write past the end sets `bad`, writes nothing and stays bad.
 * Integers are big-endian (network order). Any thread may use its own writer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr {
	uint8_t *start; /* first byte of the buffer */
	uint8_t *p;     /* next byte to write */
	uint8_t *end;   /* one past the last byte */
	bool bad;       /* sticky: something did not fit */
};

static inline struct wr wr_init(void *buf, size_t size)
{
	return (struct wr){.start = buf, .p = buf, .end = (uint8_t *)buf + size};
}

/* Bytes written so far. */
static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

/* Room for n bytes that the caller fills, or NULL (and bad) when they do not fit. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	return p;
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p && n)
		memcpy(p, src, n);
}

static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p)
		memset(p, 0, n);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	wr_bytes(w, b, sizeof(b));
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			      (uint8_t)v};

	wr_bytes(w, b, sizeof(b));
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	wr_u32(w, (uint32_t)(v >> 32));
	wr_u32(w, (uint32_t)v);
}

/*
 * A length that is known only later: remember where it stands, write the body, then fill it in
 * with the number of bytes written after it (plus `extra`, for lengths that count themselves).
 */
static inline size_t wr_hole16(struct wr *w)
{
	size_t at = wr_len(w);

	wr_u16(w, 0);
	return at;
}

static inline void wr_fill16(struct wr *w, size_t at, size_t extra)
{
	size_t n;

	if (w->bad)
		return;
	n = wr_len(w) - at - 2 + extra;
	if (n > UINT16_MAX) {
		w->bad = true;
		return;
	}
	w->start[at] = (uint8_t)(n >> 8);
	w->start[at + 1] = (uint8_t)n;
}
