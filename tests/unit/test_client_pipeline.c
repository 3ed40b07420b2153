/* Many requests in flight: each completes exactly once, in the order the answers arrive, also when
 * the connection breaks under them. */
#include "memferry/client.h"
#include "tests/lib/fake_broker.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct memferry *start(struct fake_broker *broker, const struct fake_step *steps,
                              unsigned window)
{
    struct memferry *m;

    fake_broker_start(broker, steps);
    struct memferry_settings settings = {
        .size = sizeof settings, .socket = broker->socket, .timeout_ms = 20000, .window = window};
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_OK);
    return m;
}

static void finish(struct fake_broker *broker, struct memferry *m)
{
    memferry_close(m);
    fake_broker_join(broker);
    assert_false(broker->failed);
    fake_broker_free(broker);
}

static uint64_t submit(struct memferry *m)
{
    struct memferry_put put = {.size = sizeof put, .content = "Tea at four"};
    uint64_t tag;

    assert_int_equal(memferry_submit_put(m, &put, &tag), MEMFERRY_OK);
    return tag;
}

/* Receives, and frees the reply. */
static struct memferry_completion receive(struct memferry *m)
{
    struct memferry_completion done;

    assert_int_equal(memferry_receive(m, 20000, &done), MEMFERRY_OK);
    memferry_reply_free(done.reply);
    return done;
}

static void test_completions_come_in_the_order_of_the_answers(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},      {FAKE_READ},        {FAKE_READ}, {FAKE_READ}, {FAKE_REPLY_LAST, "{}"},
        {FAKE_REPLY, "{}"}, {FAKE_REPLY, "{}"}, {FAKE_WAIT}, {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 0);

    (void)state;
    uint64_t first = submit(m), second = submit(m), third = submit(m);
    assert_int_equal(memferry_in_flight(m), 3);
    assert_int_equal(receive(m).tag, third);
    assert_int_equal(receive(m).tag, first);
    assert_int_equal(receive(m).tag, second);
    assert_int_equal(memferry_in_flight(m), 0);
    finish(&broker, m);
}

static void test_a_completion_brings_receipt_or_error(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_READ},
        {FAKE_RECEIPT, "3"},
        {FAKE_ERROR, "-32602 content is too long|{\"field\":\"content\"}"},
        {FAKE_WAIT},
        {0}};
    struct memferry_completion done;
    struct memferry_receipt receipt;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 0);

    (void)state;
    submit(m);
    submit(m);
    assert_int_equal(memferry_receive(m, -1, &done), MEMFERRY_OK);
    assert_int_equal(done.code, MEMFERRY_OK);
    assert_int_equal(memferry_reply_receipt(done.reply, &receipt), MEMFERRY_OK);
    assert_int_equal(receipt.seq, 3);
    assert_string_equal(memferry_error(m), "");
    memferry_reply_free(done.reply);
    assert_int_equal(memferry_receive(m, -1, &done), MEMFERRY_OK);
    assert_int_equal(done.code, MEMFERRY_E_INVALID_PARAMS);
    assert_string_equal(memferry_error(m), "content is too long");
    assert_string_equal(memferry_error_field(m), "content");
    assert_non_null(done.reply);
    memferry_reply_free(done.reply);
    finish(&broker, m);
}

static void test_a_full_window_refuses_until_something_is_received(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},      {FAKE_READ},        {FAKE_READ},
                                             {FAKE_REPLY, "{}"}, {FAKE_REPLY, "{}"}, {FAKE_READ},
                                             {FAKE_REPLY, "{}"}, {FAKE_WAIT},        {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 2);
    uint64_t tag;

    (void)state;
    uint64_t first = submit(m), second = submit(m);
    assert_int_equal(memferry_submit(m, "stats", NULL, &tag), MEMFERRY_E_FULL);
    assert_int_equal(receive(m).tag, first);
    uint64_t third = submit(m);
    assert_int_equal(receive(m).tag, second);
    assert_int_equal(receive(m).tag, third);
    finish(&broker, m);
}

static void test_a_break_completes_each_request_once_as_uncertain(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_READ},
                                             {FAKE_READ},
                                             {FAKE_REPLY_LAST, "{}"},
                                             {FAKE_CLOSE},
                                             {FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{}"},
                                             {FAKE_WAIT},
                                             {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 3);
    struct memferry_completion done;
    uint64_t tags[3];
    bool seen[3] = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        tags[i] = submit(m);
    }
    done = receive(m);
    assert_int_equal(done.tag, tags[2]);
    assert_int_equal(done.code, MEMFERRY_OK);
    for (size_t i = 0; i < 2; i++) {
        done = receive(m);
        assert_int_equal(done.code, MEMFERRY_E_UNCERTAIN);
        assert_true(strlen(memferry_error(m)) > 0);
        assert_true(done.tag == tags[0] || done.tag == tags[1]);
        assert_false(seen[done.tag == tags[1]]);
        seen[done.tag == tags[1]] = true;
    }
    assert_int_equal(memferry_receive(m, 0, &done), MEMFERRY_E_INVALID);
    uint64_t next = submit(m); /* over a new connection */
    done = receive(m);
    assert_int_equal(done.tag, next);
    assert_int_equal(done.code, MEMFERRY_OK);
    finish(&broker, m);
}

static void test_receive_without_waiting_says_again(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},      {FAKE_READ}, {FAKE_WAIT},
                                             {FAKE_REPLY, "{}"}, {FAKE_WAIT}, {0}};
    struct memferry_completion done;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 0);

    (void)state;
    assert_int_equal(memferry_receive(m, 0, &done), MEMFERRY_E_INVALID);
    submit(m);
    assert_int_equal(memferry_receive(m, 0, &done), MEMFERRY_E_AGAIN);
    assert_int_equal(memferry_in_flight(m), 1);
    fake_broker_go(&broker);
    struct pollfd ready = {.fd = memferry_fd(m), .events = memferry_events(m)};
    assert_int_equal(ready.events, POLLIN);
    assert_int_equal(poll(&ready, 1, FAKE_WAIT_MS), 1);
    assert_int_equal(memferry_receive(m, 0, &done), MEMFERRY_OK);
    memferry_reply_free(done.reply);
    finish(&broker, m);
}

static void test_a_blocking_call_between_keeps_the_others_answers(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{\"n\":1}"},
                                             {FAKE_REPLY, "{\"n\":2}"},
                                             {FAKE_WAIT},
                                             {0}};
    struct memferry_completion done;
    struct memferry_reply *reply;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 0);

    (void)state;
    uint64_t tag = submit(m);
    assert_int_equal(memferry_call(m, "stats", NULL, &reply), MEMFERRY_OK);
    assert_int_equal(memferry_node_int(memferry_node_get(memferry_reply_root(reply), "n"), 0), 2);
    memferry_reply_free(reply);
    assert_int_equal(memferry_in_flight(m), 1);
    assert_int_equal(memferry_receive(m, 0, &done), MEMFERRY_OK);
    assert_int_equal(done.tag, tag);
    assert_int_equal(memferry_node_int(memferry_node_get(memferry_reply_root(done.reply), "n"), 0),
                     1);
    memferry_reply_free(done.reply);
    finish(&broker, m);
}

static void test_garbage_completes_what_is_in_flight(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RAW, "\xc1", 1}, {FAKE_WAIT}, {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 0);

    (void)state;
    submit(m);
    assert_int_equal(receive(m).code, MEMFERRY_E_UNCERTAIN);
    assert_int_equal(memferry_fd(m), -1);
    finish(&broker, m);
}

static void test_closing_with_answers_outstanding_frees_them(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},      {FAKE_READ}, {FAKE_READ}, {FAKE_REPLY, "{\"a\":[1,2,3]}"},
        {FAKE_REPLY, "{}"}, {FAKE_WAIT}, {0}};
    struct memferry_reply *reply;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps, 0);

    (void)state;
    submit(m);
    assert_int_equal(memferry_call(m, "stats", NULL, &reply), MEMFERRY_OK);
    memferry_reply_free(reply);
    assert_int_equal(memferry_in_flight(m), 1);
    finish(&broker, m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completions_come_in_the_order_of_the_answers),
        cmocka_unit_test(test_a_completion_brings_receipt_or_error),
        cmocka_unit_test(test_a_full_window_refuses_until_something_is_received),
        cmocka_unit_test(test_a_break_completes_each_request_once_as_uncertain),
        cmocka_unit_test(test_receive_without_waiting_says_again),
        cmocka_unit_test(test_a_blocking_call_between_keeps_the_others_answers),
        cmocka_unit_test(test_garbage_completes_what_is_in_flight),
        cmocka_unit_test(test_closing_with_answers_outstanding_frees_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
