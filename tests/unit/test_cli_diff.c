/* What changed between two texts, as lines that stay, go and come. */
#include "client/cli/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "=a -b +c": a line each. */
static char *diff_text(const char *before, const char *after)
{
    struct diff diff;
    char *text = NULL;
    size_t size;

    assert_int_equal(diff_make(&diff, before, after), 0);
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < diff.count; i++) {
        fprintf(out, "%s%c%.*s", i == 0 ? "" : " ",
                diff.lines[i].kind == DIFF_SAME ? '=' : (char)diff.lines[i].kind,
                (int)diff.lines[i].size, diff.lines[i].text);
    }
    fclose(out);
    diff_free(&diff);
    return text;
}

static void assert_diff(const char *before, const char *after, const char *expected)
{
    char *text = diff_text(before, after);

    assert_string_equal(text, expected);
    free(text);
}

static void test_small_changes(void **state)
{
    (void)state;
    assert_diff("", "", "");
    assert_diff("a", "a", "=a");
    assert_diff("a", "b", "-a +b");
    assert_diff("", "a\nb", "+a +b");
    assert_diff("a\nb", "", "-a -b");
    assert_diff("a\nb\nc", "a\nc", "=a -b =c");
    assert_diff("a\nc", "a\nb\nc", "=a +b =c");
    assert_diff("a\nb\nc\nd", "x\nb\ny\nd", "-a +x =b -c +y =d");
    assert_diff("a\na\na", "a\na", "=a =a -a");
}

static void test_the_end_of_the_last_line_is_no_line(void **state)
{
    (void)state;
    assert_diff("a\n", "a", "=a");
    assert_diff("a\n\nb", "a\nb", "=a - =b");
}

static void test_the_longest_common_lines_stay(void **state)
{
    (void)state;
    assert_diff("a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc", "-a -b =c -a =b +a =b =a +c");
}

/* Applying the lines of a diff gives both texts back, and so it is true whatever it looks like. */
static void test_random_diffs_hold_both_texts(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 500; round++) {
        char texts[2][128] = {"", ""}, rebuilt[2][128] = {"", ""};
        for (int side = 0; side < 2; side++) {
            int lines = rand_r(&seed) % 12;
            for (int i = 0; i < lines; i++) {
                char line[3] = {(char)('a' + rand_r(&seed) % 4), '\n', '\0'};
                strcat(texts[side], line);
            }
        }
        struct diff diff;
        assert_int_equal(diff_make(&diff, texts[0], texts[1]), 0);
        for (size_t i = 0; i < diff.count; i++) {
            char line[8];
            snprintf(line, sizeof line, "%.*s\n", (int)diff.lines[i].size, diff.lines[i].text);
            for (int side = 0; side < 2; side++) {
                if (diff.lines[i].kind != (side == 0 ? DIFF_ADDED : DIFF_REMOVED)) {
                    strcat(rebuilt[side], line);
                }
            }
        }
        assert_string_equal(rebuilt[0], texts[0]);
        assert_string_equal(rebuilt[1], texts[1]);
        diff_free(&diff);
    }
}

static void test_texts_too_long_to_compare_are_told_as_replaced(void **state)
{
    size_t size = 3 * 4000;
    char *a = malloc(size + 1), *b = malloc(size + 1);
    struct diff diff;

    (void)state;
    for (size_t i = 0; i < size; i += 3) {
        memcpy(a + i, i % 2 == 0 ? "x1\n" : "y1\n", 3);
        memcpy(b + i, i % 2 == 0 ? "x2\n" : "y2\n", 3);
    }
    a[size] = b[size] = '\0';
    memcpy(a, "==\n", 3);
    memcpy(b, "==\n", 3);
    assert_int_equal(diff_make(&diff, a, b), 0);
    assert_int_equal(diff.count, 1 + 2 * 3999);
    assert_int_equal(diff.lines[0].kind, DIFF_SAME);
    assert_int_equal(diff.lines[1].kind, DIFF_REMOVED);
    diff_free(&diff);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_changes),
        cmocka_unit_test(test_the_end_of_the_last_line_is_no_line),
        cmocka_unit_test(test_the_longest_common_lines_stay),
        cmocka_unit_test(test_random_diffs_hold_both_texts),
        cmocka_unit_test(test_texts_too_long_to_compare_are_told_as_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
