/* cmd_read.c - memferry get and history: one memory, as it is and as it was. */
#include "client/cli/commands.h"
#include "client/cli/show.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/times.h"

#include <stdlib.h>

static int one_id(struct cli *cli, const struct args *args)
{
    if (args->word_count == 1) {
        return EXIT_OK;
    }
    return cli_usage(cli, "%s",
                     args->word_count == 0 ? "which memory? Give its id" : "one id at a time");
}

static int read_version(struct cli *cli, const struct args *args, uint64_t *ret)
{
    const char *text = args_value(args, "version");

    *ret = 0;
    if (text == NULL) {
        return EXIT_OK;
    }
    if (!number_parse(text, 1, UINT64_MAX, ret)) {
        return cli_usage(cli, "--version %.40s is no version; memferry history lists them", text);
    }
    return EXIT_OK;
}

static int print_memory(struct cli *cli, const struct args *args,
                        const struct memferry_node *memory)
{
    if (args_has(args, "content")) {
        if (cli->out_terminal) {
            text_print_wrapped(cli->out, field_text(memory, "content"), 0);
        } else {
            fprintf(cli->out, "%s\n", field_text(memory, "content"));
        }
        return EXIT_OK;
    }
    if (cli->json) {
        return cli_print_json(cli, memory);
    }
    show_memory(cli, memory);
    return EXIT_OK;
}

int command_get(struct cli *cli, const struct args *args)
{
    struct memferry_reply *reply;
    uint64_t version;
    int exit_code = one_id(cli, args);

    if (exit_code == EXIT_OK) {
        exit_code = read_version(cli, args, &version);
    }
    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    int code = memferry_get(cli->m, args_word(args, 0), version, &reply);
    if (code != MEMFERRY_OK) {
        return cli_fail_call(cli, code, "get %s", args_word(args, 0));
    }
    exit_code = print_memory(cli, args, memferry_reply_root(reply));
    memferry_reply_free(reply);
    return exit_code;
}

static int print_versions(struct cli *cli, const struct memferry_node *versions)
{
    static const char *const headings[] = {">version", "change", "at", "session", "reason"};
    char at[TIME_TEXT_SIZE];
    struct table table;

    table_init(&table, headings, 5);
    for (size_t i = 0; i < memferry_node_count(versions); i++) {
        const struct memferry_node *version = memferry_node_at(versions, i);
        table_int(&table, field_int(version, "version"));
        table_text(&table, field_text(version, "op"));
        table_text(&table, time_text(field_int(version, "at_ms"), cli->out_terminal, at));
        table_text(&table, field_text(version, "session_id"));
        table_text(&table, field_text(version, "reason"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

int command_history(struct cli *cli, const struct args *args)
{
    struct memferry_reply *reply;
    int exit_code = one_id(cli, args);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    int code = memferry_history(cli->m, args_word(args, 0), &reply);
    if (code != MEMFERRY_OK) {
        return cli_fail_call(cli, code, "history of %s", args_word(args, 0));
    }
    const struct memferry_node *versions =
        memferry_node_get(memferry_reply_root(reply), "versions");
    for (size_t i = 0; cli->json && i < memferry_node_count(versions); i++) {
        exit_code = cli_print_json(cli, memferry_node_at(versions, i));
    }
    exit_code = cli->json ? exit_code : print_versions(cli, versions);
    memferry_reply_free(reply);
    return exit_code;
}
