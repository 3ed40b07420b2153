/*
 * json_number.c - numbers as JSON writes them: integers exactly, the rest as a double.
 *
 * strtod reads the decimal point of the locale. The broker never calls setlocale, and neither may
 * a program that parses JSON with this.
 */
#include "client/wire/json_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for the longest double that people print in full: 309 digits, and as many behind the point.
 */
#define NUMBER_TEXT_MAX 640

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* Behind the digits before the point, or NULL. */
static const char *skip_whole(const char *at, const char *end)
{
    if (at < end && *at == '-') {
        at++;
    }
    if (at < end && *at == '0') {
        return at + 1;
    }
    const char *behind = skip_digits(at, end);
    return behind > at ? behind : NULL;
}

/* Behind the exponent if there is one, or NULL when it is broken. */
static const char *skip_exponent(const char *at, const char *end)
{
    if (at == end || (*at != 'e' && *at != 'E')) {
        return at;
    }
    at++;
    if (at < end && (*at == '+' || *at == '-')) {
        at++;
    }
    const char *behind = skip_digits(at, end);
    return behind > at ? behind : NULL;
}

size_t json_number_size(const char *text, const char *end, bool *ret_integer)
{
    const char *whole = skip_whole(text, end);

    if (whole == NULL) {
        return 0;
    }
    const char *at = whole;
    if (at < end && *at == '.') {
        at = skip_digits(whole + 1, end);
        if (at == whole + 1) {
            return 0;
        }
    }
    at = skip_exponent(at, end);
    if (at == NULL) {
        return 0;
    }
    *ret_integer = at == whole;
    return (size_t)(at - text);
}

static const char *integer_value(const char *text, size_t size, msgpack_object *ret_object)
{
    bool negative = text[0] == '-';
    uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
    uint64_t value = 0;

    for (size_t i = negative ? 1 : 0; i < size; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (most - digit) / 10) {
            return "the integer does not fit 64 bits";
        }
        value = value * 10 + digit;
    }
    if (negative && value > 0) {
        ret_object->type = MSGPACK_OBJECT_NEGATIVE_INTEGER;
        ret_object->via.i64 = (int64_t)(~value + 1);
    } else {
        ret_object->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
        ret_object->via.u64 = value;
    }
    return NULL;
}

const char *json_number_value(const char *text, size_t size, bool integer,
                              msgpack_object *ret_object)
{
    char copy[NUMBER_TEXT_MAX + 1];

    if (integer) {
        return integer_value(text, size, ret_object);
    }
    if (size > NUMBER_TEXT_MAX) {
        return "the number has too many digits";
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    double value = strtod(copy, NULL);
    if (!isfinite(value)) {
        return "the number does not fit a double";
    }
    ret_object->type = MSGPACK_OBJECT_FLOAT64;
    ret_object->via.f64 = value;
    return NULL;
}
