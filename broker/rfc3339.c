/* rfc3339.c - reads a date-time strictly, without the C library's locale or time zone. */
#include "broker/rfc3339.h"

#include <ctype.h>

struct cursor {
    const char *at, *end;
};

static bool digits(struct cursor *cursor, int count, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (cursor->at == cursor->end || !isdigit((unsigned char)*cursor->at)) {
            return false;
        }
        value = value * 10 + (*cursor->at++ - '0');
    }
    *ret = value;
    return true;
}

static bool literal(struct cursor *cursor, const char *allowed, char *ret)
{
    for (const char *c = allowed; *c != '\0'; c++) {
        if (cursor->at < cursor->end && *cursor->at == *c) {
            *ret = *c;
            cursor->at++;
            return true;
        }
    }
    return false;
}

/* Days since 1970-01-01 of a civil date, by counting from March so that the leap day comes last. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static bool date(struct cursor *cursor, int64_t *ret_days)
{
    int year, month, day;
    char c;

    if (!digits(cursor, 4, &year) || !literal(cursor, "-", &c) || !digits(cursor, 2, &month) ||
        !literal(cursor, "-", &c) || !digits(cursor, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        return false;
    }
    *ret_days = days_from_civil(year, month, day);
    return true;
}

static bool fraction(struct cursor *cursor, int64_t *ret_ms)
{
    int64_t unit = 100;
    char c;
    int digit;

    *ret_ms = 0;
    if (!literal(cursor, ".", &c)) {
        return true;
    }
    if (!digits(cursor, 1, &digit)) {
        return false;
    }
    do {
        *ret_ms += digit * unit;
        unit /= 10;
    } while (digits(cursor, 1, &digit));
    return true;
}

static bool time_of_day(struct cursor *cursor, int64_t *ret_ms)
{
    int hour, minute, second;
    int64_t ms;
    char c;

    if (!digits(cursor, 2, &hour) || !literal(cursor, ":", &c) || !digits(cursor, 2, &minute) ||
        !literal(cursor, ":", &c) || !digits(cursor, 2, &second) || !fraction(cursor, &ms)) {
        return false;
    }
    *ret_ms = ((hour * 60LL + minute) * 60 + second) * 1000 + ms;
    return hour < 24 && minute < 60 && second <= 60;
}

static bool offset(struct cursor *cursor, int64_t *ret_ms)
{
    char sign, c;
    int hour, minute;

    *ret_ms = 0;
    if (literal(cursor, "Zz", &c)) {
        return true;
    }
    if (!literal(cursor, "+-", &sign) || !digits(cursor, 2, &hour) || !literal(cursor, ":", &c) ||
        !digits(cursor, 2, &minute) || hour > 23 || minute > 59) {
        return false;
    }
    *ret_ms = (hour * 60LL + minute) * 60000 * (sign == '+' ? 1 : -1);
    return true;
}

bool rfc3339_parse(const char *text, size_t size, int64_t *ret_ms)
{
    struct cursor cursor = {text, text + size};
    int64_t days, day_ms, offset_ms;
    char c;

    if (!date(&cursor, &days) || !literal(&cursor, "Tt ", &c) || !time_of_day(&cursor, &day_ms) ||
        !offset(&cursor, &offset_ms) || cursor.at != cursor.end) {
        return false;
    }
    *ret_ms = days * 86400000 + day_ms - offset_ms;
    return true;
}
