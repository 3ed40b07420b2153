/*
 * cmd_put.c - memferry put: one memory, or many from a file (bulk.c).
 *
 * Prints the id, so that `id=$(memferry put …)` works; on a terminal a sentence.
 */
#include "client/cli/bulk.h"
#include "client/cli/commands.h"
#include "client/cli/put_args.h"
#include "client/cli/text.h"

#include <string.h>

static void print_backends(struct cli *cli, const struct memferry_node *backends)
{
    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        fprintf(cli->out, "  %s: %s\n", memferry_node_key(backends, i),
                memferry_node_string(memferry_node_at(backends, i), "?"));
    }
}

static int print_receipt(struct cli *cli, const struct memferry_node *receipt, bool waited)
{
    if (cli->json) {
        return cli_print_json(cli, receipt);
    }
    if (cli->quiet) {
        return EXIT_OK;
    }
    const char *id = field_text(receipt, "id");
    if (!cli->out_terminal) {
        fprintf(cli->out, "%s\n", id);
        return EXIT_OK;
    }
    fprintf(cli->out, "%s%s%s is %s, version %lld\n", cli_bold(cli), id, cli_plain(cli),
            field_bool(receipt, "duplicate") ? "durable since before" : "durable",
            (long long)field_int(receipt, "seq"));
    if (waited) {
        print_backends(cli, memferry_node_get(receipt, "backends"));
    }
    return EXIT_OK;
}

/* It is stored, but what was waited for did not happen. */
static int check_taken(struct cli *cli, const struct memferry_node *receipt)
{
    const struct memferry_node *backends = memferry_node_get(receipt, "backends");
    int exit_code = EXIT_OK;

    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        const char *state = memferry_node_string(memferry_node_at(backends, i), "");
        if (strcmp(state, "dead") == 0) {
            exit_code = cli_fail(cli, EXIT_DATA,
                                 "put: it is stored here, but backend %s refuses it as it is; "
                                 "memferry dead says why",
                                 memferry_node_key(backends, i));
        }
    }
    return exit_code;
}

static int put_failed(struct cli *cli, int code, const struct memferry_reply *reply)
{
    const struct memferry_node *data = memferry_node_get(memferry_reply_root(reply), "data");
    const struct memferry_node *receipt = memferry_node_get(data, "receipt");

    if (code == MEMFERRY_E_TIMEOUT && receipt != NULL) {
        print_receipt(cli, receipt, true);
    }
    return cli_fail_call(cli, code, "put");
}

static int put_one(struct cli *cli, struct memferry_put *put)
{
    struct memferry_session session;
    struct memferry_reply *reply;
    int exit_code = cli_connect(cli);

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (put->session_id == NULL) {
        put->session_id = cli_session(cli, &session);
    }
    int code = memferry_put_reply(cli->m, put, &reply);
    if (code == MEMFERRY_OK) {
        const struct memferry_node *receipt = memferry_reply_root(reply);
        exit_code = print_receipt(cli, receipt, put->wait == MEMFERRY_WAIT_DELIVERED);
        exit_code = exit_code == EXIT_OK ? check_taken(cli, receipt) : exit_code;
    } else {
        exit_code = put_failed(cli, code, reply);
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int put_words(struct cli *cli, const struct args *args)
{
    struct put_args input;
    int exit_code = put_args_read(&input, cli, args);

    if (exit_code == EXIT_OK && input.put.content == NULL && input.put.id == NULL) {
        exit_code = cli_usage(cli, "nothing to put: give content, or - to read it from stdin, or "
                                   "--id ID with what is to change");
    }
    if (exit_code == EXIT_OK) {
        exit_code = put_one(cli, &input.put);
    }
    put_args_free(&input);
    return exit_code;
}

static int put_file(struct cli *cli, const struct args *args)
{
    static const char *const single[] = {"id", "kind", "tag", "prop", "expect", "wait"};

    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        if (args_has(args, single[i])) {
            return cli_usage(cli, "--%s does not go with --from-json: say it in each line",
                             single[i]);
        }
    }
    if (args->word_count > 0) {
        return cli_usage(cli, "content does not go with --from-json");
    }
    return bulk_put(cli, args_value(args, "from-json"), args_value(args, "session"));
}

int command_put(struct cli *cli, const struct args *args)
{
    int exit_code = cli_open(cli); /* the parser of := needs it */

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    return args_has(args, "from-json") ? put_file(cli, args) : put_words(cli, args);
}
