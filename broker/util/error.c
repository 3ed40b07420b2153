/* error.c - fills a struct error; cannot fail itself. */
#include "broker/util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    trim_partial_character(err->text);
    return code;
}

int error_set_errno(struct error *err, int code, const char *format, ...)
{
    char message[400];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(err, code, "%s: %s", message, strerrordesc_np(-code) ?: "unknown error");
}
