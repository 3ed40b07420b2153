/* A struct error holds what happened, whole characters only, and gives back the code it was given.
 */
#include "broker/util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set_returns_the_code_and_keeps_the_text(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(error_set(&err, 7, "no room for %s", "tea"), 7);
    assert_int_equal(err.code, 7);
    assert_string_equal(err.text, "no room for tea");
    assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void test_errno_is_told_in_words(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(error_set_errno(&err, -ENOSPC, "cannot write x"), -ENOSPC);
    assert_string_equal(err.text, "cannot write x: No space left on device");
}

static void test_a_long_text_is_cut_at_a_whole_character(void **state)
{
    struct error err;
    char text[600];

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 3) {
            memcpy(text + i, "\xe2\x82\xac\0", 4);
        }
        error_set(&err, -1, "%s", text);
        size_t size = strlen(err.text);
        assert_true(size >= sizeof err.text - 4);
        assert_int_equal((size - shift) % 3, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_returns_the_code_and_keeps_the_text),
        cmocka_unit_test(test_errno_is_told_in_words),
        cmocka_unit_test(test_a_long_text_is_cut_at_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
