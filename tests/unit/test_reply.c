/* Replies, errors and notifications are written byte for byte as the protocol has them, and a
 * client reads them back. */
#include "client/wire/rpc.h"
#include "tests/unit/wire_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct rpc_request request;
static struct rpc_failure failure;

static void assert_text(const void *text, size_t size, const char *expected)
{
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
}

static const struct rpc_id msgpack_id = {.encoding = WIRE_MSGPACK, .present = true, .msgid = 300};
static const struct rpc_id json_id = {
    .encoding = WIRE_JSON, .present = true, .json_size = 3, .json = "\"x\""};

static void assert_written(msgpack_sbuffer *out, const char *hex)
{
    uint8_t bytes[512];
    size_t size = from_hex(hex, bytes);

    assert_int_equal(out->size, size);
    assert_memory_equal(out->data, bytes, size);
    msgpack_sbuffer_clear(out);
}

static void test_replies_are_written_as_the_protocol_has_them(void **state)
{
    static const char result[] = "\x82\xa1"
                                 "a\x01\xa1"
                                 "b\xc4\x01\xff";
    struct rpc_id unknown = {.encoding = WIRE_MSGPACK};
    msgpack_sbuffer out;

    (void)state;
    msgpack_sbuffer_init(&out);
    assert_int_equal(rpc_reply(&out, &msgpack_id, result, sizeof result - 1), 0);
    assert_written(&out, "94 01 cd 01 2c c0 82 a1 61 01 a1 62 c4 01 ff");
    assert_int_equal(rpc_reply(&out, &unknown, "\xc0", 1), 0);
    assert_written(&out, "94 01 c0 c0 c0");
    assert_int_equal(rpc_reply(&out, &json_id, result, sizeof result - 1), 0);
    assert_text(out.data, out.size,
                "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{\"a\":1,\"b\":\"/w==\"}}\n");
    msgpack_sbuffer_destroy(&out);
}

static void test_errors_are_written_as_the_protocol_has_them(void **state)
{
    struct rpc_failure busy = {.code = RPC_BUSY, .text = "full"};
    struct rpc_failure wrong = {.code = RPC_INVALID_PARAMS, .field = "id", .text = "no"};
    struct rpc_id unknown = {.encoding = WIRE_JSON};
    msgpack_sbuffer out;

    (void)state;
    msgpack_sbuffer_init(&out);
    assert_int_equal(rpc_error(&out, &msgpack_id, &busy, NULL, 0), 0);
    assert_written(&out, "94 01 cd 01 2c 83 a4 636f6465 d1 82ff a4 6e616d65 a4 62757379"
                         "a7 6d657373616765 a4 66756c6c c0");
    assert_int_equal(rpc_error(&out, &unknown, &busy, NULL, 0), 0);
    assert_text(out.data, out.size,
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"name\":\"busy\","
                "\"message\":\"full\"}}\n");
    msgpack_sbuffer_clear(&out);
    assert_int_equal(rpc_error(&out, &json_id, &busy, "\x81\xa1n\x05", 4), 0);
    assert_text(out.data, out.size,
                "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32001,\"name\":\"busy\","
                "\"message\":\"full\",\"data\":{\"n\":5}}}\n");
    msgpack_sbuffer_clear(&out);
    assert_int_equal(rpc_error(&out, &json_id, &wrong, "\x81\xa1n\x05", 4), 0);
    assert_text(out.data, out.size,
                "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32602,"
                "\"name\":\"invalid_params\",\"message\":\"no\","
                "\"data\":{\"n\":5,\"field\":\"id\"}}}\n");
    msgpack_sbuffer_clear(&out);
    assert_int_equal(rpc_error(&out, &msgpack_id, &wrong, NULL, 0), 0);
    assert_written(&out, "94 01 cd 01 2c 84 a4 636f6465 d1 80a6 a4 6e616d65"
                         "ae 696e76616c69645f706172616d73 a7 6d657373616765 a2 6e6f"
                         "a4 64617461 81 a5 6669656c64 a2 6964 c0");
    msgpack_sbuffer_destroy(&out);
}

static void test_a_garbled_message_is_sent_as_valid_text(void **state)
{
    struct rpc_failure bad = {.code = RPC_INTERNAL,
                              .text = "a\xff"
                                      "b\xe2\x82\xac\xe2\x82"};
    msgpack_zone *zone = *state;
    struct rpc_message message;
    msgpack_sbuffer out;

    msgpack_sbuffer_init(&out);
    assert_int_equal(rpc_error(&out, &msgpack_id, &bad, NULL, 0), 0);
    assert_int_equal(rpc_message_decode((uint8_t *)out.data, out.size, zone, &message), 0);
    const msgpack_object_str *text = &message.body.via.map.ptr[2].val.via.str;
    assert_text(text->ptr, text->size, "a?b\xe2\x82\xac");
    msgpack_sbuffer_destroy(&out);
}

static void test_notifications_are_written_as_the_protocol_has_them(void **state)
{
    msgpack_sbuffer out;

    (void)state;
    msgpack_sbuffer_init(&out);
    assert_int_equal(rpc_notify(&out, WIRE_MSGPACK, "event", "\x81\xa1n\x05", 4), 0);
    assert_written(&out, "93 02 a5 6576656e74 91 81 a1 6e 05");
    assert_int_equal(rpc_notify(&out, WIRE_JSON, "event", "\x81\xa1n\x05", 4), 0);
    assert_text(out.data, out.size,
                "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"n\":5}}\n");
    msgpack_sbuffer_destroy(&out);
}

static void test_nothing_is_left_behind_by_a_reply_that_fails(void **state)
{
    struct rpc_failure busy = {.code = RPC_BUSY, .text = "full"};
    msgpack_sbuffer out;

    (void)state;
    msgpack_sbuffer_init(&out);
    msgpack_sbuffer_write(&out, "before", 6);
    assert_int_equal(rpc_reply(&out, &json_id, "\x81\x01\x02", 3), -EBADMSG);
    assert_int_equal(rpc_reply(&out, &json_id, "\xc0\xc0", 2), -EBADMSG);
    assert_int_equal(rpc_reply(&out, &json_id, "\xca\x7f\xc0\x00\x00", 5), -EBADMSG);
    assert_int_equal(rpc_error(&out, &json_id, &busy, "\x05", 1), -EBADMSG);
    assert_int_equal(rpc_error(&out, &msgpack_id, &busy, "\x05", 1), -EBADMSG);
    assert_int_equal(rpc_notify(&out, WIRE_JSON, "m", "\x81", 1), -EBADMSG);
    assert_text(out.data, out.size, "before");
    msgpack_sbuffer_destroy(&out);
}

static void test_a_client_and_a_broker_understand_each_other(void **state)
{
    static const uint32_t msgids[] = {0, 127, 128, 255, 256, 65535, 65536, UINT32_MAX};
    struct rpc_failure not_found = {.code = RPC_NOT_FOUND, .text = "gone"};
    struct rpc_message message;
    msgpack_sbuffer out;

    msgpack_sbuffer_init(&out);
    for (size_t i = 0; i < sizeof msgids / sizeof *msgids; i++) {
        msgpack_sbuffer_clear(&out);
        assert_int_equal(rpc_request_encode(&out, msgids[i], "memory.get", "\x81\xa1n\x05", 4), 0);
        assert_int_equal(rpc_request_decode(WIRE_MSGPACK, (uint8_t *)out.data, out.size, *state,
                                            &request, &failure),
                         RPC_OK);
        assert_true(request.id.present && request.id.msgid == msgids[i]);
        assert_string_equal(request.method, "memory.get");
        assert_int_equal(request.params.via.map.ptr[0].val.via.u64, 5);

        msgpack_sbuffer_clear(&out);
        assert_int_equal(rpc_reply(&out, &request.id, "\x91\x05", 2), 0);
        assert_int_equal(rpc_message_decode((uint8_t *)out.data, out.size, *state, &message), 0);
        assert_true(!message.is_error && !message.is_notification && !message.no_msgid);
        assert_true(message.msgid == msgids[i]);
        assert_int_equal(message.body.via.array.ptr[0].via.u64, 5);

        msgpack_sbuffer_clear(&out);
        assert_int_equal(rpc_error(&out, &request.id, &not_found, NULL, 0), 0);
        assert_int_equal(rpc_message_decode((uint8_t *)out.data, out.size, *state, &message), 0);
        assert_true(message.is_error && message.msgid == msgids[i]);
        assert_int_equal(message.body.via.map.ptr[0].val.via.i64, RPC_NOT_FOUND);
    }
    msgpack_sbuffer_clear(&out);
    assert_int_equal(rpc_notify(&out, WIRE_MSGPACK, "alert", "\x80", 1), 0);
    assert_int_equal(rpc_message_decode((uint8_t *)out.data, out.size, *state, &message), 0);
    assert_true(message.is_notification);
    assert_string_equal(message.method, "alert");
    assert_int_equal(message.body.type, MSGPACK_OBJECT_MAP);
    msgpack_sbuffer_destroy(&out);
}

static void test_a_client_refuses_what_is_no_message(void **state)
{
    static const char *const cases[] = {
        "",
        "00",
        "90",
        "91 01",
        "93 01 02 c0",
        "94 01 ff c0 c0",
        "94 01 c0 c0 c0",
        "94 00 01 a1 6d 90",
        "93 02 01 91 80",
        "93 02 a1 6d 90",
        "93 02 a1 6d 91 c0",
        "94 01 01 c0 c0 c0",
        "94 01 01 c0",
        "94 01 01 c0 a1 ff",
        "95 01 01 c0 c0 c0",
        "c1",
    };
    struct rpc_message message;
    uint8_t bytes[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = from_hex(cases[i], bytes);
        assert_int_equal(rpc_message_decode(bytes, size, *state, &message), -EBADMSG);
    }
    size_t size = from_hex("94 01 c0 81 a4 636f6465 d1 80a6 c0", bytes);
    assert_int_equal(rpc_message_decode(bytes, size, *state, &message), 0);
    assert_true(message.is_error && message.no_msgid);
}

#define with_zone(test) cmocka_unit_test_setup_teardown(test, zone_setup, zone_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_zone(test_replies_are_written_as_the_protocol_has_them),
        with_zone(test_errors_are_written_as_the_protocol_has_them),
        with_zone(test_a_garbled_message_is_sent_as_valid_text),
        with_zone(test_notifications_are_written_as_the_protocol_has_them),
        with_zone(test_nothing_is_left_behind_by_a_reply_that_fails),
        with_zone(test_a_client_and_a_broker_understand_each_other),
        with_zone(test_a_client_refuses_what_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
