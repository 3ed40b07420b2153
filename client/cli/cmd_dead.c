/* cmd_dead.c - memferry dead: what a backend will not take. Retrying asks it again; dropping gives
 * the delivery up and leaves the memory where it is. */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/times.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 1000

static int print_dead(struct cli *cli, const struct memferry_node *dead)
{
    static const char *const headings[] = {"backend", "id", ">version", ">tries", "at", "reason"};
    char at[TIME_TEXT_SIZE];
    struct table table;

    if (cli->json) {
        int exit_code = EXIT_OK;
        for (size_t i = 0; exit_code == EXIT_OK && i < memferry_node_count(dead); i++) {
            exit_code = cli_print_json(cli, memferry_node_at(dead, i));
        }
        return exit_code;
    }
    table_init(&table, headings, 6);
    for (size_t i = 0; i < memferry_node_count(dead); i++) {
        const struct memferry_node *one = memferry_node_at(dead, i);
        table_text(&table, field_text(one, "backend"));
        table_text(&table, field_text(one, "id"));
        table_int(&table, field_int(one, "version"));
        table_int(&table, field_int(one, "attempts"));
        table_text(&table, time_text(field_int(one, "at_ms"), cli->out_terminal, at));
        table_text(&table, field_text(one, "reason"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

/* One page; *next is where the following begins, or NULL. */
static int list_page(struct cli *cli, const char *backend, char **next, bool first)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    if (backend != NULL) {
        json_field_text(&json, "backend", backend);
    }
    if (*next != NULL) {
        json_field_text(&json, "after", *next);
    }
    json_field_int(&json, "limit", PAGE);
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "dead list", "dead.list", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    free(*next);
    *next = NULL;
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    const struct memferry_node *root = memferry_reply_root(reply);
    const struct memferry_node *dead = memferry_node_get(root, "dead");
    const struct memferry_node *behind = memferry_node_get(root, "next");
    if (memferry_node_kind(behind) == MEMFERRY_NODE_STRING) {
        *next = strdup(memferry_node_string(behind, ""));
    }
    if (memferry_node_count(dead) > 0) {
        exit_code = print_dead(cli, dead);
    } else if (first && cli->out_terminal && !cli->json) {
        fputs("There are no dead letters.\n", cli->out);
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int dead_list(struct cli *cli, const char *backend)
{
    char *next = NULL;
    int exit_code = list_page(cli, backend, &next, true);

    while (exit_code == EXIT_OK && next != NULL) {
        exit_code = list_page(cli, backend, &next, false);
    }
    free(next);
    return exit_code;
}

/* retry or drop, of one id or of all. */
static int dead_change(struct cli *cli, const char *verb, const char *backend, const char *id,
                       int64_t *count)
{
    struct memferry_reply *reply = NULL;
    char method[16], what[320];
    struct json json;

    snprintf(method, sizeof method, "dead.%s", verb);
    snprintf(what, sizeof what, "dead %s %s", verb, id != NULL ? id : "--all");
    json_open(&json);
    if (backend != NULL) {
        json_field_text(&json, "backend", backend);
    }
    if (id != NULL) {
        json_field_text(&json, "id", id);
    } else {
        json_field_bool(&json, "all", true);
    }
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, what, method, params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    *count += field_int(memferry_reply_root(reply), "count");
    memferry_reply_free(reply);
    json_free(&json);
    return exit_code;
}

static void print_count(struct cli *cli, const char *verb, int64_t count)
{
    if (cli->json) {
        fprintf(cli->out, "{\"count\":%lld}\n", (long long)count);
    } else if (cli->out_terminal && !cli->quiet) {
        fprintf(cli->out, "%lld %s\n", (long long)count,
                strcmp(verb, "retry") == 0 ? "will be tried again" : "dropped");
    } else if (!cli->quiet) {
        fprintf(cli->out, "%lld\n", (long long)count);
    }
}

static int dead_change_each(struct cli *cli, const struct args *args, const char *verb)
{
    const char *backend = args_value(args, "backend");
    int64_t count = 0;
    int exit_code = EXIT_OK;

    if (args_has(args, "all")) {
        exit_code = dead_change(cli, verb, backend, NULL, &count);
    }
    for (size_t i = 1; i < args->word_count; i++) {
        int failed = dead_change(cli, verb, backend, args_word(args, i), &count);
        exit_code = exit_code == EXIT_OK ? failed : exit_code;
    }
    if (exit_code == EXIT_OK || count > 0) {
        print_count(cli, verb, count);
    }
    return exit_code;
}

static int dead_check(struct cli *cli, const struct args *args, const char *verb)
{
    bool list = strcmp(verb, "list") == 0, all = args_has(args, "all");

    if (!list && strcmp(verb, "retry") != 0 && strcmp(verb, "drop") != 0) {
        return cli_usage(cli, "dead cannot %.40s; it can list, retry and drop", verb);
    }
    if (list && (args->word_count > 1 || all)) {
        return cli_usage(cli, "dead list gives all of them, or those of --backend NAME");
    }
    if (!list && (args->word_count > 1) == all) {
        return cli_usage(cli, "dead %s which? Give ids, or --all", verb);
    }
    return EXIT_OK;
}

int command_dead(struct cli *cli, const struct args *args)
{
    const char *verb = args->word_count > 0 ? args_word(args, 0) : "list";
    int exit_code = dead_check(cli, args, verb);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    return strcmp(verb, "list") == 0 ? dead_list(cli, args_value(args, "backend"))
                                     : dead_change_each(cli, args, verb);
}
