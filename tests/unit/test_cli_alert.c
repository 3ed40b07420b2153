/* memferry alert: what needs a look, for people and for programs, and acks. */
#include "tests/lib/cli_fixture.h"

#define ALERT                                                                                      \
    "{\"id\":\"rapid-delete/s-1/7\",\"seq\":9,\"rule\":\"rapid-delete\",\"severity\":"             \
    "\"critical\",\"first_ms\":1000000000000,\"at_ms\":1000000000123,\"session_id\":\"s-1\","      \
    "\"peer_pid\":4711,\"peer_command\":\"python3 agent.py\",\"count\":40,\"sample_ids\":"         \
    "[\"tea\",\"milk\"],\"statement\":null,\"summary\":\"40 deletes\\u001b[2J\\nwithin 60 s\","    \
    "\"undo\":\"memferry undo rapid-delete/s-1/7\",\"acked_ms\":null,\"acked_by\":null}"
#define ACKED                                                                                      \
    "{\"id\":\"backend-gone/flow\",\"severity\":\"warning\",\"at_ms\":1000000000123,\"count\":1,"  \
    "\"summary\":\"gone\",\"sample_ids\":[],\"acked_ms\":1000000060000,\"acked_by\":\"human\"}"

static void test_alerts_are_shown_with_what_undoes_them(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY, "{\"alerts\":[" ALERT "," ACKED "],\"next\":null}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.terminal = true;
    setenv("TZ", "UTC", 1);
    assert_int_equal(run(&world, "alert list --acked --rule rapid-delete"), EXIT_OK);
    assert_string_equal(world.out, "critical  2001-09-09 01:46:40  rapid-delete/s-1/7  (40)\n"
                                   "          40 deletes\\x1b[2J within 60 s\n"
                                   "  by      session s-1, pid 4711: python3 agent.py\n"
                                   "  such as tea, milk\n"
                                   "  undo    memferry undo rapid-delete/s-1/7\n"
                                   "warning   2001-09-09 01:46:40  backend-gone/flow\n"
                                   "          gone\n"
                                   "  acked   2001-09-09 01:47:40, by session human\n");
    join(&world);
    assert_string_equal(world.broker.requests[0],
                        "alert.list {\"rule\":\"rapid-delete\",\"acked\":\"any\",\"limit\":1000}");
    finish(&world);
}

static void test_in_a_pipe_an_alert_is_a_line(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{\"alerts\":[" ALERT "],\"next\":null}"},
                                             {FAKE_WAIT},
                                             {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "alert"), EXIT_OK);
    assert_string_equal(world.out,
                        "2001-09-09T01:46:40.123Z\tcritical\t40\trapid-delete/s-1/7\t"
                        "memferry undo rapid-delete/s-1/7\t40 deletes\x1b[2J\\nwithin 60 s\n");
    join(&world);
    finish(&world);
}

static void test_all_pages_are_asked_for_unless_there_is_a_limit(void **state)
{
    static const struct fake_step all[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY, "{\"alerts\":[{\"id\":\"one\"}],\"next\":\"a7\"}"},
        {FAKE_READ},
        {FAKE_REPLY, "{\"alerts\":[{\"id\":\"two\"}],\"next\":null}"},
        {FAKE_WAIT},
        {0}};
    static const struct fake_step limited[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY, "{\"alerts\":[{\"id\":\"one\"}],\"next\":\"a7\"}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, all);
    assert_int_equal(run(&world, "alert --json"), EXIT_OK);
    assert_string_equal(world.out, "{\"id\":\"one\"}\n{\"id\":\"two\"}\n");
    join(&world);
    assert_string_equal(world.broker.requests[1], "alert.list {\"after\":\"a7\",\"limit\":1000}");
    finish(&world);
    start(&world, limited);
    assert_int_equal(run(&world, "alert --json --limit 1"), EXIT_OK);
    join(&world);
    assert_string_equal(world.broker.requests[0], "alert.list {\"limit\":1}");
    finish(&world);
}

static void test_nothing_to_look_at_is_said_on_a_terminal(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{\"alerts\":[],\"next\":null}"},
                                             {FAKE_WAIT},
                                             {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.terminal = true;
    assert_int_equal(run(&world, "alert"), EXIT_OK);
    assert_string_equal(world.out, "Nothing needs a look.\n");
    join(&world);
    finish(&world);
}

static void test_ack_counts_and_tells_what_is_not_there(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY,
         "{\"receipts\":[{\"id\":\"a\",\"duplicate\":false},{\"id\":\"b\",\"error\":"
         "{\"code\":-32002,\"name\":\"not_found\",\"message\":\"there is no alert b\"}},"
         "{\"id\":\"c\",\"duplicate\":true}]}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    setenv("MEMFERRY_SESSION_ID", "s-9", 1);
    assert_int_equal(run(&world, "alert ack a b c"), EXIT_NOT_FOUND);
    unsetenv("MEMFERRY_SESSION_ID");
    assert_string_equal(world.out, "1\n");
    assert_non_null(strstr(world.err, "there is no alert b"));
    join(&world);
    assert_string_equal(world.broker.requests[0],
                        "alert.ack {\"ids\":[\"a\",\"b\",\"c\"],\"session_id\":\"s-9\"}");
    finish(&world);
}

static void test_ack_of_all(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{\"count\":3,\"durable\":true}"},
                                             {FAKE_WAIT},
                                             {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.terminal = true;
    unsetenv("MEMFERRY_SESSION_ID");
    assert_int_equal(run(&world, "alert ack --all"), EXIT_OK);
    assert_string_equal(world.out, "3 acked\n");
    join(&world);
    assert_string_equal(world.broker.requests[0], "alert.ack {\"all\":true}");
    finish(&world);
}

static void test_what_makes_no_sense_is_a_usage_error(void **state)
{
    static const char *const lines[] = {"alert ack",      "alert ack a --all", "alert drop",
                                        "alert list x",   "alert list --all",  "alert --limit 0",
                                        "alert --limit x"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct world world = {0};
        if (run(&world, lines[i]) != EXIT_USAGE) {
            fail_msg("%s: %s", lines[i], world.err);
        }
        free(world.out);
        free(world.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alerts_are_shown_with_what_undoes_them),
        cmocka_unit_test(test_in_a_pipe_an_alert_is_a_line),
        cmocka_unit_test(test_all_pages_are_asked_for_unless_there_is_a_limit),
        cmocka_unit_test(test_nothing_to_look_at_is_said_on_a_terminal),
        cmocka_unit_test(test_ack_counts_and_tells_what_is_not_there),
        cmocka_unit_test(test_ack_of_all),
        cmocka_unit_test(test_what_makes_no_sense_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
