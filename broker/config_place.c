/* config_place.c - messages about a line of the config. Cannot fail. */
#include "broker/config_place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int config_error(struct error *err, const struct config_place *place, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (place->file == NULL) {
        return error_set(err, -EINVAL, "%s", text);
    }
    return error_set(err, -EINVAL, "%s:%u: %s", place->file, place->line, text);
}

int config_bad_value(struct error *err, const struct config_place *place, const char *key,
                     const char *value, const char *allowed)
{
    /* inih knows comments behind a value by " ;" only. */
    const char *comment =
        strstr(value, " #") != NULL ? " (a comment behind a value begins with ;)" : "";

    return config_error(err, place, "bad value \"%s\" for %s; %s%s", value, key, allowed, comment);
}
