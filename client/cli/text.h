/*
 * text.h - text on a terminal: how wide it is, cut, wrapped, and without what would act on the
 * terminal. Pure, but for the stream. Needs no locale: text is UTF-8.
 */
#ifndef MEMFERRY_CLI_TEXT_H
#define MEMFERRY_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The next character, and how many bytes it takes (at least 1; a bad byte is U+FFFD). */
uint32_t text_next(const char *text, size_t *ret_size);
/* Columns of a terminal: 0, 1 or 2. */
unsigned character_width(uint32_t character);
size_t text_width(const char *text);

/* On one line: line ends and tabs become spaces, other controls are shown as \xNN or \u{NNNN}. At
 * most `columns` wide, the last being "…" when it was cut; 0: all of it. Returns the width. */
size_t text_print_line(FILE *out, const char *text, size_t columns);
/* Wrapped at spaces, with line ends kept. columns 0: not wrapped. Ends with a line end. */
void text_print_wrapped(FILE *out, const char *text, size_t columns);
/* For programs: a tab, line end or backslash as \t, \n, \r, \\; other controls as they are. */
void text_print_escaped(FILE *out, const char *text);

#endif
