/* Servers' JSON is read exactly, and what is none is refused, wherever it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/json_reader.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_reader reader_of(const char *text)
{
    struct json_reader r;

    json_reader_init(&r, text, strlen(text));
    return r;
}

/* Whether all of it is one value; in memory of its own, so that a sanitizer sees a byte too many
 * being read. */
static bool is_whole(const char *text, size_t size)
{
    char *copy = malloc(size + (size == 0));
    struct json_reader r;

    memcpy(copy, text, size);
    json_reader_init(&r, copy, size);
    json_skip(&r);
    bool whole = json_reader_end(&r);
    free(copy);
    return whole;
}

static void test_what_is_asked_for_is_found_and_the_rest_passed_over(void **state)
{
    static const char text[] = " {\"model\":\"m\\\"\",\n\"sizes\":[ [1,-2.5e1],[] , [0.125]],"
                               "\"x\":{\"deep\":[true,{\"a\":null}]},\"last\":\"\\u00e4\\n\"} ";
    struct json_reader r = reader_of(text);
    struct json_key key;
    double numbers[4], sum = 0;
    size_t count = 0, lists = 0;
    char word[16] = "";

    (void)state;
    assert_true(json_enter_object(&r));
    while (json_next_key(&r, &key)) {
        if (json_key_is(&key, "sizes")) {
            assert_true(json_enter_array(&r));
            while (json_next_item(&r)) {
                lists++;
                assert_true(json_enter_array(&r));
                while (json_next_item(&r)) {
                    assert_true(json_read_number(&r, &numbers[count]));
                    sum += numbers[count++];
                }
            }
        } else if (json_key_is(&key, "last")) {
            assert_int_equal(json_peek(&r), JSON_KIND_STRING);
            assert_true(json_read_string(&r, word, sizeof word));
        } else {
            assert_true(json_skip(&r));
        }
    }
    assert_true(json_reader_end(&r));
    assert_int_equal(lists, 3);
    assert_int_equal(count, 3);
    assert_true(sum == 1 - 25 + 0.125);
    assert_string_equal(word, "\xc3\xa4\n");
}

static void assert_number(const char *text)
{
    struct json_reader r = reader_of(text);
    double got = 0, expected = strtod(text, NULL);

    if (!json_read_number(&r, &got) || !json_reader_end(&r) ||
        memcmp(&got, &expected, sizeof got) != 0) {
        fail_msg("%s: %.17g, expected %.17g", text, got, expected);
    }
}

static void test_numbers_are_the_nearest_doubles(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "1",
        "-1",
        "0.029944748",
        "9007199254740993",
        "9007199254740992",
        "123456789012345678901234567890",
        "1e22",
        "1e23",
        "1E+5",
        "1e-22",
        "5e-324",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1e-1",
        "0.000000000000000000000000000001",
        "8.41470985e-01",
        "3.4028235e+38",
        "1e99999999999999999999",
        "0.30000000000000004441",
    };
    uint64_t seed = 1;
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_number(texts[i]);
    }
    for (int i = 0; i < 100000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double value = ldexp((double)(int64_t)seed, -(int)(seed >> 7 & 63) - 20);
        snprintf(text, sizeof text, "%.*g", 6 + (int)(seed >> 20 & 15), value);
        assert_number(text);
        snprintf(text, sizeof text, "%.*f", (int)(seed >> 20 & 15), value);
        assert_number(text);
    }
}

static void test_what_is_no_number_is_refused(void **state)
{
    static const char *const texts[] = {"",    "-",     "+1",   "01",  "1.",       ".5",    "1e",
                                        "1e+", "--1",   "1.e1", "NaN", "Infinity", "0x10",  "1 2",
                                        "-.5", "1e1.5", "00",   "- 1", "1,",       "\"1\"", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json_reader r = reader_of(texts[i]);
        double number;
        if (json_read_number(&r, &number) && json_reader_end(&r)) {
            fail_msg("%s was taken for a number", texts[i]);
        }
    }
}

static void test_strings_are_unescaped_and_cut_to_their_buffer(void **state)
{
    char buffer[8];
    struct json_reader r = reader_of("\"a\\\\b\\/\\\"c\\u0041\"");

    (void)state;
    assert_true(json_read_string(&r, buffer, sizeof buffer));
    assert_string_equal(buffer, "a\\b/\"cA");
    r = reader_of("[\"0123456789\",\"\\ud83d\\ude00\",\"\"]");
    json_enter_array(&r);
    assert_true(json_next_item(&r) && json_read_string(&r, buffer, sizeof buffer));
    assert_string_equal(buffer, "0123456");
    assert_true(json_next_item(&r) && json_read_string(&r, buffer, sizeof buffer));
    assert_string_equal(buffer, "??");
    assert_true(json_next_item(&r) && json_read_string(&r, buffer, sizeof buffer));
    assert_string_equal(buffer, "");
    assert_true(!json_next_item(&r) && json_reader_end(&r));
}

static void test_bad_strings_are_refused(void **state)
{
    static const char *const texts[] = {"\"",      "\"a",       "\"\\",        "\"\\\"", "\"a\nb\"",
                                        "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "a",      "1"};
    char buffer[8];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json_reader r = reader_of(texts[i]);
        assert_false(json_read_string(&r, buffer, sizeof buffer));
        assert_false(json_reader_end(&r));
    }
}

static const char *const documents[] = {
    "{}",
    "[]",
    "null",
    "true",
    "0",
    "\"\"",
    "{\"a\":[1,2,{\"b\":[]}],\"c\":\"\\u00ff\"}",
    "{\"embeddings\":[[1.5,-2],[0.25,3e-5]],\"total_duration\":53}",
    " [ 1 , 2 ] ",
    "[[[[[]]]]]",
    "{\"a\":{},\"a\":{\"b\":{}}}",
};

static void test_a_document_is_whole_only_with_its_last_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        const char *text = documents[i];
        size_t size = strlen(text);
        assert_true(is_whole(text, size));
        while (size > 0 && text[size - 1] == ' ') {
            size--;
        }
        for (size_t cut = 0; cut < size; cut++) {
            if (is_whole(text, cut)) {
                fail_msg("%.*s was taken for a whole document", (int)cut, text);
            }
        }
    }
}

static void test_what_jansson_refuses_is_refused(void **state)
{
    static const char bytes[] = "{}[],:\"\\0-.e1tn \x01u";
    char text[128];
    uint64_t seed = 7;
    size_t refused = 0, taken = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const char *from = documents[(seed >> 33) % (sizeof documents / sizeof documents[0])];
        size_t size = strlen(from);
        memcpy(text, from, size + 1);
        text[(seed >> 40) % size] = bytes[(seed >> 50) % (sizeof bytes - 1)];
        json_t *tree = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (tree == NULL && is_whole(text, size) && strchr(text, '\\') == NULL) {
            fail_msg("%s was taken", text);
        }
        if (tree != NULL && !is_whole(text, size)) {
            fail_msg("%s was refused", text);
        }
        refused += tree == NULL;
        taken += tree != NULL;
        json_decref(tree);
    }
    assert_true(refused > 1000 && taken > 1000);
}

static void test_nesting_ends_at_its_limit(void **state)
{
    char text[2 * JSON_READER_DEPTH_MAX + 3];
    size_t depth = JSON_READER_DEPTH_MAX;

    (void)state;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_true(is_whole(text, 2 * depth));
    memset(text, '[', depth + 1);
    memset(text + depth + 1, ']', depth + 1);
    assert_false(is_whole(text, 2 * depth + 2));
}

static void test_failure_ends_every_loop(void **state)
{
    struct json_reader r = reader_of("[1,2,\"three\",4]");
    double number;
    int count = 0;

    (void)state;
    json_enter_array(&r);
    while (json_next_item(&r) && json_read_number(&r, &number)) {
        count++;
    }
    assert_int_equal(count, 2);
    assert_false(json_next_item(&r) || json_enter_array(&r) || json_skip(&r));
    assert_false(json_reader_end(&r));
    json_reader_init(&r, NULL, 0);
    assert_false(json_enter_object(&r) || json_reader_end(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked_for_is_found_and_the_rest_passed_over),
        cmocka_unit_test(test_numbers_are_the_nearest_doubles),
        cmocka_unit_test(test_what_is_no_number_is_refused),
        cmocka_unit_test(test_strings_are_unescaped_and_cut_to_their_buffer),
        cmocka_unit_test(test_bad_strings_are_refused),
        cmocka_unit_test(test_a_document_is_whole_only_with_its_last_byte),
        cmocka_unit_test(test_what_jansson_refuses_is_refused),
        cmocka_unit_test(test_nesting_ends_at_its_limit),
        cmocka_unit_test(test_failure_ends_every_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
