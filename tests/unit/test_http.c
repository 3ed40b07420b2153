#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/http.h"
#include "tests/lib/canceller.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct fault_server *server;
    struct fake_host host;
    struct http_settings settings;
    struct http_client *client;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->server = fault_server_start();
    fake_host_init(&f->host, NULL);
    f->settings = (struct http_settings){
        .host = &f->host.host,
        .url = fault_server_url(f->server),
        .user = "ada",
        .password = "hunter2",
        .connect_timeout_ms = 5000,
        .timeout_ms = 30000,
        .connections = 2,
        .request_max = 100000,
        .reply_max = 100000,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->client);
    fault_server_stop(f->server);
    fake_host_deinit(&f->host);
    free(f);
    return 0;
}

/* Sends one request to the server, with the settings as they are now. */
static struct http_reply send_one(struct fixture *f, const char *body)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct memferry_reason why;
    struct http_request request = {.method = body == NULL ? "GET" : "POST",
                                   .url = f->settings.url,
                                   .headers = headers,
                                   .body = body,
                                   .body_size = body == NULL ? 0 : strlen(body)};

    if (f->client == NULL) {
        assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    }
    http_exchange(f->client, &request, 1);
    return request.reply;
}

static void assert_failure(struct fixture *f, struct fault_answer answer, enum http_failure failure)
{
    fault_server_push(f->server, answer);
    struct http_reply reply = send_one(f, NULL);
    if (reply.failure != failure) {
        fail_msg("failure %d, status %ld, %s", (int)reply.failure, reply.status, reply.detail);
    }
    assert_true(strlen(reply.detail) > 0);
    assert_null(strstr(reply.detail, "hunter2"));
    assert_null(reply.body);
    http_reply_deinit(&reply);
}

static void test_a_reply_comes_whole_with_its_status(void **state)
{
    struct fixture *f = *state;

    fault_server_push(
        f->server,
        (struct fault_answer){.status = 418, .body = "{\"a\":1}", .headers = "Retry-After: 3\r\n"});
    struct http_reply reply = send_one(f, "{}");
    assert_int_equal(reply.failure, HTTP_ANSWERED);
    assert_int_equal(reply.status, 418);
    assert_string_equal(reply.body, "{\"a\":1}");
    assert_int_equal(reply.body_size, 7);
    assert_int_equal(reply.retry_after_ms, 3000);
    http_reply_deinit(&reply);
}

static void test_a_request_carries_method_headers_credentials_and_body(void **state)
{
    struct fixture *f = *state;

    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    struct http_reply reply = send_one(f, "{\"b\":2}");
    const char *request = fault_server_request(f->server, 0);
    assert_non_null(strstr(request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(request, "\r\nAuthorization: Basic YWRhOmh1bnRlcjI=\r\n"));
    assert_non_null(strstr(request, "\r\nUser-Agent: memferry/"));
    assert_null(strstr(request, "Expect"));
    assert_string_equal(strstr(request, "\r\n\r\n") + 4, "{\"b\":2}");
    http_reply_deinit(&reply);
}

static void test_the_connection_is_kept_between_exchanges(void **state)
{
    struct fixture *f = *state;

    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    for (int i = 0; i < 5; i++) {
        struct http_reply reply = send_one(f, i % 2 == 0 ? "body" : NULL);
        assert_int_equal(reply.status, 200);
        http_reply_deinit(&reply);
    }
    assert_int_equal(fault_server_request_count(f->server), 5);
    assert_int_equal(fault_server_connection_count(f->server), 1);
}

static void test_many_requests_share_the_connections_there_are(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    struct http_request requests[9] = {{.method = NULL}};

    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    for (size_t i = 0; i < 9; i++) {
        requests[i].method = "GET";
        requests[i].url = f->settings.url;
    }
    http_exchange(f->client, requests, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(requests[i].reply.failure, HTTP_ANSWERED);
        assert_string_equal(requests[i].reply.body, "x");
        http_reply_deinit(&requests[i].reply);
    }
    assert_int_equal(fault_server_request_count(f->server), 9);
    assert_true(fault_server_connection_count(f->server) <= 2);
}

static void test_a_failed_request_leaves_its_neighbour_alone(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    struct http_request requests[2] = {{.method = "GET", .url = f->settings.url},
                                       {.method = "POST", .url = f->settings.url}};
    char *large = malloc(100001);

    memset(large, 'a', 100001);
    requests[1].body = large;
    requests[1].body_size = 100001;
    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    http_exchange(f->client, requests, 2);
    assert_int_equal(requests[0].reply.failure, HTTP_ANSWERED);
    assert_int_equal(requests[1].reply.failure, HTTP_REQUEST_TOO_LARGE);
    http_reply_deinit(&requests[0].reply);
    http_reply_deinit(&requests[1].reply);
    free(large);
}

static void test_redirects_are_answers_that_tell_where_they_lead(void **state)
{
    struct fixture *f = *state;

    fault_server_push(f->server,
                      (struct fault_answer){.status = 302, .headers = "Location: /there\r\n"});
    struct http_reply reply = send_one(f, NULL);
    assert_int_equal(reply.status, 302);
    assert_int_equal(fault_server_request_count(f->server), 1);
    assert_string_equal(reply.redirect, f->settings.url);
    http_reply_deinit(&reply);
    fault_server_push(
        f->server, (struct fault_answer){.status = 307,
                                         .headers = "Location: https://u:p@else.example/a?b\r\n"});
    reply = send_one(f, NULL);
    assert_string_equal(reply.redirect, "https://else.example:443");
    http_reply_deinit(&reply);
}

/* ---- requests that are made in their turn ---- */

struct turn {
    struct http_request request;
    int answer; /* of prepare */
    unsigned prepared, finished;
    unsigned *running, *running_max; /* of all */
    enum http_failure failure_at_end;
};

static int prepare(struct http_request *request)
{
    struct turn *turn = request->arg;

    turn->prepared++;
    if (turn->answer == 0 && ++*turn->running > *turn->running_max) {
        *turn->running_max = *turn->running;
    }
    request->body = "made late";
    request->body_size = 9;
    return turn->answer;
}

static void finished(struct http_request *request)
{
    struct turn *turn = request->arg;

    turn->finished++;
    turn->failure_at_end = request->reply.failure;
    --*turn->running;
}

enum { TURNS = 9 };

/* Exchanges TURNS requests that have both; each is prepared once at most. */
static void take_turns(struct fixture *f, struct turn *turns, unsigned *running_max)
{
    struct http_request requests[TURNS];
    struct memferry_reason why;
    unsigned running = 0;

    assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    *running_max = 0;
    for (size_t i = 0; i < TURNS; i++) {
        turns[i].running = &running;
        turns[i].running_max = running_max;
        requests[i] = (struct http_request){.method = "POST",
                                            .url = f->settings.url,
                                            .prepare = prepare,
                                            .finished = finished,
                                            .arg = &turns[i]};
    }
    http_exchange(f->client, requests, TURNS);
    assert_int_equal(running, 0);
    for (size_t i = 0; i < TURNS; i++) {
        turns[i].request = requests[i];
    }
}

static void test_a_request_is_made_when_its_turn_has_come(void **state)
{
    struct fixture *f = *state;
    struct turn turns[TURNS] = {{.answer = 0}};
    unsigned running_max;

    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    take_turns(f, turns, &running_max);
    assert_true(running_max <= f->settings.connections);
    for (size_t i = 0; i < TURNS; i++) {
        assert_int_equal(turns[i].prepared, 1);
        assert_int_equal(turns[i].finished, 1);
        assert_int_equal(turns[i].request.reply.status, 200);
        assert_string_equal(strstr(fault_server_request(f->server, i), "\r\n\r\n") + 4,
                            "made late");
        http_reply_deinit(&turns[i].request.reply);
    }
}

static void test_a_request_that_cannot_be_made_is_not_sent(void **state)
{
    struct fixture *f = *state;
    struct turn turns[TURNS] = {
        {.answer = 0}, {.answer = -EMSGSIZE}, {.answer = -ECANCELED}, {.answer = -ENOMEM}};
    static const enum http_failure failures[] = {HTTP_ANSWERED, HTTP_REQUEST_TOO_LARGE,
                                                 HTTP_CANCELLED, HTTP_LOCAL, HTTP_ANSWERED};
    unsigned running_max;

    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    take_turns(f, turns, &running_max);
    for (size_t i = 0; i < TURNS; i++) {
        assert_int_equal(turns[i].request.reply.failure, failures[i < 4 ? i : 4]);
        assert_int_equal(turns[i].finished, turns[i].answer == 0 ? 1 : 0);
        http_reply_deinit(&turns[i].request.reply);
    }
    assert_int_equal(fault_server_request_count(f->server), TURNS - 3);
}

static void test_a_made_request_is_told_of_its_end_however_it_ends(void **state)
{
    struct fixture *f = *state;
    struct turn turns[TURNS] = {{.answer = 0}};
    unsigned running_max;

    f->settings.request_max = 5;
    take_turns(f, turns, &running_max);
    for (size_t i = 0; i < TURNS; i++) {
        assert_int_equal(turns[i].finished, 1);
        assert_int_equal(turns[i].failure_at_end, HTTP_REQUEST_TOO_LARGE);
        http_reply_deinit(&turns[i].request.reply);
    }
}

static void test_cancelling_ends_made_requests_once_and_makes_no_more(void **state)
{
    struct fixture *f = *state;
    struct turn turns[TURNS] = {{.answer = 0}};
    unsigned running_max, made = 0;
    struct canceller canceller = {.server = f->server, .host = &f->host, .requests = 2};

    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_HANG});
    canceller_start(&canceller);
    take_turns(f, turns, &running_max);
    canceller_join(&canceller);
    for (size_t i = 0; i < TURNS; i++) {
        made += turns[i].prepared;
        assert_int_equal(turns[i].finished, turns[i].prepared);
        assert_int_equal(turns[i].request.reply.failure, HTTP_CANCELLED);
        assert_true(turns[i].prepared == 0 || turns[i].failure_at_end == HTTP_CANCELLED);
    }
    assert_int_equal(made, 2);
}

/* ---- what servers send back ---- */

static void test_a_login_that_comes_back_with_a_refusal_is_masked(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    assert_int_equal(http_client_hide(f->client, "token-5", 7), 0);
    fault_server_push(
        f->server, (struct fault_answer){
                       .status = 400, .body = "hunter2hunter2 Basic YWRhOmh1bnRlcjI= token-5 ada"});
    struct http_reply reply = send_one(f, NULL);
    assert_string_equal(reply.body, "************** Basic **************** ******* ada");
    http_reply_deinit(&reply);
    fault_server_push(f->server, (struct fault_answer){.body = "data of its own: hunter2"});
    reply = send_one(f, NULL);
    assert_string_equal(reply.body, "data of its own: hunter2");
    http_reply_deinit(&reply);
}

static void test_a_refused_connection_is_unreachable(void **state)
{
    struct fixture *f = *state;

    char url[64];
    int refused = fault_address_refused(url, sizeof url);

    f->settings.url = url;
    struct http_reply reply = send_one(f, NULL);
    assert_int_equal(reply.failure, HTTP_UNREACHABLE);
    assert_non_null(strstr(reply.detail, url));
    http_reply_deinit(&reply);
    close(refused);
}

static void test_an_unknown_host_is_unreachable(void **state)
{
    struct fixture *f = *state;

    f->settings.url = "https://no-such-host.invalid";
    struct http_reply reply = send_one(f, NULL);
    assert_int_equal(reply.failure, HTTP_UNREACHABLE);
    http_reply_deinit(&reply);
}

static void assert_login(struct fixture *f, const char *url, bool goes)
{
    struct memferry_reason why;

    f->settings.url = url;
    int r = http_client_new(&f->client, &f->settings, &why);
    if ((r == 0) != goes) {
        fail_msg("%s: %d", url, r);
    }
    if (r < 0) {
        assert_non_null(strstr(why.text, "plain_http"));
        assert_null(strstr(why.text, "hunter2"));
    }
    f->client = r == 0 ? http_client_free(f->client) : NULL;
}

static void test_a_login_goes_unencrypted_to_this_machine_alone(void **state)
{
    struct fixture *f = *state;

    assert_login(f, "http://graph.example:7474", false);
    assert_login(f, "http://127.0.0.1.example:7474", false);
    assert_login(f, "http://localhost.example", false);
    assert_login(f, "http://10.0.0.1:7474", false);
    assert_login(f, "http://[fe80::1]:7474", false);
    assert_login(f, "https://graph.example:7474", true);
    assert_login(f, "http://127.0.0.1:7474", true);
    assert_login(f, "http://localhost:7474", true);
    assert_login(f, "http://[::1]:7474", true);
    f->settings.plain_http = true;
    assert_login(f, "http://graph.example:7474", true);
    f->settings.plain_http = false;
    f->settings.user = f->settings.password = NULL;
    assert_login(f, "http://graph.example:7474", true);
    f->settings.logs_in = true;
    assert_login(f, "http://graph.example:7474", false);
}

static void test_connections_that_end_early_are_broken(void **state)
{
    struct fixture *f = *state;

    assert_failure(f, (struct fault_answer){.kind = FAULT_RESET}, HTTP_BROKEN);
    assert_failure(f, (struct fault_answer){.kind = FAULT_RESET_MID_BODY, .body = "{\"errors\":"},
                   HTTP_BROKEN);
    assert_failure(f, (struct fault_answer){.kind = FAULT_TRUNCATED, .body = "{\"errors\":[]}"},
                   HTTP_BROKEN);
    assert_failure(f, (struct fault_answer){.kind = FAULT_GARBAGE}, HTTP_BROKEN);
}

static void test_silence_and_a_slow_drip_time_out(void **state)
{
    struct fixture *f = *state;

    f->settings.timeout_ms = 200;
    assert_failure(f, (struct fault_answer){.kind = FAULT_HANG}, HTTP_TIMED_OUT);
    assert_failure(f, (struct fault_answer){.kind = FAULT_DRIP, .body = "{\"errors\":[]}"},
                   HTTP_TIMED_OUT);
}

static void test_a_reply_over_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_failure(f, (struct fault_answer){.kind = FAULT_HUGE}, HTTP_REPLY_TOO_LARGE);
}

static void test_https_to_a_server_without_it_is_a_tls_failure(void **state)
{
    struct fixture *f = *state;
    char url[64] = "https://127.0.0.1";

    strcat(url, strrchr(fault_server_url(f->server), ':'));
    f->settings.url = url;
    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_GARBAGE});
    /* The hello has no end of a head, so the server never answers: the handshake times out, or
     * fails at once when the server closes. Either way nothing was sent. */
    f->settings.connect_timeout_ms = 300;
    struct http_reply reply = send_one(f, "secret body");
    assert_true(reply.failure == HTTP_TLS || reply.failure == HTTP_UNREACHABLE);
    assert_int_equal(fault_server_request_count(f->server), 0);
    http_reply_deinit(&reply);
}

static void test_cancelling_ends_what_runs_and_what_waits(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    struct http_request requests[3] = {{.method = "GET", .url = f->settings.url},
                                       {.method = "GET", .url = f->settings.url},
                                       {.method = "GET", .url = f->settings.url}};
    struct canceller canceller = {.server = f->server, .host = &f->host, .requests = 2};

    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_HANG});
    assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    canceller_start(&canceller);
    http_exchange(f->client, requests, 3);
    canceller_join(&canceller);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(requests[i].reply.failure, HTTP_CANCELLED);
        http_reply_deinit(&requests[i].reply);
    }
    assert_int_equal(fault_server_request_count(f->server), 2);

    /* The client is good for a next call. */
    fake_host_uncancel(&f->host);
    fault_server_push(f->server, (struct fault_answer){.body = "x"});
    struct http_reply reply = send_one(f, NULL);
    assert_int_equal(reply.status, 200);
    http_reply_deinit(&reply);
}

static void test_the_target_shows_neither_path_nor_query(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    f->settings.url = "https://hooks.example/webhook/secret?token=1";
    assert_int_equal(http_client_new(&f->client, &f->settings, &why), 0);
    assert_string_equal(http_client_target(f->client), "https://hooks.example:443");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_reply_comes_whole_with_its_status),
        TEST(test_a_request_carries_method_headers_credentials_and_body),
        TEST(test_the_connection_is_kept_between_exchanges),
        TEST(test_many_requests_share_the_connections_there_are),
        TEST(test_a_failed_request_leaves_its_neighbour_alone),
        TEST(test_redirects_are_answers_that_tell_where_they_lead),
        TEST(test_a_request_is_made_when_its_turn_has_come),
        TEST(test_a_request_that_cannot_be_made_is_not_sent),
        TEST(test_a_made_request_is_told_of_its_end_however_it_ends),
        TEST(test_cancelling_ends_made_requests_once_and_makes_no_more),
        TEST(test_a_login_that_comes_back_with_a_refusal_is_masked),
        TEST(test_a_refused_connection_is_unreachable),
        TEST(test_an_unknown_host_is_unreachable),
        TEST(test_a_login_goes_unencrypted_to_this_machine_alone),
        TEST(test_connections_that_end_early_are_broken),
        TEST(test_silence_and_a_slow_drip_time_out),
        TEST(test_a_reply_over_the_limit_is_refused),
        TEST(test_https_to_a_server_without_it_is_a_tls_failure),
        TEST(test_cancelling_ends_what_runs_and_what_waits),
        TEST(test_the_target_shows_neither_path_nor_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
