/* Requests are told from what is wrong with them, in both encodings, and answered byte for byte as
 * the protocol has it. */
#include "client/wire/rpc.h"
#include "client/wire/scan.h"
#include "tests/unit/wire_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct rpc_request request;
static struct rpc_failure failure;

static enum rpc_code decode(msgpack_zone *zone, const char *line)
{
    return rpc_request_decode(WIRE_JSON, (const uint8_t *)line, strlen(line), zone, &request,
                              &failure);
}

static enum rpc_code decode_hex(msgpack_zone *zone, const char *hex)
{
    static uint8_t bytes[1024];

    return rpc_request_decode(WIRE_MSGPACK, bytes, from_hex(hex, bytes), zone, &request, &failure);
}

static const msgpack_object *param(const char *name)
{
    const msgpack_object_map *map = &request.params.via.map;

    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_str *key = &map->ptr[i].key.via.str;
        if (key->size == strlen(name) && memcmp(key->ptr, name, key->size) == 0) {
            return &map->ptr[i].val;
        }
    }
    return NULL;
}

static void assert_text(const void *text, size_t size, const char *expected)
{
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
}

static void test_the_first_byte_tells_the_encoding(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        enum wire_encoding expected = WIRE_UNKNOWN;
        if (strchr("{ \t\r\n", (int)byte) != NULL && byte != 0) {
            expected = WIRE_JSON;
        } else if ((byte & 0xf0) == 0x90 || byte == 0xdc || byte == 0xdd) {
            expected = WIRE_MSGPACK;
        }
        assert_int_equal(wire_detect((uint8_t)byte), expected);
    }
}

static void test_a_msgpack_request_is_decoded(void **state)
{
    /* [0, 70000, "memory.put", [{"a": [1, -1, nil, true], "f": 1.5f, "b": bin, "d": 0.1}]] */
    assert_int_equal(decode_hex(*state, "94 00 ce 00 01 11 70 aa 6d656d6f72792e707574 91 84"
                                        "a1 61 94 01 ff c0 c3"
                                        "a1 66 ca 3f c0 00 00"
                                        "a1 62 c4 02 00 ff"
                                        "a1 64 cb 3f b9 99 99 99 99 99 9a"),
                     RPC_OK);
    assert_true(request.id.present);
    assert_int_equal(request.id.encoding, WIRE_MSGPACK);
    assert_int_equal(request.id.msgid, 70000);
    assert_string_equal(request.method, "memory.put");
    assert_int_equal(request.params.via.map.size, 4);
    const msgpack_object *list = param("a");
    assert_int_equal(list->type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(list->via.array.size, 4);
    assert_int_equal(list->via.array.ptr[0].via.u64, 1);
    assert_int_equal(list->via.array.ptr[1].type, MSGPACK_OBJECT_NEGATIVE_INTEGER);
    assert_int_equal(list->via.array.ptr[1].via.i64, -1);
    assert_int_equal(list->via.array.ptr[2].type, MSGPACK_OBJECT_NIL);
    assert_true(list->via.array.ptr[3].via.boolean);
    assert_int_equal(param("f")->type, MSGPACK_OBJECT_FLOAT32);
    assert_true(param("f")->via.f64 == 1.5);
    assert_int_equal(param("b")->type, MSGPACK_OBJECT_BIN);
    assert_int_equal(param("b")->via.bin.size, 2);
    assert_int_equal(param("d")->type, MSGPACK_OBJECT_FLOAT64);
    assert_true(param("d")->via.f64 == 0.1);
}

static void test_msgpack_notification_and_empty_params(void **state)
{
    assert_int_equal(decode_hex(*state, "93 02 a1 6d 90"), RPC_OK);
    assert_false(request.id.present);
    assert_string_equal(request.method, "m");
    assert_int_equal(request.params.type, MSGPACK_OBJECT_MAP);
    assert_int_equal(request.params.via.map.size, 0);
    assert_int_equal(decode_hex(*state, "94 00 d3 00 00 00 00 ff ff ff ff a1 6d 91 80"), RPC_OK);
    assert_true(request.id.present);
    assert_true(request.id.msgid == UINT32_MAX);
}

struct bad_msgpack {
    const char *hex;
    enum rpc_code code;
    bool has_id; /* 7 */
    const char *field, *says;
};

static void test_what_is_wrong_with_a_msgpack_request_is_said(void **state)
{
    static const struct bad_msgpack cases[] = {
        {"81 00 00", RPC_INVALID_REQUEST, false, "", "a request is an array"},
        {"05", RPC_INVALID_REQUEST, false, "", "a request is an array"},
        {"90", RPC_INVALID_REQUEST, false, "", "empty array"},
        {"94 01 07 c0 c0", RPC_INVALID_REQUEST, false, "", "neither 0"},
        {"94 a1 30 07 a1 6d 90", RPC_INVALID_REQUEST, false, "", "neither 0"},
        {"91 00", RPC_INVALID_REQUEST, false, "", "four values"},
        {"92 00 07", RPC_INVALID_REQUEST, true, "", "four values"},
        {"95 00 07 a1 6d 90 90", RPC_INVALID_REQUEST, true, "", "four values"},
        {"94 02 07 a1 6d 90", RPC_INVALID_REQUEST, false, "", "three values"},
        {"94 00 ff a1 6d 90", RPC_INVALID_REQUEST, false, "", "msgid is not a uint32"},
        {"94 00 cf 00 00 00 01 00 00 00 00 a1 6d 90", RPC_INVALID_REQUEST, false, "",
         "msgid is not a uint32"},
        {"94 00 07 01 90", RPC_INVALID_REQUEST, true, "", "method is not a string"},
        {"94 00 07 a0 90", RPC_INVALID_REQUEST, true, "", "method is not a string"},
        {"94 00 07 a1 ff 90", RPC_INVALID_REQUEST, true, "", "UTF-8"},
        {"94 00 07 a1 00 90", RPC_INVALID_REQUEST, true, "", "NUL"},
        {"94 00 07 a1 6d 80", RPC_INVALID_REQUEST, true, "", "params is not an array"},
        {"94 00 07 a1 6d 92 80 80", RPC_INVALID_REQUEST, true, "", "holds 2 values"},
        {"94 00 07 a1 6d 91 c0", RPC_INVALID_PARAMS, true, "", "not a map"},
        {"94 00 07 a1 6d 91 91 80", RPC_INVALID_PARAMS, true, "", "not a map"},
        {"94 00 07 a1 6d 91 81 01 01", RPC_INVALID_PARAMS, true, "", "not a string"},
        {"94 00 07 a1 6d 91 82 a1 61 01 a1 61 02", RPC_INVALID_PARAMS, true, "a", "given twice"},
        {"94 00 07 a1 6d 91 81 a1 70 82 a1 61 01 a1 61 02", RPC_INVALID_PARAMS, true, "p",
         "\"a\" is given twice"},
        {"94 00 07 a1 6d 91 81 a1 70 81 01 02", RPC_INVALID_PARAMS, true, "p", "not a string"},
        {"94 00 07 a1 6d 91 82 a1 61 01 a1 70 92 a1 78 a1 ff", RPC_INVALID_PARAMS, true, "p",
         "UTF-8"},
        {"94 00 07 a1 6d 91 81 a1 70 a2 78 00", RPC_INVALID_PARAMS, true, "p", "NUL"},
        {"94 00 07 a1 6d 91 81 a1 ff 01", RPC_INVALID_PARAMS, true, "", "UTF-8"},
        {"94 00 07 a1 6d 91 81 a1 70 d4 01 00", RPC_PARSE_ERROR, true, "", "ext"},
        {"94 00 07 a1 6d 91 81 a1 70 c1", RPC_PARSE_ERROR, true, "", "reserved"},
        {"94 00 07 a1 6d 90 c0", RPC_PARSE_ERROR, true, "", "follows"},
        {"94 00 07 a1 6d 91 81 a1 70", RPC_PARSE_ERROR, true, "", "ends inside"},
        {"94 00 07 a1 6d 91 dd ff ff ff ff", RPC_PARSE_ERROR, true, "", "ends inside"},
        {"94 00 07 db ff ff ff ff 61", RPC_PARSE_ERROR, true, "", "ends inside"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum rpc_code code = decode_hex(*state, cases[i].hex);
        if (code != cases[i].code || strstr(failure.text, cases[i].says) == NULL) {
            fail_msg("%s: %d %s", cases[i].hex, code, failure.text);
        }
        assert_int_equal(failure.code, code);
        assert_int_equal(request.id.encoding, WIRE_MSGPACK);
        assert_int_equal(request.id.present, cases[i].has_id);
        assert_true(!cases[i].has_id || request.id.msgid == 7);
        assert_string_equal(failure.field, cases[i].field);
    }
}

static void test_a_json_request_is_decoded_in_any_order(void **state)
{
    assert_int_equal(decode(*state,
                            " { \"params\" : {\"n\":[1,-1,2.5,null,true],\"t\":\"\\u00e9\"},"
                            "\"method\":\"memory.put\",\"id\":\"x\\u0041\"}\r\n"),
                     RPC_OK);
    assert_true(request.id.present);
    assert_text(request.id.json, request.id.json_size, "\"x\\u0041\"");
    assert_string_equal(request.method, "memory.put");
    const msgpack_object *list = param("n");
    assert_int_equal(list->via.array.size, 5);
    assert_int_equal(list->via.array.ptr[1].via.i64, -1);
    assert_int_equal(list->via.array.ptr[2].type, MSGPACK_OBJECT_FLOAT64);
    assert_text(param("t")->via.str.ptr, param("t")->via.str.size, "\xc3\xa9");
}

static void test_a_json_id_comes_back_as_it_was(void **state)
{
    static const char *const ids[] = {
        "1",
        "-0",
        "1.50",
        "1e400",
        "123456789012345678901234567890",
        "\"\"",
        "\"a\\\"b\"",
        "\"\\ud800\"",
        "\"\xe2\x82\xac\"",
    };

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char line[128];
        msgpack_sbuffer out;
        snprintf(line, sizeof line, "{\"id\": %s ,\"method\":\"m\"}", ids[i]);
        assert_int_equal(decode(*state, line), RPC_OK);
        msgpack_sbuffer_init(&out);
        assert_int_equal(rpc_reply(&out, &request.id, "\x80", 1), 0);
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}\n", ids[i]);
        assert_text(out.data, out.size, line);
        msgpack_sbuffer_destroy(&out);
    }
}

static void test_a_json_request_without_id_is_a_notification(void **state)
{
    assert_int_equal(decode(*state, "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}\n"), RPC_OK);
    assert_false(request.id.present);
    assert_int_equal(request.params.type, MSGPACK_OBJECT_MAP);
    assert_int_equal(request.params.via.map.size, 0);
}

struct bad_json {
    const char *line;
    enum rpc_code code;
    bool has_id; /* 7 */
    const char *field, *says;
};

static void test_what_is_wrong_with_a_json_request_is_said(void **state)
{
    static const struct bad_json cases[] = {
        {"", RPC_PARSE_ERROR, false, "", "ends"},
        {"{", RPC_PARSE_ERROR, false, "", "(byte 2)"},
        {"nonsense", RPC_PARSE_ERROR, false, "", "(byte 1)"},
        {"[]", RPC_INVALID_REQUEST, false, "", "JSON object"},
        {"{} {}", RPC_PARSE_ERROR, false, "", "follows"},
        {"{}", RPC_INVALID_REQUEST, false, "", "no method"},
        {"{\"id\":7}", RPC_INVALID_REQUEST, true, "", "no method"},
        {"{\"id\":7,\"method\":1}", RPC_INVALID_REQUEST, true, "", "method is not"},
        {"{\"method\":\"\",\"id\":7}", RPC_INVALID_REQUEST, true, "", "method is not"},
        {"{\"method\":\"m\",\"id\":null}", RPC_INVALID_REQUEST, false, "", "the id is neither"},
        {"{\"method\":\"m\",\"id\":[7]}", RPC_INVALID_REQUEST, false, "", "the id is neither"},
        {"{\"method\":\"m\",\"id\":true}", RPC_INVALID_REQUEST, false, "", "the id is neither"},
        {"{\"method\":\"m\",\"id\":\"\xff\"}", RPC_INVALID_REQUEST, false, "", "the id is"},
        {"{\"method\":\"m\",\"id\":07}", RPC_PARSE_ERROR, false, "", "not JSON"},
        {"{\"id\":7,\"id\":7,\"method\":\"m\"}", RPC_INVALID_REQUEST, true, "", "twice"},
        {"{\"id\":7,\"method\":\"m\",\"method\":\"m\"}", RPC_INVALID_REQUEST, true, "", "twice"},
        {"{\"jsonrpc\":\"1.0\",\"method\":\"m\",\"id\":7}", RPC_INVALID_REQUEST, true, "", "2.0"},
        {"{\"jsonrpc\":2.0,\"method\":\"m\",\"id\":7}", RPC_INVALID_REQUEST, true, "", "2.0"},
        {"{\"content\":{\"a\":[]},\"method\":\"m\",\"id\":7}", RPC_INVALID_REQUEST, true, "",
         "no \"content\""},
        {"{\"method\":\"m\",\"params\":[1],\"id\":7}", RPC_INVALID_PARAMS, true, "", "object"},
        {"{\"method\":\"m\",\"params\":null,\"id\":7}", RPC_INVALID_PARAMS, true, "", "object"},
        {"{\"params\":{\"a\":1,\"a\":2},\"method\":\"m\",\"id\":7}", RPC_INVALID_PARAMS, true, "a",
         "twice"},
        {"{\"params\":{\"p\":{\"a\":1,\"\\u0061\":2}},\"method\":\"m\",\"id\":7}",
         RPC_INVALID_PARAMS, true, "p", "\"a\" is given twice"},
        {"{\"params\":{\"p\":\"\\ud800\"},\"method\":\"m\",\"id\":7}", RPC_INVALID_PARAMS, true,
         "p", "surrogate"},
        {"{\"params\":{\"p\":\"\\u0000\"},\"method\":\"m\",\"id\":7}", RPC_INVALID_PARAMS, true,
         "p", "NUL"},
        {"{\"params\":{\"p\":[{\"q\":\"\xff\"}],\"r\":1},\"method\":\"m\",\"id\":7}",
         RPC_INVALID_PARAMS, true, "p", "UTF-8"},
        {"{\"params\":{\"p\":99999999999999999999},\"method\":\"m\",\"id\":7}", RPC_INVALID_PARAMS,
         true, "p", "64 bits"},
        {"{\"params\":{\"p\":1e999},\"method\":\"m\",\"id\":7}", RPC_INVALID_PARAMS, true, "p",
         "double"},
        {"{\"params\":{\"p\":1e999},\"method\":\"m\",\"id\":7", RPC_PARSE_ERROR, false, "",
         "not JSON"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum rpc_code code = decode(*state, cases[i].line);
        if (code != cases[i].code || strstr(failure.text, cases[i].says) == NULL) {
            fail_msg("%s: %d %s", cases[i].line, code, failure.text);
        }
        assert_int_equal(failure.code, code);
        assert_int_equal(request.id.encoding, WIRE_JSON);
        assert_int_equal(request.id.present, cases[i].has_id);
        assert_string_equal(failure.field, cases[i].field);
    }
}

static void test_a_long_json_id_is_refused(void **state)
{
    char line[RPC_JSON_ID_MAX + 64], id[RPC_JSON_ID_MAX + 2];

    memset(id, '1', sizeof id);
    snprintf(line, sizeof line, "{\"id\":%.*s,\"method\":\"m\"}", RPC_JSON_ID_MAX, id);
    assert_int_equal(decode(*state, line), RPC_OK);
    assert_int_equal(request.id.json_size, RPC_JSON_ID_MAX);
    snprintf(line, sizeof line, "{\"id\":%.*s,\"method\":\"m\"}", RPC_JSON_ID_MAX + 1, id);
    assert_int_equal(decode(*state, line), RPC_INVALID_REQUEST);
    assert_false(request.id.present);
}

static void test_blank_lines_are_known(void **state)
{
    (void)state;
    assert_true(json_line_blank((const uint8_t *)" \t\r\n", 4));
    assert_true(json_line_blank(NULL, 0));
    assert_false(json_line_blank((const uint8_t *)" x\n", 3));
}

/* {"p": [nil, nil, …]} in a request. */
static enum rpc_code decode_many(msgpack_zone *zone, uint32_t count)
{
    msgpack_sbuffer frame;
    msgpack_packer packer;

    msgpack_sbuffer_init(&frame);
    msgpack_packer_init(&packer, &frame, msgpack_sbuffer_write);
    msgpack_sbuffer_write(&frame, "\x94\x00\x07\xa1m\x91\x81\xa1p", 9);
    msgpack_pack_array(&packer, count);
    for (uint32_t i = 0; i < count; i++) {
        msgpack_pack_nil(&packer);
    }
    enum rpc_code code = rpc_request_decode(WIRE_MSGPACK, (const uint8_t *)frame.data, frame.size,
                                            zone, &request, &failure);
    msgpack_sbuffer_destroy(&frame);
    return code;
}

static void test_the_number_of_values_is_bounded(void **state)
{
    assert_int_equal(decode_many(*state, WIRE_ELEMENTS_MAX / 2), RPC_OK);
    assert_int_equal(decode_many(*state, WIRE_ELEMENTS_MAX), RPC_INVALID_REQUEST);
    assert_true(request.id.present);
    assert_non_null(strstr(failure.text, "more than 1048576 values"));
}

static void test_a_claim_makes_nothing_in_the_zone(void **state)
{
    static const char *const cases[] = {
        "dd ff ff ff ff",          "94 00 07 a1 6d dd 03 ff ff ff", "94 00 07 df 7f ff ff ff",
        "94 00 07 db ff ff ff ff", "94 00 dd 00 00 00 10 00",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        msgpack_zone_clear(*state);
        const char *before = ((msgpack_zone *)*state)->chunk_list.ptr;
        assert_int_equal(decode_hex(*state, cases[i]), RPC_PARSE_ERROR);
        const char *after = ((msgpack_zone *)*state)->chunk_list.ptr;
        assert_true(after - before <= 2); /* "m" */
    }
}

static void test_every_cut_of_a_request_is_refused(void **state)
{
    static const char line[] = "{\"id\":7,\"method\":\"m\",\"params\":{\"p\":[1.5,\"\\u20ac\"]}}";
    uint8_t frame[64];
    size_t size = from_hex("94 00 cd 01 00 a1 6d 91 82 a1 61 93 cb 3f b9 99 99 99 99 99 9a c0 80"
                           "a1 62 c4 02 00 ff",
                           frame);

    for (size_t cut = 0; cut < sizeof line - 1; cut++) {
        uint8_t *copy = malloc(cut + 1); /* so that a sanitizer sees one byte too far */
        uint8_t *end = copy + 1;
        memcpy(end, line, cut);
        assert_int_equal(rpc_request_decode(WIRE_JSON, end, cut, *state, &request, &failure),
                         RPC_PARSE_ERROR);
        if (cut < size) {
            memcpy(end, frame, cut);
            assert_int_equal(rpc_request_decode(WIRE_MSGPACK, end, cut, *state, &request, &failure),
                             RPC_PARSE_ERROR);
            assert_int_equal(request.id.present, cut >= 5);
        }
        free(copy);
    }
    assert_int_equal(decode(*state, line), RPC_OK);
    assert_int_equal(rpc_request_decode(WIRE_MSGPACK, frame, size, *state, &request, &failure),
                     RPC_OK);
}

static void test_a_key_given_twice_is_found_among_many(void **state)
{
    char *line = malloc(1 << 20);

    for (int twice = 0; twice <= 1; twice++) {
        size_t size = (size_t)sprintf(line, "{\"id\":7,\"method\":\"m\",\"params\":{\"p\":{");
        for (int i = 0; i < 20000; i++) {
            size += (size_t)sprintf(line + size, "\"k%d\":0,", i);
        }
        sprintf(line + size, "\"k%d\":0}}}", twice ? 12345 : 20000);
        assert_int_equal(decode(*state, line), twice ? RPC_INVALID_PARAMS : RPC_OK);
    }
    assert_string_equal(failure.field, "p");
    assert_non_null(strstr(failure.text, "\"k12345\" is given twice"));
    free(line);
}

static void test_depth_is_bounded_without_a_scan(void **state)
{
    char line[256] = "{\"id\":7,\"method\":\"m\",\"params\":{\"p\":";
    uint8_t frame[64];
    size_t size = strlen(line);

    memset(line + size, '[', 100);
    assert_int_equal(decode(*state, line), RPC_INVALID_REQUEST);
    assert_non_null(strstr(failure.text, "deeper than 32"));
    assert_true(request.id.present);
    memset(frame, 0x91, sizeof frame);
    size = from_hex("94 00 07 a1 6d 91 81 a1 70", frame);
    assert_int_equal(
        rpc_request_decode(WIRE_MSGPACK, frame, sizeof frame, *state, &request, &failure),
        RPC_INVALID_REQUEST);
    assert_non_null(strstr(failure.text, "deeper than 32"));
}

static void test_a_long_field_name_is_cut_at_a_character(void **state)
{
    char line[512];
    size_t size = (size_t)sprintf(line, "{\"id\":7,\"method\":\"m\",\"params\":{\"x");

    for (int i = 0; i < 60; i++) {
        size += (size_t)sprintf(line + size, "\xe2\x82\xac");
    }
    sprintf(line + size, "\":1e999}}");
    assert_int_equal(decode(*state, line), RPC_INVALID_PARAMS);
    assert_int_equal(strlen(failure.field), 61);
}

static void test_noise_never_decodes_to_harm(void **state)
{
    static const char seed_line[] = "{\"id\":7,\"method\":\"m\",\"params\":{\"p\":[1,\"\\n\"]}}";
    uint32_t seed = 88675123u;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[48];
        msgpack_zone *zone = msgpack_zone_new(1024);
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)noise(&seed);
        }
        size_t size = noise(&seed) % sizeof bytes;
        (void)rpc_request_decode(WIRE_MSGPACK, bytes, size, zone, &request, &failure);
        (void)rpc_request_decode(WIRE_JSON, bytes, size, zone, &request, &failure);
        char line[sizeof seed_line];
        memcpy(line, seed_line, sizeof line);
        line[noise(&seed) % (sizeof line - 1)] = (char)noise(&seed);
        enum rpc_code code = rpc_request_decode(WIRE_JSON, (uint8_t *)line, sizeof line - 1, zone,
                                                &request, &failure);
        assert_true(code == RPC_OK || failure.text[0] != '\0');
        msgpack_zone_free(zone);
    }
}

static void test_each_code_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(rpc_code_name(RPC_PARSE_ERROR), "parse_error");
    assert_string_equal(rpc_code_name(RPC_UNAVAILABLE), "unavailable");
    assert_string_equal(rpc_code_name(RPC_TOO_LARGE), "too_large");
    assert_string_equal(rpc_code_name((enum rpc_code) - 1), "unknown");
}

#define with_zone(test) cmocka_unit_test_setup_teardown(test, zone_setup, zone_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_zone(test_the_first_byte_tells_the_encoding),
        with_zone(test_a_msgpack_request_is_decoded),
        with_zone(test_msgpack_notification_and_empty_params),
        with_zone(test_what_is_wrong_with_a_msgpack_request_is_said),
        with_zone(test_a_json_request_is_decoded_in_any_order),
        with_zone(test_a_json_id_comes_back_as_it_was),
        with_zone(test_a_json_request_without_id_is_a_notification),
        with_zone(test_what_is_wrong_with_a_json_request_is_said),
        with_zone(test_a_long_json_id_is_refused),
        with_zone(test_blank_lines_are_known),
        with_zone(test_the_number_of_values_is_bounded),
        with_zone(test_a_claim_makes_nothing_in_the_zone),
        with_zone(test_every_cut_of_a_request_is_refused),
        with_zone(test_a_key_given_twice_is_found_among_many),
        with_zone(test_depth_is_bounded_without_a_scan),
        with_zone(test_a_long_field_name_is_cut_at_a_character),
        with_zone(test_noise_never_decodes_to_harm),
        with_zone(test_each_code_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
