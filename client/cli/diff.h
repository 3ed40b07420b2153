/*
 * diff.h - what changed between two texts, line by line. Pure.
 *
 * The longest common lines stay; where the texts are so long that finding them would cost too much
 * (over 4 million pairs of lines that differ at both ends), all between is told as replaced.
 */
#ifndef MEMFERRY_CLI_DIFF_H
#define MEMFERRY_CLI_DIFF_H

#include <stddef.h>

enum diff_kind { DIFF_SAME = ' ', DIFF_REMOVED = '-', DIFF_ADDED = '+' };

struct diff_line {
    enum diff_kind kind;
    const char *text; /* borrowed from one of the texts; not NUL-terminated, without its end */
    size_t size;
};

struct diff {
    struct diff_line *lines;
    size_t count;
};

/* -ENOMEM or 0. Free it either way. A text that ends in a line end has no empty line behind it. */
int diff_make(struct diff *diff, const char *before, const char *after);
void diff_free(struct diff *diff);

#endif
