#include "myelind/keychain.h"

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

static const char *line_parse(struct keychain *k, const char *p, const char *end)
{
	uint8_t cak[33];
	size_t n;

	if (k->ckn_len)
		return "one key is all that this version takes";
	n = hex_word(&p, end, k->ckn, sizeof(k->ckn));
	if (!n)
		return "expected `CKN-HEX CAK-HEX`, a CKN of 1 to 32 bytes";
	k->ckn_len = (uint8_t)n;
	p = blank_skip(p, end);
	n = hex_word(&p, end, cak, sizeof(cak));
	if ((n != 16 && n != 32) || blank_skip(p, end) != end) {
		secret_wipe(cak, sizeof(cak));
		return "expected `CKN-HEX CAK-HEX`, a CAK of 16 or 32 bytes";
	}
	secret_set(&k->cak, cak, n);
	secret_wipe(cak, sizeof(cak));
	return NULL;
}

int keychain_parse(struct keychain *k, const char *text, size_t len, char *why, size_t size)
{
	const char *end = text + len;
	unsigned line = 0;

	memset(k, 0, sizeof(*k));
	if (len > KEYCHAIN_TEXT_MAX)
		return refuse(k, 1, why, size, "too long for a key chain");
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text)), *stop = nl ? nl : end;
		const char *hash = memchr(text, '#', (size_t)(stop - text)), *wrong;
		const char *p = blank_skip(text, hash ? hash : stop);

		line++;
		if (p < (hash ? hash : stop)) {
			wrong = line_parse(k, p, hash ? hash : stop);
			if (wrong)
				return refuse(k, line, why, size, wrong);
		}
		text = nl ? nl + 1 : end;
	}
	if (!k->ckn_len)
		return refuse(k, line, why, size, "no key; expected `CKN-HEX CAK-HEX`");
	return 0;
}

void keychain_wipe(struct keychain *k)
{
	secret_wipe(k, sizeof(*k));
}
