/*
 * cmd_backup.c - memferry backup FILE [--force]: has the broker copy its store to a file.
 *
 * It may take as long as reading and writing everything does, so without --timeout there is none.
 */
#include "client/cli/cli.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The broker has another working directory. */
static int make_absolute(struct cli *cli, const char *name, char path[PATH_MAX])
{
    char here[PATH_MAX] = "";

    if (name[0] != '/' && getcwd(here, sizeof here) == NULL) {
        return cli_fail(cli, EXIT_IO, "cannot tell the working directory: %s", strerror(errno));
    }
    const char *slash = name[0] == '/' || strcmp(here, "/") == 0 ? "" : "/";
    if (snprintf(path, PATH_MAX, "%s%s%s", here, slash, name) >= PATH_MAX) {
        return cli_usage(cli, "the name of the file is too long");
    }
    return EXIT_OK;
}

static void print(struct cli *cli, const struct memferry_node *result)
{
    if (cli->json) {
        cli_print_json(cli, result);
    } else if (!cli->quiet) {
        fprintf(cli->out,
                "%s: %" PRId64 " memories and %" PRId64 " deleted ones, %" PRId64
                " events up to %" PRId64 ", %" PRId64 " bytes\n",
                field_text(result, "path"), field_int(result, "memories"),
                field_int(result, "deleted"), field_int(result, "events"), field_int(result, "seq"),
                field_int(result, "bytes"));
    }
}

static int call_backup(struct cli *cli, const char *path, bool replace)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    json_field_text(&json, "path", path);
    if (replace) {
        json_field_bool(&json, "replace", true);
    }
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "backup", "store.backup", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    if (exit_code == EXIT_OK) {
        print(cli, memferry_reply_root(reply));
    }
    memferry_reply_free(reply);
    return exit_code;
}

int command_backup(struct cli *cli, const struct args *args)
{
    char path[PATH_MAX];

    if (args->word_count != 1) {
        return cli_usage(cli, "backup takes one file");
    }
    if (strcmp(args_word(args, 0), "-") == 0) {
        return cli_usage(cli, "a backup is a file, - is none; memferry export writes to stdout");
    }
    int exit_code = make_absolute(cli, args_word(args, 0), path);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    cli->timeout_ms = cli->timeout_ms != 0 ? cli->timeout_ms : -1;
    exit_code = cli_connect(cli);
    return exit_code == EXIT_OK ? call_backup(cli, path, args_has(args, "force")) : exit_code;
}
