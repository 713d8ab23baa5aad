/* edit_test: a directory with files to be edited, for the tests of edit. */
#pragma once

#include "config/edit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define WORDS_MAX 24

static char dir[] = "/tmp/edit_test.XXXXXX", path[64];

static void put(const char *name, const char *text)
{
	char at[96];
	FILE *f;

	snprintf(at, sizeof(at), "%s/%s", dir, name);
	f = fopen(at, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static char *got(const char *name)
{
	char at[96], *text = NULL;
	size_t size;
	FILE *f, *out = open_memstream(&text, &size);
	int c;

	snprintf(at, sizeof(at), "%s/%s", dir, name);
	f = fopen(at, "re");
	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		fputc(c, out);
	fclose(f);
	fclose(out);
	return text;
}

/* One command, "set PATH VALUE..." or "unset ...", words split at spaces. 0 or -errno. */
static int run(struct conf_edit *e, const char *command, char **why)
{
	char *copy = strdup(command), *save;
	const char *words[WORDS_MAX];
	size_t n = 0;
	int rc;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	rc = (words[0][0] == 's' ? conf_edit_set : conf_edit_unset)(e, words + 1, n - 1, why);
	free(copy);
	return rc;
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.conf", dir);
	return 0;
}

static int drop_dir(void **state)
{
	static const char *const names[] = {"x.conf", "nodes.conf", "o.conf", "p.conf"};
	char at[96];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(at, sizeof(at), "%s/%s", dir, names[i]);
		unlink(at);
	}
	return rmdir(dir); /* fails when a temporary file was left behind */
}
