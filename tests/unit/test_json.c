/* JSON text is taken strictly and exactly, and written so that it reads back as the same. */
#include "client/wire/rpc.h"
#include "tests/unit/wire_bytes.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct rpc_failure failure;

static int parse(msgpack_zone *zone, const char *text, size_t size, msgpack_object *ret_object)
{
    return json_to_msgpack(text, size, zone, ret_object, &failure);
}

static void assert_writes(const msgpack_object *object, const char *expected)
{
    msgpack_sbuffer out;

    msgpack_sbuffer_init(&out);
    assert_int_equal(json_from_msgpack(&out, object), 0);
    msgpack_sbuffer_write(&out, "", 1);
    assert_string_equal(out.data, expected);
    msgpack_sbuffer_destroy(&out);
}

static void test_what_is_json_is_taken(void **state)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"null", "null"},
        {" true\n", "true"},
        {"\tfalse\r", "false"},
        {"0", "0"},
        {"-0", "0"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"0.0", "0.0"},
        {"-0.0", "-0.0"},
        {"1e0", "1.0"},
        {"1E+2", "100.0"},
        {"0.1", "0.1"},
        {"1e23", "1e+23"},
        {"5e-324", "4.94065645841247e-324"},
        {"1e-999", "0.0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"\"\"", "\"\""},
        {"\"a\\/b\"", "\"a/b\""},
        {"\"\\b\\f\\n\\r\\t\\\"\\\\\"", "\"\\b\\f\\n\\r\\t\\\"\\\\\""},
        {"\"\\u0001\\u001F\"", "\"\\u0001\\u001f\""},
        {"\"\\u00e9\\u20ac\\ud83d\\ude00\\uFFFF\"",
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\""},
        {"\"\x7f\"", "\"\x7f\""},
        {"[]", "[]"},
        {"[ ]", "[]"},
        {"[1,[2,[3]],{}]", "[1,[2,[3]],{}]"},
        {"{ }", "{}"},
        {"{\"a\" : 1 , \"b\" : {\"c\":[null]}}", "{\"a\":1,\"b\":{\"c\":[null]}}"},
        {"{\"\":0}", "{\"\":0}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        msgpack_object object;
        if (parse(*state, cases[i].text, strlen(cases[i].text), &object) != 0) {
            fail_msg("%s: %s", cases[i].text, failure.text);
        }
        assert_writes(&object, cases[i].written);
    }
}

static void test_what_is_not_json_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "+1",
        "-",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1 2",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "18446744073709551616",
        "-9223372036854775809",
        "99999999999999999999999999",
        "'a'",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u 123\"",
        "\"\n\"",
        "\"\t\"",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\"",
        "\"\\u0000\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\xef\xbb\xbf[]",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\ud800\":1}",
        "// x\n1",
        "[1]//",
        "1,",
        "{}{}",
        "\\",
        "\"a\"b",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        msgpack_object object;
        if (parse(*state, cases[i], strlen(cases[i]), &object) != -EBADMSG) {
            fail_msg("taken: %s", cases[i]);
        }
        assert_non_null(strstr(failure.text, "(byte "));
    }
    msgpack_object object;
    assert_int_equal(parse(*state, "1\0", 2, &object), -EBADMSG);
    assert_int_equal(parse(*state, "\"\0\"", 3, &object), -EBADMSG);
}

static void test_the_place_of_an_error_is_told(void **state)
{
    msgpack_object object;

    assert_int_equal(parse(*state, "{\"a\": [1, x]}", 13, &object), -EBADMSG);
    assert_string_equal(failure.text, "not JSON: a value was expected here (byte 11)");
    assert_int_equal(parse(*state, "[1, 1e999, x", 12, &object), -EBADMSG);
    assert_string_equal(failure.text, "not JSON: a value was expected here (byte 12)");
    assert_int_equal(parse(*state, "[1, 1e999, -1e999]", 18, &object), -EBADMSG);
    assert_string_equal(failure.text, "the number does not fit a double (byte 5)");
}

static void test_every_cut_of_a_document_is_refused(void **state)
{
    static const char text[] = "{\"a\":[1.5e3,\"\\ud83d\\ude00\\n\",{\"b\":null,\"c\":true}]}";
    msgpack_object object;

    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        char *copy = malloc(cut > 0 ? cut : 1); /* so that a sanitizer sees one byte too far */
        memcpy(copy, text, cut);
        assert_int_equal(parse(*state, copy, cut, &object), -EBADMSG);
        free(copy);
    }
    assert_int_equal(parse(*state, text, sizeof text - 1, &object), 0);
}

static void test_the_tree_outlives_its_text(void **state)
{
    char text[] = "{\"key\":\"value\"}";
    msgpack_object object;

    assert_int_equal(parse(*state, text, sizeof text - 1, &object), 0);
    memset(text, 'x', sizeof text);
    assert_writes(&object, "{\"key\":\"value\"}");
}

static void test_floats_read_back_as_they_were(void **state)
{
    static const double values[] = {
        0.1,  1.0 / 3, 123456789.125,      1e15,   1e16,
        1e21, 2.5e-8,  9007199254740993.0, 5e-324, 1.7976931348623157e308,
        -0.0};
    uint32_t seed = 521288629u;

    for (int i = 0; i < 5000; i++) {
        msgpack_object object = {.type = MSGPACK_OBJECT_FLOAT64}, back;
        uint64_t bits = (uint64_t)noise(&seed) << 32 | noise(&seed);
        msgpack_sbuffer out;
        memcpy(&object.via.f64, &bits, sizeof bits);
        if (i < (int)(sizeof values / sizeof *values)) {
            object.via.f64 = values[i];
        } else if (!isfinite(object.via.f64)) {
            continue;
        }
        msgpack_sbuffer_init(&out);
        assert_int_equal(json_from_msgpack(&out, &object), 0);
        assert_int_equal(parse(*state, out.data, out.size, &back), 0);
        assert_int_equal(back.type, MSGPACK_OBJECT_FLOAT64);
        assert_memory_equal(&back.via.f64, &object.via.f64, sizeof(double));
        msgpack_sbuffer_destroy(&out);
    }
}

static void test_short_floats_are_written_short(void **state)
{
    msgpack_object object = {.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = (double)0.1f};

    (void)state;
    assert_writes(&object, "0.1");
    object.via.f64 = (double)3.0f;
    assert_writes(&object, "3.0");
    object.via.f64 = (double)16777217.0f;
    assert_writes(&object, "16777216.0");
    object.via.f64 = (double)1.17549435e-38f;
    assert_writes(&object, "1.1754944e-38");
    object.type = MSGPACK_OBJECT_FLOAT64;
    object.via.f64 = (double)0.1f;
    assert_writes(&object, "0.10000000149011612");
}

static void test_what_json_cannot_say_is_not_written(void **state)
{
    msgpack_object nan_value = {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = NAN};
    msgpack_object infinite = {.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = INFINITY};
    msgpack_object ext = {.type = MSGPACK_OBJECT_EXT};
    msgpack_object_kv pair = {{.type = MSGPACK_OBJECT_NIL}, {.type = MSGPACK_OBJECT_NIL}};
    msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, &ext}};
    const msgpack_object *const cases[] = {&nan_value, &infinite, &ext, &map, &list};
    msgpack_sbuffer out;

    (void)state;
    msgpack_sbuffer_init(&out);
    msgpack_sbuffer_write(&out, "kept", 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(json_from_msgpack(&out, cases[i]), -EBADMSG);
        assert_int_equal(out.size, 4);
    }
    msgpack_sbuffer_destroy(&out);
}

static void test_text_that_is_not_utf8_is_written_as_such(void **state)
{
    static const char text[] = "a\xff\xe2\x82"
                               "b\n\0c\xf0\x9f\x98";
    msgpack_object object = {.type = MSGPACK_OBJECT_STR, .via.str = {sizeof text - 1, text}};

    (void)state;
    assert_writes(&object, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                           "b\\n\\u0000c"
                           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void test_base64_as_in_the_rfc(void **state)
{
    static const struct {
        const char *data, *text;
    } cases[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[16], data[16];
        size_t size = strlen(cases[i].data);
        assert_int_equal(base64_encode(cases[i].data, size, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_int_equal(base64_decode(text, strlen(text), data), size);
        assert_memory_equal(data, cases[i].data, size);
    }
}

static void test_base64_takes_one_text_for_each_value(void **state)
{
    static const char *const cases[] = {"Z",    "Zg",   "Zg=",      "Zh==", "Zm9=",
                                        "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n",
                                        "Zm-_", "=m9v", "Z=9v",     "Zg=v"};
    char data[16];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(base64_decode(cases[i], strlen(cases[i]), data), -EBADMSG);
    }
}

static void test_large_binaries_are_written_whole(void **state)
{
    uint8_t bytes[2000], back[2000];
    msgpack_object object = {.type = MSGPACK_OBJECT_BIN,
                             .via.bin = {sizeof bytes, (const char *)bytes}};
    msgpack_sbuffer out;
    uint32_t seed = 17;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)noise(&seed);
    }
    msgpack_sbuffer_init(&out);
    assert_int_equal(json_from_msgpack(&out, &object), 0);
    assert_int_equal(out.size, (sizeof bytes + 2) / 3 * 4 + 2);
    assert_int_equal(base64_decode(out.data + 1, out.size - 2, back), sizeof bytes);
    assert_memory_equal(back, bytes, sizeof bytes);
    msgpack_sbuffer_destroy(&out);
}

#define with_zone(test) cmocka_unit_test_setup_teardown(test, zone_setup, zone_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_zone(test_what_is_json_is_taken),
        with_zone(test_what_is_not_json_is_refused),
        with_zone(test_the_place_of_an_error_is_told),
        with_zone(test_every_cut_of_a_document_is_refused),
        with_zone(test_the_tree_outlives_its_text),
        with_zone(test_floats_read_back_as_they_were),
        with_zone(test_short_floats_are_written_short),
        with_zone(test_what_json_cannot_say_is_not_written),
        with_zone(test_text_that_is_not_utf8_is_written_as_such),
        with_zone(test_base64_as_in_the_rfc),
        with_zone(test_base64_takes_one_text_for_each_value),
        with_zone(test_large_binaries_are_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
