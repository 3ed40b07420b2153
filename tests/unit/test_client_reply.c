/* Nodes read as what they are, convert only when it is exact, and answer a fallback otherwise; and
 * the scanner finds the end of a reply however it is cut. */
#include "client/reply.h"
#include "memferry/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct memferry *m;

static int open_client(void **state)
{
    (void)state;
    return memferry_open(&m, NULL);
}

static int close_client(void **state)
{
    (void)state;
    m = memferry_close(m);
    return 0;
}

static struct memferry_reply *parse(const char *json)
{
    struct memferry_reply *reply;

    assert_int_equal(memferry_parse_json(m, json, &reply), MEMFERRY_OK);
    return reply;
}

static void test_nodes_have_the_kinds_of_json(void **state)
{
    struct memferry_reply *reply = parse("[null,true,-3,18446744073709551615,1.5,\"t\",[],{}]");
    static const enum memferry_node_kind kinds[] = {
        MEMFERRY_NODE_NULL,  MEMFERRY_NODE_BOOL,   MEMFERRY_NODE_INT,  MEMFERRY_NODE_INT,
        MEMFERRY_NODE_FLOAT, MEMFERRY_NODE_STRING, MEMFERRY_NODE_LIST, MEMFERRY_NODE_MAP};
    const struct memferry_node *root = memferry_reply_root(reply);

    (void)state;
    assert_int_equal(memferry_node_count(root), 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(memferry_node_kind(memferry_node_at(root, i)), kinds[i]);
    }
    assert_null(memferry_node_at(root, 8));
    assert_null(memferry_node_key(root, 0));
    memferry_reply_free(reply);
}

static void test_numbers_convert_only_when_it_is_exact(void **state)
{
    struct memferry_reply *reply =
        parse("[2.0,2.5,1e300,9007199254740993,9007199254740992,18446744073709551615,\"2\",-1]");
    const struct memferry_node *root = memferry_reply_root(reply);

    (void)state;
    assert_int_equal(memferry_node_int(memferry_node_at(root, 0), -7), 2);
    assert_int_equal(memferry_node_int(memferry_node_at(root, 1), -7), -7);
    assert_int_equal(memferry_node_int(memferry_node_at(root, 2), -7), -7);
    assert_true(memferry_node_float(memferry_node_at(root, 3), -7) == -7);
    assert_true(memferry_node_float(memferry_node_at(root, 4), -7) == 9007199254740992.0);
    assert_int_equal(memferry_node_int(memferry_node_at(root, 5), -7), -7);
    assert_true(memferry_node_float(memferry_node_at(root, 5), -7) == -7);
    assert_int_equal(memferry_node_int(memferry_node_at(root, 6), -7), -7);
    assert_true(memferry_node_float(memferry_node_at(root, 7), 0) == -1.0);
    memferry_reply_free(reply);
}

static void test_maps_are_read_by_key_and_by_place(void **state)
{
    struct memferry_reply *reply = parse("{\"a\":{\"b\":\"deep\"},\"\":\"\"}");
    const struct memferry_node *root = memferry_reply_root(reply);
    const struct memferry_node *a = memferry_node_get(root, "a");

    (void)state;
    assert_string_equal(memferry_node_string(memferry_node_get(a, "b"), ""), "deep");
    assert_null(memferry_node_get(a, "c"));
    assert_null(memferry_node_get(NULL, "c"));
    assert_null(memferry_node_get(memferry_node_get(a, "b"), "c"));
    assert_string_equal(memferry_node_key(root, 0), "a");
    assert_string_equal(memferry_node_key(root, 1), "");
    assert_string_equal(memferry_node_string(memferry_node_at(root, 1), "x"), "");
    assert_null(memferry_node_key(root, 2));
    assert_string_equal(memferry_node_string(NULL, "fallback"), "fallback");
    assert_true(memferry_node_bool(a, true));
    memferry_reply_free(reply);
}

static void test_a_node_comes_back_as_json(void **state)
{
    const char *json = "{\"a\":[1,-2,0.1,\"\xc3\xa9\\n\"],\"b\":null,\"c\":true}";
    struct memferry_reply *reply = parse(json);
    char *text = memferry_node_json(memferry_reply_root(reply));

    (void)state;
    assert_string_equal(text, json);
    free(text);
    text = memferry_node_json(NULL);
    assert_string_equal(text, "null");
    free(text);
    memferry_reply_free(reply);
}

static void test_text_that_is_no_json_is_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {"", "{", "[1,]", "{\"a\":1} x", "nul", "{\"a\":1,\"a\":2}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct memferry_reply *reply;
        assert_int_equal(memferry_parse_json(m, bad[i], &reply), MEMFERRY_E_INVALID);
        assert_null(reply);
        assert_true(strlen(memferry_error(m)) > strlen("not JSON: "));
    }
}

static void test_ids_are_uuids_of_version_4_and_differ(void **state)
{
    char one[40], two[40];

    (void)state;
    assert_int_equal(memferry_make_id(one, sizeof one), 36);
    assert_int_equal(memferry_make_id(two, sizeof two), 36);
    assert_string_not_equal(one, two);
    assert_int_equal(one[14], '4');
    assert_int_equal(memferry_make_id(one, 36), MEMFERRY_E_INVALID);
}

/* [1, 7, nil, {"a": "bcd", "e": [1, 2.5]}] */
static const uint8_t FRAME[] = {0x94, 1,    7, 0xc0, 0x82, 0xa1, 'a', 0xa3, 'b', 'c', 'd', 0xa1,
                                'e',  0x92, 1, 0xcb, 0x40, 4,    0,   0,    0,   0,   0,   0};

static void test_the_end_of_a_frame_is_found_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof FRAME; step++) {
        struct reply_scan scan = {0};
        enum reply_scan_status status = REPLY_MORE;
        size_t size = 0, seen = 0;
        while (status == REPLY_MORE && seen < sizeof FRAME) {
            seen = seen + step < sizeof FRAME ? seen + step : sizeof FRAME;
            status = reply_scan(&scan, FRAME, seen, 1000, &size);
            assert_true(status == REPLY_COMPLETE || seen < sizeof FRAME);
        }
        assert_int_equal(status, REPLY_COMPLETE);
        assert_int_equal(size, sizeof FRAME);
        assert_int_equal(scan.offset, 0);
    }
}

static void test_a_frame_over_the_limit_is_refused_at_the_head_that_says_so(void **state)
{
    static const uint8_t claims[][5] = {
        {0xdd, 0x7f, 0xff, 0xff, 0xff}, {0xdf, 0xff, 0xff, 0xff, 0xff}, {0xdb, 0, 0, 4, 0}};
    struct reply_scan scan = {0};
    size_t size;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        scan = (struct reply_scan){0};
        assert_int_equal(reply_scan(&scan, claims[i], 5, 1000, &size), REPLY_MALFORMED);
    }
    scan = (struct reply_scan){0};
    assert_int_equal(reply_scan(&scan, FRAME, sizeof FRAME, sizeof FRAME, &size), REPLY_COMPLETE);
    assert_int_equal(reply_scan(&scan, FRAME, sizeof FRAME, sizeof FRAME - 1, &size),
                     REPLY_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_have_the_kinds_of_json),
        cmocka_unit_test(test_numbers_convert_only_when_it_is_exact),
        cmocka_unit_test(test_maps_are_read_by_key_and_by_place),
        cmocka_unit_test(test_a_node_comes_back_as_json),
        cmocka_unit_test(test_text_that_is_no_json_is_refused_with_a_reason),
        cmocka_unit_test(test_ids_are_uuids_of_version_4_and_differ),
        cmocka_unit_test(test_the_end_of_a_frame_is_found_however_it_is_cut),
        cmocka_unit_test(test_a_frame_over_the_limit_is_refused_at_the_head_that_says_so),
    };
    return cmocka_run_group_tests(tests, open_client, close_client);
}
