/* cli_fixture.h - command lines run in this process, on a fake broker. */
#ifndef MEMFERRY_TESTS_CLI_FIXTURE_H
#define MEMFERRY_TESTS_CLI_FIXTURE_H

#include "client/cli/cli.h"
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
static inline int run(struct world *world, const char *line)
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

static inline void start(struct world *world, const struct fake_step *steps)
{
    *world = (struct world){.started = true};
    fake_broker_start(&world->broker, steps);
}

/* The broker did all its steps; its requests can be read until finish. */
static inline void join(struct world *world)
{
    fake_broker_join(&world->broker);
    assert_false(world->broker.failed);
}

static inline void finish(struct world *world)
{
    fake_broker_free(&world->broker);
    free(world->out);
    free(world->err);
}

#endif
