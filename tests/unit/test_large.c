/* Which memories are known to be large, and which are about to be. */
#include "broker/large.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct event_text text(const char *id)
{
    return (struct event_text){.data = id, .size = strlen(id)};
}

static int setup(void **state)
{
    static struct large large;

    large = (struct large){0};
    *state = &large;
    return 0;
}

static int teardown(void **state)
{
    large_deinit(*state);
    return 0;
}

static void test_one_is_large_until_it_is_told_otherwise(void **state)
{
    struct large *large = *state;
    struct event_text a = text("a"), b = text("b"), longer = text("aa");

    assert_true(large_is_empty(large));
    large_set(large, &a, true);
    large_set(large, &a, true);
    large_set(large, &b, false);
    assert_true(large_has(large, &a));
    assert_false(large_has(large, &b));
    assert_false(large_has(large, &longer));
    large_set(large, &a, false);
    assert_true(large_is_empty(large));
}

static void test_one_that_grows_is_had_until_the_last_has_ended(void **state)
{
    struct large *large = *state;
    struct event_text a = text("a");

    large_begin(large, &a);
    large_begin(large, &a);
    large_set(large, &a, false); /* an event before them was applied */
    large_end(large, &a);
    assert_true(large_has(large, &a));
    large_set(large, &a, true);
    large_end(large, &a);
    assert_true(large_has(large, &a));
    large_set(large, &a, false);
    assert_true(large_is_empty(large));
}

static void test_with_too_many_each_is_had(void **state)
{
    struct large *large = *state;
    struct event_text other = text("other"), first = text("m0");
    char id[16];

    for (unsigned i = 0; i < LARGE_MAX; i++) {
        snprintf(id, sizeof id, "m%u", i);
        struct event_text it = text(id);
        large_set(large, &it, true);
    }
    assert_false(large_has(large, &other));
    large_begin(large, &other);
    assert_true(large_has(large, &other));
    large_end(large, &other);
    large_set(large, &first, false);
    assert_true(large_has(large, &first)); /* who was left out is not known any more */
    assert_int_equal(large->count, LARGE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_is_large_until_it_is_told_otherwise, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_one_that_grows_is_had_until_the_last_has_ended, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_with_too_many_each_is_had, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
