#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/json_writer.h"

#include <errno.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void assert_written(struct json_writer *w, const char *expected)
{
    size_t size;
    const char *text = json_writer_text(w, &size);

    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
}

static void test_commas_stand_between_items_only(void **state)
{
    struct json_writer w;

    (void)state;
    json_writer_init(&w, 1000);
    json_begin_object(&w);
    json_write_key(&w, "a");
    json_begin_array(&w);
    json_write_int(&w, 1);
    json_write_bool(&w, false);
    json_write_null(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_end_array(&w);
    json_write_key(&w, "b");
    json_begin_object(&w);
    json_end_object(&w);
    json_write_key(&w, "c");
    json_write_raw(&w, "{\"x\":1}", 7);
    json_end_object(&w);
    assert_written(&w, "{\"a\":[1,false,null,[]],\"b\":{},\"c\":{\"x\":1}}");
    json_writer_deinit(&w);
}

static void test_integers_are_whole_at_their_ends(void **state)
{
    struct json_writer w;

    (void)state;
    json_writer_init(&w, 1000);
    json_begin_array(&w);
    json_write_int(&w, INT64_MIN);
    json_write_int(&w, INT64_MAX);
    json_write_int(&w, 0);
    json_write_uint(&w, UINT64_MAX);
    json_end_array(&w);
    assert_written(&w, "[-9223372036854775808,9223372036854775807,0,18446744073709551615]");
    json_writer_deinit(&w);
}

static void test_strings_are_escaped_and_read_back(void **state)
{
    struct json_writer w;
    char all[256 + 16];
    size_t size, n = 0;

    (void)state;
    for (int i = 1; i < 128; i++) {
        all[n++] = (char)i;
    }
    memcpy(all + n, "\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80", 10);
    json_writer_init(&w, 4000);
    json_begin_array(&w);
    json_write_text(&w, all);
    json_end_array(&w);
    json_t *read = json_loads(json_writer_text(&w, &size), 0, NULL);
    assert_non_null(read);
    assert_string_equal(json_string_value(json_array_get(read, 0)), all);
    json_decref(read);
    json_writer_deinit(&w);
}

static void test_base64_pads_as_the_rfc_has_it(void **state)
{
    struct json_writer w;

    (void)state;
    json_writer_init(&w, 1000);
    json_begin_array(&w);
    json_write_base64(&w, "", 0);
    json_write_base64(&w, "f", 1);
    json_write_base64(&w, "fo", 2);
    json_write_base64(&w, "foo", 3);
    json_write_base64(&w, "foobar", 6);
    json_write_base64(&w, "\xff\xfe\xfd", 3);
    json_end_array(&w);
    assert_written(&w, "[\"\",\"Zg==\",\"Zm8=\",\"Zm9v\",\"Zm9vYmFy\",\"//79\"]");
    json_writer_deinit(&w);
}

static void assert_float(float value, const char *expected)
{
    char text[JSON_NUMBER_SIZE + 1];

    text[json_format_float(text, value)] = '\0';
    assert_string_equal(text, expected);
}

static void assert_double(double value, const char *expected)
{
    char text[JSON_NUMBER_SIZE + 1];

    text[json_format_double(text, value)] = '\0';
    assert_string_equal(text, expected);
}

static void test_floats_are_short_and_stay_floats(void **state)
{
    (void)state;
    assert_float(0.0f, "0.0");
    assert_float(-0.0f, "-0.0");
    assert_float(1.0f, "1.0");
    assert_float(-0.1f, "-0.1");
    assert_float(100.0f, "100.0");
    assert_float(1234.5f, "1234.5");
    assert_float(0.03125f, "0.03125");
    assert_float(16777216.0f, "16777216.0");
    assert_float(nextafterf(1.0f, 0.0f), "0.99999994");
    assert_float(nextafterf(1.0f, 2.0f), "1.0000001");
    assert_double(1.0, "1.0");
    assert_double(0.1, "0.1");
    assert_double(-0.0, "-0.0");
    assert_double(0.1 + 0.2, "0.30000000000000004");
    assert_double(1e300, "1e+300");
    assert_double(123456789012345680.0, "1.2345678901234568e+17");
}

static void assert_float_reads_back(float value)
{
    char text[JSON_NUMBER_SIZE + 1];
    size_t size = json_format_float(text, value);

    assert_in_range(size, 1, JSON_NUMBER_SIZE);
    text[size] = '\0';
    float direct = strtof(text, NULL);
    float by_double = (float)strtod(text, NULL);
    if (memcmp(&direct, &value, sizeof value) != 0 ||
        memcmp(&by_double, &value, sizeof value) != 0) {
        fail_msg("%a was written %s", (double)value, text);
    }
}

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_every_kind_of_float_reads_back_the_same(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < UINT32_MAX; bits += 20011) { /* all exponents, both signs */
        if (isfinite(float_of_bits((uint32_t)bits))) {
            assert_float_reads_back(float_of_bits((uint32_t)bits));
        }
    }
    for (int e = -45; e <= 38; e++) { /* around each power of ten */
        float power = strtof((char[]){'1', 'e', e < 0 ? '-' : '+', (char)('0' + abs(e) / 10),
                                      (char)('0' + abs(e) % 10), 0},
                             NULL);
        assert_float_reads_back(power);
        assert_float_reads_back(nextafterf(power, 0));
        assert_float_reads_back(nextafterf(power, 2 * power));
    }
    assert_float_reads_back(FLT_MAX);
    assert_float_reads_back(FLT_TRUE_MIN);
}

static void test_every_kind_of_double_reads_back_the_same(void **state)
{
    uint64_t bits = 88172645463325252u;
    char text[JSON_NUMBER_SIZE + 1];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        double value;
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            text[json_format_double(text, value)] = '\0';
            assert_true(strtod(text, NULL) == value);
        }
    }
}

static void test_a_float_array_equals_its_floats_one_by_one(void **state)
{
    static const float values[] = {0.5f, -1.25f, 3e-20f};
    struct json_writer w;

    (void)state;
    json_writer_init(&w, 1000);
    json_begin_array(&w);
    json_write_float_array(&w, values, 3);
    json_write_float_array(&w, values, 0);
    json_end_array(&w);
    assert_written(&w, "[[0.5,-1.25,2.9999999e-20],[]]");
    json_writer_deinit(&w);
}

static void test_the_limit_holds_and_the_failure_stays_until_reset(void **state)
{
    struct json_writer w;
    size_t size;

    (void)state;
    json_writer_init(&w, 10);
    json_write_text(&w, "12345678"); /* 10 with its quotes */
    assert_int_equal(json_writer_status(&w), 0);
    json_writer_reset(&w);
    json_write_text(&w, "123456789");
    assert_int_equal(json_writer_status(&w), -EMSGSIZE);
    assert_null(json_writer_text(&w, &size));
    json_writer_reset(&w);
    json_write_int(&w, 7);
    assert_written(&w, "7");
    json_writer_deinit(&w);
}

static void test_a_large_text_grows_the_buffer(void **state)
{
    struct json_writer w;
    size_t size;
    char *large = malloc(1 << 20);

    (void)state;
    assert_non_null(large);
    memset(large, 'a', 1 << 20);
    json_writer_init(&w, 2u << 20);
    json_write_string(&w, large, 1 << 20);
    assert_non_null(json_writer_text(&w, &size));
    assert_int_equal(size, (1 << 20) + 2);
    json_writer_deinit(&w);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas_stand_between_items_only),
        cmocka_unit_test(test_integers_are_whole_at_their_ends),
        cmocka_unit_test(test_strings_are_escaped_and_read_back),
        cmocka_unit_test(test_base64_pads_as_the_rfc_has_it),
        cmocka_unit_test(test_floats_are_short_and_stay_floats),
        cmocka_unit_test(test_every_kind_of_float_reads_back_the_same),
        cmocka_unit_test(test_every_kind_of_double_reads_back_the_same),
        cmocka_unit_test(test_a_float_array_equals_its_floats_one_by_one),
        cmocka_unit_test(test_the_limit_holds_and_the_failure_stays_until_reset),
        cmocka_unit_test(test_a_large_text_grows_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
