/* A date-time is read exactly, or refused. */
#include "broker/rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"1969-12-31T23:59:59.5Z", -500},
    {"2000-02-29T12:00:00Z", 951825600000},
    {"2026-01-31T12:00:00+01:00", 1769857200000},
    {"2026-01-31t12:00:00.123456789-00:30", 1769862600123},
    {"2026-01-31 12:00:00z", 1769860800000},
    {"2016-12-31T23:59:60Z", 1483228800000},
};

static const char *const bad[] = {
    "",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:61Z",
    "2026-01-31T12:00:00.Z",
    "2026-01-31T12:00:00+24:00",
    "2026-01-31T12:00:00Zx",
    "26-01-31T12:00:00Z",
    "1769860800000",
};

static void test_good_times_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = 42;
        if (!rfc3339_parse(good[i].text, strlen(good[i].text), &ms) || ms != good[i].ms) {
            fail_msg("%s gave %lld", good[i].text, (long long)ms);
        }
    }
}

static void test_bad_times_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms;
        if (rfc3339_parse(bad[i], strlen(bad[i]), &ms)) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

static void test_nothing_is_read_behind_the_size(void **state)
{
    int64_t ms;

    (void)state;
    for (size_t size = 0; size < strlen(good[4].text); size++) {
        assert_false(rfc3339_parse(good[4].text, size, &ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_times_are_exact),
        cmocka_unit_test(test_bad_times_are_refused),
        cmocka_unit_test(test_nothing_is_read_behind_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
