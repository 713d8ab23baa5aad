/* The secret's text. Rows are refused whole; no message repeats a word that may be a key. */
#include "key/psk/psk.h"

#include "crypto/cmac.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 10

struct parser {
	struct psk_keys *k;
	enum macsec_suite suite;
	unsigned line;
	char *why;
	size_t size;
};

static int refuse(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct parser *p, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(p->why, p->size, "line %u: ", p->line);

	va_start(ap, fmt);
	if (n > 0 && (size_t)n < p->size)
		vsnprintf(p->why + n, p->size - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n bytes of hex; -1 otherwise. */
static int hex_bytes(const char *s, uint8_t *dst, size_t n)
{
	if (strlen(s) != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		dst[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

static bool name_ok(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= PSK_NAME_MAX)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_' && *s != '.')
			return false;
	return true;
}

static int option_parse(struct parser *p, struct psk_line *l, char **w, unsigned n, bool *ssci,
			bool *salt)
{
	for (unsigned i = 4; i < n; i += 2) {
		if (i + 1 == n)
			return refuse(p, "`sci`, `ssci` and `salt` need a value each");
		if (strcmp(w[i], "sci") == 0 && !l->has_sci) {
			uint8_t b[8];

			if (hex_bytes(w[i + 1], b, 8) < 0)
				return refuse(p, "sci is 16 hex digits: MAC address and port id");
			for (unsigned j = 0; j < 8; j++)
				l->sci = l->sci << 8 | b[j];
			if (l->sci == 0 || l->sci == UINT64_MAX)
				return refuse(p, "sci may not be all zeroes or all ones");
			l->has_sci = true;
		} else if (strcmp(w[i], "ssci") == 0 && !*ssci) {
			char *end;
			unsigned long v;

			errno = 0;
			v = strtoul(w[i + 1], &end, 0);
			if (!isdigit((unsigned char)w[i + 1][0]) || *end || errno || v == 0 ||
			    v > UINT32_MAX)
				return refuse(p, "ssci is a number from 1 to 4294967295");
			l->ssci = (uint32_t)v;
			*ssci = true;
		} else if (strcmp(w[i], "salt") == 0 && !*salt) {
			if (hex_bytes(w[i + 1], l->salt, MACSEC_SALT_LEN) < 0)
				return refuse(p, "salt is 24 hex digits");
			*salt = true;
		} else {
			return refuse(p, "after the key: `sci`, `ssci`, `salt`, each once");
		}
	}
	return 0;
}

/* What would let two transmitters make one nonce, or one receiver confuse two keys. */
static int clash_check(struct parser *p, const struct psk_line *l)
{
	bool xpn = macsec_suites[p->suite].xpn;

	for (size_t i = 0; i < p->k->count; i++) {
		const struct psk_line *o = &p->k->v[i];
		bool same_key = secret_equal(o->key_id, l->key_id, MACSEC_KEY_ID_LEN);
		bool same_name = strcmp(o->name, l->name) == 0;

		if (same_name && o->an == l->an)
			return refuse(p, "%s has AN %u already", l->name, l->an);
		if (same_name && same_key)
			return refuse(p, "%s has this key under another AN already", l->name);
		if (o->has_sci && l->has_sci && o->sci == l->sci && !same_name)
			return refuse(p, "%s and %s have the same sci", o->name, l->name);
		if (!same_key)
			continue;
		if (xpn && memcmp(o->salt, l->salt, sizeof(l->salt)) != 0)
			return refuse(p, "%s and %s share a key but not its salt", o->name,
				      l->name);
		if (xpn && o->ssci == l->ssci)
			return refuse(p, "%s and %s share key and ssci: their nonces would repeat",
				      o->name, l->name);
		if (!xpn && !(o->has_sci && l->has_sci))
			return refuse(p, "%s and %s share a key: both lines need an sci", o->name,
				      l->name);
	}
	return 0;
}

static int line_parse(struct parser *p, char **w, unsigned n)
{
	static const char label[] = "myelin static SAK identifier";
	const struct macsec_suite_info *suite = &macsec_suites[p->suite];
	struct psk_line *l = &p->k->v[p->k->count];
	bool ssci = false, salt = false;
	uint8_t key[32];
	int rc;

	if (p->k->count == PSK_LINES_MAX)
		return refuse(p, "more than %d keys", PSK_LINES_MAX);
	if (n < 4 || strcmp(w[0], "sa") != 0)
		return refuse(p,
			      "expected `sa NAME AN KEY-HEX [sci SCI-HEX] [ssci N salt SALT-HEX]`");
	if (!name_ok(w[1]))
		return refuse(p, "the name after `sa` is not one of a node or peer");
	if (w[2][0] < '0' || w[2][0] > '3' || w[2][1])
		return refuse(p, "AN is 0, 1, 2 or 3");
	if (hex_bytes(w[3], key, suite->key_len) < 0) {
		secret_wipe(key, sizeof(key));
		return refuse(p, "the key of %s is %u hex digits", suite->keyword,
			      2u * suite->key_len);
	}
	snprintf(l->name, sizeof(l->name), "%s", w[1]);
	l->an = (uint8_t)(w[2][0] - '0');
	rc = secret_set(&l->key, key, suite->key_len);
	secret_wipe(key, sizeof(key));
	if (!rc && cmac_aes(l->key.b, l->key.len, label, sizeof(label), l->key_id) < 0)
		rc = refuse(p, "the key's identifier could not be made");
	if (!rc)
		rc = option_parse(p, l, w, n, &ssci, &salt);
	if (!rc && suite->xpn && !(ssci && salt))
		rc = refuse(p, "%s needs `ssci N salt SALT-HEX`", suite->keyword);
	if (!rc && !suite->xpn && (ssci || salt))
		rc = refuse(p, "%s has neither ssci nor salt", suite->keyword);
	if (!rc)
		rc = clash_check(p, l);
	if (!rc)
		p->k->count++;
	else
		secret_wipe(l, sizeof(*l));
	return rc;
}

/* Cuts at blanks, in place; WORDS_MAX + 1 when there are more words than that. */
static unsigned words_cut(char *line, char **w)
{
	char *save = NULL;
	unsigned n = 0;

	for (char *s = strtok_r(line, " \t\r", &save); s; s = strtok_r(NULL, " \t\r", &save)) {
		if (n == WORDS_MAX)
			return WORDS_MAX + 1;
		w[n++] = s;
	}
	return n;
}

int psk_parse(struct psk_keys *k, const char *text, size_t len, enum macsec_suite suite, char *why,
	      size_t size)
{
	struct parser p = {.k = k, .suite = suite, .why = why, .size = size};
	const char *end = text + len;
	char line[512];
	int rc = 0;

	memset(k, 0, sizeof(*k));
	if (len > PSK_TEXT_MAX) {
		p.line = 1;
		return refuse(&p, "the secret is longer than %d bytes", PSK_TEXT_MAX);
	}
	while (!rc && text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl ? nl : end) - text);
		char *w[WORDS_MAX], *hash;
		unsigned words;

		p.line++;
		if (n >= sizeof(line) || memchr(text, 0, n)) {
			rc = refuse(&p, "not a line of text of at most %zu bytes",
				    sizeof(line) - 1);
			break;
		}
		memcpy(line, text, n);
		line[n] = 0;
		text = nl ? nl + 1 : end;
		hash = strchr(line, '#');
		if (hash)
			*hash = 0;
		words = words_cut(line, w);
		if (words > WORDS_MAX)
			rc = refuse(&p, "too many words");
		else if (words)
			rc = line_parse(&p, w, words);
	}
	secret_wipe(line, sizeof(line));
	if (rc < 0)
		psk_wipe(k);
	return rc;
}

void psk_wipe(struct psk_keys *k)
{
	secret_wipe(k, sizeof(*k));
}
