/* put and delete: what is sent, what is printed, and the exit code of each error. */
#include "tests/lib/cli_fixture.h"

static void test_put_sends_typed_fields_and_prints_the_id(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "7"}, {FAKE_WAIT}, {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "put Tea at --id tea --tag a --tag b --prop n=2 --prop s=two "
                                 "--prop gone:=null --prop l:=[1,2] --expect 3 four"),
                     EXIT_OK);
    assert_string_equal(world.out, "tea\n");
    assert_string_equal(world.err, "");
    join(&world);
    const char *sent = world.broker.requests[0];
    assert_non_null(strstr(sent, "\"content\":\"Tea at four\""));
    assert_non_null(strstr(sent, "\"tags\":[\"a\",\"b\"]"));
    assert_non_null(strstr(sent, "\"props\":{\"n\":2,\"s\":\"two\",\"gone\":null,\"l\":[1,2]}"));
    assert_non_null(strstr(sent, "\"expected_version\":3"));
    finish(&world);
}

static void test_put_reads_stdin_and_speaks_json(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_RECEIPT, "7"}, {FAKE_WAIT}, {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.input = "two\nlines\n";
    assert_int_equal(run(&world, "put - --json --id tea"), EXIT_OK);
    assert_non_null(strstr(world.out, "\"seq\":7"));
    join(&world);
    assert_non_null(strstr(world.broker.requests[0], "\"content\":\"two\\nlines\""));
    finish(&world);
}

static void test_a_put_that_a_backend_refuses_is_stored_and_says_so(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY,
         "{\"id\":\"tea\",\"event_id\":\"e\",\"seq\":5,\"duplicate\":false,"
         "\"durable\":true,\"backends\":{\"mirror\":\"delivered\",\"graph\":\"dead\"}}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "put x --wait"), EXIT_DATA);
    assert_string_equal(world.out, "tea\n");
    assert_string_equal(world.err, "memferry: put: it is stored here, but backend graph refuses it "
                                   "as it is; memferry dead says why\n");
    join(&world);
    finish(&world);
}

static void test_a_put_not_delivered_in_time_still_prints_its_receipt(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_ERROR, "-32006 graph did not take it in time|{\"receipt\":{\"id\":\"tea\","
                     "\"event_id\":\"e\",\"seq\":5,\"duplicate\":false,\"durable\":true,"
                     "\"backends\":{\"graph\":\"pending\"}}}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.terminal = true;
    assert_int_equal(run(&world, "put x --wait --timeout 250ms"), EXIT_TRY_AGAIN);
    assert_string_equal(world.out, "tea is durable, version 5\n  graph: pending\n");
    assert_string_equal(world.err, "memferry: put: graph did not take it in time\n");
    join(&world);
    assert_non_null(strstr(world.broker.requests[0], "\"timeout_ms\":250"));
    finish(&world);
}

static void test_every_error_has_its_exit_code(void **state)
{
    static const struct {
        const char *error;
        int exit_code;
    } cases[] = {{"-32002 x", EXIT_NOT_FOUND},     {"-32003 x", EXIT_CONFLICT},
                 {"-32602 x", EXIT_DATA},          {"-32001 x", EXIT_TRY_AGAIN},
                 {"-32004 x", EXIT_CANNOT_CREATE}, {"-32005 x", EXIT_IO},
                 {"-32007 x", EXIT_FORBIDDEN},     {"-32008 x", EXIT_NO_BROKER},
                 {"-32601 x", EXIT_PROTOCOL},      {"-32603 x", EXIT_INTERNAL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct fake_step steps[] = {
            {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_ERROR, cases[i].error}, {FAKE_WAIT}, {0}};
        struct world world;
        start(&world, steps);
        assert_int_equal(run(&world, "get tea"), cases[i].exit_code);
        assert_int_equal(strncmp(world.err, "memferry: get tea: x", 20), 0);
        assert_string_equal(world.out, "");
        join(&world);
        finish(&world);
    }
}

static void test_errors_are_json_for_programs(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_ERROR, "-32602 kind is too long|"
                                                          "{\"field\":\"kind\"}"},
                                             {FAKE_WAIT},
                                             {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "--json put x --kind y"), EXIT_DATA);
    assert_string_equal(world.err, "{\"error\":{\"name\":\"bad_input\",\"exit\":65,\"message\":"
                                   "\"put: kind is too long\",\"field\":\"kind\"}}\n");
    join(&world);
    finish(&world);
}

static void test_delete_goes_on_behind_one_that_fails(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_ERROR, "-32002 there is no memory a"},
                                             {FAKE_READ},
                                             {FAKE_RECEIPT, "9"},
                                             {FAKE_WAIT},
                                             {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "delete a b --reason why"), EXIT_NOT_FOUND);
    assert_string_equal(world.out, "b\n");
    assert_string_equal(world.err, "memferry: delete a: there is no memory a\n");
    join(&world);
    assert_non_null(strstr(world.broker.requests[1], "\"reason\":\"why\""));
    finish(&world);
}

static void test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},       {FAKE_READ},         {FAKE_READ},
        {FAKE_READ},         {FAKE_RECEIPT, "1"}, {FAKE_ERROR, "-32602 content must be a string"},
        {FAKE_RECEIPT, "2"}, {FAKE_WAIT},         {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.input = "{\"content\":\"a\"}\n\nnonsense\n{\"content\":1}\n{\"content\":\"b\"}";
    assert_int_equal(run(&world, "put --from-json -"), EXIT_DATA);
    assert_int_equal(strncmp(world.out, "2 stored, 2 failed, in ", 23), 0);
    assert_non_null(strstr(world.err, "memferry: stdin:3: not JSON"));
    assert_non_null(strstr(world.err, "memferry: stdin:4: content must be a string\n"));
    join(&world);
    finish(&world);
}

static void test_lines_are_sent_again_in_order_when_the_connection_breaks(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},       {FAKE_READ},   {FAKE_READ}, {FAKE_READ}, {FAKE_RECEIPT, "1"},
        {FAKE_CLOSE},        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_READ}, {FAKE_RECEIPT, "2"},
        {FAKE_RECEIPT, "3"}, {FAKE_WAIT},   {0}};
    struct world world;
    char event[2][64];

    (void)state;
    start(&world, steps);
    world.input = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n";
    assert_int_equal(run(&world, "put --from-json - --json"), EXIT_OK);
    assert_non_null(strstr(world.out, "{\"line\":3,\"id\":\"c\",\"seq\":3,"));
    join(&world);
    assert_int_equal(world.broker.request_count, 5);
    for (size_t i = 1; i < 3; i++) {
        fake_request_field(world.broker.requests[i], "event_id", event[0], sizeof event[0]);
        fake_request_field(world.broker.requests[i + 2], "event_id", event[1], sizeof event[1]);
        assert_int_equal(strlen(event[0]), 36);
        assert_string_equal(event[0], event[1]);
        assert_null(strstr(world.broker.requests[i], "\"retry\""));
        assert_non_null(strstr(world.broker.requests[i + 2], "\"retry\":true"));
    }
    finish(&world);
}

static void test_a_full_disk_ends_a_file(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_ERROR, "-32004 the disk is full"}, {FAKE_WAIT}, {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.input = "{\"content\":\"a\"}\n";
    assert_int_equal(run(&world, "put --from-json -"), EXIT_CANNOT_CREATE);
    assert_non_null(strstr(world.err, "stdin:1: the disk is full"));
    join(&world);
    finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_sends_typed_fields_and_prints_the_id),
        cmocka_unit_test(test_put_reads_stdin_and_speaks_json),
        cmocka_unit_test(test_a_put_that_a_backend_refuses_is_stored_and_says_so),
        cmocka_unit_test(test_a_put_not_delivered_in_time_still_prints_its_receipt),
        cmocka_unit_test(test_every_error_has_its_exit_code),
        cmocka_unit_test(test_errors_are_json_for_programs),
        cmocka_unit_test(test_delete_goes_on_behind_one_that_fails),
        cmocka_unit_test(test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on),
        cmocka_unit_test(test_lines_are_sent_again_in_order_when_the_connection_breaks),
        cmocka_unit_test(test_a_full_disk_ends_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
