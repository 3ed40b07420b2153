/* heavy.c - see heavy.h. Output that could not be written is an error, as it is in memferry. */
#include "client/heavy/heavy.h"

#include "client/cli/commands.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int run_verb(struct cli *cli, const struct args *args, bool parsed,
                    int (*run)(struct cli *cli, const struct args *args))
{
    if (!parsed) {
        return cli_usage(cli, "%s", args->problem);
    }
    int exit_code = cli_apply_globals(cli, args);
    return exit_code == EXIT_OK ? run(cli, args) : exit_code;
}

int heavy_main(int argc, char **argv, const char *verb,
               int (*run)(struct cli *cli, const struct args *args))
{
    struct args args;
    struct cli cli;

    cli_init(&cli);
    cli.command = command_find(verb);
    assert(cli.command != NULL);
    bool parsed = args_parse(&args, argc - 1, (const char *const *)argv + 1, global_options,
                             cli.command->options, false);
    int exit_code = run_verb(&cli, &args, parsed, run);
    args_free(&args);
    if ((fflush(cli.out) != 0 || ferror(cli.out)) && errno != EPIPE) {
        exit_code = cli_fail(&cli, EXIT_IO, "cannot write the output: %s", strerror(errno));
    }
    cli_deinit(&cli);
    return exit_code;
}
