/* Whole command lines against a fake broker: what is sent, what is printed for people and for
 * programs, and the exit code. */
#include "client/cli/cli.h"
#include "client/cli/commands.h"
#include "tests/lib/fake_broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 32

struct world {
    struct fake_broker broker;
    bool started, terminal;
    const char *input;
    char *out, *err;
};

/* Runs a line, split at spaces ("_" in a word stands for one), on the world's broker. */
static int run(struct world *world, const char *line)
{
    const char *words[WORDS_MAX] = {"memferry", "--no-start"};
    char copy[1024];
    size_t out_size, err_size;
    struct cli cli;
    int count = 2;

    snprintf(copy, sizeof copy, "%s", line);
    if (world->started) {
        words[count++] = "--socket";
        words[count++] = world->broker.socket;
    }
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        for (char *at = word; (at = strchr(at, '_')) != NULL;) {
            *at = ' ';
        }
        words[count++] = word;
    }
    free(world->out);
    free(world->err);
    const char *input = world->input != NULL ? world->input : " ";
    cli = (struct cli){.in = fmemopen((char *)(uintptr_t)input, strlen(input), "r"),
                       .out = open_memstream(&world->out, &out_size),
                       .err = open_memstream(&world->err, &err_size),
                       .out_terminal = world->terminal,
                       .columns = 60};
    int exit_code = cli_run(&cli, count, words);
    cli_deinit(&cli);
    fclose(cli.in);
    fclose(cli.out);
    fclose(cli.err);
    return exit_code;
}

static void start(struct world *world, const struct fake_step *steps)
{
    *world = (struct world){.started = true};
    fake_broker_start(&world->broker, steps);
}

/* The broker did all its steps; its requests can be read until finish. */
static void join(struct world *world)
{
    fake_broker_join(&world->broker);
    assert_false(world->broker.failed);
}

static void finish(struct world *world)
{
    fake_broker_free(&world->broker);
    free(world->out);
    free(world->err);
}

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
    assert_string_equal(world.out,
                        "id   version  updated              kind  tags  content\n"
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

static void test_a_wrong_command_line_reaches_no_broker(void **state)
{
    static const struct {
        const char *line, *told;
        int exit_code;
    } cases[] = {{"", "which command?", EXIT_USAGE},
                 {"lst", "did you mean list?", EXIT_USAGE},
                 {"put", "nothing to put", EXIT_USAGE},
                 {"put x --prop novalue", "neither name=value nor name:=JSON", EXIT_USAGE},
                 {"put x --prop :=1", "neither name=value nor name:=JSON", EXIT_USAGE},
                 {"put x --prop a:={}", "is an object", EXIT_DATA},
                 {"put x --prop a:=[1", "--prop a:= is not JSON", EXIT_DATA},
                 {"put x --expect new", "no version", EXIT_USAGE},
                 {"put x --from-json f", "content does not go with", EXIT_USAGE},
                 {"put --id a --from-json f", "--id does not go with", EXIT_USAGE},
                 {"put --from-json /none/here", "cannot read /none/here", EXIT_DATA},
                 {"get", "which memory?", EXIT_USAGE},
                 {"get a b", "one id at a time", EXIT_USAGE},
                 {"get a --version 0", "no version", EXIT_USAGE},
                 {"list --since yesterday", "is no time", EXIT_USAGE},
                 {"list --limit 0", "not between", EXIT_USAGE},
                 {"list words", "takes no words", EXIT_USAGE},
                 {"delete", "which memory?", EXIT_USAGE},
                 {"backends stop graph", "cannot stop", EXIT_USAGE},
                 {"backends pause", "takes one name", EXIT_USAGE},
                 {"dead retry", "Give ids, or --all", EXIT_USAGE},
                 {"dead drop a --all", "Give ids, or --all", EXIT_USAGE},
                 {"dead eat", "cannot eat", EXIT_USAGE},
                 {"call", "takes a method", EXIT_USAGE},
                 {"status --timeout soon", "is no duration", EXIT_USAGE},
                 {"get a --socket /none/here.sock", "no broker listens at", EXIT_NO_BROKER},
                 {"status --socket=", "--socket is empty", EXIT_USAGE}};
    struct world world = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run(&world, cases[i].line), cases[i].exit_code);
        assert_non_null(strstr(world.err, cases[i].told));
        assert_string_equal(world.out, "");
    }
    free(world.out);
    free(world.err);
}

static void test_every_command_has_its_help(void **state)
{
    struct world world = {0};
    char line[64];

    (void)state;
    assert_int_equal(run(&world, "help"), EXIT_OK);
    for (const struct command *command = commands; command->name != NULL; command++) {
        assert_non_null(command->summary);
    }
    for (const struct command *command = commands; command->name != NULL; command++) {
        snprintf(line, sizeof line, "%s --help", command->name);
        assert_int_equal(run(&world, line), EXIT_OK);
        assert_int_equal(strncmp(world.out, command->summary, strlen(command->summary)), 0);
        if (command->examples != NULL) {
            assert_non_null(strstr(world.out, command->examples));
        }
    }
    assert_int_equal(run(&world, "help statsu"), EXIT_USAGE);
    assert_non_null(strstr(world.err, "did you mean status?"));
    assert_int_equal(run(&world, "--version"), EXIT_OK);
    assert_int_equal(strncmp(world.out, "memferry ", 9), 0);
    free(world.out);
    free(world.err);
}

/* A program called memferryd in a directory of its own, first in PATH. */
static void make_memferryd(char *directory, const char *script)
{
    char path[128];

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/memferryd", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    setenv("PATH", directory, 1);
    setenv("MEMFERRY_STATE_DIR", directory, 1);
}

static void test_a_broker_that_cannot_start_shows_its_own_words(void **state)
{
    char directory[] = "/tmp/cli-start-XXXXXX", path[128], *before = strdup(getenv("PATH"));
    char *err;
    size_t size;

    (void)state;
    make_memferryd(directory, "echo the config is wrong at line 3 with $1 $2 >&2; exit 78");
    FILE *stream = open_memstream(&err, &size);
    struct cli cli = {.in = stdin, .out = stdout, .err = stream};
    const char *const words[] = {"memferry", "get", "a", "--socket", "/none/m.sock"};
    assert_int_equal(cli_run(&cli, 5, words), EXIT_NO_BROKER);
    cli_deinit(&cli);
    fflush(stream);
    assert_non_null(strstr(err, "the config is wrong at line 3 with --socket /none/m.sock"));
    snprintf(path, sizeof path, "%s/memferryd.log", directory);
    assert_non_null(strstr(err, path));
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/memferryd", directory);
    assert_int_equal(unlink(path), 0);
    rewind(stream);
    assert_int_equal(cli_run(&cli, 5, words), EXIT_NO_BROKER);
    cli_deinit(&cli);
    fclose(stream);
    assert_non_null(strstr(err, "memferryd is neither beside this command nor in PATH"));
    free(err);
    snprintf(path, sizeof path, "%s/memferryd.log", directory);
    unlink(path);
    rmdir(directory);
    unsetenv("MEMFERRY_STATE_DIR");
    setenv("PATH", before, 1);
    free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_sends_typed_fields_and_prints_the_id),
        cmocka_unit_test(test_put_reads_stdin_and_speaks_json),
        cmocka_unit_test(test_a_put_not_delivered_in_time_still_prints_its_receipt),
        cmocka_unit_test(test_every_error_has_its_exit_code),
        cmocka_unit_test(test_errors_are_json_for_programs),
        cmocka_unit_test(test_get_shows_a_memory_without_its_escapes),
        cmocka_unit_test(test_a_list_is_a_table_on_a_terminal_and_tabs_in_a_pipe),
        cmocka_unit_test(test_list_all_asks_page_by_page),
        cmocka_unit_test(test_delete_goes_on_behind_one_that_fails),
        cmocka_unit_test(test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on),
        cmocka_unit_test(test_lines_are_sent_again_in_order_when_the_connection_breaks),
        cmocka_unit_test(test_a_full_disk_ends_a_file),
        cmocka_unit_test(test_status_shows_the_broker_and_its_lanes),
        cmocka_unit_test(test_flush_shows_who_is_not_level_in_time),
        cmocka_unit_test(test_dead_letters_are_retried_by_id_or_all),
        cmocka_unit_test(test_call_passes_parameters_and_prints_the_result),
        cmocka_unit_test(test_a_wrong_command_line_reaches_no_broker),
        cmocka_unit_test(test_every_command_has_its_help),
        cmocka_unit_test(test_a_broker_that_cannot_start_shows_its_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
