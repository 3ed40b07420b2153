/* get, list, status and the lanes: for people on a terminal, for programs in a pipe. */
#include "tests/lib/cli_fixture.h"

#define MEMORY                                                                                     \
    "{\"id\":\"tea\",\"content\":\"Tea\\u001b[2J at four, \\nevery day but sundays and holidays, " \
    "I think\",\"kind\":\"fact\",\"tags\":[\"a\",\"b\"],\"props\":{\"n\":2},\"created_ms\":"       \
    "1000000000123,\"updated_ms\":1000000000123,\"version\":7,\"embedding_state\":\"none\"}"

static void test_get_shows_a_memory_without_its_escapes(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_REPLY, MEMORY}, {FAKE_WAIT}, {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    world.terminal = true;
    setenv("TZ", "UTC", 1);
    assert_int_equal(run(&world, "get tea --version 7"), EXIT_OK);
    assert_string_equal(world.out, "id        tea\n"
                                   "kind      fact\n"
                                   "tags      a,b\n"
                                   "version   7\n"
                                   "created   2001-09-09 01:46:40\n"
                                   "updated   2001-09-09 01:46:40\n"
                                   "props     n = 2\n"
                                   "embedding none\n"
                                   "\n"
                                   "Tea\\x1b[2J at four, \n"
                                   "every day but sundays and holidays, I think\n");
    join(&world);
    assert_string_equal(world.broker.requests[0], "memory.get {\"id\":\"tea\",\"version\":7}");
    finish(&world);
}

static void test_a_list_is_a_table_on_a_terminal_and_tabs_in_a_pipe(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY, "{\"memories\":[" MEMORY "],\"next\":null}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    setenv("TZ", "UTC", 1);
    world.terminal = true;
    assert_int_equal(run(&world, "list --kind fact --since 1000000000000"), EXIT_OK);
    assert_string_equal(
        world.out, "id   version  updated              kind  tags  content\n"
                   "tea        7  2001-09-09 01:46:40  fact  a,b   Tea\\x1b[2J a\xe2\x80\xa6\n");
    join(&world);
    assert_string_equal(world.broker.requests[0],
                        "memory.list {\"kind\":\"fact\",\"since\":1000000000000,\"limit\":50}");
    finish(&world);
    start(&world, steps);
    assert_int_equal(run(&world, "list"), EXIT_OK);
    assert_string_equal(world.out, "tea\t7\t2001-09-09T01:46:40.123Z\tfact\ta,b\tTea\x1b[2J at "
                                   "four, \\nevery day but sundays and holidays, I think\n");
    join(&world);
    finish(&world);
}

static void test_list_all_asks_page_by_page(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY, "{\"memories\":[{\"id\":\"one\"}],\"next\":\"v1\"}"},
        {FAKE_READ},
        {FAKE_REPLY, "{\"memories\":[{\"id\":\"two\"}],\"next\":null}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "list --all --json"), EXIT_OK);
    assert_string_equal(world.out, "{\"id\":\"one\"}\n{\"id\":\"two\"}\n");
    join(&world);
    assert_string_equal(world.broker.requests[1], "memory.list {\"after\":\"v1\",\"limit\":1000}");
    finish(&world);
}

static void test_status_shows_the_broker_and_its_lanes(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_REPLY, "{\"server\":{\"version\":\"1.0\",\"pid\":42,\"uptime_ms\":7800000},\"store\":"
                     "{\"memories\":5,\"deleted\":1,\"applied_seq\":9},\"journal\":"
                     "{\"committed_seq\":9,\"segments\":2},\"peers\":{\"now\":1,\"max\":1000}}"},
        {FAKE_READ},
        {FAKE_REPLY, "{\"backends\":[{\"name\":\"graph\",\"plugin\":\"neo4j-http\",\"health\":"
                     "\"down\",\"pending\":12,\"dead\":1,\"last_error\":\"refused\"}]}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "status"), EXIT_OK);
    assert_non_null(strstr(world.out, "memferryd 1.0, pid 42, up 2 h 10 min\n"));
    assert_non_null(strstr(world.out, "5, and 1 deleted"));
    assert_non_null(strstr(world.out, "graph\tneo4j-http\tdown\t12\t-\t0\t1\t0\trefused\n"));
    join(&world);
    finish(&world);
}

static void test_flush_shows_who_is_not_level_in_time(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT},
        {FAKE_READ},
        {FAKE_ERROR, "-32006 graph is not level|{\"backends\":[{\"name\":\"graph\",\"level\":false,"
                     "\"pending\":3,\"deferred\":1,\"dead\":0}]}"},
        {FAKE_WAIT},
        {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "flush graph --timeout 2s"), EXIT_TRY_AGAIN);
    assert_string_equal(world.out, "graph\tno\t3\t1\t0\n");
    join(&world);
    assert_string_equal(world.broker.requests[0],
                        "backend.flush {\"names\":[\"graph\"],\"timeout_ms\":2000}");
    finish(&world);
}

static void test_dead_letters_are_retried_by_id_or_all(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{\"count\":1}"},
                                             {FAKE_READ},
                                             {FAKE_REPLY, "{\"count\":1}"},
                                             {FAKE_WAIT},
                                             {0}};
    static const struct fake_step all[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_REPLY, "{\"count\":4}"}, {FAKE_WAIT}, {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "dead retry a b --backend graph"), EXIT_OK);
    assert_string_equal(world.out, "2\n");
    join(&world);
    assert_string_equal(world.broker.requests[1],
                        "dead.retry {\"backend\":\"graph\",\"id\":\"b\"}");
    finish(&world);
    start(&world, all);
    assert_int_equal(run(&world, "dead drop --all"), EXIT_OK);
    assert_string_equal(world.out, "4\n");
    join(&world);
    assert_string_equal(world.broker.requests[0], "dead.drop {\"all\":true}");
    finish(&world);
}

static void test_call_passes_parameters_and_prints_the_result(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT}, {FAKE_READ}, {FAKE_REPLY, "{\"a\":[1,null]}"}, {FAKE_WAIT}, {0}};
    struct world world;

    (void)state;
    start(&world, steps);
    assert_int_equal(run(&world, "call some.method {\"x\":1.5}"), EXIT_OK);
    assert_string_equal(world.out, "{\"a\":[1,null]}\n");
    join(&world);
    assert_string_equal(world.broker.requests[0], "some.method {\"x\":1.5}");
    finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_shows_a_memory_without_its_escapes),
        cmocka_unit_test(test_a_list_is_a_table_on_a_terminal_and_tabs_in_a_pipe),
        cmocka_unit_test(test_list_all_asks_page_by_page),
        cmocka_unit_test(test_status_shows_the_broker_and_its_lanes),
        cmocka_unit_test(test_flush_shows_who_is_not_level_in_time),
        cmocka_unit_test(test_dead_letters_are_retried_by_id_or_all),
        cmocka_unit_test(test_call_passes_parameters_and_prints_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
