/* A connection that breaks is made again once, what remains unknown is called uncertain, and bytes
 * that are no reply never pass for one. */
#include "tests/lib/client_fixture.h"

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
    assert_non_null(json);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
