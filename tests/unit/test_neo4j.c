/* The plugin's bodies, and what it makes of replies, against a scripted server. */
#include <errno.h>
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/neo4j-http/neo4j.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"
#include "tests/lib/sample_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct memferry_plugin memferry_plugin;

#define DISCOVERY                                                                                  \
    "{\"transaction\":\"http://x/db/{databaseName}/tx\",\"query\":\"http://x\","                   \
    "\"neo4j_version\":\"5.26.30\"}"
#define QUERY_ONLY "{\"query\":\"http://x/db/{databaseName}/query/v2\"}"
#define EMPTY      "{\"results\":[{\"columns\":[],\"data\":[]}],\"errors\":[]}"

enum { DIMS = 4, BATCH = 60 };

struct fixture {
    struct fault_server *server;
    struct fake_host host;
    void *self;
    struct memferry_memory memories[BATCH];
    char ids[BATCH][8];
    struct memferry_outcome outcomes[BATCH];
};

static void open_instance(struct fixture *f)
{
    assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->server = fault_server_start();
    fake_host_init(&f->host, memferry_plugin.options);
    f->host.quiet = true;
    f->host.host.dims = DIMS;
    fake_host_set(&f->host, "url", fault_server_url(f->server));
    fake_host_set(&f->host, "password", "hunter2");
    fake_host_set(&f->host, "connections", "1");
    for (unsigned i = 0; i < BATCH; i++) {
        snprintf(f->ids[i], sizeof f->ids[i], "m%02u", i);
        f->memories[i] = sample_memory(f->ids[i], 1 + i);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->self != NULL) {
        memferry_plugin.close(f->self);
    }
    fault_server_stop(f->server);
    fake_host_deinit(&f->host);
    free(f);
    return 0;
}

static void push(struct fixture *f, int status, const char *body)
{
    fault_server_push(f->server, (struct fault_answer){.status = status, .body = body});
}

/* Delivers the first n memories; the answers were pushed. */
static struct memferry_outcome deliver(struct fixture *f, size_t n)
{
    if (f->self == NULL) {
        open_instance(f);
    }
    memferry_plugin.deliver(f->self, f->memories, n, f->outcomes);
    return f->outcomes[0];
}

static void assert_outcome(struct memferry_outcome outcome, enum memferry_verdict verdict,
                           enum memferry_blame blame)
{
    if (outcome.verdict != verdict || outcome.blame != blame) {
        fail_msg("verdict %d, blame %d: %s", (int)outcome.verdict, (int)outcome.blame,
                 outcome.reason.text);
    }
    assert_null(strstr(outcome.reason.text, "hunter2"));
}

/* Delivers one memory, then two, to a server that answers both with this error. */
static void assert_error(struct fixture *f, const char *code, const char *message,
                         enum memferry_verdict verdict, enum memferry_blame blame)
{
    char body[512];

    snprintf(body, sizeof body,
             "{\"results\":[],\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}", code, message);
    fault_server_clear(f->server);
    push(f, 200, body);
    struct memferry_outcome outcome = deliver(f, 1);
    assert_outcome(outcome, verdict, blame);
    assert_non_null(strstr(outcome.reason.text, code));
    deliver(f, 2);
    blame = blame == MEMFERRY_BLAME_RECORD ? MEMFERRY_BLAME_BATCH : blame;
    assert_outcome(f->outcomes[0], verdict, blame);
    assert_outcome(f->outcomes[1], verdict, blame);
}

static void test_errors_about_values_reject_the_record(void **state)
{
    static const char *const codes[] = {
        "Neo.ClientError.Statement.TypeError", "Neo.ClientError.Statement.ArgumentError",
        "Neo.ClientError.Schema.ConstraintValidationFailed",
        "Neo.ClientError.Schema.TokenNameError", "Neo.ClientError.Request.InvalidFormat"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_error(*state, codes[i], "bad", MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
    }
    assert_error(*state, "Neo.DatabaseError.Statement.ExecutionFailed",
                 "Property value is too large to index, please see", MEMFERRY_REJECT,
                 MEMFERRY_BLAME_RECORD);
}

static void test_failures_inside_a_statement_are_retries_of_the_record(void **state)
{
    static const char *const codes[] = {"Neo.DatabaseError.Statement.ExecutionFailed",
                                        "Neo.DatabaseError.General.UnknownError",
                                        "Neo.TransientError.General.MemoryPoolOutOfMemoryError"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_error(*state, codes[i], "odd", MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    }
}

static void test_all_other_errors_are_the_backends(void **state)
{
    static const char *const codes[] = {"Neo.ClientError.Security.Unauthorized",
                                        "Neo.ClientError.Security.Forbidden",
                                        "Neo.ClientError.Database.DatabaseNotFound",
                                        "Neo.ClientError.Statement.SyntaxError",
                                        "Neo.TransientError.General.DatabaseUnavailable",
                                        "Neo.TransientError.Transaction.DeadlockDetected",
                                        "Neo.DatabaseError.Transaction.TransactionCommitFailed",
                                        "Neo.ClientError.Of.TheFuture"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_error(*state, codes[i], "no", MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND);
    }
}

static void test_a_code_is_shown_in_one_line(void **state)
{
    struct fixture *f = *state;

    push(f, 200,
         "{\"errors\":[{\"code\":\"Neo.Of\\nThe\\u001bFuture\",\"message\":\"a\\tb\\nc\"}]}");
    struct memferry_outcome outcome = deliver(f, 1);
    assert_non_null(strstr(outcome.reason.text, "Neo.Of The Future: a b"));
}

static void test_a_rate_limit_waits_as_long_as_the_server_locks(void **state)
{
    struct fixture *f = *state;

    assert_error(f, "Neo.ClientError.Security.AuthenticationRateLimit", "too many", MEMFERRY_RETRY,
                 MEMFERRY_BLAME_BACKEND);
    assert_int_equal(f->outcomes[0].retry_after_ms, 5000);
}

static void test_errors_count_whatever_the_status(void **state)
{
    struct fixture *f = *state;
    static const char body[] = "{\"errors\":[{\"code\":\"Neo.ClientError.Statement.TypeError\","
                               "\"message\":\"first\\nsecond\"}]}";
    static const int statuses[] = {200, 202, 400, 500};

    for (size_t i = 0; i < 4; i++) {
        fault_server_clear(f->server);
        push(f, statuses[i], body);
        assert_outcome(deliver(f, 1), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
    }
    /* Only the first line is told. */
    assert_non_null(strstr(f->outcomes[0].reason.text, "TypeError: first"));
    assert_null(strstr(f->outcomes[0].reason.text, "second"));
}

static void test_a_status_counts_when_there_are_no_errors_to_read(void **state)
{
    struct fixture *f = *state;

    push(f, 413, "<html>too large</html>");
    assert_outcome(deliver(f, 1), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
    push(f, 502, "<html>bad gateway</html>");
    assert_outcome(deliver(f, 1), MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    push(f, 401, "");
    assert_outcome(deliver(f, 1), MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND);
}

static void test_an_answer_that_is_not_neo4js_confirms_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {"",
                                         "<html>welcome</html>",
                                         "{}",
                                         "[]",
                                         "{\"errors\":[]}",
                                         "{\"results\":[],\"errors\":[]}",
                                         EMPTY,
                                         "{\"results\":[{\"data\":[{\"row\":[2,[]]}]}]}",
                                         "{\"results\":[{\"data\":[{\"row\":[1,[[7,true,[]]]]}]}]}",
                                         "{\"results\":[{\"data\":[{\"row\":[1,[[0,true]]]}]}]}",
                                         "{\"results\":[{\"data\":[{\"row\":[1]}]}]}",
                                         "{\"results\":[{\"data\":[{\"row\":[1,[]]}]"};

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fault_server_clear(f->server);
        push(f, 200, bodies[i]);
        assert_outcome(deliver(f, 1), MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND);
    }
}

static void test_a_broken_connection_confirms_nothing(void **state)
{
    struct fixture *f = *state;
    static const char good[] = "{\"results\":[{\"data\":[{\"row\":[1,[]]}]}],\"errors\":[]}";
    static const enum fault_kind kinds[] = {FAULT_RESET, FAULT_RESET_MID_BODY, FAULT_TRUNCATED};

    for (size_t i = 0; i < 3; i++) {
        fault_server_clear(f->server);
        fault_server_push(f->server, (struct fault_answer){.kind = kinds[i], .body = good});
        assert_outcome(deliver(f, 1), MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND);
    }
}

static void test_a_deadlock_is_tried_again_at_once(void **state)
{
    struct fixture *f = *state;

    push(f, 200,
         "{\"errors\":[{\"code\":\"Neo.TransientError.Transaction.DeadlockDetected\","
         "\"message\":\"\"}]}");
    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[2,[]]}]}],\"errors\":[]}");
    deliver(f, 2);
    assert_int_equal(f->outcomes[0].verdict, MEMFERRY_DONE);
    assert_int_equal(f->outcomes[1].verdict, MEMFERRY_DONE);
    assert_int_equal(fault_server_request_count(f->server), 2);
}

/* The JSON of the i-th request's row: its only statement's rows[row]. */
static json_t *sent_row(struct fixture *f, size_t i, size_t row)
{
    const char *request = fault_server_request(f->server, i);

    assert_non_null(request);
    json_t *root = json_loads(strstr(request, "\r\n\r\n") + 4, 0, NULL);
    assert_non_null(root);
    const json_t *statement = json_array_get(json_object_get(root, "statements"), 0);
    const json_t *rows = json_object_get(json_object_get(statement, "parameters"), "rows");
    json_t *ret = json_incref(json_array_get(rows, row));
    json_decref(root);
    return ret;
}

static void test_rows_left_for_props_to_remove_go_again_alone(void **state)
{
    struct fixture *f = *state;

    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[3,[[1,true,[\"old\"]],[2,false,[]]]]}]}]}");
    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[1,[]]}]}]}");
    deliver(f, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->outcomes[i].verdict, MEMFERRY_DONE);
        assert_int_equal(f->outcomes[i].superseded, i == 2);
    }
    json_t *row = sent_row(f, 1, 0);
    assert_string_equal(json_string_value(json_object_get(row, "id")), "m01");
    assert_true(json_is_null(json_object_get(json_object_get(row, "set"), "old")));
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "known"), 0)), "old");
    json_decref(row);
    assert_null(sent_row(f, 1, 1));
}

static void test_rows_that_never_settle_are_retries_of_the_record(void **state)
{
    struct fixture *f = *state;

    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[1,[[0,true,[\"old\"]]]]}]}]}");
    assert_outcome(deliver(f, 1), MEMFERRY_RETRY, MEMFERRY_BLAME_RECORD);
    assert_int_equal(fault_server_request_count(f->server), 4);
}

static void test_a_failed_range_leaves_the_other_alone(void **state)
{
    struct fixture *f = *state;
    size_t done = 0;

    fake_host_set(&f->host, "connections", "2");
    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[30,[]]}]}]}");
    push(f, 200,
         "{\"errors\":[{\"code\":\"Neo.ClientError.Statement.TypeError\",\"message\":\"\"}]}");
    deliver(f, BATCH);
    for (size_t i = 0; i < BATCH; i++) {
        done += f->outcomes[i].verdict == MEMFERRY_DONE;
        assert_int_equal(f->outcomes[i].verdict, f->outcomes[i / 30 * 30].verdict);
    }
    assert_int_equal(done, 30);
}

static void test_a_prop_with_a_name_of_ours_is_rejected_unsent(void **state)
{
    struct fixture *f = *state;
    struct memferry_prop prop = prop_int("memferry_keys", 1);

    f->memories[0].props = &prop;
    f->memories[0].prop_count = 1;
    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[1,[]]}]}]}");
    assert_outcome(deliver(f, 2), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
    assert_int_equal(f->outcomes[1].verdict, MEMFERRY_DONE);
    json_t *row = sent_row(f, 0, 0);
    assert_string_equal(json_string_value(json_object_get(row, "id")), "m01");
    json_decref(row);
}

static void test_an_embedding_of_another_size_is_rejected_unsent(void **state)
{
    struct fixture *f = *state;
    float embedding[DIMS + 1] = {0};

    f->memories[0].embedding = embedding;
    f->memories[0].dims = DIMS + 1;
    assert_outcome(deliver(f, 1), MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD);
    assert_int_equal(fault_server_request_count(f->server), 0);
}

static void test_cancelling_is_a_retry_that_blames_no_record(void **state)
{
    struct fixture *f = *state;

    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_HANG});
    fake_host_cancel(&f->host);
    assert_outcome(deliver(f, 2), MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND);
}

static int probe(struct fixture *f, struct memferry_reason *why)
{
    if (f->self == NULL) {
        open_instance(f);
    }
    why->text[0] = '\0';
    return memferry_plugin.probe(f->self, why);
}

static void test_probe_takes_tx_commit_where_it_is(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 200, DISCOVERY);
    push(f, 200, EMPTY);
    assert_int_equal(probe(f, &why), 0);
    assert_non_null(strstr(fault_server_request(f->server, 0), "GET / HTTP/1.1"));
    assert_non_null(strstr(fault_server_request(f->server, 1), "POST /db/neo4j/tx/commit HTTP"));
    assert_non_null(strstr(fault_server_request(f->server, 1), "CREATE CONSTRAINT memory_id"));
    assert_int_equal(atomic_load(&f->host.warnings), 0);
}

static void test_probe_takes_the_query_api_where_that_is_all_there_is(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 200, QUERY_ONLY);
    push(f, 202, "{\"data\":{\"fields\":[],\"values\":[]}}");
    assert_int_equal(probe(f, &why), 0);
    assert_non_null(strstr(fault_server_request(f->server, 1), "POST /db/neo4j/query/v2 HTTP"));
    push(f, 202, "{\"data\":{\"fields\":[],\"values\":[[1,[]]]}}");
    assert_int_equal(deliver(f, 1).verdict, MEMFERRY_DONE);
}

static void test_probe_says_why_not(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 200, "<html>a web site</html>");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "check url"));
    push(f, 200, DISCOVERY);
    push(f, 401,
         "{\"errors\":[{\"code\":\"Neo.ClientError.Security.Unauthorized\",\"message\":\"bad\"}]}");
    assert_true(probe(f, &why) < 0);
    assert_non_null(strstr(why.text, "Neo.ClientError.Security.Unauthorized: bad"));
}

static void test_a_server_without_vector_indexes_gets_a_warning_only(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    push(f, 200, DISCOVERY);
    push(f, 200, EMPTY);
    push(f, 200, EMPTY);
    push(f, 200,
         "{\"errors\":[{\"code\":\"Neo.ClientError.Statement.SyntaxError\",\"message\":\"\"}]}");
    assert_int_equal(probe(f, &why), 0);
    assert_int_equal(atomic_load(&f->host.warnings), 1);
}

static void test_open_refuses_options_that_can_not_work(void **state)
{
    struct fixture *f = *state;

    fake_host_set(&f->host, "database", "a/../b");
    assert_true(memferry_plugin.open(&f->host.host, &f->self) < 0);
    fake_host_set(&f->host, "database", "neo4j");
    fake_host_set(&f->host, "url", "bolt://127.0.0.1:7687");
    assert_true(memferry_plugin.open(&f->host.host, &f->self) < 0);
    assert_null(f->self);
}

static int take_none(void *arg, const struct memferry_memory *memory)
{
    (void)arg;
    (void)memory;
    return 0;
}

static int see_first(void *arg, const struct memferry_memory *memory)
{
    const struct memferry_memory *expected = arg;
    const char *difference = memory_difference(memory, expected);

    if (difference != NULL) {
        fail_msg("%s differs", difference);
    }
    return 0;
}

static void test_fetch_reads_ints_and_floats_apart(void **state)
{
    struct fixture *f = *state;
    struct memferry_prop props[] = {prop_float("f", 1.0), prop_int("i", 1)};
    struct memferry_memory memory = {.id = text("a"),
                                     .content = text("c"),
                                     .kind = text(""),
                                     .embedding_model = text(""),
                                     .origin = text("o"),
                                     .session_id = text(""),
                                     .stamp = 9,
                                     .props = props,
                                     .prop_count = 2};

    push(f, 200,
         "{\"results\":[{\"data\":[{\"row\":[{\"id\":\"a\",\"content\":\"c\",\"stamp\":9,"
         "\"origin\":\"o\",\"theirs\":5,\"i\":1,\"f\":1.0,"
         "\"memferry_keys\":[\"i\",\"f\",\"lost\"]}]}]}]}");
    open_instance(f);
    assert_int_equal(memferry_plugin.fetch(f->self, "", 5, see_first, &memory), 1);
}

static void test_fetch_survives_what_others_made_of_a_node(void **state)
{
    struct fixture *f = *state;

    push(f, 200,
         "{\"results\":[{\"data\":[{\"row\":[{\"id\":\"a\",\"content\":7,\"stamp\":\"x\","
         "\"tags\":\"no "
         "list\",\"embedding\":[1,\"two\"],\"memferry_keys\":[\"m\",\"id\",\"l\",\"l\",3],"
         "\"m\":{\"x\":1},\"l\":[]}]}]}]}");
    open_instance(f);
    assert_int_equal(memferry_plugin.fetch(f->self, "", 5, take_none, NULL), 1);
}

/* A list that holds several types is no prop, and a vector that does not fit floats is none. */
static void test_fetch_gives_only_what_a_memory_can_be(void **state)
{
    struct fixture *f = *state;
    struct memferry_value items[] = {{MEMFERRY_VALUE_INT, {.integer = 1}},
                                     {MEMFERRY_VALUE_INT, {.integer = 2}}};
    struct memferry_prop props[] = {prop_list("good", items, 2)};
    struct memferry_memory memory = {.id = text("a"),
                                     .content = text("c"),
                                     .kind = text(""),
                                     .embedding_model = text(""),
                                     .origin = text("o"),
                                     .session_id = text(""),
                                     .stamp = 9,
                                     .props = props,
                                     .prop_count = 1};

    push(
        f, 200,
        "{\"results\":[{\"data\":[{\"row\":[{\"id\":\"a\",\"content\":\"c\",\"stamp\":9,"
        "\"version\":-3,\"origin\":\"o\",\"embedding\":[0.5,1e39],\"good\":[1,2],\"mixed\":[1,2.5],"
        "\"deep\":[[1]],\"empty\":[null],"
        "\"memferry_keys\":[\"mixed\",\"deep\",\"empty\",\"good\"]}]}]}]}");
    open_instance(f);
    assert_int_equal(memferry_plugin.fetch(f->self, "", 5, see_first, &memory), 1);
}

static void test_fetch_reads_the_largest_float_as_it_was_written(void **state)
{
    struct fixture *f = *state;
    float largest[] = {FLT_MAX, -FLT_MAX};
    struct memferry_memory memory = {.id = text("a"),
                                     .content = text("c"),
                                     .kind = text(""),
                                     .embedding_model = text(""),
                                     .embedding_state = MEMFERRY_EMBEDDING_READY,
                                     .embedding = largest,
                                     .dims = 2,
                                     .origin = text("o"),
                                     .session_id = text(""),
                                     .stamp = 9};

    push(f, 200,
         "{\"results\":[{\"data\":[{\"row\":[{\"id\":\"a\",\"content\":\"c\",\"stamp\":9,"
         "\"origin\":\"o\",\"embedding_state\":\"ready\","
         "\"embedding\":[3.40282347e+38,-3.40282347e+38]}]}]}]}");
    open_instance(f);
    assert_int_equal(memferry_plugin.fetch(f->self, "", 5, see_first, &memory), 1);
}

static void test_fetch_takes_no_more_rows_than_it_asked_for(void **state)
{
    struct fixture *f = *state;

    push(f, 200,
         "{\"results\":[{\"data\":[{\"row\":[{\"id\":\"a\",\"stamp\":1}]},"
         "{\"row\":[{\"id\":\"b\",\"stamp\":1}]}]}]}");
    open_instance(f);
    assert_int_equal(memferry_plugin.fetch(f->self, "", 1, take_none, NULL), -EPROTO);
}

static void test_fetch_tells_a_failure(void **state)
{
    struct fixture *f = *state;

    push(f, 200, "{\"results\":[{\"data\":[{\"row\":[{\"content\":\"no id\"}]}]}]}");
    open_instance(f);
    assert_true(memferry_plugin.fetch(f->self, "", 5, take_none, NULL) < 0);
    push(f, 503, "");
    assert_true(memferry_plugin.fetch(f->self, "", 5, take_none, NULL) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_errors_about_values_reject_the_record),
        TEST(test_failures_inside_a_statement_are_retries_of_the_record),
        TEST(test_all_other_errors_are_the_backends),
        TEST(test_a_code_is_shown_in_one_line),
        TEST(test_a_rate_limit_waits_as_long_as_the_server_locks),
        TEST(test_errors_count_whatever_the_status),
        TEST(test_a_status_counts_when_there_are_no_errors_to_read),
        TEST(test_an_answer_that_is_not_neo4js_confirms_nothing),
        TEST(test_a_broken_connection_confirms_nothing),
        TEST(test_a_deadlock_is_tried_again_at_once),
        TEST(test_rows_left_for_props_to_remove_go_again_alone),
        TEST(test_rows_that_never_settle_are_retries_of_the_record),
        TEST(test_a_failed_range_leaves_the_other_alone),
        TEST(test_a_prop_with_a_name_of_ours_is_rejected_unsent),
        TEST(test_an_embedding_of_another_size_is_rejected_unsent),
        TEST(test_cancelling_is_a_retry_that_blames_no_record),
        TEST(test_probe_takes_tx_commit_where_it_is),
        TEST(test_probe_takes_the_query_api_where_that_is_all_there_is),
        TEST(test_probe_says_why_not),
        TEST(test_a_server_without_vector_indexes_gets_a_warning_only),
        TEST(test_open_refuses_options_that_can_not_work),
        TEST(test_fetch_reads_ints_and_floats_apart),
        TEST(test_fetch_survives_what_others_made_of_a_node),
        TEST(test_fetch_gives_only_what_a_memory_can_be),
        TEST(test_fetch_reads_the_largest_float_as_it_was_written),
        TEST(test_fetch_takes_no_more_rows_than_it_asked_for),
        TEST(test_fetch_tells_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
