/* guard_scan_space.h - where a scan stands: characters, blanks and comments. For guard_scan.c. */
#ifndef MEMFERRY_GUARD_SCAN_SPACE_H
#define MEMFERRY_GUARD_SCAN_SPACE_H

#include "broker/guard_scan.h"

bool scan_is_blank(char c); /* no newline */
bool scan_is_digit(char c);
bool scan_is_word_start(char c);
bool scan_is_word(char c);

size_t scan_left(const struct guard_scan *scan);
/* The character `ahead` of the next; NUL behind the end. */
char scan_peek(const struct guard_scan *scan, size_t ahead);
bool scan_starts_with(const struct guard_scan *scan, const char *text);
/* To the newline, or the end. */
void scan_skip_line(struct guard_scan *scan);
/* Behind blanks and comments. */
void scan_skip_space(struct guard_scan *scan);

#endif
