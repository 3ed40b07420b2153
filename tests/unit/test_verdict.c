#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/verdict.h"

#include <string.h>

static const char target[] = "http://127.0.0.1:7474";

static struct memferry_outcome verdict_of(long status, int64_t retry_after_ms, size_t n)
{
    struct http_reply reply = {.status = status, .retry_after_ms = retry_after_ms};

    return http_verdict(&reply, n, target);
}

static void assert_verdict(long status, enum memferry_verdict verdict, enum memferry_blame blame)
{
    struct memferry_outcome one = verdict_of(status, -1, 1);

    if (one.verdict != verdict || one.blame != blame) {
        fail_msg("%ld: verdict %d, blame %d", status, (int)one.verdict, (int)one.blame);
    }
}

static void test_success_is_done(void **state)
{
    (void)state;
    assert_verdict(200, MEMFERRY_DONE, MEMFERRY_BLAME_RECORD);
    assert_verdict(204, MEMFERRY_DONE, MEMFERRY_BLAME_RECORD);
}

static void test_what_every_request_would_get_is_the_backends(void **state)
{
    static const long statuses[] = {301, 302, 307, 308, 401, 403, 404, 405, 407, 408, 410, 429};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        assert_verdict(statuses[i], MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND);
        assert_int_equal(verdict_of(statuses[i], -1, 100).blame, MEMFERRY_BLAME_BACKEND);
    }
}

static void test_a_bad_record_is_rejected_and_a_bad_batch_halved(void **state)
{
    static const long statuses[] = {400, 409, 413, 414, 422, 431};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        assert_verdict(statuses[i], MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
        assert_int_equal(verdict_of(statuses[i], -1, 2).verdict, MEMFERRY_REJECT);
        assert_int_equal(verdict_of(statuses[i], -1, 2).blame, MEMFERRY_BLAME_BATCH);
    }
}

static void test_server_errors_are_retries_of_the_record(void **state)
{
    (void)state;
    assert_verdict(500, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    assert_verdict(502, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    assert_verdict(503, MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    assert_int_equal(verdict_of(500, -1, 2).blame, MEMFERRY_BLAME_BATCH);
}

static void test_an_unavailable_server_that_says_until_when_is_the_backends(void **state)
{
    struct memferry_outcome outcome = verdict_of(503, 7000, 1);

    (void)state;
    assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
    assert_int_equal(outcome.retry_after_ms, 7000);
    assert_int_equal(verdict_of(429, 5000, 1).retry_after_ms, 5000);
}

static void test_transport_failures_blame_no_memory(void **state)
{
    static const enum http_failure failures[] = {
        HTTP_UNREACHABLE, HTTP_TIMED_OUT, HTTP_BROKEN,         HTTP_TLS,
        HTTP_CANCELLED,   HTTP_LOCAL,     HTTP_REPLY_TOO_LARGE};

    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        struct http_reply reply = {.failure = failures[i], .detail = "it broke"};
        struct memferry_outcome outcome = http_verdict(&reply, 10, target);
        assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
        assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
        assert_string_equal(outcome.reason.text, "it broke");
    }
}

static void test_a_request_over_the_limit_is_split_and_then_rejected(void **state)
{
    struct http_reply reply = {.failure = HTTP_REQUEST_TOO_LARGE, .detail = "too large"};

    (void)state;
    assert_int_equal(http_verdict(&reply, 2, target).blame, MEMFERRY_BLAME_BATCH);
    assert_int_equal(http_verdict(&reply, 1, target).blame, MEMFERRY_BLAME_RECORD);
    assert_int_equal(http_verdict(&reply, 1, target).verdict, MEMFERRY_REJECT);
}

static void test_the_reason_shows_status_and_body_as_one_line(void **state)
{
    char body[] = "bad\r\nthing";
    struct http_reply reply = {.status = 422, .body = body, .body_size = strlen(body)};

    (void)state;
    assert_string_equal(http_verdict(&reply, 1, target).reason.text,
                        "http://127.0.0.1:7474 answered 422: bad  thing");
    reply.body_size = 0;
    assert_string_equal(http_verdict(&reply, 1, target).reason.text,
                        "http://127.0.0.1:7474 answered 422");
}

static void test_shown_text_is_cut_at_a_whole_character(void **state)
{
    char buffer[5];

    (void)state;
    assert_string_equal(show_text(buffer, sizeof buffer, "abc\xc3\xa4", 5), "abc");
    assert_string_equal(show_text(buffer, sizeof buffer, "ab\xc3\xa4z", 5), "ab\xc3\xa4");
    assert_string_equal(show_text(buffer, sizeof buffer, "abcd", 4), "abcd");
}

static void test_retry_after_is_seconds_or_a_date(void **state)
{
    const int64_t now_s = 1445412440; /* Wed, 21 Oct 2015 07:27:20 GMT */

    (void)state;
    assert_int_equal(http_parse_retry_after(" 120\r\n", now_s), 120000);
    assert_int_equal(http_parse_retry_after("0", now_s), 0);
    assert_int_equal(http_parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now_s), 40000);
    assert_int_equal(http_parse_retry_after("Wed, 21 Oct 2015 07:20:00 GMT", now_s), 0);
    assert_int_equal(http_parse_retry_after("-5", now_s), -1);
    assert_int_equal(http_parse_retry_after("soon", now_s), -1);
    assert_int_equal(http_parse_retry_after("", now_s), -1);
    assert_int_equal(http_parse_retry_after("99999999999999999999999", now_s), 86400000);
}

static void test_a_url_is_checked_and_never_holds_a_password(void **state)
{
    struct memferry_reason why;

    (void)state;
    assert_int_equal(http_check_url("https://graph.example:7473", &why), 0);
    assert_true(http_check_url("bolt://127.0.0.1:7687", &why) < 0);
    assert_true(http_check_url("", &why) < 0);
    assert_true(http_check_url("http://neo4j:hunter2@127.0.0.1:7474", &why) < 0);
    assert_null(strstr(why.text, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_is_done),
        cmocka_unit_test(test_what_every_request_would_get_is_the_backends),
        cmocka_unit_test(test_a_bad_record_is_rejected_and_a_bad_batch_halved),
        cmocka_unit_test(test_server_errors_are_retries_of_the_record),
        cmocka_unit_test(test_an_unavailable_server_that_says_until_when_is_the_backends),
        cmocka_unit_test(test_transport_failures_blame_no_memory),
        cmocka_unit_test(test_a_request_over_the_limit_is_split_and_then_rejected),
        cmocka_unit_test(test_the_reason_shows_status_and_body_as_one_line),
        cmocka_unit_test(test_shown_text_is_cut_at_a_whole_character),
        cmocka_unit_test(test_retry_after_is_seconds_or_a_date),
        cmocka_unit_test(test_a_url_is_checked_and_never_holds_a_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
