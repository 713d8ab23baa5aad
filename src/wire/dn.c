/* dn: one attribute at a time, each a set of its own; lengths are known before they are written. */
#include "wire/dn.h"

#include "base/wr.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX 200 /* bytes of one value */

enum der { DER_OID = 0x06, DER_UTF8 = 0x0c, DER_PRINTABLE = 0x13, DER_IA5 = 0x16 };
enum { DER_SEQUENCE = 0x30, DER_SET = 0x31 };

struct attribute {
	const char *word;
	uint8_t oid_len, oid[10];
	uint8_t string; /* how its values are written */
};

/* RFC 4519, RFC 4514 §3 and, of E, RFC 2985 §5.2.1. */
static const struct attribute attributes[] = {
	{"CN", 3, {0x55, 4, 3}, DER_UTF8},
	{"SERIALNUMBER", 3, {0x55, 4, 5}, DER_PRINTABLE},
	{"C", 3, {0x55, 4, 6}, DER_PRINTABLE},
	{"L", 3, {0x55, 4, 7}, DER_UTF8},
	{"ST", 3, {0x55, 4, 8}, DER_UTF8},
	{"STREET", 3, {0x55, 4, 9}, DER_UTF8},
	{"O", 3, {0x55, 4, 10}, DER_UTF8},
	{"OU", 3, {0x55, 4, 11}, DER_UTF8},
	{"UID", 10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1}, DER_UTF8},
	{"DC", 10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}, DER_IA5},
	{"E", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, DER_IA5},
	{"emailAddress", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, DER_IA5},
};

static void head(struct wr *w, uint8_t tag, size_t len)
{
	wr_u8(w, tag);
	if (len > 0xff) {
		w->bad = true;
		return;
	}
	if (len > 0x7f)
		wr_u8(w, 0x81);
	wr_u8(w, (uint8_t)len);
}

static size_t with_head(size_t len)
{
	return len + (len > 0x7f ? 3 : 2);
}

static const struct attribute *attribute_of(const char *word, size_t len)
{
	while (len && word[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
		if (strlen(attributes[i].word) == len &&
		    strncasecmp(attributes[i].word, word, len) == 0)
			return &attributes[i];
	return NULL;
}

/* Reads a value up to its comma, trailing blanks left out; its length, 0 when it is none. */
static size_t value_take(const char **at, char out[VALUE_MAX])
{
	const char *s = *at;
	size_t n = 0, kept = 0;

	while (*s == ' ')
		s++;
	for (; *s && *s != ','; s++) {
		bool taken = *s == '\\';

		if (taken && (!*++s || !strchr(",+=\\", *s)))
			return 0;
		if ((!taken && (*s == '+' || *s == '=')) || n == VALUE_MAX)
			return 0;
		out[n++] = *s;
		kept = taken || *s != ' ' ? n : kept;
	}
	*at = s;
	return kept;
}

/* What PrintableString has (X.680 §41.4), and IA5String. */
static bool value_fits(const struct attribute *a, const char *v, size_t len)
{
	static const char marks[] = " '()+,-./:=?";

	for (size_t i = 0; i < len; i++) {
		bool alnum = (v[i] >= 'a' && v[i] <= 'z') || (v[i] >= 'A' && v[i] <= 'Z') ||
			     (v[i] >= '0' && v[i] <= '9');

		if (a->string == DER_PRINTABLE && !alnum && !strchr(marks, v[i]))
			return false;
		if (a->string == DER_IA5 && (uint8_t)v[i] > 0x7f)
			return false;
	}
	return a->oid[2] != 6 || a->oid_len != 3 || len == 2; /* a country is two letters */
}

size_t dn_build(const char *text, uint8_t *out, size_t size)
{
	uint8_t body[256];
	struct wr b = wr_init(body, sizeof(body)), w = wr_init(out, size);

	do {
		const char *equals;
		const struct attribute *a;
		char value[VALUE_MAX];
		size_t len, pair;

		text += strspn(text, " ");
		equals = strchr(text, '=');
		a = equals && equals > text ? attribute_of(text, (size_t)(equals - text)) : NULL;
		if (!a)
			return 0;
		text = equals + 1;
		len = value_take(&text, value);
		if (!len || !value_fits(a, value, len))
			return 0;
		pair = with_head(a->oid_len) + with_head(len);
		head(&b, DER_SET, with_head(pair));
		head(&b, DER_SEQUENCE, pair);
		head(&b, DER_OID, a->oid_len);
		wr_bytes(&b, a->oid, a->oid_len);
		head(&b, a->string, len);
		wr_bytes(&b, value, len);
	} while (*text++ == ',');
	head(&w, DER_SEQUENCE, wr_len(&b));
	wr_bytes(&w, body, wr_len(&b));
	return b.bad || w.bad ? 0 : wr_len(&w);
}
