/* times.c - times and durations as text. Fails on text that is none. */
#include "client/cli/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX_MS (3650ll * 24 * 3600 * 1000)

bool duration_parse(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000},   {"ms", 1},          {"s", 1000},
                 {"m", 60000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
    char *end;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            if (number > (unsigned long long)(DURATION_MAX_MS / units[i].ms)) {
                return false;
            }
            *ret_ms = (int64_t)number * units[i].ms;
            return true;
        }
    }
    return false;
}

const char *duration_text(int64_t ms, char text[TIME_TEXT_SIZE])
{
    int64_t minutes = ms / 60000, hours = ms / 3600000;

    if (ms < 1000) {
        snprintf(text, TIME_TEXT_SIZE, "%lld ms", (long long)ms);
    } else if (ms < 60000) {
        snprintf(text, TIME_TEXT_SIZE, "%lld.%lld s", (long long)(ms / 1000),
                 (long long)(ms / 100 % 10));
    } else if (minutes < 60) {
        snprintf(text, TIME_TEXT_SIZE, "%lld min", (long long)minutes);
    } else if (hours < 48) {
        snprintf(text, TIME_TEXT_SIZE, "%lld h %lld min", (long long)hours,
                 (long long)(minutes % 60));
    } else {
        snprintf(text, TIME_TEXT_SIZE, "%lld d %lld h", (long long)(hours / 24),
                 (long long)(hours % 24));
    }
    return text;
}

const char *time_text(int64_t ms, bool local, char text[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;

    if (ms <= 0 || (local ? localtime_r(&seconds, &parts) : gmtime_r(&seconds, &parts)) == NULL) {
        snprintf(text, TIME_TEXT_SIZE, "-");
    } else if (local) {
        strftime(text, TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &parts);
    } else {
        size_t size = strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(text + size, TIME_TEXT_SIZE - size, ".%03dZ", (int)(ms % 1000));
    }
    return text;
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t time_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}
