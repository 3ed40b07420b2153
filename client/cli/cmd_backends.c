/* cmd_backends.c - memferry backends and flush: how the lanes stand, and what they are asked. */
#include "client/cli/backends.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/times.h"

#include <string.h>

#define FLUSH_MARGIN_MS 5000 /* for the answer behind the broker's own time-out */
#define FLUSH_MS        30000

int backends_print(struct cli *cli, const struct memferry_node *backends)
{
    static const char *const headings[] = {"backend", "plugin", "health",     ">pending",  "oldest",
                                           ">retry",  ">dead",  ">delivered", "last error"};
    struct table table;

    table_init(&table, headings, 9);
    for (size_t i = 0; i < memferry_node_count(backends); i++) {
        const struct memferry_node *backend = memferry_node_at(backends, i);
        int64_t oldest_ms = field_int(backend, "oldest_pending_ms");
        char age[TIME_TEXT_SIZE] = "";
        if (oldest_ms != 0) {
            duration_text(oldest_ms, age);
        }
        table_text(&table, field_text(backend, "name"));
        table_text(&table, field_text(backend, "plugin"));
        table_text(&table, field_text(backend, "health"));
        table_int(&table, field_int(backend, "pending"));
        table_text(&table, age);
        table_int(&table, field_int(backend, "deferred"));
        table_int(&table, field_int(backend, "dead"));
        table_int(&table, field_int(backend, "delivered"));
        table_text(&table, field_text(backend, "last_error"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

static int print_each(struct cli *cli, const struct memferry_node *list)
{
    int exit_code = EXIT_OK;

    for (size_t i = 0; exit_code == EXIT_OK && i < memferry_node_count(list); i++) {
        exit_code = cli_print_json(cli, memferry_node_at(list, i));
    }
    return exit_code;
}

static int backends_list(struct cli *cli)
{
    struct memferry_reply *reply;
    int exit_code = cli_call(cli, "backends", "backend.list", NULL, &reply);

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    const struct memferry_node *list = memferry_node_get(memferry_reply_root(reply), "backends");
    if (cli->json) {
        exit_code = print_each(cli, list);
    } else if (memferry_node_count(list) > 0) {
        exit_code = backends_print(cli, list);
    } else if (cli->out_terminal) {
        fputs("No backend is configured: memories stay on this machine.\n", cli->out);
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int backend_verb(struct cli *cli, const char *verb, const char *name)
{
    char method[32], what[120];
    struct memferry_reply *reply = NULL;
    struct json json;

    snprintf(method, sizeof method, "backend.%s", verb);
    snprintf(what, sizeof what, "%s %.80s", verb, name);
    json_open(&json);
    json_field_text(&json, "name", name);
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, what, method, params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    if (exit_code == EXIT_OK && cli->json) {
        exit_code = cli_print_json(cli, memferry_reply_root(reply));
    } else if (exit_code == EXIT_OK && cli->out_terminal && !cli->quiet) {
        fprintf(cli->out, "%s: %s done\n", name, verb);
    }
    memferry_reply_free(reply);
    return exit_code;
}

int command_backends(struct cli *cli, const struct args *args)
{
    static const char *const verbs[] = {"pause", "resume", "forget"};
    const char *verb = args_word(args, 0), *name = args_word(args, 1);

    if (verb != NULL && strcmp(verb, "probe") == 0) {
        return backends_probe(cli, args);
    }
    bool known = verb == NULL || strcmp(verb, "list") == 0;

    for (size_t i = 0; !known && i < sizeof verbs / sizeof verbs[0]; i++) {
        known = strcmp(verb, verbs[i]) == 0;
    }
    if (!known) {
        return cli_usage(cli, "backends cannot %.40s; it can list, pause, resume, probe and forget",
                         verb);
    }
    bool list = verb == NULL || strcmp(verb, "list") == 0;
    if (list ? args->word_count > 1 : args->word_count != 2) {
        return cli_usage(cli,
                         list ? "backends list takes no name"
                              : "backends %s takes one name: memferry backends lists them",
                         verb);
    }
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    return list ? backends_list(cli) : backend_verb(cli, verb, name);
}

static int flush_print(struct cli *cli, const struct memferry_node *result)
{
    static const char *const headings[] = {"backend", "level", ">pending", ">retry", ">dead"};
    const struct memferry_node *list = memferry_node_get(result, "backends");
    struct table table;

    if (cli->json) {
        return print_each(cli, list);
    }
    if (cli->quiet) {
        return EXIT_OK;
    }
    table_init(&table, headings, 5);
    for (size_t i = 0; i < memferry_node_count(list); i++) {
        const struct memferry_node *backend = memferry_node_at(list, i);
        table_text(&table, field_text(backend, "name"));
        table_text(&table, field_bool(backend, "level") ? "yes" : "no");
        table_int(&table, field_int(backend, "pending"));
        table_int(&table, field_int(backend, "deferred"));
        table_int(&table, field_int(backend, "dead"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

static int flush_call(struct cli *cli, const char *params)
{
    struct memferry_reply *reply;
    int exit_code, code = memferry_call(cli->m, "backend.flush", params, &reply);

    if (code == MEMFERRY_OK) {
        exit_code = flush_print(cli, memferry_reply_root(reply));
    } else {
        if (code == MEMFERRY_E_TIMEOUT) {
            flush_print(cli, memferry_node_get(memferry_reply_root(reply), "data"));
        }
        exit_code = cli_fail_call(cli, code, "flush");
    }
    memferry_reply_free(reply);
    return exit_code;
}

int command_flush(struct cli *cli, const struct args *args)
{
    int wait_ms = cli->timeout_ms != 0 ? cli->timeout_ms : FLUSH_MS;
    struct json json;

    cli->timeout_ms = wait_ms + FLUSH_MARGIN_MS; /* the broker's answer comes first */
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    json_open(&json);
    if (args->word_count > 0) {
        json_field_list(&json, "names", args->words, args->word_count);
    }
    json_field_int(&json, "timeout_ms", wait_ms);
    const char *params = json_close(&json);
    exit_code =
        params != NULL ? flush_call(cli, params) : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    return exit_code;
}
