/* The command's pure parts: words and options, suggestions, durations, typed properties, text on a
 * terminal, JSON, and lines of a file. */
#include "client/cli/args.h"
#include "client/cli/bulk.h"
#include "client/cli/json.h"
#include "client/cli/lines.h"
#include "client/cli/property.h"
#include "client/cli/suggest.h"
#include "client/cli/text.h"
#include "client/cli/times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct option global[] = {
    {"json", NULL, ""}, {"help", NULL, ""}, {"socket", "PATH", ""}, {NULL, NULL, NULL}};
static const struct option own[] = {
    {"tag", "TAG", ""}, {"deleted", "[=only]", ""}, {NULL, NULL, NULL}};

static bool parse(struct args *args, const char *const *words, bool first_word_only)
{
    int count = 0;

    while (words[count] != NULL) {
        count++;
    }
    return args_parse(args, count, words, global, own, first_word_only);
}

static void test_options_and_words_may_be_mixed(void **state)
{
    static const char *const words[] = {"one", "--tag", "a",     "--tag=b", "--json",
                                        "-",   "--",    "--tag", "-x",      NULL};
    struct args args;

    (void)state;
    assert_true(parse(&args, words, false));
    assert_int_equal(args.word_count, 4);
    assert_string_equal(args_word(&args, 0), "one");
    assert_string_equal(args_word(&args, 1), "-");
    assert_string_equal(args_word(&args, 2), "--tag");
    assert_string_equal(args_word(&args, 3), "-x");
    assert_null(args_word(&args, 4));
    assert_string_equal(args_nth(&args, "tag", 0), "a");
    assert_string_equal(args_nth(&args, "tag", 1), "b");
    assert_null(args_nth(&args, "tag", 2));
    assert_string_equal(args_value(&args, "tag"), "b");
    assert_true(args_has(&args, "json"));
    assert_false(args_has(&args, "help"));
    args_free(&args);
}

static void test_parsing_can_stop_behind_the_command(void **state)
{
    static const char *const words[] = {"--socket", "put", "get", "--unknown", NULL};
    struct args args;

    (void)state;
    assert_true(parse(&args, words, true));
    assert_string_equal(args_value(&args, "socket"), "put");
    assert_string_equal(args_word(&args, 0), "get");
    assert_int_equal(args.used, 3);
    args_free(&args);
}

static void test_an_optional_value_comes_behind_an_equals_sign_only(void **state)
{
    static const char *const bare[] = {"--deleted", "only", NULL};
    static const char *const valued[] = {"--deleted=only", NULL};
    struct args args;

    (void)state;
    assert_true(parse(&args, bare, false));
    assert_true(args_has(&args, "deleted"));
    assert_null(args_value(&args, "deleted"));
    assert_int_equal(args.word_count, 1);
    args_free(&args);
    assert_true(parse(&args, valued, false));
    assert_string_equal(args_value(&args, "deleted"), "only");
    args_free(&args);
}

static void test_bad_options_are_told_with_what_was_meant(void **state)
{
    static const struct {
        const char *words[3];
        const char *told;
    } cases[] = {{{"--tga", "x"}, "did you mean --tag?"},
                 {{"--zzzzzz"}, "unknown option --zzzzzz"},
                 {{"--tag"}, "--tag needs a value"},
                 {{"--json=yes"}, "--json takes no value"},
                 {{"-5"}, "goes behind --"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct args args;
        assert_false(parse(&args, cases[i].words, false));
        assert_non_null(strstr(args.problem, cases[i].told));
        args_free(&args);
    }
}

static void test_the_nearest_name_is_suggested_and_only_a_near_one(void **state)
{
    static const char *const names[] = {"put", "get", "list", "history", "delete", "status"};
    static const struct {
        const char *typed, *meant;
    } cases[] = {{"lst", "list"}, {"delte", "delete"}, {"hist", "history"}, {"stauts", "status"},
                 {"putt", "put"}, {"qqq", NULL},       {"", NULL},          {"backup", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct suggestion nearest = suggestion_begin(cases[i].typed);
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            suggestion_try(&nearest, names[j]);
        }
        const char *meant = suggestion_end(&nearest);
        if (cases[i].meant == NULL) {
            assert_null(meant);
        } else {
            assert_non_null(meant);
            assert_string_equal(meant, cases[i].meant);
        }
    }
    assert_int_equal(name_distance("kitten", "sitting"), 3);
    assert_int_equal(name_distance("ab", "ba"), 1);
}

static void test_durations_are_read_and_written(void **state)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "1.5s",
                                      "3x",
                                      "99999999999999999999",
                                      "9999d",
                                      "9999999999999999h",
                                      "5124095576030432h"};
    char text[TIME_TEXT_SIZE];
    int64_t ms;

    (void)state;
    assert_true(duration_parse("30", &ms) && ms == 30000);
    assert_true(duration_parse("500ms", &ms) && ms == 500);
    assert_true(duration_parse("2h", &ms) && ms == 7200000);
    assert_true(duration_parse("7d", &ms) && ms == 7ll * 24 * 3600 * 1000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(duration_parse(bad[i], &ms));
    }
    assert_string_equal(duration_text(12, text), "12 ms");
    assert_string_equal(duration_text(3290, text), "3.2 s");
    assert_string_equal(duration_text(300000, text), "5 min");
    assert_string_equal(duration_text(7800000, text), "2 h 10 min");
    assert_string_equal(duration_text(3ll * 86400000 + 4 * 3600000, text), "3 d 4 h");
}

static void test_times_are_utc_for_programs(void **state)
{
    char text[TIME_TEXT_SIZE];

    (void)state;
    assert_string_equal(time_text(1000000000123, false, text), "2001-09-09T01:46:40.123Z");
    assert_string_equal(time_text(0, false, text), "-");
    setenv("TZ", "UTC-3", 1); /* three hours east */
    tzset();
    assert_string_equal(time_text(1000000000123, true, text), "2001-09-09 04:46:40");
    unsetenv("TZ");
    tzset();
}

static void test_a_property_gets_its_type_from_its_form(void **state)
{
    static const struct {
        const char *text;
        enum memferry_node_kind type;
    } cases[] = {{"true", MEMFERRY_NODE_BOOL},
                 {"false", MEMFERRY_NODE_BOOL},
                 {"True", MEMFERRY_NODE_STRING},
                 {"0", MEMFERRY_NODE_INT},
                 {"-12", MEMFERRY_NODE_INT},
                 {"9223372036854775807", MEMFERRY_NODE_INT},
                 {"9223372036854775808", MEMFERRY_NODE_STRING},
                 {"007", MEMFERRY_NODE_STRING},
                 {"1.5", MEMFERRY_NODE_FLOAT},
                 {"-1e3", MEMFERRY_NODE_FLOAT},
                 {"1.", MEMFERRY_NODE_STRING},
                 {"1e999", MEMFERRY_NODE_STRING},
                 {"0x10", MEMFERRY_NODE_STRING},
                 {"nan", MEMFERRY_NODE_STRING},
                 {"+1", MEMFERRY_NODE_STRING},
                 {" 1", MEMFERRY_NODE_STRING},
                 {"-", MEMFERRY_NODE_STRING},
                 {"", MEMFERRY_NODE_STRING}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct memferry_property property = {0};
        property_value(&property, cases[i].text);
        assert_int_equal(property.type, cases[i].type);
    }
}

/* What a printer wrote; the caller frees it. */
static char *printed;
static size_t printed_size;

static const char *line_of(const char *text, size_t columns)
{
    free(printed);
    FILE *out = open_memstream(&printed, &printed_size);
    text_print_line(out, text, columns);
    fclose(out);
    return printed;
}

static const char *wrapped(const char *text, size_t columns)
{
    free(printed);
    FILE *out = open_memstream(&printed, &printed_size);
    text_print_wrapped(out, text, columns);
    fclose(out);
    return printed;
}

static void test_text_is_cut_by_columns_and_not_by_bytes(void **state)
{
    (void)state;
    assert_string_equal(line_of("Tea at four", 20), "Tea at four");
    assert_string_equal(line_of("Tea at four", 11), "Tea at four");
    assert_string_equal(line_of("Tea at four", 6), "Tea a\xe2\x80\xa6");
    assert_string_equal(line_of("t\xc3\xa9 vert", 3), "t\xc3\xa9\xe2\x80\xa6");
    /* two columns each: four fit in five with the sign that it was cut */
    assert_string_equal(line_of("\xe8\x8c\xb6\xe8\x8c\xb6\xe8\x8c\xb6", 5),
                        "\xe8\x8c\xb6\xe8\x8c\xb6\xe2\x80\xa6");
    assert_int_equal(text_width("e\xcc\x81"), 1); /* a combining accent */
    assert_int_equal(text_width("\xf0\x9f\x8d\xb5"), 2);
}

static void test_nothing_in_a_text_acts_on_the_terminal(void **state)
{
    (void)state;
    assert_string_equal(line_of("a\x1b[2Jb\x07", 0), "a\\x1b[2Jb\\x07");
    assert_string_equal(line_of("two\nlines\tand\rmore", 0), "two lines and more");
    assert_string_equal(line_of("\xc2\x9b"
                                "2J",
                                0),
                        "\\u{9b}2J");
    assert_string_equal(line_of("\xe2\x80\xae"
                                "abc",
                                0),
                        "\\u{202e}abc");
    assert_string_equal(line_of("bad \xff byte", 0), "bad \xef\xbf\xbd byte");
    assert_string_equal(line_of("torn \xe2\x82", 0), "torn \xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(wrapped("a\x1b[1m\nb", 80), "a\\x1b[1m\nb\n");
}

static void test_text_is_wrapped_at_spaces(void **state)
{
    (void)state;
    assert_string_equal(wrapped("one two three", 8), "one two\nthree\n");
    assert_string_equal(wrapped("one two three", 7), "one two\nthree\n");
    assert_string_equal(wrapped("abcdefghij", 4), "abcd\nefgh\nij\n");
    assert_string_equal(wrapped("a\n\nb\n", 10), "a\n\nb\n");
    assert_string_equal(wrapped("as it is, however long", 0), "as it is, however long\n");
    free(printed);
    printed = NULL;
}

static void test_json_is_escaped_and_merged(void **state)
{
    static const char *const list[] = {"x", "\x01"};
    struct json json;

    (void)state;
    json_open(&json);
    json_field_text(&json, "t", "a\"b\\c\nd");
    json_field_int(&json, "n", -5);
    json_field_bool(&json, "b", true);
    json_field_raw(&json, "r", NULL);
    json_field_list(&json, "l", list, 2);
    json_append_fields(&json, " { \"z\" : 1 } ");
    json_append_fields(&json, "{ }");
    assert_string_equal(json_close(&json),
                        "{\"t\":\"a\\\"b\\\\c\\u000ad\",\"n\":-5,\"b\":true,\"r\":null,"
                        "\"l\":[\"x\",\"\\u0001\"],\"z\" : 1 }");
    json_free(&json);
}

static void test_lines_are_bounded_and_counted(void **state)
{
    size_t long_size = LINE_MAX_SIZE + 10;
    char *text = malloc(long_size + 64);
    struct line_reader lines;

    (void)state;
    memcpy(text, "one\n\n \t\r\n", 9);
    memset(text + 9, 'a', long_size);
    memcpy(text + 9 + long_size, "\nnul\0here\nlast", 14);
    FILE *stream = fmemopen(text, 9 + long_size + 14, "r");
    lines_init(&lines, stream);
    assert_int_equal(lines_next(&lines), LINE_GOOD);
    assert_string_equal(lines.text, "one");
    assert_int_equal(lines_next(&lines), LINE_TOO_LONG);
    assert_int_equal(lines.number, 4);
    assert_int_equal(lines_next(&lines), LINE_HAS_NUL);
    assert_int_equal(lines_next(&lines), LINE_GOOD);
    assert_string_equal(lines.text, "last");
    assert_int_equal(lines.number, 6);
    assert_int_equal(lines_next(&lines), LINE_END);
    lines_deinit(&lines);
    fclose(stream);
    free(text);
}

static void test_a_line_gets_what_a_repeat_needs_and_keeps_its_own(void **state)
{
    struct memferry_reply *reply;
    struct memferry *m;
    char problem[400];

    (void)state;
    assert_int_equal(memferry_open(&m, NULL), MEMFERRY_OK);
    char *params = bulk_params(m, "{\"content\":\"x\"}", "s1", problem, sizeof problem);
    assert_int_equal(memferry_parse_json(m, params, &reply), MEMFERRY_OK);
    const struct memferry_node *root = memferry_reply_root(reply);
    assert_int_equal(memferry_node_count(root), 4);
    assert_int_equal(strlen(memferry_node_string(memferry_node_get(root, "id"), "")), 36);
    assert_int_equal(strlen(memferry_node_string(memferry_node_get(root, "event_id"), "")), 36);
    assert_string_equal(memferry_node_string(memferry_node_get(root, "session_id"), ""), "s1");
    memferry_reply_free(reply);
    free(params);
    params = bulk_params(m, "{\"id\":\"a\",\"event_id\":\"e\",\"session_id\":\"s\"}", "s1", problem,
                         sizeof problem);
    assert_string_equal(params, "{\"id\":\"a\",\"event_id\":\"e\",\"session_id\":\"s\"}");
    free(params);
    assert_null(bulk_params(m, "[1]", NULL, problem, sizeof problem));
    assert_non_null(strstr(problem, "not a JSON object"));
    assert_null(bulk_params(m, "{\"wait\":\"delivered\"}", NULL, problem, sizeof problem));
    assert_non_null(strstr(problem, "wait"));
    assert_null(bulk_params(m, "{", NULL, problem, sizeof problem));
    memferry_close(m);
}

static void test_a_number_is_digits_within_its_bounds(void **state)
{
    uint64_t number = 77;

    (void)state;
    assert_true(number_parse("1", 1, 9, &number) && number == 1);
    assert_true(number_parse("0", 0, 9, &number) && number == 0);
    assert_true(number_parse("18446744073709551615", 1, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    number = 77;
    static const char *const bad[] = {"", "0", "01", "-1", "+1", " 1", "1 ", "1x", "10", NULL};
    for (size_t i = 0; bad[i] != NULL; i++) {
        assert_false(number_parse(bad[i], 1, 9, &number));
    }
    assert_false(number_parse("18446744073709551616", 1, UINT64_MAX, &number));
    assert_int_equal(number, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_and_words_may_be_mixed),
        cmocka_unit_test(test_a_number_is_digits_within_its_bounds),
        cmocka_unit_test(test_parsing_can_stop_behind_the_command),
        cmocka_unit_test(test_an_optional_value_comes_behind_an_equals_sign_only),
        cmocka_unit_test(test_bad_options_are_told_with_what_was_meant),
        cmocka_unit_test(test_the_nearest_name_is_suggested_and_only_a_near_one),
        cmocka_unit_test(test_durations_are_read_and_written),
        cmocka_unit_test(test_times_are_utc_for_programs),
        cmocka_unit_test(test_a_property_gets_its_type_from_its_form),
        cmocka_unit_test(test_text_is_cut_by_columns_and_not_by_bytes),
        cmocka_unit_test(test_nothing_in_a_text_acts_on_the_terminal),
        cmocka_unit_test(test_text_is_wrapped_at_spaces),
        cmocka_unit_test(test_json_is_escaped_and_merged),
        cmocka_unit_test(test_lines_are_bounded_and_counted),
        cmocka_unit_test(test_a_line_gets_what_a_repeat_needs_and_keeps_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
