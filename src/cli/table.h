/*
 * table: aligned columns for people.
 *
 * Columns are as wide as their widest cell; a column declared right-aligned lines up its digits.
 * Nothing but the terminal's own colours is used, and only when the output is a terminal and
 * NO_COLOR is not set. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct table;

/* Heads separated by `|`; a head with `>` in front is right-aligned: "peer|port|>packets". */
struct table *table_new(const char *heads);
/* Adds a cell to the current row (bytes are copied); a full row is followed by the next. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, drawn the eye's attention to when the output is a terminal. */
void table_warn(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Beside a table: text that is drawn the eye's attention to in the same way. */
void table_loud(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
unsigned table_rows(const struct table *t);
/* Prints heads and rows; a table without rows prints `none` instead. On a terminal that is too
 * narrow for all columns the last ones stand below their row. */
void table_print(const struct table *t, FILE *out);
/* The same for a terminal of so many columns; 0: without end. */
void table_print_within(const struct table *t, FILE *out, unsigned columns);
void table_free(struct table *t);

/* "12.3 M", "456 k": a count with at most four significant characters. */
const char *table_count(uint64_t v, char buf[16]);
/* "3 d 4 h", "2 min 5 s", "12 s". */
const char *table_age(uint64_t seconds, char buf[24]);
