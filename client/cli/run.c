/*
 * run.c - a command line, from its words to an exit code.
 *
 * Global options are taken wherever they stand. Output that could not be written is an error of its
 * own, so that `memferry list >file` on a full disk does not pass for success.
 */
#include "client/cli/commands.h"
#include "client/cli/times.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int cli_apply_globals(struct cli *cli, const struct args *args)
{
    const char *timeout = args_value(args, "timeout"), *socket = args_value(args, "socket");
    int64_t ms;

    cli->json = cli->json || args_has(args, "json");
    cli->quiet = cli->quiet || args_has(args, "quiet");
    cli->no_start = cli->no_start || args_has(args, "no-start");
    cli->socket = socket != NULL ? socket : cli->socket;
    if (timeout != NULL) {
        if (!duration_parse(timeout, &ms) || ms == 0 || ms > INT_MAX / 2) {
            return cli_usage(cli, "--timeout %.40s is no duration; say 500ms, 30s or 5m", timeout);
        }
        cli->timeout_ms = (int)ms;
    }
    return EXIT_OK;
}

static int run_command(struct cli *cli, int argc, const char *const *argv,
                       const struct args *before)
{
    static const struct args none;
    struct args args;
    int exit_code;

    if (!args_parse(&args, argc, argv, global_options, cli->command->options, false)) {
        exit_code = cli_usage(cli, "%s", args.problem);
    } else if ((exit_code = cli_apply_globals(cli, &args)) == EXIT_OK) {
        if (args_has(&args, "help") || args_has(before, "help")) {
            const char *word = cli->command->name;
            struct args help = none;
            help.words = &word;
            help.word_count = 1;
            exit_code = command_help(cli, &help);
        } else {
            exit_code = cli->command->run(cli, &args);
        }
    }
    args_free(&args);
    return exit_code;
}

static int unknown_command(struct cli *cli, const char *name)
{
    const char *meant = command_suggest(name);

    return cli_usage(cli, "there is no command %.60s%s%s%s", name,
                     meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "",
                     meant != NULL ? "?" : "");
}

static int dispatch(struct cli *cli, int argc, const char *const *argv, const struct args *before)
{
    const char *name = args_word(before, 0);
    int exit_code = cli_apply_globals(cli, before);

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (args_has(before, "version")) {
        return command_version(cli, before);
    }
    if (name == NULL) {
        if (args_has(before, "help")) {
            return command_help(cli, before);
        }
        return cli_usage(cli, "which command? They are put, get, list, delete, status and more");
    }
    cli->command = command_find(name);
    if (cli->command == NULL) {
        return unknown_command(cli, name);
    }
    return run_command(cli, argc - (int)before->used, argv + before->used, before);
}

static int flush_output(struct cli *cli, int exit_code)
{
    if (fflush(cli->out) == 0 && !ferror(cli->out)) {
        return exit_code;
    }
    return errno == EPIPE ? exit_code
                          : cli_fail(cli, EXIT_IO, "cannot write the output: %s", strerror(errno));
}

int cli_run(struct cli *cli, int argc, const char *const *argv)
{
    /* Before the command only: behind `get` it means another thing. */
    static const struct option leading_options[] = {
        {"version", NULL, "show the version of this command"}, {NULL, NULL, NULL}};
    struct args before;
    int exit_code;

    if (!args_parse(&before, argc - 1, argv + 1, global_options, leading_options, true)) {
        exit_code = cli_usage(cli, "%s", before.problem);
    } else {
        exit_code = dispatch(cli, argc - 1, argv + 1, &before);
    }
    args_free(&before);
    return flush_output(cli, exit_code);
}
