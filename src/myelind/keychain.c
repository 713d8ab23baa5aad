#include "myelind/keychain.h"

#include "base/utc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct keychain *k, unsigned line, char *why, size_t size, const char *text)
{
	keychain_wipe(k);
	snprintf(why, size, "line %u: %s", line, text);
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *blank_skip(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* A word of hex, at most max bytes. Returns how many, 0 when it is not that. */
static size_t hex_word(const char **p, const char *end, uint8_t *dst, size_t max)
{
	const char *s = *p;
	size_t n = 0;

	while (s < end && *s != ' ' && *s != '\t' && *s != '\r') {
		int hi = hex_digit(s[0]), lo = s + 1 < end ? hex_digit(s[1]) : -1;

		if (hi < 0 || lo < 0 || n == max)
			return 0;
		dst[n++] = (uint8_t)(hi << 4 | lo);
		s += 2;
	}
	*p = s;
	return n;
}

/* The word at *p, if it is that one, is passed over. */
static bool word_is(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
		return false;
	if (*p + n < end && (*p)[n] != ' ' && (*p)[n] != '\t')
		return false;
	*p = blank_skip(*p + n, end);
	return true;
}

static bool time_word(const char **p, const char *end, uint64_t *ns)
{
	size_t n = 0;

	while (*p + n < end && (*p)[n] != ' ' && (*p)[n] != '\t' && (*p)[n] != '\r')
		n++;
	if (!utc_parse(*p, n, ns))
		return false;
	*p = blank_skip(*p + n, end);
	return true;
}

/* What stands behind the CAK. */
static const char *times_parse(struct keychain_key *k, const char *p, const char *end)
{
	bool start = false, stop = false;

	while (p < end) {
		if (!start && word_is(&p, end, "start")) {
			if (!time_word(&p, end, &k->start))
				return "`start` wants a time as 2027-01-31T00:00:00Z, in UTC";
			start = true;
		} else if (!stop && word_is(&p, end, "end")) {
			if (!time_word(&p, end, &k->end))
				return "`end` wants a time as 2027-01-31T00:00:00Z, in UTC";
			stop = true;
		} else {
			return "behind the CAK of 16 or 32 bytes stands `start TIME`, `end TIME`, both "
			       "or nothing";
		}
	}
	return stop && k->end <= k->start ? "the end is not after the start" : NULL;
}

static const char *line_parse(struct keychain_key *k, const char *p, const char *end)
{
	uint8_t cak[33];
	size_t n = hex_word(&p, end, k->ckn, sizeof(k->ckn));

	if (!n)
		return "expected `CKN-HEX CAK-HEX`, a CKN of 1 to 32 bytes";
	k->ckn_len = (uint8_t)n;
	p = blank_skip(p, end);
	n = hex_word(&p, end, cak, sizeof(cak));
	if (n != 16 && n != 32) {
		secret_wipe(cak, sizeof(cak));
		return "expected `CKN-HEX CAK-HEX`, a CAK of 16 or 32 bytes";
	}
	secret_set(&k->cak, cak, n);
	secret_wipe(cak, sizeof(cak));
	return times_parse(k, blank_skip(p, end), end);
}

static bool ckn_same(const struct keychain_key *a, const struct keychain_key *b)
{
	return a->ckn_len == b->ckn_len && memcmp(a->ckn, b->ckn, a->ckn_len) == 0;
}

/* Against the keys before it. */
static const char *line_fits(const struct keychain *c, const struct keychain_key *k, char *buf,
			     size_t size)
{
	for (unsigned i = 0; i < c->count; i++) {
		const struct keychain_key *o = &c->v[i];

		if (ckn_same(o, k)) {
			snprintf(buf, size, "its CKN is that of line %u", o->line);
			return buf;
		}
		if (o->start == k->start) {
			snprintf(
				buf, size,
				"it starts when line %u does, and of two keys the newer is wanted: "
				"give it a `start` of its own",
				o->line);
			return buf;
		}
	}
	return NULL;
}

static const char *key_add(struct keychain *c, unsigned line, const char *p, const char *end,
			   char *buf, size_t size)
{
	struct keychain_key *k = &c->v[c->count];
	const char *wrong;

	if (c->count == KEYCHAIN_KEYS_MAX) {
		snprintf(buf, size, "more than %u keys: take out those that are over",
			 KEYCHAIN_KEYS_MAX);
		return buf;
	}
	wrong = line_parse(k, p, end);
	if (!wrong)
		wrong = line_fits(c, k, buf, size);
	k->line = line;
	c->count++;
	return wrong;
}

int keychain_parse(struct keychain *k, const char *text, size_t len, char *why, size_t size)
{
	const char *end = text + len;
	unsigned line = 0;
	char buf[128];

	memset(k, 0, sizeof(*k));
	if (len > KEYCHAIN_TEXT_MAX)
		return refuse(k, 1, why, size, "too long for a key chain");
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text)), *stop = nl ? nl : end;
		const char *hash = memchr(text, '#', (size_t)(stop - text)), *wrong = NULL;
		const char *p = blank_skip(text, hash ? hash : stop);

		line++;
		if (p < (hash ? hash : stop))
			wrong = key_add(k, line, p, hash ? hash : stop, buf, sizeof(buf));
		if (wrong)
			return refuse(k, line, why, size, wrong);
		text = nl ? nl + 1 : end;
	}
	if (!k->count)
		return refuse(k, line, why, size, "no key; expected `CKN-HEX CAK-HEX`");
	return 0;
}

unsigned keychain_shares(const struct keychain *a, const struct keychain *b)
{
	for (unsigned i = 0; i < b->count; i++)
		for (unsigned j = 0; j < a->count; j++)
			if (ckn_same(&a->v[j], &b->v[i]))
				return b->v[i].line;
	return 0;
}

void keychain_wipe(struct keychain *k)
{
	secret_wipe(k, sizeof(*k));
}
