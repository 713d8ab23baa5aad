/* scdoc: text put into a page of scdoc(5), which has signs of its own. For the generators. */
#pragma once

#include <stdio.h>
#include <string.h>

/* Text as it is, whatever signs are in it; first: it begins a line. */
static inline void scdoc_put(const char *s, bool first, FILE *out)
{
	for (; *s; s++, first = false) {
		if (strchr("\\*_`", *s) || (first && strchr("#-|[]", *s)))
			fputc('\\', out);
		/* Two of them at a line's end would break it. */
		if (*s == '+')
			fputc('\\', out);
		fputc(*s, out);
	}
}

/* Copies a page up to a line of its own that is the mark; what follows it, or NULL. */
static inline const char *scdoc_head(const char *page, const char *mark, FILE *out)
{
	const char *at = strstr(page, mark);

	if (!at)
		return NULL;
	fwrite(page, 1, (size_t)(at - page), out);
	return at + strlen(mark);
}
