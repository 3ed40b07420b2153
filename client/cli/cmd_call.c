/* cmd_call.c - memferry call and version: any method as it is, and who we are. */
#include "client/cli/commands.h"
#include "client/cli/lines.h"
#include "client/cli/put_args.h"
#include "client/cli/version.h"

#include <stdlib.h>
#include <string.h>

static int call_method(struct cli *cli, const char *method, const char *params)
{
    struct memferry_reply *reply;
    int code = memferry_call(cli->m, method, params, &reply);
    int exit_code = EXIT_OK;

    if (code == MEMFERRY_OK) {
        exit_code = cli_print_json(cli, memferry_reply_root(reply));
    } else {
        exit_code = cli_fail_call(cli, code, "%s", method);
    }
    memferry_reply_free(reply);
    return exit_code;
}

int command_call(struct cli *cli, const struct args *args)
{
    const char *params = args_word(args, 1);
    char *input = NULL;

    if (args->word_count == 0 || args->word_count > 2) {
        return cli_usage(cli, "call takes a method and, if it has parameters, one JSON object");
    }
    if (params != NULL && strcmp(params, "-") == 0) {
        params = input = stream_read(cli, cli->in, LINE_MAX_SIZE);
        if (input == NULL) {
            return EXIT_DATA;
        }
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = call_method(cli, args_word(args, 0), params);
    }
    free(input);
    return exit_code;
}

int command_version(struct cli *cli, const struct args *args)
{
    if (cli->command != NULL && args->word_count > 0) {
        return cli_usage(cli, "version takes no words");
    }
    fprintf(cli->out, cli->json ? "{\"version\":\"%s\"}\n" : "memferry %s\n", MEMFERRY_CLI_VERSION);
    return EXIT_OK;
}
