/* lines.h - reads a stream line by line, bounded. */
#ifndef MEMFERRY_CLI_LINES_H
#define MEMFERRY_CLI_LINES_H

#include <stddef.h>
#include <stdio.h>

#define LINE_MAX_SIZE (4u << 20) /* a request is no larger */

enum line_status { LINE_GOOD = 0, LINE_END, LINE_TOO_LONG, LINE_HAS_NUL, LINE_FAILED };

struct line_reader {
    FILE *stream; /* borrowed */
    char *text;   /* of the last good line, without its end */
    size_t size, capacity;
    size_t max;           /* LINE_MAX_SIZE, unless who reads sets another */
    unsigned long number; /* of the last line */
};

void lines_init(struct line_reader *lines, FILE *stream);
/* Lines of white space are skipped. A line that is too long or holds a NUL is read to its end, so
 * that the next call goes on behind it. LINE_FAILED: errno. */
enum line_status lines_next(struct line_reader *lines);
void lines_deinit(struct line_reader *lines);

#endif
