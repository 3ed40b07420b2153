/*
 * config_parse.c - values: numbers, durations, sizes, truths. Pure; the only failure is -EINVAL.
 */
#include "broker/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

#define SECOND INT64_C(1000)

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND}, {"d", SECOND * 24 * 3600},
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", INT64_C(1) << 10},
    {"M", INT64_C(1) << 20},
    {"G", INT64_C(1) << 30},
};

/* The number at text's start and where it ends. strtoll alone would take blanks and a '+'. */
static int leading_int(const char *text, int64_t *ret, const char **ret_end)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *end;

    if (digits[0] < '0' || digits[0] > '9') {
        return -EINVAL;
    }
    errno = 0;
    *ret = strtoll(text, &end, 10);
    *ret_end = end;
    return errno != 0 ? -EINVAL : 0;
}

static int with_unit(const char *text, const struct unit *units, size_t unit_count, int64_t *ret)
{
    int64_t number, product;
    const char *unit;

    if (leading_int(text, &number, &unit) != 0 || number < 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(unit, units[i].name) == 0 &&
            !__builtin_mul_overflow(number, units[i].factor, &product)) {
            *ret = product;
            return 0;
        }
    }
    return -EINVAL;
}

int config_parse_int(const char *text, int64_t *ret)
{
    int64_t number;
    const char *end;

    if (leading_int(text, &number, &end) != 0 || *end != '\0') {
        return -EINVAL;
    }
    *ret = number;
    return 0;
}

int config_parse_duration(const char *text, int64_t *ret_ms)
{
    if (strcmp(text, "0") == 0) { /* nothing is nothing in any unit; other numbers need theirs */
        *ret_ms = 0;
        return 0;
    }
    return with_unit(text, duration_units, sizeof duration_units / sizeof duration_units[0],
                     ret_ms);
}

int config_parse_size(const char *text, int64_t *ret_bytes)
{
    return with_unit(text, size_units, sizeof size_units / sizeof size_units[0], ret_bytes);
}

int config_parse_bool(const char *text, bool *ret)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *ret = i % 2 == 1;
            return 0;
        }
    }
    return -EINVAL;
}
