/*
 * json_number.c - floats and doubles as decimal text that reads back exactly.
 *
 * An embedding is 768 floats, and printf costs more than sending them. A float has 24 bits, so its
 * product with a power of ten fits a double with bits to spare: nine digits of that product always
 * lie nearer to the float than half the way to its neighbour. Seven and eight digits are tried
 * first, each checked by the same exact division that a reader makes. Numbers outside
 * 1e-12 … 1e15 are rare and go by printf.
 */
#include "plugins/common/json_writer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLOAT_DIGITS_MIN = 7,
    FLOAT_DIGITS_MAX = 9, /* enough for any float */
    DOUBLE_DIGITS_MIN = 15,
    DOUBLE_DIGITS_MAX = 17, /* enough for any double */
    POWER_MAX = 22,         /* the largest power of ten that is exact in a double */
};

static const double powers[POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* printf, with the decimal point of JSON whatever the locale. */
static size_t print_general(char *buffer, double value, int digits)
{
    int size = snprintf(buffer, JSON_NUMBER_SIZE, "%.*g", digits, value);

    assert(size > 0 && size < JSON_NUMBER_SIZE);
    char *comma = memchr(buffer, ',', (size_t)size);
    if (comma != NULL) {
        *comma = '.';
    }
    return (size_t)size;
}

/* A number that reads as an integer gets a fraction. */
static size_t mark_as_float(char *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (buffer[i] == '.' || buffer[i] == 'e') {
            return size;
        }
    }
    buffer[size] = '.';
    buffer[size + 1] = '0';
    return size + 2;
}

size_t json_format_double(char buffer[JSON_NUMBER_SIZE], double value)
{
    assert(isfinite(value));
    for (int digits = DOUBLE_DIGITS_MIN; digits < DOUBLE_DIGITS_MAX; digits++) {
        snprintf(buffer, JSON_NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value) {
            return mark_as_float(buffer, print_general(buffer, value, digits));
        }
    }
    return mark_as_float(buffer, print_general(buffer, value, DOUBLE_DIGITS_MAX));
}

/* value × 10^power, power within ±POWER_MAX: one rounding. */
static double scale(double value, int power)
{
    return power >= 0 ? value * powers[power] : value / powers[-power];
}

/* The decimal exponent e with 10^e ≤ value < 10^(e+1); value within 1e-12 … 1e15. */
static int decimal_exponent(double value)
{
    int e = 0;

    if (value < 1) {
        do {
            e--;
        } while (value * powers[-e] < 1);
        return e;
    }
    while (value >= powers[e + 1]) {
        e++;
    }
    return e;
}

/* Digits of a number, most significant first, as an integer of `count` digits. */
struct digits {
    uint32_t number;
    int count;
    int exponent; /* decimal, of the first digit */
};

static struct digits shortest_digits(float value)
{
    struct digits d = {.exponent = decimal_exponent((double)value)};

    for (d.count = FLOAT_DIGITS_MIN;; d.count++) {
        int power = d.count - 1 - d.exponent;
        double number = floor(scale((double)value, power) + 0.5);
        d.number = (uint32_t)number;
        if (d.count == FLOAT_DIGITS_MAX || (float)scale(number, -power) == value) {
            break;
        }
    }
    if (d.number == (uint32_t)powers[d.count]) { /* 0.99999999 rounded up to one digit more */
        d.number /= 10;
        d.exponent++;
    }
    while (d.number % 10 == 0) {
        d.number /= 10;
        d.count--;
    }
    return d;
}

static void spell_digits(char *out, struct digits d)
{
    for (int i = d.count - 1; i >= 0; i--) {
        out[i] = (char)('0' + d.number % 10);
        d.number /= 10;
    }
}

static size_t write_fraction(char *out, struct digits d)
{
    int zeros = -d.exponent - 1;

    out[0] = '0';
    out[1] = '.';
    memset(out + 2, '0', (size_t)zeros);
    spell_digits(out + 2 + zeros, d);
    return 2 + (size_t)zeros + (size_t)d.count;
}

static size_t write_with_point(char *out, struct digits d)
{
    int whole = d.exponent + 1;

    spell_digits(out, d);
    if (d.count <= whole) {
        memset(out + d.count, '0', (size_t)(whole - d.count));
        out[whole] = '.';
        out[whole + 1] = '0';
        return (size_t)whole + 2;
    }
    memmove(out + whole + 1, out + whole, (size_t)(d.count - whole));
    out[whole] = '.';
    return (size_t)d.count + 1;
}

size_t json_format_float(char buffer[JSON_NUMBER_SIZE], float value)
{
    float size = fabsf(value);
    size_t sign = signbit(value) ? 1 : 0;

    assert(isfinite(value));
    if (size == 0) {
        buffer[0] = '-';
        buffer[sign] = buffer[sign + 2] = '0';
        buffer[sign + 1] = '.';
        return 3 + sign;
    }
    if (size < 1e-12f || size >= 1e15f) {
        return mark_as_float(buffer, print_general(buffer, (double)value, FLOAT_DIGITS_MAX));
    }
    struct digits d = shortest_digits(size);
    buffer[0] = '-';
    return sign +
           (d.exponent < 0 ? write_fraction(buffer + sign, d) : write_with_point(buffer + sign, d));
}
