/*
 * The blocking calls keep their word: a receipt is the broker's, a broken connection is made again
 * once, and what remains unknown is called uncertain.
 *
 * Not tested: a server or a socket of another uid, which takes a second user to make.
 */
#include "memferry/client.h"
#include "tests/lib/fake_broker.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIELD 300

static struct memferry *open_at(const char *socket, int timeout_ms)
{
    struct memferry_settings settings = {
        .size = sizeof settings, .socket = socket, .timeout_ms = timeout_ms};
    struct memferry *m;

    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_OK);
    return m;
}

static struct memferry *start(struct fake_broker *broker, const struct fake_step *steps)
{
    fake_broker_start(broker, steps);
    return open_at(broker->socket, 20000);
}

/* The broker did all its steps. */
static void finish(struct fake_broker *broker, struct memferry *m)
{
    memferry_close(m);
    fake_broker_join(broker);
    assert_false(broker->failed);
    fake_broker_free(broker);
}

static int put_tea(struct memferry *m, struct memferry_receipt *receipt)
{
    struct memferry_put put = {.size = sizeof put, .content = "Tea at four"};

    return memferry_put(m, &put, receipt);
}

/* Both requests name the same id and event, and only the second is a repeat. */
static void assert_repeated(const struct fake_broker *broker)
{
    char first[FIELD], second[FIELD];

    assert_int_equal(broker->request_count, 2);
    fake_request_field(broker->requests[0], "event_id", first, sizeof first);
    fake_request_field(broker->requests[1], "event_id", second, sizeof second);
    assert_int_equal(strlen(first), 36);
    assert_string_equal(first, second);
    fake_request_field(broker->requests[0], "id", first, sizeof first);
    fake_request_field(broker->requests[1], "id", second, sizeof second);
    assert_true(strlen(first) > 0);
    assert_string_equal(first, second);
    assert_null(strstr(broker->requests[0], "\"retry\""));
}

static void test_put_returns_the_brokers_receipt(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "7"}, {FAKE_WAIT}, {0}};
    struct memferry_receipt receipt;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);
    char id[FIELD];

    (void)state;
    assert_int_equal(put_tea(m, &receipt), MEMFERRY_OK);
    assert_int_equal(receipt.seq, 7);
    assert_true(receipt.durable);
    assert_false(receipt.duplicate);
    assert_string_equal(memferry_error(m), "");
    memferry_close(m);
    fake_broker_join(&broker);
    fake_request_field(broker.requests[0], "id", id, sizeof id);
    assert_string_equal(receipt.id, id);
    assert_int_equal(strlen(id), 36);
    assert_non_null(strstr(broker.requests[0], "\"content\":\"Tea at four\""));
    assert_null(strstr(broker.requests[0], "\"kind\""));
    fake_broker_free(&broker);
}

static void test_put_sends_every_field_that_was_given(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "1"}, {FAKE_WAIT}, {0}};
    static const char *const tags[] = {"a", "b"};
    static const float vector[] = {1.0f, -2.0f};
    const struct memferry_property props[] = {
        {"n", MEMFERRY_NODE_INT, {.integer = -5}},
        {"x", MEMFERRY_NODE_FLOAT, {.floating = 0.5}},
        {"s", MEMFERRY_NODE_STRING, {.string = "t"}},
        {"gone", MEMFERRY_NODE_NULL, {0}},
        {"yes", MEMFERRY_NODE_BOOL, {.boolean = true}},
        {"l", MEMFERRY_NODE_LIST, {.list_json = "[1,2]"}},
    };
    struct memferry_put put = {.size = sizeof put,
                               .id = "m1",
                               .event_id = "e1",
                               .kind = "fact",
                               .tags = tags,
                               .tag_count = 2,
                               .props = props,
                               .prop_count = 6,
                               .embedding = vector,
                               .dims = 2,
                               .session_id = "s1",
                               .has_expected_version = true,
                               .expected_version = 3,
                               .wait = MEMFERRY_WAIT_DELIVERED,
                               .timeout_ms = 1234,
                               .retry = true};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(memferry_put(m, &put, NULL), MEMFERRY_OK);
    memferry_close(m);
    fake_broker_join(&broker);
    assert_string_equal(
        broker.requests[0],
        "memory.put {\"id\":\"m1\",\"event_id\":\"e1\",\"kind\":\"fact\",\"session_id\":\"s1\","
        "\"embedding\":\"AACAPwAAAMA=\",\"retry\":true,\"expected_version\":3,\"wait\":"
        "\"delivered\",\"timeout_ms\":1234,\"tags\":[\"a\",\"b\"],\"props\":{\"n\":-5,\"x\":0.5,"
        "\"s\":\"t\",\"gone\":null,\"yes\":true,\"l\":[1,2]}}");
    fake_broker_free(&broker);
}

static void test_a_put_whose_connection_breaks_is_repeated_under_its_event_id(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_CLOSE}, /* before the answer */
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "7"}, {FAKE_WAIT}, {0}};
    struct memferry_receipt receipt;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, &receipt), MEMFERRY_OK);
    assert_int_equal(receipt.seq, 7);
    memferry_close(m);
    fake_broker_join(&broker);
    assert_repeated(&broker);
    assert_non_null(strstr(broker.requests[1], "\"retry\":true"));
    fake_broker_free(&broker);
}

static void test_a_put_is_repeated_when_its_reply_is_torn(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},       {FAKE_READ},   {FAKE_REPLY_TORN, "{\"id\":\"m\",\"seq\":1}"},
        {FAKE_CLOSE},        {FAKE_ACCEPT}, {FAKE_READ},
        {FAKE_RECEIPT, "8"}, {FAKE_WAIT},   {0}};
    struct memferry_receipt receipt;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, &receipt), MEMFERRY_OK);
    assert_int_equal(receipt.seq, 8);
    memferry_close(m);
    fake_broker_join(&broker);
    assert_repeated(&broker);
    fake_broker_free(&broker);
}

static void test_a_put_that_breaks_twice_is_uncertain(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_CLOSE}, {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_CLOSE}, {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_UNCERTAIN);
    assert_true(strlen(memferry_error(m)) > 0);
    finish(&broker, m);
}

static void test_a_put_is_uncertain_when_no_broker_is_left_to_repeat_it(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_STOP_LISTENING}, {FAKE_CLOSE}, {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_UNCERTAIN);
    assert_non_null(strstr(memferry_error(m), "may have been carried out"));
    finish(&broker, m);
}

static void test_a_repeat_that_is_refused_for_now_leaves_the_first_uncertain(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT}, {FAKE_READ},
                                             {FAKE_CLOSE},  {FAKE_ACCEPT},
                                             {FAKE_READ},   {FAKE_ERROR, "-32004 the disk is full"},
                                             {FAKE_WAIT},   {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_UNCERTAIN);
    assert_non_null(strstr(memferry_error(m), "the disk is full"));
    finish(&broker, m);
}

static void test_a_delete_is_repeated_under_its_event_id_without_a_flag(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT}, {FAKE_READ}, {FAKE_CLOSE},
                                             {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "9"},
                                             {FAKE_WAIT},   {0}};
    struct memferry_receipt receipt;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(memferry_delete(m, "m1", "old", &receipt), MEMFERRY_OK);
    assert_int_equal(receipt.seq, 9);
    memferry_close(m);
    fake_broker_join(&broker);
    assert_repeated(&broker);
    assert_string_equal(broker.requests[0], broker.requests[1]);
    assert_non_null(strstr(broker.requests[0], "\"reason\":\"old\""));
    fake_broker_free(&broker);
}

static void test_a_broker_restarted_between_two_calls_costs_nothing(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},       {FAKE_READ},   {FAKE_REPLY, "{}"},
                                             {FAKE_CLOSE},        {FAKE_ACCEPT}, {FAKE_READ},
                                             {FAKE_RECEIPT, "2"}, {FAKE_WAIT},   {0}};
    struct memferry_reply *reply;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(memferry_call(m, "stats", NULL, &reply), MEMFERRY_OK);
    memferry_reply_free(reply);
    /* Readable without a request: the broker has gone. */
    struct pollfd gone = {.fd = memferry_fd(m), .events = POLLIN};
    assert_int_equal(poll(&gone, 1, FAKE_WAIT_MS), 1);
    assert_int_equal(put_tea(m, NULL), MEMFERRY_OK);
    memferry_close(m);
    fake_broker_join(&broker);
    assert_null(strstr(broker.requests[1], "\"retry\""));
    fake_broker_free(&broker);
}

static void test_a_call_is_never_repeated(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT}, {FAKE_READ}, {FAKE_CLOSE}, {0}};
    struct memferry_reply *reply;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(memferry_call(m, "dead.drop", "{\"all\":true}", &reply), MEMFERRY_E_UNCERTAIN);
    assert_null(reply);
    finish(&broker, m);
}

static void test_garbage_is_no_reply_and_ends_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } garbage[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 0},
        {"\xc1", 1},                                /* reserved */
        {"\x94\x01\x02\xc0\xd4\x01\x01", 7},        /* an ext type */
        {"\xdd\x7f\xff\xff\xff", 5},                /* two thousand million elements */
        {"\xdb\xff\xff\xff\xff", 5},                /* a string of 4 GiB */
        {"\x93\x01\x02\x03", 4},                    /* an array, but no reply */
        {"{\"jsonrpc\":\"2.0\",\"id\":null}\n", 0}, /* JSON, but no error */
        {"{nonsense\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        const struct fake_step steps[] = {{FAKE_ACCEPT},
                                          {FAKE_READ},
                                          {FAKE_RAW, garbage[i].bytes, garbage[i].size},
                                          {FAKE_WAIT},
                                          {0}};
        struct fake_broker broker;
        struct memferry *m = start(&broker, steps);

        assert_int_equal(put_tea(m, NULL), MEMFERRY_E_PROTOCOL);
        assert_int_equal(memferry_fd(m), -1);
        assert_true(strlen(memferry_error(m)) > 0);
        finish(&broker, m);
    }
}

static void test_a_refusal_in_json_is_understood(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_RAW, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"name\":\"busy\","
                   "\"message\":\"too many connections\"}}\n"},
        {FAKE_CLOSE},
        {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_BUSY);
    assert_string_equal(memferry_error(m), "too many connections");
    finish(&broker, m);
}

static void test_a_reply_may_arrive_byte_by_byte(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY_DRIP, "{\"content\":\"Tea\",\"props\":{\"n\":1}}"},
        {FAKE_WAIT},
        {0}};
    struct memferry_reply *reply;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(memferry_get(m, "m1", 4, &reply), MEMFERRY_OK);
    const struct memferry_node *root = memferry_reply_root(reply);
    assert_string_equal(memferry_node_string(memferry_node_get(root, "content"), ""), "Tea");
    memferry_reply_free(reply);
    memferry_close(m);
    fake_broker_join(&broker);
    assert_string_equal(broker.requests[0], "memory.get {\"id\":\"m1\",\"version\":4}");
    fake_broker_free(&broker);
}

static void test_a_reply_larger_than_a_request_may_be_is_read(void **state)
{
    size_t size = 6u << 20;
    char *json = malloc(size + 64);
    struct memferry_reply *reply;
    struct fake_broker broker;

    (void)state;
    int head = sprintf(json, "{\"content\":\"");
    memset(json + head, 'a', size);
    strcpy(json + head + size, "\"}");
    const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_REPLY, json}, {FAKE_WAIT}, {0}};
    struct memferry *m = start(&broker, steps);
    assert_int_equal(memferry_get(m, "m1", 0, &reply), MEMFERRY_OK);
    const struct memferry_node *content = memferry_node_get(memferry_reply_root(reply), "content");
    assert_int_equal(strlen(memferry_node_string(content, "")), size);
    memferry_reply_free(reply);
    finish(&broker, m);
    free(json);
}

static void test_no_answer_in_time_is_a_deadline_and_a_late_one_is_skipped(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT}, {FAKE_READ},
                                             {FAKE_WAIT},   {FAKE_REPLY, "{\"late\":true}"},
                                             {FAKE_READ},   {FAKE_REPLY, "{\"late\":false}"},
                                             {FAKE_WAIT},   {0}};
    struct memferry_reply *reply;
    struct fake_broker broker;

    (void)state;
    fake_broker_start(&broker, steps);
    struct memferry *m = open_at(broker.socket, 50);
    assert_int_equal(memferry_call(m, "stats", NULL, &reply), MEMFERRY_E_DEADLINE);
    assert_null(reply);
    fake_broker_go(&broker);
    /* The late reply is there; the next call gets its own. */
    struct pollfd late = {.fd = memferry_fd(m), .events = POLLIN};
    assert_int_equal(poll(&late, 1, FAKE_WAIT_MS), 1);
    int rc = memferry_call(m, "stats", NULL, &reply);
    while (rc == MEMFERRY_E_DEADLINE) { /* a slow machine */
        rc = memferry_call(m, "stats", NULL, &reply);
    }
    assert_int_equal(rc, MEMFERRY_OK);
    assert_false(memferry_node_bool(memferry_node_get(memferry_reply_root(reply), "late"), true));
    memferry_reply_free(reply);
    finish(&broker, m);
}

static void test_errors_of_the_broker_come_with_code_text_field_and_version(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_ERROR, "-32003 m1 is at version 9|{\"version\":9}"},
        {FAKE_READ},
        {FAKE_ERROR, "-32602 kind is too long|{\"field\":\"kind\"}"},
        {FAKE_READ},
        {FAKE_RECEIPT, "10"},
        {FAKE_WAIT},
        {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_CONFLICT);
    assert_string_equal(memferry_error(m), "m1 is at version 9");
    assert_int_equal(memferry_error_version(m), 9);
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_INVALID_PARAMS);
    assert_string_equal(memferry_error_field(m), "kind");
    assert_int_equal(memferry_error_version(m), 0);
    assert_int_equal(put_tea(m, NULL), MEMFERRY_OK);
    assert_string_equal(memferry_error(m), "");
    assert_string_equal(memferry_error_field(m), "");
    finish(&broker, m);
}

static void test_every_error_code_has_its_own_name_here(void **state)
{
    static const struct {
        const char *error;
        int code;
    } codes[] = {
        {"-32700 x", MEMFERRY_E_PROTOCOL},     {"-32600 x", MEMFERRY_E_PROTOCOL},
        {"-32601 x", MEMFERRY_E_METHOD},       {"-32602 x", MEMFERRY_E_INVALID_PARAMS},
        {"-32603 x", MEMFERRY_E_INTERNAL},     {"-32001 x", MEMFERRY_E_BUSY},
        {"-32002 x", MEMFERRY_E_NOT_FOUND},    {"-32003 x", MEMFERRY_E_CONFLICT},
        {"-32004 x", MEMFERRY_E_STORAGE_FULL}, {"-32005 x", MEMFERRY_E_STORAGE_FAILED},
        {"-32006 x", MEMFERRY_E_TIMEOUT},      {"-32007 x", MEMFERRY_E_FORBIDDEN},
        {"-32008 x", MEMFERRY_E_UNAVAILABLE},  {"-32099 x", MEMFERRY_E_REMOTE},
    };
    enum { COUNT = sizeof codes / sizeof codes[0] };
    struct fake_step steps[2 * COUNT + 3] = {{FAKE_ACCEPT}};
    struct memferry_reply *reply;
    struct fake_broker broker;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        steps[1 + 2 * i] = (struct fake_step){FAKE_READ};
        steps[2 + 2 * i] = (struct fake_step){FAKE_ERROR, codes[i].error};
    }
    steps[2 * COUNT + 1] = (struct fake_step){FAKE_WAIT};
    struct memferry *m = start(&broker, steps);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(memferry_call(m, "stats", NULL, &reply), codes[i].code);
        const struct memferry_node *message =
            memferry_node_get(memferry_reply_root(reply), "message");
        assert_string_equal(memferry_node_string(message, ""), "x");
        memferry_reply_free(reply);
        assert_string_not_equal(memferry_strerror(codes[i].code), "unknown error");
    }
    finish(&broker, m);
}

static void test_a_timeout_of_delivery_still_brings_the_receipt(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_ERROR, "-32006 not delivered|{\"receipt\":{\"id\":\"m1\",\"event_id\":\"e1\","
                     "\"seq\":5,\"duplicate\":false,\"durable\":true}}"},
        {FAKE_WAIT},
        {0}};
    struct memferry_receipt receipt;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, &receipt), MEMFERRY_E_TIMEOUT);
    assert_string_equal(receipt.id, "m1");
    assert_int_equal(receipt.seq, 5);
    assert_true(receipt.durable);
    finish(&broker, m);
}

static void test_an_answer_without_a_receipt_is_no_success(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_REPLY, "{\"ok\":true}"}, {FAKE_WAIT}, {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    assert_int_equal(put_tea(m, NULL), MEMFERRY_E_PROTOCOL);
    finish(&broker, m);
}

static void test_what_cannot_be_sent_is_refused_and_costs_nothing(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "1"}, {FAKE_WAIT}, {0}};
    const struct memferry_property no_list = {"l", MEMFERRY_NODE_LIST, {.list_json = "{}"}};
    struct memferry_put put = {.size = sizeof put, .props = &no_list, .prop_count = 1};
    struct memferry_reply *reply;
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);
    size_t size = 5u << 20;
    char *content = malloc(size + 1);

    (void)state;
    assert_int_equal(memferry_put(m, &put, NULL), MEMFERRY_E_INVALID);
    assert_string_equal(memferry_error_field(m), "props");
    memset(content, 'a', size);
    content[size] = '\0';
    put = (struct memferry_put){.size = sizeof put, .content = content};
    assert_int_equal(memferry_put(m, &put, NULL), MEMFERRY_E_INVALID);
    assert_int_equal(memferry_call(m, "stats", "[1]", &reply), MEMFERRY_E_INVALID);
    assert_int_equal(memferry_call(m, "stats", "{\"a\":", &reply), MEMFERRY_E_INVALID);
    assert_int_equal(memferry_delete(m, NULL, NULL, NULL), MEMFERRY_E_INVALID);
    put.size = 0;
    assert_int_equal(memferry_put(m, &put, NULL), MEMFERRY_E_INVALID);
    assert_int_equal(put_tea(m, NULL), MEMFERRY_OK);
    free(content);
    finish(&broker, m);
}

static void test_the_session_comes_from_the_environment(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "1"}, {FAKE_WAIT}, {0}};
    struct fake_broker broker;
    struct memferry *m = start(&broker, steps);

    (void)state;
    setenv("MEMFERRY_SESSION_ID", "0b0e7c1e-0000-4000-8000-000000000000", 1);
    assert_int_equal(put_tea(m, NULL), MEMFERRY_OK);
    unsetenv("MEMFERRY_SESSION_ID");
    memferry_close(m);
    fake_broker_join(&broker);
    assert_non_null(
        strstr(broker.requests[0], "\"session_id\":\"0b0e7c1e-0000-4000-8000-000000000000\""));
    fake_broker_free(&broker);
}

static void test_without_a_broker_connecting_says_so(void **state)
{
    static const struct fake_step steps[] = {{0}};
    struct fake_broker broker;
    char path[200];

    (void)state;
    fake_broker_start(&broker, steps);
    fake_broker_join(&broker); /* the socket is there, and nobody listens */
    struct memferry *m = open_at(broker.socket, 1000);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT);
    assert_non_null(strstr(memferry_error(m), broker.socket));
    memferry_close(m);
    snprintf(path, sizeof path, "%s/none.sock", broker.directory);
    m = open_at(path, 1000);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT);
    memferry_close(m);
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    m = open_at(path, 1000);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_INVALID);
    assert_int_equal(memferry_fd(m), -1);
    memferry_close(m);
    fake_broker_free(&broker);
}

static void test_only_a_private_directory_is_trusted_in_the_default_place(void **state)
{
    char runtime[] = "/tmp/client-runtime-XXXXXX", directory[64], real[64], socket[96];
    struct memferry *m;

    (void)state;
    assert_non_null(mkdtemp(runtime));
    snprintf(directory, sizeof directory, "%s/memferry", runtime);
    snprintf(real, sizeof real, "%s/real", runtime);
    snprintf(socket, sizeof socket, "%s/memferry.sock", directory);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    unsetenv("MEMFERRY_SOCKET");

    assert_int_equal(memferry_open(&m, NULL), MEMFERRY_OK);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT); /* not there */
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT); /* fine, but empty */
    static const mode_t bad[] = {0755, 0720, 0702, 01777};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(chmod(directory, bad[i]), 0);
        assert_int_equal(memferry_connect(m), MEMFERRY_E_UNTRUSTED);
    }
    assert_int_equal(chmod(directory, 0700), 0);
    FILE *file = fopen(socket, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_UNTRUSTED); /* no socket */
    unlink(socket);
    assert_int_equal(rename(directory, real), 0);
    assert_int_equal(symlink(real, directory), 0);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_UNTRUSTED); /* a link */
    assert_non_null(strstr(memferry_error(m), directory));

    memferry_close(m);
    unlink(directory);
    rmdir(real);
    rmdir(runtime);
}

static void test_the_default_socket_follows_the_documented_order(void **state)
{
    char path[108], expected[64];

    (void)state;
    setenv("MEMFERRY_SOCKET", "/a/b.sock", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    assert_int_equal(memferry_default_socket(path, sizeof path), 9);
    assert_string_equal(path, "/a/b.sock");
    assert_int_equal(memferry_default_socket(path, 9), MEMFERRY_E_INVALID);
    setenv("MEMFERRY_SOCKET", "", 1);
    memferry_default_socket(path, sizeof path);
    assert_string_equal(path, "/run/user/7/memferry/memferry.sock");
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    memferry_default_socket(path, sizeof path);
    snprintf(expected, sizeof expected, "/tmp/memferry-%u/memferry.sock", (unsigned)geteuid());
    assert_string_equal(path, expected);
    unsetenv("MEMFERRY_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
}

static void test_settings_out_of_range_are_refused(void **state)
{
    struct memferry_settings settings = {.size = sizeof settings, .window = 1025};
    struct memferry *m;

    (void)state;
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    assert_null(m);
    settings = (struct memferry_settings){.size = sizeof settings, .socket = ""};
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    settings = (struct memferry_settings){0};
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    assert_null(memferry_close(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_returns_the_brokers_receipt),
        cmocka_unit_test(test_put_sends_every_field_that_was_given),
        cmocka_unit_test(test_a_put_whose_connection_breaks_is_repeated_under_its_event_id),
        cmocka_unit_test(test_a_put_is_repeated_when_its_reply_is_torn),
        cmocka_unit_test(test_a_put_that_breaks_twice_is_uncertain),
        cmocka_unit_test(test_a_put_is_uncertain_when_no_broker_is_left_to_repeat_it),
        cmocka_unit_test(test_a_repeat_that_is_refused_for_now_leaves_the_first_uncertain),
        cmocka_unit_test(test_a_delete_is_repeated_under_its_event_id_without_a_flag),
        cmocka_unit_test(test_a_broker_restarted_between_two_calls_costs_nothing),
        cmocka_unit_test(test_a_call_is_never_repeated),
        cmocka_unit_test(test_garbage_is_no_reply_and_ends_the_connection),
        cmocka_unit_test(test_a_refusal_in_json_is_understood),
        cmocka_unit_test(test_a_reply_may_arrive_byte_by_byte),
        cmocka_unit_test(test_a_reply_larger_than_a_request_may_be_is_read),
        cmocka_unit_test(test_no_answer_in_time_is_a_deadline_and_a_late_one_is_skipped),
        cmocka_unit_test(test_errors_of_the_broker_come_with_code_text_field_and_version),
        cmocka_unit_test(test_every_error_code_has_its_own_name_here),
        cmocka_unit_test(test_a_timeout_of_delivery_still_brings_the_receipt),
        cmocka_unit_test(test_an_answer_without_a_receipt_is_no_success),
        cmocka_unit_test(test_what_cannot_be_sent_is_refused_and_costs_nothing),
        cmocka_unit_test(test_the_session_comes_from_the_environment),
        cmocka_unit_test(test_without_a_broker_connecting_says_so),
        cmocka_unit_test(test_only_a_private_directory_is_trusted_in_the_default_place),
        cmocka_unit_test(test_the_default_socket_follows_the_documented_order),
        cmocka_unit_test(test_settings_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
