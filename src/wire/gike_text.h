/* gike_text: what was read of GSA and KD in words, one line each, for tests: test/lib/gikewire.py
 * says the same of the same bytes. */
#pragma once

#include "wire/gike.h"

#include <stdarg.h>
#include <stdio.h>

struct gike_text {
	size_t len;
	char b[1 << 17];
};

static inline __attribute__((format(printf, 2, 3))) void gike_say(struct gike_text *t,
								  const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->b + t->len, sizeof(t->b) - t->len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(t->b) - t->len)
		t->len += (size_t)n;
}

static inline void gike_say_bytes(struct gike_text *t, const char *word, const void *p, size_t n)
{
	const uint8_t *b = p;

	gike_say(t, "%s%s", t->len ? " " : "", word);
	gike_say(t, "%s", *word ? " " : "");
	for (size_t i = 0; i < n; i++)
		gike_say(t, "%02x", b[i]);
}

static inline void gike_say_selector(struct gike_text *t, const char *word, const struct ike_ts *s)
{
	size_t n = s->type == IKE_TS_IPV4 ? 4 : 16;

	gike_say(t, " %s %u %u %u %u", word, s->type, s->protocol, s->port_from, s->port_to);
	gike_say_bytes(t, "", s->from, n);
	gike_say_bytes(t, "", s->to, n);
}

static inline const char *gike_gsa_text(struct gike_text *t, const struct gike_gsa *g)
{
	t->len = 0;
	t->b[0] = 0;
	for (const struct gike_policy *p = g->v; p < g->v + g->count; p++) {
		gike_say(t, "%spolicy %u", t->len ? " " : "", p->protocol);
		gike_say_bytes(t, "", p->spi, p->spi_len);
		gike_say_selector(t, "from", &p->from);
		gike_say_selector(t, "to", &p->to);
		for (unsigned i = 0; i < p->count; i++) {
			gike_say(t, " transform %u %u %u", p->t[i].type, p->t[i].id,
				 p->t[i].key_bits);
			if (p->t[i].type == IKE_T_GCAUTH && p->algorithm.len)
				gike_say_bytes(t, "algorithm", p->algorithm.p, p->algorithm.len);
		}
		if (p->has_lifetime)
			gike_say(t, " lifetime %u", p->lifetime);
		if (p->has_message_id)
			gike_say(t, " message %u", p->message_id);
		for (unsigned i = 0; i < p->next_count; i++)
			gike_say_bytes(t, "next", p->next[i], p->spi_len);
	}
	if (g->has_atd || g->has_dtd || g->has_sender_bits)
		gike_say(t, " wide");
	if (g->has_atd)
		gike_say(t, " atd %u", g->atd);
	if (g->has_dtd)
		gike_say(t, " dtd %u", g->dtd);
	if (g->has_sender_bits)
		gike_say(t, " bits %u", g->sender_bits);
	return t->b;
}

static inline const char *gike_kd_text(struct gike_text *t, const struct gike_kd *k)
{
	t->len = 0;
	t->b[0] = 0;
	for (const struct gike_bag *b = k->v; b < k->v + k->count; b++) {
		gike_say(t, "%sbag %u", t->len ? " " : "", b->protocol);
		gike_say_bytes(t, "", b->spi, b->spi_len);
		for (unsigned i = b->first; i < b->first + b->count; i++) {
			gike_say(t, " key %u %u", k->keys[i].key, k->keys[i].kwk);
			gike_say_bytes(t, "", k->keys[i].data.p, k->keys[i].data.len);
		}
	}
	if (k->wrap_count || k->auth_key.len || k->sender_count)
		gike_say(t, " member");
	for (unsigned i = 0; i < k->wrap_count; i++) {
		gike_say(t, " wrap %u %u", k->wraps[i].key, k->wraps[i].kwk);
		gike_say_bytes(t, "", k->wraps[i].data.p, k->wraps[i].data.len);
	}
	if (k->auth_key.len)
		gike_say_bytes(t, "auth", k->auth_key.p, k->auth_key.len);
	for (unsigned i = 0; i < k->sender_count; i++)
		gike_say(t, " sender %u", k->senders[i]);
	return t->b;
}
