/* The plugin's requests, and what it makes of answers, against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/webhook.h"
#include "tests/lib/canceller.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"
#include "tests/lib/sample_memory.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const struct memferry_plugin memferry_plugin;

enum { DIMS = 4, BATCH = 12 };

#define SECRET "correct-horse-battery"

struct fixture {
    struct fault_server *server;
    struct fake_host host;
    void *self;
    struct memferry_memory memories[BATCH];
    char ids[BATCH][8];
    struct memferry_outcome outcomes[BATCH];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->server = fault_server_start();
    fake_host_init(&f->host, memferry_plugin.options);
    f->host.quiet = true;
    f->host.host.dims = DIMS;
    fake_host_set(&f->host, "url", fault_server_url(f->server));
    fake_host_set(&f->host, "secret", SECRET);
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

static void open_instance(struct fixture *f)
{
    if (f->self == NULL) {
        assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
    }
}

static void push(struct fixture *f, int status, const char *body)
{
    fault_server_push(f->server, (struct fault_answer){.status = status, .body = body});
}

/* Delivers the first n memories; the answers were pushed. */
static struct memferry_outcome deliver(struct fixture *f, size_t n)
{
    open_instance(f);
    memferry_plugin.deliver(f->self, f->memories, n, f->outcomes);
    return f->outcomes[0];
}

static struct memferry_outcome answered(struct fixture *f, int status, const char *body)
{
    fault_server_clear(f->server);
    push(f, status, body);
    return deliver(f, 1);
}

static int probe(struct fixture *f, int status, const char *body, struct memferry_reason *why)
{
    open_instance(f);
    fault_server_clear(f->server);
    push(f, status, body);
    return memferry_plugin.probe(f->self, why);
}

static const char *body_of(struct fixture *f, size_t i)
{
    const char *request = fault_server_request(f->server, i);

    assert_non_null(request);
    return strstr(request, "\r\n\r\n") + 4;
}

static json_t *json_of(struct fixture *f, size_t i)
{
    json_t *root = json_loads(body_of(f, i), 0, NULL);

    assert_non_null(root);
    return root;
}

/* The value of a header of the i-th request; "" without it. Good until the next call. */
static const char *header_of(struct fixture *f, size_t i, const char *name)
{
    static char value[512];
    char start[80];

    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *at = strstr(fault_server_request(f->server, i), start);
    if (at == NULL) {
        return "";
    }
    at += strlen(start);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static void copy_header(struct fixture *f, size_t request, const char *name, char *ret, size_t size)
{
    const char *value = header_of(f, request, name);

    assert_true(strlen(value) < size);
    memcpy(ret, value, strlen(value) + 1);
}

/* ---- what is sent ---- */

/* A memory with all that there is. */
static struct memferry_memory full_memory(const float *vector)
{
    static const struct memferry_string tags[] = {{"a", 1}, {"b \"c\"", 5}};
    static struct memferry_prop props[3];
    struct memferry_memory memory = sample_memory("tea \xc3\xa4", 77);

    props[0] = prop_float("f", 1.0);
    props[1] = prop_int("i", INT64_MIN);
    props[2] = prop_string("s", "\n");
    memory.content = text("Tea at four");
    memory.tags = tags;
    memory.tag_count = 2;
    memory.props = props;
    memory.prop_count = 3;
    memory.session_id = text("7f2c1f1e-0000-4000-8000-000000000001");
    memory.version = 42;
    if (vector != NULL) {
        memory.embedding = vector;
        memory.dims = DIMS;
        memory.embedding_model = text("caller");
        memory.embedding_state = MEMFERRY_EMBEDDING_READY;
    }
    return memory;
}

static void assert_text(const json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static void assert_number(const json_t *object, const char *key, int64_t expected)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    assert_int_equal(json_integer_value(json_object_get(object, key)), expected);
}

static void test_the_body_is_the_whole_memory_by_its_names(void **state)
{
    struct fixture *f = *state;
    const float vector[DIMS] = {0.5f, -1, 0, 0.1f};

    f->memories[0] = full_memory(vector);
    push(f, 200, "");
    assert_int_equal(deliver(f, 1).verdict, MEMFERRY_DONE);
    json_t *root = json_of(f, 0);
    assert_text(root, "id", "tea \xc3\xa4");
    assert_text(root, "content", "Tea at four");
    assert_text(root, "kind", "note");
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "tags"), 1)),
                        "b \"c\"");
    const json_t *props = json_object_get(root, "props");
    assert_true(json_is_real(json_object_get(props, "f")));
    assert_number(props, "i", INT64_MIN);
    assert_text(props, "s", "\n");
    const json_t *embedding = json_object_get(root, "embedding");
    assert_int_equal(json_array_size(embedding), DIMS);
    for (size_t i = 0; i < DIMS; i++) {
        assert_true((float)json_number_value(json_array_get(embedding, i)) == vector[i]);
    }
    assert_text(root, "embedding_state", "ready");
    assert_text(root, "embedding_model", "caller");
    assert_number(root, "created_ms", f->memories[0].created_ms);
    assert_number(root, "updated_ms", f->memories[0].updated_ms);
    assert_true(json_is_null(json_object_get(root, "deleted_ms")));
    assert_number(root, "version", 42);
    assert_number(root, "stamp", 77);
    assert_text(root, "origin", f->memories[0].origin.data);
    assert_text(root, "session_id", f->memories[0].session_id.data);
    assert_text(json_object_get(root, "event"), "op", "put");
    assert_number(json_object_get(root, "event"), "version", 42);
    assert_text(json_object_get(root, "event"), "id", header_of(f, 0, "webhook-id"));
    json_decref(root);
}

static void test_a_tombstone_is_a_delete_with_its_last_state(void **state)
{
    struct fixture *f = *state;

    f->memories[0].deleted_ms = 1234;
    push(f, 200, "");
    deliver(f, 1);
    json_t *root = json_of(f, 0);
    assert_text(json_object_get(root, "event"), "op", "delete");
    assert_number(root, "deleted_ms", 1234);
    assert_text(root, "content", f->memories[0].content.data);
    assert_true(json_is_null(json_object_get(root, "embedding")));
    assert_true(json_is_null(json_object_get(root, "session_id")));
    json_decref(root);
}

static void test_the_vector_stays_at_home_when_it_is_not_wanted(void **state)
{
    struct fixture *f = *state;
    const float vector[DIMS] = {0.5f, -1, 0, 0.1f};

    fake_host_set(&f->host, "embedding", "no");
    f->memories[0] = full_memory(vector);
    push(f, 200, "");
    deliver(f, 1);
    json_t *root = json_of(f, 0);
    assert_null(json_object_get(root, "embedding"));
    assert_text(root, "embedding_state", "ready");
    json_decref(root);
}

static void test_every_request_is_signed_as_of_now_with_each_secret(void **state)
{
    struct fixture *f = *state;
    static const char *const secrets[] = {SECRET, "whsec_bmV4dCBzZWNyZXQ="};
    int64_t before_s = (int64_t)time(NULL);

    fake_host_set(&f->host, "second_secret", secrets[1]);
    push(f, 500, "");
    deliver(f, 1);
    deliver(f, 1);
    for (size_t try = 0; try < 2; try++) {
        char id[64], timestamp[32], signature[256], hash[128];
        copy_header(f, try, "webhook-id", id, sizeof id);
        copy_header(f, try, "webhook-timestamp", timestamp, sizeof timestamp);
        copy_header(f, try, "webhook-signature", signature, sizeof signature);
        copy_header(f, try, WEBHOOK_HASH_HEADER, hash, sizeof hash);
        assert_in_range(strtoll(timestamp, NULL, 10), before_s, (int64_t)time(NULL));
        for (size_t i = 0; i < 2; i++) {
            struct webhook_signer *signer;
            struct memferry_reason why;
            /* The hash is by the first secret alone. */
            struct webhook_received received = {id, timestamp, signature, i == 0 ? hash : NULL};
            assert_int_equal(webhook_signer_new(&signer, NULL, &why), 0);
            assert_int_equal(webhook_signer_add(signer, secrets[i], strlen(secrets[i]), &why), 0);
            assert_int_equal(webhook_verify(signer, &received, body_of(f, try),
                                            strlen(body_of(f, try)), (int64_t)time(NULL)),
                             WEBHOOK_VALID);
            webhook_signer_free(signer);
        }
    }
}

static void test_a_state_keeps_its_id_and_another_state_has_another(void **state)
{
    struct fixture *f = *state;
    const float vector[DIMS] = {0.5f, -1, 0, 0.1f};
    struct memferry_memory first = full_memory(NULL), variants[8];
    char ids[8][64];

    for (size_t i = 0; i < 8; i++) {
        variants[i] = first;
    }
    variants[1].version = 43; /* of another broker's journal: the same state */
    variants[2].stamp++;
    variants[3].origin = text("00000000-0000-4000-8000-0000000000ff");
    variants[4].deleted_ms = 5;
    variants[5] = full_memory(vector);
    variants[6] = full_memory(vector);
    variants[6].embedding_model = text("nomic-embed-text");
    variants[7].id = text("tea");
    push(f, 200, "");
    for (size_t i = 0; i < 8; i++) {
        f->memories[0] = variants[i];
        deliver(f, 1);
        copy_header(f, i, "webhook-id", ids[i], sizeof ids[i]);
        assert_memory_equal(ids[i], "msg_", 4);
        assert_int_equal(strspn(ids[i] + 4, "0123456789abcdef"), 32);
        assert_int_equal(strlen(ids[i]), 36);
    }
    assert_string_equal(ids[0], ids[1]);
    for (size_t a = 1; a < 8; a++) {
        for (size_t b = a + 1; b < 8; b++) {
            assert_string_not_equal(ids[a], ids[b]);
        }
    }
}

static void test_memories_share_the_connections_there_are(void **state)
{
    struct fixture *f = *state;
    bool seen[BATCH] = {false};

    fake_host_set(&f->host, "connections", "3");
    push(f, 200, "");
    deliver(f, BATCH);
    deliver(f, BATCH);
    assert_int_equal(fault_server_request_count(f->server), 2 * BATCH);
    assert_true(fault_server_connection_count(f->server) <= 3);
    for (size_t i = 0; i < BATCH; i++) {
        json_t *root = json_of(f, i);
        seen[atoi(json_string_value(json_object_get(root, "id")) + 1)] = true;
        json_decref(root);
        assert_int_equal(f->outcomes[i].verdict, MEMFERRY_DONE);
    }
    for (size_t i = 0; i < BATCH; i++) {
        assert_true(seen[i]);
    }
}

static void test_a_login_goes_along_when_one_is_configured(void **state)
{
    struct fixture *f = *state;

    fake_host_set(&f->host, "user", "ada");
    fake_host_set(&f->host, "password", "hunter2");
    push(f, 200, "");
    deliver(f, 1);
    assert_string_equal(header_of(f, 0, "Authorization"), "Basic YWRhOmh1bnRlcjI=");
}

static void test_a_token_goes_along_when_one_is_configured(void **state)
{
    struct fixture *f = *state;

    fake_host_set(&f->host, "token", "tok-1234");
    push(f, 200, "");
    deliver(f, 1);
    assert_string_equal(header_of(f, 0, "Authorization"), "Bearer tok-1234");
}

static void test_options_that_cannot_work_are_refused_at_open(void **state)
{
    struct fixture *f = *state;
    static const struct fake_option bad[][2] = {
        {{"secret", "whsec_no base64"}, {"user", ""}},
        {{"second_secret", "whsec_no base64"}, {"user", ""}},
        {{"signature_header", "Content-Length"}, {"user", ""}},
        {{"user", "ada"}, {"token", "tok-1234"}},
        {{"user", "ada"}, {"embedding", "no"}}, /* without a password */
        {{"token", "two\nlines"}, {"user", ""}},
        {{"url", "ftp://127.0.0.1"}, {"user", ""}},
        {{"url", "http://ada:hunter2@127.0.0.1"}, {"user", ""}},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fake_host host;
        void *self = NULL;
        fake_host_init(&host, memferry_plugin.options);
        host.quiet = true;
        fake_host_set(&host, "url", fault_server_url(f->server));
        fake_host_set(&host, "secret", SECRET);
        fake_host_set(&host, bad[i][0].name, bad[i][0].value);
        fake_host_set(&host, bad[i][1].name, bad[i][1].value);
        if (memferry_plugin.open(&host.host, &self) == 0) {
            fail_msg("%s = %s was taken", bad[i][0].name, bad[i][0].value);
        }
        assert_int_equal(host.warnings, 1);
        fake_host_deinit(&host);
    }
}

/* ---- what is answered ---- */

static void test_a_refused_memory_costs_its_neighbours_nothing(void **state)
{
    struct fixture *f = *state;

    push(f, 200, "");
    push(f, 422, "content: too long\nand more that nobody reads");
    push(f, 500, "oops");
    push(f, 200, "");
    deliver(f, 4);
    assert_int_equal(f->outcomes[0].verdict, MEMFERRY_DONE);
    assert_int_equal(f->outcomes[1].verdict, MEMFERRY_REJECT);
    assert_non_null(strstr(f->outcomes[1].reason.text, "answered 422: content: too long"));
    assert_null(strstr(f->outcomes[1].reason.text, "and more"));
    assert_int_equal(f->outcomes[2].verdict, MEMFERRY_RETRY);
    assert_int_equal(f->outcomes[2].blame, MEMFERRY_BLAME_RECORD);
    assert_int_equal(f->outcomes[3].verdict, MEMFERRY_DONE);
}

static void test_what_blames_the_backend_ends_the_batch(void **state)
{
    struct fixture *f = *state;

    push(f, 200, "");
    fault_server_push(f->server,
                      (struct fault_answer){.status = 429, .headers = "Retry-After: 9\r\n"});
    deliver(f, BATCH);
    assert_int_equal(fault_server_request_count(f->server), 2);
    assert_int_equal(f->outcomes[0].verdict, MEMFERRY_DONE);
    for (size_t i = 1; i < BATCH; i++) {
        assert_int_equal(f->outcomes[i].verdict, MEMFERRY_RETRY);
        assert_int_equal(f->outcomes[i].blame, MEMFERRY_BLAME_BACKEND);
        assert_int_equal(f->outcomes[i].retry_after_ms, 9000);
        assert_non_null(strstr(f->outcomes[i].reason.text, "429"));
    }
}

static void test_a_receiver_that_holds_a_newer_state_says_so(void **state)
{
    struct fixture *f = *state;

    assert_true(answered(f, 409, "newer").superseded);
    assert_true(answered(f, 200, "{\"superseded\": true}").superseded);
    assert_false(answered(f, 200, "{\"superseded\": false}").superseded);
    assert_false(answered(f, 200, "superseded").superseded);
    assert_false(answered(f, 204, "").superseded);
    assert_int_equal(f->outcomes[0].verdict, MEMFERRY_DONE);
}

static void test_n8n_that_starts_says_200_and_has_nothing(void **state)
{
    struct fixture *f = *state;
    struct memferry_outcome outcome = answered(f, 200, "n8n is starting up. Please wait");

    assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
    assert_non_null(strstr(outcome.reason.text, "starting up"));
    assert_int_equal(answered(f, 200, "all is well").verdict, MEMFERRY_DONE);
}

static void test_json_over_several_lines_is_one_reason(void **state)
{
    struct fixture *f = *state;
    struct memferry_outcome outcome =
        answered(f, 400, "{\r\n  \"code\": 7,\r\n  \"message\": \"no content\"\r\n}\r\n");

    assert_non_null(strstr(outcome.reason.text, "{ \"code\": 7, \"message\": \"no content\" }"));
}

static void test_secrets_that_a_receiver_sends_back_are_masked(void **state)
{
    struct fixture *f = *state;

    fake_host_set(&f->host, "second_secret", "another-secret");
    fake_host_set(&f->host, "user", "ada");
    fake_host_set(&f->host, "password", "hunter2");
    struct memferry_outcome outcome = answered(
        f, 400, "expected " SECRET " or another-secret, got Basic YWRhOmh1bnRlcjI= (hunter2)");
    assert_string_equal(
        strstr(outcome.reason.text, "expected"),
        "expected ********************* or **************, got Basic **************** (*******)");
}

static void test_a_redirect_is_told_by_its_host_alone(void **state)
{
    struct fixture *f = *state;

    fault_server_push(
        f->server,
        (struct fault_answer){.status = 302,
                              .headers = "Location: https://u:pw@else.example/hook?key=1\r\n"});
    deliver(f, 1);
    assert_int_equal(fault_server_request_count(f->server), 1);
    assert_non_null(strstr(f->outcomes[0].reason.text, "leads to https://else.example:443:"));
    assert_null(strstr(f->outcomes[0].reason.text, "hook?"));
    assert_null(strstr(f->outcomes[0].reason.text, "pw"));
}

static void test_a_memory_too_large_for_a_request_is_refused_unsent(void **state)
{
    struct fixture *f = *state;
    size_t size = (size_t)12 << 20; /* six times as much when it is escaped */
    char *content = malloc(size + 1);

    memset(content, '\x01', size);
    content[size] = '\0';
    f->memories[0].content = (struct memferry_string){content, size};
    push(f, 200, "");
    deliver(f, 2);
    assert_int_equal(f->outcomes[0].verdict, MEMFERRY_REJECT);
    assert_int_equal(f->outcomes[1].verdict, MEMFERRY_DONE);
    assert_int_equal(fault_server_request_count(f->server), 1);
    free(content);
}

static void test_cancelling_leaves_the_rest_for_later(void **state)
{
    struct fixture *f = *state;
    struct canceller canceller = {.server = f->server, .host = &f->host, .requests = 1};

    fault_server_push(f->server, (struct fault_answer){.kind = FAULT_HANG});
    open_instance(f);
    canceller_start(&canceller);
    deliver(f, BATCH);
    canceller_join(&canceller);
    for (size_t i = 0; i < BATCH; i++) {
        assert_int_equal(f->outcomes[i].verdict, MEMFERRY_RETRY);
    }
    assert_int_equal(fault_server_request_count(f->server), 1);
}

/* ---- probe ---- */

static void test_a_ping_is_signed_and_holds_no_memory(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    char body[256], id[64];

    assert_int_equal(probe(f, 200, "", &why), 0);
    assert_non_null(strstr(why.text, "answers pings"));
    copy_header(f, 0, "webhook-id", id, sizeof id);
    snprintf(body, sizeof body, "{\"event\":{\"id\":\"%s\",\"op\":\"ping\"}}", id);
    assert_string_equal(body_of(f, 0), body);
    assert_memory_equal(header_of(f, 0, "webhook-signature"), "v1,", 3);
}

static void test_a_probe_says_what_is_wrong_with_the_receiver(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    assert_true(probe(f, 401, "no", &why) < 0);
    assert_non_null(strstr(why.text, "secret"));
    assert_true(probe(f, 404, "no", &why) < 0);
    assert_non_null(strstr(why.text, "active"));
    assert_int_equal(probe(f, 410, "no", &why), -ENOLINK);
    assert_non_null(strstr(why.text, "gone"));
    assert_true(probe(f, 500, "database down", &why) < 0);
    assert_non_null(strstr(why.text, "database down"));
    assert_true(probe(f, 302, "", &why) < 0);
}

static void test_a_receiver_that_knows_no_pings_is_good_enough(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    assert_int_equal(probe(f, 400, "no id", &why), 0);
    assert_int_equal(probe(f, 422, "no id", &why), 0);
    assert_non_null(strstr(why.text, "knows no pings"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_the_body_is_the_whole_memory_by_its_names),
        TEST(test_a_tombstone_is_a_delete_with_its_last_state),
        TEST(test_the_vector_stays_at_home_when_it_is_not_wanted),
        TEST(test_every_request_is_signed_as_of_now_with_each_secret),
        TEST(test_a_state_keeps_its_id_and_another_state_has_another),
        TEST(test_memories_share_the_connections_there_are),
        TEST(test_a_login_goes_along_when_one_is_configured),
        TEST(test_a_token_goes_along_when_one_is_configured),
        TEST(test_options_that_cannot_work_are_refused_at_open),
        TEST(test_a_refused_memory_costs_its_neighbours_nothing),
        TEST(test_what_blames_the_backend_ends_the_batch),
        TEST(test_a_receiver_that_holds_a_newer_state_says_so),
        TEST(test_n8n_that_starts_says_200_and_has_nothing),
        TEST(test_json_over_several_lines_is_one_reason),
        TEST(test_secrets_that_a_receiver_sends_back_are_masked),
        TEST(test_a_redirect_is_told_by_its_host_alone),
        TEST(test_a_memory_too_large_for_a_request_is_refused_unsent),
        TEST(test_cancelling_leaves_the_rest_for_later),
        TEST(test_a_ping_is_signed_and_holds_no_memory),
        TEST(test_a_probe_says_what_is_wrong_with_the_receiver),
        TEST(test_a_receiver_that_knows_no_pings_is_good_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
