/* lines.c - grows its buffer up to its bound, never further. */
#include "client/cli/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lines_init(struct line_reader *lines, FILE *stream)
{
    *lines = (struct line_reader){.stream = stream, .max = LINE_MAX_SIZE};
}

void lines_deinit(struct line_reader *lines)
{
    free(lines->text);
    lines->text = NULL;
}

static enum line_status put_byte(struct line_reader *lines, char byte)
{
    if (lines->size == lines->max) {
        return LINE_TOO_LONG;
    }
    if (lines->size + 1 >= lines->capacity) {
        size_t capacity = lines->capacity * 2 + 4096;
        char *text = realloc(lines->text, capacity);
        if (text == NULL) {
            errno = ENOMEM;
            return LINE_FAILED;
        }
        lines->text = text;
        lines->capacity = capacity;
    }
    lines->text[lines->size++] = byte;
    lines->text[lines->size] = '\0';
    return byte == '\0' ? LINE_HAS_NUL : LINE_GOOD;
}

/* One line; LINE_END: there is none. */
static enum line_status read_line(struct line_reader *lines)
{
    enum line_status status = LINE_GOOD;
    int byte = getc_unlocked(lines->stream);

    lines->size = 0;
    if (byte == EOF) {
        return ferror(lines->stream) ? LINE_FAILED : LINE_END;
    }
    lines->number++;
    for (; byte != EOF && byte != '\n'; byte = getc_unlocked(lines->stream)) {
        if (status == LINE_GOOD) {
            status = put_byte(lines, (char)byte);
        }
    }
    return ferror(lines->stream) ? LINE_FAILED : status;
}

static int is_blank(const struct line_reader *lines)
{
    return lines->size == 0 || lines->text[strspn(lines->text, " \t\r")] == '\0';
}

enum line_status lines_next(struct line_reader *lines)
{
    enum line_status status;

    do {
        status = read_line(lines);
    } while (status == LINE_GOOD && is_blank(lines));
    return status;
}
