/* Frames are found whatever the pieces they come in, and what lies about its size is refused at
 * its header. */
#include "client/wire/scan.h"
#include "client/wire/utf8.h"
#include "tests/unit/wire_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static enum scan_status scan_whole(const uint8_t *bytes, size_t size, size_t *ret_size)
{
    struct msgpack_scan scan = {0};

    return msgpack_scan(&scan, bytes, size, ret_size);
}

/* Every prefix wants more, at once and byte by byte; then it is complete, and the scan is clean. */
static void check_every_cut(const uint8_t *bytes, size_t size)
{
    struct msgpack_scan dripping = {0};
    static const struct msgpack_scan clean = {0};
    size_t frame = 0;

    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* so that a sanitizer sees one byte too far */
        memcpy(copy, bytes, cut);
        copy = realloc(copy, cut > 0 ? cut : 1);
        assert_int_equal(scan_whole(copy, cut, &frame), SCAN_MORE);
        assert_int_equal(msgpack_scan(&dripping, copy, cut, &frame), SCAN_MORE);
        free(copy);
    }
    assert_int_equal(msgpack_scan(&dripping, bytes, size, &frame), SCAN_COMPLETE);
    assert_int_equal(frame, size);
    assert_memory_equal(&dripping, &clean, sizeof clean);
}

static void test_every_form_is_one_frame_however_it_is_cut(void **state)
{
    static const char *const frames[] = {
        "00",
        "7f",
        "ff",
        "c0",
        "c2",
        "c3",
        "cc ff",
        "cd 01 00",
        "ce 00 01 00 00",
        "cf 00 00 00 00 00 00 00 01",
        "d0 80",
        "d1 80 00",
        "d2 80 00 00 00",
        "d3 80 00 00 00 00 00 00 00",
        "ca 3f 80 00 00",
        "cb 3f f0 00 00 00 00 00 00",
        "a0",
        "a3 61 62 63",
        "d9 03 61 62 63",
        "da 00 03 61 62 63",
        "db 00 00 00 03 61 62 63",
        "c4 02 00 ff",
        "c5 00 02 00 ff",
        "c6 00 00 00 02 00 ff",
        "90",
        "80",
        "93 01 02 03",
        "dc 00 02 01 02",
        "dd 00 00 00 02 01 02",
        "82 a1 61 01 a1 62 02",
        "de 00 01 a1 61 01",
        "df 00 00 00 01 a1 61 01",
        "94 00 01 a5 68 65 6c 6c 6f 91 81 a1 61 93 01 90 80",
        "94 00 ce ff ff ff ff a1 6d 90",
    };

    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        uint8_t bytes[64];
        check_every_cut(bytes, from_hex(frames[i], bytes));
    }
}

static void test_a_frame_ends_before_the_next(void **state)
{
    uint8_t bytes[32];
    size_t size = from_hex("93 01 02 03 a2 61 62 c0", bytes), frame;
    struct msgpack_scan scan = {0};

    (void)state;
    assert_int_equal(msgpack_scan(&scan, bytes, size, &frame), SCAN_COMPLETE);
    assert_int_equal(frame, 4);
    assert_int_equal(msgpack_scan(&scan, bytes + 4, size - 4, &frame), SCAN_COMPLETE);
    assert_int_equal(frame, 3);
    assert_int_equal(msgpack_scan(&scan, bytes + 7, size - 7, &frame), SCAN_COMPLETE);
    assert_int_equal(frame, 1);
}

static void test_claims_are_refused_at_their_header(void **state)
{
    static const struct {
        const char *hex;
        enum scan_status status;
    } cases[] = {
        {"dd 03 ff ff ff", SCAN_TOO_LARGE},
        {"dd ff ff ff ff", SCAN_TOO_LARGE},
        {"df ff ff ff ff", SCAN_TOO_LARGE},
        {"df 00 20 00 00", SCAN_TOO_LARGE}, /* 2 Mi pairs: 4 Mi values and the header */
        {"db ff ff ff ff", SCAN_TOO_LARGE},
        {"c6 00 40 00 00", SCAN_TOO_LARGE},
        {"92 dd 00 3f ff fa", SCAN_TOO_LARGE}, /* one more than still fits */
        {"92 dd 00 3f ff f9", SCAN_MORE},
        {"db 00 3f ff fb", SCAN_MORE},
        {"c1", SCAN_MALFORMED},
        {"91 c1", SCAN_MALFORMED},
        {"d4 01 00", SCAN_MALFORMED},
        {"d8", SCAN_MALFORMED},
        {"c7 00 01", SCAN_MALFORMED},
        {"c9", SCAN_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[16];
        size_t size = from_hex(cases[i].hex, bytes), frame;
        assert_int_equal(scan_whole(bytes, size, &frame), cases[i].status);
    }
}

static void test_depth_ends_at_its_bound(void **state)
{
    uint8_t bytes[WIRE_DEPTH_MAX + 1];
    size_t frame;

    (void)state;
    memset(bytes, 0x91, sizeof bytes);
    bytes[WIRE_DEPTH_MAX] = 0xc0;
    check_every_cut(bytes, sizeof bytes);
    bytes[WIRE_DEPTH_MAX] = 0x90; /* an empty one is a level too */
    assert_int_equal(scan_whole(bytes, sizeof bytes, &frame), SCAN_TOO_DEEP);
    bytes[WIRE_DEPTH_MAX] = 0x80;
    assert_int_equal(scan_whole(bytes, sizeof bytes, &frame), SCAN_TOO_DEEP);
}

static void test_closed_levels_do_not_count_as_depth(void **state)
{
    uint8_t bytes[256];

    (void)state;
    memset(bytes, 0x90, sizeof bytes);
    bytes[0] = 0xdc;
    bytes[1] = 0;
    bytes[2] = sizeof bytes - 3;
    check_every_cut(bytes, sizeof bytes);
}

static void test_the_largest_frame_passes_and_one_byte_more_does_not(void **state)
{
    uint8_t *bytes = calloc(1, WIRE_FRAME_MAX);
    size_t frame;

    (void)state;
    from_hex("c6 00 3f ff fb", bytes);
    assert_int_equal(scan_whole(bytes, WIRE_FRAME_MAX, &frame), SCAN_COMPLETE);
    assert_int_equal(frame, WIRE_FRAME_MAX);
    from_hex("c6 00 3f ff fc", bytes);
    assert_int_equal(scan_whole(bytes, WIRE_FRAME_MAX, &frame), SCAN_TOO_LARGE);
    free(bytes);
}

static void test_noise_is_judged_alike_in_all_pieces(void **state)
{
    uint32_t seed = 2463534242u;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[40];
        struct msgpack_scan dripping = {0};
        enum scan_status piecewise = SCAN_MORE;
        size_t whole_size = 0, size = 0;
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)noise(&seed);
        }
        bytes[0] = (uint8_t)(0x90 | (bytes[0] & 0x0f));
        enum scan_status whole = scan_whole(bytes, sizeof bytes, &whole_size);
        for (size_t cut = 0; cut <= sizeof bytes && piecewise == SCAN_MORE; cut++) {
            piecewise = msgpack_scan(&dripping, bytes, cut, &size);
        }
        assert_int_equal(piecewise, whole);
        assert_int_equal(size, whole_size);
    }
}

static enum scan_status scan_line(const char *text, size_t *ret_size, bool *ret_too_deep)
{
    struct json_scan scan = {0};

    return json_line_scan(&scan, (const uint8_t *)text, strlen(text), ret_size, ret_too_deep);
}

static void test_a_line_ends_at_its_newline_in_any_pieces(void **state)
{
    static const char text[] = "{\"a\":\"[\\\"{\",\"b\":[1]}\n{\"next\":1}\n";
    struct json_scan scan = {0};
    bool too_deep = true;
    size_t size = 0, end = strcspn(text, "\n") + 1;

    (void)state;
    for (size_t cut = 0; cut < end; cut++) {
        assert_int_equal(json_line_scan(&scan, (const uint8_t *)text, cut, &size, &too_deep),
                         SCAN_MORE);
    }
    assert_int_equal(
        json_line_scan(&scan, (const uint8_t *)text, sizeof text - 1, &size, &too_deep),
        SCAN_COMPLETE);
    assert_int_equal(size, end);
    assert_false(too_deep);
    assert_int_equal(scan.offset, 0);
}

static void test_depth_of_a_line_is_told(void **state)
{
    char text[128];
    size_t size;
    bool too_deep;

    (void)state;
    memset(text, '[', WIRE_DEPTH_MAX);
    strcpy(text + WIRE_DEPTH_MAX, "\"[[[[\\\"[[[\"]]\n");
    assert_int_equal(scan_line(text, &size, &too_deep), SCAN_COMPLETE);
    assert_false(too_deep);
    strcpy(text + WIRE_DEPTH_MAX, "[]]\n");
    assert_int_equal(scan_line(text, &size, &too_deep), SCAN_COMPLETE);
    assert_true(too_deep);
    assert_int_equal(scan_line("]]]]}}[\n", &size, &too_deep), SCAN_COMPLETE);
    assert_false(too_deep);
}

static void test_a_line_without_end_is_too_large(void **state)
{
    uint8_t *bytes = malloc(WIRE_FRAME_MAX + 1);
    struct json_scan scan = {0};
    size_t size;
    bool too_deep;

    (void)state;
    memset(bytes, 'x', WIRE_FRAME_MAX + 1);
    bytes[WIRE_FRAME_MAX - 1] = '\n';
    assert_int_equal(json_line_scan(&scan, bytes, WIRE_FRAME_MAX, &size, &too_deep), SCAN_COMPLETE);
    assert_int_equal(size, WIRE_FRAME_MAX);
    bytes[WIRE_FRAME_MAX - 1] = 'x';
    bytes[WIRE_FRAME_MAX] = '\n';
    assert_int_equal(json_line_scan(&scan, bytes, WIRE_FRAME_MAX + 1, &size, &too_deep),
                     SCAN_TOO_LARGE);
    free(bytes);
}

static void test_utf8_is_told_from_what_resembles_it(void **state)
{
    static const char *const good[] = {
        "",
        "a",
        "plain ascii, longer than eight bytes",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "1234567\xc3\xa9",
        "12345678\xe2\x82\xac 1234567890",
        "\x01\x7f",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "12345678\xff",
        "1234567890123456\xe2\x82",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(utf8_valid(good[i], strlen(good[i])));
        assert_true(utf8_valid_no_nul(good[i], strlen(good[i])));
        assert_int_equal(utf8_whole(good[i], strlen(good[i])), strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
    }
}

static void test_nul_is_found_wherever_it_stands(void **state)
{
    char text[40];

    (void)state;
    for (size_t size = 1; size <= sizeof text; size++) {
        for (size_t at = 0; at < size; at++) {
            memset(text, 1, size);
            text[at] = '\0';
            assert_true(utf8_valid(text, size));
            assert_false(utf8_valid_no_nul(text, size));
        }
    }
}

static void test_a_cut_character_is_left_off(void **state)
{
    static const char text[] = "a\xf0\x9f\x98\x80";

    (void)state;
    assert_int_equal(utf8_whole(text, 1), 1);
    assert_int_equal(utf8_whole(text, 2), 1);
    assert_int_equal(utf8_whole(text, 3), 1);
    assert_int_equal(utf8_whole(text, 4), 1);
    assert_int_equal(utf8_whole(text, 5), 5);
    assert_int_equal(utf8_whole(text, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_is_one_frame_however_it_is_cut),
        cmocka_unit_test(test_a_frame_ends_before_the_next),
        cmocka_unit_test(test_claims_are_refused_at_their_header),
        cmocka_unit_test(test_depth_ends_at_its_bound),
        cmocka_unit_test(test_closed_levels_do_not_count_as_depth),
        cmocka_unit_test(test_the_largest_frame_passes_and_one_byte_more_does_not),
        cmocka_unit_test(test_noise_is_judged_alike_in_all_pieces),
        cmocka_unit_test(test_a_line_ends_at_its_newline_in_any_pieces),
        cmocka_unit_test(test_depth_of_a_line_is_told),
        cmocka_unit_test(test_a_line_without_end_is_too_large),
        cmocka_unit_test(test_utf8_is_told_from_what_resembles_it),
        cmocka_unit_test(test_nul_is_found_wherever_it_stands),
        cmocka_unit_test(test_a_cut_character_is_left_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
