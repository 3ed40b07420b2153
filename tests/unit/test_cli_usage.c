/* Wrong command lines, help, and a broker that cannot be started. */
#include "client/cli/commands.h"
#include "tests/lib/cli_fixture.h"

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
                 {"version 2", "takes no words", EXIT_USAGE},
                 {"help statos", "(see memferry help)", EXIT_USAGE},
                 {"backup -", "memferry export writes to stdout", EXIT_USAGE},
                 {"export /tmp", "/tmp is a directory", EXIT_DATA},
                 {"guard test", "wants one FILE", EXIT_USAGE},
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
    const struct command *command;
    struct world world = {0};
    char line[64];

    (void)state;
    assert_int_equal(run(&world, "help"), EXIT_OK);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        snprintf(line, sizeof line, "\n  %-22s ", command->name);
        assert_non_null(strstr(world.out, line));
        assert_non_null(strstr(world.out, command->summary));
        assert_in_range(strlen(command->summary), 1, 74); /* a line of 100 columns */
    }
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
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
    make_memferryd(directory, "echo the config is wrong at line 3 with \"$@\" >&2; exit 78");
    FILE *stream = open_memstream(&err, &size);
    struct cli cli = {.in = stdin, .out = stdout, .err = stream};
    const char *const words[] = {"memferry", "get", "a", "--socket", "/none/m.sock"};
    assert_int_equal(cli_run(&cli, 5, words), EXIT_NO_BROKER);
    cli_deinit(&cli);
    fflush(stream);
    assert_non_null(strstr(err, "the config is wrong at line 3 with --socket /none/m.sock "
                                "--log-file "));
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
        cmocka_unit_test(test_a_wrong_command_line_reaches_no_broker),
        cmocka_unit_test(test_every_command_has_its_help),
        cmocka_unit_test(test_a_broker_that_cannot_start_shows_its_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
