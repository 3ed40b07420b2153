/* cmd_purge.c - memferry purge: removes memories with their history, where the broker allows it. */
#include "client/cli/cmd_undo.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

#include <unistd.h>

/* Nothing brings it back, so it is asked for where somebody can be asked. */
static int ask(struct cli *cli, const struct args *args, bool *ret_goes_on)
{
    *ret_goes_on = args_has(args, "yes");
    if (*ret_goes_on) {
        return EXIT_OK;
    }
    if (!isatty(fileno(cli->in))) {
        return cli_usage(cli, "nothing was done: nobody can be asked here; say --yes to do it");
    }
    fprintf(cli->err, "Remove %zu %s with all versions, for good?", args->word_count,
            args->word_count == 1 ? "memory" : "memories");
    *ret_goes_on = cli_asked(cli);
    return EXIT_OK;
}

static void print_purged(struct cli *cli, const struct memferry_node *reply)
{
    const struct memferry_node *missing = memferry_node_get(reply, "missing");

    if (cli->json) {
        cli_print_json(cli, reply);
        return;
    }
    for (size_t i = 0; i < memferry_node_count(missing); i++) {
        cli_warn(cli, "there is no memory %s",
                 memferry_node_string(memferry_node_at(missing, i), "?"));
    }
    if (!cli->quiet) {
        fprintf(cli->out, "%lld purged\n", (long long)field_int(reply, "count"));
    }
}

static int purge(struct cli *cli, const struct args *args)
{
    struct memferry_session session;
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    json_field_list(&json, "ids", args->words, args->word_count);
    const char *by = cli_session(cli, &session);
    if (by[0] != '\0') {
        json_field_text(&json, "session_id", by);
    }
    if (args_value(args, "reason") != NULL) {
        json_field_text(&json, "reason", args_value(args, "reason"));
    }
    const char *params = json_close(&json);
    int exit_code = params == NULL ? cli_fail(cli, EXIT_INTERNAL, "out of memory")
                                   : cli_call(cli, "purge", "memory.purge", params, &reply);
    json_free(&json);
    if (exit_code == EXIT_OK) {
        const struct memferry_node *root = memferry_reply_root(reply);
        print_purged(cli, root);
        exit_code =
            memferry_node_count(memferry_node_get(root, "missing")) > 0 ? EXIT_NOT_FOUND : EXIT_OK;
    }
    memferry_reply_free(reply);
    return exit_code;
}

int command_purge(struct cli *cli, const struct args *args)
{
    bool goes_on = false;

    if (args->word_count == 0 || args->word_count > RESTORE_IDS_MAX) {
        return cli_usage(cli, "which memory? Give 1 to %d ids", RESTORE_IDS_MAX);
    }
    int exit_code = ask(cli, args, &goes_on);
    if (exit_code == EXIT_OK && goes_on) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK || !goes_on) {
        return exit_code;
    }
    return purge(cli, args);
}
