/* An event comes back from its payload as it went in, and a payload that is none of ours is told
 * apart without reading past its end. */
#include "broker/event.h"

#include "broker/unpack.h"

#include <errno.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct event_text text(const char *data)
{
    return (struct event_text){.data = data, .size = strlen(data)};
}

/* {"kind": "fact", "content": "tea"} */
static const uint8_t with_content[] = "\x82\xa4kind\xa4"
                                      "fact\xa7"
                                      "content\xa3tea";
/* {"kind": "fact"} */
static const uint8_t without_content[] = "\x81\xa4kind\xa4"
                                         "fact";

static struct event full_event(void)
{
    return (struct event){.op = EVENT_PUT,
                          .retry = true,
                          .has_expected_version = true,
                          .expected_version = UINT64_MAX,
                          .peer_pid = INT64_MAX,
                          .event_id = text("e-1"),
                          .memory_id = text("m-1"),
                          .session_id = text("s-1"),
                          .reason = text("because"),
                          .fields = with_content,
                          .fields_size = sizeof with_content - 1};
}

/* A copy of exactly its size, so that a sanitizer sees a read past the end. */
static int decode_exact(const uint8_t *payload, size_t size, struct event *ret_event)
{
    uint8_t *exact = malloc(size + 1);
    memcpy(exact, payload, size);
    exact = realloc(exact, size == 0 ? 1 : size);
    int r = event_decode(exact, size, ret_event);
    free(exact);
    return r;
}

static void assert_text(struct event_text found, const char *expected)
{
    assert_non_null(found.data);
    assert_int_equal(found.size, strlen(expected));
    assert_memory_equal(found.data, expected, found.size);
}

static void test_an_event_comes_back_as_it_went_in(void **state)
{
    struct event event = full_event(), found;
    uint8_t buffer[512];

    (void)state;
    assert_true(event_size_max(&event) <= sizeof buffer);
    size_t size = event_encode(&event, buffer);
    assert_true(size <= event_size_max(&event));
    assert_int_equal(event_decode(buffer, size, &found), 0);
    assert_int_equal(found.op, EVENT_PUT);
    assert_true(found.retry);
    assert_true(found.has_expected_version);
    assert_true(found.expected_version == UINT64_MAX);
    assert_true(found.peer_pid == INT64_MAX);
    assert_text(found.event_id, "e-1");
    assert_text(found.memory_id, "m-1");
    assert_text(found.session_id, "s-1");
    assert_text(found.reason, "because");
    assert_int_equal(found.fields_size, sizeof with_content - 1);
    assert_memory_equal(found.fields, with_content, found.fields_size);
}

static void test_what_is_absent_stays_absent(void **state)
{
    struct event event = {.op = EVENT_DELETE, .memory_id = text("m")}, found;
    uint8_t buffer[256];

    (void)state;
    size_t size = event_encode(&event, buffer);
    assert_int_equal(event_decode(buffer, size, &found), 0);
    assert_int_equal(found.op, EVENT_DELETE);
    assert_null(found.event_id.data);
    assert_null(found.session_id.data);
    assert_null(found.reason.data);
    assert_null(found.fields);
    assert_false(found.retry);
    assert_false(found.has_expected_version);
}

static void test_every_cut_payload_is_refused(void **state)
{
    struct event event = full_event(), found;
    uint8_t buffer[512];

    (void)state;
    size_t size = event_encode(&event, buffer);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(decode_exact(buffer, cut, &found), -EBADMSG);
    }
    assert_int_equal(decode_exact(buffer, size, &found), 0);
    buffer[size] = 0xc0;
    assert_int_equal(decode_exact(buffer, size + 1, &found), -EBADMSG);
}

static void test_changed_bytes_never_read_past_the_end(void **state)
{
    struct event event = full_event(), found;
    uint8_t buffer[512];

    (void)state;
    size_t size = event_encode(&event, buffer);
    for (size_t at = 0; at < size; at++) {
        uint8_t kept = buffer[at];
        for (unsigned value = 0; value < 256; value++) {
            buffer[at] = (uint8_t)value;
            int r = decode_exact(buffer, size, &found);
            assert_true(r == 0 || r == -EBADMSG);
        }
        buffer[at] = kept;
    }
}

static void assert_refused(const char *bytes, size_t size)
{
    struct event found;

    assert_int_equal(decode_exact((const uint8_t *)bytes, size, &found), -EBADMSG);
}

static void test_what_a_newer_broker_wrote_is_refused(void **state)
{
    (void)state;
    assert_refused("\x83\x01\x02\x03\xa1m\x0a\x01", 8);     /* key 10 */
    assert_refused("\x82\x01\x64\x03\xa1m", 6);             /* op 100 */
    assert_refused("\x82\x01\x00\x03\xa1m", 6);             /* op 0 */
    assert_refused("\x83\x01\x02\x03\xa1m\x03\xa1n", 9);    /* a key twice */
    assert_refused("\x81\x01\x02", 3);                      /* a delete of nothing */
    assert_refused("\x82\x01\x01\x03\xa1m", 6);             /* a put of nothing */
    assert_refused("\x83\x01\x01\x03\xa1m\x09\x91\xc0", 9); /* fields are no map */
    assert_refused("\xdf\xff\xff\xff\xff", 5);              /* claims four billion pairs */
    assert_refused("\xc7\x00\x01", 3);                      /* an ext type */
}

static void assert_checked(const char *bytes, size_t size, int expected)
{
    struct event found;

    assert_int_equal(event_check((const uint8_t *)bytes, size, &found), expected);
}

static void test_a_text_that_is_no_utf8_is_refused_wherever_it_is(void **state)
{
    (void)state;
    assert_checked("\x82\x01\x02\x03\xa1m", 6, 0);
    assert_checked("\x82\x01\x02\x03\xa1\xff", 6, -EBADMSG);                    /* an id */
    assert_checked("\x83\x01\x01\x03\xa1m\x09\x81\xa1k\xa1v", 12, 0);           /* fields */
    assert_checked("\x83\x01\x01\x03\xa1m\x09\x81\xa1k\xa1\xff", 12, -EBADMSG); /* a value */
    assert_checked("\x83\x01\x01\x03\xa1m\x09\x81\xa1\xc0\xa1v", 12, -EBADMSG); /* a name */
}

static void test_what_is_of_no_memory_names_none(void **state)
{
    (void)state;
    assert_refused("\x84\x01\x08\x02\xa1i\x03\xa1m\x09\x80", 11); /* an alert */
    assert_refused("\x82\x01\x09\x03\xa1m", 6);                   /* its ack */
    assert_refused("\x83\x01\x05\x03\xa1m\x04\xa1s", 9);          /* a session's begin */
    assert_refused("\x83\x01\x06\x03\xa1m\x04\xa1s", 9);          /* and end */
    assert_refused("\x82\x01\x07\x03\xa1m", 6);                   /* a statement */
}

static void test_conditions_and_deletes_wait_for_the_apply(void **state)
{
    struct event event = {.op = EVENT_PUT,
                          .memory_id = text("m"),
                          .fields = with_content,
                          .fields_size = sizeof with_content - 1};

    (void)state;
    assert_false(event_needs_apply(&event));
    event.retry = true;
    assert_true(event_needs_apply(&event));
    event.retry = false;
    event.has_expected_version = true;
    assert_true(event_needs_apply(&event));
    event.has_expected_version = false;
    event.fields = without_content;
    event.fields_size = sizeof without_content - 1;
    assert_true(event_needs_apply(&event));
    event.op = EVENT_DELETE;
    assert_true(event_needs_apply(&event));
    event.op = EVENT_STATEMENT;
    assert_true(event_needs_apply(&event));
}

static void test_ops_have_names(void **state)
{
    (void)state;
    assert_string_equal(event_op_name(EVENT_PUT), "put");
    assert_string_equal(event_op_name(EVENT_DELETE), "delete");
    assert_string_equal(event_op_name(EVENT_SESSION_END), "session_end");
}

/* Everything msgpack-c writes of a number is read back as that number. */
static void test_numbers_of_every_width_are_read(void **state)
{
    static const int64_t numbers[] = {
        0,   1,    127,  128,    255,    256,       65535,     65536,      -1,        -32,
        -33, -128, -129, -32768, -32769, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        msgpack_sbuffer buffer;
        msgpack_packer out;
        int64_t found;
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&out, &buffer, msgpack_sbuffer_write);
        msgpack_pack_int64(&out, numbers[i]);
        struct unpack in = unpack_over((const uint8_t *)buffer.data, buffer.size);
        assert_true(unpack_int(&in, &found));
        assert_true(found == numbers[i]);
        assert_ptr_equal(in.at, in.end);
        msgpack_sbuffer_destroy(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_comes_back_as_it_went_in),
        cmocka_unit_test(test_what_is_absent_stays_absent),
        cmocka_unit_test(test_every_cut_payload_is_refused),
        cmocka_unit_test(test_changed_bytes_never_read_past_the_end),
        cmocka_unit_test(test_what_a_newer_broker_wrote_is_refused),
        cmocka_unit_test(test_a_text_that_is_no_utf8_is_refused_wherever_it_is),
        cmocka_unit_test(test_what_is_of_no_memory_names_none),
        cmocka_unit_test(test_conditions_and_deletes_wait_for_the_apply),
        cmocka_unit_test(test_ops_have_names),
        cmocka_unit_test(test_numbers_of_every_width_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
