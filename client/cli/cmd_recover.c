/*
 * cmd_recover.c - memferry recover: an empty journal gets back what a backend holds.
 *
 * Happy path: begin, then look how far it is until it has ended; on a terminal one line is written
 * over and over. Whoever stops looking stops nothing.
 */
#include "client/cli/cli.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 200

static void show_progress(struct cli *cli, const struct memferry_node *state)
{
    if (!cli->err_terminal || cli->quiet || cli->json) {
        return;
    }
    if (field_bool(state, "verifying")) {
        fprintf(cli->err, "\r%" PRId64 " fetched, verified %" PRId64 "   ",
                field_int(state, "fetched"), field_int(state, "compared"));
    } else {
        fprintf(cli->err, "\r%" PRId64 " fetched   ", field_int(state, "fetched"));
    }
    fflush(cli->err);
}

static void show_refusals(struct cli *cli, const struct memferry_node *state)
{
    const struct memferry_node *refusals = memferry_node_get(state, "refusals");

    for (size_t i = 0; i < memferry_node_count(refusals); i++) {
        fprintf(cli->err, "left out: %s\n",
                memferry_node_string(memferry_node_at(refusals, i), ""));
    }
}

static int print_end(struct cli *cli, const struct memferry_node *state)
{
    bool done = strcmp(field_text(state, "state"), "done") == 0;

    if (cli->err_terminal && !cli->quiet && !cli->json) {
        fputc('\n', cli->err);
    }
    if (cli->json) {
        cli_print_json(cli, state);
    } else if (done && !cli->quiet) {
        fprintf(
            cli->out,
            "%s: %" PRId64 " memories are here again, and were verified; %" PRId64 " left out\n",
            field_text(state, "name"), field_int(state, "compared") - field_int(state, "refused"),
            field_int(state, "refused"));
    }
    show_refusals(cli, state);
    return done ? EXIT_OK
                : cli_fail(cli, EXIT_TRY_AGAIN, "recover from %s: %s", field_text(state, "name"),
                           field_text(state, "error"));
}

/* Looks until it has ended. */
static int follow(struct cli *cli)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

    for (;;) {
        struct memferry_reply *reply = NULL;
        int exit_code = cli_call(cli, "recover", "backend.recovery", NULL, &reply);
        const struct memferry_node *state =
            exit_code == EXIT_OK ? memferry_reply_root(reply) : NULL;
        bool runs = exit_code == EXIT_OK && strcmp(field_text(state, "state"), "running") == 0;

        if (runs) {
            show_progress(cli, state);
        } else if (exit_code == EXIT_OK) {
            exit_code = print_end(cli, state);
        }
        memferry_reply_free(reply);
        if (!runs) {
            return exit_code;
        }
        nanosleep(&pause, NULL);
    }
}

static int begin(struct cli *cli, const struct args *args)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    if (args_has(args, "abandon")) {
        json_field_bool(&json, "abandon", true);
    } else {
        json_field_text(&json, "name", args_value(args, "from"));
    }
    if (args_has(args, "merge")) {
        json_field_bool(&json, "merge", true);
    }
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "recover", "backend.recover", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    memferry_reply_free(reply);
    return exit_code;
}

int command_recover(struct cli *cli, const struct args *args)
{
    bool abandons = args_has(args, "abandon");

    if (args->word_count > 0 || abandons == (args_value(args, "from") != NULL)) {
        return cli_usage(cli, "recover takes --from BACKEND, or --abandon");
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = begin(cli, args);
    }
    return exit_code != EXIT_OK || abandons ? exit_code : follow(cli);
}
