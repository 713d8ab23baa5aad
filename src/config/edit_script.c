/* edit_script: many edits at once, a line each. */
#include "config/edit.h"

#include "config/build.h"
#include "config/lex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 1024

struct script {
	struct lex lex;
	struct token tok;
	char *words[WORDS_MAX];
	size_t count;
};

static void words_drop(struct script *s)
{
	while (s->count)
		free(s->words[--s->count]);
}

/* The words of one line. 0 or -errno. */
static int line_read(struct script *s, char **why)
{
	for (; s->tok.kind != TOKEN_NEWLINE && s->tok.kind != TOKEN_END;
	     s->tok = lex_next(&s->lex)) {
		char word[64];

		if (s->tok.kind != TOKEN_WORD && s->tok.kind != TOKEN_LEFT &&
		    s->tok.kind != TOKEN_RIGHT) {
			if (asprintf(why, "expected a word, found `%s`",
				     build_quote(word, s->tok.s, s->tok.len)) < 0)
				*why = NULL;
			return -EINVAL;
		}
		if (s->count == WORDS_MAX)
			return -E2BIG;
		s->words[s->count] = strndup(s->tok.s, s->tok.len);
		if (!s->words[s->count++])
			return -ENOMEM;
	}
	return 0;
}

static int line_run(struct conf_edit *e, struct script *s, char **why)
{
	const char *const *words = (const char *const *)s->words + 1;

	if (!s->count)
		return 0;
	if (!strcmp(s->words[0], "set"))
		return conf_edit_set(e, words, s->count - 1, why);
	if (!strcmp(s->words[0], "unset"))
		return conf_edit_unset(e, words, s->count - 1, why);
	*why = strdup("a line begins with set or unset");
	return -EINVAL;
}

int conf_edit_script(struct conf_edit *e, const char *text, size_t len, char **why)
{
	struct conf_errors told = {};
	struct errlist errs = {.errs = &told};
	struct script *s = calloc(1, sizeof(*s));
	char *what = NULL;
	unsigned line = 1;
	int rc = s ? 0 : -ENOMEM;

	*why = NULL;
	if (rc)
		return rc;
	lex_init(&s->lex, LEX_SET, errlist_file(&errs, "script"), text, len, &errs);
	for (s->tok = lex_next(&s->lex); !rc && s->tok.kind != TOKEN_END;
	     s->tok = rc ? s->tok : lex_next(&s->lex)) {
		line = s->tok.where.line;
		rc = line_read(s, &what);
		if (!rc && told.count) {
			what = strdup(told.v[0].text);
			rc = -EINVAL;
		}
		if (!rc)
			rc = line_run(e, s, &what);
		words_drop(s);
		if (s->tok.kind == TOKEN_END)
			break;
	}
	if (rc && asprintf(why, "line %u: %s", line, what ? what : strerror(-rc)) < 0)
		*why = NULL;
	free(what);
	words_drop(s);
	lex_fini(&s->lex);
	errlist_finish(&errs);
	conf_errors_free(&told);
	free(s);
	return rc;
}
