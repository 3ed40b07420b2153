/* An alert comes back from its event as it went in; what comes from outside is made fit; and fields
 * that are none of ours are told apart without reading past their end. */
#include "broker/alert.h"

#include <errno.h>
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

static struct alert full_alert(void)
{
    return (struct alert){.id = text("rapid-delete/s-1/7"),
                          .rule = text("rapid-delete"),
                          .severity = MEMFERRY_SEVERITY_CRITICAL,
                          .at_ms = 1700000000000,
                          .session_id = text("s-1"),
                          .peer_pid = 4711,
                          .peer_command = text("python3 agent.py"),
                          .count = 40,
                          .adds = true,
                          .sample_ids = {text("a"), text("b")},
                          .sample_count = 2,
                          .statement = text("DROP TABLE memory"),
                          .summary = text("40 deletes within 60 s"),
                          .undo = text("memferry undo rapid-delete/s-1/7")};
}

struct made {
    msgpack_sbuffer fields;
    struct event event;
    struct alert found;
};

static int make(struct made *made, const struct alert *alert)
{
    msgpack_sbuffer_init(&made->fields);
    int r = alert_event(alert, &made->fields, &made->event);
    return r < 0 ? r : alert_decode(&made->event, &made->found);
}

static void assert_text(struct event_text found, const char *expected)
{
    assert_int_equal(found.size, strlen(expected));
    if (found.size > 0) {
        assert_memory_equal(found.data, expected, found.size);
    }
}

static void test_an_alert_comes_back_as_it_went_in(void **state)
{
    struct alert alert = full_alert();
    struct made made;

    (void)state;
    assert_int_equal(make(&made, &alert), 0);
    assert_int_equal(made.event.op, EVENT_ALERT);
    assert_text(made.event.event_id, "rapid-delete/s-1/7");
    assert_text(made.event.session_id, "s-1");
    assert_int_equal(made.event.peer_pid, 4711);
    assert_int_equal(made.found.severity, MEMFERRY_SEVERITY_CRITICAL);
    assert_true(made.found.at_ms == 1700000000000);
    assert_int_equal(made.found.peer_pid, 4711);
    assert_int_equal(made.found.count, 40);
    assert_true(made.found.adds);
    assert_int_equal(made.found.sample_count, 2);
    assert_text(made.found.sample_ids[1], "b");
    assert_text(made.found.rule, "rapid-delete");
    assert_text(made.found.session_id, "s-1");
    assert_text(made.found.peer_command, "python3 agent.py");
    assert_text(made.found.statement, "DROP TABLE memory");
    assert_text(made.found.summary, "40 deletes within 60 s");
    assert_text(made.found.undo, "memferry undo rapid-delete/s-1/7");
    msgpack_sbuffer_destroy(&made.fields);
}

static void test_what_is_absent_stays_absent(void **state)
{
    struct alert alert = {
        .id = text("x"), .rule = text("r"), .severity = MEMFERRY_SEVERITY_INFO, .count = 1};
    struct made made;

    (void)state;
    assert_int_equal(make(&made, &alert), 0);
    assert_null(made.found.session_id.data);
    assert_null(made.found.statement.data);
    assert_int_equal(made.found.sample_count, 0);
    assert_false(made.found.adds);
    msgpack_sbuffer_destroy(&made.fields);
}

static void test_a_long_text_is_cut_at_a_whole_character(void **state)
{
    struct alert alert = full_alert();
    char statement[2 * ALERT_STATEMENT_MAX];
    struct made made;

    (void)state;
    for (size_t i = 0; i < sizeof statement; i += 3) {
        memcpy(statement + i, "€", sizeof statement - i < 3 ? sizeof statement - i : 3);
    }
    alert.statement = (struct event_text){.data = statement, .size = sizeof statement};
    assert_int_equal(make(&made, &alert), 0);
    assert_int_equal(made.found.statement.size, ALERT_STATEMENT_MAX / 3 * 3);
    assert_memory_equal(made.found.statement.data, statement, made.found.statement.size);
    msgpack_sbuffer_destroy(&made.fields);
}

static void test_a_command_line_of_any_bytes_becomes_text(void **state)
{
    struct alert alert = full_alert();
    struct made made;

    (void)state;
    alert.peer_command = (struct event_text){.data = "rm\0-rf\0\xff\xc3\n\xc3\xa4", .size = 12};
    assert_int_equal(make(&made, &alert), 0);
    assert_text(made.found.peer_command, "rm -rf ??\n\xc3\xa4");
    msgpack_sbuffer_destroy(&made.fields);
}

static void test_an_alert_without_its_essentials_is_not_made(void **state)
{
    struct alert without[5];
    struct made made;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        without[i] = full_alert();
    }
    without[0].id = (struct event_text){0};
    without[1].rule = (struct event_text){0};
    without[2].severity = 0;
    without[3].sample_count = ALERT_SAMPLES_MAX + 1;
    without[4].count = UINT64_MAX;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(make(&made, &without[i]), -EINVAL);
        msgpack_sbuffer_destroy(&made.fields);
    }
}

static int decode_bytes(const char *bytes, size_t size)
{
    struct event event = {.op = EVENT_ALERT, .event_id = text("x"), .fields_size = size};
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    struct alert alert;

    memcpy(exact, bytes, size);
    event.fields = exact;
    int r = alert_decode(&event, &alert);
    free(exact);
    return r;
}

static void test_fields_that_are_none_of_ours_are_refused(void **state)
{
    struct alert alert = full_alert();
    struct made made;

    (void)state;
    assert_int_equal(make(&made, &alert), 0);
    for (size_t size = 0; size < made.fields.size; size++) {
        assert_int_equal(decode_bytes(made.fields.data, size), -EBADMSG);
    }
    assert_int_equal(decode_bytes("\x81\xa4rule\xa1r", 8), -EBADMSG); /* no severity */
    assert_int_equal(decode_bytes("\x82\xa4rule\xa1r\xa8severity\x04", 18), -EBADMSG);
    assert_int_equal(decode_bytes("\x82\xa4rule\xa1r\xa8severity\x02", 18), 0);
    assert_int_equal(decode_bytes("\x83\xa4rule\xa1r\xa8severity\x02\xa3new\x01", 23), -EBADMSG);
    assert_int_equal(
        decode_bytes("\x83\xa4rule\xa1r\xa8severity\x02\xaasample_ids\xdc\x00\x15", 32),
        -EBADMSG); /* 21 of them */
    msgpack_sbuffer_destroy(&made.fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_alert_comes_back_as_it_went_in),
        cmocka_unit_test(test_what_is_absent_stays_absent),
        cmocka_unit_test(test_a_long_text_is_cut_at_a_whole_character),
        cmocka_unit_test(test_a_command_line_of_any_bytes_becomes_text),
        cmocka_unit_test(test_an_alert_without_its_essentials_is_not_made),
        cmocka_unit_test(test_fields_that_are_none_of_ours_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
