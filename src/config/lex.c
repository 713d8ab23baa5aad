/* lex: see lex.h. */
#include "config/lex.h"

#include <stdlib.h>
#include <string.h>

struct lex_piece {
	struct lex_piece *next;
	char text[];
};

void lex_init(struct lex *l, enum lex_mode mode, uint32_t file, const char *text, size_t len,
	      struct errlist *errs)
{
	*l = (struct lex){.p = text,
			  .end = text + len,
			  .mode = mode,
			  .errs = errs,
			  .at = {.file = file, .line = 1, .col = 1}};
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		l->p += 3; /* a byte order mark is not a character of the text */
}

void lex_fini(struct lex *l)
{
	for (struct lex_piece *p = l->pieces, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	l->pieces = NULL;
}

/* Length of the UTF-8 character at p, 0 when it is none or one that text does not hold. */
static size_t utf8_len(const char *p, const char *end)
{
	const uint8_t *s = (const uint8_t *)p;
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;
	uint32_t c;

	if (n == 0 || (size_t)(end - p) < n)
		return 0;
	if (n == 1)
		return s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n' || s[0] == '\r' ? 1 : 0;
	c = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c < 0xe000) || (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef))
		return 0;
	return n;
}

/* Steps over one good character. */
static void step(struct lex *l, size_t n)
{
	if (*l->p == '\n') {
		l->at.line++;
		l->at.col = 1;
	} else {
		l->at.col++;
	}
	l->p += n;
}

/* Steps over a run of bytes that are no text, and tells of it. Each counts as one column. */
static void skip_bad(struct lex *l)
{
	struct where w = l->at;
	uint8_t first = (uint8_t)*l->p;
	size_t n = 0;

	while (l->p < l->end && utf8_len(l->p, l->end) == 0) {
		l->p++;
		l->at.col++;
		n++;
	}
	if (first < 0x20 || first == 0x7f)
		errlist_add(l->errs, w, "control character 0x%02x; the file is UTF-8 text", first);
	else
		errlist_add(l->errs, w, "byte 0x%02x is not UTF-8; the file is UTF-8 text", first);
}

static void skip_space(struct lex *l)
{
	while (l->p < l->end) {
		size_t n = utf8_len(l->p, l->end);

		if (n == 0) {
			skip_bad(l);
		} else if (*l->p == '#' && l->mode != LEX_JSON) {
			while (l->p < l->end && *l->p != '\n') {
				n = utf8_len(l->p, l->end);
				if (n)
					step(l, n);
				else
					skip_bad(l);
			}
		} else if (*l->p == ' ' || *l->p == '\t' || *l->p == '\r' ||
			   (*l->p == '\n' && l->mode != LEX_SET)) {
			step(l, 1);
		} else {
			return;
		}
	}
}

static bool ends_word(const struct lex *l)
{
	return strchr(l->mode == LEX_JSON ? " \t\r\n{}[],:\"" : " \t\r\n{}[];\"#", *l->p) != NULL;
}

static void lex_word(struct lex *l, struct token *t)
{
	t->s = l->p;
	while (l->p < l->end) {
		size_t n = utf8_len(l->p, l->end);

		if (n == 0 || ends_word(l))
			break;
		step(l, n);
	}
	t->len = (size_t)(l->p - t->s);
}

static int hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* Appends a code point as UTF-8, returns the bytes written. */
static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* One escape of a string at in (after the backslash); bytes read, 0: unknown. */
static size_t unescape(const struct lex *l, const char *in, const char *end, char *out, size_t *n)
{
	static const char from[] = "\"\\ntr/bf", to[] = "\"\\\n\t\r/\b\f";
	const char *e;
	int c, low;

	if (in >= end)
		return 0;
	e = strchr(from, *in);
	if (e && *e && (l->mode == LEX_JSON || e - from < 5)) {
		out[(*n)++] = to[e - from];
		return 1;
	}
	if (l->mode != LEX_JSON || *in != 'u' || end - in < 5 || (c = hex4(in + 1)) < 0)
		return 0;
	if (c >= 0xd800 && c < 0xdc00 && end - in >= 11 && in[5] == '\\' && in[6] == 'u' &&
	    (low = hex4(in + 7)) >= 0xdc00 && low < 0xe000) {
		*n += put_utf8(out + *n, 0x10000u + ((uint32_t)(c - 0xd800) << 10) +
						 (uint32_t)(low - 0xdc00));
		return 11;
	}
	if (c >= 0xd800 && c < 0xe000)
		return 0;
	*n += put_utf8(out + *n, (uint32_t)c);
	return 5;
}

/* A quoted string ends on its line. Without its quote it ends there too, told at its start. */
static void lex_string(struct lex *l, struct token *t)
{
	struct lex_piece *piece;
	const char *start;
	bool escapes = false;
	size_t n = 0;

	step(l, 1);
	start = l->p;
	while (l->p < l->end && *l->p != '"' && *l->p != '\n') {
		n = utf8_len(l->p, l->end);
		if (n == 0) {
			skip_bad(l);
			continue;
		}
		if (*l->p == '\\' && l->p + 1 < l->end && (l->p[1] == '"' || l->p[1] == '\\'))
			step(l, 1);
		escapes |= l->p[0] == '\\' || (l->p > start && l->p[-1] == '\\');
		step(l, utf8_len(l->p, l->end) ? utf8_len(l->p, l->end) : 1);
	}
	t->s = start;
	t->len = (size_t)(l->p - start);
	if (l->p < l->end && *l->p == '"')
		step(l, 1);
	else
		t->torn = true;
	if (t->torn)
		errlist_add(l->errs, t->where, "the string has no closing `\"` on its line");
	if (!escapes)
		return;
	piece = malloc(sizeof(*piece) + t->len + 4);
	if (!piece)
		return;
	piece->next = l->pieces;
	l->pieces = piece;
	n = 0;
	for (const char *p = start, *end = start + t->len; p < end;) {
		size_t used = 1;

		if (*p != '\\') {
			piece->text[n++] = *p++;
			continue;
		}
		used = unescape(l, p + 1, end, piece->text, &n);
		if (used == 0) {
			errlist_add(l->errs, t->where, "unknown escape in the string; known are %s",
				    l->mode == LEX_JSON ? "JSON's"
							: "\\\", \\\\, \\n, \\t and \\r");
			break;
		}
		p += used + 1;
	}
	t->s = piece->text;
	t->len = n;
}

struct token lex_next(struct lex *l)
{
	static const char signs[] = "{}[];\n:,";
	static const enum token_kind kinds[] = {TOKEN_OPEN,  TOKEN_CLOSE, TOKEN_LEFT,
						TOKEN_RIGHT, TOKEN_STOP,  TOKEN_NEWLINE,
						TOKEN_COLON, TOKEN_COMMA};
	struct token t = {.kind = TOKEN_END};
	const char *sign;

	skip_space(l);
	t.where = l->at;
	t.from = l->p;
	if (l->p < l->end) {
		sign = strchr(l->mode == LEX_JSON ? signs : "{}[];\n", *l->p);
		if (*l->p == '"') {
			t.kind = TOKEN_WORD;
			t.quoted = true;
			lex_string(l, &t);
		} else if (sign && *sign) {
			t.kind = kinds[strchr(signs, *l->p) - signs];
			t.s = l->p;
			t.len = 1;
			step(l, 1);
		} else {
			t.kind = TOKEN_WORD;
			lex_word(l, &t);
		}
	}
	t.after = l->at;
	t.to = l->p;
	if (t.kind == TOKEN_WORD && t.len > CONF_WORD_MAX) {
		errlist_add(l->errs, t.where, "a word of %zu bytes; at most %d are accepted", t.len,
			    CONF_WORD_MAX);
		t.len = CONF_WORD_MAX;
		while (t.len && ((uint8_t)t.s[t.len] & 0xc0) == 0x80)
			t.len--;
	}
	return t;
}

enum lex_mode lex_guess(const char *text, size_t len)
{
	struct conf_errors none = {0};
	struct errlist errs = {.errs = &none};
	enum lex_mode mode = LEX_TEXT;
	struct token t;
	struct lex l;

	lex_init(&l, LEX_TEXT, 0, text, len, &errs);
	t = lex_next(&l);
	if (t.kind == TOKEN_OPEN)
		mode = LEX_JSON;
	else if (t.kind == TOKEN_WORD && !t.quoted && t.len == 3 && memcmp(t.s, "set", 3) == 0)
		mode = LEX_SET;
	lex_fini(&l);
	conf_errors_free(&none);
	free(errs.at);
	return mode;
}
