/* cmd_delete.c - memferry delete: tombstones, one after the other; one that fails does not keep the
 * others from it. */
#include "client/cli/commands.h"
#include "client/cli/json.h"

static void print_deleted(struct cli *cli, const struct memferry_receipt *receipt)
{
    struct json json;

    if (cli->json) {
        json_open(&json);
        json_field_text(&json, "id", receipt->id);
        json_field_text(&json, "event_id", receipt->event_id);
        json_field_int(&json, "seq", (int64_t)receipt->seq);
        json_field_bool(&json, "duplicate", receipt->duplicate);
        json_field_bool(&json, "durable", receipt->durable);
        cli_print_object(cli, &json);
    } else if (cli->out_terminal && !cli->quiet) {
        fprintf(cli->out, "%s%s%s %s, version %lld\n", cli_bold(cli), receipt->id, cli_plain(cli),
                receipt->duplicate ? "was deleted before" : "is deleted", (long long)receipt->seq);
    } else if (!cli->quiet) {
        fprintf(cli->out, "%s\n", receipt->id);
    }
}

int command_delete(struct cli *cli, const struct args *args)
{
    if (args->word_count == 0) {
        return cli_usage(cli, "which memory? Give one id or more");
    }
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    for (size_t i = 0; i < args->word_count; i++) {
        struct memferry_receipt receipt;
        int code =
            memferry_delete(cli->m, args_word(args, i), args_value(args, "reason"), &receipt);
        if (code == MEMFERRY_OK) {
            print_deleted(cli, &receipt);
            continue;
        }
        int failed = cli_fail_call(cli, code, "delete %s", args_word(args, i));
        exit_code = exit_code == EXIT_OK ? failed : exit_code;
        if (failed == EXIT_NO_BROKER || failed == EXIT_FORBIDDEN) {
            break; /* the rest would fare the same */
        }
    }
    return exit_code;
}
