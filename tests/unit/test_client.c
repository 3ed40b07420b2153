/* A put says what it was given and returns the broker's receipt; every error comes with its code
 * and its text. */
#include "tests/lib/client_fixture.h"

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
        {"-32008 x", MEMFERRY_E_UNAVAILABLE},  {"-32009 x", MEMFERRY_E_TOO_LARGE},
        {"-32099 x", MEMFERRY_E_REMOTE},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_returns_the_brokers_receipt),
        cmocka_unit_test(test_put_sends_every_field_that_was_given),
        cmocka_unit_test(test_errors_of_the_broker_come_with_code_text_field_and_version),
        cmocka_unit_test(test_every_error_code_has_its_own_name_here),
        cmocka_unit_test(test_a_timeout_of_delivery_still_brings_the_receipt),
        cmocka_unit_test(test_an_answer_without_a_receipt_is_no_success),
        cmocka_unit_test(test_what_cannot_be_sent_is_refused_and_costs_nothing),
        cmocka_unit_test(test_the_session_comes_from_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
