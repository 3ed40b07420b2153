/* error.c - fills a struct error; cannot fail itself. */
#include "broker/util/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 400 /* before an errno's text: that is never cut off */

/* Drops the bytes of a character that the size cut in two. */
static void trim_partial_character(char *text)
{
    size_t size = strlen(text);
    size_t start = size;

    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start == 0 || (unsigned char)text[start - 1] < 0xc0) {
        return;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (size - (start - 1) < need) {
        text[start - 1] = '\0';
    }
}

__attribute__((format(printf, 3, 0))) static void fill(struct error *err, size_t limit,
                                                       const char *format, va_list args)
{
    assert(format != NULL);
    vsnprintf(err->text, limit, format, args);
    trim_partial_character(err->text);
}

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, format);
    fill(err, sizeof err->text, format, args);
    va_end(args);
    return code;
}

int error_set_errno(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, format);
    fill(err, MESSAGE_SIZE, format, args);
    va_end(args);
    size_t size = strlen(err->text);
    snprintf(err->text + size, sizeof err->text - size, ": %s",
             strerrordesc_np(-code) ?: "unknown error");
    return code;
}
