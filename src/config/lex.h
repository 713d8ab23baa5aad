/*
 * lex: words and signs of the backbone file, with their places. Columns count characters from 1;
 * a tab is one column. What is not UTF-8 text is told once per run of it and skipped.
 *
 * One thread. The source must outlive the lexer and its tokens.
 */
#pragma once

#include "config/tree.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_OPEN,    /* { */
	TOKEN_CLOSE,   /* } */
	TOKEN_LEFT,    /* [ */
	TOKEN_RIGHT,   /* ] */
	TOKEN_STOP,    /* ; */
	TOKEN_NEWLINE, /* in set lines only */
	TOKEN_COLON,   /* in JSON only, as is the comma */
	TOKEN_COMMA,
};

enum lex_mode { LEX_TEXT, LEX_SET, LEX_JSON };

struct token {
	enum token_kind kind;
	const char *s; /* of a word: its value, len bytes, not terminated */
	size_t len;
	bool quoted, torn;         /* torn: without its closing quote */
	struct where where, after; /* its first character; the one after its last */
	const char *from, *to;     /* the same in the source, quotes and all */
};

struct lex {
	const char *p, *end;
	enum lex_mode mode;
	struct where at;
	struct errlist *errs;
	struct lex_piece *pieces; /* unescaped strings, freed by lex_fini() */
};

void lex_init(struct lex *l, enum lex_mode mode, uint32_t file, const char *text, size_t len,
	      struct errlist *errs);
void lex_fini(struct lex *l);
struct token lex_next(struct lex *l);
/* How the file is written, by its first token. */
enum lex_mode lex_guess(const char *text, size_t len);
