/* Cells are kept as text until the widths are known. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TABLE_COLUMNS_MAX 24

struct cell {
	char *text;
	bool warn;
};

struct table {
	unsigned columns;
	bool right[TABLE_COLUMNS_MAX];
	struct cell *cells; /* the heads, then row by row */
	size_t count, room;
};

/* Columns a terminal needs for UTF-8 text: its code points (no wide ones occur here). */
static unsigned text_width(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void cell_add(struct table *t, bool warn, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct cell *v = reallocarray(t->cells, room, sizeof(*v));

		if (!v)
			return;
		t->cells = v;
		t->room = room;
	}
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	t->cells[t->count++] = (struct cell){text, warn};
}

void table_cell(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cell_add(t, false, fmt, ap);
	va_end(ap);
}

void table_warn(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cell_add(t, true, fmt, ap);
	va_end(ap);
}

struct table *table_new(const char *heads)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	while (t->columns < TABLE_COLUMNS_MAX) {
		size_t len = strcspn(heads, "|");
		bool right = *heads == '>';

		t->right[t->columns++] = right;
		table_cell(t, "%.*s", (int)(len - right), heads + right);
		if (!heads[len])
			break;
		heads += len + 1;
	}
	return t;
}

unsigned table_rows(const struct table *t)
{
	return (unsigned)((t->count - 1) / t->columns); /* the heads fill the first row */
}

static void cell_print(const struct cell *c, unsigned width, bool right, bool last, bool head,
		       bool colour, FILE *out)
{
	const char *text = c->text ? c->text : "";
	const char *on = head ? "\033[1m" : "\033[31m";
	unsigned pad = width - text_width(text);
	bool dye = colour && (head || c->warn);

	if (right)
		fprintf(out, "%*s", (int)pad, "");
	/* What came from elsewhere must not steer the terminal. */
	if (dye)
		fputs(on, out);
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
	if (dye)
		fputs("\033[0m", out);
	if (!right && !last)
		fprintf(out, "%*s", (int)pad, "");
	if (!last)
		fputs("  ", out);
}

/* How many leading columns fit side by side; at least one. */
static unsigned columns_fit(const struct table *t, const unsigned *width, unsigned columns)
{
	unsigned total = 0;

	for (unsigned i = 0; i < t->columns; i++) {
		total += width[i] + (i ? 2 : 0);
		if (columns && total > columns)
			return i ? i : 1;
	}
	return t->columns;
}

/* The cells of a row from a column on, with their heads, on lines of their own. */
static void rest_print(const struct table *t, size_t row, unsigned from, unsigned columns,
		       bool colour, FILE *out)
{
	unsigned at = columns; /* nothing is on the line yet */

	for (unsigned i = from; i < t->columns && row + i < t->count; i++) {
		const struct cell *head = &t->cells[i], *c = &t->cells[row + i];
		unsigned w;

		if (!c->text || !*c->text || !head->text)
			continue;
		w = text_width(head->text) + 1 + text_width(c->text);
		if (at + 2 + w > columns) {
			fputs(at == columns ? "    " : ",\n    ", out);
			at = 4;
		} else {
			fputs(", ", out);
			at += 2;
		}
		fprintf(out, "%s ", head->text);
		cell_print(c, text_width(c->text), false, true, false, colour, out);
		at += w;
	}
	if (at != columns)
		fputc('\n', out);
}

void table_loud(FILE *out, const char *fmt, ...)
{
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR");
	va_list ap;

	if (colour)
		fputs("\033[31m", out);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	if (colour)
		fputs("\033[0m", out);
}

void table_print(const struct table *t, FILE *out)
{
	struct winsize size;
	bool terminal = isatty(fileno(out));

	table_print_within(t, out,
			   terminal && !ioctl(fileno(out), TIOCGWINSZ, &size) ? size.ws_col : 0);
}

void table_print_within(const struct table *t, FILE *out, unsigned columns)
{
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR");
	unsigned width[TABLE_COLUMNS_MAX] = {0}, fit;

	if (t->count <= t->columns) {
		fputs("none\n", out);
		return;
	}
	for (size_t i = 0; i < t->count; i++) {
		unsigned w = t->cells[i].text ? text_width(t->cells[i].text) : 0;

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	fit = columns_fit(t, width, columns);
	for (size_t i = 0; i < t->count; i++) {
		unsigned col = (unsigned)(i % t->columns);
		bool last = col == fit - 1 || i == t->count - 1;

		if (col >= fit)
			continue;
		cell_print(&t->cells[i], width[col], t->right[col], last, i < t->columns, colour,
			   out);
		if (last)
			fputc('\n', out);
		if (last && fit < t->columns && i >= t->columns)
			rest_print(t, i - col, fit, columns, colour, out);
	}
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

const char *table_count(uint64_t v, char buf[16])
{
	static const char unit[] = " kMGTPE";
	unsigned u = 0;
	double d = (double)v;

	if (v < 10000) {
		snprintf(buf, 16, "%u", (unsigned)v);
		return buf;
	}
	while (d >= 999.5 && unit[u + 1]) {
		d /= 1000;
		u++;
	}
	snprintf(buf, 16, d < 99.95 ? "%.1f %c" : "%.0f %c", d, unit[u]);
	return buf;
}

const char *table_age(uint64_t s, char buf[24])
{
	unsigned long long d = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

	if (d)
		snprintf(buf, 24, "%llu d %llu h", d, h);
	else if (h)
		snprintf(buf, 24, "%llu h %llu min", h, m);
	else if (m)
		snprintf(buf, 24, "%llu min %llu s", m, (unsigned long long)s % 60);
	else
		snprintf(buf, 24, "%llu s", (unsigned long long)s);
	return buf;
}
