/*
 * json_scalar.c - strings and numbers of a reader.
 *
 * A reply of an embedder is thousands of numbers, and strtod costs more than all the rest. Up to 15
 * digits, or as many as make no more than 2^53, with a small power of ten are exact by one
 * multiplication or division of doubles; others go by strtod.
 */
#include "plugins/common/json_reader_internal.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    POWER_MAX = 22,        /* the largest power of ten that is exact in a double */
    DIGITS_MAX = 18,       /* fit into 64 bits */
    EXPONENT_MAX = 100000, /* beyond any double; more is not counted */
    NUMBER_BYTES_MAX = 512 /* longer ones are none of a float's */
};

#define EXACT_MAX (UINT64_C(1) << 53)

static const double powers[POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* ---- strings ---- */

bool json_pass_string(struct json_reader *r)
{
    if (json_peek(r) != JSON_KIND_STRING) {
        return json_reader_fail(r);
    }
    for (r->at++; r->at < r->end; r->at++) {
        if (*r->at == '"') {
            r->at++;
            return true;
        }
        if ((unsigned char)*r->at < 0x20) {
            break;
        }
        if (*r->at == '\\' && r->end - r->at > 1) {
            r->at++;
        }
    }
    return json_reader_fail(r);
}

/* The four digits of \uXXXX; -1: they are none. */
static int hex4(const char *text, const char *end)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        int c = end - text > i ? text[i] : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* One character as UTF-8; halves of pairs become '?', which is enough for a message. */
static size_t encode(int code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code >= 0xd800 && code < 0xe000) {
        out[0] = '?';
        return 1;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

/* What an escape means; *at is behind its backslash and moves behind it. 0: it is none. */
static size_t unescape(const char **at, const char *end, char out[4])
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *name = **at == '\0' ? NULL : strchr(names, **at);

    if (name != NULL) {
        out[0] = values[name - names];
        ++*at;
        return 1;
    }
    int code = **at == 'u' ? hex4(*at + 1, end) : -1;
    if (code < 0) {
        return 0;
    }
    *at += 5;
    return encode(code, out);
}

bool json_read_string(struct json_reader *r, char *buffer, size_t buffer_size)
{
    size_t size = 0;

    json_peek(r); /* to its first quote */
    const char *open = r->at;
    buffer[0] = '\0';
    if (!json_pass_string(r)) {
        return false;
    }
    for (const char *at = open + 1, *end = r->at - 1; at < end;) {
        char bytes[4] = {*at++};
        size_t count = bytes[0] == '\\' ? unescape(&at, end, bytes) : 1;
        if (count == 0) {
            return json_reader_fail(r);
        }
        if (count < buffer_size - size) { /* room for the NUL too */
            memcpy(buffer + size, bytes, count);
            size += count;
        }
    }
    buffer[size] = '\0';
    return true;
}

/* ---- numbers ---- */

/* The parts of a number. */
struct number {
    uint64_t digits;
    int digit_count;        /* without leading zeros */
    int exponent;           /* of ten, for digits */
    bool negative, inexact; /* the latter: not all digits fit */
};

static const char *digits(struct number *n, const char *at, const char *end, int step)
{
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (n->digit_count < DIGITS_MAX) {
            n->digits = n->digits * 10 + (uint64_t)(*at - '0');
            n->digit_count += n->digits != 0;
            n->exponent -= step;
        } else {
            n->inexact = true;
        }
    }
    return at;
}

static const char *exponent(struct number *n, const char *at, const char *end)
{
    bool negative = at < end && *at == '-';
    int value = 0;

    at += at < end && (*at == '-' || *at == '+');
    const char *start = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        value = value < EXPONENT_MAX ? value * 10 + (*at - '0') : value;
    }
    n->exponent += negative ? -value : value;
    return at > start ? at : NULL;
}

/* Where the number ends; NULL: it is none by JSON's rules. */
static const char *parse(struct number *n, const char *at, const char *end)
{
    n->negative = *at == '-';
    const char *start = at += n->negative;
    at = digits(n, at, end, 0);
    if (at == start || (*start == '0' && at - start > 1)) {
        return NULL;
    }
    if (at < end && *at == '.') {
        start = ++at;
        at = digits(n, at, end, 1);
        if (at == start) {
            return NULL;
        }
    }
    return at < end && (*at == 'e' || *at == 'E') ? exponent(n, at + 1, end) : at;
}

static bool parse_slowly(const char *text, size_t size, double *ret)
{
    char copy[NUMBER_BYTES_MAX + 1];

    if (size > NUMBER_BYTES_MAX) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    *ret = strtod(copy, NULL);
    return true;
}

bool json_read_number(struct json_reader *r, double *ret)
{
    struct number n = {0};

    if (json_peek(r) != JSON_KIND_NUMBER) {
        return json_reader_fail(r);
    }
    const char *start = r->at, *end = parse(&n, start, r->end);
    if (end == NULL) {
        return json_reader_fail(r);
    }
    if (!n.inexact && n.digits <= EXACT_MAX && abs(n.exponent) <= POWER_MAX) {
        double value = (double)n.digits;
        value = n.exponent < 0 ? value / powers[-n.exponent] : value * powers[n.exponent];
        *ret = n.negative ? -value : value;
    } else if (!parse_slowly(start, (size_t)(end - start), ret)) {
        return json_reader_fail(r);
    }
    r->at = end;
    return true;
}
