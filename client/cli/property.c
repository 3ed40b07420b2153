/* property.c - guesses a type from a form; "007", "1." and "0x10" are strings, as in JSON they are
 * no numbers. Cannot fail. */
#include "client/cli/property.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_digits(const char *text)
{
    return text + strspn(text, "0123456789");
}

/* Behind a JSON number, or NULL; *ret_integer: it has neither fraction nor exponent. */
static const char *skip_number(const char *text, bool *ret_integer)
{
    const char *digits = text + (*text == '-'), *end = skip_digits(digits);

    if (end == digits || (digits[0] == '0' && end > digits + 1)) {
        return NULL;
    }
    *ret_integer = true;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        *ret_integer = false;
        if (end == fraction) {
            return NULL;
        }
    }
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1 + (end[1] == '+' || end[1] == '-');
        end = skip_digits(exponent);
        *ret_integer = false;
        if (end == exponent) {
            return NULL;
        }
    }
    return end;
}

static bool number_value(struct memferry_property *property, const char *text)
{
    bool integer;
    const char *end = skip_number(text, &integer);

    if (end == NULL || *end != '\0') {
        return false;
    }
    errno = 0;
    if (integer) {
        property->type = MEMFERRY_NODE_INT;
        property->as.integer = strtoll(text, NULL, 10);
        return errno == 0;
    }
    property->type = MEMFERRY_NODE_FLOAT;
    property->as.floating = strtod(text, NULL);
    return isfinite(property->as.floating);
}

void property_value(struct memferry_property *property, const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        property->type = MEMFERRY_NODE_BOOL;
        property->as.boolean = text[0] == 't';
    } else if (!number_value(property, text)) {
        property->type = MEMFERRY_NODE_STRING;
        property->as.string = text;
    }
}
